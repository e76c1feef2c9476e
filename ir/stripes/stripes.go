// Package stripes plans chains of operations that run in stripes of rows, so that the values
// between them are never whole in memory. Each value has a buffer of rows, with the rows of
// padding that its readers see above and below the image; kernels compute one row a call, from
// rows that lie one after the other. Memory, code generation and the interpreter's arena mode
// read the same schedule.
package stripes

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/parts"
)

// Chain is a run of operations that is computed in stripes.
type Chain struct {
	Nodes   []*ir.Node
	Rows    int // of the last result, in a stripe
	Stripes int
	Outs    []*Buffer // the result of each node
	Loads   []*Buffer // of each node, the rows of its first argument that are copied or asked for; nil for none
	args    [][]arg
	parts   []*ir.Node
}

// Buffer is the rows of a value that a chain has in memory.
type Buffer struct {
	Value *ir.Value
	Whole bool // all rows, in the value's own place
	Rows  int  // of the buffer: the most at a time
	Kept  int  // the most rows that a stripe leaves to the next
	Apart bool // what a stripe leaves lies in memory of its own
	// Fill is the rows of padding: one integer, or one a channel; nil for none.
	Fill []int8

	computed []int // by stripe: the rows of the value that are there after it
	base     []int // by stripe: the row that the buffer begins with, below 0 in the padding
	front    []int // by stripe: the row after the buffer's last, above the height in the padding
	// reach is front as if the image went on above: at 0 before the first stripe, then by stripe.
	reach []int
}

// arg is how an operation reads one of its arguments.
type arg struct {
	buffer *Buffer
	view
}

// view is the rows that a row of a result is computed from, and those of padding.
type view struct {
	geometry.View
	fill []int8
}

// viewOf is how an operation reads its arguments; ok is false for one that no chain serves.
func viewOf(n *ir.Node) (v view, ok bool) {
	for _, x := range append(slices.Clone(n.Args), n.Out) {
		if len(x.Type.Shape) != 3 || x.Type.Elem.Kind != ir.I8 {
			return view{}, false
		}
	}
	switch {
	case geometry.IsByElement(n.Op):
		for _, a := range n.Args {
			if !a.Type.Shape.Equal(n.Out.Type.Shape) {
				return view{}, false
			}
		}
		return view{View: geometry.ViewOfRows(n)}, true
	case !geometry.HasWindows(n.Op):
		return view{}, false
	}
	v = view{View: geometry.ViewOfRows(n)}
	switch n.Op {
	case ir.Conv2D:
		v.fill = []int8{int8(n.Args[0].Type.Quant.Zero)}
		if p := n.Nums(ir.AttrPadValue); p != nil {
			v.fill = make([]int8, len(p))
			for i, x := range p {
				v.fill[i] = int8(x)
			}
		}
	case ir.MaxPool2D:
		v.fill = []int8{-128} // the least: padding is never the greatest
	case ir.AvgPool2D:
		if w := geometry.WindowOf(n); w.PadT+w.PadB > 0 { // padding does not count: the mean is over fewer pixels
			return view{}, false
		}
	}
	return v, true
}

// Serves reports whether chains serve an operation: of activations of 8 bits.
func Serves(n *ir.Node) bool {
	_, ok := viewOf(n)
	return ok
}

// part is an operation that computes one row of another's result.
func part(n *ir.Node, v view) *ir.Node {
	p := &ir.Node{Op: n.Op, Attrs: slices.Clone(n.Attrs), Pos: n.Pos}
	p.Drop(ir.AttrChain, ir.AttrBuffer, ir.AttrKept, ir.AttrLoad)
	if n.Op.Takes(ir.AttrPad) {
		pad := n.Ints(ir.AttrPad)
		p.Put(ir.AttrPad.Is([]int{0, pad[1], 0, pad[3]}))
	}
	rows := func(x *ir.Value, rows int) *ir.Value {
		c := *x
		c.Type.Shape = ir.Shape{x.Type.Shape[0], rows, x.Type.Shape[2]}
		c.Def = nil
		return &c
	}
	same := map[*ir.Value]*ir.Value{} // add(x, x) has two
	for _, a := range n.Args {
		if same[a] == nil {
			same[a] = rows(a, v.Extent)
		}
		p.Args = append(p.Args, same[a])
	}
	p.Out = rows(n.Out, 1)
	p.Out.Def = p
	return p
}

// Part returns the operation that computes one row of n's result, with n's plan.
func Part(n *ir.Node) (p *ir.Node, ok bool) {
	v, ok := viewOf(n)
	if !ok {
		return nil, false
	}
	return part(n, v), true
}

// New plans the operations from to to of a module as a chain, with stripes of rows of the last
// one's result. Before the first of these rows some stripes compute what lies ahead of it, so that
// no buffer is larger at the top of the image than elsewhere. apart has the rows that a stripe
// leaves to the next lie in memory of their own. ok is false where the operations are no chain:
// an operation that chains do not serve, a value that others use, one row or stripe alone, one
// operation alone unless the caller gives its argument by rows.
func New(m *ir.Module, live map[*ir.Value]ir.Interval, c ir.Chain, apart bool) (*Chain, bool) {
	if c.To >= len(m.Ops) || c.To < c.From || c.Rows < 1 || c.To == c.From && !slices.ContainsFunc(m.Ops[c.From].Args, (*ir.Value).ByRows) {
		return nil, false
	}
	ch := &Chain{Nodes: m.Ops[c.From : c.To+1], Rows: c.Rows}
	last := ch.Nodes[len(ch.Nodes)-1]
	if len(last.Out.Type.Shape) != 3 {
		return nil, false
	}
	height := last.Out.Type.Shape[1]
	if ch.Stripes = (height + c.Rows - 1) / c.Rows; ch.Stripes < 2 {
		return nil, false
	}
	whole, outs := map[*ir.Value]*Buffer{}, map[*ir.Value]*Buffer{}
	var readers [][]reader
	index := map[*Buffer]int{}
	add := func(b *Buffer) *Buffer {
		index[b] = len(readers)
		readers = append(readers, nil)
		return b
	}
	for k, n := range ch.Nodes {
		v, ok := viewOf(n)
		if !ok || k < len(ch.Nodes)-1 && live[n.Out].To > c.To {
			return nil, false
		}
		var args []arg
		var load *Buffer
		for j, x := range n.Args {
			b := outs[x]
			if b == nil {
				bottom := (n.Out.Type.Shape[1]-1)*v.Stride - v.Before + v.Extent
				if x.ByRows() && (j > 0 || live[x].To > c.To) {
					return nil, false
				} else if x.ByRows() || v.Before > 0 || bottom > x.Type.Shape[1] {
					load = add(&Buffer{Value: x})
					b = load
					if x.ByRows() {
						outs[x] = load // all that read it share one buffer
					}
				} else if b = whole[x]; b == nil {
					b = add(&Buffer{Value: x, Whole: true})
					whole[x] = b
				}
			}
			readers[index[b]] = append(readers[index[b]], reader{k, v})
			args = append(args, arg{b, v})
		}
		isLast := k == len(ch.Nodes)-1
		out := add(&Buffer{Value: n.Out, Whole: isLast, Apart: apart && !isLast})
		outs[n.Out] = out
		ch.Outs, ch.Loads, ch.args, ch.parts = append(ch.Outs, out), append(ch.Loads, load), append(ch.args, args), append(ch.parts, part(n, v))
	}
	for ahead := 0; ; {
		more := 0 // stripes until every buffer is empty before the first one
		missing := func(b *Buffer) {
			if b.reach[0] > 0 {
				growth := max(b.reach[1]-b.reach[0], 1)
				more = max(more, (b.reach[0]+growth-1)/growth)
			}
		}
		ch.Stripes = ahead + (height+c.Rows-1)/c.Rows
		for k := len(ch.Nodes) - 1; k >= 0; k-- {
			if out := ch.Outs[k]; out.Whole {
				out.reach, out.computed, out.base = make([]int, ch.Stripes+1), make([]int, ch.Stripes), make([]int, ch.Stripes)
				for s := range out.reach {
					out.reach[s] = min((s-ahead)*c.Rows, height)
				}
				for s := range ch.Stripes {
					out.computed[s] = max(out.reach[s+1], 0)
				}
				out.front = out.computed
			} else if !ch.demand(out, readers[index[out]]) {
				return nil, false
			}
			missing(ch.Outs[k])
			if l := ch.Loads[k]; l != nil {
				if !ch.demand(l, readers[index[l]]) {
					return nil, false
				}
				missing(l)
			}
		}
		if more == 0 {
			break
		}
		if ahead += more; ahead > mostAhead {
			return nil, false
		}
	}
	for _, b := range whole {
		b.base = make([]int, ch.Stripes)
	}
	return ch, true
}

// mostAhead bounds the stripes before the first row of a chain's result.
const mostAhead = 256

// reader is an operation of a chain that reads a buffer.
type reader struct {
	node int
	view
}

// demand has a buffer hold what its readers need in each stripe. It is false where they see
// different padding.
func (c *Chain) demand(b *Buffer, readers []reader) bool {
	if len(readers) == 0 {
		return false
	}
	height, top := b.Value.Type.Shape[1], 0
	for _, r := range readers {
		top = max(top, r.Before)
	}
	b.Fill, b.Rows, b.Kept = nil, 0, 0
	b.base, b.front, b.computed, b.reach = make([]int, c.Stripes), make([]int, c.Stripes), make([]int, c.Stripes), make([]int, c.Stripes+1)
	first := make([]int, c.Stripes+1) // the row that the readers need first in a stripe, then after the last one
	for s := range c.Stripes + 1 {
		for i, r := range readers {
			reach := min(c.Outs[r.node].reach[s], c.Nodes[r.node].Out.Type.Shape[1])
			if base := reach*r.Stride - r.Before; i == 0 || base < first[s] {
				first[s] = base
			}
			if front := (reach-1)*r.Stride - r.Before + r.Extent; i == 0 || front > b.reach[s] {
				b.reach[s] = front
			}
		}
		if s > 0 {
			b.reach[s] = max(b.reach[s], b.reach[s-1])
		}
	}
	for s := range c.Stripes + 1 {
		b.reach[s] = max(b.reach[s], min(first[s], height)) // rows that no reader needs are computed and left
	}
	if b.Value.ByRows() { // each row is asked for, also one that nothing needs
		b.reach[c.Stripes] = max(b.reach[c.Stripes], height)
	}
	for s := range c.Stripes {
		b.base[s], b.front[s] = max(first[s], -top), max(b.reach[s+1], 0)
		b.computed[s] = min(b.front[s], height)
	}
	for s := range c.Stripes {
		b.Rows = max(b.Rows, b.front[s]-b.base[s])
		b.Kept = max(b.Kept, b.keptAfter(s))
	}
	isPadded := b.base[0] < 0 || b.front[c.Stripes-1] > height
	for _, r := range readers {
		reach := (c.Outs[r.node].computed[c.Stripes-1]-1)*r.Stride - r.Before + r.Extent
		if !isPadded || r.Before == 0 && reach <= height {
			continue
		}
		if r.fill == nil || b.Fill != nil && !slices.Equal(b.Fill, r.fill) {
			return false
		}
		b.Fill = r.fill
	}
	return true
}

// keptAfter is the rows that stripe s leaves to the next.
func (b *Buffer) keptAfter(s int) int {
	if s+1 == len(b.base) {
		return 0
	}
	return max(b.front[s]-b.base[s+1], 0)
}

// RowBytes is the bytes of a row.
func (b *Buffer) RowBytes() int { return b.Value.RowBytes() }

// Part is node k with one row of its result.
func (c *Chain) Part(k int) *ir.Node { return c.parts[k] }

// Times is how many rows of node k's result the chain computes.
func (c *Chain) Times(k int) int { return c.Outs[k].computed[c.Stripes-1] }

// Assign writes the plan as attributes of the chain's nodes. The places are still to be found.
func (c *Chain) Assign() {
	for k, n := range c.Nodes {
		if k == 0 {
			n.Put(ir.AttrChain.Is([]int{len(c.Nodes), c.Rows}))
		}
		if out := c.Outs[k]; !out.Whole {
			n.Put(ir.AttrBuffer.Is(out.Rows))
			if out.IsApart() {
				n.Put(ir.AttrKept.Is([]int{0, out.Kept}))
			}
		}
		if l := c.Loads[k]; l != nil {
			n.Put(ir.AttrLoad.Is([]int{0, l.Rows}))
		}
	}
}

// IsApart reports whether a buffer is free between the stripes: nothing stays, or what stays
// lies apart.
func (b *Buffer) IsApart() bool { return !b.Whole && (b.Apart || b.Kept == 0) }

// Keys are the attributes of chains.
var Keys = []ir.AttrKey{ir.AttrChain, ir.AttrBuffer, ir.AttrKept, ir.AttrLoad}

// Unit is what a run does as one: an operation, or a chain.
type Unit struct {
	Nodes []*ir.Node
	Chain *Chain       // nil of one operation
	Parts []parts.Part // of an operation that is divided among threads; nil of others
	Steps int          // one, or the stripes of the chain
}

// Units lists what a planned module runs. Attributes that are no chain's, as in a dump that was
// edited by hand, are a diagnostic.
func Units(m *ir.Module) ([]Unit, error) {
	var list []Unit
	chains, live := m.Chains(), ir.Liveness(m)
	for i := 0; i < len(m.Ops); {
		if len(chains) == 0 || chains[0].From != i {
			divided, err := parts.Of(m.Ops[i])
			if err != nil {
				return nil, err
			}
			list = append(list, Unit{Nodes: m.Ops[i : i+1], Parts: divided, Steps: 1})
			i++
			continue
		}
		n := m.Ops[i]
		c, err := read(m, live, chains[0])
		if err != nil {
			return nil, diag.New(n.Pos, diag.BadValue, "%s: %v", n.Name(), err).
				WithHelp("-start-after fuse-pool selects kernels and plans memory anew")
		}
		list = append(list, Unit{Nodes: c.Nodes, Chain: c, Steps: c.Stripes})
		i, chains = chains[0].To+1, chains[1:]
	}
	return list, nil
}

// Kernel is an operation that a kernel computes at a time, and how often a run calls it.
type Kernel struct {
	Node  *ir.Node
	Times int
}

// Kernels are what a run calls for node k: one kernel, or one for each part.
func (u Unit) Kernels(k int) (list []Kernel) {
	if u.Chain != nil {
		return []Kernel{{u.Chain.Part(k), u.Chain.Times(k)}}
	}
	for _, p := range u.Parts {
		list = append(list, Kernel{p.Node, 1})
	}
	if list == nil {
		return []Kernel{{u.Nodes[k], 1}}
	}
	return list
}

// Name names a unit for reports: one operation, or the first and the last of a chain.
func (u Unit) Name() string {
	first, last := u.Nodes[0].Name(), u.Nodes[len(u.Nodes)-1].Name()
	if len(u.Nodes) == 1 {
		return first
	}
	return first + ".." + last
}

// read restores a chain from the attributes of its nodes.
func read(m *ir.Module, live map[*ir.Value]ir.Interval, r ir.Chain) (*Chain, error) {
	c, ok := New(m, live, r, false)
	if !ok {
		return nil, fmt.Errorf("the %d operations from here on are no chain with stripes of %d rows", r.To-r.From+1, r.Rows)
	}
	for k, n := range c.Nodes {
		out := c.Outs[k]
		if n.Has(ir.AttrBuffer) == out.Whole || !out.Whole && n.Int(ir.AttrBuffer) != out.Rows {
			return nil, fmt.Errorf("%s has a buffer of %d rows, where the chain takes %d", n.Name(), n.Int(ir.AttrBuffer), out.Rows)
		}
		out.Apart = n.Has(ir.AttrKept)
		if !out.Whole && n.Has(ir.AttrKept) != out.IsApart() || out.Apart && n.Ints(ir.AttrKept)[1] != out.Kept {
			return nil, fmt.Errorf("%s keeps other rows, where the chain takes %d", n.Name(), out.Kept)
		}
		l := c.Loads[k]
		if n.Has(ir.AttrLoad) != (l != nil) || l != nil && n.Ints(ir.AttrLoad)[1] != l.Rows {
			return nil, fmt.Errorf("%s loads other rows of %s, where the chain takes %d", n.Name(), n.Args[0].Name, rowsOf(l))
		}
	}
	return c, nil
}

// rowsOf is the rows of a buffer, 0 of none.
func rowsOf(b *Buffer) int {
	if b == nil {
		return 0
	}
	return b.Rows
}
