package onnx

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCausalConvolution: outputs see the past alone, and the last inputs are the next run's past.
func TestCausalConvolution(t *testing.T) {
	build := func(in ...string) *model {
		return newModel(28).input("x", 1, 1, 3).constant("w", floats(.5, 1).of(1, 1, 2)).constant("b", floats(.25)).constant("p", floats(10).of(1, 1, 1)).
			output("y", "last").node("CausalConvWithState", "c", in, list("y", "last"))
	}
	for _, c := range []struct {
		in   []string
		want []float32
	}{
		{list("x", "w"), []float32{1, 2.5, 4}},
		{list("x", "w", "b"), []float32{1.25, 2.75, 4.25}},
		{list("x", "w", "", "p"), []float32{6, 2.5, 4}},
	} {
		m, err := Parse("net", build(c.in...).bytes(), Options{})
		require.NoError(t, err)
		x := []float32{1, 2, 3}
		assert.Equal(t, append(c.want, 3), append(compute(t, m, x), resultOf(t, m, 1, x)...), "%v", c.in)
	}
}

// TestQLinearWhere chooses between integers of two scales by a constant condition.
func TestQLinearWhere(t *testing.T) {
	m := newModel(13).input("x", 1, 4).output("y").constant("s", number(.5)).constant("z", integer(3).as(uint8Type)).
		constant("t", number(.25)).constant("k", floats(9, 11, 13, 15).as(uint8Type).of(1, 4)).constant("mask", floats(1, 0, 0, 1).as(boolType).of(1, 4)).
		node("QuantizeLinear", "q", list("x", "s", "z"), list("xq")).
		node("QLinearWhere", "w", list("mask", "xq", "s", "z", "k", "t", "z", "s", "z"), list("yq")).in("com.microsoft").
		node("DequantizeLinear", "d", list("yq", "s", "z"), list("y"))
	module, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, []float32{1.5, 2, 2.5, 4}, compute(t, module, []float32{1.5, 2.5, 3.5, 4}))
}

// TestFaultyAttentions: what is refused of the attentions of onnxruntime, and why.
func TestFaultyAttentions(t *testing.T) {
	weights := floats(make([]float64, 4*6)...).of(4, 6)
	for _, c := range []struct {
		want string
		op   string
		args []arg // after x
		in   []string
		attr []any
	}{
		{"of a tensor of shape [1 3 4] and weights of shape [24], which must be constant", "Attention", []arg{weights.of(24)}, list("x", "k0"), nil},
		{"has a bias of shape [5] for weights of shape [4 6]", "Attention", []arg{weights, floats(1, 2, 3, 4, 5)}, list("x", "k0", "k1"), nil},
		{"has queries, keys and values of [2 2 3] numbers (qkv_hidden_sizes) of weights of shape [4 6]", "Attention", []arg{weights}, list("x", "k0"), []any{"qkv_hidden_sizes", []int64{2, 2, 3}}},
		{"turns queries (do_rotary)", "Attention", []arg{weights}, list("x", "k0"), []any{"do_rotary", 1}},
		{"has 0 heads (q_num_heads, kv_num_heads) of a tensor of shape [1 3 2]", "Attention", []arg{weights}, list("x", "k0"), nil},
		{"has a mask of shape [2] for 3 keys", "Attention", []arg{weights, ints(1, 2)}, list("x", "k0", "", "k1"), []any{"num_heads", 1}},
		{"has a mask that the network computes", "Attention", []arg{weights}, list("x", "k0", "", "x"), []any{"num_heads", 1}},
		{"has a bias of shape [11]", "MultiHeadAttention", []arg{floats(make([]float64, 11)...)}, list("x", "x", "x", "k0"), []any{"num_heads", 2}},
		{"has keys and values of earlier runs", "MultiHeadAttention", nil, list("x", "x", "x", "", "", "", "x", "x"), []any{"num_heads", 2}},
	} {
		m := newModel(17).input("x", 1, 3, 4).output("y")
		for i, a := range c.args {
			m.constant([]string{"k0", "k1"}[i], a)
		}
		_, err := Parse("net", m.node(c.op, "the node", c.in, list("y"), c.attr...).in("com.microsoft").bytes(), Options{})
		assert.ErrorContains(t, err, "operation com.microsoft."+c.op+" "+c.want)
		assert.ErrorContains(t, err, "the node")
	}
}
