package micro_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/micro"
)

var scalar = []string{"i8", "i8", "odd1", "odd2", "odd3", "odd4", "odd5", "odd6", "odd7", "odd8", "i2", "i3", "i4", "i5", "i6", "i7"}

var targets = []string{"armv7em", "armv7m", "armv6m", "armv7", "aarch64", "aarch64+dotprod", "armv8.1m", "x86_64+avx2", "riscv32"}

func TestConvolutions(t *testing.T) {
	kerneltest.Family(t, &micro.Conv, 40, kerneltest.Layer{Pools: true, Formats: scalar}.Draw, targets...)
}

func TestLinearLayers(t *testing.T) {
	kerneltest.Family(t, &micro.Linear, 30, kerneltest.Layer{Linear: true, Formats: scalar}.Draw, targets...)
}

func TestBlocks(t *testing.T) {
	l := kerneltest.Layer{Pools: true, Formats: []string{"odd3", "odd5", "odd6", "odd7", "i3", "i6", "i7", "vec4x8", "vec3x5", "vec8x4", "code3", "code8"}}
	kerneltest.Family(t, &micro.Blocks, 40, l.Draw, "armv7em", "armv7m", "armv6m", "riscv32")
}
