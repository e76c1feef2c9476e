package onnx

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
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

// TestDynamicLayers: layers of integers whose values onnxruntime quantizes by what it sees are the
// layers of the reals that the integers stand for.
func TestDynamicLayers(t *testing.T) {
	const inputs, hidden = 2, 1
	x := []float32{.5, -.25, 1, .75}
	codes := func(n int) (bytes []byte) { // of int8, -3 and up
		for i := range n {
			bytes = append(bytes, byte(int8(i-3)))
		}
		return bytes
	}
	for _, scales := range [][]float32{{.25}, {.25, .5, .125, 1}} {
		dims, zeros := []int64{1, int64(len(scales))}, make([]byte, len(scales))
		zeros[0] = 1
		m := newModel(13).input("x", 2, 1, inputs).output("y").
			bytesOf("w", 3, []int64{1, inputs, 4 * hidden}, codes(8)...).bytesOf("r", 3, []int64{1, hidden, 4 * hidden}, codes(4)...).
			floats("s", dims, scales...).bytesOf("z", 3, dims, zeros...).
			node("DynamicQuantizeLSTM", "l", list("x", "w", "r", "", "", "", "", "", "s", "z", "s", "z"), list("y"), "hidden_size", hidden)
		m.Graph.Node[0].Domain = proto.String("com.microsoft")
		module, err := Parse("net", m.bytes(), Options{})
		require.NoError(t, err)
		real := func(n int) (out []float32) { // [4, n] of codes [n, 4]
			for gate := range 4 {
				for k := range n {
					scale, zero := scales[gate%len(scales)], float32(0)
					if gate == 0 || len(scales) == 1 {
						zero = 1
					}
					out = append(out, (float32(k*4+gate-3)-zero)*scale)
				}
			}
			return out
		}
		plain := newModel(13).input("x", 2, 1, inputs).output("y").floats("w", []int64{1, 4, inputs}, real(inputs)...).floats("r", []int64{1, 4, hidden}, real(hidden)...).
			node("LSTM", "l", list("x", "w", "r"), list("y"), "hidden_size", hidden)
		want, err := Parse("net", plain.bytes(), Options{})
		require.NoError(t, err)
		assert.InDeltaSlice(t, compute(t, want, x), compute(t, module, x), 1e-6, "%v", scales)
		m.Graph.Node[0].Input[9] = ""
		_, err = Parse("net", m.bytes(), Options{})
		assert.ErrorContains(t, err, "lacks zero points")
		m.Graph.Node[0].Input[9] = "w"
		_, err = Parse("net", m.bytes(), Options{})
		assert.ErrorContains(t, err, "has scales or zero points of shape [1 2 4] for weights of shape [1 2 4]")
		m.Graph.Node[0].Input = m.Graph.Node[0].Input[:9]
		_, err = Parse("net", m.bytes(), Options{})
		assert.ErrorContains(t, err, "has 9 arguments of 12")
	}
	m := newModel(13).input("x", 2, inputs).output("y").bytesOf("w", 3, []int64{inputs, 1}, 3, 5).floats("s", nil, .5).bytesOf("z", 3, nil, 1).floats("b", []int64{1}, 7).
		node("DynamicQuantizeMatMul", "d", list("x", "w", "s", "z", "b"), list("y"))
	m.Graph.Node[0].Domain = proto.String("com.microsoft")
	module, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float32{.5*1 - .25*2 + 7, 1*1 + .75*2 + 7}, compute(t, module, x), 1e-6)
}

// TestRowsOfMadeConstants: an input may choose rows of a constant that nodes make.
func TestRowsOfMadeConstants(t *testing.T) {
	indexed := func(before func(m *model) *model) []byte {
		m := before(newModel(13).input("x", 1, 2).output("y").bytesOf("codes", 3, []int64{3, 1}, 2, 4, 6).floats("s", nil, .5)).
			node("Gather", "g", list("rows", "x"), list("y"))
		m.Graph.Input[0].Type.TensorType.ElemType = proto.Int32(int32(int64Type))
		return m.bytes()
	}
	for name, before := range map[string]func(m *model) *model{
		"initializer": func(m *model) *model { return m.floats("rows", []int64{3, 1}, 1, 2, 3) },
		"codes":       func(m *model) *model { return m.node("DequantizeLinear", "d", list("codes", "s"), list("rows")) },
		"two nodes": func(m *model) *model {
			return m.node("DequantizeLinear", "d", list("codes", "s"), list("a")).node("Identity", "i", list("a"), list("rows"))
		},
		"constant": func(m *model) *model {
			return m.node("Constant", "c", nil, list("rows"), "value", &pb.Tensor{Dims: []int64{3, 1}, DataType: proto.Int32(1), FloatData: []float32{1, 2, 3}})
		},
	} {
		module, err := Parse("net", indexed(before), Options{})
		if !assert.NoError(t, err, name) {
			continue
		}
		assert.Equal(t, []float32{3, 1}, compute(t, module, []float32{2, 0}), name)
		assert.Equal(t, &ir.Range{Lo: 0, Hi: 2}, module.Inputs[0].Range, name)
	}
	for _, op := range []string{"Identity", "Relu"} { // a cycle, and a value that no constant gives
		_, err := Parse("net", indexed(func(m *model) *model { return m.node(op, "r", list("rows"), list("rows")) }), Options{})
		assert.ErrorContains(t, err, `input "x" has elements of type int64`, op)
	}
}
