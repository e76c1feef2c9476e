// Package machine holds the passes that decide how a quantized network is
// computed on a target: which kernel, which tile, which memory. Code
// generation decides nothing; it reads what these passes wrote into the IR.
package machine

import (
	"cmp"
	"context"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/micro"
	"github.com/dnnc/dnnc/ir/stripes"
	"github.com/dnnc/dnnc/passes/pass"
)

// Select chooses the kernel of each operation, its tile and its scratch: within the
// memory that a budget leaves, if there is one. What another target's choice left is
// dropped first.
func Select(_ context.Context, m *ir.Module, env *pass.Env) error {
	m.Target = env.Target.Name
	m.Arena = ir.Arena{}
	for _, s := range m.States {
		s.At = ir.Place{}
	}
	if err := byRows(m, env); err != nil {
		return err
	}
	var list diag.List
	var fastest []Choice
	for _, n := range m.Ops {
		n.Drop(ir.AttrImpl, ir.AttrMultiply, ir.AttrTile, ir.AttrUnroll, ir.AttrScratch, ir.AttrLag, ir.AttrParts)
		n.Drop(stripes.Keys...)
		n.Out.At = ir.Place{}
		if env.Small && (n.Op.HasWeights() || n.Op == ir.Recurrent) {
			n.Put(ir.AttrUnroll.Is(smallRound))
		}
		choices := Serving(kernel.Of(n, env.Target))
		if len(choices) == 0 {
			list.Add(n.Pos, diag.Unsupported, "%s: no kernel for this %s on %s", n.Name(), n.Op, env.Target.Name)
			continue
		}
		choices[0].assign(n)
		fastest = append(fastest, choices[0])
	}
	if err := list.Err(); err != nil {
		return err
	}
	start, err := started(m, env.Target, fastest)
	if err != nil {
		return err
	}
	ram := cmp.Or(env.Budget.RAM, m.Within)
	if ram > 0 {
		ram = max(ram-placeStates(m), 1)
		within(m, env.Target, ram, fastest, start)
	} else if !env.Budget.FreeRAM {
		thrifty(m, env.Target, fastest, start)
	}
	divide(m, env.Target, env.Threads, env.LeastPart, ram)
	for _, n := range m.Ops {
		// A vector is a load of its own.
		if n.Has(ir.AttrUnroll) && micro.Vectors(n.Word(ir.AttrMultiply)) {
			n.Put(ir.AttrUnroll.Is(1))
		}
	}
	return nil
}

// smallRound is the products of an input in a round where code must be small: two are
// loaded by one instruction on many processors.
const smallRound = 2
