package frontend

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// statements is one of each operation, with attributes that are not their defaults, of
// the values a and b: f32[4,6,6], and m: f32[5,7].
var statements = [ir.NumOps]string{
	ir.Conv2D:        "conv2d(a, filters: 2, kernel: 3, stride: [2,1], pad: [1,0,1,2], dilation: [1,2], groups: 2, pad_value: [0.5,1,0,-1], act: relu6, bits: odd3, rounding: compensated)",
	ir.Linear:        "linear(a, units: 3, act: relu, bits: vec4x8, sparsity: 0.5)",
	ir.MaxPool2D:     "maxpool2d(a, kernel: [2,3], stride: 1, pad: [0,1,0,1], dilation: 2)",
	ir.AvgPool2D:     "avgpool2d(a, kernel: 2, pad: 1, dilation: [3,1])",
	ir.GlobalAvgPool: "globalavgpool(a)",
	ir.Relu:          "relu(m)",
	ir.Relu6:         "relu6(m)",
	ir.Add:           "add(a, b, act: relu)",
	ir.Concat:        "concat(a, b, a)",
	ir.Flatten:       "flatten(a)",
	ir.Reshape:       "reshape(a, shape: [8,18])",
	ir.BatchNorm:     "batchnorm(a, eps: 0.001)",
	ir.Softmax:       "softmax(a, axis: 2)",
	ir.Normalize:     "normalize(a, mean: 0.5, std: [1,2,3,4])",
	ir.Requantize:    "requantize(a, act: relu6)",
	ir.Sub:           "sub(a, b, act: relu6)",
	ir.Mul:           "mul(a, b, act: relu)",
	ir.Minimum:       "minimum(a, b)",
	ir.Maximum:       "maximum(a, b)",
	ir.Sigmoid:       "sigmoid(a)",
	ir.Tanh:          "tanh(m)",
	ir.HardSigmoid:   "hardsigmoid(a, alpha: 0.3, beta: 0.4)",
	ir.HardSwish:     "hardswish(a)",
	ir.LeakyRelu:     "leakyrelu(a, alpha: 0.2)",
	ir.Elu:           "elu(a, alpha: 0.7)",
	ir.Gelu:          "gelu(a, tanh: 1)",
	ir.Silu:          "silu(a)",
	ir.Softplus:      "softplus(a)",
	ir.Exp:           "exp(a)",
	ir.Log:           "log(a)",
	ir.Sqrt:          "sqrt(a)",
	ir.Abs:           "abs(a)",
	ir.Neg:           "neg(a)",
	ir.Erf:           "erf(a)",
	ir.Reciprocal:    "reciprocal(a)",
	ir.Clip:          "clip(a, low: -1, high: 2.5)",
	ir.Table:         "table(a, fn: leakyrelu, params: [0.3])",
	ir.LogSoftmax:    "logsoftmax(m, axis: 1)",
	ir.Transpose:     "transpose(a, perm: [2,0,1])",
	ir.Slice:         "slice(a, start: [1,5,0], size: [3,3,6], step: [1,-2,1])",
	ir.Expand:        "expand(reshape(m, shape: [5,1,7]), shape: [5,3,7])",
	ir.DepthToSpace:  "depthtospace(a, block: 2, mode: crd)",
	ir.SpaceToDepth:  "spacetodepth(a, block: 3)",
	ir.Resize:        "resize(a, scale: [2,3])",
	ir.Copy:          "copy(a, shape: [4,6], dims: [4,6], strides: [36,-1], start: 5)",
	ir.Pad:           "pad(m, before: [1,2], after: [0,3], between: [1,0], value: 0.5)",
	ir.Reduce:        "reduce(a, fn: max, axes: [0,2], keep: 1)",
	ir.MatMul:        "matmul(a, b, act: relu)",
	ir.ArgMax:        "argmax(a, axis: 1)",
	ir.Embedding:     "embedding(flatten(m), rows: y.rows)",
}

// constants are the shapes of the tensors of operations that have some.
var constants = map[ir.Op]map[string][]int{
	ir.Conv2D:    {"y.weight": {2, 2, 3, 3}, "y.bias": {2}},
	ir.Linear:    {"y.weight": {3, 144}, "y.bias": {3}},
	ir.Embedding: {"y.rows": {9, 4}},
	ir.BatchNorm: {"y.weight": {4}, "y.bias": {4}, "y.running_mean": {4}, "y.running_var": {4}},
}

// tensors writes those of an operation into a folder.
func tensors(t *testing.T, op ir.Op, dir string) {
	t.Helper()
	var list []weights.Tensor
	for _, name := range []string{"y.weight", "y.bias", "y.running_mean", "y.running_var", "y.rows"} {
		shape := constants[op][name]
		if shape == nil {
			continue
		}
		x := make([]float32, ir.Shape(shape).Size())
		for i := range x {
			x[i] = float32(i%7+1) / 8
		}
		raw, err := ir.FloatConst(name, shape, x).Load()
		require.NoError(t, err)
		list = append(list, weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw})
	}
	var b bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&b, list))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "w.safetensors"), b.Bytes(), 0o644))
}

// network reads one of a statement.
func network(dir, statement string) (*ir.Module, error) {
	declared := ""
	if strings.Contains(statement, "y.rows") {
		declared = "  const y.rows: f32[9,4]\n"
	}
	text := "tensors \"w.safetensors\"\nnetwork net(a: f32[4,6,6] in [-2,3], b: f32[4,6,6] in [0,1], m: f32[5,7] in [0,1]) -> f32[1] {\n" + declared + "  y = " + statement + "\n  return y\n}\n"
	m, err := Parse(filepath.Join(dir, "net.dnn"), []byte(text), Options{})
	if err == nil {
		m.Results = []ir.Type{m.Outputs[0].Type}
	}
	return m, err
}

// TestEveryOperationReadsBack prints each operation of the table as a dump and as a
// source; both read as the same network, and print the same again.
func TestEveryOperationReadsBack(t *testing.T) {
	dir := t.TempDir()
	for op := ir.Op(0); op < ir.NumOps; op++ {
		require.NotEmpty(t, statements[op], "no statement of %s", op)
		tensors(t, op, dir)
		m, err := network(dir, statements[op])
		require.NoError(t, err, statements[op])
		require.Empty(t, ir.Verify(m), statements[op])
		last := m.Ops[len(m.Ops)-1]
		require.Equal(t, op, last.Op)
		for _, a := range last.Attrs {
			d := op.Info().Attr(a.Name).Default
			assert.NotEqual(t, d, a.Value, "%s of %s is its default, and prints nowhere", a.Name, op)
		}
		for name, text := range map[string]string{"dump": m.String(), "source": m.Source()} {
			back, err := Parse(filepath.Join(dir, "net.dnn"), []byte(text), Options{})
			require.NoError(t, err, "%s:\n%s", name, text)
			equal, err := ir.Equal(m, back)
			require.NoError(t, err)
			assert.True(t, equal, "%s of %s reads as another network:\n%s\n%s", name, op, text, back)
			assert.Equal(t, m.Source(), back.Source())
		}
	}
}

// TestShapesThatDoNotFit is what inference refuses.
func TestShapesThatDoNotFit(t *testing.T) {
	dir := t.TempDir()
	tensors(t, ir.Relu, dir)
	for statement, want := range map[string]string{
		"pad(m, before: [5,0], after: [0,0], mode: reflect)":                                                 "pad in mode reflect of [5,7]",
		"pad(m, before: [0,0], after: [0,8], mode: wrap)":                                                    "pad in mode wrap",
		"pad(m, before: [6,0], after: [0,0], mode: symmetric)":                                               "pad in mode symmetric",
		"pad(m, before: [1,0], after: [0,0], between: [1,0], mode: edge)":                                    "pad in mode edge",
		"pad(m, before: [1,0], after: [0,0], mode: mirror)":                                                  "mirror",
		"maxpool2d(a, kernel: 3, dilation: 4)":                                                               "a window of 9 does not fit 6 pixels",
		"avgpool2d(slice(a, start: [0,0,0], size: [4,1,6]), kernel: [2,1], pad: [1,0,1,0], dilation: [2,1])": "without a pixel",
		"maxpool2d(a, kernel: 2, dilation: 0)":                                                               "dilation",
	} {
		_, err := network(dir, statement)
		assert.ErrorContains(t, err, want, statement)
	}
}

// TestEmptyLists: a reduction along no axis, which an importer may leave and the
// differential fuzzer found, reads back; a list that must hold numbers does not.
func TestEmptyLists(t *testing.T) {
	dir := t.TempDir()
	tensors(t, ir.Linear, dir)
	for _, statement := range []string{"reduce(a, axes: [])", "transpose(reshape(slice(m, start: [0,0], size: [1,1]), shape: []), perm: [])"} {
		m, err := network(dir, statement)
		require.NoError(t, err, statement)
		for _, text := range []string{m.String(), m.Source()} {
			back, err := Parse(filepath.Join(dir, "net.dnn"), []byte(text), Options{})
			require.NoError(t, err, text)
			assert.Equal(t, m.Source(), back.Source())
		}
	}
	for statement, want := range map[string]string{
		"maxpool2d(a, kernel: [])":                             "attribute kernel takes an integer or a list of integers",
		"linear(a, units: 3, tile: [])":                        "attribute tile takes",
		"linear(a, units: 3, sparsity: [])":                    "attribute sparsity takes",
		"reduce(a, axes: x)":                                   "attribute axes takes",
		"slice(a, start: [], size: [])":                        "one number an axis",
		"copy(a, shape: [], dims: [], strides: [1])":           "a view of",
		"pad(a, before: [1,1,1], after: [1,1,1], between: [])": "attribute between takes",
		"normalize(a, mean: [], std: 1)":                       "attribute mean takes",
		"conv2d(a, filters: 2, kernel: [])":                    "attribute kernel takes",
		"reshape(a, shape: [])":                                "reshape of",
		"expand(a, shape: [])":                                 "does not expand",
		"transpose(a, perm: [])":                               "no permutation",
	} {
		_, err := network(dir, statement)
		assert.ErrorContains(t, err, want, statement)
	}
}
