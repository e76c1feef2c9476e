package interp_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// compile makes a network of one operation, with random constants.
func compile(t *testing.T, rng *rand.Rand, shape, result, body string, consts map[string][]int) (*ir.Module, *interp.Float) {
	t.Helper()
	var tensors []weights.Tensor
	for _, name := range []string{"y.weight", "y.bias", "y.running_mean", "y.running_var", "h.weight", "h.bias"} {
		dims, ok := consts[name]
		if !ok {
			continue
		}
		x := make([]float32, ir.Shape(dims).Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64())
			if name == "y.running_var" {
				x[i] = float32(.5 + rng.Float64())
			}
		}
		raw, err := ir.FloatConst(name, dims, x).Load()
		require.NoError(t, err)
		tensors = append(tensors, weights.Tensor{Name: name, DType: weights.F32, Shape: dims, Data: raw})
	}
	dir := t.TempDir()
	var file bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&file, tensors))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "w.safetensors"), file.Bytes(), 0o644))
	src := fmt.Sprintf("tensors \"w.safetensors\"\nnetwork n(x: f32[%s] in [-4,4]) -> f32[%s] {\n%s\nreturn y\n}\n", shape, result, body)
	m, err := frontend.Parse(filepath.Join(dir, "n.dnn"), []byte(src), frontend.Options{})
	require.NoError(t, err)
	require.NoError(t, ir.Infer(m).Err())
	p, err := interp.CompileFloat(m)
	require.NoError(t, err)
	return m, p
}

// TestGradientsAgreeWithFiniteDifferences checks every operation: the scalar is
// a random combination of the results.
func TestGradientsAgreeWithFiniteDifferences(t *testing.T) {
	for _, c := range []struct {
		shape, result, body string
		consts              map[string][]int
	}{
		{"2,5,4", "3,5,4", "y = conv2d(x, filters: 3, kernel: 3, pad: 1)", map[string][]int{"y.weight": {3, 2, 3, 3}, "y.bias": {3}}},
		{"4,5,4", "4,2,2", "y = conv2d(x, filters: 4, kernel: 3, stride: 2, pad: [1,0,0,1], groups: 2, act: relu)", map[string][]int{"y.weight": {4, 2, 3, 3}, "y.bias": {4}}},
		{"2,6,6", "2,2,4", "y = conv2d(x, filters: 2, kernel: [3,2], dilation: [2,2])", map[string][]int{"y.weight": {2, 2, 3, 2}}},
		{"2,3,2", "5", "y = linear(x, units: 5, act: relu6)", map[string][]int{"y.weight": {5, 12}, "y.bias": {5}}},
		{"2,5,5", "2,2,2", "y = maxpool2d(x, kernel: 3, stride: 2)", nil},
		{"2,5,5", "2,3,3", "y = avgpool2d(x, kernel: 3, stride: 2, pad: 1)", nil},
		{"3,4,5", "3,1,1", "y = globalavgpool(x)", nil},
		{"3,4,5", "3,4,5", "y = relu(x)", nil},
		{"3,4,5", "3,4,5", "y = relu6(x)", nil},
		{"3,4,5", "3,4,5", "y = add(x, relu(x))", nil},
		{"3,4,5", "6,4,5", "y = concat(x, relu(x))", nil},
		{"3,4,5", "60", "y = flatten(x)", nil},
		{"3,4,5", "5,4,3", "y = reshape(x, shape: [5,4,3])", nil},
		{"3,4,5", "3,4,5", "y = batchnorm(x)", map[string][]int{"y.weight": {3}, "y.bias": {3}, "y.running_mean": {3}, "y.running_var": {3}}},
		{"7", "7", "y = softmax(x)", nil},
		{"3,4,5", "3,4,5", "y = sub(tanh(x), x)", nil},
		{"3,4,5", "3,4,5", "y = mul(x, sigmoid(x), act: relu)", nil},
		{"3,4,5", "3,4,5", "y = minimum(x, silu(x))", nil},
		{"3,4,5", "3,4,5", "y = maximum(x, erf(x))", nil},
		{"3,4,5", "3,4,5", "y = hardswish(leakyrelu(x, alpha: 0.2))", nil},
		{"3,4,5", "3,4,5", "y = gelu(elu(x))", nil},
		{"3,4,5", "3,4,5", "y = log(softplus(gelu(x, tanh: 1)))", nil},
		{"3,4,5", "3,4,5", "y = reciprocal(exp(hardsigmoid(x)))", nil},
		{"3,4,5", "3,4,5", "y = sqrt(exp(abs(neg(x))))", nil},
		{"3,4,5", "3,4,5", "y = clip(x, low: -0.7, high: 0.6)", nil},
		{"3,4,5", "5,3,4", "y = transpose(x, perm: [2,0,1])", nil},
		{"3,4,5", "2,4,3", "y = slice(x, start: [1,3,0], size: [2,4,3], step: [1,-1,2])", nil},
		{"1,4,5", "3,4,5", "y = expand(x, shape: [3,4,5])", nil},
		{"4,2,3", "1,4,6", "y = depthtospace(x, block: 2)", nil},
		{"1,4,6", "4,2,3", "y = spacetodepth(x, block: 2)", nil},
		{"2,2,3", "2,4,3", "y = resize(x, scale: [2,1])", nil},
		{"2,2,3", "2,5,4", "y = pad(x, before: [0,1,0], after: [0,1,1], between: [0,1,0], value: 0.5)", nil},
		{"2,2,3", "2,5,4", "y = pad(x, before: [0,2,1], after: [0,1,0], mode: edge)", nil},
		{"2,2,3", "3,4,6", "y = pad(x, before: [1,1,2], after: [0,1,1], mode: reflect)", nil},
		{"2,2,3", "4,4,6", "y = pad(x, before: [2,0,3], after: [0,2,0], mode: symmetric)", nil},
		{"2,2,3", "4,3,7", "y = pad(x, before: [0,1,3], after: [2,0,1], mode: wrap)", nil},
		{"2,6,5", "2,2,3", "y = maxpool2d(x, kernel: [3,2], stride: [2,1], dilation: [2,2], pad: [0,0,1,0])", nil},
		{"2,6,5", "2,4,5", "y = avgpool2d(x, kernel: 2, stride: 1, dilation: [3,2], pad: [1,1,0,1])", nil},
		{"2,3,2", "12", "const y.weight: f32[12,12]\nconst y.bias: f32[12]\na = linear(x, weight: y.weight, bias: y.bias)\ny = linear(tanh(a), weight: y.weight, bias: y.bias)", map[string][]int{"y.weight": {12, 12}, "y.bias": {12}}},
		{"2,2,3", "2", "y = reduce(x, axes: [1,2])", nil},
		{"2,2,3", "2,1,3", "y = reduce(x, fn: max, axes: [1], keep: 1)", nil},
		{"2,3,3", "2,3,3", "y = matmul(x, tanh(x))", nil},
		{"3,4,5", "3,4,5", "y = softmax(x, axis: 1)", nil},
		{"3,4,5", "3,4,5", "y = logsoftmax(x, axis: 2)", nil},
		{"3,4,5", "3,4,5", "y = normalize(x, mean: [0.1,0.2,0.3], std: [0.5,1,2])", nil},
	} {
		t.Run(c.body, func(t *testing.T) {
			ctx, rng := context.Background(), rand.New(rand.NewSource(7))
			m, p := compile(t, rng, c.shape, c.result, c.body, c.consts)
			const n, step = 3, 1. / 64
			x := make([]float32, n*p.Size(m.Inputs[0]))
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			u := make([]float32, n*p.Size(m.Outputs[0]))
			for i := range u {
				u[i] = float32(rng.NormFloat64())
			}
			scalar := func(p *interp.Float) float64 {
				y, err := p.Forward(ctx, x, n)
				require.NoError(t, err)
				sum := 0.0
				for i, v := range y {
					sum += float64(v) * float64(u[i])
				}
				return sum
			}
			size := p.Size(m.Outputs[0])
			got, err := interp.Gradient(ctx, p, x, n, true, func(i int, _, d []float32) { copy(d, u[i*size:(i+1)*size]) })
			require.NoError(t, err)
			check := func(what string, grad, at []float32, value func() float64) {
				norm := 0.0
				for _, g := range grad {
					norm = max(norm, math.Abs(float64(g)))
				}
				require.Positive(t, norm, what)
				wrong := 0
				for i := range grad {
					old := at[i]
					at[i] = old + step
					above := value()
					at[i] = old - step
					below := value()
					at[i] = old
					if math.Abs((above-below)/(2*step)-float64(grad[i])) > 1e-3*norm {
						wrong++ // a kink between the two: a few at most
					}
				}
				assert.LessOrEqual(t, wrong, len(grad)/20, what)
			}
			check("input", got.Input, x, func() float64 { return scalar(p) })
			layer := m.Ops[len(m.Ops)-1]
			if !layer.Op.HasWeights() {
				return
			}
			weight, err := layer.Const(ir.AttrWeight).Float32()
			require.NoError(t, err)
			bias := make([]float32, layer.Const(ir.AttrWeight).Type.Shape[0])
			if b := layer.Const(ir.AttrBias); b != nil {
				bias, err = b.Float32()
				require.NoError(t, err)
				check("bias", got.Consts[b], bias, func() float64 { return scalar(interp.Override(p, layer, weight, bias)) })
			}
			check("weight", got.Consts[layer.Const(ir.AttrWeight)], weight, func() float64 { return scalar(interp.Override(p, layer, weight, bias)) })
		})
	}
}

func TestGradientDoesNotDependOnTheBatch(t *testing.T) {
	ctx, rng := context.Background(), rand.New(rand.NewSource(1))
	_, p := lenet(t)
	const n = 35
	x := make([]float32, n*784)
	labels := make([]int, n)
	for i := range x {
		x[i] = rng.Float32()
	}
	whole, err := interp.Gradient(ctx, p, x, n, false, interp.Margin(labels))
	require.NoError(t, err)
	assert.Nil(t, whole.Consts)
	one, err := interp.Gradient(ctx, p, x[20*784:21*784], 1, false, interp.Margin(labels[20:21]))
	require.NoError(t, err)
	require.Equal(t, whole.Input[20*784:21*784], one.Input)
	require.Equal(t, whole.Output[200:210], one.Output)
	forward, err := p.Forward(ctx, x, n)
	require.NoError(t, err)
	require.Equal(t, forward, whole.Output)
	_, err = interp.Gradient(ctx, p, x[:5], n, false, interp.Margin(labels))
	assert.Error(t, err)
}

func TestMargin(t *testing.T) {
	d := make([]float32, 4)
	interp.Margin([]int{2})(0, []float32{1, 5, 9, 5}, d)
	assert.Equal(t, []float32{0, -1, 1, 0}, d)
	clear(d)
	interp.Margin(nil)(0, []float32{1, 5, 9, 5}, d)
	assert.Equal(t, []float32{0, -1, 1, 0}, d, "without labels, of the network's own answer")
}

// BenchmarkGradient is a gradient of the margin beside a forward pass, in images
// a second.
func BenchmarkGradient(b *testing.B) {
	for _, name := range []string{"lenet5", "alexnet", "vgg16"} {
		m, err := frontend.Load("../../testdata/"+name+"/"+name+".dnn", frontend.Options{})
		require.NoError(b, err)
		require.NoError(b, ir.Infer(m).Err())
		p, err := interp.CompileFloat(m)
		require.NoError(b, err)
		x := data.Synthesize(m.Inputs[0].Type.Shape, 0, 1, 64, 1)
		labels := make([]int, x.N)
		b.Run(name+"/forward", func(b *testing.B) {
			for b.Loop() {
				_, err := p.Forward(context.Background(), x.X, x.N)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.N*x.N)/b.Elapsed().Seconds(), "images/s")
		})
		back, err := interp.NewBackward(p)
		require.NoError(b, err)
		b.Run(name+"/gradient", func(b *testing.B) {
			for b.Loop() {
				_, err := back.Gradient(context.Background(), x.X, x.N, false, interp.Margin(labels))
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.N*x.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

// TestSeveralInputs feeds records of two inputs: results and gradients are those of
// each input where it stands in the record.
func TestSeveralInputs(t *testing.T) {
	a := &ir.Value{Name: "a", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: ir.Shape{2}}, Range: &ir.Range{Hi: 1}}
	b := &ir.Value{Name: "b", Type: a.Type, Range: &ir.Range{Hi: 1}}
	n := &ir.Node{Op: ir.Mul, Args: []*ir.Value{a, b}, Out: &ir.Value{Name: "y", Type: a.Type}}
	n.Out.Def = n
	m := &ir.Module{Name: "m", Inputs: []*ir.Value{a, b}, Outputs: []*ir.Value{n.Out}, Results: []ir.Type{a.Type}, Ops: []*ir.Node{n}}
	p, err := interp.CompileFloat(m)
	require.NoError(t, err)
	x := []float32{1, 2, 3, 4, 5, 6, 7, 8} // two records
	y, err := p.Forward(t.Context(), x, 2)
	require.NoError(t, err)
	assert.Equal(t, []float32{3, 8, 35, 48}, y)
	g, err := interp.Gradient(t.Context(), p, x, 2, false, func(_ int, _, d []float32) { d[0], d[1] = 1, 10 })
	require.NoError(t, err)
	assert.Equal(t, []float32{3, 40, 1, 20, 7, 80, 5, 60}, g.Input)
	_, err = p.Forward(t.Context(), x[:6], 2)
	assert.ErrorContains(t, err, "6 elements are not 2 images of m, whose inputs have 4")
}
