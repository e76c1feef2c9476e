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
