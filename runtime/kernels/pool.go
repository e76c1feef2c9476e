package kernels

import (
	"math"

	"github.com/dnnc/dnnc/ir/geometry"
)

// taps calls visit with the index in x of each pixel of a pooling window that
// lies inside the image.
func taps(g geometry.Window, c, oy, ox int, visit func(i int)) {
	for ky := range g.KH {
		for kx := range g.KW {
			if y, x, ok := g.At(oy, ox, ky, kx); ok {
				visit((c*g.InH+y)*g.InW + x)
			}
		}
	}
}

func each(g geometry.Window, visit func(i, c, oy, ox int)) {
	i := 0
	for c := range g.OutC {
		for oy := range g.OutH() {
			for ox := range g.OutW() {
				visit(i, c, oy, ox)
				i++
			}
		}
	}
}

// MaxPoolFloat is the greatest pixel of each window; padding never wins.
func MaxPoolFloat(g geometry.Window, x, y []float32) { maxPool(g, x, float32(math.Inf(-1)), y) }

// MaxPoolInt keeps the type of its argument (R12); lo is at least the least integer of it.
func MaxPoolInt[T Integer](g geometry.Window, x []T, lo, hi int32, y []T) {
	maxPool(g, x, T(lo), y)
	for i, v := range y {
		y[i] = T(min(max(int32(v), lo), hi))
	}
}

func maxPool[T Number](g geometry.Window, x []T, least T, y []T) {
	oh, ow := g.OutH(), g.OutW()
	// Of each output row the greatest of every column, then of neighbours in it; a
	// margin of the least value stands for what lies beside the image.
	columns := make([]T, max(g.PadL+g.InW, (ow-1)*g.StrideW+(g.KW-1)*g.DilW+1))
	for i := range columns {
		columns[i] = least
	}
	inside := columns[g.PadL:][:g.InW]
	for c := range g.OutC {
		plane := x[c*g.InH*g.InW : (c+1)*g.InH*g.InW]
		for oy := range oh {
			isFirst := true
			for ky := range g.KH {
				iy := oy*g.StrideH - g.PadT + ky*g.DilH
				if iy < 0 || iy >= g.InH {
					continue
				}
				row := plane[iy*g.InW:][:len(inside)]
				if isFirst {
					copy(inside, row)
					isFirst = false
					continue
				}
				for i, v := range row {
					inside[i] = max(inside[i], v)
				}
			}
			if isFirst {
				for i := range inside {
					inside[i] = least
				}
			}
			line := y[(c*oh+oy)*ow:][:ow]
			if g.KW == 2 && g.StrideW == 2 && g.DilW == 1 {
				for i := range line {
					pair := columns[2*i:][:2]
					line[i] = max(least, pair[0], pair[1])
				}
				continue
			}
			for i := range line {
				best := least
				for kx := range g.KW {
					best = max(best, columns[i*g.StrideW+kx*g.DilW])
				}
				line[i] = best
			}
		}
	}
}

// AvgPoolFloat is the mean of the pixels of each window inside the image.
func AvgPoolFloat(g geometry.Window, x, y []float32) {
	each(g, func(i, c, oy, ox int) {
		var sum float32
		n := 0
		taps(g, c, oy, ox, func(j int) { sum += x[j]; n++ })
		y[i] = sum / float32(n)
	})
}

// AvgPoolInt brings the mean of each window to the scale of the result (R11): the
// factor of a window has the division by its pixels in it.
func AvgPoolInt[T Integer](g geometry.Window, zero int32, q *geometry.Requant, x, y []T) {
	each(g, func(i, c, oy, ox int) {
		sum, n := int64(0), 0
		taps(g, c, oy, ox, func(j int) { sum += int64(int32(x[j]) - zero); n++ })
		y[i] = T(q.Integer(sum, n, false))
	})
}

// AvgPoolKept keeps the type of its argument; ties round away from zero (R11).
func AvgPoolKept[T Integer](g geometry.Window, x []T, lo, hi int32, y []T) {
	each(g, func(i, c, oy, ox int) {
		var sum, n int32
		taps(g, c, oy, ox, func(j int) { sum += int32(x[j]); n++ })
		if sum >= 0 {
			sum = (sum + n/2) / n
		} else {
			sum = (sum - n/2) / n
		}
		y[i] = T(min(max(sum, lo), hi))
	})
}
