package round

import (
	"context"
	"math"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// correlated makes weights, and inputs that depend on each other.
func correlated(rng *rand.Rand, rows, cols, n int) (Matrix, []float32) {
	w := Matrix{rows, cols, make([]float64, rows*cols)}
	for i := range w.Data {
		w.Data[i] = rng.NormFloat64()
	}
	x := make([]float32, n*cols)
	for i := range n {
		common := rng.NormFloat64()
		for j := range cols {
			x[i*cols+j] = float32(max(0, common+rng.NormFloat64()))
		}
	}
	return w, x
}

// meanError is the mean squared error of the outputs on inputs x.
func meanError(w Matrix, r Result, bits int, x []float32) float64 {
	sum, n := 0.0, len(x)/w.Cols
	for i := range n {
		for row := range w.Rows {
			e := -r.Bias[row]
			for j := range w.Cols {
				e += (w.Data[row*w.Cols+j] - value(r.Codes[row*w.Cols+j], r.Scale[row], bits)) * float64(x[i*w.Cols+j])
			}
			sum += e * e
		}
	}
	return sum / float64(n*w.Rows)
}

func TestCompensatedBeatsNearest(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	w, x := correlated(rng, 12, 40, 400)
	s := NewStats(w.Cols)
	s.Add(x, 400)
	s.Finish()
	f, err := Prepare(s)
	require.NoError(t, err)
	for bits := 1; bits <= 8; bits++ {
		near := Nearest(w, bits)
		comp, err := f.Compensated(context.Background(), w, bits, Options{})
		require.NoError(t, err)
		for _, r := range []Result{near, comp} {
			for _, q := range r.Codes {
				require.Less(t, int(q), 1<<bits)
			}
			for _, v := range r.Scale {
				require.True(t, v > 0 && !math.IsInf(v, 0))
			}
		}
		assert.Less(t, meanError(w, comp, bits, x), .8*meanError(w, near, bits, x), "%d bits", bits)
		seq, err := Sequential(context.Background(), w, x, x, 400, bits, Options{})
		require.NoError(t, err)
		assert.Equal(t, comp.Codes, seq.Codes, "equal inputs have nothing to make up for")
	}
}

// TestSequentialMakesUp feeds the rounded network inputs of half the size: the
// float layer's outputs must be met all the same.
func TestSequentialMakesUp(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	w, x := correlated(rng, 6, 20, 400)
	half := make([]float32, len(x))
	for i, v := range x {
		half[i] = v / 2
	}
	r, err := Sequential(context.Background(), w, x, half, 400, 6, Options{})
	require.NoError(t, err)
	double := Matrix{w.Rows, w.Cols, make([]float64, len(w.Data))}
	for i, v := range w.Data {
		double.Data[i] = 2 * v
	}
	assert.Less(t, meanError(double, r, 6, half), .2)
}

func TestNotFinite(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	w, x := correlated(rng, 2, 4, 10)
	s := NewStats(4)
	s.Add(x, 10)
	s.Finish()
	f, err := Prepare(s)
	require.NoError(t, err)
	w.Data[3] = math.NaN()
	_, err = f.Compensated(context.Background(), w, 2, Options{})
	assert.ErrorIs(t, err, ErrNotFinite)
	x[0] = float32(math.Inf(1))
	s.Add(x, 10)
	_, err = Prepare(s)
	assert.ErrorIs(t, err, ErrNotFinite)
}

func TestDeadInputsAndRows(t *testing.T) {
	w := Matrix{2, 3, []float64{0, 0, 0, 1, -1, 2}}
	s := NewStats(3)
	s.Add([]float32{0, 1, 0, 0, 2, 0}, 2)
	s.Finish()
	f, err := Prepare(s)
	require.NoError(t, err)
	r, err := f.Compensated(context.Background(), w, 3, Options{})
	require.NoError(t, err)
	assert.Positive(t, r.Scale[0])
	assert.Positive(t, r.Scale[1])
}
