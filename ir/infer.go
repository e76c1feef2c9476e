package ir

import (
	"fmt"

	"github.com/dnnc/dnnc/ir/diag"
)

// fault is a reason why an operation's types do not fit.
type fault struct {
	kind diag.Kind
	text string
}

func faultf(kind diag.Kind, format string, args ...any) *fault {
	return &fault{kind, fmt.Sprintf(format, args...)}
}

// CheckActivation reports a shape that no value of a network has: an input, or a result.
// what names it in the message. Every shape goes through here: results by InferNode, inputs
// where a front end declares them.
func CheckActivation(pos diag.Pos, what string, s Shape) *diag.Diagnostic {
	n := 1.
	for _, d := range s {
		if d <= 0 {
			return diag.New(pos, diag.BadShape, "%s has the impossible shape %s", what, s)
		}
		n *= float64(d)
	}
	if n <= MaxActivation {
		return nil
	}
	return diag.New(pos, diag.Limit, "%s of shape %s has %.10g elements, each of which is a byte of working memory or more; a value of a network has at most %d",
		what, s, n, MaxActivation).WithHelp("give the network a smaller input, or cut it before this value")
}

// InferNode returns the type of n's result as its arguments, attributes and
// constants imply it. The quantization of a result is a decision, not a
// consequence: it is taken from n.Out.
func InferNode(n *Node) (Type, *diag.Diagnostic) {
	for _, a := range n.Args {
		if a.Type.Shape.Size() < 0 {
			return Type{}, diag.New(n.Pos, diag.BadShape, "%s: argument %s has the impossible shape %s", n.Name(), a.Name, a.Type.Shape)
		}
	}
	for i := range n.Op.Info().Attrs {
		if a := &n.Op.Info().Attrs[i]; a.Required && !n.Has(a.Key) {
			return Type{}, diag.New(n.Pos, diag.MissingAttr, "%s: %s needs the attribute %s: %s", n.Name(), n.Op, a.Key, a.Doc)
		}
	}
	infer := n.Op.Info().infer
	if infer == nil {
		return Type{}, diag.New(n.Pos, diag.VerifierFailure, "%s: %s has no inference", n.Name(), n.Op)
	}
	shape, f := infer(n)
	if f != nil {
		return Type{}, diag.New(n.Pos, f.kind, "%s: %s", n.Name(), f.text)
	}
	if d := CheckActivation(n.Pos, "the result", shape); d != nil {
		d.Message = n.Name() + ": " + d.Message
		return Type{}, d
	}
	if w := n.work(shape); w > MaxWork {
		return Type{}, diag.New(n.Pos, diag.Limit, "%s: %s with a result of %s takes %.3g multiply-adds or reads of elements for each item; an operation has at most %.3g", n.Name(), n.Op, shape, w, float64(MaxWork)).
			WithHelp("give it a smaller window, a larger stride or a smaller input")
	}
	if n.Op.HasStates() {
		if d := n.checkStates(); d != nil {
			return Type{}, d
		}
	} else {
		for _, a := range n.Args[1:] {
			if a.Type.Elem != n.Args[0].Type.Elem {
				return Type{}, diag.New(n.Pos, diag.BadType, "%s: %s is %s, %s is %s", n.Name(), n.Args[0].Name, n.Args[0].Type.Elem, a.Name, a.Type.Elem)
			}
		}
	}
	elem, f := resultElem(n)
	if f != nil {
		return Type{}, diag.New(n.Pos, f.kind, "%s: %s", n.Name(), f.text)
	}
	return Type{Elem: elem, Shape: shape, Quant: n.Out.Type.Quant}, nil
}

// resultElem is the element type of n's result. Where the operation leaves open whether its
// integers have 8 or 16 bits that is a decision, too.
func resultElem(n *Node) (Elem, *fault) {
	elem, written := n.Args[0].Type.Elem, n.Out.Type.Elem
	switch w := n.Widths(); {
	case elem.Kind == F32:
	case w == WideArgument && elem.Kind != I16:
		return elem, faultf(diag.BadType, "%s takes integers of 16 bits, %s is %s: a requantize before it gives these", n.Op, n.Args[0].Name, elem)
	case (w == AnyWidth || w == WideArgument) && (written.Kind == I8 || written.Kind == I16):
		return written, nil
	case w == ByteResults:
		return Of(I8), nil
	case w == OnlyBytes && n.Op == Embedding:
		return Of(I8), nil
	case w == OnlyBytes && elem.Kind == I16:
		return elem, faultf(diag.BadType, "%s takes integers of 8 bits, %s is %s: a requantize before it gives these", n.Op, n.Args[0].Name, elem)
	}
	return elem, nil
}

// Infer fills in the type of every result that has none, and reports where a
// type that is there is not the one implied.
func Infer(m *Module) diag.List {
	var list diag.List
	bad := map[*Value]bool{}
	for _, n := range m.Ops {
		skip := false
		for _, a := range n.Args {
			skip = skip || bad[a]
		}
		if skip {
			bad[n.Out] = true
			continue
		}
		t, d := InferNode(n)
		switch {
		case d != nil:
			list = append(list, d)
			bad[n.Out] = true
		case n.Out.Type.Shape == nil:
			n.Out.Type = t
		case !t.Equal(n.Out.Type):
			list.Add(n.Pos, diag.BadType, "%s is written as %s, its arguments make it %s", n.Name(), n.Out.Type, t)
			bad[n.Out] = true
		}
	}
	return list
}

func chw(n *Node) (c, h, w int, f *fault) {
	s := n.Args[0].Type.Shape
	if len(s) != 3 {
		return 0, 0, 0, faultf(diag.BadShape, "%s takes an image [C,H,W], %s is %s", n.Op, n.Args[0].Name, s)
	}
	return s[0], s[1], s[2], nil
}

// windowOut is the number of window positions along one axis.
func windowOut(in, before, after, kernel, stride, dilation int) (int, *fault) {
	padded, extent := in+before+after, (kernel-1)*dilation+1
	if extent > padded {
		return 0, faultf(diag.BadShape, "a window of %d does not fit %d pixels", extent, padded)
	}
	return (padded-extent)/stride + 1, nil
}

func inferWindow(n *Node, c, h, w int, kernel, dilation []int) (Shape, *fault) {
	pad, stride := n.Ints(AttrPad), n.Stride()
	oh, f := windowOut(h, pad[0], pad[2], kernel[0], stride[0], dilation[0])
	if f != nil {
		return nil, f
	}
	ow, f := windowOut(w, pad[1], pad[3], kernel[1], stride[1], dilation[1])
	return Shape{c, oh, ow}, f
}

// checkPerChannel checks the constants that hold one number an output channel.
func checkPerChannel(n *Node, channels int, keys ...Key[*Const]) *fault {
	for _, key := range keys {
		if c := n.Const(key); c != nil && !c.Type.Shape.Equal(Shape{channels}) {
			return faultf(diag.BadShape, "%s is %s, the layer has %d channels", c.Name, c.Type, channels)
		}
	}
	return nil
}

func inferConv2D(n *Node) (Shape, *fault) {
	c, h, w, f := chw(n)
	if f != nil {
		return nil, f
	}
	weight, groups := n.Const(AttrWeight), n.Int(AttrGroups)
	k := weight.Type.Shape
	switch {
	case len(k) != 4:
		return nil, faultf(diag.BadShape, "weights of conv2d are [O,I,KH,KW], %s is %s", weight.Name, weight.Type)
	case c%groups != 0 || k[0]%groups != 0:
		return nil, faultf(diag.BadShape, "%d groups divide neither %d input nor %d output channels evenly", groups, c, k[0])
	case k[1] != c/groups:
		return nil, faultf(diag.BadShape, "weights %s are for %d input channels, %s has %d in %d groups", weight.Type, k[1]*groups, n.Args[0].Name, c, groups)
	}
	if v := n.Nums(AttrPadValue); v != nil && len(v) != c {
		return nil, faultf(diag.BadShape, "pad_value has %d numbers, %s has %d channels", len(v), n.Args[0].Name, c)
	}
	if f := checkPerChannel(n, k[0], AttrBias, AttrMul, AttrShift); f != nil {
		return nil, f
	}
	s, f := inferWindow(n, k[0], h, w, []int{k[2], k[3]}, n.Ints(AttrDilation))
	if f != nil {
		return nil, f
	}
	if n.Has(AttrPool) && n.Args[0].Type.Elem.Kind == F32 {
		return nil, faultf(diag.BadValue, "pool is of integer networks, where fuse-pool writes it: maxpool2d is what says it")
	}
	ph, pw := n.Pool()
	if s[1] < ph || s[2] < pw {
		return nil, faultf(diag.BadShape, "no %d by %d outputs to pool among %s", ph, pw, s)
	}
	return Shape{s[0], s[1] / ph, s[2] / pw}, nil
}

func inferLinear(n *Node) (Shape, *fault) {
	weight := n.Const(AttrWeight)
	w, in := weight.Type.Shape, n.Args[0].Type.Shape.Size()
	switch {
	case len(w) != 2:
		return nil, faultf(diag.BadShape, "weights of linear are [O,I], %s is %s", weight.Name, weight.Type)
	case w[1] != in:
		return nil, faultf(diag.BadShape, "weights %s are for %d inputs, %s %s has %d", weight.Type, w[1], n.Args[0].Name, n.Args[0].Type.Shape, in)
	}
	return Shape{w[0]}, checkPerChannel(n, w[0], AttrBias, AttrMul, AttrShift)
}

func inferPool(n *Node) (Shape, *fault) {
	c, h, w, f := chw(n)
	if f != nil {
		return nil, f
	}
	pad, k, d := n.Ints(AttrPad), n.Ints(AttrKernel), n.Ints(AttrDilation)
	for i, size := range []int{h, w} {
		if d[i] > 1 && missesAll(size, pad[i], pad[2+i], k[i], n.Stride()[i], d[i]) {
			return nil, faultf(diag.BadShape, "padding %v leaves windows of %v with dilation %v without a pixel", pad, k, d)
		}
	}
	if pad[0] >= k[0] || pad[2] >= k[0] || pad[1] >= k[1] || pad[3] >= k[1] {
		return nil, faultf(diag.BadShape, "padding %v leaves windows of %v without a pixel", pad, k)
	}
	return inferWindow(n, c, h, w, k, d)
}

// missesAll reports whether all taps of some window along an axis lie in padding.
func missesAll(in, before, after, kernel, stride, dilation int) bool {
	if before+after == 0 || kernel > in+before+after {
		return false // inference finds windows that do not fit
	}
	for first := -before; first+(kernel-1)*dilation < in+after; first += stride {
		// The first tap that is not before the image.
		tap := first
		if tap < 0 {
			tap += (-tap + dilation - 1) / dilation * dilation
		}
		if tap >= in || tap > first+(kernel-1)*dilation {
			return true
		}
	}
	return false
}

func inferGlobalPool(n *Node) (Shape, *fault) {
	c, _, _, f := chw(n)
	return Shape{c, 1, 1}, f
}

func inferSame(n *Node) (Shape, *fault) { return n.Args[0].Type.Shape, nil }

func inferAdd(n *Node) (Shape, *fault) {
	a, b := n.Args[0], n.Args[1]
	if !a.Type.Shape.Equal(b.Type.Shape) {
		return nil, faultf(diag.BadShape, "%s takes two tensors of one shape, %s is %s and %s is %s", n.Op, a.Name, a.Type.Shape, b.Name, b.Type.Shape)
	}
	return a.Type.Shape, nil
}

// inferScaledDiff takes a third tensor of the shape of the first two.
func inferScaledDiff(n *Node) (Shape, *fault) {
	if s, f := inferAdd(n); f != nil {
		return s, f
	}
	a, c := n.Args[0], n.Args[2]
	if !a.Type.Shape.Equal(c.Type.Shape) {
		return nil, faultf(diag.BadShape, "%s takes three tensors of one shape, %s is %s and %s is %s", n.Op, a.Name, a.Type.Shape, c.Name, c.Type.Shape)
	}
	return a.Type.Shape, nil
}

func inferConcat(n *Node) (Shape, *fault) {
	first := n.Args[0].Type.Shape
	if len(first) == 0 {
		return nil, faultf(diag.BadShape, "concat takes tensors with channels, %s is a scalar", n.Args[0].Name)
	}
	channels := 0
	for _, a := range n.Args {
		s := a.Type.Shape
		if len(s) != len(first) || !s[1:].Equal(first[1:]) {
			return nil, faultf(diag.BadShape, "concat takes tensors that differ in channels alone, %s is %s and %s is %s", n.Args[0].Name, first, a.Name, s)
		}
		channels += s[0]
	}
	return append(Shape{channels}, first[1:]...), nil
}

func inferReshape(n *Node) (Shape, *fault) {
	from, to := n.Args[0].Type.Shape, Shape(n.Ints(AttrShape))
	if from.Size() != to.Size() {
		return nil, faultf(diag.BadShape, "reshape of %s with %d elements to %s with %d", from, from.Size(), to, to.Size())
	}
	return to, nil
}

func inferBatchNorm(n *Node) (Shape, *fault) {
	s := n.Args[0].Type.Shape
	if len(s) == 0 {
		return nil, faultf(diag.BadShape, "batchnorm takes a tensor with channels, %s is a scalar", n.Args[0].Name)
	}
	return s, checkPerChannel(n, s[0], BatchNormConsts[:]...)
}

func inferSoftmax(n *Node) (Shape, *fault) {
	s := n.Args[0].Type.Shape
	if n.Int(AttrAxis) >= len(s) {
		return nil, faultf(diag.BadShape, "%s along axis %d, %s is %s", n.Op, n.Int(AttrAxis), n.Args[0].Name, s)
	}
	if n.Op == Softmax && n.Const(AttrMask) != nil {
		switch mask := n.Const(AttrMask); {
		case mask.Type.Elem.Kind != U8:
			return nil, faultf(diag.BadType, "a mask is of u8, %s is %s", mask.Name, mask.Type)
		case mask.Type.Shape.Size() < 1 || s.Size()%mask.Type.Shape.Size() != 0:
			return nil, faultf(diag.BadShape, "the mask %s is not repeated evenly over %s, which is %s", mask.Type, n.Args[0].Name, s)
		}
	}
	return s, nil
}

func inferNormalize(n *Node) (Shape, *fault) {
	s := n.Args[0].Type.Shape
	for _, key := range []Key[[]float64]{AttrMean, AttrStd} {
		if v := n.Nums(key); len(s) == 0 || (len(v) != 1 && len(v) != s[0]) {
			return nil, faultf(diag.BadShape, "%s has %d numbers, %s is %s", key, len(v), n.Args[0].Name, s)
		}
	}
	for _, v := range n.Nums(AttrStd) {
		if v <= 0 {
			return nil, faultf(diag.BadValue, "std has %v, it must be positive", v)
		}
	}
	return s, nil
}

// PlaceParts is the parts of a pixel in which a bilinear of integers places pixels (R22).
const PlaceParts = 1024

func inferBilinear(n *Node) (Shape, *fault) {
	c, h, w, f := chw(n)
	if f != nil {
		return nil, f
	}
	for _, axis := range []struct {
		key  Key[[]float64]
		size int
	}{{AttrDown, h}, {AttrAcross, w}} {
		places := n.Nums(axis.key)
		if len(places) == 0 {
			return nil, faultf(diag.BadShape, "%s has no places", axis.key)
		}
		for _, p := range places {
			if !(p >= 0 && p <= float64(axis.size-1)) {
				return nil, faultf(diag.BadValue, "%s has %v, which is not in 0 to %d", axis.key, p, axis.size-1)
			}
		}
	}
	return Shape{c, len(n.Nums(AttrDown)), len(n.Nums(AttrAcross))}, nil
}
