// Package disturb holds the error models under which robustness is measured: each a kind
// with a size t in [0,1] that turns one image, signal or vector of features into another,
// deterministic from a seed on every platform.
package disturb

import (
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
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
	Of     []string  // kinds of input that it makes sense for, of ir.ContentKinds
	// Several is what a signal must have several of for it to make sense: "channel" or
	// "sample"; "" of nothing.
	Several string
	// Moves is set of errors that make of an item what another one may be without any error, which
	// has another value: where labels are values, those of the item as it was stay right.
	Moves bool
	// apply writes the disturbed image; lo and hi bound the pixels' reals. The
	// caller clamps, and handles size 0.
	apply func(j *job)
}

// job is one image, signal or vector of features to be disturbed.
type job struct {
	dst, src []float32
	in       *Input
	t        float64
	rng      *source
	gradient []float32 // of the margin with respect to src; nil of unguided kinds
}

// width is that of the input's range.
func (j *job) width() float64 { return float64(j.in.High - j.in.Low) }

// painted is a kind that paints on pixels of [0,1].
func painted(paint func(cv *canvas, t float64, rng *source)) func(j *job) {
	return func(j *job) {
		cv := &canvas{pix: j.dst}
		cv.c, cv.h, cv.w = j.planes()
		lo, width := j.in.Low, j.in.High-j.in.Low
		for i, v := range j.src {
			j.dst[i] = (v - lo) / width
		}
		paint(cv, j.t, j.rng)
		for i, v := range j.dst {
			j.dst[i] = lo + float32(v*width)
		}
	}
}

const (
	deepXplore = "DeepXplore (SOSP 2017), section 6.2"
	automold   = "Automold, road augmentation library"
)

// pictures, series and sensors are what kinds of error are of.
var (
	pictures = []string{ir.Image}
	series   = []string{ir.Signal}
	sensors  = []string{ir.Signal, ir.Features}
)

// kinds is the table of error models. Default sizes are chosen so that the float
// accuracy of the shipped networks, in the mean of LeNet-5 on Fashion-MNIST and on
// MNIST and AlexNet, falls to about 0.9, 0.75 and 0.5 of clean, or are the kind's
// most severe where it cannot fall that far; those of light-random, fog-blend and
// blackout-random are those that networks are held to, that of contrast is chosen by the
// two LeNet-5 alone, those of signals and features are ours.
var kinds = []*Kind{
	{Name: "light", Doc: "all pixels brighter or all darker by t, the way that hurts", Source: deepXplore + ": lighting effects, the sign of the mean gradient", Sizes: []float64{.25, .45, .65}, Guided: true, Of: pictures, Moves: true, apply: light},
	{Name: "occl", Doc: "a rectangle of 10x10 of 28x28 pixels, where the gradient is greatest, changed by t along its sign", Source: deepXplore + ": occlusion by one rectangle, about 10x10 at 28x28", Sizes: []float64{.03, .2, .5}, Guided: true, Of: pictures, apply: occl},
	{Name: "blackout", Doc: "round(15t) dark squares of 6x6 of 28x28 pixels, where darkening hurts", Source: deepXplore + ": occlusion by several tiny black rectangles, 6x6 at 28x28", Sizes: []float64{.05, .1, .2}, Guided: true, Of: pictures, apply: blackout},
	{Name: "occl-random", Doc: "a rectangle of 10x10 of 28x28 pixels changed by t, each pixel up or down", Source: deepXplore + ", unguided", Sizes: []float64{.5, .8, 1}, Of: pictures, apply: occlRandom},
	{Name: "brighten", Doc: "lightness times 1+t", Source: automold + ": brighten scales HLS lightness by 1 + coefficient", Sizes: []float64{.5, .8, 1}, Of: pictures, Moves: true, apply: painted(brighten)},
	{Name: "darken", Doc: "lightness times 1-t", Source: automold + ": darken scales HLS lightness by 1 - coefficient", Sizes: []float64{.6, .78, .88}, Of: pictures, Moves: true, apply: painted(darken)},
	{Name: "shadow", Doc: "lightness halved under round(5t) polygons of the lower two thirds", Source: automold + ": lightness 0.5, five corners", Sizes: []float64{.3, .6, 1}, Of: pictures, apply: painted(shadow)},
	{Name: "snow", Doc: "lightness below 1/3+t/2 times 2.5, and flakes", Source: automold + ": coefficient 2.5; the flakes are ours", Sizes: []float64{.02, .2, 1}, Of: pictures, apply: painted(snow)},
	{Name: "rain", Doc: "50t slanted light streaks, blurred, lightness times 1-0.3t", Source: automold + ": lightness 0.7", Sizes: []float64{.25, .6, 1}, Of: pictures, apply: painted(rain)},
	{Name: "fog", Doc: "translucent white discs of alpha 0.08t, denser in the middle, then blur", Source: automold + ": alpha 0.08", Sizes: []float64{.12, .22, .42}, Of: pictures, apply: painted(fog)},
	{Name: "gravel", Doc: "40t patches of random lightness in the lower quarter", Source: automold + ": patches of random lightness; their number is ours", Sizes: []float64{.5, .8, 1}, Of: pictures, apply: painted(gravel)},
	{Name: "sunflare", Doc: "a bright disc with falloff and faint circles along a line", Source: automold + ": one source, 8 circles along a line", Sizes: []float64{.6, .8, 1}, Of: pictures, apply: painted(sunflare)},
	{Name: "speed", Doc: "motion blur along the rows, growing towards the sides", Source: automold + ": speed blurs the sides, the middle least; ten pixels of 28 at size 1 are ours", Sizes: []float64{.3, .6, 1}, Of: pictures, apply: painted(speed)},
	{Name: "autumn", Doc: "the hue of dark green turned to brown; gray images: middle tones pale", Source: automold + ": fall colours turn dark green to brown; the gray form is ours", Sizes: []float64{.3, .6, 1}, Of: pictures, apply: painted(autumn)},
	{Name: "manhole", Doc: "a dark ellipse in the lower half, 0.8t of the width", Source: automold + ": an elliptic lid as high as 0.6 of its width; its size is ours", Sizes: []float64{.6, .8, 1}, Of: pictures, apply: painted(manhole)},
	{Name: "gaussian", Doc: "x + t*n(0,1) at every element, of the range's width", Source: "the paper's random errors", Sizes: []float64{.1, .2, .5}, Of: ir.ContentKinds, apply: gaussian},
	{Name: "light-random", Doc: "all pixels brighter or all darker by t", Source: deepXplore + ", unguided", Sizes: []float64{0.1, 0.2, 0.4}, Of: pictures, Moves: true, apply: lightRandom},
	{Name: "fog-blend", Doc: "x(1-t)+t: a white veil", Source: "ours", Sizes: []float64{0.2, 0.45, 0.7}, Of: pictures, apply: fogBlend},
	{Name: "contrast", Doc: "m+(x-m)(1-t), m the middle of the range: all one gray at size 1", Source: "ImageNet-C (Hendrycks and Dietterich, ICLR 2019): contrast 0.4 to 0.05 of the image's, about its mean; the middle of the range is ours", Sizes: []float64{.5, .75, .85}, Of: pictures, Moves: true, apply: contrast},
	{Name: "blackout-random", Doc: "round(15t) dark squares of 3x3 of 28x28 pixels", Source: deepXplore + ", unguided", Sizes: []float64{0.2, 0.5, 1}, Of: pictures, apply: blackoutRandom},
	{Name: "drift", Doc: "a slow offset: each channel leaves its place by up to t of the range, along a random walk of four straight lines; each feature by t, up or down", Source: "tsaug Drift: a random walk of each channel, scaled to its greatest value (.5 of the peak by default); drift of calibration in Ni et al., Sensor network data fault types (ACM TOSN 2009)", Sizes: []float64{.1, .2, .5}, Of: sensors, Moves: true, apply: drift},
	{Name: "gain", Doc: "each channel or feature, from its rest on, times 1+3t or divided by it: 12 dB at size 1", Source: "audiomentations Gain: -12 to 12 dB; gain of calibration in Ni et al.", Sizes: []float64{.2, .5, 1}, Of: sensors, Moves: true, apply: gain},
	{Name: "dropout", Doc: "a share t of the samples lost, in all channels at a time, or of the features: they are at rest", Source: "tsaug Dropout: time points with probability p, the same in all channels, filled by a value; its default is p = .05", Sizes: []float64{.05, .15, .4}, Of: sensors, apply: dropout},
	{Name: "channel-dropout", Doc: "each channel with probability t at rest throughout", Source: "braindecode ChannelsDropout: p_drop = .2 by default", Sizes: []float64{.1, .2, .5}, Of: series, Several: "channel", apply: channelDropout},
	{Name: "spikes", Doc: "a share t of the elements at one end of the range or the other", Source: "spikes and outliers in Ni et al.; salt and pepper, their share is ours", Sizes: []float64{.01, .03, .1}, Of: sensors, apply: spikes},
	{Name: "saturation", Doc: "each channel clipped at 1-t of its own peaks, each feature at 1-t of its range, from its rest on", Source: "clipping in Ni et al.; audiomentations ClippingDistortion clips up to 40 % of the samples", Sizes: []float64{.3, .6, .8}, Of: sensors, apply: saturation},
	{Name: "shift", Doc: "all channels t/2 of the length earlier or later, a sample at least; what comes in is at rest", Source: "audiomentations Shift: up to .5 of the length, without rollover", Sizes: []float64{.1, .3, .6}, Of: series, Several: "sample", Moves: true, apply: shift},
	{Name: "burst", Doc: "noise of half the range's width in all channels, for t of the length", Source: "bursts of IEC 61000-4-4: 15 ms of each 300 ms; the noise is ours", Sizes: []float64{.05, .15, .4}, Of: series, apply: burst},
}

// Kinds lists the error models.
func Kinds() []*Kind { return kinds }

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

// Images disturbs the condition's input in every item of a batch, and leaves the other
// inputs as they are; the first item has the index first in its set. What an item becomes
// depends on the seed, the condition's kind, its index and nothing else. gradient may be
// nil for unguided kinds.
func Images(b data.Batch, first int, c Condition, seed uint64, gradient Gradient) (data.Batch, error) {
	out := b
	out.X = slices.Clone(b.X)
	return out, Into(out, b, first, c, seed, gradient, func(int) bool { return true })
}

// Into writes into a copy of a batch what Images makes of those items that is names.
func Into(out, b data.Batch, first int, c Condition, seed uint64, gradient Gradient, is func(i int) bool) error {
	if size := c.at + sizeOf(c.input.Shape); size > b.Size() {
		return fmt.Errorf("disturb: the input %s ends at element %d of items of %d", c.input.Name, size, b.Size())
	}
	var g []float32
	if c.Kind.Guided {
		if gradient == nil {
			return diag.New(diag.Pos{}, diag.Unsupported, "%s is guided by a gradient, which only a float network has", c.Kind.Name).
				WithHelp("%s-random is the unguided form", c.Kind.Name)
		}
		var err error
		if g, _, err = gradient(b); err != nil {
			return err
		}
	}
	if c.Size == 0 {
		return nil
	}
	size, from, to := b.Size(), c.at, c.at+sizeOf(c.input.Shape)
	lo, hi := c.input.Low, c.input.High
	parallel.For(b.N, func(i int) {
		if !is(i) {
			return
		}
		dst := out.Image(i)[from:to]
		j := &job{dst: dst, src: b.Image(i)[from:to], in: c.input, t: c.Size, rng: newSource(seed, c.Kind.Name, uint64(first+i))}
		if g != nil {
			j.gradient = g[i*size+from : i*size+to]
		}
		c.Kind.apply(j)
		for k, v := range dst {
			dst[k] = min(max(v, lo), hi)
		}
	})
	return nil
}

func sizeOf(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

func gaussian(j *job) {
	size := j.t * j.width()
	for i, v := range j.src {
		j.dst[i] = float32(float64(v) + float64(size*j.rng.normal()))
	}
}

func lightRandom(j *job) { brightness(j, j.rng.coin()) }

// light goes the way that lowers the margin: against its mean gradient.
func light(j *job) {
	sum := 0.0
	for _, g := range j.gradient {
		sum += float64(g)
	}
	brightness(j, sum > 0)
}

func brightness(j *job, darker bool) {
	by := float32(j.t * j.width())
	if darker {
		by = -by
	}
	for i, v := range j.src {
		j.dst[i] = v + by
	}
}

func fogBlend(j *job) {
	for i, v := range j.src {
		j.dst[i] = float32(float64(float64(v)*(1-j.t)) + float64(float64(j.in.High)*j.t))
	}
}

// contrast draws all pixels towards the middle of the range, whatever the image's mean: so
// each pixel moves one way alone, and depends on no other.
func contrast(j *job) {
	middle := (float64(j.in.Low) + float64(j.in.High)) / 2
	for i, v := range j.src {
		j.dst[i] = float32(middle + float64((float64(v)-middle)*(1-j.t)))
	}
}

// blackoutSquares is the squares at size 1.
const blackoutSquares = 15

// planes are an image's channels, height and width; [H,W] is one plane.
func (j *job) planes() (c, h, w int) {
	s := j.in.Shape
	if len(s) == 2 {
		return 1, s[0], s[1]
	}
	return s[0], s[1], s[2]
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
		j.each(y, x, s, func(i int) { j.dst[i] = j.in.Low })
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
		y, x := j.worst(s, func(i int) float64 { return float64(float64(j.gradient[i]) * float64(j.dst[i]-j.in.Low)) })
		j.each(y, x, s, func(i int) { j.dst[i] = j.in.Low })
	}
}

// occl moves the pixels of the rectangle of greatest gradient against it.
func occl(j *job) {
	copy(j.dst, j.src)
	_, h, w := j.planes()
	s, by := side(10, h, w), float32(j.t*j.width())
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
	s, by := side(10, h, w), float32(j.t*j.width())
	y, x := j.rng.below(max(1, h-s+1)), j.rng.below(max(1, w-s+1))
	j.each(y, x, s, func(i int) {
		if j.rng.coin() {
			j.dst[i] += by
		} else {
			j.dst[i] -= by
		}
	})
}
