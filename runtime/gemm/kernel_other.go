//go:build !amd64

package gemm

import "unsafe"

var processor = plain

const permutes = false

func none() { panic("gemm: no kernel") }

func avxFloatTile(int, *float32, int, int, *float32, *int32, *float32, int)               { none() }
func avxHighTile(int, *float32, int, int, *float32, *int32, *float32, int)                { none() }
func avxClamp(int, *clamp, *float32, *float32)                                            { none() }
func avxFloatLine(int, *float32, *float32, *int32, int, *float32)                         { none() }
func pairPanel(int, *int8, *int32, int16, *int16)                                         { none() }
func intTile(int, *int16, int, *int16, *int32, int)                                       { none() }
func avxRequant(int, *int32, *requant, *int8)                                             { none() }
func avxMaxPairs(int, *int8, *int8)                                                       { none() }
func avxMaxRows(int, int, *int8, *int8)                                                   { none() }
func avxAddScaled(int, *int16, int32, *int32)                                             { none() }
func wideFloatTile(int, *float32, int, int, *float32, *float32, *int32, *float32, int)    { none() }
func wideFloatLine(int, *float32, *float32, *int32, int, *float32)                        { none() }
func wideClamp(int, *clamp, *float32, *float32)                                           { none() }
func quadPanels(int, *int8, *int8, *int32, *int8, *int8)                                  { none() }
func quadTile(int, *int8, *int8, *int8, *int32, *int32, int)                              { none() }
func quadLine(int, *int8, *int8, *int32, int, int32, *int32)                              { none() }
func wideRequant(int, *int32, *requant, *int8)                                            { none() }
func gatherFloats(int, *float32, *pieces, *int32, *float32)                               { none() }
func gatherBytes(int, *int8, *pieces, *int32, *int8)                                      { none() }
func lookup(int, *int8, *int8, *int8)                                                     { none() }
func copyRows(int, int, unsafe.Pointer, int, unsafe.Pointer, int)                         { none() }
func evenFloats(int, int, *float32, int, *float32, int)                                   { none() }
func evenBytes(int, int, *int8, int, *int8, int)                                          { none() }
func avxFourSums(int, int, *float32, *float32, *float32, *float32, *float32, *[4]float32) { none() }
func avxAddRows(int, *[rowsAtOnce]float32, *float32, *float32, *float32, *float32, *float32) {
	none()
}
