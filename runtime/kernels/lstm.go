package kernels

import (
	"math"

	"github.com/dnnc/dnnc/ir/geometry"
)

// word is x within 16 bits.
func word(x int32) int32 { return min(max(x, math.MinInt16), math.MaxInt16) }

// shiftedAway is x/2^bits, rounded, ties away from zero.
func shiftedAway(x int32, bits int) int32 { return (x + 1<<(bits-1) + x>>31) >> bits }

// fixedInverse is 1/(1+exp(e)) of an e below 0 in units of 2^-15: the result is twice as great, in units of
// 2^-13.
func fixedInverse(e int32) int32 {
	// A part between -1/4 and 0 by a polynomial around -1/8, then exponentials of powers of two.
	part := e&(1<<13-1) - 1<<13
	rest := uint32(part-e) >> 13
	x := part + 1<<12
	x2 := half15(int64(x) * int64(x))
	sum := shiftedAway(half15(int64(x2)*int64(x2)), 2) + half15(int64(x2)*int64(x))
	sum = shiftedAway(half15(int64(sum)*geometry.ExpThird)+x2, 1)
	exp := word(geometry.ExpMiddle + half15(int64(x+sum)*geometry.ExpMiddle))
	for k, power := range geometry.ExpPowers {
		if rest>>k&1 != 0 {
			exp = half15(int64(exp) * int64(power))
		}
	}
	if rest>>len(geometry.ExpPowers) != 0 {
		exp = 0
	}
	// Newton's method.
	half := int64(exp+1<<15) >> 1
	y := geometry.InverseFrom + half15(half*geometry.InverseBy)
	for range 3 {
		y += word(half15(int64(y)*int64(geometry.InverseOne-half15(half*int64(y)))) << 2)
	}
	return y
}

// FixedSigmoid is 2^15 times the sigmoid of an x of 16 bits in units of 2^-12, as TensorFlow Lite's LSTM
// computes it (R25).
func FixedSigmoid(x int32) int32 {
	if x == 0 {
		return 1 << 14
	}
	y := word(fixedInverse(-max(x, -x)<<3) << 1)
	if x < 0 {
		return math.MaxInt16 - y
	}
	return y
}

// FixedTanh is 2^15 times the tanh of an x of 16 bits, of which bits are before the point, as TensorFlow
// Lite's LSTM computes it (R25).
func FixedTanh(x int32, bits int) int32 {
	if x == 0 {
		return 0
	}
	y := word((fixedInverse(-max(x, -x)<<(bits+1)) - geometry.InverseOne) << 2)
	if x < 0 {
		return -y
	}
	return y
}

// rescaled is R8.
func rescaled(f geometry.Factor, acc int32) int32 {
	return geometry.RequantTFLite(acc, f.Mul, f.Shift)
}

// LSTMInt is R25.
func LSTMInt[T Integer](r *geometry.LSTMInts, x, y []T) {
	h := make([]int32, r.Outputs)
	for i := range h {
		h[i] = r.Zero
	}
	LSTMSteps(r, x, y, h, make([]int32, r.Hidden))
}

// LSTMSteps is LSTMInt from a hidden state h and a cell c on, which it writes.
func LSTMSteps[T Integer](r *geometry.LSTMInts, x, y []T, h, c []int32) {
	n := r.Hidden
	made := make([]int32, n)
	product := func(weight []int8, bias int32, of []int32) int32 {
		for k, w := range weight {
			bias += int32(w) * of[k]
		}
		return bias
	}
	in, out, forget, candidate := r.Taken()
	for step := range r.Steps {
		t := r.At(step)
		for k := range n {
			sum := func(gate int) int32 {
				row := gate*n + k
				return word(int32(x[row*r.Steps+t]) + rescaled(r.Sums[gate], product(r.Weight[row*r.Outputs:(row+1)*r.Outputs], r.Bias[row], h)))
			}
			f := FixedSigmoid(sum(forget))
			i := math.MaxInt16 - f
			if in >= 0 {
				i = FixedSigmoid(sum(in))
			}
			c[k] = word(shiftedAway(f*c[k], 15) + shiftedAway(i*FixedTanh(sum(candidate), 3), 15+r.CellBits))
			if r.CellClip > 0 {
				c[k] = min(max(c[k], -r.CellClip), r.CellClip)
			}
			v := rescaled(r.Out, FixedSigmoid(sum(out))*FixedTanh(c[k], r.CellBits)) + r.ZeroMade
			made[k] = min(max(v, math.MinInt8), math.MaxInt8)
		}
		for i := range h {
			v := made[min(i, n-1)]
			if r.Project != nil {
				v = rescaled(r.By, product(r.Project[i*n:(i+1)*n], r.ProjectBias[i], made)) + r.Zero
			}
			h[i] = min(max(v, r.Least), r.Greatest)
			y[i*r.Steps+t] = T(h[i])
		}
	}
}
