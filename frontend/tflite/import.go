// Package tflite imports TensorFlow Lite models: float32, and int8 as the
// converter writes it. An int8 model becomes a module of the very integers of the
// file, whose requantizations round as TensorFlow Lite's reference kernels do
// (R8), or the float network that its integers stand for.
package tflite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/input"
)

// Options are what a user may say about a model.
type Options struct {
	// Float makes the float network that an int8 model stands for, to be quantized
	// anew; else an int8 model keeps its integers.
	Float  bool
	Ranges map[string]ir.Range // of the inputs' reals of a float model; [0,1] when absent
}

// Load imports the model at path.
func Load(path string, opt Options) (*ir.Module, error) {
	raw, err := input.Map(path)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, diag.New(diag.Pos{File: path}, diag.BadFile, "%v", err)
	}
	m, err := Parse(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), raw, opt)
	var list diag.List
	var d *diag.Diagnostic
	switch {
	case errors.As(err, &list):
		for _, d := range list {
			d.Pos = diag.Pos{File: path}
		}
	case errors.As(err, &d):
		d.Pos = diag.Pos{File: path}
	}
	return m, err
}

// The element types of tensors.
const (
	float32Type = 0
	float16Type = 1 // of constants that a DEQUANTIZE widens
	int32Type   = 2
	uint8Type   = 3
	int64Type   = 4
	int8Type    = 9
)

// tensor is a tensor of the file.
type tensor struct {
	name  string
	typ   int
	shape []int
	data  []byte // nil: computed
	scale []float64
	zero  []int
	axis  int // along which scales differ
}

func (t *tensor) size() int { return build.Product(t.shape) }

func (t *tensor) quant() ir.Quant {
	if len(t.scale) != 1 {
		return ir.Quant{}
	}
	q := ir.Quant{Scale: t.scale[0]}
	if len(t.zero) == 1 {
		q.Zero = t.zero[0]
	}
	return q
}

// ints are the elements of a constant of integers.
func (t *tensor) ints() []int64 {
	size := map[int]int{int8Type: 1, uint8Type: 1, int32Type: 4, int64Type: 8}[t.typ]
	if size == 0 {
		return nil
	}
	out := make([]int64, len(t.data)/size)
	for i := range out {
		b := t.data[i*size:]
		switch t.typ {
		case int8Type:
			out[i] = int64(int8(b[0]))
		case uint8Type:
			out[i] = int64(b[0])
		case int32Type:
			out[i] = int64(int32(binary.LittleEndian.Uint32(b)))
		case int64Type:
			out[i] = int64(binary.LittleEndian.Uint64(b))
		}
	}
	return out
}

// floats are the reals of a constant.
func (t *tensor) floats() []float32 {
	if t.typ == float32Type {
		out := make([]float32, len(t.data)/4)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.data[4*i:]))
		}
		return out
	}
	if t.typ == float16Type {
		x, _ := weights.Tensor{DType: weights.F16, Data: t.data}.Float32() // which all halves have
		return x
	}
	x := t.ints()
	out := make([]float32, len(x))
	inner := 1
	for k := t.axis + 1; k < len(t.shape); k++ {
		inner *= t.shape[k]
	}
	for i, v := range x {
		s, z := 1., 0
		if n := len(t.scale); n > 0 {
			s = t.scale[i/inner%n]
			if len(t.zero) == n {
				z = t.zero[i/inner%n]
			}
		}
		out[i] = float32(s * float64(v-int64(z)))
	}
	return out
}

// shortInts are the elements of a list of dimensions.
func (t *tensor) shortInts() ([]int, error) {
	if t.typ == float32Type || len(t.data) > 8*maxList {
		return nil, errors.New("has no short list of integers where one belongs")
	}
	x := t.ints()
	if len(x) > maxList || (len(x) == 0 && t.size() != 0) {
		return nil, errors.New("has no short list of integers where one belongs")
	}
	out := make([]int, len(x))
	for i, v := range x {
		out[i] = int(v)
	}
	return out, nil
}

// operand is a value of the network. An image lies as [C,H,W] in the module; its
// elements in the order H,W,C are the tensor's.
type operand struct {
	v     *ir.Value
	image bool
	shape []int
}

// importer takes one subgraph to one module.
type importer struct {
	*build.Builder
	exact   bool // integers are kept
	tensors []*tensor
	values  map[int]*operand
	failed  map[int]bool
}

// Parse imports the bytes of a model.
func Parse(name string, raw []byte, opt Options) (m *ir.Module, err error) {
	pos := diag.Pos{File: name}
	if len(raw) < 8 || string(raw[4:8]) != "TFL3" {
		return nil, diag.New(pos, diag.BadFile, "no TensorFlow Lite model: the file identifier TFL3 is missing")
	}
	f := &flat{raw: raw}
	model := table{f, f.follow(0)}
	graphs := model.tables(2)
	if f.err == nil && len(graphs) != 1 {
		return nil, diag.New(pos, diag.Unsupported, "a model of %d subgraphs; those of one can be imported", len(graphs))
	}
	bad := func(err error) error { return diag.New(pos, diag.BadFile, "damaged: %v", err) }
	if f.err != nil {
		return nil, bad(f.err)
	}
	im := &importer{Builder: build.New(name), values: map[int]*operand{}, failed: map[int]bool{}}
	if err := im.readTensors(model, graphs[0]); err != nil {
		return nil, bad(err)
	}
	inputs, outputs := graphs[0].ints(1), graphs[0].ints(2)
	ops := graphs[0].tables(3)
	codes := model.tables(1)
	if f.err != nil {
		return nil, bad(f.err)
	}
	for _, i := range slices.Concat(inputs, outputs) {
		if i < 0 || i >= len(im.tensors) {
			return nil, bad(fmt.Errorf("tensor %d of %d", i, len(im.tensors)))
		}
	}
	quantized := slices.ContainsFunc(im.tensors, func(t *tensor) bool { return t.typ == int8Type && t.data == nil })
	im.exact = quantized && !opt.Float
	var list diag.List
	for _, i := range inputs {
		if err := im.input(i, ops, codes, opt); err != nil {
			list = append(list, diag.New(pos, diag.Unsupported, "%v", err))
		}
	}
	if len(list) > 0 {
		return nil, list.Err()
	}
	var faults build.Faults
	for k, op := range ops {
		if err := im.operator(op, codes); err != nil {
			faults.Add(opName(op, codes), resultName(im, op, k), err)
		}
		if f.err != nil {
			return nil, bad(f.err)
		}
	}
	if err := faults.Err(pos, len(ops)); err != nil {
		return nil, err
	}
	var outs []*ir.Value
	for _, i := range outputs {
		o := im.values[i]
		if o == nil {
			return nil, diag.New(pos, diag.BadFile, "nothing computes the output %q", im.tensors[i].name)
		}
		v, err := im.as(o, len(o.shape) == 4 && o.shape[0] == 1)
		if err != nil {
			return nil, diag.New(pos, diag.Unsupported, "the output %q: %v", im.tensors[i].name, err)
		}
		if v.Def == nil || slices.Contains(outs, v) {
			if v, err = im.add(ir.Reshape, im.tensors[i].name, []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(v.Type.Shape))); err != nil {
				return nil, diag.New(pos, diag.Unsupported, "%v", err)
			}
		}
		outs = append(outs, v)
	}
	if len(outs) == 0 {
		return nil, diag.New(pos, diag.BadFile, "the model has no output")
	}
	m = im.Finish(outs)
	if im.exact {
		m.After = "quantize"
	}
	if list := ir.Verify(m); len(list) > 0 {
		return nil, list
	}
	return m, nil
}

// resultName names an operator by its result.
func resultName(im *importer, op table, k int) string {
	if outs := op.ints(2); len(outs) > 0 && outs[0] >= 0 && outs[0] < len(im.tensors) && im.tensors[outs[0]].name != "" {
		return im.tensors[outs[0]].name
	}
	return fmt.Sprintf("operator %d", k)
}

// readTensors reads the tensors of a subgraph with their data.
func (im *importer) readTensors(model, graph table) error {
	f := model.f
	buffers := model.tables(4)
	for _, t := range graph.tables(0) {
		out := &tensor{name: t.text(3), typ: t.byte(1, 0), shape: t.ints(0)}
		for _, d := range out.shape {
			if d < 0 || out.size() < 0 || d > ir.MaxElements || out.size() > ir.MaxElements {
				return fmt.Errorf("tensor %q has the shape %v", out.name, out.shape)
			}
		}
		if sizes := ir.Shape(out.shape).Size(); sizes < 0 && !slices.Contains(out.shape, 0) {
			return fmt.Errorf("tensor %q has the shape %v", out.name, out.shape)
		}
		if q, ok := t.sub(4); ok {
			out.scale, out.zero, out.axis = q.floats(2), q.longs(3), q.int(6, 0)
			for _, s := range out.scale {
				if !(s > 0) || math.IsInf(s, 0) {
					return fmt.Errorf("tensor %q has the scale %v", out.name, s)
				}
			}
			for _, z := range out.zero {
				if out.typ == int8Type && z != int(int8(z)) {
					return fmt.Errorf("tensor %q has the zero point %d", out.name, z)
				}
			}
			if out.axis < 0 || out.axis >= max(len(out.shape), 1) || len(out.scale) > 1 && (len(out.shape) == 0 || out.shape[out.axis] != len(out.scale)) {
				return fmt.Errorf("tensor %q of shape %v has %d scales along axis %d", out.name, out.shape, len(out.scale), out.axis)
			}
		}
		b := t.int(2, 0)
		if b < 0 || b >= max(len(buffers), 1) {
			return fmt.Errorf("tensor %q has the buffer %d of %d", out.name, b, len(buffers))
		}
		if b > 0 {
			if data := buffers[b].data(0); len(data) > 0 {
				out.data = data
			} else if at := buffers[b].field(1); at != 0 {
				return fmt.Errorf("tensor %q has data behind the flatbuffer, of models above 2 GB", out.name)
			}
		}
		if size := map[int]int{float32Type: 4, float16Type: 2, int32Type: 4, int8Type: 1, uint8Type: 1, int64Type: 8}[out.typ]; out.data != nil && size > 0 && len(out.data) != size*out.size() {
			return fmt.Errorf("tensor %q of shape %v has %d bytes of data", out.name, out.shape, len(out.data))
		}
		if out.data != nil && (out.typ == float32Type || out.typ == float16Type) {
			for i, v := range out.floats() {
				if v-v != 0 {
					return fmt.Errorf("tensor %q holds %v at element %d", out.name, v, i)
				}
			}
		}
		im.tensors = append(im.tensors, out)
		if f.err != nil {
			return f.err
		}
	}
	return f.err
}

// input declares an input. One that is quantized at once is declared as what it
// becomes.
func (im *importer) input(i int, ops, codes []table, opt Options) error {
	t := im.tensors[i]
	rows := 0
	if t.typ == int32Type {
		rows = im.rowsOf(i, ops, codes)
	}
	if t.typ != float32Type && t.typ != int8Type && rows == 0 {
		return fmt.Errorf("input %q has elements of TensorFlow Lite type %d; inputs are float32, int8, or int32 that only choose rows of a constant", t.name, t.typ)
	}
	shape := slices.Clone(t.shape)
	if len(shape) > 1 && shape[0] > 1 && len(shape) == 4 {
		return fmt.Errorf("input %q is a batch of %d", t.name, shape[0])
	}
	if ir.Shape(shape).Size() < 1 && len(shape) > 0 {
		return fmt.Errorf("input %q has the shape %v", t.name, shape)
	}
	r, given := opt.Ranges[t.name]
	if !given {
		r = ir.Range{Lo: 0, Hi: float64(max(rows-1, 1))}
	}
	quant := t.quant()
	if t.typ == float32Type && im.exact {
		// The quantization behind it says its type.
		for _, op := range ops {
			if opName(op, codes) == "QUANTIZE" && slices.Contains(op.ints(1), i) {
				if outs := op.ints(2); len(outs) == 1 && outs[0] >= 0 && outs[0] < len(im.tensors) {
					quant = im.tensors[outs[0]].quant()
				}
			}
		}
	}
	if quant.Scale > 0 && !given {
		r = ir.Range{Lo: quant.Scale * float64(-128-quant.Zero), Hi: quant.Scale * float64(127-quant.Zero)}
	}
	o := &operand{shape: shape, image: len(shape) == 4}
	o.v = im.Input(t.name, o.own(), r)
	if im.exact {
		if quant.Scale == 0 {
			return fmt.Errorf("input %q of an int8 model has no quantization", t.name)
		}
		o.v.Type.Elem, o.v.Type.Quant, o.v.Range = ir.Of(ir.I8), quant, nil
	}
	im.values[i] = o
	return nil
}

// rowsOf is the rows of the constant that an input chooses from, the least where there
// are several; 0 where it does anything else.
func (im *importer) rowsOf(i int, ops, codes []table) int {
	rows := 0
	for _, op := range ops {
		in := op.ints(1)
		if !slices.Contains(in, i) {
			continue
		}
		if opName(op, codes) != "GATHER" || len(in) != 2 || in[0] == i || in[0] < 0 || in[0] >= len(im.tensors) {
			return 0
		}
		t := im.tensors[in[0]]
		if t.data == nil || len(t.shape) == 0 {
			return 0
		}
		if rows == 0 || t.shape[0] < rows {
			rows = t.shape[0]
		}
	}
	return rows
}

// own are the dimensions of an operand's value.
func (o *operand) own() ir.Shape {
	if o.image {
		return ir.Shape{o.shape[3], o.shape[1], o.shape[2]}
	}
	return build.Canonical(o.shape)
}

// add appends an operation whose result has a quantization, of integers where the
// module is exact.
func (im *importer) add(op ir.Op, hint string, args []*ir.Value, q ir.Quant, attrs ...ir.Attr) (*ir.Value, error) {
	if !im.exact {
		q = ir.Quant{}
	}
	return im.AddQuantized(op, im.Name(hint), args, q, attrs...)
}

// flat is an operand with its elements in the file's order, of dimensions of
// one's own.
func (im *importer) flat(o *operand, shape ir.Shape) (*ir.Value, error) {
	v := o.v
	if o.image {
		s := v.Type.Shape
		view := ir.ViewOf(s).Permute([]int{1, 2, 0})
		if s[0] > 1 && s[1]*s[2] > 1 {
			return im.add(ir.Copy, v.Name+".flat", []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(shape)), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides))
		}
	}
	return im.reshape(v, shape)
}

// view is an operand's value and where in it the elements of its shape lie.
func (im *importer) view(o *operand) (*ir.Value, ir.View, error) {
	if s := o.v.Type.Shape; o.image && slices.Equal(o.shape, []int{1, s[1], s[2], s[0]}) {
		return o.v, ir.View{Dims: slices.Clone(o.shape), Strides: []int{s.Size(), s[2], 1, s[1] * s[2]}}, nil
	}
	v, err := im.flat(o, ir.Shape{build.Product(o.shape)})
	return v, ir.ViewOf(o.shape), err
}

func (im *importer) reshape(v *ir.Value, shape ir.Shape) (*ir.Value, error) {
	if v.Type.Shape.Equal(shape) {
		return v, nil
	}
	if v.Def != nil && v.Def.Op == ir.Reshape {
		return im.reshape(v.Def.Args[0], shape)
	}
	return im.add(ir.Reshape, v.Name+".shape", []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(shape)))
}

// asImage is an operand of four dimensions as an image [C,H,W].
func (im *importer) asImage(o *operand) (*ir.Value, error) {
	s := o.shape
	if len(s) != 4 || s[0] != 1 {
		return nil, fmt.Errorf("of a tensor of shape %v; images are [1,H,W,C]", s)
	}
	to := ir.Shape{s[3], s[1], s[2]}
	if o.image && o.v.Type.Shape.Equal(to) {
		return o.v, nil
	}
	if o.image { // pixels of other dimensions
		flat, err := im.flat(o, ir.Shape(s[1:]))
		if err != nil {
			return nil, err
		}
		o = &operand{v: flat, shape: s}
	}
	if s[3] == 1 || s[1]*s[2] == 1 {
		return im.reshape(o.v, to)
	}
	view := ir.ViewOf(ir.Shape(s[1:])).Permute([]int{2, 0, 1})
	return im.add(ir.Copy, o.v.Name+".image", []*ir.Value{o.v}, o.v.Type.Quant, ir.AttrShape.Is([]int(to)), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides))
}

// as is an operand as an image, or with its elements in the file's order.
func (im *importer) as(o *operand, image bool) (*ir.Value, error) {
	if image {
		return im.asImage(o)
	}
	return im.flat(o, build.Canonical(o.shape))
}
