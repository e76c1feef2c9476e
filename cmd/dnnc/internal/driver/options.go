// Package driver takes what a user typed to the files that a build needs.
package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/cluster"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/inspect"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/decimal"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// Options are what the user typed.
type Options struct {
	Input, Output, Level, Rounding        string
	Target, CPU, Attr                     string // refined by the processor and features
	Emit, Report                          []string
	Calib, Data, Errors, Prefix, LLVM     string
	StopAfter, StartAfter, DumpDir, Debug string
	Stats, Sheet, Network                 string
	Small                                 bool   // -O size
	Rows                                  bool   // the program gives the input row by row
	Threads                               int    // of the caller, in which an operation runs in parts
	Stream                                int    // frames that a run takes, pass.LeastHop for as few as possible; 0 runs the network whole
	Depend                                bool   // write a dependency file,
	DependFile                            string // named so
	Plane, Directions                     string
	Activations                           string // how their ranges are calibrated
	Tune                                  pass.Tune
	Fix, Formats                          []string
	Budget                                pass.Budget
	Search, Objective, Checkpoint         string
	Sharing                               Sharing
	Server                                Server
	MinBits, MaxBits                      float64
	Time                                  time.Duration   // of a search; 0 is its own measure
	Soon                                  context.Context // done when the user wants what there is; nil is never
	Ready                                 func()          // told that there is a network to write; may be nil
	Memory                                int             // bytes that a search may keep; 0 is a default
	Images                                int             // calibration images used; 0 is by the level
	Sizes, Methods                        []string        // of compare
	Seeds                                 int
	Record                                string
	Inputs                                []string // files of a command that takes several
	Responses                             []string // files of arguments that were read
	Guard                                 inspect.Guard
	Only                                  string // -o of a command that writes this file alone
	Results, Readme                       string // of experiment: the folder of its cells, the file to refresh
	Quick, Full                           bool
	TestImages                            int // images to report on; 0 for all
	Seed                                  uint64
	AllowOutside, TimePasses              bool
	Sets                                  dataset.Options // what data sets have
	JSON, CSV, Boundary, Layers           bool
	Diff                                  string // two passes
	Validate                              bool   // each pass, by executing its result
	Hooks, Lend                           bool   // of the C interface,
	Section                               string // likewise: where weights lie
	ErrorsGiven                           bool   // -errors was given, not its default

	Verbose       bool
	Task          string              // what the results mean; "" to find it out
	Metric        []string            // a program of the user's that judges answers, and its arguments
	Detect        string              // what results are of detections
	MetricTime    time.Duration       // that one call of it may take
	Reports       bool                // measures on -data what it made
	Chosen        []certificate.Layer // formats of a build that is done again: nothing is searched
	JudgedBy      int                 // images that judged in that build
	Judged        bool                // Task was said already, and data examined
	DataAsIs      bool                // data that are mistaken for others are measured all the same
	Table         bool                // prints a table for people, whose first line says the task
	ExactBoundary bool                // -boundary=exact
	Proof         string              // certify checks the proof of this file
	Resume        bool                // certify goes on from the file of -o
	Page          string              // certify writes a page for people to this file
	Proved        int                 // compare and pareto decide so many images at every size of errors
	Draws         int                 // certify draws a random error so often
	Points        int                 // certify -check evaluates so many random sizes inside each range
	RunUnknown    bool                // verify runs an object that it cannot build again
	Notes         io.Writer           // is told what became of a model that is not read as its file has it; nil: nobody is

	Warnings *Warnings // of the command; nil prints each

	Model
}

// Sharing is how a search shares its answers.
type Sharing struct {
	Store   string         // folder of answers; "" for none
	Workers int            // processes that search, this one among them; 0 and 1 are this one alone
	Words   []string       // of the command, for processes that search with it
	Cluster cluster.Config // without a URL there is none
	Recheck float64        // share of answers that are computed again

	Answers cells.Store                                                // of the cluster; nil of none
	Offer   func(words json.RawMessage, blobs map[string][]byte) error // a search to it
}

// Server is that of a cluster.
type Server struct {
	cluster.Serving
	TokenFile string // whose only line is the token
}

// Model is what the file of a model leaves open.
type Model struct {
	Shapes    map[string][]int    // of an imported network's inputs, by name
	Ranges    map[string]ir.Range // of their reals
	Exact     string              // whether a quantized model keeps its integers: true, false, or "" for the default
	Signature string              // of a TensorFlow Lite model
	Kernels   string              // whose integers a TensorFlow Lite model has: reference, which is the default, or optimized
	Outputs   []string            // values of an ONNX model that the network returns; the model's own when empty
	// Contents is what the inputs of a model or a data set hold, by name; "" of an only one.
	Contents map[string]ir.Content
}

// Defaults are the options of a build that is asked for nothing more.
func Defaults() Options {
	return Options{Level: string(pass.Int8), Errors: disturb.None, Formats: robust.Default, Budget: pass.Budget{Keep: dnnc.DefaultKeep}, Seed: 1, Warnings: &Warnings{}}
}

// Flags are the flags that say it, flag and value in turn.
func (m *Model) Flags() (list []string) {
	for _, name := range sortedKeys(m.Shapes) {
		list = append(list, "-shape", name+"="+strings.Trim(ir.Shape(m.Shapes[name]).String(), "[]"))
	}
	for _, name := range sortedKeys(m.Ranges) {
		list = append(list, "-range", fmt.Sprintf("%s=%s,%s", name, ir.FormatFloat(m.Ranges[name].Lo), ir.FormatFloat(m.Ranges[name].Hi)))
	}
	for _, name := range sortedKeys(m.Contents) {
		list = append(list, "-kind", strings.TrimPrefix(name+"="+m.Contents[name].String(), "="))
	}
	if len(m.Outputs) > 0 {
		list = append(list, "-outputs", strings.Join(m.Outputs, ","))
	}
	if m.Signature != "" {
		list = append(list, "-signature", m.Signature)
	}
	if m.Kernels != "" {
		list = append(list, "-kernels", m.Kernels)
	}
	if m.Exact != "" {
		list = append(list, "-exact="+m.Exact)
	}
	return list
}

// isEnough ends a search with the best that it has.
func (o *Options) isEnough() bool { return o.Soon != nil && o.Soon.Err() != nil }

// output is a kind of output: what -emit names it, and the ending of its file.
type output struct {
	name, ending string
	write        func(b *build) ([]byte, error)
}

// outputs are written in this order, the object last.
var outputs = []output{
	{"ir", ".out.dnn", (*build).ir},
	{"dot", ".dot", (*build).dot},
	{"svg", ".svg", (*build).svg},
	{"llvm", ".ll", (*build).llvm},
	{"asm", ".s", (*build).asm},
	{"c", ".c", (*build).c},
	{"cmake", "Config.cmake", (*build).cmake},
	{"pc", ".pc", (*build).pkgConfig},
	{"lib", ".a", (*build).lib},
	{"obj", ".o", (*build).obj},
}

// Emits lists the kinds of output.
func Emits() []string {
	names := make([]string, len(outputs))
	for i, o := range outputs {
		names[i] = o.name
	}
	return names
}

// Reports lists the reports of a build.
var Reports = []string{"layers", "accuracy", "search", "memory", "fidelity"}

// Levels are the values of -O: a level, and size, which goes with each.
func Levels() []string { return append(slices.Clone(pass.Levels), "size") }

// Check reports options whose values do not exist.
func (o *Options) Check() error {
	_, err := o.values()
	return err
}

// config is what the compiler needs of the options: everything but files.
func (o *Options) config() (c dnnc.Config, err error) {
	if c, err = o.values(); err != nil {
		return c, err
	}
	if c.Target, err = processor.Find(o.Target); err == nil && o.CPU+o.Attr != "" {
		c.Target, err = c.Target.Refine(o.CPU, o.Attr)
	}
	return c, err
}

// values is config without a target, which not every command has.
func (o *Options) values() (c dnnc.Config, err error) {
	one := func(flag, value string, allowed []string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		d := diag.New(diag.Pos{}, diag.BadValue, "-%s %s: the values are %s", flag, value, strings.Join(allowed, " "))
		return d.WithSuggestion(value, allowed)
	}
	for _, e := range o.Emit {
		if err := one("emit", e, Emits()); err != nil {
			return c, err
		}
	}
	for _, r := range o.Report {
		if err := one("report", r, Reports); err != nil {
			return c, err
		}
	}
	if o.Output == "-" && o.Lend {
		return c, diag.New(diag.Pos{}, diag.BadValue, "-lend writes the weights into a file beside the output, and -o - writes none")
	}
	if o.Output == "-" && (len(o.Emit) > 1 || o.Depend && o.DependFile == "") {
		return c, diag.New(diag.Pos{}, diag.BadValue, "-o - writes one output to the standard output, and no file beside it").WithHelp("-emit one kind; -MF names the dependency file")
	}
	if o.TestImages < 0 {
		return c, diag.New(diag.Pos{}, diag.BadValue, "-n %d: a number of images is 1 or more", o.TestImages)
	}
	c = dnnc.Config{
		Level: pass.Level(o.Level), SmallCode: o.Small, Threads: o.Threads, Stream: o.Stream, Rows: o.Rows, Search: o.Search, Objective: o.Objective, Budget: o.Budget, MinBits: o.MinBits, MaxBits: o.MaxBits,
		Rounding: o.Rounding, Activations: o.Activations, Seed: o.Seed, Calibrate: o.Images, Task: o.Task, Memory: o.Memory, Checkpoint: o.Checkpoint,
		Time: o.Time, Enough: o.isEnough, Chosen: o.Chosen, Judged: o.JudgedBy, Errors: o.Errors, StartAfter: o.StartAfter, StopAfter: o.StopAfter,
		Prefix: o.Prefix, Hooks: o.Hooks, Lend: o.Lend, Section: o.Section, LLVM: o.LLVM, Tune: o.Tune, Fix: map[string]ir.Elem{},
	}
	if s := o.Sharing.Folder(); s != nil {
		c.Store = &counted{Store: s, recheck: o.Sharing.Recheck}
	}
	if o.Sharing.Answers != nil {
		c.Store = o.Sharing.Answers
	}
	if err := c.Check(); err != nil {
		return c, err
	}
	if c.Formats, err = robust.Formats(o.Formats); err != nil {
		return c, err
	}
	for _, f := range o.Fix {
		name, text, ok := strings.Cut(f, "=")
		if !ok || name == "" {
			return c, diag.New(diag.Pos{}, diag.BadWidth, "-fix %s: a layer and its format, as conv1=8 or fc1=odd2", f)
		}
		e, ok := ir.ParseElem(text)
		if !ok {
			e, ok = ir.ParseElem("odd" + text)
		}
		if !ok {
			return c, diag.New(diag.Pos{}, diag.BadWidth, "-fix %s: no width or format %q", f, text)
		}
		c.Fix[name] = e
	}
	return c, nil
}

// exact reports whether an int8 model keeps its integers: unless told otherwise,
// where nothing asks for other widths.
func (o *Options) exact() bool {
	if o.Exact != "" {
		return o.Exact == "true"
	}
	return !o.searches()
}

// searches reports whether o asks for a choice of widths.
func (o *Options) searches() bool {
	return o.Level != string(pass.Int8) || len(o.Fix) > 0
}

// Bits reads a list of budgets in average bits a weight, the value of a flag.
func Bits(flag string, list []string) ([]float64, error) {
	var sizes []float64
	for _, s := range list {
		x, err := decimal.Float(s, 64)
		if err != nil || !(x > 0) || x > 32 {
			return nil, diag.New(diag.Pos{}, diag.BadBudget, "-%s %s: average bits a weight, as 0.5,1,2", flag, s)
		}
		sizes = append(sizes, x)
	}
	return sizes, nil
}
