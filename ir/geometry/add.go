package geometry

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
)

// AddShift is the bits by which the arguments of an add are shifted left, WideAddShift those of
// arguments of 16 bits.
const (
	AddShift     = 20
	WideAddShift = 15
)

// SquareShift is the bits by which the arguments of a squared difference are shifted left:
// the square of their difference has 30 bits.
const SquareShift = 7

// SquareStep is the least scale of a squared difference of arguments of scale 1, whose
// rescaling then costs no more than half a step.
const SquareStep = 1.

// ScaledShift is the bits by which the first two arguments of a scaled difference are
// shifted left: the product of their difference with the third argument has 30 bits.
const ScaledShift = 14

// AddParams are the integers of an add (R13).
type AddParams struct {
	ZeroA, ZeroB, ZeroY    int32
	MulA, MulB, MulY       int32
	ShiftA, ShiftB, ShiftY int32
	Lo, Hi                 int32
	Left                   int // bits by which the arguments of a sum are shifted left
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
		Left: AddShift,
	}
	if n.Args[0].Type.IsWide() {
		p.Left = WideAddShift
	}
	return p, nil
}

// Rescale is RQ of 32-bit numbers, in the rounding of p.
func (p *AddParams) Rescale(a int64, m, r int32) int64 {
	return p.Rounding.Of(a, m, r)
}

// NewSquareParams computes those of a squared difference: the arguments come to twice the
// greater scale, the square of their difference to the result's. An error is returned where
// what the arguments lose in being rescaled would be more than half a step of the result.
func NewSquareParams(round Rounding, scaleA float64, zeroA int32, scaleB float64, zeroB int32, scaleY float64, zeroY, lo, hi int32) (AddParams, error) {
	coarse := max(scaleA, scaleB)
	p := AddParams{ZeroA: zeroA, ZeroB: zeroB, ZeroY: zeroY, Lo: lo, Hi: hi, Rounding: round}
	if !round.IsTwice() && scaleY < float64(SquareStep*coarse*coarse) {
		return p, fmt.Errorf("scales of %v and %v are too coarse for squares of scale %v", scaleA, scaleB, scaleY)
	}
	const reach = 255 << SquareShift
	return p, p.factors(scaleA/(2*coarse), scaleB/(2*coarse), float64(4*coarse*coarse)/float64(scaleY*(1<<(2*SquareShift))), reach, reach*reach)
}

// NewScaledParams computes those of a scaled difference: the first two arguments come to
// twice the greater scale, the product of their difference with the third one to the
// result's. An error is returned where what the arguments lose in being rescaled would be
// more than half a step of the result.
func NewScaledParams(round Rounding, scaleA float64, zeroA int32, scaleB float64, zeroB int32, scaleC, scaleY float64, zeroY, lo, hi int32) (AddParams, error) {
	twice := 2 * max(scaleA, scaleB)
	p := AddParams{ZeroA: zeroA, ZeroB: zeroB, ZeroY: zeroY, Lo: lo, Hi: hi, Rounding: round}
	const reach = 255 << ScaledShift
	y := float64(twice*scaleC) / float64(scaleY*(1<<ScaledShift))
	if round == RoundHalfUp && 255*y > .5 {
		return p, fmt.Errorf("scales of %v and %v, times one of %v, are too coarse for a result of scale %v", scaleA, scaleB, scaleC, scaleY)
	}
	return p, p.factors(scaleA/twice, scaleB/twice, y, reach, 255*reach)
}

// NewAddParams computes them from scales and zero points: the arguments come
// to twice the greater scale, the sum to the result's. An error is returned where what
// the arguments lose in being rescaled would be more than half a step of the result.
func NewAddParams(round Rounding, scaleA float64, zeroA int32, scaleB float64, zeroB int32, scaleY float64, zeroY, lo, hi int32) (AddParams, error) {
	return NewAddParamsAt(round, 2*max(scaleA, scaleB), scaleA, zeroA, scaleB, zeroB, scaleY, zeroY, lo, hi)
}

// NewWideAddParams computes those of arguments of 16 bits, whose zero points are 0.
func NewWideAddParams(round Rounding, scaleA, scaleB, scaleY float64, zeroY, lo, hi int32) (AddParams, error) {
	const reach = 1 << (15 + WideAddShift)
	p := AddParams{ZeroY: zeroY, Lo: lo, Hi: hi, Left: WideAddShift, Rounding: round}
	common := 2 * max(scaleA, scaleB)
	last := common / float64(scaleY*(1<<WideAddShift))
	if !round.IsTwice() && last > .5 {
		return p, fmt.Errorf("scales of %v and %v are too coarse for a result of scale %v", scaleA, scaleB, scaleY)
	}
	return p, p.factors(scaleA/common, scaleB/common, last, reach, reach)
}

// NewAddParamsAt is NewAddParams with the scale to which the arguments come, at least twice
// the greater one.
func NewAddParamsAt(round Rounding, common, scaleA float64, zeroA int32, scaleB float64, zeroB int32, scaleY float64, zeroY, lo, hi int32) (AddParams, error) {
	p := AddParams{ZeroA: zeroA, ZeroB: zeroB, ZeroY: zeroY, Lo: lo, Hi: hi, Left: AddShift, Rounding: round}
	const reach = 255 << AddShift // of either argument; of their sum, too, as each comes to a half
	if !round.IsTwice() && common/float64(scaleY*(1<<AddShift)) > .5 {
		return p, fmt.Errorf("scales of %v and %v are too coarse for a result of scale %v", scaleA, scaleB, scaleY)
	}
	return p, p.factors(scaleA/common, scaleB/common, common/float64(scaleY*(1<<AddShift)), reach, reach)
}

// factors sets the multipliers and shifts of real factors, of arguments and of a result that
// reach so far before they are rescaled.
func (p *AddParams) factors(a, b, y float64, argument, result int64) error {
	for _, f := range []struct {
		factor     float64
		reach      int64
		mul, shift *int32
	}{{a, argument, &p.MulA, &p.ShiftA}, {b, argument, &p.MulB, &p.ShiftB}, {y, result, &p.MulY, &p.ShiftY}} {
		var err error
		if !p.Rounding.IsTwice() {
			*f.mul, *f.shift, err = MultiplierFor(f.factor)
		} else {
			*f.mul, *f.shift, err = TFLiteMultiplierFor(f.factor, f.reach)
		}
		if err != nil {
			return fmt.Errorf("add: %w", err)
		}
	}
	return nil
}
