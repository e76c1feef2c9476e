// Package micro contains the families that are built on a product of the processor. A kernel
// gathers the inputs of a window as a column, and multiplies columns by words of codes, for
// a tile of pixels and output channels whose sums stay in registers.
package micro

import (
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
)

// Conv and Linear multiply words of codes as they are stored, or decode them once for all
// pixels.
var (
	Conv = kernel.Family{
		Name: "conv_micro", Op: ir.Conv2D, Wide: true, Pools: true, Rows: true, Plan: kernel.Planner(plan), All: all, Read: read,
		Doc: "windows of a tile of pixels gathered as columns, times words of codes of a few output channels, by the target's own product",
	}
	Linear = kernel.Family{
		Name: "linear_micro", Op: ir.Linear, Wide: true, Plan: kernel.Planner(plan), All: all, Read: read,
		Doc: "the input made a column, times words of codes of a few outputs, by the target's own product",
	}
)

// Plan is a product of the processor, and the pixels and output channels of a tile, whose
// sums stay in registers.
type Plan struct {
	Product          string
	Pixels, Channels int
	scratch          int
	cycles           float64
}

func (p Plan) Attrs() kernel.Attrs {
	return kernel.Attrs{Product: p.Product, Tile: []int{p.Pixels, p.Channels}}
}
func (p Plan) Scratch() int    { return p.scratch }
func (p Plan) Cycles() float64 { return p.cycles }

// shortest is the codes of a row from which the estimates of columns are fitted to counts: of shorter ones they are too low.
const shortest = 4

// plan is the cheapest product and tile of a layer: with its columns, where their estimates are fitted to counts.
func plan(l kernel.Layer) (best Plan, ok bool) {
	least, whole := 0., l.Target.ISA() == "thumb" && l.Target.Has("dsp") && l.K() >= shortest
	for p, cost := range plans(l) {
		if whole {
			cost = p.cycles
		}
		if !ok || cost < least {
			best, least, ok = p, cost, true
		}
	}
	return best, ok
}

// plans are the products and tiles of a layer, each with the instructions of the products of an output.
func plans(l kernel.Layer) iter.Seq2[Plan, float64] {
	return func(yield func(Plan, float64) bool) {
		if !l.Scalar() || !l.Narrow() {
			return
		}
		for _, m := range productsOf(l.Target) {
			for _, tile := range m.tiles(l.Elem) {
				if p, output, fits := m.plan(l, tile[0], tile[1]); fits && l.Fits(p.scratch) && !yield(p, output+m.besideCycles(l, tile[0])) {
					return
				}
			}
		}
	}
}

// all lists the plans of a layer.
func all(l kernel.Layer) (list []kernel.Plan) {
	for p := range plans(l) {
		list = append(list, p)
	}
	return list
}

// read restores the plan of a layer's attributes.
func read(l kernel.Layer) (kernel.Plan, error) {
	m, tile := productOf(l.Target, l.Node.Word(ir.AttrMultiply)), l.Node.Ints(ir.AttrTile)
	if m == nil || len(tile) != 2 {
		return nil, fmt.Errorf("no product %q with tile %v on %s", l.Node.Word(ir.AttrMultiply), tile, l.Target.Name)
	}
	if !slices.Contains(m.tiles(l.Elem), [2]int(tile)) {
		return nil, fmt.Errorf("%s has no tile %v", m.Name, tile)
	}
	p, _, ok := m.plan(l, tile[0], tile[1])
	if !ok {
		return nil, fmt.Errorf("%s does not compute this layer with tile %v", m.Name, tile)
	}
	return p, nil
}

// plan lays a layer out for tiles of pixels and channels; output is the instructions of
// the products of an output. ok is false where the product does not compute the layer so.
func (m *Product) plan(l kernel.Layer, pixels, channels int) (p Plan, output float64, ok bool) {
	w, groups, row, pooled := l.Weight(), l.Groups(), 1, 1
	if l.Node.Op == ir.Conv2D {
		_, pooled = l.Node.Pool()
		row = l.Node.Out.Type.Shape[2] * pooled
	}
	k, rows := l.K(), w[0]/groups
	switch {
	case !m.serves(l):
		return p, 0, false
	case pixels > row || pixels > 1 && pixels%pooled != 0 || channels > rows:
		return p, 0, false
	case m.Write != nil && pixels > 2 && pixels*columnBytes(m, k) > max(l.Activations()/4, mostColumns):
		return p, 0, false
	case m.Stacked && channels*l.Elem.CodeBits() != m.Field:
		return p, 0, false
	case (m.Decodes && m.Across || m.InPlace) && rows%channels > 0: // no word holds a single row
		return p, 0, false
	}
	all := 0 // the pixels that decoded codes and columns serve
	if l.Node.Op == ir.Conv2D {
		all = l.Pixels()
	}
	// Rows that fill no tile are computed one by one.
	left := float64(rows%channels) / float64(rows)
	output = m.cycles(l.Elem, k, pixels, channels, all) * (1 - left)
	if left > 0 {
		output += m.cycles(l.Elem, k, pixels, 1, all) * left
	}
	again := float64((row+pixels-1)/pixels*pixels) / float64(row) // the last tile of a row computes some pixels again
	output *= again
	finish := kernel.PerOutput / 2
	if m.Word == 16 && m.Narrow == nil && channels%4 == 0 { // four sums together, and none to be added up before
		finish = perScalarSum
	}
	if m.Strips {
		finish = m.stripFinish(l.Elem, channels%4 == 0) + perRowAlone*left
	}
	switch {
	case m.Output > 0:
		finish = 0
	case !l.Target.Vectors(): // products of both kinds compete
		output, finish = output+finish, 0
	}
	p = Plan{Product: m.Name, Pixels: pixels, Channels: channels, cycles: l.Outputs()*(output+finish) + again*(m.columnCycles(l, pixels)+m.turnedCycles(l, pixels))}
	if !m.reads(l.Node) {
		p.scratch = columnsBytes(m, k, pixels)
	}
	if m.Decodes {
		p.scratch = decodedAt(m, k, pixels)
	}
	p.scratch += m.restScratch(l.Elem, k, rows, groups, channels)
	return p, output, true
}

// reads reports whether a product reads the inputs of a layer where they lie.
func (m *Product) reads(n *ir.Node) bool {
	if m.InPlace || !m.Raw || n.Const(ir.AttrWeight).Type.Elem.Kind != ir.I8 {
		return m.InPlace
	}
	if n.Op == ir.Linear {
		return true
	}
	w := geometry.WindowOf(n)
	return w.KH*w.KW*w.Groups*w.StrideW == 1 && w.PadT+w.PadL+w.PadB+w.PadR == 0
}

// mostNested is the sum of absolute weights, times inputs of up to 128, times 256, that 32 bits
// do not hold.
const mostNested = 1 << 31 / 256 / 128

// mostColumns is the bytes that the columns of many pixels may take where the activations are
// few; else it is a quarter of those.
const mostColumns = 2 << 10

// serves reports whether a product can compute a layer.
func (m *Product) serves(l kernel.Layer) bool {
	planes, bytes := m.PlanesOf(l.Elem), 0
	for _, p := range planes {
		bytes += (l.Weight().Size()*p + 7) / 8
	}
	switch {
	case m.Computed:
		return false
	case l.Node.IsWide() && !m.ofHalves(), m.Halves && !l.Node.IsWide():
		return false
	case m.InPlace && (l.Node.Op != ir.Linear || l.Elem.Kind != ir.I8 || l.K()%4 > 0):
		return false
	case planes == nil || bytes != ir.PackedBytes(l.Elem, l.Weight()):
		return false
	case slices.Contains(m.Slow, l.Target.ISA()):
		return false
	case m.Least && l.Elem.CodeBits() == 8 && !l.Supposed && !greater(l.Node.Const(ir.AttrWeight)):
		return false
	case m.Carried && m.Decodes && (l.Elem.Kind != ir.Odd || l.K()<<l.Elem.CodeBits() >= mostNested):
		return false
	case m.Carried && !m.Decodes && !l.Supposed && heaviest(l.Node.Const(ir.AttrWeight)) >= mostNested:
		return false
	case m.Stacked && !m.stacks(l):
		return false
	case m.Twins && (l.Elem.Kind != ir.Odd || len(planes) != 1):
		return false
	case l.Elem.Kind == ir.Two && (m.Code.signs() || m.Decodes && m.Narrow != nil && !m.Across):
		return false // |W| of 2^b does not fit the room of 2^b-1
	case m.Decodes:
		return l.Elem.CodeBits() < 8 && m.decodes(l)
	case m.Nested: // its sums hold products of bytes
		return l.K() <= math.MaxUint32/(255*255)
	}
	return true
}

// stacks reports whether 32 bits hold the sums of stacked channels, each times its place: |x| is at most 128,
// codes below the last one are not negative, and the last one is at most half of their range.
func (m *Product) stacks(l kernel.Layer) bool {
	bits := l.Elem.CodeBits()
	if l.Elem.Kind != ir.Odd || len(m.PlanesOf(l.Elem)) != 1 {
		return false
	}
	last := m.Field - bits // where the last one lies
	heaviest := l.K() << (bits - 1)
	if !l.Supposed {
		heaviest = heaviestOf(l.Node.Const(ir.AttrWeight), func(q byte) int { return int(q) - 1<<(bits-1) })
	}
	const most = math.MaxInt32 / 128
	return l.K()*(1<<bits-1)<<(last-bits) <= most && heaviest <= most>>last
}

// ofHalves reports whether a product multiplies two inputs of any 16 bits: sums of others hold products of
// bytes beside each other.
func (m *Product) ofHalves() bool {
	return m.Input == 16 && m.Lanes == 2 && !m.Across && !m.Nested && !m.Carried && !m.Stacked && !m.Twins
}

// decodes reports whether a layer's weights may lie decoded in scratch: as bytes, they
// are no more than the activations, so that memory doubles at the most; as halves, on
// processors with less of it, no more than a quarter; or no more than the product allows.
func (m *Product) decodes(l kernel.Layer) bool {
	bytes, most := l.Weight()[0]*decodedBytes(m, l.K()), l.Activations()
	if m.DecodedBits() > 8 {
		most /= 4
	}
	return l.Node.Op == ir.Conv2D && bytes <= max(most, m.Decoded)
}

// greater reports whether no 8-bit code is the least number, as a product has it.
func greater(c *ir.Const) bool {
	codes, err := c.Load()
	least := byte(0x80)
	if c.Type.Elem.Kind == ir.Odd {
		least = 0 // codes are kept less 128
	}
	return err == nil && !slices.Contains(codes, least)
}

// heaviest is the greatest sum of a row's absolute codes, of 8 bits.
func heaviest(c *ir.Const) int {
	flip := byte(0)
	if c.Type.Elem.Kind == ir.Odd {
		flip = 0x80 // codes are kept less 128
	}
	return heaviestOf(c, func(q byte) int { return int(int8(q ^ flip)) })
}

// heaviestOf is the greatest sum of the absolute values of a row's codes.
func heaviestOf(c *ir.Const, value func(q byte) int) (most int) {
	codes, err := c.Load()
	if err != nil {
		return math.MaxInt
	}
	k := c.Type.Shape.Size() / c.Type.Shape[0]
	for row := range slices.Chunk(codes, k) {
		sum := 0
		for _, q := range row {
			v := value(q)
			sum += max(v, -v)
		}
		most = max(most, sum)
	}
	return most
}

// tiles are those that fit the registers for codes of e.
func (m *Product) tiles(e ir.Elem) [][2]int {
	if m.Tiles8 != nil && e.CodeBits() == 8 {
		return m.Tiles8
	}
	return m.Tiles
}

// Pack lays the codes out in words for the product.
func (p Plan) Pack(l kernel.Layer) ([][]byte, error) {
	n := l.Node
	codes, err := n.Const(ir.AttrWeight).Load()
	if err != nil {
		return nil, err
	}
	m, order := productNamed(p.Product), inputOrder(productNamed(p.Product), n)
	s, groups := n.Const(ir.AttrWeight).Type.Shape, 1
	if n.Op == ir.Conv2D {
		groups = n.Int(ir.AttrGroups)
	}
	pack := packWords
	switch {
	case m.Carried && m.Decodes:
		pack = packNested
	case m.Together:
		pack = packBytes
	case m.oneByOne():
		pack = packStream
	}
	return pack(m, n.Const(ir.AttrWeight).Type.Elem, codes, groups, s[0]/groups, s.Size()/s[0], p.Channels, order), nil
}

// Emit writes the layer.
func (p Plan) Emit(g *emit.Generator) error {
	if g.Node.Op == ir.Linear {
		return p.linear(g)
	}
	return p.conv(g)
}

// productNamed is the product of a name, whatever processor has it.
func productNamed(name string) *Product {
	for _, m := range products {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Vectors reports whether the named product multiplies vectors.
func Vectors(name string) bool {
	m := productNamed(name)
	return m != nil && m.Word >= 16
}
