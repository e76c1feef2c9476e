package robust

import (
	"cmp"
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
	keepSteps  = 7   // sizes measured at most before one keeps enough,
	keepBehind = 3   // and after the first that does
	keepNear   = .06 // sizes this near each other are one: a step between them shows less than its error
	keepClose  = .25 // of the error of what is kept: a network this little above what it should keep is the one
	keepOthers = 2   // further networks of a size, where one fails by less than its error

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
	fall  float64
	climb float64 // the least step upwards while nothing keeps enough, which grows
}

func newHunt(sizes [2]int, wanted float64) *hunt {
	return &hunt{low: sizes[0], high: sizes[1], wanted: max(wanted, leastLoss), fall: usualFall, climb: keepNear}
}

// outcome is what a measurement at a size says.
type outcome struct {
	bytes      int     // of the network, which may be fewer than were asked for
	loss       float64 // NaN where there is no network of this size
	enough     bool    // it loses no more than it may
	satisfying bool    // and nothing smaller need be looked for
}

// seek measures sizes, from one on, until the least that loses no more than it may is
// near enough. The largest is measured before it gives up.
func (h *hunt) seek(bytes int, measure func(bytes int) (outcome, error)) error {
	left := keepSteps
	for ok := true; ok && left > 0; bytes, ok = h.next() {
		if left--; left == 0 && !h.met {
			bytes = h.high
		}
		o, err := measure(bytes)
		if err != nil || o.satisfying {
			return err
		}
		if o.enough && !h.met {
			left = keepBehind
		}
		h.measured(bytes, o)
	}
	return nil
}

// measured takes in the outcome at a size.
func (h *hunt) measured(asked int, o outcome) {
	if !math.IsNaN(o.loss) {
		loss := max(o.loss, leastShare*h.wanted)
		if was := h.last; was.bytes > 0 && was.bytes != o.bytes {
			fall := math.Log(was.loss/loss) / math.Log(float64(o.bytes)/float64(was.bytes))
			h.fall = min(max(fall, leastFall), mostFall)
		}
		h.last.bytes, h.last.loss = o.bytes, loss
	}
	if o.enough {
		// It may be smaller than what was asked for, even than a size that failed.
		h.high, h.met = max(o.bytes, h.low+1), true
		return
	}
	if h.failed && !h.met {
		h.climb *= 2
	}
	h.low, h.failed = asked, true
}

// next is the size at which the loss should be the wanted one by the last that was
// measured, but well within the sizes that are known; ok is false where nothing is left
// between these.
func (h *hunt) next() (bytes int, ok bool) {
	low, high := math.Log(float64(h.low)), math.Log(float64(h.high))
	between := high - low
	if h.met && between <= keepNear || h.failed && h.low >= h.high {
		return 0, false
	}
	at := (low + high) / 2
	if h.last.bytes > 0 {
		at = math.Log(float64(h.last.bytes)) + math.Log(h.last.loss/h.wanted)/h.fall
	}
	switch {
	case h.met && h.failed:
		low, high = low+between/4, high-between/4
	case h.failed:
		low += h.climb
	case h.met:
		high -= keepNear
	}
	bytes = int(math.Round(math.Exp(min(max(at, low), high))))
	return min(max(bytes, h.low), h.high), true
}

// keeping returns the smallest network found whose retention on held-out images is at
// least the share of the budget, or, of an aim that none has, the one that keeps most; where
// the share is promised, the smallest that other images show to keep it.
func (s *Search) keeping(ctx context.Context, m method) (*Network, error) {
	keep, isPromised := s.env.Budget.Keep, s.env.Budget.Promised
	found, best, seen, err := s.hunted(ctx, m, keep)
	switch {
	case err != nil:
		return nil, err
	case isPromised && best != nil:
		at, err := s.centred(ctx, m, cmp.Or(found, best), seen)
		if err != nil {
			return nil, err
		}
		// A divergence tells the loss of a network less surely than the loss that the float
		// network expects: all candidates may be too small.
		return s.promised(ctx, m, at, !seen.isExpected())
	case found != nil:
		return found, s.estimated(ctx, found)
	case best != nil: // an aim is no condition
		if err := s.estimated(ctx, best); err != nil {
			return nil, err
		}
		s.env.Report.Kept.IsBelow = true
		return best, nil
	}
	return nil, diag.New(diag.Pos{}, diag.BadBudget, "no network was measured for an estimate of %v of the robust accuracy", keep).
		WithHelp("choose a size by -bits, or allow wider -formats")
}

// hunted is the smallest network that was found whose retention on held-out images is at
// least keep, every step measured; nil of none. best is the one that was measured to keep
// most, seen is all. The hunt begins where the table expects the divergence of what may be lost, and
// goes on by what is measured. Robustness need not be monotone in size.
func (s *Search) hunted(ctx context.Context, m method, keep float64) (found, best *Network, seen trend, err error) {
	sizes := s.everySize()
	if err := s.refuseImpossible(m, sizes[1]); err != nil {
		return nil, nil, nil, err // of cycles
	}
	if err := s.refuseUndefined(ctx, keep); err != nil {
		return nil, nil, nil, err
	}
	h := newHunt(sizes, 1-keep)
	first, err := s.expected(ctx, m, h)
	if err != nil {
		return nil, nil, nil, err
	}
	var refused error // by the method, of a size
	others := keepOthers
	found, best, err = h.find(first, keep, s.stopped, func(bytes int, isFound bool) (*Network, measure.Estimate, error) {
		if isFound {
			others = 0
		}
		n, more, err := s.keepingWithin(ctx, m, bytes, keep, others)
		if isTooSmall(err) { // the method has nothing this small
			refused = err
			return nil, measure.Estimate{}, nil
		}
		others -= more
		if err == nil && n.Network != nil {
			seen = append(seen, n)
		}
		return n.Network, n.kept, err
	})
	if err == nil && best == nil && refused != nil {
		err = refused
	}
	return found, best, seen, err
}

// isTooSmall reports that a method has no network within a number of bytes.
func isTooSmall(err error) bool {
	var d *diag.Diagnostic
	return errors.As(err, &d) && d.Kind == diag.BadBudget
}

// find is the smallest network that keeps enough by estimates, and the one that keeps
// most. at is a network of at most so many bytes, nil of none, told whether one that keeps
// enough is found; then stop may end the search.
func (h *hunt) find(first int, keep float64, stop func() bool, at func(bytes int, isFound bool) (*Network, measure.Estimate, error)) (found, best *Network, err error) {
	most := math.Inf(-1)
	err = h.seek(first, func(bytes int) (outcome, error) {
		none := outcome{bytes: bytes, loss: math.NaN(), satisfying: found != nil && stop()}
		if none.satisfying {
			return none, nil
		}
		n, kept, err := at(bytes, found != nil)
		if err != nil || n == nil {
			return none, err
		}
		if kept.Value > most || best == nil {
			best, most = n, kept.Value
		}
		enough := kept.Value >= keep
		if enough && (found == nil || n.Bytes < found.Bytes) {
			found = n
		}
		close := enough && kept.Value < 1 && kept.Value-keep <= kept.StdErr*keepClose
		return outcome{n.Bytes, 1 - kept.Value, enough, close}, nil
	})
	return found, best, err
}

// refuseUndefined reports that the float network has nothing to keep: it is not told
// apart from the best constant answer, or never right under the kind of error that
// counts.
func (s *Search) refuseUndefined(ctx context.Context, keep float64) error {
	if err := s.reference(ctx); err != nil {
		return err
	}
	const help = "look at the range of the input, and at the labels of -calib; -bits, -size or -ratio bound the bytes, whatever is kept"
	for i, exact := range s.exact.All() {
		out := s.m.Outputs[i]
		what := "robust accuracy"
		if len(exact.Kinds[0].Right) == 0 {
			what = exact.Measure()
		}
		gap, isTold := exact.AboveConstant()
		if !isTold && exact.Images < 2 {
			return diag.New(out.Pos, diag.BadData, "-keep %v: too few held-out images: %d", keep, exact.Images).WithHelp("give -calib more images; .99 takes about 300 that judge, 500 in all")
		}
		if !isTold {
			return diag.New(out.Pos, diag.BadData, "-keep %v: the float network has nothing to keep: its %s is %.4f on %d held-out images, and %.4f of the best constant answer", keep, what, exact.Mean(), exact.Images, exact.Mean()-gap.Value).
				WithNote("a share of it says something where it is above by more than two standard errors, here %.4f", 2*gap.StdErr).WithHelp(help)
		}
		for k, r := range exact.KindRetention(exact) {
			if !s.worst() || r.IsDefined() {
				continue
			}
			fault := "is never right"
			if exact.Kinds[k].Right == nil {
				fault = "is no better than the best constant answer, by two standard errors,"
			}
			return diag.New(out.Pos, diag.BadData, "-keep %v -objective worst: the float network %s under %s, and a share of nothing is not defined", keep, fault, exact.Kinds[k].Name).WithHelp(help)
		}
	}
	return nil
}

// keepingWithin is the first network of at most a number of bytes that keeps enough, of
// those that the method has; the best of them where none does. Networks of one size
// differ: where one fails by less than its error, the next may not, so some others more
// are measured. It has no network where the method has none.
func (s *Search) keepingWithin(ctx context.Context, m method, bytes int, keep float64, others int) (best lost, more int, err error) {
	tried := map[string]bool{}
	for plan := 0; more <= others; plan++ {
		n, err := s.quick(ctx, m, bytes, plan)
		if err != nil {
			return lost{}, more, err
		}
		if n == nil {
			break // it has no more
		}
		if tried[n.Key()] {
			continue
		}
		tried[n.Key()] = true
		told := *n
		one, err := s.measured(ctx, &told)
		if err != nil {
			return lost{}, more, err
		}
		r := one.kept
		told.Origin = fmt.Sprintf("%s, retention %.4f", n.Origin, r.Value)
		s.report(&told)
		if best.Network == nil || r.Value > best.kept.Value {
			best = one
		}
		if r.Value >= keep || keep-r.Value > r.StdErr || more == others {
			break
		}
		more++
	}
	return best, more, nil
}

// expected is the size to begin with: of Qed, the least whose divergence by the table is
// what may be lost; the greatest by kind where the worst kind counts.
func (s *Search) expected(ctx context.Context, m method, h *hunt) (int, error) {
	if !m.isQed() {
		bytes, _ := h.next()
		return bytes, nil
	}
	if err := s.fill(ctx, s.judge.images, s.all); err != nil {
		return 0, err
	}
	bytes, list := 0, s.surrogates()[:1]
	if s.worst() {
		list = s.kindSurrogates()
	}
	for _, g := range list {
		curve := s.curve(g)
		i := sort.Search(len(curve), func(i int) bool { return curve[i].Cost <= h.wanted })
		bytes = max(bytes, curve[min(i, len(curve)-1)].Bytes)
	}
	return bytes, nil
}

// quick is a method's first choice within bytes, as the search for a retention looks at
// many networks; of Qed the plan of a surrogate. There is none after the last.
func (s *Search) quick(ctx context.Context, m method, bytes, surrogate int) (*Network, error) {
	if !m.isQed() {
		if surrogate > 0 {
			return nil, nil
		}
		return m.choose(ctx, s, bytes)
	}
	if err := s.fill(ctx, s.judge.images, s.all); err != nil {
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
