package llvm

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
)

// Listing links an object alone, so that it calls and reads at fixed addresses, and lists its
// instructions. It needs LLVM's linker and the disassembler of the same LLVM.
func Listing(ctx context.Context, tools Tools, object []byte, entry string, t *processor.Target) (program []byte, listing string, err error) {
	linker, err := Linker()
	if err != nil {
		return nil, "", err
	}
	disassembler, err := exec.LookPath("llvm-objdump-" + tools.Version)
	if err != nil {
		return nil, "", diag.New(diag.Pos{}, diag.MissingTool, "llvm-objdump-%s, which lists instructions, is not installed", strings.TrimPrefix(tools.Version, clangPrefix)).
			WithHelp("on Debian: apt-get install llvm-%s", versions[0])
	}
	dir, err := os.MkdirTemp("", "dnnc-")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(dir)
	in, out := filepath.Join(dir, "object.o"), filepath.Join(dir, "program")
	if err := os.WriteFile(in, object, 0o600); err != nil {
		return nil, "", err
	}
	if _, err := run(ctx, nil, linker, "-m", t.LinkMode, "-static", "-e", entry, "-o", out, in); err != nil {
		return nil, "", err
	}
	if program, err = os.ReadFile(out); err != nil {
		return nil, "", err
	}
	text, err := run(ctx, nil, []string{disassembler}, "-d", "--no-show-raw-insn", "--mcpu="+t.CPU, "--mattr="+t.Attributes(), out)
	return program, string(text), err
}
