package markers

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReplace(t *testing.T) {
	got, err := Replace([]byte("a\n<b>\nold\n<e>\nz\n"), "<b>", "<e>", "new\n")
	require.NoError(t, err)
	assert.Equal(t, "a\n<b>\n\nnew\n\n<e>\nz\n", string(got))
	again, err := Replace(got, "<b>", "<e>", "new\n")
	require.NoError(t, err)
	assert.Equal(t, got, again)
	for _, text := range []string{"", "<b>", "<e> <b>"} {
		_, err := Replace([]byte(text), "<b>", "<e>", "new")
		assert.Error(t, err, text)
	}
}

func TestRefresh(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.md")
	assert.ErrorIs(t, Refresh(path, "<b>", "<e>", "new"), os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte("a <b> old <e> z"), 0o600))
	require.NoError(t, Refresh(path, "<b>", "<e>", "new"))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "a <b>\n\nnew\n<e> z", string(text))
	assert.ErrorContains(t, Refresh(path, "<c>", "<e>", "new"), path)
}
