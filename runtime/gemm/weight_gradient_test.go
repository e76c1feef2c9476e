package gemm

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// TestWeightGradientEqualsTheKernel: kernels of all sizes, strides, dilations, groups and
// paddings, to the last bit; sums go on from what is there.
func TestWeightGradientEqualsTheKernel(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	some := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			if rng.IntN(3) > 0 { // a relu leaves zeros
				x[i] = float32(rng.NormFloat64())
			}
		}
		return x
	}
	for range 400 {
		groups := 1 + rng.IntN(3)
		g := geometry.Window{
			InC: groups * (1 + rng.IntN(3)), InH: 1 + rng.IntN(7), InW: 1 + rng.IntN(9), OutC: groups * (1 + rng.IntN(6)), Groups: groups,
			KH: 1 + rng.IntN(4), KW: 1 + rng.IntN(5), StrideH: 1 + rng.IntN(3), StrideW: 1 + rng.IntN(3), DilH: 1 + rng.IntN(2), DilW: 1 + rng.IntN(2),
			PadT: rng.IntN(3), PadL: rng.IntN(6), PadB: rng.IntN(3), PadR: rng.IntN(6),
		}
		if g.InH+g.PadT+g.PadB < (g.KH-1)*g.DilH+1 || g.InW+g.PadL+g.PadR < (g.KW-1)*g.DilW+1 {
			continue
		}
		x, dy, got := some(g.InC*g.InH*g.InW), some(g.OutC*g.OutH()*g.OutW()), some(g.OutC*g.K())
		want, bias := slices.Clone(got), some(g.OutC)
		if rng.IntN(4) == 0 {
			bias = nil
		}
		wantBias := slices.Clone(bias)
		kernels.Conv2DGradient(g, x, nil, nil, dy, nil, want, wantBias)
		WeightGradient(g, x, dy, got, bias)
		require.Equal(t, want, got, "%+v", g)
		require.Equal(t, wantBias, bias, "%+v", g)
	}
}
