//go:build !unix

package driver

import "os/exec"

// apart keeps Ctrl-C from a worker where processes have groups.
func apart(*exec.Cmd) {}
