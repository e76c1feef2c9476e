package command_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestSameWeightsByEitherRoute compares the text, whose batch normalisation a pass
// folds, with what PyTorch exported, which had folded it: equal to the last bit, so
// that a search chooses the same. The models lie beside the data.
func TestSameWeightsByEitherRoute(t *testing.T) {
	models := filepath.Join(dnnctest.Data(t), "..", "models")
	for text, model := range map[string]string{"lenet5": "lenet5-fashion", "lenet5-mnist": "lenet5-mnist", "alexnet": "alexnet-cifar10", "vgg16": "vgg16-cifar10"} {
		load := func(path string) []*ir.Node {
			m, err := driver.Load(driver.Options{Input: path})
			require.NoError(t, err)
			require.NoError(t, passes.Table.Run(context.Background(), m, &pass.Env{Level: pass.Int8}, pass.Options{StopAfter: "legalize"}))
			return m.Layers()
		}
		own, theirs := load(dnnctest.Root+"/testdata/"+text+"/"+text+".dnn"), load(filepath.Join(models, model+".onnx"))
		require.Len(t, theirs, len(own))
		for i, n := range own {
			for _, name := range []ir.Key[*ir.Const]{ir.AttrWeight, ir.AttrBias} {
				want, err := n.Const(name).Float32()
				require.NoError(t, err)
				got, err := theirs[i].Const(name).Float32()
				require.NoError(t, err)
				assert.True(t, slices.Equal(want, got), "%s of %s in %s", name, n.Name(), model)
			}
		}
	}
}

// TestOnnxModels imports the ONNX files of the networks whose tensors files lie
// in testdata; they lie beside the data. Text, tensors and float results must agree
// with the networks as we wrote them.
func TestOnnxModels(t *testing.T) {
	models := filepath.Join(dnnctest.Data(t), "..", "models")
	for onnx, ours := range map[string]string{
		"lenet5-fashion": "lenet5/lenet5", "lenet5-mnist": "lenet5-mnist/lenet5-mnist",
		"alexnet-cifar10": "alexnet/alexnet", "vgg16-cifar10": "vgg16/vgg16",
	} {
		t.Run(onnx, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "net.dnn")
			code, _, stderr := dnnctest.Run(t, "import", filepath.Join(models, onnx+".onnx"), "-o", out)
			require.Zero(t, code, stderr)
			imported, direct, own := load(t, out), load(t, filepath.Join(models, onnx+".onnx")), load(t, dnnctest.Root+"/testdata/"+ours+".dnn")
			images := data.Synthesize(own.Inputs[0].Type.Shape, 0, 1, 20, 1)
			want, got := logits(t, own, images), logits(t, imported, images)
			greatest := 0.
			for i := range want {
				greatest = max(greatest, math.Abs(float64(got[i])-float64(want[i])))
			}
			t.Logf("greatest difference of %d logits: %.2g", len(want), greatest)
			assert.InDeltaSlice(t, want, got, 1e-4)
			assert.Equal(t, got, logits(t, direct, images))
			again, err := frontend.Parse(out, []byte(imported.Source()), frontend.Options{})
			require.NoError(t, err)
			assert.Equal(t, imported.Source(), again.Source(), "printed and read again")
		})
	}
}

func load(t *testing.T, path string) *ir.Module {
	m, err := driver.Load(driver.Options{Input: path})
	require.NoError(t, err)
	return m
}

func logits(t *testing.T, m *ir.Module, images data.Batch) []float32 {
	p, err := interp.CompileFloat(m)
	require.NoError(t, err)
	y, err := p.Forward(context.Background(), images.X, images.N)
	require.NoError(t, err)
	return y
}

func TestImportFaults(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.onnx")
	require.NoError(t, os.WriteFile(bad, []byte("not a model"), 0o644))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"import", bad}, command.AtFault, "no ONNX file"},
		{[]string{"import", filepath.Join(dir, "none.onnx")}, command.AtFault, "no such file"},
		{[]string{"import", dnnctest.Lenet}, command.AtFault, "a network of the language already"},
		{[]string{"import", bad, "-shape", "x"}, command.BadUsage, "is not name=numbers"},
		{[]string{"import", bad, "-range", "0,1"}, command.BadUsage, "the name of the input comes first"},
		{[]string{"import", bad, "-range", "x=1,0"}, command.BadUsage, "is no range"},
		{[]string{bad, "-target", "armv7"}, command.AtFault, "no ONNX file"},
	} {
		code, _, stderr := dnnctest.Run(t, append(c.args, "-o", filepath.Join(dir, "out.dnn"))...)
		assert.Equal(t, c.code, code, stderr)
		assert.Contains(t, stderr, c.want)
		assert.NoFileExists(t, filepath.Join(dir, "out.dnn"))
		assert.NoFileExists(t, filepath.Join(dir, "out.safetensors"))
	}
}

// TestOutputs cuts a model to some of its values, says what is left out, and refuses what
// cannot be cut.
func TestOutputs(t *testing.T) {
	model, out := dnnctest.Root+"/testdata/lenet5/lenet5.onnx", filepath.Join(t.TempDir(), "net.dnn")
	code, stdout, stderr := dnnctest.Run(t, "import", model, "-outputs", "/fc1/Gemm_output_0,/MaxPool_output_0", "-o", out)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "-outputs /fc1/Gemm_output_0,/MaxPool_output_0 leaves out result logits; 2 of 10 nodes")
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Contains(t, string(text), "-> f32[500], f32[20,12,12] {")
	for want, args := range map[string][]string{
		"-outputs logit: the model has no such value": {model, "-outputs", "logit"},
		`did you mean "logits"`:                       {model, "-outputs", "logit"},
		"an empty name":                               {model, "-outputs", "logits,"},
		"-outputs cuts an ONNX model to some of its values; this file is none": {dnnctest.Root + "/testdata/lenet5/lenet5.dnn", "-outputs", "logits"},
		"-outputs names logits twice":                                          {model, "-outputs", "logits,logits"},
	} {
		code, _, stderr := dnnctest.Run(t, append([]string{"dump", "-stop-after", "infer"}, args...)...)
		assert.NotZero(t, code, want)
		assert.Contains(t, stderr, want)
	}
}

// TestResultsKeepTheirNames: the header and the task of a network call its result as the ONNX
// model does, also those of the text that it is imported to; its layers keep their own names.
func TestResultsKeepTheirNames(t *testing.T) {
	dir := t.TempDir()
	text, c := filepath.Join(dir, "net.dnn"), filepath.Join(dir, "net.c")
	model := dnnctest.Root + "/testdata/lenet5/lenet5.onnx"
	code, _, stderr := dnnctest.Run(t, "import", model, "-o", text)
	require.Zero(t, code, stderr)
	for _, source := range []string{model, text} {
		code, _, stderr := dnnctest.Run(t, source, "-target", "armv6m", "-emit", "c", "-images", "8", "-o", c)
		require.Zero(t, code, stderr)
		header, err := os.ReadFile(filepath.Join(dir, "net.h"))
		require.NoError(t, err)
		assert.Contains(t, string(header), "int8_t *logits, void *arena", source)
		code, stdout, stderr := dnnctest.Run(t, "check", source, "-task", "logits=classes")
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "logits", source)
		code, _, stderr = dnnctest.Run(t, "check", source, "-task", "fc2=classes")
		require.NotZero(t, code)
		assert.Contains(t, stderr, "the network has no result fc2\n    help: its results are logits", source)
	}
}
