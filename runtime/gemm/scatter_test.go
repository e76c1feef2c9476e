package gemm

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// TestScatterEqualsTheKernel compares the gradient of a convolution's input with
// the direct loops, and the processor's rows with the plain ones to the last bit.
func TestScatterEqualsTheKernel(t *testing.T) {
	rng := rand.New(rand.NewSource(4))
	for range 300 {
		groups := 1 + rng.Intn(2)
		g := geometry.Window{InC: groups * (1 + rng.Intn(5)), InH: 5 + rng.Intn(8), InW: 5 + rng.Intn(8), OutC: groups * (1 + rng.Intn(9)),
			KH: 1 + rng.Intn(3), KW: 1 + rng.Intn(3), StrideH: 1 + rng.Intn(2), StrideW: 1 + rng.Intn(2), DilH: 1 + rng.Intn(2), DilW: 1 + rng.Intn(2),
			PadT: rng.Intn(3), PadL: rng.Intn(3), PadB: rng.Intn(3), PadR: rng.Intn(3), Groups: groups}
		weight, dy := make([]float32, g.OutC*g.K()), make([]float32, g.OutC*g.OutH()*g.OutW())
		for i := range weight {
			weight[i] = float32(rng.NormFloat64())
		}
		for i := range dy {
			if rng.Intn(3) == 0 { // most derivatives are 0 after relu
				dy[i] = float32(rng.NormFloat64())
			}
		}
		s := NewScatter(g, weight)
		scratch := make([]float32, s.Scratch())
		want := make([]float32, g.InC*g.InH*g.InW)
		for i := range want {
			want[i] = float32(i) // what is there stays, the gradient is added
		}
		var got [][]float32
		eachLevel(func(l level) {
			got = append(got, append([]float32(nil), want...))
			s.Add(dy, scratch, got[l])
			require.Equal(t, got[0], got[l], "%v: %+v", l, g)
		})
		kernels.Conv2DGradient(g, nil, weight, nil, dy, want, nil, nil)
		require.InDeltaSlice(t, want, got[0], 1e-3, "%+v", g)
	}
}
