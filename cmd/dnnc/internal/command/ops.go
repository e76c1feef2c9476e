package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/dnnc/dnnc/frontend/onnx"
	"github.com/dnnc/dnnc/frontend/tflite"
	"github.com/dnnc/dnnc/ir"
)

// printOps is the table of operations, as the layers' own tables have it.
func printOps(w io.Writer) {
	fmt.Fprintf(w, "| operation | what | integers | weights | from ONNX | from TensorFlow Lite |\n| --- | --- | --- | --- | --- | --- |\n")
	for op := range ir.NumOps {
		info := op.Info()
		integers := "by core operations"
		switch {
		case info.Widths == ir.WideArgument:
			integers = "of samples of 16 bits, every target"
		case op.Is(ir.Core):
			integers = "8 bits, every target"
		case op.IsFunction():
			integers = "a table of 256"
		case op.Moves():
			integers = "a copy"
		}
		weights := ""
		if op.HasWeights() {
			weights = "i8, odd1..8, code1..8, vec"
		}
		doc, _, _ := strings.Cut(info.Doc, "; ONNX")
		fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s | %s |\n", info.Name, strings.ReplaceAll(strings.TrimSuffix(doc, "."), "|", `\|`), integers, weights, strings.Join(onnx.Names(op), ", "), strings.Join(tflite.Names(op), ", "))
	}
	fmt.Fprintf(w, "\nThe interpreter also computes every operation in float32; searches and measurements of accuracy use it.\nThe column integers says what runs on the targets. By core operations: a pass replaces the operation by others that have integers.\n")
	fmt.Fprintf(w, "\nFolded when the model is imported, where all arguments are constants (shape arithmetic): %s.\n", strings.Join(onnx.Folded(), ", "))
}
