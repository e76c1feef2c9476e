package kernels

// Window is the geometry of a 2-D convolution or pooling over [C,H,W]. For a
// pooling Groups is the number of channels.
type Window struct {
	InC, InH, InW, OutC    int
	KH, KW                 int
	StrideH, StrideW       int
	PadT, PadL, PadB, PadR int
	DilH, DilW             int
	Groups                 int
}

// OutH is the rows of the result.
func (g Window) OutH() int { return (g.InH+g.PadT+g.PadB-(g.KH-1)*g.DilH-1)/g.StrideH + 1 }

// OutW is the columns of the result.
func (g Window) OutW() int { return (g.InW+g.PadL+g.PadR-(g.KW-1)*g.DilW-1)/g.StrideW + 1 }

// K is the weights of one output channel.
func (g Window) K() int { return g.InC / g.Groups * g.KH * g.KW }

// at maps tap (ky,kx) of output pixel (oy,ox) to an input pixel; ok is false in
// the padding.
func (g Window) at(oy, ox, ky, kx int) (y, x int, ok bool) {
	y = oy*g.StrideH - g.PadT + ky*g.DilH
	x = ox*g.StrideW - g.PadL + kx*g.DilW
	return y, x, y >= 0 && y < g.InH && x >= 0 && x < g.InW
}

// Conv2DFloat computes y[OutC,OutH,OutW] = bias + w*x. pad has one value an
// input channel, nil means 0; bias may be nil.
func Conv2DFloat(g Window, x, w, bias, pad, y []float32) {
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
							if iy, ix, ok := g.at(oy, ox, ky, kx); ok {
								v = x[(c*g.InH+iy)*g.InW+ix]
							} else if pad != nil {
								v = pad[c]
							}
							acc += float32(w[((o*in+i)*g.KH+ky)*g.KW+kx] * v)
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
func Conv2DInt(g Window, x []int8, zero int32, pad, w []int32, bias []int64, wide bool, q *Requant, y []int8) {
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
							if iy, ix, ok := g.at(oy, ox, ky, kx); ok {
								v = int32(x[(c*g.InH+iy)*g.InW+ix]) - zero
							} else if pad != nil {
								v = pad[c] - zero
							}
							acc += int64(w[((o*in+i)*g.KH+ky)*g.KW+kx]) * int64(v)
						}
					}
				}
				dst := &y[(o*g.OutH()+oy)*g.OutW()+ox]
				if wide {
					*dst = q.ApplyWide(acc, o)
				} else {
					*dst = q.Apply(acc, o)
				}
			}
		}
	}
}

// LinearInt is R4 for w[len(y)][len(x)].
func LinearInt(x []int8, zero int32, w []int32, bias []int64, wide bool, q *Requant, y []int8) {
	g := Window{InC: len(x), InH: 1, InW: 1, OutC: len(y), KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
	Conv2DInt(g, x, zero, nil, w, bias, wide, q, y)
}

// DecodeOdd writes the integers of odd codes (R1).
func DecodeOdd(bits int, codes []uint8, w []int32) {
	for i, q := range codes {
		w[i] = 2*int32(q) - (1<<bits - 1)
	}
}

// DecodeCodebook writes the integers of indices into a table (R1).
func DecodeCodebook(table []int8, codes []uint8, w []int32) {
	for i, q := range codes {
		w[i] = int32(table[q])
	}
}

// DecodeVector writes the integers of a vector code (R1): of rows of channels
// times taps, w[rows][channels][taps], each code gives d weights along the
// channels of one tap; codes run over rows, taps, groups. The last group of a tap
// may reach beyond the channels.
func DecodeVector(table []int8, d int, codes []uint8, channels, taps int, w []int32) {
	groups := (channels + d - 1) / d
	for i, q := range codes {
		row, tap, first := i/(groups*taps), i/groups%taps, i%groups*d
		for j := range min(d, channels-first) {
			w[(row*channels+first+j)*taps+tap] = int32(table[int(q)*d+j])
		}
	}
}
