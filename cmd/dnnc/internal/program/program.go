// Package program makes a program of a compiled network that runs on its target
// or under its emulator: for verify and bench.
package program

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/codegen"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/stripes"
	"github.com/dnnc/dnnc/runtime/emu"
)

// Mode is how a program runs its network.
type Mode int

// The modes.
const (
	Whole    Mode = iota // by the run function
	Traced               // step by step, the arena written after each
	Marked               // step by step and as a whole, for counting
	Stepped              // as a scheduler does that shares the processor
	Threaded             // by the run function with threads, the parts from the last to the first
	Parted               // so, for counting the parts
)

// Build is a network's object and what its driver must know.
type Build struct {
	Result *dnnc.Result
	Units  []stripes.Unit // what a run does, in order; a step is an operation or a stripe of a chain
	Object []byte
	Stack  int // bytes of the stack that the run function takes at most; 0 is not known
	Tools  llvm.Tools
	dir    string
	text   string // LLVM IR, large weights left out
	job    emu.Job
}

// New generates the object of a compiled network. Close removes its folder.
func New(ctx context.Context, r *dnnc.Result) (*Build, error) {
	a, err := r.Assemble(ctx)
	if err != nil {
		return nil, err
	}
	m, i := r.Module, a.Interface
	lent, err := codegen.Lent(m, i)
	if err != nil {
		return nil, err
	}
	units, err := stripes.Units(m)
	if err != nil {
		return nil, err
	}
	steps := 0
	for _, u := range units {
		steps += u.Steps
	}
	dir, err := os.MkdirTemp("", "dnnc-")
	if err != nil {
		return nil, err
	}
	b := &Build{Result: r, Units: units, Object: a.Object, Stack: i.Stack, Tools: a.Tools, dir: dir, text: a.IR, job: emu.Job{Prefix: i.Prefix, Arena: m.Arena.Bytes, Align: m.Arena.Align, Steps: steps, Lent: lent, Hooks: i.Hooks}}
	if in := m.ByRows(); in != nil {
		b.job.Row = in.RowBytes()
	}
	b.job.States, b.job.Every = m.StateBytes(), 1<<30
	for _, v := range m.Inputs {
		b.job.Inputs = append(b.job.Inputs, v.Type.Slots())
	}
	for _, v := range m.Outputs {
		b.job.Outputs = append(b.job.Outputs, v.Type.Slots())
	}
	return b, nil
}

// painted is the bytes beyond the bound in which a run must leave no trace.
const painted = 256

// Assembly is the object as text, of large weights the room alone.
func (b *Build) Assembly(ctx context.Context) ([]byte, error) {
	return llvm.Compile(ctx, b.Tools, b.text, b.Result.Target, "asm")
}

// Steps lists the functions of the object that each unit runs.
func (b *Build) Steps() ([][]string, error) {
	p, err := network.Write(b.Result.Module, network.Interface{Prefix: b.job.Prefix, Hooks: b.job.Hooks})
	if err != nil {
		return nil, err
	}
	return network.Steps(p), nil
}

// Close removes what the programs left.
func (b *Build) Close() { os.RemoveAll(b.dir) }

// Every sets the runs of a stream: the arena is reset before each of so many records. It is one
// stream unless told.
func (b *Build) Every(runs int) { b.job.Every = runs }

// Link makes the program of a mode.
func (b *Build) Link(ctx context.Context, mode Mode) (*emu.Program, error) {
	j, t := b.job, b.Result.Target
	j.Trace, j.Mark, j.Stepped = mode == Traced, mode == Marked || mode == Parted, mode == Stepped
	j.Threads = mode == Threaded || mode == Parted
	if j.Stepped {
		j.Arena = network.StepState(b.Result.Module) + network.StepStateBytes
	}
	if (mode == Whole || mode == Threaded) && b.Stack > 0 {
		j.Stack = b.Stack + painted
	}
	text, err := emu.Driver(j, t)
	if err != nil {
		return nil, err
	}
	main, err := llvm.Compile(ctx, b.Tools, text, t, "obj")
	if err != nil {
		return nil, err
	}
	return emu.Link(ctx, b.dir, j, t, main, b.Object)
}

// Noise are random integers of an input; among indices of 16 bits some beyond the rows.
func Noise(m *ir.Module, v *ir.Value, rng *rand.Rand) []int8 {
	x := make([]int8, v.Type.Slots())
	if !m.IsIndex(v) || !v.Type.IsWide() {
		for i := range x {
			x[i] = int8(rng.Uint32())
		}
		return x
	}
	rows := m.RowsOf(v)
	for i := 0; i < len(x); i += 2 {
		at := rng.IntN(rows)
		if rng.IntN(16) == 0 {
			at = int(int16(rng.Uint32()))
		}
		x[i], x[i+1] = int8(at), int8(at>>8)
	}
	return x
}

// Extreme are the least or the greatest integers of all inputs.
func Extreme(m *ir.Module, isGreatest bool) (x []int8) {
	least, greatest := []int8{-128}, []int8{127}
	wideLeast, wideGreatest := []int8{0, -128}, []int8{-1, 127}
	for _, v := range m.Inputs {
		e := least
		switch isWide := v.Type.Elem.Kind == ir.I16; {
		case isWide && isGreatest:
			e = wideGreatest
		case isWide:
			e = wideLeast
		case isGreatest:
			e = greatest
		}
		x = append(x, slices.Repeat(e, v.Type.Shape.Size())...)
	}
	return x
}

// Physical puts a value's elements into the order of memory.
func Physical(v *ir.Value, x []int8) []byte {
	b := make([]byte, 0, len(x))
	slots := v.Type.Slots() / v.Type.Shape.Size() // of an element
	for _, logical := range geometry.Order(v.Type.Shape) {
		for _, e := range x[logical*slots : (logical+1)*slots] {
			b = append(b, byte(e))
		}
	}
	return b
}

// Records puts inputs, each the network's one after the other in logical order,
// into the order of memory.
func Records(m *ir.Module, inputs [][]int8) [][]byte {
	out := make([][]byte, len(inputs))
	for i, in := range inputs {
		for _, v := range m.Inputs {
			size := v.Type.Slots()
			out[i] = append(out[i], Physical(v, in[:size])...)
			in = in[size:]
		}
	}
	return out
}
