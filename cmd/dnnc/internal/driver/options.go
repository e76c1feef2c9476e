// Package driver takes what a user typed to the files that a build needs.
package driver

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certificate"
	"github.com/dnnc/dnnc/codegen"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/measure"
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
	Depend                                bool   // write a dependency file,
	DependFile                            string // named so
	Plane, Directions                     string
	Activations                           string // how their ranges are calibrated
	Fix, Formats                          []string
	Budget                                pass.Budget
	Search, Objective, Checkpoint         string
	MinBits, MaxBits                      float64
	Time                                  time.Duration // of a search; 0 is its own measure
	Enough                                func() bool   // ends a search with the best that it has; may be nil
	Memory                                int           // bytes that a search may keep; 0 is a default
	Images                                int           // calibration images used; 0 is by the level
	Sizes, Methods                        []string      // of compare
	Seeds                                 int
	Record                                string
	Inputs                                []string // files of a command that takes several
	Responses                             []string // files of arguments that were read
	Only                                  string   // -o of a command that writes this file alone
	Results, Readme                       string   // of experiment: the folder of its cells, the file to refresh
	Quick, Full                           bool
	TestImages                            int // images to report on; 0 for all
	Seed                                  uint64
	AllowOutside, TimePasses              bool
	JSON, CSV, Boundary, Layers           bool
	Diff                                  string // two passes
	Validate                              bool   // each pass, by executing its result
	Hooks, Lend                           bool   // of the C interface,
	Section                               string // likewise: where weights lie
	ErrorsGiven                           bool   // -errors was given, not its default

	Verbose    bool
	Task       string              // what the results mean; "" to find it out
	Reports    bool                // measures on -data what it made
	Chosen     []certificate.Layer // formats of a build that is done again: nothing is searched
	Judged     bool                // Task was said already
	Table      bool                // prints a table for people, whose first line says the task
	RunUnknown bool                // verify runs an object that it cannot build again
	Exact      string              // whether an int8 model keeps its integers: true, false, or "" for the default

	Shapes map[string][]int    // of an imported network's inputs, by name
	Ranges map[string]ir.Range // of their reals
}

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
var Reports = []string{"layers", "accuracy", "search", "memory"}

// sections are the names that a linker script can hold.
var sections = regexp.MustCompile(`^[._a-zA-Z][._a-zA-Z0-9]*$`)

// Interface is the C interface that o asks for.
func (o *Options) Interface(prefix string) codegen.Interface {
	return codegen.Interface{Prefix: prefix, Hooks: o.Hooks, Section: o.Section, Lend: o.Lend}
}

// Levels are the values of -O: a level, and size, which goes with each.
func Levels() []string { return append(slices.Clone(pass.Levels), "size") }

// Check reports options whose values do not exist.
func (o *Options) Check() error {
	one := func(flag, value string, allowed []string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		d := diag.New(diag.Pos{}, diag.BadValue, "-%s %s: the values are %s", flag, value, strings.Join(allowed, " "))
		return d.WithSuggestion(value, allowed)
	}
	if err := one("O", o.Level, Levels()); err != nil {
		return err
	}
	if o.Task != "" {
		if err := measure.CheckTask(o.Task); err != nil {
			return err
		}
	}
	if o.Rounding != "" {
		if err := one("rounding", o.Rounding, []string{quant.Nearest, quant.Compensated}); err != nil {
			return err
		}
	}
	for _, e := range o.Emit {
		if err := one("emit", e, Emits()); err != nil {
			return err
		}
	}
	for _, r := range o.Report {
		if err := one("report", r, Reports); err != nil {
			return err
		}
	}
	if o.Prefix != "" && !ir.IsIdentifier(o.Prefix) {
		return diag.New(diag.Pos{}, diag.BadValue, "-prefix %s is no C identifier", o.Prefix)
	}
	if o.Section != "" && !sections.MatchString(o.Section) {
		return diag.New(diag.Pos{}, diag.BadValue, "-section %s: a name as .extflash, of letters, digits, . and _", o.Section)
	}
	if o.Section != "" && o.Lend {
		return diag.New(diag.Pos{}, diag.BadValue, "-lend takes the weights out of the object, -section puts them into a part of it").WithHelp("pass one of the two")
	}
	if o.Output == "-" && o.Lend {
		return diag.New(diag.Pos{}, diag.BadValue, "-lend writes the weights into a file beside the output, and -o - writes none")
	}
	if o.Activations != "" {
		if err := one("activations", o.Activations, pass.Ranges); err != nil {
			return err
		}
	}
	if o.Search != "" {
		if err := one("search", o.Search, robust.Methods()); err != nil {
			return err
		}
	}
	if o.Time > 0 && o.Search != "qstar" {
		return diag.New(diag.Pos{}, diag.BadValue, "-time is of -search qstar, which can end at any time").WithHelp("-search qstar -time %v", o.Time)
	}
	if o.Objective != "" {
		if err := one("objective", o.Objective, []string{pass.Mean, pass.Worst}); err != nil {
			return err
		}
	}
	b := o.Budget
	if (b.Cycles > 0 || b.CyclesOfInt8 > 0) && o.Level != string(pass.Robust) {
		return diag.New(diag.Pos{}, diag.BadBudget, "-cycles bounds a search, and -O %s is none", o.Level).WithHelp("-O robust -cycles ...")
	}
	if (b.Bits > 0 || b.Bytes > 0 || b.Ratio > 0) && o.Level == string(pass.Int8) {
		return diag.New(diag.Pos{}, diag.BadBudget, "-bits, -size and -ratio bound a choice of widths, and -O int8 makes none").
			WithHelp("-O robust with it, or -O universal for one width everywhere")
	}
	if !(b.Keep >= 0 && b.Keep <= 1) {
		return diag.New(diag.Pos{}, diag.BadBudget, "-keep %v: a share of the robust accuracy is at most 1, and not below 0", b.Keep)
	}
	if o.MaxBits > 0 && o.MinBits > o.MaxBits {
		return diag.New(diag.Pos{}, diag.BadBudget, "-min %v is above -max %v", o.MinBits, o.MaxBits)
	}
	if o.Output == "-" && (len(o.Emit) > 1 || o.Depend && o.DependFile == "") {
		return diag.New(diag.Pos{}, diag.BadValue, "-o - writes one output to the standard output, and no file beside it").WithHelp("-emit one kind; -MF names the dependency file")
	}
	for _, f := range []struct {
		flag string
		n    int
	}{{"images", o.Images}, {"n", o.TestImages}} {
		if f.n < 0 {
			return diag.New(diag.Pos{}, diag.BadValue, "-%s %d: a number of images is 1 or more", f.flag, f.n)
		}
	}
	return nil
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
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || !(x > 0) || x > 32 {
			return nil, diag.New(diag.Pos{}, diag.BadBudget, "-%s %s: average bits a weight, as 0.5,1,2", flag, s)
		}
		sizes = append(sizes, x)
	}
	return sizes, nil
}
