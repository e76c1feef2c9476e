package graph

import (
	"context"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
)

// rules make operations of others: each that is not core of core ones, and core ones
// of the forms that have integer kernels.
var rules [ir.NumOps]func(l *legalizer, n *ir.Node) error

// legalizer is a module on its way: the operations before the one that a rule rewrites are
// done, and those after it as they were.
type legalizer struct {
	*constants
	done []*ir.Node
}

func init() {
	rules = [ir.NumOps]func(l *legalizer, n *ir.Node) error{
		ir.GlobalAvgPool: legalizeGlobalPool,
		ir.Relu:          legalizeRelu,
		ir.Relu6:         legalizeRelu,
		ir.BatchNorm:     legalizeAffine,
		ir.Normalize:     legalizeAffine,
		ir.LogSoftmax:    legalizeLogSoftmax,
		ir.Softmax:       legalizeRows,
		ir.Reduce:        legalizeRows,
		ir.ArgMax:        legalizeRows,
		ir.L2Norm:        legalizeRows,
		ir.Mel:           legalizeMel,
		ir.LogMel:        legalizeMel,
		ir.MFCC:          legalizeMFCC,
	}
	for op := range ir.NumOps {
		switch {
		case op.IsFunction():
			rules[op] = legalizeFunction
		case op.Is(ir.Move) && rules[op] == nil:
			rules[op] = legalizeMoved
		}
	}
	has := func(op ir.Op) bool { return rules[op] != nil }
	ir.AddColumn(ir.Column{Name: "legalization", Place: "passes/graph/legalize.go", Has: has,
		Needs: func(op ir.Op) bool { return !op.Is(ir.Core) || has(op) }})
}

// Legalize reduces the surface operations to core ones.
func Legalize(_ context.Context, m *ir.Module, _ *pass.Env) error {
	dropFlattens(m)
	l := &legalizer{constants: constantsOf(m)}
	for _, n := range m.Ops {
		if rule := rules[n.Op]; rule != nil {
			if err := rule(l, n); err != nil {
				return err
			}
		}
		l.done = append(l.done, n)
	}
	m.Ops = l.done
	m.PruneConsts()
	return nil
}

// insert puts an operation of float values before node n, named after it.
func (l *legalizer) insert(n *ir.Node, role string, op ir.Op, shape ir.Shape, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
	k := &ir.Node{Op: op, Args: args, Pos: n.Pos}
	k.Out = &ir.Value{Name: fmt.Sprintf("%s.%s", n.Name(), role), Type: ir.Type{Elem: ir.Of(ir.F32), Shape: shape}, Def: k, Pos: n.Pos}
	k.Put(attrs...)
	l.done = append(l.done, k)
	return k.Out
}

// become makes n another operation of other arguments; its result stays.
func become(n *ir.Node, op ir.Op, args []*ir.Value, attrs ...ir.Attr) {
	n.Op, n.Args, n.Attrs = op, args, nil
	n.Put(attrs...)
}

// viewAttrs are the attributes of a copy that gives a view.
func viewAttrs(v ir.View, shape ir.Shape) []ir.Attr {
	dims, strides := v.Dims, v.Strides
	if len(dims) == 0 {
		dims, strides = []int{1}, []int{1}
	}
	return []ir.Attr{ir.AttrShape.Is([]int(shape)), ir.AttrDims.Is(dims), ir.AttrStrides.Is(strides), ir.AttrStart.Is(v.Start)}
}

// legalizeMoved makes a moving operation a copy, or a reshape where all elements
// stay in their order.
func legalizeMoved(_ *legalizer, n *ir.Node) error {
	v, shape := n.Moved(), n.Out.Type.Shape
	if v.IsWhole() && v.Size() == n.Args[0].Type.Shape.Size() {
		become(n, ir.Reshape, n.Args, ir.AttrShape.Is([]int(shape)))
	} else {
		become(n, ir.Copy, n.Args, viewAttrs(v, shape)...)
	}
	return nil
}

// legalizeFunction makes a function of each element a table.
func legalizeFunction(_ *legalizer, n *ir.Node) error {
	fn, params := n.Function()
	attrs := []ir.Attr{ir.AttrFn.Is(fn.String())}
	if len(params) > 0 {
		attrs = append(attrs, ir.AttrParams.Is(params))
	}
	become(n, ir.Table, n.Args, attrs...)
	return nil
}

func legalizeGlobalPool(_ *legalizer, n *ir.Node) error {
	s := n.Args[0].Type.Shape
	become(n, ir.AvgPool2D, n.Args, ir.AttrKernel.Is([]int{s[1], s[2]}))
	return nil
}

func legalizeRelu(_ *legalizer, n *ir.Node) error {
	become(n, ir.Requantize, n.Args, ir.AttrAct.Is(acts[n.Op]))
	return nil
}

// dropFlattens drops each flatten that only layers read: linear takes the elements of any
// tensor in C,H,W order. Others become a reshape.
func dropFlattens(m *ir.Module) {
	all, returned := m.AllUsers(), m.Returned()
	m.Bypass(func(n *ir.Node) *ir.Value {
		if n.Op != ir.Flatten || returned[n.Out] || slices.ContainsFunc(all[n.Out], func(u *ir.Node) bool { return u.Op != ir.Linear }) {
			return nil
		}
		return n.Args[0]
	})
}

// legalizeAffine makes a normalisation that could not be folded a depthwise
// 1x1 convolution, since a layer is what has integer kernels. A tensor of other
// axes than an image's becomes one for it.
func legalizeAffine(l *legalizer, n *ir.Node) error {
	a, err := asAffine(n)
	if err != nil {
		return err
	}
	s := n.Out.Type.Shape
	layer := n
	if len(s) != 3 {
		image := ir.Shape{s[0], s.Size() / s[0], 1}
		x := l.insert(n, "image", ir.Reshape, image, n.Args, ir.AttrShape.Is([]int(image)))
		layer = l.insert(n, "scaled", n.Op, image, []*ir.Value{x}).Def
		l.clear(n)
		become(n, ir.Reshape, []*ir.Value{layer.Out}, ir.AttrShape.Is([]int(s)))
	}
	l.clear(layer)
	layer.Op = ir.Conv2D
	layer.Put(ir.AttrGroups.Is(s[0]))
	l.putLayer(layer, layerParams{a.scale, a.shift, ir.Shape{s[0], 1, 1, 1}})
	return nil
}

// rowAxes are the axes in which those that an operation goes along come last, and
// the shape [rows, length] that they then have.
func rowAxes(n *ir.Node) (perm []int, rows ir.Shape) {
	s := n.Args[0].Type.Shape
	along := []int{0}
	if n.Op == ir.Reduce {
		along = n.Ints(ir.AttrAxes)
	} else {
		along[0] = n.Int(ir.AttrAxis)
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
func legalizeRows(l *legalizer, n *ir.Node) error {
	perm, rows := rowAxes(n)
	x := n.Args[0]
	if len(x.Type.Shape) <= 2 && slices.IsSorted(perm) && (n.Op != ir.Reduce || len(n.Ints(ir.AttrAxes)) == 1) {
		return nil
	}
	args := []*ir.Value{l.insert(n, "rows", ir.Copy, rows, n.Args, viewAttrs(ir.ViewOf(x.Type.Shape).Permute(perm), rows)...)}
	switch n.Op {
	case ir.Softmax:
		mask, err := maskOf(n)
		if err != nil {
			return err
		}
		y := l.insert(n, "softmax", ir.Softmax, rows, args, ir.AttrAxis.Is(1))
		if mask != nil {
			permuted := make([]byte, len(mask))
			ir.ViewOf(x.Type.Shape).Permute(perm).Each(func(i, at int) { permuted[i] = mask[at] })
			if err := putMask(l.constants, y.Def, permuted); err != nil {
				return err
			}
		}
		l.clear(n)
		become(n, ir.Copy, []*ir.Value{y}, viewAttrs(backAgain(x.Type.Shape, perm), n.Out.Type.Shape)...)
	case ir.L2Norm:
		y := l.insert(n, "norm", ir.L2Norm, rows, args, ir.AttrAxis.Is(1))
		l.clear(n)
		become(n, ir.Copy, []*ir.Value{y}, viewAttrs(backAgain(x.Type.Shape, perm), n.Out.Type.Shape)...)
	case ir.Reduce:
		y := l.insert(n, "reduce", ir.Reduce, ir.Shape{rows[0]}, args, ir.AttrFn.Is(n.Word(ir.AttrFn)), ir.AttrAxes.Is([]int{1}))
		become(n, ir.Reshape, []*ir.Value{y}, ir.AttrShape.Is([]int(n.Out.Type.Shape)))
	case ir.ArgMax:
		y := l.insert(n, "argmax", ir.ArgMax, ir.Shape{rows[0]}, args, ir.AttrAxis.Is(1))
		become(n, ir.Reshape, []*ir.Value{y}, ir.AttrShape.Is([]int(n.Out.Type.Shape)))
	}
	return nil
}

// legalizeLogSoftmax is d - log(sum(exp(d))) of the distances d = x - max(x) along the
// axis: the logarithm of a softmax of 8 bits knows no result below log(1/256).
func legalizeLogSoftmax(l *legalizer, n *ir.Node) error {
	perm, rows := rowAxes(n)
	x := n.Args[0]
	original := x.Type.Shape
	if !original.Equal(rows) || !slices.IsSorted(perm) {
		x = l.insert(n, "rows", ir.Copy, rows, n.Args, viewAttrs(ir.ViewOf(original).Permute(perm), rows)...)
	}
	one := ir.Shape{rows[0], 1}
	reduced := func(role, fn string, x *ir.Value) *ir.Value {
		return l.insert(n, role, ir.Reduce, one, []*ir.Value{x}, ir.AttrFn.Is(fn), ir.AttrAxes.Is([]int{1}), ir.AttrKeep.Is(1))
	}
	spread := func(role string, x *ir.Value) *ir.Value {
		v, _ := ir.ViewOf(one).Expand(rows)
		return l.insert(n, role, ir.Copy, rows, []*ir.Value{x}, viewAttrs(v, rows)...)
	}
	function := func(role string, fn ir.Op, x *ir.Value) *ir.Value {
		return l.insert(n, role, ir.Table, x.Type.Shape, []*ir.Value{x}, ir.AttrFn.Is(fn.String()))
	}
	top := spread("tops", reduced("top", ir.ReduceMax, x))
	d := l.insert(n, "distance", ir.Sub, rows, []*ir.Value{x, top})
	log := spread("logs", function("log", ir.Log, reduced("sum", ir.ReduceSum, function("exp", ir.Exp, d))))
	y := l.insert(n, "logits", ir.Sub, rows, []*ir.Value{d, log})
	become(n, ir.Copy, []*ir.Value{y}, viewAttrs(backAgain(original, perm), n.Out.Type.Shape)...)
	return nil
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
	if n.Op != ir.Pad || n.Word(ir.AttrMode) != ir.PadConstant || n.Float(ir.AttrValue) != 0 || len(n.Args[0].Type.Shape) != 3 || n.Has(ir.AttrBetween) && slices.Max(n.Ints(ir.AttrBetween)) > 0 {
		return false
	}
	return n.Ints(ir.AttrBefore)[0] == 0 && n.Ints(ir.AttrAfter)[0] == 0
}

// foldPad makes a pad part of the convolutions after it.
func foldPad(m *ir.Module) {
	all, returned := m.AllUsers(), m.Returned()
	m.Bypass(func(n *ir.Node) *ir.Value {
		users := all[n.Out]
		if !isPlainPad(n) || returned[n.Out] || len(users) == 0 ||
			slices.ContainsFunc(users, func(u *ir.Node) bool { return u.Op != ir.Conv2D || u.Has(ir.AttrPadValue) }) {
			return nil
		}
		b, a := n.Ints(ir.AttrBefore), n.Ints(ir.AttrAfter)
		for _, u := range users {
			p := u.Ints(ir.AttrPad)
			u.Put(ir.AttrPad.Is([]int{p[0] + b[1], p[1] + b[2], p[2] + a[1], p[3] + a[2]}))
		}
		return n.Args[0]
	})
}

// mostMoves bounds the moves of a round trip: each is looked for from every move, with all its
// elements.
const mostMoves = 32

// foldRoundTrips takes out elements that are moved away and back, as importers
// leave them between layers of several rows: a moving operation whose argument is
// one, when both together keep every element in its place.
func foldRoundTrips(m *ir.Module) {
	returned := m.Returned()
	m.Bypass(func(n *ir.Node) *ir.Value {
		root := n.Args[0]
		if !n.Op.Moves() || root.Def == nil || !root.Def.Op.Moves() {
			return nil
		}
		at := n.Moved().Index()
		for trip := 1; trip < mostMoves && root.Def != nil && root.Def.Op.Moves(); trip++ {
			inner := root.Def.Moved().Index()
			for i, k := range at {
				at[i] = inner[k]
			}
			root = root.Def.Args[0]
			if root.Type.Shape.Size() == len(at) && isIdentityOrder(at) {
				if root.Type.Shape.Equal(n.Out.Type.Shape) && !returned[n.Out] {
					return root
				}
				become(n, ir.Reshape, []*ir.Value{root}, ir.AttrShape.Is([]int(n.Out.Type.Shape)))
				break
			}
		}
		return nil
	})
	// Moves that nobody needs any more would hide layers from the folding.
	uses, idle := m.Uses(), map[*ir.Node]bool{}
	for _, n := range slices.Backward(m.Ops) {
		if n.Op.Moves() && uses[n.Out] == 0 {
			idle[n] = true
			uses[n.Args[0]]--
		}
	}
	m.Ops = slices.DeleteFunc(m.Ops, func(n *ir.Node) bool { return idle[n] })
}

func isIdentityOrder(at []int32) bool {
	for i, k := range at {
		if int(k) != i {
			return false
		}
	}
	return true
}
