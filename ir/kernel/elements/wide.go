package elements

import (
	"math"

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
	part, most := 9, (math.MaxInt16-1)<<9
	fn, _ := g.Node.Function()
	if fn == ir.Tanh {
		part, most = 8, math.MaxInt16<<8
	}
	b := g.B
	b.For("i", loop.Int(0), loop.Int(g.Node.Out.Type.Shape.Size()), 1, func(i loop.Expr) {
		half := loop.Int(1 << shift[0] >> 1)
		x := b.Let("x", loop.Op(loop.AShr, loop.Sum(loop.Times(g.Element(0, i), loop.Int(int(mul[0]))), half), loop.Int(int(shift[0]))))
		sign := b.Let("sign", loop.Op(loop.AShr, x, loop.Int(31))) // 0 or -1
		size := b.Let("size", loop.Op(loop.Sub, loop.Op(loop.Xor, x, sign), sign))
		// The last entry but one, and its end, of all that lies after it.
		at := b.Let("at", loop.Op(loop.SMin, loop.Op(loop.LShr, size, loop.Int(part)), loop.Int(ir.SigmoidTable-2)))
		entry := func(next int) loop.Expr {
			return loop.To(loop.SExt, &loop.Load{From: table, Offset: loop.Scaled(loop.Sum(at, loop.Int(next)), 2), T: loop.I16, Align: 2}, 32)
		}
		base := b.Let("base", entry(0))
		between := loop.Times(loop.Op(loop.Sub, entry(1), base), loop.Op(loop.And, size, loop.Int(1<<part-1)))
		r := b.Var("r", loop.Sum(loop.Op(loop.Shl, base, loop.Int(part)), between))
		isBeyond := loop.Op(loop.Sub, loop.Int(0), loop.Op(loop.SLt, loop.Int((ir.SigmoidTable-1)<<part-1), size)) // 0 or -1
		beyond := b.Let("beyond", isBeyond)
		b.Set(r, loop.Op(loop.Or, loop.Op(loop.And, r.Get(), loop.Op(loop.Xor, beyond, loop.Int(-1))), loop.Op(loop.And, loop.Int(most), beyond)))
		signed := loop.Op(loop.Xor, r.Get(), sign) // -r-1 of a negative one
		if fn == ir.Tanh {
			g.Write(i, loop.Op(loop.AShr, loop.Sum(signed, loop.Int(1<<7)), loop.Int(8)))
			return
		}
		g.Write(i, loop.Op(loop.AShr, loop.Sum(signed, loop.Int(1<<24+1<<9)), loop.Int(10)))
	})
	return nil
}
