// Package bench counts the instructions of a network's object under the emulator
// of its target: a figure that repeats exactly, whatever else the machine does.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"text/tabwriter"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/processor"
)

// Report is what was counted.
type Report struct {
	Network      string  `json:"network"`
	Target       string  `json:"target"`
	Instructions int     `json:"instructions"` // of the run function
	MACs         int     `json:"macs"`
	Cycles       float64 `json:"cycles,omitempty"` // estimated; 0 without a model of the processor
	Layers       []Layer `json:"layers,omitempty"`
}

// Layer is one step, its call included.
type Layer struct {
	Name         string `json:"name"`
	Kernel       string `json:"kernel"`
	Format       string `json:"format,omitempty"`
	MACs         int    `json:"macs"`
	Instructions int    `json:"instructions"`
	// Estimate is what the plan of the kernel estimates; 0 for kernels without an estimate.
	Estimate float64 `json:"estimate,omitempty"`
	// Cycles are the instructions times what llvm-mca estimates for one of those of
	// the layer's greatest inner loop.
	Cycles float64 `json:"cycles,omitempty"`
}

// Run compiles a network, counts its instructions on inputs at the limits and on
// noise, and prints them: they must be the same for every input.
func Run(ctx context.Context, o driver.Options, out, messages io.Writer) error {
	r, err := driver.Compile(ctx, o, out, messages)
	if err != nil {
		return err
	}
	report, err := Count(ctx, o, r)
	if err != nil {
		return err
	}
	if !o.Layers {
		report.Layers = nil
	}
	if o.JSON {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", text)
		return err
	}
	report.print(out, r.Target)
	return nil
}

// Count counts the instructions of a compiled network.
func Count(ctx context.Context, o driver.Options, r *driver.Result) (*Report, error) {
	b, err := program.New(ctx, r.Result)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	p, err := b.Link(ctx, program.Marked)
	if err != nil {
		return nil, err
	}
	m := r.Module
	counts, err := p.Count(ctx, program.Records(m, inputs(m)))
	if err != nil {
		return nil, err
	}
	for _, c := range counts[1:] {
		if c.Run != counts[0].Run {
			return nil, diag.New(diag.Pos{}, diag.CheckFailed, "%s takes %d instructions for one input and %d for another", m.Name, counts[0].Run, c.Run)
		}
	}
	ratios := perInstruction(ctx, b)
	report := &Report{Network: m.Name, Target: r.Target.Name, Instructions: counts[0].Run}
	for i, n := range m.Ops {
		l := Layer{Name: n.Name(), Kernel: n.Word(ir.AttrImpl), Instructions: counts[0].Steps[i]}
		if n.Op.Takes(ir.AttrWeight) {
			l.Format, l.MACs = n.Const(ir.AttrWeight).Type.Elem.String(), n.MACs()
		}
		p, err := families.Restore(n, r.Target)
		if err != nil {
			return nil, err
		}
		l.Estimate = math.Round(p.Cycles())
		if ratios != nil {
			l.Cycles = math.Round(ratios[i] * float64(l.Instructions))
			report.Cycles += l.Cycles
		}
		report.MACs += l.MACs
		report.Layers = append(report.Layers, l)
	}
	return report, nil
}

// inputs are noise and all of the least number.
func inputs(m *ir.Module) [][]int8 {
	rng := rand.New(rand.NewPCG(1, 1))
	list := make([][]int8, 2)
	for _, v := range m.Inputs {
		list[0] = append(list[0], program.Noise(m, v, rng)...)
	}
	list[1] = program.Extreme(m, false)
	return list
}

func (r *Report) print(out io.Writer, t *processor.Target) {
	fmt.Fprintf(out, "%s on %s: %d instructions, the same for every input tried", r.Network, t.Name, r.Instructions)
	if r.MACs > 0 {
		fmt.Fprintf(out, "; %d multiply-adds, %.3f instructions each", r.MACs, float64(r.Instructions)/float64(r.MACs))
	}
	if r.Cycles > 0 {
		fmt.Fprintf(out, "; about %.0f cycles by llvm-mca's model of the %s", r.Cycles, t.MCA)
	}
	fmt.Fprintln(out)
	if len(r.Layers) == 0 {
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "layer\tkernel\tformat\tMACs\tinstructions\tper MAC\tshare\tcycles (llvm-mca)\t")
	for _, l := range r.Layers {
		per := "-"
		if l.MACs > 0 {
			per = fmt.Sprintf("%.3f", float64(l.Instructions)/float64(l.MACs))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%.1f %%\t%s\t\n", l.Name, l.Kernel, l.Format, l.MACs, l.Instructions, per, 100*float64(l.Instructions)/float64(r.Instructions), estimate(l.Cycles))
	}
	w.Flush()
}

// estimate is a number of cycles, or a dash for none.
func estimate(cycles float64) string {
	if cycles == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", cycles)
}
