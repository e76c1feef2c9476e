package depthwise_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/depthwise"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/processor"
)

func TestDepthwise(t *testing.T) {
	l := kerneltest.Layer{Depthwise: true, Pools: true, Results: true, Formats: []string{"i8", "i8", "odd1", "odd2", "odd3", "odd4", "odd5", "odd8", "i2", "i5", "i7"}}
	kerneltest.Family(t, &depthwise.Conv, 60, l.Draw, "armv7em", "armv6m", "armv7", "armv8.1m", "x86_64")
}

// TestRoom: with less room, fewer channels are decoded and gathered at a time.
func TestRoom(t *testing.T) {
	for _, c := range []struct {
		layer, format, target string
		room, block           int
	}{
		{"32,5,6 32 3x3 pad=1,1,1,1 groups=32 zero=3", "i8", "armv7em", 500, 16},
		{"32,5,6 32 3x3 pad=1,1,1,1 groups=32", "odd3", "armv7em", 431, 8},
		{"32,5,6 32 3x3 pad=1,0,1,2 groups=32 stride=2,2 relu", "odd4", "armv6m", 1, 8},
		{"24,6,6 24 3x2 groups=24 pool=2,2 tflite", "odd8", "riscv32", 100, 8},
		{"16,6,7 16 5x5 pad=2,2,2,2 groups=16 pool=1,2 zero=-128", "odd2", "armv7m", 600, 8},
		{"16,6,7 16 3x3 pad=1,1,1,1 groups=16 unroll=1", "odd1", "armv7em", 300, 8},
		{"24,5,5 24 3x3 pad=1,1,1,1 groups=24", "i8", "armv7em", 648, 24},
		{"32,5,6 32 3x3 pad=1,1,1,1 groups=32 words result16", "odd4", "armv7em", 650, 16},
		{"16,6,7 16 3x3 pad=1,0,1,1 groups=16 words", "i8", "riscv32", 1, 8},
		{"20,5,5 20 3x3 pad=1,1,1,1 groups=20", "i8", "armv7em", 1, 20}, // no block of eights
		{"16,5,5 16 3x3 pad=1,1,1,1 groups=16", "i8", "armv7", 1, 16},   // vectors
	} {
		tgt, err := processor.Find(c.target)
		require.NoError(t, err)
		m := kerneltest.Module(t, c.layer, c.format)
		p, ok := depthwise.Conv.Serves(kernel.Of(m.Ops[0], tgt).Within(c.room))
		require.True(t, ok, c.layer)
		assert.Equal(t, c.block, p.(depthwise.Plan).Block, c.layer)
		whole, _ := depthwise.Conv.Serves(kernel.Of(m.Ops[0], tgt))
		if p != whole {
			assert.Less(t, p.Scratch(), whole.Scratch(), c.layer)
			assert.Greater(t, p.Cycles(), whole.Cycles(), c.layer)
		}
		kerneltest.Plan(t, &depthwise.Conv, p, m, tgt)
	}
}
