package gemm

import (
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// Outer is the gradient of a convolution with respect to its weights and biases: the sum over
// pixels of the derivative of a result times the column of the pixel. Columns are read where
// they lie in the image: its padding is laid around it and its channels are made innermost, so
// that a row of a window is one run. Derivatives that are 0, as most are after relu and max
// pooling, cost nothing. A linear layer is a convolution of a single pixel.
type Outer struct {
	l   layout
	pad []float32
	run int // elements of a window that lie side by side
	form
}

// leastRun is the elements of a run below which sums that are made tap by tap cost less.
const leastRun = 8

// form is the way in which sums are made.
type form int

const (
	byWindow form = iota // runs of a window, of a channel of the result
	byTap                // one weight after the other
	byPixel              // runs of channels of the result, of a tap
)

// NewOuter is that of a convolution; pad has one value an input channel, nil means 0.
func NewOuter(g geometry.Window, pad []float32) *Outer {
	o := &Outer{l: newLayout(g, 1, 1), pad: pad, run: g.InC / g.Groups}
	if g.DilW == 1 {
		o.run *= g.KW
	}
	switch {
	case o.run >= leastRun || pad != nil:
	case g.OutC/g.Groups >= leastRun:
		o.form = byPixel
	default:
		o.form = byTap
	}
	return o
}

// Scratch is the elements that Add works in for a number of images.
func (o *Outer) Scratch(images int) int {
	g := o.l.g
	switch o.form {
	case byTap:
		return 0
	case byPixel:
		return g.OutC * (g.OutH()*g.OutW() + g.K())
	}
	n := (images + 1) * g.InC * o.l.height * o.l.width
	if g.KH*g.KW > 1 {
		n += g.OutC * g.K()
	}
	return n
}

// Add adds to dw and db the derivatives of weights and biases: x[images][InC][InH][InW] is
// the input, dy[images][OutC][OutH][OutW] the derivative of the result; db may be nil. Of
// finite numbers it is kernels.Conv2DGradient of one image after the other, to the last bit:
// every sum has its terms in the same order.
func (o *Outer) Add(images int, x, dy, scratch, dw, db []float32) {
	g := o.l.g
	pixels := g.OutH() * g.OutW()
	size := g.InC * g.InH * g.InW
	for i := range images {
		for c := range db {
			for _, d := range dy[(i*g.OutC+c)*pixels:][:pixels] {
				db[c] += d
			}
		}
		switch own := x[i*size : (i+1)*size]; o.form {
		case byTap:
			addTaps(g, own, dy[i*g.OutC*pixels:], dw)
		case byPixel:
			addPixels(g, own, dy[i*g.OutC*pixels:], scratch, dw)
		}
	}
	if o.form != byWindow {
		return
	}
	in, taps, plane := g.InC/g.Groups, g.KH*g.KW, o.l.plane()
	wide, columns := scratch[:g.InC*plane], scratch[g.InC*plane:][:images*g.InC*plane]
	for i := range images {
		lay(&o.l, 1, x[i*size:], o.pad, wide)
		for group := range g.Groups {
			transpose(in, plane, wide[group*in*plane:], columns[(i*g.Groups+group)*in*plane:])
		}
	}
	sums := dw
	if taps > 1 {
		sums = scratch[len(wide)+len(columns):][:g.OutC*g.K()]
	}
	for c := range g.OutC {
		if taps == 1 {
			o.channel(images, c, columns, dy, sums[c*in:(c+1)*in])
			continue
		}
		own, from := sums[c*in*taps:(c+1)*in*taps], dw[c*in*taps:(c+1)*in*taps]
		transpose(in, taps, from, own)
		o.channel(images, c, columns, dy, own)
		transpose(taps, in, own, from)
	}
}

// channel adds to sums[KH][KW][InC/Groups], those of an output channel, what the pixels of
// images give, four of them at a time.
func (o *Outer) channel(images, channel int, columns, dy, sums []float32) {
	g := o.l.g
	ow, pixels := g.OutW(), g.OutH()*g.OutW()
	in := g.InC / g.Groups
	plane := o.l.height * o.l.width * in
	var some [rowsAtOnce]float32
	var at [rowsAtOnce]int
	n := 0
	for i := range images {
		first := (i*g.Groups + channel/(g.OutC/g.Groups)) * plane
		for p, d := range dy[(i*g.OutC+channel)*pixels:][:pixels] {
			if d == 0 {
				continue
			}
			some[n], at[n] = d, first+(p/ow*g.StrideH*o.l.width+p%ow*g.StrideW)*in
			if n++; n == rowsAtOnce {
				o.windows(columns, &some, &at, sums)
				n = 0
			}
		}
	}
	if n > 0 {
		for j := n; j < rowsAtOnce; j++ {
			some[j], at[j] = 0, at[0]
		}
		o.windows(columns, &some, &at, sums)
	}
}

// windows adds four windows, each times its derivative, to sums; at is where they begin.
func (o *Outer) windows(columns []float32, d *[rowsAtOnce]float32, at *[rowsAtOnce]int, sums []float32) {
	g, in, run := o.l.g, o.l.g.InC/o.l.g.Groups, o.run
	for ky := range g.KH {
		for kx := 0; kx < g.KW; kx += run / in {
			addRows(columns, (ky*g.DilH*o.l.width+kx*g.DilW)*in, 1, at, d, sums[(ky*g.KW+kx)*in:][:run])
		}
	}
}

// addTaps is Add of one image without values for padding. Four sums are made side by side, as
// each addition waits for the one before.
func addTaps(g geometry.Window, x, dy, dw []float32) {
	in, out, taps := g.InC/g.Groups, g.OutC/g.Groups, g.KH*g.KW
	h, w := g.OutH(), g.OutW()
	var sums [4]float32
	var slopes [4][]float32
	for first, count := 0, 0; first < g.OutC; first += count {
		if count = 1; first%out+4 <= out { // of one group
			count = 4
		}
		for k := range in * taps {
			plane := x[(first/out*in+k/taps)*g.InH*g.InW:]
			ky := k % taps / g.KW
			left, from, to := places(g, k%g.KW)
			for j := range sums { // a lone one four times
				sums[j] = dw[(first+min(j, count-1))*in*taps+k]
			}
			for oy := range h {
				iy := oy*g.StrideH - g.PadT + ky*g.DilH
				if iy < 0 || iy >= g.InH || from >= to {
					continue
				}
				line := plane[iy*g.InW+from*g.StrideW-left:]
				for j := range slopes {
					slopes[j] = dy[((first+min(j, count-1))*h+oy)*w:][from:to]
				}
				fourSums(&sums, line, g.StrideW, count, &slopes)
			}
			for j := range count {
				dw[(first+j)*in*taps+k] = sums[j]
			}
		}
	}
}

// places are those of a row of the result whose tap lies within the row of the input: from up to but
// not including to. Place 0 has its tap left of the first element by left.
func places(g geometry.Window, kx int) (left, from, to int) {
	left = g.PadL - kx*g.DilW
	after := func(n int) int { return max(0, n+g.StrideW-1) / g.StrideW } // places before whose tap is at n or after
	return left, after(left), min(g.OutW(), after(g.InW+left))
}

// addPixels is Add of one image without values for padding: of each tap and four pixels at a time,
// to all channels of a group. An input of 0 costs nothing.
func addPixels(g geometry.Window, x, dy, scratch, dw []float32) {
	in, out, taps := g.InC/g.Groups, g.OutC/g.Groups, g.KH*g.KW
	h, w := g.OutH(), g.OutW()
	slopes, sums := scratch[:h*w*g.OutC], scratch[h*w*g.OutC:][:g.K()*g.OutC]
	transpose(g.OutC, h*w, dy, slopes)
	transpose(g.OutC, in*taps, dw, sums)
	for k := range in * taps {
		ky := k % taps / g.KW
		left, from, to := places(g, k%g.KW)
		for group := range g.Groups {
			plane := x[(group*in+k/taps)*g.InH*g.InW:]
			f := fours{w: slopes, size: g.OutC, at: group * out, y: sums[k*g.OutC+group*out:][:out]}
			for oy := range h {
				iy := oy*g.StrideH - g.PadT + ky*g.DilH
				if iy < 0 || iy >= g.InH {
					continue
				}
				for ox := from; ox < to; ox++ {
					if v := plane[iy*g.InW+ox*g.StrideW-left]; v != 0 {
						f.add(v, oy*w+ox)
					}
				}
			}
			f.flush()
		}
	}
	transpose(in*taps, g.OutC, sums, dw)
}

// fours adds rows to y, each times a number, four at a time: see addRows.
type fours struct {
	w, y     []float32
	at, size int
	n        int
	some     [rowsAtOnce]float32
	rows     [rowsAtOnce]int
}

func (f *fours) add(d float32, row int) {
	f.some[f.n], f.rows[f.n] = d, row
	if f.n++; f.n == rowsAtOnce {
		addRows(f.w, f.at, f.size, &f.rows, &f.some, f.y)
		f.n = 0
	}
}

// flush adds those that are left.
func (f *fours) flush() {
	if f.n == 0 {
		return
	}
	for i := f.n; i < rowsAtOnce; i++ {
		f.some[i], f.rows[i] = 0, f.rows[0]
	}
	addRows(f.w, f.at, f.size, &f.rows, &f.some, f.y)
	f.n = 0
}

// fourSums adds the products of every stride-th number of a line with four slopes to their sums,
// at least to the first few, by fused steps. The slopes have elements, and as many.
func fourSums(sums *[4]float32, line []float32, stride, few int, slopes *[4][]float32) {
	n := len(slopes[0])
	if processor >= avx2 {
		line = line[:(n-1)*stride+1]
		avxFourSums(n, stride, &line[0], &slopes[0][0], &slopes[1][0], &slopes[2][0], &slopes[3][0], sums)
		return
	}
	for j, slope := range slopes[:few] {
		for i, v := range slope {
			sums[j] = kernels.Fused(line[i*stride], v, sums[j])
		}
	}
}
