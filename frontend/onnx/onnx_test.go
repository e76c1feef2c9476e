package onnx

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/interp"
)

// small is a network as PyTorch exports it, with the shape arithmetic of a view.
func small() *model {
	return newModel(13).input("image", -1, 2, 6, 6).output("logits").
		floats("mean", []int64{1, 2, 1, 1}, .25, .5).floats("std", []int64{1, 2, 1, 1}, .5, .25).
		floats("conv.weight", []int64{3, 2, 3, 3}, ramp(54)...).floats("conv.bias", []int64{3}, 1, 2, 3).
		floats("fc.weight", []int64{4, 27}, ramp(108)...).
		ints("zero", 0).ints("minus", -1).
		node("Sub", "/Sub", list("image", "mean"), list("a")).
		node("Div", "/Div", list("a", "std"), list("b")).
		node("Conv", "/conv/Conv", list("b", "conv.weight", "conv.bias"), list("c"), "kernel_shape", []int64{3, 3}, "pads", []int64{1, 1, 1, 1}).
		node("Relu", "/relu/Relu", list("c"), list("d")).
		node("MaxPool", "/pool/MaxPool", list("d"), list("e"), "kernel_shape", []int64{2, 2}, "strides", []int64{2, 2}).
		node("Shape", "/Shape", list("e"), list("s")).
		node("Gather", "/Gather", list("s", "zero"), list("n"), "axis", 0).
		node("Concat", "/Concat", list("n", "minus"), list("to"), "axis", 0).
		node("Reshape", "/Reshape", list("e", "to"), list("f")).
		node("Gemm", "/fc/Gemm", list("f", "fc.weight"), list("logits"), "transB", 1)
}

func TestReadableText(t *testing.T) {
	m, err := Parse("net", small().bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, `network net(image: f32[2,6,6] in [0,1]) -> f32[4] name: logits {
  norm = normalize(image, mean: [0.25,0.5], std: [0.5,0.25])
  conv = conv2d(norm, filters: 3, kernel: 3, pad: 1)
  relu = relu(conv)
  pool = maxpool2d(relu, kernel: 2)
  fc = linear(pool, units: 4)
  return fc
}
`, m.Source())
}

// run computes the first output for inputs that rise from 0.
func run(t *testing.T, m *ir.Module) []float32 {
	t.Helper()
	x := make([]float32, m.Inputs[0].Type.Shape.Size())
	for i := range x {
		x[i] = float32(i%17) / 17
	}
	return compute(t, m, x)
}

// compute is the first output for some inputs.
func compute(t *testing.T, m *ir.Module, x []float32) []float32 {
	t.Helper()
	p, err := interp.CompileFloat(m)
	require.NoError(t, err)
	y, err := p.Forward(context.Background(), x, 1)
	require.NoError(t, err)
	return y
}

// TestEqualModels holds ways to write one network together.
func TestEqualModels(t *testing.T) {
	m, err := Parse("net", small().bytes(), Options{})
	require.NoError(t, err)
	want := run(t, m)
	transposed := small()
	w := ramp(108)
	flipped := make([]float32, 108)
	for o := range 4 {
		for i := range 27 {
			flipped[i*4+o] = w[o*27+i]
		}
	}
	transposed.floats("flipped", []int64{27, 4}, flipped...)
	g := transposed.Graph
	g.Node = g.Node[:len(g.Node)-1]
	matmul := transposed.node("MatMul", "/fc/MatMul", list("f", "flipped"), list("logits"))
	unsqueezed := small()
	unsqueezed.Graph.Node[7] = &pb.Node{OpType: proto.String("Identity"), Input: list("pair"), Output: list("to")}
	unsqueezed.ints("pair", 1, 27)
	same := small()
	same.Graph.Node[2].Attribute = append(same.Graph.Node[2].Attribute[:1], &pb.Attribute{Name: proto.String("auto_pad"), S: []byte("SAME_UPPER")})
	for name, other := range map[string]*model{"matmul": matmul, "unsqueezed": unsqueezed, "same": same} {
		m, err := Parse("net", other.bytes(), Options{})
		require.NoError(t, err, name)
		assert.InDeltaSlice(t, want, run(t, m), 1e-5, name)
	}
}

func TestFaultsAreListedAtOnce(t *testing.T) {
	m := newModel(13).input("x", 1, 2, 8, 8).output("y").
		node("Foo", "foo1", list("x"), list("a")).
		node("Foo", "foo2", list("x"), list("b")).
		node("Relu", "relu", list("a"), list("c")).
		node("Unique", "behind", list("c"), list("f")).
		node("Erfinv", "bar", list("x"), list("d")).
		node("If", "branch", list("x"), list("e")).
		node("MaxPool", "pool", list("x"), list("y"), "kernel_shape", []int64{9, 9})
	_, err := Parse("net.onnx", m.bytes(), Options{})
	require.Error(t, err)
	for _, want := range []string{
		"operation Foo is not supported: 2 of the model's 7 nodes", "foo1, foo2", "operation Erfinv", "operation Unique", "operation If", "bar", "branch",
		"operation MaxPool", "a window of 9 does not fit 8 pixels",
	} {
		assert.Contains(t, err.Error(), want)
	}
	assert.NotContains(t, err.Error(), "Relu")
}

// TestNodesWithoutResults are damaged files: nothing may ask for the first of none.
func TestNodesWithoutResults(t *testing.T) {
	for _, op := range []string{"MatMul", "Gemm", "Split", "LSTM", "Relu", "Gather"} {
		m := newModel(13).input("x", 1, 4).output("y").floats("w", []int64{4, 2}, ramp(8)...).node(op, "n", list("x", "w", "w"), nil)
		_, err := Parse("net", m.bytes(), Options{})
		assert.ErrorContains(t, err, "has no result", op)
	}
}

// TestDropout drops out, but in training.
func TestDropout(t *testing.T) {
	for training, want := range map[int64]string{0: "", 1: "operation Dropout in training mode"} {
		m := newModel(13).input("x", 1, 4).output("y").floats("ratio", nil, .5).ints("training", training).
			node("Dropout", "d", list("x", "ratio", "training"), list("y"))
		_, err := Parse("net", m.bytes(), Options{})
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}

// TestEmptyShapes folds shapes of no dimensions, as norms over all axes have them.
func TestEmptyShapes(t *testing.T) {
	m := newModel(13).input("x", 1, 3, 4).output("y").ints("zero", 0).ints("one", 1).ints("all", 12).
		node("Shape", "s", list("x"), list("s")).
		node("Slice", "none", list("s", "zero", "zero"), list("none")).
		node("Concat", "c", list("none", "all"), list("to"), "axis", 0).
		node("Reshape", "r", list("x", "to"), list("flat")).
		node("Relu", "relu", list("flat"), list("y"))
	module, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, ir.Shape{12}, module.Outputs[0].Type.Shape)
}

func TestShapes(t *testing.T) {
	open := func() *model {
		return newModel(13).input("x", -1, 2, -1, -1).output("y").node("Relu", "r", list("x"), list("y"))
	}
	_, err := Parse("net", open().bytes(), Options{})
	require.ErrorContains(t, err, "-shape x=1,2,224,224")
	m, err := Parse("net", open().bytes(), Options{Shapes: map[string][]int{"x": {1, 2, 5, 6}}, Ranges: map[string]ir.Range{"x": {Lo: -1, Hi: 1}}})
	require.NoError(t, err)
	assert.Contains(t, m.Source(), "x: f32[2,5,6] in [-1,1]")
	for name, opt := range map[string]Options{
		`did you mean "x"`: {Shapes: map[string][]int{"xx": {1, 2, 5, 6}}},
		"has 4 dimensions": {Shapes: map[string][]int{"x": {1, 2}}},
		"is 2 in the":      {Shapes: map[string][]int{"x": {1, 3, 5, 6}}},
	} {
		_, err := Parse("net", open().bytes(), opt)
		require.ErrorContains(t, err, name)
	}
}

// hostile are models that a person made to do harm, or a disk made by accident.
func hostile() map[string][]byte {
	out := map[string][]byte{}
	add := func(name string, m *model) { out[name] = m.bytes() }
	relu := func(dims ...int64) *model {
		return newModel(13).input("x", dims...).output("y").node("Relu", "r", list("x"), list("y"))
	}
	add("huge dimension", relu(1, 1<<40))
	add("zero dimension", relu(1, 0, 4, 4))
	add("huge product", relu(1, 1<<20, 1<<20, 1<<20))
	add("cycle", newModel(13).input("x", 1, 4).output("y").
		node("Add", "a", list("x", "z"), list("y")).node("Relu", "r", list("y"), list("z")))
	add("no output", newModel(13).input("x", 1, 4).node("Relu", "r", list("x"), list("y")))
	add("old", newModel(6).input("x", 1, 4).output("y").node("Relu", "r", list("x"), list("y")))
	add("twice", newModel(13).input("x", 1, 4).output("y").node("Relu", "r", list("x"), list("y")).node("Relu", "s", list("x"), list("y")))
	short := relu(1, 4)
	short.floats("w", []int64{100, 100}, 1, 2, 3)
	add("short data", short)
	negative := relu(1, 4)
	negative.floats("w", []int64{-1, 3})
	add("negative", negative)
	outside := relu(1, 4)
	outside.Graph.Initializer = append(outside.Graph.Initializer, &pb.Tensor{Name: proto.String("w"), Dims: []int64{4}, DataType: proto.Int32(1), DataLocation: proto.Int32(1),
		ExternalData: []*pb.Entry{{Key: proto.String("location"), Value: proto.String("../../etc/passwd")}}})
	add("outside", outside)
	below := relu(1, 4)
	below.Graph.Input[0].Type.TensorType.Shape.Dim[1] = &pb.Dimension{DimValue: proto.Int64(-4)}
	add("negative input", below)
	// Graphs in attributes of nodes of graphs, and groups in groups, which protobuf once had.
	var graph, groups []byte
	for range 2000 {
		graph = protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), graph) // an attribute's graph
		for _, field := range []protowire.Number{5, 1} {                                       // a node's attribute, a graph's node
			graph = protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), graph)
		}
	}
	out["nested graphs"] = protowire.AppendBytes(protowire.AppendTag(nil, 7, protowire.BytesType), graph)
	for range 1 << 20 {
		groups = protowire.AppendTag(groups, 7, protowire.StartGroupType)
	}
	out["nested groups"] = groups
	forged := relu(1, 4)
	forged.Graph.Initializer = append(forged.Graph.Initializer, &pb.Tensor{Name: proto.String("w"), Dims: []int64{4}, DataType: proto.Int32(1), At: proto.Uint64(1 << 60), Bytes: proto.Uint64(16)})
	add("forged place", forged)
	add("large fill", newModel(13).input("x", 1, 4).output("y").ints("s", 1<<20, 1<<20).
		node("ConstantOfShape", "c", list("s"), list("k")).node("Add", "a", list("x", "k"), list("y")))
	add("nan", newModel(13).input("x", 1, 1).output("y").floats("w", []int64{1, 1}, float32(nan())).node("MatMul", "m", list("x", "w"), list("y")))
	add("empty reshape", newModel(13).input("x", 1, 4).output("y").ints("s", 0, -1, 0).node("Reshape", "r", list("x", "s"), list("y")))
	add("window", newModel(13).input("x", 1, 1, 4, 4).output("y").node("MaxPool", "p", list("x"), list("y"), "kernel_shape", []int64{-1, 1 << 50}))
	add("no arguments", newModel(13).input("x", 1, 4).output("y").node("Conv", "c", list("x"), list("y")))
	var nodes []byte
	for range maxMessages + 1 {
		nodes = append(nodes, 0x0a, 0)
	}
	out["many nodes"] = append([]byte{0x3a, 0x82, 0x80, 0x10}, nodes...)
	out["empty"] = nil
	out["text"] = []byte("network net(x: f32[1]) -> f32[1] {")
	whole := small().bytes()
	out["truncated"] = whole[:len(whole)/2]
	return out
}

func nan() float64 { var zero float64; return zero / zero }

func TestHostileFiles(t *testing.T) {
	for name, raw := range hostile() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Parse("net.onnx", raw, Options{})
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			assert.Contains(t, err.Error(), "net.onnx: ")
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(raw))+256<<20)
		})
	}
}

func TestExternalData(t *testing.T) {
	dir := t.TempDir()
	m := newModel(13).input("x", 1, 2).output("y").node("MatMul", "m", list("x", "w"), list("y"))
	w := &pb.Tensor{Name: proto.String("w"), Dims: []int64{2, 2}, DataType: proto.Int32(1), DataLocation: proto.Int32(1), ExternalData: []*pb.Entry{
		{Key: proto.String("location"), Value: proto.String("w.bin")}, {Key: proto.String("offset"), Value: proto.String("4")}, {Key: proto.String("length"), Value: proto.String("16")}}}
	m.Graph.Initializer = append(m.Graph.Initializer, w)
	path := filepath.Join(dir, "net.onnx")
	require.NoError(t, os.WriteFile(path, m.bytes(), 0o644))
	_, err := Load(path, Options{})
	require.ErrorContains(t, err, `external data in "w.bin"`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "w.bin"), append(make([]byte, 4), newTensor(float32Type, []int{4}, []float64{1, 2, 3, 4}).data.(ir.Bytes)...), 0o644))
	module, err := Load(path, Options{})
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float32{3. / 17, 4. / 17}, run(t, module), 1e-6)
	assert.Equal(t, "w.bin", module.Tensors[0].Path)
	require.NoError(t, os.Remove(filepath.Join(dir, "w.bin")))
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(dir, "w.bin")))
	_, err = Load(path, Options{})
	require.ErrorContains(t, err, "a link that leaves")
	for _, place := range []string{"../w.bin", "/etc/hostname", "sub/../../w.bin", ""} {
		w.ExternalData[0].Value = proto.String(place)
		require.NoError(t, os.WriteFile(path, m.bytes(), 0o644))
		_, err = Load(path, Options{})
		require.ErrorContains(t, err, "outside of the model's folder", place)
	}
}

// TestLargeModels takes weights that are stored otherwise than the module has them:
// their conversion must not need memory for all of them.
func TestLargeModels(t *testing.T) {
	const n = 1024
	half, bytes := make([]byte, 2*n*n), make([]byte, n*n)
	for i := range n * n {
		binary.LittleEndian.PutUint16(half[2*i:], 0x3000|uint16(i%1021)) // 0.125 and more
		bytes[i] = byte(i % 251)
	}
	m := newModel(13).input("x", 1, n).output("y").floats("scale", nil, .5).
		node("MatMul", "a", list("x", "half"), list("a")).
		node("DequantizeLinear", "d", list("bytes", "scale"), list("w")).
		node("Gemm", "y", list("a", "w"), list("y"), "transB", 1, "alpha", float32(2))
	for name, c := range map[string]struct {
		typ dtype
		raw []byte
	}{"half": {float16Type, half}, "bytes": {int8Type, bytes}} {
		m.Graph.Initializer = append(m.Graph.Initializer, &pb.Tensor{Name: proto.String(name), Dims: []int64{n, n}, DataType: proto.Int32(int32(c.typ)), RawData: c.raw})
	}
	raw := m.bytes()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	module, err := Parse("net", raw, Options{})
	require.NoError(t, err)
	for _, c := range module.Consts {
		size, err := c.WriteTo(io.Discard)
		require.NoError(t, err)
		assert.Equal(t, int64(4*n*n), size)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
	a, err := module.Layers()[0].Const(ir.AttrWeight).Floats(0, n) // a column of the file's
	require.NoError(t, err)
	y, err := module.Layers()[1].Const(ir.AttrWeight).Floats(n, n) // a row of them
	require.NoError(t, err)
	for i := range n {
		require.Equal(t, weights.F16.Float32(half[2*n*i:]), a[i])
		require.Equal(t, float32(int8(bytes[n+i])), y[i])
	}
}

// FuzzParse reads damaged models.
func FuzzParse(f *testing.F) {
	f.Add(small().bytes())
	for _, raw := range hostile() {
		if len(raw) < 1<<12 {
			f.Add(raw)
		}
	}
	models, err := filepath.Glob("testdata/*/model.onnx")
	if err != nil || len(models) == 0 {
		f.Fatal("no models", err)
	}
	for _, path := range models {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse("net", raw, Options{})
		if err == nil {
			require.Empty(t, ir.Verify(m))
		}
	})
}

// TestEmbedding imports rows by computed indices, and says which it does not.
func TestEmbedding(t *testing.T) {
	words := func(rows int64, kind int32, axis int) *model {
		m := newModel(13).input("words", 1, 2).output("y").floats("emb.weight", []int64{rows, 2}, ramp(int(2*rows))...).
			node("Gather", "/emb/Gather", list("emb.weight", "words"), list("y"), "axis", axis)
		m.Graph.Input[0].Type.TensorType.ElemType = proto.Int32(kind)
		return m
	}
	m, err := Parse("net", words(3, 7, 0).bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, `network net(words: f32[2] in [0,2]) -> f32[2,2] name: y {
  const emb.weight: f32[3,2]
  emb = embedding(words, rows: emb.weight)
  return emb
}
`, m.Source())
	x := ramp(6)
	assert.Equal(t, []float32{x[4], x[5], x[0], x[1]}, compute(t, m, []float32{2, 0}))
	assert.Equal(t, []float32{x[4], x[5], x[0], x[1]}, compute(t, m, []float32{9, -1}), "what is beyond the rows is kept in bounds")
	m, err = Parse("net", words(1000, 7, 0).bytes(), Options{})
	require.NoError(t, err)
	assert.True(t, m.IsIndex(m.Inputs[0]))
	assert.Equal(t, 999., m.Inputs[0].Range.Hi)
	for want, bad := range map[string]*model{
		"embedding of 32769 rows; indices of 16 bits tell 32768":        words(32769, 7, 0),
		"of a constant of shape [3 2] along axis 1":                     words(3, 7, 1),
		"inputs are float, uint8, int8, or int32 and int64 that choose": newModel(13).input("words", 1, 2).output("y").node("Neg", "n", list("words"), list("y")),
	} {
		bad.Graph.Input[0].Type.TensorType.ElemType = proto.Int32(7)
		_, err := Parse("net", bad.bytes(), Options{})
		assert.ErrorContains(t, err, want)
	}
}

// TestSoftsign imports the function, as an operation and as a gate of a recurrence.
func TestSoftsign(t *testing.T) {
	m, err := Parse("net", newModel(13).input("x", 1, 5).output("y").node("Softsign", "y", list("x"), list("y")).bytes(), Options{Ranges: map[string]ir.Range{"x": {Lo: -1, Hi: 1}}})
	require.NoError(t, err)
	x := []float32{-1, -.5, 0, .25, 1}
	assert.InDeltaSlice(t, []float32{-.5, -1. / 3, 0, .2, .5}, compute(t, m, x), 1e-7)
	m, err = Parse("net", rnn("GRU", 3, 1, 1, "activations", []string{"Sigmoid", "Softsign"}).bytes(), Options{})
	require.NoError(t, err)
	assert.True(t, slices.ContainsFunc(m.Ops, func(n *ir.Node) bool { return n.Op == ir.Softsign }))
}
