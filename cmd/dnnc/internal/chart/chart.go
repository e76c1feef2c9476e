// Package chart draws the pictures of reports as SVG, with gonum/plot: lines with
// error bars and heat maps, in colours that the colour-blind tell apart.
package chart

import (
	"bytes"
	"image/color"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Palette is that of Okabe and Ito, in the order in which series take it.
var Palette = []color.NRGBA{
	{G: 114, B: 178, A: 255}, {R: 213, G: 94, A: 255}, {G: 158, B: 115, A: 255}, {R: 204, G: 121, B: 167, A: 255},
	{R: 230, G: 159, A: 255}, {R: 86, G: 180, B: 233, A: 255}, {A: 255},
}

// Grey is of grids.
var Grey = color.Gray{Y: 225}

// glyphs tell series apart without colours.
var glyphs = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}}

// ink is the look of one series.
func ink(style int) (draw.LineStyle, draw.GlyphStyle) {
	c := Palette[style%len(Palette)]
	return draw.LineStyle{Color: c, Width: vg.Points(1.5)}, draw.GlyphStyle{Color: c, Radius: vg.Points(3), Shape: glyphs[style%len(glyphs)]}
}

// Point is a value, with a bar from Low to High unless they are equal.
type Point struct{ X, Y, Low, High float64 }

// Series is points of one look.
type Series struct {
	Name   string
	Style  int // index of its colour and glyph
	Points []Point
	Plain  bool // without glyphs
}

// Lines is a drawing of series.
type Lines struct {
	Title, X, Y string
	Ticks       plot.Ticker // of X, on a scale of logarithms; nil is a linear one
	Series      []Series
}

// The size of a drawing, that is read when it is as wide as a telephone.
const (
	width  = vg.Length(340)
	height = vg.Length(250)
)

// sans is metric-compatible with the faces that browsers have for it.
var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

// New is an empty plot in the fonts of reports.
func New(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	set := func(s *text.Style, size vg.Length) {
		f := s.Font
		f.Typeface, f.Variant, f.Size = sans.Typeface, sans.Variant, size
		s.Font = f
	}
	set(&p.Title.TextStyle, 12)
	p.Title.Padding = vg.Points(5)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		set(&a.Label.TextStyle, 11)
		set(&a.Tick.Label, 10)
	}
	set(&p.Legend.TextStyle, 10)
	p.X.Tick.Marker, p.Y.Tick.Marker = Even{}, Even{}
	return p
}

// Grid adds a grid.
func Grid(p *plot.Plot) {
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = Grey, Grey
	p.Add(grid)
}

// SVG draws the series, fit to stand in an HTML page.
func (c *Lines) SVG() (string, error) {
	p := New(c.Title, c.X, c.Y)
	Grid(p)
	if c.Ticks != nil {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, c.Ticks
	}
	for _, s := range c.Series {
		if err := s.add(p, c.Ticks != nil); err != nil {
			return "", err
		}
	}
	if c.Ticks != nil {
		if !(p.X.Min > 0) || math.IsInf(p.X.Max, 0) {
			p.X.Min, p.X.Max = 1, 10 // nothing to draw
		}
		p.X.Min, p.X.Max = Apart(p.X.Min/1.05, p.X.Max*1.05)
	}
	if p.Y.Min == p.Y.Max {
		p.Y.Min, p.Y.Max = p.Y.Min-.01, p.Y.Max+.01
	}
	air := (p.Y.Max - p.Y.Min) / 40
	p.Y.Min, p.Y.Max = p.Y.Min-air, p.Y.Max+air
	return render(p, width, height)
}

// bars are points with their errors, as gonum/plot takes them.
type bars struct {
	plotter.XYs
	plotter.YErrors
}

func (s *Series) add(p *plot.Plot, positive bool) error {
	var all bars
	for _, q := range s.Points {
		if positive && !(q.X > 0) || math.IsNaN(q.Y) {
			continue
		}
		all.XYs = append(all.XYs, plotter.XY{X: q.X, Y: q.Y})
		all.YErrors = append(all.YErrors, struct{ Low, High float64 }{q.Y - q.Low, q.High - q.Y})
	}
	if len(all.XYs) == 0 {
		return nil
	}
	line, dots, err := plotter.NewLinePoints(all.XYs)
	if err != nil {
		return err
	}
	line.LineStyle, dots.GlyphStyle = ink(s.Style)
	p.Add(line)
	if !s.Plain {
		p.Add(dots)
	}
	for _, q := range s.Points {
		if q.Low != q.High {
			e, err := plotter.NewYErrorBars(all)
			if err != nil {
				return err
			}
			e.Color, e.Width, e.CapWidth = line.Color, vg.Points(1), vg.Points(5)
			p.Add(e)
			break
		}
	}
	return nil
}

// Key is the sample of a style that stands in a legend.
func Key(style int) (string, error) {
	canvas := vgsvg.New(vg.Points(30), vg.Points(12))
	c := draw.New(canvas)
	line, dot := ink(style)
	c.StrokeLine2(line, 1, 6, 29, 6)
	c.DrawGlyph(dot, vg.Point{X: 15, Y: 6})
	return page(canvas)
}

// Heat is a map of values: rows from the top down, columns to the right.
type Heat struct {
	Title, X   string
	Rows, Cols []string
	Values     [][]float64 // [row][column], from 0 to Most; NaN is nothing
	Labels     [][]string  // what stands in the cells
	Most       float64
}

// cells are a Heat as a plotter.GridXYZ, whose rows count from below.
type cells struct{ h *Heat }

func (g cells) Dims() (c, r int)   { return len(g.h.Cols), len(g.h.Rows) }
func (g cells) Z(c, r int) float64 { return g.h.Values[len(g.h.Rows)-1-r][c] }
func (g cells) X(c int) float64    { return float64(c) }
func (g cells) Y(r int) float64    { return float64(r) }

// blues go from near white to a blue on which black can be read.
type blues struct{}

const shades = 32

// Colors lists the shades.
func (blues) Colors() []color.Color {
	list := make([]color.Color, shades)
	for i := range list {
		f := float64(i) / (shades - 1)
		mix := func(a, b float64) uint8 { return uint8(a + float64(f*(b-a)) + .5) }
		list[i] = color.NRGBA{mix(247, 90), mix(251, 160), mix(255, 215), 255}
	}
	return list
}

var _ palette.Palette = blues{}

// named marks the whole numbers with names.
type named []string

// Ticks lists the marks.
func (n named) Ticks(_, _ float64) []plot.Tick {
	list := make([]plot.Tick, len(n))
	for i, name := range n {
		list[i] = plot.Tick{Value: float64(i), Label: name}
	}
	return list
}

// Of a heat map: the height of a row, and of what is above and below them all.
const (
	rowHeight  = vg.Length(17)
	restHeight = vg.Length(62)
)

// SVG draws the map.
func (h *Heat) SVG() (string, error) {
	p := New(h.Title, h.X, "")
	m := plotter.NewHeatMap(cells{h}, blues{})
	m.Min, m.Max, m.NaN = 0, h.Most, color.White
	p.Add(m)
	var labels plotter.XYLabels
	for r := range h.Rows {
		for c := range h.Cols {
			labels.XYs = append(labels.XYs, plotter.XY{X: float64(c), Y: float64(len(h.Rows) - 1 - r)})
			labels.Labels = append(labels.Labels, h.Labels[r][c])
		}
	}
	words, err := plotter.NewLabels(labels)
	if err != nil {
		return "", err
	}
	for i := range words.TextStyle {
		t := &words.TextStyle[i]
		t.Font.Typeface, t.Font.Variant, t.Font.Size = sans.Typeface, sans.Variant, 10
		t.XAlign, t.YAlign = draw.XCenter, draw.YCenter
	}
	p.Add(words)
	rows := slices.Clone(h.Rows)
	slices.Reverse(rows)
	p.X.Tick.Marker, p.Y.Tick.Marker = named(h.Cols), named(rows)
	p.X.Tick.Length, p.Y.Tick.Length, p.X.LineStyle.Width, p.Y.LineStyle.Width = 0, 0, 0, 0
	return render(p, width, restHeight+rowHeight*vg.Length(len(h.Rows)))
}

func render(p *plot.Plot, w, h vg.Length) (string, error) {
	canvas := vgsvg.New(w, h)
	c := draw.New(canvas)
	p.Draw(draw.Crop(c, 2, -8, 2, -2))
	return page(canvas)
}

var (
	head  = regexp.MustCompile(`(?s)^.*?<svg width="[^"]*" height="[^"]*" (viewBox="[^"]*")[^>]*>`)
	faces = regexp.MustCompile(`font-family:[^;]*;font-variant:normal;`)
)

// page is a canvas as an element of an HTML page: without a size of its own, and in
// the page's fonts.
func page(canvas *vgsvg.Canvas) (string, error) {
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	s := head.ReplaceAllString(b.String(), `<svg $1 role="img">`)
	return faces.ReplaceAllString(strings.TrimSpace(s), ""), nil
}

// Apart widens limits that are equal, by a factor: for scales of logarithms.
func Apart(low, high float64) (float64, float64) {
	if low < high {
		return low, high
	}
	return low / 2, high * 2
}

// Halves marks the powers of two.
type Halves struct{}

// Ticks lists the marks between two values.
func (Halves) Ticks(low, high float64) []plot.Tick {
	var list []plot.Tick
	for x := 1. / 16; x <= high; x *= 2 {
		if x >= low {
			list = append(list, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'g', 4, 64)})
		}
	}
	return list
}

// Even marks about five even steps, with as many decimals as they need.
type Even struct{}

// Ticks lists the marks between two values.
func (Even) Ticks(low, high float64) []plot.Tick {
	power := math.Pow(10, math.Floor(math.Log10(high-low)))
	step := power / 10
	for _, f := range []float64{5, 2, 1, .5, .2} {
		if (high-low)/(power*f) >= 3 {
			step = power * f
			break
		}
	}
	decimals := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	var list []plot.Tick
	for i := math.Ceil(low/step - 1e-9); i <= high/step+1e-9; i++ {
		list = append(list, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step+0, 'f', decimals, 64)})
	}
	return list
}

// Decades marks the powers of ten, and numbers between them where they are few.
type Decades struct{}

// Ticks lists the marks between two values.
func (Decades) Ticks(low, high float64) []plot.Tick {
	var list []plot.Tick
	if high/low < 2 { // as good as linear
		list := Even{}.Ticks(low, high)
		for i := range list {
			list[i].Label = short(list[i].Value)
		}
		return list
	}
	between := []float64{1}
	switch {
	case high/low < 8:
		between = []float64{1, 1.5, 2, 3, 4, 6, 8}
	case high/low < 200:
		between = []float64{1, 2, 5}
	}
	for e := math.Floor(math.Log10(low)); e <= math.Log10(high); e++ {
		for _, f := range between {
			if x := f * math.Pow(10, e); x >= low && x <= high {
				list = append(list, plot.Tick{Value: x, Label: short(x)})
			}
		}
	}
	return list
}

// short writes a power of ten times a digit with the prefixes k, M, G, T.
func short(x float64) string {
	i := 0
	for x > 999.5 && i < 4 {
		x, i = x/1000, i+1
	}
	return strconv.FormatFloat(x, 'g', 3, 64) + []string{"", "k", "M", "G", "T"}[i]
}
