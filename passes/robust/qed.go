package robust

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/quant"
)

// qed measures what each layer costs in each format, solves the knapsack for
// every size at once, measures the finalists jointly, and looks around the best
// (DESIGN section 3).
func qed(ctx context.Context, s *Search, bytes int) (*Network, error) {
	if err := s.fill(ctx, s.judge.N, s.all); err != nil {
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
	if w := s.widest(bytes); w > 0 {
		add("universal", s.uniform(ir.OddOf(w)))
	}
	return list, nil
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
	for range steps {
		next := s.neighbour(best, tried, bytes)
		if next == nil || s.stopped() {
			break
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
				break // sorted: none behind is nearer
			}
			if a.layer != b.layer {
				try(a, b)
			}
		}
	}
	return found
}

// keepSteps is the joint measurements that the search for the smallest network
// of a retention may take.
const keepSteps = 7

// keeping returns the smallest network found whose retention on held-out images
// is at least keep: a bisection of the trade-off curve, every step measured.
// Robustness need not be monotone in size; the network that is returned was
// measured to keep what it should.
func (s *Search) keeping(ctx context.Context, m method, keep float64) (*Network, error) {
	sizes := s.everySize()
	lo, hi := sizes[0], sizes[len(sizes)-1]
	var found *Network
	for step := 0; lo <= hi && step < keepSteps; step++ {
		bytes := lo + (hi-lo)/2
		n, err := s.quick(ctx, m, bytes)
		var d *diag.Diagnostic
		if errors.As(err, &d) && d.Kind == diag.BadBudget { // the method has nothing this small
			lo = bytes + 1
			continue
		}
		if err != nil {
			return nil, err
		}
		kept, err := s.retention(ctx, n.Formats)
		if err != nil {
			return nil, err
		}
		seen := *n
		seen.Origin = fmt.Sprintf("%s, retention %.4f", n.Origin, kept.Value)
		s.report(&seen)
		if kept.Value >= keep {
			found, hi = &seen, n.Bytes-1
		} else {
			lo = bytes + 1
		}
		// What lies within a hundredth of the network's size is not worth a step.
		if (hi - lo) < sizes[len(sizes)-1]/100 {
			break
		}
	}
	if found == nil {
		return nil, diag.New(diag.Pos{}, diag.BadBudget, "no network measured keeps %v of the robust accuracy", keep).
			WithHelp("choose a smaller -keep, or allow wider -formats")
	}
	return found, nil
}

// quick is a method's first choice: bisection looks at many networks.
func (s *Search) quick(ctx context.Context, m method, bytes int) (*Network, error) {
	if m.name != "qed" {
		return m.choose(ctx, s, bytes)
	}
	if err := s.fill(ctx, s.judge.N, s.all); err != nil {
		return nil, err
	}
	if len(s.final.networks) == 0 {
		s.charge()
	}
	g := s.surrogates()[0]
	plan := s.within(g, bytes)
	if plan == nil {
		return nil, s.tooSmall()
	}
	return s.joint(ctx, s.final, "qed, "+g.name, s.formats(plan))
}

// everySize is the bytes of the smallest and of the largest network of the menu.
func (s *Search) everySize() []int {
	least, most := 0, 0
	for _, row := range s.table {
		by := func(a, b entry) int { return a.bytes - b.bytes }
		least += slices.MinFunc(row, by).bytes
		most += slices.MaxFunc(row, by).bytes
	}
	return []int{least, most}
}
