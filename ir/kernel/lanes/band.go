package lanes

import (
	"bytes"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// bands computes some rows of the result at a time: it copies the rows of the image that they see to
// scratch, one group after the other, with the padding beside them.
func (l *layer) bands() {
	g, b, w := l.g, l.g.B, l.w
	rows, rowBytes := l.bandRows(l.plan.Band), l.rowBytes()
	if l.padded {
		l.pad(loop.Int(l.base+slack), loop.Int(rows), w.PadL+w.InW+w.PadR)
	}
	do := l.begin(w.StrideW*l.in, rowBytes)
	outRow := l.run / l.poolW * w.OutC
	b.For("band", loop.Int(0), loop.Int(l.outRows), l.plan.Band, func(band loop.Expr) {
		b.For("row", loop.Int(0), loop.Int(rows), 1, func(r loop.Expr) {
			iy := b.Let("iy", loop.Sum(loop.Scaled(band, l.poolH*w.StrideH), r, loop.Int(-w.PadT)))
			to := b.Let("to", loop.Sum(loop.Scaled(r, rowBytes), loop.Int(l.base+slack+w.PadL*l.in)))
			b.If(loop.Op(loop.ULt, iy, loop.Int(w.InH)), func() { l.copyRow(iy, to) }, func() { l.pad(to, loop.Int(1), w.InW) })
		})
		last := loop.Expr(loop.Int(l.plan.Band))
		if l.outRows%l.plan.Band > 0 {
			last = b.Let("last", loop.Op(loop.SMin, last, loop.Op(loop.Sub, loop.Int(l.outRows), band)))
		}
		b.For("py", loop.Int(0), last, 1, func(py loop.Expr) {
			out := b.Let("out", loop.Scaled(loop.Sum(band, py), outRow))
			g.Clear(out, outRow)
			b.For("dy", loop.Int(0), loop.Int(l.poolH), 1, func(dy loop.Expr) {
				y := loop.Sum(loop.Scaled(py, l.poolH), dy)
				at := b.Let("at", loop.Sum(loop.Scaled(y, w.StrideH*rowBytes), loop.Int(l.base+slack)))
				b.For("group", loop.Int(0), loop.Int(l.groups), 1, func(group loop.Expr) {
					do(g.Scratch, loop.Sum(at, loop.Scaled(group, rows*rowBytes)), group, out)
				})
			})
		})
	})
}

// copyRow copies a row of the image to a byte of the first group's rows in scratch.
func (l *layer) copyRow(iy, to loop.Expr) {
	g, b, w := l.g, l.g.B, l.w
	from := b.Let("from", loop.Scaled(iy, w.InW*w.InC))
	if l.multiplier > 1 {
		l.repeat(b.Cursor("source", g.Args[0], from), b.Cursor("target", g.Scratch, to))
		return
	}
	if l.groups == 1 {
		g.Strips(w.InW*l.in, func(at loop.Expr, t loop.Type) {
			b.Store(g.Scratch, loop.Sum(to, at), loop.At(g.Args[0], loop.Sum(from, at), t))
		})
		return
	}
	next := l.bandRows(l.plan.Band) * l.rowBytes()
	b.For("group", loop.Int(0), loop.Int(l.groups), 1, func(group loop.Expr) {
		source := b.Cursor("source", g.Args[0], loop.Sum(from, loop.Scaled(group, l.in)))
		target := b.Cursor("target", g.Scratch, loop.Sum(to, loop.Scaled(group, next)))
		unroll := min(g.Unroll(unrolledPieces), w.InW)
		piece := func(px int) {
			emit.Pieces(l.in, func(at int, t loop.Type) {
				b.Store(target, loop.Int(px*l.in+at), loop.At(source, loop.Int(px*w.InC+at), t))
			})
		}
		b.For("px", loop.Int(0), loop.Int(w.InW/unroll), 1, func(loop.Expr) {
			for px := range unroll {
				piece(px)
			}
			b.Advance(source, unroll*w.InC)
			b.Advance(target, unroll*l.in)
		})
		for px := range w.InW % unroll {
			piece(px)
		}
	})
}

// repeat copies a row, each input as often as it has outputs.
func (l *layer) repeat(source, target *loop.Cursor) {
	b, n, m := l.g.B, l.w.InW*l.w.InC, l.multiplier
	each := 8 // inputs that a shuffle repeats
	if m > 8 {
		each = 1
	}
	move := func(each int) {
		x := b.Let("x", loop.At(source, loop.Int(0), loop.I8.Vec(each)))
		if each == 1 {
			for i := range m {
				b.Store(target, loop.Int(i), x)
			}
		} else {
			s := &loop.Shuffle{A: x}
			for i := range each * m {
				s.Mask = append(s.Mask, i/m)
			}
			b.Store(target, loop.Int(0), s)
		}
		b.Advance(source, each)
		b.Advance(target, each*m)
	}
	b.For("inputs", loop.Int(0), loop.Int(n/each), 1, func(loop.Expr) { move(each) })
	b.For("input", loop.Int(0), loop.Int(n%each), 1, func(loop.Expr) { move(1) })
}

// unrolledPieces is the pixels of a round of the loop that copies a group's inputs.
const unrolledPieces = 4

// pad fills some pixels of each of n rows of each group with the padding, from a byte of the first
// group's rows on.
func (l *layer) pad(to, n loop.Expr, pixels int) {
	g, b := l.g, l.g.B
	next := l.bandRows(l.plan.Band) * l.rowBytes()
	values := g.Node.Nums(ir.AttrPadValue)
	b.For("group", loop.Int(0), loop.Int(l.groups), 1, func(group loop.Expr) {
		b.For("row", loop.Int(0), n, 1, func(r loop.Expr) {
			at := b.Let("at", loop.Sum(to, loop.Scaled(group, next), loop.Scaled(r, l.rowBytes())))
			if values == nil {
				zero := int64(g.Node.Args[0].Type.Quant.Zero)
				g.Fill(g.Scratch, at, pixels*l.in, zero)
				return
			}
			var raw []byte
			for _, v := range values {
				raw = append(raw, bytes.Repeat([]byte{byte(int8(v))}, max(1, l.multiplier))...)
			}
			pads := g.Global("pads", 1, raw)
			b.For("px", loop.Int(0), loop.Int(pixels), 1, func(px loop.Expr) {
				b.For("c", loop.Int(0), loop.Int(l.in), 1, func(c loop.Expr) {
					v := loop.At(pads, loop.Sum(loop.Scaled(group, l.in), c), loop.I8)
					b.Store(g.Scratch, loop.Sum(at, loop.Scaled(px, l.in), c), v)
				})
			})
		})
	})
}
