package processor

import (
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
)

// Multiply describes the innermost product of a layer's kernel: how many codes
// one instruction takes, how they lie in a word, and which tiles of pixels and
// output channels fit the registers. One generator reads it for every target.
//
// A word holds fields, each the codes of one product: lane l of field f of a
// plane of p bits lies at bit l*Field + f*p. The fields of a step are those of
// the tile's channels, one after the other; steps follow each other through
// the words.
type Multiply struct {
	Name    string
	Doc     string
	Arch    []string // that have it
	Feature string   // that it needs, empty for none
	Unless  string   // a feature of processors that have better; empty for none
	// Planes are the widths of the code planes that it reads. A plane of 8
	// bits holds two's complement.
	Planes []int
	Word   int  // bytes of one load of codes
	Lanes  int  // codes of one product
	Field  int  // bits of a lane: a word has Field/p fields
	Across bool // the lanes are output channels that share an input, not inputs
	Input  int  // bits of an input in the columns that products read: 8 or 16
	Least  bool // 8-bit codes must be greater than -128: two products of -128*-128 overflow 16 bits
	// Decodes: codes of fewer than 8 bits are decoded in scratch, once for all pixels,
	// to bytes that are read as codes of 8 bits, or to halves. Decode is the
	// instructions of a code where they are decoded one by one.
	Decodes bool
	Decode  float64
	Books   bool // conv_blocks decodes codebooks for it
	// Decoded is the bytes of decoded codes that are allowed whatever a layer's
	// activations take.
	Decoded int
	// Nested: a field of a word is taken with all below it that share its inputs, those
	// of a step, in one instruction; sums are taken apart at the end. Products are
	// unsigned.
	Nested bool
	Planar bool // a pixel's column lies in one piece, not interleaved by products
	// Tiles are the [pixels, channels] that fit the registers: Tiles8 for codes of
	// 8 bits, whose products are added to wide sums at once.
	Tiles, Tiles8 [][2]int
	// Costs in instructions: of a load of codes, of taking a field of a plane
	// (of one of 8 bits), of an input's load, of a product, of a loop's round; and those
	// of a channel that is computed for a tile of pixels, its addresses.
	Load, Unpack, Unpack8, InputLoad, Product, Product8, Round, Start float64
	// Narrow is the products that a sum of 16 bits holds before it is added to wide
	// ones, for a plane's width; nil or 0 where sums are wide. Flush is the
	// instructions of that.
	Narrow func(bits int) int
	Flush  float64
	// Unroll is the products of an input in one round of the loop, for planes of 8
	// bits and for narrower ones, which must not be slower.
	Unroll8, Unroll int
}

// multiplies are the products of all targets.
var multiplies = []*Multiply{
	{
		Name: "smlad", Doc: "two products of 16-bit halves, added to a 32-bit sum",
		Arch: []string{"thumb", "arm"}, Feature: "dsp",
		Planes: []int{8, 4, 2, 1}, Word: 4, Lanes: 2, Field: 16, Input: 16,
		Tiles: [][2]int{{2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  .75, Unpack: 1, Unpack8: 1, InputLoad: .5, Product: 1, Start: 10, Round: 5, Unroll8: 8, Unroll: 16,
	},
	{
		Name: "smlad_decoded", Doc: "as smlad, of codes decoded to halves once for all pixels",
		Arch: []string{"thumb", "arm"}, Feature: "dsp", Decodes: true, Decode: 11, Books: true, Decoded: 2 << 10,
		Planes: []int{4, 2, 1}, Word: 4, Lanes: 2, Field: 16, Input: 16,
		Tiles: [][2]int{{2, 2}, {1, 2}, {2, 1}, {1, 1}},
		Load:  .5, InputLoad: .5, Product: 1, Start: 10, Round: 5, Unroll: 16,
	},
	{
		Name: "usada8", Doc: "the sum of four |x-255q| of unsigned bytes: x where the bit q is 0, 255-x where it is 1",
		Arch: []string{"thumb", "arm"}, Feature: "dsp",
		Planes: []int{1}, Word: 4, Lanes: 4, Field: 8, Input: 8,
		Tiles: [][2]int{{4, 1}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  .75, Unpack: 2, InputLoad: .5, Product: 1, Start: 10, Round: 5, Unroll8: 8, Unroll: 16,
	},
	{
		Name: "mlal", Doc: "sixteen products of signed bytes, summed in 16 bits, those by pairs in 32",
		Arch: []string{"arm", "aarch64", "x86_64"}, Feature: "simd",
		Planes: []int{8, 4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8, Least: true,
		Tiles8: [][2]int{{2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Tiles:  [][2]int{{2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:   1, Unpack: 1.5, Unpack8: 0, InputLoad: 1, Product: 2, Product8: 3, Start: 10, Round: 4, Unroll8: 2, Unroll: 4,
		Narrow: lanes, Flush: 4,
	},
	{
		Name: "mlal_decoded", Doc: "as mlal, of codes decoded to bytes once for all pixels",
		Arch: []string{"arm"}, Feature: "simd", Decodes: true, Decoded: 64 << 10,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, InputLoad: 1, Product: 2, Product8: 3, Start: 10, Round: 4, Unroll8: 4, Unroll: 4,
		Narrow: lanes, Flush: 4,
	},
	{
		Name: "sdot", Doc: "sixteen products of signed bytes, four to a 32-bit sum",
		Arch: []string{"aarch64"}, Feature: "dotprod",
		Planes: []int{8, 4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{4, 4}, {2, 4}, {2, 2}, {1, 8}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack: 1.5, InputLoad: 1, Product: 1, Start: 10, Round: 4, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "sdot_decoded", Doc: "as sdot, of codes decoded to bytes once for all pixels",
		Arch: []string{"aarch64"}, Feature: "dotprod", Decodes: true, Decoded: 256 << 10,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{4, 4}, {2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, InputLoad: 1, Product: 1, Start: 10, Round: 4, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "udot_nested", Doc: "as sdot, of unsigned bytes: codes with those of the channels in the bits below them",
		Arch: []string{"aarch64"}, Feature: "dotprod", Nested: true,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{4, 4}, {2, 4}, {1, 8}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack: 1.5, InputLoad: 1, Product: 1, Start: 10, Round: 4, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "mladav", Doc: "sixteen products of signed bytes, all added to one sum",
		Arch: []string{"thumb"}, Feature: "mve",
		Planes: []int{8, 4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{2, 4}, {2, 2}, {1, 8}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack: 1.5, InputLoad: 1, Product: 1, Start: 3, Round: 3, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "mladav_decoded", Doc: "as mladav, of codes decoded to bytes once for all pixels",
		Arch: []string{"thumb"}, Feature: "mve", Decodes: true,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, InputLoad: 1, Product: 1, Start: 3, Round: 3, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "mladav_nested", Doc: "as mladav, of unsigned bytes: codes with those of the channels in the bits below them",
		Arch: []string{"thumb"}, Feature: "mve", Nested: true,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{2, 4}, {1, 8}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack: 1.5, InputLoad: 1, Product: 1, Start: 3, Round: 3, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "abal", Doc: "sixteen |x-255q| of unsigned bytes, summed in 16 bits: x where the bit q is 0, 255-x where it is 1",
		Arch: []string{"arm", "aarch64"}, Feature: "simd",
		Planes: []int{1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{2, 4}, {2, 2}, {1, 4}, {4, 1}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack: 1, InputLoad: 1, Product: 2, Start: 10, Round: 4, Unroll: 4,
		Narrow: func(int) int { return 65535 / 255 / 2 }, Flush: 4,
	},
	{
		Name: "mla", Doc: "one product of bytes",
		Arch: []string{"thumb", "thumb1", "riscv32", "riscv64"}, Books: true,
		Planes: []int{8}, Word: 1, Lanes: 1, Field: 8, Input: 8, Planar: true,
		Tiles: [][2]int{{3, 2}, {1, 4}, {2, 2}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack8: 0, InputLoad: 1, Product: 1, Start: 10, Round: 5, Unroll8: 8,
	},
	{
		Name: "pair", Doc: "codes of two output channels times one unsigned input, summed in 16-bit halves",
		Arch:   []string{"thumb", "thumb1", "riscv32", "riscv64"},
		Planes: []int{4, 2, 1}, Word: 4, Lanes: 2, Field: 16, Across: true, Input: 8, Planar: true,
		Tiles: [][2]int{{3, 4}, {2, 4}, {1, 4}, {1, 2}, {2, 2}, {1, 1}},
		Load:  1, Unpack: 1, InputLoad: 1, Product: 1, Start: 10, Round: 5, Unroll: 16,
		Narrow: pairs, Flush: 6,
	},
	{
		Name: "pair_decoded", Doc: "as pair, of codes decoded to halves once for all pixels",
		Arch: []string{"thumb", "thumb1", "riscv32", "riscv64"}, Unless: "dsp", Decodes: true, Decode: 11, Decoded: 2 << 10,
		Planes: []int{4, 2, 1}, Word: 4, Lanes: 2, Field: 16, Across: true, Input: 8, Planar: true,
		Tiles: [][2]int{{3, 4}, {2, 4}, {1, 4}, {1, 2}, {2, 2}},
		Load:  .75, InputLoad: 1, Product: 1, Start: 10, Round: 5, Unroll: 16,
		Narrow: pairs, Flush: 6,
	},
}

// lanes is the products of signed bytes that a half holds, each two of the greatest
// weight or code and the greatest input; 0 for those of 8 bits.
func lanes(bits int) int {
	if bits == 8 {
		return 0
	}
	return 32767 / (128 * (1<<bits - 1)) / 2
}

// pairs is the products of unsigned bytes that a half holds: the greatest code times
// the greatest input.
func pairs(bits int) int { return 65535 / (255 * (1<<bits - 1)) }

// has reports a feature; simd is vectors of sixteen bytes.
func (t *Target) has(feature string) bool {
	return t.Has(feature) || feature == "simd" && (t.Has("neon") || t.Has("sse4.1"))
}

// Vectors reports whether it has vectors of sixteen bytes.
func (t *Target) Vectors() bool { return t.has("simd") || t.Has("mve") }

// arch is the target's architecture, Thumb of few registers apart.
func (t *Target) arch() string {
	if strings.HasPrefix(t.Triple, "thumbv6m") {
		return "thumb1"
	}
	return t.Arch
}

// Multiplies lists the products of a target.
func (t *Target) Multiplies() []*Multiply {
	var list []*Multiply
	for _, m := range multiplies {
		if slices.Contains(m.Arch, t.arch()) && !(m.Feature == "dsp" && (t.has("simd") || t.Has("mve"))) && (m.Feature == "" || t.has(m.Feature)) && (m.Unless == "" || !t.has(m.Unless)) {
			list = append(list, m)
		}
	}
	return list
}

// FindMultiply returns the product of a name, or nil.
func (t *Target) FindMultiply(name string) *Multiply {
	for _, m := range t.Multiplies() {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Passes are the widths, highest bits first, in which m reads codes of e: those
// of its planes, split where m reads no plane so wide; nil where it cannot.
func (m *Multiply) Passes(e ir.Elem) []int {
	var passes []int
	for _, p := range e.Planes() {
		if slices.Contains(m.Planes, p) {
			passes = append(passes, p)
			continue
		}
		if e.Kind == ir.I8 { // two's complement is no sum of unsigned halves
			return nil
		}
		for _, q := range m.Planes {
			if q < p {
				passes = append(passes, slices.Repeat([]int{q}, p/q)...)
				break
			}
		}
	}
	bits := 0
	for _, p := range passes {
		bits += p
	}
	if bits != e.CodeBits() {
		return nil
	}
	return passes
}

// Layout is how a pass of p bits reads rows of k codes in tiles of some channels.
type Layout struct {
	Fields int // of a word
	Units  int // fields of a step: products of one input
	Steps  int // steps of a group of words
	Words  int // of a group
	Taken  int // codes of a row that a group takes
	Groups int // of a row
	Rest   int // codes of a row left over
}

// Inputs are the inputs of one product.
func (m *Multiply) Inputs() int {
	if m.Across {
		return 1
	}
	return m.Lanes
}

// Layout divides rows of k codes among words.
func (m *Multiply) Layout(p, k, channels int) Layout {
	l := Layout{Fields: m.Field / p, Units: channels}
	if m.Across {
		l.Units = channels / m.Lanes
	}
	if l.Units == 0 { // a single row where lanes are channels
		l.Rest = k
		return l
	}
	l.Steps = l.Fields / gcd(l.Fields, l.Units)
	l.Words = l.Steps * l.Units / l.Fields
	l.Taken = l.Steps * m.Inputs()
	l.Groups = k / l.Taken
	l.Rest = k % l.Taken
	return l
}

func gcd(a, b int) int {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// NestedIn reports whether fields of a layout are taken with those below them: where
// words hold whole steps, or steps whole words.
func (m *Multiply) NestedIn(l Layout) bool {
	return m.Nested && l.Nest() > 1 && (l.Units%l.Fields == 0 || l.Fields%l.Units == 0)
}

// Nest is the fields of a word that share their inputs.
func (l Layout) Nest() int { return min(l.Fields, l.Units) }

// Room is the products that a narrow sum holds, 0 where sums are wide.
func (m *Multiply) Room(p int) int {
	if m.Narrow == nil {
		return 0
	}
	return m.Narrow(p)
}

// Rounds is the products of an input in one round of the loop over a plane.
func (m *Multiply) Rounds(p int) int {
	if p == 8 {
		return m.Unroll8
	}
	return m.Unroll
}

// DecodedBits is the width to which codes are decoded: that of a whole field.
func (m *Multiply) DecodedBits() int { return m.Field }

// Multiplied is the width as which decoded codes of some bits are multiplied: that of 8
// bits, whose products are added to wide sums at once, where narrow sums hold few.
func (m *Multiply) Multiplied(bits int) int {
	if m.Narrow != nil && m.Room(8) == 0 && m.Room(bits) < 4 {
		return 8
	}
	return bits
}

// RestBytes are the bytes of a row's codes that no word holds, decoded to bytes:
// whole products, for products of vectors. Kernels of many pixels keep them in
// scratch.
func (m *Multiply) RestBytes(l Layout) int {
	if m.Word < 16 {
		return 0
	}
	return (l.Rest + m.Lanes - 1) / m.Lanes * m.Lanes
}

// restScratch is the decoded codes, or the decoded rest of all rows, in every pass.
func (m *Multiply) restScratch(e ir.Elem, k, rows, groups, channels int) int {
	if m.Decodes {
		return groups * rows * DecodedBytes(m, k)
	}
	tiled, sum := rows/channels*channels, 0
	for _, p := range m.Passes(e) {
		sum += groups * (tiled*m.RestBytes(m.Layout(p, k, channels)) + (rows-tiled)*m.RestBytes(m.Layout(p, k, 1)))
	}
	return sum
}

// rest is the instructions of one code of a row that no word holds; decode those
// of a vector of codes that is decoded to scratch, decodeRest of such a code alone,
// decodeTogether of one of a word of codes, which rows of decodedWord of them fill.
const (
	rest           = 7
	decode         = 8
	decodeRest     = 20
	decodeTogether = 5
	decodedWord    = 16
)

// cycles estimates the instructions of one pixel of a tile, and one output channel,
// of a layer of some pixels; 0 where there are no pixels, and columns serve once.
func (m *Multiply) cycles(e ir.Elem, k, pixels, channels, all int) float64 {
	sum := m.Start / float64(channels)
	passes := m.Passes(e)
	if m.Decodes {
		for _, p := range passes {
			l := m.Layout(p, k, channels)
			once := m.Decode * float64(k)
			switch {
			case m.Decode == 0:
				once = float64(decode*l.Groups*l.Steps + decodeRest*l.Rest)
			case k%decodedWord == 0:
				once = decodeTogether * float64(k)
			}
			sum += once / float64(max(1, all))
		}
		passes, k = []int{m.DecodedBits()}, wholeInputs(m, k)
	}
	for _, p := range passes {
		l := m.Layout(p, k, channels)
		unpack, product, rounds := m.Unpack, m.Product, m.Rounds(p)
		if p == 8 {
			unpack, product = m.Unpack8, max(m.Product, m.Product8)
		}
		if m.Decodes {
			unpack, product, p = 0, m.Product, m.Multiplied(e.CodeBits())
			if p == 8 {
				product = max(product, m.Product8)
			}
		}
		if m.NestedIn(l) {
			// A step behind the first is masked; a word's highest field lies in its place.
			unpack = float64(l.Fields+l.Fields/l.Nest()-2) / float64(l.Fields)
			sum += 2 // taken apart
		}
		units, px := float64(l.Units), float64(pixels)
		step := float64(l.Words)*m.Load/float64(max(1, l.Steps)) + units*unpack + px*m.InputLoad + px*units*product
		step += m.Round / float64(rounds)
		if room := m.Room(p); room > 0 {
			step += px * units * m.Flush / float64(room)
		}
		left := rest * float64(l.Rest*channels) * (1 + px/4)
		if all > 0 && m.RestBytes(l) > 0 {
			left = float64(m.RestBytes(l)/m.Lanes) * (units + px + px*units*(product+1))
		}
		sum += (step*float64(l.Steps*l.Groups) + left) / (px * float64(channels))
	}
	return sum
}

// choice is the cheapest product and tile of a layer.
type choice struct {
	m                *Multiply
	pixels, channels int
	cycles           float64
}

// tiles are those that fit the registers for codes of e.
func (m *Multiply) tiles(e ir.Elem) [][2]int {
	if m.Tiles8 != nil && e.CodeBits() == 8 {
		return m.Tiles8
	}
	return m.Tiles
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

// best chooses for rows of k codes of e, rows of them in a group, a number of
// pixels in a row of the result and in all, of which some are pooled, among the
// products that serve.
func (t *Target) best(e ir.Elem, shape ir.Shape, groups, pixels, all, pooled int, serves func(*Multiply) bool) (best choice) {
	k, rows := shape.Size()/shape[0], shape[0]/groups
	for _, m := range t.Multiplies() {
		passes := m.Passes(e)
		bytes := 0
		for _, p := range passes {
			bytes += (shape.Size()*p + 7) / 8
		}
		if passes == nil || bytes != ir.PackedBytes(e, shape) || !serves(m) {
			continue
		}
		for _, tile := range m.tiles(e) {
			if tile[0] > pixels || tile[0] > 1 && tile[0]%pooled != 0 || tile[1] > rows {
				continue
			}
			if m.Decodes && m.Across && rows%tile[1] > 0 { // no word holds a single row
				continue
			}
			// Rows that fill no tile are computed one by one.
			left := float64(rows%tile[1]) / float64(rows)
			c := m.cycles(e, k, tile[0], tile[1], all) * (1 - left)
			if left > 0 {
				c += m.cycles(e, k, tile[0], 1, all) * left
			}
			if best.m == nil || c < best.cycles {
				best = choice{m, tile[0], tile[1], c}
			}
		}
	}
	return best
}
