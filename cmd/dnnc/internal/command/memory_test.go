package command_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// TestLimitedMemory: what does not fit is told in a sentence, and what fits runs as ever.
func TestLimitedMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("limits of address space are Linux's")
	}
	dnnctest.Need(t)
	dir := dnnctest.Copied(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.c"), []byte("old"), 0o644))
	self, err := os.Executable()
	require.NoError(t, err)
	limited := func(kib int, args string) (code int, text string) {
		c := exec.Command("sh", "-c", fmt.Sprintf("ulimit -v %d; exec '%s' %s", kib, self, args))
		c.Dir = dir
		c.Env = append(os.Environ(), dnnctest.StandsIn+"=1", "GOGC=off") // which makes it take all there is
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode(), string(out)
		}
		require.NoError(t, err)
		return 0, string(out)
	}
	// Below about 1,500,000 Go's runtime cannot always reserve what it begins with, and
	// a supervisor that does not begin says nothing.
	code, text := limited(2_000_000, "lenet5.dnn -O universal -bits 2 -rounding compensated -target x86_64 -images 512 -emit c -o net.c")
	assert.Equal(t, command.AtFault, code, text)
	assert.Contains(t, text, "dnnc takes more than the 1953 MiB")
	assert.NotContains(t, text, "goroutine")
	assert.Equal(t, "old", string(dnnctest.Contents(t, dir, "net.c")["net.c"]))
	dnnctest.AssertNoTemporary(t, dir)
	code, text = limited(8_000_000, "lenet5.dnn -target x86_64 -images 16 -emit c -o net.c")
	assert.Zero(t, code, text)
	assert.NotEqual(t, "old", string(dnnctest.Contents(t, dir, "net.c")["net.c"]))
	code, text = limited(8_000_000, "-target")
	assert.Equal(t, command.BadUsage, code, text)
	code, _ = limited(8_000_000, "none.dnn -target x86_64")
	assert.Equal(t, command.AtFault, code)
}
