package proof

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
)

// picture is an image of bytes, gray or colour, with few or many distinct values.
func picture(rng *rand.Rand, low, high float32, shape ...int) (disturb.Input, []float32) {
	in := disturb.Input{Name: "x", Holds: ir.Content{Kind: ir.Image, Axis: ir.NoAxis}, Shape: shape, Low: low, High: high}
	x := make([]float32, ir.Shape(shape).Size())
	few := rng.IntN(2) == 0
	for i := range x {
		b := rng.IntN(256)
		if few {
			b = []int{0, 255, 128, 127, 1, 254, 77}[rng.IntN(7)]
		}
		x[i] = low + float32(float32(b)/255*(high-low))
	}
	return in, x
}

// item is a picture, or a signal of the same elements for a kind that is of signals.
func item(rng *rand.Rand, k *Kind, low, high float32, shape ...int) (disturb.Input, []float32) {
	in, x := picture(rng, low, high, shape...)
	if k.sample != nil {
		in.Holds = ir.Content{Kind: ir.Signal, Axis: len(shape) - 1}
	}
	return in, x
}

// quant is how a declared input is quantized.
func quant(in disturb.Input) ir.Quant {
	scale := float64(in.High-in.Low) / 255
	return ir.Quant{Scale: scale, Zero: int(-128 - float64(in.Low)/scale)}
}

func motion(t testing.TB, k *Kind, in disturb.Input, x []float32) *Motion {
	t.Helper()
	m, err := NewMotion(k, in, quant(in), x)
	require.NoError(t, err)
	return m
}

// TestPathByHand: two pixels, each kind.
func TestPathByHand(t *testing.T) {
	in := disturb.Input{Name: "x", Holds: ir.Content{Kind: ir.Image, Axis: ir.NoAxis}, Shape: []int{1, 1, 2}, Low: 0, High: 255}
	for _, c := range []struct {
		kind  int
		x     []float32
		start []int8
		steps int
		first []Change
		at    *big.Rat
		after bool
		last  []int8
	}{
		{0, []float32{3, 254}, []int8{-125, 126}, 252, []Change{{0, -124}, {1, 127}}, big.NewRat(1, 510), false, []int8{127, 127}},
		{1, []float32{3, 254}, []int8{-125, 126}, 254, []Change{{0, -126}, {1, 125}}, big.NewRat(1, 510), true, []int8{-128, -128}},
		{2, []float32{3, 0}, []int8{-125, -128}, 3, []Change{{0, -124}}, big.NewRat(1, 6), false, []int8{-122, -128}},
		{3, []float32{3, 3}, []int8{-125, -125}, 3, []Change{{0, -126}, {1, -126}}, big.NewRat(1, 6), true, []int8{-128, -128}},
		{4, []float32{126, 130}, []int8{-2, 2}, 4, []Change{{1, 1}}, big.NewRat(1, 5), true, []int8{0, 0}}, // both 127.5 at 1
		{5, []float32{253, 255}, []int8{125, 127}, 2, []Change{{0, 126}}, big.NewRat(1, 4), false, []int8{127, 127}},
		// Of signals the rest is 0.
		{6, []float32{3, 3}, []int8{-125, -125}, 252 + 128, []Change{{1, -124}}, big.NewRat(1, 510), false, []int8{3, 127}},
		{7, []float32{3, 3}, []int8{-125, -125}, 6, []Change{{1, -126}}, big.NewRat(1, 510), true, []int8{-128, -128}},
		{8, []float32{3, 0}, []int8{-125, -128}, 9, []Change{{0, -124}}, big.NewRat(1, 18), false, []int8{-116, -128}},
		{9, []float32{100, 0}, []int8{-28, -128}, 75, []Change{{0, -29}}, big.NewRat(1, 597), true, []int8{-103, -128}}, // 100/(1+3t) = 99.5
		{10, []float32{100, 40}, []int8{-28, -88}, 100, []Change{{0, -29}}, big.NewRat(1, 200), true, []int8{-128, -128}},
	} {
		in.Holds = ir.Content{Kind: ir.Image, Axis: ir.NoAxis}
		if kinds[c.kind].sample != nil {
			in.Holds = ir.Content{Kind: ir.Signal, Axis: 2}
		}
		m := motion(t, kinds[c.kind], in, c.x)
		p := m.Path()
		assert.Equal(t, c.start, p.Start, kinds[c.kind])
		require.Len(t, p.Steps, c.steps, kinds[c.kind])
		assert.Equal(t, c.first, p.Steps[0].Changes, kinds[c.kind])
		assert.Equal(t, c.at.String(), p.Steps[0].At.String(), kinds[c.kind])
		assert.Equal(t, c.after, p.Steps[0].After, kinds[c.kind])
		assert.Equal(t, c.last, p.Before(len(p.Steps)), kinds[c.kind])
	}
}

// TestPathEqualsTheImagesOfSizes: at every step's size, just before and just after it, and at
// random sizes the path has the image that is computed for the size by itself; and no step
// changes nothing.
func TestPathEqualsTheImagesOfSizes(t *testing.T) {
	for n, k := range kinds {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			pathOfSizes(t, rand.New(rand.NewPCG(1, uint64(n))), k)
		})
	}
}

func pathOfSizes(t *testing.T, rng *rand.Rand, k *Kind) {
	tiny := big.NewRat(1, 1<<50)
	for _, r := range [][2]float32{{0, 1}, {-1, 1}, {0, 255}, {-2.118, 2.64}} {
		for _, shape := range [][]int{{1, 2, 3}, {3, 2, 3}, {4, 3}} {
			in, x := item(rng, k, r[0], r[1], shape...)
			if rng.IntN(3) == 0 {
				x[0] = in.Low + (in.High-in.Low)*rng.Float32() // no byte
			}
			m := motion(t, k, in, x)
			p := m.Path()
			now := m.At(zero)
			require.Equal(t, now, p.Start)
			for _, s := range p.Steps {
				require.NotEmpty(t, s.Changes)
				for _, c := range s.Changes {
					require.NotEqual(t, now[c.Element], c.Value)
					now[c.Element] = c.Value
				}
				require.True(t, s.At.Sign() >= 0 && s.At.Cmp(one) <= 0, "%s", s.At)
				if len(p.Steps) > 200 && rng.IntN(len(p.Steps)/100) > 0 {
					continue
				}
				if !s.After {
					require.Equal(t, now, m.At(s.At), "%s %v at %s", k, shape, s.At)
				} else {
					require.Equal(t, now, m.At(sum(s.At, tiny)), "%s %v after %s", k, shape, s.At)
				}
				assert.Equal(t, p.Before(p.Begun(s.At)), m.At(s.At), "%s %v at %s", k, shape, s.At)
			}
			for range 50 {
				at := big.NewRat(rng.Int64N(1<<40), 1<<40)
				require.Equal(t, m.At(at), p.Before(p.Begun(at)), "%s %v at %s", k, shape, at)
			}
		}
	}
}

// draws is the random sizes of the next test, of each kind and shape: 100,000 with DNNC_FULL.
func draws() int {
	if os.Getenv("DNNC_FULL") != "" {
		return 100_000
	}
	return 600
}

// TestDisturbGivesTheImagesOfThePath: at random sizes the images that package disturb makes,
// quantized, are those of the path. Within 1e-6 of a step, and where an element is nearer to
// the bound between two integers than float32 can tell, it may have either: in colours near
// white or black, whose chroma is a share of little room, sooner. Of gain, whose way is drawn, a
// seed stands for each way; drift draws the line itself, and is not among them.
func TestDisturbGivesTheImagesOfThePath(t *testing.T) {
	shapes := [][]int{{1, 7, 5}, {3, 5, 4}}
	ways := slices.DeleteFunc(slices.Clone(kinds), func(k *Kind) bool { return k.Name == "drift" })
	each := draws()
	var differ, drawn atomic.Int64
	t.Cleanup(func() {
		assert.Greater(t, drawn.Load(), int64(each))
		assert.Less(t, differ.Load(), drawn.Load()/10_000, "elements that float32 puts on the other side of a bound")
	})
	for i, k := range ways {
		for j, shape := range shapes {
			if k.Name == "gain" { // the way of each channel is drawn by itself
				shape = []int{1, 35}
			}
			t.Run(fmt.Sprint(k, shape, j), func(t *testing.T) {
				t.Parallel()
				d, n := imagesOfSizes(t, rand.New(rand.NewPCG(uint64(i), uint64(j))), k, shape, each)
				differ.Add(int64(d))
				drawn.Add(int64(n))
			})
		}
	}
}

// imagesOfSizes holds so many images of a kind to those of the path, each of a random size, and returns how many
// elements differ, of how many.
func imagesOfSizes(t *testing.T, rng *rand.Rand, k *Kind, shape []int, images int) (differ, drawn int) {
	var in disturb.Input
	var x, gradient []float32
	var m *Motion
	for i := range images {
		if i%100 == 0 {
			in, x = item(rng, k, 0, 1, shape...)
			if k.sample != nil && i%200 == 0 {
				in, x = item(rng, k, -128./127, 1, shape...) // an integer is 0, and no byte lies between two
			}
			m = motion(t, k, in, x)
			gradient = make([]float32, len(x))
			for j := range gradient {
				gradient[j] = map[string]float32{"brighter": -1, "darker": 1}[k.Way]
			}
		}
		n := rng.Int64N(1<<53-1) + 1
		at := big.NewRat(n, 1<<53)
		size, exact := at.Float64()
		require.True(t, exact)
		list, err := disturb.Parse(k.Name, []disturb.Input{in})
		require.NoError(t, err)
		c := list[0]
		c.Size = size
		b, err := disturb.Images(data.Batch{N: 1, Shape: shape, X: x}, 0, c, seedOf(k), func(data.Batch) ([]float32, []float32, error) { return gradient, nil, nil })
		require.NoError(t, err)
		got := make([]int8, len(x))
		interp.Quantize(quant(in), b.X, got)
		want := m.At(at)
		for j := range want {
			if drawn++; got[j] != want[j] {
				differ++
				require.True(t, m.isNear(j, at, slackOf(k, x, shape, j)), "%s %v: element %d, byte %v, at %v is %d, not %d", k, shape, j, x[j]*255, size, got[j], want[j])
			}
		}
	}
	return differ, drawn
}

// seedOf is a seed with which package disturb takes the way of a gain.
func seedOf(k *Kind) uint64 {
	return map[string]uint64{"louder": seedLouder, "softer": seedSofter}[k.Way]
}

const (
	seedLouder = 1
	seedSofter = 2
)

// slackOf is what float32 may be wrong by in an element: a colour's lightness divides by the room
// that it leaves for chroma.
func slackOf(k *Kind, x []float32, shape []int, element int) float64 {
	if k.Way == "louder" {
		return 4 * Slack // which is as much louder
	}
	if k.colour == nil || shape[0] != 3 {
		return Slack
	}
	plane := len(x) / 3
	i := element % plane
	p := []float32{x[i], x[i+plane], x[i+2*plane]}
	l := (float64(slices.Max(p)) + float64(slices.Min(p))) / 2
	return Slack / max(1-math.Abs(2*l-1), 1./255)
}

// isNear reports whether an element at a size is so near to the bound between two integers
// that reals wrong by slack may be on either side.
func (m *Motion) isNear(element int, t *big.Rat, slack float64) bool {
	line := m.lines[m.of[element]]
	for _, by := range []int64{-1, 1} {
		if m.levelAt(line, sum(t, big.NewRat(by, 1e6))) != m.levelAt(line, t) {
			return true
		}
	}
	p := line[0]
	for _, q := range line[1:] {
		if q.from.Cmp(t) <= 0 {
			p = q
		}
	}
	v := p.at(t)
	for _, by := range []float64{-slack, slack} {
		if m.level(sum(v, new(big.Rat).SetFloat64(by))) != m.level(v) {
			return true
		}
	}
	return false
}

func TestKindsOf(t *testing.T) {
	list, err := KindsOf("light")
	require.NoError(t, err)
	assert.Len(t, list, 2)
	_, err = KindsOf("gaussian")
	assert.ErrorContains(t, err, "gaussian cannot be proved")
	assert.ErrorContains(t, err, "what can be proved is light brighten darken contrast fog-blend")
	_, err = KindsOf("light-random")
	assert.ErrorContains(t, err, "light proves both directions")
	assert.Equal(t, []string{"light", "brighten", "darken", "contrast", "fog-blend", "drift", "gain", "saturation"}, Names())
}

// TestMotionRefusesTooManyImages: each pixel of a large image has a colour of its own.
func TestMotionRefusesTooManyImages(t *testing.T) {
	const side = 90
	in := disturb.Input{Name: "x", Shape: []int{3, side, side}, High: 1}
	x := make([]float32, 3*side*side)
	for i := range side * side {
		for c, b := range []int{255 - i/side, 255 - i%side, 255} {
			x[c*side*side+i] = float32(b) / 255
		}
	}
	_, err := NewMotion(kinds[3], in, quant(in), x)
	assert.ErrorContains(t, err, "darken changes the integers of one image of x")
	_, err = NewMotion(kinds[0], in, quant(in), x)
	assert.NoError(t, err, "light moves equal bytes alike")
}

func TestMotionRefusesWhatIsNoImage(t *testing.T) {
	in, x := picture(rand.New(rand.NewPCG(3, 3)), 0, 1, 1, 2, 2)
	nan := float32(0)
	x[1] = nan / nan
	_, err := NewMotion(kinds[0], in, quant(in), x)
	assert.ErrorContains(t, err, "is NaN")
	in.High = 0
	_, err = NewMotion(kinds[0], in, ir.Quant{Scale: 1}, x)
	assert.ErrorContains(t, err, "has no levels")
}
