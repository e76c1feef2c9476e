package command_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// pictures writes n unlabelled pictures of 3x32x32 pixels, waves of random colours.
func pictures(t *testing.T, n int) string {
	rng := rand.New(rand.NewPCG(2, 3))
	images := weights.Tensor{Name: "images", DType: weights.U8, Shape: []int{n, 3, 32, 32}}
	for range n {
		for range 3 {
			a, b, c, level := .6*rng.NormFloat64(), .6*rng.NormFloat64(), 6*rng.Float64(), rng.Float64()
			for y := range 32 {
				for x := range 32 {
					v := level + .4*math.Sin(a*float64(x)+b*float64(y)+c)
					images.Data = append(images.Data, byte(255*min(max(v, 0), 1)))
				}
			}
		}
	}
	path := filepath.Join(t.TempDir(), "pictures.npz")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, weights.WriteNPZ(f, []weights.Tensor{images}))
	require.NoError(t, f.Close())
	return path
}

// TestCasesAreAskedFor: networks that say nothing of their tasks are asked for, and once
// they are told each result has its own line.
func TestCasesAreAskedFor(t *testing.T) {
	data := pictures(t, 120)
	for name, c := range map[string]struct {
		asks, task string
		lines      []string
	}{
		"regr":   {"it could be binary (yes or no, by one sigmoid), values", "values", []string{"1 - rmse/std"}},
		"binary": {"it could be binary (yes or no, by one sigmoid), values", "binary", []string{"accuracy at .5"}},
		"seg":    {"classes along an axis (one label for each position, as classes axis: 0)", "classes axis: 0", []string{"pixel accuracy (mean over items)", "mean IoU"}},
		"ae":     {"reconstruction (the input again: autoencoders)", "reconstruction", []string{"1 - rmse/std of the score"}},
		"det":    {"the network has 2 results, boxes [4] and scores [10]", "boxes=values weight: 2, scores=classes", []string{"result boxes: values", "result scores: classes", "rmse of the worst element", "top-5"}},
	} {
		args := []string{"eval", filepath.Join(dnnctest.Root, "testdata/tasks", name+".onnx"), "-data", data, "-calib", data, "-images", "60", "-n", "60", "-errors", "gaussian=.05"}
		code, stdout, stderr := dnnctest.Run(t, args...)
		assert.Equal(t, command.AtFault, code, name)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, c.asks, name)
		assert.Contains(t, stderr, "help: -task ", name)
		code, stdout, stderr = dnnctest.Run(t, append(args, "-task", c.task)...)
		require.Zero(t, code, stderr)
		for _, line := range c.lines {
			assert.Contains(t, stdout, line, name)
		}
	}
}

// TestDetectionsAreCompared once the results are named.
func TestDetectionsAreCompared(t *testing.T) {
	data := pictures(t, 60)
	args := []string{"eval", filepath.Join(dnnctest.Root, "testdata/tasks/det.onnx"), "-data", data, "-calib", data, "-images", "40", "-n", "40", "-errors", "gaussian=.05", "-task", "boxes=values, scores=classes"}
	code, stdout, stderr := dnnctest.Run(t, append(args, "-detect", "boxes: boxes, scores: scores, form: cxcywh, least: -9")...)
	require.Zero(t, code, stderr)
	assert.Regexp(t, `detections at IoU \.5: (-|[01]\.[0-9]+) of 160 agree with the float network's`, stdout)
	code, _, stderr = dnnctest.Run(t, append(args, "-detect", "boxes: boxes, scores: scores, form: cxcywh")...)
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "scores are no probabilities: say the score of a detection")
}

// TestRegressionIsAimedAt: 99 % of what the float network is above the mean, an rmse against it
// of at most 1 % of the spread of its answers, in fewer bytes than int8. Of odd codes alone those need more cycles than int8:
// within its cycles the answer is below the aim, and the message says what lifts the limit.
func TestRegressionIsAimedAt(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	data := pictures(t, 400)
	out := filepath.Join(t.TempDir(), "regr")
	stderr := ""
	build := func(more ...string) (c certificate.Certificate) {
		var code int
		code, _, stderr = dnnctest.Run(t, append([]string{filepath.Join(dnnctest.Root, "testdata/tasks/regr.onnx"), "-task", "values", "-target", "armv7em", "-errors", "gaussian=.05", "-formats", "odd", "-seed", "10", "-calib", data, "-data", data, "-o", out + ".o"}, more...)...)
		require.Zero(t, code, stderr)
		raw, err := os.ReadFile(out + ".json")
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &c))
		return c
	}
	robust, exact := build("-O", "robust", "-cycles", "free"), build("-O", "int8")
	r := robust.Results[0]
	assert.Equal(t, "1 - rmse/std", r.Figures[0].Name)
	assert.GreaterOrEqual(t, r.Figures[0].Quantized.Value, .99)
	assert.GreaterOrEqual(t, *robust.Retention, .99)
	assert.Less(t, robust.WeightBytes, exact.WeightBytes)
	build("-O", "robust")
	assert.Contains(t, stderr, "[below-aim]")
	assert.Contains(t, stderr, "as -cycles free does")
}
