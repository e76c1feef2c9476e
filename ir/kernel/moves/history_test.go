package moves_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/moves"
	"github.com/dnnc/dnnc/ir/processor"
)

// TestHistoryCyclesAreNearCounts: instructions of Cortex-M4 in streams, by dnnc bench; all of them together within a
// tenth, each within a sixth.
func TestHistoryCyclesAreNearCounts(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	sum, counts := 0., 0.
	for _, c := range []struct {
		channels, news, frames, back, apart int
		count                               float64
	}{
		{40, 1, 3, 2, 1, 208}, {128, 1, 5, 4, 1, 298}, {128, 1, 10, 9, 1, 528}, {128, 1, 15, 14, 1, 756}, // MLPerf's wake word
		{16, 1, 3, 2, 1, 88}, {16, 1, 3, 8, 4, 83}, {16, 1, 5, 4, 1, 110}, {16, 1, 1, 2, 1, 46}, {64, 1, 10, 9, 1, 354},
		{16, 8, 10, 2, 1, 331}, {16, 8, 16, 8, 1, 158}, {16, 8, 12, 4, 1, 222}, {16, 8, 8, 2, 1, 235}, {64, 8, 17, 9, 1, 1049},
	} {
		typ := ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{c.channels, c.news, 1}, Quant: ir.Quant{Scale: 1}}
		n := &ir.Node{Op: ir.History, Args: []*ir.Value{{Name: "x", Type: typ}}}
		typ.Shape = ir.Shape{c.channels, c.frames, 1}
		n.Out = &ir.Value{Name: "y", Def: n, Type: typ}
		n.Put(ir.AttrAxis.Is(1), ir.AttrFrames.Is(c.frames), ir.AttrBack.Is(c.back), ir.AttrApart.Is(c.apart))
		(&ir.Module{}).NewStates(n, func(name string) string { return name }, 0, 0)
		p, ok := moves.History.Serves(kernel.Of(n, tgt))
		require.True(t, ok)
		assert.InDelta(t, 1, p.Cycles()/c.count, .17, "%+v: %.0f", c, p.Cycles())
		sum, counts = sum+p.Cycles(), counts+c.count
	}
	assert.InDelta(t, 1, sum/counts, .1)
}
