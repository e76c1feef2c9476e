package tflite

import (
	"errors"
	"fmt"
	"math"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// sampling says how RESIZE_BILINEAR places pixels: the last one on the last one, by their
// centres, or by their first corners.
type sampling struct{ isAligned, isHalf bool }

// bilinear imports RESIZE_BILINEAR: an image of any size.
func bilinear(im *importer, o *operator, x *operand) error {
	v, to, err := im.resized(o, x)
	if err != nil {
		return err
	}
	if x.reals != nil {
		return errReals
	}
	s := sampling{o.options.byte(2, 0) != 0, o.options.byte(3, 0) != 0}
	if s.isAligned && s.isHalf {
		return errors.New("places pixels both by their corners and by their centres")
	}
	if k := factors(v, to); !im.exact && k != nil && (!s.isAligned || k[0]*k[1] == 1) {
		y, err := im.Bilinear(im.hint(o), v, k, s.isHalf)
		if err != nil {
			return err
		}
		return im.giveImage(o, y, nil)
	}
	places, attrs := s.reals, []ir.Attr(nil)
	switch t := im.tensors[o.out[0]]; {
	case im.exact && t.unsigned:
		places = s.halves
	case im.exact:
		places, attrs = s.integers, []ir.Attr{ir.AttrRound.Is(ir.RoundTFLite)}
	}
	for i, key := range []ir.Key[[]float64]{ir.AttrDown, ir.AttrAcross} {
		list, err := places(v.Type.Shape[1+i], to[i])
		if err != nil {
			return err
		}
		attrs = append(attrs, key.Is(list))
	}
	y, err := im.add(ir.Bilinear, im.hint(o), []*ir.Value{v}, v.Type.Quant, attrs...)
	if err != nil {
		return err
	}
	return im.giveImage(o, y, nil)
}

// reals are the places of size pixels among from ones in a float network.
func (s sampling) reals(from, size int) ([]float64, error) {
	return build.Places(from, size, s.isAligned, s.isHalf), nil
}

// integers are those of int8 and int16, whose kernel counts in 1024ths of a pixel: each is a
// multiple of the step between pixels, which is rounded first.
func (s sampling) integers(from, size int) ([]float64, error) {
	const one = ir.PlaceParts
	step := (one*from + size/2) / size
	if s.isAligned && size > 1 {
		step = (one*(from-1) + (size-1)/2) / (size - 1)
	}
	list := make([]float64, size)
	for k := range list {
		place := k * step
		if s.isHalf {
			place += step/2 - one/2
		}
		if place >= one*from {
			return nil, fmt.Errorf("of integers from %d to %d pixels, where its rounded steps reach beyond the image: -exact=false quantizes the model anew", from, size)
		}
		list[k] = float64(min(max(place, 0), one*(from-1))) / one
	}
	return list, nil
}

// halves are those of uint8, whose kernel computes in float32: without an error where parts of
// a pixel have 8 bits, as of factors that are powers of two.
func (s sampling) halves(from, size int) ([]float64, error) {
	list, err := s.reals(from, size)
	for _, p := range list {
		if p*256 != math.Trunc(p*256) {
			return nil, fmt.Errorf("of uint8 from %d to %d pixels, which TensorFlow Lite computes in float32 unless the factors are powers of two: convert to int8, or -exact=false quantizes the model anew", from, size)
		}
	}
	return list, err
}
