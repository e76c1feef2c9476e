//go:build linux && (amd64 || arm64)

package terminal

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestClosed: a closed standard output is told from /dev/null, whatever it was opened for,
// and arguments arrive.
func TestClosed(t *testing.T) {
	flag := `-E github.com/dnnc/dnnc/cmd/dnnc/internal/terminal.entry`
	for _, file := range []string{"Makefile", "cmd/dist/main.go"} {
		text, err := os.ReadFile(filepath.Join("../../../..", file))
		require.NoError(t, err)
		assert.Contains(t, string(text), flag, "%s builds what does not look", file)
	}
	program := filepath.Join(t.TempDir(), "closed")
	c := exec.Command("go", "build", "-o", program, "-ldflags", flag, "./testdata/closed")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for redirection, want := range map[string]string{
		">&-": "true [a b]", ">/dev/null": "false [a b]", "1<>/dev/null": "false [a b]", "<&- >/dev/null": "false [a b]", ">&- <&-": "true [a b]",
	} {
		out, err := exec.Command("sh", "-c", `"$0" a b `+redirection, program).CombinedOutput()
		require.NoError(t, err)
		assert.Equal(t, want, string(out), redirection)
	}
}
