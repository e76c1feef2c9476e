package gemm

import (
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// Scatter is the gradient of a convolution with respect to its input: each
// derivative of a result, times the weights of its window, is added to the window.
// Most derivatives are 0 after relu and max pooling and cost nothing, which makes
// this cheaper than a product of whole matrices. Channels lie innermost, so that a
// row of a window is one run.
type Scatter struct {
	g      geometry.Window
	weight []float32 // [OutC][KH][KW][InC/Groups]
}

// NewScatter lays out weight[OutC][InC/Groups][KH][KW].
func NewScatter(g geometry.Window, weight []float32) *Scatter {
	s := &Scatter{g, make([]float32, len(weight))}
	in, taps := g.InC/g.Groups, g.KH*g.KW
	for o := range g.OutC {
		transpose(in, taps, weight[o*in*taps:], s.weight[o*in*taps:])
	}
	return s
}

// Scratch is the elements that Add works in.
func (s *Scatter) Scratch() int {
	g := s.g
	return g.InC*g.InH*g.InW + g.OutC*g.OutH()*g.OutW()
}

// Add adds the gradient of one image to dx[InC][InH][InW]; dy is the derivative
// with respect to the result [OutC][OutH][OutW].
func (s *Scatter) Add(dy, scratch, dx []float32) {
	g, oh, ow := s.g, s.g.OutH(), s.g.OutW()
	in, out, pixels := g.InC/g.Groups, g.OutC/g.Groups, g.InH*g.InW
	sum, derivatives := scratch[:in*pixels], scratch[g.InC*pixels:][:g.OutC*oh*ow]
	transpose(g.OutC, oh*ow, dy, derivatives)
	var some [rowsAtOnce]float32
	var rows [rowsAtOnce]int
	for group := range g.Groups {
		clear(sum)
		for p := range oh * ow {
			n := 0
			for o, d := range derivatives[p*g.OutC+group*out:][:out] {
				if d == 0 {
					continue
				}
				some[n], rows[n] = d, group*out+o
				if n++; n == rowsAtOnce {
					s.window(p/ow, p%ow, &some, &rows, sum)
					n = 0
				}
			}
			if n > 0 {
				for i := n; i < rowsAtOnce; i++ {
					some[i], rows[i] = 0, rows[0]
				}
				s.window(p/ow, p%ow, &some, &rows, sum)
			}
		}
		for c := range in {
			line := dx[(group*in+c)*pixels:][:pixels]
			for i := range line {
				line[i] += sum[i*in+c]
			}
		}
	}
}

// window adds four channels' weights, each times its derivative, to the window of
// one pixel of the result.
func (s *Scatter) window(oy, ox int, d *[rowsAtOnce]float32, rows *[rowsAtOnce]int, sum []float32) {
	g := s.g
	in, size := g.InC/g.Groups, g.K()
	left := ox*g.StrideW - g.PadL
	// The taps of a row that lie side by side inside the image: all at once where
	// they are not dilated.
	step, width := 1, 1
	if g.DilW == 1 {
		step, width = g.KW, g.KW
	}
	for ky := range g.KH {
		y := oy*g.StrideH - g.PadT + ky*g.DilH
		if y < 0 || y >= g.InH {
			continue
		}
		for kx := 0; kx < g.KW; kx += step {
			x := left + kx*g.DilW
			from, to := max(0, -x), min(width, g.InW-x)
			if from >= to {
				continue
			}
			at := (ky*g.KW + kx + from) * in
			addRows(s.weight, at, size, rows, d, sum[(y*g.InW+x+from)*in:][:(to-from)*in])
		}
	}
}

// rowsAtOnce is the rows that addRows adds.
const rowsAtOnce = 4

// addRows computes y += d[0]*w[rows[0]] + d[1]*w[rows[1]] + ..., the rows of w size
// long and read from at on; one after the other, each by fused steps.
func addRows(w []float32, at, size int, rows *[rowsAtOnce]int, d *[rowsAtOnce]float32, y []float32) {
	n := len(y)
	a, b := w[rows[0]*size+at:][:n], w[rows[1]*size+at:][:n]
	c, e := w[rows[2]*size+at:][:n], w[rows[3]*size+at:][:n]
	if processor >= avx2 {
		avxAddRows(n, d, &a[0], &b[0], &c[0], &e[0], &y[0])
		return
	}
	for i, x := range [rowsAtOnce][]float32{a, b, c, e} {
		kernels.FusedLine(d[i], x, y)
	}
}

// transpose writes x[rows][cols] as y[cols][rows].
func transpose(rows, cols int, x, y []float32) {
	for r := range rows {
		for c, v := range x[r*cols : (r+1)*cols] {
			y[c*rows+r] = v
		}
	}
}
