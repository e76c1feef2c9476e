package build

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// MaxSteps bounds the time steps that a recurrence is unrolled to, which cannot be a loop: a text
// of a step takes about a kilobyte.
const MaxSteps = 512

// Matrix is constant weights [Rows, Cols] of f32.
type Matrix struct {
	Rows, Cols int
	Data       ir.Data
}

// rows are some rows of a matrix, its bytes taken when they are asked for.
func (m Matrix) rows(first, count int) Matrix {
	if first == 0 && count == m.Rows {
		return m
	}
	return Matrix{count, m.Cols, part{m, first, count}}
}

type part struct {
	of           Matrix
	first, count int
}

func (p part) Load() ([]byte, error) {
	raw, err := p.of.Data.Load()
	if err != nil {
		return nil, err
	}
	row := 4 * p.of.Cols
	if len(raw) != p.of.Rows*row {
		return nil, fmt.Errorf("weights of %d bytes for %d rows of %d", len(raw), p.of.Rows, p.of.Cols)
	}
	return raw[p.first*row : (p.first+p.count)*row], nil
}

// State is a hidden or cell state: computed, of constant numbers, or zero where it is
// neither.
type State struct {
	V *ir.Value
	C []float64
}

func (s State) isZero() bool { return s.V == nil && s.C == nil }

// Coupling says how an LSTM's input and forget gates hang together.
type Coupling int

// The couplings: none, a forget gate that is one minus the input gate (ONNX's
// input_forget), an input gate that is one minus the forget gate (TensorFlow Lite's
// LSTM without input weights).
const (
	Apart Coupling = iota
	ForgetsByInput
	TakesByForget
)

// Recurrence is one direction of an LSTM, a GRU or a plain recurrence: a loop, or unrolled into
// layers and operations of elements. All steps share the weights of the layer of the hidden state. Gates
// lie as ONNX has them: input, output, forget, candidate of an LSTM, update, reset,
// candidate of a GRU.
type Recurrence struct {
	B       *Builder
	Name    string      // of its operations: name.input, name.t0.gates, ...
	Hidden  int         // of each gate
	Acts    []ir.Op     // of gates, of the candidate, and of an LSTM's cell; one of a plain recurrence
	Attrs   [][]ir.Attr // numbers of those functions, in the same order; nil: their defaults
	IsLSTM  bool
	IsPlain bool      // h' = f(x + R*h)
	IsBack  bool      // from the last step on
	Weight  Matrix    // [gates*hidden, inputs] of the input
	Recur   Matrix    // [gates*hidden, outputs] of the hidden state
	Bias    []float64 // that the layer of the inputs adds
	Clip    float64   // bound of what gates and candidate are functions of, 0: none

	// Of a GRU.
	Linear bool      // linear_before_reset
	Reset  []float64 // that its candidate adds to the hidden state's part

	// Of an LSTM.
	Coupled   Coupling
	Peepholes [3][]float64 // what the input, output and forget gate see of the cell, nil: nothing
	CellClip  float64      // bound of the cell, 0: none
	Project   Matrix       // [outputs, hidden] to the hidden state, without Data none
	ProjectBy []float32    // its biases, nil: none
	OutClip   float64      // bound of what is projected, 0: none

	step    int // the one that is being written
	tied    map[string]*ir.Node
	input   *ir.Value // what the layer of the inputs gives all steps, [gates*hidden, steps, 1]
	err     error
	Outputs []*ir.Value // the hidden state after each step, in the order of time; of a loop nil
	IsLoop  bool        // one operation; where Loops says that it can be
	states  *ir.Value   // of a loop: the hidden state after each step, [hidden, steps, 1]
}

// FewSteps is the steps that are smaller unrolled than as a loop.
const FewSteps = 4

// Loops reports whether a recurrence can be one operation that loops over its steps: of more
// than a few, with the usual functions, from states of zero.
func (r *Recurrence) Loops(steps int, h, c State) bool {
	acts := []ir.Op{ir.Sigmoid, ir.Tanh, ir.Tanh}
	switch {
	case r.IsPlain:
		acts = acts[1:2]
	case !r.IsLSTM:
		acts = acts[:2]
	}
	isUsual := slices.Equal(r.Acts, acts) && r.Clip == 0 && r.Coupled == Apart && !r.peeks() && r.CellClip == 0 && r.Project.Data == nil
	return steps > FewSteps && isUsual && h.isZero() && c.isZero()
}

// loop writes a recurrence as one operation, and returns the hidden state after the last step.
func (r *Recurrence) loop(x *ir.Value, steps int) *ir.Value {
	r.project(x)
	if r.err != nil {
		return nil
	}
	name := r.B.Name(r.Name + ".states")
	attrs := []ir.Attr{ir.AttrHidden.Is(r.B.Const(name+".hidden", ir.Shape{r.Recur.Rows, r.Recur.Cols}, r.Recur.Data))}
	switch {
	case r.IsPlain:
		attrs = append(attrs, ir.AttrCell.Is(ir.CellRNN))
	case !r.IsLSTM:
		attrs = append(attrs, ir.AttrCell.Is(ir.CellGRU))
		if r.Linear {
			attrs = append(attrs, ir.AttrReset.Is(ir.ResetAfter), ir.AttrBias.Is(r.B.Floats(name+".bias", ir.Shape{r.Hidden}, narrow(r.Reset))))
		}
	}
	last := steps - 1
	if r.IsBack {
		attrs, last = append(attrs, ir.AttrBack.Is(1)), 0
	}
	if r.states, r.err = r.B.AddNamed(ir.Recurrent, name, []*ir.Value{r.input}, attrs...); r.err != nil {
		return nil
	}
	v, err := r.B.Add(ir.Slice, r.Name+".last", []*ir.Value{r.states}, ir.AttrStarts.Is([]int{0, last, 0}), ir.AttrSize.Is([]int{r.Hidden, 1, 1}))
	if err == nil {
		v, err = r.B.Reshape(v, ir.Shape{r.Hidden})
	}
	r.err = err
	return v
}

// Sequence is the hidden states of all directions of a recurrence after each step, in the order
// of time: elements of [steps, directions, hidden].
func (b *Builder) Sequence(hint string, all []*Recurrence) (*ir.Value, error) {
	var list []*ir.Value
	if !all[0].IsLoop {
		for t := range all[0].Outputs {
			for _, r := range all {
				list = append(list, r.Outputs[t])
			}
		}
		return b.Join(hint, list)
	}
	for _, r := range all {
		list = append(list, r.states)
	}
	v, err := b.Join(hint+".directions", list)
	if err != nil {
		return nil, err
	}
	return b.Add(ir.Transpose, hint, []*ir.Value{v}, ir.AttrPerm.Is([]int{1, 2, 0}))
}

// Run writes all steps of inputs x [steps, 1, inputs] and returns the states after
// the last one; of a loop (Loops) no cell.
func (r *Recurrence) Run(x *ir.Value, steps int, h, c State) (State, State, error) {
	if r.IsLoop {
		h.V = r.loop(x, steps)
		return h, c, r.err
	}
	if steps < 1 || steps > MaxSteps {
		return h, c, fmt.Errorf("of %d time steps, which would be unrolled; at most %d are", steps, MaxSteps)
	}
	r.tied, r.Outputs = map[string]*ir.Node{}, make([]*ir.Value, steps)
	r.project(x)
	for k := range steps {
		if r.err != nil {
			return h, c, r.err
		}
		r.step = k
		if r.IsBack {
			r.step = steps - 1 - k
		}
		switch {
		case r.IsLSTM:
			h, c = r.lstm(r.row(), h, c)
		case r.IsPlain:
			h = State{V: r.act(0, "out", r.bounded(r.plusHidden("hidden", r.row(), h, 0, 1), "bound", r.Clip))}
		default:
			h = r.gru(r.row(), h)
		}
		r.Outputs[r.step] = h.V
	}
	return h, c, r.err
}

// add appends an operation of the current step.
func (r *Recurrence) add(op ir.Op, role string, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
	if r.err != nil {
		return nil
	}
	v, err := r.B.Add(op, fmt.Sprintf("%s.t%d.%s", r.Name, r.step, role), args, attrs...)
	r.err = err
	return v
}

// act is function k of the recurrence.
func (r *Recurrence) act(k int, role string, v *ir.Value) *ir.Value {
	var attrs []ir.Attr
	if r.Attrs != nil {
		attrs = r.Attrs[k]
	}
	return r.add(r.Acts[k], role, []*ir.Value{v}, attrs...)
}

// part is some gates of a vector.
func (r *Recurrence) part(v *ir.Value, role string, first, count int) *ir.Value {
	if r.err != nil || first == 0 && count*r.Hidden == v.Type.Shape[0] {
		return v
	}
	return r.add(ir.Slice, role, []*ir.Value{v}, ir.AttrStarts.Is([]int{first * r.Hidden}), ir.AttrSize.Is([]int{count * r.Hidden}))
}

// affine is scale*x+shift, both of as many numbers as x has elements.
func (r *Recurrence) affine(v *ir.Value, role string, scale, shift []float64) *ir.Value {
	if r.err != nil {
		return nil
	}
	y, err := r.B.ScaleShift(fmt.Sprintf("%s.t%d.%s", r.Name, r.step, role), v, narrow(scale), narrow(shift))
	r.err = err
	return y
}

func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, k := range x {
		out[i] = float32(k)
	}
	return out
}

// plus is x + k of constant numbers.
func (r *Recurrence) plus(v *ir.Value, role string, k []float64) *ir.Value {
	return r.affine(v, role, slices.Repeat([]float64{1}, len(k)), k)
}

// times is x times a state; nil of zero.
func (r *Recurrence) times(v *ir.Value, role string, s State) *ir.Value {
	switch {
	case s.isZero():
		return nil
	case s.C != nil:
		return r.affine(v, role, s.C, make([]float64, len(s.C)))
	}
	return r.add(ir.Mul, role, []*ir.Value{v, s.V})
}

// sum is x + y, where nil is zero.
func (r *Recurrence) sum(role string, x, y *ir.Value) *ir.Value {
	switch {
	case r.err != nil:
		return nil
	case x == nil:
		return y
	case y == nil:
		return x
	}
	return r.add(ir.Add, role, []*ir.Value{x, y})
}

// minus is x - s.
func (r *Recurrence) minus(role string, x *ir.Value, s State) *ir.Value {
	switch {
	case s.isZero():
		return x
	case s.C != nil:
		k := make([]float64, len(s.C))
		for i, v := range s.C {
			k[i] = -v
		}
		return r.plus(x, role, k)
	}
	return r.add(ir.Sub, role, []*ir.Value{x, s.V})
}

// plusState is x + s.
func (r *Recurrence) plusState(role string, x *ir.Value, s State) *ir.Value {
	if s.C != nil {
		return r.plus(x, role, s.C)
	}
	return r.sum(role, x, s.V)
}

// bounded is v within a bound of either sign; 0 bounds nothing.
func (r *Recurrence) bounded(v *ir.Value, role string, bound float64) *ir.Value {
	if bound == 0 {
		return v
	}
	return r.add(ir.Clip, role, []*ir.Value{v}, ir.AttrLow.Is(-bound), ir.AttrHigh.Is(bound))
}

// layer is a layer of weights w: the first step declares its constants, which the
// others share.
func (r *Recurrence) layer(role string, x *ir.Value, w Matrix, bias []float32) *ir.Value {
	if r.err != nil {
		return nil
	}
	if l := r.tied[role]; l != nil {
		attrs := []ir.Attr{ir.AttrWeight.Is(l.Const(ir.AttrWeight))}
		if b := l.Const(ir.AttrBias); b != nil {
			attrs = append(attrs, ir.AttrBias.Is(b))
		}
		return r.add(ir.Linear, role, []*ir.Value{x}, attrs...)
	}
	name := r.B.Name(r.Name + "." + role)
	v, err := r.B.AddNamed(ir.Linear, name, []*ir.Value{x}, r.B.weights(name, w, ir.Shape{w.Rows, w.Cols}, bias)...)
	if r.err = err; err == nil {
		r.tied[role] = v.Def
	}
	return v
}

// weights declares the constants of a layer.
func (b *Builder) weights(name string, w Matrix, shape ir.Shape, bias []float32) []ir.Attr {
	attrs := []ir.Attr{ir.AttrWeight.Is(b.Const(name+".weight", shape, w.Data))}
	if bias != nil {
		attrs = append(attrs, ir.AttrBias.Is(b.Floats(name+".bias", ir.Shape{len(bias)}, bias)))
	}
	return attrs
}

// gates are the rows of the hidden state's weights that belong to some gates.
func (r *Recurrence) gates(first, count int) Matrix {
	return r.Recur.rows(first*r.Hidden, count*r.Hidden)
}

// product is what a layer of the hidden state gives of a constant state: in float64,
// rounded once.
func (r *Recurrence) product(s State, first, count int) []float64 {
	out := make([]float64, count*r.Hidden)
	if s.C == nil {
		return out
	}
	raw, err := r.gates(first, count).Data.Load()
	if err == nil && len(raw) != 4*len(out)*len(s.C) {
		err = errors.New("has a state and weights of other sizes")
	}
	if err != nil {
		r.err = err
		return out
	}
	for i := range out {
		for k, x := range s.C {
			w := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*(i*len(s.C)+k):]))
			out[i] += float64(x * float64(w))
		}
	}
	return out
}

// plusHidden is x plus what the layer of the hidden state gives.
func (r *Recurrence) plusHidden(role string, x *ir.Value, h State, first, count int) *ir.Value {
	switch {
	case h.isZero():
		return x
	case h.C != nil:
		return r.plus(x, role+".sum", r.product(h, first, count))
	}
	return r.sum(role+".sum", x, r.layer(role, h.V, r.gates(first, count), nil))
}

// peeks reports whether a gate sees the cell.
func (r *Recurrence) peeks() bool {
	return slices.ContainsFunc(r.Peepholes[:], func(p []float64) bool { return p != nil })
}

// seen is x and what a gate sees of the cell, p*c.
func (r *Recurrence) seen(role string, x *ir.Value, p []float64, c State) *ir.Value {
	switch {
	case p == nil || c.isZero():
		return x
	case c.C != nil:
		k := make([]float64, len(p))
		for i := range k {
			k[i] = float64(p[i] * c.C[i])
		}
		return r.plus(x, role+".seen", k)
	}
	return r.sum(role+".seen", x, r.affine(c.V, role+".peephole", p, make([]float64, len(p))))
}

// lstm is a step: i, o, f = f(...), c' = f*c + i*g(...), h' = o*h(c').
func (r *Recurrence) lstm(x *ir.Value, h, c State) (State, State) {
	z := r.plusHidden("hidden", x, h, 0, 4)
	// gate is one of the three, which sees the cell where it has peepholes.
	gate := func(k int, role string, c State) *ir.Value {
		s := r.seen(role, r.part(z, role+".sum", k, 1), r.Peepholes[k], c)
		return r.act(0, role, r.bounded(s, role+".bound", r.Clip))
	}
	var inner *ir.Value
	if r.peeks() {
		inner = r.bounded(r.part(z, "inner", 3, 1), "inner.bound", r.Clip)
	} else {
		z = r.bounded(z, "bound", r.Clip)
		gates := r.act(0, "gates", r.part(z, "sums", 0, 3))
		gate = func(k int, role string, _ State) *ir.Value { return r.part(gates, role, k, 1) }
		inner = r.part(z, "inner", 3, 1)
	}
	cand := r.act(1, "candidate", inner)
	var cell *ir.Value
	switch {
	case r.Coupled == ForgetsByInput: // c + i*(g-c)
		in := r.add(ir.Mul, "new", []*ir.Value{gate(0, "i", c), r.minus("change", cand, c)})
		cell = r.plusState("cell", in, c)
	case r.Coupled == TakesByForget: // g - f*(g-c)
		kept := r.add(ir.Mul, "kept", []*ir.Value{gate(2, "f", c), r.minus("change", cand, c)})
		cell = r.add(ir.Sub, "cell", []*ir.Value{cand, kept})
	default:
		in := r.add(ir.Mul, "new", []*ir.Value{gate(0, "i", c), cand})
		var kept *ir.Value
		if !c.isZero() {
			kept = r.times(gate(2, "f", c), "kept", c)
		}
		cell = r.sum("cell", kept, in)
	}
	cell = r.bounded(cell, "cell.bound", r.CellClip)
	out := r.add(ir.Mul, "out", []*ir.Value{gate(1, "o", State{V: cell}), r.act(2, "squashed", cell)})
	if r.Project.Data != nil {
		out = r.bounded(r.layer("projection", out, r.Project, r.ProjectBy), "projected", r.OutClip)
	}
	return State{V: out}, State{V: cell}
}

// gru is a step: z, r = f(...), n = g(... r*h ...), h' = n + z*(h-n).
func (r *Recurrence) gru(x *ir.Value, h State) State {
	var hidden *ir.Value // what a computed state adds to all three, where it is one layer
	if r.Linear && h.V != nil {
		hidden = r.layer("hidden", h.V, r.gates(0, 3), narrow(slices.Concat(make([]float64, 2*r.Hidden), r.Reset)))
	}
	sums := r.part(x, "x.gates", 0, 2)
	if hidden != nil {
		sums = r.sum("sums", sums, r.part(hidden, "h.gates", 0, 2))
	} else {
		sums = r.plusHidden("hidden", sums, h, 0, 2)
	}
	gates := r.act(0, "gates", r.bounded(sums, "sums.bound", r.Clip))
	inner := r.part(x, "x.candidate", 2, 1)
	update, reset := r.part(gates, "z", 0, 1), r.part(gates, "r", 1, 1)
	switch {
	case hidden != nil:
		inner = r.sum("inner", inner, r.add(ir.Mul, "reset", []*ir.Value{reset, r.part(hidden, "h.candidate", 2, 1)}))
	case r.Linear:
		k := r.product(h, 2, 1)
		for i := range k {
			k[i] += r.Reset[i]
		}
		if slices.ContainsFunc(k, func(x float64) bool { return x != 0 }) {
			inner = r.sum("inner", inner, r.times(reset, "reset", State{C: k}))
		}
	case !h.isZero():
		inner = r.sum("inner", inner, r.layer("candidate.hidden", r.times(reset, "reset", h), r.gates(2, 1), nil))
	}
	n := r.act(1, "candidate", r.bounded(inner, "inner.bound", r.Clip))
	switch {
	case h.isZero():
		return State{V: r.add(ir.Sub, "out", []*ir.Value{n, r.add(ir.Mul, "dropped", []*ir.Value{update, n})})}
	case h.C != nil:
		minus := slices.Repeat([]float64{-1}, r.Hidden)
		kept := r.add(ir.Mul, "kept", []*ir.Value{update, r.affine(n, "change", minus, h.C)})
		return State{V: r.sum("out", n, kept)}
	}
	kept := r.add(ir.Mul, "kept", []*ir.Value{update, r.add(ir.Sub, "change", []*ir.Value{h.V, n})})
	return State{V: r.sum("out", n, kept)}
}

// project computes what the inputs give all steps: one layer, of the steps as pixels.
func (r *Recurrence) project(x *ir.Value) {
	var bias []float32
	if slices.ContainsFunc(r.Bias, func(b float64) bool { return b != 0 }) {
		bias = narrow(r.Bias)
	}
	name := r.B.Name(r.Name + ".input")
	attrs := r.B.weights(name, r.Weight, ir.Shape{r.Weight.Rows, r.Weight.Cols, 1, 1}, bias)
	v, err := r.B.Add(ir.Transpose, name+".pixels", []*ir.Value{x}, ir.AttrPerm.Is([]int{2, 0, 1}))
	if err == nil {
		v, err = r.B.AddNamed(ir.Conv2D, name, []*ir.Value{v}, attrs...)
	}
	r.input, r.err = v, err
}

// row is what the inputs give the current step.
func (r *Recurrence) row() *ir.Value {
	rows, v := r.Weight.Rows, r.input
	if v.Type.Shape[1] > 1 {
		v = r.add(ir.Slice, "pixel", []*ir.Value{v}, ir.AttrStarts.Is([]int{0, r.step, 0}), ir.AttrSize.Is([]int{rows, 1, 1}))
	}
	return r.add(ir.Reshape, "x", []*ir.Value{v}, ir.AttrShape.Is([]int{rows}))
}

// Join is values one after the other, the value itself where it is one.
func (b *Builder) Join(hint string, list []*ir.Value) (*ir.Value, error) {
	if len(list) == 1 {
		return list[0], nil
	}
	return b.Add(ir.Concat, hint, list)
}
