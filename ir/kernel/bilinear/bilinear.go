// Package bilinear contains the family of images whose pixels lie between those of another (R22).
package bilinear

import (
	"math/bits"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// Pixels is the family.
var Pixels = kernel.Simple(kernel.Family{Name: "bilinear_pixels", Op: ir.Bilinear, Wide: true,
	Doc: "places from a table, then the channels of four pixels, weighted"}, nil, pixels)

const one = ir.PlaceParts

// place is a place along an axis: the elements to its two pixels, and the part between them.
type place struct{ lower, upper, part loop.Expr }

// placeAt reads entry i of a table of places; a pixel of the axis has step elements.
func placeAt(g *emit.Generator, table *loop.Global, i loop.Expr, step int) place {
	b, shift := g.B, loop.Int(bits.TrailingZeros(one))
	p := b.Let("place", loop.At(table, loop.Scaled(i, 4), loop.I32))
	return place{
		lower: b.Let("lower", loop.Scaled(loop.Op(loop.LShr, p, shift), step)),
		upper: b.Let("upper", loop.Scaled(loop.Op(loop.LShr, loop.Sum(p, loop.Int(one-1)), shift), step)),
		part:  b.Let("part", loop.Op(loop.And, p, loop.Int(one-1))),
	}
}

// pixels writes the result pixel by pixel, channel by channel.
func pixels(g *emit.Generator) error {
	in, out := g.Node.Args[0].Type.Shape, g.Node.Out.Type.Shape
	rows := g.Ints("down", 32, geometry.Parts(g.Node.Nums(ir.AttrDown)))
	columns := g.Ints("across", 32, geometry.Parts(g.Node.Nums(ir.AttrAcross)))
	mean := byteMean
	if g.Node.IsWide() {
		mean = wideMean
	}
	b, channels := g.B, in[0]
	b.For("row", loop.Int(0), loop.Int(out[1]), 1, func(row loop.Expr) {
		down := placeAt(g, rows, row, in[2]*channels)
		b.For("column", loop.Int(0), loop.Int(out[2]), 1, func(column loop.Expr) {
			across := placeAt(g, columns, column, channels)
			corner := func(name string, row, column loop.Expr) loop.Expr { return b.Let(name, loop.Sum(row, column)) }
			corners := [4]loop.Expr{corner("topleft", down.lower, across.lower), corner("topright", down.lower, across.upper),
				corner("bottomleft", down.upper, across.lower), corner("bottomright", down.upper, across.upper)}
			to := b.Let("to", loop.Scaled(loop.Sum(loop.Scaled(row, out[2]), column), channels))
			of := mean(g, down.part, across.part)
			b.For("c", loop.Int(0), loop.Int(channels), 1, func(c loop.Expr) {
				var x [4]loop.Expr
				for k := range x {
					x[k] = g.Element(0, loop.Sum(corners[k], c))
				}
				g.Write(loop.Sum(to, c), of(x))
			})
		})
	})
	return nil
}

// half is what is added before a sum, of whose upper bits high are some, is shifted: less where
// ties of numbers below zero go away from it.
func half(g *emit.Generator, high loop.Expr) loop.Expr {
	if !g.RoundsTFLite() {
		return loop.Int(one * one / 2)
	}
	return loop.Sum(loop.Op(loop.AShr, high, loop.Int(31)), loop.Int(one*one/2))
}

// byteMean is of integers of 8 bits: the sum has 28 bits.
func byteMean(g *emit.Generator, down, across loop.Expr) func(x [4]loop.Expr) loop.Expr {
	b := g.B
	both := b.Let("both", loop.Times(down, across))
	right := b.Let("right", loop.Op(loop.Sub, loop.Scaled(across, one), both))
	left := b.Let("left", loop.Op(loop.Sub, loop.Scaled(down, one), both))
	rest := b.Let("rest", loop.Op(loop.Sub, loop.Op(loop.Sub, loop.Int(one*one), loop.Scaled(across, one)), left))
	weights := [4]loop.Expr{rest, right, left, both}
	return func(x [4]loop.Expr) loop.Expr {
		sum := b.Let("sum", loop.Sum(loop.Times(x[0], weights[0]), loop.Times(x[1], weights[1]), loop.Times(x[2], weights[2]), loop.Times(x[3], weights[3])))
		return loop.Op(loop.AShr, loop.Sum(sum, half(g, sum)), loop.Int(2*bits.TrailingZeros(one)))
	}
}

// wideMean is of integers of 16 bits: the sum, of 36 bits, is 1024 times high plus low.
func wideMean(g *emit.Generator, down, across loop.Expr) func(x [4]loop.Expr) loop.Expr {
	b := g.B
	above, before := b.Let("above", loop.Op(loop.Sub, loop.Int(one), down)), b.Let("before", loop.Op(loop.Sub, loop.Int(one), across))
	shift := loop.Int(bits.TrailingZeros(one))
	return func(x [4]loop.Expr) loop.Expr {
		top := b.Let("top", loop.Sum(loop.Times(x[0], before), loop.Times(x[1], across)))
		bottom := b.Let("bottom", loop.Sum(loop.Times(x[2], before), loop.Times(x[3], across)))
		high := b.Let("high", loop.Sum(loop.Times(loop.Op(loop.AShr, top, shift), above), loop.Times(loop.Op(loop.AShr, bottom, shift), down)))
		rest := func(v loop.Expr) loop.Expr { return loop.Op(loop.And, v, loop.Int(one-1)) }
		low := b.Let("low", loop.Sum(loop.Times(rest(top), above), loop.Times(rest(bottom), down)))
		more := half(g, loop.Sum(high, loop.Op(loop.LShr, low, shift)))
		return loop.Op(loop.AShr, loop.Sum(high, loop.Op(loop.LShr, loop.Sum(low, more), shift)), shift)
	}
}
