package kernel

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/target"
)

// PackWords lays codes[groups*rows][k] out for a product, in one run of bytes a
// pass: first the words of tiles of some channels, tile after tile, then those of
// the rows left over in each group, then, one by one, the codes that fill no
// word. order[i] is the code of a row that position i of a column multiplies.
func PackWords(m *target.Multiply, e ir.Elem, codes []byte, groups, rows, k, channels int, order []int) [][]byte {
	var all [][]byte
	low := e.CodeBits()
	for _, p := range m.Passes(e) {
		low -= p
		w := &wordWriter{m: m, p: p, data: make([]byte, (len(codes)*p+7)/8)}
		code := func(row, i int) byte {
			q := codes[row*k+order[i]] >> low
			if p == 8 && e.Kind == ir.Odd {
				q ^= 0x80 // two's complement of the code less 128
			}
			return q & (1<<p - 1)
		}
		tiled := rows / channels * channels
		for g := range groups {
			for r := 0; r < tiled; r += channels {
				w.tile(m.Layout(p, k, channels), channels, func(j, i int) byte { return code(g*rows+r+j, i) })
			}
		}
		left := m.Layout(p, k, 1)
		for g := range groups {
			for r := tiled; r < rows; r++ {
				w.tile(left, 1, func(_, i int) byte { return code(g*rows+r, i) })
			}
		}
		rest := func(from, to, n int) {
			for g := range groups {
				for r := from; r < to; r++ {
					for i := k - n; i < k; i++ {
						w.put(w.bit, code(g*rows+r, i))
						w.bit += p
					}
				}
			}
		}
		rest(0, tiled, m.Layout(p, k, channels).Rest)
		rest(tiled, rows, left.Rest)
		all = append(all, w.data)
	}
	return all
}

// wordWriter fills one pass from bit on.
type wordWriter struct {
	m      *target.Multiply
	p, bit int
	data   []byte
}

func (w *wordWriter) put(bit int, code byte) { w.data[bit/8] |= code << (bit % 8) }

// tile writes the words of some channels' rows; code is that of a channel of the
// tile at a position of its column.
func (w *wordWriter) tile(l target.Layout, channels int, code func(channel, i int) byte) {
	for i := range l.Groups * l.Words * l.Fields {
		step, unit := i/max(1, l.Units), i%max(1, l.Units)
		word, field := i/l.Fields, i%l.Fields
		for lane := range w.m.Lanes {
			at := w.bit + word*w.m.Word*8 + lane*w.m.Field + field*w.p
			if w.m.Across {
				w.put(at, code(unit*w.m.Lanes+lane, step))
			} else {
				w.put(at, code(unit, step*w.m.Lanes+lane))
			}
		}
	}
	w.bit += l.Groups * l.Words * w.m.Word * 8
}
