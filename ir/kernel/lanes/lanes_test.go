package lanes_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/lanes"
)

var targets = []string{"aarch64", "aarch64+dotprod", "armv7", "armv8.1m", "riscv64+v"}

func TestConv(t *testing.T) {
	l := kerneltest.Layer{Pools: true, Formats: []string{"i8", "i8", "odd8", "odd1", "odd2", "odd3", "odd4", "odd5", "odd6", "odd7", "i2", "i4", "i7"}}
	kerneltest.Family(t, &lanes.Conv, 60, l.Draw, targets...)
}

func TestLinear(t *testing.T) {
	l := kerneltest.Layer{Linear: true, Formats: []string{"i8", "odd8"}}
	kerneltest.Family(t, &lanes.Linear, 30, l.Draw, targets...)
}

func TestDepthwise(t *testing.T) {
	l := kerneltest.Layer{Depthwise: true, Pools: true, Formats: []string{"i8", "odd1", "odd4", "odd7", "i3", "i7"}}
	kerneltest.Family(t, &lanes.Depthwise, 60, l.Draw, append(targets[:3:3], "riscv64+v")...)
}

func TestDepthwisePlans(t *testing.T) {
	const all = "aarch64 armv7 riscv64+v"
	kerneltest.Plans(t, "depthwise.txt", []*kernel.Family{&lanes.Depthwise}, []kerneltest.Case{
		{"32,32,32 32 3x3 pad=1,1,1,1 groups=32", "i8", all},
		{"20,5,6 20 3x3 pad=1,1,1,1 groups=20 low", "i8", all},
		{"16,6,5 16 3x2 pad=0,1,2,0 groups=16 stride=2,1 zero=-128 relu", "i8", all},
		{"9,6,7 9 2x2 groups=9 pool=2,2 tflite", "i8", all},
		{"13,5,5 13 5x5 pad=2,2,3,2 groups=13 zero=127", "i8", all},
		{"16,8,8 16 3x3 pad=2,2,2,2 groups=16 unroll=1 dilation=1,2", "i8", all},
		{"24,6,6 24 3x3 groups=24 pad=1,1,1,1 padvalue", "i8", all},
		{"7,6,6 7 3x3 groups=7", "i8", all},
		{"8,6,6 16 3x3 groups=8", "i8", all},
		{"5,5,6 15 3x3 groups=5 pad=1,1,1,1 padvalue", "i8 odd3", all},
		{"2,5,6 18 3x2 groups=2 stride=2,1", "i8", all},
		{"8,6,6 8 3x3 groups=8 wide", "i8", all},
		{"8,6,6 8 3x3 groups=8", "odd4 code4", all},
		{"32,6,6 32 3x3 groups=32 pad=1,1,1,1", "odd1 odd5 odd8", all},
	})
}

func TestPlans(t *testing.T) {
	const all = "aarch64 aarch64+dotprod armv7 armv8.1m riscv64+v"
	kerneltest.Plans(t, "plans.txt", []*kernel.Family{&lanes.Conv, &lanes.Linear}, []kerneltest.Case{
		{"32,32,32 32 3x3 pad=1,1,1,1", "i8", all},
		{"3,9,9 8 3x3 stride=2,2 pad=0,0,1,1", "i8", all},
		{"17,5,5 23 3x3 pad=1,1,1,1 zero=5", "i8", all},
		{"8,5,7 16 1x1 relu", "i8", all},
		{"8,5,7 16 1x1 large", "odd1 odd2 odd4 odd6", all},
		{"16,6,6 9 1x1 stride=2,2", "i8", all},
		{"16,6,6 16 3x3 pad=1,1,1,1 groups=4 low", "i8", all},
		{"6,6,6 10 3x3 groups=2 padvalue pad=2,1,0,1", "i8", all},
		{"5,7,7 7 3x3 dilation=2,3 pad=2,3,2,3 tflite", "i8", all},
		{"4,6,8 6 3x3 pad=1,1,1,1 pool=2,2", "i8", all},
		{"4,5,7 19 2x2 pool=2,2 zero=-128", "i8", all},
		{"1,8,6 20 5x4 pad=2,1,2,2 stride=2,1", "i8", all},
		{"9,4,4 8 1x1 unroll=1", "i8", all},
		{"2,4,4 4 1x1", "i8", all},
		{"2,1,1 5", "i8", all},
		{"64 10", "i8", all},
		{"3,5,5 37 low tflite", "i8", all},
		{"8,6,6 3 3x3", "i8", all},
		{"8,6,6 8 3x3 groups=8", "i8", all},
		{"8,6,6 8 3x3 wide", "i8", all},
		{"8,6,6 8 3x3", "odd4 odd7 code4", all},
		{"16,4,4 8 3x3 low", "odd5 i4 odd6 i5", "aarch64 armv7"}, // sums of 16 bits at their bound, and beyond it
		{"20,6,6 15 2x3 pad=1,0,1,0 pool=2,2", "i8 odd8", all},
		{"40,6,6 12 1x1", "i8 odd2", all},
		{"12,6,6 19 3x3 pad=1,1,1,1", "odd1 odd3 odd8", all},
		{"3,6,6 8 3x3 pad=1,1,1,1 pool=2,2 low", "odd8", all},
		{"8,6,6 8 3x3", "i8", "armv7em x86_64"},
	})
}
