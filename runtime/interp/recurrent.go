package interp

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// recurrence reads a recurrent node of reals.
func recurrence(n *ir.Node) (*kernels.Recurrent, error) {
	weight, err := n.Const(ir.AttrHidden).Float32()
	if err != nil {
		return nil, err
	}
	var bias []float32
	if b := n.Const(ir.AttrBias); b != nil {
		if bias, err = b.Float32(); err != nil {
			return nil, err
		}
	}
	return kernels.NewRecurrent(geometry.RecurrenceOf(n), weight, bias), nil
}

func floatRecurrent(_ *Float, n *ir.Node) (floatRun, error) {
	r, err := recurrence(n)
	if err != nil {
		return nil, err
	}
	return perImage(r.Float), nil
}

func recurrentGradient(n *ir.Node) (backward, error) {
	r, err := recurrence(n)
	if err != nil {
		return nil, err
	}
	return byImage(func(_ *back, x, dx [][]float32, _, dy []float32) { r.Gradient(x[0], dx[0], dy) }), nil
}

func intRecurrent(_ *Int, n *ir.Node) (intRun, error) {
	r, err := geometry.RecurrentIntsOf(n)
	if err != nil {
		return nil, err
	}
	if len(n.States()) > 0 {
		return recurrentStep(n, r), nil
	}
	return sized(n, perImage(func(x, y []int8) { kernels.RecurrentInt(r, x, y) }), perImage(func(x, y []int16) { kernels.RecurrentInt(r, x, y) })), nil
}

// recurrentStep is a recurrence that goes on from its states. It leaves them 0 after the steps before the first one.
func recurrentStep(n *ir.Node, r *geometry.RecurrentInts) intRun {
	x, y := n.Args[0].Type.IsWide(), n.Out.Type.IsWide()
	hasCell, last := n.Word(ir.AttrCell) == ir.CellLSTM, len(n.Args)-1
	isLate := n.Next() != nil
	return eachImage(func(dst []int8, src [][]int8) {
		h, c := make([]int32, r.Hidden), make([]int32, r.Hidden)
		for i := range h {
			h[i] = int32(word(src[1], i))
			if hasCell {
				c[i] = long(src[2], i)
			}
		}
		out := make([]int16, r.Hidden*r.Steps)
		kernels.RecurrentSteps(r, widened(src[0], x), out, h, c, func() {})
		for i, v := range out {
			if y {
				putWord(dst, i, v)
			} else {
				dst[i] = int8(v)
			}
		}
		if isLate {
			place := long(src[last], 0) + int32(r.Steps)
			putLong(src[last], 0, min(place, 0))
			if place <= 0 {
				clear(h)
				clear(c)
			}
		}
		for i := range h {
			putWord(src[1], i, int16(h[i]))
			if hasCell {
				putLong(src[2], i, c[i])
			}
		}
	})
}
