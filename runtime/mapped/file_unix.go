//go:build unix

// Package mapped has large files in memory without reading them.
package mapped

import (
	"os"
	"syscall"
)

// small is the bytes up to which a file is read.
const small = 16 << 20

// File maps a large file into memory, so that its bytes take no memory of the
// process's own and only what is read is loaded. The mapping lives as long as the
// process, also when the file is removed: tensors and objects refer to it. A small one
// is read: writing to it does not reach a search that has run for hours.
func File(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() <= small || !info.Mode().IsRegular() {
		return os.ReadFile(path)
	}
	raw, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return os.ReadFile(path)
	}
	return raw, nil
}
