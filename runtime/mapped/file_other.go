//go:build !unix

// Package mapped has large files in memory without reading them.
package mapped

import "os"

// File reads a file.
func File(path string) ([]byte, error) { return os.ReadFile(path) }
