package mapped_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/mapped"
)

func TestFile(t *testing.T) {
	for name, want := range map[string]string{"empty": "", "short": "weights", "pages": string(make([]byte, 3<<14)) + "end"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
			got, err := mapped.File(path)
			require.NoError(t, err)
			require.NoError(t, os.Remove(path))
			assert.Equal(t, want, string(got), "behind the file's end")
		})
	}
}

func TestFileErrors(t *testing.T) {
	_, err := mapped.File(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = mapped.File(t.TempDir())
	assert.Error(t, err, "a folder")
}
