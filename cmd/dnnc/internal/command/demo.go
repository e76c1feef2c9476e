package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/testdata/lenet5"
)

// demoFolder is where dnnc demo works unless it is told otherwise.
const demoFolder = "dnnc-demo"

const demoTarget = "armv7"

// firstLines are what dnnc says without arguments.
const firstLines = `dnnc compiles neural networks for embedded processors. Where to begin:
  dnnc demo                                          unpack, compile and verify a small network
  dnnc check MODEL                                   what your network takes of each target; needs no data
  dnnc -O robust MODEL -target armv7em -calib DATA   compile it, each layer in the bits that it needs
  dnnc help                                          all commands and flags; dnnc doctor: what works here
`

// demo unpacks the example into a new or empty folder, compiles it and verifies the object;
// where LLVM is missing it writes C instead, where no emulator is it does not verify.
func demo(ctx context.Context, words []string, _ io.Reader, stdout, stderr io.Writer) error {
	dir := demoFolder
	if len(words) > 0 {
		dir = words[0]
	}
	if err := unpack(dir); err != nil {
		return err
	}
	t, err := processor.Find(demoTarget)
	if err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	network, test := at("lenet5.dnn"), at("fashion-test-images-idx3-ubyte.gz")
	run := func(args ...string) error {
		fmt.Fprintf(stdout, "\n$ dnnc %s\n", strings.Join(args, " "))
		if code := dispatch(ctx, args, stdout, stderr); code != Done {
			return diag.New(diag.Pos{}, diag.ToolFailed, "the demo ends: dnnc %s ended with exit code %d", args[0], code).WithHelp("dnnc doctor says what works here")
		}
		return nil
	}
	fmt.Fprintf(stdout, "%s has LeNet-5, trained on Fashion-MNIST, and a sample of its images.\n", dir)
	_, noLLVM := llvm.Find("")
	build := []string{"build", "-O", "robust", network, "-target", demoTarget, "-data", test, "-report", "layers,accuracy,memory"}
	if noLLVM != nil {
		if err := run(append(build, "-emit", "c", "-o", at("lenet5.c"))...); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "\nThis is C, not an object, and nothing ran it: %v\n", noLLVM)
		return nil
	}
	if err := run(append(build, "-o", at("lenet5.o"))...); err != nil {
		return err
	}
	if missing := emu.Check(t); missing != nil {
		fmt.Fprintf(stdout, "\nThe object was not run: %v\n", missing)
		return nil
	}
	if err := run("verify", at("lenet5.o"), "-n", "100", "-data", test); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nThe object, its header and its certificate are in %s. Next: dnnc explain %s\n", dir, at("lenet5.json"))
	return nil
}

// unpack writes the example into a folder that is new or empty.
func unpack(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	case len(entries) > 0:
		return diag.New(diag.Pos{File: dir}, diag.BadOutput, "the folder is not empty").WithHelp("dnnc demo DIR takes another one; it is made if need be")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	if err := os.CopyFS(dir, lenet5.Files); err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	return nil
}
