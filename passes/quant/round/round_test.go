package round

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// correlated makes weights, and inputs that depend on each other.
func correlated(rng *rand.Rand, rows, cols, n int) (Matrix, []float32) {
	w := Matrix{rows, cols, make([]float32, rows*cols)}
	for i := range w.Data {
		w.Data[i] = float32(rng.NormFloat64())
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
func meanError(w Matrix, r Result, x []float32) float64 {
	sum, n := 0.0, len(x)/w.Cols
	for i := range n {
		for row := range w.Rows {
			e := -r.Bias[row]
			for j := range w.Cols {
				e += float64(w.Data[row*w.Cols+j]-r.Weights[row*w.Cols+j]) * float64(x[i*w.Cols+j])
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
	f, err := Prepare(s, s.ByEnergy(), 1)
	require.NoError(t, err)
	for bits := 1; bits <= 8; bits++ {
		near := Nearest(w, bits)
		comp, err := f.Odd(context.Background(), w, bits)
		require.NoError(t, err)
		for _, r := range []Result{near, comp} {
			for _, q := range r.Codes {
				require.Less(t, int(q), 1<<bits)
			}
			for _, v := range r.Scale {
				require.True(t, v > 0 && !math.IsInf(v, 0))
			}
		}
		assert.Less(t, meanError(w, comp, x), .8*meanError(w, near, x), "%d bits", bits)
		seq := sequential(t, w, x, x, bits)
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
	r := sequential(t, w, x, half, 6)
	double := Matrix{w.Rows, w.Cols, make([]float32, len(w.Data))}
	for i, v := range w.Data {
		double.Data[i] = 2 * v
	}
	assert.Less(t, meanError(double, r, half), .2)
}

func TestNotFinite(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	w, x := correlated(rng, 2, 4, 10)
	s := NewStats(4)
	s.Add(x, 10)
	s.Finish()
	f, err := Prepare(s, s.ByEnergy(), 1)
	require.NoError(t, err)
	w.Data[3] = float32(math.NaN())
	_, err = f.Odd(context.Background(), w, 2)
	assert.ErrorIs(t, err, ErrNotFinite)
	x[0] = float32(math.Inf(1))
	s.Add(x, 10)
	_, err = Prepare(s, s.ByEnergy(), 1)
	assert.ErrorIs(t, err, ErrNotFinite)
}

func TestDeadInputsAndRows(t *testing.T) {
	w := Matrix{2, 3, []float32{0, 0, 0, 1, -1, 2}}
	s := NewStats(3)
	s.Add([]float32{0, 1, 0, 0, 2, 0}, 2)
	s.Finish()
	f, err := Prepare(s, s.ByEnergy(), 1)
	require.NoError(t, err)
	r, err := f.Odd(context.Background(), w, 3)
	require.NoError(t, err)
	assert.Positive(t, r.Scale[0])
	assert.Positive(t, r.Scale[1])
}

// TestInvert: the inverse on all cores has the bits of LAPACK's on one.
func TestInvert(t *testing.T) {
	rng := rand.New(rand.NewSource(5))
	for _, n := range []int{1, 17, 64, 65, 200, 300} {
		a := make([]float64, n*n)
		for i := range n {
			for j := range i {
				a[i*n+j] = rng.NormFloat64() / float64(n)
			}
			a[i*n+i] = 1 + rng.Float64()
		}
		b := slices.Clone(a)
		of := func(data []float64) blas64.Triangular {
			return blas64.Triangular{Uplo: blas.Lower, Diag: blas.NonUnit, N: n, Stride: n, Data: data}
		}
		require.True(t, invert(of(a)))
		require.True(t, lapack64.Trtri(of(b)))
		require.Equal(t, b, a)
		a[(n/2)*n+n/2] = 0
		require.False(t, invert(of(a)))
	}
}

// TestInputsThatDoNotVary: about their mean, moments of constant inputs are what
// rounding left of them, which can be far below 0.
func TestInputsThatDoNotVary(t *testing.T) {
	below := 0
	for i := range 50 {
		x := slices.Repeat([]float32{3.7 + float32(i)*91.3, float32(i) / 7}, 1000)
		p := NewPair(Matrix{2, 2, []float32{1, -1, .5, 2}})
		p.Add(x, x, 1000)
		p.Finish()
		if p.gram[0]+p.damp() < 0 {
			below++
		}
		w, err := p.Target()
		require.NoError(t, err)
		f, err := Prepare(p.Stats, p.ByEnergy(), 1)
		require.NoError(t, err)
		r, err := f.Odd(context.Background(), w, 3)
		require.NoError(t, err)
		assert.Positive(t, r.Scale[0])
	}
	assert.NotZero(t, below)
}

// sequential rounds w on pairs of inputs, as finalists are.
func sequential(t *testing.T, w Matrix, exact, rounded []float32, bits int) Result {
	p := NewPair(w)
	p.Add(exact, rounded, len(exact)/w.Cols)
	p.Finish()
	target, err := p.Target()
	require.NoError(t, err)
	f, err := Prepare(p.Stats, p.ByEnergy(), 1)
	require.NoError(t, err)
	r, err := f.Odd(context.Background(), target, bits)
	require.NoError(t, err)
	p.Correct(&r)
	return r
}

// TestVector compares vector codes with odd codes of as many bits or more, and
// checks what look-up kernels rely on.
func TestVector(t *testing.T) {
	rng := rand.New(rand.NewSource(4))
	w, x := correlated(rng, 50, 48, 400)
	s := NewStats(w.Cols)
	s.Add(x, 400)
	s.Finish()
	scalar, err := Prepare(s, s.ByEnergy(), 1)
	require.NoError(t, err)
	one, err := scalar.Odd(context.Background(), w, 1)
	require.NoError(t, err)
	before := math.Inf(1)
	for _, c := range []struct{ bits, d, taps int }{{4, 16, 1}, {4, 8, 2}, {6, 8, 1}, {8, 8, 1}, {6, 4, 3}, {8, 4, 1}, {4, 5, 2}} {
		f, err := Prepare(s, ByTap(w.Cols/c.taps, c.taps, c.d), c.d)
		require.NoError(t, err)
		r, err := f.Vector(context.Background(), w, c.bits)
		require.NoError(t, err)
		require.Len(t, r.Book, c.d<<c.bits)
		require.Len(t, r.Codes, w.Rows*len(f.order)/c.d)
		for q := range 1 << c.bits {
			sum := 0
			for _, v := range r.Book[q*c.d : (q+1)*c.d] {
				sum += int(math.Abs(float64(v)))
			}
			require.LessOrEqual(t, sum, RowSum)
		}
		for i, p := range f.order {
			if p < 0 {
				continue
			}
			for row := range w.Rows {
				q := int(r.Codes[row*len(f.order)/c.d+i/c.d])
				require.Equal(t, float32(r.Scale[row])*float32(r.Book[q*c.d+i%c.d]), r.Weights[row*w.Cols+p])
			}
		}
		e := meanError(w, r, x)
		t.Logf("vec%dx%d: %.4f; odd1 %.4f", c.bits, c.d, e, meanError(w, one, x))
		if c.d == 8 && c.taps == 1 || c.d == 16 {
			assert.Less(t, e, before, "vec%dx%d", c.bits, c.d)
			before = e
		}
		again, err := f.Vector(context.Background(), w, c.bits)
		require.NoError(t, err)
		assert.Equal(t, r, again)
	}
}

func BenchmarkRound(b *testing.B) {
	rng := rand.New(rand.NewSource(5))
	w, x := correlated(rng, 128, 1152, 2000)
	s := NewStats(w.Cols)
	s.Add(x, 2000)
	s.Finish()
	b.Run("prepare", func(b *testing.B) {
		for b.Loop() {
			_, err := Prepare(s, s.ByEnergy(), 1)
			require.NoError(b, err)
		}
	})
	f, err := Prepare(s, s.ByEnergy(), 1)
	require.NoError(b, err)
	b.Run("odd2", func(b *testing.B) {
		for b.Loop() {
			_, err := f.Odd(context.Background(), w, 2)
			require.NoError(b, err)
		}
	})
	for _, c := range []struct{ bits, d int }{{4, 16}, {6, 8}, {8, 8}} {
		g, err := Prepare(s, ByTap(128, 9, c.d), c.d)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("vec%dx%d", c.bits, c.d), func(b *testing.B) {
			for b.Loop() {
				_, err := g.Vector(context.Background(), w, c.bits)
				require.NoError(b, err)
			}
		})
	}
}
