package onnx_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/frontend/onnx"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestAnswersOfONNXRuntime holds small random models of every operation to what
// onnxruntime answers. testdata/peers/onnx_cases.py made them; make peers makes others.
// operations.tar.gz has those that are composed of others, by seed 11.
func TestAnswersOfONNXRuntime(t *testing.T) {
	for _, c := range slices.Concat(frontendtest.Packed(t, "testdata/peers.tar.gz"), frontendtest.Packed(t, "testdata/operations.tar.gz"), frontendtest.Packed(t, "testdata/spectra.tar.gz")) {
		t.Run(c.Name, func(t *testing.T) {
			m, err := onnx.Parse("net", c.Files["model.onnx"], onnx.Options{})
			require.NoError(t, err)
			require.Empty(t, ir.Verify(m))
			p, err := interp.CompileFloat(m)
			require.NoError(t, err)
			values := p.Tensors(1, m.Outputs...)
			floats := func(kind string, k int) []float32 {
				x, err := onnx.Floats(c.Files[fmt.Sprintf("test_data_set_0/%s_%d.pb", kind, k)])
				require.NoError(t, err)
				return x
			}
			for k, v := range m.Inputs {
				values[p.ID(v)] = floats("input", k)
				require.Len(t, values[p.ID(v)], v.Type.Shape.Size())
			}
			require.NoError(t, p.Run(context.Background(), values, 1, 0, len(m.Ops)))
			for k, v := range m.Outputs {
				frontendtest.Near(t, floats("output", k), values[p.ID(v)], v.Name)
			}
		})
	}
}
