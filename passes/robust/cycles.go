package robust

import (
	"cmp"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/quant"
)

// bounded reports whether the budget bounds cycles.
func (s *Search) bounded() bool { return s.env.Budget.Cycles > 0 || s.env.Budget.CyclesOfInt8 > 0 }

// bound is the most cycles that the budget allows.
func (s *Search) bound() error {
	b := s.env.Budget
	s.most = math.Inf(1)
	if !s.bounded() {
		return nil
	}
	if s.env.Target == nil {
		return diag.New(diag.Pos{}, diag.BadBudget, "-cycles needs a -target, whose kernels it counts")
	}
	s.estimates = map[layerFormat]float64{}
	s.most = b.Cycles
	if b.CyclesOfInt8 > 0 {
		s.most = b.CyclesOfInt8 * s.cyclesOf(uniform(s.layers, ir.Of(ir.I8)))
	}
	return nil
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
	if !s.bounded() {
		return Within(s.curve(g), bytes)
	}
	return s.solve(s.choices(g.of), bytes)
}

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
	whole := s.cyclesOf(uniform(s.layers, ir.Of(ir.I8)))
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
