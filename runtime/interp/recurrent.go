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
	return sized(n, perImage(func(x, y []int8) { kernels.RecurrentInt(r, x, y) }), perImage(func(x, y []int16) { kernels.RecurrentInt(r, x, y) })), nil
}
