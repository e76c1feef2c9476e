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
}

func TestFaultsOfTasks(t *testing.T) {
	for said, want := range map[string]string{
		"f32[3,4,4] clases":          `no task "clases": the tasks are classes binary multilabel values reconstruction embedding`,
		"f32[3,4,4] weight: 2":       "the result has no task, only weight",
		"f32[3,4,4] values weight:0": "the weight 0 is no number above 0",
		"f32[3,4,4] values axis: 0":  "an axis is of classes",
		"f32[3,4,4] classes axis: 3": "axis 3 of a result of [3,4,4]",
		"f32[3,4,4] classes axs: 0":  `a result has no "axs"`,
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
	for _, text := range []string{"", "axis: 1", "classes axis", "classes axis:", "values weight: x"} {
		_, _, err := ir.ParseTask(text)
		assert.Error(t, err, text)
	}
}
