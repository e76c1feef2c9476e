package measure_test

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/measure"
)

// network is a module whose results come from operations on an input.
func network(input ir.Shape, build ...func(x *ir.Value) *ir.Value) *ir.Module {
	in := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: input}}
	m := &ir.Module{Name: "n", Inputs: []*ir.Value{in}}
	for _, b := range build {
		m.Outputs = append(m.Outputs, b(in))
	}
	return m
}

func op(op ir.Op, shape ir.Shape, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
	n := &ir.Node{Op: op, Args: args, Attrs: attrs}
	n.Out = &ir.Value{Name: op.String(), Type: ir.Type{Elem: ir.Of(ir.F32), Shape: shape}, Def: n, Pos: diag.Pos{File: "n.dnn", Line: 7, Col: 3}}
	return n.Out
}

func ends(o ir.Op, shape ir.Shape, attrs ...ir.Attr) func(x *ir.Value) *ir.Value {
	return func(x *ir.Value) *ir.Value { return op(o, shape, []*ir.Value{x}, attrs...) }
}

// direction ends in elements that are divided by their own length, as importers have it.
func direction(size int) func(x *ir.Value) *ir.Value {
	return func(x *ir.Value) *ir.Value {
		own := op(ir.Linear, ir.Shape{size}, []*ir.Value{x})
		row := op(ir.Reshape, ir.Shape{1, size}, []*ir.Value{own})
		squares := op(ir.MatMul, ir.Shape{1, 1}, []*ir.Value{row, op(ir.Reshape, ir.Shape{size, 1}, []*ir.Value{own})})
		least := op(ir.Clip, ir.Shape{1, 1}, []*ir.Value{op(ir.Sqrt, ir.Shape{1, 1}, []*ir.Value{squares})})
		wide := op(ir.Copy, ir.Shape{size}, []*ir.Value{least})
		return op(ir.Flatten, ir.Shape{size}, []*ir.Value{op(ir.Mul, ir.Shape{size}, []*ir.Value{own, op(ir.Reciprocal, ir.Shape{size}, []*ir.Value{wide})})})
	}
}

// directions is two of them, one after the other.
func directions(size int) func(x *ir.Value) *ir.Value {
	return func(x *ir.Value) *ir.Value {
		return op(ir.Concat, ir.Shape{2 * size}, []*ir.Value{direction(size)(x), direction(size)(x)})
	}
}

// gated ends in elements times a number that is made of others, or of them without a root.
func gated(ofAnother bool) func(x *ir.Value) *ir.Value {
	return func(x *ir.Value) *ir.Value {
		own := op(ir.Linear, ir.Shape{10}, []*ir.Value{x})
		of := own
		if ofAnother {
			of = op(ir.Sqrt, ir.Shape{10}, []*ir.Value{x})
		}
		gate := op(ir.Reduce, ir.Shape{1}, []*ir.Value{of})
		return op(ir.Mul, ir.Shape{10}, []*ir.Value{own, op(ir.Copy, ir.Shape{10}, []*ir.Value{gate})})
	}
}

func axis(n int) ir.Attr { return ir.AttrAxis.Is(n) }

func TestTaskIsInferredWhereItCannotBeMistaken(t *testing.T) {
	image := ir.Shape{3, 8, 8}
	softmaxThenFlat := func(x *ir.Value) *ir.Value {
		y := op(ir.Softmax, ir.Shape{10, 1, 1}, []*ir.Value{x}, axis(0))
		return op(ir.Flatten, ir.Shape{10}, []*ir.Value{y})
	}
	flatThenSoftmax := func(x *ir.Value) *ir.Value {
		y := op(ir.Flatten, ir.Shape{10}, []*ir.Value{x})
		return op(ir.Softmax, ir.Shape{10}, []*ir.Value{y})
	}
	// As TensorFlow Lite's integers have it: classes along the last axis of rows, brought to
	// the front.
	moved := func(perm ...int) func(x *ir.Value) *ir.Value {
		return func(x *ir.Value) *ir.Value {
			y := op(ir.Softmax, ir.Shape{64, 4}, []*ir.Value{x}, axis(1))
			y = op(ir.Reshape, ir.Shape{8, 8, 4}, []*ir.Value{y}, ir.AttrShape.Is([]int{8, 8, 4}))
			shape := ir.Shape{8, 8, 4}
			return op(ir.Transpose, ir.Shape{shape[perm[0]], shape[perm[1]], shape[perm[2]]}, []*ir.Value{y}, ir.AttrPerm.Is(perm))
		}
	}
	torn := func(x *ir.Value) *ir.Value {
		y := op(ir.Softmax, ir.Shape{64, 4}, []*ir.Value{x}, axis(1))
		return op(ir.Reshape, ir.Shape{4, 8, 8}, []*ir.Value{y}, ir.AttrShape.Is([]int{4, 8, 8}))
	}
	labels := []int{0, 9, 3}
	for name, c := range map[string]struct {
		m      *ir.Module
		asked  string
		labels []int
		want   string // the task's line, or part of the diagnostic
		isTask bool
	}{
		"softmax":                {network(image, ends(ir.Softmax, ir.Shape{10})), "", nil, "task: classes (result [10] of a softmax), measure: accuracy", true},
		"softmax of an image":    {network(image, ends(ir.Softmax, ir.Shape{10, 1, 1})), "", nil, "result [10,1,1] of a softmax", true},
		"logsoftmax":             {network(image, ends(ir.LogSoftmax, ir.Shape{1, 10}, axis(1))), "", nil, "result [1,10] of a logsoftmax", true},
		"softmax, then flat":     {network(image, softmaxThenFlat), "", nil, "result [10] of a softmax", true},
		"flat, then softmax":     {network(image, flatThenSoftmax), "", nil, "result [10] of a softmax", true},
		"softmax of one element": {network(image, ends(ir.Softmax, ir.Shape{1, 10}, axis(0))), "", nil, "not clear", false},
		"logits with labels":     {network(image, ends(ir.Linear, ir.Shape{10})), "", labels, "result [10] and whole-number labels", true},
		"logits without":         {network(image, ends(ir.Linear, ir.Shape{10})), "", nil, "not clear", false},
		"logits, told":           {network(image, ends(ir.Linear, ir.Shape{10})), "classes", nil, "result [10] and -task classes", true},
		"sigmoids without":       {network(image, ends(ir.Sigmoid, ir.Shape{10})), "", nil, "multilabel", false},
		"labels beyond":          {network(image, ends(ir.Linear, ir.Shape{10})), "", []int{0, 10}, "image 1 has the label 10, the network has 10 classes", false},
		"a vector again":         {network(ir.Shape{10}, ends(ir.Linear, ir.Shape{10})), "", labels, "reconstruction", false},
		"a vector again, told":   {network(ir.Shape{10}, ends(ir.Linear, ir.Shape{10})), "classes", labels, "-task classes", true},
		"one number":             {network(image, ends(ir.Linear, ir.Shape{1})), "", []int{0, 0}, "one number", false},
		"one number, told":       {network(image, ends(ir.Sigmoid, ir.Shape{1})), "classes", nil, "one number", false},
		"segmentation":           {network(image, ends(ir.Softmax, ir.Shape{4, 8, 8})), "", nil, "classes (result [4,8,8] of a softmax along axis 0), measure: pixel accuracy", true},
		"segmentation, moved":    {network(image, moved(2, 0, 1)), "", nil, "result [4,8,8] of a softmax along axis 0", true},
		"moved between":          {network(image, moved(0, 2, 1)), "", nil, "result [8,4,8] of a softmax along axis 1", true},
		"rows, not along":        {network(image, torn), "", nil, "more than one label an item", false},
		"segmentation of logits": {network(image, ends(ir.Linear, ir.Shape{4, 8, 8})), "", nil, "classes axis: 0", false},
		"its axis, told":         {network(image, ends(ir.Linear, ir.Shape{4, 8, 8})), "classes axis: 0", nil, "task: classes (result [4,8,8] and -task 'classes axis: 0'), measure: pixel accuracy", true},
		"an axis of a vector":    {network(image, ends(ir.Linear, ir.Shape{1, 10})), "classes axis: 1", nil, "measure: accuracy", true},
		"no such axis":           {network(image, ends(ir.Linear, ir.Shape{4, 8, 8})), "classes axis: 3", nil, "no classes along axis 3", false},
		"a sigmoid, told":        {network(image, ends(ir.Sigmoid, ir.Shape{1})), "binary", nil, "task: binary (result [1] and -task binary), measure: accuracy at .5", true},
		"binary of several":      {network(image, ends(ir.Sigmoid, ir.Shape{3})), "binary", nil, "binary is one number", false},
		"several labels":         {network(image, ends(ir.Sigmoid, ir.Shape{3})), "multilabel", nil, "measure: accuracy at .5", true},
		"several labels of one":  {network(image, ends(ir.Sigmoid, ir.Shape{1})), "multilabel", nil, "multilabel is several numbers", false},
		"values":                 {network(image, ends(ir.Linear, ir.Shape{1})), "values", nil, "measure: 1 - rmse/std", true},
		"the input again":        {network(image, ends(ir.Linear, image)), "reconstruction", nil, "measure: AUC of the score", true},
		"no input again":         {network(image, ends(ir.Linear, ir.Shape{10})), "reconstruction", nil, "has the size of an input", false},
		"a direction":            {network(image, ends(ir.Linear, ir.Shape{10})), "embedding", nil, "measure: cosine", true},
		"a direction, no scores": {network(image, direction(10)), "", labels, "it is [10], divided by its own length, as an embedding is", false},
		"directions":             {network(image, directions(5)), "", labels, "divided by its own length", false},
		"a direction, told":      {network(image, direction(10)), "classes", labels, "-task classes", true},
		"gated scores":           {network(image, gated(true)), "", labels, "whole-number labels", true},
		"shares of a sum":        {network(image, gated(false)), "", labels, "whole-number labels", true},
		"no result of this name": {network(image, ends(ir.Linear, ir.Shape{10})), "box=values", nil, "no result box", false},
		"two, each told":         {network(image, ends(ir.Sigmoid, ir.Shape{3}), ends(ir.Linear, ir.Shape{4})), "sigmoid=multilabel, linear=values weight: .5", nil, "task: sigmoid multilabel (result [3] and -task multilabel), measure: accuracy at .5; linear values (result [4] and -task values, weight 0.5), measure: 1 - rmse/std", true},
		"two, one is clear":      {network(image, ends(ir.Softmax, ir.Shape{10}), ends(ir.Linear, ir.Shape{4})), "linear=values", nil, "task: softmax classes (result [10] of a softmax), measure: accuracy; linear values (result [4] and -task values), measure: 1 - rmse/std", true},
		"segmentation, told":     {network(image, ends(ir.Softmax, ir.Shape{4, 8, 8})), "classes", labels, "more than one label an item", false},
		"places":                 {network(image, ends(ir.ArgMax, ir.Shape{10})), "", labels, "argmax", false},
		"two results":            {network(image, ends(ir.Softmax, ir.Shape{10}), ends(ir.Linear, ir.Shape{4})), "", labels, "2 results, softmax [10] and linear [4]", false},
		"two results, told":      {network(image, ends(ir.Softmax, ir.Shape{10}), ends(ir.Linear, ir.Shape{4})), "classes", labels, "2 results", false},
	} {
		got, err := measure.TaskOf(c.m, c.asked, c.labels)
		if err == nil {
			err = got.Check(data.Batch{N: len(c.labels), Labels: c.labels})
		}
		if c.isTask {
			require.NoError(t, err, name)
			assert.Contains(t, got.String(), c.want, name)
			continue
		}
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), c.want, name)
		var d *diag.Diagnostic
		require.True(t, errors.As(err, &d), name)
		if d.Kind != diag.BadData {
			assert.Equal(t, diag.BadTask, d.Kind, name)
			assert.Equal(t, 7, d.Pos.Line, name)
			assert.NotEmpty(t, d.Help, name)
		}
	}
}

// TestProbabilitiesThatAreMoved: a copy after a sigmoid makes no logits of probabilities.
func TestProbabilitiesThatAreMoved(t *testing.T) {
	for name, move := range map[string]ir.Op{"copy": ir.Copy, "flatten": ir.Flatten, "transpose": ir.Transpose} {
		m := network(ir.Shape{1, 1}, func(x *ir.Value) *ir.Value {
			return op(move, ir.Shape{1, 1}, []*ir.Value{op(ir.Sigmoid, ir.Shape{1, 1}, []*ir.Value{x})})
		})
		task, err := measure.TaskOf(m, ir.Binary, nil)
		require.NoError(t, err, name)
		assert.Equal(t, []int{0, 1}, task.Decisions([]float32{.3, .7}, 2), name)
	}
}

// TestLikelyTaskIsSuggested: what ends a result, and its shape, tell which task comes first;
// the task that the help names is one that the result can have.
func TestLikelyTaskIsSuggested(t *testing.T) {
	image := ir.Shape{1, 28, 28}
	for name, c := range map[string]struct {
		m    *ir.Module
		says string
	}{
		"a logit":                  {network(image, ends(ir.Linear, ir.Shape{1})), "binary"},
		"a sigmoid":                {network(image, ends(ir.Sigmoid, ir.Shape{1})), "binary"},
		"a relu":                   {network(image, ends(ir.Relu, ir.Shape{1})), "values"},
		"a relu of the layer":      {network(image, ends(ir.Linear, ir.Shape{1}, ir.AttrAct.Is(ir.Relu.String()))), "values"},
		"logits":                   {network(image, ends(ir.Linear, ir.Shape{5})), "classes"},
		"a direction":              {network(image, direction(5)), "embedding"},
		"two directions":           {network(image, directions(3)), "embedding"},
		"sigmoids":                 {network(image, ends(ir.Sigmoid, ir.Shape{5})), "multilabel"},
		"the input again":          {network(image, ends(ir.Sigmoid, image)), "reconstruction"},
		"logits of pixels":         {network(image, ends(ir.Conv2D, ir.Shape{4, 28, 28})), "classes axis: 0"},
		"logits of pixels in rows": {network(image, ends(ir.Conv2D, ir.Shape{1, 28, 4})), "classes axis: 2"},
		"sigmoids of pixels":       {network(image, ends(ir.Sigmoid, ir.Shape{4, 28, 28})), "multilabel"},
		"logits of steps":          {network(image, ends(ir.Linear, ir.Shape{20, 5})), "classes axis: 1"},
	} {
		_, err := measure.TaskOf(c.m, "", nil)
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d, name)
		assert.Contains(t, d.Help, quote.Flag("task", c.says)+" says it", name)
		word, _, _ := strings.Cut(c.says, " ")
		assert.Contains(t, d.Note, word, name)
		_, err = measure.TaskOf(c.m, c.says, nil)
		assert.NoError(t, err, name)
	}
	m := network(image, ends(ir.Reshape, ir.Shape{192, 4}), ends(ir.Sigmoid, ir.Shape{6, 8, 8}), ends(ir.Softmax, ir.Shape{3}))
	m.Outputs[0].Def.Args = []*ir.Value{op(ir.Conv2D, ir.Shape{12, 8, 8}, m.Inputs)}
	_, err := measure.TaskOf(network(image, ends(ir.Linear, ir.Shape{4}), ends(ir.Linear, ir.Shape{10})), "", nil)
	assert.ErrorContains(t, err, "-task 'linear=values, linear=classes'")
	_, err = measure.TaskOf(m, "", nil)
	assert.ErrorContains(t, err, "-task 'reshape=values, sigmoid=multilabel, softmax=classes'")
}

func TestTaskAskedForIsOneThatIsThere(t *testing.T) {
	require.NoError(t, measure.CheckTask("classes"))
	require.NoError(t, measure.CheckTask("a=values weight: 2, b=classes axis: 0"))
	assert.ErrorContains(t, measure.CheckTask("values weight: -1"), "no number above 0")
	assert.ErrorContains(t, measure.CheckTask("class"), "the values are classes binary multilabel values reconstruction embedding")
}

// TestNamedResults: -task, diagnostics and figures call a result as the network does, and what
// -task says of it leaves its name.
func TestNamedResults(t *testing.T) {
	m := network(ir.Shape{4}, ends(ir.Linear, ir.Shape{3}), ends(ir.Linear, ir.Shape{3}))
	m.Outputs[0].Name, m.Outputs[1].Name = "add", "fc"
	m.Tasks = []ir.Task{{Axis: ir.NoAxis, Result: "est"}, {Axis: ir.NoAxis}}
	task, err := measure.TaskOf(m, "est=values, fc=classes", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"est", "fc"}, []string{task.Results[0].Name, task.Results[1].Name})
	_, err = measure.TaskOf(m, "add=values", nil)
	require.ErrorContains(t, err, "the network has no result add")
	_, err = measure.TaskOf(m, "", nil)
	require.ErrorContains(t, err, "the network has 2 results, est [3] and fc [3]")
	require.ErrorContains(t, err, "est=")
	require.NoError(t, measure.Say(m, "est=values weight: 2, fc=classes"))
	assert.Equal(t, ir.Task{Name: ir.Values, Axis: ir.NoAxis, Weight: 2, Result: "est"}, m.TaskOf(0))
	assert.Equal(t, "est", m.ResultName(0))
}

// TestSay: what -task says is written into the network, whose results keep their own names.
func TestSay(t *testing.T) {
	m := network(ir.Shape{3, 8, 8}, ends(ir.Linear, ir.Shape{4}), ends(ir.Linear, ir.Shape{10}))
	m.Tasks = []ir.Task{{Result: "box", Axis: ir.NoAxis}, {Result: "score", Axis: ir.NoAxis}}
	require.NoError(t, measure.Say(m, ""))
	assert.Empty(t, m.Tasks[0].Name)
	require.NoError(t, measure.Say(m, "box=values weight: 2, score=classes"))
	assert.Equal(t, []ir.Task{{Result: "box", Name: ir.Values, Axis: ir.NoAxis, Weight: 2}, {Result: "score", Name: ir.Classes, Axis: ir.NoAxis}}, m.Tasks)
	assert.ErrorContains(t, measure.Say(m, "other=values"), "its results are box, score")
	assert.Equal(t, "box", m.ResultName(0))
}

// TestTwoTasksOfAResult: -task says one of each, none overrides another.
func TestTwoTasksOfAResult(t *testing.T) {
	for _, asked := range []string{"values,binary", "y=values, y=values", "values, y=binary"} {
		_, err := measure.TaskOf(network(ir.Shape{3}, func(x *ir.Value) *ir.Value {
			y := &ir.Value{Name: "y", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: ir.Shape{1}}}
			y.Def = &ir.Node{Op: ir.Tanh, Args: []*ir.Value{x}, Out: y}
			return y
		}), asked, nil)
		assert.ErrorContains(t, err, "-task "+asked+": the result y has two tasks there", asked)
	}
}

// proposed is the task that a help proposes, as a shell reads it.
func proposed(t *testing.T, help string) string {
	t.Helper()
	flag := regexp.MustCompile(`-task ('[^']*'|[a-z]+)`).FindString(help)
	require.NotEmpty(t, flag, help)
	out, err := exec.Command("sh", "-c", "set -- "+flag+"; printf '%s|' \"$@\"").Output()
	require.NoError(t, err)
	words := strings.Split(strings.TrimSuffix(string(out), "|"), "|")
	require.Len(t, words, 2, flag)
	return words[1]
}

// TestLabelsOfEachResult: of several results each is proposed the task that its labels fit, or else
// its shape and its end.
func TestLabelsOfEachResult(t *testing.T) {
	image := ir.Shape{1, 8, 8}
	named := func(m *ir.Module, names ...string) *ir.Module {
		for i, name := range names {
			m.Outputs[i].Name = name
		}
		return m
	}
	m := named(network(image, ends(ir.Linear, ir.Shape{3}), ends(ir.Linear, ir.Shape{2}), ends(ir.Tanh, ir.Shape{2}), ends(ir.Conv2D, ir.Shape{3, 8, 8}), ends(ir.Sigmoid, ir.Shape{1})), "kind", "at", "turn", "mask", "on")
	_, unclear := measure.TaskOf(m, "", nil)
	var d *diag.Diagnostic
	require.ErrorAs(t, unclear, &d)
	assert.NotContains(t, d.Message, "have no label")
	assert.Equal(t, "kind=classes, at=values, turn=values, mask=values, on=binary", proposed(t, d.Help))
	b := data.Batch{N: 2, Targets: []data.Target{
		{Name: "kind", Shape: []int{}, X: []float32{0, 2}}, {Name: "at", Shape: []int{2}, X: []float32{.5, .25, 3, 4}}, {Name: "mask", Shape: []int{8, 8}, X: make([]float32, 128)},
		{Name: "on", Shape: []int{}, X: []float32{.5, 7}}, {Name: "other", Shape: []int{}, X: []float32{.5, 7}},
	}}
	require.ErrorAs(t, measure.ByLabels(unclear, m, b), &d)
	assert.Contains(t, d.Note, "the labels of kind are one number, of at are 2 numbers, of mask are 64 numbers, of on are one number an item")
	says := proposed(t, d.Help)
	assert.Equal(t, "kind=classes, at=values, turn=values, mask=classes axis: 0, on=values", says)
	task, err := measure.TaskOf(m, says, nil)
	require.NoError(t, err)
	assert.NoError(t, task.Check(b))
	b.Targets = b.Targets[4:]
	assert.Equal(t, unclear, measure.ByLabels(unclear, m, b), "labels of no result tell nothing")
}

// TestLabelsTellTheWayOut: where a task is not clear, its diagnostic proposes the one that the
// labels fit.
func TestLabelsTellTheWayOut(t *testing.T) {
	module := func(in, out ir.Shape) *ir.Module {
		return network(in, func(x *ir.Value) *ir.Value {
			y := &ir.Value{Name: "y", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: out}}
			y.Def = &ir.Node{Op: ir.Tanh, Args: []*ir.Value{x}, Out: y}
			return y
		})
	}
	picture := ir.Shape{3, 4, 4}
	repeated := func(n int, x ...float32) (out []float32) {
		for len(out) < n {
			out = append(out, x...)
		}
		return out[:n]
	}
	for _, c := range []struct {
		what   string
		out    ir.Shape
		labels []int // shape of one item's
		x      []float32
		want   string
	}{
		{"masks", picture, []int{4, 4}, repeated(32, 0, 1, 2), "the labels fit classes: -task 'classes axis: 0' says it, or the text of the network: -> f32[3,4,4] classes axis: 0"},
		{"masks with a class too many", picture, []int{4, 4}, repeated(32, 0, 3), ""},
		{"masks with void", picture, []int{4, 4}, repeated(32, 0, 255, 2), "-task 'classes axis: 0'"},
		{"masks with two kinds of void", picture, []int{4, 4}, repeated(32, 0, 255, 2, -1), "-task 'classes axis: 0'"},
		{"masks of reals", picture, []int{4, 4}, repeated(32, 0, .5), ""},
		{"steps of classes", ir.Shape{6, 5}, []int{6}, repeated(12, 0, 4), "-task 'classes axis: 1'"},
		{"steps of more classes than the first axis has elements", ir.Shape{5, 6}, []int{6}, repeated(12, 0, 4), "-task 'classes axis: 0'"},
		{"normal or not", picture, []int{}, []float32{0, 1}, "the labels fit reconstruction: -task reconstruction"},
		{"yes or no", ir.Shape{1}, []int{}, []float32{0, 1}, "-task binary"},
		{"a number", ir.Shape{1}, []int{}, []float32{0, 2}, "-task values"},
		{"as many steps as classes", ir.Shape{5, 5}, []int{5}, repeated(10, 0, 4), "-task 'classes axis: 1'"},
		{"several yes or no", ir.Shape{7}, []int{7}, repeated(14, 0, 1, 1), "-task multilabel"},
		{"one-hot", ir.Shape{3}, []int{3}, []float32{0, 1, 0, 0, 0, 1}, "the labels are one-hot, as of classes: save y.argmax(1) in numpy, and -task classes says it, or the text of the network: -> f32[3] classes; -task multilabel takes them as they are"},
		{"one-hot masks", picture, []int{3, 4, 4}, append(append(repeated(16, 1), repeated(32, 0)...), append(repeated(32, 0), repeated(16, 1)...)...), "save y.argmax(1) in numpy, and -task 'classes axis: 0' says it"},
		{"one-hot masks, classes last", picture, []int{4, 4, 3}, repeated(96, 0, 1, 0, 0, 0, 1), "save y.argmax(3) in numpy, and -task 'classes axis: 0' says it"},
		{"several truths of a mask", picture, []int{3, 4, 4}, repeated(96, 1, 0), "-task multilabel"},
		{"one item without a truth", ir.Shape{3}, []int{3}, []float32{0, 1, 0, 0, 0, 0}, "the labels fit multilabel"},
		{"several numbers", ir.Shape{7}, []int{7}, repeated(14, 0, 1, -1), "-task values"},
		{"numbers of another count", ir.Shape{7}, []int{6}, repeated(12, .5), ""},
		{"no labels", ir.Shape{7}, nil, nil, ""},
	} {
		m := module(picture, c.out)
		_, unclear := measure.TaskOf(m, "", nil)
		require.Error(t, unclear, c.what)
		b := data.Batch{N: 2}
		if c.labels != nil {
			b.Targets = []data.Target{{Shape: c.labels, X: c.x}}
		}
		got := measure.ByLabels(unclear, m, b)
		if c.want == "" {
			assert.Equal(t, unclear, got, c.what)
			continue
		}
		var d *diag.Diagnostic
		require.ErrorAs(t, got, &d, c.what)
		assert.Contains(t, d.Help, c.want, c.what)
		assert.Equal(t, diag.BadTask, d.Kind)
		_, asked := measure.TaskOf(m, proposed(t, d.Help), nil)
		assert.NoError(t, asked, "%s: what it proposes can be asked for", c.what)
	}
	m := network(picture, ends(ir.Linear, ir.Shape{3}))
	_, unclear := measure.TaskOf(m, "", nil)
	for _, c := range []struct {
		x    []float32
		says string // after what the labels are not
		help string
	}{
		{[]float32{-1, 1, 0}, "image 0 has -1", "labels are counted from -1: add 1 to each; -task classes says it"},
		{[]float32{0, .5, 1}, "image 1 has 0.5", "values from 0 to 2; another -task, or other labels; "},
		{[]float32{0, 1 << 63, 1}, "image 1 has 9.223372e+18", "values from 0 to 2; another -task, or other labels; "},
	} {
		var d *diag.Diagnostic
		require.ErrorAs(t, measure.ByLabels(unclear, m, data.Batch{N: 3, Targets: []data.Target{{From: "q", Shape: []int{}, X: c.x}}}), &d)
		assert.Contains(t, d.Message, "with no softmax at its end, and the labels in q are not all whole numbers from 0 to 2: "+c.says)
		assert.True(t, strings.HasPrefix(d.Help, c.help), d.Help)
	}
	other := errors.New("other")
	assert.Equal(t, other, measure.ByLabels(other, module(picture, picture), data.Batch{}))
}

// TestLabelsAreMended: labels that are numbered in another way are refused with the place of one, and
// the line that numbers them as the network does.
func TestLabelsAreMended(t *testing.T) {
	for _, c := range []struct {
		task   string
		out    ir.Shape
		labels []int // shape of one item's
		x      []float32
		want   string
	}{
		{"binary", ir.Shape{1}, nil, []float32{1, -1}, "image 1 has the label -1: labels of binary are 0 or 1\n    help: labels are 2 apart: (y + 1) // 2 in numpy"},
		{"binary", ir.Shape{1}, nil, []float32{1, 2}, "help: labels are counted from 1: take 1 off each"},
		{"binary", ir.Shape{1}, nil, []float32{0, 255}, "help: labels are 255 apart: divide them by 255, y // 255 in numpy"},
		{"binary", ir.Shape{1}, nil, []float32{0, .5}, "help: 0 or 1; another -task, or other labels"},
		{"classes", ir.Shape{3}, nil, []float32{-1, 1}, "help: labels are counted from -1: add 1 to each"},
		{"classes", ir.Shape{3}, nil, []float32{100, 102}, "help: labels are counted from 100: take 100 off each"},
		{"classes", ir.Shape{3}, nil, []float32{3, 3}, "help: labels are counted from 1: take 1 off each"},
		{"classes", ir.Shape{3}, nil, []float32{0, 4}, "help: labels are from 0 to 2, these are from 0 to 4: they are of another task"},
		{"classes", ir.Shape{3}, nil, []float32{0, 7}, "help: labels are from 0 to 2, these are from 0 to 7: they are of another task"},
		{"classes", ir.Shape{3}, nil, []float32{0, 1 << 63}, "image 1 has the label 9.223372e+18: labels of classes are whole numbers from 0 to 2"},
		{"classes", ir.Shape{3}, []int{3}, []float32{0, 1, 0, 0, 0, 1}, "help: of labels that are one-hot save numpy.argmax(y, 1); or -task multilabel"},
		{"classes axis: 0", ir.Shape{3, 2, 1}, []int{2, 1}, []float32{0, 1, 127, 254}, "image 1 has the label 127 at [0,0]"},
		{"classes axis: 0", ir.Shape{3, 2, 1}, []int{2, 1}, []float32{0, 127, 0, 254}, "image 0 has the label 127 at [1,0]: labels of classes are whole numbers from 0 to 2\n    help: labels are 127 apart: divide them by 127, y // 127 in numpy"},
		{"classes axis: 0", ir.Shape{3, 2, 1}, []int{2, 1}, []float32{0, 128, 0, 255}, "help: number the labels in their order: numpy.searchsorted([0, 128, 255], y)"},
		{"classes axis: 0", ir.Shape{3, 2, 1}, []int{2, 1}, []float32{0, 1, 2, 254}, "help: values from 0 to 2; where 254 stands for no class, write 255 (void) for it; another -task, or other labels"},
		{"binary", ir.Shape{1}, []int{2}, []float32{0, 1, 1, 0}, "help: of labels that are one-hot save numpy.argmax(y, 1)"},
		{"classes axis: 0", ir.Shape{3, 2, 1}, []int{2, 1, 3}, []float32{1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0}, "help: of labels that are one-hot save numpy.argmax(y, 3)"},
	} {
		task, err := measure.TaskOf(network(ir.Shape{1, 8, 8}, ends(ir.Linear, c.out)), c.task, nil)
		require.NoError(t, err)
		assert.ErrorContains(t, task.Check(data.Batch{N: 2, Targets: []data.Target{{Shape: c.labels, X: c.x}}}), c.want, "%s %v", c.task, c.x)
	}
}
