package dnnctest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// small is LeNet-5 with fewer channels and random weights: what does not depend on the size
// of a network or on its accuracy takes a tenth of the time.
const small = `tensors "lenet5.safetensors"
data calibration "fashion-train-images-idx3-ubyte.gz" test "fashion-test-images-idx3-ubyte.gz"

network lenet5(image: f32[1,28,28] in [0,1]) -> f32[10] classes {
  conv1 = conv2d(image, filters: 6, kernel: 5)
  pool1 = maxpool2d(relu(conv1), kernel: 2)
  conv2 = conv2d(pool1, filters: 10, kernel: 5)
  pool2 = maxpool2d(relu(conv2), kernel: 2)
  fc1 = linear(flatten(pool2), units: 40)
  fc2 = linear(relu(fc1), units: 10)
  return fc2
}
`

// SmallWeights and SmallMACs are those of the network of Workspace.
const (
	SmallWeights = 6*25 + 10*6*25 + 40*160 + 10*40
	SmallMACs    = 6*25*24*24 + 10*6*25*8*8 + 40*160 + 10*40
)

// workspace is the files of Workspace.
var workspace = sync.OnceValues(func() (map[string][]byte, error) {
	files := map[string][]byte{"lenet5.dnn": []byte(small)}
	rng := rand.New(rand.NewPCG(3, 3))
	var list []weights.Tensor
	for _, l := range []struct {
		name  string
		shape ir.Shape
	}{{"conv1", ir.Shape{6, 1, 5, 5}}, {"conv2", ir.Shape{10, 6, 5, 5}}, {"fc1", ir.Shape{40, 160}}, {"fc2", ir.Shape{10, 40}}} {
		inputs := l.shape[1:].Size()
		for k, shape := range []ir.Shape{l.shape, l.shape[:1]} {
			x := make([]float32, shape.Size())
			for i := range x {
				x[i] = float32(rng.NormFloat64() / math.Sqrt(float64(inputs)))
			}
			name := l.name + []string{".weight", ".bias"}[k]
			raw, err := ir.FloatConst(name, shape, x).Load()
			if err != nil {
				return nil, err
			}
			list = append(list, weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw})
		}
	}
	var file bytes.Buffer
	if err := weights.WriteSafetensors(&file, list); err != nil {
		return nil, err
	}
	files["lenet5.safetensors"] = file.Bytes()
	for _, path := range []string{TrainImages, TestImages} {
		for _, part := range []struct {
			kind           string
			header, record int // bytes
		}{{"images-idx3", 16, 28 * 28}, {"labels-idx1", 8, 1}} {
			path := strings.Replace(path, "images-idx3", part.kind, 1)
			first, err := firstRecords(path, part.header, part.record)
			if err != nil {
				return nil, err
			}
			files[filepath.Base(path)] = first
		}
	}
	return files, nil
})

// smallSet is the images of each data set of Workspace.
const smallSet = 100

// firstRecords is an IDX file with the first records of another one.
func firstRecords(path string, header, record int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, header+smallSet*record)
	if _, err := io.ReadFull(z, raw); err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(raw[4:], smallSet)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	err = w.Close()
	return packed.Bytes(), err
}

// Workspace is a folder with a small network called lenet5, its weights and its data in it.
func Workspace(t testing.TB) string {
	t.Helper()
	files, err := workspace()
	require.NoError(t, err)
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
	return dir
}

// Small is the network of a new Workspace.
func Small(t testing.TB) string {
	t.Helper()
	return filepath.Join(Workspace(t), "lenet5.dnn")
}

// Kinds are networks of several tasks, by their last lines; the convolution has 6 channels.
var Kinds = map[string]struct{ result, text string }{
	"classes":  {"f32[3]", "fc = linear(flat, units: 3)\n  s = softmax(fc)\n  return s"},
	"logits":   {"f32[3]", "fc = linear(flat, units: 3)\n  return fc"},
	"value":    {"f32[1]", "fc1 = linear(flat, units: 1)\n  return fc1"},
	"binary":   {"f32[1]", "fc1 = linear(flat, units: 1)\n  p = sigmoid(fc1)\n  return p"},
	"seg":      {"f32[6,6,6]", "return conv"},
	"detector": {"f32[3], f32[4]", "fc = linear(flat, units: 3)\n  box = linear(flat, units: 4)\n  return fc, box"},
	"same":     {"f32[1,8,8]", "back = linear(flat, units: 64)\n  again = reshape(back, shape: [1,8,8])\n  return again"},
}

// folder is a folder of networks, weights and data in the making.
type folder struct {
	t   testing.TB
	dir string
	rng *rand.Rand
}

func newFolder(t testing.TB, seed uint64) *folder {
	return &folder{t, t.TempDir(), rand.New(rand.NewPCG(seed, seed))}
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

// noise is a tensor of random reals.
func (f *folder) noise(name string, low, high float32, shape ...int) weights.Tensor {
	x := make([]float32, ir.Shape(shape).Size())
	for i := range x {
		x[i] = low + (high-low)*f.rng.Float32()
	}
	return f.reals(name, x, shape...)
}

func (f *folder) reals(name string, x []float32, shape ...int) weights.Tensor {
	raw, err := ir.FloatConst(name, shape, x).Load()
	require.NoError(f.t, err)
	return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw}
}

func (f *folder) file(name string, write func(w io.Writer, list []weights.Tensor) error, list ...weights.Tensor) {
	out, err := os.Create(f.path(name))
	require.NoError(f.t, err)
	require.NoError(f.t, write(out, list))
	require.NoError(f.t, out.Close())
}

func (f *folder) text(name, text string) {
	require.NoError(f.t, os.WriteFile(f.path(name), []byte(text), 0o644))
}

// KindsFolder holds the networks of Kinds, with data.npz and more.npz, unlabelled, and
// labelled.npz.
func KindsFolder(t testing.TB) func(name string) string {
	t.Helper()
	f := newFolder(t, 7)
	file, tensor := f.file, f.noise
	file("w.safetensors", weights.WriteSafetensors, tensor("conv.weight", -1, 1, 6, 1, 3, 3), tensor("fc.weight", -1, 1, 3, 216),
		tensor("fc1.weight", -1, 1, 1, 216), tensor("box.weight", -1, 1, 4, 216), tensor("back.weight", -1, 1, 64, 216))
	images := tensor("images", 0, 1, 80, 1, 8, 8)
	file("data.npz", weights.WriteNPZ, images)
	file("more.npz", weights.WriteNPZ, tensor("images", 0, 1, 200, 1, 8, 8))
	file("labelled.npz", weights.WriteNPZ, images, f.reals("labels", turns(80), 80))
	for name, k := range Kinds {
		text := fmt.Sprintf("tensors \"w.safetensors\"\nnetwork %s(image: f32[1,8,8] in [0,1]) -> %s {\n  conv = conv2d(image, filters: 6, kernel: 3)\n  flat = flatten(conv)\n  %s\n}\n", name, k.result, k.text)
		f.text(name+".dnn", text)
	}
	return f.path
}

// turns is the labels 0, 1 and 2 in turn.
func turns(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i % 3)
	}
	return x
}

// SensorsFolder holds networks whose inputs are no images, with their data: tones.dnn takes
// two channels of a signal, steps.dnn the same with time first, sensors.dnn features,
// both.dnn a signal and an image. Each has data to calibrate with in an npz of its name, and
// others that end in .test.npz; bare.npz is noise for tones.dnn, without labels.
func SensorsFolder(t testing.TB) func(name string) string {
	t.Helper()
	return SensorsFolderOf(t, 90)
}

// SensorsFolderOf is SensorsFolder with so many items in each set.
func SensorsFolderOf(t testing.TB, items int) func(name string) string {
	t.Helper()
	f := newFolder(t, 11)
	const classes, samples = 3, 32
	f.file("w.safetensors", weights.WriteSafetensors, f.noise("conv.weight", -1, 1, 4, 2, 1, 5), f.noise("fc.weight", -.3, .3, classes, 4*28),
		f.noise("dense.weight", -.5, .5, 8, 6), f.noise("out.weight", -1, 1, 1, 8), f.noise("see.weight", -.3, .3, classes, 64))
	for _, part := range []string{"", ".test"} {
		tones, steps := make([]float32, 0, items*2*samples), make([]float32, items*2*samples)
		for item := range items {
			for ch := range 2 {
				level := .3 + .5*f.rng.Float64()
				for i := range samples {
					v := float32(level * math.Sin(float64(item%classes+1)*.35*float64(i)+float64(ch)))
					tones = append(tones, v)
					steps[(item*samples+i)*2+ch] = v
				}
			}
		}
		labels := f.reals("labels", turns(items), items)
		f.file("tones"+part+".npz", weights.WriteNPZ, f.reals("wave", tones, items, 2, samples), labels)
		f.file("bare"+part+".npz", weights.WriteNPZ, f.noise("wave", -1, 1, items, 2, samples))
		f.file("steps"+part+".npz", weights.WriteNPZ, f.reals("wave", steps, items, samples, 2), labels)
		f.file("sensors"+part+".npz", weights.WriteNPZ, f.noise("gauge", -2, 2, items, 6))
		f.file("both"+part+".npz", weights.WriteNPZ, f.reals("audio", tones, items, 2, samples), f.noise("image", 0, 1, items, 1, 8, 8), labels)
	}
	const hear = "conv = conv2d(reshape(%s, shape: [2,1,32]), filters: 4, kernel: [1,5])\n  fc = linear(flatten(relu(conv)), units: 3)\n"
	head := "tensors \"w.safetensors\"\nnetwork "
	f.text("tones.dnn", head+"tones(wave: f32[2,32] in [-1,1]) -> f32[3] classes {\n  "+fmt.Sprintf(hear, "wave")+"  return fc\n}\n")
	f.text("steps.dnn", head+"steps(wave: f32[32,2] in [-1,1] signal axis: 0) -> f32[3] classes {\n  "+fmt.Sprintf(hear, "transpose(wave, perm: [1,0])")+"  return fc\n}\n")
	f.text("sensors.dnn", head+"sensors(gauge: f32[6] in [-2,2]) -> f32[1] values {\n  dense = linear(gauge, units: 8)\n  out = linear(relu(dense), units: 1)\n  return out\n}\n")
	f.text("both.dnn", head+"both(audio: f32[2,32] in [-1,1], image: f32[1,8,8] in [0,1]) -> f32[3] classes {\n  "+fmt.Sprintf(hear, "audio")+
		"  see = linear(flatten(image), units: 3)\n  sum = add(fc, see)\n  return sum\n}\n")
	return f.path
}
