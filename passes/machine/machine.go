// Package machine holds the passes that decide how a quantized network is
// computed on a target: which kernel, which tile, which memory. Code
// generation decides nothing; it reads what these passes wrote into the IR.
package machine

import (
	"context"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/micro"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/pass"
)

// Select chooses the kernel of each operation, its tile and its scratch: within the
// memory that a budget leaves, if there is one. What another target's choice left is
// dropped first.
func Select(_ context.Context, m *ir.Module, env *pass.Env) error {
	m.Target = env.Target.Name
	m.Arena = ir.Arena{}
	var list diag.List
	for _, n := range m.Ops {
		n.Drop(ir.AttrImpl, ir.AttrMultiply, ir.AttrTile, ir.AttrUnroll, ir.AttrScratch, ir.AttrLag)
		n.Out.At = ir.Place{}
		if env.Small && n.Op.HasWeights() {
			n.Put(ir.AttrUnroll.Is(smallRound))
		}
		choices := Serving(kernel.Of(n, env.Target))
		if len(choices) == 0 {
			list.Add(n.Pos, diag.Unsupported, "%s: no kernel for this %s on %s", n.Name(), n.Op, env.Target.Name)
			continue
		}
		choices[0].assign(n)
	}
	if err := list.Err(); err != nil {
		return err
	}
	if env.Budget.RAM > 0 {
		within(m, env.Target, env.Budget.RAM)
	}
	for _, n := range m.Ops {
		// A vector is a load of its own.
		if n.Has(ir.AttrUnroll) && micro.Vectors(n.Word(ir.AttrMultiply)) {
			n.Put(ir.AttrUnroll.Is(1))
		}
	}
	return nil
}

// within has steps that take more memory than there is computed by the first family that
// takes no more, or by the one that takes least; unless the arena does not shrink.
func within(m *ir.Module, t *processor.Target, ram int) {
	_, free := plan(blocksOf(m, t))
	if free <= ram {
		return
	}
	for i, n := range m.Ops {
		// What lives at the step, results over their arguments.
		bytes := func() int {
			var there []*block
			for _, b := range blocksOf(m, t) {
				if b.live.From <= i && i <= b.live.To {
					there = append(there, b)
				}
			}
			_, bytes := plan(there)
			return bytes
		}
		if bytes() <= ram {
			continue
		}
		var best Choice
		least := 0
		for _, c := range Serving(kernel.Of(n, t)) {
			c.assign(n)
			b := bytes()
			if best.Family == nil || b < least {
				best, least = c, b
			}
			if b <= ram {
				break
			}
		}
		best.assign(n)
	}
	if _, bytes := plan(blocksOf(m, t)); bytes >= free {
		for _, n := range m.Ops {
			Serving(kernel.Of(n, t))[0].assign(n)
		}
	}
}

// smallRound is the products of an input in a round where code must be small: two are
// loaded by one instruction on many processors.
const smallRound = 2
