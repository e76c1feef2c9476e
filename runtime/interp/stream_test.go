package interp_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/examples"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestStreamedGivesTheSameBits runs networks with all weights in memory and
// operation by operation. LeNet-5's first matrix takes two blocks of rows; the
// residual network's values outlive the operation after them.
func TestStreamedGivesTheSameBits(t *testing.T) {
	ctx := context.Background()
	lenet5, err := frontend.Load("../../testdata/lenet5/lenet5.dnn", frontend.Options{})
	require.NoError(t, err)
	residual, err := examples.All[0].Module()
	require.NoError(t, err)
	for _, m := range []*ir.Module{lenet5, residual} {
		require.NoError(t, ir.Infer(m).Err())
		p, err := interp.CompileFloat(m)
		require.NoError(t, err)
		s, err := interp.Stream(m)
		require.NoError(t, err)
		var all []*ir.Value
		for _, n := range m.Ops {
			all = append(all, n.Out)
		}
		for _, n := range []int{1, 5, 37} { // one after the other: memory is used again
			x := data.Synthesize(m.Inputs[0].Type.Shape, 0, 1, n, uint64(n))
			want := p.Tensors(n, all...)
			p.Feed(want, x.X, n)
			require.NoError(t, p.Run(ctx, want, n, 0, len(m.Ops)))
			seen := 0
			require.NoError(t, s.Run(ctx, x.X, n, func(v *ir.Value, y []float32) {
				require.Equal(t, want[p.ID(v)], y, "%s, %s of %d images", m.Name, v.Name, n)
				seen++
			}))
			assert.Equal(t, len(all), seen)
		}
	}
}

func TestStreamedPeak(t *testing.T) {
	m, _ := lenet(t)
	s, err := interp.Stream(m)
	require.NoError(t, err)
	assert.Equal(t, 4*(20*24*24*2), s.Peak(), "conv1 and its relu")
}

func TestStreamedErrors(t *testing.T) {
	m, _ := lenet(t)
	s, err := interp.Stream(m)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, s.Run(ctx, make([]float32, 784), 1, func(*ir.Value, []float32) {}), context.Canceled)

	m.Const("fc1.weight").Data = ir.Bytes{1, 2, 3}
	err = s.Run(context.Background(), make([]float32, 784), 1, func(*ir.Value, []float32) {})
	assert.ErrorContains(t, err, "fc1")
}
