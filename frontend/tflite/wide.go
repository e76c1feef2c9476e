package tflite

import (
	"errors"
	"fmt"
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// What TensorFlow Lite computes of activations of int16, with weights of int8: its 16x8 scheme.

// wordReach is the greatest magnitude of an int16.
const wordReach = 1 << 15

// mostWide is the greatest multiplier of sums of 64 bits, whose upper 16 bits it takes, saturated.
const mostWide = math.MaxInt16 << 16

// wideRequant are the constants of an exact requantization of sums of 64 bits (R7).
func (im *importer) wideRequant(name string, factors []float64, reach []int64) ([]ir.Attr, error) {
	mul, shift := make([]int64, len(factors)), make([]int64, len(factors))
	for i, f := range factors {
		m, r, err := geometry.WideMultiplierFor(f, reach[i])
		if err != nil {
			return nil, err
		}
		mul[i], shift[i] = min(int64(m), mostWide), int64(r)
	}
	shape := ir.Shape{len(factors)}
	return []ir.Attr{ir.AttrMul.Is(im.Ints(name+".mul", ir.I32, shape, mul)), ir.AttrShift.Is(im.Ints(name+".shift", ir.I32, shape, shift))}, nil
}

// widePair are the constants of a sum, a difference or a product.
func (im *importer) widePair(op ir.Op, o *operator, name string, a, b, y ir.Quant) ([]ir.Attr, error) {
	if op == ir.Mul {
		return im.requant(name, []float64{float64(float32(a.Scale) * float32(b.Scale) / float32(y.Scale))}, wordReach*wordReach)
	}
	if o.options.byte(1, 1) != 0 {
		return nil, errors.New("of int16 whose scales are said to be powers of two, which is of older converters")
	}
	p, err := geometry.NewWideAddParams(geometry.RoundTFLite, a.Scale, b.Scale, y.Scale, 0, math.MinInt16, math.MaxInt16)
	if err != nil {
		return nil, err
	}
	return im.threeFactors(name, p), nil
}

// wideUnary adds a function of int16: sigmoid and tanh by their table, relu by bounds. Tables of other
// functions are made in TensorFlow Lite when it runs.
func (im *importer) wideUnary(op ir.Op, o *operator, x *operand, q ir.Quant) error {
	in := x.v.Type.Quant
	switch op {
	case ir.Relu:
		return im.rescaleWide(o, x, ir.Type{Elem: ir.Of(ir.I16), Quant: q}, float64(float32(in.Scale)/float32(q.Scale)), actRelu)
	case ir.Relu6:
		return im.rescaleWide(o, x, ir.Type{Elem: ir.Of(ir.I16), Quant: q}, float64(float32(in.Scale)/float32(q.Scale)), actRelu6)
	case ir.Sigmoid, ir.Tanh:
	default:
		return fmt.Errorf("of int16, which has no integers to keep: -exact=false quantizes the model anew")
	}
	if q.Scale != 1./wordReach {
		return errors.New("has a result of int16 whose scale is not 1/32768")
	}
	mul, shift := sigmoidFactor(in.Scale, op == ir.Tanh)
	name, one := im.Name(im.hint(o)), ir.Shape{1}
	half := kernels.HalfSigmoid()
	entries := make([]int64, len(half))
	for i, v := range half {
		entries[i] = int64(v)
	}
	y, err := im.AddQuantized(ir.Table, name, []*ir.Value{x.v}, q, ir.AttrFn.Is(op.String()), ir.AttrTable.Is(im.Ints(name+".table", ir.I16, ir.Shape{len(half)}, entries)),
		ir.AttrMul.Is(im.Ints(name+".mul", ir.I32, one, []int64{int64(mul)})), ir.AttrShift.Is(im.Ints(name+".shift", ir.I32, one, []int64{int64(shift)})))
	if err != nil {
		return err
	}
	return im.give(o, x.like(y, x.shape))
}

// sigmoidFactor is kernels.SigmoidFactor, cut off as TensorFlow Lite does; of scales that are powers of
// two a multiple of 3 without a shift, where it is one.
func sigmoidFactor(scale float64, isTanh bool) (mul, shift int32) {
	most := 0
	if isTanh {
		most = 1
	}
	log := math.Log2(scale)
	if left := 12 + int(math.Round(log)); math.Abs(log-math.Round(log)) < 1e-3 && left >= 0 && left <= most {
		return 3 << left, 0
	}
	return kernels.SigmoidFactor(scale)
}

// rescaleWide adds a value on another scale, within the bounds of an activation.
func (im *importer) rescaleWide(o *operator, x *operand, to ir.Type, factor float64, fused int) error {
	attrs, err := im.activation(fused, to)
	if err != nil {
		return err
	}
	name := im.Name(im.hint(o))
	rq, err := im.requant(name, []float64{factor}, wordReach)
	if err != nil {
		return err
	}
	y, err := im.AddOf(ir.Requantize, name, []*ir.Value{x.v}, to, append(attrs, rq...)...)
	if err != nil {
		return err
	}
	return im.give(o, x.like(y, x.shape))
}

// wideSoftmax are the tables and the factor of a softmax of int16 (R15).
func (im *importer) wideSoftmax(name string, scale float64, q ir.Quant) ([]ir.Attr, error) {
	if q.Scale != 1./wordReach {
		return nil, errors.New("has a result of int16 whose scale is not 1/32768")
	}
	mul, shift, err := kernels.SoftmaxWideFactor(scale)
	if err != nil {
		return nil, err
	}
	t := kernels.SoftmaxWideTables()
	entries := make([]int64, len(t))
	for i, v := range t {
		entries[i] = int64(v)
	}
	one := ir.Shape{1}
	return []ir.Attr{ir.AttrTable.Is(im.Ints(name+".table", ir.I16, ir.Shape{2, ir.WideTable}, entries)),
		ir.AttrMul.Is(im.Ints(name+".mul", ir.I32, one, []int64{int64(mul)})), ir.AttrShift.Is(im.Ints(name+".shift", ir.I32, one, []int64{int64(shift)}))}, nil
}
