package robust

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/measure"
)

// TestCandidates: five above the least, each a step from the next, or smaller ones where there
// are fewer; each once; and the next larger one of a method that has few sizes.
func TestCandidates(t *testing.T) {
	found := &Network{Bytes: 10_000}
	span := math.Pow(1.15, 5)
	for name, c := range map[string]struct {
		has, want []int
	}{
		"every size":      {nil, []int{20114, 17490, 15209, 13225, 11500, 10000}},
		"gaps":            {[]int{4000, 5000, 6000, 7000, 8000, 9000, 10_000, 13_000, 19_000}, []int{19000, 13000, 10000, 8000, 6000, 5000}},
		"few sizes":       {[]int{5000, 10_000, 11_300}, []int{11300, 10000, 5000}},
		"the next is far": {[]int{5000, 10_000, 40_000, 50_000}, []int{40000, 10000, 5000}},
		"nothing smaller": {[]int{10_000, 10_700}, []int{10700, 10000}},
		"one network":     {[]int{10_000}, []int{10000}},
	} {
		list, err := candidates(found, span, 50_000, func(bytes int) (*Network, error) {
			if c.has == nil {
				return &Network{Bytes: bytes}, nil
			}
			var best *Network
			for _, b := range c.has {
				if b <= bytes {
					best = &Network{Bytes: b}
				}
			}
			return best, nil
		})
		require.NoError(t, err, name)
		var got []int
		for _, n := range list {
			got = append(got, n.Bytes)
		}
		assert.Equal(t, c.want, got, name)
		assert.LessOrEqual(t, len(got), mostCandidates, name)
	}
	fault := errors.New("fault")
	for calls := range 5 {
		_, err := candidates(found, span, 50_000, func(bytes int) (*Network, error) {
			if calls--; calls < 0 {
				return nil, fault
			}
			return &Network{Bytes: bytes}, nil
		})
		assert.ErrorIs(t, err, fault)
	}
}

// TestTrend: the loss for a divergence is the ratio of losses to divergences of the networks
// near it.
func TestTrend(t *testing.T) {
	network := func(bytes int, divergence, loss float64) lost {
		return lost{&Network{Bytes: bytes}, divergence, math.NaN(), measure.Estimate{Value: 1 - loss, StdErr: 1}}
	}
	seen := trend{network(100, .4, 1./16), network(200, .1, 1./32), network(300, .05, 1./64), network(400, .01, -1./1024)} // 1 less them is exact
	for near, want := range map[float64][3]float64{                                                                        // losses, divergences, networks
		.1:    {1./32 + 1./64 + 1./16, .1 + .05 + .4, 3}, // both ends count
		.09:   {1./32 + 1./64, .1 + .05, 2},
		.0199: {1./64 - 1./1024, .05 + .01, 2},
	} {
		share, err := seen.share(near)
		assert.InDelta(t, want[0]/want[1], share, 1e-15, near)
		assert.InDelta(t, want[2]/want[1], err, 1e-12, near)
	}
	none, _ := seen.share(10)
	assert.True(t, math.IsNaN(none))
	gained, _ := seen.share(.003)
	assert.Negative(t, gained)

	for most, want := range map[float64][2]int{.2: {100, 200}, .1: {100, 200}, .09: {200, 300}, .001: {400, 0}, 1: {0, 100}} {
		below, above := seen.bracket(most)
		got := [2]int{}
		for i, n := range []*Network{below, above} {
			if n != nil {
				got[i] = n.Bytes
			}
		}
		assert.Equal(t, want, got, most)
	}
}

// TestExpectedTrend: where the float network expects a loss of every network, all tell what
// it stands for, and a network that answers nothing otherwise does not end that.
func TestExpectedTrend(t *testing.T) {
	stderr := 0.
	network := func(bytes int, expected, loss float64) lost {
		return lost{&Network{Bytes: bytes}, 7, expected, measure.Estimate{Value: 1 - loss, StdErr: stderr}}
	}
	networks := func() trend {
		return trend{network(100, .1, 1./8), network(200, .01, 1./64), network(300, 0, -1./128)}
	}
	seen := networks()
	told := (1./8 + 1./64 - 1./128) / .11
	for _, near := range []float64{0, 9} {
		share, err := seen.share(near)
		assert.InDelta(t, told, share, 1e-15)
		assert.Zero(t, err)
	}
	stderr = expectedError * .11 / 3 // as much as the expectation has
	share, err := networks().share(0)
	assert.InDelta(t, (1+told)/2, share, 1e-15)
	assert.InDelta(t, expectedError/math.Sqrt2, err, 1e-15)
	stderr = 1e9
	share, err = networks().share(0)
	assert.InDelta(t, 1, share, 1e-9, "images that tell nothing")
	assert.InDelta(t, expectedError, err, 1e-9)
	below, above := seen.bracket(.05)
	assert.Equal(t, []int{100, 200}, []int{below.Bytes, above.Bytes})
	assert.Equal(t, .01, seen.sign(seen[1]))
	seen[0].expected = math.NaN()
	assert.Equal(t, 7., seen.sign(seen[1]))
	share, _ = seen.share(7)
	assert.InDelta(t, (1./8+1./64-1./128)/21, share, 1e-15)
}

// TestSpan: candidates reach further, the less the images that judge tell, until they cannot
// decide; at the largest the bound is expected to hold with as much to spare as its error.
func TestSpan(t *testing.T) {
	const lost, fall, items = .02, 3., 400
	var seen trend
	for _, bytes := range []int{8000, 10_000, 13_000, 20_000} {
		loss := lost * math.Pow(10_000/float64(bytes), fall)
		seen = append(seen, lostOf(bytes, loss, math.Sqrt(.3*math.Sqrt(loss)/items)))
	}
	assert.InDelta(t, fall, seen.fall(), 1e-9)
	assert.InDelta(t, .3, seen.spread(items), 1e-9)
	assert.Equal(t, usualFall, seen[:1].fall(), "of one size")

	share, err := seen.share(lost)
	last, between := float64(mostSpan), 0
	for _, judged := range []int{4000, 8000, 12_000, 16_000, 24_000, 1 << 40} {
		span := seen.span(lost, lost, items, judged)
		assert.LessOrEqual(t, span, last, judged)
		assert.GreaterOrEqual(t, span, leastSpan, judged)
		if leastSpan < span {
			between++
			loss := lost * math.Pow(span, -fall)
			own := math.Hypot(math.Sqrt(.3*math.Sqrt(loss)/float64(judged)), 1/float64(judged))
			bound := share*loss + measure.BoundErrors*own + 1/float64(judged)
			assert.InDelta(t, lost, bound+measure.BoundErrors*math.Hypot(own, err*loss), lost/30)
		}
		last = span
	}
	for _, judged := range []int{0, 100} {
		assert.Equal(t, chanceSpan, seen.span(lost, lost, items, judged), "%d images cannot decide", judged)
	}
	assert.Greater(t, between, 2)
	assert.Equal(t, leastSpan, trend{lostOf(8000, .04, 0), lostOf(10_000, .02, 0)}.span(.02, .02, items, 1<<40), "all is known")
}

// lostOf is a network that loses what is expected.
func lostOf(bytes int, loss, stderr float64) lost {
	return lost{&Network{Bytes: bytes}, loss, loss, measure.Estimate{Value: 1 - loss, StdErr: stderr}}
}

// TestCentred: a hunt that few images led to a network far too large goes back by the loss
// that the float network expects.
func TestCentred(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	env.Formats = families[0].elems
	env.Budget.Promised, env.Budget.Keep = true, .9
	o.expects = func(formats []quant.Format) float64 { return 1 - o.keeps(formats).Value }
	s := o.search(env)
	require.NoError(t, s.reference(all))
	large, err := s.quick(all, methods[0], s.everySize()[1], 0)
	require.NoError(t, err)
	small, err := s.quick(all, methods[0], s.everySize()[0], 0)
	require.NoError(t, err)
	true90 := func(n *Network) float64 { return o.expects(n.Formats) }
	require.Greater(t, true90(small), .1)
	require.Less(t, true90(large), .1)
	seen := trend{
		{small, s.loss(small.cost), true90(small), measure.Estimate{Value: 1 - true90(small), StdErr: .01}},
		{large, s.loss(large.cost), true90(large), measure.Estimate{Value: 1 - true90(large) - .001, StdErr: .01}},
	}
	at, err := s.centred(all, methods[0], large, seen)
	require.NoError(t, err)
	n := at.least
	assert.InDelta(t, .1, at.most, .02)
	assert.Equal(t, chanceSpan, at.span, "no images judge")
	assert.Less(t, n.Bytes, large.Bytes)
	assert.LessOrEqual(t, true90(n), .1)
	// Of the large network alone, which few images told to lose eight times as much as it
	// does, smaller ones tell it.
	at, err = s.centred(all, methods[0], large, trend{{large, s.loss(large.cost), true90(large), measure.Estimate{Value: 1 - 8*true90(large), StdErr: 4 * true90(large)}}})
	require.NoError(t, err)
	n = at.least
	assert.Less(t, n.Bytes, large.Bytes)
	assert.LessOrEqual(t, true90(n), .11)
	other, err := s.centred(all, methods[0], &Network{}, seen)
	require.NoError(t, err)
	assert.EqualValues(t, mostSpan, other.span)
	assert.True(t, math.IsInf(other.most, 1))
	assert.Empty(t, other.least.Bytes, "of a network that was not measured nothing is known")
}

// held is a bound with an estimate a standard error and more above it.
func held(least float64) measure.Bound {
	return measure.Bound{Estimate: measure.Estimate{Value: least + .01, StdErr: .005}, Least: least, Items: 400}
}

// TestInSequence ends at the first that fails, whatever the others would do.
func TestInSequence(t *testing.T) {
	for _, c := range []struct {
		least          []float64
		passed, tested int
	}{
		{[]float64{.99, .95, .9, .899}, 2, 4},
		{[]float64{.99, .8, .95}, 0, 2},
		{[]float64{.89, .99, .95}, -1, 1},
		{[]float64{math.NaN(), .99}, -1, 1},
	} {
		var list []*Network
		for i := range c.least {
			list = append(list, &Network{Bytes: 100 - i})
		}
		passed, tested, err := inSequence(list, .9, func(n *Network) (measure.Bound, error) { return held(c.least[100-n.Bytes]), nil })
		require.NoError(t, err)
		assert.Equal(t, c.passed, passed)
		require.Len(t, tested, c.tested)
		for i, x := range tested {
			assert.Equal(t, i <= passed, x.Passed)
			assert.Equal(t, 100-i, x.Bytes)
		}
	}
}

// TestPromise: the smallest candidate that unseen images show to keep the share ships; where
// they show none, nothing does, and the diagnostic says what would decide.
func TestPromise(t *testing.T) {
	const share = .97
	promise := func(bounds func(loss float64) measure.Bound) (*Network, *madeUp, *Search, error) {
		o, env := newMadeUp(t), environment(t)
		env.Formats = families[0].elems
		env.Holdout = func() (data.Batch, error) { return data.Batch{N: 300}, nil }
		env.Budget.Promised, env.Budget.Keep = true, share
		o.bounds = func(formats []quant.Format) measure.Bound { return bounds(1 - o.keeps(formats).Value) }
		s := o.search(env)
		n, err := s.keeping(all, methods[0])
		return n, o, s, err
	}
	n, o, s, err := promise(func(loss float64) measure.Bound { return held(1 - 1.2*loss) })
	require.NoError(t, err)
	assert.LessOrEqual(t, 1.2*(1-o.keeps(n.Formats).Value), 1-share)
	assert.Contains(t, n.Origin, "keeps 0.97")
	k := s.env.Report.Kept
	assert.Equal(t, share, k.Share)
	assert.True(t, k.Promised)
	assert.Equal(t, []int{900, 300, 400}, []int{k.Fitted, k.Chosen, k.Judged})
	assert.GreaterOrEqual(t, k.Bound.Least, share)
	assert.LessOrEqual(t, len(k.Tested), mostCandidates)
	assert.Equal(t, n.Bytes, k.Tested[map[bool]int{true: len(k.Tested) - 1, false: len(k.Tested) - 2}[k.Tested[len(k.Tested)-1].Passed]].Bytes)
	assert.Equal(t, []measure.Estimate{{Value: o.exact.Mean(), StdErr: o.exact.StdErr()}}, k.Float)
	assert.Equal(t, "fitted on 900, chosen by 300, judged by 400 images, none of them in two of these", k.Counts())
	assert.Equal(t, "fitted on 9, chosen by 3, judged by 4 images, none of them in two of these; 5 more are copies of others and were left out", (&pass.Kept{Fitted: 9, Chosen: 3, Judged: 4, Copies: 5}).Counts())
	assert.Equal(t, "fitted on and chosen by the same 4, judged by 2 other images", (&pass.Kept{Fitted: 4, Chosen: 4, Judged: 2, IsOneSet: true}).Counts())

	for want, bounds := range map[string]func(loss float64) measure.Bound{
		"help: about ":                  func(float64) measure.Bound { return held(share - .001) },
		"the estimate is below; about ": func(float64) measure.Bound { return held(share - .018) },
		"the network cannot keep this at the largest candidate": func(float64) measure.Bound { return held(share - 1.12) },
		"more images would not decide":                          func(float64) measure.Bound { return held(share - .01) },
		"-calib with more images: some must judge":              func(float64) measure.Bound { return measure.NoBound() },
	} {
		n, _, s, err := promise(bounds)
		assert.Nil(t, n)
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d)
		assert.Equal(t, diag.BadBudget, d.Kind)
		assert.ErrorContains(t, err, "-keep 0.97: no network was shown to keep this share: estimate ")
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "fitted on 900, chosen by 300, judged by ")
		tested := s.env.Report.Kept.Tested
		require.NotEmpty(t, tested)
		assert.LessOrEqual(t, len(tested), 2, "the largest of the candidates, and one with slack")
		assert.ErrorContains(t, err, fmt.Sprintf("note: it is the largest candidate, of %d bytes; ", tested[len(tested)-1].Bytes))
	}
}

// TestPromiseOfALargerNetwork: where even the largest candidate is not shown to keep the share,
// one that should be by the images that choose begins a second sequence, of networks above it.
func TestPromiseOfALargerNetwork(t *testing.T) {
	const share = .97
	begin := func() (*madeUp, *Search) {
		o, env := newMadeUp(t), environment(t)
		env.Formats = families[0].elems
		env.Holdout = func() (data.Batch, error) { return data.Batch{N: 300}, nil }
		env.Budget.Promised, env.Budget.Keep = true, share
		keeps, asked := o.keeps, 0
		o.keeps = func(formats []quant.Format) measure.Estimate {
			return measure.Estimate{Value: keeps(formats).Value, StdErr: .004}
		}
		o.bounds = func(formats []quant.Format) measure.Bound {
			if asked++; asked == 1 {
				return held(share - .01) // an unlucky test
			}
			return held(1 - 1.5*(1-keeps(formats).Value))
		}
		return o, o.search(env)
	}
	_, s := begin()
	n, err := s.keeping(all, methods[0])
	require.NoError(t, err)
	tested := s.env.Report.Kept.Tested
	assert.LessOrEqual(t, len(tested), mostCandidates)
	require.Greater(t, len(tested), 1)
	assert.False(t, tested[0].Passed)
	for i, x := range tested[1:] {
		assert.Greater(t, x.Bytes, tested[0].Bytes, "what is smaller failed")
		assert.True(t, i == 0 || x.Bytes < tested[i].Bytes, "from the largest down")
	}
	assert.Less(t, float64(n.Bytes), slackStep*1.1*float64(tested[len(tested)-1].Bytes), "no larger than it must be")
	assert.GreaterOrEqual(t, s.env.Report.Kept.Bound.Least, share)

	// Of one label an item the loss is expected, and a larger network is no choice.
	o, s := begin()
	o.expects = func(formats []quant.Format) float64 { return 1 - o.keeps(formats).Value }
	_, err = s.keeping(all, methods[0])
	assert.ErrorContains(t, err, "no network was shown to keep this share")
	assert.Len(t, s.env.Report.Kept.Tested, 1)

	k := &pass.Kept{Share: share, Chosen: 300, Judged: 1200}
	for _, c := range []struct {
		kept measure.Estimate
		want bool
	}{
		{measure.Estimate{Value: .98, StdErr: .004}, true}, // 2 sqrt(1 + 1/4) errors are .0089
		{measure.Estimate{Value: .978, StdErr: .004}, false},
		{measure.Estimate{Value: .9726}, true},
		{measure.Estimate{Value: .9724}, false}, // 3/1200
		{measure.Estimate{Value: math.NaN()}, false},
	} {
		assert.Equal(t, c.want, hasSlack(k, c.kept), "%v", c.kept)
	}
}

// TestRefusal: no absurd number of images is promised to decide, and the share of the way out is
// one that was shown.
func TestRefusal(t *testing.T) {
	refused := func(tested ...pass.Tested) string {
		return refusal(&pass.Kept{Share: .95, Judged: 1536, Tested: tested}).Error()
	}
	near := measure.Bound{Estimate: measure.Estimate{Value: .9501, StdErr: .004}, Least: .94358, Items: 1536}
	text := refused(pass.Tested{Bytes: 10, Bound: near})
	assert.Contains(t, text, "the estimate is too close to the share for any data set to decide; choose a smaller -keep, wider -formats, or a size by -bits; -keep 0.9435 is no more than this network was shown to keep")
	assert.NotContains(t, text, "images that judge would")
	near.Value = .956
	text = refused(pass.Tested{Bytes: 10, Bound: near})
	assert.Contains(t, text, "images that judge would decide")
	larger := near
	larger.Least = .94
	assert.Contains(t, refused(pass.Tested{Bytes: 10, Bound: near}, pass.Tested{Bytes: 12, Bound: larger}), "largest candidate, of 12 bytes")
	for _, nothing := range []float64{math.NaN(), 0, 4e-5} {
		near.Least = nothing
		assert.NotContains(t, refused(pass.Tested{Bytes: 10, Bound: near}), "no more than", "%v", nothing)
	}
}

// TestCandidatesAreVetted: none is tested that should lose more than is allowed by the images
// that choose, though networks of a size differ.
func TestCandidatesAreVetted(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	env.Formats = families[0].elems
	env.Budget.Promised, env.Budget.Keep = true, .97
	bad := func(formats []quant.Format) bool { return math.Sin(3e4*o.keeps(formats).Value) > .5 }
	met, tested := 0, 0
	o.expects = func(formats []quant.Format) float64 {
		if bad(formats) {
			met++
			return 1
		}
		return 1 - o.keeps(formats).Value
	}
	o.bounds = func(formats []quant.Format) measure.Bound {
		tested++
		assert.False(t, bad(formats))
		return held(.99)
	}
	_, err := o.search(env).keeping(all, methods[0])
	require.NoError(t, err)
	assert.NotZero(t, met)
	assert.Greater(t, tested, 1)
}

// TestAim: without a promise unseen images say what the choice of the hunt has, and nothing
// is refused by them; who wants what there is waits for nothing.
func TestAim(t *testing.T) {
	for _, isEnough := range []bool{false, true} {
		o, env := newMadeUp(t), environment(t)
		env.Formats = families[0].elems
		env.Enough = func() bool { return isEnough }
		asked := 0
		o.bounds = func([]quant.Format) measure.Bound { asked++; return held(.5) }
		env.Budget.Keep = .97
		s := o.search(env)
		n, err := s.keeping(all, methods[0])
		require.NoError(t, err)
		assert.GreaterOrEqual(t, o.keeps(n.Formats).Value, .97)
		assert.NotContains(t, n.Origin, "keeps")
		k := env.Report.Kept
		assert.False(t, k.Promised)
		assert.Empty(t, k.Tested)
		if isEnough {
			assert.Zero(t, asked)
			assert.Zero(t, k.Judged)
			continue
		}
		assert.Equal(t, 1, asked)
		assert.Equal(t, .5, k.Bound.Least)
		assert.Equal(t, 400, k.Judged)
	}
}

// TestPromiseOfWhatTheHuntMissed: where no estimate is enough, the network that keeps most
// is tested all the same.
func TestPromiseOfWhatTheHuntMissed(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	env.Budget.Promised = true
	o.keeps = func(formats []quant.Format) measure.Estimate {
		return measure.Estimate{Value: .9 - o.sum(formats).KL/10}
	}
	o.bounds = func([]quant.Format) measure.Bound { return held(.96) }
	n, err := o.keeping(env, methods[0], .95)
	require.NoError(t, err)
	assert.Contains(t, n.Origin, "keeps 0.95")
}

// TestUnseenImages: a bound is of other images than estimates are, with noise of their own.
func TestUnseenImages(t *testing.T) {
	m, env := realNetwork(t)
	env.Unseen = func() (data.Batch, error) { return data.Synthesize([]int{2, 4, 4}, 0, 1, 90, 77), nil }
	r, err := newRunner(m, env)
	require.NoError(t, err)
	formats := []quant.Format{nearestOf(3), nearestOf(2), nearestOf(4)}
	b, exact, err := r.bound(all, formats)
	require.NoError(t, err)
	assert.Equal(t, 90, b.Items)
	assert.Equal(t, 90, exact.Images)
	assert.Equal(t, 1., exact.Clean(), "its answers are the labels")
	score, err := r.score(all, &r.unseen, formats)
	require.NoError(t, err)
	assert.Equal(t, score.Retention(exact), b.Estimate)
	assert.Equal(t, pass.UnseenAt, r.unseen.setup.First, "noise of their own")

	env.Unseen = nil
	r, err = newRunner(m, env)
	require.NoError(t, err)
	b, exact, err = r.bound(all, formats)
	require.NoError(t, err)
	assert.Nil(t, exact)
	assert.Zero(t, b.Items)
}
