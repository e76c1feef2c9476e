package frontend_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
)

// TestFaults holds what is said of wrong texts to what stands beside their lines. What
// needs types is said by their inference; of a dump, which has them, by the verifier.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.dnn")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			frontendtest.Faults(t, f, func(m *ir.Module) error {
				if m.After == "" {
					return ir.Infer(m).Err()
				}
				return ir.Verify(m).Err()
			})
		})
	}
}
