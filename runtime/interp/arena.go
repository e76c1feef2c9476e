package interp

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/parts"
	"github.com/dnnc/dnnc/ir/stripes"
)

// Arena runs a planned module in the memory of its plan, as the object does: each result lies in
// its place of the arena, in the order of memory, chains run in stripes, and what a stripe does
// not keep is gone. So a plan is tested without an emulator.
type Arena struct {
	p     *Int
	units []stripes.Unit
	steps [][]intRun // of each unit, its kernels
}

// NewArena prepares a module that has been through the pass memory.
func NewArena(m *ir.Module) (*Arena, error) {
	if m.Arena.Align == 0 {
		return nil, fmt.Errorf("interp: %s has no memory plan", m.Name)
	}
	units, err := stripes.Units(m)
	if err != nil {
		return nil, err
	}
	a := &Arena{p: number[int8](m), units: units}
	for _, u := range units {
		var runs []intRun
		for k := range u.Nodes {
			for _, c := range u.Kernels(k) {
				run, err := integerStep(a.p, c.Node)
				if err != nil {
					return nil, err
				}
				runs = append(runs, run)
			}
		}
		a.steps = append(a.steps, runs)
	}
	return a, nil
}

// Reset gives an arena the states that a stream begins with.
func (a *Arena) Reset(arena []int8) {
	for _, s := range a.p.Module.States {
		for i := range s.Type.Slots() {
			arena[s.At.Offset+i] = s.StartByte(i)
		}
	}
}

// Run runs the network on the inputs of one image, in logical order, and returns the first
// output. arena has the bytes of the plan, and of a network with states, what the run before left there; after is called after each step, a stripe of a chain
// or an operation, with the number of its unit and of the stripe. It may be nil.
func (a *Arena) Run(inputs [][]int8, arena []int8, after func(unit, stripe int)) ([]int8, error) {
	m := a.p.Module
	if len(arena) != m.Arena.Bytes {
		return nil, fmt.Errorf("interp: an arena of %d bytes, not of %d", len(arena), m.Arena.Bytes)
	}
	r := arenaRun{arena: arena, outside: map[*ir.Value][]int8{}}
	for i, v := range m.Inputs {
		r.outside[v] = physical(v.Type, inputs[i])
	}
	for _, v := range m.Outputs {
		if r.outside[v] == nil {
			r.outside[v] = make([]int8, v.Type.Slots())
		}
	}
	for i, u := range a.units {
		for s := range u.Steps {
			if u.Chain == nil {
				r.operation(u, a.steps[i])
			} else {
				r.stripe(u.Chain, s, a.steps[i])
			}
			if after != nil {
				after(i, s)
			}
		}
	}
	if v := m.ByRows(); v != nil && r.given != v.Type.Shape[1] {
		return nil, fmt.Errorf("interp: %d rows of %s were asked for, not %d", r.given, v.Name, v.Type.Shape[1])
	}
	return logical(m.Outputs[0].Type, r.outside[m.Outputs[0]]), nil
}

// arenaRun is a run of an Arena.
type arenaRun struct {
	arena   []int8
	outside map[*ir.Value][]int8 // what lies outside the arena, in the order of memory
	given   int                  // rows of an input by rows
	ws      workspace
}

// bytes are so many from a place on.
func (r *arenaRun) bytes(at stripes.Ref, n int) []int8 {
	if at.Value != nil {
		return r.outside[at.Value][at.At : at.At+n]
	}
	return r.arena[at.At : at.At+n]
}

// step computes a part of an operation, whose arguments and result lie at places.
func (r *arenaRun) step(step intRun, part *ir.Node, to stripes.Ref, from []stripes.Ref) {
	var src [][]int8
	for j, x := range part.Args {
		src = append(src, logical(x.Type, r.bytes(from[j], x.Type.Slots())))
	}
	dst := make([]int8, part.Out.Type.Slots())
	step(&r.ws, 1, dst, src)
	copy(r.bytes(to, len(dst)), physical(part.Out.Type, dst))
	for j, s := range part.Args {
		if j > 0 && part.Op.HasStates() {
			copy(r.bytes(from[j], s.Type.Slots()), physical(s.Type, src[j]))
		}
	}
}

// operation computes a unit of one operation, the last of its parts first: any order serves.
func (r *arenaRun) operation(u stripes.Unit, steps []intRun) {
	n := u.Nodes[0]
	list := u.Parts
	if list == nil {
		list = []parts.Part{{Node: n, From: make([]int, len(n.Args))}}
	}
	for k, p := range slices.Backward(list) {
		var from []stripes.Ref
		for j, x := range n.Args {
			from = append(from, stripes.PlaceOf(x, p.From[j]))
		}
		r.step(steps[k], p.Node, stripes.PlaceOf(n.Out, p.To), from)
	}
}

// stripe computes a stripe of a chain.
func (r *arenaRun) stripe(chain *stripes.Chain, number int, steps []intRun) {
	for _, x := range chain.Actions(number) {
		switch x.Kind {
		case stripes.Copy:
			copy(r.bytes(x.To, x.Bytes), r.bytes(x.From[0], x.Bytes))
		case stripes.Ask:
			v, n := x.Buffer.Value, x.Buffer.RowBytes()
			copy(r.bytes(x.To, x.Rows*n), r.outside[v][r.given*n:(r.given+x.Rows)*n])
			r.given += x.Rows
		case stripes.Fill:
			to := r.bytes(x.To, x.Rows*x.Buffer.RowBytes())
			for j := range to {
				to[j] = x.Buffer.Fill[j%len(x.Buffer.Fill)]
			}
		case stripes.Run:
			part := chain.Part(x.Node)
			for row := range x.Rows {
				to, from := x.To, slices.Clone(x.From)
				to.At += row * part.Out.RowBytes()
				for j := range from {
					from[j].At += row * x.Next[j]
				}
				r.step(steps[x.Node], part, to, from)
			}
		}
	}
}

// Units are what Run runs, in order.
func (a *Arena) Units() []stripes.Unit { return a.units }

// physical brings the elements of a value into the order of memory.
func physical(t ir.Type, x []int8) []int8 {
	y := make([]int8, 0, len(x))
	slots := t.Slots() / t.Shape.Size()
	for _, at := range geometry.Order(t.Shape) {
		y = append(y, x[at*slots:(at+1)*slots]...)
	}
	return y
}

// logical is the inverse of physical.
func logical(t ir.Type, x []int8) []int8 {
	y := make([]int8, len(x))
	slots := t.Slots() / t.Shape.Size()
	for i, at := range geometry.Order(t.Shape) {
		copy(y[at*slots:(at+1)*slots], x[i*slots:])
	}
	return y
}
