package robust

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/measure"
)

// The search for the smallest network of a retention.
const (
	keepSteps = 7   // networks measured at most,
	keepFound = 4   // and where one of them keeps enough
	keepNear  = .06 // sizes this near each other are one: a step between them shows less than its error
	keepClose = .25 // of the error of what is kept: a network this little above what it should keep is the one

	// Below this the loss is taken for it: where a network keeps all, its loss says
	// nothing of how much smaller one may be.
	leastShare = 1. / 16 // of the wanted loss
	leastLoss  = 1e-3    // and where none is wanted

	// The loss falls as a power of the size: what is taken for the exponent before two
	// networks are measured, and the least and greatest that are believed of two.
	usualFall, leastFall, mostFall = 3., 1., 8.
)

// hunt is what is known of the sizes around the one whose loss is the wanted one.
type hunt struct {
	low, high   int // the greatest size that loses more, the least that does not; ends of the range before
	failed, met bool
	wanted      float64
	last        struct {
		bytes int
		loss  float64
	}
	fall float64
}

func newHunt(sizes [2]int, wanted float64) *hunt {
	return &hunt{low: sizes[0], high: sizes[1], wanted: max(wanted, leastLoss), fall: usualFall}
}

// measured takes in the loss at a size, and whether it is small enough.
func (h *hunt) measured(bytes int, loss float64, enough bool) {
	loss = max(loss, leastShare*h.wanted)
	if was := h.last; was.bytes > 0 && was.bytes != bytes {
		fall := math.Log(was.loss/loss) / math.Log(float64(bytes)/float64(was.bytes))
		h.fall = min(max(fall, leastFall), mostFall)
	}
	h.last.bytes, h.last.loss = bytes, loss
	if enough {
		h.high, h.met = bytes, true
	} else {
		h.low, h.failed = bytes, true
	}
}

// impossible takes in that there is no network of a size.
func (h *hunt) impossible(bytes int) { h.low, h.failed = bytes, true }

// next is the size at which the loss should be the wanted one by the last that was
// measured, but well within the sizes that are known; ok is false where nothing is left
// between these.
func (h *hunt) next() (bytes int, ok bool) {
	low, high := math.Log(float64(h.low)), math.Log(float64(h.high))
	between := high - low
	if h.met && between <= keepNear {
		return 0, false
	}
	at := (low + high) / 2
	if h.last.bytes > 0 {
		at = math.Log(float64(h.last.bytes)) + math.Log(h.last.loss/h.wanted)/h.fall
	}
	inner := keepNear
	if h.met && h.failed {
		inner = between / 4
	}
	if h.failed {
		low += inner
	}
	if h.met {
		high -= inner
	}
	bytes = int(math.Round(math.Exp(min(max(at, low), high))))
	bytes = min(max(bytes, h.low), h.high)
	if h.failed && bytes <= h.low {
		bytes = h.low + 1
	}
	return bytes, !(h.met && bytes >= h.high || bytes > h.high)
}

// keeping returns the smallest network found whose retention on held-out images is at
// least keep, every step measured. It begins where the table expects the divergence
// of what may be lost, and goes on by what is measured. Robustness need not be monotone
// in size; the network that is returned was measured to keep what it should.
func (s *Search) keeping(ctx context.Context, m method, keep float64) (*Network, error) {
	sizes := s.everySize()
	if err := s.possible(sizes[1]); err != nil {
		return nil, err // of cycles
	}
	h := newHunt(sizes, 1-keep)
	bytes, err := s.expected(ctx, m, h)
	if err != nil {
		return nil, err
	}
	var found *Network
	most, others := keepSteps, keepSteps // others: networks of one size
	for steps, ok := 0, true; ok && steps < most; bytes, ok = h.next() {
		n, kept, tried, err := s.keepingWithin(ctx, m, bytes, keep, min(others, most-steps))
		var d *diag.Diagnostic
		switch {
		case errors.As(err, &d) && d.Kind == diag.BadBudget: // the method has nothing this small
			h.impossible(bytes)
		case err != nil:
			return nil, err
		case kept.Value < keep:
			h.measured(bytes, 1-kept.Value, false)
		default:
			if found == nil || n.Bytes < found.Bytes {
				found = n
			}
			most, others = keepFound, 1
			if kept.Value-keep <= kept.StdErr*keepClose {
				return found, nil
			}
			h.measured(max(n.Bytes, h.low+1), 1-kept.Value, true) // less was asked of the method than it was given
		}
		if steps += max(tried, 1); found != nil && s.stopped() {
			break
		}
	}
	if found == nil {
		return nil, diag.New(diag.Pos{}, diag.BadBudget, "no network measured keeps %v of the robust accuracy", keep).
			WithHelp("choose a smaller -keep, or allow wider -formats")
	}
	return found, nil
}

// keepingWithin is the first network of at most a number of bytes that keeps enough, of
// those that the method has, at most most; the last that was tried where none does.
// Networks of one size differ: where one fails by less than its error, the next may not.
func (s *Search) keepingWithin(ctx context.Context, m method, bytes int, keep float64, most int) (n *Network, kept measure.Estimate, tried int, err error) {
	for plan, seen := 0, map[string]bool{}; tried < most; plan++ {
		next, err := s.quick(ctx, m, bytes, plan)
		if err != nil {
			return nil, kept, tried, err
		}
		if next == nil {
			break // it has no more
		}
		if seen[next.Key()] {
			continue
		}
		seen[next.Key()] = true
		if kept, err = s.retention(ctx, next.Formats); err != nil {
			return nil, kept, tried, err
		}
		tried++
		told := *next
		told.Origin = fmt.Sprintf("%s, retention %.4f", next.Origin, kept.Value)
		s.report(&told)
		if n = &told; kept.Value >= keep || keep-kept.Value > kept.StdErr {
			break
		}
	}
	return n, kept, tried, nil
}

// expected is the size to begin with: of Qed, the least whose divergence by the table is
// what may be lost.
func (s *Search) expected(ctx context.Context, m method, h *hunt) (int, error) {
	if !m.isQed() || s.bounded() { // a bound on cycles has no one curve
		bytes, _ := h.next()
		return bytes, nil
	}
	if err := s.fill(ctx, s.judge.N, s.all); err != nil {
		return 0, err
	}
	curve := s.curve(s.surrogates()[0])
	i := sort.Search(len(curve), func(i int) bool { return curve[i].Cost <= h.wanted })
	return curve[min(i, len(curve)-1)].Bytes, nil
}

// quick is a method's first choice within bytes, as the search for a retention looks at
// many networks; of Qed the plan of a surrogate. There is none behind the last.
func (s *Search) quick(ctx context.Context, m method, bytes, surrogate int) (*Network, error) {
	if !m.isQed() {
		if surrogate > 0 {
			return nil, nil
		}
		return m.choose(ctx, s, bytes)
	}
	if err := s.fill(ctx, s.judge.N, s.all); err != nil {
		return nil, err
	}
	if len(s.final.networks) == 0 {
		s.charge()
	}
	list := s.surrogates()
	if surrogate == len(list) {
		return nil, nil
	}
	g := list[surrogate]
	plan := s.within(g, bytes)
	if plan == nil {
		return nil, s.tooSmall()
	}
	return s.joint(ctx, s.final, "qed, "+g.name, s.formats(plan))
}

// everySize is the bytes of the smallest and of the largest network of the menu.
func (s *Search) everySize() (ends [2]int) {
	for _, row := range s.table {
		sizes := make([]int, len(row))
		for i, e := range row {
			sizes[i] = e.bytes
		}
		ends[0], ends[1] = ends[0]+slices.Min(sizes), ends[1]+slices.Max(sizes)
	}
	return ends
}
