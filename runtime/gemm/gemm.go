// Package gemm is the fast products of the interpreter: convolutions as
// products of matrices, in float32 and in integers. Each is held equal to the
// loops of package kernels. Every element is one sum in one order, whatever
// the number of cores.
package gemm

import (
	"sync"

	"github.com/dnnc/dnnc/runtime/kernels"
)

// Im2ColInt8 lays the taps of a group's windows, less zero, out as
// cols[OutH*OutW][K].
func Im2ColInt8(g kernels.Window, group int, x []int8, zero int32, pad []int32, cols []int16) {
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

// The tiles of the processor's own kernels: rows of a and columns of b.
const (
	tileRows = 4
	tileCols = 16
	intCols  = 2
	intStep  = 16 // elements of k at a time
)

// panels are copies of 16 columns of b, kept between calls.
var panels = sync.Pool{New: func() any { return new([]float32) }}

// Float32 computes c[m,n] = a[m,k]*b[k,n]. Each element is the sum of its
// products in the order of k, product and sum rounded apart: the same bits with
// and without the processor's own kernel.
func Float32(m, n, k int, a, b, c []float32) {
	buffer := panels.Get().(*[]float32)
	defer panels.Put(buffer)
	if len(*buffer) < k*tileCols {
		*buffer = make([]float32, k*tileCols)
	}
	panel := (*buffer)[:k*tileCols]
	rest := remainder(m, k, a)
	for j := 0; j < n; j += tileCols {
		pack(k, min(tileCols, n-j), b[j:], n, 1, panel)
		times(m, n, k, a, rest, panel, j, c)
	}
}

// Int computes acc[m,n] = w[m,k]*cols[n,k]^T. The caller has proven that no sum
// leaves 32 bits (R5).
func Int(m, n, k int, w, cols []int16, acc []int32) {
	i, j := 0, 0
	if hasTiles && k >= intStep {
		whole := k / intStep * intStep
		var tile [tileRows * intCols]int32
		for ; i+tileRows <= m; i += tileRows {
			for j = 0; j+intCols <= n; j += intCols {
				intTile(whole, &w[i*k], k, &cols[j*k], k, &tile)
				for r := range tileRows {
					for q := range intCols {
						sum := tile[r*intCols+q]
						if whole < k {
							sum += dot(w[(i+r)*k+whole:(i+r+1)*k], cols[(j+q)*k+whole:(j+q+1)*k])
						}
						acc[(i+r)*n+j+q] = sum
					}
				}
			}
			if j < n {
				for r := range tileRows {
					acc[(i+r)*n+j] = dot(w[(i+r)*k:(i+r+1)*k], cols[j*k:(j+1)*k])
				}
			}
		}
	}
	portable(m-i, n, k, w[i*k:], cols, acc[i*n:])
}

// portable is Int in plain Go.
func portable(m, n, k int, w, cols []int16, acc []int32) {
	j := 0
	for ; j+2 <= n; j += 2 {
		x, y := cols[j*k:(j+1)*k], cols[(j+1)*k:(j+2)*k]
		i := 0
		for ; i+2 <= m; i += 2 {
			a, b := w[i*k:(i+1)*k], w[(i+1)*k:(i+2)*k]
			acc[i*n+j], acc[i*n+j+1], acc[(i+1)*n+j], acc[(i+1)*n+j+1] = dot2x2(a, b, x, y)
		}
		if i < m {
			a := w[i*k : (i+1)*k]
			acc[i*n+j], acc[i*n+j+1] = dot(a, x), dot(a, y)
		}
	}
	if j < n {
		x := cols[j*k : (j+1)*k]
		for i := range m {
			acc[i*n+j] = dot(w[i*k:(i+1)*k], x)
		}
	}
}

// dot2x2 shares each load between two products: four loads, four products.
func dot2x2(a, b, x, y []int16) (ax, ay, bx, by int32) {
	b, x, y = b[:len(a)], x[:len(a)], y[:len(a)]
	for i := range a {
		p, q, u, v := int32(a[i]), int32(b[i]), int32(x[i]), int32(y[i])
		ax += p * u
		ay += p * v
		bx += q * u
		by += q * v
	}
	return ax, ay, bx, by
}

func dot(a, x []int16) (sum int32) {
	x = x[:len(a)]
	for i := range a {
		sum += int32(a[i]) * int32(x[i])
	}
	return sum
}

// IntWide is Int with 64-bit sums.
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
