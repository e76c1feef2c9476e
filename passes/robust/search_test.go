package robust

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/measure"
)

var all = context.Background()

// odd are odd codes of these bits, one a layer.
func odd(bits ...int) (list []ir.Elem) {
	for _, b := range bits {
		list = append(list, ir.OddOf(b))
	}
	return list
}

// TestLimits: what budgets say in packed bytes. The layers have 288, 3600 and 500
// weights in 8, 50 and 10 channels.
func TestLimits(t *testing.T) {
	layers := madeUpModule(t).Layers()
	const weights, constants = 288 + 3600 + 500, 9 * (8 + 50 + 10)
	for _, c := range []struct {
		budget pass.Budget
		bytes  int
		ok     bool
	}{
		{pass.Budget{Bits: 2}, weights/4 + 3*3, true},
		{pass.Budget{Bits: 1.7}, 932 + 3*3, true}, // 932.45
		{pass.Budget{Bytes: 2000}, 2000 - constants, true},
		{pass.Budget{Ratio: 8}, 4*weights/8 - constants, true},
		{pass.Budget{Ratio: 7}, 2507 - constants, true}, // 2507.4
		{pass.Budget{Keep: .99}, 0, false},
		{pass.Budget{Cycles: 5}, 0, false},
	} {
		bytes, ok := Limit(layers, c.budget)
		assert.Equal(t, c.ok, ok, "%+v", c.budget)
		assert.Equal(t, c.bytes, bytes, "%+v", c.budget)
	}
	assert.Equal(t, constants, Constants(layers))
	bytes, constantBytes, count := sizes(layers, odd(8, 1, 3))
	assert.Equal(t, []int{288 + 450 + 125 + 63, constants, weights}, []int{bytes, constantBytes, count})
	bytes, _, _ = sizes(layers, []ir.Elem{ir.Of(ir.I8), ir.CodeOf(2), ir.VecOf(4, 16)})
	assert.Equal(t, 288+900+4+20+16*16, bytes, "codebooks count") // 10 rows of 4 groups of 16
}

// TestBitsAreAnAverage: as many bits as a universal width take exactly that width, and
// the rounding of a plane to bytes does not cost a bit; nor does it give one.
func TestBitsAreAnAverage(t *testing.T) {
	layers := madeUpModule(t).Layers()
	for bits := 1; bits <= 8; bits++ {
		bytes, _ := Limit(layers, pass.Budget{Bits: float64(bits)})
		assert.Equal(t, bits, widest(layers, bytes, 1, 8))
		total, _, weights := sizes(layers, uniform(layers, ir.OddOf(bits)))
		assert.LessOrEqual(t, total, bytes)
		assert.Less(t, float64(bytes*8)/float64(weights), float64(bits)+.02)
	}
	assert.Zero(t, widest(layers, 548, 1, 8))
	assert.Equal(t, 1, widest(layers, 549, 1, 8)) // 36+450+63
}

// TestRounding: which way formats are rounded unless a layer or the user says it.
func TestRounding(t *testing.T) {
	for _, c := range []struct {
		e            ir.Elem
		wanted, want string
	}{
		{ir.Of(ir.I8), "", quant.Nearest}, {ir.Of(ir.I8), quant.Compensated, quant.Nearest},
		{ir.OddOf(8), "", quant.Nearest}, {ir.OddOf(8), quant.Compensated, quant.Compensated},
		{ir.OddOf(7), "", quant.Compensated}, {ir.OddOf(6), "", quant.Compensated}, {ir.OddOf(1), "", quant.Compensated},
		{ir.OddOf(3), quant.Nearest, quant.Nearest},
		{ir.CodeOf(8), "", quant.Compensated}, {ir.CodeOf(4), quant.Nearest, quant.Shared}, {ir.CodeOf(4), quant.Compensated, quant.Compensated},
		{ir.VecOf(8, 8), "", quant.Compensated}, {ir.VecOf(4, 8), quant.Nearest, quant.Compensated},
	} {
		assert.Equal(t, c.want, roundingOf(c.e, c.wanted), "%v %q", c.e, c.wanted)
	}
	n := madeUpModule(t).Layers()[0]
	n.Put(ir.AttrRounding.Is(quant.Nearest))
	n.Put(ir.AttrSparsity.Is([]float64{.25}))
	assert.Equal(t, quant.Format{Elem: ir.OddOf(2), Rounding: quant.Nearest, Sparsity: .25}, formatOf(n, ir.OddOf(2), quant.Compensated))
}

// TestUniversalLevel: the widest width within a budget, or the one that is named.
func TestUniversalLevel(t *testing.T) {
	for _, c := range []struct {
		budget pass.Budget
		want   int
		fault  string
	}{
		{pass.Budget{}, 8, ""},
		{pass.Budget{Bits: 3}, 3, ""},
		{pass.Budget{Bits: 2.5}, 0, "-bits 2.5: one width for all layers is a whole number from 1 to 8"},
		{pass.Budget{Bits: 9}, 0, "-bits 9: one width"},
		{pass.Budget{Bytes: 549 + 612}, 1, ""},
		{pass.Budget{Bytes: 548 + 612}, 0, "the least possible is -size 1161"},
		{pass.Budget{Bytes: 3*549 + 612 + 1}, 3, ""},
		{pass.Budget{Ratio: 20}, 0, "the greatest possible is -ratio 15.11"},
		{pass.Budget{Ratio: 15.11}, 1, ""},
	} {
		m, env := madeUpModule(t), environment(t)
		env.Level, env.Budget = pass.Universal, c.budget
		err := Widths(all, m, env)
		if c.fault != "" {
			assert.ErrorContains(t, err, c.fault, "%+v", c.budget)
			continue
		}
		require.NoError(t, err, "%+v", c.budget)
		for _, n := range m.Layers() {
			e, _ := n.Elem(ir.AttrBits)
			assert.Equal(t, ir.OddOf(c.want), e, "%+v", c.budget)
		}
	}
}

// TestWidthsOfInt8: every layer gets 8 bits, but for those that have a format, by hand
// or by -fix; the report has them all.
func TestWidthsOfInt8(t *testing.T) {
	m, env := madeUpModule(t), environment(t)
	m.Value("last").Def.Put(ir.AttrBits.Is(ir.OddOf(3)))
	env.Level, env.Fix = pass.Int8, map[string]ir.Elem{"conv": ir.OddOf(5)}
	require.NoError(t, Widths(all, m, env))
	assert.Equal(t, []pass.Layer{
		{Name: "conv", Elem: ir.OddOf(5), Bytes: 144 + 36},
		{Name: "wide", Elem: ir.Of(ir.I8), Bytes: 3600},
		{Name: "last", Elem: ir.OddOf(3), Bytes: 125 + 63},
	}, env.Report.Layers)
	assert.Equal(t, quant.Compensated, m.Value("conv").Def.Word(ir.AttrRounding))
	assert.Equal(t, quant.Nearest, m.Value("wide").Def.Word(ir.AttrRounding))
	for _, name := range []string{"wid", "x"} {
		env.Fix = map[string]ir.Elem{name: ir.OddOf(5)}
		err := Widths(all, m, env)
		require.ErrorContains(t, err, "-fix "+name+": no layer of this name")
		assert.Equal(t, name == "wid", strings.Contains(err.Error(), `did you mean "wide"?`))
	}
}

// TestImpossibleBudgets: a budget that nothing keeps is refused before anything is
// measured, by every method, with a budget that is the least possible one.
func TestImpossibleBudgets(t *testing.T) {
	budget := func(flag string, x float64) (b pass.Budget) {
		switch flag {
		case "bits":
			b.Bits = x
		case "size":
			b.Bytes = int(x)
		case "ratio":
			b.Ratio = x
		}
		return b
	}
	help := regexp.MustCompile(`possible is -(bits|size|ratio) ([0-9.]+)$`)
	for _, way := range methods {
		for _, c := range []struct {
			flag   string
			x      float64
			beyond float64 // on from what is told, nothing fits
		}{{"bits", .1, -.02}, {"size", 700, -1}, {"ratio", 1000, .02}} {
			choose := func(x float64) (*madeUp, *Network, error) {
				o, env := newMadeUp(t), environment(t)
				env.Budget = budget(c.flag, x)
				s := o.search(env)
				bytes, ok := Limit(o.layers, env.Budget)
				require.True(t, ok)
				n, err := s.Choose(all, way.name, bytes)
				return o, n, err
			}
			o, _, err := choose(c.x)
			var d *diag.Diagnostic
			require.ErrorAs(t, err, &d, way.name)
			assert.Equal(t, diag.BadBudget, d.Kind)
			if way.menu {
				assert.Empty(t, o.asked, "%s measures", way.name)
			}
			assert.Zero(t, o.networks, way.name)
			told := help.FindStringSubmatch(d.Help)
			require.NotNil(t, told, "%s: %q", way.name, d.Help)
			assert.Equal(t, c.flag, told[1])
			least, err := strconv.ParseFloat(told[2], 64)
			require.NoError(t, err)
			_, _, err = choose(least)
			assert.NoError(t, err, "%s does not keep what it told: %s", way.name, d.Help)
			_, _, err = choose(least + c.beyond)
			assert.Error(t, err, "%s: less than %s is possible", way.name, d.Help)
		}
	}
}

// TestImpossibleCycles is the same for a bound on cycles, in cycles and in int8's.
func TestImpossibleCycles(t *testing.T) {
	whole := 2. * (288 + 3600 + 500) // int8 takes two cycles a weight
	for _, way := range []string{"qed", "qstar", "exhaustive", "greedy", "fisher"} {
		for _, share := range []bool{false, true} {
			choose := func(x float64) (*madeUp, error) {
				o, env := newMadeUp(t), environment(t)
				env.Budget.Bits = 4
				if env.Budget.Cycles = x; share {
					env.Budget.Cycles, env.Budget.CyclesOfInt8 = 0, x
				}
				bytes, _ := Limit(o.layers, env.Budget)
				n, err := o.search(env).Choose(all, way, bytes)
				if err == nil {
					assert.LessOrEqual(t, o.cyclesOf(n), max(x, x*whole), way)
				}
				return o, err
			}
			x := 100.
			if share {
				x = .01
			}
			o, err := choose(x)
			require.ErrorContains(t, err, "no choice of widths found is as fast as -cycles asks", way)
			assert.Empty(t, o.asked, way)
			told := regexp.MustCompile(`is -cycles ([0-9.]+)(x?)$`).FindStringSubmatch(err.Error())
			require.NotNil(t, told, "%v", err)
			assert.Equal(t, share, told[2] == "x")
			least, err := strconv.ParseFloat(told[1], 64)
			require.NoError(t, err)
			_, err = choose(least)
			assert.NoError(t, err, "%s: %s", way, told[0])
			_, err = choose(least * .99)
			assert.Error(t, err, way)
		}
	}
	// The fastest formats may not be the smallest.
	o, env := newMadeUp(t), environment(t)
	o.speed = func(l int, e ir.Elem) float64 { return 10 - bitsOf(e) }
	env.Budget = pass.Budget{Bits: 1, Cycles: 20}
	bytes, _ := Limit(o.layers, env.Budget)
	_, err := o.search(env).Choose(all, "qed", bytes)
	assert.ErrorContains(t, err, "allow more bytes or more cycles")
	env.Target = nil
	_, err = newSearch(o.m, env, o, 1, 0)
	assert.ErrorContains(t, err, "-cycles needs a -target")
}

func (o *madeUp) cyclesOf(n *Network) (sum float64) {
	for l, f := range n.Formats {
		sum += o.speed(l, f.Elem)
	}
	return sum
}

// TestCyclesOfTheFastest: a bound that the fastest formats just keep is possible.
func TestCyclesOfTheFastest(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.speed = func(int, ir.Elem) float64 { return 10 }
	env.Budget.Cycles = 30
	for _, way := range []string{"qed", "qstar", "exhaustive", "greedy", "fisher"} {
		o.choose(env, way, 1200)
	}
}

// TestTiesGoToTheFirst, in the order of the formats.
func TestTiesGoToTheFirst(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.of = func(int, quant.Format, int) cost { return costs(1, 1, 1) }
	assert.Equal(t, []int{1, 1, 1}, widthsOf(o.choose(env, "exhaustive", 1200)))
}

// TestFillVisitsWhatIsMissing: preparing a layer for rounding takes long, and is left out
// where all of it is measured.
func TestFillVisitsWhatIsMissing(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	s := o.search(env)
	require.NoError(t, s.fill(all, 64, func(l int) []int { return []int{0}[:l%2] }))
	assert.Equal(t, []int{1}, o.visited)
	require.NoError(t, s.fill(all, 64, s.all))
	assert.Equal(t, []int{1, 0, 1, 2}, o.visited)
	assert.Len(t, o.asked, 12)
	require.NoError(t, s.fill(all, 64, s.all))
	require.NoError(t, s.fill(all, 32, s.all))
	assert.Len(t, o.visited, 4)
	require.NoError(t, s.fill(all, 65, func(l int) []int { return []int{0}[:l%2] }))
	assert.Equal(t, []int{1, 0, 1, 2, 1}, o.visited)
}

// TestCyclesBoundEveryMethod: what keeps a bound on cycles is the best of what does, and
// layers that share weights count.
func TestCyclesBoundEveryMethod(t *testing.T) {
	for seed := range int64(20) {
		o, env := newMadeUp(t), environment(t)
		o.random(seed)
		o.speed = func(l int, e ir.Elem) float64 { return float64(layerWeights[l]) / bitsOf(e) } // wider is faster
		env.Budget.Cycles = 2200
		fast := func(formats []quant.Format) bool { return o.cyclesOf(&Network{Formats: formats}) <= env.Budget.Cycles }
		for _, bytes := range []int{1300, 1600} {
			n := o.choose(env, "qed", bytes)
			assert.True(t, fast(n.Formats))
			assert.InDelta(t, o.least(env, bytes, fast), n.KL, 1e-12, "seed %d", seed)
			for _, way := range []string{"qstar", "exhaustive", "fisher", "universal"} {
				assert.True(t, fast(o.choose(env, way, bytes).Formats), way)
			}
		}
	}
}

// TestQedIsExact: where layers do not act together, Qed's network is the best of all, by
// either objective, on random tables.
func TestQedIsExact(t *testing.T) {
	for seed := range int64(40) {
		o := newMadeUp(t)
		o.random(seed)
		for _, bytes := range []int{549, 700, 1100, 1600, 2194} {
			env := environment(t)
			n := o.choose(env, "qed", bytes)
			assert.InDelta(t, o.least(env, bytes, nil), n.KL, 1e-12, "seed %d, %d bytes", seed, bytes)
			x := o.choose(env, "exhaustive", bytes)
			assert.InDelta(t, n.KL, x.KL, 1e-12)
			for _, f := range env.Report.Finalists {
				assert.GreaterOrEqual(t, f.KL, x.KL-1e-12)
			}
		}
	}
}

// TestQedAsksOnce: every entry once, on all judged images, whole networks on the final
// ones; a second budget costs no entry, and its report counts the first one's.
func TestQedAsksOnce(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	s := o.search(env)
	var last pass.SearchReport
	for _, bytes := range []int{800, 1200} {
		env.Report = pass.SearchReport{}
		_, err := s.Choose(all, "qed", bytes)
		require.NoError(t, err)
		last = env.Report
	}
	assert.Len(t, o.asked, 12)
	assert.Equal(t, fmt.Sprintf("conv %v %d", s.format(0, ir.OddOf(1)), judgedImages), o.asked[0])
	assert.Zero(t, o.judged)
	assert.Positive(t, o.last)
	network := 0
	for _, op := range o.m.Ops {
		network += op.MACs()
	}
	assert.EqualValues(t, 12+len(last.Finalists), last.Evaluations)
	assert.EqualValues(t, 4*(300+200+100)*judgedImages+len(last.Finalists)*network*finalImages, last.MACs)
	assert.EqualValues(t, 4*(300+200+100)*judgedImages, s.TableMACs())
	require.Len(t, s.Costs(), layerCount)
	assert.Equal(t, []bool{true, true, true, true}, s.Costs()[1].Measured)
	assert.InDelta(t, .5/16, s.Costs()[1].KL[1], 1e-12)
	for _, f := range last.Finalists {
		assert.Equal(t, f.KL == last.KL, f.Chosen, f.Origin)
		assert.LessOrEqual(t, f.Bytes, 1200)
	}

	// Without final images the judged ones must do.
	o, env = newMadeUp(t), environment(t)
	s, err := newSearch(o.m, env, o, judgedImages, 0)
	require.NoError(t, err)
	_, err = s.Choose(all, "qed", 800)
	require.NoError(t, err)
	assert.Positive(t, o.judged)
	assert.Zero(t, o.last)
}

// TestEarlierChoicesDoNotSteer: what an earlier budget measured changes no choice and no
// report of a later one.
func TestEarlierChoicesDoNotSteer(t *testing.T) {
	for seed := range int64(10) {
		report := func(budgets ...int) (*Network, pass.SearchReport) {
			o, env := newMadeUp(t), environment(t)
			o.random(seed)
			o.together = o.coupled(.3)
			s := o.search(env)
			var n *Network
			for _, bytes := range budgets {
				env.Report = pass.SearchReport{}
				var err error
				n, err = s.Choose(all, "qed", bytes)
				require.NoError(t, err)
			}
			return n, env.Report
		}
		later, laterReport := report(2000, 900, 1100)
		fresh, freshReport := report(1100)
		assert.Equal(t, fresh.Key(), later.Key())
		assert.Equal(t, freshReport, laterReport)
	}
}

// coupled are layers that act together: formats of neighbours that differ cost more.
func (o *madeUp) coupled(by float64) func(formats []quant.Format) cost {
	return func(formats []quant.Format) cost {
		c := o.sum(formats)
		for l := range formats[1:] {
			d := by * math.Abs(bitsOf(formats[l].Elem)-bitsOf(formats[l+1].Elem))
			c = add(c, costs(d, d, d))
		}
		return c
	}
}

// TestLocalSearchMoves: where layers act together the table is wrong, and the local
// search finds better networks by measuring neighbours, within the budget.
func TestLocalSearchMoves(t *testing.T) {
	moved := 0
	for seed := range int64(40) {
		o, env := newMadeUp(t), environment(t)
		o.random(seed)
		o.together = o.coupled(.2)
		n := o.choose(env, "qed", 1400)
		first, steps := math.Inf(1), 0
		for _, f := range env.Report.Finalists {
			if f.Origin == "local search" {
				steps++
			} else {
				first = min(first, f.KL)
			}
			assert.GreaterOrEqual(t, f.KL, n.KL)
			assert.LessOrEqual(t, f.Bytes, 1400)
		}
		assert.Equal(t, localSteps, steps)
		assert.Equal(t, n.KL < first, n.Origin == "local search")
		if n.KL < first {
			moved++
		}
	}
	assert.Greater(t, moved, 15, "of 40")
}

// TestNeighboursAreNearest: a neighbour differs in one or two layers, keeps the budget,
// is new, and is the nearest such by the table.
func TestNeighboursAreNearest(t *testing.T) {
	for seed := range int64(30) {
		o, env := newMadeUp(t), environment(t)
		o.random(seed)
		s := o.search(env)
		require.NoError(t, s.fill(all, judgedImages, s.all))
		from, err := s.joint(all, s.final, "", s.uniform(ir.OddOf(2)))
		require.NoError(t, err)
		tried := map[string]bool{from.Key(): true}
		bytes := 1100
		for range 12 {
			got := s.neighbour(from, tried, bytes)
			least := math.Inf(1)
			o.each(s, func(formats []quant.Format, size int) {
				differ := 0
				for l := range formats {
					if formats[l] != from.Formats[l] {
						differ++
					}
				}
				if 0 < differ && differ <= 2 && size <= bytes && !tried[key(formats)] {
					least = min(least, o.sum(formats).KL)
				}
			})
			if got == nil {
				assert.True(t, math.IsInf(least, 1))
				break
			}
			require.InDelta(t, least, o.sum(got).KL, 1e-12, "seed %d", seed)
			tried[key(got)] = true
		}
	}
	// Of a table that is measured in part, what is measured.
	o, env := newMadeUp(t), environment(t)
	s := o.search(env)
	require.NoError(t, s.fill(all, judgedImages, func(int) []int { return []int{0, 1, 2} }))
	from, err := s.joint(all, s.final, "", s.uniform(ir.OddOf(2)))
	require.NoError(t, err)
	tried := map[string]bool{from.Key(): true}
	for range 9 {
		next := s.neighbour(from, tried, 5000)
		require.NotNil(t, next)
		for _, f := range next {
			assert.LessOrEqual(t, int(f.Elem.Bits), 3)
		}
		tried[key(next)] = true
	}
	// Formats outside of the table have no neighbours.
	o, env = newMadeUp(t), environment(t)
	s = o.search(env)
	require.NoError(t, s.fill(all, judgedImages, s.all))
	from, err = s.joint(all, s.final, "", s.uniform(ir.OddOf(8)))
	require.NoError(t, err)
	assert.Nil(t, s.neighbour(from, map[string]bool{}, 5000))
}

// TestUniversalIsAFinalist: Qed is not below universal quantization, even where the
// table is misleading.
func TestUniversalIsAFinalist(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.random(3)
	o.together = func(formats []quant.Format) cost {
		if formats[0] == formats[1] && formats[1] == formats[2] {
			return costs(0, 0, 0)
		}
		return costs(1, 1, 1)
	}
	n := o.choose(env, "qed", 1200)
	assert.Equal(t, "universal", n.Origin)
	assert.Equal(t, []int{2, 2, 2}, widthsOf(n))
}

// TestWorstKind: the objective makes another network the best.
func TestWorstKind(t *testing.T) {
	different := 0
	for seed := range int64(20) {
		o := newMadeUp(t)
		o.random(seed)
		mean, worst := environment(t), environment(t)
		worst.Objective = pass.Worst
		a, b := o.choose(mean, "qed", 1200), o.choose(worst, "qed", 1200)
		assert.LessOrEqual(t, slices.Max(b.Kinds), slices.Max(a.Kinds))
		assert.LessOrEqual(t, a.KL, b.KL)
		x := o.choose(worst, "exhaustive", 1200)
		assert.InDelta(t, o.least(worst, 1200, nil), slices.Max(x.Kinds), 1e-12)
		if a.Key() != b.Key() {
			different++
		}
	}
	assert.Greater(t, different, 5)
	s := newMadeUp(t).search(&pass.Env{Objective: pass.Worst, Errors: environment(t).Errors})
	var names []string
	for _, g := range s.surrogates() {
		names = append(names, g.name)
	}
	assert.Equal(t, []string{"KL", "squared error", "flips", measure.Clean, "gaussian", "fog-blend"}, names)
}

// TestKindsOfConditions: several sizes of one kind are one kind.
func TestKindsOfConditions(t *testing.T) {
	env := environment(t)
	env.Errors = append(env.Errors, env.Errors[0])
	assert.Equal(t, kinds{[]string{measure.Clean, "gaussian", "fog-blend"}, []int{0, 1, 2, 1}}, kindsOf(env))
}

// TestQStarBecomesQed: given the time, Q*'s table is Qed's own, and so is its network by
// the sum of the table; by either objective.
func TestQStarBecomesQed(t *testing.T) {
	for _, objective := range []string{pass.Mean, pass.Worst} {
		for seed := range int64(10) {
			o, env := newMadeUp(t), environment(t)
			env.Objective, env.Patient = objective, true
			o.random(seed)
			s := o.search(env)
			n, err := s.Choose(all, "qstar", 1200)
			require.NoError(t, err)
			for l, row := range s.table {
				for f, e := range row {
					require.Equal(t, judgedImages, e.images)
					require.Equal(t, o.of(l, s.format(l, s.menu[l][f]), judgedImages), e.cost)
				}
			}
			if objective == pass.Mean {
				assert.InDelta(t, o.least(env, 1200, nil), n.KL, 1e-12)
			}
			assert.Zero(t, o.last, "it measures on judged images alone")
			assert.Equal(t, 1, countOf(o.asked, "conv odd1/compensated 64"))
			assert.LessOrEqual(t, countOf(o.asked, "conv odd1/compensated 512"), 1)
		}
	}
}

func countOf(list []string, x string) (n int) {
	for _, y := range list {
		if x == y {
			n++
		}
	}
	return n
}

// TestQStarAsksLittle: without a time of its own it spends a twentieth of Qed's
// multiply-adds on the table, and little more; where costs are log-linear it is right.
func TestQStarAsksLittle(t *testing.T) {
	beyond := 0 // the anchors
	for _, bytes := range []int{600, 900, 1200, 1700} {
		o, env := newMadeUp(t), environment(t)
		env.Formats = families[0].elems
		s := o.search(env)
		n, err := s.Choose(all, "qstar", bytes)
		require.NoError(t, err)
		assert.InDelta(t, o.least(env, bytes, nil), n.KL, 1e-9, "%d bytes", bytes)
		assert.LessOrEqual(t, s.spent.macs, int64(1.5*qstarShare*float64(s.TableMACs())))
		assert.Less(t, len(o.asked), 20)
		if len(o.asked) > 6 {
			beyond++
		}
		for _, f := range env.Report.Finalists {
			assert.Contains(t, []string{"q*", "universal"}, f.Origin)
		}
	}
	assert.GreaterOrEqual(t, beyond, 2)
}

// TestQStarOfFreeLayers: a layer that costs nothing in any format takes fewest bytes.
func TestQStarOfFreeLayers(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	env.Formats = families[0].elems
	old := o.of
	o.of = func(l int, f quant.Format, images int) cost {
		if l == 1 {
			return costs(0, 0, 0)
		}
		return old(l, f, images)
	}
	n := o.choose(env, "qstar", 1000)
	assert.InDelta(t, o.least(env, 1000, nil), n.KL, 1e-9)
}

// TestQStarIsAnytime: ended at any time it has a network within the budget; with more
// effort the table that it rests on is no smaller; the same effort gives the same.
func TestQStarIsAnytime(t *testing.T) {
	entries := 0
	for stop := range 25 {
		run := func() (*madeUp, *Network, *pass.Env) {
			o, env := newMadeUp(t), environment(t)
			o.random(5)
			env.Patient, env.Objective = true, pass.Worst
			env.Stop = func() bool { return len(o.asked) >= stop }
			return o, o.choose(env, "qstar", 1200), env
		}
		o, n, env := run()
		_, again, envAgain := run()
		assert.Equal(t, n, again)
		assert.Equal(t, env.Report, envAgain.Report)
		assert.GreaterOrEqual(t, len(o.asked), entries)
		assert.LessOrEqual(t, len(o.asked), stop)
		entries = len(o.asked)
	}
	little, much := int64(0), int64(0)
	for _, effort := range []int64{1, 1 << 40} {
		o, env := newMadeUp(t), environment(t)
		env.Patient, env.Effort = true, effort
		s := o.search(env)
		_, err := s.Choose(all, "qstar", 1200)
		require.NoError(t, err)
		little, much = much, s.spent.macs
	}
	assert.Less(t, little, much)
}

// TestLine: the logarithm of costs between and beyond what was measured.
func TestLine(t *testing.T) {
	for _, c := range []struct {
		x, y     []float64
		at, want float64
	}{
		{nil, nil, 2, 2 * slope},
		{[]float64{1}, []float64{5}, 3, 5 + 2*slope},
		{[]float64{1, 3}, []float64{5, 1}, 2, 3},
		{[]float64{1, 3}, []float64{5, 1}, 4, -1},
		{[]float64{1, 3}, []float64{5, 1}, .5, 6},
		{[]float64{1, 3, 5}, []float64{5, 1, 0}, 4, .5},
		{[]float64{1, 3, 5}, []float64{5, 1, 0}, 6, -.5},
		{[]float64{1, 3}, []float64{1, 5}, 2, 1}, // costs do not rise with bits
		{[]float64{2, 2}, []float64{1, 5}, 2, 5},
	} {
		assert.InDelta(t, c.want, line(c.x, c.y, c.at), 1e-12, "%+v", c)
	}
}

// TestAnchors: the entries nearest to 0.7 and to 3 bits a weight, codebook included.
func TestAnchors(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	env.Formats = append(slices.Clone(families[0].elems), ir.VecOf(4, 8), ir.VecOf(6, 8))
	s := o.search(env)
	elems := func(l int) (list []ir.Elem) {
		for _, f := range s.anchors(l) {
			list = append(list, s.menu[l][f])
		}
		return list
	}
	assert.Equal(t, []ir.Elem{ir.VecOf(4, 8), ir.OddOf(3)}, elems(1)) // 225+128 bytes of 3600: .78 bits
	assert.InDelta(t, 8*353./3600, s.bits(1, s.place(1, ir.VecOf(4, 8))), 1e-12)
	env.Formats = odd(2)
	s = o.search(env)
	assert.Equal(t, []int{0}, s.anchors(0))
	assert.Equal(t, -1, s.place(0, ir.OddOf(3)))
}

// TestGreedy: each layer has the narrowest format that loses at most a share; the share
// is the least with which the network fits.
func TestGreedy(t *testing.T) {
	for _, way := range []string{"greedy", "greedy-nearest"} {
		for _, bytes := range []int{600, 900, 1300, 1700} {
			o, env := newMadeUp(t), environment(t)
			env.Formats = families[0].elems
			if way == "greedy" {
				env.Rounding = quant.Compensated
			}
			n := o.choose(env, way, bytes)
			loss := func(l, bits int, rounding string) float64 {
				c := o.of(l, quant.Format{Elem: ir.OddOf(bits), Rounding: rounding}, 0)
				return c.Flips + c.KL/10
			}
			share := 0.
			for l, f := range n.Formats {
				share = max(share, loss(l, int(f.Elem.Bits), f.Rounding))
				assert.Equal(t, way == "greedy-nearest", f.Rounding == quant.Nearest)
			}
			wider := false // a smaller share does not fit
			var next []ir.Elem
			for l, f := range n.Formats {
				bits := 1
				for bits < 8 && loss(l, bits, f.Rounding) >= share {
					bits++
				}
				next = append(next, ir.OddOf(bits))
				if b := int(f.Elem.Bits); b > 1 {
					assert.Greater(t, loss(l, b-1, f.Rounding), share, "a narrower format of layer %d would do", l)
				}
			}
			total, _, _ := sizes(o.layers, next)
			wider = total > bytes
			assert.True(t, wider, "%s %d: %v", way, bytes, widthsOf(n))
		}
	}
	// A layer of its own format keeps it; it is measured once, apart from the table.
	o, env := newMadeUp(t), environment(t)
	o.layers[1].Put(ir.AttrBits.Is(ir.OddOf(3)))
	s := o.search(env)
	for range 2 {
		env.Report = pass.SearchReport{}
		n, err := s.Choose(all, "greedy-nearest", 2400)
		require.NoError(t, err)
		assert.Equal(t, 3, widthsOf(n)[1])
		assert.Equal(t, 16+1, env.Report.Evaluations)
	}
	assert.Len(t, o.asked, 16)
	assert.Zero(t, s.spent)
}

// TestFisher: layers of more information get more bits.
func TestFisher(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	env.Formats = families[0].elems
	price := func(formats []quant.Format) (sum float64) {
		for l, f := range formats {
			sum += o.fisher[l] * math.Pow(4, -bitsOf(f.Elem))
		}
		return sum
	}
	s := o.search(env)
	for _, bytes := range []int{700, 1300, 2300} {
		n, err := s.Choose(all, "fisher", bytes)
		require.NoError(t, err)
		least := math.Inf(1)
		o.each(s, func(formats []quant.Format, size int) {
			if size <= bytes {
				least = min(least, price(formats))
			}
		})
		assert.InDelta(t, least, price(n.Formats), 1e-12)
	}
	assert.Empty(t, o.asked)
}

// TestUniversalMethods: one width for all, in the better of two ways of rounding.
func TestUniversalMethods(t *testing.T) {
	for _, nearestIsBetter := range []bool{false, true} {
		o, env := newMadeUp(t), environment(t)
		old := o.of
		o.of = func(l int, f quant.Format, images int) cost {
			if nearestIsBetter && f.Rounding == quant.Nearest {
				return costs(0, 0, 0)
			}
			return old(l, f, images)
		}
		n := o.choose(env, "universal", 1200)
		assert.Equal(t, []int{2, 2, 2}, widthsOf(n))
		assert.Equal(t, nearestIsBetter, n.Formats[0].Rounding == quant.Nearest)
		n = o.choose(env, "universal-nearest", 1200)
		assert.Equal(t, []int{2, 2, 2}, widthsOf(n))
		assert.Equal(t, quant.Nearest, n.Formats[2].Rounding)
	}
}

// TestDeepCompression: codebooks of one width for convolutions and one for linear
// layers, of which none could be wider in both, and three shares to prune.
func TestDeepCompression(t *testing.T) {
	for way, perPair := range map[string]int{"compress": 3, "compress-compensated": 1} {
		o, env := newMadeUp(t), environment(t)
		n := o.choose(env, way, 1500)
		assert.Equal(t, ir.Code, n.Formats[0].Elem.Kind)
		assert.Equal(t, n.Formats[1].Elem, n.Formats[2].Elem)
		assert.Equal(t, 4*perPair, o.networks, way)
		for _, f := range n.Formats {
			assert.Equal(t, way == "compress", f.Rounding == quant.Shared)
		}
	}
	o, env := newMadeUp(t), environment(t)
	s := o.search(env)
	for _, pair := range s.pairs(1500) {
		wider := s.coded(int(pair[0].Elem.Bits)+1, int(pair[1].Elem.Bits)+1)
		bytes, _, _ := sizes(o.layers, wider)
		assert.Greater(t, bytes, 1500)
		assert.True(t, s.fits(pair, 1500))
	}
	o.layers[0].Put(ir.AttrBits.Is(ir.OddOf(5)))
	assert.Equal(t, []ir.Elem{ir.OddOf(5), ir.CodeOf(3), ir.CodeOf(3)}, s.coded(2, 3))
	assert.Equal(t, quant.Shared, o.choose(env, "compress", 1800).Formats[1].Rounding)
}

// TestExhaustiveIsBounded: too many networks are refused before any is measured.
func TestExhaustiveIsBounded(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	s := o.search(env)
	for l := range s.menu { // 28 formats of three layers are 21,952 networks
		s.menu[l] = slices.Repeat(odd(1, 2, 3, 4), 7)
	}
	require.Less(t, 27*27*27, maxAssignments)
	_, err := s.Choose(all, "exhaustive", 3000)
	assert.ErrorContains(t, err, "more than 20000 networks")
	assert.Zero(t, o.networks)
	o, env = newMadeUp(t), environment(t)
	s = o.search(env)
	_, err = s.Choose(all, "exhaustive", 1200)
	require.NoError(t, err)
	assert.Equal(t, 64+1, env.Report.Evaluations)
	assert.Len(t, s.assignments, 64)
	_, err = s.Choose(all, "exhaustive", 1000)
	require.NoError(t, err)
	assert.Equal(t, 64+2, env.Report.Evaluations)
}

// TestMenus: which formats a layer may have.
func TestMenus(t *testing.T) {
	layers, env := madeUpModule(t).Layers(), environment(t)
	grouped := layers[0]
	env.Formats = []ir.Elem{ir.OddOf(1), ir.OddOf(4), ir.CodeOf(3), ir.CodeOf(8), ir.VecOf(8, 8), ir.VecOf(4, 8), ir.VecOf(2, 16)}
	// The book of code8 takes 256 of 288+256 bytes of the convolution, of vec8x8 2048; its 4
	// channels are fewer than a vector of 8.
	assert.Equal(t, []ir.Elem{ir.OddOf(1), ir.OddOf(4), ir.CodeOf(3), ir.CodeOf(8)}, menu(layers[0], env))
	assert.Equal(t, []ir.Elem{ir.OddOf(1), ir.OddOf(4), ir.CodeOf(3), ir.CodeOf(8), ir.VecOf(4, 8), ir.VecOf(2, 16)}, menu(layers[1], env))
	slices.Reverse(env.Formats)
	assert.Equal(t, []ir.Elem{ir.CodeOf(8), ir.CodeOf(3), ir.OddOf(4), ir.OddOf(1)}, menu(layers[0], env))
	slices.Reverse(env.Formats)
	env.MinBits, env.MaxBits = .5, 3.5
	assert.Equal(t, []ir.Elem{ir.OddOf(1), ir.CodeOf(3), ir.VecOf(4, 8)}, menu(layers[1], env))
	env.MinBits, env.MaxBits = 1, 3
	assert.Equal(t, []ir.Elem{ir.OddOf(1), ir.CodeOf(3)}, menu(layers[1], env))
	env.MinBits, env.MaxBits = 5, 6.5 // none is left
	assert.Equal(t, odd(6), menu(grouped, env)[:1])
	env.MinBits, env.MaxBits = 5, .5
	assert.Equal(t, odd(1), menu(layers[2], env))
	env.MinBits, env.MaxBits, env.Formats = 0, 0, []ir.Elem{ir.VecOf(8, 8)}
	assert.Equal(t, odd(8), menu(layers[0], env))
	layers[0].Put(ir.AttrBits.Is(ir.OddOf(7)))
	assert.Equal(t, odd(7), menu(layers[0], env))
}

// TestFormatNames are those of -formats.
func TestFormatNames(t *testing.T) {
	list, err := Formats([]string{"odd", "odd3", "vec4x8", "i8"})
	require.NoError(t, err)
	assert.Equal(t, append(odd(1, 2, 3, 4, 5, 6, 7, 8), ir.VecOf(4, 8), ir.Of(ir.I8)), list)
	list, err = Formats(Default)
	require.NoError(t, err)
	assert.Len(t, list, 8+7)
	for name, want := range map[string]string{"odd9": "no such format", "f32": "no such format", "ood": `did you mean "odd"?`} {
		_, err := Formats([]string{name})
		assert.ErrorContains(t, err, want)
	}
	_, err = Formats(nil)
	assert.ErrorContains(t, err, "names no format")
}

// TestMethodNames: the default, and one that is misspelt.
func TestMethodNames(t *testing.T) {
	m, err := findMethod("")
	require.NoError(t, err)
	assert.Equal(t, "qed", m.name)
	assert.True(t, m.isQed())
	_, err = findMethod("gredy")
	assert.ErrorContains(t, err, `did you mean "greedy"?`)
	for _, name := range Methods() {
		assert.NotEmpty(t, MethodDoc(name))
		m, err := findMethod(name)
		require.NoError(t, err)
		assert.Equal(t, name == "qed", m.isQed())
	}
	_, err = newMadeUp(t).search(environment(t)).Choose(all, "gredy", 1000)
	assert.Error(t, err)
}

// TestObjectives are told apart: each is least by its own sum.
func TestObjectives(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.random(8)
	s := o.search(env)
	assert.Equal(t, []string{"KL", "squared error", "flips", measure.Clean, "gaussian", "fog-blend", BoundaryObjective}, s.Objectives())
	of := map[string]func(l int, f quant.Format) float64{
		"KL":            func(l int, f quant.Format) float64 { return o.of(l, f, 0).KL },
		"squared error": func(l int, f quant.Format) float64 { return o.of(l, f, 0).MSE },
		"flips":         func(l int, f quant.Format) float64 { c := o.of(l, f, 0); return c.Flips + c.KL/10 },
		measure.Clean:   func(l int, f quant.Format) float64 { return o.of(l, f, 0).Kinds[0] },
		"gaussian":      func(l int, f quant.Format) float64 { return o.of(l, f, 0).Kinds[1] },
		"fog-blend":     func(l int, f quant.Format) float64 { return o.of(l, f, 0).Kinds[2] },
		BoundaryObjective: func(l int, f quant.Format) float64 {
			return max(float64(layerCount-l)*math.Pow(4, -bitsOf(f.Elem))-.01, 0) + o.of(l, f, 0).KL/10
		},
	}
	for _, name := range s.Objectives() {
		n, err := s.Plan(all, name, 1200)
		require.NoError(t, err, name)
		sum := func(formats []quant.Format) (sum float64) {
			for l, f := range formats {
				sum += of[name](l, f)
			}
			return sum
		}
		least := math.Inf(1)
		o.each(s, func(formats []quant.Format, size int) {
			if size <= 1200 {
				least = min(least, sum(formats))
			}
		})
		assert.InDelta(t, least, sum(n.Formats), 1e-12, name)
		assert.Equal(t, "plan, "+name, n.Origin)
	}
	_, err := s.Plan(all, "flip", 1200)
	assert.ErrorContains(t, err, `did you mean "flips"?`)
	_, err = s.Plan(all, "KL", 10)
	assert.ErrorContains(t, err, "no choice of widths fits")
	env.Errors = nil
	_, err = o.search(env).Plan(all, BoundaryObjective, 1200)
	assert.ErrorContains(t, err, "no objective")
}

// TestBoundaryLossOfNothing: where the float network answers no image rightly, there is no
// loss, and the divergence decides.
func TestBoundaryLossOfNothing(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.random(8)
	o.loses = func(int, quant.Format) float64 { return math.NaN() }
	n, err := o.search(env).Plan(all, BoundaryObjective, 1200)
	require.NoError(t, err)
	assert.InDelta(t, o.least(environment(t), 1200, nil), o.together(n.Formats).KL, 1e-12)
}

// TestCurve: one table gives the best network of every size, which can be measured.
func TestCurve(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.random(2)
	s := o.search(env)
	points, err := s.Curve(all)
	require.NoError(t, err)
	require.Greater(t, len(points), 3)
	assert.Len(t, o.asked, 12)
	assert.Equal(t, 12, env.Report.Evaluations)
	for i := range points {
		p := &points[i]
		assert.InDelta(t, o.least(environment(t), p.Bytes, nil), p.Forecast, 1e-12)
		require.Nil(t, p.Measured)
		require.NoError(t, s.Measure(all, p))
		assert.InDelta(t, p.Forecast, p.Measured.KL, 1e-12)
		assert.InDelta(t, 1-p.Forecast, p.Measured.Retention.Value, 1e-12)
	}
	assert.Equal(t, 12+2*len(points)+1, env.Report.Evaluations, "each network twice, the float one once")
}

// TestCheckpoints: a search that was interrupted in its table goes on from what it has
// measured, and its report is that of an undisturbed one.
func TestCheckpoints(t *testing.T) {
	run := func(ctx context.Context, file string, progress func(string, int, int)) (*madeUp, *Network, *pass.Env, error) {
		o, env := newMadeUp(t), environment(t)
		o.random(4)
		o.together = o.coupled(.2)
		env.Checkpoint, env.Progress = file, progress
		s, err := newSearch(o.m, env, o, judgedImages, finalImages)
		if err != nil {
			return o, nil, env, err
		}
		n, err := s.Choose(ctx, "qed", 1200)
		return o, n, env, err
	}
	_, want, undisturbed, err := run(all, "", nil)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "table.json")
	// A layer's entries are saved together: two layers are done after 8 or 9 entries.
	ctx, cancel := context.WithCancel(all)
	_, _, _, err = run(ctx, file, func(what string, done, total int) {
		assert.Equal(t, "measuring formats", what)
		assert.Equal(t, 12, total)
		if done == 9 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	o, n, env, err := run(all, file, nil)
	require.NoError(t, err)
	assert.Len(t, o.asked, 4)
	assert.Equal(t, want, n)
	assert.Equal(t, undisturbed.Report, env.Report)
	o, n, env, err = run(all, file, nil)
	require.NoError(t, err)
	assert.Empty(t, o.asked)
	assert.Equal(t, want, n)
	assert.Equal(t, undisturbed.Report, env.Report)

	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, c := range []struct{ what, text, fault string }{
		{"half a file", string(whole[:len(whole)/2]), "no checkpoint"},
		{"a changed cost", strings.Replace(string(whole), `"KL":0.`, `"KL":0.1`, 1), "the checkpoint is damaged"},
		{"another search", strings.Replace(string(whole), `"search":"`, `"search":"00`, 1), "of another network"},
		{"more after it", string(whole) + "{", "no checkpoint"},
		{"a damaged sum", strings.Replace(string(whole), `"sum"`, `"sun"`, 1), "the checkpoint is damaged"},
		{"no sum", regexp.MustCompile(`,"sum":"\w+"`).ReplaceAllString(string(whole), ""), "the checkpoint is damaged: it has no sum"},
	} {
		require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
		o, _, _, err := run(all, file, nil)
		assert.ErrorContains(t, err, c.fault, c.what)
		assert.ErrorContains(t, err, file)
		assert.Empty(t, o.asked)
	}
	_, _, _, err = run(all, t.TempDir(), nil)
	assert.ErrorContains(t, err, "not a regular file")
	_, _, _, err = run(all, filepath.Join(t.TempDir(), "no", "such"), nil)
	assert.ErrorContains(t, err, "-checkpoint")

	// Of what a menu no longer has nothing is taken; nor what more images measured.
	o, env = newMadeUp(t), environment(t)
	env.Formats = odd(2, 3)
	s := o.search(env)
	require.NoError(t, s.Restore(whole))
	for _, row := range s.Costs() {
		assert.Equal(t, []bool{true, true}, row.Measured)
	}
	s, err = newSearch(o.m, env, o, judgedImages/2, finalImages)
	require.NoError(t, err)
	require.NoError(t, s.Restore(whole))
	for _, row := range s.Costs() {
		assert.Equal(t, []bool{false, false}, row.Measured)
	}
	env.Errors = env.Errors[:1]
	s = o.search(env)
	require.NoError(t, s.Restore(whole))
	assert.Equal(t, []bool{false, false}, s.Costs()[0].Measured, "of other kinds of error")
}

// TestKeepFindsTheSmallest: the network keeps what it should by its own measurement, and
// is not much larger than the smallest that does.
func TestKeepFindsTheSmallest(t *testing.T) {
	for _, way := range []string{"qed", "universal", "greedy", "fisher"} {
		for _, keep := range []float64{.9, .97, .99} {
			o, env := newMadeUp(t), environment(t)
			env.Formats = families[0].elems
			m, err := findMethod(way)
			require.NoError(t, err)
			s := o.search(env)
			env.Budget.Keep = keep
			n, err := s.keeping(all, m)
			require.NoError(t, err, "%s %v", way, keep)
			assert.GreaterOrEqual(t, o.keeps(n.Formats).Value, keep, way)
			assert.Contains(t, n.Origin, ", retention 0.9")
			least := math.MaxInt
			o.each(s, func(formats []quant.Format, size int) {
				if o.keeps(formats).Value >= keep {
					least = min(least, size)
				}
			})
			if way == "qed" {
				assert.LessOrEqual(t, float64(n.Bytes), 1.1*float64(least), "%s %v", way, keep)
			}
			assert.LessOrEqual(t, len(env.Report.Finalists), keepSteps+keepBehind+keepOthers+1)
			for _, f := range env.Report.Finalists {
				assert.LessOrEqual(t, f.Bytes, 4388)
			}
		}
	}
}

// TestKeepWhatCannotBeKept: where no network keeps what was aimed at, the one that keeps most
// is taken; a bound that no network keeps is an error.
func TestKeepWhatCannotBeKept(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.keeps = func([]quant.Format) measure.Estimate { return measure.Estimate{Value: .5} }
	n, err := o.keeping(env, methods[0], .9)
	require.NoError(t, err)
	assert.NotZero(t, n.Bytes)
	assert.True(t, env.Report.Kept.IsBelow)

	env.Budget.Cycles = 1
	o = newMadeUp(t)
	_, err = o.keeping(env, methods[0], .9)
	assert.ErrorContains(t, err, "as fast as -cycles asks")
	assert.Empty(t, o.asked)
}

// TestKeepOfNothing: a float network that is no better than the best constant answer, or
// never right under the worst kind of error, has no share to keep.
func TestKeepOfNothing(t *testing.T) {
	const images = 80
	right, wrong := slices.Repeat([]bool{true}, images), make([]bool, images)
	four, one := slices.Repeat([]int{0, 1, 2, 3}, images/4), make([]int, images)
	for _, c := range []struct {
		objective string
		labels    []int
		errors    []bool // right answers under errors
		want      string
	}{
		{"", four, wrong, ""},
		{pass.Worst, four, wrong, "-keep 0.9 -objective worst: the float network is never right under gaussian"},
		{pass.Worst, nil, wrong, "-keep 0.9 -objective worst: the float network is no better than the best constant answer, by two standard errors, under gaussian"},
		{"", one, right, "-keep 0.9: the float network has nothing to keep: its robust accuracy is 1.0000 on 80 held-out images, and 1.0000 of"},
	} {
		o, env := newMadeUp(t), environment(t)
		env.Objective = c.objective
		o.exact = scored(c.labels, [][]bool{right, c.errors})
		if c.labels == nil { // of another task
			o.exact = shared([][]bool{right, c.errors})
		}
		_, err := o.keeping(env, methods[0], .9)
		if c.want == "" {
			assert.NoError(t, err)
			continue
		}
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d, "%+v", c)
		assert.Equal(t, diag.BadData, d.Kind)
		assert.Contains(t, err.Error(), c.want)
		assert.Contains(t, d.Help, "-bits, -size or -ratio")
		assert.Equal(t, o.layers[len(o.layers)-1].Out.Pos, d.Pos)
		assert.Empty(t, o.asked)
	}
}

// shared is a score by items' shares of a measure, of a task other than one label an item.
func shared(right [][]bool) *measure.Score {
	s := scored(nil, right)
	s.Images = len(right[0])
	for k := range s.Kinds {
		own, constant := make([]float64, s.Images), make([]float64, s.Images)
		for i, isRight := range right[k] {
			if isRight {
				own[i] = 1
			}
		}
		s.Kinds[k].Right, s.Kinds[k].Own, s.Kinds[k].Constant = nil, [][]float64{own}, [][]float64{constant}
	}
	return s
}

// TestKeepTriesOthers: where the first network of a size misses by less than its error,
// another surrogate's of the same size is measured.
func TestKeepTriesOthers(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.of = func(l int, f quant.Format, _ int) cost { // the surrogates disagree
		c := costs(math.Pow(4, -bitsOf(f.Elem))*math.Pow(20, float64(l)), 1, 1)
		c.MSE = math.Pow(4, -bitsOf(f.Elem)) * math.Pow(20, float64(-l))
		return c
	}
	s := o.search(env)
	first, err := s.quick(all, methods[0], 700, 0)
	require.NoError(t, err)
	second, err := s.quick(all, methods[0], 700, 1)
	require.NoError(t, err)
	require.NotEqual(t, first.Key(), second.Key())
	past, err := s.quick(all, methods[0], 700, 3)
	require.NoError(t, err)
	assert.Nil(t, past)
	for _, c := range []struct {
		misses, stderr float64
		others         int
		want           *Network
		more           int
	}{
		{.01, .02, 2, second, 1},
		{.03, .02, 2, first, 0},
		{.01, .02, 0, first, 0},
		{-.01, .02, 2, first, 0},
		{0, .02, 2, first, 0},
	} {
		o.keeps = func(formats []quant.Format) measure.Estimate {
			if key(formats) == first.Key() {
				return measure.Estimate{Value: .95 - c.misses, StdErr: c.stderr}
			}
			return measure.Estimate{Value: .96, StdErr: c.stderr}
		}
		n, more, err := s.keepingWithin(all, methods[0], 700, .95, c.others)
		require.NoError(t, err)
		assert.Equal(t, c.want.Key(), n.Key(), "%+v", c)
		assert.Equal(t, c.more, more, "%+v", c)
		assert.Equal(t, o.keeps(n.Formats), n.kept)
	}
}

// TestKeepOfTheWorstKind begins with the size that every kind expects.
func TestKeepBegins(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	s := o.search(env)
	h := newHunt(s.everySize(), .05)
	assert.Equal(t, [2]int{36 + 450 + 63, 144 + 1800 + 250}, s.everySize())
	bytes, err := s.expected(all, methods[0], h)
	require.NoError(t, err)
	assert.LessOrEqual(t, o.least(environment(t), bytes, nil), .05)
	assert.Greater(t, o.least(environment(t), bytes-1, nil), .05)
	env.Objective = pass.Worst
	s = o.search(env)
	worst, err := s.expected(all, methods[0], h)
	require.NoError(t, err)
	assert.Greater(t, worst, bytes)
	universal, err := findMethod("universal")
	require.NoError(t, err)
	middle, err := s.expected(all, universal, h)
	require.NoError(t, err)
	assert.InDelta(t, math.Sqrt(549*2194), middle, 1, "in the middle, where no table is")
}

// TestUniversalWithinBounds: no network has a width beyond -max or below -min, nor do
// those that a search chooses have formats that it may not choose from.
func TestUniversalWithinBounds(t *testing.T) {
	for _, way := range []string{"qed", "qstar", "universal", "universal-nearest"} {
		for _, c := range []struct {
			formats  []ir.Elem
			min, max float64
		}{{odd(1, 2), 0, 0}, {nil, 0, 2}, {families[0].elems, 0, 2.5}, {[]ir.Elem{ir.CodeOf(3)}, 0, 3}} {
			o, env := newMadeUp(t), environment(t)
			env.Formats, env.MinBits, env.MaxBits = c.formats, c.min, c.max
			s := o.search(env)
			_, err := s.Choose(all, way, 4400)
			require.NoError(t, err)
			for _, f := range env.Report.Finalists {
				for l, e := range f.Elems {
					if c.max > 0 {
						assert.LessOrEqual(t, bitsOf(e), c.max, "%s: %v", way, f)
					}
					if way == "qed" || way == "qstar" {
						assert.Contains(t, s.menu[l], e, "%s: %v", way, f)
					}
				}
			}
		}
	}
	for _, c := range []struct {
		budget   pass.Budget
		min, max float64
		want     int // 0 for a fault
	}{
		{pass.Budget{}, 0, 3.5, 3},
		{pass.Budget{}, 0, .5, 1},
		{pass.Budget{Bytes: 4*549 + 700}, 0, 3, 3},
		{pass.Budget{Bytes: 2*549 + 700}, 2, 3, 2},
		{pass.Budget{Bytes: 2*549 + 700}, 2.5, 0, 0},
		{pass.Budget{Bits: 4}, 0, 3, 0},
		{pass.Budget{Bits: 2}, 3, 0, 0},
	} {
		m, env := madeUpModule(t), environment(t)
		env.Level, env.Budget, env.MinBits, env.MaxBits = pass.Universal, c.budget, c.min, c.max
		err := Widths(all, m, env)
		if c.want == 0 {
			var d *diag.Diagnostic
			assert.ErrorAs(t, err, &d, "%+v", c)
			continue
		}
		require.NoError(t, err, "%+v", c)
		e, _ := m.Layers()[0].Elem(ir.AttrBits)
		assert.Equal(t, ir.OddOf(c.want), e, "%+v", c)
	}
}
