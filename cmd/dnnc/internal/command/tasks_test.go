package command_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// tasked are networks of dnnctest.Kinds with the task that each is told, its measure, and
// figures beside it.
var tasked = []struct{ network, task, says, measure, figure string }{
	{"seg", "classes axis: 0", "task: classes (result [6,6,6] and -task 'classes axis: 0')", "pixel accuracy (mean over items)", "mean IoU"},
	{"binary", "binary", "task: binary (result [1] and -task binary)", "accuracy at .5", "AUC"},
	{"logits", "multilabel", "task: multilabel (result [3] and -task multilabel)", "accuracy at .5", "F1"},
	{"value", "values", "task: values (result [1] and -task values)", "1 - rmse/std", "rmse"},
	{"same", "reconstruction", "task: reconstruction (result [1,8,8] and -task reconstruction)", "1 - rmse/std of the score", "mean score"},
	{"logits", "embedding", "task: embedding (result [3] and -task embedding)", "cosine", "nearest neighbour as float"},
	{"detector", "fc=classes, box=values weight: 2", "task: fc classes (result [3] and -task classes)", "accuracy", "rmse of the worst element"},
}

// TestEveryTaskIsMeasured: eval, the search at two sizes, pareto and compare judge each
// task by its own measure, and say it first.
func TestEveryTaskIsMeasured(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	for _, c := range tasked {
		args := []string{path(c.network + ".dnn"), "-task", c.task, "-calib", path("data.npz"), "-data", path("data.npz"), "-images", "20", "-n", "60", "-errors", "gaussian=0.1", "-formats", "odd2,odd4,odd8"}
		line := c.says + ", measure: " + c.measure + ", labels: the float network's own answers on data.npz"
		run := func(name string, more ...string) string {
			code, stdout, stderr := dnnctest.Run(t, append(append([]string{name}, args...), more...)...)
			require.Zero(t, code, "%s %s: %s", name, c.task, stderr)
			return stdout
		}
		for _, bits := range []string{"2", "4"} {
			out := run("eval", "-O", "robust", "-bits", bits)
			assert.True(t, strings.HasPrefix(out, line+" (search)"), out)
			if c.network == "detector" { // each result has its own
				assert.Contains(t, out, "; box values (result [4] and -task values, weight 2), measure: 1 - rmse/std, labels: the float network's own answers on data.npz (search)")
			}
			assert.Contains(t, out, c.figure, c.task)
			assert.Contains(t, out, "95 % interval", c.task)
			assert.NotContains(t, out, "robust accuracy", c.task)
		}
		assert.Contains(t, run("pareto", "-sizes", "2,4"), line, c.task)
		var curve struct {
			Loss   string
			Points []map[string]any
		}
		require.NoError(t, json.Unmarshal([]byte(run("pareto", "-sizes", "2", "-json")), &curve))
		assert.Equal(t, "divergence", curve.Loss, c.task)
		require.NotEmpty(t, curve.Points)
		measured := 0
		for _, p := range curve.Points {
			assert.Contains(t, p, "forecast_divergence")
			assert.NotContains(t, p, "forecast_kl")
			assert.NotContains(t, p, "kl")
			if _, ok := p["divergence"]; ok {
				measured++
			}
		}
		assert.Equal(t, 1, measured, c.task)
		assert.Contains(t, run("pareto", "-sizes", "2", "-csv"), "forecast_divergence,divergence,retention", c.task)
		compared := run("compare", "-sizes", "2,4", "-methods", "qed,universal")
		assert.Contains(t, compared, line, c.task)
		rows := 2 * 2 // sizes and methods
		if strings.Contains(c.task, "=") {
			rows *= 2
			assert.Regexp(t, `(?m)^ *2 +qed +fc +1 `, compared)
			assert.Regexp(t, `(?m)^ *2 +qed +box +1 `, compared)
		} else {
			assert.NotContains(t, compared, "result  ")
		}
		assert.Len(t, regexp.MustCompile(`(?m)^ *[24] `).FindAllString(compared, -1), rows, compared)

		var got struct {
			Measured  certificate.Measured
			Retention *float64
			Results   []certificate.Result
		}
		require.NoError(t, json.Unmarshal([]byte(run("eval", "-json")), &got))
		several := strings.Contains(c.task, "=")
		if several {
			require.Len(t, got.Results, 2)
			assert.Nil(t, got.Retention, "never one number alone")
			assert.Equal(t, "classes+values", got.Measured.Task)
			assert.Equal(t, 2., got.Results[1].Weight)
		} else {
			require.Len(t, got.Results, 1)
			assert.Equal(t, got.Results[0].Kept, got.Retention, c.task)
			assert.Equal(t, c.measure, got.Results[0].Measure)
		}
		for _, r := range got.Results {
			assert.InDelta(t, 1, r.Float.Mean, 1e-9, "the float network agrees with itself")
			require.NotNil(t, r.Kept, c.task)
			assert.Greater(t, *r.Kept, .5, c.task)
			assert.LessOrEqual(t, *r.Kept, 1., c.task)
		}
		table, err := csv.NewReader(strings.NewReader(run("eval", "-csv"))).ReadAll()
		require.NoError(t, err)
		assert.Equal(t, "measure", table[0][3])
		assert.Len(t, table, 1+len(got.Results)*2*3, "clean, gaussian and the mean of each network and result")
	}
}

// TestTasksSaidByTheNetwork need no flag, and a dump keeps them.
func TestTasksSaidByTheNetwork(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	text, err := os.ReadFile(path("detector.dnn"))
	require.NoError(t, err)
	said := strings.Replace(string(text), "f32[3], f32[4]", "f32[3] classes, f32[4] values weight: 2", 1)
	require.NotEqual(t, string(text), said)
	require.NoError(t, os.WriteFile(path("said.dnn"), []byte(said), 0o644))
	common := []string{"-calib", path("data.npz"), "-data", path("data.npz"), "-images", "20", "-n", "20", "-errors", "gaussian=0.1"}
	code, stdout, stderr := dnnctest.Run(t, append([]string{"eval", path("said.dnn"), "-dump-dir", path("dumps")}, common...)...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "task: fc classes (result [3], as the network says), measure: accuracy, labels: the float network's own answers on data.npz; box values (result [4], as the network says, weight 2), measure: 1 - rmse/std, labels: ")
	dump, err := os.ReadDir(path("dumps"))
	require.NoError(t, err)
	last := ""
	for _, f := range dump {
		if strings.HasSuffix(f.Name(), ".dnn") {
			last = f.Name()
		}
	}
	raw, err := os.ReadFile(path("dumps/" + last))
	require.NoError(t, err)
	assert.Contains(t, string(raw), "-> i8[3] classes, i16[4] values weight: 2 {")
	// A dump has no float network whose answers could stand for labels.
	code, _, stderr = dnnctest.Run(t, append([]string{"eval", path("dumps/" + last)}, common...)...)
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "no labels, and there is no float network")
}

// TestBinaryHasBoundaries: one that decides has boundary distances and a plane.
func TestBinaryHasBoundaries(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	args := []string{path("binary.dnn"), "-task", "binary", "-calib", path("data.npz"), "-data", path("data.npz"), "-images", "20", "-n", "20"}
	code, stdout, stderr := dnnctest.Run(t, append([]string{"eval", "-boundary", "-errors", "gaussian;light"}, args...)...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "light")
	code, _, stderr = dnnctest.Run(t, append([]string{"eval", "-plane", path("p.png"), "-directions", "fog-blend=.5;gaussian=.3"}, args...)...)
	require.Zero(t, code, stderr)
	assert.FileExists(t, path("p.png"))
}

// TestReportOfOtherTasks: what a task has not is said, and the rest is reported.
func TestReportOfOtherTasks(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	args := []string{"report", path("value.dnn"), "-task", "values", "-data", path("data.npz"), "-images", "20", "-n", "40", "-errors", "gaussian=0.1", "-sizes", "2,4", "-methods", "qed,universal", "-formats", "odd", "-o", path("out.html")}
	code, stdout, stderr := dnnctest.Run(t, args...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "task: values (result [1] and -task values), measure: 1 - rmse/std")
	assert.Contains(t, stdout, "no boundary distances, no planes of decisions and no proofs: values has no answer that is right or wrong")
	assert.FileExists(t, path("out.html"))
}

// TestKeepOfEveryTask: a share of each task is promised and shown on images that nothing
// else sees, and the certificate has the figures; where it cannot be shown nothing is built.
func TestKeepOfEveryTask(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	for _, c := range tasked {
		out := filepath.Join(t.TempDir(), "net")
		args := []string{path(c.network + ".dnn"), "-task", c.task, "-calib", path("more.npz"), "-O", "robust", "-target", "armv7em", "-errors", "gaussian=0.02", "-formats", "odd4,odd6,odd8", "-seed", "10", "-emit", "c", "-o", out + ".c"}
		code, _, stderr := dnnctest.Run(t, append(args, "-keep", ".2")...)
		require.Zero(t, code, "%s: %s", c.task, stderr)
		of := ""
		if c.network == "detector" {
			of = " of the result (fc|box), the least of 2"
		}
		assert.Regexp(t, `(?m)^NO LABELS: the float network's own answers are the labels\nkeeps 0.2: estimate [01]\.[0-9]{4}, at least [01]\.[0-9]{4} \(95 %, 120 held-out images of -calib\)`+of+`; fitted on 50, chosen by 30, judged by 120 images`, stderr, c.task)
		raw, err := os.ReadFile(out + ".json")
		require.NoError(t, err, c.task)
		var got certificate.Certificate
		require.NoError(t, json.Unmarshal(raw, &got), c.task)
		k := got.Search.Kept
		require.NotNil(t, k, c.task)
		assert.True(t, k.Promised, c.task)
		assert.Equal(t, []int{50, 30, 120}, []int{k.FittedOn, k.ChosenBy, k.JudgedBy}, c.task)
		require.NotNil(t, k.AtLeast, c.task)
		assert.GreaterOrEqual(t, *k.AtLeast, .2, c.task)
		assert.GreaterOrEqual(t, *k.Estimate, *k.AtLeast, c.task)
		assert.True(t, k.Tested[0].Passed, c.task)

		require.NoError(t, os.Remove(out+".c"))
		code, _, stderr = dnnctest.Run(t, append(args, "-keep", "1")...)
		assert.Equal(t, command.AtFault, code, "%s: %s", c.task, stderr)
		assert.Contains(t, stderr, "-keep 1: no network was shown to keep this share: estimate ", c.task)
		assert.NoFileExists(t, out+".c", c.task)
	}
}

// TestReportOfSeveralResults: each result has its own figures, and what belongs to the
// network stands once. A second report takes all from the store.
func TestReportOfSeveralResults(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	args := []string{"report", path("detector.dnn"), "-task", "fc=classes, box=values", "-data", path("data.npz"), "-images", "20", "-n", "40", "-errors", "gaussian=0.1", "-sizes", "2,4", "-methods", "qed,universal", "-formats", "odd", "-results", path("cells"), "-o", path("out.html")}
	code, stdout, stderr := dnnctest.Run(t, args...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "task: fc classes (result [3] and -task classes), measure: accuracy, ")
	page, err := os.ReadFile(path("out.html"))
	require.NoError(t, err)
	for want, times := range map[string]int{ // a title stands in the contents, too
		"detector, fc, by bits a weight": 2, "detector, box, by bits a weight": 2, "detector: bits a weight by layer and budget": 2,
		"Accuracy against the size of error: detector, fc": 2, "1 - rmse/std against the size of error: detector, box": 2,
	} {
		assert.Equal(t, times, strings.Count(string(page), want), want)
	}
	assert.NotContains(t, string(page), "detector, fc: bits a weight by layer")
	kept := func(result string) string {
		_, after, _ := strings.Cut(string(page), "detector, "+result+", by bits a weight")
		table, _, _ := strings.Cut(after, "</table>")
		return table
	}
	assert.NotEmpty(t, kept("fc"))
	assert.NotEqual(t, kept("fc"), kept("box"))
	code, again, stderr := dnnctest.Run(t, args...)
	require.Zero(t, code, stderr)
	assert.Equal(t, stdout, again)
	second, err := os.ReadFile(path("out.html"))
	require.NoError(t, err)
	assert.Equal(t, string(page), string(second))
}

// TestRecordOfSeveralResults: a second comparison takes the lines of each result from the
// record.
func TestRecordOfSeveralResults(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	args := []string{"compare", path("detector.dnn"), "-task", "fc=classes, box=values", "-data", path("data.npz"), "-images", "20", "-n", "20", "-errors", "gaussian=0.1", "-sizes", "4", "-methods", "qed,universal", "-formats", "odd4", "-record", path("record.csv")}
	first := dnnctest.Succeed(t, args...)
	record, err := os.ReadFile(path("record.csv"))
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(string(record), "\ndetector fc,"))
	assert.Equal(t, 2, strings.Count(string(record), "\ndetector box,"))
	assert.Equal(t, first, dnnctest.Succeed(t, args...))
	again, err := os.ReadFile(path("record.csv"))
	require.NoError(t, err)
	assert.Equal(t, string(record), string(again))
}

// TestKeepOfValues: the network that -keep finds keeps that share of what the float network
// is above the mean.
func TestKeepOfValues(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	path := dnnctest.KindsFolder(t)
	code, _, stderr := dnnctest.Run(t, path("value.dnn"), "-task", "values", "-O", "robust", "-keep", ".5", "-formats", "odd4,odd6,odd8", "-target", "x86_64", "-errors", "gaussian=0.05",
		"-calib", path("data.npz"), "-data", path("data.npz"), "-o", path("net.o"))
	require.Zero(t, code, stderr)
	raw, err := os.ReadFile(path("net.json"))
	require.NoError(t, err)
	var c certificate.Certificate
	require.NoError(t, json.Unmarshal(raw, &c))
	require.NotNil(t, c.Retention)
	assert.Greater(t, *c.Retention, .5)
	assert.Less(t, c.AverageBits, 8.)
	assert.Equal(t, "values", c.Measured.Task)
}

// TestDumpsTakeTheBoundsOfTheirSource: the integers of an input in [-1,1] reach from -0.996
// to 1.004, and -1 is half a step below. Data of the network are data of its dump, too.
func TestDumpsTakeTheBoundsOfTheirSource(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	text, err := os.ReadFile(path("value.dnn"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path("signed.dnn"), []byte(strings.Replace(string(text), "in [0,1]", "in [-1,1]", 1)), 0o644))
	x, labels := make([]float32, 40*64), make([]float32, 40)
	for i := range x {
		x[i] = []float32{-1, -.5, .25, 1}[i*7%11%4]
		labels[i/64] += x[i] * float32(i%5)
	}
	write := func(name string) string {
		var list []weights.Tensor
		for _, a := range []struct {
			name  string
			shape ir.Shape
			x     []float32
		}{{"image", ir.Shape{40, 1, 8, 8}, x}, {"labels", ir.Shape{40}, labels}} {
			raw, err := ir.FloatConst(a.name, a.shape, a.x).Load()
			require.NoError(t, err)
			list = append(list, weights.Tensor{Name: a.name, DType: weights.F32, Shape: a.shape, Data: raw})
		}
		f, err := os.Create(path(name))
		require.NoError(t, err)
		require.NoError(t, weights.WriteNPZ(f, list))
		require.NoError(t, f.Close())
		return path(name)
	}
	data := write("signed.npz")
	dnnctest.Succeed(t, "eval", path("signed.dnn"), "-task", "values", "-calib", data, "-data", data, "-errors", "none", "-dump-dir", path("dumps"))
	found, err := filepath.Glob(path("dumps/*quantize.dnn"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	dump := filepath.Join("dumps", filepath.Base(found[0]))
	measured := func(network string) string {
		out := dnnctest.Succeed(t, "eval", path(network), "-task", "values", "-calib", data, "-data", data, "-errors", "none", "-csv")
		for _, line := range strings.Split(out, "\n") {
			if strings.HasPrefix(line, "quantized,clean") {
				return line
			}
		}
		return out
	}
	assert.Equal(t, measured("signed.dnn"), measured(dump))
	x[77] = -1.01 // beyond half a step
	code, _, stderr := dnnctest.Run(t, "eval", path(dump), "-task", "values", "-data", write("beyond.npz"), "-errors", "none")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "holds -1.01")
}
