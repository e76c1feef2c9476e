package tflite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// What is known of the file alone is computed here: shapes, as the converter writes them
// where the batch is open, and the counters of loops.

// isConstant reports whether a tensor is one of the file, or has been computed from such.
func (im *importer) isConstant(i int) bool {
	t := im.tensors[i]
	return im.values[i] == nil && (t.data != nil || t.size() == 0)
}

// numbers are the elements of a constant without a scale. int64 must be exact as float64.
func (t *tensor) numbers() ([]float64, error) {
	if t.typ == float32Type || t.typ == float16Type {
		x := t.floats()
		out := make([]float64, len(x))
		for i, v := range x {
			out[i] = float64(v)
		}
		return out, nil
	}
	x := t.ints()
	if len(t.scale) > 0 || x == nil && t.size() > 0 {
		return nil, fmt.Errorf("of a constant of %s", typeName(t.typ))
	}
	out := make([]float64, len(x))
	for i, v := range x {
		if out[i] = float64(v); math.Abs(out[i]) >= 1<<53 {
			return nil, fmt.Errorf("of the constant %d", v)
		}
	}
	return out, nil
}

// maxKnown bounds the bytes of all constants that are computed: small files may ask for
// any number of large ones.
const maxKnown = 1 << 28

// spend counts the bytes of a constant that is computed.
func (im *importer) spend(n int) error {
	if im.known += n; im.known > maxKnown {
		return fmt.Errorf("makes constants of more than %d MiB in all", maxKnown>>20)
	}
	return nil
}

// setNumbers makes the k-th result a constant of the elements x, of the type that the file
// gives it.
func (im *importer) setNumbers(o *operator, k int, shape []int, x []float64) error {
	t := im.tensors[o.out[k]]
	if build.Product(shape) != len(x) {
		return fmt.Errorf("gives %d elements of shape %v", len(x), shape)
	}
	if err := im.spend(8 * len(x)); err != nil {
		return err
	}
	data := make([]byte, 0, len(x)*max(sizes[t.typ], 1))
	for _, v := range x {
		switch t.typ {
		case float32Type:
			if v = float64(float32(v)); v-v != 0 {
				return fmt.Errorf("gives the constant %v", v)
			}
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(v)))
		case int32Type:
			if v != float64(int32(v)) {
				return fmt.Errorf("gives %v, which is no int32", v)
			}
			data = binary.LittleEndian.AppendUint32(data, uint32(int32(v)))
		case int64Type:
			data = binary.LittleEndian.AppendUint64(data, uint64(int64(v)))
		case boolType:
			data = append(data, byte(b2i(v != 0)))
		default:
			return fmt.Errorf("gives a constant of %s", typeName(t.typ))
		}
	}
	*t = tensor{name: t.name, typ: t.typ, shape: slices.Clone(shape), data: data}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// foldShape imports SHAPE and RANK, whose results are known of any argument.
func foldShape(im *importer, o *operator) error {
	shape := im.tensors[o.in[0]].shape
	if v := im.values[o.in[0]]; v != nil {
		if v.blocks != nil {
			return errBlocks
		}
		shape = v.shape
	} else if !im.isConstant(o.in[0]) {
		return fmt.Errorf("uses %q before its definition", im.tensors[o.in[0]].name)
	}
	if o.name == "RANK" {
		return im.setNumbers(o, 0, nil, []float64{float64(len(shape))})
	}
	x := make([]float64, len(shape))
	for i, d := range shape {
		x[i] = float64(d)
	}
	return im.setNumbers(o, 0, []int{len(shape)}, x)
}

// foldPair is an operation of two constants, element by element.
func foldPair(f func(a, b float64) float64) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		if len(o.in) != 2 {
			return fmt.Errorf("has %d arguments", len(o.in))
		}
		var args [2][]float64
		a, b := im.tensors[o.in[0]], im.tensors[o.in[1]]
		shape, err := build.Broadcast(a.shape, b.shape)
		if err != nil {
			return err
		}
		if n := build.Product(shape); n < 0 || n > mostChannels {
			return fmt.Errorf("of constants of %v", shape)
		}
		for k, t := range []*tensor{a, b} {
			x, err := t.numbers()
			if err != nil {
				return err
			}
			if args[k], err = spread(x, t.shape, shape); err != nil {
				return err
			}
		}
		out := make([]float64, len(args[0]))
		for i := range out {
			out[i] = f(args[0][i], args[1][i])
			switch o.options.byte(0, 0) * b2i(activates[o.name]) {
			case actNone:
			case actRelu:
				out[i] = max(out[i], 0)
			case actReluN1:
				out[i] = min(max(out[i], -1), 1)
			case actRelu6:
				out[i] = min(max(out[i], 0), 6)
			default:
				return fmt.Errorf("has the fused activation %d", o.options.byte(0, 0))
			}
		}
		return im.setNumbers(o, 0, shape, out)
	}
}

// activates are the operators of two arguments whose first option is a fused activation.
var activates = map[string]bool{"ADD": true, "SUB": true, "MUL": true, "DIV": true}

// foldEach is a function of each element of a constant.
func foldEach(f func(float64) float64) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		t := im.tensors[o.in[0]]
		x, err := t.numbers()
		if err != nil {
			return err
		}
		for i := range x {
			x[i] = f(x[i])
		}
		return im.setNumbers(o, 0, t.shape, x)
	}
}

// foldAll is one number of all elements of a constant.
func foldAll(first float64, f func(a, b float64) float64) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		t := im.tensors[o.in[0]]
		axes, err := im.axes(o, len(t.shape))
		if err != nil {
			return err
		}
		x, err := t.numbers()
		if err != nil {
			return err
		}
		if len(axes) != len(t.shape) {
			return errors.New("of a constant along some of its axes")
		}
		y := first
		for _, v := range x {
			y = f(y, v)
		}
		var shape []int
		if o.options.byte(0, 0) != 0 {
			shape = slices.Repeat([]int{1}, len(t.shape))
		}
		return im.setNumbers(o, 0, shape, []float64{y})
	}
}

// foldRange is RANGE of constants.
func foldRange(im *importer, o *operator) error {
	var list [3]float64
	if len(o.in) != 3 || o.in[2] < 0 {
		return fmt.Errorf("has %d arguments", len(o.in))
	}
	for k := range list {
		x, err := im.tensors[o.in[k]].numbers()
		if err != nil || len(x) != 1 {
			return errors.New("has no three numbers")
		}
		list[k] = x[0]
	}
	n := math.Ceil((list[1] - list[0]) / list[2])
	if !(n >= 0 && n <= mostChannels) {
		return fmt.Errorf("from %v to %v by %v", list[0], list[1], list[2])
	}
	x := make([]float64, int(n))
	for i := range x {
		x[i] = list[0] + float64(float64(i)*list[2])
	}
	return im.setNumbers(o, 0, []int{len(x)}, x)
}

// foldFill is FILL of constants.
func foldFill(im *importer, o *operator) error {
	if len(o.in) != 2 {
		return fmt.Errorf("has %d arguments", len(o.in))
	}
	shape, err := im.tensors[o.in[0]].shortInts()
	if err != nil {
		return err
	}
	x, err := im.tensors[o.in[1]].numbers()
	n := ir.Shape(shape).Size()
	if len(shape) == 0 {
		n = 1
	}
	if err != nil || len(x) != 1 || n < 1 || n > mostChannels {
		return fmt.Errorf("of the shape %v", shape)
	}
	return im.setNumbers(o, 0, shape, slices.Repeat(x, n))
}

// foldSelect chooses among elements of constants.
func foldSelect(im *importer, o *operator) error {
	if len(o.in) != 3 || o.in[2] < 0 {
		return fmt.Errorf("has %d arguments", len(o.in))
	}
	shape := im.tensors[o.in[0]].shape
	var err error
	for _, i := range o.in[1:] {
		if shape, err = build.Broadcast(shape, im.tensors[i].shape); err != nil {
			return err
		}
	}
	var args [3][]float64
	for k, i := range o.in {
		x, err := im.tensors[i].numbers()
		if err != nil {
			return err
		}
		if args[k], err = spread(x, im.tensors[i].shape, shape); err != nil {
			return err
		}
	}
	out := make([]float64, len(args[0]))
	for i := range out {
		out[i] = args[2][i]
		if args[0][i] != 0 {
			out[i] = args[1][i]
		}
	}
	return im.setNumbers(o, 0, shape, out)
}

// foldDense is a layer of a constant: the first step of a recurrence, whose state is one.
func foldDense(im *importer, o *operator) error {
	if len(o.in) < 2 {
		return errors.New("lacks an argument")
	}
	x, w := im.tensors[o.in[0]], im.tensors[o.in[1]]
	if x.typ != float32Type || len(w.shape) != 2 || x.size() == 0 || x.size() != w.shape[1] || w.size() == 0 || o.options.byte(0, 0) != 0 || o.options.byte(1, 0) != 0 {
		return errors.New("of a constant")
	}
	out := make([]float64, w.shape[0])
	if len(o.in) > 2 && o.in[2] >= 0 {
		b := im.tensors[o.in[2]]
		if b.size() != len(out) || b.typ == int32Type && len(b.scale) == 0 {
			return fmt.Errorf("has a bias of shape %v", b.shape)
		}
		for i, v := range b.floats() {
			out[i] = float64(v)
		}
	}
	values, inputs := w.floats(), x.floats()
	for i := range out {
		for k, v := range inputs {
			out[i] += float64(values[i*len(inputs)+k]) * float64(v)
		}
	}
	shape := append(slices.Clone(x.shape), 1)[:max(len(x.shape), 1)]
	shape[len(shape)-1] = len(out)
	return im.setNumbers(o, 0, shape, out)
}

// moved makes a result a constant of the elements of a view of another.
func (im *importer) moved(i int, c *tensor, view ir.View, shape []int) error {
	t := im.tensors[i]
	size := sizes[c.typ]
	n := ir.Shape(view.Dims).Size()
	if len(view.Dims) == 0 {
		n = 1
	}
	if size == 0 || len(c.scale) > 1 || n > mostChannels || n != build.Product(shape) {
		return fmt.Errorf("of a constant of %s and shape %v to %v", typeName(c.typ), c.shape, shape)
	}
	if err := im.spend(n * size); err != nil {
		return err
	}
	data := make([]byte, 0, n*size)
	if len(view.Dims) == 0 {
		data = append(data, c.data[:size]...)
	} else {
		view.Each(func(_, at int) { data = append(data, c.data[at*size:(at+1)*size]...) })
	}
	*t = tensor{name: t.name, typ: c.typ, shape: slices.Clone(shape), data: data, scale: c.scale, zero: c.zero, unsigned: c.unsigned}
	return nil
}

// material is a constant as a computed value: the one row of an embedding, which any
// index chooses.
func (im *importer) material(t *tensor) (*operand, error) {
	n := t.size()
	switch {
	case n < 1 || n > mostChannels:
		return nil, fmt.Errorf("of a constant of shape %v", t.shape)
	case im.exact && t.typ == int16Type:
		return nil, errors.New("has a constant of int16 where a computed value belongs: -exact=false quantizes the model anew")
	case im.exact && (t.typ != int8Type || len(t.scale) != 1):
		return nil, fmt.Errorf("has a constant of %s, without one scale, where a computed value belongs", typeName(t.typ))
	case !im.exact && t.typ != float32Type && t.typ != float16Type && len(t.scale) == 0:
		return nil, fmt.Errorf("has a constant of %s where a computed value belongs", typeName(t.typ))
	case len(im.M.Inputs) == 0:
		return nil, errors.New("of constants only, in a model without inputs")
	}
	name := im.Name(im.constantName(t))
	first := im.M.Inputs[0]
	for _, in := range im.M.Inputs {
		if in.Type.Shape.Size() == 1 {
			first = in
		}
	}
	at, err := im.add(ir.Copy, name+".index", []*ir.Value{first}, first.Type.Quant, ir.AttrShape.Is([]int{1}), ir.AttrDims.Is([]int{1}), ir.AttrStrides.Is([]int{1}))
	if err != nil {
		return nil, err
	}
	image := len(t.shape) == 4 && t.shape[0] == 1
	v, err := im.constantRow(name, at, t)
	if err != nil {
		return nil, err
	}
	o := &operand{v: v, shape: t.shape}
	if len(t.shape) == 0 {
		o.shape = []int{1}
	}
	if image {
		// The row holds the elements in the file's order.
		if o.v, err = im.asImage(&operand{v: v, shape: t.shape}); err != nil {
			return nil, err
		}
		o.image = true
	} else if o.v, err = im.reshape(v, build.Canonical(o.shape)); err != nil {
		return nil, err
	}
	return o, nil
}

// constantRow adds the embedding of material.
func (im *importer) constantRow(name string, at *ir.Value, t *tensor) (*ir.Value, error) {
	shape := ir.Shape{1, t.size()}
	if !im.exact {
		return im.AddNamed(ir.Embedding, name, []*ir.Value{at}, ir.AttrRows.Is(im.Floats(name+".weight", shape, t.floats())))
	}
	return im.AddQuantized(ir.Embedding, name, []*ir.Value{at}, t.quant(), ir.AttrRows.Is(im.Ints(name+".weight", ir.I8, shape, t.ints())),
		ir.AttrTable.Is(im.Ints(name+".table", ir.U8, ir.Shape{ir.ByteRows}, make([]int64, ir.ByteRows))))
}

// constantName is a short name of a constant.
func (im *importer) constantName(t *tensor) string {
	layer, op := im.namer.split(t.name)
	if op == "" {
		op = "constant"
	}
	return im.inStep(layer, op)
}
