package robust

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/measure"
)

// TestEffortAddsUp: a report of two choices counts the effort of both, though the second
// measures little anew.
func TestEffortAddsUp(t *testing.T) {
	for _, way := range []string{"qed", "greedy", "greedy-nearest", "exhaustive", "fisher"} {
		fresh := func(bytes int) pass.SearchReport {
			o, env := newMadeUp(t), environment(t)
			o.choose(env, way, bytes)
			return env.Report
		}
		env := environment(t)
		s := newMadeUp(t).search(env)
		_, err := s.Choose(all, way, 2194)
		require.NoError(t, err, way)
		first := env.Report.MACs
		assert.Equal(t, fresh(2194).MACs, first, way)
		_, err = s.Choose(all, way, 1200)
		require.NoError(t, err, way)
		assert.Greater(t, env.Report.MACs, first, way)
		if way == "greedy-nearest" {
			assert.Equal(t, first+fresh(1200).MACs, env.Report.MACs)
		}
	}
}

// TestEveryAssignmentIsCounted: the multiply-adds of what was visited, and of the networks
// that were measured as wholes.
func TestEveryAssignmentIsCounted(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.choose(env, "exhaustive", 1200)
	macs := 0
	for _, n := range o.m.Ops {
		macs += n.MACs()
	}
	assert.Equal(t, int64(4*4*4*5+(o.judged*judgedImages+o.last*finalImages)*macs), env.Report.MACs)
	assert.Equal(t, 4*4*4+o.networks, env.Report.Evaluations)
}

// TestHuntLearnsTheFall: two networks say by which power of the size the loss falls,
// within what is believed; failures make steps upwards larger, from the second on.
func TestHuntLearnsTheFall(t *testing.T) {
	for _, c := range []struct {
		bytes      int
		loss, want float64
	}{
		{200, .01, 3},
		{200, .02, 2},
		{200, .079, leastFall},
		{200, .16, leastFall},
		{200, 0, 7}, // taken for a sixteenth of the wanted loss
		{110, 0, mostFall},
		{50, .64, 3},
	} {
		h := newHunt([2]int{10, 1000}, .01)
		h.measured(100, outcome{bytes: 100, loss: .08})
		assert.Equal(t, usualFall, h.fall)
		h.measured(c.bytes, outcome{bytes: c.bytes, loss: c.loss})
		assert.InDelta(t, c.want, h.fall, 1e-9, "%+v", c)
	}
	h := newHunt([2]int{10, 1000}, .01)
	for i, want := range []float64{1, 2, 4, 8} {
		h.measured(100+i, outcome{bytes: 100 + i, loss: .08})
		assert.InDelta(t, want*keepNear, h.climb, 1e-12)
	}
}

// TestKeepEndsWhereItIsClose: a network that keeps hardly more than it should, by the error
// of its measurement, ends the search; one that keeps half an error more does not.
func TestKeepEndsWhereItIsClose(t *testing.T) {
	for _, c := range []struct {
		above float64 // of a standard error
		want  bool
	}{{.2, true}, {.25, true}, {.3, false}, {.5, false}} {
		o, env := newMadeUp(t), environment(t)
		asked := 0
		o.keeps = func([]quant.Format) measure.Estimate {
			asked++
			return measure.Estimate{Value: .5 + c.above/8, StdErr: .125}
		}
		_, err := o.keeping(env, methods[0], .5)
		require.NoError(t, err)
		assert.Equal(t, c.want, asked == 1, "%v: %d networks", c.above, asked)
	}
}

// TestBoundsAreReached: a plan of just the bytes and cycles that are allowed is one.
func TestBoundsAreReached(t *testing.T) {
	layers := [][]Choice{{{Bytes: 10, Cost: 1, Cycles: 30}, {Bytes: 9, Cost: 5, Cycles: 20}}, {{Bytes: 4, Cost: 2, Cycles: 8}}}
	for _, c := range []struct {
		bytes  int
		cycles float64
		want   []int
	}{{14, 38, []int{0, 0}}, {13, 38, []int{1, 0}}, {14, 37, []int{1, 0}}, {13, 28, []int{1, 0}}, {12, 38, nil}, {14, 27, nil}} {
		p := Under(layers, c.bytes, c.cycles)
		if c.want == nil {
			assert.Nil(t, p, "%+v", c)
			continue
		}
		require.NotNil(t, p, "%+v", c)
		assert.Equal(t, c.want, p.Picks, "%+v", c)
	}
}

// TestEqualsDoNotMove: a neighbour that is no better does not take the place of the best.
func TestEqualsDoNotMove(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.together = func([]quant.Format) cost { return costs(.5, .5, .5) }
	n := o.choose(env, "qed", 1200)
	assert.NotEqual(t, "local search", n.Origin)
	steps := 0
	for _, f := range env.Report.Finalists {
		if f.Origin == "local search" {
			steps++
		}
	}
	assert.Equal(t, localSteps, steps)
}
