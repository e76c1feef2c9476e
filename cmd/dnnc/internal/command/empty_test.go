package command

import (
	"bytes"
	"context"
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
)

// TestFlagsRefuseEmptyValues: every flag that takes a value needs one, in every command; an unset
// variable of a shell makes "", which is no wish for the default.
func TestFlagsRefuseEmptyValues(t *testing.T) {
	for i := range commands {
		c := &commands[i]
		if c.run == nil {
			continue
		}
		var o driver.Options
		c.flagSet(&o).VisitAll(func(f *flag.Flag) {
			isBool := takesNone(f.Value)
			var stdout, stderr bytes.Buffer
			code := Run(context.Background(), []string{c.name, "no-such.dnn", "-" + f.Name + "="}, &stdout, &stderr)
			assert.Equal(t, BadUsage, code, "%s -%s=: %s", c.name, f.Name, &stderr)
			assert.Empty(t, stdout.String(), "%s -%s=", c.name, f.Name)
			assert.Contains(t, stderr.String(), "-"+f.Name+": ", c.name)
			if isBool {
				return
			}
			for _, args := range [][]string{{"-" + f.Name, ""}, {"--" + f.Name + "="}} {
				_, _, err := c.parse(append([]string{"no-such.dnn"}, args...))
				assert.ErrorContains(t, err, "-"+f.Name+": a value is missing (an unset variable of the shell?); leave the flag out where none is meant", "%s %q", c.name, args)
			}
		})
	}
	for _, list := range []string{"-emit", "-report", "-fix", "-formats"} {
		_, _, err := find("build").parse([]string{"no-such.dnn", list, " , "})
		assert.ErrorContains(t, err, list+`: " , " names nothing`)
	}
}

// TestEmptyPathsNameThemselves: an argument that is empty is told as such, before any work.
func TestEmptyPathsNameThemselves(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{""}, "dnnc build: the path is empty"},
		{[]string{"build", "", "-target", "armv7em"}, "dnnc build: the path is empty"},
		{[]string{"eval", ""}, "dnnc eval: the path is empty"},
		{[]string{"verify", ""}, "dnnc verify: the path is empty"},
		{[]string{"diff", "old.json", ""}, "dnnc diff: the path is empty"},
		{[]string{"explain", ""}, "dnnc explain: the path is empty"},
		{[]string{"size", ""}, "dnnc size: the path is empty"},
		{[]string{"demo", ""}, "dnnc demo: the path is empty"},
		{[]string{"init", "make", "net.dnn", ""}, "dnnc init: an argument is empty"},
		{[]string{"help", ""}, "dnnc help: an argument is empty"},
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, BadUsage, Run(context.Background(), c.args, &stdout, &stderr), "%q", c.args)
		assert.Contains(t, stderr.String(), c.want+" (an unset variable of the shell?)", "%q", c.args)
		assert.Empty(t, stdout.String(), "%q", c.args)
	}
}
