package emit

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
)

// Codes is the weights of a convolution or a linear layer in tiles of a few output channels.
// Each step of a tile has a few bytes in every bit plane.
type Codes struct {
	G       *Generator
	Elem    ir.Elem
	Lanes   int
	Rows    int // output channels of a group
	K       int
	Groups  int
	Planes  []*loop.Global
	Bias    *loop.Global
	Requant Requant
	Acc     int // bits of an accumulator
}

// NewCodes returns a layer with k codes for each output channel, in tiles of lanes channels.
// The planes are the result of Pack.
func NewCodes(g *Generator, groups, k, lanes int, planes [][]byte) (*Codes, error) {
	n := g.Node
	w := n.Const(ir.AttrWeight).Type
	l := &Codes{G: g, Elem: w.Elem, Lanes: lanes, Rows: w.Shape[0] / groups, K: k, Groups: groups, Acc: 32}
	bias, err := n.Const(ir.AttrBias).Ints()
	if err != nil {
		return nil, err
	}
	if n.Const(ir.AttrBias).Type.Elem.Kind == ir.I64 {
		l.Acc = 64
	}
	l.Bias = g.Ints("bias", l.Acc, bias)
	if l.Requant, err = NewRequant(g, "", l.Acc == 64); err != nil {
		return nil, err
	}
	for i, data := range planes {
		l.Planes = append(l.Planes, g.Global(fmt.Sprintf("weight%d", i), 4, data))
	}
	return l, nil
}

// Part is a range of output channels that are computed Channels at a time.
type Part struct{ Index, From, To, Channels int }

// Parts divides rows into tiles of the given sizes, which descend to 1.
func Parts(rows int, sizes ...int) []Part {
	var list []Part
	at := 0
	for i, n := range sizes {
		to := rows - (rows-at)%n
		list = append(list, Part{i, at, to, n})
		at = to
	}
	return list
}

// Pack lays codes[groups*rows][k] out in bit planes, one tile of lanes rows after the other.
// A tile has one step for each element of order. A step has one code of every lane: in a
// plane of p bits, lane j is at byte j%p, bit p*(j/p) of the step's p bytes. The remaining
// rows follow one by one.
func Pack(e ir.Elem, codes []byte, groups, rows, k, lanes int, order []int) [][]byte {
	var planes [][]byte
	low := e.CodeBits()
	for _, p := range e.Planes() {
		low -= p
		data := make([]byte, (len(codes)*p+7)/8)
		put := func(bit int, code byte) { data[bit/8] |= (code >> low & (1<<p - 1)) << (bit % 8) }
		at := 0
		tiles := rows / lanes * lanes
		for g := range groups {
			base := g * rows * k
			for t := 0; t < tiles; t += lanes {
				for _, i := range order {
					for j := range lanes {
						put(at+j%p*8+j/p*p, codes[base+(t+j)*k+i])
					}
					at += lanes * p
				}
			}
		}
		for g := range groups {
			for r := tiles; r < rows; r++ {
				for _, i := range order {
					put(at, codes[g*rows*k+r*k+i])
					at += p
				}
			}
		}
		planes = append(planes, data)
	}
	return planes
}

// Tile returns the codes of one step of a tile; step counts from the first tile of the first
// group.
func (l *Codes) Tile(step loop.Expr) loop.Expr {
	if l.Elem.Kind == ir.I8 {
		return loop.At(l.Planes[0], loop.Scaled(step, l.Lanes), loop.I8.Vec(l.Lanes))
	}
	var code loop.Expr
	for i, p := range l.Elem.Planes() {
		bytes := l.Lanes * p / 8
		v := loop.At(l.Planes[i], loop.Scaled(step, bytes), loop.I8.Vec(bytes))
		if p < 8 {
			mask, shift := make([]int, l.Lanes), make([]int64, l.Lanes)
			for j := range l.Lanes {
				mask[j], shift[j] = j%p, int64(j/p*p)
			}
			var wide loop.Expr = &loop.Shuffle{A: v, Mask: mask}
			if bytes == 1 {
				wide = &loop.Splat{A: loop.At(l.Planes[i], loop.Scaled(step, bytes), loop.I8), Lanes: l.Lanes}
			}
			t := wide.Type()
			v = loop.Op(loop.And, loop.Op(loop.LShr, wide, &loop.Lanes{T: t, Values: shift}), loop.Num(t, 1<<p-1))
		}
		code = l.Join(code, v, p)
	}
	return code
}

// Join appends the bits of the next lower plane to the bits so far.
func (l *Codes) Join(code, next loop.Expr, p int) loop.Expr {
	if code == nil {
		return next
	}
	return loop.Op(loop.Or, loop.Op(loop.Shl, code, loop.Num(code.Type(), int64(p))), next)
}

// Single returns the code at an index among the remaining rows.
func (l *Codes) Single(index loop.Expr) loop.Expr {
	first := l.Groups * (l.Rows / l.Lanes * l.Lanes) * l.K
	return l.Packed(loop.Sum(index, loop.Int(first)))
}

// Packed returns the code at an index among codes that are stored one by one.
func (l *Codes) Packed(index loop.Expr) loop.Expr {
	var code loop.Expr
	for i, p := range l.Elem.Planes() {
		bit := loop.Scaled(index, p)
		v := loop.At(l.Planes[i], loop.Op(loop.LShr, bit, loop.Int(3)), loop.I8)
		if p < 8 {
			shift := loop.To(loop.Trunc, loop.Op(loop.And, bit, loop.Int(7)), 8)
			v = loop.Op(loop.And, loop.Op(loop.LShr, v, shift), loop.Num(loop.I8, 1<<p-1))
		}
		code = l.Join(code, v, p)
	}
	return code
}

// Widen extends codes to the width of the accumulator; codes of i8 are signed.
func (l *Codes) Widen(code loop.Expr) loop.Expr {
	if l.Elem.Kind == ir.I8 {
		return loop.To(loop.SExt, code, l.Acc)
	}
	return loop.To(loop.ZExt, code, l.Acc)
}

// Finish computes the accumulator from the sum of codes times inputs: bias + sum, for uniform
// codes bias + 2*sum - offset*(sum of inputs) (R4).
func (l *Codes) Finish(sum, inputs, channel loop.Expr) loop.Expr {
	t := loop.Type{Bits: l.Acc, Lanes: 1}
	bias := loop.At(l.Bias, loop.Scaled(channel, l.Acc/8), t)
	if !l.Elem.IsUniform() {
		return loop.Sum(bias, sum)
	}
	return loop.Op(loop.Sub, loop.Sum(bias, loop.Op(loop.Mul, sum, loop.Num(t, 2))), loop.Op(loop.Mul, inputs, loop.Num(t, l.Elem.Offset())))
}
