// Package disturb holds the error models under which robustness is measured
// (DESIGN section 6): each a kind with a size t in [0,1] that turns one image
// into another, deterministic from a seed on every platform.
package disturb

import (
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
)

// Kind is one error model.
type Kind struct {
	Name   string
	Doc    string
	Source string
	Sizes  []float64 // default sizes
	// Apply writes the disturbed image; lo and hi bound the pixels' reals. The
	// caller clamps, and handles size 0.
	apply func(dst, src []float32, shape []int, lo, hi float32, t float64, rng *source)
}

var kinds = []*Kind{
	{Name: "gaussian", Doc: "x + t*n(0,1) at every pixel, of the range's width", Source: "the paper's random errors", Sizes: []float64{0.05, 0.1, 0.15}, apply: gaussian},
	{Name: "light-random", Doc: "all pixels brighter or all darker by t", Source: "DeepXplore's light, unguided", Sizes: []float64{0.1, 0.2, 0.4}, apply: lightRandom},
	{Name: "fog-blend", Doc: "x(1-t)+t: a white veil", Source: "ours", Sizes: []float64{0.2, 0.45, 0.7}, apply: fogBlend},
	{Name: "blackout-random", Doc: "round(15t) dark squares, three pixels wide at 28x28", Source: "DeepXplore's blackout, unguided", Sizes: []float64{0.2, 0.5, 1}, apply: blackoutRandom},
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
			d := diag.New(diag.Pos{}, diag.BadValue, "no error model %q", name).WithSuggestion(name, names)
			if d.Help == "" {
				d.WithHelp("the kinds are %s", strings.Join(names, " "))
			}
			return nil, d
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

// Images disturbs every image of a batch whose reals lie in lo..hi. Image i
// depends on the seed, the condition's kind, i and nothing else.
func Images(b data.Batch, c Condition, seed uint64, lo, hi float32) data.Batch {
	return ImagesFrom(b, 0, c, seed, lo, hi)
}

// ImagesFrom disturbs a part of a set whose first image has the index first, as
// Images would disturb it within the whole.
func ImagesFrom(b data.Batch, first int, c Condition, seed uint64, lo, hi float32) data.Batch {
	out := b
	out.X = make([]float32, len(b.X))
	if c.Size == 0 {
		copy(out.X, b.X)
		return out
	}
	for i := range b.N {
		dst := out.Image(i)
		rng := newSource(seed, c.Kind.Name, uint64(first+i))
		c.Kind.apply(dst, b.Image(i), b.Shape, lo, hi, c.Size, rng)
		for j, v := range dst {
			dst[j] = min(max(v, lo), hi)
		}
	}
	return out
}

func gaussian(dst, src []float32, _ []int, lo, hi float32, t float64, rng *source) {
	size := t * float64(hi-lo)
	for i, v := range src {
		dst[i] = float32(float64(v) + float64(size*rng.normal()))
	}
}

func lightRandom(dst, src []float32, _ []int, lo, hi float32, t float64, rng *source) {
	shift := float32(t * float64(hi-lo))
	if rng.next()>>63 == 0 {
		shift = -shift
	}
	for i, v := range src {
		dst[i] = v + shift
	}
}

func fogBlend(dst, src []float32, _ []int, _, hi float32, t float64, _ *source) {
	for i, v := range src {
		dst[i] = float32(float64(float64(v)*(1-t)) + float64(float64(hi)*t))
	}
}

// blackoutSquares is the squares at size 1.
const blackoutSquares = 15

func blackoutRandom(dst, src []float32, shape []int, lo, _ float32, t float64, rng *source) {
	copy(dst, src)
	if len(shape) != 3 {
		return
	}
	c, h, w := shape[0], shape[1], shape[2]
	side := max(1, (3*min(h, w)+14)/28)
	for range int(float64(blackoutSquares*t) + 0.5) {
		y0, x0 := rng.below(max(1, h-side+1)), rng.below(max(1, w-side+1))
		for ch := range c {
			for y := y0; y < min(h, y0+side); y++ {
				for x := x0; x < min(w, x0+side); x++ {
					dst[(ch*h+y)*w+x] = lo
				}
			}
		}
	}
}
