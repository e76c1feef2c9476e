package robust

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/quant"
)

// qed measures what each layer costs in each format, solves the knapsack for
// every size at once, measures the finalists jointly, and looks around the best.
func qed(ctx context.Context, s *Search, bytes int) (*Network, error) {
	if err := s.fill(ctx, s.judge.images, s.all); err != nil {
		return nil, err
	}
	s.charge()
	list, err := s.finalists(bytes)
	if err != nil {
		return nil, err
	}
	best, err := s.best(ctx, list)
	if err != nil {
		return nil, err
	}
	tried := map[string]bool{}
	for _, c := range list {
		tried[key(c.formats)] = true
	}
	return s.local(ctx, best, tried, bytes, localSteps)
}

// finalists are the plans of every surrogate for a number of bytes, and universal
// quantization within them.
func (s *Search) finalists(bytes int) (list []candidate, err error) {
	add := func(origin string, formats []quant.Format) {
		if !s.fits(formats, bytes) {
			return // pinned layers take universal over the budget
		}
		if !slices.ContainsFunc(list, func(c candidate) bool { return key(c.formats) == key(formats) }) {
			list = append(list, candidate{origin, formats})
		}
	}
	for _, g := range s.surrogates() {
		if plan := s.within(g, bytes); plan != nil {
			add("qed, "+g.name, s.formats(plan))
		}
	}
	if len(list) == 0 {
		return nil, s.tooSmall()
	}
	if u := s.universal(bytes); u != nil {
		add("universal", u)
	}
	return list, nil
}

// universal is the widest single width of the menus within bytes, or nil.
func (s *Search) universal(bytes int) []quant.Format {
	for w := s.widest(bytes); w > 0; w-- {
		u := s.uniform(ir.OddOf(w))
		isChoice := true
		for l, f := range u {
			isChoice = isChoice && s.place(l, f.Elem) >= 0
		}
		if isChoice && s.fits(u, bytes) {
			return u
		}
	}
	return nil
}

// uniform is one element type everywhere but where a layer has its own.
func (s *Search) uniform(e ir.Elem) []quant.Format {
	var list []quant.Format
	for l, own := range uniform(s.layers, e) {
		list = append(list, s.format(l, own))
	}
	return list
}

// localSteps is the networks that the local search measures.
const localSteps = 6

// local measures the neighbours of a network that fit the budget, the most
// promising by the table first, and moves to any that is better: a bit more here
// for a bit less there. The table forgets how layers act together; this does not.
// tried are the networks of this choice: what earlier ones measured must not steer it.
func (s *Search) local(ctx context.Context, best *Network, tried map[string]bool, bytes, steps int) (*Network, error) {
	for step := range steps {
		next := s.neighbour(best, tried, bytes)
		if next == nil || s.stopped() {
			break
		}
		if err := s.guess(ctx, best, tried, next, bytes, steps-step); err != nil {
			return nil, err
		}
		tried[key(next)] = true
		n, err := s.joint(ctx, s.final, "local search", next)
		if err != nil {
			return nil, err
		}
		s.report(n)
		if s.loss(n.cost) < s.loss(best.cost) {
			best = n
		}
	}
	return best, nil
}

// neighbour is the network nearest to one, by the table's costs, of all that
// differ in one or two layers, fit, and were not tried yet.
func (s *Search) neighbour(from *Network, tried map[string]bool, bytes int) []quant.Format {
	type move struct {
		layer, entry int
		bytes        int
		cost         float64
	}
	var moves []move
	for l, f := range from.Formats {
		at := s.place(l, f.Elem)
		if at < 0 {
			return nil
		}
		for i, e := range s.table[l] {
			if i != at && e.images > 0 {
				was := s.table[l][at]
				moves = append(moves, move{l, i, e.bytes - was.bytes, s.loss(e.cost) - s.loss(was.cost)})
			}
		}
	}
	// Moves that spend bytes, and those that free them.
	slices.SortStableFunc(moves, func(a, b move) int { return cmp.Compare(a.cost, b.cost) })
	var found []quant.Format
	least := math.Inf(1)
	try := func(list ...move) {
		sum, size := 0.0, from.Bytes
		for _, m := range list {
			sum, size = sum+m.cost, size+m.bytes
		}
		if sum >= least || size > bytes {
			return
		}
		next := slices.Clone(from.Formats)
		for _, m := range list {
			next[m.layer] = s.format(m.layer, s.menu[m.layer][m.entry])
		}
		if !tried[key(next)] && s.fits(next, bytes) {
			found, least = next, sum
		}
	}
	for i, a := range moves {
		try(a)
		for _, b := range moves[i+1:] {
			if a.cost+b.cost >= least {
				break // sorted: none after is nearer
			}
			if a.layer != b.layer {
				try(a, b)
			}
		}
	}
	return found
}
