package interp

import (
	"encoding/binary"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

func floatHistory(_ *Float, n *ir.Node) (floatRun, error) {
	h := geometry.HistoryOf(n)
	return perImage(func(x, y []float32) { kernels.History(&h, x, 0, y) }), nil
}

func historyGradient(n *ir.Node) (backward, error) {
	h := geometry.HistoryOf(n)
	return byImage(func(_ *back, _, dx [][]float32, _, dy []float32) {
		for o := range h.Outer {
			for i, f := range h.At {
				for k := range h.Inner {
					if f >= 0 {
						dx[0][(o*h.In+f)*h.Inner+k] += dy[(o*len(h.At)+i)*h.Inner+k]
					}
				}
			}
		}
	}), nil
}

// intHistory moves slots: those of an element stay together.
func intHistory(_ *Int, n *ir.Node) (intRun, error) {
	h, t := geometry.HistoryOf(n), n.Args[0].Type
	h.Inner *= t.Slots() / t.Shape.Size()
	if len(n.States()) == 0 {
		return perImage(func(x, y []int8) { kernels.History(&h, x, int8(t.Quant.Zero), y) }), nil
	}
	return eachImage(func(dst []int8, src [][]int8) {
		putLong(src[2], 0, int32(kernels.HistoryStep(&h, src[0], src[1], int(long(src[2], 0)), dst)))
	}), nil
}

// eachImage is a step whose operation also writes its arguments: its states.
func eachImage(run func(dst []int8, src [][]int8)) intRun {
	return func(_ *workspace, count int, dst []int8, src [][]int8) {
		own := make([][]int8, len(src))
		for i := range count {
			for k, x := range src {
				own[k] = part(x, i, count)
			}
			run(part(dst, i, count), own)
		}
	}
}

// part is what image i of some has of x.
func part[T any](x []T, i, count int) []T {
	size := len(x) / count
	return x[i*size : (i+1)*size]
}

// long is element i of a state of 32 bits.
func long(x []int8, i int) int32 {
	var b [4]byte
	for k := range b {
		b[k] = byte(x[4*i+k])
	}
	return int32(binary.LittleEndian.Uint32(b[:]))
}

func putLong(y []int8, i int, v int32) {
	for k := range 4 {
		y[4*i+k] = int8(v >> (8 * k))
	}
}
