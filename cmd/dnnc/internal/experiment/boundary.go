package experiment

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/chart"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pictures"
	"github.com/dnnc/dnnc/runtime/measure"
	"github.com/dnnc/dnnc/runtime/proof"
)

// boundaries is the distributions of boundary distance.
func boundaries(d *document, list []*analysis) error {
	s := section{ID: "boundary", Title: "How far the decision boundary is", Text: []string{
		"The share of the test images whose answer is wrong at or below a size of error: a line further down and to the right is more robust. The mean loss is relative to the float network, over the images that it answers rightly; ± is its standard error over them. Errors reach up to size 1."}}
	var methods []string
	for _, a := range list {
		for k, kind := range a.x.Boundary {
			c := chart.Lines{Title: a.x.Name + ": " + kind, X: "size of error", Y: "share answered wrongly"}
			t := table{Caption: fmt.Sprintf("%s at %s a weight, distances under %s", a.x.Name, width(a.x.Detail), kind), Head: []string{"network", "10 %", "median", "90 %", "never wrong", "mean loss"}}
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
				r := row(title(e.method))
				for _, v := range q {
					r = append(r, figure{Text: distance(v)})
				}
				r = append(r, figure{Text: fmt.Sprintf("%.3f", never)})
				if e.method == floatMethod {
					r = append(r, none)
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
	d.add(s)
	return err
}

// proofs is what is proved beside what is measured.
func proofs(d *document, list []*analysis) error {
	s := section{ID: "proved", Title: "What is proved, beside what is measured", Text: []string{
		"Measured: the share of the images that is right at a size of the error. Proved: the share that is right at every size up to it; each different image of integers that the error makes was decided. The difference is what a measurement claims too much.",
		strings.ToUpper(proof.Statement[:1]) + proof.Statement[1:] + "."}}
	for _, a := range list {
		t := table{Head: []string{"network", "error", "size", "measured", "proved"}}
		for _, e := range a.planeOf {
			if e.proved == nil {
				continue
			}
			for _, x := range e.proved.answer.(*besides).List {
				t.Caption = fmt.Sprintf("%s at %s a weight, %d images", a.x.Name, width(a.x.Detail), x.Images)
				share := func(n int) string { return fmt.Sprintf("%.4f", float64(n)/float64(x.Images)) }
				t.Rows = append(t.Rows, row(title(e.method), x.Error, fmt.Sprint(x.Size), share(x.Measured), share(x.Proved)))
			}
		}
		if len(t.Rows) > 0 {
			s.Tables = append(s.Tables, t)
		}
	}
	if len(s.Tables) > 0 {
		d.add(s)
	}
	return nil
}

// distance is a boundary distance in words.
func distance(v float64) string {
	if v > 1 {
		return "never"
	}
	return fmt.Sprintf("%.3f", v)
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

// planes is the decision planes side by side.
func planes(d *document, list []*analysis) error {
	s := section{ID: "planes", Title: "The decision boundary", Text: []string{
		"What networks answer on the plane through three test images of different classes (crosses), one colour a class; pictures are of the first plane, the table of all of them. Networks have equal bytes. ± is the standard error over the planes, which are few: intervals are Student's."}}
	for _, a := range list {
		if len(a.planes) == 0 || a.planes[0].answer.(*planed).Points == 0 {
			continue
		}
		p := a.planes[0].answer.(*planed)
		drawn := &measure.Plane{N: p.Points}
		for i, e := range a.planeOf {
			if a.answers[0][i] == nil {
				continue
			}
			answers := make([]int, len(a.answers[0][i]))
			for k, v := range a.answers[0][i] {
				answers[k] = int(v)
			}
			drawn.Answers = append(drawn.Answers, answers)
			at := len(drawn.Answers) - 1
			caption := a.x.Name + ", " + title(e.method)
			if e.method != floatMethod {
				caption += fmt.Sprintf(": agrees on %.1f %%", 100*drawn.Agreement(at))
			}
			s.Pictures = append(s.Pictures, picture{SVG: template.HTML(pictures.PanelSVG(drawn, at)), Caption: caption})
		}
		s.Tables = append(s.Tables, a.agreementTable())
	}
	d.add(s)
	return nil
}

// agreementTable is the share of the planes on which networks answer as the float
// network, and how much less that is than the first method's.
func (a *analysis) agreementTable() table {
	t := table{Caption: fmt.Sprintf("%s at %s a weight: agreement with the float network on %s", a.x.Name, width(a.x.Detail), plural(len(a.agreements(0)), "plane")),
		Head: []string{"network", "agreement", "less than " + title(a.x.Methods[0])}}
	var first []float64
	for i, e := range a.planeOf {
		own := a.agreements(i)
		if e.method == floatMethod || len(own) == 0 {
			continue
		}
		if e.method == a.x.Methods[0] {
			first = own
		}
		gap := none
		if e.method != a.x.Methods[0] && first != nil {
			gaps := make([]float64, len(own))
			for k := range own {
				gaps[k] = first[k] - own[k]
			}
			gap = signed(ofMean(gaps))
		}
		t.Rows = append(t.Rows, append(row(title(e.method)), of(ofMean(own)), gap))
	}
	return t
}
