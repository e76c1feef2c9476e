package lookup_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/lookup"
)

func TestPlans(t *testing.T) {
	kerneltest.Plans(t, "plans.txt", []*kernel.Family{&lookup.Linear, &lookup.Conv}, []kerneltest.Case{
		{"800 500", "odd1 odd2 odd4 vec4x8 vec4x16 vec6x8 vec8x8", "armv7em armv7m riscv32 armv7 armv8.1m x86_64"},
		{"128,8,8 128 3x3 pad=1,1,1,1", "vec4x8 vec4x16 vec6x8 vec8x4", "armv7em armv6m armv7 armv8.1m"},
		{"48 40 relu", "odd1 odd2 odd3 odd4 vec4x8 vec4x16 vec6x7 vec3x5 vec8x4 vec7x9", "armv7em armv7m riscv32 armv7 armv8.1m x86_64"},
		{"30 9 zero=-128 tflite", "odd1 odd2 odd3 vec4x8 vec3x5", "armv7em riscv32 armv7"},
		{"4,3,5 33 zero=127", "odd1 odd4 vec4x16 vec7x9", "armv7em armv7 armv8.1m"},
		{"64 16 unroll=1", "odd2 vec4x8 vec8x4", "armv7em armv7 x86_64"},
		{"16,6,5 24 3x3 pad=1,1,1,1", "vec4x8 vec4x16 vec6x8 vec3x5 vec8x4 vec5x2", "armv7em armv6m armv7 armv8.1m"},
		{"9,5,6 8 2x3 pool=2,2 stride=1,2 pad=1,0,0,1 relu zero=5", "vec4x8 vec3x5", "armv7em armv6m armv7 armv8.1m"},
		{"20,4,4 17 1x1 tflite", "vec4x8 vec5x2", "armv7em armv7 armv8.1m"},
		{"20,8,8 48 3x3 pad=2,2,2,2 unroll=1", "vec4x16", "armv7em armv7"},
		{"64 7", "odd1 vec4x8", "armv7em"},
		{"64 8", "odd1 vec4x8 i8 code4 odd5", "armv7em armv7"},
		{"65 8", "odd1 odd2 vec4x8", "armv7em"},
		{"64 8 wide", "odd1 vec4x8", "armv7em"},
		{"16,6,5 7 3x3", "vec4x8", "armv7em"},
		{"16,6,5 8 3x3", "vec4x8 code4 odd2", "armv7em"},
		{"16,6,5 8 3x3 groups=2", "vec4x8", "armv7em"},
		{"16,6,5 8 3x3 dilation=1,2", "vec4x8", "armv7em"},
		{"16,6,5 8 3x3 padvalue pad=1,1,1,1", "vec4x8", "armv7em"},
		{"16,6,5 8 3x3 wide", "vec4x8", "armv7em"},
		{"8,24,32 8 3x3", "vec8x8", "armv7em"},
		{"8,8,32 8 3x3", "vec7x8 vec8x8", "armv7em"},
		{"8,8,16 8 3x3", "vec8x8", "armv7em"},
		{"8,8,17 8 3x3", "vec8x8", "armv7em"},
	})
}
