package kernels

import (
	"math"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// Interpolated is R14 of an element of 16 bits: the value of a table at every 128th integer from -32768
// on, and a straight line between two of them, rounded half up.
func Interpolated(table []int16, x int16) int16 {
	i, offset := 256+int(x)>>7, int32(x)&127
	base := int32(table[i])
	return int16(base + ((int32(table[i+1])-base)*offset+64)>>7)
}

// TableWide is R14 of i16.
func TableWide(table []int16, x, y []int16) {
	for i, v := range x {
		y[i] = Interpolated(table, v)
	}
}

// WideFunctionTable is the table of R14 of i16: f at every 128th integer, from -32768 on, less half of
// what the straight line to the next one is above f between them; of what f has no value for 0. The
// result has the scale scaleY and the zero point 0.
func WideFunctionTable(f func(float64) float64, scaleX, scaleY float64) []int16 {
	t := make([]int16, ir.WideTable)
	at := func(x float64) float64 {
		y := math.Round(f(float64(scaleX*x)) / scaleY)
		if math.IsNaN(y) {
			return 0
		}
		return min(max(y, math.MinInt16), math.MaxInt16)
	}
	for i := range t {
		x := float64(128*i) + math.MinInt16
		y := at(x)
		if i+1 < len(t) {
			y -= math.Round((math.Round((y+at(x+128))/2) - at(x+64)) / 2)
		}
		t[i] = int16(min(max(y, math.MinInt16), math.MaxInt16))
	}
	return t
}

// HalfSigmoid is the table of R14 of sigmoid and tanh of i16: 2^16 times the sigmoid of i/24 and half of
// what it is above a straight line to the next one between them, less 2^15. The last entry is the greatest.
func HalfSigmoid() []int16 {
	t := make([]int16, ir.SigmoidTable)
	at := func(i float64) float64 { return sigmoid(i / 24) }
	for i := range t {
		x := float64(i)
		above := at(x+.5) - (at(x)+at(x+1))/2
		t[i] = int16(math.Round(float64((at(x)+above/2)*(1<<16))) - 1<<15)
	}
	t[len(t)-1] = math.MaxInt16
	return t
}

// SigmoidFactor is the multiplier and the shift that bring an argument of a scale to the steps between
// the entries of HalfSigmoid, of 9 bits for a sigmoid and of 8 for a tanh (R14).
func SigmoidFactor(scale float64) (mul, shift int32) {
	factor := scale * 4096 * 3
	for factor <= math.MaxInt16/2. && shift <= 30 {
		factor, shift = 2*factor, shift+1
	}
	return int32(min(factor, math.MaxInt16)), shift
}

// SigmoidWide is R14 of sigmoid, or with isTanh of tanh, of i16. The result has the scale 2^-15.
func SigmoidWide(table []int16, isTanh bool, mul, shift int32, x, y []int16) {
	half := int32(int64(1) << shift >> 1) // of 31 bits, too
	for i, v := range x {
		y[i] = int16(HalfSigmoidAt(table, isTanh, (int32(v)*mul+half)>>shift))
	}
}

// HalfSigmoidAt is 2^15 times the sigmoid, or with isTanh the tanh, of x, of which 24*2^9 are 1 (R14).
func HalfSigmoidAt(table []int16, isTanh bool, x int32) int32 {
	part, most := 9, int32(math.MaxInt16-1)<<9 // bits between two entries, and what there is after them
	if isTanh {
		part, most = 8, math.MaxInt16<<8
	}
	size := max(x, -x)
	r := most // 2^part times the table
	if at := size >> part; at < ir.SigmoidTable-1 {
		base := int32(table[at])
		r = base<<part + (int32(table[at+1])-base)*(size&(1<<part-1))
	}
	if x < 0 {
		r = -r - 1
	}
	if isTanh {
		return (r + 1<<7) >> 8
	}
	return (1<<24 + r + 1<<9) >> 10
}

// The bits of the tables and shifts of a softmax of i16 (R15).
const (
	softmaxSpan    = 10. // distances from the maximum in the table of exponentials
	softmaxDivisor = 14  // bits that a sum of exponentials loses to become an argument of the reciprocals
)

// SoftmaxWideTables are the tables of R15 of i16: exponentials of -10 to 0, and reciprocals of 1 to 2, both
// times 2^15.
func SoftmaxWideTables() []int16 {
	const scale = 1. / (1 << 15)
	return slices.Concat(
		lookup(func(x float64) float64 { return math.Exp(x) }, -softmaxSpan, softmaxSpan/math.MaxUint16, scale),
		lookup(func(x float64) float64 { return 1 / (1 + x) }, 0, 1./math.MaxUint16, scale))
}

// lookup is a table of a function from a real on, of integers of a scale, as TensorFlow Lite makes it: the
// last entry is 65535 integers after the first.
func lookup(f func(float64) float64, from, scaleX, scaleY float64) []int16 {
	t := make([]int16, ir.WideTable)
	step := scaleX * math.MaxUint16 / (ir.WideTable - 1)
	at := func(x float64) float64 { return math.Round(f(x) / scaleY) }
	bound := func(y float64) int16 { return int16(min(max(y, math.MinInt16), math.MaxInt16)) }
	for i := range ir.WideTable - 1 {
		x := from + float64(float64(i)*step)
		y := at(x)
		between := math.Round((f(from+float64(float64(i+1)*step))/scaleY + y) / 2)
		t[i] = bound(y - math.Round((between-at(x+step/2))/2))
	}
	t[ir.WideTable-1] = bound(at(from + scaleX*math.MaxUint16))
	return t
}

// SoftmaxWideFactor is the multiplier and the shift of the distances from the maximum (R15).
func SoftmaxWideFactor(scale float64) (mul, shift int32, err error) {
	return geometry.TFLiteMultiplierFor(scale/(softmaxSpan/math.MaxUint16), math.MaxUint16)
}

// SoftmaxWide is R15 of i16. Elements whose mask is 0 take no part, and are 0.
func SoftmaxWide(tables []int16, mul, shift int32, x []int16, mask []byte, y []int16) {
	top := int16(math.MinInt16)
	for i, v := range x {
		if takesPart(mask, i) {
			top = max(top, v)
		}
	}
	exponentials, reciprocals := tables[:ir.WideTable], tables[ir.WideTable:]
	sum := int32(0)
	for i, v := range x {
		y[i] = 0
		if takesPart(mask, i) {
			d := int64(geometry.RequantTFLite(int32(v)-int32(top), mul, shift)) + math.MaxInt16
			y[i] = Interpolated(exponentials, int16(min(max(d, math.MinInt16), math.MaxInt16)))
		}
		sum += int32(y[i])
	}
	sum = max(sum, 1) // where none takes part
	left := bits.LeadingZeros32(uint32(sum)) - 1
	shifted := (int32(sum<<left) + 1<<(softmaxDivisor-1)) >> softmaxDivisor // 2^16 times 1 to 2
	reciprocal := int32(Interpolated(reciprocals, int16(min(max(shifted-(1<<15+1<<16), math.MinInt16), math.MaxInt16))))
	right := 30 - left
	for i, e := range y {
		r := (int64(e)*int64(reciprocal) + 1<<right>>1) >> right
		y[i] = int16(min(max(r, 0), math.MaxInt16))
	}
}
