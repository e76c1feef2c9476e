//go:build linux && (amd64 || arm64)

package terminal

// entry is the program's entry point; nothing calls it.
func entry()
