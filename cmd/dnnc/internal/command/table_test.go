package command

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
)

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
