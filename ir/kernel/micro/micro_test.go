package micro_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/micro"
	"github.com/dnnc/dnnc/ir/processor"
)

var scalar = []string{"i8", "i8", "odd1", "odd2", "odd3", "odd4", "odd5", "odd6", "odd7", "odd8", "i2", "i3", "i4", "i5", "i6", "i7"}

var targets = []string{"armv7em", "armv7m", "armv6m", "armv7", "aarch64", "aarch64+dotprod", "aarch64+i8mm", "armv8.1m", "x86_64+avx2", "riscv32"}

func TestConvolutions(t *testing.T) {
	kerneltest.Family(t, &micro.Conv, 40, kerneltest.Layer{Pools: true, Formats: scalar}.Draw, targets...)
}

// TestWideLayers: arguments and results of 16 bits, by the product of halves.
func TestWideLayers(t *testing.T) {
	kerneltest.Family(t, &micro.Conv, 60, kerneltest.Layer{Pools: true, Results: true, Formats: scalar}.Draw, "armv7em")
	kerneltest.Family(t, &micro.Linear, 40, kerneltest.Layer{Linear: true, Results: true, Formats: scalar}.Draw, "armv7em")
}

func TestLinearLayers(t *testing.T) {
	kerneltest.Family(t, &micro.Linear, 30, kerneltest.Layer{Linear: true, Formats: scalar}.Draw, targets...)
}

// TestInPlace: linear layers of a Cortex-M without room for a column read their inputs where they lie.
func TestInPlace(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	for _, c := range []struct {
		layer, format string
		served        bool
	}{
		{"640 128", "i8", true}, {"36 4", "i8", true}, {"4 2", "i8", true}, {"12 6 zero=5", "i8", true}, {"8,2,3 8", "i8", true}, {"20 12 tflite", "i8", true},
		{"35 17", "i8", false}, {"36 7", "i8", false}, {"36 4", "odd8", false}, {"36 4", "odd4", false}, {"8,2,3 8 1x1", "i8", false},
	} {
		m := kerneltest.Module(t, c.layer, c.format)
		n := m.Ops[0]
		f := &micro.Linear
		if n.Op == ir.Conv2D {
			f = &micro.Conv
		}
		p, ok := f.Serves(kernel.Of(n, tgt).Within(0))
		require.Equal(t, c.served, ok, "%s %s", c.layer, c.format)
		if ok {
			assert.Zero(t, p.Scratch())
			assert.Equal(t, "smlad_in_place", p.Attrs().Product)
			kerneltest.Plan(t, f, p, m, tgt)
		}
	}
}

func TestBlocks(t *testing.T) {
	l := kerneltest.Layer{Pools: true, Formats: []string{"odd3", "odd5", "odd6", "odd7", "i3", "i6", "i7", "vec4x8", "vec3x5", "vec8x4", "code3", "code8"}}
	kerneltest.Family(t, &micro.Blocks, 40, l.Draw, "armv7em", "armv7m", "armv6m", "riscv32")
}

// TestBytes: layers of 8 bits on a Cortex-M4 with room for a column of bytes, but not of halves.
func TestBytes(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	for _, c := range []struct{ layer, format string }{
		{"8,5,5 8 3x3 pad=1,1,1,1", "i8"}, {"5,5,5 7 3x3 pad=1,1,1,1 zero=9", "odd8"}, {"3,4,6 6 3x3 pool=1,2", "i8"}, {"22,3,4 9 1x1 relu", "i8"},
		{"12,3,4 9 3x3 groups=3 pad=1,0,1,2 padvalue", "i8"}, {"7,4,4 5 2x2 tflite", "i8"}, {"35 17", "i8"}, {"37 9", "odd8"}, {"18 12", "i8"},
	} {
		m := kerneltest.Module(t, c.layer, c.format)
		n := m.Ops[0]
		f, k := &micro.Linear, kernel.Of(n, tgt).K()
		if n.Op == ir.Conv2D {
			f = &micro.Conv
		}
		p, ok := f.Serves(kernel.Of(n, tgt).Within((k + 1) / 2 * 2))
		require.True(t, ok, "%s %s", c.layer, c.format)
		assert.Equal(t, "smlad_bytes", p.Attrs().Product, "%s %s", c.layer, c.format)
		kerneltest.Plan(t, f, p, m, tgt)
	}
}

// TestMatMul: products of computed matrices: of one and of several, of sizes that tiles divide and do not.
func TestMatMul(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&micro.MatMul}, []string{
		"matmul(m, transpose(m, perm: [1,0]))",
		"matmul(transpose(m, perm: [1,0]), m)",
		"matmul(a, b)",
		"matmul(a, b, act: relu)",
		"matmul(reshape(a, shape: [4,9,4]), reshape(b, shape: [4,4,9]))",
		"matmul(reshape(a, shape: [4,2,18]), reshape(b, shape: [4,18,2]))",
		"matmul(reshape(a, shape: [6,24]), reshape(b, shape: [24,6]))",
		"matmul(reshape(a, shape: [2,72]), reshape(b, shape: [72,2]))",
		"matmul(reshape(a, shape: [8,18]), reshape(b, shape: [18,8]))",
	}, "armv7em", "armv7m", "armv7", "aarch64", "aarch64+dotprod", "armv8.1m", "x86_64+avx2", "riscv32")
}
