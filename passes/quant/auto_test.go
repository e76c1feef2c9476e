package quant_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/data"
)

// TestAuto: the values that lose most get 16 bits, as far as the arena has room, and no more than the
// results need.
func TestAuto(t *testing.T) {
	// s and e round b to steps of a, 50 times as large; the differences are b.
	const lossy = `network n(a: f32[64] in [-50,50], b: f32[64] in [-1,1]) -> f32[64] {
  s = add(a, b)
  d = sub(s, a)
  e = add(d, a)
  f = sub(e, a)
  return f
}
`
	picture := strings.ReplaceAll(lossy, "f32[64] in", "f32[1,8,8] in")
	picture = strings.Replace(picture, "-> f32[64]", "-> f32[1,8,8]", 1)
	wide := func(m *ir.Module) (n int) {
		for _, x := range append([]*ir.Value{m.Inputs[0], m.Inputs[1]}, results(m)...) {
			if x.Wide {
				n++
			}
		}
		return n
	}
	// plan is an arena of 1000 bytes, and of more for each value of 16 bits.
	plan := func(more int) func(context.Context, *ir.Module) (int, float64, error) {
		return func(_ context.Context, m *ir.Module) (int, float64, error) { return 1000 + more*wide(m), 1, nil }
	}
	for _, c := range []struct {
		name, source string
		plan         func(context.Context, *ir.Module) (int, float64, error)
		budget       pass.Budget
		values       string
		why          string
	}{
		{"no bound", lossy, nil, pass.Budget{}, "s e", ""},
		{"a bound that is kept", lossy, plan(100), pass.Budget{}, "s e", ""},
		{"a bound of the user's", lossy, plan(100), pass.Budget{RAM: 1200}, "s e", ""},
		{"no room", lossy, plan(300), pass.Budget{}, "", "the arena has no room for more"},
		{"no room for both", lossy, plan(200), pass.Budget{}, "s", "the arena has no room for more"},
		{"room without end", lossy, plan(300), pass.Budget{FreeRAM: true}, "s e", ""},
		{"no room for 8 bits", lossy, func(context.Context, *ir.Module) (int, float64, error) { return 0, 0, errors.New("no room") }, pass.Budget{RAM: 1},
			"", "with 8 bits the arena has no room already"},
		{"near enough", "network n(a: f32[64] in [-100,100], b: f32[64] in [-1,1]) -> f32[64], f32[64] {\n  c = relu(a)\n  d = relu(b)\n  return c, d\n}\n", nil, pass.Budget{}, "", ""},
		{"pictures", picture, nil, pass.Budget{}, "s e", ""},
		{"no form", "network n(a: f32[64] in [0,1] as i16, b: f32[1,8,8] in [0,1]) -> f32[64], f32[64] {\n  c = sign(a)\n  d = reshape(b, shape: [64])\n  return c, d\n}\n", nil, pass.Budget{},
			"", "no further value has a form of 16 bits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := func() (*ir.Module, *pass.Widened) {
				m, err := frontend.Parse("net.dnn", []byte(c.source), frontend.Options{})
				require.NoError(t, err)
				env := environment(t, m)
				env.Bits, env.Plan, env.Budget = pass.AutoBits, c.plan, c.budget
				env.Calibration = func() (data.Batch, error) {
					rng := rand.New(rand.NewPCG(1, 2))
					b := data.Batch{N: 16, Shape: m.Inputs[0].Type.Shape, Others: 64}
					for range b.N {
						for _, v := range m.Inputs {
							for range 64 {
								b.X = append(b.X, float32(v.Range.Lo+rng.Float64()*(v.Range.Hi-v.Range.Lo)))
							}
						}
					}
					return b, nil
				}
				require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: "widen"}))
				return m, env.Widened
			}
			m, said := run()
			assert.Equal(t, c.values, strings.Join(said.Values, " "), said.String())
			assert.Equal(t, c.why, said.Why, said.String())
			if c.values == "s e" {
				assert.Less(t, said.Before, 20.)
				assert.Greater(t, said.After, quant.EnoughSQNR)
			}
			for _, name := range said.Values {
				assert.True(t, m.Value(name).Wide, name)
			}
			again, repeated := run()
			assert.Equal(t, m.String(), again.String())
			assert.Equal(t, said, repeated)
		})
	}
}

// TestAutoKeepsWhatLowers: a value whose sums leave 32 bits with 16 bits keeps 8, and others get 16.
func TestAutoKeepsWhatLowers(t *testing.T) {
	for _, bits := range []string{pass.EightBits, pass.AutoBits} {
		m, err := frontend.Parse("net.dnn", []byte(`network n(a: f32[300,300] in [0,50], b: f32[300,300] in [-1,1]) -> f32[300,300], f32[1] {
  c = add(a, a)
  e = reduce(c, fn: sum, axes: [0,1])
  s = add(a, b)
  d = sub(s, a)
  return d, e
}
`), frontend.Options{})
		require.NoError(t, err)
		env := environment(t, m)
		env.Bits = bits
		images := data.Batch{N: 4, Shape: m.Inputs[0].Type.Shape, Others: 300 * 300}
		for i := range images.N * 2 * 300 * 300 {
			v := m.Inputs[i/(300*300)%2]
			images.X = append(images.X, float32(v.Range.Lo+float64(i%97)/96*(v.Range.Hi-v.Range.Lo)))
		}
		env.Calibration = func() (data.Batch, error) { return images, nil }
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: "quantize"}), bits)
		if bits == pass.AutoBits {
			assert.Contains(t, env.Widened.Values, "s", env.Widened.String())
			assert.NotContains(t, env.Widened.Values, "c", env.Widened.String())
		}
	}
}

// results are those of the operations of a network.
func results(m *ir.Module) (list []*ir.Value) {
	for _, n := range m.Ops {
		list = append(list, n.Out)
	}
	return list
}
