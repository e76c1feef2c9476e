package pixels_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/pixels"
)

func TestPlans(t *testing.T) {
	kerneltest.Plans(t, "plans.txt", []*kernel.Family{&pixels.Conv}, []kerneltest.Case{
		{"32,32,32 32 3x3 pad=1,1,1,1", "odd1 odd2 odd4 odd7 vec4x8", "armv7 aarch64+dotprod"},
		{"128,8,8 128 3x3 pad=1,1,1,1", "odd1 odd2 vec4x8 vec4x16 vec6x8 vec8x4", "armv7 aarch64"},
		{"64,14,14 16 3x3 pad=1,1,1,1", "odd1 vec4x8", "armv7"},
		{"16,6,5 9 3x3 pad=1,1,1,1 relu", "odd1 odd2 odd3 odd4 odd5 odd7 vec4x8 vec4x16 vec6x8 vec3x5", "armv7 aarch64+dotprod"},
		{"8,8,8 24 3x3 pad=1,1,1,1 zero=-128", "odd1 odd4 vec4x8", "armv7 aarch64"},
		{"8,8,10 8 3x3 pool=2,2 zero=127 tflite", "odd1 odd2 vec4x8", "armv7 aarch64"},
		{"8,4,16 17 1x1 pool=2,2", "odd1 odd3 vec3x4", "armv7"},
		{"5,6,7 8 2x3 pad=2,1,0,2 dilation=2,1 padvalue", "odd1 odd4 vec4x4", "armv7"},
		{"24,3,24 8 1x1 unroll=1", "odd1 odd2", "armv7"},
		{"32,9,6 11 1x3 pool=1,2", "odd1 odd2 vec4x8", "armv7"},
		{"16,6,6 7 2x2", "odd1", "armv7"},
		{"16,6,6 8 2x2", "odd1 odd8 i8 code4", "armv7 armv7em armv8.1m x86_64"},
		{"16,6,6 8 2x2 stride=1,2", "odd1", "armv7"},
		{"16,6,6 8 2x2 groups=2", "odd1", "armv7"},
		{"16,6,6 8 2x2 wide", "odd1", "armv7"},
		{"16,12,12 8 1x1 pool=3,1", "odd1", "armv7"},
		{"16,12,12 8 1x1 pool=1,3", "odd1", "armv7"},
		{"16,2,85 8 1x1", "odd1", "armv7"},
		{"16,2,81 8 1x1", "odd1", "armv7"},
		{"16,2,80 8 1x1", "odd1", "armv7"},
	})
}
