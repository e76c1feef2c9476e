package onnx

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
)

// bytesOf adds an initializer of int8 (3) or uint8 (2).
func (m *model) bytesOf(name string, typ int32, dims []int64, x ...byte) *model {
	m.Graph.Initializer = append(m.Graph.Initializer, &pb.Tensor{Name: &name, Dims: dims, DataType: &typ, RawData: x})
	return m
}

// TestQuantizedModels writes one layer plainly, with quantizations around it and as
// one operation: all stand for the same reals.
func TestQuantizedModels(t *testing.T) {
	codes := []byte{1, 2, 0xff, 0x80, 5, 6, 7, 8, 9, 10, 11, 12}
	scales := []float32{.5, .25}
	var w []float32
	for i, c := range codes {
		w = append(w, float32(int8(c))*scales[i/6])
	}
	bias := []int32{100, -50}
	var raw []byte
	for _, b := range bias {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(b))
	}
	base := func() *model {
		return newModel(13).input("x", 1, 3, 4, 4).output("y").floats("s", nil, .125).bytesOf("z", 2, nil, 3).
			floats("ws", []int64{2}, scales...).bytesOf("wz", 3, []int64{2}, 0, 0).floats("ys", nil, .0625).bytesOf("yz", 2, nil, 0).
			bytesOf("w", 3, []int64{2, 3, 1, 2}, codes...)
	}
	plain := newModel(13).input("x", 1, 3, 4, 4).output("y").floats("w", []int64{2, 3, 1, 2}, w...).
		floats("b", []int64{2}, 100*.125*.5, -50*.125*.25).
		node("Conv", "/c/Conv", list("x", "w", "b"), list("c")).node("Relu", "/r/Relu", list("c"), list("y"))
	i32 := proto.Int32(6)
	qdq := base()
	qdq.Graph.Initializer = append(qdq.Graph.Initializer, &pb.Tensor{Name: proto.String("b"), Dims: []int64{2}, DataType: i32, RawData: raw})
	qdq.floats("bs", []int64{2}, .125*.5, .125*.25).
		node("QuantizeLinear", "q", list("x", "s", "z"), list("xq")).node("DequantizeLinear", "d", list("xq", "s", "z"), list("xr")).
		node("DequantizeLinear", "dw", list("w", "ws", "wz"), list("wr"), "axis", 0).node("DequantizeLinear", "db", list("b", "bs"), list("br"), "axis", 0).
		node("Conv", "/c/Conv", list("xr", "wr", "br"), list("c")).
		node("QuantizeLinear", "q2", list("c", "ys", "yz"), list("cq")).node("DequantizeLinear", "d2", list("cq", "ys", "yz"), list("y"))
	whole := base()
	whole.Graph.Initializer = append(whole.Graph.Initializer, &pb.Tensor{Name: proto.String("b"), Dims: []int64{2}, DataType: i32, RawData: raw})
	whole.node("QuantizeLinear", "q", list("x", "s", "z"), list("xq")).
		node("QLinearConv", "/c/Conv", list("xq", "s", "z", "w", "ws", "wz", "ys", "yz", "b"), list("cq")).
		node("DequantizeLinear", "d2", list("cq", "ys", "yz"), list("y"))
	want, err := Parse("net", plain.bytes(), Options{})
	require.NoError(t, err)
	for name, m := range map[string]*model{"qdq": qdq, "qlinear": whole} {
		got, err := Parse("net", m.bytes(), Options{})
		require.NoError(t, err, name)
		assert.InDeltaSlice(t, run(t, want), run(t, got), 1e-4, name)
	}
}

// TestIntegerInput gives pixels their reals.
func TestIntegerInput(t *testing.T) {
	m := newModel(13).input("x", 1, 4).output("y").floats("s", nil, .5).bytesOf("z", 2, nil, 3).
		node("DequantizeLinear", "d", list("x", "s", "z"), list("r")).node("Relu", "relu", list("r"), list("y"))
	m.Graph.Input[0].Type.TensorType.ElemType = proto.Int32(2)
	module, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.Contains(t, module.Source(), "x: f32[4] in [0,255]")
	assert.Contains(t, module.Source(), "normalize(x, mean: [3], std: [2])")
	m.node("Neg", "n", list("x"), list("other"))
	_, err = Parse("net", m.bytes(), Options{})
	require.ErrorContains(t, err, "which the operation Neg takes")
	bad := newModel(13).input("x", 1, 4).output("y").floats("s", []int64{3}, 1, 2, float32(math.Inf(1))).bytesOf("w", 3, []int64{2, 2}, 1, 2, 3, 4).
		node("DequantizeLinear", "d", list("w", "s"), list("r")).node("MatMul", "m", list("x", "r"), list("y"))
	_, err = Parse("net", bad.bytes(), Options{})
	require.Error(t, err)
}

// TestDynamicQuantization keeps reals where a model quantizes by what it sees, as
// onnxruntime's dynamic quantization writes it.
func TestDynamicQuantization(t *testing.T) {
	m := newModel(13).input("x", 1, 3).output("y").bytesOf("w", 3, []int64{3, 2}, 1, 0xfe, 3, 4, 5, 6).bytesOf("wz", 3, []int64{2}, 1, 2).floats("ws", nil, .5).
		node("DynamicQuantizeLinear", "q", list("x"), list("xq", "xs", "xz")).
		node("MatMulInteger", "/fc/MatMulInteger", list("xq", "w", "xz", "wz"), list("sums")).
		node("Cast", "cast", list("sums"), list("reals"), "to", 1).
		node("Mul", "scales", list("xs", "ws"), list("s")).
		node("Mul", "scaled", list("reals", "s"), list("y"))
	module, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	x := []float32{.5, .25, 1}
	// Columns of weights 1 3 5 and -2 4 6, less 1 and 2.
	assert.InDeltaSlice(t, []float32{.5 * (0 + .5 + 4), .5 * (-2 + .5 + 4)}, compute(t, module, x), 1e-6)
	static := newModel(13).input("x", 1, 3).output("y").bytesOf("w", 3, []int64{3, 2}, 1, 2, 3, 4, 5, 6).floats("s", nil, .5).bytesOf("z", 2, nil, 3).
		node("QuantizeLinear", "q", list("x", "s", "z"), list("xq")).
		node("MatMulInteger", "/fc/MatMulInteger", list("xq", "w", "z"), list("y"))
	_, err = Parse("net", static.bytes(), Options{})
	require.ErrorContains(t, err, "not quantized dynamically")
}
