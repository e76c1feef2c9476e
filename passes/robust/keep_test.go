package robust

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sought is what a search for a loss of .01 finds, 0 for nothing, and how many it measures.
func sought(t *testing.T, sizes [2]int, from int, loss func(bytes int) float64) (found, steps int) {
	h := newHunt(sizes, .01)
	if from == 0 {
		from, _ = h.next()
	}
	require.NoError(t, h.seek(from, func(bytes int) (outcome, error) {
		assert.GreaterOrEqual(t, bytes, sizes[0])
		assert.LessOrEqual(t, bytes, sizes[1])
		steps++
		l := loss(bytes)
		if l <= .01 && (found == 0 || bytes < found) {
			found = bytes
		}
		return outcome{bytes: bytes, loss: l, enough: l <= .01}, nil
	}))
	return found, steps
}

// TestHunt: a size that loses no more than it may is found, near the least such, in few
// steps, whatever the loss is of the size.
func TestHunt(t *testing.T) {
	const least, most = 7_000, 430_000
	power := func(at, fall float64) func(int) float64 {
		return func(bytes int) float64 { return .01 * math.Pow(at/float64(bytes), fall) }
	}
	cliff := func(at int, above, below float64) func(int) float64 {
		return func(bytes int) float64 {
			if bytes < at {
				return below
			}
			return above
		}
	}
	for name, c := range map[string]struct {
		from  int
		loss  func(bytes int) float64
		want  int     // the least size with a loss of .01
		near  float64 // how much larger what is found may be
		steps int
	}{
		"steep":                        {0, power(20_000, 4.5), 20_000, .1, 4},
		"flat":                         {0, power(50_000, 1), 50_000, .1, 4},
		"begun near":                   {21_000, power(20_000, 4), 20_000, .06, 3},
		"a cliff below":                {0, cliff(40_000, 0, .2), 40_000, .4, 4},
		"a cliff above":                {0, cliff(90_000, 0, .2), 90_000, 5, keepSteps + keepBehind},
		"a plateau that hardly misses": {80_000, cliff(200_000, .002, .0115), 200_000, 1.2, keepSteps + keepBehind},
		"all keep":                     {0, func(int) float64 { return -.001 }, least, .1, 4},
		"only the largest":             {0, power(most, 3), most, 0, 1 + 1 + keepBehind},
		"just above the least":         {0, power(least*1.01, 3), least, .35, 4},
	} {
		found, steps := sought(t, [2]int{least, most}, c.from, c.loss)
		assert.LessOrEqual(t, steps, c.steps, name)
		assert.GreaterOrEqual(t, float64(found), .99*float64(c.want), name)
		assert.LessOrEqual(t, float64(found), (1+c.near)*float64(c.want)+1, name)
	}
}

// TestHuntEndsAtTheLargest: it does not give up before the largest was measured, and one
// size is measured once.
func TestHuntEndsAtTheLargest(t *testing.T) {
	for _, loss := range []float64{.5, .0101} {
		last := 0
		found, steps := sought(t, [2]int{100, 10_000}, 0, func(bytes int) float64 {
			assert.Greater(t, bytes, last)
			last = bytes
			return loss
		})
		assert.Zero(t, found)
		assert.Equal(t, 10_000, last)
		assert.LessOrEqual(t, steps, keepSteps)
	}
	_, steps := sought(t, [2]int{100, 100}, 100, func(int) float64 { return .5 })
	assert.Equal(t, 1, steps)
}

// TestHuntAboveTheImpossible: what a method has nothing for is a size that is too small,
// and says nothing of the loss.
func TestHuntAboveTheImpossible(t *testing.T) {
	found, _ := sought(t, [2]int{100, 10_000}, 0, func(bytes int) float64 {
		if bytes < 2_000 {
			return math.NaN()
		}
		return 0
	})
	assert.GreaterOrEqual(t, found, 2_000)
	assert.Less(t, found, 5_000)
}
