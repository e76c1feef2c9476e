package driver_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/runtime/data"
)

// setup is a network with data, as its user has them.
type setup struct {
	m    *ir.Module
	data data.Batch
}

// suited is a network with data that suit it.
type suited struct{ name, network, train, test string }

var home = []suited{
	{"LeNet-5", "testdata/lenet5/lenet5.dnn", "testdata/lenet5/fashion-train-images-idx3-ubyte.gz", "testdata/lenet5/fashion-test-images-idx3-ubyte.gz"},
	{"LeNet-5 on MNIST", "testdata/lenet5-mnist/lenet5-mnist.dnn", "$DNNC_DATA/mnist/train-images-idx3-ubyte.gz", "$DNNC_DATA/mnist/t10k-images-idx3-ubyte.gz"},
	{"AlexNet", "testdata/alexnet/alexnet.dnn", "$DNNC_DATA/cifar10/train_batch.bin.gz", "$DNNC_DATA/cifar10/test_batch.bin.gz"},
	{"VGG-16", "testdata/vgg16/vgg16.dnn", "$DNNC_DATA/cifar10/train_batch.bin.gz", "$DNNC_DATA/cifar10/test_batch.bin.gz"},
	{"ResNet-8", "$DNNC_STRANGERS/pretrainedResnet.tflite", "$DNNC_DATA/cifar10/train_batch.bin.gz", "$DNNC_DATA/cifar10/test_batch.bin.gz"},
}

// placed is a path of home; "" where the variable that it begins with names no folder.
func placed(path string) string {
	if !strings.HasPrefix(path, "$") {
		return filepath.Join(dnnctest.Root, path)
	}
	folder, file, _ := strings.Cut(path[1:], "/")
	if folder = os.Getenv(folder); folder == "" {
		return ""
	}
	return filepath.Join(folder, file)
}

// right is a set-up of home. The test is skipped where its files are not here, or where it
// takes long.
func right(t *testing.T, name string, isTrain bool) (s setup) {
	t.Helper()
	if name != home[0].name {
		dnnctest.Full(t)
	}
	i := slices.IndexFunc(home, func(h suited) bool { return h.name == name })
	network, images := placed(home[i].network), placed(home[i].test)
	if isTrain {
		images = placed(home[i].train)
	}
	if network == "" || images == "" {
		t.Skip("DNNC_DATA or DNNC_STRANGERS names no folder")
	}
	o := driver.Defaults()
	o.Input = network
	if strings.HasPrefix(name, "ResNet") {
		o.Ranges = map[string]ir.Range{"input_1": {Lo: 0, Hi: 255}}
	}
	var err error
	s.m, err = driver.Load(o)
	require.NoError(t, err)
	require.NoError(t, ir.Infer(s.m).Err())
	d, err := driver.Images(o, images, s.m, dataset.Test, 0)
	require.NoError(t, err)
	s.data = d.Batch
	return s
}

// examine is what is said of a set-up: the name of each warning, and the error.
func (s setup) examine(t *testing.T, seed uint64) (warned []string, err error) {
	t.Helper()
	o := driver.Defaults()
	o.Seed, o.Task = seed, "classes"
	source := driver.LabelSource{Use: "report", Data: "set.npz", Images: s.data}
	task, _, err := driver.Judged(s.m, o, []driver.LabelSource{source})
	if err != nil {
		return nil, err
	}
	err = driver.Examine(context.Background(), o, s.m, task, []driver.LabelSource{source}, func(w *diag.Warning) { warned = append(warned, w.Name) })
	return warned, err
}

// reals changes each real of the images by its plane; they are no bytes any more.
func (s setup) reals(change func(v float32, plane int) float32) setup {
	planes := s.data.Shape[0]
	size := s.data.Size() / planes
	x := make([]float32, len(s.data.X))
	for i, v := range s.data.X {
		x[i] = change(v, i/size%planes)
	}
	s.data.X, s.data.Levels = x, false
	return s
}

// declared gives the input another range, to which the loader takes the same bytes.
func (s setup) declared(low, high float32) setup {
	was := dnnc.DataInputs(s.m)[0]
	s = s.reals(func(v float32, _ int) float32 { return low + (v-was.Low)/(was.High-was.Low)*(high-low) })
	s.m = s.m.Clone()
	s.m.Inputs[0].Range = &ir.Range{Lo: float64(low), Hi: float64(high)}
	return s
}

// moved changes the place of each byte of an image.
func (s setup) moved(from func(i, planes, size int) int) setup {
	planes, all := s.data.Shape[0], s.data.Size()
	x := make([]float32, len(s.data.X))
	for i := range x {
		x[i] = s.data.X[i/all*all+from(i%all, planes, all/planes)]
	}
	s.data.X = x
	return s
}

// labelled changes labels; items whose label is below 0 then are left out.
func (s setup) labelled(change func(label int) int) setup {
	var at []int
	for i, l := range s.data.Labels {
		if change(l) >= 0 {
			at = append(at, i)
		}
	}
	s.data = s.data.Pick(at)
	for i, l := range s.data.Labels {
		s.data.Labels[i] = change(l)
	}
	return s
}

// The normalisation of CIFAR-10 that VGG-16 has.
var (
	cifarMean = []float32{.4914, .4822, .4465}
	cifarStd  = []float32{.247, .243, .261}
)

// mistakes are set-ups that cannot be meant, and what they are told.
var mistakes = []struct {
	name, want string
	networks   []string
	make       func(t *testing.T, s setup) setup
}{
	{"range 0..255", "reals in [0,1]", []string{"LeNet-5", "VGG-16"}, func(_ *testing.T, s setup) setup { return s.declared(0, 255) }},
	{"range 0..1", "reals in [0,255]", []string{"ResNet-8"}, func(_ *testing.T, s setup) setup { return s.declared(0, 1) }},
	{"range -1..1", "reals in [0,1]", []string{"LeNet-5", "VGG-16"}, func(_ *testing.T, s setup) setup { return s.declared(-1, 1) }},
	{"range -1..1", "reals in [0,255]", []string{"ResNet-8"}, func(_ *testing.T, s setup) setup { return s.declared(-1, 1) }},
	{"reals in 0..1 of an input in 0..255", "reals in [0,255], made of those in [0,1]", []string{"ResNet-8"}, func(_ *testing.T, s setup) setup {
		return s.reals(func(v float32, _ int) float32 { return v / 255 })
	}},
	{"labels from 1", "labels are counted from 1", []string{"LeNet-5", "VGG-16", "ResNet-8"}, func(_ *testing.T, s setup) setup {
		return s.labelled(func(l int) int { return (l+1)*min(9-l, 1) - 1 + min(9-l, 1) })
	}},
	{"labels permuted", "labels are permuted", []string{"LeNet-5", "VGG-16", "ResNet-8"}, func(_ *testing.T, s setup) setup {
		to := rand.New(rand.NewPCG(5, 5)).Perm(10)
		return s.labelled(func(l int) int { return to[l] })
	}},
	{"normalisation missing", "reals normalised as for", []string{"VGG-16", "ResNet-8"}, unnormalised},
	{"normalisation doubled", "reals before the normalisation for", []string{"VGG-16"}, func(_ *testing.T, s setup) setup {
		s.m = s.m.Clone()
		s.m.Inputs[0].Range = &ir.Range{Lo: -3, Hi: 3}
		return s.reals(func(v float32, p int) float32 { return (v - cifarMean[p]) / cifarStd[p] })
	}},
	{"channel order", "channels in the opposite order", []string{"VGG-16", "ResNet-8"}, func(_ *testing.T, s setup) setup {
		return s.moved(func(i, planes, size int) int { return (planes-1-i/size)*size + i%size })
	}},
	{"HWC for CHW", "bytes in the order height, width, channel", []string{"VGG-16", "ResNet-8"}, func(_ *testing.T, s setup) setup {
		return s.moved(func(i, planes, size int) int { return i%planes*size + i/planes })
	}},
}

// unnormalised is a set-up with a network that takes normalised reals, and data in [0,1].
func unnormalised(t *testing.T, s setup) setup {
	in := dnnc.DataInputs(s.m)[0]
	base := filepath.Join(t.TempDir(), "net")
	m := s.m.Clone()
	require.NoError(t, driver.WriteText(base, "net", m))
	text, err := os.ReadFile(base + ".dnn")
	require.NoError(t, err)
	var mean, std []string
	for p := range cifarMean {
		mean = append(mean, fmt.Sprint(-cifarMean[p]/cifarStd[p]))
		std = append(std, fmt.Sprint(1/cifarStd[p]/in.High))
	}
	head, body, ok := strings.Cut(string(text), "{\n")
	require.True(t, ok)
	first := fmt.Sprintf("  before = normalize(%s, mean: [%s], std: [%s])\n", in.Name, strings.Join(mean, ","), strings.Join(std, ","))
	head = strings.Replace(head, fmt.Sprintf("in [0,%g]", in.High), "in [0,1]", 1)
	body = strings.Replace(body, "("+in.Name, "(before", 1)
	require.NoError(t, os.WriteFile(base+".dnn", []byte(head+"{\n"+first+body), 0o644))
	o := driver.Defaults()
	o.Input = base + ".dnn"
	out := s.reals(func(v float32, _ int) float32 { return v / in.High })
	out.m, err = driver.Load(o)
	require.NoError(t, err)
	require.NoError(t, ir.Infer(out.m).Err())
	return out
}

// TestMistakesAreNamed: data that cannot be meant are refused, and told what they are.
func TestMistakesAreNamed(t *testing.T) {
	for _, c := range mistakes {
		for _, name := range c.networks {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				s := right(t, name, false)
				_, err := c.make(t, s).examine(t, 1)
				require.ErrorContains(t, err, c.want)
				require.ErrorContains(t, err, "-data-as-is")
				t.Log(err)
			})
		}
	}
}

// TestRightDataAreNoMistake: nothing is said of data that suit their network.
func TestRightDataAreNoMistake(t *testing.T) {
	for _, h := range home {
		for _, isTrain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, training images %v", h.name, isTrain), func(t *testing.T) {
				s := right(t, h.name, isTrain)
				for seed := range uint64(dnnctest.Repeats(1, 20)) {
					warned, err := s.examine(t, seed+1)
					assert.NoError(t, err)
					assert.Empty(t, warned)
				}
				s.data.Labels = nil
				warned, err := s.examine(t, 1)
				assert.NoError(t, err)
				assert.Empty(t, warned, "without labels")
			})
		}
	}
}

// TestMisreadDataAreRefused by every command that searches or measures, before it does.
func TestMisreadDataAreRefused(t *testing.T) {
	dir := dnnctest.Copied(t)
	path := func(name string) string { return filepath.Join(dir, name) }
	text, err := os.ReadFile(path("lenet5.dnn"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path("lenet5.dnn"), []byte(strings.Replace(string(text), "in [0,1]", "in [-1,1]", 1)), 0o644))
	for _, args := range [][]string{
		{"build", "-O", "robust", "-target", "armv7em", "-emit", "c", "-o", path("net.c")},
		{"build", "-O", "int8", "-report", "accuracy", "-target", "armv7em", "-emit", "c", "-o", path("net.c")},
		{"build", "-O", "int8", "-target", "armv7em", "-emit", "c", "-o", path("net.c")},
		{"eval"},
		{"compare", "-record", path("record.csv")},
		{"pareto"},
		{"report", "-results", path("results"), "-o", path("report.html")},
	} {
		code, stdout, stderr := dnnctest.Run(t, append(args, path("lenet5.dnn"))...)
		assert.Equal(t, command.AtFault, code, "%s\n%s", args[0], stdout)
		assert.Contains(t, stderr, "seem to be misread: the float network answers ", args[0])
		assert.Contains(t, stderr, "where the input has reals in [0,1]", args[0])
		assert.Contains(t, stderr, "help: say what the network was trained on: -range image=0,1 for a model, or in [0,1] after the type of the input in a text; -data-as-is", args[0])
		assert.NotContains(t, stderr, "measuring", args[0])
	}
	for _, name := range []string{"net.c", "net.json", "record.csv", "report.html"} {
		assert.NoFileExists(t, path(name))
	}
	code, _, stderr := dnnctest.Run(t, "build", "-data-as-is", "-n", "300", "-O", "int8", "-report", "accuracy", "-target", "armv7em", "-emit", "c", "-images", "64", "-errors", "none", "-o", path("net.c"), path("lenet5.dnn"))
	assert.Equal(t, command.Done, code, stderr)
	assert.Contains(t, stderr, "dnnc: warning: [misread-data] fashion-test-images-idx3-ubyte.gz: the data seem to be misread")
	raw, err := os.ReadFile(path("net.json"))
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"name": "misread-data"`)
}

// TestSaidOfLabels: what labels cannot be meant is told, or refused.
func TestSaidOfLabels(t *testing.T) {
	base := right(t, home[0].name, false)
	rng := rand.New(rand.NewPCG(6, 6))
	for name, c := range map[string]struct {
		change func(label int) int
		warns  []string
		err    string
	}{
		"as they are":         {func(l int) int { return l }, nil, ""},
		"from 1, all of them": {func(l int) int { return l + 1 }, nil, "labels are counted from 1: take 1 off each"},
		"ten apart":           {func(l int) int { return 10 * l }, nil, "labels are 10 apart: divide them by 10, y // 10 in numpy"},
		"of 100 classes":      {func(l int) int { return 10*l + rng.IntN(10) }, nil, "labels are from 0 to 9, these are from "},
		"of other images":     {func(int) int { return rng.IntN(10) }, []string{diag.ChanceLevel}, ""},
		"one class":           {func(l int) int { return 3 - min(max(l-3, 3-l), 1)*4 }, []string{diag.ChanceLevel}, ""},
	} {
		warned, err := base.labelled(c.change).examine(t, 1)
		if c.err == "" {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, c.err, name)
		}
		assert.Equal(t, c.warns, warned, name)
	}
}

// TestSortedDataAreDrawnEvenly: of a data set that is sorted by class, each part that a
// command takes has every class.
func TestSortedDataAreDrawnEvenly(t *testing.T) {
	base := right(t, home[0].name, false)
	at := data.Draw(base.data.N, 0, 0)
	slices.SortStableFunc(at, func(a, b int) int { return base.data.Labels[a] - base.data.Labels[b] })
	content, err := dataset.EncodeNPZ(base.data.Pick(at))
	require.NoError(t, err)
	dir := dnnctest.Copied(t)
	sorted := filepath.Join(dir, "sorted.npz")
	require.NoError(t, os.WriteFile(sorted, content, 0o644))
	isEven := func(b data.Batch, what string) {
		count := make([]int, 10)
		for _, l := range b.Labels {
			count[l]++
		}
		assert.Greater(t, slices.Min(count), b.N/40, "%s: %v", what, count)
	}

	o := driver.Defaults()
	o.Input, o.Calib, o.Data, o.Target, o.StopAfter = filepath.Join(dir, "lenet5.dnn"), sorted, sorted, "armv7em", passes.Calibrated
	for _, images := range []int{100, 1900, 4000} {
		o.Images, o.TestImages = images, 60
		r, err := driver.Compile(context.Background(), o, io.Discard, io.Discard)
		require.NoError(t, err)
		calibration, err := r.Env.Calibration()
		require.NoError(t, err)
		isEven(calibration, "calibration")
		heldOut, err := r.Env.HeldOut()
		require.NoError(t, err)
		isEven(heldOut, "held out")
		assert.Equal(t, images >= base.data.N, calibration.N == heldOut.N, "of images that all calibrate none are held out")
		o.Task = "classes"
		setup, _, _, err := driver.Setup(context.Background(), o, r)
		require.NoError(t, err)
		require.Equal(t, 60, setup.Images.N)
		isEven(setup.Images, "-n")
	}

	out := filepath.Join(dir, "few.npz")
	dnnctest.Succeed(t, "disturb", "-errors", "gaussian=.1", "-n", "50", "-o", out, sorted)
	d, err := driver.Images(driver.Defaults(), out, base.m, dataset.Test, 0)
	require.NoError(t, err)
	require.Equal(t, 50, d.N)
	isEven(d.Batch, "disturb -n")

	dnnctest.Succeed(t, "init", "firmware", o.Input, filepath.Join(dir, "firmware"), "-data", sorted, "-n", "50", "-errors", "none", "-images", "16")
	samples, err := os.ReadFile(filepath.Join(dir, "firmware", "samples.h"))
	require.NoError(t, err)
	_, labels, _ := strings.Cut(string(samples), "sample_label[SAMPLES] = {")
	assert.GreaterOrEqual(t, len(unique(strings.Split(strings.TrimRight(labels, ",};\n"), ","))), 8, labels)
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
