package quant_test

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
)

// recurrentNet is a GRU of 3 cells over 7 steps, its weights times a number.
func recurrentNet(t *testing.T, times, bias float64) *ir.Module {
	t.Helper()
	rng := rand.New(rand.NewSource(1))
	b := build.New("net")
	floats := func(name string, times float64, s ir.Shape) *ir.Const {
		x := make([]float32, s.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() * times)
		}
		return b.Floats(name, s, x)
	}
	x := b.Input("x", ir.Shape{2, 7, 1}, ir.Range{Lo: -1, Hi: 1})
	z, err := b.AddNamed(ir.Conv2D, b.Name("z"), []*ir.Value{x}, ir.AttrWeight.Is(floats("z.weight", 1, ir.Shape{9, 2, 1, 1})))
	require.NoError(t, err)
	y, err := b.AddNamed(ir.Recurrent, b.Name("y"), []*ir.Value{z}, ir.AttrCell.Is(ir.CellGRU), ir.AttrReset.Is(ir.ResetAfter),
		ir.AttrHidden.Is(floats("y.hidden", times, ir.Shape{9, 3})), ir.AttrBias.Is(floats("y.bias", bias, ir.Shape{3})))
	require.NoError(t, err)
	return b.Finish([]*ir.Value{y})
}

// TestRecurrentTypes: what feeds the gates has 16 bits and a power of two of their units for its
// scale, whatever bits activations have; hidden states of 16 bits have the scale 2^-15.
func TestRecurrentTypes(t *testing.T) {
	for bits, want := range map[string]ir.Kind{pass.EightBits: ir.I8, pass.SixteenBits: ir.I16} {
		m := recurrentNet(t, .5, .5)
		env := environment(t, m)
		env.Bits = bits
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: "quantize"}))
		n := m.Ops[len(m.Ops)-1]
		require.Equal(t, ir.Recurrent, n.Op)
		z := n.Args[0].Type
		assert.Equal(t, ir.I16, z.Elem.Kind)
		power := math.Log2(z.Quant.Scale * geometry.GateUnits)
		assert.Equal(t, math.Round(power), power)
		assert.Equal(t, want, n.Out.Type.Elem.Kind)
		if want == ir.I16 {
			assert.Equal(t, geometry.HiddenScale, n.Out.Type.Quant.Scale)
		}
	}
}

// TestRecurrentWeights: weights of 0, tiny and great ones, and biases beside which weights are
// small, become integers whose sums have 32 bits; what cannot is refused.
func TestRecurrentWeights(t *testing.T) {
	for _, c := range []struct {
		times, bias float64
		why         string
	}{
		{0, 0, ""}, {0, 5, ""}, {1e-30, 0, ""}, {1e-30, 1e3, ""}, {.1, 1e3, ""}, {300, 0, ""}, {1e9, 0, "the sums of its gates cannot be computed"}, {.1, 1e9, "the sums of its gates cannot be computed"},
	} {
		t.Run(fmt.Sprint(c.times, c.bias), func(t *testing.T) {
			m := recurrentNet(t, c.times, c.bias)
			err := passes.Table.Run(context.Background(), m, environment(t, m), pass.Options{StopAfter: "quantize"})
			if c.why != "" {
				require.ErrorContains(t, err, c.why)
				return
			}
			require.NoError(t, err)
			_, err = geometry.RecurrentIntsOf(m.Ops[len(m.Ops)-1])
			assert.NoError(t, err)
		})
	}
}
