package dnnc_test

import (
	"context"
	"math"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

const tiny = "network net(a: f32[2,4,4] in [0,1]) -> f32[2,4,4] {\n s = tanh(a)\n return s\n}\n"

func config(t *testing.T) dnnc.Config {
	c, err := dnnc.NewConfig("x86_64")
	require.NoError(t, err)
	c.Calibration = dnnc.Images(data.Synthesize([]int{2, 4, 4}, 0, 1, 8, 1))
	return c
}

func parsed(t *testing.T, text string) *ir.Module {
	m, err := dnnc.Parse("net.dnn", []byte(text), dnnc.LoadOptions{})
	require.NoError(t, err)
	return m
}

// kind is the kind of a diagnostic.
func kind(t *testing.T, err error) diag.Kind {
	var d *diag.Diagnostic
	require.ErrorAs(t, err, &d)
	return d.Kind
}

// TestMissingParts: what a caller leaves out is an error with a way out, and no panic.
func TestMissingParts(t *testing.T) {
	m := parsed(t, tiny)
	_, err := dnnc.Compile(context.Background(), nil, config(t))
	assert.Equal(t, diag.BadValue, kind(t, err))
	_, err = dnnc.Compile(context.Background(), m, dnnc.Config{})
	assert.Equal(t, diag.UnknownTarget, kind(t, err))

	c := config(t)
	c.Calibration = nil
	_, err = dnnc.Compile(context.Background(), m, c)
	assert.Equal(t, diag.BadData, kind(t, err))
	assert.ErrorContains(t, err, "no calibration images")

	c.Calibration = dnnc.Images(data.Batch{Shape: []int{2, 4, 4}})
	_, err = dnnc.Compile(context.Background(), m, c)
	assert.ErrorContains(t, err, "the set is empty")

	c = config(t)
	for _, level := range []pass.Level{"fast", "size", ""} {
		c.Level = level
		_, err = dnnc.Compile(context.Background(), m, c)
		assert.Equal(t, diag.BadValue, kind(t, err), level)
	}

	c = config(t)
	c.Level, c.Budget.Bits = pass.Robust, 2
	_, err = dnnc.Compile(context.Background(), m, c)
	assert.Equal(t, diag.BadTask, kind(t, err), "a search needs to know what the result means")
}

// TestShareOfNothing: a promise is a share above 0 and of at most 1.
func TestShareOfNothing(t *testing.T) {
	for _, keep := range []float64{0, -1, 1.1, math.NaN(), math.Inf(1)} {
		c := config(t)
		c.Level, c.Budget.Promised, c.Budget.Keep = pass.Robust, true, keep
		assert.ErrorContains(t, c.Check(), "a share of the robust accuracy is above 0 and at most 1\n    help: -keep 0.99")
	}
}

// TestCheckpointOfNoSearch: what nothing is written into is refused.
func TestCheckpointOfNoSearch(t *testing.T) {
	for level, isSearch := range map[pass.Level]bool{pass.Int8: false, pass.Universal: false, pass.Compress: true, pass.Robust: true} {
		c := config(t)
		c.Level, c.Checkpoint = level, "net.check"
		if err := c.Check(); isSearch {
			assert.NoError(t, err, level)
		} else {
			assert.ErrorContains(t, err, "-checkpoint keeps what a search measures, and -O "+string(level)+" searches nothing")
		}
	}
}

// TestImagesOfAnotherNetwork: images of the caller's own that the network does not take are
// its error, and no panic.
func TestImagesOfAnotherNetwork(t *testing.T) {
	m := parsed(t, tiny)
	good := data.Synthesize([]int{2, 4, 4}, 0, 1, 8, 1)
	for want, change := range map[string]func(b *data.Batch){
		"have the shape [4,4,2], the network takes [2,4,4]":               func(b *data.Batch) { b.Shape = []int{4, 4, 2} },
		"8 images to calibrate with take 256 elements, not 255":           func(b *data.Batch) { b.X = b.X[:255] },
		"7 images to calibrate with take 224 elements, not 256":           func(b *data.Batch) { b.N = 7 },
		"3 elements lie after each image to calibrate with":               func(b *data.Batch) { b.Others = 3 },
		"9 labels of 8 images":                                            func(b *data.Batch) { b.Labels = make([]int, 9) },
		"labels s of 8 images to calibrate with take 16 elements, not 15": func(b *data.Batch) { b.Targets = []data.Target{{Name: "s", Shape: []int{2}, X: make([]float32, 15)}} },
		"3 numbers of 8 images to calibrate with":                         func(b *data.Batch) { b.At = []int{0, 1, 2} },
		"1 places of 8 images to calibrate with":                          func(b *data.Batch) { b.Places = []string{"a.png"} },
		"-1 images to calibrate with take -32 elements, not 256":          func(b *data.Batch) { b.N = -1 },
	} {
		c, b := config(t), good
		change(&b)
		c.Calibration = func(int) (data.Batch, error) { return b, nil }
		_, err := dnnc.Compile(context.Background(), m, c)
		assert.Equal(t, diag.BadData, kind(t, err), want)
		assert.ErrorContains(t, err, want)
	}
	c := config(t)
	c.Calibration = func(int) (data.Batch, error) { return good, nil }
	_, err := dnnc.Compile(context.Background(), m, c)
	assert.NoError(t, err)
}

// TestUnplannedResult: a result whose passes were stopped has no code, and says why.
func TestUnplannedResult(t *testing.T) {
	c := config(t)
	c.StopAfter = "legalize"
	r, err := dnnc.Compile(context.Background(), parsed(t, tiny), c)
	require.NoError(t, err)
	_, _, err = r.C()
	assert.ErrorContains(t, err, `no plan of kernels and memory: its last pass is "legalize"`)
	for name, get := range map[string]func() error{
		"object": func() error { _, err := r.Object(context.Background()); return err },
		"header": func() error { _, err := r.Header(context.Background()); return err },
		"lent":   func() error { _, err := r.Lent(); return err },
	} {
		assert.Equal(t, diag.BadValue, kind(t, get()), name)
	}
}

// TestLoadOptionsThatAFileLacks: what the options would change is refused where the file
// says it itself.
func TestLoadOptionsThatAFileLacks(t *testing.T) {
	shapes := dnnc.LoadOptions{Shapes: map[string][]int{"a": {1, 2, 4, 4}}}
	ranges := dnnc.LoadOptions{Ranges: map[string]ir.Range{"a": {Lo: 0, Hi: 255}}}
	for _, c := range []struct {
		name string
		o    dnnc.LoadOptions
		want string
	}{
		{"net.dnn", shapes, "-shape gives sizes"},
		{"net.dnn", ranges, "-range is for inputs of models"},
		{"net.tflite", shapes, "-shape gives sizes"},
	} {
		_, err := dnnc.Parse(c.name, []byte(tiny), c.o)
		assert.Equal(t, diag.BadValue, kind(t, err), c.name)
		assert.ErrorContains(t, err, c.want)
		_, err = dnnc.Load(c.name, c.o)
		assert.ErrorContains(t, err, c.want)
	}
	_, err := dnnc.Parse("net.tflite", []byte(tiny), ranges)
	assert.ErrorContains(t, err, "TFL3", "a model of TensorFlow Lite takes ranges")
}

// TestCancelledTools: a context that ends while a tool runs is the error, not the tool.
func TestCancelledTools(t *testing.T) {
	if _, err := exec.LookPath("llc-19"); err != nil {
		t.Skip(err)
	}
	r, err := dnnc.Compile(context.Background(), parsed(t, tiny), config(t))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = r.Object(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestCompileSparesTheModule: a network compiles for several targets, and its text stays.
func TestCompileSparesTheModule(t *testing.T) {
	m := parsed(t, tiny)
	before := m.String()
	for _, target := range []string{"armv6m", "aarch64"} {
		c := config(t)
		other, err := dnnc.NewConfig(target)
		require.NoError(t, err)
		c.Target = other.Target
		r, err := dnnc.Compile(context.Background(), m, c)
		require.NoError(t, err)
		assert.True(t, r.Planned())
		assert.Equal(t, target, r.Module.Target)
		assert.Equal(t, before, m.String())
	}
}

// TestOutputsShareTheirContent: header, certificate and object carry one hash, which says
// whether LLVM made the object.
func TestOutputsShareTheirContent(t *testing.T) {
	r, err := dnnc.Compile(context.Background(), parsed(t, tiny), config(t))
	require.NoError(t, err)
	code, header, err := r.C()
	require.NoError(t, err)
	c, err := r.Certificate()
	require.NoError(t, err)
	assert.Contains(t, code, c.Content)
	assert.Contains(t, header, c.Content)
	if _, err := exec.LookPath("llc-19"); err != nil {
		t.Skip(err)
	}
	object, err := r.Object(context.Background())
	require.NoError(t, err)
	header, err = r.Header(context.Background())
	require.NoError(t, err)
	linked, err := r.Certificate()
	require.NoError(t, err)
	assert.NotEqual(t, c.Content, linked.Content)
	assert.Contains(t, header, linked.Content)
	assert.Contains(t, string(object), linked.Content)
	assert.Positive(t, linked.CodeBytes)
}

// TestDataInputs: data are read within the range of an input; where its integers alone tell
// the range, half a step beyond.
func TestDataInputs(t *testing.T) {
	m := &ir.Module{Inputs: []*ir.Value{
		{Name: "a", Type: ir.Type{Shape: ir.Shape{2, 3}}, Range: &ir.Range{Lo: -1, Hi: 3}},
		{Name: "b", Type: ir.Type{Shape: ir.Shape{4}, Quant: ir.Quant{Scale: .5, Zero: -28}}},
		{Name: "c", Type: ir.Type{Shape: ir.Shape{1}}},
	}}
	assert.Equal(t, []dataset.Input{
		{Name: "a", Shape: []int{2, 3}, Low: -1, High: 3},
		{Name: "b", Shape: []int{4}, Low: -50, High: 77.5, Slack: .2505},
		{Name: "c", Shape: []int{1}, High: 1},
	}, dnnc.DataInputs(m))
}
