package graph

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// insert puts an operation of float values before node n, named after it.
func insert(m *ir.Module, n *ir.Node, role string, op ir.Op, shape ir.Shape, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
	k := &ir.Node{Op: op, Args: args, Pos: n.Pos}
	k.Out = &ir.Value{Name: fmt.Sprintf("%s.%s", n.Name(), role), Type: ir.Type{Elem: ir.Of(ir.F32), Shape: shape}, Def: k, Pos: n.Pos}
	for _, a := range attrs {
		k.Set(a.Name, a.Value)
	}
	m.Ops = slices.Insert(m.Ops, slices.Index(m.Ops, n), k)
	return k.Out
}

// become makes n another operation of other arguments; its result stays.
func become(n *ir.Node, op ir.Op, args []*ir.Value, attrs ...ir.Attr) {
	n.Op, n.Args, n.Attrs = op, args, nil
	for _, a := range attrs {
		n.Set(a.Name, a.Value)
	}
}

// viewAttrs are the attributes of a copy that gives a view.
func viewAttrs(v ir.View, shape ir.Shape) []ir.Attr {
	dims, strides := v.Dims, v.Strides
	if len(dims) == 0 {
		dims, strides = []int{1}, []int{1}
	}
	return []ir.Attr{{Name: "shape", Value: []int(shape)}, {Name: "dims", Value: dims}, {Name: "strides", Value: strides}, {Name: "start", Value: v.Start}}
}

// legalizeMoved makes a moving operation a copy, or a reshape where all elements
// stay in their order.
func legalizeMoved(n *ir.Node) {
	v, shape := n.Moved(), n.Out.Type.Shape
	if v.IsWhole() && v.Size() == n.Args[0].Type.Shape.Size() {
		become(n, ir.Reshape, n.Args, ir.Attr{Name: "shape", Value: []int(shape)})
		return
	}
	become(n, ir.Copy, n.Args, viewAttrs(v, shape)...)
}

// legalizeFunction makes a function of each element a table.
func legalizeFunction(n *ir.Node) {
	name, params := geometry.FunctionOf(n)
	attrs := []ir.Attr{{Name: "fn", Value: name}}
	if len(params) > 0 {
		attrs = append(attrs, ir.Attr{Name: "params", Value: params})
	}
	become(n, ir.Table, n.Args, attrs...)
}

// rowAxes are the axes in which those that an operation goes along come last, and
// the shape [rows, length] that they then have.
func rowAxes(n *ir.Node) (perm []int, rows ir.Shape) {
	s := n.Args[0].Type.Shape
	along := []int{0}
	if n.Op == ir.Reduce {
		along = n.Ints("axes")
	} else {
		along[0] = n.Int("axis")
	}
	length := 1
	for k, d := range s {
		if slices.Contains(along, k) {
			length *= d
		} else {
			perm = append(perm, k)
		}
	}
	perm = append(perm, along...)
	return perm, ir.Shape{s.Size() / length, length}
}

// legalizeRows gives an operation along an axis its argument as [rows, length],
// and its result its shape again.
func legalizeRows(m *ir.Module, n *ir.Node) {
	perm, rows := rowAxes(n)
	x := n.Args[0]
	if len(x.Type.Shape) <= 2 && slices.IsSorted(perm) && (n.Op != ir.Reduce || len(n.Ints("axes")) == 1) {
		return
	}
	args := []*ir.Value{insert(m, n, "rows", ir.Copy, rows, n.Args, viewAttrs(ir.ViewOf(x.Type.Shape).Permute(perm), rows)...)}
	switch n.Op {
	case ir.Softmax:
		y := insert(m, n, "softmax", ir.Softmax, rows, args, ir.Attr{Name: "axis", Value: 1})
		become(n, ir.Copy, []*ir.Value{y}, viewAttrs(backAgain(x.Type.Shape, perm), n.Out.Type.Shape)...)
	case ir.Reduce:
		y := insert(m, n, "reduce", ir.Reduce, ir.Shape{rows[0]}, args, ir.Attr{Name: "fn", Value: n.Word("fn")}, ir.Attr{Name: "axes", Value: []int{1}})
		become(n, ir.Reshape, []*ir.Value{y}, ir.Attr{Name: "shape", Value: []int(n.Out.Type.Shape)})
	case ir.ArgMax:
		y := insert(m, n, "argmax", ir.ArgMax, ir.Shape{rows[0]}, args, ir.Attr{Name: "axis", Value: 1})
		become(n, ir.Reshape, []*ir.Value{y}, ir.Attr{Name: "shape", Value: []int(n.Out.Type.Shape)})
	}
}

// legalizeLogSoftmax is d - log(sum(exp(d))) of the distances d = x - max(x) along the
// axis: the logarithm of a softmax of 8 bits knows no result below log(1/256).
func legalizeLogSoftmax(m *ir.Module, n *ir.Node) {
	perm, rows := rowAxes(n)
	x := n.Args[0]
	original := x.Type.Shape
	if !original.Equal(rows) || !slices.IsSorted(perm) {
		x = insert(m, n, "rows", ir.Copy, rows, n.Args, viewAttrs(ir.ViewOf(original).Permute(perm), rows)...)
	}
	one := ir.Shape{rows[0], 1}
	reduced := func(role, fn string, x *ir.Value) *ir.Value {
		return insert(m, n, role, ir.Reduce, one, []*ir.Value{x}, ir.Attr{Name: "fn", Value: fn}, ir.Attr{Name: "axes", Value: []int{1}}, ir.Attr{Name: "keep", Value: 1})
	}
	spread := func(role string, x *ir.Value) *ir.Value {
		v, _ := ir.ViewOf(one).Expand(rows)
		return insert(m, n, role, ir.Copy, rows, []*ir.Value{x}, viewAttrs(v, rows)...)
	}
	function := func(role, fn string, x *ir.Value) *ir.Value {
		return insert(m, n, role, ir.Table, x.Type.Shape, []*ir.Value{x}, ir.Attr{Name: "fn", Value: fn})
	}
	top := spread("tops", reduced("top", "max", x))
	d := insert(m, n, "distance", ir.Sub, rows, []*ir.Value{x, top})
	log := spread("logs", function("log", "log", reduced("sum", "sum", function("exp", "exp", d))))
	y := insert(m, n, "logits", ir.Sub, rows, []*ir.Value{d, log})
	become(n, ir.Copy, []*ir.Value{y}, viewAttrs(backAgain(original, perm), n.Out.Type.Shape)...)
}

// backAgain is the view that brings elements in a permutation of the axes of a shape
// back.
func backAgain(s ir.Shape, perm []int) ir.View {
	permuted, back := make(ir.Shape, len(perm)), make([]int, len(perm))
	for i, k := range perm {
		permuted[i], back[k] = s[k], i
	}
	return ir.ViewOf(permuted).Permute(back)
}

// isPlainPad reports a pad of rows and columns with 0, which a convolution does
// by itself.
func isPlainPad(n *ir.Node) bool {
	if n.Op != ir.Pad || n.Word("mode") != "constant" || n.Float("value") != 0 || len(n.Args[0].Type.Shape) != 3 || n.Has("between") && slices.Max(n.Ints("between")) > 0 {
		return false
	}
	return n.Ints("before")[0] == 0 && n.Ints("after")[0] == 0
}

// foldPad makes a pad part of the convolutions behind it.
func foldPad(m *ir.Module) {
	for _, n := range slices.Clone(m.Ops) {
		users := m.Users(n.Out)
		if !isPlainPad(n) || m.IsOutput(n.Out) || len(users) == 0 || slices.ContainsFunc(users, func(u *ir.Node) bool { return u.Op != ir.Conv2D || u.Has("pad_value") }) {
			continue
		}
		b, a := n.Ints("before"), n.Ints("after")
		for _, u := range users {
			p := u.Ints("pad")
			u.Set("pad", []int{p[0] + b[1], p[1] + b[2], p[2] + a[1], p[3] + a[2]})
		}
		m.Replace(n.Out, n.Args[0])
		m.Remove(n)
	}
}

// foldRoundTrips takes out elements that are moved away and back, as importers
// leave them between layers of several rows: a moving operation whose argument is
// one, when both together keep every element in its place.
func foldRoundTrips(m *ir.Module) {
	for _, n := range slices.Clone(m.Ops) {
		if !n.Op.Moves() {
			continue
		}
		at := n.Moved().Index()
		root := n.Args[0]
		for root.Def != nil && root.Def.Op.Moves() {
			inner := root.Def.Moved().Index()
			for i, k := range at {
				at[i] = inner[k]
			}
			root = root.Def.Args[0]
			if root.Type.Shape.Size() == len(at) && isIdentityOrder(at) {
				if root.Type.Shape.Equal(n.Out.Type.Shape) && !m.IsOutput(n.Out) {
					m.Replace(n.Out, root)
					m.Remove(n)
				} else {
					become(n, ir.Reshape, []*ir.Value{root}, ir.Attr{Name: "shape", Value: []int(n.Out.Type.Shape)})
				}
				break
			}
		}
	}
	// Moves that nobody needs any more would hide layers from the folding.
	for i := len(m.Ops) - 1; i >= 0; i-- {
		if n := m.Ops[i]; n.Op.Moves() && len(m.Users(n.Out)) == 0 && !m.IsOutput(n.Out) {
			m.Remove(n)
		}
	}
}

func isIdentityOrder(at []int32) bool {
	for i, k := range at {
		if int(k) != i {
			return false
		}
	}
	return true
}
