package tune_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/passes/tune"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// parse makes a network of random constants, by their names.
func parse(t *testing.T, src string, shapes map[string][]int, names ...string) *ir.Module {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 1))
	var tensors []weights.Tensor
	for _, name := range names {
		x := make([]float32, ir.Shape(shapes[name]).Size())
		deviation := .1
		if len(shapes[name]) > 1 {
			deviation = math.Sqrt(2 * float64(shapes[name][0]) / float64(len(x)))
		}
		for i := range x {
			x[i] = float32(deviation * rng.NormFloat64())
			if name == "c.weight" { // answers that differ
				x[i] *= 3
			}
		}
		raw, err := ir.FloatConst(name, shapes[name], x).Load()
		require.NoError(t, err)
		tensors = append(tensors, weights.Tensor{Name: name, DType: weights.F32, Shape: shapes[name], Data: raw})
	}
	dir := t.TempDir()
	var file bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&file, tensors))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "w.safetensors"), file.Bytes(), 0o644))
	m, err := frontend.Parse(filepath.Join(dir, "n.dnn"), []byte("tensors \"w.safetensors\"\n"+src), frontend.Options{})
	require.NoError(t, err)
	return m
}

// small is a network whose second layer has a format, and its third another.
func small(t *testing.T, second, third string) *ir.Module {
	t.Helper()
	return parse(t, `network n(image: f32[3,8,8] in [0,1]) -> f32[5] {
		a = conv2d(image, filters: 8, kernel: 3, pad: 1, act: relu)
		b = conv2d(maxpool2d(a, kernel: 2), filters: 8, kernel: 3, bits: `+second+`, act: relu)
		c = linear(b, units: 5, bits: `+third+`)
		return c
	}`, map[string][]int{"a.weight": {8, 3, 3, 3}, "a.bias": {8}, "b.weight": {8, 8, 3, 3}, "b.bias": {8}, "c.weight": {5, 32}, "c.bias": {5}},
		"a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias")
}

// images are slopes of random directions, in each of three colors of 8x8 pixels.
func images(seed uint64, n int) data.Batch {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := data.Batch{N: n, Shape: []int{3, 8, 8}}
	for range n * 3 {
		at, down, right := rng.Float64(), rng.NormFloat64(), rng.NormFloat64()
		for i := range 64 {
			b.X = append(b.X, float32(min(max(at+down*float64(i/8-4)/8+right*float64(i%8-4)/8, 0), 1)))
		}
	}
	return b
}

// environment is 512 images to fit, 256 that are held out, and noise.
func environment(t *testing.T, m *ir.Module, effort string) *pass.Env {
	t.Helper()
	all := images(1, 1024)
	errs, err := disturb.Parse("gaussian=0.05,0.1;fog-blend=0.3", []disturb.Input{{Name: "image", Holds: m.Inputs[0].Holds(), Shape: m.Inputs[0].Type.Shape, High: 1}})
	require.NoError(t, err)
	return &pass.Env{
		Level: pass.Universal, Seed: 1, Errors: errs, Tune: pass.Tune{Effort: effort}, Task: measure.OneLabel(5),
		Calibration: func() (data.Batch, error) { return all.Slice(0, 512), nil },
		Holdout:     func() (data.Batch, error) { return all.Slice(512, 1024), nil },
	}
}

// quantized is a network before and after quantization.
func quantized(t *testing.T, m *ir.Module, env *pass.Env) (f, q *ir.Module) {
	t.Helper()
	plain := *env
	plain.Tune, plain.Level = pass.Tune{}, pass.Int8
	f = m.Clone()
	require.NoError(t, passes.Table.Run(t.Context(), f, &plain, pass.Options{StopAfter: passes.Robust}))
	q = f.Clone()
	require.NoError(t, passes.Table.Run(t.Context(), q, &plain, pass.Options{StopAfter: passes.Quantized}))
	return f, q
}

// divergence is that of a quantized network from its float network on disturbed images that
// nothing saw.
func divergence(t *testing.T, f, q *ir.Module, env *pass.Env) float64 {
	t.Helper()
	other := pass.Env{Errors: env.Errors, Seed: 7, Calibration: func() (data.Batch, error) { return images(99, 400), nil }}
	b, err := other.Samples()
	require.NoError(t, err)
	return divergenceOn(t, f, q, b)
}

func divergenceOn(t *testing.T, f, q *ir.Module, b data.Batch) float64 {
	t.Helper()
	float, err := interp.CompileFloat(f)
	require.NoError(t, err)
	ints, err := interp.CompileInt(q)
	require.NoError(t, err)
	want, err := float.Forward(t.Context(), b.X, b.N)
	require.NoError(t, err)
	got, err := interp.Logits(t.Context(), ints, b.X, b.N)
	require.NoError(t, err)
	return measure.Diverge(want, got, len(want)/b.N).KL
}

// effort is enough for about a hundred steps of the small network.
const effort = 2e8

// TestNetwork: what was lost to each kind of format shrinks on images that nothing saw, and the
// constants keep their types.
func TestNetwork(t *testing.T) {
	for _, c := range []struct{ second, third, bits string }{
		{"odd1", "odd2", pass.EightBits}, {"vec2x4", "odd3", pass.EightBits}, {"code2", "vec3x4", pass.EightBits}, {"odd2", "i8", pass.EightBits}, {"odd1", "code2", pass.SixteenBits},
	} {
		t.Run(c.second+" "+c.third+" "+c.bits, func(t *testing.T) {
			m := small(t, c.second, c.third)
			env := environment(t, m, "on")
			env.Bits = c.bits
			f, q := quantized(t, m, env)
			was := q.String()
			tuned, report, err := tune.Network(t.Context(), f, q, env, 3*effort)
			require.NoError(t, err)
			assert.Empty(t, report.Declined)
			assert.Equal(t, was, q.String(), "the network itself stays")
			assert.Equal(t, was, tuned.String(), "no type changes")
			assert.Empty(t, ir.Verify(tuned))
			assert.Less(t, report.After, report.Before)
			assert.LessOrEqual(t, report.MACs, 3.*effort)
			judge, err := env.Judge()
			require.NoError(t, err)
			assert.InEpsilon(t, divergenceOn(t, f, q, judge), report.Before, 1e-12, "what the whole network has")
			assert.InEpsilon(t, divergenceOn(t, f, tuned, judge), report.After, 1e-12, "what the whole network has")
			before, after := divergence(t, f, q, env), divergence(t, f, tuned, env)
			assert.Less(t, after, before)
		})
	}
}

// TestLittle: of a small effort, most is for steps: fewer images are drawn, and they are looked at
// less often.
func TestLittle(t *testing.T) {
	m := small(t, "odd1", "odd2")
	env := environment(t, m, "on")
	f, q := quantized(t, m, env)
	const many, little = 2048, 7e7 // the network has 16,288 multiply-adds
	env.Calibration = func() (data.Batch, error) { return images(2, many), nil }
	_, report, err := tune.Network(t.Context(), f, q, env, little)
	require.NoError(t, err)
	assert.Empty(t, report.Declined)
	assert.GreaterOrEqual(t, report.Steps, 20)
	assert.LessOrEqual(t, report.MACs, little)
	assert.Greater(t, report.MACs, .9*little)
	assert.Less(t, report.Images, many)
}

// constants are the bytes of all.
func constants(t *testing.T, m *ir.Module) (all [][]byte) {
	t.Helper()
	for _, c := range m.Consts {
		raw, err := c.Load()
		require.NoError(t, err)
		all = append(all, raw)
	}
	return all
}

// TestPromise: the tuned network is tested on the images that judge; where it is not shown to keep
// the share, the network that was shown to stays.
func TestPromise(t *testing.T) {
	m := small(t, "odd1", "odd2")
	env := environment(t, m, "1e8")
	f, q := quantized(t, m, env)
	env.Float = func() *ir.Module { return f }
	env.Unseen = func() (data.Batch, error) { return images(42, 100), nil }
	for _, c := range []struct {
		share    float64
		promised bool
		declined string
	}{{.2, true, ""}, {1.5, true, "the tuned network was not shown to keep 1.5"}, {1.5, false, ""}} {
		own := q.Clone()
		env.Report.Kept = &pass.Kept{Share: c.share, Promised: c.promised, Bound: measure.Bound{Items: 7}}
		require.NoError(t, robust.Tune(t.Context(), own, env))
		if c.declined != "" {
			assert.Contains(t, env.Tuned.Declined, c.declined)
			assert.Equal(t, constants(t, q), constants(t, own))
			assert.Equal(t, 7, env.Report.Kept.Bound.Items, "what is said is of the network that ships")
			continue
		}
		assert.Empty(t, env.Tuned.Declined)
		assert.NotEqual(t, constants(t, q), constants(t, own))
		assert.Equal(t, 100, env.Report.Kept.Bound.Items)
	}
}

// TestEqualOnAnyNumberOfCores, to the last byte.
func TestEqualOnAnyNumberOfCores(t *testing.T) {
	m := small(t, "odd2", "vec2x4")
	env := environment(t, m, "on")
	f, q := quantized(t, m, env)
	run := func() [][]byte {
		tuned, report, err := tune.Network(t.Context(), f, q, env, effort/2)
		require.NoError(t, err)
		require.Empty(t, report.Declined)
		return constants(t, tuned)
	}
	want := run()
	was := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(was)
	assert.Equal(t, want, run())
}

// TestDeclines: where too little may be done, where nothing can be better, and where an operation
// has no gradient, the network stays and the report says why.
func TestDeclines(t *testing.T) {
	m := small(t, "odd2", "odd2")
	env := environment(t, m, "on")
	f, q := quantized(t, m, env)
	same, report, err := tune.Network(t.Context(), f, q, env, 1e6)
	require.NoError(t, err)
	assert.Same(t, q, same)
	assert.Contains(t, report.Declined, "1e+06 multiply-adds are 0 steps of 64 images")

	env.MaxMemory = 1 << 10
	same, report, err = tune.Network(t.Context(), f, q, env, effort)
	require.NoError(t, err)
	assert.Same(t, q, same)
	assert.Contains(t, report.Declined, "-mem leaves 1024")
	env.MaxMemory = 0

	last := f.Clone() // an argmax at the end
	y := &ir.Value{Name: "y", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: ir.Shape{1}}, Range: &ir.Range{Hi: 255}}
	n := &ir.Node{Op: ir.ArgMax, Args: []*ir.Value{last.Outputs[0]}, Out: y}
	y.Def = n
	last.Ops, last.Outputs, last.Results = append(last.Ops, n), []*ir.Value{y}, []ir.Type{y.Type}
	lowered := last.Clone()
	plain := *env
	plain.Tune = pass.Tune{}
	require.NoError(t, passes.Table.Run(t.Context(), lowered, &plain, pass.Options{StopAfter: passes.Quantized}))
	same, report, err = tune.Network(t.Context(), last, lowered, env, effort)
	require.NoError(t, err)
	assert.Same(t, lowered, same)
	assert.Contains(t, report.Declined, "argmax has no gradient")
}

// TestDeclinesWithoutGain: where other images show no fall of the divergence, the network stays. Here
// they have none: the answers are so far apart that all probabilities are 0 or 1, and are equal.
func TestDeclinesWithoutGain(t *testing.T) {
	m := small(t, "i8", "i8")
	w := m.Layers()[2].Const(ir.AttrWeight)
	x, err := w.Float32()
	require.NoError(t, err)
	for i := range x {
		x[i] *= 1e5
	}
	*w = *ir.FloatConst(w.Name, w.Type.Shape, x)
	env := environment(t, m, "on")
	env.Errors = nil
	f, q := quantized(t, m, env)
	same := images(5, 0)
	for i := range 256 {
		if one := images(uint64(100+i), 1); divergenceOn(t, f, q, one) == 0 {
			same.X, same.N = append(same.X, one.X...), same.N+1
		}
	}
	require.Greater(t, same.N, 100)
	env.Holdout = func() (data.Batch, error) { return same, nil }
	tuned, report, err := tune.Network(t.Context(), f, q, env, effort)
	require.NoError(t, err)
	assert.Same(t, q, tuned)
	assert.Positive(t, report.Steps)
	assert.Contains(t, report.Declined, fmt.Sprintf("the divergence was 0 on %d other disturbed images", same.N))
}

// TestStops: what the user ends gives the best so far, and says so.
func TestStops(t *testing.T) {
	m := small(t, "odd1", "odd1")
	env := environment(t, m, "on")
	f, q := quantized(t, m, env)
	calls := 0
	env.Enough = func() bool { calls++; return calls > 30 }
	first, report, err := tune.Network(t.Context(), f, q, env, effort)
	require.NoError(t, err)
	assert.Equal(t, 30, report.Steps)
	assert.True(t, report.IsStopped)

	calls = 1000
	same, report, err := tune.Network(t.Context(), f, q, env, effort)
	require.NoError(t, err)
	assert.Same(t, q, same)
	assert.Equal(t, "stopped before its first step", report.Declined)

	env.Enough = nil
	env.Tune.Steps = 30
	again, report, err := tune.Network(t.Context(), f, q, env, effort)
	require.NoError(t, err)
	assert.True(t, report.IsStopped)
	assert.Equal(t, constants(t, first), constants(t, again), "the same again")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = tune.Network(ctx, f, q, env, effort)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestCodesAreFixedInTheLastFifth: no step of the last fifth changes a code, others do.
func TestCodesAreFixedInTheLastFifth(t *testing.T) {
	m := small(t, "odd1", "odd2")
	env := environment(t, m, "on")
	env.Holdout = env.Calibration // on which it becomes better and better: the steps stay long
	f, q := quantized(t, m, env)
	var was []byte
	var changing []int // steps
	step := 0
	report, err := tune.Watched(t.Context(), f, q, env, 2*effort, func(codes []byte) { was = codes }, func(codes []byte) {
		if was != nil && !bytes.Equal(was, codes) {
			changing = append(changing, step-1)
		}
		step++
	})
	require.NoError(t, err)
	require.Greater(t, report.Steps, 40)
	require.Equal(t, report.Steps+1, step)
	require.NotEmpty(t, changing)
	assert.Less(t, slices.Max(changing), report.Steps*4/5)
}
