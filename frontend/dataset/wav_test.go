package dataset

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recording is a WAV file of samples as they are stored.
func recording(format, channels, rate, bits int, samples []byte, more ...byte) []byte {
	b := []byte("WAVEfmt ")
	b = binary.LittleEndian.AppendUint32(b, uint32(16+len(more)))
	for _, v := range []int{format, channels} {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*channels*bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels*bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(bits))
	b = append(b, more...)
	b = append(b, "LIST\x03\x00\x00\x00abc\x00data"...) // a part of odd length before the data
	b = binary.LittleEndian.AppendUint32(b, uint32(len(samples)))
	b = append(b, samples...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(b))), b...)
}

// sounding takes samples of a shape in [-1,1].
func sounding(shape ...int) Want {
	w := network(shape, []int{2})
	w.Inputs[0].Name, w.Inputs[0].Low = "audio", -1
	return w
}

func TestWAV(t *testing.T) {
	doubles := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, math.Float64bits(-.5)), math.Float64bits(.25))
	extensible := append([]byte{22, 0, 16, 0, 0, 0, 0, 0, 1, 0}, make([]byte, 14)...)
	for name, raw := range map[string][]byte{
		"8-bit PCM": recording(1, 1, 16000, 8, []byte{64, 160}), "16-bit PCM": recording(1, 1, 16000, 16, []byte{0, 0xc0, 0, 0x20}), "24-bit PCM": recording(1, 1, 16000, 24, []byte{0, 0, 0xc0, 0, 0, 0x20}),
		"32-bit PCM": recording(1, 1, 16000, 32, []byte{0, 0, 0, 0xc0, 0, 0, 0, 0x20}), "float32": recording(3, 1, 16000, 32, []byte(floats(-.5, .25))), "float64": recording(3, 1, 16000, 64, doubles),
		"extensible": recording(0xfffe, 1, 16000, 16, []byte{0, 0xc0, 0, 0x20}, extensible...),
	} {
		dir := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "yes"), 0o755))
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "no"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "yes", "a.wav"), raw, 0o644))
		for _, w := range []Want{sounding(2), sounding(1, 2), sounding(2, 1), sounding(1, 1, 2)} {
			d, err := Load(dir, w)
			require.NoError(t, err, name)
			assert.Equal(t, []float32{-.5, .25}, d.X, name)
			assert.Equal(t, []int{1}, d.Labels, name)
			kind := name
			if name == "extensible" {
				kind = "16-bit PCM"
			}
			assert.Contains(t, d.Said, "audio = recordings "+kind+" [1,2], 16000 Hz, mono, ", name)
			assert.Contains(t, d.Said, "full scale is 1; labels = folders: no 0, yes 1; without files: no", name)
		}
		w := sounding(2)
		w.Inputs[0].Low, w.Inputs[0].High = -32768, 32767
		d, err := Load(dir, w)
		require.NoError(t, err)
		assert.Equal(t, []float32{-16384, 8192}, d.X, name)
	}
}

// TestOpenWAV: recordings that were written to a pipe have no size in their header; they are
// read to the end of the file, and it is said.
func TestOpenWAV(t *testing.T) {
	const all, part = 4, 52 // places of the sizes
	sized := func(of ...uint32) []byte {
		raw := recording(1, 1, 8000, 16, []byte{0, 0xc0, 0, 0x20})
		binary.LittleEndian.PutUint32(raw[all:], of[0])
		binary.LittleEndian.PutUint32(raw[part:], of[1])
		return raw
	}
	list := append(sized(52, 0)[:56], "LIST\x04\x00\x00\x00abcd"...)
	binary.LittleEndian.PutUint32(list[all:], uint32(len(list)-8))
	for _, c := range []struct {
		what, want string // "" of what is read
		raw        []byte
	}{
		{"ffmpeg", "", sized(math.MaxUint32, math.MaxUint32)},
		{"SoX", "", sized(0x7ffff024, 0x7ffff000)},
		{"zeros", "", sized(0, 0)},
		{"as if there were no sample", "", sized(48, 0)},
		{"cut off", "no whole number of samples", sized(math.MaxUint32, math.MaxUint32)[:59]},
		{"no sample", "a.wav has 0 samples", sized(48, 0)[:56]},
		{"parts after no sample", "a.wav has 0 samples", list},
		{"the size of the first sample", "2 bytes of samples by the header, and 12 bytes of no part after them: it was written before the samples", append(sized(50, 2), "\xae\x04P\x09\xae\x04P\x09\xae\x04"...)},
		{"truncated", "truncated", sized(0x7fffe024, 0x7fffe000)},
		{"truncated otherwise", "truncated", sized(56, 8)},
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.wav"), c.raw, 0o644))
		d, err := Load(dir, sounding(2))
		if c.want != "" {
			assert.ErrorContains(t, err, c.want, c.what)
			continue
		}
		require.NoError(t, err, c.what)
		assert.Equal(t, []float32{-.5, .25}, d.X, c.what)
		assert.Contains(t, d.Said, "8000 Hz, mono, 1 read to the end of the file as the header has no size", c.what)
	}
}

func TestBadWAV(t *testing.T) {
	good := recording(1, 1, 8000, 16, []byte{0, 0, 1, 0})
	stereo := recording(1, 2, 8000, 16, []byte{0, 0xc0, 1, 0x40, 0, 0, 0, 0})
	dir := func(files ...[]byte) string {
		dir := t.TempDir()
		for i, raw := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".wav"), raw, 0o644))
		}
		return dir
	}
	unsigned := sounding(2)
	unsigned.Inputs[0].Low = 0
	for _, c := range []struct {
		dir, want string
		w         Want
	}{
		{dir(good, recording(1, 1, 16000, 16, []byte{0, 0, 1, 0})), "b.wav has 16000 samples a second, a.wav has 8000", sounding(2)},
		{dir(good, stereo), "b.wav has 2 channels, a.wav has 1", sounding(2)},
		{dir(good), "a.wav has 2 samples in 1 channels, the network takes [3] as audio", sounding(3)},
		{dir(stereo), "recordings has items of [2,2], the network takes [4] as audio", sounding(4)},
		{dir(good), "samples lie on both sides of 0, the input audio is declared in [0,1]", unsigned},
		{dir(good), "-range audio=-1,1 of a model", unsigned},
		{dir(recording(3, 1, 8000, 32, []byte(floats(0, 1.5)))), "item 0 (a.wav) of recordings holds 1.5 at element 1, the input audio is declared in [-1,1]", sounding(2)},
		{dir(recording(3, 1, 8000, 32, []byte(floats(0, float32(math.NaN()))))), "item 0 (a.wav) of recordings holds NaN", sounding(2)},
		{dir(recording(7, 1, 8000, 8, []byte{0, 0})), "samples of format 7 with 8 bits: save PCM", sounding(2)},
		{dir(recording(1, 1, 8000, 12, []byte{0, 0})), "samples of format 1 with 12 bits", sounding(2)},
		{dir(recording(1, 0, 8000, 16, []byte{0, 0})), "0 channels", sounding(2)},
		{dir(recording(1, 1, 8000, 16, []byte{0, 0, 0})), "no whole number of samples", sounding(2)},
		{dir(good[:len(good)-1]), "truncated: the part \"data\" has 4 bytes, the file has 3 of it\n    help: save the recording again, as PCM of 16 bits", sounding(2)},
		{dir(good[:20]), "truncated", sounding(2)},
		{dir(good[:40]), "without a format or data", sounding(2)},
		{dir([]byte("RIFFxxxxAVI ")), "a.wav: no WAV file", sounding(2)},
		{dir(good), "recordings are no pictures", Want{}},
	} {
		_, err := Load(c.dir, c.w)
		assert.ErrorContains(t, err, c.want)
	}
	d, err := Load(dir(recording(1, 2, 8000, 8, []byte{64, 192, 128, 0, 160, 128})), sounding(2, 3))
	require.NoError(t, err)
	assert.Equal(t, []float32{-.5, 0, .25, .5, -1, 0}, d.X, "channel by channel")
	assert.Contains(t, d.Said, "2 channels")
}

func FuzzWAV(f *testing.F) {
	f.Add(recording(1, 1, 8000, 16, []byte{0, 0, 1, 0}))
	f.Add(recording(1, 2, 8000, 8, []byte{0, 255}))
	f.Add(recording(3, 1, 8000, 32, []byte(floats(0, 1))))
	f.Add(recording(0xfffe, 1, 8000, 24, make([]byte, 6), append([]byte{22, 0, 16, 0, 0, 0, 0, 0, 1, 0}, make([]byte, 14)...)...))
	f.Fuzz(func(t *testing.T, b []byte) { checked(t, "sounds/a.wav", b) })
}
