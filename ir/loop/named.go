package loop

import "slices"

// Named is an instruction of a processor, known by a name. Intrinsics defines what it
// computes; the printers define how it is written.
type Named struct {
	Name string
	Args []Expr
	T    Type
}

// Type is the type of the result.
func (e *Named) Type() Type { return e.T }

// Instr applies a named instruction. The result has the type of the last argument.
func Instr(name string, args ...Expr) Expr {
	return &Named{name, args, args[len(args)-1].Type()}
}

// Intrinsics defines the named instructions, on lanes of two's complement that are
// sign-extended to 64 bits, as the evaluator stores them.
var Intrinsics = map[string]func(args [][]int64) []int64{
	// opaque is its argument: the optimizer sees no constant in it.
	"opaque": func(a [][]int64) []int64 { return a[0] },
	// sxtb16 extends bytes 0 and 2 of an i32 to its halves.
	"sxtb16": func(a [][]int64) []int64 { return halves(wrap(a[0][0], 8), wrap(a[0][0]>>16, 8)) },
	// sxtab16 adds bytes 0 and 2 of the second argument to the halves of the first.
	"sxtab16": func(a [][]int64) []int64 {
		return halves(a[0][0]+wrap(a[1][0], 8), a[0][0]>>16+wrap(a[1][0]>>16, 8))
	},
	// smax8 is the greater of each two signed bytes.
	"smax8": func(a [][]int64) []int64 {
		v := uint32(0)
		for i := 0; i < 32; i += 8 {
			v |= uint32(uint8(max(int8(a[0][0]>>i), int8(a[1][0]>>i)))) << i
		}
		return []int64{int64(int32(v))}
	},
	// ror8 rotates an i32 right by 8 bits.
	"ror8": func(a [][]int64) []int64 {
		v := uint32(a[0][0])
		return []int64{int64(int32(v>>8 | v<<24))}
	},
	// smlad adds the two products of signed halves to an i32.
	"smlad": func(a [][]int64) []int64 {
		low := wrap(a[0][0], 16) * wrap(a[1][0], 16)
		high := wrap(a[0][0]>>16, 16) * wrap(a[1][0]>>16, 16)
		return []int64{wrap(a[2][0]+low+high, 32)}
	},
	// smlabb adds the product of the lower halves, smlatt of the upper ones.
	"smlabb": func(a [][]int64) []int64 { return []int64{wrap(a[2][0]+wrap(a[0][0], 16)*wrap(a[1][0], 16), 32)} },
	"smlatt": func(a [][]int64) []int64 { return []int64{wrap(a[2][0]+(a[0][0]>>16)*(a[1][0]>>16), 32)} },
	// smmul is the upper half of a product of i32.
	"smmul": func(a [][]int64) []int64 { return []int64{wrap(a[0][0]*a[1][0]>>32, 32)} },
	// smmulr is the upper half of a product of i32, rounded to the nearest, ties up.
	"smmulr": func(a [][]int64) []int64 { return []int64{wrap((a[0][0]*a[1][0]+1<<31)>>32, 32)} },
	// mladav adds all products of signed bytes to an i32, addv all signed bytes;
	// mladavu and addvu those of unsigned ones.
	"mladav": func(a [][]int64) []int64 {
		sum := a[2][0]
		for i, v := range a[0] {
			sum += v * a[1][i]
		}
		return []int64{wrap(sum, 32)}
	},
	"addv": func(a [][]int64) []int64 {
		sum := a[1][0]
		for _, v := range a[0] {
			sum += v
		}
		return []int64{wrap(sum, 32)}
	},
	"mladavu": func(a [][]int64) []int64 {
		sum := a[2][0]
		for i, v := range a[0] {
			sum += v & 0xff * (a[1][i] & 0xff)
		}
		return []int64{wrap(sum, 32)}
	},
	"addvu": func(a [][]int64) []int64 {
		sum := a[1][0]
		for _, v := range a[0] {
			sum += v & 0xff
		}
		return []int64{wrap(sum, 32)}
	},
	// sdot adds the products of four signed bytes each to lanes of 32 bits, udot those
	// of unsigned ones.
	"sdot": func(a [][]int64) []int64 { return dots(a, func(v int64) int64 { return v }) },
	"udot": func(a [][]int64) []int64 { return dots(a, func(v int64) int64 { return v & 0xff }) },
	// sdotlane is sdot of the first argument with the four bytes of one lane of 32 bits of the
	// second; the third is the lane's number, a constant.
	"sdotlane": func(a [][]int64) []int64 {
		x, out := a[1][a[2][0]], make([]int64, len(a[3]))
		for i, sum := range a[3] {
			for j := range 4 {
				sum += a[0][4*i+j] * wrap(x>>(8*j), 8)
			}
			out[i] = wrap(sum, 32)
		}
		return out
	},
	// smmla adds to a 2x2 matrix of 32 bits the product of two 2x8 matrices of signed bytes, the second one
	// turned; all are row by row.
	"smmla": func(a [][]int64) []int64 {
		out := make([]int64, len(a[2]))
		for i, sum := range a[2] {
			for j := range 8 {
				sum += a[0][i/2*8+j] * a[1][i%2*8+j]
			}
			out[i] = wrap(sum, 32)
		}
		return out
	},
	// lower is the lower half of the lanes of two vectors, one after the other; upper the upper half.
	"lower": func(a [][]int64) []int64 { return slices.Concat(a[0][:len(a[0])/2], a[1][:len(a[1])/2]) },
	"upper": func(a [][]int64) []int64 { return slices.Concat(a[0][len(a[0])/2:], a[1][len(a[1])/2:]) },
	// mulllane is mull of the first argument with the two bytes of one lane of 16 bits of the
	// second, in turn; the third is the lane's number, a constant, the fourth is 0 of the result's type.
	"mulllane": func(a [][]int64) []int64 {
		x, out := a[1][a[2][0]], make([]int64, len(a[0]))
		for i, w := range a[0] {
			out[i] = wrap(w*wrap(x>>(8*(i%2)), 8), 16)
		}
		return out
	},
	// ssub16 subtracts halves.
	"ssub16": func(a [][]int64) []int64 {
		return halves(a[0][0]-a[1][0], a[0][0]>>16-a[1][0]>>16)
	},
	// ubfx takes bits of an i32: from one on, so many; both are constants.
	"ubfx": func(a [][]int64) []int64 {
		return []int64{int64(uint32(a[2][0])>>a[0][0]) & (1<<a[1][0] - 1)}
	},
	// wmacc adds the products of signed bytes with one i16 to lanes of 32 bits.
	"wmacc": func(a [][]int64) []int64 {
		out := make([]int64, len(a[2]))
		for i, sum := range a[2] {
			out[i] = wrap(sum+a[0][i]*a[1][0], 32)
		}
		return out
	},
	// mull multiplies signed bytes to 16 bits.
	"mull": func(a [][]int64) []int64 {
		out := make([]int64, len(a[0]))
		for i := range out {
			out[i] = wrap(a[0][i]*a[1][i], 16)
		}
		return out
	},
	// paddl adds pairs of signed bytes; its second argument is 0, of the result's type.
	"paddl": func(a [][]int64) []int64 {
		out := make([]int64, len(a[1]))
		for i := range out {
			out[i] = a[0][2*i] + a[0][2*i+1]
		}
		return out
	},
	// padal adds pairs of signed lanes to lanes of twice the width, padalu of
	// unsigned ones.
	"padal":  func(a [][]int64) []int64 { return pairs(a[0], a[1], func(v int64) int64 { return v }) },
	"padalu": func(a [][]int64) []int64 { return pairs(a[0], a[1], func(v int64) int64 { return v & 0xffff }) },
	// abal adds |a-b| of unsigned bytes to lanes of 16 bits.
	"abal": func(a [][]int64) []int64 {
		out := make([]int64, len(a[2]))
		for i, sum := range a[2] {
			d := int64(uint8(a[0][i])) - int64(uint8(a[1][i]))
			out[i] = wrap(sum+max(d, -d), 16)
		}
		return out
	},
	// tst is all ones in the lanes where a and b have a bit in common, else 0.
	"tst": func(a [][]int64) []int64 {
		out := make([]int64, len(a[0]))
		for i := range out {
			if a[0][i]&a[1][i] != 0 {
				out[i] = -1
			}
		}
		return out
	},
	// tbl16 are entries of a table of 16, which the lanes of the third argument
	// index; the first two are the entries' lower and upper bytes.
	"tbl16": func(a [][]int64) []int64 {
		out := make([]int64, len(a[2]))
		for i, n := range a[2] {
			out[i] = wrap(a[0][n]&0xff|a[1][n]<<8, 16)
		}
		return out
	},
	// zip is the lanes of two vectors in turn.
	"zip": func(a [][]int64) []int64 {
		out := make([]int64, 2*len(a[0]))
		for i := range out {
			out[i] = a[i%2][i/2]
		}
		return out
	},
	// zip2 is pairs of lanes of two vectors in turn.
	"zip2": func(a [][]int64) []int64 {
		out := make([]int64, 2*len(a[0]))
		for i := range out {
			out[i] = a[i/2%2][i/4*2+i%2]
		}
		return out
	},
	// qdmulh is the upper half of twice a product, saturated.
	"qdmulh": func(a [][]int64) []int64 {
		out := make([]int64, len(a[0]))
		for i := range out {
			out[i] = min(a[0][i]*a[1][i]>>31, 1<<31-1)
		}
		return out
	},
	// qrdmulh is qdmulh rounded to the nearest, ties up.
	"qrdmulh": func(a [][]int64) []int64 {
		out := make([]int64, len(a[0]))
		for i := range out {
			out[i] = min((a[0][i]*a[1][i]+1<<30)>>31, 1<<31-1)
		}
		return out
	},
	// rshr shifts lanes right by 0..32, rounding to the nearest, ties up; the second
	// argument holds the negative distances.
	"rshr": func(a [][]int64) []int64 {
		out := make([]int64, len(a[0]))
		for i, x := range a[0] {
			out[i] = x
			if by := -a[1][i]; by > 0 {
				out[i] = (x + 1<<(by-1)) >> by
			}
		}
		return out
	},
	// qshl shifts lanes of 32 bits left by a constant, the first argument, saturated.
	"qshl": func(a [][]int64) []int64 {
		out := make([]int64, len(a[1]))
		for i, x := range a[1] {
			out[i] = saturated(x<<a[0][0], 32)
		}
		return out
	},
	// qadd adds lanes of 16 bits, saturated.
	"qadd": func(a [][]int64) []int64 {
		out := make([]int64, len(a[0]))
		for i := range out {
			out[i] = saturated(a[0][i]+a[1][i], 16)
		}
		return out
	},
	// qxtn16 is the lanes of its arguments, one vector after the other, saturated to 16 bits;
	// qxtn8 saturates lanes of 16 bits to 8.
	"qxtn16": func(a [][]int64) []int64 { return narrowed(a, 16) },
	"qxtn8":  func(a [][]int64) []int64 { return narrowed(a, 8) },
	// tbl64 is the entry of a table of 64 bytes that each lane of the fifth argument names; the
	// first four are the table. Where a lane, unsigned, is above 63, it is the lane of the
	// sixth argument.
	"tbl64": func(a [][]int64) []int64 {
		out := make([]int64, len(a[4]))
		for i, n := range a[4] {
			out[i] = a[5][i]
			if n >= 0 && n < 64 {
				out[i] = a[n/16][n%16]
			}
		}
		return out
	},
	// sums are the sums of the lanes of each argument; lanes are the arguments.
	"sums": func(a [][]int64) []int64 {
		out := make([]int64, len(a))
		for i, v := range a {
			for _, x := range v {
				out[i] += x
			}
			out[i] = wrap(out[i], 32)
		}
		return out
	},
	"lanes": func(a [][]int64) []int64 {
		out := make([]int64, len(a))
		for i, v := range a {
			out[i] = v[0]
		}
		return out
	},
	// sum adds all lanes.
	"sum": func(a [][]int64) []int64 {
		var sum int64
		for _, v := range a[0] {
			sum += v
		}
		return []int64{wrap(sum, 32)}
	},
	// usada8 adds the four |a-b| of unsigned bytes to an i32.
	"usada8": func(a [][]int64) []int64 {
		sum := a[2][0]
		for i := range 4 {
			d := int64(uint8(a[0][0]>>(8*i))) - int64(uint8(a[1][0]>>(8*i)))
			sum += max(d, -d)
		}
		return []int64{wrap(sum, 32)}
	},
}

// saturated bounds v to the integers of the given bits.
func saturated(v int64, bits int) int64 { return min(max(v, -1<<(bits-1)), 1<<(bits-1)-1) }

// narrowed is the lanes of all vectors, saturated.
func narrowed(a [][]int64, bits int) (out []int64) {
	for _, v := range a {
		for _, x := range v {
			out = append(out, saturated(x, bits))
		}
	}
	return out
}

// dots adds the products of four bytes each to sums of 32 bits.
func dots(a [][]int64, of func(int64) int64) []int64 {
	out := make([]int64, len(a[2]))
	for i, sum := range a[2] {
		for j := 4 * i; j < 4*i+4; j++ {
			sum += of(a[0][j]) * of(a[1][j])
		}
		out[i] = wrap(sum, 32)
	}
	return out
}

func halves(low, high int64) []int64 { return []int64{wrap(low&0xffff|high<<16, 32)} }

// pairs adds pairs of lanes of 16 bits to sums of 32.
func pairs(x, sums []int64, of func(int64) int64) []int64 {
	out := make([]int64, len(sums))
	for i, sum := range sums {
		out[i] = wrap(sum+of(x[2*i])+of(x[2*i+1]), 32)
	}
	return out
}
