package driver

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/cluster"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/input"
)

// searching is what a worker of a cluster needs of a build beside its network and images: whatever
// the answers of the search depend on, and its questions.
type searching struct {
	Target, CPU, Attr             string
	Level                         pass.Level
	Small                         bool
	Threads, Stream               int
	Rows                          bool
	Search, Objective             string
	Budget                        pass.Budget
	Formats                       []ir.Elem
	Fix                           map[string]ir.Elem
	MinBits, MaxBits              float64
	Rounding, Activations, Errors string
	Seed                          uint64
	Calibrate                     int
	Task                          string
	Time                          time.Duration
}

// The blobs of a job.
const (
	theNetwork = "network.dnn" // a dump; its tensors file has the name that it says
	theImages  = "images"      // those that calibrate and judge, see pack
)

// offer makes a job of a search, as it is when its network is calibrated.
func (r *Result) offer(o Options) (words json.RawMessage, blobs map[string][]byte, err error) {
	c := r.Config
	words, err = json.Marshal(searching{o.Target, o.CPU, o.Attr, c.Level, c.SmallCode, c.Threads, c.Stream, c.Rows, c.Search, c.Objective, c.Budget, c.Formats, c.Fix, c.MinBits, c.MaxBits,
		c.Rounding, c.Activations, c.Errors, c.Seed, c.Calibrate, r.Task.Asked(), c.Time})
	if err != nil {
		return nil, nil, err
	}
	d, err := frontend.NewDump(r.source)
	if err != nil {
		return nil, nil, err
	}
	var tensors bytes.Buffer
	if err := d.WriteTensors(&tensors); err != nil {
		return nil, nil, err
	}
	packed, err := pack(r.offered)
	return words, map[string][]byte{theNetwork: d.Text, d.TensorsName: tensors.Bytes(), theImages: packed}, err
}

// take searches a job over a store, for as long as the job lasts. A job that finds a fault of dnnc does not end the worker:
// it would come again, and to every other worker, too.
func take(ctx context.Context, text json.RawMessage, blobs map[string][]byte, store cells.Store, memory int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v\n%s", r, debug.Stack())
		}
	}()
	var w searching
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dnnc-job-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for name, content := range blobs {
		if name != filepath.Base(name) { // of a job that is none of dnnc's
			return fmt.Errorf("a blob is called %q", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	images, err := unpack(blobs[theImages])
	if err != nil {
		return err
	}
	m, err := dnnc.Load(filepath.Join(dir, theNetwork), dnnc.LoadOptions{})
	if err != nil {
		return err
	}
	c := dnnc.Config{
		Level: w.Level, SmallCode: w.Small, Threads: w.Threads, Stream: w.Stream, Rows: w.Rows, Search: w.Search, Objective: w.Objective, Budget: w.Budget, Formats: w.Formats, Fix: w.Fix, MinBits: w.MinBits, MaxBits: w.MaxBits,
		Rounding: w.Rounding, Activations: w.Activations, Errors: w.Errors, Seed: w.Seed, Calibrate: w.Calibrate, Task: w.Task, Time: w.Time, Memory: memory, Store: store, StopAfter: passes.Robust,
		Calibration: func(int) (data.Batch, error) { return images, nil },
	}
	if c.Target, err = processor.Find(w.Target); err == nil && w.CPU+w.Attr != "" {
		c.Target, err = c.Target.Refine(w.CPU, w.Attr)
	}
	if err != nil {
		return err
	}
	_, err = dnnc.Compile(ctx, m, c)
	return err
}

// packed is images as a job has them: where they have few levels, as most sets of pictures have, a
// byte an element.
type packed struct {
	data.Batch
	Table []float32
	Of    []byte // the place in the table of each element; nil where X has them
}

func pack(b data.Batch) ([]byte, error) {
	p := packed{Batch: b, Of: make([]byte, len(b.X))}
	p.X = nil
	places := map[uint32]byte{} // by bits: zeros have two signs
	for i, x := range b.X {
		at, ok := places[math.Float32bits(x)]
		if !ok {
			if len(p.Table) == 256 {
				p = packed{Batch: b}
				break
			}
			at = byte(len(p.Table))
			places[math.Float32bits(x)], p.Table = at, append(p.Table, x)
		}
		p.Of[i] = at
	}
	var out bytes.Buffer
	err := gob.NewEncoder(&out).Encode(p)
	return out.Bytes(), err
}

func unpack(text []byte) (data.Batch, error) {
	var p packed
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&p); err != nil {
		return data.Batch{}, fmt.Errorf("the images of the job: %w", err)
	}
	if p.Of != nil {
		p.X = make([]float32, len(p.Of))
		for i, l := range p.Of {
			if int(l) >= len(p.Table) {
				return data.Batch{}, fmt.Errorf("the images of the job have a level %d of %d", l, len(p.Table))
			}
			p.X[i] = p.Table[l]
		}
	}
	size := p.Others
	if n := len(p.Shape); n > 0 {
		of := 1
		for _, d := range p.Shape {
			of *= d
		}
		size += of
	}
	if p.N < 0 || size < 0 || p.N*size != len(p.X) {
		return data.Batch{}, fmt.Errorf("the images of the job: %d of %d elements, and %d in all", p.N, size, len(p.X))
	}
	return p.Batch, nil
}

// offline is an error of a cluster as a diagnostic.
func offline(err error) error {
	return diag.New(diag.Pos{}, diag.BadValue, "-cluster: %v", err)
}

// workFor takes part in the searches of a cluster until it is interrupted.
func workFor(ctx context.Context, o Options, out io.Writer) error {
	ctx, stop := service(ctx)
	defer stop()
	x, err := cluster.Connect(ctx, o.Sharing.Cluster)
	if err != nil {
		return offline(err)
	}
	defer x.Close()
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	say("waits for searches at %s", cluster.Public(o.Sharing.Cluster.URL))
	err = x.Work(ctx, uint64((&pass.Env{MaxMemory: o.Memory}).Memory()), say, func(ctx context.Context, words json.RawMessage, blobs map[string][]byte) error {
		s := &counted{Store: x.Store(ctx, say)}
		err := take(ctx, words, blobs, s, o.Memory)
		say("computed %d answers, took %d", s.computed.Load(), s.taken.Load())
		return err
	})
	if err == nil {
		say("the worker has stopped")
	}
	return err
}

// service is a context that ends as whoever runs services ends them: by SIGTERM. It is how they are meant to end.
func service(ctx context.Context) (context.Context, func()) {
	return signal.NotifyContext(ctx, syscall.SIGTERM)
}

// Serve runs a server for a cluster until it is interrupted.
func Serve(ctx context.Context, o Options, out io.Writer) error {
	if o.Server.Dir == "" {
		return diag.New(diag.Pos{}, diag.BadValue, "-dir names the folder of the server's buckets").WithHelp("dnnc cluster -dir DIR")
	}
	s := o.Server.Serving
	if o.Server.TokenFile != "" {
		text, err := input.Read(o.Server.TokenFile, 1<<12)
		if err != nil {
			return diag.New(diag.Pos{}, diag.BadFile, "-token: %v", err)
		}
		if s.Token = strings.TrimSpace(string(text)); s.Token == "" {
			return diag.New(diag.Pos{File: o.Server.TokenFile}, diag.BadFile, "the token is empty")
		}
	}
	ctx, stop := service(ctx)
	defer stop()
	err := cluster.Serve(ctx, s, func(url string) {
		fmt.Fprintf(out, "serves at %s until it is interrupted; dnnc worker -cluster %s works for it\n", url, url)
	})
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadValue, "dnnc cluster: %v", err)
	}
	fmt.Fprintln(out, "the server has stopped; its folder keeps what it has")
	return nil
}
