package round

import (
	"errors"
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// Pair are the moments of a layer's inputs in the float network and in the one
// whose layers before it are rounded.
type Pair struct {
	*Stats           // of the rounded network's
	mixed  []float64 // Cov(Xf,Xq)
	mean   []float64 // of the float network's
}

// NewPair has no inputs yet.
func NewPair(cols int) *Pair {
	return &Pair{Stats: NewStats(cols), mixed: make([]float64, cols*cols), mean: make([]float64, cols)}
}

// Add accumulates rows of a layer's inputs, the same ones in both networks.
func (p *Pair) Add(exact, rounded []float32, rows int) {
	cols := len(p.mean)
	p.Stats.Add(rounded, rows)
	cross(p.mixed, exact, rounded, rows, cols, false)
	addRows(p.mean, exact[:rows*cols])
}

// Finish turns the sums into means and centres them.
func (p *Pair) Finish() {
	for i := range p.mean {
		p.mean[i] /= p.n
	}
	p.Stats.Finish()
	centre(p.mixed, p.mean, p.Stats.mean, p.n)
}

// Target moves the weights to where they make up for the changed inputs (R17,
// sequential asymmetric form): W + W(Cov(Xf,Xq)-Cov(Xq,Xq))(Cov(Xq,Xq)+damping)^-1.
func (p *Pair) Target(w Matrix) (Matrix, error) {
	n := w.Cols
	damped := append([]float64(nil), p.gram...)
	damp := p.damp()
	diff := mat.NewDense(n, n, nil)
	for i := range n {
		damped[i*n+i] += damp
		for j := range n {
			diff.Set(i, j, p.mixed[i*n+j]-p.gram[i*n+j])
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(mat.NewSymDense(n, damped)) {
		return w, errors.New("the moments of the inputs are not positive definite")
	}
	exact := mat.NewDense(w.Rows, n, nil)
	for r := range w.Rows {
		for i, x := range w.row(r) {
			exact.Set(r, i, float64(x))
		}
	}
	var moved, shift mat.Dense
	moved.Mul(exact, diff)
	if err := chol.SolveTo(&shift, moved.T()); err != nil {
		return w, fmt.Errorf("target of rounding: %w", err)
	}
	out := Matrix{w.Rows, n, make([]float32, len(w.Data))}
	for r := range w.Rows {
		for i, x := range w.row(r) {
			out.Data[r*n+i] = float32(float64(x) + shift.At(i, r))
		}
	}
	return out, nil
}

// Correct sets the biases of a rounding of w so that the mean of the float
// layer's outputs is kept: W*mean(Xf) less what the rounded weights make of
// mean(Xq).
func (p *Pair) Correct(w Matrix, res *Result) {
	for r := range w.Rows {
		res.Bias[r] = 0
		for i, x := range w.row(r) {
			q := float64(res.Weights[r*w.Cols+i])
			res.Bias[r] += float64(float64(x)*p.mean[i]) - float64(q*p.Stats.mean[i])
		}
	}
}
