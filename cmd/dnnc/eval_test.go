package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
			args := append([]string{"eval", lenet, "-n", "20", "-images", "16", "-errors", "gaussian=0.1,0.2;brighten=0.5;fog-blend=0.5"}, c.args...)
			code := run(newFuse(left), args, &stdout, &stderr)
			if line, rest, _ := strings.Cut(stdout.String(), "\n"); rest == "" { // the task alone
				assert.True(t, line == "" || strings.HasPrefix(line, "task: "), line)
				assert.Equal(t, atFault, code, name)
				continue
			}
			if name == "table" {
				assert.Contains(t, stdout.String(), "INTERRUPTED after")
			}
			require.Equal(t, atFault, code, "%s: was never interrupted between its first condition and its last: %s", name, stdout.String())
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
	images, err := os.ReadFile("../../testdata/lenet5/fashion-test-images-idx3-ubyte.gz")
	require.NoError(t, err)
	unlabelled := filepath.Join(dir, "some.gz") // no labels beside it
	require.NoError(t, os.WriteFile(unlabelled, images, 0o644))
	source, err := os.ReadFile(lenet)
	require.NoError(t, err)
	var lines []string
	for _, l := range strings.Split(string(source), "\n") {
		if !strings.HasPrefix(l, "data ") {
			lines = append(lines, l)
		}
	}
	blind := filepath.Join(dir, "blind.dnn")
	require.NoError(t, os.WriteFile(blind, []byte(strings.Join(lines, "\n")), 0o644))
	weights, err := os.ReadFile("../../testdata/lenet5/lenet5.safetensors")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lenet5.safetensors"), weights, 0o644))
	for _, c := range []struct {
		network, first, labels string
		args                   []string
	}{
		{lenet, "NO LABELS: the float network's own answers", "float", []string{"-task", "classes", "-data", unlabelled}},
		{blind, "NO DATA: images of noise", "float", []string{"-task", "classes"}},
	} {
		for _, mode := range [][]string{{"-errors", "gaussian=0.1"}, {"-boundary", "-errors", "fog-blend"}} {
			args := append(append([]string{"eval", c.network, "-n", "20", "-images", "16"}, c.args...), mode...)
			code, stdout, stderr := dnnc(t, args...)
			require.Zero(t, code, stderr)
			line, table, _ := strings.Cut(stdout, "\n")
			assert.Contains(t, line, "labels: the float network's own answers on ")
			assert.True(t, strings.HasPrefix(table, c.first), stdout)
			code, stdout, stderr = dnnc(t, append(args, "-json")...)
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
	common := []string{"eval", lenet, "-n", "20", "-images", "16", "-errors", "fog-blend;light"}
	code, stdout, stderr := dnnc(t, append(common, "-boundary", "-csv")...)
	require.Zero(t, code, stderr)
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	require.NoError(t, err)
	assert.Len(t, rows, 1+2*2*20, "a row a kind, network and image")
	picture := filepath.Join(dir, "plane.svg")
	code, stdout, stderr = dnnc(t, append(common, "-plane", picture, "-directions", "fog=0.5;light=0.3", "-json")...)
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
		code, _, stderr := dnnc(t, append(common, args...)...)
		assert.Equal(t, atFault, code, want)
		assert.Contains(t, stderr, want)
	}
}

// TestFullPlaneShowsEveryMethod draws the case study of the paper: float, Qed,
// universal quantization and Deep Compression side by side.
func TestFullPlaneShowsEveryMethod(t *testing.T) {
	full(t)
	picture := filepath.Join(t.TempDir(), "plane.png")
	code, stdout, stderr := dnnc(t, "eval", lenet, "-n", "20", "-images", "64", "-errors", "gaussian=0.1", "-O", "robust", "-bits", "3", "-formats", "odd", "-plane", picture)
	require.Zero(t, code, stderr)
	for _, name := range []string{"float", "robust (qed)", "universal", "Deep Compression"} {
		assert.Contains(t, stdout, name)
	}
	assert.FileExists(t, picture)
}

func TestDisturbWritesWhatItReads(t *testing.T) {
	dir := t.TempDir()
	images := "../../testdata/lenet5/fashion-test-images-idx3-ubyte.gz"
	step := func(args ...string) {
		code, _, stderr := dnnc(t, append([]string{"disturb"}, args...)...)
		require.Zero(t, code, stderr)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	step("-errors", "gaussian=0", images, "-n", "5", "-o", file("t10k-images-idx3-ubyte.gz"))
	step("-errors", "gaussian=0", file("t10k-images-idx3-ubyte.gz"), "-o", file("a.npz"))
	step("-errors", "gaussian=0", file("a.npz"), "-o", file("pictures")+"/")
	step("-errors", "gaussian=0", file("pictures"), "-o", file("b.npz"))
	// The folder deals the classes out in turn; the pictures are the same.
	step("-errors", "gaussian=0", file("b.npz"), "-o", file("again")+"/")
	for _, name := range []string{file("pictures"), file("again")} {
		list, err := filepath.Glob(filepath.Join(name, "*", "*.png"))
		require.NoError(t, err)
		assert.Len(t, list, 5)
	}
	code, stdout, stderr := dnnc(t, "eval", lenet, "-images", "16", "-errors", "none", "-csv", "-data", file("pictures"))
	require.Zero(t, code, stderr)
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"network", "kind", "size", "accuracy", "stderr", "retention", "retention_stderr"}, rows[0])
	require.Len(t, rows, 1+2*2)
	for _, row := range rows[1:3] {
		assert.Equal(t, []string{"float", "", ""}, []string{row[0], row[5], row[6]})
	}
	number := func(text string) float64 {
		x, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		return x
	}
	assert.Equal(t, "clean", rows[3][1])
	assert.InDelta(t, number(rows[3][3])/number(rows[1][3]), number(rows[3][5]), 1e-9, "what the quantized network keeps of the float one's")
	assert.Equal(t, "mean", rows[4][1])
	assert.NotEmpty(t, rows[4][6])
}

// TestDisturbSparesItsInput: what is disturbed, and the labels beside it, stay.
func TestDisturbSparesItsInput(t *testing.T) {
	dir := t.TempDir()
	images, labels := filepath.Join(dir, "t10k-images-idx3-ubyte"), filepath.Join(dir, "t10k-labels-idx1-ubyte")
	code, _, stderr := dnnc(t, "disturb", "-errors", "fog=0.5", "../../testdata/lenet5/fashion-test-images-idx3-ubyte.gz", "-n", "5", "-o", images)
	require.Zero(t, code, stderr)
	before, err := os.ReadFile(images)
	require.NoError(t, err)
	require.NoError(t, os.Link(images, filepath.Join(dir, "other-images-idx3-ubyte")))
	for _, to := range []string{images, filepath.Join(dir, ".", "t10k-images-idx3-ubyte"), filepath.Join(dir, "other-images-idx3-ubyte")} {
		code, _, stderr = dnnc(t, "disturb", "-errors", "fog=0.5", images, "-n", "2", "-o", to)
		assert.Equal(t, badUsage, code, to)
		assert.Contains(t, stderr, "would be written over")
	}
	after, err := os.ReadFile(images)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.FileExists(t, labels)
}

// TestUseIsCheckedFirst: what a user forgot or mistyped is said before long work.
func TestUseIsCheckedFirst(t *testing.T) {
	road := "../../testdata/pictures/road.png"
	for want, args := range map[string][]string{
		"no -o":                         {"disturb", "-errors", "snow=0.5", road},
		"no -errors":                    {"disturb", road, "-o", "x.png"},
		"its ending is none of .png":    {"disturb", "-sheet", "x.jpg", road},
		"-n -5":                         {"disturb", "-errors", "snow=0.5", "-n", "-5", road, "-o", "x.png"},
		"its ending is none of .png .s": {"eval", lenet, "-plane", "x.pdf"},
		"-plane: stat missing":          {"eval", lenet, "-plane", "missing/x.png"},
		"under no errors":               {"eval", lenet, "-boundary", "-errors", "none", "-images", "16"},
	} {
		code, _, stderr := dnnc(t, args...)
		assert.Equal(t, atFault, code, want)
		assert.Contains(t, stderr, want)
	}
	code, _, stderr := dnnc(t, "disturb")
	assert.Equal(t, badUsage, code)
	assert.Contains(t, stderr, "takes one file")
}

// TestCalibrationImagesAreNoTest warns of figures on what a network was made on.
func TestCalibrationImagesAreNoTest(t *testing.T) {
	same := "../../testdata/lenet5/fashion-train-images-idx3-ubyte.gz"
	code, _, stderr := dnnc(t, "eval", lenet, "-errors", "none", "-images", "16", "-n", "10", "-data", same)
	require.Zero(t, code)
	assert.Contains(t, stderr, "CAUTION")
	code, _, stderr = dnnc(t, "eval", lenet, "-errors", "none", "-images", "16", "-n", "10")
	require.Zero(t, code)
	assert.NotContains(t, stderr, "CAUTION")
}

func TestErrorsHelp(t *testing.T) {
	code, stdout, _ := dnnc(t, "eval", "-errors", "help")
	assert.Zero(t, code)
	for _, want := range []string{"blackout-random", "fog-blend", "0.25 0.45 0.65", "DeepXplore", "Automold"} {
		assert.Contains(t, stdout, want)
	}
}
