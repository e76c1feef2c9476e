package onnx

import (
	"errors"
	"fmt"
	"math"
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
	shape := slices.Clone(v.Dims)
	if v.Size() < 1 {
		return nil, fmt.Errorf("gives the shape %v", v.Dims)
	}
	if v.IsWhole() && v.Size() == product(o.shape) {
		return []*operand{{v: o.v, shape: shape}}, nil
	}
	dims, strides := v.Dims, v.Strides
	if len(dims) == 0 {
		dims, strides = []int{1}, []int{1}
	}
	y, err := im.Add(ir.Copy, moduleName(n), []*ir.Value{o.v}, build.Attr("shape", []int(canonical(shape))),
		build.Attr("dims", dims), build.Attr("strides", strides), build.Attr("start", v.Start))
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
	v, err := im.as(in[0], canonical(in[0].shape))
	if err != nil {
		return nil, err
	}
	p := make([]int, len(perm)-1)
	for i := range p {
		p[i] = perm[i+1] - 1
	}
	y, err := im.Add(ir.Transpose, moduleName(n), []*ir.Value{v}, build.Attr("perm", p))
	if err != nil {
		return nil, err
	}
	return result(y, view.Dims), nil
}

// expanded is an operand with the elements of a broadcast shape, as a value of the
// canonical dimensions.
func (im *importer) expanded(n *pb.Node, o *operand, shape []int) (*ir.Value, error) {
	if slices.Equal(o.shape, shape) || product(o.shape) == product(shape) {
		return im.as(o, canonical(shape))
	}
	v, ok := ir.ViewOf(o.shape).Expand(shape)
	if !ok {
		return nil, fmt.Errorf("of %v to %v", o.shape, shape)
	}
	out, err := im.viewed(n, o, v)
	if err != nil {
		return nil, err
	}
	return im.as(out[0], canonical(shape))
}

// pair imports an operation of two values, element by element.
func (im *importer) pair(op ir.Op, n *pb.Node, a, b *operand) ([]*operand, error) {
	shape, err := broadcast(a.shape, b.shape)
	if err != nil {
		return nil, err
	}
	if slices.Equal(a.shape, b.shape) && a.v.Type.Shape.Equal(b.v.Type.Shape) {
		y, err := im.Add(op, moduleName(n), []*ir.Value{a.v, b.v})
		if err != nil {
			return nil, err
		}
		return result(y, shape), nil
	}
	x, err := im.expanded(n, a, shape)
	if err != nil {
		return nil, err
	}
	z, err := im.expanded(n, b, shape)
	if err != nil {
		return nil, err
	}
	y, err := im.Add(op, moduleName(n), []*ir.Value{x, z})
	if err != nil {
		return nil, err
	}
	return result(y, shape), nil
}

// extremes imports Min and Max of any number of values; one of a constant is a
// clip.
func extremes(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		var out *operand
		lo, hi := math.Inf(-1), math.Inf(1)
		for _, o := range in {
			switch {
			case o == nil:
				return nil, errors.New("lacks an argument")
			case o.c != nil:
				x, err := o.c.numbers()
				if err != nil || len(x) != 1 {
					return nil, fmt.Errorf("of a constant of shape %v", o.shape)
				}
				if op == ir.Maximum {
					lo = max(lo, x[0])
				} else {
					hi = min(hi, x[0])
				}
			case out == nil:
				out = o
			default:
				r, err := im.pair(op, n, out, o)
				if err != nil {
					return nil, err
				}
				out = r[0]
			}
		}
		return im.clipped(n, out, lo, hi)
	}
}

// clipped bounds a value, by relu where that is it.
func (im *importer) clipped(n *pb.Node, o *operand, lo, hi float64) ([]*operand, error) {
	op := ir.Clip
	var attrs []ir.Attr
	switch {
	case lo == 0 && hi == 6:
		op = ir.Relu6
	case lo == 0 && hi > math.MaxFloat32/2:
		op = ir.Relu
	case lo < -math.MaxFloat32/2 && hi > math.MaxFloat32/2:
		return []*operand{o}, nil
	default:
		const far = 1e30
		attrs = []ir.Attr{build.Attr("low", shortFloat(max(lo, -far))), build.Attr("high", shortFloat(min(hi, far)))}
	}
	y, err := im.Add(op, moduleName(n), []*ir.Value{o.v}, attrs...)
	if err != nil {
		return nil, err
	}
	return result(y, o.shape), nil
}

// function imports an operation that is a function of the module, its numbers
// attributes.
func function(op ir.Op, numbers ...[2]any) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		var attrs []ir.Attr
		for i := range op.Info().Attrs {
			if i < len(numbers) {
				attrs = append(attrs, build.Attr(op.Info().Attrs[i].Name, shortFloat(floatAttr(n, numbers[i][0].(string), numbers[i][1].(float64)))))
			}
		}
		y, err := im.Add(op, moduleName(n), []*ir.Value{in[0].v}, attrs...)
		if err != nil {
			return nil, err
		}
		return result(y, in[0].shape), nil
	}
}

func gelu(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	tanh := 0.
	if textAttr(n, "approximate", "none") == "tanh" {
		tanh = 1
	}
	y, err := im.Add(ir.Gelu, moduleName(n), []*ir.Value{in[0].v}, build.Attr("tanh", tanh))
	if err != nil {
		return nil, err
	}
	return result(y, in[0].shape), nil
}

// power imports x to the power of 1, 2 or 1/2.
func power(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	t, err := constant(in, 1, "exponents")
	if err != nil {
		return nil, err
	}
	x, err := t.numbers()
	switch {
	case err != nil || len(x) != 1:
		return nil, errors.New("has exponents that are not one number")
	case x[0] == 1:
		return []*operand{in[0]}, nil
	case x[0] == 2:
		return im.pair(ir.Mul, n, in[0], in[0])
	case x[0] == .5:
		return function(ir.Sqrt)(im, n, in)
	}
	return nil, fmt.Errorf("to the power of %v", x[0])
}

// prelu is max(x,0) + slope*min(x,0): a leaky relu where there is one slope.
func prelu(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	t, err := constant(in, 1, "slopes")
	if err != nil {
		return nil, err
	}
	x, err := t.numbers()
	if err != nil {
		return nil, err
	}
	if len(x) == 1 {
		y, err := im.Add(ir.LeakyRelu, moduleName(n), []*ir.Value{in[0].v}, build.Attr("alpha", shortFloat(x[0])))
		if err != nil {
			return nil, err
		}
		return result(y, in[0].shape), nil
	}
	minus, err := im.Add(ir.Neg, moduleName(n)+".neg", []*ir.Value{in[0].v})
	if err != nil {
		return nil, err
	}
	low, err := im.Add(ir.Relu, moduleName(n)+".low", []*ir.Value{minus})
	if err != nil {
		return nil, err
	}
	scaled, err := im.affine(n, "Mul", &operand{v: low, shape: in[0].shape}, t, false)
	if err != nil {
		return nil, err
	}
	high, err := im.Add(ir.Relu, moduleName(n)+".high", []*ir.Value{in[0].v})
	if err != nil {
		return nil, err
	}
	return im.pair(ir.Sub, n, &operand{v: high, shape: in[0].shape}, scaled[0])
}

// softmaxOf imports softmax and its logarithm. Before opset 13 the axes from the
// given one on count as one.
func softmaxOf(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		shape := in[0].shape
		absent := -1
		if im.opset < 13 {
			absent = 1
		}
		axis, err := build.Axis(intAttr(n, "axis", absent), max(len(shape), 1))
		if err != nil {
			return nil, err
		}
		dims := slices.Clone(shape)
		if im.opset < 13 {
			dims = []int{product(shape[:axis]), product(shape[axis:])}
			axis = 1
		}
		own := canonical(dims)
		v, err := im.as(in[0], own)
		if err != nil {
			return nil, err
		}
		y, err := im.Add(op, moduleName(n), []*ir.Value{v}, build.Attr("axis", max(axis-(max(len(dims), 1)-len(own)), 0)))
		if err != nil {
			return nil, err
		}
		return result(y, shape), nil
	}
}

// reduction imports ReduceMean and its like; a mean over the pixels of an image is
// a global pooling.
func reduction(fn string) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		set, err := reduceAxes(n, in)
		if err != nil {
			return nil, err
		}
		shape := in[0].shape
		var kept, axes []int
		keep := intAttr(n, "keepdims", 1) == 1
		for k, d := range shape {
			switch {
			case set[k] && d > 1:
				axes = append(axes, k)
				fallthrough
			case set[k]:
				if keep {
					kept = append(kept, 1)
				}
			default:
				kept = append(kept, d)
			}
		}
		if len(axes) == 0 {
			return []*operand{{v: in[0].v, shape: kept}}, nil
		}
		if len(shape) == 4 && shape[0] == 1 && fn == "mean" && slices.Equal(axes, []int{2, 3}) {
			v, _, err := im.image(in[0])
			if err != nil {
				return nil, err
			}
			y, err := im.Add(ir.GlobalAvgPool, moduleName(n), []*ir.Value{v})
			if err != nil {
				return nil, err
			}
			return result(y, kept), nil
		}
		own := canonical(shape)
		v, err := im.as(in[0], own)
		if err != nil {
			return nil, err
		}
		for i := range axes {
			axes[i] -= len(shape) - len(own)
		}
		y, err := im.Add(ir.Reduce, moduleName(n), []*ir.Value{v}, build.Attr("fn", fn), build.Attr("axes", axes))
		if err != nil {
			return nil, err
		}
		return result(y, kept), nil
	}
}

func argmax(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	shape := in[0].shape
	axis, err := build.Axis(intAttr(n, "axis", 0), max(len(shape), 1))
	if err != nil {
		return nil, err
	}
	if intAttr(n, "select_last_index", 0) != 0 {
		return nil, errors.New("takes the last of equal elements")
	}
	v, err := im.full(in[0])
	if err != nil {
		return nil, err
	}
	y, err := im.Add(ir.ArgMax, moduleName(n), []*ir.Value{v}, build.Attr("axis", axis))
	if err != nil {
		return nil, err
	}
	kept := slices.Concat(shape[:axis], shape[axis+1:])
	if intAttr(n, "keepdims", 1) == 1 {
		kept = slices.Concat(shape[:axis], []int{1}, shape[axis+1:])
	}
	return result(y, kept), nil
}

// padding imports Pad in every mode.
func padding(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
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
	mode := textAttr(n, "mode", "constant")
	if mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap" {
		return nil, fmt.Errorf("in mode %q", mode)
	}
	if mode != "constant" && len(pads) > 0 && slices.Min(pads) < 0 {
		return nil, fmt.Errorf("in mode %q, with the pads %v", mode, pads)
	}
	if len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("has %d pads for %d axes", len(pads), len(axes))
	}
	value, err := bound(n, in, "value", 2, 0)
	if err != nil {
		return nil, err
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
	if mode != "constant" {
		value = 0
	}
	return im.padded(n, cut[0], before, after, nil, value, build.Attr("mode", mode))
}

// padded surrounds an operand with a value.
func (im *importer) padded(n *pb.Node, o *operand, before, after, between []int, value float64, more ...ir.Attr) ([]*operand, error) {
	drop := len(o.shape) - len(canonical(o.shape))
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
	attrs := []ir.Attr{build.Attr("before", before[drop:]), build.Attr("after", after[drop:]), build.Attr("value", shortFloat(value))}
	attrs = append(attrs, more...)
	if between != nil {
		attrs = append(attrs, build.Attr("between", between[drop:]))
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
	rows := ir.Shape{t.shape[0], product(t.shape[1:])}
	at, err := im.as(in[1], ir.Shape{product(in[1].shape)})
	if err != nil {
		return nil, err
	}
	name := im.Name(layerName(n, t))
	y, err := im.AddNamed(ir.Embedding, name, []*ir.Value{at}, build.Attr("rows", im.Const(name+".weight", rows, t.float32s())))
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
		attrs := []ir.Attr{build.Attr("block", intAttr(n, "blocksize", 0))}
		if op == ir.SpaceToDepth && textAttr(n, "mode", "DCR") != "DCR" {
			return nil, fmt.Errorf("in mode %q", textAttr(n, "mode", ""))
		}
		if op == ir.DepthToSpace && textAttr(n, "mode", "DCR") == "CRD" {
			attrs = append(attrs, build.Attr("mode", "crd"))
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
	y, err := im.Add(ir.Resize, moduleName(n), []*ir.Value{v}, build.Attr("scale", scale))
	if err != nil {
		return nil, err
	}
	return result(y, imageShape(y, spatial)), nil
}

// product2 imports MatMul of two computed values.
func (im *importer) product2(n *pb.Node, a, b *operand) ([]*operand, error) {
	ra, rb := len(a.shape), len(b.shape)
	if ra < 2 || rb < 2 {
		return nil, fmt.Errorf("of shapes %v and %v", a.shape, b.shape)
	}
	m, k, cols := a.shape[ra-2], a.shape[ra-1], b.shape[rb-1]
	outer, err := broadcast(a.shape[:ra-2], b.shape[:rb-2])
	if err != nil {
		return nil, err
	}
	batch := product(outer)
	flat := func(o *operand, rows, cols int) (*ir.Value, error) {
		full := slices.Concat(outer, []int{rows, cols})
		v, err := im.expanded(n, o, full)
		if err != nil {
			return nil, err
		}
		if batch == 1 {
			return im.Reshape(v, ir.Shape{rows, cols})
		}
		return im.Reshape(v, ir.Shape{batch, rows, cols})
	}
	x, err := flat(a, m, k)
	if err != nil {
		return nil, err
	}
	z, err := flat(b, b.shape[rb-2], cols)
	if err != nil {
		return nil, err
	}
	y, err := im.Add(ir.MatMul, moduleName(n), []*ir.Value{x, z})
	if err != nil {
		return nil, err
	}
	return result(y, slices.Concat(outer, []int{m, cols})), nil
}

// denseRows is a linear layer of several rows x[...,I]: a convolution of pixels,
// of an image [I,rows,1].
func (im *importer) denseRows(name string, x *operand, weight, bias *tensor, outShape []int) ([]*operand, error) {
	inputs := weight.shape[1]
	rows := product(x.shape) / inputs
	flat, err := im.as(x, ir.Shape{rows, inputs})
	if err != nil {
		return nil, err
	}
	turned, err := im.Add(ir.Transpose, name+".in", []*ir.Value{flat}, build.Attr("perm", []int{1, 0}))
	if err != nil {
		return nil, err
	}
	image, err := im.Reshape(turned, ir.Shape{inputs, rows, 1})
	if err != nil {
		return nil, err
	}
	wc, bc, err := im.weights(name, weight, ir.Shape{weight.shape[0], inputs, 1, 1}, bias)
	if err != nil {
		return nil, err
	}
	y, err := im.AddNamed(ir.Conv2D, name, []*ir.Value{image}, build.Attr("weight", wc), build.Attr("bias", bc))
	if err != nil {
		return nil, err
	}
	if y, err = im.Reshape(y, ir.Shape{weight.shape[0], rows}); err != nil {
		return nil, err
	}
	if y, err = im.Add(ir.Transpose, name+".out", []*ir.Value{y}, build.Attr("perm", []int{1, 0})); err != nil {
		return nil, err
	}
	return result(y, outShape), nil
}

// convTranspose is a convolution of the image with zeros between its pixels, by
// the weights turned around.
func convTranspose(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	weight, err := constant(in, 1, "weights")
	if err != nil {
		return nil, err
	}
	bias, err := constant(in, 2, "biases")
	if err != nil {
		return nil, err
	}
	v, spatial, err := im.image(in[0])
	if err != nil {
		return nil, err
	}
	if len(weight.shape) != spatial+2 || weight.shape[0] != in[0].shape[1] {
		return nil, fmt.Errorf("has weights of shape %v", weight.shape)
	}
	if textAttr(n, "auto_pad", "NOTSET") != "NOTSET" || attr(n, "output_shape") != nil {
		return nil, errors.New("with auto_pad or output_shape")
	}
	w, err := im.window(n, v, spatial, weight.shape[2:])
	if err != nil {
		return nil, err
	}
	extra, err := both(intsAttr(n, "output_padding"), spatial, 0)
	if err != nil {
		return nil, err
	}
	if spatial == 1 {
		extra[0] = 0
	}
	before, after, between := []int{0, 0, 0}, []int{0, 0, 0}, []int{0, w.stride[0] - 1, w.stride[1] - 1}
	for i := range 2 {
		extent := (w.kernel[i] - 1) * w.dilation[i]
		before[1+i], after[1+i] = extent-w.pad[i], extent-w.pad[2+i]+extra[i]
		if before[1+i] < 0 || after[1+i] < 0 || extra[i] < 0 {
			return nil, fmt.Errorf("has pads %v beyond its window", w.pad)
		}
	}
	x := v
	if slices.Max(before)+slices.Max(after)+slices.Max(between) > 0 {
		if x, err = im.Add(ir.Pad, moduleName(n)+".pad", []*ir.Value{v}, build.Attr("before", before), build.Attr("after", after), build.Attr("between", between)); err != nil {
			return nil, err
		}
	}
	// [I, O/g, KH, KW] becomes [O, I/g, KH, KW], taps from behind.
	groups := intAttr(n, "group", 1)
	s := weight.shape
	if groups < 1 || s[0]%groups != 0 {
		return nil, fmt.Errorf("has %d groups of %d channels", groups, s[0])
	}
	full := []int{s[0], s[1], w.kernel[0], w.kernel[1]}
	wv := ir.ViewOf(full).Slice(2, full[2]-1, -1, full[2]).Slice(3, full[3]-1, -1, full[3]).Split(0, s[0]/groups).Permute([]int{0, 2, 1, 3, 4})
	turned := weight.reshaped(full).view(wv).reshaped([]int{groups * s[1], s[0] / groups, full[2], full[3]})
	name := im.Name(layerName(n, weight))
	wc, bc, err := im.weights(name, turned, ir.Shape(turned.shape), bias)
	if err != nil {
		return nil, err
	}
	y, err := im.AddNamed(ir.Conv2D, name, []*ir.Value{x}, build.Attr("dilation", w.dilation), build.Attr("groups", groups), build.Attr("weight", wc), build.Attr("bias", bc))
	if err != nil {
		return nil, err
	}
	return result(y, imageShape(y, spatial)), nil
}
