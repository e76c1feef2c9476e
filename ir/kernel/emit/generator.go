// Package emit contains the parts of code generation that kernel families share: the generator
// of a layer's function, codes in bit planes, requantization, gathering of windows.
package emit

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
)

// Network collects the functions and constant data of the layers of one network.
type Network struct {
	Program *loop.Program
	Target  *processor.Target
	data    map[datum]*loop.Global
}

// NewNetwork returns an empty network for a processor.
func NewNetwork(t *processor.Target) *Network {
	return &Network{Program: &loop.Program{}, Target: t, data: map[datum]*loop.Global{}}
}

// Generator writes one layer: a function with the layer's arguments, result and scratch
// memory as parameters, the functions that it calls, and constant data.
type Generator struct {
	*Network
	Node    *ir.Node
	B       *loop.Builder // writes the function's body
	Args    []*loop.Param
	Out     *loop.Param
	Scratch *loop.Param // nil without scratch memory
	fn      *loop.Func
	// Within Elements, the places from which elements are read and written.
	reads  []loop.Region
	writes loop.Region
}

// Layer writes a node as a function with the given name. It calls write with the generator.
func (w *Network) Layer(name string, n *ir.Node, write func(g *Generator) error) (*loop.Func, error) {
	g := &Generator{Network: w, Node: n, fn: &loop.Func{Name: name, Local: true}}
	g.B = loop.NewBuilder(g.fn)
	for j := range n.Args {
		isState := j > 0 && n.Op.HasStates() // which the layer writes, too
		g.Args = append(g.Args, g.param(fmt.Sprintf("x%d", j), !isState))
	}
	g.Out = g.param("y", false)
	if n.Has(ir.AttrLag) {
		g.Out.Shared = true
		for _, a := range g.Args { // add(x, x) has two
			a.Shared = true
		}
	}
	if n.Has(ir.AttrScratch) {
		g.Scratch = g.param("scratch", false)
	}
	if err := write(g); err != nil {
		return nil, err
	}
	g.B.Return(loop.Int(0))
	w.Program.Funcs = append(w.Program.Funcs, g.fn)
	return g.fn, nil
}

// Unroll returns how often to unroll a loop: n, or fewer if the node has the attribute unroll
// (small code).
func (g *Generator) Unroll(n int) int {
	if g.Node.Has(ir.AttrUnroll) {
		return min(n, g.Node.Int(ir.AttrUnroll))
	}
	return n
}

// unrolledElements is the elements that a round of Elements computes.
const unrolledElements = 8

// Elements calls do for each element of the result. at is the element's number from where Element,
// Difference, Wide and the stores of the result begin: an argument's first element, or a cursor at some
// element. Cursors serve where code is for scalars: a processor of RISC-V adds constants alone to an address.
func (g *Generator) Elements(do func(at loop.Expr)) {
	b, n := g.B, g.Node.Out.Type.Shape.Size()
	if !g.Scalars() {
		b.For("i", loop.Int(0), loop.Int(n), 1, do)
		return
	}
	cursors := make([]*loop.Cursor, len(g.Args))
	g.reads = make([]loop.Region, len(g.Args))
	for j, v := range g.Node.Args {
		if same := slices.Index(g.Node.Args[:j], v); same >= 0 {
			g.reads[j] = g.reads[same]
			continue
		}
		cursors[j] = b.Cursor("x", g.Args[j], loop.Int(0))
		g.reads[j] = cursors[j]
	}
	y := b.Cursor("y", g.Out, loop.Int(0))
	g.writes = y
	rounds := func(times, each int) {
		b.For("round", loop.Int(0), loop.Int(times), 1, func(loop.Expr) {
			for i := range each {
				do(loop.Int(i))
			}
			for j, x := range cursors {
				if x != nil {
					b.Advance(x, each*g.Node.Args[j].Type.Elem.StoredSize())
				}
			}
			b.Advance(y, each*g.Node.Out.Type.Elem.StoredSize())
		})
	}
	each := min(g.Unroll(unrolledElements), n)
	rounds(n/each, each)
	rounds(n%each, 1)
	g.reads, g.writes = nil, nil
}

// Scalars reports whether a processor of RISC-V computes without vectors.
func (g *Generator) Scalars() bool { return strings.HasPrefix(g.Target.ISA(), "riscv") && !g.Long() }

// From is where the elements of argument j are read.
func (g *Generator) From(j int) loop.Region {
	if g.reads != nil {
		return g.reads[j]
	}
	return g.Args[j]
}

// To is where elements of the result are written.
func (g *Generator) To() loop.Region {
	if g.writes != nil {
		return g.writes
	}
	return g.Out
}

func (g *Generator) param(name string, constant bool) *loop.Param {
	p := &loop.Param{Name: name, Constant: constant}
	g.fn.Params = append(g.fn.Params, p)
	return p
}

// Clear sets size elements of a pooled result to their least integer.
func (g *Generator) Clear(from loop.Expr, size int) {
	if h, w := g.Node.Pool(); h*w > 1 {
		least, _ := g.Node.Out.Type.Ends()
		g.B.For("i", from, loop.Sum(from, loop.Int(size)), 1, func(i loop.Expr) { g.Write(i, loop.Num(Integer(g.Node.Out.Type), int64(least))) })
	}
}

// Rows calls do for each row of outputs of a convolution, with the element at which its row of
// the result begins. Unless the result is cleared already, Rows clears it row by row, so that
// the result may overwrite input that is not needed any more.
func (g *Generator) Rows(w geometry.Window, cleared bool, do func(oy, row loop.Expr)) {
	b := g.B
	ph, pw := g.Node.Pool()
	size := w.OutW() / pw * w.OutC
	if ph*pw == 1 {
		b.For("oy", loop.Int(0), loop.Int(w.OutH()), 1, func(oy loop.Expr) { do(oy, loop.Scaled(oy, size)) })
		return
	}
	b.For("py", loop.Int(0), loop.Int(w.OutH()/ph), 1, func(py loop.Expr) {
		row := b.Let("row", loop.Scaled(py, size))
		if !cleared {
			g.Clear(row, size)
		}
		b.For("dy", loop.Int(0), loop.Int(ph), 1, func(dy loop.Expr) { do(b.Let("oy", loop.Sum(loop.Scaled(py, ph), dy)), row) })
	})
}

// Columns is the number of outputs of a row that are computed: whole pools only.
func (g *Generator) Columns(w geometry.Window) int {
	_, pw := g.Node.Pool()
	return w.OutW() / pw * pw
}

// Pixel returns the element of a pixel's first channel in a row of the result.
func (g *Generator) Pixel(w geometry.Window, row, ox loop.Expr) loop.Expr {
	_, pw := g.Node.Pool()
	switch {
	case pw == 1:
	case pw&(pw-1) == 0:
		ox = loop.Op(loop.LShr, ox, loop.Int(bits.TrailingZeros(uint(pw))))
	default:
		ox = loop.Op(loop.UDiv, ox, loop.Int(pw))
	}
	return loop.Sum(row, loop.Scaled(ox, w.OutC))
}

// Global adds constant data, named after the function and its role. Equal data are added
// once: the steps of a recurrence share them.
func (g *Generator) Global(role string, align int, data []byte) *loop.Global {
	c := &loop.Global{Name: g.fn.Name + "_" + role, Data: data, Align: align, Weights: strings.HasPrefix(role, "weight")}
	key := datum{sha256.Sum256(data), align, c.Weights}
	if old := g.data[key]; old != nil {
		return old
	}
	g.data[key] = c
	g.Program.Globals = append(g.Program.Globals, c)
	return c
}

// datum tells constant data apart.
type datum struct {
	sum     [sha256.Size]byte
	align   int
	weights bool
}

// Function writes and returns a local function of the layer, whose parameters are integers and
// regions. While body runs, g.B writes the body of this function.
func (g *Generator) Function(role string, ints []string, regions []*loop.Param, body func(ints []loop.Expr)) *loop.Func {
	f := &loop.Func{Name: g.fn.Name + "_" + role, Local: true, Params: regions}
	outer := g.B
	g.B = loop.NewBuilder(f)
	values := make([]loop.Expr, len(ints))
	for i, name := range ints {
		v := &loop.Var{Name: name, Type: loop.I32}
		f.Ints, values[i] = append(f.Ints, v), v.Get()
	}
	body(values)
	g.B = outer
	g.Program.Funcs = append(g.Program.Funcs, f)
	return f
}

// Ints adds constant integers of the given bits.
func (g *Generator) Ints(role string, bits int, x []int64) *loop.Global {
	return g.Global(role, bits/8, ir.LittleEndian(bits/8, x))
}
