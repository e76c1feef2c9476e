package gemm

import "github.com/dnnc/dnnc/ir/geometry"

// Outer is the gradient of a convolution with respect to its weights and biases: the sum over
// pixels of the derivative of a result times the column of the pixel. Columns are read where
// they lie in the image: its padding is laid around it and its channels are made innermost, so
// that a row of a window is one run. Derivatives that are 0, as most are after relu and max
// pooling, cost nothing. A linear layer is a convolution of a single pixel.
type Outer struct {
	l   layout
	pad []float32
	run int // elements of a window that lie side by side
}

// leastRun is the elements of a run below which sums that are made tap by tap cost less.
const leastRun = 8

// NewOuter is that of a convolution; pad has one value an input channel, nil means 0.
func NewOuter(g geometry.Window, pad []float32) *Outer {
	o := &Outer{l: newLayout(g, 1, 1), pad: pad, run: g.InC / g.Groups}
	if g.DilW == 1 {
		o.run *= g.KW
	}
	return o
}

// isByTap reports a convolution whose runs are too short for sums of rows.
func (o *Outer) isByTap() bool { return o.run < leastRun && o.pad == nil }

// Scratch is the elements that Add works in for a number of images.
func (o *Outer) Scratch(images int) int {
	if o.isByTap() {
		return 0
	}
	g := o.l.g
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
		if o.isByTap() {
			byTap(g, x[i*size:(i+1)*size], dy[i*g.OutC*pixels:], dw)
		}
	}
	if o.isByTap() {
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

// byTap is Add of one image without values for padding. Four sums are made side by side, as
// each addition waits for the one before.
func byTap(g geometry.Window, x, dy, dw []float32) {
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
			ky, kx := k%taps/g.KW, k%g.KW
			// Places whose tap lies in a row: from up to but not including to.
			left, right := g.PadL-kx*g.DilW, g.InW+g.PadL-kx*g.DilW
			from, to := max(0, (left+g.StrideW-1)/g.StrideW), min(w, (right+g.StrideW-1)/g.StrideW)
			if left < 0 {
				from = 0
			}
			if right <= 0 {
				continue
			}
			for j := range count {
				sums[j] = dw[(first+j)*in*taps+k]
			}
			for oy := range h {
				iy := oy*g.StrideH - g.PadT + ky*g.DilH
				if iy < 0 || iy >= g.InH || from >= to {
					continue
				}
				line := plane[iy*g.InW+from*g.StrideW-left:]
				for j := range count {
					slopes[j] = dy[((first+j)*h+oy)*w:][from:to]
				}
				if count == 4 {
					fourSums(&sums, line, g.StrideW, &slopes)
					continue
				}
				for i, d := range slopes[0] {
					sums[0] += float32(line[i*g.StrideW] * d)
				}
			}
			for j := range count {
				dw[(first+j)*in*taps+k] = sums[j]
			}
		}
	}
}

// fourSums adds the products of every stride-th number of a line with four slopes.
func fourSums(sums *[4]float32, line []float32, stride int, slopes *[4][]float32) {
	a, b, c, d := sums[0], sums[1], sums[2], sums[3]
	p := slopes[0]
	q, r, s := slopes[1][:len(p)], slopes[2][:len(p)], slopes[3][:len(p)]
	for i, v := range p {
		x := line[i*stride]
		a += float32(x * v)
		b += float32(x * q[i])
		c += float32(x * r[i])
		d += float32(x * s[i])
	}
	*sums = [4]float32{a, b, c, d}
}
