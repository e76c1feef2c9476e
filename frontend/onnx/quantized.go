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

// A quantized model becomes the float network that its integers stand for: its
// weights are dequantized, and its quantizations of activations drop out, but for the
// bounds that their integers set. dnnc quantizes anew.

// dequantized is a constant of integers as reals, with one scale and zero point, one for
// each element of an axis, or one for each block of elements along it.
func dequantized(t, scale, zero *tensor, axis, block int) (*tensor, error) {
	if t.typ.isFloat() || !scale.typ.isFloat() {
		return nil, errors.New("of elements that are no integers, or by scales that are")
	}
	s, z, err := scalesAndZeros(scale, zero)
	if err != nil {
		return nil, err
	}
	at, err := scaleIndex(t.shape, scale.shape, axis, block)
	if err != nil {
		return nil, err
	}
	of := func(typ dtype, f func(i int, v float64) float64) *tensor {
		return &tensor{name: t.name, typ: typ, shape: t.shape, data: t.mapped(f)}
	}
	out := of(float32Type, func(i int, v float64) float64 {
		k := at(i)
		return float64(v-z[k]) * s[k]
	})
	out.codes, out.steps = t, of(float32Type, func(i int, _ float64) float64 { return s[at(i)] })
	if slices.ContainsFunc(z, func(z float64) bool { return z != 0 }) {
		out.codes = of(float32Type, func(i int, v float64) float64 { return v - z[at(i)] })
	}
	return out, nil
}

// scalesAndZeros reads scales and as many zero points, 0 where there are none.
func scalesAndZeros(scale, zero *tensor) (s, z []float64, err error) {
	if s, err = scale.numbers(); err != nil {
		return nil, nil, err
	}
	z = make([]float64, len(s))
	if zero != nil {
		if z, err = zero.numbers(); err != nil {
			return nil, nil, err
		}
	}
	if len(s) == 0 || len(z) != len(s) {
		return nil, nil, fmt.Errorf("by %d scales and %d zero points", len(s), len(z))
	}
	return s, z, nil
}

// three are arguments i to i+2 as constants: integers, scale, zero point.
func three(in []*operand, i int) (c [3]*tensor, err error) {
	for k := range c {
		if c[k], err = constant(in, i+k, "weights, scales or zero points"); err != nil {
			return c, err
		}
	}
	if c[0] == nil || c[1] == nil {
		return c, errors.New("lacks weights or scales")
	}
	return c, nil
}

func foldDequantize(_ *importer, n *pb.Node, in []*operand) (*tensor, error) {
	c, err := three(in, 0)
	if err != nil {
		return nil, err
	}
	return dequantized(c[0], c[1], c[2], intAttr(n, "axis", 1), intAttr(n, "block_size", 0))
}

// foldQuantize is a constant of floats as integers.
func foldQuantize(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
	t, scale := in[0].c, in[1].c
	typ, err := quantizedType(n, in, 2)
	if err != nil {
		return nil, err
	}
	zero, err := constant(in, 2, "zero points")
	if err != nil {
		return nil, err
	}
	s, z, err := scalesAndZeros(scale, zero)
	if err != nil {
		return nil, err
	}
	at, err := scaleIndex(t.shape, scale.shape, intAttr(n, "axis", 1), intAttr(n, "block_size", 0))
	if err != nil {
		return nil, err
	}
	if err := im.room(build.Product(t.shape)); err != nil {
		return nil, err
	}
	x, err := t.numbers()
	if err != nil {
		return nil, err
	}
	lo, hi := typ.limits()
	for i, v := range x {
		k := at(i)
		if !(s[k] > 0) {
			return nil, errors.New("has scales that are not positive")
		}
		x[i] = min(max(math.RoundToEven(float64(float32(v)/float32(s[k])))+z[k], lo), hi)
	}
	return newTensor(typ, t.shape, x), nil
}

// quantizedType is the type of the integers that a quantization makes: of its zero point
// (argument i), else what output_dtype says, else uint8.
func quantizedType(n *pb.Node, in []*operand, i int) (dtype, error) {
	typ := uint8Type
	if to := dtype(intAttr(n, "output_dtype", 0)); to != 0 {
		typ = to
	}
	if i < len(in) && in[i] != nil && in[i].c != nil {
		typ = in[i].c.typ
	}
	if typ.bits() == 0 {
		return 0, fmt.Errorf("to %s; integers can be imported", typ)
	}
	return typ, nil
}

// dequantize gives integers the reals of its scale, which are those that they had where
// the scale is their own.
func dequantize(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[0].c != nil {
		return nil, errors.New("of a constant, by scales that are computed in the network")
	}
	s, z, err := scaleAndZero(in, 1)
	if err != nil {
		return nil, err
	}
	out, err := im.realsOf(moduleName(n), in[0], s, z)
	return []*operand{out}, err
}

// scaleAndZero reads one scale and zero point.
func scaleAndZero(in []*operand, i int) (s, z float64, err error) {
	st, err := constant(in, i, "scales")
	if err != nil {
		return 0, 0, err
	}
	zt, err := constant(in, i+1, "zero points")
	if err != nil {
		return 0, 0, err
	}
	x, err := st.numbers()
	if err != nil || len(x) != 1 || !(x[0] > 0) {
		return 0, 0, errors.New("has scales that are not one positive number")
	}
	if zt != nil {
		zs, err := zt.numbers()
		if err != nil || len(zs) != 1 {
			return 0, 0, errors.New("has zero points that are not one number")
		}
		z = zs[0]
	}
	return x[0], z, nil
}

// quantize keeps its argument, within the bounds that its integers set.
func quantize(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[0].c != nil {
		return nil, errors.New("of a constant, by scales that are computed in the network")
	}
	x := in[0]
	if x.q != nil { // of integers, which ONNX reads as numbers
		var err error
		if x, err = im.realsOf(moduleName(n), x, 1, 0); err != nil {
			return nil, err
		}
	}
	out, err := im.bounded(n, x, in, 1)
	return []*operand{out}, err
}

// bounded is a value within the bounds of the quantization that arguments i and i+1 are,
// with its integers.
func (im *importer) bounded(n *pb.Node, o *operand, in []*operand, i int) (*operand, error) {
	s, z, err := scaleAndZero(in, i)
	if err != nil {
		return nil, err
	}
	typ, err := quantizedType(n, in, i+1)
	if err != nil {
		return nil, err
	}
	q := typ.all(s, z)
	im.found = true
	if m, ok := q.marked(); im.exact && ok {
		y, err := im.Add(ir.Clip, moduleName(n)+".integers", []*ir.Value{o.v}, ir.AttrLow.Is(build.ShortFloat(q.real(q.lo))), ir.AttrHigh.Is(build.ShortFloat(q.real(q.hi))))
		if err != nil {
			return nil, err
		}
		im.marks[y] = m
		return &operand{v: y, shape: o.shape, q: q}, nil
	}
	least, most := q.real(q.lo), q.real(q.hi)
	// What lies within half a step of a bound is rounded to it.
	lo, hi := reach(o.v, 4)
	if lo >= least-s/2 {
		least = math.Inf(-1)
	}
	if hi <= most+s/2 {
		most = math.Inf(1)
	}
	if math.Abs(most-6) <= s/256 { // as near as a float32 scale comes
		most = 6
	}
	out, err := im.clippedAs(moduleName(n)+".bound", o, least, most)
	if err != nil {
		return nil, err
	}
	return &operand{v: out[0].v, shape: o.shape, q: q}, nil
}

// reach are bounds of a value by what computes it, as far as depth operations tell.
func reach(v *ir.Value, depth int) (lo, hi float64) {
	lo, hi = math.Inf(-1), math.Inf(1)
	if v.Def == nil {
		if v.Range != nil {
			return v.Range.Lo, v.Range.Hi
		}
		return lo, hi
	}
	if depth == 0 {
		return lo, hi
	}
	d := v.Def
	switch d.Op {
	case ir.Relu, ir.Abs, ir.Exp:
		lo = 0
	case ir.Relu6:
		lo, hi = 0, 6
	case ir.Softmax, ir.Sigmoid, ir.HardSigmoid:
		return 0, 1
	case ir.Tanh, ir.Recurrent:
		return -1, 1
	case ir.Clip:
		lo, hi = d.Float(ir.AttrLow), d.Float(ir.AttrHigh)
	}
	switch d.Op {
	case ir.Relu, ir.Relu6, ir.Clip:
		l, h := reach(d.Args[0], depth-1)
		return min(max(lo, l), hi), max(min(hi, h), lo)
	case ir.MaxPool2D, ir.AvgPool2D, ir.GlobalAvgPool, ir.Minimum, ir.Maximum, ir.Concat, ir.Copy, ir.Reshape, ir.Flatten, ir.Transpose:
		lo, hi = reach(d.Args[0], depth-1)
		for _, a := range d.Args[1:] {
			l, h := reach(a, depth-1)
			lo, hi = min(lo, l), max(hi, h)
		}
	case ir.Add, ir.Mul: // of values that are not negative
		for _, a := range d.Args {
			if l, _ := reach(a, depth-1); l < 0 {
				return lo, hi
			}
		}
		lo = 0
	}
	return lo, hi
}

// qlinearConv is a convolution with its quantizations around it: x, its scale and
// zero point, the weights, theirs, the result's, the bias.
func qlinearConv(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	x, w, b, err := im.quantizedLayer(n, in, 0)
	if err != nil {
		return nil, err
	}
	args := []*operand{x, {c: w, shape: w.shape}}
	if b != nil {
		args = append(args, &operand{c: b, shape: b.shape})
	}
	return im.behind(n, in, 6)(conv(im, n, args))
}

// quantizedLayer are the reals of the input (arguments 0 to 2), of weights (3 to 5) and of
// a bias (8), whose scale is the product of the input's and the weights'.
func (im *importer) quantizedLayer(n *pb.Node, in []*operand, axis int) (x *operand, w, b *tensor, err error) {
	s, z, err := scaleAndZero(in, 1)
	if err != nil {
		return nil, nil, nil, err
	}
	if x, err = im.realsOf(moduleName(n), in[0], s, z); err != nil {
		return nil, nil, nil, err
	}
	if x.v == nil {
		return nil, nil, nil, errors.New("has a constant for an argument that must be computed")
	}
	c, err := three(in, 3)
	if err != nil {
		return nil, nil, nil, err
	}
	if w, err = dequantized(c[0], c[1], c[2], axis, 0); err != nil {
		return nil, nil, nil, err
	}
	bias, err := constant(in, 8, "biases")
	if err != nil || bias == nil {
		return x, w, nil, err
	}
	scales, err := c[1].numbers()
	if err != nil {
		return nil, nil, nil, err
	}
	for i := range scales {
		scales[i] *= s
	}
	b, err = dequantized(bias, newTensor(float32Type, []int{len(scales)}, scales), nil, 0, 0)
	return x, w, b, err
}

// qlinearMatMul is a product with constant weights.
func qlinearMatMul(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[3] != nil && in[3].c == nil { // of two computed matrices
		return requantized(matmul, 6, 0, 3)(im, n, in)
	}
	x, w, _, err := im.quantizedLayer(n, in[:min(len(in), 8)], -1)
	if err != nil {
		return nil, err
	}
	return im.behind(n, in, 6)(matmul(im, n, []*operand{x, {c: w, shape: w.shape}}))
}

// qgemm is a layer of the weights' reals: the input, the weights and the bias, each
// with its scale and zero point, but for the bias, whose scale is their product.
func qgemm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	var bias *operand
	if len(in) > 6 {
		bias = in[6]
	}
	args := slices.Concat(in[:6], []*operand{nil, nil, bias})
	x, w, b, err := im.quantizedLayer(n, args, 1-intAttr(n, "transB", 0))
	if err != nil {
		return nil, err
	}
	layer := []*operand{x, {c: w, shape: w.shape}}
	if b != nil {
		layer = append(layer, &operand{c: b, shape: b.shape})
	}
	return im.behind(n, in, 7)(gemm(im, n, layer))
}

// behind takes results to within the bounds of the quantization that arguments i and i+1
// are, where there is one.
func (im *importer) behind(n *pb.Node, in []*operand, i int) func([]*operand, error) ([]*operand, error) {
	return func(outs []*operand, err error) ([]*operand, error) {
		if err != nil || i >= len(in) || in[i] == nil {
			return outs, err
		}
		out, err := im.bounded(n, outs[0], in, i)
		return []*operand{out}, err
	}
}

// requantized imports one of onnxruntime's operations of integers as that of their
// reals: args are the places of its values among the arguments, each with its scale and
// zero point after it, and scale that of the result's.
func requantized(run runner, scale int, args ...int) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		if intAttr(n, "channels_last", 0) != 0 {
			return nil, errors.New("has its channels last (channels_last), as onnxruntime's own optimisation writes it: save the model at a lower level of optimisation")
		}
		var reals []*operand
		for _, i := range args {
			if i >= len(in) || in[i] == nil {
				return nil, errors.New("lacks an argument")
			}
			s, z, err := scaleAndZero(in, i+1)
			if err != nil {
				return nil, err
			}
			r, err := im.realsOf(moduleName(n), in[i], s, z)
			if err != nil {
				return nil, err
			}
			reals = append(reals, r)
		}
		return im.behind(n, in, scale)(run(im, n, reals))
	}
}

// qlinearSoftmax is onnxruntime's, which says by an attribute which opset's it is.
func qlinearSoftmax(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	opset := im.opset
	defer func() { im.opset = opset }()
	im.opset = intAttr(n, "opset", opset)
	return softmaxOf(ir.Softmax)(im, n, in)
}

// qlinearWhere chooses between values by a condition, which has no scale.
func qlinearWhere(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	run := func(im *importer, n *pb.Node, reals []*operand) ([]*operand, error) {
		return where(im, n, slices.Concat(in[:1], reals))
	}
	return requantized(run, 7, 1, 4)(im, n, in)
}

// qlinearConcat is a concatenation of values that have a scale and zero point each,
// after the result's.
func qlinearConcat(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	var args []int
	for i := 2; i < len(in); i += 3 {
		if in[i] == nil {
			return nil, errors.New("lacks an argument")
		}
		args = append(args, i)
	}
	return requantized(concat, 0, args...)(im, n, in)
}

// sumOf adds any number of values.
func sumOf(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	sum := in[0]
	for _, o := range in[1:] {
		if o == nil {
			return nil, errors.New("lacks an argument")
		}
		next, err := twoArguments("Add")(im, n, []*operand{sum, o})
		if err != nil {
			return nil, err
		}
		sum = next[0]
	}
	return []*operand{sum}, nil
}

// tileView repeats a tensor along its axes.
func tileView(_ *importer, n *pb.Node, in []*operand) (ir.View, error) {
	times, err := intsOf(n, in, "repeats", 1)
	if err != nil {
		return ir.View{}, err
	}
	if len(times) != len(in[0].shape) {
		return ir.View{}, fmt.Errorf("of %v by %v", in[0].shape, times)
	}
	v := ir.ViewOf(in[0].shape)
	out := ir.View{}
	for k, d := range v.Dims {
		if times[k] < 1 {
			return ir.View{}, fmt.Errorf("of %v by %v", in[0].shape, times)
		}
		out.Dims, out.Strides = append(out.Dims, times[k], d), append(out.Strides, 0, v.Strides[k])
	}
	return out, nil
}

// tile imports Tile; the view has two axes for each of the result's.
func tile(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	v, err := tileView(im, n, in)
	if err != nil {
		return nil, err
	}
	outs, err := im.viewed(n, in[0], v)
	if err != nil {
		return nil, err
	}
	var shape []int
	for k := 0; k < len(v.Dims); k += 2 {
		shape = append(shape, v.Dims[k]*v.Dims[k+1])
	}
	return result(outs[0].v, shape), nil
}

// dynamicQuantize drops out: what it would quantize stays real, with a scale of 1.
func dynamicQuantize(_ *importer, _ *pb.Node, in []*operand) ([]*operand, error) {
	return []*operand{{v: in[0].v, shape: in[0].shape, q: uint8Type.all(1, 0), dynamic: true},
		{c: newTensor(float32Type, nil, []float64{1}), dynamic: true}, {c: newTensor(uint8Type, nil, []float64{0}), dynamic: true}}, nil
}

// onDynamic imports an operation of values in units of a scale that the model finds when
// it runs, or of that scale. Only what multiplies such a value by its scale, once, has a
// meaning without the scale.
func (im *importer) onDynamic(run runner, n *pb.Node, in []*operand) ([]*operand, error) {
	is := func(i int) bool { return i < len(in) && in[i] != nil && in[i].dynamic }
	op, isMoved := n.GetOpType(), false
	switch op {
	case "DequantizeLinear":
		if is(0) && is(1) && is(2) {
			return run(im, n, in)
		}
	case "MatMulInteger", "ConvInteger":
		if is(0) && !is(1) && is(2) && !is(3) {
			return inUnits(run(im, n, in))
		}
	case "Mul":
		switch {
		case is(0) && is(1) && (in[0].v == nil) != (in[1].v == nil) && in[0].q == nil && in[1].q == nil:
			return run(im, n, in)
		case in[0].v != nil && is(0) && !is(1) && in[1].c != nil, in[1].v != nil && is(1) && !is(0) && in[0].c != nil:
			return inUnits(run(im, n, in))
		}
	case "Cast", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Transpose", "Slice", "Split", "Gather":
		isMoved = is(0) && !is(1)
	}
	if isMoved {
		return inUnits(run(im, n, in))
	}
	return nil, errDynamic
}

// countDynamic counts the arguments that are dynamic.
func countDynamic(in []*operand) int {
	count := 0
	for _, o := range in {
		if o != nil && o.dynamic {
			count++
		}
	}
	return count
}

var errDynamic = errors.New("of values that a DynamicQuantizeLinear quantized, which have a meaning only times its scale: quantize the model statically, or import the float model")

// inUnits marks results as dynamic.
func inUnits(outs []*operand, err error) ([]*operand, error) {
	for i, o := range outs {
		if err == nil && o != nil {
			next := *o
			next.dynamic = true
			outs[i] = &next
		}
	}
	return outs, err
}

// integerLayer imports ConvInteger or MatMulInteger as the layer of the differences
// from the zero points. axis is that along which zero points of weights differ.
func integerLayer(layer runner, axis int) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		w, err := constant(in, 1, "weights")
		if err != nil {
			return nil, err
		}
		zero, err := constant(in, 3, "zero points")
		if err != nil {
			return nil, err
		}
		scales := []float64{1}
		if zero != nil && zero.size() > 1 {
			scales = slices.Repeat(scales, zero.size())
		}
		weight, err := dequantized(w, newTensor(float32Type, []int{len(scales)}, scales), zero, axis, 0)
		if err != nil {
			return nil, err
		}
		z, err := constant(in, 2, "zero points")
		if err != nil {
			return nil, err
		}
		at := 0.
		if z != nil {
			zs, err := z.numbers()
			if err != nil || len(zs) != 1 {
				return nil, errors.New("has zero points that are not one number")
			}
			at = zs[0]
		}
		x, err := im.realsOf(moduleName(n), in[0], 1, at)
		if err != nil {
			return nil, err
		}
		if x.v == nil {
			return nil, errors.New("has a constant for an argument that must be computed")
		}
		return withIntegers(int32Type.all(1, 0))(layer(im, n, []*operand{x, {c: weight, shape: weight.shape}}))
	}
}
