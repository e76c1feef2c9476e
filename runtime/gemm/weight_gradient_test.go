package gemm

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// TestOuterEqualsTheKernel: several images, kernels of all sizes, strides, dilations, groups and
// paddings, with and without the processor's own sums, to the last bit; sums go on from what is
// there.
func TestOuterEqualsTheKernel(t *testing.T) {
	own := processor
	defer func() { processor = own }()
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
	for round := range 600 {
		processor = level(round) % (own + 1)
		groups := 1 + rng.IntN(3)
		g := geometry.Window{
			InC: groups * (1 + rng.IntN(9)), InH: 1 + rng.IntN(7), InW: 1 + rng.IntN(9), OutC: groups * (1 + rng.IntN(12)), Groups: groups,
			KH: 1 + rng.IntN(4), KW: 1 + rng.IntN(5), StrideH: 1 + rng.IntN(3), StrideW: 1 + rng.IntN(3), DilH: 1 + rng.IntN(2), DilW: 1 + rng.IntN(2),
			PadT: rng.IntN(3), PadL: rng.IntN(6), PadB: rng.IntN(3), PadR: rng.IntN(6),
		}
		if g.InH+g.PadT+g.PadB < (g.KH-1)*g.DilH+1 || g.InW+g.PadL+g.PadR < (g.KW-1)*g.DilW+1 {
			continue
		}
		images := 1 + rng.IntN(3)
		size, out := g.InC*g.InH*g.InW, g.OutC*g.OutH()*g.OutW()
		x, dy, got := some(images*size), some(images*out), some(g.OutC*g.K())
		want, bias := slices.Clone(got), some(g.OutC)
		if rng.IntN(4) == 0 {
			bias = nil
		}
		var pad []float32
		if rng.IntN(3) == 0 {
			pad = some(g.InC)
		}
		wantBias := slices.Clone(bias)
		for i := range images {
			kernels.Conv2DGradient(g, x[i*size:(i+1)*size], nil, pad, dy[i*out:(i+1)*out], nil, want, wantBias)
		}
		o := NewOuter(g, pad)
		scratch := some(o.Scratch(images)) // of old numbers
		o.Add(images, x, dy, scratch, got, bias)
		require.Equal(t, want, got, "%+v", g)
		require.Equal(t, wantBias, bias, "%+v", g)
	}
}

// BenchmarkOuter is a layer of VGG-16 and the first one of LeNet-5, half of whose derivatives are 0,
// beside the product of the same numbers, in multiply-adds a second.
func BenchmarkOuter(b *testing.B) {
	for name, g := range map[string]geometry.Window{
		"3x3 of 64": square(64, 8, 64, 3, 1, 1),
		"5x5 of 1":  {InC: 1, InH: 28, InW: 28, OutC: 20, KH: 5, KW: 5, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1},
	} {
		const images = 16
		rng := rand.New(rand.NewPCG(1, 1))
		in, out := images*g.InC*g.InH*g.InW, images*g.OutC*g.OutH()*g.OutW()
		x, dy, dw := make([]float32, in), make([]float32, out), make([]float32, g.OutC*g.K())
		for i := range x {
			x[i] = rng.Float32()
		}
		for i := range dy {
			dy[i] = max(0, rng.Float32()-.5)
		}
		o, c := NewOuter(g, nil), NewFloats(g, dw)
		scratch := make([]float32, max(o.Scratch(images), c.Scratch()))
		b.Run(name+"/weights", func(b *testing.B) {
			for b.Loop() {
				o.Add(images, x, dy, scratch, dw, nil)
			}
			speed(b, out*g.K())
		})
		b.Run(name+"/product", func(b *testing.B) {
			bias, y := make([]float32, g.OutC), make([]float32, out)
			for b.Loop() {
				c.Run(images, x, bias, nil, -1, 1, scratch, y)
			}
			speed(b, out*g.K())
		})
	}
}
