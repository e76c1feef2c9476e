package ir_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/dnnc/dnnc/"

// root is the library: package dnnc at the module's root.
const root = "."

// layers are the packages from the lowest up. A package imports packages above
// itself in this list; and the three wings never import each other.
var layers = []string{
	"testdata/lenet5", // embedded files
	"ir/version", "ir/decimal", "ir/parallel", "ir/quote", "ir/diag", "ir", "ir/geometry", "ir/parts", "ir/stripes", "ir/processor", "ir/loop",
	"ir/kernel/emit", "ir/kernel", "ir/kernel/bilinear", "ir/kernel/decode", "ir/kernel/depthwise", "ir/kernel/elements", "ir/kernel/lanes", "ir/kernel/lookup", "ir/kernel/micro", "ir/kernel/moves", "ir/kernel/pairs", "ir/kernel/pixels", "ir/kernel/pool", "ir/kernel/recurrent", "ir/kernel/rows", "ir/kernel/spectrum", "ir/kernel/tile", "ir/kernel/families",
	"runtime/replace", "runtime/input", "runtime/seal", "runtime/cells", "runtime/kernels", "runtime/gemm", "runtime/data", "runtime/interp", "runtime/disturb", "runtime/proof", "runtime/measure", "runtime/mistake",
	"frontend/weights", "frontend/dataset", "frontend/syntax", "frontend/build", "frontend/onnx/internal/pb", "frontend/onnx", "frontend/tflite", "frontend/examples", "frontend", "frontend/frontendtest",
	"passes/pass", "passes/validate", "passes/graph", "passes/quant/round", "passes/quant", "passes/tune", "passes/stream", "passes/machine", "passes/robust", "passes", "passes/stream/streamtest", "ir/passtest", "ir/kernel/kerneltest",
	"codegen/network", "codegen/count", "codegen/llvm", "codegen/c", "codegen", "runtime/emu",
	"runtime/certificate", root,
	"cmd/internal/markers", "cmd/internal/tasks", "cmd/dnnc/internal/terminal", "cmd/dnnc/internal/graph", "cmd/dnnc/internal/inspect", "cmd/dnnc/internal/lsp", "cmd/dnnc/internal/cluster", "cmd/dnnc/internal/driver", "cmd/dnnc/internal/check", "cmd/dnnc/internal/metric", "cmd/dnnc/internal/pictures", "cmd/dnnc/internal/texts", "cmd/dnnc/internal/manual",
	"cmd/dnnc/internal/program", "cmd/dnnc/internal/project", "cmd/dnnc/internal/verify", "cmd/dnnc/internal/chart", "cmd/dnnc/internal/certify", "cmd/dnnc/internal/eval", "cmd/dnnc/internal/doctor", "cmd/dnnc/internal/bench", "cmd/dnnc/internal/fuzz", "cmd/dnnc/internal/compare", "cmd/dnnc/internal/pareto", "cmd/dnnc/internal/experiment", "cmd/dnnc/internal/command", "cmd/dnnc/internal/dnnctest", "cmd/dnnc", "cmd/sample", "cmd/tasks", "cmd/results", "cmd/proofs", "cmd/networks", "cmd/tuning", "cmd/products", "cmd/keep", "cmd/bench/giant", "cmd/bench", "cmd/same", "cmd/dist", "cmd/site", "cmd/mutate",
}

var wings = []string{"frontend", "passes", "codegen"}

func wing(pkg string) string { return strings.SplitN(pkg, "/", 2)[0] }

// name is a package as layers list it.
func name(path string) string {
	if path+"/" == module {
		return root
	}
	return strings.TrimPrefix(path, module)
}

// family reports whether a package is a family of kernels.
func family(pkg string) bool {
	name, ok := strings.CutPrefix(pkg, "ir/kernel/")
	return ok && !slices.Contains([]string{"emit", "families", "kerneltest"}, name)
}

func TestImportsFollowTheLayers(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	require.NoError(t, err)
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		words := strings.Fields(line)
		pkg := name(words[0])
		at := slices.Index(layers, pkg)
		if !assert.GreaterOrEqual(t, at, 0, "%s has no place among the layers", pkg) {
			continue
		}
		for _, imp := range words[1:] {
			dep, ours := name(imp), strings.HasPrefix(imp+"/", module)
			if strings.Contains(imp, "llir") {
				assert.Equal(t, "codegen/llvm", pkg, "only codegen/llvm knows LLVM")
			}
			if strings.Contains(imp, "nats-io") {
				assert.Equal(t, "cmd/dnnc/internal/cluster", pkg, "only the package of clusters knows NATS")
			}
			if !ours {
				continue
			}
			assert.Contains(t, layers[:at], dep, "%s must not import %s", pkg, dep)
			if slices.Contains(wings, wing(pkg)) && slices.Contains(wings, wing(dep)) {
				assert.Equal(t, wing(pkg), wing(dep), "%s must not import %s", pkg, dep)
			}
			if dep == root {
				assert.Equal(t, "cmd", wing(pkg), "only commands import the library")
			}
			if wing(pkg) == "codegen" || pkg == "passes/machine" {
				assert.NotContains(t, []string{"runtime/kernels", "runtime/gemm", "runtime/interp"}, dep, "%s takes what it needs from ir/geometry", pkg)
			}
			if family(pkg) && family(dep) {
				assert.Fail(t, "families do not import each other", "%s imports %s", pkg, dep)
			}
		}
	}
}

// TestTextsCiteWhatIsHere: a comment or document says a fact itself, or names a rule of
// runtime/kernels, and never a document that readers do not have.
func TestTextsCiteWhatIsHere(t *testing.T) {
	absent := []byte("DESI" + "GN")
	require.NoError(t, filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && path != ".." && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" || e.Name() == "bin") {
			return fs.SkipDir
		}
		if ext := filepath.Ext(path); e.IsDir() || ext != ".go" && ext != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		assert.False(t, bytes.Contains(text, absent), path)
		return err
	}))
}
