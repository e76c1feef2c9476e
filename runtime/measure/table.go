package measure

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// row is all that there is to know of a task. What a row has not is nil, and is said to
// the user rather than made up.
type row struct {
	name, about string
	measure     string // what is kept of a network, and printed for every condition
	// named is the measure where it depends on the result; nil is measure.
	named func(r *Result) string

	// What labels look like: in words, how many numbers an item has, and below which each,
	// a whole number, must lie; nil of reals.
	label  string
	labels func(r *Result) int
	most   func(r *Result) int

	// The divergence of a search: parts is its parts for one item, of which there are as
	// many as of the best constant answer's mean parts, constant; slope adds the derivative
	// of the sum of part/scale with respect to got. isNats reports parts that are a KL
	// divergence.
	isNats   bool
	parts    func(r *Result, x, ref, got []float32, out []float64)
	constant func(r *Result, n int, x, ref func(i int) []float32) []float64
	slope    func(r *Result, x, ref, got []float32, scale []float64, d []float32)
	// margin writes the derivative of how right an answer is; label is nil where there is
	// none. It reports whether there is such a thing.
	margin func(r *Result, x, label, got, d []float32) bool
	// differs is the share of an item's decisions that two networks do not share; nil of a
	// task without decisions.
	differs func(r *Result, ref, got []float32) float64
	decides func(r *Result) bool
	// odds is the logarithms of the probabilities that an answer gives each of its decisions;
	// nil of a task that never decides.
	odds func(r *Result, got []float32) []float64

	// stats is what an item gives to figures; finish completes it, where items must be
	// compared with each other, of all items under one condition; nil where they need not. It
	// gives the nearest other item of each, and is given those of the reference, nil of the
	// reference itself, which comes first.
	stats  func(r *Result, it item) []float64
	finish func(r *Result, items [][]float64, it []item, reference []int) []int
	// shares is each item's share of the measure, whose mean is the measure, and of that
	// of the best constant answer.
	shares  func(r *Result, items [][]float64) (own, constant []float64)
	span    func(r *Result) float64  // greatest difference of two items' shares; nil where there is no bound
	figures func(r *Result) []figure // beside the measure, of which there is one first
}

// item is an answer to be judged.
type item struct {
	x        []float32 // the input of the network
	ref, got []float32 // answers of the reference and of the network; ref is nil of none
	label    []float32 // nil of none
}

// table has a row for each of ir.TaskNames.
var table []*row

func init() {
	table = []*row{
		{
			name: ir.Classes, about: "one label an item", measure: "accuracy", named: classesMeasure,
			label: "whole numbers", labels: func(r *Result) int { return r.positions }, most: func(r *Result) int { return r.classes },
			isNats: true, parts: classesParts, constant: classesConstant, slope: classesSlope, margin: classesMargin, differs: classesDiffers,
			decides: (*Result).isPlain, odds: classesOdds, stats: classesStats, shares: classesShares, span: unit, figures: classesFigures,
		},
		{
			name: ir.Binary, about: "yes or no, by one sigmoid", measure: "accuracy at .5",
			label: "0 or 1", labels: one, most: func(*Result) int { return 2 },
			isNats: true, parts: sigmoidParts, constant: sigmoidConstant, slope: sigmoidSlope, margin: sigmoidMargin, differs: sigmoidDiffers,
			decides: func(*Result) bool { return true }, odds: binaryOdds, stats: sigmoidStats, shares: sigmoidShares, span: unit, figures: sigmoidFigures,
		},
		{
			name: ir.Multilabel, about: "several labels an item, by sigmoids", measure: "accuracy at .5",
			label: "0 or 1 for each element", labels: func(r *Result) int { return r.size }, most: func(*Result) int { return 2 },
			isNats: true, parts: sigmoidParts, constant: sigmoidConstant, slope: sigmoidSlope, margin: sigmoidMargin, differs: sigmoidDiffers,
			decides: never, stats: sigmoidStats, shares: sigmoidShares, span: unit, figures: sigmoidFigures,
		},
		{
			name: ir.Values, about: "numbers: regression, boxes, forecasts", measure: "1 - rmse/std",
			label: "reals, one for each element", labels: func(r *Result) int { return r.size },
			parts: valuesParts, constant: valuesConstant, slope: valuesSlope, margin: valuesMargin,
			decides: never, stats: valuesStats, shares: valuesShares, figures: valuesFigures,
		},
		{
			name: ir.Reconstruction, about: "the input again: autoencoders", measure: "AUC of the score |x-f(x)|²",
			label: "0, normal, or 1, abnormal; the target is the input itself", labels: one, most: func(*Result) int { return 2 },
			parts: scoreParts, constant: scoreConstant, slope: scoreSlope, margin: scoreMargin,
			decides: never, stats: scoreStats, shares: scoreShares, figures: scoreFigures,
		},
		{
			name: ir.EmbeddingTask, about: "a direction", measure: "cosine",
			label: "whole numbers, alike of items that belong together", labels: one, most: func(*Result) int { return 1 << 20 },
			parts: cosineParts, constant: cosineConstant, slope: cosineSlope, margin: nil,
			decides: never, stats: cosineStats, finish: cosineFinish, shares: cosineShares, span: cosineSpan, figures: cosineFigures,
		},
	}
}

func one(*Result) int { return 1 }

func unit(*Result) float64 { return 1 }

func never(*Result) bool { return false }

// rowOf is the row of a task.
func rowOf(name string) *row {
	return table[slices.Index(ir.TaskNames, name)]
}

func (w *row) measureOf(r *Result) string {
	if w.named != nil {
		return w.named(r)
	}
	return w.measure
}
