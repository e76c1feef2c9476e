package elements

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// differenceBits is the bits of x-zero.
const differenceBits = 9

// addLanes is R13 of sums and differences in vectors. It reports false where the processor or
// the size has none.
func addLanes(g *emit.Generator, p *geometry.AddParams) bool {
	op, shift := shifted(g.Node)
	fa, okA := g.Factor(p.MulA, p.ShiftA, differenceBits+shift)
	fb, okB := g.Factor(p.MulB, p.ShiftB, differenceBits+shift)
	fy, okY := g.Factor(p.MulY, p.ShiftY, 32)
	if g.Node.Op == ir.SquaredDiff || !g.Lanes() || !okA || !okB || !okY {
		return false
	}
	b := g.B
	arg := func(j int, x loop.Expr, f emit.Factor) []loop.Expr {
		left, exact := f.Left(int32(shift))
		halves := g.LaneDifference(j, x)
		// The shift in two steps: the first one within the bits of the differences.
		first := min(left, int32(halves[0].Type().Bits-differenceBits))
		for i, h := range halves {
			halves[i] = b.Let("d", loop.Op(loop.Shl, h, loop.Num(h.Type(), int64(first))))
		}
		fours := g.Fours(halves)
		for i, v := range fours {
			v = b.Let("v", loop.Op(loop.Shl, v, loop.Num(v.Type(), int64(left-first))))
			if !exact {
				v = b.Let("v", f.Of(b, v))
			}
			fours[i] = v
		}
		return fours
	}
	return g.Lanewise(len(g.Node.Args), 32, func(x []loop.Expr) loop.Expr {
		sums, second := arg(0, x[0], fa), arg(1, x[1], fb)
		var times []loop.Expr
		if len(x) > 2 {
			times = g.Fours(g.LaneDifference(2, x[2]))
		}
		for i := range sums {
			sum := loop.Op(op, sums[i], second[i])
			if times != nil {
				sum = loop.Op(loop.Mul, sum, times[i])
			}
			sums[i] = b.Let("y", fy.Of(b, b.Let("sum", sum)))
		}
		return emit.Narrowed(b, sums, p.ZeroY, p.Lo, p.Hi)
	})
}

// mulLanes is mulElements in vectors. It reports false where the processor or the size has none.
func mulLanes(g *emit.Generator) (bool, error) {
	q, err := geometry.RequantOf(g.Node)
	if err != nil {
		return false, err
	}
	f, ok := g.Factor(q.Mul[0], q.Shift[0], 2*differenceBits)
	if !g.Lanes() || !ok {
		return false, nil
	}
	return g.Lanewise(2, 32, func(x []loop.Expr) loop.Expr {
		fours, second := g.Fours(g.LaneDifference(0, x[0])), g.Fours(g.LaneDifference(1, x[1]))
		for i := range fours {
			fours[i] = g.B.Let("y", f.Of(g.B, g.B.Let("product", loop.Op(loop.Mul, fours[i], second[i]))))
		}
		return g.NarrowedResult(q, fours)
	}), nil
}

// tableLanes looks sixteen elements up at a time, in the four quarters of the table. It
// reports false on a processor without look-ups in tables of 64 bytes.
func tableLanes(g *emit.Generator, table *loop.Global) bool {
	if !g.Lanes() || g.Target.ISA() != "aarch64" || g.Node.Out.Type.Shape.Size() < 16 {
		return false
	}
	b, t := g.B, loop.I8.Vec(16)
	var parts [16]loop.Expr
	for i := range parts {
		parts[i] = b.Let("part", loop.At(table, loop.Int(16*i), t))
	}
	return g.Lanewise(1, 8, func(x []loop.Expr) loop.Expr {
		n := b.Let("n", loop.Op(loop.Xor, x[0], loop.Num(t, -128)))
		y := loop.Expr(loop.Num(t, 0))
		for quarter := range 4 {
			if quarter > 0 {
				n = b.Let("n", loop.Op(loop.Sub, n, loop.Num(t, 64)))
			}
			p := parts[4*quarter:]
			y = b.Let("y", &loop.Named{Name: "tbl64", Args: []loop.Expr{p[0], p[1], p[2], p[3], n, y}, T: t})
		}
		return y
	})
}
