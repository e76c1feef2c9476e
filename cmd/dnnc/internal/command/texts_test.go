package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

func TestFmt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.dnn")
	require.NoError(t, os.WriteFile(path, []byte("network n( x:f32[1,2,2] in [0,1] )->f32[1,2,2]{\n# why\ny=relu( x )\nreturn y\n}"), 0o644))
	want := "network n(x: f32[1,2,2] in [0,1]) -> f32[1,2,2] {\n  # why\n  y = relu(x)\n  return y\n}\n"
	code, stdout, stderr := dnnctest.Run(t, "fmt", path, "-o", "-")
	require.Zero(t, code, stderr)
	assert.Equal(t, want, stdout)
	code, _, stderr = dnnctest.Run(t, "fmt", path)
	require.Zero(t, code, stderr)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, want, string(got))
	require.NoError(t, os.WriteFile(path, []byte("network n("), 0o644))
	code, _, stderr = dnnctest.Run(t, "fmt", path)
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "n.dnn:1:")
	got, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "network n(", string(got), "what does not parse is not touched")
	for _, name := range []string{"m.onnx", "m.TFLITE"} {
		code, _, stderr = dnnctest.Run(t, "fmt", name)
		assert.Equal(t, command.AtFault, code)
		assert.Contains(t, stderr, name+": file: a model, and no text of the language\n    help: dnnc import makes a text of it")
	}
}

// TestDump: a dump stands as fmt writes it, and -diff shows what passes changed.
func TestDump(t *testing.T) {
	code, stdout, stderr := dnnctest.Run(t, "dump", dnnctest.Lenet, "-stop-after", "infer")
	require.Zero(t, code, stderr)
	path := filepath.Join(t.TempDir(), "d.dnn")
	require.NoError(t, os.WriteFile(path, []byte(stdout), 0o644))
	code, again, stderr := dnnctest.Run(t, "fmt", path, "-o", "-")
	require.Zero(t, code, stderr)
	assert.Equal(t, stdout, again)
	_, list, _ := dnnctest.Run(t, "-d=help")
	names := strings.Fields(list)
	code, stdout, stderr = dnnctest.Run(t, "dump", dnnctest.Lenet, "-images", "16", "-diff", names[0]+",quantize")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "+++ after quantize")
	assert.Contains(t, stdout, "\n-")
	for want, args := range map[string]string{"does not run after": "quantize," + names[0], "did you mean": "qantize,pack", "two passes": "quantize"} {
		code, _, stderr := dnnctest.Run(t, "dump", dnnctest.Lenet, "-diff", args)
		assert.Equal(t, command.AtFault, code)
		assert.Contains(t, stderr, want)
	}
}
