package onnx

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
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

// TestOnnxruntimesOperations holds a residual block of onnxruntime's operations of
// integers to the same of floats.
func TestOnnxruntimesOperations(t *testing.T) {
	const relu = 0 // the zero point that bounds a result at 0
	codes := []byte{1, 0xff, 3, 4, 0xfb, 6, 7, 8}
	var w, turned []float32
	for _, c := range codes {
		w = append(w, float32(int8(c))*.25)
	}
	for i := range 4 { // [2,4] to [4,2]
		turned = append(turned, w[i], w[4+i])
	}
	plain := newModel(13).input("x", 1, 1, 4, 4).output("y").floats("w", []int64{4, 2}, turned...).floats("b", []int64{2}, 100*.125*.25, -50*.125*.25).
		node("LeakyRelu", "/l", list("x"), list("l"), "alpha", float32(.1)).
		node("Sigmoid", "/s", list("x"), list("s")).
		node("Mul", "/m", list("l", "s"), list("m")).
		node("Add", "/a", list("m", "x"), list("a")).node("Relu", "/r", list("a"), list("r")).
		node("Concat", "/c", list("r", "m"), list("c"), "axis", 1).
		node("AveragePool", "/p", list("c"), list("p"), "kernel_shape", []int64{2, 2}, "strides", []int64{2, 2}).
		node("GlobalAveragePool", "/g", list("p"), list("g")).
		node("Concat", "/cc", list("g", "g"), list("cc"), "axis", 1).
		node("Flatten", "/f", list("cc"), list("f")).
		node("Gemm", "/fc", list("f", "w", "b"), list("y"))
	whole := newModel(13).input("x", 1, 1, 4, 4).output("y").floats("s", nil, .125).bytesOf("z", 2, nil, 3).bytesOf("z0", 2, nil, relu).
		floats("ws", nil, .25).bytesOf("wz", 3, nil, 0).bytesOf("w", 3, []int64{2, 4}, codes...)
	whole.Graph.Initializer = append(whole.Graph.Initializer, &pb.Tensor{Name: proto.String("b"), Dims: []int64{2}, DataType: proto.Int32(6), Int32Data: []int32{100, -50}})
	whole.node("QuantizeLinear", "q", list("x", "s", "z"), list("xq")).
		node("QLinearLeakyRelu", "/l", list("xq", "s", "z", "s", "z"), list("l"), "alpha", float32(.1)).
		node("QLinearSigmoid", "/s", list("xq", "s", "z", "s", "z"), list("sg")).
		node("QLinearMul", "/m", list("l", "s", "z", "sg", "s", "z", "s", "z"), list("m")).
		node("QLinearAdd", "/a", list("m", "s", "z", "xq", "s", "z", "s", "z0"), list("r")).
		node("QLinearConcat", "/c", list("s", "z", "r", "s", "z0", "m", "s", "z"), list("c"), "axis", 1).
		node("QLinearAveragePool", "/p", list("c", "s", "z", "s", "z"), list("p"), "kernel_shape", []int64{2, 2}, "strides", []int64{2, 2}).
		node("QLinearGlobalAveragePool", "/g", list("p", "s", "z", "s", "z"), list("g")).
		node("Concat", "/cc", list("g", "g"), list("cc"), "axis", 1).
		node("Flatten", "/f", list("cc"), list("f")).
		node("QGemm", "/fc", list("f", "s", "z", "w", "ws", "wz", "b", "s", "z"), list("yq"), "transB", 1).
		node("DequantizeLinear", "d", list("yq", "s", "z"), list("y"))
	for _, n := range whole.Graph.Node {
		if strings.HasPrefix(n.GetOpType(), "QLinear") || n.GetOpType() == "QGemm" {
			n.Domain = proto.String("com.microsoft")
		}
	}
	want, err := Parse("net", plain.bytes(), Options{Ranges: map[string]ir.Range{"x": {Lo: -1, Hi: 1}}})
	require.NoError(t, err)
	got, err := Parse("net", whole.bytes(), Options{Ranges: map[string]ir.Range{"x": {Lo: -1, Hi: 1}}})
	require.NoError(t, err)
	x := make([]float32, 16)
	for i := range x {
		x[i] = float32(i%7)/4 - 1
	}
	assert.InDeltaSlice(t, compute(t, want, x), compute(t, got, x), 1e-5)
	whole.Graph.Node[3].Input[0] = "w" // a constant
	_, err = Parse("net", whole.bytes(), Options{})
	require.ErrorContains(t, err, "operation com.microsoft.QLinearMul of integers that are an input or a constant")
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
