package tile

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// layer is the codes of a layer in tiles.
type layer struct{ *emit.Codes }

func newLayer(g *emit.Generator, p Plan, groups int) (layer, error) {
	planes, err := p.Pack(kernel.Of(g.Node, g.Target))
	if err != nil {
		return layer{}, err
	}
	s := g.Node.Const(ir.AttrWeight).Type.Shape
	codes, err := emit.NewCodes(g, groups, s.Size()/s[0], p.Channels, planes)
	return layer{codes}, err
}

// linear multiplies each input with the weights of a tile of outputs.
func (p Plan) linear(g *emit.Generator) error {
	l, err := newLayer(g, p, 1)
	if err != nil {
		return err
	}
	sum := l.inputSum(func(k loop.Expr) loop.Expr { return g.Difference(0, k) })
	l.outputs(loop.Int(0), []pixel{{
		x:   func(k loop.Expr) loop.Expr { return g.Difference(0, k) },
		sum: sum,
		at:  func(c loop.Expr) loop.Expr { return c },
	}})
	return nil
}

// pixel is one position of the output: its inputs, their sum, where its
// channels are stored, and whether it exists.
type pixel struct {
	x   func(k loop.Expr) loop.Expr
	sum loop.Expr
	at  func(channel loop.Expr) loop.Expr
}

// inputSum is the sum of x-z over a window, which odd codes need; nil for i8.
func (l layer) inputSum(x func(k loop.Expr) loop.Expr) loop.Expr {
	if l.Elem.Kind == ir.I8 {
		return nil
	}
	b := l.G.B
	sum := b.Var("sum", loop.Num(loop.Type{Bits: l.Acc, Lanes: 1}, 0))
	b.For("k", loop.Int(0), loop.Int(l.K), 1, func(k loop.Expr) {
		b.Set(sum, loop.Sum(sum.Get(), loop.To(loop.SExt, x(k), l.Acc)))
	})
	return sum.Get()
}

// outputs computes all channels of a group for a few pixels that share each
// unpacking of weights.
func (l layer) outputs(group loop.Expr, pixels []pixel) {
	b, tiles := l.G.B, l.Rows/l.Lanes
	first := loop.Scaled(group, l.Rows) // channel
	b.For("tile", loop.Int(0), loop.Int(tiles), 1, func(tile loop.Expr) {
		t := loop.Type{Bits: l.Acc, Lanes: l.Lanes}
		acc := make([]*loop.Var, len(pixels))
		for i := range pixels {
			acc[i] = b.Var("acc", loop.Num(t, 0))
		}
		step := loop.Scaled(loop.Sum(loop.Scaled(group, tiles), tile), l.K)
		b.For("k", loop.Int(0), loop.Int(l.K), 1, func(k loop.Expr) {
			w := b.Let("w", l.Widen(l.Tile(loop.Sum(step, k))))
			for i, p := range pixels {
				x := &loop.Splat{A: loop.To(loop.SExt, p.x(k), l.Acc), Lanes: l.Lanes}
				b.Set(acc[i], loop.Sum(acc[i].Get(), loop.Op(loop.Mul, w, x)))
			}
		})
		for i, p := range pixels {
			for j := range l.Lanes {
				c := loop.Sum(first, loop.Scaled(tile, l.Lanes), loop.Int(j))
				l.Requant.Store(l.Finish(&loop.Extract{A: acc[i].Get(), Lane: j}, p.sum, c), c, p.at(c))
			}
		}
	})
	left := l.Rows % l.Lanes
	b.For("row", loop.Int(0), loop.Int(left), 1, func(row loop.Expr) {
		c := loop.Sum(first, loop.Int(tiles*l.Lanes), row)
		index := loop.Scaled(loop.Sum(loop.Scaled(group, left), row), l.K)
		acc := make([]*loop.Var, len(pixels))
		for i := range pixels {
			acc[i] = b.Var("acc", loop.Num(loop.Type{Bits: l.Acc, Lanes: 1}, 0))
		}
		b.For("k", loop.Int(0), loop.Int(l.K), 1, func(k loop.Expr) {
			w := b.Let("w", l.Widen(l.Single(loop.Sum(index, k))))
			for i, p := range pixels {
				b.Set(acc[i], loop.Sum(acc[i].Get(), loop.Op(loop.Mul, w, loop.To(loop.SExt, p.x(k), l.Acc))))
			}
		})
		for i, p := range pixels {
			l.Requant.Store(l.Finish(acc[i].Get(), p.sum, c), c, p.at(c))
		}
	})
}

// conv gathers the windows of a few pixels of a row as x-z in scratch, then
// multiplies them with the weights of one tile of channels after the other.
// Where a row's pixels do not divide evenly the last tile overlaps the one
// before it: the same pixels come out the same.
func (p Plan) conv(g *emit.Generator) error {
	w := geometry.WindowOf(g.Node)
	in, k := w.InC/w.Groups, w.K()
	l, err := newLayer(g, p, w.Groups)
	if err != nil {
		return err
	}
	pads := emit.PadTable(g)
	b, count, ow := g.B, p.Pixels, g.Columns(w)
	g.Rows(w, false, func(oy, row loop.Expr) {
		b.For("tx", loop.Int(0), loop.Int(ow), count, func(tx loop.Expr) {
			ox := loop.Op(loop.SMin, tx, loop.Int(ow-count))
			b.For("group", loop.Int(0), loop.Int(w.Groups), 1, func(group loop.Expr) {
				pixels := make([]pixel, count)
				for i := range pixels {
					base := 2 * i * k
					x := b.Let("ox", loop.Sum(ox, loop.Int(i)))
					emit.GatherWindow(g, w.KH, w.KW, in, base, pads, group, oy, x)
					taps := func(k loop.Expr) loop.Expr {
						return loop.At(g.Scratch, loop.Sum(loop.Scaled(k, 2), loop.Int(base)), loop.I16)
					}
					pixels[i] = pixel{
						x: taps, sum: l.inputSum(taps),
						at: func(c loop.Expr) loop.Expr { return loop.Sum(g.Pixel(w, row, x), c) },
					}
				}
				l.outputs(group, pixels)
			})
		})
	})
	return nil
}
