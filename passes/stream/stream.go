// Package stream turns a network over time into one that runs frame by frame: each run takes the
// next frames, and states keep of the earlier ones what the next run needs. It works on the
// module of integers, so that a step computes the integers of the whole network.
//
// One operation, history, does nearly all: it keeps the last frames of a value and gives those
// that its reader needs. A convolution reads the frames of its window, the shorter side of a
// residual sum those that the longer side is late, a mean over time all frames of the window. A
// recurrence keeps its own states.
//
// A frame that is not there yet is late: frame i of run r of a value is frame r*frames+i-delay of
// the whole network. A convolution that looks ahead adds to the delay, and frames of before the
// first one, which the whole network does not have, are left out of every history.
package stream

import (
	"context"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes/pass"
)

// maxHop bounds the frames of a run.
const maxHop = 1 << 16

// Steps rewrites the module if it is to be streamed.
func Steps(_ context.Context, m *ir.Module, env *pass.Env) error {
	switch {
	case env.Stream == 0:
		return nil
	case m.Streams() && env.Stream > 0 && m.Stream.Hop != env.Stream:
		return diag.New(m.Pos, diag.AlreadyLowered, "-stream=%d: the network streams already, %d frames a run", env.Stream, m.Stream.Hop).
			WithHelp("stream the source, or a dump of a pass before stream")
	case m.Streams():
		return nil
	}
	s := &streamer{m: m, clocks: map[*ir.Value]clock{}, ways: map[*ir.Node]way{}, now: map[*ir.Value]pace{}, ends: map[*ir.Value]ends{}, unclear: map[*ir.Value]bool{}, late: map[*ir.Value]int{}, made: map[string]*ir.Value{}, lead: map[*ir.Value]*ir.Value{}, names: map[string]bool{}}
	for _, v := range slices.Concat(m.Inputs, results(m)) {
		s.names[v.Name] = true
	}
	for _, c := range m.Consts {
		s.names[c.Name] = true
	}
	if err := s.analyse(); err != nil {
		return err
	}
	hop, err := s.hop(env.Stream)
	if err != nil {
		return err
	}
	return s.rewrite(hop)
}

type streamer struct {
	m      *ir.Module
	clocks map[*ir.Value]clock // of what goes with time, in the whole network
	ways   map[*ir.Node]way
	now    map[*ir.Value]pace // of what goes with time, in a run
	ends   map[*ir.Value]ends // in the whole network
	// unclear values are of what was refused.
	unclear map[*ir.Value]bool
	late    map[*ir.Value]int // of other values: the runs after a reset until they are right
	made    map[string]*ir.Value
	lead    map[*ir.Value]*ir.Value // of what leads the value that a run computes: that one
	names   map[string]bool
	ops     []*ir.Node
	list    diag.List
}

// pace is how a value goes with time in a run.
type pace struct {
	axis, frames int
	// delay is of its first frame. One below 0 leads: so many frames of the integer before, which
	// no run computes, stand before the first.
	delay, before int
}

// ends is what the first and the last frames of a value are made of beyond frames of the input.
type ends struct {
	isLed bool // something stands before the first frame: padding, or the state of a recurrence
	// tail is the first operation of which frames see padding after the last one; nil where none does.
	tail  *ir.Node
	clean int // of a value with a tail: the frames before those that see it
}

// analyse finds the axis of time of every value, and what each operation does with it.
func (s *streamer) analyse() error {
	if n := len(s.m.Inputs); n != 1 {
		return diag.New(s.m.Pos, diag.Unsupported, "-stream: the network has %d inputs, and one is streamed", n).
			WithHelp("join the inputs to channels of one")
	}
	in := s.m.Inputs[0]
	holds := in.Holds()
	if holds.Kind != ir.Signal {
		return diag.New(in.Pos, diag.BadValue, "-stream: the input %s of %s is no signal: along which axis does time go?", in.Name, in.Type.Shape).
			WithHelp("say it: %s, or after the type in the text: signal axis: 1", quote.Flag("kind", in.Name+"=signal axis: 1"))
	}
	c := clock{axis: holds.Axis, stride: 1, total: in.Type.Shape[holds.Axis]}
	if c.total < 2 {
		return diag.New(in.Pos, diag.BadValue, "-stream: the input %s of %s has one frame along axis %d, where time goes", in.Name, in.Type.Shape, c.axis).
			WithHelp("say another axis: %s; or compile without -stream: a run takes one frame already", quote.Flag("kind", in.Name+"=signal axis: N"))
	}
	s.clocks[in] = c
	for _, n := range s.m.Ops {
		s.analyseNode(n)
	}
	return s.list.Err()
}

func (s *streamer) analyseNode(n *ir.Node) {
	var clocks []clock
	for _, a := range n.Args {
		clocks = append(clocks, s.clocks[a]) // the zero clock does not go with time
		s.unclear[n.Out] = s.unclear[n.Out] || s.unclear[a]
	}
	if s.unclear[n.Out] { // of what was refused
		return
	}
	if !slices.ContainsFunc(clocks, func(c clock) bool { return c != clock{} }) {
		return
	}
	w, why := look(n, clocks)
	if why == nil {
		s.meet(n, w)
		if tail := s.ends[n.Out].tail; w.kind == whole && tail != nil {
			why = refuse("pad before the first frame alone, or give a result for each frame", "it is of the last frames, and those of %s are made with padding after the last frame: in a stream there are later frames", tail.Name())
		}
	}
	if why == nil && w.kind == whole && s.gather(n.Args[0]) {
		return
	}
	if why != nil {
		s.list.Add(n.Pos, diag.Unsupported, "-stream: %s (%s): %s", n.Name(), n.Op, why.why).WithHelp("%s", why.out)
		s.unclear[n.Out] = true
	} else {
		s.ways[n] = w
	}
	if why != nil || w.kind == whole {
		return // what follows does not go with time
	}
	c := clock{axis: w.axis, stride: clocks[0].stride, total: n.Out.Type.Shape[w.axis]}
	if w.kind == byWindow {
		c.stride *= w.stride
	}
	s.clocks[n.Out] = c
}

// meet finds what the ends of a result are made of.
func (s *streamer) meet(n *ir.Node, w way) {
	frames := n.Args[0].Type.Shape[s.clocks[n.Args[0]].axis]
	e := ends{clean: frames}
	for _, a := range n.Args {
		of := s.ends[a]
		e.isLed = e.isLed || of.isLed
		if of.tail != nil && of.clean < e.clean {
			e.tail, e.clean = of.tail, of.clean
		}
	}
	switch w.kind {
	case inTurn:
		e.isLed = true
	case byWindow, shifted:
		e.isLed = e.isLed || w.pad > 0
		e.clean = max(0, w.before(e.clean))
		if have := n.Out.Type.Shape[w.axis]; e.clean >= have {
			e.tail = nil
		} else if e.tail == nil {
			e.tail = n
		}
	}
	s.ends[n.Out] = e
}

// before is the frames of a window's or a shift's result that see only so many frames, and padding before them.
func (w way) before(frames int) int {
	if w.kind == shifted {
		return frames + w.pad
	}
	return floor(frames-1+w.pad-(w.kernel-1)*w.dilation, w.stride) + 1
}

// gather has a value be of all frames that an operation needs so, where its frames do not lie one
// after the other in memory and those of what it is a copy of do. It reports whether it did.
func (s *streamer) gather(v *ir.Value) bool {
	n := v.Def
	if n == nil || n.Op != ir.Copy && n.Op != ir.Reshape || ir.OuterAxis(v.Type.Shape, s.clocks[v].axis) < 0 || len(s.m.Users(v)) > 1 {
		return false
	}
	delete(s.clocks, v)
	if s.gather(n.Args[0]) {
		delete(s.ways, n)
	} else {
		s.ways[n] = way{kind: whole}
	}
	return true
}

// hop is the frames of the input that a run takes: those that were asked for, or the fewest that
// are whole frames of every value.
func (s *streamer) hop(asked int) (int, error) {
	least := 1
	for _, c := range s.clocks {
		if least = least / geometry.Divisor(least, c.stride) * c.stride; least > maxHop {
			return 0, diag.New(s.m.Pos, diag.Limit, "-stream: the strides along time make a run of more than %d frames", maxHop).
				WithHelp("compile without -stream: a run takes all frames")
		}
	}
	total := s.clocks[s.m.Inputs[0]].total
	if least > total {
		return 0, diag.New(s.m.Pos, diag.BadShape, "-stream: the strides along time make a run of %d frames, the input has %d", least, total).
			WithHelp("compile without -stream: a run takes all frames")
	}
	if asked < 0 {
		return least, nil
	}
	if asked%least != 0 || asked > total {
		return 0, diag.New(s.m.Pos, diag.BadValue, "-stream=%d: a run takes a multiple of %d frames, which the strides along time make, and at most the %d of the input", asked, least, total).
			WithHelp("-stream alone takes %d", least)
	}
	return asked, nil
}

// rewrite makes the step of a network.
func (s *streamer) rewrite(hop int) error {
	m := s.m
	in := m.Inputs[0]
	c := s.clocks[in]
	in.Content = ir.Content{Kind: ir.Signal, Axis: c.axis} // which the shape of some frames may not say
	resize(in, c.axis, hop)
	s.now[in] = pace{axis: c.axis, frames: hop}
	for _, n := range m.Ops {
		w, timed := s.ways[n]
		if !timed {
			s.untimed(n)
			continue
		}
		if s.node(n, w, hop); len(s.list) > 0 { // what follows has no pace
			return s.list.Err()
		}
	}
	m.Ops = s.ops
	m.Stream = ir.Stream{Hop: hop}
	for i, o := range m.Outputs {
		p, timed := s.now[o]
		if timed && p.delay < 0 { // what leads is returned in time
			o = s.delayed(o.Name, o, 0)
			p = s.now[o]
		}
		o = s.base(o)
		m.Ops, m.Outputs[i] = s.ops, o
		delay, window := 0, 0
		switch {
		case timed:
			delay = p.delay
			s.late[o] = (delay + p.frames - 1) / p.frames
		case !s.ends[o].isLed:
			window = c.total
		}
		m.Stream.Delays, m.Stream.Warmups, m.Stream.Windows = append(m.Stream.Delays, delay), append(m.Stream.Warmups, s.late[o]), append(m.Stream.Windows, window)
		m.Results[i].Shape = slices.Clone(o.Type.Shape)
	}
	return nil
}

// untimed keeps an operation on values that do not go with time. Those of frames are of the same ones.
func (s *streamer) untimed(n *ir.Node) {
	var first *ir.Value
	for _, a := range n.Args {
		late, isLate := s.late[a]
		switch {
		case !isLate:
			continue
		case first == nil:
			first = a
		case late != s.late[first]:
			s.list.Add(n.Pos, diag.Unsupported, "-stream: %s (%s): %s and %s are of windows that end with different runs, %d and %d after a reset", n.Name(), n.Op, first.Name, a.Name, s.late[first]+1, late+1).
				WithHelp("pad before the first frame by no more than the kernel's length less one, times the dilation")
		}
		s.late[n.Out] = late
		s.ends[n.Out] = ends{isLed: s.ends[n.Out].isLed || s.ends[a].isLed}
	}
	s.ops = append(s.ops, n)
}

// resize gives a value some frames.
func resize(v *ir.Value, axis, frames int) {
	v.Type.Shape = slices.Clone(v.Type.Shape)
	v.Type.Shape[axis] = frames
}

// node rewrites an operation that goes with time.
func (s *streamer) node(n *ir.Node, w way, hop int) {
	x := n.Args[0]
	p := s.now[x]
	out := pace{axis: w.axis, delay: p.delay}
	if w.kind != whole {
		out.frames = hop / s.clocks[n.Out].stride
	}
	switch w.kind {
	case byFrame:
		for _, a := range n.Args {
			out.delay = max(out.delay, s.now[a].delay, 0)
		}
		for i, a := range n.Args {
			n.Args[i] = s.delayed(n.Name(), a, out.delay)
		}
		if n.Op == ir.Reshape {
			n.Put(ir.AttrShape.Is(with(n.Ints(ir.AttrShape), w.axis, out.frames)))
		}
		if n.Op == ir.Copy {
			s.view(n, s.clocks[x], p.frames)
			n.Put(ir.AttrShape.Is(with(n.Ints(ir.AttrShape), w.axis, out.frames)))
		}
	case byWindow:
		s.window(n, w, p, &out)
	case shifted:
		s.shift(n, w, p)
		return
	case whole:
		// The frames end with the run in which the input of the whole network ends.
		c, total := s.clocks[x], s.clocks[s.m.Inputs[0]].total
		frames, runs := c.total-w.first, max(ceil(total, hop), ceil(c.total+p.delay, p.frames))
		n.Args[0] = s.history(n.Name(), x, frames, runs*p.frames-p.delay-w.first-p.frames, 1, x.Type.Quant.Zero)
		if n.Op == ir.Copy {
			s.view(n, c, frames)
		}
		s.late[n.Out] = runs - 1
		s.ops = append(s.ops, n)
		return
	case inTurn:
		// What is late begins with whole runs of frames of before the first, which leave the states 0.
		out.delay = ceil(max(p.delay, 0), p.frames) * p.frames
		n.Args[0] = s.delayed(n.Name(), x, out.delay)
		resize(n.Out, w.axis, out.frames)
		s.m.NewStates(n, s.free, 0, out.delay)
	}
	resize(n.Out, w.axis, out.frames)
	s.now[n.Out] = out
	s.ops = append(s.ops, n)
}

// with is a list with another number at a place.
func with(list []int, at, value int) []int {
	list = slices.Clone(list)
	list[at] = value
	return list
}

// window has a convolution or a pooling read the frames of its windows.
func (s *streamer) window(n *ir.Node, w way, p pace, out *pace) {
	x := n.Args[0]
	reach := (w.kernel - 1) * w.dilation // frames from a window's first to its last
	out.delay = max(0, ceil(reach-w.pad+p.delay-(w.stride-1), w.stride))
	frames, apart := (out.frames-1)*w.stride+reach+1, 1
	if out.frames == 1 && w.dilation > 1 {
		frames, apart = w.kernel, w.dilation
	}
	if p.delay < 0 && w.pad > 0 && p.before != w.fill { // two paddings of other values
		x = s.delayed(n.Name(), x, 0)
		p = s.now[x]
		out.delay = max(0, ceil(reach-w.pad-(w.stride-1), w.stride))
	}
	back := out.delay*w.stride + w.pad - p.delay
	if w.pad > 0 && p.delay > 0 { // frames of before the first become padding, even if these are all that is read
		n.Args[0] = s.keep(n.Name(), x, p, frames, back, apart, w.fill)
	} else {
		n.Args[0] = s.history(n.Name(), x, frames, back, apart, w.fill)
	}
	if n.Op == ir.Spectrogram {
		return
	}
	i := p.axis - 1
	n.Put(ir.AttrPad.Is(with(with(n.Ints(ir.AttrPad), i, 0), i+2, 0)))
	if apart > 1 {
		n.Put(ir.AttrDilation.Is(with(n.Ints(ir.AttrDilation), i, 1)))
	}
	if out.frames == 1 { // one window: its step does not matter
		n.Put(ir.AttrStride.Is(with(n.Stride(), i, 1)))
	}
	if !slices.ContainsFunc(n.Ints(ir.AttrPad), func(v int) bool { return v > 0 }) && n.Op == ir.Conv2D {
		n.Drop(ir.AttrPadValue)
	}
}

func floor(a, b int) int { return -ceil(-a, b) }

func ceil(a, b int) int {
	if a <= 0 {
		return -(-a / b)
	}
	return (a + b - 1) / b
}

// delayed is a value whose frames come late by at least its own delay.
func (s *streamer) delayed(name string, v *ir.Value, delay int) *ir.Value {
	p := s.now[v]
	return s.history(name, v, p.frames, delay-p.delay, 1, v.Type.Quant.Zero)
}

// base is what computes the frames of a value that leads, or the value itself.
func (s *streamer) base(v *ir.Value) *ir.Value {
	if x := s.lead[v]; x != nil {
		return x
	}
	return v
}

// history is so many frames of a value, the first of them back before its first of this run. Those
// before all are of the integer fill.
func (s *streamer) history(name string, v *ir.Value, frames, back, apart, fill int) *ir.Value {
	p := s.now[v]
	if frames == p.frames && back == 0 && apart == 1 {
		return s.base(v)
	}
	if p.delay < 0 {
		fill = p.before
	}
	return s.keep(name, v, p, frames, back, apart, fill)
}

// keep adds a history, or finds the one of the same frames.
func (s *streamer) keep(name string, v *ir.Value, p pace, frames, back, apart, fill int) *ir.Value {
	x := s.base(v)
	key := fmt.Sprint(x.Name, " ", frames, back, apart, fill, p.delay)
	if y := s.made[key]; y != nil {
		return y
	}
	n := &ir.Node{Op: ir.History, Args: []*ir.Value{x}, Pos: x.Pos}
	n.Out = &ir.Value{Name: s.free(name + ".frames"), Type: x.Type, Range: x.Range, Def: n, Pos: x.Pos, Content: ir.Content{Axis: ir.NoAxis}}
	n.Put(ir.AttrAxis.Is(p.axis), ir.AttrFrames.Is(frames), ir.AttrBack.Is(back), ir.AttrApart.Is(apart))
	resize(n.Out, p.axis, frames)
	if outer := ir.OuterAxis(x.Type.Shape, p.axis); outer >= 0 {
		s.list.Add(x.Pos, diag.Unsupported, "-stream: %s of %s: frames along axis %d do not lie one after the other in memory, as axis %d lies outside of it", x.Name, x.Type.Shape, p.axis, outer).
			WithHelp("time goes along the height of an image [C,H,W], the width of [C,1,W], or the first axis of other values: transpose the input")
		return n.Out
	}
	s.m.NewStates(n, s.free, fill, max(p.delay, 0))
	s.made[key] = n.Out
	s.now[n.Out] = pace{axis: p.axis, frames: frames, delay: p.delay + back}
	s.ops = append(s.ops, n)
	return n.Out
}

// free is a name that no value has.
func (s *streamer) free(name string) string {
	free := name
	for i := 2; s.names[free]; i++ {
		free = fmt.Sprintf("%s%d", name, i)
	}
	s.names[free] = true
	return free
}

// shift is a pad before the first frame.
func (s *streamer) shift(n *ir.Node, w way, p pace) {
	if p.delay < 0 && p.before != w.fill { // two paddings of other integers
		n.Args[0] = s.delayed(n.Name(), n.Args[0], 0)
		p = s.now[n.Args[0]]
	}
	if p.delay <= 0 {
		// Nothing is computed: the histories of readers begin with the padding.
		s.lead[n.Out] = s.base(n.Args[0])
		s.now[n.Out] = pace{axis: p.axis, frames: p.frames, delay: p.delay - w.pad, before: w.fill}
		if p.delay == 0 && w.pad == 0 { // which pads after the last frame alone
			s.now[n.Out] = pace{axis: p.axis, frames: p.frames}
		}
		return
	}
	// Frames of before the first become padding: an own history leaves them out.
	back := max(0, w.pad-p.delay)
	y := s.keep(n.Name(), n.Args[0], p, p.frames, back, 1, w.fill)
	s.lead[n.Out] = y
	s.now[n.Out] = pace{axis: p.axis, frames: p.frames, delay: p.delay + back - w.pad}
}

// view gives a copy the strides of an argument of other frames.
func (s *streamer) view(n *ir.Node, c clock, frames int) {
	v := copyOf(n, c)
	strides, dims := slices.Clone(n.Ints(ir.AttrStrides)), slices.Clone(n.Ints(ir.AttrDims))
	outer := v.frame * c.total
	for k, step := range strides {
		if dims[k] > 1 && step%outer == 0 {
			strides[k] = step / c.total * frames
		}
	}
	if v.dim >= 0 {
		dims[v.dim] = frames
	}
	first := v.start / v.frame % c.total
	n.Put(ir.AttrStrides.Is(strides), ir.AttrDims.Is(dims), ir.AttrStart.Is(v.start/outer*v.frame*frames+v.start%v.frame+(first-min(first, c.total-frames))*v.frame))
}

// results are the results of all operations.
func results(m *ir.Module) (list []*ir.Value) {
	for _, n := range m.Ops {
		list = append(list, n.Out)
	}
	return list
}
