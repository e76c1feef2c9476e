package ir_test

import (
	"context"
	"math"
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/examples"
	_ "github.com/dnnc/dnnc/frontend/onnx"
	_ "github.com/dnnc/dnnc/frontend/tflite"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestOperationsAreWhole names the empty cells of the table of operations. The packages
// that fill it are imported by this file.
func TestOperationsAreWhole(t *testing.T) { require.NoError(t, ir.Whole()) }

// eachSample has a network of the sample of each operation.
func eachSample(t *testing.T, run func(t *testing.T, m *ir.Module)) {
	t.Helper()
	require.NoError(t, ir.Whole())
	for op := range ir.NumOps {
		t.Run(op.String(), func(t *testing.T) {
			path, text, err := examples.Sample(op.Info().Sample, t.TempDir())
			require.NoError(t, err)
			m, err := frontend.Parse(path, text, frontend.Options{})
			require.NoError(t, err, "%s: the sample (ir/ops.go) is not read", op)
			require.Equal(t, op, m.Ops[len(m.Ops)-1].Op, "the sample is of another operation")
			m.Results = []ir.Type{m.Outputs[0].Type}
			require.Empty(t, ir.Verify(m))
			run(t, m)
		})
	}
}

// records are n records of the inputs of m, within their ranges.
func records(m *ir.Module, n int) data.Batch {
	var parts []data.Batch
	for i, v := range m.Inputs {
		parts = append(parts, data.Synthesize(v.Type.Shape, float32(v.Range.Lo), float32(v.Range.Hi), n, uint64(i+1)))
	}
	return data.Join(parts...)
}

// TestSamplesHaveGradients compares the gradient of each operation with differences: that
// of a random combination of its results with respect to every input. Where the
// differences on both sides of a point are not alike the operation has a corner there,
// and no derivative.
func TestSamplesHaveGradients(t *testing.T) {
	const step = 1. / 256
	eachSample(t, func(t *testing.T, m *ir.Module) {
		ctx := context.Background()
		p, err := interp.CompileFloat(m)
		require.NoError(t, err)
		x := records(m, 1)
		u := make([]float32, p.Size(m.Outputs[0]))
		rng := rand.New(rand.NewSource(3))
		for i := range u {
			u[i] = float32(rng.NormFloat64())
		}
		got, err := interp.Gradient(ctx, p, x.X, 1, false, func(_ int, _, d []float32) { copy(d, u) })
		require.NoError(t, err)
		// The point itself, then each input a step further and a step back.
		size := len(x.X)
		var around []float32
		for i := range 2*size + 1 {
			around = append(around, x.X...)
			if i > 0 {
				around[i*size+(i-1)/2] += float32(step - 2*step*float32((i-1)%2))
			}
		}
		y, err := p.Forward(ctx, around, 2*size+1)
		require.NoError(t, err)
		scalar := func(i int) (sum float64) {
			for k, v := range y[i*len(u) : (i+1)*len(u)] {
				sum += float64(v) * float64(u[k])
			}
			return sum
		}
		here := scalar(0)
		require.False(t, math.IsNaN(here) || math.IsInf(here, 0), "the results are no numbers")
		norm := 0.
		for _, g := range got.Input {
			norm = max(norm, math.Abs(float64(g)))
		}
		judged, slopes := 0, 0
		for i, g := range got.Input {
			ahead, back := (scalar(2*i+1)-here)/step, (here-scalar(2*i+2))/step
			near := .02*norm + .02*math.Abs(ahead) + 2e-3
			if math.Abs(ahead-back) > 4*near {
				continue
			}
			judged++
			if ahead != 0 {
				slopes++
			}
			assert.InDelta(t, (ahead+back)/2, float64(g), near, "with respect to input %d", i)
		}
		assert.Greater(t, judged, size*3/4, "the sample lies on corners")
		if norm == 0 {
			assert.Zero(t, slopes, "there is no gradient where there are slopes")
		}
	})
}

// TestSamplesBecomeIntegers takes each operation through all passes. Each pass is held to
// computing what the module computed before, and the integers to the reals, operation by
// operation, as -check-passes has it; then the whole is compared with the float network.
func TestSamplesBecomeIntegers(t *testing.T) { becomeIntegers(t, pass.EightBits, 1./20) }

// TestSamplesBecomeWideIntegers is the same with activations of 16 bits, of inputs, too. What has no form of
// these is nearer by less.
func TestSamplesBecomeWideIntegers(t *testing.T) { becomeIntegers(t, pass.SixteenBits, 1./400) }

// becomeIntegers allows a mean distance of a part of the greatest result.
func becomeIntegers(t *testing.T, bits string, part float64) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	eachSample(t, func(t *testing.T, m *ir.Module) {
		ctx := context.Background()
		float := m.Clone()
		for _, v := range m.Inputs { // which hold no pictures
			v.Wide = bits == pass.SixteenBits
		}
		x := records(m, 64)
		env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Bits: bits, Seed: 1,
			Calibration: func() (data.Batch, error) { return x, nil }}
		v := validate.New(m, 1)
		require.NoError(t, passes.Table.Run(ctx, m, env, pass.Options{
			Observe: func(p *pass.Pass, _ time.Duration, m *ir.Module) error { return v.Observe(ctx, p, m) }}))
		require.True(t, m.IsQuantized())
		fp, err := interp.CompileFloat(float)
		require.NoError(t, err)
		ip, err := interp.CompileInt(m)
		require.NoError(t, err)
		want, err := fp.Forward(ctx, x.X, x.N)
		require.NoError(t, err)
		got, err := interp.Logits(ctx, ip, x.X, x.N)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		var distance, reach float64
		for i, w := range want {
			distance += math.Abs(float64(w-got[i])) / float64(len(want))
			reach = max(reach, math.Abs(float64(w)))
		}
		most := reach * part
		if !m.Outputs[0].Type.IsWide() || m.Ops[len(m.Ops)-1].Op.HasWeights() { // or weights of few bits
			most = reach / 20
		}
		assert.LessOrEqual(t, distance, most, "the integers lie far from the reals")
	})
}
