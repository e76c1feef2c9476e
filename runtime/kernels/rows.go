package kernels

import (
	"math"

	"github.com/dnnc/dnnc/ir/geometry"
)

// SubFloat is y = a-b.
func SubFloat(a, b, y []float32) {
	for i := range y {
		y[i] = a[i] - b[i]
	}
}

// SquaredDiffFloat is y = (a-b)^2.
func SquaredDiffFloat(a, b, y []float32) {
	for i := range y {
		d := a[i] - b[i]
		y[i] = float32(d * d)
	}
}

// MulFloat is y = a*b.
func MulFloat(a, b, y []float32) {
	for i := range y {
		y[i] = float32(a[i] * b[i])
	}
}

// SubInt is R13 with the second argument taken away.
func SubInt[T Integer](p geometry.AddParams, a, b, y []T) {
	for i := range y {
		u := p.Rescale(int64(int32(a[i])-p.ZeroA)<<p.Left, p.MulA, p.ShiftA)
		v := p.Rescale(int64(int32(b[i])-p.ZeroB)<<p.Left, p.MulB, p.ShiftB)
		r := p.Rescale(u-v, p.MulY, p.ShiftY) + int64(p.ZeroY)
		y[i] = T(min(max(r, int64(p.Lo)), int64(p.Hi)))
	}
}

// SquaredDiffInt is R13 of the square of a difference.
func SquaredDiffInt(p geometry.AddParams, a, b, y []int8) {
	for i := range y {
		u := p.Rescale(int64(int32(a[i])-p.ZeroA)<<geometry.SquareShift, p.MulA, p.ShiftA)
		v := p.Rescale(int64(int32(b[i])-p.ZeroB)<<geometry.SquareShift, p.MulB, p.ShiftB)
		r := p.Rescale((u-v)*(u-v), p.MulY, p.ShiftY) + int64(p.ZeroY)
		y[i] = int8(min(max(r, int64(p.Lo)), int64(p.Hi)))
	}
}

// ScaledDiffInt is R13 of a difference times a third argument, whose zero point is zeroC.
func ScaledDiffInt(p geometry.AddParams, zeroC int32, a, b, c, y []int8) {
	for i := range y {
		u := p.Rescale(int64(int32(a[i])-p.ZeroA)<<geometry.ScaledShift, p.MulA, p.ShiftA)
		v := p.Rescale(int64(int32(b[i])-p.ZeroB)<<geometry.ScaledShift, p.MulB, p.ShiftB)
		r := p.Rescale((u-v)*int64(int32(c[i])-zeroC), p.MulY, p.ShiftY) + int64(p.ZeroY)
		y[i] = int8(min(max(r, int64(p.Lo)), int64(p.Hi)))
	}
}

// MulInt requantizes the product of the differences from the zero points.
func MulInt[T Integer](zeroA, zeroB int32, q *geometry.Requant, a, b, y []T) {
	for i := range y {
		y[i] = T(q.Integer(int64((int32(a[i])-zeroA)*(int32(b[i])-zeroB)), 0, false))
	}
}

// ReduceFloat reduces rows of n elements: y[i] of x[i*n:(i+1)*n].
func ReduceFloat(r geometry.Reduction, n int, x, y []float32) {
	for i := range y {
		row := x[i*n : (i+1)*n]
		best, sum := row[0], 0.
		for _, v := range row {
			sum += float64(v)
			switch r {
			case geometry.Greatest:
				best = max(best, v)
			case geometry.Least:
				best = min(best, v)
			}
		}
		switch r {
		case geometry.Mean:
			best = float32(sum / float64(n))
		case geometry.Sum:
			best = float32(sum)
		}
		y[i] = best
	}
}

// ReduceInt requantizes the sums of rows of n elements (R16: the mean's factor
// has the division by n in it), or gives their least or greatest element (R12).
func ReduceInt[T Integer](r geometry.Reduction, n int, zero int32, q *geometry.Requant, x, y []T) {
	for i := range y {
		row := x[i*n : (i+1)*n]
		best, sum := row[0], int64(0)
		for _, v := range row {
			sum += int64(int32(v) - zero)
			switch r {
			case geometry.Greatest:
				best = max(best, v)
			case geometry.Least:
				best = min(best, v)
			}
		}
		if r == geometry.Mean || r == geometry.Sum {
			best = T(q.Integer(sum, 0, false))
		}
		y[i] = best
	}
}

// MatMulFloat is y[m,n] = a[m,k]*b[k,n]. The products of an element are added one after the other; those of a row
// of b to all elements of a row of y, as both lie in memory.
func MatMulFloat(m, k, n int, a, b, y []float32) {
	for i := range m {
		row := y[i*n : (i+1)*n]
		clear(row)
		x, l := a[i*k:(i+1)*k], 0
		for ; l+4 <= k; l += 4 {
			x0, x1, x2, x3 := x[l], x[l+1], x[l+2], x[l+3]
			b0, b1, b2, b3 := b[l*n:][:len(row)], b[(l+1)*n:][:len(row)], b[(l+2)*n:][:len(row)], b[(l+3)*n:][:len(row)]
			for j, v := range row {
				v += float32(x0 * b0[j])
				v += float32(x1 * b1[j])
				v += float32(x2 * b2[j])
				row[j] = v + float32(x3*b3[j])
			}
		}
		for ; l < k; l++ {
			for j, w := range b[l*n:][:len(row)] {
				row[j] += float32(x[l] * w)
			}
		}
	}
}

// MatMulInt requantizes the sums of products of differences from zero points; isWide: by R7, as
// those of 16 bits.
func MatMulInt[T Integer](m, k, n int, zeroA, zeroB int32, q *geometry.Requant, isWide bool, a, b, y []T) {
	sums := make([]int64, n)
	for i := range m {
		clear(sums)
		x, l := a[i*k:(i+1)*k], 0
		for ; l+2 <= k; l += 2 {
			x0, x1 := int64(x[l])-int64(zeroA), int64(x[l+1])-int64(zeroA)
			b0, b1 := b[l*n:][:len(sums)], b[(l+1)*n:][:len(sums)]
			for j := range sums {
				sums[j] += x0*(int64(b0[j])-int64(zeroB)) + x1*(int64(b1[j])-int64(zeroB))
			}
		}
		for ; l < k; l++ {
			for j, w := range b[l*n:][:len(sums)] {
				sums[j] += (int64(x[l]) - int64(zeroA)) * (int64(w) - int64(zeroB))
			}
		}
		for j, sum := range sums {
			y[i*n+j] = T(q.Integer(sum, 0, isWide))
		}
	}
}

// ArgMax is the place of the first greatest element of each row of n (R15).
func ArgMax[T Number](n int, x []T, put func(row, at int)) {
	for i := range len(x) / n {
		best := 0
		for j := range n {
			if x[i*n+j] > x[i*n+best] {
				best = j
			}
		}
		put(i, best)
	}
}

// Row is the row of an embedding of some rows that an index names: the nearest, of
// those there are.
func Row(index float32, rows int) int {
	return int(min(max(math.Floor(float64(index)+.5), 0), float64(rows-1)))
}

// EmbeddingTable is the row of each integer of an index, from -128 on.
func EmbeddingTable(scale float64, zero, rows int) []uint8 {
	t := make([]uint8, 256)
	for i := range t {
		t[i] = uint8(Row(float32(scale*float64(i-128-zero)), rows))
	}
	return t
}

// EmbeddingFloat writes the row of each index, of rows [V][d].
func EmbeddingFloat(rows []float32, d int, x, y []float32) {
	for i, index := range x {
		at := Row(index, len(rows)/d)
		copy(y[i*d:(i+1)*d], rows[at*d:])
	}
}

// EmbeddingWide writes the row of each index of 16 bits, whose low byte comes first:
// the nearest of those there are.
func EmbeddingWide(rows []int8, d int, x, y []int8) {
	for i := range len(x) / 2 {
		index := int(x[2*i+1])<<8 | int(uint8(x[2*i]))
		at := min(max(index, 0), len(rows)/d-1)
		copy(y[i*d:(i+1)*d], rows[at*d:(at+1)*d])
	}
}

// EmbeddingInt writes the row of each integer, which a table names (R14).
func EmbeddingInt(table []uint8, rows []int8, d int, x, y []int8) {
	for i, index := range x {
		at := int(table[int(index)+128])
		copy(y[i*d:(i+1)*d], rows[at*d:(at+1)*d])
	}
}
