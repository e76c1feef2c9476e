// Package depthwise contains the family of convolutions with one channel in each group.
package depthwise

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
)

// Conv is the family.
var Conv = kernel.Family{
	Name: "conv_depthwise", Op: ir.Conv2D, Pools: true, Rows: true, Wide: true, Plan: kernel.Planner(plan), Read: read,
	Doc: "one channel a group: weights decoded to 16 bits, tap by tap, times inputs, four channels at a time; windows that stick out of the image are gathered",
}

// Plan is the channels of a block, and what it takes in scratch: their decoded weights and one window of them.
type Plan struct {
	Block   int // of all channels, or of some whose weights are decoded anew for each row
	whole   bool
	scratch int
	cycles  float64
}

func (p Plan) Attrs() kernel.Attrs {
	if p.whole {
		return kernel.Attrs{}
	}
	return kernel.Attrs{Tile: []int{p.Block}}
}
func (p Plan) Scratch() int    { return p.scratch }
func (p Plan) Cycles() float64 { return p.cycles }

// Instructions of an output's tap, without and with vectors.
const (
	perTap          = 2.7
	perVectorTap    = 1.1
	perVectorOutput = 5. // four sums requantized together
	// On a processor without products of halves: a tap more where channels do not divide into fours.
	perUnevenTap = .7
	// On a Cortex-M0.
	perThumb1Tap    = 11.5
	perThumb1Output = 45.
	// On RISC-V without vectors: a tap, one that is gathered, an output, a pixel.
	perScalarTap      = 5.9
	perScalarGathered = 2.
	perScalarOutput   = 11.
	perScalarPixel    = 100.
	// Without vectors: a weight that is decoded; a tap of a channel that no four have; a tap of a window that is
	// gathered, and each word or byte of its inputs.
	perDecoded     = 5.
	perAloneTap    = 6.5
	perGatheredTap = 20.
	perWord        = 4.2
	perByte        = 3.1
	// On a PC, whose instructions of vectors do less.
	perPCTap    = 4.5
	perPCOutput = 13.
	perPCAlone  = 3.2
	perPCByte   = 6.3
)

// blocked is what the channels of a block, if it is not all of them, are a multiple of: their codes then
// fill whole rounds of the decoding.
const blocked = codesAtOnce

// plan is the cheapest plan of a layer: of all channels, or where those have no room of as many as do.
func plan(l kernel.Layer) (p Plan, ok bool) {
	p, ok = layout(l, 0)
	if !ok || l.Fits(p.scratch) {
		return p, ok
	}
	for _, block := range slices.Backward(kernel.Divisors(p.Block)) {
		if q, served := layout(l, block); served {
			if p = q; l.Fits(p.scratch) {
				break
			}
		}
	}
	return p, true
}

// layout serves layers that are padded with the zero point, by blocks of some channels; 0 is all of them.
func layout(l kernel.Layer, block int) (p Plan, ok bool) {
	in := l.Node.Args[0].Type.Shape[0]
	if !l.Scalar() || l.Groups() != in || l.Weight()[0] != in || !l.Narrow() || l.Node.Nums(ir.AttrPadValue) != nil || !slices.Equal(l.Node.Ints(ir.AttrDilation), []int{1, 1}) {
		return p, false
	}
	p.Block, p.whole = block, block == 0
	if p.whole {
		p.Block = in
	} else if l.Target.Vectors() || block >= in || in%block > 0 || block%blocked > 0 {
		return p, false
	}
	edges := slices.Max(l.Node.Ints(ir.AttrPad)) > 0
	codes := p.Block * l.Taps()
	p.scratch = 2 * codes
	each := 1 // bytes of an input
	if l.Node.Args[0].Type.IsWide() {
		each = 2
	}
	if edges {
		p.scratch = halves(codes) + codes*each
	}
	switch {
	case strings.HasPrefix(l.Target.ISA(), "riscv"):
		p.cycles = l.Outputs()*(float64(l.Taps())*perScalarTap+perScalarOutput) + float64(l.Pixels())*perScalarPixel
		if edges {
			p.cycles += float64(outside(l)*codes) * perScalarGathered
		}
	case l.Target.ISA() == "thumb1":
		p.cycles = l.Outputs() * (float64(l.Taps())*perThumb1Tap + perThumb1Output)
	case l.Target.Vectors() && !l.Node.IsWide():
		tap, output, alone := perVectorTap, perVectorOutput, perAloneTap
		if l.Target.ISA() == "x86_64" {
			tap, output, alone = perPCTap, perPCOutput, perPCAlone
		}
		fours, taps := float64(in/4*4)/float64(in), float64(l.Taps())
		p.cycles = l.Outputs()*(fours*(taps*tap+output)+(1-fours)*(taps*alone+kernel.PerOutput)) + perDecoded*float64(codes)
		if edges {
			p.cycles += float64(outside(l)) * gathering(l, in)
		}
	default:
		fours := float64(p.Block/4*4) / float64(p.Block)
		p.cycles = l.Outputs() * (float64(l.Taps())*(fours*perTap+(1-fours)*perAloneTap) + kernel.PerOutput)
		p.cycles += perDecoded * float64(codes)
		if p.Block%4 > 0 && !l.Target.Has("dsp") {
			p.cycles += l.Outputs() * float64(l.Taps()) * perUnevenTap
		}
		if p.whole && edges {
			p.cycles += float64(outside(l)) * gathering(l, in*each)
		}
	}
	if !p.whole {
		height, _ := l.Node.Pool()
		p.cycles += perDecoded * float64(l.Weight().Size()*l.Node.Out.Type.Shape[1]*height)
		if edges {
			p.cycles += float64(l.Pixels()*in/p.Block) * gathering(l, p.Block*each)
		}
	}
	return p, true
}

// gathering is the instructions of a window of some bytes a tap that is gathered.
func gathering(l kernel.Layer, bytes int) float64 {
	each := perByte
	if l.Target.ISA() == "x86_64" {
		each = perPCByte
	}
	inputs := float64(bytes) * each
	if bytes%4 == 0 {
		inputs = float64(bytes/4) * perWord
	}
	return float64(l.Taps()) * (perGatheredTap + inputs)
}

// outside is the number of pixels whose window crosses a border of the image.
func outside(l kernel.Layer) int {
	w := geometry.WindowOf(l.Node)
	inside := func(n, stride, pad, size, in int) (count int) {
		for o := range n {
			if at := o*stride - pad; at >= 0 && at+size <= in {
				count++
			}
		}
		return count
	}
	return w.OutH()*w.OutW() - inside(w.OutH(), w.StrideH, w.PadT, w.KH, w.InH)*inside(w.OutW(), w.StrideW, w.PadL, w.KW, w.InW)
}

// read restores the plan of a layer's attributes.
func read(l kernel.Layer) (kernel.Plan, error) {
	block := 0
	switch tile := l.Node.Ints(ir.AttrTile); {
	case len(tile) == 1 && tile[0] > 0:
		block = tile[0]
	case tile != nil:
		return nil, fmt.Errorf("no plan with tile %v", tile)
	}
	p, ok := layout(l, block)
	if !ok {
		return nil, errors.New("the layer is not a depthwise convolution padded with its zero point, or its channels do not divide into such blocks")
	}
	return p, nil
}

// halves is the bytes of decoded weights; what lies after them is aligned.
func halves(codes int) int { return (2*codes + 7) / 8 * 8 }
