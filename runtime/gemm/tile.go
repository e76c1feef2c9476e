package gemm

import "math"

// mostRows is the most rows of a tile: those of AVX-512.
const mostRows = 8

// rowsOfTile is the rows of a tile on this processor.
func rowsOfTile() int {
	if processor >= avx512 {
		return mostRows
	}
	return 4
}

// floatTiles adds to the rows of a tile of c, ldc elements apart, and the sixteen columns
// of each line: c += a*lines, where row r of a begins with element r*row and its elements
// lie step apart. Row l of a line lies at[l] elements after its beginning, base. Each element
// gets its products in the order of l, product and sum rounded apart. c has room for an even
// number of lines.
func floatTiles(k int, a []float32, row, step int, from []float32, base []int, at []int32, c []float32, ldc int) {
	if k == 0 {
		return
	}
	switch {
	case processor >= avx512:
		for j := 0; j < len(base); j += 2 {
			second := base[min(j+1, len(base)-1)]
			wideFloatTile(k, &a[0], row, step, &from[base[j]], &from[second], &at[0], &c[j*lineCols], ldc)
		}
	case processor == avx2:
		for j, first := range base {
			avxFloatTile(k, &a[0], row, step, &from[first], &at[0], &c[j*lineCols], ldc)
		}
	default:
		for r := range rowsOfTile() {
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
		x := a[l*step]
		for j, v := range line[at[l]:][:len(y)] {
			y[j] += float32(x * v)
		}
	}
}

// negativeZero is -0, which no constant is.
var negativeZero = float32(math.Copysign(0, -1))

// clamp is what wideClamp reads.
type clamp struct{ bias, lo, hi, zero float32 }

// clampLine adds a bias to a line and clamps it: y[i] = min(max(x[i]+bias, lo), hi).
func clampLine(bias, lo, hi float32, x, y []float32) {
	if processor < avx512 || hi == 0 || lo == 0 && math.Signbit(float64(lo)) || len(x) == 0 {
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
	wideClamp(len(x), &c, &x[0], &y[0])
}
