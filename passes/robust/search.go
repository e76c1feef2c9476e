package robust

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Version is of what searches choose within a number of bytes: another one means that
// equal inputs may give another network, and that what was measured before is of the past.
// (What a -keep finds may change without: nothing is kept of it.)
const Version = 4

// Search chooses formats for one calibrated network. It keeps what it measures:
// a second budget or another method costs little more.
type Search struct {
	m       *ir.Module
	env     *pass.Env
	layers  []*ir.Node
	menu    [][]ir.Elem // formats of each layer
	float   *interp.Float
	rounder *quant.Rounder
	classes int

	judge     *exam // of the table
	final     *exam // of whole networks; the same where there are few images
	kinds     int   // of error, clean first
	kindNames []string
	kindOf    []int                   // kind of each condition
	prefix    interp.Tensors[float32] // of the float network on the judged images
	recompute bool                    // prefix holds the images alone: more would not fit

	most      float64                 // cycles of all layers
	estimates map[layerFormat]float64 // cycles that have been asked for, where they are bounded

	id            string // identity, once it is known
	table         [][]entry
	nearest       [][]step // of greedyNearest
	nearestEffort effort
	spent         effort // on the table
	curves        map[string][]Plan
	fisherCosts   [][]Choice
	assignments   []assignment

	setup measure.Setup  // of retention, once -keep needs it
	exact *measure.Score // of the float network
}

// exam is disturbed held-out images with the float network's answers, and the
// networks that were measured on them.
type exam struct {
	data.Batch
	logits   []float32 // nil until they are needed
	networks map[string]*Network
}

// Network is a choice of formats that was rounded as a whole and measured in the
// integers that ship.
type Network struct {
	Origin  string
	Formats []quant.Format
	Bytes   int // packed weights with their codebooks
	cost
}

// Key tells networks of one search apart.
func (n *Network) Key() string { return key(n.Formats) }

// New prepares a search over a calibrated module.
func New(m *ir.Module, env *pass.Env) (*Search, error) {
	if len(env.Formats) == 0 {
		var err error
		if env.Formats, err = Formats(Default); err != nil {
			return nil, err
		}
	}
	samples, err := env.Samples()
	if err != nil {
		return nil, err
	}
	judge, err := env.Judge()
	if err != nil {
		return nil, err
	}
	final, err := env.Final()
	if err != nil {
		return nil, err
	}
	r, err := quant.NewRounder(m, samples, env.Memory())
	if err != nil {
		return nil, err
	}
	s := &Search{
		m: m, env: env, layers: m.Layers(), rounder: r, float: r.Prog, judge: &exam{Batch: judge, networks: map[string]*Network{}},
		classes: r.Prog.Size(m.Outputs[0]), curves: map[string][]Plan{},
		kinds: 1, kindNames: []string{measure.Clean}, kindOf: []int{0},
	}
	if s.final = s.judge; final.N > 0 {
		s.final = &exam{Batch: final, networks: map[string]*Network{}}
	}
	for _, e := range env.Errors {
		k := slices.Index(s.kindNames, e.Kind.Name)
		if k < 0 {
			k = s.kinds
			s.kindNames = append(s.kindNames, e.Kind.Name)
			s.kinds++
		}
		s.kindOf = append(s.kindOf, k)
	}
	for _, l := range s.layers {
		list := menu(l, env)
		row := make([]entry, len(list))
		for i, e := range list {
			row[i].bytes = layerBytes(l, e)
		}
		s.menu, s.table = append(s.menu, list), append(s.table, row)
	}
	if err := s.bound(); err != nil {
		return nil, err
	}
	return s, s.load()
}

func (s *Search) worst() bool { return s.env.Objective == pass.Worst }

func (s *Search) stopped() bool {
	return s.env.Stop != nil && s.env.Stop() || s.env.Effort > 0 && s.spent.macs >= s.env.Effort
}

// loss is what the search makes least.
func (s *Search) loss(c cost) float64 {
	if s.worst() {
		return slices.Max(c.Kinds)
	}
	return c.KL
}

func key(formats []quant.Format) string {
	var b strings.Builder
	for _, f := range formats {
		b.WriteString(f.String() + " ")
	}
	return b.String()
}

// Quantized is the module of integers in which layers have formats.
func (s *Search) Quantized(ctx context.Context, formats []quant.Format) (*ir.Module, error) {
	rounded, err := s.rounder.Sequential(ctx, formats)
	if err != nil {
		return nil, err
	}
	c := s.m.Clone()
	apply(c.Layers(), formats)
	return c, quant.Lower(c, rounded)
}

// joint rounds a whole network as it would ship and measures it in integers.
func (s *Search) joint(ctx context.Context, x *exam, origin string, formats []quant.Format) (*Network, error) {
	s.count(x.N) // also when an earlier choice measured it
	if n := x.networks[key(formats)]; n != nil {
		seen := *n
		seen.Origin = origin
		return &seen, nil
	}
	c, err := s.Quantized(ctx, formats)
	if err != nil {
		return nil, err
	}
	if err := s.answer(ctx, x); err != nil {
		return nil, err
	}
	prog, err := interp.CompileInt(c)
	if err != nil {
		return nil, err
	}
	logits, err := interp.Logits(ctx, prog, x.X, x.N)
	if err != nil {
		return nil, err
	}
	n := &Network{Origin: origin, Formats: formats, cost: s.costOf(x, logits)}
	n.Bytes, _, _ = sizes(s.layers, elems(formats))
	x.networks[key(formats)] = n
	if s.env.Progress != nil {
		s.env.Progress("measuring networks", len(x.networks), 0)
	}
	return n, nil
}

// answer runs the float network on the images of an exam, once.
func (s *Search) answer(ctx context.Context, x *exam) (err error) {
	if x == s.judge {
		return s.judging(ctx)
	}
	if x.logits == nil {
		x.logits, err = s.float.Forward(ctx, x.X, x.N)
	}
	return err
}

// count adds one run of a whole network over n images to the effort.
func (s *Search) count(n int) {
	s.env.Report.Evaluations++
	for _, o := range s.m.Ops {
		s.env.Report.MACs += int64(o.MACs()) * int64(n)
	}
}

// best measures candidates as wholes and returns the one of least loss; all of
// them go into the report.
func (s *Search) best(ctx context.Context, candidates []candidate) (*Network, error) {
	return s.bestOn(ctx, s.final, candidates)
}

func (s *Search) bestOn(ctx context.Context, x *exam, candidates []candidate) (*Network, error) {
	var best *Network
	for _, c := range candidates {
		n, err := s.joint(ctx, x, c.origin, c.formats)
		if err != nil {
			return nil, err
		}
		s.report(n)
		if best == nil || s.loss(n.cost) < s.loss(best.cost) {
			best = n
		}
	}
	return best, nil
}

// candidate is a network to measure.
type candidate struct {
	origin  string
	formats []quant.Format
}

func (s *Search) report(n *Network) {
	r := &s.env.Report
	list := elems(n.Formats)
	for _, f := range r.Finalists {
		if f.Origin == n.Origin && slices.Equal(f.Elems, list) {
			return
		}
	}
	r.Finalists = append(r.Finalists, pass.Finalist{Origin: n.Origin, Elems: list, Bytes: n.Bytes, KL: n.KL, Worst: slices.Max(n.Kinds)})
}

// choose marks a network as the search's choice and writes the table that led
// to it.
func (s *Search) choose(n *Network) {
	r := &s.env.Report
	s.report(n)
	list := elems(n.Formats)
	for i := range r.Finalists {
		f := &r.Finalists[i]
		f.Chosen = f.Origin == n.Origin && slices.Equal(f.Elems, list)
	}
	r.KL, r.Table = n.KL, s.Costs()
}

// Costs is the table as far as it was measured: a row a layer.
func (s *Search) Costs() (table []pass.LayerCosts) {
	for l, row := range s.table {
		costs := pass.LayerCosts{Name: s.layers[l].Name(), Elems: s.menu[l]}
		for _, e := range row {
			costs.Measured = append(costs.Measured, e.images > 0)
			costs.KL, costs.MSE, costs.Flips = append(costs.KL, e.KL), append(costs.MSE, e.MSE), append(costs.Flips, e.Flips)
		}
		table = append(table, costs)
	}
	return table
}

// setupOf measures on held-out images, disturbed with their own noise.
func (s *Search) setupOf(clean data.Batch) measure.Setup {
	return measure.Setup{Images: clean, Seed: s.env.Seed, First: pass.JudgeAt, Low: s.env.Low, High: s.env.High, Gradient: s.env.Gradient}
}

// reference measures the float network, once: every judged image under every condition.
// Without labels its own answers are taken for them.
func (s *Search) reference(ctx context.Context) error {
	if s.exact != nil {
		return nil
	}
	clean, err := s.env.HeldOut()
	if err != nil {
		return err
	}
	clean = clean.Slice(0, min(pass.Judged, clean.N))
	if clean.Labels == nil {
		logits, err := s.float.Forward(ctx, clean.X, clean.N)
		if err != nil {
			return err
		}
		clean.Labels = measure.Answers(logits, s.classes)
	}
	s.setup = s.setupOf(clean)
	s.setup.Conditions = s.env.Errors
	scores, err := measure.Robust(ctx, s.setup, s.float.Forward)
	if err != nil {
		return err
	}
	s.count(s.setup.Images.N * s.env.Conditions())
	s.exact = scores[0]
	return nil
}

// retention is the share of the float network's robust accuracy that a rounded
// network keeps, on the same images.
func (s *Search) retention(ctx context.Context, formats []quant.Format) (measure.Estimate, error) {
	var none measure.Estimate
	c, err := s.Quantized(ctx, formats)
	if err != nil {
		return none, err
	}
	prog, err := interp.CompileInt(c)
	if err != nil {
		return none, err
	}
	if err := s.reference(ctx); err != nil {
		return none, err
	}
	scores, err := measure.Robust(ctx, s.setup, func(ctx context.Context, x []float32, n int) ([]float32, error) {
		return interp.Logits(ctx, prog, x, n)
	})
	if err != nil {
		return none, err
	}
	s.count(s.setup.Images.N * s.env.Conditions())
	if s.worst() {
		kinds := scores[0].KindRetention(s.exact)
		return slices.MinFunc(kinds, func(a, b measure.Estimate) int { return cmp.Compare(a.Value, b.Value) }), nil
	}
	return scores[0].Retention(s.exact), nil
}
