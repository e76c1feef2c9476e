package kernels

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// all are all integers of 16 bits.
func all() []int16 {
	x := make([]int16, 1<<16)
	for i := range x {
		x[i] = int16(i + math.MinInt16)
	}
	return x
}

// TestInterpolated: entries, straight lines between them, ties up, and the last entry as the end of a line.
func TestInterpolated(t *testing.T) {
	table := make([]int16, ir.WideTable)
	table[0], table[1], table[256], table[257], table[511], table[512] = -100, 28, 7, 8, 10, -118
	for x, want := range map[int16]int16{
		-32768: -100, -32767: -99, -32704: -36, -32640: 28,
		0: 7, 63: 7, 64: 8, 127: 8, 128: 8,
		32640: 10, 32641: 9, 32767: -117,
	} {
		assert.Equal(t, want, Interpolated(table, x), "%d", x)
	}
}

// TestWideFunctions: tables are near their functions, exact at entries where there is no curve.
func TestWideFunctions(t *testing.T) {
	y := make([]int16, 1<<16)
	TableWide(WideFunctionTable(func(x float64) float64 { return -x }, 1./4096, 1./4096), all(), y)
	for i, x := range all() {
		assert.InDelta(t, min(-float64(x), math.MaxInt16), y[i], 1)
	}
	TableWide(WideFunctionTable(math.Exp, 1./(1<<14), 1./(1<<12)), all(), y)
	for i, x := range all() {
		require.InDelta(t, math.Exp(float64(x)/(1<<14))*(1<<12), y[i], 2, "%d", x)
	}
	assert.Equal(t, int16(0), WideFunctionTable(math.Log, 1, 1)[0], "what has no value")
}

// TestSigmoids: by every integer, with arguments of a few and of many units.
func TestSigmoids(t *testing.T) {
	half := HalfSigmoid()
	assert.Equal(t, []int16{0, 683, 1365, 2045, 2725, 3401}, half[:6])
	assert.Equal(t, []int16{32766, 32767}, half[254:])
	y := make([]int16, 1<<16)
	for _, scale := range []float64{1. / 4096, 1e-3, 1. / 16384, 1. / 3} {
		mul, shift := SigmoidFactor(scale)
		require.LessOrEqual(t, mul, int32(math.MaxInt16))
		SigmoidWide(half, false, mul, shift, all(), y)
		for i, x := range all() {
			require.InDelta(t, min(32768/(1+math.Exp(-scale*float64(x))), 32767), y[i], 2, "%g of %d", scale, x)
		}
		SigmoidWide(half, true, mul, shift, all(), y)
		for i, x := range all() {
			require.InDelta(t, math.Tanh(scale*float64(x))*32768, y[i], 4, "%g of %d", scale, x)
		}
	}
}

// TestWideSoftmax: rows, alone and with a mask, against the reals.
func TestWideSoftmax(t *testing.T) {
	const scale = 1. / 1024
	tables := SoftmaxWideTables()
	assert.Equal(t, []int{2, 32767}, []int{int(tables[0]), int(tables[512])}, "exponentials of -10 and of 0")
	assert.Equal(t, []int{32767, 16384}, []int{int(tables[513]), int(tables[1025])}, "reciprocals of 1 and of 2")
	mul, shift, err := SoftmaxWideFactor(scale)
	require.NoError(t, err)
	x := []int16{3000, -2000, 2999, 500, -32768, 32767, 31000}
	for _, mask := range [][]byte{nil, {1, 1, 1, 1, 0, 0, 0}, {0, 0, 0, 0, 1, 0, 0}, make([]byte, 7)} {
		y, reals, want := make([]int16, len(x)), make([]float32, len(x)), make([]float32, len(x))
		for i, v := range x {
			reals[i] = float32(float64(v) * scale)
		}
		SoftmaxFloat(reals, mask, want)
		SoftmaxWide(tables, mul, shift, x, mask, y)
		for i, v := range y {
			if isOut := mask != nil && mask[i] == 0; isOut {
				assert.Zero(t, v)
				continue
			}
			assert.InDelta(t, min(float64(want[i])*32768, 32767), v, 12, "%d %v", i, mask)
		}
	}
	_, _, err = SoftmaxWideFactor(1e3)
	assert.Error(t, err)
}
