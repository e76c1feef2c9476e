package ir

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/diag"
)

// f32 is a float value.
func f32(name string, shape ...int) *Value {
	return &Value{Name: name, Type: Type{Elem: Of(F32), Shape: shape}}
}

// op is an operation y on values.
func op(o Op, args []*Value, attrs ...Attr) *Node {
	n := &Node{Op: o, Args: args, Out: &Value{Name: "y"}}
	n.Out.Def = n
	n.Put(attrs...)
	return n
}

func on(args ...*Value) []*Value { return args }

// consts is a float constant of zeros.
func consts(name string, shape ...int) *Const {
	return FloatConst(name, shape, make([]float32, max(Shape(shape).Size(), 0)))
}

// TestInferShapes: results of each kind of operation, worked out by hand.
func TestInferShapes(t *testing.T) {
	x := f32("x", 4, 6, 8)
	w := AttrWeight.Is(consts("w", 6, 2, 3, 2))
	conv := func(attrs ...Attr) *Node {
		return op(Conv2D, on(x), append([]Attr{w, AttrGroups.Is(2)}, attrs...)...)
	}
	pool := func(attrs ...Attr) *Node { return op(MaxPool2D, on(x), attrs...) }
	matrix := f32("m", 5, 7)
	integers := &Value{Name: "q", Type: Type{Elem: Of(I8), Shape: Shape{4, 6, 8}}}
	pooled := conv(AttrPool.Is([]int{2, 3}))
	pooled.Args = on(integers)
	for _, c := range []struct {
		n    *Node
		want Shape
	}{
		{conv(), Shape{6, 4, 7}},
		{conv(AttrPad.Is([]int{1, 2, 0, 3})), Shape{6, 5, 12}},
		{conv(AttrStride.Is([]int{2, 3})), Shape{6, 2, 3}},
		{conv(AttrDilation.Is([]int{2, 7})), Shape{6, 2, 1}},
		{conv(AttrPadValue.Is([]float64{1, 2, 3, 4}), AttrBias.Is(consts("b", 6))), Shape{6, 4, 7}},
		{pooled, Shape{6, 2, 2}},
		{op(Linear, on(x), AttrWeight.Is(consts("w", 10, 192)), AttrBias.Is(consts("b", 10))), Shape{10}},
		{pool(AttrKernel.Is([]int{2, 3})), Shape{4, 3, 2}},
		{pool(AttrKernel.Is([]int{2, 3}), AttrStride.Is([]int{1, 1})), Shape{4, 5, 6}},
		{pool(AttrKernel.Is([]int{2, 3}), AttrPad.Is([]int{1, 2, 1, 2}), AttrDilation.Is([]int{1, 2})), Shape{4, 4, 3}},
		{pool(AttrKernel.Is([]int{6, 8})), Shape{4, 1, 1}},
		{op(GlobalAvgPool, on(x)), Shape{4, 1, 1}},
		{op(Relu, on(matrix)), Shape{5, 7}},
		{op(Add, on(matrix, matrix)), Shape{5, 7}},
		{op(Concat, on(x, f32("z", 3, 6, 8), x)), Shape{11, 6, 8}},
		{op(Flatten, on(x)), Shape{192}},
		{op(Reshape, on(x), AttrShape.Is([]int{12, 16})), Shape{12, 16}},
		{op(BatchNorm, on(x), AttrGamma.Is(consts("g", 4)), AttrBeta.Is(consts("b", 4)), AttrRunningMean.Is(consts("m", 4)), AttrVariance.Is(consts("v", 4))), Shape{4, 6, 8}},
		{op(Softmax, on(x), AttrAxis.Is(2)), Shape{4, 6, 8}},
		{op(Normalize, on(x), AttrMean.Is([]float64{0}), AttrStd.Is([]float64{1, 2, 3, 4})), Shape{4, 6, 8}},
		{op(Transpose, on(x), AttrPerm.Is([]int{2, 0, 1})), Shape{8, 4, 6}},
		{op(Slice, on(x), AttrStarts.Is([]int{1, 5, 0}), AttrSize.Is([]int{3, 2, 8})), nil},
		{op(Slice, on(x), AttrStarts.Is([]int{1, 5, 7}), AttrSize.Is([]int{3, 6, 4}), AttrStep.Is([]int{1, -1, -2})), Shape{3, 6, 4}},
		{op(Expand, on(f32("e", 5, 1)), AttrShape.Is([]int{2, 5, 7})), Shape{2, 5, 7}},
		{op(DepthToSpace, on(x), AttrBlock.Is(2)), Shape{1, 12, 16}},
		{op(SpaceToDepth, on(x), AttrBlock.Is(2)), Shape{16, 3, 4}},
		{op(Resize, on(x), AttrScale.Is([]int{2, 3})), Shape{4, 12, 24}},
		{op(Copy, on(x), AttrShape.Is([]int{6}), AttrDims.Is([]int{2, 3}), AttrStrides.Is([]int{-48, 64}), AttrStart.Is(48)), Shape{6}},
		{op(Pad, on(matrix), AttrBefore.Is([]int{1, 0}), AttrAfter.Is([]int{0, 2}), AttrBetween.Is([]int{3, 0})), Shape{1 + 5 + 4*3, 9}},
		{op(Pad, on(matrix), AttrBefore.Is([]int{4, 0}), AttrAfter.Is([]int{0, 6}), AttrMode.Is(PadReflect)), Shape{9, 13}},
		{op(Pad, on(matrix), AttrBefore.Is([]int{5, 0}), AttrAfter.Is([]int{0, 7}), AttrMode.Is(PadSymmetric)), Shape{10, 14}},
		{op(Pad, on(matrix), AttrBefore.Is([]int{5, 0}), AttrAfter.Is([]int{0, 7}), AttrMode.Is(PadWrap)), Shape{10, 14}},
		{op(Pad, on(matrix), AttrBefore.Is([]int{50, 0}), AttrAfter.Is([]int{0, 0}), AttrMode.Is(PadEdge)), Shape{55, 7}},
		{op(Reduce, on(x), AttrAxes.Is([]int{0, 2})), Shape{6}},
		{op(Reduce, on(x), AttrAxes.Is([]int{0, 2}), AttrKeep.Is(1)), Shape{1, 6, 1}},
		{op(Reduce, on(matrix), AttrAxes.Is([]int{0, 1})), Shape{1}},
		{op(MatMul, on(matrix, f32("n", 7, 3))), Shape{5, 3}},
		{op(MatMul, on(f32("a", 2, 3, 4), f32("b", 2, 4, 5))), Shape{2, 3, 5}},
		{op(MatMul, on(f32("a", 1, maxProducts), f32("b", maxProducts, 1))), Shape{1, 1}},
		{op(ArgMax, on(x), AttrAxis.Is(1)), Shape{4, 8}},
		{op(ArgMax, on(f32("v", 256))), Shape{1}},
		{op(Embedding, on(f32("i", 9)), AttrRows.Is(consts("r", MostRows, 3))), Shape{9, 3}},
	} {
		got, d := InferNode(c.n)
		if c.want == nil {
			assert.NotNil(t, d, "%s", c.n)
			continue
		}
		if assert.Nil(t, d, "%s", c.n) {
			assert.Equal(t, c.want, got.Shape, "%s", c.n)
		}
	}
	n := op(Embedding, on(&Value{Name: "i", Type: Type{Elem: Of(I16), Shape: Shape{9}}}), AttrRows.Is(consts("r", 300, 3)))
	n.Out.Type.Quant = Quant{Scale: .5, Zero: 3}
	got, d := InferNode(n)
	require.Nil(t, d)
	assert.Equal(t, Type{Of(I8), Shape{9, 3}, Quant{.5, 3}}, got, "of 16 bits, rows of 8; the scale is a decision")
}

// TestInferFaults: what does not fit is told, with the names and the numbers.
func TestInferFaults(t *testing.T) {
	x, matrix, scalar := f32("x", 4, 6, 8), f32("m", 5, 7), f32("s")
	weight := func(shape ...int) Attr { return AttrWeight.Is(consts("w", shape...)) }
	bn := func(channels int, in *Value) *Node {
		return op(BatchNorm, on(in), AttrGamma.Is(consts("g", 4)), AttrBeta.Is(consts("b", 4)), AttrRunningMean.Is(consts("mean", channels)), AttrVariance.Is(consts("v", 4)))
	}
	two := func(key Key[[]int]) Attr { return key.Is([]int{1, 1}) }
	computed := f32("c", 9)
	computed.Def = op(Relu, on(x))
	bytes := &Value{Name: "i", Type: Type{Elem: Of(I8), Shape: Shape{9}}}
	for want, n := range map[string]*Node{
		"conv2d takes an image [C,H,W], m is [5,7]":                                  op(Conv2D, on(matrix), weight(6, 5, 1, 1)),
		"weights of conv2d are [O,I,KH,KW], w is f32[6,4]":                           op(Conv2D, on(x), weight(6, 4)),
		"3 groups divide neither 4 input nor 6 output channels evenly":               op(Conv2D, on(x), weight(6, 1, 1, 1), AttrGroups.Is(3)),
		"2 groups divide neither 4 input nor 5 output channels evenly":               op(Conv2D, on(x), weight(5, 2, 1, 1), AttrGroups.Is(2)),
		"weights f32[6,3,1,1] are for 6 input channels, x has 4 in 2 groups":         op(Conv2D, on(x), weight(6, 3, 1, 1), AttrGroups.Is(2)),
		"pad_value has 3 numbers, x has 4 channels":                                  op(Conv2D, on(x), weight(6, 4, 1, 1), AttrPadValue.Is([]float64{1, 2, 3})),
		"b is f32[4], the layer has 6 channels":                                      op(Conv2D, on(x), weight(6, 4, 1, 1), AttrBias.Is(consts("b", 4))),
		"a window of 7 does not fit 6 pixels":                                        op(Conv2D, on(x), weight(6, 4, 7, 1)),
		"a window of 9 does not fit 8 pixels":                                        op(Conv2D, on(x), weight(6, 4, 1, 9)),
		"a window of 11 does not fit 10 pixels":                                      op(Conv2D, on(x), weight(6, 4, 1, 3), AttrDilation.Is([]int{1, 5}), AttrPad.Is([]int{0, 1, 0, 1})),
		"pool is of integer networks, where fuse-pool writes it":                     op(Conv2D, on(x), weight(6, 4, 1, 1), two(AttrPool)),
		"bilinear takes an image [C,H,W], m is [5,7]":                                op(Bilinear, on(matrix), AttrDown.Is([]float64{0}), AttrAcross.Is([]float64{0})),
		"down has 5.5, which is not in 0 to 5":                                       op(Bilinear, on(x), AttrDown.Is([]float64{0, 5.5}), AttrAcross.Is([]float64{0})),
		"across has -0.5, which is not in 0 to 7":                                    op(Bilinear, on(x), AttrDown.Is([]float64{0}), AttrAcross.Is([]float64{-.5})),
		"across has no places":                                                       op(Bilinear, on(x), AttrDown.Is([]float64{0}), AttrAcross.Is([]float64{})),
		"weights of linear are [O,I], w is f32[6,4,1]":                               op(Linear, on(x), weight(6, 4, 1)),
		"weights f32[6,191] are for 191 inputs, x [4,6,8] has 192":                   op(Linear, on(x), weight(6, 191)),
		"b is f32[5], the layer has 6 channels":                                      op(Linear, on(x), weight(6, 192), AttrBias.Is(consts("b", 5))),
		"maxpool2d takes an image [C,H,W], m is [5,7]":                               op(MaxPool2D, on(matrix), two(AttrKernel)),
		"a window of 7 does not fit 6":                                               op(MaxPool2D, on(x), AttrKernel.Is([]int{7, 1})),
		"padding [2 0 0 0] leaves windows of [2 3] without a pixel":                  op(MaxPool2D, on(x), AttrKernel.Is([]int{2, 3}), AttrPad.Is([]int{2, 0, 0, 0})),
		"padding [0 3 0 0] leaves windows of [2 3] without a pixel":                  op(MaxPool2D, on(x), AttrKernel.Is([]int{2, 3}), AttrPad.Is([]int{0, 3, 0, 0})),
		"padding [0 0 2 0] leaves windows of [2 3] without a pixel":                  op(MaxPool2D, on(x), AttrKernel.Is([]int{2, 3}), AttrPad.Is([]int{0, 0, 2, 0})),
		"padding [0 0 0 3] leaves windows of [2 3] without a pixel":                  op(MaxPool2D, on(x), AttrKernel.Is([]int{2, 3}), AttrPad.Is([]int{0, 0, 0, 3})),
		"padding [1 0 1 0] leaves windows of [2 2] with dilation [7 1] without":      op(MaxPool2D, on(x), AttrKernel.Is([]int{2, 2}), AttrPad.Is([]int{1, 0, 1, 0}), AttrDilation.Is([]int{7, 1}), AttrStride.Is([]int{1, 1})),
		"padding [0 1 0 1] leaves windows of [2 2] with dilation [1 9] without":      op(AvgPool2D, on(x), AttrKernel.Is([]int{2, 2}), AttrPad.Is([]int{0, 1, 0, 1}), AttrDilation.Is([]int{1, 9}), AttrStride.Is([]int{1, 1})),
		"globalavgpool takes an image [C,H,W], m is [5,7]":                           op(GlobalAvgPool, on(matrix)),
		"add takes two tensors of one shape, x is [4,6,8] and m is [5,7]":            op(Add, on(x, matrix)),
		"concat takes tensors with channels, s is a scalar":                          op(Concat, on(scalar)),
		"concat takes tensors that differ in channels alone, x is [4,6,8] and m is":  op(Concat, on(x, matrix)),
		"differ in channels alone, x is [4,6,8] and z is [4,5,8]":                    op(Concat, on(x, f32("z", 4, 5, 8))),
		"reshape of [5,7] with 35 elements to [5,6] with 30":                         op(Reshape, on(matrix), AttrShape.Is([]int{5, 6})),
		"batchnorm takes a tensor with channels, s is a scalar":                      bn(4, scalar),
		"mean is f32[3], the layer has 4 channels":                                   bn(3, x),
		"softmax along axis 2, m is [5,7]":                                           op(Softmax, on(matrix), AttrAxis.Is(2)),
		"mean has 2 numbers, x is [4,6,8]":                                           op(Normalize, on(x), AttrMean.Is([]float64{1, 2}), AttrStd.Is([]float64{1})),
		"std has 3 numbers, x is [4,6,8]":                                            op(Normalize, on(x), AttrMean.Is([]float64{1}), AttrStd.Is([]float64{1, 2, 3})),
		"mean has 1 numbers, s is []":                                                op(Normalize, on(scalar), AttrMean.Is([]float64{1}), AttrStd.Is([]float64{1})),
		"std has 0, it must be positive":                                             op(Normalize, on(x), AttrMean.Is([]float64{1}), AttrStd.Is([]float64{0})),
		"[0 2] is no permutation of the axes of [5,7]":                               op(Transpose, on(matrix), AttrPerm.Is([]int{0, 2})),
		"[0 1 2] is no permutation of the axes of [5,7]":                             op(Transpose, on(matrix), AttrPerm.Is([]int{0, 1, 2})),
		"start, size and step have one number an axis of [5,7]":                      op(Slice, on(matrix), AttrStarts.Is([]int{0}), two(AttrSize)),
		"elements 5 to 5 along axis 0 of [5,7]":                                      op(Slice, on(matrix), AttrStarts.Is([]int{5, 0}), two(AttrSize)),
		"elements 1 to 7 along axis 1 of [5,7]":                                      op(Slice, on(matrix), AttrStarts.Is([]int{0, 1}), AttrSize.Is([]int{5, 7})),
		"elements 2 to -2 along axis 0 of [5,7]":                                     op(Slice, on(matrix), AttrStarts.Is([]int{2, 0}), AttrSize.Is([]int{3, 1}), AttrStep.Is([]int{-2, 1})),
		"[5,7] does not expand to [5 8]":                                             op(Expand, on(matrix), AttrShape.Is([]int{5, 8})),
		"4 channels are no blocks of 3x3":                                            op(DepthToSpace, on(x), AttrBlock.Is(3)),
		"12 channels are no blocks of 3x3":                                           op(DepthToSpace, on(f32("x", 12, 1, 1)), AttrBlock.Is(3)),
		"depthtospace takes an image":                                                op(DepthToSpace, on(matrix), AttrBlock.Is(2)),
		"[4,6,8] has no blocks of 4x4 pixels":                                        op(SpaceToDepth, on(x), AttrBlock.Is(4)),
		"[4,6,8] has no blocks of 3x3 pixels":                                        op(SpaceToDepth, on(x), AttrBlock.Is(3)),
		"spacetodepth takes an image":                                                op(SpaceToDepth, on(matrix), AttrBlock.Is(2)),
		"resize takes an image":                                                      op(Resize, on(matrix), two(AttrScale)),
		"a view of [5 7] by [7] is no [35]":                                          op(Copy, on(matrix), AttrShape.Is([]int{35}), AttrDims.Is([]int{5, 7}), AttrStrides.Is([]int{7})),
		"a view of [5] by [7] is no [6]":                                             op(Copy, on(matrix), AttrShape.Is([]int{6}), AttrDims.Is([]int{5}), AttrStrides.Is([]int{7})),
		"elements 7 to 35 of [5,7]":                                                  op(Copy, on(matrix), AttrShape.Is([]int{5}), AttrDims.Is([]int{5}), AttrStrides.Is([]int{7}), AttrStart.Is(7)),
		"elements -1 to 3 of [5,7]":                                                  op(Copy, on(matrix), AttrShape.Is([]int{5}), AttrDims.Is([]int{5}), AttrStrides.Is([]int{-1}), AttrStart.Is(3)),
		"before, after and between have one number an axis of [5,7]":                 op(Pad, on(matrix), AttrBefore.Is([]int{1}), two(AttrAfter)),
		"pad in mode reflect of [5,7] by [5 0] and [0 0]":                            op(Pad, on(matrix), AttrBefore.Is([]int{5, 0}), AttrAfter.Is([]int{0, 0}), AttrMode.Is(PadReflect)),
		"pad in mode symmetric of [5,7] by [0 0] and [0 8]":                          op(Pad, on(matrix), AttrBefore.Is([]int{0, 0}), AttrAfter.Is([]int{0, 8}), AttrMode.Is(PadSymmetric)),
		"pad in mode wrap of [5,7] by [6 0] and [0 0]":                               op(Pad, on(matrix), AttrBefore.Is([]int{6, 0}), AttrAfter.Is([]int{0, 0}), AttrMode.Is(PadWrap)),
		"pad in mode edge of [5,7] by [0 0] and [1 1]":                               op(Pad, on(matrix), AttrBefore.Is([]int{0, 0}), two(AttrAfter), AttrBetween.Is([]int{0, 1}), AttrMode.Is(PadEdge)),
		"2147483648 elements between":                                                op(Pad, on(matrix), two(AttrBefore), two(AttrAfter), AttrBetween.Is([]int{MaxElements, 0})),
		"the result of shape [105,2147483650] has 2.254857832e+11 elements, each of": op(Pad, on(matrix), AttrBefore.Is([]int{100, 0}), AttrAfter.Is([]int{0, MaxElements - 5})),
		"axes [0 2] of [5,7]":                                                        op(Reduce, on(matrix), AttrAxes.Is([]int{0, 2})),
		"axes [1 0] of [5,7]":                                                        op(Reduce, on(matrix), AttrAxes.Is([]int{1, 0})),
		"axes [1 1] of [5,7]":                                                        op(Reduce, on(matrix), AttrAxes.Is([]int{1, 1})),
		"matmul of [5,7] and [5,7]":                                                  op(MatMul, on(matrix, matrix)),
		"matmul of [5,7] and [4,6,8]":                                                op(MatMul, on(matrix, x)),
		"matmul of [7] and [7]":                                                      op(MatMul, on(f32("a", 7), f32("b", 7))),
		"matmul of [2,3,4] and [3,4,5]":                                              op(MatMul, on(f32("a", 2, 3, 4), f32("b", 3, 4, 5))),
		"matmul of [1,1,1,1] and [1,1,1,1]":                                          op(MatMul, on(f32("a", 1, 1, 1, 1), f32("b", 1, 1, 1, 1))),
		"matmul over 33026 products; 32-bit sums hold 33025":                         op(MatMul, on(f32("a", 1, 33026), f32("b", 33026, 1))),
		"axis 2 of [5,7]":                                                            op(ArgMax, on(matrix), AttrAxis.Is(2)),
		"the place among 257 elements; 8 bits tell 256":                              op(ArgMax, on(f32("v", 257))),
		"embedding takes a list of indices [N], m is [5,7]":                          op(Embedding, on(matrix), AttrRows.Is(consts("r", 3, 3))),
		"rows of embedding are [V,D], r is f32[3]":                                   op(Embedding, on(f32("i", 9)), AttrRows.Is(consts("r", 3))),
		"embedding of 32769 rows; indices of 16 bits tell 32768":                     op(Embedding, on(f32("i", 9)), AttrRows.Is(consts("r", MostRows+1, 1))),
		"embedding of 257 rows by c; indices of 8 bits tell 256":                     op(Embedding, on(computed), AttrRows.Is(consts("r", 257, 1))),
		"embedding of 257 rows by i; indices of 8 bits tell 256":                     op(Embedding, on(bytes), AttrRows.Is(consts("r", 257, 1))),
		"argument i has the impossible shape [0,3]":                                  op(Relu, on(f32("i", 0, 3))),
		"conv2d needs the attribute weight: weights":                                 op(Conv2D, on(x)),
		"x is f32, q is i8":                                                          op(Add, on(x, &Value{Name: "q", Type: Type{Elem: Of(I8), Shape: x.Type.Shape}})),
	} {
		_, d := InferNode(n)
		if assert.NotNil(t, d, want) {
			assert.Equal(t, "y: ", d.Message[:3])
			assert.Contains(t, d.Message, want)
		}
	}
	pooled := op(Conv2D, on(&Value{Name: "q", Type: Type{Elem: Of(I8), Shape: Shape{4, 6, 8}}}), weight(6, 4, 1, 1), AttrPool.Is([]int{7, 1}))
	_, d := InferNode(pooled)
	require.NotNil(t, d)
	assert.Equal(t, "y: no 7 by 1 outputs to pool among [6,6,8]", d.Message)
	pooled.Put(AttrPool.Is([]int{1, 9}))
	_, d = InferNode(pooled)
	require.NotNil(t, d)
	pooled.Put(AttrPool.Is([]int{6, 8}))
	_, d = InferNode(pooled)
	assert.Nil(t, d)
}

// TestPoolsThatSeeAPixel: dilation with padding is refused only where some window misses
// the image.
func TestPoolsThatSeeAPixel(t *testing.T) {
	for _, c := range []struct {
		in, before, after, kernel, stride, dilation int
		misses                                      bool
	}{
		{6, 1, 1, 2, 1, 7, true},  // taps at -1 and 6
		{6, 1, 0, 2, 1, 6, false}, // -1 and 5
		{6, 1, 1, 2, 7, 2, false}, // one window, at -1 and 1
		{2, 3, 3, 3, 1, 3, false}, // -3 and 0, -2 and 1
		{2, 3, 3, 4, 1, 2, false}, // each distance is below the image's size
		{1, 2, 2, 2, 2, 2, false}, // -2 and 0
		{1, 2, 2, 2, 1, 2, true},  // -1 and 1
		{1, 1, 1, 3, 1, 1, false},
		{4, 0, 3, 2, 3, 2, false}, // 0 and 2, 3 and 5
		{4, 0, 4, 2, 4, 2, true},  // 4 and 6
		{4, 0, 3, 2, 4, 2, true},  // 4 and 6
		{4, 0, 2, 2, 4, 2, false}, // 4 does not fit
		{9, 0, 0, 3, 1, 9, false},
		{3, 1, 1, 9, 1, 2, false},
	} {
		assert.Equal(t, c.misses, missesAll(c.in, c.before, c.after, c.kernel, c.stride, c.dilation), "%+v", c)
		// By its definition: a window all of whose taps lie beside the image.
		extent, want := (c.kernel-1)*c.dilation+1, false
		for first := -c.before; first+extent <= c.in+c.after && c.before+c.after > 0; first += c.stride {
			all := true
			for k := range c.kernel {
				if at := first + k*c.dilation; at >= 0 && at < c.in {
					all = false
				}
			}
			want = want || all
		}
		assert.Equal(t, want, c.misses, "%+v", c)
	}
}

// TestInferReportsWrittenTypes: a type that is written must be the one that is implied,
// and what uses a faulty value is not reported again.
func TestInferReportsWrittenTypes(t *testing.T) {
	x := f32("x", 3)
	m := &Module{Name: "m", Inputs: on(x)}
	a := addNode(m, Relu, "a", x)
	a.Out.Type = Type{Elem: Of(F32), Shape: Shape{4}}
	a.Pos = diag.Pos{File: "m.dnn", Line: 3, Col: 1}
	addNode(m, Add, "b", a.Out, x)
	c := addNode(m, Relu, "c", x)
	list := Infer(m)
	require.Len(t, list, 1)
	assert.Equal(t, "m.dnn:3:1: type: a is written as f32[4], its arguments make it f32[3]", list[0].Error())
	assert.Equal(t, Shape{3}, c.Out.Type.Shape)
	assert.Nil(t, m.Ops[1].Out.Type.Shape)
}

// TestWork: multiply-adds and reads by hand; what one operation may not take is refused where
// it stands.
func TestWork(t *testing.T) {
	x, m := f32("x", 4, 6, 8), f32("m", 5, 7)
	for _, c := range []struct {
		n    *Node
		want float64
	}{
		{op(Conv2D, on(x), AttrWeight.Is(consts("w", 6, 2, 3, 2)), AttrGroups.Is(2)), 6 * 4 * 7 * 2 * 3 * 2},
		{op(Linear, on(x), AttrWeight.Is(consts("w", 10, 192))), 1920},
		{op(MaxPool2D, on(x), AttrKernel.Is([]int{2, 3}), AttrStride.Is([]int{1, 1})), 4 * 5 * 6 * 2 * 3},
		{op(AvgPool2D, on(x), AttrKernel.Is([]int{6, 8})), 4 * 6 * 8},
		{op(GlobalAvgPool, on(x)), 4 * 6 * 8},
		{op(MatMul, on(m, f32("n", 7, 3))), 5 * 7 * 3},
		{op(Concat, on(x, x)), 2 * 4 * 6 * 8},
		{op(Reduce, on(m), AttrAxes.Is([]int{0, 1})), 35},
	} {
		typ, d := InferNode(c.n)
		require.Nil(t, d)
		c.n.Out.Type = typ
		assert.InDelta(t, c.want, c.n.Work(), 0, c.n.Op)
	}
	large := f32("x", 1, 4001, 4001)
	_, d := InferNode(op(MaxPool2D, on(large), AttrKernel.Is([]int{4001, 4001}), AttrStride.Is([]int{4001, 4001})))
	assert.Nil(t, d, "one window")
	for _, n := range []*Node{
		op(MaxPool2D, on(large), AttrKernel.Is([]int{4001, 4001}), AttrStride.Is([]int{1, 1}), AttrPad.Is([]int{2000, 2000, 2000, 2000})),
		op(Conv2D, on(large), AttrWeight.Is(consts("w", 1, 1, 101, 101))),
		op(MatMul, on(f32("a", 8000, 8000), f32("b", 8000, 8000))),
	} {
		_, d := InferNode(n)
		require.NotNil(t, d, n.Op)
		assert.Equal(t, diag.Limit, d.Kind)
		assert.Regexp(t, `takes \S+e\+1[1-4] multiply-adds or reads of elements for each item; an operation has at most 1.37e\+11`, d.Message)
	}
}
