// Package passtest runs passes on the networks of a folder of cases. It stands beside
// ir/kernel/kerneltest, below none of the wings: it reads texts, which is the frontend's
// work, and runs passes on them.
package passtest

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
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/validate"
)

// Cases takes each network of testdata/<pass> through a table up to that pass. What comes
// out stands beside it, constants and all, and computes what went in (package validate).
// The first line of a network says whether the pass "changes" or "keeps" it, and why.
// env makes the environment of a network, nil for passes that need none.
func Cases(t *testing.T, table pass.Table, name string, env func(m *ir.Module) *pass.Env) {
	t.Helper()
	for _, c := range frontendtest.Cases(t, filepath.Join("testdata", name)) {
		t.Run(name+"/"+c.Name, func(t *testing.T) {
			m := frontendtest.Load(t, c.File)
			var e *pass.Env
			if env != nil {
				e = env(m)
			}
			v := validate.New(m, 1)
			// The first line says which pass a module has been through.
			text := func(m *ir.Module) string { return strings.SplitN(frontendtest.Text(t, m), "\n", 2)[1] }
			before, last := "", text(m)
			err := table.Run(context.Background(), m, e, pass.Options{StopAfter: name, Observe: func(p *pass.Pass, _ time.Duration, m *ir.Module) error {
				before, last = last, text(m)
				return v.Observe(context.Background(), p, m)
			}})
			require.NoError(t, err)
			frontendtest.Dump(t, c.Out(), m)
			what, why, _ := strings.Cut(c.Title, ": ")
			assert.NotEmpty(t, why, "%s says not why", c.File)
			assert.Equal(t, map[bool]string{true: "keeps", false: "changes"}[before == last], what, c.File)
		})
	}
}
