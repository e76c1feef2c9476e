package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/certificate"
)

// full skips what only make test-full runs.
func full(t *testing.T) {
	if os.Getenv("DNNC_FULL") == "" {
		t.Skip("make test-full runs this")
	}
}

// TestFullVerify compares 500 images for every width on every target.
func TestFullVerify(t *testing.T) {
	full(t)
	levels := [][]string{{"-O", "int8"}, {"-O", "robust"}}
	for b := 1; b <= 8; b++ {
		levels = append(levels, []string{"-O", "universal", "-bits", fmt.Sprint(b)})
	}
	for _, target := range []string{"armv7", "x86_64"} {
		for _, level := range levels {
			code, stdout, stderr := dnnc(t, append([]string{"verify", lenet, "-target", target, "-n", "500"}, level...)...)
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, "500 of 500 test images and 8 of 8 adversarial inputs bit-exact")
			t.Log(level, stdout)
		}
	}
}

// fashion is where Debian's dataset-fashion-mnist lies.
const fashion = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"

func evalFull(t *testing.T, args ...string) (float, quantized certificate.Score, retention float64) {
	if _, err := os.Stat(fashion); err != nil {
		t.Skip(err)
	}
	code, stdout, stderr := dnnc(t, append([]string{"eval", lenet, "-json", "-data", fashion}, args...)...)
	require.Zero(t, code, stderr)
	var got struct {
		Float, Quantized certificate.Score
		Retention        float64
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	t.Logf("%v on %s: clean %.4f to %.4f, mean %.4f to %.4f, retention %.4f", args, filepath.Base(fashion), got.Float.Clean, got.Quantized.Clean, got.Float.Mean, got.Quantized.Mean, got.Retention)
	return got.Float, got.Quantized, got.Retention
}

// TestFullAccuracy holds the promises on Fashion-MNIST's 10,000 test images.
func TestFullAccuracy(t *testing.T) {
	full(t)
	float, int8, _ := evalFull(t, "-O", "int8", "-errors", "none")
	assert.LessOrEqual(t, float.Clean-int8.Clean, .003)
	_, qed, retention := evalFull(t, "-O", "robust", "-bits", "2.5", "-errors", "gaussian=0.05,0.1,0.15")
	assert.GreaterOrEqual(t, retention, .97)
	// At the same bytes: the widest single width that fits 2.5 bits.
	_, universal, _ := evalFull(t, "-O", "universal", "-bits", "2", "-errors", "gaussian=0.05,0.1,0.15")
	assert.GreaterOrEqual(t, qed.Mean, universal.Mean)
}
