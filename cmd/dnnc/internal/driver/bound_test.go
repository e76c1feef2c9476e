package driver_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// wide writes a network of one matrix, and returns its path.
func wide(t *testing.T, dir string, inputs, outputs int) string {
	t.Helper()
	x := make([]float32, inputs*outputs)
	for i := range x {
		x[i] = float32(i*7919%257-128) / 1024
	}
	shape := []int{outputs, inputs}
	raw, err := ir.FloatConst("fc.weight", shape, x).Load()
	require.NoError(t, err)
	f, err := os.Create(filepath.Join(dir, "wide.safetensors"))
	require.NoError(t, err)
	require.NoError(t, weights.WriteSafetensors(f, []weights.Tensor{{Name: "fc.weight", DType: weights.F32, Shape: shape, Data: raw}}))
	require.NoError(t, f.Close())
	path := filepath.Join(dir, "wide.dnn")
	text := fmt.Sprintf("tensors \"wide.safetensors\"\nnetwork wide(image: f32[%d] in [0,1]) -> f32[%d] {\n  fc = linear(image, units: %d)\n  return fc\n}\n", inputs, outputs, outputs)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// TestMemoryIsKept: a build whose rounding takes nearly all of -mem stays within it, beyond
// the files that the process maps.
func TestMemoryIsKept(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	const mem = 256 << 20
	dir := t.TempDir()
	path := wide(t, dir, 2600, 8) // whose moments take 245 MiB at most
	c := dnnctest.StandIn(t, dir, path, "-O", "universal", "-bits", "1", "-target", "armv7", "-emit", "c", "-mem", fmt.Sprint(mem), "-o", filepath.Join(dir, "net.c"))
	require.NoError(t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	most := 0
	for {
		select {
		case err := <-ended:
			require.NoError(t, err)
			assert.Greater(t, most, mem/2, "the test looks at the work")
			assert.LessOrEqual(t, most, mem)
			return
		case <-time.After(2 * time.Millisecond):
			most = max(most, anonymous(c.Process.Pid))
		}
	}
}

// anonymous is the bytes of a process that no file backs.
func anonymous(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "RssAnon:" {
			kilobytes, _ := strconv.Atoi(f[1])
			return kilobytes << 10
		}
	}
	return 0
}

// TestTooWideToRound: what rounding on data takes is said before it is taken, and nothing is
// written; formats that need no data compile.
func TestTooWideToRound(t *testing.T) {
	dir := t.TempDir()
	path := wide(t, dir, 16384, 8)
	build := []string{path, "-target", "armv7", "-emit", "c", "-images", "8", "-o", filepath.Join(dir, "net.c"), "-O", "universal", "-bits", "1"}
	code, _, stderr := dnnctest.Run(t, build...)
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "wide.dnn:3:8: memory: fc has 16384 inputs an output: to round its weights on data takes 8053063680 bytes, -mem leaves 4294967296")
	assert.NoFileExists(t, filepath.Join(dir, "net.c"))
	code, _, stderr = dnnctest.Run(t, append(build, "-rounding", "nearest")...)
	assert.Zero(t, code, stderr)
}

// TestTooLargeToRun: a network whose activations take more than -mem is refused with the bytes,
// before images are made.
func TestTooLargeToRun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.dnn")
	require.NoError(t, os.WriteFile(path, []byte("network n(x: f32[1,60000,1000] in [0,1]) -> f32[1,60000,1000] {\n  y = tanh(x)\n  return y\n}\n"), 0o644))
	code, _, stderr := dnnctest.Run(t, path, "-target", "armv7", "-emit", "c", "-mem", "256MiB", "-o", filepath.Join(dir, "n.c"))
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "n.dnn:1:1: memory: the activations of one image take 480000000 bytes, -mem leaves 268435456")
	assert.Contains(t, stderr, "-mem 458MiB where the machine has as much")
	assert.NoFileExists(t, filepath.Join(dir, "n.c"))
}
