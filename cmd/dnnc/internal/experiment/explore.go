package experiment

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pictures"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// build is the question what a network takes of a target.
type build struct {
	Version int     `json:"version"`
	Network shipped `json:"network"`
	Target  string  `json:"target"`
	LLVM    string  `json:"llvm,omitempty"` // "" where there is none: then nobody knows the code
}

// built is the answer to a build; figures that are not known are absent.
type built struct {
	None    bool    `json:"none,omitempty"`
	Weights int     `json:"weight_bytes"`
	Others  int     `json:"constant_bytes"`
	Code    *int    `json:"code_bytes,omitempty"`
	Arena   int     `json:"arena_bytes"`
	Stack   *int    `json:"stack_bytes,omitempty"`
	Cycles  float64 `json:"estimated_cycles,omitempty"`
}

// samples is the question how items look under errors, and what the float network and another
// one answer to them.
type samples struct {
	Version  int     `json:"version"`
	Network  shipped `json:"network"`
	Measured string  `json:"measured"`
	Images   int     `json:"images"`
	Task     string  `json:"task,omitempty"`
	Most     int     `json:"most"`
}

// sampled is the answer to samples: those first to which the float network answers best
// beside the other one.
type sampled struct {
	None  bool     `json:"none,omitempty"`
	Shown []sample `json:"shown"`
}

// sample is one item under one error. Its parts are of the measure: of one label an item 1
// where the answer is right, and 0.
type sample struct {
	Image         int     `json:"image"`
	Kind          string  `json:"kind"`
	Size          float64 `json:"size"`
	Label         string  `json:"label,omitempty"`
	Float         string  `json:"float"`
	Quantized     string  `json:"quantized"`
	FloatPart     float64 `json:"float_part"`
	QuantizedPart float64 `json:"quantized_part"`
	PNG           string  `json:"png"` // base64
}

// explored is a network that a reader can choose.
type explored struct {
	*entrant
	cell *cell // a build
}

// mostSamples is the items that a page shows, eightBits the width of the network that robust
// ones are shown beside.
const (
	mostSamples = 12
	eightBits   = 8
)

// explore adds the networks of the first method, and one of 8 bits everywhere, with what they
// take of the target; and items under errors at the detail budget.
func (s *study) explore(exact *entrant, trials []*entrant, seed uint64) error {
	x := s.x
	version := ""
	if tools, err := llvm.Find(""); err == nil {
		version = tools.Version
	}
	all := x.setting()
	all.Formats, all.MinBits, all.MaxBits = []string{"odd"}, 0, 0
	wide, err := s.enter(entrant{method: "universal", bits: eightBits, seed: seed}, all, x.setting(), "")
	if err != nil {
		return err
	}
	s.ask("8 bits", []*entrant{exact, wide})
	list := []*entrant{}
	for _, e := range trials {
		if e.method == x.Methods[0] && slices.Contains(x.Budgets, e.bits) {
			list = append(list, e)
		}
	}
	for _, e := range append(list, wide) {
		q := &build{Version: Version, Network: e.ship, Target: x.Target, LLVM: version}
		c, err := newCell("build", q, &built{})
		if err != nil {
			return err
		}
		s.explored = append(s.explored, explored{e, c})
		s.steps = append(s.steps, &step{
			what: fmt.Sprintf("%s, a build of %s", x.Name, width(e.bits)), seed: seed, cells: []*cell{c}, weight: roundWhole * float64(s.mat.macs),
			run: func(ctx context.Context, l *lab, _ []*cell, _ func(int, int)) error {
				if e.isNone() {
					*c.answer.(*built) = built{None: true}
					return nil
				}
				return l.build(ctx, q, e.chosen, c.answer.(*built))
			},
		})
	}
	i := slices.IndexFunc(list, func(e *entrant) bool { return e.bits == x.Detail })
	if i < 0 {
		return nil
	}
	e := list[i]
	q := &samples{Version: Version, Network: e.ship, Measured: x.Measured, Images: x.TestImages, Task: s.mat.taskOf(), Most: mostSamples}
	if s.samples, err = newCell("samples", q, &sampled{}); err != nil {
		return err
	}
	s.steps = append(s.steps, &step{
		what: x.Name + ", samples", seed: seed, cells: []*cell{s.samples}, weight: 20 * mostSamples * float64(s.mat.macs),
		run: func(ctx context.Context, l *lab, _ []*cell, _ func(int, int)) error {
			if e.isNone() {
				*s.samples.answer.(*sampled) = sampled{None: true}
				return nil
			}
			return l.sample(ctx, q, exact, e, s.samples.answer.(*sampled))
		},
	})
	return nil
}

// build answers a build.
func (l *lab) build(ctx context.Context, q *build, c *chosen, out *built) error {
	m, err := l.module(ctx, q.Network, c)
	if err != nil {
		return err
	}
	config, err := dnnc.NewConfig(q.Target)
	if err != nil {
		return err
	}
	r, err := dnnc.Compile(ctx, m, config)
	if err != nil {
		return err
	}
	figures, err := r.Certificate()
	if err != nil {
		return err
	}
	*out = built{Weights: figures.WeightBytes, Others: figures.OtherBytes, Arena: figures.ArenaBytes, Cycles: figures.Cycles}
	if q.LLVM == "" {
		return nil
	}
	a, err := r.Assemble(ctx)
	if err != nil {
		return err
	}
	if out.Code = &a.Code; a.Interface.Stack > 0 {
		out.Stack = &a.Interface.Stack
	}
	return nil
}

// seen is an item under a condition, and the network's parts of the measure there.
type seen struct {
	image, kind, size int
	float, quantized  float64 // sums over the results
}

// sample answers samples: of what was measured it takes the items in which most is lost, of
// every kind of error in turn, then others; it disturbs them again, as they were.
func (l *lab) sample(ctx context.Context, q *samples, exact, other *entrant, out *sampled) error {
	conditions, err := disturb.Parse(q.Measured, l.mat.disturbed)
	if err != nil {
		return err
	}
	list, kinds, err := l.lost(exact, other)
	if err != nil {
		return err
	}
	net, err := l.network(ctx, other.ship, other.chosen)
	if err != nil {
		return err
	}
	at := 0 // of the first condition of each kind; clean images are the first kind
	first := make([]int, len(kinds))
	for k := 1; k < len(kinds); k++ {
		first[k] = at
		at += len(kinds[k].Sizes)
	}
	for _, s := range list[:min(q.Most, len(list))] {
		item := l.images.Slice(s.image, s.image+1)
		shown := sample{Image: s.image, Kind: kinds[s.kind].Name, FloatPart: s.float, QuantizedPart: s.quantized}
		x := item
		if s.kind > 0 {
			shown.Size = kinds[s.kind].Sizes[s.size]
			if x, err = disturb.Images(item, pass.TestAt+s.image, conditions[first[s.kind]+s.size], l.seed, l.gradient); err != nil {
				return err
			}
		}
		var answers [2][]float32
		for i, n := range []measure.Network{l.float.Results, net} {
			if answers[i], err = n(ctx, x.X, 1); err != nil {
				return err
			}
		}
		if item.Labels != nil {
			shown.Label = fmt.Sprintf("class %d", item.Labels[0])
		}
		shown.Float, shown.Quantized = answerOf(l.mat.task, answers[0]), answerOf(l.mat.task, answers[1])
		png, err := pictureOf(l.mat.disturbed[0], x.Image(0), item.Image(0))
		if err != nil {
			return err
		}
		shown.PNG = base64.StdEncoding.EncodeToString(png)
		out.Shown = append(out.Shown, shown)
	}
	return nil
}

// lost is every item under every condition, those first in which the other network's part is
// least beside the float network's: kinds take turns, and no item comes twice.
func (l *lab) lost(exact, other *entrant) ([]seen, []measure.Kind, error) {
	results := max(1, len(l.mat.task.Results))
	sum := map[[3]int]*seen{}
	var kinds []measure.Kind
	for r := range results {
		var scores [2]*measure.Score
		for i, e := range []*entrant{exact, other} {
			part, err := e.scored.of(r)
			if err != nil {
				return nil, nil, err
			}
			if scores[i], err = part.score(); err != nil {
				return nil, nil, err
			}
		}
		kinds = scores[0].Kinds
		for k := range kinds {
			for size := range max(1, len(kinds[k].Sizes)) {
				f, o := partsOf(&scores[0].Kinds[k], size), partsOf(&scores[1].Kinds[k], size)
				for i := range f {
					at := [3]int{i, k, size}
					if sum[at] == nil {
						sum[at] = &seen{image: i, kind: k, size: size}
					}
					sum[at].float, sum[at].quantized = sum[at].float+f[i]/float64(results), sum[at].quantized+o[i]/float64(results)
				}
			}
		}
	}
	byKind := make([][]seen, len(kinds))
	for _, s := range sum {
		byKind[s.kind] = append(byKind[s.kind], *s)
	}
	for _, list := range byKind {
		slices.SortFunc(list, func(a, b seen) int {
			return cmp.Or(cmp.Compare(b.float-b.quantized, a.float-a.quantized), cmp.Compare(a.image, b.image), cmp.Compare(a.size, b.size))
		})
	}
	var list []seen
	used := map[int]bool{}
	for found := true; found; {
		found = false
		for k := range byKind {
			for len(byKind[k]) > 0 {
				s := byKind[k][0]
				if byKind[k] = byKind[k][1:]; !used[s.image] {
					list, used[s.image], found = append(list, s), true, true
					break
				}
			}
		}
	}
	slices.SortStableFunc(list, func(a, b seen) int { return cmp.Compare(b.float-b.quantized, a.float-a.quantized) })
	return list, kinds, nil
}

// partsOf is the parts of a network's items under a kind at one of its sizes.
func partsOf(k *measure.Kind, size int) []float64 {
	if k.Right == nil {
		return k.Own[size]
	}
	x := make([]float64, len(k.Right[size]))
	for i, v := range k.Right[size] {
		if v {
			x[i] = 1
		}
	}
	return x
}

// mostValues is the reals of an answer that are shown.
const mostValues = 4

// answerOf is an answer to one item as people read it, result by result.
func answerOf(t measure.Task, x []float32) string {
	var list []string
	for _, r := range t.Results {
		own := x[:r.Shape.Size()]
		x = x[len(own):]
		text := ""
		switch {
		case r.Task == measure.Classes && r.Axis == ir.NoAxis:
			text = fmt.Sprintf("class %d", measure.Argmax(own))
		case len(own) <= mostValues:
			var values []string
			for _, v := range own {
				values = append(values, fmt.Sprintf("%.3g", v))
			}
			text = strings.Join(values, ", ")
		default:
			text = fmt.Sprintf("%d values", len(own))
		}
		if len(t.Results) > 1 {
			text = r.Name + ": " + text
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

// leastPicture is the width to which small pictures are scaled up.
const leastPicture = 84

// pictureOf draws an item as the networks saw it; of signals and features gray tells what it was.
func pictureOf(in disturb.Input, x, original []float32) ([]byte, error) {
	size := ir.Shape(in.Shape).Size()
	x, original = x[:size], original[:size]
	if in.Holds.Kind != ir.Image {
		return pictures.PNG(pictures.Plot(in, x, original))
	}
	b := pictures.Bytes(data.Batch{N: 1, Shape: in.Shape, X: x}, in)
	return pictures.PNG(pictures.Picture(b, 0, max(1, leastPicture/max(1, b.Shape[2]))))
}

// explorer is the part of a page in which a reader chooses a network.
type explorer struct {
	N          int // of the page, from 1 on
	Name       string
	Points     []point
	Table      table
	Curve      curve
	First      int // of the points, at the detail budget
	Target     string
	Samples    []shownSample
	SampleText string
}

// point is a network as the page shows it: all figures are texts, as the table has them.
type point struct {
	Title   string      `json:"title"`
	Figures [][2]string `json:"figures"`
	Kinds   [][2]string `json:"kinds"`
	Layers  [][]string  `json:"layers"` // by layerHead
	Next    string      `json:"next"`
}

// layerHead is the columns of a layer, in a point.
var layerHead = []string{"layer", "format", "bits", "bytes", "instructions", "sensitivity", "one bit less", "one bit more"}

// LayerHead is layerHead, of which the page makes the columns.
func (e *explorer) LayerHead() []string { return layerHead }

// curve is the drawing of the points, in its own coordinates.
type curve struct {
	Marks            []mark
	Line             string  // through the marks
	Top, Mid, Bottom string  // of the axis of what is kept
	Left, Right      string  // of the bytes
	One              float64 // where the float network is
}

type mark struct{ X, Y, Low, High float64 }

type shownSample struct {
	Source              template.URL
	About               string
	Label               string
	Float, Quantized    string
	IsLost              bool
	FloatPart, TheOther string
}

// explorers are the explorers of a page.
func explorers(d *document, list []*analysis) error {
	for _, a := range list {
		if len(a.explored) == 0 {
			continue
		}
		e := explorer{N: len(d.Explorers) + 1, Name: a.x.Name, Target: a.x.Target}
		e.Table = table{Caption: a.x.Name + ": the networks", Head: []string{"network", "weights and constants", "code", "RAM: arena", "stack", "instructions", "kept"}}
		for _, k := range a.floats[0].Kinds {
			e.Table.Head = append(e.Table.Head, k.Name)
		}
		e.Table.Head = append(e.Table.Head, "worst")
		var sizes []int
		var kept []Estimate
		for _, x := range a.explored {
			b := x.cell.answer.(*built)
			if x.isNone() || b.None || x.result == nil {
				continue
			}
			p, r, k := a.point(x.entrant, b)
			if x.bits == a.x.Detail && x.method == a.x.Methods[0] {
				e.First = len(e.Points)
			}
			e.Points, e.Table.Rows = append(e.Points, p), append(e.Table.Rows, r)
			sizes, kept = append(sizes, b.Weights+b.Others), append(kept, k)
		}
		if len(e.Points) == 0 {
			continue
		}
		e.Curve = curveOf(sizes, kept)
		if a.samples != nil {
			e.samples(a, a.samples.answer.(*sampled))
		}
		d.Explorers = append(d.Explorers, e)
	}
	return nil
}

// knownFigure is a figure that may be unknown.
func knownFigure(x *int) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprint(*x)
}

// point is what the page says of one network.
func (a *analysis) point(e *entrant, b *built) (point, []figure, Estimate) {
	name := title(e.method) + ", " + width(e.bits)
	if e.bits == eightBits && e.method == "universal" {
		name = "8 bits everywhere"
	}
	own := []*entrant{e}
	ref := [][]float64{a.ref[0]}
	sampler := a.sampler
	if len(a.ref) > 1 { // the explorer has the networks of the first seed
		sampler = newSampler(a.mat.images.N, 1)
	}
	kept := sampler.ratio(shares(own, -1), ref)
	interval := func(e Estimate) figure {
		if math.IsNaN(e.Value) {
			return none
		}
		return figure{Text: fmt.Sprintf("%.4f", e.Value), Small: fmt.Sprintf("[%.4f, %.4f]", e.Low, e.High)}
	}
	instructions := "-"
	if b.Cycles > 0 {
		instructions = fmt.Sprintf("%.0f", b.Cycles)
	}
	r := append(row(name, fmt.Sprint(b.Weights+b.Others), knownFigure(b.Code), fmt.Sprint(b.Arena), knownFigure(b.Stack), instructions), interval(kept))
	p := point{Title: name}
	worst, least := none, math.Inf(1)
	for k, kind := range a.floats[0].Kinds {
		s := sampler.ratio(shares(own, k), shares(a.exact[:1], k))
		f := interval(s)
		if s.Value < least {
			worst, least = figure{Text: kind.Name, Small: f.Text}, s.Value
		}
		r = append(r, f)
		p.Kinds = append(p.Kinds, [2]string{kind.Name, strings.TrimSpace(f.Text + " " + f.Small)})
	}
	r = append(r, worst)
	flash := "-"
	if b.Code != nil {
		flash = fmt.Sprintf("%d bytes", b.Weights+b.Others+*b.Code)
	}
	p.Figures = [][2]string{
		{"flash", flash}, {"weights and constants", fmt.Sprintf("%d bytes", b.Weights+b.Others)}, {"RAM for the arena", fmt.Sprintf("%d bytes", b.Arena)},
		{"instructions of the layers", instructions}, {"kept of the float network's " + judged(a), strings.TrimSpace(r[6].Text + " " + r[6].Small)},
		{"worst kind", strings.TrimSpace(worst.Text + " " + worst.Small)},
	}
	p.Layers = a.layerRows(e)
	p.Next = fmt.Sprintf("dnnc -O robust -size %d %s -target %s -o net.o", e.chosen.Size, quote.Shell(base(a.x.Network)), a.x.Target)
	if e.method == "universal" {
		p.Next = fmt.Sprintf("dnnc -O universal -bits %g %s -target %s -o net.o", e.bits, quote.Shell(base(a.x.Network)), a.x.Target)
	}
	for _, f := range [][2]string{{"calib", a.x.Calibration}, {"data", a.x.Test}} {
		if f[1] != "" {
			p.Next += fmt.Sprintf(" -%s %s", f[0], quote.Shell(base(f[1])))
		}
	}
	return p, r, kept
}

// layerRows are the layers of a network, as Qed's table knows them.
func (a *analysis) layerRows(e *entrant) (rows [][]string) {
	var of []layer
	for _, t := range a.trials[0] {
		if t.method == "qed" && !t.isNone() && len(t.chosen.Layers) > 0 {
			of = t.chosen.Layers
			break
		}
	}
	for i, n := range of {
		if i >= len(e.chosen.Formats) {
			break
		}
		r := []string{n.Name, e.chosen.Formats[i].Elem, "-", "-", "-", "-", "-", "-"}
		if at := n.at(r[1]); at >= 0 {
			own := n.Options[at]
			r[2], r[3], r[4] = fmt.Sprintf("%.2f", n.bits(own)), fmt.Sprint(own.Bytes), fmt.Sprintf("%.0f", own.Cycles)
			if own.Known {
				r[5] = fmt.Sprintf("%.5f", own.Cost)
			}
			for k, step := range []float64{-1, 1} {
				if other := n.beside(at, step); other >= 0 && own.Known {
					o := n.Options[other]
					r[6+k] = fmt.Sprintf("%+.5f (%s, %+d bytes)", o.Cost-own.Cost, o.Format, o.Bytes-own.Bytes)
				}
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// The drawing of a curve, in units of its own.
const (
	curveWidth, curveHeight = 640., 260.
	curveLeft, curveBottom  = 56., 36.
	curveTop, curveRight    = 14., 16.
)

func curveOf(sizes []int, kept []Estimate) (c curve) {
	least, most := math.Inf(1), 0.
	low, high := math.Inf(1), 1.
	for i, s := range sizes {
		least, most = min(least, float64(s)), max(most, float64(s))
		if !math.IsNaN(kept[i].Value) {
			low, high = min(low, kept[i].Low), max(high, kept[i].High)
		}
	}
	low = min(low, high-.01)
	x := func(s int) float64 {
		if least == most {
			return (curveLeft + curveWidth - curveRight) / 2
		}
		return curveLeft + 12 + (curveWidth-curveLeft-curveRight-24)*math.Log(float64(s)/least)/math.Log(most/least)
	}
	y := func(v float64) float64 {
		return math.Round(10*(curveTop+(curveHeight-curveTop-curveBottom)*(high-v)/(high-low))) / 10
	}
	var line []string
	order := make([]int, len(sizes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(sizes[a], sizes[b]) })
	for i, s := range sizes {
		m := mark{X: math.Round(10*x(s)) / 10, Y: -1}
		if e := kept[i]; !math.IsNaN(e.Value) {
			m.Y, m.Low, m.High = y(e.Value), y(e.Low), y(e.High)
		}
		c.Marks = append(c.Marks, m)
	}
	for _, i := range order {
		if c.Marks[i].Y >= 0 {
			line = append(line, fmt.Sprintf("%g,%g", c.Marks[i].X, c.Marks[i].Y))
		}
	}
	c.Line, c.One = strings.Join(line, " "), y(1)
	c.Top, c.Mid, c.Bottom = fmt.Sprintf("%.3f", high), fmt.Sprintf("%.3f", (high+low)/2), fmt.Sprintf("%.3f", low)
	c.Left, c.Right = fmt.Sprintf("%.0f bytes", least), fmt.Sprintf("%.0f bytes", most)
	return c
}

// samples are the items that the page shows, failures first.
func (e *explorer) samples(a *analysis, s *sampled) {
	failures, parts := 0, a.measure()
	if len(a.mat.task.Results) > 1 {
		parts = "the mean over the results"
	}
	for _, x := range s.Shown {
		about := fmt.Sprintf("item %d, %s", x.Image, x.Kind)
		if x.Size > 0 {
			about += fmt.Sprintf(" of size %g", x.Size)
		}
		shown := shownSample{
			Source: template.URL("data:image/png;base64," + x.PNG), About: about, Label: x.Label, Float: x.Float, Quantized: x.Quantized,
			IsLost: x.QuantizedPart < x.FloatPart, FloatPart: fmt.Sprintf("%.3g", x.FloatPart), TheOther: fmt.Sprintf("%.3g", x.QuantizedPart),
		}
		if shown.IsLost {
			failures++
		}
		e.Samples = append(e.Samples, shown)
	}
	e.SampleText = fmt.Sprintf("Items under the errors that networks were measured under, as they saw them, with what the float network and %s at %s answer. First those in which the float network does better: %d of the %d here. Beside each answer stands its part of the measure (%s).",
		title(a.x.Methods[0]), width(a.x.Detail), failures, len(s.Shown), parts)
}
