package kernels

import "github.com/dnnc/dnnc/ir/geometry"

// History is R21 without states: frames before those of x are zero.
func History[T Number](h *geometry.History, x []T, zero T, y []T) {
	for o := range h.Outer {
		for i, f := range h.At {
			to := y[(o*len(h.At)+i)*h.Inner:][:h.Inner]
			if f >= 0 {
				copy(to, x[(o*h.In+f)*h.Inner:])
				continue
			}
			for k := range to {
				to[k] = zero
			}
		}
	}
}

// HistoryStep is R21 with states: past is the ring of frames. It returns the place of the next
// frame.
func HistoryStep[T Integer](h *geometry.History, x, past []T, next int, y []T) int {
	for f := range h.In {
		if next >= 0 {
			for o := range h.Outer {
				copy(past[(o*h.Past+next)*h.Inner:][:h.Inner], x[(o*h.In+f)*h.Inner:])
			}
		}
		if next++; next == h.Past {
			next = 0
		}
	}
	for o := range h.Outer {
		for i, f := range h.At {
			copy(y[(o*len(h.At)+i)*h.Inner:][:h.Inner], past[(o*h.Past+h.Ring(next, f))*h.Inner:])
		}
	}
	return next
}
