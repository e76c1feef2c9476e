package micro

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/parallel"
)

// packWords lays codes[groups*rows][k] out for a product, in one run of bytes a
// plane: first the words of tiles of some channels, tile after tile, then those of
// the rows left over in each group, then, one by one, the codes that fill no
// word. order[i] is the code of a row that position i of a column multiplies.
func packWords(m *Product, e ir.Elem, codes []byte, groups, rows, k, channels int, order []int) [][]byte {
	var all [][]byte
	low := e.CodeBits()
	for _, p := range m.PlanesOf(e) {
		low -= p
		w := &wordWriter{m: m, p: p, data: make([]byte, (len(codes)*p+7)/8)}
		code := func(row, i int) byte {
			q := codes[row*k+order[i]] >> low
			if p == 8 && (e.Kind == ir.Odd) != m.Biased {
				q ^= 0x80 // two's complement of the code less 128; or that plus 128
			}
			return q & (1<<p - 1)
		}
		// Tiles are whole words, so that they can be written apart.
		tiled := rows / channels * channels
		tile, left := m.Layout(p, k, channels), m.Layout(p, k, 1)
		tiles, lefts := rows/channels, rows-tiled
		parallel.For(groups*tiles, func(i int) {
			first := i/max(tiles, 1)*rows + i%max(tiles, 1)*channels
			w.tile(i*w.bits(tile), tile, func(j, i int) byte {
				q := code(first+j, i)
				switch {
				case m.nestsIn(tile) && j%2 == 1:
					q -= code(first+j-1, i) >> 7
				case m.lessHalf(tile, p, j):
					q ^= 1 << (p - 1)
				}
				return q
			})
		})
		bit := groups * tiles * w.bits(tile)
		parallel.For(groups*lefts, func(i int) {
			row := i/max(lefts, 1)*rows + tiled + i%max(lefts, 1)
			w.tile(bit+i*w.bits(left), left, func(_, i int) byte { return code(row, i) })
		})
		bit += groups * lefts * w.bits(left)
		if m.nestsRest(tile) {
			lanes := tile.RestLanes()
			for g := range groups {
				for r := range tiled {
					first := bit + (g*tiled+r)/channels*channels*tile.Rest*p
					for i := range tile.Rest {
						f := i/lanes*channels + r%channels // of the tile
						w.put(first+8*(f/tile.Fields*lanes+i%lanes)+f%tile.Fields*p, code(g*rows+r, k-tile.Rest+i))
					}
				}
			}
			bit += groups * tiled * tile.Rest * p
		}
		place := func(i int) int { return i * p }
		if m.restTogether() {
			decoded, left := m.restCodes(p, k, rows, groups, channels)
			place = emit.ByteBits(decoded+left, p)
		}
		next := 0
		rest := func(from, to, n int) {
			for g := range groups {
				for r := from; r < to; r++ {
					for i := k - n; i < k; i++ {
						w.put(bit+place(next), code(g*rows+r, i))
						next++
					}
				}
			}
		}
		if !m.nestsRest(tile) {
			rest(0, tiled, tile.Rest)
		}
		rest(tiled, rows, left.Rest)
		all = append(all, w.data)
	}
	return all
}

// packStream lays codes out for a product that decodes them one by one: contiguous, in
// the order in which it reads them decoded, without what fills a row up.
func packStream(m *Product, e ir.Elem, codes []byte, groups, rows, k, channels int, order []int) [][]byte {
	var all [][]byte
	low := e.CodeBits()
	for _, p := range m.PlanesOf(e) {
		low -= p
		w := &wordWriter{m: m, p: p, data: make([]byte, (len(codes)*p+7)/8)}
		bit := 0
		tile := func(row, channels int) {
			units, lanes := channels, m.Lanes
			if m.Across {
				units = channels / lanes
			}
			for step := 0; step < k; step += m.Inputs() {
				for unit := range units {
					for lane := range lanes {
						r, i := row+unit, step+lane
						if m.Across {
							r, i = row+unit*lanes+lane, step
						}
						if i < k {
							w.put(bit, codes[r*k+order[i]]>>low&(1<<p-1))
							bit += p
						}
					}
				}
			}
		}
		eachTile(groups, rows, channels, tile)
		all = append(all, w.data)
	}
	return all
}

// eachTile calls do for each tile of some channels, with its first row, then for each row left over as a tile of one.
func eachTile(groups, rows, channels int, do func(row, channels int)) {
	tiled := rows / channels * channels
	for g := range groups {
		for r := 0; r < tiled; r += channels {
			do(g*rows+r, channels)
		}
	}
	for g := range groups {
		for r := tiled; r < rows; r++ {
			do(g*rows+r, 1)
		}
	}
}

// packBytes lays codes out for a product that decodes them to bytes together: in the order in which it reads them
// decoded, in groups of words.
func packBytes(m *Product, e ir.Elem, codes []byte, groups, rows, k, channels int, order []int) [][]byte {
	stream := make([]byte, 0, len(codes))
	tile := func(row, channels int) {
		for i := range k {
			for c := range channels {
				stream = append(stream, codes[(row+c)*k+order[i]])
			}
		}
	}
	eachTile(groups, rows, channels, tile)
	var all [][]byte
	low := e.CodeBits()
	for _, p := range m.PlanesOf(e) {
		low -= p
		w := &wordWriter{m: m, p: p, data: make([]byte, (len(codes)*p+7)/8)}
		bit := emit.WordBits(len(stream), p)
		for i, q := range stream {
			w.put(bit(i), q>>low&(1<<p-1))
		}
		all = append(all, w.data)
	}
	return all
}

// packNested lays codes out for a product that decodes them to nested halves: in the order of
// the decoded elements, those of some words in a word, element by element one above the other, so that
// a shift and a mask give one of these words. Codes that fill no word follow.
func packNested(m *Product, e ir.Elem, codes []byte, groups, rows, k, channels int, order []int) [][]byte {
	var all [][]byte
	low := e.CodeBits()
	runs := nestedRuns(groups, rows, k, channels)
	streams := nestedStreams(m, codes, groups, rows, k, channels, order)
	for _, p := range m.PlanesOf(e) {
		low -= p
		w := &wordWriter{m: m, p: p, data: make([]byte, (len(codes)*p+7)/8)}
		for i, r := range placed(runs, p) {
			for j, q := range streams[i] {
				w.put(r.bit(j), q>>low&(1<<p-1))
			}
		}
		all = append(all, w.data)
	}
	return all
}

// run is codes that are decoded in the order in which they lie, to elements of so many bytes.
type run struct {
	codes, bytes int
	at           int // byte of the first element after the decoded codes begin
}

// nestedRuns are the runs of a product that carries: the tiles, whose bytes share halves, and the rows left
// over, whose codes are halves.
func nestedRuns(groups, rows, k, channels int) [2]run {
	left := rows % channels
	return [2]run{{groups * (rows - left) * k, 1, 0}, {groups * left * k, 2, leftNested(groups, rows, k, channels)}}
}

// placedRun is a run in a plane of some bits: its first word, and the bit of its first code that fills no word.
type placedRun struct {
	run
	bits, word, rest int
}

// placed are runs in a plane of p bits: the words of both, then the codes that fill none.
func placed(runs [2]run, p int) [2]placedRun {
	each := 32 / p
	word := runs[0].codes / each
	rest := 32 * (word + runs[1].codes/each)
	return [2]placedRun{{runs[0], p, 0, rest}, {runs[1], p, word, rest + runs[0].codes%each*p}}
}

// bit is where code i of a run lies.
func (r placedRun) bit(i int) int {
	each, lanes := 32/r.bits, 4/r.bytes
	if i >= r.codes/each*each {
		return r.rest + i%each*r.bits
	}
	return 32*(r.word+i/each) + i%lanes*8*r.bytes + i%each/lanes*r.bits
}

// nestedStreams are the codes of nestedRuns. The last codes of rows of an odd number follow all others of
// their run.
func nestedStreams(m *Product, codes []byte, groups, rows, k, channels int, order []int) (streams [2][]byte) {
	tiled, whole := rows/channels*channels, k/m.Lanes*m.Lanes
	each := func(first, n, step int, do func(row int)) {
		for g := range groups {
			for r := first; r < first+n; r += step {
				do(g*rows + r)
			}
		}
	}
	pairs := func(row, from, to int) {
		for i := from; i < to; i += m.Lanes {
			for c := 0; c < channels; c += 2 {
				for lane := range min(m.Lanes, to-i) {
					for half := range 2 {
						streams[0] = append(streams[0], codes[(row+c+half)*k+order[i+lane]])
					}
				}
			}
		}
	}
	halves := func(row, from, to int) {
		for i := from; i < to; i++ {
			streams[1] = append(streams[1], codes[row*k+order[i]])
		}
	}
	each(0, tiled, channels, func(row int) { pairs(row, 0, whole) })
	each(0, tiled, channels, func(row int) { pairs(row, whole, k) })
	each(tiled, rows-tiled, 1, func(row int) { halves(row, 0, whole) })
	each(tiled, rows-tiled, 1, func(row int) { halves(row, whole, k) })
	return streams
}

// pairedLane is the channel and the input of a step whose code lies in a lane of a unit's field, where fields
// of two channels have half of the inputs of each.
func pairedLane(unit, lane, lanes int) (channel, input int) {
	half := lanes / 2
	return unit&^1 + lane/half, unit&1*half + lane%half
}

// wordWriter fills one plane.
type wordWriter struct {
	m    *Product
	p    int
	data []byte
}

func (w *wordWriter) put(bit int, code byte) { w.data[bit/8] |= code << (bit % 8) }

// bits is the bits that a tile's words take.
func (w *wordWriter) bits(l Layout) int { return l.Groups * l.Words * w.m.Word * 8 }

// tile writes the words of some channels' rows from a bit on; code is that of a
// channel of the tile at a position of its column.
func (w *wordWriter) tile(bit int, l Layout, code func(channel, i int) byte) {
	units := max(1, l.Units)
	word, field, step, unit := 0, 0, 0, 0
	for range l.Groups * l.Words * l.Fields {
		start := bit + word*w.m.Word*8
		at := start + field*w.p
		for lane := range w.m.Lanes {
			switch {
			case w.m.Across:
				w.put(at, code(unit*w.m.Lanes+lane, step))
			case l.Twins:
				for c := range 2 {
					place := twinTurn(w.p, field) + lane*w.m.Field + c*twinShift
					w.put(start+place%32, code(2*unit+c, step*w.m.Lanes+lane))
				}
			case w.m.pairsIn(l):
				channel, input := pairedLane(unit, lane, w.m.Lanes)
				w.put(at, code(channel, step*w.m.Lanes+input))
			default:
				w.put(at, code(unit, step*w.m.Lanes+lane))
			}
			at += w.m.Field
		}
		if unit++; unit == units {
			unit, step = 0, step+1
		}
		if field++; field == l.Fields {
			field, word = 0, word+1
		}
	}
}
