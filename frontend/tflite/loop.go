package tflite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
)

// Bounds of loops: of those inside each other, of the runs of one, which are unrolled, and
// of the operators that all of a model become.
const (
	maxLoopDepth = 4
	maxLoopOps   = 1 << 16
)

// while imports WHILE: its body is unrolled while the condition, which must follow from
// constants, holds.
func while(im *importer, o *operator) error {
	var graphs [2]table
	for k := range graphs {
		i := o.options.int(k, 0)
		if i < 0 || i >= len(im.graphs) {
			return fmt.Errorf("has the subgraph %d of %d", i, len(im.graphs))
		}
		graphs[k] = im.graphs[i]
	}
	if len(o.in) != len(o.out) {
		return fmt.Errorf("has %d arguments and %d results", len(o.in), len(o.out))
	}
	if im.depth == maxLoopDepth {
		return fmt.Errorf("is in %d other loops", im.depth)
	}
	state := make([]slot, len(o.in))
	for k, i := range o.in {
		if i < 0 {
			return errors.New("lacks an argument")
		}
		if !im.isConstant(i) && im.values[i] == nil {
			return fmt.Errorf("uses %q before its definition", im.tensors[i].name)
		}
		state[k] = slot{im.tensors[i], im.values[i]}
	}
	for step := 0; ; step++ {
		goes, err := im.call(graphs[0], state, "")
		if err != nil {
			return fmt.Errorf("has the condition: %w", err)
		}
		if len(goes) != 1 || goes[0].v != nil || goes[0].t.typ != boolType || goes[0].t.size() != 1 {
			return errors.New("has a condition that depends on the input: only loops whose number of runs is known can be imported")
		}
		if goes[0].t.data[0] == 0 {
			break
		}
		if step == build.MaxSteps {
			return fmt.Errorf("runs more than %d times; it would be unrolled: convert the model for shorter sequences, whose states the caller carries on", build.MaxSteps)
		}
		name := fmt.Sprintf("t%d", step)
		if im.step != "" {
			name = im.step + "." + name
		}
		if state, err = im.call(graphs[1], state, name); err != nil {
			return err
		}
		if len(state) != len(o.out) {
			return fmt.Errorf("has a body of %d results for %d arguments", len(state), len(o.out))
		}
	}
	for k, i := range o.out {
		im.put(i, state[k])
	}
	return nil
}

// slot is a tensor with what it is in a scope.
type slot struct {
	t *tensor
	v *operand // nil of a constant
}

// put gives a tensor of the current scope a value, or makes it a constant.
func (im *importer) put(i int, s slot) {
	if s.v != nil {
		im.values[i] = s.v
		return
	}
	c := *s.t
	c.name = im.tensors[i].name
	*im.tensors[i] = c
}

// call imports a subgraph of arguments in a scope of its own; step names its operations.
func (im *importer) call(graph table, args []slot, step string) (results []slot, err error) {
	own, err := im.open(graph)
	if err != nil {
		return nil, err
	}
	inputs, outputs, ops := graph.ints(1), graph.ints(2), graph.tables(3)
	if im.loops += len(ops); im.loops > maxLoopOps {
		return nil, fmt.Errorf("becomes more than %d operators", maxLoopOps)
	}
	for _, i := range slices.Concat(inputs, outputs) {
		if i < 0 || i >= len(own.tensors) {
			return nil, fmt.Errorf("has tensor %d of %d", i, len(own.tensors))
		}
	}
	if len(inputs) != len(args) {
		return nil, fmt.Errorf("has %d arguments for a subgraph of %d", len(args), len(inputs))
	}
	outer := im.scope
	defer func() { im.scope, im.depth = outer, im.depth-1 }()
	own.step = step
	im.scope, im.depth = own, im.depth+1
	for k, i := range inputs {
		im.put(i, args[k])
	}
	for k, op := range ops {
		if err := im.operator(op); err != nil {
			return nil, fmt.Errorf("the operator %s (%s): %w", im.opName(op), im.resultName(op, k), err)
		}
		if im.f.err != nil {
			return nil, im.f.err
		}
	}
	for _, i := range outputs {
		if im.values[i] == nil && !im.isConstant(i) {
			return nil, fmt.Errorf("nothing computes %q", im.tensors[i].name)
		}
		results = append(results, slot{im.tensors[i], im.values[i]})
	}
	return results, nil
}

// sharedConst names weights as a kind of layer reads them.
type sharedConst struct {
	first *byte // of their data
	kind  string
}
