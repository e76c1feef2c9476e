package dataset

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/diag"
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

// network takes one input, image, of a shape in [0,1], and has one result, y_hat.
func network(input, result []int) Want {
	return Want{Inputs: []Input{{Name: "image", Shape: input, High: 1}}, Results: []Result{{Name: "y_hat", Shape: result}}}
}

func TestIDX(t *testing.T) {
	images, labels := idx(3, []int{2, 1, 3}, 0, 51, 255, 1, 2, 3), idx(1, []int{2}, 7, 4)
	for _, path := range []string{
		folder(t, "train-images-idx3-ubyte", images, "train-labels-idx1-ubyte", labels),
		folder(t, "train-images-idx3-ubyte.gz", zipped(t, images), "train-labels-idx1-ubyte.gz", zipped(t, labels)),
	} {
		for _, w := range []Want{{}, network([]int{1, 1, 3}, []int{10}), network([]int{1, 3}, []int{10}), network([]int{1, 3, 1}, []int{10}), network([]int{3}, []int{10})} {
			d, err := Load(path, w)
			require.NoError(t, err)
			assert.Equal(t, 2, d.N)
			assert.Equal(t, []float32{0, .2, 1}, d.Image(0))
			assert.Equal(t, []int{7, 4}, d.Labels)
			assert.Len(t, d.Files, 2)
			if w.Inputs != nil {
				assert.Equal(t, w.Inputs[0].Shape, d.Shape)
				assert.Contains(t, d.Said, "image = images uint8 [2,1,1,3]")
				assert.Contains(t, d.Said, ", 0..255 span [0,1]; labels = train-labels-idx1-ubyte")
			}
		}
		d, err := Load(path, Want{N: 1, Options: Options{Labels: []string{None}}})
		require.NoError(t, err)
		assert.Equal(t, 1, d.N)
		assert.Nil(t, d.Labels)
	}
	d, err := Load(folder(t, "pictures.idx", images), Want{})
	require.NoError(t, err)
	assert.Nil(t, d.Labels)
	assert.Equal(t, []int{1, 1, 3}, d.Shape)
	assert.Equal(t, "data: pictures.idx: images = images uint8 [2,1,1,3], 0..255 span [0,1]; no labels", d.Said)
}

func TestCIFAR(t *testing.T) {
	b := make([]byte, 2*cifarRecord)
	b[0], b[1], b[cifarRecord], b[2*cifarRecord-1] = 3, 255, 9, 51
	path := folder(t, "data_batch_1.bin", b)
	d, err := Load(path, Want{})
	require.NoError(t, err)
	assert.Equal(t, 2, d.N)
	assert.Equal(t, []int{3, 32, 32}, d.Shape)
	assert.Equal(t, []int{3, 9}, d.Labels)
	assert.Equal(t, float32(.2), d.Image(1)[3071])
	d, err = Load(path, network([]int{32, 32, 3}, []int{10}))
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 0, 0}, d.Image(0)[:3], "moved to the network's height, width, channel")
	assert.Contains(t, d.Said, "taken as channel, height, width")
	_, err = Load(path, network([]int{3, 28, 28}, []int{10}))
	assert.ErrorContains(t, err, "data_batch_1.bin: data: records has items of [3,32,32], the network takes [3,28,28] as image")
}

// array is one of npz: name, numpy's type and shape, bytes.
type anArray = [4]string

func npy(a anArray) string {
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", a[1], a[2])
	return fmt.Sprintf("\x93NUMPY\x01\x00%c%c%s%s", len(head)&255, len(head)>>8, head, a[3])
}

func npz(t testing.TB, arrays ...anArray) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, a := range arrays {
		w, err := z.Create(a[0] + ".npy")
		require.NoError(t, err)
		_, err = w.Write([]byte(npy(a)))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

func floats(x ...float32) string {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return string(b)
}

// zeros are n bytes.
func zeros(n int) string { return string(make([]byte, n)) }

// TestArraysAreToldApart: by shape, and by name where shapes do not tell.
func TestArraysAreToldApart(t *testing.T) {
	bytes6 := "\x00\x33\xff\x01\x02\x03"
	for name, c := range map[string]struct {
		arrays []anArray
		want   Want
		first  []float32 // item
		labels []int
		target *data.Target
		said   string
	}{
		"usual names": {arrays: []anArray{{"x_test", "|u1", "2, 1, 3", bytes6}, {"y_test", "|u1", "2,", "\x07\x04"}}, want: network([]int{1, 1, 3}, []int{10}),
			first: []float32{0, .2, 1}, labels: []int{7, 4}, said: "image = x_test uint8 [2,1,3], 0..255 span [0,1]; labels = y_test uint8 [2]"},
		"any names": {arrays: []anArray{{"alpha", "|u1", "2, 3", bytes6}, {"beta", "|i1", "2,", "\x01\x00"}}, want: network([]int{3}, []int{2}),
			first: []float32{0, .2, 1}, labels: []int{1, 0}, said: "image = alpha uint8 [2,3], 0..255 span [0,1]; labels = beta int8 [2]"},
		"names swapped": {arrays: []anArray{{"x", "|u1", "2,", "\x01\x00"}, {"y", "|u1", "2, 3", bytes6}}, want: network([]int{3}, []int{2}),
			first: []float32{0, .2, 1}, labels: []int{1, 0}, said: "image = y uint8 [2,3], 0..255 span [0,1]; labels = x uint8 [2]"},
		"capitals": {arrays: []anArray{{"X", "|u1", "2, 3", bytes6}, {"Y", "|u1", "2, 1", "\x01\x00"}, {"ids", "|u1", "2,", "ab"}}, want: network([]int{3}, []int{2}),
			first: []float32{0, .2, 1}, labels: []int{1, 0}, said: "image = X uint8 [2,3], 0..255 span [0,1]; labels = Y uint8 [2,1]; left out: ids"},
		"height, width, channel": {arrays: []anArray{{"x", "|u1", "1, 1, 2, 3", "\x00\x33\xff\x33\x00\x00"}}, want: network([]int{3, 1, 2}, []int{2}),
			first: []float32{0, .2, .2, 0, 1, 0}, said: "image = x uint8 [1,1,2,3], taken as height, width, channel, 0..255 span [0,1]; no labels"},
		"channel, height, width": {arrays: []anArray{{"x", "|u1", "1, 3, 1, 2", "\x00\x33\xff\x33\x00\x00"}}, want: network([]int{1, 2, 3}, []int{2}),
			first: []float32{0, 1, 0, .2, .2, 0}, said: "image = x uint8 [1,3,1,2], taken as channel, height, width, 0..255 span [0,1]; no labels"},
		"same either way": {arrays: []anArray{{"x", "|u1", "1, 3, 3, 3", "\xff" + zeros(26)}}, want: network([]int{3, 3, 3}, []int{2}),
			first: append([]float32{1}, make([]float32, 26)...), said: "image = x uint8 [1,3,3,3], 0..255 span [0,1]; no labels"},
		"signals": {arrays: []anArray{{"x", "<f4", "1, 2, 3", floats(0, .1, .2, .3, .4, .5)}}, want: network([]int{3, 2}, []int{2}),
			first: []float32{0, .3, .1, .4, .2, .5}, said: "image = x float32 [1,2,3], transposed, reals 0 to 0.5 of [0,1]; no labels"},
		"flat": {arrays: []anArray{{"x", "|u1", "1, 6", bytes6}}, want: network([]int{1, 2, 3}, []int{2}),
			first: []float32{0, .2, 1, 1. / 255, 2. / 255, 3. / 255}, said: "image = x uint8 [1,6], flat, in the order [1,2,3], 0..255 span [0,1]; no labels"},
		"the input's name": {arrays: []anArray{{"image", "|u1", "2, 3", bytes6}, {"other", "|u1", "2, 3", bytes6}, {"y", "|u1", "2,", "\x01\x00"}}, want: network([]int{3}, []int{2}),
			first: []float32{0, .2, 1}, labels: []int{1, 0}, said: "image = image uint8 [2,3], 0..255 span [0,1]; labels = y uint8 [2]; left out: other"},
		"shapes alike": {arrays: []anArray{{"y", "<f4", "1, 2", floats(.5, -3)}, {"x", "<f4", "1, 2", floats(0, 1)}}, want: network([]int{2}, []int{2}),
			first: []float32{0, 1}, target: &data.Target{From: "y", Shape: []int{2}, X: []float32{.5, -3}}, said: "image = x float32 [1,2], reals 0 to 1 of [0,1]; labels = y float32 [1,2]"},
		"the input again": {arrays: []anArray{{"y", "<f4", "1, 2", floats(0, 1)}, {"x", "<f4", "1, 2", floats(0, 1)}}, want: network([]int{2}, []int{2}),
			first: []float32{0, 1}, said: "image = x float32 [1,2], reals 0 to 1 of [0,1]; y is the input again; no labels"},
		"mask": {arrays: []anArray{{"x", "|u1", "1, 1, 2, 2", zeros(4)}, {"y", "<i2", "1, 2, 2", "\x00\x00\x01\x00\x02\x00\x00\x00"}}, want: network([]int{1, 2, 2}, []int{3, 2, 2}),
			first: make([]float32, 4), target: &data.Target{From: "y", Shape: []int{2, 2}, X: []float32{0, 1, 2, 0}}, said: "labels = y int16 [1,2,2]"},
		"several yes or no": {arrays: []anArray{{"x", "|u1", "1, 1", "a"}, {"y", "|b1", "1, 3", "\x00\x01\x01"}}, want: network([]int{1}, []int{3}),
			first: []float32{97. / 255}, target: &data.Target{From: "y", Shape: []int{3}, X: []float32{0, 1, 1}}, said: "labels = y bool [1,3]"},
		"of a result's name": {arrays: []anArray{{"x", "|u1", "1, 1", "a"}, {"y", "|u1", "1,", "a"}, {"y_hat", "<f4", "1,", floats(2.5)}}, want: network([]int{1}, []int{1}),
			first: []float32{97. / 255}, target: &data.Target{Name: "y_hat", From: "y_hat", Shape: []int{}, X: []float32{2.5}}, said: "labels = y_hat float32 [1] of y_hat; left out: y"},
		"the user says it": {arrays: []anArray{{"a", "|u1", "1, 1", "a"}, {"b", "|u1", "1, 1", "b"}, {"c", "|u1", "1,", "\x02"}}, want: func() Want {
			w := network([]int{1}, []int{3})
			w.Options = Options{Inputs: []string{"b"}, Labels: []string{"c"}}
			return w
		}(), first: []float32{98. / 255}, labels: []int{2}, said: "image = b uint8 [1,1], 0..255 span [0,1]; labels = c uint8 [1]; left out: a"},
		"strings beside":       {arrays: []anArray{{"x", "|u1", "1, 1", "a"}, {"class_names", "<U1", "2,", zeros(8)}}, want: network([]int{1}, []int{3}), first: []float32{97. / 255}, said: "no labels; left out: class_names (<U1, no numbers)"},
		"texts of other items": {arrays: []anArray{{"x_test", "|u1", "1, 1", "a"}, {"y_train", "|S1", "1,", "b"}}, want: network([]int{1}, []int{3}), first: []float32{97. / 255}, said: "no labels; left out: y_train (|S1, no numbers)"},
		"texts beside numbers": {arrays: []anArray{{"x", "|u1", "1, 1", "a"}, {"y", "|u1", "1,", "\x02"}, {"file", "|S1", "1,", "b"}}, want: network([]int{1}, []int{3}), first: []float32{97. / 255}, labels: []int{2}, said: "labels = y uint8 [1]; left out: file (|S1, no numbers)"},
		"texts that are not wanted": {arrays: []anArray{{"x", "|u1", "1, 1", "a"}, {"y", "|S1", "1,", "b"}}, want: func() Want {
			w := network([]int{1}, []int{3})
			w.Options.Labels = []string{None}
			return w
		}(), first: []float32{97. / 255}, said: "no labels; left out: y (|S1, no numbers)"},
		"nothing is known": {arrays: []anArray{{"images", "<f4", "1, 3, 1, 1", floats(0, .25, 1)}, {"labels", "|u1", "1,", "\x01"}}, first: []float32{0, .25, 1}, labels: []int{1}, said: "images = images float32 [1,3,1,1], reals 0 to 1 of [0,1]; labels = labels uint8 [1]"},
	} {
		d, err := Load(folder(t, "a.npz", npz(t, c.arrays...)), c.want)
		require.NoError(t, err, name)
		assert.Equal(t, c.first, d.Image(0), name)
		assert.Equal(t, c.labels, d.Labels, name)
		switch {
		case c.target != nil:
			assert.Equal(t, []data.Target{*c.target}, d.Targets, name)
		case c.labels == nil:
			assert.Nil(t, d.Targets, name)
		}
		assert.Contains(t, d.Said, c.said, name)
	}
}

// TestParts: calibration takes what was trained on, reports what is to test on.
func TestParts(t *testing.T) {
	raw := npz(t, anArray{"train_images", "|u1", "2, 1", "\x01\x02"}, anArray{"train_labels", "|u1", "2, 1", "\x00\x01"}, anArray{"test_images", "|u1", "1, 1", "\xff"}, anArray{"test_labels", "|u1", "1, 1", "\x01"},
		anArray{"val_images", "|u1", "1, 1", "\x09"}, anArray{"val_labels", "|u1", "1, 1", "\x01"})
	path := folder(t, "a.npz", raw)
	for part, want := range map[Part][2]string{Train: {"train_images", "train_labels"}, Test: {"test_images", "test_labels"}} {
		w := network([]int{1}, []int{2})
		w.Part = part
		d, err := Load(path, w)
		require.NoError(t, err)
		assert.Equal(t, []string{want[0]}, d.Arrays)
		assert.Contains(t, d.Said, "labels = "+want[1])
	}
	_, err := Load(path, network([]int{1}, []int{2}))
	assert.ErrorContains(t, err, "which array the input image takes is not clear: it could be test_images uint8 [1,1], train_images uint8 [2,1], val_images uint8 [1,1]")
	w := network([]int{1}, []int{2})
	w.Options.Inputs = []string{"val_images"}
	d, err := Load(path, w)
	require.NoError(t, err)
	assert.Contains(t, d.Said, "labels = val_labels")
}

// TestRangesHold: reals are what they are, in the declared range; bytes span it.
func TestRangesHold(t *testing.T) {
	w := network([]int{2}, []int{2})
	w.Inputs[0].Low = -1
	for name, c := range map[string]struct {
		array anArray
		want  []float32
	}{
		"reals": {anArray{"images", "<f4", "1, 2", floats(-.5, .5)}, []float32{-.5, .5}},
		"bytes": {anArray{"images", "|u1", "1, 2", "\x00\xff"}, []float32{-1, 1}},
		"whole": {anArray{"images", "<i2", "1, 2", "\xff\xff\x01\x00"}, []float32{-1, 1}},
	} {
		d, err := Load(folder(t, "a.npz", npz(t, c.array)), w)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, d.X, name)
	}
}

// TestBadArrays: what does not fit is a diagnostic that names array, item and value, and
// has a way out.
func TestBadArrays(t *testing.T) {
	nan := float32(math.NaN())
	x, y := anArray{"x", "|u1", "2, 3", "abcdef"}, anArray{"y", "|u1", "2,", "\x00\x01"}
	labels := func(w Want, names ...string) Want { w.Options.Labels = names; return w }
	inputs := func(w Want, names ...string) Want { w.Options.Inputs = names; return w }
	one := network([]int{3}, []int{2})
	for want, c := range map[string]struct {
		arrays []anArray
		want   Want
	}{
		"no array of items; there are no arrays of items":                                                   {[]anArray{{"x", "<f4", "", floats(1)}}, one},
		"x has items of [1], the network takes [3] as image":                                                {[]anArray{{"x", "<f4", "3, 1", floats(0, 0, 0)}}, one},
		"x has items of [1], the network takes [3] as image\n    note: the array y has elements of \"<c8\"": {[]anArray{{"x", "<f4", "2, 1", floats(0, 0)}, {"y", "<c8", "2, 3", zeros(48)}}, one},
		"the first dimension counts items: save x[None]":                                                    {[]anArray{{"x", "<f4", "3,", floats(0, 0, 0)}}, one},
		"no array has items of [3], as the input image takes; there are p uint8 [2,4], q uint8 [2,5]":       {[]anArray{{"p", "|u1", "2, 4", zeros(8)}, {"q", "|u1", "2, 5", zeros(10)}}, one},
		"note: there are x uint8 [2,4], y uint8 [2]":                                                        {[]anArray{{"x", "|u1", "2, 4", zeros(8)}, y}, one},
		"the input image takes is not clear: it could be p uint8 [2,3], q uint8 [2,3]":                      {[]anArray{{"p", "|u1", "2, 3", "abcdef"}, {"q", "|u1", "2, 3", "abcdef"}}, one},
		"-inputs p says it": {[]anArray{{"p", "|u1", "2, 3", "abcdef"}, {"q", "|u1", "2, 3", "abcdef"}}, one},
		"which array has the labels is not clear: it could be p uint8 [2], q uint8 [2]":        {[]anArray{x, {"p", "|u1", "2,", "ab"}, {"q", "|u1", "2,", "ab"}}, one},
		"-labels p says it; -labels none takes none":                                           {[]anArray{x, {"p", "|u1", "2,", "ab"}, {"q", "|u1", "2,", "ab"}}, one},
		"3 labels in y uint8 [3] of 2 items in x uint8 [2,3]":                                  {[]anArray{x, {"y", "|u1", "3,", "abc"}}, one},
		"3 labels in y_hat uint8 [3] of 2":                                                     {[]anArray{x, {"y_hat", "|u1", "3,", "abc"}}, one},
		"item 1 has the label NaN in y":                                                        {[]anArray{x, {"y", "<f4", "2,", floats(0, nan)}}, one},
		"item 1 of x holds +Inf at element 2\n    help: fill the value, or leave the item out": {[]anArray{{"x", "<f4", "2, 3", floats(0, 0, 0, 0, 0, float32(math.Inf(1)))}}, one},
		"item 1 of x holds NaN at element 2":                                                   {[]anArray{{"x", "<f4", "2, 3", floats(0, 0, 0, 0, 0, nan)}}, one},
		"item 0 of x holds 200 at element 1, the input image is declared in [0,1]":             {[]anArray{{"x", "<f4", "1, 3", floats(0, 200, 3)}}, one},
		"if the network was trained on [0,1], divide the data by 255, or save the array as uint8, whose 0..255 span that range; if it was trained on such values, declare the range: -range image=0,255": {[]anArray{{"x", "<i2", "1, 3", "\x00\x00\xff\x00\x03\x00"}}, one},
		"note: the values go from -1 to 0.5": {[]anArray{{"x", "<f4", "1, 3", floats(-1, 0, .5)}}, one},
		"declare the range, which all data must lie in: -range image=-1,1 of a model, \"in [-1,1]\" in a text": {[]anArray{{"x", "<f4", "1, 3", floats(-1, 0, .5)}}, one},
		"declare the range, which all data must lie in: -range image=450,560 of a model":                       {[]anArray{{"x", "<f4", "1, 3", floats(500.5, 500.5, 500.5)}}, one},
		"without a network reals are in [0,1]":                                                                 {[]anArray{{"x", "<f4", "1, 3", floats(-1, 0, .5)}}, Want{}},
		"has no elements":                                                                                      {[]anArray{{"x", "|u1", "0, 3", ""}}, one},
		"the file has 1 for":                                                                                   {[]anArray{{"x", "|u1", "1, 1, 2", "a"}}, one},
		"no array z; there are x uint8 [2,3], y uint8 [2]; -inputs: z":                                         {[]anArray{x, y}, inputs(one, "z")},
		"-inputs x,y: 2 arrays of 1 inputs":                                                                    {[]anArray{x, y}, inputs(one, "x", "y")},
		"-labels z: no array z; there are y uint8 [2]":                                                         {[]anArray{x, y}, labels(one, "z")},
		"-labels w=y: the network has no result w":                                                             {[]anArray{x, y}, labels(one, "w=y")},
		"item 0 has the label \"ok\" in s, an array of |S3 [2]: labels are numbers":                            {[]anArray{x, {"s", "|S3", "2,", "ok\x00bad"}}, one},
		"help: save them as whole numbers: numpy.unique(k, return_inverse=True)[1]; -labels none takes none":   {[]anArray{x, {"k", "|S3", "2,", "ok\x00bad"}}, one},
		"the label \"bad\" in y_hat, an array of |S3 [2]":                                                      {[]anArray{x, {"y_hat", "|S3", "2,", "badok\x00"}, y}, one},
		"item 0 has the label something that is no number in labels, an array of |O [3]":                       {[]anArray{x, {"labels", "|O", "3,", "?"}}, one},
		"the array s has elements of \"<U1\"":                                                                  {[]anArray{x, {"s", "<U1", "1,", zeros(4)}}, labels(one, "s")},
		"-labels y,z: y and z are labels of one result":                                                        {[]anArray{x, y, {"z", "|u1", "2", zeros(2)}}, labels(one, "y", "z")},
	} {
		_, err := Load(folder(t, "a.npz", npz(t, c.arrays...)), c.want)
		assert.ErrorContains(t, err, want)
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d)
		assert.Equal(t, "a.npz", d.Pos.File)
	}
}

// TestMemory: what is read, what it unpacks to and what is made of it fit together, or are
// refused with the way out.
func TestMemory(t *testing.T) {
	raw := npz(t, anArray{"x", "|u1", "100, 10", zeros(1000)}) // and 4,000 bytes of reals
	for memory, want := range map[int]string{
		len(raw) - 1: "is larger than what is read of such a file", len(raw) + 1000: "x.npy would unpack to", len(raw) + 1100 + 1000: "100 items of 10 elements take 4000 bytes in memory, and ",
	} {
		_, err := Load(folder(t, "a.npz", raw), Want{Memory: memory})
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "-mem raises the bound")
	}
	d, err := Load(folder(t, "a.npz", raw), Want{Memory: len(raw) + 1100 + 4000})
	require.NoError(t, err)
	assert.Equal(t, 100, d.N)
	d, err = Load(folder(t, "a.npz", raw), Want{Memory: len(raw) + 1100 + 1000, N: 20})
	require.NoError(t, err)
	assert.Equal(t, 20, d.N)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.png"), 100, 100, color.Gray{1})
	_, err = Load(dir, Want{Memory: 100000})
	assert.ErrorContains(t, err, "a.png has 100x100 pixels, which take 160000 bytes in memory, and 100000 are left of -mem")
	d, err = Load(folder(t, "a.npz", raw), Want{Options: Options{Resize: true}})
	require.NoError(t, err)
	assert.Contains(t, d.Said, "-resize scales folders of pictures alone")
}

// TestSeveralInputs have arrays of their names, and results labels of theirs.
func TestSeveralInputs(t *testing.T) {
	w := Want{Inputs: []Input{{Name: "y", Shape: []int{1, 1, 2}, Low: -1, High: 1}, {Name: "b", Shape: []int{3}, High: 10}}, Results: []Result{{"score", []int{4}}}}
	image := anArray{"y", "<f4", "2, 1, 1, 2", floats(-1, 0, .5, 1)}
	bytes := anArray{"b", "|u1", "2, 3", "\x00\x33\xff\x00\x00\xff"}
	labels := anArray{"labels", "|u1", "2,", "\x07\x04"}
	d, err := Load(folder(t, "a.npz", npz(t, bytes, image, labels)), w)
	require.NoError(t, err)
	assert.Equal(t, []float32{-1, 0, 0, 2, 10, .5, 1, 0, 0, 10}, d.X)
	assert.Equal(t, []int{7, 4}, d.Labels)
	assert.Equal(t, "data: a.npz: y = y float32 [2,1,1,2], reals -1 to 1 of [-1,1]; b = b uint8 [2,3], 0..255 span [0,10]; labels = labels uint8 [2]", d.Said)
	d, err = Load(folder(t, "a.npz", npz(t, bytes, image)), w)
	require.NoError(t, err)
	assert.Nil(t, d.Labels, "y is an input here, no labels")
	swapped := w
	swapped.Options.Inputs = []string{"q", "p"}
	d, err = Load(folder(t, "a.npz", npz(t, anArray{"p", "|u1", "1, 3", zeros(3)}, anArray{"q", "<f4", "1, 2", floats(0, 1)})), swapped)
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 1, 0, 0, 0}, d.X)
	for want, raw := range map[string][]byte{
		"named like each: y b": idx(3, []int{2, 1, 3}, 0, 51, 255, 1, 2, 3),
		"no array b; there are y float32 [2,1,1,2]; the network's inputs: y b": npz(t, image),
		"the array b has 1 items, y has 2":                                     npz(t, image, anArray{"b", "|u1", "1, 3", "abc"}),
		"b has items of [2], the network takes [3] as b":                       npz(t, image, anArray{"b", "|u1", "2, 2", "abcd"}),
		"item 1 of y holds 1.5 at element 1":                                   npz(t, bytes, anArray{"y", "<f4", "2, 1, 1, 2", floats(-1, 0, .5, 1.5)}),
		"3 labels in labels uint8 [3] of 2":                                    npz(t, bytes, image, anArray{"labels", "|u1", "3,", "abc"}),
		"npz":                                                                  []byte("PK\x03\x04 and nothing"),
	} {
		_, err := Load(folder(t, "a.npz", raw), w)
		assert.ErrorContains(t, err, want)
	}

	for _, name := range []string{"score", "SCORE"} { // the array of the only result by its name
		labels[0] = name
		d, err = Load(folder(t, "a.npz", npz(t, bytes, image, labels)), w)
		require.NoError(t, err)
		assert.Equal(t, []int{7, 4}, d.Labels, "one whole number an item, whatever the array is called")
	}
	chosen := w
	chosen.Options.Labels = []string{"score=SCORE"}
	d, err = Load(folder(t, "a.npz", npz(t, bytes, image, labels)), chosen)
	require.NoError(t, err)
	assert.Equal(t, []int{7, 4}, d.Labels, "and where -labels names the result")
	labels[0] = "labels"

	two := Want{Inputs: []Input{{Name: "x", Shape: []int{1}, High: 1}}, Results: []Result{{"score", []int{4}}, {"box", []int{2}}}}
	x, score, box := anArray{"x", "|u1", "1, 1", "a"}, anArray{"score", "|u1", "1,", "\x03"}, anArray{"box", "<f4", "1, 2", floats(1, 2)}
	d, err = Load(folder(t, "a.npz", npz(t, x, score, box, labels)), two)
	require.NoError(t, err)
	assert.ElementsMatch(t, []data.Target{{Name: "score", From: "score", Shape: []int{}, X: []float32{3}}, {Name: "box", From: "box", Shape: []int{2}, X: []float32{1, 2}}}, d.Targets)
	assert.Contains(t, d.Said, "labels = box float32 [1,2] of box, score uint8 [1] of score; left out: labels")
	named := two
	named.Options.Labels = []string{"score=a", "box=b"}
	a, b := score, box
	a[0], b[0] = "a", "b"
	d, err = Load(folder(t, "a.npz", npz(t, x, a, b)), named)
	require.NoError(t, err)
	assert.Len(t, d.Targets, 2)
	named.Options.Labels = []string{"a"}
	_, err = Load(folder(t, "a.npz", npz(t, x, a, b)), named)
	assert.ErrorContains(t, err, "-labels score=a says of which they are")
}

// TestNPYPairs: labels lie beside, by the usual names.
func TestNPYPairs(t *testing.T) {
	x, y := []byte(npy(anArray{"", "<f4", "2, 1", floats(0, 1)})), []byte(npy(anArray{"", "<i8", "2,", "\x01\x00\x00\x00\x00\x00\x00\x00" + zeros(8)}))
	w := network([]int{1}, []int{2})
	for _, names := range [][2]string{{"x.npy", "y.npy"}, {"X_test.npy", "y_test.npy"}, {"images-val.npy", "labels-val.npy"}, {"mnist_x.npy", "mnist_targets.npy"}} {
		path := folder(t, names[0], x, names[1], y, "other_y.npy", []byte("is of other.npy"))
		d, err := Load(path, w)
		require.NoError(t, err, names)
		assert.Equal(t, []int{1, 0}, d.Labels)
		assert.Len(t, d.Files, 2)
		assert.Equal(t, []string{path, filepath.Join(filepath.Dir(path), names[1])}, Paths(path))
	}
	d, err := Load(folder(t, "x.npy", x), w)
	require.NoError(t, err)
	assert.Nil(t, d.Labels)
	assert.Equal(t, "data: x.npy: image = x float32 [2,1], reals 0 to 1 of [0,1]; no labels", d.Said)
	_, err = Load(folder(t, "x.npy", x, "y.npy", y, "labels.npy", y), w)
	assert.ErrorContains(t, err, "which of labels.npy, y.npy has the labels is not clear")
	_, err = Load(folder(t, "x.npy", x, "y.npy", y[:90]), w)
	assert.ErrorContains(t, err, "y.npy: ")
}

// TestItemsThatAreNotDrawn: the line says of which items the range is, and a value that is no
// number is refused wherever it is.
func TestItemsThatAreNotDrawn(t *testing.T) {
	const n = 8
	w := network([]int{1}, []int{2})
	w.N = 3
	drawn := data.Draw(n, w.N, w.Seed)
	out := 0 // an item that is not drawn
	for slices.Contains(drawn, out) {
		out++
	}
	x, y := slices.Repeat([]float32{.5}, n), slices.Repeat([]float32{1}, n)
	file := func(x, y []float32) string {
		return folder(t, "a.npz", npz(t, anArray{"x", "<f4", "8, 1", floats(x...)}, anArray{"y", "<f4", "8,", floats(y...)}))
	}
	x[out] = 1
	d, err := Load(file(x, y), w)
	require.NoError(t, err)
	assert.Equal(t, "data: a.npz: image = x float32 [8,1], reals 0.5 to 0.5 of [0,1], of the 3 items drawn; labels = y float32 [8]", d.Said)
	all := w
	all.N = n
	d, err = Load(file(x, y), all)
	require.NoError(t, err)
	assert.Contains(t, d.Said, "reals 0.5 to 1 of [0,1]; labels")
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		bad := func(x []float32) []float32 {
			x = slices.Clone(x)
			x[out] = float32(v)
			return x
		}
		_, err = Load(file(bad(x), y), w)
		assert.ErrorContains(t, err, fmt.Sprintf("item %d of x holds %v at element 0\n    help: fill the value, or leave the item out", out, v))
		_, err = Load(file(x, bad(y)), w)
		assert.ErrorContains(t, err, fmt.Sprintf("item %d has the label %v in y\n    help: fill the value, or leave the item out", out, v))
	}
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
		"truncated npz":    folder(t, "a.npz", []byte("PK\x03\x04 and no more")),
		"truncated npy":    folder(t, "a.npy", []byte("\x93NUMPY\x01\x00v\x00{'descr'")),
		"none":             filepath.Join(t.TempDir(), "none"),
	} {
		_, err := Load(path, Want{})
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d, name)
		file := filepath.Base(path)
		if strings.HasPrefix(name, "labels") {
			file = "x-labels-idx1-ubyte"
		}
		assert.Equal(t, file, d.Pos.File, name)
		if name != "none" {
			assert.NotEmpty(t, d.Help, name)
		}
	}
	_, err := Load(folder(t, "a.npz", nil), Want{})
	assert.ErrorContains(t, err, "a.npz: data: the file is empty")
	for want, said := range map[string]Options{"; -inputs names nothing here": {Inputs: []string{"x"}}, "; -labels names nothing here": {Labels: []string{"y"}}} {
		d, err := Load(folder(t, "a", images), Want{Options: said})
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(d.Said, want), d.Said)
	}
}

func TestGzipBombsAreErrors(t *testing.T) {
	_, err := Load(folder(t, "a", zipped(t, make([]byte, unpackedFree*2))), Want{})
	assert.ErrorContains(t, err, "unpacks to more")
}

// checked loads a file of random content in two ways: what is accepted lies in the range.
func checked(t *testing.T, name string, b []byte) {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, b, 0o644))
	if filepath.Dir(name) != "." {
		path = filepath.Dir(path)
	}
	w := network([]int{2}, []int{2})
	w.Inputs[0].Low = -1
	for _, w := range []Want{{}, w} {
		w.Memory = 32 << 20
		d, err := Load(path, w)
		if err != nil {
			var as *diag.Diagnostic
			require.ErrorAs(t, err, &as)
			continue
		}
		require.Positive(t, d.N)
		require.Len(t, d.X, d.N*d.Size())
		low := float32(0)
		if w.Inputs != nil {
			low = -1
		}
		for _, v := range d.X {
			require.True(t, v >= low && v <= 1)
		}
		for _, l := range d.Targets {
			require.Len(t, l.X, d.N*l.Size())
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(idx(3, []int{2, 1, 3}, 0, 51, 255, 1, 2, 3))
	f.Add(zipped(f, idx(3, []int{1, 1, 1}, 9)))
	f.Add(make([]byte, cifarRecord))
	f.Fuzz(func(t *testing.T, b []byte) { checked(t, "a", b) })
}

func FuzzNumpy(f *testing.F) {
	f.Add([]byte(npy(anArray{"", "<f4", "2, 2", floats(0, 1, -1, .5)})))
	f.Add([]byte(npy(anArray{"", "|u1", "2, 1, 2", "abcd"})))
	f.Add(npz(f, anArray{"x", "<f4", "1, 2", floats(0, 1)}, anArray{"y", "|u1", "1,", "\x01"}))
	f.Fuzz(func(t *testing.T, b []byte) { checked(t, "x.npy", b) })
}

// TestDrawnItemsKeepTheirLabels: of every format, the items that are drawn are those of the
// whole set at these places, with their labels; a fault in one names it by its own number.
func TestDrawnItemsKeepTheirLabels(t *testing.T) {
	const n = 12
	b := data.Batch{N: n, Shape: []int{1, 2, 2}}
	colour := data.Batch{N: n, Shape: []int{3, 32, 32}}
	rows, dir, masked := "a,b,c,y\n", t.TempDir(), t.TempDir()
	sounds := t.TempDir()
	for i := range n {
		b.X = append(b.X, float32(i)/255, 0, 1, float32(i)/51)
		b.Labels = append(b.Labels, i/4)
		colour.X = append(colour.X, slices.Repeat([]float32{float32(i) / 255}, 3072)...)
		rows += fmt.Sprintf("%d,1,2,%d\n", i%10, i/4)
		gray := color.Gray{uint8(i)}
		name := fmt.Sprintf("%02d", i)
		put(t, filepath.Join(dir, []string{"ape", "bee", "cat"}[i/4], name+".png"), 2, 2, gray)
		put(t, filepath.Join(masked, "images", name+".png"), 2, 2, gray)
		put(t, filepath.Join(masked, "masks", name+".png"), 2, 2, color.Gray{uint8(i / 4)})
		require.NoError(t, os.MkdirAll(filepath.Join(sounds, []string{"no", "yes"}[i/6]), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(sounds, []string{"no", "yes"}[i/6], name+".wav"), recording(1, 1, 8000, 16, []byte{byte(i), 1, 2, 3}), 0o644))
	}
	colour.Labels = b.Labels
	images, labels := EncodeIDX(b)
	arrays, err := EncodeNPZ(b)
	require.NoError(t, err)
	voice := network([]int{2}, []int{2})
	voice.Inputs[0].Low = -1
	for name, c := range map[string]struct {
		path string
		want Want
	}{
		"idx":      {folder(t, "x-images-idx3-ubyte", images, "x-labels-idx1-ubyte", labels), network([]int{1, 2, 2}, []int{3})},
		"cifar":    {folder(t, "x.bin", EncodeCIFAR(colour)), network([]int{3, 32, 32}, []int{3})},
		"npz":      {folder(t, "x.npz", arrays), network([]int{1, 2, 2}, []int{3})},
		"csv":      {folder(t, "x.csv", []byte(rows)), tabular(3)},
		"pictures": {dir, network([]int{1, 2, 2}, []int{3})},
		"masks":    {masked, network([]int{1, 2, 2}, []int{3, 2, 2})},
		"sounds":   {sounds, voice},
	} {
		whole, err := Load(c.path, c.want)
		require.NoError(t, err, name)
		assert.True(t, whole.Labels != nil || whole.Targets != nil, name)
		c.want.Seed = 3
		for _, few := range []int{5, n, 2 * n} {
			c.want.N = few
			got, err := Load(c.path, c.want)
			require.NoError(t, err, name)
			assert.Equal(t, whole.Batch.Pick(data.Draw(n, few, 3)), got.Batch, "%s, %d", name, few)
		}
	}

	w := tabular(3)
	w.N, w.Seed = n, 3
	_, err = Load(folder(t, "x.csv", []byte(strings.Replace(rows, "7,1,2,1", "7,99,2,1", 1))), w)
	var d *diag.Diagnostic
	require.ErrorAs(t, err, &d)
	assert.Equal(t, 9, d.Pos.Line, "%v", d)
}

// TestUnusedArraysHaveAReason: what is not used is named once with the reason, and what it takes to
// use it.
func TestUnusedArraysHaveAReason(t *testing.T) {
	x := anArray{"x", "|u1", "2, 3", zeros(6)}
	y := anArray{"y", "|u1", "2,", zeros(2)}
	two := network([]int{3}, []int{2})
	two.Results = []Result{{"r0", []int{2}}, {"r1", []int{4}}}
	with := func(w Want, inputs, labels string) Want {
		if inputs != "" {
			w.Options.Inputs = []string{inputs}
		}
		if labels != "" {
			w.Options.Labels = strings.Split(labels, ",")
		}
		return w
	}
	for name, c := range map[string]struct {
		arrays []anArray
		want   Want
		said   string
	}{
		"labels that fit as well":  {[]anArray{x, y, {"two_yk", "|u1", "2,", zeros(2)}, {"$(id)", "|u1", "2,", zeros(2)}}, network([]int{3}, []int{2}), "labels = y uint8 [2]; left out: $(id) (y has labels by its name; -labels '$(id)' takes this one), two_yk (y has labels by its name; -labels two_yk takes this one)"},
		"items that fit as well":   {[]anArray{x, y, {"late", "|u1", "2, 3", zeros(6)}}, network([]int{3}, []int{2}), "left out: late (x has the items by its name; -inputs late takes this one)"},
		"of another shape":         {[]anArray{x, y, {"z", "|u1", "2, 5", zeros(10)}, {"w", "|u1", "2, 5", zeros(10)}}, network([]int{3}, []int{2}), "left out: w, z (items of [5] fit neither the input nor labels of the result)"},
		"of other items":           {[]anArray{x, y, {"mean", "|u1", "3,", zeros(3)}}, network([]int{3}, []int{2}), "left out: mean (3 items, not 2)"},
		"of another part":          {[]anArray{{"x_test", "|u1", "2, 3", zeros(6)}, {"x_train", "|u1", "2, 3", zeros(6)}, {"y_train", "|u1", "2,", zeros(2)}}, func() Want { w := network([]int{3}, []int{2}); w.Part = Test; return w }(), "no labels; left out: x_train, y_train (of train, not of test)"},
		"not named":                {[]anArray{x, y, {"z", "|u1", "2,", zeros(2)}}, with(network([]int{3}, []int{2}), "", "z"), "labels = z uint8 [2]; left out: y (not named by -labels)"},
		"not wanted":               {[]anArray{x, y}, with(network([]int{3}, []int{2}), "", None), "no labels; left out: y (-labels none)"},
		"of no result":             {[]anArray{x, y, {"b", "|u1", "2, 4", zeros(8)}, {"c", "|u1", "2, 7", zeros(14)}}, two, "no labels; left out: b (no result has this name: -labels r1=b takes it), c (named like none of the results r0, r1, and of another shape than their labels), y (no result has this name: -labels r0=y or -labels r1=y takes it)"},
		"of one of two results":    {[]anArray{x, y, {"r1", "|u1", "2, 4", zeros(8)}}, two, "labels = r1 uint8 [2,4] of r1; left out: y (no result has this name: -labels r0=y takes it)"},
		"of results with labels":   {[]anArray{x, {"r0", "|u1", "2,", zeros(2)}, {"r1", "|u1", "2, 4", zeros(8)}, {"z\n", "|u1", "2, 4", zeros(8)}}, two, "labels = r0 uint8 [2] of r0, r1 uint8 [2,4] of r1; left out: z\\x0a (r1 has the labels of its name; -labels 'r1=z\\x0a' takes this one)"},
		"of the second result":     {[]anArray{x, {"cls", "|u1", "2,", "\x00\x03"}}, two, "left out: cls (no result has this name: -labels r1=cls takes it)"},
		"of either result":         {[]anArray{x, {"cls", "|u1", "2,", "\x00\x01"}}, two, "left out: cls (no result has this name: -labels r0=cls or -labels r1=cls takes it)"},
		"of neither by its values": {[]anArray{x, {"cls", "|u1", "2,", "\x01\x09"}}, two, "left out: cls (no result has this name: -labels r0=cls or -labels r1=cls takes it)"},
		"another case":             {[]anArray{x, {"R1", "|u1", "2, 4", zeros(8)}, {"R0", "|u1", "2,", zeros(2)}}, two, "labels = R0 uint8 [2] of r0, R1 uint8 [2,4] of r1"},
		"two of another case":      {[]anArray{x, {"box", "|u1", "2,", zeros(2)}, {"Box", "|u1", "2, 4", zeros(8)}}, func() Want { w := two; w.Results = []Result{{"BOX", []int{4}}, {"r0", []int{2}}}; return w }(), "no labels; left out: Box (no result has this name: -labels BOX=Box takes it), box (no result has this name: -labels BOX=box or -labels r0=box takes it)"},
		"of both results, by flag": {[]anArray{x, y, {"b", "|u1", "2, 4", zeros(8)}}, with(two, "", "r0=y,r1=b"), "labels = b uint8 [2,4] of r1, y uint8 [2] of r0"},
	} {
		d, err := Load(folder(t, "a.npz", npz(t, c.arrays...)), c.want)
		require.NoError(t, err, name)
		assert.True(t, strings.HasSuffix(d.Said, c.said), "%s: %s", name, d.Said)
	}
}
