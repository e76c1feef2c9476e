// Command dnnc compiles a deep neural network for an embedded processor.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/bench"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/compare"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/eval"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/experiment"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pareto"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/terminal"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/texts"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/verify"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/runtime/input"
)

// The exit codes.
const (
	done     = 0
	atFault  = 1 // the input
	badUsage = 2
	internal = 3
)

// A command is a word after dnnc.
type command struct {
	name, usage, doc string
	run              func(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error
	noTarget         bool // runs without -target
	anyFiles         bool // takes any number of files
}

// commands are in the order of the help; the first is the default.
var commands = []command{
	{"build", "[flags] net.dnn -target T", "compile a network to an object, its header and its certificate", driver.Build, false, false},
	{"import", "[flags] model.onnx [-o net.dnn]", "turn a model of another format into a text and a tensors file", importModel, true, false},
	{"conformance", "DIR [-v]", "run the cases in a folder: ONNX models with the inputs and outputs that others computed", conformance, true, false},
	{"verify", "[flags] net.o | net.dnn -target T [-n N]", "prove a shipped object by its certificate, or a network: run the object and compare every integer with the interpreter's", verify.Run, false, false},
	{"bench", "[flags] net.dnn -target T [-layers]", "count the object's instructions under the emulator", bench.Run, false, false},
	{"disturb", "-errors KIND=SIZE in.png -o out.png", "disturb a picture or a data set; -sheet out.png shows all kinds", disturbImages, true, false},
	{"eval", "[flags] net.dnn [-errors LIST]", "measure a network, clean and under errors; with -O what it becomes", eval.Run, true, false},
	{"fmt", "net.dnn [-o FILE]", "write a network as dumps are written; comments stay", texts.Format, true, false},
	{"dump", "[flags] net.dnn [-diff A,B]", "print the module after a pass, or what the passes from A to B changed", texts.Dump, true, false},
	{"compare", "[flags] net.dnn [-sizes LIST]", "give several methods of search the same bytes, and measure what they make", compare.Run, true, false},
	{"pareto", "[flags] net.dnn [-o curve.svg]", "every size at once: the trade-off of one run of Qed, as table, CSV, JSON or SVG", pareto.Run, true, false},
	{"experiment", "[-quick] [FILE.exp...] [-results DIR]", "run the study of the paper, or what files ask, and write a report; goes on where it was interrupted", experiment.Run, true, true},
	{"report", "[flags] net.dnn -data FILE", "the same study of a network of your own, as one HTML page", experiment.Report, true, false},
}

func main() {
	if code, is := supervised(os.Args); is {
		os.Exit(code)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go interrupts(stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// enough is set by the first interrupt of an anytime search, which then ends with
// the best that it has; anytime says that one runs.
var enough, anytime atomic.Bool

// interrupts ends an anytime search at the first Ctrl-C and everything at the next.
func interrupts(stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	for range signals {
		if anytime.Load() && !enough.Swap(true) {
			fmt.Fprintln(os.Stderr, "\ndnnc: the search ends with its best so far; interrupt again to give up")
			continue
		}
		stop()
	}
}

// run is dnnc with its arguments. Results that could not be printed are none, whatever
// the command made of them.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out, messages := terminal.New("standard output", stdout), terminal.New("standard error", stderr)
	code := dispatch(ctx, args, out, messages)
	if err := out.Close(); err != nil && code == done {
		code = exitCode(err, messages)
	}
	_ = messages.Close() // there is nobody to be told
	return code
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "targets" {
		targets(stdout)
		return done
	}
	if len(args) == 1 && args[0] == "ops" {
		printOps(stdout)
		return done
	}
	args, responses, err := expanded(args)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return badUsage
	}
	if code, isTool := runTool(ctx, args, os.Stdin, stdout, stderr); isTool {
		return code
	}
	c := &commands[0]
	if len(args) > 0 {
		if i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] }); i >= 0 {
			c, args = &commands[i], args[1:]
			if asksForHelp(args) {
				return exitCode(help(ctx, []string{c.name}, nil, stdout, stderr), stderr)
			}
		}
	}
	o, files, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitCode(help(ctx, nil, nil, stderr, stderr), stderr)
	case err != nil:
		fmt.Fprintf(stderr, "dnnc: %v; dnnc help %s lists the flags\n", err, c.name)
		return badUsage
	case o.Debug == "help":
		for _, p := range passes.Table {
			fmt.Fprintf(stdout, "%-16s %s\n", p.Name, p.Why)
		}
		return done
	}
	if o.Errors == "help" {
		listErrors(stdout)
		return done
	}
	switch {
	case len(files) != 1 && !c.anyFiles:
		fmt.Fprintf(stderr, "dnnc: dnnc %s takes one file, not %d; dnnc -help\n", c.name, len(files))
		return badUsage
	case o.Target == "" && !c.noTarget && !(c.name == "verify" && driver.IsShipped(files[0])): // whose certificate names it
		fmt.Fprintf(stderr, "dnnc: no -target; dnnc targets lists them: %s\n", strings.Join(processor.Names(), " "))
		return badUsage
	}
	o.Inputs, o.Enough, o.Responses = files, enough.Load, responses
	if len(files) > 0 {
		o.Input = files[0]
	}
	if err := o.Files().Check(); err != nil {
		return exitCode(err, stderr)
	}
	anytime.Store(o.Search == "qstar")
	return exitCode(guarded(ctx, c, o, stdout, stderr), stderr)
}

// targets lists the processors and what runs their programs here, by which
// verify and the project's tests prove what is compiled for them.
func targets(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "target\tprocessors\tverified by")
	for _, t := range processor.All() {
		doc := t.Doc
		if strings.ContainsAny(t.Name, ":+") {
			doc = "" // its family stands above
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", t.Name, doc, emu.Describe(t))
	}
	w.Flush()
	fmt.Fprintln(out, "\n-mcpu and -mattr refine a family; dnnc verify compares every integer of a network on its target.")
}

// guarded runs a command; a panic is a fault of dnnc's, reported as an error.
func guarded(ctx context.Context, c *command, o driver.Options, stdout, stderr io.Writer) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = recovered(r, c.name+" of "+o.Input)
		}
	}()
	return c.run(ctx, o, stdout, stderr)
}

// recovered is the error of a panic: the input's fault where a mapped file became shorter,
// or else dnnc's.
func recovered(r any, what string) error {
	value := r
	if p, ok := r.(*parallel.Panic); ok {
		value = p.Value
	}
	if path, is := input.Shrunk(value); is {
		return diag.New(diag.Pos{File: path}, diag.BadFile, "became shorter while dnnc used it").WithHelp("leave it alone until dnnc has ended")
	}
	return fmt.Errorf("internal error in dnnc %s: %v\n%s", what, r, debug.Stack())
}

// parse reads flags and files in any order.
func parse(args []string) (o driver.Options, files []string, err error) {
	fs := flags(&o, io.Discard)
	fs.Usage = func() {}
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return o, nil, likely(fs, err)
		}
		if args = fs.Args(); len(args) > 0 {
			files, args = append(files, args[0]), args[1:]
		}
	}
	fs.Visit(func(f *flag.Flag) { o.ErrorsGiven = o.ErrorsGiven || f.Name == "errors" })
	return o, files, nil
}

// likely adds to the error of an unknown flag the one that was meant.
func likely(fs *flag.FlagSet, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return err
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := diag.Suggest(name, names); near != "" && len(name) > 1 {
		return fmt.Errorf("no flag -%s; did you mean -%s?", name, near)
	}
	return fmt.Errorf("no flag -%s", name)
}

// levels is the value of -O: a level, and size.
type levels struct{ o *driver.Options }

// String is the level, of which flags show the default.
func (l levels) String() string {
	if l.o == nil { // as package flag makes one, to learn what is no default
		return ""
	}
	return l.o.Level
}

// Set takes a list, and nothing of one before it; options are checked all together.
func (l levels) Set(list string) error {
	l.o.Small, l.o.Level = false, string(pass.Int8)
	level := ""
	for _, s := range strings.Split(list, ",") {
		switch {
		case s == "size":
			l.o.Small = true
		case level != "":
			return fmt.Errorf("%s and %s are two levels", level, s)
		default:
			level, l.o.Level = s, s
		}
	}
	return nil
}

// flags are all flags of commands, which the help, the man page and completions are
// made of, too; they set o.
func flags(o *driver.Options, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet("dnnc", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintln(stderr, "usage:")
		for _, c := range commands {
			fmt.Fprintf(stderr, "  dnnc %-7s %-36s %s\n", c.name, c.usage, c.doc)
		}
		for _, t := range tools {
			fmt.Fprintf(stderr, "  dnnc %-7s %-36s %s\n", t.name, t.usage, t.doc)
		}
		fmt.Fprintf(stderr, "  dnnc targets, dnnc ops\nflags:\n")
		fs.PrintDefaults()
	}
	list := func(into *[]string) func(string) error {
		return func(s string) error {
			*into = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
			return nil
		}
	}
	o.Level = string(pass.Int8)
	fs.Var(levels{o}, "O", "how widths are chosen: "+strings.Join(pass.Levels, ", ")+"; and size, alone or behind a comma: loops rather than unrolled code")
	fs.StringVar(&o.Target, "target", "", "the processor family; dnnc targets lists them")
	fs.StringVar(&o.CPU, "mcpu", "", "a `processor` of the family")
	fs.StringVar(&o.Attr, "mattr", "", "`features` added to the family's or taken away: +dotprod, -dsp")
	fs.StringVar(&o.Output, "o", "", "output `file`; the others take its name and their own ending; - is the standard output")
	fs.Func("emit", "what to write, a `list` of "+strings.Join(driver.Emits(), ", ")+" (default obj)", list(&o.Emit))
	fs.Func("report", "what to print, a `list` of "+strings.Join(driver.Reports, ", "), list(&o.Report))
	fs.StringVar(&o.Calib, "calib", "", "images that calibration and search may see")
	fs.StringVar(&o.Data, "data", "", "images to verify and report on")
	fs.IntVar(&o.TestImages, "n", 0, "at most this many of the images to report on; verify takes 100 unless told")
	fs.StringVar(&o.Errors, "errors", "gaussian=0.05,0.1,0.15", "errors to choose and to measure under: kind=size,size;kind, all or none; help lists the kinds")
	fs.StringVar(&o.Task, "task", "", "what the results mean, by which networks are judged: classes is one label an item; found out where it cannot be mistaken")
	fs.StringVar(&o.Rounding, "rounding", "", "nearest or compensated; chosen by width when absent")
	fs.StringVar(&o.Activations, "activations", pass.MinMax, "how activations' ranges are calibrated: "+strings.Join(pass.Ranges, ", "))
	fs.StringVar(&o.StartAfter, "start-after", "", "start behind this `pass`; a dump's first line says it already")
	fs.StringVar(&o.StopAfter, "stop-after", "", "the last `pass` to run")
	fs.StringVar(&o.DumpDir, "dump-dir", "", "write the module after each pass into this `folder`")
	fs.StringVar(&o.Debug, "d", "", "help lists the passes; <pass>/dump prints the module after one")
	fs.StringVar(&o.Prefix, "prefix", "", "of every symbol and macro; the network's name when absent")
	fs.BoolVar(&o.Validate, "verify", false, "execute the module before and behind each pass on random inputs, and compare")
	fs.BoolVar(&o.RunUnknown, "run-unknown", false, "verify: run an object that is not what its certificate describes; an object is code")
	fs.BoolVar(&o.Hooks, "hooks", false, "call PREFIX_hook, which the program has, before and behind each step")
	fs.StringVar(&o.Section, "section", "", "the `section` of the object in which weights lie: .extflash")
	fs.BoolVar(&o.Lend, "lend", false, "leave the weights out of the object: into a file that ends in .weights, whose place in memory the program passes")
	fs.StringVar(&o.LLVM, "llvm", "", "the `version` of LLVM to use; the newest tested one when absent")
	fs.StringVar(&o.Stats, "stats", "", "write what differs from run to run, times, to this `file`")
	fs.Func("fix", "formats of layers, a `list` as conv1=8,fc1=odd2", list(&o.Fix))
	o.Formats = robust.Default
	fs.Func("formats", "what a search chooses from, a `list` of odd, vec, code or formats as odd3, vec4x16 (default odd,vec)", list(&o.Formats))
	fs.Func("bits", "average bits a weight", positive(&o.Budget.Bits))
	fs.Func("size", "bytes of weights and their channels' constants: a number, or `64KiB`", size(&o.Budget.Bytes))
	fs.Func("ratio", "times smaller than float32", positive(&o.Budget.Ratio))
	fs.Float64Var(&o.Budget.Keep, "keep", .99, "share of the robust accuracy to keep")
	fs.Func("cycles", "greatest estimated cycles of the layers with weights on the target: a number, or a share of int8's, as `0.6x`", cycles(&o.Budget))
	fs.Func("ram", "greatest bytes of the arena, as `24KiB`, checked once formats are chosen", size(&o.Budget.RAM))
	fs.Func("mem", "what a search may keep in memory, as `4GiB`; what does not fit is computed again", size(&o.Memory))
	fs.StringVar(&o.Search, "search", "", "the method of -O robust: "+strings.Join(robust.Methods(), ", ")+" (default "+robust.Methods()[0]+")")
	fs.StringVar(&o.Objective, "objective", pass.Mean, "what a search makes least, the divergence under all kinds of error: mean or worst")
	fs.Float64Var(&o.MinBits, "min", 0, "least bits a weight of every layer")
	fs.Float64Var(&o.MaxBits, "max", 0, "greatest bits a weight of every layer; 0 is no bound")
	fs.DurationVar(&o.Time, "time", 0, "of -search qstar, which goes on until then: 10s; Ctrl-C ends it, too, and ships the best so far")
	fs.StringVar(&o.Checkpoint, "checkpoint", "", "keep what a search measures in this `file`, and go on from it")
	fs.IntVar(&o.Images, "images", 0, "calibration images used (default 512, for a search 2048)")
	fs.Uint64Var(&o.Seed, "seed", 1, "of disturbances and noise")
	fs.StringVar(&o.Sheet, "sheet", "", "disturb: write a contact sheet of the kinds to this `file`")
	fs.StringVar(&o.Network, "network", "", "disturb, verify: the `network` whose gradient guides errors, or where the one that an object was built from is now")
	fs.BoolVar(&o.JSON, "json", false, "eval, bench, pareto: print JSON")
	fs.BoolVar(&o.Layers, "layers", false, "bench: count each layer, too")
	fs.BoolVar(&o.CSV, "csv", false, "eval, pareto: print CSV")
	fs.BoolVar(&o.Boundary, "boundary", false, "eval: the sizes of error at which answers become wrong")
	fs.Func("sizes", "compare, pareto, report: a `list` of average bits a weight (default "+strings.Join(compare.Sizes, ",")+", "+strings.Join(pareto.Sizes, ",")+" and "+strings.Join(experiment.Sizes, ",")+")", list(&o.Sizes))
	fs.Func("methods", "compare, report: a `list` of methods of -search (default "+strings.Join(compare.Methods, ",")+"; of report the first four)", list(&o.Methods))
	fs.IntVar(&o.Seeds, "seeds", 1, "compare, report: seeds, from -seed on")
	fs.StringVar(&o.Record, "record", "", "compare: keep every outcome in this CSV `file`, and go on from it")
	fs.BoolVar(&o.Quick, "quick", false, "experiment: with what the files' section quick says, in minutes")
	fs.BoolVar(&o.Full, "full", false, "experiment: with all that the files say, which is the default")
	fs.StringVar(&o.Results, "results", "", "experiment, report: keep every outcome in this `folder`, and go on from it")
	fs.StringVar(&o.Readme, "readme", "", "experiment: refresh the summary in this `file`")
	fs.BoolVar(&o.Depend, "MD", false, "write what the output was made from as a rule for make and ninja, into a file that ends in .d")
	fs.StringVar(&o.DependFile, "MF", "", "the `file` of -MD")
	fs.StringVar(&o.Diff, "diff", "", "dump: print what changed between two `passes`: infer,legalize")
	fs.StringVar(&o.Plane, "plane", "", "eval: draw the decision boundary on the plane through three images to this `file`, PNG or SVG")
	fs.StringVar(&o.Directions, "directions", "", "eval: span the plane by the first image and two `errors`: \"fog=0.5;gaussian=0.3\"")
	fs.BoolFunc("exact", "of an int8 TensorFlow Lite model: keep its integers and its rounding; -exact=false makes it a float network first (default: unless -O asks for other widths)", func(s string) error {
		_, err := strconv.ParseBool(s)
		o.Exact = s
		return err
	})
	fs.BoolVar(&o.Verbose, "v", false, "conformance: say why a case is unsupported")
	fs.Func("shape", "import: the shape of an `input`, batch included: image=1,3,224,224", shapeOf(o))
	fs.Func("range", "import: the reals of an `input`: image=0,1, which is the default", rangeOf(o))
	fs.BoolVar(&o.AllowOutside, "allow-outside", false, "let a network or a model name files outside its folder, also by links")
	fs.BoolVar(&o.TimePasses, "time-passes", false, "print the time of each pass")
	return fs
}

// positive reads a number above 0.
func positive(into *float64) func(string) error {
	return func(s string) error {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || !(x > 0) || x > 1e6 {
			return fmt.Errorf("%q is no number above 0, and of at most a million", s)
		}
		*into = x
		return nil
	}
}

// size reads a number of bytes with an optional unit.
func size(into *int) func(string) error {
	return func(s string) error {
		number, factor := s, 1
		for unit, f := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1e3, "MB": 1e6} {
			if head, ok := strings.CutSuffix(s, unit); ok {
				number, factor = head, f
			}
		}
		x, err := strconv.ParseFloat(number, 64)
		if err != nil || !(x*float64(factor) >= 1) || x*float64(factor) > 1<<40 {
			return fmt.Errorf("%q is no size; write 65536, 64KiB or 1.5MiB", s)
		}
		*into = int(x * float64(factor))
		return nil
	}
}

// cycles reads a number of them, or a share of those of int8.
func cycles(b *pass.Budget) func(string) error {
	return func(s string) error {
		number, isShare := strings.CutSuffix(s, "x")
		x, err := strconv.ParseFloat(number, 64)
		if err != nil || !(x > 0) || math.IsInf(x, 0) {
			return fmt.Errorf("%q is no number of cycles; write 12000000, 12e6 or, of int8's, 0.6x", s)
		}
		if b.Cycles, b.CyclesOfInt8 = x, 0; isShare {
			b.Cycles, b.CyclesOfInt8 = 0, x
		}
		return nil
	}
}

// exitCode reports an error and says whose fault it is.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return done
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "dnnc: interrupted; files are as they were")
		return atFault
	}
	fmt.Fprintln(stderr, err)
	var d *diag.Diagnostic
	var broken *pass.Error
	switch {
	case errors.As(err, &broken), !errors.As(err, &d):
		return internal
	case d.Kind == diag.Clash:
		return badUsage
	}
	return atFault
}
