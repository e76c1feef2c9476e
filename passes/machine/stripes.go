package machine

import (
	"cmp"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/stripes"
)

// unit is one operation with its kernel, or a chain of operations in stripes with theirs.
type unit struct {
	from, to int
	choices  []Choice
	chain    *stripes.Chain // nil of one operation
	cycles   float64
	bytes    int // of the arena while a chain runs
	excess   int // bytes above the bound
}

// schedule is the units of a module in order.
type schedule []unit

// singles is the schedule without chains.
func singles(list []Choice) schedule {
	s := make(schedule, len(list))
	for i, c := range list {
		s[i] = unit{from: i, to: i, choices: list[i : i+1], cycles: c.Plan.Cycles()}
	}
	return s
}

// assign has a schedule compute a module.
func (s schedule) assign(m *ir.Module) {
	for _, n := range m.Ops {
		n.Drop(stripes.Keys...)
	}
	for _, u := range s {
		for k, c := range u.choices {
			c.assign(m.Ops[u.from+k])
		}
		if u.chain != nil {
			u.chain.Assign()
		}
	}
}

func (s schedule) cycles() (sum float64) {
	for _, u := range s {
		sum += u.cycles
	}
	return sum
}

// What a chain costs beside its kernels, in instructions, counted on Cortex-M.
const (
	perRow    = 25. // the call of a kernel, and moving its pointers
	perCopy   = 40.
	perCopied = .8 // a byte that stays for the next stripe
)

// longestChain bounds the operations of a chain, mostFine those side by side in it that do not
// need it.
const (
	longestChain = 40
	mostFine     = 4
)

// divided is the cheapest schedule whose units each keep the bound, or exceed it least. A
// chain is tried where one of its operations breaks the bound with its fastest kernel, and where
// it asks for the rows of the input: nil where no kernels do that.
func (s *steps) divided(fastest []Choice) schedule {
	n := len(s.m.Ops)
	over := make([]bool, n)
	single := make([]unit, n)
	for i, node := range s.m.Ops {
		over[i] = s.isOver(i)
		single[i] = unit{from: i, to: i, choices: []Choice{fastest[i]}, cycles: fastest[i].Plan.Cycles()}
		if over[i] {
			c, bytes := s.choose(i, kernel.Of(node, s.t))
			single[i] = unit{from: i, to: i, choices: []Choice{c}, cycles: c.Plan.Cycles(), excess: max(bytes-s.ram, 0)}
		}
	}
	// best[i] begins the cheapest schedule of the operations from i on.
	best := make([]rest, n+1)
	for i := n - 1; i >= 0; i-- {
		if s.fed != nil && i == s.fed.From {
			first, ok := s.asking(over, best)
			if !ok {
				return nil
			}
			best[i] = first
			continue
		}
		best[i] = rest{single[i], max(single[i].excess, best[i+1].excess), single[i].cycles + best[i+1].cycles}
		broken, fine := false, 0 // operations since the last one that breaks the bound
		for j := i; j < min(i+longestChain, n) && stripes.Serves(s.m.Ops[j]); j++ {
			broken = broken || over[j]
			if fine++; over[j] {
				fine = 0
			}
			if fine > mostFine {
				break
			}
			if !broken || j == i {
				continue
			}
			u, ok := s.chain(i, j, best[i].excess)
			if !ok {
				continue
			}
			r := best[j+1].after(u)
			if r.excess < best[i].excess || r.excess == best[i].excess && r.cycles < best[i].cycles {
				best[i] = r
			}
		}
	}
	var list schedule
	for i := 0; i < n; i = list[len(list)-1].to + 1 {
		list = append(list, best[i].unit)
	}
	return list
}

// rest is a schedule of the operations from one on: its first unit, and what all take.
type rest struct {
	unit   unit
	excess int
	cycles float64
}

// after is a schedule with a unit before it.
func (r rest) after(u unit) rest { return rest{u, max(u.excess, r.excess), u.cycles + r.cycles} }

// askingCycles is how much more a chain that asks for rows may take than the cheapest one, where
// nothing bounds memory: more rows a stripe are a little faster and take more of it.
const askingCycles = 1.01

// asking is the schedule from the first operation on that reads an input by rows: a chain with all
// that read it. best are those of later operations.
func (s *steps) asking(over []bool, best []rest) (chosen rest, ok bool) {
	var list []rest
	i, fine := s.fed.From, 0
	for j := i; j < min(i+longestChain, len(s.m.Ops)) && stripes.Serves(s.m.Ops[j]); j++ {
		if fine++; over[j] || j <= s.fed.To {
			fine = 0
		}
		if fine > mostFine {
			break
		}
		if j >= s.fed.To {
			s.chains(i, j, math.MaxInt, func(u unit) { list = append(list, best[j+1].after(u)) })
		}
	}
	if len(list) == 0 {
		return rest{}, false
	}
	chosen = slices.MinFunc(list, func(a, b rest) int { return cmp.Or(cmp.Compare(a.excess, b.excess), cmp.Compare(a.cycles, b.cycles)) })
	if s.ram < math.MaxInt {
		return chosen, true
	}
	most := chosen.cycles * askingCycles
	for _, r := range list {
		if r.cycles <= most && r.unit.bytes < chosen.unit.bytes {
			chosen = r
		}
	}
	return chosen, true
}

// chain is the cheapest unit of the operations i to j as a chain that keeps the bound, or the
// one of the fewest bytes. A chain that exceeds the bound by more than limit is not needed.
func (s *steps) chain(i, j, limit int) (best unit, ok bool) {
	s.chains(i, j, limit, func(u unit) {
		if !ok || u.excess < best.excess || u.excess == best.excess && u.cycles < best.cycles {
			best, ok = u, true
		}
	})
	return best, ok
}

// chains finds units of the operations i to j as a chain.
func (s *steps) chains(i, j, limit int, found func(u unit)) {
	last := s.m.Ops[j].Out
	if len(last.Type.Shape) != 3 || s.whole(i, j)-s.ram > limit {
		return
	}
	for _, apart := range []bool{false, true} {
		// More rows take more memory and fewer copies, and leave less room for scratch.
		for _, rows := range candidates(last.Type.Shape[1]) {
			u, fine := s.striped(ir.Chain{From: i, To: j, Rows: rows}, apart, limit)
			if !fine {
				break
			}
			found(u)
			if u.excess > 0 {
				break
			}
		}
	}
}

// whole is the bytes of the values that are whole all the while a chain of the operations i to j runs.
func (s *steps) whole(i, j int) (bytes int) {
	for _, n := range s.m.Ops[:i] {
		if s.live[n.Out].To >= i && !s.returned[n.Out] {
			bytes += n.Out.Type.Slots()
		}
	}
	if last := s.m.Ops[j].Out; !s.returned[last] {
		bytes += last.Type.Slots()
	}
	return bytes
}

// candidates are the rows of a stripe that are tried, of an image of some height.
func candidates(height int) (list []int) {
	for r := 1; r*2 <= height; r++ {
		if height%r == 0 || r&(r-1) == 0 || r%3 == 0 && r/3&(r/3-1) == 0 {
			list = append(list, r)
		}
	}
	return list
}

// striped is a unit of a chain, with the fastest kernels for which there is room; ok is false
// also where it exceeds the bound by more than limit without any scratch.
func (s *steps) striped(c ir.Chain, apart bool, limit int) (u unit, ok bool) {
	ch, ok := stripes.New(s.m, s.live, c, apart)
	if !ok {
		return unit{}, false
	}
	saved := make([][]ir.Attr, len(ch.Nodes))
	for k, n := range ch.Nodes {
		saved[k] = slices.Clone(n.Attrs)
		n.Drop(ir.AttrScratch)
	}
	defer func() {
		for k, n := range ch.Nodes {
			n.Attrs = saved[k]
		}
	}()
	ch.Assign()
	u = unit{from: c.From, to: c.To, chain: ch}
	// Each node has the room that the bound leaves beside what is alive then; less, where that
	// leaves gaps between the blocks; and in the end as much as if nothing could overlap.
	without, held := s.during(c)
	if without-s.ram > limit {
		return unit{}, false
	}
	rooms := slices.Repeat([]int{math.MaxInt}, len(ch.Nodes))
	for try := 0; ; try++ {
		u.choices, u.cycles = nil, 0
		for k, n := range ch.Nodes {
			best, found := s.part(ch, k, n, rooms[k])
			if !found {
				return unit{}, false
			}
			best.assign(n)
			u.choices = append(u.choices, best)
			u.cycles += float64(ch.Times(k)) * (best.Plan.Cycles() + perRow)
		}
		bytes, _ := s.during(c)
		u.bytes = bytes
		if u.excess = max(bytes-s.ram, 0); u.excess == 0 || try == 3 {
			break
		}
		for k := range rooms {
			switch try {
			case 0:
				rooms[k] = max(s.ram-held[k], 0)
			case 1:
				rooms[k] = max(min(rooms[k], s.ram-held[k]-u.excess), 0)
			default:
				rooms[k] = max(s.ram-without, 0)
			}
		}
	}
	u.cycles += copies(ch)
	return u, true
}

// part is what fastestWithin chooses for a row of node k.
func (s *steps) part(ch *stripes.Chain, k int, n *ir.Node, room int) (best Choice, ok bool) {
	key := partKey{n, room}
	if c, known := s.parts[key]; known {
		return c, c.Family != nil
	}
	best, ok = fastestWithin(kernel.Of(ch.Part(k), s.t), room)
	s.parts[key] = best
	return best, ok
}

// fastestWithin is the fastest kernel of a layer with scratch for which there is room, or the
// one of least scratch. General families come last.
func fastestWithin(l kernel.Layer, room int) (best Choice, ok bool) {
	list := Serving(l)
	if room < math.MaxInt {
		list = append(list, Serving(l.Within(room))...)
	}
	for _, c := range list {
		fits, fitted := c.Plan.Scratch() <= room, best.Family != nil && best.Plan.Scratch() <= room
		switch {
		case best.Family == nil, fits && !fitted, !fits && !fitted && c.Plan.Scratch() < best.Plan.Scratch():
			best = c
		case fits && (best.Family.General && !c.Family.General || c.Family.General == best.Family.General && c.Plan.Cycles() < best.Plan.Cycles()):
			best = c
		}
	}
	return best, best.Family != nil
}

// partKey is a question for the kernel of a row.
type partKey struct {
	node *ir.Node
	room int
}

// during is the bytes of the arena while a chain runs, and the bytes of all blocks that are alive
// while each of its operations does.
func (s *steps) during(c ir.Chain) (bytes int, held []int) {
	var list []*block
	there := map[*block]bool{}
	for _, b := range blocksOf(s.m, s.t) {
		if b.live.From <= c.To && b.live.To >= c.From {
			list, there[b] = append(list, b), true
			b.live = ir.Interval{From: max(b.live.From, c.From), To: min(b.live.To, c.To)}
		}
	}
	for _, b := range list {
		if !there[b.over] {
			b.over = nil
		}
	}
	alive := make(bySteps, c.To-c.From+2)
	for _, b := range list {
		alive.add(b.live.From-c.From, b.live.To-c.From, align(b.bytes))
	}
	if bytes = least(list); bytes <= s.ram {
		_, bytes = plan(list)
	}
	return bytes, alive.sums()
}

// copies estimates what a chain takes to keep rows from one stripe to the next.
func copies(c *stripes.Chain) (sum float64) {
	for s := range c.Stripes {
		for _, a := range c.Actions(s) {
			switch a.Kind {
			case stripes.Ask:
				sum += perRow * float64(a.Rows)
			case stripes.Copy:
				sum += perCopy + perCopied*float64(a.Bytes)
			case stripes.Fill:
				sum += perCopy + perCopied*float64(a.Rows*a.Buffer.RowBytes())
			}
		}
	}
	return sum
}
