#include "textflag.h"

// One element of a row, times sixteen columns in Y8 and Y9, to the sums of the row, each by a
// fused step.
#define ROW(element, s0, s1) \
	VBROADCASTSS element, Y10 \
	VFMADD231PS Y8, Y10, s0 \
	VFMADD231PS Y9, Y10, s1

// The sums of a row of a tile, from c and on to the next row.
#define LOAD(s0, s1) \
	VMOVUPS (BX), s0 \
	VMOVUPS 32(BX), s1 \
	ADDQ R11, BX

// The sums of a row of a tile, to c and on to the next row.
#define STORE(s0, s1) \
	VMOVUPS s0, (BX) \
	VMOVUPS s1, 32(BX) \
	ADDQ R11, BX

// func avxHighTile(k int, a *float32, row, step int, b *float32, at *int32, c *float32, ldc int)
//
// As avxFloatTile of six rows: enough sums that none waits for its last step.
TEXT ·avxHighTile(SB), NOSPLIT, $0-64
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ row+16(FP), DX
	MOVQ step+24(FP), R13
	MOVQ b+32(FP), DI
	MOVQ at+40(FP), R12
	MOVQ c+48(FP), BX
	MOVQ ldc+56(FP), R11
	SHLQ $2, DX
	SHLQ $2, R13
	SHLQ $2, R11
	LEAQ (DX)(DX*2), R8
	LEAQ (DX)(DX*4), R9
	LOAD(Y0, Y1)
	LOAD(Y2, Y3)
	LOAD(Y4, Y5)
	LOAD(Y6, Y7)
	LOAD(Y12, Y13)
	LOAD(Y14, Y15)
	MOVQ c+48(FP), BX

high:
	MOVLQSX (R12), AX
	VMOVUPS (DI)(AX*4), Y8
	VMOVUPS 32(DI)(AX*4), Y9
	ROW((SI), Y0, Y1)
	ROW((SI)(DX*1), Y2, Y3)
	ROW((SI)(DX*2), Y4, Y5)
	ROW((SI)(R8*1), Y6, Y7)
	ROW((SI)(DX*4), Y12, Y13)
	ROW((SI)(R9*1), Y14, Y15)
	ADDQ R13, SI
	ADDQ $4, R12
	DECQ CX
	JNE  high
	STORE(Y0, Y1)
	STORE(Y2, Y3)
	STORE(Y4, Y5)
	STORE(Y6, Y7)
	STORE(Y12, Y13)
	STORE(Y14, Y15)
	VZEROUPPER
	RET

// func avxFloatTile(k int, a *float32, row, step int, b *float32, at *int32, c *float32, ldc int)
//
// c[4,16] += a[4,k] * a line of b, whose row k lies at[k] elements after its beginning:
// rows of a are row elements apart and their elements step, rows of c ldc. Each element's fused steps are in the
// order of k, so that the portable loop gives the same bits.
TEXT ·avxFloatTile(SB), NOSPLIT, $0-64
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ row+16(FP), DX
	MOVQ step+24(FP), R13
	MOVQ b+32(FP), DI
	MOVQ at+40(FP), R12
	MOVQ c+48(FP), BX
	MOVQ ldc+56(FP), R11
	SHLQ $2, DX
	SHLQ $2, R13
	SHLQ $2, R11
	LEAQ (DX)(DX*2), R8
	LOAD(Y0, Y1)
	LOAD(Y2, Y3)
	LOAD(Y4, Y5)
	LOAD(Y6, Y7)
	MOVQ c+48(FP), BX

step:
	MOVLQSX (R12), AX
	VMOVUPS (DI)(AX*4), Y8
	VMOVUPS 32(DI)(AX*4), Y9
	ROW((SI), Y0, Y1)
	ROW((SI)(DX*1), Y2, Y3)
	ROW((SI)(DX*2), Y4, Y5)
	ROW((SI)(R8*1), Y6, Y7)
	ADDQ R13, SI
	ADDQ $4, R12
	DECQ CX
	JNE  step
	STORE(Y0, Y1)
	STORE(Y2, Y3)
	STORE(Y4, Y5)
	STORE(Y6, Y7)
	VZEROUPPER
	RET

// func avxFloatLine(k int, a, x *float32, at *int32, n int, y *float32)
//
// y[n] = a[k] * a line of n columns, at least sixteen: as avxFloatTile of one row. The
// last sixteen may overlap those before.
TEXT ·avxFloatLine(SB), NOSPLIT, $0-48
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ x+16(FP), DI
	MOVQ at+24(FP), R12
	MOVQ n+32(FP), DX
	MOVQ y+40(FP), BX

line32:
	CMPQ DX, $32
	JLT  some
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	XORQ AX, AX

tap32:
	MOVLQSX (R12)(AX*4), R13
	VBROADCASTSS (SI)(AX*4), Y10
	VFMADD231PS (DI)(R13*4), Y10, Y0
	VFMADD231PS 32(DI)(R13*4), Y10, Y1
	VFMADD231PS 64(DI)(R13*4), Y10, Y2
	VFMADD231PS 96(DI)(R13*4), Y10, Y3
	INCQ AX
	CMPQ AX, CX
	JLT  tap32
	VMOVUPS Y0, (BX)
	VMOVUPS Y1, 32(BX)
	VMOVUPS Y2, 64(BX)
	VMOVUPS Y3, 96(BX)
	ADDQ $128, BX
	ADDQ $128, DI
	SUBQ $32, DX
	JMP  line32

some:
	TESTQ DX, DX
	JE   all
	CMPQ DX, $16
	JGE  whole
	LEAQ -64(BX)(DX*4), BX
	LEAQ -64(DI)(DX*4), DI
	MOVQ $16, DX

whole:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	XORQ AX, AX

tap:
	MOVLQSX (R12)(AX*4), R13
	VMOVUPS (DI)(R13*4), Y8
	VMOVUPS 32(DI)(R13*4), Y9
	ROW((SI)(AX*4), Y0, Y1)
	INCQ AX
	CMPQ AX, CX
	JLT  tap
	VMOVUPS Y0, (BX)
	VMOVUPS Y1, 32(BX)
	ADDQ $64, BX
	ADDQ $64, DI
	SUBQ $16, DX
	JMP  some

all:
	VZEROUPPER
	RET

// func avxClamp(n int, c *clamp, x, y *float32)
//
// y[i] = min(max(x[i]+bias, lo), hi) + zero, of n elements, a multiple of 8.
TEXT ·avxClamp(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), AX
	MOVQ c+8(FP), DX
	MOVQ x+16(FP), SI
	MOVQ y+24(FP), DI
	VBROADCASTSS (DX), Y4
	VBROADCASTSS 4(DX), Y5
	VBROADCASTSS 8(DX), Y6
	VBROADCASTSS 12(DX), Y7

clamp8:
	TESTQ AX, AX
	JE   clamped
	VADDPS (SI), Y4, Y0
	VMAXPS Y0, Y5, Y0
	VMINPS Y0, Y6, Y0
	VADDPS Y0, Y7, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, AX
	JMP  clamp8

clamped:
	VZEROUPPER
	RET

// func pairPanel(pairs int, b *int8, at *int32, zero int16, out *int16)
//
// Of two rows of 16 bytes each, less zero, where row k lies at[k] after b: the pairs of
// pixels 0 to 3 and 8 to 11, then those of 4 to 7 and 12 to 15, as the halves of a
// register interleave.
TEXT ·pairPanel(SB), NOSPLIT, $0-40
	MOVQ pairs+0(FP), CX
	MOVQ b+8(FP), SI
	MOVQ at+16(FP), R9
	MOVWLZX zero+24(FP), AX
	MOVQ out+32(FP), DI
	VMOVD AX, X15
	VPBROADCASTW X15, Y15

pair:
	TESTQ CX, CX
	JE    paired
	MOVLQSX (R9), R10
	MOVLQSX 4(R9), R11
	VPMOVSXBW (SI)(R10*1), Y0
	VPMOVSXBW (SI)(R11*1), Y1
	VPSUBW Y15, Y0, Y0
	VPSUBW Y15, Y1, Y1
	VPUNPCKLWD Y1, Y0, Y2
	VPUNPCKHWD Y1, Y0, Y3
	VMOVDQU Y2, (DI)
	VMOVDQU Y3, 32(DI)
	ADDQ $8, R9
	ADDQ $64, DI
	DECQ CX
	JMP  pair

paired:
	VZEROUPPER
	RET

// Pixels 0 to 7 of a row of sums are the low halves, 8 to 15 the high ones.
#define STOREHALVES(s0, s1) \
	VPERM2I128 $0x20, s1, s0, Y8 \
	VPERM2I128 $0x31, s1, s0, Y9 \
	STORE(Y8, Y9)

// func intTile(pairs int, a *int16, lda int, panel *int16, c *int32, ldc int)
//
// c[4,16] = a[4,2*pairs] * panel, as pairPanel laid it out, the rows of c ldc apart.
// VPMADDWD multiplies a pair of a with the pairs of eight pixels and adds; the sums are
// exact.
TEXT ·intTile(SB), NOSPLIT, $0-48
	MOVQ pairs+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ lda+16(FP), DX
	MOVQ panel+24(FP), DI
	MOVQ c+32(FP), BX
	MOVQ ldc+40(FP), R11
	SHLQ $2, R11
	ADDQ DX, DX
	LEAQ (SI)(DX*1), R8
	LEAQ (SI)(DX*2), R9
	LEAQ (R8)(DX*2), R10
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7
	XORQ AX, AX

round:
	CMPQ AX, CX
	JGE  sums
	VMOVDQU (DI), Y8
	VMOVDQU 32(DI), Y9
	VPBROADCASTD (SI)(AX*4), Y10
	VPMADDWD Y8, Y10, Y11
	VPMADDWD Y9, Y10, Y12
	VPADDD Y11, Y0, Y0
	VPADDD Y12, Y1, Y1
	VPBROADCASTD (R8)(AX*4), Y13
	VPMADDWD Y8, Y13, Y14
	VPMADDWD Y9, Y13, Y15
	VPADDD Y14, Y2, Y2
	VPADDD Y15, Y3, Y3
	VPBROADCASTD (R9)(AX*4), Y10
	VPMADDWD Y8, Y10, Y11
	VPMADDWD Y9, Y10, Y12
	VPADDD Y11, Y4, Y4
	VPADDD Y12, Y5, Y5
	VPBROADCASTD (R10)(AX*4), Y13
	VPMADDWD Y8, Y13, Y14
	VPMADDWD Y9, Y13, Y15
	VPADDD Y14, Y6, Y6
	VPADDD Y15, Y7, Y7
	ADDQ $64, DI
	INCQ AX
	JMP  round

sums:
	STOREHALVES(Y0, Y1)
	STOREHALVES(Y2, Y3)
	STOREHALVES(Y4, Y5)
	STOREHALVES(Y6, Y7)
	VZEROUPPER
	RET

// func avxAddRows(n int, d *[4]float32, a, b, c, e, y *float32)
//
// y[i] += d[0]*a[i], then d[1]*b[i], d[2]*c[i], d[3]*e[i], by fused steps in this order, as the
// portable loop does.
TEXT ·avxAddRows(SB), NOSPLIT, $0-56
	MOVQ n+0(FP), CX
	MOVQ d+8(FP), DX
	MOVQ a+16(FP), SI
	MOVQ b+24(FP), R8
	MOVQ c+32(FP), R9
	MOVQ e+40(FP), R10
	MOVQ y+48(FP), DI
	VBROADCASTSS (DX), Y0
	VBROADCASTSS 4(DX), Y1
	VBROADCASTSS 8(DX), Y2
	VBROADCASTSS 12(DX), Y3
	XORQ AX, AX
	SUBQ $8, CX

wide:
	CMPQ AX, CX
	JGT  narrow
	VMOVUPS (DI)(AX*4), Y4
	VFMADD231PS (SI)(AX*4), Y0, Y4
	VFMADD231PS (R8)(AX*4), Y1, Y4
	VFMADD231PS (R9)(AX*4), Y2, Y4
	VFMADD231PS (R10)(AX*4), Y3, Y4
	VMOVUPS Y4, (DI)(AX*4)
	ADDQ $8, AX
	JMP  wide

narrow:
	ADDQ $8, CX

one:
	CMPQ AX, CX
	JGE  end
	VMOVSS (DI)(AX*4), X4
	VFMADD231SS (SI)(AX*4), X0, X4
	VFMADD231SS (R8)(AX*4), X1, X4
	VFMADD231SS (R9)(AX*4), X2, X4
	VFMADD231SS (R10)(AX*4), X3, X4
	VMOVSS X4, (DI)(AX*4)
	INCQ AX
	JMP  one

end:
	VZEROUPPER
	RET

// func avxFourSums(n, stride int, x, a, b, c, e *float32, sums *[4]float32)
//
// sums[0] += x[i*stride]*a[i] of n at least 1, with b, c and e for the others: fused steps in the
// order of i.
TEXT ·avxFourSums(SB), NOSPLIT, $0-64
	MOVQ n+0(FP), CX
	MOVQ stride+8(FP), DX
	MOVQ x+16(FP), SI
	MOVQ a+24(FP), R8
	MOVQ b+32(FP), R9
	MOVQ c+40(FP), R10
	MOVQ e+48(FP), R11
	MOVQ sums+56(FP), DI
	SHLQ $2, DX
	VMOVSS (DI), X0
	VMOVSS 4(DI), X1
	VMOVSS 8(DI), X2
	VMOVSS 12(DI), X3
	XORQ AX, AX

sum:
	VMOVSS (SI), X4
	VFMADD231SS (R8)(AX*4), X4, X0
	VFMADD231SS (R9)(AX*4), X4, X1
	VFMADD231SS (R10)(AX*4), X4, X2
	VFMADD231SS (R11)(AX*4), X4, X3
	ADDQ DX, SI
	INCQ AX
	CMPQ AX, CX
	JLT  sum
	VMOVSS X0, (DI)
	VMOVSS X1, 4(DI)
	VMOVSS X2, 8(DI)
	VMOVSS X3, 12(DI)
	VZEROUPPER
	RET

// The bytes 0 and 8 of both halves of a register.
DATA bytesOf<>+0(SB)/8, $0xffffffffffff0800
DATA bytesOf<>+8(SB)/8, $0xffffffffffffffff
DATA bytesOf<>+16(SB)/8, $0xffffffffffff0800
DATA bytesOf<>+24(SB)/8, $0xffffffffffffffff
GLOBL bytesOf<>(SB), RODATA|NOPTR, $32

// func avxRequant(n int, sums *int32, c *requant, y *int8)
//
// Four sums at a time: bias added, times the multiplier, half added, shifted right,
// the zero point added, clamped. AVX2 has no arithmetic shift of 64 bits: 2^62 makes
// the products positive, and what is left of it is taken out with the zero point.
TEXT ·avxRequant(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ sums+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ y+24(FP), DI
	VPBROADCASTQ (DX), Y8
	VPBROADCASTQ 8(DX), Y9
	VPBROADCASTQ 16(DX), Y10
	VMOVQ 24(DX), X11
	VPBROADCASTQ 32(DX), Y12
	VPBROADCASTQ 40(DX), Y13
	VPBROADCASTQ 48(DX), Y14
	VMOVDQU bytesOf<>(SB), Y15

four:
	CMPQ CX, $4
	JLT  requantized
	VPMOVSXDQ (SI), Y0
	VPADDQ Y8, Y0, Y0
	VPMULDQ Y9, Y0, Y0
	VPADDQ Y10, Y0, Y0
	VPSRLQ X11, Y0, Y0
	VPADDQ Y12, Y0, Y0
	VPCMPGTQ Y0, Y13, Y1
	VPBLENDVB Y1, Y13, Y0, Y0
	VPCMPGTQ Y14, Y0, Y1
	VPBLENDVB Y1, Y14, Y0, Y0
	VPSHUFB Y15, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPUNPCKLWD X1, X0, X0
	VMOVD X0, (DI)
	ADDQ $16, SI
	ADDQ $4, DI
	SUBQ $4, CX
	JMP  four

requantized:
	VZEROUPPER
	RET

// func avxMaxPairs(n int, x, y *int8)
//
// y[i] = max(x[2i], x[2i+1]), sixteen at a time: both bytes of every word, widened.
TEXT ·avxMaxPairs(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ x+8(FP), SI
	MOVQ y+16(FP), DI

sixteen:
	CMPQ CX, $16
	JLT  paired16
	VMOVDQU (SI), Y0
	VPSRAW $8, Y0, Y1
	VPSLLW $8, Y0, Y0
	VPSRAW $8, Y0, Y0
	VPMAXSW Y1, Y0, Y0
	VPACKSSWB Y0, Y0, Y0
	VPERMQ $0x08, Y0, Y0
	VMOVDQU X0, (DI)
	ADDQ $32, SI
	ADDQ $16, DI
	SUBQ $16, CX
	JMP  sixteen

paired16:
	VZEROUPPER
	RET

// func avxMaxRows(rows, wide int, x, y *int8)
//
// y[rows,wide] = max(x[2*rows,wide] of even rows, of odd rows).
TEXT ·avxMaxRows(SB), NOSPLIT, $0-32
	MOVQ rows+0(FP), CX
	MOVQ wide+8(FP), DX
	MOVQ x+16(FP), SI
	MOVQ y+24(FP), DI

row:
	TESTQ CX, CX
	JE    rowsdone
	LEAQ (SI)(DX*1), R8
	MOVQ DX, BX

by16:
	CMPQ BX, $16
	JLT  by8
	VMOVDQU (SI), X0
	VPMAXSB (R8), X0, X0
	VMOVDQU X0, (DI)
	ADDQ $16, SI
	ADDQ $16, R8
	ADDQ $16, DI
	SUBQ $16, BX
	JMP  by16

by8:
	CMPQ BX, $8
	JLT  by4
	VMOVQ (SI), X0
	VMOVQ (R8), X1
	VPMAXSB X1, X0, X0
	VMOVQ X0, (DI)
	ADDQ $8, SI
	ADDQ $8, R8
	ADDQ $8, DI
	SUBQ $8, BX

by4:
	CMPQ BX, $4
	JLT  by1
	VMOVD (SI), X0
	VMOVD (R8), X1
	VPMAXSB X1, X0, X0
	VMOVD X0, (DI)
	ADDQ $4, SI
	ADDQ $4, R8
	ADDQ $4, DI
	SUBQ $4, BX

by1:
	TESTQ BX, BX
	JE    nextrow
	MOVBLSX (SI), R9
	MOVBLSX (R8), R10
	CMPL R9, R10
	CMOVLLT R10, R9
	MOVB R9, (DI)
	INCQ SI
	INCQ R8
	INCQ DI
	DECQ BX
	JMP  by1

nextrow:
	MOVQ R8, SI
	DECQ CX
	JMP  row

rowsdone:
	VZEROUPPER
	RET

// func avxAddScaled(n int, weights *int16, d int32, sums *int32)
//
// sums[i] += weights[i]*d, eight at a time, modulo 2^32.
TEXT ·avxAddScaled(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ weights+8(FP), SI
	MOVL d+16(FP), AX
	VMOVD AX, X0
	VPBROADCASTD X0, Y0
	MOVQ sums+24(FP), DI

eight:
	CMPQ CX, $8
	JLT  added
	VPMOVSXWD (SI), Y1
	VPMULLD Y0, Y1, Y1
	VPADDD (DI), Y1, Y1
	VMOVDQU Y1, (DI)
	ADDQ $16, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JMP  eight

added:
	VZEROUPPER
	RET
