package ir

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxElements bounds the elements of one tensor, so that products of
// dimensions cannot overflow (VGG-16's largest layer has 103 million).
const MaxElements = 1 << 31

// MaxActivation bounds the elements of an input or of a result: as integers it then takes
// at most 64 MiB of the arena, as float32 in the interpreter 256 MiB an image. Small files
// can ask for any size (by a pad, a resize or an expand), and everything that runs the
// network would have to hold it. The first layers of a U-Net of 64 channels at 1024x1024
// pixels are as large.
const MaxActivation = 1 << 26

// Shape is a list of dimensions. Activations have logical axes C,H,W (or one
// axis), convolution weights O,I,KH,KW, linear weights O,I.
type Shape []int

// Size is the number of elements: 1 for a scalar, -1 when a dimension is not
// positive or the product exceeds MaxElements.
func (s Shape) Size() int {
	n := 1
	for _, d := range s {
		if d <= 0 || n > MaxElements/d {
			return -1
		}
		n *= d
	}
	return n
}

// Equal reports whether s and t have the same dimensions.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// String is the shape as the language writes it: [1,28,28].
func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = strconv.Itoa(d)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// Quant says which reals an integer tensor stands for: real = Scale*(x-Zero)
// (rule R3 of runtime/kernels). Scale is 0 for a tensor that stands for no reals.
type Quant struct {
	Scale float64
	Zero  int
}

// Type is the type of a tensor.
type Type struct {
	Elem  Elem
	Shape Shape
	Quant Quant
}

// String is the type without its quantization: i8[20,24,24].
func (t Type) String() string { return t.Elem.String() + t.Shape.String() }

// Slots counts what a program's memory holds of a value: one slot an element, two of
// i16, whose low byte comes first, four of i32. A slot of a module of integers is a byte.
func (t Type) Slots() int {
	if t.Elem.Kind == I16 || t.Elem.Kind == I32 {
		return t.Elem.StoredSize() * t.Shape.Size()
	}
	return t.Shape.Size()
}

// IsWide reports whether the elements of t are integers of 16 bits.
func (t Type) IsWide() bool { return t.Elem.Kind == I16 }

// Ends are the least and the greatest integer of an activation of type t.
func (t Type) Ends() (least, greatest int) {
	if t.IsWide() {
		return math.MinInt16, math.MaxInt16
	}
	return math.MinInt8, math.MaxInt8
}

// Equal reports whether t and u are the same type, quantization included.
func (t Type) Equal(u Type) bool {
	return t.Elem == u.Elem && t.Shape.Equal(u.Shape) && t.Quant == u.Quant
}

// PackedBytes is the size of a constant in the object file: a function of
// shape and format alone, the same on every target, so that a search needs no code. Codes
// are stored as bit planes, each plane a run of whole bytes without padding
// between its rows. It returns -1 for a shape of no size.
func PackedBytes(e Elem, s Shape) int {
	n := s.Size()
	if n < 0 {
		return -1
	}
	if e.Kind == Vec {
		n = VecCodes(s, int(e.Group))
	}
	bytes := 0
	for _, p := range e.Planes() {
		bytes += (n*p + 7) / 8
	}
	if !e.IsPacked() {
		bytes = n * e.StoredSize()
	}
	return bytes
}

// BookBytes is the size of the codebook that goes with a format: 2^b rows of i8,
// one a layer.
func BookBytes(e Elem) int {
	switch e.Kind {
	case Code:
		return 1 << e.Bits
	case Vec:
		return int(e.Group) << e.Bits
	}
	return 0
}

// VecCodes is the number of codes of a vector-coded weight: groups of d run
// along the input channels (axis 1), the last group of each tap filled up.
func VecCodes(s Shape, d int) int {
	if len(s) < 2 {
		return (s.Size() + d - 1) / d
	}
	return s.Size() / s[1] * ((s[1] + d - 1) / d)
}

// Range is a closed interval of reals that a tensor's values lie in.
type Range struct{ Lo, Hi float64 }

// IsValid reports whether r is finite and not empty.
func (r Range) IsValid() bool {
	return !math.IsNaN(r.Lo) && !math.IsInf(r.Lo, 0) && !math.IsInf(r.Hi, 0) && r.Lo < r.Hi
}

// FormatFloat is the shortest decimal text that reads back as x.
func FormatFloat(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
