package dnnc_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/frontend/examples"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

func quantized(t *testing.T, m *ir.Module, change func(c *dnnc.Config)) (*dnnc.Result, data.Batch) {
	t.Helper()
	c, err := dnnc.NewConfig("armv7em")
	require.NoError(t, err)
	b := data.Synthesize(m.Inputs[0].Type.Shape, 0, 1, 40, 1)
	c.Calibration = dnnc.Images(b)
	change(&c)
	r, err := dnnc.Compile(context.Background(), m, c)
	require.NoError(t, err)
	return r, b
}

func lenet5(t *testing.T) *ir.Module {
	t.Helper()
	m, err := dnnc.Load("testdata/lenet5/lenet5.dnn", dnnc.LoadOptions{})
	require.NoError(t, err)
	return m
}

// TestStreamedIntegersAreTheSame: operation by operation, and large matrices by rows, every
// value has the bits of the whole program.
func TestStreamedIntegersAreTheSame(t *testing.T) {
	ctx := context.Background()
	residual, err := examples.All[0].Module()
	require.NoError(t, err)
	vector := lenet5(t)
	for _, n := range vector.Ops {
		if n.Op == ir.Linear {
			e, ok := ir.ParseElem("vec4x8")
			require.True(t, ok)
			n.Put(ir.AttrBits.Is(e))
		}
	}
	for name, m := range map[string]*ir.Module{"lenet5": lenet5(t), "vectors": vector, "residual": residual, "16 bits": lenet5(t)} {
		r, b := quantized(t, m, func(c *dnnc.Config) {
			if c.Calibrate = 16; name == "16 bits" {
				c.Task = ir.Values
			}
		})
		assert.Equal(t, name == "16 bits", r.Module.Outputs[0].Type.Elem.Kind == ir.I16, name)
		p, err := interp.CompileInt(r.Module)
		require.NoError(t, err)
		s, err := interp.StreamInt(r.Module)
		require.NoError(t, err)
		var all []*ir.Value
		for _, n := range r.Module.Ops {
			all = append(all, n.Out)
		}
		x := interp.QuantizeInputs(r.Module, b.X)
		want := p.Tensors(b.N, all...)
		p.Feed(want, x, b.N)
		require.NoError(t, p.Run(ctx, want, b.N, 0, len(r.Module.Ops)))
		seen := 0
		require.NoError(t, s.Run(ctx, x, b.N, func(v *ir.Value, y []int8) {
			require.Equal(t, want[p.ID(v)], y, "%s: %s", name, v.Name)
			seen++
		}))
		assert.Equal(t, len(all), seen)
	}
	_, err = interp.StreamInt(lenet5(t))
	assert.ErrorContains(t, err, "not quantized")
}

// TestFidelity holds the ratio and the agreement of the result to those of the networks run
// as a whole.
func TestFidelity(t *testing.T) {
	ctx := context.Background()
	r, _ := quantized(t, lenet5(t), func(c *dnnc.Config) {
		c.Level, c.Budget.Bits, c.Task, c.Calibrate = pass.Universal, 2, measure.Classes, 30
	})
	f, err := r.Fidelity(ctx)
	require.NoError(t, err)
	networks, _, err := r.Networks()
	require.NoError(t, err)
	calibrated, err := r.Env.Calibration()
	require.NoError(t, err)
	want, err := networks[0](ctx, calibrated.X, calibrated.N)
	require.NoError(t, err)
	got, err := networks[1](ctx, calibrated.X, calibrated.N)
	require.NoError(t, err)
	signal, noise, agree := 0., 0., 0
	for i, x := range want {
		signal += float64(x) * float64(x)
		noise += float64(x-got[i]) * float64(x-got[i])
	}
	for i, a := range measure.Answers(want, 10) {
		if measure.Answers(got, 10)[i] == a {
			agree++
		}
	}
	require.Len(t, f.Results, 1)
	assert.Equal(t, 30, f.Images)
	db, defined := f.Results[0].SQNR()
	assert.True(t, defined)
	assert.InDelta(t, 10*math.Log10(signal/noise), db, 1e-3)
	assert.Equal(t, agree, f.Results[0].Agree)
	lost := 0.
	for _, l := range f.Layers {
		lost += l.Lost
	}
	assert.InDelta(t, 1, lost, 1e-9)
	assert.Equal(t, []string{"conv1", "pool1", "conv2", "pool2", "fc1", "fc2"}, names(f.Layers))
	require.NotNil(t, f.Worst())
}

// TestValuesHaveSixteenBits: results whose task is values are nearer to the reals than 8 bits
// can be, also where they leave the range of the calibration images; the network that is
// given stays as it is.
func TestValuesHaveSixteenBits(t *testing.T) {
	loss := func(task string) (own float64) {
		m := lenet5(t)
		r, b := quantized(t, m, func(c *dnnc.Config) { c.Calibrate, c.Task = 4, task })
		assert.Nil(t, m.Tasks)
		networks, _, err := r.Networks()
		require.NoError(t, err)
		want, err := networks[0](context.Background(), b.X, b.N)
		require.NoError(t, err)
		got, err := networks[1](context.Background(), b.X, b.N)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i, x := range want {
			own += float64(x-got[i]) * float64(x-got[i])
		}
		return own
	}
	assert.Less(t, loss(ir.Values), .7*loss(ir.Multilabel))
}

// TestUnevenColumns: a column in a unit far smaller than the others' is warned of, not one
// that 16 bits hold, and never where the result gives labels.
func TestUnevenColumns(t *testing.T) {
	for _, c := range []struct {
		task  string
		times float32 // by which all columns but one are greater
		want  []string
	}{
		{ir.Values, 1, nil}, {ir.Values, 100, nil}, {ir.Values, 1e5, []string{diag.UnevenColumns}},
		{"", 1e3, []string{diag.UnevenColumns}}, {ir.Multilabel, 1e3, nil}, {ir.Classes, 1e5, []string{diag.LowFidelity}}, // answers differ
	} {
		m := lenet5(t)
		for _, n := range m.Ops {
			if n.Name() != "fc2" {
				continue
			}
			for _, key := range []ir.Key[*ir.Const]{ir.AttrWeight, ir.AttrBias} {
				w := n.Const(key)
				x, err := w.Float32()
				require.NoError(t, err)
				for i := range x {
					if i/(len(x)/10) != 3 {
						x[i] *= c.times
					}
				}
				w.Data = ir.FloatConst("", w.Type.Shape, x).Data
			}
		}
		r, _ := quantized(t, m, func(config *dnnc.Config) { config.Task, config.Calibrate = c.task, 32 })
		f, err := r.Fidelity(context.Background())
		require.NoError(t, err)
		var got []string
		for _, w := range r.Warnings {
			got = append(got, w.Name)
			if w.Name == diag.UnevenColumns {
				assert.Contains(t, w.Message, "column 3 of the 10 of the result fc2 has ")
			}
		}
		assert.Equal(t, c.want, got, "%v", c)
		if at, _, _ := f.Results[0].WorstColumn(); c.task == ir.Classes {
			assert.Equal(t, -1, at)
		}
	}
}

func names(list []measure.Near) (names []string) {
	for _, n := range list {
		names = append(names, n.Name)
	}
	return names
}

// TestWorstLayer: a layer of one bit among such of eight is the one in which most is lost,
// and the warning says how to mend it.
func TestWorstLayer(t *testing.T) {
	e, _ := ir.ParseElem("odd1")
	r, _ := quantized(t, lenet5(t), func(c *dnnc.Config) { c.Fix, c.Rounding = map[string]ir.Elem{"conv2": e}, "nearest" })
	f, err := r.Fidelity(context.Background())
	require.NoError(t, err)
	assert.Equal(t, "conv2", f.Worst().Name)
	require.Len(t, r.Warnings, 1)
	assert.Equal(t, diag.LowFidelity, r.Warnings[0].Name)
	assert.Contains(t, r.Warnings[0].Help, "-fix conv2=8")
	r, _ = quantized(t, lenet5(t), func(*dnnc.Config) {})
	_, err = r.Fidelity(context.Background())
	require.NoError(t, err)
	assert.Empty(t, r.Warnings)
}

// TestLowFidelity: the thresholds themselves are not low.
func TestLowFidelity(t *testing.T) {
	for _, c := range []struct {
		name          string
		signal, noise float64
		agree         int
		low           bool
	}{
		{"near", 1000, 1, 100, false},
		{"no answers", 1000, 1, -1, false},
		{"97 of 100 agree", 1000, 1, 97, false},
		{"96 of 100 agree", 1000, 1, 96, true},
		{"above 15 dB", 31.63, 1, -1, false},
		{"under 15 dB", 31.62, 1, -1, true},
		{"equal", 0, 0, 100, false},
		{"nothing but noise", 0, 1, -1, false}, // no ratio is defined
	} {
		f := &measure.Fidelity{Images: 100, Results: []measure.Near{{Name: "y", Signal: c.signal, Noise: c.noise, Agree: c.agree}}}
		assert.Equal(t, c.low, len(dnnc.FarResults(f, false)) > 0, c.name)
	}
	// 4.2504 dB: a certificate has 4.25, and what is printed of it 4.2.
	f := &measure.Fidelity{Images: 100, Results: []measure.Near{{Name: "y", Signal: 2.66097, Noise: 1, Agree: -1}}}
	assert.Equal(t, []string{"y has 4.2 dB"}, dnnc.FarResults(f, false))
}

// TestNumbersFarFromZero: of numbers that hardly differ beside their size the spread tells
// whether the integers are near, not the size; and an input whose columns have very different
// units is warned of.
func TestNumbersFarFromZero(t *testing.T) {
	const text = "tensors \"far.safetensors\"\nnetwork far(x: f32[3] in [0,100]) -> f32[1] values {\n  fc = linear(x, units: 1)\n  return fc\n}\n"
	path := filepath.Join(t.TempDir(), "far")
	require.NoError(t, os.WriteFile(path+".dnn", []byte(text), 0o644))
	for _, c := range []struct {
		what  string
		small float32 // by which the third column spreads
		far   float32 // where the result lies
		want  []string
	}{
		{"all columns alike", 20, 1000, nil},
		{"one column that is rounded off", .1, 1000, []string{diag.UnevenColumns, diag.LowFidelity}},
		{"near 0 the ratio itself is low", .1, 0, []string{diag.UnevenColumns, diag.LowFidelity}},
	} {
		// The result is the third column, as a share of its spread.
		tensor := func(name string, shape []int, x ...float32) weights.Tensor {
			raw, err := ir.FloatConst(name, shape, x).Load()
			require.NoError(t, err)
			return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw}
		}
		file, err := os.Create(path + ".safetensors")
		require.NoError(t, err)
		require.NoError(t, weights.WriteSafetensors(file, []weights.Tensor{tensor("fc.weight", []int{1, 3}, 0, 0, 1/c.small), tensor("fc.bias", []int{1}, c.far-50/c.small)}))
		require.NoError(t, file.Close())
		m, err := dnnc.Load(path+".dnn", dnnc.LoadOptions{})
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(3, 3))
		b := data.Batch{N: 64, Shape: []int{3}}
		for range b.N {
			b.X = append(b.X, 100*rng.Float32(), 100*rng.Float32(), min(max(50+c.small*float32(rng.NormFloat64()), 0), 100))
		}
		r, _ := quantized(t, m, func(c *dnnc.Config) { c.Calibration = dnnc.Images(b) })
		f, err := r.Fidelity(context.Background())
		require.NoError(t, err)
		var got []string
		for _, w := range r.Warnings {
			got = append(got, w.Name)
		}
		assert.Equal(t, c.want, got, c.what)
		whole, _ := f.Results[0].SQNR()
		spread, defined := f.Results[0].Spread()
		assert.True(t, defined)
		if c.far > 0 {
			assert.Greater(t, whole, spread+20, c.what)
		} else {
			assert.InDelta(t, whole, spread, 1, c.what)
		}
	}
}

// TestFidelityOfIntegers: a model that came as integers has no float network.
func TestFidelityOfIntegers(t *testing.T) {
	r, _ := quantized(t, lenet5(t), func(*dnnc.Config) {})
	again, _ := quantized(t, r.Module, func(c *dnnc.Config) { c.Calibration = nil })
	f, err := again.Fidelity(context.Background())
	require.NoError(t, err)
	assert.Nil(t, f)
}

// TestSampleIsOfTheSeed: equal seeds draw equal images, of which each stands once.
func TestSampleIsOfTheSeed(t *testing.T) {
	m := lenet5(t)
	require.NoError(t, ir.Infer(m).Err())
	b := data.Synthesize(m.Inputs[0].Type.Shape, 0, 1, 300, 1)
	for i := range b.N {
		b.Labels = append(b.Labels, i)
	}
	one, same, other := measure.Sample(m, b, 1), measure.Sample(m, b, 1), measure.Sample(m, b, 2)
	assert.Equal(t, one, same)
	assert.NotEqual(t, one.Labels, other.Labels)
	assert.Equal(t, 128, one.N)
	for i, l := range one.Labels {
		assert.Equal(t, b.Image(l), one.Image(i))
		assert.True(t, i == 0 || one.Labels[i-1] < l)
	}
	assert.Equal(t, 20, measure.Sample(m, b.Slice(0, 20), 1).N)
}
