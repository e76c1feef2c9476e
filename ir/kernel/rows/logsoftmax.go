package rows

import (
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// logSoftmaxTable is R23 for each row.
func logSoftmaxTable(g *emit.Generator) error {
	x, err := g.Node.Const(ir.AttrTable).Ints()
	if err != nil {
		return err
	}
	p, err := geometry.LogSoftmaxOf(g.Node)
	if err != nil {
		return err
	}
	table, b := g.Ints("table", 32, x), g.B
	wide := func(v loop.Expr) loop.Expr { return loop.To(loop.ZExt, v, 64) }
	num := func(v int64) loop.Expr { return loop.Num(loop.I64, v) }
	lastAxis(g, func(_, first loop.Expr, length int) {
		element := func(i loop.Expr) loop.Expr { return g.Element(0, loop.Sum(first, i)) }
		top := b.Var("top", loop.Int(math.MinInt8))
		b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) { b.Set(top, loop.Op(loop.SMax, top.Get(), element(i))) })
		distance := func(i loop.Expr) loop.Expr { return loop.Op(loop.Sub, top.Get(), element(i)) }
		sum := b.Var("sum", num(0))
		b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
			b.Set(sum, loop.Sum(sum.Get(), wide(loop.At(table, loop.Scaled(distance(i), 4), loop.I32))))
		})
		log := loop.To(loop.SExt, logOf(b, sum.Get()), 64)
		scaled := loop.Op(loop.AShr, loop.Sum(loop.Times(log, num(int64(p.Log))), num(1<<p.LogShift>>1)), num(int64(p.LogShift)))
		row := b.Let("sum", loop.Sum(scaled, num(1<<(p.Shift-1))))
		b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
			below := loop.Op(loop.AShr, loop.Sum(row, loop.Times(wide(distance(i)), num(int64(p.Distance)))), num(int64(p.Shift)))
			below = loop.To(loop.Trunc, loop.Op(loop.SMin, below, num(int64(p.Zero)-math.MinInt8)), 32)
			g.Write(loop.Sum(first, i), loop.Op(loop.Sub, loop.Int(int(p.Zero)), below))
		})
	})
	return nil
}

// logOf is the logarithm to the base 2 of a sum of 2^ExpBits and more, over that (R23).
func logOf(b *loop.Builder, sum loop.Expr) loop.Expr {
	const rest = 32 - geometry.ExpBits
	top := b.Var("top", loop.To(loop.Trunc, loop.Op(loop.LShr, sum, loop.Num(loop.I64, geometry.ExpBits)), 32))
	below := b.Let("below", loop.Scaled(loop.To(loop.Trunc, sum, 32), 1<<rest))
	// The sum shifted left until its highest bit is the upper one of 31, and by how much.
	left := b.Var("left", loop.Int(0))
	for _, bits := range []int{16, 8, 4, 2, 1} {
		more := b.Let("more", loop.Scaled(loop.Op(loop.SLt, top.Get(), loop.Int(1<<(31-bits))), bits))
		b.Set(top, loop.Op(loop.Shl, top.Get(), more))
		b.Set(left, loop.Sum(left.Get(), more))
	}
	x := b.Var("x", loop.Op(loop.Or, loop.Scaled(top.Get(), 2), loop.Op(loop.LShr, below, loop.Op(loop.Sub, loop.Int(31), left.Get()))))
	log := b.Var("log", loop.Op(loop.Sub, loop.Int(30), left.Get()))
	b.For("digit", loop.Int(0), loop.Int(geometry.LogBits), 1, func(loop.Expr) {
		wide := loop.To(loop.ZExt, x.Get(), 64)
		square := b.Let("square", loop.To(loop.Trunc, loop.Op(loop.LShr, loop.Times(wide, wide), loop.Num(loop.I64, 32)), 32))
		digit := b.Let("digit", loop.Op(loop.LShr, square, loop.Int(31)))
		b.Set(x, loop.Sum(square, loop.Op(loop.And, square, loop.Sum(digit, loop.Int(-1)))))
		b.Set(log, loop.Sum(loop.Scaled(log.Get(), 2), digit))
	})
	return log.Get()
}
