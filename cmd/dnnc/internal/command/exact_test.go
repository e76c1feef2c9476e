package command_test

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// TestExactONNX: a quantized model keeps its integers where it can; else the first line
// says that it does not, and why.
func TestExactONNX(t *testing.T) {
	dir := t.TempDir()
	packed, err := os.Open(dnnctest.Root + "/frontend/onnx/testdata/quantized.tar.gz")
	require.NoError(t, err)
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	require.NoError(t, err)
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if path.Base(h.Name) == "model.onnx" {
			raw, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, path.Dir(h.Name)+".onnx"), raw, 0o644))
		}
	}
	text := func() string {
		raw, err := os.ReadFile(filepath.Join(dir, "net.dnn"))
		require.NoError(t, err)
		return string(raw)
	}
	whole, part, out := filepath.Join(dir, "qdq_conv_relu_u8.onnx"), filepath.Join(dir, "qdq_brevitas_float_u8.onnx"), filepath.Join(dir, "net.dnn")

	code, stdout, stderr := dnnctest.Run(t, "import", whole, "-o", out)
	require.Zero(t, code, stderr)
	assert.NotContains(t, stdout, "cannot be kept")
	assert.Regexp(t, `^dnn 1 after quantize\n`, text())
	assert.Contains(t, text(), "zero -128")

	code, stdout, stderr = dnnctest.Run(t, "import", whole, "-exact=false", "-o", out)
	require.Zero(t, code, stderr)
	assert.NotContains(t, stdout, "cannot be kept")
	assert.Contains(t, text(), ": f32[3,8,8] in [0,1]")

	code, stdout, stderr = dnnctest.Run(t, "import", part, "-o", out)
	require.Zero(t, code, stderr)
	assert.Regexp(t, `^the model's integers cannot be kept: it is read as reals, and quantized anew\. .*operation conv2d gives a result of reals that the model does not quantize`, stdout)
	assert.Contains(t, text(), ": f32[3,8,8] in [0,1]")

	// Asked for, it keeps the layers, and divides the result into steps of all that it can reach.
	code, stdout, stderr = dnnctest.Run(t, "import", part, "-exact=true", "-o", out)
	require.Zero(t, code, stderr)
	assert.NotContains(t, stdout, "cannot be kept")
	assert.Regexp(t, `^dnn 1 after quantize\n`, text())
	assert.Regexp(t, `const n32.weight: i4\[`, text())

	// Objects of softmaxes of other scales than 1/256, of one row and of several.
	for _, name := range []string{"qdq_softmax_fine_u8", "qdq_softmax_rows_i8"} {
		code, stdout, stderr = dnnctest.Run(t, "verify", filepath.Join(dir, name+".onnx"), "-target", "x86_64", "-n", "20")
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "20 ", name)
	}
}
