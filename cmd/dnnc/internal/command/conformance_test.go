package command_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// TestConformance runs folders of cases.
func TestConformance(t *testing.T) {
	for format, cases := range map[string]string{"tflite": "28", "onnx": "8"} {
		code, stdout, stderr := dnnctest.Run(t, "conformance", dnnctest.Root+"/frontend/"+format+"/testdata")
		require.Zero(t, code, stderr)
		assert.Regexp(t, "all +"+cases+" +0 +0 +0", stdout)
	}
	// Weights that are an input, as ONNX's own cases have them.
	dir := t.TempDir()
	set := filepath.Join(dir, "conv", "test_data_set_0")
	require.NoError(t, os.MkdirAll(set, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "conv", "model.onnx"), onnxModel(false), 0o644))
	image, weights, sums := make([]float32, 36), make([]float32, 18), make([]float32, 72)
	for i := range image {
		image[i] = 1
	}
	weights[4], weights[5] = 1, 2 // a pixel and the one after it; the second channel is 0
	for i := range 36 {
		sums[i] = 3
		if i%6 == 5 {
			sums[i] = 1
		}
	}
	for i, x := range [][]float32{image, weights, sums} {
		name := []string{"input_0.pb", "input_1.pb", "output_0.pb"}[i]
		require.NoError(t, os.WriteFile(filepath.Join(set, name), onnxTensor(x, [][]int{{1, 1, 6, 6}, {2, 1, 3, 3}, {1, 2, 6, 6}}[i]), 0o644))
	}
	code, stdout, stderr := dnnctest.Run(t, "conformance", dir)
	require.Zero(t, code, stderr)
	assert.Regexp(t, "all +1 +0 +0 +0", stdout)
	sums[7]++
	require.NoError(t, os.WriteFile(filepath.Join(set, "output_0.pb"), onnxTensor(sums, []int{1, 2, 6, 6}), 0o644))
	code, _, stderr = dnnctest.Run(t, "conformance", dir)
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "test_data_set_0: y: element 7 is 3, expected 4", "the result as the model calls it")
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	code, _, stderr = dnnctest.Run(t, "conformance", link)
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, filepath.Join(link, "conv")+": test_data_set_0: y: element 7")

	none := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(none, "case", "test_data_set_0"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(none, "case", "model.onnx"), []byte("no model"), 0o644))
	code, _, stderr = dnnctest.Run(t, "conformance", none)
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "no case was run")

	code, _, stderr = dnnctest.Run(t, "conformance", t.TempDir())
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "no case")
}

// TestConformanceOfHalfFloats: a result of half floats may be some of their steps away.
func TestConformanceOfHalfFloats(t *testing.T) {
	dir := t.TempDir()
	set := filepath.Join(dir, "conv", "test_data_set_0")
	require.NoError(t, os.MkdirAll(set, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "conv", "model.onnx"), onnxModel(false), 0o644))
	weights := make([]float32, 18)
	weights[4] = 1
	require.NoError(t, os.WriteFile(filepath.Join(set, "input_0.pb"), onnxTensor(make([]float32, 36), []int{1, 1, 6, 6}), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(set, "input_1.pb"), onnxTensor(weights, []int{2, 1, 3, 3}), 0o644))
	for _, c := range []struct {
		typ  int
		bits uint16 // of an element that is 0 here
		code int
	}{{10, 0x1400, 0}, {10, 0x1a00, command.AtFault}, {16, 0x3c00, 0}, {16, 0x3d00, command.AtFault}} { // 2^-10 and 3*2^-10, 2^-7 and 2^-5
		raw := make([]byte, 144)
		binary.LittleEndian.PutUint16(raw[2:], c.bits)
		var b []byte
		for _, d := range []uint64{1, 2, 6, 6} {
			b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), d)
		}
		b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(c.typ))
		b = protowire.AppendBytes(protowire.AppendTag(b, 9, protowire.BytesType), raw)
		require.NoError(t, os.WriteFile(filepath.Join(set, "output_0.pb"), b, 0o644))
		code, _, stderr := dnnctest.Run(t, "conformance", dir)
		assert.Equal(t, c.code, code, "%v: %s", c, stderr)
	}
}

// TestConformanceOfIntegersReadAsReals: a result of integers that the network has as reals
// is rounded and saturated, and may be one step away.
func TestConformanceOfIntegersReadAsReals(t *testing.T) {
	dir := t.TempDir()
	set := filepath.Join(dir, "quantize", "test_data_set_0")
	require.NoError(t, os.MkdirAll(set, 0o755))
	text := func(b []byte, field protowire.Number, s string) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), []byte(s))
	}
	message := func(b []byte, field protowire.Number, inner []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), inner)
	}
	number := func(b []byte, field protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
	}
	tensor := func(typ uint64, dims []uint64, raw []byte, name string) (b []byte) {
		for _, d := range dims {
			b = number(b, 1, d)
		}
		return message(text(number(b, 2, typ), 8, name), 9, raw)
	}
	half := binary.LittleEndian.AppendUint32(nil, math.Float32bits(.5))
	var node, graph, model []byte
	for _, name := range []string{"x", "scale", "zero"} {
		node = text(node, 1, name)
	}
	node = text(text(node, 2, "y"), 4, "QuantizeLinear")
	shape := message(nil, 1, number(nil, 1, 3))
	info := message(text(nil, 1, "x"), 2, message(nil, 1, message(number(nil, 1, 1), 2, shape)))
	graph = message(message(graph, 1, node), 5, tensor(1, nil, half, "scale"))
	graph = message(message(message(graph, 5, tensor(5, nil, []byte{0, 0}, "zero")), 11, info), 12, text(nil, 1, "y"))
	model = message(message(number(nil, 1, 8), 8, number(nil, 2, 21)), 7, graph)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "quantize", "model.onnx"), model, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(set, "input_0.pb"), onnxTensor([]float32{.25, .6, 30000}, []int{3}), 0o644))
	for _, c := range []struct {
		want [3]int16
		row  string
	}{{[3]int16{1, 1, 32767}, "1 +0 +0 +0"}, {[3]int16{0, 1, 32767}, "0 +1 +0 +0"}, {[3]int16{-1, 1, 32767}, "0 +0 +1 +0"}} {
		var raw []byte
		for _, v := range c.want {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(v))
		}
		require.NoError(t, os.WriteFile(filepath.Join(set, "output_0.pb"), tensor(5, []uint64{3}, raw, "y"), 0o644))
		_, stdout, stderr := dnnctest.Run(t, "conformance", dir, "-v")
		assert.Regexp(t, "all +"+c.row, stdout, stderr)
	}
}

// onnxTensor is a file of one tensor of floats.
func onnxTensor(x []float32, shape []int) []byte {
	var b, raw []byte
	for _, d := range shape {
		b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), uint64(d))
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), 1)
	for _, v := range x {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return protowire.AppendBytes(protowire.AppendTag(b, 9, protowire.BytesType), raw)
}
