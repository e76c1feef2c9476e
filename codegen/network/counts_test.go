package network_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	rand2 "math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/count"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/stripes"
	"github.com/dnnc/dnnc/runtime/emu"
)

// TestEqualCounts counts the instructions of each layer and operation for three inputs: the
// same number for each. With DNNC_FULL on every target in every format; else a sample: the
// processors on which LLVM branches to select.
func TestEqualCounts(t *testing.T) {
	names, forms := []string{"armv6m", "riscv32"}, []string{"i8", "odd3"}
	if os.Getenv("DNNC_FULL") != "" {
		names, forms = processor.Names(), formats()
	}
	for i, name := range names {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		if os.Getenv("DNNC_FULL") == "" {
			forms = []string{"i8", "odd3"}[i : i+1]
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel() // which waits for LLVM and emulators
			t.Run("operations", func(t *testing.T) {
				if i > 0 && os.Getenv("DNNC_FULL") == "" {
					t.Skip("one target's operations are counted here, all targets' by test-full")
				}
				_, m := operationNet(t, tgt)
				equalCounts(t, m, tgt)
				equalCounts(t, integerLSTMs(t, tgt), tgt)
			})
			for _, format := range forms {
				t.Run(format, func(t *testing.T) { equalCounts(t, conform(t, tgt, format, nil), tgt) })
			}
			t.Run("rows", func(t *testing.T) { equalCounts(t, fed(t, name, 0), tgt) })
			t.Run("roundings", func(t *testing.T) { // as exact models do
				equalCounts(t, conform(t, tgt, "i8", func(m *ir.Module) {
					for k, n := range m.Ops {
						if n.Op.Takes(ir.AttrRound) {
							n.Put(ir.AttrRound.Is([]string{ir.RoundTFLite, ir.RoundEven}[k%2]))
						}
					}
				}), tgt)
			})
		})
	}
}

// TestEqualCountsOfWideNumbers: a loop over numbers of 64 bits takes as many instructions for every input, also where
// the processor has vectors of narrower numbers alone.
func TestEqualCountsOfWideNumbers(t *testing.T) {
	tgt, err := processor.Find("riscv32+zve32x")
	require.NoError(t, err)
	m, err := frontend.Parse("net.dnn", []byte("network net(a: f32[4,6,6] in [-2,3]) -> f32[4,6,6] {\n  y = l2norm(sigmoid(a), axis: 2)\n  return y\n}\n"), frontend.Options{})
	require.NoError(t, err)
	m = lowered(t, m, tgt, rand2.New(rand2.NewPCG(1, 2)), "l2norm")
	require.NotNil(t, m)
	equalCounts(t, m, tgt)
}

func equalCounts(t *testing.T, m *ir.Module, tgt *processor.Target) {
	t.Helper()
	tools, err := llvm.Find("")
	if err == nil {
		err = emu.Check(tgt)
	}
	if err != nil {
		t.Skip(err)
	}
	if tgt.Runner(0, 0) == nil {
		t.Skip("no emulator knows all of " + tgt.Name + ": nothing counts its instructions")
	}
	ctx := context.Background()
	p, err := network.Write(m, network.Interface{Prefix: "net"})
	require.NoError(t, err)
	size := m.Inputs[0].Type.Shape.Size()
	units, err := stripes.Units(m)
	require.NoError(t, err)
	var steps []string
	for _, u := range units {
		n := u.Nodes[0]
		steps = append(steps, slices.Repeat([]string{fmt.Sprintf("%s = %s by %s", u.Name(), n.Op, n.Word(ir.AttrImpl))}, u.Steps)...)
	}
	job := emu.Job{Prefix: "net", Inputs: []int{size}, Arena: m.Arena.Bytes, Align: m.Arena.Align, Steps: len(steps), Mark: true}
	given, word := 0, 0 // instructions of the driver's function that gives rows
	if in := m.ByRows(); in != nil {
		job.Row, word = in.RowBytes(), tgt.PointerBytes()
		given = 2 * in.Type.Shape[1]
	}
	for _, o := range m.Outputs {
		job.Outputs = append(job.Outputs, o.Type.Shape.Size())
	}
	compile := func(text string, err error) []byte {
		require.NoError(t, err)
		object, err := llvm.Compile(ctx, tools, text, tgt, "obj")
		require.NoError(t, err)
		return object
	}
	object := compile(llvm.Print(p, tgt))
	program, err := emu.Link(ctx, t.TempDir(), job, tgt, compile(emu.Driver(job, tgt)), object)
	require.NoError(t, err)
	noise := make([]byte, size)
	rand.New(rand.NewSource(5)).Read(noise)
	counts, err := program.Count(ctx, [][]byte{noise, bytes.Repeat([]byte{0x80}, size), bytes.Repeat([]byte{0x7f}, size)})
	require.NoError(t, err)
	require.Len(t, counts, 3)
	for i, step := range steps {
		require.Positive(t, counts[0].Steps[i], step)
		for _, c := range counts[1:] {
			assert.Equal(t, counts[0].Steps[i], c.Steps[i], "%s on %s", step, tgt.Name)
		}
	}
	for _, c := range counts[1:] {
		assert.Equal(t, counts[0].Run, c.Run)
	}
	if !count.Serves(tgt) {
		return
	}
	// The same driver around a function that does nothing tells what a call takes.
	nothing := &loop.Program{}
	for _, f := range p.Funcs {
		if !f.Local {
			empty := &loop.Func{Name: f.Name, Params: f.Params, Ints: f.Ints}
			loop.NewBuilder(empty).Return(loop.Int(0))
			nothing.Funcs = append(nothing.Funcs, empty)
		}
	}
	stub := compile(llvm.Print(nothing, tgt))
	program, err = emu.Link(ctx, t.TempDir(), job, tgt, compile(emu.Driver(job, tgt)), stub)
	require.NoError(t, err)
	calls, err := program.Count(ctx, [][]byte{noise})
	require.NoError(t, err)
	walked := func(object []byte) (int, error) {
		linked, listing, err := llvm.Listing(ctx, tools, object, "net_run", tgt)
		require.NoError(t, err)
		return count.Function(ctx, linked, listing, "net_run", count.Interface(1, len(m.Outputs), false, m.Arena.Align), word)
	}
	empty, err := walked(stub)
	require.NoError(t, err)
	own, err := walked(object)
	if sampled := slices.Contains([]string{"armv6m", "riscv32"}, tgt.Name); err != nil && !sampled {
		t.Log(err) // an instruction that control flow depends on is not known: there is no count
		return
	}
	require.NoError(t, err)
	assert.Equal(t, counts[0].Run-calls[0].Run, own-empty+given, "without an emulator, on %s", tgt.Name)
}
