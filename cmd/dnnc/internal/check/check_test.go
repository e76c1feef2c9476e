package check_test

import (
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/runtime/certificate"
)

type figures struct {
	Task, Unclear, Could, Say, Images string
	Targets                           []struct {
		Target  string
		Weights int     `json:"weight_bytes"`
		Others  int     `json:"constant_bytes"`
		Code    *int    `json:"code_bytes"`
		Arena   int     `json:"arena_bytes"`
		Stack   *int    `json:"stack_bytes"`
		Buffers int     `json:"buffer_bytes"`
		Cycles  float64 `json:"estimated_cycles"`
	}
	Inputs []struct {
		Range   [2]float64
		Assumed bool
	}
	Fidelity *certificate.Fidelity
}

func checked(t *testing.T, args ...string) (f figures) {
	t.Helper()
	out := dnnctest.Succeed(t, append([]string{"check", "-json"}, args...)...)
	require.NoError(t, json.Unmarshal([]byte(out), &f), out)
	return f
}

// TestFiguresAreThoseOfABuild: a check says what a build of the same images ships.
func TestFiguresAreThoseOfABuild(t *testing.T) {
	dnnctest.Need(t, "opt-19")
	dir := t.TempDir()
	for _, target := range []string{"armv6m", "riscv64+v"} {
		f := checked(t, dnnctest.Lenet, "-target", target)
		object := filepath.Join(dir, "lenet5.o")
		dnnctest.Succeed(t, "build", dnnctest.Lenet, "-target", target, "-o", object)
		raw, err := os.ReadFile(filepath.Join(dir, "lenet5.json"))
		require.NoError(t, err)
		var c certificate.Certificate
		require.NoError(t, json.Unmarshal(raw, &c))
		require.Len(t, f.Targets, 1)
		got := f.Targets[0]
		assert.Equal(t, []any{target, c.WeightBytes, c.OtherBytes, c.ArenaBytes, 28*28 + 10},
			[]any{got.Target, got.Weights, got.Others, got.Arena, got.Buffers})
		assert.Equal(t, c.CodeBytes, *got.Code)
		if c.StackBytes == 0 {
			assert.Nil(t, got.Stack, "vectors of any length have no bound of the stack")
		} else {
			assert.Equal(t, c.StackBytes, *got.Stack)
		}
		assert.Greater(t, got.Cycles, 1e5)
		assert.Equal(t, "classes", f.Task, "by the labels of the network's own images")
		assert.Equal(t, c.Fidelity, f.Fidelity)
		assert.False(t, f.Inputs[0].Assumed, "a text gives the range")
	}
}

// TestNoData: without data and labels a check says what it does not know, and writes nothing.
func TestNoData(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "net.onnx")
	raw, err := os.ReadFile(dnnctest.Root + "/testdata/lenet5/lenet5.onnx")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(model, raw, 0o644))
	f := checked(t, model)
	assert.Empty(t, f.Task)
	assert.Contains(t, f.Unclear, "the result logits means")
	assert.Contains(t, f.Could, "it could be classes (one label an item), multilabel")
	assert.Contains(t, f.Say, "-task classes says it")
	assert.Equal(t, "16 images of noise", f.Images)
	assert.True(t, f.Inputs[0].Assumed)
	assert.Equal(t, "armv7em", f.Targets[0].Target)

	code, out, stderr := dnnctest.Run(t, "check", model)
	require.Equal(t, command.Done, code, stderr)
	assert.Contains(t, out, "task: - ("+f.Unclear+")\n    note: "+f.Could+"\n    help: "+f.Say+"\n")
	code, out, stderr = dnnctest.Run(t, "check", model, "-range", "image=-1,1", "-task", "classes")
	require.Equal(t, command.Done, code, stderr)
	assert.Contains(t, out, "input image: [1,28,28] of reals in [-1,1], an image [1,28,28]\n")
	assert.Contains(t, out, "task: classes (")
	assert.NotContains(t, stderr, "no-calibration", "the report says where ranges come from")
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, list, 1, "nothing is written")
}

// TestAllTargets has a line for each; a network of integers keeps them.
func TestAllTargets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "net.dnn")
	require.NoError(t, os.WriteFile(path, []byte("network tiny(x: f32[4] in [0,1]) -> f32[4] {\n  y = softmax(x)\n  return y\n}\n"), 0o644))
	code, out, stderr := dnnctest.Run(t, "check", path, "-target", "all")
	require.Equal(t, command.Done, code, stderr)
	for _, name := range []string{"armv6m", "armv8.1m", "aarch64", "riscv32", "x86_64"} {
		assert.Regexp(t, `(?m)^ *`+name+` +\d`, out)
	}
	assert.Contains(t, out, "task: classes")
}

// TestFaults: what a check cannot do is a diagnostic, and no table.
func TestFaults(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.onnx")
	require.NoError(t, os.WriteFile(bad, []byte("no model"), 0o644))
	for _, test := range []struct {
		want string
		args []string
	}{
		{"bad.onnx", []string{bad}},
		{"-mcpu and -mattr refine one", []string{dnnctest.Lenet, "-target", "all", "-mcpu", "cortex-m7"}},
		{"armv7q", []string{dnnctest.Lenet, "-target", "armv7q"}},
		{"segmentation", []string{dnnctest.Lenet, "-task", "segmentation"}},
	} {
		code, out, stderr := dnnctest.Run(t, append([]string{"check"}, test.args...)...)
		assert.NotEqual(t, command.Done, code, test.args)
		assert.Contains(t, stderr, test.want)
		assert.Empty(t, out)
	}
}

// TestFlashIsThatOfTheObject: weights, constants and code are what an object loads, within a twentieth: kernels have small
// tables of their own. The network has the tables of a spectrogram.
func TestFlashIsThatOfTheObject(t *testing.T) {
	dnnctest.Need(t, "opt-19")
	net, object := filepath.Join(dnnctest.Root, "testdata/tasks/spoken/spoken.dnn"), filepath.Join(t.TempDir(), "spoken.o")
	f := checked(t, net, "-target", "armv7em", "-task", "classes")
	dnnctest.Succeed(t, "build", net, "-target", "armv7em", "-o", object)
	file, err := elf.Open(object)
	require.NoError(t, err)
	loaded := 0
	for _, s := range file.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type == elf.SHT_PROGBITS {
			loaded += int(s.Size)
		}
	}
	got := f.Targets[0]
	assert.InEpsilon(t, loaded, got.Weights+got.Others+*got.Code, .05)
}
