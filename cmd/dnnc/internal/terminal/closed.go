package terminal

// closedAtStart is 1 where standard output was closed when the program began.
var closedAtStart byte

// Closed reports whether standard output was closed when the program began, as by >&- of a
// shell. Go's runtime opens /dev/null in its place before any code of Go runs, and what is
// printed would be lost without an error; a program that is given /dev/null on purpose
// looks the same from then on. So the linker is told that the program begins at entry, in
// assembly, which looks before the runtime does: -ldflags "-E PACKAGE.entry", as the
// Makefile and cmd/dist have it. Without that flag, and on other systems, it is false.
func Closed() bool { return closedAtStart != 0 }
