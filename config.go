package dnnc

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dnnc/dnnc/codegen"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Config is what a build needs to know beside the network. NewConfig fills in the
// defaults; the zero value of a field that a default is not named for is "none".
type Config struct {
	Target *processor.Target

	Level       pass.Level // how widths are chosen
	SmallCode   bool       // loops rather than unrolled code
	Rows        bool       // the caller gives the input, an image, row by row
	Threads     int        // of the caller that may compute an operation in parts; 0 and 1 are one
	Stream      int        // frames that a run of a network over time takes, pass.LeastHop for as few as possible; 0 runs it whole
	Search      string     // method of pass.Robust; "" is Qed
	Objective   string     // pass.Mean or pass.Worst; "" is the mean
	Budget      pass.Budget
	Formats     []ir.Elem          // that a search chooses from
	Fix         map[string]ir.Elem // formats of layers that the caller pins
	MinBits     float64            // least bits a weight of every layer
	MaxBits     float64            // greatest bits a weight of every layer; 0 is no bound
	Rounding    string             // quant.Nearest or quant.Compensated; "" chooses by width
	Activations string             // how ranges of activations are calibrated, and their bits: pass.Activations reads it
	Errors      string             // that a search disturbs inputs with, and that are measured, as -errors has them; "" is none
	Seed        uint64
	Tune        pass.Tune // of the quantized network; none at pass.Int8

	// Calibration loads n images at most, drawn evenly over a set and in no order of it (see
	// data.Draw): the first calibrate, and those after them are held out. Labels come with
	// them where there are some. Compile calls it once, where a pass needs images, and once more
	// where it tunes, for images that serve for nothing else: without it that is an error.
	Calibration func(n int) (data.Batch, error)
	Calibrate   int    // images that calibrate; 0 chooses by the level
	Task        string // what the result means; "" infers it where it cannot be mistaken

	Memory     int                 // bytes of activations that a search may keep; 0 is a default
	Checkpoint string              // file that keeps what a search measures
	Store      cells.Store         // keeps it, too, and shares it with others that search alike; may be nil
	Time       time.Duration       // of -search qstar; 0 is its own measure
	Enough     func() bool         // ends a search with the best so far; may be nil
	Chosen     []certificate.Layer // formats of a build that is done again: nothing is searched
	// Judged is the images that judged in that build. They are set apart again, so that the
	// same images calibrate.
	Judged int

	StartAfter, StopAfter string // passes; "" is by the module, and all

	Prefix  string // of every symbol; "" is the network's name
	Hooks   bool   // the caller's PREFIX_hook is called before and after each step
	Lend    bool   // the caller lends the weights
	Section string // in which weights lie
	LLVM    string // version; "" is the newest tested one that is installed

	// Progress is told of long work, Warn of each warning, Observe of each pass that ran.
	// Each may be nil.
	Progress func(what string, done, total int)
	Warn     func(w *diag.Warning)
	Observe  func(p *pass.Pass, took time.Duration, m *ir.Module) error
}

// DefaultKeep is the share of the robust accuracy that -O robust keeps unless it is told
// otherwise.
const DefaultKeep = .99

// NewConfig is an int8 build for a target, by the name that dnnc targets lists.
func NewConfig(target string) (Config, error) {
	t, err := processor.Find(target)
	if err != nil {
		return Config{}, err
	}
	c := Config{Target: t, Level: pass.Int8, Activations: pass.MinMax, Objective: pass.Mean, Budget: pass.Budget{Keep: DefaultKeep}, Errors: disturb.Default, Seed: 1}
	c.Formats, err = robust.Formats(robust.Default)
	return c, err
}

// Images is a Calibration of images that are in memory, of which it copies those that it
// draws.
func Images(b data.Batch) func(n int) (data.Batch, error) {
	return func(n int) (data.Batch, error) { return b.Pick(data.Draw(b.N, n, 1)), nil }
}

// sections are the names that a linker script can hold.
var sections = regexp.MustCompile(`^[._a-zA-Z][._a-zA-Z0-9]*$`)

// Check reports values that do not exist, or that contradict each other, by the names of
// the command's flags.
func (c *Config) Check() error {
	one := func(flag, value string, allowed []string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		d := diag.New(diag.Pos{}, diag.BadValue, "-%s %s: the values are %s", flag, value, strings.Join(allowed, " "))
		return d.WithSuggestion(value, allowed)
	}
	if !slices.Contains(pass.Levels, string(c.Level)) {
		d := diag.New(diag.Pos{}, diag.BadValue, "-O %s: the values are %s, and size with each", c.Level, strings.Join(pass.Levels, " "))
		return d.WithSuggestion(string(c.Level), append(slices.Clone(pass.Levels), "size"))
	}
	if c.Task != "" {
		if err := measure.CheckTask(c.Task); err != nil {
			return err
		}
	}
	if c.Errors != "" {
		if err := disturb.Check(c.Errors); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		flag, value string
		allowed     []string
	}{
		{"rounding", c.Rounding, []string{quant.Nearest, quant.Compensated}},
		{"search", c.Search, robust.Methods()}, {"objective", c.Objective, []string{pass.Mean, pass.Worst}},
	} {
		if f.value == "" {
			continue
		}
		if err := one(f.flag, f.value, f.allowed); err != nil {
			return err
		}
	}
	if _, err := c.Tune.MACs(0); err != nil {
		return diag.New(diag.Pos{}, diag.BadValue, "%v", err).WithSuggestion(c.Tune.Effort, pass.TuneEfforts)
	}
	if err := c.Tune.CheckAugment(); err != nil {
		return diag.New(diag.Pos{}, diag.BadValue, "%v", err)
	}
	if _, _, ok := pass.Activations(c.Activations); !ok {
		words := slices.Concat(pass.Ranges, pass.ActivationBits)
		d := diag.New(diag.Pos{}, diag.BadValue, "-activations %s: the values are %s, or one of the first %d and one of the others with a comma between them", c.Activations, strings.Join(words, " "), len(pass.Ranges))
		return d.WithSuggestion(c.Activations, words)
	}
	b := c.Budget
	switch {
	case c.Tune.IsOn() && c.stopsBefore(passes.Tuned):
		return diag.New(diag.Pos{}, diag.BadValue, "-tune %s: -stop-after %s ends before the pass %s", c.Tune.Effort, c.StopAfter, passes.Tuned).WithHelp("leave one of them out")
	case c.Tune.IsOn() && c.Level == pass.Int8 && c.Chosen == nil:
		return diag.New(diag.Pos{}, diag.BadValue, "-tune %s: -O int8 is never tuned, it loses next to nothing", c.Tune.Effort).WithHelp("-O robust, universal or compress")
	case c.Prefix != "" && !ir.IsIdentifier(c.Prefix):
		return diag.New(diag.Pos{}, diag.BadValue, "-prefix %s is no C identifier", c.Prefix)
	case c.Section != "" && !sections.MatchString(c.Section):
		return diag.New(diag.Pos{}, diag.BadValue, "-section %s: a name as .extflash, of letters, digits, . and _", c.Section)
	case c.Section != "" && c.Lend:
		return diag.New(diag.Pos{}, diag.BadValue, "-lend takes the weights out of the object, -section puts them into a part of it").WithHelp("pass one of the two")
	case c.Threads < 0 || c.Threads > ir.MostThreads:
		return diag.New(diag.Pos{}, diag.BadValue, "-threads %d: the threads are from 1 to %d", c.Threads, ir.MostThreads)
	case c.Threads > 1 && c.Rows:
		return diag.New(diag.Pos{}, diag.BadValue, "-threads %d: with -rows the first layers run row by row as the program gives them, and not side by side", c.Threads).WithHelp("pass one of the two")
	case c.Threads > 1 && c.Target != nil && !c.Target.HasThreads():
		return diag.New(diag.Pos{}, diag.BadValue, "-threads %d: programs for %s run without an operating system, whose threads would compute the parts", c.Threads, c.Target.Name).
			WithHelp("leave it out, or choose a target of Linux: %s", strings.Join(threaded(), ", "))
	case c.Time < 0:
		return diag.New(diag.Pos{}, diag.BadValue, "-time %v is below 0", c.Time)
	case c.Time > 0 && c.Search != "qstar":
		return diag.New(diag.Pos{}, diag.BadValue, "-time is of -search qstar, which can end at any time").WithHelp("-search qstar -time %v", c.Time)
	case c.Search != "" && c.Level != pass.Robust:
		return diag.New(diag.Pos{}, diag.BadValue, "-search is the method of -O robust, and -O %s searches nothing", c.Level).WithHelp("-O robust -search %s", c.Search)
	case c.Checkpoint != "" && !c.Measures() && c.Chosen == nil:
		return diag.New(diag.Pos{}, diag.BadValue, "-checkpoint keeps what a search measures, and -O %s searches nothing", c.Level).WithHelp("-O robust, or leave -checkpoint out")
	case c.Store != nil && !c.Measures() && c.Chosen == nil:
		return diag.New(diag.Pos{}, diag.BadValue, "-store keeps what a search measures, and -O %s searches nothing", c.Level).WithHelp("-O robust, or leave -store and -workers out")
	case (b.Cycles > 0 || b.CyclesOfInt8 > 0) && c.Level != pass.Robust:
		return diag.New(diag.Pos{}, diag.BadBudget, "-cycles bounds a search, and -O %s is none", c.Level).WithHelp("-O robust -cycles ...")
	case b.IsSize() && c.Level == pass.Int8 && c.Chosen == nil:
		return diag.New(diag.Pos{}, diag.BadBudget, "-bits, -size and -ratio bound a choice of widths, and -O int8 makes none").
			WithHelp("-O robust with it, or -O universal for one width everywhere")
	case b.Promised && !c.Measures():
		return diag.New(diag.Pos{}, diag.BadBudget, "-keep is what a search must keep, and -O %s is none", c.Level).WithHelp("-O robust -keep %v", b.Keep)
	case b.Promised && b.IsSize():
		return diag.New(diag.Pos{}, diag.BadBudget, "-keep chooses the size of the network, which -bits, -size or -ratio give").WithHelp("pass one of them")
	case !(b.Keep >= 0 && b.Keep <= 1) || b.Promised && b.Keep == 0:
		return diag.New(diag.Pos{}, diag.BadBudget, "-keep %v: a share of the robust accuracy is above 0 and at most 1", b.Keep).WithHelp("-keep %v", DefaultKeep)
	case !(c.MinBits >= 0) || !(c.MaxBits >= 0):
		return diag.New(diag.Pos{}, diag.BadBudget, "-min %v and -max %v: bits a weight are 0 or more", c.MinBits, c.MaxBits)
	case c.MaxBits > 0 && c.MinBits > c.MaxBits:
		return diag.New(diag.Pos{}, diag.BadBudget, "-min %v is above -max %v", c.MinBits, c.MaxBits)
	case c.Calibrate < 0:
		return diag.New(diag.Pos{}, diag.BadValue, "-images %d: a number of images is 1 or more", c.Calibrate)
	}
	return nil
}

// threaded lists the targets whose programs run threads.
func threaded() (names []string) {
	for _, name := range processor.Names() {
		if t, err := processor.Find(name); err == nil && t.HasThreads() {
			names = append(names, name)
		}
	}
	return names
}

// Chooses reports whether the configuration asks for other widths than int8.
func (c *Config) Chooses() bool { return c.Level != pass.Int8 || len(c.Fix) > 0 }

// Measures reports whether the level measures what it chooses, on held-out images.
func (c *Config) Measures() bool { return c.Level == pass.Robust || c.Level == pass.Compress }

// Images that calibrate unless Calibrate says otherwise. Searches round on the images,
// which takes many: on AlexNet at 0.6 bits a weight the divergence of unseen images falls
// by a quarter from 512 to 2,048.
const (
	fewImages  = 512
	manyImages = 2048
)

// Where images are few, each use gets so many twentieths of them.
const (
	whole      = 20 // a network that was chosen already leaves nothing else to do
	someChoose = 4
	fewChoose  = 3 // where others must show a promise
	someJudge  = 4
	mostJudge  = 12 // what is promised must be shown
)

// shares are how many images serve for what.
type shares struct {
	fit, choose, judge int
	// Of few images, so many twentieths judge and choose.
	judging, choosing int
}

// wanted is the images of a number of bytes each that are wanted of a set.
func (c *Config) wanted(bytes int) shares {
	s := shares{fit: c.Wanted(), choose: pass.Judged, choosing: someChoose}
	if c.Measures() {
		s.choose = HeldOut
	}
	if !c.Chooses() {
		s.choosing = 0 // all of few images calibrate
	}
	switch {
	case c.Chosen != nil && c.Judged > 0:
		s.judge, s.judging = min(c.Judged, pass.Unseen), whole
		if c.Budget.Promised {
			s.choosing = fewChoose
		}
	case !c.judges():
	case c.Budget.Promised:
		s.judging, s.choosing = mostJudge, fewChoose
		memory := (&pass.Env{MaxMemory: c.Memory}).Memory()
		s.judge = min(pass.Unseen, max(pass.Judged, memory/unseenShare/bytes))
	default:
		s.judge, s.judging = pass.Judged, someJudge
	}
	return s
}

// unseenShare is the share of the memory that the images which judge may take.
const unseenShare = 4

// of is what a set of n images gives.
func (s shares) of(n int) shares {
	judge := min(s.judge, max(s.judging*n/whole, n-s.fit-s.choose))
	choose := min(s.choose, s.choosing*n/whole)
	judge = max(0, min(judge, n-choose-1)) // one fits
	fit := min(s.fit, n-judge-choose)
	return shares{fit: fit, choose: min(s.choose, n-judge-fit), judge: judge}
}

// Wanted is the images that calibrate, where a set has as many.
func (c *Config) Wanted() int {
	switch {
	case c.Calibrate > 0:
		return c.Calibrate
	case c.Measures():
		return manyImages
	}
	return fewImages
}

// judges reports whether images must be left to judge what the network keeps: after a
// search for a share of the robust accuracy.
func (c *Config) judges() bool {
	return c.Measures() && c.Chosen == nil && !c.Budget.IsSize() && !c.stopsBefore(passes.Robust)
}

// stopsBefore reports whether the build ends before a pass.
func (c *Config) stopsBefore(name string) bool {
	names := passes.Table.Names()
	return c.StopAfter != "" && slices.Index(names, c.StopAfter) < slices.Index(names, name)
}

// HeldOut is the most images that a search holds out.
const HeldOut = pass.Judged + pass.Finals

// Interface is the C interface of a module.
func (c *Config) Interface(m *ir.Module) codegen.Interface {
	i := codegen.Interface{Prefix: c.Prefix, Hooks: c.Hooks, Section: c.Section, Lend: c.Lend}
	if i.Prefix == "" {
		i.Prefix = m.Name
	}
	return i
}
