package pareto

import (
	"image/color"
	"io"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Colours of Okabe and Ito's palette, which the colour-blind tell apart.
var (
	blue   = color.NRGBA{G: 114, B: 178, A: 255}
	orange = color.NRGBA{R: 213, G: 94, A: 255}
	grey   = color.Gray{Y: 225}
)

// The size of the drawing.
const (
	width  = 6 * vg.Inch
	height = 6 * vg.Inch
)

// writeSVG draws two pictures above one another against the bits a weight: the
// retention of the measured networks, with twice its standard error, and the
// divergence, forecast and measured.
func writeSVG(out io.Writer, c *curve) error {
	retention, divergence := plot.New(), plot.New()
	retention.Title.Text = c.Network + ": robustness against size"
	retention.Y.Label.Text = "retention"
	divergence.Y.Label.Text = "KL from float"
	divergence.Legend.Left, divergence.Legend.XOffs, divergence.Legend.YOffs = true, vg.Points(8), vg.Points(6)

	var kept struct {
		plotter.XYs
		plotter.YErrors
	}
	var forecast, measured plotter.XYs
	for _, p := range c.Points {
		if p.Forecast > 0 {
			forecast = append(forecast, plotter.XY{X: p.Bits, Y: p.Forecast})
		}
		if p.KL == nil {
			continue
		}
		if *p.KL > 0 {
			measured = append(measured, plotter.XY{X: p.Bits, Y: *p.KL})
		}
		kept.XYs = append(kept.XYs, plotter.XY{X: p.Bits, Y: *p.Retention})
		kept.YErrors = append(kept.YErrors, struct{ Low, High float64 }{2 * *p.StdErr, 2 * *p.StdErr})
	}
	if len(kept.XYs) > 0 {
		bars, err := plotter.NewYErrorBars(kept)
		if err != nil {
			return err
		}
		if err := marked(retention, kept.XYs, "", blue, true); err != nil {
			return err
		}
		retention.Add(bars)
	}
	if len(forecast) > 0 {
		line, err := plotter.NewLine(forecast)
		if err != nil {
			return err
		}
		line.Color, line.Width = blue, vg.Points(1.5)
		divergence.Add(line)
		divergence.Legend.Add("forecast: sum of the layers' own", line)
	}
	if len(measured) > 0 {
		if err := marked(divergence, measured, "measured as a whole", orange, false); err != nil {
			return err
		}
	}
	if len(forecast)+len(measured) > 0 {
		y := &divergence.Y
		y.Scale, y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		y.Min, y.Max = apart(y.Min, y.Max)
	}
	for _, p := range []*plot.Plot{retention, divergence} {
		p.X.Label.Text = "bits a weight"
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, halves{}
		p.X.Min, p.X.Max = apart(c.Points[0].Bits, c.Points[len(c.Points)-1].Bits)
		grid := plotter.NewGrid()
		grid.Vertical.Color, grid.Horizontal.Color = grey, grey
		p.Add(grid)
	}
	canvas := vgsvg.New(width, height)
	tiles := draw.Tiles{Rows: 2, Cols: 1, PadX: vg.Points(6), PadY: vg.Points(10), PadTop: vg.Points(6), PadBottom: vg.Points(6), PadLeft: vg.Points(6), PadRight: vg.Points(12)}
	for i, row := range plot.Align([][]*plot.Plot{{retention}, {divergence}}, tiles, draw.New(canvas)) {
		[]*plot.Plot{retention, divergence}[i].Draw(row[0])
	}
	_, err := canvas.WriteTo(out)
	return err
}

// apart widens limits that are equal, by a factor: the scale is one of logarithms.
func apart(low, high float64) (float64, float64) {
	if low < high {
		return low, high
	}
	return low / 2, high * 2
}

// marked adds points to p, joined or not.
func marked(p *plot.Plot, points plotter.XYs, name string, c color.Color, joined bool) error {
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, dots.Color = c, c
	dots.Shape, dots.Radius = draw.CircleGlyph{}, vg.Points(3)
	p.Add(dots)
	if joined {
		p.Add(line)
	}
	if name != "" {
		p.Legend.Add(name, dots)
	}
	return nil
}

// halves marks the powers of two.
type halves struct{}

// Ticks lists the marks between two values.
func (halves) Ticks(low, high float64) []plot.Tick {
	var list []plot.Tick
	for x := 1. / 16; x <= high; x *= 2 {
		if x >= low {
			list = append(list, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'g', 4, 64)})
		}
	}
	return list
}
