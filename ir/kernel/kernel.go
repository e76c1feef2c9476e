// Package kernel defines kernel families and their plans. A Family plans a layer for a
// processor. A Plan estimates the cycles of the layer, packs its weights and writes its
// code. Each family is a package below this one; ir/kernel/families lists them.
package kernel

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/processor"
)

// Family is a way to compute one operation.
type Family struct {
	Name string
	Doc  string
	Op   ir.Op
	// Plan is the family's cheapest plan of a layer; ok is false where the family does
	// not serve the layer.
	Plan func(l Layer) (p Plan, ok bool)
	// All lists the plans that Plan chooses from, where measurements compare these; nil where
	// the one of Plan is all.
	All func(l Layer) []Plan
	// Read restores the plan that a layer's attributes describe.
	Read func(l Layer) (Plan, error)
	// General: the family serves every layer of its kind, slowly. It is chosen only if no
	// other family serves the layer.
	General bool
	// Fitted reports whether the estimates of an operation without weights are near counts on a processor;
	// nil where there are none.
	Fitted func(t *processor.Target) bool
	// Wide: the kernel also takes arguments and gives results of 16 bits.
	Wide bool
	// Pools: the kernel of a convolution can compute a max pooling of its outputs.
	Pools bool
	// Rows: when the kernel writes a row of the result, it needs no earlier row of the
	// first argument any more (without rows: no earlier element). The result may then
	// overlap that argument.
	Rows bool
}

// Plan is how a family computes a layer. Each family has its own type, a comparable
// struct of numbers.
type Plan interface {
	// Attrs is the plan as attributes of the node. Read(Attrs) gives the same plan.
	Attrs() Attrs
	// Scratch is the bytes of working memory in the arena.
	Scratch() int
	// Cycles estimates the instructions of the layer.
	Cycles() float64
	// Emit writes the layer's function.
	Emit(g *emit.Generator) error
}

// Packer is a plan of a layer with weights.
type Packer interface {
	Plan
	// Pack lays the codes of the layer's weights out as the kernel reads them. Their size is
	// ir.PackedBytes, which budgets count. A family may use other planes than the format;
	// rounding to whole bytes then adds or saves at most Slack bytes.
	Pack(l Layer) ([][]byte, error)
}

// Slack is the upper bound on the difference between the size of Pack and ir.PackedBytes.
const Slack = 3

// Attrs are the attributes of a plan.
type Attrs struct {
	Product string // instruction that the kernel is built on; "" for none
	Tile    []int
}

// Layer is the question to a family: a node on a processor, with its weights in a
// format.
type Layer struct {
	Node   *ir.Node
	Target *processor.Target
	Elem   ir.Elem // format of the weights; the zero Elem without weights
	// Supposed: the weights are not quantized yet. Codebook, zero points and the width of
	// the bias are unknown, and the family assumes the largest possible tables and sums.
	Supposed bool
	// Room is the upper bound on the bytes of scratch; 0 is no bound. Families plan within it
	// where they can: a plan that takes more is no error.
	Room int
}

// Within returns the layer with a bound on scratch.
func (l Layer) Within(room int) Layer {
	l.Room = max(room, 1) // which no scratch fits
	return l
}

// Fits reports whether there is room for bytes of scratch.
func (l Layer) Fits(bytes int) bool { return l.Room == 0 || bytes <= l.Room }

// Of returns the layer of a quantized node.
func Of(n *ir.Node, t *processor.Target) Layer {
	l := Layer{Node: n, Target: t}
	if n.Op.HasWeights() {
		l.Elem = n.Const(ir.AttrWeight).Type.Elem
	}
	return l
}

// Suppose returns the layer of a node whose weights are not quantized yet, in format e.
func Suppose(n *ir.Node, t *processor.Target, e ir.Elem) Layer {
	return Layer{Node: n, Target: t, Elem: e, Supposed: true}
}

// Serves returns the family's plan of a layer; ok is false if the family does not serve
// the layer.
func (f *Family) Serves(l Layer) (p Plan, ok bool) {
	h, w := l.Node.Pool()
	if f.Op != l.Node.Op || h*w > 1 && !f.Pools {
		return nil, false
	}
	if l.Node.IsWide() && !f.Wide {
		return nil, false
	}
	return f.Plan(l)
}

// Restore returns the plan that the attributes of a planned node describe. It is an error
// if the family has no such plan.
func (f *Family) Restore(n *ir.Node, t *processor.Target) (Plan, error) {
	p, err := f.Read(Of(n, t))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if a := p.Attrs(); !slices.Equal(a.Tile, n.Ints(ir.AttrTile)) || a.Product != product(n) {
		return nil, fmt.Errorf("%s: product %q and tile %v, where the plan has %q and %v", f.Name, product(n), n.Ints(ir.AttrTile), a.Product, a.Tile)
	}
	have := 0
	if n.Has(ir.AttrScratch) {
		have = n.Ints(ir.AttrScratch)[1]
	}
	if want := p.Scratch(); have != want {
		return nil, fmt.Errorf("%s: scratch of %d bytes, where tile %v takes %d", f.Name, have, n.Ints(ir.AttrTile), want)
	}
	return p, nil
}

// product returns the product that a node's attributes name, or "".
func product(n *ir.Node) string {
	if !n.Op.Takes(ir.AttrMultiply) {
		return ""
	}
	return n.Word(ir.AttrMultiply)
}

// Assign selects the family and a plan for a node: it writes the plan's attributes.
func (f *Family) Assign(n *ir.Node, p Plan) {
	a := p.Attrs()
	n.Drop(ir.AttrTile, ir.AttrScratch, ir.AttrMultiply)
	n.Put(ir.AttrImpl.Is(f.Name))
	if a.Product != "" {
		n.Put(ir.AttrMultiply.Is(a.Product))
	}
	if a.Tile != nil {
		n.Put(ir.AttrTile.Is(a.Tile))
	}
	if s := p.Scratch(); s > 0 {
		n.Put(ir.AttrScratch.Is([]int{0, s}))
	}
}

// Tile is a plan's pixels and output channels whose sums are computed together. Families
// whose plan is that embed it.
type Tile struct {
	Pixels, Channels int
	Bytes            int // of scratch
	Instructions     float64
}

func (p Tile) Attrs() Attrs    { return Attrs{Tile: []int{p.Pixels, p.Channels}} }
func (p Tile) Scratch() int    { return p.Bytes }
func (p Tile) Cycles() float64 { return p.Instructions }

// Planner makes the field Plan of a Family from a function that returns the family's own
// type of plan.
func Planner[P Plan](find func(l Layer) (P, bool)) func(l Layer) (Plan, bool) {
	return func(l Layer) (Plan, bool) {
		p, ok := find(l)
		return p, ok
	}
}

// Reader makes the field Read of a Family from a function that takes a tile. The attribute
// tile must have the given number of numbers, all positive. read accepts the tiles that work:
// the attributes of a dump may have been edited.
func Reader[P Plan](numbers int, read func(l Layer, tile []int) (P, bool)) func(l Layer) (Plan, error) {
	return func(l Layer) (Plan, error) {
		tile := l.Node.Ints(ir.AttrTile)
		if len(tile) != numbers {
			return nil, fmt.Errorf("a tile of %d numbers, not of %d", len(tile), numbers)
		}
		if slices.Min(tile) < 1 {
			return nil, fmt.Errorf("a tile with numbers below 1: %v", tile)
		}
		p, ok := read(l, tile)
		if !ok {
			return nil, fmt.Errorf("no plan with tile %v", tile)
		}
		return p, nil
	}
}

// OnThumb2 reports whether t is a microcontroller without vectors whose instructions are Thumb-2: a Cortex-M3, M4,
// M7 or M33.
func OnThumb2(t *processor.Target) bool { return t.ISA() == "thumb" && !t.Vectors() }

// Simple is a family whose plans have no numbers. It serves every node of the operation
// that applies accepts (nil: all). Its estimate of cycles is 0: no other family competes.
func Simple(f Family, applies func(n *ir.Node) bool, write func(g *emit.Generator) error) Family {
	return Estimated(f, applies, func(*ir.Node) float64 { return 0 }, write)
}

// Estimated is Simple with an estimate of cycles, for a family that competes with others.
func Estimated(f Family, applies func(n *ir.Node) bool, cycles func(n *ir.Node) float64, write func(g *emit.Generator) error) Family {
	plan := func(n *ir.Node) simple { return simple{&write, f.Name, cycles(n)} }
	f.Plan = func(l Layer) (Plan, bool) { return plan(l.Node), applies == nil || applies(l.Node) }
	f.Read = func(l Layer) (Plan, error) { return plan(l.Node), nil }
	return f
}

// simple is the plan of a Simple family.
type simple struct {
	write  *func(g *emit.Generator) error
	name   string
	cycles float64
}

func (simple) Attrs() Attrs                   { return Attrs{} }
func (simple) Scratch() int                   { return 0 }
func (p simple) Cycles() float64              { return p.cycles }
func (p simple) Emit(g *emit.Generator) error { return (*p.write)(g) }
