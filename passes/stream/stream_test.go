package stream_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/stream/streamtest"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestRandomNetworks: frame by frame, random networks compute the integers of the whole ones.
func TestRandomNetworks(t *testing.T) {
	ctx, streamed, compared := context.Background(), 0, 0
	for seed := range uint64(120) {
		m := streamtest.Random(seed, 24)
		whole, step, err := streamtest.Quantized(t, m, "armv7em", pass.LeastHop)
		if !assert.NoError(t, err, "network %d\n%s", seed, whole) {
			continue
		}
		n, err := validate.Stream(ctx, whole, step, streamtest.Records(whole, 2, seed))
		require.NoError(t, err, "network %d\n%s\n%s", seed, whole, step)
		streamed, compared = streamed+1, compared+n
		arena(t, step, seed)
	}
	assert.Greater(t, streamed, 100)
	assert.Greater(t, compared, 10000)
}

// arena runs some frames in the memory of the plan, where nothing but states may be left from run
// to run.
func arena(t *testing.T, m *ir.Module, seed uint64) {
	ctx := context.Background()
	a, err := interp.NewArena(m)
	require.NoError(t, err)
	p, err := interp.CompileInt(m)
	require.NoError(t, err)
	memory, values := make([]int8, m.Arena.Bytes), p.Tensors(1, m.Outputs...)
	a.Reset(memory)
	for run, x := range streamtest.Records(m, 6, seed) {
		for i := m.StateBytes(); i < len(memory); i++ {
			memory[i] = int8(17 * i)
		}
		got, err := a.Run([][]int8{x}, memory, nil)
		require.NoError(t, err)
		p.Feed(values, x, 1)
		require.NoError(t, p.Run(ctx, values, 1, 0, len(m.Ops)))
		require.Equal(t, values[p.ID(m.Outputs[0])], got, "network %d, run %d\n%s", seed, run, m)
	}
}

// TestNetworks: known networks over 1,000 frames, by one frame and by several.
func TestNetworks(t *testing.T) {
	const frames = 1000
	for name, m := range map[string]*ir.Module{
		"dscnn": streamtest.DSCNN(frames), "tcn": streamtest.TCN(frames), "lstm": streamtest.Cell(ir.CellLSTM, "", frames),
		"gru": streamtest.Cell(ir.CellGRU, ir.ResetAfter, frames), "gru before": streamtest.Cell(ir.CellGRU, ir.ResetBefore, frames),
	} {
		for _, hop := range []int{pass.LeastHop, 5} {
			t.Run(fmt.Sprint(name, hop), func(t *testing.T) {
				whole, step, err := streamtest.Quantized(t, m, "armv7em", hop)
				require.NoError(t, err)
				assert.Equal(t, []int{0}, step.Stream.Delays)
				n, err := validate.Stream(context.Background(), whole, step, streamtest.Records(whole, 1, 5))
				require.NoError(t, err)
				assert.Equal(t, whole.Outputs[0].Type.Slots(), n, "all frames are compared")
				arena(t, step, 3)
			})
		}
	}
}
