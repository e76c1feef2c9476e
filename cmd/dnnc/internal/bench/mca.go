package bench

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/ir/processor"
)

// innerLoop is a piece of code that jumps back to its own beginning and has no
// other jump in it.
type innerLoop struct {
	function, code string
	instructions   int
}

var (
	label     = regexp.MustCompile(`^([.\w$]+):`)
	directive = regexp.MustCompile(`^\s*\.`)
	// Whatever leaves a block: branches, calls, returns; not what begins like one.
	leaves = regexp.MustCompile(`^(b|j|cb|tb|call|ret|svc)`)
	stays  = regexp.MustCompile(`^(bic|bfi|bfc|bsl|bif|bit|bswap|brev)`)
)

// innerLoops lists the inner loops of an assembly text, by function.
func innerLoops(asm, comments string) map[string][]innerLoop {
	loops := map[string][]innerLoop{}
	function, at := "", ""
	var body []string
	for _, line := range strings.Split(asm, "\n") {
		line = strings.TrimSpace(stripComment(line, comments))
		if m := label.FindStringSubmatch(line); m != nil {
			at, body = m[1], nil
			if !strings.HasPrefix(m[1], ".") {
				function, at = m[1], ""
			}
			continue
		}
		if line == "" || directive.MatchString(line) {
			continue
		}
		words := strings.Fields(line)
		switch {
		case at == "": // behind a jump: no loop begins here
		case words[len(words)-1] == at:
			// The jump itself names a label that the estimate does not know.
			loops[function] = append(loops[function], innerLoop{function, strings.Join(body, "\n"), len(body) + 1})
			at = ""
		case leaves.MatchString(words[0]) && !stays.MatchString(words[0]):
			at = ""
		default:
			body = append(body, line)
		}
	}
	return loops
}

// stripComment cuts an assembly line's comment.
func stripComment(line, mark string) string {
	if i := strings.Index(line, mark); i >= 0 {
		return line[:i]
	}
	return line
}

// commentMark begins a comment in LLVM's assembly for an architecture.
func commentMark(t *processor.Target) string {
	switch t.Arch {
	case "thumb", "arm":
		return "@"
	case "aarch64":
		return "//"
	}
	return "#"
}

var totalCycles = regexp.MustCompile(`Total Cycles:\s*(\d+)`)

// iterations of a loop that llvm-mca simulates.
const iterations = 100

// perInstruction estimates the cycles of an instruction by the greatest inner loop
// of each function of a build's steps: llvm-mca's cycles of an iteration over its
// instructions. It is nil where LLVM has no model of the processor, or no llvm-mca
// is installed.
func perInstruction(ctx context.Context, b *program.Build) []float64 {
	t := b.Result.Target
	path, err := exec.LookPath("llvm-mca-" + b.Tools.Version)
	if err != nil || t.MCA == "" {
		return nil
	}
	functions, err := b.Steps()
	if err != nil {
		return nil
	}
	asm, err := b.Assembly(ctx)
	if err != nil {
		return nil
	}
	loops := innerLoops(string(asm), commentMark(t))
	ratios := make([]float64, len(functions))
	for i, names := range functions {
		var most innerLoop
		for _, name := range names {
			for _, l := range loops[name] {
				if l.instructions > most.instructions {
					most = l
				}
			}
		}
		if most.instructions == 0 {
			return nil
		}
		cycles, err := cyclesOf(ctx, path, t, most)
		if err != nil {
			return nil
		}
		ratios[i] = cycles / float64(most.instructions)
	}
	return ratios
}

// cyclesOf is the estimate of llvm-mca for one iteration of a loop.
func cyclesOf(ctx context.Context, mca string, t *processor.Target, l innerLoop) (float64, error) {
	text := l.code + "\n"
	if t.Arch == "thumb" || t.Arch == "arm" {
		text = ".syntax unified\n" + text
	}
	cmd := exec.CommandContext(ctx, mca, "-mtriple="+t.Triple, "-mcpu="+t.MCA, "-mattr="+t.Attributes(), fmt.Sprintf("-iterations=%d", iterations),
		"-instruction-info=false", "-resource-pressure=false", "-skip-unsupported-instructions=any")
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout = strings.NewReader(text), &out
	if err := cmd.Run(); err != nil {
		return 0, err
	}
	m := totalCycles.FindStringSubmatch(out.String())
	if m == nil {
		return 0, fmt.Errorf("llvm-mca wrote no cycles")
	}
	n, err := strconv.Atoi(m[1])
	return float64(n) / iterations, err
}
