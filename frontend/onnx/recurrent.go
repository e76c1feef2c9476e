package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// maxSteps bounds the time steps that a recurrence is unrolled to: a text of a step
// takes about a kilobyte.
const maxSteps = 512

// state is a hidden or cell state: computed, of constant numbers, or zero where it is
// neither.
type state struct {
	v *ir.Value
	c []float64
}

func (s state) isZero() bool { return s.v == nil && s.c == nil }

// recurrence is one direction of an LSTM or a GRU, unrolled into layers and operations
// of elements. All steps share the weights of the layer of the hidden state.
type recurrence struct {
	im     *importer
	name   string // of its operations: name.input, name.t0.gates, ...
	step   int    // the one that is being written
	hidden int
	acts   []ir.Op // of gates, of the candidate, and of an LSTM's cell
	linear bool    // linear_before_reset of a GRU

	weight  *tensor   // [gates*hidden, inputs] of the input
	recur   *tensor   // [gates*hidden, hidden] of the hidden state
	bias    []float64 // that the layer of the inputs adds
	reset   []float64 // that a GRU's candidate adds to the hidden state's part
	tied    map[string]*ir.Node
	input   *ir.Value // what the layer of the inputs gives all steps, [gates*hidden, steps, 1]
	err     error
	outputs []*ir.Value // the hidden state behind each step, in the order of time
}

// add appends an operation of the current step.
func (r *recurrence) add(op ir.Op, role string, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
	if r.err != nil {
		return nil
	}
	v, err := r.im.Add(op, fmt.Sprintf("%s.t%d.%s", r.name, r.step, role), args, attrs...)
	r.err = err
	return v
}

// part is some elements of a vector.
func (r *recurrence) part(v *ir.Value, role string, first, count int) *ir.Value {
	if r.err != nil || first == 0 && count*r.hidden == v.Type.Shape[0] {
		return v
	}
	return r.add(ir.Slice, role, []*ir.Value{v}, build.Attr("start", []int{first * r.hidden}), build.Attr("size", []int{count * r.hidden}))
}

// affine is scale*x+shift, both of as many numbers as x has elements.
func (r *recurrence) affine(v *ir.Value, role string, scale, shift []float64) *ir.Value {
	if r.err != nil {
		return nil
	}
	narrow := func(x []float64) []float32 {
		out := make([]float32, len(x))
		for i, k := range x {
			out[i] = float32(k)
		}
		return out
	}
	y, err := r.im.scaleShift(fmt.Sprintf("%s.t%d.%s", r.name, r.step, role), v, narrow(scale), narrow(shift))
	r.err = err
	return y
}

// plus is x + k of constant numbers.
func (r *recurrence) plus(v *ir.Value, role string, k []float64) *ir.Value {
	return r.affine(v, role, slices.Repeat([]float64{1}, len(k)), k)
}

// times is x times a state; nil of zero.
func (r *recurrence) times(v *ir.Value, role string, s state) *ir.Value {
	switch {
	case s.isZero():
		return nil
	case s.c != nil:
		return r.affine(v, role, s.c, make([]float64, len(s.c)))
	}
	return r.add(ir.Mul, role, []*ir.Value{v, s.v})
}

// sum is x + y, where nil is zero.
func (r *recurrence) sum(role string, x, y *ir.Value) *ir.Value {
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

// layer is a layer of the hidden state, some rows of its weights: the first step
// declares its constants, which the others share.
func (r *recurrence) layer(role string, x *ir.Value, first, count int, bias []float64) *ir.Value {
	if r.err != nil {
		return nil
	}
	if l := r.tied[role]; l != nil {
		attrs := []ir.Attr{build.Attr("weight", l.Const("weight"))}
		if b := l.Const("bias"); b != nil {
			attrs = append(attrs, build.Attr("bias", b))
		}
		return r.add(ir.Linear, role, []*ir.Value{x}, attrs...)
	}
	name := r.im.Name(r.name + "." + role)
	w := r.recur.view(ir.ViewOf(r.recur.shape).Slice(0, first*r.hidden, 1, count*r.hidden))
	var b *tensor
	if bias != nil {
		b = newTensor(float32Type, []int{len(bias)}, bias)
	}
	wc, bc, err := r.im.weights(name, w, ir.Shape(w.shape), b)
	if err != nil {
		r.err = err
		return nil
	}
	v, err := r.im.AddNamed(ir.Linear, name, []*ir.Value{x}, build.Attr("weight", wc), build.Attr("bias", bc))
	if r.err = err; err == nil {
		r.tied[role] = v.Def
	}
	return v
}

// product is what a layer of the hidden state gives of a constant state: in float64,
// rounded once.
func (r *recurrence) product(s state, first, count int) []float64 {
	out := make([]float64, count*r.hidden)
	if s.c == nil {
		return out
	}
	w, err := r.recur.floats()
	if err != nil {
		r.err = err
		return out
	}
	for i := range out {
		for k, x := range s.c {
			out[i] += float64(x * float64(w[(first*r.hidden+i)*r.hidden+k]))
		}
	}
	return out
}

// plusHidden is x plus what the layer of the hidden state gives.
func (r *recurrence) plusHidden(role string, x *ir.Value, h state, first, count int) *ir.Value {
	switch {
	case h.isZero():
		return x
	case h.c != nil:
		return r.plus(x, role+".sum", r.product(h, first, count))
	}
	return r.sum(role+".sum", x, r.layer(role, h.v, first, count, nil))
}

// lstm is a step: i, o, f = f(...), c' = f*c + i*g(...), h' = o*h(c').
func (r *recurrence) lstm(x *ir.Value, h, c state) (state, state) {
	z := r.plusHidden("hidden", x, h, 0, 4)
	gates := r.add(r.acts[0], "gates", []*ir.Value{r.part(z, "sums", 0, 3)})
	cand := r.add(r.acts[1], "candidate", []*ir.Value{r.part(z, "inner", 3, 1)})
	in := r.add(ir.Mul, "new", []*ir.Value{r.part(gates, "i", 0, 1), cand})
	var kept *ir.Value
	if !c.isZero() {
		kept = r.times(r.part(gates, "f", 2, 1), "kept", c)
	}
	cell := r.sum("cell", kept, in)
	out := r.add(ir.Mul, "out", []*ir.Value{r.part(gates, "o", 1, 1), r.add(r.acts[2], "squashed", []*ir.Value{cell})})
	return state{v: out}, state{v: cell}
}

// gru is a step: z, r = f(...), n = g(... r*h ...), h' = n + z*(h-n).
func (r *recurrence) gru(x *ir.Value, h state) state {
	var hidden *ir.Value // what a computed state adds to all three, where it is one layer
	if r.linear && h.v != nil {
		hidden = r.layer("hidden", h.v, 0, 3, slices.Concat(make([]float64, 2*r.hidden), r.reset))
	}
	sums := r.part(x, "x.gates", 0, 2)
	if hidden != nil {
		sums = r.sum("sums", sums, r.part(hidden, "h.gates", 0, 2))
	} else {
		sums = r.plusHidden("hidden", sums, h, 0, 2)
	}
	gates := r.add(r.acts[0], "gates", []*ir.Value{sums})
	inner := r.part(x, "x.candidate", 2, 1)
	update, reset := r.part(gates, "z", 0, 1), r.part(gates, "r", 1, 1)
	switch {
	case hidden != nil:
		inner = r.sum("inner", inner, r.add(ir.Mul, "reset", []*ir.Value{reset, r.part(hidden, "h.candidate", 2, 1)}))
	case r.linear:
		k := r.product(h, 2, 1)
		for i := range k {
			k[i] += r.reset[i]
		}
		if slices.ContainsFunc(k, func(x float64) bool { return x != 0 }) {
			inner = r.sum("inner", inner, r.times(reset, "reset", state{c: k}))
		}
	case !h.isZero():
		inner = r.sum("inner", inner, r.layer("candidate.hidden", r.times(reset, "reset", h), 2, 1, nil))
	}
	n := r.add(r.acts[1], "candidate", []*ir.Value{inner})
	switch {
	case h.isZero():
		return state{v: r.add(ir.Sub, "out", []*ir.Value{n, r.add(ir.Mul, "dropped", []*ir.Value{update, n})})}
	case h.c != nil:
		minus := slices.Repeat([]float64{-1}, r.hidden)
		kept := r.add(ir.Mul, "kept", []*ir.Value{update, r.affine(n, "change", minus, h.c)})
		return state{v: r.sum("out", n, kept)}
	}
	kept := r.add(ir.Mul, "kept", []*ir.Value{update, r.add(ir.Sub, "change", []*ir.Value{h.v, n})})
	return state{v: r.sum("out", n, kept)}
}

// project computes what the inputs give all steps: one layer, of the steps as pixels.
func (r *recurrence) project(x *operand, steps int) {
	var bias *tensor
	if slices.ContainsFunc(r.bias, func(b float64) bool { return b != 0 }) {
		bias = newTensor(float32Type, []int{len(r.bias)}, r.bias)
	}
	name, rows, inputs := r.im.Name(r.name+".input"), r.weight.shape[0], r.weight.shape[1]
	wc, bc, err := r.im.weights(name, r.weight, ir.Shape{rows, inputs, 1, 1}, bias)
	if err != nil {
		r.err = err
		return
	}
	v, err := r.im.as(x, ir.Shape{steps, 1, inputs})
	if err == nil {
		v, err = r.im.Add(ir.Transpose, name+".pixels", []*ir.Value{v}, build.Attr("perm", []int{2, 0, 1}))
	}
	if err == nil {
		v, err = r.im.AddNamed(ir.Conv2D, name, []*ir.Value{v}, build.Attr("weight", wc), build.Attr("bias", bc))
	}
	r.input, r.err = v, err
}

// row is what the inputs give the current step.
func (r *recurrence) row() *ir.Value {
	rows := r.weight.shape[0]
	v := r.pixel(r.input, rows)
	return r.add(ir.Reshape, "x", []*ir.Value{v}, build.Attr("shape", []int{rows}))
}

// pixel is the pixel of the current step.
func (r *recurrence) pixel(v *ir.Value, rows int) *ir.Value {
	if r.err != nil || v.Type.Shape[1] == 1 {
		return v
	}
	return r.add(ir.Slice, "pixel", []*ir.Value{v}, build.Attr("start", []int{0, r.step, 0}), build.Attr("size", []int{rows, 1, 1}))
}

// activations are the functions of gates and candidates that a node names, for each of
// its directions.
func activations(n *pb.Node, directions int, absent []ir.Op) ([]ir.Op, error) {
	a := attr(n, "activations")
	if a == nil || len(a.Strings) == 0 {
		return slices.Repeat(absent, directions), nil
	}
	for _, name := range []string{"activation_alpha", "activation_beta", "clip"} {
		if attr(n, name) != nil {
			return nil, fmt.Errorf("with %s", name)
		}
	}
	known := map[string]ir.Op{"Sigmoid": ir.Sigmoid, "Tanh": ir.Tanh, "Relu": ir.Relu, "HardSigmoid": ir.HardSigmoid, "Softplus": ir.Softplus}
	var ops []ir.Op
	for _, s := range a.Strings {
		op, ok := known[string(s)]
		if !ok {
			return nil, fmt.Errorf("with the activation %q", s)
		}
		ops = append(ops, op)
	}
	if len(ops) != directions*len(absent) {
		return nil, fmt.Errorf("has %d activations for %d directions", len(ops), directions)
	}
	return ops, nil
}

// recurrent imports LSTM and GRU of one batch with constant weights, unrolled over
// their time steps.
func recurrent(gates int) runner {
	absent := []ir.Op{ir.Sigmoid, ir.Tanh, ir.Tanh}[:gates-1] // a GRU has three gates, two functions
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		layout := intAttr(n, "layout", 0)
		s := slices.Clone(in[0].shape)
		if in[0].v == nil {
			return nil, errors.New("has a constant for an argument that must be computed")
		}
		if len(s) != 3 {
			return nil, fmt.Errorf("of a sequence of shape %v", s)
		}
		if layout == 1 {
			s[0], s[1] = s[1], s[0]
		}
		steps, batch, inputs := s[0], s[1], s[2]
		switch {
		case batch != 1:
			return nil, fmt.Errorf("of a batch of %d; networks are compiled for one, which -shape can say", batch)
		case steps > maxSteps:
			return nil, fmt.Errorf("of %d time steps, which would be unrolled; at most %d are: -shape gives shorter sequences, whose states the caller carries on", steps, maxSteps)
		case intAttr(n, "input_forget", 0) != 0 || attr(n, "clip") != nil:
			return nil, errors.New("with input_forget or clip")
		}
		direction := textAttr(n, "direction", "forward")
		directions := map[string]int{"forward": 1, "reverse": 1, "bidirectional": 2}[direction]
		if directions == 0 {
			return nil, fmt.Errorf("in the direction %q", direction)
		}
		var consts [3]*tensor
		for i, what := range []string{"weights", "weights", "biases"} {
			var err error
			if consts[i], err = constant(in, i+1, what); err != nil {
				return nil, err
			}
		}
		w, recur, b := consts[0], consts[1], consts[2]
		if len(recur.shape) != 3 {
			return nil, fmt.Errorf("has weights of shape %v", recur.shape)
		}
		hidden := recur.shape[2]
		rows := gates * hidden
		if hidden < 1 || !slices.Equal(w.shape, []int{directions, rows, inputs}) || !slices.Equal(recur.shape, []int{directions, rows, hidden}) || !w.typ.isFloat() || !recur.typ.isFloat() {
			return nil, fmt.Errorf("has weights of shapes %v and %v for %d inputs", w.shape, recur.shape, inputs)
		}
		if given := intAttr(n, "hidden_size", hidden); given != hidden {
			return nil, fmt.Errorf("has a hidden_size of %d and weights of %d", given, hidden)
		}
		bias := make([]float64, 2*rows*directions)
		if b != nil {
			var err error
			if bias, err = b.numbers(); err != nil || len(bias) != 2*rows*directions {
				return nil, fmt.Errorf("has biases of shape %v", b.shape)
			}
		}
		if err := wholeLengths(in, steps); err != nil {
			return nil, err
		}
		acts, err := activations(n, directions, absent)
		if err != nil {
			return nil, err
		}
		h, err := im.states(n, in, 5, directions, hidden)
		if err != nil {
			return nil, err
		}
		c := make([]state, directions)
		if gates == 4 {
			if c, err = im.states(n, in, 6, directions, hidden); err != nil {
				return nil, err
			}
			if p, err := constant(in, 7, "peepholes"); err != nil {
				return nil, err
			} else if p != nil {
				x, err := p.numbers()
				if err != nil || slices.ContainsFunc(x, func(v float64) bool { return v != 0 }) {
					return nil, errors.New("with peepholes")
				}
			}
		}
		var all []*recurrence
		for d := range directions {
			r := &recurrence{
				im: im, name: moduleName(n), hidden: hidden, acts: acts[d*len(absent) : (d+1)*len(absent)],
				linear: intAttr(n, "linear_before_reset", 0) != 0, tied: map[string]*ir.Node{},
				weight: w.view(ir.ViewOf(w.shape).Slice(0, d, 1, 1)).reshaped([]int{rows, inputs}),
				recur:  recur.view(ir.ViewOf(recur.shape).Slice(0, d, 1, 1)).reshaped([]int{rows, hidden}),
			}
			isBack := direction == "reverse" || d == 1
			if isBack {
				r.name += ".reverse"
			}
			own := bias[2*rows*d : 2*rows*(d+1)]
			r.bias = slices.Clone(own[:rows])
			for i, v := range own[rows:] {
				if gates == 3 && r.linear && i >= 2*hidden {
					r.reset = append(r.reset, v)
				} else {
					r.bias[i] += v
				}
			}
			h[d], c[d] = r.run(in[0], steps, h[d], c[d], gates == 4, isBack)
			if r.err != nil {
				return nil, r.err
			}
			all = append(all, r)
		}
		return im.recurred(n, all, h, c, steps, layout)
	}
}

// run writes all steps and returns the states behind the last one.
func (r *recurrence) run(x *operand, steps int, h, c state, isLSTM, isBack bool) (state, state) {
	r.project(x, steps)
	r.outputs = make([]*ir.Value, steps)
	for k := range steps {
		if r.err != nil {
			return h, c
		}
		t := k
		if isBack {
			t = steps - 1 - k
		}
		r.step = t
		if isLSTM {
			h, c = r.lstm(r.row(), h, c)
		} else {
			h = r.gru(r.row(), h)
		}
		r.outputs[t] = h.v
	}
	return h, c
}

// wholeLengths reports lengths of sequences that are not all of it.
func wholeLengths(in []*operand, steps int) error {
	lens, err := constant(in, 4, "lengths")
	if err != nil || lens == nil {
		return err
	}
	x, err := lens.smallInts()
	if err != nil || slices.ContainsFunc(x, func(l int) bool { return l != steps }) {
		return fmt.Errorf("has sequences of lengths %v among %d steps", x, steps)
	}
	return nil
}

// states are the initial states of argument i, one a direction.
func (im *importer) states(n *pb.Node, in []*operand, i, directions, hidden int) ([]state, error) {
	out := make([]state, directions)
	if i >= len(in) || in[i] == nil {
		return out, nil
	}
	o := in[i]
	if product(o.shape) != directions*hidden {
		return nil, fmt.Errorf("has an initial state of shape %v for %d numbers", o.shape, directions*hidden)
	}
	if o.c != nil {
		x, err := o.c.numbers()
		if err != nil {
			return nil, err
		}
		for d := range out {
			if part := x[d*hidden : (d+1)*hidden]; slices.ContainsFunc(part, func(v float64) bool { return v != 0 }) {
				out[d].c = part
			}
		}
		return out, nil
	}
	for d := range out {
		part, err := im.viewed(n, &operand{v: o.v, shape: []int{directions, hidden}}, ir.ViewOf([]int{directions, hidden}).Slice(0, d, 1, 1))
		if err != nil {
			return nil, err
		}
		if out[d].v, err = im.as(part[0], ir.Shape{hidden}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// recurred are the results of a recurrence: all hidden states, and the last ones.
func (im *importer) recurred(n *pb.Node, all []*recurrence, h, c []state, steps, layout int) ([]*operand, error) {
	hidden, directions := all[0].hidden, len(all)
	join := func(name string, list []*ir.Value) (*ir.Value, error) {
		if len(list) == 1 {
			return list[0], nil
		}
		return im.Add(ir.Concat, moduleName(n)+"."+name, list)
	}
	var sequence []*ir.Value
	for t := range steps {
		for _, r := range all {
			sequence = append(sequence, r.outputs[t])
		}
	}
	shapes := [][]int{{steps, directions, 1, hidden}, {directions, 1, hidden}, {directions, 1, hidden}}
	if layout == 1 {
		shapes = [][]int{{1, steps, directions, hidden}, {1, directions, hidden}, {1, directions, hidden}}
	}
	var outs []*operand
	for i, list := range [][]*ir.Value{sequence, valuesOf(h), valuesOf(c)} {
		if i >= len(n.Output) || n.Output[i] == "" {
			outs = append(outs, nil)
			continue
		}
		v, err := join([]string{"sequence", "last", "cell"}[i], list)
		if err != nil {
			return nil, err
		}
		outs = append(outs, &operand{v: v, shape: shapes[i]})
	}
	return outs, nil
}

func valuesOf(states []state) (list []*ir.Value) {
	for _, s := range states {
		list = append(list, s.v)
	}
	return list
}
