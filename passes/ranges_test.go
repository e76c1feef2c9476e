package passes_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/onnx"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// constant is an f32 constant of a network of a test.
type constant struct {
	name  string
	shape []int
	at    func(i int) float64
}

// normal draws numbers of a standard deviation.
func normal(seed uint64, deviation float64) func(int) float64 {
	rng := rand.New(rand.NewPCG(seed, 8))
	return func(int) float64 { return rng.NormFloat64() * deviation }
}

func always(x float64) func(int) float64 { return func(int) float64 { return x } }

// scaled are the constants of a batchnorm that scales and shifts.
func scaled(name string, size int, scale, shift func(int) float64) []constant {
	return []constant{{name + ".weight", []int{size}, scale}, {name + ".bias", []int{size}, shift},
		{name + ".running_mean", []int{size}, always(0)}, {name + ".running_var", []int{size}, always(1)}}
}

// network reads a source with constants.
func network(t *testing.T, src string, constants ...constant) *ir.Module {
	t.Helper()
	var tensors []weights.Tensor
	for _, c := range constants {
		x := make([]float32, ir.Shape(c.shape).Size())
		for i := range x {
			x[i] = float32(c.at(i))
		}
		raw, err := ir.FloatConst(c.name, c.shape, x).Load()
		require.NoError(t, err)
		tensors = append(tensors, weights.Tensor{Name: c.name, DType: weights.F32, Shape: c.shape, Data: raw})
	}
	dir := t.TempDir()
	var file bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&file, tensors))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "w.safetensors"), file.Bytes(), 0o644))
	m, err := frontend.Parse(filepath.Join(dir, "net.dnn"), []byte("tensors \"w.safetensors\"\n"+src), frontend.Options{})
	require.NoError(t, err)
	return m
}

// outputs runs a module on a batch of its one input.
func outputs[T float32 | int8](t *testing.T, p *interp.Program[T], x []T, n int) [][]T {
	t.Helper()
	m := p.Module
	values := p.Tensors(n, m.Outputs...)
	values[p.ID(m.Inputs[0])] = x
	require.NoError(t, p.Run(context.Background(), values, n, 0, len(m.Ops)))
	var out [][]T
	for _, o := range m.Outputs {
		out = append(out, values[p.ID(o)])
	}
	return out
}

// noise is the signal-to-quantization-noise ratio of each output of a network in int8, in
// decibels, on other inputs than those that it was calibrated on; and the integers.
func noise(t *testing.T, m *ir.Module) ([]float64, *ir.Module) {
	t.Helper()
	in := m.Inputs[0]
	lo, hi := float32(in.Range.Lo), float32(in.Range.Hi)
	return noiseOn(t, m, data.Synthesize(in.Type.Shape, lo, hi, 64, 1), data.Synthesize(in.Type.Shape, lo, hi, 64, 2))
}

// noiseOn is noise on given images.
func noiseOn(t *testing.T, m *ir.Module, calib, x data.Batch) ([]float64, *ir.Module) {
	t.Helper()
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Seed: 1,
		Calibration: func() (data.Batch, error) { return calib, nil }}
	exact := m.Clone()
	require.NoError(t, passes.Table.Run(context.Background(), exact, env, pass.Options{StopAfter: "infer"}))
	f, err := interp.CompileFloat(exact)
	require.NoError(t, err)
	want := outputs(t, f, x.X, x.N)
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}))
	p, err := interp.CompileInt(m)
	require.NoError(t, err)
	got := outputs(t, p, interp.QuantizeInputs(m, x.X), x.N)
	var ratios []float64
	for i, ints := range got {
		y := make([]float32, len(ints))
		interp.Dequantize(m.Outputs[i].Type.Quant, ints, y)
		signal, lost := 0., 0.
		for k, v := range want[i] {
			signal += float64(v) * float64(v)
			lost += float64(v-y[k]) * float64(v-y[k])
		}
		ratios = append(ratios, 10*math.Log10(signal/lost))
	}
	return ratios, m
}

// count is how many operations of a kind a module has.
func count(m *ir.Module, op ir.Op) int {
	n := 0
	for _, o := range m.Ops {
		if o.Op == op {
			n++
		}
	}
	return n
}

// TestConcatDoesNotLeak: a value that goes into a concat beside one 64 times as large is
// as exact in its other uses as without the concat.
func TestConcatDoesNotLeak(t *testing.T) {
	const source = `network net(i: f32[3,8,8] in [0,1]) -> f32[4,4,4]%s {
  conv = conv2d(i, filters: 4, kernel: 3)
  s = sigmoid(conv)%s
  z = conv2d(s, filters: 4, kernel: 3)
  return z%s
}
`
	parse := func(shape, leak, result string) *ir.Module {
		return network(t, fmt.Sprintf(source, shape, leak, result), append([]constant{{"conv.weight", []int{4, 3, 3, 3}, normal(1, .5)},
			{"z.weight", []int{4, 4, 3, 3}, normal(2, .5)}}, scaled("m", 4, always(64), always(0))...)...)
	}
	alone, _ := noise(t, parse("", "", ""))
	for name, leak := range map[string]string{
		"concat":  "\n  m = batchnorm(s, eps: 0)\n  c = concat(m, s)",
		"copies":  "\n  m = batchnorm(s, eps: 0)\n  c = concat(m, transpose(transpose(s, perm: [0,2,1]), perm: [0,2,1]))",
		"pooling": "\n  m = batchnorm(s, eps: 0)\n  c = concat(maxpool2d(m, kernel: 2), maxpool2d(s, kernel: 2))",
		"maximum": "\n  m = batchnorm(s, eps: 0)\n  c = maximum(m, s)",
		"average": "\n  m = batchnorm(s, eps: 0)\n  c = concat(avgpool2d(m, kernel: 3), avgpool2d(s, kernel: 3))",
		"pad":     "\n  m = batchnorm(s, eps: 0)\n  c = concat(m, pad(s, before: [0,0,0], after: [4,0,0], value: 70))",
	} {
		shape := map[string]string{"pooling": "[8,3,3]", "maximum": "[4,6,6]", "average": "[8,2,2]", "pad": "[12,6,6]"}[name]
		if shape == "" {
			shape = "[8,6,6]"
		}
		ratios, _ := noise(t, parse(", f32"+shape, leak, ", c"))
		assert.InDelta(t, alone[0], ratios[0], .5, "%s: %.1f dB, alone %.1f", name, ratios[0], alone[0])
	}
}

// TestLogSoftmaxOfIntegers: where a dump keeps it past legalize, as models of integers do, each result is within
// a rounding of the reals of its argument's integers; what has no factors is refused with both steps.
func TestLogSoftmaxOfIntegers(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	quantized := func(hi float64) (*ir.Module, error) {
		m := network(t, fmt.Sprintf("network net(x: f32[5,40] in [0,%g]) -> f32[5,40] {\n  y = logsoftmax(x, axis: 1)\n  return y\n}\n", hi))
		env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Seed: 1,
			Calibration: func() (data.Batch, error) { return data.Synthesize([]int{5, 40}, 0, float32(hi), 64, 1), nil }}
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: "infer"}))
		return m, passes.Table.Run(context.Background(), m, env, pass.Options{StartAfter: "legalize"})
	}
	m, err := quantized(9)
	require.NoError(t, err)
	p, err := interp.CompileInt(m)
	require.NoError(t, err)
	in, out := m.Inputs[0].Type.Quant, m.Outputs[0].Type.Quant
	images := data.Synthesize([]int{5, 40}, 0, 9, 64, 1) // those that calibrated: nothing saturates
	x := interp.QuantizeInputs(m, images.X)
	for i, y := range outputs(t, p, x, images.N)[0] {
		row := x[i/40*40:][:40]
		sum := 0.
		for _, v := range row {
			sum += math.Exp(in.Scale * float64(int(v)-int(x[i])))
		}
		require.InDelta(t, -math.Log(sum)/out.Scale+float64(out.Zero), y, .5001)
	}
	_, err = quantized(1e-6)
	require.ErrorContains(t, err, "the argument has steps of 3.92")
}

// TestConcatRescalesOnce: what serves a concat alone is computed in its scale; equal scales
// need no rescaling.
func TestConcatRescalesOnce(t *testing.T) {
	for source, rescalings := range map[string]int{
		"y = concat(tanh(x), exp(x))":                                             0,
		"a = tanh(x)\n  y = concat(a, exp(a))":                                    1,
		"a = tanh(x)\n  b = concat(a, tanh(a))\n  c = exp(x)\n  y = concat(b, c)": 1,
		"a = neg(x)\n  y = concat(a, a)":                                          0,
	} {
		_, m := noise(t, network(t, "network net(x: f32[2,4,4] in [-1,1]) -> f32"+map[bool]string{true: "[6,4,4]", false: "[4,4,4]"}[rescalings == 1 && len(source) > 50]+" {\n  "+source+"\n  return y\n}\n"))
		assert.Equal(t, rescalings, count(m, ir.Requantize), "%s", source)
	}
}

// TestMeansHaveTheirOwnRange: a mean of many values is as exact as its own 8 bits.
func TestMeansHaveTheirOwnRange(t *testing.T) {
	for _, mean := range []string{"globalavgpool(x)", "avgpool2d(x, kernel: 12)", "reshape(reduce(x, axes: [1,2]), shape: [4,1,1])", "avgpool2d(x, kernel: 12, pad: [1,0,1,0], stride: 5)"} {
		shape := "[4,1,1]"
		ratios, _ := noise(t, network(t, "network net(x: f32[4,12,12] in [-1,1]) -> f32"+shape+" {\n  y = "+mean+"\n  return y\n}\n"))
		assert.Greater(t, ratios[0], 34., "%s", mean)
	}
}

// attention is one head of a transformer, of 12 places, with something added to its scores.
const attention = `network net(i: f32[12,8] in [0,1]) -> f32[12,8] {
  it = transpose(i, perm: [1,0])
  im = reshape(it, shape: [8,12,1])
  q = conv2d(im, filters: 8, kernel: 1)
  k = conv2d(im, filters: 8, kernel: 1)
  qt = transpose(reshape(q, shape: [8,12]), perm: [1,0])
  km = reshape(k, shape: [8,12])
  scores = matmul(qt, km)
  flat = flatten(scores)
  add = batchnorm(flat, eps: 0)
  am = reshape(add, shape: [12,12])
  p = softmax(am, axis: 1)
  y = matmul(p, i)
  return y
}
`

// TestMasksKeepTheScores: causal attention is within 3 dB of attention without a mask,
// whatever number masks.
func TestMasksKeepTheScores(t *testing.T) {
	masked := func(x float64) *ir.Module {
		causal := func(i int) float64 {
			if i%12 > i/12 {
				return x
			}
			return 0
		}
		return network(t, attention, append([]constant{{"q.weight", []int{8, 8, 1, 1}, normal(1, 1)}, {"k.weight", []int{8, 8, 1, 1}, normal(2, 1)}},
			scaled("add", 144, always(1), causal)...)...)
	}
	without, _ := noise(t, masked(0))
	for _, x := range []float64{-100, -1e4, -65504, -1e9, -math.MaxFloat32} {
		with, m := noise(t, masked(x))
		assert.Greater(t, with[0], without[0]-3, "%g: %.1f dB, without a mask %.1f", x, with[0], without[0])
		p, err := interp.CompileInt(m)
		require.NoError(t, err)
		values := p.Tensors(1)
		for i := range values {
			if v := m.Inputs[0]; i == p.ID(v) {
				values[i] = make([]int8, v.Type.Shape.Size())
			}
		}
		require.NoError(t, p.Run(context.Background(), values, 1, 0, len(m.Ops)))
		for _, n := range m.Ops {
			if n.Op == ir.Softmax {
				for k, v := range values[p.ID(n.Out)] {
					if k%12 > k/12 {
						require.EqualValues(t, -128, v, "the future leaks at %d", k)
					}
				}
			}
		}
	}
}

// TestComputedMasks: so is attention with a mask that is computed, of 0 and 1 in the input.
func TestComputedMasks(t *testing.T) {
	const source = `network net(i: f32[13,8] in [0,1]) -> f32[12,8] {
  x = slice(i, start: [0,0], size: [12,8])
  im = reshape(transpose(x, perm: [1,0]), shape: [8,12,1])
  q = conv2d(im, filters: 8, kernel: 1)
  k = conv2d(im, filters: 8, kernel: 1)
  qt = transpose(reshape(q, shape: [8,12]), perm: [1,0])
  scores = matmul(qt, reshape(k, shape: [8,12]))
  last = slice(i, start: [12,0], size: [1,4])
  keep = batchnorm(reshape(last, shape: [4]), eps: 0)
  cols = concat(keep, keep, keep)
  wide = expand(reshape(cols, shape: [1,12]), shape: [12,12])
  p = softmax(add(scores, wide), axis: 1)
  y = matmul(p, x)
  return y
}
`
	images := func(seed uint64) data.Batch {
		x := data.Synthesize([]int{13, 8}, 0, 1, 64, seed)
		for i := range x.N {
			for k, v := range x.Image(i)[12*8:] {
				x.Image(i)[12*8+k] = 1
				if k > 0 && v < .4 {
					x.Image(i)[12*8+k] = 0 // masked
				}
			}
		}
		return x
	}
	masked := func(by float64) float64 { // by*(1-m)
		m := network(t, source, append([]constant{{"q.weight", []int{8, 8, 1, 1}, normal(1, 1)}, {"k.weight", []int{8, 8, 1, 1}, normal(2, 1)}},
			scaled("keep", 4, always(-by), always(by))...)...)
		ratios, _ := noiseOn(t, m, images(1), images(2))
		return ratios[0]
	}
	without := masked(0)
	for _, by := range []float64{-100, -1e4, -1e9, -1e30} {
		assert.Greater(t, masked(by), without-3, "%g", by)
	}
}

// TestWastedLevels: values that use few of their levels are reported with the cause, others
// are not.
func TestWastedLevels(t *testing.T) {
	for _, c := range []struct {
		title, body string
		constants   []constant
		want        string // of the first; "" where nothing is wasted
	}{
		{"all in use", "y = tanh(x)", nil, ""},
		{"a binary value", "y = clip(batchnorm(x, eps: 0), low: 0, high: 1)", scaled("y.batchnorm", 4, always(1e9), always(0)), ""},
		{"one channel far out", "a = batchnorm(x, eps: 0)\n  y = tanh(a)", scaled("a", 4, always(1), func(i int) float64 { return []float64{0, 0, 0, 1e5}[i] }), "its elements lie close together at few places of its range"},
		{"a concat's range", "a = tanh(x)\n  b = batchnorm(x, eps: 0)\n  y = concat(a, b)", scaled("b", 4, always(300), always(0)), "it has the range [-300,300] of y, its own is [-0.76"},
		{"a softmax", "y = softmax(reshape(x, shape: [4,64]), axis: 1)", nil, "results of softmax have the range [0,0.9961] whatever they are"},
		{"a rare element", "a = leakyrelu(batchnorm(x, eps: 0), alpha: 0.0000001)\n  y = abs(a)", scaled("a.batchnorm", 4, always(1000), always(-999.7)), "a thousandth of its elements make its range"},
	} {
		t.Run(c.title, func(t *testing.T) {
			shape := map[bool]string{true: "[4,64]", false: "[4,8,8]"}[c.title == "a softmax"]
			if c.title == "a concat's range" {
				shape = "[8,8,8]"
			}
			m := network(t, "network net(x: f32[4,8,8] in [-1,1]) -> f32"+shape+" {\n  "+c.body+"\n  return y\n}\n", c.constants...)
			env := awkwardEnv(t)
			env.Calibration = func() (data.Batch, error) { return data.Synthesize([]int{4, 8, 8}, -1, 1, 32, 1), nil }
			require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: passes.Calibrated}))
			if c.want == "" {
				assert.Empty(t, env.Wasted)
				return
			}
			require.NotEmpty(t, env.Wasted)
			assert.Contains(t, env.Wasted[0].Cause, c.want)
			assert.Less(t, env.Wasted[0].Levels, 32)
			assert.Positive(t, env.Wasted[0].Levels)
		})
	}
}

// TestNoiseIsThatOfQDQ: on the networks of testdata/peers/qdq.py, whose folder DNNC_QDQ names,
// int8 has at most 1 dB more noise than onnxruntime's static quantization.
func TestNoiseIsThatOfQDQ(t *testing.T) {
	folder := os.Getenv("DNNC_QDQ")
	if folder == "" {
		t.Skip("make peers writes the networks: DNNC_QDQ names their folder")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*", "qdq.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			var qdq struct {
				Shape []int
				SQNR  []float64
			}
			require.NoError(t, json.Unmarshal(raw, &qdq))
			batch := func(name string) data.Batch {
				raw, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				x := make([]float32, len(raw)/4)
				for i := range x {
					x[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
				}
				return data.Batch{N: len(x) / ir.Shape(qdq.Shape).Size(), Shape: qdq.Shape, X: x}
			}
			m, err := onnx.Load(filepath.Join(dir, "model.onnx"), onnx.Options{})
			require.NoError(t, err)
			ratios, _ := noiseOn(t, m, batch("calib.f32"), batch("test.f32"))
			require.Len(t, ratios, len(qdq.SQNR))
			for i, r := range ratios {
				t.Logf("result %d: %.1f dB, onnxruntime %.1f", i, r, qdq.SQNR[i])
				assert.Greater(t, r, qdq.SQNR[i]-1, "result %d", i)
			}
		})
	}
}
