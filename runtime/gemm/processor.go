package gemm

// level is the instructions that the kernels use: each has those before it. All give the
// same bits.
type level int

const (
	plain  level = iota // loops in Go
	avx2                // of amd64, as the two below, with fused steps (FMA)
	avx512              // the subsets F, BW, DQ and VL
	vnni                // AVX-512 with products of bytes
)

// String is the name of the instructions.
func (l level) String() string {
	return [...]string{"plain loops", "AVX2", "AVX-512", "AVX-512 VNNI"}[l]
}

// Instructions names what the kernels use on this processor.
func Instructions() string { return processor.String() }
