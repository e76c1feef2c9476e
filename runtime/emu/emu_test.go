package emu_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/emu"
)

const bytes = 4 // of input, output and arena

// build links a network of one function, whose body a test writes, into a
// program for a target; the driver steps through it when trace is set.
func build(t *testing.T, name string, trace bool, body func(b *loop.Builder, in, out, arena *loop.Param)) *emu.Program {
	t.Helper()
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	tgt, err := processor.Find(name)
	require.NoError(t, err)
	if err := emu.Check(tgt); err != nil {
		t.Skip(err)
	}
	program := &loop.Program{}
	for _, f := range []*loop.Func{{Name: "net_step", Ints: []*loop.Var{{Name: "index", Type: loop.I32}}}, {Name: "net_run"}} {
		in, out, arena := &loop.Param{Name: "in"}, &loop.Param{Name: "out"}, &loop.Param{Name: "arena"}
		f.Params = []*loop.Param{in, out, arena}
		b := loop.NewBuilder(f)
		body(b, in, out, arena)
		b.Return(loop.Int(0))
		program.Funcs = append(program.Funcs, f)
	}
	object := func(text string, err error) []byte {
		require.NoError(t, err)
		o, err := llvm.Compile(context.Background(), tools, text, tgt, "obj")
		require.NoError(t, err)
		return o
	}
	job := emu.Job{Prefix: "net", Inputs: []int{bytes}, Outputs: []int{bytes}, Arena: bytes, Align: 8, Steps: 1, Trace: trace}
	p, err := emu.Link(context.Background(), t.TempDir(), job, tgt, object(emu.Driver(job, tgt)), object(llvm.Print(program, tgt)))
	require.NoError(t, err)
	return p
}

func load(from loop.Region, at int) loop.Expr {
	return &loop.Load{From: from, Offset: loop.Int(at), T: loop.I8}
}

// double writes twice each input.
func double(b *loop.Builder, in, out, arena *loop.Param) {
	b.For("i", loop.Int(0), loop.Int(bytes), 1, func(i loop.Expr) {
		x := &loop.Load{From: in, Offset: i, T: loop.I8}
		b.Store(arena, i, x)
		b.Store(out, i, loop.Sum(x, x))
	})
}

// targets are all that are listed: what nothing here runs is skipped.
var targets = processor.Names()

func TestRun(t *testing.T) {
	for _, name := range targets {
		t.Run(name, func(t *testing.T) {
			got, err := build(t, name, false, double).Run(context.Background(), [][]byte{{1, 2, 3, 4}, {128, 127, 255, 0}})
			require.NoError(t, err)
			assert.Equal(t, []byte{2, 4, 6, 8}, got.Outputs[0])
			assert.Equal(t, []byte{0, 254, 254, 0}, got.Outputs[1])
			assert.Equal(t, []int{0, 0}, []int{int(got.Status[0]), int(got.Status[1])})
		})
	}
}

func TestTraceKeepsTheArena(t *testing.T) {
	for _, name := range targets {
		t.Run(name, func(t *testing.T) {
			got, err := build(t, name, true, double).Run(context.Background(), [][]byte{{1, 2, 3, 4}})
			require.NoError(t, err)
			assert.Equal(t, []byte{1, 2, 3, 4}, got.Arenas[0][0][:bytes])
		})
	}
}

// TestFaultsAreSeen runs networks that do what none may.
func TestFaultsAreSeen(t *testing.T) {
	seven := loop.Num(loop.I8, 7)
	for name, c := range map[string]struct {
		want int
		body func(b *loop.Builder, in, out, arena *loop.Param)
	}{
		"behind the arena":      {emu.GuardBroken, func(b *loop.Builder, _, _, arena *loop.Param) { b.Store(arena, loop.Int(bytes), seven) }},
		"far behind the arena":  {emu.GuardBroken, func(b *loop.Builder, _, _, arena *loop.Param) { b.Store(arena, loop.Int(bytes+60), seven) }},
		"before the arena":      {emu.GuardBroken, func(b *loop.Builder, _, _, arena *loop.Param) { b.Store(arena, loop.Int(-1), seven) }},
		"behind the output":     {emu.GuardBroken, func(b *loop.Builder, _, out, _ *loop.Param) { b.Store(out, loop.Int(bytes), seven) }},
		"before the input":      {emu.GuardBroken, func(b *loop.Builder, in, _, _ *loop.Param) { b.Store(in, loop.Int(-1), seven) }},
		"returns a status of 1": {emu.RunFailed, func(b *loop.Builder, _, _, _ *loop.Param) { b.Return(loop.Int(1)) }},
	} {
		for _, target := range []string{"x86_64", "armv6m", "armv7", "riscv64"} {
			got, err := build(t, target, false, c.body).Run(context.Background(), [][]byte{{1, 2, 3, 4}})
			require.NoError(t, err)
			assert.NotZero(t, int(got.Status[0])&c.want, "%s: %s", target, name)
		}
	}
}

func TestCrashesAreErrors(t *testing.T) {
	for _, name := range []string{"x86_64", "armv6m", "armv7em", "riscv64"} {
		t.Run(name, func(t *testing.T) {
			_, err := build(t, name, false, func(b *loop.Builder, in, out, _ *loop.Param) {
				b.Store(out, loop.Int(1<<30), load(in, 0))
			}).Run(context.Background(), [][]byte{{1, 2, 3, 4}})
			assert.Error(t, err)
		})
	}
}
