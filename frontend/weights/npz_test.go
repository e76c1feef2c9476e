package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/input"
)

// TestWriteNPZ: what is written is what numpy's format says, and is read again.
func TestWriteNPZ(t *testing.T) {
	var in []Tensor
	for _, d := range []DType{F64, F32, F16, I64, I32, I16, I8, U8, Bool} {
		in = append(in, Tensor{"t" + string(d), d, []int{3, 2}, bytes.Repeat([]byte{1}, 6*d.Size())})
	}
	// Names do not change the length of a header, shapes do: at each step of its padding.
	for n := range 70 {
		in = append(in, Tensor{strings.Repeat("n", n+1), U8, ones(n), []byte{7}})
	}
	var file bytes.Buffer
	require.NoError(t, WriteNPZ(&file, in))
	z, err := zip.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
	require.NoError(t, err)
	require.Len(t, z.File, len(in))
	for i, m := range z.File {
		assert.Equal(t, in[i].Name+".npy", m.Name)
		r, err := m.Open()
		require.NoError(t, err)
		raw, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "\x93NUMPY\x01\x00", string(raw[:8]))
		head := int(binary.LittleEndian.Uint16(raw[8:]))
		assert.Zero(t, (10+head)%64, "data are aligned")
		assert.Equal(t, byte('\n'), raw[10+head-1])
		assert.NotContains(t, string(raw[10:10+head]), strings.Repeat(" ", 65), "no more blanks than it takes")
		assert.Equal(t, in[i].Data, raw[10+head:])
	}
	f, err := Parse(file.Bytes())
	require.NoError(t, err)
	for _, want := range in {
		got, ok := f.Tensor(want.Name)
		require.True(t, ok, want.Name)
		assert.Equal(t, want, got)
	}
	assert.EqualError(t, WriteNPZ(io.Discard, []Tensor{{"x", BF16, []int{1}, []byte{0, 0}}}), "npz has no elements of BF16")
}

// ones is a shape of one element and n dimensions.
func ones(n int) []int {
	shape := make([]int, n)
	for i := range shape {
		shape[i] = 1
	}
	return shape
}

// failing writes some bytes, and then nothing.
type failing int

func (f *failing) Write(p []byte) (int, error) {
	if *f -= failing(len(p)); *f < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

// TestWritersFail: a disk that is full at any byte is an error, and so are data that are
// not what was declared.
func TestWritersFail(t *testing.T) {
	tensors := []Tensor{{"a", F32, []int{2}, f32(1, 2)}, {"b", I8, []int{3}, []byte{1, 2, 3}}}
	for name, write := range map[string]func(w io.Writer, tensors []Tensor) error{"npz": WriteNPZ, "safetensors": WriteSafetensors} {
		var whole bytes.Buffer
		require.NoError(t, write(&whole, tensors))
		for n := range whole.Len() {
			f := failing(n)
			require.ErrorContains(t, write(&f, tensors), "disk full", "%s, %d bytes", name, n)
		}
		f := failing(whole.Len())
		require.NoError(t, write(&f, tensors))
	}
	assert.EqualError(t, Stream(io.Discard, []Entry{{"a", F32, []int{2}, bytes.NewReader(make([]byte, 7))}}), "tensor a has 7 bytes, its type takes 8")
	assert.EqualError(t, Stream(io.Discard, []Entry{{"a", F32, nil, Made(func() ([]byte, error) { return nil, errors.New("no data") })}}), "no data")
}

// TestHeaders writes what stands in a safetensors file to the byte.
func TestHeaders(t *testing.T) {
	const want = `{"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a\"b":{"dtype":"I16","shape":[2,1],"data_offsets":[0,4]},"s":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}`
	file := safetensors(t, Tensor{"s", F32, nil, f32(1)}, Tensor{"a\"b", I16, []int{2, 1}, []byte{1, 2, 3, 4}}, Tensor{"", U8, []int{0}, nil})
	n := binary.LittleEndian.Uint64(file)
	assert.Zero(t, n%8)
	assert.Less(t, int(n)-len(want), 8)
	assert.Equal(t, want, strings.TrimRight(string(file[8:8+n]), " "))
	assert.Equal(t, append([]byte{1, 2, 3, 4}, f32(1)...), file[8+n:])
	f, err := Parse(raw(`{"__metadata__":{"format":"pt"},"a":{"dtype":"U16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3))
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, f.Names())
}

// TestNPYVersions reads the header of version 2, whose length has four bytes.
func TestNPYVersions(t *testing.T) {
	const head = "{'descr': '<i2', 'fortran_order': False, 'shape': (2,)}\n"
	two := "\x93NUMPY\x02\x00" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(head)))) + head
	f, err := Parse(npz(t, map[string]string{"a.npy": two + "\x01\x00\xff\xff"}))
	require.NoError(t, err)
	a, _ := f.Tensor("a")
	x, err := a.Float32()
	require.NoError(t, err)
	assert.Equal(t, []float32{1, -1}, x)
	one := npy(head, nil)
	for cut, want := range map[string]string{
		two[:11]: "truncated", two[:12]: "truncated", two[:len(two)-1]: "truncated", one[:len(one)-1]: "truncated", one[:9]: "no npy array", one[:10]: "truncated",
		"\x93NUMPX" + one[6:]: "no npy array", two: "takes 4 bytes",
		strings.Replace(one, "descr", "words", 1): "without", strings.Replace(one, "fortran", "cobol__", 1): "without", strings.Replace(one, "shape", "sizes", 1): "without",
	} {
		_, err := Parse(npz(t, map[string]string{"a.npy": cut}))
		assert.ErrorContains(t, err, want, "%q", cut)
	}
	_, err = Parse(npz(t, map[string]string{"a.npy": npy("{'descr': '<i2', 'fortran_order': False, 'shape': ()}", []byte{1, 0}), "b.npy": "x"}))
	assert.ErrorContains(t, err, "npz: b.npy: no npy array")
}

// TestBombs: members that together unpack to more than they may are refused, where each
// alone may.
func TestBombs(t *testing.T) {
	half := npz(t, map[string]string{"a.npy": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (33554432,)}", make([]byte, 1<<25))})
	z, err := zip.NewReader(bytes.NewReader(half), int64(len(half)))
	require.NoError(t, err)
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, name := range []string{"a.npy", "b.npy", "c.npy"} {
		h := z.File[0].FileHeader
		h.Name = name
		to, err := w.CreateRaw(&h)
		require.NoError(t, err)
		from, err := z.File[0].OpenRaw()
		require.NoError(t, err)
		_, err = io.Copy(to, from)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	_, err = Parse(file.Bytes())
	assert.ErrorContains(t, err, "npz: c.npy would unpack to 33554")
}

// TestBombsAreNotUnpacked: an array that says it takes other bytes than the archive has for it,
// or that is no tensor, is not unpacked to find that out.
func TestBombsAreNotUnpacked(t *testing.T) {
	const declared = 64 << 20
	for head, want := range map[string]string{
		"{'descr': '<f4', 'fortran_order': False, 'shape': (8000000,28,28)}": `npz: a.npy: tensor "a": F32[8000000 28 28] takes 25088000000 bytes, the file has 67108864 for it`,
		"{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}":             "takes 4 bytes, the file has 67108864 for it",
		"{'descr': '|O', 'fortran_order': False, 'shape': (8388608,)}":       "",
	} {
		raw := npz(t, map[string]string{"a.npy": npy(head, make([]byte, declared))})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f, err := ParseArrays("", raw, 1<<32)
		runtime.ReadMemStats(&after)
		if want == "" {
			require.NoError(t, err)
			require.Len(t, f.Unread(), 1)
			assert.Equal(t, []int{8388608}, f.Unread()[0].Shape)
		} else {
			assert.ErrorContains(t, err, want)
		}
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(declared/16), head)
	}
}

// TestHalfs goes through all numbers of 16 bits: their value is sign, exponent and
// fraction put together in real numbers.
func TestHalfs(t *testing.T) {
	value := func(h int) float64 {
		frac, v := float64(h&0x3ff)/1024, 1./(1<<14)
		if exp := h >> 10 & 31; exp > 0 {
			frac++
			for range exp - 1 {
				v *= 2
			}
		}
		if h>>15 == 1 {
			return -v * frac
		}
		return v * frac
	}
	for h := range 1 << 16 {
		got := float64(F16.Float32([]byte{byte(h), byte(h >> 8)}))
		switch {
		case h>>10&31 < 31:
			require.Equal(t, value(h), got, "%04x", h)
		case h&0x3ff != 0:
			require.NotEqual(t, got, got, "%04x is no number", h)
		default:
			require.True(t, math.IsInf(got, 1-2*(h>>15)), "%04x", h)
		}
	}
	assert.Equal(t, float32(1<<63), U64.Float32([]byte{0, 0, 0, 0, 0, 0, 0, 0x80}))
	assert.Equal(t, float32(1<<31), U32.Float32([]byte{0, 0, 0, 0x80}))
	assert.Equal(t, float32(1<<15), U16.Float32([]byte{0, 0x80}))
}

// TestNPYOrders: arrays in Fortran order, as pandas makes them, and of big endian numbers
// are read as the others, and strings do not stand in the way of numbers.
func TestNPYOrders(t *testing.T) {
	head := func(descr, order, shape string) string {
		return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': (" + shape + ")}"
	}
	columns := []byte{1, 4, 2, 5, 3, 6} // of [[1,2,3],[4,5,6]]
	for name, c := range map[string]struct {
		array string
		shape []int
		want  []float32
	}{
		"columns":    {npy(head("|u1", "True", "2, 3"), columns), []int{2, 3}, []float32{1, 2, 3, 4, 5, 6}},
		"cube":       {npy(head("<i2", "True", "2, 1, 2"), []byte{1, 0, 3, 0, 2, 0, 4, 0}), []int{2, 1, 2}, []float32{1, 2, 3, 4}},
		"vector":     {npy(head("|u1", "True", "3"), []byte{7, 8, 9}), []int{3}, []float32{7, 8, 9}},
		"big endian": {npy(head(">i2", "False", "2"), []byte{1, 2, 0, 3}), []int{2}, []float32{258, 3}},
		"both":       {npy(head(">u4", "True", "2, 2"), []byte{0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 4}), []int{2, 2}, []float32{1, 2, 3, 4}},
		"unsigned":   {npy(head("<u2", "False", "1"), []byte{255, 255}), []int{1}, []float32{65535}},
	} {
		for _, raw := range [][]byte{[]byte(c.array), npz(t, map[string]string{"a.npy": c.array, "names.npy": npy(head("<U4", "False", "1"), make([]byte, 16))})} {
			f, err := ParseArrays("a", raw, 1<<20)
			require.NoError(t, err, name)
			a, ok := f.Tensor("a")
			require.True(t, ok, name)
			assert.Equal(t, c.shape, a.Shape, name)
			x, err := a.Float32()
			require.NoError(t, err)
			assert.Equal(t, c.want, x, name)
		}
	}
	for kind, c := range map[string]struct{ raw, first string }{
		"<U3": {"o\x00\x00\x00k\x00\x00\x00\x00\x00\x00\x00", "ok"}, "|S3": {"ok\x00bad", "ok"}, "|O": {"ok", ""}, "<U9": {"o\x00\x00\x00k", "o"}, "<M8[s]": {"12345678", ""}, "<c8": {"12345678", ""},
	} {
		f, err := ParseArrays("", npz(t, map[string]string{"names.npy": npy(head(kind, "False", "5, 1"), []byte(c.raw))}), 1<<20)
		require.NoError(t, err, kind)
		require.Len(t, f.Unread(), 1, kind)
		u := f.Unread()[0]
		assert.ErrorContains(t, u.Err, fmt.Sprintf("elements of %q", kind))
		u.Err = nil
		assert.Equal(t, Unread{Name: "names", Elem: kind, Shape: []int{5, 1}, First: c.first}, u)
	}
	for want, raw := range map[string]string{
		"takes 6 bytes, the file has 5":   npy(head("|u1", "True", "2, 3"), columns[:5]),
		"takes 6 bytes, the file has 7":   npy(head("|u1", "True", "2, 3"), append(columns, 7)),
		"impossible shape [9223372036854": npy(head("|u1", "True", "9223372036854775807, 9223372036854775807"), columns),
		"impossible shape [-2 -3]":        npy(head("|u1", "True", "-2, -3"), columns),
		"truncated":                       npy(head("|u1", "True", "2, 3"), columns)[:20],
	} {
		_, err := ParseArrays("a", []byte(raw), 1<<20)
		assert.ErrorContains(t, err, want)
	}
	_, err := ParseArrays("", npz(t, map[string]string{"a.npy": npy(head("|u1", "False", "2000"), make([]byte, 2000))}), 1000)
	assert.ErrorIs(t, err, input.ErrLarge)
}
