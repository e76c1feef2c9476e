package round

import (
	"context"
	"math"

	"github.com/dnnc/dnnc/ir/parallel"
)

// rowsAtOnce is the rows of a block: enough for a product of matrices to pay,
// few enough for every core to have some.
const rowsAtOnce = 24

// grid chooses codes: odd ones, or a codebook's.
type grid interface {
	// first chooses the code of row r's group g when its error will be spread, and
	// again when all other groups are known: of all values that with least
	// distance to target, in the metric of the group. It writes the value.
	first(r, g int, scale float32, target, value []float32) uint8
	again(r, g int, scale float32, target, value []float32) uint8
}

// block is rows in the course of rounding: all slices are rows*n.
type block struct {
	f      *Factor
	rows   int
	target []float32 // what the rows should be
	scale  []float32
	real   []float32 // what they are: scale times the integers of their codes
	codes  []uint8   // one a group
	pull   []float32 // (target-real)*Gram
	full   []float32 // target*Gram, once it is needed
	work   []float32
	moved  []float32 // of one block of columns
}

func (f *Factor) block(rows int, target []float32) *block {
	return &block{
		f: f, rows: rows, target: target, scale: make([]float32, rows),
		real: make([]float32, rows*f.n), codes: make([]uint8, rows*f.n/f.d), pull: make([]float32, rows*f.n),
		work: make([]float32, rows*f.n), moved: make([]float32, rows*f.step),
	}
}

// spread rounds group after group, taking each one's error out of the later
// columns (GPTQ). It returns each row's squared error in the Gram metric, which
// is the sum of the groups' squared errors, each over its conditional deviation.
func (b *block) spread(gr grid, errs []float64) {
	f, n, d := b.f, b.f.n, b.f.d
	clear(errs)
	left := b.pull
	copy(left, b.target)
	var turned [maxGroup]float32
	for i, from := 0, 0; from < n; i, from = i+1, from+f.step {
		to := min(from+f.step, n)
		wide := to - from
		for r := range b.rows {
			line := left[r*n : (r+1)*n]
			real := b.real[r*n : (r+1)*n]
			moved := b.moved[r*wide : (r+1)*wide]
			for at := from; at < to; at += d {
				b.codes[(r*n+at)/d] = gr.first(r, at/d, b.scale[r], line[at:at+d], real[at:at+d])
				turn := f.turn[at*d : (at+d)*d]
				e := turned[:d]
				clear(e)
				for j := range d {
					x := line[at+j] - real[at+j]
					for k, t := range turn[j*d : (j+1)*d] {
						e[k] += float32(x * t)
					}
				}
				for j, x := range e {
					errs[r] += float64(x) * float64(x)
					moved[at-from+j] = x
					axpy(-x, f.upper[(at+j)*n+at+d:(at+j)*n+to], line[at+d:to])
				}
			}
		}
		if to < n {
			out := b.work[:b.rows*(n-to)]
			f.beyond[i].Product(b.rows, b.moved[:b.rows*wide], out)
			for r := range b.rows {
				subtract(left[r*n+to:(r+1)*n], out[r*(n-to):(r+1)*(n-to)])
			}
		}
	}
}

// residual computes pull anew.
func (b *block) residual() {
	for i, t := range b.target {
		b.work[i] = t - b.real[i]
	}
	b.f.columns.Product(b.rows, b.work, b.pull)
}

// refit sets every row's scale to the one of least error for its codes: with z
// the codes' integers, (t*H*z)/(z*H*z). It needs a fresh pull and refreshes it.
func (b *block) refit() {
	n := b.f.n
	if b.full == nil {
		b.full = make([]float32, b.rows*n)
		b.f.columns.Product(b.rows, b.target, b.full)
	}
	// real*Gram = target*Gram - pull.
	copy(b.work, b.full)
	for r := range b.rows {
		target, real := b.target[r*n:(r+1)*n], b.real[r*n:(r+1)*n]
		pull, metric := b.pull[r*n:(r+1)*n], b.work[r*n:(r+1)*n]
		subtract(metric, pull)
		ratio := dot(target, metric) / dot(real, metric)
		if !(ratio > 1e-3 && ratio < 1e3) {
			continue // the codes say nothing of the row
		}
		k := float32(ratio)
		b.scale[r] *= k
		for i := range real {
			real[i] *= k
		}
		for i, m := range metric {
			pull[i] -= float32((k - 1) * m)
		}
	}
}

// sweep chooses every group's code again, all others given: coordinate descent
// on |target-real|^2 in the Gram metric. It needs a fresh pull, and keeps it so.
func (b *block) sweep(gr grid) {
	f, n, d := b.f, b.f.n, b.f.d
	var want, was [maxGroup]float32
	for from := 0; from < n; from += f.step {
		to := min(from+f.step, n)
		wide := to - from
		clear(b.moved)
		changed := false
		for r := range b.rows {
			pull, real := b.pull[r*n:(r+1)*n], b.real[r*n:(r+1)*n]
			moved := b.moved[r*wide : (r+1)*wide]
			for at := from; at < to; at += d {
				solve := f.solve[at*d : (at+d)*d]
				t := want[:d]
				copy(t, real[at:at+d])
				for j, p := range pull[at : at+d] {
					for k, s := range solve[j*d : (j+1)*d] {
						t[k] += float32(p * s)
					}
				}
				old := was[:d]
				copy(old, real[at:at+d])
				q := gr.again(r, at/d, b.scale[r], t, real[at:at+d])
				if q == b.codes[(r*n+at)/d] {
					continue
				}
				b.codes[(r*n+at)/d] = q
				changed = true
				for j := range d {
					x := real[at+j] - old[j]
					moved[at-from+j] = x
					axpy(-x, f.gram[(at+j)*n+from:(at+j)*n+to], pull[from:to])
				}
			}
		}
		if !changed {
			continue
		}
		out := b.work
		f.columns.Part(b.rows, b.moved[:b.rows*wide], from, to, 0, out)
		for r := range b.rows {
			subtract(b.pull[r*n:r*n+from], out[r*n:r*n+from])
			subtract(b.pull[r*n+to:(r+1)*n], out[r*n+to:(r+1)*n])
		}
	}
}

// axpy adds a*x to y.
func axpy(a float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += float32(a * v)
	}
}

func subtract(y, x []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] -= v
	}
}

// odd is the grid of odd codes.
type odd struct{ bits int }

func (o odd) first(_, _ int, scale float32, target, real []float32) uint8 {
	q := level(target[0], scale, o.bits)
	real[0] = value(q, scale, o.bits)
	return q
}

func (o odd) again(r, g int, scale float32, target, real []float32) uint8 {
	return o.first(r, g, scale, target, real)
}

// sweeps is the passes of coordinate descent over the codes.
const sweeps = 3

// multiples are the candidates for a row's scale, of the least-squares one.
var multiples = []float32{.55, .65, .75, .85, .95, 1.05, 1.2}

// Odd rounds w to odd codes of a width (R17): columns in the order of the
// factor, each column's error spread over the later ones by the inverse Gram
// matrix, the scale chosen among multiples of the least-squares one by the error
// in the Gram metric, then sweeps of coordinate descent with the scale refitted,
// and the mean of the outputs kept by the bias. f has groups of one column.
func (f *Factor) Odd(ctx context.Context, w Matrix, bits int) (Result, error) {
	if err := w.check(); err != nil {
		return Result{}, err
	}
	target := f.arrange(w)
	out := Result{Codes: make([]uint8, len(w.Data)), Scale: make([]float64, w.Rows), Bias: make([]float64, w.Rows), Weights: make([]float32, len(w.Data))}
	parallel.For((w.Rows+rowsAtOnce-1)/rowsAtOnce, func(i int) {
		from, to := i*rowsAtOnce, min((i+1)*rowsAtOnce, w.Rows)
		b := f.block(to-from, target[from*f.n:to*f.n])
		base, best := make([]float32, b.rows), make([]float64, b.rows)
		scale, real, codes := make([]float32, b.rows), make([]float32, len(b.real)), make([]uint8, len(b.codes))
		for r := range b.rows {
			base[r], best[r] = leastSquaresScale(b.target[r*f.n:(r+1)*f.n], bits), math.Inf(1)
		}
		errs := make([]float64, b.rows)
		for _, m := range multiples {
			if ctx.Err() != nil {
				return
			}
			for r := range b.scale {
				b.scale[r] = base[r] * m
			}
			b.spread(odd{bits}, errs)
			for r, e := range errs {
				if e < best[r] {
					best[r], scale[r] = e, b.scale[r]
					copy(real[r*f.n:(r+1)*f.n], b.real[r*f.n:(r+1)*f.n])
					copy(codes[r*f.n:(r+1)*f.n], b.codes[r*f.n:(r+1)*f.n])
				}
			}
		}
		b.scale, b.real, b.codes = scale, real, codes
		b.residual()
		for range sweeps {
			b.refit()
			b.sweep(odd{bits})
		}
		b.refit()
		for r := range b.rows {
			out.Scale[from+r] = float64(b.scale[r])
			for i, p := range f.order {
				q := b.codes[r*f.n+i]
				out.Codes[(from+r)*w.Cols+p] = q
				out.Weights[(from+r)*w.Cols+p] = value(q, b.scale[r], bits)
			}
		}
	})
	f.bias(w, &out)
	return out, ctx.Err()
}

// bias keeps the mean of each row's outputs.
func (f *Factor) bias(w Matrix, out *Result) {
	for r := range w.Rows {
		for i, x := range w.row(r) {
			d := float64(x - out.Weights[r*w.Cols+i])
			out.Bias[r] += float64(d * f.stats.mean[i])
		}
	}
}
