package tile_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/tile"
)

var scalar = []string{"i8", "odd1", "odd3", "odd4", "odd8", "i2", "i5"}

func TestConvolutions(t *testing.T) {
	kerneltest.Family(t, &tile.Conv, 60, kerneltest.Layer{Pools: true, Results: true, Formats: scalar}.Draw, "armv7em")
}

func TestLinearLayers(t *testing.T) {
	kerneltest.Family(t, &tile.Linear, 40, kerneltest.Layer{Linear: true, Results: true, Formats: scalar}.Draw, "armv7em")
}
