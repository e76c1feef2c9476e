package onnx

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/build"
)

// rnn is a recurrence of some steps of 2 inputs and a hidden state of 2, with weights
// that rise.
func rnn(op string, gates, steps, directions int64, attrs ...any) *model {
	const hidden, inputs = 2, 2
	return newModel(14).input("x", steps, 1, inputs).output("y").
		floats("W", []int64{directions, gates * hidden, inputs}, ramp(int(directions*gates*hidden*inputs))...).
		floats("R", []int64{directions, gates * hidden, hidden}, ramp(int(directions*gates*hidden*hidden))...).
		floats("B", []int64{directions, 2 * gates * hidden}, ramp(int(directions*2*gates*hidden))...).
		node(op, "/rnn/"+op, list("x", "W", "R", "B"), list("y"), append([]any{"hidden_size", hidden}, attrs...)...)
}

func TestRecurrentText(t *testing.T) {
	m, err := Parse("net", rnn("LSTM", 4, 2, 1).bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, `network net(x: f32[2,1,2] in [0,1]) -> f32[2,1,1,2] name: y {
  rnn.input.pixels = transpose(x, perm: [2,0,1])
  rnn.input = conv2d(rnn.input.pixels, filters: 8, kernel: 1)
  rnn.t0.pixel = slice(rnn.input, start: [0,0,0], size: [8,1,1])
  rnn.t0.x = reshape(rnn.t0.pixel, shape: [8])
  rnn.t0.sums = slice(rnn.t0.x, start: [0], size: [6])
  rnn.t0.gates = sigmoid(rnn.t0.sums)
  rnn.t0.inner = slice(rnn.t0.x, start: [6], size: [2])
  rnn.t0.candidate = tanh(rnn.t0.inner)
  rnn.t0.i = slice(rnn.t0.gates, start: [0], size: [2])
  rnn.t0.new = mul(rnn.t0.i, rnn.t0.candidate)
  rnn.t0.o = slice(rnn.t0.gates, start: [2], size: [2])
  rnn.t0.squashed = tanh(rnn.t0.new)
  rnn.t0.out = mul(rnn.t0.o, rnn.t0.squashed)
  rnn.t1.pixel = slice(rnn.input, start: [0,1,0], size: [8,1,1])
  rnn.t1.x = reshape(rnn.t1.pixel, shape: [8])
  rnn.hidden = linear(rnn.t0.out, units: 8)
  rnn.t1.hidden.sum = add(rnn.t1.x, rnn.hidden)
  rnn.t1.sums = slice(rnn.t1.hidden.sum, start: [0], size: [6])
  rnn.t1.gates = sigmoid(rnn.t1.sums)
  rnn.t1.inner = slice(rnn.t1.hidden.sum, start: [6], size: [2])
  rnn.t1.candidate = tanh(rnn.t1.inner)
  rnn.t1.i = slice(rnn.t1.gates, start: [0], size: [2])
  rnn.t1.new = mul(rnn.t1.i, rnn.t1.candidate)
  rnn.t1.f = slice(rnn.t1.gates, start: [4], size: [2])
  rnn.t1.kept = mul(rnn.t1.f, rnn.t0.new)
  rnn.t1.cell = add(rnn.t1.kept, rnn.t1.new)
  rnn.t1.o = slice(rnn.t1.gates, start: [2], size: [2])
  rnn.t1.squashed = tanh(rnn.t1.cell)
  rnn.t1.out = mul(rnn.t1.o, rnn.t1.squashed)
  rnn.sequence = concat(rnn.t0.out, rnn.t1.out)
  rnn.sequence.shape = reshape(rnn.sequence, shape: [2,1,1,2])
  return rnn.sequence.shape
}
`, m.Source())
}

// TestStepsShareTheirWeights unrolls a few steps: constants stay as many.
func TestStepsShareTheirWeights(t *testing.T) {
	for _, steps := range []int64{2, 3, build.FewSteps} {
		for op, gates := range map[string]int64{"LSTM": 4, "GRU": 3} {
			m, err := Parse("net", rnn(op, gates, steps, 2, "direction", "bidirectional", "linear_before_reset", 1).bytes(), Options{})
			require.NoError(t, err)
			require.Len(t, m.Layers(), 4)
			assert.Equal(t, []string{"rnn.input", "rnn.hidden", "rnn.reverse.input", "rnn.reverse.hidden"},
				[]string{m.Layers()[0].Name(), m.Layers()[1].Name(), m.Layers()[2].Name(), m.Layers()[3].Name()})
			assert.Len(t, m.Tied(m.Layers()[1]), int(steps)-1)
			weights := 0
			for _, c := range m.Consts {
				if strings.HasSuffix(c.Name, "hidden.weight") {
					weights++
				}
			}
			assert.Equal(t, 2, weights)
		}
	}
}

// TestRecurrentStep holds one step of a GRU to its formula, and a reverse sequence to
// the forward one of turned inputs.
func TestRecurrentStep(t *testing.T) {
	m, err := Parse("net", rnn("GRU", 3, 1, 1).bytes(), Options{})
	require.NoError(t, err)
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	w, b, x := ramp(12), ramp(12), []float64{0, 1. / 17}
	var sums [6]float64
	for i := range sums {
		sums[i] = float64(b[i]) + float64(b[6+i]) + float64(w[2*i])*x[0] + float64(w[2*i+1])*x[1]
	}
	for i, got := range run(t, m) {
		assert.InDelta(t, (1-sigmoid(sums[i]))*math.Tanh(sums[4+i]), got, 1e-6)
	}
	forward, err := Parse("net", rnn("GRU", 3, 3, 1).bytes(), Options{})
	require.NoError(t, err)
	back, err := Parse("net", rnn("GRU", 3, 3, 1, "direction", "reverse").bytes(), Options{})
	require.NoError(t, err)
	turn := func(x []float32) []float32 { return []float32{x[4], x[5], x[2], x[3], x[0], x[1]} }
	in := []float32{.1, .9, .3, .5, .2, .7}
	assert.InDeltaSlice(t, compute(t, forward, in), turn(compute(t, back, turn(in))), 1e-6)
}

func TestRecurrentFaults(t *testing.T) {
	long := rnn("LSTM", 4, build.MaxSteps+1, 1, "clip", float32(3))
	open := rnn("LSTM", 4, 3, 1)
	open.Graph.Node[0].Input[1] = "x"
	batch := rnn("GRU", 3, 3, 1)
	batch.Graph.Input[0] = info("x", []int64{3, 2, 2})
	for want, m := range map[string]*model{
		"of 513 time steps":            long,
		"weights that are computed":    open,
		"of a batch of 2":              batch,
		`in the direction "sideways"`:  rnn("LSTM", 4, 3, 1, "direction", "sideways"),
		"with a clip of -1":            rnn("LSTM", 4, 3, 1, "clip", float32(-1)),
		"has peepholes of shape [1 5]": peepholes(rnn("LSTM", 4, 3, 1), 5),
		"has weights of shapes [1 6 2": rnn("LSTM", 3, 3, 1),
	} {
		_, err := Parse("net.onnx", m.bytes(), Options{})
		assert.ErrorContains(t, err, want)
	}
}

// peepholes adds n numbers that the gates see the cell by.
func peepholes(m *model, n int64) *model {
	n0 := m.Graph.Node[0]
	m.floats("P", []int64{1, n}, ramp(int(n))...)
	n0.Input = append(n0.Input, "", "", "", "P")
	return m
}

// TestLSTMVariants holds peepholes, coupled gates and the bound of the sums to ONNX's
// formulas, over three steps.
func TestLSTMVariants(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	w, b, p, in := ramp(16), ramp(16), ramp(6), []float32{.1, .9, .3, .5, .2, .7}
	for name, c := range map[string]struct {
		peep, coupled bool
		clip          float64
	}{
		"peepholes": {peep: true}, "coupled": {coupled: true}, "bounded": {clip: .25}, "all": {true, true, .25},
	} {
		m := rnn("LSTM", 4, 3, 1, "input_forget", map[bool]int{true: 1}[c.coupled])
		if c.clip > 0 {
			m = rnn("LSTM", 4, 3, 1, "input_forget", map[bool]int{true: 1}[c.coupled], "clip", float32(c.clip))
		}
		if c.peep {
			peepholes(m, 6)
		}
		net, err := Parse("net", m.bytes(), Options{})
		require.NoError(t, err, name)
		var want []float32
		var h, cell [2]float64
		for step := range 3 {
			var sums [8]float64
			for i := range sums {
				sums[i] = float64(b[i]) + float64(b[8+i])
				for k := range 2 {
					sums[i] += float64(w[2*i+k])*float64(in[2*step+k]) + float64(w[2*i+k])*h[k]
				}
			}
			bound := func(x float64) float64 {
				if c.clip > 0 {
					return min(max(x, -c.clip), c.clip)
				}
				return x
			}
			next := h
			for k := range 2 {
				see := func(gate int, c float64) float64 { return sigmoid(bound(sums[2*gate+k] + float64(p[2*gate+k])*c)) }
				if !c.peep {
					see = func(gate int, _ float64) float64 { return sigmoid(bound(sums[2*gate+k])) }
				}
				i, f := see(0, cell[k]), see(2, cell[k])
				if c.coupled {
					f = 1 - i
				}
				cell[k] = f*cell[k] + i*math.Tanh(bound(sums[6+k]))
				next[k] = see(1, cell[k]) * math.Tanh(cell[k])
			}
			h = next
			want = append(want, float32(h[0]), float32(h[1]))
		}
		assert.InDeltaSlice(t, want, compute(t, net, in), 1e-6, name)
	}
}

// TestRecurrentLoopText: more than a few steps are a loop, in each direction.
func TestRecurrentLoopText(t *testing.T) {
	m := rnn("GRU", 3, 6, 2, "direction", "bidirectional", "linear_before_reset", 1)
	m.Graph.Node[0].Output = append(m.Graph.Node[0].Output, "last")
	m.Graph.Output = append(m.Graph.Output, info("last", nil))
	net, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, `network net(x: f32[6,1,2] in [0,1]) -> f32[6,2,1,2] name: y, f32[2,1,2] name: last {
  rnn.input.pixels = transpose(x, perm: [2,0,1])
  rnn.input = conv2d(rnn.input.pixels, filters: 6, kernel: 1)
  rnn.states = recurrent(rnn.input, cell: gru, reset: after)
  rnn.last = slice(rnn.states, start: [0,5,0], size: [2,1,1])
  rnn.last.flat = flatten(rnn.last)
  rnn.reverse.input.pixels = transpose(x, perm: [2,0,1])
  rnn.reverse.input = conv2d(rnn.reverse.input.pixels, filters: 6, kernel: 1)
  rnn.reverse.states = recurrent(rnn.reverse.input, cell: gru, reset: after, back: 1)
  rnn.reverse.last = slice(rnn.reverse.states, start: [0,0,0], size: [2,1,1])
  rnn.reverse.last.flat = flatten(rnn.reverse.last)
  rnn.sequence.directions = concat(rnn.states, rnn.reverse.states)
  rnn.sequence = transpose(rnn.sequence.directions, perm: [1,2,0])
  rnn.last_2 = concat(rnn.last.flat, rnn.reverse.last.flat)
  rnn.sequence.shape = reshape(rnn.sequence, shape: [6,2,1,2])
  rnn.last_2.shape = reshape(rnn.last_2, shape: [2,1,2])
  return rnn.sequence.shape, rnn.last_2.shape
}
`, net.Source())
}

// TestLoopsAreTheUnrolledSteps: a recurrence as a loop computes what it computes unrolled, which the result
// of the cell asks for, or a clip beyond all sums.
func TestLoopsAreTheUnrolledSteps(t *testing.T) {
	const steps = 9
	in := make([]float32, 2*steps)
	for i := range in {
		in[i] = float32(i*7%11) / 11
	}
	for _, c := range []struct {
		op    string
		gates int64
		attrs []any
	}{
		{"LSTM", 4, nil}, {"GRU", 3, nil}, {"GRU", 3, []any{"linear_before_reset", 1}}, {"RNN", 1, nil},
	} {
		for _, direction := range []string{"forward", "reverse", "bidirectional"} {
			directions := int64(1)
			if direction == "bidirectional" {
				directions = 2
			}
			for result := range 2 {
				answer := func(attrs ...any) []float32 {
					m := rnn(c.op, c.gates, steps, directions, append(append(attrs, "direction", direction), c.attrs...)...)
					m.Graph.Node[0].Output = [][]string{{"y"}, {"", "y"}}[result]
					net, err := Parse("net", m.bytes(), Options{})
					require.NoError(t, err)
					isLoop := strings.Contains(net.Source(), "recurrent(")
					assert.Equal(t, len(attrs) == 0, isLoop)
					return compute(t, net, in)
				}
				assert.InDeltaSlice(t, answer("clip", float32(100)), answer(), 1e-6, "%s %s", c.op, direction)
			}
		}
	}
}

// TestLongRecurrences: a loop has any number of steps; one whose cell is a result is unrolled.
func TestLongRecurrences(t *testing.T) {
	net, err := Parse("net", rnn("LSTM", 4, 3*build.MaxSteps, 1).bytes(), Options{})
	require.NoError(t, err)
	assert.Len(t, net.Ops, 5)
	m := rnn("LSTM", 4, 7, 1)
	m.Graph.Node[0].Output = list("", "", "y")
	net, err = Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.NotContains(t, net.Source(), "recurrent(")
	m.Graph.Node[0].Output = list("y", "last", "cell") // as exporters write them, used or not
	net, err = Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.Contains(t, net.Source(), "recurrent(")
}
