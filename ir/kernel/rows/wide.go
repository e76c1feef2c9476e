package rows

import (
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// softmaxWide is R15 of i16 for each row. The exponentials stand in the result until they are scaled.
func softmaxWide(g *emit.Generator) error {
	raw, err := g.Node.Const(ir.AttrTable).Load()
	if err != nil {
		return err
	}
	mul, shift, err := geometry.Factors(g.Node)
	if err != nil {
		return err
	}
	exponentials, reciprocals := g.Global("exponentials", 2, raw[:2*ir.WideTable]), g.Global("reciprocals", 2, raw[2*ir.WideTable:])
	mask, err := newMask(g)
	if err != nil {
		return err
	}
	b := g.B
	bounded := func(name string, x loop.Expr) loop.Expr {
		return b.Let(name, loop.Clamp(x, math.MinInt16, math.MaxInt16))
	}
	maskedRows(g, mask, func(first loop.Expr, length int, keep func(i loop.Expr) loop.Expr) {
		size := loop.Int(length)
		place := func(i loop.Expr) loop.Expr { return loop.Sum(first, i) }
		top := b.Var("top", loop.Int(math.MinInt16))
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) {
			v := g.Element(0, place(i))
			if keep != nil { // the least where it takes no part
				k := keep(i)
				v = loop.Sum(loop.Op(loop.And, v, k), loop.Op(loop.And, loop.Int(math.MinInt16), loop.Op(loop.Xor, k, loop.Int(-1))))
			}
			b.Set(top, loop.Op(loop.SMax, top.Get(), v))
		})
		sum := b.Var("sum", loop.Int(0))
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) {
			var k loop.Expr
			distance := loop.Op(loop.Sub, g.Element(0, place(i)), top.Get())
			if keep != nil { // 0 where it takes no part, which need not be below the maximum
				k = keep(i)
				distance = loop.Op(loop.And, distance, k)
			}
			// Saturated before 32767 is added: else the sum might leave 32 bits.
			scaled := loop.Op(loop.SMax, g.TFLite(b.Let("distance", distance), mul[0], shift[0]), loop.Int(-math.MaxUint16))
			e := emit.Interpolated(b, exponentials, bounded("x", loop.Sum(scaled, loop.Int(math.MaxInt16))))
			if keep != nil {
				e = loop.Op(loop.And, e, k)
			}
			e = b.Let("e", e)
			g.Write(place(i), e)
			b.Set(sum, loop.Sum(sum.Get(), e))
		})
		b.Set(sum, loop.Op(loop.SMax, sum.Get(), loop.Int(1))) // where none takes part
		// The sum shifted left until its highest bit is bit 30, and by how much.
		left := b.Var("left", loop.Int(0))
		for _, bits := range []int{16, 8, 4, 2, 1} {
			more := b.Let("more", loop.Scaled(loop.Op(loop.SLt, sum.Get(), loop.Int(1<<(31-bits))), bits))
			b.Set(sum, loop.Op(loop.Shl, sum.Get(), more))
			b.Set(left, loop.Sum(left.Get(), more))
		}
		const divisor = 14
		shifted := loop.Op(loop.AShr, loop.Sum(sum.Get(), loop.Int(1<<(divisor-1))), loop.Int(divisor))
		r := b.Let("r", emit.Interpolated(b, reciprocals, bounded("x", loop.Sum(shifted, loop.Int(-(1<<15+1<<16))))))
		right := b.Let("right", loop.Op(loop.Sub, loop.Int(30), left.Get()))
		half := b.Let("half", loop.Op(loop.LShr, loop.Op(loop.Shl, loop.Int(1), right), loop.Int(1)))
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) {
			// Of at most 30 bits, and half of at most 29.
			e := loop.To(loop.SExt, loop.At(g.Out, loop.Scaled(place(i), 2), loop.I16), 32)
			y := loop.Op(loop.AShr, loop.Sum(loop.Times(e, r), half), right)
			g.Write(place(i), loop.Clamp(y, 0, math.MaxInt16))
		})
	})
	return nil
}
