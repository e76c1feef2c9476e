package kernels

import (
	"math"

	"github.com/dnnc/dnnc/ir/geometry"
)

// L2Norm divides a row by the root of the sum of its squares; of zeros it gives zeros.
func L2Norm(x, y []float32) {
	f := inverseLength(x)
	for i, v := range x {
		y[i] = float32(float64(v) * f)
	}
}

// inverseLength is 1 over the length of a row, 0 of zeros.
func inverseLength(x []float32) float64 {
	sum := 0.
	for _, v := range x {
		sum += float64(float64(v) * float64(v))
	}
	if sum == 0 {
		return 0
	}
	return 1 / math.Sqrt(sum)
}

// L2NormGradient adds to dx the gradient of L2Norm: what dy has across the result, over the row's length.
func L2NormGradient(x, y, dy, dx []float32) {
	f, along := inverseLength(x), 0.
	for i, d := range dy {
		along += float64(float64(d) * float64(y[i]))
	}
	for i, d := range dy {
		dx[i] += float32((float64(d) - float64(along*float64(y[i]))) * f)
	}
}

// L2NormInt is R24 of a row.
func L2NormInt(p geometry.L2Norm, x, y []int8) {
	sum := int32(0)
	for _, v := range x {
		d := int32(v) - p.ZeroX
		sum += d * d
	}
	n, k := InverseRoot(sum)
	for i, v := range x {
		y[i] = int8(p.Of(int32(v)-p.ZeroX, n, k))
	}
}

// InverseRoot is 1/sqrt(x) as mul*2^(-31-shift), shift not below 0, by five steps of Newton's method in
// fixed point of three integer bits, as TensorFlow Lite computes it. Of what is below 2 it is almost 1.
func InverseRoot(x int32) (mul, shift int32) {
	if x <= 1 {
		return math.MaxInt32, 0
	}
	shift = geometry.RootShift
	for x >= 1<<29 {
		x /= 4
		shift++
	}
	for x < 1<<27 {
		x, shift = x<<2, shift-1
	}
	in := x >> 1
	half := (in + 1) >> 1
	root := int32(1 << 28)
	for range geometry.RootSteps {
		cube := saturatingLeft(high32(high32(root, root), root), 6)
		root = saturatingLeft(high32(geometry.ThreeHalves, root)-high32(half, cube), 3)
	}
	mul = high32(root, geometry.HalfRootOfTwo)
	if shift < 0 {
		mul, shift = mul<<-shift, 0
	}
	return mul, shift
}

// high32 is the rounding doubling high multiply.
func high32(a, b int32) int32 { return geometry.RequantTFLite(a, b, 31) }

func saturatingLeft(x int32, bits int) int32 {
	return int32(min(max(int64(x)<<bits, math.MinInt32), math.MaxInt32))
}
