package proof

import "math"

// Doubt is the probability with which any statement of one family of statements on random
// errors may be false. The statements of a family share it.
const Doubt = .01

// AtLeast is the lower confidence bound of Clopper and Pearson on the probability of being
// right, of so many right ones of n independent draws: where the probability is less, draws
// show as many right ones with a probability of at most doubt. It is at
// most a millionth too low.
//
// Draws of unequal probabilities have a mean of probabilities that is bounded in the same way: right
// ones of such draws are nearer to their mean than those of equal ones (Hoeffding 1956).
func AtLeast(right, n int, doubt float64) float64 {
	if right == 0 {
		return 0
	}
	low, high := 0., float64(right)/float64(n)
	for high-low > 1e-9 {
		p := (low + high) / 2
		if tail(right, n, p) <= doubt {
			low = p
		} else {
			high = p
		}
	}
	return low
}

// tail is the probability of at least k right ones of n, each right with probability p of at most
// k/n: no less than it is, and at most a millionth more.
func tail(k, n int, p float64) float64 {
	lgamma := func(n int) float64 {
		x, _ := math.Lgamma(float64(n) + 1)
		return x
	}
	term := math.Exp(lgamma(n) - lgamma(k) - lgamma(n-k) + float64(float64(k)*math.Log(p)) + float64(float64(n-k)*math.Log1p(-p)))
	total := 0.
	for odds := p / (1 - p); k <= n && term > total*1e-17; k++ {
		total += term
		term *= float64(n-k) / float64(k+1) * odds
	}
	return total * (1 + 5e-7)
}

// DrawSeed is the seed of draw d of those of a seed.
func DrawSeed(seed uint64, d int) uint64 {
	z := seed + uint64(d+1)*0x9e3779b97f4a7c15 // SplitMix64: another seed has other draws
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
