package pairs_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/pairs"
)

func TestPairs(t *testing.T) {
	l := kerneltest.Layer{Pools: true, Formats: []string{"odd1", "odd2", "odd3", "odd4", "vec4x8", "vec4x16", "vec6x8", "vec5x2"}}
	kerneltest.Family(t, &pairs.Conv, 30, l.Draw, "armv7em", "armv7m", "riscv32")
}
