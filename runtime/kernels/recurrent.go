package kernels

import (
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// cell is the reals of one step of a recurrence, of which a gradient needs all.
type cell struct {
	gates   []float64 // after their functions, [gates*H]
	product []float64 // of a GRU that resets after the product: what the candidate's weights make of the state
	state   []float64 // of an LSTM
	squash  []float64 // tanh of it
}

// Recurrent is a recurrence with weights of reals.
type Recurrent struct {
	geometry.Recurrence
	weight, bias []float64
}

// NewRecurrent is a recurrence with weights [gates*H,H], and biases [H] or nil.
func NewRecurrent(r geometry.Recurrence, weight, bias []float32) *Recurrent {
	wide := func(x []float32) []float64 {
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = float64(v)
		}
		return y
	}
	if bias == nil {
		bias = make([]float32, r.Hidden)
	}
	return &Recurrent{r, wide(weight), wide(bias)}
}

// product is row i of the weights times a state.
func (r *Recurrent) product(i int, h []float64) float64 {
	sum := 0.
	for k, w := range r.weight[i*r.Hidden : (i+1)*r.Hidden] {
		sum += float64(w * h[k])
	}
	return sum
}

// spread adds d times row i of the weights to the gradient of a state.
func (r *Recurrent) spread(i int, d float64, dh []float64) {
	for k, w := range r.weight[i*r.Hidden : (i+1)*r.Hidden] {
		dh[k] += float64(w * d)
	}
}

// step computes a step from what the inputs give, x(i) of row i, the hidden state h and an
// LSTM's cell c, and writes both.
func (r *Recurrent) step(x func(i int) float64, h, c []float64) *cell {
	n := r.Hidden
	s := &cell{gates: make([]float64, r.Gates*n), product: make([]float64, n), squash: make([]float64, n)}
	for i := range (r.Gates - 1) * n {
		s.gates[i] = sigmoid(x(i) + r.product(i, h))
	}
	last := (r.Gates - 1) * n // the candidate
	from := h
	if r.Cell == ir.CellGRU && !r.ResetsAfter {
		from = make([]float64, n)
		for k := range from {
			from[k] = float64(s.gates[n+k] * h[k])
		}
	}
	for k := range n {
		s.product[k] = r.product(last+k, from)
		if r.ResetsAfter {
			s.product[k] += r.bias[k]
			s.gates[last+k] = math.Tanh(x(last+k) + float64(s.gates[n+k]*s.product[k]))
		} else {
			s.gates[last+k] = math.Tanh(x(last+k) + s.product[k])
		}
	}
	for k := range n {
		g := s.gates[last+k]
		switch r.Cell {
		case ir.CellLSTM:
			c[k] = float64(s.gates[2*n+k]*c[k]) + float64(s.gates[k]*g)
			s.squash[k] = math.Tanh(c[k])
			h[k] = float64(s.gates[n+k] * s.squash[k])
		case ir.CellGRU:
			h[k] = g + float64(s.gates[k]*(h[k]-g))
		default:
			h[k] = g
		}
	}
	s.state = append([]float64(nil), c...)
	return s
}

// Step computes a step from what the inputs give, x(i) of row i, the hidden state h and an LSTM's
// cell c, and writes both. It returns what the candidate's weights make of the state, [H].
func (r *Recurrent) Step(x func(i int) float64, h, c []float64) (product []float64) {
	return r.step(x, h, c).product
}

// Float writes the hidden states y [H,T] of what the inputs give, x [gates*H,T].
func (r *Recurrent) Float(x, y []float32) {
	h, c := make([]float64, r.Hidden), make([]float64, r.Hidden)
	for k := range r.Steps {
		t := r.At(k)
		r.step(func(i int) float64 { return float64(x[i*r.Steps+t]) }, h, c)
		for i, v := range h {
			y[i*r.Steps+t] = float32(v)
		}
	}
}

// Gradient adds to dx the gradient of what the inputs give, of that of the hidden states.
func (r *Recurrent) Gradient(x, dx, dy []float32) {
	n := r.Hidden
	h, c := make([]float64, n), make([]float64, n)
	before, steps := make([][]float64, r.Steps), make([]*cell, r.Steps) // the hidden states before each step
	for k := range r.Steps {
		t := r.At(k)
		before[k] = append([]float64(nil), h...)
		steps[k] = r.step(func(i int) float64 { return float64(x[i*r.Steps+t]) }, h, c)
	}
	dh, dc := make([]float64, n), make([]float64, n)
	for k := r.Steps - 1; k >= 0; k-- {
		t, s, last := r.At(k), steps[k], make([]float64, n)
		if k > 0 {
			last = steps[k-1].state
		}
		for i := range dh {
			dh[i] += float64(dy[i*r.Steps+t])
		}
		sums := r.sums(s, before[k], last, dh, dc)
		for i, d := range sums {
			dx[i*r.Steps+t] += float32(d)
		}
	}
}

// sums is the gradient of the sums of all gates in a step, from the gradients of its states, dh
// and dc, which become the gradients of the states before.
func (r *Recurrent) sums(s *cell, h, c, dh, dc []float64) []float64 {
	n := r.Hidden
	out, next, last := make([]float64, r.Gates*n), make([]float64, n), (r.Gates-1)*n
	own := func(i int) float64 { return float64(s.gates[i] * (1 - s.gates[i])) } // the slope of a sigmoid
	slope := func(y float64) float64 { return 1 - float64(y*y) }                 // of a tanh
	for k := range n {
		g := s.gates[last+k]
		switch r.Cell {
		case ir.CellLSTM:
			in, o, f, q := s.gates[k], s.gates[n+k], s.gates[2*n+k], s.squash[k]
			d := dc[k] + float64(dh[k]*o*slope(q))
			out[k], out[n+k], out[2*n+k] = d*g*own(k), dh[k]*q*own(n+k), d*c[k]*own(2*n+k)
			out[last+k] = d * in * slope(g)
			dc[k] = float64(d * f)
		case ir.CellGRU:
			z := s.gates[k]
			out[k], out[last+k] = dh[k]*(h[k]-g)*own(k), dh[k]*(1-z)*slope(g)
			next[k] = float64(dh[k] * z)
		default:
			out[k] = dh[k] * slope(g)
		}
	}
	switch {
	case r.ResetsAfter:
		for k := range n {
			out[n+k] = out[last+k] * s.product[k] * own(n+k)
			r.spread(last+k, float64(out[last+k]*s.gates[n+k]), next)
		}
	case r.Cell == ir.CellGRU:
		from := make([]float64, n) // the gradient of the reset state
		for k := range n {
			r.spread(last+k, out[last+k], from)
		}
		for k := range n {
			out[n+k] = from[k] * h[k] * own(n+k)
			next[k] += float64(from[k] * s.gates[n+k])
		}
	default:
		for k := range n {
			r.spread(last+k, out[last+k], next)
		}
	}
	for i := range last {
		r.spread(i, out[i], next)
	}
	copy(dh, next)
	return out
}

// half15 is x/2^15, rounded half up.
func half15(x int64) int32 { return int32((x + 1<<14) >> 15) }

// RecurrentInt is R20.
func RecurrentInt[T Integer](r *geometry.RecurrentInts, x, y []T) {
	RecurrentSteps(r, x, y, make([]int32, r.Hidden), make([]int32, r.Hidden), func() {})
}

// RecurrentSteps is RecurrentInt from a hidden state h and an LSTM's cell c on, which it writes. see is
// called after each step.
func RecurrentSteps[T Integer](r *geometry.RecurrentInts, x, y []T, h, c []int32, see func()) {
	n := r.Hidden
	last := (r.Gates - 1) * n
	next := make([]int32, n)
	acc := func(row int, h []int32) (sum int64) {
		for k, w := range r.Weight[row*n : (row+1)*n] {
			sum += int64(w) * int64(h[k])
		}
		return sum
	}
	rescaled := func(row int, acc int64) int32 {
		return int32(geometry.Factor{Mul: r.Mul[row], Shift: r.Shift}.Of(acc))
	}
	for step := range r.Steps {
		t := r.At(step)
		arg := func(row int) int32 { return int32(r.Arg.Of(int64(int32(x[row*r.Steps+t]) - r.ZeroX))) }
		gate := func(row int) int32 { return HalfSigmoidAt(r.Table, false, arg(row)+rescaled(row, acc(row, h))) }
		from := h
		if r.Cell == ir.CellGRU && !r.ResetsAfter {
			from = make([]int32, n)
			for k := range from {
				from[k] = half15(int64(gate(n+k)) * int64(h[k]))
			}
		}
		for k := range n {
			sum := rescaled(last+k, acc(last+k, from))
			if r.ResetsAfter {
				sum = half15(int64(gate(n+k)) * int64(rescaled(last+k, acc(last+k, h)+int64(r.Bias[k]))))
			}
			g := HalfSigmoidAt(r.Table, true, arg(last+k)+sum)
			switch r.Cell {
			case ir.CellLSTM:
				v := (int64(gate(2*n+k))*int64(c[k]) + int64(gate(k))*int64(geometry.CellGain*g) + 1<<14) >> 15
				c[k] = int32(min(max(v, -geometry.CellMost), geometry.CellMost))
				squash := HalfSigmoidAt(r.Table, true, (c[k]+1<<(geometry.CellShift-1))>>geometry.CellShift)
				next[k] = half15(int64(gate(n+k)) * int64(squash))
			case ir.CellGRU:
				z := int64(gate(k))
				next[k] = half15(z*int64(h[k]) + (1<<15-z)*int64(g))
			default:
				next[k] = g
			}
		}
		copy(h, next)
		for k, v := range h {
			y[k*r.Steps+t] = T(min(max(r.Out.Of(int64(v))+int64(r.ZeroY), int64(r.LeastOut)), int64(r.GreatOut)))
		}
		see()
	}
}
