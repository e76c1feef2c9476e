package tflite

import (
	"errors"
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// looked is a table by which TensorFlow Lite looks results up: reals in single precision,
// divided by the scale as a product with its inverse, ties away from zero.
func looked(f func(float64) float64, x, y ir.Quant) []int8 {
	t := make([]int8, 256)
	inverse := 1 / float32(y.Scale)
	for i, v := range realsOf(x) {
		t[i] = clamped(math.Round(float64(float32(f(float64(v)))*inverse)) + float64(y.Zero))
	}
	return t
}

func clamped(v float64) int8 { return int8(min(max(v, -128), 127)) }

// logarithms are the results of LOG: those of what is not positive are the least.
func logarithms(x, y ir.Quant) []int8 {
	least := float64(float32(-128-y.Zero) * float32(y.Scale))
	return looked(func(v float64) float64 {
		if v <= 0 {
			return least
		}
		return math.Log(v)
	}, x, y)
}

// roots are the results of SQRT, which are cut off; of negative arguments TensorFlow Lite
// has none.
func roots(x, y ir.Quant) []int8 {
	t := make([]int8, 256)
	for i, v := range realsOf(x) {
		t[i] = clamped(math.Trunc(float64(float32(math.Sqrt(max(float64(v), 0)))/float32(y.Scale))) + float64(y.Zero))
	}
	return t
}

// magnitudes are the results of ABS.
func magnitudes(x, y ir.Quant) ([]int8, error) {
	m, r, err := geometry.TFLiteMultiplierFor(float64(float32(x.Scale)/float32(y.Scale)), differenceReach)
	if err != nil {
		return nil, err
	}
	t := make([]int8, 256)
	for i := range t {
		d := int32(i - 128 - x.Zero)
		d = max(d, -d)
		if x.Scale != y.Scale {
			d = geometry.RequantTFLite(d, m, r)
		}
		t[i] = clamped(float64(d) + float64(y.Zero))
	}
	return t, nil
}

// negatives are the results of NEG, which turns the sign of integers as if they had no
// scale.
func negatives() []int8 {
	t := make([]int8, 256)
	for i := range t {
		t[i] = int8(128 - i) // wraps
	}
	return t
}

// inverseRoots are the results of RSQRT, in fixed point: 1/sqrt of the integer with 20
// bits, brought to the result's scale. What is 0 or less gives the greatest integer.
func inverseRoots(x, y ir.Quant) ([]int8, error) {
	m, r, err := geometry.MultiplierFor(1 / (math.Sqrt(float64(float32(x.Scale))) * y.Scale))
	if err != nil {
		return nil, err
	}
	const bits = 20
	if r += bits; r > 62 {
		return nil, errors.New("has a result too coarse for 32 bits")
	}
	t := make([]int8, 256)
	for i := range t {
		d := i - 128 - x.Zero
		if d <= 0 {
			t[i] = 127
			continue
		}
		mul, shift := kernels.InverseRoot(int32(d))
		root := geometry.RequantTFLite(1, mul, 31-(bits-shift))
		if left := 31 - r; left > 0 && int64(root)<<left > math.MaxInt32 {
			return nil, errors.New("has a result too fine for 32 bits")
		}
		t[i] = clamped(float64(geometry.RequantTFLite(root, m, r)) + float64(y.Zero))
	}
	return t, nil
}

// high32 is the rounding doubling high multiply.
func high32(a, b int32) int32 { return geometry.RequantTFLite(a, b, 31) }

func saturatingLeft(x int32, bits int) int32 {
	return int32(min(max(int64(x)<<bits, math.MinInt32), math.MaxInt32))
}

// ownTable are the results of a function whose integers TensorFlow Lite computes in its
// own way; nil of others.
func ownTable(op ir.Op, params []float64, x, y ir.Quant) ([]int8, error) {
	switch op {
	case ir.HardSwish:
		return hardSwish(x, y)
	case ir.Exp, ir.Elu, ir.Gelu:
		return looked(kernels.Function(op, params), x, y), nil
	case ir.Log:
		return logarithms(x, y), nil
	case ir.Sqrt:
		return roots(x, y), nil
	case ir.Abs:
		return magnitudes(x, y)
	case ir.Neg:
		return negatives(), nil
	}
	return nil, nil
}

// relabelled has the integers of a value under another scale and zero point.
func (im *importer) relabelled(name string, v *ir.Value, q ir.Quant) (*ir.Value, error) {
	if v.Type.Quant == q {
		return v, nil
	}
	return im.lookedUp(name, v, q, identity())
}

// identity is the table that gives each integer itself.
func identity() []int8 {
	t := make([]int8, 256)
	for i := range t {
		t[i] = int8(i - 128)
	}
	return t
}
