package tflite

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/dnnc/dnnc/ir/diag"
)

// signature is an entry of a model: a subgraph, and the names of its inputs and results by
// their tensors.
type signature struct {
	name  string
	graph int
	names map[int]string
}

// choose finds the entry of a name: of a signature, or of a subgraph. Without a name there
// must be one signature; a model without signatures begins with its first subgraph.
func (im *importer) choose(signatures []table, name string) (signature, error) {
	var all []signature
	var names []string
	for _, t := range signatures {
		s := signature{name: t.text(2), graph: t.int(4, 0), names: map[int]string{}}
		for slot := range 2 {
			for _, m := range t.tables(slot) {
				s.names[m.int(1, 0)] = m.text(0)
			}
		}
		all, names = append(all, s), append(names, s.name)
	}
	if im.f.err != nil {
		return signature{}, im.f.err
	}
	if name == "" {
		switch len(all) {
		case 0:
			return signature{}, nil
		case 1:
			name = all[0].name
		default:
			return signature{}, diag.New(diag.Pos{}, diag.BadValue, "the model has %d signatures: %s", len(all), strings.Join(names, ", ")).
				WithHelp("-signature NAME chooses one")
		}
	}
	i := slices.IndexFunc(all, func(s signature) bool { return s.name == name })
	if i < 0 {
		for k, g := range im.graphs {
			if g.text(4) == name {
				return signature{name: name, graph: k}, nil
			}
			names = append(names, g.text(4))
		}
		return signature{}, diag.New(diag.Pos{}, diag.BadValue, "the model has no signature or subgraph %q", name).WithHelp("it has %s", strings.Join(names, ", "))
	}
	if g := all[i].graph; g < 0 || g >= len(im.graphs) {
		return signature{}, diag.New(diag.Pos{}, diag.BadFile, "damaged: the signature %q is of the subgraph %d of %d", name, g, len(im.graphs))
	}
	return all[i], nil
}

// namer finds short names: those that a signature gives, and of other tensors the layer
// that the path of their name leads to.
type namer struct {
	given  map[int]string
	scope  string         // that most paths begin with: the model's name
	counts map[string]int // computed tensors of a layer
}

func newNamer(tensors []*tensor, s signature) namer {
	n := namer{given: map[int]string{}, counts: map[string]int{}}
	maps.Copy(n.given, s.names)
	first := map[string]int{}
	for _, t := range tensors {
		for _, path := range strings.Split(t.name, ";") {
			if head, _, ok := strings.Cut(path, "/"); ok {
				first[head]++
			}
		}
	}
	all := 0
	for head, k := range first {
		all += k
		if best := first[n.scope]; k > best || k == best && head < n.scope {
			n.scope = head
		}
	}
	if 2*first[n.scope] <= all {
		n.scope = ""
	}
	for _, t := range tensors {
		if layer, _ := n.split(t.name); t.data == nil && layer != "" {
			n.counts[layer]++
		}
	}
	return n
}

// passOn gives the name of a result to what it is computed from, where only a change of its
// type stands between: a layer before a QUANTIZE has the result's name.
func (n namer) passOn(m *model, ops []table) {
	for _, op := range slices.Backward(ops) {
		in, out := op.ints(1), op.ints(2)
		if name := m.opName(op); len(in) != 1 || len(out) != 1 || name != "QUANTIZE" && name != "DEQUANTIZE" {
			continue
		}
		if given := n.given[out[0]]; given != "" && n.given[in[0]] == "" {
			n.given[in[0]] = given
		}
	}
}

// inner are the parts of paths that name no layer.
var inner = []string{"convolution", "batchnorm", "moments", "while", "depthwise", "einsum", "conv_transpose"}

// products are the operations whose layer a fused list is named after: what else is in the
// list was fused with it.
var products = []string{"convolution", "depthwise", "conv_transpose", "MatMul", "Conv2D", "Tensordot"}

// split is the layer that a name leads to, "" where there is none, and the operation in
// it: of a fused list those of a product, else of the first path that has a layer.
func (n namer) split(name string) (layer, op string) {
	for _, path := range strings.Split(name, ";") {
		parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
		if len(parts) == 0 {
			continue
		}
		own := parts[len(parts)-1]
		isProduct := slices.ContainsFunc(parts, func(s string) bool { return slices.Contains(products, strings.TrimRight(s, "0123456789_")) })
		parts = parts[:len(parts)-1]
		if len(parts) > 0 && parts[0] == n.scope {
			parts = parts[1:]
		}
		for len(parts) > 0 && (slices.Contains(inner, parts[len(parts)-1]) || unicode.IsUpper([]rune(parts[len(parts)-1])[0])) {
			parts = parts[:len(parts)-1]
		}
		if op == "" {
			op = own
		}
		if len(parts) > 0 && (layer == "" || isProduct) {
			layer, op = parts[len(parts)-1], own
		}
		if isProduct && layer != "" {
			break
		}
	}
	return layer, op
}

// nameOf is a short name of a tensor.
func (im *importer) nameOf(i int) string {
	t := im.tensors[i]
	if im.depth == 0 && im.namer.given[i] != "" {
		return im.namer.given[i]
	}
	layer, op := im.namer.split(t.name)
	switch {
	case layer == "":
		return im.inStep("", op)
	case im.depth == 0 && (im.namer.counts[layer] < 2 || strings.Contains(t.name, ";")):
		return layer
	}
	return im.inStep(layer, op)
}

// inStep joins a layer, the step of a loop and an operation.
func (im *importer) inStep(layer, op string) string {
	parts := slices.DeleteFunc([]string{layer, im.step, op}, func(s string) bool { return s == "" })
	return strings.Join(parts, ".")
}

// layerName is the name of a layer, whose weights know it better than its result, which
// has the names of all that was fused with it.
func (im *importer) layerName(o *operator, w *tensor) string {
	if layer, op := im.namer.split(w.name); layer != "" {
		if im.depth > 0 {
			return im.inStep(layer, op)
		}
		return layer
	}
	return im.hint(o)
}

// hint is the name of an operator's result as readers want it.
func (im *importer) hint(o *operator) string {
	if name := im.nameOf(o.out[0]); name != "" {
		return name
	}
	return o.name
}
