// Package doctor tells what dnnc finds on this machine, and proves what it can do with
// it: a small network is compiled for every target, and run where something runs it.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/verify"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/version"
	"github.com/dnnc/dnnc/runtime/emu"
)

// tool is a program of others that dnnc or a project of its uses.
type tool struct {
	names []string // the first one found is used
	use   string
	pkg   string // Debian's
}

var tools = []tool{
	{[]string{"opt-19", "opt-16", "opt-14"}, "objects, libraries, assembly", "llvm-19"},
	{[]string{"llc-19", "llc-16", "llc-14"}, "objects, libraries, assembly", "llvm-19"},
	{[]string{"llvm-mca-19", "llvm-mca-16", "llvm-mca-14"}, "bench: cycles", "llvm-19"},
	{[]string{"ld.lld-19", "ld.lld-16", "ld.lld-14", "ld.lld"}, "verify, bench", "lld-19"},
	{[]string{"qemu-arm"}, "verify, bench: Cortex-A", "qemu-user"},
	{[]string{"qemu-aarch64"}, "verify, bench: 64-bit Arm", "qemu-user"},
	{[]string{"qemu-riscv32"}, "verify, bench: RISC-V", "qemu-user"},
	{[]string{"qemu-riscv64"}, "verify, bench: RISC-V", "qemu-user"},
	{[]string{"qemu-system-arm"}, "verify, bench: Cortex-M", "qemu-system-arm"},
	{[]string{"gcc", "cc", "clang"}, "bench: counts", "gcc"},
	{[]string{"arm-none-eabi-gcc"}, "firmware for Cortex-M", "gcc-arm-none-eabi"},
	{[]string{"arm-linux-gnueabihf-gcc"}, "programs for Arm Linux", "gcc-arm-linux-gnueabihf"},
	{[]string{"cmake"}, "projects of init", "cmake"},
	{[]string{"ninja"}, "projects of init", "ninja-build"},
}

// patience is what a tool may take to tell its version.
const patience = 10 * time.Second

var number = regexp.MustCompile(`\d+(\.\d+)+`)

// find is the path of a tool, and the version that it tells.
func (t *tool) find(ctx context.Context) (path, told string) {
	for _, name := range t.names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
		if err != nil {
			return path, fmt.Sprintf("broken: %v", err)
		}
		return path, number.FindString(string(out))
	}
	return "", ""
}

// patient is the network that is compiled: it needs no weights.
const patient = `network doctor(x: f32[2,4,4] in [0,1]) -> f32[2,2,2] {
  pool = maxpool2d(x, kernel: 2)
  y = add(pool, pool)
  return y
}
`

// Examine prints tools and targets, those named or all. A target for which nothing can be compiled, or
// whose integers are wrong, is an error; one that nothing runs here is none.
func Examine(ctx context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
	targets := processor.All()
	for i, name := range args {
		t, err := processor.Find(name)
		if err != nil {
			return err
		}
		targets = append(targets[:i:i], t)
	}
	fmt.Fprintf(stdout, "dnnc %s on %s/%s, %d processors\n\n", version.Compiler, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "tool\tversion\tpath\tfor")
	if path := os.Getenv(llvm.ClangVariable); path != "" {
		told := "broken"
		if t, err := llvm.Find(""); err == nil {
			told = strings.TrimPrefix(t.Version, "clang-")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", llvm.ClangVariable, told, path, "objects, libraries, assembly, instead of opt and llc")
	}
	var missing []string // packages
	for _, t := range tools {
		path, told := t.find(ctx)
		if path == "" {
			path, told = "apt-get install "+t.pkg, "missing"
			missing = append(missing, t.pkg)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.names[0], told, path, t.use)
	}
	w.Flush()
	fmt.Fprintln(stdout)

	dir, err := os.MkdirTemp("", "dnnc-doctor-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o := driver.Defaults()
	o.Input, o.TestImages, o.Images = filepath.Join(dir, "doctor.dnn"), 4, 4
	if err := os.WriteFile(o.Input, []byte(patient), 0o600); err != nil {
		return err
	}
	var faults []string
	fmt.Fprintln(w, "target\tcompiled and run")
	for _, t := range targets {
		o.Target = t.Name
		said, fault := examine(ctx, o, t)
		if err := ctx.Err(); err != nil {
			return err
		}
		if fault {
			faults = append(faults, t.Name)
		}
		fmt.Fprintf(w, "%s\t%s\n", t.Name, said)
	}
	w.Flush()
	fmt.Fprintln(stdout)
	if missing = slices.Compact(missing); len(missing) == 0 {
		fmt.Fprintln(stdout, "nothing is missing")
	} else {
		fmt.Fprintf(stdout, "to install what is missing, on Debian: apt-get install %s\n", strings.Join(missing, " "))
	}
	if len(faults) > 0 {
		return diag.New(diag.Pos{}, diag.ToolFailed, "of %d targets %d do not work here: %s", len(targets), len(faults), strings.Join(faults, " "))
	}
	return nil
}

// examine verifies the small network on a target; where nothing runs it, it is
// compiled.
func examine(ctx context.Context, o driver.Options, t *processor.Target) (said string, fault bool) {
	err := verify.Run(ctx, o, io.Discard, io.Discard)
	if err == nil {
		return "bit-exact by " + emu.Describe(t), false
	}
	if emu.Check(t) == nil {
		return firstLine(err), true
	}
	o.Output = o.Input + ".o"
	if compiled := driver.Build(ctx, o, io.Discard, io.Discard); compiled != nil {
		return firstLine(compiled), true
	}
	return "compiles; not run: " + firstLine(err), false
}

// firstLine is an error without its notes, but with a way out.
func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	var d *diag.Diagnostic
	if errors.As(err, &d) && d.Help != "" {
		text += " (" + d.Help + ")"
	}
	return text
}
