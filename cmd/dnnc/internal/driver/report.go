package driver

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/measure"
)

// report prints the reports that were asked for.
func report(out io.Writer, list []string, c *certificate.Certificate, r *Result) {
	for _, name := range Reports {
		if !slices.Contains(list, name) {
			continue
		}
		switch name {
		case "layers":
			layers(out, c)
		case "accuracy":
			Accuracy(out, c)
		case "search":
			search(out, c)
		case "fidelity":
			fidelity(out, c.Fidelity)
		case "memory":
			fmt.Fprintf(out, "%s\n", strings.Join(machine.Explain(r.Module), "\n"))
			if c.StackBytes > 0 {
				fmt.Fprintf(out, "stack at most %d bytes\n", c.StackBytes)
			}
			fmt.Fprintln(out)
		}
	}
}

func table(out io.Writer, rows ...[]string) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t")+"\t")
	}
	w.Flush()
	fmt.Fprintln(out)
}

func layers(out io.Writer, c *certificate.Certificate) {
	rows := [][]string{{"layer", "format", "bits", "rounding", "weights", "bytes", "MACs", "cost (" + divergence(c) + ")"}}
	for _, l := range c.Layers {
		cost := "-"
		if l.Cost > 0 {
			cost = fmt.Sprintf("%.5f", l.Cost)
		}
		rows = append(rows, []string{l.Name, l.Format, fmt.Sprintf("%.2f", l.Bits), l.Rounding, fmt.Sprint(l.Weights), fmt.Sprint(l.WeightBytes), fmt.Sprint(l.MACs), cost})
	}
	table(out, rows...)
	fmt.Fprintf(out, "%d bytes of weights (%.3f bits each), %d of other constants", c.WeightBytes, c.AverageBits, c.OtherBytes)
	if c.CodeBytes > 0 {
		fmt.Fprintf(out, ", %d of code", c.CodeBytes)
	}
	fmt.Fprintf(out, "; %d bytes of RAM for the arena\n", c.ArenaBytes)
	if c.Stream != nil {
		fmt.Fprintln(out, c.Stream)
	}
	if c.Rows != nil {
		fmt.Fprintln(out, c.Rows)
	}
	if c.Threads != nil {
		fmt.Fprintln(out, c.Threads)
	}
	fmt.Fprintln(out)
}

// Accuracy prints what was measured, float and quantized side by side, result by result.
func Accuracy(out io.Writer, c *certificate.Certificate) {
	if len(c.Results) == 0 {
		fmt.Fprint(out, "no test images: nothing was measured\n\n")
		return
	}
	fmt.Fprint(out, Caution(c.Measured.Data, c.Measured.Labels, c.Measured.Unlabelled...))
	for i := range c.Results {
		r := &c.Results[i]
		if len(c.Results) > 1 {
			fmt.Fprintf(out, "result %s: %s\n", r.Name, r.Task)
		}
		measured(out, r)
		fmt.Fprintf(out, "%d images%s\n\n", c.Measured.Images, kept(c, r))
		figures(out, r)
	}
}

// kept says what the quantized network has of the float network's measure of a result; "" where
// one of them was not measured.
func kept(c *certificate.Certificate, r *certificate.Result) string {
	const above = "of what the float network is above the best constant answer"
	plain := r.Task == measure.Classes && r.Axis == nil && len(c.Results) == 1
	switch {
	case r.Float == nil || r.Quantized == nil:
		return ""
	case plain && c.Retention == nil:
		return "; the quantized network has - of the robust accuracy: the float network is never right"
	case plain:
		return fmt.Sprintf("; the quantized network has %.4f (standard error %s) of the robust accuracy, %s %s", *c.Retention, Figure(c.RetentionSE), Figure(r.Kept), above)
	case r.Kept == nil:
		return fmt.Sprintf("; the quantized network has - %s: it is not told from that one", above)
	}
	return fmt.Sprintf("; the quantized network has %.4f (standard error %s) %s", *r.Kept, Figure(r.KeptSE), above)
}

// measuredOn says in a line for each result what was measured on -data, which the certificate has.
func measuredOn(out io.Writer, c *certificate.Certificate) {
	for i := range c.Results {
		of := ""
		if len(c.Results) > 1 {
			of = " of " + c.Results[i].Name
		}
		fmt.Fprintf(out, "measured%s on %d images of %s%s; -report accuracy has the figures\n", of, c.Measured.Images, quote.Line(c.Measured.Data), kept(c, &c.Results[i]))
	}
}

// measured is the measure of a result under each condition.
func measured(out io.Writer, r *certificate.Result) {
	head := []string{r.Measure, "size"}
	var nets []*certificate.Score
	for i, s := range []*certificate.Score{r.Float, r.Quantized} {
		if s != nil {
			head = append(head, []string{dnnc.Float, dnnc.Quantized}[i])
			nets = append(nets, s)
		}
	}
	rows := [][]string{head}
	line := func(name, size string, value func(s *certificate.Score) float64) {
		r := []string{name, size}
		for _, s := range nets {
			r = append(r, fmt.Sprintf("%.4f", value(s)))
		}
		rows = append(rows, r)
	}
	line("clean", "", func(s *certificate.Score) float64 { return s.Clean })
	for i, k := range nets[0].Robust {
		for j, t := range k.Sizes {
			line(k.Kind, fmt.Sprintf("%g", t), func(s *certificate.Score) float64 { return s.Robust[i].Accuracy[j] })
		}
	}
	line("mean of kinds, clean too", "", func(s *certificate.Score) float64 { return s.Mean })
	errors := []string{"standard error", ""}
	for _, s := range nets {
		errors = append(errors, Figure(s.MeanSE))
	}
	rows = append(rows, errors)
	table(out, rows...)
}

// figures are what people read beside the measure, with their intervals.
func figures(out io.Writer, r *certificate.Result) {
	if len(r.Figures) == 0 {
		return
	}
	rows := [][]string{{"mean of kinds, 95 % interval", dnnc.Float, dnnc.Quantized, "difference"}}
	text := func(x *certificate.Interval) string {
		if x == nil {
			return "-"
		}
		if x.Low == nil || x.High == nil {
			return fmt.Sprintf("%.4g -", x.Value)
		}
		return fmt.Sprintf("%.4g [%.4g, %.4g]", x.Value, *x.Low, *x.High)
	}
	for _, f := range r.Figures {
		rows = append(rows, []string{f.Name, text(f.Float), text(f.Quantized), text(f.Difference)})
	}
	table(out, rows...)
}

// Nearness prints how near the results come to the float network's, a line each.
func Nearness(out io.Writer, f *certificate.Fidelity) {
	if f == nil {
		fmt.Fprintln(out, "fidelity: - (no float network with calibration images to compare with)")
		return
	}
	for _, n := range f.Results {
		fmt.Fprintf(out, "fidelity: %s %s", n.Name, decibels(n))
		if n.Agreement != nil { // results without one answer an item have none
			fmt.Fprintf(out, ", equal answers on %s of", percent(n.Agreement))
		} else {
			fmt.Fprint(out, " on")
		}
		fmt.Fprintf(out, " %d calibration images", f.Images)
		if f.WorstIn != "" {
			fmt.Fprintf(out, "; most is lost in %s", f.WorstIn)
		}
		if n.Narrow != "" {
			fmt.Fprintf(out, "; 8 bits, not 16, as %s", n.Narrow)
		}
		fmt.Fprintln(out)
	}
}

// decibels is a signal-to-quantization-noise ratio as people read it.
func decibels(n certificate.Near) string {
	switch {
	case n.Equal:
		return "equal"
	case n.SQNR == nil:
		return "- dB"
	}
	spread := ""
	if n.Spread != nil {
		spread = fmt.Sprintf(" (%.1f over its spread)", *n.Spread)
	}
	return fmt.Sprintf("%.1f dB%s", *n.SQNR, spread)
}

// percent is a share, or a dash where it is not defined.
func percent(share *float64) string {
	if share == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100**share)
}

// fidelity prints all layers.
func fidelity(out io.Writer, f *certificate.Fidelity) {
	if f == nil {
		Nearness(out, f)
		fmt.Fprintln(out)
		return
	}
	rows := [][]string{{"layer", "signal to noise", "lost"}}
	for _, n := range f.Layers {
		rows = append(rows, []string{n.Name, decibels(n), percent(&n.Lost)})
	}
	table(out, rows...)
	fmt.Fprintf(out, "%d calibration images; lost: the share of a layer in what is lost in all of them\n\n", f.Images)
}

// Figure is a figure, or a dash where it is not defined.
func Figure(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.4f", *x)
}

// divergence is what a search made least.
func divergence(c *certificate.Certificate) string {
	if c.Search.Divergence != "" {
		return "divergence"
	}
	return "KL"
}

// kept says what a search for a share of the robust accuracy came to; first, that its images have
// no labels, where they have none.
func (r *Result) kept(o Options, out io.Writer) error {
	k := r.Env.Report.Kept
	if k == nil {
		return nil
	}
	if path := CalibrationData(o, r.source); path != "" {
		b, err := r.Env.Calibration()
		if err != nil {
			return err
		}
		fmt.Fprint(out, cautionOf(r.Task, b, path))
	}
	if k.Promised {
		_, err := fmt.Fprintf(out, "keeps %v: %v; %s\n", k.Share, k.Bound, k.Counts())
		return err
	}
	_, err := fmt.Fprintf(out, "%v; aimed at %v, %s\n", k.Bound, k.Share, k.Counts())
	return err
}

// cautionOf is Caution of images that the float network is judged on.
func cautionOf(task measure.Task, b data.Batch, path string) string {
	if task.IsLabelled(b) {
		return ""
	}
	var unlabelled []string
	for k, is := range task.Labelled(b) {
		if !is {
			unlabelled = append(unlabelled, task.Results[k].Name)
		}
	}
	if len(unlabelled) == len(task.Results) {
		unlabelled = nil
	}
	return Caution(path, dnnc.Float, unlabelled...)
}

// Widened says which activations have 16 bits, where they were chosen.
func Widened(out io.Writer, w *pass.Widened) {
	if w != nil {
		fmt.Fprintln(out, quote.Line(w.String()))
	}
}

// Tuned says what tuning did, or why it did nothing.
func Tuned(out io.Writer, t *pass.Tuned) {
	if t != nil {
		fmt.Fprintln(out, t)
	}
}

func search(out io.Writer, c *certificate.Certificate) {
	fmt.Fprintf(out, "%s: %d evaluations, %.3g multiply-adds\n", c.Search.Method, c.Search.Evaluations, float64(c.Search.MACs))
	if k := c.Search.Kept; k != nil && len(k.Tested) > 0 {
		rows := [][]string{{"tested", "bytes", "estimate", fmt.Sprintf("at least (%g %%)", 100*k.Confidence), ""}}
		for _, t := range k.Tested {
			rows = append(rows, []string{t.Origin, fmt.Sprint(t.Bytes), Figure(t.Estimate), Figure(t.AtLeast), map[bool]string{true: "passed", false: "failed"}[t.Passed]})
		}
		table(out, rows...)
	}
	if len(c.Search.Left) > 0 {
		fmt.Fprintf(out, "left out of the divergence, as the float network's answer hardly moves: %s\n", quote.Line(strings.Join(c.Search.Left, " ")))
	}
	if len(c.Search.Candidates) == 0 {
		fmt.Fprintln(out)
		return
	}
	rows := [][]string{{"", "candidate", "bytes", divergence(c), "formats"}}
	for _, k := range c.Search.Candidates {
		mark := ""
		if k.Chosen {
			mark = "*"
		}
		rows = append(rows, []string{mark, k.Origin, fmt.Sprint(k.Bytes), fmt.Sprintf("%.5f", k.KL), strings.Join(k.Formats, " ")})
	}
	table(out, rows...)
}
