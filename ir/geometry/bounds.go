package geometry

import (
	"math"

	"github.com/dnnc/dnnc/ir"
)

// Bounds are the reals between which an activation keeps its result.
func Bounds(act string) (lo, hi float64) {
	switch act {
	case ir.ActRelu:
		return 0, math.Inf(1)
	case ir.ActRelu6:
		return 0, 6
	}
	return math.Inf(-1), math.Inf(1)
}
