package gemm

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// TestIntegersEqualKernels holds the fast integer paths, with the processor's
// kernels and without, equal to the reference.
func TestIntegersEqualKernels(t *testing.T) {
	had := hasTiles
	defer func() { hasTiles = had }()
	rng := rand.New(rand.NewSource(1))
	for range 200 {
		groups := 1 + rng.Intn(2)
		g := geometry.Window{InC: groups * (1 + rng.Intn(4)), InH: 3 + rng.Intn(9), InW: 3 + rng.Intn(9), OutC: groups * (1 + rng.Intn(6)),
			KH: 1 + rng.Intn(3), KW: 1 + rng.Intn(3), StrideH: 1 + rng.Intn(2), StrideW: 1, DilH: 1, DilW: 1,
			PadT: rng.Intn(2), PadL: rng.Intn(2), PadB: rng.Intn(2), PadR: rng.Intn(2), Groups: groups}
		images, zero := 1+rng.Intn(5), int32(rng.Intn(256)-128)
		x := make([]int8, images*g.InC*g.InH*g.InW)
		for i := range x {
			x[i] = int8(rng.Intn(256) - 128)
		}
		w, w16, bias := make([]int32, g.OutC*g.K()), make([]int16, g.OutC*g.K()), make([]int64, g.OutC)
		for i := range w {
			w16[i] = int16(rng.Intn(511) - 255)
			w[i] = int32(w16[i])
		}
		for i := range bias {
			bias[i] = int64(rng.Intn(20000) - 10000)
		}
		pad := make([]int32, g.InC)
		for i := range pad {
			pad[i] = int32(rng.Intn(256) - 128)
		}
		if rng.Intn(2) == 0 {
			pad = nil
		}
		pixels := g.OutH() * g.OutW()
		q := &geometry.Requant{Mul: []int32{1<<30 + int32(rng.Intn(1<<30))}, Shift: []int32{36 + int32(rng.Intn(6))}, Lo: -100, Hi: 127, Zero: 3}
		if rng.Intn(4) == 0 {
			q.Rounding = geometry.RoundTFLite
		}
		in, out := g.InC*g.InH*g.InW, g.OutC*pixels
		want := make([]int8, images*out)
		wide, rows := make([]int64, pixels*g.OutC/groups), g.OutC/groups
		cols := make([]int16, pixels*g.K())
		for i := range images {
			own := want[i*out : (i+1)*out]
			kernels.Conv2DInt(g, x[i*in:(i+1)*in], zero, pad, w, bias, false, q, own)
			Im2ColInt(g, groups-1, x[i*in:(i+1)*in], zero, pad, cols)
			first := (groups - 1) * rows
			IntWide(rows, pixels, g.K(), w16[first*g.K():], cols, wide)
			for j, a := range wide {
				require.Equal(t, own[first*pixels+j], q.Apply(a+bias[first+j/pixels], first+j/pixels))
			}
		}
		c := NewInts(g, w16, int(zero), pad)
		for _, tiles := range []bool{had, false} {
			hasTiles = tiles
			got := make([]int8, len(want))
			c.Run(images, x, &IntScratch{}, func(channel int, sums []int32, y []int8) { q.Line(sums, bias[channel], channel, y) }, got)
			require.Equal(t, want, got)
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
		g := geometry.Window{InC: groups * (1 + rng.Intn(3)), InH: 3 + rng.Intn(18), InW: 3 + rng.Intn(18), OutC: groups * (1 + rng.Intn(6)),
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
			Taps(g, c/(g.OutC/groups), pixel, own, pad, row)
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
		for i := range a {
			a[i] = float32(rng.NormFloat64())
		}
		for i := range b {
			b[i] = float32(rng.NormFloat64())
		}
		var floats [2][]float32
		for i, tiles := range []bool{true, false} {
			hasTiles = tiles
			floats[i] = make([]float32, m*n)
			Float32(m, n, k, a, b, floats[i])
			laid := make([]float32, m*n)
			NewColumns(k, n, b, n, 1).Product(m, a, laid)
			require.Equal(t, floats[i], laid)
		}
		require.Equal(t, floats[1], floats[0], "%dx%dx%d", m, n, k)
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

func BenchmarkInts(b *testing.B) {
	g := geometry.Window{InC: 32, InH: 16, InW: 16, OutC: 32, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadT: 1, PadL: 1, PadB: 1, PadR: 1, Groups: 1}
	const images = 16
	x, y := make([]int8, images*g.InC*g.InH*g.InW), make([]int8, images*g.OutC*g.OutH()*g.OutW())
	c, ws := NewInts(g, make([]int16, g.OutC*g.K()), 0, nil), &IntScratch{}
	q := &geometry.Requant{Mul: []int32{1 << 30}, Shift: []int32{40}, Lo: -128, Hi: 127}
	finish := func(channel int, sums []int32, y []int8) { q.Line(sums, 0, channel, y) }
	for b.Loop() {
		c.Run(images, x, ws, finish, y)
	}
	b.ReportMetric(float64(b.N)*float64(images*g.OutC*g.OutH()*g.OutW()*g.K())/b.Elapsed().Seconds()/1e9, "GMAC/s")
}
