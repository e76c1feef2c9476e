// Package network writes the functions of a planned module: one for each layer, and the
// functions that programs call. It decides nothing: passes/machine wrote family, tile, scratch
// and offsets as attributes.
package network

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/stripes"
)

// Write writes the whole network: a local function for each operation; prefix_step, which runs
// the operation with a given index; prefix_run, which runs all; prefix_run_begin and
// prefix_run_step, which run one operation a call.
func Write(m *ir.Module, i Interface) (*loop.Program, error) {
	t, err := processor.Find(m.Target)
	if err != nil {
		return nil, err
	}
	net := emit.NewNetwork(t)
	p := net.Program
	units, err := stripes.Units(m)
	if err != nil {
		return nil, err
	}
	var layers [][]*loop.Func
	number := 0
	for _, u := range units {
		var of []*loop.Func
		for k := range u.Nodes {
			for _, c := range u.Kernels(k) {
				n := c.Node
				plan, err := families.Restore(n, t)
				if err != nil {
					return nil, err
				}
				f, err := net.Layer(fmt.Sprintf("%s_layer%d", i.Prefix, number), n, plan.Emit)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", n.Name(), err)
				}
				of = append(of, f)
				number++
			}
		}
		layers = append(layers, of)
	}
	if i.Lend {
		for _, g := range p.Globals {
			g.Lent = g.Weights
		}
	}
	i.entries(m, p, units, layers)
	if i.Lend {
		lend(p)
	}
	return p, nil
}

// Steps lists the functions that each unit of a program runs, an operation or a chain. Several
// may share a function.
func Steps(p *loop.Program) [][]string {
	var steps [][]string
	loop.EachCall(p.Funcs[len(p.Funcs)-1].Body, func(c *loop.Call) {
		if c.Func.Extern {
			return // a hook
		}
		var names []string
		var visit func(f *loop.Func)
		visit = func(f *loop.Func) {
			names = append(names, f.Name)
			loop.EachCall(f.Body, func(c *loop.Call) { visit(c.Func) })
		}
		visit(c.Func)
		steps = append(steps, names)
	})
	return steps
}

// place is the memory of a value within an entry's regions.
func place(m *ir.Module, f *loop.Func, v *ir.Value) loop.Arg {
	for i, in := range m.Inputs {
		if in == v {
			return loop.Arg{Region: f.Params[i]}
		}
	}
	for i, out := range m.Outputs {
		if out == v {
			return loop.Arg{Region: f.Params[len(m.Inputs)+i]}
		}
	}
	return loop.Arg{Region: f.Params[len(f.Params)-1], Offset: v.At.Offset}
}

// arguments are the places of an operation's values within an entry's regions.
func arguments(m *ir.Module, f *loop.Func, n *ir.Node) []loop.Arg {
	var args []loop.Arg
	for _, a := range n.Args {
		args = append(args, place(m, f, a))
	}
	args = append(args, place(m, f, n.Out))
	if n.Has(ir.AttrScratch) {
		args = append(args, loop.Arg{Region: f.Params[len(f.Params)-1], Offset: n.Ints(ir.AttrScratch)[0]})
	}
	return args
}
