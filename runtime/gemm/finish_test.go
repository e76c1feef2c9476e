package gemm

import (
	"math"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// TestRequantizeEqualsLine holds the processor's requantization to R6 at every shift,
// and at sums and multipliers to the ends of their ranges.
func TestRequantizeEqualsLine(t *testing.T) {
	rng := rand.New(rand.NewSource(5))
	ends := []int32{math.MinInt32 + 1000, math.MaxInt32 - 1000, 0, -1, 1}
	for range 3000 {
		q := &geometry.Requant{Zero: int32(rng.Intn(256) - 128), Lo: -128, Hi: 127}
		if rng.Intn(2) == 0 {
			q.Lo, q.Hi = int32(rng.Intn(128)-128), int32(rng.Intn(128))
		}
		for range 1 + rng.Intn(2) {
			q.Mul = append(q.Mul, []int32{1 << 30, math.MaxInt32, 1<<30 + rng.Int31n(1<<30)}[rng.Intn(3)])
			q.Shift = append(q.Shift, 1+rng.Int31n(62))
		}
		if rng.Intn(8) == 0 {
			q.Rounding = []geometry.Rounding{geometry.RoundTFLite, geometry.RoundEven}[rng.Intn(2)]
		}
		sums, bias, channel := make([]int32, rng.Intn(40)), int64(rng.Intn(2001)-1000), len(q.Mul)-1
		for i := range sums {
			sums[i] = rng.Int31() >> rng.Intn(31)
			if rng.Intn(2) == 0 {
				sums[i] = -sums[i]
			}
			if rng.Intn(4) == 0 {
				sums[i] = ends[rng.Intn(len(ends))]
			}
			sums[i] = min(max(sums[i], math.MinInt32+1000), math.MaxInt32-1000)
		}
		want, got := make([]int8, len(sums)), make([]int8, len(sums))
		q.Line(sums, bias, channel, want)
		eachLevel(func(l level) {
			clear(got)
			Requantize(q, sums, bias, channel, got)
			require.Equal(t, want, got, "%v: %+v of %v and %d", l, q, sums, bias)
		})
	}
}

// TestMaxPoolEqualsKernels pools planes of all sizes, those of odd ones and of
// overlapping windows too.
func TestMaxPoolEqualsKernels(t *testing.T) {
	rng := rand.New(rand.NewSource(6))
	for range 300 {
		c := 1 + rng.Intn(5)
		g := geometry.Window{InC: c, OutC: c, Groups: c, InH: 2 + rng.Intn(20), InW: 2 + rng.Intn(40), KH: 2, KW: 2, StrideH: 2, StrideW: 2, DilH: 1, DilW: 1}
		if rng.Intn(4) == 0 {
			g.StrideW, g.PadT = 1+rng.Intn(2), rng.Intn(2)
		}
		x := make([]int8, c*g.InH*g.InW)
		for i := range x {
			x[i] = int8(rng.Intn(256) - 128)
		}
		lo, hi := int32(-128), int32(127)
		if rng.Intn(2) == 0 {
			lo, hi = int32(rng.Intn(128)-128), int32(rng.Intn(128))
		}
		want, got := make([]int8, c*g.OutH()*g.OutW()), make([]int8, c*g.OutH()*g.OutW())
		kernels.MaxPoolInt(g, x, lo, hi, want)
		eachLevel(func(l level) {
			clear(got)
			MaxPoolInt(g, x, lo, hi, got)
			require.Equal(t, want, got, "%v: %+v", l, g)
		})
	}
}

func BenchmarkMaxPool(b *testing.B) {
	g := geometry.Window{InC: 64, InH: 32, InW: 32, OutC: 64, KH: 2, KW: 2, StrideH: 2, StrideW: 2, DilH: 1, DilW: 1, Groups: 64}
	x, y := make([]int8, 64*32*32), make([]int8, 64*16*16)
	for i := range x {
		x[i] = int8(i * 37)
	}
	for b.Loop() {
		MaxPoolInt(g, x, -128, 127, y)
	}
}

func BenchmarkRequantize(b *testing.B) {
	q := &geometry.Requant{Mul: []int32{1 << 30}, Shift: []int32{38}, Lo: -128, Hi: 127}
	sums, y := make([]int32, 16), make([]int8, 16)
	for b.Loop() {
		Requantize(q, sums, 5, 0, y)
	}
}

// TestAddScaled: rows of all lengths, at the ends of the numbers, and nothing beside them.
func TestAddScaled(t *testing.T) {
	rng := rand.New(rand.NewSource(7))
	for range 300 {
		n := rng.Intn(40)
		weights, sums := make([]int16, n+9), make([]int32, n+9)
		for i := range sums {
			weights[i], sums[i] = int16(rng.Uint32()), int32(rng.Uint32())
		}
		d := int32(rng.Intn(511) - 255)
		want := append([]int32(nil), sums...)
		for i := range n {
			want[i] += int32(weights[i]) * d
		}
		eachLevel(func(l level) {
			got := append([]int32(nil), sums...)
			AddScaled(got[:n], weights, d)
			require.Equal(t, want, got, "%v", l)
		})
	}
}

// TestTables: look-ups are those of the plain loop at every length, and write nothing after the last.
func TestTables(t *testing.T) {
	rng := rand.New(rand.NewSource(8))
	random := func(n int) []int8 {
		x := make([]int8, n)
		for i := range x {
			x[i] = int8(rng.Uint32())
		}
		return x
	}
	for n := range 300 {
		table, x := random(256), random(n)
		if n >= 256 { // every byte
			for i := range 256 {
				x[i] = int8(i)
			}
		}
		want := random(n + 1)
		kernels.TableInt(table, x, want[:n])
		eachLevel(func(l level) {
			got := make([]int8, n+1)
			got[n] = want[n]
			TableInt(table, x, got[:n])
			assert.Equal(t, want, got, "%v, %d", l, n)
		})
	}
}
