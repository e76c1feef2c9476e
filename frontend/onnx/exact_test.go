package onnx

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/interp"
)

// ties are cases with the scale 1/20 throughout: every twentieth sum lies on a half, but for the
// error of the float32 sums that onnxruntime makes of reals.
var ties = []string{"qdq_brevitas_i8", "qdq_brevitas_u8"}

// inexact are cases whose results are integers of more than 8 bits, with how far they may be: half
// a step, and what the rounding of the inputs adds.
var inexact = map[string]float64{"castadd_": 1}

func beginsWith(name string, list ...string) string {
	for _, prefix := range list {
		if strings.HasPrefix(name, prefix) {
			return prefix
		}
	}
	return ""
}

// TestIntegersOfONNXRuntime holds quantized models to the integers that onnxruntime
// computes without optimisation. testdata/peers/onnx_quantized.py made them.
func TestIntegersOfONNXRuntime(t *testing.T) {
	var names []string
	for prefix := range inexact {
		names = append(names, prefix)
	}
	for _, c := range frontendtest.Packed(t, "testdata/quantized.tar.gz") {
		t.Run(c.Name, func(t *testing.T) {
			floats := func(file string) []float32 {
				x, err := Floats(c.Files["test_data_set_0/"+file+".pb"])
				require.NoError(t, err)
				return x
			}
			x, want := floats("input_0"), floats("output_0")
			raw := c.Files["model.onnx"]
			m, err := Parse("net", raw, Options{Exact: true})
			if prefix := beginsWith(c.Name, names...); prefix != "" {
				require.ErrorContains(t, err, "-exact=false quantizes the model anew")
				told := false
				m, err = Parse("net", raw, Options{Exact: true, Inexact: func(why error) { told = why != nil }})
				require.NoError(t, err)
				assert.True(t, told)
				require.False(t, m.IsQuantized())
				assert.InDeltaSlice(t, want, compute(t, m, x), inexact[prefix])
				return
			}
			require.NoError(t, err)
			require.True(t, m.IsQuantized())
			require.Empty(t, ir.Verify(m))
			if bits, ok := strings.CutPrefix(c.Name, "qdq_qcdq_w"); ok { // a layer of so many bits stays one
				format := ""
				for _, n := range m.Ops {
					if n.Op.HasWeights() {
						format = n.Const(ir.AttrWeight).Type.Elem.String()
					}
				}
				assert.Equal(t, "i"+bits[:1], format)
			}
			p, err := interp.CompileInt(m)
			require.NoError(t, err)
			in := make([]int8, len(x))
			Integers(m.Inputs[0].Type.Quant, x, in)
			got, err := p.Forward(context.Background(), in, 1)
			require.NoError(t, err)
			require.Len(t, got, len(want))
			q := m.Outputs[0].Type.Quant
			for k, v := range got {
				steps := math.Abs(float64(want[k])/q.Scale + float64(q.Zero) - float64(v))
				limit := .01
				switch {
				case strings.Contains(c.Name, "_float_"): // reals that the model does not quantize
					limit = .51
				case beginsWith(c.Name, ties...) != "":
					limit = 1.01
				}
				require.LessOrEqual(t, steps, limit, "element %d", k)
			}
		})
	}
}

// TestResultOfReals: a layer whose result the model does not quantize keeps its integers where
// nothing else is allowed; its result has all reals that its sums can be, in 256 steps.
func TestResultOfReals(t *testing.T) {
	// Weights 1 -2, 3 0, -1 0, 0 1 of scale 1/4 and inputs of scale 1/2, from -5 to 122.5.
	raw := newModel(13).input("x", 1, 4).output("y").floats("s", nil, .5).bytesOf("z", 2, nil, 10).bytesOf("w", 3, []int64{4, 2}, 1, 0xfe, 3, 0, 0xff, 0, 0, 1).
		floats("ws", nil, .25).bytesOf("wz", 3, nil, 0).bytesOf("lo", 2, nil, 8).bytesOf("hi", 2, nil, 26).
		node("QuantizeLinear", "/q", list("x", "s", "z"), list("q")).node("Clip", "/c", list("q", "lo", "hi"), list("c")).
		node("DequantizeLinear", "/d", list("c", "s", "z"), list("d")).node("DequantizeLinear", "/w", list("w", "ws", "wz"), list("wr")).
		node("MatMul", "/fc", list("d", "wr"), list("p")).node("Relu", "/r", list("p"), list("y")).bytes()
	m, err := Parse("net", raw, Options{Exact: true})
	require.NoError(t, err)
	var layer *ir.Node
	for _, n := range m.Ops {
		if n.Op == ir.Linear {
			layer = n
		}
	}
	require.NotNil(t, layer)
	w := layer.Const(ir.AttrWeight)
	assert.Equal(t, ir.TwoOf(3), w.Type.Elem)
	codes, err := w.Load()
	require.NoError(t, err)
	assert.Equal(t, []byte{5, 7, 3, 4, 2, 4, 4, 5}, codes)
	// x-z is in -2..16: sums of the first channel are in -2-6-16..16+48+2, those of the other in -32-2..4+16.
	q := layer.Out.Type.Quant
	assert.InEpsilon(t, float64(66+34)*.125/255, q.Scale, 1e-6)
	assert.Equal(t, -128+int(math.Round(34*.125/q.Scale)), q.Zero)
	p, err := interp.CompileInt(m)
	require.NoError(t, err)
	for _, x := range [][]float32{{1, -1, 0, 8}, {100, 100, -100, 100}, {-1, 8, 3, 2.5}} {
		got, err := p.Forward(context.Background(), interp.QuantizeInputs(m, x), 1)
		require.NoError(t, err)
		for i := range x {
			x[i] = min(max(x[i], -1), 8)
		}
		for c, want := range []float32{x[0] + 3*x[1] - x[2], x[3] - 2*x[0]} {
			assert.InDelta(t, max(want*.25, 0), q.Scale*float64(int(got[c])-q.Zero), q.Scale*.501)
		}
	}
	told := ""
	m, err = Parse("net", raw, Options{Exact: true, Inexact: func(why error) { told = why.Error() }})
	require.NoError(t, err)
	assert.False(t, m.IsQuantized())
	assert.Contains(t, told, "operation linear gives a result of reals that the model does not quantize: -exact=true keeps the integers before it")
}

// TestExactMovesOfInputs: an input that is moved before the model quantizes it has its integers
// from the beginning; not where its elements are quantized in two ways.
func TestExactMovesOfInputs(t *testing.T) {
	base := func() *model {
		return newModel(13).input("x", 1, 2, 3).output("y").floats("s", nil, .5).bytesOf("z", 2, nil, 10).ints("pads", 0, 0, 1, 0, 0, 0).
			node("Transpose", "/t", list("x"), list("t"), "perm", []int64{0, 2, 1}).node("Pad", "/p", list("t", "pads"), list("p")).
			node("QuantizeLinear", "/q", list("p", "s", "z"), list("q")).node("DequantizeLinear", "/d", list("q", "s", "z"), list("d"))
	}
	m, err := Parse("net", base().node("Relu", "/r", list("d"), list("r")).node("QuantizeLinear", "/q2", list("r", "s", "z"), list("q2")).
		node("DequantizeLinear", "/d2", list("q2", "s", "z"), list("y")).bytes(), Options{Exact: true})
	require.NoError(t, err)
	p, err := interp.CompileInt(m)
	require.NoError(t, err)
	x := make([]int8, 6)
	Integers(m.Inputs[0].Type.Quant, []float32{1, 2, 3, -4, 5, -1000}, x)
	y, err := p.Forward(context.Background(), x, 1)
	require.NoError(t, err)
	got := make([]float32, len(y))
	interp.Dequantize(m.Outputs[0].Type.Quant, y, got)
	assert.Equal(t, []float32{0, 1, 0, 0, 2, 5, 0, 3, 0}, got)

	_, err = Parse("net", base().output("y2").bytesOf("z2", 2, nil, 11).node("QuantizeLinear", "/q2", list("x", "s", "z2"), list("q2")).
		node("DequantizeLinear", "/d2", list("q2", "s", "z2"), list("y2")).node("Relu", "/r", list("d"), list("y")).bytes(), Options{Exact: true})
	require.ErrorContains(t, err, `input "x" is quantized in several ways`)
}

// TestIntegersOfInputs: halves go to the even integer, in float32.
func TestIntegersOfInputs(t *testing.T) {
	y := make([]int8, 8)
	Integers(ir.Quant{Scale: .5, Zero: 3}, []float32{.25, .75, -.25, -.75, .26, 100, -100, float32(math.Nextafter(.25, 1))}, y)
	assert.Equal(t, []int8{3, 5, 3, 1, 4, 127, -128, 3}, y)
}

// TestBitsOf: the width of two's complement.
func TestBitsOf(t *testing.T) {
	for want, c := range map[int][][2]int64{2: {{0, 0}, {-2, 1}, {-1, 0}}, 3: {{-3, 0}, {0, 2}, {-4, 3}}, 4: {{-5, 0}, {0, 4}, {-8, 7}}, 8: {{-65, 0}, {0, 127}, {-128, 127}}} {
		for _, b := range c {
			assert.Equal(t, want, bitsOf(b[0], b[1]), b)
		}
	}
}

// TestExactRefusals: what an exact module cannot have is refused with its reason and with
// the name of the layer.
func TestExactRefusals(t *testing.T) {
	base := func() *model {
		return newModel(13).input("x", 1, 4).output("y").floats("s", nil, .5).bytesOf("z", 2, nil, 10).bytesOf("w", 3, []int64{4, 2}, 1, 2, 3, 4, 5, 6, 7, 8).
			floats("ws", nil, .25).bytesOf("wz", 3, nil, 0).bytesOf("far", 3, nil, 0x80).floats("f", []int64{4, 2}, 1, 2, 3, 4, 5, 6, 7, 8).
			node("QuantizeLinear", "/q", list("x", "s", "z"), list("q")).node("DequantizeLinear", "/d", list("q", "s", "z"), list("d"))
	}
	end := func(m *model) *model {
		return m.node("QuantizeLinear", "/q2", list("r", "s", "z"), list("q2")).node("DequantizeLinear", "/d2", list("q2", "s", "z"), list("y"))
	}
	for why, m := range map[string]*model{
		"operation linear has weights that are no integers":             end(base().node("MatMul", "/fc", list("d", "f"), list("r"))),
		"operation linear has weights that are not 8 bits around 0":     end(base().node("DequantizeLinear", "/w", list("w", "ws", "far"), list("wr")).node("MatMul", "/fc", list("d", "wr"), list("r"))),
		"operation linear gives reals that the model does not quantize": base().node("DequantizeLinear", "/w", list("w", "ws", "wz"), list("wr")).node("MatMul", "/fc", list("d", "wr"), list("p")).node("Sigmoid", "/s", list("p"), list("y")),
		`input "x" is used without a quantization`:                      end(base().node("Add", "/a", list("d", "x"), list("r"))),
		"operation batchnorm has a scale for each channel":              end(base().floats("k", []int64{4}, 1, 2, 3, 4).node("Relu", "/r", list("d"), list("dr")).node("QuantizeLinear", "/q3", list("dr", "s", "z"), list("q3")).node("DequantizeLinear", "/d3", list("q3", "s", "z"), list("d3")).node("Mul", "/m", list("d3", "k"), list("r"))),
	} {
		_, err := Parse("net", m.bytes(), Options{Exact: true})
		require.ErrorContains(t, err, why)
		require.ErrorContains(t, err, "-exact=false quantizes the model anew", why)
		_, err = Parse("net", m.bytes(), Options{})
		require.NoError(t, err, why)
	}
	// A float model has no integers to keep.
	m, err := Parse("net", newModel(13).input("x", 1, 4).output("y").node("Relu", "/r", list("x"), list("y")).bytes(), Options{Exact: true})
	require.NoError(t, err)
	assert.False(t, m.IsQuantized())
}
