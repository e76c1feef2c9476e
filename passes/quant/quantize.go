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
	l := &lowering{m: m, codes: codes}
	for _, n := range m.Ops {
		if lower := forms[n.Op].lower; lower != nil {
			if err := lower(l, n); err != nil {
				return err
			}
		}
		setBounds(n)
	}
	for _, n := range layers {
		n.Drop(ir.AttrBits) // the type of the weights says it now
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
		e, ok := n.Elem(ir.AttrBits)
		if !ok {
			e = ir.Of(ir.I8)
		}
		if !Serves(n, e) {
			return nil, diag.New(n.Pos, diag.Unsupported, "%s: weights of this layer cannot be rounded to %s", n.Name(), e).
				WithHelp("i8 and odd1 to odd8 serve every layer; code and vec formats those without groups")
		}
		f := Format{Elem: e, Rounding: n.Word(ir.AttrRounding)}
		if f.Rounding == "" {
			f.Rounding = Nearest
		}
		if s := n.Nums(ir.AttrSparsity); s != nil {
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
	if !n.Op.Takes(ir.AttrLo) || !n.Op.Takes(ir.AttrAct) {
		return
	}
	q := n.Out.Type.Quant
	lo, hi := geometry.Bounds(n.Word(ir.AttrAct))
	toInt := func(x float64) int {
		return int(min(max(math.Round(x/q.Scale)+float64(q.Zero), -128), 127))
	}
	n.Put(ir.AttrLo.Is(toInt(lo)), ir.AttrHi.Is(toInt(hi)))
	n.Drop(ir.AttrAct)
}

func widen(x []int32) []int64 {
	out := make([]int64, len(x))
	for i, v := range x {
		out[i] = int64(v)
	}
	return out
}

// setInts makes an integer constant named after node and key.
func setInts[T int8 | uint8 | int64](m *ir.Module, n *ir.Node, key ir.ConstAttr, kind ir.Kind, shape ir.Shape, x []T) *ir.Const {
	wide := make([]int64, len(x))
	for i, v := range x {
		wide[i] = int64(v)
	}
	c := ir.IntConst(n.Name()+"."+key.String(), ir.Of(kind), shape, wide)
	c.Pos = n.Pos
	m.Consts = append(m.Consts, c)
	n.Put(key.Is(c))
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
	setInts(m, n, ir.AttrMul, ir.I32, ir.Shape{len(factors)}, mul)
	setInts(m, n, ir.AttrShift, ir.I32, ir.Shape{len(factors)}, shift)
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
		c.book = setInts(m, n, ir.AttrCodebook, ir.I8, ir.Shape{len(c.Book) / d, d}, c.Book)
	}
}

// quantizeLayer gives a layer its codes, and the integers of R4 to R7.
func quantizeLayer(m *ir.Module, n *ir.Node, r *codesOf) error {
	in, out := n.Args[0].Type.Quant, n.Out.Type.Quant
	if same := r.alike(in, out); same != nil && padValues(n) == nil {
		for _, key := range []ir.ConstAttr{ir.AttrWeight, ir.AttrBias, ir.AttrMul, ir.AttrShift, ir.AttrCodebook} {
			if c := same.Const(key); c != nil {
				n.Put(key.Is(c))
			}
		}
		return nil
	}
	shape := n.Const(ir.AttrWeight).Type.Shape
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
		n.Put(ir.AttrPadValue.Is(pad))
	}
	least, greatest := int32(-128-in.Zero), int32(127-in.Zero)
	bias, factors := make([]int64, rows), make([]float64, rows)
	isWide := false
	for c := range rows {
		original, err := n.Const(ir.AttrWeight).Floats(c*cols, cols)
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
	for _, key := range []ir.ConstAttr{ir.AttrWeight, ir.AttrBias} {
		drop(m, n.Const(key))
	}
	if r.weight == nil {
		r.declare(m, n, shape)
	}
	n.Put(ir.AttrWeight.Is(r.weight))
	if r.book != nil {
		n.Put(ir.AttrCodebook.Is(r.book))
	}
	kind := ir.I32
	if isWide {
		kind = ir.I64
	}
	setInts(m, n, ir.AttrBias, kind, ir.Shape{rows}, bias)
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
	s := n.Const(ir.AttrWeight).Type.Shape
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
	if c := n.Const(ir.AttrBias); c != nil {
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

// padValues are the values of padded pixels, one an input channel; nil for zero
// padding, and for linear layers.
func padValues(n *ir.Node) []float64 {
	if n.Op != ir.Conv2D {
		return nil
	}
	return n.Nums(ir.AttrPadValue)
}
