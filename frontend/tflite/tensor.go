package tflite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// The element types of tensors that are read.
const (
	float32Type = 0
	float16Type = 1 // of constants that a DEQUANTIZE widens
	int32Type   = 2
	uint8Type   = 3
	int64Type   = 4
	boolType    = 6
	int16Type   = 7
	int8Type    = 9
)

// typeNames are the element types of the schema, by their numbers.
var typeNames = [...]string{
	"float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8", "float64", "complex128",
	"uint64", "resource", "variant", "uint32", "uint16", "int4", "bfloat16", "int2",
}

// typeName is an element type in words.
func typeName(typ int) string {
	if typ < 0 || typ >= len(typeNames) {
		return fmt.Sprintf("an unknown type (%d)", typ)
	}
	return typeNames[typ]
}

// noNumbers are the types whose elements are no numbers of one part.
var noNumbers = []string{"string", "complex64", "complex128", "resource", "variant"}

// sizes are the bytes of an element.
var sizes = map[int]int{float32Type: 4, float16Type: 2, int32Type: 4, int64Type: 8, int16Type: 2, int8Type: 1, uint8Type: 1, boolType: 1}

// tensor is a tensor of the file. One of uint8 with scales is held as int8: its elements
// and zero points are 128 less.
type tensor struct {
	name      string
	typ       int
	shape     []int
	signature []int  // the shape with -1 where it is open; nil where it is not
	data      []byte // nil: computed
	scale     []float64
	zero      []int
	axis      int  // along which scales differ
	unsigned  bool // the file has uint8
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

// integer is the type of the tensor's integers as an activation, without a shape.
func (t *tensor) integer() ir.Type {
	kind := ir.I8
	if t.typ == int16Type {
		kind = ir.I16
	}
	return ir.Type{Elem: ir.Of(kind), Quant: t.quant()}
}

// ints are the elements of a constant of integers.
func (t *tensor) ints() []int64 {
	size := sizes[t.typ]
	if size == 0 || t.typ == float32Type || t.typ == float16Type {
		return nil
	}
	out := make([]int64, len(t.data)/size)
	for i := range out {
		b := t.data[i*size:]
		switch t.typ {
		case int8Type:
			out[i] = int64(int8(b[0]))
		case uint8Type, boolType:
			out[i] = int64(b[0])
		case int16Type:
			out[i] = int64(int16(binary.LittleEndian.Uint16(b)))
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

// open reads the tensors of a subgraph with their data.
func (m *model) open(graph table) (scope, error) {
	s := scope{values: map[int]*operand{}, failed: map[int]bool{}}
	for _, t := range graph.tables(0) {
		out, err := m.tensor(t)
		if err != nil {
			return s, err
		}
		s.tensors = append(s.tensors, out)
		if m.f.err != nil {
			break
		}
	}
	return s, m.f.err
}

// content is a buffer read as elements of a type: many tensors may have one.
type content struct{ buffer, typ int }

// tensor reads a tensor, and checks it against its data.
func (m *model) tensor(t table) (*tensor, error) {
	out := &tensor{name: t.text(3), typ: t.byte(1, 0), shape: t.ints(0)}
	for _, d := range out.shape {
		if d < 0 || out.size() < 0 || d > ir.MaxElements || out.size() > ir.MaxElements {
			return nil, fmt.Errorf("tensor %q has the shape %v", out.name, out.shape)
		}
	}
	if n := ir.Shape(out.shape).Size(); n < 0 && !slices.Contains(out.shape, 0) {
		return nil, fmt.Errorf("tensor %q has the shape %v", out.name, out.shape)
	}
	if open := t.ints(7); slices.Contains(open, -1) {
		out.signature = open
	}
	if q, ok := t.sub(4); ok {
		out.scale, out.zero, out.axis = q.floats(2), q.longs(3), q.int(6, 0)
		for _, s := range out.scale {
			if !(s > 0) || math.IsInf(s, 0) {
				return nil, fmt.Errorf("tensor %q has the scale %v", out.name, s)
			}
		}
		for _, z := range out.zero {
			if out.typ == int8Type && z != int(int8(z)) || out.typ == uint8Type && z != int(uint8(z)) {
				return nil, fmt.Errorf("tensor %q has the zero point %d", out.name, z)
			}
		}
		if out.axis < 0 || out.axis >= max(len(out.shape), 1) || len(out.scale) > 1 && (len(out.shape) == 0 || out.shape[out.axis] != len(out.scale)) {
			return nil, fmt.Errorf("tensor %q of shape %v has %d scales along axis %d", out.name, out.shape, len(out.scale), out.axis)
		}
	}
	b := t.int(2, 0)
	if b < 0 || b >= max(len(m.buffers), 1) {
		return nil, fmt.Errorf("tensor %q has the buffer %d of %d", out.name, b, len(m.buffers))
	}
	if b > 0 {
		if data := m.buffers[b].data(0); len(data) > 0 {
			out.data = data
		} else if at := m.buffers[b].field(1); at != 0 {
			return nil, fmt.Errorf("tensor %q has data after the flatbuffer, of models above 2 GB", out.name)
		}
	}
	if size := sizes[out.typ]; out.data != nil && size > 0 && len(out.data) != size*out.size() {
		return nil, fmt.Errorf("tensor %q of shape %v has %d bytes of data", out.name, out.shape, len(out.data))
	}
	if is := (content{b, out.typ}); out.data != nil && (out.typ == float32Type || out.typ == float16Type) && !m.finite[is] {
		for i, v := range out.floats() {
			if v-v != 0 {
				return nil, fmt.Errorf("tensor %q holds %v at element %d", out.name, v, i)
			}
		}
		m.finite[is] = true
	}
	if out.typ == uint8Type && len(out.scale) > 0 {
		m.makeSigned(out, b)
	}
	return out, nil
}

// makeSigned makes a tensor of uint8, whose data are a buffer, one of int8.
func (m *model) makeSigned(t *tensor, buffer int) {
	t.typ, t.unsigned, t.zero = int8Type, true, slices.Clone(t.zero)
	if len(t.zero) == 0 {
		t.zero = make([]int, len(t.scale))
	}
	for i := range t.zero {
		t.zero[i] -= 128
	}
	if t.data == nil {
		return
	}
	if m.signed[buffer] == nil {
		data := slices.Clone(t.data)
		for i := range data {
			data[i] ^= 0x80
		}
		m.signed[buffer] = data
	}
	t.data = m.signed[buffer]
}

// realsOf are the reals of the integers from -128 to 127.
func realsOf(q ir.Quant) *[256]float32 {
	var out [256]float32
	for i := range out {
		out[i] = float32(q.Scale) * float32(i-128-q.Zero)
	}
	return &out
}
