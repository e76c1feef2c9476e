package kernels

import "math"

// taps calls visit with the index in x of each pixel of a pooling window that
// lies inside the image.
func (g Window) taps(c, oy, ox int, visit func(i int)) {
	for ky := range g.KH {
		for kx := range g.KW {
			if y, x, ok := g.at(oy, ox, ky, kx); ok {
				visit((c*g.InH+y)*g.InW + x)
			}
		}
	}
}

func (g Window) each(visit func(i, c, oy, ox int)) {
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
func MaxPoolFloat(g Window, x, y []float32) {
	g.each(func(i, c, oy, ox int) {
		best := float32(math.Inf(-1))
		g.taps(c, oy, ox, func(j int) { best = max(best, x[j]) })
		y[i] = best
	})
}

// MaxPoolInt keeps the type of its argument (R12).
func MaxPoolInt(g Window, x []int8, lo, hi int32, y []int8) {
	g.each(func(i, c, oy, ox int) {
		best := int32(math.MinInt8)
		g.taps(c, oy, ox, func(j int) { best = max(best, int32(x[j])) })
		y[i] = int8(min(max(best, lo), hi))
	})
}

// AvgPoolFloat is the mean of the pixels of each window inside the image.
func AvgPoolFloat(g Window, x, y []float32) {
	g.each(func(i, c, oy, ox int) {
		var sum float32
		n := 0
		g.taps(c, oy, ox, func(j int) { sum += x[j]; n++ })
		y[i] = sum / float32(n)
	})
}

// AvgPoolInt keeps the type of its argument; ties round away from zero (R11).
func AvgPoolInt(g Window, x []int8, lo, hi int32, y []int8) {
	g.each(func(i, c, oy, ox int) {
		var sum, n int32
		g.taps(c, oy, ox, func(j int) { sum += int32(x[j]); n++ })
		if sum >= 0 {
			sum = (sum + n/2) / n
		} else {
			sum = (sum - n/2) / n
		}
		y[i] = int8(min(max(sum, lo), hi))
	})
}
