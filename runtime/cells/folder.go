package cells

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dnnc/dnnc/runtime/input"
	"github.com/dnnc/dnnc/runtime/replace"
)

// Folder is a store of files: an answer each, and a claim each while it is held. Processes on one
// machine, or on several that share the folder, may use it at once, also those of other users: no link in it
// leads out of it.
type Folder struct {
	root *os.Root
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
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, reason(err)
	}
	if err := prepare(root); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	host, _ := os.Hostname() // without a name leases must do
	return &Folder{root: root, host: host, now: time.Now, held: map[Key]bool{}, seen: map[Key]sighting{}}, nil
}

// prepare makes a folder a store, unless it holds something else.
func prepare(root *os.Root) error {
	if _, err := root.Lstat(mark); !errors.Is(err, fs.ErrNotExist) {
		return reason(err)
	}
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return reason(err)
	}
	if slices.ContainsFunc(list, func(e fs.DirEntry) bool { return e.Name() == mark }) { // of another process, just now
		return nil
	}
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), ".") { // what another process writes now
			return fmt.Errorf("the folder holds %q, and is no store", e.Name())
		}
	}
	return write(root, mark, []byte("Answers of dnnc by the sha256 of their questions. It may be deleted: then they are computed again.\n"))
}

// answerOf is the file of an answer, in one of 256 folders.
func answerOf(k Key) string {
	name := k.String()
	return filepath.Join(name[:2], name[2:])
}

// claimOf is the file of a claim.
func claimOf(k Key) string { return filepath.Join("claims", k.String()) }

// Get reads an answer.
func (f *Folder) Get(k Key) ([]byte, bool, error) {
	text, err := input.ReadIn(f.root, answerOf(k), maxAnswer)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return text, err == nil, within(answerOf(k), err)
}

// Put writes an answer.
func (f *Folder) Put(k Key, answer []byte) error {
	name := answerOf(k)
	if err := f.root.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return within(filepath.Dir(name), err)
	}
	return within(name, write(f.root, name, answer))
}

func write(root *os.Root, name string, text []byte) error {
	return replace.In(root, name, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// Claim makes the file of a claim, and renews it until it is released. A claim of another is void
// when its process on this machine is gone, or when its file stays as it is for the time of a lease:
// no two clocks are compared. Two processes may take over a void claim at once, and compute the same
// answer.
func (f *Folder) Claim(k Key) (release func(), ok bool, err error) {
	name := claimOf(k)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held[k] {
		return nil, false, nil
	}
	if ok, err := f.make(k); err != nil || !ok {
		return nil, false, within(name, err)
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
		_ = f.root.Remove(name) // of a claim that stays, the lease ends
	}, true, nil
}

// make makes the file of a claim, where there is none or a void one, and reports whether it did.
func (f *Folder) make(k Key) (bool, error) {
	name := claimOf(k)
	if err := f.root.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return false, err
	}
	made, err := f.create(name)
	if err != nil || made {
		return made, err
	}
	if void, err := f.isVoid(k); err != nil || !void {
		return false, err
	}
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return f.create(name)
}

// create makes the file of a claim, and reports whether there was none.
func (f *Folder) create(name string) (bool, error) {
	file, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = fmt.Fprintf(file, "%s %d\n", f.host, os.Getpid())
	if err = errors.Join(err, file.Close()); err != nil {
		_ = f.root.Remove(name) // others need not wait for its lease
		return false, err
	}
	return true, nil
}

// isVoid reports whether nobody holds the claim of another any more.
func (f *Folder) isVoid(k Key) (bool, error) {
	info, err := f.root.Lstat(claimOf(k))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // released this moment
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, errors.New("is no regular file") // which nobody renews or releases
	}
	// One that cannot be read, of another user or changed this moment, has its lease.
	if text, err := input.ReadIn(f.root, claimOf(k), maxClaim); err == nil {
		if host, pid, ok := strings.Cut(strings.TrimSpace(string(text)), " "); ok && host == f.host && isGone(pid) {
			return true, nil
		}
	}
	s := f.seen[k]
	if !s.changed.Equal(info.ModTime()) {
		s = sighting{info.ModTime(), f.now()}
		f.seen[k] = s
	}
	return f.now().Sub(s.since) >= Lease, nil
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
		_ = f.root.Chtimes(claimOf(k), now, now)
	}
}

// within is an error of a file of the store, which it names once.
func within(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, reason(err))
}

// reason is an error without the name of the file, which callers know.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
