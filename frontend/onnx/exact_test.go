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

// inexact are cases whose results are reals that the model does not quantize, or integers
// of more than 8 bits, with how far they may be: half a step, and what the rounding of the inputs adds.
var inexact = map[string]float64{"castadd_": 1, "qdq_brevitas_float_": .15}

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
			p, err := interp.CompileInt(m)
			require.NoError(t, err)
			got, err := p.Forward(context.Background(), interp.QuantizeInputs(m, x), 1)
			require.NoError(t, err)
			require.Len(t, got, len(want))
			q := m.Outputs[0].Type.Quant
			for k, v := range got {
				steps := math.Abs(float64(want[k])/q.Scale + float64(q.Zero) - float64(v))
				limit := .01
				if beginsWith(c.Name, ties...) != "" {
					limit = 1.01
				}
				require.LessOrEqual(t, steps, limit, "element %d", k)
			}
		})
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
		"operation linear gives reals that the model does not quantize": base().node("DequantizeLinear", "/w", list("w", "ws", "wz"), list("wr")).node("MatMul", "/fc", list("d", "wr"), list("y")),
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
