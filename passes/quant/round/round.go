// Package round turns matrices of weights into codes: nearest rounding, and
// the compensated rounding of DESIGN R17, which spreads each column's error
// over the columns that are still to be rounded. Numbers alone; it knows no
// networks.
package round

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sort"
	"sync"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/dnnc/dnnc/runtime/gemm"
)

// Matrix is a layer's weights, row-major: a row an output channel.
type Matrix struct {
	Rows, Cols int
	Data       []float64
}

func (w Matrix) row(r int) []float64 { return w.Data[r*w.Cols : (r+1)*w.Cols] }

// Result is a matrix as odd codes: w = Scale[row]*(2q-(2^b-1)). Bias is what is
// to be added to each row's bias to keep the mean of its outputs.
type Result struct {
	Codes []uint8
	Scale []float64
	Bias  []float64
}

// Options tune compensated rounding; the zero value is R17's.
type Options struct{}

// ErrNotFinite reports weights or moments with NaN or infinities.
var ErrNotFinite = errors.New("not a finite number")

// damping is added to the diagonal of a Gram matrix: this share of its mean,
// and a little for inputs that are always 0.
const (
	damping      = 0.01
	dampingFloor = 1e-7
)

// sweeps is the passes of coordinate descent over the codes.
const sweeps = 3

// multiples are the candidates for a row's scale, of the least-squares one.
var multiples = []float64{.55, .65, .75, .85, .95, 1.05, 1.2}

// level is the code nearest to x on the grid of a scale.
func level(x, scale float64, bits int) uint8 {
	n := float64(int(1) << bits)
	return uint8(min(max(math.Floor(x/(2*scale)+n/2), 0), n-1))
}

// value is the real of a code.
func value(q uint8, scale float64, bits int) float64 {
	return float64(scale * float64(2*int(q)-(1<<bits-1)))
}

// leastSquaresScale is the scale of least squared error of a row rounded to
// nearest: in closed form for one bit, else the best of a grid.
func leastSquaresScale(row []float64, bits int) float64 {
	top, sum := 0.0, 0.0
	for _, x := range row {
		top = max(top, math.Abs(x))
		sum += math.Abs(x)
	}
	if top == 0 {
		return 1
	}
	if bits == 1 {
		return sum / float64(len(row))
	}
	base := top / float64(int(1)<<bits-1)
	best, bestErr := base, math.Inf(1)
	const steps = 60
	for i := range steps {
		s := base * (.15 + (1.1-.15)*float64(i)/(steps-1))
		e := 0.0
		for _, x := range row {
			d := x - value(level(x, s, bits), s, bits)
			e += float64(d * d)
		}
		if e < bestErr {
			best, bestErr = s, e
		}
	}
	return best
}

// Nearest rounds each weight to the nearest level of its row's least-squares
// scale.
func Nearest(w Matrix, bits int) Result {
	out := newResult(w)
	parallel(w.Rows, func(r int) {
		s := leastSquaresScale(w.row(r), bits)
		out.Scale[r] = s
		for i, x := range w.row(r) {
			out.Codes[r*w.Cols+i] = level(x, s, bits)
		}
	})
	return out
}

func newResult(w Matrix) Result {
	return Result{make([]uint8, len(w.Data)), make([]float64, w.Rows), make([]float64, w.Rows)}
}

// Int8 rounds each row to -127..127 with the scale of its greatest weight.
func Int8(w Matrix) (codes []int8, scales []float64) {
	codes, scales = make([]int8, len(w.Data)), make([]float64, w.Rows)
	for r := range w.Rows {
		top := 0.0
		for _, x := range w.row(r) {
			top = max(top, math.Abs(x))
		}
		s := top / 127
		if s == 0 {
			s = 1
		}
		scales[r] = s
		for i, x := range w.row(r) {
			codes[r*w.Cols+i] = int8(math.Round(x / s))
		}
	}
	return codes, scales
}

// DeadScale is the scale of an all-zero row's odd codes (R2): with cols weights
// of absolute value scale and inputs of at most reach, the sum moves the output
// by at most a quarter of a step.
func DeadScale(cols int, reach, step float64) float64 {
	return step / (4 * float64(cols) * reach)
}

// parallel runs do for 0..n-1 on all cores. The calls must be independent.
func parallel(n int, do func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				do(i)
			}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// Stats are the second moments of a layer's inputs.
type Stats struct {
	cols int
	n    float64
	gram []float64
	mean []float64
}

// NewStats has no inputs yet.
func NewStats(cols int) *Stats {
	return &Stats{cols: cols, gram: make([]float64, cols*cols), mean: make([]float64, cols)}
}

// Add accumulates rows of inputs.
func (s *Stats) Add(x []float32, rows int) {
	s.n += float64(rows)
	cross(s.gram, x, x, rows, s.cols, true)
	for i, v := range x[:rows*s.cols] {
		s.mean[i%s.cols] += float64(v)
	}
}

// crossRows is the rows whose products are summed in float32 before they are
// added in float64: few enough that rounding stays far below the damping.
const crossRows = 256

// cross adds the sums of a_i*b_j over rows to c; of a symmetric product only
// the upper triangle, which Finish mirrors. Each element is one sum in one
// order, on any number of cores.
func cross(c []float64, a, b []float32, rows, cols int, symmetric bool) {
	const block = 64
	turned := make([]float32, cols*min(crossRows, rows))
	for r := 0; r < rows; r += crossRows {
		n := min(crossRows, rows-r)
		x, y := a[r*cols:(r+n)*cols], b[r*cols:(r+n)*cols]
		parallel((cols+block-1)/block, func(t int) {
			for i := t * block; i < min((t+1)*block, cols); i++ {
				for k := range n {
					turned[i*n+k] = x[k*cols+i]
				}
			}
		})
		parallel((cols+block-1)/block, func(t int) {
			from, to := t*block, min((t+1)*block, cols)
			sums := make([]float32, (to-from)*cols)
			gemm.Float32(to-from, cols, n, turned[from*n:to*n], y, sums)
			for i := from; i < to; i++ {
				first := 0
				if symmetric {
					first = i
				}
				line := sums[(i-from)*cols : (i-from+1)*cols]
				for j := first; j < cols; j++ {
					c[i*cols+j] += float64(line[j])
				}
			}
		})
	}
}

// Finish turns the sums into means and centres the Gram matrix: what the
// correction of the bias takes care of needs no rounding.
func (s *Stats) Finish() {
	for i := range s.cols {
		s.mean[i] /= s.n
		for j := range i {
			s.gram[i*s.cols+j] = s.gram[j*s.cols+i]
		}
	}
	centre(s.gram, s.mean, s.mean, s.n)
}

func centre(gram, a, b []float64, n float64) {
	cols := len(a)
	for i := range cols {
		for j := range cols {
			gram[i*cols+j] = gram[i*cols+j]/n - float64(a[i]*b[j])
		}
	}
}

// Factor is the second moments of a layer's inputs, prepared for rounding at
// any width.
type Factor struct {
	stats *Stats
	perm  []int     // columns by falling diagonal
	upper []float64 // Cholesky factor of the inverse, permuted, upper triangle
	gram  []float64 // permuted and damped
}

// Prepare factorizes the moments.
func Prepare(s *Stats) (*Factor, error) {
	n := s.cols
	f := &Factor{stats: s, perm: make([]int, n), gram: make([]float64, n*n)}
	damp := 0.0
	for i := range n {
		f.perm[i] = i
		damp += s.gram[i*n+i]
	}
	damp = damping*damp/float64(n) + dampingFloor
	if math.IsNaN(damp) || math.IsInf(damp, 0) {
		return nil, fmt.Errorf("moments of the inputs: %w", ErrNotFinite)
	}
	sort.SliceStable(f.perm, func(a, b int) bool { return s.gram[f.perm[a]*(n+1)] > s.gram[f.perm[b]*(n+1)] })
	for i, pi := range f.perm {
		for j, pj := range f.perm {
			f.gram[i*n+j] = s.gram[pi*n+pj]
		}
		f.gram[i*n+i] += damp
	}
	var chol mat.Cholesky
	if !chol.Factorize(mat.NewSymDense(n, append([]float64(nil), f.gram...))) {
		return nil, errors.New("the moments of the inputs are not positive definite")
	}
	var inverse mat.SymDense
	if err := chol.InverseTo(&inverse); err != nil {
		return nil, fmt.Errorf("inverse of the moments: %w", err)
	}
	if !chol.Factorize(&inverse) {
		return nil, errors.New("the inverse moments of the inputs are not positive definite")
	}
	var u mat.TriDense
	chol.UTo(&u)
	f.upper = make([]float64, n*n)
	for i := range n {
		for j := i; j < n; j++ {
			f.upper[i*n+j] = u.At(i, j)
		}
	}
	return f, nil
}

// Compensated rounds w to odd codes of a width (R17): columns in the order of
// falling diagonal, each column's error spread over the later ones by the
// inverse Gram matrix, the scale chosen among multiples of the least-squares
// one by the error in the Gram metric, then sweeps of coordinate descent with
// the scale refitted, and the mean of the outputs kept by the bias.
func (f *Factor) Compensated(ctx context.Context, w Matrix, bits int, _ Options) (Result, error) {
	n := w.Cols
	for _, x := range w.Data {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Result{}, fmt.Errorf("weight: %w", ErrNotFinite)
		}
	}
	out := newResult(w)
	parallel(w.Rows, func(r int) {
		if ctx.Err() != nil {
			return
		}
		row := make([]float64, n)
		for i, p := range f.perm {
			row[i] = w.Data[r*n+p]
		}
		codes, scale := f.roundRow(row, bits)
		out.Scale[r] = scale
		for i, p := range f.perm {
			out.Codes[r*n+p] = codes[i]
			d := row[i] - value(codes[i], scale, bits)
			out.Bias[r] += float64(d * f.stats.mean[p])
		}
	})
	return out, ctx.Err()
}

// roundRow rounds one permuted row.
func (f *Factor) roundRow(row []float64, bits int) ([]uint8, float64) {
	base := leastSquaresScale(row, bits)
	var codes []uint8
	scale, best := base, math.Inf(1)
	trial, left := make([]uint8, len(row)), make([]float64, len(row))
	for _, m := range multiples {
		if e := f.spread(row, left, base*m, bits, trial); e < best {
			best, scale = e, base*m
			codes = append(codes[:0], trial...)
		}
	}
	// Coordinate descent on |w-s*z|^2 in the Gram metric, over integers z, with
	// the products of the Gram matrix and of w and z kept up to date.
	n := len(row)
	z := make([]float64, n)
	for i, q := range codes {
		z[i] = value(q, 1, bits)
	}
	gw, gz := f.times(row), f.times(z)
	for range sweeps {
		scale = refit(row, z, gz, scale)
		for i := range z {
			line := f.gram[i*n : (i+1)*n]
			q := level(float64(scale*z[i])+(gw[i]-float64(scale*gz[i]))/line[i], scale, bits)
			if q == codes[i] {
				continue
			}
			codes[i] = q
			step := value(q, 1, bits) - z[i]
			z[i] += step
			floats.AddScaled(gz, step, line)
		}
	}
	return codes, refit(row, z, gz, scale)
}

// spread rounds column after column, taking each one's error out of the later
// columns (GPTQ). It returns the squared error in the Gram metric, which is the
// sum of the columns' squared errors, each over its conditional deviation.
func (f *Factor) spread(row, left []float64, scale float64, bits int, codes []uint8) float64 {
	n := len(row)
	copy(left, row)
	sum := 0.0
	for i := range n {
		codes[i] = level(left[i], scale, bits)
		u := f.upper[i*n : (i+1)*n]
		e := (left[i] - value(codes[i], scale, bits)) / u[i]
		sum += float64(e * e)
		floats.AddScaled(left[i+1:], -e, u[i+1:])
	}
	return sum
}

// times is the Gram matrix times x.
func (f *Factor) times(x []float64) []float64 {
	out := make([]float64, len(x))
	for i := range out {
		out[i] = dot(f.gram[i*len(x):(i+1)*len(x)], x)
	}
	return out
}

// dot has four sums, so that additions need not wait for each other.
func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += float64(a[i] * b[i])
		s1 += float64(a[i+1] * b[i+1])
		s2 += float64(a[i+2] * b[i+2])
		s3 += float64(a[i+3] * b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i] * b[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// refit is the scale of least error in the Gram metric for given integers.
func refit(row, z, gz []float64, scale float64) float64 {
	if s := dot(row, gz) / dot(z, gz); s > 0 && !math.IsInf(s, 0) {
		return s
	}
	return scale
}

// Sequential rounds w toward the outputs of the float network: exact and
// rounded are rows of the layer's inputs in the float and in the already
// rounded network. The target is W + W(Cov(Xf,Xq)-Cov(Xq,Xq))(Cov(Xq,Xq)+d)^-1,
// rounded in the metric of Cov(Xq,Xq) (R17, sequential asymmetric form).
func Sequential(ctx context.Context, w Matrix, exact, rounded []float32, rows, bits int, o Options) (Result, error) {
	n := w.Cols
	s := NewStats(n)
	s.Add(rounded, rows)
	mixed, mean := make([]float64, n*n), make([]float64, n)
	cross(mixed, exact, rounded, rows, n, false)
	for i, v := range exact[:rows*n] {
		mean[i%n] += float64(v)
	}
	for i := range mean {
		mean[i] /= float64(rows)
	}
	s.Finish()
	centre(mixed, mean, s.mean, s.n)
	f, err := Prepare(s)
	if err != nil {
		return Result{}, err
	}
	target, err := f.target(w, mixed)
	if err != nil {
		return Result{}, err
	}
	res, err := f.Compensated(ctx, target, bits, o)
	if err != nil {
		return Result{}, err
	}
	// The bias keeps the mean of the float layer's outputs: W*mean(Xf) less
	// what the rounded weights make of mean(Xq).
	for r := range w.Rows {
		res.Bias[r] = 0
		for i, x := range w.row(r) {
			q := value(res.Codes[r*n+i], res.Scale[r], bits)
			res.Bias[r] += float64(x*mean[i]) - float64(q*s.mean[i])
		}
	}
	return res, nil
}

// target moves the weights to where they make up for the changed inputs.
func (f *Factor) target(w Matrix, mixed []float64) (Matrix, error) {
	n := w.Cols
	damped := append([]float64(nil), f.stats.gram...)
	damp := 0.0
	for i := range n {
		damp += damped[i*n+i]
	}
	for i := range n {
		damped[i*n+i] += damping*damp/float64(n) + dampingFloor
	}
	diff := mat.NewDense(n, n, nil)
	for i := range n {
		for j := range n {
			diff.Set(i, j, mixed[i*n+j]-f.stats.gram[i*n+j])
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(mat.NewSymDense(n, damped)) {
		return w, errors.New("the moments of the inputs are not positive definite")
	}
	var moved, shift mat.Dense
	moved.Mul(mat.NewDense(w.Rows, n, w.Data), diff)
	if err := chol.SolveTo(&shift, moved.T()); err != nil {
		return w, fmt.Errorf("target of rounding: %w", err)
	}
	out := Matrix{w.Rows, n, append([]float64(nil), w.Data...)}
	for r := range w.Rows {
		for i := range n {
			out.Data[r*n+i] += shift.At(i, r)
		}
	}
	return out, nil
}
