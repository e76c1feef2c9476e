package interp_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

func lenet(t testing.TB) (*ir.Module, *interp.Float) {
	m, err := frontend.Load("../../testdata/lenet5/lenet5.dnn", frontend.Options{})
	require.NoError(t, err)
	require.NoError(t, ir.Infer(m).Err())
	p, err := interp.CompileFloat(m)
	require.NoError(t, err)
	return m, p
}

// TestImagesAreComputedApart runs a batch whole, one by one and in ranges of
// operations: the same numbers, to the last bit.
func TestImagesAreComputedApart(t *testing.T) {
	ctx := context.Background()
	m, p := lenet(t)
	x := data.Synthesize([]int{1, 28, 28}, 0, 1, 37, 1)
	whole, err := p.Forward(ctx, x.X, x.N)
	require.NoError(t, err)
	for i := range x.N {
		one, err := p.Forward(ctx, x.Image(i), 1)
		require.NoError(t, err)
		require.InDeltaSlice(t, whole[i*10:(i+1)*10], one, 1e-5)
	}
	mid := len(m.Ops) / 2
	values := p.Tensors(x.N, m.Ops[mid-1].Out, m.Outputs[0])
	values[p.ID(m.Inputs[0])] = x.X
	require.NoError(t, p.Run(ctx, values, x.N, 0, mid))
	require.NoError(t, p.Run(ctx, values, x.N, mid, len(m.Ops)))
	assert.Equal(t, whole, values[p.ID(m.Outputs[0])])
}

func TestRunNeedsWhatItReads(t *testing.T) {
	m, p := lenet(t)
	values := p.Tensors(1, m.Outputs[0])
	assert.ErrorContains(t, p.Run(context.Background(), values, 1, 3, len(m.Ops)), "not kept")
	_, err := p.Forward(context.Background(), make([]float32, 3), 1)
	assert.ErrorContains(t, err, "not 1 images")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = p.Forward(ctx, make([]float32, 784*1000), 1000)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestOverride swaps one layer's weights and leaves the program as it was.
func TestOverride(t *testing.T) {
	ctx := context.Background()
	m, p := lenet(t)
	x := data.Synthesize([]int{1, 28, 28}, 0, 1, 2, 1)
	before, err := p.Forward(ctx, x.X, x.N)
	require.NoError(t, err)
	last := m.Value("fc2").Def
	bias := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	zero := interp.Override(p, last, make([]float32, 5000), bias)
	got, err := zero.Forward(ctx, x.X, x.N)
	require.NoError(t, err)
	assert.Equal(t, append(append([]float32{}, bias...), bias...), got)
	after, err := p.Forward(ctx, x.X, x.N)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

func TestQuantizeRoundsToNearestAndSaturates(t *testing.T) {
	q := ir.Quant{Scale: .5, Zero: 10}
	y := make([]int8, 6)
	interp.Quantize(q, []float32{0, .25, -.25, 1.2, 1e9, -1e9}, y)
	assert.Equal(t, []int8{10, 11, 10, 12, 127, -128}, y)
	x := make([]float32, 2)
	interp.Dequantize(q, []int8{10, -10}, x)
	assert.Equal(t, []float32{0, -10}, x)
}

func BenchmarkLeNet(b *testing.B) {
	_, p := lenet(b)
	x := data.Synthesize([]int{1, 28, 28}, 0, 1, 64, 1)
	for b.Loop() {
		if _, err := p.Forward(context.Background(), x.X, x.N); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*x.N)/b.Elapsed().Seconds(), "images/s")
}
