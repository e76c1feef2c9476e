// Package round turns matrices of weights into codes: nearest rounding, and
// the compensated rounding of odd codes (R17) and of vector codes (R18), which spreads
// each column's error over the columns that are still to be rounded. Numbers alone; it knows
// no networks.
//
// Rows are independent but for a codebook that they share. They are rounded in
// blocks, so that what a block of columns does to the others is one product of
// matrices; sums over blocks of rows are added in their order, so the codes are
// the same on any number of cores.
package round

import (
	"errors"
	"fmt"
	"math"

	"github.com/dnnc/dnnc/ir/parallel"
)

// Matrix is a layer's weights, row-major: a row an output channel.
type Matrix struct {
	Rows, Cols int
	Data       []float32
}

func (w Matrix) row(r int) []float32 { return w.Data[r*w.Cols : (r+1)*w.Cols] }

func (w Matrix) check() error {
	for _, x := range w.Data {
		if x-x != 0 {
			return fmt.Errorf("weight: %w", ErrNotFinite)
		}
	}
	return nil
}

// Result is a rounded matrix. Of odd codes, in the matrix's own order, a weight
// is Scale[row]*(2q-(2^b-1)); with a codebook of d > 1 columns the codes are those
// of the groups of ByTap, and Scale[row]*Book[q*d:(q+1)*d] are a group's weights; of
// one column, the codes are in the matrix's order.
// Bias is what is to be added to each row's bias to keep the mean of its outputs.
type Result struct {
	Codes []uint8
	Scale []float64
	Bias  []float64
	Book  []int8
	// Weights are the reals that the codes stand for, in the matrix's order.
	Weights []float32
}

// ErrNotFinite reports weights or moments with NaN or infinities.
var ErrNotFinite = errors.New("not a finite number")

// level is the code nearest to x on the grid of a scale.
func level(x, scale float32, bits int) uint8 {
	n := float32(int(1) << bits)
	q := x/scale/2 + n/2              // twice a scale need not be a number
	return uint8(min(max(q, 0), n-1)) // truncation is floor here
}

// value is the real of a code.
func value(q uint8, scale float32, bits int) float32 {
	return scale * float32(2*int(q)-(1<<bits-1))
}

// Nearest rounds each weight to the nearest level of its row's least-squares
// scale.
func Nearest(w Matrix, bits int) Result {
	out := Result{Codes: make([]uint8, len(w.Data)), Scale: make([]float64, w.Rows), Bias: make([]float64, w.Rows), Weights: make([]float32, len(w.Data))}
	parallel.For(w.Rows, func(r int) {
		s := leastSquaresScale(w.row(r), bits)
		out.Scale[r] = float64(s)
		for i, x := range w.row(r) {
			q := level(x, s, bits)
			out.Codes[r*w.Cols+i], out.Weights[r*w.Cols+i] = q, value(q, s, bits)
		}
	})
	return out
}

// Int8 rounds each row to -127..127 with the scale of its greatest weight; the
// codes are those numbers' bytes.
func Int8(w Matrix) Result {
	out := Result{Codes: make([]uint8, len(w.Data)), Scale: make([]float64, w.Rows), Bias: make([]float64, w.Rows), Weights: make([]float32, len(w.Data))}
	for r := range w.Rows {
		top := 0.0
		for _, x := range w.row(r) {
			top = max(top, math.Abs(float64(x)))
		}
		s := top / 127
		if s == 0 {
			s = 1
		}
		out.Scale[r] = s
		for i, x := range w.row(r) {
			q := math.Round(float64(x) / s)
			out.Codes[r*w.Cols+i] = uint8(int8(q))
			out.Weights[r*w.Cols+i] = float32(float64(s * q))
		}
	}
	return out
}

// DeadScale is the scale of an all-zero row's odd codes (R2): with cols weights
// of absolute value scale and inputs of at most reach, the sum moves the output
// by at most a quarter of a step.
func DeadScale(cols int, reach, step float64) float64 {
	return step / (4 * float64(cols) * reach)
}

// dot is a sum in float64, in four parts so that additions need not wait for
// each other.
func dot(a, b []float32) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += float64(a[i]) * float64(b[i]) // exact products: no fusing to fear
		s1 += float64(a[i+1]) * float64(b[i+1])
		s2 += float64(a[i+2]) * float64(b[i+2])
		s3 += float64(a[i+3]) * float64(b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i]) * float64(b[i])
	}
	return (s0 + s1) + (s2 + s3)
}
