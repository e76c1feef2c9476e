//go:build unix

package input_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/input"
)

// within fails rather than hangs.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s hangs", what)
	}
}

// TestSpecial: what is no regular file is refused at once, whichever way it is read.
func TestSpecial(t *testing.T) {
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "s")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(fifo, link))
	for path, want := range map[string]string{fifo: "a FIFO", link: "a FIFO", dir: "a folder", "/dev/zero": "a device", "/dev/null": "a device", socket: ""} {
		within(t, path, func() {
			_, err := input.Read(path, 1<<20)
			assert.ErrorContains(t, err, want)
			_, err = input.Map(path)
			assert.ErrorContains(t, err, want)
		})
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	require.NoError(t, os.WriteFile(path, []byte("abc"), 0o600))
	got, err := input.Read(path, 3)
	require.NoError(t, err)
	assert.Equal(t, "abc", string(got))
	_, err = input.Read(path, 2)
	assert.ErrorIs(t, err, input.ErrLarge)
	require.NoError(t, os.Truncate(path, 1<<42)) // takes no room on the disk
	_, err = input.Read(path, 1<<30)
	assert.ErrorIs(t, err, input.ErrLarge)
	require.NoError(t, os.Truncate(path, 0))
	got, err = input.Read(path, 3)
	require.NoError(t, err)
	assert.Empty(t, got)
	if _, err := os.Stat("/proc/self/status"); err == nil { // a regular file without a size
		_, err = input.Read("/proc/self/status", 1<<20)
		assert.ErrorContains(t, err, "endless")
	}
}

func TestInside(t *testing.T) {
	root := t.TempDir()
	dir, out := filepath.Join(root, "net"), filepath.Join(root, "out")
	for _, d := range []string{filepath.Join(dir, "sub"), out} {
		require.NoError(t, os.MkdirAll(d, 0o700))
	}
	for _, f := range []string{filepath.Join(dir, "w"), filepath.Join(dir, "sub", "w"), filepath.Join(out, "w")} {
		require.NoError(t, os.WriteFile(f, []byte("w"), 0o600))
	}
	for to, name := range map[string]string{"w": "near", filepath.Join(dir, "sub", "w"): "absolute", filepath.Join(out, "w"): "far", "../out": "folder", "../out/w": "relative", "../net/w": "around"} {
		require.NoError(t, os.Symlink(to, filepath.Join(dir, name)))
	}
	require.NoError(t, os.Symlink(dir, filepath.Join(root, "alias")))
	for _, d := range []string{dir, filepath.Join(root, "alias")} {
		for _, name := range []string{"w", "sub/w", "sub/../w", "near", "absolute", "around", "none"} {
			_, err := input.Inside(d, name)
			assert.NoError(t, err, name)
		}
		for _, name := range []string{"far", "folder/w", "relative", "../out/w", filepath.Join(dir, "w"), "../net/w", ""} {
			_, err := input.Inside(d, name)
			assert.ErrorIs(t, err, input.ErrOutside, name)
		}
	}
}

// TestShrunk: a mapped file that becomes shorter is a panic that names it, on any core.
func TestShrunk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(path, make([]byte, 17<<20), 0o600))
	raw, err := input.Map(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 0))
	sum := func() {
		n := 0
		for _, b := range raw {
			n += int(b)
		}
		t.Log(n)
	}
	for name, do := range map[string]func(){"here": sum, "on all cores": func() { parallel.For(4, func(int) { sum() }) }} {
		func() {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			defer func() {
				r := recover()
				if p, ok := r.(*parallel.Panic); ok {
					r = p.Value
				}
				got, is := input.Shrunk(r)
				assert.True(t, is, name)
				assert.Equal(t, path, got)
			}()
			do()
		}()
	}
	_, is := input.Shrunk("another panic")
	assert.False(t, is)
}
