//go:build unix

package input

import (
	"math"
	"sync"
	"syscall"
	"unsafe"
)

// nonblock lets a FIFO be opened without a writer.
const nonblock = syscall.O_NONBLOCK

// small is the bytes up to which a file is read.
const small = 16 << 20

// region is a file in memory.
type region struct {
	path     string
	from, to uintptr
}

var (
	mapped     []region
	mappedLock sync.Mutex
)

// Map maps a large file into memory, so that its bytes take no memory of the
// process's own and only what is read is loaded. The mapping lives as long as the
// process, also when the file is removed: tensors and objects refer to it. A small one
// is read: writing to it does not reach a search that has run for hours. A large one
// that becomes shorter meanwhile is a fault of memory, which Shrunk explains.
func Map(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() <= small {
		return read(f, small)
	}
	raw, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return read(f, math.MaxInt64-1)
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(raw)))
	mappedLock.Lock()
	defer mappedLock.Unlock()
	mapped = append(mapped, region{path, from, from + uintptr(len(raw))})
	return raw, nil
}

// Shrunk is the path of the mapped file that a recovered panic comes from: one that has
// become shorter. The goroutine must have called debug.SetPanicOnFault.
func Shrunk(recovered any) (path string, is bool) {
	fault, ok := recovered.(interface{ Addr() uintptr })
	if !ok {
		return "", false
	}
	mappedLock.Lock()
	defer mappedLock.Unlock()
	for _, r := range mapped {
		if at := fault.Addr(); r.from <= at && at < r.to {
			return r.path, true
		}
	}
	return "", false
}
