package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// full is an operand as a value with all of ONNX's dimensions.
func (im *importer) full(o *operand) (*ir.Value, error) {
	if len(o.shape) == 0 {
		return im.as(o, ir.Shape{1})
	}
	return im.as(o, ir.Shape(o.shape))
}

// viewed is the value of a view of an operand: a reshape where all elements stay
// in order, else a copy.
func (im *importer) viewed(n *pb.Node, o *operand, v ir.View) ([]*operand, error) {
	return im.viewedAs(moduleName(n), o, v)
}

// viewedAs is viewed under a name of one's own.
func (im *importer) viewedAs(hint string, o *operand, v ir.View) ([]*operand, error) {
	shape := slices.Clone(v.Dims)
	if v.Size() < 1 {
		return nil, fmt.Errorf("gives the shape %v", v.Dims)
	}
	if v.IsWhole() && v.Size() == build.Product(o.shape) {
		return []*operand{{v: o.v, shape: shape}}, nil
	}
	dims, strides := v.Dims, v.Strides
	if len(dims) == 0 {
		dims, strides = []int{1}, []int{1}
	}
	y, err := im.Add(ir.Copy, hint, []*ir.Value{o.v}, ir.AttrShape.Is([]int(build.Canonical(shape))),
		ir.AttrDims.Is(dims), ir.AttrStrides.Is(strides), ir.AttrStart.Is(v.Start))
	if err != nil {
		return nil, err
	}
	return result(y, shape), nil
}

// viewing imports an operation that is a view.
func viewing(view func(im *importer, n *pb.Node, in []*operand) (ir.View, error)) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		v, err := view(im, n, in)
		if err != nil {
			return nil, err
		}
		return im.viewed(n, in[0], v)
	}
}

// transpose writes transpose(x, perm) where the batch stays, else a copy.
func transpose(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	view, err := transposeView(im, n, in)
	if err != nil {
		return nil, err
	}
	perm := intsAttr(n, "perm")
	if len(perm) < 3 || perm[0] != 0 || in[0].shape[0] != 1 || view.IsWhole() {
		return im.viewed(n, in[0], view)
	}
	v, err := im.as(in[0], build.Canonical(in[0].shape))
	if err != nil {
		return nil, err
	}
	p := make([]int, len(perm)-1)
	for i := range p {
		p[i] = perm[i+1] - 1
	}
	y, err := im.Add(ir.Transpose, moduleName(n), []*ir.Value{v}, ir.AttrPerm.Is(p))
	if err != nil {
		return nil, err
	}
	return result(y, view.Dims), nil
}

// expanded is an operand with the elements of a broadcast shape, as a value of the
// canonical dimensions.
func (im *importer) expanded(n *pb.Node, o *operand, shape []int) (*ir.Value, error) {
	if slices.Equal(o.shape, shape) || build.Product(o.shape) == build.Product(shape) {
		return im.as(o, build.Canonical(shape))
	}
	v, ok := ir.ViewOf(o.shape).Expand(shape)
	if !ok {
		return nil, fmt.Errorf("of %v to %v", o.shape, shape)
	}
	out, err := im.viewedAs(moduleName(n)+".wide", o, v)
	if err != nil {
		return nil, err
	}
	return im.as(out[0], build.Canonical(shape))
}

// padding imports Pad in every mode.
func padding(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	value, err := bound(n, in, "value", 2, 0)
	if err != nil {
		return nil, err
	}
	return im.paddedBy(n, in, value)
}

// paddedBy is padding with the value where the mode is that of a constant.
func (im *importer) paddedBy(n *pb.Node, in []*operand, value float64) ([]*operand, error) {
	pads, err := intsOf(n, in, "pads", 1)
	if err != nil {
		return nil, err
	}
	shape := in[0].shape
	axes, err := intsOf(n, in, "axes", 3)
	if err != nil {
		return nil, err
	}
	if axes == nil {
		for k := range shape {
			axes = append(axes, k)
		}
	}
	mode := textAttr(n, "mode", ir.PadConstant) // ONNX's words are those of the language
	if mode != ir.PadConstant && mode != ir.PadEdge && mode != ir.PadReflect && mode != ir.PadWrap {
		return nil, fmt.Errorf("in mode %q", mode)
	}
	if mode != ir.PadConstant && len(pads) > 0 && slices.Min(pads) < 0 {
		return nil, fmt.Errorf("in mode %q, with the pads %v", mode, pads)
	}
	if len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("has %d pads for %d axes", len(pads), len(axes))
	}
	before, after := make([]int, len(shape)), make([]int, len(shape))
	for i, a := range axes {
		k, err := build.Axis(a, len(shape))
		if err != nil {
			return nil, err
		}
		before[k], after[k] = pads[i], pads[len(axes)+i]
	}
	// Negative pads cut.
	view := ir.ViewOf(shape)
	for k := range shape {
		lo, hi := max(-before[k], 0), max(-after[k], 0)
		if lo+hi >= shape[k] {
			return nil, fmt.Errorf("has the pads %v of %v", pads, shape)
		}
		view = view.Slice(k, lo, 1, shape[k]-lo-hi)
		before[k], after[k] = max(before[k], 0), max(after[k], 0)
	}
	cut, err := im.viewed(n, in[0], view)
	if err != nil {
		return nil, err
	}
	if mode != ir.PadConstant {
		value = 0
	}
	return im.padded(n, cut[0], before, after, nil, value, ir.AttrMode.Is(mode))
}

// padded surrounds an operand with a value.
func (im *importer) padded(n *pb.Node, o *operand, before, after, between []int, value float64, more ...ir.Attr) ([]*operand, error) {
	drop := len(o.shape) - len(build.Canonical(o.shape))
	to := make([]int, len(o.shape))
	for k, d := range o.shape {
		to[k] = before[k] + d + after[k]
		if between != nil {
			to[k] += (d - 1) * between[k]
		}
		if k < drop && to[k] != 1 {
			drop = 0
		}
	}
	v, err := im.as(o, ir.Shape(o.shape[drop:]))
	if err != nil {
		return nil, err
	}
	attrs := []ir.Attr{ir.AttrBefore.Is(before[drop:]), ir.AttrAfter.Is(after[drop:]), ir.AttrValue.Is(shortFloat(value))}
	attrs = append(attrs, more...)
	if between != nil {
		attrs = append(attrs, ir.AttrBetween.Is(between[drop:]))
	}
	y, err := im.Add(ir.Pad, moduleName(n), []*ir.Value{v}, attrs...)
	if err != nil {
		return nil, err
	}
	return result(y, to), nil
}

// split imports Split: one view a result.
func split(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	shape := in[0].shape
	axis, err := build.Axis(intAttr(n, "axis", 0), len(shape))
	if err != nil {
		return nil, err
	}
	sizes, err := intsOf(n, in, "split", 1)
	if err != nil {
		return nil, err
	}
	if sizes == nil {
		count := len(n.Output)
		step := (shape[axis] + count - 1) / count
		for rest := shape[axis]; rest > 0; rest -= step {
			sizes = append(sizes, min(step, rest))
		}
	}
	if len(sizes) != len(n.Output) {
		return nil, fmt.Errorf("into %d parts of %d results", len(sizes), len(n.Output))
	}
	var outs []*operand
	at := 0
	for _, size := range sizes {
		if size < 1 || at+size > shape[axis] {
			return nil, fmt.Errorf("into %v of %d", sizes, shape[axis])
		}
		part, err := im.viewed(n, in[0], ir.ViewOf(shape).Slice(axis, at, 1, size))
		if err != nil {
			return nil, err
		}
		outs = append(outs, part[0])
		at += size
	}
	return outs, nil
}

// gather imports Gather: of constant rows by computed indices an embedding, else a view.
func gather(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[0].c == nil || in[1].v == nil {
		return viewing(gatherView)(im, n, in)
	}
	t, axis := in[0].c, intAttr(n, "axis", 0)
	if len(t.shape) < 1 || !t.typ.isFloat() || axis != 0 && axis != -len(t.shape) {
		return nil, fmt.Errorf("by computed indices, of a constant of shape %v along axis %d", t.shape, axis)
	}
	rows := ir.Shape{t.shape[0], build.Product(t.shape[1:])}
	at, err := im.as(in[1], ir.Shape{build.Product(in[1].shape)})
	if err != nil {
		return nil, err
	}
	name := im.Name(layerName(n, t))
	y, err := im.AddNamed(ir.Embedding, name, []*ir.Value{at}, ir.AttrRows.Is(im.Const(name+".weight", rows, t.float32s())))
	if err != nil {
		return nil, err
	}
	return result(y, slices.Concat(in[1].shape, t.shape[1:])), nil
}

// gatherView imports Gather along an axis by one constant index, or by several that
// are a step apart.
func gatherView(_ *importer, n *pb.Node, in []*operand) (ir.View, error) {
	t, err := constant(in, 1, "indices")
	if err != nil {
		return ir.View{}, err
	}
	shape := in[0].shape
	axis, err := build.Axis(intAttr(n, "axis", 0), len(shape))
	if err != nil {
		return ir.View{}, err
	}
	at, err := t.smallInts()
	if err != nil || len(at) == 0 {
		return ir.View{}, errors.New("has no short list of indices")
	}
	step := 1
	for i := range at {
		if at[i] < 0 {
			at[i] += shape[axis]
		}
		if at[i] < 0 || at[i] >= shape[axis] {
			return ir.View{}, fmt.Errorf("takes element %d of %d", at[i], shape[axis])
		}
		if i == 1 {
			step = at[1] - at[0]
		} else if i > 1 && at[i]-at[i-1] != step {
			return ir.View{}, errors.New("has indices that are not a step apart")
		}
	}
	v := ir.ViewOf(shape).Slice(axis, at[0], step, len(at))
	// The axis becomes those of the indices.
	out := ir.View{Start: v.Start}
	for k := range v.Dims {
		if k != axis {
			out.Dims, out.Strides = append(out.Dims, v.Dims[k]), append(out.Strides, v.Strides[k])
			continue
		}
		inner := ir.ViewOf(t.shape)
		for i, d := range t.shape {
			out.Dims, out.Strides = append(out.Dims, d), append(out.Strides, inner.Strides[i]*v.Strides[k])
		}
	}
	return out, nil
}

func blocks(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		v, _, err := im.image(in[0])
		if err != nil {
			return nil, err
		}
		attrs := []ir.Attr{ir.AttrBlock.Is(intAttr(n, "blocksize", 0))}
		if op == ir.SpaceToDepth && textAttr(n, "mode", "DCR") != "DCR" {
			return nil, fmt.Errorf("in mode %q", textAttr(n, "mode", ""))
		}
		if op == ir.DepthToSpace && textAttr(n, "mode", "DCR") == "CRD" {
			attrs = append(attrs, ir.AttrMode.Is(ir.ChannelsFirst))
		}
		y, err := im.Add(op, moduleName(n), []*ir.Value{v}, attrs...)
		if err != nil {
			return nil, err
		}
		return result(y, imageShape(y, 2)), nil
	}
}

// resize imports Resize and Upsample by whole factors: nearest where every pixel is
// repeated, and linear.
func resize(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	v, spatial, err := im.image(in[0])
	if err != nil {
		return nil, err
	}
	mode := textAttr(n, "mode", "nearest")
	if mode != "nearest" && mode != "linear" {
		return nil, fmt.Errorf("in mode %q", mode)
	}
	at := 1
	if n.GetOpType() == "Resize" && im.opset >= 11 {
		at = 2
	}
	var factors []float64
	if a := attr(n, "scales"); a != nil {
		for _, f := range a.Floats {
			factors = append(factors, float64(f))
		}
	} else if t, err := constant(in, at, "scales"); err != nil {
		return nil, err
	} else if t != nil && t.size() > 0 {
		if factors, err = t.numbers(); err != nil {
			return nil, err
		}
	} else if t, err := constant(in, 3, "sizes"); err != nil {
		return nil, err
	} else if t != nil {
		sizes, err := t.smallInts()
		if err != nil || len(sizes) != len(in[0].shape) {
			return nil, errors.New("has sizes of another rank")
		}
		for i, s := range sizes {
			factors = append(factors, float64(s)/float64(in[0].shape[i]))
		}
	}
	if len(factors) != spatial+2 || factors[0] != 1 || factors[1] != 1 {
		return nil, fmt.Errorf("by %v", factors)
	}
	scale := []int{1, 1}
	for i, f := range factors[2:] {
		k := int(f)
		if float64(k) != f || k < 1 || k > 64 {
			return nil, fmt.Errorf("by %v, which are no whole numbers", factors)
		}
		scale[2-spatial+i] = k
	}
	if mode == "linear" {
		y, err := im.bilinear(n, v, scale)
		if err != nil {
			return nil, err
		}
		return result(y, imageShape(y, spatial)), nil
	}
	// Where every pixel is repeated: any rounding of the default transformations.
	transform, rounding := textAttr(n, "coordinate_transformation_mode", "half_pixel"), textAttr(n, "nearest_mode", "round_prefer_floor")
	repeats := n.GetOpType() == "Upsample" || im.opset < 11 ||
		transform == "asymmetric" && rounding == "floor" ||
		(transform == "half_pixel" || transform == "pytorch_half_pixel" || transform == "half_pixel_symmetric") && (rounding == "round_prefer_floor" || rounding == "round_prefer_ceil")
	if !repeats && scale[0]*scale[1] > 1 {
		return nil, fmt.Errorf("with %s and %s", transform, rounding)
	}
	y, err := im.Add(ir.Resize, moduleName(n), []*ir.Value{v}, ir.AttrScale.Is(scale))
	if err != nil {
		return nil, err
	}
	return result(y, imageShape(y, spatial)), nil
}

// bilinear resizes by whole factors where pixels lie as Builder.Bilinear has them.
func (im *importer) bilinear(n *pb.Node, v *ir.Value, scale []int) (*ir.Value, error) {
	isHalf := true
	switch mode := textAttr(n, "coordinate_transformation_mode", "half_pixel"); {
	case n.GetOpType() == "Upsample" || im.opset < 11 || mode == "asymmetric":
		isHalf = false
	case mode != "half_pixel" && mode != "pytorch_half_pixel" && mode != "half_pixel_symmetric":
		return nil, fmt.Errorf("linear with %s", mode)
	}
	if attr(n, "antialias") != nil && intAttr(n, "antialias", 0) != 0 || attr(n, "exclude_outside") != nil && intAttr(n, "exclude_outside", 0) != 0 {
		return nil, errors.New("linear with antialias or exclude_outside")
	}
	return im.Bilinear(moduleName(n), v, scale, isHalf)
}
