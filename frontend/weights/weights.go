// Package weights reads and writes files of named tensors: safetensors, and npz
// as numpy writes it. Whatever a file claims is checked against its bytes
// before anything is allocated for it.
package weights

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/runtime/input"
)

// DType is an element type, by its safetensors name.
type DType string

// The element types.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U8   DType = "U8"
	U64  DType = "U64"
	U32  DType = "U32"
	U16  DType = "U16"
	Bool DType = "BOOL"
)

var sizes = map[DType]int{F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, U64: 8, U32: 4, U16: 2, Bool: 1}

// Size is the bytes of one element, 0 for an unknown type.
func (d DType) Size() int { return sizes[d] }

// Tensor is a named array, row-major and little endian.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte
}

// Float32 converts any numeric tensor.
func (t Tensor) Float32() ([]float32, error) {
	size := t.DType.Size()
	if size == 0 || t.DType == Bool {
		return nil, fmt.Errorf("tensor %s is %s, not numbers", t.Name, t.DType)
	}
	out := make([]float32, len(t.Data)/size)
	for i := range out {
		out[i] = t.DType.Float32(t.Data[i*size:])
	}
	return out, nil
}

// Float32 converts the number that bytes begin with.
func (d DType) Float32(b []byte) float32 {
	switch d {
	case F64:
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case F32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case F16:
		return half(binary.LittleEndian.Uint16(b))
	case BF16:
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	case I64:
		return float32(int64(binary.LittleEndian.Uint64(b)))
	case I32:
		return float32(int32(binary.LittleEndian.Uint32(b)))
	case I16:
		return float32(int16(binary.LittleEndian.Uint16(b)))
	case U64:
		return float32(binary.LittleEndian.Uint64(b))
	case U32:
		return float32(binary.LittleEndian.Uint32(b))
	case U16:
		return float32(binary.LittleEndian.Uint16(b))
	case I8:
		return float32(int8(b[0]))
	}
	return float32(b[0])
}

// half converts an IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, int(h>>10&31), uint32(h&0x3ff)
	switch exp {
	case 0:
		v := float32(math.Ldexp(float64(frac), -24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | uint32(exp+112)<<23 | frac<<13)
}

// File is an open file of tensors.
type File struct {
	raw     []byte
	tensors map[string]Tensor
	names   []string
	unread  []Unread
	isLax   bool // arrays that are no tensors are no fault
}

// maxHeader bounds the header of a safetensors file.
const maxHeader = 100 << 20

// Open reads a file, whose format its first bytes tell.
func Open(path string) (*File, error) {
	raw, err := input.Map(path)
	if err != nil {
		return nil, err
	}
	return Parse(raw)
}

// Parse reads a file's bytes.
func Parse(raw []byte) (*File, error) {
	f := &File{raw: raw, tensors: map[string]Tensor{}}
	var err error
	if bytes.HasPrefix(raw, []byte("PK")) {
		err = f.parseNPZ(int64(unpackedFree + unpackedRatio*len(raw)))
	} else {
		err = f.parseSafetensors()
	}
	if err != nil {
		return nil, err
	}
	sort.Strings(f.names)
	return f, nil
}

// Names lists the tensors in order.
func (f *File) Names() []string { return f.names }

// Tensor finds a tensor by name.
func (f *File) Tensor(name string) (Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// SHA256 is the hash of the whole file, in hex.
func (f *File) SHA256() string {
	sum := sha256.Sum256(f.raw)
	return hex.EncodeToString(sum[:])
}

func (f *File) add(t Tensor) error {
	if _, twice := f.tensors[t.Name]; twice {
		return fmt.Errorf("tensor %q stands twice in the file", t.Name)
	}
	if err := t.takes(len(t.Data)); err != nil {
		return err
	}
	f.tensors[t.Name] = t
	f.names = append(f.names, t.Name)
	return nil
}

// takes holds the bytes that a file has for a tensor to its type and shape.
func (t *Tensor) takes(bytes int) error {
	n := t.DType.Size()
	if n == 0 {
		return fmt.Errorf("tensor %q has the unknown type %q", t.Name, t.DType)
	}
	for _, d := range t.Shape {
		if d < 0 || (d > 0 && n > math.MaxInt/2/d) {
			return fmt.Errorf("tensor %q has the impossible shape %v", t.Name, t.Shape)
		}
		n *= d
	}
	if n != bytes {
		return fmt.Errorf("tensor %q: %s%v takes %d bytes, the file has %d for it", t.Name, t.DType, t.Shape, n, bytes)
	}
	return nil
}

type header struct {
	DType   DType  `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

func (f *File) parseSafetensors() error {
	if len(f.raw) < 8 {
		return errors.New("no safetensors or npz file: shorter than a header")
	}
	n := binary.LittleEndian.Uint64(f.raw)
	if n > maxHeader || n > uint64(len(f.raw)-8) {
		return fmt.Errorf("no safetensors or npz file, or truncated: a header of %d bytes in a file of %d", n, len(f.raw))
	}
	text, data := f.raw[8:8+n], f.raw[8+n:]
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("no safetensors or npz file: the header is not JSON")
	}
	type span struct{ from, to int }
	var spans []span
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("header: %w", err)
		}
		name, _ := key.(string)
		if name == "__metadata__" {
			var skip map[string]string
			if err := dec.Decode(&skip); err != nil {
				return fmt.Errorf("header: %w", err)
			}
			continue
		}
		var h header
		if err := dec.Decode(&h); err != nil {
			return fmt.Errorf("header of tensor %q: %w", name, err)
		}
		a, b := h.Offsets[0], h.Offsets[1]
		if a < 0 || b < a || b > len(data) {
			return fmt.Errorf("tensor %q lies at bytes %d to %d of %d: the file is truncated or damaged", name, a, b, len(data))
		}
		if err := f.add(Tensor{name, h.DType, h.Shape, data[a:b:b]}); err != nil {
			return err
		}
		spans = append(spans, span{a, b})
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	slices.SortFunc(spans, func(x, y span) int { return x.from - y.from })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return errors.New("tensors overlap in the file")
		}
	}
	return nil
}

// Entry is a tensor whose data are made when they are written.
type Entry struct {
	Name  string
	DType DType
	Shape []int
	Data  io.WriterTo
}

// Made is data that a function makes when they are written.
type Made func() ([]byte, error)

// WriteTo writes what the function makes.
func (m Made) WriteTo(w io.Writer) (int64, error) {
	data, err := m()
	if err != nil {
		return 0, err
	}
	n, err := w.Write(data)
	return int64(n), err
}

// bytes is the size that type and shape give.
func (e *Entry) bytes() int {
	n := e.DType.Size()
	for _, d := range e.Shape {
		n *= d
	}
	return n
}

// WriteSafetensors writes tensors by rising name: equal tensors, equal bytes.
func WriteSafetensors(w io.Writer, tensors []Tensor) error {
	entries := make([]Entry, len(tensors))
	for i, t := range tensors {
		entries[i] = Entry{t.Name, t.DType, t.Shape, bytes.NewReader(t.Data)}
	}
	return Stream(w, entries)
}

// Stream writes a safetensors file with at most one tensor at a time in memory.
func Stream(w io.Writer, entries []Entry) error {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	var text bytes.Buffer
	text.WriteByte('{')
	at := 0
	for i, t := range sorted {
		if i > 0 {
			text.WriteByte(',')
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return err
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		h, err := json.Marshal(header{t.DType, shape, [2]int{at, at + t.bytes()}})
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s:%s", name, h)
		at += t.bytes()
	}
	text.WriteByte('}')
	for text.Len()%8 != 0 {
		text.WriteByte(' ')
	}
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(text.Len()))
	if _, err := w.Write(append(n[:], text.Bytes()...)); err != nil {
		return err
	}
	for _, t := range sorted {
		n, err := t.Data.WriteTo(w)
		if err != nil {
			return err
		}
		if int(n) != t.bytes() {
			return fmt.Errorf("tensor %s has %d bytes, its type takes %d", t.Name, n, t.bytes())
		}
	}
	return nil
}

// An npz may unpack to this much, and to this many times its own size: weights
// do not shrink further, a file made to fill the memory does.
const (
	unpackedFree  = 64 << 20
	unpackedRatio = 16
)

var (
	npyDescr = regexp.MustCompile(`'descr'\s*:\s*'([^']*)'`)
	npyOrder = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape = regexp.MustCompile(`'shape'\s*:\s*\(([^)]*)\)`)
	npyTypes = map[string]DType{"<f8": F64, "<f4": F32, "<f2": F16, "<i8": I64, "<i4": I32, "<i2": I16, "|i1": I8, "<u8": U64, "<u4": U32, "<u2": U16, "|u1": U8, "|b1": Bool}
)

// npyMagic is what an npy array begins with.
const npyMagic = "\x93NUMPY"

// ParseArrays reads the arrays of an npz, or an npy, whose only array is called name,
// that unpack to at most room bytes. An array that is no tensor, as strings are none, is
// no fault of the others: Unread says why.
func ParseArrays(name string, raw []byte, room int64) (*File, error) {
	f := &File{raw: raw, tensors: map[string]Tensor{}, isLax: true}
	err := error(nil)
	if bytes.HasPrefix(raw, []byte(npyMagic)) {
		err = f.array(name, raw)
	} else {
		err = f.parseNPZ(room)
	}
	sort.Strings(f.names)
	return f, err
}

// Unread is an array that is no tensor.
type Unread struct {
	Name  string
	Elem  string // numpy's name of its type: <U4 of texts of 4 characters
	Shape []int
	First string // its first text; "" of an array of other things
	Err   error
}

// Unread lists the arrays that could not be read.
func (f *File) Unread() []Unread { return f.unread }

// array adds an npy array.
func (f *File) array(name string, raw []byte) error {
	t, err := parseNPY(name, raw)
	if err == nil {
		return f.add(t)
	}
	var kind errElements
	if !f.isLax || !errors.As(err, &kind) {
		return err
	}
	f.unread = append(f.unread, Unread{name, string(kind), t.Shape, firstText(string(kind), t.Data), err})
	return nil
}

// errElements is numpy's name of the type of an array that is no tensor.
type errElements string

// Error says what to do.
func (kind errElements) Error() string {
	return fmt.Sprintf("elements of %q: save the array as float32", string(kind))
}

// firstText is the first of an array's texts, <U4 of characters of 32 bits or |S4 of bytes.
func firstText(kind string, raw []byte) string {
	if len(kind) < 3 {
		return ""
	}
	n, err := strconv.Atoi(kind[2:])
	var text []rune
	switch {
	case err != nil || n < 0:
	case kind[1] == 'S':
		for _, b := range raw[:min(n, len(raw))] {
			text = append(text, rune(b))
		}
	case kind[:2] == "<U":
		for ; n > 0 && len(raw) >= 4; n, raw = n-1, raw[4:] {
			text = append(text, rune(binary.LittleEndian.Uint32(raw)))
		}
	}
	return strings.TrimRight(string(text), "\x00")
}

func (f *File) parseNPZ(room int64) error {
	z, err := zip.NewReader(bytes.NewReader(f.raw), int64(len(f.raw)))
	if err != nil {
		return fmt.Errorf("npz: %w", err)
	}
	for _, m := range z.File {
		name, ok := strings.CutSuffix(m.Name, ".npy")
		if !ok {
			continue
		}
		if m.UncompressedSize64 > uint64(room) {
			return fmt.Errorf("npz: %s would unpack to %d bytes: %w", m.Name, m.UncompressedSize64, input.ErrLarge)
		}
		raw, err := f.unpacked(name, m)
		room -= int64(len(raw))
		if err != nil {
			return fmt.Errorf("npz: %s: %w", m.Name, err)
		}
		if err := f.array(name, raw); err != nil {
			return fmt.Errorf("npz: %s: %w", m.Name, err)
		}
	}
	return nil
}

// headBytes is what is unpacked of an array to see what it says of itself.
const headBytes = 64 << 10

// unpacked is an npy array of an npz; of one that is no tensor only its beginning. What an
// array says of itself is held to the bytes that the archive says it has, and these are
// held to what comes: an archive of few bytes cannot have many made of it by lies.
func (f *File) unpacked(name string, m *zip.File) ([]byte, error) {
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	in := bufio.NewReaderSize(r, headBytes)
	head, _ := in.Peek(int(min(headBytes, m.UncompressedSize64)))
	t, err := parseNPY(name, head)
	var kind errElements
	switch {
	case err == nil:
		if err := t.takes(int(m.UncompressedSize64) - len(head) + len(t.Data)); err != nil {
			return nil, err
		}
	case f.isLax && errors.As(err, &kind):
		return slices.Clone(head), nil
	}
	raw := make([]byte, m.UncompressedSize64)
	if _, err := io.ReadFull(in, raw); err != nil {
		return nil, err
	}
	if _, err := in.ReadByte(); err != io.EOF { // where the sum of the member is checked
		return nil, cmp.Or(err, zip.ErrFormat)
	}
	return raw, nil
}

func parseNPY(name string, raw []byte) (Tensor, error) {
	if len(raw) < 10 || string(raw[:6]) != npyMagic {
		return Tensor{}, errors.New("no npy array")
	}
	at, n := 10, int(binary.LittleEndian.Uint16(raw[8:]))
	if raw[6] >= 2 {
		if len(raw) < 12 {
			return Tensor{}, errors.New("truncated")
		}
		at, n = 12, int(binary.LittleEndian.Uint32(raw[8:]))
	}
	if n > len(raw)-at {
		return Tensor{}, errors.New("truncated")
	}
	head := string(raw[at : at+n])
	descr, order, dims := npyDescr.FindStringSubmatch(head), npyOrder.FindStringSubmatch(head), npyShape.FindStringSubmatch(head)
	if descr == nil || order == nil || dims == nil {
		return Tensor{}, errors.New("an npy header without descr, fortran_order and shape")
	}
	kind := descr[1]
	isBig := strings.HasPrefix(kind, ">")
	if isBig {
		kind = "<" + kind[1:]
	}
	t := Tensor{Name: name, DType: npyTypes[kind], Data: raw[at+n:], Shape: []int{}}
	for _, d := range strings.Split(dims[1], ",") {
		if d = strings.TrimSpace(d); d == "" {
			continue
		}
		v, err := strconv.Atoi(d)
		if err != nil {
			return Tensor{}, fmt.Errorf("the dimension %q", d)
		}
		t.Shape = append(t.Shape, v)
	}
	if t.DType == "" {
		return t, errElements(descr[1])
	}
	if isBig {
		t.Data = slices.Clone(t.Data)
		for rest := t.Data; len(rest) >= t.DType.Size(); rest = rest[t.DType.Size():] {
			slices.Reverse(rest[:t.DType.Size()])
		}
	}
	if order[1] == "True" {
		t.Data = rowMajor(t.Data, t.Shape, t.DType.Size())
	}
	return t, nil
}

// rowMajor is the elements of an array whose first index changes fastest, in the order in
// which the last one does. Data of another size than the shape's stay as they are, and are
// told by who adds them.
func rowMajor(data []byte, shape []int, size int) []byte {
	strides, n := make([]int, len(shape)), size
	for i, d := range shape {
		if d <= 0 || n > len(data)/d {
			return data
		}
		strides[i], n = n, n*d
	}
	if n != len(data) {
		return data
	}
	out := make([]byte, 0, n)
	at := make([]int, len(shape))
	for range n / size {
		from := 0
		for i, x := range at {
			from += x * strides[i]
		}
		out = append(out, data[from:from+size]...)
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < shape[i] {
				break
			}
			at[i] = 0
		}
	}
	return out
}
