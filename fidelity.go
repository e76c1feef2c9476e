package dnnc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
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
	far := FarResults(f)
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

// warnOfColumns warns of results that are near the float network's as a whole, but not in
// each column: one scale serves all columns, and the greatest numbers choose it.
func (r *Result) warnOfColumns(f *measure.Fidelity) {
	for i := range f.Results {
		n, task := &f.Results[i], r.Module.TaskOf(i).Name
		at, db, share := n.WorstColumn()
		whole, defined := n.SQNR()
		isMeant := task == ir.Values || task == "" && len(n.Columns) <= fewColumns
		if at < 0 || !isMeant || db >= diag.LeastSQNR || share > otherUnit || !defined || whole < diag.LeastSQNR {
			continue
		}
		r.Warn(diag.Warn(diag.UnevenColumns, "column %d of the %d of the result %s has %.1f dB over its spread, on %d calibration images: it spreads %.2g of another column, and one scale serves all", at, len(n.Columns), n.Name, db, f.Images, share).
			WithHelp("scale the targets of training to one size; or return columns of different units as results of their own, each of which has a scale"))
	}
}

// FarResults lists the results that are under a threshold of diag.LowFidelity, with their
// figures.
func FarResults(f *measure.Fidelity) (far []string) {
	for _, n := range f.Results {
		if db, defined := n.SQNR(); defined && db < diag.LeastSQNR {
			far = append(far, fmt.Sprintf("%s has %.1f dB", n.Name, db))
		}
		if n.Agree >= 0 && float64(n.Agree) < diag.LeastAgreement*float64(f.Images) {
			far = append(far, fmt.Sprintf("the answers of %s agree on %d", n.Name, n.Agree))
		}
	}
	return far
}

// remedy is what makes a network nearer to the float one.
func (r *Result) remedy(f *measure.Fidelity) string {
	if slices.ContainsFunc(r.Warnings, func(w *diag.Warning) bool { return w.Name == diag.NoCalibration }) {
		return "give -calib images like those that the network will see"
	}
	if worst := f.Worst(); worst != nil {
		for _, n := range r.integers.Layers() {
			if e := n.Const(ir.AttrWeight).Type.Elem; n.Name() == worst.Name && e.Kind != ir.I8 {
				return fmt.Sprintf("most is lost in %s, whose weights are %s: -fix %s=8, or a greater budget", n.Name(), e, n.Name())
			}
		}
	}
	if r.Config.Activations == "" || r.Config.Activations == pass.MinMax {
		return fmt.Sprintf("-activations %s and %s leave out values that are rare", pass.Percentile, pass.LeastError)
	}
	return "calibration images that are like those which the network will see, and more of them"
}
