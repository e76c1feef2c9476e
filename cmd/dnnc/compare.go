package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Defaults of compare.
var (
	compareSizes   = []string{"1", "1.5", "2", "3"}
	compareMethods = []string{"qed", "qstar", "universal", "compress", "greedy", "fisher"}
)

// outcome is one network that a method chose, measured on test images.
type outcome struct {
	network, formats, method string
	seed                     uint64
	bits                     float64 // of the budget
	images                   int
	average                  float64 // bits a weight, codebooks included
	retention, stderr, worst float64
	below, belowSE           float64 // of the first method at this size, paired
	evaluations              int
	macs                     int64
}

var columns = []string{"network", "formats", "method", "seed", "bits", "images", "average", "retention", "stderr", "worst", "below", "below_stderr", "evaluations", "macs"}

func (r outcome) strings() []string {
	f := func(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }
	return []string{r.network, r.formats, r.method, fmt.Sprint(r.seed), f(r.bits), fmt.Sprint(r.images), f(r.average), f(r.retention), f(r.stderr), f(r.worst), f(r.below), f(r.belowSE), fmt.Sprint(r.evaluations), fmt.Sprint(r.macs)}
}

// sameRun reports whether two outcomes answer the same question.
func (r outcome) sameRun(o outcome) bool {
	return r.network == o.network && r.formats == o.formats && r.method == o.method && r.seed == o.seed && r.bits == o.bits && r.images == o.images
}

// compare gives several methods the same bytes and measures what they make of
// the network, on the same disturbed test images. With -record it keeps every
// outcome in a CSV file as soon as there is one, and goes on where it ended.
func compare(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	o.Target = cmp.Or(o.Target, target.Names()[0])
	o.StopAfter, o.Level = "calibrate", string(pass.Robust)
	if len(o.Sizes) == 0 {
		o.Sizes = compareSizes
	}
	if len(o.Methods) == 0 {
		o.Methods = compareMethods
	}
	var sizes []float64
	for _, s := range o.Sizes {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || !(x > 0) || x > 32 {
			return diag.New(diag.Pos{}, diag.BadBudget, "-sizes %s: average bits a weight, as 0.5,1,2", s)
		}
		sizes = append(sizes, x)
	}
	for _, m := range o.Methods {
		if !slices.Contains(robust.Methods(), m) {
			return diag.New(diag.Pos{}, diag.BadValue, "no method of search %q", m).
				WithSuggestion(m, robust.Methods()).WithHelp("the methods are %s", strings.Join(robust.Methods(), " "))
		}
	}
	done, err := readRecord(o.Record)
	if err != nil {
		return err
	}
	var all []outcome
	first := o.Seed
	for seed := first; seed < first+uint64(max(o.Seeds, 1)); seed++ {
		o.Seed = seed
		list, err := compareSeed(ctx, o, sizes, done, stdout, stderr)
		all = append(all, list...)
		if err != nil {
			printOutcomes(stdout, all)
			return err
		}
	}
	printOutcomes(stdout, all)
	return nil
}

// contest is the state of compare for one seed.
type contest struct {
	o      driver.Options
	r      *driver.Result
	search *robust.Search
	setup  measure.Setup
	float  *replay
}

func compareSeed(ctx context.Context, o driver.Options, sizes []float64, done []outcome, stdout, stderr io.Writer) (all []outcome, err error) {
	var c *contest // made when the first outcome is missing
	m, err := driver.Load(o)
	if err != nil {
		return nil, err
	}
	for _, bits := range sizes {
		var open []outcome
		for _, method := range o.Methods {
			r := outcome{network: m.Name, formats: strings.Join(o.Formats, "+"), method: method, seed: o.Seed, bits: bits, images: o.TestImages}
			if i := slices.IndexFunc(done, r.sameRun); i >= 0 {
				all = append(all, done[i])
				continue
			}
			open = append(open, r)
		}
		if len(open) == 0 {
			continue
		}
		if c == nil {
			if c, err = newContest(ctx, o, stdout, stderr); err != nil {
				return all, err
			}
		}
		list, err := c.run(ctx, bits, open)
		if err != nil {
			return all, err
		}
		all = append(all, list...)
		if err := appendRecord(o.Record, list); err != nil {
			return all, err
		}
	}
	return all, nil
}

func newContest(ctx context.Context, o driver.Options, stdout, stderr io.Writer) (*contest, error) {
	r, err := driver.Compile(ctx, o, stdout, stderr)
	if err != nil {
		return nil, err
	}
	c := &contest{o: o, r: r}
	if c.setup, _, _, err = driver.Setup(o, r); err != nil {
		return nil, err
	}
	exact, err := interp.CompileFloat(r.Module.Clone())
	if err != nil {
		return nil, err
	}
	c.float = &replay{net: exact.Forward}
	c.search, err = robust.New(r.Module, r.Env)
	return c, err
}

// run gives methods one budget.
func (c *contest) run(ctx context.Context, bits float64, open []outcome) ([]outcome, error) {
	c.r.Env.Budget = pass.Budget{Bits: bits}
	bytes, _ := robust.Limit(c.r.Module.Layers(), c.r.Env.Budget)
	weights := 0
	for _, n := range c.r.Module.Layers() {
		weights += n.Const("weight").Type.Shape.Size()
	}
	c.float.at = 0
	nets := []measure.Network{c.float.run}
	for i := range open {
		r := &open[i]
		report := &c.r.Env.Report
		*report = pass.SearchReport{}
		// Q* must not find the table that another method filled.
		search := c.search
		if r.method == "qstar" {
			var err error
			if search, err = robust.New(c.r.Module, c.r.Env); err != nil {
				return nil, err
			}
		}
		net, err := search.Choose(ctx, r.method, bytes)
		if err != nil {
			var d *diag.Diagnostic
			if errors.As(err, &d) && d.Kind == diag.BadBudget {
				r.average = math.NaN() // nothing that small
				continue
			}
			return nil, err
		}
		r.average = 8 * float64(net.Bytes) / float64(weights)
		r.evaluations, r.macs = report.Evaluations, report.MACs
		m, err := search.Quantized(ctx, net.Formats)
		if err != nil {
			return nil, err
		}
		prog, err := interp.CompileInt(m)
		if err != nil {
			return nil, err
		}
		nets = append(nets, func(ctx context.Context, x []float32, n int) ([]float32, error) {
			return interp.Logits(ctx, prog, x, n)
		})
	}
	scores, err := measure.Robust(ctx, c.setup, nets...)
	if err != nil {
		return nil, err
	}
	exact, scores := scores[0], scores[1:]
	var base *measure.Score
	for i := range open {
		r := &open[i]
		if math.IsNaN(r.average) {
			r.retention, r.worst = math.NaN(), math.NaN()
			continue
		}
		s := scores[0]
		scores = scores[1:]
		if base == nil {
			base = s
		}
		kept := s.Retention(exact)
		r.retention, r.stderr, r.worst = kept.Value, kept.StdErr, math.Inf(1)
		for _, k := range s.KindRetention(exact) {
			r.worst = min(r.worst, k.Value)
		}
		gap := base.Difference(s)
		r.below, r.belowSE = gap.Value/exact.Mean(), gap.StdErr/exact.Mean()
	}
	return open, nil
}

// replay gives a network's answers again when the same images come in the same
// order: the float network runs once for all sizes.
type replay struct {
	net  measure.Network
	kept [][]float32
	at   int
}

func (r *replay) run(ctx context.Context, x []float32, n int) ([]float32, error) {
	if r.at == len(r.kept) {
		y, err := r.net(ctx, x, n)
		if err != nil {
			return nil, err
		}
		r.kept = append(r.kept, y)
	}
	r.at++
	return r.kept[r.at-1], nil
}

func printOutcomes(out io.Writer, list []outcome) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "bits\tmethod\tseed\taverage\tretention\tstderr\tworst kind\tbelow the first\tstderr\tevaluations\tMACs\t")
	for _, r := range list {
		if math.IsNaN(r.average) {
			fmt.Fprintf(w, "%g\t%s\t%d\tnothing this small\t\t\t\t\t\t\t\t\n", r.bits, r.method, r.seed)
			continue
		}
		fmt.Fprintf(w, "%g\t%s\t%d\t%.3f\t%.4f\t%.4f\t%.4f\t%+.4f\t%.4f\t%d\t%.3g\t\n",
			r.bits, r.method, r.seed, r.average, r.retention, r.stderr, r.worst, r.below, r.belowSE, r.evaluations, float64(r.macs))
	}
	w.Flush()
}

// readRecord reads the outcomes of earlier runs; none of a file that is not there.
func readRecord(path string) ([]outcome, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diag.New(diag.Pos{}, diag.BadFile, "%v", err)
	}
	defer f.Close()
	fault := func(err error) ([]outcome, error) {
		return nil, diag.New(diag.Pos{File: path}, diag.BadFile, "no record of dnnc compare: %v", err)
	}
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fault(err)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], columns) {
		return fault(errors.New("its columns are others"))
	}
	var list []outcome
	for _, row := range rows[1:] {
		x := make([]float64, len(row))
		for i := 3; i < len(row); i++ {
			if x[i], err = strconv.ParseFloat(row[i], 64); err != nil {
				return fault(err)
			}
		}
		list = append(list, outcome{row[0], row[1], row[2], uint64(x[3]), x[4], int(x[5]), x[6], x[7], x[8], x[9], x[10], x[11], int(x[12]), int64(x[13])})
	}
	return list, nil
}

func appendRecord(path string, list []outcome) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	defer f.Close()
	var rows [][]string
	if info, err := f.Stat(); err == nil && info.Size() == 0 {
		rows = append(rows, columns)
	}
	for _, r := range list {
		rows = append(rows, r.strings())
	}
	if err := csv.NewWriter(f).WriteAll(rows); err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	return nil
}
