package pictures

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"github.com/dnnc/dnnc/runtime/measure"
)

// palette is told apart by the colour-blind, too: Paul Tol's muted scheme; more
// classes than colours take them again, darker.
var palette = []color.NRGBA{
	{0x88, 0xcc, 0xee, 255}, {0xcc, 0x66, 0x77, 255}, {0xdd, 0xcc, 0x77, 255}, {0x11, 0x77, 0x33, 255}, {0x33, 0x22, 0x88, 255},
	{0xaa, 0x44, 0x99, 255}, {0x44, 0xaa, 0x99, 255}, {0x99, 0x99, 0x33, 255}, {0x88, 0x22, 0x55, 255}, {0xdd, 0xdd, 0xdd, 255},
}

func colourOf(class int) color.NRGBA {
	c := palette[class%len(palette)]
	for range class / len(palette) {
		c.R, c.G, c.B = c.R/2, c.G/2, c.B/2
	}
	return c
}

// Plane draws a decision plane, a panel a network, one colour a class, with the
// three images marked and the share on which each agrees with the first.
func Plane(p *measure.Plane, names []string) image.Image {
	factor := max(1, 300/p.N)
	side := p.N * factor
	img := image.NewNRGBA(image.Rect(0, 0, gap+len(names)*(side+gap), side+3*line+gap))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for i, name := range names {
		x0, y0 := gap+i*(side+gap), 2*line+gap
		text(img, x0, line, name)
		text(img, x0, 2*line, fmt.Sprintf("agrees on %.1f %%", 100*p.Agreement(i)))
		for y := range side {
			for x := range side {
				img.SetNRGBA(x0+x, y0+y, colourOf(p.Answers[i][y/factor*p.N+x/factor]))
			}
		}
		for _, at := range [][2]float64{{0, 0}, {1, 0}, {0, 1}} {
			mark := image.Pt(x0+p.Position(at[0])*factor+factor/2, y0+p.Position(at[1])*factor+factor/2)
			for d := -4; d <= 4; d++ {
				img.Set(mark.X+d, mark.Y, color.Black)
				img.Set(mark.X, mark.Y+d, color.Black)
			}
		}
	}
	return img
}
