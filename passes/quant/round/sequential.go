package round

import (
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"

	"github.com/dnnc/dnnc/runtime/gemm"
)

// Pair are the moments of a layer's inputs in the float network and in the one
// whose layers before it are rounded, and what the change does to the layer's
// outputs: of the matrix of all pairs of inputs only its product with the weights
// is needed, which has as many rows as the layer has outputs.
type Pair struct {
	*Stats        // of the rounded network's
	weight Matrix // of the float layer
	turned *gemm.Columns
	moved  []float64 // [Rows][Cols], W*Cov(Xf-Xq,Xq)
	mean   []float64 // of the float network's
}

// NewPair has no inputs yet; w are the weights that they are multiplied with.
func NewPair(w Matrix) *Pair {
	return &Pair{
		Stats: NewStats(w.Cols), weight: w, turned: gemm.NewColumns(w.Cols, w.Rows, w.Data, 1, w.Cols),
		moved: make([]float64, w.Rows*w.Cols), mean: make([]float64, w.Cols),
	}
}

// Add accumulates rows of a layer's inputs, the same ones in both networks.
func (p *Pair) Add(exact, rounded []float32, rows int) {
	cols, outs := p.weight.Cols, p.weight.Rows
	p.Stats.Add(rounded, rows)
	addRows(p.mean, exact[:rows*cols])
	change := make([]float32, rows*cols)
	for i, x := range exact[:rows*cols] {
		change[i] = x - rounded[i]
	}
	// What the change does to the outputs.
	wide := make([]float32, rows*outs)
	p.turned.Product(rows, change, wide)
	cross(p.moved, wide, rounded, rows, outs, cols, false)
}

// Finish turns the sums into means and centres them.
func (p *Pair) Finish() {
	for i := range p.mean {
		p.mean[i] /= p.n
	}
	p.Stats.Finish()
	for r := range p.weight.Rows {
		change := 0.0
		for i, x := range p.weight.row(r) {
			change += float64(float64(x) * (p.mean[i] - p.Stats.mean[i]))
		}
		line := p.moved[r*p.cols : (r+1)*p.cols]
		for i := range line {
			line[i] = line[i]/p.n - float64(change*p.Stats.mean[i])
		}
	}
}

// Target moves the weights to where they make up for the changed inputs (R17,
// sequential asymmetric form): W + W(Cov(Xf,Xq)-Cov(Xq,Xq))(Cov(Xq,Xq)+damping)^-1.
func (p *Pair) Target() (Matrix, error) {
	w, n := p.weight, p.weight.Cols
	damped := make([]float64, len(p.gram))
	u, err := factorize(n, damped, p.damp(), func(damp float64) {
		copy(damped, p.gram)
		for i := range n {
			damped[i*n+i] += damp
		}
	})
	if err != nil {
		return w, err
	}
	shift := make([]float64, n*w.Rows) // a column a row of w
	for r := range w.Rows {
		for i := range n {
			shift[i*w.Rows+r] = p.moved[r*n+i]
		}
	}
	lapack64.Potrs(u, blas64.General{Rows: n, Cols: w.Rows, Stride: w.Rows, Data: shift})
	out := Matrix{w.Rows, n, make([]float32, len(w.Data))}
	for r := range w.Rows {
		for i, x := range w.row(r) {
			out.Data[r*n+i] = float32(float64(x) + shift[i*w.Rows+r])
		}
	}
	return out, nil
}

// Correct sets the biases of a rounding so that the mean of the float
// layer's outputs is kept: W*mean(Xf) less what the rounded weights make of
// mean(Xq).
func (p *Pair) Correct(res *Result) {
	for r := range p.weight.Rows {
		res.Bias[r] = 0
		for i, x := range p.weight.row(r) {
			q := float64(res.Weights[r*p.cols+i])
			res.Bias[r] += float64(float64(x)*p.mean[i]) - float64(q*p.Stats.mean[i])
		}
	}
}
