package pictures

import (
	"image"
	"image/color"
	"image/draw"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// The measures of a plot, in pixels.
const (
	plotWidth  = 240
	plotHeight = 120
)

// before is the colour of what a signal was.
var before = color.NRGBA{0xd8, 0xd8, 0xd8, 255}

// Plot draws one item of an input that is no image, from the low end of its range at the
// bottom to the high end at the top: a signal as a line for each channel, features as bars
// from their rest on. original is drawn below it in gray; nil is none.
func Plot(in disturb.Input, x, original []float32) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, plotWidth, plotHeight))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	p := &plot{img, in}
	if in.Holds.Kind == ir.Features {
		p.bars(original, before, 0)
		p.bars(x, palette[4], 1)
		return img
	}
	p.rest()
	for _, s := range disturb.Series(in, original) {
		p.line(s, before)
	}
	for ch, s := range disturb.Series(in, x) {
		p.line(s, colourOf((ch+4)%len(palette)))
	}
	return img
}

// plot is a drawing of an input.
type plot struct {
	*image.NRGBA
	in disturb.Input
}

// y is the row of a real.
func (p *plot) y(v float32) int {
	low, high := float64(p.in.Low), float64(p.in.High)
	share := (float64(min(max(v, p.in.Low), p.in.High)) - low) / (high - low)
	return plotHeight - 1 - int(share*(plotHeight-1)+.5)
}

// column paints the rows between two.
func (p *plot) column(x, from, to int, c color.Color) {
	for y := min(from, to); y <= max(from, to); y++ {
		p.Set(x, y, c)
	}
}

// rest draws where a signal says nothing.
func (p *plot) rest() {
	for x := 0; x < plotWidth; x += 4 {
		p.Set(x, p.y(disturb.Rest(p.in)), color.Gray{Y: 160})
	}
}

// line draws samples: a column has all of those that fall on it, and reaches to the next.
func (p *plot) line(samples []float32, c color.Color) {
	place := func(i int) int {
		if len(samples) == 1 {
			return plotWidth / 2
		}
		return i * (plotWidth - 1) / (len(samples) - 1)
	}
	for i, v := range samples {
		x, y := place(i), p.y(v)
		p.Set(x, y, c)
		if i+1 == len(samples) {
			break
		}
		next, to := place(i+1), p.y(samples[i+1])
		for at := x; at <= next; at++ {
			from, until := y, to
			if next > x {
				from, until = y+(to-y)*(at-x)/(next-x), y+(to-y)*(min(at+1, next)-x)/(next-x)
			}
			p.column(at, from, until, c)
		}
	}
}

// bars draws features, in the left half of their place or the right one.
func (p *plot) bars(x []float32, c color.Color, half int) {
	zero := p.y(disturb.Rest(p.in))
	for i, v := range x {
		from, to := (2*i+half)*plotWidth/(2*len(x)), (2*i+half+1)*plotWidth/(2*len(x))
		for at := from; at < max(to, from+1); at++ {
			p.column(at, zero, p.y(v), c)
		}
	}
}
