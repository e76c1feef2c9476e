package kernels

import (
	"math"

	"github.com/dnnc/dnnc/ir"
)

// function is a real function with its derivative; p are its numbers.
type function struct {
	value, slope func(x float64, p []float64) float64
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func clamp01(x float64) float64 { return min(max(x, 0), 1) }

// normal is the distribution function of the normal distribution.
func normal(x float64) float64 { return .5 * (1 + math.Erf(x/math.Sqrt2)) }

// geluTanh is the approximation of gelu.
func geluTanh(x float64) float64 {
	return .5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+.044715*x*x*x)))
}

// difference is a derivative by a central difference, where no formula is short.
func difference(f func(x float64, p []float64) float64) func(x float64, p []float64) float64 {
	const h = 1e-5
	return func(x float64, p []float64) float64 { return (f(x+h, p) - f(x-h, p)) / (2 * h) }
}

func gelu(x float64, p []float64) float64 {
	if len(p) > 0 && p[0] != 0 {
		return geluTanh(x)
	}
	return x * normal(x)
}

// swishFactor is the number of silu, 1 in dumps from before it had one.
func swishFactor(p []float64) float64 {
	if len(p) > 0 {
		return p[0]
	}
	return 1
}

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// flat is the derivative of what is constant but for its steps.
func flat(float64, []float64) float64 { return 0 }

// plain is a function without numbers.
func plain(f func(x float64) float64) func(x float64, p []float64) float64 {
	return func(x float64, _ []float64) float64 { return f(x) }
}

func sign(x float64) float64 { return step(x > 0, 1, step(x < 0, -1, 0)) }

func step(on bool, yes, no float64) float64 {
	if on {
		return yes
	}
	return no
}

// functions are those of the operations of the class Function; their numbers stand in
// the order of the operations' attributes.
var functions = [ir.NumOps]function{
	ir.Sigmoid: {func(x float64, _ []float64) float64 { return sigmoid(x) },
		func(x float64, _ []float64) float64 { return sigmoid(x) * (1 - sigmoid(x)) }},
	ir.Tanh: {func(x float64, _ []float64) float64 { return math.Tanh(x) },
		func(x float64, _ []float64) float64 { t := math.Tanh(x); return 1 - float64(t*t) }},
	ir.HardSigmoid: {func(x float64, p []float64) float64 { return clamp01(float64(p[0]*x) + p[1]) },
		func(x float64, p []float64) float64 {
			v := float64(p[0]*x) + p[1]
			return step(v > 0 && v < 1, p[0], 0)
		}},
	ir.HardSwish: {func(x float64, _ []float64) float64 { return x * clamp01(x/6+.5) },
		func(x float64, _ []float64) float64 { return step(x <= -3, 0, step(x >= 3, 1, x/3+.5)) }},
	ir.LeakyRelu: {func(x float64, p []float64) float64 { return step(x >= 0, x, p[0]*x) },
		func(x float64, p []float64) float64 { return step(x >= 0, 1, p[0]) }},
	ir.Elu: {func(x float64, p []float64) float64 { return step(x >= 0, x, p[0]*math.Expm1(x)) },
		func(x float64, p []float64) float64 { return step(x >= 0, 1, p[0]*math.Exp(x)) }},
	ir.Gelu: {gelu, difference(gelu)},
	ir.Silu: {func(x float64, p []float64) float64 { return x * sigmoid(float64(swishFactor(p)*x)) },
		func(x float64, p []float64) float64 {
			a := swishFactor(p)
			s := sigmoid(float64(a * x))
			return s + float64(a*x*s*(1-s))
		}},
	ir.Softplus: {plain(softplus),
		func(x float64, _ []float64) float64 { return sigmoid(x) }},
	ir.Softsign: {func(x float64, _ []float64) float64 { return x / (1 + math.Abs(x)) },
		func(x float64, _ []float64) float64 { d := 1 + math.Abs(x); return 1 / float64(d*d) }},
	ir.Exp: {func(x float64, _ []float64) float64 { return math.Exp(x) },
		func(x float64, _ []float64) float64 { return math.Exp(x) }},
	ir.Log: {func(x float64, _ []float64) float64 { return math.Log(x) },
		func(x float64, _ []float64) float64 { return 1 / x }},
	ir.Sqrt: {func(x float64, _ []float64) float64 { return math.Sqrt(x) },
		func(x float64, _ []float64) float64 { return .5 / math.Sqrt(x) }},
	ir.Abs: {func(x float64, _ []float64) float64 { return math.Abs(x) },
		plain(sign)},
	ir.Neg: {func(x float64, _ []float64) float64 { return -x },
		func(float64, []float64) float64 { return -1 }},
	ir.Erf: {func(x float64, _ []float64) float64 { return math.Erf(x) },
		func(x float64, _ []float64) float64 { return 2 / math.Sqrt(math.Pi) * math.Exp(-float64(x*x)) }},
	ir.Reciprocal: {func(x float64, _ []float64) float64 { return 1 / x },
		func(x float64, _ []float64) float64 { return -1 / float64(x*x) }},
	ir.Clip: {func(x float64, p []float64) float64 { return min(max(x, p[0]), p[1]) },
		func(x float64, p []float64) float64 { return step(x > p[0] && x < p[1], 1, 0) }},
	ir.Pow: {func(x float64, p []float64) float64 { return math.Pow(float64(p[1]*x)+p[2], p[0]) },
		func(x float64, p []float64) float64 { return p[0] * p[1] * math.Pow(float64(p[1]*x)+p[2], p[0]-1) }},
	ir.Mish: {plain(func(x float64) float64 { return x * math.Tanh(softplus(x)) }),
		plain(func(x float64) float64 {
			t := math.Tanh(softplus(x))
			return t + float64(x*(1-float64(t*t))*sigmoid(x))
		})},
	ir.Selu: {func(x float64, p []float64) float64 { return p[1] * step(x >= 0, x, p[0]*math.Expm1(x)) },
		func(x float64, p []float64) float64 { return p[1] * step(x >= 0, 1, p[0]*math.Exp(x)) }},
	ir.Celu: {func(x float64, p []float64) float64 { return step(x >= 0, x, p[0]*math.Expm1(x/p[0])) },
		func(x float64, p []float64) float64 { return step(x >= 0, 1, math.Exp(x/p[0])) }},
	ir.ThresholdedRelu: {func(x float64, p []float64) float64 { return step(x > p[0], x, 0) },
		func(x float64, p []float64) float64 { return step(x > p[0], 1, 0) }},
	ir.Shrink: {func(x float64, p []float64) float64 { return step(x > p[0], x-p[1], step(x < -p[0], x+p[1], 0)) },
		func(x float64, p []float64) float64 { return step(math.Abs(x) > p[0], 1, 0) }},
	ir.Sign:  {plain(sign), flat},
	ir.Round: {plain(math.RoundToEven), flat},
	ir.Floor: {plain(math.Floor), flat},
	ir.Ceil:  {plain(math.Ceil), flat},
	ir.Step:  {func(x float64, p []float64) float64 { return step(x == p[0], p[1], step(x > p[0], 1, 0)) }, flat},
	ir.Sin:   {plain(math.Sin), plain(math.Cos)},
	ir.Cos:   {plain(math.Cos), plain(func(x float64) float64 { return -math.Sin(x) })},
	ir.Tan:   {plain(math.Tan), plain(func(x float64) float64 { t := math.Tan(x); return 1 + float64(t*t) })},
	ir.Asin:  {plain(math.Asin), plain(func(x float64) float64 { return 1 / math.Sqrt(1-float64(x*x)) })},
	ir.Acos:  {plain(math.Acos), plain(func(x float64) float64 { return -1 / math.Sqrt(1-float64(x*x)) })},
	ir.Atan:  {plain(math.Atan), plain(func(x float64) float64 { return 1 / (1 + float64(x*x)) })},
	ir.Sinh:  {plain(math.Sinh), plain(math.Cosh)},
	ir.Cosh:  {plain(math.Cosh), plain(math.Sinh)},
	ir.Asinh: {plain(math.Asinh), plain(func(x float64) float64 { return 1 / math.Sqrt(float64(x*x)+1) })},
	ir.Acosh: {plain(math.Acosh), plain(func(x float64) float64 { return 1 / math.Sqrt(float64(x*x)-1) })},
	ir.Atanh: {plain(math.Atanh), plain(func(x float64) float64 { return 1 / (1 - float64(x*x)) })},
}

func init() {
	const place = "runtime/kernels/function.go"
	ir.AddColumn(ir.Column{Name: "function", Place: place, Needs: ir.Op.IsFunction, Has: func(op ir.Op) bool { return functions[op].value != nil }})
	ir.AddColumn(ir.Column{Name: "slope", Place: place, Needs: ir.Op.IsFunction, Has: func(op ir.Op) bool { return functions[op].slope != nil }})
}

// Function is the function of reals that an operation computes, with its numbers; nil
// where there is none.
func Function(op ir.Op, p []float64) func(x float64) float64 { return bound(functions[op].value, p) }

// FunctionSlope is its derivative; nil where there is none.
func FunctionSlope(op ir.Op, p []float64) func(x float64) float64 {
	return bound(functions[op].slope, p)
}

func bound(f func(x float64, p []float64) float64, p []float64) func(x float64) float64 {
	if f == nil {
		return nil
	}
	return func(x float64) float64 { return f(x, p) }
}

// FunctionTable is R14: the nearest integer to f of each i8, from -128 to 127,
// ties away from zero; what f has no value for is the zero point.
func FunctionTable(f func(float64) float64, scaleX float64, zeroX int, scaleY float64, zeroY int) []int8 {
	t := make([]int8, 256)
	for i := range t {
		y := math.Round(f(float64(scaleX*float64(i-128-zeroX)))/scaleY) + float64(zeroY)
		if math.IsNaN(y) {
			y = float64(zeroY)
		}
		t[i] = int8(min(max(y, -128), 127))
	}
	return t
}

// TableInt looks every element up.
func TableInt(table []int8, x, y []int8) {
	for i, v := range x {
		y[i] = table[int(v)+128]
	}
}
