package robust

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestHunt: the least size that loses no more than it may is found, near enough, in a
// few steps, whatever the loss is of the size.
func TestHunt(t *testing.T) {
	const least, most = 7_000, 430_000
	power := func(at, fall float64) func(int) float64 {
		return func(bytes int) float64 { return .01 * math.Pow(at/float64(bytes), fall) }
	}
	for name, c := range map[string]struct {
		loss  func(bytes int) float64
		want  int // the least size with a loss of .01
		steps int
	}{
		"steep":                {power(20_000, 4.5), 20_000, 6},
		"flat":                 {power(50_000, 1), 50_000, 6},
		"a cliff":              {func(b int) float64 { return .2 * float64(min(max(40_000-b, 0), 1)) }, 40_000, keepSteps + 1},
		"all keep":             {func(int) float64 { return -.001 }, least, 5},
		"only the largest":     {power(most, 3), most, 5},
		"just above the least": {power(least*1.01, 3), least, 6},
	} {
		h := newHunt([2]int{least, most}, .01)
		found, steps := 0, 0
		for bytes, ok := h.next(); ok && steps < 20; bytes, ok = h.next() {
			assert.GreaterOrEqual(t, bytes, least, name)
			assert.LessOrEqual(t, bytes, most, name)
			loss := c.loss(bytes)
			if loss <= .01 {
				found = bytes
			}
			h.measured(bytes, loss, loss <= .01)
			steps++
		}
		assert.LessOrEqual(t, steps, c.steps, name)
		assert.InEpsilon(t, c.want, found, 1.5*keepNear, name)
	}
}

// TestHuntWithoutEnd: where no size will do, every step is a larger one, up to the largest.
func TestHuntWithoutEnd(t *testing.T) {
	h := newHunt([2]int{100, 10_000}, 0)
	last := 0
	for bytes, ok := h.next(); ok; bytes, ok = h.next() {
		assert.Greater(t, bytes, last)
		last = bytes
		h.measured(bytes, .5, false)
	}
	assert.Equal(t, 10_000, last)
}

// TestHuntAboveTheImpossible: what a method has nothing for is a size that is too small.
func TestHuntAboveTheImpossible(t *testing.T) {
	h := newHunt([2]int{100, 10_000}, .01)
	first, _ := h.next()
	h.impossible(first)
	next, ok := h.next()
	assert.True(t, ok)
	assert.Greater(t, next, first)
}
