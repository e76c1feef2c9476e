package kernel

import (
	"github.com/dnnc/dnnc/codegen/loop"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// element is an i8 of argument j as an i32.
func (g *generator) element(j int, at loop.Expr) loop.Expr {
	return loop.To(loop.SExt, load(g.args[j], at, loop.I8), 32)
}

// wide is the difference of an i8 of argument j from its zero point, as an i32.
func (g *generator) wide(j int, at loop.Expr) loop.Expr {
	return loop.Op(loop.Sub, g.element(j, at), loop.Int(g.n.Args[j].Type.Quant.Zero))
}

// mulElements requantizes products.
func mulElements(g *generator) error {
	q, err := newRequant(g, "", false)
	if err != nil {
		return err
	}
	g.b.For("i", loop.Int(0), loop.Int(g.n.Out.Type.Shape.Size()), 1, func(i loop.Expr) {
		q.store(loop.Op(loop.Mul, g.wide(0, i), g.wide(1, i)), loop.Int(0), i)
	})
	return nil
}

// extremeElements gives the lesser or the greater element.
func extremeElements(g *generator) error {
	op := loop.SMin
	if g.n.Op == ir.Maximum {
		op = loop.SMax
	}
	g.b.For("i", loop.Int(0), loop.Int(g.n.Out.Type.Shape.Size()), 1, func(i loop.Expr) {
		g.b.Store(g.out, i, loop.Op(op, load(g.args[0], i, loop.I8), load(g.args[1], i, loop.I8)))
	})
	return nil
}

// tableElements is R14.
func tableElements(g *generator) error {
	raw, err := g.n.Const("table").Load()
	if err != nil {
		return err
	}
	table := g.global("table", 1, raw)
	g.b.For("i", loop.Int(0), loop.Int(g.n.Out.Type.Shape.Size()), 1, func(i loop.Expr) {
		g.b.Store(g.out, i, load(table, loop.Sum(g.element(0, i), loop.Int(128)), loop.I8))
	})
	return nil
}

// lastAxis calls body for each row of the argument with the place of its first
// element, the last axis being the rows'.
func (g *generator) lastAxis(body func(row, first loop.Expr, length int)) {
	s := g.n.Args[0].Type.Shape
	length := s[len(s)-1]
	g.b.For("row", loop.Int(0), loop.Int(s.Size()/length), 1, func(row loop.Expr) {
		body(row, loop.Scaled(row, length), length)
	})
}

// reduceRows is the sum or the extreme of each row (R16, R12).
func reduceRows(g *generator) error {
	r, b := geometry.ReductionOf(g.n), g.b
	if r == geometry.Greatest || r == geometry.Least {
		op := loop.SMax
		if r == geometry.Least {
			op = loop.SMin
		}
		g.lastAxis(func(row, first loop.Expr, length int) {
			best := b.Var("best", load(g.args[0], first, loop.I8))
			b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
				b.Set(best, loop.Op(op, read(best), load(g.args[0], loop.Sum(first, i), loop.I8)))
			})
			b.Store(g.out, row, read(best))
		})
		return nil
	}
	q, err := newRequant(g, "", false)
	if err != nil {
		return err
	}
	g.lastAxis(func(row, first loop.Expr, length int) {
		sum := b.Var("sum", loop.Int(0))
		b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
			b.Set(sum, loop.Sum(read(sum), g.wide(0, loop.Sum(first, i))))
		})
		q.store(read(sum), loop.Int(0), row)
	})
	return nil
}

// argmaxRows is the place of the first greatest element of each row.
func argmaxRows(g *generator) error {
	b := g.b
	g.lastAxis(func(row, first loop.Expr, length int) {
		best, at := b.Var("best", g.element(0, first)), b.Var("at", loop.Int(0))
		b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
			v := b.Var("v", g.element(0, loop.Sum(first, i)))
			b.If(loop.Op(loop.SLt, read(best), read(v)), func() {
				b.Set(best, read(v))
				b.Set(at, i)
			}, nil)
		})
		b.Store(g.out, row, loop.To(loop.Trunc, loop.Sum(read(at), loop.Int(-128)), 8))
	})
	return nil
}

// embeddingRows copies a row for each index.
func embeddingRows(g *generator) error {
	table, raw, err := geometry.EmbeddingData(g.n)
	if err != nil {
		return err
	}
	rows := g.global("rows", 1, raw)
	b, s := g.b, g.n.Const("rows").Type.Shape
	d := s[1]
	row := func(i loop.Expr) loop.Expr { // of indices at any address
		at := b.Var("index", loop.Op(loop.Shl, loop.To(loop.SExt, load(g.args[0], loop.Sum(loop.Scaled(i, 2), loop.Int(1)), loop.I8), 32), loop.Int(8)))
		b.Set(at, loop.Op(loop.Or, read(at), loop.To(loop.ZExt, load(g.args[0], loop.Scaled(i, 2), loop.I8), 32)))
		return loop.Op(loop.SMin, loop.Op(loop.SMax, read(at), loop.Int(0)), loop.Int(s[0]-1))
	}
	if table != nil {
		places := g.global("table", 1, table)
		row = func(i loop.Expr) loop.Expr {
			entry := loop.Sum(loop.To(loop.SExt, load(g.args[0], i, loop.I8), 32), loop.Int(128))
			return loop.To(loop.ZExt, load(places, entry, loop.I8), 32)
		}
	}
	b.For("i", loop.Int(0), loop.Int(g.n.Args[0].Type.Shape.Size()), 1, func(i loop.Expr) {
		from, to := b.Var("from", loop.Scaled(row(i), d)), b.Var("to", loop.Scaled(i, d))
		b.For("c", loop.Int(0), loop.Int(d), 1, func(c loop.Expr) {
			b.Store(g.out, loop.Sum(read(to), c), load(rows, loop.Sum(read(from), c), loop.I8))
		})
	})
	return nil
}

// matmulRows is the product of two computed matrices, or of as many as a first
// axis has; matrices of three axes lie in memory with the first axis last.
func matmulRows(g *generator) error {
	q, err := newRequant(g, "", false)
	if err != nil {
		return err
	}
	batch, m, k, n := geometry.MatMulSizes(g.n)
	place := func(i, row, col loop.Expr, cols int) loop.Expr {
		return loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(row, cols), col), batch), i)
	}
	b := g.b
	b.For("batch", loop.Int(0), loop.Int(batch), 1, func(i loop.Expr) {
		b.For("row", loop.Int(0), loop.Int(m), 1, func(row loop.Expr) {
			b.For("col", loop.Int(0), loop.Int(n), 1, func(col loop.Expr) {
				sum := b.Var("sum", loop.Int(0))
				b.For("k", loop.Int(0), loop.Int(k), 1, func(l loop.Expr) {
					b.Set(sum, loop.Sum(read(sum), loop.Op(loop.Mul, g.wide(0, place(i, row, l, k)), g.wide(1, place(i, l, col, n)))))
				})
				q.store(read(sum), loop.Int(0), place(i, row, col, n))
			})
		})
	})
	return nil
}

// softmaxTable is R15 for each row.
func softmaxTable(g *generator) error {
	x, err := g.n.Const("table").Ints()
	if err != nil {
		return err
	}
	table, b := g.ints("table", 32, x), g.b
	g.lastAxis(func(_, first loop.Expr, length int) {
		size := loop.Int(length)
		element := func(i loop.Expr) loop.Expr { return g.element(0, loop.Sum(first, i)) }
		top := b.Var("top", loop.Int(-128))
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) { b.Set(top, loop.Op(loop.SMax, read(top), element(i))) })
		exponential := func(i loop.Expr) loop.Expr {
			return load(table, loop.Scaled(loop.Op(loop.Sub, read(top), element(i)), 4), loop.I32)
		}
		sum := b.Var("sum", loop.Int(0))
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) { b.Set(sum, loop.Sum(read(sum), exponential(i))) })
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) {
			num := loop.Sum(loop.Scaled(exponential(i), 256), loop.Op(loop.LShr, read(sum), loop.Int(1)))
			y := loop.Op(loop.SMin, loop.Op(loop.UDiv, num, read(sum)), loop.Int(255))
			b.Store(g.out, loop.Sum(first, i), loop.To(loop.Trunc, loop.Sum(y, loop.Int(-128)), 8))
		})
	})
	return nil
}
