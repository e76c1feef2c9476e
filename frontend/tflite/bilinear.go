package tflite

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// bilinearInts is an image of integers resized by whole factors as TensorFlow Lite does
// it: the weighted sum of the integers themselves, divided with ties away from zero. Its
// weights have 10 bits there, which are those here where the factors are powers of two.
func (im *importer) bilinearInts(name string, v *ir.Value, scale []int, isHalf bool) (*ir.Value, error) {
	s, q := v.Type.Shape, v.Type.Quant
	all := 1 // the weights are parts of it
	var taps [2][][3]int
	for i, k := range scale {
		if bits.OnesCount(uint(k)) != 1 {
			return nil, fmt.Errorf("of integers by %d, which is no power of two: -exact=false quantizes the model anew", k)
		}
		parts := k
		if isHalf && k > 1 {
			parts *= 2
		}
		for _, t := range build.Taps(k, isHalf) {
			taps[i] = append(taps[i], [3]int{int(t[0] * float64(parts)), int(t[1] * float64(parts)), int(t[2] * float64(parts))})
		}
		all *= parts
	}
	// Twice the weights: the sums are even, so that of two roundings (R8) the first loses nothing.
	out := s[0] * scale[0] * scale[1]
	if n := (ir.Shape{out, 9}).Size(); n < 0 || n > mostChannels {
		return nil, fmt.Errorf("of %d channels by %v", s[0], scale)
	}
	var w []int64
	for range s[0] {
		for _, r := range taps[0] {
			for _, c := range taps[1] {
				for _, a := range r {
					for _, d := range c {
						w = append(w, int64(2*a*d))
					}
				}
			}
		}
	}
	if slices.Max(w) > 127 {
		return nil, fmt.Errorf("of integers by %v, whose weights do not fit 8 bits: -exact=false quantizes the model anew", scale)
	}
	border := []int{0, 1, 1}
	x, err := im.relabelled(name+".raw", v, ir.Quant{Scale: q.Scale})
	if err != nil {
		return nil, err
	}
	x, err = im.add(ir.Pad, name+".edge", []*ir.Value{x}, x.Type.Quant, ir.AttrBefore.Is(border), ir.AttrAfter.Is(border), ir.AttrMode.Is(ir.PadEdge), ir.AttrValue.Is(0.))
	if err != nil {
		return nil, err
	}
	layer := im.Name(name + ".weights")
	weight := im.Ints(layer+".weight", ir.I8, ir.Shape{out, 1, 3, 3}, w)
	part := float32(1) / float32(2*all)
	weight.Scale = im.Floats(layer+".scale", ir.Shape{out}, slices.Repeat([]float32{part}, out))
	rq, err := im.requant(layer, slices.Repeat([]float64{float64(part)}, out), 128*2*int64(all))
	if err != nil {
		return nil, err
	}
	attrs := append(rq, ir.AttrGroups.Is(s[0]), ir.AttrWeight.Is(weight), ir.AttrBias.Is(im.Ints(layer+".bias", ir.I32, ir.Shape{out}, make([]int64, out))))
	y, err := im.AddQuantized(ir.Conv2D, layer, []*ir.Value{x}, x.Type.Quant, attrs...)
	if err != nil {
		return nil, err
	}
	if y, err = im.relabelled(name+".scaled", y, q); err != nil {
		return nil, err
	}
	return im.add(ir.Copy, name, []*ir.Value{y}, q, build.InPlaces(s, scale)...)
}

// relabelled has the integers of a value under another scale and zero point.
func (im *importer) relabelled(name string, v *ir.Value, q ir.Quant) (*ir.Value, error) {
	if v.Type.Quant == q {
		return v, nil
	}
	return im.lookedUp(name, v, q, identity())
}

// identity is the table that gives each integer itself.
func identity() []int8 {
	t := make([]int8, 256)
	for i := range t {
		t[i] = int8(i - 128)
	}
	return t
}
