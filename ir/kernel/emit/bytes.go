package emit

import "github.com/dnnc/dnnc/ir/loop"

// Codes of fewer than 8 bits are decoded to bytes by vectors. Their planes hold groups of codes, then the codes
// left over one by one.

// ByteGroup is groups of codes, as many as vectors of some bytes for each bit of a plane hold: vector v of a
// group's codes is field v%(8/p) of the word v*p/8 of a plane of p bits. A word of one byte is no vector.
type ByteGroup struct {
	Lanes    int // bytes of a word
	First, N int // code, groups
}

// ByteGroups divides n codes into groups of fewer and fewer codes, and gives the first code left over.
func ByteGroups(n int) (list []ByteGroup, left int) {
	for _, lanes := range []int{16, 8, 4, 1} {
		g := ByteGroup{lanes, left, (n - left) / (8 * lanes)}
		list, left = append(list, g), left+8*lanes*g.N
	}
	return list, left
}

// ByteBits gives the bit of each of n codes in a plane of p bits.
func ByteBits(n, p int) func(i int) int {
	list, left := ByteGroups(n)
	return func(i int) int {
		if i >= left {
			return i * p
		}
		g := list[0]
		for _, next := range list[1:] {
			if next.N > 0 && i >= next.First {
				g = next
			}
		}
		i -= g.First
		v := i % (8 * g.Lanes) / g.Lanes
		at := g.First*p/8 + i/(8*g.Lanes)*g.Lanes*p + v*p/8*g.Lanes + i%g.Lanes
		return 8*at + v%(8/p)*p
	}
}

// BytePlane is a plane of codes of some bits, from a byte of its data on.
type BytePlane struct {
	Data     *loop.Global
	At, Bits int
}

// Instructions of eight words of codes that are decoded together, and of a code alone.
const (
	perDecoded = 26.
	perPlane   = 20.
	perAlone   = 14.
)

// ByteCycles estimates the instructions that decode n codes of some planes.
func ByteCycles(n, planes int) (sum float64) {
	list, left := ByteGroups(n)
	for _, g := range list {
		sum += float64(g.N) * (perDecoded + float64(planes)*perPlane)
	}
	return sum + float64((n-left)*planes)*perAlone
}

// DecodeBytes writes what value makes of n codes to scratch, from a byte on; planes have the highest bits first.
func (g *Generator) DecodeBytes(n int, planes []BytePlane, to int, value func(q loop.Expr) loop.Expr) {
	b := g.B
	join := func(q, next loop.Expr, p int) loop.Expr {
		if q == nil {
			return next
		}
		return loop.Op(loop.Or, loop.Op(loop.Shl, q, loop.Num(q.Type(), int64(p))), next)
	}
	list, left := ByteGroups(n)
	for _, group := range list {
		t := loop.I8.Vec(group.Lanes)
		b.For("group", loop.Int(0), loop.Int(group.N), 1, func(i loop.Expr) {
			at := b.Let("at", loop.Sum(loop.Scaled(i, 8*group.Lanes), loop.Int(to+group.First)))
			words := make([][]loop.Expr, len(planes))
			for j, p := range planes {
				for w := range p.Bits {
					word := loop.At(p.Data, loop.Sum(loop.Scaled(i, group.Lanes*p.Bits), loop.Int(p.At+group.First*p.Bits/8+group.Lanes*w)), t)
					if group.Lanes == 1 {
						word = loop.To(loop.ZExt, word, 32)
					}
					words[j] = append(words[j], b.Let("word", word))
				}
			}
			for v := range 8 {
				var q loop.Expr
				for j, p := range planes {
					field, word := v%(8/p.Bits), words[j][v*p.Bits/8]
					part := loop.Op(loop.LShr, word, loop.Num(word.Type(), int64(field*p.Bits)))
					if (field+1)*p.Bits < 8 {
						part = loop.Op(loop.And, part, loop.Num(word.Type(), 1<<p.Bits-1))
					}
					q = join(q, part, p.Bits)
				}
				b.Store(g.Scratch, loop.Sum(at, loop.Int(v*group.Lanes)), loop.To(loop.Trunc, value(q), 8))
			}
		})
	}
	b.For("code", loop.Int(left), loop.Int(n), 1, func(i loop.Expr) {
		var q loop.Expr
		for j, p := range planes {
			bit := b.Let("bit", loop.Sum(loop.Scaled(i, p.Bits), loop.Int(8*p.At)))
			v := loop.To(loop.ZExt, loop.At(planes[j].Data, loop.Op(loop.LShr, bit, loop.Int(3)), loop.I8), 32)
			q = join(q, loop.Op(loop.And, loop.Op(loop.LShr, v, loop.Op(loop.And, bit, loop.Int(7))), loop.Int(1<<p.Bits-1)), p.Bits)
		}
		b.Store(g.Scratch, loop.Sum(i, loop.Int(to)), loop.To(loop.Trunc, value(q), 8))
	})
}
