package llvm

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
)

// Tools are LLVM's programs.
type Tools struct{ Opt, LLC, Version string }

// versions of LLVM that are tested, the preferred one first.
var versions = []string{"19", "16", "14"}

// Find returns the newest tested LLVM that is installed, or the wanted version.
func Find(want string) (Tools, error) {
	for _, v := range versions {
		if want != "" && v != want {
			continue
		}
		opt, err1 := exec.LookPath("opt-" + v)
		llc, err2 := exec.LookPath("llc-" + v)
		if err1 == nil && err2 == nil {
			return Tools{opt, llc, v}, nil
		}
	}
	if want != "" {
		return Tools{}, diag.New(diag.Pos{}, diag.MissingTool, "no opt-%s and llc-%s of LLVM are installed", want, want).
			WithNote("the versions %s are tested", strings.Join(versions, ", "))
	}
	return Tools{}, diag.New(diag.Pos{}, diag.MissingTool, "LLVM's opt and llc are not installed").
		WithNote("the versions %s are tested", strings.Join(versions, ", ")).
		WithHelp("on Debian: apt-get install llvm-%s", versions[0])
}

// Compile makes an object ("obj") or assembly ("asm") of textual IR. What LLVM
// would call from a C library for want of an instruction, it has itself.
func Compile(ctx context.Context, tools Tools, text string, t *processor.Target, filetype string) ([]byte, error) {
	better, err := optimized(ctx, tools, text, t)
	if err != nil {
		return nil, err
	}
	better, object, err := complete(better, t, func(text []byte) ([]byte, error) { return generate(ctx, tools, text, t, "obj") })
	if err != nil {
		return nil, err
	}
	if filetype == "obj" {
		return object, nil
	}
	return generate(ctx, tools, better, t, filetype)
}

// complete makes the object of an optimized text and gives both, with the helpers
// that the object would miss.
func complete(text []byte, t *processor.Target, generate func(text []byte) ([]byte, error)) (whole, object []byte, err error) {
	for {
		object, err := generate(text)
		if err != nil {
			return nil, nil, err
		}
		names, err := missing(object)
		if err != nil {
			return nil, nil, err
		}
		if len(names) == 0 {
			return text, object, nil
		}
		// A helper may need another: 64-bit multiplication one of 32 bits.
		text = []byte(define(string(text), t, names))
	}
}

// optimized runs opt.
func optimized(ctx context.Context, tools Tools, text string, t *processor.Target) ([]byte, error) {
	better, err := run(ctx, []byte(text), tools.Opt, "-passes=verify,default<O2>", "-disable-loop-unrolling", "-S", "-o", "-", "-")
	if err != nil {
		return nil, err
	}
	return withoutBranches(ctx, tools, better, t)
}

// generate runs llc.
func generate(ctx context.Context, tools Tools, text []byte, t *processor.Target, filetype string) ([]byte, error) {
	return generateTo(ctx, tools, text, t, filetype, "-")
}

// generateTo is generate with a file for the output; it gives what llc prints.
func generateTo(ctx context.Context, tools Tools, text []byte, t *processor.Target, filetype, path string) ([]byte, error) {
	args := []string{"-O2", "-filetype=" + filetype, "-mtriple=" + t.Triple, "-mcpu=" + t.CPU, "-mattr=" + t.Attributes(), "-function-sections", "-data-sections", "-stack-size-section", "-o", path}
	if t.ABI != "" {
		args = append(args, "-target-abi="+t.ABI)
	}
	if t.PIC {
		args = append(args, "-relocation-model=pic")
	}
	return run(ctx, text, tools.LLC, append(append(args, t.LLC...), "-")...)
}

// timeLimit is what one run of a tool may take.
const timeLimit = 5 * time.Minute

func run(ctx context.Context, in []byte, name string, args ...string) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	cmd := exec.CommandContext(limited, name, args...)
	var out, messages bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &messages
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, diag.New(diag.Pos{}, diag.ToolFailed, "%s %s: %v", name, strings.Join(args, " "), err).
			WithNote("%s", strings.TrimSpace(messages.String()))
	}
	return out.Bytes(), nil
}

// String names the LLVM in reports.
func (t Tools) String() string { return fmt.Sprintf("LLVM %s", t.Version) }
