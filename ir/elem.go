package ir

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is the family of an element type.
type Kind uint8

// The families of element types. Odd, Two, Code and Vec are formats of packed
// weights; only constants have them.
const (
	Invalid Kind = iota
	F32
	I8
	U8
	I16
	I32
	I64
	Odd  // odd multiples of a scale: W = 2q-(2^b-1) (rule R1 of runtime/kernels)
	Two  // two's complement, even multiples of a scale: W = 2q-2^b (R1)
	Code // weight sharing: one index a weight into a codebook
	Vec  // vector code: one index for a group of weights
)

var kindNames = [...]string{Invalid: "invalid", F32: "f32", I8: "i8", U8: "u8", I16: "i16", I32: "i32", I64: "i64", Odd: "odd", Two: "i", Code: "code", Vec: "vec"}

// Elem is an element type: a number, or a format of packed weights.
type Elem struct {
	Kind  Kind
	Bits  uint8  // of one code, for Odd, Two, Code and Vec
	Group uint16 // weights that one code of a Vec stands for
}

// The limits of the formats.
const (
	MaxCodeBits = 8
	MaxGroup    = 64
)

// OddOf is the format of odd codes of b bits, b in 1..8.
func OddOf(b int) Elem { return Elem{Kind: Odd, Bits: uint8(b)} }

// The widths of two's complement; of 8 bits it is I8.
const (
	leastTwo    = 2
	greatestTwo = 7
)

// TwoOf is the format of two's complement of b bits, b in 2..7.
func TwoOf(b int) Elem { return Elem{Kind: Two, Bits: uint8(b)} }

// CodeOf is the format of b-bit indices into a codebook, b in 1..8.
func CodeOf(b int) Elem { return Elem{Kind: Code, Bits: uint8(b)} }

// VecOf is the vector code of b-bit indices for groups of d weights.
func VecOf(b, d int) Elem { return Elem{Kind: Vec, Bits: uint8(b), Group: uint16(d)} }

// Of is the element type of a plain number.
func Of(k Kind) Elem { return Elem{Kind: k} }

// String is the name of e in the language: f32, i8, odd4, vec4x16.
func (e Elem) String() string {
	switch e.Kind {
	case Odd, Two, Code:
		return kindNames[e.Kind] + strconv.Itoa(int(e.Bits))
	case Vec:
		return fmt.Sprintf("vec%dx%d", e.Bits, e.Group)
	}
	return kindNames[e.Kind]
}

// ParseElem reads the name of an element type; ok is false for any other text.
func ParseElem(s string) (e Elem, ok bool) {
	for k := F32; k <= I64; k++ {
		if s == kindNames[k] {
			return Of(k), true
		}
	}
	for _, k := range []Kind{Odd, Two, Code, Vec} {
		rest, found := strings.CutPrefix(s, kindNames[k])
		if !found {
			continue
		}
		group := 0
		if k == Vec {
			var d string
			if rest, d, found = strings.Cut(rest, "x"); !found {
				return Elem{}, false
			}
			if group = smallNumber(d); group < 1 || group > MaxGroup {
				return Elem{}, false
			}
		}
		if b := smallNumber(rest); b >= 1 && b <= MaxCodeBits && (k != Two || b >= leastTwo && b <= greatestTwo) {
			return Elem{Kind: k, Bits: uint8(b), Group: uint16(group)}, true
		}
	}
	return Elem{}, false
}

// smallNumber reads a decimal of at most three digits without sign or leading
// zero, or gives -1.
func smallNumber(s string) int {
	if len(s) == 0 || len(s) > 3 || s[0] == '0' {
		return -1
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return -1
	}
	return int(n)
}

// ElemNames lists every element type's name, for suggestions.
func ElemNames() []string {
	names := []string{"f32", "i8", "u8", "i16", "i32", "i64"}
	for b := 1; b <= MaxCodeBits; b++ {
		names = append(names, OddOf(b).String(), CodeOf(b).String())
	}
	for b := leastTwo; b <= greatestTwo; b++ {
		names = append(names, TwoOf(b).String())
	}
	return names
}

// IsPacked reports whether e is a format of packed weights: one whose values
// are codes rather than numbers.
func (e Elem) IsPacked() bool { return e.IsUniform() || e.Kind == Code || e.Kind == Vec }

// IsUniform reports whether a code q stands for 2q-Offset().
func (e Elem) IsUniform() bool { return e.Kind == Odd || e.Kind == Two }

// Offset is what uniform codes, doubled, are reduced by: 2^b-1, or 2^b where 0 is among them.
func (e Elem) Offset() int64 {
	if e.Kind == Two {
		return 1 << e.Bits
	}
	return 1<<e.Bits - 1
}

// StoredSize is the number of bytes of one stored element in a tensors file:
// codes are stored one a byte there.
func (e Elem) StoredSize() int {
	switch e.Kind {
	case F32, I32:
		return 4
	case I16:
		return 2
	case I64:
		return 8
	}
	return 1
}

// CodeBits is the bits of one code in the object file: 8 for i8.
func (e Elem) CodeBits() int {
	if e.IsPacked() {
		return int(e.Bits)
	}
	return 8 * e.StoredSize()
}

// Planes are the widths of the bit planes in which codes of e are packed, the
// highest bits first: 3 = 2+1, 5 = 4+1, 6 = 4+2, 7 = 4+2+1.
func (e Elem) Planes() []int {
	var planes []int
	for rest, p := e.CodeBits(), 8; p > 0; p /= 2 {
		if rest >= p {
			planes = append(planes, p)
			rest -= p
		}
	}
	return planes
}

// MaxWeight is the greatest absolute value of an integer weight W of format e
// (rule R1 of runtime/kernels); codebooks hold int8.
func (e Elem) MaxWeight() int64 {
	if e.IsUniform() {
		return e.Offset()
	}
	return 128
}

// ChannelBytes is the bytes of an output channel's constants in the object, beside its
// weights: a bias of 4 bytes, a multiplier of 4 and a shift of 1. Budgets in bytes count
// them.
const ChannelBytes = 4 + 4 + 1
