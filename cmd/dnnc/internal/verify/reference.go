package verify

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// reference holds the integers to the network before any pass: that both agree says that
// no pass changed what is computed, whatever the passes believe of each other.
type reference struct {
	float   *interp.Float // nil where there are no reals to compare with
	without string        // why there are none, and what compares
	m       *ir.Module    // of integers
	results []apart
}

// apart is how far a result's integers lie from the reals.
type apart struct {
	measure.Near
	greatest float64 // difference
}

// newReference prepares the comparison of a module of integers with its network.
func newReference(before, m *ir.Module) (*reference, error) {
	r := &reference{m: m, results: make([]apart, len(m.Outputs))}
	switch {
	case m.Streams():
		r.without = "the dump has its step alone; verify with -stream and the network compares them"
		return r, nil
	case before == nil:
		r.without = "its network is not where the certificate says, only the dump is there; with the network there, verify compares"
		return r, nil
	case before.IsQuantized():
		r.without = "the network has integers already; dnnc conformance compares them with answers of the program that made them"
		return r, nil
	}
	for _, v := range m.Inputs {
		if m.IsIndex(v) {
			r.without = "it has an input of indices of 16 bits; build -report fidelity compares it on calibration data"
			return r, nil
		}
	}
	before = before.Clone()
	if err := ir.Infer(before).Err(); err != nil {
		return nil, err
	}
	var err error
	r.float, err = interp.CompileFloat(before)
	return r, err
}

// compare adds what the network makes of an input, integers in logical order, of which the
// interpreter made t.
func (r *reference) compare(ctx context.Context, prog *interp.Int, in []int8, t interp.Tensors[int8]) error {
	if r.float == nil {
		return nil
	}
	f := r.float.Module
	want := r.float.Tensors(1, append(append([]*ir.Value(nil), f.Inputs...), f.Outputs...)...)
	for i, x := range f.Inputs {
		reals, t := want[r.float.ID(x)], r.m.Inputs[i].Type
		interp.Reals(t, in[:t.Slots()], reals)
		in = in[t.Slots():]
	}
	if err := r.float.Run(ctx, want, 1, 0, len(f.Ops)); err != nil {
		return err
	}
	for i, o := range r.m.Outputs {
		got := make([]float32, o.Type.Shape.Size())
		interp.Reals(o.Type, t[prog.ID(o)], got)
		a := &r.results[i]
		a.greatest = max(a.greatest, a.Add(want[r.float.ID(f.Outputs[i])], got))
	}
	return nil
}

// report says how near the integers are. On images to report on, integers that are farther
// from the reals than zeros would be are a check that failed: few bits make a network
// worse, but no quantization does that.
func (r *reference) report(out, messages io.Writer, warnings *driver.Warnings, kind string) error {
	if r.float == nil {
		_, err := fmt.Fprintf(out, "%s: not compared with a float network: %s\n", r.m.Name, r.without)
		return err
	}
	var all []string
	for i, o := range r.m.Outputs {
		a, name := &r.results[i], r.m.ResultName(i)
		text := "-"
		switch db, isDefined := a.SQNR(); {
		case a.Noise == 0:
			text = "equal"
		case isDefined:
			text = fmt.Sprintf("%.1f dB", db)
			if db <= 0 && kind != noisy {
				return mismatch("%s lies at %s from the float network before any pass: zeros would lie nearer", name, text).
					WithHelp("-check-passes finds the pass that changes what is computed; -calib with images of the kind that the network is run on, or more bits, where none does")
			}
			if db < diag.LeastSQNR {
				warnings.Say(messages, diag.Warn(diag.LowFidelity, "%s lies at %s from the float network before any pass, on the %s", name, text, kind).
					WithHelp("more bits, or -calib with images of the kind that the network is run on, bring it nearer"))
			}
		}
		least, most := o.Type.Ends()
		steps, levels := a.greatest/o.Type.Quant.Scale, most-least+1
		all = append(all, fmt.Sprintf("%s %s, at most %.1f of its %d steps apart (%.2g %% of its range)", name, text, steps, levels, 100*steps/float64(levels)))
	}
	_, err := fmt.Fprintf(out, "%s against its float network before any pass, on the %s: %s\n", r.m.Name, kind, strings.Join(all, "; "))
	return err
}
