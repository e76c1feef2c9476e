package command_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// TestUnclearTasksAreRefused: a network that is not surely one of one label an item is
// judged by no command, and says what it could be, where, and the way out.
func TestUnclearTasksAreRefused(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	for name, want := range map[string]string{
		"logits":   "logits.dnn:5:8: task: what the result fc means is not clear",
		"value":    "value.dnn:5:9: task: the result fc1 is one number",
		"binary":   "binary.dnn:6:7: task: the result p is one number",
		"seg":      "seg.dnn:3:10: task: the result conv is [6,6,6]: more than one label an item",
		"detector": "detector.dnn:5:8: task: the network has 2 results, fc [3] and box [4], and what the result fc means is not clear",
		"same":     "same.dnn:6:11: task: the result again is [1,8,8]",
	} {
		for _, words := range [][]string{
			{"-O", "robust", "-bits", "3", "-target", "x86_64", "-o", path("out.o")},
			{"-O", "robust", "-keep", ".9", "-target", "x86_64", "-o", path("out.o")},
			{"-O", "compress", "-bits", "3", "-target", "x86_64", "-o", path("out.o")},
			{"-target", "x86_64", "-report", "accuracy", "-o", path("out.o")},
			{"verify", "-O", "robust", "-bits", "3", "-target", "x86_64"},
			{"pareto"}, {"compare"}, {"report", "-o", path("out.html")}, {"eval"}, {"eval", "-boundary"}, {"eval", "-plane", path("out.png")}, {"eval", "-json", "-O", "robust"},
		} {
			args := append(words, path(name+".dnn"), "-images", "20", "-n", "20", "-calib", path("data.npz"), "-data", path("data.npz"), "-errors", "gaussian=0.1")
			code, stdout, stderr := dnnctest.Run(t, args...)
			assert.Equal(t, command.AtFault, code, "%v", args)
			assert.Empty(t, stdout, "%v", args)
			assert.Contains(t, stderr, want, "%v", args)
			assert.Contains(t, stderr, "help: ", "%v", args)
			for _, out := range []string{"out.o", "out.html", "out.png"} {
				assert.NoFileExists(t, path(out), "%v", args)
			}
		}
	}
	// Guided errors follow the margin of one label an item.
	code, _, stderr := dnnctest.Run(t, path("value.dnn"), "-target", "x86_64", "-images", "20", "-calib", path("data.npz"), "-errors", "light=0.1", "-o", path("out.o"))
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "value.dnn:5:9: task: the result fc1 is one number")
}

// TestTaskIsSaid: the first line of every command that measures says task, measure and
// labels; programs read it in JSON.
func TestTaskIsSaid(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	common := []string{"-images", "20", "-n", "20", "-errors", "gaussian=0.1", "-formats", "odd"}
	for _, c := range []struct {
		network, data string
		args          []string
		task, labels  string
	}{
		{"classes", "data", nil, "result [3] of a softmax", "the float network's own answers on data.npz"},
		{"classes", "labelled", nil, "result [3] of a softmax", "labelled.npz"},
		{"logits", "labelled", nil, "result [3] and whole-number labels", "labelled.npz"},
		{"logits", "data", []string{"-task", "classes"}, "result [3] and -task classes", "the float network's own answers on data.npz"},
	} {
		args := append(append([]string{path(c.network + ".dnn"), "-calib", path(c.data + ".npz"), "-data", path(c.data + ".npz")}, common...), c.args...)
		line := "task: classes (" + c.task + "), measure: accuracy, labels: "
		const input = ", input image is an image [1,8,8]\n"
		once, both := c.labels+input, c.labels+" (search), "+c.labels+" (report)"+input
		for _, measuring := range []struct {
			name, labels string
			args         []string
		}{
			{"eval", once, nil}, {"eval", both, []string{"-O", "robust", "-bits", "3"}}, {"eval", once, []string{"-boundary", "-errors", "gaussian"}},
			{"pareto", once, []string{"-sizes", "2"}}, {"compare", both, []string{"-sizes", "3", "-methods", "qed,universal"}},
		} {
			code, stdout, stderr := dnnctest.Run(t, append(append([]string{measuring.name}, args...), measuring.args...)...)
			require.Zero(t, code, "%s %v: %s", measuring.name, args, stderr)
			assert.True(t, strings.HasPrefix(stdout, line+measuring.labels), "%s: %s", measuring.name, stdout)
			assert.NotContains(t, stderr, "task:")
		}
		code, stdout, stderr := dnnctest.Run(t, append([]string{"eval", "-json"}, args...)...)
		require.Zero(t, code, stderr)
		var got struct{ Measured certificate.Measured }
		require.NoError(t, json.Unmarshal([]byte(stdout), &got))
		assert.Equal(t, "classes", got.Measured.Task)
		assert.Equal(t, "accuracy", got.Measured.Measure)
		assert.Contains(t, stderr, line+once)
	}
	if _, err := llvm.Find(""); err != nil {
		return
	}
	code, stdout, stderr := dnnctest.Run(t, append([]string{path("logits.dnn"), "-target", "x86_64", "-O", "robust", "-bits", "3", "-calib", path("labelled.npz"), "-o", path("net.o")}, common...)...)
	require.Zero(t, code, stderr)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "task: classes (result [3] and whole-number labels), measure: accuracy, labels: labelled.npz (search), the float network's own answers on noise (report), input image is an image [1,8,8]\n")
}

// TestLabelsAreSaidOfEachResult: a result without labels is told from one that has some, and
// labels of a reconstruction that tell nothing are said to be those.
func TestLabelsAreSaidOfEachResult(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	const n = 12
	write := func(name string, arrays ...weights.Tensor) string {
		require.NoError(t, os.WriteFile(path(name), []byte(npzOf(t, append(arrays, filled("x", weights.F32, func(i int) float32 { return float32(i*i%251) / 251 }, n, 1, 8, 8))...)), 0o644))
		return path(name)
	}
	class := func(i int) float32 { return float32(i % 3) }
	zero := func(int) float32 { return 0 }
	for _, c := range []struct{ network, task, data, said string }{
		{"detector", "fc=classes, box=values", write("fc.npz", filled("fc", weights.U8, class, n)), "task: fc classes (result [3] and -task classes), measure: accuracy, labels: fc of fc.npz; box values (result [4] and -task values), measure: 1 - rmse/std, labels: the float network's own answers on fc.npz; input image"},
		{"detector", "fc=classes, box=values", write("fc.npz", filled("fc", weights.U8, class, n)), "\nNO LABELS of box: the float network's own answers are the labels\n"},
		{"detector", "fc=classes, box=values", write("no.npz"), "\nNO LABELS: the float network's own answers are the labels\n"},
		{"same", "reconstruction", write("normal.npz", filled("anomaly", weights.U8, zero, n)), "labels: the float network's own answers on normal.npz, where every label is 0, input image"},
		{"value", "binary", write("reals.npz", filled("y", weights.F32, func(int) float32 { return .7 }, n)), "image 0 has the label 0.7: labels of binary are 0 or 1\n    help: 0 or 1; another -task, or other labels"},
		{"value", "values axis: 0", write("none.npz"), "-task values axis: 0: an axis is of classes, one for each position; this is values"},
	} {
		_, stdout, stderr := dnnctest.Run(t, "eval", path(c.network+".dnn"), "-calib", path("data.npz"), "-images", "8", "-errors", "none", "-task", c.task, "-data", c.data)
		assert.Contains(t, stdout+stderr, c.said, c.network)
	}
}

// TestSeenItemsAreSaid: images to report on that calibrate from another file are warned of
// by build, eval and compare.
func TestSeenItemsAreSaid(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	const n = 24
	pixels := func(i int) float32 { return float32(i*i%251) / 251 }
	x := filled("x", weights.F32, pixels, n, 1, 8, 8)
	part := filled("x", weights.F32, pixels, n/4, 1, 8, 8)
	other := filled("x", weights.F32, func(i int) float32 { return pixels(i + 1) }, n/4, 1, 8, 8)
	for name, a := range map[string]weights.Tensor{"all": x, "part": part, "other": other} {
		require.NoError(t, os.WriteFile(path(name+".npz"), []byte(npzOf(t, a)), 0o644))
	}
	for data, seen := range map[string]bool{"part": true, "other": false} {
		for _, command := range [][]string{{"eval"}, {"compare", "-sizes", "4", "-methods", "qed,universal", "-n", "6"}, {"-target", "x86_64", "-emit", "c", "-O", "int8", "-o", path("seen.c")}} {
			args := append(command, path("classes.dnn"), "-calib", path("all.npz"), "-data", path(data+".npz"), "-errors", "none")
			code, _, stderr := dnnctest.Run(t, args...)
			require.Zero(t, code, stderr)
			assert.Equal(t, seen, strings.Contains(stderr, "[seen-images] 6 of the 6 images to report on are among those that the build saw"), "%v: %s", args, stderr)
		}
	}
}

func TestTaskFlag(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	for args, want := range map[string]string{
		"eval -task values detector":                                "the network has 2 results, fc [3] and box [4], and each has a task",
		"eval -task clases logits":                                  `did you mean "classes"?`,
		"eval -task classes value":                                  "the result fc1 is one number",
		"eval -task classes seg":                                    "more than one label an item",
		"eval -task binary logits":                                  "binary is one number",
		"eval -task reconstruction logits":                          "a reconstruction has the size of an input",
		"eval -task embedding binary":                               "embedding is several numbers",
		"eval -boundary -task values logits":                        "a boundary distance needs one answer an item that is right or wrong",
		"eval -plane out.png -task values logits":                   "a plane of decisions needs one answer",
		"eval -errors light=.1 -task values logits":                 "guided follow how right an answer is, and values has no such thing without labels",
		"eval -errors light=.1 -task embedding logits":              "guided follow how right an answer is, and embedding has no such thing",
		"eval -O robust -search fisher -bits 3 -task values logits": "the Fisher information is of the likelihood of one label an item",
		"pareto -task classes same":                                 "more than one label an item",
	} {
		list := strings.Fields(args)
		list[len(list)-1] = path(list[len(list)-1] + ".dnn")
		code, _, stderr := dnnctest.Run(t, append(list, "-images", "20", "-calib", path("data.npz"))...)
		assert.Equal(t, command.AtFault, code, args)
		assert.Contains(t, stderr, want, args)
	}
}
