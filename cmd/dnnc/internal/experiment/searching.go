package experiment

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/chart"
)

// at is the option of a format.
func (l *layer) at(format string) int {
	return slices.IndexFunc(l.Options, func(o entry) bool { return o.Format == format })
}

func (l *layer) bits(o entry) float64 { return 8 * float64(o.Bytes) / float64(l.Weights) }

// beside is the measured option nearest to step bits more than option at, on that
// side of it, or -1.
func (l *layer) beside(at int, step float64) int {
	best, near := -1, math.Inf(1)
	own := l.bits(l.Options[at])
	for i, o := range l.Options {
		d := l.bits(o) - own
		if !o.Known || d*step <= 0 || o.Bytes == l.Options[at].Bytes {
			continue
		}
		if far := math.Abs(d - step); far < near {
			best, near = i, far
		}
	}
	return best
}

// widths is the heat maps of Qed's widths.
func widths(d *document, list []*analysis) error {
	s := section{ID: "widths", Title: "The width of every layer", Text: []string{"Bits a weight, codebooks included, that Qed gives each layer, with the first seed; darker is wider."}}
	for _, a := range list {
		var own []*entrant
		for _, e := range a.trials[0] {
			if e.method == "qed" && !e.isNone() {
				own = append(own, e)
			}
		}
		if len(own) == 0 {
			continue
		}
		h := chart.Heat{Title: a.x.Name, X: "bits a weight of the whole network"}
		t := table{Caption: a.x.Name + ": formats", Head: []string{"layer"}}
		for _, e := range own {
			h.Cols = append(h.Cols, fmt.Sprintf("%g", e.bits))
			t.Head = append(t.Head, width(e.bits))
		}
		for i, l := range own[0].chosen.Layers {
			h.Rows = append(h.Rows, l.Name)
			var values []float64
			var labels []string
			r := row(l.Name)
			for _, e := range own {
				f := e.chosen.Formats[i].Elem
				bits := math.NaN()
				if at := l.at(f); at >= 0 {
					bits = l.bits(l.Options[at])
				}
				values, labels = append(values, bits), append(labels, fmt.Sprintf("%.2g", bits))
				h.Most = max(h.Most, bits)
				r = append(r, figure{Text: f, Small: fmt.Sprintf("%.2f bits", bits)})
			}
			h.Values, h.Labels = append(h.Values, values), append(h.Labels, labels)
			t.Rows = append(t.Rows, r)
		}
		svg, err := h.SVG()
		if err != nil {
			return err
		}
		s.Pictures = append(s.Pictures, picture{template.HTML(svg), a.x.Name + ": bits a weight by layer and budget", &t})
	}
	d.add(s)
	return nil
}

// efforts is the pictures of robustness against effort.
func efforts(d *document, list []*analysis) error {
	s := section{ID: "efforts", Title: "Time against robustness", Text: []string{
		"What is kept at growing limits of effort, counted in multiply-adds of the search's evaluations, which are the same on every machine. Q* ends at a share of the multiply-adds of Qed's whole table; Qed has no end but its own, and is given fewer judged images instead. \"Its own\" in the tables is a search that ends by itself."}}
	var err error
	if s.Legend, err = legends("qed", "qstar"); err != nil {
		return err
	}
	for _, a := range list {
		if c, t := a.effort(); len(t.Rows) > 0 {
			if err := s.lines(c, a.x.Name+": what is kept against the effort of the search", t); err != nil {
				return err
			}
		}
	}
	// The paper's claim, network by network.
	t := table{Caption: "Q* against Qed, all sizes of network together", Head: []string{"network", "kept by Q* of what Qed keeps", "multiply-adds", "evaluations"}}
	for _, a := range list {
		if s := savingOf([]*analysis{a}); s != nil {
			t.Rows = append(t.Rows, append(append(row(a.x.Name), of(s.kept)), row(fmt.Sprintf("%.3f", s.macs), fmt.Sprintf("%.3f", s.evaluations))...))
		}
	}
	if len(t.Rows) > 0 {
		s.Tables = append(s.Tables, t)
	}
	d.add(s)
	return nil
}

// effort is what Qed and Q* keep at each limit of effort of one network.
func (a *analysis) effort() (chart.Lines, table) {
	c := chart.Lines{Title: fmt.Sprintf("%s, %s", a.x.Name, width(a.x.Detail)), X: "multiply-adds of the search", Y: judged(a) + " kept", Ticks: chart.Decades{}}
	t := table{Caption: fmt.Sprintf("%s at %s a weight", a.x.Name, width(a.x.Detail)), Head: []string{"method", "ends at", "multiply-adds", "evaluations", "kept"}}
	for _, m := range []string{"qed", "qstar"} {
		series := chart.Series{Style: styleOf(m)}
		add := func(own []*entrant, end string) {
			e, n := a.kept(own), float64(len(own))
			macs, evaluations := 0., 0.
			for _, o := range own {
				macs, evaluations = macs+float64(o.chosen.MACs)/n, evaluations+float64(o.chosen.Evaluations)/n
			}
			series.Points = append(series.Points, chart.Point{X: macs, Y: e.Value, Low: e.Low, High: e.High})
			t.Rows = append(t.Rows, append(row(title(m), end, fmt.Sprintf("%.3g", macs), fmt.Sprintf("%.0f", evaluations)), of(e)))
		}
		for i, one := range a.efforts[0] {
			if one.method != m {
				continue
			}
			end := fmt.Sprintf("%g of the table", one.effort)
			if m == "qed" {
				end = fmt.Sprintf("%d judged images", one.choice.question.(*choice).Setting.Judged)
			}
			var own []*entrant
			for _, seed := range a.efforts {
				own = append(own, seed[i])
			}
			if !slices.ContainsFunc(own, (*entrant).isNone) {
				add(own, end)
			}
		}
		if own := a.trial(m, a.x.Detail); own != nil {
			add(own, "its own")
		}
		slices.SortFunc(series.Points, func(p, q chart.Point) int { return cmp.Compare(p.X, q.X) })
		c.Series = append(c.Series, series)
	}
	return c, t
}

// layers is the table of Qed's layers at the detail budget.
func layers(d *document, list []*analysis) error {
	s := section{ID: "layers", Title: "Layer by layer", Text: []string{
		"The network that Qed chose. Sensitivity is the divergence (KL of one label an item, else relative to the best constant answer) of the network in which this layer alone has its format; beside it, what the format about one bit narrower or wider would do to bytes and to that divergence. Cycles are the estimate of the target's cost model."}}
	for _, a := range list {
		i := slices.IndexFunc(a.trials[0], func(e *entrant) bool { return e.method == "qed" && e.bits == a.x.Detail && !e.isNone() })
		if i < 0 {
			continue
		}
		e := a.trials[0][i]
		t := table{Caption: fmt.Sprintf("%s at %s a weight, on %s", a.x.Name, width(a.x.Detail), a.x.Target), Head: []string{"layer", "format", "bytes", "cycles", "sensitivity", "one bit less", "one bit more"}}
		for k, l := range e.chosen.Layers {
			at := l.at(e.chosen.Formats[k].Elem)
			if at < 0 {
				continue
			}
			own := l.Options[at]
			r := row(l.Name, own.Format, fmt.Sprint(own.Bytes), fmt.Sprintf("%.0f", own.Cycles), fmt.Sprintf("%.5f", own.Cost))
			r[1].Small = fmt.Sprintf("%.2f bits", l.bits(own))
			for _, step := range []float64{-1, 1} {
				if other := l.beside(at, step); other >= 0 {
					o := l.Options[other]
					r = append(r, figure{Text: fmt.Sprintf("%+.5f", o.Cost-own.Cost), Small: fmt.Sprintf("%s, %+d bytes", o.Format, o.Bytes-own.Bytes)})
				} else {
					r = append(r, none)
				}
			}
			t.Rows = append(t.Rows, r)
		}
		s.Tables = append(s.Tables, t)
	}
	d.add(s)
	return nil
}

// ablations is what each part of the method brings.
func ablations(d *document, list []*analysis) error {
	s := section{ID: "ablation", Title: "What matters: objectives, errors, ranges, images", Text: []string{
		"Every line changes one thing of the dynamic program over the divergence from the float network under errors, without finalists and local search; differences are paired by image, strong ones are told from 0 (one line in twenty would be by chance)."}}
	for _, a := range list {
		if len(a.ablation[0]) == 0 {
			continue
		}
		t, matter, not := a.ablated()
		if len(matter) > 0 {
			s.Text = append(s.Text, "On "+a.x.Name+" it matters: "+strings.Join(matter, "; ")+".")
		}
		if len(not) > 0 {
			s.Text = append(s.Text, "On "+a.x.Name+" no difference could be told: "+strings.Join(not, "; ")+".")
		}
		s.Tables = append(s.Tables, t)
	}
	d.add(s)
	return nil
}

// ablated is what the variants of one network keep beyond the reference, which of them
// are told from it, and which are not.
func (a *analysis) ablated() (t table, matter, not []string) {
	t = table{Caption: a.x.Name + ": kept beyond the reference (" + reference + "), whose line says what is kept", Head: []string{"what is changed"}}
	for _, b := range a.x.AblationBudgets {
		t.Head = append(t.Head, width(b))
	}
	var variants []string
	for _, e := range a.ablation[0] {
		if !slices.Contains(variants, e.variant) {
			variants = append(variants, e.variant)
		}
	}
	find := func(variant string, bits float64) []*entrant {
		return pick(a.ablation, func(e *entrant) bool { return e.variant == variant && e.bits == bits })
	}
	for _, v := range variants {
		r := row(v)
		var told []string
		compared := false
		for _, b := range a.x.AblationBudgets {
			own, ref := find(v, b), find(reference, b)
			switch {
			case own == nil || ref == nil:
				r = append(r, none)
				continue
			case v == reference:
				r = append(r, of(a.kept(own)))
				continue
			}
			compared = true
			e := a.gap(own, ref)
			if e.isNone() {
				r = append(r, figure{Text: "0", Small: "the same answers"})
			} else {
				r = append(r, signed(e))
			}
			if e.isTold(0) {
				told = append(told, fmt.Sprintf("%+.3f at %s", e.Value, width(b)))
			}
		}
		t.Rows = append(t.Rows, r)
		if len(told) > 0 {
			matter = append(matter, fmt.Sprintf("%s (%s)", v, strings.Join(told, ", ")))
		} else if compared {
			not = append(not, v)
		}
	}
	return t, matter, not
}
