//go:build unix

package replace

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

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

// TestFIFO: a FIFO is written where a process reads it, and does not wait for one.
func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	ended := make(chan error, 1)
	go func() { ended <- With(path, put("a")) }()
	select {
	case err := <-ended:
		assert.EqualError(t, err, "is a FIFO that no process reads")
	case <-time.After(20 * time.Second):
		t.Fatal("waits for a reader")
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer reader.Close()
	require.NoError(t, With(path, put("text")))
	text, err := io.ReadAll(reader)
	require.NoError(t, err)
	assert.Equal(t, "text", string(text))
	discarded, err := Stage(path, put("no more"))
	require.NoError(t, err)
	discarded.Discard()
	text, err = io.ReadAll(reader)
	require.NoError(t, err)
	assert.Empty(t, text)
}
