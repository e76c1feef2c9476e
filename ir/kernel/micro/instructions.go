package micro

import "github.com/dnnc/dnnc/ir/loop"

// instructions are what a Product needs said in code.
type instructions interface {
	// signs reports whether codes are signs: the sum is of x-(2q-1)x+..., see
	// usada8, and needs no sum of inputs.
	signs() bool
	// shift is what columns add to the inputs.
	shift() int64
	// mask is that of a word's first field, 0 for none.
	mask(bits int) int64
	word() loop.Type
	// field takes a field's codes out of a word.
	field(p *plane, word loop.Expr, f int) loop.Expr
	// input is a product's inputs; single one of them, widened to 32 bits.
	input(x *loop.Cursor, at int) loop.Expr
	single(x loop.Expr) loop.Expr
	// sums is the type of the sums that add adds to: of wide sums where there are no narrow ones.
	sums(bits int) loop.Type
	// add is sum plus the products.
	add(bits int, code, input, sum loop.Expr) loop.Expr
	// flush adds a narrow sum to wide ones.
	flush(b *loop.Builder, part *loop.Var, acc []*loop.Var)
	// wide is the type of wide sums; total is such a sum as one i32.
	wide() loop.Type
	total(sum loop.Expr) loop.Expr
	// walks reports whether inputs are loaded one after the other.
	walks() bool
}

// word32 is what products of words in general registers share.
type word32 struct{}

func (word32) signs() bool { return false }

func (word32) shift() int64 { return 0 }

func (word32) word() loop.Type { return loop.I32 }

func (word32) sums(int) loop.Type { return loop.I32 }

func (word32) wide() loop.Type { return loop.I32 }

func (word32) total(sum loop.Expr) loop.Expr { return sum }

func (word32) walks() bool { return false }

func (word32) flush(*loop.Builder, *loop.Var, []*loop.Var) {}

func (word32) mask(bits int) int64 {
	if bits >= 8 {
		return 0
	}
	return (1<<bits - 1) * 0x10001
}

func (word32) field(p *plane, word loop.Expr, f int) loop.Expr {
	return loop.Op(loop.And, loop.Op(loop.LShr, word, loop.Int(f*p.bits)), p.mask.Get())
}

func (word32) input(x *loop.Cursor, at int) loop.Expr {
	return &loop.Load{From: x, Offset: loop.Int(at), T: loop.I32, Align: 4}
}

func (word32) single(x loop.Expr) loop.Expr { return loop.To(loop.SExt, x, 32) }

// smlad multiplies halves with halves.
type smlad struct{ word32 }

func (s smlad) field(p *plane, word loop.Expr, f int) loop.Expr {
	switch {
	case p.bits < 8:
		return s.word32.field(p, word, f)
	case p.bits == 16: // halves as they lie
		return word
	}
	if f == 1 {
		word = loop.Instr("ror8", word)
	}
	return loop.Instr("sxtb16", word)
}

func (smlad) add(_ int, code, input, sum loop.Expr) loop.Expr {
	return loop.Instr("smlad", code, input, sum)
}

// smladNested multiplies halves of two channels as they are.
type smladNested struct{ smlad }

// smladStacked multiplies halves of all channels of a tile, of which those after a channel are masked.
type smladStacked struct{ smlad }

// smladTwins multiplies halves of two channels, of which the second one's codes are twinShift bits above the first one's.
type smladTwins struct{ smlad }

// smladInPlace multiplies bytes of inputs, of which those of even and of odd numbers of each
// four are extended together.
type smladInPlace struct{ smladNested }

func (smladInPlace) input(x *loop.Cursor, at int) loop.Expr {
	word := loop.Expr(&loop.Load{From: x, Offset: loop.Int(at &^ 3), T: loop.I32, Align: 1})
	if at&3 > 0 {
		word = loop.Instr("ror8", word)
	}
	return loop.Instr("sxtb16", word)
}

// smladDecoded multiplies with words that are operands as they lie.
type smladDecoded struct{ smlad }

func (smladDecoded) mask(int) int64 { return 0 }

func (smladDecoded) field(_ *plane, word loop.Expr, _ int) loop.Expr { return word }

// usada8 sums |x-255q| over four bytes x, for x+128 in a column: x where q is 0,
// 255-x where it is 1. That is 255*sum(q) - sum((2q-1)x), and with the weights
// 2q-1 the sum of R4 is 255*sum(q), which the bias holds, less it.
type usada8 struct{ word32 }

func (usada8) signs() bool { return true }

func (usada8) shift() int64 { return 128 }

func (usada8) mask(bits int) int64 { return 0x01010101 }

func (u usada8) field(p *plane, word loop.Expr, f int) loop.Expr {
	q := u.word32.field(p, word, f)
	return loop.Op(loop.Sub, loop.Op(loop.Shl, q, loop.Int(8)), q)
}

func (usada8) single(x loop.Expr) loop.Expr { return loop.To(loop.ZExt, x, 32) }

func (usada8) add(_ int, code, input, sum loop.Expr) loop.Expr {
	return loop.Instr("usada8", code, input, sum)
}

// mla multiplies a byte with a byte.
type mla struct{ word32 }

func (mla) mask(int) int64 { return 0 }

func (mla) word() loop.Type { return loop.I8 }

func (mla) field(_ *plane, word loop.Expr, _ int) loop.Expr { return loop.To(loop.SExt, word, 32) }

func (mla) input(x *loop.Cursor, at int) loop.Expr {
	return loop.To(loop.SExt, loop.At(x, loop.Int(at), loop.I8), 32)
}

func (mla) add(_ int, code, input, sum loop.Expr) loop.Expr {
	return loop.Sum(sum, loop.Op(loop.Mul, code, input))
}

// mul is mla of a product and a sum. The optimizer would add up products before it adds them to
// the sum, which takes more registers than there are.
type mul struct{ mla }

func (m mul) add(bits int, code, input, sum loop.Expr) loop.Expr {
	return loop.Instr("opaque", m.mla.add(bits, code, input, sum))
}

// mlaBiased is mla of unsigned bytes.
type mlaBiased struct{ mla }

func (mlaBiased) shift() int64 { return 128 }

func (mlaBiased) field(_ *plane, word loop.Expr, _ int) loop.Expr {
	return loop.To(loop.ZExt, word, 32)
}

func (mlaBiased) input(x *loop.Cursor, at int) loop.Expr {
	return loop.To(loop.ZExt, loop.At(x, loop.Int(at), loop.I8), 32)
}

func (mlaBiased) single(x loop.Expr) loop.Expr { return loop.To(loop.ZExt, x, 32) }

// pair multiplies the codes of two output channels with x+128, which is not
// negative: neither are the sums in both halves, so they do not borrow.
type pair struct{ word32 }

func (pair) shift() int64 { return 128 }

func (pair) input(x *loop.Cursor, at int) loop.Expr {
	return loop.To(loop.ZExt, loop.At(x, loop.Int(at), loop.I8), 32)
}

func (pair) single(x loop.Expr) loop.Expr { return loop.To(loop.ZExt, x, 32) }

func (pair) add(_ int, code, input, sum loop.Expr) loop.Expr {
	return loop.Sum(sum, loop.Op(loop.Mul, code, input))
}

// flush adds both halves to the first sum: to take the second one off it at the end
// is cheaper than every time.
func (pair) flush(b *loop.Builder, part *loop.Var, acc []*loop.Var) {
	b.Set(acc[0], loop.Sum(acc[0].Get(), part.Get()))
	b.Set(acc[1], loop.Sum(acc[1].Get(), loop.Op(loop.LShr, part.Get(), loop.Int(16))))
}

// pairDecoded multiplies with words that are operands as they lie.
type pairDecoded struct{ pair }

func (pairDecoded) mask(int) int64 { return 0 }

func (pairDecoded) field(_ *plane, word loop.Expr, _ int) loop.Expr { return word }

// vector is what products of vectors of sixteen bytes share: sums of 16 bits, and
// wide ones of 32.
type vector struct{}

func (vector) signs() bool { return false }

func (vector) shift() int64 { return 0 }

func (vector) mask(int) int64 { return 0 }

func (vector) word() loop.Type { return loop.I8.Vec(16) }

func (vector) wide() loop.Type { return loop.I32.Vec(4) }

func (vector) walks() bool { return true }

func (vector) sums(bits int) loop.Type {
	if bits == 8 {
		return loop.I32.Vec(4)
	}
	return loop.I16.Vec(8)
}

func (v vector) input(x *loop.Cursor, at int) loop.Expr {
	return &loop.Load{From: x, Offset: loop.Int(at), T: v.word(), Align: 8}
}

func (vector) total(sum loop.Expr) loop.Expr {
	return &loop.Named{Name: "sum", Args: []loop.Expr{sum}, T: loop.I32}
}

// half is the lower or upper eight lanes of sixteen.
func half(x loop.Expr, upper int) loop.Expr {
	mask := make([]int, 8)
	for i := range mask {
		mask[i] = 8*upper + i
	}
	return &loop.Shuffle{A: x, Mask: mask}
}

// mlal multiplies signed bytes.
type mlal struct{ vector }

func (mlal) field(p *plane, word loop.Expr, f int) loop.Expr {
	if p.bits == 8 {
		return word
	}
	t := word.Type()
	q := loop.Op(loop.LShr, word, loop.Num(t, int64(f*p.bits)))
	if f*p.bits+p.bits == 8 {
		return q
	}
	return loop.Op(loop.And, q, loop.Num(t, 1<<p.bits-1))
}

func (mlal) single(x loop.Expr) loop.Expr { return loop.To(loop.SExt, x, 32) }

func (mlal) add(bits int, code, input, sum loop.Expr) loop.Expr {
	product := func(upper int) loop.Expr {
		return &loop.Named{Name: "mull", Args: []loop.Expr{half(code, upper), half(input, upper)}, T: loop.I16.Vec(8)}
	}
	if bits == 8 {
		return loop.Instr("padal", loop.Sum(product(0), product(1)), sum)
	}
	return loop.Sum(sum, product(0), product(1))
}

func (mlal) flush(b *loop.Builder, part *loop.Var, acc []*loop.Var) {
	b.Set(acc[0], loop.Instr("padal", part.Get(), acc[0].Get()))
}

// mull is mlal of any bytes, of which two products may be more than 16 bits hold.
type mull struct{ mlal }

func (mull) sums(int) loop.Type { return loop.I32.Vec(4) }

func (mull) flush(*loop.Builder, *loop.Var, []*loop.Var) {}

func (mull) add(_ int, code, input, sum loop.Expr) loop.Expr {
	for upper := range 2 {
		product := &loop.Named{Name: "mull", Args: []loop.Expr{half(code, upper), half(input, upper)}, T: loop.I16.Vec(8)}
		sum = loop.Instr("padal", product, sum)
	}
	return sum
}

// abal is usada8 on sixteen bytes.
type abal struct{ vector }

func (abal) signs() bool { return true }

func (abal) shift() int64 { return 128 }

func (abal) single(x loop.Expr) loop.Expr { return loop.To(loop.ZExt, x, 32) }

func (abal) field(p *plane, word loop.Expr, f int) loop.Expr {
	return loop.Instr("tst", word, loop.Num(word.Type(), 1<<f))
}

func (abal) add(_ int, code, input, sum loop.Expr) loop.Expr {
	for upper := range 2 {
		sum = loop.Instr("abal", half(code, upper), half(input, upper), sum)
	}
	return sum
}

func (abal) flush(b *loop.Builder, part *loop.Var, acc []*loop.Var) {
	b.Set(acc[0], loop.Instr("padalu", part.Get(), acc[0].Get()))
}

// sdot multiplies signed bytes and adds products by fours.
type sdot struct{ mlal }

func (sdot) sums(int) loop.Type { return loop.I32.Vec(4) }

func (sdot) flush(*loop.Builder, *loop.Var, []*loop.Var) {}

func (sdot) add(_ int, code, input, sum loop.Expr) loop.Expr {
	return loop.Instr("sdot", code, input, sum)
}

// smmla multiplies matrices of signed bytes. Rows left over, and codes that no word holds, are multiplied by sdot.
type smmla struct{ sdot }

// mladav multiplies signed bytes and adds all products to one sum.
type mladav struct{ mlal }

func (mladav) sums(int) loop.Type { return loop.I32 }

func (mladav) wide() loop.Type { return loop.I32 }

func (mladav) total(sum loop.Expr) loop.Expr { return sum }

func (mladav) flush(*loop.Builder, *loop.Var, []*loop.Var) {}

func (mladav) add(_ int, code, input, sum loop.Expr) loop.Expr {
	return loop.Instr("mladav", code, input, sum)
}

// unsigned is what products of unsigned bytes share, which are codes with x+128.
type unsigned struct{}

func (unsigned) shift() int64 { return 128 }

func (unsigned) single(x loop.Expr) loop.Expr { return loop.To(loop.ZExt, x, 32) }

// mladavNested is mladav of unsigned bytes, udotNested sdot.
type (
	mladavNested struct {
		mladav
		unsigned
	}
	udotNested struct {
		sdot
		unsigned
	}
)

func (mladavNested) add(_ int, code, input, sum loop.Expr) loop.Expr {
	return loop.Instr("mladavu", code, input, sum)
}

func (udotNested) add(_ int, code, input, sum loop.Expr) loop.Expr {
	return loop.Instr("udot", code, input, sum)
}
