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
		floats("lo", nil, -.375).floats("hi", nil, 31.5). // of uint8 with the zero point 3
		node("Clip", "/clip", list("x", "lo", "hi"), list("xc")).
		node("LeakyRelu", "/l", list("xc"), list("l"), "alpha", float32(.1)).
		node("Sigmoid", "/s", list("xc"), list("s")).
		node("Mul", "/m", list("l", "s"), list("m")).
		node("Add", "/a", list("m", "xc"), list("a")).node("Relu", "/r", list("a"), list("r")).
		node("Concat", "/c", list("r", "m"), list("c"), "axis", 1).
		node("AveragePool", "/p", list("c"), list("p"), "kernel_shape", []int64{2, 2}, "strides", []int64{2, 2}).
		node("GlobalAveragePool", "/g", list("p"), list("g")).
		node("Concat", "/cc", list("g", "g"), list("cc"), "axis", 1).
		node("Flatten", "/f", list("cc"), list("f")).
		node("Gemm", "/fc", list("f", "w", "b"), list("z")).node("Clip", "/clip2", list("z", "lo", "hi"), list("y"))
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
	whole.Graph.Node[3].Input[0] = "x" // reals
	_, err = Parse("net", whole.bytes(), Options{})
	require.ErrorContains(t, err, "operation com.microsoft.QLinearMul has reals where integers belong")
	whole.Graph.Node[3].Input[0] = "z" // a constant: the integer 3, whose real is 0
	_, err = Parse("net", whole.bytes(), Options{})
	require.NoError(t, err)
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
	module, err = Parse("net", static.bytes(), Options{})
	require.NoError(t, err)
	// The integers 1 1 2 (half a step to even), less 3 and the bound 0 of none: reals/.5.
	assert.InDeltaSlice(t, []float32{1*1 + .5*3 + 2*5, 1*2 + .5*4 + 2*6}, compute(t, module, x), 1e-5)
	// What stands between the product and its scale has no meaning without the scale.
	for op, change := range map[string]func(m *model){
		"Add":  func(m *model) { m.node("Add", "a", list("reals", "b"), list("z")).floats("b", []int64{2}, 1, 2) },
		"Clip": func(m *model) { m.node("Clip", "a", list("xq", "", "xz"), list("z")) },
		"Sqrt": func(m *model) { m.node("Sqrt", "a", list("reals"), list("z")) },
		"Div":  func(m *model) { m.node("Div", "a", list("ws", "xs"), list("z")) },
	} {
		bad := newModel(13).input("x", 1, 3).output("z").bytesOf("w", 3, []int64{3, 2}, 1, 0xfe, 3, 4, 5, 6).floats("ws", nil, .5).
			node("DynamicQuantizeLinear", "q", list("x"), list("xq", "xs", "xz")).
			node("MatMulInteger", "/fc/MatMulInteger", list("xq", "w", "xz"), list("sums")).
			node("Cast", "cast", list("sums"), list("reals"), "to", 1)
		change(bad)
		_, err = Parse("net", bad.bytes(), Options{})
		require.ErrorContains(t, err, "operation "+op+" of values that a DynamicQuantizeLinear quantized", op)
	}
	whole := newModel(13).input("x", 1, 3).output("xq").node("DynamicQuantizeLinear", "q", list("x"), list("xq", "xs", "xz"))
	_, err = Parse("net", whole.bytes(), Options{})
	require.ErrorContains(t, err, `the output "xq" is in units of a scale that the model finds when it runs`)
}

// TestOperationsOnIntegers holds what stands between a quantization and its end to the
// integers' own arithmetic. All reals lie on the scale, so that nothing is rounded.
func TestOperationsOnIntegers(t *testing.T) {
	const i8, u8, i32 = 3, 2, 6
	type build = func(m *model)
	one := func(op string, args []string, attrs ...any) build {
		return func(m *model) { m.node(op, "/n/"+op, append(list("q"), args...), list("r"), attrs...) }
	}
	for _, c := range []struct {
		name string
		typ  int32
		zero byte
		add  build
		x    []float32 // with the scale .5
		want []float32 // by the scale .5 and the zero point
		fail string
	}{
		{"whole range", u8, 10, one("Identity", nil), []float32{-6, -1, 0, 200}, []float32{-5, -1, 0, 122.5}, ""},
		{"whole range", i8, 0xf6, one("Identity", nil), []float32{-60, -1, 0, 100}, []float32{-59, -1, 0, 68.5}, ""},
		{"uint8 from 0", u8, 0, one("Identity", nil), []float32{-6, 1, 127.5, 200}, []float32{0, 1, 127.5, 127.5}, ""},
		{"relu", i8, 0xf6, one("Relu", nil), []float32{-60, -1, 6, 100}, []float32{5, 5, 6, 68.5}, ""},
		{"clip", u8, 10, one("Clip", list("lo", "hi")), []float32{-6, -1, 0, 200}, []float32{-3.5, -1, 0, 15}, ""},
		{"clip above", u8, 10, one("Clip", list("", "hi")), []float32{-6, -1, 0, 200}, []float32{-5, -1, 0, 15}, ""},
		{"pad", u8, 10, one("Pad", list("pads", "lo")), []float32{1, 2, 3, 4}, []float32{-3.5, 1, 2, 3, 4}, ""},
		{"pad with 0", u8, 10, one("Pad", list("pads")), []float32{1, 2, 3, 4}, []float32{-5, 1, 2, 3, 4}, ""},
		{"concat of scales", u8, 10, func(m *model) {
			m.floats("s2", nil, .25).bytesOf("z2", u8, nil, 20).node("QuantizeLinear", "/q2", list("x", "s2", "z2"), list("q2")).
				node("Concat", "/c", list("q", "q2"), list("r"), "axis", 1)
		}, []float32{1, 2, 3, 4}, []float32{1, 2, 3, 4, 7, 9, 11, 13}, ""},
		{"max of scales", u8, 10, func(m *model) {
			m.floats("s2", nil, .25).bytesOf("z2", u8, nil, 8).node("QuantizeLinear", "/q2", list("x", "s2", "z2"), list("q2")).
				node("Max", "/c", list("q", "q2"), list("r"))
		}, []float32{-3, 0, 1, 4}, []float32{-3, 0, 1, 7}, ""},
		{"min and a constant", u8, 10, one("Min", list("hi")), []float32{1, 2, 30, 4}, []float32{1, 2, 15, 4}, ""},
		{"moved", u8, 10, func(m *model) {
			m.ints("to", 1, 2, 2).ints("from", 1).ints("end", 2).ints("axes", 2).node("Reshape", "/a", list("q", "to"), list("a")).
				node("Transpose", "/b", list("a"), list("b"), "perm", []int64{0, 2, 1}).node("Slice", "/s", list("b", "from", "end", "axes"), list("r"))
		}, []float32{1, 2, 3, 4}, []float32{3, 4}, ""},
		{"gather", u8, 10, one("Gather", list("back"), "axis", 1), []float32{1, 2, 3, 4}, []float32{4, 3}, ""},
		{"sum of int32", u8, 10, func(m *model) {
			m.node("Cast", "/c", list("q"), list("w"), "to", i32).node("Add", "/a", list("w", "w"), list("r"))
		}, []float32{1, 2, 3, 4}, []float32{7, 9, 11, 13}, ""},
		{"difference and product of int32", u8, 10, func(m *model) {
			m.node("Cast", "/c", list("q"), list("w"), "to", i32).constant("k", arg{int32Type, []int64{1}, []float64{3}})
			m.node("Sub", "/a", list("w", "k"), list("d")).node("Mul", "/m", list("d", "d"), list("r"))
		}, []float32{0, 1, 2, 3}, []float32{.5 * (49 - 10), .5 * (81 - 10), .5 * (121 - 10), .5 * (169 - 10)}, ""},
		{"float and back", u8, 10, func(m *model) {
			m.floats("one", nil, 1).node("Cast", "/c", list("q"), list("w"), "to", 1).node("QuantizeLinear", "/q2", list("w", "one", "z"), list("r"))
		}, []float32{0, 1, 2, 3}, []float32{5, 6, 7, 8}, ""},
		{"sum that wraps", u8, 10, one("Add", list("q")), nil, nil, "operation Add of uint8 integers gives [0,510], which would wrap"},
		{"cast that wraps", u8, 10, one("Cast", nil, "to", i8), nil, nil, "operation Cast of uint8 integers in [0,255] to int8, where they would wrap"},
		{"cast that cannot wrap", u8, 10, func(m *model) {
			m.node("Clip", "/n/Clip", list("q", "lo", "hi"), list("a")).node("Cast", "/c", list("a"), list("b"), "to", i8).node("Cast", "/d", list("b"), list("r"), "to", u8)
		}, []float32{-6, -1, 0, 200}, []float32{-3.5, -1, 0, 15}, ""},
		{"function", u8, 10, one("Sigmoid", nil), nil, nil, "operation Sigmoid computes on uint8 integers, which this importer cannot: put it after the DequantizeLinear"},
		{"division", u8, 10, one("Div", list("hi")), nil, nil, "operation Div computes on uint8 integers"},
		{"scale of an axis", u8, 10, func(m *model) {
			m.floats("many", []int64{4}, 1, 2, 3, 4).node("DequantizeLinear", "/d2", list("q", "many"), list("w")).node("QuantizeLinear", "/q2", list("w", "s", "z"), list("r"))
		}, nil, nil, "has scales that are not one positive number"},
	} {
		m := newModel(14).input("x", 1, 4).output("y").floats("s", nil, .5).bytesOf("z", c.typ, nil, c.zero).
			bytesOf("lo", c.typ, nil, 3).bytesOf("hi", c.typ, nil, 40).ints("pads", 0, 1, 0, 0).ints("back", -1, 2).
			node("QuantizeLinear", "/q", list("x", "s", "z"), list("q"))
		c.add(m)
		m.node("DequantizeLinear", "/d", list("r", "s", "z"), list("y"))
		module, err := Parse("net", m.bytes(), Options{Ranges: map[string]ir.Range{"x": {Lo: -300, Hi: 300}}})
		if c.fail != "" {
			require.ErrorContains(t, err, c.fail, c.name)
			require.ErrorContains(t, err, "note: /", c.name) // the node's name
			continue
		}
		require.NoError(t, err, c.name)
		require.Empty(t, ir.Verify(module), c.name)
		assert.InDeltaSlice(t, c.want, compute(t, module, c.x), 1e-5, c.name)
		// Without the last operation the result is the integers themselves.
		m.Graph.Node, m.Graph.Output[0].Name = m.Graph.Node[:len(m.Graph.Node)-1], proto.String("r")
		module, err = Parse("net", m.bytes(), Options{Ranges: map[string]ir.Range{"x": {Lo: -300, Hi: 300}}})
		require.NoError(t, err, c.name)
		zero := float32(c.zero)
		if c.typ == i8 {
			zero = float32(int8(c.zero))
		}
		whole := make([]float32, len(c.want))
		for i, v := range c.want {
			whole[i] = v/.5 + zero
		}
		assert.InDeltaSlice(t, whole, compute(t, module, c.x), 1e-4, c.name)
	}
}

// TestQuantizedConstants folds quantizations of constants, of less than a byte and in
// blocks.
func TestQuantizedConstants(t *testing.T) {
	for _, c := range []struct {
		name string
		add  func(m *model)
		want []float32
	}{
		{"int4", func(m *model) {
			m.bytesOf("w", 22, []int64{2, 2}, 0x87, 0x1f).floats("ws", nil, .5).node("DequantizeLinear", "/d", list("w", "ws"), list("r"))
		}, []float32{3.5, -4, -.5, .5}},
		{"uint4 with a zero point", func(m *model) {
			m.bytesOf("w", 21, []int64{2, 2}, 0x87, 0x1f).floats("ws", []int64{2}, .5, 2).bytesOf("wz", 21, []int64{2}, 0x38).
				node("DequantizeLinear", "/d", list("w", "ws", "wz"), list("r"), "axis", 1)
		}, []float32{-.5, 10, 3.5, -4}},
		{"blocks", func(m *model) {
			m.bytesOf("w", 3, []int64{2, 3}, 1, 2, 3, 4, 5, 6).floats("ws", []int64{2, 2}, 1, 10, 100, 1000).
				node("DequantizeLinear", "/d", list("w", "ws"), list("r"), "axis", 1, "block_size", 2)
		}, []float32{1, 2, 30, 400, 500, 6000}},
		{"floats, rounded to even, in a narrow range", func(m *model) {
			m.floats("f", []int64{2, 2}, .25, .75, -9, 9).floats("ws", nil, .5).bytesOf("wz", 3, nil, 0).bytesOf("lo", 3, nil, 0xf9).bytesOf("hi", 3, nil, 7).
				node("QuantizeLinear", "/q", list("f", "ws", "wz"), list("fq")).node("Clip", "/c", list("fq", "lo", "hi"), list("fc")).
				node("DequantizeLinear", "/d", list("fc", "ws", "wz"), list("r"))
		}, []float32{0, 1, -3.5, 3.5}},
	} {
		m := newModel(21).input("x", 1, 2).output("y")
		c.add(m)
		width := len(c.want) / 2
		m.node("MatMul", "/m", list("x", "r"), list("y"))
		module, err := Parse("net", m.bytes(), Options{})
		require.NoError(t, err, c.name)
		assert.InDeltaSlice(t, c.want[:width], compute(t, module, []float32{1, 0}), 1e-6, c.name)
		assert.InDeltaSlice(t, c.want[width:], compute(t, module, []float32{0, 1}), 1e-6, c.name)
	}
}
