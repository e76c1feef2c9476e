package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/internal/markers"
	"github.com/dnnc/dnnc/cmd/internal/tasks"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
	"github.com/dnnc/dnnc/runtime/replace"
)

// The marker lines around the table.
const (
	begin = "<!-- table: written by make tasks -->"
	end   = "<!-- end of table -->"
)

// target is any: integers are the same on every one.
const target = "armv7em"

// widths are the universal ones whose bytes a search gets, too.
var widths = []int{1, 2, 3, 4}

// calibrate is the items that a search gets, those that it holds out among them. A promise that
// these do not show is asked for again with more.
const calibrate, more = 2560, 10240

// keep is the share that -keep is asked for.
const keep = .99

// study is what is measured of each example.
type study struct {
	examples []*tasks.Example
	folder   string   // of the networks
	seeds    []uint64 // of errors
	items    int      // of the test set
	before   string   // an earlier dnnc, whose choice is measured beside; "" of none
	revision string   // of it
	record   string   // file of the figures so far
	date     string   // of the measurements; "" is not said
}

// The ways to choose widths, and the budget that is no width.
const (
	universalWay = "universal"
	robustWay    = "robust"
	beforeWay    = "before"
	refusedWay   = "refused" // no network keeps what -keep promises
	cleanWay     = "clean"   // a search that saw clean items alone, measured under unusual errors
	seenWay      = "seen"    // and one that saw them under these errors
	keepBudget   = "keep"
	moreBudget   = "keep, more items"
)

// figure is what one choice keeps of one result.
type figure struct {
	example, result, task, measure string
	from                           string // what the figure depends on beside this
	seed                           uint64
	budget, way                    string  // bits a weight, or keep
	float                          float64 // measure of the float network under errors
	bits                           float64 // a weight that the choice takes
	kept, keptE                    float64 // of what the float network is above the best constant answer, and its standard error
	gap, gapE                      float64 // what it keeps more than one width for all layers, or than a search on clean items; paired by item
}

// isKeep reports a figure of -keep, which is no size.
func (f *figure) isKeep() bool { return f.budget == keepBudget || f.budget == moreBudget }

// refusal is of a build whose -keep was refused: it has no figures.
func refusal(example, result, budget string, seed uint64) figure {
	none := math.NaN()
	return figure{example: example, result: result, seed: seed, budget: budget, way: refusedWay, float: none, bits: none, kept: none, keptE: none, gap: none, gapE: none}
}

// table measures the examples and writes the tables into a document. What is in the record is
// not measured again.
func (s *study) table(ctx context.Context, document string) error {
	if _, err := os.Stat(document); err != nil { // said before hours of work
		return err
	}
	all, err := readRecord(s.record)
	if err != nil {
		return err
	}
	asked, err := s.questions()
	if err != nil {
		return err
	}
	// A run that is interrupted has the first seeds of every example.
	for _, seed := range s.seeds {
		for _, q := range asked {
			if all, err = s.answer(ctx, q, seed, all); err != nil {
				return fmt.Errorf("%s: %w", q.example.Name, err)
			}
		}
	}
	var list []figure
	for _, q := range asked {
		for _, f := range all {
			if q.has(f) && (len(s.seeds) == 0 || slices.Contains(s.seeds, f.seed)) {
				list = append(list, f)
			}
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("%s has no figures of these examples", s.record)
	}
	return markers.Refresh(document, begin, end, s.text(list))
}

// question is what is measured of an example, a seed of errors at a time.
type question struct {
	example *tasks.Example
	module  *ir.Module
	from    string // what the figures depend on
	ask     func(ctx context.Context, e *tasks.Example, m *ir.Module, seed uint64) ([]figure, error)
}

// has reports whether a figure answers it.
func (q *question) has(f figure) bool { return f.example == q.example.Name && f.from == q.from }

// questions are those of all examples.
func (s *study) questions() (list []question, err error) {
	for _, e := range s.examples {
		m, err := dnnc.Load(filepath.Join(s.folder, e.Name, e.Name+".dnn"), dnnc.LoadOptions{})
		if err != nil {
			return nil, err
		}
		d, err := frontend.NewDump(m)
		if err != nil {
			return nil, err
		}
		from := fmt.Sprintf("%s %s n=%d search %d", d.TensorsName, e.Errors, s.items, robust.Version)
		list = append(list, question{e, m, from + " " + s.revision, s.sizes}, question{e, m, fmt.Sprintf("%s keep %v of %d or %d", from, keep, calibrate, more), s.promise})
		if e.Unusual != "" {
			list = append(list, question{e, m, from + " unusual " + e.Unusual, s.unusual})
		}
	}
	return list, nil
}

// answer measures a seed that the record does not have, and keeps it there.
func (s *study) answer(ctx context.Context, q question, seed uint64, all []figure) ([]figure, error) {
	if slices.ContainsFunc(all, func(f figure) bool { return q.has(f) && f.seed == seed }) {
		return all, nil
	}
	fmt.Fprintf(os.Stderr, "%s, seed %d\n", q.example.Name, seed)
	own, err := q.ask(ctx, q.example, q.module, seed)
	if err != nil {
		return all, err
	}
	for i := range own {
		own[i].from = q.from
	}
	all = append(all, own...)
	return all, writeRecord(s.record, all)
}

// configuration is a search on some items, under the errors of an example.
func configuration(e *tasks.Example, m *ir.Module, items int, seed uint64, errors string) (c dnnc.Config, err error) {
	if c, err = dnnc.NewConfig(target); err != nil {
		return c, err
	}
	c.Level, c.Seed, c.Errors = pass.Robust, seed, errors
	c.Calibration = func(n int) (data.Batch, error) {
		b, _ := e.Batch(m, tasks.Calibration, 0, min(n, items))
		return b, nil
	}
	return c, nil
}

// candidate is a network that is measured.
type candidate struct {
	budget, way string
	network     measure.Network
	bits        float64 // a weight
}

// integers is a quantized network.
func integers(budget, way string, m *ir.Module) (*candidate, error) {
	p, err := interp.CompileInt(m)
	if err != nil {
		return nil, err
	}
	bytes, count := 0, 0
	for _, n := range m.Layers() {
		t := n.Const(ir.AttrWeight).Type
		bytes, count = bytes+ir.PackedBytes(t.Elem, t.Shape)+ir.BookBytes(t.Elem), count+t.Shape.Size()
	}
	return &candidate{budget, way, func(ctx context.Context, x []float32, n int) ([]float32, error) { return interp.Logits(ctx, p, x, n) }, 8 * float64(bytes) / float64(count)}, nil
}

// earlier is the choice of an earlier dnnc, which knows no tasks, within bytes of weights and
// of their channels' constants: nil where it makes none.
func (s *study) earlier(ctx context.Context, e *tasks.Example, m *ir.Module, seed uint64, budget string, bytes int) (*candidate, error) {
	if s.before == "" {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "dnnc-tasks-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	own := *m
	own.Tasks, own.Tensors = nil, []ir.TensorsFile{{Path: "net.safetensors"}}
	arrays, err := e.Arrays(m, tasks.Calibration, calibrate)
	if err != nil {
		return nil, err
	}
	if len(m.Outputs) > 1 || m.TaskOf(0).Name != ir.Classes || m.TaskOf(0).Axis != ir.NoAxis {
		arrays = arrays[:len(m.Inputs)] // it knows no labels but of one class an item
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	flags := []string{"-size", fmt.Sprint(bytes)}
	if budget == keepBudget {
		flags = []string{"-keep", fmt.Sprint(keep)}
	}
	for name, write := range map[string]func(w io.Writer) error{
		"net.dnn":         func(w io.Writer) error { _, err := io.WriteString(w, own.Source()); return err },
		"net.safetensors": func(w io.Writer) error { return frontend.WriteTensors(w, m) },
		"calib.npz":       func(w io.Writer) error { return weights.WriteNPZ(w, arrays) },
	} {
		if err := replace.With(path(name), write); err != nil {
			return nil, err
		}
	}
	args := append([]string{path("net.dnn"), "-O", "robust", "-target", target, "-calib", path("calib.npz"), "-data", path("calib.npz"), "-n", "100",
		"-errors", e.Errors, "-seed", fmt.Sprint(seed), "-emit", "ir", "-o", path("out.dnn")}, flags...)
	if out, err := exec.CommandContext(ctx, s.before, args...).CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		fmt.Fprintf(os.Stderr, "%s: %s gives no network: %s\n", e.Name, s.before, strings.TrimSpace(string(out)))
		return nil, nil
	}
	q, err := dnnc.Load(path("out.dnn"), dnnc.LoadOptions{})
	if err != nil {
		return nil, err
	}
	return integers(budget, beforeWay, q)
}

// sizes measures what is chosen within the bytes of each width, and all that the earlier dnnc
// chooses.
func (s *study) sizes(ctx context.Context, e *tasks.Example, m *ir.Module, seed uint64) ([]figure, error) {
	c, err := configuration(e, m, calibrate, seed, e.Errors)
	if err != nil {
		return nil, err
	}
	c.StopAfter = passes.Widened
	r, err := dnnc.Compile(ctx, m, c)
	if err != nil {
		return nil, err
	}
	search, err := robust.New(r.Module, r.Env)
	if err != nil {
		return nil, err
	}
	var list []*candidate
	add := func(c *candidate, err error) error {
		if err == nil && c != nil {
			list = append(list, c)
		}
		return err
	}
	for _, width := range widths {
		budget := fmt.Sprint(width)
		most, _ := robust.Limit(r.Module.Layers(), pass.Budget{Bits: float64(width)})
		for _, way := range []string{universalWay, robustWay} {
			n, err := search.Choose(ctx, map[string]string{universalWay: "universal", robustWay: "qed"}[way], most)
			if err != nil {
				return nil, err
			}
			if way == universalWay {
				most = n.Bytes // the others get what one width takes
			}
			q, err := search.Quantized(ctx, n.Formats)
			if err != nil {
				return nil, err
			}
			if err := add(integers(budget, way, q)); err != nil {
				return nil, err
			}
		}
		if err := add(s.earlier(ctx, e, m, seed, budget, most+robust.Constants(r.Module.Layers()))); err != nil {
			return nil, err
		}
	}
	if err := add(s.earlier(ctx, e, m, seed, keepBudget, 0)); err != nil {
		return nil, err
	}
	return s.judge(ctx, e, m, r, seed, list)
}

// promise measures what -keep builds: with more items where it was refused, and perhaps then, too.
func (s *study) promise(ctx context.Context, e *tasks.Example, m *ir.Module, seed uint64) (list []figure, err error) {
	for _, ask := range []struct {
		budget string
		items  int
	}{{keepBudget, calibrate}, {moreBudget, more}} {
		c, err := configuration(e, m, ask.items, seed, e.Errors)
		if err != nil {
			return nil, err
		}
		c.StopAfter, c.Budget = passes.Quantized, pass.Budget{Keep: keep, Promised: true, FreeCycles: true, FreeRAM: true} // as -keep sets it
		r, err := dnnc.Compile(ctx, m, c)
		var refused *diag.Diagnostic
		if errors.As(err, &refused) && refused.Kind == diag.BadBudget {
			fmt.Fprintf(os.Stderr, "%s, %d items: %v\n", e.Name, ask.items, err)
			for k := range m.Outputs {
				list = append(list, refusal(e.Name, m.ResultName(k), ask.budget, seed))
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		q, err := integers(ask.budget, robustWay, r.Module)
		if err != nil {
			return nil, err
		}
		built, err := s.judge(ctx, e, m, r, seed, []*candidate{q})
		return append(list, built...), err
	}
	return list, nil
}

// unusualWidths are the sizes at which a search that saw unusual errors is compared with one
// that did not.
var unusualWidths = []int{1, 2}

// unusual measures, under the unusual errors of an example, what searches choose that saw
// clean items alone, and under these errors.
func (s *study) unusual(ctx context.Context, e *tasks.Example, m *ir.Module, seed uint64) ([]figure, error) {
	var list []*candidate
	var under *dnnc.Result // the errors that are measured under
	for _, width := range unusualWidths {
		for _, w := range []struct{ way, errors string }{{cleanWay, disturb.None}, {seenWay, e.Unusual}} {
			c, err := configuration(e, m, calibrate, seed, w.errors)
			if err != nil {
				return nil, err
			}
			c.StopAfter, c.Budget = passes.Quantized, pass.Budget{Bits: float64(width), FreeCycles: true, FreeRAM: true}
			r, err := dnnc.Compile(ctx, m, c)
			if err != nil {
				return nil, err
			}
			q, err := integers(fmt.Sprint(width), w.way, r.Module)
			if err != nil {
				return nil, err
			}
			list, under = append(list, q), r
		}
	}
	return s.judge(ctx, e, m, under, seed, list)
}

// judge measures networks on new items.
func (s *study) judge(ctx context.Context, e *tasks.Example, m *ir.Module, r *dnnc.Result, seed uint64, list []*candidate) ([]figure, error) {
	float, err := interp.CompileFloat(m)
	if err != nil {
		return nil, err
	}
	networks := []measure.Network{float.Results}
	for _, c := range list {
		networks = append(networks, c.network)
	}
	b, _ := e.Batch(m, tasks.Test, 0, s.items)
	scores, err := measure.Robust(ctx, measure.Setup{
		Task: r.Task, Images: b, Conditions: r.Env.Errors, Seed: seed, First: pass.TestAt, Gradient: r.Env.Gradient,
	}, networks...)
	if err != nil {
		return nil, err
	}
	var out []figure
	for k := range m.Outputs {
		exact := scores[0].All()[k]
		above, _ := exact.AboveConstant()
		var plain *measure.Score // what others of the same size are compared with
		for i, c := range list {
			own := scores[i+1].All()[k]
			kept := own.Kept(exact)
			f := figure{
				example: e.Name, result: m.ResultName(k), task: r.Task.Results[k].Task, measure: exact.Measure(), seed: seed, budget: c.budget, way: c.way,
				float: exact.Mean(), bits: c.bits, kept: kept.Value, keptE: kept.StdErr, gap: math.NaN(), gapE: math.NaN(),
			}
			switch {
			case c.way == universalWay || c.way == cleanWay:
				plain = own
			case !f.isKeep():
				gap := own.Difference(plain)
				f.gap, f.gapE = gap.Value/above.Value, gap.StdErr/above.Value
			}
			out = append(out, f)
		}
	}
	return out, nil
}
