package metric_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/metric"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// evaluated is what eval says with a program.
type evaluated struct {
	Metric  metric.Outcome
	Results []certificate.Result
}

func eval(t *testing.T, program, network, task, data string) evaluated {
	t.Helper()
	code, stdout, stderr := dnnctest.Run(t, "eval", network, "-task", task, "-data", data, "-calib", data, "-images", "20", "-n", "40", "-errors", "gaussian=.1,.2", "-json", "-metric", program)
	require.Zero(t, code, stderr)
	var got evaluated
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	return got
}

// example is a program of testdata/metric.
func example(name string) string {
	return quote.Shell(filepath.Join(dnnctest.Root, "testdata/metric", name))
}

// TestExamplesEqualTheMeasures: the examples compute what dnnc has as measures, to the last
// digit.
func TestExamplesEqualTheMeasures(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	named(t, path, "fc", "fc1")
	binary := path("score")
	out, err := exec.Command("go", "build", "-o", binary, filepath.Join(dnnctest.Root, "testdata/metric/score.go")).CombinedOutput()
	require.NoError(t, err, string(out))
	programs := []string{quote.Shell(binary)}
	if _, err := exec.LookPath("python3"); err == nil {
		programs = append(programs, "python3 "+example("score.py"))
	}
	for _, program := range programs {
		for _, c := range []struct{ kind, network, task, data string }{
			{"accuracy", "logits", "classes", "labelled"}, {"values", "value", "values", "labelled"}, {"values", "value", "values", "data"},
			{"accuracy", "logits", "classes", "fc"}, {"values", "value", "values", "fc1"},
		} {
			got := eval(t, program+" "+c.kind, path(c.network+".dnn"), c.task, path(c.data+".npz"))
			r := got.Results[0]
			require.NotEmpty(t, r.Figures)
			assert.Equal(t, r.Measure, r.Figures[0].Name)
			assert.Equal(t, r.Figures[0].Float.Value, *got.Metric.Mean.Float, "%s %v", program, c)
			assert.Equal(t, r.Figures[0].Quantized.Value, *got.Metric.Mean.Quantized, "%s %v", program, c)
			require.Len(t, got.Metric.Rows, 3)
			for i, row := range got.Metric.Rows {
				float, quantized := r.Float.Clean, r.Quantized.Clean
				if i > 0 {
					float, quantized = r.Float.Robust[0].Accuracy[i-1], r.Quantized.Robust[0].Accuracy[i-1]
				}
				if c.task == "classes" {
					assert.Equal(t, float, *row.Float, "%s %v", program, c)
					assert.Equal(t, quantized, *row.Quantized, "%s %v", program, c)
					continue
				}
				// A condition's measure of values is the mean of the items' shares of it, whose sum rounds.
				assert.InDelta(t, float, *row.Float, 1e-13, "%s %v", program, c)
				assert.InDelta(t, quantized, *row.Quantized, 1e-13, "%s %v", program, c)
				if c.data == "data" {
					assert.InDelta(t, 0, *row.Constant, 1e-3, "%v: the mean of the answers explains none of their variance", c)
				} else {
					assert.Less(t, *row.Constant, 0., "%v: no constant is better than the mean of the labels", c)
				}
			}
			if c.data == "data" {
				require.NotNil(t, got.Metric.Kept)
				assert.InDelta(t, *r.Kept, *got.Metric.Kept, 1e-6, "the constant answer is the mean, but for float32")
			}
		}
	}
}

// named writes labelled.npz again for each name, as NAME.npz, where the labels have that name.
func named(t *testing.T, path func(string) string, names ...string) {
	t.Helper()
	file, err := weights.Open(path("labelled.npz"))
	require.NoError(t, err)
	images, _ := file.Tensor("images")
	labels, isThere := file.Tensor("labels")
	require.True(t, isThere)
	for _, name := range names {
		labels.Name = name
		npz(t, path(name+".npz"), images, labels)
	}
}

// TestLabelsOfPrograms: labels of the only result are the array labels and that of the result's
// name, whatever the data call them; those of several results have the results' names.
func TestLabelsOfPrograms(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	named(t, path, "fc", "FC", "target")
	for _, c := range []struct {
		network, task, data string
		want                []string
	}{
		{"logits", "classes", "data", []string{"float.fc"}},
		{"logits", "classes", "labelled", []string{"labels", "fc", "float.fc"}},
		{"logits", "classes", "fc", []string{"labels", "fc", "float.fc"}},
		{"logits", "classes", "FC", []string{"labels", "fc", "float.fc"}},
		{"logits", "classes", "target", []string{"labels", "fc", "float.fc"}},
		{"detector", "fc=classes, box=values", "fc", []string{"fc", "float.fc", "float.box"}},
	} {
		saved := path("saved.npz")
		code, _, stderr := dnnctest.Run(t, "eval", path(c.network+".dnn"), "-task", c.task, "-data", path(c.data+".npz"), "-calib", path("data.npz"), "-images", "20", "-n", "40", "-errors", "none",
			"-metric", "sh -c 'cp $2 "+saved+"; echo 1' sh")
		require.Zero(t, code, "%v: %s", c, stderr)
		file, err := weights.Open(saved)
		require.NoError(t, err)
		assert.ElementsMatch(t, c.want, file.Names(), "%v", c)
		for _, name := range []string{"labels", "fc"} {
			if a, ok := file.Tensor(name); ok {
				x, err := a.Float32()
				require.NoError(t, err)
				assert.Equal(t, []int{40}, a.Shape, "%v %s", c, name)
				assert.Equal(t, float32(2), slices.Max(x), "%v %s", c, name)
			}
		}
	}
}

// TestExamplesRefuse answers and labels that they cannot judge, and do not take the float
// network's answers for labels where there are labels of another name.
func TestExamplesRefuse(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "score")
	out, err := exec.Command("go", "build", "-o", binary, filepath.Join(dnnctest.Root, "testdata/metric/score.go")).CombinedOutput()
	require.NoError(t, err, string(out))
	scores, detect := []string{quote.Shell(binary)}, []string(nil)
	if _, err := exec.LookPath("python3"); err == nil {
		scores = append(scores, "python3 "+example("score.py"))
	}
	for _, program := range detectors(t) {
		detect = append(detect, program)
	}
	pairs := func(names ...string) (list []weights.Tensor) {
		for _, name := range names {
			list = append(list, tensor(t, name, []int{2, 2}, []float32{.25, .75, .75, .25}))
		}
		return list
	}
	one := func(name string) weights.Tensor { return tensor(t, name, []int{2}, []float32{0, 1}) }
	boxes := func(names ...string) (list []weights.Tensor) {
		for _, name := range names {
			list = append(list, tensor(t, name, []int{2, 4}, []float32{0, 0, 1, 1, 0, 0, 1, 1}))
		}
		return list
	}
	for _, c := range []struct {
		programs         []string
		args             string
		answers, against []weights.Tensor
		want             string
	}{
		{scores, "accuracy", pairs("y"), append(pairs("float.y"), one("target")), "labels.npz has labels as target, not as labels"},
		{scores, "accuracy", pairs("y", "z"), append(pairs("float.y", "float.z"), one("labels")), "2 results, not one"},
		{scores, "accuracy", pairs("y"), pairs("float.y", "labels"), "2 numbers an item in labels, not one"},
		{scores, "values", pairs("y"), append(pairs("float.y"), one("labels")), "2 numbers an item in y, not one"},
		{detect, "map box score xyxy", append(boxes("box"), pairs("score")...), append(append(boxes("float.box"), pairs("float.score")...), one("target")), "labels.npz has labels as target, not as box and score"},
		{detect, "map box score xyxy", append(boxes("box"), pairs("score")...), append(append(boxes("float.box"), pairs("float.score")...), one("score")), "labels.npz has labels as score, not as box and score"},
		{detect, "map box score xyxy", append(boxes("box"), pairs("score")...), append(append(boxes("float.box"), pairs("float.score")...), boxes("box")...), "labels.npz has labels as box, not as box and score"},
	} {
		answers, against := npz(t, filepath.Join(dir, "answers.npz"), c.answers...), npz(t, filepath.Join(dir, "labels.npz"), c.against...)
		for _, program := range c.programs {
			out, err := exec.Command("sh", "-c", program+" "+c.args+" "+answers+" "+against).CombinedOutput()
			assert.Error(t, err, "%s %s", program, c.want)
			assert.Contains(t, string(out), c.want, program)
		}
	}
}

// TestFaultyProgramsAreDiagnostics: one that fails, hangs, or prints nonsense or nothing
// leaves no number.
func TestFaultyProgramsAreDiagnostics(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	for program, want := range map[string]string{
		`sh -c 'echo first >&2; echo no such thing >&2; exit 3'`: "-metric sh: exit status 3",
		`sh -c 'sleep 20'`:            "it did not end within 300ms",
		`sh -c 'true'`:                "it printed nothing",
		`sh -c 'echo'`:                "it printed nothing",
		`sh -c 'echo good'`:           `it printed "good", not one number`,
		`sh -c 'echo 1 2'`:            `it printed "1 2", not one number`,
		`sh -c 'echo 1_000'`:          `it printed "1_000", not one number`,
		`sh -c 'echo 0x1p3'`:          `it printed "0x1p3", not one number`,
		`sh -c 'echo nan'`:            `it printed "nan", not one number`,
		`sh -c 'echo inf'`:            `it printed "inf", not one number`,
		`sh -c 'yes | head -100000'`:  "not one number",
		`yes`:                         "-metric yes: it printed more than 4096 bytes, not one number",
		`sh -c 'trap "" PIPE; yes'`:   "-metric sh: it printed more than 4096 bytes, not one number",
		`sh -c 'yes >&2'`:             "it did not end within 300ms",
		`sh -c 'echo 1; echo 2'`:      `it printed "1\n2", not one number`,
		`sh -c 'echo -1e400'`:         `it printed "-1e400", not one number`,
		`sh -c 'exec >&-; true'`:      "it printed nothing",
		`sh -c 'kill -9 $$'`:          "-metric sh: signal: killed",
		`sh -c 'sleep 20; echo 1'`:    "it did not end within 300ms",
		`sh -c 'sleep 20 & wait'`:     "it did not end within 300ms",
		`sh -c 'sleep 20 & echo 1'`:   "it ended, but a process that it started still holds its output",
		`sh -c 'printf "\033[2Jx"'`:   "not one number",
		path("no-such-program"):       "no-such-program",
		`sh -c 'test -e $0' /nowhere`: "-metric sh: exit status 1",
	} {
		code, stdout, stderr := dnnctest.Run(t, "eval", path("value.dnn"), "-task", "values", "-data", path("data.npz"), "-images", "20", "-n", "20", "-errors", "none", "-metric", program, "-metric-time", "300ms")
		assert.Equal(t, command.AtFault, code, program)
		assert.NotContains(t, stdout, "rmse  ", program)
		assert.Contains(t, stderr, want, program)
		assert.NotContains(t, stderr, "\033", program)
		assert.Contains(t, stderr, "help: the program gets answers.npz and labels.npz, and prints one number", program)
		assert.Equal(t, want == "-metric sh: exit status 3", strings.Contains(stderr, "its last line of messages: no such thing"), program)
	}
	for _, more := range [][]string{{"-boundary", "-errors", "gaussian"}, {"-plane", path("p.png")}, {"-csv"}} {
		code, _, stderr := dnnctest.Run(t, append([]string{"eval", path("value.dnn"), "-task", "values", "-data", path("data.npz"), "-metric", "true"}, more...)...)
		assert.Equal(t, command.AtFault, code)
		assert.Contains(t, stderr, "have no place for them")
	}
}

// TestProgramsLeaveNothing: what a program starts ends with it, whether the program ends by
// itself or in time; closing its input or reading it does no harm.
func TestProgramsLeaveNothing(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	for program, isDone := range map[string]bool{
		"sh -c 'sleep 30 >/dev/null 2>&1 & echo $! >>$PIDS; echo 1'": true,
		"sh -c 'sleep 30 & echo $! >>$PIDS; echo 1'":                 false,
		// In a session of its own.
		`sh -c 'setsid sh -c "echo \$\$ >$PIDS; exec sleep 30" >/dev/null 2>&1 & until test -s $PIDS; do :; done; echo 1'`: true,
		`sh -c 'setsid sh -c "echo \$\$ >$PIDS; exec sleep 30" & wait; echo 1'`:                                            false,
		"sh -c 'sleep 30 & echo $! >>$PIDS; wait; echo 1'":                                                                 false,
		"sh -c 'exec <&-; echo 1'": true,
		"sh -c 'cat; echo 1'":      true,
	} {
		pids := filepath.Join(t.TempDir(), "pids")
		t.Setenv("PIDS", pids)
		limit := "500ms"
		if isDone {
			limit = "1m"
		}
		code, _, stderr := dnnctest.Run(t, "eval", path("value.dnn"), "-task", "values", "-data", path("data.npz"), "-images", "20", "-n", "20", "-errors", "none", "-metric", program, "-metric-time", limit)
		assert.Equal(t, isDone, code == command.Done, "%s: %s", program, stderr)
		if !strings.Contains(program, "PIDS") {
			continue
		}
		raw, err := os.ReadFile(pids)
		require.NoError(t, err, program)
		for _, pid := range strings.Fields(string(raw)) {
			n, err := strconv.Atoi(pid)
			require.NoError(t, err)
			assert.Eventually(t, func() bool { return isGone(n) }, 5*time.Second, 20*time.Millisecond, "%s: process %d", program, n)
		}
	}
}

// isGone reports a process that is none, or waits to be collected.
func isGone(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(raw), ") Z ")
}

// TestTable: people read it below the measures.
func TestTable(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	code, stdout, stderr := dnnctest.Run(t, "eval", path("value.dnn"), "-task", "values", "-data", path("data.npz"), "-images", "20", "-n", "20", "-errors", "gaussian=.1", "-metric", "sh -c 'echo 1'")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "-metric sh  size  float  quantized  constant answer")
	assert.Contains(t, stdout, "by -metric the quantized network has - of what the float network is above the constant answer")
}
