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
		if len(o.in) != 2 {
			return fmt.Errorf("has %d arguments", len(o.in))
		}
		for k, i := range o.in {
			if i >= 0 && o.in[1-k] >= 0 && im.isConstant(i) && im.values[o.in[1-k]] != nil {
				if x := im.values[o.in[1-k]]; x.blocks != nil && im.tensors[i].size() != 1 && !endsWith(im.tensors[i].shape, x.shape) {
					return errBlocks
				}
				if hasTable := im.tensors[i].size() == 1 && !im.values[o.in[1-k]].v.Type.IsWide(); !im.exact || hasTable {
					return im.withConstant(op, o, 1-k, k)
				}
			}
		}
		a, b, err := im.two(o)
		if err != nil {
			return err
		}
		return im.pair(op, o, a, b)
	}
}

// endsWith reports whether a constant has one number for each element of the last axis.
func endsWith(constant, shape []int) bool {
	n := shape[len(shape)-1]
	return build.Product(constant) == n && constant[len(constant)-1] == n
}

// pair is an operation of two values.
func (im *importer) pair(op ir.Op, o *operator, a, b *operand) error {
	t, q, err := im.result(o)
	if err != nil {
		return err
	}
	x, y, whole, err := im.widened(o, a, b)
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
		return im.give(o, whole.like(v, whole.shape))
	}
	attrs, err := im.activation(o.options.byte(0, 0), t.integer())
	if err != nil {
		return err
	}
	name := im.Name(im.hint(o))
	if im.exact {
		rq, err := im.pairRequant(op, name, x.Type.Quant, y.Type.Quant, q)
		if x.Type.IsWide() {
			rq, err = im.widePair(op, o, name, x.Type.Quant, y.Type.Quant, q)
		}
		if err != nil {
			return err
		}
		attrs = append(attrs, rq...)
	} else {
		q = ir.Quant{}
	}
	v, err := im.AddQuantized(op, name, []*ir.Value{x, y}, q, attrs...)
	if fused := o.options.byte(0, 0); err == nil && !im.exact && fused == actReluN1 {
		v, err = im.activated(v, fused, o)
	}
	if err != nil {
		return err
	}
	return im.give(o, whole.like(v, whole.shape))
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
	if im.exact {
		if t.typ != int8Type || len(t.scale) != 1 {
			return fmt.Errorf("of integers and a constant of %s without a scale", typeName(t.typ))
		}
		if (op == ir.Minimum || op == ir.Maximum) && (x.v.Type.Quant != q || t.quant() != q) {
			return errors.New("of arguments of different scales")
		}
		table, err := im.pairTable(op, x.v.Type.Quant, t.quant(), q, int8(t.ints()[0]), c == 0, o.options.byte(0, 0))
		if err != nil {
			return err
		}
		return im.table(o, x, q, table)
	}
	if op == ir.Minimum || op == ir.Maximum {
		return im.bounded(op, o, x, t)
	}
	shape, err := build.Broadcast(x.shape, t.shape)
	if err != nil {
		return err
	}
	values := t.floats()
	zero := !slices.ContainsFunc(values, func(v float32) bool { return v != 0 })
	switch {
	case zero && op == ir.Mul && o.options.byte(0, 0) != actTanh:
		if n := build.Product(shape); n < 0 || n > mostChannels {
			return fmt.Errorf("of shapes %v and %v", x.shape, t.shape)
		}
		return im.setNumbers(o, 0, shape, make([]float64, build.Product(shape)))
	case zero && (op == ir.Add || op == ir.Sub && c == 1) && o.options.byte(0, 0) == actNone && slices.Equal(shape, x.shape):
		return im.give(o, x.like(x.v, x.shape))
	}
	if !slices.Equal(shape, x.shape) { // the computed value repeats, too
		v, err := im.expanded(o, x, shape, false)
		if err != nil {
			return err
		}
		x = &operand{v: v, shape: shape}
	}
	channels := shape[len(shape)-1]
	isRow := t.size() == channels && len(t.shape) > 0 && t.shape[len(t.shape)-1] == channels // one number for each channel
	image := len(shape) == 4 && shape[0] == 1 && (t.size() == 1 || isRow)
	rows := !image && isRow && build.Product(shape) > channels // whose places are an image's pixels
	if (op == ir.Add || op == ir.Sub) && !isRow && t.size() >= build.ManyTerms {
		terms, err := im.material(t)
		if err != nil {
			return err
		}
		if c == 0 {
			return im.pair(op, o, terms, x)
		}
		return im.pair(op, o, x, terms)
	}
	v := x.v
	switch {
	case rows:
		if v, err = im.flat(x, build.Canonical(shape)); err == nil {
			x = &operand{v: v, shape: []int{1, 1, build.Product(shape) / channels, channels}}
			v, err = im.asImage(x)
		}
	case image:
		v, err = im.asImage(x)
	case t.size() != 1:
		if v, err = im.flat(x, ir.Shape{build.Product(shape)}); err == nil {
			values, err = spread(values, t.shape, shape)
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
	switch {
	case rows:
		y, err = im.flat(&operand{v: y, image: true, shape: x.shape}, build.Canonical(shape))
	case !image && t.size() != 1:
		y, err = im.reshape(y, build.Canonical(shape))
	}
	if err != nil {
		return err
	}
	return im.give(o, &operand{v: y, image: image || t.size() == 1 && x.image, shape: shape, blocks: x.blocks})
}

// bounded is the greater or the lesser of a computed value and one constant number.
func (im *importer) bounded(op ir.Op, o *operator, x *operand, t *tensor) error {
	if t.size() != 1 {
		c, err := im.material(t)
		if err != nil {
			return err
		}
		return im.pair(op, o, x, c)
	}
	const far = 1e30
	lo, hi := float64(t.floats()[0]), far
	if op == ir.Minimum {
		lo, hi = -far, lo
	}
	y, err := im.add(ir.Clip, im.hint(o), []*ir.Value{x.v}, ir.Quant{}, ir.AttrLow.Is(lo), ir.AttrHigh.Is(hi))
	if err != nil {
		return err
	}
	return im.give(o, x.like(y, x.shape))
}

// spread are the elements of a constant repeated to a shape that it broadcasts to.
func spread[T any](x []T, own, to []int) ([]T, error) {
	if build.Product(to) > mostChannels {
		return nil, fmt.Errorf("of %d elements and a constant; at most %d have a number each", build.Product(to), mostChannels)
	}
	if len(to) == 0 {
		return x, nil
	}
	v, ok := ir.ViewOf(own).Expand(to)
	if !ok {
		return nil, fmt.Errorf("of shapes %v and %v", own, to)
	}
	out := make([]T, build.Product(to))
	v.Each(func(i, at int) { out[i] = x[at] })
	return out, nil
}

// errFloat is the fault of an operator that is of float networks here.
var errFloat = errors.New("of int8 values, whose integers have no equal here: -exact=false quantizes the model anew")

// errReals is the fault of an operator of reals in a model of integers.
var errReals = errors.New("of reals in a model of integers, which the model does not quantize: -exact=false quantizes the model anew")

// quotient imports DIV: a product with the reciprocal.
func quotient(im *importer, o *operator) error {
	if im.exact {
		return im.exactQuotient(o)
	}
	if len(o.in) == 2 && o.in[1] >= 0 && im.isConstant(o.in[1]) && im.tensors[o.in[1]].size() > 0 {
		if slices.Contains(im.tensors[o.in[1]].floats(), 0) {
			return errors.New("by a constant of 0")
		}
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
	if op == ir.Minimum || op == ir.Maximum {
		fused = actNone
	}
	act, err := im.activation(fused, ir.Type{Elem: ir.Of(ir.I8), Quant: y})
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
	if op == ir.Minimum || op == ir.Maximum {
		for i, v := range all {
			out[i] = min(v, value)
			if op == ir.Maximum {
				out[i] = max(v, value)
			}
		}
		return out, nil
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
	return im.threeFactors(name, p), nil
}

// threeFactors are the constants of a sum, a difference or its square.
func (im *importer) threeFactors(name string, p geometry.AddParams) []ir.Attr {
	three := ir.Shape{3}
	return []ir.Attr{ir.AttrMul.Is(im.Ints(name+".mul", ir.I32, three, []int64{int64(p.MulA), int64(p.MulB), int64(p.MulY)})),
		ir.AttrShift.Is(im.Ints(name+".shift", ir.I32, three, []int64{int64(p.ShiftA), int64(p.ShiftB), int64(p.ShiftY)})), ir.AttrRound.Is(ir.RoundTFLite)}
}

// two are the values of an operator of two.
func (im *importer) two(o *operator) (a, b *operand, err error) {
	if a, err = im.computed(o, 0); err == nil {
		b, err = im.computed(o, 1)
	}
	return a, b, err
}

// widened are two values with the elements of the shape that they broadcast to, which
// whole is of.
func (im *importer) widened(o *operator, a, b *operand) (x, y *ir.Value, whole *operand, err error) {
	shape, err := build.Broadcast(a.shape, b.shape)
	if err != nil {
		return nil, nil, nil, err
	}
	whole = &operand{shape: shape, image: (a.image || b.image) && len(shape) == 4 && shape[0] == 1, blocks: a.blocks}
	if a.blocks == nil {
		whole.blocks = b.blocks
	} else if b.blocks != nil && !slices.Equal(a.blocks, b.blocks) {
		return nil, nil, nil, errBlocks
	}
	if x, err = im.expanded(o, a, shape, whole.image); err == nil {
		y, err = im.expanded(o, b, shape, whole.image)
	}
	return x, y, whole, err
}

// steps adds operations of a float network one after the other, until one fails.
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
func (s *steps) set(o *operator, y *ir.Value, whole *operand) error {
	if s.err != nil {
		return s.err
	}
	return s.im.give(o, whole.like(y, whole.shape))
}

// squaredDifference of a float network is a difference times itself.
func squaredDifference(im *importer, o *operator) error {
	a, b, err := im.two(o)
	if err != nil {
		return err
	}
	x, y, whole, err := im.widened(o, a, b)
	if err != nil {
		return err
	}
	if !im.exact {
		s := &steps{im: im, hint: im.hint(o)}
		d := s.add(ir.Sub, ".difference", x, y)
		return s.set(o, s.add(ir.Mul, "", d, d), whole)
	}
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	name := im.Name(im.hint(o))
	u, v := x.Type.Quant, y.Type.Quant
	p, err := geometry.NewSquareParams(geometry.RoundTFLite, u.Scale, int32(u.Zero), v.Scale, int32(v.Zero), q.Scale, int32(q.Zero), -128, 127)
	if err != nil {
		return err
	}
	z, err := im.AddQuantized(ir.SquaredDiff, name, []*ir.Value{x, y}, q, im.threeFactors(name, p)...)
	if err != nil {
		return err
	}
	return im.give(o, whole.like(z, whole.shape))
}

func square(im *importer, o *operator, x *operand) error {
	switch {
	case x.c != nil:
		return errors.New("of a constant")
	case x.reals != nil:
		return im.give(o, x.mapped(func(v float64) float64 { return v * v }))
	case im.exact:
		return errFloat
	}
	s := &steps{im: im, hint: im.hint(o)}
	return s.set(o, s.add(ir.Mul, "", x.v, x.v), x)
}

func rsqrt(im *importer, o *operator, x *operand) error {
	switch {
	case x.c != nil:
		return errors.New("of a constant")
	case x.reals != nil:
		return im.give(o, x.mapped(func(v float64) float64 { return 1 / math.Sqrt(v) }))
	case im.exact:
		_, q, err := im.result(o)
		if err != nil {
			return err
		}
		t, err := inverseRoots(x.v.Type.Quant, q)
		if err != nil {
			return err
		}
		return im.table(o, x, q, t)
	}
	s := &steps{im: im, hint: im.hint(o)}
	return s.set(o, s.add(ir.Reciprocal, "", s.add(ir.Sqrt, ".root", x.v)), x)
}

// unary imports a function of each element; of integers it is a table of its 256
// values.
func unary(op ir.Op) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		x, err := im.operand(o, 0)
		if err == nil && x.reals == nil {
			x, err = im.computed(o, 0)
		}
		if err != nil {
			return err
		}
		q := ir.Quant{}
		if x.reals == nil {
			if _, q, err = im.result(o); err != nil {
				return err
			}
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
			return im.give(o, x.like(y, x.shape))
		}
		if x.reals != nil { // which a QUANTIZE makes integers of
			return im.give(o, x.mapped(functionOf(op, params)))
		}
		if x.v.Type.IsWide() {
			return im.wideUnary(op, o, x, q)
		}
		t, err := exactTable(op, params, x.v.Type.Quant, q)
		if err != nil {
			return err
		}
		return im.table(o, x, q, t)
	}
}

// power imports POW by one constant number.
func power(im *importer, o *operator, x *operand) error {
	if im.exact {
		return errFloat
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil || t.size() != 1 {
		return cmp.Or(err, errors.New("has no constant exponent of one number"))
	}
	y, err := im.add(ir.Pow, im.hint(o), []*ir.Value{x.v}, ir.Quant{}, ir.AttrExponent.Is(float64(t.floats()[0])))
	if err != nil {
		return err
	}
	return im.give(o, x.like(y, x.shape))
}

// between bounds the elements of a float network on both sides.
func between(lo, hi float64) func(*importer, *operator, *operand) error {
	return func(im *importer, o *operator, x *operand) error {
		if im.exact {
			return errFloat
		}
		y, err := im.add(ir.Clip, im.hint(o), []*ir.Value{x.v}, ir.Quant{}, ir.AttrLow.Is(lo), ir.AttrHigh.Is(hi))
		if err != nil {
			return err
		}
		return im.give(o, x.like(y, x.shape))
	}
}

// mapped is an operand of integers that stand for a function of what they stood for.
func (o *operand) mapped(f func(float64) float64) *operand {
	y := o.like(o.v, o.shape)
	y.reals = new([256]float32)
	for i, v := range o.reals {
		y.reals[i] = float32(f(float64(v)))
	}
	return y
}

// functionOf is a function of reals.
func functionOf(op ir.Op, params []float64) func(float64) float64 {
	switch op {
	case ir.Relu:
		return func(x float64) float64 { return max(x, 0) }
	case ir.Relu6:
		return func(x float64) float64 { return min(max(x, 0), 6) }
	}
	return kernels.Function(op, params)
}

// table adds a table of 256 results.
func (im *importer) table(o *operator, x *operand, q ir.Quant, t []int8) error {
	y, err := im.lookedUp(im.hint(o), x.v, q, t)
	if err != nil {
		return err
	}
	found := x.like(y, x.shape)
	found.reals = nil
	return im.give(o, found)
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
	if t, err := ownTable(op, params, x, y); t != nil || err != nil {
		return t, err
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

// requantize imports QUANTIZE: of the input it has been done; of integers the scale
// changes; of reals that integers stand for, it is the nearest.
func requantize(im *importer, o *operator, x *operand) error {
	if x.c != nil {
		return errors.New("of a constant")
	}
	to, q, err := im.result(o)
	if err != nil {
		return err
	}
	if isSame := x.v.Type.Quant == q && x.v.Type.IsWide() == (to.typ == int16Type); !im.exact || isSame && (x.reals == nil || *x.reals == *realsOf(q)) {
		y := x.like(x.v, x.shape)
		y.reals = nil
		return im.give(o, y)
	}
	t := make([]int8, 256)
	if x.reals != nil {
		if im.rounded[x.v] {
			return fmt.Errorf("quantizes the input %q in another way than before", im.tensors[o.in[0]].name)
		}
		for i, v := range x.reals {
			// Ties go away from zero, in single precision.
			t[i] = clamped(math.Round(float64(v/float32(q.Scale))) + float64(q.Zero))
		}
		return im.table(o, x, q, t)
	}
	if x.v.Type.IsWide() || to.typ == int16Type {
		return im.rescaleWide(o, x, to.integer(), x.v.Type.Quant.Scale/q.Scale, actNone)
	}
	m, r, err := geometry.TFLiteMultiplierFor(x.v.Type.Quant.Scale/q.Scale, differenceReach)
	if err != nil {
		return err
	}
	rounding := geometry.RoundTFLite
	if im.fast {
		rounding = geometry.RoundTwice
	}
	for i := range t {
		t[i] = clamped(float64(rounding.Of(int64(i-128-x.v.Type.Quant.Zero), m, r)) + float64(q.Zero))
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
		return fmt.Errorf("has slopes that are not int8 with one scale, or more than %d: -exact=false quantizes the model anew", mostSlopes)
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
	return im.giveImage(o, y, x.blocks)
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
		return im.give(o, x.like(y, x.shape))
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
	whole := &operand{image: true, shape: x.shape}
	return st.set(o, st.add(ir.Sub, "", st.add(ir.Relu, ".high", v), scaled), whole)
}
