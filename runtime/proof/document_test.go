package proof_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/runtime/proof"
)

func size(t *testing.T, text string) *proof.Size {
	t.Helper()
	s := &proof.Size{}
	require.NoError(t, json.Unmarshal([]byte(`"`+text+`"`), s))
	return s
}

func TestDocument(t *testing.T) {
	then := 3
	d := &proof.Document{Version: proof.Version, Statement: proof.Statement, Network: "n", Errors: "light=0.1", Images: 1,
		Decided: []proof.Image{{Right: 1, Ranges: []proof.Range{{Kind: "light", Way: "darker", Distinct: 256, To: size(t, "103/510"), Including: true, Then: &then}}}}}
	text, err := d.JSON()
	require.NoError(t, err)
	assert.Contains(t, string(text), `"103/510"`)
	again, err := proof.Parse(text)
	require.NoError(t, err)
	assert.Equal(t, "103/510", again.Decided[0].Ranges[0].To.RatString())
	for old, other := range map[string]string{"103/510": "104/510", `"right": 1`: `"right": 2`, `"version": 2`: `"version": 1`, `"n"`: `"m"`, `"statement"`: `"statement" `} {
		changed := strings.Replace(string(text), old, other, 1)
		require.NotEqual(t, string(text), changed, old)
		_, err := proof.Parse([]byte(changed))
		assert.Error(t, err, other)
	}
	for _, bad := range []string{"", "2", "3/2", "-1/2", "1/0", "0x1", "1e9", "1/2/3", ".5", strings.Repeat("1", 3000)} {
		assert.Error(t, json.Unmarshal([]byte(`"`+bad+`"`), &proof.Size{}), bad)
	}
	assert.Error(t, json.Unmarshal([]byte(`5`), &proof.Size{}))
}

// TestRangeHolds: of a range with its end and of one without.
func TestRangeHolds(t *testing.T) {
	closed, open := proof.Range{To: size(t, "1/3"), Including: true}, proof.Range{To: size(t, "1/3")}
	third, less, more := big.NewRat(1, 3), big.NewRat(3333, 10000), big.NewRat(3334, 10000)
	assert.Equal(t, []bool{true, true, false}, []bool{closed.Holds(less), closed.Holds(third), closed.Holds(more)})
	assert.Equal(t, []bool{true, false, false}, []bool{open.Holds(less), open.Holds(third), open.Holds(more)})
	assert.False(t, (&proof.Range{}).Holds(new(big.Rat)), "wrong without an error")
}

// TestContentIsOfTheIntegers: what a target chose leaves it; any constant, bound, type and
// order of arguments is part of it.
func TestContentIsOfTheIntegers(t *testing.T) {
	text := "network net(x: f32[1,9,9] in [0,1]) -> f32[2] {\n  c = conv2d(x, filters: 4, kernel: 4)\n  p = relu(maxpool2d(c, kernel: 2, stride: 2))\n  f = linear(flatten(p), units: 2)\n  y = sub(f, relu(f))\n  return y\n}\n"
	constants := "c.weight:[4,1,4,4] c.bias:[4] f.weight:[2,36] f.bias:[2]"
	content := func(m *ir.Module) string {
		c, err := proof.Content(m)
		require.NoError(t, err)
		return c
	}
	m := network(t, 5, text, constants, "", passes.Quantized)
	want := content(m)
	planned := network(t, 5, text, constants, "", "")
	fused := false
	for _, n := range planned.Ops {
		fused = fused || n.Has(ir.AttrPool)
	}
	require.True(t, fused)
	assert.Equal(t, want, content(planned))
	assert.NotEqual(t, want, content(network(t, 6, text, constants, "", passes.Quantized)), "other weights")
	assert.NotEqual(t, want, content(network(t, 5, text, constants, ir.RoundTFLite, passes.Quantized)), "another rounding")
	for name, change := range map[string]func(m *ir.Module){
		"scale": func(m *ir.Module) { m.Inputs[0].Type.Quant.Scale *= 1.0001 },
		"zero":  func(m *ir.Module) { m.Ops[0].Out.Type.Quant.Zero++ },
		"bound": func(m *ir.Module) { m.Ops[0].Put(ir.AttrHi.Is(100)) },
		"order": func(m *ir.Module) { a := m.Ops[len(m.Ops)-1].Args; a[0], a[1] = a[1], a[0] },
	} {
		m := network(t, 5, text, constants, "", passes.Quantized)
		change(m)
		assert.NotEqual(t, want, content(m), name)
	}
}
