package tflite

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// pairOf imports an operation of two computed values of one shape, or of shapes
// that broadcast.
func pairOf(op ir.Op) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		for k := range min(len(o.in), 2) {
			if i := o.in[k]; i >= 0 && im.tensors[i].data != nil && im.values[i] == nil && len(o.in) == 2 {
				return im.withConstant(op, o, 1-k, k)
			}
		}
		a, b, err := im.two(o)
		if err != nil {
			return err
		}
		return im.pair(op, o, a, b)
	}
}

// pair is an operation of two values.
func (im *importer) pair(op ir.Op, o *operator, a, b *operand) error {
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	x, y, image, err := im.widened(o, a, b)
	if err != nil {
		return err
	}
	if op == ir.Minimum || op == ir.Maximum {
		if im.exact && (x.Type.Quant != q || y.Type.Quant != q) {
			return errors.New("of arguments of different scales")
		}
		v, err := im.add(op, im.hint(o), []*ir.Value{x, y}, q)
		if err != nil {
			return err
		}
		return im.set(o, v, image)
	}
	attrs, err := im.activation(o.options.byte(0, 0), q)
	if err != nil {
		return err
	}
	name := im.Name(im.hint(o))
	if im.exact {
		rq, err := im.pairRequant(op, name, x.Type.Quant, y.Type.Quant, q)
		if err != nil {
			return err
		}
		attrs = append(attrs, rq...)
	} else {
		q = ir.Quant{}
	}
	v, err := im.AddQuantized(op, name, []*ir.Value{x, y}, q, attrs...)
	if err != nil {
		return err
	}
	return im.set(o, v, image)
}

// expanded is an operand with the elements of a broadcast shape, as an image or in the
// file's order.
func (im *importer) expanded(o *operator, x *operand, shape []int, image bool) (*ir.Value, error) {
	own := slices.Concat(slices.Repeat([]int{1}, len(shape)-len(x.shape)), x.shape)
	x = &operand{v: x.v, image: x.image, shape: own}
	v, err := im.as(x, image)
	if err != nil || slices.Equal(own, shape) {
		return v, err
	}
	to := build.Canonical(shape)
	if image {
		own, to = own[1:], ir.Shape{shape[3], shape[1], shape[2]}
		own = []int{own[2], own[0], own[1]}
	} else {
		own = slices.Concat(slices.Repeat([]int{1}, len(to)-len(v.Type.Shape)), v.Type.Shape)
	}
	view, ok := ir.ViewOf(own).Expand(to)
	if !ok {
		return nil, fmt.Errorf("of %v to %v", own, to)
	}
	return im.add(ir.Copy, im.hint(o)+".wide", []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(to)), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides))
}

// mostChannels bounds the scales that one number is spread to.
const mostChannels = 1 << 20

// withConstant imports an operation of computed argument k and a constant, which is
// argument c: of a float network a scale and an offset a channel, or an element where
// the constant has more; of integers and one number a table.
func (im *importer) withConstant(op ir.Op, o *operator, k, c int) error {
	x, err := im.computed(o, k)
	if err != nil {
		return err
	}
	t, err := im.constant(o, c)
	if err != nil {
		return err
	}
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	if op == ir.Minimum || op == ir.Maximum {
		return errors.New("of a constant")
	}
	if im.exact {
		if t.size() != 1 || t.typ != int8Type || len(t.scale) != 1 {
			return errors.New("of int8 values and a constant of more than one number")
		}
		table, err := im.pairTable(op, x.v.Type.Quant, t.quant(), q, int8(t.ints()[0]), c == 0, o.options.byte(0, 0))
		if err != nil {
			return err
		}
		return im.table(o, x, q, table)
	}
	if shape, err := build.Broadcast(x.shape, t.shape); err != nil || !slices.Equal(shape, x.shape) {
		return fmt.Errorf("of shapes %v and %v", x.shape, t.shape)
	}
	channels := x.shape[len(x.shape)-1]
	image := len(x.shape) == 4 && x.shape[0] == 1 && (t.size() == 1 || t.size() == channels && t.shape[len(t.shape)-1] == channels)
	v, values := x.v, t.floats()
	switch {
	case image:
		v, err = im.asImage(x)
	case t.size() != 1:
		if v, err = im.flat(x, ir.Shape{build.Product(x.shape)}); err == nil {
			values, err = spread(values, t.shape, x.shape)
		}
	}
	if err != nil {
		return err
	}
	n := v.Type.Shape[0]
	if n > mostChannels {
		return fmt.Errorf("of %d channels and a constant; at most %d have a scale each", n, mostChannels)
	}
	scale, shift := make([]float32, n), make([]float32, n)
	for i := range n {
		s, d, y := float32(1), float32(0), values[i%len(values)]
		switch {
		case op == ir.Mul:
			s = y
		case op == ir.Reciprocal: // a quotient
			s = 1 / y
		case op == ir.Add:
			d = y
		case c == 0:
			s, d = -1, y
		default:
			d = -y
		}
		scale[i], shift[i] = s, d
	}
	y, err := im.ScaleShift(im.hint(o), v, scale, shift)
	if err != nil {
		return err
	}
	if y, err = im.activated(y, o.options.byte(0, 0), o); err != nil {
		return err
	}
	if !image && t.size() != 1 {
		if y, err = im.reshape(y, build.Canonical(x.shape)); err != nil {
			return err
		}
	}
	return im.set(o, y, image || t.size() == 1 && x.image)
}

// spread are the elements of a constant repeated to a shape that it broadcasts to.
func spread(x []float32, own, to []int) ([]float32, error) {
	if build.Product(to) > mostChannels {
		return nil, fmt.Errorf("of %d elements and a constant; at most %d have a number each", build.Product(to), mostChannels)
	}
	v, ok := ir.ViewOf(own).Expand(to)
	if !ok {
		return nil, fmt.Errorf("of shapes %v and %v", own, to)
	}
	out := make([]float32, build.Product(to))
	v.Each(func(i, at int) { out[i] = x[at] })
	return out, nil
}

// errFloat is the fault of an operator that is of float networks here.
var errFloat = errors.New("of int8 values, whose integers have no equal here: -exact=false quantizes the model anew")

// quotient imports DIV: a product with the reciprocal.
func quotient(im *importer, o *operator) error {
	if im.exact {
		return errFloat
	}
	if len(o.in) == 2 && o.in[1] >= 0 && im.values[o.in[1]] == nil && im.tensors[o.in[1]].data != nil {
		return im.withConstant(ir.Reciprocal, o, 0, 1)
	}
	a, b, err := im.two(o)
	if err != nil {
		return err
	}
	v, err := im.add(ir.Reciprocal, im.hint(o)+".reciprocal", []*ir.Value{b.v}, ir.Quant{})
	if err != nil {
		return err
	}
	return im.pair(ir.Mul, o, a, &operand{v: v, image: b.image, shape: b.shape})
}

// The greatest absolute values of a difference of two int8, and of a product of two such
// differences: what a requantization may have to shift left (R8).
const (
	differenceReach = 255
	productReach    = 255 * 255
)

// pairTable are the results of an exact operation of every integer and one
// constant, which comes first or second.
func (im *importer) pairTable(op ir.Op, x, k, y ir.Quant, value int8, first bool, fused int) ([]int8, error) {
	act, err := im.activation(fused, y)
	if err != nil {
		return nil, err
	}
	lo, hi := int32(act[0].Value.(int)), int32(act[1].Value.(int))
	all, constant, out := make([]int8, 256), slices.Repeat([]int8{value}, 256), make([]int8, 256)
	for i := range all {
		all[i] = int8(i - 128)
	}
	a, b, qa, qb := all, constant, x, k
	if first {
		a, b, qa, qb = constant, all, k, x
	}
	if op == ir.Mul {
		m, r, err := geometry.TFLiteMultiplierFor(float64(float32(qa.Scale)*float32(qb.Scale)/float32(y.Scale)), productReach)
		if err != nil {
			return nil, err
		}
		rq := &geometry.Requant{Mul: []int32{m}, Shift: []int32{r}, Rounding: geometry.RoundTFLite, Zero: int32(y.Zero), Lo: lo, Hi: hi}
		kernels.MulInt(int32(qa.Zero), int32(qb.Zero), rq, a, b, out)
		return out, nil
	}
	p, err := geometry.NewAddParams(geometry.RoundTFLite, qa.Scale, int32(qa.Zero), qb.Scale, int32(qb.Zero), y.Scale, int32(y.Zero), lo, hi)
	if err != nil {
		return nil, err
	}
	if op == ir.Sub {
		kernels.SubInt(p, a, b, out)
	} else {
		kernels.AddInt(p, a, b, out)
	}
	return out, nil
}

// pairRequant are the factors of a sum, difference or product: TensorFlow Lite
// computes a product's in single precision.
func (im *importer) pairRequant(op ir.Op, name string, a, b, y ir.Quant) ([]ir.Attr, error) {
	if op == ir.Mul {
		return im.requant(name, []float64{float64(float32(a.Scale) * float32(b.Scale) / float32(y.Scale))}, productReach)
	}
	p, err := geometry.NewAddParams(geometry.RoundTFLite, a.Scale, int32(a.Zero), b.Scale, int32(b.Zero), y.Scale, int32(y.Zero), -128, 127)
	if err != nil {
		return nil, err
	}
	three := ir.Shape{3}
	return []ir.Attr{ir.AttrMul.Is(im.Ints(name+".mul", ir.I32, three, []int64{int64(p.MulA), int64(p.MulB), int64(p.MulY)})),
		ir.AttrShift.Is(im.Ints(name+".shift", ir.I32, three, []int64{int64(p.ShiftA), int64(p.ShiftB), int64(p.ShiftY)})), ir.AttrRound.Is(ir.RoundTFLite)}, nil
}

// two are the values of an operator of two.
func (im *importer) two(o *operator) (a, b *operand, err error) {
	if a, err = im.computed(o, 0); err == nil {
		b, err = im.computed(o, 1)
	}
	return a, b, err
}

// widened are two values with the elements of the shape that they broadcast to.
func (im *importer) widened(o *operator, a, b *operand) (x, y *ir.Value, image bool, err error) {
	shape, err := build.Broadcast(a.shape, b.shape)
	if err != nil {
		return nil, nil, false, err
	}
	image = (a.image || b.image) && len(shape) == 4 && shape[0] == 1
	if x, err = im.expanded(o, a, shape, image); err == nil {
		y, err = im.expanded(o, b, shape, image)
	}
	return x, y, image, err
}

// steps adds operations of a float network one behind the other, until one fails.
type steps struct {
	im   *importer
	hint string
	err  error
}

func (s *steps) add(op ir.Op, role string, args ...*ir.Value) *ir.Value {
	if s.err != nil {
		return nil
	}
	var y *ir.Value
	y, s.err = s.im.add(op, s.hint+role, args, ir.Quant{})
	return y
}

// set declares the result of the operator that the steps are.
func (s *steps) set(o *operator, y *ir.Value, image bool) error {
	if s.err != nil {
		return s.err
	}
	return s.im.set(o, y, image)
}

func squaredDifference(im *importer, o *operator) error {
	if im.exact {
		return errFloat
	}
	a, b, err := im.two(o)
	if err != nil {
		return err
	}
	x, y, image, err := im.widened(o, a, b)
	if err != nil {
		return err
	}
	s := &steps{im: im, hint: im.hint(o)}
	d := s.add(ir.Sub, ".difference", x, y)
	return s.set(o, s.add(ir.Mul, "", d, d), image)
}

func square(im *importer, o *operator, x *operand) error {
	if im.exact {
		return errFloat
	}
	s := &steps{im: im, hint: im.hint(o)}
	return s.set(o, s.add(ir.Mul, "", x.v, x.v), x.image)
}

func rsqrt(im *importer, o *operator, x *operand) error {
	if im.exact {
		return errFloat
	}
	s := &steps{im: im, hint: im.hint(o)}
	return s.set(o, s.add(ir.Reciprocal, "", s.add(ir.Sqrt, ".root", x.v)), x.image)
}

// unary imports a function of each element; of integers it is a table of its 256
// values.
func unary(op ir.Op) func(*importer, *operator, *operand) error {
	return func(im *importer, o *operator, x *operand) error {
		_, q, err := im.result(o)
		if err != nil {
			return err
		}
		var attrs []ir.Attr
		var params []float64
		switch op {
		case ir.LeakyRelu:
			params = []float64{o.options.float(0, 0)}
			attrs = []ir.Attr{ir.AttrAlpha.Is(params[0])}
		case ir.Elu:
			params = []float64{1}
		case ir.Gelu:
			params = []float64{float64(o.options.byte(0, 0))}
			attrs = []ir.Attr{ir.AttrTanh.Is(params[0])}
		}
		if !im.exact {
			y, err := im.add(op, im.hint(o), []*ir.Value{x.v}, q, attrs...)
			if err != nil {
				return err
			}
			return im.set(o, y, x.image)
		}
		t, err := exactTable(op, params, x.v.Type.Quant, q)
		if err != nil {
			return err
		}
		return im.table(o, x, q, t)
	}
}

// table adds a table of 256 results.
func (im *importer) table(o *operator, x *operand, q ir.Quant, t []int8) error {
	y, err := im.lookedUp(im.hint(o), x.v, q, t)
	if err != nil {
		return err
	}
	return im.set(o, y, x.image)
}

// lookedUp is a value whose elements are results of a table.
func (im *importer) lookedUp(hint string, v *ir.Value, q ir.Quant, t []int8) (*ir.Value, error) {
	wide := make([]int64, len(t))
	for i, e := range t {
		wide[i] = int64(e)
	}
	name := im.Name(hint)
	return im.AddQuantized(ir.Table, name, []*ir.Value{v}, q, ir.AttrTable.Is(im.Ints(name+".table", ir.I8, ir.Shape{len(t)}, wide)))
}

// exactTable are the results of a function by integer: of relu, leaky relu and hard
// swish those of TensorFlow Lite's integers, of others the nearest to the real
// ones, from which its fixed-point forms may be a step apart.
func exactTable(op ir.Op, params []float64, x, y ir.Quant) ([]int8, error) {
	if op == ir.HardSwish {
		return hardSwish(x, y)
	}
	if op != ir.Relu && op != ir.Relu6 && op != ir.LeakyRelu {
		return kernels.FunctionTable(kernels.Function(op, params), x.Scale, x.Zero, y.Scale, y.Zero), nil
	}
	m, r, err := geometry.TFLiteMultiplierFor(float64(float32(x.Scale)/float32(y.Scale)), differenceReach)
	if op == ir.LeakyRelu {
		m, r, err = geometry.TFLiteMultiplierFor(float64(x.Scale/y.Scale), differenceReach)
	}
	if err != nil {
		return nil, err
	}
	ma, ra, err := m, r, error(nil)
	if op == ir.LeakyRelu {
		if params[0] < 0 {
			return nil, errors.New("has a negative slope")
		}
		if ma, ra, err = geometry.TFLiteMultiplierFor(float64(x.Scale*params[0])/y.Scale, differenceReach); err != nil {
			return nil, err
		}
	}
	lo, hi := int32(-128), int32(127)
	if op != ir.LeakyRelu {
		lo = max(lo, int32(y.Zero))
	}
	if op == ir.Relu6 {
		hi = min(hi, int32(y.Zero)+int32(math.Round(float64(float32(6)/float32(y.Scale)))))
	}
	t := make([]int8, 256)
	for i := range t {
		d := int32(i - 128 - x.Zero)
		v := geometry.RequantTFLite(d, m, r)
		if op == ir.LeakyRelu && d < 0 {
			v = geometry.RequantTFLite(d, ma, ra)
		}
		t[i] = int8(min(max(v+int32(y.Zero), lo), hi))
	}
	return t, nil
}

// requantize imports QUANTIZE: of the input it has been done, else the scale
// changes.
func requantize(im *importer, o *operator, x *operand) error {
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	if !im.exact || x.v.Type.Quant == q {
		im.values[o.out[0]] = x
		return nil
	}
	m, r, err := geometry.TFLiteMultiplierFor(x.v.Type.Quant.Scale/q.Scale, differenceReach)
	if err != nil {
		return err
	}
	t := make([]int8, 256)
	for i := range t {
		t[i] = int8(min(max(int(geometry.RequantTFLite(int32(i-128-x.v.Type.Quant.Zero), m, r))+q.Zero, -128), 127))
	}
	return im.table(o, x, q, t)
}

// mostSlopes bounds the channels of an exact PRELU, each of which has a table.
const mostSlopes = 64

// prelu imports x where positive, else a slope times x: one slope, or one a channel.
// Exact ones are tables of each channel.
func prelu(im *importer, o *operator, x *operand) error {
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return cmp.Or(err, errors.New("has no slopes"))
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
		one, err := im.add(ir.Copy, name, []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is(shape), ir.AttrDims.Is([]int{plane}), ir.AttrStrides.Is([]int{1}), ir.AttrStart.Is(c*plane))
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
	m1, r1, err := geometry.TFLiteMultiplierFor(float64(float32(x.Scale)/float32(y.Scale)), differenceReach)
	if err != nil {
		return nil, err
	}
	m2, r2, err := geometry.TFLiteMultiplierFor(float64(float32(x.Scale)*float32(alpha.Scale)/float32(y.Scale)), productReach)
	if err != nil {
		return nil, err
	}
	table := make([]int8, 256)
	for i := range table {
		d := int32(i - 128 - x.Zero)
		v := geometry.RequantTFLite(d, m1, r1)
		if d < 0 {
			v = geometry.RequantTFLite(d*int32(slope-int64(alpha.Zero)), m2, r2)
		}
		table[i] = int8(min(max(v+int32(y.Zero), -128), 127))
	}
	return table, nil
}

// preluReals is max(x,0) - slope*max(-x,0).
func (im *importer) preluReals(o *operator, x *operand, t *tensor) error {
	slopes := t.floats()
	if len(slopes) == 1 {
		y, err := im.add(ir.LeakyRelu, im.hint(o), []*ir.Value{x.v}, ir.Quant{}, ir.AttrAlpha.Is(float64(slopes[0])))
		if err != nil {
			return err
		}
		return im.set(o, y, x.image)
	}
	v, err := im.asImage(x)
	if err != nil {
		return err
	}
	st := &steps{im: im, hint: im.hint(o)}
	low := st.add(ir.Relu, ".low", st.add(ir.Neg, ".neg", v))
	if st.err != nil {
		return st.err
	}
	scaled, err := im.ScaleShift(st.hint+".slope", low, slopes, make([]float32, len(slopes)))
	if err != nil {
		return err
	}
	return st.set(o, st.add(ir.Sub, "", st.add(ir.Relu, ".high", v), scaled), true)
}
