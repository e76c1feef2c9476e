package robust

import (
	"context"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/quant"
)

// maxAssignments bounds an exhaustive search.
const maxAssignments = 20000

// exhaustive measures every assignment of formats, each layer rounded alone, and
// ships the best that fits: what Qed's additive costs are compared with.
func exhaustive(ctx context.Context, s *Search, bytes int) (*Network, error) {
	if s.assignments == nil {
		if err := s.everyAssignment(ctx); err != nil {
			return nil, err
		}
	}
	var best *assignment
	for i := range s.assignments {
		a := &s.assignments[i]
		if s.fits(s.formats(&Plan{Picks: a.picks}), bytes) && (best == nil || s.loss(a.cost) < s.loss(best.cost)) {
			best = a
		}
	}
	if best == nil {
		return nil, s.tooSmall()
	}
	return s.best(ctx, []candidate{{"exhaustive", s.formats(&Plan{Picks: best.picks})}})
}

// assignment is one choice for every layer, measured with float activations.
type assignment struct {
	picks []int
	cost
}

func (s *Search) everyAssignment(ctx context.Context) error {
	total := 1
	for _, list := range s.menu {
		if total *= len(list); total > maxAssignments {
			return diag.New(diag.Pos{}, diag.BadBudget, "-search exhaustive would measure more than %d networks", maxAssignments).
				WithHelp("restrict -formats, or use -search qed")
		}
	}
	if err := s.oracle.prepare(ctx); err != nil {
		return err
	}
	formats := make([][]quant.Format, len(s.layers))
	for l, list := range s.menu {
		for _, e := range list {
			formats[l] = append(formats[l], s.format(l, e))
		}
	}
	return s.oracle.assignments(ctx, formats, func(picks []int, c cost, macs int64) {
		s.env.Report.MACs += macs
		s.env.Report.Evaluations++
		s.assignments = append(s.assignments, assignment{picks, c})
		if s.env.Progress != nil {
			s.env.Progress("every assignment", len(s.assignments), 0)
		}
	})
}
