package rows_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/rows"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/kernels"
)

func TestFamilies(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&rows.Reduce, &rows.ArgMax, &rows.MatMul, &rows.Softmax}, []string{
		"reduce(a, fn: sum, axes: [1])",
		"reduce(a, fn: max, axes: [0,2])",
		"reduce(a, fn: min, axes: [0,1,2])",
		"reduce(m, axes: [1])",
		"matmul(m, transpose(m, perm: [1,0]))",
		"matmul(a, b)",
		"softmax(a)",
		"softmax(m, axis: 1)",
		"argmax(a)",
		"argmax(m, axis: 1)",
	}, "armv7em", "x86_64", "armv7")
}

// TestMasks: masks of a row, of some rows, of parts of rows, of all elements, and of none.
func TestMasks(t *testing.T) {
	for _, target := range []string{"armv7em", "x86_64", "armv7", "armv6m"} {
		tgt, err := processor.Find(target)
		require.NoError(t, err)
		for size, keeps := range map[int]int{7: 2, 14: 2, 42: 2, 3: 2, 6: 2, 1: 1, 21: 0} {
			t.Run(fmt.Sprintf("%s/%d", target, size), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(size), 1))
				mask := make([]int64, size)
				for i := range mask {
					mask[i] = int64(rng.IntN(keeps + 1))
				}
				x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{6, 7}, Quant: ir.Quant{Scale: .02, Zero: 7}}}
				n := &ir.Node{Op: ir.Softmax, Args: []*ir.Value{x}}
				table := make([]int64, 256)
				bits := kernels.SoftmaxBits
				if size%3 == 0 { // as exact imports have it
					bits = kernels.FineSoftmaxBits(7, 1)
				}
				for i, v := range kernels.SoftmaxTable(.02, bits) {
					table[i] = int64(v)
				}
				n.Put(ir.AttrAxis.Is(1), ir.AttrTable.Is(ir.IntConst("table", ir.Of(ir.I32), ir.Shape{256}, table)),
					ir.AttrMask.Is(ir.IntConst("mask", ir.Of(ir.U8), ir.Shape{size}, mask)))
				q := ir.Quant{Scale: 1. / 256, Zero: -128}
				if size%2 == 1 { // of another scale
					q.Scale = .003
					mul, shift, err := geometry.MultiplierFor(256 * q.Scale)
					require.NoError(t, err)
					one := func(x int32) *ir.Const { return ir.IntConst("one", ir.Of(ir.I32), ir.Shape{1}, []int64{int64(x)}) }
					n.Put(ir.AttrMul.Is(one(mul)), ir.AttrShift.Is(one(shift)))
				}
				n.Out = &ir.Value{Name: "y", Def: n}
				typ, fault := ir.InferNode(n)
				require.Nil(t, fault)
				n.Out.Type = typ
				n.Out.Type.Quant = q
				m := &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}}
				p, ok := rows.Softmax.Serves(kernel.Of(n, tgt))
				require.True(t, ok)
				kerneltest.Plan(t, &rows.Softmax, p, m, tgt)
			})
		}
	}
}

// TestLogSoftmax: rows of one element to many, of scales whose sums and results are of all sizes.
func TestLogSoftmax(t *testing.T) {
	for i, c := range []struct {
		shape  ir.Shape
		scale  float64
		result ir.Quant
	}{
		{ir.Shape{6, 7}, .02, ir.Quant{Scale: 1. / 16, Zero: 127}}, {ir.Shape{42, 1}, .02, ir.Quant{Scale: 1. / 16, Zero: 127}},
		{ir.Shape{300}, 1e-4, ir.Quant{Scale: .03, Zero: 90}}, {ir.Shape{3, 130}, .8, ir.Quant{Scale: .5, Zero: -100}}, {ir.Shape{5, 2}, 3, ir.Quant{Scale: 1. / 16, Zero: 127}},
	} {
		for _, target := range []string{"armv7em", "x86_64", "armv6m"} {
			tgt, err := processor.Find(target)
			require.NoError(t, err)
			t.Run(fmt.Sprintf("%s/%d", target, i), func(t *testing.T) {
				m := logSoftmax(t, c.shape, c.scale, c.result)
				p, ok := rows.LogSoftmax.Serves(kernel.Of(m.Ops[0], tgt))
				require.True(t, ok)
				kerneltest.Plan(t, &rows.LogSoftmax, p, m, tgt)
			})
		}
	}
}

// logSoftmax is a network of one log softmax of integers.
func logSoftmax(t *testing.T, s ir.Shape, scale float64, result ir.Quant) *ir.Module {
	x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: s, Quant: ir.Quant{Scale: scale, Zero: 7}}}
	n := &ir.Node{Op: ir.LogSoftmax, Args: []*ir.Value{x}}
	factors, err := geometry.NewLogSoftmax(scale, result.Scale, int32(result.Zero))
	require.NoError(t, err)
	var table []int64
	for _, v := range kernels.LogSoftmaxTable(scale) {
		table = append(table, int64(v))
	}
	mul, shift := factors.Factors()
	ints := func(name string, x []int64) *ir.Const {
		return ir.IntConst(name, ir.Of(ir.I32), ir.Shape{len(x)}, x)
	}
	n.Put(ir.AttrAxis.Is(len(s)-1), ir.AttrTable.Is(ints("table", table)), ir.AttrMul.Is(ints("mul", mul)), ir.AttrShift.Is(ints("shift", shift)))
	n.Out = &ir.Value{Name: "y", Def: n, Type: ir.Type{Elem: ir.Of(ir.I8), Shape: s, Quant: result}}
	return &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}}
}

// TestL2Norm: rows of one element to many, sums of squares from 0 to the greatest.
func TestL2Norm(t *testing.T) {
	for i, c := range []struct {
		shape ir.Shape
		zero  int
		round string
	}{{ir.Shape{6, 7}, 3, ir.RoundTFLite}, {ir.Shape{42, 1}, -128, ir.RoundTFLite}, {ir.Shape{300}, 127, ir.RoundTFLite}, {ir.Shape{64, 2}, 0, ir.RoundHalfUp}, {ir.Shape{700}, 5, ir.RoundHalfUp}, {ir.Shape{50, 3}, 127, ir.RoundTFLite}} {
		for _, target := range []string{"armv7em", "x86_64", "armv6m"} {
			tgt, err := processor.Find(target)
			require.NoError(t, err)
			t.Run(fmt.Sprintf("%s/%d", target, i), func(t *testing.T) {
				x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: c.shape, Quant: ir.Quant{Scale: .1, Zero: c.zero}}}
				n := &ir.Node{Op: ir.L2Norm, Args: []*ir.Value{x}}
				n.Put(ir.AttrAxis.Is(len(c.shape)-1), ir.AttrRound.Is(c.round))
				n.Out = &ir.Value{Name: "y", Def: n, Type: ir.Type{Elem: ir.Of(ir.I8), Shape: c.shape, Quant: ir.Quant{Scale: 1. / 128}}}
				if c.round == ir.RoundHalfUp {
					n.Out.Type.Quant = ir.Quant{Scale: 1. / 500, Zero: c.zero / 2}
					n.Put(ir.AttrMul.Is(ir.IntConst("mul", ir.Of(ir.I32), ir.Shape{1}, []int64{2097152000})), ir.AttrShift.Is(ir.IntConst("shift", ir.Of(ir.I32), ir.Shape{1}, []int64{22})))
				}
				m := &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}}
				p, ok := rows.L2Norm.Serves(kernel.Of(n, tgt))
				require.True(t, ok)
				kerneltest.Plan(t, &rows.L2Norm, p, m, tgt)
			})
		}
	}
}

// TestServes: the axis is the last of one or two.
func TestServes(t *testing.T) {
	node := func(op ir.Op, s ir.Shape) *ir.Node {
		n := &ir.Node{Op: op, Args: []*ir.Value{{Type: ir.Type{Shape: s}}}}
		n.Out = &ir.Value{}
		return n
	}
	for _, c := range []struct {
		shape ir.Shape
		axes  []int
		want  bool
	}{
		{ir.Shape{5}, []int{0}, true}, {ir.Shape{4, 5}, []int{1}, true},
		{ir.Shape{4, 5}, []int{0}, false}, {ir.Shape{4, 5}, []int{0, 1}, false}, {ir.Shape{4, 5}, []int{1, 0}, false},
		{ir.Shape{3, 4, 5}, []int{2}, false}, {ir.Shape{3, 4, 5}, []int{1}, false},
	} {
		n := node(ir.Reduce, c.shape)
		n.Put(ir.AttrAxes.Is(c.axes))
		_, ok := rows.Reduce.Serves(kernel.Layer{Node: n})
		assert.Equal(t, c.want, ok, "reduce %v along %v", c.shape, c.axes)
		if len(c.axes) > 1 {
			continue
		}
		for _, f := range []*kernel.Family{&rows.ArgMax, &rows.Softmax, &rows.LogSoftmax, &rows.L2Norm} {
			n := node(f.Op, c.shape)
			n.Put(ir.AttrAxis.Is(c.axes[0]))
			_, ok := f.Serves(kernel.Layer{Node: n})
			assert.Equal(t, c.want, ok, "%s %v along %v", f.Name, c.shape, c.axes)
		}
	}
}

// TestWide: the families with activations of 16 bits.
func TestWide(t *testing.T) {
	kerneltest.WideExpressions(t, []*kernel.Family{&rows.Reduce, &rows.ArgMax, &rows.MatMul, &rows.Softmax}, []string{
		"reduce(a, fn: mean, axes: [1,2])",
		"reduce(m, fn: sum, axes: [1])",
		"reduce(m, fn: max, axes: [1])",
		"argmax(m, axis: 1)",
		"softmax(m, axis: 1)",
		"softmax(a, axis: 0)",
		"matmul(m, reshape(m, shape: [7,5]))",
	}, "armv7em", "x86_64", "armv8.1m")
}
