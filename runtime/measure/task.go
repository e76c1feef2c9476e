package measure

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/data"
)

// Classes is the task of a result that gives one label an item, the place of its greatest
// element, or one for each position of an axis.
const Classes = ir.Classes

// Tasks lists the tasks.
func Tasks() []string { return ir.TaskNames }

// Task is what a network's results mean, hence by what it is judged.
type Task struct {
	Name    string // "" of none; of several results their tasks, joined by +
	Measure string // of several results those of each, with their names
	Why     string // what tells the task
	Results []Result
}

// Result is one result of a network, what it means, and where its elements lie.
type Result struct {
	Name   string
	Shape  ir.Shape
	Task   string
	Axis   int     // of classes, NoAxis where an item has one label
	Weight float64 // among several results
	Why    string

	row                          *row
	from, size                   int  // elements of it in the answers of an item
	classes, positions, inner    int  // of classes: along the axis, and after it
	isShare                      bool // the answers are probabilities, not logits
	byLabels                     bool // its task was told by labels alone
	agrees                       bool // it is judged by the answers of the reference to the same items, as there are no labels
	input, inputSize, inputWhole int  // of a reconstruction: where the input lies in an item
}

// String is the task of each result, what told it, and its measure.
func (t Task) String() string { return t.Line(nil, nil) }

// Line is String with the measures and the labels of each result; nil of what is not said, as
// long as it is not known whether there are labels.
func (t Task) Line(measures, labels []string) string {
	var list []string
	for i := range t.Results {
		r := &t.Results[i]
		measure := r.row.measureOf(r)
		if measures != nil {
			measure = measures[i]
		}
		text := fmt.Sprintf("%s (%s), measure: %s", r.Task, r.Why, measure)
		if len(t.Results) > 1 {
			weight := ""
			if r.Weight != 1 {
				weight = fmt.Sprintf(", weight %g", r.Weight)
			}
			text = fmt.Sprintf("%s %s (%s%s), measure: %s", r.Name, r.Task, r.Why, weight, measure)
		}
		if labels != nil {
			text += ", labels: " + labels[i]
		}
		list = append(list, text)
	}
	return "task: " + strings.Join(list, "; ")
}

// Asked is the task as -task says it.
func (t Task) Asked() string {
	var list []string
	for _, r := range t.Results {
		one := ir.Task{Name: r.Task, Axis: r.Axis}
		if r.Weight != 1 {
			one.Weight = r.Weight
		}
		if text := one.String(); len(t.Results) == 1 {
			list = append(list, text)
		} else {
			list = append(list, r.Name+"="+text)
		}
	}
	return strings.Join(list, ", ")
}

// Size is the elements of all results of one item.
func (t *Task) Size() int {
	n := 0
	for _, r := range t.Results {
		n += r.size
	}
	return n
}

// isPlain reports one result of one label an item.
func (t *Task) isPlain() bool { return len(t.Results) == 1 && t.Results[0].isPlain() }

// IsKL reports that the divergence of a search is the KL divergence in nats.
func (t *Task) IsKL() bool { return len(t.Results) == 0 || t.isPlain() }

// Divergence names what a search makes least.
func (t *Task) Divergence() string {
	if t.IsKL() {
		return "KL"
	}
	return "divergence"
}

func (r *Result) isPlain() bool { return r.Task == Classes && r.Axis == ir.NoAxis }

// OneLabel is the task of a network whose one result of a number of elements is the
// scores of as many labels.
func OneLabel(classes int) Task {
	r := Result{Shape: ir.Shape{classes}, Task: Classes, Axis: ir.NoAxis, Weight: 1, row: rowOf(Classes), size: classes, classes: classes, positions: 1, inner: 1}
	return Task{Name: Classes, Measure: r.row.measure, Results: []Result{r}}
}

// TaskOf is the task of a network: as the user asks for ("" is not asked), else as its
// text says, else inferred where it cannot be mistaken: Classes, where a result ends in a
// softmax, or where labels came with the data of a network of one result: one whole number
// an item, each naming an element of a vector of several. Labels do not tell an
// autoencoder's task, whose result has the shape of its input: they may say which items
// are normal. Any other network is a diagnostic of the kind diag.BadTask, at the result.
func TaskOf(m *ir.Module, asked string, labels []int) (Task, error) {
	said, err := askedOf(m, asked)
	if err != nil {
		return Task{}, err
	}
	t := Task{}
	for i := range m.Outputs {
		r, err := resultOf(m, i, said[i], asked, labels)
		if err != nil {
			return Task{}, err
		}
		r.from = t.Size()
		t.Results = append(t.Results, r)
	}
	var names, measures []string
	for _, r := range t.Results {
		names, measures = append(names, r.Task), append(measures, r.Name+" "+r.row.measureOf(&r))
	}
	t.Name, t.Measure, t.Why = strings.Join(names, "+"), strings.Join(measures, ", "), t.Results[0].Why
	if len(t.Results) == 1 {
		t.Measure = t.Results[0].row.measureOf(&t.Results[0])
	}
	return t, nil
}

// Say writes what -task says of the results into a network, as its text would say it.
func Say(m *ir.Module, asked string) error {
	if asked == "" {
		return nil
	}
	list, err := askedOf(m, asked)
	if err == nil {
		m.Tasks = list
	}
	return err
}

// askedOf is what -task or the text says of each result.
func askedOf(m *ir.Module, asked string) ([]ir.Task, error) {
	list := make([]ir.Task, len(m.Outputs))
	for i := range list {
		list[i] = m.TaskOf(i)
	}
	if asked == "" {
		return list, nil
	}
	var names []string
	for i := range m.Outputs {
		names = append(names, m.ResultName(i))
	}
	isSaid := make([]bool, len(names))
	for _, part := range strings.Split(asked, ",") {
		name, text, isNamed := strings.Cut(part, "=")
		if name = strings.TrimSpace(name); !isNamed {
			name, text = names[0], part
		}
		t, err := parseTask(text)
		if err != nil {
			return nil, err
		}
		i := slices.Index(names, name)
		switch {
		case i < 0:
			return nil, diag.New(m.Outputs[0].Pos, diag.BadTask, "-task %s: the network has no result %s", asked, name).
				WithHelp("its results are %s", strings.Join(names, ", ")).WithSuggestion(name, names)
		case !isNamed && len(names) > 1:
			return nil, diag.New(m.Outputs[1].Pos, diag.BadTask, "-task %s: the network has %s, and each has a task", asked, resultsOf(m)).
				WithHelp("%s", sayEach(m, nil))
		case isSaid[i]:
			return nil, diag.New(m.Outputs[i].Pos, diag.BadTask, "-task %s: the result %s has two tasks there", asked, name).
				WithHelp("say one task of each result")
		}
		t.Result, isSaid[i] = list[i].Result, true
		list[i] = t
	}
	return list, nil
}

func parseTask(text string) (ir.Task, error) {
	t, words, err := ir.ParseTask(text)
	if err != nil {
		d := diag.New(diag.Pos{}, diag.BadValue, "-task %s: %v", strings.TrimSpace(text), err)
		if words != nil {
			d.WithNote("the values are %s", strings.Join(Tasks(), " ")).WithSuggestion(strings.TrimSpace(text), words)
		}
		return t, d
	}
	return t, nil
}

// CheckTask holds the value of -task to what there is.
func CheckTask(asked string) error {
	for _, part := range strings.Split(asked, ",") {
		if _, text, isNamed := strings.Cut(part, "="); isNamed {
			part = text
		}
		if _, err := parseTask(part); err != nil {
			return err
		}
	}
	return nil
}

// resultOf is what result i means.
func resultOf(m *ir.Module, i int, said ir.Task, asked string, labels []int) (Result, error) {
	out := m.Outputs[i]
	r := Result{Name: m.ResultName(i), Shape: out.Type.Shape, Task: said.Name, Axis: said.Axis, Weight: 1, size: out.Type.Shape.Size()}
	if said.Weight > 0 {
		r.Weight = said.Weight
	}
	last := origin(out)
	if last != nil && last.Op == ir.ArgMax {
		return r, unclear(out, "the result %s is %s places (argmax), no scores", r.Name, r.Shape).WithHelp("cut the network before the argmax")
	}
	axis, isVector := vector(r.Shape)
	switch direct := source(out); {
	case said.Name != "" && asked != "":
		r.Why = fmt.Sprintf("result %s and %s", r.Shape, sayTask(ir.Task{Name: said.Name, Axis: said.Axis}.String()))
	case said.Name != "":
		r.Why = fmt.Sprintf("result %s, as the network says", r.Shape)
	case isVector && isSoftmax(direct):
		r.Task, r.Why = Classes, fmt.Sprintf("result %s of a %s", r.Shape, direct.Op)
	case r.size > 1 && !isVector && softmaxAlong(out) != ir.NoAxis:
		r.Task, r.Axis = Classes, softmaxAlong(out)
		r.Why = fmt.Sprintf("result %s of a %s along axis %d", r.Shape, last.Op, r.Axis)
	case labels != nil && labelsTell(m, out):
		r.Task, r.Why, r.byLabels = Classes, fmt.Sprintf("result %s and whole-number labels", r.Shape), true
	default:
		return r, ask(m, i)
	}
	r.row = rowOf(r.Task)
	if r.Axis == axis && isVector {
		r.Axis = ir.NoAxis // one label an item
	}
	r.isShare = last != nil && isShares(last)
	return r, r.fit(m, out, isVector)
}

// fit holds the shape of a result to its task, and notes where its parts lie.
func (r *Result) fit(m *ir.Module, out *ir.Value, isVector bool) error {
	bad := func(format string, args ...any) *diag.Diagnostic {
		return unclear(out, "the result %s is %s: %s", r.Name, r.Shape, fmt.Sprintf(format, args...))
	}
	switch r.Task {
	case ir.Classes:
		switch {
		case r.size == 1:
			return unclear(out, "the result %s is one number, not a score for each of several labels", r.Name).WithHelp("%s", couldBe(ir.Binary, ir.Values))
		case r.Axis == ir.NoAxis && !isVector:
			return bad("more than one label an item").
				WithHelp("say along which axis one class is chosen: %s, or another of its axes", sayTask(likelyAxis(r.Shape).String()))
		case r.Axis == ir.NoAxis:
			r.classes, r.positions, r.inner = r.size, 1, 1
		case r.Axis >= len(r.Shape) || r.Shape[r.Axis] < 2:
			return bad("it has no classes along axis %d", r.Axis).WithHelp("choose an axis of at least 2 elements")
		default:
			r.classes, r.inner = r.Shape[r.Axis], ir.Shape(r.Shape[r.Axis+1:]).Size()
			r.positions = r.size / r.classes
		}
	case ir.Binary:
		if r.size != 1 {
			return bad("%s is one number", r.Task).WithHelp("%s", couldBe(ir.Classes, ir.Multilabel))
		}
	case ir.Multilabel, ir.EmbeddingTask:
		if r.size == 1 {
			return bad("%s is several numbers", r.Task).WithHelp("%s", couldBe(ir.Binary, ir.Values))
		}
	case ir.Reconstruction:
		r.inputSize = -1
		for _, v := range m.Inputs {
			if n := v.Type.Shape.Size(); n == r.size && r.inputSize < 0 {
				r.input, r.inputSize = r.inputWhole, n
			}
			r.inputWhole += v.Type.Shape.Size()
		}
		if r.inputSize < 0 {
			return bad("a %s has the size of an input, and no input has", r.Task).WithHelp("%s", couldBe(ir.Values, ir.EmbeddingTask))
		}
	}
	return nil
}

// alike reports a result of the shape of the one input.
func alike(m *ir.Module, s ir.Shape) bool {
	return len(m.Inputs) == 1 && m.Inputs[0].Type.Shape.Equal(s)
}

// labelsTell reports a result of which whole-number labels say that it is scores.
func labelsTell(m *ir.Module, out *ir.Value) bool {
	_, isVector := vector(out.Type.Shape)
	return isVector && len(m.Outputs) == 1 && !alike(m, out.Type.Shape) && !isDirection(out)
}

// Numbers of a box, and of a point or a direction in the plane: a result of two beside others is
// rather these than the scores of two classes.
const (
	boxSides   = 4
	planeSides = 2
)

// likely lists the tasks that a result could have, the likeliest first.
func likely(m *ir.Module, out *ir.Value) []ir.Task {
	shape := out.Type.Shape
	_, isVector := vector(shape)
	classes := ir.Task{Name: ir.Classes, Axis: ir.NoAxis}
	if !isVector {
		classes = likelyAxis(shape)
		if axis := softmaxAlong(out); axis != ir.NoAxis {
			classes.Axis = axis
		}
	}
	could := []string{ir.Classes, ir.Multilabel, ir.Values, ir.EmbeddingTask}
	last, first := origin(out), ""
	switch {
	case alike(m, shape):
		could, first = append(could, ir.Reconstruction), ir.Reconstruction
	case shape.Size() == 1:
		could = []string{ir.Binary, ir.Values}
		if last != nil && isActivation(last) {
			first = ir.Values // no classifier ends in one
		}
	case last != nil && isShares(last) && last.Op != ir.Softmax:
		first = ir.Multilabel
	case isDirection(out):
		first = ir.EmbeddingTask
	case isVector && last != nil && isActivation(last):
		first = ir.Values
	case len(m.Outputs) > 1 && (!isVector || shape.Size() == boxSides || shape.Size() == planeSides):
		first = ir.Values // such as boxes, points and directions
	}
	var list []ir.Task
	for _, name := range could {
		t := ir.Task{Name: name, Axis: ir.NoAxis}
		if name == ir.Classes {
			t = classes
		}
		if name == first {
			list = slices.Insert(list, 0, t)
			continue
		}
		list = append(list, t)
	}
	return list
}

// likelyAxis is classes along the axis that they likely lie on in a result with several: those of
// pixels stand along the first axis, those of steps along the last one.
func likelyAxis(shape ir.Shape) ir.Task {
	t := ir.Task{Name: ir.Classes}
	if len(shape) == 2 || shape.Size() > 1 && shape[0] == 1 {
		t.Axis = len(shape) - 1
	}
	return t
}

// isActivation reports a function of each element whose result are no probabilities, alone or
// within a layer.
func isActivation(n *ir.Node) bool {
	switch {
	case n.Op.Takes(ir.AttrAct):
		return n.Word(ir.AttrAct) != ir.ActNone
	case n.Op == ir.Relu || n.Op == ir.Relu6:
		return true
	}
	return n.Op.Is(ir.Function) && !isShares(n)
}

// ByLabels is the diagnostic of a task that is not clear, whose way out is the task that the
// labels of a batch fit, of each result that has some: other errors, and such of labels that fit
// none, as they are.
func ByLabels(unclear error, m *ir.Module, b data.Batch) error {
	var d *diag.Diagnostic
	if !errors.As(unclear, &d) || d.Kind != diag.BadTask {
		return unclear
	}
	tasks, are := make([]ir.Task, len(m.Outputs)), []string{}
	single := "" // what makes the numbers of classes of labels that are one-hot
	var why *diag.Diagnostic
	for i, out := range m.Outputs {
		tasks[i] = likely(m, out)[0]
		at := targetOf(b, m.ResultName(i), len(m.Outputs))
		if at < 0 || len(b.Targets[at].X) == 0 {
			continue
		}
		l := b.Targets[at]
		if task, ok := fitting(m, i, l); ok {
			tasks[i] = task
			are = append(are, fmt.Sprintf("%s are %s", m.ResultName(i), numbers(l.Size())))
			if task.Name == ir.Classes && l.Size() == out.Type.Shape.Size() {
				single = singled(l, task, out.Type.Shape)
				are[len(are)-1] += fmt.Sprintf(" (one-hot: save %s in numpy)", single)
			}
		} else if len(m.Outputs) == 1 {
			why = misplaced(b, l, out)
		}
	}
	own := *d
	switch {
	case why != nil:
		own.Message = strings.Replace(own.Message, noLabel, ", and "+why.Message, 1)
		own.Help = why.Help + "; " + own.Help
	case len(are) == 0:
		return unclear
	case len(tasks) == 1 && single != "":
		out, say := m.Outputs[0], tasks[0].String()
		own.Help = fmt.Sprintf("the labels are one-hot, as of classes: save %s in numpy, and %s says it, or the text of the network: -> %s %s; %s takes them as they are", single, sayTask(say), out.Type, say, sayTask(ir.Multilabel))
	case len(tasks) > 1:
		own.Note += "; the labels of " + strings.Join(are, ", of ") + " an item"
		own.Help = sayEach(m, tasks)
	default:
		out, say := m.Outputs[0], tasks[0].String()
		own.Help = fmt.Sprintf("the labels fit %s: %s says it, or the text of the network: -> %s %s", tasks[0].Name, sayTask(say), out.Type, say)
	}
	return &own
}

// noLabel is what is said of a result where a label of one whole number an item would tell.
const noLabel = ", and the data have no label of one whole number an item"

// misplaced says why labels of one number an item are no places of the elements of a result; nil
// of others.
func misplaced(b data.Batch, l data.Target, out *ir.Value) *diag.Diagnostic {
	if _, isVector := vector(out.Type.Shape); !isVector || l.Size() != 1 {
		return nil
	}
	r := Result{Task: ir.Classes, Axis: ir.NoAxis, classes: out.Type.Shape.Size(), row: rowOf(ir.Classes)}
	for j, v := range l.X {
		if r.isClass(v) && v == float32(int(v)) {
			continue
		}
		return diag.New(diag.Pos{}, diag.BadTask, "the labels%s are not all whole numbers from 0 to %d: image %s has %v", in(l.From), r.classes-1, b.Called(j), v).
			WithHelp("%s", r.mend(l.X, r.classes))
	}
	return nil
}

// in names an array or column that labels come from; "" of formats without names.
func in(from string) string {
	if from == "" {
		return ""
	}
	return " in " + from
}

// singled is what makes labels of classes of those that are one-hot, in numpy.
func singled(l data.Target, t ir.Task, shape ir.Shape) string {
	axis, _ := oneHot(l.X, l.Shape, classesOf(t, shape))
	name := "y"
	if isName(l.From) {
		name = l.From
	}
	return fmt.Sprintf("%s.argmax(%d)", name, axis+1)
}

// isName reports a name of an array that Python takes.
func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
}

// classesOf is the number of classes of a task of classes.
func classesOf(t ir.Task, shape ir.Shape) int {
	if t.Axis == ir.NoAxis {
		return shape.Size()
	}
	return shape[t.Axis]
}

func numbers(n int) string {
	if n == 1 {
		return "one number"
	}
	return fmt.Sprintf("%d numbers", n)
}

// fitting is the task of a result that labels fit, by their number and values.
func fitting(m *ir.Module, i int, l data.Target) (t ir.Task, ok bool) {
	shape, size := m.Outputs[i].Type.Shape, l.Size()
	isWhole, least, most := true, l.X[0], l.X[0]
	for _, v := range l.X {
		isWhole, least, most = isWhole && v == float32(int32(v)), min(least, v), max(most, v)
	}
	isTruth := isWhole && least >= 0 && most <= 1
	one := func(name string) (ir.Task, bool) { return ir.Task{Name: name, Axis: ir.NoAxis}, true }
	switch {
	case size == 1 && alike(m, shape) && isTruth:
		return one(ir.Reconstruction)
	case size == 1 && shape.Size() == 1 && isTruth:
		return one(ir.Binary)
	case size == shape.Size() && size > 1 && isTruth:
		return hot(l, shape), true
	case size == shape.Size():
		return one(ir.Values)
	}
	_, isVector := vector(shape)
	if isVector && isWhole && size == 1 && len(m.Outputs) > 1 && least >= 0 && int(most) < shape.Size() {
		return one(ir.Classes)
	}
	if isVector || !isWhole || size == 1 {
		return t, false
	}
	for k := range shape {
		axis := k
		if len(shape) == 2 { // classes of steps stand along the last axis
			axis = 1 - k
		}
		classes, positions := shape[axis], slices.Delete(slices.Clone(shape), axis, axis+1)
		own := Result{Task: ir.Classes, Axis: axis, classes: classes, positions: size, row: rowOf(ir.Classes)}
		isOther := func(v float32) bool { return !own.isClass(v) && !own.isVoid(v) }
		if classes > 1 && positions.Size() == size && !slices.ContainsFunc(l.X, isOther) {
			return ir.Task{Name: ir.Classes, Axis: axis}, true
		}
	}
	return t, false
}

// hot is the task of as many truths as a result has elements: of classes where they are one-hot,
// along an axis of a result of several.
func hot(l data.Target, shape ir.Shape) ir.Task {
	t := ir.Task{Name: ir.Classes, Axis: ir.NoAxis}
	if _, isVector := vector(shape); !isVector {
		t = likelyAxis(shape)
	}
	if _, ok := oneHot(l.X, l.Shape, classesOf(t, shape)); ok && classesOf(t, shape) > 1 {
		return t
	}
	return ir.Task{Name: ir.Multilabel, Axis: ir.NoAxis}
}

// ask says that the task of a result is not clear, and what it could be.
func ask(m *ir.Module, i int) *diag.Diagnostic {
	out := m.Outputs[i]
	name, shape := m.ResultName(i), out.Type.Shape
	_, isVector := vector(shape)
	could := likely(m, out)
	var d *diag.Diagnostic
	switch {
	case shape.Size() == 1:
		d = unclear(out, "the result %s is one number, not a score for each of several labels", name)
	case !isVector:
		d = unclear(out, "the result %s is %s: more than one label an item, and no softmax at its end", name, shape)
	case alike(m, shape):
		d = unclear(out, "what the result %s means is not clear: it is %s, with the shape of the input, and no softmax at its end", name, shape)
	case isDirection(out):
		d = unclear(out, "what the result %s means is not clear: it is %s, divided by its own length, as an embedding is", name, shape)
	case len(m.Outputs) > 1:
		d = unclear(out, "what the result %s means is not clear: it is %s, with no softmax at its end", name, shape)
	default:
		d = unclear(out, "what the result %s means is not clear: it is %s, with no softmax at its end%s", name, shape, noLabel)
	}
	var names []string
	for _, t := range could {
		names = append(names, t.Name)
	}
	note := couldBe(names...)
	if i := slices.Index(names, ir.Classes); i >= 0 && could[i].Axis != ir.NoAxis {
		note = strings.Replace(note, fmt.Sprintf("%s (%s)", ir.Classes, rowOf(ir.Classes).about), fmt.Sprintf("classes along an axis (one label for each position, as %s)", could[i]), 1)
	}
	d.WithNote("%s", note)
	if len(m.Outputs) > 1 {
		d.WithNote("%s; dnnc help tasks explains them", couldBeEach(m))
		d.Message = fmt.Sprintf("the network has %s, and %s", resultsOf(m), d.Message)
		return d.WithHelp("%s", sayEach(m, nil))
	}
	say := could[0].String()
	d.WithHelp("%s says it, or the text of the network: -> %s %s; -O int8 and -O universal need no task; dnnc help tasks shows each", sayTask(say), out.Type, say)
	if labelsTell(m, out) {
		d.Help += "; labels that are whole numbers say classes, too"
	}
	return d
}

// manyResults is the most results that a diagnostic lists.
const manyResults = 16

// resultsOf counts and lists the results.
func resultsOf(m *ir.Module) string {
	var list []string
	for i, o := range m.Outputs[:min(len(m.Outputs), manyResults)] {
		list = append(list, fmt.Sprintf("%s %s", m.ResultName(i), o.Type.Shape))
	}
	if more := len(m.Outputs) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("%d others", more))
	}
	return fmt.Sprintf("%d results, %s", len(m.Outputs), strings.Join(list, " and "))
}

// couldBeEach lists the tasks of each result.
func couldBeEach(m *ir.Module) string {
	var list []string
	for i, o := range m.Outputs[:min(len(m.Outputs), manyResults)] {
		var names []string
		for _, t := range likely(m, o) {
			names = append(names, t.String())
		}
		list = append(list, m.ResultName(i)+" could be "+strings.Join(names, ", "))
	}
	return strings.Join(list, "; ")
}

// sayEach is the way to say the task of each result: those given, or the likely ones.
func sayEach(m *ir.Module, tasks []ir.Task) string {
	var list []string
	for i, o := range m.Outputs[:min(len(m.Outputs), manyResults)] {
		t := likely(m, o)[0]
		if tasks != nil {
			t = tasks[i]
		}
		list = append(list, m.ResultName(i)+"="+t.String())
	}
	if len(m.Outputs) > manyResults {
		list = append(list, "...")
	}
	return fmt.Sprintf("%s says what each is, or the text of the network, after each type; the tasks are %s", sayTask(strings.Join(list, ", ")), strings.Join(Tasks(), " "))
}

// unclear says that a result is not judged.
func unclear(out *ir.Value, format string, args ...any) *diag.Diagnostic {
	return diag.New(out.Pos, diag.BadTask, format, args...)
}

// sayTask is the flag that says a task.
func sayTask(text string) string { return quote.Flag("task", text) }

// couldBe lists tasks with what they mean.
func couldBe(names ...string) string {
	var list []string
	for _, name := range names {
		list = append(list, fmt.Sprintf("%s (%s)", name, rowOf(name).about))
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

// origin is the operation that elements come from, wherever they are moved after it; nil
// of an input.
func origin(v *ir.Value) *ir.Node { return unmoved(v).Def }

// unmoved is the value whose elements another one has, wherever they are moved after it.
func unmoved(v *ir.Value) *ir.Value {
	for v.Def != nil && len(v.Def.Args) == 1 && (v.Def.Op.Moves() || v.Def.Op == ir.Requantize && v.Def.Word(ir.AttrAct) == ir.ActNone) {
		v = v.Def.Args[0]
	}
	return v
}

// isDirection reports elements that are divided by their own length, or several such parts one
// after the other: an embedding, as no scores of a classifier are.
func isDirection(out *ir.Value) bool {
	n := origin(out)
	if n == nil {
		return false
	}
	parts := []*ir.Node{n}
	if n.Op == ir.Concat {
		parts = nil
		for _, x := range n.Args[:min(len(n.Args), manyResults)] {
			parts = append(parts, origin(x))
		}
	}
	return !slices.ContainsFunc(parts, func(n *ir.Node) bool {
		return n == nil || n.Op != ir.L2Norm && (n.Op != ir.Mul || !isOfLength(n.Args[0], n.Args[1]) && !isOfLength(n.Args[1], n.Args[0]))
	})
}

// isOfLength reports a factor that a sum of a value's own elements gives, and a root, with
// nothing else of the network.
func isOfLength(factor, of *ir.Value) bool {
	of = unmoved(of)
	hasRoot, hasSum, seen := false, false, map[*ir.Value]bool{of: true}
	for rest := []*ir.Value{factor}; len(rest) > 0; {
		v := unmoved(rest[len(rest)-1])
		rest = rest[:len(rest)-1]
		if seen[v] {
			continue
		}
		seen[v] = true
		n := v.Def
		if n == nil {
			return false
		}
		hasRoot = hasRoot || n.Op == ir.Sqrt || n.Op == ir.Pow
		hasSum = hasSum || n.Op == ir.Reduce || n.Op == ir.MatMul
		rest = append(rest, n.Args...)
	}
	return hasRoot && hasSum
}

// isSoftmax reports a softmax over the elements of its result, a vector.
func isSoftmax(n *ir.Node) bool {
	if n == nil || n.Op != ir.Softmax && n.Op != ir.LogSoftmax {
		return false
	}
	axis, _ := vector(n.Out.Type.Shape)
	return n.Int(ir.AttrAxis) == axis
}

// softmaxAlong is the axis of a result along which a softmax made its elements, wherever they
// were moved after it; NoAxis where there is none.
func softmaxAlong(out *ir.Value) int {
	var at []int32 // places in the softmax's result, by those in out; nil of the same places
	v := out
	for v.Def != nil && v.Def.Op.Moves() && v.Def.Args[0].Type.Shape.Size() == v.Type.Shape.Size() {
		index := v.Def.Moved().Index()
		if at == nil {
			at = index
		} else {
			for i, k := range at {
				at[i] = index[k]
			}
		}
		v = v.Def.Args[0]
	}
	if v.Def == nil || v.Def.Op != ir.Softmax && v.Def.Op != ir.LogSoftmax {
		return ir.NoAxis
	}
	own := v.Def.Int(ir.AttrAxis)
	classes, inner := v.Type.Shape[own], ir.Shape(v.Type.Shape[own+1:]).Size()
	place := func(i int) (class, position int) {
		if at != nil {
			i = int(at[i])
		}
		return i / inner % classes, i/(inner*classes)*inner + i%inner
	}
	for axis, n := range out.Type.Shape {
		if n != classes || n < 2 {
			continue
		}
		behind, isAlong := ir.Shape(out.Type.Shape[axis+1:]).Size(), true
		for i := 0; i < out.Type.Shape.Size() && isAlong; i++ {
			along := i / behind % n
			class, position := place(i)
			_, first := place(i - along*behind)
			isAlong = class == along && position == first
		}
		if isAlong {
			return axis
		}
	}
	return ir.NoAxis
}

// isShares reports an operation whose result are probabilities.
func isShares(n *ir.Node) bool {
	f := n.Op
	if n.Op == ir.Table {
		f, _ = n.Function()
	}
	return slices.Contains([]ir.Op{ir.Softmax, ir.Sigmoid, ir.HardSigmoid}, f)
}

// labels are those of each result by which the items of a batch are judged, [n][as many as
// the task takes]; nil of a result that has none. What does not fit the task is a diagnostic.
// targetOf is the place among a batch's targets of the labels of a result: those of its name, or of
// the only result those without a name; -1 of none.
// given are the labels that came with a batch, as labels has them.
// voids are labels of positions that have no class, which no measure counts: of PASCAL VOC and
// Cityscapes, and what PyTorch's losses ignore.
// isVoid reports a label of a position that has no class.
// void names those of labels: "255", or "255 and -1"; "" where there are none.
// isClass reports a label that is one of the classes.
// checkVoid refuses labels of which void ones leave nothing to judge: an image of these alone,
// or one class in all of them, which void stands for the other one of, as 255 in masks of 0 and 255.
// placeIn is the place of an element in an array of a shape: [2,5].
// mend says how labels that are out of range become whole numbers below most.
// signed is a number that is added: "- 2" or "+ 1".
// mostExact is the number up to which a float32 has every whole number.
// renumbered is how values in their order, as labels are, become those of below most; "" where
// nothing tells. They are whole, and counted from another number, or in steps, from the first class
// to the last one; or they are as many as there are classes. Steps are told by all classes alone.
// choices lists whole numbers below most.
// oneHot is the axis of the labels of an item, of a number of classes, along which one label is 1
// and the others are 0 at every position of every item.
// Gaps says for each result what the labels of a batch lack: that all are one, or which ones are
// none; "" of those that lack nothing.
// gaps is Gaps of labels of a result.
// mostListed is the most labels that a line lists.
const mostListed = 10

// constants says which elements of labels are the same for every item, which measures of values
// leave out, and of which a network of several labels can learn nothing.
// LabelsFrom is the array or column that the labels of result k of a batch come from; "" of
// formats that have no names.
// surelyMissed is the chance below which labels that are drawn from all classes would miss as
// many as they do.
const surelyMissed = 1e-3

// Doubt is the diagnostic of a task that labels alone told, of a network that answers them no
// better than a constant: they may be the identities of an embedding. Nil of all others, and
// where labels name every element, as classes do, and the network does better than a guess
// among these.
func (t *Task) Doubt(m *ir.Module, b data.Batch, isGuess bool) *diag.Diagnostic {
	if len(t.Results) != 1 || !t.Results[0].byLabels || len(b.Labels) == 0 {
		return nil
	}
	r, out := &t.Results[0], m.Outputs[0]
	named := slices.Max(b.Labels) + 1
	if math.Pow(float64(named)/float64(r.classes), float64(len(b.Labels))) < surelyMissed {
		return unclear(out, "what the result %s means is not clear: it is %s, the labels name only the first %d of its elements, and the network answers none of them better than a constant", r.Name, r.Shape, named).
			WithNote("%s", couldBe(ir.EmbeddingTask, ir.Classes)).
			WithHelp("%s says it, or the text of the network: -> %s %s", sayTask(ir.EmbeddingTask), out.Type, ir.EmbeddingTask)
	}
	if !isGuess {
		return nil
	}
	return unclear(out, "what the result %s means is not clear: it is %s, with no softmax at its end, and the network answers the labels no better than a guess", r.Name, r.Shape).
		WithNote("%s", couldBe(ir.Classes, ir.EmbeddingTask)).
		WithHelp("%s says it, or %s; of a classifier look at data, labels and weights", sayTask(ir.Classes), sayTask(ir.EmbeddingTask))
}

// otherFolders refuses labels that are the places of folders among others, where there are not as
// many folders as classes: which class each is cannot be known.
// mostNamed is the most folders that a message lists.
// beyond says that a label names no class, and how all labels do.
// IsLabelled reports a result of a score that is judged by labels, not by the answers of the
// reference.
func (r *Result) IsLabelled() bool { return !r.agrees }

// LabelsStay reports a result of values that is judged by labels: the labels stay as they are under
// an error of the input, even under one that changes the quantity they measure.
func (t *Task) LabelsStay() bool {
	return slices.ContainsFunc(t.Results, func(r Result) bool { return r.Task == ir.Values && r.IsLabelled() })
}

// By is the task as it is judged where some of its results have labels: see Labelled.
func (t Task) By(labelled []bool) Task {
	if t.isPlain() {
		return t
	}
	var measures []string
	t.Results = slices.Clone(t.Results)
	for k := range t.Results {
		r := &t.Results[k]
		r.agrees = !labelled[k]
		measures = append(measures, r.Measure())
		if len(t.Results) > 1 {
			measures[k] = r.Name + " " + measures[k]
		}
	}
	t.Measure = strings.Join(measures, ", ")
	return t
}

// Check holds the labels of a batch to the task.
// Labelled reports for each result whether a batch has labels by which it is judged.
// IsLabelled reports whether a batch has labels for every result.
// whole turns labels of one whole number an item into integers.
// Decides reports a task whose answer to an item is one of several: what a boundary or a
// plane of decisions needs. what names that in the diagnostic of others.
func (t *Task) Decides(what string) error {
	if len(t.Results) == 1 && t.Results[0].row.decides(&t.Results[0]) {
		return nil
	}
	return diag.New(diag.Pos{}, diag.Unsupported, "%s needs one answer an item that is right or wrong: of classes without an axis, or binary; this is %s", what, t.Name).
		WithHelp("dnnc eval without it measures %s", t.Measure)
}

// Decisions are the answers to n items of a task that decides: places of the greatest
// element, or 1 for yes and 0 for no.
func (t *Task) Decisions(answers []float32, n int) []int {
	if len(t.Results) == 0 || t.isPlain() {
		return Answers(answers, len(answers)/n)
	}
	out := make([]int, n)
	for i := range out {
		if t.Results[0].isYes(answers[i]) {
			out[i] = 1
		}
	}
	return out
}

// Choices is the number of decisions of a task that decides.
func (t *Task) Choices() int { return t.Results[0].row.most(&t.Results[0]) }

// Right are the decisions that the labels of a batch say, of a task that decides; nil of a
// batch without labels.
func (t *Task) Right(b data.Batch) []int {
	list, err := t.labels(b)
	if err != nil || len(list) == 0 {
		return nil
	}
	return whole(list[0])
}

// Odds are the logarithms of the probabilities that answers to n items give each decision,
// of a task that decides, [n][Choices].
func (t *Task) Odds(answers []float32, n int) [][]float64 {
	r := &t.Results[0]
	out := make([][]float64, n)
	for i := range out {
		out[i] = r.row.odds(r, answers[i*r.size:(i+1)*r.size])
	}
	return out
}

func classesOdds(r *Result, got []float32) []float64 {
	out := make([]float64, r.classes)
	r.logShares(got, 0, out)
	return out
}

func binaryOdds(r *Result, got []float32) []float64 {
	yes, no := r.yes(got[0])
	return []float64{no, yes}
}

// isYes is the decision of a yes or no at .5.
func (r *Result) isYes(v float32) bool {
	if r.isShare {
		return v >= .5
	}
	return v >= 0
}
