// Command dnnc compiles a deep neural network for an embedded processor.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/verify"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/passes"
)

// The exit codes.
const (
	done     = 0
	atFault  = 1 // the input
	badUsage = 2
	internal = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "targets" {
		for _, t := range target.All() {
			fmt.Fprintf(stdout, "%-8s %s\n", t.Name, t.Doc)
		}
		return done
	}
	command := "build"
	if len(args) > 0 && (args[0] == "build" || args[0] == "verify") {
		command, args = args[0], args[1:]
	}
	var o driver.Options
	var fix, debug string
	fs := flag.NewFlagSet("dnnc", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "usage: dnnc [build] [flags] net.dnn -target T\n       dnnc verify [flags] net.dnn -target T [-n N]\n       dnnc targets\n")
		fs.PrintDefaults()
	}
	fs.StringVar(&o.Level, "O", "int8", "how widths are chosen: int8, universal, robust")
	fs.StringVar(&o.Target, "target", "", "the processor; dnnc targets lists them")
	fs.StringVar(&o.Output, "o", "", "output `file`")
	fs.StringVar(&o.Emit, "emit", "obj", "what to write: obj, asm, llvm, ir")
	fs.StringVar(&o.Calib, "calib", "", "images that calibration and search may see")
	fs.StringVar(&o.Data, "data", "", "images to verify and report on")
	n := fs.Int("n", 100, "verify: how many images")
	fs.StringVar(&o.Errors, "errors", "gaussian", "errors that the search disturbs images with: kind=size,size;kind")
	fs.StringVar(&o.Rounding, "rounding", "", "nearest or compensated; chosen by width when absent")
	fs.StringVar(&o.StopAfter, "stop-after", "", "the last `pass` to run")
	fs.StringVar(&fix, "fix", "", "widths of layers: conv1=8,fc1=odd2")
	fs.StringVar(&debug, "d", "", "help lists the passes")
	fs.Float64Var(&o.Budget.Bits, "bits", 0, "average bits a weight")
	fs.IntVar(&o.Budget.Bytes, "size", 0, "bytes of weights and their channels' constants")
	fs.Float64Var(&o.Budget.Ratio, "ratio", 0, "times smaller than float32")
	fs.Float64Var(&o.Budget.Keep, "keep", .99, "share of the robust accuracy to keep")
	fs.IntVar(&o.Images, "images", 512, "calibration images used")
	fs.Uint64Var(&o.Seed, "seed", 1, "of disturbances and noise")
	fs.BoolVar(&o.AllowOutside, "allow-outside", false, "let the network refer to files outside its folder")
	fs.BoolVar(&o.TimePasses, "time-passes", false, "print the time of each pass")
	var files []string
	for len(args) > 0 { // flags and files in any order
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return done
			}
			return badUsage
		}
		if args = fs.Args(); len(args) > 0 {
			files, args = append(files, args[0]), args[1:]
		}
	}
	if debug == "help" {
		for _, p := range passes.Table {
			fmt.Fprintf(stdout, "%-16s %s\n", p.Name, p.Why)
		}
		return done
	}
	if len(files) != 1 || o.Target == "" || (o.Rounding != "" && o.Rounding != "nearest" && o.Rounding != "compensated") {
		fs.Usage()
		return badUsage
	}
	o.Input = files[0]
	if fix != "" {
		o.Fix = strings.Split(fix, ",")
	}
	var err error
	if command == "verify" {
		err = verify.Run(ctx, o, *n, stdout, stderr)
	} else {
		err = driver.Build(ctx, o, stderr)
	}
	return exitCode(err, stderr)
}

// exitCode reports an error and says whose fault it is.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return done
	}
	fmt.Fprintln(stderr, err)
	var d *diag.Diagnostic
	if !errors.As(err, &d) || d.Kind == diag.VerifierFailure {
		return internal
	}
	return atFault
}
