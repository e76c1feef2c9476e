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
	// The bytes of the largest divided by those of the smallest: at least, at most where the
	// images can decide, and where they cannot. A network much larger than what keeps the
	// share is no choice, though it might be shown to by chance.
	leastSpan, mostSpan, chanceSpan = 1.15, 2, 1.25
	// A method may have few sizes; then the next larger one is a candidate, too.
	farStep = 1.25
)

// trend is the networks that a hunt measured.
type trend []lost

// lost is what a network loses: its divergence, the loss that the float network expects of
// it (NaN where that is not known) and the loss by the answers to few images.
type lost struct {
	*Network
	divergence, expected float64
	kept                 measure.Estimate
}

// loss is the loss by the answers.
func (n lost) loss() float64 { return 1 - n.kept.Value }

// measured is what a network loses.
func (s *Search) measured(ctx context.Context, n *Network) (lost, error) {
	kept, expected, err := s.retention(ctx, n.Formats)
	return lost{n, s.loss(n.cost), expected, kept}, err
}

// trendSpan bounds the networks that tell what a divergence loses: those of a divergence
// of 1/trendSpan to trendSpan times that of the network in question.
const trendSpan = 4

// isExpected reports that the float network expects a loss of every network.
func (t trend) isExpected() bool {
	return !slices.ContainsFunc(t, func(n lost) bool { return math.IsNaN(n.expected) })
}

// sign is what has little noise where the loss has much: the expected loss, to which the
// loss is in proportion, or else the divergence, to which it nearly is.
func (t trend) sign(n lost) float64 {
	if t.isExpected() {
		return n.expected
	}
	return n.divergence
}

// expectedError is the standard error of an expected loss, as a share of it, while no
// labels tell it: odds that few images calibrated are right to about this.
const expectedError = .25

// share is the loss for a sign near one, and its standard error. The loss of one network has
// the noise of the few images that it answers otherwise; the ratio of the sums over some
// networks has less. The errors add up, as the images are the same. Of expected losses all
// networks tell it, as they are in proportion at every size, and so does the expectation
// itself, by which it is 1: the two are weighed by their errors.
func (t trend) share(near float64) (share, err float64) {
	var signs, losses, errs float64
	for _, n := range t {
		if s := t.sign(n); t.isExpected() || s <= near*trendSpan && near <= s*trendSpan {
			signs, losses, errs = signs+s, losses+n.loss(), errs+n.kept.StdErr
		}
	}
	share, err = losses/signs, errs/signs // NaN of none
	if t.isExpected() && len(t) > 0 {
		both := math.Hypot(err, expectedError)
		weight := float64(err * err / both / both) // of the expectation
		share, err = weight+float64((1-weight)*share), err*expectedError/both
	}
	return share, err
}

// spread is the variance of what an item loses, divided by the root of the sign: a network
// that is rounded half as much gives half as many other answers, of which each loses half as
// much.
func (t trend) spread(items int) float64 {
	var roots, squares float64
	for _, n := range t {
		roots, squares = roots+math.Sqrt(t.sign(n)), squares+float64(n.kept.StdErr*n.kept.StdErr)
	}
	return float64(items) * squares / roots
}

// fall is the power of the size by which the sign falls.
func (t trend) fall() float64 {
	var n, x, y, xx, xy float64
	for _, one := range t {
		if s := t.sign(one); s > 0 {
			a, b := math.Log(float64(one.Bytes)), math.Log(s)
			n, x, y, xx, xy = n+1, x+a, y+b, xx+float64(a*a), xy+float64(a*b)
		}
	}
	fall := -(n*xy - float64(x*y)) / (n*xx - float64(x*x))
	if math.IsNaN(fall) || math.IsInf(fall, 0) { // of one size
		return usualFall
	}
	return min(max(fall, leastFall), mostFall)
}

// span is the bytes of the largest candidate divided by those of the smallest. The smallest,
// of a sign of most, is expected to lose what is allowed, and passes in one of twenty tests.
// The largest should pass in nineteen of twenty: its bound lies as far above what it loses as
// the error of the images that judge, and once more the errors of these images and of the
// share of losses. The exact bound counts one item that is lost more. Where no network of
// mostSpan should, the images cannot decide.
func (t trend) span(most, allowed float64, chosen, judged int) float64 {
	share, err := t.share(most)
	spread, fall, item := t.spread(chosen), t.fall(), 1/float64(judged)
	passes := func(sign float64) bool {
		own := math.Hypot(math.Sqrt(spread*math.Sqrt(sign)*item), item)
		return float64(share*sign)+item+float64(measure.BoundErrors*(own+math.Hypot(own, err*sign))) <= allowed
	}
	for span := leastSpan; span <= mostSpan; span *= 1.01 {
		if passes(most * math.Pow(span, -fall)) {
			return span
		}
	}
	return chanceSpan
}

// isTold reports that a network's loss is large enough beside its error to tell the share
// of losses that are expected.
func (t trend) isTold() bool {
	return slices.ContainsFunc(t, func(n lost) bool { return n.loss() > told*n.kept.StdErr })
}

// told is how many standard errors a loss has that tells the share.
const told = 4

// bracket is the networks between which a sign of most lies: the largest that has more and
// the smallest that has not. nil of none.
func (t trend) bracket(most float64) (below, above *Network) {
	for _, n := range t {
		switch s := t.sign(n); {
		case s > most && (below == nil || n.Bytes > below.Bytes):
			below = n.Network
		case s <= most && (above == nil || n.Bytes < above.Bytes):
			above = n.Network
		}
	}
	return below, above
}

// aim is where the candidates lie: the smallest, the bytes of the largest divided by those of
// the smallest, and the sign of a network that loses what is allowed.
type aim struct {
	least      *Network
	span, most float64
}

// centred is the aim by all that the hunt measured. found is the hunt's own choice, from which
// the smallest may be far: its loss is that of one network.
func (s *Search) centred(ctx context.Context, m method, found *Network, seen trend) (aim, error) {
	seen, err := s.lossier(ctx, m, seen)
	if err != nil {
		return aim{}, err
	}
	at := slices.IndexFunc(seen, func(n lost) bool { return n.Network == found })
	if at < 0 || s.stopped() {
		return aim{found, mostSpan, math.Inf(1)}, nil
	}
	allowed := 1 - s.env.Budget.Keep
	share, _ := seen.share(seen.sign(seen[at]))
	most := allowed / share
	below, above := seen.bracket(most)
	if !(most > 0) || above == nil {
		return aim{found, mostSpan, math.Inf(1)}, nil
	}
	chosen, err := s.env.HeldOut()
	if err != nil {
		return aim{}, err
	}
	judged, err := s.env.Tests()
	if err != nil {
		return aim{}, err
	}
	n, err := s.between(ctx, m, below, above, most, seen)
	return aim{n, seen.span(most, allowed, chosen.N, judged.N), most}, err
}

// between is the smallest network found between two whose sign is at most so much, as
// that of above is.
func (s *Search) between(ctx context.Context, m method, below, above *Network, most float64, seen trend) (*Network, error) {
	low, high := float64(s.everySize()[0]), above
	if below != nil {
		low = max(low, float64(below.Bytes))
	}
	low = max(low, float64(high.Bytes)/farStep/farStep)
	for range centreSteps {
		if float64(high.Bytes) <= low*centreStep {
			break
		}
		asked := math.Sqrt(low * float64(high.Bytes))
		n, err := s.quick(ctx, m, int(math.Round(asked)), 0)
		if err != nil && !isTooSmall(err) {
			return nil, err
		}
		if err == nil && n != nil && n.Bytes < high.Bytes {
			one := lost{Network: n, divergence: s.loss(n.cost)}
			if seen.isExpected() {
				if one, err = s.measured(ctx, n); err != nil {
					return nil, err
				}
			}
			if seen.sign(one) <= most {
				high = n
				continue
			}
		}
		low = asked
	}
	return high, nil
}

// lossier adds smaller networks to what a hunt measured, each of half the bytes, until one
// loses enough to tell the share of expected losses: those of a hunt for a small loss are
// about as large as their errors.
func (s *Search) lossier(ctx context.Context, m method, seen trend) (trend, error) {
	if len(seen) == 0 || !seen.isExpected() {
		return seen, nil
	}
	bytes := slices.MinFunc(seen, func(a, b lost) int { return cmp.Compare(a.Bytes, b.Bytes) }).Bytes
	for bytes /= 2; !seen.isTold() && bytes >= s.everySize()[0] && !s.stopped(); bytes /= 2 {
		n, err := s.quick(ctx, m, bytes, 0)
		if isTooSmall(err) || err == nil && n == nil {
			break
		}
		if err != nil {
			return nil, err
		}
		one, err := s.measured(ctx, n)
		if err != nil {
			return nil, err
		}
		seen = append(seen, one)
	}
	return seen, nil
}

// between looks at so many networks at most, and at none between two that are this near.
const (
	centreSteps = 4
	centreStep  = 1.1
)

// candidates are the networks to be tested, from the largest down: those above the least
// that should keep the share, in equal steps from span times its bytes, that one itself, and
// smaller ones where there are few above it. within is the network of at most so many bytes,
// nil of none; most is the bytes of the largest there is.
func candidates(least *Network, span float64, most int, within func(bytes int) (*Network, error)) ([]*Network, error) {
	var list []*Network
	step := math.Pow(span, 1./(mostCandidates-1))
	// down appends networks down from a size, while they are larger than so many bytes.
	down := func(from float64, larger, count int) error {
		for range count {
			n, err := within(int(math.Round(from)))
			if err != nil {
				return err
			}
			if n == nil || n.Bytes <= larger {
				return nil
			}
			list = append(list, n)
			from = float64(n.Bytes) / step
		}
		return nil
	}
	size := float64(least.Bytes)
	if err := down(size*span, least.Bytes, mostCandidates-1); err != nil {
		return nil, err
	}
	for bytes := size * farStep; len(list) == 0 && bytes < float64(most)*farStep; bytes *= farStep {
		if err := down(min(bytes, float64(most)), least.Bytes, 1); err != nil {
			return nil, err
		}
	}
	list = append(list, least)
	return list, down(size/step, 0, mostCandidates-len(list))
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

// within is the networks of a sign of at most so much.
func (t trend) within(most float64) (list []*Network) {
	for _, n := range t {
		if t.sign(n) <= most {
			list = append(list, n.Network)
		}
	}
	return list
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
	k.Below = exact.BelowConstant()
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

// promised is the smallest of the candidates that is shown to keep the share of the budget, by
// fixed-sequence testing. With mayGrow there are more, larger ones, where the first fails.
func (s *Search) promised(ctx context.Context, m method, at aim, mayGrow bool) (*Network, error) {
	if err := s.kept(); err != nil {
		return nil, err
	}
	k := s.env.Report.Kept
	within := func(bytes int) (*Network, error) {
		n, err := s.quick(ctx, m, bytes, 0)
		if isTooSmall(err) {
			return nil, nil
		}
		return n, err
	}
	list := []*Network{at.least}
	if !s.stopped() {
		all, err := candidates(at.least, at.span, s.everySize()[1], within)
		if err != nil {
			return nil, err
		}
		var measured trend
		for _, n := range all {
			one, err := s.measured(ctx, n)
			if err != nil {
				return nil, err
			}
			measured = append(measured, one)
		}
		// Networks of a size differ: one that should lose more than is allowed must not be
		// the one whose test ends all.
		if likely := measured.within(at.most); len(likely) > 0 {
			list = likely
		}
	}
	test := func(n *Network) (measure.Bound, error) { return s.judged(ctx, n) }
	passed, tested, err := inSequence(list, k.Share, test)
	if err != nil {
		return nil, err
	}
	if k.Tested = tested; passed < 0 && mayGrow && k.Judged > 0 && !s.stopped() {
		list, err = larger(list[0], s.everySize()[1], within, func(n *Network) (bool, error) {
			one, err := s.measured(ctx, n)
			return hasSlack(k, one.kept) || s.stopped(), err
		})
		if err != nil {
			return nil, err
		}
		if passed, tested, err = inSequence(list, k.Share, test); err != nil {
			return nil, err
		}
		k.Tested = append(k.Tested, tested...)
	}
	if passed < 0 {
		return nil, refusal(k)
	}
	k.Bound = tested[passed].Bound
	choice := *list[passed]
	choice.Origin = fmt.Sprintf("%s, keeps %v", choice.Origin, k.Share)
	return &choice, nil
}

// larger is a second list of candidates, from the largest down: networks above one whose test
// failed, up to the first that has slack by the images that choose, or the largest there is.
// within is the network of at most so many bytes, nil of none; most is the bytes of the largest.
func larger(failed *Network, most int, within func(bytes int) (*Network, error), hasSlack func(n *Network) (bool, error)) (list []*Network, err error) {
	last := failed
	for at, isEnough := failed.Bytes, false; at < most && !isEnough; {
		at = min(int(math.Ceil(float64(at)*slackStep)), most)
		n, err := within(at)
		if err != nil {
			return nil, err
		}
		if n == nil || n.Bytes <= last.Bytes {
			continue
		}
		if isEnough, err = hasSlack(n); err != nil {
			return nil, err
		}
		last, list = n, slices.Insert(list, 0, n)
	}
	return list[:min(len(list), mostCandidates-1)], nil // one was tested already
}

// slackStep is the bytes of a network of the second list divided by those of the next: what ships
// is at most so much larger than it must be.
const slackStep = 1.2

// slackErrors is how many standard errors a network with slack lies above the share, by the
// images that choose and as many as judge.
const slackErrors = 2

// hasSlack reports an estimate whose test on the images that judge should not fail. An error of 0
// is that of few images: the exact bound of n items that lose nothing is 3/n below 1.
func hasSlack(k *pass.Kept, kept measure.Estimate) bool {
	own := kept.StdErr * math.Sqrt(float64(k.Chosen)/float64(k.Judged))
	margin := max(slackErrors*math.Hypot(kept.StdErr, own), 3/float64(k.Judged))
	return kept.Value-margin >= k.Share
}

// absurd is the number of images that would decide, divided by those that judged, above which a
// message names no number: no data set has as many, as the estimate lies at the share.
const absurd = 100

// refusal says that no candidate was shown to keep the share, and what would decide.
func refusal(k *pass.Kept) error {
	largest := slices.MaxFunc(k.Tested, func(a, b pass.Tested) int { return cmp.Compare(a.Bytes, b.Bytes) })
	b := largest.Bound
	d := diag.New(diag.Pos{}, diag.BadBudget, "-keep %v: no network was shown to keep this share: %v", k.Share, b)
	d.WithNote("it is the largest candidate, of %d bytes; %s", largest.Bytes, k.Counts())
	help := "choose a smaller -keep, wider -formats, or a size by -bits"
	if shown := math.Floor(1e4*b.Least) / 1e4; shown > 0 {
		help += fmt.Sprintf("; -keep %.4g is no more than this network was shown to keep", shown)
	}
	items, ok := b.Needed(k.Share)
	switch {
	case b.Items == 0:
		return d.WithHelp("-calib with more images: some must judge")
	case b.Fails(k.Share):
		return d.WithHelp("the network cannot keep this at the largest candidate: more images would not help; %s", help)
	case ok && items > absurd*b.Items:
		return d.WithHelp("the estimate is too close to the share for any data set to decide; %s", help)
	case ok && b.Value > k.Share:
		return d.WithHelp("about %d images that judge would decide, of -calib with more images; or %s", items, help)
	case ok:
		return d.WithHelp("the estimate is below; about %d images that judge would decide that the network keeps less; %s", items, help)
	}
	return d.WithHelp("more images would not decide; %s", help)
}
