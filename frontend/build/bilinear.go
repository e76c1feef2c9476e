package build

import (
	"fmt"
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
	rows, cols := taps(scale[0], isHalf), taps(scale[1], isHalf)
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
	return b.Add(ir.Copy, name, []*ir.Value{y}, inPlaces(s, scale)...)
}

// Places are where size pixels lie among from ones along an axis, as TensorFlow Lite places
// them, in single precision. isAligned places the last pixel on the last one, isHalf places
// pixels by their centres. No place is before the first pixel or after the last one.
func Places(from, size int, isAligned, isHalf bool) []float64 {
	scale := float32(from) / float32(size)
	if isAligned && size > 1 {
		scale = float32(from-1) / float32(size-1)
	}
	list := make([]float64, size)
	for k := range list {
		place := float32(float32(k) * scale)
		if isHalf {
			place = float32((float32(k)+.5)*scale) - .5
		}
		list[k] = float64(min(max(place, 0), float32(from-1)))
	}
	return list
}

// inPlaces are the attributes of the copy that brings the pixels that each of an image of
// shape s becomes, which lie as channels, to their places.
func inPlaces(s ir.Shape, scale []int) []ir.Attr {
	view := ir.ViewOf(ir.Shape{s[0], scale[0], scale[1], s[1], s[2]}).Permute([]int{0, 3, 1, 4, 2})
	return []ir.Attr{ir.AttrShape.Is([]int{s[0], s[1] * scale[0], s[2] * scale[1]}), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides)}
}

// taps are, for each of the pixels that one becomes along an axis, the weights of
// the pixel before it, of itself and of the one after it.
func taps(factor int, isHalf bool) [][3]float64 {
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
