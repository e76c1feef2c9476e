package mistake

import (
	"math"

	"github.com/dnnc/dnnc/runtime/measure"
)

// assign gives each row of a square table a column of its own so that the sum of what they
// have is greatest: the Hungarian method, in n³ steps.
func assign(table [][]float64) []int {
	n := len(table)
	// Row 0 and column 0 stand for none. Prices keep every cost at 0 or above.
	row, column := make([]float64, n+1), make([]float64, n+1)
	owner, before := make([]int, n+1), make([]int, n+1)
	for i := 1; i <= n; i++ {
		least, seen := make([]float64, n+1), make([]bool, n+1)
		for j := range least {
			least[j] = math.Inf(1)
		}
		at := 0
		for owner[at] = i; owner[at] != 0; {
			seen[at] = true
			from, next, step := owner[at], 0, math.Inf(1)
			for j := 1; j <= n; j++ {
				if seen[j] {
					continue
				}
				if cost := -table[from-1][j-1] - row[from] - column[j]; cost < least[j] {
					least[j], before[j] = cost, at
				}
				if least[j] < step {
					step, next = least[j], j
				}
			}
			for j := range seen {
				if seen[j] {
					row[owner[j]] += step
					column[j] -= step
				} else {
					least[j] -= step
				}
			}
			at = next
		}
		for at != 0 { // the way back, on which each takes the column of the one before
			owner[at] = owner[before[at]]
			at = before[at]
		}
	}
	out := make([]int, n)
	for j := 1; j <= n; j++ {
		out[owner[j]-1] = j - 1
	}
	return out
}

// matching is the class that stands for each answer, one for one, under which most items
// are right.
func matching(answers, labels []int, classes int, use func(i int) bool) []int {
	table := square(classes, len(answers))
	for i, a := range answers {
		if use(i) {
			table[a][labels[i]]++
		}
	}
	return assign(table)
}

// matched is which items are right where labels are those of other classes. The matching
// always fits the items that it comes from: each half of them is judged by that of the
// other half.
func matched(answers, labels []int, classes int) []bool {
	out := make([]bool, len(answers))
	for half := range 2 {
		to := matching(answers, labels, classes, func(i int) bool { return i%2 != half })
		for i := half; i < len(answers); i += 2 {
			out[i] = to[answers[i]] == labels[i]
		}
	}
	return out
}

// right is which answers are those of labels after a shift.
func right(answers, labels []int, shift int) []bool {
	out := make([]bool, len(answers))
	for i, a := range answers {
		out[i] = a == labels[i]+shift
	}
	return out
}

// constant is which items have the most frequent label, the first of several: what the best
// constant answer is right on.
func constant(labels []int) []bool {
	return right(constantly(measure.Mode(labels), len(labels)), labels, 0)
}

func constantly(answer, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = answer
	}
	return out
}

func count(list []bool) (n int) {
	for _, is := range list {
		if is {
			n++
		}
	}
	return n
}
