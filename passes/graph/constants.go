package graph

import (
	"cmp"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// constants gives operations constants of their own: one that others use, too, stays theirs.
// A pass makes it once and prunes the constants in its end.
type constants struct {
	m    *ir.Module
	uses map[*ir.Const][]use
	at   map[string]int // place in m.Consts
}

// use is a constant of an operation.
type use struct {
	n   *ir.Node
	key ir.Key[*ir.Const]
}

func constantsOf(m *ir.Module) *constants {
	k := &constants{m, map[*ir.Const][]use{}, map[string]int{}}
	for i, c := range m.Consts {
		k.at[c.Name] = i
	}
	for _, n := range m.Ops {
		each(n, func(c *ir.Const, u use) {
			k.uses[c] = append(k.uses[c], u)
			if c.Scale != nil { // in no operation's attributes, and needed while c is
				k.uses[c.Scale] = append(k.uses[c.Scale], u)
			}
		})
	}
	return k
}

// each visits the constants of an operation.
func each(n *ir.Node, visit func(c *ir.Const, u use)) {
	for _, a := range n.Attrs {
		if c, is := a.Value.(*ir.Const); is {
			visit(c, use{n, a.Key.(ir.Key[*ir.Const])})
		}
	}
}

// clear takes all attributes from an operation.
func (k *constants) clear(n *ir.Node) {
	each(n, k.leave)
	n.Attrs = nil
}

// drop takes a constant from an operation; the next one of its name is declared after all others.
func (k *constants) drop(n *ir.Node, key ir.Key[*ir.Const]) {
	c := n.Const(key)
	if c == nil {
		return
	}
	k.leave(c, use{n, key})
	n.Drop(key)
	if i, has := k.at[c.Name]; has && k.m.Consts[i] == c && len(k.uses[c]) == 0 {
		delete(k.at, c.Name)
	}
}

// leave notes that a constant is used once less.
func (k *constants) leave(c *ir.Const, u use) {
	k.uses[c] = slices.DeleteFunc(k.uses[c], func(o use) bool { return o == u })
}

// isTied reports whether other layers share the weights of layer n.
func (k *constants) isTied(n *ir.Node) bool {
	return slices.ContainsFunc(k.uses[n.Const(ir.AttrWeight)], func(u use) bool { return u.n != n && u.n.IsTied(n) })
}

// put makes c a constant of n, in the place of one of its name that nobody uses any more. One
// that others use is left to them, under the name of the first.
func (k *constants) put(n *ir.Node, key ir.Key[*ir.Const], c *ir.Const) {
	own := use{n, key}
	if old := n.Const(key); old != nil {
		k.leave(old, own)
	}
	c.Pos = n.Pos
	n.Put(key.Is(c))
	k.uses[c] = []use{own}
	i, taken := k.at[c.Name]
	if taken && len(k.uses[k.m.Consts[i]]) == 0 {
		k.m.Consts[i] = c
		return
	}
	if taken {
		other := k.m.Consts[i]
		first := k.uses[other][0]
		other.Name = first.n.Name() + cmp.Or(ir.Suffix(first.key), "."+first.key.String())
		for ; k.has(other.Name); other.Name += "2" {
		}
		k.at[other.Name] = i
	}
	k.at[c.Name] = len(k.m.Consts)
	k.m.Consts = append(k.m.Consts, c)
}

func (k *constants) has(name string) bool {
	_, has := k.at[name]
	return has
}

// putFloats makes a constant of reals, named after n and the key.
func (k *constants) putFloats(n *ir.Node, key ir.Key[*ir.Const], shape ir.Shape, x []float64) {
	k.put(n, key, ir.FloatConst(n.Name()+ir.Suffix(key), shape, narrow(x)))
}

// putLayer replaces weights and bias of a layer.
func (k *constants) putLayer(n *ir.Node, p layerParams) {
	k.putFloats(n, ir.AttrWeight, p.shape, p.weight)
	k.putFloats(n, ir.AttrBias, ir.Shape{p.shape[0]}, p.bias)
}
