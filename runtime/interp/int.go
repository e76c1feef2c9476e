package interp

import (
	"context"
	"fmt"
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/gemm"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// Int is a compiled quantized module: the integers that ship.
type Int = Program[int8]

type intRun = func(ws *workspace, n int, dst []int8, src [][]int8)

// CompileInt compiles a quantized module.
func CompileInt(m *ir.Module) (*Int, error) {
	if !m.IsQuantized() {
		return nil, fmt.Errorf("interp: %s is not quantized", m.Name)
	}
	return compile(m, integerStep)
}

func integerStep(p *Int, n *ir.Node) (intRun, error) {
	build := operations[n.Op].integer
	if build == nil {
		return nil, fmt.Errorf("%s has no integer step", n.Op)
	}
	return build(p, n)
}

// intLayer is what a convolution and a linear layer share.
type intLayer struct {
	weight []int16
	bias   []int64
	wide   bool
	rq     *geometry.Requant
}

func loadIntLayer(n *ir.Node) (l intLayer, err error) {
	w, err := geometry.IntWeights(n)
	if err != nil {
		return l, err
	}
	l.weight = make([]int16, len(w))
	for i, v := range w {
		l.weight[i] = int16(v)
	}
	if l.bias, err = n.Const(ir.AttrBias).Ints(); err != nil {
		return l, err
	}
	l.wide = n.Const(ir.AttrBias).Type.Elem.Kind == ir.I64
	l.rq, err = geometry.RequantOf(n)
	return l, err
}

func intConv(_ *Int, n *ir.Node) (intRun, error) {
	var pad []int32
	for _, v := range n.Nums(ir.AttrPadValue) {
		pad = append(pad, int32(v))
	}
	g := geometry.WindowOf(n)
	h, w := n.Pool()
	pool := geometry.Window{InC: g.OutC, InH: g.OutH(), InW: g.OutW(), OutC: g.OutC, KH: h, KW: w, StrideH: h, StrideW: w, DilH: 1, DilW: 1, Groups: g.OutC}
	if n.IsWide() {
		run, err := wideProduct(n, g, pad)
		if err == nil && h*w > 1 {
			run = pooled(run, pool, func(x, y []int16) { kernels.MaxPoolInt(pool, x, math.MinInt16, math.MaxInt16, y) })
		}
		return inWords(n, run), err
	}
	run, err := intProduct(n, g, pad)
	if err == nil && h*w > 1 {
		run = pooled(run, pool, func(x, y []int8) { gemm.MaxPoolInt(pool, x, -128, 127, y) })
	}
	return run, err
}

// pooled keeps the greatest of the outputs of each window of a convolution.
func pooled[T kernels.Integer](run stepOf[T], pool geometry.Window, greatest func(x, y []T)) stepOf[T] {
	each := perImage(greatest)
	return func(ws *workspace, count int, dst []T, src [][]T) {
		// No part of the workspace, which the product itself uses.
		whole := make([]T, count*pool.InC*pool.InH*pool.InW)
		run(ws, count, whole, src)
		each(ws, count, dst, [][]T{whole})
	}
}

func intLinear(_ *Int, n *ir.Node) (intRun, error) {
	g := onePixel(n)
	if n.IsWide() {
		run, err := wideProduct(n, g, nil)
		return inWords(n, run), err
	}
	return intProduct(n, g, nil)
}

// onePixel is a linear layer as a convolution of one pixel, whose channels are all elements.
func onePixel(n *ir.Node) geometry.Window {
	s := n.Const(ir.AttrWeight).Type.Shape
	return geometry.Window{InC: s[1], InH: 1, InW: 1, OutC: s[0], KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
}

func intProduct(n *ir.Node, g geometry.Window, pad []int32) (intRun, error) {
	l, err := loadIntLayer(n)
	if err != nil {
		return nil, err
	}
	zero := n.Args[0].Type.Quant.Zero
	if l.wide {
		return slowProduct[int8](&l, g, int32(zero), pad), nil
	}
	c := gemm.NewInts(g, l.weight, zero, pad)
	finish := func(channel int, sums []int32, y []int8) {
		gemm.Requantize(l.rq, sums, l.bias[channel], channel, y)
	}
	return func(ws *workspace, count int, dst []int8, src [][]int8) {
		c.Run(count, src[0], &ws.ints, finish, dst)
	}, nil
}

// wideProduct is a layer whose argument or result has 16 bits.
func wideProduct(n *ir.Node, g geometry.Window, pad []int32) (stepOf[int16], error) {
	l, err := loadIntLayer(n)
	if err != nil {
		return nil, err
	}
	return slowProduct[int16](&l, g, int32(n.Args[0].Type.Quant.Zero), pad), nil
}

// slowProduct is a layer whose sums take 64 bits, or whose argument or result has 16.
func slowProduct[T kernels.Integer](l *intLayer, g geometry.Window, zero int32, pad []int32) stepOf[T] {
	pixels, rows, k := g.OutH()*g.OutW(), g.OutC/g.Groups, g.K()
	return func(_ *workspace, count int, dst []T, src [][]T) {
		in, out := len(src[0])/count, len(dst)/count
		cols, acc := make([]int16, k*pixels), make([]int64, rows*pixels)
		for i := range count {
			for group := range g.Groups {
				first := group * rows
				gemm.Im2ColInt(g, group, src[0][i*in:(i+1)*in], zero, pad, cols)
				gemm.IntWide(rows, pixels, k, l.weight[first*k:(first+rows)*k], cols, acc)
				for j, a := range acc {
					channel := first + j/pixels
					dst[i*out+first*pixels+j] = T(l.rq.Integer(a+l.bias[channel], channel, l.wide))
				}
			}
		}
	}
}

func intPool(pool func(g geometry.Window, x []int8, lo, hi int32, y []int8), wide func(g geometry.Window, x []int16, lo, hi int32, y []int16)) func(*Int, *ir.Node) (intRun, error) {
	return func(_ *Int, n *ir.Node) (intRun, error) {
		g, lo, hi := geometry.WindowOf(n), int32(n.Int(ir.AttrLo)), int32(n.Int(ir.AttrHi))
		return sized(n, perImage(func(x, y []int8) { pool(g, x, lo, hi, y) }), perImage(func(x, y []int16) { wide(g, x, lo, hi, y) })), nil
	}
}

// intAvgPool is R11, in either form.
func intAvgPool(p *Int, n *ir.Node) (intRun, error) {
	if n.Const(ir.AttrMul) == nil {
		return intPool(kernels.AvgPoolKept[int8], kernels.AvgPoolKept[int16])(p, n)
	}
	q, err := geometry.RequantOf(n)
	if err != nil {
		return nil, err
	}
	g, zero := geometry.WindowOf(n), int32(n.Args[0].Type.Quant.Zero)
	return sized(n, perImage(func(x, y []int8) { kernels.AvgPoolInt(g, zero, q, x, y) }), perImage(func(x, y []int16) { kernels.AvgPoolInt(g, zero, q, x, y) })), nil
}

func intAdd(_ *Int, n *ir.Node) (intRun, error) {
	p, err := geometry.AddParamsOf(n)
	if err != nil {
		return nil, err
	}
	return sized(n, ofTwo(func(a, b, y []int8) { kernels.AddInt(p, a, b, y) }), ofTwo(func(a, b, y []int16) { kernels.AddInt(p, a, b, y) })), nil
}

func intReshape(_ *Int, n *ir.Node) (intRun, error) {
	return sized(n, perImage(func(x, y []int8) { copy(y, x) }), perImage(func(x, y []int16) { copy(y, x) })), nil
}

func intRequantize(_ *Int, n *ir.Node) (intRun, error) {
	q, err := geometry.RequantOf(n)
	if err != nil {
		return nil, err
	}
	zero := int32(n.Args[0].Type.Quant.Zero)
	return sized(n, perImage(func(x, y []int8) { kernels.RequantizeInt(x, zero, q, y) }), perImage(func(x, y []int16) { kernels.RequantizeInt(x, zero, q, y) })), nil
}

func intSoftmax(_ *Int, n *ir.Node) (intRun, error) {
	mul, shift := []int32{1}, []int32{0}
	var err error
	if n.Const(ir.AttrMul) != nil {
		if mul, shift, err = geometry.Factors(n); err != nil {
			return nil, err
		}
	}
	if n.IsWide() {
		tables, err := words(n.Const(ir.AttrTable), 2*ir.WideTable)
		if err != nil {
			return nil, err
		}
		run, err := softmaxRows(n, func(x []int16, mask []byte, y []int16) {
			kernels.SoftmaxWide(tables, mul[0], shift[0], x, mask, y)
		})
		return inWords(n, run), err
	}
	table, err := n.Const(ir.AttrTable).Int32()
	if err != nil {
		return nil, err
	}
	return softmaxRows(n, func(x []int8, mask []byte, y []int8) {
		kernels.SoftmaxScaledInt(table, mul[0], shift[0], x, mask, y)
	})
}

func intLogSoftmax(_ *Int, n *ir.Node) (intRun, error) {
	p, err := geometry.LogSoftmaxOf(n)
	if err != nil {
		return nil, err
	}
	table, err := n.Const(ir.AttrTable).Int32()
	if err != nil {
		return nil, err
	}
	return byRows(n, func(_ int, x, y []int8) { kernels.LogSoftmaxInt(p, table, x, y) }), nil
}

func intL2Norm(_ *Int, n *ir.Node) (intRun, error) {
	p, err := geometry.L2NormOf(n)
	if err != nil {
		return nil, err
	}
	return byRows(n, func(_ int, x, y []int8) { kernels.L2NormInt(p, x, y) }), nil
}

// Quantize turns reals into the integers of q: nearest, ties up, saturating.
func Quantize(q ir.Quant, x []float32, y []int8) {
	for i, v := range x {
		r := math.Floor(float64(v)/q.Scale+0.5) + float64(q.Zero)
		y[i] = int8(min(max(r, -128), 127))
	}
}

// Dequantize turns integers into the reals they stand for.
func Dequantize(q ir.Quant, x []int8, y []float32) {
	for i, v := range x {
		y[i] = float32(q.Scale * float64(int(v)-q.Zero))
	}
}

// Reals turns the integers of a value, of i8 or i16, into the reals they stand for.
func Reals(t ir.Type, x []int8, y []float32) {
	if t.Elem.Kind != ir.I16 {
		Dequantize(t.Quant, x, y)
		return
	}
	for i := range y {
		y[i] = float32(t.Quant.Scale * float64(int(word(x, i))-t.Quant.Zero))
	}
}

// Integers are the integers of a value, of i8 or i16, from its bytes.
func Integers(t ir.Type, x []int8, y []int16) {
	for i := range y {
		if t.Elem.Kind == ir.I16 {
			y[i] = word(x, i)
		} else {
			y[i] = int16(x[i])
		}
	}
}

// QuantizeInputs turns the records of images, reals, into the integers of a quantized
// network's inputs.
func QuantizeInputs(m *ir.Module, x []float32) []int8 {
	reals, record := 0, 0
	for _, v := range m.Inputs {
		reals, record = reals+v.Type.Shape.Size(), record+v.Type.Slots()
	}
	all := make([]int8, len(x)/reals*record)
	for q := all; len(q) > 0; {
		for _, v := range m.Inputs {
			size, slots := v.Type.Shape.Size(), v.Type.Slots()
			if v.Type.Elem.Kind == ir.I16 {
				quantizeWide(v.Type.Quant, x[:size], q)
			} else {
				Quantize(v.Type.Quant, x[:size], q)
			}
			x, q = x[size:], q[slots:]
		}
	}
	return all
}

// quantizeWide is Quantize to 16 bits, the low byte first.
func quantizeWide(q ir.Quant, x []float32, y []int8) {
	for i, v := range x {
		r := int(min(max(math.Floor(float64(v)/q.Scale+0.5)+float64(q.Zero), math.MinInt16), math.MaxInt16))
		putWord(y, i, int16(r))
	}
}

// Logits runs a quantized network on the records of n images, reals, and returns the
// reals of its outputs, those of an image side by side.
func Logits(ctx context.Context, p *Int, x []float32, n int) ([]float32, error) {
	reals := 0
	for _, v := range p.Module.Inputs {
		reals += v.Type.Shape.Size()
	}
	if len(x) != n*reals {
		return nil, fmt.Errorf("interp: %d elements are not %d images of %s, whose inputs have %d", len(x), n, p.Module.Name, reals)
	}
	out, err := p.Results(ctx, QuantizeInputs(p.Module, x), n)
	if err != nil {
		return nil, err
	}
	return ResultReals(p.Module, out), nil
}

// ResultReals turns the results of images, those of an image side by side, into the reals that
// they stand for.
func ResultReals(m *ir.Module, out []int8) []float32 {
	size, slots := 0, 0
	for _, v := range m.Outputs {
		size, slots = size+v.Type.Shape.Size(), slots+v.Type.Slots()
	}
	all := make([]float32, len(out)/slots*size)
	if len(m.Outputs) == 1 {
		Reals(m.Outputs[0].Type, out, all)
		return all
	}
	for y := all; len(y) > 0; {
		for _, v := range m.Outputs {
			size, slots := v.Type.Shape.Size(), v.Type.Slots()
			Reals(v.Type, out[:slots], y[:size])
			out, y = out[slots:], y[size:]
		}
	}
	return all
}
