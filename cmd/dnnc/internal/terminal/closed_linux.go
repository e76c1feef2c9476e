//go:build linux && (amd64 || arm64)

package terminal

// entry is the program's entry point: the linker's -E names it, and nothing calls it.
//
//lint:ignore U1000 the linker refers to it
func entry()
