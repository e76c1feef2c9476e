package micro

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/processor"
)

// productsOf lists the products of a processor.
func productsOf(t *processor.Target) []*Product {
	var list []*Product
	for _, m := range products {
		switch {
		case !slices.Contains(m.Arch, t.ISA()), m.Feature != "" && !t.Has(m.Feature), m.Unless != "" && t.Has(m.Unless):
		case m.Feature == "dsp" && t.Vectors(): // halves of words are less than vectors
		default:
			list = append(list, m)
		}
	}
	return list
}

// productOf is a processor's product of a name, or nil.
func productOf(t *processor.Target, name string) *Product {
	for _, m := range productsOf(t) {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// PlanesOf returns the widths of the planes in which m reads codes of e, highest bits first.
// A plane that is too wide for m is split. The result is nil if m cannot read e.
func (m *Product) PlanesOf(e ir.Elem) []int {
	var planes []int
	for _, p := range e.Planes() {
		if slices.Contains(m.Planes, p) {
			planes = append(planes, p)
			continue
		}
		if e.Kind == ir.I8 { // two's complement is no sum of unsigned halves
			return nil
		}
		for _, q := range m.Planes {
			if q < p {
				planes = append(planes, slices.Repeat([]int{q}, p/q)...)
				break
			}
		}
	}
	bits := 0
	for _, p := range planes {
		bits += p
	}
	if bits != e.CodeBits() {
		return nil
	}
	return planes
}

// Layout is how a plane stores rows of codes in words, in tiles of some channels.
type Layout struct {
	Fields int  // fields of a word
	Units  int  // fields of a step: products that share one input load
	Steps  int  // steps of a group of words
	Words  int  // words of a group
	Taken  int  // codes of a row in a group
	Groups int  // groups of a row
	Rest   int  // codes of a row that fill no group
	Twins  bool // a field has the codes of two channels
}

// Inputs is the number of inputs of one product.
func (m *Product) Inputs() int {
	if m.Across {
		return 1
	}
	return m.Lanes
}

// Layout divides rows of k codes of p bits among words, for tiles of some channels.
func (m *Product) Layout(p, k, channels int) Layout {
	l := Layout{Fields: m.Field / p, Units: channels}
	switch {
	case m.Across:
		l.Units = channels / m.Lanes
	case m.Twins && channels%2 == 0:
		l.Fields, l.Units, l.Twins = l.Fields/2, channels/2, true
	}
	if l.Units == 0 { // a single row where lanes are channels
		l.Rest = k
		return l
	}
	l.Steps = l.Fields / geometry.Divisor(l.Fields, l.Units)
	if m.ofBytes() && l.Steps%2 > 0 { // inputs of two steps are loaded together
		l.Steps *= 2
	}
	l.Words = l.Steps * l.Units / l.Fields
	l.Taken = l.Steps * m.Inputs()
	l.Groups = k / l.Taken
	l.Rest = k % l.Taken
	return l
}

// NestedIn reports whether m multiplies a field of a layout together with the fields below
// it. Words must contain whole steps, or steps whole words.
func (m *Product) NestedIn(l Layout) bool {
	return m.Nested && l.Nest() > 1 && (l.Units%l.Fields == 0 || l.Fields%l.Units == 0)
}

// nestsRest reports whether the codes of a tile that fill no group of words are nested as those of a group, of fewer
// inputs in each step, and multiplied as they lie: where parts of a vector can be loaded.
func (m *Product) nestsRest(l Layout) bool {
	return m.Strips && m.NestedIn(l) && l.Rest > 0 && l.Rest%l.Steps == 0
}

// RestLanes is the inputs of each step of the nested codes that fill no group of words.
func (l Layout) RestLanes() int { return l.Rest / l.Steps }

// nestsIn reports whether a layout has the codes of two channels in halves.
func (m *Product) nestsIn(l Layout) bool { return m.Carried && l.Units%2 == 0 }

// pairsIn reports whether the fields of a layout have the codes of two channels.
func (m *Product) pairsIn(l Layout) bool { return m.Paired && l.Units%2 == 0 && l.Units > 0 }

// ofBytes reports whether a product of halves extends the bytes of its inputs, the even and the odd ones of
// each four together.
func (m *Product) ofBytes() bool { return m.Carried && m.Input == 8 }

// stacksIn reports whether the codes of all channels of a tile fill the halves of a layout.
func (m *Product) stacksIn(l Layout) bool { return m.Stacked && l.Units == l.Fields }

// twinShift is how far the code of the second of two channels lies above that of the first one in a half.
const twinShift = 14

// twinTurn is how far words are turned to the right for the codes of a field: the fields of all turns
// divide the bits of a word among each other.
func twinTurn(bits, f int) int {
	if bits == 1 {
		return 4*(f/2) + 2 + f%2
	}
	return 4*f + 2
}

// twinRound is the most groups of words whose products the lower sum of two channels holds: inputs are at least -128.
func (l Layout) twinRound() int {
	bits := 8 / l.Fields
	return 1 << (twinShift - 1) / (128 * (1<<bits - 1)) / l.Taken
}

// twinPart is the most groups of words whose products the upper sum of two channels holds, which has twinShift bits less
// than the 32: codes are at most half of their range.
func (l Layout) twinPart() int {
	bits := 8 / l.Fields
	return (1<<(31-twinShift)/128 - 1) >> (bits - 1) / l.Taken
}

// lessHalf reports whether the codes of a channel of a tile are in two's complement, less half of their range: those at
// the upper end of a half.
func (m *Product) lessHalf(l Layout, bits, channel int) bool {
	return m.stacksIn(l) && channel == l.Fields-1 || l.Twins && channel%2 == 1 && bits+twinShift == m.Field
}

// restWindows reports whether the codes of a tile that no word holds, fewer than a word, are loaded together: behind words
// of codes, and where words may lie at any address.
func (m *Product) restWindows(bits int, l Layout) bool {
	return m.Feature == "dsp" && !m.Across && bits < 8 && l.Rest > 0 && l.Groups > 0
}

// Nest is the number of fields of a word that share their inputs.
func (l Layout) Nest() int { return min(l.Fields, l.Units) }

// Room is the number of products that fit a narrow sum, 0 if sums are wide.
func (m *Product) Room(p int) int {
	if m.Narrow == nil {
		return 0
	}
	return m.Narrow(p)
}

// Rounds is the number of products of an input in one round of the loop over a plane.
func (m *Product) Rounds(p int) int {
	if p == 8 {
		return m.Unroll8
	}
	return m.Unroll
}

// DecodedBits is the width to which codes are decoded: the width of a lane, which two channels
// may share.
func (m *Product) DecodedBits() int {
	if m.Carried {
		return m.Field / 2
	}
	return m.Field
}

// Multiplied is the width for which products of decoded codes are planned: 8 bits, whose
// products are added to wide sums at once, if fewer than four products of the given bits fit
// a narrow sum; otherwise the given bits.
func (m *Product) Multiplied(bits int) int {
	if m.Narrow != nil && m.Room(8) == 0 && m.Room(bits) < 4 {
		return 8
	}
	return bits
}

// restTogether reports whether the codes of all rows that fill no group of words lie together, and are decoded
// to bytes in scratch before all else: those of products of vectors.
func (m *Product) restTogether() bool { return m.Word >= 16 && !m.Decodes }

// restVectors is the products of a row's codes that fill no group of words, where vectors multiply them.
func (m *Product) restVectors(l Layout) int {
	if !m.restTogether() {
		return 0
	}
	return (l.Rest + m.Lanes - 1) / m.Lanes
}

// restCodes is the codes of all rows of a plane that fill no group of words, and are decoded: those of tiles, then
// those of the rows left over.
func (m *Product) restCodes(p, k, rows, groups, channels int) (tiled, left int) {
	n := rows % channels
	if l := m.Layout(p, k, channels); !m.nestsRest(l) {
		tiled = groups * (rows - n) * l.Rest
	}
	return tiled, groups * n * m.Layout(p, k, 1).Rest
}

// restBytes is the bytes of so many of these codes in scratch: vectors are loaded from each row's first on.
func (m *Product) restBytes(codes int) int {
	if codes == 0 {
		return 0
	}
	return (codes + 2*(m.Lanes-1)) / m.Lanes * m.Lanes
}

// restScratch is the decoded codes, or the decoded rest of all rows, in every plane.
func (m *Product) restScratch(e ir.Elem, k, rows, groups, channels int) (sum int) {
	if m.Decodes && m.Carried {
		left := leftNested(groups, rows, k, channels)
		return left + 2*groups*(rows%channels)*k
	}
	if m.Decodes {
		return groups * rows * decodedBytes(m, k)
	}
	if m.restTogether() {
		for _, p := range m.PlanesOf(e) {
			tiled, left := m.restCodes(p, k, rows, groups, channels)
			sum += m.restBytes(tiled + left)
		}
	}
	return sum
}

// leftNested is the byte of the first row left over after the decoded tiles of a product that carries: each
// code of a tile takes a byte, each code of a row left over a half.
func leftNested(groups, rows, k, channels int) int {
	return (groups*(rows-rows%channels)*k + 3) / 4 * 4
}

// inPairs reports whether a word of a column has the halves of two inputs.
func (m *Product) inPairs() bool { return m.Input == 16 && m.Lanes == 2 && !m.Planar }

// wholeInputs is the elements of a column of k inputs: those of whole products.
func wholeInputs(m *Product, k int) int {
	n := m.Inputs()
	return (k + n - 1) / n * n
}

// decodedBytes is the bytes of a row of k codes, decoded.
func decodedBytes(m *Product, k int) int { return wholeInputs(m, k) * m.DecodedBits() / 8 }

// decodedAt is the byte of the decoded codes after the columns of some pixels.
func decodedAt(m *Product, k, pixels int) int {
	word := m.Word
	if m.Together {
		word = 4
	}
	return (columnsBytes(m, k, pixels) + word - 1) / word * word
}

// columnsBytes is the bytes of the columns of some pixels, with what strips may write beyond the last one.
func columnsBytes(m *Product, k, pixels int) int {
	bytes := pixels * columnBytes(m, k)
	if m.Strips {
		bytes += stripBytes
	}
	return bytes
}

// columnBytes is the bytes of a column of k inputs: whole products.
func columnBytes(m *Product, k int) int {
	return wholeInputs(m, k) * m.Input / 8
}
