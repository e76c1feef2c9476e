//go:build !amd64

package gemm

var hasTiles = false

func avxFloatTile(int, *float32, int, *float32, *float32) { panic("gemm: no tile") }
func pairPanel(int, *int8, int16, *int16)                 { panic("gemm: no tile") }
func intTile(int, *int16, int, *int16, *[64]int32)        { panic("gemm: no tile") }
func avxRequant(int, *int32, *requant, *int8)             { panic("gemm: no tile") }
func avxMaxPairs(int, *int8, *int8)                       { panic("gemm: no tile") }
func avxMaxRows(int, int, *int8, *int8)                   { panic("gemm: no tile") }
func avxAddScaled(int, *int16, int32, *int32)             { panic("gemm: no tile") }
func avxAddRows(int, *[rowsAtOnce]float32, *float32, *float32, *float32, *float32, *float32) {
	panic("gemm: no tile")
}
