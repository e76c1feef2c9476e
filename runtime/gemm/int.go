package gemm

import "github.com/dnnc/dnnc/ir/geometry"

// Ints is a convolution in integers over a batch of images, its weights laid out
// once. A linear layer is one of a single pixel, so that images share the loading
// of its weights.
type Ints struct {
	w      *Windows
	zero   int16
	pad    []int8  // one an input channel
	at     []int32 // where a row of a line lies after its beginning, zeros to a multiple of four; of a thin convolution for each part
	weight []int16 // [OutC][even K]: the processor multiplies pairs; or none
	pairs  int     // of a row
	quads  *quads  // or none
}

// quads is weights for a processor that multiplies quads of bytes: each weight is the sum
// of one or two parts.
type quads struct {
	parts [][]int8 // in tiles; of a thin convolution one, [OutC][parts][n*4]
	start []int32  // of the sums of each row of the tiles: what makes inputs less -128 inputs less zero
	n     int      // of a row of a part
}

// NewInts lays out weight[OutC][K] of a convolution whose input has a zero point;
// pad has one value an input channel, nil means the zero point. The caller has
// proven that no sum leaves 32 bits (R5).
func NewInts(g geometry.Window, weight []int16, zero int, pad []int32) *Ints {
	c := &Ints{w: NewWindows(g), zero: int16(zero), pairs: (g.K() + 1) / 2}
	c.at = append(c.at, c.w.at...)
	if c.w.gathered() > 0 {
		copy(c.at, strides(g.K()))
	}
	for len(c.at)%4 != 0 {
		c.at = append(c.at, 0)
	}
	c.quads = newQuads(g, c.w.isThin, weight, zero)
	switch {
	case c.quads == nil:
		c.weight = make([]int16, g.OutC*c.pairs*2)
		for r := range g.OutC {
			copy(c.weight[r*c.pairs*2:], weight[r*g.K():(r+1)*g.K()])
		}
	case c.w.isThin && len(c.quads.parts[0]) > g.OutC*len(c.at): // rows have two parts
		c.at = append(c.at, c.at...)
	}
	for i := range g.InC {
		v := int8(zero)
		if pad != nil {
			v = int8(pad[i])
		}
		c.pad = append(c.pad, v)
	}
	return c
}

// newQuads is nil where the processor has no products of quads, or where a weight is no
// sum of two bytes.
func newQuads(g geometry.Window, isThin bool, weight []int16, zero int) *quads {
	if processor < vnni {
		return nil
	}
	q, parts := &quads{n: (g.K() + 3) / 4}, 1
	for _, v := range weight {
		switch {
		case v < -256 || v > 254:
			return nil
		case v != int16(int8(v)):
			parts = 2
		}
	}
	own := g.OutC / g.Groups
	high := (own + mostRows - 1) / mostRows * mostRows
	if isThin {
		high = own
	}
	q.start = make([]int32, g.Groups*high)
	row := q.n * 4
	rows := make([]int8, g.OutC*parts*row) // [OutC][parts][row] or [parts][OutC][row]
	place := func(part, channel int) []int8 {
		if isThin {
			return rows[(channel*parts+part)*row:]
		}
		return rows[(part*g.OutC+channel)*row:]
	}
	for r := range g.OutC {
		start := &q.start[r/own*high+r%own]
		for i, v := range weight[r*g.K() : (r+1)*g.K()] {
			*start -= int32(v) * int32(zero+128)
			if parts == 2 {
				place(1, r)[i] = int8(v - v>>1)
				v >>= 1
			}
			place(0, r)[i] = int8(v)
		}
	}
	if isThin {
		q.parts = [][]int8{rows}
		return q
	}
	for part := range parts {
		q.parts = append(q.parts, tiles(g, 4, mostRows, place(part, 0)[:g.OutC*row]))
	}
	return q
}

// IntScratch is what Run works in.
type IntScratch struct {
	laid, lines, quads []int8
	pairs, rows        []int16
	sums               []int32
	line               [mostThin]int8
}

// grown is a buffer of n elements at least.
func grown[T any](buffer *[]T, n int) []T {
	if len(*buffer) < n {
		*buffer = make([]T, n)
	}
	return (*buffer)[:n]
}

// Run computes y[images][OutC][OutH][OutW] of x[images][InC][InH][InW]; finish
// turns the sums of some pixels of a channel into results.
func (c *Ints) Run(images int, x []int8, ws *IntScratch, finish func(channel int, sums []int32, y []int8), y []int8) {
	w := c.w
	lines, laid := grown(&ws.lines, w.gathered()), grown(&ws.laid, w.laid())
	grown(&ws.sums, w.sums())
	rows := w.g.OutC / w.g.Groups
	each(w, images, x, c.pad, laid, lines, y, func(p *part[int8]) {
		done := func(row int, sums []int32) {
			to := p.to[row*w.pixels:]
			if len(p.spans) == 1 {
				s := p.spans[0]
				finish(p.group*rows+row, sums[s.column:][:s.n], to[s.to:][:s.n])
				return
			}
			line := ws.line[:p.columns]
			finish(p.group*rows+row, sums[:p.columns], line)
			for _, s := range p.spans {
				copy(to[s.to:][:s.n], line[s.column:])
			}
		}
		switch {
		case c.quads != nil && w.isThin:
			c.quadLines(p, ws, done)
		case c.quads != nil:
			c.quadRows(p, ws, done)
		case processor == plain:
			c.plainRows(p, ws, done)
		default:
			c.pairRows(p, ws, done)
		}
	})
}

// plainRows computes the sums of a block in Go.
func (c *Ints) plainRows(p *part[int8], ws *IntScratch, done func(row int, sums []int32)) {
	rows, cols := c.w.g.OutC/c.w.g.Groups, lineCols
	if p.lines == 1 {
		cols = p.columns
	}
	for row := range rows {
		clear(ws.sums[:p.lines*cols])
		for l, v := range c.weight[(p.group*rows+row)*c.pairs*2:][:c.w.g.K()] {
			for j, base := range p.base[:p.lines] {
				sums := ws.sums[j*cols:][:cols]
				for i, x := range p.from[base+int(c.at[l]):][:cols] {
					sums[i] += int32(v) * int32(int16(x)-c.zero)
				}
			}
		}
		done(row, ws.sums)
	}
}

// pairRows computes the sums of a block with products of pairs. A line of a thin
// convolution is divided into lines of sixteen pixels, the last of which may overlap the
// one before.
func (c *Ints) pairRows(p *part[int8], ws *IntScratch, done func(row int, sums []int32)) {
	const tile = 4
	n, ldc := p.lines, blockCols
	if c.w.isThin {
		n, ldc = (p.columns+lineCols-1)/lineCols, mostThin
	}
	column := func(i int) int {
		if c.w.isThin {
			return min(i*lineCols, p.columns-lineCols)
		}
		return i * lineCols
	}
	rows, k := c.w.g.OutC/c.w.g.Groups, c.pairs*2
	pairs, rest := grown(&ws.pairs, n*k*lineCols), grown(&ws.rows, tile*k)
	for i := range n {
		base := p.base[i%p.lines]
		if c.w.isThin {
			base += column(i)
		}
		pairPanel(c.pairs, &p.from[base], &c.at[0], c.zero, &pairs[i*k*lineCols])
	}
	for row := 0; row < rows; row += tile {
		a, count := c.weight[(p.group*rows+row)*k:], min(tile, rows-row)
		if count < tile {
			clear(rest[copy(rest, a[:count*k]):])
			a = rest
		}
		for i := range n {
			intTile(c.pairs, &a[0], k, &pairs[i*k*lineCols], &ws.sums[column(i)], ldc)
		}
		for r := range count {
			done(row+r, ws.sums[r*ldc:])
		}
	}
}

// quadRows computes the sums of a block with products of quads.
func (c *Ints) quadRows(p *part[int8], ws *IntScratch, done func(row int, sums []int32)) {
	q := c.quads
	size := q.n * 4 * lineCols
	panels := grown(&ws.quads, mostLines*size)
	for j := 0; j < p.lines; j += 2 {
		second := p.base[min(j+1, p.lines-1)]
		quadPanels(q.n, &p.from[p.base[j]], &p.from[second], &c.at[0], &panels[j*size], &panels[(j+1)*size])
	}
	rows := c.w.g.OutC / c.w.g.Groups
	high := (rows + mostRows - 1) / mostRows * mostRows
	depth := depthOf(q.n)
	for i, part := range q.parts {
		own := part[p.group*high*q.n*4:]
		for l := 0; l < q.n; l += depth {
			n := min(depth, q.n-l)
			isFirst, isLast := i == 0 && l == 0, i == len(q.parts)-1 && l+n == q.n
			hot := hotLines
			if isLast {
				hot = mostLines // the results leave the first cache
			}
			for first := 0; first < p.lines; first += hot {
				for row := 0; row < rows; row += mostRows {
					var start *int32
					if isFirst {
						start = &q.start[p.group*high+row]
					}
					sums := ws.sums[row*blockCols:]
					for j := first; j < min(first+hot, p.lines); j += 2 {
						quadTile(n, &own[(l*high+row*n)*4], &panels[j*size+l*4*lineCols], &panels[(j+1)*size+l*4*lineCols], start, &sums[j*lineCols], blockCols)
					}
					for r := range min(mostRows, rows-row) {
						if isLast {
							done(row+r, sums[r*blockCols:])
						}
					}
				}
			}
		}
	}
}

// quadLines computes the sums of a block of a thin convolution with products of quads.
func (c *Ints) quadLines(p *part[int8], ws *IntScratch, done func(row int, sums []int32)) {
	q, rows, size := c.quads, c.w.g.OutC/c.w.g.Groups, len(c.at)
	for row := range rows {
		channel := p.group*rows + row
		quadLine(size/4, &q.parts[0][channel*size], &p.from[p.base[0]], &c.at[0], p.columns, q.start[channel], &ws.sums[0])
		done(row, ws.sums)
	}
}

// AddScaled adds d times the weights to as many sums, modulo 2^32.
func AddScaled(sums []int32, weights []int16, d int32) {
	weights = weights[:len(sums)]
	done := 0
	if processor >= avx2 && len(sums) >= 8 {
		done = len(sums) / 8 * 8
		avxAddScaled(done, &weights[0], d, &sums[0])
	}
	for i, w := range weights[done:] {
		sums[done+i] += int32(w) * d
	}
}
