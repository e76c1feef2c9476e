package onnx

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir/diag"
)

// errUnsupported is the fault of an operation that no table knows.
var errUnsupported = errors.New("is not supported")

// faults collects what cannot be imported: operations by their reason.
type faults struct {
	order []string // "operation reason", in the order of the graph
	nodes map[string][]string
	kinds map[string]error
}

// shownNodes is the names that a fault lists.
const shownNodes = 8

func (f *faults) add(n *pb.Node, err error) {
	if errors.Is(err, errSkipped) {
		return
	}
	op := n.GetOpType()
	if d := n.GetDomain(); d != "" && d != "ai.onnx" {
		op = d + "." + op
	}
	key := op + " " + err.Error()
	if f.nodes == nil {
		f.nodes, f.kinds = map[string][]string{}, map[string]error{}
	}
	if f.nodes[key] == nil {
		f.order = append(f.order, key)
		f.kinds[key] = err
	}
	name := n.GetName()
	if name == "" && len(n.Output) > 0 {
		name = n.Output[0]
	}
	f.nodes[key] = append(f.nodes[key], name)
}

// err is one diagnostic an operation and reason, with the nodes' names.
func (f *faults) err(pos diag.Pos, all int) error {
	var list diag.List
	bad := 0
	for _, key := range f.order {
		names := f.nodes[key]
		bad += len(names)
		shown := strings.Join(names[:min(len(names), shownNodes)], ", ")
		if len(names) > shownNodes {
			shown += fmt.Sprintf(" and %d more", len(names)-shownNodes)
		}
		d := list.Add(pos, diag.Unsupported, "operation %s: %d of the model's %d nodes", key, len(names), all)
		d.WithNote("%s", shown)
		if errors.Is(f.kinds[key], errUnsupported) {
			d.WithHelp("dnnc ops lists what can be imported; replace the operation before exporting, or run this part outside of the network")
		}
	}
	return list.Err()
}
