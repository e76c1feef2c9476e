package pass

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// numbered is n images of one pixel whose labels are their numbers.
func numbered(n, from int) func() (data.Batch, error) {
	return func() (data.Batch, error) {
		b := data.Batch{N: n, Shape: []int{1, 2, 2}}
		for i := range n {
			b.X = append(b.X, .5, .5, .5, .5)
			b.Labels = append(b.Labels, from+i)
		}
		return b, nil
	}
}

// TestConditionsShift: images are dealt out over the conditions in turn, each round one
// further: of data that come class by class every class meets every condition.
func TestConditionsShift(t *testing.T) {
	var got []int
	for i := range 9 {
		got = append(got, ConditionOf(i, 3))
	}
	assert.Equal(t, []int{0, 1, 2, 1, 2, 0, 2, 0, 1}, got)
	for _, conditions := range []int{1, 2, 3, 7, 10} {
		const classes = 10
		met, counts := map[[2]int]int{}, make([]int, conditions)
		for i := range classes * conditions * 10 {
			c := ConditionOf(i, conditions)
			met[[2]int{i % classes, c}]++
			counts[c]++
		}
		assert.Len(t, met, classes*conditions, "%d conditions", conditions)
		for _, n := range counts {
			assert.Equal(t, classes*10, n)
		}
	}
}

// TestMixtures: which images calibrate, judge and are final, each disturbed as its number
// says, with noise of its own, and once.
func TestMixtures(t *testing.T) {
	list, err := disturb.Parse("gaussian=0.1;blackout-random=1", []disturb.Input{{Holds: ir.Content{Kind: ir.Image}, Shape: []int{1, 2, 2}, High: 1}})
	require.NoError(t, err)
	calls := 0
	env := &Env{Errors: list, Seed: 1, Calibration: func() (data.Batch, error) { calls++; return numbered(9, 0)() }, Holdout: numbered(Judged+7, 100)}
	assert.Equal(t, 3, env.Conditions())
	samples, err := env.Samples()
	require.NoError(t, err)
	judge, err := env.Judge()
	require.NoError(t, err)
	final, err := env.Final()
	require.NoError(t, err)
	assert.Equal(t, []int{9, Judged, 7}, []int{samples.N, judge.N, final.N})
	assert.Equal(t, []int{100, 100 + Judged}, []int{judge.Labels[0], final.Labels[0]})
	for _, c := range []struct {
		data.Batch
		first int
	}{{samples, 0}, {judge, JudgeAt}, {final, JudgeAt + Judged}} {
		clean, err := numbered(c.N, 0)()
		require.NoError(t, err)
		for k, e := range append([]disturb.Condition{{}}, list...) {
			want := clean
			if k > 0 {
				want, err = disturb.Images(clean, c.first, e, 1, nil)
				require.NoError(t, err)
			}
			for i := range c.N {
				if ConditionOf(i, 3) == k {
					require.Equal(t, want.Image(i), c.Image(i), "image %d from %d", i, c.first)
				}
			}
		}
		assert.Equal(t, []float32{.5, .5, .5, .5}, clean.Image(1), "the clean ones stay")
	}
	again, err := env.Samples()
	require.NoError(t, err)
	assert.Equal(t, &samples.X[0], &again.X[0])
	assert.Equal(t, 1, calls)
	again, err = env.Judge()
	require.NoError(t, err)
	assert.Equal(t, &judge.X[0], &again.X[0])

	// Where there are none after the judged ones, or none held out at all.
	for _, n := range []int{3, Judged} {
		few := &Env{Calibration: numbered(9, 0), Holdout: numbered(n, 100)}
		judge, err = few.Judge()
		require.NoError(t, err)
		assert.Equal(t, n, judge.N)
		final, err = few.Final()
		require.NoError(t, err)
		assert.Zero(t, final.N)
	}
	none := &Env{Calibration: numbered(9, 40)}
	judge, err = none.Judge()
	require.NoError(t, err)
	assert.Equal(t, 40, judge.Labels[0])
	many := &Env{Calibration: numbered(Judged+Finals+5, 0)}
	final, err = many.Final()
	require.NoError(t, err)
	assert.Equal(t, Finals, final.N)

	fault := errors.New("no images")
	broken := &Env{Calibration: func() (data.Batch, error) { return data.Batch{}, fault }}
	for _, f := range []func() (data.Batch, error){broken.Samples, broken.Judge, broken.Final} {
		_, err := f()
		assert.ErrorIs(t, err, fault)
	}
}

// TestMemory is the default unless it is told.
func TestMemory(t *testing.T) {
	assert.Equal(t, 4<<30, (&Env{}).Memory())
	assert.Equal(t, 5, (&Env{MaxMemory: 5}).Memory())
}
