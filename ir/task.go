package ir

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/ir/decimal"
)

// Task is what a result of a network means, as far as the text says it.
type Task struct {
	// Result is the name of the result, where it has another than its value: an imported
	// model names both. Passes that merge values keep it.
	Result string
	Name   string // one of TaskNames; "" where the text does not say it
	// Axis is the axis along which one class is chosen, for each position of the other
	// axes; NoAxis where an item has one class.
	Axis int
	// Weight is the share of the result in what a search makes least; 0 stands for 1.
	Weight float64
}

// NoAxis is the axis of a task that has none.
const NoAxis = -1

// The tasks.
const (
	Classes        = "classes"
	Binary         = "binary"
	Multilabel     = "multilabel"
	Values         = "values"
	Reconstruction = "reconstruction"
	EmbeddingTask  = "embedding"
)

// TaskNames lists the tasks as the language and -task name them.
var TaskNames = []string{Classes, Binary, Multilabel, Values, Reconstruction, EmbeddingTask}

// taskKeys are the attributes of a result.
var taskKeys = []string{"task", "axis", "weight", "name"}

// Set sets an attribute of the task: "task", "axis", "weight" or "name". An error says what is
// wrong, and words are what would be right there; nil of numbers.
func (t *Task) Set(key, value string) (words []string, err error) {
	switch key {
	case "task":
		if !slices.Contains(TaskNames, value) {
			return TaskNames, fmt.Errorf("no task %q: the tasks are %s", value, strings.Join(TaskNames, " "))
		}
		t.Name = value
	case "axis":
		if t.Axis, err = strconv.Atoi(value); err != nil || t.Axis < 0 {
			return nil, fmt.Errorf("the axis %s is no whole number from 0 on", value)
		}
	case "weight":
		if t.Weight, err = decimal.Float(value, 64); err != nil || !(t.Weight > 0 && t.Weight <= 1e6) {
			return nil, fmt.Errorf("the weight %s is no number above 0, and of at most a million", value)
		}
	case "name":
		if !validName(value) {
			return nil, fmt.Errorf("%q is no name of a result: it has letters, digits and _, with points between", value)
		}
		t.Result = value
	default:
		return taskKeys, fmt.Errorf("a result has no %q: it has %s", key, strings.Join(taskKeys, ", "))
	}
	return nil, nil
}

// ParseTask reads a task as a result has it in the language: "classes axis: 0 weight: .5".
func ParseTask(text string) (t Task, words []string, err error) {
	t.Axis = NoAxis
	if words, err = setWords(text, "task", t.Set); err == nil && t.Name == "" {
		return t, TaskNames, fmt.Errorf("%q names no task: the tasks are %s", text, strings.Join(TaskNames, " "))
	}
	if err == nil && t.Result != "" {
		return t, nil, fmt.Errorf("the name of a result stands before its task: %s=%s", t.Result, t.Name)
	}
	return t, words, cmp.Or(err, t.CheckAxis())
}

// CheckAxis refuses an axis of a task that has none.
func (t Task) CheckAxis() error {
	if t.Axis == NoAxis || t.Name == Classes {
		return nil
	}
	return fmt.Errorf("an axis is of %s, one for each position; this is %s", Classes, t.Name)
}

// setWords gives the attributes of a text to set, "key: value" each; one without its key is
// that of the key short. It ends with the first error of set, and its words.
func setWords(text, short string, set func(key, value string) (words []string, err error)) (words []string, err error) {
	list, seen := strings.Fields(strings.ReplaceAll(text, ":", " : ")), map[string]bool{}
	for i := 0; i < len(list); {
		key, value, n := short, list[i], 1
		if i+1 < len(list) && list[i+1] == ":" {
			if i+2 == len(list) {
				return nil, fmt.Errorf("%s has no value", list[i])
			}
			key, value, n = list[i], list[i+2], 3
		}
		if seen[key] {
			return nil, fmt.Errorf("%s stands twice", key)
		}
		seen[key] = true
		if words, err = set(key, value); err != nil {
			return words, err
		}
		i += n
	}
	return nil, nil
}

// String is the task as the language writes it.
func (t Task) String() string {
	var words []string
	if t.Name != "" {
		words = append(words, t.Name)
	}
	if t.Axis != NoAxis {
		words = append(words, fmt.Sprintf("axis: %d", t.Axis))
	}
	if t.Weight != 0 {
		words = append(words, "weight: "+FormatFloat(t.Weight))
	}
	if t.Result != "" {
		words = append(words, "name: "+t.Result)
	}
	return strings.Join(words, " ")
}

// TaskOf is what the text says of result i.
func (m *Module) TaskOf(i int) Task {
	if i < len(m.Tasks) {
		return m.Tasks[i]
	}
	return Task{Axis: NoAxis}
}

// ResultName is the name of result i: its own, else its value's.
func (m *Module) ResultName(i int) string { return cmp.Or(m.TaskOf(i).Result, m.Outputs[i].Name) }
