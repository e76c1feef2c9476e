// Package recurrent contains the family of recurrences: a loop over the steps of time, with one
// copy of the code and of the weights, and the states in scratch.
package recurrent

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/processor"
)

// Loop is the family.
var Loop = kernel.Family{
	Name: "recurrent_loop", Op: ir.Recurrent, Wide: true, Plan: kernel.Planner(plan), Read: read,
	Fitted: func(t *processor.Target) bool { return kernel.OnThumb2(t) && t.Has("dsp") },
	Doc:    "step after step, for each cell the sums of its gates, then their functions from one table",
}

// Plan is the product of the processor that multiplies weights by hidden states, and the bytes
// of the states.
type Plan struct {
	Product string
	scratch int
	cycles  float64
}

func (p Plan) Attrs() kernel.Attrs { return kernel.Attrs{Product: p.Product} }
func (p Plan) Scratch() int        { return p.scratch }
func (p Plan) Cycles() float64     { return p.cycles }

// smlad is the product of halves.
const smlad = "smlad"

// products are what the processor has; "" is its multiplication.
func products(t *processor.Target) []string {
	if t.Has("dsp") {
		return []string{smlad}
	}
	return []string{""}
}

func plan(l kernel.Layer) (Plan, bool) {
	return of(l.Node, products(l.Target)[0]), true
}

func of(n *ir.Node, product string) Plan {
	r := geometry.RecurrenceOf(n)
	per := perProduct
	if product == smlad {
		per = perHalf
	}
	rows := float64(r.Gates * r.Hidden)
	if n.IsLSTM8() {
		outputs := n.Out.Type.Shape[0]
		steps := rows*(float64(outputs)*per+perFixed) + float64(r.Hidden)*perCell
		if n.Const(ir.AttrProject) != nil {
			steps += float64(outputs) * (float64(r.Hidden)*per + perGate)
		}
		return Plan{product, lstmLayoutOf(r.Hidden, outputs).bytes, float64(r.Steps) * steps}
	}
	return Plan{product, layoutOf(r).bytes, float64(r.Steps) * (rows*(float64(r.Hidden)*per+perGate) + float64(r.Hidden)*perCell)}
}

// Instructions of a product, of a gate and of a cell.
const (
	perProduct = kernel.PerWeight
	perHalf    = 1.5
	perGate    = 32.
	perFixed   = 185. // a gate by fixed-point functions
	perCell    = 60.
)

func read(l kernel.Layer) (kernel.Plan, error) {
	product := l.Node.Word(ir.AttrMultiply)
	if !slices.Contains(products(l.Target), product) {
		return nil, fmt.Errorf("no plan with the product %q", product)
	}
	return of(l.Node, product), nil
}

// layout is where the states lie in scratch: the hidden state as halves, with zeros after it up
// to a whole chunk, the state of the next step or of a reset, the update gates of a GRU that
// resets before the product, and the cells of an LSTM.
type layout struct{ hidden, next, update, cell, bytes int }

// chunk is the inputs that products take at once.
const chunk = 4

// padded is the inputs of a row in whole chunks.
func padded(inputs int) int { return (inputs + chunk - 1) / chunk * chunk }

func layoutOf(r geometry.Recurrence) (l layout) {
	halves := 2 * padded(r.Hidden)
	l.next = halves
	l.update, l.bytes = 2*halves, 2*halves
	switch {
	case r.Cell == ir.CellLSTM:
		l.cell = l.bytes
		l.bytes += 4 * r.Hidden
	case resetsBefore(r):
		l.bytes += halves
	}
	return l
}

func resetsBefore(r geometry.Recurrence) bool { return r.Cell == ir.CellGRU && !r.ResetsAfter }
