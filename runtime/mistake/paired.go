package mistake

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// significant is the probability, where there is no difference, below which a paired test
// speaks for one.
const significant = 1e-4

// signTest is the one-sided exact probability that, of b+c items on which two readings
// differ, b or more speak for the first one, where both are as good: McNemar's test.
func signTest(b, c int) float64 {
	n := b + c
	sum := 0.0
	for k := b; k <= n; k++ {
		all, _ := math.Lgamma(float64(n + 1))
		in, _ := math.Lgamma(float64(k + 1))
		out, _ := math.Lgamma(float64(n - k + 1))
		sum += math.Exp(all - in - out - float64(n)*math.Ln2)
	}
	return min(sum, 1)
}

// mcNemar is signTest of two readings' right answers to the same items.
func mcNemar(better, worse []bool) float64 {
	b, c := 0, 0
	for i := range better {
		switch {
		case better[i] && !worse[i]:
			b++
		case worse[i] && !better[i]:
			c++
		}
	}
	return signTest(b, c)
}

// meanTest is the one-sided probability of a paired difference in means, or a greater one,
// where there is none: Student's t. Equal figures speak for nothing, nor do fewer than half
// of fewest items: so far out, the tail of their mean depends on how they are distributed.
func meanTest(better, worse []float64) float64 {
	n, mean, squares := float64(len(better)), 0.0, 0.0
	for i := range better {
		mean += (better[i] - worse[i]) / n
	}
	for i := range better {
		d := better[i] - worse[i] - mean
		squares += float64(d * d)
	}
	if len(better) < fewest/2 || squares == 0 {
		return 1
	}
	return distuv.StudentsT{Sigma: 1, Nu: n - 1}.Survival(mean / math.Sqrt(squares/(n-1)/n))
}

// logScores are the logarithms of the probabilities that odds give to labels, after the one
// factor on all odds under which they are greatest: a reading that makes a network too sure
// or too unsure of its answers is no worse for that alone.
func logScores(odds [][]float64, labels []int) []float64 {
	out := make([]float64, len(odds))
	score := func(factor float64) (sum float64) {
		for i, list := range odds {
			top := math.Inf(-1)
			for _, v := range list {
				top = max(top, v)
			}
			all := 0.0
			for _, v := range list {
				all += math.Exp(float64(factor * (v - top)))
			}
			out[i] = float64(factor*(list[labels[i]]-top)) - math.Log(all)
			sum += out[i]
		}
		return sum
	}
	const least, most, halvings = -12., 12., 40 // the sum has one maximum
	a, b := least, most
	for range halvings {
		left, right := a+float64((b-a)*.382), a+float64((b-a)*.618)
		if score(math.Exp(left)) > score(math.Exp(right)) {
			b = right
		} else {
			a = left
		}
	}
	score(math.Exp((a + b) / 2))
	return out
}
