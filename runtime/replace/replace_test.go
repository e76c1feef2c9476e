package replace

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func put(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func names(t *testing.T, dir string) (list []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestWith(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	require.NoError(t, With(path, put("old")))
	full := errors.New("full")
	assert.ErrorIs(t, With(path, func(w io.Writer) error { return errors.Join(put("half")(w), full) }), full)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "old", string(got))
	require.NoError(t, With(path, put("new")))
	assert.Equal(t, []string{"a"}, names(t, dir))
	err = With(filepath.Join(dir, "none", "a"), put(""))
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.NotContains(t, err.Error(), hidden)
	err = With(dir, put(""))
	require.Error(t, err, "a folder")
	assert.NotContains(t, err.Error(), hidden)
	err = With(path, func(w io.Writer) error { // whose file cannot be written any more
		return errors.Join(w.(io.Closer).Close(), put("half")(w))
	})
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.NotContains(t, err.Error(), hidden)
	err = With(path, func(w io.Writer) error {
		_, err := os.ReadFile(filepath.Join(dir, "weights"))
		return err
	})
	assert.ErrorContains(t, err, "weights", "another file is named")
	assert.Equal(t, []string{"a"}, names(t, dir))
}

// TestStage: a file is the old one until it is committed, and stays it if it is not.
func TestStage(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, path := range []string{a, b} {
		require.NoError(t, With(path, put("old")))
	}
	first, err := Stage(a, put("new"))
	require.NoError(t, err)
	second, err := Stage(b, put("new"))
	require.NoError(t, err)
	sweep(machine{}, dir)
	read := func(path string) string {
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(got)
	}
	assert.Equal(t, "old", read(a))
	require.NoError(t, first.Commit())
	assert.Equal(t, "new", read(a))
	first.Discard()
	assert.Equal(t, "new", read(a), "what is committed stays")
	second.Discard()
	assert.Equal(t, "old", read(b))
	assert.Equal(t, []string{"a", "b"}, names(t, dir))
	gone, err := Stage(b, put("new"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(b))
	require.NoError(t, os.Mkdir(b, 0o700))
	err = gone.Commit()
	require.Error(t, err, "a folder meanwhile")
	assert.NotContains(t, err.Error(), hidden)
	assert.Equal(t, []string{"a", "b"}, names(t, dir))
}

// TestIn: no link leads what is written out of the root, and a link in its place is replaced.
func TestIn(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	precious := filepath.Join(outside, "precious")
	require.NoError(t, os.WriteFile(precious, []byte("old"), 0o600))
	if err := os.Symlink(precious, filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "folder")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "own"), 0o700))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	read := func(path string) string {
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(got)
	}
	for _, name := range []string{"link", "new", "own/new", "own/new"} {
		require.NoError(t, In(root, name, put("text")))
		assert.Equal(t, "text", read(filepath.Join(dir, name)))
	}
	assert.Equal(t, "old", read(precious))
	for _, name := range []string{"folder/new", "../new", "none/new"} {
		err := In(root, name, put("text"))
		require.Error(t, err, name)
		assert.NotContains(t, err.Error(), hidden)
	}
	full := errors.New("full")
	assert.ErrorIs(t, In(root, "new", func(w io.Writer) error { return errors.Join(put("half")(w), full) }), full)
	assert.Equal(t, "text", read(filepath.Join(dir, "new")))
	assert.Equal(t, []string{"precious"}, names(t, outside))
	assert.ElementsMatch(t, []string{"link", "folder", "new", "own"}, names(t, dir))
	assert.Equal(t, []string{"new"}, names(t, filepath.Join(dir, "own")))
}

// TestSweep removes what killed writers left, and nothing else.
func TestSweep(t *testing.T) {
	if !locks {
		t.Skip("files are not locked here")
	}
	dir := t.TempDir()
	alive, _, err := create(machine{}, dir)
	require.NoError(t, err)
	defer alive.Close()
	for name, age := range map[string]time.Duration{prefix + "dead": 0, hidden + "1234": 0, hidden + "5678": 2 * forgotten, ".dnnc": 0, "mine": 2 * forgotten} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, prefix+"folder"), 0o700))
	sweep(machine{}, dir)
	assert.ElementsMatch(t, []string{filepath.Base(alive.Name()), hidden + "1234", ".dnnc", "mine", prefix + "folder"}, names(t, dir))
}

// TestWritersAndSweepers: none takes another's file away.
func TestWritersAndSweepers(t *testing.T) {
	dir := t.TempDir()
	stop := make(chan struct{})
	var sweepers, writers sync.WaitGroup
	sweepers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				sweep(machine{}, dir)
			}
		}
	})
	for range 4 {
		writers.Go(func() {
			for range 200 {
				assert.NoError(t, With(filepath.Join(dir, "out"), put("whole")))
			}
		})
	}
	writers.Wait()
	close(stop)
	sweepers.Wait()
	assert.Equal(t, []string{"out"}, names(t, dir))
}
