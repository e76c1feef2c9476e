// Package kernel writes each operation of a planned module as a loop program,
// and lays its weights out for the kernel that reads them. It decides nothing:
// kernel, tile, scratch and places are attributes that the machine passes wrote.
package kernel

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/dnnc/dnnc/codegen/loop"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/target"
)

// Program writes the whole network: a local function for each operation,
// prefix_step that runs the one of an index, prefix_run that runs all, and
// prefix_run_begin and prefix_run_step that run one after the other.
func Program(m *ir.Module, i Interface) (*loop.Program, error) {
	prefix := i.Prefix
	p := &loop.Program{}
	t, err := target.Find(m.Target)
	if err != nil {
		return nil, err
	}
	var steps []*loop.Func
	data := map[datum]*loop.Global{}
	for i, n := range m.Ops {
		g := &generator{n: n, p: p, data: data, target: t, f: &loop.Func{Name: fmt.Sprintf("%s_layer%d", prefix, i), Local: true}}
		g.b = loop.NewBuilder(g.f)
		if n.Op.Info().Attr("multiply") != nil {
			g.multiply = t.FindMultiply(n.Word("multiply"))
		}
		for j := range n.Args {
			g.args = append(g.args, g.param(fmt.Sprintf("x%d", j), true))
		}
		g.out = g.param("y", false)
		if n.Has("lag") {
			g.out.Shared = true
			for _, a := range g.args { // add(x, x) has two
				a.Shared = true
			}
		}
		if n.Op.Info().Attr("scratch") != nil && n.Has("scratch") {
			g.scratch = g.param("scratch", false)
		}
		write := families[n.Word("impl")]
		if write == nil {
			return nil, fmt.Errorf("%s: no kernel %q", n.Name(), n.Word("impl"))
		}
		if err := write(g); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name(), err)
		}
		g.b.Return(loop.Int(0))
		steps = append(steps, g.f)
		p.Funcs = append(p.Funcs, g.f)
	}
	if i.Lend {
		for _, g := range p.Globals {
			g.Lent = g.Weights
		}
	}
	i.entries(m, p, steps)
	if i.Lend {
		lend(p)
	}
	return p, nil
}

// Steps lists the functions that each operation of a program runs, which other
// operations may run, too.
func Steps(p *loop.Program) [][]string {
	var steps [][]string
	loop.EachCall(p.Funcs[len(p.Funcs)-1].Body, func(c *loop.Call) {
		if c.Func.Extern {
			return // a hook
		}
		var names []string
		var visit func(f *loop.Func)
		visit = func(f *loop.Func) {
			names = append(names, f.Name)
			loop.EachCall(f.Body, func(c *loop.Call) { visit(c.Func) })
		}
		visit(c.Func)
		steps = append(steps, names)
	})
	return steps
}

// arguments are the places of an operation's values within an entry's regions.
func arguments(m *ir.Module, f *loop.Func, n *ir.Node) []loop.Arg {
	arena := f.Params[len(f.Params)-1]
	place := func(v *ir.Value) loop.Arg {
		for i, in := range m.Inputs {
			if in == v {
				return loop.Arg{Region: f.Params[i]}
			}
		}
		for i, out := range m.Outputs {
			if out == v {
				return loop.Arg{Region: f.Params[len(m.Inputs)+i]}
			}
		}
		return loop.Arg{Region: arena, Offset: v.At.Offset}
	}
	var args []loop.Arg
	for _, a := range n.Args {
		args = append(args, place(a))
	}
	args = append(args, place(n.Out))
	if n.Op.Info().Attr("scratch") != nil && n.Has("scratch") {
		args = append(args, loop.Arg{Region: arena, Offset: n.Ints("scratch")[0]})
	}
	return args
}

// families writes the kernels of ir/target's table.
var families = map[string]func(g *generator) error{
	"conv_depthwise":   convDepthwise,
	"conv_pixels":      convPixels,
	"conv_pairs":       convPairs,
	"conv_micro":       convMicro,
	"linear_micro":     linearMicro,
	"conv_tile":        convTile,
	"conv_lookup":      convLookup,
	"linear_lookup":    linearLookup,
	"conv_blocks":      convBlocks,
	"conv_decode":      convDecode,
	"linear_decode":    linearDecode,
	"linear_tile":      linearTile,
	"max_window":       poolWindow,
	"avg_window":       poolWindow,
	"add_elements":     addElements,
	"rescale_elements": rescaleElements,
	"copy_strided":     copyStrided,
	"copy_reordered":   copyMapped,
	"copy_mapped":      copyMapped,
	"pad_mapped":       padMapped,
	"sub_elements":     addElements,
	"mul_elements":     mulElements,
	"min_elements":     extremeElements,
	"max_elements":     extremeElements,
	"table_elements":   tableElements,
	"reduce_rows":      reduceRows,
	"argmax_rows":      argmaxRows,
	"embedding_rows":   embeddingRows,
	"matmul_rows":      matmulRows,
	"softmax_table":    softmaxTable,
}

// generator writes one operation.
type generator struct {
	target   *target.Target
	n        *ir.Node
	p        *loop.Program
	data     map[datum]*loop.Global
	f        *loop.Func
	b        *loop.Builder
	args     []*loop.Param
	out      *loop.Param
	scratch  *loop.Param
	multiply *target.Multiply
}

// unroll is what is written out in a round of a loop, of as many as would be: fewer
// where code must be small.
func (g *generator) unroll(n int) int {
	if g.n.Has("unroll") {
		return min(n, g.n.Int("unroll"))
	}
	return n
}

func (g *generator) param(name string, constant bool) *loop.Param {
	p := &loop.Param{Name: name, Constant: constant}
	g.f.Params = append(g.f.Params, p)
	return p
}

// clear makes size bytes of a pooled result the least number.
func (g *generator) clear(from loop.Expr, size int) {
	if h, w := g.n.Pool(); h*w > 1 {
		g.b.For("i", from, loop.Sum(from, loop.Int(size)), 1, func(i loop.Expr) { g.b.Store(g.out, i, loop.Num(loop.I8, -128)) })
	}
}

// rows calls do for each row of outputs of a convolution, with the byte at which
// its row of the result begins. Unless the result is cleared already, that happens
// row by row, so that it may take the place of input that is done with.
func (g *generator) rows(w geometry.Window, cleared bool, do func(oy, row loop.Expr)) {
	b := g.b
	ph, pw := g.n.Pool()
	size := w.OutW() / pw * w.OutC
	if ph*pw == 1 {
		b.For("oy", loop.Int(0), loop.Int(w.OutH()), 1, func(oy loop.Expr) { do(oy, loop.Scaled(oy, size)) })
		return
	}
	b.For("py", loop.Int(0), loop.Int(w.OutH()/ph), 1, func(py loop.Expr) {
		row := read(b.Var("row", loop.Scaled(py, size)))
		if !cleared {
			g.clear(row, size)
		}
		b.For("dy", loop.Int(0), loop.Int(ph), 1, func(dy loop.Expr) { do(read(b.Var("oy", loop.Sum(loop.Scaled(py, ph), dy))), row) })
	})
}

// columns is the outputs of a row that are computed: those of whole pools.
func (g *generator) columns(w geometry.Window) int {
	_, pw := g.n.Pool()
	return w.OutW() / pw * pw
}

// pixel is the byte of a pixel's first channel in a row of the result.
func (g *generator) pixel(w geometry.Window, row, ox loop.Expr) loop.Expr {
	_, pw := g.n.Pool()
	switch {
	case pw == 1:
	case pw&(pw-1) == 0:
		ox = loop.Op(loop.LShr, ox, loop.Int(bits.TrailingZeros(uint(pw))))
	default:
		ox = loop.Op(loop.UDiv, ox, loop.Int(pw))
	}
	return loop.Sum(row, loop.Scaled(ox, w.OutC))
}

// global adds constant data, named after the function and its role: equal data once,
// as the steps of a recurrence have them.
func (g *generator) global(role string, align int, data []byte) *loop.Global {
	c := &loop.Global{Name: g.f.Name + "_" + role, Data: data, Align: align, Weights: strings.HasPrefix(role, "weight")}
	key := datum{sha256.Sum256(data), align, c.Weights}
	if old := g.data[key]; old != nil {
		return old
	}
	g.data[key] = c
	g.p.Globals = append(g.p.Globals, c)
	return c
}

// datum tells constant data apart.
type datum struct {
	sum     [sha256.Size]byte
	align   int
	weights bool
}

// function writes a local function of the operation by way of g.b and returns
// it; its parameters are integers and regions.
func (g *generator) function(role string, ints []string, regions []*loop.Param, body func(ints []loop.Expr)) *loop.Func {
	f := &loop.Func{Name: g.f.Name + "_" + role, Local: true, Params: regions}
	outer := g.b
	g.b = loop.NewBuilder(f)
	values := make([]loop.Expr, len(ints))
	for i, name := range ints {
		v := &loop.Var{Name: name, Type: loop.I32}
		f.Ints, values[i] = append(f.Ints, v), read(v)
	}
	body(values)
	g.b = outer
	g.p.Funcs = append(g.p.Funcs, f)
	return f
}

// ints adds constant integers of a width.
func (g *generator) ints(role string, bits int, x []int64) *loop.Global {
	return g.global(role, bits/8, bytesOf(bits, x))
}

// bytesOf is integers of a width in memory.
func bytesOf(bits int, x []int64) []byte {
	b := make([]byte, len(x)*bits/8)
	for i, v := range x {
		switch bits {
		case 8:
			b[i] = byte(v)
		case 16:
			binary.LittleEndian.PutUint16(b[2*i:], uint16(v))
		case 32:
			binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
		case 64:
			binary.LittleEndian.PutUint64(b[8*i:], uint64(v))
		}
	}
	return b
}

// Physical is the index in memory of element c,y,x of a value: images lie in
// H,W,C order, all else in logical order.
func Physical(s ir.Shape, c, y, x int) int {
	if len(s) != 3 {
		return c
	}
	return (y*s[2]+x)*s[0] + c
}

// Order lists, for each element in memory, its logical index.
func Order(s ir.Shape) []int {
	order := make([]int, s.Size())
	if len(s) != 3 {
		for i := range order {
			order[i] = i
		}
		return order
	}
	i := 0
	for c := range s[0] {
		for y := range s[1] {
			for x := range s[2] {
				order[Physical(s, c, y, x)] = i
				i++
			}
		}
	}
	return order
}

func read(v *loop.Var) loop.Expr { return &loop.Read{Var: v} }

func load(from loop.Region, offset loop.Expr, t loop.Type) loop.Expr {
	return &loop.Load{From: from, Offset: offset, T: t}
}

// layer is what convolutions and linear layers share: weights in tiles of a few
// output channels, each step of a tile a few bytes in every bit plane.
type layer struct {
	g      *generator
	elem   ir.Elem
	lanes  int
	rows   int // output channels of a group
	k      int
	groups int
	planes []*loop.Global
	bias   *loop.Global
	rq     requant
	acc    int // bits of an accumulator
}

func newLayer(g *generator, groups int, order []int) (*layer, error) {
	s := g.n.Const("weight").Type.Shape
	return newLayerOf(g, groups, s.Size()/s[0], g.n.Ints("tile")[1], order)
}

// newLayerOf is a layer of k codes an output channel, in tiles of lanes channels.
func newLayerOf(g *generator, groups, k, lanes int, order []int) (*layer, error) {
	n := g.n
	w := n.Const("weight")
	codes, err := w.Load()
	if err != nil {
		return nil, err
	}
	s := w.Type.Shape
	l := &layer{g: g, elem: w.Type.Elem, lanes: lanes, rows: s[0] / groups, k: k, groups: groups, acc: 32}
	bias, err := n.Const("bias").Ints()
	if err != nil {
		return nil, err
	}
	if n.Const("bias").Type.Elem.Kind == ir.I64 {
		l.acc = 64
	}
	l.bias = g.ints("bias", l.acc, bias)
	if l.rq, err = newRequant(g, "", l.acc == 64); err != nil {
		return nil, err
	}
	planes := Pack(l.elem, codes, groups, l.rows, l.k, l.lanes, order)
	for i, data := range planes {
		l.planes = append(l.planes, g.global(fmt.Sprintf("weight%d", i), 4, data))
	}
	return l, nil
}

// Pack lays codes[groups*rows][k] out in bit planes. Rows are taken a tile of
// lanes at a time, step after step of order, each step one code of every lane:
// lane j at byte j%p, bit p*(j/p) of the step's p bytes in a plane of p bits.
// The rows left over follow one by one.
func Pack(e ir.Elem, codes []byte, groups, rows, k, lanes int, order []int) [][]byte {
	var planes [][]byte
	low := e.CodeBits()
	for _, p := range e.Planes() {
		low -= p
		data := make([]byte, (len(codes)*p+7)/8)
		put := func(bit int, code byte) { data[bit/8] |= (code >> low & (1<<p - 1)) << (bit % 8) }
		at := 0
		tiles := rows / lanes * lanes
		for g := range groups {
			base := g * rows * k
			for t := 0; t < tiles; t += lanes {
				for _, i := range order {
					for j := range lanes {
						put(at+j%p*8+j/p*p, codes[base+(t+j)*k+i])
					}
					at += lanes * p
				}
			}
		}
		for g := range groups {
			for r := tiles; r < rows; r++ {
				for _, i := range order {
					put(at, codes[g*rows*k+r*k+i])
					at += p
				}
			}
		}
		planes = append(planes, data)
	}
	return planes
}

// tile is the codes of one step of a tile; step counts from the first tile of
// the first group.
func (l *layer) tile(step loop.Expr) loop.Expr {
	if l.elem.Kind == ir.I8 {
		return load(l.planes[0], loop.Scaled(step, l.lanes), loop.I8.Vec(l.lanes))
	}
	var code loop.Expr
	for i, p := range l.elem.Planes() {
		bytes := l.lanes * p / 8
		v := load(l.planes[i], loop.Scaled(step, bytes), loop.I8.Vec(bytes))
		if p < 8 {
			mask, shift := make([]int, l.lanes), make([]int64, l.lanes)
			for j := range l.lanes {
				mask[j], shift[j] = j%p, int64(j/p*p)
			}
			var wide loop.Expr = &loop.Shuffle{A: v, Mask: mask}
			if bytes == 1 {
				wide = &loop.Splat{A: load(l.planes[i], loop.Scaled(step, bytes), loop.I8), Lanes: l.lanes}
			}
			t := wide.Type()
			v = loop.Op(loop.And, loop.Op(loop.LShr, wide, &loop.Lanes{T: t, Values: shift}), loop.Num(t, 1<<p-1))
		}
		code = l.join(code, v, p)
	}
	return code
}

// join puts the next lower plane behind the bits so far.
func (l *layer) join(code, next loop.Expr, p int) loop.Expr {
	if code == nil {
		return next
	}
	return loop.Op(loop.Or, loop.Op(loop.Shl, code, loop.Num(code.Type(), int64(p))), next)
}

// single is the code at an index among those of the rows left over.
func (l *layer) single(index loop.Expr) loop.Expr {
	first := l.groups * (l.rows / l.lanes * l.lanes) * l.k
	return l.packed(loop.Sum(index, loop.Int(first)))
}

// packed is the code at an index among those that follow one by one.
func (l *layer) packed(index loop.Expr) loop.Expr {
	var code loop.Expr
	for i, p := range l.elem.Planes() {
		bit := loop.Scaled(index, p)
		v := load(l.planes[i], loop.Op(loop.LShr, bit, loop.Int(3)), loop.I8)
		if p < 8 {
			shift := loop.To(loop.Trunc, loop.Op(loop.And, bit, loop.Int(7)), 8)
			v = loop.Op(loop.And, loop.Op(loop.LShr, v, shift), loop.Num(loop.I8, 1<<p-1))
		}
		code = l.join(code, v, p)
	}
	return code
}

// widen takes codes to the accumulator's width: i8 ones have a sign.
func (l *layer) widen(code loop.Expr) loop.Expr {
	if l.elem.Kind == ir.I8 {
		return loop.To(loop.SExt, code, l.acc)
	}
	return loop.To(loop.ZExt, code, l.acc)
}

// finish turns the sum of codes times inputs into an accumulator: bias + sum,
// for odd codes bias + 2*sum - (2^b-1)*(sum of inputs) (R4).
func (l *layer) finish(sum, inputs, channel loop.Expr) loop.Expr {
	t := loop.Type{Bits: l.acc, Lanes: 1}
	bias := load(l.bias, loop.Scaled(channel, l.acc/8), t)
	if l.elem.Kind != ir.Odd {
		return loop.Sum(bias, sum)
	}
	all := int64(1)<<l.elem.Bits - 1
	return loop.Op(loop.Sub, loop.Sum(bias, loop.Op(loop.Mul, sum, loop.Num(t, 2))), loop.Op(loop.Mul, inputs, loop.Num(t, all)))
}
