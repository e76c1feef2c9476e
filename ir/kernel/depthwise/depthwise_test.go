package depthwise_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel/depthwise"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
)

func TestDepthwise(t *testing.T) {
	l := kerneltest.Layer{Depthwise: true, Pools: true, Formats: []string{"i8", "i8", "odd1", "odd2", "odd3", "odd4", "odd5", "odd8", "i2", "i5", "i7"}}
	kerneltest.Family(t, &depthwise.Conv, 60, l.Draw, "armv7em", "armv6m", "armv7", "armv8.1m", "x86_64")
}
