package disturb

import (
	"math"
	"slices"
)

// canvas is an image on which kinds paint: pixels of its range taken to [0,1],
// one plane a channel. Three channels are red, green, blue; any other number
// are planes of gray that share the geometry of what is painted.
type canvas struct {
	c, h, w int
	pix     []float32
}

// unit is a length that is one pixel of a 28x28 image and grows with the image.
func (cv *canvas) unit() float64 { return float64(min(cv.h, cv.w)) / 28 }

// grain is how drops, flakes and stones grow with the image: as the square root
// of its side, for a larger image sees further, not drops that are larger; their
// number grows by the same.
func (cv *canvas) grain() float64 { return math.Sqrt(cv.unit()) }

// grains scales a number of things at size t of a 28x28 image, one at least.
func (cv *canvas) grains(most int, t float64) int {
	return count(int(float64(float64(most)*cv.grain())+.5), t)
}

// grainLength scales a length of a thing of a 28x28 image, to a pixel at least.
func (cv *canvas) grainLength(pixels float64) int {
	return max(1, int(float64(pixels*cv.grain())+.5))
}

func (cv *canvas) colour() bool { return cv.c == 3 }

// at is the index of a pixel in a plane.
func (cv *canvas) at(ch, y, x int) int { return (ch*cv.h+y)*cv.w + x }

// light replaces the lightness l of a pixel, in the sense of HLS, by change(l);
// hue and saturation stay. In HLS each channel's distance from l is chroma times
// a constant of the hue, and chroma is saturation times 1-|2l-1|: so distances
// scale by the ratio of the latter, and no hue need be computed.
func (cv *canvas) light(y, x int, change func(l float64) float64) {
	if !cv.colour() {
		for ch := range cv.c {
			p := &cv.pix[cv.at(ch, y, x)]
			*p = float32(clamp01(change(float64(*p))))
		}
		return
	}
	r, g, b := &cv.pix[cv.at(0, y, x)], &cv.pix[cv.at(1, y, x)], &cv.pix[cv.at(2, y, x)]
	l := float64(max(*r, *g, *b)+min(*r, *g, *b)) / 2
	m := clamp01(change(l))
	ratio := 0.0
	if room := 1 - math.Abs(2*l-1); room > 1e-9 {
		ratio = (1 - math.Abs(2*m-1)) / room
	}
	for _, p := range []*float32{r, g, b} {
		*p = float32(clamp01(m + float64((float64(*p)-l)*ratio)))
	}
}

// lightAll scales the lightness of every pixel.
func (cv *canvas) lightAll(factor float64) {
	for y := range cv.h {
		for x := range cv.w {
			cv.light(y, x, func(l float64) float64 { return float64(l * factor) })
		}
	}
}

// blend moves all channels of a pixel towards a gray by alpha.
func (cv *canvas) blend(y, x int, gray, alpha float64) {
	for ch := range cv.c {
		p := &cv.pix[cv.at(ch, y, x)]
		v := float64(*p)
		*p = float32(clamp01(v + float64((gray-v)*alpha)))
	}
}

// ellipse calls do for each pixel of an ellipse with its distance from the
// centre, 0 there and 1 at the rim.
func (cv *canvas) ellipse(cy, cx, ry, rx float64, do func(y, x int, d float64)) {
	for y := max(0, int(cy-ry)); y < min(cv.h, int(cy+ry)+2); y++ {
		for x := max(0, int(cx-rx)); x < min(cv.w, int(cx+rx)+2); x++ {
			dy, dx := (float64(y)-cy)/ry, (float64(x)-cx)/rx
			if d := float64(dy*dy) + float64(dx*dx); d <= 1 {
				do(y, x, math.Sqrt(d))
			}
		}
	}
}

// point is a place in the image, in pixels.
type point struct{ y, x float64 }

// polygon calls do for each pixel whose centre lies inside, by even-odd rule: an
// odd number of edges is crossed to its right.
func (cv *canvas) polygon(p []point, do func(y, x int)) {
	crossings := make([]float64, 0, len(p))
	for y := range cv.h {
		fy := float64(y)
		crossings = crossings[:0]
		for i, a := range p {
			b := p[(i+1)%len(p)]
			if (a.y > fy) != (b.y > fy) {
				crossings = append(crossings, float64((b.x-a.x)*(fy-a.y)/(b.y-a.y))+a.x)
			}
		}
		slices.Sort(crossings)
		for i := 0; i+1 < len(crossings); i += 2 {
			for x := max(0, int(math.Ceil(crossings[i]))); x < cv.w && float64(x) < crossings[i+1]; x++ {
				do(y, x)
			}
		}
	}
}

// blur is a box blur of side 2r+1 whose window ends at the border.
func (cv *canvas) blur(r int) {
	if r < 1 {
		return
	}
	line := make([]float32, max(cv.h, cv.w))
	pass := func(n, stride, base int) {
		for i := range n {
			line[i] = cv.pix[base+i*stride]
		}
		for i := range n {
			from, to := max(0, i-r), min(n, i+r+1)
			sum := float32(0)
			for _, v := range line[from:to] {
				sum += v
			}
			cv.pix[base+i*stride] = sum / float32(to-from)
		}
	}
	for ch := range cv.c {
		for y := range cv.h {
			pass(cv.w, 1, cv.at(ch, y, 0))
		}
		for x := range cv.w {
			pass(cv.h, cv.w, cv.at(ch, 0, x))
		}
	}
}

func clamp01(x float64) float64 { return min(max(x, 0), 1) }

// uniform is a number in lo..hi.
func (s *source) uniform(lo, hi float64) float64 {
	return lo + float64((hi-lo)*(float64(s.next()>>11)/(1<<53)))
}
