//go:build !amd64

package gemm

var hasTiles = false

func avxFloatTile(int, *float32, int, *float32, *float32) { panic("gemm: no tile") }
func intTile(int, *int16, int, *int16, int, *[8]int32)    { panic("gemm: no tile") }
