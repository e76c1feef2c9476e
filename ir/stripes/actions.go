package stripes

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// Kind is what an action does.
type Kind uint8

// The actions.
const (
	Copy Kind = iota // Bytes from From[0] to To, which may overlap and lies before it
	Ask              // Rows rows of Buffer, which the caller gives, at To
	Fill             // Rows of padding of Buffer at To
	Run              // node Node: Rows rows, one a call
)

// Ref is a byte of a value in its own place, or of the arena where Value is nil.
type Ref struct {
	Value *ir.Value
	At    int
}

// Action is one thing that a stripe does.
type Action struct {
	Kind   Kind
	Buffer *Buffer // of an Ask or a Fill
	Node   int
	Rows   int
	Bytes  int
	To     Ref
	From   []Ref
	Next   []int // of a Run: the bytes from the rows of one call to those of the next, of each argument
}

// Actions lists what stripe s does, in order.
func (c *Chain) Actions(s int) []Action {
	var list []Action
	for k, n := range c.Nodes {
		out := c.Outs[k]
		if l := c.Loads[k]; l != nil {
			list = c.slide(list, l, s, k)
			if from, to := l.before(s), l.computed[s]; to > from {
				at := c.at(l, k, from-l.base[s])
				if l.Value.ByRows() {
					list = append(list, Action{Kind: Ask, Buffer: l, Rows: to - from, To: at})
				} else {
					source := PlaceOf(l.Value, from*l.RowBytes())
					list = append(list, Action{Kind: Copy, Bytes: (to - from) * l.RowBytes(), To: at, From: []Ref{source}})
				}
			}
			list = c.fillBelow(list, l, s, k)
		}
		list = c.slide(list, out, s, k)
		if from, to := out.before(s), out.computed[s]; to > from {
			run := Action{Kind: Run, Node: k, Rows: to - from, To: c.at(out, k, from-out.base[s])}
			for j, a := range c.args[k] {
				first := from*a.Stride - a.Before - a.buffer.base[s]
				ref := PlaceOf(n.Args[j], first*a.buffer.RowBytes())
				if !a.buffer.Whole {
					ref = c.at(a.buffer, c.holder(a.buffer), first)
				}
				run.From, run.Next = append(run.From, ref), append(run.Next, a.Stride*a.buffer.RowBytes())
			}
			list = append(list, run)
		}
		list = c.fillBelow(list, out, s, k)
		if rows := out.keptAfter(s); out.Apart && rows > 0 {
			list = append(list, Action{Kind: Copy, Bytes: rows * out.RowBytes(), To: Ref{At: n.Ints(ir.AttrKept)[0]}, From: []Ref{c.at(out, k, out.base[s+1]-out.base[s])}})
		}
	}
	return list
}

// before is the rows that are computed before stripe s.
func (b *Buffer) before(s int) int {
	if s == 0 {
		return 0
	}
	return b.computed[s-1]
}

// at is a row of a buffer of node k: of its result, or of what it loads.
func (c *Chain) at(b *Buffer, k, row int) Ref {
	if b == c.Loads[k] {
		return Ref{At: c.Nodes[k].Ints(ir.AttrLoad)[0] + row*b.RowBytes()}
	}
	return PlaceOf(b.Value, row*b.RowBytes())
}

// holder is the node whose result a buffer is, or which loads it.
func (c *Chain) holder(b *Buffer) int {
	if k := slices.Index(c.Loads, b); k >= 0 {
		return k
	}
	return slices.Index(c.Outs, b)
}

// PlaceOf is a byte of a value's memory.
func PlaceOf(v *ir.Value, at int) Ref {
	if v.At.Kind == ir.InArena {
		return Ref{At: v.At.Offset + at}
	}
	return Ref{Value: v, At: at}
}

// slide has a buffer begin with the rows that stripe s needs first: those that the last stripe
// left, or padding above the image.
func (c *Chain) slide(list []Action, b *Buffer, s, k int) []Action {
	if b.Whole {
		return list
	}
	if s == 0 {
		if b.base[0] < 0 && b.Fill != nil {
			list = append(list, Action{Kind: Fill, Buffer: b, Rows: -b.base[0], To: c.at(b, k, 0)})
		}
		return list
	}
	moved := b.base[s] - b.base[s-1]
	from := c.at(b, k, moved)
	if b.Apart {
		from = Ref{At: c.Nodes[k].Ints(ir.AttrKept)[0]}
	}
	if rows := b.keptAfter(s - 1); rows > 0 && (b.Apart || moved > 0) {
		list = append(list, Action{Kind: Copy, Bytes: rows * b.RowBytes(), To: c.at(b, k, 0), From: []Ref{from}})
	}
	return list
}

// fillBelow writes the padding below the image.
func (c *Chain) fillBelow(list []Action, b *Buffer, s, k int) []Action {
	if b.Whole || b.Fill == nil {
		return list
	}
	height := b.Value.Type.Shape[1]
	first := height
	if s > 0 {
		first = max(first, b.front[s-1])
	}
	if b.front[s] > first {
		list = append(list, Action{Kind: Fill, Buffer: b, Rows: b.front[s] - first, To: c.at(b, k, first-b.base[s])})
	}
	return list
}

// Round is stripes From to To-1 that do the same, but that each reference to a value outside
// the arena's buffers lies further than in the stripe before it, by the bytes of Moves.
type Round struct {
	From, To int
	Actions  []Action // of stripe From
	// Moves are, of each action, those of To and of each From.
	Moves [][]int
}

// Rounds divides the stripes into rounds.
func (c *Chain) Rounds() []Round {
	var list []Round
	for s := range c.Stripes {
		actions := c.Actions(s)
		if len(list) > 0 {
			last := &list[len(list)-1]
			n := last.To - last.From
			if moves, ok := distances(last.Actions, actions, n); ok && (n == 1 || slices.EqualFunc(moves, last.Moves, slices.Equal[[]int])) {
				last.Moves, last.To = moves, s+1
				continue
			}
		}
		still := make([][]int, len(actions))
		for i, a := range actions {
			still[i] = make([]int, 1+len(a.From))
		}
		list = append(list, Round{s, s + 1, actions, still})
	}
	return list
}

// distances is how far the references of b lie after those of a, for each of n stripes; ok is
// false where a and b do not do the same.
func distances(a, b []Action, n int) (moves [][]int, ok bool) {
	if len(a) != len(b) {
		return nil, false
	}
	for i, x := range a {
		y := b[i]
		if x.Kind != y.Kind || x.Buffer != y.Buffer || x.Node != y.Node || x.Rows != y.Rows || x.Bytes != y.Bytes || len(x.From) != len(y.From) {
			return nil, false
		}
		var m []int
		for j, r := range append([]Ref{x.To}, x.From...) {
			to := append([]Ref{y.To}, y.From...)[j]
			d := to.At - r.At
			if r.Value != to.Value || d%n != 0 {
				return nil, false
			}
			m = append(m, d/n)
		}
		moves = append(moves, m)
	}
	return moves, true
}

// Present is rows From to To-1 of node Node's result, which are at At after a stripe.
type Present struct {
	Node     int
	From, To int
	At       Ref
}

// Present lists the rows of results that are in memory after stripe s.
func (c *Chain) Present(s int) (list []Present) {
	for k, b := range c.Outs {
		p := Present{Node: k, To: b.computed[s]}
		switch {
		case b.Whole:
			p.At = PlaceOf(b.Value, 0)
		case !b.IsApart():
			p.From = max(b.base[s], 0)
			p.At = c.at(b, k, p.From-b.base[s])
		case b.keptAfter(s) > 0:
			p.From = max(b.base[s+1], 0)
			p.At = Ref{At: c.Nodes[k].Ints(ir.AttrKept)[0] + (p.From-b.base[s+1])*b.RowBytes()}
		default:
			continue
		}
		if p.To > p.From {
			list = append(list, p)
		}
	}
	return list
}
