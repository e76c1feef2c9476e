package kernel

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// element is an i8 of argument j as an i32.
func (g *generator) element(j int, at loop.Expr) loop.Expr {
	return loop.To(loop.SExt, loop.At(g.args[j], at, loop.I8), 32)
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
		g.b.Store(g.out, i, loop.Op(op, loop.At(g.args[0], i, loop.I8), loop.At(g.args[1], i, loop.I8)))
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
		g.b.Store(g.out, i, loop.At(table, loop.Sum(g.element(0, i), loop.Int(128)), loop.I8))
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
	r, b := interp.ReductionOf(g.n), g.b
	if r == kernels.Greatest || r == kernels.Least {
		op := loop.SMax
		if r == kernels.Least {
			op = loop.SMin
		}
		g.lastAxis(func(row, first loop.Expr, length int) {
			best := b.Var("best", loop.At(g.args[0], first, loop.I8))
			b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
				b.Set(best, loop.Op(op, best.Get(), loop.At(g.args[0], loop.Sum(first, i), loop.I8)))
			})
			b.Store(g.out, row, best.Get())
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
			b.Set(sum, loop.Sum(sum.Get(), g.wide(0, loop.Sum(first, i))))
		})
		q.store(sum.Get(), loop.Int(0), row)
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
			b.If(loop.Op(loop.SLt, best.Get(), v.Get()), func() {
				b.Set(best, v.Get())
				b.Set(at, i)
			}, nil)
		})
		b.Store(g.out, row, loop.To(loop.Trunc, loop.Sum(at.Get(), loop.Int(-128)), 8))
	})
	return nil
}

// embeddingRows copies a row for each index.
func embeddingRows(g *generator) error {
	table, raw, err := interp.EmbeddingData(g.n)
	if err != nil {
		return err
	}
	rows := g.global("rows", 1, raw)
	b, s := g.b, g.n.Const("rows").Type.Shape
	d := s[1]
	row := func(i loop.Expr) loop.Expr { // of indices at any address
		at := b.Var("index", loop.Op(loop.Shl, loop.To(loop.SExt, loop.At(g.args[0], loop.Sum(loop.Scaled(i, 2), loop.Int(1)), loop.I8), 32), loop.Int(8)))
		b.Set(at, loop.Op(loop.Or, at.Get(), loop.To(loop.ZExt, loop.At(g.args[0], loop.Scaled(i, 2), loop.I8), 32)))
		return loop.Op(loop.SMin, loop.Op(loop.SMax, at.Get(), loop.Int(0)), loop.Int(s[0]-1))
	}
	if table != nil {
		places := g.global("table", 1, table)
		row = func(i loop.Expr) loop.Expr {
			entry := loop.Sum(loop.To(loop.SExt, loop.At(g.args[0], i, loop.I8), 32), loop.Int(128))
			return loop.To(loop.ZExt, loop.At(places, entry, loop.I8), 32)
		}
	}
	b.For("i", loop.Int(0), loop.Int(g.n.Args[0].Type.Shape.Size()), 1, func(i loop.Expr) {
		from, to := b.Var("from", loop.Scaled(row(i), d)), b.Var("to", loop.Scaled(i, d))
		b.For("c", loop.Int(0), loop.Int(d), 1, func(c loop.Expr) {
			b.Store(g.out, loop.Sum(to.Get(), c), loop.At(rows, loop.Sum(from.Get(), c), loop.I8))
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
	batch, m, k, n := interp.MatMulSizes(g.n)
	place := func(i, row, col loop.Expr, cols int) loop.Expr {
		return loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(row, cols), col), batch), i)
	}
	b := g.b
	b.For("batch", loop.Int(0), loop.Int(batch), 1, func(i loop.Expr) {
		b.For("row", loop.Int(0), loop.Int(m), 1, func(row loop.Expr) {
			b.For("col", loop.Int(0), loop.Int(n), 1, func(col loop.Expr) {
				sum := b.Var("sum", loop.Int(0))
				b.For("k", loop.Int(0), loop.Int(k), 1, func(l loop.Expr) {
					b.Set(sum, loop.Sum(sum.Get(), loop.Op(loop.Mul, g.wide(0, place(i, row, l, k)), g.wide(1, place(i, l, col, n)))))
				})
				q.store(sum.Get(), loop.Int(0), place(i, row, col, n))
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
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) { b.Set(top, loop.Op(loop.SMax, top.Get(), element(i))) })
		exponential := func(i loop.Expr) loop.Expr {
			return loop.At(table, loop.Scaled(loop.Op(loop.Sub, top.Get(), element(i)), 4), loop.I32)
		}
		sum := b.Var("sum", loop.Int(0))
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) { b.Set(sum, loop.Sum(sum.Get(), exponential(i))) })
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) {
			num := loop.Sum(loop.Scaled(exponential(i), 256), loop.Op(loop.LShr, sum.Get(), loop.Int(1)))
			y := loop.Op(loop.SMin, loop.Op(loop.UDiv, num, sum.Get()), loop.Int(255))
			b.Store(g.out, loop.Sum(first, i), loop.To(loop.Trunc, loop.Sum(y, loop.Int(-128)), 8))
		})
	})
	return nil
}
