// Package bench counts the instructions of a network's object under the emulator
// of its target: a figure that repeats exactly, whatever else the machine does.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/stripes"
	"github.com/dnnc/dnnc/runtime/emu"
)

// Report is what was counted.
type Report struct {
	Network      string `json:"network"`
	Target       string `json:"target"`
	Instructions int    `json:"instructions"` // of the run function
	MACs         int    `json:"macs"`
	Arena        int    `json:"arena"` // bytes
	// Of a network whose steps run in parts: the threads, the instructions of the run function with
	// threads, all parts together, and those of its longest path, with the longest part of each step.
	Threads  int `json:"threads,omitempty"`
	Threaded int `json:"threaded_instructions,omitempty"`
	Longest  int `json:"longest_path,omitempty"`
	// Of a network that streams: the frames of a run, and the most instructions that a run took; those
	// above are the mean.
	Stream int     `json:"stream,omitempty"`
	Most   int     `json:"most_instructions,omitempty"`
	Cycles float64 `json:"cycles,omitempty"` // estimated; 0 without a model of the processor
	Layers []Layer `json:"layers,omitempty"`
	// Variable are the instructions of the object, by name, whose time depends on their
	// operands: as many run for every input, but they may take another time. Nil where the
	// table of processors knows none of this one.
	Variable map[string]int `json:"variable_instructions,omitempty"`
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
	run, steps := mean(counts, m)
	for _, c := range counts[1:] {
		if !m.Streams() && c.Run != counts[0].Run { // of streams, rings turn
			return nil, diag.New(diag.Pos{}, diag.CheckFailed, "%s takes %d instructions for one input and %d for another", m.Name, counts[0].Run, c.Run).
				WithNote("%s", unequal(b.Units, counts[0].Steps, c.Steps))
		}
	}
	ratios := perInstruction(ctx, b)
	report := &Report{Network: m.Name, Target: r.Target.Name, Instructions: run, Arena: m.Arena.Bytes}
	if m.Threads > 0 {
		if err := report.countParts(ctx, b); err != nil {
			return nil, err
		}
	}
	if len(r.Target.Variable) > 0 {
		asm, err := b.Assembly(ctx)
		if err != nil {
			return nil, err
		}
		report.Variable = variable(string(asm), r.Target)
	}
	if m.Streams() {
		report.Stream = m.Stream.Hop
		for _, c := range counts {
			report.Most = max(report.Most, c.Run)
		}
	}
	for i, u := range b.Units {
		l := Layer{Name: u.Name(), Kernel: kernelOf(u)}
		for _, n := range steps[:u.Steps] {
			l.Instructions += n
		}
		steps = steps[u.Steps:]
		var formats []string
		for k, n := range u.Nodes {
			if n.Op.Takes(ir.AttrWeight) {
				formats = append(formats, n.Const(ir.AttrWeight).Type.Elem.String())
			}
			l.MACs += n.MACs()
			cycles, err := families.Cycles(u, k, r.Target)
			if err != nil {
				return nil, err
			}
			l.Estimate += cycles
		}
		l.Format, l.Estimate = strings.Join(slices.Compact(formats), " "), math.Round(l.Estimate)
		if ratios != nil {
			l.Cycles = math.Round(ratios[i] * float64(l.Instructions))
			report.Cycles += l.Cycles
		}
		report.MACs += l.MACs
		report.Layers = append(report.Layers, l)
	}
	return report, nil
}

// countParts counts the instructions of a network that runs in parts.
func (r *Report) countParts(ctx context.Context, b *program.Build) error {
	m := b.Result.Module
	p, err := b.Link(ctx, program.Parted)
	if err != nil {
		return err
	}
	var parts []int
	for _, u := range b.Units {
		if u.Parts != nil {
			parts = append(parts, len(u.Parts))
		}
	}
	all, longest, err := p.CountParts(ctx, program.Records(m, inputs(m)), parts)
	if err != nil {
		return err
	}
	for i := range all {
		if !m.Streams() && (all[i] != all[0] || longest[i] != longest[0]) {
			return diag.New(diag.Pos{}, diag.CheckFailed, "%s takes %d instructions with threads for one input and %d for another, on the longest path %d and %d", m.Name, all[0], all[i], longest[0], longest[i])
		}
		r.Threaded, r.Longest = r.Threaded+all[i], r.Longest+longest[i]
	}
	r.Threads, r.Threaded, r.Longest = m.Threads, r.Threaded/len(all), r.Longest/len(all)
	return nil
}

// kernelOf is the kernel of an operation; a chain has those of its operations.
func kernelOf(u stripes.Unit) string {
	switch impl := u.Nodes[0].Word(ir.AttrImpl); {
	case u.Parts != nil:
		return fmt.Sprintf("%s in %d parts", impl, len(u.Parts))
	case u.Chain == nil:
		return impl
	}
	return fmt.Sprintf("%d in %d stripes", len(u.Nodes), u.Steps)
}

// unequal names the steps whose counts differ.
func unequal(units []stripes.Unit, a, b []int) string {
	var list []string
	i := 0
	for _, u := range units {
		for s := range u.Steps {
			if a[i] != b[i] {
				name := u.Name()
				if u.Chain != nil {
					name += fmt.Sprintf(", stripe %d", s)
				}
				list = append(list, fmt.Sprintf("%s (%s): %d and %d", name, kernelOf(u), a[i], b[i]))
			}
			i++
		}
	}
	return "steps that differ: " + strings.Join(list, "; ")
}

// mean is the instructions of a run and of its steps: those of the first run, or of a network that
// streams the mean of all runs.
func mean(counts []emu.Counts, m *ir.Module) (run int, steps []int) {
	if !m.Streams() {
		return counts[0].Run, counts[0].Steps
	}
	steps = make([]int, len(counts[0].Steps))
	for _, c := range counts {
		run += c.Run
		for i, n := range c.Steps {
			steps[i] += n
		}
	}
	for i := range steps {
		steps[i] = (steps[i] + len(counts)/2) / len(counts)
	}
	return (run + len(counts)/2) / len(counts), steps
}

// frames is the inputs of a network that streams: after so many a ring has turned, and frames that
// come late are there.
const frames = 64

// inputs are noise, all of the least and all of the greatest number.
func inputs(m *ir.Module) [][]int8 {
	rng := rand.New(rand.NewPCG(1, 1))
	list := make([][]int8, 3)
	for _, v := range m.Inputs {
		list[0] = append(list[0], program.Noise(m, v, rng)...)
	}
	list[1], list[2] = program.Extreme(m, false), program.Extreme(m, true)
	if m.Streams() {
		list = slices.Repeat(list, (frames+2)/3)
	}
	return list
}

func (r *Report) print(out io.Writer, t *processor.Target) {
	fmt.Fprintf(out, "%s on %s: %d instructions", r.Network, t.Name, r.Instructions)
	if r.Stream > 0 {
		fmt.Fprintf(out, " in the mean of a run of %d frames, at most %d", r.Stream, r.Most)
	} else {
		fmt.Fprint(out, ", the same for every input tried")
	}
	if r.MACs > 0 {
		fmt.Fprintf(out, "; %d multiply-adds, %.3f instructions each", r.MACs, float64(r.Instructions)/float64(r.MACs))
	}
	if r.Cycles > 0 {
		fmt.Fprintf(out, "; about %.0f cycles by llvm-mca's model of the %s", r.Cycles, t.MCA)
	}
	fmt.Fprintln(out)
	if r.Threads > 0 {
		fmt.Fprintf(out, "with %d threads: %d instructions in all, %d on the longest path\n", r.Threads, r.Threaded, r.Longest)
	}
	if r.Variable != nil {
		fmt.Fprintf(out, "instructions of the object whose time depends on operands: %s\n", listed(r.Variable))
	}
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

// variable counts the instructions of an assembly text whose time depends on operands.
func variable(asm string, t *processor.Target) map[string]int {
	found := map[string]int{}
	for _, line := range strings.Split(asm, "\n") {
		words := strings.Fields(stripComment(line, commentMark(t)))
		if len(words) == 0 {
			continue
		}
		for _, name := range t.Variable {
			// A condition and a width may follow the name.
			if rest, is := strings.CutPrefix(words[0], name); is && (rest == "" || conditions.MatchString(rest)) {
				found[name]++
			}
		}
	}
	return found
}

var conditions = regexp.MustCompile(`^(s|eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?(\.w)?$`)

// listed is instructions with their numbers, in the order of their names.
func listed(found map[string]int) string {
	if len(found) == 0 {
		return "none"
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		list = append(list, fmt.Sprintf("%d %s", found[name], name))
	}
	return strings.Join(list, ", ")
}

// estimate is a number of cycles, or a dash for none.
func estimate(cycles float64) string {
	if cycles == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", cycles)
}
