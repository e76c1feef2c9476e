package gemm

import (
	"math"

	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// requant is what avxRequant and wideRequant read, each broadcast to all lanes.
type requant struct {
	bias, mul, half, shift, zero, lo, hi int64
}

// positive makes every product of a sum and a multiplier positive.
const positive = 1 << 62

// Requantize is q.Line: y[i] = Apply(sums[i]+bias, channel). The sums with their bias
// have 32 bits (R5), the multiplier 31, the shift at most 62 (R6).
func Requantize(q *geometry.Requant, sums []int32, bias int64, channel int, y []int8) {
	done := 0
	if processor >= avx2 && q.Rounding == geometry.RoundHalfUp && len(sums) >= 4 {
		at := channel
		if len(q.Mul) == 1 {
			at = 0
		}
		r := q.Shift[at]
		c := requant{
			bias: bias, mul: int64(q.Mul[at]), half: 1 << (r - 1), shift: int64(r),
			zero: int64(q.Zero), lo: int64(q.Lo - q.Zero), hi: int64(q.Hi - q.Zero),
		}
		if processor >= avx512 {
			wideRequant(len(sums), &sums[0], &c, &y[0])
			return
		}
		c.half, c.zero, c.lo, c.hi = c.half+positive, c.zero-positive>>r, int64(q.Lo), int64(q.Hi)
		avxRequant(len(sums), &sums[0], &c, &y[0])
		done = len(sums) / 4 * 4
	}
	q.Line(sums[done:], bias, channel, y[done:])
}

// TableInt is kernels.TableInt: y[i] is the entry of a table of 256 at x[i].
func TableInt(table, x, y []int8) {
	if processor < avx512 || !permutes || len(x) == 0 {
		kernels.TableInt(table, x, y)
		return
	}
	_, _ = table[255], y[len(x)-1]
	lookup(len(x), &table[0], &x[0], &y[0])
}

// MaxPoolInt is kernels.MaxPoolInt of one image, faster where windows are squares of
// two that do not overlap.
func MaxPoolInt(g geometry.Window, x []int8, lo, hi int32, y []int8) {
	isPlain := g.KH == 2 && g.KW == 2 && g.StrideH == 2 && g.StrideW == 2 && g.DilH == 1 && g.DilW == 1 &&
		g.InH%2 == 0 && g.InW%2 == 0 && g.OutH() == g.InH/2 && g.OutW() == g.InW/2 && g.PadT == 0 && g.PadL == 0
	if processor == plain || !isPlain || len(x) < 32 {
		kernels.MaxPoolInt(g, x, lo, hi, y)
		return
	}
	// Neighbours in a row first, of all rows at once; then rows.
	pairs := make([]int8, len(x)/2)
	done := len(pairs) / 16 * 16
	avxMaxPairs(done, &x[0], &pairs[0])
	for i := done; i < len(pairs); i++ {
		pairs[i] = max(x[2*i], x[2*i+1])
	}
	avxMaxRows(len(y)/g.OutW(), g.OutW(), &pairs[0], &y[0])
	if lo <= math.MinInt8 && hi >= math.MaxInt8 {
		return
	}
	low, high := int8(lo), int8(hi)
	for i, v := range y {
		y[i] = min(max(v, low), high)
	}
}
