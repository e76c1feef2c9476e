package machine

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/stripes"
)

// mostBounds is the number of bounds on steps that within tries, each at most a share of the arena's bound below the one before
// it; moreBounds are those that it tries below the first one with which the arena keeps its bound, as a schedule for less memory
// may be faster: its blocks may leave fewer gaps.
const (
	mostBounds = 16
	boundShare = 32
	moreBounds = 2
)

// within has steps that take more memory than there is computed by kernels that take no
// more, or as little as there are. The blocks of each step may fit where those of all do
// not, as they leave gaps between them: then steps are bounded by less. Where no kernels
// make the arena smaller, the fastest stay.
func within(m *ir.Module, t *processor.Target, ram int, fastest []Choice, start schedule) {
	if _, free := plan(blocksOf(m, t)); free > ram {
		list, _ := smaller(m, t, ram, fastest, start, free, mostBounds)
		list.assign(m)
	}
}

// What thrifty gives up at most, for how much less memory.
const (
	thriftCycles = 1.04 // of the cycles
	thriftSteps  = 500  // of networks with more, time would grow with the square of the steps
)

// thriftBytes are the shares of the arena to which it shrinks, one after the other.
var thriftBytes = []float64{2. / 3, 1. / 2, 2. / 5, 1. / 3, 1. / 4, 1. / 5}

// thrifty has a microcontroller, where nobody bounds memory, take kernels of less scratch and
// chains where the arena shrinks by a third or more and the cycles hardly grow.
func thrifty(m *ir.Module, t *processor.Target, fastest []Choice, start schedule) {
	if !strings.HasPrefix(t.ISA(), "thumb") && t.Arch != "riscv32" || len(m.Ops) > thriftSteps {
		return
	}
	singles(fastest).assign(m) // an arena of which shares are tried, whatever asks for rows
	_, free := plan(blocksOf(m, t))
	start.assign(m)
	_, least := plan(blocksOf(m, t))
	best := start
	for _, share := range thriftBytes {
		ram := int(float64(free) * share)
		list, bytes := smaller(m, t, ram, fastest, start, least, 0)
		if bytes > ram || list.cycles() > start.cycles()*thriftCycles {
			break
		}
		best = list
	}
	best.assign(m)
}

// smaller is a schedule with which an arena of free bytes takes at most ram, and what it takes
// then; or start, if none makes it smaller. more is the number of bounds on steps below
// ram that are tried.
func smaller(m *ir.Module, t *processor.Target, ram int, fastest []Choice, start schedule, free, more int) (best schedule, least int) {
	best, least = start, free
	try := func(bound int) (bytes int) {
		singles(fastest).assign(m)
		list := newSteps(m, t, bound).divided(fastest)
		list.assign(m)
		_, bytes = plan(blocksOf(m, t))
		if keeps := bytes <= ram; keeps && (least > ram || list.cycles() < best.cycles()) || !keeps && bytes < least {
			best, least = list, bytes
		}
		return bytes
	}
	bound, kept := ram, 0
	for range more + 1 {
		bytes := try(bound)
		if bytes <= ram {
			if kept++; kept > moreBounds || more == 0 {
				return best, least
			}
		}
		step := max(ram/boundShare, arenaAlign)
		if kept == 0 {
			step = min(step, max(bytes-ram, arenaAlign))
		}
		if bound -= step; bound <= 0 {
			break
		}
	}
	if more == 0 || kept > 0 {
		return best, least
	}
	// No plan keeps the bound, or none is found: the least is looked for from above, also where thrifty looks.
	try(0)
	for _, share := range thriftBytes {
		try(int(float64(free) * share))
	}
	for last := free + 1; least < last && least > ram; {
		last = least
		try(least - arenaAlign)
	}
	return best, least
}

// steps are the steps of a module with a bound on the bytes of the arena in each.
type steps struct {
	m        *ir.Module
	t        *processor.Target
	ram      int
	live     map[*ir.Value]ir.Interval
	returned map[*ir.Value]bool
	values   []int // bytes of all values in the arena, by steps
	parts    map[partKey]Choice
	fed      *ir.Interval // the readers of an input by rows; nil of none
}

func newSteps(m *ir.Module, t *processor.Target, ram int) *steps {
	live, returned, values := ir.Liveness(m), m.Returned(), make(bySteps, len(m.Ops)+1)
	for _, n := range m.Ops {
		if l := live[n.Out]; !returned[n.Out] {
			values.add(l.From, l.To, n.Out.Type.Slots())
		}
	}
	return &steps{m, t, ram, live, returned, values.sums(), map[partKey]Choice{}, readers(m)}
}

// isOver reports whether a step breaks the bound.
func (s *steps) isOver(i int) bool {
	bytes := s.values[i]
	if n := s.m.Ops[i]; n.Has(ir.AttrScratch) {
		bytes += n.Ints(ir.AttrScratch)[1]
	}
	return bytes > s.ram && s.bytes(i) > s.ram // values may overlap
}

// bytes is what the arena takes in a step: values, and the scratch of its node, whose
// result may lie over its argument.
func (s *steps) bytes(i int) int {
	n, now := s.m.Ops[i], ir.Interval{} // the one step that is looked at
	var list []*block
	var argument *block
	for _, earlier := range s.m.Ops[:i] {
		v := earlier.Out
		if s.live[v].To < i || s.returned[v] {
			continue
		}
		b := &block{bytes: v.Type.Slots(), live: now}
		if v == n.Args[0] && s.live[v].To == i {
			argument = b
		}
		list = append(list, b)
	}
	if !s.returned[n.Out] {
		b := &block{bytes: n.Out.Type.Slots(), live: now}
		if argument != nil {
			b.lie(n, argument, s.t)
		}
		list = append(list, b)
	}
	if n.Has(ir.AttrScratch) {
		list = append(list, &block{bytes: n.Ints(ir.AttrScratch)[1], live: now})
	}
	_, bytes := plan(list)
	return bytes
}

// Estimates are the cycles of layers of a planned module, as a bound on its arena leaves
// room for scratch.
type Estimates struct {
	steps   *steps
	at      map[string]int
	rounded map[estimate]*ir.Node // layers whose codes are known
	known   map[estimate]answer
}

// NewEstimates are those of a module that Select has planned; ram bounds the bytes of the
// arena, 0 is no bound. others are the same network in other formats: of these, too, the
// estimates are of the codes themselves.
func NewEstimates(m *ir.Module, t *processor.Target, ram int, others ...*ir.Module) *Estimates {
	if ram == 0 {
		ram = math.MaxInt
	}
	e := &Estimates{newSteps(m, t, ram), map[string]int{}, map[estimate]*ir.Node{}, map[estimate]answer{}}
	for i, n := range m.Ops {
		e.at[n.Name()] = i
	}
	for _, m := range append(others, m) {
		for _, n := range m.Ops {
			i, ok := e.at[n.Name()]
			if ok && n.Op.HasWeights() && n.Out.Type.Shape.Equal(e.steps.m.Ops[i].Out.Type.Shape) {
				e.rounded[estimate{i, n.Const(ir.AttrWeight).Type.Elem}] = n
			}
		}
	}
	return e
}

// Of is the cycles of a layer in a format, infinite where no kernel reads it, and whether
// the layer keeps the bound.
func (e *Estimates) Of(name string, format ir.Elem) (cycles float64, fits bool) {
	i, ok := e.at[name]
	if !ok {
		return math.Inf(1), false
	}
	key := estimate{i, format}
	known, ok := e.known[key]
	if !ok {
		known = answer{cycles: math.Inf(1)}
		if c := e.steps.m.InChains()[i]; c != nil {
			known = e.inChain(*c, i, format)
			e.known[key] = known
			return known.cycles, known.fits
		}
		l := kernel.Suppose(e.steps.m.Ops[i], e.steps.t, format)
		if n := e.rounded[key]; n != nil {
			l = kernel.Of(n, e.steps.t)
		}
		if c, bytes := e.steps.choose(i, l); c.Family != nil {
			known = answer{c.Plan.Cycles(), bytes <= e.steps.ram}
		}
		e.known[key] = known
	}
	return known.cycles, known.fits
}

// inChain is the answer for step i of a chain, whose other operations stay as they are.
func (e *Estimates) inChain(c ir.Chain, i int, format ir.Elem) answer {
	n := e.steps.m.Ops[i]
	ch, ok := stripes.New(e.steps.m, e.steps.live, c, false)
	if !ok {
		return answer{cycles: math.Inf(1)}
	}
	l := kernel.Suppose(ch.Part(i-c.From), e.steps.t, format)
	if own := e.rounded[estimate{i, format}]; own != nil {
		if part, ok := stripes.Part(own); ok {
			l = kernel.Of(part, e.steps.t)
		}
	}
	room := math.MaxInt
	if e.steps.ram < math.MaxInt {
		_, held := e.steps.during(c)
		if room = e.steps.ram - held[i-c.From]; n.Has(ir.AttrScratch) {
			room += align(n.Ints(ir.AttrScratch)[1])
		}
	}
	best, ok := fastestWithin(l, max(room, 0))
	if !ok {
		return answer{cycles: math.Inf(1)}
	}
	return answer{float64(ch.Times(i-c.From)) * best.Plan.Cycles(), best.Plan.Scratch() <= room}
}

// estimate is a step and the format of its weights.
type estimate struct {
	step   int
	format ir.Elem
}

type answer struct {
	cycles float64
	fits   bool
}

// choose is the cheapest kernel of a step's node, as a layer, among those with which the
// step keeps the bound; where there is none, the one that takes the fewest bytes. least is
// what the step takes with it. The node stays as it is.
func (s *steps) choose(i int, l kernel.Layer) (best Choice, least int) {
	n := s.m.Ops[i]
	attrs := slices.Clone(n.Attrs)
	defer func() { n.Attrs = attrs }()
	type rank struct {
		excess  int // bytes above the bound
		general bool
		cycles  float64
	}
	var first rank
	for _, f := range families.Table {
		p, ok := f.Serves(l)
		if !ok {
			continue
		}
		f.Assign(n, p)
		bytes := s.bytes(i)
		if scratch := p.Scratch(); bytes > s.ram && scratch > 0 {
			p = roomier(f, l, p, s.ram-(bytes-scratch))
			f.Assign(n, p)
			bytes = s.bytes(i)
		}
		own := rank{max(bytes-s.ram, 0), f.General, p.Cycles()}
		if best.Family == nil || cmp.Or(cmp.Compare(own.excess, first.excess), compareBool(own.general, first.general), cmp.Compare(own.cycles, first.cycles)) < 0 {
			best, least, first = Choice{f, p}, bytes, own
		}
	}
	return best, least
}

// roomier is the family's plan of a layer within room, or where it has none, its plan of least
// scratch. p is its plan without a bound.
func roomier(f *kernel.Family, l kernel.Layer, p kernel.Plan, room int) kernel.Plan {
	if q, ok := f.Serves(l.Within(room)); ok {
		return q
	}
	// The least room in which there is a plan lies above low, and not above that of p.
	for low := max(room, 0); low+1 < p.Scratch(); {
		middle := (low + p.Scratch()) / 2
		if q, ok := f.Serves(l.Within(middle)); ok && q.Scratch() < p.Scratch() {
			p = q
		} else {
			low = middle
		}
	}
	return p
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
