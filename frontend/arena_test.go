package frontend_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
)

// TestArenas: the size of a plan, and what plans aim at, stand in the text as they are read.
func TestArenas(t *testing.T) {
	for _, c := range []struct {
		text   string
		arena  ir.Arena
		within int
	}{
		{"arena within 4096", ir.Arena{}, 4096},
		{"arena 128 align 8 within 4096", ir.Arena{Bytes: 128, Align: 8}, 4096},
		{"arena 128 align 8", ir.Arena{Bytes: 128, Align: 8}, 0},
	} {
		m, err := frontend.Parse("net.dnn", []byte("network net(x: f32[2] in [0,1]) -> f32[2] {\n  "+c.text+"\n  y = relu(x)\n  return y\n}\n"), frontend.Options{})
		require.NoError(t, err, c.text)
		assert.Equal(t, c.arena, m.Arena, c.text)
		assert.Equal(t, c.within, m.Within, c.text)
		assert.Contains(t, m.String(), "\n  "+c.text+"\n")
	}
}
