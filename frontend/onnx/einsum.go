package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// labels are the letters of an operand's axes; axes of an ellipsis have the numbers from 0.
type labels []rune

// equation reads the labels of the operands of an einsum and of its result.
func equation(text string, in []*operand) (args []labels, out labels, err error) {
	text = strings.ReplaceAll(text, " ", "")
	left, right, isGiven := strings.Cut(text, "->")
	terms := strings.Split(left, ",")
	if len(terms) != len(in) {
		return nil, nil, fmt.Errorf("of %d operands, with the equation %q", len(in), text)
	}
	most := 0 // axes of the ellipsis
	for i, term := range terms {
		if strings.Contains(term, "...") {
			most = max(most, len(in[i].shape)-len(term)+3)
		}
	}
	read := func(term string, axes int) (labels, error) {
		before, after, isMore := strings.Cut(term, "...")
		if !isMore {
			axes = 0
		}
		list := labels(before)
		for k := range axes {
			list = append(list, rune(most-axes+k))
		}
		list = append(list, labels(after)...)
		for _, r := range before + after {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
				return nil, fmt.Errorf("has the equation %q, whose labels are no letters", text)
			}
		}
		return list, nil
	}
	for i, term := range terms {
		list, err := read(term, len(in[i].shape)-len(term)+3)
		if err == nil && len(list) != len(in[i].shape) {
			err = fmt.Errorf("has the labels %q for an operand of shape %v", term, in[i].shape)
		}
		if err != nil {
			return nil, nil, err
		}
		args = append(args, list)
	}
	if isGiven {
		if out, err = read(right, most); err != nil {
			return nil, nil, err
		}
	} else { // the ellipsis, then labels that stand once, in the order of the alphabet
		for k := range most {
			out = append(out, rune(k))
		}
		all := slices.Sorted(slices.Values(slices.Concat(args...)))
		for i, r := range all {
			if r >= 'A' && (i == 0 || all[i-1] != r) && (i+1 == len(all) || all[i+1] != r) {
				out = append(out, r)
			}
		}
	}
	for i, r := range out {
		if slices.Contains(out[:i], r) || !slices.ContainsFunc(args, func(l labels) bool { return slices.Contains(l, r) }) {
			return nil, nil, fmt.Errorf("has the equation %q, whose result has a label twice or one of no operand", text)
		}
	}
	return args, out, nil
}

// einsum imports sums of products of operands: two after the other as products of
// matrices, and what they leave as reductions and transpositions.
func einsum(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if slices.Contains(in, nil) {
		return nil, errors.New("lacks an argument")
	}
	args, out, err := equation(textAttr(n, "equation", ""), in)
	if err != nil {
		return nil, err
	}
	sizes := map[rune]int{}
	for i, list := range args {
		for k, r := range list {
			d := in[i].shape[k]
			if old, ok := sizes[r]; ok && old != d && old != 1 && d != 1 {
				return nil, fmt.Errorf("has the sizes %d and %d of one label, in the equation %q", old, d, textAttr(n, "equation", ""))
			}
			sizes[r] = max(sizes[r], d)
		}
	}
	e := &summing{im.compose(n), sizes}
	x, l := e.diagonal(in[0], args[0])
	for i := 1; i < len(in); i++ {
		y, m := e.diagonal(in[i], args[i])
		x, l = e.pair(x, l, y, m, slices.Concat(out, slices.Concat(args[i+1:]...)))
	}
	x, l = e.sumOut(x, l, out)
	perm := make([]int, len(out))
	for i, r := range out {
		perm[i] = slices.Index(l, r)
	}
	return e.result(e.transpose("out", x, perm...))
}

// summing composes an einsum.
type summing struct {
	*composer
	sizes map[rune]int
}

// diagonal takes of axes of one label the elements of equal places, and repeats axes of one
// element that others have more of.
func (e *summing) diagonal(x *operand, list labels) (*operand, labels) {
	if e.err != nil {
		return x, list
	}
	whole := ir.ViewOf(x.shape)
	v := ir.View{Start: whole.Start}
	var own labels
	for k, r := range list {
		stride := whole.Strides[k]
		if x.shape[k] == 1 {
			stride = 0
		}
		if at := slices.Index(own, r); at >= 0 {
			v.Strides[at] += stride
			continue
		}
		own, v.Dims, v.Strides = append(own, r), append(v.Dims, e.sizes[r]), append(v.Strides, stride)
	}
	if slices.Equal(v.Dims, x.shape) {
		return x, list
	}
	if x.c != nil {
		if e.err = e.im.room(sizeOf(v.Dims)); e.err != nil {
			return x, own
		}
		return &operand{c: x.c.view(v), shape: v.Dims}, own
	}
	outs, err := e.im.viewedAs(moduleName(e.n)+".in", x, v)
	if err != nil {
		e.err = err
		return x, own
	}
	return outs[0], own
}

// sumOut sums along the axes whose labels no later operand needs.
func (e *summing) sumOut(x *operand, list, needed labels) (*operand, labels) {
	var axes []int
	var rest labels
	for k, r := range list {
		if slices.Contains(needed, r) {
			rest = append(rest, r)
		} else {
			axes = append(axes, k)
		}
	}
	if len(axes) == 0 {
		return x, list
	}
	return e.along("ReduceSum", "sum", x, axes, false), rest
}

// pair is the product of two operands, summed along the labels that only they have.
func (e *summing) pair(x *operand, l labels, y *operand, m labels, needed labels) (*operand, labels) {
	x, l = e.sumOut(x, l, slices.Concat(needed, m))
	y, m = e.sumOut(y, m, slices.Concat(needed, l))
	var batch, left, right, inner labels
	for _, r := range l {
		switch {
		case !slices.Contains(m, r):
			left = append(left, r)
		case slices.Contains(needed, r):
			batch = append(batch, r)
		default:
			inner = append(inner, r)
		}
	}
	for _, r := range m {
		if !slices.Contains(l, r) {
			right = append(right, r)
		}
	}
	a, b := e.ordered("first", x, l, batch, left, inner), e.ordered("second", y, m, batch, inner, right)
	if len(inner) == 0 { // no sum: a product of elements
		a, b = e.ordered("first", x, l, batch, left, nil), e.ordered("second", y, m, batch, nil, right)
	}
	if e.err != nil {
		return x, l
	}
	rows, cols, all := e.size(left), e.size(right), e.size(inner)
	groups := e.size(batch)
	a, b = e.reshape("first.matrix", a, []int{groups, rows, all}), e.reshape("second.matrix", b, []int{groups, all, cols})
	op := "MatMul"
	if len(inner) == 0 {
		op = "Mul"
	}
	out := slices.Concat(batch, left, right)
	shape := make([]int, len(out))
	for i, r := range out {
		shape[i] = e.sizes[r]
	}
	return e.reshape("product", e.binary(op, "", a, b), shape), out
}

// ordered is an operand with its axes in the order of lists of labels.
func (e *summing) ordered(role string, x *operand, list labels, order ...labels) *operand {
	var perm []int
	for _, r := range slices.Concat(order...) {
		perm = append(perm, slices.Index(list, r))
	}
	return e.transpose(role, x, perm...)
}

// size is the elements of axes.
func (e *summing) size(list labels) int {
	n := 1
	for _, r := range list {
		n *= e.sizes[r]
	}
	return n
}
