package emit_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/decode"
	"github.com/dnnc/dnnc/ir/kernel/depthwise"
	"github.com/dnnc/dnnc/ir/kernel/elements"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/lanes"
	"github.com/dnnc/dnnc/ir/kernel/lookup"
	"github.com/dnnc/dnnc/ir/kernel/micro"
	"github.com/dnnc/dnnc/ir/kernel/moves"
	"github.com/dnnc/dnnc/ir/kernel/pairs"
	"github.com/dnnc/dnnc/ir/kernel/pixels"
	"github.com/dnnc/dnnc/ir/kernel/pool"
	"github.com/dnnc/dnnc/ir/kernel/rows"
	"github.com/dnnc/dnnc/ir/kernel/tile"
)

// TestFamilies runs the shared steps in the families that take them: a table for each step,
// small enough that the tests of this package notice a change of it.
func TestFamilies(t *testing.T) {
	for name, c := range map[string]struct {
		families []*kernel.Family
		cases    []kerneltest.Case
	}{
		// Bit planes, codebooks, the gathering of windows, pads, requantization of 32 and 64 bits.
		"general": {[]*kernel.Family{&tile.Conv, &tile.Linear, &decode.Conv, &decode.Linear}, []kerneltest.Case{
			{"6,4,5 11 3x2 pad=1,0,2,1 stride=2,1 zero=5", "i8 odd1 odd2 odd3 odd8 i2 i3 vec4x4 code3", "armv7em"},
			{"4,4,5 18 2x2 groups=2 dilation=1,2 padvalue pad=1,1,0,1 relu", "i8 odd4", "armv7em"},
			{"5,5,6 10 2x3 pool=2,2 wide zero=-128", "i8 odd5 vec3x3 code5", "armv7em"},
			{"5,4,7 9 2x2 pool=1,3 tflite", "odd2 vec5x4", "armv7em"},
			{"3,2,4 9 relu", "odd3 vec4x16 code8", "armv7em"},
			{"20 3 wide", "odd6 vec3x8 code4", "armv7em"},
		}},
		// Constants of channels, alone and four together.
		"channels": {[]*kernel.Family{&micro.Conv, &micro.Linear, &depthwise.Conv}, []kerneltest.Case{
			{"6,3,4 10 2x2 pool=2,1", "i8 odd3", "armv7em armv7 armv8.1m"},
			{"4,3,4 8 2x2 tflite relu", "i8", "armv7 armv8.1m"},
			{"6,3,4 8 2x2 twice", "i8", "armv7em armv7 armv8.1m aarch64"},
			{"6,3,4 8 2x2 even", "i8 odd2 i4 i7", "armv7em armv7 armv8.1m aarch64 armv6m x86_64"},
			{"40 12 relu", "odd1 odd4", "armv7 armv8.1m aarch64 x86_64"},
			{"9,4,4 9 3x3 groups=9 pad=1,1,1,1", "i8 odd4", "armv7em armv7 armv8.1m"},
		}},
		// Constants of channels in vectors.
		"lanes": {[]*kernel.Family{&lanes.Conv, &lanes.Linear}, []kerneltest.Case{
			{"5,4,6 13 3x3 pad=1,1,1,1", "i8 odd4 i4 i7", "aarch64 armv7"},
			{"5,4,6 8 2x2 tflite", "i8", "aarch64 armv7"},
			{"5,4,6 20 2x2 twice relu", "i8", "aarch64 armv7"},
			{"5,4,6 20 2x2 even relu", "i8 odd4", "aarch64 armv7"},
			{"24 11", "i8 odd8", "aarch64 aarch64+dotprod armv7"},
		}},
		// Codes of several weights, and their tables.
		"tables": {[]*kernel.Family{&lookup.Linear, &lookup.Conv, &pairs.Conv, &pixels.Conv}, []kerneltest.Case{
			{"16 9", "odd1 odd2 odd3 odd4 vec4x8", "armv7em armv7"},
			{"12,4,5 9 2x3 pad=1,1,0,1 zero=5", "odd1 odd2 odd3 vec4x8 vec3x5", "armv7em armv7"},
			{"10,4,8 8 1x2 pool=2,2", "odd1 odd3 vec5x4", "armv7em aarch64"},
		}},
	} {
		t.Run(name, func(t *testing.T) { kerneltest.Plans(t, name+".txt", c.families, c.cases) })
	}
}

// TestExpressions runs the steps of vectors, and of rows, in operations without weights: whole
// vectors, what is left of them, and sizes below one.
func TestExpressions(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{
		&rows.Reduce, &rows.Softmax, &rows.MatMul, &elements.Add, &elements.Sub, &elements.Mul, &elements.Min, &elements.Rescale, &elements.Table,
		&pool.Max, &pool.Avg, &moves.Concat, &moves.Copy, &moves.Pad,
	}, []string{
		"reduce(a, fn: sum, axes: [1])", "softmax(m, axis: 1)", "matmul(a, b)",
		"add(a, b)", "relu6(add(a, b))", "sub(a, b, act: relu)", "mul(a, b)", "minimum(a, b)", "relu(concat(a, b))", "sigmoid(a)", "exp(m)",
		"add(m, m)", "mul(slice(flat, start: [0], size: [10]), slice(flat, start: [20], size: [10]))", "add(slice(flat, start: [0], size: [6]), slice(flat, start: [20], size: [6]))",
		"add(slice(flat, start: [0], size: [40]), slice(flat, start: [50], size: [40]))",
		"maxpool2d(a, kernel: 2)", "avgpool2d(a, kernel: 3, pad: 1)", "transpose(a, perm: [1,2,0])",
	}, "armv7em", "armv7", "aarch64")
}
