package machine

import (
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/stripes"
	"github.com/dnnc/dnnc/passes/pass"
)

// wholeInput is the help where rows cannot be had.
const wholeInput = "without -rows the caller gives the whole input; the arena does not count it"

// byRows marks the input as one that the caller gives row by row, where the user wants that or a
// dump says so, or reports why that cannot be.
func byRows(m *ir.Module, env *pass.Env) error {
	if !env.Rows && m.ByRows() == nil {
		for _, v := range m.Inputs {
			v.At = ir.Place{}
		}
		return nil
	}
	no := func(n *ir.Node, format string, args ...any) error {
		pos := m.Pos
		if n != nil {
			pos = n.Pos
		}
		return diag.New(pos, diag.Unsupported, "-rows: %s", fmt.Sprintf(format, args...)).
			WithHelp(wholeInput)
	}
	if len(m.Inputs) != 1 {
		return no(nil, "rows are of one image, the network has %d inputs", len(m.Inputs))
	}
	in := m.Inputs[0]
	switch s := in.Type.Shape; {
	case m.Streams():
		return no(nil, "a network that streams takes the frames of a run at once")
	case len(s) != 3 || s[1] < 2:
		return no(nil, "%s, of %s, has no rows", in.Name, in.Type)
	case in.Type.Elem.Kind != ir.I8:
		return no(nil, "%s is %s, rows are of 8 bits", in.Name, in.Type.Elem)
	case slices.Contains(m.Outputs, in):
		return no(nil, "%s is a result, too, which is whole", in.Name)
	}
	for _, n := range m.Ops {
		if slices.Contains(n.Args, in) && !stripes.Serves(n) {
			return no(n, "%s reads %s, and no %s of this kind runs in stripes of rows", n.Name(), in.Name, n.Op)
		}
	}
	in.At = ir.Place{Kind: ir.InRows}
	fed := readers(m)
	if fed == nil {
		return no(nil, "nothing reads %s", in.Name)
	}
	live := ir.Liveness(m)
	for to := fed.To; to < len(m.Ops); to++ {
		if _, ok := stripes.New(m, live, ir.Chain{From: fed.From, To: to, Rows: 1}, false); ok {
			return nil
		}
	}
	n := m.Ops[fed.From]
	return no(n, "no chain of layers that begins with %s runs in stripes of rows", n.Name())
}

// readers is the first and the last operation that read an input which the caller gives by rows.
func readers(m *ir.Module) *ir.Interval {
	var fed *ir.Interval
	for i, n := range m.Ops {
		if slices.ContainsFunc(n.Args, (*ir.Value).ByRows) {
			if fed == nil {
				fed = &ir.Interval{From: i}
			}
			fed.To = i
		}
	}
	return fed
}

// started is the schedule from which bounds on memory go on: each operation by its fastest
// kernel, after the chain that asks for rows of the input, if the caller gives these.
func started(m *ir.Module, t *processor.Target, fastest []Choice) (schedule, error) {
	if readers(m) == nil {
		return singles(fastest), nil
	}
	list := newSteps(m, t, math.MaxInt).divided(fastest)
	if list == nil {
		return nil, diag.New(m.Pos, diag.Unsupported, "-rows: on %s no kernels compute the first layers row by row", t.Name).
			WithHelp(wholeInput)
	}
	list.assign(m)
	return list, nil
}
