// Package command is dnnc as its users call it: one table of commands, each with its own
// flags.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/terminal"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/input"
)

// The exit codes.
const (
	Done     = 0
	AtFault  = 1 // the input
	BadUsage = 2
	Internal = 3
)

// Main is dnnc with the arguments and streams of its process, which it ends.
func Main() {
	if code, is := supervised(os.Args); is {
		os.Exit(code)
	}
	if terminal.Closed() {
		fmt.Fprintln(os.Stderr, "dnnc: output: standard output is closed; /dev/null takes what nobody wants")
		os.Exit(AtFault)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go ctrlC.listen(stop)
	os.Exit(Run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// interruption is what Ctrl-C does: where there is a network to write, or a search that has
// one at any time, the first asks for it, and ends what is left to search and to measure. Any
// other ends everything.
type interruption struct {
	soon  context.Context // done when the user wants what there is
	ask   func()
	ready atomic.Bool // there is something to write
}

func newInterruption() *interruption {
	i := &interruption{}
	i.soon, i.ask = context.WithCancel(context.Background())
	return i
}

var ctrlC = newInterruption()

func (i *interruption) listen(stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	for range signals {
		if i.ready.Load() && i.soon.Err() == nil {
			fmt.Fprintln(os.Stderr, "\ndnnc: ends with what it has; interrupt again to give up")
			i.ask()
			continue
		}
		stop()
	}
}

// Run is dnnc with its arguments; it returns the exit code. Results that could not be
// printed are none, whatever the command made of them.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out, messages := terminal.New("standard output", stdout), terminal.New("standard error", stderr)
	code := dispatch(ctx, args, out, messages)
	if err := out.Close(); err != nil && code == Done {
		code = exitCode(err, messages)
	}
	_ = messages.Close() // there is nobody to be told
	return code
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if err := ir.Whole(); err != nil {
		fmt.Fprintf(stderr, "internal error: the table of operations is not whole:\n%v\n", err)
		return Internal
	}
	args, responses, err := expanded(args)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return BadUsage
	}
	if len(args) == 0 {
		_, _ = io.WriteString(stdout, firstLines)
		return Done
	}
	c, isDefault := &commands[0], true
	switch named := find(args[0]); {
	case named != nil:
		c, args, isDefault = named, args[1:], false
	case slices.Contains([]string{"-version", "--version"}, args[0]):
		c, args, isDefault = find("version"), nil, false
	case isMisspelt(args[0]):
		fmt.Fprintf(stderr, "dnnc: no command, and no file, %q%s; dnnc help lists the commands\n", args[0], meant(args[0]))
		return BadUsage
	}
	if asksForHelp(args) {
		about := []string{c.name}
		if isDefault {
			about = nil
		}
		return exitCode(help(ctx, about, nil, stdout, stderr), stderr)
	}
	if c.do != nil {
		if slices.Contains(args, "") {
			return c.refuseEmpty(stderr)
		}
		if len(args) < c.least || len(args) > c.most {
			fmt.Fprintf(stderr, "dnnc: dnnc %s takes %s, not %d\nusage: %s\n%s\n", c.name, c.takes(), len(args), c.title(), c.doc)
			return BadUsage
		}
		return exitCode(guarded(c.name+" "+strings.Join(args, " "), func() error { return c.do(ctx, args, os.Stdin, stdout, stderr) }), stderr)
	}
	o, files, err := c.parse(args)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "dnnc: %v; dnnc help %s lists the flags\n", err, c.name)
		return BadUsage
	case o.Debug == "help":
		for _, p := range passes.Table {
			fmt.Fprintf(stdout, "%-16s %s\n", p.Name, p.Why)
		}
		return Done
	case o.Errors == "help":
		_, _ = io.WriteString(stdout, disturb.Table())
		return Done
	case slices.Contains(files, ""):
		return c.refuseEmpty(stderr)
	case len(files) < c.least || len(files) > c.most:
		fmt.Fprintf(stderr, "dnnc: dnnc %s takes %s, not %d; dnnc help %s\n", c.name, c.takes(), len(files), c.name)
		return BadUsage
	case o.Target == "" && c.target && !(c.name == "verify" && driver.IsShipped(files[0])): // whose certificate names it
		fmt.Fprintf(stderr, "dnnc: no -target; dnnc targets lists them: %s\n", strings.Join(processor.Names(), " "))
		return BadUsage
	}
	o.Inputs, o.Responses, o.Sharing.Words = files, responses, args
	o.Soon, o.Ready = ctrlC.soon, func() { ctrlC.ready.Store(true) }
	if len(files) > 0 {
		o.Input = files[0]
	}
	if err := o.Files().Check(); err != nil {
		return exitCode(err, stderr)
	}
	ctrlC.ready.Store(o.Search == "qstar")
	err = guarded(c.name+" of "+o.Input, func() error { return c.run(ctx, o, stdout, stderr) })
	if err == nil {
		err = o.Warnings.Err()
	}
	return exitCode(err, stderr)
}

// refuseEmpty tells of an argument without a character.
func (c *command) refuseEmpty(stderr io.Writer) int {
	what := "the path"
	if c.words {
		what = "an argument"
	}
	fmt.Fprintf(stderr, "dnnc: dnnc %s: %s is empty (%s)\nusage: %s\n", c.name, what, unset, c.title())
	return BadUsage
}

// isMisspelt reports whether the first argument is meant as a command: a word that is no
// file, and that has no ending and no folder.
func isMisspelt(word string) bool {
	if strings.ContainsAny(word, "./\\@-") || word == "" {
		return false
	}
	_, err := os.Stat(word)
	return err != nil
}

// meant is the command that is like a word, as a question.
func meant(word string) string {
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	if near := diag.Suggest(word, names); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return ""
}

// guarded runs a command; a panic is a fault of dnnc's, reported as an error.
func guarded(what string, run func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = recovered(r, what)
		}
	}()
	return run()
}

// recovered is the error of a panic: the input's fault where a mapped file became shorter,
// or else dnnc's.
func recovered(r any, what string) error {
	value := r
	if p, ok := r.(*parallel.Panic); ok {
		value = p.Value
	}
	if path, is := input.Shrunk(value); is {
		return diag.New(diag.Pos{File: path}, diag.BadFile, "became shorter while dnnc used it").WithHelp("leave it alone until dnnc has ended")
	}
	return fmt.Errorf("internal error in dnnc %s: %v\n%s", what, r, debug.Stack())
}

// parse reads flags and files in any order.
func (c *command) parse(args []string) (o driver.Options, files []string, err error) {
	fs := c.flagSet(&o)
	fs.VisitAll(func(f *flag.Flag) {
		if !takesNone(f.Value) {
			f.Value = present{f.Value}
		}
	})
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return o, nil, c.likely(fs, err)
		}
		if args = fs.Args(); len(args) > 0 {
			files, args = append(files, args[0]), args[1:]
		}
	}
	return o, files, nil
}

// likely adds to the error of an unknown flag which commands have it, or the one that was
// meant.
func (c *command) likely(fs *flag.FlagSet, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return err
	}
	if others := having(name); len(others) > 0 {
		return fmt.Errorf("dnnc %s has no flag -%s; it is a flag of dnnc %s", c.name, name, strings.Join(others, ", "))
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := diag.Suggest(name, names); near != "" && len(name) > 1 {
		return fmt.Errorf("no flag -%s; did you mean -%s?", name, near)
	}
	return fmt.Errorf("no flag -%s", name)
}

// exitCode reports an error and says whose fault it is.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return Done
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "dnnc: interrupted; files are as they were")
		return AtFault
	}
	fmt.Fprintln(stderr, err)
	var d *diag.Diagnostic
	var broken *pass.Error
	switch {
	case errors.As(err, &broken), !errors.As(err, &d):
		return Internal
	case d.Kind == diag.Clash, d.Kind == diag.Incomparable:
		return BadUsage
	}
	return AtFault
}
