package pool_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/pool"
	"github.com/dnnc/dnnc/ir/processor"
)

func TestFamilies(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&pool.Max, &pool.Avg}, []string{
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
	}, "armv7em", "x86_64")
}

// TestKept: an average pool without factors, of a network quantized elsewhere, keeps its
// argument's type.
func TestKept(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	for _, pad := range [][]int{{0, 0, 0, 0}, {1, 0, 1, 1}} {
		q := ir.Quant{Scale: .1, Zero: 7}
		x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{3, 5, 4}, Quant: q}}
		n := &ir.Node{Op: ir.AvgPool2D, Args: []*ir.Value{x}}
		n.Put(ir.AttrKernel.Is([]int{2, 3}), ir.AttrStride.Is([]int{1, 2}), ir.AttrPad.Is(pad), ir.AttrLo.Is(-90), ir.AttrHi.Is(80))
		n.Out = &ir.Value{Name: "y", Def: n}
		typ, fault := ir.InferNode(n)
		require.Nil(t, fault)
		n.Out.Type = typ
		n.Out.Type.Quant = q
		m := &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}}
		p, ok := pool.Avg.Serves(kernel.Of(n, tgt))
		require.True(t, ok)
		kerneltest.Plan(t, &pool.Avg, p, m, tgt)
	}
}
