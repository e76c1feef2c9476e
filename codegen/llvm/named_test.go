package llvm_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/loop"
)

// TestEveryInstructionIsPrinted: what the evaluator knows, LLVM and C know too.
func TestEveryInstructionIsPrinted(t *testing.T) {
	for name := range loop.Intrinsics {
		assert.True(t, llvm.Prints(name), "LLVM: %s", name)
		assert.True(t, c.Prints(name), "C: %s", name)
	}
	assert.False(t, llvm.Prints("nothing"))
	assert.False(t, c.Prints("nothing"))
}
