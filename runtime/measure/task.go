package measure

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
)

// Classes is the task of a network that gives one label an item: the place of the
// greatest element of its one result.
const Classes = "classes"

// tasks are what a network's results may mean, with the measure of each; "" where none
// is built yet, and a network of this task is not judged.
var tasks = []struct{ name, measure, about string }{
	{Classes, "accuracy", "one label an item"},
	{"binary", "", "yes or no, by one sigmoid"},
	{"multilabel", "", "several labels an item, by sigmoids"},
	{"values", "", "numbers: regression, boxes, forecasts"},
	{"reconstruction", "", "the input again: autoencoders"},
	{"embedding", "", "a direction"},
}

// Tasks lists the values of -task, supported or not.
func Tasks() (names []string) {
	for _, t := range tasks {
		names = append(names, t.name)
	}
	return names
}

// Task is what a network's results mean, hence by what it is judged.
type Task struct {
	Name    string // "" of none
	Measure string
	Why     string // what tells the task
}

// String is the task, what told it, and its measure.
func (t Task) String() string {
	return fmt.Sprintf("task: %s (%s), measure: %s", t.Name, t.Why, t.Measure)
}

// TaskOf is the task of a network, inferred or as the user asks for ("" is not asked).
// Inferred is only what cannot be mistaken: Classes, where the one result is a vector
// of more than one element and ends in softmax, or where labels came with the data:
// one whole number an item, each naming an element. Labels do not tell an autoencoder's task,
// whose result has the shape of its input: they may say which items are normal. Any
// other network is a diagnostic of the kind diag.BadTask, at the result.
func TaskOf(m *ir.Module, asked string, labels []int) (Task, error) {
	if asked != "" {
		if err := CheckTask(asked); err != nil {
			return Task{}, err
		}
	}
	if n := len(m.Outputs); n > 1 {
		var list []string
		for _, o := range m.Outputs {
			list = append(list, fmt.Sprintf("%s %s", o.Name, o.Type.Shape))
		}
		return Task{}, unclear(m.Outputs[1], "the network has %d results, %s: answers of several results cannot be judged yet", n, strings.Join(list, " and "))
	}
	out := m.Outputs[0]
	shape := out.Type.Shape
	_, isVector := vector(shape)
	last := source(out)
	switch {
	case shape.Size() == 1:
		return Task{}, unclear(out, "the result %s is one number, not a score for each of several labels", out.Name).
			WithNote("%s", couldBe("binary", "values"))
	case !isVector:
		return Task{}, unclear(out, "the result %s is %s: more than one label an item", out.Name, shape).
			WithNote("it could be classes along an axis (segmentation, sequences), or %s", strings.TrimPrefix(couldBe("values", "reconstruction"), "it could be "))
	case last != nil && last.Op == ir.ArgMax:
		return Task{}, unclear(out, "the result %s is %s places (argmax), no scores", out.Name, shape)
	}
	t := Task{Name: Classes, Measure: tasks[0].measure}
	alike := len(m.Inputs) == 1 && m.Inputs[0].Type.Shape.Equal(shape)
	switch {
	case asked != "":
		t.Why = fmt.Sprintf("result %s and -task %s", shape, asked)
	case isSoftmax(last):
		t.Why = fmt.Sprintf("result %s of a %s", shape, last.Op)
	case labels != nil && !alike:
		if err := CheckLabels(labels, out); err != nil {
			return Task{}, err
		}
		t.Why = fmt.Sprintf("result %s and whole-number labels", shape)
	default:
		could := []string{Classes, "multilabel", "values", "embedding"}
		reason := "no softmax at its end, and no labels with the data"
		if alike {
			could = []string{"reconstruction", Classes, "values"}
			reason = "the shape of the input, and no softmax at its end"
		}
		return Task{}, diag.New(out.Pos, diag.BadTask, "what the result %s means is not clear: it is %s, with %s", out.Name, shape, reason).
			WithNote("%s", couldBe(could...)).
			WithHelp("-task %s says that it is one label an item, the place of its greatest element; labelled images say so, too; no other task can be judged yet, and -O int8 and -O universal need none", Classes)
	}
	return t, nil
}

// CheckTask holds the value of -task to what can be judged.
func CheckTask(name string) error {
	i := slices.Index(Tasks(), name)
	switch {
	case i < 0:
		return diag.New(diag.Pos{}, diag.BadValue, "-task %s: the values are %s", name, strings.Join(Tasks(), " ")).WithSuggestion(name, Tasks())
	case tasks[i].measure == "":
		return diag.New(diag.Pos{}, diag.Unsupported, "-task %s (%s): not supported yet; -task %s is", name, tasks[i].about, Classes).
			WithHelp("-O int8 and -O universal compile any network; they judge nothing")
	}
	return nil
}

// unclear says that a result is not judged, and the way out.
func unclear(out *ir.Value, format string, args ...any) *diag.Diagnostic {
	return diag.New(out.Pos, diag.BadTask, format, args...).
		WithHelp("only networks of one label an item can be judged yet; -O int8 and -O universal compile any network, and judge nothing")
}

// couldBe lists tasks with what they mean.
func couldBe(names ...string) string {
	var list []string
	for _, t := range tasks {
		if slices.Contains(names, t.name) {
			list = append(list, fmt.Sprintf("%s (%s)", t.name, t.about))
		}
	}
	return "it could be " + strings.Join(list, ", ")
}

// vector is the one axis of more than one element; ok is false where there are
// several, or none.
func vector(s ir.Shape) (axis int, ok bool) {
	for i, d := range s {
		if d > 1 {
			if ok {
				return 0, false
			}
			axis, ok = i, true
		}
	}
	return axis, ok
}

// source is the operation that the elements of a vector come from, whatever shapes and
// scales they are given after it; nil of an input.
func source(v *ir.Value) *ir.Node {
	for v.Def != nil && slices.Contains([]ir.Op{ir.Reshape, ir.Flatten, ir.Copy, ir.Requantize}, v.Def.Op) {
		x := v.Def.Args[0]
		if _, ok := vector(x.Type.Shape); !ok || x.Type.Shape.Size() != v.Type.Shape.Size() {
			break
		}
		v = x
	}
	return v.Def
}

// isSoftmax reports a softmax over the elements of its result, a vector.
func isSoftmax(n *ir.Node) bool {
	if n == nil || n.Op != ir.Softmax && n.Op != ir.LogSoftmax {
		return false
	}
	axis, _ := vector(n.Out.Type.Shape)
	return n.Int(ir.AttrAxis) == axis
}

// CheckLabels holds labels to the elements of a result.
func CheckLabels(labels []int, out *ir.Value) error {
	classes := out.Type.Shape.Size()
	for i, l := range labels {
		if l < 0 || l >= classes {
			return diag.New(diag.Pos{}, diag.BadData, "image %d has the label %d, the network has %d classes", i, l, classes)
		}
	}
	return nil
}
