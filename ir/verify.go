package ir

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir/diag"
)

// Verify checks the invariants of a module that has been through inference.
// It runs after every pass, and on every dump that is read back:
//
//	V1  names of values and of constants are unique, and of letters, digits, _ and .
//	V2  an argument is an input, or the result of an operation above
//	V3  an operation has as many arguments as its table says, and attributes of
//	    the table with values of their kind, in their bounds, not at their default
//	V4  the type of a result is the one that inference gives
//	V5  constants that are referred to are declared in the module
//	V6  activations are all f32, or each i8 or i16; integers have a finite positive scale
//	    and a zero point in -128..127, of i16 0 (R3)
//	V7  in a quantized module layers have integer or packed weights, a bias of
//	    i32 or i64 and multipliers (R4, R6), and only core operations occur;
//	    multipliers are below 2^31 and not negative, shifts in R6's and R7's bounds
//	V8  outputs are declared with their types, and defined
//	V9  ranges are finite and not empty, and an input can hold what it is said to hold
//	V10 values and scratch that are alive at one time do not overlap, and lie in
//	    the arena; but a result may begin its lag before a first argument that dies
//	V11 chains do not overlap; buffers are in chains and not used after them; an input by
//	    rows is read by the chain that asks for them
//	V12 a state is an argument of one operation, which can have such a state, in a module
//	    of integers that says how it streams
//	V13 an operation has no more parts than the plan serves threads, is in no chain, and does not
//	    overlap its argument
func Verify(m *Module) diag.List {
	v := verifier{m: m}
	v.names()
	v.ops()
	v.outputs()
	if len(v.list) == 0 {
		v.states()
		v.chains()
		v.parts()
	}
	if len(v.list) == 0 && m.Arena.Align > 0 {
		v.memory()
	}
	return v.list
}

type verifier struct {
	m    *Module
	list diag.List
}

func (v *verifier) fail(pos diag.Pos, invariant, format string, args ...any) {
	d := v.list.Add(pos, diag.VerifierFailure, format, args...)
	d.Message = invariant + ": " + d.Message
}

func validName(s string) bool {
	start := true
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
			start = false
		case r >= '0' && r <= '9':
			// A part after a dot may begin with a digit; a name may not.
			start = false
		case r == '.':
			if start {
				return false
			}
			start = true
		default:
			return false
		}
	}
	return !start && (s[0] < '0' || s[0] > '9')
}

func (v *verifier) names() {
	seen := map[string]bool{}
	check := func(name string, pos diag.Pos) {
		if !validName(name) {
			v.fail(pos, "V1", "%q is no name", name)
		}
		if seen[name] {
			v.fail(pos, "V1", "%s is defined twice", name)
		}
		seen[name] = true
	}
	for _, c := range v.m.Consts {
		check(c.Name, c.Pos)
	}
	for _, in := range slices.Concat(v.m.Inputs, v.m.States) {
		check(in.Name, in.Pos)
	}
	for _, n := range v.m.Ops {
		check(n.Name(), n.Pos)
	}
}

func (v *verifier) ops() {
	quantized := v.m.IsQuantized()
	defined, declared := map[*Value]bool{}, map[*Const]bool{}
	for _, c := range v.m.Consts {
		declared[c] = true
	}
	for _, c := range v.m.Consts {
		if c.Scale != nil && !declared[c.Scale] {
			v.fail(c.Pos, "V5", "%s has the scale %s, which the module does not declare", c.Name, c.Scale.Name)
		}
		if c.Type.Shape.Size() < 0 {
			v.fail(c.Pos, "V5", "%s has the impossible shape %s", c.Name, c.Type.Shape)
		}
	}
	for _, in := range v.m.Inputs {
		defined[in] = true
		v.value(in, quantized)
		if quantized && v.m.IsIndex(in) && !in.Type.IsWide() {
			v.fail(in.Pos, "V6", "%s chooses among more than %d rows and is %s", in.Name, ByteRows, in.Type.Elem)
		}
	}
	for _, s := range v.m.States {
		defined[s] = true
	}
	for _, n := range v.m.Ops {
		ok := true
		for _, a := range n.Args {
			if !defined[a] {
				v.fail(n.Pos, "V2", "%s uses %s before its definition", n.Name(), a.Name)
				ok = false
			}
		}
		defined[n.Out] = true
		if n.Out.Def != n {
			v.fail(n.Pos, "V2", "%s does not know its operation", n.Name())
		}
		info := n.Op.Info()
		if len(n.Args) < info.MinArgs || (info.MaxArgs >= 0 && len(n.Args) > info.MaxArgs) {
			v.fail(n.Pos, "V3", "%s has %d arguments", n.Name(), len(n.Args))
			ok = false
		}
		for _, a := range n.Attrs {
			decl := n.Op.Attr(a.Key)
			if decl == nil || decl.Source {
				v.fail(n.Pos, "V3", "%s: %s has no attribute %s", n.Name(), n.Op, a.Key)
				ok = false
			} else if s := decl.Check(a.Value); s != "" {
				v.fail(n.Pos, "V3", "%s: attribute %s %s", n.Name(), a.Key, s)
				ok = false
			}
			if c, isConst := a.Value.(*Const); isConst && !declared[c] {
				v.fail(n.Pos, "V5", "%s refers to %s, which the module does not declare", n.Name(), c.Name)
			}
		}
		if !ok {
			continue
		}
		if t, d := InferNode(n); d != nil {
			v.fail(n.Pos, "V4", "%s", d.Message)
		} else if !t.Equal(n.Out.Type) {
			v.fail(n.Pos, "V4", "%s is %s, inference gives %s", n.Name(), n.Out.Type, t)
		}
		v.value(n.Out, quantized)
		if quantized {
			v.quantized(n)
		}
	}
}

func (v *verifier) value(x *Value, quantized bool) {
	elem, q := x.Type.Elem, x.Type.Quant
	if !quantized && elem != Of(F32) {
		v.fail(x.Pos, "V6", "%s is %s in a module of %s", x.Name, elem, Of(F32))
	}
	if quantized && elem != Of(I8) && elem != Of(I16) {
		v.fail(x.Pos, "V6", "%s is %s in a module of %s and %s", x.Name, elem, Of(I8), Of(I16))
	}
	if quantized && (!(q.Scale > 0) || math.IsInf(q.Scale, 0) || q.Zero < -128 || q.Zero > 127 || x.Type.IsWide() && q.Zero != 0) {
		v.fail(x.Pos, "V6", "%s has scale %v and zero point %d", x.Name, q.Scale, q.Zero)
	}
	if x.Range != nil && !x.Range.IsValid() {
		v.fail(x.Pos, "V9", "%s has the range [%v, %v]", x.Name, x.Range.Lo, x.Range.Hi)
	}
	if err := x.Content.Check(x.Type.Shape); err != nil {
		v.fail(x.Pos, "V9", "%s: %v", x.Name, err)
	}
}

func (v *verifier) quantized(n *Node) {
	if !n.Op.Is(Core) {
		v.fail(n.Pos, "V7", "%s: %s has no integer form", n.Name(), n.Op)
		return
	}
	v.factors(n)
	v.logSoftmax(n)
	v.l2norm(n)
	if x := n.Args[0]; n.Op == Embedding && x.Type.IsWide() && !v.m.IsIndex(x) {
		v.fail(n.Pos, "V6", "%s has the index %s of i16, which is no input that only chooses among more than %d rows", n.Name(), x.Name, ByteRows)
	}
	if least, greatest := n.Out.Type.Ends(); n.Op.Takes(AttrLo) && (n.Int(AttrLo) < least || n.Int(AttrHi) > greatest) {
		v.fail(n.Pos, "V7", "%s has the bounds %d and %d of a result of 8 bits", n.Name(), n.Int(AttrLo), n.Int(AttrHi))
	}
	v.tables(n)
	v.places(n)
	v.recurrent(n)
	if !n.Op.HasWeights() {
		return
	}
	w := n.Const(AttrWeight)
	if w.Type.Elem.Kind != I8 && !w.Type.Elem.IsPacked() {
		v.fail(n.Pos, "V7", "%s has weights of %s", n.Name(), w.Type.Elem)
	}
	if s := w.Scale; s == nil || s.Type.Elem.Kind != F32 || !s.Type.Shape.Equal(w.Type.Shape[:1]) {
		v.fail(cmp.Or(w.Pos, n.Pos), "V7", "%s has weights without a scale of each row", n.Name())
	}
	if b := n.Const(AttrBias); b == nil || (b.Type.Elem.Kind != I32 && b.Type.Elem.Kind != I64) {
		v.fail(n.Pos, "V7", "%s has no integer bias", n.Name())
	}
	if n.Const(AttrMul) == nil || n.Const(AttrShift) == nil {
		v.fail(n.Pos, "V7", "%s has no multipliers", n.Name())
	}
	if k := w.Type.Elem.Kind; (k == Code || k == Vec) != (n.Const(AttrCodebook) != nil) {
		v.fail(n.Pos, "V7", "%s: a codebook goes with code and vec weights, and with no others", n.Name())
	}
}

// tables checks the types of the tables that kernels of 16 bits read, and that they have the factors that
// go with them (R14, R15).
func (v *verifier) tables(n *Node) {
	if !n.IsWide() || n.Op != Table && n.Op != Softmax {
		return
	}
	want, hasFactors := Shape{WideTable}, false
	switch {
	case n.Op == Softmax:
		want, hasFactors = Shape{2, WideTable}, true
	case n.Const(AttrMul) != nil:
		want, hasFactors = Shape{SigmoidTable}, true
		if fn, _ := n.Function(); fn != Sigmoid && fn != Tanh {
			v.fail(n.Pos, "V7", "%s has a multiplier, which is of sigmoid and tanh, and computes %s", n.Name(), fn)
		}
	}
	if c := n.Const(AttrTable); c == nil || c.Type.Elem.Kind != I16 || !c.Type.Shape.Equal(want) {
		v.fail(n.Pos, "V7", "%s of i16 has no table i16%s", n.Name(), want)
	}
	if hasFactors && (n.Const(AttrMul) == nil || n.Const(AttrShift) == nil) {
		v.fail(n.Pos, "V7", "%s of i16 has no multiplier and shift", n.Name())
	}
}

// l2norm checks that quotients that are rounded twice are 128ths and others have a factor, and that sums fit 32 bits (R24).
func (v *verifier) l2norm(n *Node) {
	if n.Op != L2Norm {
		return
	}
	q, hasFactor := n.Out.Type.Quant, n.Const(AttrMul) != nil && n.Const(AttrShift) != nil
	switch isTwice := n.Word(AttrRound) == RoundTFLite; {
	case isTwice && (q.Scale != 1./128 || q.Zero != 0 || n.Const(AttrMul) != nil):
		v.fail(n.Pos, "V7", "%s has round: tflite: its result must have the scale 1/128 and the zero point 0, and no multiplier", n.Name())
	case !isTwice && !hasFactor:
		v.fail(n.Pos, "V7", "%s has no multiplier and shift", n.Name())
	}
	if length := n.Args[0].Type.Shape[n.Int(AttrAxis)]; length > LongestSquare {
		v.fail(n.Pos, "V7", "%s sums the squares of %d integers; at most %d have a sum of 32 bits", n.Name(), length, LongestSquare)
	}
}

// LongestSquare is the elements of 8 bits whose squares, less their zero point, fit a sum of 32 bits.
const LongestSquare = math.MaxInt32 / (255 * 255)

// logSoftmax checks the table of exponentials and that there are two factors (R23).
func (v *verifier) logSoftmax(n *Node) {
	if n.Op != LogSoftmax {
		return
	}
	if c := n.Const(AttrTable); c == nil || c.Type.Elem.Kind != I32 || !c.Type.Shape.Equal(Shape{256}) {
		v.fail(n.Pos, "V7", "%s has no table i32[256]", n.Name())
	}
	for _, c := range []*Const{n.Const(AttrMul), n.Const(AttrShift)} {
		if c == nil || c.Type.Elem.Kind != I32 || !c.Type.Shape.Equal(Shape{2}) {
			v.fail(n.Pos, "V7", "%s has no multipliers and shifts i32[2], of the distance and of the logarithm", n.Name())
			return
		}
	}
}

// places checks that those of a bilinear of integers are whole parts of a pixel (R22).
func (v *verifier) places(n *Node) {
	if n.Op != Bilinear {
		return
	}
	for _, p := range slices.Concat(n.Nums(AttrDown), n.Nums(AttrAcross)) {
		if parts := p * PlaceParts; parts != math.Trunc(parts) {
			v.fail(n.Pos, "V7", "%s has the place %v, which is no multiple of 1/%d of a pixel", n.Name(), p, PlaceParts)
			return
		}
	}
}

// factors checks what kernels shift by.
func (v *verifier) factors(n *Node) {
	if !n.Op.Takes(AttrMul) || n.Op == Recurrent {
		return
	}
	mul, shift := n.Const(AttrMul), n.Const(AttrShift)
	if mul == nil || shift == nil {
		return
	}
	m, err := mul.Int32()
	r, err2 := shift.Int32()
	if err = errors.Join(err, err2); err != nil {
		v.fail(n.Pos, "V7", "%s: %v", n.Name(), err)
		return
	}
	if len(m) != len(r) {
		v.fail(n.Pos, "V7", "%s has %d multipliers and %d shifts", n.Name(), len(m), len(r))
		return
	}
	if (n.Op == Softmax || n.Op == Table || n.Op == L2Norm) && len(m) != 1 {
		v.fail(n.Pos, "V7", "%s has %d multipliers and not one", n.Name(), len(m))
		return
	}
	if n.Op == AvgPool2D {
		k := n.Ints(AttrKernel)
		if want := 1 + k[0]*k[1]; len(m) != want && (len(m) != 1 || slices.Max(n.Ints(AttrPad)) > 0) {
			v.fail(n.Pos, "V7", "%s has %d multipliers and not %d, one a number of pixels from 0 on", n.Name(), len(m), want)
			return
		}
	}
	least, most := int32(1), int32(62)
	switch {
	case n.HasWideSums():
		least = 17 // R7 takes 16 off
		if r := n.Word(AttrRound); r != RoundHalfUp {
			v.fail(n.Pos, "V7", "%s has round: %s and sums of 64 bits, which are rounded half up (R7)", n.Name(), r)
			return
		}
	case n.Op == Table: // in 32 bits
		least, most = 0, 31
		if m[0] > math.MaxInt16 {
			v.fail(n.Pos, "V7", "%s has the multiplier %d, which is above %d", n.Name(), m[0], math.MaxInt16)
			return
		}
	}
	for i := range m {
		if m[i] < 0 || r[i] < least || r[i] > most {
			v.fail(n.Pos, "V7", "%s: channel %d has the multiplier %d and the shift %d, which is not in %d..%d", n.Name(), i, m[i], r[i], least, most)
			return
		}
	}
}

func (v *verifier) outputs() {
	m := v.m
	if len(m.Outputs) == 0 || len(m.Outputs) != len(m.Results) {
		v.fail(m.Pos, "V8", "the network declares %d results and returns %d", len(m.Results), len(m.Outputs))
		return
	}
	defined := map[*Value]bool{}
	for _, in := range m.Inputs {
		defined[in] = true
	}
	for _, n := range m.Ops {
		defined[n.Out] = true
	}
	names := map[string]bool{}
	for i, o := range m.Outputs {
		if name := m.ResultName(i); names[name] && m.TaskOf(i).Result != "" {
			v.fail(o.Pos, "V8", "two results are called %s", name)
		} else {
			names[name] = true
		}
		if !defined[o] {
			v.fail(o.Pos, "V8", "%s is returned and not defined", o.Name)
		}
		if o.Type.String() != m.Results[i].String() {
			v.fail(o.Pos, "V8", "%s is %s, the network declares %s", o.Name, o.Type, m.Results[i])
		}
	}
}

func (v *verifier) memory() {
	blocks := Blocks(v.m)
	if a := v.m.Arena; a.Bytes < 0 || !IsAlignment(a.Align) {
		v.fail(v.m.Pos, "V10", "the arena of %d bytes is aligned to %d", a.Bytes, a.Align)
	}
	order, until := make([]int, len(blocks)), make([]int, len(blocks))
	of, begin := map[*Value]int{}, make([][]int, len(v.m.Ops))
	for i, a := range blocks {
		order[i], until[i] = i, a.To
		begin[a.From] = append(begin[a.From], i)
		if a.Value != nil {
			of[a.Value] = i
		}
		if a.Offset < 0 || a.Offset+a.Bytes > v.m.Arena.Bytes {
			v.fail(v.m.Pos, "V10", "%s ends at byte %d of an arena of %d", a.Name, a.Offset+a.Bytes, v.m.Arena.Bytes)
		}
	}
	overlap := func(i, j int) {
		v.fail(v.m.Pos, "V10", "%s and %s overlap in the arena", blocks[min(i, j)].Name, blocks[max(i, j)].Name)
	}
	// A block that another may overlap meets in its last step the blocks that begin there, and
	// these alone: it is compared with them here, and lives a step less below.
	for _, a := range blocks {
		i, ok := of[a.Over]
		if !ok || a.Over == nil {
			continue
		}
		b := blocks[i]
		until[i]--
		for _, j := range begin[b.To] {
			c := blocks[j]
			mayOverlap := c.Over == b.Value && b.Offset-c.Offset >= c.Lag
			if !mayOverlap && b.Offset < c.Offset+c.Bytes && c.Offset < b.Offset+b.Bytes {
				overlap(i, j)
			}
		}
	}
	// In the order of their offsets, a block overlaps one before it if that ends after its
	// offset at a step in which both live. So the work does not grow as the square of the blocks.
	slices.SortFunc(order, func(i, j int) int {
		a, b := blocks[i], blocks[j]
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(i, j))
	})
	ends := newPeaks(len(v.m.Ops) + 1)
	for _, i := range order {
		a := blocks[i]
		if last := ends.over(a.From, until[i]); last.height > a.Offset {
			overlap(last.of, i)
		}
		ends.raise(a.From, until[i], peak{a.Offset + a.Bytes, i})
	}
}
