package robust

import (
	"context"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/interp"
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
	bytes int
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
	if err := s.judging(ctx); err != nil {
		return err
	}
	rounded := make([][]*quant.Rounded, len(s.layers))
	err := s.rounder.Walk(ctx, func(int) bool { return true }, func(l int, n *ir.Node, p *quant.Prepared) error {
		for _, e := range s.menu[l] {
			r, err := s.rounder.Layer(ctx, n, p, s.format(l, e))
			if err != nil {
				return err
			}
			rounded[l] = append(rounded[l], r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	input := make(interp.Tensors[float32], len(s.prefix))
	s.float.Feed(input, s.judge.X, s.judge.N)
	return s.descend(ctx, rounded, s.float, input, nil, 0)
}

// descend fixes the format of one layer after the other: networks that begin
// alike share the work.
func (s *Search) descend(ctx context.Context, rounded [][]*quant.Rounded, prog *interp.Float, values interp.Tensors[float32], picks []int, bytes int) error {
	l := len(picks)
	from, to := 0, len(s.m.Ops)
	if l > 0 {
		from = prog.Index(s.layers[l-1])
	}
	if l < len(s.layers) {
		to = prog.Index(s.layers[l])
	}
	t := make(interp.Tensors[float32], len(values))
	copy(t, values)
	for _, o := range s.m.Ops[from:to] {
		t[prog.ID(o.Out)] = make([]float32, s.judge.N*prog.Size(o.Out))
	}
	if err := prog.Run(ctx, t, s.judge.N, from, to); err != nil {
		return err
	}
	for _, o := range s.m.Ops[from:to] {
		s.env.Report.MACs += int64(o.MACs()) * int64(s.judge.N)
	}
	if l == len(s.layers) {
		s.env.Report.Evaluations++
		s.assignments = append(s.assignments, assignment{picks, bytes, s.costOf(s.judge, t[prog.ID(s.m.Outputs[0])])})
		if s.env.Progress != nil {
			s.env.Progress("every assignment", len(s.assignments), 0)
		}
		return nil
	}
	for f, r := range rounded[l] {
		bias, err := quant.Bias(s.layers[l], r)
		if err != nil {
			return err
		}
		next := append(picks[:l:l], f)
		if err := s.descend(ctx, rounded, interp.Override(prog, s.layers[l], r.Weights, bias), t, next, bytes+s.table[l][f].bytes); err != nil {
			return err
		}
	}
	return nil
}
