package pixels_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/pixels"
)

func TestPixels(t *testing.T) {
	l := kerneltest.Layer{Pools: true, Formats: []string{"odd1", "odd2", "odd3", "odd4", "odd5", "odd7", "vec4x8", "vec4x16", "vec6x8", "vec3x5"}}
	kerneltest.Family(t, &pixels.Conv, 60, l.Draw, "armv7", "aarch64+dotprod")
}
