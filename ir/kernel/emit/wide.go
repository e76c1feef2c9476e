package emit

import "github.com/dnnc/dnnc/ir/loop"

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
