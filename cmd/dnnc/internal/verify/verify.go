// Package verify proves that a build computes what was measured: it runs the
// object on the target, or under its emulator, and compares every integer of
// every output with the interpreter's.
package verify

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/stripes"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/runtime/interp"
)

// adversarial is the inputs beyond the images: all least, all greatest, noise.
const adversarial = 8

// noisy is the kind of the inputs where there are no images.
const noisy = "images of noise"

// defaultImages is the images compared without -n.
const defaultImages = 100

// Run compiles a network and compares its object on n images, and on inputs
// that reach for the limits. Of a shipped output it first proves that it is what its
// certificate says.
func Run(ctx context.Context, o driver.Options, out, messages io.Writer) error {
	if driver.IsShipped(o.Input) {
		return shipped(ctx, o, out, messages)
	}
	r, err := driver.Compile(ctx, o, out, messages)
	if err != nil {
		return err
	}
	if err := emu.Check(r.Target); err != nil {
		return err
	}
	build, err := program.New(ctx, r.Result)
	if err != nil {
		return err
	}
	defer build.Close()
	return check(ctx, o, r, r.Network(), build, out, messages)
}

// check runs an object and compares every integer with the interpreter's, and the
// interpreter's with the results of the network before any pass.
func check(ctx context.Context, o driver.Options, r *driver.Result, before *ir.Module, build *program.Build, out, messages io.Writer) error {
	m, n := r.Module, o.TestImages
	if n == 0 {
		n = defaultImages
	}
	whole := r.Whole()
	inputs, kind, err := records(o, r, whole, n, messages)
	if err != nil {
		return err
	}
	float, err := newReference(before, whole)
	if err != nil {
		return err
	}
	v := &verifier{m, build}
	most := build.Stack // of the stack, with the program's function that gives rows
	if m.ByRows() != nil {
		most += emu.GiverStack
	}
	prog, err := interp.CompileInt(m)
	if err != nil {
		return err
	}
	streams := v.split(whole, inputs)
	build.Every(len(streams[0]))
	object, err := v.build.Link(ctx, program.Whole)
	if err != nil {
		return err
	}
	got, err := object.Run(ctx, program.Records(m, slices.Concat(streams...)))
	if err != nil {
		return err
	}
	threaded, err := v.threaded(ctx, slices.Concat(streams...))
	if err != nil {
		return err
	}
	at := 0
	for i, runs := range streams {
		t := v.values(prog)
		for k, x := range runs {
			name := fmt.Sprintf("input %d", i)
			if m.Streams() {
				name += fmt.Sprintf(", run %d", k)
			}
			if err := v.expect(ctx, prog, t, x); err != nil {
				return err
			}
			var want []byte
			for _, o := range m.Outputs {
				want = append(want, program.Physical(o, t[prog.ID(o)])...)
			}
			switch {
			case got.Status[at]&emu.GuardBroken != 0:
				return mismatch("%s: memory around the arena, an input or an output was written", name)
			case got.Status[at] != 0:
				return mismatch("%s: the run function failed", name)
			case build.Stack > 0 && got.Stack[at] > max(most, emu.Margin):
				return mismatch("%s: the run function took %d bytes of the stack, its bound is %d", name, got.Stack[at], build.Stack)
			case string(want) != string(got.Outputs[at]):
				return v.locate(ctx, prog, name, t, runs[:k+1])
			}
			if threaded != nil {
				switch {
				case threaded.Status[at]&emu.GuardBroken != 0:
					return mismatch("%s: with threads, memory around the arena, an input or an output was written", name)
				case threaded.Status[at] != 0:
					return mismatch("%s: the run function with threads failed", name)
				case build.Stack > 0 && threaded.Stack[at] > build.Stack+threadedCaller:
					return mismatch("%s: the run function with threads took %d bytes of the stack, its bound is %d", name, threaded.Stack[at], build.Stack)
				case string(want) != string(threaded.Outputs[at]):
					return mismatch("%s: with its parts in another order the network answers otherwise", name)
				}
			}
			at++
		}
		if i < len(inputs)-adversarial && whole == m {
			if err := float.compare(ctx, prog, inputs[i], t); err != nil {
				return err
			}
		}
	}
	stack := "the stack is not bounded"
	if build.Stack > 0 {
		stack = fmt.Sprintf("%d bytes of stack, at most %d", min(slices.Max(got.Stack), build.Stack), build.Stack)
	}
	fmt.Fprintf(out, "%s on %s: %d of %d %s and %d of %d adversarial inputs bit-exact; arena of %d bytes exact; %s\n",
		m.Name, r.Target.Name, len(inputs)-adversarial, len(inputs)-adversarial, kind, adversarial, adversarial, m.Arena.Bytes, stack)
	if threaded != nil {
		fmt.Fprintf(out, "%s with %d threads: %d of its %d steps in parts; the same integers with the parts from the last to the first\n", m.Name, m.Threads, divided(build.Units), len(build.Units))
	}
	if m.Streams() {
		if err := v.against(ctx, whole, inputs, float, out); err != nil {
			return err
		}
	}
	return float.report(out, messages, o.Warnings, kind)
}

// threadedCaller is the stack that the driver's own function takes, between the run function and
// the parts that it calls.
const threadedCaller = 256

// threaded runs the object by its function with threads; nil where it has none.
func (v *verifier) threaded(ctx context.Context, runs [][]int8) (*emu.Result, error) {
	if v.m.Threads == 0 {
		return nil, nil
	}
	object, err := v.build.Link(ctx, program.Threaded)
	if err != nil {
		return nil, err
	}
	return object.Run(ctx, program.Records(v.m, runs))
}

// divided is the number of units that are computed in parts.
func divided(units []stripes.Unit) (n int) {
	for _, u := range units {
		if u.Parts != nil {
			n++
		}
	}
	return n
}

// split is the runs of each input: the input itself, or of a network that streams, its frames. Where
// the whole network is not there the inputs are frames, the runs of one stream; and where each result is
// of a window of frames, the frames of all inputs are one stream, which has more windows.
func (v *verifier) split(whole *ir.Module, inputs [][]int8) (streams [][][]int8) {
	switch {
	case v.m.Streams() && whole == v.m:
		return [][][]int8{inputs}
	case !v.m.Streams():
		for _, x := range inputs {
			streams = append(streams, [][]int8{x})
		}
		return streams
	}
	for _, x := range inputs {
		streams = append(streams, validate.Runs(whole, v.m, x))
	}
	if v.m.Stream.Slides() {
		streams = [][][]int8{slices.Concat(streams...)}
	}
	return streams
}

// against compares the steps of a network with the whole one, and this one with the reals.
func (v *verifier) against(ctx context.Context, whole *ir.Module, inputs [][]int8, float *reference, out io.Writer) error {
	if whole == v.m {
		_, err := fmt.Fprintf(out, "%s: not compared with the whole network: the dump has its step alone\n", v.m.Name)
		return err
	}
	n, err := validate.Stream(ctx, whole, v.m, inputs)
	if err != nil {
		return mismatch("%v", err)
	}
	text := fmt.Sprintf("%d integers of results equal those of the whole network", n)
	if n == 0 {
		text = "no result to compare with the whole network's, whose input ends before the first one"
	}
	if v.m.Stream.Slides() {
		windows, n, err := validate.Windows(ctx, whole, v.m, inputs)
		if err != nil {
			return mismatch("%v", err)
		}
		text += fmt.Sprintf(", and %d those of %d windows of one stream", n, windows)
	}
	if _, err := fmt.Fprintf(out, "%s, %d frames a run: %s\n", v.m.Name, v.m.Stream.Hop, text); err != nil {
		return err
	}
	prog, err := interp.CompileInt(whole)
	if err != nil {
		return err
	}
	w := &verifier{whole, v.build}
	for _, x := range inputs[:len(inputs)-adversarial] {
		t := w.values(prog)
		if err := w.expect(ctx, prog, t, x); err != nil {
			return err
		}
		if err := float.compare(ctx, prog, x, t); err != nil {
			return err
		}
	}
	return nil
}

// records are the inputs in logical order: test images, calibration images where there are none of these,
// or noise, then the adversarial ones.
func records(o driver.Options, r *driver.Result, m *ir.Module, n int, messages io.Writer) (list [][]int8, kind string, err error) {
	rng := rand.New(rand.NewPCG(o.Seed, 1))
	noise := func() (x []int8) {
		for _, v := range m.Inputs {
			x = append(x, program.Noise(m, v, rng)...)
		}
		return x
	}
	kind = noisy
	path, part, of := driver.TestData(o, m), dataset.Test, "test images"
	if path == "" {
		path, part, of = driver.CalibrationData(o, m), dataset.Train, "calibration images"
	}
	if path != "" && !m.Streams() {
		kind = of
		b, err := driver.Images(o, path, r.Network(), part, n)
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintln(messages, b.Said)
		for i := range b.N {
			list = append(list, interp.QuantizeInputs(m, b.Image(i)))
		}
	} else {
		for range n {
			list = append(list, noise())
		}
	}
	for i := range adversarial {
		x := noise()
		if i < 2 {
			x = program.Extreme(m, i == 1)
		}
		list = append(list, x)
	}
	return list, kind, nil
}

type verifier struct {
	m     *ir.Module
	build *program.Build
}

// values are the memory of all values of an input, and of states that were reset.
func (v *verifier) values(prog *interp.Int) interp.Tensors[int8] {
	keep := append([]*ir.Value(nil), v.m.Inputs...)
	for _, n := range v.m.Ops {
		keep = append(keep, n.Out)
	}
	return prog.Tensors(1, keep...)
}

// expect runs the interpreter on an input, and keeps every value in t.
func (v *verifier) expect(ctx context.Context, prog *interp.Int, t interp.Tensors[int8], in []int8) error {
	for _, x := range v.m.Inputs {
		in = in[copy(t[prog.ID(x)], in):]
	}
	return prog.Run(ctx, t, 1, 0, len(v.m.Ops))
}

// locate steps through the layers of the last of some runs, of which the interpreter made t, and names
// the first layer whose result differs.
func (v *verifier) locate(ctx context.Context, prog *interp.Int, name string, t interp.Tensors[int8], runs [][]int8) error {
	stepped, err := v.build.Link(ctx, program.Traced)
	if err != nil {
		return err
	}
	got, err := stepped.Run(ctx, program.Records(v.m, runs))
	if err != nil {
		return err
	}
	arenas := got.Arenas[len(runs)-1]
	i := 0
	for _, u := range v.build.Units {
		for s := range u.Steps {
			for _, p := range present(u, s) {
				n := u.Nodes[p.Node]
				if p.At.Value != nil {
					continue
				}
				first := 0 // byte
				want := program.Physical(n.Out, t[prog.ID(n.Out)])
				if u.Chain != nil {
					first = p.From * n.Out.RowBytes()
					want = want[first : p.To*n.Out.RowBytes()]
				}
				have := arenas[i][p.At.At : p.At.At+len(want)]
				for j := range want {
					if want[j] != have[j] {
						return mismatch("%s: %s (step %d, %s) differs first at byte %d: %d, the interpreter has %d", name, n.Name(), i, n.Word(ir.AttrImpl), first+j, int8(have[j]), int8(want[j]))
					}
				}
			}
			i++
		}
	}
	return mismatch("%s: the output differs, and no step's result in the arena does", name)
}

// present lists what of a unit's results is in memory after a step: all of an operation's, of
// a chain's the rows that are whole or stay for the next stripe.
func present(u stripes.Unit, step int) []stripes.Present {
	if u.Chain == nil {
		return []stripes.Present{{At: stripes.PlaceOf(u.Nodes[0].Out, 0)}}
	}
	return u.Chain.Present(step)
}

// mismatch is an object that does not compute what the interpreter does.
func mismatch(format string, args ...any) *diag.Diagnostic {
	return diag.New(diag.Pos{}, diag.CheckFailed, format, args...)
}
