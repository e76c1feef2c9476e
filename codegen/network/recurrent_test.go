package network_test

import (
	"context"
	"fmt"
	"math/rand"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/stream/streamtest"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/emu"
)

// recurrentNet has recurrences of every cell and direction for its results.
func recurrentNet(t *testing.T, tgt *processor.Target, bits string) *ir.Module {
	t.Helper()
	const inputs, steps = 5, 9
	rng := rand.New(rand.NewSource(1))
	b := build.New("net")
	constant := func(name string, s ir.Shape) *ir.Const {
		x := make([]float32, s.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return b.Floats(name, s, x)
	}
	x := b.Input("x", ir.Shape{inputs, steps, 1}, ir.Range{Lo: -2, Hi: 3})
	var results []*ir.Value
	for i, cell := range []string{ir.CellLSTM, ir.CellGRU, ir.CellGRU, ir.CellRNN} {
		for back := range 2 {
			hidden := []int{7, 8, 3, 12}[(i+back)%4]
			rows := ir.Gates(cell) * hidden
			name := fmt.Sprintf("y%d", len(results))
			z, err := b.AddNamed(ir.Conv2D, b.Name(name+".input"), []*ir.Value{x}, ir.AttrWeight.Is(constant(name+".input.weight", ir.Shape{rows, inputs, 1, 1})))
			require.NoError(t, err)
			attrs := []ir.Attr{ir.AttrHidden.Is(constant(name+".hidden", ir.Shape{rows, hidden})), ir.AttrCell.Is(cell), ir.AttrBack.Is(back)}
			if i == 2 {
				attrs = append(attrs, ir.AttrReset.Is(ir.ResetAfter), ir.AttrBias.Is(constant(name+".bias", ir.Shape{hidden})))
			}
			y, err := b.AddNamed(ir.Recurrent, b.Name(name), []*ir.Value{z}, attrs...)
			require.NoError(t, err)
			results = append(results, y)
		}
	}
	m := b.Finish(results)
	env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Bits: bits, Seed: 1,
		Calibration: func() (data.Batch, error) { return data.Synthesize([]int{inputs, steps, 1}, -2, 3, 32, 1), nil }}
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}))
	return m
}

// integerLSTMs has the LSTMs of TensorFlow Lite's integers.
func integerLSTMs(t *testing.T, tgt *processor.Target) *ir.Module {
	t.Helper()
	m := streamtest.Integers(9)
	require.NoError(t, passes.Table.Run(context.Background(), m, &pass.Env{Target: tgt, Level: pass.Int8, Seed: 1}, pass.Options{}))
	return m
}

// TestRecurrencesEqualInterpreter runs them in the evaluator and as objects.
func TestRecurrencesEqualInterpreter(t *testing.T) {
	t.Parallel()
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	targets := []string{"x86_64", "armv7em"}
	if !testing.Short() {
		targets = append(targets, "armv7", "armv6m", "riscv32", "riscv64+v", "aarch64", "armv8.1m")
	}
	for i, name := range targets {
		t.Run(name, func(t *testing.T) {
			tgt, err := processor.Find(name)
			require.NoError(t, err)
			if err := emu.Check(tgt); err != nil {
				t.Skip(err)
			}
			for _, m := range []*ir.Module{recurrentNet(t, tgt, []string{pass.EightBits, pass.SixteenBits}[i%2]), integerLSTMs(t, tgt)} {
				in, out := cases(t, m, 3)
				require.Equal(t, out, evaluated(t, m, in))
				runAll(t, m, tgt, tools)
			}
		})
	}
}

// TestRecurrencesInC compiles their C with checks for undefined behaviour.
func TestRecurrencesInC(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"armv7em", "armv6m"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		for _, m := range []*ir.Module{recurrentNet(t, tgt, pass.EightBits), integerLSTMs(t, tgt)} {
			p, err := network.Write(m, network.Interface{Prefix: "net"})
			require.NoError(t, err)
			inC(t, m, c.Print(p), []string{"gcc", "-fsanitize=undefined", "-fno-sanitize-recover=all"}, nil)
		}
	}
}
