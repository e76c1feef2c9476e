package metric_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/metric"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/quote"
)

// detectors are the example programs that judge detections.
func detectors(t *testing.T) map[string]string {
	binary := filepath.Join(t.TempDir(), "detect")
	out, err := exec.Command("go", "build", "-o", binary, filepath.Join(dnnctest.Root, "testdata/metric/detect")).CombinedOutput()
	require.NoError(t, err, string(out))
	list := map[string]string{"Go": quote.Shell(binary)}
	if _, err := exec.LookPath("python3"); err == nil {
		list["Python"] = "python3 " + example("detect.py")
	}
	return list
}

func tensor(t *testing.T, name string, shape []int, x []float32) weights.Tensor {
	t.Helper()
	raw, err := ir.FloatConst(name, shape, x).Load()
	require.NoError(t, err)
	return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw}
}

func npz(t *testing.T, path string, list ...weights.Tensor) string {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, weights.WriteNPZ(f, list))
	require.NoError(t, f.Close())
	return path
}

// TestDetectionProgramsEqualDetect: where dnnc measures the agreement of detections itself,
// the examples say the same to the last digit, in both orders of their numbers.
func TestDetectionProgramsEqualDetect(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	rng := rand.New(rand.NewPCG(5, 5))
	var list []weights.Tensor
	for _, l := range []struct {
		name  string
		shape []int
	}{{"conv.weight", []int{6, 1, 3, 3}}, {"place.weight", []int{24, 216}}, {"found.weight", []int{18, 216}}} {
		x := make([]float32, ir.Shape(l.shape).Size())
		for i := range x {
			x[i] = .25 * float32(rng.NormFloat64())
		}
		list = append(list, tensor(t, l.name, l.shape, x))
	}
	f, err := os.Create(path("boxes.safetensors"))
	require.NoError(t, err)
	require.NoError(t, weights.WriteSafetensors(f, list))
	require.NoError(t, f.Close())
	programs := detectors(t)
	for _, c := range []struct{ form, box, score string }{
		{"cxcywh", "[4,6]", "[3,6]"}, {"yxyx", "[6,4]", "[6,3]"},
	} {
		text := "tensors \"boxes.safetensors\"\nnetwork d(image: f32[1,8,8] in [0,1]) -> f32" + c.box + " values, f32" + c.score + " multilabel {\n" +
			"  conv = conv2d(image, filters: 6, kernel: 3)\n  flat = flatten(conv)\n" +
			"  place = linear(flat, units: 24)\n  box = sigmoid(reshape(place, shape: " + c.box + "))\n" +
			"  found = linear(flat, units: 18)\n  score = sigmoid(reshape(found, shape: " + c.score + "))\n  return box, score\n}\n"
		require.NoError(t, os.WriteFile(path("d.dnn"), []byte(text), 0o644))
		for name, program := range programs {
			stdout := dnnctest.Succeed(t, "eval", path("d.dnn"), "-O", "universal", "-bits", "3", "-data", path("data.npz"), "-calib", path("data.npz"), "-images", "20", "-n", "60", "-errors", "gaussian=.1,.2", "-json",
				"-detect", "boxes: box, scores: score, form: "+c.form, "-metric", program+" agreement box score "+c.form)
			var got struct {
				Metric     metric.Outcome
				Detections struct {
					Agreement  float64
					Detections int
				}
			}
			require.NoError(t, json.Unmarshal([]byte(stdout), &got))
			assert.Greater(t, got.Detections.Detections, 300, "%s %s", name, c.form)
			assert.Equal(t, got.Detections.Agreement, *got.Metric.Mean.Quantized, "%s %s", name, c.form)
			assert.Less(t, got.Detections.Agreement, .99, "%s %s: 3 bits move boxes", name, c.form)
			if c.form == "cxcywh" { // of others some boxes are empty, which no box is the same as
				assert.Equal(t, 1., *got.Metric.Mean.Float, "%s %s", name, c.form)
			}
		}
	}
}

// TestAveragePrecisionByHand: a head like YOLO's of a grid of 1x2 cells and two classes.
func TestAveragePrecisionByHand(t *testing.T) {
	dir, programs := t.TempDir(), detectors(t)
	// A box of a whole cell: its middle is the cell's, its width half of the picture.
	whole := []float32{.5, .5, .5, .5, .5, .5, 1, 1}
	// The right cell's box lies half a cell further left: an IoU of 1/3 with the object.
	moved := []float32{.5, 0, .5, .5, .5, .5, 1, 1}
	for _, c := range []struct {
		what          string
		boxes, scores [][]float32 // of two items, [4,1,2] and [2,1,2]
		want          float64
	}{
		{"all objects", [][]float32{whole, whole}, [][]float32{{.9, 0, 0, .8}, {.7, 0, 0, 0}}, 1},
		{"no detection", [][]float32{whole, whole}, [][]float32{{.4, 0, 0, .4}, {.4, 0, 0, 0}}, 0},
		{"one of two objects of the first class", [][]float32{whole, whole}, [][]float32{{.9, 0, 0, .8}, {0, 0, 0, 0}}, (.5 + 1) / 2},
		{"the wrong class before the right one", [][]float32{whole, whole}, [][]float32{{.9, 0, 0, .8}, {.7, .95, 0, 0}}, (2./3 + 1) / 2},
		{"the wrong class after the right ones", [][]float32{whole, whole}, [][]float32{{.9, 0, 0, .8}, {.7, .6, 0, 0}}, 1},
		{"a box that lies apart", [][]float32{moved, whole}, [][]float32{{.9, 0, 0, .8}, {.7, 0, 0, 0}}, (1 + 0) / 2.},
		{"a class of no object", [][]float32{whole, whole}, [][]float32{{.9, 0, 0, .8}, {.7, 0, 0, .9}}, (1 + .5) / 2},
	} {
		var boxes, scores []float32
		for i := range c.boxes {
			boxes, scores = append(boxes, c.boxes[i]...), append(scores, c.scores[i]...)
		}
		answers := npz(t, filepath.Join(dir, "answers.npz"), tensor(t, "box", []int{2, 4, 1, 2}, boxes), tensor(t, "score", []int{2, 2, 1, 2}, scores))
		// Objects: in the first item one of each class, left and right; in the second the first, left.
		labels := npz(t, filepath.Join(dir, "labels.npz"), tensor(t, "box", []int{2, 4, 1, 2}, append(append([]float32{}, whole...), whole...)),
			tensor(t, "score", []int{2, 2, 1, 2}, []float32{1, 0, 0, 1, 1, 0, 0, 0}))
		for name, program := range programs {
			out, err := exec.Command("sh", "-c", program+" map box score yolo "+answers+" "+labels).CombinedOutput()
			require.NoError(t, err, string(out))
			got, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
			require.NoError(t, err)
			assert.InDelta(t, c.want, got, 1e-12, "%s: %s", name, c.what)
		}
	}
}

// TestDetectionProgramsRefuse what they cannot judge, and dnnc says why.
func TestDetectionProgramsRefuse(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	for name, program := range detectors(t) {
		for _, args := range []string{" agreement box nothing cxcywh", " agreement box fc circle", " median box fc cxcywh"} {
			code, _, stderr := dnnctest.Run(t, "eval", path("detector.dnn"), "-task", "fc=classes, box=values", "-data", path("data.npz"), "-images", "20", "-n", "20", "-errors", "none", "-metric", program+args)
			assert.Equal(t, command.AtFault, code, "%s%s", name, args)
			assert.Contains(t, stderr, "its last line of messages: ", "%s%s", name, args)
		}
	}
}
