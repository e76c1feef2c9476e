package kernel

import (
	"github.com/dnnc/dnnc/codegen/loop"
)

// Where the target looks bytes up in a vector of sixteen (vtbl, tbl), the table of
// a group is two vectors: the lower bytes of its entries, then the upper ones.
// Eight channels are two look-ups, an interleaving and two widening additions.

// columns puts a codebook of 16 rows into columns: the weights of one input side by
// side.
func (k *lookup) columns(rows []byte) []byte {
	out := make([]byte, len(rows))
	for i := range rows {
		out[i%k.d*k.entries+i/k.d] = rows[i]
	}
	return out
}

// splitGroup is group for such tables: a column of the codebook at a time. Sums
// are of 16 bits, which hold every entry.
func (k *lookup) splitGroup(from, to *loop.Cursor, n int) {
	b, t := k.g.b, loop.I16.Vec(8)
	sums := []*loop.Var{b.Var("sum", loop.Num(t, 0)), b.Var("sum", loop.Num(t, 0))}
	column := b.Cursor("column", k.book, loop.Int(0))
	var inputs loop.Expr
	for i := range n {
		var x loop.Expr
		if i%8 == 0 && i+8 <= n {
			wide := loop.To(loop.SExt, load(from, loop.Int(i), loop.I8.Vec(8)), 16)
			inputs = read(b.Var("inputs", loop.Op(loop.Sub, wide, loop.Num(t, int64(k.zero)))))
		}
		if i < n/8*8 {
			x = &loop.Extract{A: inputs, Lane: i % 8}
		} else {
			x = loop.Op(loop.Sub, loop.To(loop.SExt, load(from, loop.Int(i), loop.I8), 16), loop.Num(loop.I16, int64(k.zero)))
		}
		weights := read(b.Var("weights", load(column, loop.Int(0), loop.I8.Vec(16))))
		for h, sum := range sums {
			half := loop.To(loop.SExt, some(weights, 8*h, 8), 16)
			b.Set(sum, loop.Sum(read(sum), loop.Op(loop.Mul, half, &loop.Splat{A: x, Lanes: 8})))
		}
		b.Advance(column, k.entries)
	}
	for h, sum := range sums {
		b.Store(to, loop.Int(8*h), loop.To(loop.Trunc, read(sum), 8))
		b.Store(to, loop.Int(k.entries+8*h), loop.To(loop.Trunc, loop.Op(loop.LShr, read(sum), loop.Num(t, 8)), 8))
	}
	b.Advance(to, k.tableBytes())
	b.Advance(from, n)
}

// tileVectors adds to the sums of a tile's channels, eight a vector, what the codes
// of a run look up. codes is the byte of the tile's first.
func (k *lookup) tileVectors(tables loop.Region, pt part, r run, codes loop.Expr, acc []*loop.Var) {
	b, plane := k.g.b, k.planes[0]
	size := pt.channels / 2 // bytes of the codes of a step
	table := b.Cursor("table", tables, r.tables)
	w := b.Cursor("w", plane.data, loop.Sum(codes, loop.Scaled(r.codes, size)))
	round := 1
	if r.n%2 == 0 {
		round = 2
	}
	b.For("step", loop.Int(0), loop.Int(r.n/round), 1, func(loop.Expr) {
		for range round {
			low := read(b.Var("low", load(table, loop.Int(0), loop.I8.Vec(16))))
			high := read(b.Var("high", load(table, loop.Int(16), loop.I8.Vec(16))))
			b.Advance(table, k.tableBytes())
			pairs := read(b.Var("pairs", load(w, loop.Int(0), loop.I8.Vec(size))))
			b.Advance(w, size)
			indices := []loop.Expr{
				read(b.Var("first", loop.Op(loop.And, pairs, loop.Num(pairs.Type(), 15)))),
				read(b.Var("second", loop.Op(loop.LShr, pairs, loop.Num(pairs.Type(), 4)))),
			}
			for j, v := range acc {
				index := some(indices[8*j/size], 8*j%size, 8)
				entries := &loop.Named{Name: "tbl16", Args: []loop.Expr{low, high, index}, T: loop.I16.Vec(8)}
				b.Set(v, loop.Sum(read(v), loop.To(loop.SExt, entries, 32)))
			}
		}
	})
}

// some are n lanes of a vector, from one on.
func some(v loop.Expr, from, n int) loop.Expr {
	if n == 1 {
		return &loop.Extract{A: v, Lane: from}
	}
	s := &loop.Shuffle{A: v}
	for i := range n {
		s.Mask = append(s.Mask, from+i)
	}
	return s
}
