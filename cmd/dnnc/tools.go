package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/doctor"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/fuzz"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/inspect"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/lsp"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/manual"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/project"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/version"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/measure"
)

// A utility is a command without the compiler's flags.
type utility struct {
	name, usage, doc string
	least, most      int // arguments
	run              func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error
}

// tools are in the order of the help. They are set up in init, for some of them tell
// of all commands.
var tools []utility

func init() {
	tools = []utility{
		{"explain", "net.json", "why each layer got its width", 1, 1, inspect.Explain},
		{"diff", "a.json b.json", "what differs between two builds, by their certificates", 2, 2, inspect.Diff},
		{"size", "net.o", "flash, RAM and stack of an object, by layer", 1, 1, inspect.Size},
		{"lsp", "", "serve an editor: the Language Server Protocol on standard input and output", 0, 0, lsp.Serve},
		{"init", strings.Join(project.Kinds(), "|") + " net.dnn DIR [TARGET]", "write a project around a network", 3, 4, project.Init},
		{"fuzz", "N [SEED] [TARGETS|none]", "compare N random networks in dump, interpreter, evaluator and objects", 1, 3, fuzz.Run},
		{"doctor", "[TARGET ...]", "what works here: tools, their versions, and a small network on every target", 0, 32, doctor.Examine},
		{"help", "[COMMAND]", "all commands and flags, or those of one command", 0, 1, help},
		{"version", "", "versions of dnnc, and of what it promises to others", 0, 0, printVersion},
		{"man", "> dnnc.1", "the man page", 0, 0, printMan},
		{"completion", "bash|zsh|fish", "completions for a shell", 1, 1, printCompletion},
	}
}

// runTool runs the tool that args name; isTool is false where they name none.
func runTool(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int, isTool bool) {
	if len(args) == 0 {
		return 0, false
	}
	i := slices.IndexFunc(tools, func(t utility) bool { return t.name == args[0] })
	if i < 0 {
		return 0, false
	}
	t := &tools[i]
	if asksForHelp(args[1:]) {
		return exitCode(help(ctx, args[:1], stdin, stdout, stderr), stderr), true
	}
	if n := len(args) - 1; n < t.least || n > t.most {
		fmt.Fprintf(stderr, "usage: dnnc %s %s\n%s\n", t.name, t.usage, t.doc)
		return badUsage, true
	}
	return exitCode(guardedTool(ctx, t, args[1:], stdin, stdout, stderr), stderr), true
}

// asksForHelp reports whether a command's arguments ask what it takes.
func asksForHelp(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" })
}

func guardedTool(ctx context.Context, t *utility, args []string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = recovered(r, t.name+" "+strings.Join(args, " "))
		}
	}()
	return t.run(ctx, args, stdin, stdout, stderr)
}

// aboutAll is what the man page and completions are made of.
func aboutAll() *manual.Manual {
	var o driver.Options
	m := &manual.Manual{Flags: flags(&o, io.Discard)}
	for _, c := range commands {
		m.Commands = append(m.Commands, manual.Command{Name: c.name, Usage: c.usage, Doc: c.doc})
	}
	m.Commands = append(m.Commands, manual.Command{Name: "targets", Doc: "list the targets"})
	for _, t := range tools {
		m.Commands = append(m.Commands, manual.Command{Name: t.name, Usage: t.usage, Doc: t.doc})
	}
	var names []string
	for _, p := range passes.Table {
		names = append(names, p.Name)
	}
	m.Values = map[string][]string{
		"O": driver.Levels(), "target": processor.Names(), "emit": driver.Emits(), "report": driver.Reports, "search": robust.Methods(),
		"rounding": {quant.Nearest, quant.Compensated}, "objective": {pass.Mean, pass.Worst}, "task": {measure.Classes}, "stop-after": names, "start-after": names,
	}
	return m
}

// help prints what all commands take, or one.
func help(_ context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
	var o driver.Options
	all := flags(&o, stdout)
	if len(args) == 0 {
		all.Usage()
		return nil
	}
	about := aboutAll().Commands
	var names []string
	for _, c := range about {
		names = append(names, c.Name)
	}
	i := slices.Index(names, args[0])
	if i < 0 {
		return diag.New(diag.Pos{}, diag.BadValue, "no command %q", args[0]).WithHelp("dnnc help lists them").WithSuggestion(args[0], names)
	}
	fmt.Fprintf(stdout, "usage: %s\n%s\n", strings.TrimSpace("dnnc "+args[0]+" "+about[i].Usage), about[i].Doc)
	if !slices.ContainsFunc(commands, func(c command) bool { return c.name == args[0] }) {
		return nil
	}
	own := flag.NewFlagSet("dnnc", flag.ContinueOnError)
	own.SetOutput(stdout)
	all.VisitAll(func(f *flag.Flag) {
		if of := commandsOf(f); of == nil || slices.Contains(of, args[0]) {
			own.Var(f.Value, f.Name, f.Usage)
		}
	})
	fmt.Fprintln(stdout, "flags:")
	own.PrintDefaults()
	return nil
}

// commandsOf is the commands that stand before the colon of a flag's text; nil of a
// flag that is not of some commands alone.
func commandsOf(f *flag.Flag) []string {
	before, _, ok := strings.Cut(f.Usage, ": ")
	list := strings.Split(before, ", ")
	for _, name := range list {
		ok = ok && slices.ContainsFunc(commands, func(c command) bool { return c.name == name })
	}
	if !ok {
		return nil
	}
	return list
}

func printMan(_ context.Context, _ []string, _ io.Reader, stdout, _ io.Writer) error {
	_, err := io.WriteString(stdout, aboutAll().Man())
	return err
}

func printCompletion(_ context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
	if !slices.Contains(manual.Shells, args[0]) {
		return diag.New(diag.Pos{}, diag.BadValue, "no completions for %s: the shells are %s", args[0], strings.Join(manual.Shells, " ")).WithSuggestion(args[0], manual.Shells)
	}
	_, err := io.WriteString(stdout, aboutAll().Completion(args[0]))
	return errors.Join(err)
}

func printVersion(_ context.Context, _ []string, _ io.Reader, stdout, _ io.Writer) error {
	_, err := fmt.Fprintf(stdout, "dnnc %s\nlanguage %s\ncertificate %s\nC interface %s\n", version.Compiler, version.Language, version.Certificate, version.Interface)
	return err
}
