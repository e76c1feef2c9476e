package kernel

import (
	"fmt"

	"github.com/dnnc/dnnc/codegen/loop"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// book is a layer whose codes are rows of a codebook: each stands for d weights
// along the channels of one tap (R1). Codes lie row by row, tap by tap.
type book struct {
	*layer
	d, taps, channels int
	groups            int // codes of a tap
	rows              *loop.Global
}

// bookOf reads a layer's codebook.
func bookOf(g *generator) (*book, error) {
	w := g.n.Const("weight")
	s := w.Type.Shape
	b := &book{d: max(int(w.Type.Elem.Group), 1), channels: s[1], taps: s.Size() / (s[0] * s[1])}
	b.groups = (b.channels + b.d - 1) / b.d
	table, err := g.n.Const("codebook").Load()
	if err != nil {
		return nil, err
	}
	b.rows = g.global("codebook", 4, table)
	return b, nil
}

// newCodes packs the codes of a layer of a codebook.
func newCodes(g *generator) (*book, error) {
	b, err := bookOf(g)
	if err != nil {
		return nil, err
	}
	w := g.n.Const("weight")
	codes, err := w.Load()
	if err != nil {
		return nil, err
	}
	e, rows := w.Type.Elem, w.Type.Shape[0]
	b.layer = &layer{g: g, elem: e, rows: rows, k: b.groups * b.taps, groups: 1, acc: 32}
	for i, data := range Pack(e, codes, 1, rows, b.k, rows+1, b.order(e)) {
		b.planes = append(b.planes, g.global(fmt.Sprintf("weight%d", i), 4, data))
	}
	return b, nil
}

// newBook packs them, and has the constants of the layer's results, too.
func newBook(g *generator) (*book, error) {
	b, err := bookOf(g)
	if err != nil {
		return nil, err
	}
	w := g.n.Const("weight").Type
	if b.layer, err = newLayerOf(g, 1, b.groups*b.taps, w.Shape[0]+1, b.order(w.Elem)); err != nil {
		return nil, err
	}
	b.layer.lanes = g.n.Ints("tile")[1]
	return b, nil
}

// order is that of an output channel's codes, tap by tap.
func (b *book) order(e ir.Elem) []int {
	order := make([]int, b.groups*b.taps)
	for i := range order {
		order[i] = i
		if e.Kind == ir.Code { // in logical order
			order[i] = i%b.channels*b.taps + i/b.channels
		}
	}
	return order
}

// each calls do for the codes of an output channel in their order, with the place
// of the group's first weight within the window, and its number of weights.
func (b *book) each(channel loop.Expr, do func(code, at loop.Expr, weights int)) {
	build := b.g.b
	first := loop.Scaled(channel, b.taps*b.groups)
	full := b.channels / b.d
	build.For("tap", loop.Int(0), loop.Int(b.taps), 1, func(tap loop.Expr) {
		at := func(group loop.Expr) (code, place loop.Expr) {
			i := loop.Sum(first, loop.Scaled(tap, b.groups), group)
			q := read(build.Var("q", loop.Scaled(loop.To(loop.ZExt, b.packed(i), 32), b.d)))
			return q, loop.Sum(loop.Scaled(tap, b.channels), loop.Scaled(group, b.d))
		}
		build.For("group", loop.Int(0), loop.Int(full), 1, func(group loop.Expr) {
			q, place := at(group)
			do(q, place, b.d)
		})
		if full < b.groups {
			q, place := at(loop.Int(full))
			do(q, place, b.channels-full*b.d)
		}
	})
}

// weight is the integer of a code's i-th weight, as an i8.
func (b *book) weight(code loop.Expr, i int) loop.Expr {
	return load(b.rows, loop.Sum(code, loop.Int(i)), loop.I8)
}

// convDecode decodes the weights of a tile of output channels into scratch, once
// for all pixels, then multiplies the window of one pixel after the other. The
// last tile overlaps the one before it: the same channels come out the same.
func convDecode(g *generator) error {
	k, err := newBook(g)
	if err != nil {
		return err
	}
	w := geometry.WindowOf(g.n)
	b, lanes, size := g.b, k.lanes, w.K()
	pads, taps := padTable(g), 2*size
	g.clear(loop.Int(0), g.n.Out.Type.Shape.Size())
	b.For("tile", loop.Int(0), loop.Int(w.OutC), lanes, func(tile loop.Expr) {
		first := read(b.Var("first", loop.Op(loop.SMin, tile, loop.Int(w.OutC-lanes))))
		for j := range lanes {
			k.each(loop.Sum(first, loop.Int(j)), func(code, at loop.Expr, weights int) {
				for i := range weights {
					to := loop.Sum(loop.Scaled(loop.Sum(at, loop.Int(i)), lanes), loop.Int(taps+j))
					b.Store(g.scratch, to, k.weight(code, i))
				}
			})
		}
		g.rows(w, true, func(oy, row loop.Expr) {
			b.For("ox", loop.Int(0), loop.Int(g.columns(w)), 1, func(ox loop.Expr) {
				gather(g, w.KH, w.KW, w.InC, 0, pads, loop.Int(0), oy, ox)
				acc := b.Var("acc", loop.Num(loop.Type{Bits: k.acc, Lanes: lanes}, 0))
				b.For("k", loop.Int(0), loop.Int(size), 1, func(i loop.Expr) {
					v := load(g.scratch, loop.Sum(loop.Scaled(i, lanes), loop.Int(taps)), loop.I8.Vec(lanes))
					x := loop.To(loop.SExt, load(g.scratch, loop.Scaled(i, 2), loop.I16), k.acc)
					b.Set(acc, loop.Sum(read(acc), loop.Op(loop.Mul, loop.To(loop.SExt, v, k.acc), &loop.Splat{A: x, Lanes: lanes})))
				})
				for j := range lanes {
					c := loop.Sum(first, loop.Int(j))
					at := loop.Sum(g.pixel(w, row, ox), c)
					k.rq.store(k.finish(&loop.Extract{A: read(acc), Lane: j}, nil, c), c, at)
				}
			})
		})
	})
	return nil
}

// linearDecode puts the inputs into logical order, as differences from the zero
// point, and multiplies each group of them with the row that its code names.
func linearDecode(g *generator) error {
	k, err := newBook(g)
	if err != nil {
		return err
	}
	b := g.b
	g.logical()
	b.For("c", loop.Int(0), loop.Int(g.n.Out.Type.Shape[0]), 1, func(c loop.Expr) {
		acc := b.Var("acc", loop.Num(loop.Type{Bits: k.acc, Lanes: 1}, 0))
		k.each(c, func(code, at loop.Expr, weights int) {
			for i := range weights {
				x := load(g.scratch, loop.Scaled(loop.Sum(at, loop.Int(i)), 2), loop.I16)
				v := k.weight(code, i)
				b.Set(acc, loop.Sum(read(acc), loop.Op(loop.Mul, loop.To(loop.SExt, x, k.acc), loop.To(loop.SExt, v, k.acc))))
			}
		})
		k.rq.store(k.finish(read(acc), nil, c), c, c)
	})
	return nil
}

// logical writes the inputs' differences from the zero point to scratch, in
// logical order.
func (g *generator) logical() {
	s := g.n.Args[0].Type.Shape
	channels, pixels := 1, s.Size()
	if len(s) == 3 {
		channels, pixels = s[0], s[1]*s[2]
	}
	g.b.For("pixel", loop.Int(0), loop.Int(pixels), 1, func(p loop.Expr) {
		g.b.For("channel", loop.Int(0), loop.Int(channels), 1, func(c loop.Expr) {
			to := loop.Scaled(loop.Sum(loop.Scaled(c, pixels), p), 2)
			g.b.Store(g.scratch, to, g.difference(0, loop.Sum(loop.Scaled(p, channels), c)))
		})
	})
}
