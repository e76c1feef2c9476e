// Package gemm is the fast products of the interpreter: convolutions as
// products of matrices, in float32 and in integers. Each is held equal to the
// loops of package kernels. Every element is one sum in one order, whatever
// the number of cores and the instructions of the processor.
package gemm

import "github.com/dnnc/dnnc/ir/geometry"

// Im2ColInt lays the taps of a group's windows, less zero, out as
// cols[OutH*OutW][K].
func Im2ColInt[T int8 | int16](g geometry.Window, group int, x []T, zero int32, pad []int32, cols []int16) {
	in, oh, ow, k := g.InC/g.Groups, g.OutH(), g.OutW(), g.K()
	z := int16(zero)
	tap := 0
	for i := range in {
		c := group*in + i
		plane := x[c*g.InH*g.InW : (c+1)*g.InH*g.InW]
		var outside int16
		if pad != nil {
			outside = int16(pad[c]) - z
		}
		for ky := range g.KH {
			for kx := range g.KW {
				at := tap
				for oy := range oh {
					y := oy*g.StrideH - g.PadT + ky*g.DilH
					for ox := range ow {
						px := ox*g.StrideW - g.PadL + kx*g.DilW
						if y < 0 || y >= g.InH || px < 0 || px >= g.InW {
							cols[at] = outside
						} else {
							cols[at] = int16(plane[y*g.InW+px]) - z
						}
						at += k
					}
				}
				tap++
			}
		}
	}
}

// IntWide computes acc[m,n] = w[m,k]*cols[n,k]^T with sums of 64 bits.
func IntWide(m, n, k int, w, cols []int16, acc []int64) {
	for i := range m {
		a := w[i*k : (i+1)*k]
		for j := range n {
			x := cols[j*k : (j+1)*k]
			var sum int64
			for t := range a {
				sum += int64(a[t]) * int64(x[t])
			}
			acc[i*n+j] = sum
		}
	}
}
