package geometry

import "github.com/dnnc/dnnc/ir"

// History is the sizes of a history: its argument is Outer times In frames of Inner elements,
// in logical order. A ring keeps Past frames: those of earlier runs, and the new ones.
type History struct {
	Outer, In, Inner, Past int
	At                     []int // the frame of the argument that each frame of the result is
}

// HistoryOf reads the sizes of a history.
func HistoryOf(n *ir.Node) History {
	s, axis := n.Args[0].Type.Shape, n.Int(ir.AttrAxis)
	return History{Outer: s[:axis].Size(), In: s[axis], Inner: s[axis+1:].Size(), Past: n.PastFrames(), At: n.FramesAt()}
}

// Ring is the place in the ring of frame f of the argument, negative of runs before, when
// next is where the next frame goes.
func (h *History) Ring(next, f int) int { return (max(next, 0) + h.Past - h.In + f) % h.Past }
