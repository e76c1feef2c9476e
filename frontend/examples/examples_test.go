package examples_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/examples"
	"github.com/dnnc/dnnc/ir"
)

// TestNetworks holds the networks to the sizes of MLPerf Tiny's: weights of layers,
// multiply-adds, the shape before the classifier and the result; the recurrent one has weights
// of its states beside these. Each is made twice.
func TestNetworks(t *testing.T) {
	for i, c := range []struct {
		name          string
		weights, macs int
		last          ir.Shape // what is pooled
		result        ir.Shape
		ops           map[ir.Op]int
	}{
		{"resnet8", 77360, 12501632, ir.Shape{64, 8, 8}, ir.Shape{10}, map[ir.Op]int{ir.Conv2D: 9, ir.BatchNorm: 9, ir.Relu: 7, ir.Add: 3, ir.GlobalAvgPool: 1, ir.Linear: 1}},
		{"mobilenet", 208112, 7489664, ir.Shape{256, 3, 3}, ir.Shape{2}, map[ir.Op]int{ir.Conv2D: 27, ir.BatchNorm: 27, ir.Relu: 27, ir.GlobalAvgPool: 1, ir.Linear: 1}},
		{"dscnn", 22016, 2656768, ir.Shape{64, 25, 5}, ir.Shape{12}, map[ir.Op]int{ir.Conv2D: 9, ir.BatchNorm: 9, ir.Relu: 9, ir.GlobalAvgPool: 1, ir.Linear: 1}},
		{"autoencoder", 264192, 264192, nil, ir.Shape{640}, map[ir.Op]int{ir.Linear: 10, ir.Relu: 9}},
		{"gru", 1344, 47424, nil, ir.Shape{12}, map[ir.Op]int{ir.Conv2D: 1, ir.Recurrent: 1, ir.Slice: 1, ir.Linear: 1}},
	} {
		e := examples.All[i]
		require.Equal(t, c.name, e.Name)
		m, err := e.Module()
		require.NoError(t, err)
		require.Empty(t, ir.Verify(m))
		again, err := e.Module()
		require.NoError(t, err)
		isSame, err := ir.Equal(m, again)
		require.NoError(t, err)
		assert.True(t, isSame, c.name)

		weights, macs, ops := 0, 0, map[ir.Op]int{}
		for _, n := range m.Ops {
			ops[n.Op]++
			if n.Op == ir.GlobalAvgPool {
				assert.Equal(t, c.last, n.Args[0].Type.Shape, c.name)
			}
			if n.Op.HasWeights() {
				w := n.Const(ir.AttrWeight).Type.Shape
				weights += w.Size()
				macs += w.Size() / w[0] * n.Out.Type.Shape.Size()
			}
		}
		assert.Equal(t, c.ops, ops, c.name)
		assert.Equal(t, c.weights, weights, c.name)
		assert.Equal(t, c.macs, macs, c.name)
		assert.Equal(t, c.result, m.Outputs[0].Type.Shape, c.name)
	}
}

// TestWeights: random numbers whose sums neither grow nor vanish from layer to layer: a
// variance of two over the inputs of a channel; normalisations are near those that change
// nothing.
func TestWeights(t *testing.T) {
	for _, e := range examples.All {
		m, err := e.Module()
		require.NoError(t, err)
		for _, c := range m.Consts {
			if c.Type.Shape.Size() < 256 && !strings.HasSuffix(c.Name, "norm.weight") && !strings.HasSuffix(c.Name, "running_var") {
				continue
			}
			x, err := c.Float32()
			require.NoError(t, err)
			mean, square := 0., 0.
			for _, v := range x {
				mean += float64(v) / float64(len(x))
			}
			for _, v := range x {
				square += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
			}
			wantMean, want := 0., math.Sqrt(2*float64(c.Type.Shape[0])/float64(len(x)))
			switch {
			case strings.HasSuffix(c.Name, "norm.weight"):
				wantMean, want = 1, .1
			case strings.HasSuffix(c.Name, "running_var"):
				wantMean, want = 1, .05
			case len(c.Type.Shape) == 1:
				want = .1
			}
			error := 4 / math.Sqrt(float64(len(x))) // of four standard errors
			assert.InDelta(t, wantMean, mean, want*error, "%s %s", e.Name, c.Name)
			assert.InDelta(t, want, math.Sqrt(square), want*error, "%s %s", e.Name, c.Name)
		}
	}
}

// TestSample writes a network of a statement, with the constants that it declares.
func TestSample(t *testing.T) {
	const statement = "const k: f32[2,2]\nconst s_var: f32[8]\nconst one: f32[1]\n  y = tanh(a)"
	path, text, err := examples.Sample(statement, t.TempDir())
	require.NoError(t, err)
	assert.Contains(t, string(text), "a: f32[4,6,6] in [-2,3], b: f32[4,6,6] in [0,1], m: f32[5,7] in [0,1]")
	assert.Contains(t, string(text), statement+"\n  return y\n")
	_, err = frontend.Load(path, frontend.Options{})
	require.NoError(t, err)

	_, _, err = examples.Sample("const k: f32[99999999999999999999]", t.TempDir())
	assert.ErrorContains(t, err, "const k: f32[99999999999999999999]: ")
	_, _, err = examples.Sample(statement, t.TempDir()+"/none")
	assert.ErrorContains(t, err, "none")
}

// TestSampleConstants: small numbers of either sign, positive ones for variances.
func TestSampleConstants(t *testing.T) {
	path, text, err := examples.Sample("const g: f32[4]\nconst b: f32[4]\nconst m: f32[4]\nconst v_var: f32[4]\n  y = batchnorm(a, gamma: g, beta: b, mean: m, variance: v_var)", t.TempDir())
	require.NoError(t, err)
	m, err := frontend.Parse(path, []byte(strings.Replace(string(text), "-> f32[1]", "-> f32[4,6,6]", 1)), frontend.Options{})
	require.NoError(t, err)
	got := map[string]string{}
	for _, c := range m.Consts {
		x, err := c.Float32()
		require.NoError(t, err)
		got[c.Name] = fmt.Sprint(x)
	}
	assert.Equal(t, map[string]string{"g": "[-0.375 0.25 0 -0.25]", "b": "[-0.375 0.25 0 -0.25]", "m": "[-0.375 0.25 0 -0.25]", "v_var": "[0.125 0.25 0.375 0.5]"}, got)
}
