package dataset

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/data"
)

func idx(magic byte, dims []int, data ...byte) []byte {
	b := []byte{0, 0, 8, magic}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, data...)
}

func zipped(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return out.Bytes()
}

// folder writes files and returns the path of the first.
func folder(t testing.TB, name string, content []byte, more ...any) string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	for i := 0; i < len(more); i += 2 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, more[i].(string)), more[i+1].([]byte), 0o644))
	}
	return filepath.Join(dir, name)
}

func TestIDX(t *testing.T) {
	images, labels := idx(3, []int{2, 1, 3}, 0, 51, 255, 1, 2, 3), idx(1, []int{2}, 7, 4)
	for _, path := range []string{
		folder(t, "train-images-idx3-ubyte", images, "train-labels-idx1-ubyte", labels),
		folder(t, "train-images-idx3-ubyte.gz", zipped(t, images), "train-labels-idx1-ubyte.gz", zipped(t, labels)),
	} {
		s, err := Open(path)
		require.NoError(t, err)
		assert.Equal(t, 2, s.Len())
		assert.Equal(t, []int{1, 1, 3}, s.Shape())
		x := make([]float32, 3)
		s.Image(0, x)
		assert.Equal(t, []float32{0, .2, 1}, x)
		assert.Equal(t, []int{7, 4}, []int{s.Label(0), s.Label(1)})
		assert.Len(t, s.Files, 2)
	}
	s, err := Open(folder(t, "pictures.idx", images))
	require.NoError(t, err)
	assert.Equal(t, -1, s.Label(0), "unlabelled")
}

func TestCIFAR(t *testing.T) {
	b := make([]byte, 2*cifarRecord)
	b[0], b[1], b[cifarRecord], b[2*cifarRecord-1] = 3, 255, 9, 51
	s, err := Open(folder(t, "data_batch_1.bin", b))
	require.NoError(t, err)
	assert.Equal(t, 2, s.Len())
	assert.Equal(t, []int{3, 32, 32}, s.Shape())
	assert.Equal(t, []int{3, 9}, []int{s.Label(0), s.Label(1)})
	x := make([]float32, 3072)
	s.Image(1, x)
	assert.Equal(t, float32(.2), x[3071])
}

// npz is an archive of arrays: name, numpy's type and shape, bytes.
func npz(t testing.TB, arrays ...[4]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, a := range arrays {
		w, err := z.Create(a[0] + ".npy")
		require.NoError(t, err)
		head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", a[1], a[2])
		_, err = fmt.Fprintf(w, "\x93NUMPY\x01\x00%c%c%s%s", len(head)&255, len(head)>>8, head, a[3])
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

func reals(x ...float32) string {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return string(b)
}

func TestNPZ(t *testing.T) {
	s, err := Open(folder(t, "a.npz", npz(t, [4]string{"x_test", "|u1", "2, 1, 3", "\x00\x33\xff\x01\x02\x03"}, [4]string{"y_test", "|u1", "2,", "\x07\x04"})))
	require.NoError(t, err)
	assert.Equal(t, 2, s.Len())
	assert.Equal(t, []int{1, 1, 3}, s.Shape())
	x := make([]float32, 3)
	s.Image(0, x)
	assert.Equal(t, []float32{0, .2, 1}, x)
	assert.Equal(t, []int{7, 4}, []int{s.Label(0), s.Label(1)})

	s, err = Open(folder(t, "a.npz", npz(t, [4]string{"images", "<f4", "1, 3, 1, 1", reals(0, .25, 1)})))
	require.NoError(t, err)
	assert.Equal(t, []int{3, 1, 1}, s.Shape())
	s.Image(0, x)
	assert.Equal(t, []float32{0, .25, 1}, x)
	assert.Equal(t, -1, s.Label(0))

	nan := float32(math.NaN())
	for want, file := range map[string][]byte{
		"without an array":   npz(t, [4]string{"foo", "|u1", "1, 1", "a"}),
		"pixel NaN":          npz(t, [4]string{"x", "<f4", "1, 1, 1", reals(nan)}),
		"pixel 2":            npz(t, [4]string{"x", "<f4", "1, 1, 1", reals(2)}),
		"images come as":     npz(t, [4]string{"x", "|u1", "3,", "abc"}),
		"the shape":          npz(t, [4]string{"x", "|u1", "0, 1, 1", ""}),
		"2 labels of 1":      npz(t, [4]string{"x", "|u1", "1, 1, 1", "a"}, [4]string{"y", "|u1", "2,", "ab"}),
		"the label NaN":      npz(t, [4]string{"x", "|u1", "1, 1, 1", "a"}, [4]string{"y", "<f4", "1,", reals(nan)}),
		"1 labels of 2":      npz(t, [4]string{"x", "|u1", "2, 1, 1", "ab"}, [4]string{"y", "<f4", "1, 2", reals(1, 2)}),
		"the file has 1 for": npz(t, [4]string{"x", "|u1", "1, 1, 2", "a"}),
	} {
		_, err := Open(folder(t, "a.npz", file))
		assert.ErrorContains(t, err, want)
	}
}

// TestTargets: labels are whole numbers, reals, masks or several yes or no; arrays named
// like results are theirs.
func TestTargets(t *testing.T) {
	image := [4]string{"x", "|u1", "2, 1, 1", "ab"}
	for name, c := range map[string]struct {
		array  [4]string
		labels []int
		want   data.Target
	}{
		"classes": {[4]string{"y", "<f4", "2,", reals(3, 0)}, []int{3, 0}, data.Target{Shape: []int{}, X: []float32{3, 0}}},
		"reals":   {[4]string{"targets", "<f4", "2, 1", reals(.5, -1)}, nil, data.Target{Shape: []int{1}, X: []float32{.5, -1}}},
		"mask":    {[4]string{"labels", "|u1", "2, 1, 2", "\x00\x01\x02\x03"}, nil, data.Target{Shape: []int{1, 2}, X: []float32{0, 1, 2, 3}}},
		"several": {[4]string{"labels", "|b1", "2, 3", "\x00\x01\x01\x01\x00\x00"}, nil, data.Target{Shape: []int{3}, X: []float32{0, 1, 1, 1, 0, 0}}},
	} {
		s, err := Open(folder(t, "a.npz", npz(t, image, c.array)))
		require.NoError(t, err, name)
		for i, want := range c.labels {
			assert.Equal(t, want, s.Label(i), name)
		}
		if c.labels == nil {
			assert.Equal(t, -1, s.Label(0), name)
		}
		got, err := s.Targets(nil)
		require.NoError(t, err, name)
		assert.Equal(t, []data.Target{c.want}, got, name)
	}
	s, err := Open(folder(t, "a.npz", npz(t, image, [4]string{"box", "<f4", "2, 1", reals(1, 2)}, [4]string{"bad", "<f4", "1,", reals(1)})))
	require.NoError(t, err)
	got, err := s.Targets([]string{"x", "box", "other"}) // x are the images
	require.NoError(t, err)
	assert.Equal(t, []data.Target{{Name: "box", Shape: []int{1}, X: []float32{1, 2}}}, got)
	_, err = s.Targets([]string{"bad"})
	assert.ErrorContains(t, err, "1 labels of 2")
}

func TestDamagedFilesAreErrors(t *testing.T) {
	images := idx(3, []int{2, 1, 3}, 0, 51, 255, 1, 2, 3)
	for name, path := range map[string]string{
		"empty":            folder(t, "a", nil),
		"neither":          folder(t, "a", []byte("hello")),
		"short header":     folder(t, "a", images[:10]),
		"truncated":        folder(t, "a", images[:len(images)-1]),
		"too long":         folder(t, "a", append(images, 0)),
		"no images":        folder(t, "a", idx(3, []int{0, 1, 3})),
		"huge":             folder(t, "a", idx(3, []int{1 << 31, 1 << 16, 1 << 16})),
		"truncated gzip":   folder(t, "a", zipped(t, images)[:20]),
		"bad gzip":         folder(t, "a", []byte{0x1f, 0x8b, 0, 0}),
		"labels too few":   folder(t, "x-images-idx3-ubyte", images, "x-labels-idx1-ubyte", idx(1, []int{1}, 7)),
		"labels truncated": folder(t, "x-images-idx3-ubyte", images, "x-labels-idx1-ubyte", idx(1, []int{2}, 7)),
		"labels no IDX":    folder(t, "x-images-idx3-ubyte", images, "x-labels-idx1-ubyte", []byte("labels")),
	} {
		_, err := Open(path)
		assert.Error(t, err, name)
	}
	_, err := Open(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestGzipBombsAreErrors(t *testing.T) {
	_, err := Open(folder(t, "a", zipped(t, make([]byte, unpackedFree*2))))
	assert.ErrorContains(t, err, "unpacks to more")
}

func FuzzOpen(f *testing.F) {
	f.Add(idx(3, []int{2, 1, 3}, 0, 51, 255, 1, 2, 3))
	f.Add(zipped(f, idx(3, []int{1, 1, 1}, 9)))
	f.Add(make([]byte, cifarRecord))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "a")
		require.NoError(t, os.WriteFile(path, b, 0o644))
		s, err := Open(path)
		if err != nil {
			return
		}
		require.Positive(t, s.Len())
		x := make([]float32, s.size())
		s.Image(s.Len()-1, x)
		for _, v := range x {
			require.True(t, v >= 0 && v <= 1)
		}
	})
}

func TestInputs(t *testing.T) {
	inputs := []Input{{"y", []int{1, 1, 2}, -1, 1}, {"b", []int{3}, 0, 10}}
	image := [4]string{"y", "<f4", "2, 1, 1, 2", reals(-1, 0, .5, 1)}
	levels := [4]string{"b", "|u1", "2, 3", "\x00\x33\xff\x00\x00\xff"}
	s, arrays, err := OpenInputs(folder(t, "a.npz", npz(t, levels, image, [4]string{"labels", "|u1", "2,", "\x07\x04"})), inputs)
	require.NoError(t, err)
	assert.Equal(t, [][]float32{{-1, 0, .5, 1}, {0, 2, 10, 0, 0, 10}}, arrays)
	assert.Equal(t, []int{2, 7, 4}, []int{s.Len(), s.Label(0), s.Label(1)})
	s, _, err = OpenInputs(folder(t, "a.npz", npz(t, levels, image)), inputs)
	require.NoError(t, err)
	assert.Equal(t, -1, s.Label(0), "y is an input here, no labels")
	for want, raw := range map[string][]byte{
		"named like each: y b":                                   idx(3, []int{2, 1, 3}, 0, 51, 255, 1, 2, 3),
		"no array b; there are y, the network's inputs are y b":  npz(t, image),
		"the array b has 1 elements, y has 2":                    npz(t, image, [4]string{"b", "|u1", "1, 3", "abc"}),
		"the array b has the shape [2 2], the input takes [N,3]": npz(t, image, [4]string{"b", "|u1", "2, 2", "abcd"}),
		"the array y has the shape [2 2 1]":                      npz(t, levels, [4]string{"y", "<f4", "2, 2, 1", reals(0, 0, 0, 0)}),
		"the array y has no elements":                            npz(t, levels, [4]string{"y", "<f4", "0, 1, 1, 2", ""}),
		"the array y holds 1.5 at element 3":                     npz(t, levels, [4]string{"y", "<f4", "2, 1, 1, 2", reals(-1, 0, .5, 1.5)}),
		"3 labels of 2":                                          npz(t, levels, image, [4]string{"labels", "|u1", "3,", "abc"}),
		"npz":                                                    []byte("PK\x03\x04 and nothing"),
	} {
		_, _, err := OpenInputs(folder(t, "a.npz", raw), inputs)
		assert.ErrorContains(t, err, want)
	}
}
