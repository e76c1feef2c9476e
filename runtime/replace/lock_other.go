//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package replace

import "os"

const locks, renamesOpen = false, false

func lock(*os.File) bool { return true }
