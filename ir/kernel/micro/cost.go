package micro

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// rest is the instructions of one code of a row that no word holds; decode those
// of a vector of codes that is decoded to scratch, decodeRest of such a code alone,
// decodeTogether of one of a word of codes, which rows of decodedWord of them fill.
const (
	rest           = 7
	restWord       = 3.  // of nested codes, of which fewer are loaded
	restOfPair     = 5.7 // of a product of pairs, and as much for each pixel
	restAlone      = 3.  // of those of halves, which are one
	restWindow     = 6.  // of those that are loaded together
	restLoop       = 3.  // more of each of these where they are a loop, which computes the place of each input
	restPlace      = 5.
	perTwinSum     = 3. // a sum of the first of two channels that is taken off that of both
	decode         = 8
	decodeRest     = 20
	decodeTogether = 5
	decodedWord    = 16

	decodeByVectors = .5 // a code of a row that no word holds, where vectors decode those of all rows
)

const perScalarSum = 1.5 // an output of four, whose sums become a vector

// cycles estimates the instructions of one pixel of a tile, and one output channel,
// of a layer of some pixels; 0 where there are no pixels, and columns serve once.
func (m *Product) cycles(e ir.Elem, k, pixels, channels, all int) float64 {
	sum := m.Start / float64(channels)
	if m.Output > 0 {
		sum = m.Output + (m.Channel+sum)/float64(pixels)
	}
	planes := m.PlanesOf(e)
	if m.Decodes {
		for _, p := range planes {
			l := m.Layout(p, k, channels)
			once := m.Decode * float64(k)
			switch {
			case m.Together: // all planes
				once = 0
			case m.Decode == 0:
				once = float64(decode*l.Groups*l.Steps + decodeRest*l.Rest)
			case m.Carried && channels == 1: // to halves
				once *= 2
			case k%decodedWord == 0 && !m.Carried:
				once = decodeTogether * float64(k)
			}
			sum += once / float64(max(1, all))
		}
		if m.Together {
			sum += emit.WordCycles(k, len(planes)) / float64(max(1, all))
		}
		switch planes = []int{m.DecodedBits()}; {
		case !m.Carried:
			k = wholeInputs(m, k)
		case channels == 1:
			planes[0] = m.Field // halves
		}
	}
	for _, p := range planes {
		l := m.Layout(p, k, channels)
		unpack, product, rounds := m.Unpack, m.Product, m.Rounds(p)
		if p == 8 {
			unpack, product = m.Unpack8, max(m.Product, m.Product8)
		}
		if m.Decodes {
			if unpack = 0; m.Carried && channels > 1 {
				unpack = m.Unpack8
			}
			product, p = m.Product, m.Multiplied(e.CodeBits())
			if p == 8 {
				product = max(product, m.Product8)
			}
		}
		if m.NestedIn(l) {
			// A step after the first is masked; a word's highest field lies in its place.
			unpack = float64(l.Fields+l.Fields/l.Nest()-2) / float64(l.Fields)
			sum += 2 // taken apart
		}
		if m.stacksIn(l) {
			unpack = float64(l.Fields-1) / float64(l.Fields)
			sum += 1.5 // separated
		}
		if l.Twins {
			sum += .5 // separated
			rounds = max(1, min(l.twinRound(), l.Groups)) * l.Steps
		}
		units, px := float64(l.Units), float64(pixels)
		load, inputLoad := m.Load, m.InputLoad
		switch {
		case m.Feature == "dsp" && m.Write != nil && channels == 1: // which is not written out
			load, inputLoad = 1, 1
		case m.Carried && m.Input == 16:
			load, inputLoad = nestedTiles[[2]int{pixels, channels}].loads(pixels, channels/2)
		case l.Fields > 0 && m.stacksIn(l):
			load, inputLoad = stackedTiles[[2]int{pixels, channels}].loads(pixels, 1)
		}
		step := float64(l.Words)*load/float64(max(1, l.Steps)) + units*unpack + px*inputLoad + px*units*product
		step += m.Round / float64(rounds)
		if m.Strips && l.Groups*l.Steps > rounds {
			sum += perStripLoop / (px * float64(channels))
		}
		if room := m.Room(p); room > 0 {
			step += px * units * m.Flush / float64(room)
		}
		if l.Twins {
			step += px * units * perTwinSum / float64(rounds)
		}
		if m.pairsIn(l) {
			step -= px * units * product / 2
		}
		left := rest * float64(l.Rest*channels) * (1 + px/4)
		switch {
		case m.isThumb1():
			left *= 2
		case m.Across:
			left = restOfPair * float64(l.Rest*channels) * (1 + px)
		}
		switch {
		case m.Feature == "dsp" && !m.Across && l.Rest > 0 && p >= 8:
			left = restAlone + float64(l.Rest)*(px+float64(channels)*(1+px))
		case m.restWindows(p, l):
			left = restWindow + float64(l.Rest)*(px+float64(channels)*(1+px))
			if l.Rest > mostWritten {
				left += float64(l.Rest) * (restLoop + restPlace*px + float64(channels))
			}
		case m.nestsRest(l):
			left = float64(l.Words)*restWord + float64(l.Steps)*(px+units*unpack+px*units*product)
		case m.restVectors(l) > 0:
			n := m.restVectors(l)
			left = float64(n) * (units + px + px*units*(product+1))
			sum += decodeByVectors * float64(l.Rest) / float64(max(1, all))
		}
		sum += (step*float64(l.Steps*l.Groups) + left) / (px * float64(channels))
	}
	return sum
}

// isThumb1 reports whether a product is of a Cortex-M0 alone.
func (m *Product) isThumb1() bool { return slices.Equal(m.Arch, []string{"thumb1"}) }

// Instructions of columns.
const (
	perInput = 1.6 // an input that is written to a column
	// An input more of taps of no multiple of four: of halves, of bytes for vectors, of bytes for words; and of fours of
	// bytes that are written to vectors.
	perPairInput  = 1.3
	perAloneInput = 6.
	perByteInput  = 2.
	perFourInput  = 2.6
	// The inputs that lie in one piece, without and with a border of the image; more where they are an odd
	// number of halves.
	perRun       = 22.
	perPaddedRun = 38.
	perOddRun    = 12.
	// Less of a window of one row, of whose rows none is looked for, and of a run that is one round; more of each input
	// that is summed.
	perOneRow   = 45.
	perOneRound = 6.
	perByteRun  = 7. // more where each byte is written alone
	perSumInput = .5
	thumb1Run   = 1.75 // as many on a Cortex-M0
)

// columnCycles are those of the columns of all pixels, and of what surrounds them.
func (m *Product) columnCycles(l kernel.Layer, pixels int) float64 {
	switch {
	case m.reads(l.Node):
		return 0
	case m.Strips:
		return float64(l.Pixels()*l.Groups())*(perStripColumn+m.stripCycles(l)) + perStripPixel*float64(l.Pixels())
	}
	input, taps := perInput*float64(m.Input)/16, l.K()/l.Taps() // of a position of the window
	switch {
	case m.Column > 0:
		input = m.Column
	case m.Word == 16:
		input = 1. / 4
	}
	switch {
	case l.Target.ISA() == "thumb" && l.Node.Op == ir.Conv2D && m.Word < 16 && m.Input == 8 && taps > 1 && taps%4 > 0:
		input += perByteInput
	case l.Node.Op != ir.Conv2D || m.Feature == "" || taps%16 == 0 || m.Word < 16 && taps%4 == 0:
	case m.inPairs():
		input += perPairInput
	case m.copiesPieces(taps, pixels):
		input = perPiece*float64(pieces(taps))/float64(taps) + m.summedCycles(l)/float64(l.K())
	case taps%4 > 0:
		input += perAloneInput
	default:
		input += perFourInput
	}
	around := float64(l.Taps()) * kernel.PerTap
	if m.Word < 16 && l.Node.Op == ir.Conv2D {
		runs, each := float64(l.Taps()), perRun
		if l.Groups() == 1 && l.Node.Ints(ir.AttrDilation)[1] == 1 {
			runs = float64(l.Weight()[2])
			if slices.Max(l.Node.Ints(ir.AttrPad)) > 0 {
				each = perPaddedRun
			}
		}
		if l.Target.ISA() == "thumb1" {
			each *= thumb1Run
		}
		switch {
		case l.Target.ISA() == "thumb" && m.Input == 8 && taps > 1 && taps%4 > 0:
			each += perByteRun
		case !m.inPairs():
		case taps%2 > 0:
			each += perOddRun
		case taps%4 == 0 && float64(l.K())/runs <= 16:
			each -= perOneRound
		}
		around = runs * each
		if l.Target.ISA() == "thumb" && m.inPairs() && l.Weight()[2] == 1 {
			around -= perOneRow
		}
	}
	if m.inPairs() && !m.Decodes && l.Elem.Kind == ir.Odd {
		input += perSumInput
	}
	return float64(l.Pixels()*l.Groups())*(float64(l.K())*input+around) + kernel.PerPixel*float64(l.Pixels())
}

// besideCycles are those of the columns of a pixel that the tile and the product decide on, a share of each of its
// outputs: inputs that are written one by one, where with a tile of one pixel vectors copy them, and their sums.
func (m *Product) besideCycles(l kernel.Layer, pixels int) float64 {
	taps, sum := l.K()/l.Taps(), 0.
	switch {
	case l.Node.Op != ir.Conv2D || !m.copiesPieces(taps, 1):
		return 0
	case m.copiesPieces(taps, pixels):
		sum = m.summedCycles(l)
	case taps%4 > 0:
		sum = perAloneInput * float64(l.K())
	}
	return sum * float64(l.Groups()) / float64(l.Weight()[0])
}

// summedCycles are those of the sums of the inputs of a column, which vectors copy.
func (m *Product) summedCycles(l kernel.Layer) float64 {
	if !m.sums(l.Elem) {
		return 0
	}
	return perSummedTap * float64(l.Taps())
}

// pieces is the vectors and parts of vectors of so many bytes.
func pieces(bytes int) (n int) {
	emit.Pieces(bytes, func(int, loop.Type) { n++ })
	return n
}

// Instructions of a vector or a part of one that is copied to a column, and of the sum of the inputs of a tap.
const (
	perPiece     = 2.5
	perSummedTap = 12.
)

// perTurnedInput is the instructions more of a byte that is written among those of other pixels, alone.
const perTurnedInput = 5.

// turnedCycles are those of the bytes of all columns that are written alone among those of other pixels.
func (m *Product) turnedCycles(l kernel.Layer, pixels int) float64 {
	if l.Target.ISA() != "thumb" || l.Node.Op != ir.Conv2D || m.Word != 4 || m.Planar || m.Input != 8 || pixels == 1 || l.K()/l.Taps()%4 == 0 {
		return 0
	}
	return float64(l.Pixels()*l.Groups()*l.K()) * perTurnedInput
}

// Instructions of columns that strips are copied to, fitted to counts under the emulator: of a pixel, of a column, of a
// run of inputs, of a row of the window beside a border of the image or of a tap of it alone, of its sum, of a strip, of one that is
// summed, of one that becomes unsigned, and of the one that ends a run.
const (
	perStripPixel     = 20.
	perStripColumn    = 30.
	perStripRun       = 8.
	perPaddedStripRow = 30.
	perPaddedStripTap = 12.
	perSummedStripTap = 3.
	perStrip          = 2.5
	perSummedStrip    = 1.
	perShiftedStrip   = 1.
	perLastStrip      = 2.
)

// Instructions of the outputs of such products: of a sum that becomes no vector, of one that inputs are taken off, of an
// output channel alone more than of one of four, and of a tile whose products are a loop: its sums begin at 0, and what
// else is in registers is saved.
const (
	perLoneSum   = 11.
	perOffsetSum = 1.
	perRowAlone  = 12.
	perStripLoop = 14.
)

// stripFinish is the instructions of a sum that becomes a result, alone or one of four that become a vector.
func (m *Product) stripFinish(e ir.Elem, together bool) float64 {
	sum := perLoneSum
	if together {
		sum = perScalarSum
	}
	if m.sums(e) {
		sum += perOffsetSum
	}
	return sum
}

// sums reports whether sums take inputs off.
func (m *Product) sums(e ir.Elem) bool { return !m.Decodes && e.Kind != ir.I8 }

// stripCycles are those of the strips of a column.
func (m *Product) stripCycles(l kernel.Layer) float64 {
	each := perStrip
	if m.sums(l.Elem) {
		each += perSummedStrip
	}
	if m.Code.shift() != 0 {
		each += perShiftedStrip
	}
	strips := func(inputs int) float64 {
		sum := each * float64((inputs+stripBytes-1)/stripBytes)
		if inputs%stripBytes > 0 {
			sum += perLastStrip
		}
		return sum
	}
	if l.Node.Op != ir.Conv2D {
		return perStripRun + strips(l.K())
	}
	w := geometry.WindowOf(l.Node)
	in, rows, taps := w.InC/w.Groups, float64(w.KH), float64(w.KW)
	joined := w.Groups == 1 && (w.DilW == 1 || w.KW == 1)
	switch {
	case w.PadT+w.PadL+w.PadB+w.PadR > 0 && joined && m.joins(w.KW, in):
		return rows * (perPaddedStripRow + strips(w.KW*in))
	case w.PadT+w.PadL+w.PadB+w.PadR > 0 && joined:
		return rows * (perPaddedStripRow + taps*(strips(in)+perStripRun/2))
	case joined:
		return rows * (perStripRun + strips(w.KW*in))
	case w.PadT+w.PadL+w.PadB+w.PadR > 0 && m.sums(l.Elem): // of what is read, and of what is padded
		return rows * taps * (perPaddedStripTap + perSummedStripTap + strips(in))
	case w.PadT+w.PadL+w.PadB+w.PadR > 0:
		return rows * taps * (perPaddedStripTap + strips(in))
	}
	return rows * taps * (perStripRun + strips(in))
}
