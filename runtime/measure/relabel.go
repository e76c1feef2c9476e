package measure

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
)

// LabelsOf are the labels of each result by which the items of a batch are judged, [n][as many
// as an item has]; nil of a result that has none.
func (t *Task) LabelsOf(b data.Batch) ([][]float32, error) { return t.labels(b) }

// WithLabels is a batch whose result k has other labels.
func (t *Task) WithLabels(b data.Batch, k int, labels []float32) data.Batch {
	own := data.Target{Name: t.Results[k].Name, Shape: []int{len(labels) / b.N}, X: labels}
	b.Targets = slices.DeleteFunc(slices.Clone(b.Targets), func(x data.Target) bool { return x.Name == own.Name || len(t.Results) == 1 })
	b.Targets = append(b.Targets, own)
	if len(t.Results) == 1 {
		b.Labels = nil
	}
	return b
}

// Answer is what the answers to some items have for result k of item i.
func (t *Task) Answer(k int, answers []float32, i int) []float32 {
	r := &t.Results[k]
	from := i*t.Size() + r.from
	return answers[from : from+r.size]
}

// Choices is the number of labels among which an answer chooses, at each position or for each
// element; 0 of a task that has no such choice.
func (r *Result) Choices() int {
	switch r.Task {
	case Classes, ir.Binary, ir.Multilabel:
		return r.row.most(r)
	}
	return 0
}

// IsJudged reports labels of an item of which not all are void.
func (r *Result) IsJudged(labels []float32) bool {
	return slices.ContainsFunc(labels, func(v float32) bool { return !r.isVoid(v) })
}

// Choose is what an answer chooses, for each of an item's labels: classes, or 1 of yes and 0 of
// no; nil of a task that has no such choice.
func (r *Result) Choose(answer []float32) []int {
	switch r.Task {
	case Classes:
		out := make([]int, r.positions)
		for p := range out {
			out[p] = r.best(answer, p)
		}
		return out
	case ir.Binary, ir.Multilabel:
		out := make([]int, r.size)
		for e, v := range answer {
			if r.isYes(v) {
				out[e] = 1
			}
		}
		return out
	}
	return nil
}
