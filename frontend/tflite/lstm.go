package tflite

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// lstmOwn are the intermediate tensors of an LSTM of int8 with a cell of int16: four of gates, which
// hold scales for a layer normalisation alone, and that of an output gate times a tanh.
const lstmOwn = 5

// gateScale is the scale of what a gate is a function of.
const gateScale = 1. / (1 << 12)

// gateWeight are int8 weights with one scale, [rows,cols].
type gateWeight struct {
	rows, cols int
	data       []int64
	scale      float32
}

// exactMatrix is constant argument k; nil where it is absent.
func (im *importer) exactMatrix(o *operator, k, cols int) (*gateWeight, error) {
	t, err := im.constant(o, k)
	if err != nil || t == nil {
		return nil, err
	}
	if len(t.shape) != 2 || t.shape[1] != cols || t.size() < 1 {
		return nil, fmt.Errorf("has weights of shape %v for %d inputs", t.shape, cols)
	}
	if t.typ != int8Type || t.unsigned || len(t.scale) != 1 || t.quant().Zero != 0 {
		return nil, errors.New("has weights that are not int8 with one scale and the zero point 0: -exact=false quantizes the model anew")
	}
	return &gateWeight{t.shape[0], cols, t.ints(), float32(t.scale[0])}, nil
}

// biases are what is added to the sums of weights times integers that have a zero point: those of the file
// in argument k, -1 for none.
func (im *importer) biases(o *operator, k int, m *gateWeight, zero int) ([]int64, error) {
	out := make([]int64, m.rows)
	if t, err := im.constant(o, k); err != nil {
		return nil, err
	} else if t != nil {
		if t.size() != m.rows || t.typ != int32Type {
			return nil, fmt.Errorf("has a bias of %s %v for %d rows", typeName(t.typ), t.shape, m.rows)
		}
		copy(out, t.ints())
	}
	for i := range out {
		for _, w := range m.data[i*m.cols : (i+1)*m.cols] {
			out[i] -= int64(zero) * w
		}
		if out[i] != int64(int32(out[i])) {
			return nil, fmt.Errorf("has a bias with the zero point of %d, which does not fit 32 bits", out[i])
		}
	}
	return out, nil
}

// exactLSTM imports an LSTM of int8 with a cell of int16: a convolution of 1x1, and the loop of its steps.
func (im *importer) exactLSTM(o *operator, x *operand, steps, inputs int) error {
	result, q, err := im.result(o)
	if err != nil {
		return err
	}
	state, cell, err := im.lstmStates(o)
	if err != nil {
		return err
	}
	own, err := im.constant(o, lstmRecurrent+1) // of the forget gate, which is always there
	if err != nil {
		return err
	}
	if own == nil || len(own.shape) != 2 {
		return errors.New("lacks weights of a gate")
	}
	if err := im.hasIntegers(o, x, result, state, cell); err != nil {
		return err
	}
	l := exactGates{o: o, name: im.Name(im.hint(o)), inputs: inputs, outputs: own.shape[1], in: x.v.Type.Quant, state: q,
		made: im.tensors[o.own[lstmOwn-1]].quant()}
	if l.made.Scale == 0 {
		return errors.New("has no scale of its hidden state before the projection")
	}
	for _, k := range onnxOrder {
		if err := im.exactGate(&l, k); err != nil {
			return err
		}
	}
	attrs, err := l.cell(cell.quant().Scale)
	if err != nil {
		return err
	}
	l.factors = append(l.factors, float64(float32(1./(1<<15)/l.made.Scale*(1./(1<<15)))))
	projection, err := im.exactProjection(&l)
	if err != nil {
		return err
	}
	v, err := im.exactInputs(&l, x, steps)
	if err != nil {
		return err
	}
	mul, shift, err := factorsOf(l.factors)
	if err != nil {
		return err
	}
	ints := func(part string, e ir.Kind, data []int64, shape ...int) *ir.Const {
		return im.Ints(l.name+part, e, ir.Shape(shape), data)
	}
	attrs = append(append(attrs, projection...),
		ir.AttrHidden.Is(ints(".hidden", ir.I8, l.hidden, len(l.input)*l.cells, l.outputs)), ir.AttrBias.Is(ints(".bias", ir.I32, l.biases, len(l.biases))),
		ir.AttrMul.Is(ints(".mul", ir.I32, mul, len(mul))), ir.AttrShift.Is(ints(".shift", ir.I32, shift, len(shift))))
	y, err := im.AddOf(ir.Recurrent, l.name, []*ir.Value{v}, ir.Type{Elem: ir.Of(ir.I8), Quant: q}, attrs...)
	if err != nil {
		return err
	}
	if _, err := geometry.LSTMIntsOf(y.Def); err != nil {
		return fmt.Errorf("%v: -exact=false quantizes the model anew", err)
	}
	shape := slices.Clone(x.shape)
	shape[len(shape)-1] = l.outputs
	return im.give(o, &operand{v: y, image: true, shape: shape})
}

// hasIntegers refuses an LSTM whose integers no operation has.
func (im *importer) hasIntegers(o *operator, x *operand, result, state, cell *tensor) error {
	switch {
	case x.v.Type.IsWide() || result.typ != int8Type:
		return errors.New("of int16 values: -exact=false quantizes the model anew")
	case result.unsigned:
		return errors.New("of uint8 values: -exact=false quantizes the model anew")
	case cell.typ != int16Type || len(o.own) != lstmOwn || o.own[lstmOwn-1] < 0:
		return errors.New("of the form whose gates have 8 bits: -exact=false quantizes the model anew")
	case o.options.byte(0, 0) != actTanh:
		return fmt.Errorf("of integers with the fused activation %d: their activation is tanh", o.options.byte(0, 0))
	case state.typ != int8Type || state.quant() != result.quant():
		return errors.New("has a hidden state of another scale than its result")
	}
	for k := range 3 {
		if i := lstmPeepholes + k; i < len(o.in) && o.in[i] >= 0 {
			return errors.New("with peepholes, which no operation of integers here has: -exact=false quantizes the model anew")
		}
	}
	return nil
}

// lstmStates are the tensors of the hidden state and of the cell.
func (im *importer) lstmStates(o *operator) (state, cell *tensor, err error) {
	if len(o.in) < lstmStates+2 || o.in[lstmStates] < 0 || o.in[lstmStates+1] < 0 {
		return nil, nil, errors.New("has no states")
	}
	state, cell = im.tensors[o.in[lstmStates]], im.tensors[o.in[lstmStates+1]]
	if cell.quant().Scale == 0 {
		return nil, nil, errors.New("has a cell without a scale")
	}
	return state, cell, nil
}

// exactGates are the gates of an LSTM of integers, one after the other.
type exactGates struct {
	o             *operator
	name          string
	inputs, cells int
	outputs       int
	in, state     ir.Quant
	made          ir.Quant      // of an output gate times a tanh
	input         []*gateWeight // of each gate, which the input is multiplied by
	hidden        []int64
	biases        []int64 // of the sums of hidden
	factors       []float64
	inputBiases   []int64
}

// exactGate adds a gate of the file; an input gate may be absent.
func (im *importer) exactGate(l *exactGates, k int) error {
	w, err := im.exactMatrix(l.o, lstmWeights+k, l.inputs)
	if err != nil {
		return err
	}
	r, err := im.exactMatrix(l.o, lstmRecurrent+k, l.outputs)
	switch {
	case err != nil:
		return err
	case w == nil && r == nil && k == 0:
		return nil
	case w == nil || r == nil:
		return errors.New("lacks weights of a gate")
	}
	l.cells = cmp.Or(l.cells, w.rows)
	if w.rows != l.cells || r.rows != l.cells {
		return fmt.Errorf("has weights of %d and of %d rows for %d cells", w.rows, r.rows, l.cells)
	}
	b, err := im.biases(l.o, lstmBiases+k, w, 0)
	if err != nil {
		return err
	}
	l.input, l.inputBiases = append(l.input, w), append(l.inputBiases, b...)
	if b, err = im.biases(l.o, len(l.o.in), r, l.state.Zero); err != nil {
		return err
	}
	l.hidden, l.biases = append(l.hidden, r.data...), append(l.biases, b...)
	l.factors = append(l.factors, float64(r.scale*float32(l.state.Scale)/gateScale))
	return nil
}

// cell is the attributes of a cell of a scale.
func (l *exactGates) cell(scale float64) ([]ir.Attr, error) {
	places := math.Round(math.Log2(scale))
	bits := 15 + int(places)
	if math.Abs(math.Log2(scale)-places) >= 1e-3 || bits < 0 || bits > ir.MostCellBits {
		return nil, fmt.Errorf("has a cell of the scale %v, which is none of 2^-15 to 2^%d", scale, ir.MostCellBits-15)
	}
	attrs := []ir.Attr{ir.AttrCell.Is(ir.CellLSTM8)}
	if len(l.input) == 3 {
		attrs = []ir.Attr{ir.AttrCell.Is(ir.CellCIFG8)}
	}
	if bits > 0 {
		attrs = append(attrs, ir.AttrCellBits.Is(bits))
	}
	if c := clipped(l.o.options.float(1, 0), scale, math.MaxInt16); c > 0 {
		attrs = append(attrs, ir.AttrCellClip.Is(c))
	}
	return attrs, nil
}

// exactProjection adds the projection of the file, and gives its attributes; none where there is none.
func (im *importer) exactProjection(l *exactGates) ([]ir.Attr, error) {
	m, err := im.exactMatrix(l.o, lstmProjection, l.cells)
	switch {
	case err != nil:
		return nil, err
	case m == nil && l.made.Zero != l.state.Zero:
		return nil, errors.New("has a result with another zero point than a gate times its cell")
	case m == nil:
		return nil, nil
	}
	// Its zero point is that of the file with the other sign: so the kernel has it.
	zero := -l.made.Zero
	b, err := im.biases(l.o, lstmProjection+1, m, zero)
	if err != nil {
		return nil, err
	}
	if zero != int(int8(zero)) {
		return nil, fmt.Errorf("has the zero point %d before its projection", l.made.Zero)
	}
	var attrs []ir.Attr
	if zero != 0 {
		attrs = append(attrs, ir.AttrHiddenZero.Is(zero))
	}
	if c := clipped(l.o.options.float(2, 0), l.state.Scale, math.MaxInt8); c > 0 {
		attrs = append(attrs, ir.AttrLo.Is(-c), ir.AttrHi.Is(c))
	}
	l.biases = append(l.biases, b...)
	l.factors = append(l.factors, float64(m.scale*float32(l.made.Scale)/float32(l.state.Scale)))
	return append(attrs, ir.AttrProject.Is(im.Ints(l.name+".project", ir.I8, ir.Shape{m.rows, l.cells}, m.data))), nil
}

// exactInputs is what the inputs give the gates in each step.
func (im *importer) exactInputs(l *exactGates, x *operand, steps int) (*ir.Value, error) {
	v, err := im.asImage(&operand{v: x.v, image: x.image, shape: []int{1, steps, 1, l.inputs}})
	if err != nil {
		return nil, err
	}
	name := im.Name(l.name + ".input")
	var data []int64
	var scales []float32
	var factors []float64
	for _, m := range l.input {
		data = append(data, m.data...)
		scales = append(scales, slices.Repeat([]float32{m.scale}, m.rows)...)
		factors = append(factors, slices.Repeat([]float64{float64(m.scale * float32(l.in.Scale) / gateScale)}, m.rows)...)
	}
	rows := len(factors)
	reach := make([]int64, rows)
	least, greatest := geometry.Differences(v.Type)
	for i := range reach {
		row := make([]int32, l.inputs)
		for k := range row {
			row[k] = int32(data[i*l.inputs+k])
		}
		reach[i] = geometry.Reach(l.inputBiases[i], row, least, greatest)
	}
	rq, err := im.requant(name, factors, reach...)
	if err != nil {
		return nil, fmt.Errorf("%v: -exact=false quantizes the model anew", err)
	}
	weight := im.Ints(name+".weight", ir.I8, ir.Shape{rows, l.inputs, 1, 1}, data)
	weight.Scale = im.Floats(name+".scale", ir.Shape{rows}, scales)
	attrs := append(rq, ir.AttrWeight.Is(weight), ir.AttrBias.Is(im.Ints(name+".bias", ir.I32, ir.Shape{rows}, l.inputBiases)), ir.AttrLo.Is(math.MinInt16), ir.AttrHi.Is(math.MaxInt16))
	return im.AddOf(ir.Conv2D, name, []*ir.Value{v}, ir.Type{Elem: ir.Of(ir.I16), Quant: ir.Quant{Scale: gateScale}}, attrs...)
}

// clipped is a bound as an integer, cut off; 0 is none.
func clipped(bound, scale float64, most int) int {
	if !(bound > 0) {
		return 0
	}
	return int(min(float32(bound)/float32(scale), float32(most)))
}

// factorsOf are multipliers and shifts of some factors.
func factorsOf(factors []float64) (mul, shift []int64, err error) {
	for _, f := range factors {
		m, r, err := geometry.MultiplierFor(f)
		if err != nil {
			return nil, nil, err
		}
		mul, shift = append(mul, int64(m)), append(shift, int64(r))
	}
	return mul, shift, nil
}
