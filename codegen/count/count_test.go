package count_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/count"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
)

// counted is what Function says of a function whose loop runs to a number, and copies bytes.
func counted(t *testing.T, tgt *processor.Target, to func(x *loop.Param) loop.Expr) (int, error) {
	t.Helper()
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	x, y := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "y"}
	f := &loop.Func{Name: "run", Params: []*loop.Param{x, y}}
	b := loop.NewBuilder(f)
	b.For("i", loop.Int(0), to(x), 1, func(i loop.Expr) {
		at := b.Cursor("at", y, i) // which keeps LLVM from copying them all at once
		b.Store(at, loop.Int(0), loop.At(x, i, loop.I8))
	})
	b.Return(loop.Int(0))
	text, err := llvm.Print(&loop.Program{Funcs: []*loop.Func{f}}, tgt)
	require.NoError(t, err)
	object, err := llvm.Compile(context.Background(), tools, text, tgt, "obj")
	require.NoError(t, err)
	program, listing, err := llvm.Listing(context.Background(), tools, object, "run", tgt)
	require.NoError(t, err)
	return count.Function(context.Background(), program, listing, "run", count.Interface(1, 0, false, 8), 0)
}

// TestFunction: each round of a loop takes as many instructions; a loop whose rounds depend on data has
// no count, and neither has a processor whose instructions are not known. TestEqualCounts of
// codegen/network holds counts to those of an emulator.
func TestFunction(t *testing.T) {
	for _, name := range []string{"armv6m", "armv8.1m", "armv7", "aarch64", "riscv32", "riscv64"} {
		t.Run(name, func(t *testing.T) {
			tgt, err := processor.Find(name)
			require.NoError(t, err)
			var n [3]int
			for i := range n {
				n[i], err = counted(t, tgt, func(*loop.Param) loop.Expr { return loop.Int(100 + 50*i) })
				require.NoError(t, err)
			}
			assert.Greater(t, n[0], 300, "four instructions a round, or more")
			assert.Equal(t, n[1]-n[0], n[2]-n[1])
			assert.Zero(t, (n[1]-n[0])%50)
			_, err = counted(t, tgt, func(x *loop.Param) loop.Expr { return loop.At(x, loop.Int(0), loop.I32) })
			assert.ErrorContains(t, err, "depends on data")
		})
	}
	tgt, err := processor.Find("x86_64")
	require.NoError(t, err)
	_, err = counted(t, tgt, func(*loop.Param) loop.Expr { return loop.Int(9) })
	assert.EqualError(t, err, "count: the instructions of EM_X86_64 are not known")
}
