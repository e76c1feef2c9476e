package geometry

import "github.com/dnnc/dnnc/ir"

// History is the sizes of a history: its argument is Outer runs of In frames of Inner elements,
// in logical order. What runs before had is Past frames, in a ring.
type History struct {
	Outer, In, Inner, Past int
	At                     []int // the frame of the argument that each frame of the result is
}

// HistoryOf reads the sizes of a history.
func HistoryOf(n *ir.Node) History {
	s, axis := n.Args[0].Type.Shape, n.Int(ir.AttrAxis)
	h := History{Outer: s[:axis].Size(), In: s[axis], Inner: s[axis+1:].Size(), At: n.FramesAt()}
	h.Past = h.In + max(n.Int(ir.AttrBack), 0)
	return h
}

// Ring is the place in the ring of frame f of the argument, negative of runs before, when
// next is where the next frame goes.
func (h *History) Ring(next, f int) int { return (max(next, 0) + h.Past - h.In + f) % h.Past }
