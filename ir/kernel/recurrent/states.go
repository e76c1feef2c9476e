package recurrent

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
)

// kept are the states of the node that stand in scratch while it runs: the hidden state, and perhaps a cell.
func (d dots) kept() []*ir.Value {
	states := d.Node.States()
	if d.Node.Next() != nil {
		return states[:len(states)-1]
	}
	return states
}

// loadStates copies the states to their places in scratch.
func (d dots) loadStates(places []int) {
	for i, s := range d.kept() {
		d.each(s, places[i], func(at, place loop.Expr, own, wide loop.Type) {
			v := loop.To(loop.SExt, &loop.Load{From: d.Args[1+i], Offset: at, T: own, Align: own.Bytes()}, wide.Bits)
			d.B.StoreAligned(d.Scratch, place, v, wide.Bytes())
		})
	}
}

// keepStates copies them back, or where the steps were before the first one what they begin with.
func (d dots) keepStates(places []int, steps int) {
	isAfter := loop.Expr(nil) // -1 or 0
	if d.Node.Next() != nil {
		isAfter = d.advancePlace(steps)
	}
	for i, s := range d.kept() {
		d.each(s, places[i], func(at, place loop.Expr, own, wide loop.Type) {
			v := loop.Expr(&loop.Load{From: d.Scratch, Offset: place, T: wide, Align: wide.Bytes()})
			if isAfter != nil {
				start := loop.Num(wide, int64(s.Start))
				v = loop.Sum(loop.Op(loop.And, loop.Op(loop.Sub, v, start), loop.To(loop.Trunc, isAfter, wide.Bits)), start)
			}
			d.B.StoreAligned(d.Args[1+i], at, loop.To(loop.Trunc, v, own.Bits), own.Bytes())
		})
	}
}

// advancePlace adds the steps to the place of the next one, up to 0. It gives -1 where the last of them was not
// before the first one, else 0.
func (d dots) advancePlace(steps int) loop.Expr {
	b, to := d.B, d.Args[len(d.Args)-1]
	place := b.Let("place", loop.Sum(&loop.Load{From: to, Offset: loop.Int(0), T: loop.I32, Align: 4}, loop.Int(steps)))
	b.StoreAligned(to, loop.Int(0), loop.Op(loop.SMin, place, loop.Int(0)), 4)
	return b.Let("kept", loop.Op(loop.AShr, loop.Op(loop.Sub, loop.Int(0), place), loop.Int(31)))
}

// each moves the elements of a state from or to a place in scratch.
func (d dots) each(s *ir.Value, first int, move func(at, place loop.Expr, own, wide loop.Type)) {
	own := loop.Type{Bits: 8 * s.Type.Elem.StoredSize(), Lanes: 1}
	wide := loop.Type{Bits: max(own.Bits, loop.I16.Bits), Lanes: 1} // a hidden state of 8 bits, too: products take halves
	d.B.For("i", loop.Int(0), loop.Int(s.Type.Shape.Size()), 1, func(k loop.Expr) {
		move(loop.Scaled(k, own.Bytes()), loop.Sum(loop.Scaled(k, wide.Bytes()), loop.Int(first)), own, wide)
	})
}
