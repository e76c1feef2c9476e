package kernels

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// cells are all recurrences.
var cells = []geometry.Recurrence{
	{Cell: ir.CellLSTM}, {Cell: ir.CellGRU}, {Cell: ir.CellGRU, ResetsAfter: true}, {Cell: ir.CellRNN},
}

// asInts is a recurrence as integers of an argument and a result of 16 bits: the argument of half a unit of a gate, the
// result of 2^-15.
func asInts(r geometry.Recurrence, weight, bias []float32) (*geometry.RecurrentInts, []float32) {
	const step, shift = 1. / 127, 38
	q := &geometry.RecurrentInts{Recurrence: r, Table: HalfSigmoid(), Arg: geometry.Factor{Mul: 1 << 30, Shift: 30}, Out: geometry.Factor{Mul: 1 << 30, Shift: 30},
		Shift: shift, LeastOut: math.MinInt16, GreatOut: math.MaxInt16}
	rounded := make([]float32, len(weight))
	for i, w := range weight {
		code := math.Round(float64(w) / step)
		q.Weight = append(q.Weight, int8(code))
		rounded[i] = float32(code * step)
	}
	for range r.Gates * r.Hidden {
		q.Mul = append(q.Mul, int32(math.Round(step/(1<<15)*geometry.GateUnits*(1<<shift))))
	}
	for _, b := range bias {
		q.Bias = append(q.Bias, int32(math.Round(float64(b)*(1<<15)/step)))
	}
	return q, rounded
}

// TestRecurrentIntsFollowTheReals: of the same weights the two differ by the rounding of states alone.
func TestRecurrentIntsFollowTheReals(t *testing.T) {
	for _, r := range cells {
		for _, back := range []bool{false, true} {
			r.IsBack, r.Gates, r.Hidden, r.Steps = back, ir.Gates(r.Cell), 5, 40
			t.Run(fmt.Sprintf("%+v", r), func(t *testing.T) {
				rng := rand.New(rand.NewSource(int64(r.Gates)))
				normal := func(n int, scale float64) []float32 {
					x := make([]float32, n)
					for i := range x {
						x[i] = float32(max(-1, min(1, scale*rng.NormFloat64())))
					}
					return x
				}
				rows := r.Gates * r.Hidden
				weight, bias, x := normal(rows*r.Hidden, .5), normal(r.Hidden, .5), make([]float32, rows*r.Steps)
				if !r.ResetsAfter {
					bias = nil
				}
				q, rounded := asInts(r, weight, bias)
				words, y := make([]int16, len(x)), make([]int16, r.Hidden*r.Steps)
				for i := range x {
					words[i] = int16(rng.NormFloat64() * 8000)
					x[i] = float32(words[i]) / geometry.GateUnits
				}
				want := make([]float32, len(y))
				NewRecurrent(r, rounded, bias).Float(x, want)
				RecurrentInt(q, words, y)
				got := make([]float32, len(y))
				for i, v := range y {
					got[i] = float32(v) * geometry.HiddenScale
				}
				assert.InDeltaSlice(t, want, got, 8e-4)
			})
		}
	}
}

// TestRecurrentStepByHand: one cell, one step, whose weights do not matter; the gates are tables' entries.
func TestRecurrentStepByHand(t *testing.T) {
	table := HalfSigmoid()
	sigmoid := func(x int32) int32 { return HalfSigmoidAt(table, false, x) }
	tanh := func(x int32) int32 { return HalfSigmoidAt(table, true, x) }
	run := func(r geometry.Recurrence, x []int16, weights []float32, bias ...float32) []int16 {
		r.Gates, r.Hidden, r.Steps = ir.Gates(r.Cell), 1, len(x)/ir.Gates(r.Cell)
		q, _ := asInts(r, weights, bias)
		y := make([]int16, r.Steps)
		RecurrentInt(q, x, y)
		return y
	}
	assert.Equal(t, []int16{int16(tanh(5000))}, run(geometry.Recurrence{Cell: ir.CellRNN}, []int16{5000}, []float32{1}))
	in, out, candidate := sigmoid(3000), sigmoid(-4000), tanh(9000)
	state := (int64(in)*48*int64(candidate) + 1<<14) >> 15
	want := (int64(out)*int64(tanh(int32((state+64)>>7))) + 1<<14) >> 15
	assert.Equal(t, []int16{int16(want)}, run(geometry.Recurrence{Cell: ir.CellLSTM}, []int16{3000, -4000, 7, 9000}, []float32{1, 1, 1, 1}))
	update := sigmoid(2000)
	want = (int64(32768-update)*int64(tanh(-6000)) + 1<<14) >> 15
	assert.Equal(t, []int16{int16(want)}, run(geometry.Recurrence{Cell: ir.CellGRU}, []int16{2000, 100, -6000}, []float32{1, 1, 1}))
	// After the product the reset gate multiplies the bias too.
	sum := int32((int64(sigmoid(100))*int64(math.Round(.5*geometry.GateUnits)) + 1<<14) >> 15)
	want = (int64(32768-update)*int64(tanh(sum-6000)) + 1<<14) >> 15
	assert.Equal(t, []int16{int16(want)}, run(geometry.Recurrence{Cell: ir.CellGRU, ResetsAfter: true}, []int16{2000, 100, -6000}, []float32{1, 1, 1}, .5))
}

// TestCellSaturates: a cell that grows by nearly 1 a step stays where it would leave 32 bits.
func TestCellSaturates(t *testing.T) {
	const steps = geometry.CellSteps + 100
	r := geometry.Recurrence{Cell: ir.CellLSTM, Gates: 4, Hidden: 1, Steps: steps}
	for _, sign := range []int16{1, -1} {
		q, _ := asInts(r, make([]float32, 4), nil)
		q.Arg = geometry.Factor{Mul: 1 << 30, Shift: 20} // saturates every gate
		x := make([]int16, 4*steps)
		for i := range x {
			x[i] = math.MaxInt16
			if i >= 3*steps {
				x[i] = sign * math.MaxInt16
			}
		}
		y := make([]int16, steps)
		RecurrentInt(q, x, y)
		for k := 10; k < steps; k++ {
			require.InDelta(t, float64(sign)*math.MaxInt16, y[k], 2, "step %d", k)
		}
	}
}

// TestRecurrentGradient compares it with differences.
func TestRecurrentGradient(t *testing.T) {
	for _, r := range cells {
		r.Gates, r.Hidden, r.Steps, r.IsBack = ir.Gates(r.Cell), 3, 6, r.ResetsAfter
		rng := rand.New(rand.NewSource(3))
		normal := func(n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			return x
		}
		n := NewRecurrent(r, normal(r.Gates*r.Hidden*r.Hidden), normal(r.Hidden))
		x, dy, dx := normal(r.Gates*r.Hidden*r.Steps), normal(r.Hidden*r.Steps), make([]float32, r.Gates*r.Hidden*r.Steps)
		n.Gradient(x, dx, dy)
		value := func() (sum float64) {
			y := make([]float32, len(dy))
			n.Float(x, y)
			for i, v := range y {
				sum += float64(v) * float64(dy[i])
			}
			return sum
		}
		const h = 3e-3
		for i := range x {
			was := x[i]
			x[i] = was + h
			above := value()
			x[i] = was - h
			assert.InDelta(t, (above-value())/(2*h), dx[i], 2e-3, "%s %d", r.Cell, i)
			x[i] = was
		}
	}
}
