// Command networks writes a table of exported networks into RESULTS.md, between the two
// marker lines: do they agree with onnxruntime in float, are their objects proven on two
// targets, and what noise int8 adds beside the noise of onnxruntime's static quantization. It reads
// what testdata/peers/networks.py wrote; make peers runs both.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/internal/markers"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// The marker lines around the table.
const (
	begin = "<!-- networks: written by make peers -->"
	end   = "<!-- end of networks -->"
)

// targets are those on which the objects are proven.
var targets = []string{"armv7em", "x86_64"}

// clean is the errors of the builds: as onnxruntime's, their ranges are those of the images as they are.
const clean = disturb.None

// The bars.
const (
	mostBelow = 1. // dB below onnxruntime's static quantization
	mostLost  = 2  // networks of 34 that may miss a bar
)

func main() {
	in := flag.String("in", "", "the folder with a folder of networks for each exporter")
	into := flag.String("into", "", "the file to refresh; the table is printed where this is empty")
	date := flag.String("date", "", "the day of the measurements")
	program := flag.String("dnnc", "bin/dnnc", "the compiler")
	quick := flag.Bool("quick", false, "only figures of fidelity: no object is made")
	activations := flag.String("activations", "", "how the builds have their activations, as dnnc build takes it")
	only := flag.String("only", "", "the networks to run, a list; all of them where this is empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r := runner{folder: *in, program: *program, quick: *quick, activations: *activations}
	if err := r.run(ctx, *only, *into, *date); err != nil {
		fmt.Fprintln(os.Stderr, "networks:", err)
		os.Exit(1)
	}
}

type runner struct {
	folder, program string
	quick           bool
	activations     string
	exporters       []string // the folders, in the order of their names
}

func (r *runner) run(ctx context.Context, only, into, date string) error {
	names, err := r.names()
	if err != nil {
		return err
	}
	var list lines
	if into != "" {
		if list, err = readLines(into); err != nil {
			return err
		}
	}
	for _, name := range names {
		if only != "" && !slices.Contains(strings.Split(only, ","), name) {
			continue
		}
		row, err := r.row(ctx, name)
		if err != nil {
			return err
		}
		list = list.with(name, row.line(date))
		fmt.Fprintln(os.Stderr, row.line(date))
		for _, why := range row.why {
			fmt.Fprintln(os.Stderr, "   ", why)
		}
		if into != "" { // at once: the next network may take minutes
			if err := list.write(into, r.exporters); err != nil {
				return err
			}
		}
	}
	if into == "" {
		fmt.Print(list.table(r.exporters))
	}
	if lost := len(list) - list.holding(); lost > mostLost {
		return fmt.Errorf("%d of %d networks miss a bar", lost, len(list))
	}
	return nil
}

// names are the networks of all exporters, in the order of their names.
func (r *runner) names() (names []string, err error) {
	models, err := filepath.Glob(filepath.Join(r.folder, "*", "*", "model.onnx"))
	if err != nil {
		return nil, err
	}
	if len(models) == 0 {
		return nil, fmt.Errorf("%q has no EXPORTER/NETWORK/model.onnx: testdata/peers/networks.py writes them", r.folder)
	}
	for _, m := range models {
		name, exporter := filepath.Base(filepath.Dir(m)), filepath.Base(filepath.Dir(filepath.Dir(m)))
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if !slices.Contains(r.exporters, exporter) {
			r.exporters = append(r.exporters, exporter)
		}
	}
	slices.Sort(names)
	return names, nil
}

// row is what is measured of one network. What was not measured has no figure.
type row struct {
	name           string
	exports, agree int
	verified       []string  // targets
	ours, qdq      []float64 // dB of each result
	why            []string  // what went wrong
}

// holds reports whether the network meets all bars. Some networks onnxruntime does not quantize:
// there is no bar of noise, then.
func (r *row) holds() bool {
	if r.agree < r.exports || len(r.verified) < len(targets) || len(r.ours) == 0 {
		return false
	}
	for i, db := range r.qdq {
		if i >= len(r.ours) || r.ours[i] < db-mostBelow {
			return false
		}
	}
	return true
}

// row measures one network: every export in float, the first that agrees as an object.
func (r *runner) row(ctx context.Context, name string) (row, error) {
	w := row{name: name}
	first := ""
	for _, exporter := range r.exporters {
		dir := filepath.Join(r.folder, exporter, name)
		if _, err := os.Stat(filepath.Join(dir, "model.onnx")); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		w.exports++
		if err := r.dnnc(ctx, "conformance", dir, "-v"); err != nil {
			w.why = append(w.why, exporter+": "+err.Error())
			continue
		}
		w.agree++
		if first == "" {
			first = dir
		}
	}
	if err := ctx.Err(); err != nil || first == "" {
		return w, err
	}
	c, err := readCase(first)
	if err != nil {
		return w, err
	}
	w.qdq = c.SQNR
	m, err := c.load()
	if err != nil {
		w.why = append(w.why, err.Error())
		return w, nil
	}
	if w.ours, err = c.noise(ctx, m, r.activations); err != nil {
		w.why = append(w.why, err.Error())
	}
	for _, target := range targets {
		if r.quick {
			break
		}
		if err := r.prove(ctx, c, tasks(m), target); err != nil {
			w.why = append(w.why, target+": "+err.Error())
			continue
		}
		w.verified = append(w.verified, target)
	}
	return w, ctx.Err()
}

// dnnc runs a command; an error has what the command said.
func (r *runner) dnnc(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, r.program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("dnnc %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// prove compiles the network in a temporary folder, and verifies the object.
func (r *runner) prove(ctx context.Context, c *exported, tasks, target string) error {
	dir, err := os.MkdirTemp("", "dnnc-networks-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	object := filepath.Join(dir, "net.o")
	args := []string{"build", c.model(), "-target", target, "-calib", c.file("calib.npz"), "-errors", clean, "-task", tasks, "-o", object}
	for name, bounds := range c.Ranges {
		args = append(args, "-range", fmt.Sprintf("%s=%v,%v", name, bounds[0], bounds[1]))
	}
	if len(c.Outputs) > 0 {
		args = append(args, "-outputs", strings.Join(c.Outputs, ","))
	}
	if r.activations != "" {
		args = append(args, "-activations", r.activations)
	}
	if err := r.dnnc(ctx, args...); err != nil {
		return err
	}
	return r.dnnc(ctx, "verify", object, "-n", "20")
}

// exported is a network as networks.py wrote it.
type exported struct {
	dir     string
	Ranges  map[string][2]float64 // of the reals of its inputs
	Outputs []string              // those that are reals, where others are not
	SQNR    []float64             // dB of each result, of onnxruntime's static quantization
}

func (c *exported) file(name string) string { return filepath.Join(c.dir, name) }

func (c *exported) model() string { return c.file("model.onnx") }

func readCase(dir string) (*exported, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "qdq.json"))
	if err != nil {
		return nil, err
	}
	c := &exported{dir: dir}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "qdq.json"), err)
	}
	return c, nil
}

// load reads the network of floats.
func (c *exported) load() (*ir.Module, error) {
	ranges := map[string]ir.Range{}
	for name, b := range c.Ranges {
		ranges[name] = ir.Range{Lo: b[0], Hi: b[1]}
	}
	return dnnc.Load(c.model(), dnnc.LoadOptions{Ranges: ranges, Outputs: c.Outputs})
}

// tasks says that each result is values, whose noise counts: onnxruntime leaves them in float32,
// and dnnc gives them 16 bits.
func tasks(m *ir.Module) string {
	var list []string
	for i := range m.Outputs {
		list = append(list, m.ResultName(i)+"="+ir.Values)
	}
	return strings.Join(list, ",")
}

// noise is the signal-to-quantization-noise ratio of each result of int8 in dB.
func (c *exported) noise(ctx context.Context, m *ir.Module, activations string) ([]float64, error) {
	images := func(file string) (data.Batch, error) {
		d, err := dataset.Load(c.file(file), dataset.Want{Inputs: dnnc.DataInputs(m)})
		if err != nil {
			return data.Batch{}, err
		}
		return d.Batch, nil
	}
	calib, err := images("calib.npz")
	if err != nil {
		return nil, err
	}
	test, err := images("test.npz")
	if err != nil {
		return nil, err
	}
	config, err := dnnc.NewConfig(targets[0])
	if err != nil {
		return nil, err
	}
	config.Calibration, config.Errors = dnnc.Images(calib), clean
	config.Task, config.Activations = tasks(m), cmp.Or(activations, config.Activations)
	r, err := dnnc.Compile(ctx, m, config)
	if err != nil {
		return nil, err
	}
	f, err := measure.Compare(ctx, r.Float, r.Module, test, make([]bool, len(m.Outputs)))
	if err != nil {
		return nil, err
	}
	var ratios []float64
	for _, n := range f.Results {
		db, ok := n.SQNR()
		if !ok {
			db = math.NaN()
		}
		ratios = append(ratios, db)
	}
	return ratios, nil
}

// line is a row of the table.
func (r *row) line(date string) string {
	decibels := func(list []float64) string {
		var s []string
		for _, db := range list {
			s = append(s, fmt.Sprintf("%.1f", db))
		}
		if s == nil {
			return "-"
		}
		return strings.Join(s, " ")
	}
	verified := strings.Join(r.verified, " ")
	if verified == "" {
		verified = "-"
	}
	verdict := "holds"
	if !r.holds() {
		verdict = misses
	}
	return fmt.Sprintf("| %s | %s | %d of %d | %s | %s | %s | %s |", r.name, date, r.agree, r.exports, verified, decibels(r.ours), decibels(r.qdq), verdict)
}

// misses is the verdict of a network that misses a bar.
const misses = "misses a bar"

// lines are those of the table, in the order of their names. Those of networks that
// are not measured again stay, with the day on which they were measured.
type lines []string

const header = "| network | measured | agrees in float | objects verified | int8, dB | QDQ, dB | bars |\n| --- | --- | --- | --- | --- | --- | --- |\n"

// readLines reads the table of a file.
func readLines(path string) (list lines, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(text), begin)
	part, _, _ := strings.Cut(rest, end)
	_, part, _ = strings.Cut(part, header)
	for line := range strings.Lines(part) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list, nil
}

// with is the lines with that of a network.
func (l lines) with(name, line string) lines {
	isOwn := func(other string) bool { return strings.HasPrefix(other, "| "+name+" |") }
	l = append(slices.DeleteFunc(l, isOwn), line)
	slices.Sort(l)
	return l
}

// holding counts the networks that meet all bars.
func (l lines) holding() (n int) {
	for _, line := range l {
		if !strings.Contains(line, misses) {
			n++
		}
	}
	return n
}

func (l lines) table(exporters []string) string {
	return fmt.Sprintf("%d of %d networks meet all bars. The exporters are %s.\n\n%s%s\n", l.holding(), len(l), strings.Join(exporters, ", "), header, strings.Join(l, "\n"))
}

// write puts the table into a file.
func (l lines) write(path string, exporters []string) error {
	return markers.Refresh(path, begin, end, l.table(exporters))
}
