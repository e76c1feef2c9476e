package lookup

import (
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// tabulated is the entries of a table that are summed together, by vectors.
const tabulated = 16

// inColumns puts a codebook into columns: of sixteen rows after the other, the weights
// of one input side by side.
func (k *lookup) inColumns(rows []byte) []byte {
	out := make([]byte, len(rows))
	for i := range rows {
		row, input := i/k.d, i%k.d
		out[row/tabulated*tabulated*k.d+input*tabulated+row%tabulated] = rows[i]
	}
	return out
}

// vectorGroup is group where vectors have the sums of a codebook's rows: a column of
// sixteen at a time. Sums are of 16 bits, which hold every entry.
func (k *lookup) vectorGroup(from, to *loop.Cursor, n int) {
	b, t := k.g.B, loop.I16.Vec(8)
	inputs := make([]loop.Expr, n)
	for i := range inputs {
		if i < n/8*8 {
			if i%8 == 0 {
				wide := loop.To(loop.SExt, loop.At(from, loop.Int(i), loop.I8.Vec(8)), 16)
				eight := b.Let("inputs", loop.Op(loop.Sub, wide, loop.Num(t, int64(k.zero))))
				for j := range 8 {
					inputs[i+j] = &loop.Extract{A: eight, Lane: j}
				}
			}
			continue
		}
		x := loop.Op(loop.Sub, loop.To(loop.SExt, loop.At(from, loop.Int(i), loop.I8), 16), loop.Num(loop.I16, int64(k.zero)))
		inputs[i] = b.Let("x", x)
	}
	column := b.Cursor("column", k.book, loop.Int(0))
	b.For("entry", loop.Int(0), loop.Int(k.entries), tabulated, func(loop.Expr) {
		sums := []*loop.Var{b.Var("sum", loop.Num(t, 0)), b.Var("sum", loop.Num(t, 0))}
		for _, x := range inputs {
			weights := b.Let("weights", loop.At(column, loop.Int(0), loop.I8.Vec(tabulated)))
			for h, sum := range sums {
				half := loop.To(loop.SExt, emit.Some(weights, 8*h, 8), 16)
				b.Set(sum, loop.Sum(sum.Get(), loop.Op(loop.Mul, half, &loop.Splat{A: x, Lanes: 8})))
			}
			b.Advance(column, tabulated)
		}
		b.Advance(column, tabulated*(k.d-n))
		for h, sum := range sums {
			if !k.split {
				b.StoreAligned(to, loop.Int(16*h), sum.Get(), 2)
				continue
			}
			b.Store(to, loop.Int(8*h), loop.To(loop.Trunc, sum.Get(), 8))
			b.Store(to, loop.Int(k.entries+8*h), loop.To(loop.Trunc, loop.Op(loop.LShr, sum.Get(), loop.Num(t, 8)), 8))
		}
		b.Advance(to, 2*tabulated)
	})
	b.Advance(from, n)
}

// tileVectors adds to the sums of a tile's channels, eight a vector, what the codes
// of a run look up. codes is the byte of the tile's first.
func (k *lookup) tileVectors(tables loop.Region, pt emit.Part, r run, codes loop.Expr, acc []*loop.Var) {
	b := k.g.B
	size := pt.Channels / 2 // bytes of the codes of a step
	table := b.Cursor("table", tables, r.tables)
	w := b.Cursor("w", k.codes, loop.Sum(codes, loop.Scaled(r.codes, size)))
	round := 1
	if r.n%2 == 0 {
		round = 2
	}
	b.For("step", loop.Int(0), loop.Int(r.n/round), 1, func(loop.Expr) {
		for range round {
			low := b.Let("low", loop.At(table, loop.Int(0), loop.I8.Vec(16)))
			high := b.Let("high", loop.At(table, loop.Int(16), loop.I8.Vec(16)))
			b.Advance(table, k.tableBytes())
			pairs := b.Let("pairs", loop.At(w, loop.Int(0), loop.I8.Vec(size)))
			b.Advance(w, size)
			indices := []loop.Expr{
				b.Let("first", loop.Op(loop.And, pairs, loop.Num(pairs.Type(), 15))),
				b.Let("second", loop.Op(loop.LShr, pairs, loop.Num(pairs.Type(), 4))),
			}
			for j, v := range acc {
				index := emit.Some(indices[8*j/size], 8*j%size, 8)
				entries := &loop.Named{Name: "tbl16", Args: []loop.Expr{low, high, index}, T: loop.I16.Vec(8)}
				b.Set(v, loop.Sum(v.Get(), loop.To(loop.SExt, entries, 32)))
			}
		}
	})
}
