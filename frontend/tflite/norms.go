package tflite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// l2Normalization divides each vector along the last axis by its length. TensorFlow Lite's integers of it are R24.
func l2Normalization(im *importer, o *operator, x *operand) error {
	t, q, err := im.result(o)
	if err != nil {
		return err
	}
	if fused := o.options.byte(0, 0); fused != actNone {
		return fmt.Errorf("has the fused activation %d", fused)
	}
	v, axis, err := im.last(x)
	if err != nil {
		return err
	}
	attrs := []ir.Attr{ir.AttrAxis.Is(axis)}
	switch {
	case !im.exact:
		q = ir.Quant{}
	case v.Type.IsWide():
		return errors.New("of int16 values: -exact=false quantizes the model anew")
	case t.unsigned:
		return errors.New("of uint8 values, which TensorFlow Lite rounds in another way than int8: -exact=false quantizes the model anew")
	case q != ir.Quant{Scale: 1. / 128}:
		return errors.New("has a result whose scale is not 1/128")
	case v.Type.Shape[axis] > ir.LongestSquare:
		return fmt.Errorf("of %d integers, whose squares leave 32 bits", v.Type.Shape[axis])
	}
	if im.exact {
		attrs = append(attrs, ir.AttrRound.Is(ir.RoundTFLite))
	}
	y, err := im.AddQuantized(ir.L2Norm, im.Name(im.hint(o)), []*ir.Value{v}, q, attrs...)
	if err != nil {
		return err
	}
	return im.giveRows(o, x, y)
}

// responses divides each element by a power of the squares of its neighbours in other
// channels; those outside of the image are 0.
func responses(im *importer, o *operator, x *operand) error {
	v, err := im.asImage(x)
	if err != nil {
		return err
	}
	radius, s := o.options.int(0, 0), v.Type.Shape
	if radius < 0 || radius > 1<<20 {
		return fmt.Errorf("of %d channels on each side", radius)
	}
	width := 2*radius + 1
	square, err := im.add(ir.Mul, im.hint(o)+".square", []*ir.Value{v, v}, ir.Quant{})
	if err != nil {
		return err
	}
	if square, err = im.reshape(square, ir.Shape{1, s[0], s[1] * s[2]}); err != nil {
		return err
	}
	edges := []int{0, radius, 0}
	if radius > 0 {
		if square, err = im.add(ir.Pad, im.hint(o)+".edge", []*ir.Value{square}, ir.Quant{}, ir.AttrBefore.Is(edges), ir.AttrAfter.Is(edges)); err != nil {
			return err
		}
	}
	mean, err := im.add(ir.AvgPool2D, im.hint(o)+".mean", []*ir.Value{square}, ir.Quant{}, ir.AttrKernel.Is([]int{width, 1}), ir.AttrStride.Is([]int{1, 1}))
	if err != nil {
		return err
	}
	factor, err := im.add(ir.Pow, im.hint(o)+".factor", []*ir.Value{mean}, ir.Quant{}, ir.AttrExponent.Is(-build.ShortFloat(o.options.float(3, 0))),
		ir.AttrGain.Is(build.ShortFloat(o.options.float(2, 0)*float64(width))), ir.AttrOffset.Is(build.ShortFloat(o.options.float(1, 0))))
	if err != nil {
		return err
	}
	if factor, err = im.reshape(factor, s); err != nil {
		return err
	}
	st := &steps{im: im, hint: im.hint(o)}
	return st.set(o, st.add(ir.Mul, "", v, factor), &operand{image: true, shape: x.shape})
}

// argmin is argmax of what falls where the argument rises.
func argmin(im *importer, o *operator, x *operand) error {
	var minus *ir.Value
	var err error
	switch {
	case !im.exact:
		minus, err = im.add(ir.Neg, im.hint(o)+".minus", []*ir.Value{x.v}, ir.Quant{})
	case x.v.Type.IsWide():
		return errors.New("of int16 values: -exact=false quantizes the model anew")
	default:
		falling := identity()
		slices.Reverse(falling)
		minus, err = im.lookedUp(im.hint(o)+".minus", x.v, x.v.Type.Quant, falling)
	}
	if err != nil {
		return err
	}
	return argmax(im, o, x.like(minus, x.shape))
}

// equal imports EQUAL, and NOT_EQUAL of a float network: a step function of the distance.
func equal(isEqual bool) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		if im.exact {
			return im.comparedInts(o, func(a, b int32) bool { return (a == b) == isEqual })
		}
		a, b, err := im.two(o)
		if err != nil {
			return err
		}
		x, y, whole, err := im.widened(o, a, b)
		if err != nil {
			return err
		}
		s := &steps{im: im, hint: im.hint(o)}
		distance := s.add(ir.Abs, ".distance", s.add(ir.Sub, ".difference", x, y))
		at := 0.
		if isEqual {
			distance, at = s.add(ir.Neg, ".minus", distance), 1
		}
		if s.err != nil {
			return s.err
		}
		v, err := im.add(ir.Step, im.hint(o), []*ir.Value{distance}, ir.Quant{}, ir.AttrValue.Is(at))
		if err != nil {
			return err
		}
		return im.give(o, whole.like(v, whole.shape))
	}
}

// both imports LOGICAL_AND, which is the lesser one of two conditions, and LOGICAL_OR.
func both(op ir.Op) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		if len(o.in) != 2 {
			return fmt.Errorf("has %d arguments", len(o.in))
		}
		var args [2]*operand
		for k := range args {
			x, err := im.condition(o, k)
			if err != nil {
				return err
			}
			args[k] = x
		}
		x, y, whole, err := im.widened(o, args[0], args[1])
		if err != nil {
			return err
		}
		v, err := im.add(op, im.hint(o), []*ir.Value{x, y}, x.Type.Quant)
		if err != nil {
			return err
		}
		return im.give(o, &operand{v: v, image: whole.image, shape: whole.shape, blocks: whole.blocks, isTruth: im.exact})
	}
}

// not imports LOGICAL_NOT.
func not(im *importer, o *operator) error {
	x, err := im.condition(o, 0)
	if err != nil {
		return err
	}
	var v *ir.Value
	if im.exact {
		other := identity()
		slices.Reverse(other)
		v, err = im.lookedUp(im.hint(o), x.v, x.v.Type.Quant, other)
	} else {
		v, err = im.opposite(im.hint(o), x.v)
	}
	if err != nil {
		return err
	}
	return im.give(o, &operand{v: v, image: x.image, shape: x.shape, blocks: x.blocks, isTruth: im.exact})
}

// condition is argument k, which a comparison gives.
func (im *importer) condition(o *operator, k int) (*operand, error) {
	x, err := im.operand(o, k)
	switch {
	case err != nil:
		return nil, err
	case x.c != nil || im.exact && !x.isTruth || im.tensors[o.in[k]].typ != boolType:
		return nil, errors.New("of what is no condition: a comparison must give it")
	}
	return x, nil
}

// opposite is 1 less a condition of a float network.
func (im *importer) opposite(hint string, v *ir.Value) (*ir.Value, error) {
	n := v.Type.Shape[0]
	if n > mostChannels {
		return nil, fmt.Errorf("of %d rows; at most %d have a scale each", n, mostChannels)
	}
	minus, one := make([]float32, n), make([]float32, n)
	for i := range n {
		minus[i], one[i] = -1, 1
	}
	return im.ScaleShift(hint, v, minus, one)
}
