package frontend_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/syntax"
	"github.com/dnnc/dnnc/ir"
)

// tasksOf reads a network whose results are declared so.
func tasksOf(results string, returned string) (*ir.Module, error) {
	return frontend.Parse("n.dnn", []byte("network n(x: f32[3,4,4] in [0,1]) -> "+results+" {\n  a = relu(x)\n  b = flatten(a)\n  return "+returned+"\n}\n"), frontend.Options{})
}

// TestResultsHaveTasks: what a text says of a result is printed, formatted and read again.
func TestResultsHaveTasks(t *testing.T) {
	for said, want := range map[string]string{
		"f32[3,4,4] classes":                          "f32[3,4,4] classes",
		"f32[3,4,4] classes axis: 0":                  "f32[3,4,4] classes axis: 0",
		"f32[3,4,4] task:values":                      "f32[3,4,4] values",
		"f32[3,4,4] weight:0.50 task: reconstruction": "f32[3,4,4] reconstruction weight: 0.5",
		"f32[3,4,4]":                                  "f32[3,4,4]",
		"f32[3,4,4] name:est":                         "f32[3,4,4] name: est",
		"f32[3,4,4] name:est.0 weight: 2 values":      "f32[3,4,4] values weight: 2 name: est.0",
	} {
		m, err := tasksOf(said, "a")
		require.NoError(t, err, said)
		text := m.Source()
		assert.Contains(t, text, "-> "+want+" {", said)
		assert.Equal(t, text, m.Clone().Source())
		again, err := frontend.Parse("n.dnn", []byte(text), frontend.Options{})
		require.NoError(t, err, text)
		assert.Equal(t, m.Tasks, again.Tasks)
		formatted, list := syntax.Format("n.dnn", []byte(text))
		require.Empty(t, list)
		assert.Equal(t, text, string(formatted))
	}
	m, err := tasksOf("f32[3,4,4] classes axis: 0 weight: 2, f32[48]", "a, b")
	require.NoError(t, err)
	assert.Equal(t, ir.Task{Name: ir.Classes, Axis: 0, Weight: 2}, m.TaskOf(0))
	assert.Equal(t, ir.Task{Axis: ir.NoAxis}, m.TaskOf(1))
	assert.Contains(t, m.String(), "-> f32[3,4,4] classes axis: 0 weight: 2, f32[48] {")
	assert.Equal(t, []string{"a", "b"}, []string{m.ResultName(0), m.ResultName(1)}, "of their values")
	m, err = tasksOf("f32[3,4,4] name: b, f32[48] name: a", "a, b")
	require.NoError(t, err)
	assert.Equal(t, []string{"b", "a"}, []string{m.ResultName(0), m.ResultName(1)})
	require.Empty(t, ir.Verify(m))
	m, err = tasksOf("f32[3,4,4], f32[48] name: a", "a, b")
	require.NoError(t, err)
	require.ErrorContains(t, ir.Verify(m).Err(), "V8: two results are called a")
}

func TestFaultsOfTasks(t *testing.T) {
	for said, want := range map[string]string{
		"f32[3,4,4] clases":          `no task "clases": the tasks are classes binary multilabel values reconstruction embedding`,
		"f32[3,4,4] weight: 2":       "the result has no task, only weight",
		"f32[3,4,4] values weight:0": "the weight 0 is no number above 0",
		"f32[3,4,4] values axis: 0":  "an axis is of classes",
		"f32[3,4,4] classes axis: 3": "axis 3 of a result of [3,4,4]",
		"f32[3,4,4] classes axs: 0":  `a result has no "axs": it has task, axis, weight, name`,
		"f32[3,4,4] name: 3":         `"3" is no name of a result: it has letters, digits and _, with points between`,
		"f32[3,4,4] name: a-b":       `"a-b" is no name of a result`,
		"f32[3,4,4] classes values":  "n.dnn:1:57: bad-value: task stands twice",
	} {
		_, err := tasksOf(said, "a")
		require.Error(t, err, said)
		assert.Contains(t, err.Error(), want)
		assert.Contains(t, err.Error(), "n.dnn:1:")
	}
}

func TestTasksOfFlags(t *testing.T) {
	task, _, err := ir.ParseTask("classes axis:1 weight: .25")
	require.NoError(t, err)
	assert.Equal(t, ir.Task{Name: ir.Classes, Axis: 1, Weight: .25}, task)
	for _, text := range []string{"", "axis: 1", "classes axis", "classes axis:", "values weight: x", "values classes", "values axis: 0", "axis: 0 embedding", "values name: x"} {
		_, _, err := ir.ParseTask(text)
		assert.Error(t, err, text)
	}
}

// inputOf reads a network whose input is declared so.
func inputOf(declared string) (*ir.Module, error) {
	return frontend.Parse("n.dnn", []byte("network n(x: "+declared+") -> f32[6] {\n  a = flatten(x)\n  return a\n}\n"), frontend.Options{})
}

// TestInputsHaveKinds: what a text says of an input is printed, formatted and read again;
// what it does not say is by its shape.
func TestInputsHaveKinds(t *testing.T) {
	for said, c := range map[string]struct {
		printed string
		holds   ir.Content
	}{
		"f32[6] in [0,1]":                       {"f32[6] in [0,1]", ir.Content{Kind: ir.Features, Axis: ir.NoAxis}},
		"f32[6] in [0,1] signal":                {"f32[6] in [0,1] signal", ir.Content{Kind: ir.Signal, Axis: 0}},
		"f32[2,3] in [0,1]":                     {"f32[2,3] in [0,1]", ir.Content{Kind: ir.Signal, Axis: 1}},
		"f32[2,3] in [0,1] kind:signal axis: 0": {"f32[2,3] in [0,1] signal axis: 0", ir.Content{Kind: ir.Signal, Axis: 0}},
		"f32[6,1] in [0,1]":                     {"f32[6,1] in [0,1]", ir.Content{Kind: ir.Signal, Axis: 0}},
		"f32[2,3] in [0,1] image":               {"f32[2,3] in [0,1] image", ir.Content{Kind: ir.Image, Axis: ir.NoAxis}},
		"f32[2,3] in [0,1] axis:0 kind: signal": {"f32[2,3] in [0,1] signal axis: 0", ir.Content{Kind: ir.Signal, Axis: 0}},
		"f32[1,2,3] in [0,1]":                   {"f32[1,2,3] in [0,1]", ir.Content{Kind: ir.Image, Axis: ir.NoAxis}},
		"f32[2,1,3] in [0,1]":                   {"f32[2,1,3] in [0,1]", ir.Content{Kind: ir.Signal, Axis: 2}},
		"f32[2,3,1] in [0,1]":                   {"f32[2,3,1] in [0,1]", ir.Content{Kind: ir.Signal, Axis: 1}},
		"f32[6,1,1] in [0,1]":                   {"f32[6,1,1] in [0,1]", ir.Content{Kind: ir.Features, Axis: ir.NoAxis}},
		"f32[1,2,3] in [0,1] features":          {"f32[1,2,3] in [0,1] features", ir.Content{Kind: ir.Features, Axis: ir.NoAxis}},
	} {
		m, err := inputOf(said)
		require.NoError(t, err, said)
		assert.Equal(t, c.holds, m.Inputs[0].Holds(), said)
		text := m.Source()
		assert.Contains(t, text, "network n(x: "+c.printed+") ->", said)
		assert.Equal(t, text, m.Clone().Source())
		again, err := frontend.Parse("n.dnn", []byte(text), frontend.Options{})
		require.NoError(t, err, text)
		assert.Equal(t, c.holds, again.Inputs[0].Holds(), said)
		formatted, list := syntax.Format("n.dnn", []byte(text))
		require.Empty(t, list)
		assert.Equal(t, text, string(formatted))
	}
}

func TestFaultsOfKinds(t *testing.T) {
	for said, want := range map[string]string{
		"f32[6] in [0,1] signl":              `no kind of input "signl": the kinds are image signal features`,
		"f32[6] in [0,1] axis: 0":            "the input x has no kind, only axis",
		"f32[6] in [0,1] signal axis: 1":     "axis 1 of an input of [6]",
		"f32[6] in [0,1] features axis: 0":   "an axis is of a signal",
		"f32[6] in [0,1] image":              "an image is [C,H,W], or [H,W] of one plane; this input is [6]",
		"f32[1,1,2,3] in [0,1] image":        "an image is [C,H,W]",
		"f32[6] in [0,1] signal axs: 0":      `an input has no "axs"`,
		"f32[6] in [0,1] signal features":    "kind stands twice",
		"f32[6] in [0,1] signal axis: -1":    "the axis -1 is no whole number",
		"f32[6] in [0,1] signal axis: 1e400": "no whole number",
	} {
		_, err := inputOf(said)
		require.Error(t, err, said)
		assert.Contains(t, err.Error(), want)
		assert.Contains(t, err.Error(), "n.dnn:1:")
	}
	for _, text := range []string{"", "axis: 1", "signal axis", "signal axis:", "features axis: x", "signal axis: 0 axis: 0"} {
		_, _, err := ir.ParseContent(text)
		assert.Error(t, err, text)
	}
}
