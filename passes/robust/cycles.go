package robust

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
)

// limits sets the default limits of a search, unless the user says otherwise: what the same
// network takes in int8. That of RAM is the module's aim; of a budget of the user's there is
// none, as the formats of few bits often need room for what they decode.
func limits(ctx context.Context, m *ir.Module, env *pass.Env) (err error) {
	m.Within, env.Reference = 0, nil
	if env.Uniform == nil {
		return nil
	}
	if env.Reference, err = env.Uniform(ctx, m, ir.Of(ir.I8)); err != nil {
		return err
	}
	if env.Budget.LimitsRAM() && !env.Budget.IsGiven() {
		m.Within = max(env.Reference.Arena.Bytes, 1)
	}
	return nil
}

// bounded reports whether there is a bound on cycles.
func (s *Search) bounded() bool { return !math.IsInf(s.most, 1) }

// bound is the most cycles that the budget allows, or else that int8 takes; a budget of
// bytes that leaves nothing as fast gets a quarter more than its fastest formats take.
func (s *Search) bound() error {
	b := s.env.Budget
	s.most, s.estimates = math.Inf(1), map[layerFormat]float64{}
	switch {
	case b.Promised && b.LimitsCycles(): // the smallest network that keeps the share is asked for
	case s.env.Reference != nil && b.LimitsCycles():
		s.limited()
	case b.Cycles == 0 && b.CyclesOfInt8 == 0:
	case s.env.Target == nil:
		return diag.New(diag.Pos{}, diag.BadBudget, "-cycles needs a -target, whose kernels it counts")
	case b.CyclesOfInt8 > 0:
		s.offerInt8()
		s.most = b.CyclesOfInt8 * s.cyclesOfInt8()
	default:
		s.most = b.Cycles
	}
	return nil
}

// offerInt8 lets layers stay in int8, which is often the fastest format of many bits, where
// cycles are bounded by those of int8 and the user has chosen no formats.
func (s *Search) offerInt8() {
	if !s.offersInt8() {
		return
	}
	i8 := ir.Of(ir.I8)
	for l, n := range s.layers {
		if !n.Has(ir.AttrBits) {
			s.menu[l] = append(s.menu[l], i8)
			s.table[l] = append(s.table[l], entry{bytes: layerBytes(n, i8)})
		}
	}
}

// offersInt8 reports whether the user has chosen no formats.
func (s *Search) offersInt8() bool {
	standard, _ := Formats(Default)
	return slices.Equal(s.env.Formats, standard) && s.env.MaxBits == 0
}

// limited bounds cycles by those of int8.
func (s *Search) limited() {
	s.offerInt8()
	s.most, s.isDefault = s.cyclesOfInt8(), true
	rows := make([][]Choice, len(s.layers))
	for l := range s.layers {
		for i, e := range s.menu[l] {
			rows[l] = append(rows[l], Choice{Bytes: s.table[l][i].bytes, Cost: s.cyclesIn(l, e)})
		}
	}
	if bytes, ok := Limit(s.layers, s.env.Budget); ok {
		// The fastest formats alone would leave a search nothing to choose.
		if fastest := Within(Pareto(rows), bytes); fastest != nil && fastest.Cost > s.most {
			s.most = fastest.Cost * relaxed
		}
	}
}

// relaxed is the factor by which a default limit gives way to a budget at a time.
const relaxed = 1.25

// relax raises a default limit, which must give way to what the user asks for; it reports
// whether there was one.
func (s *Search) relax() bool {
	if !s.isDefault {
		return false
	}
	slowest := 0.
	for l, row := range s.menu {
		most := 0.
		for _, e := range row {
			most = max(most, s.cyclesIn(l, e))
		}
		slowest += most
	}
	if s.most *= relaxed; s.most >= slowest {
		s.most, s.isDefault = math.Inf(1), false
	}
	return true
}

// mostCounted is the number of networks that are looked for in place of a choice that takes more
// instructions than int8.
const mostCounted = 3

// counted counts the instructions of a choice and of int8. Estimates err: where a choice within
// the default limit takes more, the limit falls by the excess, and another network is looked
// for; int8 itself is the last, and comes before a choice whose code takes more flash than its
// weights save. What cannot be counted is taken by its estimate.
func (s *Search) counted(ctx context.Context, way method, n *Network) (*Network, error) {
	env := s.env
	if env.Count == nil || env.Reference == nil || !env.Budget.LimitsCycles() || s.stopped() {
		return n, nil
	}
	int8, err := env.Count(ctx, env.Reference)
	if err != nil {
		return n, ctx.Err()
	}
	for tries := mostCounted; ; tries-- {
		m, err := s.Quantized(ctx, n.Formats)
		if err != nil {
			return nil, err
		}
		own, err := env.Count(ctx, m)
		if err != nil {
			return n, ctx.Err()
		}
		env.Report.Counted = &pass.Counted{Own: own, Int8: int8}
		if !s.isDefault || s.most > s.cyclesOfInt8() {
			return n, nil
		}
		if own.Instructions <= int8.Instructions || tries == 0 {
			return s.orInt8(ctx, n)
		}
		s.most = math.Nextafter(s.cyclesOf(elems(n.Formats))*float64(int8.Instructions)/float64(own.Instructions), 0)
		next, err := s.search(ctx, way)
		if isTooSmall(err) {
			return s.orInt8(ctx, n)
		}
		if err != nil {
			return nil, err
		}
		n = next
	}
}

// orInt8 is the network of int8 in place of a counted one that takes more instructions or flash,
// where the user has asked for no size, formats or share that come before.
func (s *Search) orInt8(ctx context.Context, n *Network) (*Network, error) {
	counted := s.env.Report.Counted
	if counted.Own.Within(counted.Int8) || s.env.Budget.IsGiven() || !s.offersInt8() {
		return n, nil
	}
	var formats []quant.Format
	for l, e := range uniform(s.layers, ir.Of(ir.I8)) {
		formats = append(formats, formatOf(s.layers[l], e, s.env.Rounding))
	}
	reference, err := s.joint(ctx, s.final, "int8, the fastest", formats)
	if err != nil {
		return nil, err
	}
	kept, err := s.measured(ctx, reference)
	if err != nil {
		return nil, err
	}
	m, err := s.Quantized(ctx, formats)
	if err != nil {
		return nil, err
	}
	own, err := s.env.Count(ctx, m)
	if err != nil || !own.Within(counted.Int8) { // layers may have widths of their own
		return n, ctx.Err()
	}
	counted.Own = own
	if err := s.estimated(ctx, reference); err != nil {
		return nil, err
	}
	s.env.Report.Kept.IsBelow = kept.kept.Value < s.env.Budget.Keep
	return reference, nil
}

// cyclesOfInt8 is the estimate of int8.
func (s *Search) cyclesOfInt8() float64 {
	return s.cyclesOf(slices.Repeat([]ir.Elem{ir.Of(ir.I8)}, len(s.layers)))
}

// cyclesOf is the estimate of a choice of formats, of the layers with weights.
func (s *Search) cyclesOf(list []ir.Elem) float64 {
	sum := 0.0
	for l := range s.layers {
		sum += s.cyclesIn(l, list[l])
	}
	return sum
}

// cyclesIn is the estimate of a layer in a format, and of those that share its weights.
// It is kept: a kernel's layout is a search of its own.
func (s *Search) cyclesIn(l int, e ir.Elem) float64 {
	key := layerFormat{l, e}
	c, ok := s.estimates[key]
	if !ok {
		c = s.oracle.cycles(l, e)
		s.estimates[key] = c
	}
	return c
}

// layerFormat is a layer in a format.
type layerFormat struct {
	l int
	e ir.Elem
}

// choice is entry f of layer l at a cost.
func (s *Search) choice(l, f int, cost float64) Choice {
	c := Choice{Bytes: s.table[l][f].bytes, Cost: cost}
	if s.bounded() {
		c.Cycles = s.cyclesIn(l, s.menu[l][f])
	}
	return c
}

// solve is the plan of least cost within bytes and the bound on cycles, or nil.
func (s *Search) solve(layers [][]Choice, bytes int) *Plan {
	if !s.bounded() {
		return Within(Pareto(layers), bytes)
	}
	return Under(layers, bytes, s.most)
}

// within is solve by a surrogate; one curve serves every size where cycles have no
// bound.
func (s *Search) within(g surrogate, bytes int) *Plan {
	free := Within(s.curve(g), bytes)
	for s.bounded() && (free == nil || !s.fits(s.formats(free), bytes)) {
		plan := s.solve(s.choices(g.of), bytes)
		isDear := free != nil && s.env.Budget.IsSize() && (plan == nil || plan.Cost > dear*free.Cost)
		if !isDear || !s.relax() {
			return plan
		}
	}
	return free
}

// dear is how many times the cost of the best network of a size a default limit may cause: a
// size that the user asks for is to be worth it, and a warning gives the cycles.
const dear = 1.5

// fits reports whether formats keep the budget.
func (s *Search) fits(formats []quant.Format, bytes int) bool {
	list := elems(formats)
	n, _, _ := sizes(s.layers, list)
	return n <= bytes && (!s.bounded() || s.cyclesOf(list) <= s.most)
}

// widest is the greatest universal width that fits, or 0: a wider one may be faster.
func (s *Search) widest(bytes int) int {
	least, most := oddWidths(s.env)
	for w := widest(s.layers, bytes, least, most); w >= least; w-- {
		if !s.bounded() || s.cyclesOf(uniform(s.layers, ir.OddOf(w))) <= s.most {
			return w
		}
	}
	return 0
}

// fastest is the format of fewest estimated cycles of each layer.
func (s *Search) fastest() []ir.Elem {
	list := make([]ir.Elem, len(s.layers))
	for l := range s.layers {
		list[l] = slices.MinFunc(s.menu[l], func(a, b ir.Elem) int { return cmp.Compare(s.cyclesIn(l, a), s.cyclesIn(l, b)) })
	}
	return list
}

// tooSmallFor says which budget would be the least possible one: of the smallest
// formats, or of the fastest where those are small enough.
func (s *Search) tooSmallFor(smallest []ir.Elem) error {
	least, _, _ := sizes(s.layers, smallest)
	bytes, ok := Limit(s.layers, s.env.Budget)
	if !s.bounded() || ok && least > bytes {
		return tooSmall(s.layers, smallest, s.env.Budget)
	}
	fastest := s.cyclesOf(s.fastest())
	whole := s.cyclesOfInt8()
	d := diag.New(diag.Pos{}, diag.BadBudget, "no choice of widths found is as fast as -cycles asks").
		WithNote("%s is estimated to take %.4g cycles in the fastest formats, %.3fx of int8's %.4g", s.m.Name, fastest, fastest/whole, whole)
	switch share := math.Ceil(fastest/whole*1000) / 1000; {
	case fastest > s.most && s.env.Budget.CyclesOfInt8 > 0:
		d.WithHelp("the least possible is -cycles %.3fx", share)
	case fastest > s.most:
		d.WithHelp("the least possible is -cycles %.0f", math.Ceil(fastest))
	default:
		d.WithHelp("the fastest formats are not the smallest: allow more bytes or more cycles")
	}
	return d
}
