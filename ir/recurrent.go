package ir

import "github.com/dnnc/dnnc/ir/diag"

// Gates is the number of gates of a cell, of which each has H rows of weights.
func Gates(cell string) int {
	return map[string]int{CellLSTM: 4, CellGRU: 3, CellRNN: 1, CellLSTM8: 4, CellCIFG8: 3}[cell]
}

// ResetsAfter reports whether a recurrent node is a GRU whose reset gate multiplies what the
// weights make of the hidden state.
func (n *Node) ResetsAfter() bool {
	return n.Word(AttrCell) == CellGRU && n.Word(AttrReset) == ResetAfter
}

// MostCellBits is the most bits before the point of the cell of an LSTM of TensorFlow Lite's integers.
const MostCellBits = 6

// IsLSTM8 reports whether a node is an LSTM of TensorFlow Lite's integers (R25).
func (n *Node) IsLSTM8() bool {
	return n.Op == Recurrent && (n.Word(AttrCell) == CellLSTM8 || n.Word(AttrCell) == CellCIFG8)
}

// inferLSTM8 is of TensorFlow Lite's integers, which alone have projections.
func inferLSTM8(n *Node) (Shape, *fault) {
	x, hidden, project := n.Args[0], n.Const(AttrHidden), n.Const(AttrProject)
	cell, h := n.Word(AttrCell), hidden.Type.Shape
	gates := Gates(cell)
	if x.Type.Elem.Kind != I16 {
		return nil, faultf(diag.BadType, "a recurrent %s takes %s, %s is %s", cell, Of(I16), x.Name, x.Type)
	}
	if len(h) != 2 || h[0]%gates != 0 || hidden.Type.Elem.Kind != I8 {
		return nil, faultf(diag.BadShape, "hidden of a recurrent %s is %s[%d*H,O], %s is %s", cell, Of(I8), gates, hidden.Name, hidden.Type)
	}
	want := Type{Elem: Of(I8), Shape: Shape{h[1], h[0] / gates}}
	switch s := x.Type.Shape; {
	case len(s) != 3 || s[0] != h[0] || s[2] != 1:
		return nil, faultf(diag.BadShape, "a recurrent %s with hidden of %s takes [%d,T,1], %s is %s", cell, h, h[0], x.Name, s)
	case project == nil && want.Shape[0] != want.Shape[1]:
		return nil, faultf(diag.BadShape, "a recurrent %s with hidden of %s has no project, which makes %d numbers of %d", cell, h, want.Shape[0], want.Shape[1])
	case project != nil && project.Type.String() != want.String():
		return nil, faultf(diag.BadShape, "project of a recurrent %s with hidden of %s is %s, %s is %s", cell, h, want, project.Name, project.Type)
	case project == nil && n.Has(AttrHiddenZero):
		return nil, faultf(diag.BadValue, "hidden_zero is of project, which is not there")
	case n.Has(AttrReset):
		return nil, faultf(diag.BadValue, "reset is of gru; the cell is %s", cell)
	default:
		return Shape{h[1], s[1], 1}, nil
	}
}

func inferRecurrent(n *Node) (Shape, *fault) {
	if n.IsLSTM8() {
		return inferLSTM8(n)
	}
	s, hidden, bias := n.Args[0].Type.Shape, n.Const(AttrHidden), n.Const(AttrBias)
	cell, h := n.Word(AttrCell), hidden.Type.Shape
	gates := Gates(cell)
	switch {
	case n.Const(AttrProject) != nil || n.Has(AttrCellBits) || n.Has(AttrCellClip) || n.Has(AttrHiddenZero):
		return nil, faultf(diag.BadValue, "project, hidden_zero, cell_bits and cell_clip are of lstm8 and cifg8; the cell is %s", cell)
	case len(h) != 2 || h[0] != gates*h[1]:
		return nil, faultf(diag.BadShape, "hidden of a recurrent %s is [%d*H,H], %s is %s", cell, gates, hidden.Name, hidden.Type)
	case len(s) != 3 || s[0] != h[0] || s[2] != 1:
		return nil, faultf(diag.BadShape, "a recurrent %s with hidden of %s takes [%d,T,1], %s is %s", cell, hidden.Type.Shape, h[0], n.Args[0].Name, s)
	case n.Has(AttrReset) && cell != CellGRU:
		return nil, faultf(diag.BadValue, "reset is of gru; the cell is %s", cell)
	case bias != nil && !n.ResetsAfter():
		return nil, faultf(diag.BadValue, "bias is of gru with reset: after; else what computes %s adds it", n.Args[0].Name)
	case bias != nil && !bias.Type.Shape.Equal(h[1:]):
		return nil, faultf(diag.BadShape, "bias of a recurrent gru is [%d], %s is %s", h[1], bias.Name, bias.Type)
	}
	weights, biases := F32, F32
	if n.Args[0].Type.Elem.Kind != F32 {
		weights, biases = I8, I32
	}
	if hidden.Type.Elem.Kind != weights {
		return nil, faultf(diag.BadType, "hidden of an argument of %s is of %s, %s is %s", n.Args[0].Type.Elem, Of(weights), hidden.Name, hidden.Type)
	}
	if bias != nil && bias.Type.Elem.Kind != biases {
		return nil, faultf(diag.BadType, "bias of an argument of %s is of %s, %s is %s", n.Args[0].Type.Elem, Of(biases), bias.Name, bias.Type)
	}
	return Shape{h[1], s[1], 1}, nil
}

// recurrent checks the constants of a recurrent node of integers (R20).
func (v *verifier) recurrent(n *Node) {
	if n.Op != Recurrent {
		return
	}
	type constant struct {
		key  Key[*Const]
		want Type
	}
	rows := n.Const(AttrHidden).Type.Shape[0]
	list := []constant{
		{AttrMul, Type{Elem: Of(I32), Shape: Shape{2 + rows}}},
		{AttrShift, Type{Elem: Of(I32), Shape: Shape{3}}},
		{AttrTable, Type{Elem: Of(I16), Shape: Shape{SigmoidTable}}},
	}
	if n.IsLSTM8() {
		factors := Gates(n.Word(AttrCell)) + 1
		if n.Const(AttrProject) != nil {
			factors, rows = factors+1, rows+n.Out.Type.Shape[0]
		}
		list = []constant{
			{AttrMul, Type{Elem: Of(I32), Shape: Shape{factors}}},
			{AttrShift, Type{Elem: Of(I32), Shape: Shape{factors}}},
			{AttrBias, Type{Elem: Of(I32), Shape: Shape{rows}}},
		}
		if n.Out.Type.IsWide() {
			v.fail(n.Pos, "V7", "%s of an %s gives %s, which must be %s", n.Name(), n.Word(AttrCell), n.Out.Type, Of(I8))
		}
	}
	for _, c := range list {
		if x := n.Const(c.key); x == nil || x.Type.String() != c.want.String() {
			v.fail(n.Pos, "V7", "%s has no %s of %s", n.Name(), c.key, c.want)
		}
	}
	if n.ResetsAfter() && n.Const(AttrBias) == nil {
		v.fail(n.Pos, "V7", "%s has no integer bias", n.Name())
	}
}
