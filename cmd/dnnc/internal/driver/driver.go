// Package driver takes what a user typed to the files that a build needs.
package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dnnc/dnnc/codegen"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// Options are what the user typed.
type Options struct {
	Input, Output, Target, Level, Rounding string
	Emit, Calib, Data, Errors, StopAfter   string
	Fix                                    []string
	Budget                                 pass.Budget
	Images                                 int
	Seed                                   uint64
	AllowOutside, TimePasses               bool
}

// emits are the kinds of output.
var emits = []string{"obj", "asm", "llvm", "ir"}

// Build compiles a network and writes its outputs: each to a temporary file
// that is renamed, the object last.
func Build(ctx context.Context, o Options, messages io.Writer) error {
	if !slices.Contains(emits, o.Emit) {
		return diag.New(diag.Pos{}, diag.BadValue, "-emit %s: the outputs are %s", o.Emit, strings.Join(emits, " ")).WithSuggestion(o.Emit, emits)
	}
	r, err := Compile(ctx, o, messages)
	if err != nil {
		return err
	}
	return write(ctx, o, r.Module, r.Target)
}

// Result is a network after the passes.
type Result struct {
	Module *ir.Module
	Target *target.Target
	Env    *pass.Env
}

// Compile takes a network through the passes.
func Compile(ctx context.Context, o Options, messages io.Writer) (*Result, error) {
	if !slices.Contains(pass.Levels, o.Level) {
		return nil, diag.New(diag.Pos{}, diag.BadValue, "-O %s: the levels are %s", o.Level, strings.Join(pass.Levels, " ")).WithSuggestion(o.Level, pass.Levels)
	}
	t, err := target.Find(o.Target)
	if err != nil {
		return nil, err
	}
	m, err := frontend.Load(o.Input, frontend.Options{AllowOutside: o.AllowOutside})
	if err != nil {
		return nil, err
	}
	env, err := environment(o, m, t, messages)
	if err != nil {
		return nil, err
	}
	if m.IsQuantized() {
		if o.Level != string(pass.Int8) || o.Budget != (pass.Budget{Keep: o.Budget.Keep}) {
			return nil, diag.New(diag.Pos{File: o.Input}, diag.AlreadyLowered, "the module is quantized: its widths are chosen").
				WithHelp("search again from a dump of -stop-after calibrate")
		}
		if m.Target != t.Name {
			m.After, m.Target = passes.Quantized, "" // kernels and memory are planned anew
		}
	}
	observe := func(p *pass.Pass, took time.Duration, _ *ir.Module) error {
		if o.TimePasses {
			fmt.Fprintf(messages, "%-16s %8.1f ms\n", p.Name, float64(took.Microseconds())/1000)
		}
		return nil
	}
	if err := passes.Table.Run(ctx, m, env, pass.Options{StopAfter: o.StopAfter, Observe: observe}); err != nil {
		return nil, err
	}
	return &Result{m, t, env}, nil
}

func environment(o Options, m *ir.Module, t *target.Target, messages io.Writer) (*pass.Env, error) {
	conditions, err := disturb.Parse(o.Errors)
	if err != nil {
		return nil, err
	}
	env := &pass.Env{Target: t, Level: pass.Level(o.Level), Budget: o.Budget, Rounding: o.Rounding, Seed: o.Seed, Errors: conditions, Fix: map[string]ir.Elem{}}
	if r := m.Inputs[0].Range; r != nil {
		env.Low, env.High = float32(r.Lo), float32(r.Hi)
	}
	for _, f := range o.Fix {
		name, text, _ := strings.Cut(f, "=")
		e, ok := ir.ParseElem(text)
		if !ok {
			e, ok = ir.ParseElem("odd" + text)
		}
		if !ok {
			return nil, diag.New(diag.Pos{}, diag.BadWidth, "-fix %s: no width or format %q", f, text)
		}
		env.Fix[name] = e
	}
	env.Calibration = func() (data.Batch, error) { return calibration(o, m, env, messages) }
	return env, nil
}

// calibration loads the images that the search may see, or makes some up and
// says so.
func calibration(o Options, m *ir.Module, env *pass.Env, messages io.Writer) (data.Batch, error) {
	path := beside(o, o.Calib, m.Calib)
	if path == "" {
		fmt.Fprintf(messages, "dnnc: no calibration data: ranges come from %d images of noise; give -calib for a network that is to be shipped\n", o.Images)
		return data.Synthesize(m.Inputs[0].Type.Shape, env.Low, env.High, o.Images, o.Seed), nil
	}
	return Images(path, m.Inputs[0].Type.Shape, env.Low, env.High, o.Images)
}

// TestData is the path of the images to report on: -data, or what the network
// names; "" when there are none.
func TestData(o Options, m *ir.Module) string { return beside(o, o.Data, m.Test) }

// beside is the path that a flag gives, or else the network's own, which is
// relative to its folder.
func beside(o Options, flag, named string) string {
	if flag != "" || named == "" || filepath.IsAbs(named) {
		return cmp.Or(flag, named)
	}
	return filepath.Join(filepath.Dir(o.Input), named)
}

// Images loads at most n images of a shape; pixels come in [0,1] and are taken
// to the declared range.
func Images(path string, shape ir.Shape, low, high float32, n int) (data.Batch, error) {
	set, err := dataset.Open(path)
	if err != nil {
		return data.Batch{}, diag.New(diag.Pos{}, diag.BadData, "%v", err)
	}
	if !ir.Shape(set.Shape()).Equal(shape) {
		return data.Batch{}, diag.New(diag.Pos{}, diag.BadData, "%s has images of %v, the network takes %s", filepath.Base(path), set.Shape(), shape)
	}
	b, err := data.Load(set, 0, min(n, set.Len()))
	if err != nil {
		return b, diag.New(diag.Pos{}, diag.BadData, "%v", err)
	}
	for i, v := range b.X {
		b.X[i] = low + v*(high-low)
	}
	return b, nil
}

// write makes the outputs.
func write(ctx context.Context, o Options, m *ir.Module, t *target.Target) error {
	out := o.Output
	if out == "" {
		out = m.Name + map[string]string{"obj": ".o", "asm": ".s", "llvm": ".ll", "ir": ".out.dnn"}[o.Emit]
	}
	if o.Emit == "ir" {
		d, err := frontend.NewDump(m)
		if err != nil {
			return err
		}
		if err := replace(filepath.Join(filepath.Dir(out), d.TensorsName), d.Tensors); err != nil {
			return err
		}
		return replace(out, d.Text)
	}
	if m.Arena.Align == 0 {
		return diag.New(diag.Pos{}, diag.BadValue, "-stop-after %s leaves no plan to generate code from", o.StopAfter).WithHelp("pass -emit ir")
	}
	text, err := codegen.LLVM(m, m.Name, t)
	if err != nil {
		return err
	}
	result := []byte(text)
	if o.Emit != "llvm" {
		tools, err := llvm.Find()
		if err != nil {
			return err
		}
		if result, err = llvm.Compile(ctx, tools, text, t, o.Emit); err != nil {
			return err
		}
		header := strings.TrimSuffix(out, filepath.Ext(out)) + ".h"
		if err := replace(header, []byte(codegen.Header(m, m.Name))); err != nil {
			return err
		}
	}
	return replace(out, result)
}

// replace writes a file under a temporary name and renames it: others see the
// old file or the new one.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".dnnc-*")
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return diag.New(diag.Pos{}, diag.BadOutput, "%s: %v", path, err)
	}
	return nil
}
