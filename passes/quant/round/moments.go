package round

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sort"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"

	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/gemm"
)

// Stats are the second moments of a layer's inputs.
type Stats struct {
	cols int
	n    float64
	gram []float64
	mean []float64
}

// MomentBytes is the memory that rounding on the moments of cols inputs takes at most, for
// each of some groups: the sums and what Prepare leaves of each, and what it works in.
func MomentBytes(cols, groups int) int {
	const sums, factor, work = 8, 14, 8 // bytes an element of a square matrix
	square := cols * cols
	return square * (groups*(sums+factor) + work)
}

// NewStats has no inputs yet.
func NewStats(cols int) *Stats {
	return &Stats{cols: cols, gram: make([]float64, cols*cols), mean: make([]float64, cols)}
}

// Add accumulates rows of inputs.
func (s *Stats) Add(x []float32, rows int) {
	s.n += float64(rows)
	cross(s.gram, x, x, rows, s.cols, s.cols, true)
	addRows(s.mean, x[:rows*s.cols])
}

// addRows adds the sums of the columns of x.
func addRows(sums []float64, x []float32) {
	for ; len(x) > 0; x = x[len(sums):] {
		for i, v := range x[:len(sums)] {
			sums[i] += float64(v)
		}
	}
}

// crossRows is the rows whose products are summed in float32 before they are
// added in float64: few enough that rounding stays far below the damping.
const crossRows = 256

// cross adds the sums of a_i*b_j over rows to c[m,n]; of a symmetric product, m
// being n, only the upper triangle, which Finish mirrors. Each element is one sum
// in one order, on any number of cores.
func cross(c []float64, a, b []float32, rows, m, n int, symmetric bool) {
	const block = 64 // a multiple of gemm.Tile
	blocks := (m + block - 1) / block
	turned := make([]float32, m*min(crossRows, rows))
	for r := 0; r < rows; r += crossRows {
		depth := min(crossRows, rows-r)
		x := a[r*m : (r+depth)*m]
		y := gemm.NewColumns(depth, n, b[r*n:], n, 1)
		parallel.For(blocks, func(t int) {
			for i := t * block; i < min((t+1)*block, m); i++ {
				for k := range depth {
					turned[i*depth+k] = x[k*m+i]
				}
			}
		})
		parallel.For(blocks, func(t int) {
			from, to := t*block, min((t+1)*block, m)
			first := 0
			if symmetric {
				first = from
			}
			wide := n - first
			sums := make([]float32, (to-from)*wide)
			y.Part(to-from, turned[from*depth:to*depth], 0, depth, first, sums)
			for i := from; i < to; i++ {
				line := c[i*n+first : (i+1)*n]
				for j, v := range sums[(i-from)*wide : (i-from+1)*wide] {
					line[j] += float64(v)
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
	for i, a := range s.mean {
		for j, b := range s.mean {
			s.gram[i*s.cols+j] = s.gram[i*s.cols+j]/s.n - float64(a*b)
		}
	}
}

// damping is added to the diagonal of a Gram matrix: this share of its mean,
// and a little for inputs that are always 0.
const (
	damping      = 0.01
	dampingFloor = 1e-7
)

// damp is what the damping adds to the diagonal.
func (s *Stats) damp() float64 {
	sum := 0.0
	for i := range s.cols {
		sum += s.gram[i*(s.cols+1)]
	}
	return damping*sum/float64(s.cols) + dampingFloor
}

// ByEnergy is the order of columns by falling diagonal: the inputs that matter
// most are rounded first, while the others can still make up for them.
func (s *Stats) ByEnergy() []int {
	order := make([]int, s.cols)
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return s.gram[order[a]*(s.cols+1)] > s.gram[order[b]*(s.cols+1)] })
	return order
}

// ByTap is the order in which groups of d run along the input channels of one
// tap: columns are channels times taps, tap by tap, -1 where the last group of
// a tap is filled up.
func ByTap(channels, taps, d int) []int {
	var order []int
	for t := range taps {
		for c := range (channels + d - 1) / d * d {
			if c < channels {
				order = append(order, c*taps+t)
			} else {
				order = append(order, -1)
			}
		}
	}
	return order
}

// Factor is the second moments of a layer's inputs, prepared for rounding the
// columns in one order, in groups of d.
type Factor struct {
	stats *Stats
	order []int
	n, d  int       // columns in order, and of a group
	gram  []float32 // damped, in order
	// columns is gram as products read it.
	columns *gemm.Columns
	upper   []float32 // U of the inverse Gram matrix U^T*U, in order

	step int // columns of a block: whole groups
	// Of each block of columns: the rows of upper, right of the block.
	beyond []*gemm.Columns
	// Of each group: the block of U inverted, its product with its transpose (the
	// metric in which the group is rounded first), and the inverse of its block of
	// the Gram matrix. All d*d.
	turn, metric, solve []float32
}

// blockCols is about the columns that are rounded before their error is spread
// over those after them, which then is a product of matrices.
const blockCols = 32

// Prepare factorizes the moments for an order of the columns, in groups of d.
func Prepare(s *Stats, order []int, d int) (*Factor, error) {
	n := len(order)
	f := &Factor{stats: s, order: order, n: n, d: d, step: max(blockCols/d, 1) * d, gram: make([]float32, n*n)}
	damp := s.damp()
	if math.IsNaN(damp) || math.IsInf(damp, 0) {
		return nil, fmt.Errorf("moments of the inputs: %w", ErrNotFinite)
	}
	// Of H reversed, L*L^T is the Cholesky factorization; U is L's inverse,
	// reversed back: H^-1 = U^T*U.
	reversed := make([]float64, n*n)
	_, err := factorize(n, reversed, damp, func(damp float64) {
		for i, pi := range order {
			for j, pj := range order {
				x := 0.0
				if pi >= 0 && pj >= 0 {
					x = s.gram[pi*s.cols+pj]
				}
				if i == j {
					x += damp
				}
				f.gram[i*n+j] = float32(x)
				reversed[(n-1-i)*n+n-1-j] = x
			}
		}
	})
	if err != nil {
		return nil, err
	}
	// In place: the factor is the upper triangle, what lies below it is needed no more.
	l := blas64.Triangular{Uplo: blas.Lower, Diag: blas.NonUnit, N: n, Stride: n, Data: reversed}
	for i := range n {
		for j := i + 1; j < n; j++ {
			l.Data[j*n+i] = l.Data[i*n+j]
		}
	}
	if !invert(l) {
		return nil, errors.New("the moments of the inputs are singular")
	}
	f.upper = make([]float32, n*n)
	for i := range n {
		for j := i; j < n; j++ {
			f.upper[i*n+j] = float32(l.Data[(n-1-i)*n+n-1-j])
		}
	}
	f.columns = gemm.NewColumns(n, n, f.gram, n, 1)
	f.blocks()
	return f, f.groups()
}

// factorize writes a symmetric a[n,n] with damp on its diagonal by fill, and factorizes
// it in place into U^T*U. Moments of inputs that hardly vary are differences of large
// numbers, and can be less than 0 by more than the damping: then ten times as much is
// tried, until a factor exists. (gonum's mat.Cholesky estimates the condition of a as
// well, a tenth of the work: damping bounds it.)
func factorize(n int, a []float64, damp float64, fill func(damp float64)) (blas64.Triangular, error) {
	for range 40 {
		fill(damp)
		if u, ok := lapack64.Potrf(blas64.Symmetric{Uplo: blas.Upper, N: n, Stride: n, Data: a}); ok {
			return u, nil
		}
		damp = max(10*damp, dampingFloor)
	}
	return blas64.Triangular{}, errors.New("the moments of the inputs are not positive definite")
}

// invert inverts a lower triangle in place; false where it is singular. These are the
// block steps of LAPACK's dtrtri, whose two products take most of the time and are of
// independent columns and rows: all cores share them, and the result is gonum's own.
func invert(l blas64.Triangular) bool {
	const block = 64 // gonum's
	cut := func(i, rows, j, cols int) blas64.General {
		return blas64.General{Rows: rows, Cols: cols, Stride: l.Stride, Data: l.Data[i*l.Stride+j:]}
	}
	corner := func(i, n int) blas64.Triangular {
		return blas64.Triangular{Uplo: l.Uplo, Diag: l.Diag, N: n, Stride: l.Stride, Data: l.Data[i*l.Stride+i:]}
	}
	for j := (l.N - 1) / block * block; j >= 0; j -= block {
		cols := min(block, l.N-j)
		below, rest := j+cols, l.N-j-cols
		if rest > 0 {
			inParts(cols, 16, func(at, n int) {
				blas64.Trmm(blas.Left, blas.NoTrans, 1, corner(below, rest), cut(below, rest, j+at, n))
			})
			inParts(rest, 32, func(at, n int) {
				blas64.Trsm(blas.Right, blas.NoTrans, -1, corner(j, cols), cut(below+at, n, j, cols))
			})
		}
		if !lapack64.Trtri(corner(j, cols)) {
			return false
		}
	}
	return true
}

// inParts does n things on all cores, at least least at a time.
func inParts(n, least int, do func(at, n int)) {
	size := max((n+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0), least)
	parallel.For((n+size-1)/size, func(i int) { do(i*size, min(size, n-i*size)) })
}

// blocks copies what lies right of each block of rows of U.
func (f *Factor) blocks() {
	for from := 0; from < f.n; from += f.step {
		to := min(from+f.step, f.n)
		if to < f.n {
			f.beyond = append(f.beyond, gemm.NewColumns(to-from, f.n-to, f.upper[from*f.n+to:], f.n, 1))
		}
	}
}

// groups inverts the diagonal blocks of U and of the Gram matrix.
func (f *Factor) groups() error {
	d := f.d
	size := f.n / d * d * d
	f.turn, f.metric, f.solve = make([]float32, size), make([]float32, size), make([]float32, size)
	for g := range f.n / d {
		u, h := mat.NewDense(d, d, nil), mat.NewDense(d, d, nil)
		for i := range d {
			for j := range d {
				u.Set(i, j, float64(f.upper[(g*d+i)*f.n+g*d+j]))
				h.Set(i, j, float64(f.gram[(g*d+i)*f.n+g*d+j]))
			}
		}
		var turn, metric, solve mat.Dense
		if err := errors.Join(turn.Inverse(u), solve.Inverse(h)); err != nil {
			return fmt.Errorf("moments of a group of inputs: %w", err)
		}
		metric.Mul(&turn, turn.T())
		for i := range d {
			for j := range d {
				at := (g*d+i)*d + j
				f.turn[at], f.metric[at], f.solve[at] = float32(turn.At(i, j)), float32(metric.At(i, j)), float32(solve.At(i, j))
			}
		}
	}
	return nil
}

// arrange takes rows of w to the order of the factor.
func (f *Factor) arrange(w Matrix) []float32 {
	out := make([]float32, w.Rows*f.n)
	for r := range w.Rows {
		for i, p := range f.order {
			if p >= 0 {
				out[r*f.n+i] = w.Data[r*w.Cols+p]
			}
		}
	}
	return out
}
