package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func f32(x ...float32) []byte {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func safetensors(t testing.TB, tensors ...Tensor) []byte {
	var b bytes.Buffer
	require.NoError(t, WriteSafetensors(&b, tensors))
	return b.Bytes()
}

// raw is a safetensors file with any header.
func raw(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func npz(t testing.TB, members map[string]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range members {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

func npy(header string, data []byte) string {
	return "\x93NUMPY\x01\x00" + string(binary.LittleEndian.AppendUint16(nil, uint16(len(header)))) + header + string(data)
}

func TestSafetensorsRoundTrip(t *testing.T) {
	in := []Tensor{
		{"b.weight", F32, []int{2, 2}, f32(1, -2, 3.5, 0)},
		{"a", I8, []int{3}, []byte{1, 2, 0xff}},
		{"scalar", F32, []int{}, f32(7)},
		{"none", F32, []int{0, 4}, []byte{}},
	}
	file := safetensors(t, in...)
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, os.WriteFile(path, file, 0o644))
	f, err := Open(path)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b.weight", "none", "scalar"}, f.Names())
	for _, want := range in {
		got, ok := f.Tensor(want.Name)
		require.True(t, ok)
		assert.Equal(t, want.Shape, got.Shape)
		assert.Equal(t, want.DType, got.DType)
		assert.True(t, bytes.Equal(want.Data, got.Data))
	}
	assert.Len(t, f.SHA256(), 64)
	in[0], in[1] = in[1], in[0]
	assert.Equal(t, file, safetensors(t, in...), "the order of the tensors does not matter")
	_, ok := f.Tensor("c")
	assert.False(t, ok)
}

func TestNPZ(t *testing.T) {
	f, err := Parse(npz(t, map[string]string{
		"w.npy":  npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n", f32(1, 2)),
		"s.npy":  npy("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", binary.LittleEndian.AppendUint64(nil, math.Float64bits(.5))),
		"readme": "no array",
	}))
	require.NoError(t, err)
	assert.Equal(t, []string{"s", "w"}, f.Names())
	w, _ := f.Tensor("w")
	assert.Equal(t, []int{2, 1}, w.Shape)
	x, err := w.Float32()
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 2}, x)
	s, _ := f.Tensor("s")
	x, err = s.Float32()
	require.NoError(t, err)
	assert.Equal(t, []float32{.5}, x)
}

func TestFloat32OfEveryType(t *testing.T) {
	le := binary.LittleEndian
	for _, c := range []struct {
		d    DType
		data []byte
		want float32
	}{
		{F64, le.AppendUint64(nil, math.Float64bits(-1.5)), -1.5},
		{F16, le.AppendUint16(nil, 0x3c00), 1},
		{F16, le.AppendUint16(nil, 0xc000), -2},
		{F16, le.AppendUint16(nil, 0x0001), 5.9604645e-08},
		{F16, le.AppendUint16(nil, 0x7c00), float32(math.Inf(1))},
		{BF16, le.AppendUint16(nil, 0x3fc0), 1.5},
		{I64, le.AppendUint64(nil, 1<<40), 1 << 40},
		{I32, le.AppendUint32(nil, 0xffffffff), -1},
		{I16, le.AppendUint16(nil, 0xfffe), -2},
		{I8, []byte{0x80}, -128},
		{U8, []byte{0x80}, 128},
	} {
		got, err := Tensor{"x", c.d, []int{}, c.data}.Float32()
		require.NoError(t, err)
		assert.Equal(t, []float32{c.want}, got, c.d)
	}
	_, err := Tensor{"x", Bool, []int{}, []byte{1}}.Float32()
	assert.ErrorContains(t, err, "not numbers")
}

func TestDamagedFilesAreErrors(t *testing.T) {
	whole := safetensors(t, Tensor{"a", F32, []int{2}, f32(1, 2)}, Tensor{"b", F32, []int{1}, f32(3)})
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":             {nil, "shorter than a header"},
		"cut in the data":   {whole[:len(whole)-1], "truncated"},
		"cut in the header": {whole[:20], "truncated"},
		"huge header":       {append(bytes.Repeat([]byte{0xff}, 8), whole...), "header of"},
		"no JSON":           {raw("hello", 0), "not JSON"},
		"no object":         {raw("[1]", 0), "not JSON"},
		"open end":          {raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`, 4), "header"},
		"wrong type":        {raw(`{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}`, 4), "unknown type"},
		"wrong shape":       {raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), "takes 8 bytes"},
		"negative shape":    {raw(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4), "impossible"},
		"overflowing shape": {raw(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}`, 0), "impossible"},
		"negative offset":   {raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 4), "damaged"},
		"backward offsets":  {raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4), "damaged"},
		"overlap":           {raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 8), "overlap"},
		"twice":             {raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), "twice"},
		"no zip":            {[]byte("PK and then nothing of it"), "npz"},
		"no npy":            {npz(t, map[string]string{"a.npy": "hello"}), "no npy"},
		"short npy":         {npz(t, map[string]string{"a.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", f32(1))}), "takes 8 bytes"},
		"strings":           {npz(t, map[string]string{"a.npy": npy("{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", f32(1))}), "elements of"},
		"no shape":          {npz(t, map[string]string{"a.npy": npy("{'descr': '<f4', 'fortran_order': False}", nil)}), "without"},
		"wild dimension":    {npz(t, map[string]string{"a.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", nil)}), "dimension"},
		"bomb":              {npz(t, map[string]string{"a.npy": strings.Repeat("\x00", unpackedFree+(4<<20))}), "would unpack"},
	} {
		_, err := Parse(c.file)
		assert.ErrorContains(t, err, c.want, name)
	}
	_, err := Open(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func FuzzRead(f *testing.F) {
	f.Add(safetensors(f, Tensor{"a", F32, []int{2}, f32(1, 2)}))
	f.Add(raw(`{"__metadata__":{"a":"b"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4))
	f.Add(npz(f, map[string]string{"w.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }", f32(1, 2))}))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Parse(b)
		if err != nil {
			return
		}
		var all []Tensor
		for _, name := range file.Names() {
			x, _ := file.Tensor(name)
			n := x.DType.Size()
			for _, d := range x.Shape {
				n *= d
			}
			require.Len(t, x.Data, n)
			if x.DType != Bool {
				_, err := x.Float32()
				require.NoError(t, err)
			}
			all = append(all, x)
		}
		again, err := Parse(safetensors(t, all...))
		require.NoError(t, err, fmt.Sprint(file.Names()))
		require.Len(t, again.Names(), len(all))
	})
}
