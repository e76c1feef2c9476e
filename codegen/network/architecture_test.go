package network_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/runtime/emu"
)

// TestArchitectures is the checklist of what a processor needs. A processor of a known
// architecture is one row of ir/processor's table; a new architecture fails here until
// each line holds:
//
//  1. ir/kernel/micro/products.go: products that multiply 8 bits and codes of few bits, so
//     that a convolution and a linear layer need no family for any layer.
//  2. ir/kernel/pairs/cost.go or vectors: tables for codes of one bit, unless the
//     instruction set has no wide multiply (thumb1).
//  3. codegen/llvm: every instruction that the kernels name is printed, and LLVM IR of a
//     network comes out.
//  4. runtime/emu: an entry for its programs, and a runner, so that verify proves objects.
func TestArchitectures(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, tgt := range processor.All() {
		isa := tgt.ISA()
		if seen[isa] && testing.Short() {
			continue
		}
		seen[isa] = true
		t.Run(tgt.Name, func(t *testing.T) {
			for _, format := range []string{"i8", "odd4", "odd2", "odd1"} {
				e, ok := ir.ParseElem(format)
				require.True(t, ok)
				for _, n := range []*ir.Node{convolution(32, 32, 16), linear(128, 64)} {
					list := machine.Serving(kernel.Suppose(n, tgt, e))
					require.NotEmpty(t, list)
					assert.False(t, list[0].Family.General, "%s in %s: no product of %s (1)", n.Op, format, isa)
					isTable := func(c machine.Choice) bool {
						return slices.Contains([]string{"conv_pixels", "conv_pairs", "linear_lookup"}, c.Family.Name)
					}
					if format == "odd1" && n.Op == ir.Conv2D && isa != "thumb1" && isa != "x86_64" && !tgt.Has("mve") {
						assert.True(t, slices.ContainsFunc(list, isTable), "%s in %s: no tables on %s (2)", n.Op, format, isa)
					}
				}
			}
			m := compiled(t, tgt, "odd3")
			p, err := network.Write(m, network.Interface{Prefix: "net"})
			require.NoError(t, err)
			_, err = llvm.Print(p, tgt)
			require.NoError(t, err, "(3)")
			_, err = emu.Driver(emu.Job{Prefix: "net", Inputs: []int{4}, Outputs: []int{4}, Arena: 16, Align: 8}, tgt)
			assert.NoError(t, err, "(4)")
			assert.NotEmpty(t, tgt.Runners, "(4)")
		})
	}
}

// convolution is a 3x3 layer of some channels on an image, whose weights are floats yet.
func convolution(in, out, side int) *ir.Node {
	n := &ir.Node{Op: ir.Conv2D, Args: []*ir.Value{{Type: ir.Type{Shape: ir.Shape{in, side, side}}}}}
	n.Out = &ir.Value{Type: ir.Type{Shape: ir.Shape{out, side, side}}}
	n.Put(ir.AttrPad.Is([]int{1, 1, 1, 1}), ir.AttrWeight.Is(&ir.Const{Type: ir.Type{Shape: ir.Shape{out, in, 3, 3}}}))
	return n
}

func linear(in, out int) *ir.Node {
	n := &ir.Node{Op: ir.Linear, Args: []*ir.Value{{Type: ir.Type{Shape: ir.Shape{in}}}}}
	n.Out = &ir.Value{Type: ir.Type{Shape: ir.Shape{out}}}
	n.Put(ir.AttrWeight.Is(&ir.Const{Type: ir.Type{Shape: ir.Shape{out, in}}}))
	return n
}
