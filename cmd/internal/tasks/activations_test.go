package tasks_test

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/internal/tasks"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestErrorOfActivations: of the examples of signals and numbers, what activations of 8 bits add to the
// answers of the network with the same weights falls by 16 and more with 16 bits; and what is lost as a
// whole is then within a tenth of what the weights lose.
func TestErrorOfActivations(t *testing.T) {
	const fitted, judged = 256, 256
	for _, name := range []string{"wear", "machine", "keyword", "spoken", "beat", "pump", "bearing"} {
		t.Run(name, func(t *testing.T) {
			e, err := tasks.Find(name)
			require.NoError(t, err)
			m, err := dnnc.Load(filepath.Join("..", "..", "..", "testdata", "tasks", name, name+".dnn"), dnnc.LoadOptions{})
			require.NoError(t, err)
			calib, _ := e.Batch(m, tasks.Calibration, 0, fitted)
			test, _ := e.Batch(m, tasks.Test, 0, judged)
			built := func(bits string) *dnnc.Result {
				c, err := dnnc.NewConfig("armv7em")
				require.NoError(t, err)
				c.Calibration, c.Errors, c.Activations, c.StopAfter = dnnc.Images(calib), disturb.None, bits, passes.Quantized
				r, err := dnnc.Compile(context.Background(), m, c)
				require.NoError(t, err)
				return r
			}
			narrow, wide := built(pass.EightBits), built(pass.SixteenBits)
			float := reals(t, narrow.Float, test)
			same := reals(t, withWeights(t, narrow.Float, narrow.Module), test)
			assert.Equal(t, same, reals(t, withWeights(t, narrow.Float, wide.Module), test), "weights are the same")
			eight, sixteen := integers(t, narrow.Module, test), integers(t, wide.Module, test)
			for r := range m.Outputs {
				falls := distance(eight[r], same[r]) / distance(sixteen[r], same[r])
				whole := distance(sixteen[r], float[r]) / distance(same[r], float[r])
				t.Logf("%s: weights %.3g; activations of 8 bits %.3g, of 16 %.3g: falls by %.1f; all %.3f of the weights'", m.ResultName(r),
					distance(same[r], float[r]), distance(eight[r], same[r]), distance(sixteen[r], same[r]), falls, whole)
				assert.GreaterOrEqual(t, falls, 16.)
				assert.LessOrEqual(t, whole, 1.1)
			}
		})
	}
}

// withWeights is a float network with the weights of a quantized one.
func withWeights(t *testing.T, f, q *ir.Module) *ir.Module {
	f = f.Clone()
	for i, n := range f.Layers() {
		w := q.Layers()[i].Const(ir.AttrWeight)
		codes, err := w.Ints()
		require.NoError(t, err)
		scales, err := w.Scale.Float32()
		require.NoError(t, err)
		x := make([]float32, len(codes))
		for j, c := range codes {
			x[j] = float32(c) * scales[j*len(scales)/len(codes)]
		}
		c := ir.FloatConst(n.Name()+".rounded", n.Const(ir.AttrWeight).Type.Shape, x)
		f.Consts = append(f.Consts, c)
		n.Put(ir.AttrWeight.Is(c))
	}
	return f
}

// reals is what a float network answers, result by result.
func reals(t *testing.T, m *ir.Module, b data.Batch) [][]float32 {
	run, err := interp.Stream(m)
	require.NoError(t, err)
	answers := make([][]float32, len(m.Outputs))
	require.NoError(t, run.Run(context.Background(), b.X, b.N, func(v *ir.Value, y []float32) {
		for i, o := range m.Outputs {
			if v == o {
				answers[i] = append(answers[i], y...)
			}
		}
	}))
	return answers
}

// integers is what the integers of a quantized network stand for, result by result.
func integers(t *testing.T, m *ir.Module, b data.Batch) [][]float32 {
	run, err := interp.StreamInt(m)
	require.NoError(t, err)
	answers := make([][]float32, len(m.Outputs))
	require.NoError(t, run.Run(context.Background(), interp.QuantizeInputs(m, b.X), b.N, func(v *ir.Value, y []int8) {
		for i, o := range m.Outputs {
			if v == o {
				answers[i] = make([]float32, b.N*v.Type.Shape.Size())
				interp.Reals(v.Type, y, answers[i])
			}
		}
	}))
	return answers
}

// distance is the root of the mean square of the differences.
func distance(a, b []float32) float64 {
	sum := 0.
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(a)))
}
