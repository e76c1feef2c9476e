package gemm

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/kernels"
)

// TestProductsEqualKernels holds the fast integer path equal to the reference.
func TestProductsEqualKernels(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 100 {
		g := kernels.Window{InC: 1 + rng.Intn(4), InH: 3 + rng.Intn(5), InW: 3 + rng.Intn(5), OutC: 1 + rng.Intn(5),
			KH: 1 + rng.Intn(3), KW: 1 + rng.Intn(3), StrideH: 1 + rng.Intn(2), StrideW: 1, DilH: 1, DilW: 1,
			PadT: rng.Intn(2), PadL: rng.Intn(2), PadB: rng.Intn(2), PadR: rng.Intn(2), Groups: 1}
		x := make([]int8, g.InC*g.InH*g.InW)
		for i := range x {
			x[i] = int8(rng.Intn(256) - 128)
		}
		w, w16 := make([]int32, g.OutC*g.K()), make([]int16, g.OutC*g.K())
		for i := range w {
			w16[i] = int16(rng.Intn(511) - 255)
			w[i] = int32(w16[i])
		}
		pad := make([]int32, g.InC)
		for i := range pad {
			pad[i] = int32(rng.Intn(256) - 128)
		}
		pixels := g.OutH() * g.OutW()
		q := &kernels.Requant{Mul: []int32{1 << 30}, Shift: []int32{40}, Lo: -128, Hi: 127}
		want := make([]int8, g.OutC*pixels)
		kernels.Conv2DInt(g, x, -5, pad, w, make([]int64, g.OutC), false, q, want)
		cols, acc := make([]int16, pixels*g.K()), make([]int32, g.OutC*pixels)
		Im2ColInt8(g, 0, x, -5, pad, cols)
		Int(g.OutC, pixels, g.K(), w16, cols, acc)
		wide := make([]int64, len(acc))
		IntWide(g.OutC, pixels, g.K(), w16, cols, wide)
		for i := range acc {
			require.Equal(t, int64(acc[i]), wide[i])
			require.Equal(t, want[i], q.Apply(int64(acc[i]), 0))
		}
	}
}

// TestFloatConvolution compares products of panels with the direct loops: few
// and many pixels, several images, groups, strides, padding values.
func TestFloatConvolution(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	for range 200 {
		groups := 1 + rng.Intn(2)
		g := kernels.Window{InC: groups * (1 + rng.Intn(3)), InH: 3 + rng.Intn(18), InW: 3 + rng.Intn(18), OutC: groups * (1 + rng.Intn(6)),
			KH: 1 + rng.Intn(3), KW: 1 + rng.Intn(3), StrideH: 1 + rng.Intn(2), StrideW: 1 + rng.Intn(2), DilH: 1, DilW: 1,
			PadT: rng.Intn(2), PadL: rng.Intn(2), PadB: rng.Intn(2), PadR: rng.Intn(2), Groups: groups}
		images := 1 + rng.Intn(6)
		in, out, k := g.InC*g.InH*g.InW, g.OutC*g.OutH()*g.OutW(), g.K()
		x, weight, bias, pad := random(images*in), random(g.OutC*k), random(g.OutC), random(g.InC)
		if rng.Intn(2) == 0 {
			pad = nil
		}
		w := NewWindows(g)
		got, panel := make([]float32, images*out), random(w.Scratch())
		w.Conv(images, x, weight, bias, pad, 0, 2, panel, got)
		want, row := make([]float32, out), make([]float32, k)
		for i := range images {
			own := x[i*in : (i+1)*in]
			kernels.Conv2DFloat(g, own, weight, bias, pad, want)
			for j, v := range want {
				require.InDelta(t, min(max(v, 0), 2), got[i*out+j], 1e-4)
			}
			c, pixel := rng.Intn(g.OutC), rng.Intn(g.OutH()*g.OutW())
			w.Taps(c/(g.OutC/groups), pixel, own, pad, row)
			sum := bias[c]
			for j, v := range row {
				sum += v * weight[c*k+j]
			}
			require.InDelta(t, want[c*g.OutH()*g.OutW()+pixel], sum, 1e-4)
		}
	}
}

// TestTilesEqualPortable holds the processor's kernels to the plain loops, to the
// last bit, at every size around the tiles'.
func TestTilesEqualPortable(t *testing.T) {
	if !hasTiles {
		t.Skip("this processor has no tiles")
	}
	defer func() { hasTiles = true }()
	rng := rand.New(rand.NewSource(3))
	for range 300 {
		m, n, k := 1+rng.Intn(11), 1+rng.Intn(40), 1+rng.Intn(70)
		a, b := make([]float32, m*k), make([]float32, k*n)
		w, cols := make([]int16, m*k), make([]int16, n*k)
		for i := range a {
			a[i], w[i] = float32(rng.NormFloat64()), int16(rng.Intn(511)-255)
		}
		for i := range b {
			b[i], cols[i] = float32(rng.NormFloat64()), int16(rng.Intn(511)-255)
		}
		var floats [2][]float32
		var ints [2][]int32
		for i, tiles := range []bool{true, false} {
			hasTiles = tiles
			floats[i], ints[i] = make([]float32, m*n), make([]int32, m*n)
			Float32(m, n, k, a, b, floats[i])
			laid := make([]float32, m*n)
			NewColumns(k, n, b, n, 1).Product(m, a, laid)
			require.Equal(t, floats[i], laid)
			Int(m, n, k, w, cols, ints[i])
		}
		require.Equal(t, floats[1], floats[0], "%dx%dx%d", m, n, k)
		require.Equal(t, ints[1], ints[0], "%dx%dx%d", m, n, k)
	}
}

func BenchmarkFloat32(b *testing.B) {
	const m, n, k = 50, 64, 500
	x, y, z := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
	for b.Loop() {
		Float32(m, n, k, x, y, z)
	}
	b.ReportMetric(float64(b.N)*m*n*k/b.Elapsed().Seconds()/1e9, "GMAC/s")
}

func BenchmarkInt(b *testing.B) {
	const m, n, k = 50, 64, 500
	w, cols, acc := make([]int16, m*k), make([]int16, n*k), make([]int32, m*n)
	for b.Loop() {
		Int(m, n, k, w, cols, acc)
	}
	b.ReportMetric(float64(b.N)*m*n*k/b.Elapsed().Seconds()/1e9, "GMAC/s")
}
