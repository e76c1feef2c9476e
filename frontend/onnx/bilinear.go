package onnx

import (
	"fmt"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// bilinear is resizing by whole factors as a depthwise convolution: each of the
// pixels that one becomes is a mean of 3x3 neighbours by fixed weights. The border
// is repeated first, and the pixels are brought to their places behind it.
func (im *importer) bilinear(n *pb.Node, v *ir.Value, scale []int) (*ir.Value, error) {
	half := true
	switch mode := textAttr(n, "coordinate_transformation_mode", "half_pixel"); {
	case n.GetOpType() == "Upsample" || im.opset < 11 || mode == "asymmetric":
		half = false
	case mode != "half_pixel" && mode != "pytorch_half_pixel" && mode != "half_pixel_symmetric":
		return nil, fmt.Errorf("linear with %s", mode)
	}
	if attr(n, "antialias") != nil && intAttr(n, "antialias", 0) != 0 || attr(n, "exclude_outside") != nil && intAttr(n, "exclude_outside", 0) != 0 {
		return nil, fmt.Errorf("linear with antialias or exclude_outside")
	}
	name := moduleName(n)
	x := v
	for axis := 1; axis <= 2; axis++ {
		var err error
		if x, err = im.edged(fmt.Sprintf("%s.edge%d", name, axis), x, axis); err != nil {
			return nil, err
		}
	}
	s := v.Type.Shape
	rows, cols := taps(scale[0], half), taps(scale[1], half)
	shape := ir.Shape{s[0] * scale[0] * scale[1], 1, 3, 3}
	if shape.Size() < 0 || shape.Size() > maxFolded {
		return nil, fmt.Errorf("of %d channels by %v", s[0], scale)
	}
	w := make([]float32, 0, shape.Size())
	for range s[0] {
		for _, r := range rows {
			for _, c := range cols {
				for _, a := range r {
					for _, b := range c {
						w = append(w, float32(a*b))
					}
				}
			}
		}
	}
	layer := im.Name(name + ".weights")
	y, err := im.AddNamed(ir.Conv2D, layer, []*ir.Value{x}, build.Attr("groups", s[0]), build.Attr("weight", im.Floats(layer+".weight", shape, w)), build.Attr("bits", ir.Of(ir.I8)))
	if err != nil {
		return nil, err
	}
	view := ir.ViewOf(ir.Shape{s[0], scale[0], scale[1], s[1], s[2]}).Permute([]int{0, 3, 1, 4, 2})
	return im.Add(ir.Copy, name, []*ir.Value{y}, build.Attr("shape", []int{s[0], s[1] * scale[0], s[2] * scale[1]}), build.Attr("dims", view.Dims), build.Attr("strides", view.Strides))
}

// taps are, for each of the pixels that one becomes along an axis, the weights of
// the pixel before it, of itself and of the one behind it.
func taps(factor int, half bool) [][3]float64 {
	out := make([][3]float64, factor)
	for p := range out {
		d := float64(p) / float64(factor)
		if half {
			d = (float64(p)+.5)/float64(factor) - .5
		}
		out[p] = [3]float64{max(-d, 0), 1 - max(d, -d), max(d, 0)}
	}
	return out
}

// edged is an image with its first and last row or column repeated.
func (im *importer) edged(name string, v *ir.Value, axis int) (*ir.Value, error) {
	perm := moveAxis(3, axis, 0)
	first, err := im.Add(ir.Transpose, name+".turned", []*ir.Value{v}, build.Attr("perm", perm))
	if err != nil {
		return nil, err
	}
	s := first.Type.Shape
	parts := []*ir.Value{nil, first, nil}
	for i, at := range []int{0, s[0] - 1} {
		if parts[2*i], err = im.Add(ir.Slice, name+".row", []*ir.Value{first}, build.Attr("start", []int{at, 0, 0}), build.Attr("size", []int{1, s[1], s[2]})); err != nil {
			return nil, err
		}
	}
	all, err := im.Add(ir.Concat, name+".all", parts)
	if err != nil {
		return nil, err
	}
	return im.Add(ir.Transpose, name, []*ir.Value{all}, build.Attr("perm", moveAxis(3, 0, axis)))
}
