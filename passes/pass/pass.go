// Package pass is what a pass of the compiler is: a name, a reason, an order
// and a function, and the manager that runs a table of them with the verifier
// between. The table itself lies in package passes, above the passes.
package pass

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
)

// Pass is one step of the compiler, from module to module, in place.
type Pass struct {
	Name  string
	Why   string   // the reason that it exists, in a line
	After []string // passes that must have run before it
	// Rounds is by how much a pass over reals may change an output, as a share of its
	// greatest element; 0 is not at all. Package validate holds passes to it.
	Rounds float64
	// Moves says that a pass changes what the network answers, on purpose.
	Moves bool
	// Streams says that a run may take some frames of the inputs instead of all.
	Streams bool
	Run     func(ctx context.Context, m *ir.Module, env *Env) error
}

// Table is passes in the order in which they run.
type Table []Pass

// Check reports a pass that stands before one that it must follow, an unknown
// or doubled name, or a pass without a reason. It runs at start-up.
func (t Table) Check() error {
	var seen []string
	for _, p := range t {
		if p.Name == "" || p.Why == "" || p.Run == nil {
			return fmt.Errorf("pass %q lacks a name, a reason or a function", p.Name)
		}
		if slices.Contains(seen, p.Name) {
			return fmt.Errorf("pass %s stands twice in the table", p.Name)
		}
		for _, a := range p.After {
			if !slices.Contains(seen, a) {
				return fmt.Errorf("pass %s must run after %s, which does not stand before it", p.Name, a)
			}
		}
		seen = append(seen, p.Name)
	}
	return nil
}

// Names lists the passes.
func (t Table) Names() []string {
	names := make([]string, len(t))
	for i, p := range t {
		names[i] = p.Name
	}
	return names
}

// Find returns the index of a pass, or a diagnostic with the nearest name.
func (t Table) Find(name string) (int, error) {
	if i := slices.Index(t.Names(), name); i >= 0 {
		return i, nil
	}
	d := diag.New(diag.Pos{}, diag.UnknownPass, "no pass %q", name).WithSuggestion(name, t.Names())
	if d.Help == "" {
		d.WithHelp("dnnc -d=help lists the passes")
	}
	return 0, d
}

// Options say which passes of a table run, and who watches.
type Options struct {
	// StartAfter is the pass after which to start; "" for the one that the
	// module says it has been through.
	StartAfter string
	StopAfter  string // the last pass to run; "" for all
	// Observe is called after each pass with its cost and the verified
	// module; its error stops the run.
	Observe func(p *Pass, took time.Duration, m *ir.Module) error
}

// Error is a pass that broke the module: a fault of the compiler.
type Error struct {
	Pass string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("pass %s: %v", e.Pass, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// run runs a pass. An attribute that an operation does not have is an error of the pass,
// with the position of the node; other panics go on.
func (p *Pass) run(ctx context.Context, m *ir.Module, env *Env) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *ir.NoAttr:
			err = &Error{p.Name, r}
		case *parallel.Panic:
			e, ok := r.Value.(*ir.NoAttr)
			if !ok {
				panic(r)
			}
			err = &Error{p.Name, e}
		default:
			panic(r)
		}
	}()
	return p.Run(ctx, m, env)
}

// Run takes m through the passes of t that come after m.After, or StartAfter. Each pass's
// result is verified; a module that breaks an invariant is an *Error, a fault
// of the input the pass's own diagnostic. Where StartAfter leaves out passes that the module
// needs, a broken module is the caller's fault.
func (t Table) Run(ctx context.Context, m *ir.Module, env *Env, opt Options) error {
	names, after := t.Names(), m.After
	err := t.run(ctx, m, env, opt)
	var broken *Error
	if errors.As(err, &broken) && slices.Index(names, opt.StartAfter) > slices.Index(names, after) {
		return diag.New(diag.Pos{File: m.Pos.File}, diag.BadValue, "-start-after %s leaves out passes that the network needs: %v", opt.StartAfter, broken)
	}
	return err
}

func (t Table) run(ctx context.Context, m *ir.Module, env *Env, opt Options) error {
	first, last := 0, len(t)-1
	if after := cmp.Or(opt.StartAfter, m.After); after != "" {
		i, err := t.Find(after)
		if err != nil {
			return err
		}
		first = i + 1
		// A dump that was edited by hand is its editor's fault.
		if list := ir.Verify(m); len(list) > 0 {
			return list
		}
	}
	if opt.StopAfter != "" {
		i, err := t.Find(opt.StopAfter)
		if err != nil {
			return err
		}
		last = i
	}
	for i := first; i <= last; i++ {
		p := &t[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		start := time.Now()
		if err := p.run(ctx, m, env); err != nil {
			return err
		}
		m.After = p.Name
		m.SeparateConsts()
		if list := ir.Verify(m); len(list) > 0 {
			return &Error{p.Name, list}
		}
		if opt.Observe != nil {
			if err := opt.Observe(p, time.Since(start), m); err != nil {
				return err
			}
		}
	}
	return nil
}
