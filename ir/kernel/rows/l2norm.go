package rows

import (
	"math"

	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// l2normRows is R24 for each row, without branches on data.
func l2normRows(g *emit.Generator) error {
	b := g.B
	p, err := geometry.L2NormOf(g.Node)
	if err != nil {
		return err
	}
	lastAxis(g, func(_, first loop.Expr, length int) {
		sum := b.Var("sum", loop.Int(0))
		b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
			d := b.Let("d", g.Wide(0, loop.Sum(first, i)))
			b.Set(sum, loop.Sum(sum.Get(), loop.Times(d, d)))
		})
		mul, shift := inverseRoot(b, sum.Get())
		write := func(i, v loop.Expr) {
			g.Write(loop.Sum(first, i), loop.Clamp(v, math.MinInt8, math.MaxInt8))
		}
		num := func(v int64) loop.Expr { return loop.Num(loop.I64, v) }
		if !p.IsTwice {
			wide := func(v loop.Expr) loop.Expr { return loop.To(loop.SExt, v, 64) }
			factor := b.Let("factor", loop.Op(loop.LShr, loop.Times(wide(mul), num(int64(p.Mul))), num(31)))
			by := b.Let("by", wide(loop.Sum(shift, loop.Int(int(p.Shift)))))
			half := b.Let("half", loop.Op(loop.LShr, loop.Op(loop.Shl, num(1), by), num(1)))
			b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
				quotient := loop.Op(loop.AShr, loop.Sum(loop.Times(wide(g.Wide(0, loop.Sum(first, i))), factor), half), by)
				quotient = loop.Clamp(quotient, math.MinInt8-int64(p.Zero), math.MaxInt8-int64(p.Zero))
				write(i, loop.Sum(loop.To(loop.Trunc, quotient, 32), loop.Int(int(p.Zero))))
			})
			return
		}
		const above = 31 - geometry.L2NormShift
		left := b.Let("left", loop.Op(loop.SMax, loop.Op(loop.Sub, loop.Int(above), shift), loop.Int(0)))
		right := b.Let("right", loop.Op(loop.SMax, loop.Sum(shift, loop.Int(-above)), loop.Int(0)))
		mask := b.Let("mask", loop.Sum(loop.Op(loop.Shl, loop.Int(1), right), loop.Int(-1)))
		half := b.Let("half", loop.Op(loop.LShr, mask, loop.Int(1)))
		b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
			v := b.Let("v", high(b, loop.Op(loop.Shl, g.Wide(0, loop.Sum(first, i)), left), mul))
			// Ties go away from zero.
			threshold := loop.Op(loop.Sub, half, loop.Op(loop.AShr, v, loop.Int(31)))
			write(i, loop.Sum(loop.Op(loop.AShr, v, right), loop.Op(loop.SLt, threshold, loop.Op(loop.And, v, mask))))
		})
	})
	return nil
}

// inverseRoot is kernels.InverseRoot of a sum that is not negative.
func inverseRoot(b *loop.Builder, sum loop.Expr) (mul, shift loop.Expr) {
	isSmall := b.Let("small", loop.Op(loop.SLt, sum, loop.Int(2)))
	isBig := b.Let("big", loop.Op(loop.SLt, loop.Int(1<<29-1), sum))
	x := b.Var("x", loop.Op(loop.LShr, loop.Op(loop.Or, sum, loop.Scaled(isSmall, 2)), loop.Scaled(isBig, 2)))
	s := b.Var("shift", loop.Sum(isBig, loop.Int(geometry.RootShift)))
	// Shifted left by pairs of bits until the highest one is bit 27 or 28.
	for _, pairs := range []int{8, 4, 2, 1} {
		more := b.Let("more", loop.Scaled(loop.Op(loop.SLt, x.Get(), loop.Int(1<<(29-2*pairs))), pairs))
		b.Set(x, loop.Op(loop.Shl, x.Get(), loop.Scaled(more, 2)))
		b.Set(s, loop.Op(loop.Sub, s.Get(), more))
	}
	half := b.Let("half", loop.Op(loop.LShr, loop.Sum(loop.Op(loop.LShr, x.Get(), loop.Int(1)), loop.Int(1)), loop.Int(1)))
	root := b.Var("root", loop.Int(1<<28))
	b.For("step", loop.Int(0), loop.Int(geometry.RootSteps), 1, func(loop.Expr) {
		square := b.Let("square", high(b, root.Get(), root.Get()))
		cube := loop.Op(loop.Shl, loop.To(loop.SExt, high(b, square, root.Get()), 64), loop.Num(loop.I64, 6))
		cube = b.Let("cube", loop.To(loop.Trunc, loop.Op(loop.SMin, cube, loop.Num(loop.I64, math.MaxInt32)), 32))
		b.Set(root, loop.Scaled(loop.Op(loop.Sub, high(b, loop.Int(geometry.ThreeHalves), root.Get()), high(b, half, cube)), 8))
	})
	below := b.Let("below", loop.Op(loop.SMax, loop.Op(loop.Sub, loop.Int(0), s.Get()), loop.Int(0)))
	m := loop.Op(loop.Shl, high(b, root.Get(), loop.Int(geometry.HalfRootOfTwo)), below)
	none := b.Let("none", loop.Op(loop.Sub, loop.Int(0), isSmall)) // all ones where the root is almost 1
	mul = b.Let("mul", loop.Op(loop.Or, m, loop.Op(loop.And, none, loop.Int(math.MaxInt32))))
	shift = b.Let("shift", loop.Op(loop.And, loop.Op(loop.SMax, s.Get(), loop.Int(0)), loop.Sum(isSmall, loop.Int(-1))))
	return mul, shift
}

// high is the rounding doubling high multiply of two numbers of which not both are the least.
func high(b *loop.Builder, x, y loop.Expr) loop.Expr {
	product := loop.Times(loop.To(loop.SExt, x, 64), loop.To(loop.SExt, y, 64))
	return b.Let("high", loop.To(loop.Trunc, loop.Op(loop.AShr, loop.Sum(product, loop.Num(loop.I64, 1<<30)), loop.Num(loop.I64, 31)), 32))
}
