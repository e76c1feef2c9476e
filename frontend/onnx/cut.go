package onnx

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir/diag"
)

// cut is a graph that returns some of its values, without the nodes and inputs that they
// do not need, and in words what these are.
func cut(g *pb.Graph, outputs []string) (short *pb.Graph, left string, err error) {
	maker, names := map[string]*pb.Node{}, []string{}
	for _, n := range g.Node {
		for _, o := range n.Output {
			if o != "" {
				maker[o] = n
				names = append(names, o)
			}
		}
	}
	for _, in := range g.Input {
		names = append(names, in.GetName())
	}
	short = &pb.Graph{Name: g.Name, Initializer: g.Initializer}
	var open []string
	for i, o := range outputs {
		if !slices.Contains(names, o) {
			d := diag.New(diag.Pos{}, diag.BadValue, "-outputs %s: the model has no such value", o).WithSuggestion(o, names)
			if d.Help == "" {
				d.WithHelp("its results are %s", strings.Join(resultNames(g), " "))
			}
			return nil, "", d
		}
		if slices.Contains(outputs[:i], o) {
			return nil, "", diag.New(diag.Pos{}, diag.BadValue, "-outputs names %s twice", o)
		}
		short.Output = append(short.Output, &pb.ValueInfo{Name: proto.String(o)})
		open = append(open, o)
	}
	seen, needed := map[string]bool{}, map[*pb.Node]bool{}
	for len(open) > 0 {
		name := open[len(open)-1]
		open = open[:len(open)-1]
		if n := maker[name]; !seen[name] && n != nil && !needed[n] {
			needed[n] = true
			open = append(open, read(n)...)
		}
		seen[name] = true
	}
	for _, n := range g.Node {
		if needed[n] {
			short.Node = append(short.Node, n)
		}
	}
	var inputs, results []string
	for _, in := range g.Input {
		if seen[in.GetName()] {
			short.Input = append(short.Input, in)
		} else {
			inputs = append(inputs, in.GetName())
		}
	}
	for _, o := range resultNames(g) {
		if !slices.Contains(outputs, o) {
			results = append(results, o)
		}
	}
	var parts []string
	for _, p := range []struct {
		what string
		list []string
	}{{"result", results}, {"input", inputs}} {
		if len(p.list) > 1 {
			p.what += "s"
		}
		if len(p.list) > 0 {
			parts = append(parts, p.what+" "+strings.Join(p.list, ", "))
		}
	}
	if d := len(g.Node) - len(short.Node); d > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d nodes", d, len(g.Node)))
	}
	return short, strings.Join(parts, "; "), nil
}

func resultNames(g *pb.Graph) (names []string) {
	for _, o := range g.Output {
		names = append(names, o.GetName())
	}
	return names
}

// read are the values that a node reads, those that the graphs in its attributes take from
// outside among them.
func read(n *pb.Node) []string {
	names := slices.Clone(n.Input)
	for _, a := range n.Attribute {
		if a.G == nil {
			continue
		}
		names = append(names, resultNames(a.G)...)
		for _, inner := range a.G.Node {
			names = append(names, read(inner)...)
		}
	}
	return names
}
