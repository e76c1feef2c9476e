package micro_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/micro"
)

const most = "armv7em armv7m armv6m armv7 aarch64 aarch64+dotprod aarch64+i8mm armv8.1m x86_64+avx2 riscv32"

func TestPlans(t *testing.T) {
	kerneltest.Plans(t, "plans.txt", []*kernel.Family{&micro.Conv, &micro.Linear}, []kerneltest.Case{
		{"32,32,32 32 3x3 pad=1,1,1,1", "i8 odd1 odd2 odd3 odd4 odd5 odd8", most},
		{"128,8,8 128 3x3 pad=1,1,1,1", "i8 odd4 odd7", most},
		{"3,32,32 32 3x3 pad=1,1,1,1", "i8 odd4 odd1", most},
		{"32,32,32 64 1x1", "i8 odd2", most},
		{"800 500", "i8 odd1 odd4", most},
		{"6 32", "odd6 odd2", most},
		{"35 17", "i8 odd1 odd3 odd4", most},
		{"35 17", "odd2", "armv7em"},
		{"33,2,1 21 3x2 pad=1,0,1,1 stride=2,2", "odd2 odd4", "armv7em"},
		{"600 9", "odd2 odd4", "armv7em"},
		{"1400 8", "odd2 odd4", "armv7em"},
		{"16,2,3 9 1x1 relu", "i8 odd1 odd2 odd4", most},
		{"5,3,4 10 3x3 pad=1,1,1,1 zero=-128", "i8 odd1 odd3", most},
		{"8,3,5 12 3x2 pool=2,2 pad=0,1,2,0 stride=1,2 tflite", "i8 odd2", most},
		{"12,3,2 12 3x3 groups=3 dilation=1,2 pad=1,2,2,2 padvalue zero=5", "i8 odd4", most},
		{"11,5,5 11 3x3 pad=1,1,1,1", "i8 odd1 odd2 odd3 odd4", "armv7em"},
		{"14,3,7 6 1x3 groups=2 pool=1,2 zero=-7", "i8 odd2 odd3 odd6", "armv7em"},
		{"1,1,9 7 1x1", "odd4 odd1", "armv7em"},
		{"16,4,4 8 3x3 low unroll=1", "i8 odd8 odd3", "armv7 aarch64+dotprod armv7em armv8.1m"},
		// Just outside.
		{"16,4,4 8 3x3 wide", "i8 odd4", "armv7em armv7"},
		{"16,5,4 9 3x3 pad=1,1,1,1 words result16", "i8 odd4 odd3 i5", "armv7em armv7"},
		{"6,5,5 8 3x3 pad=1,1,1,1 padvalue pool=2,2 words result16", "i8 odd8 odd4", "armv7em"},
		{"32,32,32 32 3x3 pad=1,1,1,1 words result16", "i8 odd4", "armv7em"},
		{"33 7 words result16", "i8 odd4", "armv7em armv6m"},
		{"256 64 words result16", "i8 odd8", "armv7em"},
		{"16,4,4 8 3x3", "vec4x8 code4", "armv7em"},
		{"16,3,1 1 1x1", "i8 odd4", "armv7em armv7m armv7"},
	})
}

func TestBlockPlans(t *testing.T) {
	const served = "armv7em armv7m armv6m riscv32"
	kerneltest.Plans(t, "blocks.txt", []*kernel.Family{&micro.Blocks}, []kerneltest.Case{
		{"32,32,32 32 3x3 pad=1,1,1,1", "odd3 odd5 vec4x8", served},
		{"128,8,8 128 3x3 pad=1,1,1,1", "odd7 vec4x8 code4", served},
		{"16,3,3 16 3x3 pad=1,1,1,1", "odd3 odd5 odd6 odd7 vec4x8 vec3x5 vec8x4 code3 code8", served},
		{"9,4,4 7 2x2 pool=1,2", "odd3 odd7 vec4x8 code8", served},
		{"12,4,5 6 2x3 pool=2,1 relu zero=-128 tflite", "odd3 vec4x8", served},
		// Just outside.
		{"16,4,4 8 3x3", "i8 odd1 odd2 odd4 odd8", "armv7em"},
		{"16,4,4 8 3x3", "odd3 vec4x8 code4", "armv7 aarch64 armv8.1m x86_64"},
		{"16,4,4 8 3x3 groups=2", "odd3 vec4x8 code4", "armv7em"},
		{"16,4,4 8 3x3 wide", "odd3 vec4x8", "armv7em"},
		{"16,4,4 9 3x3", "odd3 vec4x8", "armv7em"},
	})
}
