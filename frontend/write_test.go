package frontend

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNestedOperationsHaveNames: that of the statement and of the operations around, and a
// number from the second on.
func TestNestedOperationsHaveNames(t *testing.T) {
	m, err := Parse("n.dnn", []byte("network n(x: f32[2] in [0,1]) -> f32[2] {\n  y = add(relu(x), add(relu(tanh(x)), relu(x)))\n  z = mul(relu(x), y)\n  return z\n}\n"), Options{})
	require.NoError(t, err)
	var names []string
	for _, n := range m.Ops {
		names = append(names, n.Name())
	}
	assert.Equal(t, []string{"y.relu", "y.add.relu.tanh", "y.add.relu", "y.add.relu2", "y.add", "y", "z.relu", "z"}, names)
}

// TestHolds: a dump's tensors file is told by its bytes.
func TestHolds(t *testing.T) {
	m, err := Load(lenet, Options{})
	require.NoError(t, err)
	d, err := NewDump(m)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), d.TensorsName)
	assert.False(t, d.Holds(path), "there is none")
	var file bytes.Buffer
	require.NoError(t, d.WriteTensors(&file))
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o644))
	assert.True(t, d.Holds(path))
	raw := file.Bytes()
	raw[len(raw)-1]++
	require.NoError(t, os.WriteFile(path, raw, 0o644))
	assert.False(t, d.Holds(path), "one bit is another")
	assert.NotContains(t, string(d.Text), "calib", "the data are no part of a dump")
}
