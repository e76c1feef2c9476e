package kernels

import (
	"math"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/ir/geometry"
)

// LogSoftmaxTable is round(2^30 * exp(-d*scale)) for d = 0..255 (R23).
func LogSoftmaxTable(scale float64) []int32 {
	t := make([]int32, 256)
	for d := range t {
		t[d] = int32(math.Round(math.Ldexp(math.Exp(-float64(float64(d)*scale)), geometry.ExpBits)))
	}
	return t
}

// LogSoftmaxInt is R23 of a row: the table has the exponentials by distance from the maximum.
func LogSoftmaxInt(p geometry.LogSoftmax, table []int32, x, y []int8) {
	top, sum := slices.Max(x), uint64(0)
	for _, v := range x {
		sum += uint64(table[int(top)-int(v)])
	}
	row := p.Row(logOf(sum))
	for i, v := range x {
		below := (row + (int64(top)-int64(v))*int64(p.Distance)) >> p.Shift
		y[i] = int8(max(int64(p.Zero)-below, math.MinInt8))
	}
}

// logOf is the logarithm to the base 2 of a sum of 2^ExpBits and more, over that: LogBits digits after the
// point, each of which a square says.
func logOf(sum uint64) int64 {
	n := bits.Len64(sum) - 1
	x, log := uint32(sum<<(63-n)>>32), int64(n-geometry.ExpBits)
	for range geometry.LogBits {
		square := uint32(uint64(x) * uint64(x) >> 32)
		digit := square >> 31
		x, log = square+square&(digit-1), log<<1|int64(digit)
	}
	return log
}
