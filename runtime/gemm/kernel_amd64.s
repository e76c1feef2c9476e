#include "textflag.h"

// func avxFloatTile(k int, a *float32, lda int, b, c *float32)
//
// c[4,16] = a[4,k] * b[k,16]: rows of a are lda elements apart, b and c have no
// gaps. Products and sums are rounded apart, each element's in the order of k,
// so that the portable loop gives the same bits. Eight sums in Y0..Y7, a row of b
// in Y8 and Y9, one element of a in Y10.
TEXT ·avxFloatTile(SB), NOSPLIT, $0-40
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ lda+16(FP), DX
	MOVQ b+24(FP), DI
	MOVQ c+32(FP), BX
	SHLQ $2, DX
	LEAQ (SI)(DX*1), R8
	LEAQ (SI)(DX*2), R9
	LEAQ (R8)(DX*2), R10
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	XORQ AX, AX

step:
	CMPQ AX, CX
	JGE  done
	VMOVUPS (DI), Y8
	VMOVUPS 32(DI), Y9
	VBROADCASTSS (SI)(AX*4), Y10
	VMULPS Y8, Y10, Y11
	VMULPS Y9, Y10, Y12
	VADDPS Y11, Y0, Y0
	VADDPS Y12, Y1, Y1
	VBROADCASTSS (R8)(AX*4), Y13
	VMULPS Y8, Y13, Y14
	VMULPS Y9, Y13, Y15
	VADDPS Y14, Y2, Y2
	VADDPS Y15, Y3, Y3
	VBROADCASTSS (R9)(AX*4), Y10
	VMULPS Y8, Y10, Y11
	VMULPS Y9, Y10, Y12
	VADDPS Y11, Y4, Y4
	VADDPS Y12, Y5, Y5
	VBROADCASTSS (R10)(AX*4), Y13
	VMULPS Y8, Y13, Y14
	VMULPS Y9, Y13, Y15
	VADDPS Y14, Y6, Y6
	VADDPS Y15, Y7, Y7
	ADDQ $64, DI
	INCQ AX
	JMP  step

done:
	VMOVUPS Y0, (BX)
	VMOVUPS Y1, 32(BX)
	VMOVUPS Y2, 64(BX)
	VMOVUPS Y3, 96(BX)
	VMOVUPS Y4, 128(BX)
	VMOVUPS Y5, 160(BX)
	VMOVUPS Y6, 192(BX)
	VMOVUPS Y7, 224(BX)
	VZEROUPPER
	RET

// func pairPanel(pairs int, panel *int8, zero int16, out *int16)
//
// Of two rows of 16 bytes each, less zero: the pairs of pixels 0 to 3 and 8 to 11,
// then those of 4 to 7 and 12 to 15, as the halves of a register interleave.
TEXT ·pairPanel(SB), NOSPLIT, $0-32
	MOVQ pairs+0(FP), CX
	MOVQ panel+8(FP), SI
	MOVWLZX zero+16(FP), AX
	MOVQ out+24(FP), DI
	VMOVD AX, X15
	VPBROADCASTW X15, Y15

pair:
	TESTQ CX, CX
	JE    paired
	VPMOVSXBW (SI), Y0
	VPMOVSXBW 16(SI), Y1
	VPSUBW Y15, Y0, Y0
	VPSUBW Y15, Y1, Y1
	VPUNPCKLWD Y1, Y0, Y2
	VPUNPCKHWD Y1, Y0, Y3
	VMOVDQU Y2, (DI)
	VMOVDQU Y3, 32(DI)
	ADDQ $32, SI
	ADDQ $64, DI
	DECQ CX
	JMP  pair

paired:
	VZEROUPPER
	RET

// func intTile(pairs int, a *int16, lda int, panel *int16, c *[64]int32)
//
// c[4,16] = a[4,2*pairs] * panel, as pairPanel laid it out. VPMADDWD multiplies a
// pair of a with the pairs of eight pixels and adds; the sums are exact.
TEXT ·intTile(SB), NOSPLIT, $0-40
	MOVQ pairs+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ lda+16(FP), DX
	MOVQ panel+24(FP), DI
	MOVQ c+32(FP), BX
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
	// Pixels 0 to 7 are the low halves, 8 to 15 the high ones.
	VPERM2I128 $0x20, Y1, Y0, Y8
	VPERM2I128 $0x31, Y1, Y0, Y9
	VMOVDQU Y8, (BX)
	VMOVDQU Y9, 32(BX)
	VPERM2I128 $0x20, Y3, Y2, Y8
	VPERM2I128 $0x31, Y3, Y2, Y9
	VMOVDQU Y8, 64(BX)
	VMOVDQU Y9, 96(BX)
	VPERM2I128 $0x20, Y5, Y4, Y8
	VPERM2I128 $0x31, Y5, Y4, Y9
	VMOVDQU Y8, 128(BX)
	VMOVDQU Y9, 160(BX)
	VPERM2I128 $0x20, Y7, Y6, Y8
	VPERM2I128 $0x31, Y7, Y6, Y9
	VMOVDQU Y8, 192(BX)
	VMOVDQU Y9, 224(BX)
	VZEROUPPER
	RET

// func avxAddRows(n int, d *[4]float32, a, b, c, e, y *float32)
//
// y[i] += d[0]*a[i], then d[1]*b[i], d[2]*c[i], d[3]*e[i]; products and sums are
// rounded apart, in this order, as the portable loop does.
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
	VMULPS (SI)(AX*4), Y0, Y5
	VMULPS (R8)(AX*4), Y1, Y6
	VMULPS (R9)(AX*4), Y2, Y7
	VMULPS (R10)(AX*4), Y3, Y8
	VADDPS Y5, Y4, Y4
	VADDPS Y6, Y4, Y4
	VADDPS Y7, Y4, Y4
	VADDPS Y8, Y4, Y4
	VMOVUPS Y4, (DI)(AX*4)
	ADDQ $8, AX
	JMP  wide

narrow:
	ADDQ $8, CX

one:
	CMPQ AX, CX
	JGE  end
	VMOVSS (DI)(AX*4), X4
	VMULSS (SI)(AX*4), X0, X5
	VMULSS (R8)(AX*4), X1, X6
	VMULSS (R9)(AX*4), X2, X7
	VMULSS (R10)(AX*4), X3, X8
	VADDSS X5, X4, X4
	VADDSS X6, X4, X4
	VADDSS X7, X4, X4
	VADDSS X8, X4, X4
	VMOVSS X4, (DI)(AX*4)
	INCQ AX
	JMP  one

end:
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
