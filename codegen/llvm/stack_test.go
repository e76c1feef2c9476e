package llvm_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/processor"
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

// wide passes more arguments than registers hold, in a function that jumps by a table.
const wide = `target triple = "%%s"
define internal void @last(%[1]s) noinline "no-builtins" {
%[2]s  ret void
}
define internal void @pick(i32 %%%%n, i32* %%%%p) noinline "no-builtins" {
  switch i32 %%%%n, label %%%%none [ i32 0, label %%%%a
    i32 1, label %%%%b
    i32 2, label %%%%c
    i32 3, label %%%%d
    i32 4, label %%%%e
    i32 5, label %%%%f ]
%[3]snone:
  ret void
}
define void @run(i32 %%%%n, i32* %%%%p) "no-builtins" {
  call void @pick(i32 %%%%n, i32* %%%%p)
  store volatile i32 0, i32* %%%%p
  ret void
}
`

// TestStackOfArguments: arguments on the stack are in the bound, and a table of jumps
// does not hide a frame.
func TestStackOfArguments(t *testing.T) {
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	const few, many = 4, 40
	program := func(n int) string {
		var params, values []string
		body, blocks := "", ""
		for i := range n {
			params, values = append(params, fmt.Sprintf("i32* %%%%p%d", i)), append(values, "i32* %%p")
			body += fmt.Sprintf("  store volatile i32 %d, i32* %%%%p%d\n", i, i)
		}
		for i, label := range "abcdef" {
			blocks += fmt.Sprintf("%c:\n  store volatile i32 %d, i32* %%%%p\n  call void @last(%s)\n  store volatile i32 %d, i32* %%%%p\n  ret void\n", label, i*i, strings.Join(values, ", "), i)
		}
		return fmt.Sprintf(wide, strings.Join(params, ", "), body, blocks)
	}
	for _, name := range []string{"armv6m", "armv7em", "armv7", "aarch64", "riscv32", "riscv64", "x86_64"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		stack := map[int]int{}
		for _, n := range []int{few, many} {
			object, err := llvm.Compile(context.Background(), tools, fmt.Sprintf(program(n), tgt.Triple), tgt, "obj")
			require.NoError(t, err, name)
			stack[n], err = llvm.Stack(object, "run", tgt)
			require.NoError(t, err, name)
		}
		word := 4
		if strings.Contains(tgt.Triple, "64") {
			word = 8
		}
		assert.GreaterOrEqual(t, stack[many]-stack[few], word*(many-8-few), name) // eight in registers, at the most
	}
}

func TestStack(t *testing.T) {
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"armv6m", "armv7em", "armv7", "aarch64", "riscv32", "riscv64", "x86_64"} {
		tgt, err := processor.Find(name)
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
