package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// integers say which integers ONNX has where a value of the module holds reals:
// real = scale*(integer-zero), with every integer in [lo,hi]. So an operation on the
// integers has a meaning in reals: a bound b is the real scale*(b-zero).
type integers struct {
	typ         dtype
	scale, zero float64
	lo, hi      float64
}

// all are the integers of a type, by a scale and a zero point.
func (d dtype) all(scale, zero float64) *integers {
	lo, hi := d.limits()
	return &integers{d, scale, zero, lo, hi}
}

// real is the real that an integer stands for.
func (q *integers) real(x float64) float64 { return q.scale * (x - q.zero) }

// limits are the least and greatest integer of a type.
func (d dtype) limits() (lo, hi float64) {
	bits := float64(d.bits())
	if d.isSigned() {
		return -math.Exp2(bits - 1), math.Exp2(bits-1) - 1
	}
	return 0, math.Exp2(bits) - 1
}

// reread gives integers the reals of another scale and zero point. Nothing is computed
// where both are those that the value has.
func (im *importer) reread(hint string, o *operand, scale, zero float64) (*operand, error) {
	if o.c != nil {
		if o.c.typ.isFloat() {
			return nil, errors.New("has a constant of floats where integers belong")
		}
		c := &tensor{name: o.c.name, typ: float32Type, shape: o.c.shape, data: o.c.each(func(v float64) float64 { return scale * (v - zero) })}
		return &operand{c: c, shape: o.shape}, nil
	}
	q := o.q
	if q == nil {
		return nil, errors.New("has reals where integers belong: a QuantizeLinear must come before it")
	}
	out := *o
	out.q = &integers{q.typ, scale, zero, q.lo, q.hi}
	if q.scale == scale && q.zero == zero {
		return &out, nil
	}
	var err error
	if o.v.Def == nil {
		out.v, err = im.Add(ir.Normalize, hint, []*ir.Value{o.v}, ir.AttrMean.Is([]float64{q.real(zero)}), ir.AttrStd.Is([]float64{build.ShortFloat(q.scale / scale)}))
	} else {
		out.v, err = im.scaleShift(hint+".scale", o.v, []float32{float32(scale / q.scale)}, []float32{float32(scale * (q.zero - zero))})
	}
	if m, ok := out.q.marked(); ok && err == nil {
		im.marks[out.v] = m
	}
	return &out, err
}

// realsOf is reread without the integers: what DequantizeLinear makes.
func (im *importer) realsOf(hint string, o *operand, scale, zero float64) (*operand, error) {
	r, err := im.reread(hint, o, scale, zero)
	if err == nil && r.v != nil {
		r.q = nil
	}
	return r, err
}

// onIntegers are the operations that may have computed integers for arguments, as ONNX
// defines them there. All others are refused: the table of operations reads reals.
var onIntegers map[string]runner

// integerOperations makes onIntegers from the table of operations.
func integerOperations() map[string]runner {
	runners := map[string]runner{
		"DequantizeLinear":      dequantize,
		"QuantizeLinear":        quantize,
		"Cast":                  castIntegers,
		"Relu":                  reluIntegers,
		"Clip":                  clipIntegers,
		"Pad":                   padIntegers,
		"Concat":                concatIntegers,
		"Max":                   extremesOfIntegers(ir.Maximum),
		"Min":                   extremesOfIntegers(ir.Minimum),
		"Add":                   sumOfIntegers(1),
		"Sub":                   sumOfIntegers(-1),
		"Mul":                   productOfIntegers,
		"ArgMax":                argmax,
		"OneHot":                oneHot,
		"Gather":                gatherIntegers,
		"Where":                 chosen,
		"ArrayFeatureExtractor": mlFeatures,
		"Not":                   conditions(func(c *composer, in []*operand) *operand { return c.not("", in[0]) }),
		"And":                   conditions(func(c *composer, in []*operand) *operand { return c.binary("Mul", "", in[0], in[1]) }),
		"Or":                    conditions(func(c *composer, in []*operand) *operand { return c.binary("Max", "", in[0], in[1]) }),
		"Xor": conditions(func(c *composer, in []*operand) *operand {
			return c.do("Abs", "", []*operand{c.binary("Sub", "difference", in[0], in[1])})
		}),
	}
	// These only move integers, or choose among them by their order.
	for _, op := range strings.Fields("Flatten Reshape Squeeze Unsqueeze Identity Dropout Transpose Slice Expand Tile Split DepthToSpace SpaceToDepth MaxPool GlobalMaxPool ReduceMax ReduceMin") {
		runners[op] = keptIntegers(table[op].run)
	}
	for _, op := range []string{"Resize", "Upsample"} {
		runners[op] = resizeIntegers
	}
	// These have the scales of their integers among their arguments.
	for _, op := range strings.Fields("QLinearConv QLinearMatMul QGemm QLinearAdd QLinearMul QLinearAveragePool QLinearGlobalAveragePool QLinearLeakyRelu QLinearSigmoid QLinearSoftmax QLinearWhere QLinearConcat ConvInteger MatMulInteger") {
		runners[op] = table[op].run
	}
	return runners
}

// errIntegers is the fault of an operation that has no meaning on integers here.
func errIntegers(typ dtype) error {
	return fmt.Errorf("computes on %s integers, which this importer cannot: put it after the DequantizeLinear, or leave the operation out of the quantization", typ)
}

// keptIntegers imports an operation whose results have the integers of its first
// argument.
func keptIntegers(run runner) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		if in[0].q == nil {
			return nil, errors.New("has computed integers for sizes")
		}
		outs, err := run(im, n, in)
		for i, o := range outs {
			if err == nil && o != nil {
				next := *o
				next.q, next.dynamic = in[0].q, in[0].dynamic
				outs[i] = &next
			}
		}
		return outs, err
	}
}

// resizeIntegers imports a resize that repeats integers; others round.
func resizeIntegers(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if mode := textAttr(n, "mode", "nearest"); mode != "nearest" {
		return nil, fmt.Errorf("in mode %q of integers, which rounds: put it after the DequantizeLinear", mode)
	}
	return keptIntegers(resize)(im, n, in)
}

// castIntegers imports a cast to float, which gives the integers themselves, or to a
// type that has all of them.
func castIntegers(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	to, q := dtype(intAttr(n, "to", 0)), in[0].q
	if to.isFloat() {
		out, err := im.realsOf(moduleName(n), in[0], 1, 0)
		return []*operand{out}, err
	}
	if to == q.typ {
		return []*operand{in[0]}, nil
	}
	if to.bits() == 0 {
		return nil, fmt.Errorf("of %s integers to %s", q.typ, to)
	}
	if lo, hi := to.limits(); q.lo < lo || q.hi > hi {
		return nil, fmt.Errorf("of %s integers in [%v,%v] to %s, where they would wrap: a Clip before it makes them fit", q.typ, q.lo, q.hi, to)
	}
	out := *in[0]
	out.q = &integers{to, q.scale, q.zero, q.lo, q.hi}
	return []*operand{&out}, nil
}

// clippedIntegers bounds integers.
func (im *importer) clippedIntegers(n *pb.Node, o *operand, lo, hi float64) ([]*operand, error) {
	q := *o.q
	if lo > hi {
		lo = hi // as ONNX defines it
	}
	low, high := math.Inf(-1), math.Inf(1)
	if lo > q.lo {
		low = q.real(lo)
	}
	if hi < q.hi {
		high = q.real(hi)
	}
	q.lo, q.hi = min(max(lo, q.lo), hi), max(min(hi, q.hi), lo)
	outs, err := im.clipped(n, o, low, high)
	if err != nil {
		return nil, err
	}
	return []*operand{{v: outs[0].v, shape: o.shape, q: &q}}, nil
}

func reluIntegers(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	return im.clippedIntegers(n, in[0], 0, math.Inf(1))
}

func clipIntegers(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[0].q == nil {
		return nil, errors.New("has computed integers for bounds")
	}
	lo, err := bound(n, in, "min", 1, math.Inf(-1))
	if err != nil {
		return nil, err
	}
	hi, err := bound(n, in, "max", 2, math.Inf(1))
	if err != nil {
		return nil, err
	}
	return im.clippedIntegers(n, in[0], lo, hi)
}

// extremesOfIntegers imports Max and Min of integers, which may have different scales.
func extremesOfIntegers(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		args, q, err := im.aligned(n, in)
		if err != nil {
			return nil, err
		}
		outs, err := extremes(op)(im, n, args)
		if err != nil {
			return nil, err
		}
		return []*operand{{v: outs[0].v, shape: outs[0].shape, q: q}}, nil
	}
}

// aligned are integers by the scale and zero point of the first that is computed, and
// the integers that hold them all.
func (im *importer) aligned(n *pb.Node, in []*operand) (args []*operand, q *integers, err error) {
	for _, o := range in {
		if o == nil {
			return nil, nil, errors.New("lacks an argument")
		}
		if o.q != nil && q == nil {
			own := *o.q
			q = &own
		}
	}
	for _, o := range in {
		lo, hi := 0., 0.
		if o.c != nil {
			if o.c.typ != q.typ {
				return nil, nil, fmt.Errorf("of %s and %s", q.typ, o.c.typ)
			}
			if lo, hi, err = o.c.extremes(); err != nil {
				return nil, nil, err
			}
		} else {
			if o.q == nil || o.q.typ != q.typ {
				return nil, nil, fmt.Errorf("of %s integers and another type", q.typ)
			}
			lo, hi = o.q.lo, o.q.hi
		}
		q.lo, q.hi = min(q.lo, lo), max(q.hi, hi)
		r, err := im.reread(moduleName(n), o, q.scale, q.zero)
		if err != nil {
			return nil, nil, err
		}
		args = append(args, r)
	}
	return args, q, nil
}

// extremes are the least and greatest number.
func (t *tensor) extremes() (lo, hi float64, err error) {
	x, err := t.numbers()
	if err != nil || len(x) == 0 {
		return 0, 0, errors.Join(err, errors.New("has an empty constant"))
	}
	return slices.Min(x), slices.Max(x), nil
}

func concatIntegers(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	args, q, err := im.aligned(n, in)
	if err != nil {
		return nil, err
	}
	return withIntegers(q)(concat(im, n, args))
}

// withIntegers gives results their integers.
func withIntegers(q *integers) func(outs []*operand, err error) ([]*operand, error) {
	return func(outs []*operand, err error) ([]*operand, error) {
		if err != nil {
			return nil, err
		}
		return []*operand{{v: outs[0].v, shape: outs[0].shape, q: q}}, nil
	}
}

// padIntegers pads with an integer, 0 where none is given: the real that it stands for.
func padIntegers(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[0].q == nil {
		return nil, errors.New("has computed integers for its pads or its value")
	}
	value, err := bound(n, in, "value", 2, 0)
	if err != nil {
		return nil, err
	}
	q := *in[0].q
	q.lo, q.hi = min(q.lo, value), max(q.hi, value)
	return withIntegers(&q)(im.paddedBy(n, in, q.real(value)))
}

// fits refuses integers that would wrap around in their type.
func (q *integers) fits() error {
	if lo, hi := q.typ.limits(); q.lo < lo || q.hi > hi {
		return fmt.Errorf("of %s integers gives [%v,%v], which would wrap: a Cast to int32 before it and a Clip after it keep them", q.typ, q.lo, q.hi)
	}
	return nil
}

// sumOfIntegers imports Add and, with the sign -1, Sub. The second argument comes to the
// scale of the first; zero points add up.
func sumOfIntegers(sign float64) runner {
	op := map[float64]string{1: "Add", -1: "Sub"}[sign]
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		args, q, err := im.terms(n, in)
		if err != nil {
			return nil, err
		}
		r := [2]*integers{}
		for i, o := range args {
			if r[i], err = rangeOf(o, q.typ); err != nil {
				return nil, err
			}
			if args[i], err = im.realsOf(moduleName(n), o, q.scale, r[i].zero); err != nil {
				return nil, err
			}
		}
		lo, hi := r[1].lo, r[1].hi
		if sign < 0 {
			lo, hi = -hi, -lo
		}
		sum := &integers{q.typ, q.scale, r[0].zero + sign*r[1].zero, r[0].lo + lo, r[0].hi + hi}
		if err := sum.fits(); err != nil {
			return nil, err
		}
		return withIntegers(sum)(twoArguments(op)(im, n, args))
	}
}

// terms are two arguments and the integers of one that is computed.
func (im *importer) terms(_ *pb.Node, in []*operand) ([]*operand, *integers, error) {
	args := slices.Clone(in[:2])
	q := args[0].q
	if q == nil {
		q = args[1].q
	}
	return args, q, nil
}

// rangeOf are the integers of an argument; a constant has the zero point 0.
func rangeOf(o *operand, typ dtype) (*integers, error) {
	if o.c != nil {
		if o.c.typ != typ {
			return nil, fmt.Errorf("of %s and %s", typ, o.c.typ)
		}
		lo, hi, err := o.c.extremes()
		return &integers{typ, 1, 0, lo, hi}, err
	}
	if o.q == nil || o.q.typ != typ {
		return nil, fmt.Errorf("of %s integers and another type", typ)
	}
	return o.q, nil
}

// productOfIntegers imports Mul: both arguments come to the zero point 0, scales
// multiply.
func productOfIntegers(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	args, q, err := im.terms(n, in)
	if err != nil {
		return nil, err
	}
	product := &integers{typ: q.typ, scale: 1}
	r := [2]*integers{}
	for i, o := range args {
		if r[i], err = rangeOf(o, q.typ); err != nil {
			return nil, err
		}
		if args[i], err = im.realsOf(moduleName(n), o, r[i].scale, 0); err != nil {
			return nil, err
		}
		product.scale *= r[i].scale
	}
	ends := []float64{r[0].lo * r[1].lo, r[0].lo * r[1].hi, r[0].hi * r[1].lo, r[0].hi * r[1].hi}
	product.lo, product.hi = slices.Min(ends), slices.Max(ends)
	if err := product.fits(); err != nil {
		return nil, err
	}
	return withIntegers(product)(twoArguments("Mul")(im, n, args))
}

// gatherIntegers imports Gather of computed integers, or by computed indices.
func gatherIntegers(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[1].q == nil {
		return keptIntegers(gather)(im, n, in)
	}
	at, err := im.realsOf(moduleName(n), in[1], 1, 0)
	if err != nil {
		return nil, err
	}
	if in[0].c == nil || in[0].c.typ.isFloat() {
		return gather(im, n, []*operand{in[0], at})
	}
	lo, hi, err := in[0].c.extremes()
	if err != nil {
		return nil, err
	}
	rows, err := im.reread(moduleName(n), in[0], 1, 0)
	if err != nil {
		return nil, err
	}
	return withIntegers(&integers{in[0].c.typ, 1, 0, lo, hi})(gather(im, n, []*operand{rows, at}))
}

// scaleIndex finds the scale of each element of a tensor: of one scale, of one for each
// element of an axis, or of one for each block of elements along the axis.
func scaleIndex(shape, scales []int, axis, block int) (func(i int) int, error) {
	size := build.Product(scales)
	if size == 1 && block == 0 {
		return func(int) int { return 0 }, nil
	}
	axis, err := build.Axis(axis, len(shape))
	if err != nil {
		return nil, err
	}
	inner, along := build.Product(shape[axis+1:]), shape[axis]
	if block == 0 {
		if along != size {
			return nil, fmt.Errorf("by %d scales along an axis of %d", size, along)
		}
		return func(i int) int { return i / inner % along }, nil
	}
	want := slices.Clone(shape)
	if block > 0 {
		want[axis] = (along + block - 1) / block
	}
	if block < 0 || !slices.Equal(want, scales) {
		return nil, fmt.Errorf("of shape %v in blocks of %d along axis %d, by scales of shape %v", shape, block, axis, scales)
	}
	return func(i int) int {
		outer, k, rest := i/(inner*along), i/inner%along, i%inner
		return (outer*want[axis]+k/block)*inner + rest
	}, nil
}
