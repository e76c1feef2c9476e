package onnx

import (
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// exactSum are the parameters of a sum, or of a difference, of integers: a*sa+b*sb divided by
// the result's scale and rounded to even, where a and b are the differences from the zero points.
// An add rescales its arguments to 20 bits after the point (R13), which takes some results that
// lie next to a half over it. So the common scale of the arguments is chosen among some by all
// pairs of integers: the first that has every result right, else the one with the fewest wrong.
func exactSum(isDifference bool, a, b, y ir.Quant) (best geometry.AddParams, err error) {
	sign, fewest := 1., math.MaxInt
	if isDifference {
		sign = -1
	}
	for _, common := range commonScales(a.Scale, b.Scale, y.Scale) {
		p, err := geometry.NewAddParamsAt(geometry.RoundEven, common, a.Scale, int32(a.Zero), b.Scale, int32(b.Zero), y.Scale, int32(y.Zero), -128, 127)
		if err != nil {
			if fewest == math.MaxInt {
				return p, err
			}
			continue
		}
		if wrong := wrongSums(&p, sign, a, b, y, fewest); wrong < fewest {
			best, fewest = p, wrong
		}
		if fewest == 0 {
			break
		}
	}
	return best, nil
}

// commonScales are those to which the arguments of a sum may come: at least twice each.
func commonScales(a, b, y float64) []float64 {
	const others = 32
	least := 2 * max(a, b)
	_, e := math.Frexp(least)
	_, f := math.Frexp(least / y)
	// Twice the greater one and powers of two, of 1 or of the result's, keep halves what they are.
	list := []float64{least, math.Ldexp(1, e), y * math.Ldexp(1, f)}
	for k := range others {
		list = append(list, least*(1+float64(k+1)/others))
	}
	return list
}

// wrongSums counts the pairs of integers whose sum, or difference, is not the exact one; it
// stops at most.
func wrongSums(p *geometry.AddParams, sign float64, a, b, y ir.Quant, most int) int {
	wrong := 0
	var second [256]int64
	for i := range second {
		second[i] = int64(sign) * p.Rescale(int64(i-128-b.Zero)<<geometry.AddShift, p.MulB, p.ShiftB)
	}
	for i := range 256 {
		u := p.Rescale(int64(i-128-a.Zero)<<geometry.AddShift, p.MulA, p.ShiftA)
		ra := float64(i-128-a.Zero) * a.Scale
		for j, v := range second {
			got := float64(p.Rescale(u+v, p.MulY, p.ShiftY))
			if want := quotient(ra+sign*float64(j-128-b.Zero)*b.Scale, y.Scale); got != want && clamped(got, y) != clamped(want, y) {
				if wrong++; wrong == most {
					return wrong
				}
			}
		}
	}
	return wrong
}

// clamped is the integer of a quotient.
func clamped(x float64, y ir.Quant) float64 { return min(max(x+float64(y.Zero), -128), 127) }

// quotient is x/y rounded to the nearest integer, ties to even, without an error of the division.
func quotient(x, y float64) float64 {
	q := math.RoundToEven(x / y)
	// What is left of x decides where the quotient came to lie on a half.
	switch rest := math.FMA(-q, y, x); {
	case rest > y/2:
		return q + 1
	case rest < -y/2:
		return q - 1
	}
	return q
}
