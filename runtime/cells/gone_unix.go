//go:build unix

package cells

import (
	"errors"
	"strconv"
	"syscall"
)

// isGone reports whether no process of this machine has a number.
func isGone(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && n > 0 && errors.Is(syscall.Kill(n, 0), syscall.ESRCH)
}
