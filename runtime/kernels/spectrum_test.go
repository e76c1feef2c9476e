package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// sounds are half a second at 16 kHz of what resembles speech (harmonics of a voice that glides, under three formants,
// in syllables, with breath between them) and of white noise, at most 1.
func sounds() map[string][]float64 {
	const n, rate = 8000, 16000.
	rng := rand.New(rand.NewPCG(5, 6))
	speech, noise := make([]float64, n), make([]float64, n)
	phase := 0.
	for i := range speech {
		second := float64(i) / rate
		pitch := 120 + 30*math.Sin(2*math.Pi*3*second)
		phase += 2 * math.Pi * pitch / rate
		for h := 1; float64(h)*pitch < 7000; h++ {
			hz, gain := float64(h)*pitch, 0.
			for f, formant := range []float64{500 + 200*math.Sin(20*second), 1500, 2800} {
				d := (hz - formant) / (80 + 60*float64(f))
				gain += math.Pow(.5, float64(f)) / (1 + d*d)
			}
			speech[i] += gain * math.Sin(float64(h)*phase)
		}
		speech[i] = speech[i]*max(0, math.Sin(2*math.Pi*4*second)) + .003*rng.NormFloat64()
		noise[i] = rng.NormFloat64()
	}
	for _, x := range [][]float64{speech, noise} {
		most := 0.
		for _, v := range x {
			most = max(most, math.Abs(v))
		}
		for i := range x {
			x[i] /= most
		}
	}
	return map[string][]float64{"speech": speech, "noise": noise}
}

// logmel is 40 bands of 30 ms each 10 ms.
func logmel(t *testing.T, samples int) *geometry.SpectrumReals {
	t.Helper()
	n := &ir.Node{Op: ir.LogMel, Args: []*ir.Value{{Name: "x", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: ir.Shape{samples}}}}, Out: &ir.Value{Name: "y"}}
	n.Put(ir.AttrRate.Is(16000), ir.AttrFrame.Is(480), ir.AttrHop.Is(160), ir.AttrLow.Is(20), ir.AttrEps.Is(1e-6))
	typ, d := ir.InferNode(n)
	require.Nil(t, d)
	n.Out.Type = typ
	s, err := geometry.SpectrumRealsOf(n)
	require.NoError(t, err)
	return s
}

// TestLogMelIsNearTheReals: of loud and of quiet sounds all features of 16 bits lie within a hundredth of the spread of
// those of reals, which have the same samples; those of 8 bits are only rounded to their steps.
func TestLogMelIsNearTheReals(t *testing.T) {
	for name, sound := range sounds() {
		for _, decibels := range []float64{0, -60} {
			x, reals := make([]int16, len(sound)), make([]float32, len(sound))
			for i, v := range sound {
				x[i] = int16(math.Round(v * math.Pow(10, decibels/20) * math.MaxInt16))
				reals[i] = float32(x[i]) / math.MaxInt16
			}
			s := logmel(t, len(x))
			want := make([]float32, s.Frames*s.Bands)
			kernels.NewSpectrogram(s).Float(reals, want)
			lo, hi, mean, spread := 0., 0., 0., 0.
			for _, v := range want {
				lo, hi = min(lo, float64(v)), max(hi, float64(v))
				mean += float64(v) / float64(len(want))
			}
			for _, v := range want {
				spread += (float64(v) - mean) * (float64(v) - mean) / float64(len(want))
			}
			spread = math.Sqrt(spread)
			types := []ir.Type{
				{Elem: ir.Of(ir.I16), Quant: ir.Quant{Scale: 2 * max(-lo, hi) / math.MaxInt16}},
				{Elem: ir.Of(ir.I8), Quant: ir.Quant{Scale: (hi - lo) / 255, Zero: int(math.Round(-128 - lo/((hi-lo)/255)))}},
			}
			for _, typ := range types {
				q, err := s.Ints(1./math.MaxInt16, typ)
				require.NoError(t, err)
				least, greatest := typ.Ends()
				q.Zero, q.Lo, q.Hi = int32(typ.Quant.Zero), int32(least), int32(greatest)
				got := make([]int16, len(want))
				kernels.SpectrogramInt(q, x, got)
				worst, squares := 0., 0.
				for i, v := range got {
					d := math.Abs(typ.Quant.Scale*float64(int(v)-typ.Quant.Zero)-float64(want[i])) / spread
					worst, squares = max(worst, d), squares+d*d/float64(len(want))
				}
				what := fmt.Sprintf("%s at %v dB in %s: root of the mean square %.4f, worst %.4f of the spread %.2f", name, decibels, typ.Elem, math.Sqrt(squares), worst, spread)
				t.Log(what)
				assert.LessOrEqual(t, worst, .001+typ.Quant.Scale/2/spread, what) // half a step for rounding
				if typ.IsWide() {
					assert.LessOrEqual(t, worst, .01, what)
				}
			}
		}
	}
}

// TestLog2: straight lines between entries of a table, of numbers of all sizes.
func TestLog2(t *testing.T) {
	table := geometry.LogTable()
	for _, x := range []int64{1, 2, 3, 5, 127, 1<<31 - 1, 1 << 31, 1<<32 + 1, 1<<61 + 12345, 1 << 62} {
		assert.InDelta(t, math.Log2(float64(x)), float64(kernels.Log2(table, x))/geometry.LogOne, 6e-5, x)
	}
	assert.Equal(t, int64(0), kernels.Log2(table, 1))
	assert.Equal(t, int64(62*geometry.LogOne), kernels.Log2(table, 1<<62))
}
