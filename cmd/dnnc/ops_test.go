package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/codegen/kernel"
	"github.com/dnnc/dnnc/frontend/onnx"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// TestTablesHaveNoHoles asks each layer's table for each operation.
func TestTablesHaveNoHoles(t *testing.T) {
	written := map[ir.Op]bool{}
	for _, k := range target.Kernels() {
		assert.True(t, kernel.Writes(k.Name), "no generator writes %s", k.Name)
		written[k.Op] = true
	}
	for op := ir.Op(0); op < ir.NumOps; op++ {
		info := op.Info()
		float, gradient, integer := interp.Steps(op)
		assert.NotEmpty(t, info.Name)
		assert.NotEmpty(t, info.Doc, info.Name)
		assert.True(t, float, "%s has no float step", op)
		assert.True(t, gradient, "%s has no gradient", op)
		assert.Equal(t, info.Core, integer, "%s is core, or has an integer step, and not both", op)
		assert.Equal(t, info.Core, written[op], "%s is core, or has a kernel family, and not both", op)
		if op.IsFunction() {
			assert.True(t, kernels.HasFunction(info.Name), "no function %s", op)
			assert.Contains(t, ir.FunctionNames, info.Name)
		}
	}
	code, stdout, _ := dnnc(t, "ops")
	assert.Zero(t, code)
	for op := ir.Op(0); op < ir.NumOps; op++ {
		assert.Contains(t, stdout, "| `"+op.String()+"` |")
	}
	assert.Contains(t, onnx.Names(ir.Conv2D), "ConvTranspose")
}
