package machine

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/pass"
)

// arenaAlign is the alignment of the arena and of each block in it: kernels
// keep vectors of 8 bytes in their scratch.
const arenaAlign = ir.LeastAlign

// block is memory that the plan must place.
type block struct {
	bytes int
	live  ir.Interval
	place func(offset int)
	// over is the block that this one may overlap: it dies in the step that
	// writes this one, row by row, and must begin lag bytes or more after it.
	over *block
	lag  int
}

// Memory gives every value and scratch its place: inputs and outputs are the
// caller's, all else lies in one arena, at offsets that no two blocks alive at
// one time share; except that a result may overlap the argument that it replaces.
// States live from run to run: they lie at the beginning, apart from all that lives in a run.
func Memory(_ context.Context, m *ir.Module, env *pass.Env) error {
	for _, v := range m.Inputs {
		if !v.ByRows() {
			v.At = ir.Place{Kind: ir.InInput}
		}
	}
	returned := m.Returned()
	for _, n := range m.Ops {
		n.Drop(ir.AttrLag)
		if returned[n.Out] {
			n.Out.At = ir.Place{Kind: ir.InOutput}
		}
	}
	first := placeStates(m)
	blocks := blocksOf(m, env.Target)
	offsets, bytes := plan(blocks)
	for i, at := range offsets {
		blocks[i].place(first + at)
	}
	bytes += first
	m.Arena = ir.Arena{Bytes: bytes, Align: arenaAlign}
	if ram := env.Budget.RAM; ram > 0 && bytes > ram {
		return diag.New(diag.Pos{}, diag.BadBudget, "the arena takes %d bytes, -ram allows %d", bytes, ram).
			WithHelp("the least possible in the chosen formats is -ram %d; other formats hardly change it, the sizes of activations do", bytes)
	}
	return nil
}

// placeStates places the tag of the reset and the states, and returns where they end.
func placeStates(m *ir.Module) int {
	if !m.Streams() {
		return 0
	}
	at := ir.ResetTagBytes
	for _, s := range m.States {
		s.At = ir.Place{Kind: ir.InArena, Offset: at}
		at = align(at + s.Type.Slots())
	}
	return at
}

// blocksOf lists the memory of a run that needs a place, in the order of the schedule.
func blocksOf(m *ir.Module, t *processor.Target) []*block {
	live := ir.InMemory(m)
	values := map[*ir.Value]*block{}
	var blocks []*block
	chains, returned := m.InChains(), m.Returned()
	for i, n := range m.Ops {
		c := chains[i]
		rows := func(key ir.Key[[]int], of *ir.Value) {
			if c == nil || !n.Has(key) || n.Ints(key)[1] == 0 {
				return
			}
			count := n.Ints(key)[1]
			blocks = append(blocks, &block{bytes: count * of.RowBytes(), live: ir.Interval{From: c.From, To: c.To},
				place: func(at int) { n.Put(key.Is([]int{at, count})) }})
		}
		if !returned[n.Out] {
			b := &block{bytes: n.OutBytes(), live: live[n.Out]}
			if a := values[n.Args[0]]; a != nil && a.live.To == i && c == nil {
				b.lie(n, a, t)
			}
			b.place = func(at int) {
				n.Out.At = ir.Place{Kind: ir.InArena, Offset: at}
				if b.over != nil {
					n.Put(ir.AttrLag.Is(b.lag))
				}
			}
			values[n.Out] = b
			blocks = append(blocks, b)
		}
		rows(ir.AttrKept, n.Out)
		rows(ir.AttrLoad, n.Args[0])
		if n.Has(ir.AttrScratch) {
			bytes := n.Ints(ir.AttrScratch)[1]
			blocks = append(blocks, &block{bytes: bytes, live: ir.Interval{From: i, To: i}, place: func(at int) {
				n.Put(ir.AttrScratch.Is([]int{at, bytes}))
			}})
		}
	}
	return blocks
}

// lie has a block, of the result of a node, overlap that of the node's first argument, which
// dies there, if the node's kernel allows it.
func (b *block) lie(n *ir.Node, a *block, t *processor.Target) {
	if lag, ok := lag(n, t); ok && lag < b.bytes {
		b.over, b.lag = a, lag
	}
}

// lag is how far after its result a node's first argument must begin so that no
// row of the result reaches a row of the argument that is still to be read.
func lag(n *ir.Node, t *processor.Target) (int, bool) {
	k := families.Find(n.Word(ir.AttrImpl))
	if k == nil || !k.Rows || n.Has(ir.AttrParts) { // parts read rows that others' results would lie over
		return 0, false
	}
	switch n.Op {
	case ir.Conv2D, ir.MaxPool2D, ir.AvgPool2D:
	default: // element by element, of which the result's may be the wider ones
		return max(n.Out.Type.Slots()-n.Args[0].Type.Slots(), 0), n.Args[0].Type.Shape.Equal(n.Out.Type.Shape)
	}
	w := geometry.WindowOf(n)
	h, _ := n.Pool()
	out := n.Out.Type.Shape
	row, in, most := n.Out.Type.Slots()/out[1], n.Args[0].Type.Slots()/w.InH, 0
	for y := range out[1] {
		first := max(0, y*h*w.StrideH-w.PadT)
		most = max(most, (y+1)*row-min(first, w.InH)*in)
	}
	return most, true
}

// exactBlocks is the greatest number of blocks for which every order is tried.
const exactBlocks = 7

// plan packs the blocks by first fit in several orders and others near them, in every
// order where they are few, and returns the best result: the offset of each block, and the
// bytes in all. It ends where no plan is better.
func plan(blocks []*block) (offsets []int, bytes int) {
	orders := []func(a, b *block) bool{
		func(a, b *block) bool { return a.bytes > b.bytes },
		func(a, b *block) bool { return a.live.From < b.live.From },
		func(a, b *block) bool { return a.live.To > b.live.To },
		func(a, b *block) bool { return a.bytes*(a.live.To-a.live.From+1) > b.bytes*(b.live.To-b.live.From+1) },
	}
	fit := newFitter(blocks)
	keep := func(o []int, total int) {
		if offsets == nil || total < bytes {
			offsets, bytes = o, total
		}
	}
	var simple [][]int
	index := make([]int, len(blocks))
	for _, less := range orders {
		for j := range index {
			index[j] = j
		}
		sort.SliceStable(index, func(a, b int) bool { return less(blocks[index[a]], blocks[index[b]]) })
		keep(fit.first(index))
		simple = append(simple, slices.Clone(index))
	}
	switch {
	case len(blocks) <= exactBlocks:
		bound := least(blocks)
		slices.Sort(index)
		permutations(index, 0, func() bool { keep(fit.first(index)); return bytes > bound })
	case len(blocks) <= climbBlocks:
		bound := least(blocks)
		for _, index := range simple {
			if bytes > bound {
				keep(fit.climb(index, bound))
			}
		}
	}
	return offsets, bytes
}

// permutations calls try with index in every order, until it returns false.
func permutations(index []int, from int, try func() bool) bool {
	if from == len(index) {
		return try()
	}
	for i := from; i < len(index); i++ {
		index[from], index[i] = index[i], index[from]
		ok := permutations(index, from+1, try)
		index[from], index[i] = index[i], index[from]
		if !ok {
			return false
		}
	}
	return true
}

func align(n int) int { return (n + arenaAlign - 1) / arenaAlign * arenaAlign }

// held lists the bytes of all blocks that are alive at each step of a planned module.
func held(m *ir.Module, blocks []ir.Block) []int {
	bytes := make(bySteps, len(m.Ops)+1)
	for _, b := range blocks {
		bytes.add(b.From, b.To, b.Bytes)
	}
	return bytes.sums()
}

// bySteps are the changes of a sum at each step, and one more: what lives long need not be
// asked about at every step.
type bySteps []int

// add adds bytes in the steps from to until.
func (s bySteps) add(from, until, bytes int) {
	s[from] += bytes
	s[min(until+1, len(s)-1)] -= bytes
}

// sums are the sums of all steps.
func (s bySteps) sums() []int {
	for i := range len(s) - 1 {
		s[i+1] += s[i]
	}
	return s[:len(s)-1]
}

// LowerBound is the most bytes that a planned module holds at one step: the least arena
// of any plan in which no blocks overlap. A plan with overlaps may lie below it.
func LowerBound(m *ir.Module) int { return slices.Max(append(held(m, ir.Blocks(m)), 0)) }

// Explain describes a plan: its size, the bound, and who holds the peak.
func Explain(m *ir.Module) []string {
	blocks := ir.Blocks(m)
	bytes := held(m, blocks)
	bound := slices.Max(append(bytes, 0))
	lines := []string{fmt.Sprintf("arena %d bytes; without overlaps at least %d", m.Arena.Bytes, bound)}
	if bound == 0 {
		return lines
	}
	peak := slices.Index(bytes, bound)
	lines = append(lines, fmt.Sprintf("the peak is in %s:", m.Ops[peak].Name()))
	alive := slices.DeleteFunc(blocks, func(b ir.Block) bool { return peak < b.From || b.To < peak })
	slices.SortStableFunc(alive, func(a, b ir.Block) int { return a.Offset - b.Offset })
	for _, b := range alive {
		lines = append(lines, fmt.Sprintf("  %6d bytes at %6d  %s", b.Bytes, b.Offset, b.Name))
	}
	for _, n := range m.Ops {
		if n.Out.At.Kind == ir.InArena && n.Has(ir.AttrLag) {
			a := n.Args[0]
			if n.Out.At.Offset < a.At.Offset+a.Type.Slots() && a.At.Offset < n.Out.At.Offset+n.Out.Type.Slots() {
				lines = append(lines, fmt.Sprintf("%s overlaps %s, %d bytes before it", n.Name(), a.Name, a.At.Offset-n.Out.At.Offset))
			}
		}
	}
	return lines
}
