package tflite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// flat reads a flatbuffer. Every offset is checked against the bytes before it is
// followed; the first that leads out of them is the reader's error, and all that
// is read after it is zero.
type flat struct {
	raw []byte
	err error
	// steps bounds the tables and vectors that are entered: a file whose offsets
	// lead to the same bytes again and again would be read for ever.
	steps int
}

const maxSteps = 1 << 21

func (f *flat) fail(at int) {
	if f.err == nil {
		f.err = fmt.Errorf("an offset leads to byte %d of %d", at, len(f.raw))
	}
}

// bytes are n bytes at a place, zeros after an error.
func (f *flat) bytes(at, n int) []byte {
	if f.steps++; f.steps > maxSteps && f.err == nil {
		f.err = errors.New("more tables and vectors than any model has")
	}
	if f.err != nil || at < 0 || n < 0 || at > len(f.raw) || n > len(f.raw)-at {
		f.fail(at)
		return make([]byte, min(max(n, 0), 8))
	}
	return f.raw[at : at+n]
}

func (f *flat) u16(at int) int { return int(binary.LittleEndian.Uint16(f.bytes(at, 2))) }
func (f *flat) i32(at int) int { return int(int32(binary.LittleEndian.Uint32(f.bytes(at, 4)))) }
func (f *flat) u32(at int) int { return int(binary.LittleEndian.Uint32(f.bytes(at, 4))) }

// table is a table of the file; the zero table has no fields.
type table struct {
	f  *flat
	at int
}

// follow reads the offset at a place.
func (f *flat) follow(at int) int {
	to := at + f.u32(at)
	if f.err == nil && (to <= at || to > len(f.raw)) {
		f.fail(to)
	}
	return to
}

// field is the place of a field, 0 where it is absent.
func (t table) field(slot int) int {
	if t.f == nil || t.f.err != nil {
		return 0
	}
	v := t.at - t.f.i32(t.at)
	if 4+2*slot+2 > t.f.u16(v) {
		return 0
	}
	if o := t.f.u16(v + 4 + 2*slot); o != 0 {
		return t.at + o
	}
	return 0
}

// sub is a table that a field refers to.
func (t table) sub(slot int) (table, bool) {
	at := t.field(slot)
	if at == 0 {
		return table{}, false
	}
	return table{t.f, t.f.follow(at)}, t.f.err == nil
}

func (t table) byte(slot, absent int) int {
	if at := t.field(slot); at != 0 {
		return int(int8(t.f.bytes(at, 1)[0]))
	}
	return absent
}

func (t table) int(slot, absent int) int {
	if at := t.field(slot); at != 0 {
		return t.f.i32(at)
	}
	return absent
}

func (t table) float(slot int, absent float64) float64 {
	if at := t.field(slot); at != 0 {
		return float64(math.Float32frombits(uint32(t.f.u32(at))))
	}
	return absent
}

// vector is the place of a vector's elements and their number; ok is false where
// it is absent.
func (t table) vector(slot, size int) (at, n int, ok bool) {
	p := t.field(slot)
	if p == 0 {
		return 0, 0, false
	}
	p = t.f.follow(p)
	n = t.f.u32(p)
	if t.f.err != nil || n > (len(t.f.raw)-p-4)/size {
		t.f.fail(p)
		return 0, 0, false
	}
	return p + 4, n, true
}

func (t table) data(slot int) []byte {
	at, n, _ := t.vector(slot, 1)
	return t.f.raw[at : at+n]
}

func (t table) text(slot int) string {
	at, n, ok := t.vector(slot, 1)
	if !ok {
		return ""
	}
	return string(t.f.raw[at : at+min(n, 256)])
}

func (t table) ints(slot int) []int {
	at, n, _ := t.vector(slot, 4)
	if n > maxList {
		t.f.fail(at)
		return nil
	}
	out := make([]int, n)
	for i := range out {
		out[i] = t.f.i32(at + 4*i)
	}
	return out
}

func (t table) longs(slot int) []int {
	at, n, _ := t.vector(slot, 8)
	out := make([]int, n)
	for i := range out {
		out[i] = int(binary.LittleEndian.Uint64(t.f.bytes(at+8*i, 8)))
	}
	return out
}

func (t table) floats(slot int) []float64 {
	at, n, _ := t.vector(slot, 4)
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(math.Float32frombits(uint32(t.f.u32(at + 4*i))))
	}
	return out
}

// tables are the tables of a vector of offsets.
func (t table) tables(slot int) []table {
	at, n, _ := t.vector(slot, 4)
	out := make([]table, 0, n)
	for i := range n {
		out = append(out, table{t.f, t.f.follow(at + 4*i)})
		if t.f.err != nil {
			return nil
		}
	}
	return out
}

// maxList bounds shapes and lists of operands.
const maxList = 1 << 12
