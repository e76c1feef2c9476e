package check

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
)

// TestImagesOfNoise: large networks are looked at with fewer images.
func TestImagesOfNoise(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
	}{
		{"network n(x: f32[3,96,96] in [0,1]) -> f32[3,96,96] {\n y = maxpool2d(x, kernel: 3, stride: 1, pad: 1)\n return y\n}\n", 16},
		{"network n(x: f32[3,1024,1024] in [0,1]) -> f32[3,1024,1024] {\n y = maxpool2d(x, kernel: 9, stride: 1, pad: 4)\n return y\n}\n", 13},
		{"network n(x: f32[3,2048,2048] in [0,1]) -> f32[3,2048,2048] {\n y = maxpool2d(x, kernel: 25, stride: 1, pad: 12)\n return y\n}\n", 2},
	} {
		m, err := frontend.Parse("net.dnn", []byte(c.text), frontend.Options{})
		require.NoError(t, err)
		assert.Equal(t, c.want, noiseImages(m))
	}
}
