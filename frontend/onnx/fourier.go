package onnx

import (
	"errors"
	"fmt"
	"math"
	"math/cmplx"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
)

// count is the one integer that a constant argument or an attribute is, at least least.
func count(in []*operand, i int, what string, least int) (int, error) {
	t, err := constant(in, i, what)
	if err != nil {
		return 0, err
	}
	if t == nil {
		return 0, fmt.Errorf("has no %s", what)
	}
	x, ok := oneNumber(t)
	if !ok || x != math.Trunc(x) || math.Abs(x) > 1<<31 {
		return 0, fmt.Errorf("has a %s that is not one integer", what)
	}
	if int(x) < least {
		return 0, fmt.Errorf("has the %s %d; it is at least %d", what, int(x), least)
	}
	return int(x), nil
}

// foldWindow makes the sum of a[k]*cos(2*pi*k*n/N), whose signs alternate.
func foldWindow(a ...float64) folder1 {
	return func(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
		size, err := count(in, 0, "size", 1)
		if err != nil {
			return nil, err
		}
		if err := im.room(size); err != nil {
			return nil, err
		}
		period := size
		if intAttr(n, "periodic", 1) == 0 {
			period--
		}
		if period == 0 {
			return nil, errors.New("has one sample, of which a symmetric window is not defined")
		}
		w := make([]float64, size)
		for i := range w {
			sign := 1.
			for k, v := range a {
				w[i] += float64(sign * v * math.Cos(2*math.Pi*float64(k*i)/float64(period)))
				sign = -sign
			}
		}
		return windowType(n, []int{size}, w)
	}
}

// windowType is a tensor of the type that output_datatype names.
func windowType(n *pb.Node, shape []int, x []float64) (*tensor, error) {
	typ := dtype(intAttr(n, "output_datatype", int(float32Type)))
	switch {
	case typ.size() == 0 || typ.bits() > 0 && typ.bits() < 8:
		return nil, fmt.Errorf("of %s", typ)
	case typ.isFloat():
		typ = float32Type // what reads floats reads any
	default:
		for i := range x {
			x[i] = math.Trunc(x[i])
		}
	}
	return newTensor(typ, shape, x), nil
}

// foldMelWeights makes ONNX's triangular filters [bins][filters], whose corners are whole bins.
func foldMelWeights(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
	var sizes [3]int
	for i, what := range []string{"number of mel bins", "length of the transform", "sample rate"} {
		var err error
		if sizes[i], err = count(in, i, what, 1); err != nil {
			return nil, err
		}
	}
	filters, fft, rate := sizes[0], sizes[1], sizes[2]
	var edges [2]float64
	for i := range edges {
		x, ok := oneNumber(in[3+i].c)
		if !ok {
			return nil, errors.New("has an edge that is not one number")
		}
		edges[i] = x
	}
	if !(edges[0] >= 0 && edges[1] > edges[0] && edges[1] <= float64(rate)/2) {
		return nil, fmt.Errorf("has edges of %v and %v Hz: they rise from 0 to half of the sample rate %d", edges[0], edges[1], rate)
	}
	bins := fft/2 + 1
	if filters > maxFolded {
		return nil, fmt.Errorf("of %d filters", filters)
	}
	if err := im.room(bins * filters); err != nil {
		return nil, err
	}
	mel := func(hz float64) float64 { return 2595 * math.Log1p(hz/700) / math.Ln10 }
	low, high := mel(edges[0]), mel(edges[1])
	corner := func(i int) int {
		m := low + float64(float64(i)*(high-low)/float64(filters+2))
		hz := 700 * math.Expm1(m/2595*math.Ln10)
		return int(math.Floor(float64(fft+1) * hz / float64(rate)))
	}
	w := make([]float64, bins*filters)
	for b := range filters {
		from, top, to := corner(b), corner(b+1), corner(b+2)
		if to > bins {
			return nil, fmt.Errorf("has a filter up to bin %d, of %d: choose a lower edge", to, bins)
		}
		if top < bins && from == top {
			w[top*filters+b] = 1
		}
		for k := from; k <= top && from < top && k < bins; k++ {
			w[k*filters+b] = float64(k-from) / float64(top-from)
		}
		for k := top; k < to; k++ {
			w[k*filters+b] = float64(to-k) / float64(to-top)
		}
	}
	return windowType(n, []int{bins, filters}, w)
}

// transform are the sizes of an ONNX DFT or STFT: along an axis of a tensor whose last axis is 1 (real) or 2.
type transform struct {
	shape             []int // of the argument
	axis, parts       int
	length            int // of the transform
	inverse, onesided bool
}

// transformOf reads a DFT, whose axis is an attribute up to opset 19.
func (im *importer) transformOf(n *pb.Node, in []*operand) (*transform, error) {
	shape := in[0].shape
	rank := len(shape)
	t := &transform{shape: shape, inverse: intAttr(n, "inverse", 0) != 0, onesided: intAttr(n, "onesided", 0) != 0}
	if rank < 2 || shape[rank-1] != 1 && shape[rank-1] != 2 {
		return nil, fmt.Errorf("of a tensor of shape %v: its last axis is 1, of reals, or 2, of real and imaginary parts", shape)
	}
	if slices.Contains(shape, 0) {
		return nil, fmt.Errorf("of a tensor of shape %v, which has no elements", shape)
	}
	t.parts = shape[rank-1]
	axis := -2
	if im.opset < 20 {
		axis = intAttr(n, "axis", 1)
	} else if len(in) > 2 && in[2] != nil {
		var err error
		if axis, err = count(in, 2, "axis", -rank); err != nil {
			return nil, err
		}
	}
	var err error
	if t.axis, err = build.Axis(axis, rank); err != nil {
		return nil, err
	}
	if t.axis == rank-1 {
		return nil, errors.New("along the axis of real and imaginary parts")
	}
	t.length = shape[t.axis]
	if t.isHalved() {
		t.length = 2 * (t.length - 1)
	}
	if len(in) > 1 && in[1] != nil {
		if t.length, err = count(in, 1, "length of the transform", 1); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// isHalved says of an inverse transform that it takes half of a spectrum and gives reals.
func (t *transform) isHalved() bool { return t.inverse && t.onesided }

// result is the shape of the result.
func (t *transform) result() []int {
	s := slices.Clone(t.shape)
	s[t.axis], s[len(s)-1] = t.length, 2
	switch {
	case t.isHalved():
		s[len(s)-1] = 1
	case t.onesided:
		s[t.axis] = t.length/2 + 1
	}
	return s
}

// foldDFT transforms a constant.
func foldDFT(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
	t, err := im.transformOf(n, in)
	if err != nil {
		return nil, err
	}
	x, err := in[0].c.numbers()
	if err != nil {
		return nil, err
	}
	y, shape, err := im.transformed(t, x)
	if err != nil {
		return nil, err
	}
	return newTensor(float32Type, shape, y), nil
}

// transformed computes a transform by its definition, within the room for constants.
func (im *importer) transformed(t *transform, x []float64) (y []float64, shape []int, err error) {
	if t.isHalved() && t.parts == 1 {
		return nil, nil, errors.New("is the onesided inverse of reals, which are no half of a spectrum")
	}
	shape = t.result()
	size := sizeOf(shape)
	if size < 1 {
		return nil, nil, fmt.Errorf("gives the shape %v", shape)
	}
	if err := im.room(size); err != nil {
		return nil, nil, err
	}
	if size > (mostProducts-im.products)/t.length {
		return nil, nil, fmt.Errorf("makes a constant of %d sums of %d products; all that are made may take %d products", size, t.length, mostProducts)
	}
	im.products += size * t.length
	roots, gain := make([]complex128, t.length), complex(1, 0)
	for k := range roots {
		angle := -2 * math.Pi * float64(k) / float64(t.length)
		if t.inverse {
			angle = -angle
		}
		roots[k] = cmplx.Rect(1, angle)
	}
	if t.inverse {
		gain = complex(1/float64(t.length), 0)
	}
	rank, given := len(shape), t.shape[t.axis]
	inner, parts := build.Product(shape[t.axis+1:rank-1]), shape[rank-1]
	// sample is number j of those along the axis of a line that begins at a place.
	sample := func(first, j int) complex128 {
		isMirrored := t.isHalved() && j > t.length/2
		if isMirrored {
			j = t.length - j
		}
		if j >= given {
			return 0
		}
		p := first + j*inner*t.parts
		if t.parts == 1 {
			return complex(x[p], 0)
		}
		if isMirrored {
			return complex(x[p], -x[p+1])
		}
		return complex(x[p], x[p+1])
	}
	y = make([]float64, size)
	for o := range build.Product(shape[:t.axis]) {
		for i := range inner {
			for k := range shape[t.axis] {
				sum := complex128(0)
				for j := range t.length {
					sum += sample((o*given*inner+i)*t.parts, j) * roots[k*j%t.length]
				}
				sum *= gain
				p := ((o*shape[t.axis]+k)*inner + i) * parts
				if y[p] = real(sum); parts == 2 {
					y[p+1] = imag(sum)
				}
			}
		}
	}
	return y, shape, nil
}

// frames are the sizes of an STFT: of samples of a signal, frames of a window, a hop apart.
type frames struct {
	samples, frame, hop int
	taps                []float64
	onesided            bool
}

// framesOf reads an STFT.
func framesOf(n *pb.Node, in []*operand) (*frames, error) {
	s := in[0].shape
	if len(s) != 2 && len(s) != 3 || s[0] != 1 {
		return nil, fmt.Errorf("of a tensor of shape %v: a signal has the shape [1,N] or [1,N,1]", s)
	}
	if len(s) == 3 && s[2] != 1 {
		return nil, fmt.Errorf("of a signal of shape %v, of complex numbers; dnnc transforms reals", s)
	}
	f := &frames{samples: s[1], onesided: intAttr(n, "onesided", 1) != 0}
	var err error
	if f.hop, err = count(in, 1, "frame_step", 1); err != nil {
		return nil, err
	}
	window, err := constant(in, 2, "a window")
	if err != nil {
		return nil, err
	}
	if window != nil {
		if f.taps, err = window.numbers(); err != nil {
			return nil, err
		}
		if f.frame = len(f.taps); len(window.shape) != 1 || f.frame == 0 {
			return nil, fmt.Errorf("has a window of shape %v", window.shape)
		}
	}
	if len(in) > 3 && in[3] != nil {
		length, err := count(in, 3, "frame_length", 1)
		if err != nil {
			return nil, err
		}
		if window != nil && length != f.frame {
			return nil, fmt.Errorf("has a frame_length of %d and a window of %d samples", length, f.frame)
		}
		f.frame = length
	}
	if f.frame == 0 {
		return nil, errors.New("has neither a window nor a frame_length")
	}
	if f.frame > f.samples {
		return nil, fmt.Errorf("of frames of %d samples does not fit a signal of %d", f.frame, f.samples)
	}
	if f.taps == nil {
		f.taps = slices.Repeat([]float64{1}, f.frame)
	}
	return f, nil
}

// number is the number of frames.
func (f *frames) number() int { return (f.samples-f.frame)/f.hop + 1 }

// foldSTFT transforms the frames of a constant.
func foldSTFT(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
	f, err := framesOf(n, in)
	if err != nil {
		return nil, err
	}
	signal, err := in[0].c.numbers()
	if err != nil {
		return nil, err
	}
	if err := im.room(f.number() * f.frame); err != nil {
		return nil, err
	}
	x := make([]float64, 0, f.number()*f.frame)
	for i := range f.number() {
		for k, w := range f.taps {
			x = append(x, signal[i*f.hop+k]*w)
		}
	}
	y, shape, err := im.transformed(&transform{shape: []int{1, f.number(), f.frame, 1}, axis: 2, parts: 1, length: f.frame, onesided: f.onesided}, x)
	if err != nil {
		return nil, err
	}
	return newTensor(float32Type, shape, y), nil
}
