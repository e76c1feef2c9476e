package lsp

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/frontend/syntax"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/machine"
)

// defaultTarget is the processor that lenses tell of, unless the editor names another.
const defaultTarget = "armv7em"

// legalized is the pass after which the layers are those that kernels compute.
const legalized = "legalize"

// settings are what an editor says when it begins.
type settings struct {
	InitializationOptions struct {
		Target string `json:"target"`
	} `json:"initializationOptions"`
}

// codeLens is a line above another one; its command does nothing.
type codeLens struct {
	Range   span    `json:"range"`
	Command command `json:"command"`
}

type command struct {
	Title   string `json:"title"`
	Command string `json:"command"`
}

// codeLens tells above each layer what its weights take, and what it executes on the target by
// the estimate; above the network the sums. Formats are those of the text, else int8. A text
// with faults keeps what was known of it.
func (s *server) codeLens(f *file, _ *params) any {
	list := []codeLens{}
	if f.module == nil {
		return list
	}
	if f.costs == nil {
		f.costs = costsOf(f.module, s.target)
	}
	_, where := f.definitions()
	add := func(name, title string) {
		if pos, ok := where[name]; ok {
			list = append(list, codeLens{f.wordAt(pos), command{Title: title}})
		}
	}
	sum := cost{}
	for _, c := range f.costs {
		add(c.name, c.String()+" on "+s.target.Name)
		sum.bytes, sum.instructions = sum.bytes+c.bytes, sum.instructions+c.instructions
	}
	if pos, ok := f.network(); ok && len(f.costs) > 0 {
		list = append(list, codeLens{f.wordAt(pos), command{Title: fmt.Sprintf("%d layers with weights: %s on %s", len(f.costs), sum, s.target.Name)}})
	}
	return list
}

// cost is what a layer takes.
type cost struct {
	name         string
	format       string // "" of several layers
	bytes        int
	instructions float64 // infinite where no kernel reads the format
}

// String is a cost as people read it.
func (c cost) String() string {
	text := fmt.Sprintf("%d bytes of weights", c.bytes)
	if c.format != "" {
		text = fmt.Sprintf("%s as %s", text, c.format)
	}
	if math.IsInf(c.instructions, 0) {
		return text + ", instructions: - (no kernel reads the format)"
	}
	return fmt.Sprintf("%s, about %.0f instructions", text, c.instructions)
}

// costsOf are the costs of the layers with weights; empty, and not nil, where the passes
// before the search refuse the network: a build says why.
func costsOf(m *ir.Module, t *processor.Target) []cost {
	list := []cost{}
	names := passes.Table.Names()
	if slices.Index(names, m.After) < slices.Index(names, legalized) {
		c, err := dnnc.NewConfig(t.Name)
		if err != nil {
			return list
		}
		c.StopAfter = legalized
		r, err := dnnc.Compile(context.Background(), m, c)
		if err != nil {
			return list
		}
		m = r.Module
	}
	for _, n := range m.Layers() {
		w := n.Const(ir.AttrWeight).Type
		e := w.Elem
		if own, ok := n.Elem(ir.AttrBits); ok {
			e = own
		} else if e == ir.Of(ir.F32) {
			e = ir.Of(ir.I8)
		}
		list = append(list, cost{n.Name(), e.String(), ir.PackedBytes(e, w.Shape) + ir.BookBytes(e), machine.Cycles(n, t, e)})
	}
	return list
}

// network is where the name of the text's network stands.
func (f *file) network() (pos diag.Pos, ok bool) {
	stmts, _ := syntax.Parse(f.path, []byte(f.text))
	for _, s := range stmts {
		if n, is := s.(*syntax.Network); is {
			return syntax.At(n.Pos), true
		}
	}
	return pos, false
}
