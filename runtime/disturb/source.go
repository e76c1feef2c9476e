package disturb

import "math/bits"

// source is a SplitMix64 generator: integers alone, so that every platform
// draws the same numbers.
type source struct{ state uint64 }

// newSource keys a generator by seed, kind and image.
func newSource(seed uint64, kind string, image uint64) *source {
	s := &source{seed}
	for _, b := range []byte(kind) {
		s.state = s.next() ^ uint64(b)
	}
	s.state = s.next() ^ image
	s.next()
	return s
}

func (s *source) next() uint64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number in 0..n-1.
func (s *source) below(n int) int {
	hi, _ := bits.Mul64(s.next(), uint64(n))
	return int(hi)
}

// chance is true with probability p; of one place in the sequence, for a greater p where
// it is for a smaller one.
func (s *source) chance(p float64) bool { return s.uniform(0, 1) < p }

// coin is true as often as not.
func (s *source) coin() bool { return s.next()>>63 == 0 }

// normal is a number of the standard normal distribution, without any function
// whose rounding differs between platforms: the sum of twelve uniform numbers
// of 16 bits has variance 1 after centring, and tails to six deviations.
func (s *source) normal() float64 {
	sum := 0
	for range 3 {
		z := s.next()
		sum += int(z&0xffff) + int(z>>16&0xffff) + int(z>>32&0xffff) + int(z>>48)
	}
	return float64(sum-12*0xffff/2) / 0x10000
}
