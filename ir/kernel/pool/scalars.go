package pool

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// scalars is a pooling whose channels are computed one by one, or as the bytes of a word.
type scalars struct {
	lanes
	requant *emit.Requant // of means whose type changes
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
	s.pixels(func(first, rows, columns, at loop.Expr) {
		b := g.B
		taps := loop.Times(rows, columns)
		if _, ok := taps.(*loop.Const); !ok {
			taps = b.Let("taps", taps)
		}
		finish := s.finish(taps)
		x, y := b.Cursor("x", g.Args[0], first), b.Cursor("y", g.Out, at)
		whole := 0
		if s.words() {
			whole = p.w.InC / 4 * 4
		}
		b.For("word", loop.Int(0), loop.Int(whole/4), 1, func(loop.Expr) {
			s.word(x, y, rows, columns, finish)
			b.Advance(x, 4)
			b.Advance(y, 4)
		})
		b.For("channel", loop.Int(whole), loop.Int(p.w.InC), 1, func(loop.Expr) {
			s.channel(x, y, rows, columns, finish)
			b.Advance(x, 1)
			b.Advance(y, 1)
		})
	})
	return nil
}

// words reports whether four channels are computed as a word. Sums have 16 bits.
func (s scalars) words() bool {
	return s.g.Target.ISA() == "thumb" && s.g.Target.Has("dsp") && !s.splits()
}

// taps calls do for each input of a window, in rows and columns from a cursor on.
func (s scalars) taps(x *loop.Cursor, rows, columns loop.Expr, do func(from *loop.Cursor, at int)) {
	b, w := s.g.B, s.w
	r, rowsKnown := rows.(*loop.Const)
	c, columnsKnown := columns.(*loop.Const)
	if rowsKnown && columnsKnown && r.Value*c.Value <= int64(s.g.Unroll(unrolled)) {
		for ky := range int(r.Value) {
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

// channel computes one channel.
func (s scalars) channel(x, y *loop.Cursor, rows, columns loop.Expr, finish func(sum, at loop.Expr, y *loop.Cursor)) {
	b := s.g.B
	start := -128
	if s.mean {
		start = 0
	}
	acc := b.Var("acc", loop.Int(start))
	s.taps(x, rows, columns, func(from *loop.Cursor, at int) {
		v := loop.To(loop.SExt, loop.At(from, loop.Int(at), loop.I8), 32)
		if s.mean {
			b.Set(acc, loop.Sum(acc.Get(), v))
		} else {
			b.Set(acc, loop.Op(loop.SMax, acc.Get(), v))
		}
	})
	finish(acc.Get(), loop.Int(0), y)
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

// finish is how the maximum, or the sum of a window of some taps, becomes an output at a byte from a cursor.
func (s scalars) finish(taps loop.Expr) func(sum, at loop.Expr, y *loop.Cursor) {
	b, n := s.g.B, s.g.Node
	if s.requant != nil {
		q, zeros := s.requant.Load(taps), b.Let("zeros", loop.Scaled(taps, n.Args[0].Type.Quant.Zero))
		return func(sum, at loop.Expr, y *loop.Cursor) { q.StoreAt(loop.Op(loop.Sub, sum, zeros), y, at) }
	}
	return func(v, at loop.Expr, y *loop.Cursor) {
		if s.mean {
			v = roundedMean(b, b.Var("sum", v), taps)
		}
		b.Store(y, at, loop.To(loop.Trunc, loop.Clamp(v, int64(n.Int(ir.AttrLo)), int64(n.Int(ir.AttrHi))), 8))
	}
}
