package emit

import "github.com/dnnc/dnnc/ir/loop"

// Codes of fewer than 8 bits are decoded to bytes by vectors, or by words of four bytes where there are no vectors.
// Their planes hold groups of codes, then the codes left over one by one.

// ByteGroup is groups of codes, as many as vectors of some bytes for each bit of a plane hold: vector v of a
// group's codes is field v%(8/p) of the word v*p/8 of a plane of p bits. A word of one byte is no vector.
type ByteGroup struct {
	Lanes    int // bytes of a word
	First, N int // code, groups
}

// The bytes of the words of groups: of vectors, and where there are none.
var (
	byVectors = []int{16, 8, 4, 1}
	byWords   = []int{4}
)

// ByteGroups divides n codes into groups of fewer and fewer codes, and gives the first code left over.
func ByteGroups(n int) (list []ByteGroup, left int) { return groups(n, byVectors) }

func groups(n int, of []int) (list []ByteGroup, left int) {
	for _, lanes := range of {
		g := ByteGroup{lanes, left, (n - left) / (8 * lanes)}
		list, left = append(list, g), left+8*lanes*g.N
	}
	return list, left
}

// ByteBits gives the bit of each of n codes in a plane of p bits.
func ByteBits(n, p int) func(i int) int { return bitsOf(n, p, byVectors) }

// WordBits is ByteBits of DecodeWords.
func WordBits(n, p int) func(i int) int { return bitsOf(n, p, byWords) }

func bitsOf(n, p int, of []int) func(i int) int {
	list, left := groups(n, of)
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
	g.decodeAlone(left, n, planes, to, value)
}

// join puts the codes of a plane of p bits below those of the planes before it, nil for none.
func join(q, next loop.Expr, p int) loop.Expr {
	if q == nil {
		return next
	}
	return loop.Op(loop.Or, loop.Op(loop.Shl, q, loop.Num(q.Type(), int64(p))), next)
}

// decodeAlone decodes codes from one to n one by one.
func (g *Generator) decodeAlone(first, n int, planes []BytePlane, to int, value func(q loop.Expr) loop.Expr) {
	b := g.B
	b.For("code", loop.Int(first), loop.Int(n), 1, func(i loop.Expr) {
		var q loop.Expr
		for j, p := range planes {
			bit := b.Let("bit", loop.Sum(loop.Scaled(i, p.Bits), loop.Int(8*p.At)))
			v := loop.To(loop.ZExt, loop.At(planes[j].Data, loop.Op(loop.LShr, bit, loop.Int(3)), loop.I8), 32)
			q = join(q, loop.Op(loop.And, loop.Op(loop.LShr, v, loop.Op(loop.And, bit, loop.Int(7))), loop.Int(1<<p.Bits-1)), p.Bits)
		}
		b.Store(g.Scratch, loop.Sum(i, loop.Int(to)), loop.To(loop.Trunc, value(q), 8))
	})
}

// perWord is the instructions of four codes that are decoded together, perWordPlane those of their part of a plane.
const (
	perWord      = 3.
	perWordPlane = 2.5
)

// WordCycles estimates the instructions that DecodeWords takes for n codes of some planes.
func WordCycles(n, planes int) float64 {
	_, left := groups(n, byWords)
	return float64(left)/4*(perWord+float64(planes)*perWordPlane) + float64((n-left)*planes)*perAlone
}

// DecodeWords writes the bytes 2q-offset of n codes q, or q where offset is 0, to scratch, from a byte on, four
// together; planes have the highest bits first. Offset is at most 128.
func (g *Generator) DecodeWords(n int, planes []BytePlane, to, offset int) {
	b := g.B
	bytes := func(v int) loop.Expr { return loop.Num(loop.I32, int64(int32(uint32(v)*0x01010101))) } // of a word, all alike
	list, left := groups(n, byWords)
	for _, group := range list {
		dst := b.Cursor("dst", g.Scratch, loop.Int(to+group.First))
		var cursors []*loop.Cursor
		for _, p := range planes {
			cursors = append(cursors, b.Cursor("words", p.Data, loop.Int(p.At+group.First*p.Bits/8)))
		}
		b.For("group", loop.Int(0), loop.Int(group.N), 1, func(loop.Expr) {
			words := make([][]loop.Expr, len(planes))
			for j, p := range planes {
				for w := range p.Bits {
					words[j] = append(words[j], b.Let("word", &loop.Load{From: cursors[j], Offset: loop.Int(4 * w), T: loop.I32, Align: 4}))
				}
				b.Advance(cursors[j], 4*p.Bits)
			}
			low := 0 // of a plane's bits in a byte, twice the code
			if offset > 0 {
				low = 1
			}
			for v := range 8 {
				var q loop.Expr
				at := low
				for j := len(planes) - 1; j >= 0; j-- {
					p := planes[j]
					part := words[j][v*p.Bits/8]
					if shift := at - v%(8/p.Bits)*p.Bits; shift > 0 {
						part = loop.Op(loop.Shl, part, loop.Int(shift))
					} else if shift < 0 {
						part = loop.Op(loop.LShr, part, loop.Int(-shift))
					}
					part = loop.Op(loop.And, part, bytes((1<<p.Bits-1)<<at))
					if at += p.Bits; q != nil {
						part = loop.Op(loop.Or, q, part)
					}
					q = part
				}
				if offset > 0 { // bytes of 128 and more do not borrow
					q = loop.Op(loop.Xor, loop.Sum(q, bytes(128-offset)), bytes(128))
				}
				b.StoreAligned(dst, loop.Int(4*v), q, 4)
			}
			b.Advance(dst, 32)
		})
	}
	g.decodeAlone(left, n, planes, to, func(q loop.Expr) loop.Expr {
		if offset > 0 {
			q = loop.Op(loop.Sub, loop.Op(loop.Shl, q, loop.Int(1)), loop.Int(offset))
		}
		return q
	})
}
