// Package compare gives several methods of search the same bytes and measures what
// they make of a network.
package compare

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certify"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/measure"
)

// What is compared unless the user says it.
var (
	Sizes   = []string{"1", "1.5", "2", "3"}
	Methods = []string{"qed", "qstar", "universal", "compress", "greedy", "fisher"}
)

// Run gives several methods the same bytes and measures what they make of
// the network, on the same disturbed test images. With -record it keeps every
// outcome in a CSV file as soon as there is one, and goes on where it ended.
func Run(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	o.Target = cmp.Or(o.Target, processor.Names()[0])
	o.StopAfter, o.Level = passes.Widened, string(pass.Robust)
	o.Reports = true
	if len(o.Sizes) == 0 {
		o.Sizes = Sizes
	}
	if len(o.Methods) == 0 {
		o.Methods = Methods
	}
	sizes, err := driver.Bits("sizes", o.Sizes)
	if err != nil {
		return err
	}
	for _, m := range o.Methods {
		if !slices.Contains(robust.Methods(), m) {
			return diag.New(diag.Pos{}, diag.BadValue, "no method of search %q", m).
				WithHelp("the methods are %s", strings.Join(robust.Methods(), " ")).WithSuggestion(m, robust.Methods())
		}
	}
	if o.Proved > 0 && o.Record != "" {
		return diag.New(diag.Pos{}, diag.BadValue, "-proved: a record has no proofs").WithHelp("leave -record out")
	}
	done, err := readRecord(o.Record)
	if err != nil {
		return err
	}
	if err := o.Check(); err != nil {
		return err
	}
	said := o
	said.Judged = true // data are examined when something is measured
	task, err := driver.Judge(ctx, said, stdout, stderr)
	if err != nil {
		return err
	}
	o.Task = task.Asked()
	var all []outcome
	first := o.Seed
	for seed := first; seed < first+uint64(max(o.Seeds, 1)); seed++ {
		o.Seed = seed
		list, err := oneSeed(ctx, o, task, sizes, done, stdout, stderr)
		all = append(all, list...)
		if err != nil {
			printOutcomes(stdout, all)
			return err
		}
	}
	printOutcomes(stdout, all)
	return nil
}

// oneSeed is the outcomes of one seed: of each size, method and result.
func oneSeed(ctx context.Context, o driver.Options, task measure.Task, sizes []float64, done []outcome, stdout, stderr io.Writer) (all []outcome, err error) {
	var c *contest // made when the first outcome is missing
	m, err := driver.Load(o)
	if err != nil {
		return nil, err
	}
	asked, err := question(o, m)
	if err != nil {
		return nil, err
	}
	results := []string{""}
	if len(task.Results) > 1 {
		results = nil
		for _, r := range task.Results {
			results = append(results, r.Name)
		}
	}
	for _, bits := range sizes {
		// A size is done as a whole: its networks are compared image by image.
		var runs, found []outcome
		for _, method := range o.Methods {
			for _, result := range results {
				r := outcome{question: asked, network: m.Name, formats: strings.Join(o.Formats, "+"), method: method, result: result, seed: o.Seed, bits: bits, images: o.TestImages}
				runs = append(runs, r)
				if i := slices.IndexFunc(done, r.sameRun); i >= 0 {
					x := done[i]
					x.network, x.result = r.network, r.result // which are one name there
					found = append(found, x)
				}
			}
		}
		if len(found) == len(runs) {
			all = append(all, found...)
			continue
		}
		if c == nil {
			if _, err := driver.Judge(ctx, o, io.Discard, stderr); err != nil {
				return all, err
			}
			o.Judged = true
			if c, err = newContest(ctx, o, stdout, stderr); err != nil {
				return all, err
			}
		}
		list, err := c.run(ctx, bits, runs, len(results))
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

func printOutcomes(out io.Writer, list []outcome) {
	if len(list) == 0 { // interrupted before the first
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	result := func(string) string { return "" }
	if list[0].result != "" {
		result = func(name string) string { return name + "\t" }
	}
	fmt.Fprintln(w, "bits\tmethod\t"+result("result")+"seed\taverage\tretention\tstderr\tworst kind\tbelow "+list[0].method+"\tstderr\tevaluations\tMACs\t")
	for _, r := range list {
		if math.IsNaN(r.average) {
			fmt.Fprintf(w, "%g\t%s\t%s%d\tnothing this small\t\t\t\t\t\t\t\t\n", r.bits, r.method, result(r.result), r.seed)
			continue
		}
		fmt.Fprintf(w, "%g\t%s\t%s%d\t%.3f\t%s\t%s\t%s\t%s\t%s\t%d\t%.3g\t\n",
			r.bits, r.method, result(r.result), r.seed, r.average, figure("%.4f", r.retention), figure("%.4f", r.stderr), figure("%.4f", r.worst),
			figure("%+.4f", r.below), figure("%.4f", r.belowSE), r.evaluations, float64(r.macs))
	}
	w.Flush()
	var names []string
	var proved [][]certify.Beside
	for i, r := range list {
		if r.proved != nil && (i == 0 || r.result == list[0].result) { // a proof is of the network
			names, proved = append(names, fmt.Sprintf("%g bits, %s, seed %d", r.bits, r.method, r.seed)), append(proved, r.proved)
		}
	}
	if proved != nil {
		certify.PrintBeside(out, "network", names, proved)
	}
}

// figure is a figure, or a dash where it is not defined.
func figure(format string, x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf(format, x)
}
