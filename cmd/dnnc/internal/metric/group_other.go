//go:build !unix

package metric

import "os/exec"

// apart does nothing where there are no process groups: what a program starts outlives it.
func apart(*exec.Cmd) {}

func endGroup(*exec.Cmd, string) {}
