package emit

import (
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/loop"
)

// Lanes reports whether kernels may use vectors of sixteen bytes with requantization: saturating
// products, rounding shifts. They are of elements of 8 bits.
func (g *Generator) Lanes() bool {
	return (g.Target.Has("neon") || g.Helium() || g.Long()) && !g.Node.IsWide()
}

// Helium reports whether vectors are Helium's: loads widen their lanes and stores narrow them, and
// nothing else does both halves of a vector in their order. Kernels there work on vectors whose lanes,
// widened, fill one register.
func (g *Generator) Helium() bool { return g.Target.Has("mve") }

// Long reports whether vectors are RISC-V's: one instruction takes as many lanes as eight registers hold,
// whatever their bits, and none divides a vector.
func (g *Generator) Long() bool { return g.Target.Has("rvv") }

// registerBits is the bits of eight vector registers of RISC-V, at least.
const registerBits = 8 * 128

// LeastLanes is the lanes of the shortest vector of bytes that kernels use.
const LeastLanes = 4

// lanesFor is the lanes of the longest vector of bytes that n elements fill, 0 for none; for lanes that
// are computed in the given bits.
func (g *Generator) lanesFor(n, bits int) int {
	most := 16
	switch {
	case g.Helium():
		most = 128 / bits
	case g.Long():
		most = registerBits / max(bits, 16)
	}
	for lanes := most; lanes >= LeastLanes; lanes /= 2 {
		if lanes <= n {
			return lanes
		}
	}
	return 0
}

// Blocks divides n elements among vectors and calls do with the first element and the lanes of
// each; do computes in the given bits. The last vector overlaps the one before it where n is no multiple
// of the lanes: do must give the same result again. It reports false, and writes nothing, where n is
// below the lanes of every vector.
func (g *Generator) Blocks(n, bits int, do func(first loop.Expr, lanes int)) bool {
	lanes := g.lanesFor(n, bits)
	if lanes == 0 {
		return false
	}
	g.B.For("block", loop.Int(0), loop.Int(n/lanes), 1, func(i loop.Expr) { do(loop.Scaled(i, lanes), lanes) })
	if rest := n % lanes; rest > 0 {
		for lanes/2 >= max(rest, LeastLanes) {
			lanes /= 2
		}
		do(loop.Int(n-lanes), lanes)
	}
	return true
}

// Lanewise writes a result whose elements depend on the elements at the same place of the first
// arguments of the node. f gives a vector of i8 for vectors of i8, and computes in the given bits. The
// last vector may overlap the one before it; its arguments are read first, so that the result may lie
// over an argument. It reports false, and writes nothing, for fewer elements than any vector has.
func (g *Generator) Lanewise(args, bits int, f func(x []loop.Expr) loop.Expr) bool {
	n, b := g.Node.Out.Type.Shape.Size(), g.B
	lanes := g.lanesFor(n, bits)
	if lanes == 0 {
		return false
	}
	load := func(at loop.Expr) []loop.Expr {
		x := make([]loop.Expr, args)
		for j := range x {
			x[j] = b.Let("x", loop.At(g.Args[j], at, loop.I8.Vec(lanes)))
		}
		return x
	}
	var last []loop.Expr
	if n%lanes > 0 {
		last = load(loop.Int(n - lanes))
	}
	b.For("i", loop.Int(0), loop.Int(n/lanes), 1, func(i loop.Expr) {
		at := b.Let("at", loop.Scaled(i, lanes))
		b.Store(g.Out, at, f(load(at)))
	})
	if last != nil {
		b.Store(g.Out, loop.Int(n-lanes), f(last))
	}
	return true
}

// Pieces divides n bytes among the types of what one instruction copies. The last piece may overlap the
// one before it.
func Pieces(n int, do func(at int, t loop.Type)) {
	types := map[int]loop.Type{16: loop.I8.Vec(16), 8: loop.I8.Vec(8), 4: loop.I32, 2: loop.I16, 1: loop.I8}
	size := 16
	for size > max(n, 1) {
		size /= 2
	}
	for at := 0; at+size <= n; at += size {
		do(at, types[size])
	}
	if rest := n % size; rest > 0 {
		for size/2 >= rest {
			size /= 2
		}
		do(n-size, types[size])
	}
}

// Strips is Pieces, in a loop where they are many.
func (g *Generator) Strips(n int, do func(at loop.Expr, t loop.Type)) {
	const vector, round = 16, 4 * 16
	whole := n / round
	g.B.For("strip", loop.Int(0), loop.Int(whole), 1, func(i loop.Expr) {
		at := g.B.Let("at", loop.Scaled(i, round))
		for j := 0; j < round; j += vector {
			do(loop.Sum(at, loop.Int(j)), loop.I8.Vec(vector))
		}
	})
	left := n - whole*round
	if whole > 0 && left > 0 && left < vector {
		do(loop.Int(n-vector), loop.I8.Vec(vector))
		return
	}
	Pieces(left, func(at int, t loop.Type) { do(loop.Int(whole*round+at), t) })
}

// Fill writes a value to n bytes of a region, from a byte on.
func (g *Generator) Fill(to loop.Region, from loop.Expr, n int, value int64) {
	g.Strips(n, func(at loop.Expr, t loop.Type) {
		bytes := uint64(uint8(value)) * 0x0101010101010101
		v := loop.Num(t, value)
		if t.Lanes == 1 {
			v = loop.Num(t, int64(bytes)<<(64-t.Bits)>>(64-t.Bits))
		}
		g.B.Store(to, loop.Sum(from, at), v)
	})
}

// LaneDifference returns x-zero of a vector of i8 elements of an argument, as vectors of at most eight i16;
// on Helium as one of four i32, and where vectors are long as one of i16.
func (g *Generator) LaneDifference(arg int, x loop.Expr) []loop.Expr {
	zero, bits := int64(g.Node.Args[arg].Type.Quant.Zero), 16
	if g.Helium() {
		bits = 32
	}
	halves := []loop.Expr{x}
	if !g.Long() {
		halves = Split(x, 8)
	}
	for i, h := range halves {
		h = loop.To(loop.SExt, h, bits)
		halves[i] = g.B.Let("d", loop.Op(loop.Sub, h, loop.Num(h.Type(), zero)))
	}
	return halves
}

// Split divides a vector into vectors of n lanes. A vector of at most n lanes is one part.
func Split(v loop.Expr, n int) (list []loop.Expr) {
	lanes := v.Type().Lanes
	if lanes <= n {
		return []loop.Expr{v}
	}
	for first := 0; first < lanes; first += n {
		list = append(list, Some(v, first, n))
	}
	return list
}

// Fours returns vectors of integers of 16 bits, or of four of 32, as vectors of four i32, and long ones
// as such of i32.
func (g *Generator) Fours(halves []loop.Expr) (list []loop.Expr) {
	for _, h := range halves {
		if g.Long() {
			list = append(list, loop.To(loop.SExt, h, 32))
			continue
		}
		for _, part := range Split(h, 4) {
			list = append(list, loop.To(loop.SExt, part, 32))
		}
	}
	return list
}

// InTurn is Fours with the even lanes of each vector of eight in one vector, and the odd ones in the next.
func InTurn(halves []loop.Expr) (list []loop.Expr) {
	for _, h := range halves {
		if h.Type().Lanes == 4 {
			list = append(list, loop.To(loop.SExt, h, 32))
			continue
		}
		for first := range 2 {
			list = append(list, loop.To(loop.SExt, &loop.Shuffle{A: h, Mask: []int{first, first + 2, first + 4, first + 6}}, 32))
		}
	}
	return list
}

// NarrowedInTurn is Narrowed for the two vectors that InTurn gives for one.
func NarrowedInTurn(pair []loop.Expr, zero, lo, hi int32) loop.Expr {
	halves := make([]loop.Expr, 2)
	for i, y := range pair {
		y = loop.Clamp(loop.Sum(y, loop.Num(y.Type(), int64(zero))), int64(lo), int64(hi))
		halves[i] = loop.To(loop.Trunc, y, 16)
	}
	return loop.To(loop.Trunc, &loop.Named{Name: "zip", Args: halves, T: loop.I16.Vec(8)}, 8)
}

// Factor is a multiplier and a shift known here, for vectors of four i32.
type Factor struct {
	mul, shift int32
	left       int32 // bits by which a number is shifted left before the product
	rounding   geometry.Rounding
}

// Factor returns the factor of a multiplier and a shift in the rounding of the node, for numbers of
// the given bits, the sign among them. ok is false if no vector instructions compute it.
func (g *Generator) Factor(m, r int32, bits int) (f Factor, ok bool) {
	least := int32(31) // bits that a doubling product drops
	f = Factor{mul: m, shift: r, rounding: g.rounding()}
	if f.rounding == geometry.RoundEven {
		least++ // and what is left to shift
	}
	if f.left = max(least-r, 0); !f.rounding.IsTwice() {
		f.shift += f.left
	}
	return f, m == 0 || r <= 62 && (f.rounding.IsTwice() || int(f.left)+bits <= 32)
}

// Of returns RQ(x) of a vector of four i32 (R6, R8).
func (f Factor) Of(b *loop.Builder, x loop.Expr) loop.Expr {
	t := x.Type()
	by := func(n int32) loop.Expr { return loop.Num(t, int64(n)) }
	if f.mul == 0 {
		return by(0)
	}
	const whole = 31
	x = loop.Op(loop.Shl, x, by(f.left))
	if f.rounding.IsTwice() {
		y := b.Let("high", loop.Instr("qrdmulh", x, by(f.mul)))
		if f.shift <= whole {
			return y
		}
		if f.rounding == geometry.RoundTFLite { // a negative number less one
			y = loop.Sum(y, loop.Op(loop.AShr, y, by(31)))
		}
		return loop.Instr("rshr", y, by(whole-f.shift))
	}
	isPower := f.mul == 1<<30 && f.shift > 30 // of two
	switch {
	case f.rounding == geometry.RoundEven && isPower && f.shift-30 <= whole:
		return evenly(b, x, nil, by(30-f.shift))
	case f.rounding == geometry.RoundEven:
		x = b.Let("x", x)
		return evenly(b, loop.Instr("qdmulh", x, by(f.mul)), loop.Op(loop.Mul, x, by(f.mul)), by(whole-f.shift))
	case isPower:
		return loop.Instr("rshr", x, by(30-f.shift))
	case f.shift == whole:
		return loop.Instr("qrdmulh", x, by(f.mul))
	}
	// floor(x*m / 2^31), and a floor of a floor.
	return loop.Instr("rshr", loop.Instr("qdmulh", x, by(f.mul)), by(whole-f.shift))
}

// TakesScalars reports whether Scalar computes RQ of an i32 of the given bits, the sign among them: in
// R8, where it fits 32 bits once it is shifted for the product, and so in R6 where ties go up.
func (f Factor) TakesScalars(bits int) bool {
	switch f.rounding {
	case geometry.RoundHalfUp:
		left, _ := f.upward()
		return f.mul == 0 || bits+left <= 32
	case geometry.RoundEven:
		return false
	}
	return bits+int(f.left)+1 <= 32
}

// upward is the bits by which a number is shifted left before a product in R6, and those by which the upper half of
// the product is shifted right before it is rounded, up, to the next higher bit.
func (f Factor) upward() (left, right int) {
	const whole = 33 // the upper half, and a bit
	more := max(whole-f.shift, 0)
	return int(f.left + more), int(f.shift + more - whole)
}

// Scalar returns RQ(x) of an i32 that TakesScalars accepts, plus a number of 31 bits.
func (f Factor) Scalar(b *loop.Builder, x loop.Expr, plus int32) loop.Expr {
	const whole = 31
	if f.mul == 0 {
		return loop.Int(int(plus))
	}
	if f.rounding == geometry.RoundHalfUp {
		left, right := f.upward()
		high := loop.Instr("smmul", loop.Op(loop.Shl, x, loop.Int(left)), loop.Int(int(f.mul)))
		return loop.Op(loop.AShr, loop.Sum(loop.Op(loop.AShr, high, loop.Int(right)), loop.Int(1+2*int(plus))), loop.Int(1))
	}
	y := b.Let("high", loop.Instr("smmulr", loop.Op(loop.Shl, x, loop.Int(int(f.left)+1)), loop.Int(int(f.mul))))
	if f.shift > whole {
		by := int(f.shift - whole)
		if f.rounding == geometry.RoundTFLite { // a negative number less one
			y = loop.Sum(y, loop.Op(loop.AShr, y, loop.Int(31)))
		}
		y = loop.Op(loop.AShr, loop.Sum(y, loop.Int(1<<(by-1))), loop.Int(by))
	}
	return loop.Sum(y, loop.Int(int(plus)))
}

// Left returns the bits by which RQ(x << by) of x is x shifted left. exact is false if it is no such
// number; then the bits are by, and RQ is left to do.
func (f Factor) Left(by int32) (left int32, exact bool) {
	if left = by + 30 - f.shift; f.mul == 1<<30 && left >= 0 && f.left == 0 {
		return left, true
	}
	return by, false
}

// Narrowed returns the numbers of vectors of four i32 plus zero, bounded to lo..hi, as one vector
// of i8.
func Narrowed(b *loop.Builder, fours []loop.Expr, zero, lo, hi int32) loop.Expr {
	if len(fours) == 1 {
		y := fours[0]
		y = loop.Clamp(loop.Sum(y, loop.Num(y.Type(), int64(zero))), int64(lo), int64(hi))
		return loop.To(loop.Trunc, y, 8)
	}
	var halves []loop.Expr
	for i := 0; i < len(fours); i += 2 {
		h := loop.Expr(&loop.Named{Name: "qxtn16", Args: fours[i : i+2], T: loop.I16.Vec(8)})
		if zero != 0 {
			h = loop.Instr("qadd", h, loop.Num(h.Type(), int64(zero)))
		}
		halves = append(halves, h)
	}
	y := b.Let("y", &loop.Named{Name: "qxtn8", Args: halves, T: loop.I8.Vec(8 * len(halves))})
	if lo > -128 {
		y = b.Let("y", loop.Op(loop.SMax, y, loop.Num(y.Type(), int64(lo))))
	}
	if hi < 127 {
		y = b.Let("y", loop.Op(loop.SMin, y, loop.Num(y.Type(), int64(hi))))
	}
	return y
}

// NarrowedResult is Narrowed with the zero point and the bounds of the node's result.
func (g *Generator) NarrowedResult(q *geometry.Requant, fours []loop.Expr) loop.Expr {
	return Narrowed(g.B, fours, q.Zero, q.Lo, q.Hi)
}
