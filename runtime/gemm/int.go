package gemm

import "github.com/dnnc/dnnc/ir/geometry"

// Ints is a convolution in integers over a batch of images, its weights laid out
// once. A linear layer is one of a single pixel, so that images share the loading
// of its weights.
type Ints struct {
	w      *Windows
	zero   int16
	pad    []int8  // one an input channel
	weight []int16 // [OutC][even K]
	k      int     // even: the processor multiplies pairs
}

// NewInts lays out weight[OutC][K] of a convolution whose input has a zero point;
// pad has one value an input channel, nil means the zero point. The caller has
// proven that no sum leaves 32 bits (R5).
func NewInts(g geometry.Window, weight []int16, zero int, pad []int32) *Ints {
	c := &Ints{w: NewWindows(g), zero: int16(zero), k: (g.K() + 1) / 2 * 2}
	c.weight = make([]int16, g.OutC*c.k)
	for r := range g.OutC {
		copy(c.weight[r*c.k:], weight[r*g.K():(r+1)*g.K()])
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

// IntScratch is what Run works in.
type IntScratch struct {
	panel, wide []int8
	pairs       []int16
	line        [tileCols]int8
}

// Run computes y[images][OutC][OutH][OutW] of x[images][InC][InH][InW]; finish
// turns the sums of some pixels of a channel into results.
func (c *Ints) Run(images int, x []int8, ws *IntScratch, finish func(channel int, sums []int32, y []int8), y []int8) {
	w, g := c.w, c.w.g
	out, rows := g.OutC*w.pixels, g.OutC/g.Groups
	if len(ws.panel) < c.k*tileCols {
		ws.panel, ws.pairs = make([]int8, c.k*tileCols), make([]int16, c.k*tileCols)
	}
	if len(ws.wide) < w.widened() {
		ws.wide = make([]int8, w.widened())
	}
	panel, pairs := ws.panel[:c.k*tileCols], ws.pairs[:c.k*tileCols]
	clear(panel[g.K()*tileCols:]) // the row that makes K even
	var tile [tileRows * tileCols]int32
	whole := rows / tileRows * tileRows
	rest := make([]int16, tileRows*c.k)
	each(w, images, x, c.pad, ws.wide, panel[:g.K()*tileCols], func(group, first, pixels int) {
		own := c.weight[group*rows*c.k : (group+1)*rows*c.k]
		copy(rest, own[whole*c.k:])
		if hasTiles {
			pairPanel(c.k/2, &panel[0], c.zero, &pairs[0])
		}
		for i := 0; i < rows; i += tileRows {
			from := rest
			if i < whole {
				from = own[i*c.k:]
			}
			if hasTiles {
				intTile(c.k/2, &from[0], c.k, &pairs[0], &tile)
			} else {
				plainTile(c.k, from, panel, c.zero, &tile)
			}
			for r := range min(tileRows, rows-i) {
				channel := group*rows + i + r
				line := ws.line[:pixels]
				finish(channel, tile[r*tileCols:r*tileCols+pixels], line)
				scatter(w, first, channel, out, line, y)
			}
		}
	})
}

// plainTile computes c[4,16] = a[4,k] * (panel[k,16]-zero).
func plainTile(k int, a []int16, panel []int8, zero int16, c *[tileRows * tileCols]int32) {
	clear(c[:])
	for l := range k {
		b := panel[l*tileCols : (l+1)*tileCols]
		for r := range tileRows {
			x, line := int32(a[r*k+l]), c[r*tileCols:(r+1)*tileCols]
			for j, y := range b {
				line[j] += x * int32(int16(y)-zero)
			}
		}
	}
}

// AddScaled adds d times the weights to as many sums, modulo 2^32.
func AddScaled(sums []int32, weights []int16, d int32) {
	weights = weights[:len(sums)]
	done := 0
	if hasTiles && len(sums) >= 8 {
		done = len(sums) / 8 * 8
		avxAddScaled(done, &weights[0], d, &sums[0])
	}
	for i, w := range weights[done:] {
		sums[done+i] += int32(w) * d
	}
}
