package machine_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/data"
)

// environment calibrates on two images of few bits, so that sums are exact on every
// processor.
func environment(t *testing.T, name string) *pass.Env {
	target, err := processor.Find(name)
	require.NoError(t, err)
	return &pass.Env{Target: target, Level: pass.Int8, High: 1, Calibration: func() (data.Batch, error) {
		b := data.Batch{N: 2, Shape: []int{1, 8, 8}}
		for i := range 128 {
			b.X = append(b.X, float32(i*37%16)/16)
		}
		return b, nil
	}}
}

// TestCases takes each network of testdata/<pass> through all passes up to that one. What
// comes out stands beside it, and computes what went in. The first line of a network says
// whether the pass "changes" or "keeps" it.
func TestCases(t *testing.T) {
	for _, name := range []string{"fuse-pool", "memory"} {
		for _, c := range frontendtest.Cases(t, filepath.Join("testdata", name)) {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				m := frontendtest.Load(t, c.File)
				v := validate.New(m, 1)
				var before, last string
				err := passes.Table.Run(context.Background(), m, environment(t, "armv7"), pass.Options{StopAfter: name, Observe: func(p *pass.Pass, _ time.Duration, m *ir.Module) error {
					before, last = last, strings.SplitN(m.String(), "\n", 2)[1]
					return v.Observe(context.Background(), p, m)
				}})
				require.NoError(t, err)
				frontendtest.Dump(t, c.Out(), m)
				what, _, _ := strings.Cut(c.Title, ": ")
				assert.Equal(t, map[bool]string{true: "keeps", false: "changes"}[before == last], what)
			})
		}
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
