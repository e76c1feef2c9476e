package gemm

import "github.com/dnnc/dnnc/ir/geometry"

// WeightGradient adds to dw and db the derivatives of a convolution's weights and biases: x
// is its input, dy the derivative of its result; db may be nil. It is kernels.Conv2DGradient of finite numbers and without
// values for padding, to the last bit: every sum has its terms in the same order. Four sums
// are made side by side, as each addition waits for the one before.
func WeightGradient(g geometry.Window, x, dy, dw, db []float32) {
	in, out, taps := g.InC/g.Groups, g.OutC/g.Groups, g.KH*g.KW
	h, w := g.OutH(), g.OutW()
	for o := range db {
		for _, d := range dy[o*h*w : (o+1)*h*w] {
			db[o] += d
		}
	}
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
