package depthwise_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/depthwise"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
)

func TestPlans(t *testing.T) {
	kerneltest.Plans(t, "plans.txt", []*kernel.Family{&depthwise.Conv}, []kerneltest.Case{
		{"32,32,32 32 3x3 pad=1,1,1,1 groups=32", "i8 odd1 odd4", "armv7em armv6m armv7 armv8.1m x86_64"},
		{"20,5,6 20 3x3 pad=1,1,1,1 groups=20", "i8 odd1 odd2 odd3 odd4 odd8", "armv7em armv6m armv7 armv8.1m x86_64"},
		{"16,6,5 16 3x2 pad=0,1,2,0 groups=16 stride=2,1 zero=-128 relu", "i8 odd4", "armv7em armv6m armv7 armv8.1m x86_64"},
		{"7,6,7 7 2x2 groups=7 pool=2,2 tflite", "i8 odd5", "armv7em armv6m armv7 armv8.1m x86_64"},
		{"5,3,3 5 5x5 pad=2,2,3,2 groups=5 zero=127", "i8 odd7", "armv7em armv7 armv8.1m"},
		{"1,6,6 1 3x3 pad=0,0,0,1", "i8 odd2", "armv7em armv7"},
		{"16,8,8 16 3x3 pad=2,2,2,2 groups=16 unroll=1", "i8 odd1", "armv7em armv8.1m"},
		{"32,32,32 32 3x3 pad=1,1,1,1 groups=32 words result16", "i8 odd4", "armv7em armv6m armv7 armv8.1m x86_64"},
		{"6,5,6 6 3x3 pad=1,0,2,1 groups=6 words result16", "i8 odd2", "armv7em armv7 riscv32"},
		{"13,6,7 13 3x2 groups=13 stride=2,1 pool=2,2 words relu", "i8 odd3", "armv7em armv8.1m"},
		{"8,6,6 8 5x5 pad=2,2,2,2 groups=8 result16", "i8 odd4", "armv7em armv7"},
		{"8,6,6 8 3x3 groups=4", "i8", "armv7em"},
		{"8,6,6 16 3x3 groups=8", "i8", "armv7em"},
		{"8,6,6 8 3x3 groups=8 wide", "i8", "armv7em"},
		{"8,6,6 8 3x3 groups=8 pad=1,1,1,1 padvalue", "i8", "armv7em"},
		{"8,6,6 8 3x3 groups=8 dilation=1,2", "i8", "armv7em"},
		{"8,6,6 8 3x3 groups=8", "vec4x8 code4", "armv7em"},
	})
}
