package recurrent

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// writer writes a recurrence.
type writer struct {
	dots
	*geometry.RecurrentInts
	layout
	table *loop.Global
	x, y  *loop.Cursor // the current step's
}

// Emit writes the recurrence (R20).
func (p Plan) Emit(g *emit.Generator) error {
	if g.Node.IsLSTM8() {
		return p.emitLSTM(g)
	}
	r, err := geometry.RecurrentIntsOf(g.Node)
	if err != nil {
		return err
	}
	raw, err := g.Node.Const(ir.AttrTable).Load()
	if err != nil {
		return err
	}
	w := &writer{dots: dots{g, p.Product}, RecurrentInts: r, layout: layoutOf(r.Recurrence), table: g.Global("table", 2, raw)}
	all := []int{0, 1, 2, 3}[:r.Gates]
	var first, candidate *weights // a GRU that resets before the product has its candidate's apart
	if resetsBefore(r.Recurrence) {
		first, candidate = w.pack("", all[:2]), w.pack("_candidate", all[2:])
	} else {
		first = w.pack("", all)
	}
	b := g.B
	b.For("i", loop.Int(0), loop.Int(w.bytes/4), 1, func(i loop.Expr) { b.StoreAligned(g.Scratch, loop.Scaled(i, 4), loop.Int(0), 4) })
	places := []int{w.hidden, w.layout.cell}
	w.loadStates(places)
	b.For("step", loop.Int(0), loop.Int(r.Steps), 1, func(step loop.Expr) {
		if r.IsBack {
			step = b.Let("t", loop.Op(loop.Sub, loop.Int(r.Steps-1), step))
		}
		w.x = b.Cursor("x", g.Args[0], loop.Scaled(step, r.Gates*r.Hidden*w.size(g.Node.Args[0])))
		w.y = b.Cursor("y", g.Out, loop.Scaled(step, r.Hidden*w.size(g.Node.Out)))
		if candidate == nil {
			w.cells(first, w.hidden, w.advance)
			w.publish()
			return
		}
		w.cells(first, w.hidden, w.reset)
		w.cells(candidate, w.next, w.candidate)
	})
	w.keepStates(places, w.Steps)
	return nil
}

func (w *writer) size(v *ir.Value) int { return emit.Integer(v.Type).Bytes() }

// weights are the rows of some gates, cell by cell: for each chunk of inputs those of one gate
// after the other. Words are the multipliers of a cell's gates, and a bias after them where
// there is one.
type weights struct {
	gates        []int
	codes, words *loop.Global
}

func (w *writer) pack(role string, gates []int) *weights {
	var words []int64
	h := w.Hidden
	for cell := range h {
		for _, gate := range gates {
			words = append(words, int64(w.Mul[gate*h+cell]))
		}
		if w.ResetsAfter {
			words = append(words, int64(w.Bias[cell]))
		}
	}
	return &weights{gates, w.Global("hidden"+role, 4, w.codes(w.Weight, gates, h, h)), w.Ints("channels"+role, 32, words)}
}

// place is where the cell that is being written stands.
type place struct {
	x, words, own, next, y *loop.Cursor
	cell                   loop.Expr
	sums                   []loop.Expr // of each gate, rescaled
	gates                  []int
}

// cells writes what each cell does with the sums of some gates, of the hidden state at a place of scratch.
func (w *writer) cells(p *weights, from int, do func(c *place)) {
	b := w.B
	xs := w.size(w.Node.Args[0])
	codes := b.Cursor("weight", p.codes, loop.Int(0))
	c := &place{gates: p.gates, words: b.Cursor("words", p.words, loop.Int(0)), x: b.Cursor("gate", w.x, loop.Int(0)),
		own: b.Cursor("own", w.Scratch, loop.Int(w.hidden)), next: b.Cursor("next", w.Scratch, loop.Int(w.next)), y: b.Cursor("out", w.y, loop.Int(0))}
	perCell := len(p.gates)
	if w.ResetsAfter {
		perCell++
	}
	b.For("cell", loop.Int(0), loop.Int(w.Hidden), 1, func(cell loop.Expr) {
		c.cell = cell
		sums := w.sums(p, codes, from, c)
		c.sums = nil
		for i, sum := range sums {
			mul := &loop.Load{From: c.words, Offset: loop.Int(4 * i), T: loop.I32, Align: 4}
			product := loop.Op(loop.Mul, loop.To(loop.SExt, sum, 64), loop.To(loop.SExt, mul, 64))
			c.sums = append(c.sums, b.Let("rescaled", loop.To(loop.Trunc, shifted(product, int(w.Shift)), 32)))
		}
		do(c)
		b.Advance(c.words, 4*perCell)
		b.Advance(c.x, xs)
		b.Advance(c.own, 2)
		b.Advance(c.next, 2)
		b.Advance(c.y, w.size(w.Node.Out))
	})
}

// sums are those of weights times the hidden state.
func (w *writer) sums(p *weights, codes *loop.Cursor, from int, c *place) (sums []loop.Expr) {
	b := w.B
	acc := make([]*loop.Var, len(p.gates))
	for i := range acc {
		acc[i] = b.Var("sum", loop.Int(0))
		if w.ResetsAfter && i == len(acc)-1 {
			b.Set(acc[i], &loop.Load{From: c.words, Offset: loop.Int(4 * len(acc)), T: loop.I32, Align: 4})
		}
	}
	w.products(acc, codes, from, w.Hidden)
	for _, v := range acc {
		sums = append(sums, v.Get())
	}
	return sums
}

// shifted is x/2^bits, rounded half up.
func shifted(x loop.Expr, bits int) loop.Expr {
	t := x.Type()
	return loop.Op(loop.AShr, loop.Sum(x, loop.Num(t, 1<<bits>>1)), loop.Num(t, int64(bits)))
}

// argument is what the inputs give gate i of the cell.
func (w *writer) argument(c *place, i int) loop.Expr {
	v := w.Node.Args[0]
	t := emit.Integer(v.Type)
	x := loop.To(loop.SExt, loop.At(c.x, loop.Int(c.gates[i]*w.Hidden*t.Bytes()), t), 32)
	return w.rescaled(loop.Op(loop.Sub, x, loop.Int(int(w.ZeroX))), w.Arg)
}

// rescaled is RQ with a constant factor.
func (w *writer) rescaled(x loop.Expr, f geometry.Factor) loop.Expr {
	if left, ok := f.Left(); ok {
		return loop.Op(loop.Shl, x, loop.Int(left))
	}
	product := loop.Op(loop.Mul, loop.To(loop.SExt, x, 64), loop.Num(loop.I64, int64(f.Mul)))
	return loop.To(loop.Trunc, shifted(product, int(f.Shift)), 32)
}

// gate is a gate of the cell after its function.
func (w *writer) gate(c *place, i int, sum loop.Expr, isTanh bool) loop.Expr {
	x := w.B.Let("x", loop.Sum(w.argument(c, i), sum))
	return w.B.Let("gate", emit.HalfSigmoid(w.B, w.table, x, isTanh))
}

func wide(x loop.Expr) loop.Expr { return loop.To(loop.SExt, x, 64) }

// half is an element of a state.
func half(from *loop.Cursor) loop.Expr {
	return loop.To(loop.SExt, &loop.Load{From: from, Offset: loop.Int(0), T: loop.I16, Align: 2}, 32)
}

// advance computes the next hidden state of a cell.
func (w *writer) advance(c *place) {
	b := w.B
	var next loop.Expr
	switch w.Cell {
	case ir.CellLSTM:
		in, f, g := w.gate(c, 0, c.sums[0], false), w.gate(c, 2, c.sums[2], false), w.gate(c, 3, c.sums[3], true)
		at := loop.Sum(loop.Scaled(c.cell, 4), loop.Int(w.layout.cell))
		old := &loop.Load{From: w.Scratch, Offset: at, T: loop.I32, Align: 4}
		kept, taken := loop.Times(wide(f), wide(old)), loop.Times(wide(in), wide(loop.Scaled(g, geometry.CellGain)))
		v := shifted(loop.Sum(kept, taken), 15)
		if w.Steps > geometry.CellSteps || len(w.Node.States()) > 0 {
			v = loop.Clamp(v, -geometry.CellMost, geometry.CellMost)
		}
		state := b.Let("state", loop.To(loop.Trunc, v, 32))
		b.StoreAligned(w.Scratch, at, state, 4)
		squash := b.Let("squash", emit.HalfSigmoid(b, w.table, b.Let("x", shifted(state, geometry.CellShift)), true))
		next = shifted(loop.Times(w.gate(c, 1, c.sums[1], false), squash), 15)
	case ir.CellGRU:
		update, reset := w.gate(c, 0, c.sums[0], false), w.gate(c, 1, c.sums[1], false)
		left := loop.To(loop.Trunc, shifted(loop.Times(wide(reset), wide(c.sums[2])), 15), 32)
		next = w.mixed(c, update, w.gate(c, 2, left, true))
	default:
		next = w.gate(c, 0, c.sums[0], true)
	}
	b.StoreAligned(c.next, loop.Int(0), loop.To(loop.Trunc, next, 16), 2)
}

// mixed is update*h + (1-update)*g.
func (w *writer) mixed(c *place, update, g loop.Expr) loop.Expr {
	return shifted(loop.Sum(loop.Times(update, half(c.own)), loop.Times(loop.Op(loop.Sub, loop.Int(1<<15), update), g)), 15)
}

// publish makes the next hidden state the current one, and the result of the step.
func (w *writer) publish() {
	b := w.B
	own, next := b.Cursor("own", w.Scratch, loop.Int(w.hidden)), b.Cursor("next", w.Scratch, loop.Int(w.next))
	out := b.Cursor("out", w.y, loop.Int(0))
	b.For("cell", loop.Int(0), loop.Int(w.Hidden), 1, func(loop.Expr) {
		v := b.Let("v", half(next))
		b.StoreAligned(own, loop.Int(0), loop.To(loop.Trunc, v, 16), 2)
		w.result(out, v)
		b.Advance(own, 2)
		b.Advance(next, 2)
		b.Advance(out, w.size(w.Node.Out))
	})
}

// result writes an element of the result. Steps of it that are tiny beside a state take more than 32 bits.
func (w *writer) result(to *loop.Cursor, v loop.Expr) {
	t, f := emit.Integer(w.Node.Out.Type), w.RecurrentInts.Out
	var y loop.Expr
	if f.Of(1<<15) < geometry.GateReach {
		y = loop.Sum(w.rescaled(v, f), loop.Int(int(w.ZeroY)))
	} else {
		y = loop.Sum(shifted(loop.Times(wide(v), loop.Num(loop.I64, int64(f.Mul))), int(f.Shift)), loop.Num(loop.I64, int64(w.ZeroY)))
	}
	y = loop.Clamp(y, int64(w.LeastOut), int64(w.GreatOut))
	w.B.Store(to, loop.Int(0), loop.To(loop.Trunc, y, t.Bits))
}

// reset keeps the update gate of a cell, and what the reset gate leaves of its hidden state.
func (w *writer) reset(c *place) {
	b := w.B
	update, reset := w.gate(c, 0, c.sums[0], false), w.gate(c, 1, c.sums[1], false)
	b.StoreAligned(w.Scratch, loop.Sum(loop.Scaled(c.cell, 2), loop.Int(w.update)), loop.To(loop.Trunc, update, 16), 2)
	b.StoreAligned(c.next, loop.Int(0), loop.To(loop.Trunc, shifted(loop.Times(reset, half(c.own)), 15), 16), 2)
}

// candidate computes the hidden state of a cell by its candidate, the kept update gate, and the result.
func (w *writer) candidate(c *place) {
	b := w.B
	kept := &loop.Load{From: w.Scratch, Offset: loop.Sum(loop.Scaled(c.cell, 2), loop.Int(w.update)), T: loop.I16, Align: 2}
	update := b.Let("update", loop.To(loop.SExt, kept, 32))
	next := b.Let("next", w.mixed(c, update, w.gate(c, 0, c.sums[0], true)))
	b.StoreAligned(c.own, loop.Int(0), loop.To(loop.Trunc, next, 16), 2)
	w.result(c.y, next)
}
