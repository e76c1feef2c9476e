package bench

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/processor"
)

// TestVariableInstructions counts those of a processor, with their suffixes, outside of
// comments and labels.
func TestVariableInstructions(t *testing.T) {
	const asm = `sdiv:
	smull	r0, r1, r2, r3 @ smull
	smullne	r0, r1, r2, r3
	smlald	r0, r1, r2, r3
	udiv.w	r0, r1, r2
	smlabb	r0, r1, r2, r3
	.ascii "udiv"
`
	for name, want := range map[string]map[string]int{"armv7m": {"smull": 2, "udiv": 1}, "armv7em": {"udiv": 1}, "armv6m": {}, "x86_64": {}} {
		target, err := processor.Find(name)
		require.NoError(t, err)
		assert.Equal(t, want, variable(asm, target), name)
	}
	assert.Equal(t, "none", listed(nil))
	assert.Equal(t, "2 smull, 1 udiv", listed(map[string]int{"udiv": 1, "smull": 2}))
}
