package command_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
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
