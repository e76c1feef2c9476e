package certify

import (
	"bytes"
	"cmp"
	"context"
	_ "embed" // the page
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"math/big"
	"slices"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/chart"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pictures"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/proof"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// shown is the most counterexamples of an error that a page has.
const shown = 6

// page is what the template shows.
type page struct {
	Document  *proof.Document
	Words     words
	Undecided int
	Draws     int
	Samples   int
	Moved     []pageMoved
	Placed    []pagePlaced
	Drawn     []pageDrawn
	Like      []likeness
}

// words name an item of the data by what the inputs hold.
type words struct {
	One, Many, Title string
	May              string // happen to an item: what the page is about, for who does not know errors
}

// wordsFor are the words for items of inputs; images where one of the inputs is an image.
func wordsFor(inputs []*ir.Value) words {
	kind := ""
	for _, v := range inputs {
		switch k := v.Holds().Kind; {
		case k == ir.Image:
			return words{"image", "images", "Images", "An image that a camera takes may be darker, foggier or partly covered."}
		case kind == "" || kind == k:
			kind = k
		default:
			kind = ir.Features
		}
	}
	if kind == ir.Signal {
		return words{"signal", "signals", "Signals", "A signal that a sensor takes may be weaker, drift, be clipped or have gaps."}
	}
	return words{"item", "items", "Items", "What a sensor reads may be scaled, drift or be missing."}
}

type pageMoved struct {
	Name           string
	Chart          template.HTML
	Rows           []pageRow
	Mean, Least    float64
	Past, Images   int
	Counterexample []counterexample
}

type pageRow struct {
	Size, Share float64
	Images      int
}

type pagePlaced struct {
	Name               string
	Images             int
	Share, Mean, Least float64
	Counterexample     []counterexample
}

type pageDrawn struct {
	Name                           string
	Size, Least, AtLeast, Measured float64
	Often, Always                  int
}

// counterexample is an image beside what an error makes of it.
type counterexample struct {
	Before, After template.URL // PNG
	Text          string
}

// html is the page of a proof.
func (s *subject) html(ctx context.Context, d *proof.Document) ([]byte, error) {
	sum := s.summarize(d)
	p := page{Document: d, Words: wordsFor(s.module.Inputs), Undecided: d.Images - len(d.Decided), Draws: d.Draws, Samples: proof.Samples}
	ranges, spots, moved, placed := 0, 0, 0, 0
	for i := range s.groups {
		g := &s.groups[i]
		switch {
		case g.kinds != nil:
			m, err := s.pageOfMoved(ctx, d, g, ranges, &sum.moved[moved])
			if err != nil {
				return nil, err
			}
			p.Moved = append(p.Moved, *m)
			ranges += len(g.kinds)
			moved++
		case g.places != nil:
			x, err := s.pageOfPlaced(d, g, spots, &sum.placed[placed])
			if err != nil {
				return nil, err
			}
			p.Placed = append(p.Placed, *x)
			spots += len(g.places)
			placed++
		}
	}
	for _, x := range sum.drawn {
		p.Drawn = append(p.Drawn, pageDrawn{x.name, x.size, x.least, x.atLeast, x.measured, x.often, x.always})
	}
	p.Like = sum.likenesses()
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, &p)
	return b.Bytes(), err
}

// pageOfMoved draws the share of images that are proved right at every size up to each beside the
// share that is right at it, as a measurement at some sizes finds it.
func (s *subject) pageOfMoved(ctx context.Context, d *proof.Document, g *group, first int, sum *moved) (*pageMoved, error) {
	n := len(d.Decided)
	out := &pageMoved{Name: g.name, Mean: sum.mean, Least: sum.ends[0], Past: sum.past, Images: n}
	for _, r := range sum.rows {
		out.Rows = append(out.Rows, pageRow{r.size, float64(r.images) / float64(n), r.images})
	}
	proved, measured := chart.Series{Name: "proved", Plain: true}, chart.Series{Name: "measured", Style: 1}
	const steps = 200
	for j := range steps + 1 {
		t := float64(j) / steps
		exact, right := big.NewRat(int64(j), steps), 0
		for i := range d.Decided {
			if proof.Hold(d.Decided[i].Ranges[first:first+len(g.kinds)], exact) {
				right++
			}
		}
		y := float64(right) / float64(n)
		proved.Points = append(proved.Points, chart.Point{X: t, Y: y, Low: y, High: y})
	}
	for j := range proof.Samples + 1 {
		at := big.NewRat(int64(j), proof.Samples)
		right, err := s.rightAt(ctx, d, g, at)
		if err != nil {
			return nil, err
		}
		t, _ := at.Float64()
		y := float64(right) / float64(n)
		measured.Points = append(measured.Points, chart.Point{X: t, Y: y, Low: y, High: y})
	}
	svg, err := (&chart.Lines{Title: g.name, X: "size of the error", Y: "share of the " + wordsFor(s.module.Inputs).Many, Series: []chart.Series{proved, measured}}).SVG()
	if err != nil {
		return nil, err
	}
	out.Chart = template.HTML(svg)
	for _, i := range s.weakest(d, first, len(g.kinds)) {
		for k, r := range d.Decided[i].Ranges[first : first+len(g.kinds)] {
			if r.To == nil || r.Then == nil || len(out.Counterexample) == shown {
				continue
			}
			m, err := s.motion(i, g, g.kinds[k])
			if err != nil {
				return nil, err
			}
			path := m.Path()
			step := path.Begun(&r.To.Rat)
			if r.Including {
				step++
			}
			c, err := s.counterexample(g, i, path.Before(step), fmt.Sprintf("image %d (right: %d) under %s: %s", i, s.right[i], g.kinds[k], sayRange(&r)))
			if err != nil {
				return nil, err
			}
			out.Counterexample = append(out.Counterexample, *c)
		}
	}
	return out, nil
}

// rightAt are the images whose answers at one size are right in all directions of an error.
func (s *subject) rightAt(ctx context.Context, d *proof.Document, g *group, size *big.Rat) (right int, err error) {
	at := 0
	for _, v := range s.module.Inputs[:g.index] {
		at += v.Type.Slots()
	}
	for i := range d.Decided {
		var records []int8
		for _, k := range g.kinds {
			m, err := s.motion(i, g, k)
			if err != nil {
				return 0, err
			}
			one := interp.QuantizeInputs(s.module, s.images.Image(i))
			copy(one[at:], m.At(size))
			records = append(records, one...)
		}
		got, err := s.interpreted(ctx, records, len(g.kinds))
		if err != nil {
			return 0, err
		}
		if !slices.ContainsFunc(got, func(answer int) bool { return answer != s.right[i] }) {
			right++
		}
	}
	return right, nil
}

// weakest are the images that an error makes wrong, those of the least size first.
func (s *subject) weakest(d *proof.Document, first, n int) (list []int) {
	end := func(i int) float64 {
		least := 2.
		for _, r := range d.Decided[i].Ranges[first : first+n] {
			if r.To != nil && r.Then != nil {
				least = min(least, r.To.Float())
			}
		}
		return least
	}
	for i := range d.Decided {
		if end(i) <= 1 {
			list = append(list, i)
		}
	}
	slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(end(a), end(b)) })
	return list[:min(len(list), shown)]
}

// pageOfPlaced has for each of the images that are wrong at most places the first of these.
func (s *subject) pageOfPlaced(d *proof.Document, g *group, first int, sum *placed) (*pagePlaced, error) {
	n := len(d.Decided)
	out := &pagePlaced{Name: g.name, Images: sum.images, Share: float64(sum.images) / float64(n), Mean: sum.mean, Least: sum.shares[0]}
	type bad struct{ image, way, wrong int }
	var list []bad
	for i := range d.Decided {
		for k, x := range d.Decided[i].Spots[first : first+len(g.places)] {
			if len(x.Wrong) > 0 {
				list = append(list, bad{i, k, len(x.Wrong)})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b bad) int { return cmp.Compare(b.wrong, a.wrong) })
	for _, b := range list[:min(len(list), shown)] {
		x := &d.Decided[b.image].Spots[first+b.way]
		places, err := s.placesOf(b.image, g, g.places[b.way])
		if err != nil {
			return nil, err
		}
		at := x.Wrong[len(x.Wrong)/2]
		c, err := s.counterexample(g, b.image, places.At(proof.Place{Row: at.Row, Column: at.Column}),
			fmt.Sprintf("image %d (right: %d) under %s: right at %d of %d places; at row %d, column %d the answer is %d", b.image, s.right[b.image], g.places[b.way], x.Right(), x.Places, at.Row, at.Column, at.Answer))
		if err != nil {
			return nil, err
		}
		out.Counterexample = append(out.Counterexample, *c)
	}
	return out, nil
}

// pictureWidth is the least pixels that a picture of an image is wide.
const pictureWidth = 112

// counterexample draws an image and the integers of an input that its error makes of it.
func (s *subject) counterexample(g *group, i int, integers []int8, text string) (*counterexample, error) {
	v := s.module.Inputs[g.index]
	before := s.images.Image(i)[g.at : g.at+v.Type.Shape.Size()]
	after := make([]float32, len(before))
	interp.Dequantize(v.Type.Quant, integers, after)
	out := &counterexample{Text: text}
	for _, x := range []struct {
		reals []float32
		to    *template.URL
	}{{before, &out.Before}, {after, &out.After}} {
		img := picture(g.in, x.reals, before)
		raw, err := pictures.PNG(img)
		if err != nil {
			return nil, err
		}
		*x.to = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(raw))
	}
	return out, nil
}

// picture draws one item of an input; of a signal with what it was.
func picture(in disturb.Input, x, before []float32) image.Image {
	if in.Holds.Kind != ir.Image {
		return pictures.Plot(in, x, before)
	}
	w := in.Shape[len(in.Shape)-1]
	b := data.Batch{N: 1, Shape: in.Shape, X: x}
	return pictures.Picture(pictures.Bytes(b, in), 0, max(1, (pictureWidth+w-1)/w))
}
