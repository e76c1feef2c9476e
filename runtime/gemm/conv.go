package gemm

import "github.com/dnnc/dnnc/ir/geometry"

// Windows says where the taps of a convolution's windows lie in an image: what is
// the same for all images, worked out once.
type Windows struct {
	g             geometry.Window
	pixels        int
	height, width int     // of a channel's plane with the padding that windows touch
	at            []int32 // [KH*KW][pixels]: index in such a plane
	run           int     // pixels that lie side by side for every tap: 1, 4, 8 or 16
	batch         int     // images whose pixels fill whole panels
}

// NewWindows maps the windows of g.
func NewWindows(g geometry.Window) *Windows {
	oh, ow := g.OutH(), g.OutW()
	w := &Windows{
		g: g, pixels: oh * ow, at: make([]int32, 0, g.KH*g.KW*oh*ow), run: 1, batch: tileCols,
	}
	w.height, w.width = planes(g)
	for ky := range g.KH {
		for kx := range g.KW {
			for oy := range oh {
				for ox := range ow {
					w.at = append(w.at, int32((oy*g.StrideH+ky*g.DilH)*w.width+ox*g.StrideW+kx*g.DilW))
				}
			}
		}
	}
	for _, run := range []int{4, 8, 16} {
		if g.StrideW == 1 && ow%run == 0 {
			w.run = run
		}
	}
	for w.batch > 1 && w.pixels*(w.batch/2)%tileCols == 0 {
		w.batch /= 2
	}
	return w
}

// planes are the height and width of a channel with the padding that windows touch.
func planes(g geometry.Window) (height, width int) {
	return max(g.PadT+g.InH, (g.OutH()-1)*g.StrideH+(g.KH-1)*g.DilH+1), max(g.PadL+g.InW, (g.OutW()-1)*g.StrideW+(g.KW-1)*g.DilW+1)
}

// isPadded reports whether windows reach beyond the image.
func (w *Windows) isPadded() bool { return w.height != w.g.InH || w.width != w.g.InW }

// widened is the elements of a batch with its padding; none of an image that needs
// none.
func (w *Windows) widened() int {
	if !w.isPadded() {
		return 0
	}
	return w.batch * w.g.InC * w.height * w.width
}

// widen copies images into planes with their padding around them.
func widen[T float32 | int8](w *Windows, images int, x, pad, wide []T) {
	g, plane := w.g, w.height*w.width
	for i := range images * g.InC {
		var outside T
		if pad != nil {
			outside = pad[i%g.InC]
		}
		to := wide[i*plane:][:plane]
		row := to[:w.width]
		for j := range row {
			row[j] = outside
		}
		for r := 1; r < w.height; r++ {
			copy(to[r*w.width:], row)
		}
		from := x[i*g.InH*g.InW:][:g.InH*g.InW]
		for r := range g.InH {
			copy(to[(g.PadT+r)*w.width+g.PadL:], from[r*g.InW:(r+1)*g.InW])
		}
	}
}

// each lays the windows of images out as panels [K][16], sixteen pixels at a time,
// of one image or of several, and gives each to use: the group, its first pixel, and
// how many there are. A panel stays in the cache for all channels. Padding is laid
// around a batch of images first, so that no tap needs to be asked where it lies.
func each[T float32 | int8](w *Windows, images int, x, pad, wide, panel []T, use func(group, first, pixels int)) {
	g := w.g
	in := g.InC * g.InH * g.InW
	for image := 0; image < images; image += w.batch {
		n := min(w.batch, images-image)
		from := x[image*in : (image+n)*in]
		if w.isPadded() {
			widen(w, n, from, pad, wide)
			from = wide
		}
		for group := range g.Groups {
			for first := 0; first < n*w.pixels; first += tileCols {
				pixels := min(tileCols, n*w.pixels-first)
				gather(w, group, first, pixels, from, panel)
				use(group, image*w.pixels+first, pixels)
			}
		}
	}
}

// gather lays pixels of a batch, from first on, out as a panel.
func gather[T float32 | int8](w *Windows, group, first, pixels int, x, panel []T) {
	g := w.g
	channels, plane, taps := g.InC/g.Groups, w.height*w.width, g.KH*g.KW
	if pixels < tileCols {
		clear(panel)
	}
	// Where runs begin: their image and group, and in the map.
	var start, pixel, at [tileCols]int
	runs := pixels / w.run
	for r := range runs {
		p := first + r*w.run
		start[r], pixel[r] = (p/w.pixels*g.InC+group*channels)*plane, p%w.pixels
	}
	for tap := range taps {
		for r, p := range pixel[:runs] {
			at[r] = start[r] + int(w.at[tap*w.pixels+p])
		}
		panel := panel[tap*tileCols:]
		for i := range channels {
			from, line := x[i*plane:], panel[i*taps*tileCols:][:tileCols]
			switch w.run {
			case 16:
				*(*[16]T)(line) = *(*[16]T)(from[at[0]:])
			case 8:
				for r, a := range at[:runs] {
					*(*[8]T)(line[r*8:]) = *(*[8]T)(from[a:])
				}
			case 4:
				for r, a := range at[:runs] {
					*(*[4]T)(line[r*4:]) = *(*[4]T)(from[a:])
				}
			default:
				for r, a := range at[:runs] {
					line[r] = from[a]
				}
			}
		}
	}
}

// Scratch is the elements that Conv works in.
func (w *Windows) Scratch() int { return w.g.K()*tileCols + w.widened() }

// Conv computes y = weight*windows + bias, clamped to [lo,hi], of a batch of
// images x[images][InC][InH][InW] into y[images][OutC][OutH][OutW]. pad has one
// value an input channel, nil means 0.
func (w *Windows) Conv(images int, x, weight, bias, pad []float32, lo, hi float32, scratch, y []float32) {
	g, k := w.g, w.g.K()
	out, rows := g.OutC*w.pixels, g.OutC/g.Groups
	panel, wide := scratch[:k*tileCols], scratch[k*tileCols:]
	var tile [tileRows * tileCols]float32
	whole := rows / tileRows * tileRows
	rest := make([]float32, tileRows*k)
	each(w, images, x, pad, wide, panel, func(group, first, pixels int) {
		own := weight[group*rows*k : (group+1)*rows*k]
		copy(rest, own[whole*k:])
		for i := 0; i < rows; i += tileRows {
			from := rest
			if i < whole {
				from = own[i*k:]
			}
			floatTile(k, from, k, panel, &tile)
			for r := range min(tileRows, rows-i) {
				c := group*rows + i + r
				b, line := bias[c], tile[r*tileCols:r*tileCols+pixels]
				for j, v := range line {
					line[j] = min(max(v+b, lo), hi)
				}
				scatter(w, first, c, out, line, y)
			}
		}
	})
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
