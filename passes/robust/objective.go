package robust

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/quant"
)

// BoundaryObjective is the mean relative loss of boundary distance under the first
// kind of error.
const BoundaryObjective = "boundary"

// Objectives are what Plan can make least: sums over the table, the divergence under
// each kind of error alone, clean first, and the loss of boundary distance.
func (s *Search) Objectives() (names []string) {
	for _, g := range s.objectives() {
		names = append(names, g.name)
	}
	return append(names, BoundaryObjective)
}

func (s *Search) objectives() []surrogate {
	list := s.surrogates()
	for _, g := range s.kindSurrogates() {
		if !slices.ContainsFunc(list, func(o surrogate) bool { return o.name == g.name }) {
			list = append(list, g)
		}
	}
	return list
}

// Plan is the network of least sum of one objective within packed bytes: the dynamic
// program alone, without the finalists and the local search of Qed, so that
// objectives can be told apart.
func (s *Search) Plan(ctx context.Context, objective string, bytes int) (*Network, error) {
	if err := s.fill(ctx, s.judge.images, s.all); err != nil {
		return nil, err
	}
	s.charge()
	var plan *Plan
	list := s.objectives()
	if i := slices.IndexFunc(list, func(g surrogate) bool { return g.name == objective }); i >= 0 {
		plan = s.within(list[i], bytes)
	} else {
		if objective != BoundaryObjective || len(s.env.Errors) == 0 {
			return nil, diag.New(diag.Pos{}, diag.BadValue, "no objective %q under these errors", objective).
				WithHelp("the objectives are %s", strings.Join(s.Objectives(), ", ")).WithSuggestion(objective, s.Objectives())
		}
		costs, err := s.boundaryCosts(ctx)
		if err != nil {
			return nil, err
		}
		plan = s.solve(costs, bytes)
	}
	if plan == nil {
		return nil, s.tooSmall()
	}
	return s.best(ctx, []candidate{{"plan, " + objective, s.formats(plan)}})
}

// boundaryCosts is the table of the loss of boundary distance; a little of the KL
// tells apart what few images do not.
func (s *Search) boundaryCosts(ctx context.Context) ([][]Choice, error) {
	costs := make([][]Choice, len(s.layers))
	err := s.oracle.walk(ctx, func(int) bool { return true }, func(l int, p *quant.Prepared) error {
		for f, e := range s.menu[l] {
			loss, err := s.oracle.boundaryLoss(ctx, l, p, s.format(l, e))
			if err != nil {
				return err
			}
			cost := s.table[l][f].KL / 10
			if !math.IsNaN(loss) {
				cost += max(loss, 0)
			}
			costs[l] = append(costs[l], s.choice(l, f, cost))
			if s.env.Progress != nil {
				s.env.Progress("boundary distances of layer", l+1, len(s.layers))
			}
		}
		return nil
	})
	return costs, err
}
