package network

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/stripes"
)

// chainWriter writes the function of a chain, which runs the stripe of a given number.
type chainWriter struct {
	m     *ir.Module
	p     *loop.Program
	c     *stripes.Chain
	name  string
	fn    *loop.Func
	b     *loop.Builder
	steps []*loop.Func // of each node: one row of its result
}

// chain writes a chain's function: stripes that do the same, but for their place in values that
// are whole, have one body.
func (i Interface) chain(m *ir.Module, p *loop.Program, name string, c *stripes.Chain, steps []*loop.Func) *loop.Func {
	w := &chainWriter{m: m, p: p, c: c, name: i.Prefix + name, fn: i.entry(m, name), steps: steps}
	number := &loop.Var{Name: "stripe", Type: loop.I32}
	w.fn.Ints = []*loop.Var{number}
	w.b = loop.NewBuilder(w.fn)
	rounds := c.Rounds()
	for _, r := range rounds {
		body := func() {
			later := loop.Expr(nil) // stripes after the round's first
			if r.To > r.From+1 {
				later = w.b.Let("later", loop.Op(loop.Sub, number.Get(), loop.Int(r.From)))
			}
			for k, a := range r.Actions {
				w.action(a, r.Moves[k], later)
			}
			w.b.Return(loop.Int(0))
		}
		if r.To == c.Stripes {
			body()
		} else {
			w.b.If(loop.Op(loop.ULt, number.Get(), loop.Int(r.To)), body, nil)
		}
	}
	return w.fn
}

// at is an argument for a reference, in a stripe that lies later in its round.
func (w *chainWriter) at(r stripes.Ref, move int, later loop.Expr) loop.Arg {
	region := w.fn.Params[len(w.fn.Params)-1]
	if r.Value != nil {
		region = place(w.m, w.fn, r.Value).Region.(*loop.Param)
	}
	if move == 0 || later == nil {
		return loop.Arg{Region: region, Offset: r.At}
	}
	return loop.Arg{Region: w.b.Cursor("at", region, loop.Sum(loop.Scaled(later, move), loop.Int(r.At)))}
}

func (w *chainWriter) action(a stripes.Action, moves []int, later loop.Expr) {
	to := w.at(a.To, moves[0], later)
	var from []loop.Arg
	for j, r := range a.From {
		from = append(from, w.at(r, moves[1+j], later))
	}
	switch a.Kind {
	case stripes.Copy:
		if a.Bytes > 0 {
			w.b.Call(w.copier(a.Bytes), []loop.Expr{loop.Int(a.Bytes / copied(a.Bytes))}, []loop.Arg{to, from[0]})
		}
	case stripes.Ask:
		w.ask(a, to)
	case stripes.Fill:
		w.fill(a, to)
	case stripes.Run:
		w.run(a, to, from)
	}
}

// ask has the caller write rows; another number than 0 ends the run.
func (w *chainWriter) ask(a stripes.Action, to loop.Arg) {
	giver, bytes := place(w.m, w.fn, a.Buffer.Value).Region.(*loop.Param), a.Buffer.RowBytes()
	at := to
	if a.Rows > 1 {
		at = loop.Arg{Region: w.b.Cursor("row", to.Region, loop.Int(to.Offset))}
	}
	w.b.For("row", loop.Int(0), loop.Int(a.Rows), 1, func(loop.Expr) {
		status := w.b.Ask("status", giver, at, bytes)
		w.b.If(status, func() { w.b.Return(status) }, nil)
		if a.Rows > 1 {
			w.b.Advance(at.Region.(*loop.Cursor), bytes)
		}
	})
}

// run calls a node's kernel for each row.
func (w *chainWriter) run(a stripes.Action, to loop.Arg, from []loop.Arg) {
	n := w.c.Part(a.Node)
	args := append(from, to)
	next := append(append([]int(nil), a.Next...), n.Out.RowBytes())
	if a.Rows > 1 {
		for j, x := range args {
			args[j] = loop.Arg{Region: w.b.Cursor("row", x.Region, loop.Int(x.Offset))}
		}
	}
	call := args
	if n.Has(ir.AttrScratch) {
		call = append(append([]loop.Arg(nil), args...), loop.Arg{Region: w.fn.Params[len(w.fn.Params)-1], Offset: n.Ints(ir.AttrScratch)[0]})
	}
	w.b.For("row", loop.Int(0), loop.Int(a.Rows), 1, func(loop.Expr) {
		w.b.Call(w.steps[a.Node], nil, call)
		if a.Rows > 1 {
			for j, x := range args {
				w.b.Advance(x.Region.(*loop.Cursor), next[j])
			}
		}
	})
}

// copied is the bytes that a round of a copy moves.
func copied(bytes int) int {
	for _, n := range []int{16, 4} {
		if bytes%n == 0 {
			return n
		}
	}
	return 1
}

// copier is the function that moves bytes to a lower or another place.
func (w *chainWriter) copier(bytes int) *loop.Func {
	size := copied(bytes)
	name := fmt.Sprintf("%s_copy%d", w.name, size)
	for _, f := range w.p.Funcs {
		if f.Name == name {
			return f
		}
	}
	count := &loop.Var{Name: "count", Type: loop.I32}
	to, from := &loop.Param{Name: "to", Shared: true}, &loop.Param{Name: "from", Shared: true, Constant: true}
	f := &loop.Func{Name: name, Local: true, Params: []*loop.Param{to, from}, Ints: []*loop.Var{count}}
	b := loop.NewBuilder(f)
	read, write := b.Cursor("read", from, loop.Int(0)), b.Cursor("write", to, loop.Int(0))
	b.For("i", loop.Int(0), count.Get(), 1, func(loop.Expr) {
		switch {
		case size >= 4:
			var words []loop.Expr
			for j := range size / 4 {
				words = append(words, b.Let("word", &loop.Load{From: read, Offset: loop.Int(4 * j), T: loop.I32}))
			}
			for j, x := range words {
				b.Store(write, loop.Int(4*j), x)
			}
		default:
			b.Store(write, loop.Int(0), loop.At(read, loop.Int(0), loop.I8))
		}
		b.Advance(read, size)
		b.Advance(write, size)
	})
	b.Return(loop.Int(0))
	w.p.Funcs = append(w.p.Funcs, f)
	return f
}

// fill writes rows of padding.
func (w *chainWriter) fill(a stripes.Action, to loop.Arg) {
	b, values := w.b, a.Buffer.Fill
	at := b.Cursor("padding", to.Region, loop.Int(to.Offset))
	pixels := a.Rows * a.Buffer.RowBytes() / len(values)
	if len(values) == 1 {
		b.For("i", loop.Int(0), loop.Int(pixels), 1, func(i loop.Expr) { b.Store(at, i, loop.Num(loop.I8, int64(values[0]))) })
		return
	}
	data := make([]byte, len(values))
	for i, v := range values {
		data[i] = byte(v)
	}
	g := &loop.Global{Name: fmt.Sprintf("%s_padding%d", w.name, len(w.p.Globals)), Data: data, Align: 1}
	w.p.Globals = append(w.p.Globals, g)
	b.For("pixel", loop.Int(0), loop.Int(pixels), 1, func(loop.Expr) {
		b.For("c", loop.Int(0), loop.Int(len(values)), 1, func(c loop.Expr) { b.Store(at, c, loop.At(g, c, loop.I8)) })
		b.Advance(at, len(values))
	})
}
