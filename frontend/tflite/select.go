package tflite

import (
	"errors"
	"fmt"

	"github.com/dnnc/dnnc/ir"
)

// Conditions of a float network are 1 where they are true, and 0 elsewhere.

// compared imports a comparison: a step function of a value at a constant number, or of the
// difference of two values.
func compared(isLess, orEqual bool) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		switch {
		case im.exact:
			return errFloat
		case len(o.in) != 2 || o.in[1] < 0:
			return errors.New("has no two arguments")
		}
		great, small := 0, 1 // the arguments of which the first is to be the greater one
		if isLess {
			great, small = small, great
		}
		attrs := []ir.Attr{ir.AttrValue.Is(float64(b2i(orEqual)))}
		step := func(v *ir.Value, whole *operand) error {
			y, err := im.add(ir.Step, im.hint(o), []*ir.Value{v}, ir.Quant{}, attrs...)
			if err != nil {
				return err
			}
			return im.give(o, whole.like(y, whole.shape))
		}
		for k, i := range o.in {
			t := im.tensors[i]
			if !im.isConstant(i) || t.size() != 1 || t.typ != float32Type || im.isConstant(o.in[1-k]) {
				continue
			}
			x, err := im.computed(o, 1-k)
			if err != nil {
				return err
			}
			if len(t.shape) > len(x.shape) {
				continue
			}
			at, v := float64(t.floats()[0]), x.v
			if k == great {
				at = -at
				if v, err = im.add(ir.Neg, im.hint(o)+".minus", []*ir.Value{v}, ir.Quant{}); err != nil {
					return err
				}
			}
			attrs = append(attrs, ir.AttrAlpha.Is(at))
			return step(v, x)
		}
		a, b, err := im.two(&operator{name: o.name, in: []int{o.in[great], o.in[small]}, out: o.out})
		if err != nil {
			return err
		}
		x, y, whole, err := im.widened(o, a, b)
		if err != nil {
			return err
		}
		d, err := im.add(ir.Sub, im.hint(o)+".difference", []*ir.Value{x, y}, ir.Quant{})
		if err != nil {
			return err
		}
		return step(d, whole)
	}
}

// chosen imports a choice by a computed condition: one value times the condition, plus the
// other one times its opposite.
func chosen(im *importer, o *operator) error {
	switch {
	case im.exact:
		return errFloat
	case len(o.in) != 3:
		return fmt.Errorf("has %d arguments", len(o.in))
	}
	var args [3]*operand
	for k := range args {
		x, err := im.computed(o, k)
		if err != nil {
			return err
		}
		args[k] = x
	}
	n := args[0].v.Type.Shape[0]
	if n > mostChannels {
		return fmt.Errorf("of %d rows; at most %d have a scale each", n, mostChannels)
	}
	minus, one := make([]float32, n), make([]float32, n)
	for i := range n {
		minus[i], one[i] = -1, 1
	}
	not, err := im.ScaleShift(im.hint(o)+".not", args[0].v, minus, one)
	if err != nil {
		return err
	}
	there, err := im.times(o, ".there", args[0], args[1])
	if err != nil {
		return err
	}
	elsewhere, err := im.times(o, ".elsewhere", args[0].like(not, args[0].shape), args[2])
	if err != nil {
		return err
	}
	x, y, whole, err := im.widened(o, there, elsewhere)
	if err != nil {
		return err
	}
	s := &steps{im: im, hint: im.hint(o)}
	return s.set(o, s.add(ir.Add, "", x, y), whole)
}

// times is the product of two values of a float network.
func (im *importer) times(o *operator, role string, a, b *operand) (*operand, error) {
	x, y, whole, err := im.widened(o, a, b)
	if err != nil {
		return nil, err
	}
	v, err := im.add(ir.Mul, im.hint(o)+role, []*ir.Value{x, y}, ir.Quant{})
	if err != nil {
		return nil, err
	}
	return whole.like(v, whole.shape), nil
}
