//go:build unix

package driver

import (
	"os/exec"
	"syscall"
)

// apart keeps Ctrl-C from a worker: it ends when the process that started it has what it wants.
func apart(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
