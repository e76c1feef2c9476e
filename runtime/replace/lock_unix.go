//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package replace

import (
	"os"
	"syscall"
)

// locks says that writers lock their files, renamesOpen that open files can be renamed.
const locks, renamesOpen = true, true

// Lock reports whether nobody else has locked the file. The lock ends with the process.
func Lock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
