package build_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// TestChain: after the first error nothing is added.
func TestChain(t *testing.T) {
	c := build.Chain{Builder: build.New("net")}
	x := c.Input("x", ir.Shape{4}, ir.Range{Lo: 0, Hi: 1})
	y := c.Add(ir.Relu, "y", []*ir.Value{x})
	assert.NotSame(t, x, y)
	assert.Same(t, y, c.Add(ir.MaxPool2D, "pool", []*ir.Value{y}, ir.AttrKernel.Is([]int{2, 2})), "a vector has no windows")
	first := c.Err
	assert.Error(t, first)
	assert.Same(t, y, c.Add(ir.Relu, "z", []*ir.Value{y}))
	assert.Equal(t, first, c.Err)
	assert.Len(t, c.Finish([]*ir.Value{y}).Ops, 1)
}
