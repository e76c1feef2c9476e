package machine

import (
	"cmp"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/parts"
	"github.com/dnnc/dnnc/ir/processor"
)

const (
	// leastPart is the cycles of a part below which handing it to another thread costs more than
	// it gains: waking one takes a system call or thousands of turns of a wait.
	leastPart = 10_000
	// mostLongest is the share of an operation's cycles that its longest part takes at most, or it
	// stays whole.
	mostLongest = .8
	// leastOutputs divides the outputs of a part of a linear layer: tiles and packed words stay full.
	leastOutputs = 16
)

// divide has threads compute operations in parts. Where memory is bounded, the longest operations
// come first, and each is divided that leaves the arena within the bound. least is the cycles of the
// shortest part; 0 is leastPart.
func divide(m *ir.Module, t *processor.Target, threads int, least float64, ram int) {
	m.Threads = 0
	if threads < 2 {
		return
	}
	m.Threads = threads
	var list []*division
	chains := m.InChains()
	for i, n := range m.Ops {
		if chains[i] != nil {
			continue
		}
		if d := newDivision(n, t, threads, cmp.Or(least, leastPart)); d != nil {
			list = append(list, d)
		}
	}
	slices.SortStableFunc(list, func(a, b *division) int { return cmp.Compare(b.whole, a.whole) })
	for _, d := range list {
		attrs := slices.Clone(d.n.Attrs)
		d.assign()
		if ram == 0 {
			continue
		}
		if _, bytes := plan(blocksOf(m, t)); bytes > ram {
			d.n.Attrs = attrs
		}
	}
}

// division is an operation in parts, with the kernel of each of them.
type division struct {
	n           *ir.Node
	count, size int
	choice      Choice
	whole       float64 // cycles, undivided
}

// newDivision divides an operation that has its kernel, or is nil where that gains nothing.
func newDivision(n *ir.Node, t *processor.Target, threads int, least float64) *division {
	list := Serving(kernel.Of(n, t))
	length := parts.Length(n)
	if len(list) == 0 || length < 2 {
		return nil
	}
	whole := max(list[0].Plan.Cycles(), float64(n.Out.Type.Shape.Size())) // some kernels have no estimate
	count := min(threads, int(whole/least), length)
	if count < 2 {
		return nil
	}
	size := (length + count - 1) / count
	if n.Op == ir.Linear {
		size = (size + leastOutputs - 1) / leastOutputs * leastOutputs
	}
	pieces, ok := parts.Divide(n, size)
	if !ok {
		return nil
	}
	// The part in the middle sees the most: it has no padding. Its kernel computes all of them.
	middle := pieces[(len(pieces)-1)/2].Node
	for _, c := range Serving(kernel.Of(middle, t)) {
		if longest, ok := c.computes(pieces, t); ok && longest <= mostLongest*whole {
			return &division{n, len(pieces), size, c, whole}
		}
	}
	return nil
}

// computes reports whether a choice computes every part, with the scratch that the plan says, and
// what the longest takes.
func (c Choice) computes(pieces []parts.Part, t *processor.Target) (longest float64, ok bool) {
	for _, p := range pieces {
		n := *p.Node
		n.Attrs = slices.Clone(n.Attrs)
		c.assign(&n)
		own, err := c.Family.Restore(&n, t)
		if err != nil {
			return 0, false
		}
		longest = max(longest, own.Cycles())
	}
	return longest, true
}

// assign writes the division as attributes.
func (d *division) assign() {
	d.choice.assign(d.n)
	d.n.Drop(ir.AttrLag)
	d.n.Put(ir.AttrParts.Is([]int{d.count, d.size}))
	if bytes := d.choice.Plan.Scratch(); bytes > 0 {
		d.n.Put(ir.AttrScratch.Is([]int{0, parts.Scratch(d.count, bytes)}))
	}
}
