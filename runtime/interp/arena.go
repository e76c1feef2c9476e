package interp

import (
	"fmt"

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
	memory := map[*ir.Value][]int8{} // of what lies outside the arena, in the order of memory
	for i, v := range m.Inputs {
		memory[v] = physical(v.Type, inputs[i])
	}
	for _, v := range m.Outputs {
		if memory[v] == nil {
			memory[v] = make([]int8, v.Type.Slots())
		}
	}
	bytes := func(r stripes.Ref, n int) []int8 {
		if r.Value != nil {
			return memory[r.Value][r.At : r.At+n]
		}
		return arena[r.At : r.At+n]
	}
	given := 0 // rows of an input by rows
	ws := &workspace{}
	run := func(step intRun, part *ir.Node, to stripes.Ref, from []stripes.Ref) {
		var src [][]int8
		for j, x := range part.Args {
			src = append(src, logical(x.Type, bytes(from[j], x.Type.Slots())))
		}
		dst := make([]int8, part.Out.Type.Slots())
		step(ws, 1, dst, src)
		copy(bytes(to, len(dst)), physical(part.Out.Type, dst))
		for j, s := range part.Args {
			if j > 0 && part.Op.HasStates() {
				copy(bytes(from[j], s.Type.Slots()), physical(s.Type, src[j]))
			}
		}
	}
	for i, u := range a.units {
		for s := range u.Steps {
			switch {
			case u.Chain == nil:
				n := u.Nodes[0]
				list := u.Parts
				if list == nil {
					list = []parts.Part{{Node: n, From: make([]int, len(n.Args))}}
				}
				for k := len(list) - 1; k >= 0; k-- { // any order serves
					p := list[k]
					var from []stripes.Ref
					for j, x := range n.Args {
						from = append(from, stripes.PlaceOf(x, p.From[j]))
					}
					run(a.steps[i][k], p.Node, stripes.PlaceOf(n.Out, p.To), from)
				}
			default:
				for _, x := range u.Chain.Actions(s) {
					switch x.Kind {
					case stripes.Copy:
						copy(bytes(x.To, x.Bytes), bytes(x.From[0], x.Bytes))
					case stripes.Ask:
						v, n := x.Buffer.Value, x.Buffer.RowBytes()
						copy(bytes(x.To, x.Rows*n), memory[v][given*n:(given+x.Rows)*n])
						given += x.Rows
					case stripes.Fill:
						to := bytes(x.To, x.Rows*x.Buffer.RowBytes())
						for j := range to {
							to[j] = x.Buffer.Fill[j%len(x.Buffer.Fill)]
						}
					case stripes.Run:
						part := u.Chain.Part(x.Node)
						for row := range x.Rows {
							to, from := x.To, append([]stripes.Ref(nil), x.From...)
							to.At += row * part.Out.RowBytes()
							for j := range from {
								from[j].At += row * x.Next[j]
							}
							run(a.steps[i][x.Node], part, to, from)
						}
					}
				}
			}
			if after != nil {
				after(i, s)
			}
		}
	}
	if v := m.ByRows(); v != nil && given != v.Type.Shape[1] {
		return nil, fmt.Errorf("interp: %d rows of %s were asked for, not %d", given, v.Name, v.Type.Shape[1])
	}
	return logical(m.Outputs[0].Type, memory[m.Outputs[0]]), nil
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
