//go:build !unix

package weights

import "os"

func contents(path string) ([]byte, error) { return os.ReadFile(path) }
