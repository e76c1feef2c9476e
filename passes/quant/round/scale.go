package round

import "math"

// steps is the scales that a row is tried with.
const steps = 60

// leastSquaresScale is the scale of least squared error of a row rounded to
// nearest: in closed form for one bit, else the best of a grid.
func leastSquaresScale(row []float32, bits int) float32 {
	var top float32
	sum := 0.0
	for _, x := range row {
		a := float32(math.Abs(float64(x)))
		top = max(top, a)
		sum += float64(a)
	}
	if top == 0 {
		return 1
	}
	const least = math.SmallestNonzeroFloat32 // no scale is 0
	if bits == 1 {
		return max(float32(sum/float64(len(row))), least)
	}
	base := top / float32(int(1)<<bits-1)
	var grid [steps]float32
	for i := range grid {
		grid[i] = max(base*(.15+(1.1-.15)*float32(i)/(steps-1)), least)
	}
	best, bestErr := max(base, least), math.Inf(1)
	for _, s := range promising(row, top, grid[:], bits) {
		if e := squaredError(row, s, bits, bestErr); e < bestErr {
			best, bestErr = s, e
		}
	}
	return best
}

// squaredError is that of a row rounded to nearest; where it is no less than enough,
// any number that is not either.
func squaredError(row []float32, s float32, bits int, enough float64) float64 {
	e := 0.0
	for len(row) > 0 && e < enough {
		n := min(len(row), 256)
		for _, x := range row[:n] {
			d := float64(x - value(level(x, s, bits), s, bits))
			e += float64(d * d)
		}
		row = row[n:]
	}
	return e
}

// Rows are sorted into so many ranges of magnitude, if they are longer than a few
// weights and larger than what float32 holds in full.
const (
	ranges    = 4096
	longRow   = 256
	normalTop = 1e-30
)

// promising is the scales of a grid that may have the least squared error, in their
// order: a rough error with bounds, from a histogram of the row, tells them from those
// that cannot. Of sixty one or two are left to be computed in full.
func promising(row []float32, top float32, grid []float32, bits int) []float32 {
	if len(row) < longRow || !(top > normalTop && top < 1/float32(normalTop)) {
		return grid
	}
	h := newMagnitudes(row, top)
	bounds := make([][2]float64, len(grid))
	least := math.Inf(1)
	for i, s := range grid {
		bounds[i][0], bounds[i][1] = h.squaredError(float64(s), bits)
		least = min(least, bounds[i][1])
	}
	var list []float32
	for i, s := range grid {
		if bounds[i][0] <= least {
			list = append(list, s)
		}
	}
	return list
}

// magnitudes is a row's histogram: of the ranges below each, the number of weights,
// the sum of their magnitudes, and that of their squares.
type magnitudes struct {
	top, perRange float64
	below         [ranges + 1][3]float64
}

func newMagnitudes(row []float32, top float32) *magnitudes {
	h := &magnitudes{top: float64(top), perRange: ranges / float64(top)}
	for _, x := range row {
		a := math.Abs(float64(x))
		b := &h.below[h.rangeOf(a)+1]
		b[0]++
		b[1] += a
		b[2] += float64(a * a)
	}
	for i := range ranges {
		for k := range 3 {
			h.below[i+1][k] += h.below[i][k]
		}
	}
	return h
}

// rangeOf grows with a: weights of ranges below that of a are less than a, those of
// ranges above it are more.
func (h *magnitudes) rangeOf(a float64) int { return min(int(a*h.perRange), ranges-1) }

// squaredError is the least and the greatest that squaredError in full may be. Levels
// are the odd multiples of s on both sides of 0 alike, and the nearest one to a
// magnitude changes at even multiples. Below and above the range in which one lies it
// is known which level is nearest; in it, a weight's error by the one level is at most
// 4s times the range's width more than by the other.
func (h *magnitudes) squaredError(s float64, bits int) (least, greatest float64) {
	levels := 1 << (bits - 1)
	all := h.below[ranges]
	sum := func(from, to int, v float64) float64 {
		a, b := &h.below[from], &h.below[to]
		return b[2] - a[2] - 2*v*(b[1]-a[1]) + v*v*(b[0]-a[0])
	}
	from, e, straddling := 0, 0.0, 0.0
	for j := 1; j < levels; j++ {
		t := 2 * s * float64(j)
		if t > h.top {
			levels = j
			break
		}
		at := h.rangeOf(t)
		e += sum(from, at, t-s) + min(sum(at, at+1, t-s), sum(at, at+1, t+s))
		straddling += 4 * s / h.perRange * (h.below[at+1][0] - h.below[at][0])
		from = at + 1
	}
	v := s * float64(2*levels-1)
	e += sum(from, ranges, v)

	// What rounding does to the sums here, which are differences of larger ones.
	n := all[0]
	unsure := 8 * (n + ranges) * 0x1p-53 * float64(levels) * (all[2] + 2*v*all[1] + v*v*n)
	// And in full: to float32 levels and differences from them; and where a weight lies
	// so close to the middle of two levels that the farther one is taken.
	slip := (v + h.top) * 0x1p-23
	unsure += 2*slip*math.Sqrt(n*max(e, 0)) + n*slip*slip + 8*s*s*n*math.Ldexp(1, bits-23)
	return e - straddling - unsure, e + unsure
}
