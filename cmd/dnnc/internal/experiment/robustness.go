package experiment

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/chart"
)

// keeping is the table of every method at every budget.
func keeping(d *document, list []*analysis) error {
	resampled := "of the test images and of the seeds"
	if len(list[0].x.Seeds) == 1 {
		resampled = "of the test images (what another seed would change is not known)"
	}
	s := section{ID: "kept", Title: "What is kept at equal bytes", Text: []string{
		"The share of the float network's " + judged(list...) + " that is kept: the mean over kinds of error of the mean over their sizes, clean images being one kind. Below, ± is one standard error from " +
			fmt.Sprint(resamples) + " resamples " + resampled + "; differences are paired by image. Strong figures are told from 0: their 95 % interval does not hold it."}}
	if len(list) > 1 {
		s.Tables = append(s.Tables, overallTable(list))
	}
	var folded []table
	for _, a := range list {
		t, gaps := a.keptTables()
		s.Tables = append(s.Tables, t)
		if len(gaps.Rows) > 0 {
			folded = append(folded, gaps)
		}
	}
	s.Tables = append(s.Tables, folded...)
	d.add(s)
	return nil
}

// overallTable is a row of a network each: what methods keep in the mean.
func overallTable(list []*analysis) table {
	t := table{Caption: "In the mean of the sizes that a method reaches", Head: []string{"network"}}
	for _, m := range list[0].x.Methods {
		t.Head = append(t.Head, title(m))
	}
	for _, a := range list {
		r := row(a.x.Name)
		for _, m := range list[0].x.Methods {
			if kept, _ := a.overall(m); kept != nil {
				r = append(r, of(*kept))
			} else {
				r = append(r, none)
			}
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

// keptTables are what methods keep at each budget, and what the first keeps beyond
// the others.
func (a *analysis) keptTables() (kept, gaps table) {
	kept = table{Caption: a.x.Name + ", by bits a weight", Head: []string{"method"}}
	gaps = table{Caption: a.x.Name + ": what " + title(a.x.Methods[0]) + " keeps beyond each method", Head: []string{"method"}, Folded: true}
	for _, b := range a.budgets() {
		kept.Head, gaps.Head = append(kept.Head, width(b)), append(gaps.Head, width(b))
	}
	for i, m := range a.x.Methods {
		r, g := row(title(m)), row(title(m))
		for _, b := range a.budgets() {
			own, first := a.trial(m, b), a.trial(a.x.Methods[0], b)
			share, gap := figure{Text: "-", Small: "nothing this small"}, none
			if own != nil {
				share = of(a.kept(own))
			}
			if own != nil && first != nil {
				gap = signed(a.gap(first, own))
			}
			r, g = append(r, share), append(g, gap)
		}
		kept.Rows = append(kept.Rows, r)
		if i > 0 {
			gaps.Rows = append(gaps.Rows, g)
		}
	}
	return kept, gaps
}

// sizes is the pictures of robust accuracy against bytes.
func sizes(d *document, list []*analysis) error {
	s := section{ID: "sizes", Title: capital(judged(list...)) + " against size", Text: []string{"Bytes are those of the packed weights with their codebooks and of the channels' constants; the float network's are those of its weights. Bars are 95 % intervals of what is kept, paired by image with the float network, which is the line across."}}
	var err error
	if s.Legend, err = legends(append(slices.Clone(list[0].x.Methods), floatMethod)...); err != nil {
		return err
	}
	for _, a := range list {
		c := chart.Lines{Title: a.x.Name, X: "bytes", Y: judged(a), Ticks: chart.Decades{}}
		t := table{Caption: a.x.Name, Head: []string{"method", "bytes", "bits", judged(a)}}
		ones := unit(a.ref)
		base := a.sampler.ratio(a.ref, ones)
		line := chart.Series{Style: styleOf(floatMethod), Plain: true}
		least, most := math.Inf(1), 0.
		for _, m := range a.x.Methods {
			series := chart.Series{Style: styleOf(m)}
			for _, b := range a.budgets() {
				own := a.trial(m, b)
				if own == nil {
					continue
				}
				e := a.kept(own)
				for _, v := range []*float64{&e.Value, &e.StdErr, &e.Low, &e.High} {
					*v *= base.Value
				}
				bytes := 0.
				for _, o := range own {
					bytes += float64(o.chosen.Size) / float64(len(own))
				}
				least, most = min(least, bytes), max(most, bytes)
				series.Points = append(series.Points, chart.Point{X: bytes, Y: e.Value, Low: e.Low, High: e.High})
				bits := (bytes - float64(a.mat.channels)) * 8 / float64(a.mat.weights)
				t.Rows = append(t.Rows, append(row(title(m), fmt.Sprintf("%.0f", bytes), fmt.Sprintf("%.3f", bits)), of(e)))
			}
			c.Series = append(c.Series, series)
		}
		line.Points = []chart.Point{{X: least, Y: base.Value, Low: base.Value, High: base.Value}, {X: most, Y: base.Value, Low: base.Value, High: base.Value}}
		if least < most {
			c.Series = append(c.Series, line)
		}
		t.Rows = append(t.Rows, append(row("float", fmt.Sprint(4*a.mat.weights), "32"), of(base)))
		if err := s.lines(c, a.x.Name+": "+judged(a)+" against bytes", t); err != nil {
			return err
		}
	}
	d.add(s)
	return nil
}

// kinds is the table of every kind of error at the detail budget.
func kinds(d *document, list []*analysis) error {
	s := section{ID: "kinds", Title: "Every kind of error", Text: []string{"Share of the float network's " + strings.TrimPrefix(judged(list...), "robust ") + " under one kind of error alone, mean over its sizes, that is kept at one size of network."}}
	for _, a := range list {
		t := table{Caption: fmt.Sprintf("%s at %s a weight", a.x.Name, width(a.x.Detail)), Head: []string{"kind", "float"}}
		for _, m := range a.x.Methods {
			t.Head = append(t.Head, title(m))
		}
		for k, name := range a.floats[0].Kinds {
			ref := shares(a.exact, k)
			r := append(row(name.Name), of(a.sampler.ratio(ref, unit(ref))))
			for _, m := range a.x.Methods {
				own := a.trial(m, a.x.Detail)
				if own == nil {
					r = append(r, none)
					continue
				}
				x := shares(own, k)
				r = append(r, of(a.sampler.ratio(x, ref)))
			}
			t.Rows = append(t.Rows, r)
		}
		s.Tables = append(s.Tables, t)
	}
	d.add(s)
	return nil
}

// errorSizes is the pictures of accuracy against the size of error, by kind.
func errorSizes(d *document, list []*analysis) error {
	methods := slices.DeleteFunc(slices.Clone(list[0].x.Methods), func(m string) bool { return m == "qstar" })
	leftOut := ""
	if len(methods) < len(list[0].x.Methods) {
		leftOut = " Q*, whose lines would hide Qed's, is left out of these pictures and of those of decision boundaries; it stands in the tables above."
	}
	keys, err := legends(append([]string{floatMethod}, methods...)...)
	if err != nil {
		return err
	}
	for n, a := range list {
		s := section{ID: fmt.Sprintf("errors%d", n+1), Title: capital(a.measure()) + " against the size of error: " + a.x.Name, Legend: keys,
			Text: []string{fmt.Sprintf("At %s a weight; size 0 is the clean images."+leftOut, width(a.x.Detail))}}
		ones := unit(a.ref)
		for k, kind := range a.floats[0].Kinds[1:] {
			c := chart.Lines{Title: kind.Name, X: "size of error", Y: a.measure()}
			t := table{Caption: kind.Name, Head: []string{"network", "size", a.measure()}}
			for _, m := range append([]string{floatMethod}, methods...) {
				own := a.exact
				if m != floatMethod {
					own = a.trial(m, a.x.Detail)
				}
				if own == nil {
					continue
				}
				series := chart.Series{Style: styleOf(m)}
				add := func(k, i int, size float64) {
					x := right(own, k, i)
					e := a.sampler.ratio(x, ones)
					series.Points = append(series.Points, chart.Point{X: size, Y: e.Value, Low: e.Low, High: e.High})
					t.Rows = append(t.Rows, append(row(title(m), fmt.Sprintf("%g", size)), of(e)))
				}
				add(0, 0, 0)
				for i, size := range kind.Sizes {
					add(k+1, i, size)
				}
				c.Series = append(c.Series, series)
			}
			if err := s.lines(c, a.x.Name+" under "+kind.Name, t); err != nil {
				return err
			}
		}
		d.add(s)
	}
	return nil
}
