package tflite

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// pass imports what changes nothing.
func pass(im *importer, o *operator) error {
	if t := im.tensors[o.in[0]]; t.data != nil { // weights that are kept smaller
		u := im.tensors[o.out[0]]
		if t.typ == float16Type {
			x := ir.FloatConst("", ir.Shape(t.shape), t.floats())
			raw, err := x.Load()
			*u = tensor{name: u.name, typ: float32Type, shape: t.shape, data: raw}
			return err
		}
		if t.typ != int8Type {
			return errors.New("of weights that are neither int8 nor float16")
		}
		*u = tensor{name: u.name, typ: t.typ, shape: t.shape, data: t.data, scale: t.scale, zero: t.zero, axis: t.axis}
		return nil
	}
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	im.values[o.out[0]] = x
	return nil
}

// keeps checks that an operation that only moves elements keeps their scale.
func (im *importer) keeps(o *operator, q ir.Quant) error {
	_, out, err := im.result(o)
	if err == nil && im.exact && out != q {
		return errors.New("changes the scale of elements that it only moves")
	}
	return err
}

// reshape keeps the elements in the file's order: an image stays one where its
// pixels do.
func reshape(im *importer, o *operator, x *operand) error {
	if err := im.keeps(o, x.v.Type.Quant); err != nil {
		return err
	}
	to := im.tensors[o.out[0]].shape
	if build.Product(to) != build.Product(x.shape) {
		return fmt.Errorf("of %v to %v", x.shape, to)
	}
	if x.image {
		// What reads it may take the image's elements in their order.
		im.values[o.out[0]] = &operand{v: x.v, image: true, shape: to}
		return nil
	}
	v, err := im.flat(x, build.Canonical(to))
	if err != nil {
		return err
	}
	return im.set(o, v, false)
}

func concat(im *importer, o *operator) error {
	out, q, err := im.result(o)
	if err != nil {
		return err
	}
	axis := o.options.int(0, 0)
	if axis < 0 {
		axis += len(out.shape)
	}
	if o.options.byte(1, 0) != 0 || axis < 0 || axis >= len(out.shape) {
		return fmt.Errorf("along axis %d, with activation %d", axis, o.options.byte(1, 0))
	}
	image := len(out.shape) == 4 && axis == 3
	var args []*ir.Value
	sum := 0
	for k := range o.in {
		x, err := im.computed(o, k)
		if err != nil {
			return err
		}
		if im.exact && x.v.Type.Quant != q {
			return errors.New("of arguments of different scales")
		}
		if len(x.shape) != len(out.shape) {
			return errors.New("of tensors of different ranks")
		}
		sum += x.shape[axis]
		var v *ir.Value
		if image {
			v, err = im.asImage(x)
		} else {
			// Axes before the first are brought behind it.
			outer := build.Product(x.shape[:axis])
			if v, err = im.flat(x, ir.Shape{outer, build.Product(x.shape) / max(outer, 1)}); err == nil && outer > 1 {
				return fmt.Errorf("along axis %d of %v", axis, x.shape)
			}
			if err == nil {
				v, err = im.reshape(v, ir.Shape{x.shape[axis], build.Product(x.shape) / x.shape[axis]})
			}
		}
		if err != nil {
			return err
		}
		args = append(args, v)
	}
	if sum != out.shape[axis] {
		return fmt.Errorf("of %d elements along an axis of %d", sum, out.shape[axis])
	}
	y, err := im.add(ir.Concat, im.hint(o), args, q)
	if err != nil {
		return err
	}
	if !image {
		if y, err = im.reshape(y, build.Canonical(out.shape)); err != nil {
			return err
		}
	}
	return im.set(o, y, image)
}

func pad(im *importer, o *operator, x *operand) error {
	if err := im.keeps(o, x.v.Type.Quant); err != nil {
		return err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return cmp.Or(err, errors.New("has no sizes"))
	}
	p, err := t.shortInts()
	if err != nil || len(p) != 2*len(x.shape) || slices.Min(p) < 0 {
		return fmt.Errorf("has the sizes %v of %v", p, x.shape)
	}
	value := 0.
	if im.exact {
		value = float64(x.v.Type.Quant.Zero)
	}
	mode := ir.PadConstant
	if o.name == "MIRROR_PAD" {
		value, mode = 0, []string{ir.PadReflect, ir.PadSymmetric}[o.options.byte(0, 0)&1]
	} else if v, err := im.constant(o, 2); err != nil {
		return err
	} else if v != nil {
		switch {
		case v.size() != 1 || im.exact && v.typ != int8Type:
			return errors.New("has a value that is not one number")
		case im.exact:
			value = float64(v.ints()[0])
		default:
			value = float64(v.floats()[0])
		}
	}
	if p[0] != 0 || p[1] != 0 || len(x.shape) < 2 {
		return errors.New("of the batch")
	}
	image := len(x.shape) == 4
	axes := []int{1, 2, 3}[:min(len(x.shape)-1, 3)]
	var v *ir.Value
	if image {
		axes = []int{3, 1, 2}
		v, err = im.asImage(x)
	} else {
		v, err = im.flat(x, build.Canonical(x.shape))
	}
	if err != nil {
		return err
	}
	if len(v.Type.Shape) != len(axes) {
		return fmt.Errorf("of shape %v", x.shape)
	}
	var before, after []int
	for _, k := range axes {
		before, after = append(before, p[2*k]), append(after, p[2*k+1])
	}
	y, err := im.add(ir.Pad, im.hint(o), []*ir.Value{v}, v.Type.Quant, ir.AttrBefore.Is(before), ir.AttrAfter.Is(after), ir.AttrValue.Is(value), ir.AttrMode.Is(mode))
	if err != nil {
		return err
	}
	return im.set(o, y, image)
}

// viewed adds a view of an operand, given as one of the view that the operand is.
func (im *importer) viewed(o *operator, x *operand, of func(ir.View) ir.View) error {
	if err := im.keeps(o, x.v.Type.Quant); err != nil {
		return err
	}
	v, view, err := im.view(x)
	if err != nil {
		return err
	}
	view = of(view)
	to := build.Canonical(im.tensors[o.out[0]].shape)
	if view.Size() != to.Size() || len(view.Dims) == 0 {
		return fmt.Errorf("gives %v, the file says %v", view.Dims, to)
	}
	y, err := im.add(ir.Copy, im.hint(o), []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(to)),
		ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides), ir.AttrStart.Is(view.Start))
	if err != nil {
		return err
	}
	return im.set(o, y, false)
}

func transpose(im *importer, o *operator, x *operand) error {
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return cmp.Or(err, errors.New("has no permutation"))
	}
	perm, err := t.shortInts()
	if err != nil {
		return err
	}
	for k, p := range slices.Sorted(slices.Values(perm)) {
		if k != p {
			return fmt.Errorf("has the permutation %v", perm)
		}
	}
	if len(perm) != len(x.shape) {
		return fmt.Errorf("has the permutation %v", perm)
	}
	return im.viewed(o, x, func(v ir.View) ir.View { return v.Permute(perm) })
}

func slice(im *importer, o *operator, x *operand) error {
	var list [2][]int
	for i := range list {
		t, err := im.constant(o, 1+i)
		if err != nil || t == nil {
			return cmp.Or(err, errors.New("has no begin or size"))
		}
		if list[i], err = t.shortInts(); err != nil {
			return err
		}
	}
	if len(list[0]) != len(x.shape) || len(list[1]) != len(x.shape) {
		return fmt.Errorf("has %d axes of %v", len(list[0]), x.shape)
	}
	for k, d := range x.shape {
		from := list[0][k]
		if list[1][k] == -1 {
			list[1][k] = d - from
		}
		if n := list[1][k]; from < 0 || n < 1 || from > d || n > d-from {
			return fmt.Errorf("takes %d elements from %d of %d", n, from, d)
		}
	}
	return im.viewed(o, x, func(v ir.View) ir.View {
		for k := range x.shape {
			v = v.Slice(k, list[0][k], 1, list[1][k])
		}
		return v
	})
}

func stridedSlice(im *importer, o *operator, x *operand) error {
	var list [3][]int
	for i := range list {
		t, err := im.constant(o, 1+i)
		if err != nil || t == nil {
			return cmp.Or(err, errors.New("has no begin, end or strides"))
		}
		if list[i], err = t.shortInts(); err != nil {
			return err
		}
	}
	t := o.options
	if t.int(2, 0) != 0 || t.int(3, 0) != 0 {
		return errors.New("has an ellipsis or a new axis")
	}
	for i := range list {
		if len(list[i]) != len(x.shape) {
			return fmt.Errorf("has %d axes of %v", len(list[i]), x.shape)
		}
	}
	for k, d := range x.shape {
		from, to, step := list[0][k], list[1][k], list[2][k]
		if step < 1 || step > 1<<20 {
			return fmt.Errorf("has the stride %d", step)
		}
		if from < 0 {
			from += d
		}
		if to < 0 {
			to += d
		}
		if t.int(0, 0)>>k&1 == 1 {
			from = 0
		}
		if t.int(1, 0)>>k&1 == 1 {
			to = d
		}
		if t.int(4, 0)>>k&1 == 1 {
			to = from + 1
		}
		from, to = min(max(from, 0), d), min(max(to, 0), d)
		if from >= to {
			return fmt.Errorf("takes nothing of axis %d", k)
		}
		list[0][k], list[1][k], list[2][k] = from, (to-from+step-1)/step, min(step, d)
	}
	return im.viewed(o, x, func(v ir.View) ir.View {
		for k := range x.shape {
			v = v.Slice(k, list[0][k], list[2][k], list[1][k])
		}
		return v
	})
}

// axis is argument k, one number.
func (im *importer) axis(o *operator, k, rank int) (int, error) {
	t, err := im.constant(o, k)
	if err != nil || t == nil {
		return 0, cmp.Or(err, errors.New("has no axis"))
	}
	list, err := t.shortInts()
	if err != nil || len(list) != 1 {
		return 0, cmp.Or(err, fmt.Errorf("has the axes %v", list))
	}
	return build.Axis(list[0], rank)
}

// part is an operator of one of several results.
func (o *operator) part(k int) *operator {
	return &operator{name: o.name, options: o.options, in: o.in, out: o.out[k : k+1]}
}

// parts gives each result of an operator some elements along an axis.
func (im *importer) parts(o *operator, x *operand, axis int, sizes []int) error {
	at := 0
	for k, size := range sizes {
		if size < 1 || size > x.shape[axis]-at {
			return fmt.Errorf("into %v of %d", sizes, x.shape[axis])
		}
		if err := im.viewed(o.part(k), x, func(v ir.View) ir.View { return v.Slice(axis, at, 1, size) }); err != nil {
			return err
		}
		at += size
	}
	return nil
}

// split imports SPLIT, whose axis comes first.
func split(im *importer, o *operator) error {
	x, err := im.computed(o, 1)
	if err != nil {
		return err
	}
	axis, err := im.axis(o, 0, len(x.shape))
	if err != nil {
		return err
	}
	n := len(o.out)
	if x.shape[axis]%n != 0 {
		return fmt.Errorf("into %d of %d", n, x.shape[axis])
	}
	return im.parts(o, x, axis, slices.Repeat([]int{x.shape[axis] / n}, n))
}

// splitV imports SPLIT_V, of sizes.
func splitV(im *importer, o *operator, x *operand) error {
	axis, err := im.axis(o, 2, len(x.shape))
	if err != nil {
		return err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return cmp.Or(err, errors.New("has no sizes"))
	}
	sizes, err := t.shortInts()
	if err != nil || len(sizes) != len(o.out) {
		return cmp.Or(err, fmt.Errorf("into %v of %d results", sizes, len(o.out)))
	}
	if i := slices.Index(sizes, -1); i >= 0 { // the rest
		rest := x.shape[axis] + 1
		for _, s := range sizes {
			rest -= max(s, 0)
		}
		sizes[i] = rest - 1
	}
	return im.parts(o, x, axis, sizes)
}

// unpack gives each result one element along an axis, which it does not have.
func unpack(im *importer, o *operator, x *operand) error {
	axis, err := build.Axis(o.options.int(1, 0), len(x.shape))
	if err != nil {
		return err
	}
	if x.shape[axis] != len(o.out) {
		return fmt.Errorf("into %d of %d", len(o.out), x.shape[axis])
	}
	return im.parts(o, x, axis, slices.Repeat([]int{1}, len(o.out)))
}

// pack puts tensors of one shape side by side along a new axis.
func pack(im *importer, o *operator) error {
	out, q, err := im.result(o)
	if err != nil {
		return err
	}
	axis, err := build.Axis(o.options.int(1, 0), len(out.shape))
	if err != nil {
		return err
	}
	size := build.Product(out.shape) / len(o.in)
	var args []*ir.Value
	for k := range o.in {
		x, err := im.computed(o, k)
		if err != nil {
			return err
		}
		if build.Product(x.shape) != size {
			return fmt.Errorf("of shape %v in %v", x.shape, out.shape)
		}
		if im.exact && x.v.Type.Quant != q {
			return errors.New("of arguments of different scales")
		}
		v, err := im.flat(x, ir.Shape{size})
		if err != nil {
			return err
		}
		args = append(args, v)
	}
	y, err := im.add(ir.Concat, im.hint(o), args, q)
	if err != nil {
		return err
	}
	outer := build.Product(out.shape[:axis])
	if outer == 1 {
		if y, err = im.reshape(y, build.Canonical(out.shape)); err != nil {
			return err
		}
		return im.set(o, y, false)
	}
	all := []int{len(o.in), outer, size / outer}
	return im.viewed(o, &operand{v: y, shape: all}, func(v ir.View) ir.View { return v.Permute([]int{1, 0, 2}) })
}

// factors are those by which a resizing makes an image larger.
func (im *importer) factors(o *operator, x *operand) (v *ir.Value, k []int, err error) {
	if err := im.keeps(o, x.v.Type.Quant); err != nil {
		return nil, nil, err
	}
	if v, err = im.asImage(x); err != nil {
		return nil, nil, err
	}
	to, s := im.tensors[o.out[0]].shape, v.Type.Shape
	if len(to) != 4 || to[1] < s[1] || to[2] < s[2] || to[1]%s[1] != 0 || to[2]%s[2] != 0 {
		return nil, nil, fmt.Errorf("from %v to %v, by no whole factors", x.shape, to)
	}
	return v, []int{to[1] / s[1], to[2] / s[2]}, nil
}

// rearranged is an image whose elements move: an operation of a float network, of
// integers a copy of the view that it is.
func (im *importer) rearranged(o *operator, v *ir.Value, op ir.Op, attr ir.Attr, view ir.View) error {
	to := im.tensors[o.out[0]].shape
	if len(to) != 4 {
		return fmt.Errorf("to %v", to)
	}
	attrs := []ir.Attr{attr}
	if im.exact {
		op, attrs = ir.Copy, []ir.Attr{ir.AttrShape.Is([]int{to[3], to[1], to[2]}), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides)}
	}
	y, err := im.add(op, im.hint(o), []*ir.Value{v}, v.Type.Quant, attrs...)
	if err != nil {
		return err
	}
	return im.set(o, y, true)
}

// nearest imports RESIZE_NEAREST_NEIGHBOR, where every pixel is repeated.
func nearest(im *importer, o *operator, x *operand) error {
	v, k, err := im.factors(o, x)
	if err != nil {
		return err
	}
	if o.options.byte(0, 0) != 0 && k[0]*k[1] > 1 {
		return errors.New("with align_corners")
	}
	s := v.Type.Shape
	view, _ := ir.ViewOf(s).Split(2, 1).Split(1, 1).Expand(ir.Shape{s[0], s[1], k[0], s[2], k[1]})
	return im.rearranged(o, v, ir.Resize, ir.AttrScale.Is(k), view)
}

// bilinear imports RESIZE_BILINEAR by whole factors.
func bilinear(im *importer, o *operator, x *operand) error {
	if im.exact {
		return errFloat
	}
	v, k, err := im.factors(o, x)
	if err != nil {
		return err
	}
	if o.options.byte(2, 0) != 0 {
		return errors.New("with align_corners")
	}
	y, err := im.Bilinear(im.hint(o), v, k, o.options.byte(3, 0) != 0)
	if err != nil {
		return err
	}
	return im.set(o, y, true)
}

// inBlocks imports an operator that moves blocks of pixels to channels, or back: view
// is where the elements of a shape come from, for a side of the blocks.
func inBlocks(op ir.Op, view func(s ir.Shape, side int) (ir.View, error)) func(*importer, *operator, *operand) error {
	return func(im *importer, o *operator, x *operand) error {
		if err := im.keeps(o, x.v.Type.Quant); err != nil {
			return err
		}
		v, err := im.asImage(x)
		if err != nil {
			return err
		}
		side := o.options.int(0, 0)
		switch {
		case side < 1 || side > 1<<10:
			return fmt.Errorf("has blocks of %d", side)
		case side == 1:
			return im.set(o, v, true)
		}
		from, err := view(v.Type.Shape, side)
		if err != nil {
			return err
		}
		return im.rearranged(o, v, op, ir.AttrBlock.Is(side), from)
	}
}

func depthToSpace(s ir.Shape, side int) (ir.View, error) {
	if s[0]%(side*side) != 0 {
		return ir.View{}, fmt.Errorf("of %d channels in blocks of %d", s[0], side)
	}
	return ir.ViewOf(s).Split(0, s[0]/(side*side)).Split(0, side).Permute([]int{2, 3, 0, 4, 1}), nil
}

func spaceToDepth(s ir.Shape, side int) (ir.View, error) {
	if s[1]%side != 0 || s[2]%side != 0 {
		return ir.View{}, fmt.Errorf("of %d x %d pixels in blocks of %d", s[1], s[2], side)
	}
	return ir.ViewOf(s).Split(2, side).Split(1, side).Permute([]int{2, 4, 0, 1, 3}), nil
}

// tile repeats a tensor along its axes.
func tile(im *importer, o *operator, x *operand) error {
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return cmp.Or(err, errors.New("has no multiples"))
	}
	times, err := t.shortInts()
	if err != nil || len(times) != len(x.shape) || slices.Min(times) < 1 {
		return cmp.Or(err, fmt.Errorf("of %v by %v", x.shape, times))
	}
	return im.viewed(o, x, func(v ir.View) (all ir.View) {
		for k, d := range v.Dims {
			all.Dims, all.Strides = append(all.Dims, times[k], d), append(all.Strides, 0, v.Strides[k])
		}
		return all
	})
}

// broadcastTo repeats axes of one element.
func broadcastTo(im *importer, o *operator, x *operand) error {
	to := im.tensors[o.out[0]].shape
	if _, ok := ir.ViewOf(x.shape).Expand(to); !ok {
		return fmt.Errorf("of %v to %v", x.shape, to)
	}
	return im.viewed(o, x, func(v ir.View) ir.View {
		v, _ = v.Expand(to)
		return v
	})
}

// gather imports GATHER: of constant rows by computed indices an embedding of a float
// network, of computed values by constant indices a step apart a view.
func gather(im *importer, o *operator) error {
	if len(o.in) != 2 || o.in[0] < 0 || o.in[1] < 0 || o.options.int(1, 0) != 0 {
		return errors.New("has no two arguments, or a batch of them")
	}
	if im.values[o.in[0]] == nil && im.tensors[o.in[0]].data != nil {
		return embedding(im, o)
	}
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	axis, err := build.Axis(o.options.int(0, 0), len(x.shape))
	if err != nil {
		return err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return cmp.Or(err, errors.New("has no indices"))
	}
	at, err := t.shortInts()
	if err != nil || len(at) == 0 {
		return cmp.Or(err, errors.New("has no short list of indices"))
	}
	step := 1
	if len(at) > 1 {
		step = at[1] - at[0]
	}
	for i, k := range at {
		if k < 0 || k >= x.shape[axis] || k != at[0]+i*step {
			return fmt.Errorf("takes the elements %v of %d, which must be a step apart", at, x.shape[axis])
		}
	}
	return im.viewed(o, x, func(v ir.View) ir.View { return v.Slice(axis, at[0], step, len(at)) })
}

func embedding(im *importer, o *operator) error {
	if im.exact {
		return errFloat
	}
	at, err := im.computed(o, 1)
	if err != nil {
		return err
	}
	t, err := im.constant(o, 0)
	if err != nil {
		return err
	}
	if len(t.shape) < 1 || t.size() < 1 || o.options.int(0, 0) != 0 {
		return fmt.Errorf("by computed indices, of a constant of shape %v along axis %d", t.shape, o.options.int(0, 0))
	}
	v, err := im.flat(at, ir.Shape{build.Product(at.shape)})
	if err != nil {
		return err
	}
	name := im.Name(im.hint(o))
	y, err := im.AddNamed(ir.Embedding, name, []*ir.Value{v}, ir.AttrRows.Is(im.Floats(name+".weight", ir.Shape{t.shape[0], build.Product(t.shape[1:])}, t.floats())))
	if err != nil {
		return err
	}
	if y, err = im.reshape(y, build.Canonical(im.tensors[o.out[0]].shape)); err != nil {
		return err
	}
	return im.set(o, y, false)
}
