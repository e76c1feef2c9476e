package measure

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// rights is the score of answers under one condition.
func rights(right ...bool) *Score {
	return &Score{Images: len(right), Labels: make([]int, len(right)), Kinds: []Kind{{Name: Clean, Sizes: []float64{0}, Right: [][]bool{right}}}}
}

// answered is a float network that is right on all of n items but the last wrong ones, and
// one that is wrong on the first lost of them too.
func answered(n, wrong, lost int) (own, exact *Score) {
	a, b := make([]bool, n), make([]bool, n)
	for i := range n {
		b[i] = i < n-wrong
		a[i] = b[i] && i >= lost
	}
	return rights(a...), rights(b...)
}

// TestBounds: by hand where few answers differ, the lower of delta method and bootstrap
// where many do.
func TestBounds(t *testing.T) {
	own, exact := answered(512, 0, 0)
	b := Keeps(own, exact, false)
	assert.Equal(t, 1., b.Value)
	assert.Zero(t, b.Differ)
	assert.InDelta(t, math.Pow(.05, 1./512), b.Least, 1e-4, "Clopper and Pearson")
	assert.True(t, b.Holds(.994))
	assert.False(t, b.Holds(.995))
	n, ok := b.Needed(.995)
	assert.True(t, ok)
	own, exact = answered(n, 0, 0)
	b = Keeps(own, exact, false)
	assert.True(t, b.Holds(.995), "%d items: %v", n, b)
	assert.Less(t, n, 620)

	// One loss less than many: still the exact bound, more cautious than the delta method.
	own, exact = answered(2000, 100, FewDiffer-1)
	b = Keeps(own, exact, false)
	assert.NotNil(t, b.doubt)
	assert.Equal(t, FewDiffer-1, b.Differ)
	assert.Less(t, b.Least, b.Value-BoundErrors*b.StdErr)
	assert.Greater(t, b.Least, b.Value-1.3*BoundErrors*b.StdErr)
	own, exact = answered(2000, 100, FewDiffer)
	b = Keeps(own, exact, false)
	assert.Nil(t, b.doubt)
	assert.InDelta(t, 1-25./1900, b.Value, 1e-12)
	assert.InDelta(t, math.Sqrt(25./2000*(1-25./2000)/1999)/.95, b.StdErr, 1e-5)
	assert.LessOrEqual(t, b.Least, b.Value-BoundErrors*b.StdErr)
	assert.InDelta(t, b.Value-BoundErrors*b.StdErr, b.Least, b.StdErr/2) // 25 losses may be 35, not 33

	// As many items as are said to be needed have the bound.
	n, ok = b.Needed(.985)
	require.True(t, ok)
	k := float64(n) / 2000
	own, exact = answered(n, int(100*k), int(25*k))
	b = Keeps(own, exact, false)
	assert.InDelta(t, .985, b.Least, .0005)
	n, ok = b.Needed(.99)
	assert.True(t, ok, "which decide that it has less")
	assert.Greater(t, n, b.Items)
	_, ok = b.Needed(b.Value)
	assert.False(t, ok)
	none := NoBound()
	_, ok = none.Needed(.9)
	assert.False(t, ok)
	assert.False(t, none.Holds(0))
	assert.Equal(t, "estimate -, at least - (95 %, 0 held-out images of -calib)", none.String())
	b.Least = .98999
	assert.Contains(t, b.String(), "at least 0.9899 (95 %")

	// A float network that is never right, and one that no item tells from nothing.
	own, exact = answered(100, 100, 0)
	b = Keeps(own, exact, false)
	assert.False(t, b.IsDefined())
	assert.False(t, b.Holds(0))
	own, exact = answered(100, 99, 1)
	b = Keeps(own, exact, false)
	assert.True(t, math.IsNaN(b.Least))
}

// TestTheLeastBoundCounts: of several results, and of kinds of error where each counts.
func TestTheLeastBoundCounts(t *testing.T) {
	good, exact := answered(1000, 50, 30)
	bad, _ := answered(1000, 50, 60)
	alone := Keeps(bad, exact, false)
	good.Rest, exact.Rest = []*Score{bad}, []*Score{exact}
	good.Result.Name, good.Rest[0].Result.Name = "box", "score"
	of := Keeps(good, exact, false)
	assert.Equal(t, "score", of.Of)
	assert.Equal(t, alone.Estimate, of.Estimate)
	assert.Equal(t, alone.Least, of.Least)
	assert.Equal(t, alone.String()+" of the result score, the least of 2", of.String())
	good, exact = answered(1000, 50, 30)
	good.Kinds, exact.Kinds = append(good.Kinds, bad.Kinds...), append(exact.Kinds, exact.Kinds...)
	assert.Equal(t, alone, Keeps(good, exact, true))
	mean := Keeps(good, exact, false)
	assert.Greater(t, mean.Least, alone.Least)
	never := rights(make([]bool, 1000)...)
	exact.Kinds = append(exact.Kinds[:1], never.Kinds...)
	all := Keeps(good, exact, true)
	assert.False(t, all.Holds(0), "of a kind under which the float network is never right")
}

// TestDoubt: of items that are right or wrong the p value is the binomial test's, and of
// parts of items it is what draws of the weights give.
func TestDoubt(t *testing.T) {
	binomial := func(lost, n int, p float64) (sum float64) { // at most so many
		term := math.Pow(1-p, float64(n))
		for k := range lost + 1 {
			sum += term
			term *= float64(n-k) / float64(k+1) * p / (1 - p)
		}
		return sum
	}
	for _, n := range []int{1, 2, 20, 300, 5000} {
		for _, lost := range []int{0, 1, 3, 9} {
			for _, share := range []float64{.5, .9, .99, .999} {
				own, exact := answered(n, 0, min(lost, n))
				// The item more loses the share here, as one that is wrong does.
				got := doubt(pairs(own.Shares(), exact.Shares()), share, share, 1)
				mean, sd := float64(n)*(1-share)-float64(lost)-share, math.Sqrt(float64(n)*(1-share)*(1-share)+float64(lost)+share)
				if want := binomial(lost, n, 1-share); lost <= n && mean < 6*sd {
					assert.InDelta(t, want, got, 2e-5, "%d of %d, %v", lost, n, share)
				}
			}
		}
	}
	list := []pair{{1, 1, 400}, {.5, 1, 7}, {1, .5, 3}, {0, 1. / 3, 2}, {0, 0, 11}}
	const share, times, draws = .985, 1.5, 20_000
	below, rng := 0, rand.New(rand.NewPCG(5, 6))
	for range draws {
		sum := -rng.ExpFloat64()
		for _, p := range list {
			for range int(p.count * times) {
				sum += (p.own - share*p.ref) * rng.ExpFloat64()
			}
			if odd := p.count * times; odd != math.Trunc(odd) { // half an item: a squared normal
				z := rng.NormFloat64()
				sum += (p.own - share*p.ref) * z * z / 2
			}
		}
		if sum <= 0 {
			below++
		}
	}
	got := float64(below) / draws
	assert.InDelta(t, got, doubt(list, share, 1, times), 3*math.Sqrt(got*(1-got)/draws))
	assert.Zero(t, doubt([]pair{{1, 1, 4000}}, .5, 1, 1), "surely")
}

// TestBoundsHold: what is drawn from networks whose share is known lies above the bound,
// but for one draw in twenty, for shares of right answers and for measures without bounds.
// A bound that is too low would hold always, but show nothing.
func TestBoundsHold(t *testing.T) {
	if testing.Short() { // as under the race detector: nothing here runs side by side
		t.Skip("takes long")
	}
	const draws = 300
	for _, c := range []struct {
		name  string
		items int
		truth float64
		task  string
		draw  func(rng *rand.Rand) (own, ref float64)
		most  float64 // draws whose bound lies above the truth
		least float64
	}{
		{"one in fifty lost", 1000, .98, "", func(rng *rand.Rand) (float64, float64) {
			if rng.Float64() < .02 {
				return 0, 1
			}
			return 1, 1
		}, .09, 0},
		{"lost and won", 1500, .99, "", func(rng *rand.Rand) (float64, float64) {
			switch x := rng.Float64(); {
			case x < .05:
				return 0, 1
			case x < .09:
				return 1, 0
			}
			return 1, 1
		}, .09, .005},
		{"one in two hundred lost, few items", 500, .995, "", func(rng *rand.Rand) (float64, float64) {
			if rng.Float64() < .005 {
				return 0, 1
			}
			return 1, 1
		}, .05, 0},
		{"parts of items lost", 600, 1 - .03/3, "", func(rng *rand.Rand) (float64, float64) {
			if rng.Float64() < .03 {
				return 2. / 3, 1
			}
			return 1, 1
		}, .05, 0},
		{"values", 800, .9, ir.Values, func(rng *rand.Rand) (float64, float64) {
			ref := .8 + .4*rng.NormFloat64()
			return .9*ref + .1*rng.NormFloat64(), ref
		}, .09, .01},
		{"few items lost whole, all others a little", 300, .997, ir.Multilabel, func(rng *rand.Rand) (float64, float64) {
			if rng.Float64() < .003 {
				return 0, 1
			}
			return 1 + 1e-3*(2*rng.Float64()-1), 1
		}, .05, 0},
	} {
		above, mostBelow, rng := 0, 0.0, rand.New(rand.NewPCG(1, 2))
		for range draws {
			own, ref := make([]float64, c.items), make([]float64, c.items)
			for i := range own {
				own[i], ref[i] = c.draw(rng)
			}
			s := &Score{Images: c.items, Kinds: []Kind{{Right: [][]bool{{}}}}}
			if c.task != "" {
				s.Kinds[0].Right, s.Result.row = nil, rowOf(c.task)
			}
			b := boundOf(s, own, ref)
			if b.Least > c.truth {
				above++
			}
			mostBelow = max(mostBelow, c.truth-b.Least)
			if math.IsNaN(b.Least) {
				mostBelow = math.Inf(1)
			}
		}
		share := float64(above) / draws
		assert.LessOrEqual(t, share, c.most, c.name)
		assert.GreaterOrEqual(t, share, c.least, c.name)
		assert.Less(t, mostBelow, .06, "%s: a bound that is not there, or says nothing", c.name)
	}
}

// TestBoundsHoldOfHeavyTails: of a measure without bounds, where few items lose most of what is
// lost, the bound lies above what all items keep in at most one draw in twenty: items of the
// draw need not have the worst of them.
func TestBoundsHoldOfHeavyTails(t *testing.T) {
	const population = 20_000
	draws := 150
	if testing.Short() { // as under the race detector
		draws = 30
	}
	chance := 3 * math.Sqrt(.05*.95/float64(draws)) // of so few draws
	for name, c := range map[string]struct {
		items int
		loss  func(rng *rand.Rand) float64 // of one item
	}{
		"squares of normal errors": {300, func(rng *rand.Rand) float64 { x := rng.NormFloat64(); return x * x }},
		"lognormal":                {300, func(rng *rand.Rand) float64 { return math.Exp(1.5 * rng.NormFloat64()) }},
		"lognormal, many":          {600, func(rng *rand.Rand) float64 { return math.Exp(2 * rng.NormFloat64()) }},
		"a power, no variance":     {300, func(rng *rand.Rand) float64 { return math.Pow(1-rng.Float64(), -1/1.9) }},
		"one in fifty far worse": {300, func(rng *rand.Rand) float64 {
			x := rng.NormFloat64()
			if rng.IntN(50) == 0 {
				x *= 8
			}
			return x * x
		}},
	} {
		rng := rand.New(rand.NewPCG(3, 4))
		all, mean := make([]float64, population), 0.0
		for i := range all {
			all[i] = c.loss(rng)
			mean += all[i] / population
		}
		above, below := 0, 0.0
		ref := slices.Repeat([]float64{1}, c.items)
		for range draws {
			own := make([]float64, c.items)
			for i := range own {
				own[i] = 1 - .01*all[rng.IntN(population)]/mean
			}
			b := boundOf(&Score{Images: c.items, Kinds: []Kind{{}}, Result: Result{row: rowOf(ir.Values)}}, own, ref)
			require.False(t, math.IsNaN(b.Least), name)
			if b.Least > .99 {
				above++
			}
			below += (.99 - b.Least) / float64(draws)
		}
		t.Logf("%s: %d of %d above, %.4f below in the mean", name, above, draws, below)
		assert.LessOrEqual(t, float64(above)/float64(draws), .05+chance, name)
		assert.Less(t, below, .03, "%s: a bound that says nothing", name)
	}
}

// TestBoundsOfManyAnswers: items of many answers, each of which loses a little, tell more than as
// many that lose all or nothing, and the bound holds; of an answer an item the bound is exact.
func TestBoundsOfManyAnswers(t *testing.T) {
	const items, pixels, draws = 300, 64, 150
	rng := rand.New(rand.NewPCG(5, 6))
	above := 0
	for range draws {
		own, ref := make([]float64, items), make([]float64, items)
		for i := range own {
			lost := .01 * 2 * rng.Float64() // 1 % in the mean
			for range pixels {
				if rng.Float64() < .95 {
					ref[i] += 1. / pixels
					if rng.Float64() >= lost {
						own[i] += 1. / pixels
					}
				}
			}
		}
		s := &Score{Images: items, Kinds: []Kind{{}}, Result: Result{row: rowOf(ir.Classes), positions: pixels}}
		b := boundOf(s, own, ref)
		assert.Greater(t, b.Least, b.Value-.004)
		s.Result.positions = 1
		assert.Less(t, boundOf(s, own, ref).Least, b.Value-.009)
		if b.Least > .99 {
			above++
		}
	}
	assert.LessOrEqual(t, float64(above)/draws, .05+3*math.Sqrt(.05*.95/draws))
}

// TestNeeded promises no number of items that has no bound: a measure without bounds needs
// as many items that differ as the delta method does.
func TestNeeded(t *testing.T) {
	differing := func(k int) Bound {
		own, ref := slices.Repeat([]float64{1}, 400), slices.Repeat([]float64{1}, 400)
		for i := range k {
			own[i] = .9
		}
		return boundOf(&Score{Images: len(own), Kinds: []Kind{{}}, Result: Result{row: rowOf(ir.Values)}}, own, ref)
	}
	b := differing(20)
	n, ok := b.Needed(.98)
	assert.True(t, ok)
	assert.Equal(t, 400*FewDiffer/20, n)
	b = differing(0)
	_, ok = b.Needed(.98)
	assert.False(t, ok, "no item differs")
}

// TestBoundOfAMeasureWithoutBounds: of few items that differ nothing is said; of bounded
// ones as much.
func TestBoundOfAMeasureWithoutBounds(t *testing.T) {
	own, ref := slices.Repeat([]float64{.9}, 400), slices.Repeat([]float64{1}, 400)
	for i := range own {
		if i >= 20 {
			own[i] = 1
		}
	}
	for task, want := range map[string]bool{ir.Values: false, ir.Reconstruction: false, ir.EmbeddingTask: true, ir.Binary: true, ir.Multilabel: true, ir.Classes: true} {
		s := &Score{Images: len(own), Kinds: []Kind{{}}, Result: Result{row: rowOf(task)}}
		b := boundOf(s, own, ref)
		assert.Equal(t, want, b.Holds(.98), task)
		assert.Equal(t, want, !math.IsNaN(b.Least), task)
	}
	assert.Equal(t, 2., cosineSpan(&Result{agrees: true}))
	assert.Equal(t, 1., cosineSpan(&Result{}))
}

// TestResampler: the mean and the variance of what it draws are those of a sum of items
// drawn with replacement, whatever is alike among them.
func TestResampler(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for name, item := range map[string]func(i int) (own, ref float64){
		"all alike":  func(int) (float64, float64) { return 1, 1 },
		"few others": func(i int) (float64, float64) { return float64(min(i%20, 1)), 1 },
		"none alike": func(i int) (float64, float64) { return float64(i), float64(-i * i) },
	} {
		const n, draws = 60, 4000
		own, ref := make([]float64, n), make([]float64, n)
		for i := range own {
			own[i], ref[i] = item(i)
		}
		r := newResampler(own, ref)
		got := [2][]float64{make([]float64, draws), make([]float64, draws)}
		for k := range draws {
			got[0][k], got[1][k] = r.draw(rng)
		}
		for k, list := range [][]float64{own, ref} {
			value := func(i int) float64 { return list[i] }
			sum := func(i int) float64 { return got[k][i] }
			sd := stderr(n, value) * math.Sqrt(n-1) * math.Sqrt(n) // of a sum: sqrt(n) of an item's
			assert.InDelta(t, n*mean(n, value), mean(draws, sum), 4*sd/math.Sqrt(draws)+1e-9, name)
			assert.InDelta(t, sd, stderr(draws, sum)*math.Sqrt(draws), .06*sd+1e-9, name)
		}
	}
}

// TestFails: a network keeps less than a share where the estimate and as much above it as
// the bound is below it are less.
func TestFails(t *testing.T) {
	for _, c := range []struct {
		value, stderr, least float64
		want                 bool
	}{
		{-.08, .04, -.15, true}, {.96, .005, .95, true}, {.96, .01, .95, false}, {.96, .001, .94, false}, {.98, 0, .98, false}, {.5, .1, math.NaN(), false}, {.97, 0, .97, true},
	} {
		b := Bound{Estimate: Estimate{Value: c.value, StdErr: c.stderr}, Least: c.least, Items: 40}
		assert.Equal(t, c.want, b.Fails(.9705), c)
	}
}
