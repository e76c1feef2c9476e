package llvm_test

import (
	"bytes"
	"context"
	"debug/elf"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/emu"
)

// sampler is a network of which each output is a byte of some weights.
func sampler(globals []*loop.Global, at []int) *loop.Program {
	run := &loop.Func{Name: "net_run"}
	in, out, arena := &loop.Param{Name: "in", Constant: true}, &loop.Param{Name: "out"}, &loop.Param{Name: "arena"}
	run.Params = []*loop.Param{in, out, arena}
	b := loop.NewBuilder(run)
	for i, g := range globals {
		b.Store(out, loop.Int(i), &loop.Load{From: g, Offset: loop.Int(at[i]), T: loop.I8})
	}
	b.Return(loop.Int(0))
	step := &loop.Func{Name: "net_step", Ints: []*loop.Var{{Name: "index", Type: loop.I32}}, Params: run.Params}
	loop.NewBuilder(step).Return(loop.Int(1))
	return &loop.Program{Globals: globals, Funcs: []*loop.Func{run, step}}
}

// TestLargeWeightsLieBesideTheText has the object of each family of processors hold the very
// bytes of large weights, at their alignment and in their section, and reads one of
// each where a processor is emulated that has the memory.
func TestLargeWeightsLieBesideTheText(t *testing.T) {
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	rng := rand.New(rand.NewSource(1))
	random := func(name, section string, size, align int, isWeights bool) *loop.Global {
		g := &loop.Global{Name: name, Section: section, Align: align, Weights: isWeights, Data: make([]byte, size)}
		rng.Read(g.Data)
		return g
	}
	globals := []*loop.Global{
		random("net_a_weight0", "", 3<<20+1, 8, true),
		random("net_b_weight0", "far", 1<<20+3, 16, true),
		random("net_c_weight0", "", 64, 8, true), // too few to be worth it
		random("net_a_constants", "", 8<<10, 4, false),
	}
	at := []int{3 << 20, 12345, 63, 4097}
	for _, name := range []string{"armv6m", "armv7em", "armv7", "aarch64", "riscv32", "riscv64", "x86_64"} {
		t.Run(name, func(t *testing.T) {
			tgt, err := processor.Find(name)
			require.NoError(t, err)
			text, err := llvm.PrintBeside(sampler(globals, at), tgt)
			require.NoError(t, err)
			require.Len(t, text.Beside, 2)
			assert.Same(t, globals[0], text.Beside[0])
			assert.Same(t, globals[1], text.Beside[1])
			assert.Less(t, len(text.IR), 64<<10)
			object, err := llvm.Object(context.Background(), tools, text, tgt)
			require.NoError(t, err)

			o, err := elf.NewFile(bytes.NewReader(object))
			require.NoError(t, err)
			symbols, err := o.Symbols()
			require.NoError(t, err)
			found := 0
			for _, s := range symbols {
				for _, g := range text.Beside {
					if s.Name != g.Name {
						continue
					}
					found++
					section := o.Sections[s.Section]
					data, err := section.Data()
					require.NoError(t, err)
					assert.True(t, bytes.Equal(g.Data, data[s.Value:][:s.Size]), g.Name)
					assert.Equal(t, elf.STB_LOCAL, elf.ST_BIND(s.Info), "%s is seen outside of the object", g.Name)
					assert.Equal(t, elf.SHF_ALLOC, section.Flags, "%s can be written to", g.Name)
					assert.GreaterOrEqual(t, int(section.Addralign), g.Align)
					want := g.Section
					if want == "" {
						want = ".rodata." + g.Name
					}
					assert.Equal(t, want, section.Name)
				}
				assert.False(t, s.Name != "" && s.Section == elf.SHN_UNDEF, "%s is missing", s.Name)
			}
			assert.Equal(t, 2, found)

			if err := emu.Check(tgt); err != nil || len(tgt.Runners) > 0 && tgt.Runners[0].Board != nil {
				return // nothing here runs it, or not with so much memory
			}
			job := emu.Job{Prefix: "net", Inputs: []int{1}, Outputs: []int{len(globals)}, Arena: 1, Align: 8, Steps: 1}
			driver, err := emu.Driver(job, tgt)
			require.NoError(t, err)
			main, err := llvm.Compile(context.Background(), tools, driver, tgt, "obj")
			require.NoError(t, err)
			p, err := emu.Link(context.Background(), t.TempDir(), job, tgt, main, object)
			require.NoError(t, err)
			got, err := p.Run(context.Background(), [][]byte{{0}})
			require.NoError(t, err)
			var want []byte
			for i, g := range globals {
				want = append(want, g.Data[at[i]])
			}
			assert.Equal(t, want, got.Outputs[0])
		})
	}
}

func TestFewWeightsStayInTheText(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	p := sampler([]*loop.Global{{Name: "net_a_weight0", Data: make([]byte, 4<<20-1), Align: 8, Weights: true}}, []int{0})
	text, err := llvm.PrintBeside(p, tgt)
	require.NoError(t, err)
	assert.Empty(t, text.Beside)
	whole, err := llvm.Print(p, tgt)
	require.NoError(t, err)
	assert.Equal(t, whole, text.IR)
}

// TestObjectsWithoutRoom are texts that do not declare what lies beside them.
func TestObjectsWithoutRoom(t *testing.T) {
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	tgt, err := processor.Find("x86_64")
	require.NoError(t, err)
	g := &loop.Global{Name: "net_a_weight0", Data: make([]byte, 8), Align: 8, Weights: true}
	text, err := llvm.PrintBeside(sampler([]*loop.Global{{Name: "other", Data: g.Data, Align: 8}}, []int{0}), tgt)
	require.NoError(t, err)
	text.Beside = []*loop.Global{g}
	_, err = llvm.Object(context.Background(), tools, text, tgt)
	assert.ErrorContains(t, err, "net_a_weight0")
	text.IR = "no module"
	_, err = llvm.Object(context.Background(), tools, text, tgt)
	assert.ErrorContains(t, err, "opt")
}
