package build

import (
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// maxTaps bounds the weights of a bilinear resizing, which a file need not have data for.
const maxTaps = 1 << 22

// Bilinear is an image resized by whole factors [height, width], as a depthwise
// convolution: each of the pixels that one becomes is a mean of 3x3 neighbours by fixed
// weights. The border is repeated first, and the pixels are brought to their places
// after it. isHalf places pixels by their centres, else by their first corners.
func (b *Builder) Bilinear(name string, v *ir.Value, scale []int, isHalf bool) (*ir.Value, error) {
	s := v.Type.Shape
	size := ir.Shape{s[0], scale[0], scale[1], 3, 3}.Size()
	if size < 0 || size > maxTaps {
		return nil, fmt.Errorf("of %d channels by %v", s[0], scale)
	}
	rows, cols := Taps(scale[0], isHalf), Taps(scale[1], isHalf)
	border := []int{0, 1, 1}
	x, err := b.Add(ir.Pad, name+".edge", []*ir.Value{v}, ir.AttrBefore.Is(border), ir.AttrAfter.Is(border), ir.AttrMode.Is(ir.PadEdge))
	if err != nil {
		return nil, err
	}
	shape := ir.Shape{s[0] * scale[0] * scale[1], 1, 3, 3}
	w := make([]float32, 0, size)
	for range s[0] {
		for _, r := range rows {
			for _, c := range cols {
				for _, a := range r {
					for _, d := range c {
						w = append(w, float32(a*d))
					}
				}
			}
		}
	}
	layer := b.Name(name + ".weights")
	y, err := b.AddNamed(ir.Conv2D, layer, []*ir.Value{x}, ir.AttrGroups.Is(s[0]), ir.AttrWeight.Is(b.Floats(layer+".weight", shape, w)), ir.AttrBits.Is(ir.Of(ir.I8)))
	if err != nil {
		return nil, err
	}
	return b.Add(ir.Copy, name, []*ir.Value{y}, InPlaces(s, scale)...)
}

// Resample is an image resized to any size [height, width], one axis after the other, by
// constant matrices of weights. isAligned places the last pixel on the last one, isHalf places
// pixels by their centres. The places are those of TensorFlow Lite, in single precision.
func (b *Builder) Resample(name string, v *ir.Value, to []int, isAligned, isHalf bool) (*ir.Value, error) {
	for i, role := range []string{".rows", ".columns"} {
		s, axis := v.Type.Shape, 1+i
		from, size := s[axis], to[i]
		if n := (ir.Shape{size, from}).Size(); n < 0 || n > maxTaps {
			return nil, fmt.Errorf("of %d to %d pixels", from, size)
		}
		w := make([]float32, size*from)
		for k := range size {
			lower, upper, part := neighbours(from, size, k, isAligned, isHalf)
			w[k*from+lower] += 1 - part
			w[k*from+upper] += part
		}
		// The axis stands in the place of the channels of a convolution of pixels.
		x, err := b.Add(ir.Transpose, name+role+".first", []*ir.Value{v}, ir.AttrPerm.Is(MoveAxis(3, axis, 0)))
		if err != nil {
			return nil, err
		}
		layer := b.Name(name + role)
		x, err = b.AddNamed(ir.Conv2D, layer, []*ir.Value{x}, ir.AttrWeight.Is(b.Floats(layer+".weight", ir.Shape{size, from, 1, 1}, w)), ir.AttrBits.Is(ir.Of(ir.I8)))
		if err != nil {
			return nil, err
		}
		if v, err = b.Add(ir.Transpose, name+role+".back", []*ir.Value{x}, ir.AttrPerm.Is(MoveAxis(3, 0, axis))); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// neighbours are the pixels around the place of pixel k of size along an axis of from pixels,
// and the part of the upper one.
func neighbours(from, size, k int, isAligned, isHalf bool) (lower, upper int, part float32) {
	scale := float32(from) / float32(size)
	if isAligned && size > 1 {
		scale = float32(from-1) / float32(size-1)
	}
	place := float32(float32(k) * scale)
	if isHalf {
		place = float32((float32(k)+.5)*scale) - .5
	}
	lower = min(max(int(math.Floor(float64(place))), 0), from-1)
	upper = min(int(math.Ceil(float64(place))), from-1)
	return lower, upper, place - float32(lower)
}

// InPlaces are the attributes of the copy that brings the pixels that each of an image of
// shape s becomes, which lie as channels, to their places.
func InPlaces(s ir.Shape, scale []int) []ir.Attr {
	view := ir.ViewOf(ir.Shape{s[0], scale[0], scale[1], s[1], s[2]}).Permute([]int{0, 3, 1, 4, 2})
	return []ir.Attr{ir.AttrShape.Is([]int{s[0], s[1] * scale[0], s[2] * scale[1]}), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides)}
}

// Taps are, for each of the pixels that one becomes along an axis, the weights of
// the pixel before it, of itself and of the one after it.
func Taps(factor int, isHalf bool) [][3]float64 {
	out := make([][3]float64, factor)
	for p := range out {
		d := float64(p) / float64(factor)
		if isHalf {
			d = (float64(p)+.5)/float64(factor) - .5
		}
		out[p] = [3]float64{max(-d, 0), 1 - max(d, -d), max(d, 0)}
	}
	return out
}

// MoveAxis is the permutation that brings one axis to another place.
func MoveAxis(rank, from, to int) []int {
	var perm []int
	for k := range rank {
		if k != from {
			perm = append(perm, k)
		}
	}
	return slices.Insert(perm, to, from)
}
