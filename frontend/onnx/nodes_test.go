package onnx

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// arg is a constant of a test: a shape (nil of one number) and elements of an ONNX type.
type arg struct {
	typ  dtype
	dims []int64
	x    []float64
}

func ints(x ...float64) arg   { return arg{int64Type, []int64{int64(len(x))}, x} }
func floats(x ...float64) arg { return arg{float32Type, []int64{int64(len(x))}, x} }
func number(x float64) arg    { return arg{float32Type, nil, []float64{x}} }
func integer(x float64) arg   { return arg{int64Type, nil, []float64{x}} }
func (a arg) of(dims ...int64) arg {
	a.dims = dims
	return a
}
func (a arg) as(typ dtype) arg {
	a.typ = typ
	return a
}

// constant declares an argument.
func (m *model) constant(name string, a arg) *model {
	t := newTensor(a.typ, nil, a.x)
	raw, err := t.data.Load()
	if err != nil {
		panic(err)
	}
	m.Graph.Initializer = append(m.Graph.Initializer, &pb.Tensor{Name: &name, Dims: a.dims, DataType: proto.Int32(int32(a.typ)), RawData: raw})
	return m
}

// with declares constants k0, k1 and so on, and appends a node of them.
func (m *model) with(op string, args []arg, out []string, attrs ...any) *model {
	var names []string
	for i, a := range args {
		names = append(names, fmt.Sprint("k", i))
		m.constant(names[i], a)
	}
	return m.node(op, "n", names, out, attrs...)
}

// TestActivationsAreBounded: small models that ask for values of a thousand million elements,
// by nodes and by an input. Each is told the elements, the bound and a way out.
func TestActivationsAreBounded(t *testing.T) {
	const whole = 1000 << 20
	for what, m := range map[string]*model{
		"operation Pad n: the result of shape [1,1048576000] has 1048576000 elements": newModel(13).input("x", 1, 1, 4).output("y").
			ints("pads", 0, 0, 0, 0, 0, whole-4).node("Pad", "n", list("x", "pads"), list("y")),
		"operation Expand n": newModel(13).input("x", 1, 1, 4).output("y").
			ints("to", 1, whole/4, 4).node("Expand", "n", list("x", "to"), list("y")),
		"operation Tile n": newModel(13).input("x", 1, 1, 4).output("y").
			ints("times", 1, 1, whole/4).node("Tile", "n", list("x", "times"), list("y")),
		"operation Resize n": newModel(13).input("x", 1, 1, 4, 4).output("y").
			ints("to", 1, 1, 32000, 32000).node("Resize", "n", list("x", "", "", "to"), list("y"), "mode", "nearest"),
		`input "x" of shape [1,1,32768,32000] has 1048576000 elements`: newModel(13).input("x", 1, 1, 32768, 32000).output("y").node("Relu", "n", list("x"), list("y")),
	} {
		_, err := Parse("net", m.bytes(), Options{})
		require.ErrorContains(t, err, what)
		require.ErrorContains(t, err, "a value of a network has at most 67108864", what)
		require.ErrorContains(t, err, "help: give the network a smaller input, or cut it before this value", what)
	}
}

// TestResultsKeepTheirNames: a result is called as the model calls it, where that is a name;
// a layer keeps the name of its weights, another value that of its node.
func TestResultsKeepTheirNames(t *testing.T) {
	two := func(est, logits string) *model {
		return newModel(13).input("x", 1, 3).output(est, logits).floats("fc.weight", []int64{2, 3}, ramp(6)...).
			node("Gemm", "/fc/Gemm", list("x", "fc.weight"), list(logits), "transB", 1).node("Tanh", "/add", list("x"), list(est))
	}
	for _, c := range []struct{ est, logits, wantEst, wantLogits string }{
		{"est", "logits", "est", "logits"},
		{"21", "/fc/Gemm_output_0", "add", "fc"},
		{"fc", "add", "add", "fc"}, // as values are called
		{"return", "n", "add", "n"},
	} {
		m, err := Parse("net", two(c.est, c.logits).bytes(), Options{})
		require.NoError(t, err)
		assert.Equal(t, []string{c.wantEst, c.wantLogits}, []string{m.ResultName(0), m.ResultName(1)})
		assert.Equal(t, []string{"add", "fc"}, []string{m.Outputs[0].Name, m.Outputs[1].Name})
	}
	m, err := Parse("net", two("est", "logits").bytes(), Options{Outputs: list("logits")})
	require.NoError(t, err)
	assert.Equal(t, "logits", m.ResultName(0))
	quantized := newModel(13).input("x", 1, 3).output("est").floats("s", nil, 0.5)
	quantized.constant("z", arg{int8Type, nil, []float64{0}})
	quantized.node("QuantizeLinear", "q", list("x", "s", "z"), list("xq")).node("DequantizeLinear", "d", list("xq", "s", "z"), list("xd")).
		node("Relu", "r", list("xd"), list("y")).node("QuantizeLinear", "q2", list("y", "s", "z"), list("yq")).node("DequantizeLinear", "d2", list("yq", "s", "z"), list("est"))
	m, err = Parse("net", quantized.bytes(), Options{Exact: true})
	require.NoError(t, err)
	require.True(t, m.IsQuantized())
	assert.Equal(t, "est", m.ResultName(0))
}

// TestFolding: what operations of constants give, worked out by hand.
func TestFolding(t *testing.T) {
	six := ints(1, 2, 3, 4, 5, 6).of(2, 3)
	for _, c := range []struct {
		op    string
		args  []arg
		attrs []any
		shape []int64 // of the result
		want  []float32
	}{
		{"Neg", []arg{floats(1, -2.5)}, nil, []int64{2}, []float32{-1, 2.5}},
		{"Abs", []arg{ints(3, -4)}, nil, []int64{2}, []float32{3, 4}},
		{"Floor", []arg{floats(1.5, -1.5)}, nil, []int64{2}, []float32{1, -2}},
		{"Ceil", []arg{floats(1.5, -1.5)}, nil, []int64{2}, []float32{2, -1}},
		{"Sqrt", []arg{floats(9, 2.25)}, nil, []int64{2}, []float32{3, 1.5}},
		{"Reciprocal", []arg{floats(4, -.5)}, nil, []int64{2}, []float32{.25, -2}},
		{"Pow", []arg{floats(3, 4), floats(2, .5)}, nil, []int64{2}, []float32{9, 2}},
		{"Mod", []arg{ints(7, -7, 6), integer(3)}, nil, []int64{3}, []float32{1, 2, 0}},
		{"Add", []arg{ints(1, 2).of(2, 1), ints(10, 20, 30)}, nil, []int64{2, 3}, []float32{11, 21, 31, 12, 22, 32}},
		{"Sub", []arg{integer(5), ints(1, 7)}, nil, []int64{2}, []float32{4, -2}},
		{"Mul", []arg{ints(2, 3), ints(4, -5)}, nil, []int64{2}, []float32{8, -15}},
		{"Div", []arg{ints(7, -7, 9), integer(2)}, nil, []int64{3}, []float32{3, -3, 4}},
		{"Div", []arg{floats(7, -7), number(2)}, nil, []int64{2}, []float32{3.5, -3.5}},
		{"Min", []arg{ints(1, 8, 3), ints(4, 5, 3), integer(6)}, nil, []int64{3}, []float32{1, 5, 3}},
		{"Max", []arg{ints(1, 8, 3), ints(4, 5, 3), integer(4)}, nil, []int64{3}, []float32{4, 8, 4}},
		{"Where", []arg{ints(1, 0, 2).as(boolType), ints(1, 2, 3), ints(7, 8, 9)}, nil, []int64{3}, []float32{1, 8, 3}},
		{"Not", []arg{ints(1, 0).as(boolType)}, nil, []int64{2}, []float32{0, 1}},
		{"And", []arg{ints(0, 0, 1, 1).as(boolType), ints(0, 1, 0, 1).as(boolType)}, nil, []int64{4}, []float32{0, 0, 0, 1}},
		{"Or", []arg{ints(0, 0, 1, 1).as(boolType), ints(0, 1, 0, 1).as(boolType)}, nil, []int64{4}, []float32{0, 1, 1, 1}},
		{"Equal", []arg{ints(1, 2, 3), integer(2)}, nil, []int64{3}, []float32{0, 1, 0}},
		{"Less", []arg{ints(1, 2, 3), integer(2)}, nil, []int64{3}, []float32{1, 0, 0}},
		{"Greater", []arg{ints(1, 2, 3), integer(2)}, nil, []int64{3}, []float32{0, 0, 1}},
		{"LessOrEqual", []arg{ints(1, 2, 3), integer(2)}, nil, []int64{3}, []float32{1, 1, 0}},
		{"GreaterOrEqual", []arg{ints(1, 2, 3), integer(2)}, nil, []int64{3}, []float32{0, 1, 1}},
		{"ReduceProd", []arg{six}, nil, []int64{1, 1}, []float32{720}},
		{"ReduceProd", []arg{six}, []any{"axes", []int64{0}, "keepdims", 0}, []int64{3}, []float32{4, 10, 18}},
		{"ReduceSum", []arg{six, ints(1)}, []any{"keepdims", 0}, []int64{2}, []float32{6, 15}},
		{"ReduceSum", []arg{six, ints(-2)}, nil, []int64{1, 3}, []float32{5, 7, 9}},
		{"ReduceSum", []arg{six}, []any{"noop_with_empty_axes", 1}, []int64{2, 3}, []float32{1, 2, 3, 4, 5, 6}},
		{"ReduceMean", []arg{six}, []any{"axes", []int64{1}}, []int64{2, 1}, []float32{2, 5}},
		{"ReduceL1", []arg{floats(3, -4)}, nil, []int64{1}, []float32{7}},
		{"ReduceL2", []arg{floats(3, -4)}, nil, []int64{1}, []float32{5}},
		{"ReduceSumSquare", []arg{floats(3, -4)}, nil, []int64{1}, []float32{25}},
		{"ReduceMax", []arg{six}, []any{"axes", []int64{1}}, []int64{2, 1}, []float32{3, 6}},
		{"ReduceMin", []arg{six.as(float32Type)}, []any{"axes", []int64{0}}, []int64{1, 3}, []float32{1, 2, 3}},
		{"MatMul", []arg{six, ints(1, 10, 100)}, nil, []int64{2}, []float32{321, 654}},
		{"MatMul", []arg{ints(1, 10), six}, nil, []int64{3}, []float32{41, 52, 63}},
		{"MatMul", []arg{ints(1, 2), ints(3, 4)}, nil, []int64{1}, []float32{11}},
		{"MatMul", []arg{floats(1, 2, 3, 4).of(2, 2), floats(1, 2, .5, .25).of(2, 2)}, nil, []int64{2, 2}, []float32{2, 2.5, 5, 7}},
		{"MatMul", []arg{floats(1, 2, 3, 4).of(2, 1, 2), floats(5, 6, 7, 8, 9, 10, 11, 12).of(2, 2, 2)}, nil, []int64{2, 1, 2}, []float32{19, 22, 71, 78}},
		{"MatMul", []arg{floats(1, 2, 3, 4).of(2, 1, 2), floats(5, 6, 7, 8).of(2, 2)}, nil, []int64{2, 1, 2}, []float32{19, 22, 43, 50}},
		{"MatMul", []arg{floats(1, 2), floats(5, 6, 7, 8).of(2, 2, 1)}, nil, []int64{2, 1}, []float32{17, 23}},
		{"Gemm", []arg{floats(1, 2, 3, 4).of(2, 2), floats(1, 2, .5, .25).of(2, 2), floats(1, 2)}, []any{"alpha", float32(2), "beta", float32(.5), "transA", 1, "transB", 1}, []int64{2, 2}, []float32{14.5, 3.5, 20.5, 5}},
		{"Sigmoid", []arg{floats(0)}, nil, []int64{1}, []float32{.5}},
		{"Tanh", []arg{floats(0, 1).of(1, 2)}, nil, []int64{1, 2}, []float32{0, 0.7615942}},
		{"LeakyRelu", []arg{floats(2, -2)}, []any{"alpha", float32(.25)}, []int64{2}, []float32{2, -.5}},
		{"HardSigmoid", []arg{floats(0, 1, 9)}, nil, []int64{3}, []float32{.5, .7, 1}},
		{"Range", []arg{integer(2), integer(9), integer(3)}, nil, []int64{3}, []float32{2, 5, 8}},
		{"Range", []arg{number(1), number(-1), number(-.5)}, nil, []int64{4}, []float32{1, .5, 0, -.5}},
		{"ConstantOfShape", []arg{ints(2, 2)}, nil, []int64{2, 2}, []float32{0, 0, 0, 0}},
		{"ConstantOfShape", []arg{ints(3)}, []any{"value", &pb.Tensor{Dims: []int64{1}, DataType: proto.Int32(7), Int64Data: []int64{5}}}, []int64{3}, []float32{5, 5, 5}},
		{"Constant", nil, []any{"value_int", 7}, []int64{1}, []float32{7}},
		{"Constant", nil, []any{"value_ints", []int64{7, 8}}, []int64{2}, []float32{7, 8}},
		{"Constant", nil, []any{"value_float", float32(.5)}, []int64{1}, []float32{.5}},
		{"Constant", nil, []any{"value", &pb.Tensor{Dims: []int64{2}, DataType: proto.Int32(1), FloatData: []float32{.25, 4}}}, []int64{2}, []float32{.25, 4}},
		{"Constant", nil, []any{"value", &pb.Tensor{Dims: []int64{2}, DataType: proto.Int32(11), DoubleData: []float64{.25, 4}}}, []int64{2}, []float32{.25, 4}},
		{"Constant", nil, []any{"value", &pb.Tensor{Dims: []int64{2}, DataType: proto.Int32(6), Int32Data: []int32{-25, 4}}}, []int64{2}, []float32{-25, 4}},
		{"Constant", nil, []any{"value", &pb.Tensor{Dims: []int64{2}, DataType: proto.Int32(13), Uint64Data: []uint64{25, 4}}}, []int64{2}, []float32{25, 4}},
		{"Shape", []arg{six}, nil, []int64{2}, []float32{2, 3}},
		{"Shape", []arg{six}, []any{"start", 1}, []int64{1}, []float32{3}},
		{"Shape", []arg{six}, []any{"end", -1}, []int64{1}, []float32{2}},
		{"Shape", []arg{six}, []any{"start", -9, "end", 9}, []int64{2}, []float32{2, 3}},
		{"Size", []arg{six}, nil, []int64{1}, []float32{6}},
		{"Cast", []arg{floats(1.75, -1.75)}, []any{"to", 7}, []int64{2}, []float32{1, -1}},
		{"Cast", []arg{floats(1.75, 0, -3)}, []any{"to", 9}, []int64{3}, []float32{1, 0, 1}},
		{"Cast", []arg{ints(2, 0)}, []any{"to", 9}, []int64{2}, []float32{1, 0}},
		{"Cast", []arg{ints(2, -3)}, []any{"to", 6}, []int64{2}, []float32{2, -3}},
		{"Cast", []arg{ints(2, -3).as(int32Type)}, []any{"to", 7}, []int64{2}, []float32{2, -3}},
		{"Cast", []arg{floats(.5, 1)}, []any{"to", 10}, []int64{2}, []float32{.5, 1}},
		{"Concat", []arg{ints(1, 2).of(2, 1), ints(3, 4, 5, 6).of(2, 2)}, []any{"axis", 1}, []int64{2, 3}, []float32{1, 3, 4, 2, 5, 6}},
		{"Concat", []arg{ints(1, 2), ints(3)}, []any{"axis", -1}, []int64{3}, []float32{1, 2, 3}},
		{"Gather", []arg{six, ints(2, 0, -1)}, []any{"axis", 1}, []int64{2, 3}, []float32{3, 1, 3, 6, 4, 6}},
		{"Gather", []arg{six, integer(1)}, nil, []int64{3}, []float32{4, 5, 6}},
		{"Gather", []arg{six, ints(1, 0, 1, 1).of(2, 2)}, nil, []int64{2, 2, 3}, []float32{4, 5, 6, 1, 2, 3, 4, 5, 6, 4, 5, 6}},
		{"Gather", []arg{six, ints(-2)}, nil, []int64{1, 3}, []float32{1, 2, 3}},
		{"Transpose", []arg{six}, nil, []int64{3, 2}, []float32{1, 4, 2, 5, 3, 6}},
		{"Transpose", []arg{six.of(1, 2, 3)}, []any{"perm", []int64{1, 0, 2}}, []int64{2, 1, 3}, []float32{1, 2, 3, 4, 5, 6}},
		{"Slice", []arg{six, ints(1), ints(3), ints(1)}, nil, []int64{2, 2}, []float32{2, 3, 5, 6}},
		{"Slice", []arg{six, ints(0, -1), ints(1, -4), ints(0, 1), ints(1, -2)}, nil, []int64{1, 2}, []float32{3, 1}},
		{"Slice", []arg{six, ints(1), ints(99)}, nil, []int64{1, 3}, []float32{4, 5, 6}},
		{"Slice", []arg{ints(1, 2, 3, 4, 5), ints(-4), ints(-1), ints(0), ints(2)}, nil, []int64{2}, []float32{2, 4}},
		{"Slice", []arg{ints(1, 2, 3, 4, 5), ints(-99), ints(2)}, nil, []int64{2}, []float32{1, 2}},
		{"Slice", []arg{ints(1, 2, 3, 4, 5), ints(99), ints(-99), ints(0), ints(-1)}, nil, []int64{5}, []float32{5, 4, 3, 2, 1}},
		{"Slice", []arg{ints(1, 2, 3, 4, 5), ints(3), ints(0), ints(0), ints(-2)}, nil, []int64{2}, []float32{4, 2}},
		{"Flatten", []arg{six}, []any{"axis", 0}, []int64{1, 6}, []float32{1, 2, 3, 4, 5, 6}},
		{"Size", []arg{floats(make([]float64, 1<<16)...)}, nil, []int64{1}, []float32{1 << 16}},
		{"Expand", []arg{ints(1, 2).of(2, 1), ints(2, 3)}, nil, []int64{2, 3}, []float32{1, 1, 1, 2, 2, 2}},
		{"Reshape", []arg{six, ints(3, -1)}, nil, []int64{3, 2}, []float32{1, 2, 3, 4, 5, 6}},
		{"Reshape", []arg{six, ints(0, 3, 1)}, nil, []int64{2, 3, 1}, []float32{1, 2, 3, 4, 5, 6}},
		{"Squeeze", []arg{ints(1, 2).of(1, 2, 1)}, nil, []int64{2}, []float32{1, 2}},
		{"Squeeze", []arg{ints(1, 2).of(1, 2, 1), ints(-1)}, nil, []int64{1, 2}, []float32{1, 2}},
		{"Unsqueeze", []arg{ints(1, 2), ints(0, 2)}, nil, []int64{1, 2, 1}, []float32{1, 2}},
		{"Unsqueeze", []arg{ints(1, 2), ints(-1)}, nil, []int64{2, 1}, []float32{1, 2}},
		{"Flatten", []arg{six.of(1, 2, 3)}, []any{"axis", 2}, []int64{2, 3}, []float32{1, 2, 3, 4, 5, 6}},
		{"Flatten", []arg{six.of(1, 2, 3)}, []any{"axis", -1}, []int64{2, 3}, []float32{1, 2, 3, 4, 5, 6}},
		{"DequantizeLinear", []arg{ints(1, 2, 3, 4).of(2, 2).as(uint8Type), floats(2, .5), ints(1, 2).as(uint8Type)}, nil, []int64{2, 2}, []float32{0, 0, 4, 1}},
		{"DequantizeLinear", []arg{ints(1, 2, 3, 4).of(2, 2).as(uint8Type), floats(2, .5)}, []any{"axis", 0}, []int64{2, 2}, []float32{2, 4, 1.5, 2}},
		{"DequantizeLinear", []arg{ints(-1, 2).as(int8Type), number(.5), arg{int8Type, nil, []float64{1}}}, nil, []int64{2}, []float32{-1, .5}},
	} {
		what := fmt.Sprintf("%s %v %v", c.op, c.args, c.attrs)
		m := newModel(17).input("x", c.shape...).output("y").with(c.op, c.args, list("k"), c.attrs...).
			node("Cast", "real", list("k"), list("r"), "to", 1).node("Add", "a", list("x", "r"), list("y"))
		module, err := Parse("net", m.bytes(), Options{})
		if !assert.NoError(t, err, what) {
			continue
		}
		assert.Equal(t, c.want, compute(t, module, make([]float32, module.Inputs[0].Type.Shape.Size())), what)
	}
}

// scattered are n places of which no three follow a rule.
func scattered(n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(i * (i + 1) / 2 % 397)
	}
	return x
}

// TestFaultyNodes: what cannot be imported is said with the operation, the reason and the
// node; the same node without the fault is imported in the cases of the peers.
func TestFaultyNodes(t *testing.T) {
	image, w := []int64{1, 2, 4, 4}, floats(make([]float64, 2*2*3*3)...).of(2, 2, 3, 3)
	deconv := func(attrs ...any) []any { return append([]any{"kernel_shape", []int64{3, 3}}, attrs...) }
	for _, c := range []struct {
		want  string
		op    string
		shape []int64 // of the input x, which is the first argument; nil: all are constants
		args  []arg
		attrs []any
	}{
		{"has 1 arguments, it needs 2", "Add", nil, []arg{ints(1)}, nil},
		{"has a value that is no tensor of numbers", "Constant", nil, nil, []any{"value_string", "a"}},
		{"has a value that is not one number", "ConstantOfShape", nil, []arg{ints(2)}, []any{"value", &pb.Tensor{Dims: []int64{2}, DataType: proto.Int32(1), FloatData: []float32{1, 2}}}},
		{"makes a constant of 4194305 elements", "ConstantOfShape", nil, []arg{ints(4194305)}, nil},
		{"makes a constant of more elements than any may have", "ConstantOfShape", nil, []arg{ints(1<<20, 1<<20)}, nil},
		{"to ONNX type 99", "Cast", nil, []arg{ints(1)}, []any{"to", 99}},
		{"of floats to int64, which cuts them off", "Cast", []int64{1, 4}, nil, []any{"to", 7}},
		{"of floats to int32, which cuts them off: a QuantizeLinear rounds; where it makes labels, -outputs names the other results (probabilities)", "Cast", []int64{1, 4}, nil, []any{"to", 6}},
		{"of tensors of several types", "Concat", nil, []arg{ints(1), floats(1)}, []any{"axis", 0}},
		{"of tensors of different ranks", "Concat", nil, []arg{ints(1), ints(1).of(1, 1)}, []any{"axis", 0}},
		{"of shapes [1 2] and [1 3] along axis 0", "Concat", nil, []arg{ints(1, 2).of(1, 2), ints(1, 2, 3).of(1, 3)}, []any{"axis", 0}},
		{"takes element 3 of 3", "Gather", nil, []arg{ints(1, 2, 3), ints(3)}, nil},
		{"takes element -1 of 3", "Gather", nil, []arg{ints(1, 2, 3), ints(-4)}, nil},
		{"takes element 4 of 4", "Gather", []int64{1, 4}, []arg{ints(4)}, []any{"axis", 1}},
		{"takes element -1 of 4", "Gather", []int64{1, 4}, []arg{ints(-5)}, []any{"axis", 1}},
		{"has the axis 2 of 2", "Gather", []int64{1, 4}, []arg{ints(0)}, []any{"axis", 2}},
		{"of shapes [2] and [3], which do not fit", "Less", nil, []arg{ints(1, 2), ints(1, 2, 3)}, nil},
		{"has bounds that are not numbers", "Range", nil, []arg{ints(1, 2), integer(2), integer(1)}, nil},
		{"from 1 to 9 by -1", "Range", nil, []arg{integer(1), integer(9), integer(-1)}, nil},
		{"from 0 to 4.194304e+06 by 1", "Range", nil, []arg{integer(0), integer(1 << 22), integer(1)}, nil},
		{"has the permutation [0 0] of 2 dimensions", "Transpose", []int64{1, 4}, nil, []any{"perm", []int64{0, 0}}},
		{"has the permutation [0] of 2 dimensions", "Transpose", []int64{1, 4}, nil, []any{"perm", []int64{0}}},
		{"has lists of different lengths", "Slice", []int64{1, 4}, []arg{ints(0), ints(1, 2)}, nil},
		{"has lists of different lengths", "Slice", []int64{1, 4}, []arg{ints(0), ints(1), ints(0, 1)}, nil},
		{"has lists of different lengths", "Slice", []int64{1, 4}, []arg{ints(0), ints(1), ints(0), ints(1, 1)}, nil},
		{"has the step 0", "Slice", []int64{1, 4}, []arg{ints(0), ints(1), ints(1), ints(0)}, nil},
		{"has the axis 5 of 3", "Flatten", []int64{1, 4, 2}, nil, []any{"axis", 5}},
		{"has the axis -1 of 3", "Flatten", []int64{1, 4, 2}, nil, []any{"axis", -4}},
		{"to [2 -2]", "Reshape", []int64{1, 4}, []arg{ints(2, -2)}, nil},
		{"of [1 4] to [3 -1]", "Reshape", []int64{1, 4}, []arg{ints(3, -1)}, nil},
		{"of [1 4] to [3]", "Reshape", []int64{1, 4}, []arg{ints(3)}, nil},
		{"of [1 4] to [0 -1]", "Reshape", []int64{1, 4}, []arg{ints(0, -1)}, []any{"allowzero", 1}},
		{"to [-1 -1]", "Reshape", []int64{1, 4}, []arg{ints(-1, -1)}, nil},
		{"axis 1 of [1 4]", "Squeeze", []int64{1, 4}, []arg{ints(1)}, nil},
		{"into 1 parts of 2 results", "Split", []int64{1, 4}, []arg{ints(4)}, []any{"axis", 1}},
		{"into [4 1] of 4", "Split", []int64{1, 4}, []arg{ints(4, 1)}, []any{"axis", 1}},
		{"into [0 4] of 4", "Split", []int64{1, 4}, []arg{ints(0, 4)}, []any{"axis", 1}},
		{`in mode "odd"`, "Pad", []int64{1, 4}, []arg{ints(0, 1, 0, 1)}, []any{"mode", "odd"}},
		{"has 3 pads for 2 axes", "Pad", []int64{1, 4}, []arg{ints(0, 1, 0)}, nil},
		{`in mode "edge", with the pads [0 -1 0 1]`, "Pad", []int64{1, 4}, []arg{ints(0, -1, 0, 1)}, []any{"mode", "edge"}},
		{"has the pads [0 -2 0 -2] of [1 4]", "Pad", []int64{1, 4}, []arg{ints(0, -2, 0, -2)}, nil},
		{"of [1 4] by [2]", "Tile", []int64{1, 4}, []arg{ints(2)}, nil},
		{"of [1 4] by [1 0]", "Tile", []int64{1, 4}, []arg{ints(1, 0)}, nil},
		{"has no kernel_shape", "MaxPool", image, nil, nil},
		{"has no kernel_shape", "MaxPool", []int64{1, 2, 3, 4, 4}, nil, nil},
		{"has 2 numbers in kernel_shape for 3 dimensions", "MaxPool", []int64{1, 2, 3, 4, 4}, nil, []any{"kernel_shape", []int64{2, 2}}},
		{"has 4 numbers in pads for 3 dimensions", "AveragePool", []int64{1, 2, 3, 4, 4}, nil, []any{"kernel_shape", []int64{2, 2, 2}, "pads", []int64{0, 0, 0, 0}}},
		{"of a batch of 2", "MaxPool", []int64{2, 2, 3, 4, 4}, nil, []any{"kernel_shape", []int64{2, 2, 2}}},
		{"has the axis 2 of 2", "CumSum", []int64{1, 4}, []arg{integer(2)}, nil},
		{"has an axis that is not one number", "CumSum", []int64{1, 4}, []arg{ints(0, 1)}, nil},
		{"makes a constant of 4198401 elements", "CumSum", []int64{1, 2049}, []arg{integer(1)}, nil},
		{"of the shape [1], which has no matrices", "Trilu", []int64{1}, nil, nil},
		{"has a diagonal that is not one number", "Trilu", []int64{2, 2}, []arg{ints(0, 1)}, nil},
		{"gives the places of maxima", "MaxPool", image, nil, []any{"kernel_shape", []int64{2, 2}}},
		{"has 3 pads for 2 dimensions", "AveragePool", image, nil, []any{"kernel_shape", []int64{2, 2}, "pads", []int64{0, 0, 0}}},
		{"has the pads [0 0 -1 0]", "AveragePool", image, nil, []any{"kernel_shape", []int64{2, 2}, "pads", []int64{0, 0, -1, 0}}},
		{`has the auto_pad "SAME"`, "AveragePool", image, nil, []any{"kernel_shape", []int64{2, 2}, "auto_pad", "SAME"}},
		{"has weights of shape [3 2 3 3]", "ConvTranspose", image, []arg{floats(make([]float64, 54)...).of(3, 2, 3, 3)}, nil},
		{"has weights of shape [2 18]", "ConvTranspose", image, []arg{w.of(2, 18)}, nil},
		{"has pads [7 0 7 0] beyond its window, which leave nothing of 2 pixels", "ConvTranspose", image, []arg{w}, deconv("pads", []int64{7, 0, 7, 0})},
		{"has the output_shape [0 9] of an image of [4 4]", "ConvTranspose", image, []arg{w}, deconv("output_shape", []int64{0, 9})},
		{"has the output_padding [-1 0]", "ConvTranspose", image, []arg{w}, deconv("output_padding", []int64{-1, 0})},
		{"has the output_padding [2097152 0]", "ConvTranspose", image, []arg{w}, deconv("output_padding", []int64{1 << 21, 0})},
		{"has 3 groups of 2 channels", "ConvTranspose", image, []arg{w}, deconv("group", 3)},
		{"has 0 groups of 2 channels", "ConvTranspose", image, []arg{w}, deconv("group", 0)},
		{"has parameters of shape [1 2]", "BatchNormalization", image, []arg{floats(1, 1).of(1, 2), floats(0, 0), floats(0, 0), floats(1, 1)}, nil},
		{"in training mode", "BatchNormalization", image, []arg{floats(1, 1), floats(0, 0), floats(0, 0), floats(1, 1)}, []any{"training_mode", 1}},
		{"has weights of shape [2 18]", "Conv", image, []arg{w.of(2, 18)}, nil},
		{"has a bias of shape [3] for 2 channels", "Conv", image, []arg{w, floats(1, 2, 3)}, nil},
		{"has a bias that is no floats", "Conv", image, []arg{w, ints(1, 2)}, nil},
		{"has weights that are no floats", "Conv", image, []arg{w.as(int64Type)}, nil},
		{"gives more than its argument", "Identity", image, nil, nil},
		{`in mode "RGB"`, "SpaceToDepth", image, nil, []any{"blocksize", 2, "mode", "RGB"}},
		{`in mode "RGB"`, "DepthToSpace", []int64{1, 4, 2, 2}, nil, []any{"blocksize", 2, "mode", "RGB"}},
		{"in blocks of 3 of a tensor of shape [1 2 4 4]", "SpaceToDepth", image, nil, []any{"blocksize", 3, "mode", "CRD"}},
		{"in blocks of 0 of a tensor of shape [1 2 4 4]", "SpaceToDepth", image, nil, []any{"mode", "CRD"}},
		{"exchanges the batch with an axis of the matrices (transBatchA, transBatchB)", "FusedMatMul", []int64{1, 4}, []arg{floats(1, 2, 3, 4).of(4, 1)}, []any{"transBatchA", 1}},
		{"turns a tensor of shape [4] (transB)", "FusedMatMul", []int64{1, 4}, []arg{floats(1, 2, 3, 4)}, []any{"transB", 1}},
		{`with the activation "Swish"`, "FusedGemm", []int64{1, 2}, []arg{floats(1, 2).of(2, 1)}, []any{"activation", "Swish"}},
		{"has queries, keys or values that are not of the shape [batch, steps, size]", "MultiHeadAttention", []int64{1, 2, 4}, nil, []any{"num_heads", 2}},
		{"has a depth that is no constant number from 1 to 256", "OneHot", []int64{1, 2}, []arg{integer(257), floats(0, 1)}, nil},
		{"has values that are not two numbers", "OneHot", []int64{1, 2}, []arg{integer(2), floats(0, 1, 2)}, nil},
		{"gives int64 integers: a Cast of its values to float gives reals", "OneHot", []int64{1, 2}, []arg{integer(2), ints(0, 1)}, nil},
		{"has indices that may lie outside of the depth 2, or that are reals", "OneHot", []int64{1, 2}, []arg{integer(2), floats(0, 1)}, nil},
		{"of a tensor of shape [1 2 4] and weights of shape [2 2 3], which must be constant", "CausalConvWithState", []int64{1, 2, 4}, []arg{floats(make([]float64, 12)...).of(2, 2, 3)}, nil},
		{"has a past of shape [1 2 1], not [1 2 2]", "CausalConvWithState", []int64{1, 2, 4}, []arg{floats(make([]float64, 6)...).of(2, 1, 3), floats(0, 0), floats(0, 0).of(1, 2, 1)}, nil},
		{`with the activation "gelu"`, "CausalConvWithState", []int64{1, 2, 4}, []arg{floats(make([]float64, 6)...).of(2, 1, 3)}, []any{"activation", "gelu"}},
		{"with alpha 0", "Celu", image, nil, []any{"alpha", float32(0)}},
		{"has 9 different exponents; at most 8 are imported", "Pow", []int64{1, 9}, []arg{floats(1, 2, 3, 4, 5, 6, 7, 8, 9)}, nil},
		{"of reals where conditions belong", "Not", image, nil, nil},
		{"of reals where conditions belong", "Xor", image, []arg{ints(1).as(boolType)}, nil},
		{"has a condition of reals: a comparison must give it", "Where", image, []arg{number(1), number(2)}, nil},
		{"gives more than what is normalized", "RMSNormalization", []int64{1, 4}, []arg{floats(1, 1, 1, 1)}, nil},
		{"has the axis 4 of 2", "LayerNormalization", []int64{1, 4}, []arg{floats(1, 1, 1, 1)}, []any{"axis", 4}},
		{"of a tensor of shape [1 4], which has nothing besides batch and channels", "InstanceNormalization", []int64{1, 4}, []arg{floats(1, 1, 1, 1), floats(1, 1, 1, 1)}, nil},
		{"has parameters of shape [3] for 2 channels", "InstanceNormalization", image, []arg{floats(1, 1, 1), floats(1, 1)}, nil},
		{"has 0 groups of a tensor of shape [1 2 4 4]", "GroupNormalization", image, []arg{floats(1, 1), floats(1, 1)}, nil},
		{"has 3 groups of a tensor of shape [1 2 4 4]", "GroupNormalization", image, []arg{floats(1, 1), floats(1, 1)}, []any{"num_groups", 3}},
		{"has the norm 3; norms 1 and 2 can be imported", "LpNormalization", image, nil, []any{"p", 3}},
		{"has the axis 4 of 4", "LpNormalization", image, nil, []any{"axis", 4}},
		{"has the axis 4 of 4", "MeanVarianceNormalization", image, nil, []any{"axes", []int64{4}}},
		{"of 0 channels of a tensor of shape [1 2 4 4]", "LRN", image, nil, nil},
		{"of shapes [1 4] and [3 1], which do not fit", "MatMul", []int64{1, 4}, []arg{floats(1, 2, 3).of(3, 1)}, nil},
		{"of shapes [1 2 4 4] and [2 2]", "Gemm", image, []arg{floats(1, 2, 3, 4).of(2, 2)}, nil},
		{`in mode "area"`, "Resize", image, []arg{floats(), floats(1, 1, 2, 2)}, []any{"mode", "area"}},
		{`with the coordinate_transformation_mode "tf_crop_and_resize"`, "Resize", image, []arg{floats(), floats(1, 1, 2, 2)}, []any{"coordinate_transformation_mode", "tf_crop_and_resize"}},
		{`with the nearest_mode "up"`, "Resize", image, []arg{floats(), floats(1, 1, 2, 2)}, []any{"nearest_mode", "up"}},
		{`with the keep_aspect_ratio_policy "grow"`, "Resize", image, []arg{floats(), floats(), ints(1, 2, 8, 8)}, []any{"keep_aspect_ratio_policy", "grow"}},
		{"by the factors [1 2 2] or to the sizes [] of the axes [0 1 2 3] of [1 2 4 4]", "Resize", image, []arg{floats(), floats(1, 2, 2)}, nil},
		{"by the factors [] or to the sizes [8 8] of the axes [0 1 2 3] of [1 2 4 4]", "Resize", image, []arg{floats(), floats(), ints(8, 8)}, nil},
		{"of [1 2 4 4] by the factors [1 1 0.125 1] or to the sizes []", "Resize", image, []arg{floats(), floats(1, 1, .125, 1)}, nil},
		{"of [1 2 4 4] by the factors [1 1 -1 1] or to the sizes []", "Resize", image, []arg{floats(), floats(1, 1, -1, 1)}, nil},
		{"of [1 2 4 4] by the factors [1 1 1e+09 1] or to the sizes []", "Resize", image, []arg{floats(), floats(1, 1, 1e9, 1)}, nil},
		{"has the axis 2 twice", "Resize", image, []arg{floats(), floats(2, 2)}, []any{"axes", []int64{2, -2}}},
		{"makes a constant of 4194306 elements", "Resize", []int64{1, 1, 6, 1}, []arg{floats(), floats(1, 1, 116508.5, 1)}, []any{"mode", "cubic"}},
		{"takes elements in 66 pieces, each a step apart; at most 64 are imported", "Gather", []int64{1, 400}, []arg{ints(scattered(132)...)}, []any{"axis", 1}},
		{"has indices of shape [1 1] for a tensor of shape [1 2 4 4]", "GatherElements", image, []arg{ints(0).of(1, 1)}, nil},
		{"takes element 2 of 2", "GatherElements", image, []arg{ints(2).of(1, 1, 1, 1)}, []any{"axis", 1}},
		{"has indices of shape [2 1 1 1] for a tensor of shape [1 2 4 4]", "GatherElements", image, []arg{ints(0, 0).of(2, 1, 1, 1)}, []any{"axis", 1}},
		{"with batch_dims", "GatherND", image, []arg{ints(0).of(1, 1)}, []any{"batch_dims", 1}},
		{"takes element 1 of 1", "GatherND", image, []arg{ints(1).of(1, 1)}, nil},
		{"has indices of shape [1 5] for a tensor of shape [1 2 4 4]", "GatherND", image, []arg{ints(0, 0, 0, 0, 0).of(1, 5)}, nil},
		{`with the reduction "add"`, "ScatterND", image, []arg{ints(0).of(1, 1), number(1)}, []any{"reduction", "add"}},
		{"has updates of shape [2] for 1 rows of 32", "ScatterND", image, []arg{ints(0).of(1, 1), floats(1, 2)}, nil},
		{"has the axis 4 of 4", "Hardmax", image, nil, []any{"axis", 4}},
		{`with the activation "Swish"`, "FusedConv", image, []arg{w}, []any{"activation", "Swish"}},
		{"of the norm 0, or with ceil_mode", "LpPool", image, nil, []any{"p", 0}},
		{"has the kernel_shape [0 1]", "LpPool", image, nil, []any{"kernel_shape", []int64{0, 1}}},
		{"of the norm 0 of a tensor of shape [1 2 4 4]", "GlobalLpPool", image, nil, []any{"p", 0}},
		{"of 5 elements of 4: a constant number from 1 to 16 can be imported", "TopK", image, []arg{ints(5)}, nil},
		{"of 9.999999980506448e+18 elements of 4: a constant number from 1 to 16 can be imported", "TopK", image, []arg{floats(1e19)}, nil},
		{"of 17 elements of 18: a constant number from 1 to 16 can be imported", "TopK", []int64{1, 18}, []arg{ints(17)}, nil},
		{"of 257 elements, whose places are no 8-bit numbers; at most 256 can be imported", "TopK", []int64{1, 257}, []arg{ints(1)}, nil},
		{"has angles of shape [1 4] for 4 steps of 2 pairs", "RotaryEmbedding", image, []arg{floats(1, 2, 3, 4).of(1, 4), floats(1, 2, 3, 4).of(1, 4)}, nil},
		{"turns 3 of 4 numbers", "RotaryEmbedding", image, []arg{number(1), number(1)}, []any{"rotary_embedding_dim", 3}},
		{"has 0 heads (q_num_heads, kv_num_heads) of a tensor of shape [1 4 4]", "Attention", []int64{1, 4, 4}, []arg{floats(1).of(1, 1, 1), floats(1).of(1, 1, 1)}, nil},
		{"of queries, keys and values of shapes [1 2 4 4], [1] and [1]", "Attention", image, []arg{floats(1), floats(1)}, nil},
		{"of queries, keys and values of shapes [1 2 4 4], [1 1 1 1] and [1 1 1 1]", "Attention", image, []arg{floats(1).of(1, 1, 1, 1), floats(1).of(1, 1, 1, 1)}, nil},
		{"with qk_matmul_output_mode 4", "Attention", image, []arg{floats(1).of(1, 1, 1, 1), floats(1).of(1, 1, 1, 1)}, []any{"qk_matmul_output_mode", 4}},
		{"with auto_pad SAME_UPPER and strides [4 4] above its window [3 3]", "ConvTranspose", image, []arg{w}, deconv("auto_pad", "SAME_UPPER", "strides", []int64{4, 4})},
		{`of 1 operands, with the equation "ab,bc"`, "Einsum", image, nil, []any{"equation", "ab,bc"}},
		{`has the labels "ab" for an operand of shape [1 2 4 4]`, "Einsum", image, nil, []any{"equation", "ab"}},
		{`has the equation "ab?d", whose labels are no letters`, "Einsum", image, nil, []any{"equation", "ab?d"}},
		{`has the equation "abcd->e", whose result has a label twice or one of no operand`, "Einsum", image, nil, []any{"equation", "abcd->e"}},
		{`has the sizes 2 and 4 of one label`, "Einsum", image, nil, []any{"equation", "abbd->a"}},
		{"has a condition that the network computes: only one that shapes or constants decide can be imported", "If", []int64{1, 1}, nil, nil},
		{"takes the last of equal elements", "ArgMax", []int64{1, 4}, nil, []any{"axis", 1, "select_last_index", 1}},
		{"of elements that are no integers", "DequantizeLinear", nil, []arg{floats(1), number(1)}, nil},
		{"of elements that are no integers, or by scales that are", "DequantizeLinear", nil, []arg{ints(1), integer(1)}, nil},
		{"by 2 scales along an axis of 3", "DequantizeLinear", nil, []arg{ints(1, 2, 3), floats(1, 2)}, []any{"axis", 0}},
		{"by 1 scales and 2 zero points", "DequantizeLinear", nil, []arg{ints(1, 2, 3), number(1), ints(1, 2)}, nil},
		{"has scales that are not one positive number", "QuantizeLinear", []int64{1, 4}, []arg{floats(0)}, nil},
		{"has scales that are not one positive number", "QuantizeLinear", []int64{1, 4}, []arg{floats(1, 2, 3, 4)}, nil},
		{"has zero points that are not one number", "QuantizeLinear", []int64{1, 4}, []arg{number(1), ints(1, 2)}, nil},
		{"has reals where integers belong", "MatMulInteger", []int64{1, 4}, []arg{ints(1, 2, 3, 4).of(4, 1).as(uint8Type)}, nil},
	} {
		m := newModel(17).output("y")
		in := []string(nil)
		if c.shape != nil {
			m.input("x", c.shape...)
			in = append(in, "x")
		}
		for i, a := range c.args {
			name := fmt.Sprint("k", i)
			in = append(in, name)
			m.constant(name, a)
		}
		outs := list("y")
		switch c.op {
		case "Split", "RMSNormalization", "Identity":
			outs = list("y", "z")
		case "MaxPool":
			if len(c.attrs) > 0 {
				outs = list("y", "places")
			}
		}
		m.node(c.op, "the node", in, outs, c.attrs...)
		if c.shape == nil { // a constant must serve something
			m.input("x", 1, 1).Graph.Output[0].Name = proto.String("sum")
			m.node("Cast", "real", list("y"), list("r"), "to", 1).node("Add", "a", list("x", "r"), list("sum"))
		}
		_, err := Parse("net.onnx", m.bytes(), Options{})
		if assert.ErrorContains(t, err, "operation "+c.op+" "+c.want, "%v %v", c.args, c.attrs) {
			assert.ErrorContains(t, err, "the node", c.op)
		}
	}
}

// TestNodes: results, worked out by hand, of forms that the peers' cases lack.
func TestNodes(t *testing.T) {
	for _, c := range []struct {
		opset int64
		op    string
		shape []int64
		x     []float32
		args  []arg
		attrs []any
		want  []float32
		dims  ir.Shape
	}{
		{10, "Resize", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(1, 1, 2, 2)}, nil, []float32{1, 1, 2, 2, 1, 1, 2, 2}, ir.Shape{1, 2, 4}},
		{9, "Upsample", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(1, 1, 1, 3)}, nil, []float32{1, 1, 1, 2, 2, 2}, ir.Shape{1, 1, 6}},
		{7, "Upsample", []int64{1, 1, 1, 2}, []float32{1, 2}, nil, []any{"scales", []float32{1, 1, 1, 2}}, []float32{1, 1, 2, 2}, ir.Shape{1, 1, 4}},
		{9, "Upsample", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(1, 1, 1, 2)}, []any{"mode", "linear"}, []float32{1, 1.5, 2, 2}, ir.Shape{1, 1, 4}},
		{13, "Resize", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(), floats(1, 1, 1, 2)}, []any{"mode", "linear"}, []float32{1, 1.25, 1.75, 2}, ir.Shape{1, 1, 4}},
		{13, "Resize", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(), floats(1, 1, 1, 2)}, []any{"nearest_mode", "round_prefer_ceil"}, []float32{1, 1, 2, 2}, ir.Shape{1, 1, 4}},
		{13, "Resize", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(), floats(1, 1, 1, 2)}, []any{"coordinate_transformation_mode", "asymmetric", "nearest_mode", "floor"}, []float32{1, 1, 2, 2}, ir.Shape{1, 1, 4}},
		{13, "Resize", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(), floats(1, 1, 1, 1)}, []any{"coordinate_transformation_mode", "align_corners"}, []float32{1, 2}, ir.Shape{1, 1, 2}},
		{13, "Resize", []int64{1, 1, 1, 4}, []float32{1, 2, 3, 4}, []arg{floats(), floats(1, 1, 1, .5)}, nil, []float32{1, 3}, ir.Shape{1, 1, 2}},
		{13, "Resize", []int64{1, 1, 1, 4}, []float32{1, 2, 3, 4}, []arg{floats(), floats(1, 1, 1, .5)}, []any{"mode", "linear"}, []float32{1.5, 3.5}, ir.Shape{1, 1, 2}},
		{13, "Resize", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(), floats(), ints(1, 1, 1, 3)}, []any{"mode", "linear", "coordinate_transformation_mode", "align_corners"}, []float32{1, 1.5, 2}, ir.Shape{1, 1, 3}},
		{13, "Resize", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(), floats(1, 1, 1, 2)}, []any{"coordinate_transformation_mode", "asymmetric", "nearest_mode", "ceil"}, []float32{1, 2, 2, 2}, ir.Shape{1, 1, 4}},
		{13, "Resize", []int64{1, 2, 1, 1}, []float32{1, 2}, []arg{floats(), floats(1, 2, 1, 1)}, nil, []float32{1, 1, 2, 2}, ir.Shape{4, 1, 1}},
		{18, "Resize", []int64{1, 1, 2, 2}, []float32{1, 2, 3, 4}, []arg{floats(), floats(), ints(4)}, []any{"axes", []int64{3}}, []float32{1, 1, 2, 2, 3, 3, 4, 4}, ir.Shape{1, 2, 4}},
		{18, "Resize", []int64{1, 1, 2, 2}, []float32{1, 2, 3, 4}, []arg{floats(), floats(), ints(4, 6)}, []any{"axes", []int64{2, 3}, "keep_aspect_ratio_policy", "not_larger"}, []float32{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}, ir.Shape{1, 4, 4}},
		{13, "Resize", []int64{1, 1, 2, 2}, []float32{0, 2, 4, 6}, []arg{floats(), floats(), ints(1, 1, 3, 3)}, []any{"mode", "linear", "coordinate_transformation_mode", "align_corners"}, []float32{0, 1, 2, 2, 3, 4, 4, 5, 6}, ir.Shape{1, 3, 3}},
		{13, "Resize", []int64{1, 1, 2, 2}, []float32{0, 2, 4, 6}, []arg{floats(), floats(), ints(1, 1, 3, 2)}, []any{"mode", "linear"}, []float32{0, 2, 2, 4, 4, 6}, ir.Shape{1, 3, 2}},
		{18, "Resize", []int64{1, 1, 1, 4}, []float32{0, 0, 4, 4}, []arg{floats(), floats(1, 1, 1, .5)}, []any{"mode", "linear", "antialias", 1}, []float32{.5, 3.5}, ir.Shape{1, 1, 2}},
		{13, "Gather", []int64{1, 5}, []float32{1, 2, 3, 4, 5}, []arg{ints(0, 1, 3, 3, 0)}, []any{"axis", 1}, []float32{1, 2, 4, 4, 1}, ir.Shape{5}},
		{13, "GatherND", []int64{1, 2, 2}, []float32{1, 2, 3, 4}, []arg{ints(0, 1, 0, 0, 0, 1).of(2, 3)}, nil, []float32{3, 2}, ir.Shape{2}},
		{13, "GatherElements", []int64{1, 2, 2}, []float32{1, 2, 3, 4}, []arg{ints(0, 0, -1, 0).of(1, 2, 2)}, []any{"axis", 2}, []float32{1, 1, 4, 3}, ir.Shape{2, 2}},
		{13, "ScatterND", []int64{1, 3}, []float32{1, 2, 3}, []arg{ints(0, 2, 0, 2).of(2, 2), floats(7, 9)}, nil, []float32{1, 2, 9}, ir.Shape{3}},
		{13, "Hardmax", []int64{1, 2, 2}, []float32{1, 2, 3, 3}, nil, nil, []float32{0, 1, 1, 0}, ir.Shape{2, 2}},
		{12, "Hardmax", []int64{1, 2, 2}, []float32{1, 2, 3, 3}, nil, nil, []float32{0, 0, 1, 0}, ir.Shape{2, 2}},
		{13, "Mod", []int64{1, 2}, []float32{5, -5}, []arg{number(3)}, []any{"fmod", 0}, []float32{2, 1}, ir.Shape{2}},
		{13, "Mod", []int64{1, 2}, []float32{5, -5}, []arg{number(3)}, []any{"fmod", 1}, []float32{2, -2}, ir.Shape{2}},
		{13, "Trilu", []int64{2, 2}, []float32{1, 2, 3, 4}, []arg{integer(-1)}, []any{"upper", 0}, []float32{0, 0, 3, 0}, ir.Shape{2, 2}},
		{13, "Conv", []int64{1, 1, 3, 1, 2}, []float32{1, 2, 3, 4, 5, 6}, []arg{floats(1, 10).of(1, 1, 2, 1, 1)}, nil, []float32{31, 42, 53, 64}, ir.Shape{1, 2, 1, 2}},
		{13, "Conv", []int64{1, 1, 2, 1, 2}, []float32{1, 2, 3, 4}, []arg{floats(1, 10).of(1, 1, 2, 1, 1)}, []any{"pads", []int64{1, 0, 0, 0, 0, 1}, "strides", []int64{2, 1, 2}}, []float32{10, 0}, ir.Shape{1, 1, 1, 2}},
		{13, "MaxPool", []int64{1, 1, 1, 2, 2}, []float32{1, 2, 3, 4}, nil, []any{"kernel_shape", []int64{1, 1, 2}, "other", []int64{1}}, []float32{2, 4}, ir.Shape{1, 1, 2, 1}},
		{14, "CumSum", []int64{1, 3}, []float32{1, 2, 4}, []arg{integer(-1)}, []any{"exclusive", 1, "reverse", 1}, []float32{6, 4, 0}, ir.Shape{3}},
		{13, "LpPool", []int64{1, 1, 1, 4}, []float32{3, -4, 6, 8}, nil, []any{"kernel_shape", []int64{1, 2}, "strides", []int64{1, 2}}, []float32{5, 10}, ir.Shape{1, 1, 2}},
		{13, "GlobalLpPool", []int64{1, 1, 1, 2}, []float32{3, -4}, nil, nil, []float32{5}, ir.Shape{1, 1, 1}},
		{13, "Einsum", []int64{1, 2, 2}, []float32{1, 2, 3, 4}, nil, []any{"equation", "aii->i"}, []float32{1, 4}, ir.Shape{2}},
		{13, "Einsum", []int64{1, 2, 2}, []float32{1, 2, 3, 4}, nil, []any{"equation", " ...ij -> ...ji"}, []float32{1, 3, 2, 4}, ir.Shape{2, 2}},
		{13, "Einsum", []int64{1, 2}, []float32{1, 2}, []arg{floats(3, 4)}, []any{"equation", "ab,c"}, []float32{3, 4, 6, 8}, ir.Shape{2, 2}},
		{28, "SwiGLU", []int64{1, 1}, []float32{1}, []arg{floats(3).of(1, 1)}, []any{"alpha", float32(2)}, []float32{2.6423912}, ir.Shape{1}},
		{13, "Tile", []int64{1, 2}, []float32{1, 2}, []arg{ints(1, 3)}, nil, []float32{1, 2, 1, 2, 1, 2}, ir.Shape{6}},
		{13, "Tile", []int64{1, 2, 2}, []float32{1, 2, 3, 4}, []arg{ints(1, 1, 2)}, nil, []float32{1, 2, 1, 2, 3, 4, 3, 4}, ir.Shape{2, 4}},
		{13, "Tile", []int64{1, 2, 2}, []float32{1, 2, 3, 4}, []arg{ints(1, 2, 1)}, nil, []float32{1, 2, 3, 4, 1, 2, 3, 4}, ir.Shape{4, 2}},
		{12, "Softmax", []int64{1, 2, 2}, []float32{1, 1, 1, 1}, nil, nil, []float32{.25, .25, .25, .25}, ir.Shape{2, 2}},
		{13, "Softmax", []int64{1, 2, 2}, []float32{1, 1, 1, 1}, nil, []any{"axis", 1}, []float32{.5, .5, .5, .5}, ir.Shape{2, 2}},
		{13, "Div", []int64{1, 2, 1, 2}, []float32{1, 2, 3, 4}, []arg{floats(2, .5).of(2, 1, 1)}, nil, []float32{.5, 1, 6, 8}, ir.Shape{2, 1, 2}},
		{13, "Sub", []int64{1, 2, 1, 2}, []float32{1, 2, 3, 4}, []arg{floats(2, .5).of(2, 1, 1)}, nil, []float32{-1, 0, 2.5, 3.5}, ir.Shape{2, 1, 2}},
		{13, "Mul", []int64{1, 2}, []float32{1, 2}, []arg{number(3)}, nil, []float32{3, 6}, ir.Shape{2}},
		{13, "MatMul", []int64{1, 2}, []float32{1, 2}, []arg{floats(1, 2, 3, 4, 5, 6).of(2, 3)}, nil, []float32{9, 12, 15}, ir.Shape{3}},
		{13, "Sum", []int64{1, 2}, []float32{1, 2}, []arg{floats(10, 20), floats(100, 200)}, nil, []float32{111, 222}, ir.Shape{2}},
		{13, "ReduceSum", []int64{1, 2}, []float32{1, 2}, nil, []any{"noop_with_empty_axes", 1}, []float32{1, 2}, ir.Shape{2}},
		{13, "ReduceSum", []int64{1, 2}, []float32{1, 2}, nil, nil, []float32{3}, ir.Shape{1}},
		{13, "ReduceMean", []int64{1, 2, 1, 2}, []float32{1, 2, 3, 5}, nil, []any{"axes", []int64{2, 3}}, []float32{1.5, 4}, ir.Shape{2, 1, 1}},
		{13, "ReduceMean", []int64{1, 2, 1, 2}, []float32{1, 2, 3, 5}, nil, []any{"axes", []int64{1, 2}}, []float32{2, 3.5}, ir.Shape{1, 1, 2}},
		{17, "LayerNormalization", []int64{1, 2}, []float32{1, 3}, []arg{floats(2, 4), floats(10, 20)}, []any{"epsilon", float32(3)}, []float32{9, 22}, ir.Shape{2}},
		{17, "LayerNormalization", []int64{1, 2}, []float32{1, 3}, []arg{floats(2, 4)}, []any{"epsilon", float32(3)}, []float32{-1, 2}, ir.Shape{2}},
		{13, "Pad", []int64{1, 3}, []float32{1, 2, 3}, []arg{ints(0, -1, 0, 2)}, nil, []float32{2, 3, 0, 0}, ir.Shape{4}},
		{13, "Pad", []int64{1, 3}, []float32{1, 2, 3}, []arg{ints(0, 1, 0, -2), number(7)}, nil, []float32{7, 1}, ir.Shape{2}},
		{18, "Pad", []int64{1, 3}, []float32{1, 2, 3}, []arg{ints(1, 1), number(7), ints(-1)}, nil, []float32{7, 1, 2, 3, 7}, ir.Shape{5}},
		{18, "Pad", []int64{1, 3}, []float32{1, 2, 3}, []arg{ints(0, 2, 0, 0), number(7)}, []any{"mode", "reflect"}, []float32{3, 2, 1, 2, 3}, ir.Shape{5}},
		{13, "Gather", []int64{1, 4}, []float32{1, 2, 3, 4}, []arg{ints(-1, 1)}, []any{"axis", 1}, []float32{4, 2}, ir.Shape{2}},
		{13, "Gather", []int64{1, 4}, []float32{1, 2, 3, 4}, []arg{ints(0, 1, 2, 3).of(2, 2)}, []any{"axis", 1}, []float32{1, 2, 3, 4}, ir.Shape{2, 2}},
		{13, "Div", []int64{1, 2}, []float32{1, 2}, []arg{floats(4, 8)}, nil, []float32{.25, .25}, ir.Shape{2}},
		{13, "AveragePool", []int64{1, 1, 2, 2}, []float32{1, 2, 3, 4}, nil, []any{"kernel_shape", []int64{2, 2}, "pads", []int64{0, 1, 0, 0}, "count_include_pad", 1}, []float32{1, 2.5}, ir.Shape{1, 1, 2}},
		{13, "AveragePool", []int64{1, 1, 2, 2}, []float32{1, 2, 3, 4}, nil, []any{"kernel_shape", []int64{2, 2}, "pads", []int64{0, 1, 0, 0}}, []float32{2, 2.5}, ir.Shape{1, 1, 2}},
		{13, "MaxPool", []int64{1, 1, 1, 5}, []float32{1, 2, 3, 4, 5}, nil, []any{"kernel_shape", []int64{1, 2}, "strides", []int64{1, 2}, "ceil_mode", 1}, []float32{2, 4, 5}, ir.Shape{1, 1, 3}},
		{13, "MaxPool", []int64{1, 1, 1, 5}, []float32{1, 2, 3, 4, 5}, nil, []any{"kernel_shape", []int64{1, 3}, "strides", []int64{1, 2}, "pads", []int64{0, 1, 0, 1}, "ceil_mode", 1}, []float32{2, 4, 5}, ir.Shape{1, 1, 3}},
		{13, "BatchNormalization", []int64{1, 2}, []float32{1, 2}, []arg{floats(2, 3), floats(1, 1), floats(0, 1), floats(3, 3)}, []any{"epsilon", float32(1)}, []float32{2, 2.5}, ir.Shape{2}},
		{13, "DepthToSpace", []int64{1, 4, 1, 1}, []float32{1, 2, 3, 4}, nil, []any{"blocksize", 2, "mode", "CRD"}, []float32{1, 2, 3, 4}, ir.Shape{1, 2, 2}},
		{13, "Concat", []int64{1, 1, 2}, []float32{1, 2}, []arg{floats(3, 4, 5, 6).of(1, 2, 2)}, []any{"axis", 1}, []float32{1, 2, 3, 4, 5, 6}, ir.Shape{3, 2}},
		{13, "Concat", []int64{1, 2, 1}, []float32{1, 2}, []arg{floats(3, 4, 5, 6).of(1, 2, 2)}, []any{"axis", 2}, []float32{1, 3, 4, 2, 5, 6}, ir.Shape{2, 3}},
		{13, "Pow", []int64{1, 3}, []float32{1, -2, 3}, []arg{number(3)}, nil, []float32{1, -8, 27}, ir.Shape{3}},
		{13, "Pow", []int64{1, 3}, []float32{2, 3, 4}, []arg{floats(3, 1, 2)}, nil, []float32{8, 3, 16}, ir.Shape{3}},
		{13, "Pow", []int64{1, 1}, []float32{3}, []arg{floats(2, 2)}, nil, []float32{9, 9}, ir.Shape{2}},
		{13, "Pow", []int64{1, 2}, []float32{1, 4}, []arg{number(-.5)}, nil, []float32{1, .5}, ir.Shape{2}},
		{13, "Round", []int64{1, 4}, []float32{.5, 1.5, -1.2, 2.5}, nil, nil, []float32{0, 2, -1, 2}, ir.Shape{4}},
		{13, "Selu", []int64{1, 2}, []float32{1, -1}, nil, nil, []float32{1.0507009, -1.1113307}, ir.Shape{2}},
		{13, "Selu", []int64{1, 2}, []float32{1, -1}, nil, []any{"alpha", float32(2), "gamma", float32(3)}, []float32{3, -3.7927234}, ir.Shape{2}},
		{13, "Celu", []int64{1, 2}, []float32{1, -2}, nil, []any{"alpha", float32(2)}, []float32{1, -1.2642411}, ir.Shape{2}},
		{13, "Shrink", []int64{1, 3}, []float32{1, .25, -2}, nil, []any{"lambd", float32(.5), "bias", float32(.25)}, []float32{.75, 0, -1.75}, ir.Shape{3}},
		{13, "ThresholdedRelu", []int64{1, 3}, []float32{1, .25, 2}, nil, nil, []float32{0, 0, 2}, ir.Shape{3}},
		{18, "Mish", []int64{1, 2}, []float32{0, 1}, nil, nil, []float32{0, .8650984}, ir.Shape{2}},
		{24, "Swish", []int64{1, 2}, []float32{0, 1}, nil, []any{"alpha", float32(2)}, []float32{0, .8807971}, ir.Shape{2}},
		{13, "QuickGelu", []int64{1, 1}, []float32{1}, nil, nil, []float32{.8457958}, ir.Shape{1}},
		{13, "BiasGelu", []int64{1, 1}, []float32{1}, []arg{floats(1)}, nil, []float32{1.9544997}, ir.Shape{1}},
		{13, "FastGelu", []int64{1, 1}, []float32{1}, []arg{floats(1)}, nil, []float32{1.9545977}, ir.Shape{1}},
		{13, "FastGelu", []int64{1, 1}, []float32{2}, nil, nil, []float32{1.9545977}, ir.Shape{1}},
		{13, "ReduceL1", []int64{1, 2, 2}, []float32{1, -2, 3, -4}, nil, []any{"axes", []int64{2}, "keepdims", 0}, []float32{3, 7}, ir.Shape{2}},
		{13, "ReduceL2", []int64{1, 2, 2}, []float32{3, -4, 6, 8}, nil, []any{"axes", []int64{2}, "keepdims", 1}, []float32{5, 10}, ir.Shape{2, 1}},
		{13, "ReduceSumSquare", []int64{1, 2, 2}, []float32{1, -2, 3, -4}, nil, []any{"axes", []int64{1}, "keepdims", 0}, []float32{10, 20}, ir.Shape{2}},
		{13, "ReduceLogSum", []int64{1, 2}, []float32{1, 3}, nil, []any{"axes", []int64{1}}, []float32{1.3862944}, ir.Shape{1}},
		{13, "ReduceLogSumExp", []int64{1, 2, 2}, []float32{0, 0, 5, 5}, nil, []any{"axes", []int64{2}, "keepdims", 0}, []float32{.6931472, 5.6931472}, ir.Shape{2}},
		{13, "ReduceProd", []int64{1, 2, 3}, []float32{1, 2, 3, 4, -5, .5}, nil, []any{"axes", []int64{2}, "keepdims", 0}, []float32{6, -10}, ir.Shape{2}},
		{13, "ReduceProd", []int64{1, 1, 7}, []float32{1, 2, 3, 4, -5, .5, 2}, nil, []any{"axes", []int64{1, 2}}, []float32{-120}, ir.Shape{1, 1}},
		{13, "Mean", []int64{1, 2}, []float32{1, 2}, []arg{floats(2, 3), floats(6, 1)}, nil, []float32{3, 2}, ir.Shape{2}},
		{23, "RMSNormalization", []int64{1, 2, 2}, []float32{1, 7, 3, 3}, []arg{floats(2, 1)}, []any{"epsilon", float32(0)}, []float32{.4, 1.4, 2, 1}, ir.Shape{2, 2}},
		{17, "InstanceNormalization", []int64{1, 2, 2}, []float32{1, 3, 5, 5}, []arg{floats(2, 3), floats(1, 2)}, []any{"epsilon", float32(3)}, []float32{0, 2, 2, 2}, ir.Shape{2, 2}},
		{17, "InstanceNormalization", []int64{2, 1, 2}, []float32{1, 3, 5, 5}, []arg{floats(2), floats(1)}, []any{"epsilon", float32(3)}, []float32{0, 2, 1, 1}, ir.Shape{2, 1, 2}},
		{21, "GroupNormalization", []int64{1, 2, 1, 1}, []float32{1, 3}, []arg{floats(2, 4), floats(1, 2)}, []any{"epsilon", float32(3), "num_groups", 1}, []float32{0, 4}, ir.Shape{2, 1, 1}},
		{18, "GroupNormalization", []int64{1, 4, 1, 1}, []float32{1, 3, 5, 5}, []arg{floats(2, 4), floats(1, 2)}, []any{"epsilon", float32(3), "num_groups", 2}, []float32{0, 2, 2, 2}, ir.Shape{4, 1, 1}},
		{13, "MeanVarianceNormalization", []int64{1, 2, 1, 2}, []float32{1, 3, 5, 9}, nil, nil, []float32{-1, 1, -1, 1}, ir.Shape{2, 1, 2}},
		{13, "LpNormalization", []int64{1, 2, 2}, []float32{3, 0, 4, 0}, nil, []any{"axis", 1}, []float32{.6, 0, .8, 0}, ir.Shape{2, 2}},
		{13, "LpNormalization", []int64{1, 2, 2}, []float32{3, -1, 0, 0}, nil, []any{"p", 1}, []float32{.75, -.25, 0, 0}, ir.Shape{2, 2}},
		{13, "LRN", []int64{1, 3, 1, 1}, []float32{1, 2, 3}, nil, []any{"size", 2, "alpha", float32(2), "beta", float32(.5), "bias", float32(4)}, []float32{1. / 3, .48507125, .83205029}, ir.Shape{3, 1, 1}},
		{13, "MatMul", []int64{1, 2, 1}, []float32{1, 2}, []arg{floats(1, 2).of(1, 1, 2)}, nil, []float32{1, 2, 2, 4}, ir.Shape{2, 2}},
		{13, "MatMul", []int64{2, 1, 2}, []float32{1, 2, 3, 4}, []arg{floats(1, 2, 3, 4).of(2, 2, 1)}, nil, []float32{5, 25}, ir.Shape{2, 1, 1}},
		{13, "MatMul", []int64{1, 2}, []float32{1, 2}, []arg{floats(1, 2, 3, 4).of(2, 2, 1)}, nil, []float32{5, 11}, ir.Shape{2, 1, 1}},
		{13, "MatMul", []int64{1, 2}, []float32{1, 2}, []arg{floats(3, 4)}, nil, []float32{11}, ir.Shape{1}},
		{13, "MatMul", []int64{2}, []float32{1, 2}, []arg{floats(1, 2, 3, 4).of(2, 2)}, nil, []float32{7, 10}, ir.Shape{2}},
		{13, "Gemm", []int64{2, 1}, []float32{1, 2}, []arg{floats(1, 2, 3, 4).of(2, 2), floats(10, 20)}, []any{"transA", 1, "alpha", float32(2), "beta", float32(.5)}, []float32{19, 30}, ir.Shape{2}},
		{13, "Gemm", []int64{1, 2}, []float32{1, 2}, []arg{floats(1, 2, 3, 4).of(2, 2), floats(10, 20).of(1, 2)}, []any{"transB", 1}, []float32{15, 31}, ir.Shape{2}},
		{13, "Gemm", []int64{2, 1}, []float32{1, 2}, []arg{floats(1, 2).of(1, 2), floats(1, 2).of(2, 1)}, nil, []float32{2, 3, 4, 6}, ir.Shape{2, 2}},
		{13, "ConvTranspose", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(1, 2, 3).of(1, 1, 1, 3)}, []any{"pads", []int64{0, 3, 0, 0}}, []float32{6}, ir.Shape{1, 1, 1}},
		{13, "ConvTranspose", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(1, 2, 3).of(1, 1, 1, 3)}, []any{"strides", []int64{1, 2}, "auto_pad", "SAME_UPPER"}, []float32{1, 2, 5, 4}, ir.Shape{1, 1, 4}},
		{13, "ConvTranspose", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(1, 2, 3).of(1, 1, 1, 3)}, []any{"strides", []int64{1, 2}, "auto_pad", "SAME_LOWER"}, []float32{2, 5, 4, 6}, ir.Shape{1, 1, 4}},
		{13, "ConvTranspose", []int64{1, 1, 1, 2}, []float32{1, 2}, []arg{floats(1, 2, 3).of(1, 1, 1, 3)}, []any{"strides", []int64{1, 2}, "output_shape", []int64{1, 6}}, []float32{1, 2, 5, 4, 6, 0}, ir.Shape{1, 1, 6}},
		{19, "AveragePool", []int64{1, 1, 1, 4}, []float32{1, 2, 3, 4}, nil, []any{"kernel_shape", []int64{1, 3}, "strides", []int64{1, 2}, "pads", []int64{0, 0, 0, 1}, "count_include_pad", 1, "ceil_mode", 1}, []float32{2, 7. / 3}, ir.Shape{1, 1, 2}},
		{19, "AveragePool", []int64{1, 1, 1, 4}, []float32{1, 2, 3, 4}, nil, []any{"kernel_shape", []int64{1, 3}, "strides", []int64{1, 3}, "pads", []int64{0, 1, 0, 0}, "count_include_pad", 1, "ceil_mode", 1}, []float32{1, 3.5}, ir.Shape{1, 1, 2}},
		{13, "BatchNormalization", []int64{2, 2}, []float32{1, 2, 3, 4}, []arg{floats(2, 3), floats(1, 1), floats(0, 1), floats(3, 3)}, []any{"epsilon", float32(1)}, []float32{2, 2.5, 4, 5.5}, ir.Shape{2, 2}},
	} {
		what := fmt.Sprintf("%s %v %v", c.op, c.args, c.attrs)
		m := newModel(c.opset).input("x", c.shape...).output("y")
		in := list("x")
		for i, a := range c.args {
			in = append(in, fmt.Sprint("k", i))
			m.constant(in[i+1], a)
		}
		m.node(c.op, "n", in, list("y"), c.attrs...)
		opt := Options{Ranges: map[string]ir.Range{"x": {Lo: -8, Hi: 8}}}
		module, err := Parse("net", m.bytes(), opt)
		if !assert.NoError(t, err, what) {
			continue
		}
		require.Empty(t, ir.Verify(module), what)
		assert.Equal(t, c.dims, module.Outputs[0].Type.Shape, what)
		assert.InDeltaSlice(t, c.want, compute(t, module, c.x), 1e-6, what)
		// What reads the result sees it in the same shape.
		m.Graph.Node[0].Output[0], m.Graph.Output[0].Name = "first", proto.String("sum")
		m.node("Tanh", "t", list("first"), list("t")).node("Sub", "d", list("first", "t"), list("d")).node("Add", "s", list("d", "t"), list("sum"))
		if module, err = Parse("net", m.bytes(), opt); assert.NoError(t, err, what) {
			assert.Equal(t, c.dims, module.Outputs[0].Type.Shape, what)
			assert.InDeltaSlice(t, c.want, compute(t, module, c.x), 1e-5, what)
		}
	}
}

// TestConditions: comparisons of computed values, what conditions become, and choices by them.
func TestConditions(t *testing.T) {
	x := []float32{-2, -1, 1, 3}
	for _, c := range []struct {
		what  string
		nodes func(m *model)
		want  []float32
	}{
		{"greater than a number", func(m *model) { m.node("Greater", "c", list("x", "one"), list("c")) }, []float32{0, 0, 0, 1}},
		{"greater or equal", func(m *model) { m.node("GreaterOrEqual", "c", list("x", "one"), list("c")) }, []float32{0, 0, 1, 1}},
		{"less than a number", func(m *model) { m.node("Less", "c", list("x", "one"), list("c")) }, []float32{1, 1, 0, 0}},
		{"less or equal", func(m *model) { m.node("LessOrEqual", "c", list("x", "one"), list("c")) }, []float32{1, 1, 1, 0}},
		{"a number greater", func(m *model) { m.node("Greater", "c", list("one", "x"), list("c")) }, []float32{1, 1, 0, 0}},
		{"equal", func(m *model) { m.node("Equal", "c", list("x", "one"), list("c")) }, []float32{0, 0, 1, 0}},
		{"of two values", func(m *model) {
			m.node("Abs", "a", list("x"), list("a")).node("Less", "c", list("x", "a"), list("c"))
		}, []float32{1, 1, 0, 0}},
		{"of several numbers", func(m *model) { m.node("Less", "c", list("x", "four"), list("c")) }, []float32{0, 1, 0, 1}},
		{"not", func(m *model) {
			m.node("Greater", "g", list("x", "one"), list("g")).node("Not", "c", list("g"), list("c"))
		}, []float32{1, 1, 1, 0}},
		{"and", func(m *model) {
			m.node("Greater", "g", list("x", "minus"), list("g")).node("Less", "l", list("x", "two"), list("l")).node("And", "c", list("g", "l"), list("c"))
		}, []float32{0, 0, 1, 0}},
		{"or of a constant", func(m *model) {
			m.node("Greater", "g", list("x", "one"), list("g")).node("Or", "c", list("mask", "g"), list("c"))
		}, []float32{1, 0, 0, 1}},
		{"xor", func(m *model) {
			m.node("Greater", "g", list("x", "minus"), list("g")).node("Xor", "c", list("mask", "g"), list("c"))
		}, []float32{1, 0, 1, 1}},
	} {
		for _, use := range []struct {
			node string
			args []string
			want func(is, x float32) float32
		}{
			{"Cast", list("c"), func(is, _ float32) float32 { return is }},
			{"Where", list("c", "two", "minus"), func(is, _ float32) float32 { return 3*is - 1 }},
			{"Where", list("c", "x", "zero"), func(is, x float32) float32 { return is * x }},
			{"Where", list("c", "zero", "x"), func(is, x float32) float32 { return x - is*x }},
			{"Where", list("c", "x", "four"), func(is, x float32) float32 { return is * x }},
			{"Where", list("c", "x", "twice"), func(is, x float32) float32 { return 2*x - is*x }},
		} {
			m := newModel(17).input("x", 1, 4).output("y").constant("one", number(1)).constant("two", number(2)).constant("minus", number(-1)).constant("zero", number(0)).
				constant("four", floats(-2, 0, 0, 9)).constant("mask", ints(1, 0, 0, 0).as(boolType)).node("Add", "twice", list("x", "x"), list("twice"))
			c.nodes(m)
			want := make([]float32, 4)
			if use.node == "Cast" {
				m.node("Cast", "y", use.args, list("y"), "to", 1)
			} else {
				m.node(use.node, "y", use.args, list("y"))
			}
			for i, is := range c.want {
				if want[i] = use.want(is, x[i]); use.args[len(use.args)-1] == "four" {
					want[i] += (1 - is) * []float32{-2, 0, 0, 9}[i]
				}
			}
			module, err := Parse("net", m.bytes(), Options{Ranges: map[string]ir.Range{"x": {Lo: -4, Hi: 4}}})
			if assert.NoError(t, err, "%s %v", c.what, use.args) {
				assert.Equal(t, want, compute(t, module, x), "%s %v", c.what, use.args)
			}
		}
	}
	m := newModel(17).input("x", 1, 4).output("y").constant("k", floats(math.Inf(-1))).node("Greater", "c", list("x", "x"), list("c")).node("Where", "y", list("c", "x", "k"), list("y"))
	_, err := Parse("net", m.bytes(), Options{})
	assert.ErrorContains(t, err, "between constants that are infinite or no floats: choose between finite ones")
	m = newModel(17).input("x", 1, 4).output("y").constant("k", floats(math.Inf(-1))).node("Greater", "c", list("x", "zero"), list("c")).floats("zero", nil, 0).
		node("Where", "w", list("c", "x", "k"), list("w")).node("Softmax", "s", list("w"), list("y"))
	module, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, []float32{0, .5, 0, .5}, compute(t, module, []float32{-1, 2, -3, 2}), "scores that a softmax leaves out")
}

// TestNormalisationIsUsedOnce: a factor after the shift of an input is part of one
// normalisation only where nothing else reads the shifted input.
func TestNormalisationIsUsedOnce(t *testing.T) {
	for what, c := range map[string]struct {
		build func(m *model)
		want  []float32
	}{
		"alone":          {func(m *model) { m.node("Mul", "m", list("s", "two"), list("y")) }, []float32{0, 2}},
		"constant first": {func(m *model) { m.node("Mul", "m", list("two", "s"), list("y")) }, []float32{0, 2}},
		"read twice": {func(m *model) {
			m.node("Mul", "m", list("two", "s"), list("d")).node("Add", "a", list("d", "s"), list("y"))
		}, []float32{0, 3}},
	} {
		m := newModel(13).input("x", 1, 2).output("y").constant("one", number(1)).constant("two", number(2)).node("Sub", "s", list("x", "one"), list("s"))
		c.build(m)
		module, err := Parse("net", m.bytes(), Options{})
		require.NoError(t, err)
		assert.Equal(t, c.want, compute(t, module, []float32{1, 2}), what)
	}
	for out, want := range map[string][]float32{"s": {0, 1}, "y": {0, 2}} { // the shifted input is a result, too
		m := newModel(13).input("x", 1, 2).output(out, "y", "s").constant("one", number(1)).constant("two", number(2)).
			node("Sub", "s", list("x", "one"), list("s")).node("Mul", "m", list("s", "two"), list("y"))
		module, err := Parse("net", m.bytes(), Options{})
		require.NoError(t, err)
		assert.Equal(t, want, compute(t, module, []float32{1, 2}), out)
	}
}

// TestBiasOfMatMul: a constant that is added to a product, on either side, is the layer's
// bias where it has a number an output; else it stays a sum.
func TestBiasOfMatMul(t *testing.T) {
	for _, c := range []struct {
		b       arg
		isFirst bool
		want    []float32
		ops     []ir.Op
	}{
		{floats(10, 20), false, []float32{17, 30}, []ir.Op{ir.Linear}},
		{floats(10, 20), true, []float32{17, 30}, []ir.Op{ir.Linear}},
		{floats(10, 20).of(1, 2), false, []float32{17, 30}, []ir.Op{ir.Linear}},
		{floats(10), false, []float32{17, 20}, []ir.Op{ir.Linear, ir.BatchNorm}},
	} {
		m := newModel(13).input("x", 1, 2).output("y").constant("w", floats(1, 2, 3, 4).of(2, 2)).constant("b", c.b).
			node("MatMul", "m", list("x", "w"), list("p"))
		args := list("p", "b")
		if c.isFirst {
			args = list("b", "p")
		}
		m.node("Add", "a", args, list("y"))
		module, err := Parse("net", m.bytes(), Options{})
		require.NoError(t, err)
		var ops []ir.Op
		for _, n := range module.Ops {
			ops = append(ops, n.Op)
		}
		assert.Equal(t, c.ops, ops, "%v", c.b)
		assert.Equal(t, c.want, compute(t, module, []float32{1, 2}), "%v", c.b)
	}
	// A sum with something computed is no bias.
	m := newModel(13).input("x", 1, 2).output("y").constant("w", floats(1, 2, 3, 4).of(2, 2)).
		node("MatMul", "m", list("x", "w"), list("p")).node("Add", "a", list("p", "x"), list("y"))
	module, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, []float32{8, 12}, compute(t, module, []float32{1, 2}))
}

// TestFoldingIsBounded: all constants that folding makes have 4 Mi elements at most, the
// one of the cast too.
func TestFoldingIsBounded(t *testing.T) {
	for _, c := range []struct {
		a, b float64
		want string // empty: none
	}{
		{1<<22 - 1, 0, ""},
		{1 << 21, 1<<21 - 1, ""},
		{1 << 22, 0, "operation Cast makes a constant of 1 elements; all that are made may have 4194304"},
		{1 << 21, 1<<21 + 1, "operation ConstantOfShape makes a constant of 2097153 elements; all that are made may have 4194304"},
		{1<<22 + 1, 0, "operation ConstantOfShape makes a constant of 4194305 elements"},
	} {
		m := newModel(13).input("x", 1, 1).output("y").constant("s", ints(c.a)).constant("t", ints(c.b)).
			node("ConstantOfShape", "c", list("s"), list("k")).node("ConstantOfShape", "d", list("t"), list("l")).
			node("Size", "size", list("k"), list("n")).node("Cast", "real", list("n"), list("r"), "to", 1).node("Add", "a", list("x", "r"), list("y"))
		module, err := Parse("net", m.bytes(), Options{})
		if c.want != "" {
			assert.ErrorContains(t, err, c.want)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, []float32{float32(c.a)}, compute(t, module, []float32{0}))
	}
}

// TestQuotientOfConstant: a constant divided by what the network computes, as norms are
// written out, of one number and of one a channel.
func TestQuotientOfConstant(t *testing.T) {
	for _, c := range []struct {
		constant arg
		want     []float32
	}{
		{number(2), []float32{.5, .25}},
		{floats(2, 4), []float32{.5, .5}},
		{floats(2, 4).of(2, 1), []float32{.5, .25, 1, .5}},
	} {
		m := newModel(13).output("y").input("x", 1, 2).constant("k", c.constant).node("Div", "quotient", list("k", "x"), list("y"))
		net, err := Parse("net.onnx", m.bytes(), Options{})
		require.NoError(t, err, "%v", c)
		assert.InDeltaSlice(t, c.want, compute(t, net, []float32{4, 8}), 1e-6, "%v", c)
	}
}

// TestProductsOfConstantsAreBounded: a small file may not ask for hours of multiplications.
func TestProductsOfConstantsAreBounded(t *testing.T) {
	for side, want := range map[float64]string{
		64:   "",
		1024: "operation MatMul makes a constant of 1048576 sums of 1024 products; all that are made may take 268435456 products",
	} {
		m := newModel(13).input("x", 1, 1).output("y").constant("s", ints(side, side)).
			node("ConstantOfShape", "c", list("s"), list("k"), "value", &pb.Tensor{Dims: []int64{1}, DataType: proto.Int32(1), FloatData: []float32{1}}).
			node("MatMul", "m", list("k", "k"), list("p")).ints("axes", 0, 1).node("ReduceMax", "r", list("p"), list("r"), "axes", []int64{0, 1}, "keepdims", 0).
			node("Add", "a", list("x", "r"), list("y"))
		module, err := Parse("net", m.bytes(), Options{})
		if want != "" {
			assert.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, []float32{float32(side)}, compute(t, module, []float32{0}))
	}
}

// TestAllRefusalsAtOnce: of results, and of the inputs and operations of a quantized model.
func TestAllRefusalsAtOnce(t *testing.T) {
	m := newModel(13).input("x", 1, 2).output("y", "k", "l").constant("k", floats(1, 2)).node("Relu", "r", list("x"), list("y")).
		constant("shape", ints(2)).node("ConstantOfShape", "c", list("shape"), list("l"))
	_, err := Parse("net", m.bytes(), Options{})
	require.ErrorContains(t, err, `the output "k" is a constant`)
	require.ErrorContains(t, err, `the output "l" is a constant`)

	m = newModel(13).input("a", 1, 2).input("b", 1, 2).input("x", 1, 2).output("y").constant("s", number(.5)).constant("z", integer(3).as(uint8Type)).
		node("QuantizeLinear", "q", list("x", "s", "z"), list("xq")).node("DequantizeLinear", "d", list("xq", "s", "z"), list("xd")).
		node("Exp", "e", list("xd"), list("xe")).node("Add", "ab", list("a", "b"), list("s2")).node("Mul", "m", list("s2", "xe"), list("y"))
	_, err = Parse("net", m.bytes(), Options{Exact: true})
	for _, want := range []string{`input "a" is used without a quantization`, `input "b" is used without a quantization`, "operation exp gives reals that the model does not quantize"} {
		require.ErrorContains(t, err, want)
	}
}

// TestConstantsAlongAnAxis: a constant that differs along one axis has one scale or shift for each place on
// that axis, whatever axis it is; one that differs along several has one for each element.
func TestConstantsAlongAnAxis(t *testing.T) {
	for _, c := range []struct {
		name     string
		shape, k []int
		channels int
	}{
		{"the last of three", []int{1, 5, 4}, []int{4}, 4},
		{"the last of four", []int{1, 3, 5, 4}, []int{4}, 4},
		{"the last but one of four", []int{1, 3, 5, 4}, []int{5, 1}, 5},
		{"channels", []int{1, 3, 5, 4}, []int{3, 1, 1}, 3},
		{"the first of a batch", []int{2, 3, 4}, []int{2, 1, 1}, 2},
		{"the middle of a batch", []int{2, 3, 4}, []int{3, 1}, 3},
		{"the last of a batch", []int{2, 3, 4}, []int{1, 4}, 4},
		{"two axes", []int{1, 5, 4}, []int{5, 4}, 20},
		{"repeated", []int{1, 5, 1}, []int{4}, 4},
	} {
		k := make([]float64, build.Product(c.k))
		for i := range k {
			k[i] = float64(i + 2)
		}
		wide := func(dims []int) (list []int64) {
			for _, d := range dims {
				list = append(list, int64(d))
			}
			return list
		}
		constant := floats(k...).of(wide(c.k)...)
		got, err := Parse("net", newModel(17).input("x", wide(c.shape)...).output("y").constant("k", constant).
			node("Relu", "r", list("x"), list("r")).node("Mul", "m", list("r", "k"), list("s")).node("Add", "a", list("s", "k"), list("y")).bytes(), Options{})
		require.NoError(t, err, c.name)
		norms := 0
		for _, n := range got.Ops {
			if n.Op == ir.BatchNorm {
				norms++
				assert.Equal(t, c.channels, n.Const(ir.AttrGamma).Type.Shape.Size(), c.name)
			}
		}
		assert.Equal(t, 2, norms, c.name)
		x := make([]float32, build.Product(c.shape))
		for i := range x {
			x[i] = float32(i%7) / 7
		}
		whole, err := build.Broadcast(c.shape, c.k)
		require.NoError(t, err)
		places := func(s []int) []int32 {
			v, ok := ir.ViewOf(s).Expand(whole)
			require.True(t, ok)
			return v.Index()
		}
		from, by, y := places(c.shape), places(c.k), compute(t, got, x)
		require.Len(t, y, len(from))
		for i := range y {
			v := float32(k[by[i]])
			assert.InDelta(t, x[from[i]]*v+v, y[i], 1e-5, "%s: element %d", c.name, i)
		}
	}
}

// TestNormOfFlattened: a batch normalization of the features of a flattened image has a scale and an
// offset for each of them.
func TestNormOfFlattened(t *testing.T) {
	for _, shape := range [][]int64{{1, 2, 3}, {1, 2, 1, 3}, {1, 6}} {
		m, err := Parse("net", newModel(17).input("x", shape...).output("y").
			constant("g", floats(1, 2, 3, 4, 5, 6)).constant("b", floats(0, 0, 0, 1, 1, 1)).constant("m", floats(0, 0, 0, 0, 0, .5)).constant("v", floats(1, 1, 1, 1, 1, 1)).
			node("Flatten", "f", list("x"), list("f")).node("BatchNormalization", "n", list("f", "g", "b", "m", "v"), list("y"), "epsilon", float32(0)).bytes(), Options{})
		require.NoError(t, err, shape)
		assert.Equal(t, ir.Shape{6}, m.Outputs[0].Type.Shape)
		assert.InDeltaSlice(t, []float32{1, 2, 3, 5, 6, 4}, compute(t, m, []float32{1, 1, 1, 1, 1, 1}), 1e-6)
	}
}

// TestManyTerms: terms of many elements are a value; few are offsets, which are exact, as are factors.
func TestManyTerms(t *testing.T) {
	for _, c := range []struct {
		op    string
		rows  int
		first bool
		want  ir.Op
	}{{"Add", 64, false, ir.Add}, {"Sub", 64, false, ir.Sub}, {"Sub", 64, true, ir.Sub}, {"Add", 63, false, ir.BatchNorm}, {"Mul", 64, false, ir.BatchNorm}} {
		shape := []int64{1, int64(c.rows), 64}
		k, x := make([]float64, c.rows*64), make([]float32, c.rows*64)
		for i := range k {
			k[i], x[i] = float64(i%11), float32(i%7)/7
		}
		in := list("r", "k")
		if c.first {
			in = list("k", "r")
		}
		m, err := Parse("net", newModel(17).input("x", shape...).output("y").constant("k", floats(k...).of(shape...)).
			node("Relu", "r", list("x"), list("r")).node(c.op, "n", in, list("y")).bytes(), Options{})
		require.NoError(t, err)
		var ops []ir.Op
		for _, n := range m.Ops {
			ops = append(ops, n.Op)
		}
		assert.Contains(t, ops, c.want, "%s %d", c.op, c.rows)
		of := map[string]func(x, k float32) float32{
			"Add": func(x, k float32) float32 { return x + k }, "Mul": func(x, k float32) float32 { return x * k },
			"Sub": func(x, k float32) float32 {
				if c.first {
					return k - x
				}
				return x - k
			},
		}[c.op]
		for i, y := range compute(t, m, x) {
			require.InDelta(t, of(x[i], float32(k[i])), y, 1e-5)
		}
	}
}

// TestNamesOfScopes: nodes that PyTorch's exporter numbers have the names of their modules, by its metadata.
func TestNamesOfScopes(t *testing.T) {
	m := newModel(13).input("x", 1, 4).output("y")
	last := "x"
	for i, c := range []struct{ scopes, op string }{
		{`['', 'block', 'block.act', 'relu']`, "Relu"},
		{`['', "block", 'block.0', "neg_1"]`, "Neg"},
		{`['', 'abs_2']`, "Abs"},
		{`['']`, "Floor"},
		{`no list`, "Ceil"},
		{`['', 'block', 'block.act', 'relu_1']`, "Sigmoid"},
	} {
		next := fmt.Sprint("val_", i)
		if i == 5 {
			next = "y"
		}
		m.node(c.op, fmt.Sprint("n", i), []string{last}, []string{next})
		n := m.Graph.Node[i]
		n.MetadataProps = append(n.MetadataProps, &pb.Entry{Key: proto.String("namespace"), Value: proto.String("'no'/'names'")}, &pb.Entry{Key: proto.String(nameScopes), Value: proto.String(c.scopes)})
		last = next
	}
	module, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	var names []string
	for _, n := range module.Ops {
		names = append(names, n.Name())
	}
	assert.Equal(t, []string{"block.act", "block.0", "abs_2", "n3", "n4", "block.act_2"}, names)
}
