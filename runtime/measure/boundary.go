package measure

import (
	"context"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// Boundary distances are searched on this grid: a coarse scan, for an answer may
// become wrong and right again, then bisection to the fine step.
const (
	coarseSteps = 8
	fineSteps   = 128
)

// Never is the distance of an image that no size makes wrong: one step beyond the
// greatest.
const Never = 1 + 1./fineSteps

// Boundary is, for each network and image, the least size of a condition's kind of error
// at which the answer becomes wrong, to 1/128 and on one seed: 0 where it is wrong
// without any, Never where it never is. Without labels the answers
// of the first network are right. When ctx ends it returns the networks that it
// has measured as a whole, and its error.
func Boundary(ctx context.Context, s Setup, c disturb.Condition, networks ...Network) ([][]float64, error) {
	var err error
	if s.Images.Labels, err = s.Right(ctx, networks[0]); err != nil {
		return nil, err
	}
	b := &border{Setup: s, condition: c, rounds: len(networks) * borderRounds}
	if c.Kind.Guided {
		if b.margins, err = s.margins(); err != nil {
			return nil, err
		}
	}
	var out [][]float64
	for _, net := range networks {
		d, err := b.distances(ctx, net)
		if err != nil {
			return out, err
		}
		out = append(out, d)
	}
	return out, nil
}

// Right are the right answers to the images: their labels, or without them those of a network.
func (s *Setup) Right(ctx context.Context, first Network) ([]int, error) {
	right := s.Images.Labels
	if len(s.Task.Results) > 0 {
		if err := s.Task.Decides("a boundary distance"); err != nil {
			return nil, err
		}
		labels, err := s.Task.labels(s.Images)
		if err != nil {
			return nil, err
		}
		right = whole(labels[0])
	}
	if right != nil {
		return right, nil
	}
	return s.answers(ctx, first)
}

// answers are a network's own.
func (s *Setup) answers(ctx context.Context, net Network) ([]int, error) {
	logits, err := net(ctx, s.Images.X, s.Images.N)
	if err != nil {
		return nil, err
	}
	return s.Task.Decisions(logits, s.Images.N), nil
}

// margins is the gradient of every image.
func (s *Setup) margins() ([]float32, error) {
	if s.Gradient == nil {
		return nil, nil // disturb.Images says what is wrong
	}
	margin, _, err := s.Gradient(s.Images)
	return margin, err
}

// border is the search for the boundary of one kind of error.
type border struct {
	Setup
	condition    disturb.Condition
	margins      []float32 // of all images; nil of an unguided kind
	done, rounds int       // of progress
}

// borderRounds is the most rounds of one network: without error, the scan, and
// the bisection.
var borderRounds = 1 + coarseSteps + bits.Len(uint(fineSteps/coarseSteps)) - 1

// distances searches for one network. All sizes are multiples of 1/fineSteps.
func (b *border) distances(ctx context.Context, net Network) ([]float64, error) {
	const scan = fineSteps / coarseSteps
	n, end := b.Images.N, b.done+borderRounds
	least, most, at := make([]int, n), make([]int, n), make([]int, n) // right at least, wrong at most
	open := make([]int, n)
	for i := range open {
		open[i] = i
	}
	all := open
	for step := 0; step <= fineSteps && len(open) > 0; step += scan {
		for _, i := range open {
			at[i] = step
		}
		wrong, err := b.wrongAt(ctx, net, open, at)
		if err != nil {
			return nil, err
		}
		rest := open[:0:0]
		for k, i := range open {
			if wrong[k] {
				most[i] = step
			} else {
				least[i], most[i] = step, -1
				rest = append(rest, i)
			}
		}
		open = rest
	}
	for width := scan; width > 1; width /= 2 {
		open = open[:0:0]
		for _, i := range all {
			if most[i] > 0 && most[i]-least[i] > 1 {
				open, at[i] = append(open, i), (most[i]+least[i])/2
			}
		}
		wrong, err := b.wrongAt(ctx, net, open, at)
		if err != nil {
			return nil, err
		}
		for k, i := range open {
			if wrong[k] {
				most[i] = at[i]
			} else {
				least[i] = at[i]
			}
		}
	}
	b.done = end
	out := make([]float64, n)
	for i, m := range most {
		out[i] = float64(m) / fineSteps
		if m < 0 {
			out[i] = Never
		}
	}
	return out, nil
}

// wrongAt tells which of some images are answered wrongly, each disturbed by
// its own size, of fineSteps.
func (b *border) wrongAt(ctx context.Context, net Network, images, at []int) ([]bool, error) {
	var wrong []bool
	size := b.Images.Size()
	for len(images) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := images[:min(portion, len(images))]
		images = images[len(part):]
		x, errs := make([]float32, len(part)*size), make([]error, len(part))
		parallel.For(len(part), func(j int) {
			i := part[j]
			var gradient disturb.Gradient
			if b.margins != nil {
				gradient = func(data.Batch) ([]float32, []float32, error) {
					return b.margins[i*size : (i+1)*size], nil, nil
				}
			}
			c := b.condition
			c.Size = float64(at[i]) / fineSteps
			var one data.Batch
			one, errs[j] = disturb.Images(b.Images.Slice(i, i+1), b.First+i, c, b.Seed, gradient)
			copy(x[j*size:], one.X)
		})
		for _, err := range errs {
			if err != nil {
				return nil, err
			}
		}
		logits, err := net(ctx, x, len(part))
		if err != nil {
			return nil, err
		}
		for j, a := range b.Task.Decisions(logits, len(part)) {
			wrong = append(wrong, a != b.Images.Labels[part[j]])
		}
	}
	if b.done++; b.Progress != nil {
		b.Progress(b.done, b.rounds)
	}
	return wrong, nil
}

// Quantiles are the values below which the given shares of x lie.
func Quantiles(x []float64, shares ...float64) []float64 {
	sorted := slices.Sorted(slices.Values(x))
	out := make([]float64, len(shares))
	for i, p := range shares {
		out[i] = sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
	}
	return out
}

// BoundaryLoss is the mean relative loss of boundary distance against the float
// network's, over the images that it answers rightly; not defined where there are none.
func BoundaryLoss(ref, got []float64) Estimate {
	var loss []float64
	for i, r := range ref {
		if r > 0 {
			loss = append(loss, (r-got[i])/r)
		}
	}
	if len(loss) == 0 {
		return undefined()
	}
	at := func(i int) float64 { return loss[i] }
	return Estimate{mean(len(loss), at), stderr(len(loss), at)}
}

// Plane is the answers of networks on the plane through three images: rows of
// n*n points, u to the right from the first image to the second, v down from the
// first to the third, from -margin to 1+margin. Points outside of the input's
// range are clamped to it.
type Plane struct {
	N       int
	Answers [][]int // [network][point]
}

// planeMargin is how far the plane reaches beyond the images.
const planeMargin = 0.25

// Position is the column or row of coordinate 0 or 1 on a plane of n points.
func (p *Plane) Position(coordinate float64) int {
	return int((coordinate+planeMargin)/(1+2*planeMargin)*float64(p.N-1) + .5)
}

// Coordinate is that of a column or row.
func (p *Plane) Coordinate(position int) float64 {
	return float64(position)/float64(p.N-1)*(1+2*planeMargin) - planeMargin
}

// NewPlane classifies the plane through a, b and c by a task that decides, or of one label
// an item where it is empty. progress, which may be nil, is told of the rows done.
func NewPlane(ctx context.Context, task Task, a, b, c []float32, n int, lo, hi float32, progress func(done, total int), networks ...Network) (*Plane, error) {
	p := &Plane{N: n, Answers: make([][]int, len(networks))}
	for row := range n {
		v := float32(p.Coordinate(row))
		x := make([]float32, 0, n*len(a))
		for col := range n {
			u := float32(p.Coordinate(col))
			for i, o := range a {
				y := o + float32(u*(b[i]-o)) + float32(v*(c[i]-o))
				x = append(x, min(max(y, lo), hi))
			}
		}
		for i, net := range networks {
			logits, err := net(ctx, x, n)
			if err != nil {
				return nil, err
			}
			p.Answers[i] = append(p.Answers[i], task.Decisions(logits, n)...)
		}
		if progress != nil {
			progress(row+1, n)
		}
	}
	return p, nil
}

// Agreement is the share of the plane on which network i answers as the first.
func (p *Plane) Agreement(i int) float64 {
	same := 0
	for j, a := range p.Answers[i] {
		if a == p.Answers[0][j] {
			same++
		}
	}
	return float64(same) / float64(len(p.Answers[i]))
}
