package gemm

import (
	"math"

	"github.com/dnnc/dnnc/runtime/kernels"
)

// mostRows is the most rows of a tile: those of AVX-512.
const mostRows = 8

// lowRows and highRows are the rows of the tiles of AVX2, and lowRows of the plain loops.
const lowRows, highRows = 4, 6

// rowsOfTile is the rows of a tile of a product of some rows on this processor. High tiles are
// faster, unless many rows of the last one are no rows of the product.
func rowsOfTile(rows int) int {
	switch {
	case processor >= avx512:
		return mostRows
	case processor == plain || 8*padded(rows, highRows) > 9*padded(rows, lowRows):
		return lowRows
	}
	return highRows
}

// padded is the rows of whole tiles that hold some rows.
func padded(rows, tile int) int { return (rows + tile - 1) / tile * tile }

// floatTiles adds to the rows of a tile of c, as many as rowsOfTile says, ldc elements apart, and the sixteen columns
// of each line: c += a*lines, where row r of a begins with element r*row and its elements
// lie step apart. Row l of a line lies at[l] elements after its beginning, base. Each element
// gets its products in the order of l, each by a fused step, kernels.Fused. c has room for an even
// number of lines.
func floatTiles(rows, k int, a []float32, row, step int, from []float32, base []int, at []int32, c []float32, ldc int) {
	if k == 0 {
		return
	}
	switch {
	case processor >= avx512:
		for j := 0; j < len(base); j += 2 {
			second := base[min(j+1, len(base)-1)]
			wideFloatTile(k, &a[0], row, step, &from[base[j]], &from[second], &at[0], &c[j*lineCols], ldc)
		}
	case rows == highRows:
		for j, first := range base {
			avxHighTile(k, &a[0], row, step, &from[first], &at[0], &c[j*lineCols], ldc)
		}
	case processor == avx2:
		for j, first := range base {
			avxFloatTile(k, &a[0], row, step, &from[first], &at[0], &c[j*lineCols], ldc)
		}
	default:
		for r := range rows {
			for j, first := range base {
				addLine(k, a[r*row:], step, from[first:], at, c[r*ldc+j*lineCols:][:lineCols])
			}
		}
	}
}

// floatLine computes y[n] = a[k] * a line of n columns, at least sixteen, each as an element
// of floatTiles that begins with 0.
func floatLine(k int, a, line []float32, at []int32, n int, y []float32) {
	switch {
	case processor >= avx512:
		wideFloatLine(k, &a[0], &line[0], &at[0], n, &y[0])
	case processor == avx2:
		avxFloatLine(k, &a[0], &line[0], &at[0], n, &y[0])
	default:
		clear(y[:n])
		addLine(k, a, 1, line, at, y[:n])
	}
}

// addLine adds k elements of a, step apart, times a line to y.
func addLine(k int, a []float32, step int, line []float32, at []int32, y []float32) {
	for l := range k {
		kernels.FusedLine(a[l*step], line[at[l]:], y)
	}
}

// negativeZero is -0, which no constant is.
var negativeZero = float32(math.Copysign(0, -1))

// clamp is what avxClamp and wideClamp read.
type clamp struct{ bias, lo, hi, zero float32 }

// clampLine adds a bias to a line and clamps it: y[i] = min(max(x[i]+bias, lo), hi).
func clampLine(bias, lo, hi float32, x, y []float32) {
	if processor < avx2 || hi == 0 || lo == 0 && math.Signbit(float64(lo)) || len(x) == 0 {
		for i, v := range x {
			y[i] = min(max(v+bias, lo), hi)
		}
		return
	}
	// The instruction keeps a -0 where max(-0, 0) is 0; adding 0 makes 0 of it, and adding -0
	// changes nothing.
	c := clamp{bias, lo, hi, 0}
	if lo != 0 {
		c.zero = negativeZero
	}
	y = y[:len(x)]
	if processor >= avx512 {
		wideClamp(len(x), &c, &x[0], &y[0])
		return
	}
	n := len(x) &^ 7
	avxClamp(n, &c, &x[0], &y[0])
	for i, v := range x[n:] {
		y[n+i] = min(max(v+bias, lo), hi)
	}
}
