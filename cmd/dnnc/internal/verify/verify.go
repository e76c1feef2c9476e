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
	inputs, kind, err := records(o, r, n, messages)
	if err != nil {
		return err
	}
	float, err := newReference(before, m)
	if err != nil {
		return err
	}
	v := &verifier{m, build}
	prog, err := interp.CompileInt(m)
	if err != nil {
		return err
	}
	object, err := v.build.Link(ctx, program.Whole)
	if err != nil {
		return err
	}
	got, err := object.Run(ctx, program.Records(m, inputs))
	if err != nil {
		return err
	}
	for i, in := range inputs {
		t, err := v.expect(ctx, prog, in)
		if err != nil {
			return err
		}
		var want []byte
		for _, o := range m.Outputs {
			want = append(want, program.Physical(o, t[prog.ID(o)])...)
		}
		switch {
		case got.Status[i]&emu.GuardBroken != 0:
			return mismatch("input %d: memory around the arena, an input or an output was written", i)
		case got.Status[i] != 0:
			return mismatch("input %d: the run function failed", i)
		case build.Stack > 0 && got.Stack[i] > max(build.Stack, emu.Margin):
			return mismatch("input %d: the run function took %d bytes of the stack, its bound is %d", i, got.Stack[i], build.Stack)
		case string(want) != string(got.Outputs[i]):
			return v.locate(ctx, prog, i, in)
		}
		if i < len(inputs)-adversarial {
			if err := float.compare(ctx, prog, in, t); err != nil {
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
	return float.report(out, messages, o.Warnings, kind)
}

// records are the inputs in logical order: images, or noise where there are
// none, then the adversarial ones.
func records(o driver.Options, r *driver.Result, n int, messages io.Writer) (list [][]int8, kind string, err error) {
	m := r.Module
	rng := rand.New(rand.NewPCG(o.Seed, 1))
	noise := func() (x []int8) {
		for _, v := range m.Inputs {
			x = append(x, program.Noise(m, v, rng)...)
		}
		return x
	}
	kind = noisy
	if path := driver.TestData(o, m); path != "" {
		kind = "test images"
		b, err := driver.Images(o, path, r.Network(), dataset.Test, n)
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

// expect runs the interpreter and keeps every value.
func (v *verifier) expect(ctx context.Context, prog *interp.Int, in []int8) (interp.Tensors[int8], error) {
	m := v.m
	keep := append([]*ir.Value(nil), m.Inputs...)
	for _, n := range m.Ops {
		keep = append(keep, n.Out)
	}
	t := prog.Tensors(1, keep...)
	for _, x := range m.Inputs {
		in = in[copy(t[prog.ID(x)], in):]
	}
	return t, prog.Run(ctx, t, 1, 0, len(m.Ops))
}

// locate steps through the layers and names the first one whose result differs.
func (v *verifier) locate(ctx context.Context, prog *interp.Int, index int, in []int8) error {
	m := v.m
	stepped, err := v.build.Link(ctx, program.Traced)
	if err != nil {
		return err
	}
	got, err := stepped.Run(ctx, program.Records(m, [][]int8{in}))
	if err != nil {
		return err
	}
	t, err := v.expect(ctx, prog, in)
	if err != nil {
		return err
	}
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
				have := got.Arenas[0][i][p.At.At : p.At.At+len(want)]
				for j := range want {
					if want[j] != have[j] {
						return mismatch("input %d: %s (step %d, %s) differs first at byte %d: %d, the interpreter has %d", index, n.Name(), i, n.Word(ir.AttrImpl), first+j, int8(have[j]), int8(want[j]))
					}
				}
			}
			i++
		}
	}
	return mismatch("input %d: the output differs, and no step's result in the arena does", index)
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
