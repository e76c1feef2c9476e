package geometry

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
)

// AddShift is the bits by which the arguments of an add are shifted left.
const AddShift = 20

// AddParams are the integers of an add (R13).
type AddParams struct {
	ZeroA, ZeroB, ZeroY    int32
	MulA, MulB, MulY       int32
	ShiftA, ShiftB, ShiftY int32
	Lo, Hi                 int32
	Rounding               Rounding
}

// AddParamsOf reads the parameters of an integer add from its constants: mul and
// shift hold those of the two arguments and of the result (R13).
func AddParamsOf(n *ir.Node) (p AddParams, err error) {
	q, err := RequantOf(n)
	if err != nil {
		return p, err
	}
	p = AddParams{
		ZeroA: int32(n.Args[0].Type.Quant.Zero), ZeroB: int32(n.Args[1].Type.Quant.Zero),
		ZeroY: q.Zero, Lo: q.Lo, Hi: q.Hi, Rounding: q.Rounding,
		MulA: q.Mul[0], MulB: q.Mul[1], MulY: q.Mul[2],
		ShiftA: q.Shift[0], ShiftB: q.Shift[1], ShiftY: q.Shift[2],
	}
	return p, nil
}

// Rescale is RQ of 32-bit numbers, in the rounding of p.
func (p *AddParams) Rescale(a int64, m, r int32) int64 {
	return p.Rounding.Of(a, m, r)
}

// NewAddParams computes them from scales and zero points: the arguments come
// to twice the greater scale, the sum to the result's. An error is returned where what
// the arguments lose in being rescaled would be more than half a step of the result.
func NewAddParams(round Rounding, scaleA float64, zeroA int32, scaleB float64, zeroB int32, scaleY float64, zeroY, lo, hi int32) (AddParams, error) {
	twice := 2 * max(scaleA, scaleB)
	p := AddParams{ZeroA: zeroA, ZeroB: zeroB, ZeroY: zeroY, Lo: lo, Hi: hi, Rounding: round}
	const reach = 255 << AddShift // of either argument; of their sum, too, as each comes to a half
	factor := MultiplierFor
	if round != RoundHalfUp {
		factor = func(real float64) (mul, shift int32, err error) { return TFLiteMultiplierFor(real, reach) }
	} else if twice/float64(scaleY*(1<<AddShift)) > .5 {
		return p, fmt.Errorf("scales of %v and %v are too coarse for a result of scale %v", scaleA, scaleB, scaleY)
	}
	for _, f := range []struct {
		factor     float64
		mul, shift *int32
	}{
		{scaleA / twice, &p.MulA, &p.ShiftA},
		{scaleB / twice, &p.MulB, &p.ShiftB},
		{twice / float64(scaleY*(1<<AddShift)), &p.MulY, &p.ShiftY},
	} {
		var err error
		if *f.mul, *f.shift, err = factor(f.factor); err != nil {
			return p, fmt.Errorf("add: %w", err)
		}
	}
	return p, nil
}
