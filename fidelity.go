package dnnc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Fidelity measures how near the integers come to the float network on a sample of the
// calibration images, and warns where that is not near. It is nil where there is no float
// network: of a model that came as integers.
func (r *Result) Fidelity(ctx context.Context) (*measure.Fidelity, error) {
	if r.Float == nil || r.integers == nil {
		return nil, nil
	}
	b, err := r.Env.Calibration()
	if err != nil {
		return nil, err
	}
	asked := r.Config.Task
	if r.Task.Name != "" {
		asked = r.Task.Asked()
	}
	f, err := measure.Compare(ctx, r.Float, r.integers, measure.Sample(r.Float, b, r.Config.Seed), measure.GiveAnswers(r.Float, asked, b.Labels))
	if err == nil {
		r.warnOf(f)
	}
	return f, err
}

// Calibrated reports whether the build calibrated the network: not of a dump that has
// ranges already.
func (r *Result) Calibrated() bool {
	return slices.ContainsFunc(r.Passes, func(c Cost) bool { return c.Pass == passes.Calibrated })
}

// warnOf warns of results that are far from the float network's.
func (r *Result) warnOf(f *measure.Fidelity) {
	r.warnOfColumns(f)
	far := FarResults(f, r.isOfNoise())
	if len(far) == 0 {
		return
	}
	w := diag.Warn(diag.LowFidelity, "the integers are far from the float network: on %d calibration images %s", f.Images, strings.Join(far, ", "))
	r.Warn(w.WithHelp("%s; -report fidelity lists the layers", r.remedy(f)))
}

// Columns of a result are in different units where one spreads less than this share of another,
// of a result of numbers: a picture or a signal has more columns than fewColumns, and edges
// that hardly move.
const (
	otherUnit  = 1. / 16
	fewColumns = 16
)

// warnOfColumns warns of inputs and results that are near the float network's as a whole, but
// not in each column: one scale serves all columns, and the greatest numbers choose it.
func (r *Result) warnOfColumns(f *measure.Fidelity) {
	for i := range f.Inputs {
		r.warnOfColumn(f, &f.Inputs[i], "input", "scale the columns to one range before the network, in training too, and not inside it; or make columns of different units inputs of their own, each of which has a scale")
	}
	for i := range f.Results {
		n, task := &f.Results[i], r.Module.TaskOf(i).Name
		if isMeant := task == ir.Values || task == "" && len(n.Columns) <= fewColumns; isMeant {
			r.warnOfColumn(f, n, "result", "scale the targets of training to one size; or return columns of different units as results of their own, each of which has a scale")
		}
	}
}

// warnOfColumn warns of the worst column of one input or result.
func (r *Result) warnOfColumn(f *measure.Fidelity, n *measure.Near, what, help string) {
	at, db, share := n.WorstColumn()
	whole, defined := n.SQNR()
	if at < 0 || db >= diag.LeastSQNR || share > otherUnit || !defined || whole < diag.LeastSQNR {
		return
	}
	r.Warn(diag.Warn(diag.UnevenColumns, "column %d of the %d of the %s %s has %.1f dB over its spread, on %d calibration images: it spreads %.2g of another column, and one scale serves all", at, len(n.Columns), what, n.Name, measure.Decibels(db), f.Images, share).
		WithHelp("%s", help))
}

// isOfNoise reports that there are no calibration images.
func (r *Result) isOfNoise() bool {
	return slices.ContainsFunc(r.Warnings, func(w *diag.Warning) bool { return w.Name == diag.NoCalibration })
}

// FarResults lists the results that are under a threshold of diag.LowFidelity, with their
// figures. Of values the spread counts, too, but not on noise, under which it may be narrow.
func FarResults(f *measure.Fidelity, isOfNoise bool) (far []string) {
	for _, n := range f.Results {
		spread, hasSpread := n.Spread()
		switch db, defined := n.SQNR(); {
		case defined && db < diag.LeastSQNR:
			far = append(far, fmt.Sprintf("%s has %.1f dB", n.Name, measure.Decibels(db)))
		case n.IsValues && !isOfNoise && hasSpread && spread < diag.LeastSQNR:
			far = append(far, fmt.Sprintf("%s has %.1f dB over its spread", n.Name, measure.Decibels(spread)))
		}
		if n.Agree >= 0 && float64(n.Agree) < diag.LeastAgreement*float64(f.Images) {
			far = append(far, fmt.Sprintf("the answers of %s agree on %d", n.Name, n.Agree))
		}
	}
	return far
}

// remedy is what makes a network nearer to the float one.
func (r *Result) remedy(f *measure.Fidelity) string {
	if r.isOfNoise() {
		return "give -calib images like those that the network will see"
	}
	if worst := f.Worst(); worst != nil {
		for _, n := range r.integers.Layers() {
			if e := n.Const(ir.AttrWeight).Type.Elem; n.Name() == worst.Name && e.Kind != ir.I8 {
				lost := fmt.Sprintf("most is lost in %s, whose weights are %s", n.Name(), e)
				if r.Config.Level == pass.Robust {
					// It gave the layer few bits because the answers under errors need them elsewhere.
					return lost + ": a greater budget, or -keep, which promises what answers under errors keep, lets the search give it more; -fix takes its bits from other layers, and the robust accuracy may fall"
				}
				return fmt.Sprintf("%s: %s, or a greater budget", lost, quote.Flag("fix", n.Name()+"=8"))
			}
		}
	}
	if r.Config.Activations == "" || r.Config.Activations == pass.MinMax {
		return fmt.Sprintf("-activations %s and %s leave out values that are rare", pass.Percentile, pass.LeastError)
	}
	return "calibration images that are like those which the network will see, and more of them"
}
