package measure

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/data"
)

// TestBoundary: under fog x(1-t)+t, an image of x below the threshold of 1/2 is
// wrong from t = (1/2-x)/(1-x) on.
func TestBoundary(t *testing.T) {
	s := setup(t, "fog-blend=0.5", 100)
	both, err := Boundary(context.Background(), s, s.Conditions[0], threshold(.5), threshold(.25))
	require.NoError(t, err)
	got, low := both[0], both[1]
	for i, d := range got {
		x := float64(s.Images.X[i])
		if x > .5 {
			assert.Equal(t, Never, d, "never wrong")
			continue
		}
		assert.InDelta(t, (.5-x)/(1-x), d, 1./fineSteps+1e-6, x)
		assert.Positive(t, d)
	}
	// A lower threshold is crossed earlier: half of the images are wrong at once.
	for i, d := range low {
		assert.LessOrEqual(t, d, got[i])
		if x := s.Images.X[i]; x > .25 && x <= .5 {
			assert.Zero(t, d)
		}
	}
	loss := BoundaryLoss(got, low)
	assert.Positive(t, loss.Value)
	assert.Positive(t, loss.StdErr)
	assert.Zero(t, BoundaryLoss(got, got).Value)
	assert.False(t, BoundaryLoss([]float64{0}, []float64{0}).IsDefined(), "no image to compare")
}

// TestBoundaryFindsTheFirstCrossing: an answer that is wrong between .3 and .6
// alone is found wrong there.
func TestBoundaryFindsTheFirstCrossing(t *testing.T) {
	s := setup(t, "fog-blend=0.5", 1)
	s.Images = data.Batch{N: 1, Shape: []int{1, 1, 1}, X: []float32{0}, Labels: []int{0}}
	band := func(_ context.Context, x []float32, n int) ([]float32, error) {
		out := make([]float32, 2*n)
		for i := range n {
			if x[i] > .3 && x[i] < .6 {
				out[2*i+1] = 1
			}
		}
		return out, nil
	}
	got, err := Boundary(context.Background(), s, s.Conditions[0], band)
	require.NoError(t, err)
	assert.InDelta(t, .3, got[0][0], 1./fineSteps)

	// Wrong at the greatest size alone is not never.
	last := func(_ context.Context, x []float32, n int) ([]float32, error) {
		out := make([]float32, 2*n)
		for i := range n {
			if x[i] == 1 {
				out[2*i+1] = 1
			}
		}
		return out, nil
	}
	got, err = Boundary(context.Background(), s, s.Conditions[0], last)
	require.NoError(t, err)
	assert.Equal(t, 1., got[0][0])
}

// TestBoundaryWithoutLabels: the first network's answers are right for all.
func TestBoundaryWithoutLabels(t *testing.T) {
	s := setup(t, "fog-blend=0.5", 100)
	s.Images.Labels = nil
	var rounds []int
	s.Progress = func(done, total int) { rounds = append(rounds, done, total) }
	got, err := Boundary(context.Background(), s, s.Conditions[0], threshold(.5), threshold(.25))
	require.NoError(t, err)
	for i, x := range s.Images.X {
		assert.Positive(t, got[0][i], "no image is wrong of itself")
		assert.Equal(t, x > .25 && x <= .5, got[1][i] == 0, x)
	}
	assert.LessOrEqual(t, rounds[len(rounds)-2], rounds[len(rounds)-1])
}

// TestBoundaryTakesOneGradient, whatever the sizes and networks.
func TestBoundaryTakesOneGradient(t *testing.T) {
	s := setup(t, "light=0.5", 30)
	calls := 0
	s.Gradient = func(b data.Batch) ([]float32, []float32, error) {
		calls++
		assert.Equal(t, 30, b.N)
		g := make([]float32, b.N)
		for i := range g {
			g[i] = -1 // brighter hurts
		}
		return g, nil, nil
	}
	got, err := Boundary(context.Background(), s, s.Conditions[0], threshold(.5), threshold(.6))
	require.NoError(t, err)
	assert.Equal(t, 1, calls)
	for i, x := range s.Images.X {
		if x <= .5 {
			assert.InDelta(t, .5-x, got[0][i], 1./fineSteps+1e-6)
		}
	}
	s.Gradient = nil
	_, err = Boundary(context.Background(), s, s.Conditions[0], threshold(.5))
	assert.ErrorContains(t, err, "unguided form")
}

// TestBoundaryKeepsWhatItHas when it is interrupted.
func TestBoundaryKeepsWhatItHas(t *testing.T) {
	s := setup(t, "fog-blend=0.5", 10)
	broken := func(context.Context, []float32, int) ([]float32, error) { return nil, context.Canceled }
	got, err := Boundary(context.Background(), s, s.Conditions[0], threshold(.5), broken)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Len(t, got, 1)
}

func TestQuantiles(t *testing.T) {
	assert.Equal(t, []float64{1, 3, 5}, Quantiles([]float64{5, 3, 1, 2, 4}, 0, .5, 1))
}

func TestPlane(t *testing.T) {
	// Two pixels; the answer is whether their sum is above a threshold.
	sum := func(at float32) Network {
		return func(_ context.Context, x []float32, n int) ([]float32, error) {
			out := make([]float32, 2*n)
			for i := range n {
				out[2*i], out[2*i+1] = at, x[2*i]+x[2*i+1]
			}
			return out, nil
		}
	}
	p, err := NewPlane(context.Background(), Task{}, []float32{0, 0}, []float32{1, 0}, []float32{0, 1}, 61, 0, 1, nil, sum(1), sum(.5))
	require.NoError(t, err)
	assert.Equal(t, 1., p.Agreement(0))
	assert.Less(t, p.Agreement(1), 1.)
	at := func(net int, u, v float64) int { return p.Answers[net][p.Position(v)*p.N+p.Position(u)] }
	assert.Equal(t, 0, at(0, 0, 0))
	assert.Equal(t, 1, at(0, 1, 1))
	assert.Equal(t, 0, at(0, .4, .4))
	assert.Equal(t, 1, at(1, .4, .4))
	for _, x := range []float64{0, .5, 1} {
		assert.InDelta(t, x, p.Coordinate(p.Position(x)), .02)
	}
	_, err = NewPlane(context.Background(), Task{}, []float32{0}, []float32{1}, []float32{1}, 2, 0, 1, nil, func(context.Context, []float32, int) ([]float32, error) { return nil, assert.AnError })
	assert.ErrorIs(t, err, assert.AnError)
}
