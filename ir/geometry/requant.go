package geometry

import (
	"fmt"
	"math"

	"github.com/dnnc/dnnc/ir"
)

// Rounding is how a requantization rounds.
type Rounding uint8

// The roundings of R6 and R8.
const (
	RoundHalfUp Rounding = iota
	RoundEven            // R6 with ties to even
	RoundTFLite          // R8
	RoundTwice           // R8 with ties up
)

// IsTwice reports whether a rounding is of the product and of the shift (R8).
func (k Rounding) IsTwice() bool { return k == RoundTFLite || k == RoundTwice }

// RoundingOf is the rounding that a node's word names.
func RoundingOf(n *ir.Node) Rounding {
	switch n.Word(ir.AttrRound) {
	case ir.RoundEven:
		return RoundEven
	case ir.RoundTFLite:
		return RoundTFLite
	case ir.RoundTwice:
		return RoundTwice
	}
	return RoundHalfUp
}

// Of is RQ of a number of 32 bits with the factor m*2^-r.
func (k Rounding) Of(a int64, m, r int32) int64 {
	switch k {
	case RoundEven:
		return RequantEven(a, m, r)
	case RoundTFLite:
		return int64(RequantTFLite(int32(a), m, r))
	case RoundTwice:
		return int64(RequantTwice(int32(a), m, r))
	}
	return RequantHalfUp(a, m, r)
}

// Requant is the requantization of accumulators to i8, of a wide result to i16 (R6 to R9). Mul and Shift
// have one entry a channel, or one for all.
type Requant struct {
	Mul, Shift   []int32
	Rounding     Rounding
	Zero, Lo, Hi int32
}

// Factors reads the multipliers and shifts of a node.
func Factors(n *ir.Node) (mul, shift []int32, err error) {
	if mul, err = n.Const(ir.AttrMul).Int32(); err != nil {
		return nil, nil, err
	}
	shift, err = n.Const(ir.AttrShift).Int32()
	return mul, shift, err
}

// RequantOf reads the requantization of a node from its constants.
func RequantOf(n *ir.Node) (*Requant, error) {
	mul, shift, err := Factors(n)
	if err != nil {
		return nil, err
	}
	return &Requant{Mul: mul, Shift: shift, Rounding: RoundingOf(n), Zero: int32(n.Out.Type.Quant.Zero), Lo: int32(n.Int(ir.AttrLo)), Hi: int32(n.Int(ir.AttrHi))}, nil
}

// Apply requantizes a 32-bit accumulator.
func (q *Requant) Apply(acc int64, channel int) int8 { return int8(q.Integer(acc, channel, false)) }

// Integer is the result for an accumulator of 32 bits, or of 64 (R7): of 8 or of 16 bits, as
// Lo and Hi bound it.
func (q *Requant) Integer(acc int64, channel int, isWide bool) int64 {
	if len(q.Mul) == 1 {
		channel = 0
	}
	var v int64
	if m, r := q.Mul[channel], q.Shift[channel]; isWide {
		m, r = Narrow(m, r)
		v = RequantHalfUp(acc, m, r)
	} else {
		v = q.Rounding.Of(acc, m, r)
	}
	return min(max(int64(q.Zero)+v, int64(q.Lo)), int64(q.Hi))
}

// Line requantizes 32-bit sums of one channel, to each of which its bias is added:
// y[i] = Apply(sums[i]+bias, channel).
func (q *Requant) Line(sums []int32, bias int64, channel int, y []int8) {
	if q.Rounding != RoundHalfUp {
		for i, s := range sums {
			y[i] = q.Apply(int64(s)+bias, channel)
		}
		return
	}
	if len(q.Mul) == 1 {
		channel = 0
	}
	m, r := int64(q.Mul[channel]), q.Shift[channel]&63
	half, zero, lo, hi := int64(1)<<(r-1), int64(q.Zero), int64(q.Lo), int64(q.Hi)
	for i, s := range sums {
		y[i] = int8(min(max(((int64(s)+bias)*m+half)>>r+zero, lo), hi))
	}
}

// ApplyWide requantizes a 64-bit accumulator (R7).
func (q *Requant) ApplyWide(acc int64, channel int) int8 { return int8(q.Integer(acc, channel, true)) }

// Narrow is the multiplier and shift that R7 gives a 64-bit accumulator. The
// accumulator has at most 47 bits, which the 16 bits of the multiplier leave
// room for.
func Narrow(m, r int32) (int32, int32) { return int32((int64(m) + 1<<15) >> 16), r - 16 }

// RequantHalfUp is floor((a*m + 2^(r-1)) / 2^r): R6. |a*m| must be below 2^62.
func RequantHalfUp(a int64, m, r int32) int64 {
	return (a*int64(m) + 1<<(r-1)) >> r
}

// RequantEven is a*m / 2^r rounded to the nearest, ties to even (R6). |a*m| must be below
// 2^62.
func RequantEven(a int64, m, r int32) int64 {
	p := a * int64(m)
	return (p + 1<<(r-1) - 1 + p>>r&1) >> r
}

// RequantTFLite is TFLite's MultiplyByQuantizedMultiplier in its double
// rounding: saturating rounding doubling high multiply, then a rounding shift
// right with ties away from zero (R8). The real factor is m*2^-r.
func RequantTFLite(a, m, r int32) int32 {
	shift := 31 - r // TFLite's exponent
	if shift > 0 {
		a <<= shift
	}
	high := doublingHigh(a, m)
	if shift < 0 {
		return divideByPowerOfTwo(high, -shift)
	}
	return high
}

// RequantTwice is RequantTFLite with ties up, as TFLite's optimized kernels of layers have
// it (R8).
func RequantTwice(a, m, r int32) int32 {
	shift := 31 - r
	if shift > 0 {
		a <<= shift
	}
	high := doublingHigh(a, m)
	if shift < 0 {
		return int32((int64(high) + 1<<(-shift-1)) >> -shift)
	}
	return high
}

func doublingHigh(a, b int32) int32 {
	if a == math.MinInt32 && b == math.MinInt32 {
		return math.MaxInt32
	}
	ab := int64(a) * int64(b)
	nudge := int64(1 << 30)
	if ab < 0 {
		nudge = 1 - 1<<30
	}
	return int32((ab + nudge) / (1 << 31))
}

func divideByPowerOfTwo(x, exponent int32) int32 {
	mask := int32(1)<<exponent - 1
	remainder, threshold := x&mask, mask>>1
	if x < 0 {
		threshold++
	}
	if remainder > threshold {
		return x>>exponent + 1
	}
	return x >> exponent
}

// LeastFactor is the least factor that is not 0 (R6): half of what a 32-bit accumulator
// can reach times less than this rounds to 0.
const LeastFactor = 1. / (1 << 32)

// The least shifts: that of R6, and the one that R7 makes 1.
const (
	leastShift     = 1
	leastWideShift = 17
	greatestShift  = 62
)

// MultiplierFor writes real as mul*2^-shift with mul in [2^30, 2^31), shift in
// 1..62 (R6, R10), for accumulators of 32 bits. Factors below LeastFactor are 0, with
// a shift that R7 can have, too; factors of 2^30 and more, negative and not finite
// ones are errors.
func MultiplierFor(real float64) (mul, shift int32, err error) { return multiplier(real, leastShift) }

// WideMultiplierFor is MultiplierFor of a channel whose accumulators are of 64 bits (R7)
// and have absolute values of at most reach. Factors of 2^14 and more are errors, and so
// are those below LeastFactor of accumulators that they would not round to 0, and
// accumulators of more than 47 bits.
func WideMultiplierFor(real float64, reach int64) (mul, shift int32, err error) {
	if reach < 0 || reach >= WideReach {
		return 0, 0, fmt.Errorf("sums of up to %d do not fit 47 bits", reach)
	}
	if real < LeastFactor && real*float64(reach) >= .5 {
		return 0, 0, fmt.Errorf("the factor %v of sums of up to %d is below 2^-32", real, reach)
	}
	return multiplier(real, leastWideShift)
}

// TFLiteMultiplierFor is MultiplierFor in the rounding of R8, which shifts accumulators
// of at most reach left where the factor is 1 or more: they must stay in 32 bits.
func TFLiteMultiplierFor(real float64, reach int64) (mul, shift int32, err error) {
	if reach >= NarrowReach {
		return 0, 0, fmt.Errorf("sums of up to %d do not fit 32 bits", reach)
	}
	mul, shift, err = MultiplierFor(real)
	if err == nil && mul != 0 && shift < 31 && reach >= 1<<shift {
		return 0, 0, fmt.Errorf("the factor %v takes sums of up to %d out of 32 bits", real, reach)
	}
	return mul, shift, err
}

func multiplier(real float64, least int) (mul, shift int32, err error) {
	if !(real >= 0) || math.IsInf(real, 0) {
		return 0, 0, fmt.Errorf("the factor %v is no finite positive number", real)
	}
	if real == 0 {
		return 0, leastWideShift + 16, nil
	}
	frac, exp := math.Frexp(real) // real = frac*2^exp, frac in [1/2, 1)
	m := int64(math.Round(math.Ldexp(frac, 31)))
	if m == 1<<31 {
		m, exp = m/2, exp+1
	}
	r := 31 - exp
	switch {
	case r < least:
		return 0, 0, fmt.Errorf("the factor %v is 2^%d or more", real, 31-least)
	case r > greatestShift:
		return 0, leastWideShift + 16, nil
	}
	return int32(m), int32(r), nil
}

// NarrowReach and WideReach bound the absolute values of accumulators of 32 bits (R5) and
// of 64 (R7).
const (
	NarrowReach = 1 << 31
	WideReach   = 1 << 47
)

// Differences are the least and the greatest x-z of an activation.
func Differences(t ir.Type) (least, greatest int32) {
	low, high := t.Ends()
	return int32(low - t.Quant.Zero), int32(high - t.Quant.Zero)
}

// Reach is the bound |bias| + sum|W|*max|x-z| of a channel's accumulator, with x-z in
// least..greatest: the proof of R5, if it is below NarrowReach.
func Reach(bias int64, w []int32, least, greatest int32) int64 {
	reach := max(int64(-least), int64(greatest))
	sum := max(bias, -bias)
	for _, v := range w {
		sum += max(int64(v), -int64(v)) * reach
	}
	return sum
}
