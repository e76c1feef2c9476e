package measure

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// Network gives the answers to n images of reals, [n][elements of all results]: logits
// where there is one label an item.
type Network func(ctx context.Context, x []float32, n int) ([]float32, error)

// Score is how a network does under every condition of a list, by one of its results:
// of one label an item, which images it answers rightly. Kinds come in the order of the
// conditions, clean first.
type Score struct {
	Images int
	Kinds  []Kind
	Labels []int    // that answers of one label an item were held to; nil of a score that was kept elsewhere
	Result Result   // that is scored
	Rest   []*Score // of the network's other results
}

// All are the scores of all results.
func (s *Score) All() []*Score { return append([]*Score{s}, s.Rest...) }

// Measure is what the score is of, accuracy or another measure of which 1 is the best.
func (s *Score) Measure() string {
	if s.Result.row == nil {
		return rowOf(Classes).measure
	}
	return s.Result.Measure()
}

// Kind is a network's answers under one kind of error.
type Kind struct {
	Name  string
	Sizes []float64
	Right [][]bool // [size][image] of one label an item; nil of others
	// Own is each image's share of the measure, whose mean over the images is the
	// measure, [size][image]; Constant is that of the best constant answer.
	Own, Constant [][]float64

	stats [][][]float64 // [size][image] for figures; nil of a score that was kept elsewhere
}

// Clean names the images as they are, which count as one kind.
const Clean = "clean"

// Accuracy is the share of right answers at one size, or another measure.
func (k *Kind) Accuracy(size int) float64 {
	if k.Right == nil {
		return mean(len(k.Own[size]), func(i int) float64 { return k.Own[size][i] })
	}
	return share(k.Right[size])
}

// Mean is the kind's robust accuracy: the mean over its sizes.
func (k *Kind) Mean() float64 {
	sum := 0.0
	for i := range k.Sizes {
		sum += k.Accuracy(i)
	}
	return sum / float64(len(k.Sizes))
}

// image is the share of the kind's sizes at which one image is right, or its share of
// another measure.
func (k *Kind) image(i int) float64 {
	if k.Right == nil {
		return atSizes(k.Own, i)
	}
	n := 0
	for _, r := range k.Right {
		if r[i] {
			n++
		}
	}
	return float64(n) / float64(len(k.Right))
}

// atSizes is the mean over the sizes of what an image has.
func atSizes(list [][]float64, i int) float64 {
	sum := 0.0
	for _, x := range list {
		sum += x[i]
	}
	return sum / float64(len(list))
}

// above is how much better one image is answered than by the best constant answer.
func (k *Kind) above(i int) float64 { return atSizes(k.Own, i) - atSizes(k.Constant, i) }

func share(x []bool) float64 {
	n := 0
	for _, v := range x {
		if v {
			n++
		}
	}
	return float64(n) / float64(len(x))
}

// Clean is the accuracy on the images as they are.
func (s *Score) Clean() float64 { return s.Kinds[0].Accuracy(0) }

// Mean is the robust accuracy over all kinds, R(f): the mean of their means.
func (s *Score) Mean() float64 {
	sum := 0.0
	for i := range s.Kinds {
		sum += s.Kinds[i].Mean()
	}
	return sum / float64(len(s.Kinds))
}

// Worst is the kind of least robust accuracy.
func (s *Score) Worst() (name string, mean float64) {
	for i := range s.Kinds {
		if m := s.Kinds[i].Mean(); i == 0 || m < mean {
			name, mean = s.Kinds[i].Name, m
		}
	}
	return name, mean
}

// image is one image's part of the robust accuracy.
func (s *Score) image(i int) float64 {
	sum := 0.0
	for k := range s.Kinds {
		sum += s.Kinds[k].image(i)
	}
	return sum / float64(len(s.Kinds))
}

// above is how much better one image is answered than by the best constant answer.
func (s *Score) above(i int) float64 {
	sum := 0.0
	for k := range s.Kinds {
		sum += s.Kinds[k].above(i)
	}
	return sum / float64(len(s.Kinds))
}

// Shares are the images' parts of what retention is a share of: of the robust accuracy,
// whose mean is Mean, or of what another measure is above the best constant answer.
func (s *Score) Shares() []float64 {
	if s.Kinds[0].Right == nil {
		return each(s.Images, s.above)
	}
	return each(s.Images, s.image)
}

// Shares are the images' parts of the same of one kind.
func (k *Kind) Shares() []float64 {
	if k.Right == nil {
		return each(len(k.Own[0]), k.above)
	}
	return each(len(k.Right[0]), k.image)
}

func each(n int, f func(i int) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

// StdErr is the standard error of Mean over the images; NaN of one image.
func (s *Score) StdErr() float64 {
	return stderr(s.Images, s.image)
}

// Estimate is a figure and its standard error; both NaN where it is not defined, and the
// error alone of one item.
type Estimate struct{ Value, StdErr float64 }

// undefined is the figure of 0/0.
func undefined() Estimate { return Estimate{math.NaN(), math.NaN()} }

// IsDefined reports that there is a figure.
func (e Estimate) IsDefined() bool { return !math.IsNaN(e.Value) }

// Figures are the figure and its standard error; nil of what is not defined.
func (e Estimate) Figures() (value, stderr *float64) {
	if e.IsDefined() {
		value = &e.Value
	}
	if !math.IsNaN(e.StdErr) {
		stderr = &e.StdErr
	}
	return value, stderr
}

// constantErrors is the standard errors by which a network must be better than the best
// constant answer, to have something to keep.
const constantErrors = 2

// AboveConstant is how much better a network is than the best constant answer: which
// gives the most frequent label to every item, under errors too, or the mean. isTold
// reports that it is more than two paired standard errors. Of a network that is no better
// nothing can be kept.
func (s *Score) AboveConstant() (gap Estimate, isTold bool) {
	d := s.above
	if s.Kinds[0].Right != nil {
		best := Mode(s.Labels)
		d = func(i int) float64 {
			if s.Labels[i] == best {
				return s.image(i) - 1
			}
			return s.image(i)
		}
	}
	gap = Estimate{mean(s.Images, d), stderr(s.Images, d)}
	return gap, gap.Value > constantErrors*gap.StdErr
}

// Below is a kind of error under which a network is worse than the best constant answer: the mean
// over its sizes of the measure of a result, and of that answer.
type Below struct {
	Result, Measure, Kind string
	Own, Constant         float64
}

// BelowConstant are the kinds of error under which the results of a network are worse than the best
// constant answer by more than two paired standard errors.
func (s *Score) BelowConstant() (list []Below) {
	for _, one := range s.All() {
		for i := range one.Kinds {
			k := &one.Kinds[i]
			if k.Own == nil {
				continue
			}
			if gap := mean(one.Images, k.above); gap < -constantErrors*stderr(one.Images, k.above) {
				own := mean(one.Images, func(i int) float64 { return atSizes(k.Own, i) })
				list = append(list, Below{one.Result.Name, one.Measure(), k.Name, own, own - gap})
			}
		}
	}
	return list
}

// Retention is what s keeps of the reference, with the paired standard error of this
// ratio over the images (delta method): both must have been measured on the same ones. Of
// one label an item it is R(s)/R(ref), not defined where the reference is always wrong;
// of other tasks it is Kept.
func (s *Score) Retention(ref *Score) Estimate {
	if s.Kinds[0].Right == nil {
		return s.Kept(ref)
	}
	return ratio(s.Images, s.image, ref.image)
}

// Parts are the items' parts in the error of Retention: their standard error is its own,
// and their sum is 0. nil where it is not defined.
func (s *Score) Parts(ref *Score) (parts []float64, kept Estimate) {
	kept = s.Retention(ref)
	if !kept.IsDefined() {
		return nil, kept
	}
	own, exact := s.Shares(), ref.Shares()
	base := mean(len(exact), func(i int) float64 { return exact[i] })
	for i := range own {
		own[i] = (own[i] - float64(kept.Value*exact[i])) / base
	}
	return own, kept
}

// Kept is (m(s)-m(c)) / (m(ref)-m(c)): m is the measure, by labels or, without any, by the
// reference's answers to the same items, and c the best constant answer. It is not defined
// where the reference is no better than c by two standard errors, nor of a score that was
// kept elsewhere.
func (s *Score) Kept(ref *Score) Estimate {
	if s.Kinds[0].Own == nil || ref.Kinds[0].Own == nil {
		return undefined()
	}
	return kept(s.Images, s.above, ref.above)
}

func kept(n int, f, ref func(i int) float64) Estimate {
	if m := mean(n, ref); !(m > constantErrors*stderr(n, ref)) {
		return undefined()
	}
	return ratio(n, f, ref)
}

// Base is what retention is a share of: the robust accuracy, or what another measure is
// above the best constant answer.
func (s *Score) Base() float64 {
	if s.Kinds[0].Right == nil {
		return mean(s.Images, s.above)
	}
	return s.Mean()
}

// Least is the result that a network keeps least of, and its retention; the first one
// that is not defined before all.
func Least(scores, reference *Score) (result int, kept Estimate) {
	exact := reference.All()
	for k, s := range scores.All() {
		r := s.Retention(exact[k])
		if k == 0 || kept.IsDefined() && !(r.Value >= kept.Value) {
			result, kept = k, r
		}
	}
	return result, kept
}

// KindRetention is the retention of each kind alone.
func (s *Score) KindRetention(ref *Score) []Estimate {
	out := make([]Estimate, len(s.Kinds))
	for k := range s.Kinds {
		if s.Kinds[k].Right == nil {
			out[k] = kept(s.Images, s.Kinds[k].above, ref.Kinds[k].above)
			continue
		}
		out[k] = ratio(s.Images, s.Kinds[k].image, ref.Kinds[k].image)
	}
	return out
}

// Difference is the mean of s minus that of the other, with its paired standard
// error.
func (s *Score) Difference(other *Score) Estimate {
	d := func(i int) float64 { return s.image(i) - other.image(i) }
	return Estimate{mean(s.Images, d), stderr(s.Images, d)}
}

func mean(n int, f func(i int) float64) float64 {
	sum := 0.0
	for i := range n {
		sum += f(i)
	}
	return sum / float64(n)
}

// stderr is the standard error of a mean; NaN of one item, which does not tell it.
func stderr(n int, f func(i int) float64) float64 {
	if n < 2 {
		return math.NaN()
	}
	m, sum := mean(n, f), 0.0
	for i := range n {
		d := f(i) - m
		sum += float64(d * d)
	}
	return math.Sqrt(sum / float64(n-1) / float64(n))
}

func ratio(n int, f, ref func(i int) float64) Estimate {
	base := mean(n, ref)
	if base == 0 {
		return undefined()
	}
	r := mean(n, f) / base
	return Estimate{r, stderr(n, func(i int) float64 { return f(i) - float64(r*ref(i)) }) / base}
}

// Setup is what networks are measured on.
type Setup struct {
	Task       Task       // by what networks are judged; one label an item when empty
	Alone      bool       // the first network is no float network: its answers are no reference but of one label an item
	Images     data.Batch // labelled; unlabelled ones take the first network's answers
	Conditions []disturb.Condition
	Seed       uint64
	First      int              // number of the first image: what tells noise apart from that of others
	Gradient   disturb.Gradient // of the float network, for guided kinds
	// Shared says that Gradient is of the first network: then one way forward gives
	// its gradient and its answers on the clean images.
	Shared bool
	// Watch is given the answers of each network to each portion of the images, in their
	// order; nil of none. Condition is empty of clean images.
	Watch func(c disturb.Condition, network int, answers []float32) error
	// Progress is told of the images done, of all networks and conditions.
	Progress func(done, total int)
}

// portion is the images that are disturbed at a time: the memory of a
// measurement does not grow with the number of its images.
const portion = 512

// Robust measures networks under every condition, each on the same disturbed
// images. The first network is the reference, whose answers are right where there are no
// labels: of one label an item those to the clean images. When ctx ends it returns its
// error and, for the conditions that every network was measured under as a whole, the
// scores so far.
func Robust(ctx context.Context, s Setup, networks ...Network) ([]*Score, error) {
	if s.Images.N == 0 {
		return nil, fmt.Errorf("measure: no images")
	}
	j, err := newJudge(s, len(networks))
	if err != nil {
		return nil, err
	}
	conditions := append([]disturb.Condition{{}}, s.Conditions...)
	gradients := s.gradients()
	total, done := len(conditions)*len(networks)*s.Images.N, 0
	for _, c := range conditions {
		name := Clean
		if c.Kind != nil {
			name = c.Name()
		}
		j.begin()
		for from := 0; from < s.Images.N; from += portion {
			b := s.Images.Slice(from, min(from+portion, s.Images.N))
			if b.Labels == nil && j.task.isPlain() && len(j.plain) >= from+b.N {
				b.Labels = whole(j.plain[from : from+b.N])
			}
			gradient := gradients[from/portion]
			clean := b
			if c.Kind != nil {
				var err error
				if b, err = disturb.Images(clean, s.First+from, c, s.Seed, gradient); err != nil {
					return j.scores, err
				}
			}
			var reference []float32
			for i, net := range networks {
				if err := ctx.Err(); err != nil {
					return j.scores, err
				}
				var answers []float32
				var err error
				if i == 0 && c.Kind == nil && s.Shared && s.guided() {
					_, answers, err = gradient(clean)
				} else {
					answers, err = net(ctx, b.X, b.N)
				}
				if err != nil {
					return j.scores, err
				}
				if i == 0 {
					reference = answers
				}
				if err := j.judge(i, from, b, reference, answers); err != nil {
					return j.scores, err
				}
				if s.Watch != nil {
					if err := s.Watch(c, i, answers); err != nil {
						return j.scores, err
					}
				}
				done += b.N
				if s.Progress != nil {
					s.Progress(done, total)
				}
			}
		}
		if err := j.end(name, c.Size); err != nil {
			return j.scores, err
		}
	}
	return j.scores, nil
}

// guided reports whether a condition needs a gradient.
func (s *Setup) guided() bool {
	return s.Gradient != nil && slices.ContainsFunc(s.Conditions, func(c disturb.Condition) bool { return c.Kind.Guided })
}

// gradients are those of the portions, each computed once.
func (s *Setup) gradients() []disturb.Gradient {
	list := make([]disturb.Gradient, (s.Images.N+portion-1)/portion)
	for i := range list {
		list[i] = disturb.Once(s.Gradient)
	}
	return list
}

// Replay gives a network's answers again when the same images come in the same order:
// the network runs once.
type Replay struct {
	Network Network
	kept    [][]float32
	at      int
}

// Rewind begins with the first images again.
func (r *Replay) Rewind() { r.at = 0 }

// Run is the Network.
func (r *Replay) Run(ctx context.Context, x []float32, n int) ([]float32, error) {
	if r.at == len(r.kept) {
		y, err := r.Network(ctx, x, n)
		if err != nil {
			return nil, err
		}
		r.kept = append(r.kept, y)
	}
	r.at++
	return r.kept[r.at-1], nil
}
