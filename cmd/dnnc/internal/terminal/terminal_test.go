package terminal_test

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/terminal"
)

func TestWriter(t *testing.T) {
	const text = "plain ü 漢\tof lines\n\x1b[2J\u009b \xff\u202e"
	for size := 1; size < 9; size++ { // however it is cut
		var b bytes.Buffer
		w := terminal.New("out", &b)
		for at := 0; at < len(text); at += size {
			part := []byte(text[at:min(at+size, len(text))])
			n, err := w.Write(part)
			require.NoError(t, err)
			assert.Equal(t, len(part), n)
		}
		require.NoError(t, w.Close())
		assert.Equal(t, "plain ü 漢\tof lines\n"+`\x1b[2J\u009b \xff\u202e`, b.String(), size)
	}
	var b bytes.Buffer
	w := terminal.New("out", &b)
	_, err := terminal.Raw(w).Write([]byte("\x7fELF"))
	require.NoError(t, err)
	_, err = w.Write([]byte("\xc3")) // that is never completed
	require.NoError(t, err)
	require.NoError(t, w.Close())
	assert.Equal(t, "\x7fELF"+`\xc3`, b.String())
}

type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

func TestWriterRemembersTheFirstError(t *testing.T) {
	w := terminal.New("out", &full{4})
	_, err := w.Write([]byte("abc"))
	require.NoError(t, err)
	_, err = w.Write([]byte("def"))
	require.Error(t, err)
	assert.ErrorContains(t, w.Close(), "out: no space left")
	w = terminal.New("out", &full{})
	_, _ = terminal.Raw(w).Write([]byte("a"))
	assert.Error(t, w.Close(), "content, too")
}
