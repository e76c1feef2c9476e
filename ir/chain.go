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
