package pareto

import (
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/chart"
)

// The colours of what is measured, and of what is forecast.
var blue, orange = chart.Palette[0], chart.Palette[1]

// The size of the drawing.
const (
	width  = 6 * vg.Inch
	height = 6 * vg.Inch
)

// writeSVG draws two pictures above one another against the bits a weight: the
// retention of the measured networks, with twice its standard error, and the
// divergence, forecast and measured.
func writeSVG(out io.Writer, c *curve) error {
	retention := chart.New(c.Network+": robustness against size", "bits a weight", "retention")
	divergence := chart.New("", "bits a weight", title(c.Loss)+" from float")
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
		if p.Loss == nil {
			continue
		}
		if *p.Loss > 0 {
			measured = append(measured, plotter.XY{X: p.Bits, Y: *p.Loss})
		}
		if p.Retention == nil {
			continue // not defined
		}
		kept.XYs = append(kept.XYs, plotter.XY{X: p.Bits, Y: *p.Retention})
		bar := 0.0 // of one image there is none
		if p.StdErr != nil {
			bar = 2 * *p.StdErr
		}
		kept.YErrors = append(kept.YErrors, struct{ Low, High float64 }{bar, bar})
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
		y.Min, y.Max = chart.Apart(y.Min, y.Max)
	}
	for _, p := range []*plot.Plot{retention, divergence} {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, chart.Halves{}
		p.X.Min, p.X.Max = chart.Apart(c.Points[0].Bits, c.Points[len(c.Points)-1].Bits)
		chart.Grid(p)
	}
	canvas := vgsvg.New(width, height)
	tiles := draw.Tiles{Rows: 2, Cols: 1, PadX: vg.Points(6), PadY: vg.Points(10), PadTop: vg.Points(6), PadBottom: vg.Points(6), PadLeft: vg.Points(6), PadRight: vg.Points(12)}
	for i, row := range plot.Align([][]*plot.Plot{{retention}, {divergence}}, tiles, draw.New(canvas)) {
		[]*plot.Plot{retention, divergence}[i].Draw(row[0])
	}
	_, err := canvas.WriteTo(out)
	return err
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
