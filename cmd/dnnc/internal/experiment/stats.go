package experiment

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Estimate is a figure with its standard error and the interval that holds it in 95 of
// 100 resamples. An error of one sample alone is NaN, and its interval everything.
type Estimate struct {
	Value, StdErr, Low, High float64
	drawn                    []float64 // the figure by draw of the sampler, NaN where it has none; nil of others
}

// isTold reports that the figure is told apart from x.
func (e Estimate) isTold(x float64) bool { return e.Low > x || e.High < x }

// isNone reports a difference of two that answer alike.
func (e Estimate) isNone() bool { return e.Value == 0 && e.StdErr == 0 }

// resamples is the draws of a bootstrap.
const resamples = 1000

// sampler draws images, and seeds, with replacement: the same draws for every figure
// of as many, so that figures of one draw are paired. Efron and Tibshirani, An
// Introduction to the Bootstrap, chapters 6 and 13.
type sampler struct {
	images [][]float64 // how often each image was drawn
	seeds  [][]float64
}

func newSampler(images, seeds int) *sampler {
	rng := rand.New(rand.NewPCG(uint64(images), uint64(seeds)))
	draw := func(n int) []float64 {
		times := make([]float64, n)
		for range n {
			times[rng.IntN(n)]++
		}
		return times
	}
	s := &sampler{}
	for range resamples {
		s.images = append(s.images, draw(images))
		s.seeds = append(s.seeds, draw(seeds))
	}
	return s
}

// ratio is the sum of x over the sum of ref, both [seed][image], in the images and
// seeds that were drawn. With one seed its part of the error is not known, and left
// out.
func (s *sampler) ratio(x, ref [][]float64) Estimate {
	at := func(images, seeds []float64) float64 {
		var a, b float64
		for k := range x {
			if seeds[k] > 0 {
				a += seeds[k] * dot(images, x[k])
				b += seeds[k] * dot(images, ref[k])
			}
		}
		if b == 0 {
			return math.NaN()
		}
		return a / b
	}
	drawn := make([]float64, len(s.images))
	for i := range drawn {
		drawn[i] = at(s.images[i], s.seeds[i])
	}
	once := func(n int) []float64 { return slices.Repeat([]float64{1}, n) }
	return estimate(at(once(len(x[0])), once(len(x))), drawn)
}

// estimate is a figure with what the resamples say of it.
func estimate(value float64, drawn []float64) Estimate {
	sorted := slices.DeleteFunc(slices.Clone(drawn), math.IsNaN)
	if len(sorted) < 2 {
		return unknown(value)
	}
	slices.Sort(sorted)
	return Estimate{value, stat.StdDev(sorted, nil), stat.Quantile(.025, stat.Empirical, sorted, nil), stat.Quantile(.975, stat.Empirical, sorted, nil), drawn}
}

// unknown is a figure whose error nothing is known of.
func unknown(value float64) Estimate {
	return Estimate{Value: value, StdErr: math.NaN(), Low: math.Inf(-1), High: math.Inf(1)}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += float64(x * b[i])
	}
	return sum
}

// minus is a - b, element by element.
func minus(a, b [][]float64) [][]float64 { return combine(1, a, -1, b) }

// combine is p a + q b, element by element.
func combine(p float64, a [][]float64, q float64, b [][]float64) [][]float64 {
	out := make([][]float64, len(a))
	for i := range a {
		out[i] = make([]float64, len(a[i]))
		for j := range a[i] {
			out[i][j] = float64(p*a[i][j]) + float64(q*b[i][j])
		}
	}
	return out
}

// ofMean is the mean of a sample, with the interval of Student's t: samples are small.
func ofMean(x []float64) Estimate {
	m := stat.Mean(x, nil)
	if len(x) < 2 {
		return unknown(m)
	}
	se := stat.StdErr(stat.StdDev(x, nil), float64(len(x)))
	wide := distuv.StudentsT{Sigma: 1, Nu: float64(len(x) - 1)}.Quantile(.975) * se
	return Estimate{Value: m, StdErr: se, Low: m - wide, High: m + wide}
}

// mean is the mean of figures. Those of a sampler are paired by draw, for networks on
// the same images are wrong on the same ones; on other images draws have nothing in
// common but their number, which pairs nothing. Other figures count as independent.
func mean(list []Estimate) Estimate {
	var value, squares float64
	n := float64(len(list))
	drawn := make([]float64, resamples)
	for _, e := range list {
		value += e.Value / n
		squares += float64(e.StdErr*e.StdErr) / n / n
		if len(e.drawn) != len(drawn) {
			drawn = nil
		}
		for i := range drawn {
			drawn[i] += e.drawn[i] / n
		}
	}
	if drawn != nil {
		return estimate(value, drawn)
	}
	se := math.Sqrt(squares)
	const normal = 1.96
	return Estimate{Value: value, StdErr: se, Low: value - normal*se, High: value + normal*se}
}
