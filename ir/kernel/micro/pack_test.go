package micro

import (
	"math/bits"
	"math/rand"
	"testing"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/stretchr/testify/assert"
)

// TestPackedWordsAreIdeal holds the words of every product to ir.PackedBytes, and
// every code to one place; so with those that are decoded together.
func TestPackedWordsAreIdeal(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	for _, tgt := range processor.All() {
		for _, m := range productsOf(tgt) {
			for _, e := range []ir.Elem{ir.Of(ir.I8), ir.OddOf(1), ir.OddOf(2), ir.OddOf(3), ir.OddOf(4), ir.OddOf(7), ir.OddOf(8)} {
				if m.PlanesOf(e) == nil || m.Together && e.CodeBits() == 8 {
					continue
				}
				pack := packWords
				if m.Together {
					pack = packBytes
				}
				for _, tile := range m.Tiles {
					groups, rows, k := 1+rng.Intn(2), 8*(1+rng.Intn(4)), 1+rng.Intn(70)
					codes := make([]byte, groups*rows*k)
					for i := range codes {
						codes[i] = byte(rng.Intn(1 << e.CodeBits()))
					}
					ones, bytes := 0, 0
					for _, data := range pack(m, e, codes, groups, rows, k, tile[1], rng.Perm(k)) {
						bytes += len(data)
						for _, b := range data {
							ones += bits.OnesCount8(b)
						}
					}
					want := 0
					for _, q := range codes {
						if e == ir.OddOf(8) && m.PlanesOf(e)[0] == 8 {
							q ^= 0x80
						}
						if m.Biased && !m.Together {
							q ^= 0x80
						}
						want += bits.OnesCount8(q)
					}
					assert.Equal(t, ir.PackedBytes(e, ir.Shape{groups * rows, k}), bytes, "%s %s", m.Name, e)
					if (!m.Carried || m.Decodes) && !m.Stacked && !m.Twins { // whose bits carry from one channel to the other
						assert.Equal(t, want, ones, "%s %s", m.Name, e)
					}
				}
			}
		}
	}
}
