package pool

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// scalars is a pooling whose channels are computed one by one, or as the bytes of a word.
type scalars struct {
	lanes
	requant *emit.Requant // of means whose type changes
	ones    loop.Expr     // allOnes, of maxima of words
}

// poolScalars writes a pooling of windows that are not dilated on processors without vectors.
func poolScalars(g *emit.Generator, p lanes) error {
	s := scalars{lanes: p}
	if p.mean && g.Node.Const(ir.AttrMul) != nil {
		q, err := emit.NewRequant(g, "", false)
		if err != nil {
			return err
		}
		s.requant = &q
	}
	if !s.packs() {
		s.each(false)
		return nil
	}
	g.B.If(&loop.Aligned{Of: []loop.Region{g.Args[0], g.Out}, To: packedBytes}, func() { s.each(true) }, func() { s.each(false) })
	return nil
}

// each computes each pixel: as words of packed channels, or not.
func (s scalars) each(packed bool) {
	b := s.g.B
	if packed && !s.mean {
		s.ones = allOnes(b)
	}
	s.pixels(1, func(_ int, first, rows, columns, at loop.Expr) {
		taps := loop.Times(rows, columns)
		if _, ok := taps.(*loop.Const); !ok {
			taps = b.Let("taps", taps)
		}
		finish := s.finish(taps)
		x, y := b.Cursor("x", s.g.Args[0], first), b.Cursor("y", s.g.Out, at)
		if packed {
			s.packedPixel(x, y, rows, columns, taps, finish)
			return
		}
		whole := 0
		if s.words() {
			whole = s.w.InC / 4 * 4
		}
		b.For("word", loop.Int(0), loop.Int(whole/4), 1, func(loop.Expr) {
			s.word(x, y, rows, columns, finish)
			b.Advance(x, 4)
			b.Advance(y, 4)
		})
		channels := func(times, each int) {
			b.For("channel", loop.Int(0), loop.Int(times), 1, func(loop.Expr) {
				s.channels(each, x, y, rows, columns, finish)
				b.Advance(x, each)
				b.Advance(y, each)
			})
		}
		left, each := s.w.InC-whole, s.together()
		channels(left/each, each)
		if left%each > 0 {
			channels(1, left%each)
		}
	})
}

// words reports whether four channels are computed as a word. Sums have 16 bits.
func (s scalars) words() bool {
	return s.g.Target.ISA() == "thumb" && s.g.Target.Has("dsp") && !s.splits()
}

// unrolls reports whether the taps of a window are written one by one.
func (s scalars) unrolls(rows, columns loop.Expr) bool {
	r, rowsKnown := rows.(*loop.Const)
	c, columnsKnown := columns.(*loop.Const)
	return rowsKnown && columnsKnown && r.Value*c.Value <= int64(s.g.Unroll(unrolled))
}

// together is the channels that are computed at a time.
func (s scalars) together() int {
	const most = 8 // whose sums, and what they are finished with, fit the registers of RISC-V
	if s.g.Scalars() {
		return min(s.g.Unroll(most), s.w.InC)
	}
	return 1
}

// taps calls do for each input of a window, in rows and columns from a cursor on.
func (s scalars) taps(x *loop.Cursor, rows, columns loop.Expr, do func(from *loop.Cursor, at int)) {
	b, w := s.g.B, s.w
	c, columnsKnown := columns.(*loop.Const)
	if s.unrolls(rows, columns) {
		for ky := range int(rows.(*loop.Const).Value) {
			for kx := range int(c.Value) {
				do(x, (ky*w.InW+kx)*w.InC)
			}
		}
		return
	}
	row := b.Cursor("row", x, loop.Int(0))
	b.For("ky", loop.Int(0), rows, 1, func(loop.Expr) {
		if columnsKnown && c.Value <= int64(s.g.Unroll(unrolled)) {
			for kx := range int(c.Value) {
				do(row, kx*w.InC)
			}
		} else {
			from := b.Cursor("from", row, loop.Int(0))
			b.For("kx", loop.Int(0), columns, 1, func(loop.Expr) {
				do(from, 0)
				b.Advance(from, w.InC)
			})
		}
		b.Advance(row, w.InW*w.InC)
	})
}

// channels computes some channels, one after the other or, where loops are over the taps, side by side.
func (s scalars) channels(n int, x, y *loop.Cursor, rows, columns loop.Expr, finish func(sum, at loop.Expr, y *loop.Cursor)) {
	if s.unrolls(rows, columns) {
		for c := range n {
			s.channel(c, 1, x, y, rows, columns, finish)
		}
		return
	}
	s.channel(0, n, x, y, rows, columns, finish)
}

// channel computes n channels from one on side by side.
func (s scalars) channel(first, n int, x, y *loop.Cursor, rows, columns loop.Expr, finish func(sum, at loop.Expr, y *loop.Cursor)) {
	b := s.g.B
	start := -128
	if s.mean {
		start = 0
	}
	acc := make([]*loop.Var, n)
	for c := range acc {
		acc[c] = b.Var("acc", loop.Int(start))
	}
	isFirst := s.unrolls(rows, columns)
	s.taps(x, rows, columns, func(from *loop.Cursor, at int) {
		wasFirst := isFirst
		isFirst = false
		for c, sum := range acc {
			v := loop.To(loop.SExt, loop.At(from, loop.Int(at+first+c), loop.I8), 32)
			if s.mean {
				b.Set(sum, loop.Sum(sum.Get(), v))
				continue
			}
			if s.g.Scalars() { // LLVM would compare in 8 bits, and extend these each time
				v = b.Let("v", loop.Instr("opaque", v))
			}
			if wasFirst {
				b.Set(sum, v)
				continue
			}
			b.Set(sum, loop.Op(loop.SMax, sum.Get(), v))
		}
	})
	for c, sum := range acc {
		finish(sum.Get(), loop.Int(first+c), y)
	}
}

// word computes four channels: maxima as bytes of a word, sums as halves of two.
func (s scalars) word(x, y *loop.Cursor, rows, columns loop.Expr, finish func(sum, at loop.Expr, y *loop.Cursor)) {
	b := s.g.B
	if !s.mean {
		const least = -0x7f7f7f80 // of each byte
		acc := b.Var("acc", loop.Num(loop.I32, least))
		s.taps(x, rows, columns, func(from *loop.Cursor, at int) {
			b.Set(acc, loop.Instr("smax8", acc.Get(), loop.At(from, loop.Int(at), loop.I32)))
		})
		if n := s.g.Node; n.Int(ir.AttrLo) <= -128 && n.Int(ir.AttrHi) >= 127 {
			b.Store(y, loop.Int(0), acc.Get())
			return
		}
		for i := range 4 {
			finish(loop.Op(loop.AShr, loop.Op(loop.Shl, acc.Get(), loop.Int(24-8*i)), loop.Int(24)), loop.Int(i), y)
		}
		return
	}
	even, odd := b.Var("even", loop.Int(0)), b.Var("odd", loop.Int(0))
	s.taps(x, rows, columns, func(from *loop.Cursor, at int) {
		word := b.Let("word", loop.At(from, loop.Int(at), loop.I32))
		b.Set(even, loop.Instr("sxtab16", even.Get(), word))
		b.Set(odd, loop.Instr("sxtab16", odd.Get(), loop.Instr("ror8", word)))
	})
	for i := range 4 {
		half := []*loop.Var{even, odd}[i%2].Get()
		if i < 2 {
			half = loop.Op(loop.Shl, half, loop.Int(16))
		}
		finish(b.Let("sum", loop.Op(loop.AShr, half, loop.Int(16))), loop.Int(i), y)
	}
}

// power is the bits by which sums are shifted to the right, where the one factor of means is a power of two.
func (s scalars) power() (by int, ok bool) {
	if s.requant == nil {
		return 0, false
	}
	q, err := geometry.RequantOf(s.g.Node)
	if err != nil || len(q.Mul) != 1 || q.Mul[0] != 1<<30 || q.Rounding != geometry.RoundHalfUp {
		return 0, false
	}
	by = int(q.Shift[0]) - 30
	return by, 0 < by && by < 16 && s.w.KH*s.w.KW <= mostDivisor
}

// finish is how the maximum, or the sum of a window of some taps, becomes an output at a byte from a cursor.
func (s scalars) finish(taps loop.Expr) func(sum, at loop.Expr, y *loop.Cursor) {
	b, n := s.g.B, s.g.Node
	if by, ok := s.power(); ok {
		q, zeros := s.requant.Load(taps), b.Let("zeros", loop.Scaled(taps, n.Args[0].Type.Quant.Zero))
		return func(sum, at loop.Expr, y *loop.Cursor) {
			sum = loop.Op(loop.AShr, loop.Sum(loop.Op(loop.Sub, sum, zeros), loop.Int(1<<(by-1))), loop.Int(by))
			b.Store(y, at, loop.To(loop.Trunc, q.Bounded(sum), 8))
		}
	}
	if s.requant != nil {
		q, zeros := s.requant.Load(taps), b.Let("zeros", loop.Scaled(taps, n.Args[0].Type.Quant.Zero))
		return func(sum, at loop.Expr, y *loop.Cursor) { q.StoreAt(loop.Op(loop.Sub, sum, zeros), y, at) }
	}
	return func(v, at loop.Expr, y *loop.Cursor) {
		if s.mean {
			v = roundedMean(b, b.Var("sum", v), taps)
		}
		if lo, hi := int64(n.Int(ir.AttrLo)), int64(n.Int(ir.AttrHi)); lo > -128 || hi < 127 { // of bytes, else
			v = loop.Clamp(v, lo, hi)
		}
		b.Store(y, at, loop.To(loop.Trunc, v, 8))
	}
}
