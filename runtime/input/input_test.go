package input_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/input"
)

func TestMap(t *testing.T) {
	for name, size := range map[string]int{"empty": 0, "short": 7, "large": 17<<20 + 1} {
		t.Run(name, func(t *testing.T) {
			path, want := filepath.Join(t.TempDir(), name), make([]byte, size)
			for i := range want {
				want[i] = byte(i * i >> 5)
			}
			require.NoError(t, os.WriteFile(path, want, 0o600))
			got, err := input.Map(path)
			require.NoError(t, err)
			require.NoError(t, os.Remove(path))
			assert.True(t, bytes.Equal(want, got), "behind the file's end")
		})
	}
}

func TestSmallFilesAreTheReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights")
	require.NoError(t, os.WriteFile(path, []byte("before"), 0o600))
	got, err := input.Map(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	assert.Equal(t, "before", string(got))
}

func TestMapErrors(t *testing.T) {
	_, err := input.Map(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = input.Map(t.TempDir())
	assert.Error(t, err, "a folder")
}
