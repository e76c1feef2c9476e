package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestOnnxModels imports the ONNX files of the networks whose tensors files lie
// in testdata; they lie beside the data. Text, tensors and float results must agree
// with the networks as we wrote them.
func TestOnnxModels(t *testing.T) {
	models := filepath.Join(dataFolder(t), "..", "models")
	for onnx, ours := range map[string]string{
		"lenet5-fashion": "lenet5/lenet5", "lenet5-mnist": "lenet5-mnist/lenet5-mnist",
		"alexnet-cifar10": "alexnet/alexnet", "vgg16-cifar10": "vgg16/vgg16",
	} {
		t.Run(onnx, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "net.dnn")
			code, _, stderr := dnnc(t, "import", filepath.Join(models, onnx+".onnx"), "-o", out)
			require.Zero(t, code, stderr)
			imported, direct, own := load(t, out), load(t, filepath.Join(models, onnx+".onnx")), load(t, "../../testdata/"+ours+".dnn")
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
		{[]string{"import", bad}, atFault, "no ONNX file"},
		{[]string{"import", filepath.Join(dir, "none.onnx")}, atFault, "no such file"},
		{[]string{"import", lenet}, atFault, "a network of the language already"},
		{[]string{"import", bad, "-shape", "x"}, badUsage, "is not name=numbers"},
		{[]string{"import", bad, "-range", "x=1,0"}, badUsage, "is no range"},
		{[]string{bad, "-target", "armv7"}, atFault, "no ONNX file"},
	} {
		code, _, stderr := dnnc(t, append(c.args, "-o", filepath.Join(dir, "out.dnn"))...)
		assert.Equal(t, c.code, code, stderr)
		assert.Contains(t, stderr, c.want)
		assert.NoFileExists(t, filepath.Join(dir, "out.dnn"))
		assert.NoFileExists(t, filepath.Join(dir, "out.safetensors"))
	}
}
