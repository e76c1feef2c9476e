package gemm

import "golang.org/x/sys/cpu"

//go:noescape
func avxFloatTile(k int, a *float32, lda int, b, c *float32)

//go:noescape
func intTile(k int, a *int16, lda int, x *int16, ldx int, c *[8]int32)

// hasTiles tells whether this processor has the instructions of the tiles. The
// tests take it away, and hold the portable loops equal.
var hasTiles = cpu.X86.HasAVX2
