package command_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/frontend/weights"
)

// filled is an array of bytes or float32 whose numbers follow from their places.
func filled(name string, d weights.DType, value func(i int) float32, shape ...int) weights.Tensor {
	t := weights.Tensor{Name: name, DType: d, Shape: shape}
	n := 1
	for _, s := range shape {
		n *= s
	}
	for i := range n {
		v := value(i)
		if d == weights.U8 {
			t.Data = append(t.Data, byte(v))
			continue
		}
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

func npzOf(t *testing.T, arrays ...weights.Tensor) string {
	var b bytes.Buffer
	require.NoError(t, weights.WriteNPZ(&b, arrays))
	return b.String()
}

func pngOf(t *testing.T, img image.Image) string {
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.String()
}

// TestConfusionsAreFound: what people take for one another is said in the first lines, or
// is a diagnostic with the place, the reason and a way out, before anything is measured.
func TestConfusionsAreFound(t *testing.T) {
	const n = 12
	path := dnnctest.KindsFolder(t)
	unit := func(i int) float32 { return float32(i%8) / 8 }
	class := func(i int) float32 { return float32(i % 3) }
	bytesOf := func(i int) float32 { return float32(i % 256) }
	x := filled("x", weights.F32, unit, n, 1, 8, 8)
	y := filled("y", weights.U8, class, n)
	gray := func(w, h int) string { return pngOf(t, image.NewGray(image.Rect(0, 0, w, h))) }
	coloured := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	coloured.Set(0, 0, color.NRGBA{200, 0, 0, 255})
	mask := image.NewGray(image.Rect(0, 0, 6, 6))
	mask.Pix[7] = 255
	void := image.NewGray(mask.Rect)
	copy(void.Pix, []uint8{0, 1, 2, 3, 4, 5, 255, 255, 255})
	sound := func(rate string) string {
		return "RIFF\xa4\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00" + rate + "\x00\x7d\x00\x00\x02\x00\x10\x00data\x80\x00\x00\x00" + string(make([]byte, 128))
	}
	row := strings.Repeat("0.5,", 64)
	header := strings.Repeat("p,", 64)
	for _, c := range []struct {
		name, network, flags string
		files                map[string]string // the first is given as the data, unless it is a folder
		data, said           string
		isDone               bool
	}{
		{"height, width, channel", "classes", "", map[string]string{"a.npz": npzOf(t, filled("x", weights.U8, bytesOf, n, 8, 8, 1), y)}, "a.npz",
			"image = x uint8 [12,8,8,1], taken as height, width, channel, 0..255 span [0,1]; labels = y uint8 [12]", true},
		{"pixels that are no reals of [0,1]", "classes", "", map[string]string{"a.npz": npzOf(t, filled("x", weights.F32, bytesOf, n, 1, 8, 8), y)}, "a.npz",
			"a.npz: data: item 0 of x holds 2 at element 2, the input image is declared in [0,1]\n    note: the values are whole numbers from 0 to 255, as pixels are\n    help: if the network was trained on [0,1], divide the data by 255, or save the array as uint8, whose 0..255 span that range; if it was trained on such values, declare the range: -range image=0,255 of a model", false},
		{"reals of another range", "classes", "", map[string]string{"a.npz": npzOf(t, filled("x", weights.F32, func(i int) float32 { return float32(i%3) - 1 }, n, 1, 8, 8), y)}, "a.npz",
			"declare the range, which all data must lie in: -range image=-1,1 of a model", false},
		{"pictures of another size", "classes", "", map[string]string{"a/0/a.png": gray(16, 12), "a/1/a.png": gray(16, 12)}, "a",
			"a: data: 0/a.png has 16x12 pixels, the network takes 8x8 as image\n    help: scale the pictures as they were for training; -resize scales them by area", false},
		{"pictures that are scaled", "classes", "-resize", map[string]string{"a/0/a.png": gray(16, 12), "a/1/a.png": gray(16, 12), "a/2/a.png": gray(16, 12)}, "a",
			"image = pictures uint8 [3,1,8,8], scaled from 16x12 to 8x8 by area (-resize)", true},
		{"colour for gray", "classes", "", map[string]string{"a/0/a.png": pngOf(t, coloured)}, "a", "0/a.png is in colour, the network takes one plane as image\n    help: convert the pictures to gray", false},
		{"an empty class", "classes", "", map[string]string{"a/cat/a.png": gray(8, 8), "a/bee/notes.txt": "", "a/ape/a.png": gray(8, 8)}, "a",
			"labels = folders: ape 0, bee 1, cat 2; without files: bee", true},
		{"fewer folders than classes", "classes", "", map[string]string{"a/cat/a.png": gray(8, 8), "a/ape/a.png": gray(8, 8)}, "a",
			"a: data: folders of classes: the data have 2, the network has 3 classes\n    note: labels are the places of the folders by name: ape, cat\n    help: make an empty folder for each class that the data lack", false},
		{"more folders than classes", "classes", "", map[string]string{"a/cat/a.png": gray(8, 8), "a/ape/a.png": gray(8, 8), "a/bee/a.png": gray(8, 8), "a/__MACOSX/a.txt": ""}, "a",
			"a: data: folders of classes: the data have 4, the network has 3 classes\n    note: labels are the places of the folders by name: __MACOSX, ape, bee, cat\n    help: take away the folders", false},
		{"one class only", "classes", "", map[string]string{"a.npz": npzOf(t, x, filled("y", weights.U8, func(int) float32 { return 2 }, n))}, "a.npz", "labels: a.npz, where every label is 2, input image", true},
		{"a class without an item", "classes", "", map[string]string{"a.npz": npzOf(t, x, filled("y", weights.U8, func(i int) float32 { return float32(i % 2) }, n))}, "a.npz", "labels: a.npz, where no label is 2, input image", true},
		{"reals for classes", "classes", "", map[string]string{"a.npz": npzOf(t, x, filled("y", weights.F32, unit, n))}, "a.npz",
			"a.npz: data: image 1 has the label 0.125: labels of classes are whole numbers from 0 to 2\n    help: values from 0 to 2; another -task, or other labels", false},
		{"labels of another set", "classes", "", map[string]string{"a.npz": npzOf(t, x, filled("y", weights.U8, bytesOf, n))}, "a.npz", "a.npz: data: image 3 has the label 3, the network has 3 classes", false},
		{"one-hot labels", "classes", "", map[string]string{"a.npz": npzOf(t, x, filled("y", weights.U8, func(i int) float32 { return float32(i % 3 / 2) }, n, 3))}, "a.npz", "help: of labels that are one-hot save numpy.argmax(y, 1)", false},
		{"classes for yes and no", "logits", "-task multilabel", map[string]string{"a.npz": npzOf(t, x, y)}, "a.npz", "labels of multilabel are 0 or 1 for each element, of which an item has 3; these are 1 numbers an item", false},
		{"a mask for a class", "classes", "", map[string]string{"a/images/a.png": gray(8, 8), "a/masks/a.png": gray(3, 1)}, "a", "masks/a.png has 3x1 pixels, the network's result 8x8\n    help: a mask has the size of the result", false},
		{"levels for classes in a mask", "seg", "-task classes@axis:@0", map[string]string{"a/images/a.png": gray(8, 8), "a/masks/a.png": pngOf(t, mask)}, "a", "image 0 (images/a.png, masks/a.png) has the label 255: labels of classes are whole numbers\n    note: all other labels are 0, so that 255 can hardly mean void\n    help: values from 0 to 5", false},
		{"void in a mask", "seg", "-task classes@axis:@0", map[string]string{"a/images/a.png": gray(8, 8), "a/masks/a.png": pngOf(t, void)}, "a", "labels: a, where 8.33 % of the labels are 255 (void) and left out", true},
		{"names that are swapped", "classes", "", map[string]string{"a.npz": npzOf(t, filled("y", weights.F32, unit, n, 1, 8, 8), filled("x", weights.U8, class, n))}, "a.npz", "image = y float32 [12,1,8,8], reals 0 to 0.875 of [0,1]; labels = x uint8 [12]", true},
		{"two arrays of items", "classes", "", map[string]string{"a.npz": npzOf(t, filled("p", weights.F32, unit, n, 1, 8, 8), filled("q", weights.F32, unit, n, 8, 8), y)}, "a.npz",
			"which array the input image takes is not clear: it could be p float32 [12,1,8,8], q float32 [12,8,8]\n    help: -inputs p says it", false},
		{"two arrays of labels", "classes", "", map[string]string{"a.npz": npzOf(t, x, filled("coarse", weights.U8, class, n), filled("fine", weights.U8, class, n))}, "a.npz",
			"which array has the labels is not clear: it could be coarse uint8 [12], fine uint8 [12]\n    help: -labels coarse says it; -labels none takes none", false},
		{"training for testing", "classes", "", map[string]string{"a.npz": npzOf(t, filled("x_train", weights.F32, unit, 2*n, 1, 8, 8), filled("y_train", weights.U8, class, 2*n), filled("x_test", weights.F32, unit, n, 1, 8, 8), filled("y_test", weights.U8, class, n))}, "a.npz",
			"image = x_test float32 [12,1,8,8], reals 0 to 0.875 of [0,1]; labels = y_test uint8 [12]; left out: x_train, y_train (of train, not of test)", true},
		{"labels of other items", "classes", "", map[string]string{"a.npz": npzOf(t, x, filled("y", weights.U8, class, n+1))}, "a.npz", "13 labels in y uint8 [13] of 12 items in x float32 [12,1,8,8]\n    help: labels and items come in the same order", false},
		{"an item for items", "classes", "", map[string]string{"a.npz": npzOf(t, filled("x", weights.F32, unit, 1, 8, 8))}, "a.npz", "image = x float32 [1,8,8]", true},
		{"a column of labels among inputs", "classes", "", map[string]string{"a.csv": header + "kind\n" + row + "1\n"}, "a.csv", "65 columns, the input image takes 64: which 1 are labels is not clear", false},
		{"levels in a table", "classes", "", map[string]string{"a.csv": header + "label\n" + row + "1\n" + strings.Repeat("7,", 63) + "255,1\n"}, "a.csv",
			"a.csv:3:1: data: item 1 of columns p (number 1) to p (number 64) holds 7 at element 0, the input image is declared in [0,1]\n    note: the values go from 0.5 to 255, as pixels do", false},
		{"whole levels in a table", "classes", "", map[string]string{"a.csv": header + "label\n" + strings.Repeat("7,", 63) + "255,1\n"}, "a.csv",
			"    note: the values are whole numbers from 7 to 255, as pixels are\n    help: if the network was trained on [0,1], divide the data by 255, or save the columns as uint8 in an npz, whose 0..255 span that range", false},
		{"identities for classes", "logits", "", map[string]string{"a.npz": npzOf(t, filled("x", weights.F32, unit, 64, 1, 8, 8), filled("y", weights.U8, func(i int) float32 { return float32(i % 2) }, 64))}, "a.npz",
			"the labels name only the first 2 of its elements, and the network answers none of them better than a constant\n    note: it could be embedding (a direction), classes (one label an item)\n    help: -task embedding says it", false},
		{"identities for all classes", "logits", "", map[string]string{"a.npz": npzOf(t, filled("x", weights.F32, unit, 64, 1, 8, 8), filled("y", weights.U8, func(i int) float32 { return float32(i % 3) }, 64))}, "a.npz",
			"with no softmax at its end, and the network answers the labels no better than a guess\n    note: it could be classes (one label an item), embedding (a direction)\n    help: -task classes says it, or -task embedding", false},
		{"identities for all classes, told", "logits", "-task classes", map[string]string{"a.npz": npzOf(t, filled("x", weights.F32, unit, 64, 1, 8, 8), filled("y", weights.U8, func(i int) float32 { return float32(i % 3) }, 64))}, "a.npz",
			"task: classes (result [3] and -task classes), measure: accuracy, labels: a.npz", true},
		{"a guided error of a direction", "logits", "-task embedding -errors light=.1", map[string]string{"a.npz": npzOf(t, x)}, "a.npz",
			"errors that are guided follow how right an answer is, and embedding has no such thing\n    help: the unguided forms of the kinds end in -random", false},
		{"a guided error of a value", "value", "-task values -errors light=.1", map[string]string{"a.npz": npzOf(t, x)}, "a.npz",
			"errors that are guided follow how right an answer is, and values has no such thing without labels", false},
		{"a missing value", "classes", "", map[string]string{"a.csv": header + "label\n" + row + "1\n" + "," + row[4:] + "1\n"}, "a.csv", "a.csv:3:1: data: the column p (number 1) has no value: \"\"\n    help: fill the value, or leave the row out", false},
		{"sound in a range of pixels", "classes", "", map[string]string{"a/x/a.wav": sound("\x80\x3e\x00\x00")}, "a", "samples lie on both sides of 0, the input image is declared in [0,1]\n    help: declare the range in which the network was trained: -range image=-1,1", false},
		{"sound of two rates", "classes", "", map[string]string{"a/x/a.wav": sound("\x80\x3e\x00\x00"), "a/x/b.wav": sound("\x40\x1f\x00\x00")}, "a", "x/b.wav has 8000 samples a second, x/a.wav has 16000\n    help: convert them", false},
	} {
		dir := t.TempDir()
		for name, content := range c.files {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
		}
		args := []string{"eval", path(c.network + ".dnn"), "-calib", path("data.npz"), "-images", "8", "-errors", "gaussian=.1", "-data", filepath.Join(dir, c.data)}
		for _, word := range strings.Fields(c.flags) {
			args = append(args, strings.ReplaceAll(word, "@", " "))
		}
		code, stdout, stderr := dnnctest.Run(t, args...)
		if c.isDone {
			require.Zero(t, code, "%s: %s", c.name, stderr)
			first := strings.SplitAfterN(stdout, "\n", 3)
			require.Len(t, first, 3, c.name)
			assert.True(t, strings.HasPrefix(first[0], "task: "), c.name)
			assert.Contains(t, first[0]+first[1], c.said, c.name)
			continue
		}
		assert.Equal(t, command.AtFault, code, c.name)
		assert.NotContains(t, stdout, "accuracy  size", "%s: nothing is measured", c.name)
		assert.Contains(t, stderr, c.said, c.name)
	}
	// The same label of two sets.
	dir := t.TempDir()
	for _, name := range []string{"a/ape", "a/bee", "a/cat", "b/ape", "b/bird", "b/cat"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "a.png"), []byte(gray(8, 8)), 0o644))
	}
	code, _, stderr := dnnctest.Run(t, "eval", path("classes.dnn"), "-calib", filepath.Join(dir, "a"), "-data", filepath.Join(dir, "b"), "-errors", "none")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, `the label 1 is "bird" here, and "bee" in `)
	assert.Contains(t, stderr, "help: labels are the places of the folders by name: give both sets the same folders")
	// But identities of an embedding differ from set to set.
	code, stdout, stderr := dnnctest.Run(t, "eval", path("logits.dnn"), "-task", "embedding", "-calib", filepath.Join(dir, "a"), "-data", filepath.Join(dir, "b"), "-errors", "none")
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "labels: b, where no two items share a label")
}
