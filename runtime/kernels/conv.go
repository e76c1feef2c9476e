package kernels

import "github.com/dnnc/dnnc/ir/geometry"

// Conv2DFloat computes y[OutC,OutH,OutW] = bias + w*x, by fused steps. pad has one value an
// input channel, nil means 0; bias may be nil.
func Conv2DFloat(g geometry.Window, x, w, bias, pad, y []float32) {
	in, out := g.InC/g.Groups, g.OutC/g.Groups
	for o := range g.OutC {
		for oy := range g.OutH() {
			for ox := range g.OutW() {
				var acc float32
				if bias != nil {
					acc = bias[o]
				}
				for i := range in {
					c := o/out*in + i
					for ky := range g.KH {
						for kx := range g.KW {
							var v float32
							if iy, ix, ok := g.At(oy, ox, ky, kx); ok {
								v = x[(c*g.InH+iy)*g.InW+ix]
							} else if pad != nil {
								v = pad[c]
							}
							acc = Fused(w[((o*in+i)*g.KH+ky)*g.KW+kx], v, acc)
						}
					}
				}
				y[(o*g.OutH()+oy)*g.OutW()+ox] = acc
			}
		}
	}
}

// Conv2DInt is R4 with R6 or, for wide accumulators, R7, and R9. pad has one
// value an input channel; nil means the zero point.
func Conv2DInt[X, Y Integer](g geometry.Window, x []X, zero int32, pad, w []int32, bias []int64, wide bool, q *geometry.Requant, y []Y) {
	in, out := g.InC/g.Groups, g.OutC/g.Groups
	for o := range g.OutC {
		for oy := range g.OutH() {
			for ox := range g.OutW() {
				acc := bias[o]
				for i := range in {
					c := o/out*in + i
					for ky := range g.KH {
						for kx := range g.KW {
							var v int32
							if iy, ix, ok := g.At(oy, ox, ky, kx); ok {
								v = int32(x[(c*g.InH+iy)*g.InW+ix]) - zero
							} else if pad != nil {
								v = pad[c] - zero
							}
							acc += int64(w[((o*in+i)*g.KH+ky)*g.KW+kx]) * int64(v)
						}
					}
				}
				y[(o*g.OutH()+oy)*g.OutW()+ox] = Y(q.Integer(acc, o, wide))
			}
		}
	}
}

// LinearInt is R4 for w[len(y)][len(x)].
func LinearInt[X, Y Integer](x []X, zero int32, w []int32, bias []int64, wide bool, q *geometry.Requant, y []Y) {
	g := geometry.Window{InC: len(x), InH: 1, InW: 1, OutC: len(y), KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
	Conv2DInt(g, x, zero, nil, w, bias, wide, q, y)
}
