package kernels

import (
	"math"

	"github.com/dnnc/dnnc/ir/geometry"
)

// The gradients of the float kernels, in reverse mode: dy is the derivative of a
// scalar with respect to the result, dx and the others those with respect to
// the arguments, to which they are added.

// Conv2DGradient adds the gradients of Conv2DFloat; dx, dw or db may be nil
// where they are not wanted.
func Conv2DGradient(g geometry.Window, x, w, pad, dy, dx, dw, db []float32) {
	in, out := g.InC/g.Groups, g.OutC/g.Groups
	pixels := g.OutH() * g.OutW()
	for o := range g.OutC {
		for p := range pixels {
			d := dy[o*pixels+p]
			if d == 0 {
				continue
			}
			if db != nil {
				db[o] += d
			}
			oy, ox := p/g.OutW(), p%g.OutW()
			for i := range in {
				c := o/out*in + i
				for ky := range g.KH {
					for kx := range g.KW {
						k := ((o*in+i)*g.KH+ky)*g.KW + kx
						iy, ix, ok := g.At(oy, ox, ky, kx)
						switch {
						case ok:
							j := (c*g.InH+iy)*g.InW + ix
							if dx != nil {
								dx[j] = Fused(w[k], d, dx[j])
							}
							if dw != nil {
								dw[k] = Fused(x[j], d, dw[k])
							}
						case dw != nil && pad != nil:
							dw[k] = Fused(pad[c], d, dw[k])
						}
					}
				}
			}
		}
	}
}

// LinearGradient adds the gradients of w and b in y = w*x + b, where w has a row for each
// element of y; dw or db may be nil where they are not wanted.
func LinearGradient(x, dy, dw, db []float32) {
	for r, d := range dy {
		if d == 0 {
			continue
		}
		if db != nil {
			db[r] += d
		}
		if dw == nil {
			continue
		}
		FusedLine(d, x, dw[r*len(x):(r+1)*len(x)])
	}
}

// MaxPoolGradient sends each derivative to the first greatest pixel of its
// window.
func MaxPoolGradient(g geometry.Window, x, dy, dx []float32) {
	oh, ow, plane := g.OutH(), g.OutW(), g.InH*g.InW
	for c := range g.OutC {
		in, out := x[c*plane:(c+1)*plane], dx[c*plane:(c+1)*plane]
		for oy := range oh {
			top := oy*g.StrideH - g.PadT
			for ox, d := range dy[(c*oh+oy)*ow:][:ow] {
				if d == 0 {
					continue
				}
				left, at, best := ox*g.StrideW-g.PadL, -1, float32(0)
				for ky := range g.KH {
					y := top + ky*g.DilH
					if y < 0 || y >= g.InH {
						continue
					}
					for kx := range g.KW {
						if j := left + kx*g.DilW; j >= 0 && j < g.InW {
							if v := in[y*g.InW+j]; at < 0 || v > best {
								at, best = y*g.InW+j, v
							}
						}
					}
				}
				out[at] += d
			}
		}
	}
}

// AvgPoolGradient spreads each derivative over the pixels of its window.
func AvgPoolGradient(g geometry.Window, dy, dx []float32) {
	each(g, func(i, c, oy, ox int) {
		n := 0
		taps(g, c, oy, ox, func(int) { n++ })
		d := dy[i] / float32(n)
		taps(g, c, oy, ox, func(j int) { dx[j] += d })
	})
}

// ClampGradient passes the derivatives of results strictly between lo and hi. What
// stays is chosen by a mask, for half of the branches would be foretold wrongly.
func ClampGradient(y, dy []float32, lo, hi float32) {
	dy = dy[:len(y)]
	for i, v := range y {
		var stays uint32
		if v > lo {
			stays = 1
		}
		if v >= hi {
			stays = 0
		}
		dy[i] = math.Float32frombits(math.Float32bits(dy[i]) & -stays)
	}
}

// SoftmaxGradient adds y*(dy - sum(dy*y)).
func SoftmaxGradient(y, dy, dx []float32) {
	var sum float32
	for i, v := range y {
		sum += float32(v * dy[i])
	}
	for i, v := range y {
		dx[i] += float32(v * (dy[i] - sum))
	}
}
