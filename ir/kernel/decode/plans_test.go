package decode_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/decode"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
)

func TestPlans(t *testing.T) {
	kerneltest.Plans(t, "plans.txt", []*kernel.Family{&decode.Conv, &decode.Linear}, []kerneltest.Case{
		{"16,5,4 9 3x3 pad=1,1,1,1 relu", "vec4x8 vec3x5 vec8x4 code3 code8", "armv7em x86_64"},
		{"6,5,1 8 2x1 stride=2,1 zero=-128", "vec4x16 code4", "armv7em"},
		{"4,5,7 3 3x2 dilation=2,1 pool=2,2 pad=1,0,2,1 padvalue wide", "vec4x4 code1", "armv7em"},
		{"3,4,5 10 wide", "vec3x5 vec7x2 code5", "armv7em x86_64"},
		{"33 1", "vec4x8 code8", "armv7em"},
		{"16 8", "i8 odd4", "armv7em"},
		{"16,5,4 8 3x3 groups=2", "vec4x8 code4", "armv7em"},
		{"32,32,32 32 3x3 pad=1,1,1,1", "vec4x8 odd4", "armv7em"},
	})
}
