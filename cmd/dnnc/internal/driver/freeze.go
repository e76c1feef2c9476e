package driver

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// Freeze compiles a network to its integers, which are the same on every target, and measures
// them where -data names images. Their dump compiles further without data and without a search.
func Freeze(ctx context.Context, o Options, out, messages io.Writer) (*Result, error) {
	o.StopAfter, o.Reports = passes.Tuned, o.Data != ""
	if o.Stream != 0 {
		o.StopAfter = passes.Streamed
	}
	r, err := Compile(ctx, o, out, messages)
	if err != nil {
		return nil, err
	}
	r.WarnOfWaste()
	if err := r.kept(o, messages); err != nil {
		return nil, err
	}
	Widened(messages, r.Env.Widened)
	Tuned(messages, r.Env.Tuned)
	if r.Calibrated() || CalibrationData(o, r.source) != "" {
		f, err := r.Fidelity(ctx)
		if err != nil {
			return nil, err
		}
		Nearness(messages, certificate.NewFidelity(f))
	}
	if o.Data != "" {
		if err := r.Judge(ctx, o, out); err != nil {
			return nil, err
		}
		s, err := Measure(ctx, o, r, messages)
		if err != nil {
			return nil, err
		}
		c := certificate.New(r.Module, r.Env)
		c.Measure(s.Task, s.Data, s.Labels, s.Float, s.Quantized)
		Accuracy(out, c)
	}
	return r, o.Warnings.Err()
}

// Items are at most n items of -data, drawn evenly over it; none without it. Labels are nil
// where there are none of whole numbers.
func (r *Result) Items(o Options, n int) (list [][]float32, labels []int, err error) {
	if o.Data == "" {
		return nil, nil, nil
	}
	d, err := Images(o, o.Data, r.source, dataset.Test, n)
	if err != nil {
		return nil, nil, err
	}
	for i := range d.N {
		list = append(list, d.Image(i))
	}
	return list, d.Labels, nil
}

// WriteDump writes a module as a text, and its tensors beside it.
func (r *Result) WriteDump(path string) error {
	d, err := frontend.NewDump(r.noted(r.Module))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	return ReplaceAll(File{Path: filepath.Join(filepath.Dir(path), d.TensorsName), Write: d.WriteTensors}, File{Path: path, Content: d.Text})
}
