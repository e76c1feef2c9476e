package build_test

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/interp"
)

// normal are normally distributed numbers.
func normal(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func reals(rng *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i, v := range normal(rng, n) {
		x[i] = float64(v)
	}
	return x
}

func matrix(rows, cols int, x []float32) build.Matrix {
	return build.Matrix{Rows: rows, Cols: cols, Data: ir.FloatConst("", ir.Shape{rows, cols}, x).Data}
}

// times is a matrix, whose weights lie row by row, times a vector.
func times(w []float32, x []float64) []float64 {
	out := make([]float64, len(w)/len(x))
	for i := range out {
		for k, v := range x {
			out[i] += float64(w[i*len(x)+k]) * v
		}
	}
	return out
}

func bounded(x, bound float64) float64 {
	if bound == 0 {
		return x
	}
	return max(-bound, min(bound, x))
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// bare is a recurrence with its weights as plain numbers.
type bare struct {
	*build.Recurrence
	inputs, outputs       int
	weight, recur, onward []float32
}

// step is what ONNX's operators LSTM and GRU say of one time step, in float64.
func (r *bare) step(x, h, c []float64) ([]float64, []float64) {
	n := r.Hidden
	z, hidden := times(r.weight, x), times(r.recur, h)
	for i := range z {
		z[i] += r.Bias[i]
	}
	gate := func(k, i int, more float64) float64 {
		return sigmoid(bounded(z[k*n+i]+hidden[k*n+i]+more, r.Clip))
	}
	out, cell := make([]float64, n), make([]float64, n)
	if !r.IsLSTM {
		reset := make([]float64, n)
		for i := range n {
			reset[i] = gate(1, i, 0)
		}
		inner := make([]float64, n)
		if r.Linear {
			for i := range n {
				inner[i] = reset[i] * (hidden[2*n+i] + r.Reset[i])
			}
		} else {
			rh := make([]float64, n)
			for i := range n {
				rh[i] = reset[i] * h[i]
			}
			inner = times(r.recur[2*n*n:], rh)
		}
		for i := range n {
			g, u := math.Tanh(bounded(z[2*n+i]+inner[i], r.Clip)), gate(0, i, 0)
			out[i] = (1-u)*g + u*h[i]
		}
		return out, nil
	}
	seen := func(k, i int, c []float64) float64 {
		if r.Peepholes[k] == nil {
			return 0
		}
		return r.Peepholes[k][i] * c[i]
	}
	for i := range n {
		in, forget := gate(0, i, seen(0, i, c)), gate(2, i, seen(2, i, c))
		switch r.Coupled {
		case build.ForgetsByInput:
			forget = 1 - in
		case build.TakesByForget:
			in = 1 - forget
		}
		cell[i] = bounded(forget*c[i]+in*math.Tanh(bounded(z[3*n+i]+hidden[3*n+i], r.Clip)), r.CellClip)
	}
	for i := range n {
		out[i] = gate(1, i, seen(1, i, cell)) * math.Tanh(cell[i])
	}
	if r.onward != nil {
		out = times(r.onward, out)
		for i := range out {
			if r.ProjectBy != nil {
				out[i] += float64(r.ProjectBy[i])
			}
			out[i] = bounded(out[i], r.OutClip)
		}
	}
	return out, cell
}

// random is a recurrence of random weights, with random ones of its options.
func random(rng *rand.Rand, b *build.Builder) *bare {
	coin := func() bool { return rng.Intn(2) == 0 }
	r := &bare{inputs: 1 + rng.Intn(3), outputs: 1 + rng.Intn(3)}
	r.Recurrence = &build.Recurrence{B: b, Name: "r", Hidden: r.outputs, IsLSTM: coin(), IsBack: coin()}
	r.Acts = []ir.Op{ir.Sigmoid, ir.Tanh, ir.Tanh}
	gates := 3
	if r.IsLSTM {
		gates = 4
		r.Coupled = build.Coupling(rng.Intn(3))
		if coin() {
			for k := range r.Peepholes {
				if coin() {
					r.Peepholes[k] = reals(rng, r.Hidden)
				}
			}
		}
		if coin() {
			r.CellClip = .3
		}
		if coin() {
			r.outputs = 1 + rng.Intn(3)
			r.onward = normal(rng, r.outputs*r.Hidden)
			r.Project = matrix(r.outputs, r.Hidden, r.onward)
			if coin() {
				r.ProjectBy = normal(rng, r.outputs)
			}
			if coin() {
				r.OutClip = .2
			}
		}
	} else if r.Linear = coin(); r.Linear {
		r.Reset = reals(rng, r.Hidden)
		if coin() {
			clear(r.Reset)
		}
	}
	if coin() {
		r.Clip = .4
	}
	rows := gates * r.Hidden
	r.weight, r.recur, r.Bias = normal(rng, rows*r.inputs), normal(rng, rows*r.outputs), reals(rng, rows)
	if coin() {
		clear(r.Bias)
	}
	r.Weight, r.Recur = matrix(rows, r.inputs, r.weight), matrix(rows, r.outputs, r.recur)
	return r
}

// TestRecurrence holds random recurrences, from states that are zero, constant or an
// input of the network, to the formulas of ONNX's LSTM and GRU: the states after all
// steps, and the last cell.
func TestRecurrence(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for trial := range 600 {
		b := build.New("net")
		steps := 1 + rng.Intn(3)
		r := random(rng, b)
		inputs := [][]float32{normal(rng, steps*r.inputs)}
		x := b.Input("x", ir.Shape{steps, 1, r.inputs}, ir.Range{Lo: -9, Hi: 9})
		state := func(name string, n int) (build.State, []float64) {
			k := reals(rng, n)
			switch rng.Intn(3) {
			case 0:
				return build.State{}, make([]float64, n)
			case 1:
				return build.State{C: k}, k
			}
			var in []float32
			for _, v := range k {
				in = append(in, float32(v))
			}
			inputs = append(inputs, in)
			return build.State{V: b.Input(name, ir.Shape{n}, ir.Range{Lo: -9, Hi: 9})}, k
		}
		hs, h := state("h", r.outputs)
		var cs build.State
		var c []float64
		if r.IsLSTM {
			cs, c = state("c", r.Hidden)
		}
		what := fmt.Sprintf("trial %d: %d steps, states %v %v, %+v", trial, steps, hs, cs, r)
		lastH, lastC, err := r.Run(x, steps, hs, cs)
		require.NoError(t, err, what)
		require.Len(t, r.Outputs, steps, what)

		results, want := append([]*ir.Value{}, r.Outputs...), make([][]float64, steps)
		last := steps - 1
		for k := range steps {
			if r.IsBack {
				k, last = steps-1-k, 0
			}
			var in []float64
			for _, v := range inputs[0][k*r.inputs : (k+1)*r.inputs] {
				in = append(in, float64(v))
			}
			h, c = r.step(in, h, c)
			want[k] = h
		}
		require.Same(t, r.Outputs[last], lastH.V, what)
		if r.IsLSTM {
			results, want = append(results, lastC.V), append(want, c)
		}
		m := b.Finish(results)
		require.Empty(t, ir.Verify(m), what)
		p, err := interp.CompileFloat(m)
		require.NoError(t, err, what)
		tensors := p.Tensors(1, results...)
		for i, v := range m.Inputs {
			tensors[p.ID(v)] = inputs[i]
		}
		require.NoError(t, p.Run(context.Background(), tensors, 1, 0, len(m.Ops)), what)
		for i, v := range results {
			require.Len(t, tensors[p.ID(v)], len(want[i]), what)
			for k, y := range tensors[p.ID(v)] {
				require.InDelta(t, want[i][k], y, 2e-5, "%s: %s[%d]", what, v.Name, k)
			}
		}
	}
}

// operations are those of a module: the name without the recurrence's, and the kind.
func operations(m *ir.Module) (list []string) {
	for _, n := range m.Ops {
		list = append(list, strings.TrimPrefix(n.Out.Name, "r.")+" "+n.Op.String())
	}
	return list
}

// TestRecurrenceIsNoLongerThanItNeeds: gates that nothing tells apart are one operation, the
// layer of the inputs is one for all steps, and zero states cost nothing.
func TestRecurrenceIsNoLongerThanItNeeds(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	for _, c := range []struct {
		name  string
		steps int
		isSet bool // the states are inputs
		edit  func(r *build.Recurrence)
		want  []string
	}{
		{"LSTM from zero", 2, false, func(r *build.Recurrence) {}, []string{
			"input.pixels transpose", "input conv2d",
			"t0.pixel slice", "t0.x reshape", "t0.sums slice", "t0.gates sigmoid", "t0.inner slice", "t0.candidate tanh", "t0.i slice", "t0.new mul", "t0.o slice", "t0.squashed tanh", "t0.out mul",
			"t1.pixel slice", "t1.x reshape", "hidden linear", "t1.hidden.sum add", "t1.sums slice", "t1.gates sigmoid", "t1.inner slice", "t1.candidate tanh", "t1.i slice", "t1.new mul", "t1.f slice", "t1.kept mul", "t1.cell add", "t1.o slice", "t1.squashed tanh", "t1.out mul",
		}},
		{"LSTM of one step", 1, true, func(r *build.Recurrence) { r.Coupled = build.TakesByForget }, []string{
			"input.pixels transpose", "input conv2d",
			"t0.x reshape", "hidden linear", "t0.hidden.sum add", "t0.sums slice", "t0.gates sigmoid", "t0.inner slice", "t0.candidate tanh", "t0.f slice", "t0.change sub", "t0.kept mul", "t0.cell sub", "t0.o slice", "t0.squashed tanh", "t0.out mul",
		}},
		{"GRU", 1, true, func(r *build.Recurrence) { r.IsLSTM = false }, []string{
			"input.pixels transpose", "input conv2d",
			"t0.x reshape", "t0.x.gates slice", "hidden linear", "t0.hidden.sum add", "t0.gates sigmoid", "t0.x.candidate slice", "t0.z slice", "t0.r slice", "t0.reset mul", "candidate.hidden linear", "t0.inner add", "t0.candidate tanh", "t0.change sub", "t0.kept mul", "t0.out add",
		}},
		{"linear GRU", 1, true, func(r *build.Recurrence) { r.IsLSTM, r.Linear, r.Reset = false, true, make([]float64, 2) }, []string{
			"input.pixels transpose", "input conv2d",
			"t0.x reshape", "hidden linear", "t0.x.gates slice", "t0.h.gates slice", "t0.sums add", "t0.gates sigmoid", "t0.x.candidate slice", "t0.z slice", "t0.r slice", "t0.h.candidate slice", "t0.reset mul", "t0.inner add", "t0.candidate tanh", "t0.change sub", "t0.kept mul", "t0.out add",
		}},
		{"linear GRU from zero", 1, false, func(r *build.Recurrence) { r.IsLSTM, r.Linear, r.Reset = false, true, make([]float64, 2) }, []string{
			"input.pixels transpose", "input conv2d",
			"t0.x reshape", "t0.x.gates slice", "t0.gates sigmoid", "t0.x.candidate slice", "t0.z slice", "t0.candidate tanh", "t0.dropped mul", "t0.out sub",
		}},
	} {
		b := build.New("net")
		r := &build.Recurrence{B: b, Name: "r", Hidden: 2, Acts: []ir.Op{ir.Sigmoid, ir.Tanh, ir.Tanh}, IsLSTM: true}
		c.edit(r)
		rows := 6
		if r.IsLSTM {
			rows = 8
		}
		r.Weight, r.Recur, r.Bias = matrix(rows, 3, normal(rng, rows*3)), matrix(rows, 2, normal(rng, rows*2)), make([]float64, rows)
		x := b.Input("x", ir.Shape{c.steps, 1, 3}, ir.Range{})
		var h, cell build.State
		if c.isSet {
			h.V, cell.V = b.Input("h", ir.Shape{2}, ir.Range{}), b.Input("c", ir.Shape{2}, ir.Range{})
		}
		_, _, err := r.Run(x, c.steps, h, cell)
		require.NoError(t, err, c.name)
		m := b.Finish(r.Outputs)
		assert.Equal(t, c.want, operations(m), c.name)
		assert.False(t, slices.ContainsFunc(m.Consts, func(c *ir.Const) bool { return c.Name == "r.input.bias" }), "%s: a bias of zeros", c.name)
	}
}

// TestStepsShareWeights: the constants of four steps are those of two.
func TestStepsShareWeights(t *testing.T) {
	constants := func(steps int) (list []string) {
		rng := rand.New(rand.NewSource(3))
		b := build.New("net")
		r := &build.Recurrence{B: b, Name: "r", Hidden: 2, Acts: []ir.Op{ir.Sigmoid, ir.Tanh, ir.Tanh}, IsLSTM: true, Bias: reals(rng, 8)}
		r.Weight, r.Recur, r.Project, r.ProjectBy = matrix(8, 3, normal(rng, 24)), matrix(8, 4, normal(rng, 32)), matrix(4, 2, normal(rng, 8)), normal(rng, 4)
		_, _, err := r.Run(b.Input("x", ir.Shape{steps, 1, 3}, ir.Range{}), steps, build.State{}, build.State{})
		require.NoError(t, err)
		for _, c := range b.Finish(r.Outputs).Consts {
			list = append(list, fmt.Sprint(c.Name, c.Type.Shape))
		}
		return list
	}
	want := []string{"r.input.weight[8,3,1,1]", "r.input.bias[8]", "r.projection.weight[4,2]", "r.projection.bias[4]", "r.hidden.weight[8,4]"}
	assert.Equal(t, want, constants(2))
	assert.Equal(t, want, constants(4))
}

// TestRecurrenceFaults: what does not fit is said, wherever it is found.
func TestRecurrenceFaults(t *testing.T) {
	rng := rand.New(rand.NewSource(4))
	for _, c := range []struct {
		want  string // empty: none
		steps int
		edit  func(r *build.Recurrence, h, c *build.State)
	}{
		{"", build.MaxSteps, func(*build.Recurrence, *build.State, *build.State) {}},
		{"of 0 time steps, which would be unrolled; at most 512 are", 0, func(*build.Recurrence, *build.State, *build.State) {}},
		{"of 513 time steps", build.MaxSteps + 1, func(*build.Recurrence, *build.State, *build.State) {}},
		{"", 2, func(r *build.Recurrence, h, c *build.State) { h.C, c.C = make([]float64, 2), make([]float64, 2) }},
		{"has a state and weights of other sizes", 2, func(r *build.Recurrence, h, c *build.State) { h.C = make([]float64, 3) }},
		{"weights of 64 bytes for 8 rows of 3", 2, func(r *build.Recurrence, h, c *build.State) {
			r.IsLSTM, r.Recur.Cols, h.C = false, 3, make([]float64, 3)
		}},
		{"", 2, func(r *build.Recurrence, h, c *build.State) { r.Peepholes[1] = make([]float64, 2) }},
		{"r.t0.o.peephole.weight is f32[3], the layer has 2 channels", 2, func(r *build.Recurrence, h, c *build.State) { r.Peepholes[1] = make([]float64, 3) }},
		{"weights f32[8,4,1,1] are for 4 input channels", 2, func(r *build.Recurrence, h, c *build.State) { r.Weight.Cols = 4 }},
		{"weights f32[8,4] are for 4 inputs", 2, func(r *build.Recurrence, h, c *build.State) { r.Recur.Cols = 4 }},
		{"weights f32[1,3] are for 3 inputs", 2, func(r *build.Recurrence, h, c *build.State) { r.Project = matrix(1, 3, make([]float32, 3)) }},
	} {
		b := build.New("net")
		r := &build.Recurrence{B: b, Name: "r", Hidden: 2, Acts: []ir.Op{ir.Sigmoid, ir.Tanh, ir.Tanh}, IsLSTM: true}
		r.Weight, r.Recur = matrix(8, 3, normal(rng, 24)), matrix(8, 2, normal(rng, 16))
		var h, cell build.State
		c.edit(r, &h, &cell)
		_, _, err := r.Run(b.Input("x", ir.Shape{max(c.steps, 1), 1, 3}, ir.Range{}), c.steps, h, cell)
		if c.want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, c.want)
	}
	// Inputs that are no sequence.
	b := build.New("net")
	r := &build.Recurrence{B: b, Name: "r", Hidden: 2, Weight: matrix(6, 3, make([]float32, 18))}
	_, _, err := r.Run(b.Input("x", ir.Shape{2, 3}, ir.Range{}), 2, build.State{}, build.State{})
	assert.ErrorContains(t, err, "[2 0 1] is no permutation of the axes of [2,3]")
}
