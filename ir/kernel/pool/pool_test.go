package pool_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/pool"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
)

func TestFamilies(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&pool.Max, &pool.Avg}, []string{
		"avgpool2d(a, kernel: 3, pad: [1,1,0,0])",
		"avgpool2d(a, kernel: 3, pad: [1,0,1,0])",
		"relu(avgpool2d(b, kernel: 2))",
		"relu(maxpool2d(b, kernel: 2))",
		"relu6(maxpool2d(a, kernel: 3, stride: 3))",
		"maxpool2d(a, kernel: 2)",
		"maxpool2d(a, kernel: 3, stride: 2, pad: [1,0,0,1])",
		"maxpool2d(a, kernel: [2,3], stride: 1, dilation: 2)",
		"maxpool2d(a, kernel: 2, stride: [2,1], pad: 1, dilation: [1,3])",
		"avgpool2d(a, kernel: 3, stride: 2, pad: [1,0,1,1])",
		"avgpool2d(a, kernel: 2, stride: 1, pad: [1,0,1,1], dilation: [3,2])",
		"globalavgpool(a)",
		"maxpool2d(a, kernel: 2, pad: [1,0,0,0])",
		"maxpool2d(a, kernel: 2, pad: [0,1,0,0])",
		"maxpool2d(a, kernel: 2, pad: [0,0,1,0])",
		"avgpool2d(a, kernel: 2, pad: [0,0,0,1])",
		"avgpool2d(a, kernel: 3, pad: [1,1,1,1], stride: 1)",
		"maxpool2d(a, kernel: 2, pad: [1,0,1,0])",
		"maxpool2d(a, kernel: 2, pad: [1,1,0,0])",
		"avgpool2d(concat(a, b, a), kernel: 3, pad: 1, stride: 1)",
		"maxpool2d(concat(a, b, a, b, a), kernel: 3, pad: 1, stride: 2)",
	}, "armv7em", "x86_64", "aarch64", "armv7", "armv8.1m", "riscv64+v", "riscv32")
}

// TestKept: an average pool without factors, and a maximum pool with bounds, of a network
// quantized elsewhere, keep their argument's type.
func TestKept(t *testing.T) {
	var lines []string
	for _, target := range []string{"armv7em", "aarch64", "armv8.1m", "riscv64+v", "riscv32"} {
		for _, kept := range []struct{ shape, kernel, pad []int }{
			{[]int{3, 5, 4}, []int{2, 3}, []int{0, 0, 0, 0}},
			{[]int{3, 5, 4}, []int{2, 3}, []int{1, 0, 1, 1}},
			{[]int{23, 5, 4}, []int{2, 3}, []int{0, 0, 0, 0}},
			{[]int{20, 5, 4}, []int{2, 3}, []int{1, 0, 1, 1}},
			{[]int{4, 3, 3}, []int{1, 1}, []int{0, 0, 0, 0}},
			{[]int{5, 18, 20}, []int{17, 19}, []int{0, 0, 0, 0}}, // sums of more than 16 bits
			{[]int{8, 18, 20}, []int{16, 16}, []int{0, 0, 0, 0}}, // as many inputs as the halves of words have room for
			{[]int{8, 18, 20}, []int{1, 257}, []int{0, 0, 0, 256}},
		} {
			t.Run(fmt.Sprint(target, kept), func(t *testing.T) {
				tgt, err := processor.Find(target)
				require.NoError(t, err)
				q := ir.Quant{Scale: .1, Zero: 7}
				for _, f := range []*kernel.Family{&pool.Avg, &pool.Max} {
					x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: kept.shape, Quant: q}}
					n := &ir.Node{Op: f.Op, Args: []*ir.Value{x}}
					n.Put(ir.AttrKernel.Is(kept.kernel), ir.AttrStride.Is([]int{1, 2}), ir.AttrPad.Is(kept.pad), ir.AttrLo.Is(-90), ir.AttrHi.Is(80))
					n.Out = &ir.Value{Name: "y", Def: n}
					typ, fault := ir.InferNode(n)
					require.Nil(t, fault)
					n.Out.Type = typ
					n.Out.Type.Quant = q
					m := &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}}
					p, ok := f.Serves(kernel.Of(n, tgt))
					require.True(t, ok)
					r := kerneltest.Plan(t, f, p, m, tgt)
					lines = append(lines, fmt.Sprintf("%s %s: %v runs %d operations", f.Name, target, kept, r.Weighted()))
				}
			})
		}
	}
	kerneltest.Golden(t, "kept.txt", lines)
}

// TestGreatest: words hold the maximum of each byte, for each pair of bytes, whatever lies beside them.
func TestGreatest(t *testing.T) {
	x, y, z := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "y", Constant: true}, &loop.Param{Name: "z"}
	f := &loop.Func{Name: "f", Params: []*loop.Param{x, y, z}}
	b := loop.NewBuilder(f)
	b.For("word", loop.Int(0), loop.Int(1<<16), 1, func(i loop.Expr) {
		at := loop.Scaled(i, 4)
		b.Store(z, at, pool.Greatest(b, b.Let("x", loop.At(x, at, loop.I32)), b.Let("y", loop.At(y, at, loop.I32)), pool.AllOnes(b)))
	})
	b.Return(loop.Int(0))
	left, right, got := make(loop.Memory, 1<<18), make(loop.Memory, 1<<18), make(loop.Memory, 1<<18)
	for i := range left { // each byte of a word in another order
		turned := (i/4)*(2*(i%4)+1) + 77*(i%4)
		left[i], right[i] = byte(turned), byte(turned>>8)
	}
	_, err := loop.Run(f, nil, []loop.Memory{left, right, got})
	require.NoError(t, err)
	want := make(loop.Memory, len(got))
	for i := range want {
		want[i] = byte(max(int8(left[i]), int8(right[i])))
	}
	assert.True(t, bytes.Equal(want, got))
}

// TestReciprocals: a product with the reciprocal is the quotient of every sum.
func TestReciprocals(t *testing.T) {
	for _, taps := range []int64{1, 2, 3, 7, 64, 511, 2889, 2890} {
		for _, n := range []int64{0, 1, taps - 1, taps, taps + 1, 64*taps - 1, 64 * taps, 128*taps + taps/2 - 1, 128*taps + taps/2} {
			assert.Equal(t, n/taps, n*pool.Reciprocal(int(taps))>>30, "%d / %d", n, taps)
		}
	}
}

// TestWide: the families with activations of 16 bits.
func TestWide(t *testing.T) {
	kerneltest.WideExpressions(t, []*kernel.Family{&pool.Max, &pool.Avg}, []string{
		"maxpool2d(a, kernel: [2,3], stride: 1, pad: [0,1,0,1])",
		"maxpool2d(a, kernel: 2, dilation: 2)",
		"avgpool2d(a, kernel: 2, pad: 1)",
		"avgpool2d(a, kernel: 3, stride: 1)",
		"globalavgpool(a)",
	}, "armv7em", "x86_64", "armv8.1m")
}
