package measure

import "math"

// Expected is the loss of robust accuracy that the reference's probabilities expect of the
// answers that are not its own, in the mean over sizes and kinds: such an answer loses what
// its label is less likely to be it than to be the reference's answer. A right answer that
// became wrong and a wrong one that became right count for little where the reference hardly
// told the two apart. So far fewer images tell this loss than tell the one by labels, to
// which it is in proportion. It is NaN of tasks other than one label an item.
func (s *Score) Expected(reference *Score) float64 {
	sum := 0.0
	for i, k := range s.Kinds {
		if k.Right == nil || k.stats == nil {
			return math.NaN()
		}
		own := 0.0
		for size, list := range k.stats {
			slope := slope(reference.Kinds[i].stats[size])
			own += mean(len(list), func(i int) float64 { return math.Tanh(slope * list[i][5] / 2) })
		}
		sum += own / float64(len(k.stats))
	}
	return sum / float64(len(s.Kinds))
}

// The bounds of slope.
const leastSlope, mostSlope = 1e-3, 1e3

// slope is what the log odds of a network's two likeliest labels are to be multiplied by to
// agree with the labels under one condition: one over the temperature of Guo et al., "On
// calibration of modern neural networks" (ICML 2017), by the likelihood of the labels that
// are one of the two. Networks are too sure of themselves, the more so the greater an error.
func slope(items [][]float64) float64 {
	derivative := func(slope float64) (sum float64) { // of the likelihood, falls with the slope
		for _, it := range items {
			if odds := it[7] * it[6]; it[7] != 0 && !math.IsInf(odds, 0) {
				sum += odds / (1 + math.Exp(slope*odds))
			}
		}
		return sum
	}
	low, high := math.Log(leastSlope), math.Log(mostSlope)
	for range 40 {
		if at := (low + high) / 2; derivative(math.Exp(at)) > 0 {
			low = at
		} else {
			high = at
		}
	}
	return math.Exp((low + high) / 2)
}
