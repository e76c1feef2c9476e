package geometry

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// byElement are the operations that compute each element from those at its place.
var byElement = []ir.Op{ir.Add, ir.Sub, ir.Mul, ir.Minimum, ir.Maximum, ir.Table, ir.Requantize}

// IsByElement reports whether an operation computes each element from those at its place.
func IsByElement(op ir.Op) bool { return slices.Contains(byElement, op) }

// HasWindows reports whether an operation computes a pixel from a window.
func HasWindows(op ir.Op) bool {
	return op == ir.Conv2D || op == ir.MaxPool2D || op == ir.AvgPool2D
}

// View is the rows of an image that a row of a result is computed from: Extent rows, from Stride times
// its number less Before. Of columns it is the same.
type View struct{ Stride, Before, Extent int }

// ViewOfRows is the view of an operation by element or on windows, with the pooling that is fused into it.
func ViewOfRows(n *ir.Node) View {
	if IsByElement(n.Op) {
		return View{Stride: 1, Extent: 1}
	}
	w := WindowOf(n)
	pooled, _ := n.Pool()
	return View{pooled * w.StrideH, w.PadT, (pooled-1)*w.StrideH + (w.KH-1)*w.DilH + 1}
}

// ViewOfColumns is that of its columns.
func ViewOfColumns(n *ir.Node) View {
	if IsByElement(n.Op) {
		return View{Stride: 1, Extent: 1}
	}
	w := WindowOf(n)
	_, pooled := n.Pool()
	return View{pooled * w.StrideW, w.PadL, (pooled-1)*w.StrideW + (w.KW-1)*w.DilW + 1}
}
