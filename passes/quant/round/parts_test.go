package round

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/parallel"
)

func TestInt8(t *testing.T) {
	r := Int8(Matrix{3, 4, []float32{127, -63.4, 63.6, 0, 0, 0, 0, 0, -254, 3, 127, 2.9}})
	assert.Equal(t, Result{
		Codes:   []uint8{127, 0xc1, 64, 0, 0, 0, 0, 0, 0x81, 2, 64, 1},
		Scale:   []float64{1, 1, 2},
		Bias:    []float64{0, 0, 0},
		Weights: []float32{127, -63, 64, 0, 0, 0, 0, 0, -254, 4, 128, 2},
	}, r)
	r = Int8(Matrix{1, 2, []float32{1.27, -.5}})
	assert.Equal(t, []uint8{127, 0xce}, r.Codes)
	assert.InEpsilon(t, .01, r.Scale[0], 1e-6)
	assert.InDeltaSlice(t, []float64{1.27, -.5}, []float64{float64(r.Weights[0]), float64(r.Weights[1])}, 1e-6)
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		x, scale float32
		bits     int
		code     uint8
		value    float32
	}{
		{0, 1, 2, 2, 1}, {-.1, 1, 2, 1, -1}, {1.9, 1, 2, 2, 1}, {2.1, 1, 2, 3, 3}, {-2.1, 1, 2, 0, -3}, {99, 1, 2, 3, 3}, {-99, 1, 2, 0, -3},
		{.6, .25, 3, 5, .75}, {7, 1, 1, 1, 1}, {-7, 1, 1, 0, -1}, {254, 1, 8, 255, 255}, {-256, 1, 8, 0, -255},
	} {
		q := level(c.x, c.scale, c.bits)
		assert.Equal(t, c.code, q, "%v", c)
		assert.Equal(t, c.value, value(q, c.scale, c.bits), "%v", c)
	}
	// The mean of the magnitudes is the scale of one bit.
	r := Nearest(Matrix{2, 3, []float32{1, -2, 3, 0, 0, 0}}, 1)
	assert.Equal(t, []float64{2, 1}, r.Scale)
	assert.Equal(t, []float32{2, -2, 2, 1, 1, 1}, r.Weights)
}

func TestDeadScale(t *testing.T) {
	assert.Equal(t, 1./48, DeadScale(3, 8, 2)) // 3 weights * 8 of an input / 48 are a quarter of 2
}

func TestSumsOfVectors(t *testing.T) {
	for n := range 10 {
		a, b := make([]float32, n), make([]float32, n+2)
		want := 0.
		for i := range a {
			a[i], b[i] = float32(i+1), float32(10*i-3)
			want += float64(a[i]) * float64(b[i])
		}
		assert.Equal(t, want, dot(a, b), "%d", n)
	}
	y := []float32{1, 2, 3}
	axpy(2, []float32{10, 20}, y)
	assert.Equal(t, []float32{21, 42, 3}, y)
	subtract(y, []float32{1, 2})
	assert.Equal(t, []float32{20, 40, 3}, y)
	assert.Equal(t, 32., inner([]float64{1, 2, 3}, []float64{4, 5, 6}))
}

// TestStats of three inputs of two columns: means 2 and 4, centred products 2/3, 2 and 6.
func TestStats(t *testing.T) {
	s := NewStats(2)
	s.Add([]float32{1, 1, 2, 4}, 2)
	s.Add([]float32{3, 7}, 1)
	s.Finish()
	assert.InDeltaSlice(t, []float64{2, 4}, s.mean, 1e-9)
	assert.InDeltaSlice(t, []float64{2. / 3, 2, 2, 6}, s.gram, 1e-6)
	assert.InDelta(t, .01*(2./3+6)/2+1e-7, s.damp(), 1e-9)
	assert.Equal(t, []int{1, 0}, s.ByEnergy())
	s.gram[0], s.gram[3] = 6, 6
	assert.Equal(t, []int{0, 1}, s.ByEnergy(), "equal ones stay")
}

func TestByTap(t *testing.T) {
	assert.Equal(t, []int{0, 2, 4, -1, 1, 3, 5, -1}, ByTap(3, 2, 2))
	assert.Equal(t, []int{0, 3, 1, 4, 2, 5}, ByTap(2, 3, 2))
	assert.Equal(t, []int{0, 1, 2}, ByTap(3, 1, 1))
}

// TestCross: products over more rows and columns than a block has.
func TestCross(t *testing.T) {
	rng := rand.New(rand.NewSource(6))
	for _, c := range []struct {
		rows, m, n int
		symmetric  bool
	}{{3, 2, 4, false}, {crossRows, 65, 7, false}, {crossRows + 1, 130, 70, false}, {2*crossRows + 5, 130, 130, true}, {1, 1, 1, true}} {
		a, b := make([]float32, c.rows*c.m), make([]float32, c.rows*c.n)
		for i := range a {
			a[i] = float32(rng.Intn(9) - 4)
		}
		for i := range b {
			b[i] = float32(rng.Intn(9) - 4)
		}
		if c.symmetric {
			b = a
		}
		got, want := make([]float64, c.m*c.n), make([]float64, c.m*c.n)
		for i := range got {
			got[i], want[i] = float64(i), float64(i)
		}
		for r := range c.rows {
			for i := range c.m {
				for j := range c.n {
					want[i*c.n+j] += float64(a[r*c.m+i]) * float64(b[r*c.n+j])
				}
			}
		}
		cross(got, a, b, c.rows, c.m, c.n, c.symmetric)
		for i := range c.m {
			from := 0
			if c.symmetric {
				from = i
			}
			assert.Equal(t, want[i*c.n+from:(i+1)*c.n], got[i*c.n+from:(i+1)*c.n], "%v, row %d", c, i)
		}
	}
}

// TestMomentBytes holds what Prepare allocates to the bound, which -mem is compared with.
func TestMomentBytes(t *testing.T) {
	const cols = 1000 // ends of panels, and what the race detector adds, are small beside this
	s := NewStats(cols)
	for i := range cols {
		s.gram[i*cols+i] = float64(i%7 + 1)
	}
	s.n = 1
	order := s.ByEnergy()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := Prepare(s, order, 1)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Positive(t, f.upper[0])
	const sums, slack = 8, 2 // bytes an element: the moments themselves, and ends of panels
	most := MomentBytes(cols, 1) - (sums-slack)*cols*cols
	require.LessOrEqual(t, int(after.TotalAlloc-before.TotalAlloc), most)
}

// TestFactor: of the damped moments in their order, U^T*U is the inverse, and the blocks
// of groups are inverses.
func TestFactor(t *testing.T) {
	for _, c := range []struct{ cols, d int }{{5, 1}, {70, 1}, {70, 4}, {9, 4}, {80, 16}} {
		rng := rand.New(rand.NewSource(7))
		_, x := correlated(rng, 1, c.cols, 300)
		s := NewStats(c.cols)
		s.Add(x, 300)
		s.Finish()
		order := s.ByEnergy()
		if c.d > 1 {
			order = ByTap(c.cols, 1, c.d)
		}
		f, err := Prepare(s, order, c.d)
		require.NoError(t, err)
		n := len(order)
		for i := range n {
			for j := range n {
				want := 0.
				if order[i] >= 0 && order[j] >= 0 {
					want = s.gram[order[i]*c.cols+order[j]]
				}
				if i == j {
					want += s.damp()
				}
				require.InDelta(t, want, f.gram[i*n+j], 1e-6)
				if i > j {
					require.Zero(t, f.upper[i*n+j])
				}
				unit := 0. // of U^T*U*gram
				for k := range n {
					inverse := 0.
					for l := range min(i, k) + 1 {
						inverse += float64(f.upper[l*n+i]) * float64(f.upper[l*n+k])
					}
					unit += inverse * float64(f.gram[k*n+j])
				}
				require.InDelta(t, map[bool]float64{true: 1}[i == j], unit, 1e-3, "%v: %d,%d", c, i, j)
			}
		}
		for g := range n / c.d {
			for i := range c.d {
				for j := range c.d {
					turned, solved, metric := 0., 0., 0.
					at := func(m []float32, i, j int) float64 { return float64(m[(g*c.d+i)*c.d+j]) }
					for k := range c.d {
						turned += at(f.turn, i, k) * float64(f.upper[(g*c.d+k)*n+g*c.d+j])
						solved += at(f.solve, i, k) * float64(f.gram[(g*c.d+k)*n+g*c.d+j])
						metric += at(f.turn, i, k) * at(f.turn, j, k)
					}
					want := map[bool]float64{true: 1}[i == j]
					require.InDelta(t, want, turned, 1e-4)
					require.InDelta(t, want, solved, 1e-4)
					require.InEpsilon(t, 1+math.Abs(metric), 1+math.Abs(at(f.metric, i, j)), 1e-4)
				}
			}
		}
	}
}

// inMetric is row r's squared error in the Gram metric, and its product with the matrix.
func (b *block) inMetric(r int) (sum float64, pull []float64) {
	n := b.f.n
	pull = make([]float64, n)
	for i := range n {
		d := float64(b.target[r*n+i]) - float64(b.real[r*n+i])
		for j := range n {
			pull[j] += d * float64(b.f.gram[i*n+j])
		}
	}
	for j := range n {
		sum += (float64(b.target[r*n+j]) - float64(b.real[r*n+j])) * pull[j]
	}
	return sum, pull
}

// fresh requires that pull is what it says it is.
func (b *block) fresh(t *testing.T, what string) {
	t.Helper()
	for r := range b.rows {
		_, pull := b.inMetric(r)
		for i, p := range pull {
			require.InDelta(t, p, b.pull[r*b.f.n+i], 2e-3, "%s: row %d, column %d", what, r, i)
		}
	}
}

// TestBlock holds the steps of rounding to what they say: errors that are spread are errors
// in the Gram metric, and each later step lowers them.
func TestBlock(t *testing.T) {
	changed := 0
	for _, c := range []struct{ cols, d int }{{70, 1}, {40, 4}, {75, 8}} {
		rng := rand.New(rand.NewSource(8))
		w, x := correlated(rng, 5, c.cols, 300)
		s := NewStats(c.cols)
		s.Add(x, 300)
		s.Finish()
		order := s.ByEnergy()
		if c.d > 1 {
			order = ByTap(c.cols, 1, c.d)
		}
		f, err := Prepare(s, order, c.d)
		require.NoError(t, err)
		b := f.block(w.Rows, f.arrange(w))
		for r := range b.scale {
			b.scale[r] = .6
		}
		var gr grid = odd{2}
		var codes *book
		if c.d > 1 {
			for i := range b.scale {
				b.scale[i] = 1.2
			}
			codes = &book{f: f, k: 16, d: c.d, rows: means([]*block{b}, 16, c.d)}
			codes.measure(true)
			gr = codes
		}
		errs := slices.Repeat([]float64{99}, w.Rows)
		b.spread(gr, errs)
		before := make([]float64, w.Rows)
		near := 0.
		for r := range w.Rows {
			before[r], _ = b.inMetric(r)
			require.InEpsilon(t, before[r], errs[r], 1e-3, "%v: row %d", c, r)
			near += before[r]
		}
		// Nothing is spread where each group is rounded alone: that is worse.
		plain := f.block(w.Rows, b.target)
		worse := 0.
		for r := range w.Rows {
			plain.scale[r] = b.scale[r]
			for g := range f.n / c.d {
				at := r*f.n + g*c.d
				gr.first(r, g, b.scale[r], b.target[at:at+c.d], plain.real[at:at+c.d])
			}
			e, _ := plain.inMetric(r)
			worse += e
		}
		assert.Less(t, near, .9*worse, "%v", c)

		b.residual()
		b.fresh(t, "residual")
		lower := func(what string) {
			t.Helper()
			b.fresh(t, what)
			for r := range w.Rows {
				e, _ := b.inMetric(r)
				require.LessOrEqual(t, e, before[r]*1.0001, "%v, %s: row %d", c, what, r)
				before[r] = e
			}
		}
		if codes != nil {
			codes.measure(false)
		}
		for range 3 {
			b.refit()
			lower("refit")
			for r := range w.Rows { // no scale is better
				for _, k := range []float32{.97, 1.03} {
					row := b.real[r*f.n : (r+1)*f.n]
					was := slices.Clone(row)
					for j := range row {
						row[j] *= k
					}
					e, _ := b.inMetric(r)
					require.GreaterOrEqual(t, e, before[r])
					copy(row, was)
				}
			}
			at := slices.Clone(b.codes)
			b.sweep(gr)
			lower("sweep")
			if !slices.Equal(at, b.codes) {
				changed++
			}
			if codes != nil {
				codes.refit([]*block{b}, func(do func(*block)) { do(b) })
				codes.measure(false)
				b.residual()
				b.fresh(t, "codebook")
				sum, less := 0., 0. // of all rows, which share it
				for r := range w.Rows {
					sum += before[r]
					before[r], _ = b.inMetric(r)
					less += before[r]
				}
				require.LessOrEqual(t, less, sum*1.0001)
			}
		}
		if codes == nil {
			continue
		}
		was := slices.Clone(b.real)
		integers := codes.quantize([]*block{b})
		top := 0
		for q := range 16 {
			sum := 0
			for i, v := range integers[q*c.d : (q+1)*c.d] {
				require.Equal(t, float32(v), codes.rows[q*c.d+i])
				sum += max(int(v), -int(v))
			}
			top = max(top, sum)
		}
		assert.LessOrEqual(t, top, RowSum)
		assert.Greater(t, top, RowSum*9/10)
		for i, x := range was { // half a unit is what integers take
			r := i / f.n
			require.InDelta(t, x, b.real[i], .51*float64(b.scale[r]), "%d", i)
			require.Equal(t, b.scale[r]*codes.rows[int(b.codes[i/c.d])*c.d+i%c.d], b.real[i])
		}
	}
	assert.GreaterOrEqual(t, changed, 2)
}

// TestMeans finds the centres of groups that lie close together, whatever the scales.
func TestMeans(t *testing.T) {
	rng := rand.New(rand.NewSource(9))
	f := &Factor{n: 200, d: 2}
	centres := [][2]float32{{1, 2}, {-3, 1}, {4, -4}}
	var blocks []*block
	for _, rows := range []int{3, 2} {
		b := &block{f: f, rows: rows}
		for r := range rows {
			b.scale = append(b.scale, float32(r+1))
			for range f.n / 2 {
				c := centres[rng.Intn(3)]
				b.target = append(b.target, b.scale[r]*(c[0]+float32(rng.Float64()-.5)*.1), b.scale[r]*(c[1]+float32(rng.Float64()-.5)*.1))
			}
		}
		blocks = append(blocks, b)
	}
	got := means(blocks, 8, 2)
	require.Len(t, got, 16)
	for _, c := range centres {
		least := math.Inf(1)
		for q := range 8 {
			least = min(least, math.Hypot(float64(got[2*q]-c[0]), float64(got[2*q+1]-c[1])))
		}
		assert.Less(t, least, .06, "%v", c)
	}
	for q := range 8 { // and has none far from all
		least := math.Inf(1)
		for _, c := range centres {
			least = min(least, math.Hypot(float64(got[2*q]-c[0]), float64(got[2*q+1]-c[1])))
		}
		assert.Less(t, least, .1, "%d", q)
	}
	assert.Equal(t, got, means(blocks, 8, 2))
}

// TestCodebookOfOneColumn has its codes in the order of the matrix.
func TestCodebookOfOneColumn(t *testing.T) {
	rng := rand.New(rand.NewSource(10))
	w, x := correlated(rng, rowsAtOnce+3, 30, 300)
	s := NewStats(w.Cols)
	s.Add(x, 300)
	s.Finish()
	f, err := Prepare(s, s.ByEnergy(), 1)
	require.NoError(t, err)
	r, err := f.Vector(context.Background(), w, 3)
	require.NoError(t, err)
	require.Len(t, r.Codes, len(w.Data))
	for i, q := range r.Codes {
		assert.Equal(t, float32(r.Scale[i/w.Cols])*float32(r.Book[q]), r.Weights[i])
	}
	assert.Less(t, meanError(w, r, x), .5*meanError(w, Nearest(w, 2), x))
	// The mean of the outputs is kept.
	for row := range w.Rows {
		mean := r.Bias[row]
		for j := range w.Cols {
			mean += float64(r.Weights[row*w.Cols+j]-w.Data[row*w.Cols+j]) * s.mean[j]
		}
		assert.InDelta(t, 0, mean, 1e-4)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	_, err = f.Vector(ctx, w, 3)
	assert.ErrorIs(t, err, context.Canceled)
	_, err = f.Odd(ctx, w, 3)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestSharedByHand: k-means from a line of centres, in integers of a 127th of the greatest.
func TestSharedByHand(t *testing.T) {
	w := Matrix{2, 4, []float32{-1, -.96, 0, .04, 2, 2.08, 0, 2}}
	for _, c := range []struct {
		bits     int
		sparsity float64
		book     []int8
		codes    []uint8
	}{
		// The centres move to -.384 and 2.027, in units of 2.027/127.
		{1, 0, []int8{-24, 127}, []uint8{0, 0, 0, 0, 1, 1, 0, 1}},
		{2, 0, nil, nil},
		{2, .25, nil, []uint8{1, 1, 0, 2, 3, 3, 0, 3}}, // two weights of eight are pruned
	} {
		r, err := Shared(w, c.bits, c.sparsity)
		require.NoError(t, err)
		for i, q := range r.Codes {
			assert.Equal(t, float32(float64(r.Book[q])*r.Scale[i/4]), r.Weights[i])
		}
		if c.book != nil {
			assert.Equal(t, c.book, r.Book)
			assert.InEpsilon(t, (2+2.08+2)/3/127, r.Scale[0], 1e-6)
		}
		if c.codes != nil {
			assert.Equal(t, c.codes, r.Codes, fmt.Sprint(c.bits, c.sparsity))
		}
		for i, x := range r.Weights {
			if c.bits == 2 {
				assert.InDelta(t, w.Data[i], x, .06, "%d", i)
			}
		}
		assert.Equal(t, r.Scale[0], r.Scale[1])
	}
	assert.InDeltaSlice(t, []float64{-.5, .5, 1.5, 2.5}, linearStart([]float32{3, -1, 99}, func(x float32) bool { return x == 99 }, 4), 1e-9)
	assert.Equal(t, []float64{0, 0}, linearStart([]float32{1}, func(float32) bool { return true }, 2))
	codes := make([]uint8, 6)
	assign(Matrix{2, 3, []float32{-9, 1.4, 1.6, 2, 2.5, 9}}, []float64{1, 2, 3}, func(x float32) bool { return x == 2 }, 1, codes)
	assert.Equal(t, []uint8{1, 1, 2, 0, 2, 3}, codes)
	zero, err := Shared(Matrix{1, 3, []float32{0, 0, 0}}, 2, .5)
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 0, 0}, zero.Weights)
	assert.Equal(t, []float64{1}, zero.Scale)
}

func TestInParts(t *testing.T) {
	for _, c := range []struct{ n, least int }{{1, 16}, {16, 16}, {33, 16}, {1000, 16}, {7, 1}} {
		seen := make([]int, c.n)
		inParts(c.n, c.least, func(at, n int) {
			assert.True(t, n >= c.least || at+n == c.n)
			for i := range n {
				seen[at+i]++
			}
		})
		assert.Equal(t, slices.Repeat([]int{1}, c.n), seen)
	}
	parallel.For(0, func(int) { t.Fail() })
}

// TestPair: outputs of the float layer on its inputs are those of the target on the
// rounded network's, if these depend on each other in a line.
func TestPair(t *testing.T) {
	rng := rand.New(rand.NewSource(11))
	w, x := correlated(rng, 3, 4, 500)
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = 2*v + 1
	}
	p := NewPair(w)
	for from := 0; from < 500; from += 250 {
		p.Add(x[from*4:(from+250)*4], y[from*4:(from+250)*4], 250)
	}
	p.Finish()
	target, err := p.Target()
	require.NoError(t, err)
	for i, v := range w.Data {
		assert.InDelta(t, v/2, target.Data[i], .05, "%d", i)
	}
	mean := make([]float64, 4)
	for i, v := range x {
		mean[i%4] += float64(v) / 500
	}
	assert.InDeltaSlice(t, mean, p.mean, 1e-6)
	r := Result{Weights: []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6}, Bias: []float64{7, 7, 7}}
	p.Correct(&r)
	for row := range 3 {
		want := 0.
		for j, m := range mean {
			want += float64(w.Data[row*4+j])*m - float64(r.Weights[row*4+j])*(2*m+1)
		}
		assert.InDelta(t, want, r.Bias[row], 1e-4)
	}
}
