//go:build !unix

// Package mapped has files in memory without reading them.
package mapped

import "os"

// File reads a file.
func File(path string) ([]byte, error) { return os.ReadFile(path) }
