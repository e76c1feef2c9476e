package moves

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// History is the family of histories.
var History = kernel.Family{
	Name: "history_ring", Op: ir.History, Wide: true, Fitted: kernel.OnThumb2,
	Doc:  "new frames put into a ring, then frames of the ring copied one after the other",
	Plan: kernel.Planner(func(l kernel.Layer) (ring, bool) { return ringOf(l.Node), true }),
	Read: func(l kernel.Layer) (kernel.Plan, error) {
		if tile := l.Node.Ints(ir.AttrTile); tile != nil {
			return nil, fmt.Errorf("a tile %v, which a history has not", tile)
		}
		return ringOf(l.Node), nil
	},
}

// ring is the copies of a history, of some bytes each; turns: more than one copy puts new frames.
type ring struct {
	copies, bytes int
	turns         bool
}

func ringOf(n *ir.Node) ring {
	f := framesOf(n)
	return ring{(f.In + len(f.At)) / f.together, f.together * f.bytes, f.In > f.together}
}

func (ring) Attrs() kernel.Attrs          { return kernel.Attrs{} }
func (ring) Scratch() int                 { return 0 }
func (ring) Emit(g *emit.Generator) error { return history(g) }

// Instructions of Cortex-M4, fitted to counts: those of a history, of a copy, of a round of it, of what is left of the rounds.
const (
	perHistory = 20.
	perCopy    = 12.
	perRound   = 4.
	perLeft    = 13.
	perTurn    = 10. // of a copy
)

func (r ring) Cycles() float64 {
	rounds, left := r.bytes/(4*words), r.bytes%(4*words)/4+r.bytes%4
	each := perCopy + perRound*float64(rounds) + perLeft*float64(left)
	if r.turns {
		each += perTurn
	}
	return perHistory + float64(r.copies)*each
}

// frames copies frames of a history, so many at a time where they lie together.
type frames struct {
	*emit.Generator
	geometry.History
	bytes    int // of a frame
	together int
}

func framesOf(n *ir.Node) frames {
	f := frames{History: geometry.HistoryOf(n), together: 1}
	f.bytes = n.Args[0].Type.Slots() / f.In
	if len(n.States()) > 0 && n.Int(ir.AttrApart) == 1 {
		f.together = geometry.Divisor(f.In, len(f.At), f.Past, f.Past-f.In+f.At[0], -n.Args[2].Start)
	}
	return f
}

// history writes R21.
func history(g *emit.Generator) error {
	f := framesOf(g.Node)
	f.Generator = g
	if len(g.Node.States()) == 0 {
		f.alone()
		return nil
	}
	apart, start := g.Node.Int(ir.AttrApart), g.Node.Args[2].Start
	b, n := g.B, f.together
	next := b.Var("next", &loop.Load{From: g.Args[2], Offset: loop.Int(0), T: loop.I32, Align: 4})
	b.For("new", loop.Int(0), loop.Int(f.In/n), 1, func(i loop.Expr) {
		put := func() {
			f.copy(g.Args[1], loop.Scaled(next.Get(), f.bytes), g.Args[0], loop.Scaled(i, n*f.bytes), f.placed(g.Node.Args[0]))
		}
		if start < 0 {
			b.If(loop.Op(loop.SLt, next.Get(), loop.Int(0)), nil, put)
		} else {
			put()
		}
		b.Set(next, loop.Sum(next.Get(), loop.Int(n)))
		b.If(loop.Op(loop.Eq, next.Get(), loop.Int(f.Past)), func() { b.Set(next, loop.Int(0)) }, nil)
	})
	b.StoreAligned(g.Args[2], loop.Int(0), next.Get(), 4)
	wrapped := func(v *loop.Var) {
		b.If(loop.Op(loop.ULt, v.Get(), loop.Int(f.Past)), nil, func() { b.Set(v, loop.Op(loop.Sub, v.Get(), loop.Int(f.Past))) })
	}
	from := b.Var("from", loop.Op(loop.SMax, next.Get(), loop.Int(0)))
	b.Set(from, loop.Sum(from.Get(), loop.Int(f.Past-f.In+f.At[0])))
	wrapped(from)
	step := apart
	if apart == 1 {
		step = n
	}
	b.For("frame", loop.Int(0), loop.Int(len(f.At)/n), 1, func(i loop.Expr) {
		f.copy(g.Out, loop.Scaled(i, n*f.bytes), g.Args[1], loop.Scaled(from.Get(), f.bytes), f.placed(g.Node.Out))
		b.Set(from, loop.Sum(from.Get(), loop.Int(step)))
		wrapped(from)
	})
	return nil
}

// placed is the alignment that each frame of v has in memory: 4 bytes, or 0 where none is known.
func (f *frames) placed(v *ir.Value) int {
	if v.At.Kind == ir.InArena && f.bytes%4 == 0 {
		return 4
	}
	return 0
}

// alone writes a history without states: frames before the first one are the zero point.
func (f *frames) alone() {
	b, t := f.B, f.Node.Args[0].Type
	for i := 0; i < len(f.At); {
		run := 1
		if f.At[i] < 0 {
			for i+run < len(f.At) && f.At[i+run] < 0 {
				run++
			}
			elements := f.bytes / emit.Integer(t).Bytes()
			b.For("i", loop.Int(i*elements), loop.Int((i+run)*elements), 1, func(k loop.Expr) {
				f.Write(k, loop.Num(emit.Integer(t), int64(t.Quant.Zero)))
			})
		} else {
			f.copy(f.Out, loop.Int(i*f.bytes), f.Args[0], loop.Int(f.At[i]*f.bytes), 0)
		}
		i += run
	}
}

// words is the words that a round of a copy moves: as many as one instruction of Arm loads.
const words = 4

// copy moves frames that lie together. Addresses in arena are multiples of align.
func (f *frames) copy(to loop.Region, at loop.Expr, from loop.Region, start loop.Expr, align int) {
	b, n := f.B, f.together*f.bytes
	if f.Lanes() {
		at, start = b.Let("to", at), b.Let("from", start)
		f.Strips(n, func(i loop.Expr, t loop.Type) { b.Store(to, loop.Sum(at, i), loop.At(from, loop.Sum(start, i), t)) })
		return
	}
	x, y := b.Cursor("from", from, start), b.Cursor("to", to, at)
	move := func(t loop.Type, count, align int) {
		var values []loop.Expr
		for i := range count {
			values = append(values, b.Let("word", &loop.Load{From: x, Offset: loop.Int(i * t.Bytes()), T: t, Align: align}))
		}
		for i, v := range values {
			b.StoreAligned(y, loop.Int(i*t.Bytes()), v, align)
		}
		b.Advance(x, count*t.Bytes())
		b.Advance(y, count*t.Bytes())
	}
	b.For("i", loop.Int(0), loop.Int(n/(4*words)), 1, func(loop.Expr) { move(loop.I32, words, align) })
	b.For("i", loop.Int(0), loop.Int(n%(4*words)/4), 1, func(loop.Expr) { move(loop.I32, 1, align) })
	b.For("i", loop.Int(0), loop.Int(n%4), 1, func(loop.Expr) { move(loop.I8, 1, 0) })
}
