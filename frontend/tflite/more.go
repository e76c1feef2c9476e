package tflite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// axisOf is an axis in 0..rank-1, counted from the end where it is negative.
func axisOf(axis, rank int) (int, error) {
	if axis < 0 {
		axis += rank
	}
	if axis < 0 || axis >= rank {
		return 0, fmt.Errorf("has the axis %d of %d", axis, rank)
	}
	return axis, nil
}

// axis is argument k, one number.
func (im *importer) axis(o *operator, k, rank int) (int, error) {
	t, err := im.constant(o, k)
	if err != nil || t == nil {
		return 0, errors.Join(err, errors.New("has no axis"))
	}
	list, err := t.shortInts()
	if err != nil || len(list) != 1 {
		return 0, errors.Join(err, fmt.Errorf("has the axes %v", list))
	}
	return axisOf(list[0], rank)
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
		if err := im.viewed(o.part(k), x, ir.ViewOf(x.shape).Slice(axis, at, 1, size)); err != nil {
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
func splitV(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	axis, err := im.axis(o, 2, len(x.shape))
	if err != nil {
		return err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return errors.Join(err, errors.New("has no sizes"))
	}
	sizes, err := t.shortInts()
	if err != nil || len(sizes) != len(o.out) {
		return errors.Join(err, fmt.Errorf("into %v of %d results", sizes, len(o.out)))
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
func unpack(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	axis, err := axisOf(o.options.int(1, 0), len(x.shape))
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
	axis, err := axisOf(o.options.int(1, 0), len(out.shape))
	if err != nil {
		return err
	}
	size := product(out.shape) / len(o.in)
	var args []*ir.Value
	for k := range o.in {
		x, err := im.computed(o, k)
		if err != nil {
			return err
		}
		if product(x.shape) != size {
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
	outer := product(out.shape[:axis])
	if outer == 1 {
		if y, err = im.reshape(y, canonical(out.shape)); err != nil {
			return err
		}
		return im.set(o, y, false)
	}
	all := []int{len(o.in), outer, size / outer}
	return im.viewed(o, &operand{v: y, shape: all}, ir.ViewOf(all).Permute([]int{1, 0, 2}))
}

// argmax gives places as integers of scale 1, the least of which is 0.
func argmax(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	axis, err := im.axis(o, 1, len(x.shape))
	if err != nil {
		return err
	}
	var perm []int
	for k := range x.shape {
		if k != axis {
			perm = append(perm, k)
		}
	}
	n := x.shape[axis]
	rows := ir.Shape{product(x.shape) / max(n, 1), n}
	v, err := im.flat(x, ir.Shape{product(x.shape)})
	if err != nil {
		return err
	}
	if view := ir.ViewOf(x.shape).Permute(append(perm, axis)); view.IsWhole() {
		v, err = im.reshape(v, rows)
	} else {
		v, err = im.add(ir.Copy, im.hint(o)+".rows", []*ir.Value{v}, v.Type.Quant, build.Attr("shape", []int(rows)), build.Attr("dims", view.Dims), build.Attr("strides", view.Strides))
	}
	if err != nil {
		return err
	}
	y, err := im.add(ir.ArgMax, im.hint(o), []*ir.Value{v}, ir.Quant{Scale: 1, Zero: -128}, build.Attr("axis", 1))
	if err != nil {
		return err
	}
	if y, err = im.reshape(y, canonical(im.tensors[o.out[0]].shape)); err != nil {
		return err
	}
	return im.set(o, y, false)
}

// batchMatMul imports the product of two computed matrices, or of as many as their
// first axes have.
func batchMatMul(im *importer, o *operator) error {
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	var args [2]*ir.Value
	batch := 0
	for k := range args {
		x, err := im.computed(o, k)
		if err != nil {
			return err
		}
		r := len(x.shape)
		if r < 2 || k == 1 && product(x.shape[:r-2]) != batch {
			return fmt.Errorf("of a shape %v", x.shape)
		}
		batch = product(x.shape[:r-2])
		s := ir.Shape{batch, x.shape[r-2], x.shape[r-1]}
		if isTurned := o.options.byte(k, 0) != 0; isTurned {
			v, err := im.flat(x, ir.Shape{s.Size()})
			if err != nil {
				return err
			}
			s[1], s[2] = s[2], s[1]
			view := ir.ViewOf(ir.Shape{batch, s[2], s[1]}).Permute([]int{0, 2, 1})
			args[k], err = im.add(ir.Copy, im.hint(o)+".turned", []*ir.Value{v}, v.Type.Quant, build.Attr("shape", []int(matrix(s))), build.Attr("dims", view.Dims), build.Attr("strides", view.Strides))
			if err != nil {
				return err
			}
			continue
		}
		if args[k], err = im.flat(x, matrix(s)); err != nil {
			return err
		}
	}
	name := im.Name(im.hint(o))
	var attrs []ir.Attr
	if im.exact {
		factor := float64(float32(args[0].Type.Quant.Scale)*float32(args[1].Type.Quant.Scale)) / q.Scale
		if attrs, err = im.requant(name, []float64{factor}); err != nil {
			return err
		}
	} else {
		q = ir.Quant{}
	}
	y, err := im.AddQuantized(ir.MatMul, name, args[:], q, attrs...)
	if err != nil {
		return err
	}
	if y, err = im.reshape(y, canonical(im.tensors[o.out[0]].shape)); err != nil {
		return err
	}
	return im.set(o, y, false)
}

// matrix is a shape without a batch of one.
func matrix(s ir.Shape) ir.Shape {
	if s[0] == 1 {
		return s[1:]
	}
	return s
}

// transposeConv is a convolution of the image with zeros between its pixels, by the
// weights turned around.
func transposeConv(im *importer, o *operator) error {
	v, w, err := im.filters(o, 2, "[O,KH,KW,I]")
	if err != nil {
		return err
	}
	s, t, out := w.shape, o.options, im.tensors[o.out[0]].shape
	stride := []int{t.int(2, 0), t.int(1, 0)}
	if err := checkWindow(stride, s); err != nil {
		return err
	}
	if s[3] != v.Type.Shape[0] || len(out) != 4 {
		return fmt.Errorf("of %v with weights of %v", im.tensors[o.in[2]].shape, s)
	}
	pad := same(t.byte(0, 0) == 1, out[1:3], s[1:3], stride, []int{1, 1})
	before, after := []int{0, 0, 0}, []int{0, 0, 0}
	for i := range 2 {
		k := s[1+i]
		before[1+i] = k - 1 - pad[i]
		after[1+i] = out[1+i] + pad[i] - (v.Type.Shape[1+i]-1)*stride[i] - 1
		if before[1+i] < 0 || after[1+i] < 0 {
			return fmt.Errorf("gives %v, less than its window reaches", out)
		}
	}
	zero := 0.
	if im.exact {
		zero = float64(v.Type.Quant.Zero)
	}
	wide, err := im.add(ir.Pad, im.hint(o)+".pad", []*ir.Value{v}, v.Type.Quant, build.Attr("before", before), build.Attr("after", after),
		build.Attr("between", []int{0, stride[0] - 1, stride[1] - 1}), build.Attr("value", zero))
	if err != nil {
		return err
	}
	view := ir.ViewOf(s).Slice(1, s[1]-1, -1, s[1]).Slice(2, s[2]-1, -1, s[2]).Permute([]int{0, 3, 1, 2})
	layer := &operator{name: o.name, options: t, in: []int{o.in[2], o.in[1]}, out: o.out}
	if len(o.in) > 3 {
		layer.in = append(layer.in, o.in[3])
	}
	y, err := im.layer(ir.Conv2D, layer, wide, w, view, ir.Shape{s[0], s[3], s[1], s[2]}, t.byte(3, 0))
	if err != nil {
		return err
	}
	return im.set(o, y, true)
}

// mostSlopes bounds the channels of an exact PRELU, each of which has a table.
const mostSlopes = 64

// prelu imports x where positive, else a slope times x: one slope, or one a channel.
// Exact ones are tables of each channel.
func prelu(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return errors.Join(err, errors.New("has no slopes"))
	}
	channels := append([]int{1}, x.shape...)[len(x.shape)]
	if t.size() != 1 && (t.size() != channels || len(x.shape) != 4) {
		return fmt.Errorf("has slopes of shape %v for %v", t.shape, x.shape)
	}
	if !im.exact {
		return im.preluReals(o, x, t)
	}
	if t.typ != int8Type || len(t.scale) != 1 || t.size() > mostSlopes {
		return fmt.Errorf("has slopes that are not int8 with one scale, or more than %d", mostSlopes)
	}
	slopes := t.ints()
	if len(slopes) == 1 {
		table, err := preluTable(x.v.Type.Quant, t.quant(), q, slopes[0])
		if err != nil {
			return err
		}
		return im.table(o, x, q, table)
	}
	v, err := im.asImage(x)
	if err != nil {
		return err
	}
	plane := v.Type.Shape[1] * v.Type.Shape[2]
	var args []*ir.Value
	for c, slope := range slopes {
		name := fmt.Sprintf("%s.channel%d", im.hint(o), c)
		shape := []int{1, v.Type.Shape[1], v.Type.Shape[2]}
		one, err := im.add(ir.Copy, name, []*ir.Value{v}, v.Type.Quant, build.Attr("shape", shape), build.Attr("dims", []int{plane}), build.Attr("strides", []int{1}), build.Attr("start", c*plane))
		if err != nil {
			return err
		}
		table, err := preluTable(v.Type.Quant, t.quant(), q, slope)
		if err != nil {
			return err
		}
		y, err := im.lookedUp(name+".prelu", one, q, table)
		if err != nil {
			return err
		}
		args = append(args, y)
	}
	y, err := im.add(ir.Concat, im.hint(o), args, q)
	if err != nil {
		return err
	}
	return im.set(o, y, true)
}

// preluTable are the results of TensorFlow Lite's integers by the argument.
func preluTable(x, alpha, y ir.Quant, slope int64) ([]int8, error) {
	m1, r1, err := kernels.MultiplierFor(float64(float32(x.Scale) / float32(y.Scale)))
	if err != nil {
		return nil, err
	}
	m2, r2, err := kernels.MultiplierFor(float64(float32(x.Scale) * float32(alpha.Scale) / float32(y.Scale)))
	if err != nil {
		return nil, err
	}
	table := make([]int8, 256)
	for i := range table {
		d := int32(i - 128 - x.Zero)
		v := kernels.RequantTFLite(d, m1, r1)
		if d < 0 {
			v = kernels.RequantTFLite(d*int32(slope-int64(alpha.Zero)), m2, r2)
		}
		table[i] = int8(min(max(v+int32(y.Zero), -128), 127))
	}
	return table, nil
}

// preluReals is max(x,0) - slope*max(-x,0).
func (im *importer) preluReals(o *operator, x *operand, t *tensor) error {
	slopes := t.floats()
	if len(slopes) == 1 {
		y, err := im.add(ir.LeakyRelu, im.hint(o), []*ir.Value{x.v}, ir.Quant{}, build.Attr("alpha", float64(slopes[0])))
		if err != nil {
			return err
		}
		return im.set(o, y, x.image)
	}
	v, err := im.asImage(x)
	if err != nil {
		return err
	}
	hint := im.hint(o)
	step := func(op ir.Op, role string, args ...*ir.Value) *ir.Value {
		if err != nil {
			return nil
		}
		var y *ir.Value
		y, err = im.add(op, hint+role, args, ir.Quant{})
		return y
	}
	low := step(ir.Relu, ".low", step(ir.Neg, ".neg", v))
	if err != nil {
		return err
	}
	scaled, err := im.ScaleShift(hint+".slope", low, slopes, make([]float32, len(slopes)))
	y := step(ir.Sub, "", step(ir.Relu, ".high", v), scaled)
	if err != nil {
		return err
	}
	return im.set(o, y, true)
}

// logSoftmax is of float networks: TensorFlow Lite's integers of it are its own.
func logSoftmax(im *importer, o *operator) error {
	if im.exact {
		return errors.New("of int8 values, whose integers have no equal here: -exact=false quantizes the model anew")
	}
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	v, err := im.flat(x, canonical(x.shape))
	if err != nil {
		return err
	}
	y, err := im.add(ir.LogSoftmax, im.hint(o), []*ir.Value{v}, ir.Quant{}, build.Attr("axis", len(v.Type.Shape)-1))
	if err != nil {
		return err
	}
	return im.set(o, y, false)
}
