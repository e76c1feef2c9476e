package gemm

import "github.com/dnnc/dnnc/ir/geometry"

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
			first, end := p.inside(l)
			for r := range l.height {
				row := to[:l.width]
				to = to[l.width:]
				y := r*l.stepY + p.y - g.PadT
				if y < 0 || y >= g.InH || first >= end {
					fill(row, outside)
					continue
				}
				fill(row[:first], outside)
				fill(row[end:], outside)
				every(l.stepX, from[y*g.InW+first*l.stepX+p.x-g.PadL:(y+1)*g.InW], row[first:end])
			}
		}
	}
}

// inside is the first element of a phase's row that lies in the image, and the first after it.
func (p phase) inside(l *layout) (first, end int) {
	left := l.g.PadL - p.x
	if left > 0 {
		first = (left + l.stepX - 1) / l.stepX
	}
	if n := l.g.InW + left; n > 0 {
		end = min(l.width, (n+l.stepX-1)/l.stepX)
	}
	return first, end
}

// every copies every step-th element of from.
func every[T float32 | int8](step int, from, to []T) {
	switch {
	case step == 1:
		copy(to, from)
		return
	case step == 2 && processor >= avx512:
		from = from[:2*len(to)-1]
		switch from := any(from).(type) {
		case []float32:
			evenFloats(len(to), &from[0], &any(to).([]float32)[0])
		case []int8:
			evenBytes(len(to), &from[0], &any(to).([]int8)[0])
		}
		return
	}
	for i := range to {
		to[i] = from[i*step]
	}
}

func fill[T float32 | int8](x []T, v T) {
	for i := range x {
		x[i] = v
	}
}
