package robust

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/measure"
)

// A promised share is tested on images that neither rounding nor search saw: the images
// that chose a network flatter it. The networks that are tested are fixed before: the one
// that the hunt found, and some near it. They are tested from the largest down, each at
// the confidence of measure.Bound, until one fails. The last that passed is the choice: to
// choose a network that keeps less, the first such network in this order would have to pass,
// which has the probability of one test.
const (
	mostCandidates = 6
	// Sizes around that of the hunt, a step apart: most above it, as a network that keeps
	// just the share passes in one of twenty tests. A network much larger than what keeps
	// the share is no choice, though it might be shown to.
	candidateStep = 1.15
	candidatesUp  = mostCandidates - 2
	// A method may have few sizes; then the next larger one is a candidate, too.
	farStep = 1.25
)

// trend is the networks that a hunt measured.
type trend []lost

type lost struct {
	*Network
	divergence, loss float64
}

// trendSpan bounds the networks that tell what a divergence loses: those of a divergence
// of 1/trendSpan to trendSpan times that of the network in question.
const trendSpan = 4

// share is the loss for a divergence near one. The loss of one network has the noise of the
// few images that it answers otherwise, its divergence has little, and the one is about in
// proportion to the other: the ratio of the sums over some networks has less noise.
func (t trend) share(near float64) float64 {
	var divergences, losses float64
	for _, n := range t {
		if n.divergence <= near*trendSpan && near <= n.divergence*trendSpan {
			divergences, losses = divergences+n.divergence, losses+n.loss
		}
	}
	return losses / divergences // NaN of none
}

// bracket is the networks between which a divergence of most lies: the largest that has
// more and the smallest that has not. nil of none.
func (t trend) bracket(most float64) (below, above *Network) {
	for _, n := range t {
		switch {
		case n.divergence > most && (below == nil || n.Bytes > below.Bytes):
			below = n.Network
		case n.divergence <= most && (above == nil || n.Bytes < above.Bytes):
			above = n.Network
		}
	}
	return below, above
}

// centred is the smallest network whose divergence is what the wanted loss is for by all
// that the hunt measured. found is the hunt's own choice, from which it may be far: its
// loss is that of one network.
func (s *Search) centred(ctx context.Context, m method, found *Network, seen trend) (*Network, error) {
	most := (1 - s.env.Budget.Keep) / seen.share(s.loss(found.cost))
	if !(most > 0) || s.stopped() {
		return found, nil
	}
	below, above := seen.bracket(most)
	if above == nil {
		return found, nil
	}
	low, high := float64(s.everySize()[0]), above
	if below != nil {
		low = max(low, float64(below.Bytes))
	}
	low = max(low, float64(high.Bytes)/farStep/farStep)
	for range centreSteps {
		if float64(high.Bytes) <= low*candidateStep {
			break
		}
		asked := math.Sqrt(low * float64(high.Bytes))
		n, err := s.quick(ctx, m, int(math.Round(asked)), 0)
		if err != nil && !isTooSmall(err) {
			return nil, err
		}
		if err == nil && n != nil && s.loss(n.cost) <= most && n.Bytes < high.Bytes {
			high = n
			continue
		}
		low = asked
	}
	return high, nil
}

// centreSteps is the networks that centred looks at, at most.
const centreSteps = 4

// candidates are the networks to be tested, from the largest down. within is the network
// of at most so many bytes, nil of none; most is the bytes of the largest.
func candidates(found *Network, most int, within func(bytes int) (*Network, error)) ([]*Network, error) {
	list := []*Network{found}
	add := func(bytes float64) error {
		n, err := within(int(math.Round(bytes)))
		isNew := n != nil && !slices.ContainsFunc(list, func(o *Network) bool { return o.Bytes == n.Bytes })
		if err == nil && isNew {
			list = append(list, n)
		}
		return err
	}
	for i := range candidatesUp {
		if err := add(float64(found.Bytes) * math.Pow(candidateStep, float64(i+1))); err != nil {
			return nil, err
		}
	}
	for bytes := float64(found.Bytes) * farStep; len(list) == 1 && bytes < float64(most)*farStep; bytes *= farStep {
		if err := add(min(bytes, float64(most))); err != nil {
			return nil, err
		}
	}
	if err := add(float64(found.Bytes) / candidateStep); err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b *Network) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return list, nil
}

// inSequence tests networks in their order and stops at the first that fails. passed is
// the index of the last that did not, -1 of none.
func inSequence(list []*Network, share float64, test func(n *Network) (measure.Bound, error)) (passed int, tested []pass.Tested, err error) {
	passed = -1
	for i, n := range list {
		b, err := test(n)
		if err != nil {
			return passed, tested, err
		}
		tested = append(tested, pass.Tested{Origin: n.Origin, Bytes: n.Bytes, Bound: b, Passed: b.Holds(share)})
		if !b.Holds(share) {
			break
		}
		passed = i
	}
	return passed, tested, nil
}

// judged is what unseen images say of a network, and of the float network: the report has
// both from then on.
func (s *Search) judged(ctx context.Context, n *Network) (measure.Bound, error) {
	b, exact, err := s.oracle.bound(ctx, n.Formats)
	if err != nil {
		return b, err
	}
	s.count(b.Items * s.env.Conditions())
	k := s.env.Report.Kept
	k.Judged, k.Float = b.Items, k.Float[:0]
	if exact == nil {
		return b, nil
	}
	for _, e := range exact.All() {
		k.Float = append(k.Float, measure.Estimate{Value: e.Mean(), StdErr: e.StdErr()})
	}
	return b, nil
}

// kept begins the report of what is kept.
func (s *Search) kept() error {
	fitted, err := s.env.Calibration()
	if err != nil {
		return err
	}
	chosen, err := s.env.HeldOut()
	s.env.Report.Kept = &pass.Kept{Share: s.env.Budget.Keep, Promised: s.env.Budget.Promised, Fitted: fitted.N, Chosen: chosen.N}
	s.env.Report.Kept.IsOneSet = len(fitted.X) > 0 && len(chosen.X) > 0 && &fitted.X[0] == &chosen.X[0] // too few to hold any out
	if err == nil && s.env.Copies != nil {
		s.env.Report.Kept.Copies, err = s.env.Copies()
	}
	return err
}

// estimated says what unseen images show of a network that a share was only aimed at for.
func (s *Search) estimated(ctx context.Context, n *Network) error {
	if err := s.kept(); err != nil {
		return err
	}
	if s.env.Enough != nil && s.env.Enough() {
		return nil
	}
	b, err := s.judged(ctx, n)
	if err != nil {
		return err
	}
	s.env.Report.Kept.Bound = b
	return nil
}

// promised is the smallest of the candidates around a network that is shown to keep the
// share of the budget, by fixed-sequence testing.
func (s *Search) promised(ctx context.Context, m method, found *Network) (*Network, error) {
	if err := s.kept(); err != nil {
		return nil, err
	}
	k := s.env.Report.Kept
	list := []*Network{found}
	if !s.stopped() {
		var err error
		list, err = candidates(found, s.everySize()[1], func(bytes int) (*Network, error) {
			n, err := s.quick(ctx, m, bytes, 0)
			if isTooSmall(err) {
				return nil, nil
			}
			return n, err
		})
		if err != nil {
			return nil, err
		}
	}
	passed, tested, err := inSequence(list, k.Share, func(n *Network) (measure.Bound, error) { return s.judged(ctx, n) })
	if err != nil {
		return nil, err
	}
	k.Tested = tested
	if passed < 0 {
		return nil, refusal(k)
	}
	k.Bound = tested[passed].Bound
	told := *list[passed]
	told.Origin = fmt.Sprintf("%s, keeps %v", told.Origin, k.Share)
	return &told, nil
}

// refusal says that no candidate was shown to keep the share, and what would decide.
func refusal(k *pass.Kept) error {
	first := k.Tested[0]
	b := first.Bound
	d := diag.New(diag.Pos{}, diag.BadBudget, "-keep %v: no network was shown to keep this share: %v", k.Share, b)
	d.WithNote("it is the largest candidate, of %d bytes; %s", first.Bytes, k.Counts())
	help := "choose a smaller -keep, wider -formats, or a size by -bits"
	items, ok := b.Needed(k.Share)
	switch {
	case b.Items == 0:
		return d.WithHelp("-calib with more images: some must judge")
	case b.Fails(k.Share):
		return d.WithHelp("the network cannot keep this at the largest candidate: more images would not help; %s", help)
	case ok && b.Value > k.Share:
		return d.WithHelp("about %d images that judge would decide, of -calib with more images; or %s", items, help)
	case ok:
		return d.WithHelp("the estimate is below; about %d images that judge would decide that the network keeps less; %s", items, help)
	}
	return d.WithHelp("more images would not decide; %s", help)
}
