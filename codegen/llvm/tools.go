package llvm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
)

// Tools are LLVM's programs: opt and llc, or a clang that has both in it.
type Tools struct {
	opt, llc, clang []string
	// Version names the LLVM in certificates and for Find: 19, or clang-22.
	Version string
}

// ClangVariable is the environment variable that names a clang, or a zig, whose clang and
// linker are used instead of LLVM's own programs. The package ziglang of PyPI has one.
const ClangVariable = "DNNC_CLANG"

// versions of LLVM that are tested, the preferred one first.
var versions = []string{"19", "16", "14"}

// clangPrefix begins the version of a clang.
const clangPrefix = "clang-"

// Find returns the clang that ClangVariable names, else the newest tested LLVM that is
// installed, or the wanted version of either.
func Find(want string) (Tools, error) {
	if path := os.Getenv(ClangVariable); path != "" && (want == "" || strings.HasPrefix(want, clangPrefix)) {
		t, err := clangAt(path)
		if err == nil && want != "" && t.Version != want {
			err = diag.New(diag.Pos{}, diag.MissingTool, "%s names %s of version %s, and %s is wanted", ClangVariable, path, t.Version, want)
		}
		return t, err
	}
	if strings.HasPrefix(want, clangPrefix) {
		return Tools{}, diag.New(diag.Pos{}, diag.MissingTool, "%s is wanted, and the environment variable %s names no clang", want, ClangVariable).
			WithHelp("set %s to the path of a clang or a zig", ClangVariable)
	}
	for _, v := range versions {
		if want != "" && v != want {
			continue
		}
		opt, err1 := exec.LookPath("opt-" + v)
		llc, err2 := exec.LookPath("llc-" + v)
		if err1 == nil && err2 == nil {
			return Tools{opt: []string{opt}, llc: []string{llc}, Version: v}, nil
		}
	}
	if want != "" {
		return Tools{}, diag.New(diag.Pos{}, diag.MissingTool, "no opt-%s and llc-%s of LLVM are installed", want, want).
			WithNote("the versions %s are tested", strings.Join(versions, ", "))
	}
	return Tools{}, diag.New(diag.Pos{}, diag.MissingTool, "LLVM's opt and llc are not installed").
		WithNote("the versions %s are tested", strings.Join(versions, ", ")).
		WithHelp("on Debian: apt-get install llvm-%s; with Python: pip install dnnc[llvm]; -emit c needs no LLVM", versions[0])
}

var clangVersion = regexp.MustCompile(`clang version (\d+)\.`)

// clangAt is the clang, or the one in the zig, at a path.
func clangAt(path string) (Tools, error) {
	clang := within(path, "clang")
	limited, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	out, err := run(limited, nil, clang, "--version")
	if err != nil {
		return Tools{}, diag.New(diag.Pos{}, diag.MissingTool, "%s=%s does not run: %v", ClangVariable, path, err)
	}
	m := clangVersion.FindSubmatch(out)
	if m == nil {
		return Tools{}, diag.New(diag.Pos{}, diag.MissingTool, "%s=%s is no clang and no zig: it tells no clang version", ClangVariable, path)
	}
	return Tools{clang: clang, Version: clangPrefix + string(m[1])}, nil
}

// within is the command of a program that zig has in it; any other path is the program's own.
func within(path, program string) []string {
	if strings.HasPrefix(filepath.Base(path), "zig") {
		return []string{path, program}
	}
	return []string{path}
}

// Linker returns LLVM's linker: zig's where ClangVariable names one, else an installed one.
func Linker() ([]string, error) {
	if command := within(os.Getenv(ClangVariable), "ld.lld"); len(command) > 1 {
		return command, nil
	}
	for _, name := range []string{"ld.lld-19", "ld.lld-16", "ld.lld-14", "ld.lld"} {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path}, nil
		}
	}
	return nil, diag.New(diag.Pos{}, diag.MissingTool, "LLVM's linker is not installed").WithHelp("on Debian: apt-get install lld-19")
}

// optimize runs LLVM's middle end over textual IR, which it verifies.
func (t Tools) optimize(ctx context.Context, text []byte, p *processor.Target) ([]byte, error) {
	if t.clang != nil {
		args := []string{"-O2", "-vectorize-loops", "-vectorize-slp", "-fno-unroll-loops", "-emit-llvm", "-o", "-"}
		for _, o := range p.Opt {
			args = append(args, "-mllvm", o)
		}
		return t.front(ctx, text, p, args...)
	}
	args := append([]string{"-passes=verify,default<O2>", "-disable-loop-unrolling", "-S", "-o", "-"}, p.Opt...)
	return run(ctx, text, t.opt, append(args, "-")...)
}

// inline replaces the calls of functions that are always inlined, and changes nothing else.
func (t Tools) inline(ctx context.Context, text []byte, p *processor.Target) ([]byte, error) {
	if t.clang != nil {
		return t.front(ctx, text, p, "-O0", "-emit-llvm", "-o", "-") // which inlines these alone
	}
	return run(ctx, text, t.opt, "-passes=always-inline", "-S", "-o", "-", "-")
}

// The kinds of output of generate.
const (
	object   = "obj"
	assembly = "asm"
)

// generate makes machine code of optimized text at a path, - for the result.
func (t Tools) generate(ctx context.Context, text []byte, p *processor.Target, kind, path string) ([]byte, error) {
	if t.clang != nil {
		args := []string{"-O2", "-disable-llvm-passes", map[string]string{object: "-emit-obj", assembly: "-S"}[kind], "-ffunction-sections", "-fdata-sections", "-fstack-size-section", "-o", path}
		args = append(args, "-target-cpu", p.CPU)
		for _, f := range strings.Split(p.Attributes(), ",") {
			if f != "" {
				args = append(args, "-target-feature", f)
			}
		}
		for _, o := range p.LLC {
			args = append(args, "-mllvm", o)
		}
		return t.front(ctx, text, p, args...)
	}
	args := []string{"-O2", "-filetype=" + kind, "-mtriple=" + p.Triple, "-mcpu=" + p.CPU, "-mattr=" + p.Attributes(), "-function-sections", "-data-sections", "-stack-size-section", "-o", path}
	if p.ABI != "" {
		args = append(args, "-target-abi="+p.ABI)
	}
	if p.PIC {
		args = append(args, "-relocation-model=pic")
	}
	return run(ctx, text, t.llc, append(append(args, p.LLC...), "-")...)
}

// front runs clang's own front end, whose options are those of opt and llc, over IR. Like opt
// it knows the processor's family alone, unless more names the processor.
func (t Tools) front(ctx context.Context, text []byte, p *processor.Target, more ...string) ([]byte, error) {
	args := []string{"-cc1", "-triple", p.Triple, "-Wno-override-module"}
	if p.ABI != "" {
		args = append(args, "-target-abi", p.ABI)
	}
	model := "static"
	if p.PIC {
		model = "pic"
		args = append(args, "-pic-level", "2")
	}
	args = append(append(args, "-mrelocation-model", model), more...)
	return run(ctx, text, t.clang, append(args, "-x", "ir", "-")...)
}

// timeLimit is what one run of a tool may take.
const timeLimit = 5 * time.Minute

func run(ctx context.Context, in []byte, command []string, args ...string) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	command = append(command[:len(command):len(command)], args...)
	cmd := exec.CommandContext(limited, command[0], command[1:]...)
	var out, messages bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &messages
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, diag.New(diag.Pos{}, diag.ToolFailed, "%s: %v", strings.Join(command, " "), err).
			WithNote("%s", strings.TrimSpace(messages.String()))
	}
	return out.Bytes(), nil
}

// String names the LLVM in reports.
func (t Tools) String() string { return fmt.Sprintf("LLVM %s", t.Version) }
