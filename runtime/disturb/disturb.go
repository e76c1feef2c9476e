// Package disturb holds the error models under which robustness is measured:
// each a kind with a size t in [0,1] that turns one image into another, deterministic from a seed on every platform.
package disturb

import (
	"math"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/data"
)

// Kind is one error model.
type Kind struct {
	Name   string
	Doc    string
	Source string    // what it follows, and the figure that it takes from there
	Sizes  []float64 // default sizes
	Guided bool      // needs a gradient
	// apply writes the disturbed image; lo and hi bound the pixels' reals. The
	// caller clamps, and handles size 0.
	apply func(j *job)
}

// job is one image to be disturbed.
type job struct {
	dst, src []float32
	shape    []int // usually C,H,W
	lo, hi   float32
	t        float64
	rng      *source
	gradient []float32 // of the margin with respect to src; nil of unguided kinds
}

// painted is a kind that paints on pixels of [0,1].
func painted(paint func(cv *canvas, t float64, rng *source)) func(j *job) {
	return func(j *job) {
		cv := &canvas{1, 1, len(j.src), j.dst}
		if len(j.shape) == 3 {
			cv.c, cv.h, cv.w = j.shape[0], j.shape[1], j.shape[2]
		}
		width := j.hi - j.lo
		for i, v := range j.src {
			j.dst[i] = (v - j.lo) / width
		}
		paint(cv, j.t, j.rng)
		for i, v := range j.dst {
			j.dst[i] = j.lo + float32(v*width)
		}
	}
}

const (
	deepXplore = "DeepXplore (SOSP 2017), section 6.2"
	automold   = "Automold, road augmentation library"
)

// kinds is the table of error models. Default sizes are chosen so that the float
// accuracy of the shipped networks, in the mean of LeNet-5 on Fashion-MNIST and on
// MNIST and AlexNet, falls to about 0.9, 0.75 and 0.5 of clean, or are the kind's
// most severe where it cannot fall that far; the last three are those that
// networks are held to.
var kinds = []*Kind{
	{Name: "light", Doc: "all pixels brighter or all darker by t, the way that hurts", Source: deepXplore + ": lighting effects, the sign of the mean gradient", Sizes: []float64{.25, .45, .65}, Guided: true, apply: light},
	{Name: "occl", Doc: "a rectangle of 10x10 of 28x28 pixels, where the gradient is greatest, changed by t along its sign", Source: deepXplore + ": occlusion by one rectangle, about 10x10 at 28x28", Sizes: []float64{.03, .2, .5}, Guided: true, apply: occl},
	{Name: "blackout", Doc: "round(15t) dark squares of 6x6 of 28x28 pixels, where darkening hurts", Source: deepXplore + ": occlusion by several tiny black rectangles, 6x6 at 28x28", Sizes: []float64{.05, .1, .2}, Guided: true, apply: blackout},
	{Name: "occl-random", Doc: "a rectangle of 10x10 of 28x28 pixels changed by t, each pixel up or down", Source: deepXplore + ", unguided", Sizes: []float64{.5, .8, 1}, apply: occlRandom},
	{Name: "brighten", Doc: "lightness times 1+t", Source: automold + ": brighten scales HLS lightness by 1 + coefficient", Sizes: []float64{.5, .8, 1}, apply: painted(brighten)},
	{Name: "darken", Doc: "lightness times 1-t", Source: automold + ": darken scales HLS lightness by 1 - coefficient", Sizes: []float64{.6, .78, .88}, apply: painted(darken)},
	{Name: "shadow", Doc: "lightness halved under round(5t) polygons of the lower two thirds", Source: automold + ": lightness 0.5, five corners", Sizes: []float64{.3, .6, 1}, apply: painted(shadow)},
	{Name: "snow", Doc: "lightness below 1/3+t/2 times 2.5, and flakes", Source: automold + ": coefficient 2.5; the flakes are ours", Sizes: []float64{.02, .2, 1}, apply: painted(snow)},
	{Name: "rain", Doc: "50t slanted light streaks, blurred, lightness times 1-0.3t", Source: automold + ": lightness 0.7", Sizes: []float64{.25, .6, 1}, apply: painted(rain)},
	{Name: "fog", Doc: "translucent white discs of alpha 0.08t, denser in the middle, then blur", Source: automold + ": alpha 0.08", Sizes: []float64{.12, .22, .42}, apply: painted(fog)},
	{Name: "gravel", Doc: "40t patches of random lightness in the lower quarter", Source: automold + ": patches of random lightness; their number is ours", Sizes: []float64{.5, .8, 1}, apply: painted(gravel)},
	{Name: "sunflare", Doc: "a bright disc with falloff and faint circles along a line", Source: automold + ": one source, 8 circles along a line", Sizes: []float64{.6, .8, 1}, apply: painted(sunflare)},
	{Name: "speed", Doc: "motion blur along the rows, growing towards the sides", Source: automold + ": speed blurs the sides, the middle least; ten pixels of 28 at size 1 are ours", Sizes: []float64{.3, .6, 1}, apply: painted(speed)},
	{Name: "autumn", Doc: "the hue of dark green turned to brown; gray images: middle tones pale", Source: automold + ": fall colours turn dark green to brown; the gray form is ours", Sizes: []float64{.3, .6, 1}, apply: painted(autumn)},
	{Name: "manhole", Doc: "a dark ellipse in the lower half, 0.8t of the width", Source: automold + ": an elliptic lid as high as 0.6 of its width; its size is ours", Sizes: []float64{.6, .8, 1}, apply: painted(manhole)},
	{Name: "gaussian", Doc: "x + t*n(0,1) at every pixel, of the range's width", Source: "the paper's random errors", Sizes: []float64{.1, .2, .5}, apply: gaussian},
	{Name: "light-random", Doc: "all pixels brighter or all darker by t", Source: deepXplore + ", unguided", Sizes: []float64{0.1, 0.2, 0.4}, apply: lightRandom},
	{Name: "fog-blend", Doc: "x(1-t)+t: a white veil", Source: "ours", Sizes: []float64{0.2, 0.45, 0.7}, apply: fogBlend},
	{Name: "blackout-random", Doc: "round(15t) dark squares of 3x3 of 28x28 pixels", Source: deepXplore + ", unguided", Sizes: []float64{0.2, 0.5, 1}, apply: blackoutRandom},
}

// Kinds lists the error models.
func Kinds() []*Kind { return kinds }

// Condition is a kind at a size.
type Condition struct {
	Kind *Kind
	Size float64
}

// String is the condition as -errors writes it.
func (c Condition) String() string {
	return c.Kind.Name + "=" + strconv.FormatFloat(c.Size, 'g', -1, 64)
}

// Parse reads "kind=size,size;kind": kinds at sizes, at their default sizes
// where none are given. "all" is every kind, "none" no error.
func Parse(text string) ([]Condition, error) {
	var out []Condition
	if text == "none" {
		return nil, nil
	}
	if text == "all" {
		for _, k := range kinds {
			for _, t := range k.Sizes {
				out = append(out, Condition{k, t})
			}
		}
		return out, nil
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	for _, part := range strings.Split(text, ";") {
		name, sizes, given := strings.Cut(strings.TrimSpace(part), "=")
		var kind *Kind
		for _, k := range kinds {
			if k.Name == name {
				kind = k
			}
		}
		if kind == nil {
			d := diag.New(diag.Pos{}, diag.BadValue, "no kind of error %q", name).WithSuggestion(name, names)
			if d.Help == "" {
				d.WithHelp("the kinds are %s", strings.Join(names, " "))
			}
			return nil, d
		}
		for _, c := range out {
			if c.Kind == kind {
				return nil, diag.New(diag.Pos{}, diag.BadValue, "the error %s stands twice", name).WithHelp("list its sizes behind one name: %s=0.1,0.2", name)
			}
		}
		if !given {
			for _, t := range kind.Sizes {
				out = append(out, Condition{kind, t})
			}
			continue
		}
		for _, s := range strings.Split(sizes, ",") {
			t, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
			if err != nil || !(t >= 0 && t <= 1) {
				return nil, diag.New(diag.Pos{}, diag.BadValue, "%s: the size %q is no number from 0 to 1", name, s)
			}
			out = append(out, Condition{kind, t})
		}
	}
	return out, nil
}

// Gradient gives the gradient of the margin of each image's answer, of one label an item
// the logit of its label less the greatest other, with respect to the image, and the
// answers. Without labels the network's own answers are taken for them.
type Gradient func(b data.Batch) (margin, answers []float32, err error)

// Once is a gradient that is computed for one batch alone and kept, for it is the
// same for every kind and size of error; nil of nil.
func Once(g Gradient) Gradient {
	if g == nil {
		return nil
	}
	var margin, answers []float32
	return func(b data.Batch) ([]float32, []float32, error) {
		var err error
		if margin == nil {
			margin, answers, err = g(b)
		}
		return margin, answers, err
	}
}

// Images disturbs every image of a batch whose reals lie in lo..hi, and leaves what
// lies behind it, the other inputs of a network, as it is; the first
// has the index first in its set. An image depends on the seed, the condition's
// kind, its index and nothing else. gradient may be nil for unguided kinds.
func Images(b data.Batch, first int, c Condition, seed uint64, lo, hi float32, gradient Gradient) (data.Batch, error) {
	if !c.Kind.Guided {
		return images(b, first, c, seed, lo, hi, nil), nil
	}
	if gradient == nil {
		return b, diag.New(diag.Pos{}, diag.Unsupported, "%s is guided by a gradient, which only a float network has", c.Kind.Name).
			WithHelp("%s-random is the unguided form", c.Kind.Name)
	}
	g, _, err := gradient(b)
	if err != nil {
		return b, err
	}
	return images(b, first, c, seed, lo, hi, g), nil
}

// images disturbs a batch, given the gradient of all its images.
func images(b data.Batch, first int, c Condition, seed uint64, lo, hi float32, gradient []float32) data.Batch {
	out := b
	out.X = make([]float32, len(b.X))
	if c.Size == 0 {
		copy(out.X, b.X)
		return out
	}
	size, pixels := b.Size(), b.Pixels()
	one := func(i int) {
		copy(out.Image(i)[pixels:], b.Image(i)[pixels:])
		dst := out.Image(i)[:pixels]
		j := &job{dst: dst, src: b.Image(i)[:pixels], shape: b.Shape, lo: lo, hi: hi, t: c.Size, rng: newSource(seed, c.Kind.Name, uint64(first+i))}
		if gradient != nil {
			j.gradient = gradient[i*size : i*size+pixels]
		}
		c.Kind.apply(j)
		for k, v := range dst {
			dst[k] = min(max(v, lo), hi)
		}
	}
	parallel.For(b.N, one)
	return out
}

func gaussian(j *job) {
	size := j.t * float64(j.hi-j.lo)
	for i, v := range j.src {
		j.dst[i] = float32(float64(v) + float64(size*j.rng.normal()))
	}
}

func lightRandom(j *job) { shift(j, j.rng.next()>>63 == 0) }

// light goes the way that lowers the margin: against its mean gradient.
func light(j *job) {
	sum := 0.0
	for _, g := range j.gradient {
		sum += float64(g)
	}
	shift(j, sum > 0)
}

func shift(j *job, darker bool) {
	by := float32(j.t * float64(j.hi-j.lo))
	if darker {
		by = -by
	}
	for i, v := range j.src {
		j.dst[i] = v + by
	}
}

func fogBlend(j *job) {
	for i, v := range j.src {
		j.dst[i] = float32(float64(float64(v)*(1-j.t)) + float64(float64(j.hi)*j.t))
	}
}

// blackoutSquares is the squares at size 1.
const blackoutSquares = 15

// planes are an image's channels, height and width.
func (j *job) planes() (c, h, w int) {
	if len(j.shape) != 3 {
		return 1, 1, len(j.src)
	}
	return j.shape[0], j.shape[1], j.shape[2]
}

// side is a length of a 28x28 image in the pixels of this one.
func side(pixels, h, w int) int { return max(1, (pixels*min(h, w)+14)/28) }

// each calls do for every element of a square.
func (j *job) each(y0, x0, side int, do func(i int)) {
	c, h, w := j.planes()
	for ch := range c {
		for y := y0; y < min(h, y0+side); y++ {
			for x := x0; x < min(w, x0+side); x++ {
				do((ch*h+y)*w + x)
			}
		}
	}
}

func blackoutRandom(j *job) {
	copy(j.dst, j.src)
	_, h, w := j.planes()
	s := side(3, h, w)
	for range int(float64(blackoutSquares*j.t) + 0.5) {
		y, x := j.rng.below(max(1, h-s+1)), j.rng.below(max(1, w-s+1))
		j.each(y, x, s, func(i int) { j.dst[i] = j.lo })
	}
}

// tries is the places among which a guided kind takes the worst.
const tries = 16

// worst is the best of a few random squares by a score.
func (j *job) worst(s int, score func(i int) float64) (y, x int) {
	_, h, w := j.planes()
	best := 0.0
	for k := range tries {
		ty, tx, sum := j.rng.below(max(1, h-s+1)), j.rng.below(max(1, w-s+1)), 0.0
		j.each(ty, tx, s, func(i int) { sum += score(i) })
		if k == 0 || sum > best {
			y, x, best = ty, tx, sum
		}
	}
	return y, x
}

// blackout darkens where the margin falls most, to first order.
func blackout(j *job) {
	copy(j.dst, j.src)
	_, h, w := j.planes()
	s := side(6, h, w)
	for range int(float64(blackoutSquares*j.t) + 0.5) {
		y, x := j.worst(s, func(i int) float64 { return float64(float64(j.gradient[i]) * float64(j.dst[i]-j.lo)) })
		j.each(y, x, s, func(i int) { j.dst[i] = j.lo })
	}
}

// occl moves the pixels of the rectangle of greatest gradient against it.
func occl(j *job) {
	copy(j.dst, j.src)
	_, h, w := j.planes()
	s, by := side(10, h, w), float32(j.t*float64(j.hi-j.lo))
	y, x := j.worst(s, func(i int) float64 { return math.Abs(float64(j.gradient[i])) })
	j.each(y, x, s, func(i int) {
		switch g := j.gradient[i]; {
		case g > 0:
			j.dst[i] -= by
		case g < 0:
			j.dst[i] += by
		}
	})
}

func occlRandom(j *job) {
	copy(j.dst, j.src)
	_, h, w := j.planes()
	s, by := side(10, h, w), float32(j.t*float64(j.hi-j.lo))
	y, x := j.rng.below(max(1, h-s+1)), j.rng.below(max(1, w-s+1))
	j.each(y, x, s, func(i int) {
		if j.rng.next()>>63 == 0 {
			j.dst[i] += by
		} else {
			j.dst[i] -= by
		}
	})
}
