package quant

import (
	"context"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant/round"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// Quantize rounds the weights of every layer to the format that it was given
// and makes the module one of integers: i8 activations, packed weights, and
// every bias, multiplier, shift and table as a constant, computed here once in
// float64 (R10).
func Quantize(ctx context.Context, m *ir.Module, env *pass.Env) error {
	formats, err := Formats(m)
	if err != nil {
		return err
	}
	r := &Rounder{Module: m, bare: true}
	if slices.ContainsFunc(formats, Format.needsData) {
		samples, err := env.Samples()
		if err != nil {
			return err
		}
		if r, err = NewRounder(m, samples, env.Memory()); err != nil {
			return err
		}
	}
	rounded, err := r.Sequential(ctx, formats)
	if err != nil {
		return err
	}
	return Lower(m, rounded)
}

// Lower makes m a module of integers, its layers' weights rounded already.
func Lower(m *ir.Module, rounded []*Rounded) error {
	for _, v := range values(m) {
		v.Type = ir.Type{Elem: ir.Of(ir.I8), Shape: v.Type.Shape, Quant: quantFor(*v.Range)}
		if m.IsIndex(v) { // its integers are the rows' numbers
			v.Type.Elem, v.Type.Quant = ir.Of(ir.I16), ir.Quant{Scale: 1}
		}
	}
	for i := range m.Results {
		m.Results[i] = ir.Type{Elem: ir.Of(ir.I8), Shape: m.Results[i].Shape}
	}
	layers, codes := m.Layers(), map[*ir.Node]*codesOf{}
	for i, n := range layers {
		own := &codesOf{Rounded: rounded[i]}
		for _, t := range m.Tied(n) {
			codes[t] = own
		}
	}
	for _, n := range m.Ops {
		var err error
		switch n.Op {
		case ir.Conv2D, ir.Linear:
			err = quantizeLayer(m, n, codes[n])
		case ir.Add, ir.Sub:
			err = quantizeAdd(m, n)
		case ir.Mul, ir.MatMul:
			err = setRequant(m, n, []float64{float64(n.Args[0].Type.Quant.Scale*n.Args[1].Type.Quant.Scale) / n.Out.Type.Quant.Scale})
		case ir.Reduce:
			err = quantizeReduce(m, n)
		case ir.Pad:
			if n.Word("mode") != "constant" {
				break
			}
			q := n.Out.Type.Quant
			n.Set("value", min(max(math.Round(n.Float("value")/q.Scale)+float64(q.Zero), -128), 127))
		case ir.Table:
			quantizeTable(m, n)
		case ir.Embedding:
			err = quantizeEmbedding(m, n)
		case ir.Requantize:
			err = quantizeRequantize(m, n)
		case ir.Softmax:
			table := kernels.SoftmaxTable(n.Args[0].Type.Quant.Scale)
			setInts(m, n, "table", ir.I32, ir.Shape{len(table)}, widen(table))
		}
		if err != nil {
			return err
		}
		setBounds(n)
	}
	for _, n := range layers {
		n.Set("bits", nil) // the type of the weights says it now
	}
	for _, v := range values(m) {
		v.Range = nil // scale and zero point say it now
	}
	m.Tensors = nil
	m.PruneConsts()
	return nil
}

func values(m *ir.Module) []*ir.Value {
	vs := append([]*ir.Value(nil), m.Inputs...)
	for _, n := range m.Ops {
		vs = append(vs, n.Out)
	}
	return vs
}

// Formats are those that the layers of m were given.
func Formats(m *ir.Module) ([]Format, error) {
	var formats []Format
	for _, n := range m.Layers() {
		e, ok := n.Elem("bits")
		if !ok {
			e = ir.Of(ir.I8)
		}
		if !Serves(n, e) {
			return nil, diag.New(n.Pos, diag.Unsupported, "%s: weights of this layer cannot be rounded to %s", n.Name(), e).
				WithHelp("i8 and odd1 to odd8 serve every layer; code and vec formats those without groups")
		}
		f := Format{Elem: e, Rounding: n.Word("rounding")}
		if f.Rounding == "" {
			f.Rounding = Nearest
		}
		if s := n.Nums("sparsity"); s != nil {
			f.Sparsity = s[0]
		}
		formats = append(formats, f)
	}
	return formats, nil
}

// quantFor is the i8 type of a range that contains 0 (R3): the scale of 255
// steps, and the zero point to which 0 comes exactly.
func quantFor(r ir.Range) ir.Quant {
	lo, hi := min(r.Lo, 0), max(r.Hi, 0)
	scale := (hi - lo) / 255
	zero := math.Round(-128 - lo/scale)
	return ir.Quant{Scale: scale, Zero: int(min(max(zero, -128), 127))}
}

// setBounds turns an activation into the bounds of the result (R9).
func setBounds(n *ir.Node) {
	info := n.Op.Info()
	if info.Attr("lo") == nil || info.Attr("act") == nil {
		return
	}
	q := n.Out.Type.Quant
	lo, hi := geometry.Bounds(n.Word("act"))
	toInt := func(x float64) int {
		return int(min(max(math.Round(x/q.Scale)+float64(q.Zero), -128), 127))
	}
	n.Set("lo", toInt(lo))
	n.Set("hi", toInt(hi))
	n.Set("act", nil)
}

func widen(x []int32) []int64 {
	out := make([]int64, len(x))
	for i, v := range x {
		out[i] = int64(v)
	}
	return out
}

// setInts makes an integer constant named after node and attribute.
func setInts[T int8 | uint8 | int64](m *ir.Module, n *ir.Node, attr string, kind ir.Kind, shape ir.Shape, x []T) *ir.Const {
	wide := make([]int64, len(x))
	for i, v := range x {
		wide[i] = int64(v)
	}
	c := ir.IntConst(n.Name()+"."+attr, ir.Of(kind), shape, wide)
	c.Pos = n.Pos
	m.Consts = append(m.Consts, c)
	n.Set(attr, c)
	return c
}

func setRequant(m *ir.Module, n *ir.Node, factors []float64) error {
	mul, shift := make([]int64, len(factors)), make([]int64, len(factors))
	for i, f := range factors {
		a, r, err := geometry.MultiplierFor(f)
		if err != nil {
			return diag.New(n.Pos, diag.Unsupported, "%s: channel %d would be rescaled by %v", n.Name(), i, f).
				WithNote("%v", err).WithHelp("a layer whose results are this much larger than its inputs cannot be kept in 8 bits; check its weights")
		}
		mul[i], shift[i] = int64(a), int64(r)
	}
	setInts(m, n, "mul", ir.I32, ir.Shape{len(factors)}, mul)
	setInts(m, n, "shift", ir.I32, ir.Shape{len(factors)}, shift)
	return nil
}

// codesOf is the weights of layers that share them: as rounded, and the constants
// that the first one declares.
type codesOf struct {
	*Rounded
	weight, book *ir.Const
	done         []*ir.Node
}

// alike is a layer that has the integers of one of these types already, or nil.
func (c *codesOf) alike(in, out ir.Quant) *ir.Node {
	for _, n := range c.done {
		if n.Args[0].Type.Quant == in && n.Out.Type.Quant == out {
			return n
		}
	}
	return nil
}

// declare makes the constants, named after the first layer.
func (c *codesOf) declare(m *ir.Module, n *ir.Node, shape ir.Shape) {
	rows := shape[0]
	scales := make([]float32, rows)
	for i, s := range c.Scale {
		scales[i] = float32(s)
	}
	c.weight = &ir.Const{Name: n.Name() + ".weight", Type: ir.Type{Elem: c.Elem, Shape: shape}, Data: ir.Bytes(c.Codes), Pos: n.Pos}
	c.weight.Scale = ir.FloatConst(n.Name()+".scale", ir.Shape{rows}, scales)
	c.weight.Scale.Pos = n.Pos
	m.Consts = append(m.Consts, c.weight, c.weight.Scale)
	if c.Book != nil {
		d := len(c.Book) >> c.Elem.Bits
		c.book = setInts(m, n, "codebook", ir.I8, ir.Shape{len(c.Book) / d, d}, c.Book)
	}
}

// quantizeLayer gives a layer its codes, and the integers of R4 to R7.
func quantizeLayer(m *ir.Module, n *ir.Node, r *codesOf) error {
	in, out := n.Args[0].Type.Quant, n.Out.Type.Quant
	if same := r.alike(in, out); same != nil && padValues(n) == nil {
		for _, attr := range []string{"weight", "bias", "mul", "shift", "codebook"} {
			if c := same.Const(attr); c != nil {
				n.Set(attr, c)
			}
		}
		return nil
	}
	shape := n.Const("weight").Type.Shape
	rows := shape[0]
	cols := shape.Size() / rows
	real, err := biasReals(n, r.Rounded)
	if err != nil {
		return err
	}
	if v := padValues(n); v != nil {
		pad := make([]float64, len(v))
		for i, x := range v {
			pad[i] = min(max(math.Round(x/in.Scale)+float64(in.Zero), -128), 127)
		}
		n.Set("pad_value", pad)
	}
	least, greatest := int32(-128-in.Zero), int32(127-in.Zero)
	bias, factors := make([]int64, rows), make([]float64, rows)
	isWide := false
	for c := range rows {
		original, err := n.Const("weight").Floats(c*cols, cols)
		if err != nil {
			return err
		}
		if r.weight == nil && r.Elem.Kind != ir.I8 && allZero(original) {
			r.Rounded = r.own()
			r.kill(c, float64(in.Scale*255), out.Scale)
		}
		w := r.integers(n, c)
		step := float64(in.Scale * r.Scale[c])
		bias[c] = int64(math.Round(real[c] / step))
		factors[c] = step / out.Scale
		isWide = isWide || !geometry.AccumulatorFits(bias[c], w, least, greatest)
	}
	for _, old := range []string{"weight", "bias"} {
		drop(m, n.Const(old))
	}
	if r.weight == nil {
		r.declare(m, n, shape)
	}
	n.Set("weight", r.weight)
	if r.book != nil {
		n.Set("codebook", r.book)
	}
	kind := ir.I32
	if isWide {
		kind = ir.I64
	}
	setInts(m, n, "bias", kind, ir.Shape{rows}, bias)
	r.done = append(r.done, n)
	return setRequant(m, n, factors)
}

// rowCodes are the codes of channel c.
func (r *Rounded) rowCodes(c int) []byte {
	size := len(r.Codes) / len(r.Scale)
	return r.Codes[c*size : (c+1)*size]
}

// integers are the W of channel c (R1).
func (r *Rounded) integers(n *ir.Node, c int) []int32 {
	s := n.Const("weight").Type.Shape
	codes := r.rowCodes(c)
	w := make([]int32, s.Size()/s[0])
	switch r.Elem.Kind {
	case ir.I8:
		for i, q := range codes {
			w[i] = int32(int8(q))
		}
	case ir.Odd:
		geometry.DecodeOdd(int(r.Elem.Bits), codes, w)
	case ir.Code:
		geometry.DecodeCodebook(r.Book, codes, w)
	case ir.Vec:
		geometry.DecodeVector(r.Book, int(r.Elem.Group), codes, s[1], len(w)/s[1], w)
	}
	return w
}

// own is a copy whose codes and scales may change: others may share r.
func (r *Rounded) own() *Rounded {
	c := *r
	c.Codes, c.Scale = slices.Clone(r.Codes), slices.Clone(r.Scale)
	return &c
}

// kill rounds a channel of zeros to a format without zero (R2): the least
// integers there are, with a scale so small that inputs of at most reach move the
// output by a fraction of a step.
func (r *Rounded) kill(c int, reach, step float64) {
	codes := r.rowCodes(c)
	sum := len(codes) // of absolute integers
	if r.Elem.Kind == ir.Odd {
		for i := range codes {
			codes[i] = byte(1<<(r.Elem.Bits-1)) - byte(i%2)
		}
	} else {
		d := len(r.Book) >> r.Elem.Bits
		best, least := 0, math.MaxInt
		for q := range 1 << r.Elem.Bits {
			size := 0
			for _, v := range r.Book[q*d : (q+1)*d] {
				size += max(int(v), -int(v))
			}
			if size < least {
				best, least = q, size
			}
		}
		for i := range codes {
			codes[i] = byte(best)
		}
		sum *= max(least, 1)
	}
	r.Scale[c] = round.DeadScale(sum, reach, step)
}

// drop takes a constant out of the module, so that its name can be used again. It
// is gone already where another layer shares it.
func drop(m *ir.Module, c *ir.Const) {
	for i, k := range m.Consts {
		if k == c {
			m.Consts = append(m.Consts[:i], m.Consts[i+1:]...)
			return
		}
	}
}

// allZero reports a dead channel, whose weights odd codes cannot hold (R2).
func allZero(weights []float32) bool {
	for _, x := range weights {
		if x != 0 {
			return false
		}
	}
	return true
}

func biasReals(n *ir.Node, r *Rounded) ([]float64, error) {
	real := append([]float64(nil), r.Bias...)
	if c := n.Const("bias"); c != nil {
		b, err := c.Float32()
		if err != nil {
			return nil, err
		}
		for i, x := range b {
			real[i] += float64(x)
		}
	}
	return real, nil
}

// quantizeAdd writes the three multipliers of R13: of each argument to twice
// the greater scale, and of their sum, shifted left by 20, to the result's.
func quantizeAdd(m *ir.Module, n *ir.Node) error {
	p, err := geometry.NewAddParams(
		n.Args[0].Type.Quant.Scale, int32(n.Args[0].Type.Quant.Zero),
		n.Args[1].Type.Quant.Scale, int32(n.Args[1].Type.Quant.Zero),
		n.Out.Type.Quant.Scale, int32(n.Out.Type.Quant.Zero), -128, 127)
	if err != nil {
		return diag.New(n.Pos, diag.Unsupported, "%s: %v", n.Name(), err)
	}
	setInts(m, n, "mul", ir.I32, ir.Shape{3}, widen([]int32{p.MulA, p.MulB, p.MulY}))
	setInts(m, n, "shift", ir.I32, ir.Shape{3}, widen([]int32{p.ShiftA, p.ShiftB, p.ShiftY}))
	return nil
}

// quantizeReduce writes the factor of a sum, or of a mean, which has the division
// by the elements in it (R16); least and greatest elements keep their type.
func quantizeReduce(m *ir.Module, n *ir.Node) error {
	if KeepsType(n) {
		return nil
	}
	factor := n.Args[0].Type.Quant.Scale / n.Out.Type.Quant.Scale
	if n.Word("fn") == "mean" {
		factor /= float64(n.Args[0].Type.Shape.Size() / n.Out.Type.Shape.Size())
	}
	return setRequant(m, n, []float64{factor})
}

// quantizeTable writes the table of a function (R14), which then says all that
// there is to say of it. Equal ones, as the steps of a recurrence have, are one.
func quantizeTable(m *ir.Module, n *ir.Node) {
	x, y := n.Args[0].Type.Quant, n.Out.Type.Quant
	for _, o := range m.Ops {
		if o == n {
			break
		}
		if o.Op == ir.Table && o.Word("fn") == n.Word("fn") && slices.Equal(o.Nums("params"), n.Nums("params")) && o.Args[0].Type.Quant == x && o.Out.Type.Quant == y {
			n.Set("table", o.Const("table"))
			return
		}
	}
	t := kernels.FunctionTable(kernels.Function(n.Word("fn"), n.Nums("params")), x.Scale, x.Zero, y.Scale, y.Zero)
	setInts(m, n, "table", ir.I8, ir.Shape{len(t)}, t)
}

// quantizeEmbedding writes the rows as integers of the result, and the row that each
// integer of the index names.
func quantizeEmbedding(m *ir.Module, n *ir.Node) error {
	reals, err := n.Const("rows").Float32()
	if err != nil {
		return err
	}
	shape, x := n.Const("rows").Type.Shape, n.Args[0].Type.Quant
	rows := make([]int8, len(reals))
	interp.Quantize(n.Out.Type.Quant, reals, rows)
	if n.Args[0].Type.Elem.Kind == ir.I8 {
		setInts(m, n, "table", ir.U8, ir.Shape{ir.ByteRows}, kernels.EmbeddingTable(x.Scale, x.Zero, shape[0]))
	}
	drop(m, n.Const("rows"))
	setInts(m, n, "rows", ir.I8, shape, rows)
	return nil
}

func quantizeRequantize(m *ir.Module, n *ir.Node) error {
	return setRequant(m, n, []float64{n.Args[0].Type.Quant.Scale / n.Out.Type.Quant.Scale})
}

// padValues are the values of padded pixels, one an input channel; nil for zero
// padding, and for linear layers.
func padValues(n *ir.Node) []float64 {
	if n.Op != ir.Conv2D {
		return nil
	}
	return n.Nums("pad_value")
}
