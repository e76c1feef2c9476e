package lookup_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/lookup"
)

func TestLinearLayers(t *testing.T) {
	l := kerneltest.Layer{Linear: true, Formats: []string{"odd1", "odd2", "odd3", "odd4", "vec4x8", "vec4x16", "vec6x7", "vec3x5", "vec8x4", "vec7x9"}}
	kerneltest.Family(t, &lookup.Linear, 40, l.Draw, "armv7em", "armv7m", "riscv32")
	l.Formats = l.Formats[4:]
	kerneltest.Family(t, &lookup.Linear, 40, l.Draw, "armv7", "armv8.1m", "x86_64")
}

func TestConvolutions(t *testing.T) {
	l := kerneltest.Layer{Pools: true, Formats: []string{"vec4x8", "vec4x16", "vec6x8", "vec3x5", "vec8x4", "vec5x2"}}
	kerneltest.Family(t, &lookup.Conv, 40, l.Draw, "armv7em", "armv6m", "armv7", "armv8.1m")
}
