// Package lanes contains the families whose vectors have an output channel in each lane. A
// lane adds products of a few consecutive inputs, which one instruction takes from a lane of
// the inputs: there are no sums to be added up at the end, and no columns to be written. On
// Helium lanes are inputs, whose products one instruction adds to a sum; here, too, inputs are
// read where they lie, or from rows that are copied once.
package lanes

import (
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
)

// Conv and Linear are the families.
var (
	Conv = kernel.Family{
		Name: "conv_lanes", Op: ir.Conv2D, Pools: true, Rows: true, Plan: kernel.Planner(plan), Read: kernel.Reader(3, read),
		Doc: "output channels as lanes of vectors: words of codes times a few inputs of each pixel of a tile, read where they lie or from rows with their padding",
	}
	Linear = kernel.Family{
		Name: "linear_lanes", Op: ir.Linear, Plan: kernel.Planner(plan), Read: kernel.Reader(3, read),
		Doc: "outputs as lanes of vectors: words of codes times a few inputs",
	}
)

// Plan is the pixels and output channels of a tile, whose sums stay in registers, and the rows of
// the result whose inputs are copied to scratch together: 1 where none are.
type Plan struct {
	Product          string
	Pixels, Channels int
	Band             int
	scratch          int
	cycles           float64
}

func (p Plan) Attrs() kernel.Attrs {
	return kernel.Attrs{Product: p.Product, Tile: []int{p.Pixels, p.Channels, p.Band}}
}
func (p Plan) Scratch() int    { return p.scratch }
func (p Plan) Cycles() float64 { return p.cycles }

// product is the instruction that a kernel is built on.
type product struct {
	name     string
	arch     string
	feature  string // that it needs; empty for none
	unless   string // not on processors with this feature, which have a better one; empty for none
	pairs    bool   // products of pairs of inputs in 16 bits, added to sums of 32; else of fours
	tiles    [][2]int
	adjacent bool // loads at any constant distance from an address are as cheap as at none
	runs     bool // products of codes of few bits are summed in 16 bits for all inputs of a load
	across   bool // lanes are inputs, and all products are added to one sum: four of them become a vector
	wide     bool // one input times the codes of a long vector of channels, added to sums of 32 bits
}

var products = []*product{
	{name: "sdot_lane", arch: "aarch64", feature: "dotprod", adjacent: true,
		tiles: [][2]int{{5, 16}, {4, 16}, {3, 16}, {2, 16}, {1, 16}, {1, 32}, {8, 8}, {6, 8}, {4, 8}, {3, 8}, {2, 8}, {1, 8}, {8, 4}, {4, 4}, {2, 4}, {1, 4}}},
	{name: "smull_lane", arch: "aarch64", feature: "neon", unless: "dotprod", pairs: true, adjacent: true,
		tiles: [][2]int{{4, 16}, {3, 16}, {2, 16}, {1, 16}, {1, 32}, {6, 8}, {4, 8}, {3, 8}, {2, 8}, {1, 8}, {6, 4}, {4, 4}, {2, 4}, {1, 4}}},
	{name: "smlal_lane", arch: "aarch64", feature: "neon", unless: "dotprod", pairs: true, adjacent: true, runs: true,
		tiles: [][2]int{{2, 16}, {1, 16}, {1, 32}, {4, 8}, {3, 8}, {2, 8}, {1, 8}, {6, 4}, {4, 4}, {2, 4}, {1, 4}}},
	{name: "vmull_lane", arch: "arm", feature: "neon", pairs: true,
		tiles: [][2]int{{2, 16}, {1, 16}, {3, 8}, {2, 8}, {1, 8}, {4, 4}, {3, 4}, {2, 4}, {1, 4}}},
	{name: "vmlal_lane", arch: "arm", feature: "neon", pairs: true, runs: true,
		tiles: [][2]int{{1, 16}, {2, 8}, {1, 8}, {3, 4}, {2, 4}, {1, 4}}},
	{name: "mladav", arch: "thumb", feature: "mve", across: true,
		tiles: [][2]int{{2, 4}, {1, 8}, {1, 4}}},
	{name: "vwmacc", feature: "rvv", wide: true,
		tiles: [][2]int{{2, 32}, {1, 32}, {5, 16}, {4, 16}, {3, 16}, {2, 16}, {1, 16}, {12, 8}, {8, 8}, {4, 8}, {2, 8}, {1, 8}, {12, 4}, {8, 4}, {4, 4}, {2, 4}, {1, 4}}},
}

// productsOf lists the products of a processor that serve a layer.
func productsOf(l kernel.Layer) (list []*product) {
	for _, m := range products {
		t := l.Target
		if (m.arch == "" || m.arch == t.ISA()) && t.Has(m.feature) && (m.unless == "" || !t.Has(m.unless)) && (!m.runs || fewBits(l.Elem)) {
			list = append(list, m)
		}
	}
	return list
}

// fewBits reports whether a half holds the products of all inputs of a load with weights of a format: each of
// its lanes adds every second one.
func fewBits(e ir.Elem) bool { return decodes(e) && e.MaxWeight() <= mostOfRuns }

// mostOfRuns is the greatest weight of which a half holds such a sum.
const mostOfRuns = math.MaxInt16 / (128 * chunk / 2)

// lanesOf is the lanes of a vector of sums.
const lanesOf = 4

// serves reports whether vectors with the constants of a layer's channels exist for it.
func serves(l kernel.Layer) bool {
	if l.Node.Op == ir.Linear && l.K() < step { // nothing for a load
		return false
	}
	return l.Scalar() && l.Narrow() && fits(l) && (l.Node.Op == ir.Conv2D || !decodes(l.Elem)) && // decoded once is as long as multiplied once
		l.Weight()[0]/l.Groups() >= lanesOf && (l.Supposed || emit.TakesLanes(l.Node))
}

// plan is the cheapest tile of a layer. There is none where loops are wanted and the products of
// a tile are unrolled; those across lanes and of long vectors stand in loops.
func plan(l kernel.Layer) (best Plan, ok bool) {
	for _, m := range productsOf(l) {
		if !serves(l) || l.Node.Has(ir.AttrUnroll) && !m.across && !m.wide {
			continue
		}
		s := shapeOf(l)
		for _, tile := range m.tiles {
			for _, band := range bands {
				if p, fits := layout(l, s, m, tile[0], tile[1], band); fits && l.Fits(p.scratch) && (!ok || p.cycles < best.cycles) {
					best, ok = p, true
				}
			}
		}
	}
	return best, ok
}

func read(l kernel.Layer, tile []int) (p Plan, ok bool) {
	name := l.Node.Word(ir.AttrMultiply)
	for _, m := range productsOf(l) {
		if m.name == name && serves(l) && slices.Contains(m.tiles, [2]int(tile[:2])) {
			return layout(l, shapeOf(l), m, tile[0], tile[1], tile[2])
		}
	}
	return p, false
}

// bandBytes is the upper bound of the scratch of a band of more rows than one.
const bandBytes = 8 << 10

// bands are the rows of the result that may be computed together.
var bands = []int{1, 2, 4, 8}

// layout is the plan of a tile; ok is false where the layer has no such plan.
func layout(l kernel.Layer, s *shape, m *product, pixels, channels, band int) (p Plan, ok bool) {
	most := s.rows // channels of a tile
	if m.wide {
		most = wideLanes(s.rows)
	}
	if pixels > s.run || channels > lanesOf && channels > most || pixels > 1 && pixels%s.poolW > 0 {
		return p, false
	}
	p = Plan{Product: m.name, Pixels: pixels, Channels: channels, Band: band}
	if p.scratch, ok = s.bandScratch(band); !ok {
		return p, false
	}
	sums := l.Elem.Kind == ir.Odd && !decodes(l.Elem)
	p.cycles = decodeCycles(l.Elem, l.Weight().Size())
	switch {
	case m.across:
		// The rows of an image are one only where they do not lie over inputs: see unflatten.
		rows := *s
		rows.unflatten()
		p.cycles += rows.acrossCycles(p, sums)
	case m.wide:
		p.cycles += s.wideCycles(p, sums)
	case sums:
		p.cycles += s.cycles(m, p) + s.sumCycles(m, p)
	default:
		p.cycles += s.cycles(m, p)
	}
	p.scratch += decodedBytes(l)
	return p, true
}

// Pack lays the codes out in the order in which the kernel reads them.
func (p Plan) Pack(l kernel.Layer) ([][]byte, error) {
	codes, err := l.Node.Const(ir.AttrWeight).Load()
	if err != nil {
		return nil, err
	}
	s := shapeOf(l)
	if s.isLinear {
		s.order = geometry.Order(l.Node.Args[0].Type.Shape)
	}
	data := make([]byte, 0, len(codes))
	for group := range s.groups {
		first := group * s.rows * s.k
		visit := func(row, i int) { data = append(data, codes[first+row*s.k+i]) }
		switch m := productNamed(p.Product); {
		case m.across:
			s.walkAcross(p.Channels, visit)
		case m.wide:
			s.walkWide(p.Channels, visit)
		default:
			s.walk(p.Channels, m.pairs, visit)
		}
	}
	return pack(l.Elem, data), nil
}

// productNamed is the product of a name, whatever processor has it.
func productNamed(name string) *product {
	i := slices.IndexFunc(products, func(m *product) bool { return m.name == name })
	return products[i]
}
