package recurrent

import (
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// dots writes sums of weights times numbers of 16 bits by a product of the processor.
type dots struct {
	*emit.Generator
	product string
}

// mostChunks is the chunks of a round of the loop over inputs.
const mostChunks = 4

// codes are the rows of some gates of weights [gates*cells,inputs], cell by cell: for each chunk of inputs those
// of one gate after the other.
func (d dots) codes(weight []int8, gates []int, cells, inputs int) (codes []byte) {
	for cell := range cells {
		for at := 0; at < padded(inputs); at += chunk {
			for _, gate := range gates {
				for _, k := range d.order() {
					code := int8(0)
					if at+k < inputs {
						code = weight[(gate*cells+cell)*inputs+at+k]
					}
					codes = append(codes, byte(code))
				}
			}
		}
	}
	return codes
}

// order is the order of the inputs in a chunk: bytes 0 and 2 of a word are extended together.
func (d dots) order() []int {
	if d.product == smlad {
		return []int{0, 2, 1, 3}
	}
	return []int{0, 1, 2, 3}
}

// products adds the rows of a cell times the numbers in scratch from a byte on, and moves the cursor to
// the next cell's.
func (d dots) products(acc []*loop.Var, codes *loop.Cursor, from, inputs int) {
	b := d.B
	h := b.Cursor("h", d.Scratch, loop.Int(from))
	chunks := padded(inputs) / chunk
	once := d.Unroll(mostChunks)
	for chunks%once != 0 {
		once--
	}
	b.For("chunk", loop.Int(0), loop.Int(chunks/once), 1, func(loop.Expr) {
		for part := range once {
			d.chunk(acc, codes, h, part)
		}
		b.Advance(codes, once*chunk*len(acc))
		b.Advance(h, once*chunk*2)
	})
}

// chunk adds the products of a chunk, so many after the cursors.
func (d dots) chunk(acc []*loop.Var, codes, h *loop.Cursor, part int) {
	b := d.B
	at := func(i, bytes int) loop.Expr { return loop.Int(part*chunk*bytes + i) }
	if d.product == smlad {
		word := func(i int) loop.Expr {
			return b.Let("h", &loop.Load{From: h, Offset: at(4*i, 2), T: loop.I32, Align: 4})
		}
		low, high := word(0), word(1)
		for i, v := range acc {
			q := b.Let("q", &loop.Load{From: codes, Offset: at(4*i, len(acc)), T: loop.I32, Align: 4})
			b.Set(v, loop.Instr("smlad", loop.Instr("sxtb16", q), low, v.Get()))
			b.Set(v, loop.Instr("smlad", loop.Instr("sxtb16", loop.Instr("ror8", q)), high, v.Get()))
		}
		return
	}
	for k := range chunk {
		x := b.Let("h", loop.To(loop.SExt, &loop.Load{From: h, Offset: at(2*k, 2), T: loop.I16, Align: 2}, 32))
		for i, v := range acc {
			q := loop.To(loop.SExt, loop.At(codes, at(4*i+k, len(acc)), loop.I8), 32)
			b.Set(v, loop.Sum(v.Get(), loop.Times(q, x)))
		}
	}
}
