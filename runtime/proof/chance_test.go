package proof

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAtLeast: bounds that a table or a formula gives. All right: the bound to the power of n
// is the doubt.
func TestAtLeast(t *testing.T) {
	assert.Zero(t, AtLeast(0, 10, .05))
	for _, n := range []int{1, 10, 1000, 1_000_000} {
		for _, doubt := range []float64{.05, .01, 1e-7} {
			assert.InDelta(t, math.Pow(doubt, 1/float64(n)), AtLeast(n, n, doubt), 1e-6, "%d of %d", n, n)
		}
	}
	assert.InDelta(t, .00512, AtLeast(1, 10, .05), 1e-5) // 1 - .95^(1/10)
	assert.InDelta(t, .22244, AtLeast(5, 10, .05), 1e-5) // Clopper and Pearson 1934
	assert.InDelta(t, .49310, AtLeast(8, 10, .05), 1e-5)
	assert.Less(t, AtLeast(999, 1000, 1e-5), AtLeast(1000, 1000, 1e-5))
}

// TestTailIsExact holds the probability to exact arithmetic: never less, a millionth more at most.
func TestTailIsExact(t *testing.T) {
	for _, c := range []struct{ k, n, p int64 }{{3, 7, 250}, {40, 50, 700}, {200, 200, 990}, {150, 300, 100}, {1, 300, 1}} {
		total, big1000 := new(big.Int), big.NewInt(1000)
		power := func(x, n int64) *big.Int { return new(big.Int).Exp(big.NewInt(x), big.NewInt(n), nil) }
		for j := c.k; j <= c.n; j++ {
			term := new(big.Int).Binomial(c.n, j)
			total.Add(total, term.Mul(term, new(big.Int).Mul(power(c.p, j), power(1000-c.p, c.n-j))))
		}
		want, _ := new(big.Rat).SetFrac(total, big1000.Exp(big1000, big.NewInt(c.n), nil)).Float64()
		got := tail(int(c.k), int(c.n), float64(c.p)/1000)
		assert.GreaterOrEqual(t, got, want, "%v", c)
		assert.LessOrEqual(t, got, want*(1+1e-6), "%v", c)
	}
}

// TestBoundsCover: bounds lie below the share that is true with a probability of .99 or more; where draws have
// unequal shares, in 99 of a hundred simulations.
func TestBoundsCover(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, draws := range []int{10, 50, 200, 1000} {
		bounds := make([]float64, draws+1)
		for right := range bounds {
			bounds[right] = AtLeast(right, draws, Doubt)
		}
		for _, share := range []float64{.5, .9, .99, .999} {
			// Of draws that are alike the share of bounds that hold is a sum, and needs no simulation.
			holds := 0.
			for right, bound := range bounds {
				if bound <= share {
					holds += chanceOf(right, draws, share)
				}
			}
			require.GreaterOrEqual(t, holds, 1-Doubt, "%d draws, share %g", draws, share)
			// Halves of the draws lie below and above the share.
			spread := min(share, 1-share)
			simulations := 10_000
			if draws > 200 {
				simulations /= 10
			}
			covered := 0
			for range simulations {
				right := 0
				for d := range draws {
					if p := share + spread*float64(1-d%2*2); rng.Float64() < p {
						right++
					}
				}
				if bounds[right] <= share {
					covered++
				}
			}
			require.GreaterOrEqual(t, covered, simulations*99/100, "%d draws, share %g", draws, share)
		}
	}
}

// chanceOf is the chance of so many right ones of some draws, each right with a chance.
func chanceOf(right, draws int, chance float64) float64 {
	log := func(n int) float64 { v, _ := math.Lgamma(float64(n) + 1); return v }
	return math.Exp(log(draws) - log(right) - log(draws-right) + float64(right)*math.Log(chance) + float64(draws-right)*math.Log1p(-chance))
}

// TestDrawsHaveSeedsOfTheirOwn: other seeds, other draws.
func TestDrawsHaveSeedsOfTheirOwn(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(20) {
		for d := range 1000 {
			seen[DrawSeed(seed, d)] = true
		}
	}
	assert.Len(t, seen, 20*1000)
}
