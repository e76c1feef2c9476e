package tile_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/tile"
)

func TestPlans(t *testing.T) {
	kerneltest.Plans(t, "plans.txt", []*kernel.Family{&tile.Conv, &tile.Linear}, []kerneltest.Case{
		{"16,5,4 9 3x3 pad=1,1,1,1 relu", "i8 odd1 odd3 odd4 odd8", "armv7em x86_64"},
		{"6,5,1 8 2x1 stride=2,1 groups=2 zero=-128", "i8 odd5", "armv7em"},
		{"4,5,7 17 3x2 dilation=2,1 pool=2,2 pad=1,0,2,1 padvalue wide", "i8 odd2", "armv7em"},
		{"3,4,5 10 wide", "i8 odd7", "armv7em x86_64"},
		{"33 7", "i8 odd1 odd3", "armv7em"},
		{"16 8", "vec4x8 code4", "armv7em"},
		{"32,32,32 32 3x3 pad=1,1,1,1", "i8 odd4 vec4x8", "armv7em"},
		{"16,5,4 9 3x3 pad=1,1,1,1 relu result16", "i8 odd4", "armv7em x86_64"},
		{"33 7 result16 wide", "i8 odd3", "armv7em"},
		{"16,5,4 9 3x3 pad=1,1,1,1 relu result16 words", "i8 odd4 i5", "armv7em x86_64"},
		{"33 7 words wide", "i8 odd3", "armv7em"},
	})
}
