package robust

import (
	"context"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/measure"
)

// entry is one cell of the cost table: what the network loses when one layer
// alone has one format.
type entry struct {
	bytes  int
	images int // that it was measured on; 0 when it was not
	cost
}

// cost is a divergence from the float network, also by kind of error.
type cost struct {
	measure.Divergence
	Kinds []float64 // KL by kind, clean first
}

// effort is what the table took.
type effort struct {
	evaluations int
	macs        int64
}

// charge adds what the table took to the report: every choice rests on it, also
// when an earlier one measured it.
func (s *Search) charge() {
	s.env.Report.Evaluations += s.spent.evaluations
	s.env.Report.MACs += s.spent.macs
}

// fill measures the entries of the table that want names, on the first judged
// images, and those alone that no more images were measured on. It stops between
// entries when the search should.
func (s *Search) fill(ctx context.Context, images int, want func(l int) []int) error {
	if err := s.oracle.prepare(ctx); err != nil {
		return err
	}
	missing := make([][]int, len(s.layers))
	total, done := 0, 0
	for l := range s.layers {
		for _, f := range want(l) {
			if s.table[l][f].images < images {
				missing[l] = append(missing[l], f)
			}
		}
		total += len(missing[l])
	}
	if total == 0 {
		return nil
	}
	take := func(l, f int, c cost) {
		s.table[l][f].cost, s.table[l][f].images = c, images
		missing[l] = slices.DeleteFunc(missing[l], func(other int) bool { return other == f })
		done++
		if s.env.Progress != nil {
			s.env.Progress("measuring formats", done, total)
		}
	}
	if s.env.Store != nil && s.env.Effort == 0 {
		return s.share(ctx, images, missing, take)
	}
	return s.oracle.walk(ctx, func(l int) bool { return len(missing[l]) > 0 && !s.stopped() }, func(l int, p *quant.Prepared) error {
		for _, f := range slices.Clone(missing[l]) {
			if s.stopped() {
				break
			}
			c, err := s.alone(ctx, l, p, s.format(l, s.menu[l][f]), images)
			if err != nil {
				return err
			}
			take(l, f, c)
		}
		return s.save()
	})
}

// alone measures the network with one layer rounded.
func (s *Search) alone(ctx context.Context, l int, p *quant.Prepared, f quant.Format, images int) (cost, error) {
	k, err := s.aloneKey(l, f, images)
	if err != nil {
		return cost{}, err
	}
	c, err := cells.Answer(ctx, s.env.Store, k, s.isCost, func() (cost, error) { return s.compute(ctx, l, p, f, images) })
	if err != nil {
		return cost{}, err
	}
	s.charged(l, images)
	return c, nil
}

// compute is alone without a store.
func (s *Search) compute(ctx context.Context, l int, p *quant.Prepared, f quant.Format, images int) (c cost, err error) {
	w, err := s.oracle.round(ctx, l, p, f)
	if err != nil {
		return c, err
	}
	var all measure.Items
	for _, p := range s.parts(images) {
		d, err := s.oracle.items(ctx, l, w, p.first, p.count)
		if err != nil {
			return c, err
		}
		all.Add(d)
	}
	return s.oracle.total(all), nil
}

// part is judged images that are measured together.
type part struct{ first, count int }

// parts are those of the first images.
func (s *Search) parts(images int) (list []part) {
	for first := 0; first < images; first += s.oracle.span() {
		list = append(list, part{first, min(s.oracle.span(), images-first)})
	}
	return list
}

// charged counts one measurement of a layer's format, whoever makes it.
func (s *Search) charged(l, images int) {
	s.spent.evaluations++
	s.spent.macs += int64(s.oracle.macs(l)) * int64(images)
}

// surrogate is a way to add the table up.
type surrogate struct {
	name string
	of   func(c cost) float64
}

// flips is the share of answers that change. Of few images few do; a little of the
// KL tells the others apart.
func flips(c cost) float64 { return c.Flips + c.KL/10 }

// surrogates are the sums that give candidates.
func (s *Search) surrogates() []surrogate {
	list := []surrogate{
		{s.env.Task.Divergence(), func(c cost) float64 { return c.KL }},
		{"squared error", func(c cost) float64 { return c.MSE }},
		{"flips", flips},
	}
	if s.worst() {
		list = append(list, s.kindSurrogates()...)
	}
	return list
}

// kindSurrogates are the divergences under each kind of error alone, clean first.
func (s *Search) kindSurrogates() (list []surrogate) {
	for k := range s.kinds.names {
		list = append(list, surrogate{s.kinds.names[k], func(c cost) float64 { return c.Kinds[k] }})
	}
	return list
}

// choices is the table under one surrogate.
func (s *Search) choices(of func(c cost) float64) [][]Choice {
	out := make([][]Choice, len(s.table))
	for l, row := range s.table {
		for f, e := range row {
			out[l] = append(out[l], s.choice(l, f, of(e.cost)))
		}
	}
	return out
}

// curve is the trade-off by one surrogate, solved once.
func (s *Search) curve(g surrogate) []Plan {
	if s.curves[g.name] == nil {
		s.curves[g.name] = Pareto(s.choices(g.of))
	}
	return s.curves[g.name]
}

// formats are those of a plan.
func (s *Search) formats(p *Plan) []quant.Format {
	picks := make([]quant.Format, len(p.Picks))
	for l, f := range p.Picks {
		picks[l] = s.format(l, s.menu[l][f])
	}
	return picks
}

// format is an element type with the rounding that layer l gives it.
func (s *Search) format(l int, e ir.Elem) quant.Format {
	return formatOf(s.layers[l], e, s.env.Rounding)
}

// all names every entry.
func (s *Search) all(l int) []int {
	list := make([]int, len(s.menu[l]))
	for f := range list {
		list[f] = f
	}
	return list
}

// elems are the element types of formats.
func elems(formats []quant.Format) []ir.Elem {
	list := make([]ir.Elem, len(formats))
	for i, f := range formats {
		list[i] = f.Elem
	}
	return list
}

// place is the entry of layer l with an element type, or -1.
func (s *Search) place(l int, e ir.Elem) int { return slices.Index(s.menu[l], e) }
