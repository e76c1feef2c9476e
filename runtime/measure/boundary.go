package measure

import (
	"context"
	"slices"

	"github.com/dnnc/dnnc/runtime/disturb"
)

// Boundary distances are searched on this grid: a coarse scan, for an answer may
// become wrong and right again, then bisection to the fine step.
const (
	coarseSteps = 8
	fineSteps   = 128
)

// Boundary is, for each image, the least size of a kind of error at which the
// answer becomes wrong, to 1/128 and on one seed: 0 where it is wrong without
// any, 1 where it never is (DESIGN section 3).
func Boundary(ctx context.Context, s Setup, kind *disturb.Kind, net Network) ([]float64, error) {
	n := s.Images.N
	labels, err := s.labels(ctx, net)
	if err != nil {
		return nil, err
	}
	s.Images.Labels = labels
	// All sizes are multiples of 1/fineSteps.
	least, most := make([]int, n), make([]int, n) // right at least, wrong at most
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	wrong, err := s.wrongAt(ctx, kind, net, all, make([]int, n))
	if err != nil {
		return nil, err
	}
	open := all[:0:0]
	for _, i := range all {
		if !wrong[i] {
			most[i] = -1
			open = append(open, i)
		}
	}
	at := make([]int, n)
	for step := fineSteps / coarseSteps; step <= fineSteps && len(open) > 0; step += fineSteps / coarseSteps {
		for _, i := range open {
			at[i] = step
		}
		if wrong, err = s.wrongAt(ctx, kind, net, open, at); err != nil {
			return nil, err
		}
		rest := open[:0:0]
		for _, i := range open {
			if wrong[i] {
				most[i] = step
			} else {
				least[i] = step
				rest = append(rest, i)
			}
		}
		open = rest
	}
	for width := fineSteps / coarseSteps; width > 1; width /= 2 {
		open = open[:0]
		for _, i := range all {
			if most[i] > 0 && most[i]-least[i] > 1 {
				open, at[i] = append(open, i), (most[i]+least[i])/2
			}
		}
		if wrong, err = s.wrongAt(ctx, kind, net, open, at); err != nil {
			return nil, err
		}
		for _, i := range open {
			if wrong[i] {
				most[i] = at[i]
			} else {
				least[i] = at[i]
			}
		}
	}
	out := make([]float64, n)
	for i, m := range most {
		out[i] = float64(m) / fineSteps
		if m < 0 {
			out[i] = 1
		}
	}
	return out, nil
}

// labels are the images' own, or the network's answers.
func (s *Setup) labels(ctx context.Context, net Network) ([]int, error) {
	if s.Images.Labels != nil {
		return s.Images.Labels, nil
	}
	logits, err := net(ctx, s.Images.X, s.Images.N)
	if err != nil {
		return nil, err
	}
	return Answers(logits, len(logits)/s.Images.N), nil
}

// wrongAt tells which of some images are answered wrongly, each disturbed by
// its own size, of fineSteps.
func (s *Setup) wrongAt(ctx context.Context, kind *disturb.Kind, net Network, images, at []int) (map[int]bool, error) {
	wrong := map[int]bool{}
	size := s.Images.Size()
	for len(images) > 0 {
		part := images[:min(portion, len(images))]
		images = images[len(part):]
		x := make([]float32, 0, len(part)*size)
		for _, i := range part {
			c := disturb.Condition{Kind: kind, Size: float64(at[i]) / fineSteps}
			b, err := disturb.Images(s.Images.Slice(i, i+1), i, c, s.Seed, s.Low, s.High, s.Gradient)
			if err != nil {
				return nil, err
			}
			x = append(x, b.X...)
		}
		logits, err := net(ctx, x, len(part))
		if err != nil {
			return nil, err
		}
		for j, a := range Answers(logits, len(logits)/len(part)) {
			wrong[part[j]] = a != s.Images.Labels[part[j]]
		}
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
// network's, over the images that it answers rightly.
func BoundaryLoss(ref, got []float64) Estimate {
	var loss []float64
	for i, r := range ref {
		if r > 0 {
			loss = append(loss, (r-got[i])/r)
		}
	}
	if len(loss) == 0 {
		return Estimate{}
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

// NewPlane classifies the plane through a, b and c.
func NewPlane(ctx context.Context, a, b, c []float32, n int, lo, hi float32, networks ...Network) (*Plane, error) {
	p := &Plane{N: n, Answers: make([][]int, len(networks))}
	for row := range n {
		v := float32(float64(row)/float64(n-1)*(1+2*planeMargin) - planeMargin)
		x := make([]float32, 0, n*len(a))
		for col := range n {
			u := float32(float64(col)/float64(n-1)*(1+2*planeMargin) - planeMargin)
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
			p.Answers[i] = append(p.Answers[i], Answers(logits, len(logits)/n)...)
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
