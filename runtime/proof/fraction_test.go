package proof

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFractionsAreRationals: of few digits and of many, equal ones, and of either sign.
func TestFractionsAreRationals(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	draw := func() *big.Rat {
		most := int64(1) << (1 + rng.IntN(62))
		return rat(rng.Int64N(most)-most/2, 1+rng.Int64N(most))
	}
	var list []*big.Rat
	for range 100 {
		r := draw()
		list = append(list, r, sum(r, rat(1, 1<<52)), sum(r, zero))
	}
	long, short := 0, 0
	for _, a := range list {
		f := fractionOf(a)
		require.Zero(t, f.rat().Cmp(a))
		near, _ := a.Float64()
		require.Equal(t, near, f.float())
		if f.big != nil {
			long++
		} else {
			short++
		}
		for _, b := range list {
			require.Equal(t, a.Cmp(b), f.compare(fractionOf(b)), "%s %s", a, b)
		}
	}
	assert.Greater(t, min(long, short), 30)
	words := 0
	for range 200 {
		step, from := draw(), draw()
		of := multiples(step, from)
		for _, n := range []int{-129, -128, -1, 0, 1, 77, 128} {
			at := of(n)
			require.Zero(t, at.rat().Cmp(difference(product(rat(int64(n), 1), step), from)), "%d * %s - %s", n, step, from)
			near, _ := at.rat().Float64()
			require.Equal(t, near, at.float())
			if at.big == nil {
				words++
			}
		}
	}
	assert.Greater(t, words, 100)
}
