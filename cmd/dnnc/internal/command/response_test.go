package command_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

func TestResponseFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	inner := write("inner", "-O int8")
	got, _, err := command.Expanded([]string{"a", "@" + write("outer", "b\n 'c d' \"e\\\"f\" g\\ h ''\t@"+inner), "i"})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c d", `e"f`, "g h", "", "-O", "int8", "i"}, got)
	for want, arg := range map[string]string{
		"not closed": write("open", "'a"), "no such file": filepath.Join(dir, "none"), "deep": write("loop", "@"+filepath.Join(dir, "loop")),
	} {
		code, _, stderr := dnnctest.Run(t, "@"+arg)
		assert.Equal(t, command.BadUsage, code)
		assert.Contains(t, stderr, want)
	}
}
