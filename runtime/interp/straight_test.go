package interp_test

import (
	"math"
	"math/rand"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// quantized is a network before and after quantization to 8 bits, calibrated on images.
func quantized(t testing.TB, m *ir.Module, b data.Batch) (f, q *ir.Module) {
	t.Helper()
	env := &pass.Env{Level: pass.Int8, Calibration: func() (data.Batch, error) { return b, nil }}
	f = m.Clone()
	require.NoError(t, passes.Table.Run(t.Context(), f, env, pass.Options{StopAfter: passes.Robust}))
	q = f.Clone()
	require.NoError(t, passes.Table.Run(t.Context(), q, env, pass.Options{StopAfter: passes.Quantized}))
	return f, q
}

func normals(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// TestStraightSlopesAreThoseOfTheSmoothedNetwork holds the slopes of each operation's integers
// to central differences of the network without roundings, by the weights and biases of a layer
// before it. Rounding to 8 bits takes some elements over a kink, one in some hundred, and the root
// of this share is how far the slopes are from each other.
func TestStraightSlopesAreThoseOfTheSmoothedNetwork(t *testing.T) {
	const h = "h = conv2d(x, filters: 4, kernel: 3, pad: 1)\n"
	conv := map[string][]int{"h.weight": {4, 2, 3, 3}, "h.bias": {4}}
	for _, c := range []struct {
		result, body string
		consts       map[string][]int
	}{
		{"4,5,6", "h = conv2d(normalize(x, mean: [0.5,-0.5], std: [2,3]), filters: 4, kernel: 3, pad: 1, act: relu)\ny = maxpool2d(h, kernel: 1)", conv}, // padding has values
		{"4,3,3", "h = conv2d(x, filters: 4, kernel: 3, stride: 2, pad: 1, groups: 2, act: relu)\ny = maxpool2d(h, kernel: 1)", map[string][]int{"h.weight": {4, 1, 3, 3}, "h.bias": {4}}},
		{"3,4,2", h + "y = conv2d(h, filters: 3, kernel: [2,3], dilation: [1,2])", map[string][]int{"h.weight": {4, 2, 3, 3}, "h.bias": {4}, "y.weight": {3, 4, 2, 3}, "y.bias": {3}}},
		{"7", h + "y = linear(h, units: 7, act: relu)", map[string][]int{"h.weight": {4, 2, 3, 3}, "h.bias": {4}, "y.weight": {7, 120}}},
		{"4,3,3", h + "y = maxpool2d(h, kernel: 2, pad: [0,0,1,0])", conv},
		{"4,3,3", h + "y = avgpool2d(h, kernel: 2, pad: [0,0,1,0])", conv},
		{"4,1,1", h + "y = globalavgpool(h)", conv},
		{"4,5,6", h + "y = add(h, sigmoid(h), act: relu)", conv},
		{"4,5,6", h + "y = sub(tanh(h), h)", conv},
		{"4,5,6", h + "y = mul(h, sigmoid(h))", conv},
		{"4,5,6", h + "y = minimum(h, silu(h))", conv},
		{"4,5,6", h + "y = maximum(h, hardswish(h))", conv},
		{"8,5,6", h + "y = concat(h, relu(h))", conv},
		{"120", h + "y = flatten(h)", conv},
		{"6,4,5", h + "y = transpose(h, perm: [2,0,1])", conv},
		{"2,4,3", h + "y = slice(h, start: [1,3,0], size: [2,4,3], step: [1,-1,2])", conv},
		{"4,7,6", h + "y = pad(h, before: [0,1,0], after: [0,1,0], value: 0.5)", conv},
		{"4,5", h + "y = reduce(h, axes: [2])", conv},
		{"4,5", h + "y = reduce(h, fn: max, axes: [2])", conv},
		{"4,5,6", h + "y = softmax(tanh(h), axis: 0)", conv},
		{"4,5,5", h + "y = matmul(tanh(h), transpose(h, perm: [0,2,1]))", conv},
		{"4,5,6", "const h.weight: f32[2,2,3,3]\nconst h.bias: f32[2]\nh = conv2d(x, weight: h.weight, bias: h.bias, kernel: 3, pad: 1)\ng = conv2d(relu(h), weight: h.weight, bias: h.bias, kernel: 3, pad: 1)\ny = concat(h, g)", map[string][]int{"h.weight": {2, 2, 3, 3}, "h.bias": {2}}},
	} {
		t.Run(c.body, func(t *testing.T) {
			ctx, rng := t.Context(), rand.New(rand.NewSource(7))
			m, _ := compile(t, rng, "2,5,6", c.result, c.body, c.consts)
			const n, step = 40, 1. / 64
			b := data.Batch{N: n, Shape: []int{2, 5, 6}, X: normals(rng, n*60)}
			wider := b // that no bound holds what follows
			wider.X = make([]float32, len(b.X))
			for i, v := range b.X {
				wider.X[i] = 1.25 * v
			}
			f, q := quantized(t, m, wider)
			s, err := interp.NewStraight(f, q, 0)
			require.NoError(t, err)
			x := interp.QuantizeInputs(q, b.X)
			interp.Dequantize(q.Inputs[0].Type.Quant, x, b.X)
			size := ir.Shape(m.Outputs[0].Type.Shape).Size()
			u := normals(rng, n*size)
			values := s.Program().Tensors(n)
			s.Program().Feed(values, x, n)
			got, err := s.Slopes(ctx, values, n, func(i int, _, d []float32) { copy(d, u[i*size:(i+1)*size]) })
			require.NoError(t, err)
			smooth, err := interp.CompileFloat(f)
			require.NoError(t, err)
			layer := f.Layers()[0]
			weight, bias := s.Layers[0].Weight, s.Layers[0].Bias
			scalar := func() float64 {
				y, err := interp.Override(smooth, layer, weight, bias).Forward(ctx, b.X, n)
				require.NoError(t, err)
				sum := 0.0
				for i, v := range y {
					sum += float64(v) * float64(u[i])
				}
				return sum
			}
			check := func(what string, grad, at []float32) {
				require.Len(t, grad, len(at))
				norm, off := 0.0, 0.0
				for i := range grad {
					old := at[i]
					at[i] = old + step
					above := scalar()
					at[i] = old - step
					want := (above - scalar()) / (2 * step)
					at[i] = old
					norm, off = norm+want*want, off+(want-float64(grad[i]))*(want-float64(grad[i]))
				}
				assert.Less(t, math.Sqrt(off/norm), .15, what)
			}
			check("weight", got[0].Weight, weight)
			check("bias", got[0].Bias, bias)
		})
	}
}

// TestStraightEqualsOnAnyNumberOfCores, and from any operation on.
func TestStraightEqualsOnAnyNumberOfCores(t *testing.T) {
	m, _ := lenet(t)
	b := data.Synthesize(m.Inputs[0].Type.Shape, 0, 1, 21, 3)
	f, q := quantized(t, m, b)
	slopes := func(from int) []interp.RealLayer {
		s, err := interp.NewStraight(f, q, from)
		require.NoError(t, err)
		p := s.Program()
		keep := []*ir.Value{}
		for _, o := range q.Ops[:from] {
			keep = append(keep, o.Out)
		}
		values := p.Tensors(b.N, keep...)
		p.Feed(values, interp.QuantizeInputs(q, b.X), b.N)
		require.NoError(t, p.Run(t.Context(), values, b.N, 0, from))
		got, err := s.Slopes(t.Context(), values, b.N, func(i int, out, d []float32) {
			for k, v := range out {
				d[k] = v * float32(i+1)
			}
		})
		require.NoError(t, err)
		return got
	}
	whole := slopes(0)
	for _, cores := range []int{1, 3} {
		was := runtime.GOMAXPROCS(cores)
		assert.Equal(t, whole, slopes(0))
		runtime.GOMAXPROCS(was)
	}
	part := slopes(2) // from the second layer on
	assert.Nil(t, part[0].Weight)
	assert.Equal(t, whole[1:], part[1:])
}

// TestStraightBounds: what a bound holds has no slope.
func TestStraightBounds(t *testing.T) {
	m, _ := compile(t, rand.New(rand.NewSource(1)), "1", "3", "y = linear(x, units: 3)", map[string][]int{"y.weight": {3, 1}, "y.bias": {3}})
	f, q := quantized(t, m, data.Batch{N: 2, Shape: []int{1}, X: []float32{-.5, .5}})
	s, err := interp.NewStraight(f, q, 0)
	require.NoError(t, err)
	p := s.Program()
	slopes := func(x float32) []interp.RealLayer {
		values := p.Tensors(1)
		p.Feed(values, interp.QuantizeInputs(q, []float32{x}), 1)
		got, err := s.Slopes(t.Context(), values, 1, func(_ int, _, d []float32) { copy(d, []float32{1, 1, 1}) })
		require.NoError(t, err)
		return got
	}
	assert.Equal(t, []float32{1, 1, 1}, slopes(0)[0].Bias)
	assert.Contains(t, slopes(4)[0].Bias, float32(0), "far beyond what calibration saw")
}

// TestStraightRefuses an operation without a gradient, by its name, and modules that do not
// belong together.
func TestStraightRefuses(t *testing.T) {
	m, _ := compile(t, rand.New(rand.NewSource(1)), "4", "1", "h = linear(x, units: 3)\ny = argmax(h)", map[string][]int{"h.weight": {3, 4}})
	f, q := quantized(t, m, data.Synthesize([]int{4}, 0, 1, 3, 1))
	_, err := interp.NewStraight(f, q, 0)
	assert.EqualError(t, err, "y: argmax has no gradient")
	_, err = interp.NewStraight(q, q, 0)
	assert.ErrorContains(t, err, "is not the float network of")
	_, err = interp.NewStraight(f, f, 0)
	assert.ErrorContains(t, err, "is not quantized")
}
