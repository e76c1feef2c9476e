package eval_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/runtime/certificate"
)

func TestEval(t *testing.T) {
	code, stdout, stderr := dnnctest.Run(t, "eval", dnnctest.Lenet, "-images", "16", "-n", "100", "-errors", "gaussian=0.1", "-json")
	require.Zero(t, code, stderr)
	var got struct {
		Float, Quantized certificate.Score
		Retention        float64
		Measured         certificate.Measured
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	assert.Greater(t, got.Float.Clean, .85)
	assert.InDelta(t, got.Float.Mean, got.Quantized.Mean, .03)
	assert.InDelta(t, got.Quantized.Mean/got.Float.Mean, got.Retention, 1e-9)
	assert.Equal(t, 100, got.Measured.Images)

	code, _, stderr = dnnctest.Run(t, "eval", dnnctest.Lenet, "-errors", "gausian")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "gaussian")
}

// fuse is a context that ends after a number of questions whether it has ended:
// an interruption at a point that does not depend on the clock.
type fuse struct {
	context.Context
	left atomic.Int64
	end  context.CancelFunc
}

func newFuse(questions int64) *fuse {
	ctx, end := context.WithCancel(context.Background())
	f := &fuse{Context: ctx, end: end}
	f.left.Store(questions)
	return f
}

func (f *fuse) Err() error {
	if f.left.Add(-1) < 0 {
		f.end()
	}
	return f.Context.Err()
}

// opening divides what a command prints: the lines of the task and the data, and the rest.
func opening(out string) (head, rest string) {
	for rest = out; strings.HasPrefix(rest, "task: ") || strings.HasPrefix(rest, "data: "); {
		line, more, _ := strings.Cut(rest, "\n")
		head, rest = head+line+"\n", more
	}
	return head, rest
}

// TestInterruptedEvalPrintsWhatIsMeasured ends measurements at ever later points,
// until one ends between the first condition and the last.
func TestInterruptedEvalPrintsWhatIsMeasured(t *testing.T) {
	for name, c := range map[string]struct {
		args        []string
		first, last string
	}{
		"table":    {nil, "clean", "fog-blend"},
		"csv":      {[]string{"-csv"}, "float,clean,0,", "fog-blend"},
		"json":     {[]string{"-json"}, `"interrupted": true`, `"kind": "fog-blend"`},
		"boundary": {[]string{"-boundary"}, "gaussian", "fog-blend"},
	} {
		found := false
		for left := int64(1); !found && left < 1<<14; left += 1 + left/8 {
			var stdout, stderr bytes.Buffer
			args := append([]string{"eval", dnnctest.Lenet, "-n", "20", "-images", "16", "-errors", "gaussian=0.1,0.2;brighten=0.5;fog-blend=0.5"}, c.args...)
			code := command.Run(newFuse(left), args, &stdout, &stderr)
			if head, rest := opening(stdout.String()); rest == "" { // the task and the data alone
				assert.True(t, head == "" || strings.HasPrefix(head, "task: "), head)
				assert.Equal(t, command.AtFault, code, name)
				continue
			}
			if name == "table" {
				assert.Contains(t, stdout.String(), "INTERRUPTED after")
			}
			require.Equal(t, command.AtFault, code, "%s: was never interrupted between its first condition and its last: %s", name, stdout.String())
			assert.Contains(t, stderr.String(), "interrupted")
			assert.Contains(t, stdout.String(), c.first, name)
			assert.NotContains(t, stdout.String(), c.last, name)
			found = true
		}
		assert.True(t, found, name)
	}
}

func TestEvalSaysWhatItMeasuredOn(t *testing.T) {
	dir := t.TempDir()
	images, err := os.ReadFile(dnnctest.TestImages)
	require.NoError(t, err)
	unlabelled := filepath.Join(dir, "some.gz") // no labels beside it
	require.NoError(t, os.WriteFile(unlabelled, images, 0o644))
	source, err := os.ReadFile(dnnctest.Lenet)
	require.NoError(t, err)
	var lines []string
	for _, l := range strings.Split(string(source), "\n") {
		if !strings.HasPrefix(l, "data ") {
			lines = append(lines, l)
		}
	}
	blind := filepath.Join(dir, "blind.dnn")
	require.NoError(t, os.WriteFile(blind, []byte(strings.Join(lines, "\n")), 0o644))
	weights, err := os.ReadFile(dnnctest.Root + "/testdata/lenet5/lenet5.safetensors")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lenet5.safetensors"), weights, 0o644))
	for _, c := range []struct {
		network, first, labels string
		args                   []string
	}{
		{dnnctest.Lenet, "NO LABELS: the float network's own answers", "float", []string{"-task", "classes", "-data", unlabelled}},
		{blind, "NO DATA: images of noise", "float", []string{"-task", "classes"}},
	} {
		for _, mode := range [][]string{{"-errors", "gaussian=0.1"}, {"-boundary", "-errors", "fog-blend"}} {
			args := append(append([]string{"eval", c.network, "-n", "20", "-images", "16"}, c.args...), mode...)
			code, stdout, stderr := dnnctest.Run(t, args...)
			require.Zero(t, code, stderr)
			line, table := opening(stdout)
			assert.Contains(t, line, "labels: the float network's own answers on ")
			assert.True(t, strings.HasPrefix(table, c.first), stdout)
			code, stdout, stderr = dnnctest.Run(t, append(args, "-json")...)
			require.Zero(t, code, stderr)
			var got struct {
				Labels   string
				Measured struct{ Labels string }
			}
			require.NoError(t, json.Unmarshal([]byte(stdout), &got))
			assert.Equal(t, c.labels, got.Labels+got.Measured.Labels)
		}
	}
}

func TestBoundaryAndPlaneForPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("planes are many images")
	}
	dir := t.TempDir()
	common := []string{"eval", dnnctest.Lenet, "-n", "20", "-images", "16", "-errors", "fog-blend;light"}
	code, stdout, stderr := dnnctest.Run(t, append(common, "-boundary", "-csv")...)
	require.Zero(t, code, stderr)
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	require.NoError(t, err)
	assert.Len(t, rows, 1+2*2*20, "a row a kind, network and image")
	picture := filepath.Join(dir, "plane.svg")
	code, stdout, stderr = dnnctest.Run(t, append(common, "-plane", picture, "-directions", "fog=0.5;light=0.3", "-json")...)
	require.Zero(t, code, stderr)
	var got struct {
		Points int
		Panels []struct {
			Network   string
			Agreement float64
			Answers   []int
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	require.Len(t, got.Panels, 2)
	assert.Equal(t, 1., got.Panels[0].Agreement)
	assert.Len(t, got.Panels[1].Answers, got.Points*got.Points)
	content, err := os.ReadFile(picture)
	require.NoError(t, err)
	assert.NoError(t, xml.Unmarshal(content, new(struct{ XMLName xml.Name })))
	assert.Contains(t, string(content), "agrees on 100.0 %")
	for want, args := range map[string][]string{
		"not by 1":     {"-plane", picture, "-directions", "fog=0.5"},
		"did you mean": {"-plane", picture, "-directions", "fgo=0.5;gaussian=0.1"},
		"one of them":  {"-json", "-csv"},
	} {
		code, _, stderr := dnnctest.Run(t, append(common, args...)...)
		assert.Equal(t, command.AtFault, code, want)
		assert.Contains(t, stderr, want)
	}
}

// TestFullPlaneShowsEveryMethod draws the case study of the paper: float, Qed,
// universal quantization and Deep Compression side by side.
func TestFullPlaneShowsEveryMethod(t *testing.T) {
	dnnctest.Full(t)
	picture := filepath.Join(t.TempDir(), "plane.png")
	code, stdout, stderr := dnnctest.Run(t, "eval", dnnctest.Lenet, "-n", "20", "-images", "64", "-errors", "gaussian=0.1", "-O", "robust", "-bits", "3", "-formats", "odd", "-plane", picture)
	require.Zero(t, code, stderr)
	for _, name := range []string{"float", "robust (qed)", "universal", "Deep Compression"} {
		assert.Contains(t, stdout, name)
	}
	assert.FileExists(t, picture)
}

// TestCalibrationImagesAreNoTest warns of figures on what a network was made on.
func TestCalibrationImagesAreNoTest(t *testing.T) {
	same := dnnctest.TrainImages
	code, _, stderr := dnnctest.Run(t, "eval", dnnctest.Lenet, "-errors", "none", "-images", "16", "-n", "10", "-data", same)
	require.Zero(t, code)
	assert.Contains(t, stderr, "dnnc: warning: [seen-images]")
	code, _, stderr = dnnctest.Run(t, "eval", dnnctest.Lenet, "-errors", "none", "-images", "16", "-n", "10")
	require.Zero(t, code)
	assert.NotContains(t, stderr, "[seen-images]")
}

// TestShippedNetworksKeepTheirAccuracy holds the float accuracy of each network
// to that of its training, within the sampling error of the test images, and 8
// bits to at most half a point less.
func TestShippedNetworksKeepTheirAccuracy(t *testing.T) {
	folder := dnnctest.Data(t)
	for _, c := range []struct {
		network, train, test string
		accuracy             float64
	}{
		{"lenet5-mnist", "mnist/train-images-idx3-ubyte.gz", "mnist/t10k-images-idx3-ubyte.gz", .9934},
		{"alexnet", "cifar10/train_batch.bin.gz", "cifar10/test_batch.bin.gz", .836},
		{"vgg16", "cifar10/train_batch.bin.gz", "cifar10/test_batch.bin.gz", .829},
	} {
		code, stdout, stderr := dnnctest.Run(t, "eval", dnnctest.Root+"/testdata/"+c.network+"/"+c.network+".dnn", "-json", "-errors", "none", "-images", "128",
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

// TestGuidedErrorsHurtMore compares each guided kind with its random form. Random
// squares are a quarter as large: four times as many darken the same area.
func TestGuidedErrorsHurtMore(t *testing.T) {
	code, stdout, stderr := dnnctest.Run(t, "eval", dnnctest.Lenet, "-json", "-n", "300", "-images", "16",
		"-errors", "light=0.3;light-random=0.3;occl=0.3;occl-random=0.3;blackout=0.2;blackout-random=0.8")
	require.Zero(t, code, stderr)
	var got struct{ Float certificate.Score }
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	require.Len(t, got.Float.Robust, 6)
	for i := 0; i < 6; i += 2 {
		assert.Less(t, got.Float.Robust[i].Mean, got.Float.Robust[i+1].Mean-.02, got.Float.Robust[i].Kind)
	}
}

// TestExactBoundary: -boundary=exact decides the integers' distances under errors that move every
// element one way, and says so. None is beyond the least wrong size that a search finds; other
// errors, and the float network, are searched as without it.
func TestExactBoundary(t *testing.T) {
	kinds := dnnctest.KindsFolder(t)
	run := func(flag string) map[string]map[string]float64 {
		code, stdout, stderr := dnnctest.Run(t, "eval", kinds("classes.dnn"), "-data", kinds("data.npz"), "-images", "16", "-n", "8", "-errors", "light;fog-blend;gaussian;contrast", flag, "-csv")
		require.Zero(t, code, stderr)
		rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
		require.NoError(t, err)
		out := map[string]map[string]float64{}
		for _, r := range rows[1:] {
			key := strings.Join([]string{r[0], r[1], r[4]}, " ")
			if out[key] == nil {
				out[key] = map[string]float64{}
			}
			x, err := strconv.ParseFloat(r[3], 64)
			require.NoError(t, err)
			out[key][r[2]] = x
		}
		return out
	}
	searched, exact := run("-boundary"), run("-boundary=exact")
	require.Len(t, searched, 8)
	require.Len(t, exact, 8)
	nearer := 0
	for key, list := range searched {
		kind, network := strings.Fields(key)[0], strings.Fields(key)[1]
		if network == "float" || kind == "gaussian" {
			assert.Equal(t, list, exact[key], key)
			continue
		}
		got := exact[kind+" "+network+" exact"]
		require.Len(t, got, 8, key)
		for i, d := range list {
			assert.LessOrEqual(t, got[i], d+1e-6, "%s, image %s", key, i)
			assert.Equal(t, d == 0, got[i] == 0, "%s, image %s", key, i)
			if got[i] < d {
				nearer++
			}
		}
	}
	assert.Greater(t, nearer, 5)
	code, _, stderr := dnnctest.Run(t, "eval", kinds("classes.dnn"), "-boundary=near")
	assert.Equal(t, command.BadUsage, code)
	assert.Contains(t, stderr, "exact, or no value")
}

func TestBoundaryAndPlane(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := dnnctest.Run(t, "eval", dnnctest.Lenet, "-boundary", "-n", "40", "-images", "16", "-errors", "fog-blend")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "fog-blend")
	assert.Contains(t, stdout, "40 images")
	if testing.Short() {
		t.Skip("a plane is many images")
	}
	picture := filepath.Join(dir, "plane.png")
	code, stdout, stderr = dnnctest.Run(t, "eval", dnnctest.Lenet, "-plane", picture, "-n", "40", "-images", "16", "-O", "universal", "-bits", "2", "-rounding", "nearest")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "agrees")
	assert.FileExists(t, picture)
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
		"has the label 12":          write("far-images-idx3-ubyte", whole),
		"the network takes":         write("small", append(idx(3, 1, 2, 2), 1, 2, 3, 4)),
		"the file has":              write("cut", whole[:500]),
		"0 images":                  write("zero", idx(3, 0, 28, 28)),
		"no such file":              filepath.Join(dir, "none"),
		"no format that dnnc reads": write("text", []byte("hello")),
	} {
		code, _, stderr := dnnctest.Run(t, "eval", dnnctest.Lenet, "-images", "16", "-data", path)
		assert.Equal(t, command.AtFault, code, want)
		assert.Contains(t, stderr, want)
	}
}

// fashion is where Debian's dataset-fashion-mnist lies.
const fashion = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"

func evalFull(t *testing.T, args ...string) (float, quantized certificate.Score, retention float64) {
	if _, err := os.Stat(fashion); err != nil {
		t.Skip(err)
	}
	code, stdout, stderr := dnnctest.Run(t, append([]string{"eval", dnnctest.Lenet, "-json", "-data", fashion}, args...)...)
	require.Zero(t, code, stderr)
	var got struct {
		Float, Quantized certificate.Score
		Retention        float64
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	t.Logf("%v on %s: clean %.4f to %.4f, mean %.4f to %.4f, retention %.4f", args, filepath.Base(fashion), got.Float.Clean, got.Quantized.Clean, got.Float.Mean, got.Quantized.Mean, got.Retention)
	return got.Float, got.Quantized, got.Retention
}

// TestFullAccuracy holds the promises on Fashion-MNIST's 10,000 test images.
func TestFullAccuracy(t *testing.T) {
	dnnctest.Full(t)
	float, int8, _ := evalFull(t, "-O", "int8", "-errors", "none")
	assert.LessOrEqual(t, float.Clean-int8.Clean, .003)
	_, qed, retention := evalFull(t, "-O", "robust", "-bits", "2.5", "-errors", "gaussian=0.05,0.1,0.15")
	assert.GreaterOrEqual(t, retention, .97)
	// At the same bytes: the widest single width that fits 2.5 bits.
	_, universal, _ := evalFull(t, "-O", "universal", "-bits", "2", "-errors", "gaussian=0.05,0.1,0.15")
	assert.GreaterOrEqual(t, qed.Mean, universal.Mean)
}
