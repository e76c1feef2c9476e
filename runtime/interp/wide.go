package interp

import (
	"encoding/binary"
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// stepOf is a step on the elements of n images. Those of 16 bits take two slots each of the program's
// memory; inWords makes a step on that of one on elements.
type stepOf[T any] = func(ws *workspace, n int, dst []T, src [][]T)

// word is element i of a value of 16 bits, whose low byte comes first.
func word(x []int8, i int) int16 { return int16(x[2*i+1])<<8 | int16(uint8(x[2*i])) }

func putWord(y []int8, i int, v int16) { y[2*i], y[2*i+1] = int8(v), int8(v>>8) }

// sized is the step of a node on elements of 8 bits, or on those of 16 where it takes or gives such.
func sized(n *ir.Node, bytes intRun, words stepOf[int16]) intRun {
	if n.IsWide() {
		return inWords(n, words)
	}
	return bytes
}

// inWords is a step on elements of 16 bits as one on the program's memory; those of 8 bits are widened.
func inWords(n *ir.Node, run stepOf[int16]) intRun {
	wide := make([]bool, len(n.Args))
	for k, a := range n.Args {
		wide[k] = a.Type.IsWide()
	}
	isWide := n.Out.Type.IsWide()
	return func(ws *workspace, count int, dst []int8, src [][]int8) {
		args := make([][]int16, len(src))
		for k, x := range src {
			args[k] = widened(x, wide[k])
		}
		size := len(dst)
		if isWide {
			size /= 2
		}
		y := make([]int16, size)
		run(ws, count, y, args)
		for i, v := range y {
			if isWide {
				putWord(dst, i, v)
			} else {
				dst[i] = int8(v)
			}
		}
	}
}

func widened(x []int8, isWide bool) []int16 {
	if !isWide {
		y := make([]int16, len(x))
		for i, v := range x {
			y[i] = int16(v)
		}
		return y
	}
	y := make([]int16, len(x)/2)
	for i := range y {
		y[i] = word(x, i)
	}
	return y
}

// ofTwo is a step of a kernel of two arguments, element by element.
func ofTwo[T any](kernel func(a, b, y []T)) stepOf[T] {
	return func(_ *workspace, _ int, dst []T, src [][]T) { kernel(src[0], src[1], dst) }
}

// words are the elements of a table of 16 bits, of so many.
func words(c *ir.Const, entries int) ([]int16, error) {
	raw, err := c.Load()
	if err != nil {
		return nil, err
	}
	if len(raw) != 2*entries {
		return nil, fmt.Errorf("a table of %d bytes, not of %d", len(raw), 2*entries)
	}
	t := make([]int16, entries)
	for i := range t {
		t[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return t, nil
}

// wideTable is R14 of i16.
func wideTable(n *ir.Node) (intRun, error) {
	if n.Const(ir.AttrMul) == nil {
		table, err := words(n.Const(ir.AttrTable), ir.WideTable)
		return inWords(n, perImage(func(x, y []int16) { kernels.TableWide(table, x, y) })), err
	}
	table, err := words(n.Const(ir.AttrTable), ir.SigmoidTable)
	if err != nil {
		return nil, err
	}
	mul, shift, err := geometry.Factors(n)
	if err != nil {
		return nil, err
	}
	fn, _ := n.Function()
	return inWords(n, perImage(func(x, y []int16) { kernels.SigmoidWide(table, fn == ir.Tanh, mul[0], shift[0], x, y) })), nil
}
