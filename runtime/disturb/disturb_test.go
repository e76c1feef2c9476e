package disturb

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
)

var update = flag.Bool("update", false, "write the golden file")

// picture is n images with edges, gradients and colours.
func picture(n int, shape ...int) data.Batch {
	b := data.Batch{N: n, Shape: shape}
	b.X = make([]float32, n*b.Size())
	rng := newSource(1, "picture", 0)
	c, h, w := shape[0], shape[1], shape[2]
	for i := range n {
		b.Labels = append(b.Labels, i%10)
		x := b.Image(i)
		for ch := range c {
			for y := range h {
				for xx := range w {
					v := float32((y*3+xx*(ch+1)+i*5)%h) / float32(h)
					if (xx-w/2)*(xx-w/2)+(y-h/2)*(y-h/2) < h*h/9 {
						v = float32(ch+1) / float32(c+1)
					}
					x[(ch*h+y)*w+xx] = min(1, v+float32(rng.uniform(0, .1)))
				}
			}
		}
	}
	return b
}

// slope is a gradient that is easily told: of the sum of the pixels, by rows.
func slope(b data.Batch) (margin, logits []float32, err error) {
	g := make([]float32, len(b.X))
	for i := range g {
		g[i] = float32(i%7) - 2
	}
	return g, nil, nil
}

// of is a kind at a size on items of a batch, as an only input in lo..hi; by its shape
// unless said otherwise.
func of(t testing.TB, b data.Batch, k *Kind, size float64, said ir.Content, lo, hi float32) Condition {
	t.Helper()
	in := Input{Name: "x", Holds: ir.ContentOf(said, b.Shape), Shape: b.Shape, Low: lo, High: hi}
	list, err := Parse(fmt.Sprintf("%s=%v", k.Name, size), []Input{in})
	require.NoError(t, err)
	require.Len(t, list, 1)
	return list[0]
}

func apply(t testing.TB, b data.Batch, k *Kind, size float64, seed uint64) data.Batch {
	t.Helper()
	out, err := Images(b, 0, of(t, b, k, size, ir.Content{}, 0, 1), seed, slope)
	require.NoError(t, err)
	return out
}

// paints are the kinds of images.
func paints() []*Kind {
	return Fitting(Input{Holds: ir.Content{Kind: ir.Image}, Shape: []int{3, 9, 9}})
}

func distance(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += math.Abs(float64(a[i]) - float64(b[i]))
	}
	return sum / float64(len(a))
}

var shapes = [][]int{{1, 28, 28}, {3, 32, 32}, {3, 48, 64}}

func TestSeverityGrows(t *testing.T) {
	for _, k := range paints() {
		for _, shape := range shapes {
			b := picture(24, shape...)
			last := 0.0
			for _, size := range []float64{.25, .5, .75, 1} {
				d := distance(b.X, apply(t, b, k, size, 1).X)
				assert.Greater(t, d, last*.999, "%s at %v on %v", k.Name, size, shape)
				last = d
			}
		}
	}
}

// TestContrastByHand: every pixel comes nearer to the middle of the range by the share t.
func TestContrastByHand(t *testing.T) {
	k := kinds[slices.IndexFunc(kinds, func(k *Kind) bool { return k.Name == "contrast" })]
	b := data.Batch{N: 1, Shape: []int{1, 1, 5}, X: []float32{-2, -1, 1, 2.5, 6}}
	image := ir.Content{Kind: ir.Image, Axis: ir.NoAxis}
	for size, want := range map[float64][]float32{.25: {-1, -.25, 1.25, 2.375, 5}, 1: {2, 2, 2, 2, 2}} {
		out, err := Images(b, 0, of(t, b, k, size, image, -2, 6), 1, nil)
		require.NoError(t, err)
		assert.Equal(t, want, out.X, size)
	}
}

func TestSizeZeroChangesNothing(t *testing.T) {
	b := picture(2, 3, 32, 32)
	for _, k := range paints() {
		assert.Equal(t, b.X, apply(t, b, k, 0, 1).X, k.Name)
	}
}

func TestOutputStaysInTheRange(t *testing.T) {
	for _, r := range [][2]float32{{0, 1}, {-1, 1}, {0, 255}} {
		b := picture(4, 3, 20, 30)
		for i, v := range b.X {
			b.X[i] = r[0] + v*(r[1]-r[0])
		}
		for _, k := range paints() {
			out, err := Images(b, 0, of(t, b, k, 1, ir.Content{}, r[0], r[1]), 1, slope)
			require.NoError(t, err)
			for _, v := range out.X {
				require.True(t, v >= r[0] && v <= r[1], "%s: %v", k.Name, v)
			}
			assert.NotEqual(t, b.X, out.X, k.Name)
		}
	}
}

// TestOddShapes: an image of one pixel, a row, five planes, one plane without its axis.
func TestOddShapes(t *testing.T) {
	image := ir.Content{Kind: ir.Image, Axis: ir.NoAxis}
	for _, shape := range [][]int{{1, 1, 1}, {3, 1, 9}, {3, 9, 1}, {5, 6, 4}} {
		b := picture(2, shape...)
		for _, k := range paints() {
			_, err := Images(b, 0, of(t, b, k, 1, image, 0, 1), 1, slope)
			require.NoError(t, err)
		}
	}
	flat := data.Batch{N: 2, Shape: []int{3, 4}, X: make([]float32, 24)}
	for _, k := range paints() {
		_, err := Images(flat, 0, of(t, flat, k, .5, image, 0, 1), 1, slope)
		require.NoError(t, err)
	}
}

func TestAnImageDependsOnItsIndexAlone(t *testing.T) {
	b := picture(9, 3, 32, 32)
	for _, k := range paints() {
		if k.Guided {
			continue // slope is no gradient of one image apart
		}
		whole := apply(t, b, k, .6, 3)
		part, err := Images(b.Slice(4, 6), 4, of(t, b, k, .6, ir.Content{}, 0, 1), 3, nil)
		require.NoError(t, err)
		assert.Equal(t, whole.Slice(4, 6).X, part.X, k.Name)
		if k.Name != "brighten" && k.Name != "darken" && k.Name != "fog-blend" && k.Name != "contrast" && k.Name != "speed" && k.Name != "autumn" {
			assert.NotEqual(t, whole.X, apply(t, b, k, .6, 4).X, "%s ignores the seed", k.Name)
		}
	}
}

// TestGoldenPixels holds every kind at three sizes to the hash of its pixels.
func TestGoldenPixels(t *testing.T) {
	const golden = "testdata/pixels.golden"
	var lines []string
	for _, k := range paints() {
		for _, shape := range shapes {
			for _, size := range []float64{.2, .5, 1} {
				h := sha256.New()
				for _, v := range apply(t, picture(3, shape...), k, size, 1).X {
					h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
				}
				lines = append(lines, fmt.Sprintf("%s %v %v %s", k.Name, size, shape, hex.EncodeToString(h.Sum(nil)[:8])))
			}
		}
	}
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestEveryKindIsDescribed(t *testing.T) {
	for _, k := range Kinds() {
		assert.NotEmpty(t, k.Doc, k.Name)
		assert.NotEmpty(t, k.Source, k.Name)
		assert.Subset(t, ir.ContentKinds, k.Of, k.Name)
		assert.NotEmpty(t, k.Of, k.Name)
		require.Len(t, k.Sizes, 3, k.Name)
		assert.IsIncreasing(t, k.Sizes, k.Name)
		assert.True(t, k.Sizes[0] > 0 && k.Sizes[2] <= 1)
	}
}

func TestGuidedKindsNeedAGradient(t *testing.T) {
	b := picture(1, 1, 28, 28)
	for _, k := range paints() {
		_, err := Images(b, 0, of(t, b, k, .5, ir.Content{}, 0, 1), 1, nil)
		if k.Guided {
			assert.ErrorContains(t, err, k.Name+"-random is the unguided form")
		} else {
			assert.NoError(t, err)
		}
	}
}

func TestNormalHasUnitVariance(t *testing.T) {
	rng := newSource(1, "normal", 0)
	const n = 200000
	sum, squares := 0.0, 0.0
	for range n {
		x := rng.normal()
		sum, squares = sum+x, squares+x*x
	}
	assert.InDelta(t, 0, sum/n, .01)
	assert.InDelta(t, 1, squares/n, .01)
}

// BenchmarkKinds is the speed on colour images; on gray ones it is at least that.
func BenchmarkKinds(b *testing.B) {
	images := picture(100, 3, 32, 32)
	for _, k := range paints() {
		b.Run(k.Name, func(b *testing.B) {
			for b.Loop() {
				apply(b, images, k, k.Sizes[1], 1)
			}
			b.ReportMetric(float64(b.N*images.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
