package quant_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
)

// TestWiden: which values have 16 bits, and the requantizations where an operation cannot take its
// argument's.
func TestWiden(t *testing.T) {
	const source = `network n(a: f32[8] in [-1,1]AS, p: f32[2,4,4] in [0,1]) -> f32[8], f32[8], f32[16,2] {
  s = sigmoid(a)
  j = sign(s)
  d = squareddiff(s, j)
  e = add(s, d)
  c = transpose(reshape(p, shape: [2,16]), perm: [1,0])
  return e, j, c
}
`
	for _, c := range []struct {
		bits, as string
		wide     string // the values
		added    string // the requantizations
	}{
		{pass.EightBits, "", "", ""},
		{pass.SixteenBits, "", "a s e d.as_i16", "s.as_i8 d.as_i16"},
		{pass.EightBits, " as i16", "a", "a.as_i8"},
	} {
		m, err := frontend.Parse("net.dnn", []byte(strings.Replace(source, "AS", c.as, 1)), frontend.Options{})
		require.NoError(t, err)
		env := environment(t, m)
		env.Bits = c.bits
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: "widen"}))
		text := m.String()
		var wide, added []string
		for _, v := range m.Inputs {
			if v.Wide {
				wide = append(wide, v.Name)
			}
		}
		for _, n := range m.Ops {
			if n.Out.Wide {
				wide = append(wide, n.Name())
			}
			if n.Op == ir.Requantize {
				added = append(added, n.Name())
			}
		}
		assert.ElementsMatch(t, strings.Fields(c.wide), wide, "%s\n%s", c.bits, text)
		assert.ElementsMatch(t, strings.Fields(c.added), added, "%s\n%s", c.bits, text)
		again, err := frontend.Parse("net.dnn", []byte(text), frontend.Options{})
		require.NoError(t, err)
		assert.Equal(t, text, again.String(), "what is printed is read")
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StartAfter: "widen", StopAfter: "quantize"}))
	}
	_, err := frontend.Parse("net.dnn", []byte(strings.Replace(source, "AS", " as i8", 1)), frontend.Options{})
	assert.ErrorContains(t, err, "as i8: quantization gives values of f32 8 bits, or 16 where the text says as i16")
}
