package driver

import (
	"fmt"
	"io"

	"github.com/dnnc/dnnc/runtime/certificate"
)

// compare prints what a searched network takes beside the same network in int8. Code and
// stack are known of builds with LLVM; of a large network, int8 is not compiled for them.
func (b *build) compare(out io.Writer) error {
	r := b.r.Reference()
	if r == nil || b.o.Chosen != nil {
		return nil
	}
	c := certificate.New(r.Module, r.Env)
	if b.cert.CodeBytes > 0 && c.WeightBytes < largeWeights && !b.o.isEnough() {
		a, err := r.Assemble(b.ctx)
		if err != nil {
			return err
		}
		c.CodeBytes, c.StackBytes = a.Code, a.Interface.Stack
	}
	known := func(isKnown bool, n int) string {
		if !isKnown {
			return "-"
		}
		return fmt.Sprint(n)
	}
	rows := [][]string{{b.r.Target.Name, "flash", "arena and stack", "estimated cycles"}}
	for _, x := range []struct {
		name string
		c    *certificate.Certificate
	}{{"int8", c}, {b.r.Module.Name, b.cert}} {
		rows = append(rows, []string{x.name, known(x.c.CodeBytes > 0, x.c.WeightBytes+x.c.OtherBytes+x.c.CodeBytes),
			known(x.c.StackBytes > 0, x.c.ArenaBytes+x.c.StackBytes), known(x.c.Cycles > 0, int(x.c.Cycles))})
	}
	table(out, rows...)
	return nil
}
