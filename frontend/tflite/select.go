package tflite

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// Conditions of a float network are 1 where they are true, and 0 elsewhere. Of an exact one
// they are the greatest integer, and the least: a choice is then the greater one of two
// lesser ones.

// compared imports a comparison: a step function of a value at a constant number, or of the
// difference of two values.
func compared(isLess, orEqual bool) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		switch {
		case len(o.in) != 2 || o.in[1] < 0:
			return errors.New("has no two arguments")
		case im.exact:
			return im.comparedInts(o, func(a, b int32) bool {
				if isLess {
					a, b = b, a
				}
				return a > b || orEqual && a == b
			})
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
	case len(o.in) != 3:
		return fmt.Errorf("has %d arguments", len(o.in))
	case im.exact:
		return im.chosenInts(o)
	}
	var args [3]*operand
	for k := range args {
		x, err := im.computed(o, k)
		if err != nil {
			return err
		}
		args[k] = x
	}
	not, err := im.opposite(im.hint(o)+".not", args[0].v)
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

// comparedInts compares integers with one constant number: both are brought to reals of
// 8 bits after the point, as TensorFlow Lite does it.
func (im *importer) comparedInts(o *operator, holds func(a, b int32) bool) error {
	k := 0 // the computed argument
	if im.isConstant(o.in[0]) {
		k = 1
	}
	t, err := im.constant(o, 1-k)
	if err != nil || t.size() != 1 || t.typ != int8Type || len(t.scale) != 1 {
		return errFloat
	}
	x, err := im.computed(o, k)
	if err != nil {
		return err
	}
	scaled := func(i int, q ir.Quant) (int32, error) {
		const bits = 8
		m, r, err := geometry.TFLiteMultiplierFor(q.Scale, differenceReach<<bits)
		return geometry.RequantTFLite(int32(i-q.Zero)<<bits, m, r), err
	}
	at, err := scaled(int(t.ints()[0]), t.quant())
	if err != nil {
		return err
	}
	table := make([]int8, 256)
	for i := range table {
		v, err := scaled(i-128, x.v.Type.Quant)
		if err != nil {
			return err
		}
		a, b := v, at
		if k == 1 {
			a, b = at, v
		}
		if table[i] = -128; holds(a, b) {
			table[i] = 127
		}
	}
	y, err := im.lookedUp(im.hint(o), x.v, ir.Quant{Scale: 1}, table)
	if err != nil {
		return err
	}
	return im.give(o, &operand{v: y, image: x.image, shape: x.shape, blocks: x.blocks, isTruth: true})
}

// chosenInts chooses between integers, which stay as they are.
func (im *importer) chosenInts(o *operator) error {
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	is, err := im.operand(o, 0)
	if err != nil || !is.isTruth {
		return cmp.Or(err, errFloat)
	}
	var parts [2]*operand
	for k, role := range []string{".there", ".elsewhere"} {
		x, err := im.computed(o, 1+k)
		if err != nil {
			return err
		}
		name := im.hint(o) + role
		v, err := im.relabelled(name+".raw", x.v, q)
		if err != nil {
			return err
		}
		table := identity()
		if k == 1 {
			slices.Reverse(table)
		}
		condition, err := im.lookedUp(name+".is", is.v, q, table)
		if err != nil {
			return err
		}
		a, b, whole, err := im.widened(o, is.like(condition, is.shape), x.like(v, x.shape))
		if err != nil {
			return err
		}
		if v, err = im.add(ir.Minimum, name, []*ir.Value{a, b}, q); err != nil {
			return err
		}
		parts[k] = whole.like(v, whole.shape)
	}
	a, b, whole, err := im.widened(o, parts[0], parts[1])
	if err != nil {
		return err
	}
	y, err := im.add(ir.Maximum, im.hint(o), []*ir.Value{a, b}, q)
	if err != nil {
		return err
	}
	return im.give(o, whole.like(y, whole.shape))
}
