package geometry

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
)

// IntWeights decodes the weights of a quantized layer to the integers W of R1,
// row-major in the constant's logical shape.
func IntWeights(n *ir.Node) ([]int32, error) {
	c := n.Const(ir.AttrWeight)
	codes, err := c.Load()
	if err != nil {
		return nil, err
	}
	w := make([]int32, c.Type.Shape.Size())
	var book []int8
	if b := n.Const(ir.AttrCodebook); b != nil {
		raw, err := b.Load()
		if err != nil {
			return nil, err
		}
		book = make([]int8, len(raw))
		for i, v := range raw {
			book[i] = int8(v)
		}
	}
	switch e := c.Type.Elem; e.Kind {
	case ir.I8:
		for i, v := range codes {
			w[i] = int32(int8(v))
		}
	case ir.Odd, ir.Two:
		DecodeUniform(e, codes, w)
	case ir.Code:
		DecodeCodebook(book, codes, w)
	case ir.Vec:
		s := c.Type.Shape
		DecodeVector(book, int(e.Group), codes, s[1], s.Size()/(s[0]*s[1]), w)
	default:
		return nil, fmt.Errorf("weights of %s have no decoder", e)
	}
	return w, nil
}

// DecodeUniform writes the integers of odd codes or of two's complement (R1).
func DecodeUniform(e ir.Elem, codes []uint8, w []int32) {
	for i, q := range codes {
		w[i] = 2*int32(q) - int32(e.Offset())
	}
}

// DecodeCodebook writes the integers of indices into a table (R1).
func DecodeCodebook(table []int8, codes []uint8, w []int32) {
	for i, q := range codes {
		w[i] = int32(table[q])
	}
}

// DecodeVector writes the integers of a vector code (R1): of rows of channels
// times taps, w[rows][channels][taps], each code gives d weights along the
// channels of one tap; codes run over rows, taps, groups. The last group of a tap
// may reach beyond the channels.
func DecodeVector(table []int8, d int, codes []uint8, channels, taps int, w []int32) {
	EachVector(d, codes, channels, taps, func(at, entry int) { w[at] = int32(table[entry]) })
}

// EachVector visits the weights of a vector code, laid out as for DecodeVector: the place of
// each, and of its integer in the table.
func EachVector(d int, codes []uint8, channels, taps int, visit func(at, entry int)) {
	groups := (channels + d - 1) / d
	for i, q := range codes {
		row, tap, first := i/(groups*taps), i/groups%taps, i%groups*d
		for j := range min(d, channels-first) {
			visit((row*channels+first+j)*taps+tap, int(q)*d+j)
		}
	}
}
