package ir

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir/diag"
)

// A state is a value that outlives a run: an operation reads what the last run left in it,
// and writes what the next run finds. It stands in Module.States and is an argument of
// exactly one operation, after the operation's other arguments. Without its states such an
// operation begins each run anew.

// ResetTagBytes is the size of the tag at the beginning of an arena with states. It says that
// the arena was reset.
const ResetTagBytes = 8

// Stream is how a network over time runs frame by frame; the zero Stream is of a network that
// runs whole.
type Stream struct {
	Hop int // frames of the input that a run takes
	// Delays are of each result: its frames lie so many frames after those of the whole
	// network. 0 of a result without an axis of time.
	Delays []int
	// Warmups are, of each result, the runs after a reset that do not yet give all of what the
	// whole network gives.
	Warmups []int
	// Windows are, of each result, the frames of the input that make it after the warmup: the whole
	// network gives the same of these frames alone. 0 of a result to which frames before them
	// count, as where layers are padded before the first frame, and of one that has frames.
	Windows []int
}

// Streams reports whether m runs frame by frame.
func (m *Module) Streams() bool { return m.Stream.Hop > 0 }

func (s Stream) String() string {
	text := fmt.Sprintf("stream hop %d delay %s warmup %s", s.Hop, Shape(s.Delays), Shape(s.Warmups))
	if s.Slides() {
		text += " window " + Shape(s.Windows).String()
	}
	return text
}

// Slides reports whether a result is of a window of frames alone.
func (s Stream) Slides() bool {
	return slices.ContainsFunc(s.Windows, func(n int) bool { return n > 0 })
}

// StateBytes is the size of what must stay in an arena from run to run: the tag of the reset
// and the states, which lie at the beginning. 0 of a network that runs whole.
func (m *Module) StateBytes() int {
	if !m.Streams() {
		return 0
	}
	end := ResetTagBytes
	for _, s := range m.States {
		end = max(end, s.At.Offset+s.Type.Slots())
	}
	return end
}

// States lists the arguments of n that are states.
func (n *Node) States() []*Value {
	if !n.Op.HasStates() {
		return nil
	}
	return n.Args[1:]
}

// The names of states that begin with integers of their own.
const (
	pastState = "past"
	nextState = "next"
)

// stateKind is a state that an operation can have.
type stateKind struct {
	name string // after the operation's own
	Type
	isOptional bool // the last ones
	start      int  // where the operation alone says it
}

// next is the place of a stream's next frame, which counts from below 0 those before the first one.
func next(isOptional bool) stateKind {
	return stateKind{name: nextState, Type: Type{Elem: Of(I32), Shape: Shape{1}}, isOptional: isOptional}
}

// stateKinds are the states that n can have after its argument, nil of most operations. Inference has
// accepted n's attributes and argument.
func (n *Node) stateKinds() []stateKind {
	if f := n.Op.Info().states; f != nil {
		return f(n)
	}
	return nil
}

// Next is the state of n that is the place of the next frame; nil where n has none.
func (n *Node) Next() *Value {
	states := n.States()
	if kinds := n.stateKinds(); len(states) == 0 || len(states) < len(kinds) {
		return nil
	}
	return states[len(states)-1]
}

// StartByte is byte i of a state after a reset, the low byte of an element first.
func (v *Value) StartByte(i int) int8 { return int8(v.Start >> (8 * (i % v.Type.Elem.StoredSize()))) }

// NewStates gives a node states, and adds them to m: a history whose frames before all are of the integer fill,
// or a recurrence; the argument is late by so many frames. free is a name like the one that it gets which
// nothing in m has.
func (m *Module) NewStates(n *Node, free func(name string) string, fill, late int) {
	for _, k := range n.stateKinds() {
		if k.isOptional && late == 0 {
			break
		}
		s := &Value{Name: free(n.Name() + "." + k.name), Type: k.Type, Pos: n.Pos, Start: k.start}
		switch k.name {
		case pastState:
			s.Start = fill
		case nextState:
			s.Start = -late
		}
		s.Content.Axis = NoAxis
		n.Args = append(n.Args, s)
		m.States = append(m.States, s)
	}
}

// checkStates reports states that are not those of n.
func (n *Node) checkStates() *diag.Diagnostic {
	want := n.stateKinds()
	if len(n.Args) == 1 {
		return nil
	}
	if least := len(want) - 1; len(n.Args) == 1+least && want[least].isOptional {
		want = want[:least]
	}
	if len(n.Args) != 1+len(want) {
		return diag.New(n.Pos, diag.BadArity, "%s: %s has %d states, not %d", n.Name(), n.Op, len(want), len(n.Args)-1)
	}
	for i, k := range want {
		if have := n.Args[1+i].Type; !have.Equal(k.Type) {
			return diag.New(n.Pos, diag.BadType, "%s: the state %s is %s, not %s", n.Name(), n.Args[1+i].Name, have, k.Type).
				WithNote("a state has the scale and the zero point of what it keeps")
		}
	}
	return nil
}

// PastFrames is the frames that a history keeps: those before the first new one, and the new ones.
func (n *Node) PastFrames() int {
	return max(n.Int(AttrBack), 0) + n.Args[0].Type.Shape[n.Int(AttrAxis)]
}

func historyStates(n *Node) []stateKind {
	past := n.Args[0].Type
	past.Shape = append(Shape(nil), past.Shape...)
	past.Shape[n.Int(AttrAxis)] = n.PastFrames()
	return []stateKind{{name: pastState, Type: past}, next(false)}
}

func recurrentStates(n *Node) []stateKind {
	h := n.Const(AttrHidden).Type.Shape[1:]
	if n.IsLSTM8() {
		y := n.Out.Type
		cells := n.Args[0].Type.Shape[0] / Gates(n.Word(AttrCell))
		return []stateKind{{name: "state", Type: Type{Elem: y.Elem, Shape: h, Quant: y.Quant}, start: y.Quant.Zero}, {name: "cell", Type: Type{Elem: Of(I16), Shape: Shape{cells}}}, next(true)}
	}
	list := []stateKind{{name: "state", Type: Type{Elem: Of(I16), Shape: h}}}
	if n.Word(AttrCell) == CellLSTM {
		list = append(list, stateKind{name: "cell", Type: Type{Elem: Of(I32), Shape: h}})
	}
	return append(list, next(true))
}

// inferHistory checks that frames lie one after the other in memory: images lie in H,W,C order.
func inferHistory(n *Node) (Shape, *fault) {
	s, axis := n.Args[0].Type.Shape, n.Int(AttrAxis)
	if axis >= len(s) {
		return nil, faultf(diag.BadShape, "axis %d of %s, which is %s", axis, n.Args[0].Name, s)
	}
	if outer := OuterAxis(s, axis); outer >= 0 {
		return nil, faultf(diag.BadShape, "frames along axis %d of %s do not lie one after the other in memory: axis %d lies outside", axis, s, outer)
	}
	frames, apart, back := n.Int(AttrFrames), n.Int(AttrApart), n.Int(AttrBack)
	if last := (frames-1)*apart - back; last >= s[axis] {
		return nil, faultf(diag.BadValue, "the last of %d frames is frame %d of %d new ones", frames, last, s[axis])
	}
	out := append(Shape(nil), s...)
	out[axis] = frames
	return out, nil
}

// OuterAxis is an axis of more than one element that lies outside of an axis in memory; -1
// where there is none.
func OuterAxis(s Shape, axis int) int {
	order := make([]int, len(s))
	for i := range order {
		order[i] = i
	}
	if len(s) == 3 {
		order = []int{1, 2, 0}
	}
	for _, a := range order {
		if a == axis {
			break
		}
		if s[a] > 1 {
			return a
		}
	}
	return -1
}

// FramesAt lists, for each frame of a history's result, the frame of the argument that it is;
// negative ones are of runs before.
func (n *Node) FramesAt() []int {
	list := make([]int, n.Int(AttrFrames))
	for i := range list {
		list[i] = i*n.Int(AttrApart) - n.Int(AttrBack)
	}
	return list
}

// states checks V12.
func (v *verifier) states() {
	users := v.m.AllUsers()
	is := map[*Value]bool{}
	for _, s := range v.m.States {
		is[s] = true
		if !v.m.IsQuantized() {
			v.fail(s.Pos, "V12", "the state %s in a module of %s", s.Name, Of(F32))
		}
		if n := len(users[s]); n != 1 {
			v.fail(s.Pos, "V12", "the state %s has %d operations that use it, not one", s.Name, n)
		}
		least, most := -1<<31, 1<<31-1
		if k := s.Type.Elem.Kind; k == I8 || k == I16 {
			least, most = s.Type.Ends()
		}
		if s.Start < least || s.Start > most {
			v.fail(s.Pos, "V12", "the state %s of %s starts with %d", s.Name, s.Type.Elem, s.Start)
		}
	}
	for _, n := range v.m.Ops {
		for i, a := range n.Args {
			if isState := n.Op.HasStates() && i > 0; isState != is[a] {
				v.fail(n.Pos, "V12", "%s: argument %s is a state where none belongs, or none where one does", n.Name(), a.Name)
			}
		}
		if s := n.Next(); s != nil && s.Start > 0 {
			v.fail(s.Pos, "V12", "the state %s starts with %d: a position before 0 counts frames that are left out, 0 none", s.Name, s.Start)
		} else if s != nil && n.Op == Recurrent && s.Start%n.Out.Type.Shape[1] != 0 {
			v.fail(s.Pos, "V12", "the state %s starts with %d: frames that are left out fill runs of %d steps", s.Name, s.Start, n.Out.Type.Shape[1])
		}
	}
	if s := v.m.Stream; s.Hop < 0 || v.m.Streams() && (len(s.Delays) != len(v.m.Outputs) || len(s.Warmups) != len(v.m.Outputs) || len(s.Windows) != len(v.m.Outputs)) {
		v.fail(v.m.Pos, "V12", "%s of a network with %d results", s, len(v.m.Outputs))
	}
	if !v.m.Streams() && len(v.m.States) > 0 {
		v.fail(v.m.Pos, "V12", "a network with states does not say how it runs: stream hop 1 delay [0] warmup [0]")
	}
}
