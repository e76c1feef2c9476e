package machine_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/machine"
)

// TestCyclesAreNearCounts holds the cost model to instructions counted under the
// emulator, in millions.
func TestCyclesAreNearCounts(t *testing.T) {
	type layer struct {
		weight ir.Shape
		side   int // of the image; 0 for a linear layer
		groups int
	}
	conv, wide, full, one := layer{ir.Shape{32, 32, 3, 3}, 32, 1}, layer{ir.Shape{128, 128, 3, 3}, 8, 1}, layer{ir.Shape{500, 800}, 0, 1}, layer{ir.Shape{64, 32, 1, 1}, 32, 1}
	first := layer{ir.Shape{32, 3, 3, 3}, 32, 1}
	depthwise := layer{ir.Shape{32, 1, 3, 3}, 32, 32}
	for _, c := range []struct {
		target string
		layer  layer
		format string
		counts float64
	}{
		{"armv7em", conv, "i8", 8.03}, {"armv7em", conv, "odd4", 8.04}, {"armv7em", conv, "odd2", 6.81}, {"armv7em", conv, "odd1", 3.98},
		{"armv7em", full, "i8", .370}, {"armv7em", full, "odd4", .518}, {"armv7em", full, "odd1", .249}, {"armv7em", full, "odd2", .291}, {"armv7em", full, "vec8x8", .499}, {"armv7em", one, "i8", 2.36}, {"armv7em", depthwise, "i8", 1.23},
		{"armv7em", one, "odd2", 2.31}, {"armv7em", first, "i8", 1.43}, {"armv7em", first, "odd4", 1.40}, {"armv7em", first, "odd1", 1.40}, {"armv7em", conv, "odd3", 8.04},
		{"armv7em", wide, "vec4x8", 2.94}, {"armv7em", wide, "vec4x16", 1.86}, {"armv7em", wide, "vec6x8", 6.59}, {"armv7em", wide, "odd1", 3.30}, {"armv7em", wide, "odd2", 5.95},
		{"armv7em", full, "vec4x8", .208}, {"armv7em", full, "vec4x16", .117}, {"armv7em", full, "vec6x16", .203}, {"armv7em", full, "vec6x8", .300},
		{"armv7m", conv, "i8", 19.57}, {"armv7m", conv, "odd4", 12.38}, {"armv7m", full, "i8", .933}, {"armv7m", full, "odd4", .635}, {"armv7m", full, "odd1", .264}, {"armv7m", full, "vec8x8", .666}, {"armv7m", one, "i8", 4.93},
		{"armv7m", one, "odd2", 2.86}, {"armv7m", first, "odd4", 1.59}, {"armv7m", first, "odd1", 1.52}, {"armv7m", conv, "odd3", 11.83}, {"armv7m", conv, "odd1", 4.04}, {"armv7m", conv, "odd2", 7.39},
		{"armv7m", wide, "vec4x8", 3.50}, {"armv7m", wide, "vec4x16", 2.15}, {"armv7m", wide, "vec6x8", 6.91}, {"armv7m", wide, "odd1", 3.43}, {"armv7m", wide, "odd2", 6.61},
		{"armv7", conv, "i8", 2.69}, {"armv7", conv, "odd4", 2.44}, {"armv7", conv, "odd1", 1.25}, {"armv7", first, "i8", .378}, {"armv7", first, "odd4", .380}, {"armv7", first, "odd1", .274}, {"armv7", full, "i8", .117}, {"armv7", full, "odd1", .097},
		{"armv7", wide, "vec6x8", .965}, {"armv7", wide, "vec4x16", .404}, {"armv7", full, "vec4x8", .053}, {"armv7", full, "vec4x16", .030}, {"armv7", full, "vec6x16", .166},
		{"armv8.1m", conv, "i8", 1.25}, {"armv8.1m", conv, "odd2", 1.25}, {"armv8.1m", full, "i8", .061}, {"armv8.1m", one, "i8", .473}, {"armv8.1m", depthwise, "i8", .203},
		{"armv8.1m", wide, "i8", 1.13}, {"armv8.1m", wide, "odd1", 1.20}, {"aarch64+dotprod", wide, "i8", .746}, {"aarch64+dotprod", conv, "i8", .800}, {"aarch64+dotprod", one, "i8", .269}, {"aarch64+dotprod", first, "i8", .150},
		{"aarch64", conv, "i8", 2.37}, {"aarch64", full, "i8", .101}, {"aarch64", one, "i8", .625}, {"aarch64", depthwise, "i8", .149}, {"aarch64", depthwise, "odd4", .120},
		{"armv7", one, "i8", .832}, {"armv7", depthwise, "i8", .187},
		{"armv6m", one, "i8", 9.98}, {"armv6m", one, "odd4", 7.92}, {"armv6m", one, "odd2", 7.37}, {"armv6m", full, "i8", 1.33}, {"armv6m", full, "odd2", .880},
		{"armv6m", depthwise, "i8", 4.35}, {"riscv32", depthwise, "i8", 1.99},
	} {
		tgt, err := processor.Find(c.target)
		require.NoError(t, err)
		e, ok := ir.ParseElem(c.format)
		require.True(t, ok)
		n := &ir.Node{Op: ir.Linear, Args: []*ir.Value{{Type: ir.Type{Shape: ir.Shape{c.layer.weight[1] * c.layer.groups, c.layer.side, c.layer.side}}}}}
		n.Out = &ir.Value{Type: ir.Type{Shape: ir.Shape{c.layer.weight[0]}}}
		if c.layer.side > 0 {
			n.Op = ir.Conv2D
			n.Out.Type.Shape = ir.Shape{c.layer.weight[0], c.layer.side, c.layer.side}
			n.Put(ir.AttrGroups.Is(c.layer.groups))
			side := c.layer.weight[2] / 2
			n.Put(ir.AttrPad.Is([]int{side, side, side, side}))
			n.Put(ir.AttrDilation.Is([]int{1, 1}))
			n.Put(ir.AttrStride.Is([]int{1, 1}))
		}
		n.Put(ir.AttrWeight.Is(&ir.Const{Type: ir.Type{Shape: c.layer.weight}}))
		got := machine.Cycles(n, tgt, e) / 1e6
		t.Logf("%s %v %s: %.3f, counted %.3f (%+.0f %%)", c.target, c.layer.weight, c.format, got, c.counts, 100*(got/c.counts-1))
		assert.InEpsilon(t, c.counts, got, .2, "%s %v %s", c.target, c.layer.weight, c.format)
	}
}

// TestEstimate: spectrograms, recurrences and histories have an estimate where it is held to counts; what has none is
// not estimated as nothing.
func TestEstimate(t *testing.T) {
	typ := ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{8, 1, 1}, Quant: ir.Quant{Scale: 1}}
	n := &ir.Node{Op: ir.History, Args: []*ir.Value{{Name: "x", Type: typ}}}
	typ.Shape = ir.Shape{8, 3, 1}
	n.Out = &ir.Value{Name: "y", Def: n, Type: typ}
	n.Put(ir.AttrAxis.Is(1), ir.AttrFrames.Is(3), ir.AttrBack.Is(2), ir.AttrApart.Is(1))
	sum := &ir.Node{Op: ir.Add, Args: []*ir.Value{n.Out, n.Out}, Out: &ir.Value{Name: "z", Type: typ}}
	for name, want := range map[string]bool{"armv7em": true, "armv7m": true, "armv7": false, "riscv32": false} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		cycles, isKnown := machine.Estimate(n, tgt)
		assert.Equal(t, want, isKnown, name)
		assert.Equal(t, want, cycles > 0, name)
		_, isKnown = machine.Estimate(sum, tgt)
		assert.False(t, isKnown, name)
	}
}
