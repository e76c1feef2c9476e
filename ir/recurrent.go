package ir

import "github.com/dnnc/dnnc/ir/diag"

// Gates is the number of gates of a cell, of which each has H rows of weights.
func Gates(cell string) int { return map[string]int{CellLSTM: 4, CellGRU: 3, CellRNN: 1}[cell] }

// ResetsAfter reports whether a recurrent node is a GRU whose reset gate multiplies what the
// weights make of the hidden state.
func (n *Node) ResetsAfter() bool {
	return n.Word(AttrCell) == CellGRU && n.Word(AttrReset) == ResetAfter
}

func inferRecurrent(n *Node) (Shape, *fault) {
	s, hidden, bias := n.Args[0].Type.Shape, n.Const(AttrHidden), n.Const(AttrBias)
	cell, h := n.Word(AttrCell), hidden.Type.Shape
	gates := Gates(cell)
	switch {
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
	rows := n.Const(AttrHidden).Type.Shape[0]
	for _, c := range []struct {
		key  Key[*Const]
		want Type
	}{
		{AttrMul, Type{Elem: Of(I32), Shape: Shape{2 + rows}}},
		{AttrShift, Type{Elem: Of(I32), Shape: Shape{3}}},
		{AttrTable, Type{Elem: Of(I16), Shape: Shape{SigmoidTable}}},
	} {
		if x := n.Const(c.key); x == nil || x.Type.String() != c.want.String() {
			v.fail(n.Pos, "V7", "%s has no %s of %s", n.Name(), c.key, c.want)
		}
	}
	if n.ResetsAfter() && n.Const(AttrBias) == nil {
		v.fail(n.Pos, "V7", "%s has no integer bias", n.Name())
	}
}
