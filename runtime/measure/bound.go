package measure

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/dnnc/dnnc/ir/parallel"
)

const (
	// BoundConfidence is with which a Bound holds.
	BoundConfidence = .95
	// BoundErrors is the standard errors to the one-sided bound of a normal distribution.
	BoundErrors = 1.6448536269514722
	// boundReplicates is the resamples of the bootstrap.
	boundReplicates = 1000
	// FewDiffer is the whole items with different answers below which neither the bootstrap
	// nor the delta method is trusted: so few losses say little of those that were not seen.
	FewDiffer = 25
)

// Bound is what a network keeps of a reference on items, and the one-sided lower bound of
// it: with BoundConfidence, the share on all items of this kind is at least Least. Of a
// measure whose shares have no bounds, as of values, and of items of many answers, as
// segmentations, Least holds as far as an item that was not seen loses no more than twice as
// much as the worst of these.
type Bound struct {
	Estimate
	Least  float64 // NaN where the items give none
	Items  int
	Differ int // items of different answers

	// Of several results, the name of the one that the bound is of, and how many there are.
	Of      string
	Results int

	// doubt is the p value of the exact bound for a share of so many times the items; nil
	// where the bound is another.
	doubt func(share, times float64) float64
}

// NoBound is that of no items.
func NoBound() Bound { return Bound{Estimate: undefined(), Least: math.NaN()} }

// String has the figures, "-" for one that is not defined. The bound is rounded down.
func (b Bound) String() string {
	figure := func(x float64) string {
		if math.IsNaN(x) {
			return "-"
		}
		return fmt.Sprintf("%.4f", x)
	}
	of := ""
	if b.Of != "" {
		of = fmt.Sprintf(" of the result %s, the least of %d", b.Of, b.Results)
	}
	return fmt.Sprintf("estimate %s, at least %s (%g %%, %d held-out images of -calib)%s", figure(b.Value), figure(math.Floor(1e4*b.Least)/1e4), 100*BoundConfidence, b.Items, of)
}

// Holds reports whether the network keeps a share, with BoundConfidence.
func (b *Bound) Holds(share float64) bool { return b.Least >= share }

// Fails reports whether the network is seen to keep less than a share: the estimate and as
// much above it as the bound lies below it are less.
func (b *Bound) Fails(share float64) bool {
	return b.Value+max(b.Value-b.Least, BoundErrors*b.StdErr) < share
}

// Needed is about how many items like these would decide whether the network keeps a
// share; ok is false where no number would: the estimate is the share, or is not defined,
// or no item differs and the measure has no bounds.
func (b *Bound) Needed(share float64) (items int, ok bool) {
	least := math.Inf(1)
	if b.doubt != nil && b.Value > share {
		least = float64(b.Items) * b.times(share)
	} else if b.Value != share {
		d := BoundErrors * b.StdErr / (b.Value - share)
		least = float64(b.Items) * float64(d*d)
	}
	if math.IsNaN(b.Least) && b.doubt == nil && b.Differ < FewDiffer { // of a measure without bounds
		least = max(least, float64(b.Items)*FewDiffer/float64(b.Differ))
	}
	if !(least < math.MaxInt32) {
		return 0, false
	}
	return max(int(math.Ceil(least)), b.Items+1), true
}

// Keeps is what a network keeps of the reference that was measured on the same items. Of
// several results, and with byKind of the kinds of error, the one of the least bound
// counts: where each is tested at one level, so is the least.
func Keeps(s, reference *Score, byKind bool) Bound {
	var list []Bound
	exact := reference.All()
	for k, one := range s.All() {
		of := func(shares, ref []float64) {
			b := boundOf(one, shares, ref)
			if n := len(exact); n > 1 {
				b.Of, b.Results = one.Result.Name, n
			}
			list = append(list, b)
		}
		if !byKind {
			of(one.Shares(), exact[k].Shares())
			continue
		}
		for i := range one.Kinds {
			of(one.Kinds[i].Shares(), exact[k].Kinds[i].Shares())
		}
	}
	return slices.MinFunc(list, func(a, b Bound) int { // what is not defined first
		return cmp.Or(cmp.Compare(a.Least, b.Least), cmp.Compare(a.Value, b.Value))
	})
}

// boundOf is the bound of mean(own)/mean(ref), by the items' parts of the two.
func boundOf(s *Score, own, ref []float64) Bound {
	n := len(own)
	at := func(x []float64) func(i int) float64 { return func(i int) float64 { return x[i] } }
	b := Bound{Items: n, Least: math.NaN()}
	if s.Kinds[0].Right == nil {
		b.Estimate = kept(n, at(own), at(ref))
	} else {
		b.Estimate = ratio(n, at(own), at(ref))
	}
	mass, span := 0.0, s.span() // the items by which the two differ; of bounded shares parts of them
	for i, x := range own {
		if x == ref[i] {
			continue
		}
		b.Differ++
		if span > 0 {
			mass += math.Abs(x-ref[i]) / span
		} else {
			mass++
		}
	}
	switch {
	case !b.IsDefined():
	case mass < FewDiffer && !(s.Result.positions >= FewDiffer && b.Differ >= FewDiffer):
		if span > 0 {
			list := pairs(own, ref)
			b.doubt = func(share, times float64) float64 { return doubt(list, share, span, times) }
			b.Least = b.exact()
		}
	default:
		b.Least = b.Value - BoundErrors*b.StdErr
		if l := corrected(own, ref, b.Value); l < b.Least {
			b.Least = l
		}
		if span == 0 || mass < FewDiffer {
			b.unseen(own, ref)
		}
	}
	return b
}

// worseUnseen is how many times as much as the worst item an item loses that was not drawn, of a
// measure without bounds, or of items of so many answers that all of them lose a little: a bound
// for which an item may lose the whole span lies a few items below the estimate, however alike
// they are. Where few items lose most of what is lost, the draw lacks some of them:
// with 1 the bound fails in one of ten draws of lognormal losses, with 2 in one of twenty.
const worseUnseen = 2

// unseen lowers the bound of a measure without bounds to what the items show together with one
// more that loses more than each of them.
func (b *Bound) unseen(own, ref []float64) {
	worst := 0.0
	for i, x := range own {
		worst = max(worst, float64(b.Value*ref[i])-x)
	}
	if !(worst > 0) {
		return
	}
	list := pairs(own, ref)
	b.doubt = func(share, times float64) float64 { return doubt(list, share, worseUnseen*worst, times) }
	if l := b.exact(); !(l >= b.Least) {
		b.Least = l
	}
}

// span is the greatest difference of two items' shares of the measure; 0 of a measure
// without bounds.
func (s *Score) span() float64 {
	switch r := &s.Result; {
	case r.row == nil:
		return 1
	case r.row.span == nil:
		return 0
	default:
		return r.row.span(r)
	}
}

// exact is the greatest share that the items show, to within 1e-9; NaN where not even 0 is
// shown.
func (b *Bound) exact() float64 {
	low, high := 0.0, min(b.Value, 1)
	if !(high > 0) || !b.isShown(low, 1) {
		return math.NaN()
	}
	for high-low > 1e-9 {
		if middle := (low + high) / 2; b.isShown(middle, 1) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// isShown reports that so many times the items show a share.
func (b *Bound) isShown(share, times float64) bool { return b.doubt(share, times) <= 1-BoundConfidence }

// times is how many times the items show a share; infinite where so many as a million do
// not.
func (b *Bound) times(share float64) float64 {
	const most = 1 << 20
	if !b.isShown(share, most) {
		return math.Inf(1)
	}
	low, high := 0., 1.
	for ; !b.isShown(share, high); high *= 2 {
		low = high
	}
	for high-low > 1e-3*high {
		if middle := (low + high) / 2; b.isShown(share, middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// pair is a kind of item: the parts that two networks have of it, and how many there are.
type pair struct{ own, ref, count float64 }

// pairs are the items, alike ones together.
func pairs(own, ref []float64) (list []pair) {
	at := map[[2]float64]int{}
	for i := range own {
		p := [2]float64{own[i], ref[i]}
		k, ok := at[p]
		if !ok {
			k = len(list)
			at[p], list = k, append(list, pair{own[i], ref[i], 0})
		}
		list[k].count++
	}
	return list
}

// doubt is the p value of Gaffke, "Three test statistics for a nonparametric one-sided
// hypothesis on the mean of a nonnegative variable" (2005), for the hypothesis that a
// network keeps no more than a share of at most 1: the probability that the items with
// random weights, all exponential, and one item more that loses the whole span, show no
// more than the share. Of items that are right or wrong it is the binomial test, whose bound
// is the one of Clopper and Pearson. There are so many times the items of the list.
//
// A weighted sum of exponential variables is at most 0 with a probability that one integral
// gives (Imhof 1961). The trapezoid rule with this step gives it to within 2e-5.
func doubt(list []pair, share, span, times float64) float64 {
	const (
		step  = .25  // of the integral, in standard deviations of the sum
		small = 1e-7 // of a term, which is the last
		sure  = 6    // standard deviations of the sum: where its mean is more, p is below 1/37 (Cantelli)
	)
	type kind struct{ beyond, count float64 } // what an item keeps beyond the share
	kinds := []kind{{-span, 1}}
	for _, p := range list {
		kinds = append(kinds, kind{p.own - float64(share*p.ref), times * p.count})
	}
	sum, square := 0.0, 0.0
	for _, k := range kinds {
		sum += float64(k.count * k.beyond)
		square += float64(k.count * float64(k.beyond*k.beyond))
	}
	deviation := math.Sqrt(square)
	if sum > sure*deviation {
		return 0
	}
	integral := step / 2 * sum / deviation
	for t := step; ; t += step {
		angle, decay := 0.0, math.Log(t)
		for _, k := range kinds {
			x := k.beyond * t / deviation
			angle += float64(k.count * math.Atan(x))
			decay += float64(k.count * math.Log1p(float64(x*x)) / 2)
		}
		size := math.Exp(-decay)
		integral += float64(step * float64(math.Sin(angle)*size))
		if !(size >= small) {
			return .5 - integral/math.Pi
		}
	}
}

// resampler draws sums of pairs of n items with replacement. Most items are alike, right
// for both networks: so it draws how many of the others there are, and then these.
type resampler struct {
	n      int
	alike  [2]float64   // the most frequent pair
	others [][2]float64 // the items that have another
	most   []float64    // probability of at most so many others in a draw
}

func newResampler(own, ref []float64) *resampler {
	r := &resampler{n: len(own)}
	count := map[[2]float64]int{}
	for i := range own {
		p := [2]float64{own[i], ref[i]}
		if count[p]++; count[p] > count[r.alike] {
			r.alike = p
		}
	}
	for i := range own {
		if p := [2]float64{own[i], ref[i]}; p != r.alike {
			r.others = append(r.others, p)
		}
	}
	share, sum := float64(len(r.others))/float64(r.n), 0.0
	all, _ := math.Lgamma(float64(r.n + 1))
	for m := range r.n + 1 {
		drawn, _ := math.Lgamma(float64(m + 1))
		left, _ := math.Lgamma(float64(r.n - m + 1))
		power := func(p float64, k int) float64 {
			if k == 0 {
				return 0
			}
			return float64(k) * math.Log(p)
		}
		sum += math.Exp(all - drawn - left + power(share, m) + power(1-share, r.n-m))
		r.most = append(r.most, sum)
	}
	return r
}

// draw is the sums of one resample.
func (r *resampler) draw(rng *rand.Rand) (own, ref float64) {
	m := min(sort.SearchFloat64s(r.most, rng.Float64()), r.n)
	own, ref = float64(r.n-m)*r.alike[0], float64(r.n-m)*r.alike[1]
	for range m {
		p := r.others[rng.IntN(len(r.others))]
		own, ref = own+p[0], ref+p[1]
	}
	return own, ref
}

// corrected is the lower bound of a ratio by the bootstrap that is corrected for bias and
// acceleration (BCa), paired by item; NaN where the resamples say nothing.
func corrected(own, ref []float64, value float64) float64 {
	items := newResampler(own, ref)
	all := make([]float64, boundReplicates)
	parallel.For(len(all), func(k int) {
		a, b := items.draw(rand.New(rand.NewPCG(uint64(k+1), uint64(len(own)))))
		all[k] = a / b
	})
	slices.Sort(all) // NaN first
	below := 0.0
	for _, r := range all {
		switch {
		case math.IsNaN(r) || math.IsInf(r, 0):
			return math.NaN()
		case r < value:
			below++
		case r == value:
			below += .5
		}
	}
	if below == 0 || below == boundReplicates {
		return math.NaN()
	}
	// The acceleration is a sixth of the skewness of the items' influence on the ratio.
	square, cube := 0.0, 0.0
	for i, x := range own {
		d := x - float64(value*ref[i])
		square, cube = square+float64(d*d), cube+float64(d*d)*d
	}
	acceleration := cube / (6 * math.Pow(square, 1.5))
	bias := quantile(below / boundReplicates)
	z := bias - BoundErrors
	at := .5 * math.Erfc(-(bias+z/(1-acceleration*z))/math.Sqrt2)
	return all[max(int(at*(boundReplicates+1))-1, 0)]
}

// quantile is that of the normal distribution.
func quantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
