package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
)

// road paints a road under a sky, 640x480: a picture of our own on which the
// errors of roads can be looked at.
func road(path string) error {
	const w, h, horizon = 640, 480, 200
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	grain := uint32(1)
	noise := func() int { // a small generator, so that the file is always the same
		grain = grain*1664525 + 1013904223
		return int(grain>>24)%17 - 8
	}
	set := func(x, y, r, g, b int) {
		n := noise()
		c := func(v int) uint8 { return uint8(min(max(v+n, 0), 255)) }
		img.SetNRGBA(x, y, color.NRGBA{c(r), c(g), c(b), 255})
	}
	for y := range h {
		for x := range w {
			hill := horizon - 30 + (x-320)*(x-320)/2500 - (x%160-80)*(x%160-80)/400
			half := (y - horizon) * 9 / 10 // of the road's width
			dx := x - w/2
			switch {
			case y < min(hill, horizon):
				set(x, y, 110+y/3, 160+y/4, 235)
			case y < horizon:
				set(x, y, 40, 95+(x*7+y*13)%25, 45)
			case dx > -half && dx < half:
				switch {
				case dx > -half/30 && dx < half/30 && (y*y/4000)%3 != 0:
					set(x, y, 230, 230, 220)
				case dx < -half*9/10 && dx > -half*19/20, dx > half*9/10 && dx < half*19/20:
					set(x, y, 220, 220, 210)
				default:
					set(x, y, 105, 105, 110)
				}
			default:
				set(x, y, 60+(x+y)%20, 125, 50)
			}
		}
	}
	box := func(x0, y0, x1, y1, r, g, b int) {
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				set(x, y, r, g, b)
			}
		}
	}
	box(370, 270, 470, 330, 180, 30, 35) // a car: body, window, lamps, wheels
	box(385, 278, 455, 298, 60, 70, 90)
	box(374, 306, 386, 316, 250, 220, 120)
	box(454, 306, 466, 316, 250, 220, 120)
	box(376, 330, 394, 342, 20, 20, 20)
	box(446, 330, 464, 342, 20, 20, 20)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
