package emit_test

import (
	"math/rand"
	"testing"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/stretchr/testify/assert"
)

// TestPackedSizeIsIdeal holds the object's weights to ir.PackedBytes.
func TestPackedSizeIsIdeal(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for bits := 1; bits <= 8; bits++ {
		groups, rows, k := 1+rng.Intn(3), 1+rng.Intn(20), 1+rng.Intn(30)
		order := rng.Perm(k)
		total := 0
		for _, p := range emit.Pack(ir.OddOf(bits), make([]byte, groups*rows*k), groups, rows, k, 8, order) {
			total += len(p)
		}
		assert.Equal(t, ir.PackedBytes(ir.OddOf(bits), ir.Shape{groups * rows, k}), total)
	}
}
