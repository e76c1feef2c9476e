package markers

import (
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
