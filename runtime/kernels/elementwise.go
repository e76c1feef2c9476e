package kernels

import (
	"math"

	"github.com/dnnc/dnnc/ir/geometry"
)

// AddFloat is y = a+b.
func AddFloat(a, b, y []float32) {
	for i := range y {
		y[i] = a[i] + b[i]
	}
}

// ClampFloat is y = min(max(x, lo), hi).
func ClampFloat(x []float32, lo, hi float32, y []float32) {
	for i, v := range x {
		y[i] = min(max(v, lo), hi)
	}
}

// BatchNormFloat normalises [channels, plane] with one set of numbers a
// channel.
func BatchNormFloat(channels, plane int, x, gamma, beta, mean, variance []float32, eps float32, y []float32) {
	for c := range channels {
		scale := float64(gamma[c]) / math.Sqrt(float64(variance[c])+float64(eps))
		for i := c * plane; i < (c+1)*plane; i++ {
			y[i] = float32(float64((float64(x[i])-float64(mean[c]))*scale) + float64(beta[c]))
		}
	}
}

// AddInt is R13.
func AddInt[T Integer](p geometry.AddParams, a, b, y []T) {
	for i := range y {
		u := p.Rescale(int64(int32(a[i])-p.ZeroA)<<p.Left, p.MulA, p.ShiftA)
		v := p.Rescale(int64(int32(b[i])-p.ZeroB)<<p.Left, p.MulB, p.ShiftB)
		r := p.Rescale(u+v, p.MulY, p.ShiftY) + int64(p.ZeroY)
		y[i] = T(min(max(r, int64(p.Lo)), int64(p.Hi)))
	}
}

// RequantizeInt brings x to another scale (R6, R9).
func RequantizeInt[T Integer](x []T, zero int32, q *geometry.Requant, y []T) {
	for i, v := range x {
		y[i] = T(q.Integer(int64(int32(v)-zero), 0, false))
	}
}

// SoftmaxFloat is exp(x)/sum(exp(x)). Elements whose mask is 0 take no part, and are 0;
// no mask is one without 0.
func SoftmaxFloat(x []float32, mask []byte, y []float32) {
	top := float32(math.Inf(-1))
	for i, v := range x {
		if takesPart(mask, i) {
			top = max(top, v)
		}
	}
	sum := 0.0
	for i, v := range x {
		y[i] = 0
		if takesPart(mask, i) {
			sum += math.Exp(float64(v - top))
		}
	}
	for i, v := range x {
		if takesPart(mask, i) {
			y[i] = float32(math.Exp(float64(v-top)) / sum)
		}
	}
}

func takesPart(mask []byte, i int) bool { return mask == nil || mask[i] != 0 }

// The bits after the point of exponentials in a softmax's table. Of the least, the sum of 2^16
// exponentials and 256 times one of them stay below 2^31.
const (
	SoftmaxBits     = 15
	mostSoftmaxBits = 22
)

// FineSoftmaxBits are as many bits as rows of n elements leave, whose sum is multiplied by a factor: of models
// that were made for another arithmetic, whose integers are the nearest ones to the reals.
func FineSoftmaxBits(n int, factor float64) int {
	bits := mostSoftmaxBits
	for bits > SoftmaxBits && math.Ldexp(float64(n)*max(factor, 1), bits) > 1<<30 {
		bits--
	}
	return bits
}

// SoftmaxTable is round(2^bits * exp(-d*scale)) for d = 0..255 (R15).
func SoftmaxTable(scale float64, bits int) []int32 {
	t := make([]int32, 256)
	for d := range t {
		t[d] = int32(math.Round(math.Ldexp(math.Exp(-float64(float64(d)*scale)), bits)))
	}
	return t
}

// SoftmaxInt is R15: with e the table's entry for the distance from the
// maximum, y = min(floor((256*e + sum/2) / sum), 255) - 128. Elements whose mask is 0
// take no part, and have e = 0.
func SoftmaxInt(table []int32, x []int8, mask []byte, y []int8) {
	SoftmaxScaledInt(table, 1, 0, x, mask, y)
}

// SoftmaxScaledInt is SoftmaxInt of a result of another scale: the sum is first multiplied by
// mul/2^shift, which is 256 times that scale, and rounded half up, to 1 at least.
func SoftmaxScaledInt(table []int32, mul, shift int32, x []int8, mask []byte, y []int8) {
	top := int8(math.MinInt8)
	for i, v := range x {
		if takesPart(mask, i) {
			top = max(top, v)
		}
	}
	exponential := func(i int) uint32 {
		if !takesPart(mask, i) {
			return 0
		}
		return uint32(table[int(top)-int(x[i])])
	}
	var sum uint32
	for i := range x {
		sum += exponential(i)
	}
	sum = max(sum, 1) // where none takes part
	sum = max(uint32((uint64(sum)*uint64(mul)+1<<shift>>1)>>shift), 1)
	for i := range x {
		y[i] = int8(int32(min((256*exponential(i)+sum/2)/sum, 255)) - 128)
	}
}
