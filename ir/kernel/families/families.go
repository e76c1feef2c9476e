// Package families lists all kernel families.
package families

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/bilinear"
	"github.com/dnnc/dnnc/ir/kernel/decode"
	"github.com/dnnc/dnnc/ir/kernel/depthwise"
	"github.com/dnnc/dnnc/ir/kernel/elements"
	"github.com/dnnc/dnnc/ir/kernel/lanes"
	"github.com/dnnc/dnnc/ir/kernel/lookup"
	"github.com/dnnc/dnnc/ir/kernel/micro"
	"github.com/dnnc/dnnc/ir/kernel/moves"
	"github.com/dnnc/dnnc/ir/kernel/pairs"
	"github.com/dnnc/dnnc/ir/kernel/pixels"
	"github.com/dnnc/dnnc/ir/kernel/pool"
	"github.com/dnnc/dnnc/ir/kernel/recurrent"
	"github.com/dnnc/dnnc/ir/kernel/rows"
	"github.com/dnnc/dnnc/ir/kernel/spectrum"
	"github.com/dnnc/dnnc/ir/kernel/tile"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/stripes"
)

// Table is every family. If two plans have equal estimates, the family that is first in the
// table is chosen.
var Table = []*kernel.Family{
	&lanes.Depthwise, &lanes.Strips, &depthwise.Conv, &lanes.Conv, &pixels.Conv, &pairs.Conv, &micro.Conv, &micro.Blocks, &lookup.Conv, &decode.Conv, &tile.Conv,
	&lanes.Linear, &lookup.Linear, &micro.Linear, &decode.Linear, &tile.Linear,
	&pool.Max, &pool.Avg,
	&elements.Add, &elements.Sub, &elements.Squares, &elements.Scaled, &elements.Mul, &elements.Min, &elements.Max, &elements.Table, &elements.Rescale,
	&moves.Concat, &moves.Reshape, &moves.Copy, &moves.Pad, &moves.Embedding, &moves.History,
	&rows.Reduce, &rows.ArgMax, &micro.MatMul, &rows.MatMul, &rows.Softmax, &rows.LogSoftmax, &rows.L2Norm,
	&bilinear.Pixels,
	&spectrum.Fourier,
	&recurrent.Loop,
}

func init() {
	ir.AddColumn(ir.Column{Name: "kernel family", Place: "ir/kernel/families/families.go",
		Needs: func(op ir.Op) bool { return op.Is(ir.Core) },
		Has: func(op ir.Op) bool {
			return slices.ContainsFunc(Table, func(f *kernel.Family) bool { return f.Op == op })
		}})
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

// Restore returns the plan of a planned node. If the attributes are no plan of the node's
// family, as in a dump that was edited by hand, it returns a diagnostic.
func Restore(n *ir.Node, t *processor.Target) (kernel.Plan, error) {
	name := n.Word(ir.AttrImpl)
	f := Find(name)
	if f == nil || f.Op != n.Op {
		return nil, foreign(n, fmt.Errorf("no kernel %q computes %s", name, n.Op))
	}
	p, err := f.Restore(n, t)
	if err != nil {
		return nil, foreign(n, err)
	}
	return p, nil
}

// Cycles estimates the instructions of node k of what a planned module runs: in a chain, those of
// its kernel for all rows; of a node that is divided, those of all parts.
func Cycles(u stripes.Unit, k int, t *processor.Target) (sum float64, err error) {
	for _, c := range u.Kernels(k) {
		p, err := Restore(c.Node, t)
		if err != nil {
			return 0, err
		}
		sum += float64(c.Times) * p.Cycles()
	}
	return sum, nil
}

// Longest is Cycles, of a node that is divided those of its longest part.
func Longest(u stripes.Unit, k int, t *processor.Target) (most float64, err error) {
	if u.Parts == nil {
		return Cycles(u, k, t)
	}
	for _, c := range u.Kernels(k) {
		p, err := Restore(c.Node, t)
		if err != nil {
			return 0, err
		}
		most = max(most, p.Cycles())
	}
	return most, nil
}

func foreign(n *ir.Node, err error) error {
	return diag.New(n.Pos, diag.BadValue, "%s: %v", n.Name(), err).
		WithHelp("-start-after fuse-pool selects kernels and plans memory anew")
}
