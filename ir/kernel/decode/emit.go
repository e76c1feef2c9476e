package decode

import (
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// conv decodes the weights of a tile of output channels into scratch, once
// for all pixels, then multiplies the window of one pixel after the other. The
// last tile overlaps the one before it: the same channels come out the same.
func (p Plan) conv(g *emit.Generator) error {
	k, err := emit.NewBook(g, p.Channels)
	if err != nil {
		return err
	}
	w := geometry.WindowOf(g.Node)
	b, lanes, size := g.B, k.Lanes, w.K()
	pads, taps := emit.PadTable(g), 2*size
	g.Clear(loop.Int(0), g.Node.Out.Type.Shape.Size())
	b.For("tile", loop.Int(0), loop.Int(w.OutC), lanes, func(tile loop.Expr) {
		first := b.Let("first", loop.Op(loop.SMin, tile, loop.Int(w.OutC-lanes)))
		for j := range lanes {
			k.Each(loop.Sum(first, loop.Int(j)), func(code, at loop.Expr, weights int) {
				for i := range weights {
					to := loop.Sum(loop.Scaled(loop.Sum(at, loop.Int(i)), lanes), loop.Int(taps+j))
					b.Store(g.Scratch, to, k.Weight(code, i))
				}
			})
		}
		g.Rows(w, true, func(oy, row loop.Expr) {
			b.For("ox", loop.Int(0), loop.Int(g.Columns(w)), 1, func(ox loop.Expr) {
				emit.GatherWindow(g, w.KH, w.KW, w.InC, 0, pads, loop.Int(0), oy, ox)
				acc := b.Var("acc", loop.Num(loop.Type{Bits: k.Acc, Lanes: lanes}, 0))
				b.For("k", loop.Int(0), loop.Int(size), 1, func(i loop.Expr) {
					v := loop.At(g.Scratch, loop.Sum(loop.Scaled(i, lanes), loop.Int(taps)), loop.I8.Vec(lanes))
					x := loop.To(loop.SExt, loop.At(g.Scratch, loop.Scaled(i, 2), loop.I16), k.Acc)
					b.Set(acc, loop.Sum(acc.Get(), loop.Op(loop.Mul, loop.To(loop.SExt, v, k.Acc), &loop.Splat{A: x, Lanes: lanes})))
				})
				for j := range lanes {
					c := loop.Sum(first, loop.Int(j))
					at := loop.Sum(g.Pixel(w, row, ox), c)
					k.Requant.Store(k.Finish(&loop.Extract{A: acc.Get(), Lane: j}, nil, c), c, at)
				}
			})
		})
	})
	return nil
}

// linear puts the inputs into logical order, as differences from the zero
// point, and multiplies each group of them with the row that its code names.
func (p Plan) linear(g *emit.Generator) error {
	k, err := emit.NewBook(g, p.Channels)
	if err != nil {
		return err
	}
	b := g.B
	logical(g)
	b.For("c", loop.Int(0), loop.Int(g.Node.Out.Type.Shape[0]), 1, func(c loop.Expr) {
		acc := b.Var("acc", loop.Num(loop.Type{Bits: k.Acc, Lanes: 1}, 0))
		k.Each(c, func(code, at loop.Expr, weights int) {
			for i := range weights {
				x := loop.At(g.Scratch, loop.Scaled(loop.Sum(at, loop.Int(i)), 2), loop.I16)
				v := k.Weight(code, i)
				b.Set(acc, loop.Sum(acc.Get(), loop.Op(loop.Mul, loop.To(loop.SExt, x, k.Acc), loop.To(loop.SExt, v, k.Acc))))
			}
		})
		k.Requant.Store(k.Finish(acc.Get(), nil, c), c, c)
	})
	return nil
}

// logical writes the inputs' differences from the zero point to scratch, in
// logical order.
func logical(g *emit.Generator) {
	s := g.Node.Args[0].Type.Shape
	channels, pixels := 1, s.Size()
	if len(s) == 3 {
		channels, pixels = s[0], s[1]*s[2]
	}
	g.B.For("pixel", loop.Int(0), loop.Int(pixels), 1, func(p loop.Expr) {
		g.B.For("channel", loop.Int(0), loop.Int(channels), 1, func(c loop.Expr) {
			to := loop.Scaled(loop.Sum(loop.Scaled(c, pixels), p), 2)
			g.B.Store(g.Scratch, to, g.Difference(0, loop.Sum(loop.Scaled(p, channels), c)))
		})
	})
}
