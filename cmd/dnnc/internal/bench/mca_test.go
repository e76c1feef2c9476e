package bench

import (
	"context"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/processor"
)

const text = `net_layer0:
	push	{r4, lr}
.LBB0_1:                                @ %loop
	ldr	r2, [r0], #4
.LBB0_2:                                @ Parent Loop
	ldrsb	r3, [r1], #1
	bic	r3, r3, #1                      @ no branch
	smlad	r4, r3, r2, r4
	subs	r5, #1
	bne	.LBB0_2
@ %bb.3:
	cmp	r2, r6
	bne	.LBB0_1
.LBB0_4:
	bl	net_layer0_tile
	bne	.LBB0_4
	pop	{r4, pc}
net_layer0_tile:
	bne	net_layer0_tile
	bx	lr
`

func TestInnerLoops(t *testing.T) {
	loops := innerLoops(text, "@")
	require.Len(t, loops["net_layer0"], 1)
	assert.Equal(t, 5, loops["net_layer0"][0].instructions)
	assert.Equal(t, "ldrsb\tr3, [r1], #1\nbic\tr3, r3, #1\nsmlad\tr4, r3, r2, r4\nsubs\tr5, #1", loops["net_layer0"][0].code)
	assert.Empty(t, loops["net_layer0_tile"], "an outer loop, a loop with a call, a jump to a function")
}

// TestModelsExist has llvm-mca estimate for every processor that names a model.
func TestModelsExist(t *testing.T) {
	mca, err := exec.LookPath("llvm-mca-19")
	if err != nil {
		t.Skip(err)
	}
	add := map[string]string{"thumb": "add r0, r0, r1", "arm": "add r0, r0, r1", "aarch64": "add x0, x0, x1", "riscv32": "add a0, a0, a1", "riscv64": "add a0, a0, a1", "x86_64": "add %eax, %ebx"}
	for _, name := range processor.Names() {
		family, err := processor.Find(name)
		require.NoError(t, err)
		cpus := []string{family.CPU}
		for _, c := range family.CPUs {
			cpus = append(cpus, c.Name)
		}
		for _, cpu := range cpus {
			x, err := family.Refine(cpu, "")
			require.NoError(t, err)
			if x.MCA == "" {
				continue
			}
			cycles, err := cyclesOf(context.Background(), mca, x, innerLoop{code: add[x.Arch]})
			require.NoError(t, err, x.Name)
			assert.Positive(t, cycles)
		}
	}
}
