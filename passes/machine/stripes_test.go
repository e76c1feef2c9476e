package machine

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/ir"
)

// TestWhole: beside a chain lie the values that later operations read and its last result, each with
// the bytes of its integers, and no result of the network.
func TestWhole(t *testing.T) {
	m := &ir.Module{}
	add := func(elem ir.Kind, args ...*ir.Value) *ir.Value {
		n := &ir.Node{Op: ir.Requantize, Args: args}
		n.Out = &ir.Value{Type: ir.Type{Elem: ir.Of(elem), Shape: ir.Shape{2, 4, 4}}, Def: n}
		m.Ops = append(m.Ops, n)
		return n.Out
	}
	in := &ir.Value{Type: ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{2, 4, 4}}}
	m.Inputs = []*ir.Value{in}
	add(ir.I16, in)         // which nothing reads
	wide := add(ir.I16, in) // for the last operation
	small := add(ir.I8, in) // for the chain
	first := add(ir.I8, small)
	last := add(ir.I16, first)
	m.Outputs = []*ir.Value{add(ir.I16, wide, last)}
	s := newSteps(m, nil, 1)
	assert.Equal(t, 64+32+64, s.whole(3, 4))
	assert.Equal(t, 64+32, s.whole(4, 5), "the last operation gives a result of the network, whose memory the caller has")
}
