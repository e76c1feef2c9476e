package command

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/bench"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/certify"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/check"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/compare"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/doctor"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/eval"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/experiment"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/fuzz"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/inspect"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/lsp"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/manual"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pareto"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/project"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/texts"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/verify"
)

// A command is a word after dnnc. One of flags and files, in any order, has run; one of
// plain words has do.
type command struct {
	name, usage, doc string
	flags            []group
	least, most      int  // files or words
	words            bool // which are no paths, or not all of them
	target           bool // needs -target
	run              func(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error
	do               func(ctx context.Context, words []string, stdin io.Reader, stdout, stderr io.Writer) error
}

// many is more words than anybody types.
const many = 1 << 20

// commands are in the order of the help; the first is the default. They are set up in
// init, as some of them tell of all.
var commands []command

func init() {
	compiling := []group{loading, targeting, quantizing, reading, disturbing, warning}
	with := func(more ...group) []group { return slices.Concat(compiling, more) }
	commands = []command{
		{name: "build", usage: "[flags] net.dnn -target T", doc: "compile a network to an object, its header and its certificate",
			flags: with(budget, tuning, reporting, stages, linking, output, writing, timing, sharing, clustering, rechecking), least: 1, most: 1, target: true, run: driver.Build},
		{name: "check", usage: "[flags] MODEL [-target T|all]", doc: "first look at a network: its task, and what an int8 build takes of a target; needs no data, writes nothing",
			flags: []group{loading, targeting, calibrating, reading, disturbing, judging, warning, asJSON}, least: 1, most: 1, run: check.Run},
		{name: "demo", usage: "[DIR]", doc: "unpack a small network with images into a new folder, compile it and verify the object", most: 1, do: demo},
		{name: "import", usage: "[flags] model.onnx [-o net.dnn]", doc: "turn a model of another format into a text and a tensors file",
			flags: []group{loading, output}, least: 1, most: 1, run: importModel},
		{name: "conformance", usage: "DIR [-v]", doc: "run the cases in a folder: ONNX models with the inputs and outputs that others computed",
			flags: []group{explaining}, least: 1, most: 1, run: conformance},
		{name: "verify", usage: "[flags] net.dnn|net.o [-target T] [-n N]", doc: "run the object and compare every integer with the interpreter's",
			flags: with(budget, tuning, reporting, stages, linking, guiding, verifying), least: 1, most: 1, target: true, run: verify.Run},
		{name: "certify", usage: "[flags] net.dnn|net.o -data FILE [-o proof.json]", doc: "prove the exact sizes of errors up to which answers to given images stay right; -check proof.json holds a proof to the network",
			flags: with(budget, tuning, reporting, stages, linking, output, proving), least: 1, most: 1, run: certify.Run},
		{name: "bench", usage: "[flags] net.dnn -target T [-layers]", doc: "count the object's instructions under the emulator",
			flags: with(budget, tuning, reporting, stages, linking, asJSON, counting), least: 1, most: 1, target: true, run: bench.Run},
		{name: "disturb", usage: "-errors KIND=SIZE in.png -o out.png", doc: "disturb a picture or a data set; -sheet out.png shows all kinds",
			flags: []group{disturbing, reading, few, output, picturing, guiding, contents, outside}, least: 1, most: 1, run: disturbImages},
		{name: "eval", usage: "[flags] net.dnn [-errors LIST]", doc: "measure a network, clean and under errors; with -O what it becomes",
			flags: with(budget, tuning, reporting, scoring, stages, asJSON, asCSV, bounding), least: 1, most: 1, run: eval.Run},
		{name: "fmt", usage: "net.dnn [-o FILE]", doc: "write a network as dumps are written; comments stay",
			flags: []group{output, outside}, least: 1, most: 1, run: texts.Format},
		{name: "dump", usage: "[flags] net.dnn [-diff A,B]", doc: "print the module after a pass, or what the passes from A to B changed",
			flags: with(budget, tuning, reporting, stages, differing), least: 1, most: 1, run: texts.Dump},
		{name: "compare", usage: "[flags] net.dnn [-sizes LIST]", doc: "give several methods of search the same bytes, and measure what they make",
			flags: with(reporting, sizing, contesting, recording, besides), least: 1, most: 1, run: compare.Run},
		{name: "pareto", usage: "[flags] net.dnn [-o curve.svg]", doc: "every size at once: the trade-off of one run of Qed, as table, CSV, JSON or SVG",
			flags: with(reporting, sizing, asJSON, asCSV, output, besides), least: 1, most: 1, run: pareto.Run},
		{name: "experiment", usage: "[-quick] [FILE.exp...] [-store DIR]", doc: "run the study of the paper, or what files ask, and write a report; goes on where it was interrupted",
			flags: []group{studying, judging, reading, keeping, storing, output, timing, outside}, most: many, run: experiment.Run},
		{name: "report", usage: "[flags] net.dnn -data FILE", doc: "the same study of your own network, as one HTML page",
			flags: with(reporting, sizing, contesting, keeping, output, timing, besides), least: 1, most: 1, run: experiment.Report},
		{name: "targets", doc: "list the targets, and what runs their programs here", do: listTargets},
		{name: "ops", doc: "list the operations", do: listOps},
		{name: "explain", usage: "net.json", doc: "why each layer got its width", least: 1, most: 1, do: inspect.Explain},
		{name: "diff", usage: "[-max LIMITS] [-accept] old.json new.json", doc: "what differs between two builds, by their certificates; -max guards a build in CI",
			flags: []group{limiting}, least: 2, most: 2, run: func(_ context.Context, o driver.Options, stdout, _ io.Writer) error {
				return inspect.Diff(o.Inputs, o.Guard, stdout)
			}},
		{name: "size", usage: "net.o", doc: "flash, RAM and stack of an object, by layer", least: 1, most: 1, do: inspect.Size},
		{name: "lsp", doc: "serve an editor: the Language Server Protocol on standard input and output", do: lsp.Serve},
		{name: "init", usage: strings.Join(project.Kinds(), "|") + " [flags] MODEL DIR [TARGET]", doc: "write a project around the integers of a network; data sets stay where they are",
			flags: with(budget, tuning, reporting), least: 3, most: 4, words: true, run: project.Init},
		{name: "worker", usage: "[flags] net.dnn -target T -store DIR | -cluster URL", doc: "search beside a build: one that has the same flags and the same -store, on this machine or another one that sees the folder; or those of a cluster; writes nothing else",
			flags: with(budget, tuning, reporting, stages, linking, output, writing, timing, sharing, clustering, rechecking), most: 1, run: driver.Work},
		{name: "cluster", usage: "-dir DIR [-listen HOST:PORT]", doc: "run a server for builds and workers with -cluster, for tests and small groups; larger ones have a NATS server with JetStream",
			flags: []group{serving}, run: func(ctx context.Context, o driver.Options, stdout, _ io.Writer) error {
				return driver.Serve(ctx, o, stdout)
			}},
		{name: "fuzz", usage: "N [SEED] [TARGETS|none]", doc: "compare N random networks in dump, interpreter, evaluator and objects", least: 1, most: 3, words: true, do: fuzz.Run},
		{name: "doctor", usage: "[TARGET ...]", doc: "what works here: tools, their versions, and a small network on every target", most: 32, words: true, do: doctor.Examine},
		{name: "help", usage: "[COMMAND|warnings|errors|tasks|data]", doc: "all commands and flags, those of one command, the table of warnings or of the errors of -errors, or an example of each task or of each format of data", most: 1, words: true, do: help},
		{name: "version", doc: "versions of dnnc, and of what it promises to others", do: printVersion},
		{name: "man", usage: "> dnnc.1", doc: "the man page", do: printMan},
		{name: "completion", usage: strings.Join(manual.Shells, "|"), doc: "completions for a shell", least: 1, most: 1, words: true, do: printCompletion},
	}
}

// find is the command of a name, or nil.
func find(name string) *command {
	for i := range commands {
		if commands[i].name == name {
			return &commands[i]
		}
	}
	return nil
}

// flagSet is the flags of a command; they set o.
func (c *command) flagSet(o *driver.Options) *flag.FlagSet {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	defaults(o)
	for _, g := range c.flags {
		g(fs, o)
	}
	return fs
}

// defaults are of flags that a command may not have.
func defaults(o *driver.Options) { *o = driver.Defaults() }

// allFlags are the flags of all commands.
func allFlags() *flag.FlagSet {
	all := flag.NewFlagSet("dnnc", flag.ContinueOnError)
	all.SetOutput(io.Discard)
	for i := range commands {
		var o driver.Options
		commands[i].flagSet(&o).VisitAll(func(f *flag.Flag) {
			if all.Lookup(f.Name) == nil {
				all.Var(f.Value, f.Name, f.Usage)
			}
		})
	}
	return all
}

// having lists the commands that have a flag.
func having(name string) (list []string) {
	for i := range commands {
		var o driver.Options
		if commands[i].flagSet(&o).Lookup(name) != nil {
			list = append(list, commands[i].name)
		}
	}
	return list
}

// title is a command with its name and what it takes.
func (c *command) title() string { return strings.TrimSpace("dnnc " + c.name + " " + c.usage) }

// takes says how many files or words a command takes.
func (c *command) takes() string {
	what := "file"
	if c.do != nil {
		what = "argument"
	}
	switch {
	case c.least == c.most && c.most == 1:
		return "one " + what
	case c.most == 0:
		return "no " + what
	case c.least == c.most:
		return fmt.Sprintf("%d %ss", c.most, what)
	}
	return fmt.Sprintf("%d to %d %ss", c.least, c.most, what)
}
