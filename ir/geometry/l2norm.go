package geometry

import "github.com/dnnc/dnnc/ir"

// The constants of an inverse root in fixed point of three integer bits (R24).
const (
	RootShift     = 11 // of arguments of which the highest bit is bit 27 or 28
	RootSteps     = 5
	ThreeHalves   = 1<<28 + 1<<27
	HalfRootOfTwo = 1518500250 // sqrt(1/2) * 2^31
)

// L2NormShift is the shift of an inverse root for a result of scale 1/128, which is rounded twice.
const L2NormShift = 24

// L2Norm is how the quotients of a row become integers (R24): of an inverse root n*2^-(31+k) with the factor (n*Mul >>
// 31)*2^-(Shift+k); IsTwice is of those that are rounded twice, which have no factor.
type L2Norm struct {
	IsTwice     bool
	ZeroX, Zero int32
	Mul, Shift  int32
}

// L2NormOf reads what an operation has.
func L2NormOf(n *ir.Node) (p L2Norm, err error) {
	p = L2Norm{IsTwice: RoundingOf(n) == RoundTFLite, ZeroX: int32(n.Args[0].Type.Quant.Zero), Zero: int32(n.Out.Type.Quant.Zero)}
	if p.IsTwice {
		return p, nil
	}
	mul, shift, err := Factors(n)
	if err != nil {
		return p, err
	}
	p.Mul, p.Shift = mul[0], shift[0]
	return p, nil
}

// Of is the integer of a difference d from the argument's zero point, of a row with the inverse root n*2^-(31+k).
func (p L2Norm) Of(d, n, k int32) int32 {
	if p.IsTwice {
		return min(max(RequantTFLite(d, n, L2NormShift+k), -128), 127)
	}
	factor, r := int64(n)*int64(p.Mul)>>31, p.Shift+k
	return int32(min(max((int64(d)*factor+1<<(r-1))>>r+int64(p.Zero), -128), 127))
}
