package cells

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dnnc/dnnc/runtime/input"
	"github.com/dnnc/dnnc/runtime/replace"
)

// Folder is a store of files: an answer each, and a claim each while it is held. Processes on one
// machine, or on several that share the folder, may use it at once.
type Folder struct {
	dir  string
	host string // this machine
	now  func() time.Time

	mu    sync.Mutex
	held  map[Key]bool     // claims of this process
	seen  map[Key]sighting // those of others
	beats bool             // the heart beats
}

// sighting is a claim of another as it was when it last changed.
type sighting struct {
	changed time.Time // as the file says, by whatever clock
	since   time.Time // by the clock of this process
}

// Lease is the time after which a claim that nobody renews is void.
const Lease = 10 * time.Second

// mark is the file by which a folder is known as a store.
const mark = "dnnc-store"

// The most bytes of an answer, and of a claim.
const (
	maxAnswer = 1 << 28
	maxClaim  = 1 << 10
)

// Open opens a folder as a store, or makes it. A folder that holds something else is refused.
func Open(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, reason(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, mark)); errors.Is(err, fs.ErrNotExist) {
		list, err := os.ReadDir(dir)
		if err != nil {
			return nil, reason(err)
		}
		for _, e := range list {
			if e.Name() != mark && !strings.HasPrefix(e.Name(), ".") { // what another process writes now
				return nil, fmt.Errorf("the folder holds %q, and is no store", e.Name())
			}
		}
		if err := write(filepath.Join(dir, mark), []byte("Answers of dnnc by the sha256 of their questions. It may be deleted: then they are computed again.\n")); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, reason(err)
	}
	host, _ := os.Hostname() // without a name leases must do
	return &Folder{dir: dir, host: host, now: time.Now, held: map[Key]bool{}, seen: map[Key]sighting{}}, nil
}

// path is the file of a question, in one of 256 folders.
func (f *Folder) path(k Key) string {
	name := k.String()
	return filepath.Join(f.dir, name[:2], name[2:])
}

func (f *Folder) claim(k Key) string { return filepath.Join(f.dir, "claims", k.String()) }

// Get reads an answer.
func (f *Folder) Get(k Key) ([]byte, bool, error) {
	text, err := input.Read(f.path(k), maxAnswer)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return text, err == nil, reason(err)
}

// Put writes an answer.
func (f *Folder) Put(k Key, answer []byte) error {
	path := f.path(k)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return reason(err)
	}
	return write(path, answer)
}

func write(path string, text []byte) error {
	return replace.With(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// Claim makes the file of a claim, and renews it until it is released. A claim of another is void
// when its process on this machine is gone, or when its file stays as it is for the time of a lease:
// no two clocks are compared. Two processes may take over a void claim at once, and compute the same
// answer.
func (f *Folder) Claim(k Key) (release func(), ok bool, err error) {
	path := f.claim(k)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held[k] {
		return nil, false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, false, reason(err)
	}
	made, err := f.make(path)
	if err == nil && !made && f.isVoid(k) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, false, reason(err)
		}
		made, err = f.make(path)
	}
	if err != nil || !made {
		return nil, false, err
	}
	delete(f.seen, k)
	f.held[k] = true
	if !f.beats {
		f.beats = true
		go f.beat()
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.held, k)
		_ = os.Remove(path) // of a claim that stays, the lease ends
	}, true, nil
}

// isVoid reports whether nobody holds the claim of another any more.
func (f *Folder) isVoid(k Key) bool {
	text, err := input.Read(f.claim(k), maxClaim)
	if err != nil {
		return false // released this moment
	}
	if host, pid, ok := strings.Cut(strings.TrimSpace(string(text)), " "); ok && host == f.host && isGone(pid) {
		return true
	}
	info, err := os.Lstat(f.claim(k))
	if err != nil {
		return false // released this moment
	}
	s := f.seen[k]
	if !s.changed.Equal(info.ModTime()) {
		s = sighting{info.ModTime(), f.now()}
		f.seen[k] = s
	}
	return f.now().Sub(s.since) >= Lease
}

// make makes the file of a claim, and reports whether there was none.
func (f *Folder) make(path string) (bool, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, reason(err)
	}
	_, err = fmt.Fprintf(file, "%s %d\n", f.host, os.Getpid())
	return true, errors.Join(err, file.Close())
}

// beat renews the claims of this process until it holds none.
func (f *Folder) beat() {
	for {
		f.mu.Lock()
		f.renew()
		f.beats = len(f.held) > 0
		beats := f.beats
		f.mu.Unlock()
		if !beats {
			return
		}
		time.Sleep(Lease / 5)
	}
}

// renew renews the claims of this process.
func (f *Folder) renew() {
	now := f.now()
	for k := range f.held {
		_ = os.Chtimes(f.claim(k), now, now)
	}
}

// reason is an error without the name of the file, which callers know.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
