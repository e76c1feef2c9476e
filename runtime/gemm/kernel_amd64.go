package gemm

import "golang.org/x/sys/cpu"

//go:noescape
func avxFloatTile(k int, a *float32, lda int, b, c *float32)

//go:noescape
func pairPanel(pairs int, panel *int8, zero int16, out *int16)

//go:noescape
func intTile(pairs int, a *int16, lda int, panel *int16, c *[64]int32)

//go:noescape
func avxAddRows(n int, d *[rowsAtOnce]float32, a, b, c, e, y *float32)

//go:noescape
func avxRequant(n int, sums *int32, c *requant, y *int8)

//go:noescape
func avxMaxPairs(n int, x, y *int8)

//go:noescape
func avxMaxRows(rows, wide int, x, y *int8)

//go:noescape
func avxAddScaled(n int, weights *int16, d int32, sums *int32)

// hasTiles tells whether this processor has the instructions of the tiles. The
// tests take it away, and hold the portable loops equal.
var hasTiles = cpu.X86.HasAVX2
