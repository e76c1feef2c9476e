package measure

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// Network gives the logits of n images of reals, [n][classes].
type Network func(ctx context.Context, x []float32, n int) ([]float32, error)

// Score is how a network does under every condition of a list: which images it
// answers rightly. Kinds come in the order of the conditions, clean first.
type Score struct {
	Images int
	Kinds  []Kind
	Labels []int // that answers were held to; nil of a score that was kept elsewhere
}

// Kind is a network's answers under one kind of error.
type Kind struct {
	Name  string
	Sizes []float64
	Right [][]bool // [size][image]
}

// Clean names the images as they are, which count as one kind.
const Clean = "clean"

// Accuracy is the share of right answers at one size.
func (k *Kind) Accuracy(size int) float64 { return share(k.Right[size]) }

// Mean is the kind's robust accuracy: the mean over its sizes.
func (k *Kind) Mean() float64 {
	sum := 0.0
	for i := range k.Sizes {
		sum += k.Accuracy(i)
	}
	return sum / float64(len(k.Sizes))
}

// image is the share of the kind's sizes at which one image is right.
func (k *Kind) image(i int) float64 {
	n := 0
	for _, r := range k.Right {
		if r[i] {
			n++
		}
	}
	return float64(n) / float64(len(k.Right))
}

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

// Shares are the images' parts of the robust accuracy, whose mean is Mean.
func (s *Score) Shares() []float64 { return each(s.Images, s.image) }

// Shares are the images' parts of the kind's robust accuracy.
func (k *Kind) Shares() []float64 { return each(len(k.Right[0]), k.image) }

func each(n int, f func(i int) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

// StdErr is the standard error of Mean over the images.
func (s *Score) StdErr() float64 {
	return stderr(s.Images, s.image)
}

// Estimate is a figure and its standard error; both NaN where it is not defined.
type Estimate struct{ Value, StdErr float64 }

// undefined is the figure of 0/0.
func undefined() Estimate { return Estimate{math.NaN(), math.NaN()} }

// IsDefined reports that there is a figure.
func (e Estimate) IsDefined() bool { return !math.IsNaN(e.Value) }

// Figures are the figure and its standard error; nil where they are not defined.
func (e Estimate) Figures() (value, stderr *float64) {
	if !e.IsDefined() {
		return nil, nil
	}
	return &e.Value, &e.StdErr
}

// constantErrors is the standard errors by which a network must be better than the best
// constant answer, to have something to keep.
const constantErrors = 2

// AboveConstant is how much more often a network is right than the best constant answer,
// which gives the most frequent label to every item, under errors too; isTold reports
// that it is more than two paired standard errors. Of a network that is no better
// nothing can be kept.
func (s *Score) AboveConstant() (gap Estimate, isTold bool) {
	count := map[int]int{}
	best := 0
	for _, l := range s.Labels {
		if count[l]++; count[l] > count[best] || count[l] == count[best] && l < best {
			best = l
		}
	}
	d := func(i int) float64 {
		if s.Labels[i] == best {
			return s.image(i) - 1
		}
		return s.image(i)
	}
	gap = Estimate{mean(s.Images, d), stderr(s.Images, d)}
	return gap, gap.Value > constantErrors*gap.StdErr
}

// Retention is the share of the reference's robust accuracy that s keeps,
// R(s)/R(ref), with the paired standard error of this ratio over the images
// (delta method): both must have been measured on the same ones. It is not defined
// where the reference is always wrong.
func (s *Score) Retention(ref *Score) Estimate {
	return ratio(s.Images, s.image, ref.image)
}

// KindRetention is the retention of each kind alone.
func (s *Score) KindRetention(ref *Score) []Estimate {
	out := make([]Estimate, len(s.Kinds))
	for k := range s.Kinds {
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

func stderr(n int, f func(i int) float64) float64 {
	if n < 2 {
		return 0
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
	Images     data.Batch // labelled; unlabelled ones take the first network's answers
	Conditions []disturb.Condition
	Seed       uint64
	First      int              // number of the first image: what tells noise apart from that of others
	Low, High  float32          // the input's range
	Gradient   disturb.Gradient // of the float network, for guided kinds
	// Shared says that Gradient is of the first network: then one way forward gives
	// its gradient and its answers on the clean images.
	Shared bool
	// Progress is told of the images done, of all networks and conditions.
	Progress func(done, total int)
}

// portion is the images that are disturbed at a time: the memory of a
// measurement does not grow with the number of its images.
const portion = 512

// Robust measures networks under every condition, each on the same disturbed
// images. When ctx ends it returns its error and, for the conditions that every
// network was measured under as a whole, the scores so far.
func Robust(ctx context.Context, s Setup, networks ...Network) ([]*Score, error) {
	if s.Images.N == 0 {
		return nil, fmt.Errorf("measure: no images")
	}
	conditions := append([]disturb.Condition{{}}, s.Conditions...)
	scores := make([]*Score, len(networks))
	for i := range scores {
		scores[i] = &Score{Images: s.Images.N}
	}
	labels := s.Images.Labels
	gradients := s.gradients()
	total, done := len(conditions)*len(networks)*s.Images.N, 0
	for _, c := range conditions {
		name := Clean
		if c.Kind != nil {
			name = c.Kind.Name
		}
		right := make([][]bool, len(networks))
		var answers []int // of the first network, where there are no labels
		for from := 0; from < s.Images.N; from += portion {
			b := s.Images.Slice(from, min(from+portion, s.Images.N))
			if labels != nil {
				b.Labels = labels[from : from+b.N]
			}
			gradient := gradients[from/portion]
			clean := b
			if c.Kind != nil {
				var err error
				if b, err = disturb.Images(clean, s.First+from, c, s.Seed, s.Low, s.High, gradient); err != nil {
					return scores, err
				}
			}
			for i, net := range networks {
				if err := ctx.Err(); err != nil {
					return scores, err
				}
				var logits []float32
				var err error
				if i == 0 && c.Kind == nil && s.Shared && s.guided() {
					_, logits, err = gradient(clean.X, clean.Labels, clean.N)
				} else {
					logits, err = net(ctx, b.X, b.N)
				}
				if err != nil {
					return scores, err
				}
				got := Answers(logits, len(logits)/b.N)
				if b.Labels == nil { // the first network on clean images
					answers, b.Labels = append(answers, got...), got
				}
				for j, a := range got {
					right[i] = append(right[i], a == b.Labels[j])
				}
				done += b.N
				if s.Progress != nil {
					s.Progress(done, total)
				}
			}
		}
		if labels == nil {
			labels = answers
		}
		for _, sc := range scores {
			sc.Labels = labels
		}
		for i, sc := range scores {
			sc.add(name, c.Size, right[i])
		}
	}
	return scores, nil
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

// add files the answers under a condition with its kind.
func (s *Score) add(name string, size float64, right []bool) {
	for i := range s.Kinds {
		if k := &s.Kinds[i]; k.Name == name {
			k.Sizes, k.Right = append(k.Sizes, size), append(k.Right, right)
			return
		}
	}
	s.Kinds = append(s.Kinds, Kind{name, []float64{size}, [][]bool{right}})
}
