package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// gateFunctions are ONNX's names of the functions of recurrences, with the attributes
// that activation_alpha and activation_beta are, and their values where they are absent.
var gateFunctions = map[string]struct {
	op     ir.Op
	alpha  ir.Key[float64]
	beta   ir.Key[float64]
	absent []float64
}{
	"Sigmoid": {op: ir.Sigmoid}, "Tanh": {op: ir.Tanh}, "Relu": {op: ir.Relu}, "Softplus": {op: ir.Softplus}, "Softsign": {op: ir.Softsign},
	"HardSigmoid":     {ir.HardSigmoid, ir.AttrAlpha, ir.AttrOffset, []float64{.2, .5}},
	"LeakyRelu":       {ir.LeakyRelu, ir.AttrAlpha, ir.Key[float64]{}, []float64{.01}},
	"Elu":             {ir.Elu, ir.AttrAlpha, ir.Key[float64]{}, []float64{1}},
	"ThresholdedRelu": {ir.ThresholdedRelu, ir.AttrAlpha, ir.Key[float64]{}, []float64{1}},
	"Affine":          {ir.Pow, ir.AttrGain, ir.AttrOffset, []float64{1, 0}}, // to the power of 1
}

// activations are the functions of gates and candidates that a node names, for each of
// its directions, with their numbers. Numbers are given for the functions that have any,
// in their order.
func activations(n *pb.Node, directions int, absent []string) (ops []ir.Op, attrs [][]ir.Attr, err error) {
	names := slices.Repeat(absent, directions)
	if a := attr(n, "activations"); a != nil && len(a.Strings) > 0 {
		names = nil
		for _, s := range a.Strings {
			names = append(names, string(s))
		}
	}
	var given [2][]float32
	for i, name := range []string{"activation_alpha", "activation_beta"} {
		if a := attr(n, name); a != nil {
			given[i] = slices.Clone(a.Floats)
		}
	}
	for _, name := range names {
		f, ok := gateFunctions[name]
		if !ok {
			return nil, nil, fmt.Errorf("with the activation %q", name)
		}
		var own []ir.Attr
		for i, v := range f.absent {
			if len(given[i]) > 0 {
				v, given[i] = float64(given[i][0]), given[i][1:]
			}
			own = append(own, []ir.Key[float64]{f.alpha, f.beta}[i].Is(build.ShortFloat(v)))
		}
		if f.op == ir.Pow {
			own = append(own, ir.AttrExponent.Is(1.))
		}
		ops, attrs = append(ops, f.op), append(attrs, own)
	}
	if len(ops) != directions*len(absent) {
		return nil, nil, fmt.Errorf("has %d activations for %d directions", len(ops), directions)
	}
	return ops, attrs, nil
}

// recurrent imports LSTM, GRU and RNN (4, 3 and 1 gates) of one batch with constant
// weights, as loops over their time steps or unrolled.
func recurrent(gates int) runner {
	absent := map[int][]string{4: {"Sigmoid", "Tanh", "Tanh"}, 3: {"Sigmoid", "Tanh"}, 1: {"Tanh"}}[gates]
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
		steps, batch, inputs, clip := s[0], s[1], s[2], build.ShortFloat(floatAttr(n, "clip", 0))
		switch {
		case batch != 1:
			return nil, fmt.Errorf("of a batch of %d; networks are compiled for one, which -shape can say", batch)
		case !(clip >= 0):
			return nil, fmt.Errorf("with a clip of %v", clip)
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
		acts, numbers, err := activations(n, directions, absent)
		if err != nil {
			return nil, err
		}
		h, err := im.states(n, in, 5, directions, hidden)
		if err != nil {
			return nil, err
		}
		c := make([]build.State, directions)
		var peepholes []float64
		if gates == 4 {
			if c, err = im.states(n, in, 6, directions, hidden); err != nil {
				return nil, err
			}
			if p, err := constant(in, 7, "peepholes"); err != nil {
				return nil, err
			} else if p != nil {
				x, err := p.numbers()
				if err != nil || len(x) != directions*3*hidden {
					return nil, fmt.Errorf("has peepholes of shape %v", p.shape)
				}
				if slices.ContainsFunc(x, func(v float64) bool { return v != 0 }) {
					peepholes = x
				}
			}
		}
		sequence, err := im.as(in[0], ir.Shape{steps, 1, inputs})
		if err != nil {
			return nil, err
		}
		var all []*build.Recurrence
		for d := range directions {
			r := &build.Recurrence{
				B: im.Builder, Name: moduleName(n), Hidden: hidden, Acts: acts[d*len(absent) : (d+1)*len(absent)], Attrs: numbers[d*len(absent) : (d+1)*len(absent)],
				IsLSTM: gates == 4, IsPlain: gates == 1, IsBack: direction == "reverse" || d == 1, Linear: intAttr(n, "linear_before_reset", 0) != 0, Clip: clip,
				Weight: matrix(w, d), Recur: matrix(recur, d),
			}
			if r.IsLSTM && intAttr(n, "input_forget", 0) != 0 {
				r.Coupled = build.ForgetsByInput
			}
			for k := range r.Peepholes {
				if peepholes != nil {
					r.Peepholes[k] = peepholes[(3*d+k)*hidden:][:hidden]
				}
			}
			if r.IsBack {
				r.Name += ".reverse"
			}
			own := bias[2*rows*d : 2*rows*(d+1)]
			r.Bias = slices.Clone(own[:rows])
			for i, v := range own[rows:] {
				if gates == 3 && r.Linear && i >= 2*hidden {
					r.Reset = append(r.Reset, v)
				} else {
					r.Bias[i] += v
				}
			}
			all = append(all, r)
		}
		isLoop := !im.isUsed(n, 2) // a loop has no cell for a result
		for d, r := range all {
			isLoop = isLoop && r.Loops(steps, h[d], c[d])
		}
		if steps > build.MaxSteps && !isLoop {
			return nil, fmt.Errorf("of %d time steps, which would be unrolled; at most %d are: -shape gives shorter sequences, whose states the caller carries on. A loop may have any number of steps: it needs the usual activations, initial states of zero, no clip, input_forget or peepholes, and no use of Y_c", steps, build.MaxSteps)
		}
		for d, r := range all {
			r.IsLoop = isLoop
			if h[d], c[d], err = r.Run(sequence, steps, h[d], c[d]); err != nil {
				return nil, err
			}
		}
		return im.recurred(n, all, h, c, steps, layout)
	}
}

// matrix are the weights of a direction.
func matrix(t *tensor, direction int) build.Matrix {
	s := t.shape[1:]
	return build.Matrix{Rows: s[0], Cols: s[1], Data: t.view(ir.ViewOf(t.shape).Slice(0, direction, 1, 1)).float32s()}
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
func (im *importer) states(n *pb.Node, in []*operand, i, directions, hidden int) ([]build.State, error) {
	out := make([]build.State, directions)
	if i >= len(in) || in[i] == nil {
		return out, nil
	}
	o := in[i]
	if build.Product(o.shape) != directions*hidden {
		return nil, fmt.Errorf("has an initial state of shape %v for %d numbers", o.shape, directions*hidden)
	}
	if o.c != nil {
		x, err := o.c.numbers()
		if err != nil {
			return nil, err
		}
		for d := range out {
			if part := x[d*hidden : (d+1)*hidden]; slices.ContainsFunc(part, func(v float64) bool { return v != 0 }) {
				out[d].C = part
			}
		}
		return out, nil
	}
	for d := range out {
		part, err := im.viewed(n, &operand{v: o.v, shape: []int{directions, hidden}}, ir.ViewOf([]int{directions, hidden}).Slice(0, d, 1, 1))
		if err != nil {
			return nil, err
		}
		if out[d].V, err = im.as(part[0], ir.Shape{hidden}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// recurred are the results of a recurrence: all hidden states, and the last ones.
func (im *importer) recurred(n *pb.Node, all []*build.Recurrence, h, c []build.State, steps, layout int) ([]*operand, error) {
	hidden, directions := all[0].Hidden, len(all)
	shapes := [][]int{{steps, directions, 1, hidden}, {directions, 1, hidden}, {directions, 1, hidden}}
	if layout == 1 {
		shapes = [][]int{{1, steps, directions, hidden}, {1, directions, hidden}, {1, directions, hidden}}
	}
	var outs []*operand
	name := moduleName(n)
	join := func(role string, states []build.State) (*ir.Value, error) {
		return im.Join(name+role, valuesOf(states))
	}
	for i, result := range []func() (*ir.Value, error){
		func() (*ir.Value, error) { return im.Sequence(name+".sequence", all) },
		func() (*ir.Value, error) { return join(".last", h) },
		func() (*ir.Value, error) { return join(".cell", c) },
	} {
		if !im.isUsed(n, i) {
			outs = append(outs, nil)
			continue
		}
		v, err := result()
		if err != nil {
			return nil, err
		}
		outs = append(outs, &operand{v: v, shape: shapes[i]})
	}
	return outs, nil
}

// isUsed reports whether a result of a node is a result of the model, or another node's argument.
func (im *importer) isUsed(n *pb.Node, i int) bool {
	if i >= len(n.Output) || n.Output[i] == "" {
		return false
	}
	return len(im.users[n.Output[i]]) > 0 || im.results[n.Output[i]]
}

func valuesOf(states []build.State) (list []*ir.Value) {
	for _, s := range states {
		list = append(list, s.V)
	}
	return list
}
