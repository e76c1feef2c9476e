package elements

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// wideTable is R14 of i16.
func wideTable(g *emit.Generator, raw []byte) error {
	table, b := g.Global("table", 2, raw), g.B
	if g.Node.Const(ir.AttrMul) != nil {
		return sigmoidElements(g, table)
	}
	b.For("i", loop.Int(0), loop.Int(g.Node.Out.Type.Shape.Size()), 1, func(i loop.Expr) {
		g.Write(i, emit.Interpolated(b, table, b.Let("x", g.Element(0, i))))
	})
	return nil
}

// sigmoidElements is R14 of sigmoid and tanh of i16.
func sigmoidElements(g *emit.Generator, table *loop.Global) error {
	mul, shift, err := geometry.Factors(g.Node)
	if err != nil {
		return err
	}
	fn, _ := g.Node.Function()
	b := g.B
	b.For("i", loop.Int(0), loop.Int(g.Node.Out.Type.Shape.Size()), 1, func(i loop.Expr) {
		half := loop.Int(1 << shift[0] >> 1)
		x := b.Let("x", loop.Op(loop.AShr, loop.Sum(loop.Times(g.Element(0, i), loop.Int(int(mul[0]))), half), loop.Int(int(shift[0]))))
		g.Write(i, emit.HalfSigmoid(b, table, x, fn == ir.Tanh))
	})
	return nil
}
