// Package input opens the files that dnnc reads, all of them: only regular ones, each once.
// A FIFO is not waited for, a device not read without end, and what a file says
// about another one cannot lead out of its folder.
package input

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Open opens a regular file for reading. What it refuses it tells by a *fs.PathError.
func Open(path string) (*os.File, error) { return open(path, os.OpenFile) }

func open(path string, openFile func(name string, flag int, perm fs.FileMode) (*os.File, error)) (*os.File, error) {
	f, err := openFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("is %s, not a regular file", kind(info.Mode()))}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// kind names what is no regular file.
func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something special"
}

// ErrLarge is of a file that has more bytes than its reader takes.
var ErrLarge = errors.New("is larger than what is read of such a file")

// Read reads a file of at most so many bytes. A file that becomes shorter or longer
// meanwhile is an error.
func Read(path string, most int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, most)
}

// ReadIn is Read of a file in a folder that others may write, too: no link leads out of it.
func ReadIn(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := open(name, root.OpenFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, most)
}

func read(f *os.File, most int64) ([]byte, error) {
	fault := func(err error) ([]byte, error) {
		return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: err}
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return fault(fmt.Errorf("%w: %d bytes, at most %d", ErrLarge, info.Size(), most))
	}
	raw := make([]byte, info.Size()+1) // one more, to see the end
	switch n, err := io.ReadFull(f, raw); {
	case err == io.ErrUnexpectedEOF && n == len(raw)-1, err == io.EOF && n == 0 && len(raw) == 1:
		return raw[:n:n], nil
	case err == nil || err == io.EOF || err == io.ErrUnexpectedEOF:
		return fault(errors.New("changes while it is read, or is endless"))
	default:
		return nil, err
	}
}

// ErrOutside is of a path that leaves a folder.
var ErrOutside = errors.New("leaves the folder")

// Inside is the path of a file that another file in dir names: it must lie in dir, also
// after links are resolved. A file that does not exist is reported when it is opened.
func Inside(dir, name string) (string, error) {
	if !filepath.IsLocal(name) {
		return "", ErrOutside
	}
	path := filepath.Join(dir, name)
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path, nil // of which Open will tell
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(absolute(root), absolute(real)); err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("is a link that %w", ErrOutside)
	}
	return real, nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
