// Package measure knows the tasks of networks, and judges answers by them: divergence from
// the float network, accuracy and other measures, and what is left of them under errors.
// Sums run in the order of the images.
package measure

import "math"

// Argmax is the index of the first maximum.
func Argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

// Answers are the argmax of each image's logits.
func Answers(logits []float32, classes int) []int {
	out := make([]int, len(logits)/classes)
	for i := range out {
		out[i] = Argmax(logits[i*classes : (i+1)*classes])
	}
	return out
}

// Accuracy is the share of images whose answer is the label.
func Accuracy(logits []float32, labels []int, classes int) float64 {
	right := 0
	for i, a := range Answers(logits, classes) {
		if a == labels[i] {
			right++
		}
	}
	return float64(right) / float64(len(labels))
}

// KL is the Kullback-Leibler divergence, in nats, of softmax(got) from
// softmax(ref).
func KL(ref, got []float32) float64 {
	a, b := logSumExp(ref), logSumExp(got)
	sum := 0.0
	for i := range ref {
		sum += term(float64(ref[i])-a, float64(got[i])-b)
	}
	return max(sum, 0) // below 0 by rounding alone
}

// term is the part of a class in a KL divergence, by the logarithms of its two
// probabilities. A class of probability 0 has none.
func term(ref, got float64) float64 {
	p := math.Exp(ref)
	if p == 0 {
		return 0
	}
	return float64(p * (ref - got))
}

func logSumExp(x []float32) float64 {
	top := float64(x[Argmax(x)])
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum)
}

// Diverge compares two networks' logits of one label an item on the same images.
func Diverge(ref, got []float32, classes int) Divergence {
	d := itemsOf(ref, got, classes)
	return d.total(true)
}

// itemsOf is Items of one label an item.
func itemsOf(ref, got []float32, classes int) (d Items) {
	for i := range len(got) / classes {
		a, b := ref[i*classes:(i+1)*classes], got[i*classes:(i+1)*classes]
		d.KL = append(d.KL, KL(a, b))
		shift, sum := 0.0, 0.0
		for j, x := range a {
			shift += float64(b[j]-x) / float64(classes)
		}
		for j, x := range a {
			e := float64(b[j]-x) - shift
			sum += float64(e * e)
		}
		flip := 0.0
		if Argmax(a) != Argmax(b) {
			flip = 1
		}
		d.MSE, d.Flips = append(d.MSE, sum/float64(classes)), append(d.Flips, flip)
	}
	return d
}
