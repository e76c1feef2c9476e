package dnnc

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
)

// TestShares: who judges what is kept gets images, three fifths of few where it is promised,
// else one fifth; other builds fit and choose by what they did before.
func TestShares(t *testing.T) {
	chosen := []certificate.Layer{}
	promised, aimed := pass.Budget{Keep: .99, Promised: true}, pass.Budget{Keep: .99}
	for _, c := range []struct {
		name   string
		config Config
		images int
		want   [3]int // fit, choose, judge
	}{
		{"int8", Config{Level: pass.Int8, Budget: aimed}, 10_000, [3]int{512, 512, 0}},
		{"int8, few", Config{Level: pass.Int8, Budget: aimed}, 600, [3]int{512, 88, 0}},
		{"int8, fewer", Config{Level: pass.Int8, Budget: aimed}, 128, [3]int{128, 0, 0}},
		{"a size", Config{Level: pass.Robust, Budget: pass.Budget{Keep: .99, Bits: 2}}, 4608, [3]int{2048, 2560, 0}},
		{"a size, few", Config{Level: pass.Robust, Budget: pass.Budget{Keep: .99, Bits: 2}}, 1024, [3]int{820, 204, 0}},
		{"a search for later", Config{Level: pass.Robust, Budget: aimed, StopAfter: passes.Calibrated}, 1024, [3]int{820, 204, 0}},
		{"aimed", Config{Level: pass.Robust, Budget: aimed}, 5120, [3]int{2048, 2560, 512}},
		{"aimed, stopped behind it", Config{Level: pass.Robust, Budget: aimed, StopAfter: passes.Quantized}, 5120, [3]int{2048, 2560, 512}},
		{"aimed, few", Config{Level: pass.Robust, Budget: aimed}, 1000, [3]int{600, 200, 200}},
		{"compress", Config{Level: pass.Compress, Budget: aimed}, 1000, [3]int{600, 200, 200}},
		{"promised", Config{Level: pass.Robust, Budget: promised}, 20_000, [3]int{2048, 2560, 8192}},
		{"promised, some", Config{Level: pass.Robust, Budget: promised}, 8000, [3]int{2000, 1200, 4800}},
		{"promised, fewer", Config{Level: pass.Robust, Budget: promised}, 6000, [3]int{1500, 900, 3600}},
		{"promised, few", Config{Level: pass.Robust, Budget: promised}, 1000, [3]int{250, 150, 600}},
		{"promised, hardly any", Config{Level: pass.Robust, Budget: promised}, 4, [3]int{2, 0, 2}},
		{"promised, little memory", Config{Level: pass.Robust, Budget: promised, Memory: 1 << 20}, 20_000, [3]int{2048, 2560, 655}},
		{"promised, -images", Config{Level: pass.Robust, Budget: promised, Calibrate: 100}, 1000, [3]int{100, 300, 600}},
		{"again", Config{Level: pass.Robust, Chosen: chosen, Judged: 600, Budget: pass.Budget{Promised: true}}, 1000, [3]int{250, 150, 600}},
		{"again, of a size", Config{Level: pass.Robust, Chosen: chosen}, 1000, [3]int{800, 200, 0}},
		{"again, forged", Config{Level: pass.Robust, Chosen: chosen, Judged: math.MaxInt}, 1000, [3]int{1, 200, 799}},
		{"again, negative", Config{Level: pass.Robust, Chosen: chosen, Judged: -5}, 1000, [3]int{800, 200, 0}},
	} {
		s := c.config.wanted(400)
		n := min(c.images, s.fit+s.choose+s.judge)
		got := s.of(n)
		assert.Equal(t, c.want, [3]int{got.fit, got.choose, got.judge}, c.name)
		assert.LessOrEqual(t, got.fit+got.choose+got.judge, n, c.name)
	}
}

// TestDeal: no image serves for two; those that judge are drawn from all of the set by the
// seed, with their labels, and the others stay in their order.
func TestDeal(t *testing.T) {
	const n = 1000
	b := data.Batch{N: n, Shape: []int{2}, Targets: []data.Target{{Name: "y", Shape: []int{1}}}}
	for i := range n {
		b.X, b.Labels = append(b.X, float32(i), float32(-i)), append(b.Labels, i)
		b.Targets[0].X = append(b.Targets[0].X, float32(i)/2)
	}
	wanted := shares{fit: 2048, choose: 2560, judge: 512, judging: 8, choosing: 4}
	d := deal(b, wanted, 1)
	require.Equal(t, []int{400, 200, 400}, []int{d.fit.N, d.choose.N, d.judge.N})
	seen := make([]bool, n)
	halves := 0
	for k, part := range []data.Batch{d.fit, d.choose, d.judge} {
		last := -1
		for i := range part.N {
			image := part.Labels[i]
			assert.False(t, seen[image], "image %d", image)
			seen[image] = true
			assert.Greater(t, image, last)
			last = image
			assert.Equal(t, []float32{float32(image), float32(-image)}, part.Image(i))
			assert.Equal(t, float32(image)/2, part.Targets[0].X[i])
			if k == 2 && image < n/2 {
				halves++
			}
		}
	}
	assert.InDelta(t, 200, halves, 50, "from all over the set")
	assert.Equal(t, d, deal(b, wanted, 1))
	assert.NotEqual(t, d.judge.Labels, deal(b, wanted, 2).judge.Labels)

	few := deal(b.Slice(0, 3), shares{fit: 512, choose: 512}, 1)
	assert.Equal(t, []int{3, 3, 0}, []int{few.fit.N, few.choose.N, few.judge.N}, "too few to hold any out")
}

// TestLessons: what a network is tuned on is the images that fit, and others of the set that neither
// choose nor judge: copies of these are not others.
func TestLessons(t *testing.T) {
	b := data.Batch{N: 1200, Shape: []int{2}}
	for i := range b.N {
		b.X, b.Labels = append(b.X, float32(i%1000), float32(-i%1000)), append(b.Labels, i)
	}
	d := deal(b.Slice(0, 900), shares{fit: 2048, choose: 2560, judge: 512, judging: 8, choosing: 4}, 1)
	own := d.lessons(b)
	require.Equal(t, d.fit.N+100, own.N, "900 to 999, once each")
	assert.Equal(t, d.fit.X, own.X[:len(d.fit.X)])
	seen := map[float32]bool{}
	for i := range own.N {
		assert.False(t, seen[own.Image(i)[0]])
		seen[own.Image(i)[0]] = true
	}
	for _, part := range []data.Batch{d.choose, d.judge} {
		for i := range part.N {
			assert.False(t, seen[part.Image(i)[0]])
		}
	}
}
