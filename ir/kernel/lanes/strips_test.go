package lanes_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/lanes"
)

func TestStrips(t *testing.T) {
	formats := []string{"i8", "odd1", "odd4", "odd7"}
	for _, l := range []kerneltest.Layer{{Depthwise: true, Formats: formats}, {Formats: formats}} {
		kerneltest.Family(t, &lanes.Strips, 60, l.Draw, "armv8.1m")
	}
}

func TestStripsPlans(t *testing.T) {
	const helium = "armv8.1m"
	kerneltest.Plans(t, "strips.txt", []*kernel.Family{&lanes.Strips}, []kerneltest.Case{
		{"32,32,32 32 3x3 pad=1,1,1,1 groups=32", "i8", helium},
		{"20,5,6 20 3x3 pad=1,1,1,1 groups=20 low", "i8 odd3", helium},
		{"16,6,5 16 3x2 pad=0,1,2,0 groups=16 stride=2,1 zero=-128 relu", "i8", helium},
		{"9,6,7 9 2x2 groups=9 pool=2,2 tflite", "i8", helium},
		{"9,6,7 9 2x2 groups=9 tflite", "i8", helium},
		{"13,5,5 13 5x5 pad=2,2,3,2 groups=13 zero=127", "i8 odd1", helium},
		{"16,8,8 16 3x3 pad=2,2,2,2 groups=16 unroll=1 dilation=1,2", "i8", helium},
		{"16,8,3 16 3x1 pad=2,0,2,0 groups=16 unroll=1 dilation=1,2", "i8", helium},
		{"24,6,6 24 3x3 groups=24 pad=1,1,1,1 padvalue", "i8", helium},
		{"7,6,3 7 3x3 groups=7", "i8", helium},
		{"5,5,6 15 3x3 groups=5 pad=1,1,1,1 padvalue", "i8 odd3", helium},
		{"2,5,6 18 3x2 groups=2 stride=2,1", "i8", helium},
		{"16,6,6 16 3x3 pad=1,1,1,1 groups=4 low", "i8 odd4", helium},
		{"12,6,6 16 2x2 pad=1,1,1,1 groups=4 low", "i8", helium},
		{"6,6,6 10 3x3 groups=2 padvalue pad=2,1,0,1", "i8", helium},
		{"3,9,9 8 3x3 stride=2,2 pad=0,0,1,1", "i8 odd2", helium},
		{"1,12,8 20 10x4 pad=2,1,2,2 stride=2,2", "i8 odd4", helium},
		{"1,5,8 4 3x3 pad=1,1,1,1 padvalue", "i8", helium},
		{"24,30,1 24 5x1 pad=2,0,2,0 groups=24", "i8", helium},
		{"9,4,4 8 1x1 groups=1", "i8", helium},
		{"16,6,6 16 3x3 pad=1,1,1,1 groups=16 large", "odd1 odd2 odd4 odd6", helium},
		{"8,6,6 8 1x1", "i8", helium},
		{"8,6,6 8 3x3 groups=8 wide", "i8", helium},
		{"8,6,6 8 3x3 groups=8", "odd8 code4", helium},
		{"8,6,6 8 3x3 groups=8", "i8", "armv7em armv7"},
	})
}
