package kernels

import (
	"math"
	"math/bits"
	"math/cmplx"

	"github.com/dnnc/dnnc/ir/geometry"
)

// fourier transforms complex numbers, as many as a power of two.
type fourier struct {
	n     int
	roots []complex128
}

func newFourier(n int) *fourier {
	f := &fourier{n: n, roots: make([]complex128, n)}
	for k := range f.roots {
		f.roots[k] = cmplx.Rect(1, -2*math.Pi*float64(k)/float64(n))
	}
	return f
}

// run transforms x in place.
func (f *fourier) run(x []complex128) {
	shift := 64 - bits.TrailingZeros(uint(f.n))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for m := 1; m < f.n; m *= 2 {
		for first := 0; first < f.n; first += 2 * m {
			for k := range m {
				a, b := x[first+k], x[first+k+m]*f.roots[k*(f.n/(2*m))]
				x[first+k], x[first+k+m] = a+b, a-b
			}
		}
	}
}

// Spectrogram computes a spectrogram of reals.
type Spectrogram struct {
	*geometry.SpectrumReals
	transform *fourier
}

// NewSpectrogram prepares one.
func NewSpectrogram(s *geometry.SpectrumReals) *Spectrogram {
	return &Spectrogram{s, newFourier(s.FFT)}
}

// frame is the spectrum of a frame, and the powers of its magnitudes.
func (s *Spectrogram) frame(x []float32, z []complex128, powers []float64) {
	clear(z)
	for i, w := range s.Taps {
		z[i] = complex(float64(x[i])*w, 0)
	}
	s.transform.run(z)
	for k := range powers {
		powers[k] = real(z[k])*real(z[k]) + imag(z[k])*imag(z[k])
		if s.Power == 1 {
			powers[k] = math.Sqrt(powers[k])
		}
	}
}

// band is the sum of a filter.
func (s *Spectrogram) band(b int, powers []float64) float64 {
	if s.Bank == nil {
		return powers[b]
	}
	sum := 0.
	for k, w := range s.Bank[b*s.Bins : (b+1)*s.Bins] {
		sum += float64(w * powers[k])
	}
	return sum
}

// Float writes the result, [Frames][Bands], or [Frames] by the cosines of the bands.
func (s *Spectrogram) Float(x, y []float32) {
	z, powers, bands := make([]complex128, s.FFT), make([]float64, s.Bins), make([]float64, s.Bands)
	for f := range s.Frames {
		s.frame(x[f*s.Hop:], z, powers)
		for b := range bands {
			bands[b] = s.band(b, powers)
			if s.IsLog {
				bands[b] = s.Gain * math.Log(max(bands[b]+s.Eps, s.Floor))
			}
		}
		row := y[f*s.width():][:s.width()]
		for i := range row {
			if s.Cosines == nil {
				row[i] = float32(bands[i])
				continue
			}
			sum := 0.
			for b, c := range s.Cosines[i*s.Bands:][:s.Bands] {
				sum += float64(c * bands[b])
			}
			row[i] = float32(sum)
		}
	}
}

// width is the elements of a frame's result.
func (s *Spectrogram) width() int {
	if s.Cosines == nil {
		return s.Bands
	}
	return len(s.Cosines) / s.Bands
}

// slope is the derivative with respect to a band of a frame, where dy are those with respect to its result.
func (s *Spectrogram) slope(b int, dy []float32) float64 {
	if s.Cosines == nil {
		return float64(dy[b])
	}
	sum := 0.
	for i, d := range dy {
		sum += float64(float64(d) * s.Cosines[i*s.Bands+b])
	}
	return sum
}

// Gradient adds the derivatives with respect to the samples, where dy are those with respect
// to the result.
func (s *Spectrogram) Gradient(x, dy, dx []float32) {
	z, powers, slopes := make([]complex128, s.FFT), make([]float64, s.Bins), make([]float64, s.Bins)
	for f := range s.Frames {
		s.frame(x[f*s.Hop:], z, powers)
		clear(slopes)
		for b := range s.Bands {
			d := s.slope(b, dy[f*s.width():][:s.width()])
			if s.IsLog {
				at := s.band(b, powers) + s.Eps
				if at <= s.Floor {
					continue
				}
				d *= s.Gain / at
			}
			if s.Bank == nil {
				slopes[b] += d
				continue
			}
			for k, w := range s.Bank[b*s.Bins : (b+1)*s.Bins] {
				slopes[k] += w * d
			}
		}
		// Of |X|^2 the derivative is 2 Re(conj(X) root): a transform of conj(X), with its slopes.
		for k := range z {
			if k >= s.Bins {
				z[k] = 0
				continue
			}
			slope := 2 * slopes[k]
			if s.Power == 1 && powers[k] > 0 {
				slope = slopes[k] / powers[k]
			}
			z[k] = complex(slope, 0) * cmplx.Conj(z[k])
		}
		s.transform.run(z)
		for i, w := range s.Taps {
			dx[f*s.Hop+i] += float32(w * real(z[i]))
		}
	}
}

// SpectrogramInt is R19.
func SpectrogramInt(s *geometry.SpectrumInts, x, y []int16) {
	z, powers := make([]int32, s.FFT), make([]int64, s.Bins)
	places, stages := geometry.Places(s.FFT), geometry.Stages(s.FFT)
	for f := range s.Frames {
		samples := x[f*s.Hop:][:s.Frame]
		bitsOf := frameBits(samples)
		clear(z)
		for i, v := range samples {
			z[2*places[i/2]+i%2] = int32(v) << (15 - bitsOf) * int32(s.Taps[i])
		}
		spectrumInt(s, stages, z, powers)
		level, first := s.Levels[bitsOf], 0
		for b := range s.Bands {
			sum := int64(0)
			if s.Bank == nil {
				sum = powers[b]
			} else {
				span := s.Spans[b]
				for k, w := range s.Bank[first:][:span.Bins] {
					p := powers[span.First+k]
					if s.Power == 2 {
						p >>= geometry.BankShift
					}
					sum += int64(w) * p
				}
				first += span.Bins
			}
			sum = max(sum>>level.Shift+level.Add, level.Least)
			if s.IsLog {
				sum = Log2(s.Table, sum) + level.Base
			} else {
				sum = min(sum, math.MaxInt32)
			}
			y[f*s.Bands+b] = int16(s.Integer(sum, 0, false))
		}
	}
}

// frameBits is the number of bits that samples take, without their signs.
func frameBits(x []int16) int {
	all := int16(0)
	for _, v := range x {
		all |= v ^ v>>15
	}
	return bits.Len16(uint16(all))
}

// rotated is the product of a complex number and a root of unity, a quarter of it.
func rotated(re, im int32, root []int32) (int32, int32) {
	high := func(a, b int32) int32 { return int32(int64(a) * int64(b) >> 32) }
	return high(re, root[0]) - high(im, root[1]), high(re, root[1]) + high(im, root[0])
}

// spectrumInt transforms the samples of a frame, which stand in their places, and writes the
// powers of magnitudes.
func spectrumInt(s *geometry.SpectrumInts, stages []int, z []int32, powers []int64) {
	roots := s.Twiddles
	for i, m := range stages {
		switch {
		case m == 0: // radix 2
			for k := 0; k < len(z); k += 4 {
				for part := range 2 {
					a, b := z[k+part]>>1, z[k+2+part]>>1
					z[k+part], z[k+2+part] = a+b, a-b
				}
			}
			continue
		case i == 0: // all roots are 1
			for k := 0; k < len(z); k += 8 {
				radix4(z[k:], 1, []int32{geometry.SpectrumOne, 0, geometry.SpectrumOne, 0, geometry.SpectrumOne, 0})
			}
			continue
		}
		for first := 0; first < len(z); first += 8 * m {
			for k := range m {
				radix4(z[first+2*k:], m, roots[6*k:])
			}
		}
		roots = roots[6*m:]
	}
	half := s.FFT / 2
	re, im := z[0]>>2, z[1]>>2
	powers[0], powers[half] = power(s, re+im, 0), power(s, re-im, 0)
	for k := 1; k <= half/2; k++ {
		ar, ai, br, bi := z[2*k]>>1, z[2*k+1]>>1, z[2*(half-k)]>>1, z[2*(half-k)+1]>>1
		er, ei := (ar+br)>>2, (ai-bi)>>2
		or, oi := rotated(ar-br, ai+bi, roots[2*(k-1):])
		powers[k], powers[half-k] = power(s, er+or, ei+oi), power(s, er-or, ei-oi)
	}
}

// radix4 joins elements of four transforms of m complex numbers.
func radix4(z []int32, m int, roots []int32) {
	ar, ai := z[0]>>2, z[1]>>2
	br, bi := rotated(z[2*m], z[2*m+1], roots)
	cr, ci := rotated(z[4*m], z[4*m+1], roots[2:])
	dr, di := rotated(z[6*m], z[6*m+1], roots[4:])
	sr, si, tr, ti := ar+cr, ai+ci, ar-cr, ai-ci
	ur, ui, vr, vi := br+dr, bi+di, br-dr, bi-di
	z[0], z[1] = sr+ur, si+ui
	z[2*m], z[2*m+1] = tr+vi, ti-vr
	z[4*m], z[4*m+1] = sr-ur, si-ui
	z[6*m], z[6*m+1] = tr-vi, ti+vr
}

// power is that of a magnitude.
func power(s *geometry.SpectrumInts, re, im int32) int64 {
	p := int64(re)*int64(re) + int64(im)*int64(im)
	if s.Power == 2 {
		return p
	}
	right := 0
	for p>>right >= 1<<32 {
		right += 2
	}
	root := int64(0)
	for bit := int64(1 << 15); bit > 0; bit >>= 1 {
		if (root+bit)*(root+bit) <= p>>right {
			root += bit
		}
	}
	return root << (right / 2)
}

// Log2 is the logarithm of a positive number to the base 2, of LogOne: on straight lines between
// the entries of a table.
func Log2(table []int32, x int64) int64 {
	n := bits.Len64(uint64(x)) - 1
	m := int64(uint64(x) << (63 - n) >> 33) // of 31 bits
	at, part := m>>24&63, m>>8&(1<<16-1)
	base := int64(table[at])
	return int64(n)*geometry.LogOne + base + ((int64(table[at+1])-base)*part+1<<15)>>16
}
