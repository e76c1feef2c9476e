package machine_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
)

// TestEstimates: the cycles of a layer in a format are those of the kernel that a bound on the
// arena leaves; codes that are known are not supposed.
func TestEstimates(t *testing.T) {
	tgt := target(t, "armv7em")
	planned := func(format string) *ir.Module {
		m := quantized(format, ir.Shape{16, 16, 3, 3}, 12)
		require.NoError(t, machine.Select(context.Background(), m, &pass.Env{Target: tgt}))
		return m
	}
	m, odd8 := planned("i8"), planned("odd8")
	name := m.Ops[0].Name()
	cycles := func(ram int, e ir.Elem, others ...*ir.Module) float64 {
		c, _ := machine.NewEstimates(m, tgt, ram, others...).Of(name, e)
		return c
	}
	free := machine.Serving(kernel.Suppose(m.Ops[0], tgt, ir.OddOf(1)))[0].Plan
	assert.InDelta(t, free.Cycles(), cycles(0, ir.OddOf(1)), 0)
	assert.InDelta(t, free.Cycles(), cycles(free.Scratch(), ir.OddOf(1)), 0)
	assert.Greater(t, cycles(free.Scratch()-1, ir.OddOf(1)), free.Cycles())
	assert.InDelta(t, machine.Serving(kernel.Of(m.Ops[0], tgt))[0].Plan.Cycles(), cycles(0, ir.Of(ir.I8)), 0)
	assert.InDelta(t, machine.Serving(kernel.Of(odd8.Ops[0], tgt))[0].Plan.Cycles(), cycles(0, ir.OddOf(8), odd8), 0)

	e := machine.NewEstimates(m, tgt, 1)
	_, fits := e.Of(name, ir.OddOf(1))
	assert.False(t, fits)
	none, fits := e.Of("nobody", ir.OddOf(1))
	assert.True(t, math.IsInf(none, 1))
	assert.False(t, fits)
	none, _ = e.Of(name, ir.Of(ir.F32))
	assert.True(t, math.IsInf(none, 1), "no kernel reads floats")
}

// TestAim: kernels take no more memory than a module aims at, if they can; where they cannot,
// the module is planned all the same.
func TestAim(t *testing.T) {
	m := quantized("odd1", ir.Shape{16, 16, 3, 3}, 12)
	env := &pass.Env{Target: target(t, "armv7em"), Budget: pass.Budget{FreeRAM: true}}
	plan := func(within int) int {
		m.Within = within
		require.NoError(t, machine.Select(context.Background(), m, env))
		require.NoError(t, machine.Memory(context.Background(), m, env))
		return m.Arena.Bytes
	}
	free := plan(0)
	assert.Less(t, plan(free-1), free)
	least := plan(1)
	assert.Greater(t, least, 1)
	assert.Equal(t, least, plan(least))
	env.Budget.RAM = free
	assert.Equal(t, free, plan(1), "what the user says counts")
}
