package graph_test

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

func TestGraph(t *testing.T) {
	dir, network := t.TempDir(), dnnctest.Small(t)
	code, _, stderr := dnnctest.Run(t, "-images", "16", network, "-target", "armv7", "-emit", "dot,svg", "-o", filepath.Join(dir, "net.x"))
	require.Zero(t, code, stderr)
	dot, err := os.ReadFile(filepath.Join(dir, "net.dot"))
	require.NoError(t, err)
	svg, err := os.ReadFile(filepath.Join(dir, "net.svg"))
	require.NoError(t, err)
	assert.NoError(t, xml.Unmarshal(svg, new(struct{ XMLName xml.Name })))
	for _, want := range []string{"conv1", "i8[6,1,5,5]", "150 bytes, 8.00 bits", "86400 multiply-adds", "instructions on "} {
		assert.Contains(t, string(dot), want)
		assert.Contains(t, string(svg), want)
	}
	assert.NoFileExists(t, filepath.Join(dir, "net.h"), "a picture is linked with nothing")
	if _, err := exec.LookPath("dot"); err == nil {
		dnnctest.Tool(t, dir, "dot", "-Tsvg", "net.dot", "-o", "/dev/null")
	}
	code, _, stderr = dnnctest.Run(t, network, "-stop-after", "infer", "-emit", "svg", "-target", "armv7", "-o", filepath.Join(dir, "float.svg"))
	require.Zero(t, code, stderr)
}
