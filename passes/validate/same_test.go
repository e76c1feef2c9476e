package validate_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/validate"
)

// TestDifferences: what is allowed is a share of the greatest element before; what is
// beyond it is told with its place, at the operation nearest to the cause. Inputs are the
// least numbers, the greatest, and noise between.
func TestDifferences(t *testing.T) {
	load := func() *ir.Module {
		m := frontendtest.Load(t, "testdata/chain.dnn")
		require.Empty(t, ir.Infer(m))
		return m
	}
	// The results of second reach from 0 to 4, of images 0 and 1.
	for _, c := range []struct {
		layer   string
		element int
		by      float32
		rounds  float64
		want    string // "" where it is allowed
	}{
		{"first", 1, 0, 0, ""},
		{"first", 1, 1, .25, ""},
		{"first", 1, 1.5, .25, "pass p: first differs first at element 1 of input 0: 1.5, before it 0 (may differ by 1)"},
		{"second", 2, 1e-3, 0, "pass p: second differs first at element 2 of input 0: 1.001, before it 1 (may differ by 0)"},
		{"second", 0, -1, .2, "pass p: second differs first at element 0 of input 0: -1, before it 0 (may differ by 0.8)"},
		{"second", 0, -1, .25, ""},
	} {
		m := load()
		v := validate.New(m, 1)
		p := &pass.Pass{Name: "p", Rounds: c.rounds}
		require.NoError(t, v.Observe(context.Background(), p, m))
		bias := m.Value(c.layer).Def.Const(ir.AttrBias)
		x, err := bias.Float32()
		require.NoError(t, err)
		x = slices.Clone(x)
		x[c.element] += c.by
		bias.Data = ir.FloatConst("", bias.Type.Shape, x).Data
		err = v.Observe(context.Background(), p, m)
		if c.want == "" {
			assert.NoError(t, err, "%+v", c)
		} else {
			assert.EqualError(t, err, c.want)
		}
	}
	// The greatest inputs show what the least do not.
	m := load()
	first := m.Value("first").Def
	first.Put(ir.AttrAct.Is("relu"))
	first.Const(ir.AttrBias).Data = ir.FloatConst("", ir.Shape{3}, []float32{0, 0, 0}).Data
	v, p := validate.New(m, 1), &pass.Pass{Name: "p"}
	require.NoError(t, v.Observe(context.Background(), p, m))
	first.Const(ir.AttrWeight).Data = ir.FloatConst("", ir.Shape{3, 2}, []float32{1, 0, 0, 2, 0, 0}).Data
	assert.EqualError(t, v.Observe(context.Background(), p, m), "pass p: first differs first at element 1 of input 1: 6, before it 3 (may differ by 0)")
}

// TestInputsWithoutRanges are taken from 0 to 1.
func TestInputsWithoutRanges(t *testing.T) {
	m := frontendtest.Load(t, "testdata/chain.dnn")
	require.Empty(t, ir.Infer(m))
	m.Inputs[0].Range = nil
	v := validate.New(m, 1)
	p := &pass.Pass{Name: "p"}
	require.NoError(t, v.Observe(context.Background(), p, m))
	m.Value("second").Def.Put(ir.AttrAct.Is("relu6")) // from 1 to 2 alike
	require.NoError(t, v.Observe(context.Background(), p, m))
	w := m.Value("first").Def.Const(ir.AttrWeight)
	w.Data = ir.FloatConst("", w.Type.Shape, []float32{1, 0, 0, 2, 0, 0}).Data
	assert.ErrorContains(t, v.Observe(context.Background(), p, m), "first differs first at element 1 of input 1: 3, before it 2")
}

// TestAnotherNumberOfElements is told, too.
func TestAnotherNumberOfElements(t *testing.T) {
	m := frontendtest.Load(t, "testdata/chain.dnn")
	require.Empty(t, ir.Infer(m))
	v := validate.New(m, 1)
	p := &pass.Pass{Name: "p"}
	require.NoError(t, v.Observe(context.Background(), p, m))
	slices.Reverse(m.Outputs)
	assert.ErrorContains(t, v.Observe(context.Background(), p, m), "pass p: second has 3 elements, before it 2")
}
