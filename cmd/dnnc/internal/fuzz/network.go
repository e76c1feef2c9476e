package fuzz

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// Input is one of a network's.
type Input struct {
	Shape     ir.Shape
	Low, High float64
}

// Node is an operation of a random network.
type Node struct {
	ID     int // from 1 on: which its name and its weights hang on
	Op     ir.Op
	Args   []int // places of nodes; inputs are -1, -2 and on
	P      []int // parameters of its maker
	Format string
	Tied   int // ID of an earlier node whose weights it shares; 0 for none
}

// owner is the ID of the node whose weights it has.
func (x Node) owner() int {
	if x.Tied != 0 {
		return x.Tied
	}
	return x.ID
}

func (x Node) name() string { return fmt.Sprintf("v%d", x.ID) }

// Network is a random network and how it is to be compiled: small enough to be
// changed and printed again.
type Network struct {
	Inputs  []Input
	Nodes   []Node
	Results []int
	Seed    uint64 // of weights and images
	How
}

// How is what a network is compiled and run with beside the defaults.
type How struct {
	Compensated bool // rounding, instead of the nearest codes
	TFLite      bool // requantizations rounded as TensorFlow Lite's
	Hooks, Lend bool // of the C interface
	Stepped     bool // run step by step, as a scheduler does
	Rows        bool // the caller gives the input row by row, where the first layers run so
	Threads     int  // of the caller, where the target has threads; 0 for none
}

// The greatest side of an input, and the most elements of a value: the smaller, the
// faster.
const (
	most         = 12
	mostElements = 4096
)

// Random is a network from a seed: it has what kernels find hard, odd sizes and
// widths, strides, groups, padding on one side, branches, several inputs and results,
// layers that share their weights.
func Random(seed uint64) *Network {
	rng := rand.New(rand.NewPCG(seed, 7))
	n := &Network{Seed: seed, Inputs: []Input{{ir.Shape{1 + rng.IntN(5), 1 + rng.IntN(most), 1 + rng.IntN(most)}, -1, 1}},
		How: How{rng.IntN(3) == 0, rng.IntN(6) == 0, rng.IntN(8) == 0, rng.IntN(8) == 0, rng.IntN(4) == 0, false, 0}}
	switch rng.IntN(8) {
	case 0, 1: // of one image
		n.Rows = true
	case 2, 3:
		n.Threads = 2 + rng.IntN(7)
	}
	indices, more := -1, some(rng, 3, 2)
	if n.Rows {
		more = 0
	}
	for range more {
		switch rng.IntN(4) {
		case 0:
			n.Inputs = append(n.Inputs, n.Inputs[0])
		case 1:
			n.Inputs = append(n.Inputs, Input{ir.Shape{1 + rng.IntN(9)}, 0, float64(rng.IntN(40) + 1)})
			indices = len(n.Inputs) - 1
		default:
			n.Inputs = append(n.Inputs, Input{ir.Shape{1 + rng.IntN(30)}, -float64(rng.IntN(3)), 1})
		}
	}
	isSequence := rng.IntN(20) == 0 // of steps whose gates every cell divides
	if isSequence {
		n.Inputs[0] = Input{ir.Shape{12 * (1 + rng.IntN(2)), 1 + rng.IntN(most), 1}, -2, 2}
	}
	common := format(rng)
	if rng.IntN(2) == 0 {
		common = ""
	}
	formatted := func() string {
		if common != "" {
			return common
		}
		return format(rng)
	}
	if indices > 0 {
		n.add(Node{Op: ir.Embedding, Args: []int{-1 - indices}, P: makerOf(ir.Embedding).draw(rng)})
	}
	if isSequence {
		n.add(Node{Op: ir.Recurrent, Args: []int{-1}, P: makerOf(ir.Recurrent).draw(rng)})
	}
	wanted := len(n.Nodes) + 1 + rng.IntN(8)
	if rng.IntN(10) == 0 {
		n.recurrent(rng, formatted())
		wanted = len(n.Nodes) + rng.IntN(2)
	}
	total := 0
	for _, m := range makers {
		total += m.often
	}
	for tries := 0; len(n.Nodes) < wanted && tries < 300; tries++ {
		k, at := 0, rng.IntN(total)
		for at >= makers[k].often {
			at -= makers[k].often
			k++
		}
		n.random(rng, &makers[k], formatted())
	}
	if len(n.Nodes) == 0 {
		n.add(Node{Op: ir.Relu, Args: []int{-1}})
	}
	n.Results = []int{len(n.Nodes) - 1}
	for range some(rng, 3, 2) {
		if r := rng.IntN(len(n.Nodes)); !slices.Contains(n.Results, r) {
			n.Results = append(n.Results, r)
		}
	}
	return n
}

// format is one that layers may have: every width of every kind.
func format(rng *rand.Rand) string {
	switch rng.IntN(8) {
	case 0, 1:
		return "i8"
	case 2:
		return ir.CodeOf(1 + rng.IntN(ir.MaxCodeBits)).String()
	case 3:
		return ir.VecOf(1+rng.IntN(ir.MaxCodeBits), 1+rng.IntN(16)).String()
	case 4: // those that searches choose from, whose look-ups are vectorized
		return ir.VecOf([]int{4, 4, 6, 8}[rng.IntN(4)], []int{4, 8, 16, 32}[rng.IntN(4)]).String()
	}
	return ir.OddOf(1 + rng.IntN(ir.MaxCodeBits)).String()
}

// add appends a node if it fits.
func (n *Network) add(x Node) bool {
	// A jump, or a choice of the greatest, makes a whole step of the last bits of a cosine transform, which the
	// pass legalize rounds otherwise.
	hasCosines := slices.ContainsFunc(n.Nodes, func(y Node) bool { return y.Op == ir.MFCC })
	if hasCosines && (x.Op.Jumps() || x.Op == ir.ArgMax) {
		return false
	}
	x.ID = 1
	for _, y := range n.Nodes {
		x.ID = max(x.ID, y.ID+1)
	}
	if x.Format == "" {
		x.Format = "i8"
	}
	n.Nodes = append(n.Nodes, x)
	if _, err := n.shapes(); err != nil {
		n.Nodes = n.Nodes[:len(n.Nodes)-1]
		return false
	}
	return true
}

// random appends an operation of a kind to the last value, mostly, if it fits.
func (n *Network) random(rng *rand.Rand, m *maker, format string) {
	arg := func() int {
		if rng.IntN(3) > 0 && len(n.Nodes) > 0 {
			return len(n.Nodes) - 1
		}
		return rng.IntN(len(n.Nodes)+len(n.Inputs)) - len(n.Inputs)
	}
	x := Node{Op: m.op, P: m.draw(rng), Args: []int{arg()}, Format: format}
	count := m.args
	if count == 0 {
		count = 1 + rng.IntN(3)
	}
	for len(x.Args) < count {
		x.Args = append(x.Args, arg())
	}
	if count == 2 && rng.IntN(2) == 0 {
		n.alike(rng, &x)
	}
	if m.before != none {
		if !n.add(Node{Op: m.before, P: makerOf(m.before).draw(rng), Args: x.Args}) {
			return
		}
		x.Args = []int{len(n.Nodes) - 1}
	}
	if m.op.HasWeights() && rng.IntN(3) == 0 { // the weights of an earlier layer that fits
		for _, y := range n.Nodes {
			if y.Op == x.Op && y.Tied == 0 {
				tied := x
				tied.P, tied.Format, tied.Tied = y.P, y.Format, y.ID
				if n.add(tied) {
					return
				}
				tied.Args = []int{n.like(rng, y.Args[0], tied.Args[0])}
				if n.add(tied) {
					return
				}
			}
		}
	}
	n.add(x)
}

// like is another value of the shape that one has, or or where there is none.
func (n *Network) like(rng *rand.Rand, one, or int) int {
	shapes, err := n.shapes()
	if err != nil {
		return or
	}
	for range 20 {
		i := rng.IntN(len(n.Nodes)+len(n.Inputs)) - len(n.Inputs)
		if i != one && n.shape(shapes, i).Equal(n.shape(shapes, one)) {
			return i
		}
	}
	return or
}

// alike makes the second argument one of the shape that the first has, if there is
// one: of a product of matrices, one that fits by its inner number.
func (n *Network) alike(rng *rand.Rand, x *Node) {
	shapes, err := n.shapes()
	if err != nil {
		return
	}
	a := n.shape(shapes, x.Args[0])
	for range 20 {
		i := rng.IntN(len(n.Nodes)+len(n.Inputs)) - len(n.Inputs)
		b := n.shape(shapes, i)
		if x.Op != ir.MatMul && a.Equal(b) || x.Op == ir.MatMul && len(a) > 1 && len(a) == len(b) && a[len(a)-1] == b[len(b)-2] {
			x.Args[1] = i
			return
		}
	}
}

// recurrent appends some steps of an LSTM or a GRU over a value's elements as the
// importer unrolls them: layers that share their weights, gates that are slices.
func (n *Network) recurrent(rng *rand.Rand, format string) {
	steps, hidden := 2+rng.IntN(3), 1+rng.IntN(9)
	x := n.put(Node{Op: ir.Flatten, Args: []int{rng.IntN(len(n.Nodes)+len(n.Inputs)) - len(n.Inputs)}})
	shapes, err := n.shapes()
	if err != nil || x < 0 || shapes[x].Size() < steps {
		return
	}
	size := shapes[x].Size() / steps
	gates := 4
	isGRU := rng.IntN(2) == 0
	if isGRU {
		gates = 3
	}
	part := func(of, first, size, whole int) int {
		p := make([]int, 3*axes)
		p[0], p[axes] = first, whole-first-size
		return n.put(Node{Op: ir.Slice, Args: []int{of}, P: p})
	}
	tied := map[string]int{}
	layer := func(name string, of int) int {
		y := Node{Op: ir.Linear, Args: []int{of}, P: []int{gates*hidden - 1, 0, 1}, Format: format, Tied: tied[name]}
		at := n.put(y)
		if tied[name] == 0 && at >= 0 {
			tied[name] = n.Nodes[at].ID
		}
		return at
	}
	op := func(op ir.Op, args ...int) int { return n.put(Node{Op: op, Args: args, P: []int{0}}) }
	h := n.put(Node{Op: ir.Linear, Args: []int{x}, P: []int{hidden - 1, 0, 0}, Format: format})
	c := h
	for t := range steps {
		in := layer("in", part(x, t*size, size, shapes[x].Size()))
		state := layer("hidden", h)
		if state < 0 || in < 0 {
			return
		}
		gate := func(of, k int) int { return part(of, k*hidden, hidden, gates*hidden) }
		if isGRU {
			z := op(ir.Sigmoid, op(ir.Add, gate(in, 0), gate(state, 0)))
			r := op(ir.Sigmoid, op(ir.Add, gate(in, 1), gate(state, 1)))
			candidate := op(ir.Tanh, op(ir.Add, gate(in, 2), op(ir.Mul, r, gate(state, 2))))
			h = op(ir.Add, candidate, op(ir.Mul, z, op(ir.Sub, h, candidate)))
			continue
		}
		sum := op(ir.Add, in, state)
		i, o, f := op(ir.Sigmoid, gate(sum, 0)), op(ir.Sigmoid, gate(sum, 1)), op(ir.Sigmoid, gate(sum, 2))
		c = op(ir.Add, op(ir.Mul, f, c), op(ir.Mul, i, op(ir.Tanh, gate(sum, 3))))
		h = op(ir.Mul, o, op(ir.Tanh, c))
	}
}

// put appends a node and returns its place; of one that does not fit, the last one's:
// the network is as good.
func (n *Network) put(x Node) int {
	n.add(x)
	return len(n.Nodes) - 1
}

func (n *Network) shape(shapes []ir.Shape, arg int) ir.Shape {
	if arg < 0 {
		return n.Inputs[-1-arg].Shape
	}
	return shapes[arg]
}

// layer is a node as the language has it.
type layer struct {
	*ir.Node
	source []ir.Attr // attributes that stand for constants
	consts []constant
}

// layers are the nodes with their types, or why there are none. Inference knows what
// fits.
func (n *Network) layers() ([]layer, error) {
	var values []*ir.Value
	for i, in := range n.Inputs {
		values = append(values, &ir.Value{Name: inputName(i), Type: ir.Type{Elem: ir.Of(ir.F32), Shape: in.Shape}})
	}
	var out []layer
	for i, x := range n.Nodes {
		m := makerOf(x.Op)
		y := layer{Node: &ir.Node{Op: x.Op, Out: &ir.Value{Name: x.name()}}}
		var in []ir.Shape
		for _, a := range x.Args {
			if a >= i || a < -len(n.Inputs) {
				return nil, errors.New("no such argument")
			}
			v := values[n.place(a)]
			y.Args, in = append(y.Args, v), append(in, v.Type.Shape)
		}
		if m.attrs != nil {
			for _, a := range m.attrs(x.P, in) {
				info := x.Op.Attr(a.Key)
				switch {
				case info == nil || info.Source && a.Key != ir.AttrFilters && a.Key != ir.AttrUnits && a.Key != ir.AttrKernel:
					return nil, fmt.Errorf("%s has no attribute %s", x.Op, a.Key)
				case info.Check(a.Value) != "":
					return nil, errors.New(info.Check(a.Value))
				case info.Source:
					y.source = append(y.source, a)
				default:
					y.Put(a)
				}
			}
		}
		if m.consts != nil {
			y.consts = m.consts(x.P, in)
			for _, c := range y.consts {
				y.Put(c.attr.Is(&ir.Const{Name: x.name() + c.key, Type: ir.Type{Elem: ir.Of(ir.F32), Shape: c.shape}}))
			}
		}
		t, d := ir.InferNode(y.Node)
		if d != nil {
			return nil, d
		}
		if t.Shape.Size() > mostElements {
			return nil, errors.New("large")
		}
		y.Out.Type = t
		if x.Tied != 0 {
			of := slices.IndexFunc(n.Nodes[:i], func(y Node) bool { return y.ID == x.Tied })
			if of < 0 || !slices.EqualFunc(out[of].consts, y.consts, func(a, b constant) bool { return a.shape.Equal(b.shape) }) || out[of].Op != x.Op {
				return nil, errors.New("no weights to share")
			}
		}
		out, values = append(out, y), append(values, y.Out)
	}
	return out, nil
}

// place is where the value of an argument is among the inputs and the nodes.
func (n *Network) place(arg int) int {
	if arg < 0 {
		return -1 - arg
	}
	return len(n.Inputs) + arg
}

// shapes are those of the nodes' results, or why there are none.
func (n *Network) shapes() (out []ir.Shape, err error) {
	list, err := n.layers()
	for _, y := range list {
		out = append(out, y.Out.Type.Shape)
	}
	return out, err
}

func inputName(i int) string {
	if i == 0 {
		return "x"
	}
	return fmt.Sprintf("x%d", i)
}

// Source is the network as a text.
func (n *Network) Source() string {
	list, err := n.layers()
	if err != nil {
		return "# " + err.Error()
	}
	var inputs, results, names []string
	for i, in := range n.Inputs {
		inputs = append(inputs, fmt.Sprintf("%s: f32%s in [%s,%s]", inputName(i), in.Shape, ir.FormatFloat(in.Low), ir.FormatFloat(in.High)))
	}
	for _, r := range n.Results {
		results, names = append(results, list[r].Out.Type.String()), append(names, list[r].Name())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tensors \"w.safetensors\"\nnetwork n(%s) -> %s {\n", strings.Join(inputs, ", "), strings.Join(results, ", "))
	for i, y := range list {
		for _, c := range y.consts {
			if y.Op == ir.Embedding {
				fmt.Fprintf(&b, "  const %s%s: f32%s\n", y.Name(), c.key, c.shape)
			}
		}
		var args []string
		for _, a := range y.Args {
			args = append(args, a.Name)
		}
		x := n.Nodes[i]
		if x.Tied != 0 {
			for _, c := range y.consts {
				args = append(args, fmt.Sprintf("%s: v%d%s", c.attr, x.Tied, c.key))
			}
		} else {
			for _, a := range y.source {
				args = append(args, a.Key.String()+": "+written(a.Value))
			}
		}
		for _, a := range y.Attrs {
			if _, isConst := a.Value.(*ir.Const); !isConst {
				args = append(args, a.Key.String()+": "+written(a.Value))
			} else if y.Op == ir.Embedding {
				args = append(args, a.Key.String()+": "+y.Name()+y.consts[0].key)
			}
		}
		fmt.Fprintf(&b, "  %s = %s(%s)\n", y.Name(), y.Op, strings.Join(args, ", "))
	}
	fmt.Fprintf(&b, "  return %s\n}\n", strings.Join(names, ", "))
	return b.String()
}

// written is the value of an attribute.
func written(value any) string {
	switch v := value.(type) {
	case float64:
		return ir.FormatFloat(v)
	case []float64:
		list := make([]string, len(v))
		for i, x := range v {
			list[i] = ir.FormatFloat(x)
		}
		return "[" + strings.Join(list, ",") + "]"
	case []int:
		return ir.Shape(v).String()
	}
	return fmt.Sprint(value)
}

// isShared reports whether other nodes have the weights of the i-th.
func (n *Network) isShared(i int) bool {
	return slices.ContainsFunc(n.Nodes, func(y Node) bool { return y.Tied == n.Nodes[i].ID })
}

// write puts the text and its tensors into a folder. A tensor depends on the seed,
// its name and its shape alone.
func (n *Network) write(dir string) (path string, err error) {
	list, err := n.layers()
	if err != nil {
		return "", err
	}
	var tensors []weights.Tensor
	for i, y := range list {
		if n.Nodes[i].Tied != 0 {
			continue
		}
		for _, c := range y.consts {
			name := y.Name() + c.key
			h := fnv.New64a()
			fmt.Fprintf(h, "%s %v", name, c.shape)
			rng := rand.New(rand.NewPCG(n.Seed, h.Sum64()))
			x := make([]float32, c.shape.Size())
			for i := range x {
				if v := rng.NormFloat64() * c.scale; c.positive {
					x[i] = float32(math.Abs(v) + .1)
				} else {
					x[i] = float32(v)
				}
			}
			if rng.IntN(4) == 0 && !c.positive { // a dead channel, or a nearly dead one
				least := []float32{0, 0, 1e-9, 1e-20}[rng.IntN(4)]
				if n.isShared(i) { // no integers serve results that are so many times apart
					least = 0
				}
				for i := range len(x) / c.shape[0] {
					x[i] *= least
				}
			}
			raw, err := ir.FloatConst(name, c.shape, x).Load()
			if err != nil {
				return "", err
			}
			tensors = append(tensors, weights.Tensor{Name: name, DType: weights.F32, Shape: c.shape, Data: raw})
		}
	}
	var b bytes.Buffer
	if err := weights.WriteSafetensors(&b, tensors); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "w.safetensors"), b.Bytes(), 0o644); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "n.dnn")
	return path, os.WriteFile(path, []byte(n.Source()), 0o644)
}

// fixed are the formats of the layers that a result depends on, by name: of those
// that share their weights, the first one's.
func (n *Network) fixed() (map[string]ir.Elem, error) {
	list, err := n.layers()
	if err != nil {
		return nil, err
	}
	fix, done := map[string]ir.Elem{}, map[int]bool{}
	for i, live := range n.live() {
		x := n.Nodes[i]
		if !live || !x.Op.HasWeights() || done[x.owner()] {
			continue
		}
		done[x.owner()] = true
		e, ok := ir.ParseElem(x.Format)
		if !ok {
			return nil, fmt.Errorf("no format %s", x.Format)
		}
		if list[i].Op == ir.Conv2D && list[i].Int(ir.AttrGroups) > 1 && e.Kind != ir.Odd {
			continue // codebooks serve no groups
		}
		if e.Kind != ir.I8 {
			fix[x.name()] = e
		}
	}
	return fix, nil
}

// live are the nodes that a result depends on; the others are dropped.
func (n *Network) live() []bool {
	live := make([]bool, len(n.Nodes))
	for _, r := range n.Results {
		live[r] = true
	}
	for i := len(n.Nodes) - 1; i >= 0; i-- {
		for _, a := range n.Nodes[i].Args {
			if live[i] && a >= 0 {
				live[a] = true
			}
		}
	}
	return live
}

// sound reports whether a network may be compiled.
func (n *Network) sound() bool {
	if len(n.Nodes) == 0 || len(n.Results) != len(slices.Compact(slices.Sorted(slices.Values(n.Results)))) {
		return false
	}
	for _, r := range n.Results {
		if r < 0 || r >= len(n.Nodes) {
			return false
		}
	}
	_, err := n.layers()
	return err == nil
}

// formats lists those of the layers, and what else is special, for a report.
func (n *Network) formats() string {
	var list []string
	for i, live := range n.live() {
		if x := n.Nodes[i]; live && x.Op.HasWeights() && x.Tied == 0 {
			list = append(list, x.name()+"="+x.Format)
		}
	}
	return fmt.Sprintf("%s %+v", strings.Join(list, ","), n.How)
}
