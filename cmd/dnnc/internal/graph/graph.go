// Package graph draws a module: operations with shapes, formats, bytes,
// multiply-adds and the target's estimate of instructions, as Graphviz text or as a picture.
package graph

import (
	"bytes"
	"fmt"
	"html"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/machine"
)

// box is an operation, an input or a result.
type box struct {
	id    string
	lines []string
	fill  string
	rank  int // rows from the top
	col   int
}

// edge is a value on its way.
type edge struct {
	from, to int
	label    string
}

// The colours of boxes: Paul Tol's light scheme.
const (
	plain  = "#f4f4f4"
	layer  = "#99ddff"
	border = "#dddddd"
)

// boxes are what is drawn of m, in the order of the schedule.
func boxes(m *ir.Module) (list []box, edges []edge) {
	at := map[*ir.Value]int{}
	for _, v := range m.Inputs {
		at[v] = len(list)
		list = append(list, box{id: v.Name, lines: []string{v.Name, v.Type.String()}, fill: border})
	}
	for _, n := range m.Ops {
		b := box{id: n.Name(), lines: []string{n.Name(), n.Op.String()}, fill: plain}
		if n.Op.HasWeights() {
			b.fill = layer
			w := n.Const(ir.AttrWeight)
			bytes := ir.PackedBytes(w.Type.Elem, w.Type.Shape) + ir.BookBytes(w.Type.Elem)
			b.lines = append(b.lines, w.Type.String(), fmt.Sprintf("%d bytes, %.2f bits", bytes, 8*float64(bytes)/float64(w.Type.Shape.Size())), fmt.Sprintf("%d multiply-adds", n.MACs()))
			if t, err := processor.Find(m.Target); err == nil && m.IsQuantized() {
				b.lines = append(b.lines, fmt.Sprintf("about %.0f instructions on %s", machine.Cycles(n, t, w.Type.Elem), t.Name))
			}
		}
		for _, a := range n.Args {
			b.rank = max(b.rank, list[at[a]].rank+1)
			edges = append(edges, edge{at[a], len(list), a.Type.String()})
		}
		at[n.Out] = len(list)
		list = append(list, b)
	}
	for i, v := range m.Outputs {
		edges = append(edges, edge{at[v], len(list), v.Type.String()})
		list = append(list, box{id: fmt.Sprintf("result %d", i), lines: []string{"result"}, fill: border, rank: list[at[v]].rank + 1})
	}
	wide := map[int]int{}
	for i := range list {
		b := &list[i]
		b.col = wide[b.rank]
		wide[b.rank]++
	}
	return list, edges
}

// Dot is m for Graphviz.
func Dot(m *ir.Module) []byte {
	var b bytes.Buffer
	list, edges := boxes(m)
	fmt.Fprintf(&b, "digraph \"%s\" {\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n", m.Name)
	for i, x := range list {
		fmt.Fprintf(&b, "  n%d [label=\"%s\", fillcolor=\"%s\"];\n", i, strings.Join(x.lines, `\n`), x.fill)
	}
	for _, e := range edges {
		fmt.Fprintf(&b, "  n%d -> n%d [label=\"%s\"];\n", e.from, e.to, e.label)
	}
	b.WriteString("}\n")
	return b.Bytes()
}

// The measures of a picture, in pixels.
const (
	boxWidth = 190
	gap      = 30
	line     = 15
)

// SVG is m as a picture: a row for each rank, an operation's being one more than its
// arguments' greatest.
func SVG(m *ir.Module) []byte {
	list, edges := boxes(m)
	high, wide := map[int]int{}, 0
	ranks := 0
	for _, b := range list {
		high[b.rank], wide, ranks = max(high[b.rank], len(b.lines)), max(wide, b.col+1), max(ranks, b.rank+1)
	}
	top := make([]int, ranks+1)
	for r := range ranks {
		top[r+1] = top[r] + high[r]*line + 12 + gap
	}
	x := func(b box) int { return gap + b.col*(boxWidth+gap) }
	y := func(b box) int { return gap + top[b.rank] }
	tall := func(b box) int { return len(b.lines)*line + 12 }
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", gap+wide*(boxWidth+gap)+boxWidth/2, gap+top[ranks])
	for _, e := range edges {
		a, b := list[e.from], list[e.to]
		x1, y1, x2, y2 := x(a)+boxWidth/2, y(a)+tall(a), x(b)+boxWidth/2, y(b)
		bend := 0
		if b.rank > a.rank+1 { // past the boxes between
			bend = boxWidth/2 + gap/2
		}
		fmt.Fprintf(&out, `<path d="M%d %dC%d %d %d %d %d %d" fill="none" stroke="#444"/>`+"\n", x1, y1, x1+bend, y1+gap, x2+bend, y2-gap, x2, y2)
		fmt.Fprintf(&out, `<text x="%d" y="%d" fill="#444" font-size="10">%s</text>`+"\n", x1+4, y1+gap/2+3, html.EscapeString(e.label))
	}
	for _, b := range list {
		fmt.Fprintf(&out, `<rect x="%d" y="%d" width="%d" height="%d" rx="4" fill="%s" stroke="#444"/>`+"\n", x(b), y(b), boxWidth, tall(b), b.fill)
		for i, text := range b.lines {
			fmt.Fprintf(&out, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", x(b)+boxWidth/2, y(b)+(i+1)*line+2, html.EscapeString(text))
		}
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}
