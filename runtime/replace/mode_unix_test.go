//go:build unix

package replace

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestModes: a new file has what the umask leaves, one that is replaced keeps its own.
func TestModes(t *testing.T) {
	dir := t.TempDir()
	mode := func(name string) os.FileMode {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		return info.Mode().Perm()
	}
	defer syscall.Umask(syscall.Umask(0o077))
	require.NoError(t, With(filepath.Join(dir, "private"), put("a")))
	assert.Equal(t, os.FileMode(0o600), mode("private"))
	syscall.Umask(0o002)
	require.NoError(t, With(filepath.Join(dir, "shared"), put("a")))
	assert.Equal(t, os.FileMode(0o664), mode("shared"))
	require.NoError(t, With(filepath.Join(dir, "private"), put("b")))
	assert.Equal(t, os.FileMode(0o600), mode("private"), "it stays private")
}
