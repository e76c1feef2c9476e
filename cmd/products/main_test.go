package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// peerOf is a peer as a shell script: the lines that it prints first, and its answer to
// each question.
func peerOf(t *testing.T, lines []string, answer string) string {
	path := filepath.Join(t.TempDir(), "peer.sh")
	text := "cat <<'END'\n" + strings.Join(lines, "\n") + "\nEND\nwhile read name; do echo " + answer + "; done\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// TestRunsInTurns: a network beside a peer of a known speed.
func TestRunsInTurns(t *testing.T) {
	model, err := filepath.Abs("../../testdata/lenet5/lenet5.onnx")
	require.NoError(t, err)
	layers := []string{
		`{"name": "one", "kind": "convolution", "file": "` + model + `", "images": 2, "products": 3e9, "picked": ["domain.Conv", "Relu"]}`,
		`{"name": "two", "kind": "convolution", "file": "` + model + `", "images": 1, "products": 1e9, "picked": []}`,
	}
	script := peerOf(t, append(layers, `{"version": "9.9"}`), "1e-3")
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, "sh", script, "on", 2))
	assert.Contains(t, out.String(), "onnxruntime 9.9")
	assert.Regexp(t, `(?m)^one +[0-9.]+ +3000.0 +[0-9.]+ +domain.Conv, Relu$`, out.String())
	assert.NotContains(t, out.String(), "two")
	assert.Regexp(t, `convolution: [0-9.]+ in the geometric mean of 1, bar 0.70\n[01] of 1 bars are met`, out.String())
	assert.ErrorContains(t, run(t.Context(), &out, "sh", script, "three", 2), "-only names no layer")
	assert.ErrorContains(t, run(t.Context(), &out, "sh", script, "", 0), "-rounds 0")
}

// TestPeerFails: a peer that ends early, or answers with no number.
func TestPeerFails(t *testing.T) {
	var out strings.Builder
	assert.ErrorContains(t, run(t.Context(), &out, "sh", peerOf(t, nil, "1"), "", 1), "peer.sh")
	model, err := filepath.Abs("../../testdata/lenet5/lenet5.onnx")
	require.NoError(t, err)
	lines := []string{`{"name": "one", "kind": "depthwise", "file": "` + model + `", "images": 1, "products": 1}`, `{"version": "1"}`}
	assert.ErrorContains(t, run(t.Context(), &out, "sh", peerOf(t, lines, "slow"), "", 1), "one:")
}

func TestSummary(t *testing.T) {
	var out strings.Builder
	require.NoError(t, summary(&out, map[string][]float64{"depthwise": {.25, 1}, "convolution int8": {.1, .2}}))
	assert.Equal(t, "convolution int8: 0.14 in the geometric mean of 2, bar 0.40\ndepthwise: 0.50 in the geometric mean of 2, bar 0.50\n1 of 2 bars are met\n", out.String())
}
