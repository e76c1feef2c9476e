package emit

import (
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
)

// Interpolated is R14 of an element x of 16 bits, an i32: of a table of i16 at every 128th integer.
func Interpolated(b *loop.Builder, table loop.Region, x loop.Expr) loop.Expr {
	at := b.Let("at", loop.Scaled(loop.Sum(loop.Op(loop.AShr, x, loop.Int(7)), loop.Int(256)), 2))
	entry := func(next int) loop.Expr {
		return loop.To(loop.SExt, &loop.Load{From: table, Offset: loop.Sum(at, loop.Int(2*next)), T: loop.I16, Align: 2}, 32)
	}
	base := b.Let("base", entry(0))
	delta := loop.Times(loop.Op(loop.Sub, entry(1), base), loop.Op(loop.And, x, loop.Int(127)))
	return loop.Sum(base, loop.Op(loop.AShr, loop.Sum(delta, loop.Int(64)), loop.Int(7)))
}

// HalfSigmoid is 2^15 times the sigmoid, or with isTanh the tanh, of an i32 x, of which 24*2^9
// are 1 (R14): of the table of half a sigmoid.
func HalfSigmoid(b *loop.Builder, table loop.Region, x loop.Expr, isTanh bool) loop.Expr {
	part, most := 9, (math.MaxInt16-1)<<9
	if isTanh {
		part, most = 8, math.MaxInt16<<8
	}
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
	if isTanh {
		return loop.Op(loop.AShr, loop.Sum(signed, loop.Int(1<<7)), loop.Int(8))
	}
	return loop.Op(loop.AShr, loop.Sum(signed, loop.Int(1<<24+1<<9)), loop.Int(10))
}
