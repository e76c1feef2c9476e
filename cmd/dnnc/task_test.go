package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// kinds are networks of several tasks, by their last lines; the convolution has 6 channels.
var kinds = map[string]struct{ result, text string }{
	"classes":  {"f32[3]", "fc = linear(flat, units: 3)\n  s = softmax(fc)\n  return s"},
	"logits":   {"f32[3]", "fc = linear(flat, units: 3)\n  return fc"},
	"value":    {"f32[1]", "fc1 = linear(flat, units: 1)\n  return fc1"},
	"binary":   {"f32[1]", "fc1 = linear(flat, units: 1)\n  p = sigmoid(fc1)\n  return p"},
	"seg":      {"f32[6,6,6]", "return conv"},
	"detector": {"f32[3], f32[4]", "fc = linear(flat, units: 3)\n  box = linear(flat, units: 4)\n  return fc, box"},
	"same":     {"f32[1,8,8]", "back = linear(flat, units: 64)\n  again = reshape(back, shape: [1,8,8])\n  return again"},
}

// kindsFolder holds the networks of kinds, with data.npz, unlabelled, and labelled.npz.
func kindsFolder(t *testing.T) func(name string) string {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	rng := rand.New(rand.NewPCG(7, 7))
	tensor := func(name string, low, high float32, shape ...int) weights.Tensor {
		x := make([]float32, ir.Shape(shape).Size())
		for i := range x {
			x[i] = low + (high-low)*rng.Float32()
		}
		raw, err := ir.FloatConst(name, shape, x).Load()
		require.NoError(t, err)
		return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw}
	}
	file := func(name string, write func(w io.Writer, list []weights.Tensor) error, list ...weights.Tensor) {
		f, err := os.Create(path(name))
		require.NoError(t, err)
		require.NoError(t, write(f, list))
		require.NoError(t, f.Close())
	}
	file("w.safetensors", weights.WriteSafetensors, tensor("conv.weight", -1, 1, 6, 1, 3, 3), tensor("fc.weight", -1, 1, 3, 216),
		tensor("fc1.weight", -1, 1, 1, 216), tensor("box.weight", -1, 1, 4, 216), tensor("back.weight", -1, 1, 64, 216))
	images, labels := tensor("images", 0, 1, 80, 1, 8, 8), tensor("labels", 0, 0, 80)
	file("data.npz", weights.WriteNPZ, images)
	x := make([]float32, 80)
	for i := range x {
		x[i] = float32(i % 3)
	}
	var err error
	labels.Data, err = ir.FloatConst("labels", labels.Shape, x).Load()
	require.NoError(t, err)
	file("labelled.npz", weights.WriteNPZ, images, labels)
	for name, k := range kinds {
		text := fmt.Sprintf("tensors \"w.safetensors\"\nnetwork %s(image: f32[1,8,8] in [0,1]) -> %s {\n  conv = conv2d(image, filters: 6, kernel: 3)\n  flat = flatten(conv)\n  %s\n}\n", name, k.result, k.text)
		require.NoError(t, os.WriteFile(path(name+".dnn"), []byte(text), 0o644))
	}
	return path
}

// TestUnclearTasksAreRefused: a network that is not surely one of one label an item is
// judged by no command, and says what it could be, where, and the way out.
func TestUnclearTasksAreRefused(t *testing.T) {
	path := kindsFolder(t)
	for name, want := range map[string]string{
		"logits":   "logits.dnn:5:8: task: what the result fc means is not clear",
		"value":    "value.dnn:5:9: task: the result fc1 is one number",
		"binary":   "binary.dnn:6:7: task: the result p is one number",
		"seg":      "seg.dnn:3:10: task: the result conv is [6,6,6]: more than one label an item",
		"detector": "detector.dnn:6:9: task: the network has 2 results, fc [3] and box [4]",
		"same":     "same.dnn:6:11: task: the result again is [1,8,8]",
	} {
		for _, command := range [][]string{
			{"-O", "robust", "-bits", "3", "-target", "x86_64", "-o", path("out.o")},
			{"-O", "robust", "-keep", ".9", "-target", "x86_64", "-o", path("out.o")},
			{"-O", "compress", "-bits", "3", "-target", "x86_64", "-o", path("out.o")},
			{"-target", "x86_64", "-report", "accuracy", "-o", path("out.o")},
			{"verify", "-O", "robust", "-bits", "3", "-target", "x86_64"},
			{"pareto"}, {"compare"}, {"report", "-o", path("out.html")}, {"eval"}, {"eval", "-boundary"}, {"eval", "-plane", path("out.png")}, {"eval", "-json", "-O", "robust"},
		} {
			args := append(command, path(name+".dnn"), "-images", "20", "-n", "20", "-calib", path("data.npz"), "-data", path("data.npz"), "-errors", "gaussian=0.1")
			code, stdout, stderr := dnnc(t, args...)
			assert.Equal(t, atFault, code, "%v", args)
			assert.Empty(t, stdout, "%v", args)
			assert.Contains(t, stderr, want, "%v", args)
			assert.Contains(t, stderr, "help: ", "%v", args)
			for _, out := range []string{"out.o", "out.html", "out.png"} {
				assert.NoFileExists(t, path(out), "%v", args)
			}
		}
	}
	// Guided errors follow the margin of one label an item.
	code, _, stderr := dnnc(t, path("value.dnn"), "-target", "x86_64", "-images", "20", "-calib", path("data.npz"), "-errors", "light=0.1", "-o", path("out.o"))
	assert.Equal(t, atFault, code)
	assert.Contains(t, stderr, "value.dnn:5:9: task: the result fc1 is one number")
}

// TestTaskIsSaid: the first line of every command that measures says task, measure and
// labels; programs read it in JSON.
func TestTaskIsSaid(t *testing.T) {
	path := kindsFolder(t)
	common := []string{"-images", "20", "-n", "20", "-errors", "gaussian=0.1", "-formats", "odd"}
	for _, c := range []struct {
		network, data string
		args          []string
		task, labels  string
	}{
		{"classes", "data", nil, "result [3] of a softmax", "the float network's own answers on data.npz"},
		{"classes", "labelled", nil, "result [3] of a softmax", "labelled.npz"},
		{"logits", "labelled", nil, "result [3] and whole-number labels", "labelled.npz"},
		{"logits", "data", []string{"-task", "classes"}, "result [3] and -task classes", "the float network's own answers on data.npz"},
	} {
		args := append(append([]string{path(c.network + ".dnn"), "-calib", path(c.data + ".npz"), "-data", path(c.data + ".npz")}, common...), c.args...)
		line := "task: classes (" + c.task + "), measure: accuracy, labels: "
		both := c.labels + " (search), " + c.labels + " (report)\n"
		for _, command := range []struct {
			name, labels string
			args         []string
		}{
			{"eval", c.labels + "\n", nil}, {"eval", both, []string{"-O", "robust", "-bits", "3"}}, {"eval", c.labels + "\n", []string{"-boundary", "-errors", "gaussian"}},
			{"pareto", c.labels + "\n", []string{"-sizes", "2"}}, {"compare", both, []string{"-sizes", "3", "-methods", "qed,universal"}},
		} {
			code, stdout, stderr := dnnc(t, append(append([]string{command.name}, args...), command.args...)...)
			require.Zero(t, code, "%s %v: %s", command.name, args, stderr)
			assert.True(t, strings.HasPrefix(stdout, line+command.labels), "%s: %s", command.name, stdout)
			assert.NotContains(t, stderr, "task:")
		}
		code, stdout, stderr := dnnc(t, append([]string{"eval", "-json"}, args...)...)
		require.Zero(t, code, stderr)
		var got struct{ Measured certificate.Measured }
		require.NoError(t, json.Unmarshal([]byte(stdout), &got))
		assert.Equal(t, "classes", got.Measured.Task)
		assert.Equal(t, "accuracy", got.Measured.Measure)
		assert.Contains(t, stderr, line+c.labels+"\n")
	}
	if _, err := llvm.Find(""); err != nil {
		return
	}
	code, stdout, stderr := dnnc(t, append([]string{path("logits.dnn"), "-target", "x86_64", "-O", "robust", "-bits", "3", "-calib", path("labelled.npz"), "-o", path("net.o")}, common...)...)
	require.Zero(t, code, stderr)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "task: classes (result [3] and whole-number labels), measure: accuracy, labels: labelled.npz (search), the float network's own answers on noise (report)\n")
}

// TestInt8BuildsJudgeNothing: any network compiles to int8, and what is not measured is
// said, and stands nowhere.
func TestInt8BuildsJudgeNothing(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	path := kindsFolder(t)
	for name := range kinds {
		if name == "classes" {
			continue
		}
		for _, level := range []string{"int8", "universal"} {
			code, stdout, stderr := dnnc(t, path(name+".dnn"), "-O", level, "-target", "x86_64", "-images", "20", "-calib", path("data.npz"), "-data", path("data.npz"), "-report", "layers", "-o", path(name+".o"))
			require.Zero(t, code, stderr)
			assert.Contains(t, stderr, "nothing was measured on the images of -data")
			assert.NotContains(t, stdout, "accuracy")
			raw, err := os.ReadFile(path(name + ".json"))
			require.NoError(t, err)
			var c certificate.Certificate
			require.NoError(t, json.Unmarshal(raw, &c))
			assert.Nil(t, c.Float)
			assert.Nil(t, c.Quantized)
			assert.Nil(t, c.Retention)
			assert.Zero(t, c.Measured)
		}
	}
}

func TestTaskFlag(t *testing.T) {
	path := kindsFolder(t)
	for args, want := range map[string]string{
		"eval -task values logits":  "not supported yet",
		"eval -task clases logits":  `did you mean "classes"?`,
		"eval -task classes value":  "the result fc1 is one number",
		"eval -task classes seg":    "more than one label an item",
		"eval -task binary binary":  "not supported yet",
		"pareto -task classes same": "more than one label an item",
	} {
		list := strings.Fields(args)
		list[len(list)-1] = path(list[len(list)-1] + ".dnn")
		code, _, stderr := dnnc(t, append(list, "-images", "20", "-calib", path("data.npz"))...)
		assert.Equal(t, atFault, code, args)
		assert.Contains(t, stderr, want, args)
	}
}

// TestNothingToKeep: a float network that is no better than a constant keeps nothing.
func TestNothingToKeep(t *testing.T) {
	path := kindsFolder(t)
	code, stdout, stderr := dnnc(t, path("logits.dnn"), "-target", "x86_64", "-O", "robust", "-keep", ".9", "-images", "20", "-calib", path("labelled.npz"), "-o", path("net.o"))
	assert.Equal(t, atFault, code, stdout)
	assert.Contains(t, stderr, "logits.dnn:5:8: data: -keep 0.9: the float network has nothing to keep")
	assert.NoFileExists(t, path("net.o"))
}
