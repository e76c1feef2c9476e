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

// viewedAs is viewed under a name of one's own; a constant's is a constant.
func (im *importer) viewedAs(hint string, o *operand, v ir.View) ([]*operand, error) {
	shape := slices.Clone(v.Dims)
	if o.c != nil {
		return []*operand{{c: o.c.view(v), shape: shape, dynamic: o.dynamic}}, nil
	}
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
	attrs := []ir.Attr{ir.AttrBefore.Is(before[drop:]), ir.AttrAfter.Is(after[drop:]), ir.AttrValue.Is(build.ShortFloat(value))}
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

// gather imports Gather: of constant rows by computed indices an embedding, else elements
// in other places.
func gather(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[1].c != nil {
		axis, err := build.Axis(intAttr(n, "axis", 0), len(in[0].shape))
		if err != nil {
			return nil, err
		}
		at, err := indices(in[1].c)
		if err != nil {
			return nil, err
		}
		c := im.compose(n)
		shape := in[0].shape
		return c.result(c.reshape("own", c.pick("", in[0], axis, at), slices.Concat(shape[:axis], in[1].shape, shape[axis+1:])))
	}
	if in[0].c == nil {
		return nil, errors.New("has indices that are computed in the network")
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

// indices are those of a Gather: any number of them where they follow a rule, as those of overlapping frames do.
func indices(t *tensor) ([]int, error) {
	if t.size() > maxFolded {
		return nil, errors.New("has a long list of indices")
	}
	x, err := t.ints()
	if err != nil || len(x) == 0 {
		return nil, errors.New("has no list of indices")
	}
	at := make([]int, len(x))
	for i, v := range x {
		at[i] = int(v)
	}
	if _, _, ok := rule(at); len(at) > maxList && !ok {
		return nil, fmt.Errorf("has %d indices that follow no rule; at most %d are imported", len(at), maxList)
	}
	return at, nil
}

// maxRuns is the number of pieces that elements in any order are taken in.
const maxRuns = 64

// pick is elements at places of an axis, in their order: one view where places follow a
// rule, else several ones after another.
func (c *composer) pick(role string, x *operand, axis int, at []int) *operand {
	if c.err != nil {
		return nil
	}
	size := x.shape[axis]
	for i, k := range at {
		if k < 0 {
			k += size
		}
		if k < 0 || k >= size {
			c.err = fmt.Errorf("takes element %d of %d", k, size)
			return nil
		}
		at[i] = k
	}
	if outer, inner, ok := rule(at); ok {
		return c.ruled(role, x, axis, at[0], outer, inner)
	}
	var parts []*operand
	for from := 0; from < len(at); {
		to := from + 1
		for to < len(at) && (to == from+1 || at[to]-at[to-1] == at[from+1]-at[from]) {
			to++
		}
		step := 1
		if to > from+1 {
			step = at[from+1] - at[from]
		}
		parts = append(parts, c.ruled(role+".part", x, axis, at[from], [2]int{1, 0}, [2]int{to - from, step}))
		from = to
	}
	if len(parts) > maxRuns {
		c.err = fmt.Errorf("takes elements in %d pieces, each a step apart; at most %d are imported", len(parts), maxRuns)
		return nil
	}
	return c.do("Concat", role, parts, setting{"axis", axis})
}

// rule are the counts and steps of two loops that give places, the inner one as long as
// can be; ok where there are such loops.
func rule(at []int) (outer, inner [2]int, ok bool) {
	for p := len(at); p >= 1; p-- {
		if len(at)%p != 0 {
			continue
		}
		outer, inner = [2]int{len(at) / p, 0}, [2]int{p, 0}
		if p > 1 {
			inner[1] = at[1] - at[0]
		}
		if p < len(at) {
			outer[1] = at[p] - at[0]
		}
		fits := true
		for i, k := range at {
			if fits = k == at[0]+i/p*outer[1]+i%p*inner[1]; !fits {
				break
			}
		}
		if fits {
			return outer, inner, true
		}
	}
	return outer, inner, false
}

// ruled is the view of two loops along an axis.
func (c *composer) ruled(role string, x *operand, axis, from int, outer, inner [2]int) *operand {
	if c.err != nil {
		return nil
	}
	whole := ir.ViewOf(x.shape)
	stride := whole.Strides[axis]
	v := ir.View{Start: whole.Start + from*stride}
	var shape []int
	for k, d := range x.shape {
		if k == axis {
			v.Dims, v.Strides = append(v.Dims, outer[0], inner[0]), append(v.Strides, outer[1]*stride, inner[1]*stride)
			shape = append(shape, outer[0]*inner[0])
			continue
		}
		v.Dims, v.Strides, shape = append(v.Dims, d), append(v.Strides, whole.Strides[k]), append(shape, d)
	}
	if x.c != nil {
		if c.err = c.im.room(sizeOf(v.Dims)); c.err != nil {
			return nil
		}
		return &operand{c: x.c.view(v).reshaped(shape), shape: shape}
	}
	name := moduleName(c.n)
	if role != "" {
		name += "." + role
	}
	outs, err := c.im.viewedAs(name, x, v)
	if err != nil {
		c.err = err
		return nil
	}
	return &operand{v: outs[0].v, shape: shape}
}

// gatherElements picks elements of a tensor by constant places along an axis.
func gatherElements(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	shape := in[0].shape
	axis, err := build.Axis(intAttr(n, "axis", 0), len(shape))
	if err != nil {
		return nil, err
	}
	t, err := constant(in, 1, "indices")
	if err != nil {
		return nil, err
	}
	places, err := t.smallInts()
	if err != nil || len(t.shape) != len(shape) || len(places) == 0 {
		return nil, fmt.Errorf("has indices of shape %v for a tensor of shape %v", t.shape, shape)
	}
	whole := ir.ViewOf(shape)
	at := make([]int, len(places))
	for i, place := range places {
		if place < 0 {
			place += shape[axis]
		}
		if place < 0 || place >= shape[axis] {
			return nil, fmt.Errorf("takes element %d of %d", place, shape[axis])
		}
		rest := i
		for k := len(shape) - 1; k >= 0; k-- {
			index := rest % t.shape[k]
			rest /= t.shape[k]
			if k == axis {
				index = place
			} else if index >= shape[k] {
				return nil, fmt.Errorf("has indices of shape %v for a tensor of shape %v", t.shape, shape)
			}
			at[i] += index * whole.Strides[k]
		}
	}
	c := im.compose(n)
	return c.result(c.reshape("own", c.pick("", c.reshape("flat", in[0], []int{build.Product(shape)}), 0, at), t.shape))
}

// slots reads constant indices of the first axes of a tensor: the places that they name,
// in rows of all other axes.
func slots(in []*operand, shape []int) (at []int, first int, err error) {
	t, err := constant(in, 1, "indices")
	if err != nil {
		return nil, 0, err
	}
	x, err := t.smallInts()
	if err != nil || len(t.shape) == 0 || len(x) == 0 || t.shape[len(t.shape)-1] > len(shape) || t.shape[len(t.shape)-1] < 1 {
		return nil, 0, fmt.Errorf("has indices of shape %v for a tensor of shape %v", t.shape, shape)
	}
	first = t.shape[len(t.shape)-1]
	for i := 0; i < len(x); i += first {
		place := 0
		for k, index := range x[i : i+first] {
			if index < 0 {
				index += shape[k]
			}
			if index < 0 || index >= shape[k] {
				return nil, 0, fmt.Errorf("takes element %d of %d", index, shape[k])
			}
			place = place*shape[k] + index
		}
		at = append(at, place)
	}
	return at, first, nil
}

// gatherND picks rows of a tensor by constant indices of its first axes.
func gatherND(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if intAttr(n, "batch_dims", 0) != 0 {
		return nil, errors.New("with batch_dims")
	}
	shape := in[0].shape
	at, first, err := slots(in, shape)
	if err != nil {
		return nil, err
	}
	c := im.compose(n)
	rows := c.reshape("rows", in[0], []int{build.Product(shape[:first]), build.Product(shape[first:])})
	return c.result(c.reshape("own", c.pick("", rows, 0, at), slices.Concat(in[1].shape[:len(in[1].shape)-1], shape[first:])))
}

// scatterND puts rows of updates in the place of rows of a tensor, by constant indices.
func scatterND(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if mode := textAttr(n, "reduction", "none"); mode != "none" {
		return nil, fmt.Errorf("with the reduction %q", mode)
	}
	shape := in[0].shape
	at, first, err := slots(in, shape)
	if err != nil {
		return nil, err
	}
	rows, inner := build.Product(shape[:first]), build.Product(shape[first:])
	if build.Product(in[2].shape) != len(at)*inner {
		return nil, fmt.Errorf("has updates of shape %v for %d rows of %d", in[2].shape, len(at), inner)
	}
	if rows > maxList {
		return nil, fmt.Errorf("among %d rows; at most %d are", rows, maxList)
	}
	from := make([]int, rows) // of each row of the result, among those of both
	for k := range from {
		from[k] = k
	}
	for i, k := range at {
		from[k] = rows + i
	}
	c := im.compose(n)
	both := c.do("Concat", "both", []*operand{c.reshape("rows", in[0], []int{rows, inner}), c.reshape("updates", in[2], []int{len(at), inner})}, setting{"axis", 0})
	return c.result(c.reshape("own", c.pick("", both, 0, from), shape))
}

func blocks(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		v, _, err := im.image(in[0])
		if err != nil {
			return nil, err
		}
		attrs := []ir.Attr{ir.AttrBlock.Is(intAttr(n, "blocksize", 0))}
		switch mode := textAttr(n, "mode", "DCR"); {
		case mode == "CRD" && op == ir.SpaceToDepth:
			return spaceFirst(im, n, in[0])
		case mode == "CRD":
			attrs = append(attrs, ir.AttrMode.Is(ir.ChannelsFirst))
		case mode != "DCR":
			return nil, fmt.Errorf("in mode %q", mode)
		}
		y, err := im.Add(op, moduleName(n), []*ir.Value{v}, attrs...)
		if err != nil {
			return nil, err
		}
		return result(y, imageShape(y, 2)), nil
	}
}

// spaceFirst is SpaceToDepth where the pixels of a block lie one after the other in each channel.
func spaceFirst(im *importer, n *pb.Node, x *operand) ([]*operand, error) {
	b, s := intAttr(n, "blocksize", 0), x.shape
	if len(s) != 4 || b < 1 || s[2]%b != 0 || s[3]%b != 0 {
		return nil, fmt.Errorf("in blocks of %d of a tensor of shape %v", b, s)
	}
	c, h, w := im.compose(n), s[2]/b, s[3]/b
	blocks := c.transpose("pixels", c.reshape("blocks", x, []int{s[0], s[1], h, b, w, b}), 0, 1, 3, 5, 2, 4)
	return c.result(c.reshape("own", blocks, []int{s[0], s[1] * b * b, h, w}))
}
