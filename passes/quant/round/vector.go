package round

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/gemm"
)

// maxGroup is the greatest group of a vector code.
const maxGroup = 64

// RowSum is the greatest sum of absolute values over a codebook's row: a table
// of its products with 8-bit activations then fits 16 bits (R18).
const RowSum = 128

// The effort of vector codes (R18).
const (
	meansSweeps  = 12 // of k-means
	vectorSweeps = 4  // of codebook, scales and codes
	finalSweeps  = 2  // with the codebook in integers
	conjugates   = 10 // steps of conjugate gradients for a codebook
)

// book is the grid of a codebook of k rows of d columns. Its norms are of one
// metric at a time: that of spreading, or the Gram matrix's.
type book struct {
	f      *Factor
	k, d   int
	rows   []float32 // k*d
	metric []float32 // of each group, d*d
	norms  []float32 // of each group and row: row*metric*row
}

// measure takes the metric of spreading, or the Gram matrix's own.
func (b *book) measure(spread bool) {
	f, d := b.f, b.d
	b.metric = f.metric
	if !spread {
		b.metric = make([]float32, len(f.metric))
		for g := range f.n / d {
			for i := range d {
				copy(b.metric[(g*d+i)*d:(g*d+i+1)*d], f.gram[(g*d+i)*f.n+g*d:])
			}
		}
	}
	b.norms = make([]float32, f.n/d*b.k)
	parallel.For(f.n/d, func(g int) {
		m := b.metric[g*d*d : (g+1)*d*d]
		for q := range b.k {
			c := b.rows[q*d : (q+1)*d]
			var sum float32
			for i, x := range c {
				var s float32
				for j, y := range c {
					s += float32(m[i*d+j] * y)
				}
				sum += float32(x * s)
			}
			b.norms[g*b.k+q] = sum
		}
	})
}

func (b *book) first(_, g int, scale float32, target, real []float32) uint8 {
	d := b.d
	m := b.metric[g*d*d : (g+1)*d*d]
	var turned [maxGroup]float32
	t := turned[:d]
	for i, x := range target {
		for j, y := range m[i*d : (i+1)*d] {
			t[j] += float32(x * y)
		}
	}
	// s^2 c*M*c - 2s t*M*c, over s.
	norms := b.norms[g*b.k : (g+1)*b.k]
	best, least := 0, float32(math.Inf(1))
	for q := range norms {
		var s float32
		for i, x := range b.rows[q*d : (q+1)*d] {
			s += float32(x * t[i])
		}
		if e := float32(scale*norms[q]) - 2*s; e < least {
			best, least = q, e
		}
	}
	for i, x := range b.rows[best*d : (best+1)*d] {
		real[i] = scale * x
	}
	return uint8(best)
}

func (b *book) again(r, g int, scale float32, target, real []float32) uint8 {
	return b.first(r, g, scale, target, real)
}

// Vector rounds w to codes of bits bits, each the row of one codebook for the
// layer that a group of columns gets (R18): k-means over the groups of the rows,
// each over its scale; groups rounded one after the other with their error
// spread; sweeps that refit the scales, the codebook as a whole by least squares
// in the Gram metric, and every code; then the codebook rounded to integers, and
// scales and codes refitted to it.
func (f *Factor) Vector(ctx context.Context, w Matrix, bits int) (Result, error) {
	if err := w.check(); err != nil {
		return Result{}, err
	}
	target := f.arrange(w)
	n, d := f.n, f.d
	var blocks []*block
	for from := 0; from < w.Rows; from += rowsAtOnce {
		to := min(from+rowsAtOnce, w.Rows)
		b := f.block(to-from, target[from*n:to*n])
		for r := range b.rows {
			row := b.target[r*n : (r+1)*n]
			b.scale[r] = float32(max(math.Sqrt(dot(row, row)/float64(w.Cols)), 1e-9))
		}
		blocks = append(blocks, b)
	}
	each := func(do func(b *block)) {
		parallel.For(len(blocks), func(i int) {
			if ctx.Err() == nil {
				do(blocks[i])
			}
		})
	}
	c := &book{f: f, k: 1 << bits, d: d}
	c.rows = means(blocks, c.k, d)
	c.measure(true)
	each(func(b *block) { b.spread(c, make([]float64, b.rows)) })
	each(func(b *block) { b.residual() })
	for range vectorSweeps {
		each(func(b *block) { b.refit() })
		c.refit(blocks, each)
		c.measure(false)
		each(func(b *block) { b.residual(); b.sweep(c) })
	}
	integers := c.quantize(blocks)
	c.measure(false)
	each(func(b *block) { b.residual() })
	for range finalSweeps {
		each(func(b *block) { b.refit(); b.sweep(c) })
	}
	each(func(b *block) { b.refit() })

	out := Result{Scale: make([]float64, w.Rows), Bias: make([]float64, w.Rows), Book: integers, Weights: make([]float32, len(w.Data))}
	row := 0
	for _, b := range blocks {
		if d > 1 {
			out.Codes = append(out.Codes, b.codes...)
		}
		for r := range b.rows {
			if d == 1 {
				codes := make([]uint8, n)
				for i, p := range f.order {
					codes[p] = b.codes[r*n+i]
				}
				out.Codes = append(out.Codes, codes...)
			}
			out.Scale[row] = float64(b.scale[r])
			for i, p := range f.order {
				if p >= 0 {
					q := int(b.codes[(r*n+i)/d])
					out.Weights[row*w.Cols+p] = b.scale[r] * float32(integers[q*d+i%d])
				}
			}
			row++
		}
	}
	f.bias(w, &out)
	return out, ctx.Err()
}

// means is the centres of k-means over the groups of the rows, each row over its
// scale. A seed of its own: equal weights, equal centres.
func means(blocks []*block, k, d int) []float32 {
	var x []float32
	for _, b := range blocks {
		for r := range b.rows {
			for _, v := range b.target[r*b.f.n : (r+1)*b.f.n] {
				x = append(x, v/b.scale[r])
			}
		}
	}
	rng := rand.New(rand.NewPCG(18, uint64(d)))
	// Many times as many groups as centres tell no more.
	const enough = 64
	if all := len(x) / d; all > enough*k {
		perm := rng.Perm(all)[:enough*k]
		some := make([]float32, 0, len(perm)*d)
		for _, i := range perm {
			some = append(some, x[i*d:(i+1)*d]...)
		}
		x = some
	}
	all := len(x) / d
	centres := make([]float32, 0, k*d)
	perm := rng.Perm(all)
	for i := range k {
		at := perm[i%all]
		centres = append(centres, x[at*d:(at+1)*d]...)
	}
	turned, norms := make([]float32, d*k), make([]float32, k)
	const chunk = 256
	nearest := make([]int, all)
	for range meansSweeps {
		for q := range k {
			var s float32
			for i, v := range centres[q*d : (q+1)*d] {
				turned[i*k+q] = v
				s += float32(v * v)
			}
			norms[q] = s
		}
		parallel.For((all+chunk-1)/chunk, func(part int) {
			from, to := part*chunk, min((part+1)*chunk, all)
			products := make([]float32, (to-from)*k)
			gemm.Float32(to-from, k, d, x[from*d:to*d], turned, products)
			for i := range to - from {
				best, least := 0, float32(math.Inf(1))
				for q, p := range products[i*k : (i+1)*k] {
					if e := norms[q] - 2*p; e < least {
						best, least = q, e
					}
				}
				nearest[from+i] = best
			}
		})
		sums, counts := make([]float32, k*d), make([]float32, k)
		for i, q := range nearest {
			counts[q]++
			for j, v := range x[i*d : (i+1)*d] {
				sums[q*d+j] += v
			}
		}
		for q, c := range counts {
			if c > 0 {
				for j := range d {
					centres[q*d+j] = sums[q*d+j] / c
				}
			}
		}
	}
	return centres
}

// refit solves for the codebook of least error, the codes and scales given, by
// conjugate gradients on the normal equations, and sets what the rows are.
func (c *book) refit(blocks []*block, each func(func(*block))) {
	size := c.k * c.d
	index := map[*block]int{}
	for i, b := range blocks {
		index[b] = i
	}
	parts := make([][]float64, len(blocks))
	// gather sums s*(rows*Gram) over the groups that each codebook row serves.
	gather := func(b *block, product []float32) {
		sum := make([]float64, size)
		n := c.f.n
		for r := range b.rows {
			s := float64(b.scale[r])
			for g := range n / c.d {
				q := int(b.codes[r*n/c.d+g])
				for i, p := range product[r*n+g*c.d : r*n+(g+1)*c.d] {
					sum[q*c.d+i] += float64(s * float64(p))
				}
			}
		}
		parts[index[b]] = sum
	}
	total := func() []float64 {
		out := make([]float64, size)
		for _, p := range parts {
			for i, v := range p {
				out[i] += v
			}
		}
		return out
	}
	// The normal equations of what is left: pull is (target-real)*Gram.
	each(func(b *block) { gather(b, b.pull) })
	if parts[len(parts)-1] == nil {
		return // cancelled
	}
	r := total()
	p := append([]float64(nil), r...)
	x := make([]float64, size)
	norm := inner(r, r)
	stop := norm * 1e-6
	for range conjugates {
		if norm <= stop || norm == 0 {
			break
		}
		each(func(b *block) {
			n := c.f.n
			for row := range b.rows {
				for g := range n / c.d {
					q := int(b.codes[row*n/c.d+g])
					for i := range c.d {
						b.real[row*n+g*c.d+i] = b.scale[row] * float32(p[q*c.d+i])
					}
				}
			}
			c.f.columns.Product(b.rows, b.real, b.work)
			gather(b, b.work)
		})
		ap := total()
		step := norm / inner(p, ap)
		if math.IsNaN(step) || math.IsInf(step, 0) {
			break
		}
		for i := range x {
			x[i] += float64(step * p[i])
			r[i] -= float64(step * ap[i])
		}
		next := inner(r, r)
		for i := range p {
			p[i] = r[i] + float64(next/norm*p[i])
		}
		norm = next
	}
	for i, v := range x {
		c.rows[i] += float32(v)
	}
	c.assign(blocks)
}

// assign sets what the rows are from their codes.
func (c *book) assign(blocks []*block) {
	for _, b := range blocks {
		n := c.f.n
		for r := range b.rows {
			for g := range n / c.d {
				q := int(b.codes[r*n/c.d+g])
				for i, v := range c.rows[q*c.d : (q+1)*c.d] {
					b.real[r*n+g*c.d+i] = b.scale[r] * v
				}
			}
		}
	}
}

func inner(a, b []float64) (sum float64) {
	for i, x := range a {
		sum += float64(x * b[i])
	}
	return sum
}

// quantize rounds the codebook to integers whose absolute values sum up to at
// most RowSum in a row, and takes their unit into the scales.
func (c *book) quantize(blocks []*block) []int8 {
	top := 0.0
	for q := range c.k {
		sum := 0.0
		for _, v := range c.rows[q*c.d : (q+1)*c.d] {
			sum += math.Abs(float64(v))
		}
		top = max(top, sum)
	}
	if top == 0 {
		top = 1
	}
	out := make([]int8, len(c.rows))
	unit := RowSum / top
	for !c.integers(out, unit) {
		unit *= .995
	}
	for i, v := range out {
		c.rows[i] = float32(v)
	}
	for _, b := range blocks {
		for r := range b.scale {
			b.scale[r] /= float32(unit)
		}
	}
	c.assign(blocks)
	return out
}

func (c *book) integers(out []int8, unit float64) bool {
	for q := range c.k {
		sum := 0
		for i := q * c.d; i < (q+1)*c.d; i++ {
			v := int(math.RoundToEven(float64(c.rows[i]) * unit))
			if v > math.MaxInt8 || v < -math.MaxInt8 {
				return false
			}
			sum += max(v, -v)
			out[i] = int8(v)
		}
		if sum > RowSum {
			return false
		}
	}
	return true
}
