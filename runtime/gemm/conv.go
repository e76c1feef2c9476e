package gemm

import "github.com/dnnc/dnnc/ir/geometry"

// Floats is a convolution in float32 over a batch of images, its weights laid out once.
type Floats struct {
	w       *Windows
	weight  []float32 // in tiles, or [OutC][K] of a thin one
	tile    int       // rows
	scratch int
}

// NewFloats lays out weight[OutC][K] of a convolution.
func NewFloats(g geometry.Window, weight []float32) *Floats {
	c := &Floats{w: NewWindows(g), weight: weight, tile: rowsOfTile(g.OutC / g.Groups)}
	c.scratch = c.w.sums() + c.w.gathered() + c.w.laid()
	if !c.w.isThin {
		c.weight = tiles(g, 1, c.tile, weight)
	}
	return c
}

// tiles lays rows of weights out in the order in which they are multiplied, some elements of
// each row at a time: [Groups][parts of K/some][OutC/Groups/rows][depth][rows][some], filled
// up with zeros.
func tiles[T float32 | int8](g geometry.Window, some, rows int, weight []T) []T {
	k, own := len(weight)/g.OutC/some, g.OutC/g.Groups
	high, depth := padded(own, rows), depthOf(k)
	to := make([]T, g.Groups*high*k*some)
	for r := range g.OutC {
		group, row := to[r/own*high*k*some:], r%own
		for i := range k {
			first := i / depth * depth
			place := first*high + row/rows*rows*min(depth, k-first) + (i-first)*rows + row%rows
			copy(group[place*some:], weight[(r*k+i)*some:(r*k+i+1)*some])
		}
	}
	return to
}

// Scratch is the elements that Run works in.
func (c *Floats) Scratch() int { return c.scratch }

// Run computes y = weight*windows + bias, clamped to [lo,hi], of a batch of
// images x[images][InC][InH][InW] into y[images][OutC][OutH][OutW]. pad has one
// value an input channel, nil means 0.
func (c *Floats) Run(images int, x, bias, pad []float32, lo, hi float32, scratch, y []float32) {
	w, k := c.w, c.w.g.K()
	sums, scratch := scratch[:w.sums()], scratch[w.sums():]
	lines, laid := scratch[:w.gathered()], scratch[w.gathered():]
	rows := w.g.OutC / w.g.Groups
	high := padded(rows, c.tile)
	each(w, images, x, pad, laid, lines, y, func(p *part[float32]) {
		finish := func(row int, line []float32) {
			for _, s := range p.spans {
				clampLine(bias[p.group*rows+row], lo, hi, line[s.column:][:s.n], p.to[row*w.pixels+s.to:])
			}
		}
		if w.isThin {
			for r := range rows {
				floatLine(k, c.weight[(p.group*rows+r)*k:], p.from[p.base[0]:], p.at, p.columns, sums)
				finish(r, sums)
			}
			return
		}
		depth, own := depthOf(k), c.weight[p.group*high*k:]
		for l := 0; l < k; l += depth {
			n := min(depth, k-l)
			isLast := l+n == k
			hot := hotLines
			if isLast {
				hot = mostLines // the results leave the first cache
			}
			for first := 0; first < p.lines; first += hot {
				base := p.base[first:min(first+hot, p.lines)]
				for i := 0; i < rows; i += c.tile {
					tile := sums[i*blockCols:]
					if l == 0 && first == 0 { // of all lines, hot or not
						clear(tile[:c.tile*blockCols])
					}
					floatTiles(c.tile, n, own[l*high+i*n:], 1, c.tile, p.from, base, p.at[l:], tile[first*lineCols:], blockCols)
					for r := range min(c.tile, rows-i) {
						if isLast {
							finish(i+r, tile[r*blockCols:])
						}
					}
				}
			}
		}
	})
}

// Taps writes the window of one pixel of an image as a row of K.
func Taps(g geometry.Window, group, pixel int, x, pad, row []float32) {
	ow := g.OutW()
	channels, plane, taps := g.InC/g.Groups, g.InH*g.InW, g.KH*g.KW
	top, left := pixel/ow*g.StrideH-g.PadT, pixel%ow*g.StrideW-g.PadL
	for tap := range taps {
		iy, ix := top+tap/g.KW*g.DilH, left+tap%g.KW*g.DilW
		isInside := iy >= 0 && iy < g.InH && ix >= 0 && ix < g.InW
		for i := range channels {
			c := group*channels + i
			switch {
			case isInside:
				row[i*taps+tap] = x[c*plane+iy*g.InW+ix]
			case pad != nil:
				row[i*taps+tap] = pad[c]
			default:
				row[i*taps+tap] = 0
			}
		}
	}
}
