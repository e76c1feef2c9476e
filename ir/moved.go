package ir

import (
	"slices"

	"github.com/dnnc/dnnc/ir/diag"
)

// Moved is the view of the argument that a moving operation gives.
func (n *Node) Moved() View {
	v, _, f := n.Op.Info().view(n)
	if f != nil {
		panic("ir: " + f.text) // of a module that was not verified
	}
	return v
}

func inferMoved(n *Node) (Shape, *fault) {
	_, s, f := n.Op.Info().view(n)
	return s, f
}

func reshaped(n *Node) (View, Shape, *fault) {
	return ViewOf(n.Args[0].Type.Shape), Shape(n.Ints(AttrShape)), nil
}

func flattened(n *Node) (View, Shape, *fault) {
	s := n.Args[0].Type.Shape
	return ViewOf(s), Shape{s.Size()}, nil
}

func transposed(n *Node) (v View, to Shape, f *fault) {
	s, perm := n.Args[0].Type.Shape, n.Ints(AttrPerm)
	bad := faultf(diag.BadValue, "%v is no permutation of the axes of %s", perm, s)
	if len(perm) != len(s) {
		return v, nil, bad
	}
	for k, p := range slices.Sorted(slices.Values(perm)) {
		if k != p {
			return v, nil, bad
		}
	}
	v = ViewOf(s).Permute(perm)
	return v, v.Dims, nil
}

func sliced(n *Node) (v View, to Shape, f *fault) {
	s := n.Args[0].Type.Shape
	start, size, step := n.Ints(AttrStarts), n.Ints(AttrSize), n.Ints(AttrStep)
	if step == nil {
		step = slices.Repeat([]int{1}, len(s))
	}
	if len(start) != len(s) || len(size) != len(s) || len(step) != len(s) {
		return v, nil, faultf(diag.BadShape, "start, size and step have one number an axis of %s", s)
	}
	v = ViewOf(s)
	for k := range s {
		last := start[k] + (size[k]-1)*step[k]
		if start[k] >= s[k] || last < 0 || last >= s[k] {
			return v, nil, faultf(diag.BadShape, "elements %d to %d along axis %d of %s", start[k], last, k, s)
		}
		v = v.Slice(k, start[k], step[k], size[k])
	}
	return v, v.Dims, nil
}

func expanded(n *Node) (v View, to Shape, f *fault) {
	s := n.Args[0].Type.Shape
	v, ok := ViewOf(s).Expand(n.Ints(AttrShape))
	if !ok {
		return v, nil, faultf(diag.BadShape, "%s does not expand to %v", s, n.Ints(AttrShape))
	}
	return v, v.Dims, nil
}

func depthToSpace(n *Node) (v View, to Shape, f *fault) {
	c, h, w, f := chw(n)
	if f != nil {
		return v, nil, f
	}
	v = ViewOf(n.Args[0].Type.Shape)
	b := n.Int(AttrBlock)
	if c%b != 0 || c/b%b != 0 {
		return v, nil, faultf(diag.BadShape, "%d channels are no blocks of %dx%d", c, b, b)
	}
	to = Shape{c / b / b, h * b, w * b}
	if n.Word(AttrMode) == ChannelsFirst {
		return v.Split(0, b).Split(0, b).Permute([]int{0, 3, 1, 4, 2}), to, nil
	}
	return v.Split(0, c/b/b).Split(0, b).Permute([]int{2, 3, 0, 4, 1}), to, nil
}

func spaceToDepth(n *Node) (v View, to Shape, f *fault) {
	c, h, w, f := chw(n)
	if f != nil {
		return v, nil, f
	}
	b := n.Int(AttrBlock)
	if h%b != 0 || w%b != 0 {
		return v, nil, faultf(diag.BadShape, "%s has no blocks of %dx%d pixels", n.Args[0].Type.Shape, b, b)
	}
	v = ViewOf(n.Args[0].Type.Shape).Split(2, b).Split(1, b).Permute([]int{2, 4, 0, 1, 3})
	return v, Shape{c * b * b, h / b, w / b}, nil
}

func resized(n *Node) (v View, to Shape, f *fault) {
	c, h, w, f := chw(n)
	if f != nil {
		return v, nil, f
	}
	k := n.Ints(AttrScale)
	v, _ = ViewOf(n.Args[0].Type.Shape).Split(2, 1).Split(1, 1).Expand(Shape{c, h, k[0], w, k[1]})
	return v, Shape{c, h * k[0], w * k[1]}, nil
}

func copied(n *Node) (v View, to Shape, f *fault) {
	s := n.Args[0].Type.Shape
	to = Shape(n.Ints(AttrShape))
	v = View{Dims: n.Ints(AttrDims), Strides: n.Ints(AttrStrides), Start: n.Int(AttrStart)}
	if len(v.Dims) != len(v.Strides) || v.Size() != to.Size() || v.Size() < 1 {
		return v, nil, faultf(diag.BadShape, "a view of %v by %v is no %s", v.Dims, v.Strides, to)
	}
	least, greatest := v.Start, v.Start
	for k, d := range v.Dims {
		least += min(0, (d-1)*v.Strides[k])
		greatest += max(0, (d-1)*v.Strides[k])
	}
	if least < 0 || greatest >= s.Size() {
		return v, nil, faultf(diag.BadShape, "elements %d to %d of %s", least, greatest, s)
	}
	return v, to, nil
}

// PadSource is the element along axis k that a pad in a mode other than constant has
// at place i: of the argument, which repeats beyond its edges.
func (n *Node) PadSource(k, i int) int {
	d := n.Args[0].Type.Shape[k]
	i -= n.Ints(AttrBefore)[k]
	switch n.Word(AttrMode) {
	case PadEdge:
		return min(max(i, 0), d-1)
	case PadWrap:
		return (i + d) % d
	}
	apart := 0 // reflect: the element at the edge is the mirror
	if n.Word(AttrMode) == PadSymmetric {
		apart = 1
	}
	switch {
	case i < 0:
		return -i - apart
	case i >= d:
		return 2*(d-1) - i + apart
	}
	return i
}

// Repeated lists the elements of the argument that a pad in a mode other than constant
// has, in logical order.
func (n *Node) Repeated() []int32 {
	s, from := n.Out.Type.Shape, ViewOf(n.Args[0].Type.Shape)
	at := []int32{0}
	for k, d := range s {
		next := make([]int32, 0, len(at)*d)
		for _, a := range at {
			for i := range d {
				next = append(next, a+int32(n.PadSource(k, i)*from.Strides[k]))
			}
		}
		at = next
	}
	return at
}

// Padded is the view of a pad's result in which the argument's elements lie.
func (n *Node) Padded() View {
	v := ViewOf(n.Out.Type.Shape)
	between := n.Ints(AttrBetween)
	for k, d := range n.Args[0].Type.Shape {
		step := 1
		if between != nil {
			step += between[k]
		}
		v = v.Slice(k, n.Ints(AttrBefore)[k], step, d)
	}
	return v
}

func inferPad(n *Node) (Shape, *fault) {
	s := n.Args[0].Type.Shape
	before, after, between := n.Ints(AttrBefore), n.Ints(AttrAfter), n.Ints(AttrBetween)
	if between == nil {
		between = make([]int, len(s))
	}
	if len(before) != len(s) || len(after) != len(s) || len(between) != len(s) {
		return nil, faultf(diag.BadShape, "before, after and between have one number an axis of %s", s)
	}
	to := make(Shape, len(s))
	for k, d := range s {
		if between[k] > MaxElements/d {
			return nil, faultf(diag.BadShape, "%d elements between", between[k])
		}
		to[k] = before[k] + d + (d-1)*between[k] + after[k]
		room := map[string]int{PadReflect: d - 1, PadSymmetric: d, PadWrap: d}
		if most, ok := room[n.Word(AttrMode)]; ok && max(before[k], after[k]) > most || n.Word(AttrMode) != PadConstant && between[k] > 0 {
			return nil, faultf(diag.BadShape, "pad in mode %s of %s by %v and %v", n.Word(AttrMode), s, before, after)
		}
	}
	return to, nil
}

func inferReduce(n *Node) (Shape, *fault) {
	s := n.Args[0].Type.Shape
	axes := n.Ints(AttrAxes)
	var to Shape
	for k, d := range s {
		switch {
		case !slices.Contains(axes, k):
			to = append(to, d)
		case n.Int(AttrKeep) == 1:
			to = append(to, 1)
		}
	}
	for i, a := range axes {
		if a >= len(s) || i > 0 && axes[i-1] >= a {
			return nil, faultf(diag.BadShape, "axes %v of %s", axes, s)
		}
	}
	if len(to) == 0 {
		to = Shape{1}
	}
	return to, nil
}

func inferMatMul(n *Node) (Shape, *fault) {
	a, b := n.Args[0].Type.Shape, n.Args[1].Type.Shape
	r := len(a)
	if r != len(b) || r < 2 || r > 3 || a[r-1] != b[r-2] || r == 3 && a[0] != b[0] {
		return nil, faultf(diag.BadShape, "matmul of %s and %s", a, b)
	}
	if a[r-1] > maxProducts {
		return nil, faultf(diag.Limit, "matmul over %d products; 32-bit sums hold %d", a[r-1], maxProducts)
	}
	return append(append(Shape{}, a[:r-1]...), b[r-1]), nil
}

// maxProducts of 255*255 fit a 32-bit sum (R5).
const maxProducts = (1<<31 - 1) / (255 * 255)

func inferArgMax(n *Node) (Shape, *fault) {
	s := n.Args[0].Type.Shape
	k := n.Int(AttrAxis)
	switch {
	case k >= len(s):
		return nil, faultf(diag.BadShape, "axis %d of %s", k, s)
	case s[k] > 256:
		return nil, faultf(diag.BadShape, "the place among %d elements; 8 bits tell 256", s[k])
	case len(s) == 1:
		return Shape{1}, nil
	}
	return append(append(Shape{}, s[:k]...), s[k+1:]...), nil
}

// The rows of an embedding that indices of 8 bits tell apart, and those of an input of
// 16 bits, which are the rows' own numbers.
const (
	ByteRows = 256
	MostRows = 1 << 15
)

func inferEmbedding(n *Node) (Shape, *fault) {
	s, rows := n.Args[0].Type.Shape, n.Const(AttrRows)
	r := rows.Type.Shape
	switch {
	case len(s) != 1:
		return nil, faultf(diag.BadShape, "embedding takes a list of indices [N], %s is %s", n.Args[0].Name, s)
	case len(r) != 2:
		return nil, faultf(diag.BadShape, "rows of embedding are [V,D], %s is %s", rows.Name, rows.Type)
	case r[0] > MostRows:
		return nil, faultf(diag.Limit, "embedding of %d rows; indices of 16 bits tell %d", r[0], MostRows)
	case r[0] > ByteRows && (n.Args[0].Def != nil || n.Args[0].Type.Elem.Kind == I8):
		return nil, faultf(diag.Limit, "embedding of %d rows by %s; indices of 8 bits tell %d, those of an input that only chooses rows %d", r[0], n.Args[0].Name, ByteRows, MostRows)
	}
	return Shape{s[0], r[1]}, nil
}
