package tflite

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// dequantize imports DEQUANTIZE: of weights that are kept smaller, and of integers, which
// stand for reals then.
func dequantize(im *importer, o *operator, x *operand) error {
	if t := x.c; t != nil {
		u := im.tensors[o.out[0]]
		switch t.typ {
		case float16Type:
			x := ir.FloatConst("", ir.Shape(t.shape), t.floats())
			raw, err := x.Load()
			*u = tensor{name: u.name, typ: float32Type, shape: t.shape, data: raw}
			return err
		case int8Type:
			*u = tensor{name: u.name, typ: t.typ, shape: t.shape, data: t.data, scale: t.scale, zero: t.zero, axis: t.axis}
			return nil
		}
		return fmt.Errorf("of weights of %s, which are neither int8, uint8 nor float16", typeName(t.typ))
	}
	y := x.like(x.v, x.shape)
	if im.exact && x.reals == nil && !x.v.Type.IsWide() {
		y.reals = realsOf(x.v.Type.Quant)
	}
	return im.give(o, y)
}

// cast imports CAST of constants, and of integers of an input to reals.
func cast(im *importer, o *operator, x *operand) error {
	from, to := im.tensors[o.in[0]].typ, im.tensors[o.out[0]].typ
	if x.c != nil {
		n, err := x.c.numbers()
		if err != nil {
			return err
		}
		for i, v := range n {
			if to != float32Type && to != boolType {
				n[i] = math.Trunc(v)
			}
		}
		return im.setNumbers(o, 0, x.shape, n)
	}
	if im.exact || to != float32Type {
		return fmt.Errorf("of %s to %s", typeName(from), typeName(to))
	}
	return im.give(o, x.like(x.v, x.shape))
}

// keeps checks that an operation that only moves elements keeps their scale.
func (im *importer) keeps(o *operator, x *operand) error {
	switch {
	case x.c != nil:
		return nil
	case x.reals != nil:
		if t := im.tensors[o.out[0]]; t.typ != float32Type {
			return fmt.Errorf("gives %q of %s, of reals", t.name, typeName(t.typ))
		}
		return nil
	}
	_, out, err := im.result(o)
	if err == nil && im.exact && out != x.v.Type.Quant {
		return errors.New("changes the scale of elements that it only moves")
	}
	return err
}

// reshape keeps the elements in the file's order: an image stays one where its
// pixels do.
func reshape(im *importer, o *operator, x *operand) error {
	if err := im.keeps(o, x); err != nil {
		return err
	}
	own := x.shape
	if x.blocks != nil { // as the file has them
		own = []int{build.Product(x.blocks)}
		for k, d := range x.shape[1:] {
			own = append(own, d/x.blocks[1+k])
		}
	}
	to, err := im.newShape(o, own)
	if err != nil {
		return err
	}
	switch {
	case x.c != nil && len(x.c.scale) > 1:
		return errors.New("of a constant with a scale a channel")
	case x.c != nil:
		c := *x.c
		c.name, c.shape = im.tensors[o.out[0]].name, to
		*im.tensors[o.out[0]] = c
		return nil
	case x.blocks != nil:
		shape, blocks, err := reblocked(x, to)
		if err != nil {
			return err
		}
		y := x.like(x.v, shape)
		y.blocks = blocks
		if !x.image {
			if y.v, err = im.flat(x, build.Canonical(shape)); err != nil {
				return err
			}
		}
		im.values[o.out[0]] = y
		return nil
	case x.image:
		// What reads it may take the image's elements in their order.
		return im.give(o, x.like(x.v, to))
	}
	v, err := im.flat(x, build.Canonical(to))
	if err != nil {
		return err
	}
	return im.give(o, x.like(v, to))
}

// newShape is the shape that an operator gives the elements of another: what its sizes
// say, or its axes.
func (im *importer) newShape(o *operator, own []int) (to []int, err error) {
	switch o.name {
	case "EXPAND_DIMS":
		axis, err := im.axis(o, 1, len(own)+1)
		if err != nil {
			return nil, err
		}
		return slices.Insert(slices.Clone(own), axis, 1), nil
	case "SQUEEZE":
		axes := o.options.ints(0)
		for i := range axes {
			if axes[i], err = build.Axis(axes[i], len(own)); err != nil {
				return nil, err
			}
			if own[axes[i]] != 1 {
				return nil, fmt.Errorf("of axis %d of %v", axes[i], own)
			}
		}
		to = []int{}
		for k, d := range own {
			if d != 1 || len(axes) > 0 && !slices.Contains(axes, k) {
				to = append(to, d)
			}
		}
		return to, nil
	}
	t, err := im.constant(o, 1)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		to = o.options.ints(0)
	default:
		if to, err = t.shortInts(); err != nil {
			return nil, err
		}
	}
	to = slices.Clone(to)
	all, rest := build.Product(own), -1
	known := 1
	for k, d := range to {
		switch {
		case d == -1 && rest < 0:
			rest = k
		case d < 0 || d > ir.MaxElements || known > ir.MaxElements:
			return nil, fmt.Errorf("to %v", to)
		default:
			known *= d
		}
	}
	if rest >= 0 {
		if known == 0 || all%known != 0 {
			return nil, fmt.Errorf("of %v to %v", own, to)
		}
		to[rest] = all / known
		known = all
	}
	if known != all {
		return nil, fmt.Errorf("of %v to %v", own, to)
	}
	return to, nil
}

func concat(im *importer, o *operator) error {
	args := make([]*operand, len(o.in))
	constants := 0
	for k := range o.in {
		var err error
		if args[k], err = im.operand(o, k); err != nil {
			return err
		}
		constants += b2i(args[k].c != nil)
	}
	if constants == len(args) {
		return im.joinConstants(o, args)
	}
	for k, x := range args {
		if x.c != nil {
			var err error
			if args[k], err = im.material(x.c); err != nil {
				return err
			}
		}
	}
	shape := slices.Clone(args[0].shape)
	axis, err := build.Axis(o.options.int(0, 0), len(shape))
	if err != nil {
		return err
	}
	if o.options.byte(1, 0) != 0 {
		return fmt.Errorf("has the fused activation %d", o.options.byte(1, 0))
	}
	shape[axis] = 0
	for _, x := range args {
		if len(x.shape) != len(shape) {
			return errors.New("of tensors of different ranks")
		}
		for k, d := range x.shape {
			if k != axis && d != shape[k] {
				return fmt.Errorf("of %v and %v along axis %d", args[0].shape, x.shape, axis)
			}
		}
		shape[axis] += x.shape[axis]
	}
	return im.joined(o, args, shape, axis)
}

// joined are operands one after the other along an axis of the shape that they give.
func (im *importer) joined(o *operator, args []*operand, shape []int, axis int) error {
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	image := len(shape) == 4 && axis == 3 && shape[0] == 1
	outer := build.Product(shape[:axis])
	var list []*ir.Value
	for _, x := range args {
		if x.reals != nil {
			return errReals
		}
		var v *ir.Value
		n := build.Product(x.shape)
		switch {
		case image:
			v, err = im.asImage(x)
		case outer > 1:
			// The axis comes first, those before it after it.
			v, err = im.flat(x, ir.Shape{n})
			if inner := build.Product(shape[axis+1:]); err == nil && n > 0 {
				view := ir.ViewOf(ir.Shape{outer, n / outer / inner, inner}).Permute([]int{1, 0, 2})
				v, err = im.add(ir.Copy, im.hint(o)+".turned", []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int{n / outer / inner, outer * inner}),
					ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides))
			}
		default:
			if v, err = im.flat(x, ir.Shape{n}); err == nil && x.shape[axis] > 0 {
				v, err = im.reshape(v, ir.Shape{x.shape[axis], n / x.shape[axis]})
			}
		}
		if err == nil {
			v, err = im.rescaled(o, v, q)
		}
		if err != nil {
			return err
		}
		list = append(list, v)
	}
	y, err := im.add(ir.Concat, im.hint(o), list, q)
	if err != nil {
		return err
	}
	switch {
	case image:
		return im.giveImage(o, y, nil)
	case outer > 1:
		inner := build.Product(shape[axis+1:])
		turned := []int{shape[axis], outer, inner}
		return im.viewed(o, &operand{v: y, shape: turned}, shape, func(v ir.View) ir.View { return v.Permute([]int{1, 0, 2}) })
	}
	if y, err = im.reshape(y, build.Canonical(shape)); err != nil {
		return err
	}
	return im.give(o, &operand{v: y, shape: shape})
}

// rescaled is an argument of a concatenation at the scale of its result.
func (im *importer) rescaled(o *operator, v *ir.Value, q ir.Quant) (*ir.Value, error) {
	if !im.exact || v.Type.Quant == q {
		return v, nil
	}
	return nil, errors.New("of arguments of different scales")
}

// joinConstants is CONCATENATION or PACK of constants.
func (im *importer) joinConstants(o *operator, args []*operand) error {
	isPack := o.name == "PACK"
	var all []float64
	n := -1
	for _, x := range args {
		v, err := x.c.numbers()
		if err != nil {
			return err
		}
		if len(x.shape) > 1 || isPack == (len(x.shape) == 1) || isPack && n >= 0 && len(v) != n {
			return fmt.Errorf("of constants of shape %v", x.shape)
		}
		n = len(v)
		if all = append(all, v...); len(all) > maxList {
			return fmt.Errorf("of more than %d numbers", maxList)
		}
	}
	return im.setNumbers(o, 0, []int{len(all)}, all)
}

func pad(im *importer, o *operator, x *operand) error {
	if err := im.keeps(o, x); err != nil {
		return err
	}
	if x.c != nil {
		return errors.New("of a constant")
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
	shape := slices.Clone(x.shape)
	for k := range shape {
		shape[k] += p[2*k] + p[2*k+1]
	}
	return im.give(o, &operand{v: y, image: image, shape: shape, reals: x.reals})
}

// viewed adds a view of an operand, given as one of the view that the operand is, under
// the dimensions of a shape.
func (im *importer) viewed(o *operator, x *operand, shape []int, of func(ir.View) ir.View) error {
	if err := im.keeps(o, x); err != nil {
		return err
	}
	if x.c != nil {
		return im.moved(o.out[0], x.c, of(ir.ViewOf(x.shape)), shape)
	}
	v, view, err := im.view(x)
	if err != nil {
		return err
	}
	view = of(view)
	to := build.Canonical(shape)
	if view.Size() != to.Size() || len(view.Dims) == 0 {
		return fmt.Errorf("gives %v, not %v", view.Dims, to)
	}
	y, err := im.add(ir.Copy, im.hint(o), []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(to)),
		ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides), ir.AttrStart.Is(view.Start))
	if err != nil {
		return err
	}
	return im.give(o, &operand{v: y, shape: shape, reals: x.reals})
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
	shape := make([]int, len(perm))
	for k, p := range perm {
		shape[k] = x.shape[p]
	}
	return im.viewed(o, x, shape, func(v ir.View) ir.View { return v.Permute(perm) })
}

// reverse turns axes around. Its kernel moves integers, whatever scale the file gives the
// result.
func reverse(im *importer, o *operator, x *operand) error {
	axes, err := im.axes(o, len(x.shape))
	if err != nil {
		return err
	}
	if im.exact && x.c == nil && x.reals == nil {
		_, q, err := im.result(o)
		if err != nil {
			return err
		}
		v, err := im.relabelled(im.hint(o)+".raw", x.v, q)
		if err != nil {
			return err
		}
		x = x.like(v, x.shape)
	}
	return im.viewed(o, x, slices.Clone(x.shape), func(v ir.View) ir.View {
		for _, k := range axes {
			v = v.Slice(k, x.shape[k]-1, -1, x.shape[k])
		}
		return v
	})
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
	return im.viewed(o, x, list[1], func(v ir.View) ir.View {
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
	shape := []int{}
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
		shrinks := t.int(4, 0)>>k&1 == 1
		if shrinks {
			to = from + 1
		}
		from, to = min(max(from, 0), d), min(max(to, 0), d)
		if from >= to {
			return fmt.Errorf("takes nothing of axis %d", k)
		}
		list[0][k], list[1][k], list[2][k] = from, (to-from+step-1)/step, min(step, d)
		if !shrinks {
			shape = append(shape, list[1][k])
		}
	}
	return im.viewed(o, x, shape, func(v ir.View) ir.View {
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
		shape := slices.Clone(x.shape)
		shape[axis] = size
		if o.name == "UNPACK" {
			shape = slices.Delete(shape, axis, axis+1)
		}
		if err := im.viewed(o.part(k), x, shape, func(v ir.View) ir.View { return v.Slice(axis, at, 1, size) }); err != nil {
			return err
		}
		at += size
	}
	return nil
}

// split imports SPLIT, whose axis comes first.
func split(im *importer, o *operator) error {
	x, err := im.operand(o, 1)
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
	args := make([]*operand, len(o.in))
	constants := 0
	for k := range o.in {
		var err error
		if args[k], err = im.operand(o, k); err != nil {
			return err
		}
		constants += b2i(args[k].c != nil)
	}
	if constants == len(args) {
		return im.joinConstants(o, args)
	}
	var shape []int
	axis := 0
	for k, x := range args {
		var err error
		if x.c != nil {
			if x, err = im.material(x.c); err != nil {
				return err
			}
		}
		own := x.shape
		if v := im.values[o.in[k]]; v != nil { // of one number without an axis, too
			own = v.shape
		}
		if k == 0 {
			if axis, err = build.Axis(o.options.int(1, 0), len(own)+1); err != nil {
				return err
			}
		}
		wide := slices.Insert(slices.Clone(own), min(axis, len(own)), 1)
		if k > 0 && !slices.Equal(wide, shape) {
			return fmt.Errorf("of shapes %v and %v", shape, wide)
		}
		shape = wide
		v, err := im.flat(x, build.Canonical(own))
		if err != nil {
			return err
		}
		args[k] = &operand{v: v, shape: wide, reals: x.reals}
	}
	shape = slices.Clone(shape)
	shape[axis] = len(args)
	return im.joined(o, args, shape, axis)
}

// resized is the image that a resizing takes, and the size [height, width] that it gets.
func (im *importer) resized(o *operator, x *operand) (v *ir.Value, to []int, err error) {
	if err := im.keeps(o, x); err != nil {
		return nil, nil, err
	}
	if x.c != nil {
		return nil, nil, errors.New("of a constant")
	}
	if v, err = im.asImage(x); err != nil {
		return nil, nil, err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return nil, nil, cmp.Or(err, errors.New("has no size"))
	}
	to, err = t.shortInts()
	if err != nil || len(to) != 2 || slices.Min(to) < 1 || slices.Max(to) > ir.MaxActivation {
		return nil, nil, cmp.Or(err, fmt.Errorf("of %v to %v pixels", x.shape, to))
	}
	return v, to, nil
}

// factors are those by which an image [C,H,W] becomes larger; nil where they are not whole.
func factors(v *ir.Value, to []int) []int {
	s := v.Type.Shape
	if to[0]%s[1] != 0 || to[1]%s[2] != 0 {
		return nil
	}
	return []int{to[0] / s[1], to[1] / s[2]}
}

// rearranged is an image whose elements move: an operation of a float network, of
// integers a copy of the view that it is.
func (im *importer) rearranged(o *operator, x *operand, v *ir.Value, op ir.Op, attr ir.Attr, view ir.View, to []int) error {
	attrs := []ir.Attr{attr}
	if im.exact {
		op, attrs = ir.Copy, []ir.Attr{ir.AttrShape.Is(to), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides)}
	}
	y, err := im.add(op, im.hint(o), []*ir.Value{v}, v.Type.Quant, attrs...)
	if err != nil {
		return err
	}
	return im.give(o, &operand{v: y, image: true, shape: []int{1, to[1], to[2], to[0]}, reals: x.reals})
}

// nearest imports RESIZE_NEAREST_NEIGHBOR, where every pixel is repeated, or of every few
// pixels one is taken.
func nearest(im *importer, o *operator, x *operand) error {
	v, to, err := im.resized(o, x)
	if err != nil {
		return err
	}
	isAligned, isHalf := o.options.byte(0, 0) != 0, o.options.byte(1, 0) != 0
	s := v.Type.Shape
	if k := factors(v, to); k != nil && (!isAligned || k[0]*k[1] == 1) {
		view, _ := ir.ViewOf(s).Split(2, 1).Split(1, 1).Expand(ir.Shape{s[0], s[1], k[0], s[2], k[1]})
		return im.rearranged(o, x, v, ir.Resize, ir.AttrScale.Is(k), view, []int{s[0], s[1] * k[0], s[2] * k[1]})
	}
	var first, step [2]int
	for i := range 2 {
		var ok bool
		if first[i], step[i], ok = apart(s[1+i], to[i], isAligned, isHalf); !ok {
			return fmt.Errorf("from %v to %v pixels, which are neither repeated evenly nor a step apart", x.shape, to)
		}
	}
	return im.viewed(o, x, []int{1, to[0], to[1], s[0]}, func(v ir.View) ir.View {
		for i := range 2 {
			v = v.Slice(1+i, first[i], step[i], to[i])
		}
		return v
	})
}

// apart are the first of the pixels that the nearest ones are along an axis, and the step
// between them; ok is false where they are not a step apart.
func apart(from, to int, isAligned, isHalf bool) (first, step int, ok bool) {
	if to > from && from > 1 {
		return 0, 0, false // some are repeated
	}
	scale, offset, round := float32(from)/float32(to), float32(0), math.Floor
	if isAligned {
		round = math.Round
		if to > 1 {
			scale = float32(from-1) / float32(to-1)
		}
	}
	if isHalf {
		offset = .5
	}
	at := func(k int) int {
		return max(min(int(round(float64(float32(float32(k)+offset)*scale))), from-1), 0)
	}
	first, step = at(0), 1
	if to > 1 {
		step = at(1) - first
	}
	for k := range to {
		if at(k) != first+k*step {
			return 0, 0, false
		}
	}
	return first, step, true
}

// inBlocks imports an operator that moves blocks of pixels to channels, or back: view
// is where the elements of a shape come from, for a side of the blocks.
func inBlocks(op ir.Op, view func(s ir.Shape, side int) (ir.View, []int, error)) func(*importer, *operator, *operand) error {
	return func(im *importer, o *operator, x *operand) error {
		if err := im.keeps(o, x); err != nil {
			return err
		}
		if x.c != nil {
			return errors.New("of a constant")
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
			return im.give(o, x)
		}
		from, to, err := view(v.Type.Shape, side)
		if err != nil {
			return err
		}
		return im.rearranged(o, x, v, op, ir.AttrBlock.Is(side), from, to)
	}
}

func depthToSpace(s ir.Shape, side int) (ir.View, []int, error) {
	if s[0]%(side*side) != 0 {
		return ir.View{}, nil, fmt.Errorf("of %d channels in blocks of %d", s[0], side)
	}
	return ir.ViewOf(s).Split(0, s[0]/(side*side)).Split(0, side).Permute([]int{2, 3, 0, 4, 1}), []int{s[0] / (side * side), s[1] * side, s[2] * side}, nil
}

func spaceToDepth(s ir.Shape, side int) (ir.View, []int, error) {
	if s[1]%side != 0 || s[2]%side != 0 {
		return ir.View{}, nil, fmt.Errorf("of %d x %d pixels in blocks of %d", s[1], s[2], side)
	}
	return ir.ViewOf(s).Split(2, side).Split(1, side).Permute([]int{2, 4, 0, 1, 3}), []int{s[0] * side * side, s[1] / side, s[2] / side}, nil
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
	shape := make([]int, len(times))
	for k, d := range x.shape {
		if shape[k] = d * times[k]; times[k] > ir.MaxElements || ir.Shape(shape[:k+1]).Size() < 0 {
			return fmt.Errorf("of %v by %v", x.shape, times)
		}
	}
	return im.viewed(o, x, shape, func(v ir.View) (all ir.View) {
		for k, d := range v.Dims {
			all.Dims, all.Strides = append(all.Dims, times[k], d), append(all.Strides, 0, v.Strides[k])
		}
		return all
	})
}

// broadcastTo repeats axes of one element.
func broadcastTo(im *importer, o *operator, x *operand) error {
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return cmp.Or(err, errors.New("has no shape"))
	}
	to, err := t.shortInts()
	if err != nil || ir.Shape(to).Size() < 1 {
		return cmp.Or(err, fmt.Errorf("of %v to %v", x.shape, to))
	}
	if _, ok := ir.ViewOf(x.shape).Expand(to); !ok {
		return fmt.Errorf("of %v to %v", x.shape, to)
	}
	return im.viewed(o, x, to, func(v ir.View) ir.View {
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
	if im.isConstant(o.in[0]) && !im.isConstant(o.in[1]) {
		return embedding(im, o)
	}
	x, err := im.operand(o, 0)
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
	shape := slices.Concat(x.shape[:axis], t.shape, x.shape[axis+1:])
	return im.viewed(o, x, shape, func(v ir.View) ir.View { return v.Slice(axis, at[0], step, len(at)) })
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
	shape := slices.Concat(at.shape, t.shape[1:])
	if y, err = im.reshape(y, build.Canonical(shape)); err != nil {
		return err
	}
	return im.give(o, &operand{v: y, shape: shape})
}
