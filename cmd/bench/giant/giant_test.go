package giant

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/ir"
)

// TestNetworks: each network is imported, and has the weights and the multiply-adds that it is known for.
func TestNetworks(t *testing.T) {
	for name, want := range map[string]struct{ weights, macs float64 }{ // in millions; the products of attention, .18e9, are no layers
		"mobilenetv2": {3.5, 300}, "efficientnet-b0": {5.3, 390}, "vit-tiny": {5.7, 1075}, "resnet50": {25.6, 4100},
	} {
		if name == "resnet50" && os.Getenv("DNNC_FULL") == "" {
			continue
		}
		raw, err := Write(name)
		require.NoError(t, err)
		again, err := Write(name)
		require.NoError(t, err)
		require.Equal(t, raw, again)
		assert.InEpsilon(t, want.weights, float64(len(raw))/4e6, .03, name)
		path := filepath.Join(t.TempDir(), name+".onnx")
		require.NoError(t, os.WriteFile(path, raw, 0o644))
		m, err := dnnc.Load(path, dnnc.LoadOptions{})
		require.NoError(t, err, name)
		assert.InEpsilon(t, want.macs, float64(ir.MACs(m.Ops))/1e6, .1, name)
	}
	_, err := Write("alexnet")
	assert.Error(t, err)
	assert.Len(t, Names(), 5)
}
