package driver

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Result is a compiled network, and the files that it was compiled from.
type Result struct {
	*dnnc.Result
	Inputs []dataset.Input // as they were declared

	build     *dnnc.Build
	source    *ir.Module // as it was read
	test      data.Batch // images to report on, once they were read
	testFiles []certificate.Input
	testArray []string   // of that data set, as dataset.Data has them
	arrays    []string   // of the one that calibrates
	offered   data.Batch // images that calibrate, where workers get them

	calibrated string  // hash of the images that ranges come from; "" where that is not known
	folders    folders // that gave labels their names, of the first set that has some

	Tensors []string // paths of the tensors files as the network names them
	files   []certificate.Input
	said    []string  // of data sets
	saysTo  io.Writer // where that goes at once; nil: it waits for the task
	read    []string  // paths of files that were read besides
}

// Network is the network as it was read, before any pass.
func (r *Result) Network() *ir.Module { return r.source }

// WarnOfWaste warns of activations that use few of their levels.
func (r *Result) WarnOfWaste() {
	for _, w := range r.Env.Wasted {
		r.Warn(diag.Warn(diag.WastedLevels, "%s", w).WithHelp("-activations percentile or least-error where few elements are far out; else keep what differs in size apart"))
	}
}

// IsModel reports whether a file is a model of another format, by its name.
func IsModel(path string) bool {
	return slices.Contains([]string{".onnx", ".tflite"}, strings.ToLower(filepath.Ext(path)))
}

// WriteText writes a module that was imported from a model as base.dnn, and its tensors
// as base.safetensors, which it names from then on.
func WriteText(base, model string, m *ir.Module) error {
	tensors := base + ".safetensors"
	if _, err := quote.Text(filepath.Base(tensors)); err != nil {
		return badOutput("", tensors, err)
	}
	if err := ReplaceWith(tensors, func(w io.Writer) error { return frontend.WriteTensors(w, m) }); err != nil {
		return err
	}
	m.Tensors = []ir.TensorsFile{{Path: filepath.Base(tensors)}}
	text := fmt.Sprintf("# Imported from %s.\n%s", quote.Line(filepath.Base(model)), m.Source())
	if m.IsQuantized() {
		text = m.String()
	}
	return Replace(base+".dnn", []byte(text))
}

// Load reads the network alone, whatever its format.
func Load(o Options) (*ir.Module, error) {
	m, err := load(o)
	if err != nil {
		return nil, err
	}
	files := o.Files()
	files.Network(o, m)
	return m, files.Check()
}

func load(o Options) (*ir.Module, error) {
	with := dnnc.LoadOptions{Shapes: o.Shapes, Ranges: o.Ranges, Contents: o.Contents, Requantize: !o.exact(), AllowOutside: o.AllowOutside, Signature: o.Signature, Kernels: o.Kernels, Outputs: o.Outputs}
	with.LeftOut = func(what string) {
		if o.Notes != nil {
			fmt.Fprintf(o.Notes, "-outputs %s leaves out %s\n", strings.Join(o.Outputs, ","), quote.Line(what))
		}
	}
	if o.Exact == "" { // who asks for integers by name gets them or nothing
		with.Inexact = func(why error) {
			if o.Notes != nil {
				reason, _, _ := strings.Cut(why.Error(), "\n")
				fmt.Fprintf(o.Notes, "the model's integers cannot be kept: it is read as reals, and quantized anew. %s\n", reason)
			}
		}
	}
	return dnnc.Load(o.Input, with)
}

// largeWeights is the bytes of a network's constants from which on memory is saved.
const largeWeights = 64 << 20

// frugal collects garbage four times as often for a large network. What it takes lies
// in few pieces without pointers, so that costs nothing measurable; garbage as large as
// all that is in use, which Go waits for otherwise, would be hundreds of megabytes.
// Whoever sets GOGC knows better.
func frugal(m *ir.Module) {
	n := 0
	for _, c := range m.Consts {
		n += c.StoredBytes()
	}
	if n >= largeWeights && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
}

// limited keeps the garbage that waits to be collected within -mem, until the function that
// it returns is called. Whoever sets GOMEMLIMIT knows better.
func limited(o Options) (restore func()) {
	if o.Memory <= 0 || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	// The limit is one of Go's own memory, which may pass it for a moment.
	before := debug.SetMemoryLimit(int64(o.Memory - o.Memory/32))
	return func() { debug.SetMemoryLimit(before) }
}

// Compile takes a network through the passes.
func Compile(ctx context.Context, o Options, out, messages io.Writer) (*Result, error) {
	return compile(ctx, o, out, messages, func(*ir.Module) error { return nil })
}

// compile is Compile with what is to be checked before the long work begins.
func compile(ctx context.Context, o Options, out, messages io.Writer, check func(*ir.Module) error) (*Result, error) {
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	o.Notes = messages
	m, err := Load(o)
	if err != nil {
		return nil, err
	}
	if err := checkDumps(o, m); err != nil {
		return nil, err
	}
	if err := check(m); err != nil {
		return nil, err
	}
	frugal(m)
	defer limited(o)()
	bar := newBar(messages)
	defer bar.end()
	v := validate.New(m, o.Seed)
	var watch func(name string, m *ir.Module) error
	var r *Result
	c.Progress = bar.show
	c.Observe = func(p *pass.Pass, took time.Duration, m *ir.Module) error {
		bar.end()
		if o.TimePasses {
			fmt.Fprintf(messages, "%-16s %8.1f ms\n", p.Name, float64(took.Microseconds())/1000)
		}
		if o.Validate {
			if err := v.Observe(ctx, p, m); err != nil {
				return err
			}
		}
		if p.Name == passes.Widened && o.Sharing.Offer != nil && r.build.Searches() {
			words, blobs, err := r.offer(o)
			if err != nil {
				return err
			}
			if err := o.Sharing.Offer(words, blobs); err != nil {
				return err
			}
		}
		return watch(p.Name, m)
	}
	if r, err = begin(o, m, c, messages); err != nil {
		return nil, err
	}
	if watch, err = r.dumps(o, out); err != nil {
		return nil, err
	}
	if err := r.sameImages(o); err != nil {
		return nil, err
	}
	if r.build.Searches() && o.Sharing.Workers > 1 {
		stop, err := startWorkers(ctx, o, messages)
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	if r.build.Searches() {
		if err := r.Judge(ctx, o, o.said(out, messages)); err != nil {
			return nil, err
		}
	}
	if _, err = r.build.Finish(ctx); err == nil && !o.Judged && !r.build.Searches() {
		err = r.examineCalibration(ctx, o)
	}
	return r, err
}

// begin prepares the compilation of a network with the images that the options name.
func begin(o Options, m *ir.Module, c dnnc.Config, messages io.Writer) (r *Result, err error) {
	r = &Result{Inputs: dnnc.DataInputs(m), source: m, saysTo: messages, calibrated: m.Calibrated}
	m.Calibrated = "" // what is made of the module does not depend on it
	if o.Judged {     // and said with the task
		r.saysTo = io.Discard
	}
	for _, f := range m.Tensors {
		r.Tensors = append(r.Tensors, f.Path)
	}
	r.calibration(o, &c)
	if o.Sharing.Offer != nil {
		load := c.Calibration
		c.Calibration = func(n int) (b data.Batch, err error) {
			b, err = load(n)
			r.offered = b
			return b, err
		}
	}
	c.Warn = func(w *diag.Warning) { o.Warnings.Say(messages, w) }
	if r.build, err = dnnc.Begin(m, c); err != nil {
		return nil, err
	}
	r.Result = r.build.Result
	return r, nil
}

// dumps returns what writes the module after passes: into the folder of
// -dump-dir, and on out for -d=<pass>/dump.
func (r *Result) dumps(o Options, out io.Writer) (func(name string, m *ir.Module) error, error) {
	shown, isDump := strings.CutSuffix(o.Debug, "/dump")
	if o.Debug != "" {
		if !isDump {
			return nil, diag.New(diag.Pos{}, diag.BadValue, "-d=%s: help, or <pass>/dump", o.Debug)
		}
		if _, err := passes.Table.Find(shown); err != nil {
			return nil, err
		}
	}
	if o.DumpDir != "" {
		if err := os.MkdirAll(o.DumpDir, 0o777); err != nil {
			return nil, diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
		}
	}
	return func(name string, m *ir.Module) error {
		if o.DumpDir == "" && (shown != name || o.Debug == "") {
			return nil
		}
		d, err := frontend.NewDump(r.noted(m))
		if err != nil {
			return err
		}
		if shown == name {
			fmt.Fprintf(out, "%s", d.Text)
		}
		if o.DumpDir == "" {
			return nil
		}
		i, err := passes.Table.Find(name)
		if err != nil {
			return err
		}
		if err := writeTensors(filepath.Join(o.DumpDir, d.TensorsName), d); err != nil {
			return err
		}
		return Replace(dumpPath(o, i), d.Text)
	}, nil
}

// dumpPath is where the module goes after a pass of the table.
func dumpPath(o Options, i int) string {
	return filepath.Join(o.DumpDir, fmt.Sprintf("%02d-%s.dnn", i+1, passes.Table[i].Name))
}

// checkDumps reports dumps that would be written over what is read; those of passes that
// the network went through already are not written.
func checkDumps(o Options, m *ir.Module) error {
	if o.DumpDir == "" {
		return nil
	}
	files := o.Files()
	files.Network(o, m)
	first := 0
	if i, err := passes.Table.Find(cmp.Or(o.StartAfter, m.After)); err == nil {
		first = i + 1
	}
	for i := first; i < len(passes.Table); i++ {
		files.Makes("the dump", dumpPath(o, i))
	}
	return files.Check()
}

// GradientOf is the gradient of a network that guides errors, and does nothing else.
func GradientOf(o Options, m *ir.Module) disturb.Gradient {
	return dnnc.Gradient(m, func() measure.Task { return measure.Task{} }, o.Task)
}
