package main

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
)

// TestFlagsOfOtherCommands: a flag that a command does not know is refused with the
// command that has it, and a misspelt command is no file.
func TestFlagsOfOtherCommands(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"build", lenet, "-target", "armv7", "-sheet", "x.png"}, "dnnc build has no flag -sheet; it is a flag of dnnc disturb"},
		{[]string{lenet, "-target", "armv7", "-sheet", "x.png"}, "it is a flag of dnnc disturb"},
		{[]string{"fmt", lenet, "-bits", "3"}, "dnnc fmt has no flag -bits; it is a flag of dnnc build, "},
		{[]string{"import", "m.onnx", "-target", "armv7"}, "it is a flag of dnnc build"},
		{[]string{"eval", lenet, "-o", "x.json"}, "dnnc eval has no flag -o; it is a flag of dnnc build"},
		{[]string{"fmt", lenet, "-diff", "infer,legalize"}, "it is a flag of dnnc dump"},
		{[]string{"conformance", "dir", "-o", "x"}, "it is a flag of dnnc build"},
		{[]string{"bench", lenet, "-target", "armv7", "-layer"}, "did you mean -layers?"},
		{[]string{"biuld", lenet}, "did you mean build?"},
		{[]string{"verfy"}, "did you mean verify?"},
		{[]string{"explain"}, "usage: dnnc explain net.json"},
		{[]string{"compare", lenet, lenet}, "dnnc compare takes one file, not 2"},
	} {
		code, _, stderr := dnnc(t, c.args...)
		assert.Equal(t, badUsage, code, c.args)
		assert.Contains(t, stderr, c.says, c.args)
	}
	code, stdout, _ := dnnc(t, "--version")
	assert.Equal(t, done, code)
	assert.Contains(t, stdout, "dnnc ")
}

// TestCommandsAreWhole: each has what help, man page and completions tell of it, and every
// flag is declared once: with one text in all commands.
func TestCommandsAreWhole(t *testing.T) {
	texts := map[string]string{}
	for i := range commands {
		c := &commands[i]
		assert.NotEmpty(t, c.doc, c.name)
		assert.True(t, (c.run == nil) != (c.do == nil), "%s has one of run and do", c.name)
		assert.LessOrEqual(t, c.least, c.most, c.name)
		var o driver.Options
		fs := c.flagSet(&o) // panics of a flag that two groups declare
		if c.target {
			require.NotNil(t, fs.Lookup("target"), c.name)
		}
		fs.VisitAll(func(f *flag.Flag) {
			if text, ok := texts[f.Name]; ok {
				assert.Equal(t, text, f.Usage, "-%s of %s", f.Name, c.name)
			}
			texts[f.Name] = f.Usage
		})
	}
}
