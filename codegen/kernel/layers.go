package kernel

import (
	"github.com/dnnc/dnnc/codegen/loop"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// difference is x-zero of an input element, as an i16.
func (g *generator) difference(arg int, at loop.Expr) loop.Expr {
	x := loop.To(loop.SExt, load(g.args[arg], at, loop.I8), 16)
	return loop.Op(loop.Sub, x, loop.Num(loop.I16, int64(g.n.Args[arg].Type.Quant.Zero)))
}

// linearTile multiplies each input with the weights of a tile of outputs.
func linearTile(g *generator) error {
	l, err := newLayer(g, 1, Order(g.n.Args[0].Type.Shape))
	if err != nil {
		return err
	}
	sum := l.inputSum(func(k loop.Expr) loop.Expr { return g.difference(0, k) })
	l.outputs(loop.Int(0), []pixel{{
		x:   func(k loop.Expr) loop.Expr { return g.difference(0, k) },
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
func (l *layer) inputSum(x func(k loop.Expr) loop.Expr) loop.Expr {
	if l.elem.Kind == ir.I8 {
		return nil
	}
	b := l.g.b
	sum := b.Var("sum", loop.Num(loop.Type{Bits: l.acc, Lanes: 1}, 0))
	b.For("k", loop.Int(0), loop.Int(l.k), 1, func(k loop.Expr) {
		b.Set(sum, loop.Sum(read(sum), loop.To(loop.SExt, x(k), l.acc)))
	})
	return read(sum)
}

// outputs computes all channels of a group for a few pixels that share each
// unpacking of weights.
func (l *layer) outputs(group loop.Expr, pixels []pixel) {
	b, tiles := l.g.b, l.rows/l.lanes
	first := loop.Scaled(group, l.rows) // channel
	b.For("tile", loop.Int(0), loop.Int(tiles), 1, func(tile loop.Expr) {
		t := loop.Type{Bits: l.acc, Lanes: l.lanes}
		acc := make([]*loop.Var, len(pixels))
		for i := range pixels {
			acc[i] = b.Var("acc", loop.Num(t, 0))
		}
		step := loop.Scaled(loop.Sum(loop.Scaled(group, tiles), tile), l.k)
		b.For("k", loop.Int(0), loop.Int(l.k), 1, func(k loop.Expr) {
			w := read(b.Var("w", l.widen(l.tile(loop.Sum(step, k)))))
			for i, p := range pixels {
				x := &loop.Splat{A: loop.To(loop.SExt, p.x(k), l.acc), Lanes: l.lanes}
				b.Set(acc[i], loop.Sum(read(acc[i]), loop.Op(loop.Mul, w, x)))
			}
		})
		for i, p := range pixels {
			for j := range l.lanes {
				c := loop.Sum(first, loop.Scaled(tile, l.lanes), loop.Int(j))
				l.rq.store(l.finish(&loop.Extract{A: read(acc[i]), Lane: j}, p.sum, c), c, p.at(c))
			}
		}
	})
	left := l.rows % l.lanes
	b.For("row", loop.Int(0), loop.Int(left), 1, func(row loop.Expr) {
		c := loop.Sum(first, loop.Int(tiles*l.lanes), row)
		index := loop.Scaled(loop.Sum(loop.Scaled(group, left), row), l.k)
		acc := make([]*loop.Var, len(pixels))
		for i := range pixels {
			acc[i] = b.Var("acc", loop.Num(loop.Type{Bits: l.acc, Lanes: 1}, 0))
		}
		b.For("k", loop.Int(0), loop.Int(l.k), 1, func(k loop.Expr) {
			w := read(b.Var("w", l.widen(l.single(loop.Sum(index, k)))))
			for i, p := range pixels {
				b.Set(acc[i], loop.Sum(read(acc[i]), loop.Op(loop.Mul, w, loop.To(loop.SExt, p.x(k), l.acc))))
			}
		})
		for i, p := range pixels {
			l.rq.store(l.finish(read(acc[i]), p.sum, c), c, p.at(c))
		}
	})
}

// convTile gathers the windows of a few pixels of a row as x-z in scratch, then
// multiplies them with the weights of one tile of channels after the other.
// Where a row's pixels do not divide evenly the last tile overlaps the one
// before it: the same pixels come out the same.
func convTile(g *generator) error {
	w := geometry.WindowOf(g.n)
	in, k := w.InC/w.Groups, w.K()
	// The order of a window in memory: rows, columns, channels of the group.
	order := make([]int, 0, k)
	for ky := range w.KH {
		for kx := range w.KW {
			for c := range in {
				order = append(order, (c*w.KH+ky)*w.KW+kx)
			}
		}
	}
	l, err := newLayer(g, w.Groups, order)
	if err != nil {
		return err
	}
	pads := padTable(g)
	b, count, ow := g.b, g.n.Ints("tile")[0], g.columns(w)
	g.rows(w, false, func(oy, row loop.Expr) {
		b.For("tx", loop.Int(0), loop.Int(ow), count, func(tx loop.Expr) {
			ox := loop.Op(loop.SMin, tx, loop.Int(ow-count))
			b.For("group", loop.Int(0), loop.Int(w.Groups), 1, func(group loop.Expr) {
				pixels := make([]pixel, count)
				for i := range pixels {
					base := 2 * i * k
					x := read(b.Var("ox", loop.Sum(ox, loop.Int(i))))
					gather(g, w.KH, w.KW, in, base, pads, group, oy, x)
					taps := func(k loop.Expr) loop.Expr {
						return load(g.scratch, loop.Sum(loop.Scaled(k, 2), loop.Int(base)), loop.I16)
					}
					pixels[i] = pixel{
						x: taps, sum: l.inputSum(taps),
						at: func(c loop.Expr) loop.Expr { return loop.Sum(g.pixel(w, row, x), c) },
					}
				}
				l.outputs(group, pixels)
			})
		})
	})
	return nil
}

// padTable is the difference of each channel's padding from the zero point, nil
// where it is 0.
func padTable(g *generator) *loop.Global {
	v := g.n.Nums("pad_value")
	if v == nil {
		return nil
	}
	x := make([]int64, len(v))
	for i, p := range v {
		x[i] = int64(p) - int64(g.n.Args[0].Type.Quant.Zero)
	}
	return g.ints("pads", 32, x)
}

// gather writes the window of one pixel to scratch.
func gather(g *generator, kh, kw, in, base int, pads *loop.Global, group, oy, ox loop.Expr) {
	w, b := geometry.WindowOf(g.n), g.b
	first := loop.Scaled(group, in)
	b.For("ky", loop.Int(0), loop.Int(kh), 1, func(ky loop.Expr) {
		y := read(b.Var("iy", loop.Sum(loop.Scaled(oy, w.StrideH), loop.Scaled(ky, w.DilH), loop.Int(-w.PadT))))
		b.For("kx", loop.Int(0), loop.Int(kw), 1, func(kx loop.Expr) {
			x := read(b.Var("ix", loop.Sum(loop.Scaled(ox, w.StrideW), loop.Scaled(kx, w.DilW), loop.Int(-w.PadL))))
			to := func(c loop.Expr) loop.Expr {
				tap := loop.Sum(loop.Scaled(ky, kw), kx)
				return loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(tap, in), c), 2), loop.Int(base))
			}
			from := read(b.Var("from", loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(y, w.InW), x), w.InC), first)))
			copyPixel := func() {
				b.For("c", loop.Int(0), loop.Int(in), 1, func(c loop.Expr) {
					b.Store(g.scratch, to(c), g.difference(0, loop.Sum(from, c)))
				})
			}
			if w.PadT+w.PadL+w.PadB+w.PadR == 0 {
				copyPixel()
				return
			}
			inside := loop.Op(loop.And,
				loop.Op(loop.And, loop.Op(loop.SLt, loop.Int(-1), y), loop.Op(loop.SLt, y, loop.Int(w.InH))),
				loop.Op(loop.And, loop.Op(loop.SLt, loop.Int(-1), x), loop.Op(loop.SLt, x, loop.Int(w.InW))))
			b.If(inside, copyPixel, func() {
				b.For("c", loop.Int(0), loop.Int(in), 1, func(c loop.Expr) {
					v := loop.Num(loop.I16, 0)
					if pads != nil {
						v = loop.To(loop.Trunc, load(pads, loop.Scaled(loop.Sum(first, c), 4), loop.I32), 16)
					}
					b.Store(g.scratch, to(c), v)
				})
			})
		})
	})
}
