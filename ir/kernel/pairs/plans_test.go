package pairs_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/pairs"
)

func TestPlans(t *testing.T) {
	kerneltest.Plans(t, "plans.txt", []*kernel.Family{&pairs.Conv}, []kerneltest.Case{
		{"32,32,32 32 3x3 pad=1,1,1,1", "odd1 odd2 odd4 vec4x8", "armv7em armv7m riscv32 riscv64"},
		{"128,8,8 128 3x3 pad=1,1,1,1", "odd1 odd2 vec4x8 vec4x16 vec6x8", "armv7em armv7m riscv32"},
		{"16,6,5 9 3x3 pad=1,1,1,1 relu", "odd1 odd2 odd3 odd4 vec4x8 vec4x16 vec6x8 vec5x2", "armv7em armv7m riscv32"},
		{"8,8,6 8 3x3 pool=2,2 zero=-128 tflite", "odd1 odd2 vec4x8", "armv7em riscv32"},
		{"12,7,5 5 2x3 pad=2,1,0,2 dilation=2,1 zero=127", "odd1 odd4 vec4x4", "armv7em"},
		{"16,12,3 4 1x1 unroll=1", "odd1 odd2 vec4x16", "armv7em riscv64"},
		{"64,4,4 4 3x3 pad=1,1,1,1", "odd1 odd2 odd4 vec3x5 vec4x16", "armv7em"},
		{"32,8,9 3 1x3 pool=1,3", "odd1 odd2 vec2x4", "armv7em"},
		{"16,1,6 4 1x1", "odd1", "armv7em"},
		{"16,2,6 4 1x1", "odd1 odd5 i8 code4", "armv7em armv7 armv6m armv8m"},
		{"16,6,6 4 2x2 stride=1,2", "odd1", "armv7em"},
		{"16,6,6 4 2x2 groups=2", "odd1", "armv7em"},
		{"16,6,6 4 2x2 padvalue pad=1,0,0,0", "odd1", "armv7em"},
		{"16,6,6 4 2x2 wide", "odd1", "armv7em"},
		{"15,6,6 4 2x2", "odd1 odd2 vec4x8", "armv7em"},
		{"14,6,6 4 2x2", "odd2 odd4", "armv7em"},
	})
}
