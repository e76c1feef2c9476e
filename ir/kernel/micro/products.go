package micro

import (
	"slices"

	"github.com/dnnc/dnnc/ir/kernel"
)

// Product describes the innermost multiplication of a kernel: how many codes one instruction
// takes, their layout in a word, the tiles of pixels and output channels that fit the
// registers, and the costs. One generator reads it for every target.
//
// A word consists of fields. Each field has the codes of one product: lane l of field f of a
// plane of p bits begins at bit l*Field + f*p. A step has one field for each channel of the
// tile; steps fill the words one after the other.
type Product struct {
	Name    string
	Doc     string
	Code    instructions
	Arch    []string // instruction sets (processor.Target.ISA) that have it
	Feature string   // feature that it needs; empty for none
	Unless  string   // not on processors with this feature, which have a better product; empty for none
	Slow    []string // instruction sets that have a better product for codes of 8 bits
	// Planes are the widths of the bit planes that it reads. A plane of 8 bits has two's
	// complement.
	Planes []int
	Word   int  // bytes of one load of codes
	Lanes  int  // codes of one product
	Field  int  // bits of a lane: a word has Field/p fields
	Across bool // lanes are output channels that share an input; otherwise they are inputs
	Input  int  // bits of an input in the columns that products read: 8 or 16
	Least  bool // 8-bit codes must be greater than -128, because two products of -128*-128 overflow 16 bits
	// Decodes: codes of fewer than 8 bits are decoded to scratch, once for all pixels: to
	// bytes, which are read as codes of 8 bits, or to halves. Decode is the cost of one code
	// if codes are decoded one by one.
	Decodes bool
	Decode  float64
	Books   bool // conv_blocks decodes codebooks for it
	// Together: codes are decoded to bytes four together (emit.DecodeWords), to weights, or as they are where
	// products are biased. A product has one lane.
	Together bool
	// Decoded is the bytes of decoded codes that are allowed for any size of the layer's
	// activations.
	Decoded int
	// Nested: one instruction multiplies a field together with all fields below it in its
	// step, which share its inputs; the kernel separates the sums at the end. Products are
	// unsigned.
	Nested bool
	// Carried: as Nested, of two's complement in the bytes of halves: the code of every second
	// channel lies above the one before it, less 1 where that is negative, so that a half is
	// 256 times the one plus the other.
	Carried bool
	// Stacked: as Carried, of codes of few bits: the channels of a tile fill a half, the last one in two's
	// complement less half of the codes' range. Each sum is of its channel and all before it.
	Stacked bool
	// Twins: as Carried, of codes of few bits: the code of every second channel lies twinShift bits above the one before
	// it, so that one product serves both. The lower sum is taken off before it overflows.
	Twins bool
	// Paired: one instruction multiplies a field, which has half of the inputs of two channels, with half of
	// the inputs of two pixels, to the sums of both channels and both pixels.
	Paired bool
	// Halves: arguments or results have 16 bits. Carried products, which have no room for those, are
	// better for all others.
	Halves bool
	// InPlace: the inputs of a linear layer are read where they lie, without a column.
	InPlace bool
	// Computed: of two computed matrices only; layers have better products.
	Computed bool
	// Raw: a column of codes of 8 bits holds the bytes of the inputs. Those of a linear layer, and of
	// pixels that lie side by side, are read where they lie.
	Raw bool
	// Biased: codes of 8 bits are kept plus 128, unsigned.
	Biased bool
	// Write gives the instructions of an inner loop where they are written out: of so many sums a pixel, and
	// groups of so many inputs of a layout.
	Write  func(l Layout, pixels, sums, groups, round int) (writing, bool)
	Planar bool // the column of a pixel is contiguous, not interleaved with other pixels' columns
	// Strips: inputs that lie side by side are copied to a column by whole vectors, whatever their number. The last
	// one may reach beyond the column.
	Strips bool
	// Tiles are the pairs [pixels, channels] that fit the registers. Tiles8, if not nil, is
	// for codes of 8 bits, whose products are added to wide sums at once.
	Tiles, Tiles8 [][2]int
	// Costs in instructions: a load of codes; extracting a field of a plane (Unpack8: a plane
	// of 8 bits); a load of inputs; a product (Product8: of 8 bits); a round of the loop; and
	// the start of a channel for a tile of pixels (addresses).
	Load, Unpack, Unpack8, InputLoad, Product, Product8, Round, Start float64
	// Where it is not 0, Output is the instructions of an output, Channel those of an output
	// channel in a tile of pixels, Start those of a tile, and Column those of an input that is
	// written to a column.
	Output, Channel, Column float64
	// Narrow is the number of products that fit a sum of 16 bits, for the width of a plane; nil
	// or 0 if sums are wide. Flush is the cost of adding a narrow sum to wide sums.
	Narrow func(bits int) int
	Flush  float64
	// Unroll8 and Unroll are the products of an input in one round of the loop, for planes of
	// 8 bits and for narrower planes, which must not be slower.
	Unroll8, Unroll int
}

// products are the products of all targets.
var products = []*Product{
	{
		Name: "smlad", Code: smlad{}, Doc: "two products of 16-bit halves, added to a 32-bit sum",
		Arch: []string{"thumb", "arm"}, Feature: "dsp",
		Planes: []int{8, 4, 2, 1}, Word: 4, Lanes: 2, Field: 16, Input: 16,
		Tiles: [][2]int{{2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1.2, Unpack: 1, Unpack8: 1, InputLoad: .5, Product: 1, Start: 10, Round: 5, Unroll8: 8, Unroll: 16,
	},
	{
		Name: "smlad_halves", Code: smlad{}, Doc: "as smlad, of inputs or results of 16 bits, written out",
		Arch: []string{"thumb"}, Feature: "dsp", Halves: true, Write: writeHalves,
		Planes: []int{8}, Word: 4, Lanes: 2, Field: 16, Input: 16,
		Tiles: [][2]int{{3, 2}, {2, 2}, {1, 4}, {1, 2}},
		Load:  .5, Unpack8: 1, InputLoad: .4, Product: 1, Start: 14, Round: 2, Unroll8: 8,
		Output: 7.5, Channel: 3, Column: 1.4,
	},
	{
		Name: "smlad_nested", Code: smladNested{}, Doc: "as smlad, of halves with the codes of two channels, and of those of the first one alone",
		Arch: []string{"thumb"}, Feature: "dsp", Carried: true, Least: true, Write: writeNested,
		Planes: []int{8}, Word: 4, Lanes: 2, Field: 16, Input: 16,
		Tiles: [][2]int{{3, 2}, {2, 2}, {1, 4}, {1, 2}},
		Load:  .5, Unpack8: .5, InputLoad: .4, Product: 1, Start: 14, Round: 2, Unroll8: 8,
		Output: 7.5, Channel: 3, Column: 1.4,
	},
	{
		Name: "smlad_in_place", Code: smladInPlace{}, Doc: "as smlad_nested, of inputs that lie in no column, whose bytes are extended for each tile: without scratch",
		Arch: []string{"thumb"}, Feature: "dsp", Carried: true, Least: true, InPlace: true, Write: writeInPlace,
		Planes: []int{8}, Word: 4, Lanes: 2, Field: 16, Input: 8,
		Tiles: [][2]int{{1, 4}, {1, 2}},
		Load:  .5, Unpack8: .5, InputLoad: 1.4, Product: 1, Start: 14, Round: 2, Unroll8: 8,
		Output: 7.5, Channel: 3,
	},
	{
		Name: "smlad_bytes", Code: smladInPlace{}, Doc: "as smlad_in_place, of columns of bytes, half as large as those of halves",
		Arch: []string{"thumb"}, Feature: "dsp", Carried: true, Least: true, Write: writeInPlace,
		Planes: []int{8}, Word: 4, Lanes: 2, Field: 16, Input: 8,
		Tiles: [][2]int{{1, 4}, {1, 2}},
		Load:  .5, Unpack8: .5, InputLoad: 1.5, Product: 1, Start: 14, Round: 2, Unroll8: 8,
		Output: 7.5, Channel: 3, Column: 1,
	},
	{
		Name: "smlad_nested_decoded", Code: smladNested{}, Doc: "as smlad_nested, of codes decoded to bytes once for all pixels",
		Arch: []string{"thumb"}, Feature: "dsp", Carried: true, Write: writeNested, Decodes: true, Decode: 1.2, Decoded: kernel.MaxTables,
		Planes: []int{4, 2, 1}, Word: 4, Lanes: 2, Field: 16, Input: 16,
		Tiles: [][2]int{{3, 2}, {2, 2}, {1, 4}, {1, 2}},
		Load:  .5, Unpack8: .5, InputLoad: .4, Product: 1, Start: 14, Round: 2, Unroll8: 8, Unroll: 8,
		Output: 7.5, Channel: 3, Column: 1.4,
	},
	{
		Name: "smlad_stacked", Code: smladStacked{}, Doc: "as smlad, of halves that the codes of all channels of a tile fill, and of those of one fewer each time",
		Arch: []string{"thumb"}, Feature: "dsp", Stacked: true, Write: writeStacked,
		Planes: []int{4, 2}, Word: 4, Lanes: 2, Field: 16, Input: 16,
		Tiles: [][2]int{{2, 4}, {1, 4}, {1, 8}},
		Load:  .5, Unpack: 1, InputLoad: .5, Product: 1, Start: 14, Round: 2, Unroll8: 8, Unroll: 8,
		Output: 9, Channel: 3, Column: 1.7,
	},
	{
		Name: "smlad_twins", Code: smladTwins{}, Doc: "as smlad, of halves with the codes of two channels, whose sums are taken apart before the lower one overflows",
		Arch: []string{"thumb"}, Feature: "dsp", Twins: true, Write: writeTwins,
		Planes: []int{2, 1}, Word: 4, Lanes: 2, Field: 16, Input: 16,
		Tiles: [][2]int{{2, 2}, {1, 4}, {1, 2}},
		Load:  1, Unpack: 1, InputLoad: .25, Product: 1, Start: 14, Round: 2, Unroll8: 32, Unroll: 32,
		Output: 9, Channel: 3, Column: 1.7,
	},
	{
		Name: "smlad_decoded", Code: smladDecoded{}, Doc: "as smlad, of codes decoded to halves once for all pixels",
		Arch: []string{"thumb", "arm"}, Feature: "dsp", Decodes: true, Decode: 11, Books: true, Decoded: 2 << 10,
		Planes: []int{4, 2, 1}, Word: 4, Lanes: 2, Field: 16, Input: 16,
		Tiles: [][2]int{{2, 2}, {1, 2}, {2, 1}, {1, 1}},
		Load:  .5, InputLoad: .5, Product: 1, Start: 10, Round: 5, Unroll: 16,
	},
	{
		Name: "usada8", Code: usada8{}, Doc: "the sum of four |x-255q| of unsigned bytes: x where the bit q is 0, 255-x where it is 1",
		Arch: []string{"thumb", "arm"}, Feature: "dsp",
		Planes: []int{1}, Word: 4, Lanes: 4, Field: 8, Input: 8,
		Tiles: [][2]int{{4, 1}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  .75, Unpack: 2, InputLoad: 1.3, Product: 1, Start: 10, Round: 5, Unroll8: 8, Unroll: 16,
	},
	&mlalProduct, onPC(mlalProduct), &mlalDecodedProduct, onPC(mlalDecodedProduct),
	{
		Name: "mull", Code: mull{}, Doc: "as mlal, of any bytes: products are added up in 32 bits at once",
		Arch: []string{"arm", "aarch64", "x86_64"}, Feature: "simd", Unless: "dotprod", Computed: true,
		Planes: []int{8}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, InputLoad: 1, Product: 4, Start: 10, Round: 4, Unroll8: 2,
	},
	{
		Name: "sdot", Code: sdot{}, Doc: "sixteen products of signed bytes, four to a 32-bit sum",
		Arch: []string{"aarch64"}, Feature: "dotprod",
		Planes: []int{8, 4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{4, 4}, {2, 4}, {2, 2}, {1, 8}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack: 1.5, InputLoad: 1, Product: 1, Start: 10, Round: 4, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "sdot_decoded", Code: sdot{}, Doc: "as sdot, of codes decoded to bytes once for all pixels",
		Arch: []string{"aarch64"}, Feature: "dotprod", Decodes: true, Decoded: 256 << 10,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{4, 4}, {2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, InputLoad: 1, Product: 1, Start: 10, Round: 4, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "udot_nested", Code: udotNested{}, Doc: "as sdot, of unsigned bytes: codes with those of the channels in the bits below them",
		Arch: []string{"aarch64"}, Feature: "dotprod", Nested: true,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{4, 4}, {2, 4}, {1, 8}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack: 1.5, InputLoad: 1, Product: 1, Start: 10, Round: 4, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "smmla", Code: smmla{}, Doc: "the product of two matrices, eight inputs of two pixels and of two channels",
		Arch: []string{"aarch64"}, Feature: "i8mm", Paired: true,
		Planes: []int{8, 4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{8, 8}, {4, 16}, {4, 8}, {2, 8}, {8, 4}, {4, 4}, {2, 4}},
		Load:  1, Unpack: 1.5, InputLoad: 1, Product: 1, Start: 10, Round: 4, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "smmla_decoded", Code: smmla{}, Doc: "as smmla, of codes decoded to bytes once for all pixels",
		Arch: []string{"aarch64"}, Feature: "i8mm", Paired: true, Decodes: true, Decoded: 256 << 10,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{8, 8}, {4, 16}, {4, 8}, {2, 8}, {8, 4}, {4, 4}, {2, 4}},
		Load:  1, InputLoad: 1, Product: 1, Start: 10, Round: 4, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "mladav", Code: mladav{}, Doc: "sixteen products of signed bytes, all added to one sum",
		Arch: []string{"thumb"}, Feature: "mve",
		Planes: []int{8, 4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8, Planar: true, Strips: true,
		Tiles: [][2]int{{2, 4}, {2, 2}, {1, 8}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack: 1.5, InputLoad: 1, Product: 1, Start: 5.5, Round: 3, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "mladav_decoded", Code: mladav{}, Doc: "as mladav, of codes decoded to bytes once for all pixels",
		Arch: []string{"thumb"}, Feature: "mve", Decodes: true,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8, Planar: true, Strips: true,
		Tiles: [][2]int{{2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, InputLoad: 1, Product: 1, Start: 3, Round: 3, Unroll8: 2, Unroll: 4,
	},
	{
		Name: "mladav_nested", Code: mladavNested{}, Doc: "as mladav, of unsigned bytes: codes with those of the channels in the bits below them",
		Arch: []string{"thumb"}, Feature: "mve", Nested: true,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8, Planar: true, Strips: true,
		Tiles: [][2]int{{2, 4}, {1, 8}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack: 1.5, InputLoad: 1, Product: 1, Start: 3, Round: 3, Unroll8: 2, Unroll: 8,
	},
	{
		Name: "abal", Code: abal{}, Doc: "sixteen |x-255q| of unsigned bytes, summed in 16 bits: x where the bit q is 0, 255-x where it is 1",
		Arch: []string{"arm", "aarch64"}, Feature: "simd",
		Planes: []int{1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{2, 4}, {2, 2}, {1, 4}, {4, 1}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack: 1, InputLoad: 1, Product: 2, Start: 10, Round: 4, Unroll: 4,
		Narrow: func(int) int { return 65535 / 255 / 2 }, Flush: 4,
	},
	&mlaProduct, together(mlaProduct), &mulProduct, together(mulProduct), &biasedProduct, together(biasedProduct),
	&pairProduct, onRISC(pairProduct), &pairDecodedProduct, onRISC(pairDecodedProduct),
	written(pairProduct, "pair_written"), written(pairDecodedProduct, "pair_written_decoded"),
}

// together is a product of bytes whose codes of fewer than 8 bits are decoded to bytes, four together.
func together(m Product) *Product {
	m.Name, m.Doc = m.Name+"_decoded", m.Doc+", of codes decoded once for all pixels"
	m.Decodes, m.Together, m.Decoded, m.Planes, m.Unroll = true, true, 8<<10, []int{4, 2, 1}, m.Unroll8
	m.Books = false
	if slices.Contains(m.Arch, "thumb") {
		m.Unless = "dsp" // which has better ones
	}
	return &m
}

// mlaProduct, mulProduct and biasedProduct are those of bytes, one by one.
var (
	mlaProduct = Product{
		Name: "mla", Code: mla{}, Doc: "one product of bytes",
		Arch: []string{"thumb", "thumb1"}, Slow: []string{"thumb1"}, Books: true,
		Planes: []int{8}, Word: 1, Lanes: 1, Field: 8, Input: 8, Planar: true,
		Tiles: [][2]int{{3, 2}, {1, 4}, {2, 2}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack8: 0, InputLoad: 1, Product: 1, Start: 10, Round: 5, Unroll8: 8,
	}
	mulProduct = Product{
		Name: "mul", Code: mul{}, Doc: "one product of bytes, in the tiles of 31 registers",
		Arch: riscv, Books: true, Raw: true,
		Planes: []int{8}, Word: 1, Lanes: 1, Field: 8, Input: 8, Planar: true,
		Tiles: [][2]int{{4, 4}, {3, 4}, {1, 16}, {1, 12}, {1, 10}, {2, 8}, {4, 3}, {2, 6}, {2, 4}, {1, 8}, {1, 6}, {4, 2}, {3, 2}, {1, 4}, {2, 2}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, Unpack8: 0, InputLoad: 1, Product: 2, Start: 10, Round: 4, Unroll8: 8,
		Output: 13.5, Channel: 3, Column: 2.2,
	}
	biasedProduct = Product{
		Name: "mla_biased", Code: mlaBiased{}, Doc: "one product of unsigned bytes: codes and inputs plus 128",
		Arch: []string{"thumb1"}, Biased: true, Write: writeBiased,
		Planes: []int{8}, Word: 1, Lanes: 1, Field: 8, Input: 8,
		Tiles: [][2]int{{8, 1}, {6, 1}, {4, 1}, {1, 8}, {1, 4}, {2, 1}, {1, 2}, {1, 1}},
		Load:  1, InputLoad: 1, Product: 2, Start: 20, Round: 4, Unroll8: 4,
		Output: 36, Channel: 6, Column: 5,
	}
)

// mlalProduct and mlalDecodedProduct are those of vectors of bytes.
var (
	mlalProduct = Product{
		Name: "mlal", Code: mlal{}, Doc: "sixteen products of signed bytes, summed in 16 bits, those by pairs in 32",
		Arch: []string{"arm", "aarch64"}, Feature: "simd",
		Planes: []int{8, 4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8, Least: true,
		Tiles8: [][2]int{{2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Tiles:  [][2]int{{2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:   1, Unpack: 1.5, Unpack8: 0, InputLoad: 1, Product: 2, Product8: 3, Start: 10, Round: 4, Unroll8: 2, Unroll: 4,
		Narrow: laneRoom, Flush: 4,
	}
	mlalDecodedProduct = Product{
		Name: "mlal_decoded", Code: mlal{}, Doc: "as mlal, of codes decoded to bytes once for all pixels",
		Arch: []string{"arm", "aarch64"}, Feature: "simd", Decodes: true, Decoded: 64 << 10,
		Planes: []int{4, 2, 1}, Word: 16, Lanes: 16, Field: 8, Input: 8,
		Tiles: [][2]int{{2, 4}, {2, 2}, {1, 4}, {1, 2}, {2, 1}, {1, 1}},
		Load:  1, InputLoad: 1, Product: 2, Product8: 3, Start: 10, Round: 4, Unroll8: 4, Unroll: 4,
		Narrow: laneRoom, Flush: 4,
	}
)

// onPC is a product of vectors of bytes on a PC, which extends bytes before it multiplies them. The sums of two
// pixels do not fit its registers.
func onPC(m Product) *Product {
	m.Arch, m.Tiles, m.Tiles8 = []string{"x86_64"}, [][2]int{{1, 4}, {1, 2}, {1, 1}}, nil
	m.Unpack, m.InputLoad, m.Product, m.Product8, m.Start = 2, 3, 7.5, 10, 20
	return &m
}

// riscv are the instruction sets of RISC-V.
var riscv = []string{"riscv32", "riscv64"}

// onRISC is a product of words on RISC-V, where a product and its sum are two instructions, and some
// products take moves.
func onRISC(m Product) *Product {
	m.Arch, m.Unless, m.Unpack, m.Product, m.Round, m.Output, m.Channel = riscv, "", 1.35*m.Unpack, 2.38, 4, 16, 3
	return &m
}

// written is a product of words on a Cortex-M0, whose inner loop is written out: of its few registers LLVM spills most.
func written(m Product, name string) *Product {
	m.Name, m.Doc, m.Arch, m.Unless, m.Planar, m.Write = name, m.Doc+", written out", []string{"thumb1"}, "", false, writePairs
	m.Tiles = [][2]int{{6, 2}, {4, 2}, {3, 2}, {2, 2}, {1, 12}, {1, 8}, {1, 4}, {1, 2}}
	m.Load, m.Unpack, m.InputLoad, m.Product, m.Round, m.Flush = 1, 2, 1, 2, 3, 25
	m.Start, m.Output, m.Channel, m.Column = 20, 38, 6, 6
	if m.Decodes {
		m.Unpack = 0
	}
	return &m
}

// pairProduct and pairDecodedProduct are those of two channels in a word.
var (
	pairProduct = Product{
		Name: "pair", Code: pair{}, Doc: "codes of two output channels times one unsigned input, summed in 16-bit halves",
		Arch:   []string{"thumb"},
		Planes: []int{4, 2, 1}, Word: 4, Lanes: 2, Field: 16, Across: true, Input: 8, Planar: true,
		Tiles: [][2]int{{3, 4}, {2, 4}, {1, 4}, {1, 2}, {2, 2}, {1, 1}},
		Load:  1, Unpack: 1, InputLoad: 1, Product: 1, Start: 10, Round: 5, Unroll: 16,
		Narrow: pairRoom, Flush: 6,
	}
	pairDecodedProduct = Product{
		Name: "pair_decoded", Code: pairDecoded{}, Doc: "as pair, of codes decoded to halves once for all pixels",
		Arch: []string{"thumb"}, Unless: "dsp", Decodes: true, Decode: 11, Decoded: 8 << 10,
		Planes: []int{4, 2, 1}, Word: 4, Lanes: 2, Field: 16, Across: true, Input: 8, Planar: true,
		Tiles: [][2]int{{3, 4}, {2, 4}, {1, 4}, {1, 2}, {2, 2}},
		Load:  .75, InputLoad: 1, Product: 1, Start: 10, Round: 5, Unroll: 16,
		Narrow: pairRoom, Flush: 6,
	}
)

// laneRoom is the products of signed bytes that a half holds, each two of the greatest
// weight or code and the greatest input; 0 for those of 8 bits.
func laneRoom(bits int) int {
	if bits == 8 {
		return 0
	}
	return 32767 / (128 * (1<<bits - 1)) / 2
}

// pairRoom is the products of unsigned bytes that a half holds: the greatest code times
// the greatest input.
func pairRoom(bits int) int { return 65535 / (255 * (1<<bits - 1)) }
