package rows_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/rows"
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
	}, "armv7em", "x86_64")
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
		for _, f := range []*kernel.Family{&rows.ArgMax, &rows.Softmax} {
			n := node(f.Op, c.shape)
			n.Put(ir.AttrAxis.Is(c.axes[0]))
			_, ok := f.Serves(kernel.Layer{Node: n})
			assert.Equal(t, c.want, ok, "%s %v along %v", f.Name, c.shape, c.axes)
		}
	}
}
