package verify_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/examples"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/emu"
)

// example writes an example network with its weights, and holds the text to the
// one in testdata, which go run ./cmd/sample -networks testdata/examples writes.
func example(t *testing.T, e *examples.Example) string {
	t.Helper()
	m, err := e.Module()
	require.NoError(t, err)
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, e.Name+".safetensors"))
	require.NoError(t, err)
	require.NoError(t, frontend.WriteTensors(f, m))
	require.NoError(t, f.Close())
	text, err := os.ReadFile(dnnctest.Root + "/testdata/examples/" + e.Name + ".dnn")
	require.NoError(t, err)
	m.Tensors = []ir.TensorsFile{{Path: e.Name + ".safetensors"}}
	require.Contains(t, string(text), "Random weights.\n"+m.Source())
	path := filepath.Join(dir, e.Name+".dnn")
	require.NoError(t, os.WriteFile(path, text, 0o644))
	return path
}

// TestExamplesVerify compiles the networks and compares every integer: on every
// target and at several levels with DNNC_FULL.
func TestExamplesVerify(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	targets, levels := []string{"x86_64"}, [][]string{{"-O", "int8"}}
	if dnnctest.IsFull() {
		targets = append(targets, "armv7", "armv7em", "riscv32")
		levels = append(levels, []string{"-O", "universal", "-bits", "3", "-rounding", "nearest"})
	}
	for i := range examples.All {
		e := &examples.All[i]
		if testing.Short() && e.Name == "mobilenet" {
			continue
		}
		path := example(t, e)
		for _, target := range targets {
			for _, level := range levels {
				code, stdout, stderr := dnnctest.Run(t, append([]string{"verify", path, "-target", target, "-images", "8", "-n", "2"}, level...)...)
				require.Zero(t, code, stderr)
				assert.Contains(t, stdout, "2 of 2 images of noise and 8 of 8 adversarial inputs bit-exact")
			}
		}
	}
}

// TestNearlyDeadChannelsVerify compiles networks one channel of which has nearly no weights.
func TestNearlyDeadChannelsVerify(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"x86_64", "armv7em", "armv7"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		if err := emu.Check(tgt); err != nil {
			t.Log(err)
			continue
		}
		for _, network := range []string{"dead1e9", "dead1e20"} {
			path := dnnctest.Root + "/testdata/numbers/" + network + ".dnn"
			for _, level := range [][]string{{"-O", "int8"}, {"-O", "universal", "-bits", "1"}, {"-O", "universal", "-bits", "3"}} {
				code, stdout, stderr := dnnctest.Run(t, append([]string{"verify", "-verify", path, "-target", name, "-images", "16", "-n", "4"}, level...)...)
				require.Zero(t, code, stderr)
				assert.Contains(t, stdout, "4 of 4 images of noise and 8 of 8 adversarial inputs bit-exact")
			}
			code, _, stderr := dnnctest.Run(t, "build", path, "-target", name, "-images", "16", "-o", filepath.Join(t.TempDir(), "dead.o"))
			require.Zero(t, code, stderr)
		}
	}
	code, _, stderr := dnnctest.Run(t, "eval", dnnctest.Root+"/testdata/numbers/dead1e9.dnn", "-task", "classes", "-O", "int8", "-images", "16", "-n", "4")
	require.Zero(t, code, stderr)
}

// TestTFLiteVerifies compiles an int8 model as it is, and by way of its text.
func TestTFLiteVerifies(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	const model = dnnctest.Root + "/frontend/tflite/testdata/network_int8/model.tflite"
	out := filepath.Join(t.TempDir(), "net.dnn")
	code, _, stderr := dnnctest.Run(t, "import", model, "-o", out)
	require.Zero(t, code, stderr)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Contains(t, string(text), "round: tflite")
	for _, args := range [][]string{{model}, {out}, {model, "-O", "universal", "-bits", "4", "-images", "16"}, {model, "-exact=false", "-images", "16"}} {
		code, stdout, stderr := dnnctest.Run(t, append([]string{"verify", "-target", "x86_64", "-n", "10"}, args...)...)
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "bit-exact")
	}
}

// TestRecurrentVerifies compiles LSTMs of TensorFlow Lite's integers, and recurrences that are unrolled, for peepholes and a projection, and for a
// cell state that is a result: the object has the weights of its steps once.
func TestRecurrentVerifies(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	targets := []string{"x86_64"}
	if dnnctest.IsFull() {
		targets = append(targets, "armv7", "armv7em", "riscv32")
	}
	const model = dnnctest.Root + "/frontend/onnx/testdata/lstm_1/model.onnx"
	for _, target := range targets {
		for _, name := range []string{"2", "int8_1", "int8_2"} {
			code, stdout, stderr := dnnctest.Run(t, "verify", dnnctest.Root+"/frontend/tflite/testdata/unidirectional_sequence_lstm_"+name+"/model.tflite", "-target", target, "-images", "40", "-n", "10")
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, "10 of 10 images of noise and 8 of 8 adversarial inputs bit-exact")
		}
		for _, level := range [][]string{{"-O", "int8"}, {"-O", "universal", "-bits", "2"}, {"-O", "universal", "-bits", "3"}} {
			code, stdout, stderr := dnnctest.Run(t, append([]string{"verify", model, "-target", target, "-images", "40", "-n", "10"}, level...)...)
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, "10 of 10 images of noise and 8 of 8 adversarial inputs bit-exact")
		}
	}
	object := filepath.Join(t.TempDir(), "net.o")
	code, _, stderr := dnnctest.Run(t, model, "-target", "armv7em", "-images", "8", "-o", object)
	require.Zero(t, code, stderr)
	f, err := elf.Open(object)
	require.NoError(t, err)
	defer f.Close()
	bytes := 0
	for _, s := range f.Sections {
		if strings.Contains(s.Name, "_weight") {
			bytes += int(s.Size)
		}
	}
	const inputs, hidden, results = 3, 6, 3
	assert.Equal(t, 2*4*hidden*(inputs+hidden)+2*hidden*results, bytes)
}

// TestEmbeddingVerifies looks words up on the target.
func TestEmbeddingVerifies(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	targets := []string{"x86_64"}
	if dnnctest.IsFull() {
		targets = append(targets, "armv7", "armv7em", "riscv32")
	}
	for _, target := range targets {
		for _, model := range []string{"embedding_1", "embedding_2"} { // of 8 bits, and of 16
			code, stdout, stderr := dnnctest.Run(t, "verify", dnnctest.Root+"/frontend/onnx/testdata/"+model+"/model.onnx", "-target", target, "-images", "8", "-n", "20", "-verify")
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, "20 of 20 images of noise and 8 of 8 adversarial inputs bit-exact")
		}
	}
}
