package kernels

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/geometry"
)

// TestInverseRoot holds the fixed point to 1/sqrt(x), of all that are small and of the greatest.
func TestInverseRoot(t *testing.T) {
	list := []int32{1<<27 - 1, 1 << 27, 1<<29 - 1, 1 << 29, 1<<29 + 1, 1 << 30, math.MaxInt32}
	for x := int32(2); x < 1<<12; x++ {
		list = append(list, x)
	}
	for _, x := range list {
		mul, shift := InverseRoot(x)
		require.GreaterOrEqual(t, shift, int32(0), x)
		require.InEpsilon(t, 1/math.Sqrt(float64(x)), math.Ldexp(float64(mul), int(-31-shift)), 2e-6, x) // what five steps leave
	}
	for x := range int32(2) {
		mul, shift := InverseRoot(x)
		assert.Equal(t, []int32{math.MaxInt32, 0}, []int32{mul, shift})
	}
}

// TestR24ByHand: results are 128ths; the greatest is 127.
func TestR24ByHand(t *testing.T) {
	for _, c := range []struct {
		z       int32
		x, want []int8
	}{
		{0, []int8{0, 0}, []int8{0, 0}},
		{5, []int8{5, 6}, []int8{0, 127}},
		{0, []int8{3, 4}, []int8{77, 102}}, // 76.8, 102.4
		{0, []int8{-3, 4}, []int8{-77, 102}},
		{-128, []int8{127, -128}, []int8{127, 0}},
		{127, []int8{-128, 127}, []int8{-128, 0}},
		{0, []int8{1, 1, 1, 1}, []int8{64, 64, 64, 64}},
	} {
		y := make([]int8, len(c.x))
		for _, p := range []geometry.L2Norm{{IsTwice: true, ZeroX: c.z}, {ZeroX: c.z, Mul: 1 << 30, Shift: 23}} {
			L2NormInt(p, c.x, y)
			assert.Equal(t, c.want, y, c.x)
		}
	}
}

// TestL2NormIsNear: integers lie within a rounding of the reals, rows of any length.
func TestL2NormIsNear(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 24))
	for range 300 {
		x := make([]int8, 1+rng.IntN(900))
		reach, z := 1+rng.IntN(128), int32(rng.IntN(256)-128)
		reals, want, got := make([]float32, len(x)), make([]float32, len(x)), make([]int8, len(x))
		for i := range x {
			x[i] = int8(rng.IntN(2*reach) - reach)
			reals[i] = float32(int32(x[i]) - z)
		}
		L2Norm(reals, want)
		L2NormInt(geometry.L2Norm{IsTwice: true, ZeroX: z}, x, got)
		for i, w := range want {
			require.InDelta(t, min(128*w, 127), float32(got[i]), .751) // rounds halves
		}
		p := geometry.L2Norm{ZeroX: z, Zero: int32(rng.IntN(256) - 128)}
		scale, err := math.Exp(-1-5*rng.Float64()), error(nil)
		p.Mul, p.Shift, err = geometry.MultiplierFor(1 / scale)
		require.NoError(t, err)
		L2NormInt(p, x, got)
		for i, w := range want {
			require.InDelta(t, min(max(float64(w)/scale+float64(p.Zero), -128), 127), float64(got[i]), .501)
		}
	}
	y := []float32{1, 1}
	L2Norm([]float32{0, 0}, y)
	assert.Equal(t, []float32{0, 0}, y)
}
