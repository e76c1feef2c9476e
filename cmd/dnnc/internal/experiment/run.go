// Package experiment runs the study of the paper, or the same on any network: cells
// that are kept and taken up again, statistics, and one page that shows it all.
package experiment

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/terminal"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/input"
)

// Folder holds the experiments that are run unless the user names files.
const Folder = "testdata/experiments"

// ending is of the files of experiments.
const ending = ".exp"

// DataVariable names the folder of the data sets that experiments do not find beside
// themselves.
const DataVariable = "DNNC_DATA"

// Run answers the experiments of the files in o.Inputs, or else all of Folder, and
// writes the report to o.Output. What was answered is kept in o.Results, and taken
// over by the next run.
func Run(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	if o.Quick && o.Full {
		return diag.New(diag.Pos{}, diag.BadValue, "-quick and -full: one of them")
	}
	list, skipped, err := experiments(o, stderr)
	if err != nil {
		return err
	}
	command := "dnnc experiment"
	if o.Quick {
		command += " -quick"
	}
	if o.Task != "" {
		command += " -task " + quote.Shell(o.Task)
	}
	for _, f := range o.Inputs {
		command += " " + filepath.Base(f)
	}
	return perform(ctx, o, list, command, skipped, stdout, stderr)
}

// maxText is the most bytes of an experiment's text, or of a README.
const maxText = 16 << 20

// experiments reads the experiments of a run, by path; skipped are the names of those
// of Folder whose data are not at hand.
func experiments(o driver.Options, stderr io.Writer) (list []*Experiment, skipped []string, err error) {
	files := o.Inputs
	if len(files) == 0 {
		if files, err = filepath.Glob(filepath.Join(Folder, "*"+ending)); err != nil || len(files) == 0 {
			return nil, nil, diag.New(diag.Pos{}, diag.BadFile, "no experiments in %s", Folder).WithHelp("run in the folder of the sources, or name %s files", ending)
		}
	}
	for _, path := range files {
		if ext := filepath.Ext(path); ext != ending {
			return nil, nil, diag.New(diag.Pos{File: path}, diag.BadFile, "an experiment ends in %s, not in %q", ending, ext).WithHelp("dnnc report studies a network that no experiment asks about")
		}
		text, err := input.Read(path, maxText)
		if err != nil {
			return nil, nil, diag.New(diag.Pos{}, diag.BadFile, "%v", err)
		}
		x, err := Parse(path, string(text), o.Quick)
		if err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(list, func(other *Experiment) bool { return other.Name == x.Name }) {
			return nil, nil, diag.New(diag.Pos{File: path}, diag.BadValue, "another experiment of this run has the name %q", x.Name)
		}
		missing := x.locate(os.Getenv(DataVariable), func(path string) bool {
			_, err := os.Stat(path)
			return err == nil
		})
		if len(missing) == 0 {
			list = append(list, x)
			continue
		}
		d := absent(x, missing)
		if len(o.Inputs) > 0 {
			return nil, nil, d
		}
		fmt.Fprintf(stderr, "%v\n", d)
		skipped = append(skipped, x.Name)
	}
	if len(list) == 0 {
		return nil, nil, diag.New(diag.Pos{}, diag.BadData, "no experiment has its data")
	}
	slices.SortStableFunc(list, func(a, b *Experiment) int { return cmp.Compare(a.Path, b.Path) })
	return list, skipped, nil
}

// absent says which data sets are looked for, where, and how to get them.
func absent(x *Experiment, missing []string) *diag.Diagnostic {
	folder := cmp.Or(os.Getenv(DataVariable), "the folder that "+DataVariable+" names; it is not set")
	d := diag.New(diag.Pos{File: x.Path}, diag.BadData, "%s lacks its data: no %s", x.Name, strings.Join(missing, ", no ")).
		WithNote("looked for in %s and in %s", filepath.Dir(x.Path), folder)
	return d.WithHelp("get %s, and set %s to the folder that holds them under these names", cmp.Or(x.Origin, "the data"), DataVariable)
}

// Sizes are the average bits a weight of a report that is not told which.
var Sizes = []string{"1", "2", "3"}

// pictureErrors are those of a report on images that is not told which.
const pictureErrors = "gaussian=0.05,0.1,0.15;light-random=0.2;fog-blend=0.45;blackout-random=0.5"

// disturb sets the errors of a report: those that are given, or else by what the network's
// first input holds.
func (x *Experiment) disturb(o driver.Options) error {
	m, err := driver.Load(x.options())
	if err != nil {
		return err
	}
	inputs := dnnc.Inputs(m)
	switch kind := inputs[0].Holds.Kind; {
	case o.ErrorsGiven:
		x.Errors = o.Errors
	case kind == ir.Image:
		x.Errors = pictureErrors
	default:
		x.Errors = disturb.Defaults(kind)
	}
	x.Measured = x.Errors
	list, err := disturb.Parse(x.Errors, inputs)
	if err == nil && len(list) > 0 {
		x.Boundary = []string{list[0].Name()}
	}
	return err
}

// Report does the same for a user's own network.
func Report(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	if filepath.Ext(o.Input) == ending {
		return diag.New(diag.Pos{File: o.Input}, diag.BadFile, "an experiment, no network").WithHelp("dnnc experiment answers it")
	}
	for _, n := range []struct {
		flag         string
		given, least int
	}{{"n", cmp.Or(o.TestImages, 2), 2}, {"images", cmp.Or(o.Images, 1), 1}, {"seeds", cmp.Or(o.Seeds, 1), 1}} {
		if n.given < n.least {
			return diag.New(diag.Pos{}, diag.BadValue, "-%s %d: at least %d", n.flag, n.given, n.least)
		}
	}
	if err := o.Check(); err != nil {
		return err
	}
	x := defaults()
	x.Network, x.Calibration, x.Test, x.AllowOutside = o.Input, o.Calib, o.Data, o.AllowOutside
	x.Model = o.Model
	x.Name = strings.TrimSuffix(filepath.Base(o.Input), filepath.Ext(o.Input))
	x.Target = cmp.Or(o.Target, x.Target)
	x.Formats, x.MinBits, x.MaxBits, x.Rounding = o.Formats, o.MinBits, o.MaxBits, o.Rounding
	x.Ranges, x.Activations, _ = pass.Activations(o.Activations) // which Check has read
	sizes := Sizes
	if len(o.Sizes) > 0 {
		sizes = o.Sizes
	}
	budgets, err := driver.Bits("sizes", sizes)
	if err != nil {
		return err
	}
	slices.Sort(budgets)
	x.Budgets = slices.Compact(budgets)
	x.Detail = x.Budgets[0]
	if len(o.Methods) > 0 {
		err := words(func(x *Experiment) *[]string { return &x.Methods }, robust.Methods)(&x, strings.Join(o.Methods, ","))
		var d *diag.Diagnostic
		if errors.As(err, &d) {
			d.Message = "-methods: " + d.Message
			return d
		}
	}
	x.Seeds = nil
	for i := range uint64(max(o.Seeds, 1)) {
		x.Seeds = append(x.Seeds, o.Seed+i)
	}
	x.Images = cmp.Or(o.Images, x.Images)
	x.TestImages = cmp.Or(o.TestImages, 500)
	if slices.Contains(x.Methods, "qstar") {
		x.Efforts = []float64{.03, .1, .3}
	}
	x.Planes, x.BoundaryImages, x.Explore, x.Proved = 3, min(x.TestImages, 100), true, o.Proved
	if err := x.disturb(o); err != nil {
		return err
	}
	return perform(ctx, o, []*Experiment{&x}, reportCommand(o), nil, stdout, stderr)
}

// reportCommand is the command of a report with all flags that its figures depend on,
// files without their folders.
func reportCommand(o driver.Options) string {
	var out strings.Builder
	fmt.Fprintf(&out, "dnnc report %s", quote.Shell(filepath.Base(o.Input)))
	standard := driver.Defaults()
	if !o.ErrorsGiven {
		o.Errors = ""
	}
	for _, f := range []struct{ name, value, standard string }{
		{"data", base(o.Data), ""},
		{"calib", base(o.Calib), ""},
		{"inputs", strings.Join(o.Sets.Inputs, ","), ""},
		{"labels", strings.Join(o.Sets.Labels, ","), ""},
		{"task", o.Task, ""},
		{"target", o.Target, standard.Target},
		{"sizes", strings.Join(o.Sizes, ","), ""},
		{"methods", strings.Join(o.Methods, ","), ""},
		{"errors", o.Errors, ""},
		{"images", fmt.Sprint(o.Images), "0"},
		{"n", fmt.Sprint(o.TestImages), "0"},
		{"proved", fmt.Sprint(o.Proved), "0"},
		{"seed", fmt.Sprint(o.Seed), fmt.Sprint(standard.Seed)},
		{"seeds", fmt.Sprint(max(o.Seeds, 1)), "1"},
		{"formats", strings.Join(o.Formats, ","), strings.Join(standard.Formats, ",")},
		{"min", fmt.Sprint(o.MinBits), "0"},
		{"max", fmt.Sprint(o.MaxBits), "0"},
		{"rounding", o.Rounding, ""},
		{"activations", o.Activations, standard.Activations},
	} {
		if f.value == f.standard {
			continue
		}
		fmt.Fprintf(&out, " -%s %s", f.name, quote.Shell(f.value))
	}
	for _, f := range []struct {
		name    string
		isGiven bool
	}{{"resize", o.Sets.Resize}, {"data-as-is", o.DataAsIs}} {
		if f.isGiven {
			fmt.Fprintf(&out, " -%s", f.name)
		}
	}
	for _, f := range o.Model.Flags() {
		fmt.Fprintf(&out, " %s", quote.Shell(f))
	}
	return out.String()
}

func base(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Base(path)
}

// perform answers experiments and writes their report.
func perform(ctx context.Context, o driver.Options, list []*Experiment, command string, skipped []string, stdout, stderr io.Writer) error {
	out := cmp.Or(o.Output, "report.html")
	if err := driver.CheckOutput("o", out, ".html"); err != nil {
		return err
	}
	files := o.Files()
	files.Writes("-o", out)
	if err := files.Check(); err != nil {
		return err
	}
	folder, answers := o.Results, o.Sharing.Folder()
	if folder == "" && answers == nil {
		temporary, err := os.MkdirTemp("", "dnnc-results-")
		if err != nil {
			return diag.New(diag.Pos{}, diag.BadOutput, "-results: %v", err)
		}
		defer os.RemoveAll(temporary)
		folder = temporary
	}
	st, err := openStore(folder, answers)
	if err != nil {
		return err
	}
	var studies []*study
	for _, x := range list {
		x.Task, x.Sets, x.Store = o.Task, o.Sets, o.Sharing.Store
		mat, err := load(x)
		if err != nil {
			return err
		}
		for _, line := range append([]string{mat.line}, mat.said...) {
			fmt.Fprintf(stdout, "%s: %s\n", x.Name, line)
		}
		if mat.task.Decides("") != nil && (len(x.Boundary) > 0 || x.Planes > 0 || x.Proved > 0) {
			x.Boundary, x.Planes, x.Proved = nil, 0, 0
			fmt.Fprintf(stdout, "%s: no boundary distances, no planes of decisions and no proofs: %s has no answer that is right or wrong\n", x.Name, mat.task.Name)
		}
		s, err := lay(x, mat)
		if err != nil {
			return err
		}
		studies = append(studies, s)
	}
	w := newWork(studies, st, o, stderr)
	if err := w.do(ctx); err != nil {
		if o.Results == "" && answers == nil && errors.Is(err, context.Canceled) {
			fmt.Fprintln(stderr, "dnnc: what was measured is lost: -store FOLDER keeps it, and the next run goes on from it")
		}
		return err
	}
	doc, err := write(studies, command, skipped)
	if err != nil {
		return err
	}
	doc.Day = st.newest.UTC().Format(time.DateOnly)
	if err := publish(o, out, doc, w.took); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s\n%s: %d cells\n", strings.Join(doc.Opening, "\n"), filepath.Base(out), w.cells)
	return nil
}

// publish writes the page, the seconds of the steps, and the summary in the document of -readme.
func publish(o driver.Options, out string, doc *document, took map[string]float64) error {
	var page bytes.Buffer
	if err := doc.html(&page); err != nil {
		return err
	}
	if err := driver.Replace(out, page.Bytes()); err != nil {
		return err
	}
	if o.Stats != "" {
		text, err := json.MarshalIndent(map[string]any{"step_seconds": took}, "", "  ")
		if err != nil {
			return err
		}
		if err := driver.Replace(o.Stats, append(text, '\n')); err != nil {
			return err
		}
	}
	if o.Readme == "" {
		return nil
	}
	return refresh(o.Readme, doc)
}

// work goes through the steps of studies and tells of it.
type work struct {
	studies        []*study
	store          *store
	options        driver.Options // of the command
	messages       io.Writer
	show           *meter
	cells          int
	took           map[string]float64 // seconds of a step
	expected, done float64            // multiply-adds to do, and done
	began          time.Time
}

func newWork(studies []*study, st *store, o driver.Options, messages io.Writer) *work {
	w := &work{studies: studies, store: st, options: o, messages: messages, took: map[string]float64{}}
	w.show = &meter{out: messages}
	return w
}

// do answers what has no answer yet.
func (w *work) do(ctx context.Context) error {
	open := map[*step][]*cell{}
	kept := 0
	for _, s := range w.studies {
		for _, t := range s.steps {
			for _, c := range t.cells {
				w.cells++
				if c.done = w.store.read(c); c.done {
					kept++
				} else {
					open[t] = append(open[t], c)
				}
			}
			if len(open[t]) > 0 {
				w.expected += t.weight
			}
		}
	}
	if kept > 0 {
		fmt.Fprintf(w.messages, "dnnc: %d of %d cells are kept from before\n", kept, w.cells)
	}
	for _, s := range w.studies {
		if !slices.ContainsFunc(s.steps, func(t *step) bool { return len(open[t]) > 0 }) {
			continue
		}
		if err := s.mat.examine(ctx, w.options, w.messages); err != nil {
			return err
		}
	}
	w.began = time.Now()
	for _, s := range w.studies {
		var l *lab
		for _, t := range s.steps {
			todo := open[t]
			if len(todo) == 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if l == nil || l.seed != t.seed {
				var err error
				if l, err = newLab(ctx, s.x, s.mat, t.seed, w.store, w.messages); err != nil {
					return err
				}
			}
			if err := w.step(ctx, l, t, todo); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *work) step(ctx context.Context, l *lab, t *step, todo []*cell) error {
	began := time.Now()
	what := fmt.Sprintf("%s, seed %d", t.what, t.seed)
	w.show.line(what, w.left(0))
	l.tell = func(detail string, done, total int) {
		w.show.line(fmt.Sprintf("%s, %s %d", what, detail, done), w.left(t.weight*float64(done)/float64(max(total, done+1))/2))
	}
	err := t.run(ctx, l, todo, func(done, total int) { w.show.line(what, w.left(t.weight*float64(done)/float64(max(total, 1)))) })
	if err != nil {
		w.show.end()
		return err
	}
	for _, c := range todo {
		if err := w.store.write(c); err != nil {
			return err
		}
		c.done = true
	}
	w.done += t.weight
	w.took[what] = time.Since(began).Seconds()
	w.show.end()
	return nil
}

// left says how much is done and how long the rest takes at the pace so far.
func (w *work) left(inStep float64) string {
	done := w.done + inStep
	share := done / max(w.expected, 1)
	if share < .005 {
		return fmt.Sprintf("%2.0f %%", 100*share)
	}
	spent := time.Since(w.began)
	rest := time.Duration(float64(spent) * (1 - share) / share)
	return fmt.Sprintf("%2.0f %%, about %v left", 100*share, rest.Round(time.Second))
}

// meter shows a line of progress: in place on a terminal, elsewhere now and then.
type meter struct {
	out  io.Writer
	last time.Time
	open bool
}

const (
	everyTerminal = 200 * time.Millisecond
	everyPlain    = 10 * time.Second
)

func (m *meter) line(what, left string) {
	onTerminal := driver.IsTerminal(m.out)
	every := everyPlain
	if onTerminal {
		every = everyTerminal
	}
	if time.Since(m.last) < every {
		return
	}
	m.last = time.Now()
	if onTerminal {
		fmt.Fprintf(terminal.Raw(m.out), "\r\x1b[K%s: %s", left, quote.Line(what))
		m.open = true
		return
	}
	fmt.Fprintf(m.out, "dnnc: %s: %s\n", left, what)
}

func (m *meter) end() {
	if m.open {
		fmt.Fprint(terminal.Raw(m.out), "\r\x1b[K")
		m.open = false
	}
}
