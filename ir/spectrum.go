package ir

import (
	"math/bits"

	"github.com/dnnc/dnnc/ir/diag"
)

// Bounds of the size of a Fourier transform, and the sizes of the tables of a spectrogram of
// integers (R19): one level for each number of bits that a frame's samples take, and
// logarithms at every 64th between two powers of two.
const (
	LeastFFT       = 8
	MostFFT        = 1 << 14
	SpectrumLevels = 16
	LogTable       = 65
)

// FFT is the size of the Fourier transform of a spectrogram.
func (n *Node) FFT() int {
	if f := n.Int(AttrFFT); f > 0 {
		return f
	}
	return max(LeastFFT, 1<<bits.Len(uint(n.Int(AttrFrame)-1)))
}

// Bins is the number of frequencies of a spectrogram.
func (n *Node) Bins() int { return n.FFT()/2 + 1 }

// framesOf is the number of frames of a signal, and the shape of a result of some bands.
func framesOf(n *Node, bands int) (Shape, *fault) {
	x, frame, fft := n.Args[0], n.Int(AttrFrame), n.FFT()
	s := x.Type.Shape
	samples := s.Size()
	switch {
	case len(s) != 1 && (len(s) != 2 || s[0] != 1):
		return nil, faultf(diag.BadShape, "%s takes a signal of one channel, [N] or [1,N], %s is %s", n.Op, x.Name, s)
	case fft&(fft-1) != 0:
		return nil, faultf(diag.BadValue, "a Fourier transform of %d samples: its size is a power of two", fft)
	case frame > fft:
		return nil, faultf(diag.BadValue, "frames of %d samples do not fit a Fourier transform of %d", frame, fft)
	case frame > samples:
		return nil, faultf(diag.BadShape, "a frame of %d samples does not fit %d", frame, samples)
	case n.Op.Takes(AttrFloor) && (n.Float(AttrFloor) <= 0 || n.Float(AttrEps) < 0 || n.Float(AttrGain) <= 0):
		return nil, faultf(diag.BadValue, "floor %v and gamma %v must be positive, and eps %v not negative", n.Float(AttrFloor), n.Float(AttrGain), n.Float(AttrEps))
	}
	out := Shape{(samples-frame)/n.Int(AttrHop) + 1, bands}
	if len(s) == 2 {
		out = append(Shape{1}, out...)
	}
	return out, nil
}

// inferSpectrogram is also what checks the constants of integers, which kernels read by their sizes.
func inferSpectrogram(n *Node) (Shape, *fault) {
	isInts, real := n.Args[0].Type.Elem.Kind != F32, Of(F32)
	if isInts {
		real = Of(I16)
	}
	if c := n.Const(AttrTaps); c != nil && (!c.Type.Shape.Equal(Shape{n.Int(AttrFrame)}) || c.Type.Elem != real) {
		return nil, faultf(diag.BadShape, "taps are %s[%d], %s is %s", real, n.Int(AttrFrame), c.Name, c.Type)
	}
	bands := n.Bins()
	if c := n.Const(AttrBank); c != nil {
		rows, f := bankRows(n, c, isInts)
		if f != nil {
			return nil, f
		}
		bands = rows
	}
	return framesOf(n, bands)
}

// inferMel also serves what has cosines of the bands.
func inferMel(n *Node) (Shape, *fault) {
	bands, low, high := n.Int(AttrBands), n.Float(AttrLow), n.HighestHz()
	if half := float64(n.Int(AttrRate)) / 2; low < 0 || high <= low || high > half {
		return nil, faultf(diag.BadValue, "mel frequencies from %v to %v Hz: they rise from 0 up to %v, half of the rate", low, high, half)
	}
	if n.Op.Takes(AttrNumber) {
		number := n.Int(AttrNumber)
		if number > bands {
			return nil, faultf(diag.BadValue, "%d coefficients of %d bands", number, bands)
		}
		bands = number
	}
	return framesOf(n, bands)
}

// HighestHz is where the last filter of mel frequencies ends.
func (n *Node) HighestHz() float64 {
	if high := n.Float(AttrHigh); high != 0 {
		return high
	}
	return float64(n.Int(AttrRate)) / 2
}

// bankRows is the number of filters of a bank: those of its spans where it has integers.
func bankRows(n *Node, bank *Const, isInts bool) (int, *fault) {
	s := bank.Type.Shape
	if !isInts {
		if len(s) != 2 || s[0] < 1 || s[1] != n.Bins() || bank.Type.Elem.Kind != F32 {
			return 0, faultf(diag.BadShape, "a bank of filters is f32[bands,%d], %s is %s", n.Bins(), bank.Name, bank.Type)
		}
		return s[0], nil
	}
	spans := n.Const(AttrSpans)
	if spans == nil || len(spans.Type.Shape) != 2 || spans.Type.Shape[0] < 1 || spans.Type.Shape[1] != 2 || spans.Type.Elem.Kind != I32 || bank.Type.Elem.Kind != I16 || len(s) != 1 {
		return 0, faultf(diag.BadShape, "a bank of integers is i16[weights] with spans i32[bands,2], %s is %s", bank.Name, bank.Type)
	}
	return spans.Type.Shape[0], nil
}
