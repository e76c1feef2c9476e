package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/internal/tasks"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// learnt is what the trained examples are above on clean test items, by result.
var learnt = map[string]map[string]struct {
	measure string
	least   float64
}{
	"wear":     {"life": {"1 - rmse/std", .75}},
	"mask":     {"class": {"pixel accuracy (mean over items)", .95}},
	"detector": {"box": {"1 - rmse/std", .4}, "score": {"accuracy at .5", .97}},
	"pump":     {"again": {"AUC of the score |x-f(x)|²", .9}},
	"bearing":  {"again": {"AUC of the score |x-f(x)|²", .9}},
	"keyword":  {"word": {"accuracy", .9}},
	"spoken":   {"word": {"accuracy", .9}},
	"beat":     {"long": {"accuracy at .5", .93}},
	"shapes":   {"there": {"accuracy at .5", .95}},
	"glyph":    {"direction": {"nearest neighbour's label", .9}},
	"machine":  {"state": {"accuracy", .95}, "torque": {"1 - rmse/std", .75}},
}

// TestTrainedExamples: every example is built at int8 and -O robust for a target, and
// measured by its own measures on new data. int8 keeps nearly all, and so does a network of
// far fewer bytes that a search finds.
func TestTrainedExamples(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	for _, e := range tasks.All {
		t.Run(e.Name, func(t *testing.T) {
			dir := t.TempDir()
			network := filepath.Join(dnnctest.Root, "testdata/tasks", e.Name, e.Name+".dnn")
			m, err := e.Module()
			require.NoError(t, err)
			for set, n := range map[tasks.Set]int{tasks.Calibration: 400, tasks.Test: 400} {
				list, err := e.Arrays(m, set, n)
				require.NoError(t, err)
				f, err := os.Create(filepath.Join(dir, string(set)+".npz"))
				require.NoError(t, err)
				require.NoError(t, weights.WriteNPZ(f, list))
				require.NoError(t, f.Close())
			}
			require.Len(t, learnt[e.Name], len(m.Outputs))
			build := func(args ...string) certificate.Certificate {
				out := filepath.Join(dir, "net.o")
				dnnctest.Succeed(t, append([]string{network, "-target", "armv7em", "-calib", filepath.Join(dir, "calibration.npz"), "-data", filepath.Join(dir, "test.npz"), "-errors", "gaussian=.04", "-o", out}, args...)...)
				assert.FileExists(t, out)
				raw, err := os.ReadFile(filepath.Join(dir, "net.json"))
				require.NoError(t, err)
				var c certificate.Certificate
				require.NoError(t, json.Unmarshal(raw, &c))
				require.Len(t, c.Results, len(m.Outputs))
				return c
			}
			int8 := build("-O", "int8", "-images", "320")
			robust := build("-O", "robust", "-bits", "4", "-formats", "odd")
			for i, r := range int8.Results {
				own := learnt[e.Name][r.Name]
				assert.Equal(t, m.TaskOf(i).Name, r.Task)
				assert.Equal(t, own.measure, r.Measure)
				assert.Greater(t, r.Float.Clean, own.least, "%s: float", r.Name)
				require.NotNil(t, r.Kept, r.Name)
				assert.InDelta(t, 1, *r.Kept, .03, "%s: int8", r.Name)
				require.NotNil(t, robust.Results[i].Kept, r.Name)
				assert.InDelta(t, 1, *robust.Results[i].Kept, .1, "%s: robust", r.Name)
			}
			assert.Less(t, robust.WeightBytes, 6*int8.WeightBytes/10)
		})
	}
}

// items writes some items of a set of an example, and returns the paths of them and of its network.
func items(t *testing.T, name string, set tasks.Set, n int) (data, network string) {
	t.Helper()
	e, err := tasks.Find(name)
	require.NoError(t, err)
	m, err := e.Module()
	require.NoError(t, err)
	list, err := e.Arrays(m, set, n)
	require.NoError(t, err)
	data = filepath.Join(t.TempDir(), "test.npz")
	f, err := os.Create(data)
	require.NoError(t, err)
	require.NoError(t, weights.WriteNPZ(f, list))
	require.NoError(t, f.Close())
	return data, filepath.Join(dnnctest.Root, "testdata/tasks", name, name+".dnn")
}

// sampleErrors are of signals, at one size each.
const sampleErrors = "gaussian=.04;gain=.5;drift=.2;dropout=.1;saturation=.3"

var sampleKinds = []string{"gaussian", "gain", "drift", "dropout", "saturation"}

// TestErrorsDisturbSamples: before features that the network computes, in a search, in what it measures, and in a report.
func TestErrorsDisturbSamples(t *testing.T) {
	data, network := items(t, "spoken", tasks.Test, 60)
	out := dnnctest.Succeed(t, "eval", network, "-O", "robust", "-bits", "4", "-formats", "odd",
		"-calib", data, "-data", data, "-images", "20", "-n", "40", "-errors", sampleErrors)
	for _, kind := range sampleKinds {
		assert.Regexp(t, `(?m)^ *`+kind+` `, out)
	}
	var c certificate.Certificate
	require.NoError(t, json.Unmarshal([]byte(dnnctest.Succeed(t, "eval", network, "-json", "-calib", data, "-data", data, "-images", "20", "-n", "40", "-errors", "dropout=.7;saturation=1")), &c))
	require.NotNil(t, c.Float)
	assert.Less(t, c.Float.Mean, c.Float.Clean, "errors of samples reach the answers")
	object := filepath.Join(t.TempDir(), "spoken.dnn")
	dnnctest.Succeed(t, "build", network, "-O", "robust", "-bits", "4", "-formats", "odd2,odd4", "-emit", "ir", "-target", "armv7em", "-o", object,
		"-calib", data, "-images", "20", "-errors", sampleErrors, "-report", "search")
	assert.FileExists(t, object)
	if !dnnctest.IsFull() {
		return
	}
	seen, _ := items(t, "spoken", tasks.Calibration, 60)
	html := filepath.Join(t.TempDir(), "report.html")
	dnnctest.Succeed(t, "report", network, "-sizes", "3", "-calib", seen, "-data", data, "-images", "20", "-n", "20", "-errors", sampleErrors, "-o", html)
	raw, err := os.ReadFile(html)
	require.NoError(t, err)
	for _, kind := range sampleKinds {
		assert.Contains(t, string(raw), kind)
	}
}

// TestAutoActivations: each command that searches or measures chooses the bits of activations, and says which.
func TestAutoActivations(t *testing.T) {
	data, network := items(t, "machine", tasks.Test, 60)
	const said = `activations: 16 bits for \d+ of \d+ values \(.+\): [\d.]+ dB -> [\d.]+ dB on \d+ calibration images`
	for _, args := range [][]string{
		{"eval", "-errors", "gaussian=.04"},
		{"compare", "-errors", "gaussian=.04", "-methods", "universal,qed", "-sizes", "3"},
		{"pareto", "-errors", "gaussian=.04", "-sizes", "4"},
	} {
		code, stdout, stderr := dnnctest.Run(t, append(append([]string{args[0], network}, args[1:]...), "-formats", "odd2,odd4", "-activations", "auto", "-calib", data, "-data", data, "-images", "20", "-n", "20")...)
		require.Equal(t, command.Done, code, stderr)
		assert.Regexp(t, said, stdout+stderr, args[0])
	}
}
