package recurrent

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// writer writes a recurrence.
type writer struct {
	*emit.Generator
	*geometry.RecurrentInts
	layout
	plan  Plan
	table *loop.Global
	x, y  *loop.Cursor // the current step's
}

// Emit writes the recurrence (R20).
func (p Plan) Emit(g *emit.Generator) error {
	r, err := geometry.RecurrentIntsOf(g.Node)
	if err != nil {
		return err
	}
	raw, err := g.Node.Const(ir.AttrTable).Load()
	if err != nil {
		return err
	}
	w := &writer{Generator: g, RecurrentInts: r, layout: layoutOf(r.Recurrence), plan: p, table: g.Global("table", 2, raw)}
	all := []int{0, 1, 2, 3}[:r.Gates]
	var first, candidate *weights // a GRU that resets before the product has its candidate's apart
	if resetsBefore(r.Recurrence) {
		first, candidate = w.pack("", all[:2]), w.pack("_candidate", all[2:])
	} else {
		first = w.pack("", all)
	}
	b := g.B
	b.For("i", loop.Int(0), loop.Int(w.bytes/4), 1, func(i loop.Expr) { b.StoreAligned(g.Scratch, loop.Scaled(i, 4), loop.Int(0), 4) })
	states, next := g.Node.States(), g.Node.Next()
	if next != nil {
		states = states[:len(states)-1]
	}
	for i := range states {
		w.load(i)
	}
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
	kept := loop.Expr(loop.Int(-1))
	if next != nil {
		kept = w.advancePlace()
	}
	for i := range states {
		w.keep(i, kept)
	}
	return nil
}

// advancePlace adds the steps to the place of the next one, up to 0. It gives -1 where the last of them was not
// before the first one, else 0.
func (w *writer) advancePlace() loop.Expr {
	b, to := w.B, w.Args[len(w.Args)-1]
	place := b.Let("place", loop.Sum(&loop.Load{From: to, Offset: loop.Int(0), T: loop.I32, Align: 4}, loop.Int(w.Steps)))
	b.StoreAligned(to, loop.Int(0), loop.Op(loop.SMin, place, loop.Int(0)), 4)
	return b.Let("kept", loop.Op(loop.AShr, loop.Op(loop.Sub, loop.Int(0), place), loop.Int(31)))
}

// load copies state i, the hidden state or the cell, to its place in scratch.
func (w *writer) load(i int) {
	w.copyState(i, func(at, place loop.Expr, t loop.Type, align int) {
		w.B.StoreAligned(w.Scratch, place, &loop.Load{From: w.Args[1+i], Offset: at, T: t, Align: align}, align)
	})
}

// keep copies its bits that are kept back: all, or none.
func (w *writer) keep(i int, kept loop.Expr) {
	w.copyState(i, func(at, place loop.Expr, t loop.Type, align int) {
		v := loop.Expr(&loop.Load{From: w.Scratch, Offset: place, T: t, Align: align})
		if w.Node.Next() != nil {
			v = loop.Op(loop.And, v, loop.To(loop.Trunc, kept, t.Bits))
		}
		w.B.StoreAligned(w.Args[1+i], at, v, align)
	})
}

func (w *writer) copyState(i int, move func(at, place loop.Expr, t loop.Type, align int)) {
	t, first := loop.I16, w.hidden
	if i > 0 {
		t, first = loop.I32, w.layout.cell
	}
	w.B.For("i", loop.Int(0), loop.Int(w.Hidden), 1, func(k loop.Expr) {
		at := loop.Scaled(k, t.Bytes())
		move(at, loop.Sum(at, loop.Int(first)), t, t.Bytes())
	})
}

func (w *writer) size(v *ir.Value) int { return emit.Integer(v.Type).Bytes() }

// mostChunks is the chunks of a round of the loop over inputs.
const mostChunks = 4

// weights are the rows of some gates, cell by cell: for each chunk of inputs those of one gate
// after the other. Words are the multipliers of a cell's gates, and a bias after them where
// there is one.
type weights struct {
	gates        []int
	codes, words *loop.Global
}

func (w *writer) pack(role string, gates []int) *weights {
	var codes []byte
	var words []int64
	h := w.Hidden
	for cell := range h {
		for at := 0; at < padded(w.Recurrence); at += chunk {
			for _, gate := range gates {
				for _, k := range w.order() {
					code := int8(0)
					if at+k < h {
						code = w.Weight[(gate*h+cell)*h+at+k]
					}
					codes = append(codes, byte(code))
				}
			}
		}
		for _, gate := range gates {
			words = append(words, int64(w.Mul[gate*h+cell]))
		}
		if w.ResetsAfter {
			words = append(words, int64(w.Bias[cell]))
		}
	}
	return &weights{gates, w.Global("hidden"+role, 4, codes), w.Ints("channels"+role, 32, words)}
}

// order is the order of the inputs in a chunk: bytes 0 and 2 of a word are extended together.
func (w *writer) order() []int {
	if w.plan.Product == smlad {
		return []int{0, 2, 1, 3}
	}
	return []int{0, 1, 2, 3}
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
		sums := w.products(p, codes, from, c)
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

// products are the sums of weights times the hidden state.
func (w *writer) products(p *weights, codes *loop.Cursor, from int, c *place) (sums []loop.Expr) {
	b := w.B
	acc := make([]*loop.Var, len(p.gates))
	for i := range acc {
		acc[i] = b.Var("sum", loop.Int(0))
		if w.ResetsAfter && i == len(acc)-1 {
			b.Set(acc[i], &loop.Load{From: c.words, Offset: loop.Int(4 * len(acc)), T: loop.I32, Align: 4})
		}
	}
	h := b.Cursor("h", w.Scratch, loop.Int(from))
	chunks := padded(w.Recurrence) / chunk
	once := w.Unroll(mostChunks)
	for chunks%once != 0 {
		once--
	}
	b.For("chunk", loop.Int(0), loop.Int(chunks/once), 1, func(loop.Expr) {
		for part := range once {
			w.chunk(acc, codes, h, part)
		}
		b.Advance(codes, once*chunk*len(acc))
		b.Advance(h, once*chunk*2)
	})
	for _, v := range acc {
		sums = append(sums, v.Get())
	}
	return sums
}

// chunk adds the products of a chunk, so many after the cursors.
func (w *writer) chunk(acc []*loop.Var, codes, h *loop.Cursor, part int) {
	b := w.B
	at := func(i, bytes int) loop.Expr { return loop.Int(part*chunk*bytes + i) }
	if w.plan.Product == smlad {
		word := func(i int) loop.Expr {
			return b.Let("h", &loop.Load{From: h, Offset: at(4*i, 2), T: loop.I32, Align: 4})
		}
		low, high := word(0), word(1)
		for i, v := range acc {
			q := b.Let("q", &loop.Load{From: codes, Offset: at(4*i, len(acc)), T: loop.I32, Align: 4})
			b.Set(v, loop.Instr("smlad", loop.Instr("sxtb16", q), low, v.Get()))
			b.Set(v, loop.Instr("smlad", loop.Instr("sxtb16", loop.Instr("ror8", q)), high, v.Get()))
		}
		return
	}
	for k := range chunk {
		x := b.Let("h", loop.To(loop.SExt, &loop.Load{From: h, Offset: at(2*k, 2), T: loop.I16, Align: 2}, 32))
		for i, v := range acc {
			q := loop.To(loop.SExt, loop.At(codes, at(4*i+k, len(acc)), loop.I8), 32)
			b.Set(v, loop.Sum(v.Get(), loop.Times(q, x)))
		}
	}
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
