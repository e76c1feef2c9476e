package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// dataFolder is the folder of MNIST and CIFAR-10 samples that DNNC_DATA names.
func dataFolder(t *testing.T) string {
	folder := os.Getenv("DNNC_DATA")
	if folder == "" {
		t.Skip("DNNC_DATA names no folder with mnist/ and cifar10/")
	}
	return folder
}

// TestShippedNetworksKeepTheirAccuracy holds the float accuracy of each network
// to that of its training, within the sampling error of the test images, and 8
// bits to at most half a point less.
func TestShippedNetworksKeepTheirAccuracy(t *testing.T) {
	folder := dataFolder(t)
	for _, c := range []struct {
		network, train, test string
		accuracy             float64
	}{
		{"lenet5-mnist", "mnist/train-images-idx3-ubyte.gz", "mnist/t10k-images-idx3-ubyte.gz", .9934},
		{"alexnet", "cifar10/train_batch.bin.gz", "cifar10/test_batch.bin.gz", .836},
		{"vgg16", "cifar10/train_batch.bin.gz", "cifar10/test_batch.bin.gz", .829},
	} {
		code, stdout, stderr := dnnc(t, "eval", "../../testdata/"+c.network+"/"+c.network+".dnn", "-json", "-errors", "none", "-images", "128",
			"-calib", filepath.Join(folder, c.train), "-data", filepath.Join(folder, c.test))
		require.Zero(t, code, stderr)
		var got struct {
			Float, Quantized certificate.Score
			Measured         certificate.Measured
		}
		require.NoError(t, json.Unmarshal([]byte(stdout), &got))
		sampling := math.Sqrt(c.accuracy * (1 - c.accuracy) / float64(got.Measured.Images))
		assert.InDelta(t, c.accuracy, got.Float.Clean, sampling+.001, c.network)
		assert.LessOrEqual(t, got.Float.Clean-got.Quantized.Clean, .005, c.network)
	}
}

// TestSameWeightsByEitherRoute compares the text, whose batch normalisation a pass
// folds, with what PyTorch exported, which had folded it: equal to the last bit, so
// that a search chooses the same. The models lie beside the data.
func TestSameWeightsByEitherRoute(t *testing.T) {
	models := filepath.Join(dataFolder(t), "..", "models")
	for text, model := range map[string]string{"lenet5": "lenet5-fashion", "lenet5-mnist": "lenet5-mnist", "alexnet": "alexnet-cifar10", "vgg16": "vgg16-cifar10"} {
		load := func(path string) []*ir.Node {
			m, err := driver.Load(driver.Options{Input: path})
			require.NoError(t, err)
			require.NoError(t, passes.Table.Run(context.Background(), m, &pass.Env{Level: pass.Int8}, pass.Options{StopAfter: "legalize"}))
			return m.Layers()
		}
		own, theirs := load("../../testdata/"+text+"/"+text+".dnn"), load(filepath.Join(models, model+".onnx"))
		require.Len(t, theirs, len(own))
		for i, n := range own {
			for _, name := range []ir.Key[*ir.Const]{ir.AttrWeight, ir.AttrBias} {
				want, err := n.Const(name).Float32()
				require.NoError(t, err)
				got, err := theirs[i].Const(name).Float32()
				require.NoError(t, err)
				assert.True(t, slices.Equal(want, got), "%s of %s in %s", name, n.Name(), model)
			}
		}
	}
}

// TestDeepNetworksVerify compares the objects of AlexNet and VGG-16 with the
// interpreter, on images of CIFAR-10.
func TestDeepNetworksVerify(t *testing.T) {
	folder := dataFolder(t)
	for _, network := range []string{"alexnet", "vgg16"} {
		for _, target := range []string{"armv7", "x86_64"} {
			code, stdout, stderr := dnnc(t, "verify", "../../testdata/"+network+"/"+network+".dnn", "-target", target, "-n", "10", "-images", "64",
				"-O", "universal", "-bits", "3", "-rounding", "nearest",
				"-calib", filepath.Join(folder, "cifar10/train_batch.bin.gz"), "-data", filepath.Join(folder, "cifar10/test_batch.bin.gz"))
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, "10 of 10 test images and 8 of 8 adversarial inputs bit-exact")
		}
	}
}

// TestGuidedErrorsHurtMore compares each guided kind with its random form. Random
// squares are a quarter as large: four times as many darken the same area.
func TestGuidedErrorsHurtMore(t *testing.T) {
	code, stdout, stderr := dnnc(t, "eval", lenet, "-json", "-n", "300", "-images", "16",
		"-errors", "light=0.3;light-random=0.3;occl=0.3;occl-random=0.3;blackout=0.2;blackout-random=0.8")
	require.Zero(t, code, stderr)
	var got struct{ Float certificate.Score }
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	require.Len(t, got.Float.Robust, 6)
	for i := 0; i < 6; i += 2 {
		assert.Less(t, got.Float.Robust[i].Mean, got.Float.Robust[i+1].Mean-.02, got.Float.Robust[i].Kind)
	}
}

func TestBoundaryAndPlane(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := dnnc(t, "eval", lenet, "-boundary", "-n", "40", "-images", "16", "-errors", "fog-blend")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "fog-blend")
	assert.Contains(t, stdout, "40 images")
	if testing.Short() {
		t.Skip("a plane is many images")
	}
	picture := filepath.Join(dir, "plane.png")
	code, stdout, stderr = dnnc(t, "eval", lenet, "-plane", picture, "-n", "40", "-images", "16", "-O", "universal", "-bits", "2", "-rounding", "nearest")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "agrees")
	assert.FileExists(t, picture)
}

func TestDisturb(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	images := "../../testdata/lenet5/fashion-test-images-idx3-ubyte.gz"
	for _, args := range [][]string{
		{"-errors", "snow=0.5", images, "-n", "1", "-o", file("snow.png")},
		{"-errors", "light=0.5", "-network", lenet, images, "-n", "3", "-o", file("t-images-idx3-ubyte")},
		{"-sheet", file("sheet.png"), images},
	} {
		code, _, stderr := dnnc(t, append([]string{"disturb"}, args...)...)
		require.Zero(t, code, stderr)
	}
	code, _, stderr := dnnc(t, "disturb", "-errors", "fog=0.5", file("snow.png"), "-o", file("fog.png"))
	require.Zero(t, code, stderr)
	for _, name := range []string{"snow.png", "fog.png", "sheet.png", "t-images-idx3-ubyte", "t-labels-idx1-ubyte"} {
		assert.FileExists(t, file(name))
	}
	for want, args := range map[string][]string{
		"did you mean":      {"-errors", "sno=0.5", images, "-o", file("x.png")},
		"no number":         {"-errors", "snow=1.5", images, "-o", file("x.png")},
		"one file":          {"-errors", "snow=0.1,0.2", images, "-o", file("x.png")},
		"unguided form":     {"-errors", "light=0.5", images, "-n", "1", "-o", file("x.png")},
		"are no picture":    {"-errors", "snow=0.5", images, "-n", "2", "-o", file("x.png")},
		"neither IDX":       {"-errors", "snow=0.5", lenet, "-o", file("x.png")},
		"no such file":      {"-errors", "snow=0.5", file("none.png"), "-o", file("x.png")},
		"network takes":     {"-errors", "light=0.5", "-network", lenet, file("wide.png"), "-o", file("x.png")},
		"have no container": {"-errors", "snow=0.5", file("wide.png"), "-o", file("x.bin")},
	} {
		if _, err := os.Stat(file("wide.png")); err != nil {
			content, err := os.ReadFile(file("sheet.png"))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file("wide.png"), content, 0o644))
		}
		code, _, stderr := dnnc(t, append([]string{"disturb"}, args...)...)
		assert.Equal(t, atFault, code, want)
		assert.Contains(t, stderr, want)
		assert.NoFileExists(t, file("x.png"))
	}
}

// TestBadData: what images and labels can be wrong in.
func TestBadData(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o644))
		return filepath.Join(dir, name)
	}
	idx := func(magic byte, dims ...int) []byte {
		b := []byte{0, 0, 8, magic}
		for _, d := range dims {
			b = binary.BigEndian.AppendUint32(b, uint32(d))
		}
		return b
	}
	whole := append(idx(3, 1, 28, 28), make([]byte, 784)...)
	write("far-labels-idx1-ubyte", append(idx(1, 1), 12))
	for want, path := range map[string]string{
		"has the label 12":  write("far-images-idx3-ubyte", whole),
		"the network takes": write("small", append(idx(3, 1, 2, 2), 1, 2, 3, 4)),
		"the file has":      write("cut", whole[:500]),
		"0 images":          write("zero", idx(3, 0, 28, 28)),
		"no such file":      filepath.Join(dir, "none"),
		"neither IDX":       write("text", []byte("hello")),
	} {
		code, _, stderr := dnnc(t, "eval", lenet, "-images", "16", "-data", path)
		assert.Equal(t, atFault, code, want)
		assert.Contains(t, stderr, want)
	}
}
