package machine

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/ir"
)

// TestPlanOfResidualBlocks: a network of residual blocks, whose least arena none of the simple
// orders finds, as the result of an addition lies over its argument.
func TestPlanOfResidualBlocks(t *testing.T) {
	var blocks []*block
	add := func(bytes, from, to int, over *block, lag int) *block {
		b := &block{bytes: bytes, live: ir.Interval{From: from, To: to}, over: over, lag: lag}
		blocks = append(blocks, b)
		return b
	}
	a := add(16384, 0, 3, nil, 0)
	add(864, 0, 0, nil, 0)
	b := add(16384, 1, 2, nil, 0)
	add(864, 1, 1, nil, 0)
	c := add(16384, 2, 3, b, 1024)
	add(864, 2, 2, nil, 0)
	sum := add(16384, 3, 6, a, 0)
	d := add(8192, 4, 5, nil, 0)
	add(864, 4, 4, nil, 0)
	e := add(8192, 5, 7, d, 1024)
	add(1728, 5, 5, nil, 0)
	add(8192, 6, 7, sum, 512)
	add(96, 6, 6, nil, 0)
	add(8192, 7, 9, e, 0)
	add(4096, 8, 10, nil, 0)
	_, bytes := plan(blocks)
	assert.Equal(t, 34656, bytes)
	assert.Equal(t, 34656, least(blocks))
	_ = c
}
