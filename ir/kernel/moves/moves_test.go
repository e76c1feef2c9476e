package moves_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/moves"
	"github.com/dnnc/dnnc/ir/processor"
)

func TestFamilies(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&moves.Concat, &moves.Reshape, &moves.Copy, &moves.Pad}, []string{
		"concat(a, b)",
		"concat(b, a, b)",
		"concat(m, tanh(m))",
		"reshape(a, shape: [8,18])",
		"reshape(a, shape: [2,3,4,6])",
		"reshape(a, shape: [3,6,8])",
		"reshape(a, shape: [9,4,4])",
		"reshape(b, shape: [6,8,3])",
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
		"concat(concat(a, b, a, b, a), b)",
	}, "armv7em", "x86_64", "aarch64")
}

// TestEmbedding copies rows that a table of 256 names; an error for a table that is none.
func TestEmbedding(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	i8 := func(s ir.Shape) ir.Type { return ir.Type{Elem: ir.Of(ir.I8), Shape: s, Quant: ir.Quant{Scale: 1}} }
	rows, table := make([]byte, 7*5), make([]byte, 256)
	for i := range rows {
		rows[i] = byte(3*i + 1)
	}
	for i := range table {
		table[i] = byte(i * 7 / 256)
	}
	x := &ir.Value{Name: "x", Type: i8(ir.Shape{9})}
	n := &ir.Node{Op: ir.Embedding, Args: []*ir.Value{x}}
	n.Out = &ir.Value{Name: "y", Def: n, Type: i8(ir.Shape{9, 5})}
	n.Put(ir.AttrRows.Is(&ir.Const{Name: "rows", Type: i8(ir.Shape{7, 5}), Data: ir.Bytes(rows)}))
	n.Put(ir.AttrTable.Is(&ir.Const{Name: "table", Type: i8(ir.Shape{256}), Data: ir.Bytes(table)}))
	m := &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Outputs: []*ir.Value{n.Out}, Ops: []*ir.Node{n}}
	p, ok := moves.Embedding.Serves(kernel.Of(n, tgt))
	require.True(t, ok)
	kerneltest.Plan(t, &moves.Embedding, p, m, tgt)

	table[200] = 7 // no row
	_, err = emit.NewNetwork(tgt).Layer("layer", n, p.Emit)
	require.ErrorContains(t, err, "a table of 256 entries")
}

// TestWide: the families with activations of 16 bits.
func TestWide(t *testing.T) {
	kerneltest.WideExpressions(t, []*kernel.Family{&moves.Concat, &moves.Reshape, &moves.Copy, &moves.Pad}, []string{
		"concat(a, b)",
		"transpose(a, perm: [2,0,1])",
		"pad(m, before: [1,2], after: [0,3], between: [1,0], value: 0.3)",
		"pad(m, before: [1,2], after: [0,3], mode: reflect)",
		"reshape(a, shape: [8,18])",
		"slice(a, start: [1,5,0], size: [3,3,6], step: [1,-2,1])",
	}, "armv7em", "x86_64", "armv8.1m")
}
