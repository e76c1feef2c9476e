package llvm_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/target"
)

// chain has a frame of 400 bytes and more below one of 40, below run.
const chain = `target triple = "%s"
define internal i32 @deep(i32 %%n) noinline "no-builtins" {
  %%a = alloca [100 x i32]
  %%p = getelementptr [100 x i32], [100 x i32]* %%a, i32 0, i32 %%n
  store volatile i32 %%n, i32* %%p
  %%x = load volatile i32, i32* %%p
  ret i32 %%x
}
define internal i32 @middle(i32 %%n) noinline "no-builtins" {
  %%a = alloca [10 x i32]
  %%p = getelementptr [10 x i32], [10 x i32]* %%a, i32 0, i32 %%n
  store volatile i32 %%n, i32* %%p
  %%x = call i32 @deep(i32 %%n)
  %%y = add i32 %%x, 1
  ret i32 %%y
}
define i32 @run(i32 %%n) "no-builtins" {
  %%x = call i32 @middle(i32 %%n)
  %%y = add i32 %%x, 1
  ret i32 %%y
}
declare i32 @elsewhere(i32)
define i32 @open(i32 %%n) "no-builtins" {
  %%x = call i32 @elsewhere(i32 %%n)
  %%y = add i32 %%x, 1
  ret i32 %%y
}
`

func TestStack(t *testing.T) {
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"armv6m", "armv7em", "armv7", "aarch64", "riscv32", "riscv64", "x86_64"} {
		tgt, err := target.Find(name)
		require.NoError(t, err)
		closed, open, _ := strings.Cut(chain, "declare")
		object, err := llvm.Compile(context.Background(), tools, fmt.Sprintf(closed, tgt.Triple), tgt, "obj")
		require.NoError(t, err)
		stack, err := llvm.Stack(object, "run", tgt)
		require.NoError(t, err, name)
		assert.GreaterOrEqual(t, stack, 440, name)
		assert.Less(t, stack, 640, name)
		_, err = llvm.Stack(object, "nothing", tgt)
		assert.ErrorContains(t, err, "no function")
		object, err = llvm.Compile(context.Background(), tools, fmt.Sprintf("target triple = \"%s\"\ndeclare"+open, tgt.Triple), tgt, "obj")
		require.NoError(t, err)
		_, err = llvm.Stack(object, "open", tgt)
		assert.ErrorContains(t, err, "elsewhere", name)
	}
}
