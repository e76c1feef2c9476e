package gemm

import "github.com/dnnc/dnnc/runtime/kernels"

// Windows says where the taps of a convolution's windows lie in an image: what is
// the same for all images, worked out once.
type Windows struct {
	g      kernels.Window
	pixels int
	at     []int32 // [KH*KW][pixels]: index in a channel's plane, -1 in the padding
}

// NewWindows maps the windows of g.
func NewWindows(g kernels.Window) *Windows {
	oh, ow := g.OutH(), g.OutW()
	w := &Windows{g: g, pixels: oh * ow, at: make([]int32, 0, g.KH*g.KW*oh*ow)}
	for ky := range g.KH {
		for kx := range g.KW {
			for oy := range oh {
				for ox := range ow {
					y, x := oy*g.StrideH-g.PadT+ky*g.DilH, ox*g.StrideW-g.PadL+kx*g.DilW
					i := int32(-1)
					if y >= 0 && y < g.InH && x >= 0 && x < g.InW {
						i = int32(y*g.InW + x)
					}
					w.at = append(w.at, i)
				}
			}
		}
	}
	return w
}

// Scratch is the elements of the panel that Conv works in.
func (w *Windows) Scratch() int { return w.g.K() * tileCols }

// Conv computes y = weight*windows + bias, clamped to [lo,hi], of a batch of
// images x[images][InC][InH][InW] into y[images][OutC][OutH][OutW]. pad has one
// value an input channel, nil means 0. Sixteen pixels at a time, of one image or of
// several, are laid out as a panel that stays in the cache for all channels.
func (w *Windows) Conv(images int, x, weight, bias, pad []float32, lo, hi float32, panel, y []float32) {
	g, k := w.g, w.g.K()
	in, out, rows := g.InC*g.InH*g.InW, g.OutC*w.pixels, g.OutC/g.Groups
	panel = panel[:k*tileCols]
	var tile [tileRows * tileCols]float32
	var rest []float32
	if left := rows % tileRows; left > 0 {
		rest = make([]float32, tileRows*k)
	}
	for group := range g.Groups {
		own := weight[group*rows*k : (group+1)*rows*k]
		copy(rest, own[rows/tileRows*tileRows*k:])
		for first := 0; first < images*w.pixels; first += tileCols {
			wide := min(tileCols, images*w.pixels-first)
			gather(w, group, first, wide, in, x, pad, panel)
			for i := 0; i < rows; i += tileRows {
				high := min(tileRows, rows-i)
				from := own[i*k:]
				if high < tileRows {
					from = rest
				}
				floatTile(k, from, k, panel, &tile)
				for r := range high {
					c := group*rows + i + r
					b, line := bias[c], tile[r*tileCols:r*tileCols+wide]
					for j, v := range line {
						line[j] = min(max(v+b, lo), hi)
					}
					scatter(w, first, c, out, line, y)
				}
			}
		}
	}
}

// scatter writes the results of pixels of a batch, from first on, of one channel.
func scatter[T float32 | int8](w *Windows, first, channel, out int, line, y []T) {
	for len(line) > 0 {
		image, pixel := first/w.pixels, first%w.pixels
		n := min(len(line), w.pixels-pixel)
		copy(y[image*out+channel*w.pixels+pixel:], line[:n])
		line, first = line[n:], first+n
	}
}

// gather lays wide pixels of a batch, from first on, out as a panel [K][16].
func gather[T float32 | int8](w *Windows, group, first, wide, in int, x, pad, panel []T) {
	g := w.g
	channels, plane, taps := g.InC/g.Groups, g.InH*g.InW, g.KH*g.KW
	if wide < tileCols {
		clear(panel)
	}
	var at [tileCols]int
	for tap := range taps {
		// The sixteen pixels of this tap in the first channel: where, and whether
		// they lie side by side.
		pixel, image := first%w.pixels, first/w.pixels
		isRow, isInside := wide == tileCols, true
		for s := range wide {
			at[s] = -1
			if i := w.at[tap*w.pixels+pixel]; i >= 0 {
				at[s] = image*in + int(i)
				isRow = isRow && at[s] == at[0]+s
			} else {
				isRow, isInside = false, false
			}
			if pixel++; pixel == w.pixels {
				pixel, image = 0, image+1
			}
		}
		for i := range channels {
			c := group*channels + i
			line := panel[(i*taps+tap)*tileCols:][:tileCols]
			from := x[c*plane:]
			switch {
			case isRow:
				copy(line, from[at[0]:at[0]+tileCols])
			case isInside:
				for s := range wide {
					line[s] = from[at[s]]
				}
			default:
				var outside T
				if pad != nil {
					outside = pad[c]
				}
				for s := range wide {
					v := outside
					if at[s] >= 0 {
						v = from[at[s]]
					}
					line[s] = v
				}
			}
		}
	}
}

// Taps writes the window of one pixel of an image as a row of K.
func (w *Windows) Taps(group, pixel int, x, pad, row []float32) {
	g := w.g
	channels, plane, taps := g.InC/g.Groups, g.InH*g.InW, g.KH*g.KW
	for tap := range taps {
		at := w.at[tap*w.pixels+pixel]
		for i := range channels {
			c := group*channels + i
			switch {
			case at >= 0:
				row[i*taps+tap] = x[c*plane+int(at)]
			case pad != nil:
				row[i*taps+tap] = pad[c]
			default:
				row[i*taps+tap] = 0
			}
		}
	}
}

// Columns is a matrix b[k,n] laid out for products: panels of 16 columns,
// [n/16][k][16], filled up with zeros.
type Columns struct {
	K, N   int
	panels []float32
}

// NewColumns lays b[k,n] out; the columns of b lie colStride apart and its rows
// rowStride, so that a transposed matrix needs no copy of its own.
func NewColumns(k, n int, b []float32, rowStride, colStride int) *Columns {
	c := &Columns{K: k, N: n, panels: make([]float32, (n+tileCols-1)/tileCols*k*tileCols)}
	for j := 0; j < n; j += tileCols {
		pack(k, min(tileCols, n-j), b[j*colStride:], rowStride, colStride, c.panels[j*k:])
	}
	return c
}

func pack(k, wide int, b []float32, rowStride, colStride int, panel []float32) {
	if colStride == 1 {
		for l := range k {
			row := panel[l*tileCols : (l+1)*tileCols]
			clear(row[copy(row, b[l*rowStride:l*rowStride+wide]):])
		}
		return
	}
	for l := range k {
		row := panel[l*tileCols : (l+1)*tileCols]
		for j := range wide {
			row[j] = b[l*rowStride+j*colStride]
		}
		clear(row[wide:])
	}
}

// Product computes c[m,N] = a[m,K]*b.
func (b *Columns) Product(m int, a, c []float32) { b.Part(m, a, 0, b.K, 0, c) }

// Part computes c[m,N-first] = a[m,to-from]*b[from:to,first:], first a multiple of
// Tile.
func (b *Columns) Part(m int, a []float32, from, to, first int, c []float32) {
	k := to - from
	rest := remainder(m, k, a)
	for j := first; j < b.N; j += tileCols {
		times(m, b.N-first, k, a, rest, b.panels[(j*b.K+from*tileCols):(j*b.K+to*tileCols)], j-first, c)
	}
}

// Tile is the columns of a panel.
const Tile = tileCols

// remainder is the last rows of a that fill no tile, and zeros.
func remainder(m, k int, a []float32) []float32 {
	left := m % tileRows
	if left == 0 {
		return nil
	}
	rest := make([]float32, tileRows*k)
	copy(rest, a[(m-left)*k:m*k])
	return rest
}

// times computes the columns of c[m,n] from j on, as many as a panel has.
func times(m, n, k int, a, rest, panel []float32, j int, c []float32) {
	var tile [tileRows * tileCols]float32
	wide := min(tileCols, n-j)
	for i := 0; i < m; i += tileRows {
		high := min(tileRows, m-i)
		from := a[i*k:]
		if high < tileRows {
			from = rest
		}
		floatTile(k, from, k, panel, &tile)
		for r := range high {
			copy(c[(i+r)*n+j:(i+r)*n+j+wide], tile[r*tileCols:])
		}
	}
}

// floatTile computes c[4,16] = a[4,k]*panel[k,16], the rows of a lda apart: each
// element the sum of its products in the order of k, product and sum rounded apart.
func floatTile(k int, a []float32, lda int, panel []float32, c *[tileRows * tileCols]float32) {
	if hasTiles && k > 0 {
		avxFloatTile(k, &a[0], lda, &panel[0], &c[0])
		return
	}
	clear(c[:])
	for l := range k {
		b := panel[l*tileCols : (l+1)*tileCols]
		for r := range tileRows {
			x, line := a[r*lda+l], c[r*tileCols:(r+1)*tileCols]
			for j, y := range b {
				line[j] += float32(x * y)
			}
		}
	}
}
