package quant

import (
	"math"
	"sync"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
)

// bins of a histogram: eight for each of the 256 steps of an activation.
const bins = 2048

// histogram counts an activation's values between its least and greatest.
type histogram struct {
	ir.Range
	counts [bins]int
}

func newHistogram(r ir.Range) *histogram { return &histogram{Range: r} }

func (h *histogram) width() float64 { return (h.Hi - h.Lo) / bins }

func (h *histogram) add(x []float32) {
	scale := 1 / h.width()
	if math.IsInf(scale, 0) || math.IsNaN(scale) {
		scale = 0
	}
	var mu sync.Mutex
	pieces(x, func(_ int, x []float32) {
		var counts [bins]int
		for _, v := range x {
			counts[min(max(int((float64(v)-h.Lo)*scale), 0), bins-1)]++
		}
		mu.Lock()
		defer mu.Unlock()
		for i, n := range counts {
			h.counts[i] += n
		}
	})
}

// clip is a range within the least and greatest value.
func (h *histogram) clip(how string) ir.Range {
	if how == pass.Percentile {
		return h.percentile()
	}
	return h.leastError()
}

// percentileTail is the share of the values that is cut off at either end.
const percentileTail = 1e-5

func (h *histogram) percentile() ir.Range {
	total := 0
	for _, n := range h.counts {
		total += n
	}
	tail := int(percentileTail * float64(total))
	r := h.Range
	for i, cut := 0, 0; i < bins; i++ {
		if cut += h.counts[i]; cut > tail {
			r.Lo = h.Lo + float64(i)*h.width()
			break
		}
	}
	for i, cut := bins-1, 0; i >= 0; i-- {
		if cut += h.counts[i]; cut > tail {
			r.Hi = h.Lo + float64(i+1)*h.width()
			break
		}
	}
	return ir.Range{Lo: min(r.Lo, 0), Hi: max(r.Hi, 0)}
}

// leastError is the range, a share of the whole, in which rounding to 8 bits has
// the least mean squared error, what lies outside taken to its ends.
func (h *histogram) leastError() ir.Range {
	best, least := h.Range, math.Inf(1)
	for share := 1.; share > .2; share -= .02 {
		r := ir.Range{Lo: h.Lo * share, Hi: h.Hi * share}
		step := (r.Hi - r.Lo) / 255
		sum := 0.
		for i, n := range h.counts {
			if n == 0 {
				continue
			}
			at := h.Lo + (float64(i)+.5)*h.width()
			outside := max(r.Lo-at, at-r.Hi, 0)
			e := float64(outside * outside)
			if outside == 0 {
				e = step * step / 12
			}
			sum += float64(float64(n) * e)
		}
		if sum < least {
			best, least = r, sum
		}
	}
	return best
}
