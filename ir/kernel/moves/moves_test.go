package moves_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/moves"
)

func TestFamilies(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&moves.Concat, &moves.Reshape, &moves.Copy, &moves.Pad}, []string{
		"concat(a, b)",
		"concat(b, a, b)",
		"concat(m, tanh(m))",
		"reshape(a, shape: [8,18])",
		"reshape(a, shape: [2,3,4,6])",
		"transpose(a, perm: [2,0,1])",
		"transpose(m, perm: [1,0])",
		"slice(a, start: [1,5,0], size: [3,3,6], step: [1,-2,1])",
		"expand(slice(a, start: [0,0,0], size: [4,1,6]), shape: [4,3,6])",
		"depthtospace(a, block: 2)",
		"spacetodepth(a, block: 3)",
		"resize(a, scale: [2,3])",
		"pad(a, before: [1,0,2], after: [0,1,1], value: 0.7)",
		"pad(a, before: [0,1,0], after: [0,0,1], between: [0,1,2])",
		"pad(a, before: [0,2,1], after: [1,0,3], mode: edge)",
		"pad(a, before: [3,1,0], after: [2,5,1], mode: reflect)",
		"pad(m, before: [2,3], after: [5,0], mode: symmetric)",
		"pad(a, before: [0,4,1], after: [2,6,0], mode: wrap)",
	}, "armv7em", "x86_64")
}
