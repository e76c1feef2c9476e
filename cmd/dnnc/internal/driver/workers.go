package driver

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/cluster"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/cells"
)

// folder is the store of -store, opened when a search first asks.
type folder struct {
	dir    string
	once   sync.Once
	opened *cells.Folder
	err    error
}

// Folder is the store of -store, nil of none.
func (s Sharing) Folder() cells.Store {
	if s.Store == "" {
		return nil
	}
	return &folder{dir: s.Store}
}

func (f *folder) open() (*cells.Folder, error) {
	f.once.Do(func() { f.opened, f.err = cells.Open(f.dir) })
	return f.opened, f.named(f.err)
}

// named is an error of the store with the flag and the folder.
func (f *folder) named(err error) error {
	if err == nil {
		return nil
	}
	return diag.New(diag.Pos{}, diag.BadOutput, "-store %s: %v", f.dir, err)
}

func (f *folder) Get(k cells.Key) (answer []byte, ok bool, err error) {
	s, err := f.open()
	if err != nil {
		return nil, false, err
	}
	answer, ok, err = s.Get(k)
	return answer, ok, f.named(err)
}

func (f *folder) Put(k cells.Key, answer []byte) error {
	s, err := f.open()
	if err != nil {
		return err
	}
	return f.named(s.Put(k, answer))
}

func (f *folder) Claim(k cells.Key) (release func(), ok bool, err error) {
	s, err := f.open()
	if err != nil {
		return nil, false, err
	}
	release, ok, err = s.Claim(k)
	return release, ok, f.named(err)
}

// counted counts the answers of a store that this process computes and takes. It computes a share of those again.
type counted struct {
	cells.Store
	recheck         float64
	computed, taken atomic.Int64
}

// Rechecks draws the questions by their keys, so that each build checks the same ones.
func (c *counted) Rechecks(k cells.Key) bool {
	return float64(binary.BigEndian.Uint32(k[:])) < c.recheck*(1<<32)
}

func (c *counted) Get(k cells.Key) (answer []byte, ok bool, err error) {
	if answer, ok, err = c.Store.Get(k); ok {
		c.taken.Add(1)
	}
	return answer, ok, err
}

func (c *counted) Put(k cells.Key, answer []byte) error {
	c.computed.Add(1)
	return c.Store.Put(k, answer)
}

// Work searches as a build with the same options does, over the same store, and writes
// nothing else.
func Work(ctx context.Context, o Options, out, messages io.Writer) error {
	switch {
	case o.Sharing.Cluster.URL != "" && (o.Input != "" || o.Sharing.Store != ""):
		return diag.New(diag.Pos{}, diag.BadValue, "a worker of -cluster gets network and data from builds, and has no -store").WithHelp("dnnc worker -cluster %s", cluster.Public(o.Sharing.Cluster.URL))
	case o.Sharing.Cluster.URL != "":
		ctx, stop := withParent(ctx)
		defer stop()
		return workFor(ctx, o, out)
	case o.Input == "" || o.Target == "":
		return diag.New(diag.Pos{}, diag.BadValue, "dnnc worker needs the network and the flags of a build with -store, or a -cluster")
	}
	if o.Sharing.Store == "" {
		return diag.New(diag.Pos{}, diag.BadValue, "dnnc worker shares a search by the folder of -store, which is not named").WithHelp("give the build and its workers the same -store")
	}
	if o.Sharing.Workers > 1 {
		return diag.New(diag.Pos{}, diag.BadValue, "dnnc worker is one process, and -workers is of a build that starts more").WithHelp("leave -workers out")
	}
	// What comes after the search, and what is written, is the build's.
	o.StopAfter, o.Tune, o.Checkpoint, o.DumpDir, o.Debug, o.Stats, o.Output, o.DependFile = passes.Robust, pass.Tune{}, "", "", "", "", "", ""
	o.Emit, o.Report, o.Depend, o.Lend, o.Validate, o.TimePasses = nil, nil, false, false, false, false
	ctx, stop := withParent(ctx)
	defer stop()
	r, err := compile(ctx, o, io.Discard, messages, func(*ir.Module) error { return nil })
	if err != nil {
		return err
	}
	if !r.build.Searches() {
		return diag.New(diag.Pos{}, diag.BadValue, "the build searches nothing: the formats of %s are chosen already", o.Input)
	}
	s := r.Config.Store.(*counted)
	fmt.Fprintf(out, "the search is done: this worker computed %d answers and took %d from others\n", s.computed.Load(), s.taken.Load())
	return nil
}

// parent is the environment variable by which a worker knows the process that started it.
const parent = "DNNC_WORKER_OF"

// withParent is a context that ends when the process that started this one as a worker is gone, however it ended.
func withParent(ctx context.Context) (context.Context, func()) {
	ctx, stop := context.WithCancel(ctx)
	pid, err := strconv.Atoi(os.Getenv(parent))
	if err != nil {
		return ctx, stop
	}
	go func() {
		for ctx.Err() == nil {
			if os.Getppid() != pid {
				stop()
			}
			time.Sleep(time.Second)
		}
	}()
	return ctx, stop
}

// split gives each of the processes that will search its part of the machine: memory and cores. restore ends it.
func (o *Options) split() (restore func(), err error) {
	o.Sharing.Workers = max(o.Sharing.Workers, 1)
	if o.Sharing.Workers == 1 {
		return func() {}, nil
	}
	total := o.Memory
	if total == 0 {
		total = (&pass.Env{}).Memory()
	}
	o.Memory = total / o.Sharing.Workers
	dir := ""
	if o.Sharing.Store == "" {
		if dir, err = os.MkdirTemp("", "dnnc-store-"); err != nil {
			return nil, diag.New(diag.Pos{}, diag.BadOutput, "-workers: no folder for what they share: %v", err).WithHelp("-store names one")
		}
		o.Sharing.Store = dir
	}
	cores := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(max(1, cores/o.Sharing.Workers))
	return func() {
		runtime.GOMAXPROCS(cores)
		if dir != "" {
			os.RemoveAll(dir)
		}
	}, nil
}

// startWorkers starts the other processes of a search. stop ends those that still run, and says which failed: the search
// does without them.
func startWorkers(ctx context.Context, o Options, messages io.Writer) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, diag.New(diag.Pos{}, diag.BadValue, "-workers: %v", err)
	}
	words := slices.Concat([]string{"worker"}, o.Sharing.Words, []string{"-workers", "1", "-store", o.Sharing.Store, "-mem", strconv.Itoa(o.Memory)})
	ctx, end := context.WithCancel(ctx)
	var all sync.WaitGroup
	var mu sync.Mutex
	for range o.Sharing.Workers - 1 {
		var fault bytes.Buffer
		c := exec.CommandContext(ctx, self, words...)
		c.Stderr = &fault
		c.Env = append(os.Environ(), fmt.Sprintf("%s=%d", parent, os.Getpid()), fmt.Sprintf("GOMAXPROCS=%d", runtime.GOMAXPROCS(0)))
		apart(c)
		if err := c.Start(); err != nil {
			end()
			all.Wait()
			return nil, diag.New(diag.Pos{}, diag.BadValue, "-workers: %v", err)
		}
		all.Go(func() {
			err := c.Wait()
			if err == nil || ctx.Err() != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(messages, "a worker ended, and the search goes on without it: %v\n%s", err, fault.String())
		})
	}
	return func() { end(); all.Wait() }, nil
}
