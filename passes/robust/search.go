package robust

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Version is of what searches choose within a number of bytes: another one means that
// equal inputs may give another network, and that what was measured before is of the past.
// (What a -keep finds may change without: nothing is kept of it.)
const Version = 6

// Search chooses formats for one calibrated network. It keeps what it measures:
// a second budget or another method costs little more.
type Search struct {
	m      *ir.Module
	env    *pass.Env
	layers []*ir.Node
	menu   [][]ir.Elem // formats of each layer
	oracle oracle
	kinds  kinds

	judge *shelf // networks by what they cost on the images of the table
	final *shelf // and on those of whole networks; the same where there are few images

	exact *measure.Score // of the float network, once it is known

	most      float64                 // cycles of all layers
	isDefault bool                    // nobody asked for this bound: budgets come before it
	estimates map[layerFormat]float64 // cycles that have been asked for

	ids           [sets]string // identities by images, once they are known
	table         [][]entry
	nearest       [][]step // of greedyNearest
	nearestEffort effort
	spent         effort // on the table
	curves        map[string][]Plan
	fisherCosts   [][]Choice
	assignments   []assignment
}

// kinds are the kinds of error of a run, clean first.
type kinds struct {
	names []string
	of    []int // kind of each condition
}

func kindsOf(env *pass.Env) kinds {
	k := kinds{[]string{measure.Clean}, []int{0}}
	for _, e := range env.Errors {
		i := slices.Index(k.names, e.Name())
		if i < 0 {
			i = len(k.names)
			k.names = append(k.names, e.Name())
		}
		k.of = append(k.of, i)
	}
	return k
}

// shelf is the networks that were measured on some images.
type shelf struct {
	images   int
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
	r, err := newRunner(m, env)
	if err != nil {
		return nil, err
	}
	finals := r.final.N
	if r.final == r.judge {
		finals = 0
	}
	return newSearch(m, env, r, r.judge.N, finals)
}

// newSearch prepares a search that asks an oracle of some judged and some final images;
// without final ones the judged must do.
func newSearch(m *ir.Module, env *pass.Env, o oracle, judged, finals int) (*Search, error) {
	if len(env.Formats) == 0 {
		var err error
		if env.Formats, err = Formats(Default); err != nil {
			return nil, err
		}
	}
	s := &Search{
		m: m, env: env, layers: m.Layers(), oracle: o, kinds: kindsOf(env),
		judge: &shelf{judged, map[string]*Network{}}, curves: map[string][]Plan{},
	}
	if s.final = s.judge; finals > 0 {
		s.final = &shelf{finals, map[string]*Network{}}
	}
	for _, l := range s.layers {
		list := s.there(len(s.menu), menu(l, env))
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
	return s.oracle.quantized(ctx, formats)
}

// joint rounds a whole network as it would ship and measures it in integers.
func (s *Search) joint(ctx context.Context, x *shelf, origin string, formats []quant.Format) (*Network, error) {
	s.count(x.images) // also when an earlier choice measured it
	if n := x.networks[key(formats)]; n != nil {
		seen := *n
		seen.Origin = origin
		return &seen, nil
	}
	k, err := s.jointKey(x, formats)
	if err != nil {
		return nil, err
	}
	c, err := cells.Answer(ctx, s.env.Store, k, s.isCost, func() (cost, error) { return s.oracle.joint(ctx, x != s.judge, formats) })
	if err != nil {
		return nil, err
	}
	n := &Network{Origin: origin, Formats: formats, cost: c}
	n.Bytes, _, _ = sizes(s.layers, elems(formats))
	x.networks[key(formats)] = n
	if s.env.Progress != nil {
		s.env.Progress("measuring networks", len(x.networks), 0)
	}
	return n, nil
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

func (s *Search) bestOn(ctx context.Context, x *shelf, candidates []candidate) (*Network, error) {
	for _, c := range candidates {
		if _, _, err := s.ahead(ctx, x, c.formats); err != nil {
			return nil, err
		}
	}
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
	r.Finalists = append(r.Finalists, pass.Finalist{Origin: n.Origin, Elems: list, Bytes: n.Bytes, KL: n.KL, Nats: n.Nats, Worst: slices.Max(n.Kinds)})
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

// reference measures the float network, once.
func (s *Search) reference(ctx context.Context) error {
	if s.exact != nil {
		return nil
	}
	exact, images, err := s.oracle.reference(ctx)
	if err != nil {
		return err
	}
	s.count(images)
	s.exact = exact
	return nil
}

// retention is the share of the float network's robust accuracy that a rounded
// network keeps, on the same images, and the loss that the float network expects.
func (s *Search) retention(ctx context.Context, formats []quant.Format) (kept measure.Estimate, expected float64, err error) {
	if err := s.reference(ctx); err != nil {
		return kept, expected, err
	}
	k, err := s.question(onHeldOut, "retention", key(formats))
	if err != nil {
		return kept, expected, err
	}
	type answer struct {
		Kept     measure.Estimate
		Expected *float64 // nil of a loss that is not known
		Images   int
	}
	fits := func(a answer) bool { return a.Images > 0 }
	a, err := cells.Answer(ctx, s.env.Store, k, fits, func() (a answer, err error) {
		a.Kept, expected, a.Images, err = s.oracle.retention(ctx, formats)
		if !math.IsNaN(expected) {
			a.Expected = &expected
		}
		return a, err
	})
	if err != nil {
		return kept, expected, err
	}
	s.count(a.Images)
	if a.Expected == nil {
		return a.Kept, math.NaN(), nil
	}
	return a.Kept, *a.Expected, nil
}
