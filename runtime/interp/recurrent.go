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
	if n.IsLSTM8() {
		r, err := geometry.LSTMIntsOf(n)
		if err != nil {
			return nil, err
		}
		if len(n.States()) > 0 {
			return recurrentStep(n, func(x, y []int16, h, c []int32) { kernels.LSTMSteps(r, x, y, h, c) }), nil
		}
		return inWords(n, perImage(func(x, y []int16) { kernels.LSTMInt(r, x, y) })), nil
	}
	r, err := geometry.RecurrentIntsOf(n)
	if err != nil {
		return nil, err
	}
	if len(n.States()) > 0 {
		return recurrentStep(n, func(x, y []int16, h, c []int32) { kernels.RecurrentSteps(r, x, y, h, c, func() {}) }), nil
	}
	return sized(n, perImage(func(x, y []int8) { kernels.RecurrentInt(r, x, y) }), perImage(func(x, y []int16) { kernels.RecurrentInt(r, x, y) })), nil
}

// recurrentStep is a recurrence that goes on from its states, a hidden state and perhaps a cell. It leaves them as they
// begin after the steps before the first one.
func recurrentStep(n *ir.Node, run func(x, y []int16, h, c []int32)) intRun {
	x, y := n.Args[0].Type.IsWide(), n.Out.Type.IsWide()
	states := n.Args[1:]
	isLate := n.Next() != nil
	if isLate {
		states = states[:len(states)-1]
	}
	last, steps, size := len(n.Args)-1, n.Out.Type.Shape[1], n.Out.Type.Shape.Size()
	return eachImage(func(dst []int8, src [][]int8) {
		var own [2][]int32
		for k, s := range states {
			own[k] = make([]int32, s.Type.Shape.Size())
			for i := range own[k] {
				own[k][i] = element(s.Type, src[1+k], i)
			}
		}
		out := make([]int16, size)
		run(widened(src[0], x), out, own[0], own[1])
		for i, v := range out {
			if y {
				putWord(dst, i, v)
			} else {
				dst[i] = int8(v)
			}
		}
		isBefore := false
		if isLate {
			place := long(src[last], 0) + int32(steps)
			putLong(src[last], 0, min(place, 0))
			isBefore = place <= 0
		}
		for k, s := range states {
			for i, v := range own[k] {
				if isBefore {
					v = int32(s.Start)
				}
				putElement(s.Type, src[1+k], i, v)
			}
		}
	})
}

// element is integer i of a state.
func element(t ir.Type, x []int8, i int) int32 {
	switch t.Elem.Kind {
	case ir.I32:
		return long(x, i)
	case ir.I16:
		return int32(word(x, i))
	}
	return int32(x[i])
}

func putElement(t ir.Type, x []int8, i int, v int32) {
	switch t.Elem.Kind {
	case ir.I32:
		putLong(x, i, v)
	case ir.I16:
		putWord(x, i, int16(v))
	default:
		x[i] = int8(v)
	}
}
