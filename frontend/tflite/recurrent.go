package tflite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// The arguments of UNIDIRECTIONAL_SEQUENCE_LSTM. Gates lie in the order input,
// forget, candidate, output.
const (
	lstmInput      = 0
	lstmWeights    = 1 // of the input, one a gate
	lstmRecurrent  = 5 // of the hidden state, one a gate
	lstmPeepholes  = 9 // of input, forget, output
	lstmBiases     = 12
	lstmProjection = 16 // and its biases
	lstmStates     = 18 // hidden, cell: zero where every run begins
	lstmNorms      = 20 // of a layer normalisation, one a gate
)

// onnxOrder are the gates as a recurrence has them: input, output, forget, candidate.
var onnxOrder = [4]int{0, 3, 1, 2}

// lstm imports UNIDIRECTIONAL_SEQUENCE_LSTM of one batch with constant weights, as
// a loop over its time steps or unrolled; every run of it begins with states of zero.
func lstm(im *importer, o *operator, x *operand) error {
	s, isTimeFirst := slices.Clone(x.shape), o.options.byte(3, 0) != 0
	if len(s) != 3 {
		return fmt.Errorf("of a sequence of shape %v", x.shape)
	}
	if isTimeFirst {
		s[0], s[1] = s[1], s[0]
	}
	batch, steps, inputs := s[0], s[1], s[2]
	if batch != 1 {
		return fmt.Errorf("of a batch of %d; networks are compiled for one", batch)
	}
	for _, k := range []int{0, 1} {
		if i := lstmStates + k; i < len(o.in) && o.in[i] >= 0 && (im.values[o.in[i]] != nil || im.tensors[o.in[i]].data != nil) {
			return errors.New("has an initial state")
		}
	}
	for k := range 4 {
		if i := lstmNorms + k; i < len(o.in) && o.in[i] >= 0 {
			return errors.New("with a layer normalisation of its gates")
		}
	}
	if im.exact {
		return im.exactLSTM(o, x, steps, inputs)
	}
	act, ok := map[int]ir.Op{actRelu: ir.Relu, actRelu6: ir.Relu6, actTanh: ir.Tanh}[o.options.byte(0, 0)]
	if !ok {
		return fmt.Errorf("has the fused activation %d", o.options.byte(0, 0))
	}
	own, err := im.gateWeights(o, lstmWeights, inputs)
	if err != nil {
		return err
	}
	hidden := own.Rows / 4
	outputs := hidden
	projection, err := im.constant(o, lstmProjection)
	if err != nil {
		return err
	}
	r := &build.Recurrence{
		B: im.Builder, Name: im.hint(o), Hidden: hidden, Acts: []ir.Op{ir.Sigmoid, act, act}, IsLSTM: true,
		Weight: own, CellClip: clipOf(o.options.float(1, 0)),
	}
	if projection != nil {
		if len(projection.shape) != 2 || projection.shape[1] != hidden {
			return fmt.Errorf("has a projection of shape %v of %d numbers", projection.shape, hidden)
		}
		outputs = projection.shape[0]
		r.Project, r.OutClip = matrixOf(projection), clipOf(o.options.float(2, 0))
		if r.ProjectBy, err = im.vector(o, lstmProjection+1, outputs, false); err != nil {
			return err
		}
	}
	if r.Recur, err = im.gateWeights(o, lstmRecurrent, outputs); err != nil {
		return err
	}
	if r.Recur.Rows != own.Rows {
		return fmt.Errorf("has weights of %d and of %d gates", own.Rows, r.Recur.Rows)
	}
	takesByForget := o.in[lstmWeights] < 0
	if takesByForget != (o.in[lstmRecurrent] < 0) {
		return errors.New("has weights of one kind only for its input gate")
	}
	if takesByForget {
		r.Coupled = build.TakesByForget
	}
	for _, gate := range onnxOrder {
		b, err := im.vector(o, lstmBiases+gate, hidden, gate > 0 || !takesByForget)
		if err != nil {
			return err
		}
		for i := range hidden {
			v := 0.
			if b != nil {
				v = float64(b[i])
			}
			r.Bias = append(r.Bias, v)
		}
	}
	for k, at := range [3]int{0, 2, 1} { // input, output, forget
		p, err := im.vector(o, lstmPeepholes+at, hidden, false)
		if err != nil {
			return err
		}
		for _, v := range p {
			r.Peepholes[k] = append(r.Peepholes[k], float64(v))
		}
	}
	v, err := im.flat(x, ir.Shape{steps, 1, inputs})
	if err != nil {
		return err
	}
	if r.IsLoop = r.Loops(steps, build.State{}, build.State{}); steps > build.MaxSteps && !r.IsLoop {
		return fmt.Errorf("of %d time steps, which would be unrolled; at most %d are: convert the model for shorter sequences, whose states the caller carries on", steps, build.MaxSteps)
	}
	if _, _, err := r.Run(v, steps, build.State{}, build.State{}); err != nil {
		return err
	}
	y, err := im.Sequence(im.hint(o), []*build.Recurrence{r})
	if err != nil {
		return err
	}
	s[2] = outputs
	if isTimeFirst {
		s[0], s[1] = s[1], s[0]
	}
	if y, err = im.reshape(y, build.Canonical(s)); err != nil {
		return err
	}
	return im.give(o, &operand{v: y, shape: s})
}

// clipOf is a bound of either sign; what is none is 0.
func clipOf(x float64) float64 {
	if !(x > 0) || x > 1e30 {
		return 0
	}
	return x
}

// gateWeights are the weights of all gates, one below the other; those that an
// input gate does without are zero.
func (im *importer) gateWeights(o *operator, first, cols int) (m build.Matrix, err error) {
	var gates [4][]float32
	rows := 0
	for _, k := range onnxOrder[1:] { // the input gate's may be absent
		if gates[k], rows, err = im.gate(o, first+k, cols, rows); err != nil {
			return m, err
		}
		if gates[k] == nil {
			return m, errors.New("lacks weights of a gate")
		}
	}
	if gates[0], _, err = im.gate(o, first, cols, rows); err != nil {
		return m, err
	}
	if gates[0] == nil {
		gates[0] = make([]float32, rows*cols)
	}
	var all []float32
	for _, k := range onnxOrder {
		all = append(all, gates[k]...)
	}
	return build.Matrix{Rows: 4 * rows, Cols: cols, Data: ir.FloatConst("", ir.Shape{4 * rows, cols}, all).Data}, nil
}

// gate are the reals of argument k, [rows, cols]; nil where it is absent.
func (im *importer) gate(o *operator, k, cols, rows int) ([]float32, int, error) {
	t, err := im.constant(o, k)
	if err != nil || t == nil {
		return nil, rows, err
	}
	if len(t.shape) != 2 || t.shape[1] != cols || rows > 0 && t.shape[0] != rows || t.size() < 1 {
		return nil, rows, fmt.Errorf("has weights of shape %v for %d inputs", t.shape, cols)
	}
	return t.floats(), t.shape[0], nil
}

func matrixOf(t *tensor) build.Matrix {
	return build.Matrix{Rows: t.shape[0], Cols: t.shape[1], Data: ir.FloatConst("", ir.Shape(t.shape), t.floats()).Data}
}

// vector are the reals of argument k, n of them; nil where it may be and is absent.
func (im *importer) vector(o *operator, k, n int, required bool) ([]float32, error) {
	t, err := im.constant(o, k)
	switch {
	case err != nil:
		return nil, err
	case t == nil && !required:
		return nil, nil
	case t == nil:
		return nil, errors.New("lacks the biases of a gate")
	case t.size() != n:
		return nil, fmt.Errorf("has %v numbers for %d cells", t.shape, n)
	case t.typ == int32Type && len(t.scale) == 0:
		return nil, errors.New("has an integer bias without a scale")
	}
	return t.floats(), nil
}
