package emit

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/loop"
)

// Requant is the constants of a node's requantization.
type Requant struct {
	g          *Generator
	mul, shift *loop.Global
	muls       []int64
	shifts     []int64
	channels   int
	perChannel bool
	split      bool  // all shifts are in 33..62: 32-bit steps (R6)
	doubles    bool  // all shifts are in 32..62, and twice a sum fits 32 bits: 32-bit steps (R8)
	left       int   // bits by which sums are shifted left, so that all shifts are in 33..62
	vectorLeft int64 // bits by which vectors shift sums left before the product
	raised     bool  // sums are shifted left by vectorLeft bits as they come
	// The constants are for vectors: a negative shift moves to the right, as in the vector
	// instructions.
	Vectors bool
}

func NewRequant(g *Generator, role string, wide bool) (Requant, error) {
	q, err := readRequant(g, wide)
	if err == nil {
		if q.doubles {
			q.lessOne()
		}
		if !wide && !q.split {
			q.shiftLeft()
		}
		q.mul, q.shift = g.Ints(role+"mul", 32, q.muls), g.Ints(role+"shift", 8, q.shifts)
	}
	return q, err
}

// readRequant reads the constants of a node.
func readRequant(g *Generator, wide bool) (Requant, error) {
	mul, shift, err := geometry.Factors(g.Node)
	if err != nil {
		return Requant{}, err
	}
	q := Requant{g: g, perChannel: len(mul) > 1, split: !wide && !g.rounding().IsTwice()}
	ms, rs := make([]int64, len(mul)), make([]int64, len(mul))
	for i := range mul {
		m, r := mul[i], shift[i]
		if wide {
			m, r = geometry.Narrow(m, r)
		}
		ms[i], rs[i] = int64(m), int64(r)
		q.split = q.split && (r >= 33 || m == 0)
	}
	if q.split {
		for i := range rs {
			rs[i] = max(rs[i], 33) - 33 // of a zero multiplier: any shift gives 0
		}
	}
	q.muls, q.shifts = ms, rs
	q.doubles = !wide && g.rounding().IsTwice() && shiftsRight(q.muls, q.shifts) && g.reachIsBelow(1<<30)
	return q, nil
}

// shiftLeft makes 32-bit steps (R6) of those whose shifts are too small, where the sums leave room:
// a sum shifted left, and a shift greater by as much, give the same.
func (q *Requant) shiftLeft() {
	least, most := int64(33), int64(0)
	for i, r := range q.shifts {
		if q.muls[i] != 0 {
			least, most = min(least, r), max(most, r)
		}
	}
	left := 33 - least
	if q.g.rounding().IsTwice() || left > 20 || most+left > 62 || !q.g.reachIsBelow(1<<(31-left)) {
		return
	}
	q.split, q.left = true, int(left)
	for i, r := range q.shifts {
		q.shifts[i] = max(r, least) - least // of a zero multiplier: any shift gives 0
	}
}

// lessOne makes shifts those after a product's upper half, less the last bit, as split has them.
func (q Requant) lessOne() {
	for i := range q.shifts {
		q.shifts[i] = max(q.shifts[i], 32) - 32 // of a zero multiplier: any shift gives 0
	}
}

// shiftsRight reports whether R8 shifts all numbers to the right after the product, by a bit or more.
func shiftsRight(muls, shifts []int64) bool {
	for i, r := range shifts {
		if muls[i] != 0 && (r < 32 || r > 62) {
			return false
		}
	}
	return true
}

// reachIsBelow reports whether the sums of a node are proven to be below a bound.
func (g *Generator) reachIsBelow(bound int64) bool {
	most := int64(255) // of a difference from a zero point
	if g.Node.IsWide() {
		most = 65535
	}
	switch n := g.Node; {
	case n.Op == ir.AvgPool2D:
		w := geometry.WindowOf(n)
		return int64(w.KH*w.KW)*most < bound
	case n.Op == ir.Mul:
		return most*most < bound
	case !n.Op.HasWeights():
		return false
	}
	bias := g.Node.Const(ir.AttrBias)
	w, err := geometry.IntWeights(g.Node)
	if err != nil || bias == nil {
		return false
	}
	biases, err := bias.Ints()
	if err != nil {
		return false
	}
	k := len(w) / len(biases)
	low, high := geometry.Differences(g.Node.Args[0].Type)
	for c, b := range biases {
		if geometry.Reach(b, w[c*k:(c+1)*k], low, high) >= bound {
			return false
		}
	}
	return true
}

// vectorShifts reports whether vectors shift numbers as R6 or R8 does, and by how many bits they shift them left
// first. In R8 numbers are shifted to the right only.
func (q Requant) vectorShifts() (left int64, ok bool) {
	least, most := int64(33), int64(33)
	for i, r := range q.shifts {
		if q.muls[i] != 0 {
			least, most = min(least, r), max(most, r)
		}
	}
	switch {
	case q.split:
		return 0, true
	case q.g.rounding() == geometry.RoundEven:
		return 0, false
	case q.g.rounding().IsTwice():
		return 0, least >= 31 && most <= 62
	case least >= 32:
		return 0, most <= 62
	}
	// A doubling product drops 31 bits, and one bit remains to be rounded. A sum that is too large is saturated: shifted
	// right by at most mostAfter bits, its product is outside of 8 bits, as it should be.
	const mostLeft, mostAfter = 8, 21
	left = 32 - least
	return left, left <= mostLeft && most-31+left <= mostAfter
}

// leastShift is the shift of the scalar constants that is the shift of 0 of the vectors'.
func (q Requant) leastShift() int64 {
	if q.split {
		return -2
	}
	return 31 - q.vectorLeft
}

// TakesLanes reports whether four channels of a node with weights are requantized as a vector, on
// processors that can do so.
func TakesLanes(n *ir.Node) bool {
	if n.Const(ir.AttrMul) == nil { // not quantized
		return false
	}
	g := &Generator{Node: n}
	q, err := readRequant(g, false)
	if err != nil {
		return false
	}
	_, ok := q.vectorShifts()
	return ok
}

// mostBeyond is the bytes after the constants of all channels that a vector of 32 lanes reads which has
// those of 17, the fewest that it is taken for: multipliers end 4*32 bytes after their first one.
const mostBeyond = 4*(17+32) - 9*17

// NewChannels puts the constants of all output channels into one global: biases, then
// multipliers, then shifts. With together, four channels are requantized as a vector if the
// target can do so.
func NewChannels(g *Generator, bias []int64, together bool) (Requant, *loop.Global, error) {
	return newChannels(g, bias, together, 0)
}

// NewRaised is NewChannels of channels together whose kernel multiplies by decoded weights. raised is the bits by
// which it has to shift them left, at most so many: those by which vectors would shift each sum.
func NewRaised(g *Generator, bias []int64, most int) (q Requant, raised int, constants *loop.Global, err error) {
	q, constants, err = newChannels(g, bias, true, int64(most))
	if q.raised {
		raised = int(q.vectorLeft)
	}
	return q, raised, constants, err
}

func newChannels(g *Generator, bias []int64, together bool, raise int64) (Requant, *loop.Global, error) {
	q, err := readRequant(g, false)
	if err != nil {
		return q, nil, err
	}
	q.channels = len(bias)
	if left, ok := q.vectorShifts(); ok && together && g.Lanes() {
		q.Vectors, q.vectorLeft = true, left
		// No sum is saturated then.
		if q.raised = left > 0 && left <= raise && g.reachIsBelow(1<<(31-left)); q.raised {
			bias = slices.Clone(bias)
			for i := range bias {
				bias[i] <<= left
			}
		}
	}
	if q.doubles = q.doubles && !q.Vectors; q.doubles {
		q.lessOne()
	}
	if !q.split && !q.Vectors {
		q.shiftLeft()
	}
	if !q.perChannel {
		q.muls, q.shifts = slices.Repeat(q.muls, q.channels), slices.Repeat(q.shifts, q.channels)
	}
	if q.Vectors {
		for i, r := range q.shifts {
			if q.shifts[i] = q.leastShift() - r; q.muls[i] == 0 {
				q.shifts[i] = q.leastShift() // of a zero multiplier: any shift gives 0
			}
		}
	}
	var beyond []byte // what a long vector reads after the last channel
	if q.Vectors && g.Long() {
		beyond = make([]byte, mostBeyond)
	}
	return q, g.Global("channels", 4, slices.Concat(ir.LittleEndian(4, bias), ir.LittleEndian(4, q.muls), ir.LittleEndian(1, q.shifts), beyond)), nil
}

// ChannelCursors point to the constants of an output channel.
type ChannelCursors struct {
	Requant
	words, bytes *loop.Cursor
}

func (q Requant) Cursors(constants *loop.Global, c loop.Expr) *ChannelCursors {
	b := q.g.B
	return &ChannelCursors{q, b.Cursor("channel", constants, loop.Scaled(c, 4)), b.Cursor("shift", constants, loop.Sum(c, loop.Int(8*q.channels)))}
}

func (s *ChannelCursors) Advance(channels int) {
	s.g.B.Advance(s.words, 4*channels)
	s.g.B.Advance(s.bytes, channels)
}

// Load reads the constants of the j-th channel after the cursors, or of n channels from it
// on.
func (s *ChannelCursors) Load(j, n int) Channel {
	b := s.g.B
	word := func(name string, at int) loop.Expr {
		return b.Let(name, &loop.Load{From: s.words, Offset: loop.Int(at), T: loop.I32.Vec(n), Align: 4})
	}
	bias, mul := word("bias", 4*j), word("mul", 4*(s.channels+j))
	shift := loop.At(s.bytes, loop.Int(j), loop.I8.Vec(n))
	switch {
	case !s.Vectors:
		shift = loop.To(loop.ZExt, shift, 32)
	case n > 1:
		shift = loop.To(loop.SExt, shift, 32)
	default: // a channel left over
		shift = loop.Op(loop.Sub, loop.Int(int(s.leastShift())), loop.To(loop.SExt, shift, 32))
	}
	return Channel{s.Requant, bias, mul, b.Let("shift", shift)}
}

// Fours reads the constants of n channels after the cursors, of constants for vectors: those of each four.
func (s *ChannelCursors) Fours(n int) (list []Channel) {
	b := s.g.B
	shifts := []loop.Expr{b.Let("shifts", loop.At(s.bytes, loop.Int(0), loop.I8.Vec(n)))}
	if n > 4 {
		shifts = Split(loop.To(loop.SExt, shifts[0], 16), 8)
	}
	for _, half := range shifts {
		for _, shift := range Split(half, 4) {
			at := 4 * len(list)
			word := func(name string, from int) loop.Expr {
				return b.Let(name, &loop.Load{From: s.words, Offset: loop.Int(4 * from), T: loop.I32.Vec(4), Align: 4})
			}
			list = append(list, Channel{s.Requant, word("bias", at), word("mul", s.channels+at), b.Let("shift", loop.To(loop.SExt, shift, 32))})
		}
	}
	return list
}

// Channel is a requantization with the constants of one channel.
type Channel struct {
	Requant
	Bias, Mul, Shift loop.Expr
}

// Load reads the constants of a channel.
func (q Requant) Load(c loop.Expr) Channel {
	if !q.perChannel {
		c = loop.Int(0)
	}
	b := q.g.B
	m := &loop.Load{From: q.mul, Offset: loop.Scaled(c, 4), T: loop.I32, Align: 4}
	return Channel{q, nil, b.Let("mul", m), b.Let("shift", loop.To(loop.ZExt, loop.At(q.shift, c, loop.I8), 32))}
}

// Store writes RQ(acc) as an element of the node's result (R9): of 8 bits, or of 16.
func (q Channel) Store(acc, at loop.Expr) {
	q.StoreAt(acc, q.g.To(), at)
}

// StoreAt writes RQ(acc) as an element after a place of a region.
func (q Channel) StoreAt(acc loop.Expr, to loop.Region, at loop.Expr) {
	y, t := q.Result(acc), Integer(q.g.Node.Out.Type)
	at = loop.Scaled(at, t.Bytes())
	if h, w := q.g.Node.Pool(); h*w > 1 {
		at = q.g.B.Let("at", at)
		y = loop.Op(loop.SMax, y, loop.To(loop.SExt, loop.At(to, at, t.Vec(acc.Type().Lanes)), 32))
	}
	q.g.B.Store(to, at, loop.To(loop.Trunc, y, t.Bits))
}

// Spread returns q, which has one channel's constants for vectors, in each of n lanes.
func (q Channel) Spread(n int) Channel {
	b := q.g.B
	splat := func(name string, x loop.Expr) loop.Expr { return &loop.Splat{A: b.Let(name, x), Lanes: n} }
	q.Bias, q.Mul, q.Shift = splat("bias", q.Bias), splat("mul", q.Mul), splat("shift", loop.Op(loop.Sub, loop.Int(int(q.leastShift())), q.Shift))
	return q
}

// Result returns RQ(acc) of R9, before it is narrowed to 8 bits.
func (q Channel) Result(acc loop.Expr) loop.Expr {
	n := q.g.Node
	zero := int64(n.Out.Type.Quant.Zero)
	t := acc.Type()
	if q.left > 0 {
		acc = loop.Op(loop.Shl, acc, loop.Num(t, int64(q.left)))
	}
	product := loop.Op(loop.Mul, loop.To(loop.SExt, acc, 64), loop.To(loop.SExt, q.Mul, 64))
	var y loop.Expr
	switch {
	case t.Lanes > 1:
		y = loop.Sum(q.Rescaled(acc), loop.Num(t, zero))
	case q.doubles:
		// (2a*m + 2^31) >> 32 is the product's upper half, rounded, ties up. If ties go away from
		// zero in the shift that follows, a negative one is less by 1, and so may be a 0 of a
		// negative sum, which stays 0. The last shift is that of split.
		acc = q.g.B.Let("sum", loop.To(loop.Trunc, acc, 32))
		y = loop.Instr("smmulr", loop.Op(loop.Shl, acc, loop.Int(1)), q.Mul)
		if q.g.RoundsTFLite() {
			y = loop.Sum(y, loop.Op(loop.AShr, acc, loop.Int(31)))
		}
		y = loop.Op(loop.AShr, loop.Sum(loop.Op(loop.AShr, y, q.Shift), loop.Num(loop.I32, 1+2*zero)), loop.Int(1))
	case q.g.rounding().IsTwice():
		y = q.g.twice(loop.To(loop.Trunc, acc, 32), loop.To(loop.SExt, q.Mul, 64), q.Shift)
		y = loop.Sum(y, loop.Num(loop.I32, zero))
	case q.split && q.g.rounding() == geometry.RoundEven:
		// The lowest bit of t is the half; the bits after it decide only where it is set.
		product = q.g.B.Let("product", product)
		hi := q.g.B.Let("hi", loop.To(loop.Trunc, loop.Op(loop.AShr, product, loop.Num(loop.I64, 32)), 32))
		t := q.g.B.Let("t", loop.Op(loop.AShr, hi, q.Shift))
		rest := loop.Op(loop.Or, loop.Op(loop.Xor, loop.Op(loop.Shl, t, q.Shift), hi), loop.To(loop.Trunc, product, 32))
		up := loop.Op(loop.And, loop.Op(loop.Or, isNot0(q.g.B, rest), loop.Op(loop.AShr, t, loop.Int(1))), loop.Int(1))
		y = loop.Op(loop.AShr, loop.Sum(t, up, loop.Num(loop.I32, 2*zero)), loop.Int(1))
	case q.split:
		// (hi + 2^(s-33)) >> (s-32) is ((hi >> (s-33)) + 1) >> 1; the zero point
		// goes in before the last shift.
		hi := loop.To(loop.Trunc, loop.Op(loop.AShr, product, loop.Num(loop.I64, 32)), 32)
		if q.g.Target.ISA() == "thumb1" && t.Bits == 32 {
			hi = q.g.upperHalf(acc, q.Mul)
		}
		y = loop.Op(loop.AShr, loop.Sum(loop.Op(loop.AShr, hi, q.Shift), loop.Num(loop.I32, 1+2*zero)), loop.Int(1))
	default:
		wide := loop.To(loop.ZExt, q.Shift, 64)
		half := loop.Op(loop.Shl, loop.Num(loop.I64, 1), loop.Op(loop.Sub, wide, loop.Num(loop.I64, 1)))
		if q.g.rounding() == geometry.RoundEven {
			product = q.g.B.Let("product", product)
			half = loop.Sum(half, loop.Num(loop.I64, -1), loop.Op(loop.And, loop.Op(loop.AShr, product, wide), loop.Num(loop.I64, 1)))
		}
		r := loop.Op(loop.AShr, loop.Sum(product, half), wide)
		// Saturated while still wide: the result of R9 is within 16 bits anyway.
		y = loop.Sum(loop.To(loop.Trunc, loop.Clamp(r, -1<<30, 1<<30), 32), loop.Num(loop.I32, zero))
	}
	return q.bounded(y)
}

// upperHalf is the upper half of the product of two numbers of 32 bits, by products of their halves: processors
// without a product of 64 bits would call a function.
func (g *Generator) upperHalf(x, y loop.Expr) loop.Expr {
	b, by := g.B, loop.Int(16)
	low := func(x loop.Expr) loop.Expr { return loop.Op(loop.And, x, loop.Int(1<<16-1)) }
	x, y = b.Let("x", x), b.Let("y", y)
	xLow, xHigh, yLow, yHigh := b.Let("low", low(x)), b.Let("high", loop.Op(loop.AShr, x, by)), b.Let("low", low(y)), b.Let("high", loop.Op(loop.AShr, y, by))
	// No sum is beyond 32 bits: the least product is -2^15 * (2^16-1), the greatest (2^15-1) * (2^16-1).
	middle := b.Let("middle", loop.Sum(loop.Times(xHigh, yLow), loop.Op(loop.LShr, loop.Times(xLow, yLow), by)))
	other := loop.Sum(loop.Times(xLow, yHigh), low(middle))
	return loop.Sum(loop.Times(xHigh, yHigh), loop.Op(loop.AShr, middle, by), loop.Op(loop.AShr, other, by))
}

// Bounded returns a rescaled number plus the zero point of the result, within its bounds (R9).
func (q Channel) Bounded(y loop.Expr) loop.Expr {
	return q.bounded(loop.Sum(y, loop.Num(y.Type(), int64(q.g.Node.Out.Type.Quant.Zero))))
}

func (q Channel) bounded(y loop.Expr) loop.Expr {
	return loop.Clamp(y, int64(q.g.Node.Int(ir.AttrLo)), int64(q.g.Node.Int(ir.AttrHi)))
}

// Rescaled returns RQ of a vector of sums, of constants for vectors, without the zero point.
func (q Channel) Rescaled(acc loop.Expr) loop.Expr {
	switch q.g.rounding() {
	case geometry.RoundHalfUp:
		// floor(a*m / 2^31), and a floor of a floor, as below.
		if q.vectorLeft > 0 && !q.raised {
			acc = loop.Instr("qshl", loop.Int(int(q.vectorLeft)), acc)
		}
		return loop.Instr("rshr", loop.Instr("qdmulh", acc, q.Mul), q.Shift)
	case geometry.RoundEven:
		return evenly(q.g.B, loop.Instr("qdmulh", acc, q.Mul), loop.Op(loop.Mul, acc, q.Mul), q.Shift)
	}
	y := q.g.B.Let("high", loop.Instr("qrdmulh", acc, q.Mul))
	if q.g.RoundsTFLite() {
		// A negative number less one, where it is shifted: ties go away from zero.
		y = loop.Sum(y, loop.Op(loop.AShr, loop.Op(loop.And, y, q.Shift), loop.Num(y.Type(), 31)))
	}
	return loop.Instr("rshr", y, q.Shift)
}

// Bias reads the biases of n channels from the j-th after the cursors on.
func (s *ChannelCursors) Bias(j, n int) loop.Expr {
	return s.g.B.Let("bias", &loop.Load{From: s.words, Offset: loop.Int(4 * j), T: loop.I32.Vec(n), Align: 4})
}

// Store requantizes acc with the constants of channel c and writes it.
func (q Requant) Store(acc, c, at loop.Expr) { q.Load(c).Store(acc, at) }

// once is R6 with constants known here, in 64 bits.
func (g *Generator) once(x loop.Expr, m, r int32) loop.Expr {
	product, by := loop.Op(loop.Mul, loop.To(loop.SExt, x, 64), loop.Num(loop.I64, int64(m))), loop.Num(loop.I64, int64(r))
	half := loop.Expr(loop.Num(loop.I64, 1<<(r-1)))
	if g.rounding() == geometry.RoundEven {
		product = g.B.Let("product", product)
		half = loop.Sum(loop.Num(loop.I64, 1<<(r-1)-1), loop.Op(loop.And, loop.Op(loop.AShr, product, by), loop.Num(loop.I64, 1)))
	}
	return loop.Op(loop.AShr, loop.Sum(product, half), by)
}

// isNot0 is 1 where x, of 32 bits, is not 0, else 0, without a comparison.
func isNot0(b *loop.Builder, x loop.Expr) loop.Expr {
	x = b.Let("rest", x)
	t := x.Type()
	return loop.Op(loop.LShr, loop.Op(loop.Or, x, loop.Op(loop.Sub, loop.Num(t, 0), x)), loop.Num(t, 31))
}

// evenly shifts vectors of four i32, the upper halves of doubled products, to the right by
// -shift, at least 1, with ties to even. lower is the lower half of the products, nil where they
// have none.
func evenly(b *loop.Builder, high, lower, shift loop.Expr) loop.Expr {
	high = b.Let("high", high)
	t := high.Type()
	num := func(v int64) loop.Expr { return loop.Num(t, v) }
	// A half with nothing after it goes up where the result is odd.
	up := loop.Op(loop.LShr, loop.Op(loop.Shl, high, loop.Sum(num(31), shift)), num(31))
	if lower != nil {
		up = loop.Op(loop.Or, up, isNot0(b, loop.Op(loop.Shl, lower, num(1))))
	}
	return loop.Instr("rshr", loop.Sum(high, up, num(-1)), shift)
}

// RoundsTFLite reports whether a node's requantization rounds like TensorFlow Lite (R8).
func (g *Generator) RoundsTFLite() bool { return g.Node.Word(ir.AttrRound) == ir.RoundTFLite }

// rounding is how a node's requantization rounds.
func (g *Generator) rounding() geometry.Rounding { return geometry.RoundingOf(g.Node) }

// Rescale returns RQ of a number of 32 bits with a constant multiplier and shift.
func (g *Generator) Rescale(x loop.Expr, m, r int32) loop.Expr {
	if g.rounding().IsTwice() {
		return loop.To(loop.SExt, g.twice(loop.To(loop.Trunc, loop.To(loop.SExt, x, 64), 32), loop.Num(loop.I64, int64(m)), loop.Int(int(r))), 64)
	}
	return g.once(x, m, r)
}

// TFLite returns R8 of a number of 32 bits with a constant multiplier and shift, ties away from zero.
func (g *Generator) TFLite(x loop.Expr, m, r int32) loop.Expr {
	return g.roundTwice(x, loop.Num(loop.I64, int64(m)), loop.Int(int(r)), true)
}

// twice is R8 in the rounding of the node.
func (g *Generator) twice(acc, m, r loop.Expr) loop.Expr {
	return g.roundTwice(acc, m, r, g.RoundsTFLite())
}

// roundTwice is R8: the accumulator shifted left where the factor is large, the
// rounding doubling high multiply, the rounding shift right; m is an i64. Ties go away from zero, or up.
func (g *Generator) roundTwice(acc, m, r loop.Expr, isAway bool) loop.Expr {
	b := g.B
	left := loop.Op(loop.SMax, loop.Op(loop.Sub, loop.Int(31), r), loop.Int(0))
	right := b.Var("right", loop.Op(loop.SMax, loop.Op(loop.Sub, r, loop.Int(31)), loop.Int(0)))
	product := b.Var("product", loop.Op(loop.Mul, loop.To(loop.SExt, loop.Op(loop.Shl, acc, left), 64), m))
	// (product + nudge) / 2^31, towards 0; the nudge of a negative one is 1-2^30.
	sign := loop.Op(loop.AShr, product.Get(), loop.Num(loop.I64, 63)) // 0 or -1
	nudge := loop.Sum(loop.Num(loop.I64, 1<<30), loop.Op(loop.And, sign, loop.Num(loop.I64, 1-1<<31)))
	sum := b.Var("nudged", loop.Sum(product.Get(), nudge))
	toZero := loop.Op(loop.And, loop.Op(loop.AShr, sum.Get(), loop.Num(loop.I64, 63)), loop.Num(loop.I64, 1<<31-1))
	high := b.Var("high", loop.To(loop.Trunc, loop.Op(loop.AShr, loop.Sum(sum.Get(), toZero), loop.Num(loop.I64, 31)), 32))
	mask := b.Var("mask", loop.Op(loop.Sub, loop.Op(loop.Shl, loop.Int(1), right.Get()), loop.Int(1)))
	threshold := loop.Op(loop.AShr, mask.Get(), loop.Int(1))
	if isAway {
		threshold = loop.Sum(threshold, loop.Op(loop.SLt, high.Get(), loop.Int(0)))
	}
	up := loop.Op(loop.SLt, threshold, loop.Op(loop.And, high.Get(), mask.Get()))
	return loop.Sum(loop.Op(loop.AShr, high.Get(), right.Get()), up)
}

func (g *Generator) StoreClamped(at, v loop.Expr, zero, lo, hi int32) {
	g.Write(at, loop.Clamp(loop.Sum(v, loop.Num(v.Type(), int64(zero))), int64(lo), int64(hi)))
}
