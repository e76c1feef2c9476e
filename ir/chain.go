package ir

// Chain is the operations From to To of the schedule, which run in stripes: each stripe
// computes Rows rows of the last operation's result, and of the others what that needs.
// Package ir/stripes has the order.
type Chain struct{ From, To, Rows int }

// Chains lists the chains of m in the order of the schedule.
func (m *Module) Chains() []Chain {
	var list []Chain
	for i, n := range m.Ops {
		if n.Has(AttrChain) {
			c := n.Ints(AttrChain)
			list = append(list, Chain{i, i + c[0] - 1, c[1]})
		}
	}
	return list
}

// InChains is, of each operation of the schedule, the chain that it is in; nil of others.
func (m *Module) InChains() []*Chain {
	list := make([]*Chain, len(m.Ops))
	for _, c := range m.Chains() {
		for i := c.From; i <= min(c.To, len(list)-1); i++ {
			if list[i] == nil { // of two that overlap, which the verifier refuses, the first
				list[i] = &c
			}
		}
	}
	return list
}

// OutBytes is the bytes that n's result takes in memory: of its buffer, or of all of it.
func (n *Node) OutBytes() int {
	if n.Has(AttrBuffer) {
		return n.Int(AttrBuffer) * n.Out.RowBytes()
	}
	return n.Out.Type.Shape.Size() * n.Out.Type.Elem.StoredSize()
}

// ByRows reports an input that is never whole in memory: the caller gives it row by row, from the
// first to the last, when the chain that reads it asks for them.
func (v *Value) ByRows() bool { return v.At.Kind == InRows }

// ByRows is the input of a network that the caller gives by rows; nil of none.
func (m *Module) ByRows() *Value {
	for _, v := range m.Inputs {
		if v.ByRows() {
			return v
		}
	}
	return nil
}

// RowBytes is the bytes of a row of an image in memory.
func (v *Value) RowBytes() int {
	s := v.Type.Shape
	return s.Size() / s[1] * v.Type.Elem.StoredSize()
}

// chains checks V11.
func (v *verifier) chains() {
	last := -1
	for _, c := range v.m.Chains() {
		n := v.m.Ops[c.From]
		if c.From <= last {
			v.fail(n.Pos, "V11", "%s begins a chain within another", n.Name())
		}
		if c.To >= len(v.m.Ops) {
			v.fail(n.Pos, "V11", "the chain of %s has %d operations, %d are left", n.Name(), c.To-c.From+1, len(v.m.Ops)-c.From)
		}
		last = c.To
	}
	if len(v.list) > 0 {
		return
	}
	live, chains := Liveness(v.m), v.m.InChains()
	v.byRows(chains)
	for i, n := range v.m.Ops {
		c := chains[i]
		switch {
		case c == nil && (n.Has(AttrBuffer) || n.Has(AttrKept) || n.Has(AttrLoad)):
			v.fail(n.Pos, "V11", "%s has a buffer and is in no chain", n.Name())
		case n.Has(AttrBuffer) && (live[n.Out].To > c.To || n.Out.At.Kind == InOutput):
			v.fail(n.Pos, "V11", "%s has a buffer and is used after its chain", n.Name())
		case n.Has(AttrKept) && !n.Has(AttrBuffer):
			v.fail(n.Pos, "V11", "%s keeps rows and has no buffer", n.Name())
		case c != nil && len(n.Out.Type.Shape) != 3:
			v.fail(n.Pos, "V11", "%s is in a chain and has no rows", n.Name())
		case n.Has(AttrLoad) && (len(n.Args[0].Type.Shape) != 3 || n.Args[0].Def != nil && n.Args[0].Def.Has(AttrBuffer)):
			v.fail(n.Pos, "V11", "%s loads rows of %s, which is not whole", n.Name(), n.Args[0].Name)
		}
	}
}

// byRows checks V11 of an input that the caller gives by rows: one chain reads it, whose first
// reader has the buffer into which they are written.
func (v *verifier) byRows(chains []*Chain) {
	in := map[*Value]*Chain{} // the chain that has asked for the rows of a value
	for _, x := range v.m.Inputs {
		if t := x.Type; x.ByRows() && (len(t.Shape) != 3 || t.Elem.Kind != I8 || len(v.m.Inputs) > 1 || v.m.Streams()) {
			v.fail(x.Pos, "V11", "%s cannot be given by rows: it is not the one input of a network, an image of 8 bits", x.Name)
		}
	}
	for i, n := range v.m.Ops {
		if n.Out.ByRows() {
			v.fail(n.Pos, "V11", "%s is at rows, and no input", n.Name())
		}
		for j, x := range n.Args {
			switch {
			case !x.ByRows() || x.Def != nil:
			case chains[i] == nil || in[x] == nil && (j > 0 || !n.Has(AttrLoad)) || in[x] != nil && *in[x] != *chains[i]:
				v.fail(n.Pos, "V11", "%s reads %s, which is given by rows, outside the chain that asks for them", n.Name(), x.Name)
			default:
				in[x] = chains[i]
			}
		}
	}
	for _, x := range v.m.Outputs {
		if x.Def == nil && x.ByRows() {
			v.fail(x.Pos, "V11", "%s is a result, and given by rows", x.Name)
		}
	}
}
