package command

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	library "github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/compare"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/experiment"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pareto"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/decimal"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// A group is flags that go together. A command has the flags of its groups; each flag is
// declared in one group.
type group func(fs *flag.FlagSet, o *driver.Options)

// loading is how a network is read, whatever its format.
func loading(fs *flag.FlagSet, o *driver.Options) {
	fs.Func("shape", "the shape of an `input` of an ONNX model, batch included: image=1,3,224,224", shapeOf(o))
	fs.Func("outputs", "values of an ONNX model that the network returns, `a,b`: what they do not need is left out", func(s string) error {
		for _, name := range strings.Split(s, ",") {
			if name == "" {
				return errors.New("an empty name")
			}
			o.Outputs = append(o.Outputs, name)
		}
		return nil
	})
	fs.BoolFunc("exact", "of a quantized model: keep its integers; -exact=false makes it a float network first (default: where they can be kept, unless -O asks for other widths)", func(s string) error {
		_, err := strconv.ParseBool(s)
		o.Exact = s
		return err
	})
	fs.StringVar(&o.Signature, "signature", "", "the signature or subgraph of a TensorFlow Lite model that is read, where it has several")
	fs.StringVar(&o.Kernels, "kernels", "", "whose integers a quantized TensorFlow Lite model keeps: reference, those of its reference kernels, which is the default, or optimized")
	contents(fs, o)
	outside(fs, o)
}

// contents is what inputs hold.
func contents(fs *flag.FlagSet, o *driver.Options) {
	fs.Func("range", "the reals of an `input` of a model: image=0,1, which is the default", rangeOf(o))
	fs.Func("kind", "what an `input` of a model or a data set holds, of which kinds of error make sense: audio=signal, \"x=signal axis: 0\" of time along an axis, or the kind of an only input alone; "+strings.Join(ir.ContentKinds, ", ")+" (default: by its shape)", contentOf(o))
}

// outside is for commands that read a text, and what the text names.
func outside(fs *flag.FlagSet, o *driver.Options) {
	fs.BoolVar(&o.AllowOutside, "allow-outside", false, "let a network or a model name files outside its folder, also by links")
}

func targeting(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Target, "target", "", "the processor family; dnnc targets lists them")
	fs.StringVar(&o.CPU, "mcpu", "", "a `processor` of the family")
	fs.StringVar(&o.Attr, "mattr", "", "`features` added to the family's or taken away: +dotprod, -dsp")
}

// warning is what becomes of warnings, by their names.
func warning(fs *flag.FlagSet, o *driver.Options) {
	fs.BoolFunc("Werror", "warnings are errors: exit code 1, and build writes nothing; -Werror=name,name of some; dnnc help warnings lists them", o.Warnings.SetErrors)
	for _, k := range diag.WarningKinds {
		fs.BoolFunc("Wno-"+k.Name, "print no warning ["+k.Name+"]; the certificate lists it all the same", func(s string) error {
			silent, err := strconv.ParseBool(s)
			o.Warnings.Silence(k.Name, silent)
			return err
		})
	}
}

// disturbing is which errors images are disturbed by.
func disturbing(fs *flag.FlagSet, o *driver.Options) {
	o.Errors = disturb.Default
	fs.Func("errors", "`errors` to choose and to measure under: kind=size,size;input:kind, all, none or default, which is by what the first input holds; help lists the kinds", func(s string) error {
		if strings.Trim(s, " ;") == "" {
			return errors.New("it names no error: none says so")
		}
		o.Errors, o.ErrorsGiven = s, true
		return nil
	})
	o.Seed = 1
	fs.Var(whole[uint64]{&o.Seed, 0}, "seed", "`number` of the random draws: of disturbances, of noise, and of the images that are drawn")
}

// reporting is on which images a network is measured.
func reporting(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Data, "data", "", "images to verify and report on")
	few(fs, o)
	judging(fs, o)
}

// reading is what data sets have.
func reading(fs *flag.FlagSet, o *driver.Options) {
	fs.Func("inputs", "of data sets: a `list` of the arrays, or of the columns of a CSV by name, number or range as 1-12, that are the network's inputs (default: found by their shapes)", names(&o.Sets.Inputs))
	fs.Func("labels", "of data sets: a `list` of the arrays or columns that are labels, of several results as box=y2; none: there are none (default: found by their shapes)", names(&o.Sets.Labels))
	fs.BoolVar(&o.Sets.Resize, "resize", false, "scale the pictures of a folder to the size that the network takes, by area, without regard to their proportions; masks to the size of the result")
}

// judging is what a network is measured by.
func judging(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Task, "task", "", "what the results mean, by which networks are judged: "+strings.Join(measure.Tasks(), ", ")+", for classes of positions an axis (\"classes axis: 0\"), of several results each (\"box=values weight: 2, score=classes\"); inferred where it cannot be mistaken")
	fs.BoolVar(&o.DataAsIs, "data-as-is", false, "measure data that seem to be misread all the same: a warning rather than an error")
}

// scoring is a measure of the user's own: of a command line alone, never of a file that a
// network or an experiment comes from.
func scoring(fs *flag.FlagSet, o *driver.Options) {
	fs.Func("metric", "judge answers by this `program` too: it gets the paths of answers.npz and labels.npz after its own arguments, and prints one number", func(s string) (err error) {
		if o.Metric, err = words(s); err == nil && len(o.Metric) == 0 {
			err = errors.New("no program")
		}
		return err
	})
	fs.Func("detect", "compare detections with the float network's at IoU .5: `results` as \"boxes: NAME, scores: NAME, form: xyxy\" ("+strings.Join(measure.BoxForms(), ", ")+"), and \"least: 0\" of scores that are no probabilities", func(s string) error {
		if o.Detect = s; strings.TrimSpace(s) == "" {
			return errors.New("it names no results")
		}
		return nil
	})
	o.MetricTime = time.Minute
	fs.Var(duration{&o.MetricTime}, "metric-time", "what one call of the program of -metric may take, a `time` above 0")
}

func few(fs *flag.FlagSet, o *driver.Options) {
	fs.Var(whole[int]{&o.TestImages, 1}, "n", "at most this `number` of the images to report on, drawn evenly over the data set with -seed (default all, of verify 100)")
}

// calibrating is how the ranges of activations are found.
func calibrating(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Calib, "calib", "", "images that calibration and search may see")
	fs.Var(whole[int]{&o.Images, 1}, "images", "`number` of calibration images used, drawn evenly over the data set with -seed (default 512, for a search 2048)")
	fs.StringVar(&o.Activations, "activations", pass.MinMax, "how activations' ranges are calibrated: "+strings.Join(pass.Ranges, ", ")+"; and their bits: "+strings.Join(pass.ActivationBits, ", ")+"; one of each with a comma between them")
}

// quantizing is how a network becomes integers.
func quantizing(fs *flag.FlagSet, o *driver.Options) {
	o.Level = string(pass.Int8)
	fs.Var(levels{o}, "O", "how widths are chosen: "+strings.Join(pass.Levels, ", ")+"; and size, alone or after a comma: loops rather than unrolled code")
	fs.Var(streaming{o}, "stream", "a network over time runs frame by frame: each run takes as few frames of the input as strides along time allow, or so many as -stream=8 says, and keeps in the arena what the next run needs")
	fs.BoolVar(&o.Rows, "rows", false, "the program gives the input, an image, row by row: the object asks a function of the program's for each row when it needs it, and the image is never whole in memory")
	fs.Var(whole[int]{&o.Threads, 1}, "threads", "on targets of Linux: compute large layers in at most this `number` of parts, which a function that the program passes to PREFIX_run_threads may run side by side; the integers stay the same")
	calibrating(fs, o)
	fs.StringVar(&o.Rounding, "rounding", "", "nearest or compensated; chosen by width when absent")
	fs.Func("fix", "formats of layers, a `list` as conv1=8,fc1=odd2", list(&o.Fix))
	fs.Func("min", "least `bits` a weight of every layer, 0 is no bound", bits(&o.MinBits))
	fs.Func("max", maxUsage, bits(&o.MaxBits))
	o.Formats = robust.Default
	fs.Func("formats", "what a search chooses from, a `list` of odd, vec, code or formats as odd3, vec4x16 (default odd,vec)", list(&o.Formats))
	fs.StringVar(&o.Objective, "objective", pass.Mean, "what a search makes least, the divergence under all kinds of error: mean or worst")
	fs.Func("cycles", "upper bound on the estimated cycles of the layers with weights on the target: a number, or a share of int8's, as `0.6x`; free: none, where -O robust keeps to int8's unless a budget needs more", cycles(&o.Budget))
	fs.Func("ram", "upper bound on the arena in bytes, as `24KiB`, checked when kernels are selected; free: none, where -O robust keeps to int8's if kernels can", ram(&o.Budget))
	fs.Func("mem", "upper bound on memory beyond the files that are read in place, as `4GiB`, its default; what does not fit is computed again, or refused with the bytes that it takes", size(&o.Memory))
	fs.StringVar(&o.Checkpoint, "checkpoint", "", "keep what a search measures in this `file`, and go on from it")
	storing(fs, o)
	fs.StringVar(&o.Search, "search", "", "the method of -O robust: "+strings.Join(robust.Methods(), ", ")+" (default "+robust.Methods()[0]+")")
	fs.Var(duration{&o.Time}, "time", "of -search qstar, which goes on for this `time`: 10s; Ctrl-C ends it, too, and ships the best so far")
}

// storing is of what is measured.
func storing(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Sharing.Store, "store", "", "keep all that a search measures in this `folder`, and take from it what any search has measured; others that search at the same time share it")
}

// rechecking is of answers that others have computed.
func rechecking(fs *flag.FlagSet, o *driver.Options) {
	fs.Func("recheck", "compute this `share` of the answers of -store or -cluster again, 0.01 is one in a hundred, and end where one differs", share(&o.Sharing.Recheck))
}

// clustering is how a cluster is reached.
func clustering(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Sharing.Cluster.URL, "cluster", "", "search with the workers of this NATS server, a `URL`: nats://127.0.0.1:4222 on this machine, tls://HOST:4222 elsewhere")
	fs.StringVar(&o.Sharing.Cluster.Credentials, "credentials", "", "the `file` of a user's credentials for -cluster")
	fs.StringVar(&o.Sharing.Cluster.CA, "tls-ca", "", "the `file` of the authority that certifies the server of -cluster, where the system does not know it")
	fs.StringVar(&o.Sharing.Cluster.Name, "cluster-name", "", "first part of the names of the buckets that -cluster keeps, a `name` (default dnnc)")
}

// serving is of the server of a cluster.
func serving(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Server.Dir, "dir", "", "the `folder` of the server's buckets")
	o.Server.Listen = "127.0.0.1:4222"
	fs.StringVar(&o.Server.Listen, "listen", o.Server.Listen, "the `address` that it listens at; one that other machines see needs -tls-cert and -tls-key")
	fs.StringVar(&o.Server.TokenFile, "token", "", "a `file` whose line others name in their URL, tls://LINE@HOST:4222; needed where other machines see the server")
	fs.StringVar(&o.Server.Cert, "tls-cert", "", "the `file` of the server's certificate")
	fs.StringVar(&o.Server.Key, "tls-key", "", "the `file` of its key")
}

// sharing is of searches by several processes.
func sharing(fs *flag.FlagSet, o *driver.Options) {
	o.Sharing.Workers = 1
	fs.Var(whole[int]{&o.Sharing.Workers, 1}, "workers", "`number` of processes that search, this one among them, over the folder of -store or one for the time; -mem is for all together, and the result has the same bytes")
}

// tuning is how the quantized network is moved towards the float network.
func tuning(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Tune.Effort, "tune", "", "move the numbers of the quantized network by gradients towards the float network's answers, an `effort`: "+strings.Join(pass.TuneEfforts, ", ")+", or a number of multiply-adds as 2e12; never at -O int8 (default off)")
	fs.StringVar(&o.Tune.Augment, "augment", "", "how images of -tune are moved beside their errors, a `list` of "+strings.Join(pass.Augments, ", ")+" (default by what the input holds)")
}

// budget is the size that a choice of widths has to keep.
func budget(fs *flag.FlagSet, o *driver.Options) {
	fs.Func("bits", "average bits a weight", positive(&o.Budget.Bits))
	fs.Func("size", "bytes of weights and their channels' constants: a number, or `64KiB`", size(&o.Budget.Bytes))
	fs.Func("ratio", "times smaller than float32", positive(&o.Budget.Ratio))
	o.Budget.Keep = library.DefaultKeep
	fs.Func("keep", fmt.Sprintf("share of the robust accuracy that the network must be shown to keep, on images of -calib that nothing else sees, or nothing is built; without it a search aims at an estimate of %v", library.DefaultKeep), func(s string) error {
		o.Budget.Promised = true
		return share(&o.Budget.Keep)(s)
	})
}

// stages is which passes run, and what is seen of them.
func stages(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.StartAfter, "start-after", "", "start after this `pass`; a dump's first line says it already")
	fs.StringVar(&o.StopAfter, "stop-after", "", "the last `pass` to run")
	fs.StringVar(&o.DumpDir, "dump-dir", "", "write the module after each pass into this `folder`")
	fs.StringVar(&o.Debug, "d", "", "help lists the passes; <pass>/dump prints the module after one")
	fs.BoolVar(&o.Validate, "check-passes", false, "execute the module before and after each pass on random inputs, and compare")
	fs.BoolVar(&o.Validate, "verify", false, "the former name of -check-passes; dnnc verify is another proof")
	fs.BoolVar(&o.TimePasses, "time-passes", false, "print the time of each pass")
}

// linking is the C interface of an object, and what makes it.
func linking(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Prefix, "prefix", "", "of every symbol and macro; the network's name when absent")
	fs.BoolVar(&o.Hooks, "hooks", false, "call PREFIX_hook, which the program has, before and after each step")
	fs.StringVar(&o.Section, "section", "", "the `section` of the object in which weights lie: .extflash")
	fs.BoolVar(&o.Lend, "lend", false, "leave the weights out of the object: into a file that ends in .weights, whose place in memory the program passes")
	fs.StringVar(&o.LLVM, "llvm", "", "the `version` of LLVM to use; the newest tested one when absent")
}

func output(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Output, "o", "", "output `file`; the others take its name and their own ending; - is the standard output")
}

func writing(fs *flag.FlagSet, o *driver.Options) {
	fs.Func("emit", "what to write, a `list` of "+strings.Join(driver.Emits(), ", ")+" (default obj)", list(&o.Emit))
	fs.Func("report", "what to print, a `list` of "+strings.Join(driver.Reports, ", "), list(&o.Report))
	fs.BoolVar(&o.Depend, "MD", false, "write what the output was made from as a rule for make and ninja, into a file that ends in .d")
	fs.StringVar(&o.DependFile, "MF", "", "as -MD, into this `file`")
}

// timing is of commands that write files which say nothing of time.
func timing(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Stats, "stats", "", "write what differs from run to run, times, to this `file`")
}

func asJSON(fs *flag.FlagSet, o *driver.Options) {
	fs.BoolVar(&o.JSON, "json", false, "print JSON")
}

func asCSV(fs *flag.FlagSet, o *driver.Options) {
	fs.BoolVar(&o.CSV, "csv", false, "print CSV")
}

// sizing is the budgets that several methods are compared at.
func sizing(fs *flag.FlagSet, o *driver.Options) {
	fs.Func("sizes", "a `list` of average bits a weight (default of compare "+strings.Join(compare.Sizes, ",")+", of pareto "+strings.Join(pareto.Sizes, ",")+", of report "+strings.Join(experiment.Sizes, ",")+")", list(&o.Sizes))
}

func contesting(fs *flag.FlagSet, o *driver.Options) {
	fs.Func("methods", "a `list` of methods of -search (default "+strings.Join(compare.Methods, ",")+"; of report the first four)", list(&o.Methods))
	o.Seeds = 1
	fs.Var(whole[int]{&o.Seeds, 1}, "seeds", "`number` of seeds, from -seed on")
}

func besides(fs *flag.FlagSet, o *driver.Options) {
	fs.Var(whole[int]{&o.Proved, 1}, "proved", "decide so many `images` of -data at every size of those of -errors that move every element one way, and show what is proved beside what is measured")
}

func keeping(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Results, "results", "", "keep every outcome in this `folder`, and go on from it")
}

func guiding(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Network, "network", "", "disturb: the `network` whose gradient guides errors; verify: the network that an object was built from, where it is now")
}

// The flags of one command.

func verifying(fs *flag.FlagSet, o *driver.Options) {
	fs.BoolVar(&o.RunUnknown, "run-unknown", false, "run an object that is not what its certificate describes; an object is code")
}

func proving(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Proof, "check", "", "hold the proof of this `file` to the network: at both ends of every range and at random sizes inside, by the interpreter, and by the object where a target is named")
	fs.StringVar(&o.Page, "page", "", "write a page for people to this `file` (.html): what is proved beside what is measured, and counterexamples as pictures")
	o.Draws = 1000
	fs.Var(whole[int]{&o.Draws, 1}, "draws", "of an error that is random: so many `draws` for each image and size, before the first of which the number stands in the proof")
	o.Points = 4
	fs.Var(whole[int]{&o.Points, 1}, "points", "of -check: so many random `points`, sizes inside each range, and places and draws of each error that has these")
	fs.BoolVar(&o.Resume, "resume", false, "go on from the file of -o, where an interruption ended it")
}

func counting(fs *flag.FlagSet, o *driver.Options) {
	fs.BoolVar(&o.Layers, "layers", false, "count each layer, too")
}

func picturing(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Sheet, "sheet", "", "write a contact sheet of the kinds to this `file`")
}

func bounding(fs *flag.FlagSet, o *driver.Options) {
	fs.Var(boundary{o}, "boundary", "the sizes of error at which answers become wrong, to 1/128; -boundary=exact decides each size of the integers' errors that move every element one way, as certify does")
	fs.StringVar(&o.Plane, "plane", "", "draw the decision boundary on the plane through three images to this `file`, PNG or SVG")
	fs.StringVar(&o.Directions, "directions", "", "span the plane by the first image and two `errors`: \"fog=0.5;gaussian=0.3\"")
}

func recording(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Record, "record", "", "keep every outcome in this CSV `file`, and go on from it")
}

func differing(fs *flag.FlagSet, o *driver.Options) {
	fs.StringVar(&o.Diff, "diff", "", "print what changed between two `passes`: infer,legalize")
}

func studying(fs *flag.FlagSet, o *driver.Options) {
	fs.BoolVar(&o.Quick, "quick", false, "with what the files' section quick says, in minutes")
	fs.BoolVar(&o.Full, "full", false, "with all that the files say, which is the default")
	fs.StringVar(&o.Readme, "readme", "", "refresh the summary in this `file`")
}

// maxUsage is of one flag of two commands: a bound on layers, and bounds on a build.
const maxUsage = "greatest bits a weight of every layer, 0 is no bound; of dnnc diff, limits of what the new build may add: flash=+2%,ram=+0,cycles=+2%,loss=+0.5, also of arena and weights"

func limiting(fs *flag.FlagSet, o *driver.Options) {
	fs.Func("max", maxUsage, o.Guard.Max.Set)
	fs.BoolVar(&o.Guard.Accept, "accept", false, "write the new certificate over the old one, whatever changed")
}

func explaining(fs *flag.FlagSet, o *driver.Options) {
	fs.BoolVar(&o.Verbose, "v", false, "say why a case is unsupported")
}

// names reads names that are apart by commas, and may have spaces.
func names(into *[]string) func(string) error {
	return func(s string) error {
		*into = nil
		for _, name := range strings.Split(s, ",") {
			if name = strings.TrimSpace(name); name == "" {
				return fmt.Errorf("%q has an empty name", s)
			}
			*into = append(*into, name)
		}
		return nil
	}
}

// list reads words that are apart by commas or spaces.
func list(into *[]string) func(string) error {
	return func(s string) error {
		*into = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
		if len(*into) == 0 {
			return fmt.Errorf("%q names nothing", s)
		}
		return nil
	}
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

// streaming is the flag -stream: alone, or with the frames of a run.
type streaming struct{ o *driver.Options }

// String is the frames of a run; "" of none.
func (s streaming) String() string {
	switch {
	case s.o == nil || s.o.Stream == 0:
		return ""
	case s.o.Stream == pass.LeastHop:
		return "true"
	}
	return strconv.Itoa(s.o.Stream)
}

func (s streaming) Set(text string) error {
	if is, err := strconv.ParseBool(text); err == nil && text != "1" && text != "0" {
		s.o.Stream = 0
		if is {
			s.o.Stream = pass.LeastHop
		}
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return errors.New("a number of frames from 1 on, or no value for as few as possible")
	}
	s.o.Stream = n
	return nil
}

// IsBoolFlag lets the flag stand alone.
func (s streaming) IsBoolFlag() bool { return true }

// boundary is the flag -boundary: alone, or exact.
type boundary struct{ o *driver.Options }

const exact = "exact"

// String is how distances are found; "" of none.
func (b boundary) String() string {
	switch {
	case b.o == nil || !b.o.Boundary:
		return ""
	case b.o.ExactBoundary:
		return exact
	}
	return "true"
}

func (b boundary) Set(text string) error {
	is, err := strconv.ParseBool(text)
	if b.o.ExactBoundary = text == exact; err != nil && !b.o.ExactBoundary {
		return errors.New("exact, or no value for a search to 1/128")
	}
	b.o.Boundary = is || b.o.ExactBoundary
	return nil
}

// IsBoolFlag lets the flag stand alone.
func (b boundary) IsBoolFlag() bool { return true }

// positive reads a number above 0.
func positive(into *float64) func(string) error {
	return func(s string) error {
		x, err := decimal.Float(s, 64)
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
		x, err := decimal.Float(number, 64)
		if err != nil || !(x*float64(factor) >= 1) || x*float64(factor) > 1<<40 {
			return fmt.Errorf("%q is no size; write 65536, 64KiB or 1.5MiB", s)
		}
		*into = int(x * float64(factor))
		return nil
	}
}

// free is the value of -cycles and -ram that lifts the default limits.
const free = "free"

// ram reads a bound on the arena.
func ram(b *pass.Budget) func(string) error {
	return func(s string) error {
		if s == free {
			b.RAM, b.FreeRAM = 0, true
			return nil
		}
		b.FreeRAM = false
		return size(&b.RAM)(s)
	}
}

// cycles reads a number of them, or a share of those of int8.
func cycles(b *pass.Budget) func(string) error {
	return func(s string) error {
		if b.FreeCycles = s == free; b.FreeCycles {
			b.Cycles, b.CyclesOfInt8 = 0, 0
			return nil
		}
		number, isShare := strings.CutSuffix(s, "x")
		x, err := decimal.Float(number, 64)
		if err != nil || !(x > 0) || math.IsInf(x, 0) {
			return fmt.Errorf("%q is no number of cycles; write 12000000, 12e6, of int8's 0.6x, or free", s)
		}
		if b.Cycles, b.CyclesOfInt8 = x, 0; isShare {
			b.Cycles, b.CyclesOfInt8 = 0, x
		}
		return nil
	}
}
