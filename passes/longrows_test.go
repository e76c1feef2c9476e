package passes_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// TestLongRows: the shares of a softmax over many elements have steps of their greatest one, where what
// reads them may choose; and steps of 1/256 where a share is half or more, or the network gives them.
func TestLongRows(t *testing.T) {
	parse := func(places int, ends string, gain float64) *ir.Module {
		text := strings.NewReplacer("12,12", fmt.Sprintf("%d,%d", places, places), "8,12", fmt.Sprint("8,", places), "12,8", fmt.Sprintf("%d,8", places), "  y = matmul(p, i)\n  return y\n", ends).Replace(attention)
		if strings.Contains(ends, "return y, p") {
			text = strings.Replace(text, " {", fmt.Sprintf(", f32[%d,%d] {", places, places), 1)
		}
		return network(t, text, append([]constant{{"q.weight", []int{8, 8, 1, 1}, normal(1, gain)}, {"k.weight", []int{8, 8, 1, 1}, normal(2, gain)}},
			scaled("add", places*places, always(1), always(0))...)...)
	}
	scale := func(m *ir.Module) float64 {
		for _, n := range m.Ops {
			if n.Op == ir.Softmax {
				require.Equal(t, -128, n.Out.Type.Quant.Zero)
				return n.Out.Type.Quant.Scale
			}
		}
		return 0
	}
	const product = "  y = matmul(p, i)\n  return y\n"
	for _, c := range []struct {
		what, ends string
		places     int
		gain       float64
		least      float64 // dB
		isOwn      bool    // the scale is less than 1/256
	}{
		{"attention over 197 places", product, 197, .3, 50, true},
		{"moved on the way", "  y = matmul(transpose(transpose(p, perm: [1,0]), perm: [1,0]), i)\n  return y\n", 197, .3, 50, true},
		{"attention over 12 places that chooses", product, 12, 1, 36, false},
		{"the network gives the shares, too", "  y = matmul(p, i)\n  return y, p\n", 197, .3, 0, false},
		{"a pad of 1/2 has their type", "  w = pad(p, before: [0,0], after: [1,0], value: 0.5)\n  y = matmul(slice(w, start: [1,0], size: [197,197]), i)\n  return y\n", 197, .3, 0, false},
	} {
		ratios, m := noise(t, parse(c.places, c.ends, c.gain))
		assert.GreaterOrEqual(t, ratios[0], c.least, "%s: %.1f dB", c.what, ratios[0])
		if c.isOwn {
			assert.Less(t, scale(m), .3/256, c.what)
		} else {
			assert.Equal(t, 1./256, scale(m), c.what)
		}
	}
}
