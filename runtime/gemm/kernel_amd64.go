package gemm

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// processor is the most that this processor has. The tests lower it, and hold all levels
// equal.
var processor = detect()

// permutes reports the subset VBMI, which looks bytes up in registers.
var permutes = cpu.X86.HasAVX512VBMI

func detect() level {
	x := &cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasFMA:
		return plain
	case !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512DQ || !x.HasAVX512VL:
		return avx2
	case !x.HasAVX512VNNI:
		return avx512
	}
	return vnni
}

//go:noescape
func avxFloatTile(k int, a *float32, row, step int, b *float32, at *int32, c *float32, ldc int)

//go:noescape
func avxHighTile(k int, a *float32, row, step int, b *float32, at *int32, c *float32, ldc int)

//go:noescape
func avxClamp(n int, c *clamp, x, y *float32)

//go:noescape
func avxFloatLine(k int, a, x *float32, at *int32, n int, y *float32)

//go:noescape
func pairPanel(pairs int, b *int8, at *int32, zero int16, out *int16)

//go:noescape
func intTile(pairs int, a *int16, lda int, panel *int16, c *int32, ldc int)

//go:noescape
func avxAddRows(n int, d *[rowsAtOnce]float32, a, b, c, e, y *float32)

//go:noescape
func avxFourSums(n, stride int, x, a, b, c, e *float32, sums *[4]float32)

//go:noescape
func avxRequant(n int, sums *int32, c *requant, y *int8)

//go:noescape
func avxMaxPairs(n int, x, y *int8)

//go:noescape
func avxMaxRows(rows, wide int, x, y *int8)

//go:noescape
func avxAddScaled(n int, weights *int16, d int32, sums *int32)

//go:noescape
func wideFloatTile(k int, a *float32, row, step int, b0, b1 *float32, at *int32, c *float32, ldc int)

//go:noescape
func wideFloatLine(k int, a, x *float32, at *int32, n int, y *float32)

//go:noescape
func wideClamp(n int, c *clamp, x, y *float32)

//go:noescape
func quadPanels(quads int, b0, b1 *int8, at *int32, out0, out1 *int8)

//go:noescape
func quadTile(quads int, a, b0, b1 *int8, start, c *int32, ldc int)

//go:noescape
func quadLine(quads int, a, x *int8, at *int32, n int, start int32, c *int32)

//go:noescape
func wideRequant(n int, sums *int32, c *requant, y *int8)

//go:noescape
func gatherFloats(k int, x *float32, p *pieces, at *int32, line *float32)

//go:noescape
func gatherBytes(k int, x *int8, p *pieces, at *int32, line *int8)

//go:noescape
func lookup(n int, table, x, y *int8)

//go:noescape
func copyRows(rows, n int, x unsafe.Pointer, stride int, y unsafe.Pointer, width int)

//go:noescape
func evenFloats(rows, n int, x *float32, stride int, y *float32, width int)

//go:noescape
func evenBytes(rows, n int, x *int8, stride int, y *int8, width int)
