package pool_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/pool"
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
	}, "armv7em", "x86_64", "aarch64", "armv7", "armv8.1m", "riscv64+v")
}

// TestKept: an average pool without factors, and a maximum pool with bounds, of a network
// quantized elsewhere, keep their argument's type.
func TestKept(t *testing.T) {
	var lines []string
	for _, target := range []string{"armv7em", "aarch64", "armv8.1m", "riscv64+v"} {
		for _, kept := range []struct{ shape, kernel, pad []int }{
			{[]int{3, 5, 4}, []int{2, 3}, []int{0, 0, 0, 0}},
			{[]int{3, 5, 4}, []int{2, 3}, []int{1, 0, 1, 1}},
			{[]int{23, 5, 4}, []int{2, 3}, []int{0, 0, 0, 0}},
			{[]int{20, 5, 4}, []int{2, 3}, []int{1, 0, 1, 1}},
			{[]int{4, 3, 3}, []int{1, 1}, []int{0, 0, 0, 0}},
			{[]int{5, 18, 20}, []int{17, 19}, []int{0, 0, 0, 0}}, // sums of more than 16 bits
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
