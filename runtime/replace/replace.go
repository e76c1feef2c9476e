// Package replace writes files so that others see the old one or the new one, whenever
// the writer is killed: under a temporary name in the same folder, synced and renamed.
package replace

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// With replaces a file by what write writes. What is no file, as /dev/null, is written
// to instead, and a symbolic link stays one. The error names no temporary file.
func With(path string, write func(w io.Writer) error) error {
	s, err := Stage(path, write)
	if err != nil {
		return err
	}
	return s.Commit()
}

// Staged is the new content of a file, whole and synced under a temporary name, so that
// several files can be made before the first of them is replaced: a disk that is full
// is found while all are the old ones. It ends with Commit or Discard.
type Staged struct {
	in    files
	path  string
	file  *os.File                // nil once it is committed or discarded
	name  string                  // of file
	write func(w io.Writer) error // nil, or to what is no file, once it is committed
	fifo  *os.File                // which has a reader, or nil
}

// In replaces a file in a folder that others may write, too: neither the file nor a folder of its path is
// reached by a link that leaves the root, and a link in the file's place is replaced itself. It does not wait for the disk,
// which takes longer than all else: a machine that loses power may have the file in part, and readers must notice.
func In(root *os.Root, name string, write func(w io.Writer) error) error {
	s, err := stage(root, name, write, nil, false)
	if err != nil {
		return err
	}
	return s.Commit()
}

// files are what a path is a path of: the machine, or a root that no link leaves.
type files interface {
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Stat(name string) (fs.FileInfo, error)
	Remove(name string) error
	Rename(from, to string) error
}

// machine is all of the file system.
type machine struct{}

func (machine) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}
func (machine) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }
func (machine) Remove(name string) error              { return os.Remove(name) }
func (machine) Rename(from, to string) error          { return os.Rename(from, to) }

// Stage writes what will replace a file.
func Stage(path string, write func(w io.Writer) error) (*Staged, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return nil, errors.New("is a folder")
		}
		s := &Staged{path: path, write: write}
		if info.Mode()&fs.ModeNamedPipe != 0 {
			// To open it otherwise would wait for a reader, without end.
			if s.fifo, err = os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err != nil {
				return nil, errors.New("is a FIFO that no process reads")
			}
		}
		return s, nil
	}
	old, err := os.Stat(path)
	if err != nil {
		old = nil // a new one has what the umask leaves
	}
	return stage(machine{}, path, write, old, true)
}

// stage writes a temporary file beside a path, with the mode of an old one; lasts is whether it is on the disk then.
func stage(in files, path string, write func(w io.Writer) error, old fs.FileInfo, lasts bool) (*Staged, error) {
	f, name, err := create(in, filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	s := &Staged{in: in, path: path, file: f, name: name}
	err = reason(write(f))
	if old != nil {
		err = errors.Join(err, reason(f.Chmod(old.Mode().Perm())))
	}
	if lasts {
		err = errors.Join(err, reason(f.Sync()))
	}
	if !renamesOpen {
		err = errors.Join(err, reason(f.Close()))
	}
	if err != nil {
		s.Discard()
		return nil, err
	}
	return s, nil
}

// Try reports why a file could not be replaced, before there is content for it: a folder that is
// missing, or that may not be written.
func Try(path string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil // which Stage judges
	}
	f, name, err := create(machine{}, filepath.Dir(path))
	if err == nil {
		(&Staged{in: machine{}, file: f, name: name}).Discard()
	}
	return err
}

// Commit puts the content in the file's place.
func (s *Staged) Commit() error {
	if s.write != nil {
		f := s.fifo
		if f == nil {
			var err error
			if f, err = os.OpenFile(s.path, os.O_WRONLY, 0); err != nil {
				return err
			}
		}
		s.fifo = nil
		return errors.Join(s.write(f), f.Close())
	}
	err := reason(s.in.Rename(s.name, s.path))
	if err != nil {
		s.Discard()
		return err
	}
	if renamesOpen {
		err = reason(s.file.Close())
	}
	s.file = nil
	return err
}

// Discard leaves the file as it is; of what is committed, it does nothing.
func (s *Staged) Discard() {
	if s.fifo != nil {
		s.fifo.Close()
		s.fifo = nil
	}
	if s.file != nil {
		s.file.Close()
		s.in.Remove(s.name)
		s.file = nil
	}
}

// Temporary files begin with prefix; those of live writers are locked. Others of
// prefix's first part are of older versions and of other writers.
const (
	hidden = ".dnnc-"
	prefix = hidden + "new-"
)

// forgotten is the age at which a temporary file that nobody locks has no writer.
const forgotten = time.Hour

var swept sync.Map // folders, once a process

// place is a folder.
type place struct {
	in  files
	dir string
}

// reason is an error without the name of a temporary file, which the user never chose.
func reason(err error) error {
	isTemporary := func(path string) bool { return strings.HasPrefix(filepath.Base(path), prefix) }
	var at *fs.PathError
	var names *os.LinkError
	switch {
	case errors.As(err, &at) && isTemporary(at.Path):
		return at.Err
	case errors.As(err, &names) && isTemporary(names.Old):
		return names.Err
	}
	return err
}

// create makes a temporary file and locks it, so that another process can tell it
// from one whose writer was killed.
func create(in files, dir string) (f *os.File, name string, err error) {
	if _, done := swept.LoadOrStore(place{in, dir}, true); !done {
		sweep(in, dir)
	}
	for {
		// Unlike os.CreateTemp's, with the permissions that the umask leaves.
		name := filepath.Join(dir, prefix+strconv.FormatUint(rand.Uint64(), 36))
		f, err := in.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, "", reason(err)
		}
		if !Lock(f) {
			// Another process sweeps, and takes it for a forgotten one.
			f.Close()
			in.Remove(name)
			continue
		}
		mine, err1 := f.Stat()
		named, err2 := in.Stat(name)
		if err1 == nil && err2 == nil && os.SameFile(mine, named) {
			return f, name, nil
		}
		f.Close() // swept away before it was locked
	}
}

// sweep removes the temporary files in a folder whose writers were killed.
func sweep(in files, dir string) {
	folder, err := in.OpenFile(dir, os.O_RDONLY, 0)
	if err != nil {
		return
	}
	list, err := folder.ReadDir(-1)
	folder.Close()
	if err != nil {
		return
	}
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), hidden) || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := e.Info()
		if err != nil {
			continue
		}
		dead := time.Since(info.ModTime()) > forgotten
		if strings.HasPrefix(e.Name(), prefix) {
			if f, err := in.OpenFile(path, os.O_RDONLY, 0); err == nil {
				dead = locks && Lock(f) || dead && !locks
				defer f.Close() // removed before it is unlocked
			}
		}
		if dead {
			in.Remove(path)
		}
	}
}
