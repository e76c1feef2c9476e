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

// TestFirstLines: dnnc alone leads on, by commands that it has.
func TestFirstLines(t *testing.T) {
	code, stdout, stderr := dnnctest.Run(t)
	assert.Zero(t, code)
	assert.Empty(t, stderr)
	assert.Equal(t, 5, strings.Count(stdout, "\n"))
	for _, line := range strings.Split(strings.TrimSpace(stdout), "\n")[1:] {
		words := strings.Fields(line)
		if words[1] == "-O" {
			continue
		}
		code, help, _ := dnnctest.Run(t, "help", words[1])
		assert.Zero(t, code, line)
		assert.Contains(t, help, words[1])
	}
}

// TestDemo: the example is unpacked into a new or empty folder only, and its first command
// is said before it runs. make test-adoption runs all of it.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o644))
	code, stdout, stderr := dnnctest.Run(t, "demo", dir)
	assert.Equal(t, command.AtFault, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "the folder is not empty")
	assert.Contains(t, stderr, "dnnc demo DIR")
	code, _, stderr = dnnctest.Run(t, "demo", filepath.Join(dir, "mine"))
	assert.Equal(t, command.AtFault, code, stderr)
	code, _, stderr = dnnctest.Run(t, "demo", filepath.Join(dir, "mine", "below"))
	assert.Equal(t, command.AtFault, code, stderr)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)

	fresh := filepath.Join(dir, "a", "b")
	require.NoError(t, command.Unpack(fresh))
	for _, name := range []string{"lenet5.dnn", "lenet5.safetensors", "LICENSE.fashion-mnist", "fashion-test-labels-idx1-ubyte.gz"} {
		want, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "testdata", "lenet5", name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(fresh, name))
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
	code, _, stderr = dnnctest.Run(t, "fmt", filepath.Join(fresh, "lenet5.dnn"))
	assert.Zero(t, code, stderr)
}
