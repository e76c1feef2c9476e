package onnx

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// TestExactSums: sums and differences are the exact ones for all pairs of integers, of scales
// drawn at random and of scales that make many halves.
func TestExactSums(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func() ir.Quant {
		s := math.Exp(rng.NormFloat64())
		if rng.IntN(4) == 0 {
			s = float64(1+rng.IntN(3)) / 2
		}
		return ir.Quant{Scale: float64(float32(s)), Zero: rng.IntN(256) - 128}
	}
	for k := range 60 {
		a, b, y := draw(), draw(), draw()
		isDifference := k%3 == 0
		p, err := exactSum(isDifference, a, b, y)
		require.NoError(t, err)
		sign := 1.
		if isDifference {
			sign = -1
		}
		assert.Zero(t, wrongSums(&p, sign, a, b, y, math.MaxInt), "%v and %v to %v", a, b, y)
	}
	_, err := exactSum(false, ir.Quant{Scale: 1}, ir.Quant{Scale: 1}, ir.Quant{Scale: 1e-7})
	assert.ErrorContains(t, err, "too coarse")
}

// TestQuotient holds quotients to rationals, next to halves above all.
func TestQuotient(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		y := float64(float32(math.Exp(rng.NormFloat64())))
		x := math.Nextafter((float64(rng.IntN(512)-256)+.5)*y, float64(rng.IntN(3)-1)*math.MaxFloat64)
		if rng.IntN(4) == 0 {
			x, y = float64(rng.IntN(4000)-2000), float64(1+rng.IntN(12))
		}
		q := new(big.Rat).Quo(new(big.Rat).SetFloat64(x), new(big.Rat).SetFloat64(y))
		twice := new(big.Int).Mul(q.Num(), big.NewInt(2))
		want := new(big.Int).Div(twice.Add(twice, q.Denom()), new(big.Int).Mul(q.Denom(), big.NewInt(2))).Int64() // floor(q+1/2)
		if half := new(big.Rat).Sub(q, big.NewRat(want, 1)); half.Cmp(big.NewRat(-1, 2)) == 0 && want%2 != 0 {
			want--
		}
		require.InDelta(t, want, quotient(x, y), 0, "%v / %v", x, y)
	}
}
