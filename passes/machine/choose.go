package machine

import (
	"cmp"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/processor"
)

// Choice is a family of kernels and its plan of a layer.
type Choice struct {
	Family *kernel.Family
	Plan   kernel.Plan
}

// Serving lists what serves a layer: by estimated cycles, the cheapest first, then the
// families for any layer.
func Serving(l kernel.Layer) []Choice {
	var list []Choice
	for _, f := range families.Table {
		if p, ok := f.Serves(l); ok {
			list = append(list, Choice{f, p})
		}
	}
	general := func(c Choice) int {
		if c.Family.General {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b Choice) int {
		return cmp.Or(general(a)-general(b), cmp.Compare(a.Plan.Cycles(), b.Plan.Cycles()))
	})
	return list
}

// Cycles estimates the instructions of a layer with weights on a processor, if its
// weights had a format: what a search with a budget of time adds up. It is infinite where
// no kernel reads the format.
func Cycles(n *ir.Node, t *processor.Target, e ir.Elem) float64 {
	list := Serving(kernel.Suppose(n, t, e))
	if len(list) == 0 {
		return math.Inf(1)
	}
	return list[0].Plan.Cycles()
}

// Estimate is the estimated instructions of an operation without weights on a processor; isKnown is false where its
// estimate is not held to counts there.
func Estimate(n *ir.Node, t *processor.Target) (cycles float64, isKnown bool) {
	list := Serving(kernel.Of(n, t))
	if len(list) == 0 || list[0].Family.Fitted == nil || !list[0].Family.Fitted(t) {
		return 0, false
	}
	return list[0].Plan.Cycles(), true
}

// assign has a choice compute a node.
func (c Choice) assign(n *ir.Node) { c.Family.Assign(n, c.Plan) }
