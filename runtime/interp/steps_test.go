package interp

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/gemm"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// in is an input of integers with a zero point.
func in(name string, zero int, shape ...int) *ir.Value {
	return &ir.Value{Name: name, Type: ir.Type{Elem: ir.Of(ir.I8), Shape: shape, Quant: ir.Quant{Scale: 1, Zero: zero}}}
}

// real is an input of reals.
func real(name string, shape ...int) *ir.Value {
	return &ir.Value{Name: name, Type: ir.Type{Elem: ir.Of(ir.F32), Shape: shape}, Range: &ir.Range{Lo: 0, Hi: 1}}
}

// one is a module of one operation y, whose type inference gives; zero is the result's.
func one(t *testing.T, op ir.Op, zero int, args []*ir.Value, attrs ...ir.Attr) *ir.Module {
	t.Helper()
	n := &ir.Node{Op: op, Args: args, Out: &ir.Value{Name: "y"}}
	n.Out.Def = n
	n.Put(attrs...)
	n.Out.Type.Quant = ir.Quant{Scale: 1, Zero: zero}
	typ, d := ir.InferNode(n)
	require.Nil(t, d)
	n.Out.Type = typ
	m := &ir.Module{Name: "m", Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}, Results: []ir.Type{typ}}
	for _, a := range n.Attrs {
		if c, ok := a.Value.(*ir.Const); ok {
			m.Consts = append(m.Consts, c)
		}
	}
	for _, a := range args {
		if a.Def == nil && m.Value(a.Name) == nil {
			m.Inputs = append(m.Inputs, a)
		}
	}
	return m
}

func args(v ...*ir.Value) []*ir.Value { return v }

func i32(name string, x ...int64) *ir.Const {
	return ir.IntConst(name, ir.Of(ir.I32), ir.Shape{len(x)}, x)
}

// factor is 2^-right, of each channel.
func factor(right int64, channels int) []ir.Attr {
	mul, shift := make([]int64, channels), make([]int64, channels)
	for i := range mul {
		mul[i], shift[i] = 1<<30, 30+right
	}
	return []ir.Attr{ir.AttrMul.Is(i32("mul", mul...)), ir.AttrShift.Is(i32("shift", shift...))}
}

// runInt runs a module of integers on the records of n images.
func runInt(t *testing.T, m *ir.Module, x []int8, n int) []int8 {
	t.Helper()
	p, err := CompileInt(m)
	require.NoError(t, err)
	y, err := p.Forward(t.Context(), x, n)
	require.NoError(t, err)
	return y
}

func runFloat(t *testing.T, m *ir.Module, x []float32, n int) []float32 {
	t.Helper()
	p, err := CompileFloat(m)
	require.NoError(t, err)
	y, err := p.Forward(t.Context(), x, n)
	require.NoError(t, err)
	return y
}

// TestIntLayersEqualTheReference: convolutions of all geometries, with padding of a value,
// with pooling, and with accumulators of 32 and 64 bits, on several images.
func TestIntLayersEqualTheReference(t *testing.T) {
	rng := rand.New(rand.NewSource(4))
	between := func(lo, hi int) int { return lo + rng.Intn(hi-lo+1) }
	for i := range 60 {
		groups := between(1, 2)
		c, o := groups*between(1, 3), groups*between(1, 3)
		h, w, kh, kw := between(5, 8), between(4, 8), between(1, 3), between(1, 2)
		x := in("x", between(-128, 127), c, h, w)
		weight := make([]int64, o*c/groups*kh*kw)
		for k := range weight {
			weight[k] = int64(between(-128, 127))
		}
		isWide, isFar := i%3 == 0, i%6 == 0 // sums that need 64 bits
		kind, bias := ir.I32, make([]int64, o)
		for k := range bias {
			bias[k] = int64(between(-20000, 20000))
			if isFar {
				bias[k] = int64(between(-1<<33, 1<<33))
			}
		}
		if isWide {
			kind = ir.I64
		}
		attrs := append(factor(int64(between(6, 9)), o), ir.AttrWeight.Is(ir.IntConst("w", ir.Of(ir.I8), ir.Shape{o, c / groups, kh, kw}, weight)),
			ir.AttrBias.Is(ir.IntConst("b", ir.Of(kind), ir.Shape{o}, bias)), ir.AttrGroups.Is(groups),
			ir.AttrStride.Is([]int{between(1, 2), between(1, 2)}), ir.AttrPad.Is([]int{between(0, 1), between(0, 1), between(0, 1), between(0, 1)}), ir.AttrLo.Is(-100))
		if isFar {
			shift := make([]int64, o)
			for k := range shift {
				shift[k] = 30 + 26
			}
			attrs[1] = ir.AttrShift.Is(i32("shift", shift...))
		}
		var pad []int32
		if i%2 == 0 {
			values := make([]float64, c)
			for k := range values {
				values[k] = float64(between(-128, 127))
				pad = append(pad, int32(values[k]))
			}
			attrs = append(attrs, ir.AttrPadValue.Is(values))
		}
		ph, pw := 1, 1
		if i%4 < 2 {
			ph, pw = between(1, 2), between(1, 2)
			attrs = append(attrs, ir.AttrPool.Is([]int{ph, pw}))
		}
		m := one(t, ir.Conv2D, between(-128, 127), args(x), attrs...)
		n := m.Ops[0]
		const images = 3
		data := make([]int8, images*c*h*w)
		for k := range data {
			data[k] = int8(between(-128, 127))
		}
		got := runInt(t, m, data, images)

		g := geometry.WindowOf(n)
		w32, err := geometry.IntWeights(n)
		require.NoError(t, err)
		q, err := geometry.RequantOf(n)
		require.NoError(t, err)
		for image := range images {
			whole := make([]int8, o*g.OutH()*g.OutW())
			kernels.Conv2DInt(g, data[image*c*h*w:(image+1)*c*h*w], int32(x.Type.Quant.Zero), pad, w32, bias, isWide, q, whole)
			pool := geometry.Window{InC: o, InH: g.OutH(), InW: g.OutW(), OutC: o, KH: ph, KW: pw, StrideH: ph, StrideW: pw, DilH: 1, DilW: 1, Groups: o}
			want := make([]int8, o*pool.OutH()*pool.OutW())
			kernels.MaxPoolInt(pool, whole, -128, 127, want)
			require.Equal(t, want, got[image*len(want):(image+1)*len(want)], "%s, image %d", n, image)
		}
	}
}

func TestIntLinearByHand(t *testing.T) {
	attrs := append(factor(1, 2), ir.AttrWeight.Is(ir.IntConst("w", ir.OddOf(2), ir.Shape{2, 3}, []int64{0, 1, 2, 3, 3, 0})), ir.AttrBias.Is(i32("b", 7, -4)))
	m := one(t, ir.Linear, 1, args(in("x", 2, 3)), attrs...)
	// W is [[-3,-1,1],[3,3,-3]]; x-z of the images is 1,2,3 and 0,-1,5.
	assert.Equal(t, []int8{
		1 + (-3-2+3+7+1)/2, 1 + (3+6-9-4)/2,
		1 + (1+5+7+1)/2, 1 + (-3-15-4)/2,
	}, runInt(t, m, []int8{3, 4, 5, 2, 1, 7}, 2))
}

// TestIntStepsByHand: each integer step on two images, worked out by hand.
func TestIntStepsByHand(t *testing.T) {
	four := in("x", 1, 2, 2)
	image := in("x", 0, 1, 2, 3)
	table := make([]int64, 256)
	for i := range table {
		table[i] = int64(uint8(int8(min((i-128)*2, 127))))
	}
	exps := make([]int64, 256)
	for i, v := range kernels.SoftmaxTable(math.Ln2, kernels.SoftmaxBits) {
		exps[i] = int64(v)
	}
	rows := ir.IntConst("rows", ir.Of(ir.I8), ir.Shape{3, 2}, []int64{1, 2, 3, 4, -5, -6})
	choose := make([]int64, 256)
	choose[128+7], choose[255] = 2, 1
	with := func(attrs []ir.Attr, more ...ir.Attr) []ir.Attr { return append(attrs, more...) }
	add, err := geometry.NewAddParams(geometry.RoundHalfUp, 1, 0, 1, 0, 1, 0, -128, 127)
	require.NoError(t, err)
	sum := []ir.Attr{ir.AttrMul.Is(i32("mul", int64(add.MulA), int64(add.MulB), int64(add.MulY))), ir.AttrShift.Is(i32("shift", int64(add.ShiftA), int64(add.ShiftB), int64(add.ShiftY)))}
	indices := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I16), Shape: ir.Shape{2}, Quant: ir.Quant{Scale: 1}}}
	two, other := in("a", 1, 2), in("b", -1, 2)
	for name, c := range map[string]struct {
		m       *ir.Module
		x, want []int8
	}{
		"maxpool":     {one(t, ir.MaxPool2D, 0, args(image), ir.AttrKernel.Is([]int{2, 2}), ir.AttrStride.Is([]int{1, 1}), ir.AttrLo.Is(-5), ir.AttrHi.Is(5)), []int8{1, 2, 3, 4, 5, 6, -9, -8, -7, -6, -1, -2}, []int8{5, 5, -1, -1}},
		"avgpool":     {one(t, ir.AvgPool2D, 0, args(image), ir.AttrKernel.Is([]int{2, 3}), ir.AttrHi.Is(3)), []int8{1, 2, 3, 4, 5, 6, -9, -8, -7, -6, -1, -2}, []int8{3, -6}},
		"reshape":     {one(t, ir.Reshape, 0, args(four), ir.AttrShape.Is([]int{4})), []int8{1, 2, 3, 4, 5, 6, 7, 8}, []int8{1, 2, 3, 4, 5, 6, 7, 8}},
		"copy":        {one(t, ir.Copy, 0, args(four), ir.AttrShape.Is([]int{3}), ir.AttrDims.Is([]int{3}), ir.AttrStrides.Is([]int{-1}), ir.AttrStart.Is(3)), []int8{1, 2, 3, 4, 5, 6, 7, 8}, []int8{4, 3, 2, 8, 7, 6}},
		"pad":         {one(t, ir.Pad, 0, args(two), ir.AttrBefore.Is([]int{1}), ir.AttrAfter.Is([]int{1}), ir.AttrBetween.Is([]int{1}), ir.AttrValue.Is(-7)), []int8{1, 2, 3, 4}, []int8{-7, 1, -7, 2, -7, -7, 3, -7, 4, -7}},
		"pad edge":    {one(t, ir.Pad, 0, args(two), ir.AttrBefore.Is([]int{1}), ir.AttrAfter.Is([]int{2}), ir.AttrMode.Is(ir.PadEdge)), []int8{1, 2, 3, 4}, []int8{1, 1, 2, 2, 2, 3, 3, 4, 4, 4}},
		"requantize":  {one(t, ir.Requantize, 5, args(two), with(factor(1, 1), ir.AttrHi.Is(9))...), []int8{1, 4, -3, 100}, []int8{5, 7, 3, 9}},
		"softmax":     {one(t, ir.Softmax, -128, args(four), ir.AttrTable.Is(ir.IntConst("t", ir.Of(ir.I32), ir.Shape{256}, exps))), []int8{1, 5, 0, 5, 9, 9, 9, 8}, []int8{171 - 128, 0, 85 - 128, 0, 0, 171 - 128, 0, 85 - 128}},
		"softmax row": {one(t, ir.Softmax, -128, args(four), ir.AttrAxis.Is(1), ir.AttrTable.Is(ir.IntConst("t", ir.Of(ir.I32), ir.Shape{256}, exps))), []int8{1, 0, 5, 5, 9, 9, 7, 8}, []int8{171 - 128, 85 - 128, 0, 0, 0, 0, 85 - 128, 171 - 128}},
		"table":       {one(t, ir.Table, 0, args(two), ir.AttrFn.Is("tanh"), ir.AttrTable.Is(ir.IntConst("t", ir.Of(ir.U8), ir.Shape{256}, table))), []int8{-3, 5, 100, 0}, []int8{-6, 10, 127, 0}},
		"mean":        {one(t, ir.Reduce, 3, args(four), with(factor(1, 1), ir.AttrAxes.Is([]int{0}))...), []int8{3, 1, 1, 7, -5, 0, 0, 1}, []int8{4, 6, 0, 3}},
		"sum":         {one(t, ir.Reduce, 0, args(four), with(factor(0, 1), ir.AttrAxes.Is([]int{1}), ir.AttrFn.Is(ir.ReduceSum))...), []int8{3, 1, 1, 7, -5, 0, 0, 1}, []int8{2, 6, -7, -1}},
		"max":         {one(t, ir.Reduce, 1, args(four), ir.AttrAxes.Is([]int{0}), ir.AttrFn.Is(ir.ReduceMax)), []int8{3, 1, 1, 7, -5, 0, 0, 1}, []int8{3, 7, 0, 1}},
		"min":         {one(t, ir.Reduce, 1, args(four), ir.AttrAxes.Is([]int{0, 1}), ir.AttrFn.Is(ir.ReduceMin)), []int8{3, 1, 1, 7, -5, 0, 0, 1}, []int8{1, -5}},
		"argmax":      {one(t, ir.ArgMax, -128, args(four), ir.AttrAxis.Is(0)), []int8{3, 1, 1, 7, 5, 0, 5, 1}, []int8{-128, -127, -128, -127}},
		"concat":      {one(t, ir.Concat, 0, args(two, other, two)), []int8{1, 2, 3, 4, 5, 6, 7, 8}, []int8{1, 2, 3, 4, 1, 2, 5, 6, 7, 8, 5, 6}},
		"add":         {one(t, ir.Add, 10, args(two, other), sum...), []int8{1, 2, 3, 4, 5, 6, 7, 8}, []int8{14, 16, 22, 24}}, // (0,1)+(4,5) and (4,5)+(8,9)
		"sub":         {one(t, ir.Sub, 10, args(two, other), sum...), []int8{1, 2, 3, 4, 5, 6, 7, 9}, []int8{6, 6, 6, 5}},
		"squareddiff": {one(t, ir.SquaredDiff, 1, args(two, other), ir.AttrMul.Is(i32("mul", 1<<30, 1<<30, 1<<30)), ir.AttrShift.Is(i32("shift", 31, 31, 44))), []int8{1, 2, 3, 4, 5, 6, 7, 127}, []int8{5, 5, 5, 127}},        // a quarter of (a-b-2)^2
		"scaleddiff":  {one(t, ir.ScaledDiff, 1, args(two, other, two), ir.AttrMul.Is(i32("mul", 1<<30, 1<<30, 1<<30)), ir.AttrShift.Is(i32("shift", 31, 31, 44))), []int8{1, 2, 3, 4, 5, 6, 7, 127}, []int8{1, -1, -7, -128}}, // half of (a-b-2)*(a-1)
		"mul":         {one(t, ir.Mul, 1, args(two, other), factor(1, 1)...), []int8{2, 2, 3, 4, 5, -2, 7, 9}, []int8{3, 4, 17, -14}},
		"minimum":     {one(t, ir.Minimum, 0, args(two, other)), []int8{1, 5, 3, 4, 9, 6, 7, 8}, []int8{1, 4, 7, 6}},
		"maximum":     {one(t, ir.Maximum, 0, args(two, other)), []int8{1, 5, 3, 4, 9, 6, 7, 8}, []int8{3, 5, 9, 8}},
		"embedding":   {one(t, ir.Embedding, 0, args(two), ir.AttrRows.Is(rows), ir.AttrTable.Is(ir.IntConst("t", ir.Of(ir.U8), ir.Shape{256}, choose))), []int8{7, 127, 0, 7}, []int8{-5, -6, 3, 4, 1, 2, -5, -6}},
		"embedding16": {one(t, ir.Embedding, 0, args(indices), ir.AttrRows.Is(rows)), []int8{2, 0, 0, 1, 1, 0, -1, -1}, []int8{-5, -6, -5, -6, 3, 4, 1, 2}},
	} {
		assert.Equal(t, c.want, runInt(t, c.m, c.x, 2), name)
	}
	a, b := in("a", 1, 2, 1, 2), in("b", 0, 2, 2, 1)
	m := one(t, ir.MatMul, 2, args(a, b), factor(0, 1)...)
	assert.Equal(t, []int8{2 + 1*5 + 2*6, 2 + 3*7 + 4*1, 2 + 9*2, 2 - 1*3},
		runInt(t, m, []int8{2, 3, 4, 5, 5, 6, 7, 1, 10, 1, 0, 1, 2, 3, 3, 4}, 2), "two matrices each of two images")
}

// TestFloatStepsByHand: each step of reals on two images.
func TestFloatStepsByHand(t *testing.T) {
	x, image := real("x", 2, 2), real("x", 1, 2, 3)
	two, other := real("a", 2), real("b", 2)
	con := func(name string, v ...float32) *ir.Const { return ir.FloatConst(name, ir.Shape{len(v)}, v) }
	inf := float32(math.Inf(1))
	for name, c := range map[string]struct {
		m       *ir.Module
		x, want []float32
	}{
		"conv": {one(t, ir.Conv2D, 0, args(image), ir.AttrWeight.Is(ir.FloatConst("w", ir.Shape{1, 1, 2, 2}, []float32{1, 10, 2, 20})), ir.AttrPad.Is([]int{0, 1, 0, 0}), ir.AttrPadValue.Is([]float64{-1}), ir.AttrBias.Is(con("b", .5)), ir.AttrAct.Is(ir.ActRelu)),
			[]float32{1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 1}, []float32{87.5, 129.5, 162.5, 0, .5, 20.5}},
		"linear": {one(t, ir.Linear, 0, args(two), ir.AttrWeight.Is(ir.FloatConst("w", ir.Shape{3, 2}, []float32{1, 2, 3, 4, 5, 6})), ir.AttrBias.Is(con("b", 1, 0, -40)), ir.AttrAct.Is(ir.ActRelu6)),
			[]float32{1, 1, .5, -1}, []float32{4, 6, 0, 0, 0, 0}},
		"linear without bias": {one(t, ir.Linear, 0, args(two), ir.AttrWeight.Is(ir.FloatConst("w", ir.Shape{1, 2}, []float32{1, 2}))), []float32{1, 1, .5, -1}, []float32{3, -1.5}},
		"global":              {one(t, ir.GlobalAvgPool, 0, args(real("x", 2, 1, 2))), []float32{1, 2, 3, 5, 0, -1, 8, 8}, []float32{1.5, 4, -.5, 8}},
		"relu":                {one(t, ir.Relu, 0, args(two)), []float32{1, -1, 9, 0}, []float32{1, 0, 9, 0}},
		"relu6":               {one(t, ir.Relu6, 0, args(two)), []float32{1, -1, 9, 6}, []float32{1, 0, 6, 6}},
		"requantize":          {one(t, ir.Requantize, 0, args(two), ir.AttrAct.Is(ir.ActRelu6)), []float32{1, -1, 9, 6}, []float32{1, 0, 6, 6}},
		"flatten":             {one(t, ir.Flatten, 0, args(x)), []float32{1, -1, 9, 6, 2, 3, 4, 5}, []float32{1, -1, 9, 6, 2, 3, 4, 5}},
		"add":                 {one(t, ir.Add, 0, args(two, other), ir.AttrAct.Is(ir.ActRelu)), []float32{1, 2, 3, -4, 5, 6, 7, 8}, []float32{4, 0, 12, 14}},
		"sub":                 {one(t, ir.Sub, 0, args(two, other)), []float32{1, 2, 3, -4, 5, 6, 7, 8}, []float32{-2, 6, -2, -2}},
		"squareddiff":         {one(t, ir.SquaredDiff, 0, args(two, other), ir.AttrAct.Is(ir.ActRelu6)), []float32{1, 2, 3, 2.5, 5, 6, 7, 6}, []float32{4, .25, 4, 0}},
		"scaleddiff":          {one(t, ir.ScaledDiff, 0, args(two, other, two)), []float32{1, 2, 3, 2.5, 5, 6, 7, 6}, []float32{-2, -1, -10, 0}},
		"mul":                 {one(t, ir.Mul, 0, args(two, other)), []float32{1, 2, 3, -4, 5, 6, 7, 8}, []float32{3, -8, 35, 48}},
		"concat":              {one(t, ir.Concat, 0, args(two, other)), []float32{1, 2, 3, -4, 5, 6, 7, 8}, []float32{1, 2, 3, -4, 5, 6, 7, 8}},
		"maximum":             {one(t, ir.Maximum, 0, args(two, other)), []float32{1, 2, 3, -4, 5, 6, 7, 8}, []float32{3, 2, 7, 8}},
		"minimum":             {one(t, ir.Minimum, 0, args(two, other)), []float32{1, 2, 3, -4, 5, 6, 7, 8}, []float32{1, -4, 5, 6}},
		"batchnorm": {one(t, ir.BatchNorm, 0, args(x), ir.AttrGamma.Is(con("g", 2, 1)), ir.AttrBeta.Is(con("b", 1, 0)), ir.AttrRunningMean.Is(con("m", 1, 2)), ir.AttrVariance.Is(con("v", 3, 15)), ir.AttrEps.Is(1)),
			[]float32{1, 3, 6, -2, 0, 0, 2, 2}, []float32{1, 3, 1, -1, 0, 0, 0, 0}},
		"normalize":  {one(t, ir.Normalize, 0, args(x), ir.AttrMean.Is([]float64{1, 2}), ir.AttrStd.Is([]float64{.5})), []float32{1, 3, 6, -2, 0, 0, 2, 2}, []float32{0, 4, 8, -8, -2, -2, 0, 0}},
		"softmax":    {one(t, ir.Softmax, 0, args(x)), []float32{0, inf32, 0, inf32, 7, 7, 7, 7}, []float32{.5, .5, .5, .5, .5, .5, .5, .5}},
		"logsoftmax": {one(t, ir.LogSoftmax, 0, args(x), ir.AttrAxis.Is(1)), []float32{1, 1, 500, 500, 0, 0, -3, -3}, []float32{-math.Ln2, -math.Ln2, -math.Ln2, -math.Ln2, -math.Ln2, -math.Ln2, -math.Ln2, -math.Ln2}},
		"mean":       {one(t, ir.Reduce, 0, args(x), ir.AttrAxes.Is([]int{0})), []float32{1, 2, 3, 6, 0, 0, 2, 4}, []float32{2, 4, 1, 2}},
		"max":        {one(t, ir.Reduce, 0, args(x), ir.AttrAxes.Is([]int{1}), ir.AttrFn.Is(ir.ReduceMax)), []float32{1, 2, 3, -6, 0, 0, 2, 4}, []float32{2, 3, 0, 4}},
		"argmax":     {one(t, ir.ArgMax, 0, args(x)), []float32{1, 2, 3, -6, 0, 0, 0, 4}, []float32{1, 0, 0, 1}},
		"embedding":  {one(t, ir.Embedding, 0, args(two), ir.AttrRows.Is(ir.FloatConst("r", ir.Shape{2, 2}, []float32{1, 2, 3, 4}))), []float32{0, 1, 9, -9}, []float32{1, 2, 3, 4, 3, 4, 1, 2}},
		"transpose":  {one(t, ir.Transpose, 0, args(x), ir.AttrPerm.Is([]int{1, 0})), []float32{1, 2, 3, 4, 5, 6, 7, 8}, []float32{1, 3, 2, 4, 5, 7, 6, 8}},
		"pad":        {one(t, ir.Pad, 0, args(two), ir.AttrBefore.Is([]int{1}), ir.AttrAfter.Is([]int{0}), ir.AttrValue.Is(-.5)), []float32{1, 2, 3, 4}, []float32{-.5, 1, 2, -.5, 3, 4}},
		"abs":        {one(t, ir.Abs, 0, args(two)), []float32{-1, 2, 3, -inf}, []float32{1, 2, 3, inf}},
		"maxpool":    {one(t, ir.MaxPool2D, 0, args(image), ir.AttrKernel.Is([]int{2, 2}), ir.AttrStride.Is([]int{1, 1})), []float32{1, 2, 3, 4, 5, 6, -9, -8, -7, -6, -1, -2}, []float32{5, 6, -1, -1}},
		"avgpool":    {one(t, ir.AvgPool2D, 0, args(image), ir.AttrKernel.Is([]int{2, 3})), []float32{1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, -3}, []float32{3.5, -.5}},
	} {
		assert.InDeltaSlice(t, c.want, runFloat(t, c.m, c.x, 2), 1e-6, name)
	}
	a, b := real("a", 2, 1, 2), real("b", 2, 2, 1)
	m := one(t, ir.MatMul, 0, args(a, b), ir.AttrAct.Is(ir.ActRelu))
	assert.Equal(t, []float32{5 + 12, 21 + 4, 0, 7}, runFloat(t, m, []float32{1, 2, 3, 4, 5, 6, 7, 1, 1, 1, 0, 1, -2, -3, 3, 7}, 2))
}

// inf32 is a number whose exponential is 0 beside that of a greater one; of two, a half.
const inf32 = 1000

// TestCompileRefuses: modules of the other kind, operations without a step, constants that
// cannot be read.
func TestCompileRefuses(t *testing.T) {
	float := one(t, ir.Relu, 0, args(real("x", 2)))
	integer := one(t, ir.Reshape, 0, args(in("x", 0, 2)), ir.AttrShape.Is([]int{2}))
	_, err := CompileInt(float)
	assert.EqualError(t, err, "interp: m is not quantized")
	_, err = CompileFloat(integer)
	assert.EqualError(t, err, "interp: m is quantized")
	_, err = Stream(integer)
	assert.EqualError(t, err, "interp: m is quantized")
	integer.Ops[0].Op, integer.Ops[0].Attrs = ir.Relu, nil
	_, err = CompileInt(integer)
	assert.EqualError(t, err, "y: relu has no integer step")
	short := one(t, ir.Table, 0, args(in("x", 0, 2)), ir.AttrFn.Is("tanh"), ir.AttrTable.Is(ir.IntConst("t", ir.Of(ir.U8), ir.Shape{255}, make([]int64, 255))))
	_, err = CompileInt(short)
	assert.EqualError(t, err, "y: a table of 255 entries")
	unknown := one(t, ir.Table, 0, args(real("x", 2)), ir.AttrFn.Is("relu"))
	_, err = CompileFloat(unknown)
	assert.EqualError(t, err, "y: table is no function")

	// Each constant of each kind of layer, without its data.
	lose := func(m *ir.Module, key ir.Key[*ir.Const]) *ir.Module {
		c := m.Clone()
		whole := m.Ops[0].Const(key)
		c.Ops[0].Put(key.Is(&ir.Const{Name: whole.Name, Type: whole.Type}))
		return c
	}
	layer := one(t, ir.Linear, 0, args(in("x", 0, 2)), append(factor(0, 1), ir.AttrWeight.Is(ir.IntConst("w", ir.Of(ir.I8), ir.Shape{1, 2}, []int64{1, 2})), ir.AttrBias.Is(i32("b", 0)))...)
	for _, key := range []ir.Key[*ir.Const]{ir.AttrWeight, ir.AttrBias, ir.AttrMul, ir.AttrShift} {
		_, err = CompileInt(lose(layer, key))
		assert.ErrorContains(t, err, "has no data", key.String())
	}
	conv := one(t, ir.Conv2D, 0, args(in("x", 0, 1, 2, 2)), append(factor(0, 1), ir.AttrWeight.Is(ir.IntConst("w", ir.Of(ir.I8), ir.Shape{1, 1, 1, 1}, []int64{1})), ir.AttrBias.Is(i32("b", 0)), ir.AttrPool.Is([]int{2, 2}))...)
	_, err = CompileInt(lose(conv, ir.AttrWeight))
	assert.ErrorContains(t, err, "y: dnnc: missing-tensor: constant w has no data")
	softmax := one(t, ir.Softmax, 0, args(in("x", 0, 2)), ir.AttrTable.Is(i32("t", 1)))
	_, err = CompileInt(lose(softmax, ir.AttrTable))
	assert.ErrorContains(t, err, "y: dnnc: missing-tensor: constant t has no data")
	for _, op := range []ir.Op{ir.Add, ir.Sub, ir.Mul} {
		m := one(t, op, 0, args(in("a", 0, 2), in("b", 0, 2)), ir.AttrMul.Is(i32("mul", 1, 1, 1)), ir.AttrShift.Is(i32("shift", 1, 1, 1)))
		_, err = CompileInt(lose(m, ir.AttrMul))
		assert.ErrorContains(t, err, "y: dnnc: missing-tensor: constant mul has no data", op.String())
	}
	for _, m := range []*ir.Module{
		one(t, ir.Requantize, 0, args(in("x", 0, 2)), factor(0, 1)...),
		one(t, ir.Reduce, 0, args(in("x", 0, 2)), append(factor(0, 1), ir.AttrAxes.Is([]int{0}))...),
		one(t, ir.MatMul, 0, args(in("x", 0, 2, 2), in("z", 0, 2, 2)), factor(0, 1)...),
	} {
		_, err = CompileInt(lose(m, ir.AttrShift))
		assert.ErrorContains(t, err, "y: dnnc: missing-tensor: constant shift has no data", "%s", m.Ops[0])
	}
	w, b := ir.FloatConst("w", ir.Shape{1, 2}, []float32{1, 2}), ir.FloatConst("b", ir.Shape{1}, []float32{1})
	dense := one(t, ir.Linear, 0, args(real("x", 2)), ir.AttrWeight.Is(w), ir.AttrBias.Is(b))
	for _, key := range []ir.Key[*ir.Const]{ir.AttrWeight, ir.AttrBias} {
		bad := lose(dense, key)
		_, err = CompileFloat(bad)
		assert.ErrorContains(t, err, "has no data")
		s, err := Stream(bad)
		require.NoError(t, err)
		assert.ErrorContains(t, s.Run(t.Context(), []float32{1, 2}, 1, func(*ir.Value, []float32) {}), "y: ")
		p, err := CompileFloat(dense)
		require.NoError(t, err)
		p.Module = bad
		_, err = NewBackward(p)
		assert.ErrorContains(t, err, "has no data")
	}
}

// TestIntegersOfReals: nearest, ties up, within 8 or 16 bits, low byte first.
func TestIntegersOfReals(t *testing.T) {
	wide := ir.Type{Elem: ir.Of(ir.I16), Shape: ir.Shape{2}, Quant: ir.Quant{Scale: .5, Zero: 3}}
	a := &ir.Value{Name: "a", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{1}, Quant: ir.Quant{Scale: 2, Zero: -1}}}
	b := &ir.Value{Name: "b", Type: wide}
	m := &ir.Module{Name: "m", Inputs: args(a, b), Outputs: args(a)}
	got := QuantizeInputs(m, []float32{3, 100, -.25, -3, 1e9, -1e9})
	assert.Equal(t, []int8{1, -53, 0, 3, 0, -2, -1, 127, 0, -128}, got, "203, 3 (-.5 rounds up), 32767 and -32768")
	y := make([]float32, 2)
	Reals(wide, got[1:5], y)
	assert.Equal(t, []float32{100, 0}, y)
	Reals(wide, got[6:], y)
	assert.Equal(t, []float32{(32767 - 3) * .5, (-32768 - 3) * .5}, y)
	Reals(a.Type, got[:1], y[:1])
	assert.Equal(t, float32(4), y[0])

	p := number[int8](m)
	assert.Equal(t, 5, p.Record())
	_, err := Logits(t.Context(), p, []float32{1, 2}, 1)
	assert.EqualError(t, err, "interp: 2 elements are not 1 images of m, whose inputs have 3")
	half := one(t, ir.Requantize, 5, args(a), factor(1, 1)...)
	half.Outputs[0].Type.Quant.Scale = 3
	h, err := CompileInt(half)
	require.NoError(t, err)
	logits, err := Logits(t.Context(), h, []float32{8, -8}, 2)
	require.NoError(t, err)
	assert.Equal(t, []float32{6, -6}, logits, "integers 4 and -4, halved, times the scale 3")
	pair := one(t, ir.Reshape, 0, args(in("x", 0, 2)), ir.AttrShape.Is([]int{2}))
	q, err := CompileInt(pair)
	require.NoError(t, err)
	logits, err = Logits(t.Context(), q, []float32{1, 2, 3, 4}, 2)
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 2, 3, 4}, logits)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // whether a worker or the end of the context is first is not said
		if _, err = Logits(ctx, h, make([]float32, 64), 64); err != nil {
			break
		}
	}
	assert.ErrorIs(t, err, context.Canceled)
}

// TestChunks: every worker has its share of few images, and at most a chunk of many.
func TestChunks(t *testing.T) {
	old := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(old)
	for n, want := range map[int]int{0: 1, 1: 1, 4: 1, 5: 2, 8: 2, 9: 3, 63: 16, 64: 16, 65: 16, 1000: 16} {
		assert.Equal(t, want, chunkOf(n, 1<<20), n)
	}
	assert.Equal(t, 3, chunkOf(1000, 5<<20))
	assert.Equal(t, 1, chunkOf(1000, 100<<20))
	// The same numbers, of each number of images and cores.
	m := one(t, ir.Add, 0, args(real("a", 2), real("b", 2)))
	p, err := CompileFloat(m)
	require.NoError(t, err)
	for _, n := range []int{1, 2, 7, 16, 17, 40, 100} {
		x := make([]float32, 4*n)
		want := make([]float32, 2*n)
		for i := range n {
			for j := range 4 {
				x[4*i+j] = float32(i + 1000*j)
				want[2*i+j%2] += x[4*i+j]
			}
		}
		for _, cores := range []int{1, 3} {
			runtime.GOMAXPROCS(cores)
			y, err := p.Forward(t.Context(), x, n)
			require.NoError(t, err)
			assert.Equal(t, want, y, "%d images on %d cores", n, cores)
		}
	}
}

// TestThreeInputs stand one after the other in a record.
func TestThreeInputs(t *testing.T) {
	m := one(t, ir.Concat, 0, args(real("c", 3), real("a", 1), real("b", 2)))
	m.Inputs = []*ir.Value{m.Inputs[1], m.Inputs[2], m.Inputs[0]}
	assert.Equal(t, []float32{4, 5, 6, 1, 2, 3, 40, 50, 60, 10, 20, 30}, runFloat(t, m, []float32{1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60}, 2))
}

// TestPanicsReachTheCaller, of a step of either direction.
func TestPanicsReachTheCaller(t *testing.T) {
	m := one(t, ir.Relu, 0, args(real("x", 2)))
	p, err := CompileFloat(m)
	require.NoError(t, err)
	p.steps[0].run = func(*workspace, int, []float32, [][]float32) { panic("here") }
	for _, run := range []func(){
		func() { _, _ = p.Forward(t.Context(), make([]float32, 40), 20) },
		func() { _, _ = Gradient(t.Context(), p, make([]float32, 40), 20, false, LogLikelihood) },
	} {
		func() {
			defer func() {
				fault, ok := recover().(*parallel.Panic)
				require.True(t, ok)
				assert.Equal(t, "here", fault.Value)
			}()
			run()
			t.Error("no panic")
		}()
	}
	assert.Equal(t, 0, p.Index(m.Ops[0]))
	assert.Equal(t, -1, p.Index(&ir.Node{}))
}

// TestOverrideOfTiedLayers changes all that share the constants, and no other.
func TestOverrideOfTiedLayers(t *testing.T) {
	w := ir.FloatConst("w", ir.Shape{2, 2}, []float32{1, 0, 0, 1})
	x := real("x", 2)
	m := one(t, ir.Linear, 0, args(x), ir.AttrWeight.Is(w))
	for i, c := range []*ir.Const{w, ir.FloatConst("v", ir.Shape{2, 2}, []float32{1, 0, 0, 1})} {
		n := &ir.Node{Op: ir.Linear, Args: args(m.Outputs[0]), Out: &ir.Value{Name: fmt.Sprint("z", i), Type: m.Outputs[0].Type}}
		n.Out.Def = n
		n.Put(ir.AttrWeight.Is(c))
		m.Ops, m.Outputs = append(m.Ops, n), args(n.Out)
	}
	p, err := CompileFloat(m)
	require.NoError(t, err)
	y, err := Override(p, m.Ops[1], []float32{2, 0, 0, 3}, []float32{0, 1}).Forward(t.Context(), []float32{1, 1}, 1)
	require.NoError(t, err)
	assert.Equal(t, []float32{4, 13}, y, "2*2, and 3*(3*1+1)+1")
	y, err = p.Forward(t.Context(), []float32{1, 1}, 1)
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 1}, y)

	c := one(t, ir.Conv2D, 0, args(real("x", 1, 1, 2)), ir.AttrWeight.Is(ir.FloatConst("w", ir.Shape{1, 1, 1, 1}, []float32{1})))
	p, err = CompileFloat(c)
	require.NoError(t, err)
	y, err = Override(p, c.Ops[0], []float32{3}, []float32{.5}).Forward(t.Context(), []float32{1, 2}, 1)
	require.NoError(t, err)
	assert.Equal(t, []float32{3.5, 6.5}, y)
}

// TestSeeds of gradients: log likelihood and margin of the first greatest answer.
func TestSeeds(t *testing.T) {
	d := make([]float32, 3)
	LogLikelihood(0, []float32{float32(math.Log(2)), float32(math.Log(5)), 0}, d)
	assert.InDeltaSlice(t, []float32{-2. / 8, 1 - 5./8, -1. / 8}, d, 1e-6)
	clear(d)
	LogLikelihood(0, []float32{500, 500, 500}, d)
	assert.InDeltaSlice(t, []float32{2. / 3, -1. / 3, -1. / 3}, d, 1e-6)
	for _, c := range []struct {
		labels []int
		image  int
		out    []float32
		want   []float32
	}{
		{[]int{0, 2}, 1, []float32{9, 5, 7}, []float32{-1, 0, 1}},
		{[]int{0, 2}, 0, []float32{9, 5, 7}, []float32{1, 0, -1}},
		{[]int{0}, 0, []float32{9, 7, 7}, []float32{1, -1, 0}},
		{nil, 0, []float32{9, 9, 7}, []float32{1, -1, 0}},
		{nil, 0, []float32{4}, []float32{1}},
	} {
		d := make([]float32, len(c.want))
		Margin(c.labels)(c.image, c.out, d)
		assert.Equal(t, c.want, d, "%+v", c)
	}
}

// TestGradientsByHand: those that finite differences cannot tell, at corners and ties, and
// sums over more images than one worker takes.
func TestGradientsByHand(t *testing.T) {
	two, other := real("a", 2), real("b", 2)
	con := func(name string, v ...float32) *ir.Const { return ir.FloatConst(name, ir.Shape{len(v)}, v) }
	x := real("x", 2, 2)
	// The network's result has the inputs, too, whose derivatives of 1000 the operation's are
	// added to.
	gradient := func(m *ir.Module, x []float32, d ...float32) []float32 {
		assert.NoError(t, ir.Whole(), "the columns of this package")
		var flat []*ir.Value
		for _, v := range append(args(m.Outputs[0]), m.Inputs...) {
			n := &ir.Node{Op: ir.Flatten, Args: args(v), Out: &ir.Value{Name: v.Name + ".flat", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: ir.Shape{v.Type.Shape.Size()}}}}
			n.Out.Def = n
			m.Ops, flat = append(m.Ops, n), append(flat, n.Out)
		}
		all := &ir.Node{Op: ir.Concat, Args: flat, Out: &ir.Value{Name: "all", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: ir.Shape{len(d) + len(x)}}}}
		all.Out.Def = all
		m.Ops, m.Outputs = append(m.Ops, all), args(all.Out)
		p, err := CompileFloat(m)
		require.NoError(t, err)
		g, err := Gradient(t.Context(), p, x, 1, false, func(_ int, _, out []float32) {
			for i := range out {
				out[i] = 1000
			}
			copy(out, d)
		})
		require.NoError(t, err)
		for i := range g.Input {
			g.Input[i] -= 1000
		}
		return g.Input
	}
	for name, c := range map[string]struct {
		got, want []float32
	}{
		"maximum":     {gradient(one(t, ir.Maximum, 0, args(two, other)), []float32{1, 2, 1, 3}, 10, 20), []float32{10, 0, 0, 20}},
		"minimum":     {gradient(one(t, ir.Minimum, 0, args(two, other)), []float32{1, 2, 1, 3}, 10, 20), []float32{0, 20, 10, 0}},
		"max":         {gradient(one(t, ir.Reduce, 0, args(x), ir.AttrAxes.Is([]int{0}), ir.AttrFn.Is(ir.ReduceMax)), []float32{1, 2, 1, 3}, 10, 20), []float32{10, 0, 0, 20}},
		"min":         {gradient(one(t, ir.Reduce, 0, args(x), ir.AttrAxes.Is([]int{1}), ir.AttrFn.Is(ir.ReduceMin)), []float32{2, 2, 3, 1}, 10, 20), []float32{10, 0, 0, 20}},
		"sum":         {gradient(one(t, ir.Reduce, 0, args(x), ir.AttrAxes.Is([]int{0}), ir.AttrFn.Is(ir.ReduceSum)), []float32{2, 2, 3, 1}, 10, 20), []float32{10, 20, 10, 20}},
		"mean":        {gradient(one(t, ir.Reduce, 0, args(x), ir.AttrAxes.Is([]int{1})), []float32{2, 2, 3, 1}, 10, 20), []float32{5, 5, 10, 10}},
		"relu":        {gradient(one(t, ir.Relu, 0, args(two)), []float32{0, 1}, 10, 20), []float32{0, 20}},
		"relu6":       {gradient(one(t, ir.Relu6, 0, args(x)), []float32{6, 5, 7, -1}, 1, 2, 3, 4), []float32{0, 2, 0, 0}},
		"sub":         {gradient(one(t, ir.Sub, 0, args(two, other), ir.AttrAct.Is(ir.ActRelu)), []float32{1, 5, 2, 3}, 10, 20), []float32{0, 20, 0, -20}},
		"add":         {gradient(one(t, ir.Add, 0, args(two, other), ir.AttrAct.Is(ir.ActRelu6)), []float32{1, 5, 2, 3}, 10, 20), []float32{10, 0, 10, 0}},
		"squareddiff": {gradient(one(t, ir.SquaredDiff, 0, args(two, other), ir.AttrAct.Is(ir.ActRelu6)), []float32{1, 5, 3, 1}, 10, 20), []float32{-40, 0, 40, 0}},
		"scaleddiff":  {gradient(one(t, ir.ScaledDiff, 0, args(two, other, two)), []float32{1, 5, 3, 1}, 10, 20), []float32{-10, 180, -10, -100}},
		"mul":         {gradient(one(t, ir.Mul, 0, args(two, other), ir.AttrAct.Is(ir.ActRelu)), []float32{1, 5, 2, -3}, 10, 20), []float32{20, 0, 10, 0}},
		"matmul":      {gradient(one(t, ir.MatMul, 0, args(real("a", 1, 2), real("b", 2, 1)), ir.AttrAct.Is(ir.ActRelu)), []float32{1, 2, 3, 4}, 10), []float32{30, 40, 10, 20}},
		"argmax":      {gradient(one(t, ir.ArgMax, 0, args(two)), []float32{1, 5}, 10), []float32{0, 0}},
		"twice":       {gradient(one(t, ir.Add, 0, args(two, two)), []float32{1, 5}, 10, 20), []float32{20, 40}},
		"global":      {gradient(one(t, ir.GlobalAvgPool, 0, args(real("x", 2, 1, 2))), []float32{1, 5, 1, 1}, 10, 20), []float32{5, 5, 10, 10}},
		"normalize":   {gradient(one(t, ir.Normalize, 0, args(x), ir.AttrMean.Is([]float64{1}), ir.AttrStd.Is([]float64{.5, 2})), []float32{1, 5, 1, 1}, 10, 20, 30, 40), []float32{20, 40, 15, 20}},
		"batchnorm":   {gradient(one(t, ir.BatchNorm, 0, args(x), ir.AttrGamma.Is(con("g", 2, 1)), ir.AttrBeta.Is(con("b", 1, 0)), ir.AttrRunningMean.Is(con("m", 1, 2)), ir.AttrVariance.Is(con("v", 3, 15)), ir.AttrEps.Is(1)), []float32{1, 3, 6, -2}, 1, 10, 100, 1000), []float32{1, 10, 25, 250}},
		"pad":         {gradient(one(t, ir.Pad, 0, args(two), ir.AttrBefore.Is([]int{2}), ir.AttrAfter.Is([]int{0})), []float32{1, 5}, 1, 2, 4, 8), []float32{4, 8}},
		"transpose":   {gradient(one(t, ir.Transpose, 0, args(x), ir.AttrPerm.Is([]int{1, 0})), []float32{1, 5, 1, 1}, 1, 2, 4, 8), []float32{1, 4, 2, 8}},
		"softmax":     {gradient(one(t, ir.Softmax, 0, args(x)), []float32{1, 1, 1, 1}, 8, 0, 0, 16), []float32{2, -4, -2, 4}},
		"logsoftmax":  {gradient(one(t, ir.LogSoftmax, 0, args(x)), []float32{1, 1, 1, 1}, 8, 0, 0, 16), []float32{4, -8, -4, 8}},
		"linear":      {gradient(one(t, ir.Linear, 0, args(two), ir.AttrWeight.Is(ir.FloatConst("w", ir.Shape{2, 2}, []float32{1, 2, 3, 4}))), []float32{1, 1}, 10, 100), []float32{310, 420}},
		"maxpool":     {gradient(one(t, ir.MaxPool2D, 0, args(real("x", 1, 1, 3)), ir.AttrKernel.Is([]int{1, 2}), ir.AttrStride.Is([]int{1, 1})), []float32{1, 5, 2}, 10, 100), []float32{0, 110, 0}},
		"avgpool":     {gradient(one(t, ir.AvgPool2D, 0, args(real("x", 1, 1, 3)), ir.AttrKernel.Is([]int{1, 2}), ir.AttrStride.Is([]int{1, 1})), []float32{1, 5, 2}, 10, 100), []float32{5, 55, 50}},
		"abs":         {gradient(one(t, ir.Abs, 0, args(two)), []float32{-1, 5}, 10, 100), []float32{-10, 100}},
		"edge":        {gradient(one(t, ir.Pad, 0, args(two), ir.AttrBefore.Is([]int{2}), ir.AttrAfter.Is([]int{0}), ir.AttrMode.Is(ir.PadEdge)), []float32{1, 5}, 1, 2, 4, 8), []float32{7, 8}},
	} {
		assert.Equal(t, c.want, c.got, name)
	}

	w, b := ir.FloatConst("w", ir.Shape{1, 2}, []float32{3, -1}), con("b", 1)
	m := one(t, ir.Linear, 0, args(two), ir.AttrWeight.Is(w), ir.AttrBias.Is(b))
	p, err := CompileFloat(m)
	require.NoError(t, err)
	const images = 3*backChunk + 1
	data := make([]float32, 2*images)
	var first, second float32
	for i := range images {
		data[2*i], data[2*i+1] = float32(i), float32(i*i)
		first, second = first+float32(i), second+float32(i*i)
	}
	g, err := Gradient(t.Context(), p, data, images, true, func(_ int, _, d []float32) { d[0] = 2 })
	require.NoError(t, err)
	assert.Equal(t, map[*ir.Const][]float32{w: {2 * first, 2 * second}, b: {2 * images}}, g.Consts)
	assert.Equal(t, []float32{6, -2}, g.Input[2*images-2:])
	assert.Equal(t, float32(3*3-9+1), g.Output[3])

	gamma, beta := con("g", 2, 1), con("b", 1, 0)
	m = one(t, ir.BatchNorm, 0, args(x), ir.AttrGamma.Is(gamma), ir.AttrBeta.Is(beta), ir.AttrRunningMean.Is(con("m", 1, 2)), ir.AttrVariance.Is(con("v", 3, 15)), ir.AttrEps.Is(1))
	p, err = CompileFloat(m)
	require.NoError(t, err)
	g, err = Gradient(t.Context(), p, []float32{1, 3, 6, -2}, 1, true, func(_ int, _, d []float32) { copy(d, []float32{1, 10, 100, 1000}) })
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 10, 25, 250}, g.Input)
	assert.Equal(t, []float32{10, 100 - 1000}, g.Consts[gamma], "(x-mean)/sqrt(variance+eps) is 0, 1 and 1, -1")
	assert.Equal(t, []float32{11, 1100}, g.Consts[beta])
	for _, key := range ir.BatchNormConsts {
		c := m.Clone()
		c.Ops[0].Put(key.Is(&ir.Const{Name: "lost", Type: gamma.Type}))
		_, err = CompileFloat(c)
		assert.ErrorContains(t, err, "y: dnnc: missing-tensor: constant lost has no data")
		p.Module = c
		_, err = NewBackward(p)
		assert.ErrorContains(t, err, "constant lost has no data")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Module = m
	_, err = Gradient(ctx, p, make([]float32, 4), 1, false, LogLikelihood)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestRowGradients along an axis that is not the last.
func TestRowGradients(t *testing.T) {
	for _, op := range []ir.Op{ir.Softmax, ir.LogSoftmax} {
		m := one(t, op, 0, args(real("x", 3, 2)))
		p, err := CompileFloat(m)
		require.NoError(t, err)
		x, u := []float32{.5, -1, 2, .3, -.7, 1}, []float32{1, -2, .5, 3, .2, -1}
		scalar := func() (sum float64) {
			y, err := p.Forward(t.Context(), x, 1)
			require.NoError(t, err)
			for i, v := range y {
				sum += float64(v) * float64(u[i])
			}
			return sum
		}
		g, err := Gradient(t.Context(), p, x, 1, false, func(_ int, _, d []float32) { copy(d, u) })
		require.NoError(t, err)
		const h = 1. / 256
		for i := range x {
			old := x[i]
			x[i] = old + h
			above := scalar()
			x[i] = old - h
			below := scalar()
			x[i] = old
			assert.InDelta(t, (above-below)/(2*h), g.Input[i], 1e-3, "%s, element %d", op, i)
		}
	}
}

// TestStreamMemory: the smallest block that is large enough is used again, what dies is
// free, and the peak is that of the widest step.
func TestStreamMemory(t *testing.T) {
	var free spare[float32]
	for _, x := range [][]float32{make([]float32, 8), make([]float32, 4), make([]float32, 5, 6), make([]float32, 4)} {
		free.put(x)
	}
	assert.Equal(t, []int{4, 6, 8}, free.caps)
	for _, c := range []struct{ size, capacity int }{{3, 4}, {4, 4}, {4, 6}, {9, 9}, {1, 8}, {1, 1}} {
		x := free.take(c.size)
		assert.Equal(t, []int{c.size, c.capacity}, []int{len(x), cap(x)})
	}
	assert.Empty(t, free.caps)

	x := real("x", 10)
	m := &ir.Module{Name: "m", Inputs: args(x)}
	add := func(name string, op ir.Op, a ...*ir.Value) *ir.Value {
		n := &ir.Node{Op: op, Args: a, Out: &ir.Value{Name: name, Type: x.Type}}
		n.Out.Def = n
		m.Ops = append(m.Ops, n)
		return n.Out
	}
	first := add("a", ir.Relu, x)
	second := add("b", ir.Relu, first)
	third := add("c", ir.Relu, second)
	m.Outputs = args(add("d", ir.Add, third, first))
	s, err := Stream(m)
	require.NoError(t, err)
	assert.Equal(t, 4*10*3, s.Peak(), "a, b and c; or a, c and d")
	var seen [][]float32
	record := []float32{1, -2, 3, 4, 5, 6, 7, 8, 9, 10}
	for range 3 {
		seen = nil
		require.NoError(t, s.Run(t.Context(), record, 1, func(_ *ir.Value, y []float32) { seen = append(seen, append([]float32{}, y...)) }))
		assert.Equal(t, []float32{2, 0, 6, 8, 10, 12, 14, 16, 18, 20}, seen[3])
		assert.Len(t, s.free.of[10], 3, "the memory of three values serves four")
	}
	assert.Len(t, seen, 4)
	assert.Equal(t, []float32{1, -2, 3, 4, 5, 6, 7, 8, 9, 10}, record, "the caller's memory is not used again")
}

// TestStreamedMatrix: blocks of rows, the last one shorter, with bias and activation.
func TestStreamedMatrix(t *testing.T) {
	const cols, rows = 3000, 200 // streamedWeights/cols rows are a block
	w, b := make([]float32, rows*cols), make([]float32, rows)
	for r := range rows {
		w[r*cols], w[(r+1)*cols-1] = float32(r), -1
		b[r] = .5
	}
	m := one(t, ir.Linear, 0, args(real("x", cols)), ir.AttrWeight.Is(ir.FloatConst("w", ir.Shape{rows, cols}, w)), ir.AttrBias.Is(ir.FloatConst("b", ir.Shape{rows}, b)), ir.AttrAct.Is(ir.ActRelu))
	s, err := Stream(m)
	require.NoError(t, err)
	x := make([]float32, 2*cols)
	x[0], x[cols-1], x[cols], x[2*cols-1] = 1, 3, 2, 9
	require.NoError(t, s.Run(t.Context(), x, 2, func(_ *ir.Value, y []float32) {
		for r := range rows {
			require.Equal(t, max(float32(r)-3+.5, 0), y[r], r)
			require.Equal(t, max(float32(2*r)-9+.5, 0), y[rows+r], r)
		}
	}))
	assert.NoError(t, func() error {
		m.Ops[0].Drop(ir.AttrBias, ir.AttrAct)
		return s.Run(t.Context(), x, 2, func(_ *ir.Value, y []float32) { assert.Equal(t, []float32{-3, -2}, y[:2]) })
	}())
}

// TestStreamedRows: as many rows as a block has, one less, one more, and fewer than a tile.
func TestStreamedRows(t *testing.T) {
	const cols = 5000
	step := streamedWeights / cols / gemm.Tile * gemm.Tile
	require.Positive(t, step)
	x := make([]float32, cols)
	x[0], x[cols-1] = 1, 2
	for _, rows := range []int{1, step - 1, step, step + 1, 2*step - 1} {
		w := make([]float32, rows*cols)
		for r := range rows {
			w[r*cols], w[(r+1)*cols-1] = float32(r), -1
		}
		s, err := Stream(one(t, ir.Linear, 0, args(real("x", cols)), ir.AttrWeight.Is(ir.FloatConst("w", ir.Shape{rows, cols}, w))))
		require.NoError(t, err)
		require.NoError(t, s.Run(t.Context(), x, 1, func(_ *ir.Value, y []float32) {
			require.Len(t, y, rows)
			for r, v := range y {
				require.Equal(t, float32(r-2), v)
			}
		}))
	}
}
