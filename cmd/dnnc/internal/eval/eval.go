// Package eval measures a network and what it becomes at a level of -O: accuracy
// under errors, distances of the decision boundary, and pictures of it.
package eval

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/metric"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Run measures accuracy clean and under errors, or with -boundary the distances
// of the decision boundary, or with -plane a picture of it. Ctrl-C prints what was
// measured until then.
func Run(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	if o.JSON && o.CSV {
		return diag.New(diag.Pos{}, diag.BadValue, "-json and -csv: one of them")
	}
	if (len(o.Metric) > 0 || o.Detect != "") && (o.Boundary || o.Plane != "" || o.CSV) {
		return diag.New(diag.Pos{}, diag.BadValue, "-metric and -detect judge answers under errors, in the table and in -json; -boundary, -plane and -csv have no place for them")
	}
	if o.Plane != "" {
		if err := driver.CheckOutput("plane", o.Plane, ".png", ".svg"); err != nil {
			return err
		}
	}
	// Integers are the same on every target.
	o.Target = cmp.Or(o.Target, processor.Names()[0])
	o.StopAfter = cmp.Or(o.StopAfter, passes.Tuned)
	o.Reports, o.Table = true, !o.JSON && !o.CSV
	r, err := driver.Compile(ctx, o, stdout, stderr)
	if err != nil {
		return err
	}
	if !r.Module.IsQuantized() {
		return diag.New(diag.Pos{}, diag.BadValue, "-stop-after %s leaves no integers to measure", o.StopAfter)
	}
	said := stderr
	if o.Table {
		said = stdout
	}
	driver.Widened(said, r.Env.Widened)
	if err := r.Judge(ctx, o, said); err != nil {
		return err
	}
	switch {
	case o.Plane != "":
		return plane(ctx, o, r, stdout, stderr)
	case o.Boundary:
		return boundary(ctx, o, r, stdout, stderr)
	}
	return accuracy(ctx, o, r, stdout, stderr)
}

func accuracy(ctx context.Context, o driver.Options, r *driver.Result, stdout, stderr io.Writer) error {
	var own *metric.Run
	detector, err := detectorOf(o, r)
	if err != nil {
		return err
	}
	s, err := driver.MeasureWith(ctx, o, r, stderr, func(s *measure.Setup) {
		if detector != nil {
			defer func() { detector.Attach(s) }()
		}
		if len(o.Metric) > 0 {
			own = &metric.Run{Words: o.Metric, Limit: o.MetricTime}
			own.Attach(ctx, s, r.Float != nil)
		}
	})
	interrupted := errors.Is(err, context.Canceled)
	if err != nil && (s == nil || !interrupted) {
		return err
	}
	c := certificate.New(r.Module, r.Env)
	c.Measure(s.Task, s.Data, s.Labels, s.Float, s.Quantized)
	var judged *metric.Outcome
	if own != nil {
		judged = own.Outcome()
	}
	switch {
	case o.JSON:
		return errors.Join(err, writeJSON(stdout, map[string]any{
			"metric": judged, "detections": detected(detector),
			"network": c.Network, "measured": c.Measured, "errors": c.Errors, "seed": c.Seed, "interrupted": interrupted,
			"float": c.Float, "quantized": c.Quantized, "retention": c.Retention, "retention_stderr": c.RetentionSE, "results": c.Results,
		}))
	case o.CSV:
		return errors.Join(err, writeScores(stdout, c))
	}
	if interrupted {
		done := 1
		for _, k := range cmp.Or(c.Results[0].Float, c.Results[0].Quantized).Robust {
			done += len(k.Sizes)
		}
		fmt.Fprintf(stdout, "INTERRUPTED after %d of %d conditions: the means are of these\n", done, 1+len(r.Env.Errors))
	}
	driver.Accuracy(stdout, c)
	if x := detected(detector); x != nil {
		fmt.Fprintf(stdout, "detections at IoU .5: %s of %d agree with the float network's (mean of kinds, 95 %% interval %s to %s)\n",
			driver.Figure(x.Agreement), x.Detections, driver.Figure(x.Low), driver.Figure(x.High))
		if x.Doubt != "" {
			fmt.Fprintf(stdout, "that says little: %s\n", x.Doubt)
		}
		fmt.Fprintln(stdout)
	}
	if judged != nil {
		printMetric(stdout, judged)
	}
	return err
}

// detectorOf is what -detect asks for; nil of nothing.
func detectorOf(o driver.Options, r *driver.Result) (*measure.Detector, error) {
	if o.Detect == "" {
		return nil, nil
	}
	if r.Float == nil {
		return nil, diag.New(diag.Pos{}, diag.BadData, "-detect compares detections with the float network's, and there is none").WithHelp("measure the network that this one was made from")
	}
	return measure.NewDetector(&r.Task, o.Detect)
}

// detections is how far the networks see the same boxes.
type detections struct {
	Agreement  *float64 `json:"agreement"` // nil where there are no detections
	Low        *float64 `json:"low"`
	High       *float64 `json:"high"`
	Detections int      `json:"detections"`      // of both networks, under all conditions
	Doubt      string   `json:"doubt,omitempty"` // why the agreement says little
}

func detected(d *measure.Detector) *detections {
	if d == nil {
		return nil
	}
	x, n := d.Agreement()
	out := &detections{Detections: n, Doubt: d.Doubt()}
	for _, f := range []struct {
		x  float64
		to **float64
	}{{x.Value, &out.Agreement}, {x.Low, &out.Low}, {x.High, &out.High}} {
		if !math.IsNaN(f.x) {
			*f.to = &f.x
		}
	}
	return out
}

// printMetric is what a program of the user's says.
func printMetric(out io.Writer, m *metric.Outcome) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "-metric %s\tsize\tfloat\tquantized\tconstant answer\t\n", quote.Line(m.Program))
	text := func(x *float64) string {
		if x == nil {
			return "-"
		}
		return fmt.Sprintf("%.6g", *x)
	}
	for _, r := range append(slices.Clone(m.Rows), m.Mean) {
		size := ""
		if r.Size > 0 {
			size = number(r.Size)
		}
		name := r.Kind
		if name == m.Mean.Kind {
			name = "mean of kinds, clean too"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", name, size, text(r.Float), text(r.Quantized), text(r.Constant))
	}
	w.Flush()
	fmt.Fprintf(out, "by -metric the quantized network has %s of what the float network is above the constant answer\n\n", driver.Figure(m.Kept))
}

// writeScores is a line a condition and network, and one of all, of each result: what the
// quantized network keeps stands beside its own measure, empty where it is not defined. Of
// one label an item that is the share of the accuracy, of other tasks it is of the mean
// alone. Of several results the first column has the network and the result.
func writeScores(out io.Writer, c *certificate.Certificate) error {
	rows := [][]string{{"network", "kind", "size", "accuracy", "stderr", "retention", "retention_stderr"}}
	rows[0][3] = "measure"
	if c.Measured.Measure == "accuracy" {
		rows[0][3] = "accuracy"
	}
	for i := range c.Results {
		r := &c.Results[i]
		isShare := c.Retention != nil && r.Measure == "accuracy"
		for i, s := range []*certificate.Score{r.Float, r.Quantized} {
			if s == nil {
				continue
			}
			name := []string{dnnc.Float, dnnc.Quantized}[i]
			if len(c.Results) > 1 {
				name += " " + r.Name
			}
			retention := func(own float64, of func(s *certificate.Score) float64) string {
				if !isShare || r.Float == nil || s == r.Float || of(r.Float) == 0 {
					return ""
				}
				return number(own / of(r.Float))
			}
			line := func(kind, size string, of func(s *certificate.Score) float64) {
				rows = append(rows, []string{name, kind, size, number(of(s)), "", retention(of(s), of), ""})
			}
			line(measure.Clean, "0", func(s *certificate.Score) float64 { return s.Clean })
			for i, k := range s.Robust {
				for j, t := range k.Sizes {
					line(k.Kind, number(t), func(s *certificate.Score) float64 { return s.Robust[i].Accuracy[j] })
				}
			}
			mean := []string{name, "mean", "", number(s.Mean), defined(s.MeanSE), "", ""}
			switch {
			case s != r.Quantized:
			case isShare:
				mean[5], mean[6] = number(*c.Retention), defined(c.RetentionSE)
			case r.Kept != nil && c.Measured.Measure != "accuracy":
				mean[5], mean[6] = number(*r.Kept), defined(r.KeptSE)
			}
			rows = append(rows, mean)
		}
	}
	return csv.NewWriter(out).WriteAll(rows)
}

func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// defined is number, empty of a figure that is not defined.
func defined(x *float64) string {
	if x == nil {
		return ""
	}
	return number(*x)
}
