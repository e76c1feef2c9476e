// Package families lists all families of kernels.
package families

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/decode"
	"github.com/dnnc/dnnc/ir/kernel/depthwise"
	"github.com/dnnc/dnnc/ir/kernel/elements"
	"github.com/dnnc/dnnc/ir/kernel/lookup"
	"github.com/dnnc/dnnc/ir/kernel/micro"
	"github.com/dnnc/dnnc/ir/kernel/moves"
	"github.com/dnnc/dnnc/ir/kernel/pairs"
	"github.com/dnnc/dnnc/ir/kernel/pixels"
	"github.com/dnnc/dnnc/ir/kernel/pool"
	"github.com/dnnc/dnnc/ir/kernel/rows"
	"github.com/dnnc/dnnc/ir/kernel/tile"
	"github.com/dnnc/dnnc/ir/processor"
)

// Table is every family. Of two plans that cost the same, the family that stands first
// is chosen.
var Table = []*kernel.Family{
	&depthwise.Conv, &pixels.Conv, &pairs.Conv, &micro.Conv, &micro.Blocks, &lookup.Conv, &decode.Conv, &tile.Conv,
	&lookup.Linear, &micro.Linear, &decode.Linear, &tile.Linear,
	&pool.Max, &pool.Avg,
	&elements.Add, &elements.Sub, &elements.Mul, &elements.Min, &elements.Max, &elements.Table, &elements.Rescale,
	&moves.Concat, &moves.Reshape, &moves.Copy, &moves.Pad, &moves.Embedding,
	&rows.Reduce, &rows.ArgMax, &rows.MatMul, &rows.Softmax,
}

// Find returns the family of a name, or nil.
func Find(name string) *kernel.Family {
	for _, f := range Table {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Restore is the plan of a planned node.
func Restore(n *ir.Node, t *processor.Target) (kernel.Plan, error) {
	f := Find(n.Word("impl"))
	if f == nil || f.Op != n.Op {
		return nil, fmt.Errorf("no kernel %q computes %s", n.Word("impl"), n.Op)
	}
	return f.Restore(n, t)
}
