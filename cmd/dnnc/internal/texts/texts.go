// Package texts works on networks as texts: dnnc fmt and dnnc dump.
package texts

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/terminal"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/syntax"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
)

// Format writes a network as dumps are written: over itself, or where -o says, - for
// the standard output.
func Format(_ context.Context, o driver.Options, stdout, _ io.Writer) error {
	if driver.IsModel(o.Input) {
		return diag.New(diag.Pos{File: o.Input}, diag.BadFile, "a model, and no text of the language").WithHelp("dnnc import makes a text of it")
	}
	src, err := frontend.ReadSource(o.Input)
	if err != nil {
		return err
	}
	out, list := syntax.Format(o.Input, src)
	if err := list.Err(); err != nil {
		return err
	}
	if o.Output != "" { // else the input is meant
		files := o.Files()
		stmts, _ := syntax.Parse(o.Input, src)
		for _, s := range stmts {
			switch s := s.(type) {
			case *syntax.Tensors:
				files.Reads("the tensors file", filepath.Join(filepath.Dir(o.Input), syntax.Unquote(s.Path)))
			case *syntax.Data:
				for _, d := range s.Sets {
					files.Reads("the data set", filepath.Join(filepath.Dir(o.Input), syntax.Unquote(d.Path)))
				}
			}
		}
		files.Writes("-o", o.Output)
		if err := files.Check(); err != nil {
			return err
		}
	}
	switch {
	case o.Output == "-":
		_, err = terminal.Raw(stdout).Write(out)
	case o.Output != "" || !bytes.Equal(src, out):
		err = driver.Replace(cmp.Or(o.Output, o.Input), out)
	}
	return err
}

// Dump prints the module as it is after -stop-after, the last pass when absent; with
// -diff a,b what the passes after a up to b changed.
func Dump(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	// Only the last passes look at the target.
	o.Target = cmp.Or(o.Target, processor.Names()[0])
	first, last, isDiff := strings.Cut(o.Diff, ",")
	if isDiff {
		if err := inOrder(first, last); err != nil {
			return err
		}
		o.Debug, o.StopAfter = first+"/dump", last
	} else if o.Diff != "" {
		return diag.New(diag.Pos{}, diag.BadValue, "-diff %s: two passes, as -diff infer,legalize", o.Diff)
	}
	var before bytes.Buffer
	r, err := driver.Compile(ctx, o, &before, stderr)
	if err != nil {
		return err
	}
	d, err := frontend.NewDump(r.Module)
	if err != nil {
		return err
	}
	if !isDiff {
		fmt.Fprintf(stdout, "%s%s", before.String(), d.Text)
		return nil
	}
	_, err = io.WriteString(stdout, udiff.Unified("after "+first, "after "+last, before.String(), string(d.Text)))
	return err
}

// inOrder holds the passes of -diff to the table's.
func inOrder(first, last string) error {
	a, err := passes.Table.Find(first)
	if err != nil {
		return err
	}
	b, err := passes.Table.Find(last)
	if err != nil {
		return err
	}
	if a >= b {
		return diag.New(diag.Pos{}, diag.BadValue, "-diff %s,%s: %s does not run after %s", first, last, last, first).WithHelp("dnnc -d=help lists the passes in their order")
	}
	return nil
}
