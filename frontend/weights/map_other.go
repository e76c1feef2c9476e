//go:build !unix

package weights

import "os"

// Map reads a file.
func Map(path string) ([]byte, error) { return os.ReadFile(path) }
