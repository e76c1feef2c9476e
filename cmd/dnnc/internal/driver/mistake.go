package driver

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
	"github.com/dnnc/dnnc/runtime/mistake"
)

// examine holds the images that a network is judged on to what people usually mistake,
// before anything is searched or measured.
func (r *Result) examine(ctx context.Context, o Options, task measure.Task, sources []LabelSource) error {
	m := r.source
	if m.IsQuantized() {
		m = r.Module
	}
	return Examine(ctx, o, m, task, sources, r.Warn)
}

// examineCalibration holds the images that ranges come from to the same mistakes, where
// nothing is judged and no task need be known: a network whose task is not clear is left
// alone. Labels, which the ranges do not depend on, are warned of only.
func (r *Result) examineCalibration(ctx context.Context, o Options) error {
	path := CalibrationData(o, r.source)
	if path == "" || !r.Calibrated() || r.source.IsQuantized() {
		return nil
	}
	b, err := r.Env.Calibration()
	if err != nil {
		return err
	}
	task, _, err := Judged(r.source, o, []LabelSource{{Use: calibrates, Data: path, Images: b}})
	if err != nil {
		return nil
	}
	return r.examine(ctx, o, task, []LabelSource{{Use: calibrates, Data: path, Images: b}})
}

// Examine warns of data that can hardly be meant for a network, which ir.Infer went over:
// that it answers as well as a constant, or whose answers tell little.
// Data that it answers significantly better when they are read in another way are an error,
// or with -data-as-is a warning.
func Examine(ctx context.Context, o Options, m *ir.Module, task measure.Task, sources []LabelSource, warn func(w *diag.Warning)) error {
	var network measure.Network
	own, in := dnnc.Float, m.Inputs[0]
	for _, s := range sources {
		if s.Data == "" { // noise
			continue
		}
		if network == nil {
			var err error
			if network, own, err = runnable(m); err != nil {
				return err
			}
		}
		name := filepath.Base(s.Data)
		look := mistake.Setup{Task: task, Network: network, Images: s.Images, Input: in.Name, Seed: o.Seed}
		look.Low, look.High = dnnc.RangeOf(in)
		look.Quick = s.Use == calibrates
		look.MACs = m.MACs()
		found, err := mistake.Look(ctx, look)
		if err != nil {
			return err
		}
		if d := task.Doubt(m, s.Images, found.Guess && found.Finding == nil); d != nil && found.Chance != "" && s.Use != calibrates {
			if d.Pos == (diag.Pos{}) {
				d.Pos.File = o.Input
			}
			return d
		}
		if found.Chance != "" {
			warn(diag.Warn(diag.ChanceLevel, "%s: the %s network is no better than a constant: %s", name, own, found.Chance).
				WithHelp("look at data, labels and weights; a search cannot keep what is not there"))
		}
		if found.Doubt != "" {
			warn(diag.Warn(diag.DoubtfulData, "%s: the %s network was hardly trained for these items: %s", name, own, found.Doubt).
				WithHelp("give labels, which tell; or look at the range of the input and at how the data were made"))
		}
		if f := found.Finding; f != nil {
			text := fmt.Sprintf("%s: the data seem to be misread: the %s network %s", name, own, f.What)
			if !o.DataAsIs && !(f.OfLabels && s.Use == calibrates) {
				return diag.New(diag.Pos{}, diag.BadData, "%s", text).WithHelp("%s; -data-as-is takes the data as they are", f.Help)
			}
			warn(diag.Warn(diag.MisreadData, "%s", text).WithHelp("%s", f.Help))
		}
	}
	return nil
}

// runnable is what runs a network as it was read, or its integers.
func runnable(m *ir.Module) (measure.Network, string, error) {
	if !m.IsQuantized() {
		p, err := interp.CompileFloat(m.Clone())
		if err != nil {
			return nil, "", err
		}
		return p.Results, dnnc.Float, nil
	}
	p, err := interp.CompileInt(m)
	if err != nil {
		return nil, "", err
	}
	return func(ctx context.Context, x []float32, n int) ([]float32, error) { return interp.Logits(ctx, p, x, n) }, dnnc.Quantized, nil
}
