package ir_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/frontend"
)

// TestSpectraThatAreNone: what is wrong of frames, transforms, filters and logarithms is said.
func TestSpectraThatAreNone(t *testing.T) {
	for _, c := range []struct{ shape, text, want string }{
		{"[1000]", "spectrogram(x, frame: 100, hop: 10, fft: 100)", "a Fourier transform of 100 samples: its size is a power of two"},
		{"[1000]", "spectrogram(x, frame: 100, hop: 10, fft: 64)", "frames of 100 samples do not fit a Fourier transform of 64"},
		{"[99]", "spectrogram(x, frame: 100, hop: 10)", "a frame of 100 samples does not fit 99"},
		{"[2,1000]", "spectrogram(x, frame: 100, hop: 10)", "a signal of one channel, [N] or [1,N], x is [2,1000]"},
		{"[1,1,1000]", "logmel(x, rate: 8000, frame: 100, hop: 10)", "a signal of one channel"},
		{"[1000]", "spectrogram(x, frame: 100, hop: 0)", "hop is 0, not in 1.."},
		{"[1000]", "spectrogram(x, hop: 10)", "frame"},
		{"[1000]", "spectrogram(x, frame: 100, hop: 10, fn: log, floor: 0)", "floor 0 and gamma 1 must be positive"},
		{"[1000]", "logmel(x, rate: 8000, frame: 100, hop: 10, eps: -1)", "eps -1 not negative"},
		{"[1000]", "mel(x, rate: 8000, frame: 100, hop: 10, high: 5000)", "up to 4000, half of the rate"},
		{"[1000]", "mel(x, rate: 8000, frame: 100, hop: 10, low: 3000, high: 2000)", "mel frequencies from 3000 to 2000 Hz"},
		{"[1000]", "mfcc(x, rate: 8000, frame: 100, hop: 10, bands: 8, coefficients: 9)", "9 coefficients of 8 bands"},
		{"[1000]", "spectrogram(x, frame: 100, hop: 10, window: kaiser)", "kaiser"},
	} {
		text := fmt.Sprintf("network n(x: f32%s in [-1,1]) -> f32[1] {\n  y = %s\n  return y\n}\n", c.shape, c.text)
		_, err := frontend.Parse("net.dnn", []byte(text), frontend.Options{})
		if assert.Error(t, err, c.text) {
			assert.ErrorContains(t, err, "net.dnn:2:", c.text)
			assert.ErrorContains(t, err, c.want, c.text)
		}
	}
}
