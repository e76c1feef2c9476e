package build

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
)

// ErrUnsupported is the fault of an operation that no table knows.
var ErrUnsupported = errors.New("is not supported")

// ErrSkipped is the fault of an operation whose argument failed: it is reported
// there.
var ErrSkipped = errors.New("skipped")

// fault is what inference says of an operation, whose place the importer knows.
type fault struct{ d *diag.Diagnostic }

func (f *fault) Error() string { return f.d.Message }

// Faults collects what cannot be imported: operations by their reason.
type Faults struct {
	order []string // "operation reason", in the order of the graph
	nodes map[string][]string
	kinds map[string]error
}

// shownNodes is the names that a fault lists.
const shownNodes = 8

// Add notes that an operation of the model cannot be imported.
func (f *Faults) Add(op, name string, err error) {
	if errors.Is(err, ErrSkipped) {
		return
	}
	key := op + " " + err.Error()
	if f.nodes == nil {
		f.nodes, f.kinds = map[string][]string{}, map[string]error{}
	}
	if f.nodes[key] == nil {
		f.order = append(f.order, key)
		f.kinds[key] = err
	}
	f.nodes[key] = append(f.nodes[key], name)
}

// Err is List as an error, nil where there are no faults.
func (f *Faults) Err(pos diag.Pos, all int) error { return f.List(pos, all).Err() }

// List is one diagnostic an operation and reason, with the names of the nodes, of which the model
// has so many in all.
func (f *Faults) List(pos diag.Pos, all int) (list diag.List) {
	for _, key := range f.order {
		names := f.nodes[key]
		shown := quote.Line(strings.Join(names[:min(len(names), shownNodes)], ", "))
		if len(names) > shownNodes {
			shown += fmt.Sprintf(" and %d more", len(names)-shownNodes)
		}
		d := list.Add(pos, diag.Unsupported, "operation %s: %d of the model's %d nodes", quote.Line(key), len(names), all)
		d.WithNote("%s", shown)
		var inferred *fault
		switch {
		case errors.As(f.kinds[key], &inferred):
			d.WithHelp("%s", inferred.d.Help)
		case errors.Is(f.kinds[key], ErrUnsupported):
			d.WithHelp("dnnc ops lists what can be imported; replace the operation before exporting, or run this part outside of the network")
		}
	}
	return list
}
