package geometry

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// Reduction is what a reduction computes of the n elements of a row.
type Reduction uint8

// The reductions.
const (
	Mean Reduction = iota
	Sum
	Greatest
	Least
)

// ReductionOf is what a reduce node computes.
func ReductionOf(n *ir.Node) Reduction {
	return map[string]Reduction{ir.ReduceMean: Mean, ir.ReduceSum: Sum, ir.ReduceMax: Greatest, ir.ReduceMin: Least}[n.Word(ir.AttrFn)]
}

// Rows brings the axes that an operation goes along to the end: the places of the
// elements of its argument, row by row, and the length of a row.
func Rows(n *ir.Node) (at []int32, length int) {
	s := n.Args[0].Type.Shape
	along := make([]bool, len(s))
	if n.Op == ir.Reduce {
		for _, a := range n.Ints(ir.AttrAxes) {
			along[a] = true
		}
	} else {
		along[n.Int(ir.AttrAxis)] = true
	}
	var perm, last []int
	length = 1
	for k, d := range s {
		if along[k] {
			last = append(last, k)
			length *= d
		} else {
			perm = append(perm, k)
		}
	}
	v := ir.ViewOf(s).Permute(append(perm, last...))
	if v.IsWhole() {
		return nil, length
	}
	return v.Index(), length
}

// MatMulSizes are the number of products, and the sizes of each.
func MatMulSizes(n *ir.Node) (batch, m, k, cols int) {
	a, b := n.Args[0].Type.Shape, n.Args[1].Type.Shape
	r := len(a)
	batch = 1
	if r == 3 {
		batch = a[0]
	}
	return batch, a[r-2], a[r-1], b[r-1]
}

// EmbeddingData is the table of a quantized embedding, nil where indices of 16 bits are
// the rows, and its rows, checked to fit each other.
func EmbeddingData(n *ir.Node) (table, rows []byte, err error) {
	if rows, err = n.Const(ir.AttrRows).Load(); err != nil {
		return nil, nil, err
	}
	s := n.Const(ir.AttrRows).Type.Shape
	if n.Args[0].Type.Elem.Kind == ir.I16 {
		if len(rows) != s.Size() {
			return nil, nil, fmt.Errorf("%s has %d bytes for %s", n.Name(), len(rows), n.Const(ir.AttrRows).Type)
		}
		return nil, rows, nil
	}
	if n.Const(ir.AttrTable) == nil {
		return nil, nil, fmt.Errorf("%s has no table", n.Name())
	}
	if table, err = n.Const(ir.AttrTable).Load(); err != nil {
		return nil, nil, err
	}
	if len(table) != 256 || len(rows) != s.Size() || int(slices.Max(table)) >= s[0] {
		return nil, nil, fmt.Errorf("%s has a table of %d entries for %s", n.Name(), len(table), n.Const(ir.AttrRows).Type)
	}
	return table, rows, nil
}
