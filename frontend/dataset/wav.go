package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"

	"github.com/dnnc/dnnc/runtime/data"
)

// sound is a recording: samples of its channels in turn.
type sound struct {
	n              int // samples of all channels
	channels, rate int
	kind           string // of the samples, as users call it
	isOpen         bool   // the header has no size of the samples, which end with the file
	content        []byte
	sample         func(b []byte) float32 // the one that bytes begin with, where 1 is full scale
}

// samples decodes them.
func (s *sound) samples() []float32 {
	out := make([]float32, s.n)
	for i := range out {
		out[i] = s.sample(s.content[i*(len(s.content)/s.n):])
	}
	return out
}

// Formats of samples in a WAV file.
const (
	wavPCM        = 1
	wavFloat      = 3
	wavExtensible = 0xfffe // the format stands further on
)

// open is the least size of a part that stands for none: programs that write to a pipe cannot
// go back to say it. Some have 0 instead.
const open = 0x7ffff000

// wav decodes a WAV file of PCM of 8, 16, 24 or 32 bits, or of reals of 32 or 64 bits.
func wav(raw []byte) (s sound, err error) {
	if len(raw) < 12 || string(raw[:4]) != "RIFF" || string(raw[8:12]) != "WAVE" {
		return s, errors.New("no WAV file")
	}
	var format, bits int
	for rest := raw[12:]; len(rest) >= 8; {
		id, n := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		rest = rest[8:]
		if id == "data" && isOpen(raw, len(raw)-len(rest), n) {
			s.isOpen, n = true, len(rest)
		}
		if n > len(rest) && s.content != nil {
			return s, fmt.Errorf("%d bytes of samples by the header, and %d bytes of no part after them: it was written before the samples, as to a pipe", len(s.content), len(rest)+8)
		}
		if n > len(rest) {
			return s, fmt.Errorf("truncated: the part %q has %d bytes, the file has %d of it", id, n, len(rest))
		}
		part := rest[:n]
		rest = rest[min(n+n%2, len(rest)):] // parts begin at even bytes
		switch {
		case id == "fmt " && n >= 16:
			format = int(binary.LittleEndian.Uint16(part))
			s.channels = int(binary.LittleEndian.Uint16(part[2:]))
			s.rate = int(binary.LittleEndian.Uint32(part[4:]))
			bits = int(binary.LittleEndian.Uint16(part[14:]))
			if format == wavExtensible && n >= 26 {
				format = int(binary.LittleEndian.Uint16(part[24:]))
			}
		case id == "fmt ":
			return s, fmt.Errorf("a format of %d bytes", n)
		case id == "data" && s.content == nil:
			s.content = part
		}
	}
	if format == 0 || s.content == nil {
		return s, errors.New("a WAV file without a format or data")
	}
	if s.channels == 0 || s.rate == 0 {
		return s, fmt.Errorf("%d channels at %d Hz", s.channels, s.rate)
	}
	if s.sample, err = sampleOf(format, bits); err != nil {
		return s, err
	}
	bytes := bits / 8
	if len(s.content)%(bytes*s.channels) != 0 {
		return s, fmt.Errorf("%d bytes are no whole number of samples of %d bits in %d channels", len(s.content), bits, s.channels)
	}
	s.n = len(s.content) / bytes
	s.kind = fmt.Sprintf("%d-bit PCM", bits)
	if format == wavFloat {
		s.kind = fmt.Sprintf("float%d", bits)
	}
	return s, nil
}

// isOpen reports samples from a place of a file on to its end, as neither their size n nor
// that of the whole file is said.
func isOpen(raw []byte, from, n int) bool {
	if n >= open {
		return n > len(raw)-from
	}
	all := int(binary.LittleEndian.Uint32(raw[4:])) + 8 // of the whole file
	return n == 0 && len(raw) > from && (all <= from || all >= open)
}

// sampleOf decodes a sample; 8 bits are unsigned, others signed.
func sampleOf(format, bits int) (func(b []byte) float32, error) {
	whole := func(b []byte) float32 { // the highest byte last
		v := int32(0)
		for i := range bits / 8 {
			v |= int32(b[i]) << (32 - bits + 8*i)
		}
		return float32(float64(v) / (1 << 31))
	}
	switch {
	case format == wavPCM && bits == 8:
		return func(b []byte) float32 { return (float32(b[0]) - 128) / 128 }, nil
	case format == wavPCM && (bits == 16 || bits == 24 || bits == 32):
		return whole, nil
	case format == wavFloat && bits == 32:
		return func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }, nil
	case format == wavFloat && bits == 64:
		return func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }, nil
	}
	return nil, fmt.Errorf("samples of format %d with %d bits: save PCM of 8, 16, 24 or 32 bits, or reals of 32 or 64 bits", format, bits)
}

// sounds reads recordings of one rate, each as long as the input.
func (s *reader) sounds(c contents, all hash.Hash) (data.Batch, error) {
	if s.Want.Inputs == nil {
		return data.Batch{}, bad("recordings are no pictures")
	}
	in := s.Want.Inputs[0]
	n, isTaken := s.taken(len(c.files))
	if err := s.fits(n, product(in.Shape), 8); err != nil {
		return data.Batch{}, err
	}
	var first sound
	var firstName string
	var openOnes int
	items, calledAs := make([][]float32, len(c.files)), make([]string, len(c.files))
	for i := range c.files {
		raw, _, name, err := s.next(c, i, all)
		if err != nil {
			return data.Batch{}, err
		}
		if !isTaken[i] {
			continue
		}
		r, err := wav(raw)
		if err != nil {
			return data.Batch{}, bad("%s: %v", name, err).WithHelp("save the recording again, as PCM of 16 bits")
		}
		if firstName == "" {
			first, firstName = r, name
		}
		switch {
		case r.rate != first.rate:
			return data.Batch{}, bad("%s has %d samples a second, %s has %d", name, r.rate, firstName, first.rate).WithHelp("convert them to the rate that the network was trained with")
		case r.channels != first.channels:
			return data.Batch{}, bad("%s has %d channels, %s has %d", name, r.channels, firstName, first.channels).WithHelp("mix them down as for training")
		case r.n != product(in.Shape):
			return data.Batch{}, bad("%s has %d samples in %d channels, the network takes [%s] as %s", name, r.n/r.channels, r.channels, dims(in.Shape), in.Name).
				WithHelp("cut or pad the recordings, and mix channels down, as for training; recordings are for networks that take the samples themselves")
		}
		items[i], calledAs[i] = r.samples(), name
		if r.isOpen {
			openOnes++
		}
	}
	shape := []int{first.n}
	if first.channels > 1 {
		shape = []int{first.n / first.channels, first.channels}
	}
	channels := fmt.Sprintf("%d channels", first.channels)
	if first.channels == 1 {
		channels = "mono"
	}
	note := fmt.Sprintf("%d Hz, %s", first.rate, channels)
	if openOnes > 0 {
		note += fmt.Sprintf(", %d read to the end of the file as the header has no size", openOnes)
	}
	a := &array{name: "recordings", kind: first.kind, n: len(c.files), shape: shape, meaning: samples, note: note,
		value: func(i, j int) float32 { return items[i][j] },
		lies:  func(i int) string { return calledAs[i] }}
	return s.inputs([]*array{a})
}
