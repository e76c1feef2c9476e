package tflite

import (
	"errors"
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// hardSwish are the results of TensorFlow Lite's hard swish by integer: its
// reference kernel computes x*relu6(x+3)/6 in 16-bit fixed point, with the input 128
// times as fine and the bounded part on the scale 3/32768.
func hardSwish(x, y ir.Quant) ([]int8, error) {
	fine := float32(1) / 128 * float32(x.Scale)
	mulY, expY, err := multiplier16(float64(fine / float32(y.Scale)))
	if err != nil {
		return nil, err
	}
	mulR, expR, err := multiplier16(float64(fine / (float32(3) / 32768)))
	if err != nil {
		return nil, err
	}
	if expY > 0 {
		return nil, errors.New("has a hard swish whose result is finer than its argument by more than 128")
	}
	t := make([]int8, 256)
	for i := range t {
		in := int32(int16((i - 128 - x.Zero) * 128))
		scaled := doublingHigh16(in, mulY)
		bounded := in
		if expR > 0 {
			bounded = saturate16(int64(bounded) << (expR - 1))
		}
		bounded = doublingHigh16(bounded, mulR)
		if expR > 0 {
			bounded = saturate16(int64(bounded) << 1)
		}
		if expR < 0 {
			bounded = divideByPowerOfTwo(bounded, -expR)
		}
		bounded = (bounded + 1<<15) >> 1 // [-1,1] to [0,1]
		v := divideByPowerOfTwo(saturate16(int64(bounded)*int64(scaled)/(1<<15)), -expY) + int32(y.Zero)
		t[i] = int8(min(max(v, -128), 127))
	}
	return t, nil
}

// multiplier16 is a factor as a 16-bit multiplier of 2^-15 and an exponent.
func multiplier16(factor float64) (mul int32, exponent int, err error) {
	m, r, err := geometry.MultiplierFor(factor)
	if err != nil {
		return 0, 0, err
	}
	if m >= math.MaxInt32-1<<15 {
		return math.MaxInt16, 31 - int(r), nil
	}
	return (m + 1<<15) >> 16, 31 - int(r), nil
}

func saturate16(v int64) int32 { return int32(min(max(v, math.MinInt16), math.MaxInt16)) }

// doublingHigh16 is the rounding doubling high multiply of 16 bits.
func doublingHigh16(a, b int32) int32 {
	product := a * b
	nudge := int32(1 << 14)
	if product < 0 {
		nudge = 1 - 1<<14
	}
	return saturate16(int64((product + nudge) / (1 << 15)))
}

// divideByPowerOfTwo rounds ties away from zero.
func divideByPowerOfTwo(x int32, exponent int) int32 {
	exponent = min(exponent, 30)
	mask := int32(1)<<exponent - 1
	threshold := mask >> 1
	if x < 0 {
		threshold++
	}
	if x&mask > threshold {
		return x>>exponent + 1
	}
	return x >> exponent
}
