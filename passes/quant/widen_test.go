package quant_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestWiden: which values have 16 bits, and the requantizations where an operation cannot take its
// argument's.
func TestWiden(t *testing.T) {
	const source = `network n(a: f32[8] in [-1,1]AS, p: f32[2,4,4] in [0,1]) -> f32[8], f32[8], f32[16,2] {
  s = sigmoid(a)
  j = sign(s)
  d = squareddiff(s, j)
  e = add(s, d)
  c = transpose(reshape(p, shape: [2,16]), perm: [1,0])
  return e, j, c
}
`
	for _, c := range []struct {
		bits, as string
		wide     string // the values
		added    string // the requantizations
	}{
		{pass.EightBits, "", "", ""},
		{pass.SixteenBits, "", "a s e d.as_i16", "s.as_i8 d.as_i16"},
		{pass.EightBits, " as i16", "a", "a.as_i8"},
	} {
		m, err := frontend.Parse("net.dnn", []byte(strings.Replace(source, "AS", c.as, 1)), frontend.Options{})
		require.NoError(t, err)
		env := environment(t, m)
		env.Bits = c.bits
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: "widen"}))
		text := m.String()
		wide, added := wideIn(m), []string(nil)
		for _, n := range m.Ops {
			if n.Op == ir.Requantize {
				added = append(added, n.Name())
			}
		}
		assert.ElementsMatch(t, strings.Fields(c.wide), wide, "%s\n%s", c.bits, text)
		assert.ElementsMatch(t, strings.Fields(c.added), added, "%s\n%s", c.bits, text)
		again, err := frontend.Parse("net.dnn", []byte(text), frontend.Options{})
		require.NoError(t, err)
		assert.Equal(t, text, again.String(), "what is printed is read")
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StartAfter: "widen", StopAfter: "quantize"}))
	}
	_, err := frontend.Parse("net.dnn", []byte(strings.Replace(source, "AS", " as i8", 1)), frontend.Options{})
	assert.ErrorContains(t, err, "as i8: quantization gives values of f32 8 bits, or 16 where the text says as i16")
}

// TestFeaturesAreWide: what an operation of samples gives has 16 bits, up to the first layer that computes with it, and so
// have the samples. Cosines of the features, too.
func TestFeaturesAreWide(t *testing.T) {
	for source, want := range map[string]string{
		"f = logmel(x, frame: 30, hop: 19, rate: 8000, bands: 5)\n  q = pad(f, before: [0,1,1], after: [0,1,0])\n  p = maxpool2d(q, kernel: 2)": "x f q p",
		"d = slice(x, start: [0,0], size: [1,100])\n  g = tanh(d)\n  e = add(g, d)\n  p = spectrogram(e, frame: 30, hop: 19)":                   "x d g e p",
		"p = spectrogram(x, frame: 30, hop: 19, power: 1)":                                    "x p",
		"p = mfcc(x, frame: 30, hop: 19, rate: 8000, bands: 5, coefficients: 3)":              "x p.signal p.logs p.columns p.cosines p",
		"f = mel(x, frame: 30, hop: 19, rate: 8000, bands: 5)\n  p = avgpool2d(f, kernel: 2)": "x f",
	} {
		m, err := frontend.Parse("net.dnn", []byte("network n(x: f32[1,200] in [-1,1] signal) -> f32[1,1,1] classes {\n  "+source+"\n  y = globalavgpool(p)\n  return y\n}\n"), frontend.Options{})
		require.NoError(t, err, source)
		env := environment(t, m)
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: "widen"}))
		for _, n := range m.Ops {
			assert.NotEqual(t, ir.Requantize, n.Op, m.String())
		}
		assert.ElementsMatch(t, strings.Fields(want), wideIn(m), source)
	}
}

// TestQuietFeatures: features of loud sounds and of sounds a thousandth as loud lie within a hundredth of their own spread of
// those of reals (root of the mean square), where the calibration images have both: tones under an envelope, and noise.
func TestQuietFeatures(t *testing.T) {
	const samples = 4000
	rng := rand.New(rand.NewPCG(7, 8))
	var x []float32
	for _, loud := range []float64{1, .001} {
		for _, isNoise := range []bool{false, true} {
			for i := range samples {
				at := float64(i) / 16000
				v := math.Sin(2*math.Pi*25*at) * (math.Sin(2*math.Pi*220*at) + .5*math.Sin(2*math.Pi*1310*at) + .2*math.Sin(2*math.Pi*3777*at)) / 2
				if isNoise {
					v = .3 * rng.NormFloat64()
				}
				v = loud * (v + .002*rng.NormFloat64())
				x = append(x, float32(math.Round(max(-1, min(1, v))*math.MaxInt16)/math.MaxInt16)) // as the samples are
			}
		}
	}
	for _, op := range []string{"logmel(x, low: 20, bands: 40", "mfcc(x, low: 20, bands: 40, coefficients: 13"} {
		m, err := frontend.Parse("net.dnn", fmt.Appendf(nil, "network n(x: f32[1,%d] in [-1,1] signal) -> f32[1,23,%s] {\n  y = %s, rate: 16000, frame: 480, hop: 160, eps: 1e-6)\n  return y\n}\n",
			samples, map[bool]string{true: "13", false: "40"}[strings.Contains(op, "mfcc")], op), frontend.Options{})
		require.NoError(t, err)
		float, err := interp.CompileFloat(m.Clone())
		require.NoError(t, err)
		want, err := float.Forward(context.Background(), x, 4)
		require.NoError(t, err)
		env := environment(t, m)
		env.Calibration = func() (data.Batch, error) { return data.Batch{N: 4, Shape: m.Inputs[0].Type.Shape, X: x}, nil }
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: "quantize"}))
		p, err := interp.CompileInt(m)
		require.NoError(t, err)
		got, err := interp.Logits(context.Background(), p, x, 4)
		require.NoError(t, err)
		size := len(want) / 4
		for k := range 4 {
			mean, spread, wrong := 0., 0., 0.
			for _, v := range want[k*size : (k+1)*size] {
				mean += float64(v) / float64(size)
			}
			for i, v := range want[k*size : (k+1)*size] {
				d := float64(got[k*size+i]) - float64(v)
				spread, wrong = spread+(float64(v)-mean)*(float64(v)-mean), wrong+d*d
			}
			assert.Less(t, math.Sqrt(wrong/spread), .01, "%s of image %d", op, k)
		}
	}
}

// wideOf lists the values of 16 bits that the pass leaves, inputs first.
func wideOf(t *testing.T, source string) (wide []string, text string) {
	m, err := frontend.Parse("net.dnn", []byte(source), frontend.Options{})
	require.NoError(t, err)
	require.NoError(t, passes.Table.Run(context.Background(), m, environment(t, m), pass.Options{StopAfter: "widen"}))
	return wideIn(m), m.String()
}

// wideIn lists the values of 16 bits, inputs first.
func wideIn(m *ir.Module) (wide []string) {
	for _, v := range m.Inputs {
		if v.Wide {
			wide = append(wide, v.Name)
		}
	}
	for _, n := range m.Ops {
		if n.Out.Wide {
			wide = append(wide, n.Name())
		}
	}
	return wide
}

// TestWidenTails: what a result of values is made of after the last layer has 16 bits, unless something
// narrow reads it, it is another result, or it is large.
func TestWidenTails(t *testing.T) {
	for _, c := range []struct{ name, results, body, wide string }{
		{"log of a softmax", "f32[8] values", "s = add(a, b)\n  y = logsoftmax(s)\n  return y",
			"s y.rows y.top y.tops y.distance y.exp y.sum y.log y.logs y.logits y"},
		{"a label needs none", "f32[8] classes", "s = add(a, b)\n  y = logsoftmax(s)\n  return y", ""},
		{"a product", "f32[8] values", "s = add(a, b)\n  y = mul(s, abs(s))\n  return y", "s y.abs y"},
		{"what only moves an input", "f32[8] values", "y = add(abs(a), b)\n  return y", "y"},
		{"what a product of matrices reads, too", "f32[1,8] values, f32[1,1] classes",
			"s = add(a, b)\n  r = reshape(s, shape: [1,8])\n  q = reshape(b, shape: [1,8])\n  y = add(r, q)\n  z = matmul(r, reshape(s, shape: [8,1]))\n  return y, z", "y"},
		{"another result", "f32[8] values, f32[8] multilabel", "s = add(a, b)\n  d = mul(a, b)\n  y = add(s, neg(d))\n  return y, s", "d y.neg s.as_i16 y"},
		{"an eighth of the greatest value", "f32[1] values", "w = expand(reshape(add(a, b), shape: [8,1]), shape: [8,8])\n  s = reduce(abs(w), fn: sum, axes: [0])\n  y = reduce(s, fn: sum, axes: [0])\n  return y", "s.reduce s y"},
	} {
		source := "network n(a: f32[8] in [-1,1], b: f32[8] in [-1,1]) -> " + c.results + " {\n  " + c.body + "\n}\n"
		wide, text := wideOf(t, source)
		assert.ElementsMatch(t, strings.Fields(c.wide), wide, "%s\n%s", c.name, text)
	}
}

// TestWidenColumns: an input of features whose columns the network scales by factors that differ four
// times has 16 bits, and so has what the scaled columns are.
func TestWidenColumns(t *testing.T) {
	const source = `network n(x: f32[3] in [-9,9]KIND) -> f32[3] classes {
  s = normalize(x, mean: [0,0,0], std: [STD])
  y = abs(s)
  return y
}
`
	for _, c := range []struct{ kind, std, wide string }{
		{"", "1,0.25,0.5", "x s.image s.scaled s"},
		{"", "1,0.26,0.5", ""},
		{" signal", "1,0.1,0.5", ""},
	} {
		wide, text := wideOf(t, strings.NewReplacer("KIND", c.kind, "STD", c.std).Replace(source))
		assert.ElementsMatch(t, strings.Fields(c.wide), wide, "%v\n%s", c, text)
	}
}
