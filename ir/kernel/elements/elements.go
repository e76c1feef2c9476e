// Package elements contains the families of element-wise operations.
package elements

import (
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// The families.
var (
	Add     = family("add_elements", ir.Add, "two rescaled arguments, element by element", addElements)
	Sub     = family("sub_elements", ir.Sub, "two rescaled arguments, element by element", addElements)
	Squares = ofBytes("squareddiff_elements", ir.SquaredDiff, "the square of a difference of two rescaled arguments, element by element", addElements)
	Scaled  = ofBytes("scaleddiff_elements", ir.ScaledDiff, "a difference of two rescaled arguments times a third one, element by element", addElements)
	Rescale = family("rescale_elements", ir.Requantize, "one rescaled argument, element by element", rescaleElements)
	Mul     = family("mul_elements", ir.Mul, "products of differences from the zero points, rescaled", mulElements)
	Min     = family("min_elements", ir.Minimum, "the lesser element", extremeElements)
	Max     = family("max_elements", ir.Maximum, "the greater element", extremeElements)
	Table   = family("table_elements", ir.Table, "each element looked up in a table of 256; of 16 bits between two entries", tableElements)
)

func family(name string, op ir.Op, doc string, write func(g *emit.Generator) error) kernel.Family {
	return kernel.Simple(kernel.Family{Name: name, Op: op, Doc: doc, Rows: true, Wide: true}, nil, write)
}

// ofBytes is a family whose operation has no form of 16 bits.
func ofBytes(name string, op ir.Op, doc string, write func(g *emit.Generator) error) kernel.Family {
	return kernel.Simple(kernel.Family{Name: name, Op: op, Doc: doc, Rows: true}, nil, write)
}

// shifted is the operation of R13 between the arguments of a node, and the bits by which they are
// shifted left.
func shifted(n *ir.Node) (loop.BinOp, int) {
	left := geometry.AddShift
	if n.Args[0].Type.IsWide() {
		left = geometry.WideAddShift
	}
	switch n.Op {
	case ir.Sub:
		return loop.Sub, left
	case ir.SquaredDiff:
		return loop.Sub, geometry.SquareShift
	case ir.ScaledDiff:
		return loop.Sub, geometry.ScaledShift
	}
	return loop.Add, left
}

// addElements is R13, of sums, of differences, of their squares and of their products with a
// third argument.
func addElements(g *emit.Generator) error {
	op, left := shifted(g.Node)
	shift := int64(1) << left
	p, err := geometry.AddParamsOf(g.Node)
	if err != nil {
		return err
	}
	if addLanes(g, &p) || addScalars(g, &p) {
		return nil
	}
	g.Elements(func(i loop.Expr) {
		arg := func(j int, m, r int32) loop.Expr {
			x := loop.To(loop.SExt, difference(g, j, i), 64)
			return g.Rescale(loop.Op(loop.Mul, x, loop.Num(loop.I64, shift)), m, r)
		}
		sum := loop.Op(op, arg(0, p.MulA, p.ShiftA), arg(1, p.MulB, p.ShiftB))
		switch g.Node.Op {
		case ir.SquaredDiff:
			d := g.B.Let("difference", sum)
			sum = loop.Op(loop.Mul, d, d)
		case ir.ScaledDiff:
			sum = loop.Op(loop.Mul, sum, loop.To(loop.SExt, difference(g, 2, i), 64))
		}
		g.StoreClamped(i, g.Rescale(sum, p.MulY, p.ShiftY), p.ZeroY, p.Lo, p.Hi)
	})
	return nil
}

// difference is x-zero of an argument's element: of 16 bits where LLVM makes vectors of it, else of the bits of
// a register.
func difference(g *emit.Generator, j int, at loop.Expr) loop.Expr {
	if g.Scalars() {
		return g.Wide(j, at)
	}
	return g.Difference(j, at)
}

// addScalars is R13 of sums and differences in steps of 32 bits. It reports false where they do not fit, and where
// another processor than RISC-V's rounds once.
func addScalars(g *emit.Generator, p *geometry.AddParams) bool {
	const bits = differenceBits + geometry.AddShift
	fa, okA := g.Factor(p.MulA, p.ShiftA, bits)
	fb, okB := g.Factor(p.MulB, p.ShiftB, bits)
	fy, okY := g.Factor(p.MulY, p.ShiftY, bits+1)
	shrink := p.ShiftA > 30 && p.ShiftB > 30 // factors below 1: the sum has a bit more
	isSum := g.Node.Op == ir.Add || g.Node.Op == ir.Sub
	if once := !geometry.RoundingOf(g.Node).IsTwice(); once && !g.Scalars() {
		return false
	}
	if !isSum || g.Node.IsWide() || !okA || !okB || !okY || !shrink || !fa.TakesScalars(bits) || !fb.TakesScalars(bits) || !fy.TakesScalars(bits+1) {
		return false
	}
	op, _ := shifted(g.Node)
	least, most := reach(g.Node, p)
	b := g.B
	g.Elements(func(i loop.Expr) {
		arg := func(j int, f emit.Factor) loop.Expr {
			left, exact := f.Left(geometry.AddShift)
			x := loop.Op(loop.Shl, g.Wide(j, i), loop.Int(int(left)))
			if exact {
				return x
			}
			return f.Scalar(b, x, 0)
		}
		y := fy.Scalar(b, loop.Op(op, arg(0, fa), arg(1, fb)), p.ZeroY)
		if least < int64(p.Lo) {
			y = loop.Op(loop.SMax, y, loop.Int(int(p.Lo)))
		}
		if most > int64(p.Hi) {
			y = loop.Op(loop.SMin, y, loop.Int(int(p.Hi)))
		}
		g.Write(i, y)
	})
	return true
}

// reach is the least and the greatest result of R13 of a sum or a difference before it is bounded: each argument
// is at one of its ends.
func reach(n *ir.Node, p *geometry.AddParams) (least, most int64) {
	rescaled := func(j int, zero, m, r int32) [2]int64 {
		low, high := n.Args[j].Type.Ends()
		at := func(x int) int64 { return p.Rescale((int64(x)-int64(zero))<<p.Left, m, r) }
		return [2]int64{at(low), at(high)}
	}
	least, most = math.MaxInt64, math.MinInt64
	for _, a := range rescaled(0, p.ZeroA, p.MulA, p.ShiftA) {
		for _, b := range rescaled(1, p.ZeroB, p.MulB, p.ShiftB) {
			if n.Op == ir.Sub {
				b = -b
			}
			y := p.Rescale(a+b, p.MulY, p.ShiftY) + int64(p.ZeroY)
			least, most = min(least, y), max(most, y)
		}
	}
	return least, most
}

// rescaleElements is R6 and R9 for every element.
func rescaleElements(g *emit.Generator) error {
	q, err := geometry.RequantOf(g.Node)
	if err != nil {
		return err
	}
	if f, ok := g.Factor(q.Mul[0], q.Shift[0], differenceBits); ok && g.Lanes() && g.Lanewise(1, 32, func(x []loop.Expr) loop.Expr {
		fours := g.Fours(g.LaneDifference(0, x[0]))
		for i, v := range fours {
			fours[i] = f.Of(g.B, v)
		}
		return g.NarrowedResult(q, fours)
	}) {
		return nil
	}
	g.Elements(func(i loop.Expr) {
		g.StoreClamped(i, g.Rescale(difference(g, 0, i), q.Mul[0], q.Shift[0]), q.Zero, q.Lo, q.Hi)
	})
	return nil
}

// mulElements requantizes products.
func mulElements(g *emit.Generator) error {
	if done, err := mulLanes(g); done || err != nil {
		return err
	}
	q, err := emit.NewRequant(g, "", false)
	if err != nil {
		return err
	}
	g.Elements(func(i loop.Expr) {
		q.Store(loop.Op(loop.Mul, g.Wide(0, i), g.Wide(1, i)), loop.Int(0), i)
	})
	return nil
}

// extremeElements gives the lesser or the greater element.
func extremeElements(g *emit.Generator) error {
	op := loop.SMin
	if g.Node.Op == ir.Maximum {
		op = loop.SMax
	}
	if g.Lanes() && g.Lanewise(2, 8, func(x []loop.Expr) loop.Expr { return loop.Op(op, x[0], x[1]) }) {
		return nil
	}
	g.Elements(func(i loop.Expr) {
		g.Write(i, loop.Op(op, g.Read(0, i), g.Read(1, i)))
	})
	return nil
}

// tableElements is R14.
func tableElements(g *emit.Generator) error {
	raw, err := g.Node.Const(ir.AttrTable).Load()
	if err != nil {
		return err
	}
	if g.Node.IsWide() {
		return wideTable(g, raw)
	}
	table := g.Global("table", 1, raw)
	if tableLanes(g, table) {
		return nil
	}
	look := func(i loop.Expr) {
		g.B.Store(g.To(), i, loop.At(table, loop.Sum(g.Element(0, i), loop.Int(128)), loop.I8))
	}
	if g.Long() {
		// Vectors of RISC-V take the bytes themselves as places in a table, if none is negative.
		g.Elements(func(i loop.Expr) {
			place := loop.Op(loop.Xor, loop.At(g.Args[0], i, loop.I8), loop.Num(loop.I8, -128))
			g.B.Store(g.Out, i, loop.At(table, loop.To(loop.ZExt, place, 32), loop.I8))
		})
		return nil
	}
	if g.Scalars() {
		g.Elements(look)
		return nil
	}
	size, each := g.Node.Out.Type.Shape.Size(), g.Unroll(unrolledLooks)
	whole := size / each * each
	g.B.For("i", loop.Int(0), loop.Int(whole), each, func(i loop.Expr) {
		for j := range each {
			look(loop.Sum(i, loop.Int(j)))
		}
	})
	g.B.For("i", loop.Int(whole), loop.Int(size), 1, look)
	return nil
}

// unrolledLooks is the elements of a round of a loop that looks elements up.
const unrolledLooks = 8
