package robust_test

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/passtest"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// TestCases runs the pass on networks whose answer is plain: 1 or 3 bits for each layer,
// and 3 bits for one of two at most.
func TestCases(t *testing.T) {
	passtest.Cases(t, passes.Table, passes.Robust, func(*ir.Module) *pass.Env {
		armv7, err := processor.Find("armv7")
		require.NoError(t, err)
		errors, err := disturb.Parse("gaussian", []disturb.Input{{Holds: ir.Content{Kind: ir.Features}, Shape: []int{8}, High: 1}})
		require.NoError(t, err)
		return &pass.Env{
			Target: armv7, Level: pass.Robust, Seed: 1, Errors: errors, Rounding: "nearest",
			Formats: []ir.Elem{ir.OddOf(1), ir.OddOf(3)}, Budget: pass.Budget{Bits: 3.2},
			Calibration: func() (data.Batch, error) {
				rng := rand.New(rand.NewSource(1))
				b := data.Batch{N: 32, Shape: []int{8}}
				for range b.N * 8 {
					b.X = append(b.X, float32(rng.Intn(17))/16)
				}
				return b, nil
			},
		}
	})
}
