// Package rows contains the families of operations along an axis (reductions, argmax,
// softmax) and of products of computed matrices.
package rows

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// The families.
var (
	Reduce     = kernel.Simple(kernel.Family{Name: "reduce_rows", Op: ir.Reduce, Wide: true, Doc: "the sum or the extreme of each row"}, inRows, reduceRows)
	ArgMax     = kernel.Simple(kernel.Family{Name: "argmax_rows", Op: ir.ArgMax, Wide: true, Doc: "the place of the greatest element of each row"}, inRows, argmaxRows)
	Softmax    = kernel.Simple(kernel.Family{Name: "softmax_table", Op: ir.Softmax, Wide: true, Doc: "exponentials from a table, one rounded division an element"}, inRows, softmaxTable)
	LogSoftmax = kernel.Simple(kernel.Family{Name: "logsoftmax_table", Op: ir.LogSoftmax, Doc: "exponentials from a table, the logarithm of each row's sum by squares"}, inRows, logSoftmaxTable)
	L2Norm     = kernel.Simple(kernel.Family{Name: "l2norm_rows", Op: ir.L2Norm, Doc: "the inverse root of each row's squares by Newton's method, one product an element"}, inRows, l2normRows)
	MatMul     = kernel.Estimated(kernel.Family{Name: "matmul_rows", Op: ir.MatMul, Wide: true, Doc: "one element of the product after the other"}, nil, matmulCycles, matmulRows)
)

// inRows: the axis is the last of at most two, as legalize leaves it.
func inRows(n *ir.Node) bool {
	axis := len(n.Args[0].Type.Shape) - 1
	if n.Op == ir.Reduce {
		return axis <= 1 && len(n.Ints(ir.AttrAxes)) == 1 && n.Ints(ir.AttrAxes)[0] == axis
	}
	return axis <= 1 && n.Int(ir.AttrAxis) == axis
}

// lastAxis calls body for each row of the argument with the place of its first
// element, the last axis being the rows'.
func lastAxis(g *emit.Generator, body func(row, first loop.Expr, length int)) {
	s := g.Node.Args[0].Type.Shape
	length := s[len(s)-1]
	g.B.For("row", loop.Int(0), loop.Int(s.Size()/length), 1, func(row loop.Expr) {
		body(row, loop.Scaled(row, length), length)
	})
}

// reduceRows is the sum or the extreme of each row (R16, R12).
func reduceRows(g *emit.Generator) error {
	r, b := geometry.ReductionOf(g.Node), g.B
	if r == geometry.Greatest || r == geometry.Least {
		op := loop.SMax
		if r == geometry.Least {
			op = loop.SMin
		}
		lastAxis(g, func(row, first loop.Expr, length int) {
			best := b.Var("best", g.Read(0, first))
			b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
				b.Set(best, loop.Op(op, best.Get(), g.Read(0, loop.Sum(first, i))))
			})
			g.Write(row, best.Get())
		})
		return nil
	}
	q, err := emit.NewRequant(g, "", false)
	if err != nil {
		return err
	}
	lastAxis(g, func(row, first loop.Expr, length int) {
		sum := b.Var("sum", loop.Int(0))
		b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
			b.Set(sum, loop.Sum(sum.Get(), g.Wide(0, loop.Sum(first, i))))
		})
		q.Store(sum.Get(), loop.Int(0), row)
	})
	return nil
}

// argmaxRows is the place of the first greatest element of each row.
func argmaxRows(g *emit.Generator) error {
	b := g.B
	lastAxis(g, func(row, first loop.Expr, length int) {
		best, at := b.Var("best", g.Element(0, first)), b.Var("at", loop.Int(0))
		b.For("i", loop.Int(0), loop.Int(length), 1, func(i loop.Expr) {
			v := b.Var("v", g.Element(0, loop.Sum(first, i)))
			b.If(loop.Op(loop.SLt, best.Get(), v.Get()), func() {
				b.Set(best, v.Get())
				b.Set(at, i)
			}, nil)
		})
		g.Write(row, loop.Sum(at.Get(), loop.Int(-128)))
	})
	return nil
}

// Instructions of a product of two elements, each with its address, and of an element of the result.
const (
	perProduct = 7.2
	perElement = 20.
)

// matmulCycles estimates the instructions of a product of matrices.
func matmulCycles(n *ir.Node) float64 {
	_, _, k, _ := geometry.MatMulSizes(n)
	return float64(n.Out.Type.Shape.Size()) * (perElement + perProduct*float64(k))
}

// matmulRows is the product of two computed matrices, or of as many as a first
// axis has; matrices of three axes lie in memory with the first axis last.
func matmulRows(g *emit.Generator) error {
	isWide := g.Node.HasWideSums()
	acc := loop.I32
	if isWide {
		acc = loop.I64
	}
	q, err := emit.NewRequant(g, "", isWide)
	if err != nil {
		return err
	}
	batch, m, k, n := geometry.MatMulSizes(g.Node)
	place := func(i, row, col loop.Expr, cols int) loop.Expr {
		return loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(row, cols), col), batch), i)
	}
	b := g.B
	b.For("batch", loop.Int(0), loop.Int(batch), 1, func(i loop.Expr) {
		b.For("row", loop.Int(0), loop.Int(m), 1, func(row loop.Expr) {
			b.For("col", loop.Int(0), loop.Int(n), 1, func(col loop.Expr) {
				sum := b.Var("sum", loop.Num(acc, 0))
				b.For("k", loop.Int(0), loop.Int(k), 1, func(l loop.Expr) {
					product := loop.Op(loop.Mul, g.Wide(0, place(i, row, l, k)), g.Wide(1, place(i, l, col, n)))
					b.Set(sum, loop.Sum(sum.Get(), loop.To(loop.SExt, product, acc.Bits)))
				})
				q.Store(sum.Get(), loop.Int(0), place(i, row, col, n))
			})
		})
	})
	return nil
}

// mask says which elements take part in a softmax. Nil is all.
type mask struct {
	bytes *loop.Global // -1 of those that do, else 0
	rows  int
}

func newMask(g *emit.Generator) (*mask, error) {
	c := g.Node.Const(ir.AttrMask)
	if c == nil {
		return nil, nil
	}
	raw, err := c.Load()
	if err != nil {
		return nil, err
	}
	s := g.Node.Args[0].Type.Shape
	length, all := s[len(s)-1], raw
	for len(all)%length != 0 { // of parts of rows
		all = append(slices.Clone(all), raw...)
	}
	bytes := make([]byte, len(all))
	for i, v := range all {
		if v != 0 {
			bytes[i] = 0xff
		}
	}
	return &mask{g.Global("mask", 1, bytes), len(all) / length}, nil
}

// maskedRows is lastAxis, with -1 or 0 for each element of the row as keep gives it; keep is
// nil without a mask.
func maskedRows(g *emit.Generator, m *mask, body func(first loop.Expr, length int, keep func(i loop.Expr) loop.Expr)) {
	if m == nil {
		lastAxis(g, func(_, first loop.Expr, length int) { body(first, length, nil) })
		return
	}
	s := g.Node.Args[0].Type.Shape
	length := s[len(s)-1]
	g.B.For("repetition", loop.Int(0), loop.Int(s.Size()/length/m.rows), 1, func(again loop.Expr) {
		g.B.For("row", loop.Int(0), loop.Int(m.rows), 1, func(row loop.Expr) {
			first := loop.Scaled(loop.Sum(loop.Scaled(again, m.rows), row), length)
			body(first, length, func(i loop.Expr) loop.Expr {
				place := loop.Sum(loop.Scaled(row, length), i)
				return g.B.Let("keep", loop.To(loop.SExt, loop.At(m.bytes, place, loop.I8), 32))
			})
		})
	})
}

// softmaxTable is R15 for each row.
func softmaxTable(g *emit.Generator) error {
	if g.Node.IsWide() {
		return softmaxWide(g)
	}
	x, err := g.Node.Const(ir.AttrTable).Ints()
	if err != nil {
		return err
	}
	table, b := g.Ints("table", 32, x), g.B
	mask, err := newMask(g)
	if err != nil {
		return err
	}
	var mul, shift []int64 // of the sum, of a result of another scale than 1/256
	if m := g.Node.Const(ir.AttrMul); m != nil {
		if mul, err = m.Ints(); err != nil {
			return err
		}
		if shift, err = g.Node.Const(ir.AttrShift).Ints(); err != nil {
			return err
		}
	}
	maskedRows(g, mask, func(first loop.Expr, length int, keep func(i loop.Expr) loop.Expr) {
		size := loop.Int(length)
		element := func(i loop.Expr) loop.Expr { return g.Element(0, loop.Sum(first, i)) }
		top := b.Var("top", loop.Int(-128))
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) {
			v := element(i)
			if keep != nil { // -128 where it takes no part
				k := keep(i)
				v = loop.Sum(loop.Op(loop.And, v, k), loop.Op(loop.And, loop.Int(-128), loop.Op(loop.Xor, k, loop.Int(-1))))
			}
			b.Set(top, loop.Op(loop.SMax, top.Get(), v))
		})
		exponential := func(i loop.Expr) loop.Expr {
			distance := loop.Op(loop.Sub, top.Get(), element(i))
			if keep == nil {
				return loop.At(table, loop.Scaled(distance, 4), loop.I32)
			}
			k := keep(i)
			return loop.Op(loop.And, loop.At(table, loop.Scaled(loop.Op(loop.And, distance, k), 4), loop.I32), k)
		}
		sum := b.Var("sum", loop.Int(0))
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) { b.Set(sum, loop.Sum(sum.Get(), exponential(i))) })
		if keep != nil { // where none takes part
			b.Set(sum, loop.Op(loop.SMax, sum.Get(), loop.Int(1)))
		}
		if mul != nil {
			product := loop.Op(loop.Mul, loop.To(loop.ZExt, sum.Get(), 64), loop.Num(loop.I64, mul[0]))
			scaled := loop.Op(loop.LShr, loop.Sum(product, loop.Num(loop.I64, 1<<shift[0]>>1)), loop.Num(loop.I64, shift[0]))
			b.Set(sum, loop.Op(loop.SMax, loop.To(loop.Trunc, scaled, 32), loop.Int(1)))
		}
		divide := quotients(g, sum.Get(), length)
		b.For("i", loop.Int(0), size, 1, func(i loop.Expr) {
			num := loop.Sum(loop.Scaled(exponential(i), 256), loop.Op(loop.LShr, sum.Get(), loop.Int(1)))
			y := loop.Op(loop.SMin, divide(num), loop.Int(255))
			b.Store(g.Out, loop.Sum(first, i), loop.To(loop.Trunc, loop.Sum(y, loop.Int(-128)), 8))
		})
	})
	return nil
}

// quotients is the division of n unsigned numbers by a positive divisor. Where the processor has no
// division, they are products with one reciprocal: each is the quotient or one less, as the
// reciprocal loses less than 1 and a number is below 2^32.
func quotients(g *emit.Generator, divisor loop.Expr, n int) func(num loop.Expr) loop.Expr {
	b := g.B
	if g.Target.Divides() || n < 2 {
		return func(num loop.Expr) loop.Expr { return loop.Op(loop.UDiv, num, divisor) }
	}
	reciprocal := b.Let("reciprocal", loop.To(loop.ZExt, loop.Op(loop.UDiv, loop.Int(-1), divisor), 64))
	return func(num loop.Expr) loop.Expr {
		num = b.Let("num", num)
		q := b.Let("q", loop.To(loop.Trunc, loop.Op(loop.LShr, loop.Times(loop.To(loop.ZExt, num, 64), reciprocal), loop.Num(loop.I64, 32)), 32))
		rest := loop.Op(loop.Sub, num, loop.Times(q, divisor))
		return loop.Sum(q, loop.Op(loop.Sub, loop.Int(1), loop.Op(loop.ULt, rest, divisor)))
	}
}
