package rows_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/rows"
)

func TestFamilies(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&rows.Reduce, &rows.ArgMax, &rows.MatMul, &rows.Softmax}, []string{
		"reduce(a, fn: sum, axes: [1])",
		"reduce(a, fn: max, axes: [0,2])",
		"reduce(a, fn: min, axes: [0,1,2])",
		"reduce(m, axes: [1])",
		"matmul(m, transpose(m, perm: [1,0]))",
		"matmul(a, b)",
		"softmax(a)",
		"softmax(m, axis: 1)",
		"argmax(a)",
		"argmax(m, axis: 1)",
	}, "armv7em", "x86_64")
}
