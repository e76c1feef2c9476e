package decode_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel/decode"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
)

var books = []string{"vec4x8", "vec3x5", "vec8x4", "vec4x16", "code3", "code8"}

func TestConvolutions(t *testing.T) {
	kerneltest.Family(t, &decode.Conv, 60, kerneltest.Layer{Pools: true, Results: true, Formats: books}.Draw, "armv7em")
}

func TestLinearLayers(t *testing.T) {
	kerneltest.Family(t, &decode.Linear, 40, kerneltest.Layer{Linear: true, Results: true, Formats: books}.Draw, "armv7em")
}
