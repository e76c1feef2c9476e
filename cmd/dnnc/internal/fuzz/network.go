package fuzz

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// Node is an operation of a random network: all that any may have.
type Node struct {
	Op             string
	Args           []int // nodes; input for the network's input
	Filters        int   // of a convolution or linear layer
	Kernel, Stride [2]int
	Dilation       [2]int
	Pad            [4]int
	Groups         int
	Act            string
	Bias           bool
}

// input stands for the network's input among arguments.
const input = -1

// Network is a random network and how it is to be compiled: small enough to be
// changed and printed again.
type Network struct {
	Shape   ir.Shape // of the input
	Nodes   []Node
	Results []int
	Format  string // of all weights
	Seed    uint64 // of weights and images
}

// most is the largest side of what is generated; the smaller, the faster.
const most = 12

// Random is a network from a seed: it has what kernels find hard, odd sizes,
// strides, groups, padding on one side, branches, several results.
func Random(seed uint64) *Network {
	rng := rand.New(rand.NewPCG(seed, 7))
	n := &Network{Shape: ir.Shape{1 + rng.IntN(5), 1 + rng.IntN(most), 1 + rng.IntN(most)}, Seed: seed, Format: pick(rng, formats)}
	for wanted, tries := 1+rng.IntN(8), 0; len(n.Nodes) < wanted && tries < 200; tries++ {
		n.Nodes = append(n.Nodes, n.node(rng))
		if _, err := n.shapes(); err != nil {
			n.Nodes = n.Nodes[:len(n.Nodes)-1]
		}
	}
	if len(n.Nodes) == 0 {
		n.Nodes = []Node{{Op: "relu", Args: []int{input}}}
	}
	n.Results = []int{len(n.Nodes) - 1}
	if rng.IntN(4) == 0 && len(n.Nodes) > 1 {
		n.Results = append(n.Results, rng.IntN(len(n.Nodes)-1))
	}
	return n
}

var formats = []string{"i8", "i8", "odd1", "odd2", "odd3", "odd4", "odd5", "odd6", "odd7", "odd8", "code2", "code4", "vec4x8", "vec4x16", "vec3x5"}

func pick(rng *rand.Rand, list []string) string { return list[rng.IntN(len(list))] }

// node is one more operation, which may turn out not to fit.
func (n *Network) node(rng *rand.Rand) Node {
	arg := func() int {
		if rng.IntN(3) > 0 {
			return len(n.Nodes) - 1 // the last, or the input
		}
		return rng.IntN(len(n.Nodes)+1) - 1
	}
	pair := func(most int) [2]int { return [2]int{1 + rng.IntN(most), 1 + rng.IntN(most)} }
	x := Node{Args: []int{arg()}, Kernel: pair(3), Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1, Act: pick(rng, []string{"none", "relu", "relu6"})}
	if rng.IntN(3) == 0 {
		x.Stride = pair(3)
	}
	if rng.IntN(2) == 0 {
		for i := range x.Pad {
			x.Pad[i] = rng.IntN(min(3, x.Kernel[i%2]))
		}
	}
	x.Op = pick(rng, []string{"conv2d", "conv2d", "conv2d", "conv2d", "linear", "maxpool2d", "maxpool2d", "avgpool2d", "globalavgpool", "relu", "relu6", "add", "add", "concat", "flatten", "reshape", "softmax"})
	switch x.Op {
	case "conv2d":
		x.Filters, x.Bias = 1+rng.IntN(20), rng.IntN(2) == 0
		if rng.IntN(4) == 0 {
			x.Dilation = pair(2)
		}
		if c := n.channels(x.Args[0]); rng.IntN(3) == 0 && c > 1 {
			x.Groups = c // depthwise, with a multiplier
			if x.Filters = c * (1 + rng.IntN(2)); c%2 == 0 && rng.IntN(2) == 0 {
				x.Groups = 2
			}
		}
	case "linear":
		x.Filters, x.Bias = 1+rng.IntN(24), rng.IntN(2) == 0
	case "add", "concat":
		x.Args = append(x.Args, arg())
	}
	return x
}

func (n *Network) channels(arg int) int {
	shapes, err := n.shapes()
	if err != nil || len(n.shape(shapes, arg)) == 0 {
		return 0
	}
	return n.shape(shapes, arg)[0]
}

func (n *Network) shape(shapes []ir.Shape, arg int) ir.Shape {
	if arg == input {
		return n.Shape
	}
	return shapes[arg]
}

// shapes are those of the nodes' results, or why there are none.
func (n *Network) shapes() ([]ir.Shape, error) {
	var out []ir.Shape
	for i, x := range n.Nodes {
		a := n.shape(out, x.Args[0])
		s, err := x.result(a, func() ir.Shape { return n.shape(out, x.Args[1]) })
		if err != nil {
			return nil, fmt.Errorf("node %d: %w", i, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// mostElements bounds a value.
const mostElements = 4096

func (x *Node) result(a ir.Shape, other func() ir.Shape) (ir.Shape, error) {
	no := func(why string) (ir.Shape, error) { return nil, fmt.Errorf("%s of %v: %s", x.Op, a, why) }
	out := a
	switch x.Op {
	case "conv2d", "maxpool2d", "avgpool2d":
		if len(a) != 3 || x.Op == "conv2d" && (a[0]%x.Groups != 0 || x.Filters%x.Groups != 0) {
			return no("channels")
		}
		out = ir.Shape{a[0], 0, 0}
		if x.Op == "conv2d" {
			out[0] = x.Filters
		}
		for d := range 2 {
			dilation := 1
			if x.Op == "conv2d" {
				dilation = x.Dilation[d]
			}
			room := a[1+d] + x.Pad[d] + x.Pad[d+2] - (x.Kernel[d]-1)*dilation - 1
			if room < 0 || x.Op != "conv2d" && (x.Pad[d] >= x.Kernel[d] || x.Pad[d+2] >= x.Kernel[d]) {
				return no("window")
			}
			out[1+d] = room/x.Stride[d] + 1
			// A window of a pool must see a pixel.
			if x.Op != "conv2d" && (out[1+d]-1)*x.Stride[d] >= a[1+d]+x.Pad[d] {
				return no("empty window")
			}
		}
	case "linear":
		out = ir.Shape{x.Filters}
	case "globalavgpool":
		if len(a) != 3 {
			return no("planes")
		}
		out = ir.Shape{a[0], 1, 1}
	case "add":
		if !a.Equal(other()) {
			return no("shapes differ")
		}
	case "concat":
		b := other()
		if len(a) != 3 || len(b) != 3 || a[1] != b[1] || a[2] != b[2] {
			return no("planes differ")
		}
		out = ir.Shape{a[0] + b[0], a[1], a[2]}
	case "flatten":
		out = ir.Shape{a.Size()}
	case "reshape":
		if len(a) != 3 {
			return no("planes")
		}
		out = ir.Shape{a[2], a[0], a[1]}
	case "softmax":
		if len(a) != 1 {
			return no("planes")
		}
	}
	if out.Size() > mostElements {
		return no("large")
	}
	return out, nil
}

// Source is the network as a text.
func (n *Network) Source() string {
	shapes, err := n.shapes()
	if err != nil {
		return "# " + err.Error()
	}
	name := func(arg int) string {
		if arg == input {
			return "x"
		}
		return fmt.Sprintf("v%d", arg)
	}
	var results, names []string
	for _, r := range n.Results {
		results, names = append(results, "f32"+shapes[r].String()), append(names, name(r))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tensors \"w.safetensors\"\nnetwork n(x: f32%s in [-1,1]) -> %s {\n", n.Shape, strings.Join(results, ", "))
	for i, x := range n.Nodes {
		var args []string
		for _, a := range x.Args {
			args = append(args, name(a))
		}
		add := func(format string, v ...any) { args = append(args, fmt.Sprintf(format, v...)) }
		switch x.Op {
		case "conv2d":
			add("filters: %d", x.Filters)
			add("kernel: [%d,%d]", x.Kernel[0], x.Kernel[1])
			if x.Groups > 1 {
				add("groups: %d", x.Groups)
			}
			if x.Dilation != [2]int{1, 1} {
				add("dilation: [%d,%d]", x.Dilation[0], x.Dilation[1])
			}
		case "linear":
			add("units: %d", x.Filters)
		case "maxpool2d", "avgpool2d":
			add("kernel: [%d,%d]", x.Kernel[0], x.Kernel[1])
		case "reshape":
			add("shape: %s", shapes[i])
		}
		if x.Op == "conv2d" || x.Op == "maxpool2d" || x.Op == "avgpool2d" {
			add("stride: [%d,%d]", x.Stride[0], x.Stride[1])
			if x.Pad != [4]int{} {
				add("pad: [%d,%d,%d,%d]", x.Pad[0], x.Pad[1], x.Pad[2], x.Pad[3])
			}
		}
		if (x.Op == "conv2d" || x.Op == "linear" || x.Op == "add") && x.Act != "none" {
			add("act: %s", x.Act)
		}
		fmt.Fprintf(&b, "  v%d = %s(%s)\n", i, x.Op, strings.Join(args, ", "))
	}
	fmt.Fprintf(&b, "  return %s\n}\n", strings.Join(names, ", "))
	return b.String()
}

// write puts the text and its tensors into a folder. A tensor depends on the seed,
// its name and its shape alone.
func (n *Network) write(dir string) (path string, err error) {
	shapes, err := n.shapes()
	if err != nil {
		return "", err
	}
	var list []weights.Tensor
	add := func(name string, shape ir.Shape, scale float64) error {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s %v", name, shape)
		rng := rand.New(rand.NewPCG(n.Seed, h.Sum64()))
		x := make([]float32, shape.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() * scale)
		}
		if rng.IntN(4) == 0 { // a dead channel
			clear(x[:len(x)/shape[0]])
		}
		raw, err := ir.FloatConst(name, shape, x).Load()
		list = append(list, weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw})
		return err
	}
	for i, x := range n.Nodes {
		a := n.shape(shapes, x.Args[0])
		shape := ir.Shape{x.Filters, a.Size()}
		switch x.Op {
		case "conv2d":
			shape = ir.Shape{x.Filters, a[0] / x.Groups, x.Kernel[0], x.Kernel[1]}
		case "linear":
		default:
			continue
		}
		name := fmt.Sprintf("v%d", i)
		if err := add(name+".weight", shape, .5); err != nil {
			return "", err
		}
		if x.Bias {
			if err := add(name+".bias", ir.Shape{x.Filters}, .3); err != nil {
				return "", err
			}
		}
	}
	var b bytes.Buffer
	if err := weights.WriteSafetensors(&b, list); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "w.safetensors"), b.Bytes(), 0o644); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "n.dnn")
	return path, os.WriteFile(path, []byte(n.Source()), 0o644)
}

// clone is a network that may be changed.
func (n *Network) clone() *Network {
	c := *n
	c.Shape, c.Nodes, c.Results = slices.Clone(n.Shape), slices.Clone(n.Nodes), slices.Clone(n.Results)
	for i := range c.Nodes {
		c.Nodes[i].Args = slices.Clone(c.Nodes[i].Args)
	}
	return &c
}

// without is the network with node i left out: what took it takes its argument.
func (n *Network) without(i int) *Network {
	c := n.clone()
	instead := c.Nodes[i].Args[0]
	c.Nodes = slices.Delete(c.Nodes, i, i+1)
	move := func(a int) int {
		switch {
		case a == i:
			a = instead
		case a > i:
			a--
		}
		return a
	}
	for k := i; k < len(c.Nodes); k++ {
		for j, a := range c.Nodes[k].Args {
			c.Nodes[k].Args[j] = move(a)
		}
	}
	for j, r := range c.Results {
		c.Results[j] = move(r)
	}
	return c
}

// live are the nodes that a result depends on; the others are dropped.
func (n *Network) live() []bool {
	live := make([]bool, len(n.Nodes))
	for _, r := range n.Results {
		live[r] = true
	}
	for i := len(n.Nodes) - 1; i >= 0; i-- {
		for _, a := range n.Nodes[i].Args {
			if live[i] && a != input {
				live[a] = true
			}
		}
	}
	return live
}

// sound reports whether a network may be compiled.
func (n *Network) sound() bool {
	if len(n.Nodes) == 0 || slices.Contains(n.Results, input) || len(n.Results) != len(slices.Compact(slices.Sorted(slices.Values(n.Results)))) {
		return false
	}
	_, err := n.shapes()
	return err == nil
}

// Reduce makes a failing network smaller as long as it fails: nodes and results
// left out, arguments moved up, then every number made less.
func Reduce(n *Network, fails func(*Network) bool) *Network {
	for changed := true; changed; {
		changed = false
		for _, c := range n.smaller() {
			if c.sound() && fails(c) {
				n, changed = c, true
				break
			}
		}
	}
	return n
}

// smaller are the networks that are one step smaller, the largest steps first.
func (n *Network) smaller() []*Network {
	var out []*Network
	with := func(change func(c *Network)) {
		c := n.clone()
		change(c)
		out = append(out, c)
	}
	if len(n.Results) > 1 {
		for i := range n.Results {
			with(func(c *Network) { c.Results = slices.Delete(c.Results, i, i+1) })
		}
	}
	for i := range len(n.Nodes) - 1 {
		with(func(c *Network) { c.Nodes, c.Results = c.Nodes[:i+1], []int{i} })
	}
	for i := range n.Nodes {
		out = append(out, n.without(i))
	}
	for i, x := range n.Nodes {
		for j, a := range x.Args {
			if a != input {
				with(func(c *Network) { c.Nodes[i].Args[j] = input })
			}
		}
	}
	less := func(get func(c *Network) *int, least int) {
		v := *get(n)
		for _, w := range []int{least, v / 2, v - 1} {
			if w >= least && w < v {
				with(func(c *Network) { *get(c) = w })
			}
		}
	}
	for i := range n.Nodes {
		less(func(c *Network) *int { return &c.Nodes[i].Filters }, 1)
		less(func(c *Network) *int { return &c.Nodes[i].Groups }, 1)
		for d := range 2 {
			less(func(c *Network) *int { return &c.Nodes[i].Kernel[d] }, 1)
			less(func(c *Network) *int { return &c.Nodes[i].Stride[d] }, 1)
			less(func(c *Network) *int { return &c.Nodes[i].Dilation[d] }, 1)
		}
		for d := range 4 {
			less(func(c *Network) *int { return &c.Nodes[i].Pad[d] }, 0)
		}
		if n.Nodes[i].Act != "none" {
			with(func(c *Network) { c.Nodes[i].Act = "none" })
		}
		if n.Nodes[i].Bias {
			with(func(c *Network) { c.Nodes[i].Bias = false })
		}
	}
	for d := range n.Shape {
		less(func(c *Network) *int { return &c.Shape[d] }, 1)
	}
	if n.Format != "i8" {
		with(func(c *Network) { c.Format = "i8" })
	}
	return out
}
