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
	"sync"
	"time"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certificate"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/frontend/onnx"
	"github.com/dnnc/dnnc/frontend/tflite"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Result is a network after the passes.
type Result struct {
	Module *ir.Module
	Float  *ir.Module // as it was before quantization; nil of a quantized dump
	Target *processor.Target
	Env    *pass.Env
	Inputs []dataset.Input // as they were declared
	Passes []Cost          // what each pass took

	Task measure.Task // by which it is judged; none until Judge found it out

	source    *ir.Module // as it was read
	test      data.Batch // images to report on, once they were read
	testFiles []certificate.Input

	Tensors []string // paths of the tensors files as the network names them
	files   []certificate.Input
	read    []string // paths of files that were read besides
}

// Cost is the time of one pass.
type Cost struct {
	Pass string
	Took time.Duration
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
		return badOutput(tensors, err)
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
	if strings.EqualFold(filepath.Ext(o.Input), ".onnx") {
		return onnx.Load(o.Input, onnx.Options{Shapes: o.Shapes, Ranges: o.Ranges, AllowOutside: o.AllowOutside})
	}
	if strings.EqualFold(filepath.Ext(o.Input), ".tflite") {
		return tflite.Load(o.Input, tflite.Options{Float: !o.exact(), Ranges: o.Ranges})
	}
	return frontend.Load(o.Input, frontend.Options{AllowOutside: o.AllowOutside})
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

// Compile takes a network through the passes.
func Compile(ctx context.Context, o Options, out, messages io.Writer) (*Result, error) {
	return compile(ctx, o, out, messages, func(*ir.Module) error { return nil })
}

// compile is Compile with what is to be checked before the long work begins.
func compile(ctx context.Context, o Options, out, messages io.Writer, check func(*ir.Module) error) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	t, err := processor.Find(o.Target)
	if err == nil && o.CPU+o.Attr != "" {
		t, err = t.Refine(o.CPU, o.Attr)
	}
	if err != nil {
		return nil, err
	}
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
	bar := newBar(messages)
	defer bar.end()
	r := &Result{Module: m, Target: t, Inputs: Inputs(m), source: m.Clone()}
	for _, f := range m.Tensors {
		r.Tensors = append(r.Tensors, f.Path)
	}
	if r.Env, err = environment(o, m, t); err != nil {
		return nil, err
	}
	r.Env.Progress = bar.show
	calibration(o, m, r, messages)
	if !m.IsQuantized() {
		r.Env.Gradient = gradient(m.Clone(), func() string { return cmp.Or(r.Task.Name, o.Task) })
	}
	if m.IsQuantized() {
		if o.searches() {
			return nil, diag.New(diag.Pos{File: o.Input}, diag.AlreadyLowered, "the module is quantized: its widths are chosen").
				WithHelp("search again from the source, or from a dump of -stop-after calibrate")
		}
		if m.Target != t.Name {
			m.After, m.Target = passes.Quantized, "" // kernels and memory are planned anew
		}
	}
	if r.searches(o) {
		if err := r.Judge(o, o.said(out, messages)); err != nil {
			return nil, err
		}
	}
	if o.Chosen != nil {
		r.Env.Level = pass.Int8 // whose widths give way to those of layers
		if m.After == passes.Calibrated {
			if err := choose(m, o.Chosen); err != nil {
				return nil, err
			}
		}
	}
	if m.After == passes.Robust {
		r.Float = m.Clone()
	}
	watch, err := dumps(o, out)
	if err != nil {
		return nil, err
	}
	v := validate.New(m, o.Seed)
	observe := func(p *pass.Pass, took time.Duration, m *ir.Module) error {
		bar.end()
		if o.TimePasses {
			fmt.Fprintf(messages, "%-16s %8.1f ms\n", p.Name, float64(took.Microseconds())/1000)
		}
		r.Passes = append(r.Passes, Cost{p.Name, took})
		if p.Name == passes.Robust {
			r.Float = m.Clone()
		}
		if p.Name == passes.Calibrated && o.Chosen != nil {
			if err := choose(m, o.Chosen); err != nil {
				return err
			}
		}
		if o.Validate {
			if err := v.Observe(ctx, p, m); err != nil {
				return err
			}
		}
		return watch(p.Name, m)
	}
	err = passes.Table.Run(ctx, m, r.Env, pass.Options{StartAfter: o.StartAfter, StopAfter: o.StopAfter, Observe: observe})
	return r, err
}

// dumps returns what writes the module after passes: into the folder of
// -dump-dir, and on out for -d=<pass>/dump.
func dumps(o Options, out io.Writer) (func(name string, m *ir.Module) error, error) {
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
		d, err := frontend.NewDump(m)
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
		files.Writes("the dump", dumpPath(o, i))
	}
	return files.Check()
}

// environment is what passes may know of the options and the data.
func environment(o Options, m *ir.Module, t *processor.Target) (*pass.Env, error) {
	conditions, err := disturb.Parse(o.Errors)
	if err != nil {
		return nil, err
	}
	env := &pass.Env{
		Target: t, Level: pass.Level(o.Level), Small: o.Small, Budget: o.Budget, Rounding: o.Rounding, Seed: o.Seed, Errors: conditions, Fix: map[string]ir.Elem{},
		Search: o.Search, Objective: o.Objective, MinBits: o.MinBits, MaxBits: o.MaxBits, Checkpoint: o.Checkpoint, Patient: o.Time > 0, MaxMemory: o.Memory, Ranges: o.Activations,
	}
	deadline := time.Now().Add(o.Time)
	env.Stop = func() bool { return o.Time > 0 && time.Now().After(deadline) || o.Enough != nil && o.Enough() }
	env.Low, env.High = InputRange(m)
	if env.Formats, err = robust.Formats(o.Formats); err != nil {
		return nil, err
	}
	for _, f := range o.Fix {
		name, text, _ := strings.Cut(f, "=")
		e, ok := ir.ParseElem(text)
		if !ok {
			e, ok = ir.ParseElem("odd" + text)
		}
		if !ok {
			return nil, diag.New(diag.Pos{}, diag.BadWidth, "-fix %s: no width or format %q", f, text)
		}
		env.Fix[name] = e
	}
	return env, nil
}

// GradientOf is the gradient of the network of -network, which must take images
// of a shape.
func GradientOf(o Options, shape []int) (disturb.Gradient, error) {
	o.Input = o.Network
	m, err := Load(o)
	if err != nil {
		return nil, err
	}
	if len(m.Inputs) != 1 {
		return nil, diag.New(m.Inputs[1].Pos, diag.Unsupported, "a network of several inputs guides no errors on images alone")
	}
	if !m.Inputs[0].Type.Shape.Equal(shape) {
		return nil, diag.New(diag.Pos{}, diag.BadData, "the network takes images of %s, these are of %v", m.Inputs[0].Type.Shape, shape)
	}
	return gradient(m, func() string { return o.Task }), nil
}

// gradient is the gradient of a float network's margin, laid out when it is first
// needed. A margin is of one label an item; asked is the task that the user says.
func gradient(m *ir.Module, asked func() string) disturb.Gradient {
	program := sync.OnceValues(func() (*interp.Backward, error) {
		if err := ir.Infer(m).Err(); err != nil {
			return nil, err
		}
		p, err := interp.CompileFloat(m)
		if err != nil {
			return nil, err
		}
		return interp.NewBackward(p)
	})
	return func(x []float32, labels []int, n int) (margin, logits []float32, err error) {
		p, err := program()
		if err != nil {
			return nil, nil, err
		}
		if _, err := measure.TaskOf(m, asked(), labels); err != nil {
			return nil, nil, err
		}
		if err := measure.CheckLabels(labels, m.Outputs[0]); err != nil {
			return nil, nil, err
		}
		g, err := p.Gradient(context.Background(), x, n, false, interp.Margin(labels))
		if err != nil {
			return nil, nil, err
		}
		return g.Input, g.Output, nil
	}
}

// InputRange is the bounds of the first input's reals, which errors disturb.
func InputRange(m *ir.Module) (low, high float32) { return rangeOf(m.Inputs[0]) }

func rangeOf(in *ir.Value) (low, high float32) {
	if in.Range != nil {
		return float32(in.Range.Lo), float32(in.Range.Hi)
	}
	if q := in.Type.Quant; q.Scale > 0 {
		return float32(q.Scale * float64(-128-q.Zero)), float32(q.Scale * float64(127-q.Zero))
	}
	return 0, 1
}
