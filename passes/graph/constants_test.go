package graph

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// inStep checks that each constant of an operation is declared, once, where its name says,
// and that who uses it is known.
func inStep(t *testing.T, k *constants) {
	t.Helper()
	for name, i := range k.at {
		require.Equal(t, name, k.m.Consts[i].Name)
	}
	uses := map[*ir.Const][]use{}
	for _, n := range k.m.Ops {
		each(n, func(c *ir.Const, u use) {
			i, declared := k.at[c.Name]
			require.True(t, declared, c.Name)
			require.Same(t, c, k.m.Consts[i])
			uses[c] = append(uses[c], u)
		})
	}
	for c, list := range k.uses {
		require.ElementsMatch(t, uses[c], list, c.Name)
	}
}

// TestPlaces: constants keep their places, names and users in step, whichever operations share
// them under whichever names.
func TestPlaces(t *testing.T) {
	keys := append([]ir.Key[*ir.Const]{ir.AttrWeight, ir.AttrBias}, ir.BatchNormConsts[:]...)
	one := func(name string) *ir.Const { return ir.FloatConst(name, ir.Shape{1}, []float32{1}) }
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := &ir.Module{}
		for i := range 6 {
			n := &ir.Node{Op: []ir.Op{ir.Linear, ir.BatchNorm}[i%2]}
			n.Out = &ir.Value{Name: fmt.Sprintf("n%d", i), Def: n}
			m.Ops = append(m.Ops, n)
			for _, key := range []string{".weight", ".bias", ".running_mean"} {
				m.Consts = append(m.Consts, one(n.Name()+key))
			}
		}
		own := func(n *ir.Node) []ir.Key[*ir.Const] {
			if n.Op == ir.Linear {
				return keys[:2]
			}
			return keys[2:]
		}
		for _, n := range m.Ops {
			for _, key := range own(n) {
				n.Put(key.Is(m.Consts[r.IntN(len(m.Consts))]))
			}
		}
		k := constantsOf(m)
		inStep(t, k)
		for range 30 {
			n := m.Ops[r.IntN(len(m.Ops))]
			key := own(n)[r.IntN(len(own(n)))]
			others := map[use]*ir.Const{}
			for _, o := range m.Ops {
				each(o, func(c *ir.Const, u use) { others[u] = c })
			}
			switch r.IntN(8) {
			case 0:
				k.clear(n)
			case 1:
				k.drop(n, key)
			default:
				k.putFloats(n, key, ir.Shape{1}, []float64{2})
				require.Equal(t, n.Name()+ir.Suffix(key), n.Const(key).Name)
			}
			inStep(t, k)
			for u, c := range others {
				if u.n != n {
					require.Same(t, c, u.n.Const(u.key))
				}
			}
		}
		m.PruneConsts()
		inStep(t, constantsOf(m))
		names := map[string]bool{}
		for _, c := range m.Consts {
			require.False(t, names[c.Name], c.Name)
			names[c.Name] = true
		}
	}
}

// TestScales: the scale of a constant in use gives way to a constant of its name, and stays declared.
func TestScales(t *testing.T) {
	scale := ir.FloatConst("b.weight", ir.Shape{1}, []float32{1})
	weight := ir.FloatConst("a.weight", ir.Shape{1}, []float32{1})
	weight.Scale = scale
	m := &ir.Module{Consts: []*ir.Const{scale, weight}}
	for _, name := range []string{"a", "b"} {
		n := &ir.Node{Op: ir.Linear}
		n.Out = &ir.Value{Name: name, Def: n}
		m.Ops = append(m.Ops, n)
	}
	m.Ops[0].Put(ir.AttrWeight.Is(weight))
	k := constantsOf(m)
	k.putFloats(m.Ops[1], ir.AttrWeight, ir.Shape{1}, []float64{2})
	m.PruneConsts()
	require.Equal(t, []*ir.Const{scale, weight, m.Ops[1].Const(ir.AttrWeight)}, m.Consts)
	require.Equal(t, "a.weight2", scale.Name)
}
