package machine_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/passtest"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

// environment calibrates on two images of few bits, so that sums are exact on every
// processor.
func environment(t *testing.T, name string) *pass.Env {
	target, err := processor.Find(name)
	require.NoError(t, err)
	return &pass.Env{Target: target, Level: pass.Int8, Calibration: func() (data.Batch, error) {
		b := data.Batch{N: 2, Shape: []int{1, 8, 8}}
		for i := range 128 {
			b.X = append(b.X, float32(i*37%16)/16)
		}
		return b, nil
	}}
}

// TestCases runs each pass on the networks of its folder.
func TestCases(t *testing.T) {
	for _, name := range []string{"fuse-pool", "memory"} {
		passtest.Cases(t, passes.Table, name, func(*ir.Module) *pass.Env { return environment(t, "armv7") })
	}
}

// TestRAM: an arena beyond -ram is refused with the least that would do, which does.
func TestRAM(t *testing.T) {
	compile := func(ram int) (*ir.Module, error) {
		m := frontendtest.Load(t, "testdata/memory/chain.dnn")
		env := environment(t, "armv7")
		env.Budget.RAM = ram
		return m, passes.Table.Run(context.Background(), m, env, pass.Options{})
	}
	m, err := compile(0)
	require.NoError(t, err)
	bytes := m.Arena.Bytes
	require.Positive(t, bytes)
	_, err = compile(bytes)
	require.NoError(t, err)
	_, err = compile(1)
	var d *diag.Diagnostic
	require.ErrorAs(t, err, &d)
	assert.Equal(t, diag.BadBudget, d.Kind)
	assert.Contains(t, d.Message, "-ram allows 1")
}
