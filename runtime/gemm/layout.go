package gemm

import (
	"unsafe"

	"github.com/dnnc/dnnc/ir/geometry"
)

// layout is how images are laid out for windows: each channel's plane with its padding,
// divided by phases. A phase has every step-th row and column from its first on, so that
// one tap of neighbouring windows lies in neighbouring elements at any stride.
type layout struct {
	g                geometry.Window
	stepY, stepX     int
	phases           []phase // those that taps lie in
	height, width    int     // of a phase
	paddedH, paddedW int     // of a plane with the padding that windows touch
}

// phase is the row and the column with which it begins.
type phase struct{ y, x int }

// newLayout has phases of steps, which are 1 or the strides.
func newLayout(g geometry.Window, stepY, stepX int) layout {
	l := layout{g: g, stepY: stepY, stepX: stepX}
	l.paddedH = max(g.PadT+g.InH, (g.OutH()-1)*g.StrideH+(g.KH-1)*g.DilH+1)
	l.paddedW = max(g.PadL+g.InW, (g.OutW()-1)*g.StrideW+(g.KW-1)*g.DilW+1)
	l.height, l.width = (l.paddedH+stepY-1)/stepY, (l.paddedW+stepX-1)/stepX
	for y := range stepY {
		for x := range stepX {
			if isTouched(g.KH, g.DilH, stepY, y) && isTouched(g.KW, g.DilW, stepX, x) {
				l.phases = append(l.phases, phase{y, x})
			}
		}
	}
	return l
}

// isTouched reports whether one of some taps lies in a phase.
func isTouched(taps, dilation, step, phase int) bool {
	for t := range taps {
		if t*dilation%step == phase {
			return true
		}
	}
	return false
}

// isPlain reports images that serve as they are.
func (l *layout) isPlain() bool {
	return l.stepY == 1 && l.stepX == 1 && l.paddedH == l.g.InH && l.paddedW == l.g.InW
}

// plane is the elements of a channel.
func (l *layout) plane() int { return len(l.phases) * l.height * l.width }

// image is the elements of an image.
func (l *layout) image() int { return l.g.InC * l.plane() }

// tap is where a tap of the window of the first output lies in the plane of a channel.
func (l *layout) tap(ky, kx int) int {
	y, x := ky*l.g.DilH, kx*l.g.DilW
	for i, p := range l.phases {
		if p.y == y%l.stepY && p.x == x%l.stepX {
			return (i*l.height+y/l.stepY)*l.width + x/l.stepX
		}
	}
	panic("gemm: a tap lies in no phase")
}

// lay copies images into their layout; pad has one value an input channel, nil means 0.
func lay[T float32 | int8](l *layout, images int, x, pad, to []T) {
	g := l.g
	for i := range images * g.InC {
		var outside T
		if pad != nil {
			outside = pad[i%g.InC]
		}
		from := x[i*g.InH*g.InW:][:g.InH*g.InW]
		for _, p := range l.phases {
			plane := to[:l.height*l.width]
			to = to[len(plane):]
			left, right := inside(g.PadL-p.x, g.InW, l.stepX, l.width)
			top, bottom := inside(g.PadT-p.y, g.InH, l.stepY, l.height)
			if (right-left)*(bottom-top) < len(plane) {
				fill(plane, outside)
			}
			if left < right && top < bottom {
				first := (top*l.stepY+p.y-g.PadT)*g.InW + left*l.stepX + p.x - g.PadL
				every(l.stepX, bottom-top, right-left, from[first:], l.stepY*g.InW, plane[top*l.width+left:], l.width)
			}
		}
	}
}

// inside is the first of n rows or columns of a phase, every step-th one, that lies in an image of size,
// and the first after it. pad is those of the phase before the image.
func inside(pad, size, step, n int) (first, end int) {
	if pad > 0 {
		first = (pad + step - 1) / step
	}
	if size += pad; size > 0 {
		end = min(n, (size+step-1)/step)
	}
	return first, max(first, end)
}

// every copies rows of n elements, every step-th of from. The rows of from are stride elements apart,
// those of to width.
func every[T float32 | int8](step, rows, n int, from []T, stride int, to []T, width int) {
	if processor >= avx512 && step <= 2 {
		_, _ = from[(rows-1)*stride+(n-1)*step], to[(rows-1)*width+n-1]
		switch from := any(from).(type) {
		case []float32:
			to := &any(to).([]float32)[0]
			if step == 2 {
				evenFloats(rows, n, &from[0], stride, to, width)
				return
			}
			const size = 4
			copyRows(rows, size*n, unsafe.Pointer(&from[0]), size*stride, unsafe.Pointer(to), size*width)
		case []int8:
			to := &any(to).([]int8)[0]
			if step == 2 {
				evenBytes(rows, n, &from[0], stride, to, width)
				return
			}
			copyRows(rows, n, unsafe.Pointer(&from[0]), stride, unsafe.Pointer(to), width)
		}
		return
	}
	for r := range rows {
		from, to := from[r*stride:], to[r*width:][:n]
		if step == 1 {
			copy(to, from)
			continue
		}
		for i := range to {
			to[i] = from[i*step]
		}
	}
}

// fill doubles what it has filled: of rows of pixels it is faster than one element after the other.
func fill[T float32 | int8](x []T, v T) {
	if v == 0 {
		clear(x)
		return
	}
	x[0] = v
	for n := 1; n < len(x); n *= 2 {
		copy(x[n:], x[:n])
	}
}
