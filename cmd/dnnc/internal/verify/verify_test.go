package verify_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// TestRows: with -rows, verify gives each image row by row; the certificate of a build says how, and what it built is
// proved from it again.
func TestRows(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	for _, more := range [][]string{{"-target", "armv7em"}, {"-target", "x86_64", "-O", "universal", "-bits", "3", "-ram", "5KiB"}} {
		code, stdout, stderr := dnnctest.Run(t, append([]string{"verify", dnnctest.Lenet, "-rows", "-n", "3", "-images", "32"}, more...)...)
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "3 of 3 test images and 8 of 8 adversarial inputs bit-exact")
	}
	object := filepath.Join(t.TempDir(), "net.o")
	code, _, stderr := dnnctest.Run(t, "build", dnnctest.Lenet, "-rows", "-images", "32", "-target", "armv7em", "-o", object)
	require.Zero(t, code, stderr)
	raw, err := os.ReadFile(strings.TrimSuffix(object, ".o") + ".json")
	require.NoError(t, err)
	assert.Regexp(t, `"rows": \{\s*"rows": 28,\s*"row_bytes": 28\s*\}`, string(raw))
	raw, err = os.ReadFile(strings.TrimSuffix(object, ".o") + ".h")
	require.NoError(t, err)
	for _, text := range []string{"#define LENET5_ROWS 28\n", "#define LENET5_ROW_BYTES 28\n", "int lenet5_run(const lenet5_rows *", "typedef struct lenet5_rows lenet5_rows;"} {
		assert.Contains(t, string(raw), text)
	}
	var stdout string
	code, stdout, stderr = dnnctest.Run(t, "verify", object, "-n", "2")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "equal in all")
	assert.Contains(t, stdout, "bit-exact")
}

// TestSeveralInputs takes a network of an image and a vector through data, search,
// header and target.
func TestSeveralInputs(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, encode func(io.Writer, []weights.Tensor) error, tensors ...weights.Tensor) {
		f, err := os.Create(path(name))
		require.NoError(t, err)
		require.NoError(t, encode(f, tensors))
		require.NoError(t, f.Close())
	}
	rng := rand.New(rand.NewPCG(1, 1))
	tensor := func(name string, low, high float32, shape ...int) weights.Tensor {
		x := make([]float32, ir.Shape(shape).Size())
		for i := range x {
			x[i] = low + (high-low)*rng.Float32()
		}
		raw, err := ir.FloatConst(name, shape, x).Load()
		require.NoError(t, err)
		return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw}
	}
	write("two.safetensors", weights.WriteSafetensors, tensor("conv.weight", -1, 1, 4, 1, 3, 3), tensor("sense.weight", -1, 1, 6, 3), tensor("fc.weight", -1, 1, 3, 10))
	images, sensors := tensor("image", 0, 1, 60, 1, 8, 8), tensor("int", -2, 2, 60, 3)
	write("two.npz", weights.WriteNPZ, images, sensors)
	write("one.npz", weights.WriteNPZ, images)
	require.NoError(t, os.WriteFile(path("two.dnn"), []byte(`tensors "two.safetensors"
network two(image: f32[1,8,8] in [0,1], int: f32[3] in [-2,2]) -> f32[3], f32[6] {
  conv = conv2d(image, filters: 4, kernel: 3)
  pooled = flatten(globalavgpool(relu(conv)))
  sense = linear(int, units: 6)
  both = concat(pooled, relu(sense))
  fc = linear(both, units: 3)
  return fc, sense
}
`), 0o644))
	given := []string{"-calib", path("two.npz"), "-data", path("two.npz"), "-images", "40"}
	for _, target := range []string{"x86_64", "armv7em"} {
		for _, level := range [][]string{{"-O", "int8"}, {"-O", "universal", "-bits", "3"}} {
			code, stdout, stderr := dnnctest.Run(t, append(append([]string{"verify", path("two.dnn"), "-target", target, "-n", "20"}, given...), level...)...)
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, "20 of 20 test images and 8 of 8 adversarial inputs bit-exact")
		}
	}
	text, err := os.ReadFile(path("two.dnn"))
	require.NoError(t, err)
	oneResult := strings.NewReplacer("network two", "network single", ", f32[6] {", " {", "return fc, sense", "return fc").Replace(string(text))
	require.NoError(t, os.WriteFile(path("single.dnn"), []byte(oneResult), 0o644))
	code, stdout, stderr := dnnctest.Run(t, append([]string{"verify", path("single.dnn"), "-target", "armv7em", "-n", "20", "-O", "robust", "-task", "classes", "-bits", "3", "-formats", "odd"}, given...)...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "20 of 20 test images and 8 of 8 adversarial inputs bit-exact")
	code, stdout, stderr = dnnctest.Run(t, append([]string{"eval", path("single.dnn"), "-task", "classes", "-errors", "gaussian=0.1;light=0.2"}, given...)...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "NO LABELS")
	code, _, stderr = dnnctest.Run(t, append([]string{path("two.dnn"), "-target", "armv7em", "-emit", "c,obj", "-o", path("two.o")}, given...)...)
	require.Zero(t, code, stderr)
	header, err := os.ReadFile(path("two.h"))
	require.NoError(t, err)
	assert.Contains(t, string(header), "int two_run(const int8_t *image, const int8_t *int_, int8_t *fc, int8_t *sense, void *arena);")
	assert.Contains(t, string(header), "#define TWO_INPUT1_BYTES 3 /* int: i8[3] */")
	for _, bad := range []struct{ args, want string }{
		{"-calib " + path("one.npz"), "no array int; there are image float32 [60,1,8,8]; the network's inputs: image int"},
		{"-calib " + dnnctest.TestImages, "an npz with an array named like each"},
	} {
		code, _, stderr := dnnctest.Run(t, append([]string{path("two.dnn"), "-target", "armv7em", "-o", path("bad.o")}, strings.Fields(bad.args)...)...)
		assert.Equal(t, command.AtFault, code)
		assert.Contains(t, stderr, bad.want)
	}
	code, _, stderr = dnnctest.Run(t, "eval", path("single.dnn"), "-task", "classes", "-plane", path("p.png"))
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "this network has 2 inputs")
}

// TestWideResultsVerify: results of values have 16 bits, in the header, in the object and in the
// interpreter, whatever the shape and the format of the weights; beside them one of 8 bits.
func TestWideResultsVerify(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 3))
	tensor := func(name string, shape ...int) weights.Tensor {
		x := make([]float32, ir.Shape(shape).Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		raw, err := ir.FloatConst(name, shape, x).Load()
		require.NoError(t, err)
		return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw}
	}
	var file bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&file, []weights.Tensor{
		tensor("conv.weight", 8, 1, 3, 3), tensor("map.weight", 5, 8, 1, 1), tensor("map.bias", 5), tensor("fc.weight", 3, 200), tensor("label.weight", 3, 200),
	}))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "w.safetensors"), file.Bytes(), 0o644))
	path := filepath.Join(dir, "wide.dnn")
	require.NoError(t, os.WriteFile(path, []byte(`tensors "w.safetensors"
network wide(image: f32[1,7,7] in [0,1]) -> f32[5,5,5] values, f32[3] values, f32[3] classes {
  conv = conv2d(image, filters: 8, kernel: 3)
  seen = relu(conv)
  map = conv2d(seen, filters: 5, kernel: 1)
  fc = linear(seen, units: 3, bits: vec4x8)
  above = relu(fc)
  label = linear(seen, units: 3)
  return map, above, label
}
`), 0o644))
	targets := []string{"armv7em", "x86_64"}
	if !testing.Short() {
		targets = append(targets, "armv6m", "armv7", "armv8.1m", "riscv32", "riscv64")
	}
	for _, target := range targets {
		for _, level := range []string{"-O int8", "-O universal -bits 3 -rounding nearest"} {
			code, stdout, stderr := dnnctest.Run(t, append([]string{"verify", path, "-target", target, "-n", "6"}, strings.Fields(level)...)...)
			require.Zero(t, code, "%s %s: %s", target, level, stderr)
			assert.Contains(t, stdout, "6 of 6 images of noise and 8 of 8 adversarial inputs bit-exact")
		}
	}
	code, _, stderr := dnnctest.Run(t, path, "-target", "armv7em", "-emit", "c,obj", "-o", filepath.Join(dir, "wide.o"))
	require.Zero(t, code, stderr)
	header, err := os.ReadFile(filepath.Join(dir, "wide.h"))
	require.NoError(t, err)
	assert.Contains(t, string(header), "int wide_run(const int8_t *image, int16_t *map, int16_t *fc, int8_t *label, void *arena);")
	assert.Contains(t, string(header), "#define WIDE_OUTPUT0_BYTES 250 /* map: i16[5,5,5] */\n#define WIDE_OUTPUT0_TYPE int16_t\n")
	assert.Contains(t, string(header), "static inline float wide_output1_dequantize(int16_t element)")
	assert.Contains(t, string(header), "#define WIDE_OUTPUT2_BYTES 3 /* label: i8[3] */\n#define WIDE_OUTPUT2_TYPE int8_t\n")
}

// TestDeepNetworksVerify compares the objects of AlexNet and VGG-16 with the
// interpreter, on images of CIFAR-10.
func TestDeepNetworksVerify(t *testing.T) {
	folder := dnnctest.Data(t)
	for _, network := range []string{"alexnet", "vgg16"} {
		for _, target := range []string{"armv7", "x86_64"} {
			code, stdout, stderr := dnnctest.Run(t, "verify", dnnctest.Root+"/testdata/"+network+"/"+network+".dnn", "-target", target, "-n", "10", "-images", "64",
				"-O", "universal", "-bits", "3", "-rounding", "nearest",
				"-calib", filepath.Join(folder, "cifar10/train_batch.bin.gz"), "-data", filepath.Join(folder, "cifar10/test_batch.bin.gz"))
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, "10 of 10 test images and 8 of 8 adversarial inputs bit-exact")
		}
	}
}

// TestFullVerify compares 500 images for every width on every target.
func TestFullVerify(t *testing.T) {
	dnnctest.Full(t)
	levels := [][]string{{"-O", "int8"}, {"-O", "robust"}}
	for b := 1; b <= 8; b++ {
		levels = append(levels, []string{"-O", "universal", "-bits", fmt.Sprint(b)})
	}
	for _, target := range []string{"armv7", "x86_64"} {
		for _, level := range levels {
			code, stdout, stderr := dnnctest.Run(t, append([]string{"verify", dnnctest.Lenet, "-target", target, "-n", "500"}, level...)...)
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, "500 of 500 test images and 8 of 8 adversarial inputs bit-exact")
			t.Log(level, stdout)
		}
	}
}

// TestVerifyOfAShallowRun: a run that takes less of the stack than the painter itself
// is within its bound.
func TestVerifyOfAShallowRun(t *testing.T) {
	dnnctest.Need(t, "opt-19", "ld.lld-19", "qemu-arm")
	path := filepath.Join(t.TempDir(), "n.dnn")
	require.NoError(t, os.WriteFile(path, []byte("network n(x: f32[2,4,4] in [0,1]) -> f32[2,2,2] {\n  y = maxpool2d(x, kernel: 2)\n  return y\n}\n"), 0o644))
	code, stdout, stderr := dnnctest.Run(t, "verify", path, "-target", "armv7", "-n", "4")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "4 of 4 images of noise")
}
