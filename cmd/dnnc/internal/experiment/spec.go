package experiment

import (
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir/decimal"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// Experiment is one network and what is asked about it: the content of a .exp file.
type Experiment struct {
	Path string // of the file; "" of one that was not read

	Store string // folder of what searches measure, of the command line; "" of none

	Name, Network     string // Network is a path, as are the two data sets
	Calibration, Test string
	Origin            string // where the data sets come from
	Reduced           string // what was reduced for want of time
	Target            string // whose cycles are estimated

	Errors, Measured string   // what searches see, and what networks are measured under
	Methods          []string // the first is what the others are compared with
	Budgets          []float64
	Detail           float64 // the budget of all that is asked about one size
	Seeds            []uint64
	Images, Judged   int // that networks are rounded on, and that candidates are judged by
	TestImages       int
	Formats          []string
	MinBits, MaxBits float64
	Rounding         string
	Ranges           string    // how those of activations are calibrated, as -activations
	Activations      string    // their bits, as -activations; "" are 8
	Efforts          []float64 // of Q*, as shares of Qed's table
	JudgedEfforts    []int     // of Qed: judged images
	Boundary         []string  // kinds of error
	BoundaryImages   int
	Proved           int // images that are decided at every size of errors
	Planes           int
	PlanePoints      int
	Ablation         []string
	AblationBudgets  []float64
	FewImages        []int
	AllowOutside     bool
	Sets             dataset.Options // what data sets have
	Explore          bool            // with a part in which a reader chooses a network
	Task             string          // what the results mean, as -task
	Model            driver.Model    // what the file of a model leaves open
}

// Ablations are the questions of the key ablation.
var Ablations = []string{"objectives", "boundary", "errors", "ranges", "images"}

// key is a key of the format: how its value is read.
type key struct {
	name, doc string
	set       func(x *Experiment, value string) error
}

// keys are in the order of the documentation.
var keys = []key{
	{"name", "what the network is called", text(func(x *Experiment) *string { return &x.Name })},
	{"network", "its file, relative to this one's folder", text(func(x *Experiment) *string { return &x.Network })},
	{"calibration", "images that searches may see, relative to this file's folder or to DNNC_DATA", text(func(x *Experiment) *string { return &x.Calibration })},
	{"test", "images that are reported on; none of them among the former", text(func(x *Experiment) *string { return &x.Test })},
	{"origin", "where these come from", text(func(x *Experiment) *string { return &x.Origin })},
	{"reduced", "what was reduced to save time; the report quotes it", text(func(x *Experiment) *string { return &x.Reduced })},
	{"target", "the processor whose cycles are estimated", word(func(x *Experiment) *string { return &x.Target }, processor.Names)},
	{"errors", "what searches disturb images with, as -errors", conditions(func(x *Experiment) *string { return &x.Errors })},
	{"measured", "what networks are measured under, as -errors", conditions(func(x *Experiment) *string { return &x.Measured })},
	{"methods", "of search; the others are compared with the first", words(func(x *Experiment) *[]string { return &x.Methods }, robust.Methods)},
	{"budgets", "average bits a weight", numbers(func(x *Experiment) *[]float64 { return &x.Budgets }, 0, 32)},
	{"detail", "the budget at which kinds, layers, boundaries, planes and efforts are looked at", number(func(x *Experiment) *float64 { return &x.Detail }, 0, 32)},
	{"seeds", "of disturbances", seeds},
	{"images", "calibration images", count(func(x *Experiment) *int { return &x.Images }, 1)},
	{"judged", "held-out images that candidates are judged by, at most 512", count(func(x *Experiment) *int { return &x.Judged }, 1)},
	{"test-images", "images that are reported on", count(func(x *Experiment) *int { return &x.TestImages }, 2)},
	{"formats", "what searches choose from, as -formats", formats},
	{"min", "least bits a weight", number(func(x *Experiment) *float64 { return &x.MinBits }, 0, 32)},
	{"max", "greatest bits a weight", number(func(x *Experiment) *float64 { return &x.MaxBits }, 0, 32)},
	{"rounding", "nearest or compensated; by width when absent", word(func(x *Experiment) *string { return &x.Rounding }, func() []string { return []string{quant.Nearest, quant.Compensated} })},
	{"activations", "their bits: 8 when absent, 16 or auto", word(func(x *Experiment) *string { return &x.Activations }, func() []string { return pass.ActivationBits })},
	{"efforts", "of Q*: multiply-adds as shares of Qed's table", orNone(func(x *Experiment) *[]float64 { return &x.Efforts }, numbers(func(x *Experiment) *[]float64 { return &x.Efforts }, 0, 4))},
	{"efforts-judged", "of Qed: judged images", orNone(func(x *Experiment) *[]int { return &x.JudgedEfforts }, counts(func(x *Experiment) *[]int { return &x.JudgedEfforts }))},
	{"boundary", "kinds of error whose boundary distances are measured", orNone(func(x *Experiment) *[]string { return &x.Boundary }, errorKinds)},
	{"boundary-images", "images of these", count(func(x *Experiment) *int { return &x.BoundaryImages }, 1)},
	{"proved", "images that are decided at every size of those errors of measured that move every element one way", count(func(x *Experiment) *int { return &x.Proved }, 0)},
	{"planes", "decision planes, each through three images", count(func(x *Experiment) *int { return &x.Planes }, 0)},
	{"plane-points", "the side of a plane", count(func(x *Experiment) *int { return &x.PlanePoints }, 2)},
	{"ablation", "what is taken away: " + strings.Join(Ablations, ", "), orNone(func(x *Experiment) *[]string { return &x.Ablation }, words(func(x *Experiment) *[]string { return &x.Ablation }, func() []string { return Ablations }))},
	{"ablation-budgets", "average bits a weight", orNone(func(x *Experiment) *[]float64 { return &x.AblationBudgets }, numbers(func(x *Experiment) *[]float64 { return &x.AblationBudgets }, 0, 32))},
	{"few-images", "calibration images of the ablation images", orNone(func(x *Experiment) *[]int { return &x.FewImages }, counts(func(x *Experiment) *[]int { return &x.FewImages }))},
}

// quickSection is what -quick reads in addition.
const quickSection = "quick"

// defaults are what a file need not say.
func defaults() Experiment {
	return Experiment{
		Ranges: pass.MinMax, Target: "armv7em", Errors: disturb.Default, Measured: disturb.All, Methods: []string{"qed", "qstar", "universal", "compress"}, Detail: 1,
		Seeds: []uint64{1}, Images: 512, Judged: 512, TestImages: 1000, Formats: robust.Default, BoundaryImages: 200, PlanePoints: 80, FewImages: []int{32, 128},
	}
}

// Parse reads an experiment from the text of the file at path: lines of a key, a
// colon and a value; # begins a comment. Behind the line "quick:" stand the values
// that -quick has instead.
func Parse(path, content string, quick bool) (*Experiment, error) {
	x := defaults()
	x.Path = path
	var faults diag.List
	seen := map[string]bool{}
	section := ""
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	for i, line := range strings.Split(content, "\n") {
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\r"), "#")
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		fault := func(col int, format string, args ...any) *diag.Diagnostic {
			d := diag.New(diag.Pos{File: path, Line: i + 1, Col: col + 1}, diag.BadValue, format, args...)
			faults = append(faults, d)
			return d
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		column := len(line) - len(strings.TrimLeft(value, " \t"))
		value = strings.TrimSpace(value)
		if !ok {
			fault(indent, "no colon: a line is a key, a colon and a value").WithHelp("the keys are %s", strings.Join(names, " "))
			continue
		}
		if name == quickSection && value == "" {
			if section == quickSection {
				fault(indent, "the section quick stands twice")
			}
			section = quickSection
			continue
		}
		at := slices.Index(names, name)
		switch {
		case at < 0:
			fault(indent, "no key %q", name).WithSuggestion(name, names)
			continue
		case seen[section+name]:
			fault(indent, "%s stands twice", name)
			continue
		case value == "":
			fault(indent, "%s has no value: %s", name, keys[at].doc)
			continue
		}
		seen[section+name] = true
		into := &x
		if section == quickSection && !quick {
			scratch := x
			into = &scratch // checked, not taken
		}
		if err := keys[at].set(into, value); err != nil {
			if d, ok := err.(*diag.Diagnostic); ok {
				d.Pos = diag.Pos{File: path, Line: i + 1, Col: column + 1}
				faults = append(faults, d)
				continue
			}
			fault(column, "%s: %v", name, err).WithNote("%s: %s", name, keys[at].doc)
		}
	}
	for _, name := range []string{"name", "network", "budgets"} {
		if !seen[name] {
			faults = append(faults, diag.New(diag.Pos{File: path, Line: 1, Col: 1}, diag.BadValue, "no %s: %s", name, keys[slices.Index(names, name)].doc))
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return &x, nil
}

func text(of func(x *Experiment) *string) func(*Experiment, string) error {
	return func(x *Experiment, value string) error {
		*of(x) = value
		return nil
	}
}

// oneOf reports a word that is none of a list.
func oneOf(value string, allowed []string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	d := diag.New(diag.Pos{}, diag.BadValue, "%q is none of %s", value, strings.Join(allowed, " "))
	return d.WithSuggestion(value, allowed)
}

func word(of func(x *Experiment) *string, allowed func() []string) func(*Experiment, string) error {
	return func(x *Experiment, value string) error {
		*of(x) = value
		return oneOf(value, allowed())
	}
}

// mostWords bounds a list: each of its elements is a search or a measurement.
const mostWords = 1000

// split is a list of words, after commas or blanks; a word that stands twice is a
// mistake.
func split(value string) ([]string, error) {
	list := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	if len(list) > mostWords {
		return nil, diag.New(diag.Pos{}, diag.Limit, "a list of %d; an experiment has at most %d of anything", len(list), mostWords)
	}
	for i, w := range list {
		if slices.Contains(list[:i], w) {
			return nil, diag.New(diag.Pos{}, diag.BadValue, "%s stands twice", w)
		}
	}
	if len(list) == 0 {
		return nil, diag.New(diag.Pos{}, diag.BadValue, "an empty list")
	}
	return list, nil
}

func words(of func(x *Experiment) *[]string, allowed func() []string) func(*Experiment, string) error {
	return func(x *Experiment, value string) error {
		list, err := split(value)
		if err != nil {
			return err
		}
		for _, w := range list {
			if err := oneOf(w, allowed()); err != nil {
				return err
			}
		}
		*of(x) = list
		return nil
	}
}

// orNone takes the word none for an empty list.
func orNone[T any](of func(x *Experiment) *[]T, set func(*Experiment, string) error) func(*Experiment, string) error {
	return func(x *Experiment, value string) error {
		if value == "none" {
			*of(x) = nil
			return nil
		}
		return set(x, value)
	}
}

func conditions(of func(x *Experiment) *string) func(*Experiment, string) error {
	return func(x *Experiment, value string) error {
		*of(x) = value
		return disturb.Check(value)
	}
}

func formats(x *Experiment, value string) (err error) {
	if x.Formats, err = split(value); err == nil {
		_, err = robust.Formats(x.Formats)
	}
	return err
}

func real(value string, above, most float64) (float64, error) {
	v, err := decimal.Float(value, 64)
	if err != nil || math.IsNaN(v) || v <= above || v > most {
		return 0, diag.New(diag.Pos{}, diag.BadValue, "%q is no number above %g and at most %g", value, above, most)
	}
	return v, nil
}

func number(of func(x *Experiment) *float64, above, most float64) func(*Experiment, string) error {
	return func(x *Experiment, value string) (err error) {
		*of(x), err = real(value, above, most)
		return err
	}
}

func numbers(of func(x *Experiment) *[]float64, above, most float64) func(*Experiment, string) error {
	return func(x *Experiment, value string) error {
		list, err := split(value)
		if err != nil {
			return err
		}
		var out []float64
		for _, w := range list {
			v, err := real(w, above, most)
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		if !slices.IsSorted(out) {
			return diag.New(diag.Pos{}, diag.BadValue, "%s do not rise", value)
		}
		*of(x) = out
		return nil
	}
}

// mostCount bounds numbers of images and points: more is a slip of the pen.
const mostCount = 1 << 20

func whole(value string, least int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > mostCount {
		return 0, diag.New(diag.Pos{}, diag.BadValue, "%q is no whole number from %d to %d", value, least, mostCount)
	}
	return n, nil
}

func count(of func(x *Experiment) *int, least int) func(*Experiment, string) error {
	return func(x *Experiment, value string) (err error) {
		*of(x), err = whole(value, least)
		return err
	}
}

func counts(of func(x *Experiment) *[]int) func(*Experiment, string) error {
	return func(x *Experiment, value string) error {
		list, err := split(value)
		if err != nil {
			return err
		}
		var out []int
		for _, w := range list {
			n, err := whole(w, 1)
			if err != nil {
				return err
			}
			out = append(out, n)
		}
		*of(x) = out
		return nil
	}
}

func seeds(x *Experiment, value string) error {
	var list []int
	if err := counts(func(*Experiment) *[]int { return &list })(x, value); err != nil {
		return err
	}
	x.Seeds = nil
	for _, s := range list {
		x.Seeds = append(x.Seeds, uint64(s))
	}
	return nil
}

// errorKinds reads kinds of error without their sizes, each with its input where that is
// not the first.
func errorKinds(x *Experiment, value string) (err error) {
	if x.Boundary, err = split(value); err != nil {
		return err
	}
	for _, kind := range x.Boundary {
		if strings.Contains(kind, "=") {
			return diag.New(diag.Pos{}, diag.BadValue, "%s: a boundary is of a kind of error without sizes", kind)
		}
		if err := disturb.CheckKind(kind); err != nil {
			return err
		}
	}
	return nil
}

// setting is how the networks of the experiment are chosen and rounded, unless an
// ablation says otherwise.
func (x *Experiment) setting() setting {
	bits := x.Activations
	if bits == pass.EightBits {
		bits = "" // what was measured before there was a choice stays
	}
	return setting{Errors: x.Errors, Images: x.Images, Judged: x.Judged, Ranges: x.Ranges, Activations: bits, Formats: x.Formats, MinBits: x.MinBits, MaxBits: x.MaxBits, Rounding: x.Rounding}
}

// locate makes the paths of an experiment relative to the current folder: the network
// beside its file, data there or in folder. It returns the data sets that are in
// neither place.
func (x *Experiment) locate(folder string, exists func(string) bool) (missing []string) {
	beside := filepath.Dir(x.Path)
	x.Network = filepath.Join(beside, x.Network)
	for _, path := range []*string{&x.Calibration, &x.Test} {
		if *path == "" || filepath.IsAbs(*path) {
			continue
		}
		name := *path
		*path = filepath.Join(beside, name)
		if !exists(*path) && folder != "" {
			*path = filepath.Join(folder, name)
		}
		if !exists(*path) {
			missing = append(missing, name)
		}
	}
	return missing
}
