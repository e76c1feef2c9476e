package geometry

import (
	"math"

	"github.com/dnnc/dnnc/ir"
)

// Bounds are the reals between which an activation keeps its result.
func Bounds(act string) (lo, hi float64) {
	switch act {
	case "relu":
		return 0, math.Inf(1)
	case "relu6":
		return 0, 6
	}
	return math.Inf(-1), math.Inf(1)
}

// FunctionOf is the function that an operation computes, and its numbers.
func FunctionOf(n *ir.Node) (name string, params []float64) {
	if n.Op == ir.Table {
		return n.Word("fn"), n.Nums("params")
	}
	for i := range n.Op.Info().Attrs {
		params = append(params, n.Float(n.Op.Info().Attrs[i].Name))
	}
	return n.Op.String(), params
}
