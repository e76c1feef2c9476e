package validate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
)

// recurrence is a network of 8 cells, whose weights of the hidden state are numbers around 0 times another.
func recurrence(t *testing.T, cell string, times float64, steps int) *ir.Module {
	const h = 8
	rng := rand.New(rand.NewPCG(1, 2))
	b := build.New("net")
	floats := func(name string, times float64, s ir.Shape) *ir.Const {
		x := make([]float32, s.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() * times)
		}
		return b.Floats(name, s, x)
	}
	rows := ir.Gates(cell) * h
	x := b.Input("x", ir.Shape{2, steps, 1}, ir.Range{Lo: -1, Hi: 1})
	z, err := b.AddNamed(ir.Conv2D, b.Name("z"), []*ir.Value{x}, ir.AttrWeight.Is(floats("z.weight", 1, ir.Shape{rows, 2, 1, 1})))
	require.NoError(t, err)
	y, err := b.AddNamed(ir.Recurrent, b.Name("y"), []*ir.Value{z}, ir.AttrCell.Is(cell), ir.AttrHidden.Is(floats("y.hidden", times, ir.Shape{rows, h})))
	require.NoError(t, err)
	return b.Finish([]*ir.Value{y})
}

// TestSensitiveRecurrences: of great weights a rounding grows in each step, until the states have nothing
// in common with those of reals. No pass is wrong for that.
func TestSensitiveRecurrences(t *testing.T) {
	for _, cell := range []string{ir.CellRNN, ir.CellLSTM, ir.CellGRU} {
		for _, times := range []float64{.3, 3} {
			t.Run(fmt.Sprint(cell, times), func(t *testing.T) {
				assert.NoError(t, compiled(t, passes.Table, recurrence(t, cell, times, 100), ""))
			})
		}
	}
}

// TestGreatProductsOfResets: a reset gate has 15 bits, which a candidate with a great bias takes many
// times. What that makes of a state is no fault; another table is.
func TestGreatProductsOfResets(t *testing.T) {
	const h = 8
	great := func() *ir.Module {
		m := recurrence(t, ir.CellGRU, .3, 20)
		n, z := m.Outputs[0].Def, m.Ops[0]
		product, gates := make([]float32, h), make([]float32, 3*h)
		for i := range h {
			product[i], gates[h+i] = float32(1000*(i-4)), -8
		}
		ofProduct, ofGates := ir.FloatConst("y.bias", ir.Shape{h}, product), ir.FloatConst("z.bias", ir.Shape{3 * h}, gates)
		m.Consts = append(m.Consts, ofProduct, ofGates)
		n.Put(ir.AttrReset.Is(ir.ResetAfter), ir.AttrBias.Is(ofProduct))
		z.Put(ir.AttrBias.Is(ofGates))
		return m
	}
	assert.NoError(t, compiled(t, passes.Table, great(), ""))
	assert.ErrorContains(t, compiled(t, spoiled(t, lessTable(t, 1024)), great(), ""), "pass quantize: y (recurrent)")
}

// TestBrokenRecurrencesAreFound: also in cells that saturate.
func TestBrokenRecurrencesAreFound(t *testing.T) {
	for name, spoil := range map[string]func(n *ir.Node){
		"back":  func(n *ir.Node) { n.Put(ir.AttrBack.Is(1)) },
		"mul":   edited(t, ir.AttrMul, func(x []int64) { x[0] += x[0] / 8 }),
		"table": lessTable(t, 16),
	} {
		assert.ErrorContains(t, compiled(t, spoiled(t, spoil), recurrence(t, ir.CellLSTM, 3, 20), ""), "pass quantize: y (recurrent)", name)
	}
}

// edited changes the integers of a constant of a node.
func edited(t *testing.T, key ir.Key[*ir.Const], change func(x []int64)) func(n *ir.Node) {
	return func(n *ir.Node) {
		c := n.Const(key)
		x, err := c.Ints()
		require.NoError(t, err)
		change(x)
		c.Data = ir.IntConst("", c.Type.Elem, c.Type.Shape, x).Data
	}
}

// lessTable makes the table of a node less by one part of some.
func lessTable(t *testing.T, parts int64) func(n *ir.Node) {
	return edited(t, ir.AttrTable, func(x []int64) {
		for i := range x {
			x[i] -= x[i] / parts
		}
	})
}

// spoiled are the passes, of which quantize changes recurrences after its work.
func spoiled(t *testing.T, spoil func(n *ir.Node)) pass.Table {
	t.Helper()
	table := slices.Clone(passes.Table)
	i, err := table.Find("quantize")
	require.NoError(t, err)
	whole := table[i].Run
	table[i].Run = func(ctx context.Context, m *ir.Module, env *pass.Env) error {
		err := whole(ctx, m, env)
		for _, n := range m.Ops {
			if n.Op == ir.Recurrent {
				spoil(n)
			}
		}
		return err
	}
	return table
}
