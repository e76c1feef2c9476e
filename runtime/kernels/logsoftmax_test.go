package kernels

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/geometry"
)

// TestR23ByHand: results of steps of 1/16, the greatest of which is 127.
func TestR23ByHand(t *testing.T) {
	table := LogSoftmaxTable(math.Ln2)
	assert.Equal(t, []int32{1 << 30, 1 << 29, 1 << 28, 1, 0}, []int32{table[0], table[1], table[2], table[30], table[32]})
	require.Len(t, table, 256)
	p, err := geometry.NewLogSoftmax(math.Ln2, 1./16, 127)
	require.NoError(t, err)
	for _, c := range []struct{ x, want []int8 }{
		{[]int8{-5}, []int8{127}},
		{[]int8{3, 3}, []int8{116, 116}},                                      // 16 ln 2 is 11.09
		{[]int8{1, 0, -1, -2}, []int8{117, 106, 95, 84}},                      // ln 15/8 is .6286: 10.06, 21.15, 32.24, 43.33
		{[]int8{127, 127, 127, 104, -128}, []int8{109, 109, 109, -128, -128}}, // ln 3 is 17.58 steps, 23 ln 2 are 255.1
	} {
		y := make([]int8, len(c.x))
		LogSoftmaxInt(p, table, c.x, y)
		assert.Equal(t, c.want, y, c.x)
	}
	assert.Equal(t, int64(0), logOf(1<<geometry.ExpBits))
	assert.Equal(t, int64(12<<geometry.LogBits), logOf(1<<(geometry.ExpBits+12)))
	assert.Equal(t, int64(math.Log2(1.5)*(1<<geometry.LogBits)), logOf(3<<(geometry.ExpBits-1)))
}

// TestLogSoftmaxIsNearest: of rows of up to 1,000 elements, of scales and zero points of all sizes, within a
// ten thousandth of half a step of the reals.
func TestLogSoftmaxIsNearest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 23))
	for range 300 {
		x := make([]int8, 1+int(math.Exp(rng.Float64()*math.Log(1000))))
		for i := range x {
			x[i] = int8(rng.IntN(256) - 128)
		}
		scaleX, scaleY, zero := math.Exp(rng.Float64()*9-7), math.Exp(rng.Float64()*4-4), int32(rng.IntN(256)-128)
		p, err := geometry.NewLogSoftmax(scaleX, scaleY, zero)
		require.NoError(t, err)
		y := make([]int8, len(x))
		LogSoftmaxInt(p, LogSoftmaxTable(scaleX), x, y)
		reals, want := make([]float64, len(x)), make([]float64, len(x))
		for i, v := range x {
			reals[i] = scaleX * float64(v)
		}
		logSoftmaxOf(reals, want)
		for i, w := range want {
			w = max(w/scaleY+float64(zero), math.MinInt8)
			require.InDelta(t, w, y[i], .50005, "%d elements of scale %g to %g, element %d", len(x), scaleX, scaleY, i)
		}
	}
}

// logSoftmaxOf is the log softmax of reals.
func logSoftmaxOf(x, y []float64) {
	top, sum := math.Inf(-1), 0.
	for _, v := range x {
		top = max(top, v)
	}
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	for i, v := range x {
		y[i] = v - top - math.Log(sum)
	}
}
