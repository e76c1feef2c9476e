package driver

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
)

// TestLongCalibrations are announced, whatever makes them long, and have fewer images of noise.
func TestLongCalibrations(t *testing.T) {
	for _, c := range []struct {
		text   string
		images int
		says   string
	}{
		{"network n(x: f32[1,28,28] in [0,1]) -> f32[1,28,28] {\n y = maxpool2d(x, kernel: 3, stride: 1, pad: 1)\n return y\n}\n", 468077, ""},
		{"network n(x: f32[1,401,401] in [0,1]) -> f32[1,401,401] {\n y = maxpool2d(x, kernel: 401, stride: 1, pad: 200)\n return y\n}\n", 4,
			"calibration on 16 images takes 4.1e+11 operations; -images N sets the number of images\n"},
		{"network n(x: f32[1,4001,4001] in [0,1]) -> f32[1,4001,4001] {\n y = relu(x)\n return y\n}\n", 24,
			"calibration on 16 images takes 2.6e+10 operations; -images N sets the number of images\n"},
	} {
		m, err := frontend.Parse("net.dnn", []byte(c.text), frontend.Options{})
		require.NoError(t, err)
		assert.Equal(t, c.images, noiseImages(m))
		var out strings.Builder
		r := &Result{source: m, saysTo: &out}
		r.announce(16)
		r.announce(16)
		assert.Equal(t, c.says, out.String())
	}
}
