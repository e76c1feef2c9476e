package command_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// TestFlagsOfOtherCommands: a flag that a command does not know is refused with the
// command that has it, and a misspelt command is no file.
func TestFlagsOfOtherCommands(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"build", dnnctest.Lenet, "-target", "armv7", "-sheet", "x.png"}, "dnnc build has no flag -sheet; it is a flag of dnnc disturb"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-sheet", "x.png"}, "it is a flag of dnnc disturb"},
		{[]string{"fmt", dnnctest.Lenet, "-bits", "3"}, "dnnc fmt has no flag -bits; it is a flag of dnnc build, "},
		{[]string{"import", "m.onnx", "-target", "armv7"}, "it is a flag of dnnc build"},
		{[]string{"eval", dnnctest.Lenet, "-o", "x.json"}, "dnnc eval has no flag -o; it is a flag of dnnc build"},
		{[]string{"fmt", dnnctest.Lenet, "-diff", "infer,legalize"}, "it is a flag of dnnc dump"},
		{[]string{"conformance", "dir", "-o", "x"}, "it is a flag of dnnc build"},
		{[]string{"bench", dnnctest.Lenet, "-target", "armv7", "-layer"}, "did you mean -layers?"},
		{[]string{"biuld", dnnctest.Lenet}, "did you mean build?"},
		{[]string{"verfy"}, "did you mean verify?"},
		{[]string{"explain"}, "usage: dnnc explain net.json"},
		{[]string{"explain"}, "dnnc explain takes one argument, not 0"},
		{[]string{"version", "extra"}, "dnnc version takes no argument, not 1"},
		{[]string{"compare", dnnctest.Lenet, dnnctest.Lenet}, "dnnc compare takes one file, not 2"},
	} {
		code, _, stderr := dnnctest.Run(t, c.args...)
		assert.Equal(t, command.BadUsage, code, c.args)
		assert.Contains(t, stderr, c.says, c.args)
	}
	code, stdout, _ := dnnctest.Run(t, "--version")
	assert.Equal(t, command.Done, code)
	assert.Contains(t, stdout, "dnnc ")
}
