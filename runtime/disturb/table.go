package disturb

import (
	"fmt"
	"strings"

	"github.com/dnnc/dnnc/ir"
)

// told says by which shapes an input is of a kind unless it is declared.
var told = map[string]string{
	ir.Image:    "[C,H,W]",
	ir.Signal:   "[C,N], [C,1,N], [C,N,1]: time along the last axis that is longer than 1",
	ir.Features: "[N], and all others",
}

// Table lists the kinds of input with their default errors, and the kinds of error.
func Table() string {
	var b strings.Builder
	b.WriteString("| input | by its shape | `-errors default` |\n| --- | --- | --- |\n")
	for _, kind := range ir.ContentKinds {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", kind, told[kind], Defaults(kind))
	}
	b.WriteString("\n| error | of | sizes by default | what it does at size t, 0 to 1 | after |\n| --- | --- | --- | --- | --- |\n")
	for _, k := range kinds {
		sizes := make([]string, len(k.Sizes))
		for i, t := range k.Sizes {
			sizes[i] = fmt.Sprintf("%g", t)
		}
		of := strings.Join(k.Of, ", ")
		if k.Guided {
			of += ", guided"
		}
		if k.Several != "" {
			of += " of several " + k.Several + "s"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.Name, of, strings.Join(sizes, " "), k.Doc, k.Source)
	}
	return b.String()
}
