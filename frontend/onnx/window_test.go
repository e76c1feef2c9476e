package onnx

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// TestWindows: the pads [top, left, bottom, right] that attributes mean, by ONNX's
// formulas. Images are 7 high and 6 wide, of one row where the operator has one axis.
func TestWindows(t *testing.T) {
	two := func(a, b int64) []int64 { return []int64{a, b} }
	for _, c := range []struct {
		spatial int
		kernel  []int
		attrs   []any
		want    []int
	}{
		{2, []int{3, 3}, nil, []int{0, 0, 0, 0}},
		{2, []int{3, 3}, []any{"auto_pad", "VALID"}, []int{0, 0, 0, 0}},
		{2, []int{3, 3}, []any{"pads", []int64{1, 2, 3, 4}}, []int{1, 2, 3, 4}},
		{1, []int{3}, []any{"pads", two(1, 2)}, []int{0, 1, 0, 2}},
		// An even window pads one more after, or one more before.
		{2, []int{4, 2}, []any{"auto_pad", "SAME_UPPER"}, []int{1, 0, 2, 1}},
		{2, []int{4, 2}, []any{"auto_pad", "SAME_LOWER"}, []int{2, 1, 1, 0}},
		{2, []int{3, 3}, []any{"auto_pad", "SAME_UPPER", "strides", two(2, 2)}, []int{1, 0, 1, 1}},
		{2, []int{3, 3}, []any{"auto_pad", "SAME_LOWER", "strides", two(2, 2)}, []int{1, 1, 1, 0}},
		{2, []int{2, 2}, []any{"auto_pad", "SAME_LOWER", "dilations", two(3, 1)}, []int{2, 1, 1, 0}},
		{1, []int{2}, []any{"auto_pad", "SAME_LOWER"}, []int{0, 1, 0, 0}},
		// The last window may be incomplete, but begins inside of the image or its first pads.
		{2, []int{2, 2}, []any{"strides", two(2, 2)}, []int{0, 0, 0, 0}},
		{2, []int{2, 2}, []any{"strides", two(2, 2), "ceil_mode", 1}, []int{0, 0, 1, 0}},
		{2, []int{3, 3}, []any{"strides", two(2, 2), "ceil_mode", 1}, []int{0, 0, 0, 1}},
		{2, []int{2, 2}, []any{"strides", two(3, 4), "ceil_mode", 1}, []int{0, 0, 1, 0}},
		{2, []int{1, 1}, []any{"strides", two(4, 4), "ceil_mode", 1}, []int{0, 0, 0, 0}},
		{2, []int{3, 3}, []any{"strides", two(3, 3), "pads", []int64{1, 1, 1, 1}, "ceil_mode", 1}, []int{1, 1, 1, 2}},
		{2, []int{2, 2}, []any{"strides", two(4, 4), "dilations", two(3, 3), "ceil_mode", 1}, []int{0, 0, 1, 2}},
		{1, []int{2}, []any{"strides", []int64{4}, "ceil_mode", 1}, []int{0, 0, 0, 0}},
		{1, []int{3}, []any{"strides", []int64{4}, "ceil_mode", 1}, []int{0, 0, 0, 1}},
		{2, []int{9, 9}, []any{"ceil_mode", 1}, []int{0, 0, 0, 0}}, // none fits at all
	} {
		shape := ir.Shape{1, 7, 6}
		if c.spatial == 1 {
			shape[1] = 1
		}
		n := newModel(13).node("MaxPool", "p", list("x"), list("y"), c.attrs...).Graph.Node[0]
		w, err := (&importer{}).window(n, &ir.Value{Type: ir.Type{Shape: shape}}, c.spatial, c.kernel)
		require.NoError(t, err)
		assert.Equal(t, c.want, w.pad, fmt.Sprint(c.kernel, c.attrs))
	}
	for _, c := range []struct {
		kernel []int
		attrs  []any
		fault  string
	}{
		{[]int{3, 3}, []any{"pads", two(1, 1)}, "has 2 pads for 2 dimensions"},
		{[]int{3, 3}, []any{"pads", []int64{1, 1, -1, 1}}, "has the pads [1 1 -1 1]"},
		{[]int{3, 3}, []any{"auto_pad", "SAME"}, `has the auto_pad "SAME"`},
		{[]int{3, 0}, nil, "has the window [3 0]"},
		{[]int{3, 3}, []any{"strides", two(0, 1)}, "stride [0 1]"},
		{[]int{3, 3}, []any{"dilations", two(1, 0)}, "dilation [1 0]"},
	} {
		n := newModel(13).node("MaxPool", "p", list("x"), list("y"), c.attrs...).Graph.Node[0]
		_, err := (&importer{}).window(n, &ir.Value{Type: ir.Type{Shape: ir.Shape{1, 7, 6}}}, 2, c.kernel)
		assert.ErrorContains(t, err, c.fault)
	}
}
