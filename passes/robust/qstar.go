package robust

import (
	"context"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// qstarShare is the share of Qed's multiply-adds for its table that Q* spends
// before it is content, unless -time gives it longer.
const qstarShare = 1. / 20

// qstar is Q*: it measures two formats of each layer on few
// images, fills the others in log-linearly, solves, measures the entries that the
// plan rests on, and begins again with twice the images. Its table becomes Qed's
// own when it is given the time; ended early it has its best so far.
func qstar(ctx context.Context, s *Search, bytes int) (*Network, error) {
	if err := s.oracle.prepare(ctx); err != nil {
		return nil, err
	}
	limit := int64(qstarShare * float64(s.TableMACs()))
	spent := func() bool { return !s.patient() && s.spent.macs >= limit }
	images := min(s.judge.images, qstarImages)
	var plan *Plan
	for {
		if err := s.fill(ctx, images, s.anchors); err != nil {
			return nil, err
		}
		// Entries that change the decision are measured until the plan rests on
		// measured ones alone.
		for !s.stopped() && !spent() {
			plan = s.estimate(bytes)
			if plan == nil {
				return nil, s.tooSmall()
			}
			open := false
			for l, f := range plan.Picks {
				open = open || s.table[l][f].images < images
			}
			if !open {
				break
			}
			if err := s.fill(ctx, images, func(l int) []int { return plan.Picks[l : l+1] }); err != nil {
				return nil, err
			}
		}
		if s.stopped() || spent() || images == s.judge.images && !s.patient() {
			break
		}
		if images == s.judge.images {
			if err := s.fill(ctx, images, s.all); err != nil { // Qed's table
				return nil, err
			}
			break
		}
		next := min(2*images, s.judge.images)
		if !s.patient() && s.spent.macs+s.roundMACs(next) > limit {
			break
		}
		images = next
	}
	if plan = s.estimate(bytes); plan == nil {
		return nil, s.tooSmall()
	}
	s.charge()
	list := []candidate{{"q*", s.formats(plan)}}
	if u := s.universal(bytes); u != nil && !s.stopped() {
		list = append(list, candidate{"universal", u})
	}
	// A tenth of Qed's effort leaves no room for more images.
	return s.bestOn(ctx, s.judge, list)
}

// qstarImages is the images of the first round.
const qstarImages = 64

// patient reports whether the search has a time of its own: then effort is no
// reason to end.
func (s *Search) patient() bool { return s.env.Patient }

// TableMACs are the multiply-adds of the whole table on all judged images.
func (s *Search) TableMACs() int64 {
	sum := int64(0)
	for l := range s.layers {
		sum += int64(s.oracle.macs(l)) * int64(len(s.menu[l])) * int64(s.judge.images)
	}
	return sum
}

// roundMACs are those of the anchors alone on some images.
func (s *Search) roundMACs(images int) int64 {
	sum := int64(0)
	for l := range s.layers {
		sum += int64(s.oracle.macs(l)) * int64(len(s.anchors(l))) * int64(images)
	}
	return sum
}

// anchorBits are about the widths of the entries measured first.
var anchorBits = []float64{.7, 3}

// anchors are the entries of a layer that lie nearest to the anchors' widths.
func (s *Search) anchors(l int) (list []int) {
	for _, bits := range anchorBits {
		best := 0
		for f := range s.table[l] {
			if math.Abs(math.Log(s.bits(l, f)/bits)) < math.Abs(math.Log(s.bits(l, best)/bits)) {
				best = f
			}
		}
		if !slices.Contains(list, best) {
			list = append(list, best)
		}
	}
	return list
}

// bits is the bits a weight of an entry, its codebook included.
func (s *Search) bits(l, f int) float64 {
	return 8 * float64(s.table[l][f].bytes) / float64(s.layers[l].Const(ir.AttrWeight).Type.Shape.Size())
}

// estimate solves the table with its gaps filled: between and beyond measured
// entries of a layer the logarithm of the cost is linear in the bits a weight.
// Once found, what was measured on few images stands beside what was measured on
// more: both are means over the same mixture.
func (s *Search) estimate(bytes int) *Plan {
	filled := make([][]Choice, len(s.table))
	for l, row := range s.table {
		var x, y []float64
		for _, f := range s.byBits(l) {
			if row[f].images > 0 {
				x, y = append(x, s.bits(l, f)), append(y, math.Log(s.loss(row[f].cost)+1e-9))
			}
		}
		for f, e := range row {
			var c float64
			if e.images > 0 {
				c = s.loss(e.cost)
			} else {
				c = math.Exp(line(x, y, s.bits(l, f)))
			}
			filled[l] = append(filled[l], s.choice(l, f, c))
		}
	}
	return s.solve(filled, bytes)
}

// byBits are the entries of a layer by rising size.
func (s *Search) byBits(l int) []int {
	list := s.all(l)
	slices.SortStableFunc(list, func(a, b int) int { return s.table[l][a].bytes - s.table[l][b].bytes })
	return list
}

// slope is how the logarithm of a cost falls with a bit where a single entry was
// measured: a quarter, as the squared error of rounding does.
const slope = -1.386

// line is the piecewise linear function through points of rising x, continued at
// both ends; through one point it falls by slope.
func line(x, y []float64, at float64) float64 {
	switch len(x) {
	case 0:
		return slope * at
	case 1:
		return y[0] + slope*(at-x[0])
	}
	i := 1
	for i < len(x)-1 && at > x[i] {
		i++
	}
	if x[i] == x[i-1] {
		return y[i]
	}
	k := min((y[i]-y[i-1])/(x[i]-x[i-1]), 0)
	return y[i-1] + k*(at-x[i-1])
}
