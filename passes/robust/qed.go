package robust

import (
	"context"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// search is one run of Qed.
type search struct {
	m       *ir.Module
	env     *pass.Env
	layers  []*ir.Node
	samples data.Batch // disturbed calibration images
	logits  []float32  // of the float network on them
	classes int
	menu    [][]ir.Elem // formats of each layer
	plans   [][]Plan    // the trade-off curve by each surrogate, KL first
	float   *interp.Float
	setup   measure.Setup  // of retention, once -keep needs it
	exact   *measure.Score // of the float network
}

// qed measures what each layer costs at each width, solves the knapsack for
// every size at once, and measures the finalists jointly (DESIGN section 3).
func qed(ctx context.Context, m *ir.Module, env *pass.Env) ([]ir.Elem, error) {
	samples, err := env.Samples()
	if err != nil {
		return nil, err
	}
	s := &search{m: m, env: env, layers: m.Layers(), samples: samples}
	if len(s.layers) == 0 {
		return nil, nil
	}
	table, err := s.table(ctx)
	if err != nil {
		return nil, err
	}
	for i := range surrogates {
		s.plans = append(s.plans, Pareto(choices(table, i)))
	}
	if bytes, ok := limit(s.layers, env.Budget); ok {
		return s.within(ctx, bytes)
	}
	return s.keeping(ctx, env.Budget.Keep)
}

// surrogates are the measures of divergence whose tables give candidates.
var surrogates = []struct {
	name string
	of   func(measure.Divergence) float64
}{
	{"KL", func(d measure.Divergence) float64 { return d.KL }},
	{"squared error", func(d measure.Divergence) float64 { return d.MSE }},
	// Few images flip; a little of the KL tells the others apart.
	{"flips", func(d measure.Divergence) float64 { return d.Flips + d.KL/10 }},
}

// entry is one cell of the cost table.
type entry struct {
	bytes int
	measure.Divergence
}

// choices is the table under one surrogate.
func choices(table [][]entry, surrogate int) [][]Choice {
	out := make([][]Choice, len(table))
	for l, row := range table {
		for _, e := range row {
			out[l] = append(out[l], Choice{e.bytes, surrogates[surrogate].of(e.Divergence)})
		}
	}
	return out
}

// table measures c[l][f], how far the network's answers move from the float
// network's when layer l alone is rounded to format f. The activations before
// the layer do not change, so they are computed once and only the operations
// behind it run again.
func (s *search) table(ctx context.Context) ([][]entry, error) {
	r, err := quant.NewRounder(s.m, s.samples)
	if err != nil {
		return nil, err
	}
	prog, n := r.Prog, s.samples.N
	s.float = prog
	keep := []*ir.Value{s.m.Outputs[0]}
	for _, o := range s.m.Ops {
		keep = append(keep, o.Out)
	}
	prefix := prog.Tensors(n, keep...)
	prefix[prog.ID(s.m.Inputs[0])] = s.samples.X
	if err := prog.Run(ctx, prefix, n, 0, len(s.m.Ops)); err != nil {
		return nil, err
	}
	s.logits = prefix[prog.ID(s.m.Outputs[0])]
	s.classes = prog.Size(s.m.Outputs[0])

	total, done := 0, 0
	for _, l := range s.layers {
		s.menu = append(s.menu, menu(l, s.env.Formats))
		total += len(menu(l, s.env.Formats))
	}
	var table [][]entry
	for i, l := range s.layers {
		x := prefix[prog.ID(l.Args[0])]
		prepared := r.Prepare(l, x)
		costs := pass.LayerCosts{Name: l.Name(), Elems: s.menu[i]}
		row := make([]entry, len(s.menu[i]))
		for j, e := range s.menu[i] {
			rounding := s.env.Rounding
			if rounding == "" {
				rounding = defaultRounding(e)
			}
			cost, err := s.cost(ctx, r, prefix, l, prepared, e, rounding)
			if err != nil {
				return nil, err
			}
			row[j] = entry{layerBytes(l, e), cost}
			costs.KL, costs.MSE, costs.Flips = append(costs.KL, cost.KL), append(costs.MSE, cost.MSE), append(costs.Flips, cost.Flips)
			done++
			if s.env.Progress != nil {
				s.env.Progress("measuring widths", done, total)
			}
		}
		s.env.Search.Table = append(s.env.Search.Table, costs)
		table = append(table, row)
	}
	return table, nil
}

// cost measures one entry of the table.
func (s *search) cost(ctx context.Context, r *quant.Rounder, prefix interp.Tensors[float32], l *ir.Node, p *quant.Prepared, e ir.Elem, rounding string) (d measure.Divergence, err error) {
	rounded, err := r.Layer(ctx, l, p, quant.Format{Elem: e, Rounding: rounding})
	if err != nil {
		return d, err
	}
	bias, err := quant.Bias(l, rounded)
	if err != nil {
		return d, err
	}
	prog := interp.Override(r.Prog, l, rounded.Weights, bias)
	from := prog.Index(l)
	t := slices.Clone(prefix)
	for _, o := range s.m.Ops[from:] {
		t[prog.ID(o.Out)] = nil
		s.env.Search.MACs += int64(o.MACs()) * int64(s.samples.N)
	}
	out := prog.ID(s.m.Outputs[0])
	t[out] = make([]float32, len(prefix[out]))
	if err := prog.Run(ctx, t, s.samples.N, from, len(s.m.Ops)); err != nil {
		return d, err
	}
	s.env.Search.Evaluations++
	return measure.Diverge(s.logits, t[out], s.classes), nil
}

// elems are the formats of a plan.
func (s *search) elems(p *Plan) []ir.Elem {
	picks := make([]ir.Elem, len(p.Picks))
	for l, i := range p.Picks {
		picks[l] = s.menu[l][i]
	}
	return picks
}

// within returns the better, measured jointly, of Qed's plan for a number of
// bytes and universal quantization within them.
func (s *search) within(ctx context.Context, bytes int) ([]ir.Elem, error) {
	var candidates []pass.Finalist
	add := func(origin string, elems []ir.Elem) {
		for _, c := range candidates {
			if slices.Equal(c.Elems, elems) {
				return
			}
		}
		candidates = append(candidates, pass.Finalist{Origin: origin, Elems: elems})
	}
	for i, plans := range s.plans {
		if plan := Within(plans, bytes); plan != nil {
			add("qed, "+surrogates[i].name, s.elems(plan))
		}
	}
	if len(candidates) == 0 {
		return nil, s.tooSmall()
	}
	if w := widest(s.layers, bytes); w > 0 {
		add("universal", uniform(s.layers, ir.OddOf(w)))
	}
	best := -1
	for i := range candidates {
		c := &candidates[i]
		c.Bytes, _, _ = sizes(s.layers, c.Elems)
		if c.Bytes > bytes {
			continue // pinned layers take universal over the budget
		}
		kl, _, err := s.joint(ctx, c.Elems)
		if err != nil {
			return nil, err
		}
		c.KL = kl
		if best < 0 || kl < candidates[best].KL {
			best = i
		}
	}
	candidates[best].Chosen = true
	s.env.Search.KL = candidates[best].KL
	s.env.Search.Finalists = append(s.env.Search.Finalists, candidates...)
	return candidates[best].Elems, nil
}

// keepSteps is the joint measurements that the search for the smallest network
// of a retention may take.
const keepSteps = 7

// keeping returns the smallest network found whose retention on the
// calibration images is at least keep: a bisection of the trade-off curve,
// every step measured. Robustness need not be monotone in size; the network
// that is returned was measured to keep what it should.
func (s *search) keeping(ctx context.Context, keep float64) ([]ir.Elem, error) {
	var found []ir.Elem
	plans := s.plans[0]
	lo, hi := 0, len(plans)-1
	for step := 0; lo <= hi && step < keepSteps; step++ {
		mid := (lo + hi) / 2
		// The curve is denser at its cheap end; bisect by bytes, not by index.
		if step > 0 {
			target := (plans[lo].Bytes + plans[hi].Bytes) / 2
			mid = slices.IndexFunc(plans, func(p Plan) bool { return p.Bytes >= target })
		}
		p := &plans[mid]
		kl, net, err := s.joint(ctx, s.elems(p))
		if err != nil {
			return nil, err
		}
		retention, err := s.retention(ctx, net)
		if err != nil {
			return nil, err
		}
		f := pass.Finalist{Origin: fmt.Sprintf("qed, retention %.4f", retention), Elems: s.elems(p), Bytes: p.Bytes, KL: kl}
		if retention >= keep {
			for i := range s.env.Search.Finalists {
				s.env.Search.Finalists[i].Chosen = false
			}
			f.Chosen, found, s.env.Search.KL = true, f.Elems, kl
			hi = mid - 1
		} else {
			lo = mid + 1
		}
		s.env.Search.Finalists = append(s.env.Search.Finalists, f)
	}
	if found == nil {
		return nil, diag.New(diag.Pos{}, diag.BadBudget, "no network measured keeps %v of the robust accuracy", keep).
			WithHelp("the widest layers of 8 bits were tried; choose a smaller -keep")
	}
	return found, nil
}

// joint rounds a whole network as it would ship and measures it in integers on
// the disturbed calibration images: mean KL divergence from the float network.
func (s *search) joint(ctx context.Context, picks []ir.Elem) (float64, *interp.Int, error) {
	c := s.m.Clone()
	apply(c.Layers(), picks, s.env.Rounding)
	if err := quant.Quantize(ctx, c, s.env); err != nil {
		return 0, nil, err
	}
	prog, err := interp.CompileInt(c)
	if err != nil {
		return 0, nil, err
	}
	out, err := interp.Logits(ctx, prog, s.samples.X, s.samples.N)
	if err != nil {
		return 0, nil, err
	}
	s.count(c, s.samples.N)
	if s.env.Progress != nil {
		s.env.Progress("measuring networks", len(s.env.Search.Finalists)+1, 0)
	}
	return measure.MeanKL(s.logits, out, s.classes), prog, nil
}

// count adds one run of a whole network over n images to the effort.
func (s *search) count(m *ir.Module, n int) {
	s.env.Search.Evaluations++
	for _, o := range m.Ops {
		s.env.Search.MACs += int64(o.MACs()) * int64(n)
	}
}

// retention is the share of the float network's robust accuracy that a rounded
// network keeps: every image under every condition. The images are held out, for
// rounding has made the network right on those that it was calibrated on. Without
// labels the float network's own answers are taken for them.
func (s *search) retention(ctx context.Context, prog *interp.Int) (float64, error) {
	nets := []measure.Network{func(ctx context.Context, x []float32, n int) ([]float32, error) {
		return interp.Logits(ctx, prog, x, n)
	}}
	if s.exact == nil {
		judge := s.env.Calibration
		if s.env.Holdout != nil {
			judge = s.env.Holdout
		}
		clean, err := judge()
		if err != nil {
			return 0, err
		}
		if clean.Labels == nil {
			logits, err := s.float.Forward(ctx, clean.X, clean.N)
			if err != nil {
				return 0, err
			}
			clean.Labels = measure.Answers(logits, s.classes)
		}
		s.setup = measure.Setup{Images: clean, Conditions: s.env.Errors, Seed: s.env.Seed, Low: s.env.Low, High: s.env.High, Gradient: s.env.Gradient}
		nets = append(nets, s.float.Forward)
	}
	scores, err := measure.Robust(ctx, s.setup, nets...)
	if err != nil {
		return 0, err
	}
	if s.exact == nil {
		s.exact = scores[1]
	}
	for range nets {
		s.count(s.m, s.setup.Images.N*(len(s.env.Errors)+1))
	}
	return scores[0].Retention(s.exact).Value, nil
}
