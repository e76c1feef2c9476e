package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/bench"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
)

// TestThreadsAreRefused: targets without threads, numbers that are none, and dumps with another plan are
// errors, and nothing is written.
func TestThreadsAreRefused(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "net.out.dnn")
	planned := func(args ...string) (int, string) {
		code, _, stderr := dnnctest.Run(t, append([]string{"build", "-emit", "ir", "-images", "16", "-o", out}, args...)...)
		return code, stderr
	}
	for _, target := range []string{"armv6m", "armv7m", "armv7em", "armv8m", "armv8.1m", "riscv32"} {
		code, stderr := planned("-threads", "2", "-target", target, dnnctest.Small(t))
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, "-threads 2: programs for "+target+" run without an operating system")
		code, stderr = planned("-threads", "1", "-target", target, dnnctest.Small(t))
		assert.Zero(t, code, stderr) // as without it
		require.NoError(t, os.Remove(out))
	}
	for _, n := range []string{"0", "-1", "65", "many"} {
		code, stderr := planned("-threads", n, "-target", "x86_64", dnnctest.Small(t))
		assert.NotZero(t, code)
		assert.Contains(t, stderr, "-threads")
	}
	code, stderr := planned("-threads", "2", "-rows", "-target", "x86_64", dnnctest.Small(t))
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "-threads 2: with -rows")
	assert.NoFileExists(t, out)
	code, stderr = planned("-threads", "3", "-target", "x86_64", dnnctest.Small(t))
	require.Zero(t, code, stderr)
	again := filepath.Join(dir, "again.dnn")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-threads", "4"}, "the dump has a plan of kernels and memory for 3"},
		{[]string{"-threads", "1"}, "the dump has a plan of kernels and memory for 3"},
		{[]string{"-threads", "3"}, ""}, {nil, ""},
		{[]string{"-threads", "4", "-start-after", "fuse-pool"}, ""},
	} {
		code, _, stderr := dnnctest.Run(t, append([]string{"build", "-emit", "ir", out, "-target", "x86_64", "-o", again}, c.args...)...)
		if c.want != "" {
			assert.Equal(t, 1, code)
			assert.Contains(t, stderr, c.want)
			continue
		}
		require.Zero(t, code, stderr)
	}
	text, err := os.ReadFile(again)
	require.NoError(t, err)
	assert.Contains(t, string(text), " threads 4\n")
}

// TestThreads: verify runs the parts in another order, bench counts the longest path, the certificate says
// how many operations are divided, and an object is built again from it.
func TestThreads(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	for _, target := range []string{"x86_64", "aarch64"} {
		base := filepath.Join(t.TempDir(), "net")
		code, _, stderr := dnnctest.Run(t, "build", dnnctest.Small(t), "-target", target, "-threads", "4", "-images", "16", "-o", base+".o")
		require.Zero(t, code, stderr)
		raw, err := os.ReadFile(base + ".json")
		require.NoError(t, err)
		var c struct {
			Threads struct {
				Threads, Divided int
				Longest          float64 `json:"longest_cycles"`
			}
			Cycles float64 `json:"estimated_cycles"`
		}
		require.NoError(t, json.Unmarshal(raw, &c))
		assert.Equal(t, 4, c.Threads.Threads)
		assert.Positive(t, c.Threads.Divided)
		assert.Less(t, c.Threads.Longest, .8*c.Cycles)
		code, stdout, stderr := dnnctest.Run(t, "verify", base+".o", "-n", "2")
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "the same integers with the parts from the last to the first")

		code, stdout, stderr = dnnctest.Run(t, "bench", dnnctest.Small(t), "-target", target, "-threads", "4", "-images", "16", "-json")
		require.Zero(t, code, stderr)
		var r bench.Report
		require.NoError(t, json.Unmarshal([]byte(stdout), &r))
		assert.Equal(t, 4, r.Threads)
		assert.InDelta(t, r.Instructions, r.Threaded, .02*float64(r.Instructions))
		assert.Less(t, float64(r.Longest), .8*float64(r.Threaded))
		assert.Greater(t, float64(r.Longest), .25*float64(r.Threaded))
	}
}
