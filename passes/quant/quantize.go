package quant

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/passes/pass"
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
		if r, err = RounderOf(m, env); err != nil {
			return err
		}
	}
	env.Rounder = nil // the module is one of integers then
	rounded, err := r.Sequential(ctx, formats)
	if err != nil {
		return err
	}
	return Lower(m, rounded)
}

// Lower makes m a module of integers, its layers' weights rounded already.
func Lower(m *ir.Module, rounded []*Rounded) error {
	returned := m.Returned()
	for _, v := range values(m) {
		if err := checkRange(v, v.Def == nil || returned[v]); err != nil {
			return err
		}
		v.Type = ir.Type{Elem: ir.Of(ir.I8), Shape: v.Type.Shape, Quant: quantFor(*v.Range)}
		switch {
		case m.IsIndex(v): // its integers are the rows' numbers
			v.Type.Elem, v.Type.Quant = ir.Of(ir.I16), ir.Quant{Scale: 1}
		case v.Wide:
			v.Type.Elem, v.Type.Quant = ir.Of(ir.I16), wideType(m, v)
		}
	}
	for i, v := range m.Outputs {
		m.Results[i] = ir.Type{Elem: v.Type.Elem, Shape: m.Results[i].Shape}
	}
	layers, codes := m.Layers(), map[*ir.Node]*codesOf{}
	for i, tied := range m.AllTied() {
		own := &codesOf{Rounded: rounded[i], tied: tied}
		for _, t := range tied {
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
		v.Range, v.Wide = nil, false // type, scale and zero point say it now
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

// leastScale is the least scale of an activation, which products of several are still
// numbers with; leastOutside that of inputs and outputs, a normal number of float32.
const (
	leastScale   = 1e-60
	leastOutside = 0x1p-126
)

// checkRange refuses a range that has no scale, or none that products can be made of; callers
// convert a value from outside, an input or an output, in float32.
func checkRange(v *ir.Value, isOutside bool) error {
	lo, hi := min(v.Range.Lo, 0), max(v.Range.Hi, 0)
	scale := (hi - lo) / 255
	switch {
	case !(-lo <= math.MaxFloat32 && hi <= math.MaxFloat32):
		return diag.New(v.Pos, diag.Unsupported, "%s has the range [%g,%g], which is beyond float32", v.Name, v.Range.Lo, v.Range.Hi).
			WithHelp("scale the network's inputs or weights down")
	case scale < leastScale || isOutside && scale < leastOutside:
		return diag.New(v.Pos, diag.Unsupported, "%s has the range [%g,%g], which is too narrow", v.Name, v.Range.Lo, v.Range.Hi).
			WithHelp("scale the network's inputs or weights up")
	}
	return nil
}

// quantFor is the i8 type of a range that contains 0 (R3): the scale of 255
// steps, and the zero point to which 0 comes exactly.
func quantFor(r ir.Range) ir.Quant {
	lo, hi := min(r.Lo, 0), max(r.Hi, 0)
	scale := (hi - lo) / 255
	zero := math.Round(-128 - lo/scale)
	return ir.Quant{Scale: scale, Zero: int(min(max(zero, -128), 127))}
}

// spare is how much greater the numbers of a wide result may be than the greatest of the
// calibration images: one bit of 16.
const spare = 2

// wideQuant is the i16 type of a result of this range.
func wideQuant(r ir.Range) ir.Quant {
	return ir.Quant{Scale: spare * max(-r.Lo, r.Hi) / math.MaxInt16}
}

// wideType is the i16 type of a value. A type that its operation gives has no bits to spare, nor has what
// only moves it.
func wideType(m *ir.Module, v *ir.Value) ir.Quant {
	switch from := typeFrom(v); {
	case from.Def == nil:
		return ir.Quant{Scale: max(-from.Range.Lo, from.Range.Hi) / math.MaxInt16}
	case from.Def.Op == ir.Softmax || isHalfSigmoid(m, from.Def) || from.Def.Op == ir.Recurrent && !sharesType(m, from):
		return ir.Quant{Scale: 1. / (1 << 15)}
	case feedsGates(m, v):
		return gateQuant(*v.Range)
	}
	return wideQuant(*v.Range)
}

// isHalfSigmoid reports whether an operation is computed by the table of a sigmoid (R14), which gives the
// scale 2^-15: a sigmoid or tanh whose result shares its type with no other value's.
func isHalfSigmoid(m *ir.Module, n *ir.Node) bool {
	if n.Op != ir.Table {
		return false
	}
	if fn, _ := n.Function(); fn != ir.Sigmoid && fn != ir.Tanh {
		return false
	}
	return !sharesType(m, n.Out)
}

// sharesType reports whether an operation of several arguments gives a value and others one type.
func sharesType(m *ir.Module, v *ir.Value) bool {
	return slices.ContainsFunc(m.Users(v), func(u *ir.Node) bool { return KeepsType(u) && (len(u.Args) > 1 || sharesType(m, u.Out)) })
}

// ResultStep is the real that one step of result i stands for, as Lower makes it; 0 where its
// range is not known.
func ResultStep(m *ir.Module, i int) float64 {
	v := m.Outputs[i]
	r := v.Range
	switch {
	case r == nil:
		return 0
	case v.Wide:
		return wideType(m, v).Scale
	}
	return (r.Hi - r.Lo) / 255
}

// setBounds turns an activation into the bounds of the result (R9).
func setBounds(n *ir.Node) {
	if !n.Op.Takes(ir.AttrLo) {
		return
	}
	q := n.Out.Type.Quant
	least, greatest := n.Out.Type.Ends()
	if !n.Op.Takes(ir.AttrAct) {
		n.Put(ir.AttrLo.Is(least), ir.AttrHi.Is(greatest))
		return
	}
	lo, hi := geometry.Bounds(n.Word(ir.AttrAct))
	toInt := func(x float64) int {
		return int(min(max(math.Round(x/q.Scale)+float64(q.Zero), float64(least)), float64(greatest)))
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
func setInts[T int8 | uint8 | int16 | int64](m *ir.Module, n *ir.Node, key ir.Key[*ir.Const], kind ir.Kind, shape ir.Shape, x []T) *ir.Const {
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

// setRequant writes the multipliers and shifts of factors (R6), one a channel or one, of
// sums whose absolute values have these bounds: of 64 bits where one reaches beyond 32 (R7).
// It is the one place where the factors of a quantized network are made, but for those
// of sums and differences (R13).
func setRequant(m *ir.Module, n *ir.Node, factors []float64, reach []int64) error {
	isWide := slices.Max(reach) >= geometry.NarrowReach
	mul, shift := make([]int64, len(factors)), make([]int64, len(factors))
	for i, f := range factors {
		if f < math.Inf(1) {
			f = min(f, beyond(n.Out.Type.Elem.Kind == ir.I16)) // which takes every sum but 0 out of the type already
		}
		var a, r int32
		var err error
		if isWide {
			a, r, err = geometry.WideMultiplierFor(f, reach[i])
		} else {
			a, r, err = geometry.MultiplierFor(f)
		}
		if err != nil {
			return diag.New(n.Pos, diag.Unsupported, "%s: the sums of channel %d cannot be brought to 8 bits", n.Name(), i).
				WithNote("%v", err).WithHelp("results that are this much larger or smaller than what they are computed from cannot be kept in 8 bits; check this operation's weights and range")
		}
		mul[i], shift[i] = int64(a), int64(r)
	}
	setInts(m, n, ir.AttrMul, ir.I32, ir.Shape{len(factors)}, mul)
	setInts(m, n, ir.AttrShift, ir.I32, ir.Shape{len(factors)}, shift)
	return nil
}

// setNarrow writes the factors of sums that have no form of 64 bits.
func setNarrow(m *ir.Module, n *ir.Node, factors []float64, terms, most int64) error {
	if terms*most >= geometry.NarrowReach {
		return diag.New(n.Pos, diag.Unsupported, "%s: sums of %d elements do not fit 32 bits", n.Name(), terms).
			WithHelp("at most %d elements can be summed up: do it in parts", (geometry.NarrowReach-1)/most)
	}
	return setRequant(m, n, factors, []int64{terms * most})
}

// reachOf is the greatest |x-z| of a value.
func reachOf(t ir.Type) int64 {
	least, greatest := geometry.Differences(t)
	return int64(max(-least, greatest))
}

// codesOf is the weights of layers that share them: as rounded, and the constants
// that the first one declares.
type codesOf struct {
	*Rounded
	tied         []*ir.Node // the layers
	isOwn        bool       // codes and scales are no others'
	bias         []float64  // of the channels, in reals; layers that share weights share it
	weight, book *ir.Const
	done         []*ir.Node
}

// alike is a layer that has the integers of these types already, or nil.
func (c *codesOf) alike(u use) *ir.Node {
	for _, n := range c.done {
		if newUse(n) == u {
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
		scales[i] = float32(min(max(s, math.SmallestNonzeroFloat32), math.MaxFloat32)) // R1: of weights that are 0 any is right
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
	in := n.Args[0].Type
	if same := r.alike(newUse(n)); same != nil && padValues(n) == nil {
		for _, key := range []ir.Key[*ir.Const]{ir.AttrWeight, ir.AttrBias, ir.AttrMul, ir.AttrShift, ir.AttrCodebook} {
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
			pad[i] = nearest(in, x)
		}
		n.Put(ir.AttrPadValue.Is(pad))
	}
	uses := usesOf(r.tied)
	weight, err := n.Const(ir.AttrWeight).Loaded()
	if err != nil {
		return err
	}
	bias, factors, reach := make([]int64, rows), make([]float64, rows), make([]int64, rows)
	for c := range rows {
		original, err := weight.Floats(c*cols, cols)
		if err != nil {
			return err
		}
		if r.weight == nil {
			if r.bias == nil {
				r.bias = make([]float64, rows)
			}
			if r.bias[c], err = r.fit(n, c, original, real[c], uses); err != nil {
				return err
			}
		}
		bias[c], factors[c], reach[c] = newUse(n).sums(r.integers(n, c), r.Scale[c], r.bias[c])
	}
	if r.weight == nil {
		r.declare(m, n, shape)
	}
	n.Put(ir.AttrWeight.Is(r.weight))
	if r.book != nil {
		n.Put(ir.AttrCodebook.Is(r.book))
	}
	kind := ir.I32
	if slices.Max(reach) >= geometry.NarrowReach {
		kind = ir.I64
	}
	setInts(m, n, ir.AttrBias, kind, ir.Shape{rows}, bias)
	r.done = append(r.done, n)
	return setRequant(m, n, factors, reach)
}

// nearest is the integer of a type that is nearest to a real.
func nearest(t ir.Type, x float64) float64 {
	least, greatest := t.Ends()
	return min(max(math.Round(x/t.Quant.Scale)+float64(t.Quant.Zero), float64(least)), float64(greatest))
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

// RoundedOf are the layers of a quantized network as codes, as Lower takes them: of those that
// were lowered from the float network f, whose biases theirs are beside.
func RoundedOf(f, q *ir.Module) ([]*Rounded, error) {
	own, layers := f.Layers(), q.Layers()
	if len(own) != len(layers) {
		return nil, fmt.Errorf("quant: %d layers are not those of %s, which has %d", len(layers), f.Name, len(own))
	}
	var list []*Rounded
	for i, n := range layers {
		w := n.Const(ir.AttrWeight)
		if w.Scale == nil || !slices.Contains([]ir.Kind{ir.I8, ir.Odd, ir.Code, ir.Vec}, w.Type.Elem.Kind) {
			return nil, fmt.Errorf("quant: weights of %s are no codes of a rounding", n.Name())
		}
		r := &Rounded{Elem: w.Type.Elem}
		raw, err := w.Load()
		if err != nil {
			return nil, err
		}
		r.Codes = slices.Clone(raw)
		scales, err := w.Scale.Float32()
		if err != nil {
			return nil, err
		}
		bias, err := n.Const(ir.AttrBias).Ints()
		if err != nil {
			return nil, err
		}
		float, err := biasReals(own[i], &Rounded{Bias: make([]float64, len(scales))})
		if err != nil {
			return nil, err
		}
		for c, s := range scales {
			r.Scale = append(r.Scale, float64(s))
			r.Bias = append(r.Bias, float64(float64(n.Args[0].Type.Quant.Scale*float64(s))*float64(bias[c]))-float[c])
		}
		if b := n.Const(ir.AttrCodebook); b != nil {
			table, err := b.Load()
			if err != nil {
				return nil, err
			}
			for _, v := range table {
				r.Book = append(r.Book, int8(v))
			}
		}
		list = append(list, r)
	}
	return list, nil
}

// padValues are the values of padded pixels, one an input channel; nil for zero
// padding, and for linear layers.
func padValues(n *ir.Node) []float64 {
	if n.Op != ir.Conv2D {
		return nil
	}
	return n.Nums(ir.AttrPadValue)
}
