package robust

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/measure"
)

// slowCodes is an oracle whose int8 takes one cycle a weight, odd codes as many as they have
// bits, and vector codes a quarter.
func slowCodes(t *testing.T) *madeUp {
	o := newMadeUp(t)
	o.speed = func(l int, e ir.Elem) float64 {
		w := float64(layerWeights[l])
		switch e.Kind {
		case ir.I8:
			return w
		case ir.Vec:
			return w / 4
		}
		return w * bitsOf(e)
	}
	return o
}

const cyclesOfInt8 = 288 + 3600 + 500

// TestDefaultLimitOfCycles: a search that nobody bounds stays within int8's cycles; a budget
// of bytes comes before that, with the least excess; what the user says of cycles is taken at
// its word.
func TestDefaultLimitOfCycles(t *testing.T) {
	standard, err := Formats(Default)
	require.NoError(t, err)
	odd := []ir.Elem{ir.OddOf(2), ir.OddOf(3), ir.OddOf(4)}
	for _, c := range []struct {
		name    string
		formats []ir.Elem
		budget  pass.Budget
		most    float64 // infinite: no bound
		fault   string
	}{
		{"no budget", standard, pass.Budget{}, cyclesOfInt8, ""},
		{"bytes that leave a choice", standard, pass.Budget{Bits: 4}, cyclesOfInt8, ""},
		{"bytes that leave none", odd, pass.Budget{Bits: 2}, 2.5 * cyclesOfInt8, ""},
		{"formats that leave none", odd, pass.Budget{Bits: 4}, 2.5 * cyclesOfInt8, ""},
		{"free", standard, pass.Budget{FreeCycles: true}, math.Inf(1), ""},
		{"a share of the user's", odd, pass.Budget{Bits: 2, CyclesOfInt8: 1}, 0, "the least possible is -cycles 2.000x"},
		{"a number of the user's", odd, pass.Budget{Bits: 3, Cycles: 100}, 0, "the least possible is -cycles 8776"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, env := slowCodes(t), environment(t)
			env.Reference, env.Formats, env.Budget = &ir.Module{}, c.formats, c.budget
			s := o.search(env)
			if c.fault != "" {
				bytes, _ := Limit(o.layers, c.budget)
				_, err := s.Choose(all, "qed", bytes)
				require.ErrorContains(t, err, c.fault)
				return
			}
			if math.IsInf(c.most, 1) {
				assert.False(t, s.bounded())
				return
			}
			assert.InDelta(t, c.most, s.most, 1e-6)
			bytes, ok := Limit(o.layers, c.budget)
			if !ok {
				bytes = s.everySize()[1]
			}
			n, err := s.Choose(all, "qed", bytes)
			require.NoError(t, err)
			assert.LessOrEqual(t, o.cyclesOf(n), s.most)
			assert.LessOrEqual(t, n.Bytes, bytes)
		})
	}
}

// TestChoiceIsCounted: where codes take more instructions than their estimates say, another
// network is taken that does not take more than int8; a limit that gave way to a budget stays as it is, and
// what cannot be counted is taken by its estimate.
func TestChoiceIsCounted(t *testing.T) {
	standard, err := Formats(Default)
	require.NoError(t, err)
	odd := []ir.Elem{ir.OddOf(2), ir.OddOf(3), ir.OddOf(4)}
	for _, c := range []struct {
		name    string
		formats []ir.Elem
		budget  pass.Budget
		excess  float64 // of the first choice over int8; 1: estimates hold, 0: nothing counts
		asked   func(n int) bool
		most    float64
	}{
		{"estimates that hold", standard, pass.Budget{Keep: .9}, 1, func(n int) bool { return n == 1 }, cyclesOfInt8},
		{"estimates that are too low", standard, pass.Budget{Keep: .9}, 1.1, func(n int) bool { return n > 1 }, cyclesOfInt8},
		{"a budget that leaves nothing as fast", odd, pass.Budget{Bits: 2}, 1.1, func(n int) bool { return n == 1 }, math.Inf(1)},
		{"nothing counts", standard, pass.Budget{Keep: .9}, 0, func(n int) bool { return n == 0 }, math.Inf(1)},
		{"free", standard, pass.Budget{Keep: .9, FreeCycles: true}, 1.1, func(n int) bool { return n == 0 }, math.Inf(1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, env := slowCodes(t), environment(t)
			env.Reference, env.Formats, env.Budget = &ir.Module{}, c.formats, c.budget
			asked, first := 0, 0.
			env.Count = func(_ context.Context, m *ir.Module) (pass.Taken, error) {
				switch {
				case c.excess == 0:
					return pass.Taken{}, errors.New("nothing counts")
				case m == env.Reference:
					return pass.Taken{Instructions: cyclesOfInt8}, nil
				}
				asked++
				sum := 0.
				for l, n := range m.Layers() {
					e, _ := n.Elem(ir.AttrBits)
					sum += o.speed(l, e)
				}
				if asked == 1 && c.excess > 1 {
					first = sum
					sum = cyclesOfInt8 * c.excess
				} else if asked > 1 {
					assert.Less(t, sum, first/c.excess, "the limit falls by the excess")
				}
				return pass.Taken{Instructions: int(math.Ceil(sum))}, nil
			}
			s := o.search(env)
			way, err := findMethod("qed")
			require.NoError(t, err)
			n, err := s.search(all, way)
			require.NoError(t, err)
			n, err = s.counted(all, way, n)
			require.NoError(t, err)
			assert.True(t, c.asked(asked), "%d networks are counted", asked)
			got := env.Report.Counted
			if asked == 0 {
				assert.Nil(t, got)
				return
			}
			assert.Equal(t, cyclesOfInt8, got.Int8.Instructions)
			assert.LessOrEqual(t, float64(got.Own.Instructions), c.most)
			if asked > 1 {
				assert.InDelta(t, o.cyclesOf(n), got.Own.Instructions, 1, "the count is of the choice")
			}
		})
	}
}

// TestInt8ShipsWhereNothingIsLess: where all choices are counted above int8, in instructions or in
// flash, int8 itself is the network, measured as any other; a size or formats of the user's come first.
func TestInt8ShipsWhereNothingIsLess(t *testing.T) {
	standard, err := Formats(Default)
	require.NoError(t, err)
	odd := []ir.Elem{ir.OddOf(2), ir.OddOf(3), ir.OddOf(4)}
	i8, int8 := ir.Of(ir.I8), pass.Taken{Instructions: cyclesOfInt8, Flash: 2000}
	for _, c := range []struct {
		name    string
		formats []ir.Elem
		budget  pass.Budget
		excess  pass.Taken // of codes over int8
		isInt8  bool
	}{
		{"slower", standard, pass.Budget{Keep: .9}, pass.Taken{Instructions: 1}, true},
		{"larger", standard, pass.Budget{Keep: .9}, pass.Taken{Flash: 1}, true},
		{"equal", standard, pass.Budget{Keep: .9}, pass.Taken{}, false},
		{"smaller, slower", standard, pass.Budget{Keep: .9}, pass.Taken{Instructions: 1, Flash: -9}, true},
		{"a build that is repeated", standard, pass.Budget{Keep: .9, Given: true}, pass.Taken{Instructions: 1}, false},
		{"a size", standard, pass.Budget{Bits: 7}, pass.Taken{Instructions: 1}, false},
		{"formats", odd, pass.Budget{Keep: .9}, pass.Taken{Instructions: 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, env := slowCodes(t), environment(t)
			o.speed = func(l int, e ir.Elem) float64 { return float64(layerWeights[l]) } // by the estimates all are equal
			o.bounds = func([]quant.Format) measure.Bound {
				return measure.Bound{Estimate: measure.Estimate{Value: .95}, Items: 7}
			}
			env.Reference, env.Formats, env.Budget = &ir.Module{}, c.formats, c.budget
			env.Count = func(_ context.Context, m *ir.Module) (pass.Taken, error) {
				for _, n := range m.Layers() {
					if e, _ := n.Elem(ir.AttrBits); e != i8 {
						return pass.Taken{Instructions: int8.Instructions + c.excess.Instructions, Flash: int8.Flash + c.excess.Flash}, nil
					}
				}
				return int8, nil
			}
			s := o.search(env)
			way, err := findMethod("qed")
			require.NoError(t, err)
			n, err := s.search(all, way)
			require.NoError(t, err)
			n, err = s.counted(all, way, n)
			require.NoError(t, err)
			assert.Equal(t, c.isInt8, !slices.ContainsFunc(elems(n.Formats), func(e ir.Elem) bool { return e != i8 }))
			if !c.isInt8 {
				assert.Equal(t, int8.Instructions+c.excess.Instructions, env.Report.Counted.Own.Instructions)
				return
			}
			assert.Equal(t, &pass.Counted{Own: int8, Int8: int8}, env.Report.Counted)
			assert.Equal(t, 288+3600+500, n.Bytes)
			assert.Positive(t, n.KL)
			assert.Equal(t, 7, env.Report.Kept.Judged, "the estimate is of the network that ships")
			assert.False(t, env.Report.Kept.IsBelow)
		})
	}
}

// TestLimitedLayersMayStayInInt8: a layer takes int8 where that is the only format which is
// exact enough and as fast.
func TestLimitedLayersMayStayInInt8(t *testing.T) {
	standard, err := Formats(Default)
	require.NoError(t, err)
	o, env := slowCodes(t), environment(t)
	env.Reference, env.Formats = &ir.Module{}, standard
	for l, row := range o.search(env).menu {
		assert.Contains(t, row, ir.Of(ir.I8), "layer %d", l)
	}
	env.Reference = nil
	for l, row := range o.search(env).menu {
		assert.NotContains(t, row, ir.Of(ir.I8), "layer %d, without a limit", l)
	}
}

// TestRelaxGivesWay: a default limit ends above what the slowest formats take; a bound of the
// user's never gives way.
func TestRelaxGivesWay(t *testing.T) {
	o, env := slowCodes(t), environment(t)
	env.Reference = &ir.Module{}
	s := o.search(env)
	for range 10 {
		if !s.relax() {
			break
		}
	}
	assert.False(t, s.bounded())
	assert.False(t, s.relax())
	env.Budget.Cycles = 1e6
	s = o.search(env)
	assert.False(t, s.relax())
	assert.InDelta(t, 1e6, s.most, 0)
}

// TestFormatsNeedRoom: formats whose kernels do not fit the arena are left out, unless none fits.
func TestFormatsNeedRoom(t *testing.T) {
	o, env := newMadeUp(t), environment(t)
	o.room = func(l int, e ir.Elem) bool { return l == 0 && bitsOf(e) > 2 }
	menu := o.search(env).menu
	assert.Equal(t, []ir.Elem{ir.OddOf(3), ir.OddOf(4)}, menu[0])
	assert.Len(t, menu[1], 4, "none fits")
}

// TestLimitOfRAM: the arena of int8 is what plans aim at, unless the user says otherwise.
func TestLimitOfRAM(t *testing.T) {
	for _, c := range []struct {
		budget pass.Budget
		want   int
	}{{pass.Budget{}, 4096}, {pass.Budget{RAM: 5000}, 0}, {pass.Budget{FreeRAM: true}, 0}, {pass.Budget{Bits: 4}, 0}, {pass.Budget{Keep: .99, Promised: true}, 0}, {pass.Budget{Keep: .99}, 4096}} {
		m, env := madeUpModule(t), environment(t)
		env.Budget = c.budget
		env.Uniform = func(_ context.Context, _ *ir.Module, e ir.Elem) (*ir.Module, error) {
			assert.Equal(t, ir.Of(ir.I8), e)
			return &ir.Module{Arena: ir.Arena{Bytes: 4096, Align: 8}}, nil
		}
		require.NoError(t, limits(all, m, env))
		assert.Equal(t, c.want, m.Within)
		assert.NotNil(t, env.Reference)
		env.Uniform = nil
		require.NoError(t, limits(all, m, env))
		assert.Zero(t, m.Within)
		assert.Nil(t, env.Reference)
	}
}
