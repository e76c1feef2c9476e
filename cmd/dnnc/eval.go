package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certificate"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/passes"
)

// eval measures a network as it is; a target makes what it becomes, too. Ctrl-C
// prints what was measured until then.
func eval(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	if o.Target == "" {
		// Integers are the same on every target.
		o.Target = target.Names()[0]
	}
	if o.StopAfter == "" {
		o.StopAfter = passes.Quantized
	}
	r, err := driver.Compile(ctx, o, stdout, stderr)
	if err != nil {
		return err
	}
	s, err := driver.Measure(ctx, o, r, stderr)
	if err != nil && (s == nil || !errors.Is(err, context.Canceled)) {
		return err
	}
	c := certificate.New(r.Module, r.Env)
	c.Measure(s.Data, s.Float, s.Quantized)
	if !o.JSON {
		driver.Accuracy(stdout, c)
		return err
	}
	e := json.NewEncoder(stdout)
	e.SetIndent("", "  ")
	return errors.Join(err, e.Encode(map[string]any{
		"network": c.Network, "measured": c.Measured, "errors": c.Errors, "seed": c.Seed,
		"float": c.Float, "quantized": c.Quantized, "retention": c.Retention, "retention_stderr": c.RetentionSE,
	}))
}
