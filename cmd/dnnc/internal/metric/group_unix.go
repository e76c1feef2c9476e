//go:build unix

package metric

import (
	"os/exec"
	"syscall"
)

// apart has a program run in a process group of its own; the group is ended with it, whatever
// the program started.
func apart(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}

// endGroup ends the processes that a program left; there may be none.
func endGroup(c *exec.Cmd) {
	if c.Process != nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	}
}
