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
func AddInt(p geometry.AddParams, a, b, y []int8) {
	for i := range y {
		u := p.Rescale(int64(int32(a[i])-p.ZeroA)<<geometry.AddShift, p.MulA, p.ShiftA)
		v := p.Rescale(int64(int32(b[i])-p.ZeroB)<<geometry.AddShift, p.MulB, p.ShiftB)
		r := p.Rescale(u+v, p.MulY, p.ShiftY) + int64(p.ZeroY)
		y[i] = int8(min(max(r, int64(p.Lo)), int64(p.Hi)))
	}
}

// RequantizeInt brings x to another scale (R6, R9).
func RequantizeInt(x []int8, zero int32, q *geometry.Requant, y []int8) {
	for i, v := range x {
		y[i] = q.Apply(int64(int32(v)-zero), 0)
	}
}

// SoftmaxFloat is exp(x)/sum(exp(x)).
func SoftmaxFloat(x, y []float32) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v - top))
	}
	for i, v := range x {
		y[i] = float32(math.Exp(float64(v-top)) / sum)
	}
}

// softmaxOne is exp(0) in the table: with at most 2^16 elements their sum, and
// 256 times one of them, stay below 2^31.
const softmaxOne = 1 << 15

// SoftmaxTable is round(2^15 * exp(-d*scale)) for d = 0..255 (R15).
func SoftmaxTable(scale float64) []int32 {
	t := make([]int32, 256)
	for d := range t {
		t[d] = int32(math.Round(softmaxOne * math.Exp(-float64(float64(d)*scale))))
	}
	return t
}

// SoftmaxInt is R15: with e the table's entry for the distance from the
// maximum, y = min(floor((256*e + sum/2) / sum), 255) - 128.
func SoftmaxInt(table []int32, x, y []int8) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	var sum uint32
	for _, v := range x {
		sum += uint32(table[int(top)-int(v)])
	}
	for i, v := range x {
		e := uint32(table[int(top)-int(v)])
		y[i] = int8(int32(min((256*e+sum/2)/sum, 255)) - 128)
	}
}
