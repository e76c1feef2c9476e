package families_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/processor"
)

// TestTable: names are unique, and each family is found by its name.
func TestTable(t *testing.T) {
	for _, f := range families.Table {
		assert.Same(t, f, families.Find(f.Name), f.Name)
		assert.NotEmpty(t, f.Doc, f.Name)
	}
	assert.Nil(t, families.Find("conv"))
	assert.NoError(t, ir.Whole(), "each core operation has a family")
}

// TestEstimatesGrow: a layer that is larger in one way, with the weights and the plan of
// its family, is estimated to take more instructions, and at most a third more than in
// proportion.
func TestEstimatesGrow(t *testing.T) {
	conv := func(in, out, rows, cols int) string {
		return fmt.Sprintf("%d,%d,%d %d 3x3 pad=1,1,1,1", in, rows, cols, out)
	}
	grown := map[string][2]string{
		"output channels":    {conv(32, 32, 16, 16), conv(32, 64, 16, 16)},
		"rows":               {conv(32, 32, 16, 16), conv(32, 32, 32, 16)},
		"columns":            {conv(32, 32, 16, 16), conv(32, 32, 16, 32)},
		"input channels":     {conv(32, 32, 16, 16), conv(64, 32, 16, 16)},
		"depthwise channels": {"32,16,16 32 3x3 groups=32 pad=1,1,1,1", "64,16,16 64 3x3 groups=64 pad=1,1,1,1"},
		"depthwise rows":     {"32,16,16 32 3x3 groups=32 pad=1,1,1,1", "32,32,16 32 3x3 groups=32 pad=1,1,1,1"},
		"outputs":            {"256 128", "256 256"},
		"inputs":             {"256 128", "512 128"},
	}
	served := map[string]bool{}
	for _, tgt := range processor.All() {
		if testing.Short() && !slices.Contains([]string{"armv7em", "armv7", "armv8.1m", "riscv32"}, tgt.Name) {
			continue
		}
		for _, format := range []string{"i8", "odd1", "odd2", "odd3", "odd4", "odd6", "vec4x8", "code4"} {
			for name, pair := range grown {
				small, large := kerneltest.Module(t, pair[0], format).Ops[0], kerneltest.Module(t, pair[1], format).Ops[0]
				e := small.Const(ir.AttrWeight).Type.Elem
				for _, f := range families.Table {
					p, ok := f.Serves(kernel.Suppose(small, tgt, e))
					q, also := f.Serves(kernel.Suppose(large, tgt, e))
					if !ok || !also {
						continue
					}
					served[f.Name] = true
					ratio := q.Cycles() / p.Cycles()
					least := 1.
					if q.Scratch() > p.Scratch() { // larger activations permit larger tables, and a better plan
						least = .9
					}
					assert.Greater(t, ratio, least, "%s %s %s: %s", f.Name, tgt.Name, format, name)
					assert.Less(t, ratio, 2*4./3, "%s %s %s: %s", f.Name, tgt.Name, format, name)
				}
			}
		}
	}
	for _, f := range families.Table {
		if f.Op.HasWeights() {
			assert.True(t, served[f.Name], "no layer of %s", f.Name)
		}
	}
}

// TestRestore: attributes that are no plan are diagnostics with a way out.
func TestRestore(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	n := kerneltest.Module(t, "16,4,4 8 3x3", "i8").Ops[0]
	f := families.Find("conv_micro")
	p, ok := f.Serves(kernel.Of(n, tgt))
	require.True(t, ok)
	f.Assign(n, p)
	again, err := families.Restore(n, tgt)
	require.NoError(t, err)
	assert.Equal(t, p, again)
	for _, c := range []struct {
		want string
		edit func()
	}{
		{`no kernel "linear_micro" computes conv2d`, func() { n.Put(ir.AttrImpl.Is("linear_micro")) }},
		{`no kernel "conv" computes conv2d`, func() { n.Put(ir.AttrImpl.Is("conv")) }},
		{`conv_micro: no product "mlal" with tile [2 2] on armv7em`, func() { n.Put(ir.AttrMultiply.Is("mlal")) }},
		{`conv_micro: smlad_nested has no tile [2 3]`, func() { n.Put(ir.AttrTile.Is([]int{2, 3})) }},
		{`conv_micro: scratch of 8 bytes, where tile [2 2] takes 576`, func() { n.Put(ir.AttrScratch.Is([]int{0, 8})) }},
		{`conv_micro: scratch of 0 bytes, where tile [2 2] takes 576`, func() { n.Drop(ir.AttrScratch) }},
		{`conv_tile: a tile of 3 numbers, not of 2`, func() { n.Put(ir.AttrImpl.Is("conv_tile")); n.Put(ir.AttrTile.Is([]int{2, 8, 1})) }},
		{`conv_tile: a tile with numbers below 1: [0 8]`, func() { n.Put(ir.AttrImpl.Is("conv_tile")); n.Put(ir.AttrTile.Is([]int{0, 8})) }},
		{`conv_tile: no plan with tile [9 8]`, func() { n.Put(ir.AttrImpl.Is("conv_tile")); n.Put(ir.AttrTile.Is([]int{9, 8})) }},
		{`conv_tile: product "smlad_nested" and tile [2 8], where the plan has "" and [2 8]`, func() { n.Put(ir.AttrImpl.Is("conv_tile")); n.Put(ir.AttrTile.Is([]int{2, 8})) }},
	} {
		f.Assign(n, p)
		c.edit()
		_, err := families.Restore(n, tgt)
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d, c.want)
		assert.ErrorContains(t, err, c.want)
		assert.Contains(t, d.Help, "-start-after fuse-pool")
	}
}
