package measure

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
)

func TestIoU(t *testing.T) {
	a := [4]float64{0, 0, 2, 2}
	assert.Equal(t, 1., iou(a, a))
	assert.InDelta(t, 1./7, iou(a, [4]float64{1, 1, 3, 3}), 1e-12)
	assert.Zero(t, iou(a, [4]float64{2, 0, 4, 2}), "they touch")
	assert.Zero(t, iou([4]float64{1, 1, 1, 1}, [4]float64{1, 1, 1, 1}), "empty")
	for form, v := range map[string][4]float64{"xyxy": {1, 2, 4, 6}, "yxyx": {2, 1, 6, 4}, "xywh": {1, 2, 3, 4}, "cxcywh": {2.5, 4, 3, 4}} {
		assert.Equal(t, [4]float64{1, 2, 4, 6}, boxForms[form](v), form)
	}
	assert.Len(t, BoxForms(), len(boxForms))
}

// detector is of three boxes and two classes, side by side or apart.
func detector(t *testing.T, apart bool) (*Task, *Detector) {
	boxes, scores := ir.Shape{3, 4}, ir.Shape{3, 2}
	if apart {
		boxes, scores = ir.Shape{4, 3}, ir.Shape{2, 3}
	}
	task := resultsOf2(t, boxes, scores)
	d, err := NewDetector(task, "boxes: r0, scores: r1, form: xyxy, least: 0")
	require.NoError(t, err)
	return task, d
}

func resultsOf2(t *testing.T, shapes ...ir.Shape) *Task {
	task := &Task{Name: "values"}
	for i, s := range shapes {
		r := Result{Name: []string{"r0", "r1"}[i], Shape: s, Task: ir.Values, Axis: ir.NoAxis, Weight: 1, row: rowOf(ir.Values), from: task.Size(), size: s.Size()}
		task.Results = append(task.Results, r)
	}
	require.NotZero(t, task.Size())
	return task
}

// turned is rows of a matrix as columns.
func turned(x []float32, columns int) (out []float32) {
	for c := range columns {
		for i := c; i < len(x); i += columns {
			out = append(out, x[i])
		}
	}
	return out
}

// TestDetections: of the float network's two detections (its third box is the first one
// again, of less score) the other one makes one, in another place than the other.
func TestDetections(t *testing.T) {
	boxes := []float32{0, 0, 2, 2, 5, 5, 7, 7, 0, 0, 2, 1.9}
	scores := []float32{3, 0, -1, 2, 1, 0}
	moved := append([]float32(nil), boxes...)
	moved[4], moved[6] = 7, 9
	for _, apart := range []bool{false, true} {
		task, d := detector(t, apart)
		answers := func(b []float32) []float32 {
			if apart {
				return append(turned(b, 4), turned(scores, 2)...)
			}
			return append(append([]float32(nil), b...), scores...)
		}
		list := d.detections(answers(boxes))
		require.Len(t, list, 2)
		assert.Equal(t, detection{[4]float64{0, 0, 2, 2}, 0, 3}, list[0])
		assert.Equal(t, 1, list[1].class)
		assert.Equal(t, []float64{2, 4}, d.compare(answers(boxes), answers(moved)))
		assert.Equal(t, []float64{4, 4}, d.compare(answers(boxes), answers(boxes)))

		s := Setup{Task: *task, Images: data.Batch{N: 2, Shape: []int{1}, X: []float32{0, 0}}}
		d.Attach(&s)
		other := append([]float32(nil), boxes...)
		for i := range other {
			other[i] += .05
		}
		own := append([]float32(nil), scores...)
		for i := range scores {
			scores[i] += .1 // of the second item, or its measure were not defined
		}
		second := answers(other)
		copy(scores, own)
		float := append(answers(boxes), second...)
		_, err := Robust(context.Background(), s, answering(float), answering(append(answers(moved), second...)))
		require.NoError(t, err)
		agreement, n := d.Agreement()
		assert.InDelta(t, 6./8, agreement.Value, 1e-12)
		assert.Equal(t, 8, n)
		assert.LessOrEqual(t, agreement.Low, agreement.Value)
		assert.GreaterOrEqual(t, agreement.High, agreement.Value)
		assert.Empty(t, d.Doubt())
		none := *d
		none.found, none.least = 0, .5
		assert.Contains(t, none.Doubt(), "neither network has a score in r1 of at least 0.5, as a detection has; least: says another one")
		wrong := Detector{boxes: d.boxes, scores: d.scores, form: "xywh", found: 10, empty: map[string]int{"xywh": 6, "xyxy": 1, "yxyx": 2, "cxcywh": 6}}
		assert.Equal(t, "as xywh 6 of 10 boxes in r0 are empty, and agree with none; form: xyxy makes 1 of them empty", wrong.Doubt())
		wrong.empty["xyxy"], wrong.empty["yxyx"] = 6, 6
		assert.Contains(t, wrong.Doubt(), "none of the forms xyxy, yxyx, xywh, cxcywh suits them")
	}
}

func TestFaultsOfDetectors(t *testing.T) {
	task := resultsOf2(t, ir.Shape{3, 4}, ir.Shape{3, 2})
	for text, want := range map[string]string{
		"boxes: r0, scores: r1":                              "the form of boxes is one of",
		"boxes: r0, scores: r1, form: xyxy":                  "r1 are no probabilities: say the score of a detection",
		"boxes: r1, scores: r0, form: xyxy":                  "boxes are [n,4] or [4,n], and r1 is [3,2]",
		"boxes: r9, scores: r1, form: xyxy":                  `no result "r9" for boxes`,
		"boxes: r0, boxes: r0":                               "each once",
		"boxes: r0, colour: r1":                              `"colour: r1" is none of them`,
		"boxes: r0, scores: r1, form: xyxy, least: much":     "the least score much is no number",
		"boxes: r0, scores: r1, form: xyxy, least: nan":      "the least score nan is no number",
		"boxes: r0, scores: r1, form: xyxy, least: inf":      "the least score inf is no number",
		"boxes: r0, scores: r1, form: xyxy, least: 1_0":      "the least score 1_0 is no number",
		"boxes: r0, scores: r1, form: xyxy, least: 0x1p0":    "the least score 0x1p0 is no number",
		"boxes: r0, scores: r1, form: corners, least: .5":    "the form of boxes is one of",
		"boxes: r0, scores: r0, form: xyxy, least: .5":       "r0 is said to have the boxes and the scores",
		"boxes: r0, scores: r1, form: xyxy, least: .5, what": `"what" is none of them`,
	} {
		_, err := NewDetector(task, text)
		assert.ErrorContains(t, err, want, text)
	}
	_, err := NewDetector(resultsOf2(t, ir.Shape{4, 4}, ir.Shape{4, 2}), "boxes: r0, scores: r1, form: xyxy, least: 0")
	assert.ErrorContains(t, err, "r0 is [4,4]", "which axis it is cannot be told")
	_, err = NewDetector(resultsOf2(t, ir.Shape{3, 4}, ir.Shape{2, 3}), "boxes: r0, scores: r1, form: xyxy, least: 0")
	assert.ErrorContains(t, err, "r1 is [2,3]")
	shares := resultsOf2(t, ir.Shape{3, 4}, ir.Shape{3, 2})
	shares.Results[1].isShare = true
	d, err := NewDetector(shares, "boxes: r0, scores: r1, form: xyxy")
	require.NoError(t, err)
	assert.Equal(t, .5, d.least)
	_, err = NewDetector(shares, "boxes: r0, scores: r1, form: xyxy, least: 2")
	assert.ErrorContains(t, err, "the scores r1 are probabilities, and none reaches 2: no box would count")
}
