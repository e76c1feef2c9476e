package disturb

import "math"

// The kinds of Automold (the road augmentation library that the paper simulates
// weather with). Lightness is the L of HLS. Where an error draws several things, as
// flakes or patches, their number grows with t. A greater t keeps the things of a smaller
// one and adds others, so severity grows with t.

func brighten(cv *canvas, t float64, _ *source) { cv.lightAll(1 + t) }

func darken(cv *canvas, t float64, _ *source) { cv.lightAll(1 - t) }

// shadow halves the lightness under polygons of five corners in the lower half.
func shadow(cv *canvas, t float64, rng *source) {
	const most, corners = 5, 5
	dark := make([]bool, cv.h*cv.w)
	for range count(most, t) {
		p := make([]point, corners)
		for i := range p {
			p[i] = point{rng.uniform(float64(cv.h)/3, float64(cv.h)), rng.uniform(0, float64(cv.w))}
		}
		cv.polygon(p, func(y, x int) { dark[y*cv.w+x] = true })
	}
	for i, d := range dark {
		if d {
			cv.light(i/cv.w, i%cv.w, func(l float64) float64 { return l / 2 })
		}
	}
}

// snow multiplies the lightness of pixels darker than 1/3+t/2, as Automold does for lying
// snow, and paints flakes. Automold has no flakes; without them black pixels stay black.
func snow(cv *canvas, t float64, rng *source) {
	const coefficient, most = 2.5, 60
	limit := 1./3 + t/2
	for y := range cv.h {
		for x := range cv.w {
			cv.light(y, x, func(l float64) float64 {
				if l < limit {
					return float64(l * coefficient)
				}
				return l
			})
		}
	}
	flakes(cv, cv.grains(most, t), rng)
}

// flakes paints n white discs. Their radius is half a pixel to one pixel of a 28x28 image.
func flakes(cv *canvas, n int, rng *source) {
	for range n {
		cy, cx := rng.uniform(0, float64(cv.h)), rng.uniform(0, float64(cv.w))
		r := float64(cv.grain() * rng.uniform(.5, 1))
		cv.ellipse(cy, cx, r, r, func(y, x int, d float64) { cv.blend(y, x, 1, 1-d/2) })
	}
}

// rain paints slanted light streaks, blurs the image and darkens it: at size 1 to 0.7 of the
// lightness, as Automold does.
func rain(cv *canvas, t float64, rng *source) {
	const most, streak, gray, dim = 50, 6, .8, .3
	slant := rng.uniform(-.5, .5)
	n, long, wide := cv.grains(most, t), cv.grainLength(streak), cv.grainLength(.7)
	for range n {
		y0, x0 := rng.uniform(-float64(long), float64(cv.h)), rng.uniform(0, float64(cv.w))
		for s := range long {
			y := int(y0) + s
			x := int(x0 + float64(slant*float64(s)))
			for dx := range wide {
				if y >= 0 && y < cv.h && x+dx >= 0 && x+dx < cv.w {
					cv.blend(y, x+dx, gray, .9)
				}
			}
		}
	}
	cv.blur(int(cv.grain() / 3))
	cv.lightAll(1 - float64(dim*t))
}

// fog lays many translucent white discs over the image, each nearer to the
// centre than the one before, then blurs. All are equally white, so it is enough
// to count the discs over a pixel.
func fog(cv *canvas, t float64, rng *source) {
	const discs, alpha = 60, .08
	h, w := float64(cv.h), float64(cv.w)
	r := float64(min(h, w) * .35)
	over := make([]int8, cv.h*(cv.w+1)) // by row, the change from pixel to pixel
	for i := range discs {
		spread := .5 * (1 - float64(i)/discs)
		cy := h/2 + float64(h*rng.uniform(-spread, spread))
		cx := w/2 + float64(w*rng.uniform(-spread, spread))
		for y := max(0, int(cy-r)); y < min(cv.h, int(cy+r)+2); y++ {
			dy := float64(y) - cy
			// The disc's part of a row lies between cx-half and cx+half.
			room := float64(r*r) - float64(dy*dy)
			if room < 0 {
				continue
			}
			half := math.Sqrt(room)
			row := over[y*(cv.w+1) : (y+1)*(cv.w+1)]
			if from, to := max(0, int(math.Ceil(cx-half))), min(cv.w, int(math.Floor(cx+half))+1); from < to {
				row[from]++
				row[to]--
			}
		}
	}
	var veil [discs + 1]float64 // what k discs hide
	clear := 1.0
	for k := range veil {
		veil[k] = 1 - clear
		clear *= 1 - float64(alpha*t)
	}
	for y := range cv.h {
		k := int8(0)
		for x, d := range over[y*(cv.w+1):][:cv.w] {
			if k += d; k > 0 {
				cv.blend(y, x, 1, veil[k])
			}
		}
	}
	cv.blur(int(cv.unit()/2 + float64(.5*t)))
}

// gravel scatters small patches of random lightness over the lower quarter.
func gravel(cv *canvas, t float64, rng *source) {
	const most = 40
	top := cv.h * 3 / 4
	for range cv.grains(most, t) {
		side := cv.grainLength(rng.uniform(1, 2.5))
		y0, x0, l := top+rng.below(max(1, cv.h-top)), rng.below(cv.w), rng.uniform(0, 1)
		for y := y0; y < min(cv.h, y0+side); y++ {
			for x := x0; x < min(cv.w, x0+side); x++ {
				cv.light(y, x, func(float64) float64 { return l })
			}
		}
	}
}

// sunflare is a bright disc with falloff in the upper half, and faint circles
// along a line from it.
func sunflare(cv *canvas, t float64, rng *source) {
	const circles = 8
	h, w := float64(cv.h), float64(cv.w)
	sun := point{rng.uniform(0, h/2), rng.uniform(0, w)}
	end := point{rng.uniform(h/2, h), rng.uniform(0, w)}
	r := float64(min(h, w) * (.2 + float64(.8*t)))
	for i := range circles {
		f := rng.uniform(0, 1)
		cr := float64(min(h, w) * rng.uniform(.03, .15))
		alpha := float64(rng.uniform(.1, .4) * t)
		cv.ellipse(sun.y+float64((end.y-sun.y)*f), sun.x+float64((end.x-sun.x)*f), cr, cr, func(y, x int, _ float64) {
			cv.blend(y, x, 1-float64(.05*float64(i%4)), alpha)
		})
	}
	cv.ellipse(sun.y, sun.x, r, r, func(y, x int, d float64) { cv.blend(y, x, 1, float64((1-d)*(1-d))*min(1, .5+t)) })
}

// speed blurs along the rows, most at the left and right edges.
func speed(cv *canvas, t float64, _ *source) {
	reach := float64(10 * t * cv.unit())
	line := make([]float64, cv.w+1)
	for ch := range cv.c {
		for y := range cv.h {
			row := cv.pix[cv.at(ch, y, 0):][:cv.w]
			for x, v := range row {
				line[x+1] = line[x] + float64(v)
			}
			for x := range row {
				far := 2*float64(x)/float64(max(1, cv.w-1)) - 1
				r := int(float64(reach*(.3+float64(.7*float64(far*far)))) + .5)
				from, to := max(0, x-r), min(cv.w, x+r+1)
				row[x] = float32((line[to] - line[from]) / float64(to-from))
			}
		}
	}
}

// autumn turns the hue of green pixels that are not bright towards brown. Gray images have no
// hue: there pixels of middle lightness become lighter, as brown leaves are in a gray
// photograph.
func autumn(cv *canvas, t float64, _ *source) {
	for y := range cv.h {
		for x := range cv.w {
			if !cv.colour() {
				cv.light(y, x, func(l float64) float64 {
					if l < .1 || l > .8 {
						return l
					}
					return l + float64(.5*t*(.8-l))
				})
				continue
			}
			r, g, b := &cv.pix[cv.at(0, y, x)], &cv.pix[cv.at(1, y, x)], &cv.pix[cv.at(2, y, x)]
			if *g < *r*.9 || *g < *b || max(*r, *g, *b)+min(*r, *g, *b) > 1.4 {
				continue
			}
			red, green, blue := float64(*r), float64(*g), float64(*b)
			*r = float32(clamp01(red + float64(t*(float64(green*1.15)-red))))
			*g = float32(clamp01(green - float64(t*.35*green)))
			*b = float32(clamp01(blue - float64(t*.6*blue)))
		}
	}
}

// manhole is a dark ellipse in the lower half, flat as a lid in the road.
func manhole(cv *canvas, t float64, rng *source) {
	h, w := float64(cv.h), float64(cv.w)
	rx := float64(w * .4 * t)
	cy, cx := rng.uniform(h*.55, h*.85), rng.uniform(w*.3, w*.7)
	cv.ellipse(cy, cx, max(.5, rx*.6), max(.5, rx), func(y, x int, d float64) { cv.blend(y, x, .05+float64(.1*d), .95) })
}

// count is the number of things to draw at size t: at least one, at most most.
func count(most int, t float64) int { return max(1, int(float64(float64(most)*t)+.5)) }
