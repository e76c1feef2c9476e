package onnx

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/input"
)

// dtype is ONNX's number of an element type.
type dtype int32

// The element types that tensors may have here.
const (
	float32Type  dtype = 1
	uint8Type    dtype = 2
	int8Type     dtype = 3
	uint16Type   dtype = 4
	int16Type    dtype = 5
	int32Type    dtype = 6
	int64Type    dtype = 7
	boolType     dtype = 9
	float16Type  dtype = 10
	doubleType   dtype = 11
	uint32Type   dtype = 12
	uint64Type   dtype = 13
	bfloat16Type dtype = 16
	uint4Type    dtype = 21
	int4Type     dtype = 22
	uint2Type    dtype = 25
	int2Type     dtype = 26
)

// typeNames are ONNX's words for element types.
var typeNames = map[dtype]string{
	float32Type: "float", uint8Type: "uint8", int8Type: "int8", uint16Type: "uint16", int16Type: "int16", int32Type: "int32", int64Type: "int64",
	8: "string", boolType: "bool", float16Type: "float16", doubleType: "double", uint32Type: "uint32", uint64Type: "uint64", 14: "complex64",
	15: "complex128", bfloat16Type: "bfloat16", 17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz",
	uint4Type: "uint4", int4Type: "int4", 23: "float4e2m1", 24: "float8e8m0", uint2Type: "uint2", int2Type: "int2",
}

func (d dtype) String() string {
	if name := typeNames[d]; name != "" {
		return name
	}
	return fmt.Sprintf("ONNX type %d", int32(d))
}

// dtypes are the formats in which tensors files hold the same bytes.
var dtypes = map[dtype]weights.DType{
	float32Type: weights.F32, uint8Type: weights.U8, int8Type: weights.I8, int16Type: weights.I16, int32Type: weights.I32,
	int64Type: weights.I64, boolType: weights.Bool, float16Type: weights.F16, doubleType: weights.F64, bfloat16Type: weights.BF16,
	uint16Type: weights.U16, uint32Type: weights.U32, uint64Type: weights.U64,
	// Integers of less than a byte are taken apart when they are read: one a byte.
	uint4Type: weights.U8, int4Type: weights.I8, uint2Type: weights.U8, int2Type: weights.I8,
}

func (d dtype) size() int { return dtypes[d].Size() }

func (d dtype) isFloat() bool {
	return d == float32Type || d == float16Type || d == doubleType || d == bfloat16Type
}

// bits are those of an element of integers; 0 where it is none.
func (d dtype) bits() int {
	switch d {
	case uint2Type, int2Type:
		return 2
	case uint4Type, int4Type:
		return 4
	}
	if d.isFloat() || d == boolType {
		return 0
	}
	return 8 * d.size()
}

func (d dtype) isSigned() bool {
	return d == int2Type || d == int4Type || d == int8Type || d == int16Type || d == int32Type || d == int64Type
}

// tensor is a constant of the model. Its bytes, little endian and row-major, are
// made when they are asked for.
type tensor struct {
	name  string
	typ   dtype
	shape []int
	data  ir.Data

	isEndless bool // some elements are infinite
	isFixed   bool // weights that are no model's, but of an interpolation: they keep 8 bits
	// Of dequantized integers: these, less their zero points, and the scale of each.
	codes, steps *tensor
}

// kept are the attributes of a layer of weights that keep their bits.
func (t *tensor) kept() []ir.Attr {
	if !t.isFixed {
		return nil
	}
	return []ir.Attr{ir.AttrBits.Is(ir.Of(ir.I8))}
}

func (t *tensor) size() int { return ir.Shape(t.shape).Size() }

// derived are data that are made from another tensor's when they are asked for: its
// elements in the order of a view or, where there is a function, as f32 what it makes of
// their places and numbers. They are written piece by piece: a large model's weights do
// not fit the memory twice.
type derived struct {
	of   *tensor
	view ir.View
	f    func(at int, v float64) float64
}

// Load makes the data in memory.
func (d derived) Load() ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, max(d.view.Size(), 0)*d.size()))
	_, err := d.WriteTo(b)
	return b.Bytes(), err
}

// size is the bytes of an element.
func (d derived) size() int {
	if d.f != nil {
		return float32Type.size()
	}
	return d.of.typ.size()
}

// WriteTo makes the data in pieces.
func (d derived) WriteTo(to io.Writer) (int64, error) {
	raw, err := d.of.data.Load()
	if err != nil {
		return 0, err
	}
	c := &counter{to: to}
	w := bufio.NewWriterSize(c, min(max(d.view.Size(), 1)*d.size(), 1<<18)) // keeps the first error for Flush
	size := d.of.typ.size()
	if d.f == nil {
		d.view.Each(func(_, at int) { _, _ = w.Write(raw[at*size : (at+1)*size]) })
	} else {
		var b [4]byte
		d.view.Each(func(_, at int) {
			binary.LittleEndian.PutUint32(b[:], math.Float32bits(float32(d.f(at, d.of.typ.number(raw[at*size:])))))
			_, _ = w.Write(b[:])
		})
	}
	err = w.Flush()
	return c.n, err
}

// counter counts the bytes that are written.
type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.n += int64(n)
	return n, err
}

// mapped is f32 data of what f makes of t's elements, by their places.
func (t *tensor) mapped(f func(at int, v float64) float64) ir.Data {
	return derived{t, ir.ViewOf(t.shape), f}
}

// each is f32 data of what g makes of each element of t.
func (t *tensor) each(g func(v float64) float64) ir.Data {
	f := func(_ int, v float64) float64 { return g(v) }
	d, ok := t.data.(derived)
	if !ok {
		return t.mapped(f)
	}
	if inner := d.f; inner != nil {
		f = func(at int, v float64) float64 { return g(float64(float32(inner(at, v)))) }
	}
	return derived{d.of, d.view, f}
}

// tensor checks a tensor of the file: type, shape, and that there are as many
// data as they say.
func (f *file) tensor(t *pb.Tensor, folder *folder) (*tensor, error) {
	out := &tensor{name: t.GetName(), typ: dtype(t.GetDataType())}
	size := out.typ.size()
	if size == 0 {
		return nil, fmt.Errorf("tensor %q has elements of ONNX type %d, which are not supported", out.name, out.typ)
	}
	count := 1
	for _, d := range t.GetDims() {
		if d < 0 || d > ir.MaxElements || (d > 0 && int64(count) > ir.MaxElements/d) {
			return nil, fmt.Errorf("tensor %q has the impossible shape %v", out.name, t.GetDims())
		}
		out.shape = append(out.shape, int(d))
		count *= int(d)
	}
	raw, err := f.bytes(t, out.typ, folder)
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", out.name, err)
	}
	if bits := out.typ.bits(); bits > 0 && bits < 8 && len(raw) == (count*bits+7)/8 {
		raw = unpacked(raw, count, bits, out.typ.isSigned())
	}
	if len(raw) != count*size {
		return nil, fmt.Errorf("tensor %q: shape %v takes %d bytes, the file has %d for it", out.name, t.GetDims(), count*size, len(raw))
	}
	out.data = ir.Bytes(raw)
	return out, nil
}

// unpacked are integers of a few bits, the first in the lowest, as one a byte.
func unpacked(raw []byte, count, bits int, signed bool) []byte {
	out := make([]byte, count)
	for i := range out {
		b := raw[i*bits/8] >> (i * bits % 8) << (8 - bits)
		if signed {
			out[i] = byte(int8(b) >> (8 - bits))
		} else {
			out[i] = b >> (8 - bits)
		}
	}
	return out
}

// bytes are the data of a tensor, wherever they lie.
func (f *file) bytes(t *pb.Tensor, typ dtype, folder *folder) ([]byte, error) {
	switch {
	case t.GetDataLocation() == 1:
		return folder.external(t.GetExternalData())
	case t.Bytes != nil:
		at, n := t.GetAt(), t.GetBytes()
		if at > uint64(len(f.raw)) || n > uint64(len(f.raw))-at {
			return nil, errors.New("its data lie outside of the file")
		}
		return f.raw[at : at+n : at+n], nil
	case len(t.RawData) > 0:
		return t.RawData, nil
	}
	var raw []byte
	for _, v := range t.FloatData {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	for _, v := range t.DoubleData {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	}
	put := func(v uint64) {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], v)
		raw = append(raw, b[:typ.size()]...)
	}
	for _, v := range t.Int32Data {
		put(uint64(v))
	}
	for _, v := range t.Int64Data {
		put(uint64(v))
	}
	for _, v := range t.Uint64Data {
		put(v)
	}
	return raw, nil
}

// folder is where external data lie.
type folder struct {
	dir     string
	outside bool // may be outside of it
	files   map[string][]byte
}

// external reads the data that entries describe: a file in the model's folder, an
// offset and a length.
func (d *folder) external(entries []*pb.Entry) ([]byte, error) {
	var path string
	var at, n int64 = 0, -1
	for _, e := range entries {
		var err error
		switch e.GetKey() {
		case "location":
			path = e.GetValue()
		case "offset":
			at, err = strconv.ParseInt(e.GetValue(), 10, 64)
		case "length":
			n, err = strconv.ParseInt(e.GetValue(), 10, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("external data with %s %q", e.GetKey(), e.GetValue())
		}
	}
	if d == nil {
		return nil, errors.New("external data of a model without a folder")
	}
	raw, ok := d.files[path]
	if !ok {
		full := filepath.Join(d.dir, path)
		switch {
		case !d.outside:
			var err error
			if full, err = input.Inside(d.dir, path); err != nil {
				return nil, fmt.Errorf("external data in %q, outside of the model's folder: it %w; -allow-outside permits it", path, err)
			}
		case filepath.IsAbs(path):
			full = path
		}
		var err error
		if raw, err = input.Map(full); err != nil {
			var at *fs.PathError
			if errors.As(err, &at) {
				err = at.Err
			}
			return nil, fmt.Errorf("external data in %q: %w", path, err)
		}
		d.files[path] = raw
	}
	if n < 0 {
		n = int64(len(raw)) - at
	}
	if at < 0 || n < 0 || at > int64(len(raw)) || n > int64(len(raw))-at {
		return nil, fmt.Errorf("external data at bytes %d to %d of %q, which has %d", at, at+n, path, len(raw))
	}
	return raw[at : at+n : at+n], nil
}

// floats are the elements as float32.
func (t *tensor) floats() ([]float32, error) {
	raw, err := t.data.Load()
	if err != nil {
		return nil, err
	}
	return weights.Tensor{Name: t.name, DType: dtypes[t.typ], Shape: t.shape, Data: raw}.Float32()
}

// float32s is t as data of f32: the bytes in the file where it is that already.
func (t *tensor) float32s() ir.Data {
	if t.typ == float32Type {
		return t.data
	}
	return t.each(func(v float64) float64 { return v })
}

// checkNumbers reports a float that is no number, and learns whether some are infinite.
func (t *tensor) checkNumbers() error {
	if !t.typ.isFloat() {
		return nil
	}
	raw, err := t.data.Load()
	if err != nil {
		return err
	}
	size := t.typ.size()
	for i := 0; i < len(raw)/size; i++ {
		switch v := t.typ.number(raw[i*size:]); {
		case v != v:
			return fmt.Errorf("tensor %q holds %v at element %d", t.name, v, i)
		case math.IsInf(v, 0):
			t.isEndless = true
		}
	}
	return nil
}

// view is t seen through v, made when asked for.
func (t *tensor) view(v ir.View) *tensor {
	out := &tensor{name: t.name, typ: t.typ, shape: v.Dims, isEndless: t.isEndless, isFixed: t.isFixed}
	if v.IsWhole() && v.Size() == t.size() {
		return t.reshaped(v.Dims)
	}
	if d, ok := t.data.(derived); ok && d.view.IsWhole() && d.view.Size() == d.of.size() {
		out.data = derived{d.of, v, d.f} // of the same elements in the same order
	} else {
		out.data = derived{t, v, nil}
	}
	if t.codes != nil {
		out.codes, out.steps = t.codes.view(v), t.steps.view(v)
	}
	return out
}

// reshaped has other dimensions.
func (t *tensor) reshaped(shape []int) *tensor {
	out := &tensor{name: t.name, typ: t.typ, shape: shape, data: t.data, isEndless: t.isEndless, isFixed: t.isFixed}
	if t.codes != nil {
		out.codes, out.steps = t.codes.reshaped(shape), t.steps.reshaped(shape)
	}
	return out
}

// numbers are the elements as float64, which holds integers to 2^53.
func (t *tensor) numbers() ([]float64, error) {
	raw, err := t.data.Load()
	if err != nil {
		return nil, err
	}
	size := t.typ.size()
	out := make([]float64, len(raw)/size)
	for i := range out {
		out[i] = t.typ.number(raw[i*size:])
	}
	return out, nil
}

// ints are the elements as int64; floats are cut off.
func (t *tensor) ints() ([]int64, error) {
	raw, err := t.data.Load()
	if err != nil {
		return nil, err
	}
	size := t.typ.size()
	out := make([]int64, len(raw)/size)
	for i := range out {
		if t.typ.isFloat() {
			out[i] = int64(t.typ.number(raw[i*size:]))
		} else {
			out[i] = t.typ.integer(raw[i*size:])
		}
	}
	return out, nil
}

// number is the element that bytes begin with, floats as float32 has them.
func (d dtype) number(b []byte) float64 {
	switch d {
	case float32Type:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case float16Type:
		return float64(weights.F16.Float32(b))
	case bfloat16Type:
		return float64(weights.BF16.Float32(b))
	case doubleType:
		return float64(weights.F64.Float32(b))
	}
	return float64(d.integer(b))
}

// integer is the element of integers that bytes begin with.
func (d dtype) integer(b []byte) int64 {
	switch d {
	case int8Type, int4Type, int2Type:
		return int64(int8(b[0]))
	case uint8Type, boolType, uint4Type, uint2Type:
		return int64(b[0])
	case int16Type:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case uint16Type:
		return int64(binary.LittleEndian.Uint16(b))
	case int32Type:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	case uint32Type:
		return int64(binary.LittleEndian.Uint32(b))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// newTensor makes a tensor of numbers.
func newTensor(typ dtype, shape []int, x []float64) *tensor {
	raw := make([]byte, 0, len(x)*typ.size())
	for _, v := range x {
		switch typ {
		case float32Type:
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(v)))
		case doubleType:
			raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
		default:
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], uint64(int64(v)))
			raw = append(raw, b[:typ.size()]...)
		}
	}
	isEndless := typ.isFloat() && slices.ContainsFunc(x, func(v float64) bool { return math.IsInf(v, 0) })
	return &tensor{typ: typ, shape: shape, data: ir.Bytes(raw), isEndless: isEndless}
}

// newInts makes an int64 tensor.
func newInts(shape []int, x []int64) *tensor {
	raw := make([]byte, 0, 8*len(x))
	for _, v := range x {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return &tensor{typ: int64Type, shape: shape, data: ir.Bytes(raw)}
}

// Floats reads the elements of a file of one tensor, as ONNX's backend tests have
// them for inputs and outputs.
func Floats(raw []byte) ([]float32, error) {
	c, err := oneTensor(raw)
	if err != nil {
		return nil, err
	}
	if c.typ == boolType { // conditions are numbers here
		x, err := c.numbers()
		out := make([]float32, len(x))
		for i, v := range x {
			out[i] = float32(v)
		}
		return out, err
	}
	return c.floats()
}

// Step is the distance between 1 and the next number of the type of a file of one tensor;
// 0 where it is no half float.
func Step(raw []byte) float64 {
	var t pb.Tensor
	if proto.Unmarshal(raw, &t) != nil {
		return 0
	}
	switch dtype(t.GetDataType()) {
	case float16Type:
		return 1. / 1024
	case bfloat16Type:
		return 1. / 128
	}
	return 0
}

// Limits are the least and greatest integer of the type of a file of one tensor; ok where it
// is one of integers of at most 16 bits, which quantizations give.
func Limits(raw []byte) (lo, hi float64, ok bool) {
	var t pb.Tensor
	if proto.Unmarshal(raw, &t) != nil {
		return 0, 0, false
	}
	d := dtype(t.GetDataType())
	if d.bits() == 0 || d.bits() > 16 {
		return 0, 0, false
	}
	lo, hi = d.limits()
	return lo, hi, true
}

// oneTensor reads a file of one tensor.
func oneTensor(raw []byte) (*tensor, error) {
	var t pb.Tensor
	if err := proto.Unmarshal(raw, &t); err != nil {
		return nil, err
	}
	return (&file{raw: raw}).tensor(&t, nil)
}
