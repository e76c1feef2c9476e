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
	// boundErrors is the standard errors to the one-sided bound of a normal distribution.
	boundErrors = 1.6448536269514722
	// boundReplicates is the resamples of the bootstrap.
	boundReplicates = 1000
	// FewDiffer is the whole items with different answers below which neither the bootstrap
	// nor the delta method is trusted: so few losses say little of those that were not seen.
	FewDiffer = 25
)

// Bound is what a network keeps of a reference on items, and the one-sided lower bound of
// it: with BoundConfidence, the share on all items of this kind is at least Least. Of a
// measure whose shares have no bounds, as of values, Least is approximate: items that were
// not seen may lose any amount.
type Bound struct {
	Estimate
	Least  float64 // NaN where the items give none
	Items  int
	Differ int // items of different answers

	// What more items like these would give: the mean logarithm of each bet of the exact
	// bound on a share, or nil where the bound is another.
	growth func(share float64) []float64
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
	return fmt.Sprintf("estimate %s, at least %s (%g %%, %d held-out images of -calib)", figure(b.Value), figure(math.Floor(1e4*b.Least)/1e4), 100*BoundConfidence, b.Items)
}

// Holds reports whether the network keeps a share, with BoundConfidence.
func (b *Bound) Holds(share float64) bool { return b.Least >= share }

// Fails reports whether the network is seen to keep less than a share: the estimate and as
// much above it as the bound lies below it are less.
func (b *Bound) Fails(share float64) bool {
	return b.Value+max(b.Value-b.Least, boundErrors*b.StdErr) < share
}

// Needed is about how many items like these would decide whether the network keeps a
// share; ok is false where no number would: the estimate is the share, or is not defined,
// or no item differs and the measure has no bounds.
func (b *Bound) Needed(share float64) (items int, ok bool) {
	least := math.Inf(1)
	if b.growth != nil && b.Value > share {
		for j, g := range b.growth(share) {
			if g > 0 {
				least = min(least, (logWanted-logWeight(j))/g)
			}
		}
	} else if b.Value != share {
		d := boundErrors * b.StdErr / (b.Value - share)
		least = float64(b.Items) * float64(d*d)
	}
	if math.IsNaN(b.Least) && b.growth == nil && b.Differ < FewDiffer { // of a measure without bounds
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
		of := func(shares, ref []float64) { list = append(list, boundOf(one, shares, ref)) }
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
	case mass < FewDiffer:
		if span > 0 {
			b.growth = func(share float64) []float64 { return growth(own, ref, share, span) }
			b.Least = b.exact()
		}
	default:
		b.Least = b.Value - boundErrors*b.StdErr
		if l := corrected(own, ref, b.Value); l < b.Least {
			b.Least = l
		}
	}
	return b
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

// The exact bound bets against the network: whoever stakes a part of his money on each
// item, and gets d times the stake where d is what the network keeps of the item beyond
// the share, has no more in the mean than he began with if the network keeps no more than
// the share. He has 20 times as much with a probability of at most 1/20 (Markov). The
// bound is the greatest share at which he has. It holds for any number of items and any
// distribution of bounded shares; bets of several sizes, with half the money of the one
// before each, are made at once, and none depends on the order of the items.
const bets = 8

var logWanted = -math.Log(1 - BoundConfidence)

// logWeight is the logarithm of the money of bet j.
func logWeight(j int) float64 { return -float64(j+1) * math.Ln2 }

// growth is the mean over the items of the logarithm of what each bet makes of its money.
func growth(own, ref []float64, share, span float64) []float64 {
	list := make([]float64, bets)
	for j := range list {
		stake := math.Ldexp(1/span, -j)
		sum := 0.0
		for i, x := range own {
			sum += math.Log1p(float64(stake * (x - float64(share*ref[i]))))
		}
		list[j] = sum / float64(len(own))
	}
	return list
}

// exact is the bound by bets, to within 1e-9; NaN where not even 0 is shown.
func (b *Bound) exact() float64 {
	isShown := func(share float64) bool {
		sum := 0.0
		for j, g := range b.growth(share) {
			sum += math.Exp(float64(g*float64(b.Items)) + logWeight(j) - logWanted)
		}
		return sum >= 1
	}
	low, high := 0.0, b.Value
	if !(high > 0) || !isShown(low) {
		return math.NaN()
	}
	for high-low > 1e-9 {
		if middle := (low + high) / 2; isShown(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
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
	z := bias - boundErrors
	at := .5 * math.Erfc(-(bias+z/(1-acceleration*z))/math.Sqrt2)
	return all[max(int(at*(boundReplicates+1))-1, 0)]
}

// quantile is that of the normal distribution.
func quantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
