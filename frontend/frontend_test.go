package frontend

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
)

const lenet = "../testdata/lenet5/lenet5.dnn"

func TestLoadLeNet(t *testing.T) {
	m, err := Load(lenet, Options{})
	require.NoError(t, err)
	require.Empty(t, ir.Verify(m))
	assert.Len(t, m.Layers(), 4)
	again, err := Parse(lenet, []byte(m.String()), Options{})
	require.NoError(t, err, m.String())
	assert.Equal(t, m.String(), again.String(), "a module prints as a source of itself")
	same, err := ir.Equal(m, again)
	require.NoError(t, err)
	assert.True(t, same)
}

// TestDiagnostics gives one faulty body after the other to a network with the
// weights of LeNet-5.
func TestDiagnostics(t *testing.T) {
	for body, want := range map[string]string{
		"y = cnov2d(image)\nreturn y":                                             `3:5: unknown-operation: no operation "cnov2d"`,
		"conv1 = conv2d(image, filtrs: 20, kernel: 5)\nreturn conv1":              `did you mean "filters"`,
		"conv1 = conv2d(image, kernel: 5)\nreturn conv1":                          "missing-attribute",
		"conv1 = conv2d(image, filters: 20, kernel: 7)\nreturn conv1":             "tensor: tensor conv1.weight has the shape [20,1,5,5]",
		"conv9 = conv2d(image, filters: 20, kernel: 5)\nreturn conv9":             `did you mean "conv1.weight"`,
		"conv1 = conv2d(imag, filters: 20, kernel: 5)\nreturn conv1":              `no value "imag"`,
		"a = relu(b)\nb = relu(a)\nreturn b":                                      "use-before-define: b is used before its definition",
		"a = relu(image)\na = relu(a)\nreturn a":                                  "redefined",
		"a = relu(image, image)\nreturn a":                                        "argument-count",
		"a = pad(image, before: [0,0,0], after: [0,0,40000000])\nreturn a":        `3:5: limit: a: the result of shape [1,28,40000028] has 1120000784 elements, each of which is a byte of working memory or more; a value of a network has at most 67108864`,
		"a = maxpool2d(image, kernel: 29)\nreturn a":                              "shape",
		"a = maxpool2d(image, kernel: 2, stride: 0)\nreturn a":                    "bad-value",
		"conv1 = conv2d(image, filters: 20, kernel: 5, bits: 9)\nreturn conv1":    "width: no format odd9",
		"conv1 = conv2d(image, filters: 20, kernel: 5, bits: 0)\nreturn conv1":    "width: no format odd0",
		"conv1 = conv2d(image, filters: 20, kernel: 5, padding: 1)\nreturn conv1": `did you mean "pad"`,
		"return image":         "unsupported",
		"a = relu(image)":      "returns nothing",
		"a = add(image, relu)": `no value "relu"`,
	} {
		src := "tensors \"lenet5.safetensors\"\nnetwork n(image: f32[1,28,28] in [0,1]) -> f32[10] {\n" + body + "\n}\n"
		_, err := Parse(filepath.Join(filepath.Dir(lenet), "n.dnn"), []byte(src), Options{})
		require.Error(t, err, body)
		assert.Contains(t, err.Error(), want, body)
	}
}

func TestFilesAreChecked(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) { require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o644)) }
	whole, err := os.ReadFile("../testdata/lenet5/lenet5.safetensors")
	require.NoError(t, err)
	src, err := os.ReadFile(lenet)
	require.NoError(t, err)
	write("lenet5.dnn", src)
	path := filepath.Join(dir, "lenet5.dnn")

	_, err = Load(path, Options{})
	assert.ErrorContains(t, err, "2:1: file: lenet5.safetensors: no such file")
	assert.NotContains(t, err.Error(), "help: write: tensors", "the text has this line")
	_, err = Parse("n.dnn", []byte("network n(x: f32[3] in [0,1]) -> f32[2] {\n fc = linear(x, units: 2)\n return fc\n}\n"), Options{})
	assert.ErrorContains(t, err, "help: write: tensors \"weights.safetensors\"")
	write("lenet5.safetensors", whole[:len(whole)/2])
	_, err = Load(path, Options{})
	assert.ErrorContains(t, err, "truncated")
	nan := append([]byte(nil), whole...)
	copy(nan[len(nan)-4:], []byte{0, 0, 0xc0, 0x7f})
	write("lenet5.safetensors", nan)
	_, err = Load(path, Options{})
	assert.ErrorContains(t, err, "NaN")
	write("outside.dnn", []byte("tensors \"../x.safetensors\"\nnetwork n(a: f32[1] in [0,1]) -> f32[1] {\nb = relu(a)\nreturn b\n}\n"))
	_, err = Load(filepath.Join(dir, "outside.dnn"), Options{})
	assert.ErrorContains(t, err, "leaves the folder")
	_, err = Load(filepath.Join(dir, "none.dnn"), Options{})
	assert.ErrorContains(t, err, "no such file")
}

// TestFilesOfATextLieInItsFolder: neither a path nor a link leads out of it, and none
// hangs or reads a device.
func TestFilesOfATextLieInItsFolder(t *testing.T) {
	root := t.TempDir()
	dir, out := filepath.Join(root, "net"), filepath.Join(root, "out")
	for _, d := range []string{dir, out, filepath.Join(dir, "pictures"), filepath.Join(dir, "sub")} {
		require.NoError(t, os.MkdirAll(d, 0o700))
	}
	var b bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&b, nil))
	for _, p := range []string{filepath.Join(out, "w.safetensors"), filepath.Join(dir, "sub", "w.safetensors"), filepath.Join(dir, "t-images-idx3-ubyte")} {
		require.NoError(t, os.WriteFile(p, b.Bytes(), 0o600))
	}
	for name, to := range map[string]string{"link.safetensors": "../out/w.safetensors", "folder": "../out", "inner.safetensors": "sub/w.safetensors", "zero": "/dev/zero", "t-labels-idx1-ubyte": "../out/w.safetensors", "pictures/a.png": "../../out/w.safetensors"} {
		require.NoError(t, os.Symlink(to, filepath.Join(dir, name)))
	}
	const body = "network n(a: f32[2,4,4] in [0,1]) -> f32[2,4,4] {\n s = relu(a)\n return s\n}\n"
	path := filepath.Join(dir, "n.dnn")
	for line, want := range map[string]string{
		`tensors "inner.safetensors"`: "", `tensors "sub/w.safetensors"`: "",
		`tensors "link.safetensors"`: `"link.safetensors" is a link that leaves the folder of the network`, `tensors "folder/w.safetensors"`: "is a link that leaves", `tensors "zero"`: "is a link that leaves", `tensors "../out/w.safetensors"`: "leaves the folder", `tensors "sub"`: "a folder, not a regular file",
		`data test "link.safetensors"`: "is a link that leaves", `data test "t-images-idx3-ubyte"`: `"t-labels-idx1-ubyte" is a link that leaves`, `data calibration "pictures"`: "is a link that leaves", `data test "none"`: "",
	} {
		require.NoError(t, os.WriteFile(path, []byte(line+"\n"+body), 0o600))
		_, err := Load(path, Options{})
		if want == "" {
			assert.NoError(t, err, line)
			continue
		}
		if assert.ErrorContains(t, err, want, line) {
			assert.ErrorContains(t, err, "n.dnn:1:")
		}
		if strings.Contains(want, "leaves") && !strings.Contains(line, "zero") {
			_, err = Load(path, Options{AllowOutside: true})
			assert.NoError(t, err, line)
		}
	}
}

// TestManyFaultsTakeNoSquare: a text with very many unknown names gets a diagnostic for each,
// but names are suggested only for the first ones, and of many tensors some are named.
func TestManyFaultsTakeNoSquare(t *testing.T) {
	dir := t.TempDir()
	text := "tensors \"w.npz\"\nnetwork n(x: f32[4] in [0,1]) -> f32[4] {\n"
	var tensors []weights.Tensor
	for i := range 300 {
		text += fmt.Sprintf("  y%d = linear(value%d, units: 4)\n", i, i)
		tensors = append(tensors, weights.Tensor{Name: fmt.Sprintf("zz%d.weight", i), DType: weights.F32, Shape: []int{1}, Data: make([]byte, 4)})
	}
	for i := range 2 {
		text += fmt.Sprintf("  valuf%d = linear(x, units: 4)\n", i)
	}
	text = strings.Replace(text, "network n(x:", "network n(valuee: f32[4] in [0,1], x:", 1)
	f, err := os.Create(filepath.Join(dir, "w.npz"))
	require.NoError(t, err)
	require.NoError(t, weights.WriteNPZ(f, tensors))
	require.NoError(t, f.Close())
	path := filepath.Join(dir, "n.dnn")
	require.NoError(t, os.WriteFile(path, []byte(text+"  return y0\n}\n"), 0o644))
	_, err = Load(path, Options{})
	var list diag.List
	require.ErrorAs(t, err, &list)
	suggested := 0
	for _, d := range list {
		if strings.HasPrefix(d.Message, "no value") && d.Help != "" {
			suggested++
		}
		assert.Less(t, len(d.Error()), 2000)
	}
	assert.Greater(t, len(list), 300)
	assert.Positive(t, suggested)
	assert.LessOrEqual(t, suggested, manyFaults)
}
