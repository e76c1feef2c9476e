#include "textflag.h"

// Kernels for AVX-512, those of quads for its VNNI too. Rows of matrices and lines of
// pixels are as in floatTiles and Ints: row k of a line lies at[k] elements after its
// beginning.

// The sums of a row of a tile, from c, and on to the next row.
#define LOADROW(s0, s1) \
	VMOVUPS (BX), s0 \
	VMOVUPS 64(BX), s1 \
	ADDQ AX, BX

#define LOADROWS \
	LOADROW(Z0, Z1) \
	LOADROW(Z2, Z3) \
	LOADROW(Z4, Z5) \
	LOADROW(Z6, Z7) \
	LOADROW(Z8, Z9) \
	LOADROW(Z10, Z11) \
	LOADROW(Z12, Z13) \
	LOADROW(Z14, Z15)

// The sums of a row of a tile, to c and on to the next row.
#define STOREROW(s0, s1) \
	VMOVUPS s0, (BX) \
	VMOVUPS s1, 64(BX) \
	ADDQ AX, BX

#define STOREROWS \
	STOREROW(Z0, Z1) \
	STOREROW(Z2, Z3) \
	STOREROW(Z4, Z5) \
	STOREROW(Z6, Z7) \
	STOREROW(Z8, Z9) \
	STOREROW(Z10, Z11) \
	STOREROW(Z12, Z13) \
	STOREROW(Z14, Z15)

// One element of a row, times two lines of sixteen columns in Z16 and Z17, to the sums
// of the row, each by a fused step.
#define FLOATROW(element, s0, s1) \
	VBROADCASTSS element, Z18 \
	VFMADD231PS Z16, Z18, s0 \
	VFMADD231PS Z17, Z18, s1

// func wideFloatTile(k int, a *float32, row, step int, b0, b1 *float32, at *int32, c *float32, ldc int)
//
// c[8,32] += a[8,k] * two lines, the rows of a row elements apart and their elements step,
// the rows of c ldc: each element's fused steps in the order of k.
TEXT ·wideFloatTile(SB), NOSPLIT, $0-72
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ row+16(FP), DX
	MOVQ b0+32(FP), DI
	MOVQ b1+40(FP), R8
	MOVQ at+48(FP), R9
	SHLQ $2, DX
	LEAQ (DX)(DX*2), R10
	LEAQ (DX)(DX*4), R11
	LEAQ (R10)(DX*4), R12
	MOVQ c+56(FP), BX
	MOVQ ldc+64(FP), AX
	SHLQ $2, AX
	LOADROWS
	MOVQ step+24(FP), BX
	SHLQ $2, BX

floatstep:
	MOVLQSX (R9), R13
	VMOVUPS (DI)(R13*4), Z16
	VMOVUPS (R8)(R13*4), Z17
	FLOATROW((SI), Z0, Z1)
	FLOATROW((SI)(DX*1), Z2, Z3)
	FLOATROW((SI)(DX*2), Z4, Z5)
	FLOATROW((SI)(R10*1), Z6, Z7)
	FLOATROW((SI)(DX*4), Z8, Z9)
	FLOATROW((SI)(R11*1), Z10, Z11)
	FLOATROW((SI)(R10*2), Z12, Z13)
	FLOATROW((SI)(R12*1), Z14, Z15)
	ADDQ BX, SI
	ADDQ $4, R9
	DECQ CX
	JNE  floatstep
	MOVQ c+56(FP), BX
	STOREROWS
	VZEROUPPER
	RET

// func wideFloatLine(k int, a, x *float32, at *int32, n int, y *float32)
//
// y[n] = a[k] * a line of n columns, at least sixteen: as wideFloatTile of one row. The
// last sixteen may overlap those before.
TEXT ·wideFloatLine(SB), NOSPLIT, $0-48
	MOVQ k+0(FP), R8
	MOVQ a+8(FP), SI
	MOVQ x+16(FP), DI
	MOVQ at+24(FP), R9
	MOVQ n+32(FP), DX
	MOVQ y+40(FP), BX

line64:
	CMPQ DX, $64
	JLT  line16
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	XORQ AX, AX

tap64:
	MOVLQSX (R9)(AX*4), R13
	VBROADCASTSS (SI)(AX*4), Z18
	VFMADD231PS (DI)(R13*4), Z18, Z0
	VFMADD231PS 64(DI)(R13*4), Z18, Z1
	VFMADD231PS 128(DI)(R13*4), Z18, Z2
	VFMADD231PS 192(DI)(R13*4), Z18, Z3
	INCQ AX
	CMPQ AX, R8
	JLT  tap64
	VMOVUPS Z0, (BX)
	VMOVUPS Z1, 64(BX)
	VMOVUPS Z2, 128(BX)
	VMOVUPS Z3, 192(BX)
	ADDQ $256, BX
	ADDQ $256, DI
	SUBQ $64, DX
	JMP  line64

line16:
	TESTQ DX, DX
	JE   linedone
	CMPQ DX, $16
	JGE  whole16
	LEAQ -64(BX)(DX*4), BX
	LEAQ -64(DI)(DX*4), DI
	MOVQ $16, DX

whole16:
	VPXORD Z0, Z0, Z0
	XORQ AX, AX

tap16:
	MOVLQSX (R9)(AX*4), R13
	VBROADCASTSS (SI)(AX*4), Z18
	VFMADD231PS (DI)(R13*4), Z18, Z0
	INCQ AX
	CMPQ AX, R8
	JLT  tap16
	VMOVUPS Z0, (BX)
	ADDQ $64, BX
	ADDQ $64, DI
	SUBQ $16, DX
	JMP  line16

linedone:
	VZEROUPPER
	RET

// The lanes of the last elements, fewer than the bits of a mask, in K1: AX is how many.
#define TAIL(mask) \
	MOVQ AX, CX \
	MOVQ $1, R10 \
	SHLQ CX, R10 \
	DECQ R10 \
	mask R10, K1

// func wideClamp(n int, c *clamp, x, y *float32)
//
// y[i] = min(max(x[i]+bias, lo), hi) + zero.
TEXT ·wideClamp(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), AX
	MOVQ c+8(FP), DX
	MOVQ x+16(FP), SI
	MOVQ y+24(FP), DI
	VBROADCASTSS (DX), Z4
	VBROADCASTSS 4(DX), Z5
	VBROADCASTSS 8(DX), Z6
	VBROADCASTSS 12(DX), Z7

clamp16:
	CMPQ AX, $16
	JLT  clamptail
	VADDPS (SI), Z4, Z0
	VMAXPS Z0, Z5, Z0
	VMINPS Z0, Z6, Z0
	VADDPS Z0, Z7, Z0
	VMOVUPS Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, AX
	JMP  clamp16

clamptail:
	TESTQ AX, AX
	JE   clamped
	TAIL(KMOVW)
	VMOVUPS.Z (SI), K1, Z0
	VADDPS Z0, Z4, Z0
	VMAXPS Z0, Z5, Z0
	VMINPS Z0, Z6, Z0
	VADDPS Z0, Z7, Z0
	VMOVUPS Z0, K1, (DI)

clamped:
	VZEROUPPER
	RET

// Sixteen pixels of two lines in one row, less -128.
#define QUADROW(offset, low, whole) \
	MOVLQSX offset(R9), R13 \
	VMOVDQU (DI)(R13*1), low \
	VINSERTI128 $1, (R8)(R13*1), whole, whole \
	VPXOR Y15, whole, whole

// func quadPanels(quads int, b0, b1 *int8, at *int32, out0, out1 *int8)
//
// Of four rows each of two lines: the quads of their sixteen pixels, as numbers from 0
// to 255.
TEXT ·quadPanels(SB), NOSPLIT, $0-48
	MOVQ quads+0(FP), CX
	MOVQ b0+8(FP), DI
	MOVQ b1+16(FP), R8
	MOVQ at+24(FP), R9
	MOVQ out0+32(FP), BX
	MOVQ out1+40(FP), DX
	MOVL $0x80808080, AX
	VMOVD AX, X15
	VPBROADCASTD X15, Y15

quad:
	QUADROW(0, X0, Y0)
	QUADROW(4, X1, Y1)
	QUADROW(8, X2, Y2)
	QUADROW(12, X3, Y3)
	VPUNPCKLBW Y1, Y0, Y4
	VPUNPCKHBW Y1, Y0, Y5
	VPUNPCKLBW Y3, Y2, Y6
	VPUNPCKHBW Y3, Y2, Y7
	VPUNPCKLWD Y6, Y4, Y8
	VPUNPCKHWD Y6, Y4, Y9
	VPUNPCKLWD Y7, Y5, Y10
	VPUNPCKHWD Y7, Y5, Y11
	VMOVDQU X8, (BX)
	VMOVDQU X9, 16(BX)
	VMOVDQU X10, 32(BX)
	VMOVDQU X11, 48(BX)
	VEXTRACTI128 $1, Y8, (DX)
	VEXTRACTI128 $1, Y9, 16(DX)
	VEXTRACTI128 $1, Y10, 32(DX)
	VEXTRACTI128 $1, Y11, 48(DX)
	ADDQ $16, R9
	ADDQ $64, BX
	ADDQ $64, DX
	DECQ CX
	JNE  quad
	VZEROUPPER
	RET

// Four weights of a row, times the quads of two lines in Z16 and Z17, to its sums.
#define QUADSUMS(weights, s0, s1) \
	VPBROADCASTD weights, Z18 \
	VPDPBUSD Z18, Z16, s0 \
	VPDPBUSD Z18, Z17, s1

// The sums of a row of a tile, from start.
#define STARTROW(at, s0, s1) \
	VPBROADCASTD at(DX), s0 \
	VMOVDQA32 s0, s1

// func quadTile(quads int, a, b0, b1 *int8, start, c *int32, ldc int)
//
// c[8,32] += a[quads][8][4] * two lines that quadPanels laid out, the rows of c ldc elements
// apart; or, where start is not nil, the rows begin with its eight elements. The sums are
// exact modulo 2^32.
TEXT ·quadTile(SB), NOSPLIT, $0-56
	MOVQ quads+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ b0+16(FP), DI
	MOVQ b1+24(FP), R8
	MOVQ start+32(FP), DX
	MOVQ c+40(FP), BX
	MOVQ ldc+48(FP), AX
	SHLQ $2, AX
	TESTQ DX, DX
	JNE  started
	LOADROWS
	JMP  quadstep

started:
	STARTROW(0, Z0, Z1)
	STARTROW(4, Z2, Z3)
	STARTROW(8, Z4, Z5)
	STARTROW(12, Z6, Z7)
	STARTROW(16, Z8, Z9)
	STARTROW(20, Z10, Z11)
	STARTROW(24, Z12, Z13)
	STARTROW(28, Z14, Z15)

quadstep:
	VMOVDQU32 (DI), Z16
	VMOVDQU32 (R8), Z17
	QUADSUMS((SI), Z0, Z1)
	QUADSUMS(4(SI), Z2, Z3)
	QUADSUMS(8(SI), Z4, Z5)
	QUADSUMS(12(SI), Z6, Z7)
	QUADSUMS(16(SI), Z8, Z9)
	QUADSUMS(20(SI), Z10, Z11)
	QUADSUMS(24(SI), Z12, Z13)
	QUADSUMS(28(SI), Z14, Z15)
	ADDQ $32, SI
	ADDQ $64, DI
	ADDQ $64, R8
	DECQ CX
	JNE  quadstep
	MOVQ c+40(FP), BX
	STOREROWS
	VZEROUPPER
	RET

// Sixty-four pixels of a row, or those in K1, less -128.
#define LINEROW(offset, pixels) \
	MOVLQSX offset(R9)(AX*4), R13 \
	VMOVDQU8.Z (DI)(R13*1), K1, pixels \
	VPXORD Z31, pixels, pixels

// func quadLine(quads int, a, x *int8, at *int32, n int, start int32, c *int32)
//
// c[n] = start + a[4*quads] * a line of n pixels, less -128. Whole registers are written:
// c has room for a multiple of 64.
TEXT ·quadLine(SB), NOSPLIT, $0-56
	MOVQ quads+0(FP), R8
	SHLQ $2, R8
	MOVQ a+8(FP), SI
	MOVQ x+16(FP), DI
	MOVQ at+24(FP), R9
	MOVQ n+32(FP), DX
	MOVL start+40(FP), AX
	VPBROADCASTD AX, Z30
	MOVQ c+48(FP), BX
	MOVL $0x80808080, AX
	VPBROADCASTD AX, Z31
	MOVQ $-1, R10
	KMOVQ R10, K1

pixels64:
	CMPQ DX, $64
	JGE  whole64
	TESTQ DX, DX
	JLE  pixelsdone
	MOVQ DX, AX
	TAIL(KMOVQ)

whole64:
	VMOVDQA32 Z30, Z0
	VMOVDQA32 Z30, Z1
	VMOVDQA32 Z30, Z2
	VMOVDQA32 Z30, Z3
	XORQ AX, AX

taps4:
	LINEROW(0, Z4)
	LINEROW(4, Z5)
	LINEROW(8, Z6)
	LINEROW(12, Z7)
	VPBROADCASTD (SI)(AX*1), Z18
	VPUNPCKLBW Z5, Z4, Z8
	VPUNPCKHBW Z5, Z4, Z9
	VPUNPCKLBW Z7, Z6, Z10
	VPUNPCKHBW Z7, Z6, Z11
	VPUNPCKLWD Z10, Z8, Z12
	VPUNPCKHWD Z10, Z8, Z13
	VPUNPCKLWD Z11, Z9, Z14
	VPUNPCKHWD Z11, Z9, Z15
	VPDPBUSD Z18, Z12, Z0
	VPDPBUSD Z18, Z13, Z1
	VPDPBUSD Z18, Z14, Z2
	VPDPBUSD Z18, Z15, Z3
	ADDQ $4, AX
	CMPQ AX, R8
	JLT  taps4

	// Quarter q of Z0 to Z3 has pixels 16q to 16q+15: a transposition of quarters.
	VSHUFI32X4 $0x44, Z1, Z0, Z4
	VSHUFI32X4 $0xee, Z1, Z0, Z5
	VSHUFI32X4 $0x44, Z3, Z2, Z6
	VSHUFI32X4 $0xee, Z3, Z2, Z7
	VSHUFI32X4 $0x88, Z6, Z4, Z0
	VSHUFI32X4 $0xdd, Z6, Z4, Z1
	VSHUFI32X4 $0x88, Z7, Z5, Z2
	VSHUFI32X4 $0xdd, Z7, Z5, Z3
	VMOVDQU32 Z0, (BX)
	VMOVDQU32 Z1, 64(BX)
	VMOVDQU32 Z2, 128(BX)
	VMOVDQU32 Z3, 192(BX)
	ADDQ $256, BX
	ADDQ $64, DI
	SUBQ $64, DX
	JMP  pixels64

pixelsdone:
	VZEROUPPER
	RET

// Sixteen sums in Z0 to sixteen results in X0: bias added, the even and the odd ones
// times the multiplier, half added, shifted right, clamped; then the zero point.
#define REQUANTIZE \
	VPADDD Z8, Z0, Z0 \
	VPSRLQ $32, Z0, Z1 \
	VPMULDQ Z9, Z0, Z0 \
	VPMULDQ Z9, Z1, Z1 \
	VPADDQ Z10, Z0, Z0 \
	VPADDQ Z10, Z1, Z1 \
	VPSRAQ X11, Z0, Z0 \
	VPSRAQ X11, Z1, Z1 \
	VPMAXSQ Z13, Z0, Z0 \
	VPMAXSQ Z13, Z1, Z1 \
	VPMINSQ Z14, Z0, Z0 \
	VPMINSQ Z14, Z1, Z1 \
	VPSLLQ $32, Z1, Z1 \
	VMOVDQA32 Z1, K2, Z0 \
	VPADDD Z12, Z0, Z0 \
	VPMOVDB Z0, X0

// func wideRequant(n int, sums *int32, c *requant, y *int8)
//
// n results of as many sums, where sums with their bias have 32 bits. lo and hi are
// less the zero point.
TEXT ·wideRequant(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), AX
	MOVQ sums+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ y+24(FP), DI
	VPBROADCASTD (DX), Z8
	VPBROADCASTQ 8(DX), Z9
	VPBROADCASTQ 16(DX), Z10
	VMOVQ 24(DX), X11
	VPBROADCASTD 32(DX), Z12
	VPBROADCASTQ 40(DX), Z13
	VPBROADCASTQ 48(DX), Z14
	MOVQ $0xaaaa, R10
	KMOVW R10, K2

requant16:
	CMPQ AX, $16
	JLT  requanttail
	VMOVDQU32 (SI), Z0
	REQUANTIZE
	VMOVDQU X0, (DI)
	ADDQ $64, SI
	ADDQ $16, DI
	SUBQ $16, AX
	JMP  requant16

requanttail:
	TESTQ AX, AX
	JE   requantdone
	TAIL(KMOVW)
	VMOVDQU32.Z (SI), K1, Z0
	REQUANTIZE
	VMOVDQU8 X0, K1, (DI)

requantdone:
	VZEROUPPER
	RET

// The pieces of a line, for gatherFloats and gatherBytes: where they lie and their lanes.
#define PIECES \
	MOVQ (DX), R10 \
	MOVQ 8(DX), R11 \
	MOVQ 16(DX), R12 \
	MOVQ 24(DX), R13 \
	KMOVQ 32(DX), K1 \
	KMOVQ 40(DX), K2 \
	KMOVQ 48(DX), K3 \
	KMOVQ 56(DX), K4

// func gatherFloats(k int, x *float32, p *pieces, at *int32, line *float32)
//
// line[k,16]: row l has each piece as it lies at[l] elements after its place.
TEXT ·gatherFloats(SB), NOSPLIT, $0-40
	MOVQ k+0(FP), CX
	MOVQ x+8(FP), SI
	MOVQ p+16(FP), DX
	MOVQ at+24(FP), R9
	MOVQ line+32(FP), BX
	PIECES

floats:
	MOVLQSX (R9), AX
	LEAQ (SI)(AX*4), DX
	VMOVUPS.Z (DX)(R10*4), K1, Z0
	VMOVUPS (DX)(R11*4), K2, Z0
	VMOVUPS (DX)(R12*4), K3, Z0
	VMOVUPS (DX)(R13*4), K4, Z0
	VMOVUPS Z0, (BX)
	ADDQ $4, R9
	ADDQ $64, BX
	DECQ CX
	JNE  floats
	VZEROUPPER
	RET

// func gatherBytes(k int, x *int8, p *pieces, at *int32, line *int8)
//
// As gatherFloats.
TEXT ·gatherBytes(SB), NOSPLIT, $0-40
	MOVQ k+0(FP), CX
	MOVQ x+8(FP), SI
	MOVQ p+16(FP), DX
	MOVQ at+24(FP), R9
	MOVQ line+32(FP), BX
	PIECES

bytes:
	MOVLQSX (R9), AX
	LEAQ (SI)(AX*1), DX
	VMOVDQU8.Z (DX)(R10*1), K1, X0
	VMOVDQU8 (DX)(R11*1), K2, X0
	VMOVDQU8 (DX)(R12*1), K3, X0
	VMOVDQU8 (DX)(R13*1), K4, X0
	VMOVDQU X0, (BX)
	ADDQ $4, R9
	ADDQ $16, BX
	DECQ CX
	JNE  bytes
	VZEROUPPER
	RET

// The lowest bits of a mask, as many as CX, at most 63, says.
#define LOWEST(move, mask) \
	MOVQ $1, AX \
	SHLQ CX, AX \
	DECQ AX \
	move AX, mask

// The entries of Z0 to Z3 at the bytes in Z4, in Z5: those of negative ones are the lower half.
#define LOOKUP \
	VPMOVB2M Z4, K2 \
	VMOVDQA64 Z4, Z5 \
	VPERMI2B Z1, Z0, Z4 \
	VPERMI2B Z3, Z2, Z5 \
	VMOVDQU8 Z4, K2, Z5

// func lookup(n int, table, x, y *int8)
//
// y[n] = table[128+x].
TEXT ·lookup(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ table+8(FP), DX
	MOVQ x+16(FP), SI
	MOVQ y+24(FP), DI
	VMOVDQU64 (DX), Z0
	VMOVDQU64 64(DX), Z1
	VMOVDQU64 128(DX), Z2
	VMOVDQU64 192(DX), Z3

look64:
	CMPQ CX, $64
	JLT  lookpart
	VMOVDQU64 (SI), Z4
	LOOKUP
	VMOVDQU64 Z5, (DI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $64, CX
	JMP  look64

lookpart:
	TESTQ CX, CX
	JE   looked
	LOWEST(KMOVQ, K1)
	VMOVDQU8.Z (SI), K1, Z4
	LOOKUP
	VMOVDQU8 Z5, K1, (DI)

looked:
	VZEROUPPER
	RET

// func copyRows(rows, n int, x unsafe.Pointer, stride int, y unsafe.Pointer, width int)
//
// Rows of n bytes from x, stride bytes apart, to y, width bytes apart.
TEXT ·copyRows(SB), NOSPLIT, $0-48
	MOVQ rows+0(FP), R8
	MOVQ n+8(FP), R9
	MOVQ x+16(FP), SI
	MOVQ stride+24(FP), R10
	MOVQ y+32(FP), DI
	MOVQ width+40(FP), R11
	MOVQ R9, CX
	ANDQ $63, CX
	LOWEST(KMOVQ, K1)
	ANDQ $-64, R9

copyrow:
	XORQ BX, BX

copy64:
	CMPQ BX, R9
	JGE  copypart
	VMOVDQU64 (SI)(BX*1), Z0
	VMOVDQU64 Z0, (DI)(BX*1)
	ADDQ $64, BX
	JMP  copy64

copypart:
	VMOVDQU8.Z (SI)(BX*1), K1, Z0
	VMOVDQU8 Z0, K1, (DI)(BX*1)
	ADDQ R10, SI
	ADDQ R11, DI
	DECQ R8
	JNE  copyrow
	VZEROUPPER
	RET

// func evenFloats(rows, n int, x *float32, stride int, y *float32, width int)
//
// Rows of y[i] = x[2i]; those of x are stride elements apart, those of y width. No element after x[2n-2] of
// a row is read.
TEXT ·evenFloats(SB), NOSPLIT, $0-48
	MOVQ rows+0(FP), R8
	MOVQ n+8(FP), R9
	MOVQ x+16(FP), SI
	MOVQ stride+24(FP), R10
	MOVQ y+32(FP), DI
	MOVQ width+40(FP), R11
	SHLQ $2, R10
	SHLQ $2, R11
	DECQ R9
	MOVQ R9, CX
	ANDQ $-8, R9
	ANDQ $7, CX
	INCQ CX
	LOWEST(KMOVW, K2)
	ADDQ CX, CX
	DECQ CX
	LOWEST(KMOVW, K1)

floatrow:
	XORQ BX, BX

floats8:
	CMPQ BX, R9
	JGE  floatpart
	VMOVDQU64 (SI)(BX*8), Z0
	VPMOVQD Z0, Y0
	VMOVDQU Y0, (DI)(BX*4)
	ADDQ $8, BX
	JMP  floats8

floatpart:
	VMOVDQU32.Z (SI)(BX*8), K1, Z0
	VPMOVQD Z0, Y0
	VMOVDQU32 Z0, K2, (DI)(BX*4)
	ADDQ R10, SI
	ADDQ R11, DI
	DECQ R8
	JNE  floatrow
	VZEROUPPER
	RET

// func evenBytes(rows, n int, x *int8, stride int, y *int8, width int)
//
// As evenFloats.
TEXT ·evenBytes(SB), NOSPLIT, $0-48
	MOVQ rows+0(FP), R8
	MOVQ n+8(FP), R9
	MOVQ x+16(FP), SI
	MOVQ stride+24(FP), R10
	MOVQ y+32(FP), DI
	MOVQ width+40(FP), R11
	DECQ R9
	MOVQ R9, CX
	ANDQ $-32, R9
	ANDQ $31, CX
	INCQ CX
	LOWEST(KMOVQ, K2)
	ADDQ CX, CX
	DECQ CX
	LOWEST(KMOVQ, K1)

byterow:
	XORQ BX, BX

bytes32:
	CMPQ BX, R9
	JGE  bytepart
	VMOVDQU64 (SI)(BX*2), Z0
	VPMOVWB Z0, Y0
	VMOVDQU Y0, (DI)(BX*1)
	ADDQ $32, BX
	JMP  bytes32

bytepart:
	VMOVDQU8.Z (SI)(BX*2), K1, Z0
	VPMOVWB Z0, Y0
	VMOVDQU8 Z0, K2, (DI)(BX*1)
	ADDQ R10, SI
	ADDQ R11, DI
	DECQ R8
	JNE  byterow
	VZEROUPPER
	RET
