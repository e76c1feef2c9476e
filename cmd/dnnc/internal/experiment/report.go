package experiment

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/chart"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pictures"
	"github.com/dnnc/dnnc/cmd/internal/markers"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// titles are what methods are called in a report.
var titles = map[string]string{"qed": "Qed", "qstar": "Q*", "compress": "Deep Compression", floatMethod: "float"}

func title(method string) string {
	if t := titles[method]; t != "" {
		return t
	}
	return method
}

// styles are the looks of methods, the same in all pictures.
func styleOf(method string) int {
	if method == floatMethod {
		return len(chart.Palette) - 1
	}
	list := []string{"qed", "qstar", "universal", "compress"}
	if i := slices.Index(list, method); i >= 0 {
		return i
	}
	return 4 + max(slices.Index(robust.Methods(), method), 0)%2
}

// analysis is a study with what its figures are made of at hand.
type analysis struct {
	*study
	sampler *sampler
	ref     [][]float64 // the float network's part of the robust accuracy, by seed and image
	floats  []*measure.Score
}

func analyse(s *study) (*analysis, error) {
	a := &analysis{study: s, sampler: newSampler(s.mat.images.N, len(s.x.Seeds))}
	for _, e := range s.exact {
		r, err := e.result()
		if err != nil {
			return nil, err
		}
		a.floats, a.ref = append(a.floats, r), append(a.ref, r.Shares())
	}
	return a, nil
}

// pick is the entrants that a test holds for, one a seed; nil unless all of them have
// a network.
func pick(bySeed [][]*entrant, test func(e *entrant) bool) []*entrant {
	var list []*entrant
	for _, seed := range bySeed {
		i := slices.IndexFunc(seed, test)
		if i < 0 || seed[i].isNone() {
			return nil
		}
		list = append(list, seed[i])
	}
	return list
}

func (a *analysis) trial(method string, bits float64) []*entrant {
	return pick(a.trials, func(e *entrant) bool { return e.method == method && e.bits == bits })
}

// shares are the images' parts of the robust accuracy, by seed; under one kind of
// error alone where k is not negative.
func shares(list []*entrant, k int) ([][]float64, error) {
	var out [][]float64
	for _, e := range list {
		s, err := e.result()
		if err != nil {
			return nil, err
		}
		if k < 0 {
			out = append(out, s.Shares())
		} else {
			out = append(out, s.Kinds[k].Shares())
		}
	}
	return out, nil
}

// kept is the share of the float network's robust accuracy that networks keep.
func (a *analysis) kept(list []*entrant) (Estimate, error) {
	x, err := shares(list, -1)
	if err != nil {
		return Estimate{}, err
	}
	return a.sampler.ratio(x, a.ref), nil
}

// gap is how much more of it the one keeps than the other.
func (a *analysis) gap(one, other []*entrant) (Estimate, error) {
	x, err := shares(one, -1)
	if err != nil {
		return Estimate{}, err
	}
	y, err := shares(other, -1)
	if err != nil {
		return Estimate{}, err
	}
	return a.sampler.ratio(minus(x, y), a.ref), nil
}

func (a *analysis) budgets() []float64 {
	var list []float64
	for _, e := range a.trials[0] {
		if !slices.Contains(list, e.bits) {
			list = append(list, e.bits)
		}
	}
	return list
}

// write makes the report of studies.
func write(studies []*study, command string, skipped []string) (*document, error) {
	d := &document{Title: "Robust quantization of deep neural networks: " + namesOf(studies)}
	var list []*analysis
	for _, s := range studies {
		a, err := analyse(s)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	for _, name := range skipped {
		d.Warnings = append(d.Warnings, "Left out, for its data are not at hand: "+name+".")
	}
	for _, a := range list {
		if a.mat.test == "noise" {
			d.Warnings = append(d.Warnings, a.x.Name+": NO DATA: images of noise, and the float network's own answers are the labels.")
		} else if a.mat.images.Labels == nil {
			d.Warnings = append(d.Warnings, a.x.Name+": NO LABELS: the float network's own answers are the labels.")
		}
	}
	d.Warnings = append(d.Warnings, reductions(list)...)
	for _, part := range []func(d *document, list []*analysis) error{
		opening, keeping, sizes, kinds, errorSizes, widths, efforts, boundaries, planes, layers, ablations,
	} {
		if err := part(d, list); err != nil {
			return nil, err
		}
	}
	d.Origin = "`" + command + "`"
	return d, reproduce(d, list, command)
}

// reductions say what the experiments reduced, each once with the networks.
func reductions(list []*analysis) (out []string) {
	var said []string
	for _, a := range list {
		if a.x.Reduced == "" || slices.Contains(said, a.x.Reduced) {
			continue
		}
		said = append(said, a.x.Reduced)
		var names []string
		for _, o := range list {
			if o.x.Reduced == a.x.Reduced {
				names = append(names, o.x.Name)
			}
		}
		out = append(out, enumerate(names)+", reduced: "+a.x.Reduced+".")
	}
	return out
}

func namesOf(studies []*study) string {
	var names []string
	for _, s := range studies {
		names = append(names, s.x.Name)
	}
	return enumerate(names)
}

func enumerate(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// opening is the three sentences: what was compared, what won, by how much.
func opening(d *document, list []*analysis) error {
	x := list[0].x
	var methods []string
	least, most := math.Inf(1), 0.
	images, seeds := map[int]bool{}, map[int]bool{}
	var counts []string
	for _, a := range list {
		for _, b := range a.budgets() {
			least, most = min(least, b), max(most, b)
		}
		if !images[a.mat.images.N] {
			images[a.mat.images.N] = true
			counts = append(counts, fmt.Sprint(a.mat.images.N))
		}
		seeds[len(a.x.Seeds)] = true
	}
	for _, m := range x.Methods {
		methods = append(methods, title(m))
	}
	conditions, err := disturb.Parse(x.Measured)
	if err != nil {
		return err
	}
	kinds := map[string]bool{}
	for _, c := range conditions {
		kinds[c.Kind.Name] = true
	}
	bits := fmt.Sprintf("%g bits a weight", least)
	if least < most {
		bits = fmt.Sprintf("%g to %g bits a weight", least, most)
	}
	d.Opening = append(d.Opening, fmt.Sprintf("Compared: %s, each given the same bytes (%s) on %s, measured on the same %s test images, clean and under %d kinds of error at %d sizes, %s.",
		enumerate(methods), bits, namesOf(studiesOf(list)), strings.Join(counts, " or "), len(kinds), len(conditions), plural(len(x.Seeds), "seed")))

	// What won: the mean over networks of the mean over budgets.
	type place struct {
		method     string
		kept, over Estimate
		networks   int
	}
	var places []place
	for _, m := range x.Methods {
		var kept, over []Estimate
		for _, a := range list {
			k, o, err := a.overall(m)
			if err != nil {
				return err
			}
			if k != nil {
				kept, over = append(kept, *k), append(over, *o)
			}
		}
		if len(kept) > 0 {
			places = append(places, place{m, mean(kept), mean(over), len(kept)})
		}
	}
	first := places[0]
	var behind, level, ahead []string
	for _, p := range places[1:] {
		gap := fmt.Sprintf("%s by %.4f ± %.4f", title(p.method), math.Abs(p.over.Value), p.over.StdErr)
		switch {
		case p.over.Low > 0:
			ahead = append(ahead, gap)
		case p.over.High < 0:
			behind = append(behind, gap)
		default:
			level = append(level, fmt.Sprintf("%s (%+.4f ± %.4f)", title(p.method), p.over.Value, p.over.StdErr))
		}
	}
	name := title(first.method)
	var parts []string
	if len(ahead) > 0 {
		parts = append(parts, name+" keeps more robust accuracy than "+enumerate(ahead))
	}
	if len(behind) > 0 {
		parts = append(parts, "less than "+enumerate(behind))
	}
	if len(level) > 0 {
		parts = append(parts, "as much as "+enumerate(level)+" within the error")
	}
	if len(parts) > 0 && len(ahead) == 0 {
		parts[0] = name + " keeps " + parts[0]
	}
	d.Opening = append(d.Opening, fmt.Sprintf("%s; it keeps %.4f ± %.4f of the float network's in the mean of networks and sizes (differences are paired by image, each over the sizes that both methods reach; ± is one standard error).",
		strings.Join(parts, ", "), first.kept.Value, first.kept.StdErr))

	var third []string
	share, evaluations, within, ok, err := effortOf(list)
	if err != nil {
		return err
	}
	if ok {
		third = append(third, fmt.Sprintf("Q* keeps %.4f ± %.4f of what Qed keeps, with %.3f of its multiply-adds and %.3f of its evaluations in the mean", within.Value, within.StdErr, share, evaluations))
	}
	var agree []string
	for _, m := range append([]string{}, x.Methods...) {
		var all []Estimate
		for _, a := range list {
			if e, ok := a.agreement(m); ok {
				all = append(all, e)
			}
		}
		if len(all) > 0 {
			e := mean(all)
			agree = append(agree, fmt.Sprintf("%s %.3f ± %.3f", title(m), e.Value, e.StdErr))
		}
	}
	if len(agree) > 0 {
		third = append(third, "on planes through three test images the answers agree with the float network's on this share of the points: "+enumerate(agree))
	}
	if len(third) == 0 {
		third = append(third, "Nothing was asked about effort or decision boundaries")
	}
	s := strings.Join(third, "; ") + "."
	d.Opening = append(d.Opening, strings.ToUpper(s[:1])+s[1:])

	d.Summary = table{Head: []string{"robust accuracy kept"}}
	for _, a := range list {
		d.Summary.Head = append(d.Summary.Head, a.x.Name)
	}
	for _, m := range x.Methods {
		r := row(title(m))
		for _, a := range list {
			k, _, err := a.overall(m)
			if err != nil {
				return err
			}
			if k == nil {
				r = append(r, figure{Text: "-"})
			} else {
				r = append(r, figure{Text: fmt.Sprintf("%.4f", k.Value), Small: fmt.Sprintf("[%.4f, %.4f]", k.Low, k.High)})
			}
		}
		d.Summary.Rows = append(d.Summary.Rows, r)
	}
	return nil
}

func studiesOf(list []*analysis) (out []*study) {
	for _, a := range list {
		out = append(out, a.study)
	}
	return out
}

func plural(n int, what string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// overall is what a method keeps in the mean of the budgets that it has networks for,
// and how much more the first method keeps there; nil where it has none.
func (a *analysis) overall(method string) (kept, over *Estimate, err error) {
	var x, y [][]float64
	n := 0.
	for _, bits := range a.budgets() {
		own, first := a.trial(method, bits), a.trial(a.x.Methods[0], bits)
		if own == nil || first == nil {
			continue
		}
		s, err := shares(own, -1)
		if err != nil {
			return nil, nil, err
		}
		t, err := shares(first, -1)
		if err != nil {
			return nil, nil, err
		}
		if n == 0 {
			x, y = s, t
		} else {
			x, y = combine(1, x, 1, s), combine(1, y, 1, t)
		}
		n++
	}
	if n == 0 {
		return nil, nil, nil
	}
	ref := combine(n, a.ref, 0, a.ref)
	k, o := a.sampler.ratio(x, ref), a.sampler.ratio(minus(y, x), ref)
	return &k, &o, nil
}

// effortOf compares Q* with Qed over all networks and budgets: the shares of effort,
// and of what is kept.
func effortOf(list []*analysis) (macs, evaluations float64, within Estimate, ok bool, err error) {
	var ratios []Estimate
	n := 0.
	for _, a := range list {
		var x, y [][]float64
		for _, bits := range a.budgets() {
			qed, qstar := a.trial("qed", bits), a.trial("qstar", bits)
			if qed == nil || qstar == nil {
				continue
			}
			s, err := shares(qstar, -1)
			if err != nil {
				return 0, 0, within, false, err
			}
			t, err := shares(qed, -1)
			if err != nil {
				return 0, 0, within, false, err
			}
			if x == nil {
				x, y = s, t
			} else {
				x, y = combine(1, x, 1, s), combine(1, y, 1, t)
			}
			for i := range qed {
				macs += float64(qstar[i].chosen.MACs) / float64(qed[i].chosen.MACs)
				evaluations += float64(qstar[i].chosen.Evaluations) / float64(qed[i].chosen.Evaluations)
				n++
			}
		}
		if x != nil {
			ratios = append(ratios, a.sampler.ratio(x, y))
		}
	}
	if n == 0 {
		return 0, 0, within, false, nil
	}
	return macs / n, evaluations / n, mean(ratios), true, nil
}

// keeping is the table of every method at every budget.
func keeping(d *document, list []*analysis) error {
	s := section{ID: "kept", Title: "What is kept at equal bytes", Text: []string{
		"The share of the float network's robust accuracy that is kept: the mean over kinds of error of the mean over their sizes, clean images being one kind. Below, ± is one standard error from " +
			fmt.Sprint(resamples) + " resamples of the test images and of the seeds; differences are paired by image. Strong figures are told from 0: their 95 % interval does not hold it."}}
	if len(list) > 1 {
		all := table{Caption: "In the mean of all sizes", Head: []string{"network"}}
		for _, m := range list[0].x.Methods {
			all.Head = append(all.Head, title(m))
		}
		for _, a := range list {
			r := row(a.x.Name)
			for _, m := range list[0].x.Methods {
				kept, _, err := a.overall(m)
				switch {
				case err != nil:
					return err
				case kept == nil:
					r = append(r, figure{Text: "-"})
				default:
					r = append(r, of(*kept))
				}
			}
			all.Rows = append(all.Rows, r)
		}
		s.Tables = append(s.Tables, all)
	}
	var folded []table
	for _, a := range list {
		t := table{Caption: a.x.Name + ", by bits a weight", Head: []string{"method"}}
		gaps := table{Caption: a.x.Name + ": what " + title(a.x.Methods[0]) + " keeps beyond each method", Head: []string{"method"}, Folded: true}
		for _, b := range a.budgets() {
			t.Head, gaps.Head = append(t.Head, fmt.Sprintf("%g bits", b)), append(gaps.Head, fmt.Sprintf("%g bits", b))
		}
		for i, m := range a.x.Methods {
			r, g := row(title(m)), row(title(m))
			for _, b := range a.budgets() {
				own, first := a.trial(m, b), a.trial(a.x.Methods[0], b)
				if own == nil {
					r, g = append(r, figure{Text: "-", Small: "nothing this small"}), append(g, figure{Text: "-"})
					continue
				}
				e, err := a.kept(own)
				if err != nil {
					return err
				}
				r = append(r, of(e))
				if i > 0 && first != nil {
					if e, err = a.gap(first, own); err != nil {
						return err
					}
					g = append(g, signed(e))
				} else {
					g = append(g, figure{Text: "-"})
				}
			}
			t.Rows = append(t.Rows, r)
			if i > 0 {
				gaps.Rows = append(gaps.Rows, g)
			}
		}
		s.Tables = append(s.Tables, t)
		if len(gaps.Rows) > 0 {
			folded = append(folded, gaps)
		}
	}
	s.Tables = append(s.Tables, folded...)
	d.Sections = append(d.Sections, s)
	return nil
}

// legends are the keys of methods.
func legends(methods ...string) (list []legend, err error) {
	for _, m := range methods {
		sample, err := chart.Key(styleOf(m))
		if err != nil {
			return nil, err
		}
		list = append(list, legend{template.HTML(sample), title(m)})
	}
	return list, nil
}

// sizes is the pictures of robust accuracy against bytes.
func sizes(d *document, list []*analysis) error {
	s := section{ID: "sizes", Title: "Robust accuracy against size", Text: []string{"Bytes are those of the packed weights with their codebooks and of the channels' constants. Bars are 95 % intervals of what is kept, paired by image with the float network, which is the line across."}}
	var err error
	if s.Legend, err = legends(append(slices.Clone(list[0].x.Methods), floatMethod)...); err != nil {
		return err
	}
	for _, a := range list {
		c := chart.Lines{Title: a.x.Name, X: "bytes", Y: "robust accuracy", Ticks: chart.Decades{}}
		t := table{Caption: a.x.Name, Head: []string{"method", "bytes", "bits", "robust accuracy"}}
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
				e, err := a.kept(own)
				if err != nil {
					return err
				}
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
		if err := s.lines(c, a.x.Name+": robust accuracy against bytes", t); err != nil {
			return err
		}
	}
	d.Sections = append(d.Sections, s)
	return nil
}

func unit(like [][]float64) [][]float64 {
	out := make([][]float64, len(like))
	for i := range out {
		out[i] = slices.Repeat([]float64{1}, len(like[i]))
	}
	return out
}

func (s *section) lines(c chart.Lines, caption string, t table) error {
	svg, err := c.SVG()
	if err != nil {
		return err
	}
	s.Pictures = append(s.Pictures, picture{template.HTML(svg), caption, &t})
	return nil
}

// kinds is the table of every kind of error at the detail budget.
func kinds(d *document, list []*analysis) error {
	s := section{ID: "kinds", Title: "Every kind of error", Text: []string{"Share of the float network's accuracy under one kind of error alone, mean over its sizes, that is kept at one size of network."}}
	for _, a := range list {
		t := table{Caption: fmt.Sprintf("%s at %g bits a weight", a.x.Name, a.x.Detail), Head: []string{"kind", "float"}}
		for _, m := range a.x.Methods {
			t.Head = append(t.Head, title(m))
		}
		for k, name := range a.floats[0].Kinds {
			ref, err := shares(a.exact, k)
			if err != nil {
				return err
			}
			r := append(row(name.Name), of(a.sampler.ratio(ref, unit(ref))))
			for _, m := range a.x.Methods {
				own := a.trial(m, a.x.Detail)
				if own == nil {
					r = append(r, figure{Text: "-"})
					continue
				}
				x, err := shares(own, k)
				if err != nil {
					return err
				}
				r = append(r, of(a.sampler.ratio(x, ref)))
			}
			t.Rows = append(t.Rows, r)
		}
		s.Tables = append(s.Tables, t)
	}
	d.Sections = append(d.Sections, s)
	return nil
}

// right is the answers under kind k at one of its sizes, by seed and image.
func right(list []*entrant, k, size int) ([][]float64, error) {
	var out [][]float64
	for _, e := range list {
		s, err := e.result()
		if err != nil {
			return nil, err
		}
		x := make([]float64, s.Images)
		for i, v := range s.Kinds[k].Right[size] {
			if v {
				x[i] = 1
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// errorSizes is the pictures of accuracy against the size of error, by kind.
func errorSizes(d *document, list []*analysis) error {
	methods := slices.DeleteFunc(slices.Clone(list[0].x.Methods), func(m string) bool { return m == "qstar" })
	keys, err := legends(append([]string{floatMethod}, methods...)...)
	if err != nil {
		return err
	}
	for n, a := range list {
		s := section{ID: fmt.Sprintf("errors%d", n+1), Title: "Accuracy against the size of error: " + a.x.Name, Legend: keys,
			Text: []string{fmt.Sprintf("At %g bits a weight; size 0 is the clean images.", a.x.Detail)}}
		ones := unit(a.ref)
		for k, kind := range a.floats[0].Kinds[1:] {
			c := chart.Lines{Title: kind.Name, X: "size of error", Y: "accuracy"}
			t := table{Caption: kind.Name, Head: []string{"network", "size", "accuracy"}}
			for _, m := range append([]string{floatMethod}, methods...) {
				own := a.exact
				if m != floatMethod {
					own = a.trial(m, a.x.Detail)
				}
				if own == nil {
					continue
				}
				series := chart.Series{Style: styleOf(m)}
				add := func(k, i int, size float64) error {
					x, err := right(own, k, i)
					if err != nil {
						return err
					}
					e := a.sampler.ratio(x, ones)
					series.Points = append(series.Points, chart.Point{X: size, Y: e.Value, Low: e.Low, High: e.High})
					t.Rows = append(t.Rows, append(row(title(m), fmt.Sprintf("%g", size)), of(e)))
					return nil
				}
				if err := add(0, 0, 0); err != nil {
					return err
				}
				for i, size := range kind.Sizes {
					if err := add(k+1, i, size); err != nil {
						return err
					}
				}
				c.Series = append(c.Series, series)
			}
			if err := s.lines(c, a.x.Name+" under "+kind.Name, t); err != nil {
				return err
			}
		}
		if len(s.Pictures) > 0 {
			d.Sections = append(d.Sections, s)
		}
	}
	return nil
}

// at is the option of a format.
func (l *layer) at(format string) int {
	return slices.IndexFunc(l.Options, func(o entry) bool { return o.Format == format })
}

func (l *layer) bits(o entry) float64 { return 8 * float64(o.Bytes) / float64(l.Weights) }

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
			t.Head = append(t.Head, fmt.Sprintf("%g bits", e.bits))
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
	if len(s.Pictures) > 0 {
		d.Sections = append(d.Sections, s)
	}
	return nil
}

// efforts is the pictures of robustness against effort.
func efforts(d *document, list []*analysis) error {
	s := section{ID: "efforts", Title: "Time against robustness", Text: []string{
		"What is kept at growing limits of effort, counted in multiply-adds of the search's evaluations, which are the same on every machine. Q* ends at a share of the multiply-adds of Qed's whole table; Qed has no end but its own, and is given fewer judged images instead. The plain points of both methods are in the table, too."}}
	var err error
	if s.Legend, err = legends("qed", "qstar"); err != nil {
		return err
	}
	for _, a := range list {
		c := chart.Lines{Title: fmt.Sprintf("%s, %g bits", a.x.Name, a.x.Detail), X: "multiply-adds of the search", Y: "robust accuracy kept", Ticks: chart.Decades{}}
		t := table{Caption: fmt.Sprintf("%s at %g bits a weight", a.x.Name, a.x.Detail), Head: []string{"method", "ends at", "multiply-adds", "evaluations", "kept"}}
		for _, m := range []string{"qed", "qstar"} {
			series := chart.Series{Style: styleOf(m)}
			add := func(own []*entrant, end string) error {
				if own == nil {
					return nil
				}
				e, err := a.kept(own)
				if err != nil {
					return err
				}
				macs, evaluations := 0., 0.
				for _, o := range own {
					macs, evaluations = macs+float64(o.chosen.MACs)/float64(len(own)), evaluations+float64(o.chosen.Evaluations)/float64(len(own))
				}
				series.Points = append(series.Points, chart.Point{X: macs, Y: e.Value, Low: e.Low, High: e.High})
				t.Rows = append(t.Rows, append(row(title(m), end, fmt.Sprintf("%.3g", macs), fmt.Sprintf("%.0f", evaluations)), of(e)))
				return nil
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
				if slices.ContainsFunc(own, (*entrant).isNone) {
					continue
				}
				if err := add(own, end); err != nil {
					return err
				}
			}
			if err := add(a.trial(m, a.x.Detail), "its own"); err != nil {
				return err
			}
			slices.SortFunc(series.Points, func(p, q chart.Point) int { return int(math.Copysign(1, p.X-q.X)) })
			c.Series = append(c.Series, series)
		}
		if len(t.Rows) > 0 {
			if err := s.lines(c, a.x.Name+": what is kept against the effort of the search", t); err != nil {
				return err
			}
		}
	}
	// The paper's claim, network by network.
	t := table{Caption: "Q* against Qed, all sizes of network together", Head: []string{"network", "kept by Q* of what Qed keeps", "multiply-adds", "evaluations"}}
	for _, a := range list {
		macs, evaluations, within, ok, err := effortOf([]*analysis{a})
		if err != nil {
			return err
		}
		if ok {
			t.Rows = append(t.Rows, append(append(row(a.x.Name), of(within)), row(fmt.Sprintf("%.3f", macs), fmt.Sprintf("%.3f", evaluations))...))
		}
	}
	if len(t.Rows) > 0 {
		s.Tables = append(s.Tables, t)
	}
	if len(s.Pictures) > 0 || len(s.Tables) > 0 {
		d.Sections = append(d.Sections, s)
	}
	return nil
}

// boundaries is the distributions of boundary distance.
func boundaries(d *document, list []*analysis) error {
	s := section{ID: "boundary", Title: "How far the decision boundary is", Text: []string{
		"The share of the test images whose answer is wrong at or below a size of error: a line further down and to the right is more robust. The mean loss is relative to the float network, over the images that it answers rightly."}}
	var methods []string
	for _, a := range list {
		for k, kind := range a.x.Boundary {
			c := chart.Lines{Title: a.x.Name + ": " + kind, X: "size of error", Y: "share answered wrongly"}
			t := table{Caption: fmt.Sprintf("%s at %g bits a weight, distances under %s", a.x.Name, a.x.Detail, kind), Head: []string{"network", "10 %", "median", "90 %", "never wrong", "mean loss"}}
			var ref []float64
			for _, e := range a.planeOf {
				got := e.distances[k].answer.(*distanced)
				if got.None {
					continue
				}
				if !slices.Contains(methods, e.method) {
					methods = append(methods, e.method)
				}
				x := got.Distances
				if e.method == floatMethod {
					ref = x
				}
				c.Series = append(c.Series, chart.Series{Style: styleOf(e.method), Plain: true, Points: stairs(x)})
				never := 0.
				for _, v := range x {
					if v == measure.Never {
						never += 1 / float64(len(x))
					}
				}
				q := measure.Quantiles(x, .1, .5, .9)
				loss := measure.BoundaryLoss(ref, x)
				r := row(title(e.method), fmt.Sprintf("%.3f", q[0]), fmt.Sprintf("%.3f", q[1]), fmt.Sprintf("%.3f", q[2]), fmt.Sprintf("%.3f", never))
				if e.method == floatMethod {
					r = append(r, figure{Text: "-"})
				} else {
					r = append(r, of(Estimate{Value: loss.Value, StdErr: loss.StdErr}))
				}
				t.Rows = append(t.Rows, r)
			}
			if err := s.lines(c, fmt.Sprintf("%s: boundary distances under %s, %d images", a.x.Name, kind, min(a.x.BoundaryImages, a.mat.images.N)), t); err != nil {
				return err
			}
		}
	}
	if len(s.Pictures) == 0 {
		return nil
	}
	var err error
	s.Legend, err = legends(methods...)
	d.Sections = append(d.Sections, s)
	return err
}

// stairs is the empirical distribution of distances: two points a step.
func stairs(x []float64) []chart.Point {
	sorted := slices.Clone(x)
	slices.Sort(sorted)
	points := []chart.Point{{}}
	at := func(x, y float64) { points = append(points, chart.Point{X: x, Y: y, Low: y, High: y}) }
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		if sorted[i] > 1 {
			break // never wrong
		}
		at(sorted[i], float64(i)/float64(len(sorted)))
		at(sorted[i], float64(j)/float64(len(sorted)))
		i = j
	}
	at(1, points[len(points)-1].Y)
	return points
}

// agreements are the shares of the planes on which entrant i answers as the float
// network.
func (a *analysis) agreements(i int) (list []float64) {
	for _, c := range a.planes {
		p := c.answer.(*planed)
		if p.Points == 0 || p.Answers[i] == "" {
			continue
		}
		one, _ := base64.StdEncoding.DecodeString(p.Answers[i])
		ref, _ := base64.StdEncoding.DecodeString(p.Answers[0])
		same := 0.
		for k := range one {
			if one[k] == ref[k] {
				same++
			}
		}
		list = append(list, same/float64(len(one)))
	}
	return list
}

// agreement is their mean.
func (a *analysis) agreement(method string) (Estimate, bool) {
	i := slices.IndexFunc(a.planeOf, func(e *entrant) bool { return e.method == method })
	if i < 0 {
		return Estimate{}, false
	}
	list := a.agreements(i)
	if len(list) == 0 {
		return Estimate{}, false
	}
	return ofMean(list), true
}

// planes is the decision planes side by side.
func planes(d *document, list []*analysis) error {
	s := section{ID: "planes", Title: "The decision boundary", Text: []string{
		"What networks answer on the plane through three test images of different classes (crosses), one colour a class; pictures are of the first plane, the figures of all of them. Networks have equal bytes."}}
	for _, a := range list {
		if len(a.planes) == 0 || a.planes[0].answer.(*planed).Points == 0 {
			continue
		}
		t := table{Caption: fmt.Sprintf("%s at %g bits a weight: agreement with the float network on %s", a.x.Name, a.x.Detail, plural(len(a.planes), "plane")),
			Head: []string{"network", "agreement", "less than " + title(a.x.Methods[0])}}
		p := a.planes[0].answer.(*planed)
		drawn := &measure.Plane{N: p.Points}
		for i, e := range a.planeOf {
			if p.Answers[i] == "" {
				continue
			}
			raw, err := base64.StdEncoding.DecodeString(p.Answers[i])
			if err != nil {
				return err
			}
			answers := make([]int, len(raw))
			for k, v := range raw {
				answers[k] = int(v)
			}
			drawn.Answers = append(drawn.Answers, answers)
			at := len(drawn.Answers) - 1
			s.Pictures = append(s.Pictures, picture{SVG: template.HTML(pictures.PanelSVG(drawn, at)), Caption: fmt.Sprintf("%s, %s: %.1f %%", a.x.Name, title(e.method), 100*drawn.Agreement(at))})
			if e.method == floatMethod {
				continue
			}
			own := a.agreements(i)
			r := append(row(title(e.method)), of(ofMean(own)))
			if e.method != a.x.Methods[0] && a.planeOf[1].method == a.x.Methods[0] {
				first := a.agreements(1)
				gaps := make([]float64, len(own))
				for k := range own {
					gaps[k] = first[k] - own[k]
				}
				r = append(r, signed(ofMean(gaps)))
			} else {
				r = append(r, figure{Text: "-"})
			}
			t.Rows = append(t.Rows, r)
		}
		s.Tables = append(s.Tables, t)
	}
	if len(s.Pictures) > 0 {
		d.Sections = append(d.Sections, s)
	}
	return nil
}

// layers is the table of Qed's layers at the detail budget.
func layers(d *document, list []*analysis) error {
	s := section{ID: "layers", Title: "Layer by layer", Text: []string{
		"The network that Qed chose. Sensitivity is the divergence (KL) of the network in which this layer alone has its format; beside it, what the format about one bit narrower or wider would do to bytes and to that divergence. Cycles are the estimate of the target's cost model."}}
	for _, a := range list {
		i := slices.IndexFunc(a.trials[0], func(e *entrant) bool { return e.method == "qed" && e.bits == a.x.Detail && !e.isNone() })
		if i < 0 {
			continue
		}
		e := a.trials[0][i]
		t := table{Caption: fmt.Sprintf("%s at %g bits a weight, on %s", a.x.Name, a.x.Detail, a.x.Target), Head: []string{"layer", "format", "bytes", "cycles", "sensitivity", "one bit less", "one bit more"}}
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
					r = append(r, figure{Text: "-"})
				}
			}
			t.Rows = append(t.Rows, r)
		}
		s.Tables = append(s.Tables, t)
	}
	if len(s.Tables) > 0 {
		d.Sections = append(d.Sections, s)
	}
	return nil
}

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

// ablations is what each part of the method brings.
func ablations(d *document, list []*analysis) error {
	s := section{ID: "ablation", Title: "What matters: objectives, errors, ranges, images", Text: []string{
		"Every line changes one thing of the dynamic program over the divergence from the float network under errors, without finalists and local search; differences are paired by image, strong ones are told from 0 (one line in twenty would be by chance)."}}
	for _, a := range list {
		if len(a.ablation[0]) == 0 {
			continue
		}
		var matter, not []string
		t := table{Caption: a.x.Name + ": kept beyond the reference (" + reference + "), whose line says what is kept", Head: []string{"what is changed"}}
		var variants []string
		for _, e := range a.ablation[0] {
			if !slices.Contains(variants, e.variant) {
				variants = append(variants, e.variant)
			}
		}
		for _, b := range a.x.AblationBudgets {
			t.Head = append(t.Head, fmt.Sprintf("%g bits", b))
		}
		find := func(variant string, bits float64) []*entrant {
			return pick(a.ablation, func(e *entrant) bool { return e.variant == variant && e.bits == bits })
		}
		for _, v := range variants {
			r := row(v)
			var told []string
			for _, b := range a.x.AblationBudgets {
				own, ref := find(v, b), find(reference, b)
				if own == nil || ref == nil {
					r = append(r, figure{Text: "-"})
					continue
				}
				if v == reference {
					e, err := a.kept(own)
					if err != nil {
						return err
					}
					r = append(r, of(e))
					continue
				}
				e, err := a.gap(own, ref)
				if err != nil {
					return err
				}
				if e == (Estimate{}) {
					r = append(r, figure{Text: "0", Small: "the same answers"})
				} else {
					r = append(r, signed(e))
				}
				if e.isTold(0) {
					told = append(told, fmt.Sprintf("%+.3f at %g bits", e.Value, b))
				}
			}
			t.Rows = append(t.Rows, r)
			if len(told) > 0 {
				matter = append(matter, fmt.Sprintf("%s (%s)", v, strings.Join(told, ", ")))
			} else if v != reference {
				not = append(not, v)
			}
		}
		if len(matter) > 0 {
			s.Text = append(s.Text, "On "+a.x.Name+" it matters: "+strings.Join(matter, "; ")+".")
		}
		if len(not) > 0 {
			s.Text = append(s.Text, "On "+a.x.Name+" no difference could be told: "+strings.Join(not, "; ")+".")
		}
		s.Tables = append(s.Tables, t)
	}
	if len(s.Tables) == 0 {
		return nil
	}
	d.Sections = append(d.Sections, s)
	return nil
}

// reproduce is the commands and hashes.
func reproduce(d *document, list []*analysis, command string) error {
	s := section{ID: "reproduce", Title: "How to get the same", Text: []string{
		"Command: " + command + ". Cells are kept in the folder of -results, each under the hash of its question; equal inputs give equal bytes of this page on processors of one kind.",
		"The method is that of Kim, Lee, Kim and Seo, Robust quantization of deep neural networks, Compiler Construction 2020, doi 10.1145/3377555.3377900."}}
	t := table{Caption: fmt.Sprintf("What it was made from (cells of version %d, search of version %d)", Version, robust.Version), Head: []string{"experiment", "what", "value"}}
	all := sha256.New()
	for _, a := range list {
		x := a.x
		add := func(what string, value any) {
			t.Rows = append(t.Rows, row(x.Name, what, fmt.Sprint(value)))
		}
		add("network", a.mat.module.Name+", sha256 "+a.mat.hash)
		for _, f := range a.mat.inputs {
			add("data", f.Name+", sha256 "+f.SHA256)
		}
		add("searched under", x.Errors)
		add("measured under", x.Measured)
		add("images", fmt.Sprintf("%d to calibrate, %d judged, %d to report on; no image is both", x.Images, x.Judged, a.mat.images.N))
		add("formats", fmt.Sprintf("%s, %g to %g bits (0 is no bound)", strings.Join(x.Formats, " "), x.MinBits, x.MaxBits))
		add("seeds", fmt.Sprint(x.Seeds))
		own := sha256.New()
		for _, step := range a.steps {
			for _, c := range step.cells {
				text, err := json.Marshal(c.answer)
				if err != nil {
					return err
				}
				fmt.Fprintf(own, "%s %s\n", c.key, text)
			}
		}
		sum := own.Sum(nil)
		all.Write(sum)
		add("answers", "sha256 "+hex.EncodeToString(sum))
	}
	t.Rows = append(t.Rows, row("all", "answers", "sha256 "+hex.EncodeToString(all.Sum(nil))))
	s.Tables = []table{t}
	d.Sections = append(d.Sections, s)
	return nil
}

// The lines of a README between which the summary stands.
const (
	begin = "<!-- experiments: written by dnnc experiment -readme -->"
	end   = "<!-- end of experiments -->"
)

// refresh writes the summary into a README.
func refresh(path string, d *document) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadFile, "-readme: %v", err)
	}
	content := strings.Join(d.Opening, "\n") + "\n\n" + d.Summary.markdown() + "\n" + d.Origin + ", " + time.Now().UTC().Format(time.DateOnly) + "; mean over the sizes, with the interval that holds 95 of 100 resamples.\n"
	content = strings.ReplaceAll(content, "*", `\*`) // of Q*
	if text, err = markers.Replace(text, begin, end, content); err != nil {
		return diag.New(diag.Pos{}, diag.BadFile, "-readme %s: %v", path, err)
	}
	return driver.Replace(path, text)
}
