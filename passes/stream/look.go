package stream

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// kind is how an operation goes with time.
type kind uint8

const (
	byFrame  kind = iota // each frame of the result is of one frame of each argument
	byWindow             // each frame of the result is of some frames: a window that moves
	shifted              // frames of the argument, after others that are constant
	whole                // the result has no axis of time, and is of all frames
	inTurn               // a recurrence: frame after frame, with states
)

// way is what an operation does with time.
type way struct {
	kind kind
	axis int // of the result along which time goes
	// Of a window along the axis of time: its frames, the steps from one window to the next and
	// between frames, and the frames of padding before the first.
	kernel, stride, dilation, pad int
	first                         int // of whole: the first frame that the result needs
	// fill is the integer of the frames before the first: of padding.
	fill int
}

// unclear is a reason why an operation has no streamed form, and a way out.
type unclear struct{ why, out string }

func refuse(out, format string, args ...any) *unclear {
	return &unclear{fmt.Sprintf(format, args...), out}
}

// clock is how a value goes with time.
type clock struct {
	axis, stride, total int // stride: frames of the input from one frame of the value to the next
}

// look says what an operation does with time, along the axes of its arguments.
func look(n *ir.Node, clocks []clock) (way, *unclear) {
	t, in, out := clocks[0], n.Args[0].Type.Shape, n.Out.Type.Shape
	for k, c := range clocks {
		if c != t {
			return way{}, refuse("let both sides be frames of one length", "its arguments %s and %s do not go with time alike: one is of every frame, the other of whole windows or of fewer frames", n.Args[0].Name, n.Args[k].Name)
		}
	}
	same := way{kind: byFrame, axis: t.axis, fill: n.Args[0].Type.Quant.Zero}
	all := way{kind: whole}
	switch n.Op {
	case ir.Add, ir.Sub, ir.Mul, ir.Minimum, ir.Maximum, ir.SquaredDiff, ir.ScaledDiff, ir.Requantize, ir.Table:
		return same, nil
	case ir.Conv2D, ir.MaxPool2D, ir.AvgPool2D:
		return lookWindow(n, t)
	case ir.Linear:
		return all, nil
	case ir.Softmax, ir.LogSoftmax, ir.L2Norm:
		if n.Int(ir.AttrAxis) == t.axis {
			return way{}, refuse("choose among classes of each frame", "it divides by the sum over all frames")
		}
		return same, nil
	case ir.Concat:
		if t.axis == 0 {
			return way{}, refuse("join channels", "it joins tensors along time")
		}
		return same, nil
	case ir.ArgMax:
		if n.Int(ir.AttrAxis) == t.axis {
			return all, nil
		}
		if len(out) < len(in) && n.Int(ir.AttrAxis) < t.axis {
			same.axis--
		}
		return same, nil
	case ir.Reduce:
		axes := n.Ints(ir.AttrAxes)
		if slices.Contains(axes, t.axis) {
			return all, nil
		}
		if n.Int(ir.AttrKeep) == 0 {
			for _, a := range axes {
				if a < t.axis {
					same.axis--
				}
			}
		}
		return same, nil
	case ir.Reshape:
		before := in[:t.axis].Size()
		for k, d := range out {
			if d == t.total && out[:k].Size() == before {
				same.axis = k
				return same, nil
			}
		}
		return all, nil
	case ir.Copy:
		return lookCopy(n, t)
	case ir.Pad:
		return lookPad(n, t)
	case ir.Embedding:
		return same, nil
	case ir.Spectrogram:
		return way{kind: byWindow, axis: len(out) - 2, kernel: n.Int(ir.AttrFrame), stride: n.Int(ir.AttrHop), dilation: 1}, nil
	case ir.Recurrent:
		if n.Int(ir.AttrBack) == 1 {
			return way{}, refuse("leave out the direction from the end: train with one direction", "it goes from the last frame to the first, and needs them all before it answers")
		}
		same.kind = inTurn
		return same, nil
	}
	return way{}, refuse("compile the network without -stream, or replace the operation", "%s has no form that runs frame by frame", n.Op)
}

// lookWindow is of convolutions and poolings.
func lookWindow(n *ir.Node, t clock) (way, *unclear) {
	if t.axis == 0 {
		return way{kind: whole}, nil
	}
	i := t.axis - 1
	w := way{kind: byWindow, axis: t.axis, stride: n.Stride()[i], dilation: n.Ints(ir.AttrDilation)[i], pad: n.Ints(ir.AttrPad)[i], fill: n.Args[0].Type.Quant.Zero}
	switch n.Op {
	case ir.Conv2D:
		w.kernel = n.Const(ir.AttrWeight).Type.Shape[2+i]
		if values := n.Nums(ir.AttrPadValue); len(values) > 0 && w.pad > 0 {
			if slices.Min(values) != slices.Max(values) {
				return way{}, refuse("pad with one value, or not along time", "its padding has a value for each channel")
			}
			w.fill = int(values[0])
		}
	case ir.MaxPool2D:
		w.kernel = n.Ints(ir.AttrKernel)[i]
		w.fill, _ = n.Out.Type.Ends() // which never wins
	default:
		w.kernel = n.Ints(ir.AttrKernel)[i]
		if w.pad > 0 {
			return way{}, refuse("pool without padding along time", "the means of the first frames leave the padding out, those of later ones do not")
		}
	}
	if n.Out.Type.Shape[t.axis] == 1 {
		return way{kind: whole}, nil
	}
	return w, nil
}

// lookPad is of elements around those of every axis.
func lookPad(n *ir.Node, t clock) (way, *unclear) {
	at := func(key ir.Key[[]int]) int {
		if list := n.Ints(key); len(list) > t.axis {
			return list[t.axis]
		}
		return 0
	}
	w := way{kind: byFrame, axis: t.axis, pad: at(ir.AttrBefore), fill: n.Args[0].Type.Quant.Zero}
	switch {
	case at(ir.AttrBetween) > 0:
		return way{}, refuse("give the network all its frames", "it puts frames between those of the input")
	case w.pad == 0 && at(ir.AttrAfter) == 0:
		return w, nil
	case n.Word(ir.AttrMode) != ir.PadConstant:
		return way{}, refuse("pad with one value", "its padding along time repeats frames")
	}
	for k := range n.Args[0].Type.Shape {
		for _, key := range []ir.Key[[]int]{ir.AttrBefore, ir.AttrAfter, ir.AttrBetween} {
			if list := n.Ints(key); k != t.axis && k < len(list) && list[k] > 0 {
				return way{}, refuse("pad along time apart from the other axes", "it pads along time and along another axis")
			}
		}
	}
	w.kind, w.fill = shifted, int(n.Float(ir.AttrValue))
	return w, nil
}

// lookCopy is of the elements of a view: of one that has the frames in their order, or of one of
// some frames.
func lookCopy(n *ir.Node, t clock) (way, *unclear) {
	c := copyOf(n, t)
	none := refuse("compile the network without -stream", "it takes frames in another order")
	if !c.ok {
		return way{}, none
	}
	first := c.start / c.frame % t.total
	if c.dim < 0 {
		return way{kind: whole, first: first}, nil
	}
	dims, shape := n.Ints(ir.AttrDims), n.Out.Type.Shape
	if first > 0 || n.Ints(ir.AttrStrides)[c.dim] != c.frame {
		return way{}, refuse("compile the network without -stream", "it takes some frames of the whole window")
	}
	before := ir.Shape(dims[:c.dim]).Size()
	for k, d := range shape {
		if d == dims[c.dim] && shape[:k].Size() == before {
			return way{kind: byFrame, axis: k, fill: n.Args[0].Type.Quant.Zero}, nil
		}
	}
	return way{kind: whole}, nil
}

// view is a copy's along time: which of its dimensions counts frames, -1 for none.
type view struct {
	dim, start int
	frame      int // elements from one frame of the argument to the next, in logical order
	ok         bool
}

// copyOf finds how a copy goes with time. Each dimension goes along frames, within a frame, or
// outside of all.
func copyOf(n *ir.Node, t clock) view {
	s := n.Args[0].Type.Shape
	v := view{dim: -1, start: n.Int(ir.AttrStart), frame: s[t.axis+1:].Size(), ok: true}
	dims, strides := n.Ints(ir.AttrDims), n.Ints(ir.AttrStrides)
	outer, within := v.frame*t.total, v.start%v.frame
	least, most := within, within
	for k, d := range dims {
		step := strides[k]
		switch {
		case d == 1 || step%outer == 0:
		case step%v.frame == 0 && v.dim < 0:
			v.dim = k
		case step%v.frame == 0:
			v.ok = false
		default:
			least, most = least+min(0, (d-1)*step), most+max(0, (d-1)*step)
		}
	}
	v.ok = v.ok && least >= 0 && most < v.frame
	return v
}
