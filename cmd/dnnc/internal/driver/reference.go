package driver

import (
	"fmt"
	"io"
	"slices"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// reference is what the same network takes in int8; nil of a build that searched nothing. Code
// and stack are known where those of the build are; a large network is not compiled for them.
func (b *build) reference() (*certificate.Certificate, error) {
	r := b.r.Reference()
	if b.int8 != nil || r == nil || b.o.Chosen != nil {
		return b.int8, nil
	}
	c := certificate.New(r.Module, r.Env)
	if b.cert.CodeBytes > 0 && c.WeightBytes < largeWeights && !b.o.isEnough() {
		a, err := r.Assemble(b.ctx)
		if err != nil {
			return nil, err
		}
		c.CodeBytes, c.StackBytes = a.Code, a.Interface.Stack
	}
	b.int8 = c
	return c, nil
}

// warnOfFlash warns of an object that takes more flash than int8's: its weights have fewer bits,
// but what decodes them, or its tables, may take more than they save.
func (b *build) warnOfFlash() error {
	if !slices.ContainsFunc(b.o.Emit, func(e string) bool { return e == "obj" || e == "lib" }) || b.o.Chosen != nil || b.r.Reference() == nil {
		return nil
	}
	if _, err := b.obj(); err != nil {
		return err
	}
	c, err := b.reference()
	if err != nil {
		return err
	}
	own, isKnown := b.cert.Flash()
	other, isOther := c.Flash()
	if isKnown && isOther && own > other {
		b.r.Warn(diag.Warn(diag.AboveInt8, "on %s the network takes %d bytes of flash, int8 %d bytes", b.r.Target.Name, own, other).
			WithHelp("-O int8 takes less; -O size takes less code; other -formats take other code"))
	}
	return nil
}

// compare prints what a searched network takes beside the same network in int8.
func (b *build) compare(out io.Writer) error {
	c, err := b.reference()
	if c == nil || err != nil {
		return err
	}
	known := func(isKnown bool, n int) string {
		if !isKnown {
			return "-"
		}
		return fmt.Sprint(n)
	}
	int8, own, unit := int(c.Cycles), int(b.cert.Cycles), "estimated cycles"
	if n := b.r.Env.Report.Counted; n != nil {
		int8, own, unit = n.Int8.Instructions, n.Own.Instructions, "instructions"
	}
	rows := [][]string{{b.r.Target.Name, "flash", "arena and stack", unit}}
	for _, x := range []struct {
		name string
		c    *certificate.Certificate
		time int
	}{{"int8", c, int8}, {b.r.Module.Name, b.cert, own}} {
		flash, isKnown := x.c.Flash()
		rows = append(rows, []string{x.name, known(isKnown, flash),
			known(x.c.StackBytes > 0, x.c.ArenaBytes+x.c.StackBytes), known(x.time > 0, x.time)})
	}
	table(out, rows...)
	return nil
}
