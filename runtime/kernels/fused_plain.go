//go:build !arm64

package kernels

import "math"

// Fused is a*b + c, rounded once as IEEE 754 has it: the step of sums of products in float32, with
// the bits of the instructions of processors that have it.
func Fused(a, b, c float32) float32 {
	sum := float64(a)*float64(b) + float64(c)
	if isMiddle(sum) {
		return exactly(a, b, c)
	}
	return float32(sum)
}

// FusedLine adds a times a line to y: y[i] = a*x[i] + y[i], each a fused step.
func FusedLine(a float32, x, y []float32) {
	x = x[:len(y)]
	for i, v := range y {
		sum := float64(a)*float64(x[i]) + float64(v)
		if isMiddle(sum) {
			y[i] = exactly(a, x[i], v)
		} else {
			y[i] = float32(sum)
		}
	}
}

// isMiddle reports a number of 64 bits that may lie in the middle between two numbers of 32 bits. A
// sum of 64 bits, whose product is exact, is on the same side as the exact sum of all other numbers.
func isMiddle(sum float64) bool { return math.Float64bits(sum)<<36 == 0 }

// exactly is a*b + c rounded once, of a sum that may lie in the middle only because it was rounded
// to 64 bits. The rest that it lacks then decides: the sum becomes the odd one of its two
// neighbours, which lies on the right side of the middle.
func exactly(a, b, c float32) float32 {
	product, last := float64(a)*float64(b), float64(c)
	sum := product + last
	part := sum - product
	rest := (product - (sum - part)) + (last - part) // exact; NaN where a number is infinite
	bits := math.Float64bits(sum)
	if bits&1 == 0 && (rest > 0 || rest < 0) {
		if rest > 0 == (sum > 0) {
			bits++
		} else {
			bits--
		}
	}
	return float32(math.Float64frombits(bits))
}
