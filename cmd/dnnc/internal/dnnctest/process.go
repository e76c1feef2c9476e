//go:build unix

package dnnctest

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// StandIn is dnnc as a process of its own, in a folder; the package has Main.
func StandIn(t testing.TB, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), StandsIn+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c
}
