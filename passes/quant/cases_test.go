package quant_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/passtest"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

// environment calibrates on four images of few bits, so that sums are exact on every
// processor: all inputs least, all greatest, and two between.
func environment(t *testing.T, m *ir.Module) *pass.Env {
	armv7, err := processor.Find("armv7")
	require.NoError(t, err)
	return &pass.Env{Target: armv7, Level: pass.Int8, Rounding: "nearest", Calibration: func() (data.Batch, error) {
		b := data.Batch{N: 4, Shape: m.Inputs[0].Type.Shape}
		for _, x := range m.Inputs[1:] {
			b.Others += x.Type.Shape.Size()
		}
		for image := range b.N {
			for _, x := range m.Inputs {
				for i := range x.Type.Shape.Size() {
					at := [][]float64{{0, 0, 0, 0, 0}, {1, 1, 1, 1, 1}, {.25, .5, 0, 1, .75}, {.5, .125, .75, .25, 0}}[image][i%5]
					b.X = append(b.X, float32(x.Range.Lo+at*(x.Range.Hi-x.Range.Lo)))
				}
			}
		}
		return b, nil
	}}
}

// TestCases runs each pass on the networks of its folder.
func TestCases(t *testing.T) {
	for _, name := range []string{"isolate-types", "calibrate", "quantize"} {
		passtest.Cases(t, passes.Table, name, func(m *ir.Module) *pass.Env { return environment(t, m) })
	}
}

// TestFaults: what is wrong with a network is said at its line.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.dnn")
	require.NoError(t, err)
	for _, f := range files {
		frontendtest.Faults(t, f, func(m *ir.Module) error {
			return passes.Table.Run(context.Background(), m, environment(t, m), pass.Options{StopAfter: "quantize"})
		})
	}
	require.NotEmpty(t, files)
}
