package command

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/manual"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/version"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/runtime/measure"
)

// asksForHelp reports whether a command's arguments ask what it takes.
func asksForHelp(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" })
}

// listTargets lists the processors and what runs their programs here, by which
// verify and the project's tests prove what is compiled for them.
func listTargets(_ context.Context, _ []string, _ io.Reader, out, _ io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "target\tprocessors\tverified by")
	for _, t := range processor.All() {
		doc := t.Doc
		if strings.ContainsAny(t.Name, ":+") {
			doc = "" // its family stands above
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", t.Name, doc, emu.Describe(t))
	}
	w.Flush()
	fmt.Fprintln(out, "\n-mcpu and -mattr refine a family; dnnc verify compares every integer of a network on its target.")
	return nil
}

func listOps(_ context.Context, _ []string, _ io.Reader, out, _ io.Writer) error {
	printOps(out)
	return nil
}

// aboutAll is what the man page, the README of this folder and completions are made of.
func aboutAll() *manual.Manual {
	m := &manual.Manual{Flags: allFlags(), Having: having}
	for _, c := range commands {
		m.Commands = append(m.Commands, manual.Command{Name: c.name, Usage: c.usage, Doc: c.doc})
	}
	var names []string
	for _, p := range passes.Table {
		names = append(names, p.Name)
	}
	m.Values = map[string][]string{
		"O": driver.Levels(), "target": processor.Names(), "emit": driver.Emits(), "report": driver.Reports, "search": robust.Methods(),
		"rounding": {quant.Nearest, quant.Compensated}, "objective": {pass.Mean, pass.Worst}, "task": measure.Tasks(), "stop-after": names, "start-after": names,
	}
	return m
}

// help prints what all commands take, or one.
func help(_ context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
	if len(args) == 0 {
		fmt.Fprintln(stdout, "usage:")
		for _, c := range commands {
			fmt.Fprintf(stdout, "  dnnc %-11s %-36s %s\n", c.name, c.usage, c.doc)
		}
		fmt.Fprintln(stdout, "flags, of which dnnc help COMMAND lists its own:")
		printFlags(stdout, allFlags())
		return nil
	}
	switch args[0] {
	case "warnings":
		_, err := io.WriteString(stdout, diag.WarningTable())
		return err
	case "errors":
		_, err := io.WriteString(stdout, disturb.Table())
		return err
	case "tasks":
		_, err := io.WriteString(stdout, tasks())
		return err
	case "data":
		_, err := io.WriteString(stdout, formats())
		return err
	}
	c := find(args[0])
	if c == nil {
		var names []string
		for _, c := range commands {
			names = append(names, c.name)
		}
		return diag.New(diag.Pos{}, diag.BadValue, "no command %q", args[0]).WithHelp("dnnc help lists them").WithSuggestion(args[0], names)
	}
	fmt.Fprintf(stdout, "usage: %s\n%s\n", c.title(), c.doc)
	if len(c.flags) > 0 {
		var o driver.Options
		fmt.Fprintln(stdout, "flags:")
		printFlags(stdout, c.flagSet(&o))
	}
	return nil
}

func printFlags(out io.Writer, fs *flag.FlagSet) {
	fs.SetOutput(out)
	fs.PrintDefaults()
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
	return err
}

func printVersion(_ context.Context, _ []string, _ io.Reader, stdout, _ io.Writer) error {
	_, err := fmt.Fprintf(stdout, "dnnc %s\nlanguage %s\ncertificate %s\nC interface %s\n", version.Compiler, version.Language, version.Certificate, version.Interface)
	return err
}
