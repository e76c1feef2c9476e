package measure

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

func TestKL(t *testing.T) {
	assert.Zero(t, KL([]float32{1, 2, 3}, []float32{1, 2, 3}))
	assert.InDelta(t, 0, KL([]float32{1, 2, 3}, []float32{101, 102, 103}), 1e-9, "a shift of all logits changes nothing")
	// p = (1/2, 1/2), q = (1/4, 3/4): 1/2 ln 2 + 1/2 ln 2/3.
	got := KL([]float32{0, 0}, []float32{0, float32(math.Log(3))})
	assert.InDelta(t, .5*math.Log(2)+.5*math.Log(2./3), got, 1e-7)
	assert.False(t, math.IsInf(KL([]float32{0, 0}, []float32{0, 1e4}), 0))
	assert.InDelta(t, got/2, Diverge([]float32{0, 0, 5, 5}, []float32{0, float32(math.Log(3)), 1, 1}, 2).KL, 1e-7)
}

func TestAnswersTakeTheFirstMaximum(t *testing.T) {
	assert.Equal(t, []int{1, 0}, Answers([]float32{1, 3, 3, 2, 2, 2}, 3))
	assert.Equal(t, .5, Accuracy([]float32{1, 3, 3, 2, 2, 2}, []int{1, 2}, 3))
}

// threshold answers 1 where the image's only pixel is above a threshold.
func threshold(at float32) Network {
	return func(_ context.Context, x []float32, n int) ([]float32, error) {
		out := make([]float32, 2*n)
		for i := range n {
			out[2*i], out[2*i+1] = at, x[i]
		}
		return out, nil
	}
}

func setup(t *testing.T, errors string, n int) Setup {
	t.Helper()
	conditions, err := disturb.Parse(errors, []disturb.Input{{Holds: ir.Content{Kind: ir.Image}, Shape: []int{1, 1, 1}, High: 1}})
	require.NoError(t, err)
	b := data.Batch{N: n, Shape: []int{1, 1, 1}}
	for i := range n {
		x := float32(i) / float32(n)
		b.X = append(b.X, x)
		label := 0
		if x > .5 {
			label = 1
		}
		b.Labels = append(b.Labels, label)
	}
	return Setup{Images: b, Conditions: conditions, Seed: 1}
}

func TestRobust(t *testing.T) {
	s := setup(t, "fog-blend=0,0.5;gaussian=0.1", 1000)
	scores, err := Robust(context.Background(), s, threshold(.5), threshold(.75))
	require.NoError(t, err)
	a, b := scores[0], scores[1]
	require.Len(t, a.Kinds, 3)
	assert.Equal(t, 1., a.Clean())
	assert.InDelta(t, .75, b.Clean(), .01, "wrong between .5 and .75")
	fog := a.Kinds[1]
	assert.Equal(t, "fog-blend", fog.Name)
	assert.Equal(t, 1., fog.Accuracy(0), "size 0 changes nothing")
	assert.InDelta(t, .5, fog.Accuracy(1), .01, "x/2+1/2 is above 1/2 for every x")
	assert.InDelta(t, 1, b.Kinds[1].Accuracy(1), .01, "and above 3/4 for x above 1/2")
	assert.InDelta(t, .75, fog.Mean(), .01)
	assert.InDelta(t, (1+fog.Mean()+a.Kinds[2].Mean())/3, a.Mean(), 1e-12)
	name, worst := a.Worst()
	assert.Equal(t, "fog-blend", name)
	assert.Equal(t, fog.Mean(), worst)

	assert.Equal(t, Estimate{1, 0}, a.Retention(a))
	r := b.Retention(a)
	assert.InDelta(t, b.Mean()/a.Mean(), r.Value, 1e-12)
	assert.Positive(t, r.StdErr)
	assert.InDelta(t, b.Mean()-a.Mean(), b.Difference(a).Value, 1e-12)
	assert.Len(t, b.KindRetention(a), 3)
}

func TestRobustDoesNotDependOnThePortions(t *testing.T) {
	s := setup(t, "gaussian=0.3", portion+100)
	whole, err := Robust(context.Background(), s, threshold(.5))
	require.NoError(t, err)
	b, err := disturb.Images(s.Images, 0, s.Conditions[0], s.Seed, nil)
	require.NoError(t, err)
	for i, x := range b.X {
		want := 0
		if x > .5 {
			want = 1
		}
		assert.Equal(t, s.Images.Labels[i] == want, whole[0].Kinds[1].Right[0][i])
	}
}

func TestRobustWithoutLabelsTakesTheFirstNetworksAnswers(t *testing.T) {
	s := setup(t, "gaussian=0.1", 100)
	s.Images.Labels = nil
	scores, err := Robust(context.Background(), s, threshold(.3), threshold(.4))
	require.NoError(t, err)
	assert.Equal(t, 1., scores[0].Clean())
	assert.InDelta(t, .9, scores[1].Clean(), .011)
	assert.Less(t, scores[0].Kinds[1].Mean(), 1.)
}

// TestExpectedLoss is by the first network's probabilities of the answers that differ, made
// to agree with the labels, and is not known of other tasks or of scores kept elsewhere.
func TestExpectedLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := setup(t, "gaussian=0.1", 20_000)
	s.Conditions = nil
	const slope = 3 // of the true odds, over those of the networks
	for i, x := range s.Images.X {
		s.Images.Labels[i] = 0
		if rng.Float64() < 1/(1+math.Exp(-slope*float64(x-.3))) {
			s.Images.Labels[i] = 1
		}
	}
	scores, err := Robust(context.Background(), s, threshold(.3), threshold(.5))
	require.NoError(t, err)
	assert.InDelta(t, slope, slopeOf(scores[0], 0, 0), .1)
	assert.Zero(t, scores[0].Expected(scores[0]))
	want := 0.0
	for _, x := range s.Images.X {
		if x > .3 && x <= .5 {
			want += math.Tanh(slope*(float64(x)-.3)/2) / float64(s.Images.N)
		}
	}
	assert.InDelta(t, want, scores[1].Expected(scores[0]), .05*want)
	assert.InDelta(t, want, scores[0].Clean()-scores[1].Clean(), .005)

	s.Images.Labels = nil // the answers are the labels: what differs is lost
	scores, err = Robust(context.Background(), s, threshold(.3), threshold(.5))
	require.NoError(t, err)
	assert.InDelta(t, mostSlope, slopeOf(scores[0], 0, 0), 1)
	assert.InDelta(t, .2, scores[1].Expected(scores[0]), .01)

	assert.True(t, math.IsNaN((&Score{Kinds: []Kind{{Own: [][]float64{{1}}}}}).Expected(scores[0])))
	assert.True(t, math.IsNaN((&Score{Kinds: []Kind{{Right: [][]bool{{true}}}}}).Expected(scores[0])))
}

func slopeOf(s *Score, k, size int) float64 { return slope(s.Kinds[k].stats[size]) }

// TestExpectedLossUnderErrors is the mean of the kinds, of each the mean of its sizes.
func TestExpectedLossUnderErrors(t *testing.T) {
	s := setup(t, "gaussian=0.1,0.3", 100)
	scores, err := Robust(context.Background(), s, threshold(.3), threshold(.4))
	require.NoError(t, err)
	of := func(k, size int) (sum float64) {
		slope := slopeOf(scores[0], k, size)
		for _, it := range scores[1].Kinds[k].stats[size] {
			sum += math.Tanh(slope*it[5]/2) / 100
		}
		return sum
	}
	want := (of(0, 0) + (of(1, 0)+of(1, 1))/2) / 2
	assert.Positive(t, want)
	assert.InDelta(t, want, scores[1].Expected(scores[0]), 1e-12)
}

func TestRobustReportsErrors(t *testing.T) {
	_, err := Robust(context.Background(), Setup{}, threshold(0))
	assert.Error(t, err)
	s := setup(t, "none", 10)
	broken := errors.New("broken")
	_, err = Robust(context.Background(), s, func(context.Context, []float32, int) ([]float32, error) { return nil, broken })
	assert.ErrorIs(t, err, broken)
}

func TestStandardErrorOfAShare(t *testing.T) {
	s := &Score{Images: 400, Kinds: []Kind{{Name: Clean, Sizes: []float64{0}, Right: [][]bool{make([]bool, 400)}}}}
	for i := range 100 {
		s.Kinds[0].Right[0][i] = true
	}
	assert.InDelta(t, math.Sqrt(.25*.75/399), s.StdErr(), 1e-12)
}

// TestRobustKeepsWhatWasMeasured: a cancelled run returns the conditions that
// every network was measured under.
func TestRobustKeepsWhatWasMeasured(t *testing.T) {
	s := setup(t, "fog-blend=0.2;gaussian=0.1", 100)
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	net := func(ctx context.Context, x []float32, n int) ([]float32, error) {
		if calls++; calls > 4 { // two networks, clean and fog
			cancel()
			return nil, ctx.Err()
		}
		return threshold(.5)(ctx, x, n)
	}
	scores, err := Robust(ctx, s, net, net)
	assert.ErrorIs(t, err, context.Canceled)
	require.Len(t, scores, 2)
	for _, score := range scores {
		require.Len(t, score.Kinds, 2)
		assert.Equal(t, "fog-blend", score.Kinds[1].Name)
	}
}

// TestRobustSharesTheGradientsWayForward: the first network does not run on clean
// images, and one gradient serves all guided kinds and sizes.
func TestRobustSharesTheGradientsWayForward(t *testing.T) {
	s := setup(t, "light=0.1,0.2;occl=0.1", portion+10)
	for _, unlabelled := range []bool{false, true} {
		if unlabelled {
			s.Images.Labels = nil
		}
		gradients, runs := 0, 0
		net := func(ctx context.Context, x []float32, n int) ([]float32, error) {
			runs++
			return threshold(.5)(ctx, x, n)
		}
		s.Gradient = func(b data.Batch) ([]float32, []float32, error) {
			gradients++
			assert.Equal(t, unlabelled && s.Shared, b.Labels == nil)
			logits, err := threshold(.5)(context.Background(), b.X, b.N)
			return make([]float32, b.N), logits, err
		}
		s.Shared = false
		apart, err := Robust(context.Background(), s, net)
		require.NoError(t, err)
		assert.Equal(t, 2*4, runs)
		gradients, runs = 0, 0
		s.Shared = true
		shared, err := Robust(context.Background(), s, net)
		require.NoError(t, err)
		assert.Equal(t, 2*3, runs)
		assert.Equal(t, 2, gradients)
		if !unlabelled {
			assert.Equal(t, apart, shared)
		}
	}
}

func TestShares(t *testing.T) {
	s := &Score{Images: 2, Kinds: []Kind{
		{Name: Clean, Sizes: []float64{0}, Right: [][]bool{{true, false}}},
		{Name: "fog", Sizes: []float64{.1, .2}, Right: [][]bool{{true, true}, {false, true}}},
	}}
	assert.Equal(t, []float64{.75, .5}, s.Shares())
	assert.Equal(t, []float64{.5, 1}, s.Kinds[1].Shares())
	assert.InDelta(t, s.Mean(), (.75+.5)/2, 1e-12)
}

// scored is a score of which images are right, clean alone.
func scored(labels []int, right ...bool) *Score {
	return &Score{Images: len(right), Labels: labels, Kinds: []Kind{{Name: Clean, Sizes: []float64{0}, Right: [][]bool{right}}}}
}

// TestAShareOfNothingIsNotDefined: 0/0 is no figure, least of all 1.
func TestAShareOfNothingIsNotDefined(t *testing.T) {
	labels := []int{0, 1, 2, 2}
	never, once := scored(labels, false, false, false, false), scored(labels, true, false, false, false)
	for _, s := range []*Score{never, once} {
		r := s.Retention(never)
		assert.False(t, r.IsDefined())
		assert.True(t, math.IsNaN(r.StdErr))
		value, stderr := r.Figures()
		assert.Nil(t, value)
		assert.Nil(t, stderr)
		assert.False(t, s.KindRetention(never)[0].IsDefined())
	}
	value, _ := never.Retention(once).Figures()
	assert.Zero(t, *value, "0 of something is a figure")
}

// TestAboveConstant: the best constant answer is the most frequent label.
func TestAboveConstant(t *testing.T) {
	labels := []int{0, 1, 2, 2, 0, 1, 2, 2}
	all := []bool{true, true, true, true, true, true, true, true}
	gap, isTold := scored(labels, all...).AboveConstant()
	assert.Equal(t, .5, gap.Value)
	assert.True(t, isTold)
	gap, isTold = scored(labels, false, false, true, true, false, false, true, true).AboveConstant()
	assert.Zero(t, gap.Value, "which answers 2")
	assert.False(t, isTold)
	gap, isTold = scored(labels, true, false, true, true, false, false, true, true).AboveConstant()
	assert.Equal(t, .125, gap.Value)
	assert.False(t, isTold, "by one image: less than two standard errors")
	_, isTold = scored([]int{3, 3, 3, 3}, true, true, true, true).AboveConstant()
	assert.False(t, isTold, "all of one label")
}
