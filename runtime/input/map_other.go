//go:build !unix

package input

import "math"

const nonblock = 0

// Map reads a file.
func Map(path string) ([]byte, error) { return Read(path, math.MaxInt64-1) }

// Shrunk is the path of the mapped file that a fault of memory comes from.
func Shrunk(any) (path string, is bool) { return "", false }
