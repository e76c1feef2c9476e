// Package check is dnnc check: whether a network imports, what it means, and what its int8
// build takes of each target, before anybody has data for it. It writes no file.
package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/measure"
)

// The targets that are checked: Default unless the user names one, every one for All.
const (
	Default = "armv7em"
	All     = "all"
)

// A first look takes seconds, also on a network of ImageNet's size: what bounds the images of noise that ranges and
// fidelity come from without -calib. An element of a value is computed in reals and in integers, compared and
// counted, which takes as long as so many multiply-adds.
const (
	mostOfNoise   = 16
	fewestOfNoise = 2
	noiseWork     = 12e9
	perElement    = 200
)

// noiseImages is how many these are.
func noiseImages(m *ir.Module) int {
	work := m.Work()
	for _, n := range m.Ops {
		work += perElement * float64(n.Out.Type.Shape.Size())
	}
	return int(min(max(noiseWork/work, fewestOfNoise), mostOfNoise))
}

// found is what a check finds out. Figures that are not known are absent.
type found struct {
	Network   string                `json:"network"`
	Quantized bool                  `json:"quantized"` // it came as integers, which it keeps
	Layers    int                   `json:"layers"`
	Weights   int                   `json:"weights"`
	MACs      int                   `json:"macs"`
	Inputs    []value               `json:"inputs"`
	Results   []value               `json:"results"`
	Task      string                `json:"task,omitempty"`     // as -task says it
	Unclear   string                `json:"unclear,omitempty"`  // why there is no task
	Could     string                `json:"could,omitempty"`    // the tasks that it could be
	Say       string                `json:"say,omitempty"`      // how to say the task
	Images    string                `json:"images,omitempty"`   // where ranges and fidelity come from
	Fidelity  *certificate.Fidelity `json:"fidelity,omitempty"` // of int8 to the float network
	Targets   []target              `json:"targets"`

	task string // with what told it and its measure
}

// value is an input or a result as the network declares it.
type value struct {
	Name  string      `json:"name"`
	Shape ir.Shape    `json:"shape"`
	Range *[2]float64 `json:"range,omitempty"` // of an input's reals
	Holds string      `json:"holds,omitempty"` // what an input holds, for people
	// Assumed is set where nobody gave the range.
	Assumed bool `json:"assumed,omitempty"`
}

// target is what an int8 build takes of a target.
type target struct {
	Name    string  `json:"target"`
	Weights int     `json:"weight_bytes"`
	Others  int     `json:"constant_bytes"`
	Code    *int    `json:"code_bytes,omitempty"` // absent without LLVM
	Arena   int     `json:"arena_bytes"`
	Stack   *int    `json:"stack_bytes,omitempty"` // absent without LLVM, or where it has no bound
	Buffers int     `json:"buffer_bytes"`          // of inputs and results, which the caller has
	Cycles  float64 `json:"estimated_cycles"`      // as in certificates: 0 where a layer has no estimate
	Refused string  `json:"refused,omitempty"`

	err error
}

// Run checks the network of the options.
func Run(ctx context.Context, o driver.Options, stdout, messages io.Writer) error {
	names, err := targets(&o)
	if err != nil {
		return err
	}
	r, err := quantized(ctx, o, messages)
	if err != nil {
		return err
	}
	f, err := describe(ctx, o, r)
	if err != nil {
		return err
	}
	if f.Targets, err = build(ctx, o, r, names); err != nil {
		return err
	}
	if o.JSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(f)
	} else {
		f.print(stdout)
	}
	for _, t := range f.Targets {
		err = errors.Join(err, t.err)
	}
	return err
}

// targets are the names of those to check; it sets the options to the first.
func targets(o *driver.Options) ([]string, error) {
	names := []string{o.Target}
	switch o.Target {
	case "":
		names = []string{Default}
	case All:
		if o.CPU+o.Attr != "" {
			return nil, diag.New(diag.Pos{}, diag.BadValue, "-target all is every family as it is, and -mcpu and -mattr refine one").WithHelp("name a target with them")
		}
		names = processor.Names()
	}
	o.Target = names[0]
	return names, nil
}

// quantized takes the network to int8 and through the passes for the first target.
func quantized(ctx context.Context, o driver.Options, messages io.Writer) (*driver.Result, error) {
	m, err := driver.Load(o)
	if err != nil {
		return nil, err
	}
	if driver.CalibrationData(o, m) == "" && o.Images == 0 {
		o.Images = noiseImages(m)
		o.Warnings.Silence(diag.NoCalibration, true) // the report says it
	}
	return driver.Compile(ctx, o, io.Discard, messages)
}

// describe is all that no target changes.
func describe(ctx context.Context, o driver.Options, r *driver.Result) (*found, error) {
	m := r.Network()
	f := &found{Network: m.Name, Quantized: m.IsQuantized(), Layers: len(m.Layers())}
	for _, n := range m.Layers() {
		f.Weights += n.Const(ir.AttrWeight).Type.Shape.Size()
	}
	f.MACs = m.MACs()
	for _, in := range dnnc.Inputs(m) {
		_, given := o.Ranges[in.Name]
		f.Inputs = append(f.Inputs, value{Name: in.Name, Shape: in.Shape, Range: &[2]float64{float64(in.Low), float64(in.High)}, Holds: in.String(),
			Assumed: driver.IsModel(o.Input) && !given && !f.Quantized})
	}
	for i, out := range m.Outputs {
		f.Results = append(f.Results, value{Name: m.ResultName(i), Shape: out.Type.Shape})
	}
	var b data.Batch
	if r.Calibrated() {
		var err error
		if b, err = r.Env.Calibration(); err != nil {
			return nil, err
		}
		f.Images = fmt.Sprintf("%d images of noise", b.N)
		if path := driver.CalibrationData(o, m); path != "" {
			f.Images = fmt.Sprintf("%d images of %s", b.N, filepath.Base(path))
			r.WarnOfWaste()
		}
	}
	task, err := measure.TaskOf(m, o.Task, b.Labels)
	if err = measure.ByLabels(err, m, b); err == nil {
		err = task.Check(b)
	}
	var d *diag.Diagnostic
	switch {
	case err == nil:
		f.Task, f.task = task.Asked(), task.String()
	case o.Task == "" && errors.As(err, &d) && d.Kind == diag.BadTask:
		f.Unclear, f.Could, f.Say = d.Message, d.Note, d.Help
	default:
		return nil, err
	}
	near, err := r.Fidelity(ctx)
	f.Fidelity = certificate.NewFidelity(near)
	return f, err
}

// build compiles the quantized network for each target.
func build(ctx context.Context, o driver.Options, r *driver.Result, names []string) ([]target, error) {
	_, noLLVM := llvm.Find(o.LLVM)
	list := make([]target, len(names))
	parallel.For(len(names), func(i int) {
		t := &list[i]
		t.Name = names[i]
		of := r.Result
		if i > 0 {
			c := r.Config
			if c.Target, t.err = processor.Find(names[i]); t.err == nil {
				of, t.err = dnnc.Compile(ctx, r.Module, c)
			}
		}
		if t.err == nil {
			t.err = t.measure(ctx, of, noLLVM == nil)
		}
		if t.err != nil {
			t.Refused, _, _ = strings.Cut(t.err.Error(), "\n")
		}
	})
	return list, ctx.Err()
}

// measure fills in what a build takes.
func (t *target) measure(ctx context.Context, r *dnnc.Result, hasLLVM bool) error {
	t.Name = r.Target.Name
	t.Cycles = certificate.Cycles(r.Module, r.Target)
	for _, v := range slices.Concat(r.Module.Inputs, r.Module.Outputs) {
		t.Buffers += v.Type.Slots() // bytes
	}
	if hasLLVM {
		a, err := r.Assemble(ctx)
		if err != nil {
			return err
		}
		t.Code = &a.Code
		if a.Interface.Stack > 0 {
			t.Stack = &a.Interface.Stack
		}
	}
	c, err := r.Certificate()
	if err != nil {
		return err
	}
	t.Weights, t.Others, t.Arena = c.WeightBytes, c.OtherBytes, c.ArenaBytes
	return nil
}

// print is a check as people read it.
func (f *found) print(out io.Writer) {
	kind := "float"
	if f.Quantized {
		kind = "integers, which it keeps"
	}
	fmt.Fprintf(out, "%s imports (%s): %d layers with %d weights, %d multiply-adds\n", quote.Line(f.Network), kind, f.Layers, f.Weights, f.MACs)
	for _, in := range f.Inputs {
		assumed := ""
		if in.Assumed {
			assumed = fmt.Sprintf(" (assumed; %s says it)", quote.Flag("range", quote.Line(in.Name)+"=LOW,HIGH"))
		}
		fmt.Fprintf(out, "input %s: %s of reals in [%g,%g]%s, %s\n", quote.Line(in.Name), in.Shape, in.Range[0], in.Range[1], assumed, in.Holds)
	}
	for _, v := range f.Results {
		fmt.Fprintf(out, "result %s: %s\n", quote.Line(v.Name), v.Shape)
	}
	if f.Task == "" {
		fmt.Fprintf(out, "task: - (%s)\n", quote.Line(f.Unclear))
		if f.Could != "" {
			fmt.Fprintf(out, "    note: %s\n", quote.Line(f.Could))
		}
		fmt.Fprintf(out, "    help: %s\n", quote.Line(f.Say))
	} else {
		fmt.Fprintln(out, f.task)
	}
	f.nearness(out)
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "target\tflash\tweights\tconstants\tcode\tRAM\tarena\tstack\tin, out\tcycles\tfits\t")
	for _, t := range f.Targets {
		t.print(w)
	}
	w.Flush()
	fmt.Fprintln(out, "bytes of an int8 build; cycles: estimate of the layers with weights, of recurrences and spectrograms; fits: the smallest usual flash and RAM; in, out: the caller's buffers")
	if f.Targets[0].Code == nil && f.Targets[0].err == nil {
		fmt.Fprintln(out, "code and stack are not known: LLVM is not installed (on Debian: apt-get install llvm-19)")
	}
}

// nearness is the fidelity of the results.
func (f *found) nearness(out io.Writer) {
	if f.Fidelity == nil {
		driver.Nearness(out, nil)
		return
	}
	fmt.Fprintf(out, "int8 with ranges from %s:\n", quote.Line(f.Images))
	driver.Nearness(out, f.Fidelity)
}

func (t *target) print(w io.Writer) {
	if t.Refused != "" {
		fmt.Fprintf(w, "%s\t-\t-\t-\t-\t-\t-\t-\t-\t-\trefused\t\n", t.Name)
		return
	}
	flash, ram, cycles := "-", "-", "-"
	if t.Cycles > 0 {
		cycles = fmt.Sprintf("%.3g", t.Cycles)
	}
	if t.Code != nil {
		flash = fmt.Sprint(t.Weights + t.Others + *t.Code)
	}
	if t.Stack != nil {
		ram = fmt.Sprint(t.Arena + *t.Stack + t.Buffers)
	}
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%d\t%s\t%d\t%s\t%s\t\n", t.Name, flash, t.Weights, t.Others, number(t.Code), ram, t.Arena, number(t.Stack), t.Buffers, cycles, t.fits())
}

func number(x *int) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprint(*x)
}

// Flash and RAM of microcontrollers are powers of two, from these on and up to these.
const (
	leastFlash, mostFlash = 16 << 10, 16 << 20
	leastRAM, mostRAM     = 2 << 10, 8 << 20
)

// fits is the smallest usual flash and RAM that hold the network, whatever else a program
// needs; "-" where flash or RAM are not known, "no" where none holds it.
func (t *target) fits() string {
	if t.Code == nil || t.Stack == nil {
		return "-"
	}
	flash := usual(t.Weights+t.Others+*t.Code, leastFlash, mostFlash)
	ram := usual(t.Arena+*t.Stack+t.Buffers, leastRAM, mostRAM)
	if flash == 0 || ram == 0 {
		return "no"
	}
	return fmt.Sprintf("%d+%d KiB", flash>>10, ram>>10)
}

// usual is the smallest power of two from least to most that is n or more; 0 of none.
func usual(n, least, most int) int {
	for size := least; size <= most; size *= 2 {
		if n <= size {
			return size
		}
	}
	return 0
}
