package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// A quantized model becomes the float network that its integers stand for: its
// weights are dequantized, its quantizations of activations drop out, but for the
// bound at 0 that they set where a relu was taken into them. dnnc quantizes anew.

// dequantized is a constant of integers as reals, with one scale and zero point or
// one an element of an axis.
func dequantized(t, scale, zero *tensor, axis int) (*tensor, error) {
	if t.typ.isFloat() || !scale.typ.isFloat() {
		return nil, errors.New("of elements that are no integers, or by scales that are")
	}
	s, err := scale.numbers()
	if err != nil {
		return nil, err
	}
	z := make([]float64, len(s))
	if zero != nil {
		if z, err = zero.numbers(); err != nil {
			return nil, err
		}
	}
	inner := 1
	if len(s) > 1 {
		if axis, err = build.Axis(axis, len(t.shape)); err != nil {
			return nil, err
		}
		if t.shape[axis] != len(s) {
			return nil, fmt.Errorf("by %d scales along an axis of %d", len(s), t.shape[axis])
		}
		inner = build.Product(t.shape[axis+1:])
	}
	if len(s) == 0 || len(z) != len(s) {
		return nil, fmt.Errorf("by %d scales and %d zero points", len(s), len(z))
	}
	return &tensor{name: t.name, typ: float32Type, shape: t.shape, data: t.mapped(func(i int, v float64) float64 {
		k := i / inner % len(s)
		return float64(v-z[k]) * s[k]
	})}, nil
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
	return dequantized(c[0], c[1], c[2], intAttr(n, "axis", 1))
}

// dequantize gives an integer input its reals, and drops out behind a
// quantization.
func dequantize(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[0].v == nil || !im.integers[in[0].v] {
		return []*operand{in[0]}, nil
	}
	s, z, err := scaleAndZero(in, 1)
	if err != nil {
		return nil, err
	}
	v, err := im.Add(ir.Normalize, moduleName(n), []*ir.Value{in[0].v}, ir.AttrMean.Is([]float64{z}), ir.AttrStd.Is([]float64{shortFloat(1 / s)}))
	if err != nil {
		return nil, err
	}
	return result(v, in[0].shape), nil
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

// quantize drops out; a zero point at the least integer is a relu.
func quantize(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	v, err := im.bounded(n, in[0].v, in, 1)
	if err != nil {
		return nil, err
	}
	return result(v, in[0].shape), nil
}

// bounded is a value within the bound at 0 of the quantization that arguments i
// and i+1 are.
func (im *importer) bounded(n *pb.Node, v *ir.Value, in []*operand, i int) (*ir.Value, error) {
	_, z, err := scaleAndZero(in, i)
	if err != nil {
		return nil, err
	}
	least := 0. // of uint8, which an absent zero point means
	if i+1 < len(in) && in[i+1] != nil && in[i+1].c != nil && in[i+1].c.typ == int8Type {
		least = -128
	}
	if z != least || isPositive(v, 4) {
		return v, nil
	}
	return im.Add(ir.Relu, moduleName(n)+".bound", []*ir.Value{v})
}

// isPositive reports whether a value is 0 and more by what computes it, as far as depth
// operations tell.
func isPositive(v *ir.Value, depth int) bool {
	if v.Def == nil || depth == 0 {
		return v.Range != nil && v.Range.Lo >= 0
	}
	switch v.Def.Op {
	case ir.Relu, ir.Relu6, ir.Softmax, ir.Sigmoid, ir.HardSigmoid, ir.Exp, ir.Abs:
		return true
	case ir.MaxPool2D, ir.AvgPool2D, ir.GlobalAvgPool, ir.Add, ir.Mul, ir.Minimum, ir.Maximum, ir.Concat, ir.Copy, ir.Reshape, ir.Flatten, ir.Transpose:
		return !slices.ContainsFunc(v.Def.Args, func(a *ir.Value) bool { return !isPositive(a, depth-1) })
	}
	return false
}

// qlinearConv is a convolution with its quantizations around it: x, its scale and
// zero point, the weights, theirs, the result's, the bias.
func qlinearConv(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	w, b, err := im.quantizedLayer(in, 0)
	if err != nil {
		return nil, err
	}
	args := []*operand{in[0], {c: w, shape: w.shape}}
	if b != nil {
		args = append(args, &operand{c: b, shape: b.shape})
	}
	return im.behind(n, in, 6)(conv(im, n, args))
}

// quantizedLayer are the reals of weights (arguments 3 to 5) and of a bias (8),
// whose scale is the product of the input's and the weights'.
func (im *importer) quantizedLayer(in []*operand, axis int) (w, b *tensor, err error) {
	if in[0].v == nil || im.integers[in[0].v] {
		return nil, nil, errors.New("of an integer input: it must be dequantized, or quantized from float, first")
	}
	s, _, err := scaleAndZero(in, 1)
	if err != nil {
		return nil, nil, err
	}
	c, err := three(in, 3)
	if err != nil {
		return nil, nil, err
	}
	if w, err = dequantized(c[0], c[1], c[2], axis); err != nil {
		return nil, nil, err
	}
	bias, err := constant(in, 8, "biases")
	if err != nil || bias == nil {
		return w, nil, err
	}
	scales, err := c[1].numbers()
	if err != nil {
		return nil, nil, err
	}
	for i := range scales {
		scales[i] *= s
	}
	b, err = dequantized(bias, newTensor(float32Type, []int{len(scales)}, scales), nil, 0)
	return w, b, err
}

// qlinearMatMul is a product with constant weights.
func qlinearMatMul(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	w, _, err := im.quantizedLayer(in[:min(len(in), 8)], 1)
	if err != nil {
		return nil, err
	}
	return im.behind(n, in, 6)(matmul(im, n, []*operand{in[0], {c: w, shape: w.shape}}))
}

// qgemm is a layer of the weights' reals: the input, the weights and the bias, each
// with its scale and zero point, but for the bias, whose scale is their product.
func qgemm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	var bias *operand
	if len(in) > 6 {
		bias = in[6]
	}
	args := slices.Concat(in[:6], []*operand{nil, nil, bias})
	w, b, err := im.quantizedLayer(args, 1-intAttr(n, "transB", 0))
	if err != nil {
		return nil, err
	}
	layer := []*operand{in[0], {c: w, shape: w.shape}}
	if b != nil {
		layer = append(layer, &operand{c: b, shape: b.shape})
	}
	return im.behind(n, in, 7)(gemm(im, n, layer))
}

// behind takes results to within the bound at 0 of the quantization that arguments i
// and i+1 are, where there is one.
func (im *importer) behind(n *pb.Node, in []*operand, i int) func([]*operand, error) ([]*operand, error) {
	return func(outs []*operand, err error) ([]*operand, error) {
		if err != nil || i >= len(in) || in[i] == nil {
			return outs, err
		}
		v, err := im.bounded(n, outs[0].v, in, i)
		return result(v, outs[0].shape), err
	}
}

// requantized imports one of onnxruntime's operations of integers as that of their
// reals: args are the places of its values among the arguments, and scale that of the
// result's.
func requantized(run runner, scale int, args ...int) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		var reals []*operand
		for _, i := range args {
			if in[i].v == nil || im.integers[in[i].v] {
				return nil, errors.New("of integers that are an input or a constant: they must be dequantized, or quantized from float, first")
			}
			reals = append(reals, in[i])
		}
		return im.behind(n, in, scale)(run(im, n, reals))
	}
}

// qlinearConcat is a concatenation of values that have a scale and zero point each,
// behind the result's.
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

// layerNorm is composed: the deviation from the mean times the reciprocal of its
// root mean square, then a scale and an offset.
func layerNorm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	shape := in[0].shape
	axis, err := build.Axis(intAttr(n, "axis", -1), len(shape))
	if err != nil {
		return nil, err
	}
	if len(n.Output) > 1 {
		return nil, errors.New("gives its mean or deviation")
	}
	own := ir.Shape{build.Product(shape[:axis]), build.Product(shape[axis:])}
	x, err := im.as(in[0], own)
	if err != nil {
		return nil, err
	}
	name := moduleName(n)
	do := func(op ir.Op, role string, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
		if err != nil {
			return nil
		}
		var v *ir.Value
		v, err = im.Add(op, name+role, args, attrs...)
		return v
	}
	rows := []ir.Attr{ir.AttrAxes.Is([]int{1}), ir.AttrKeep.Is(1)}
	wide := ir.AttrShape.Is([]int(own))
	mean := do(ir.Expand, ".means", []*ir.Value{do(ir.Reduce, ".mean", []*ir.Value{x}, rows...)}, wide)
	d := do(ir.Sub, ".deviation", []*ir.Value{x, mean})
	variance := do(ir.Reduce, ".variance", []*ir.Value{do(ir.Mul, ".square", []*ir.Value{d, d})}, rows...)
	if err != nil {
		return nil, err
	}
	shifted, err := im.scaleShift(name+".eps", variance, []float32{1}, []float32{float32(floatAttr(n, "epsilon", 1e-5))})
	if err != nil {
		return nil, err
	}
	root := do(ir.Reciprocal, ".factor", []*ir.Value{do(ir.Sqrt, ".root", []*ir.Value{shifted})})
	y := do(ir.Mul, "", []*ir.Value{d, do(ir.Expand, ".factors", []*ir.Value{root}, wide)})
	if err != nil {
		return nil, err
	}
	out := &operand{v: y, shape: shape}
	if out.v, err = im.Reshape(y, build.Canonical(shape)); err != nil {
		return nil, err
	}
	for i, op := range []string{"Mul", "Add"} {
		if 1+i < len(in) && in[1+i] != nil {
			next, err := twoArguments(op)(im, n, []*operand{out, in[1+i]})
			if err != nil {
				return nil, err
			}
			out = next[0]
		}
	}
	return []*operand{out}, nil
}

// dynamicQuantize drops out: what it would quantize stays real, with a scale of 1.
func dynamicQuantize(_ *importer, _ *pb.Node, in []*operand) ([]*operand, error) {
	return []*operand{{v: in[0].v, shape: in[0].shape, dynamic: true},
		{c: newTensor(float32Type, nil, []float64{1})}, {c: newTensor(uint8Type, nil, []float64{0})}}, nil
}

// integerLayer imports ConvInteger or MatMulInteger as the layer of the differences
// from the zero points: of an input of integers, or behind DynamicQuantizeLinear.
// axis is that along which zero points of weights differ.
func integerLayer(layer runner, axis int) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		x := in[0]
		if x.v == nil || !x.dynamic && !im.integers[x.v] {
			return nil, errors.New("of integers that are no input and not quantized dynamically; QLinearConv and QLinearMatMul have scales")
		}
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
		weight, err := dequantized(w, newTensor(float32Type, []int{len(scales)}, scales), zero, axis)
		if err != nil {
			return nil, err
		}
		z, err := constant(in, 2, "zero points")
		if err != nil {
			return nil, err
		}
		if z != nil {
			zs, err := z.numbers()
			if err != nil || len(zs) != 1 {
				return nil, errors.New("has zero points that are not one number")
			}
			if zs[0] != 0 {
				v, err := im.Add(ir.Normalize, moduleName(n)+".centred", []*ir.Value{x.v}, ir.AttrMean.Is(zs), ir.AttrStd.Is([]float64{1}))
				if err != nil {
					return nil, err
				}
				x = &operand{v: v, shape: x.shape}
			}
		}
		return layer(im, n, []*operand{x, {c: weight, shape: weight.shape}})
	}
}
