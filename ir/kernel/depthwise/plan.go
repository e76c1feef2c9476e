// Package depthwise contains the family of convolutions with one channel in each group.
package depthwise

import (
	"errors"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
)

// Conv is the family.
var Conv = kernel.Family{
	Name: "conv_depthwise", Op: ir.Conv2D, Pools: true, Rows: true, Plan: kernel.Planner(plan), Read: read,
	Doc: "one channel a group: weights decoded to 16 bits, tap by tap, times inputs, four channels at a time; windows that stick out of the image are gathered",
}

// Plan is the bytes of the decoded weights and of one window in scratch.
type Plan struct {
	scratch int
	cycles  float64
}

func (Plan) Attrs() kernel.Attrs { return kernel.Attrs{} }
func (p Plan) Scratch() int      { return p.scratch }
func (p Plan) Cycles() float64   { return p.cycles }

// Instructions of an output's tap, without and with vectors.
const (
	perTap          = 2.7
	perVectorTap    = 1.1
	perVectorOutput = 5. // four sums requantized together
	// On RISC-V, without vectors.
	perScalarTap    = 5.6
	perScalarOutput = 11.
)

// plan serves layers that are padded with the zero point.
func plan(l kernel.Layer) (p Plan, ok bool) {
	in := l.Node.Args[0].Type.Shape[0]
	if !l.Scalar() || l.Groups() != in || l.Weight()[0] != in || !l.Narrow() || l.Node.Nums(ir.AttrPadValue) != nil || !slices.Equal(l.Node.Ints(ir.AttrDilation), []int{1, 1}) {
		return p, false
	}
	codes := l.Weight().Size()
	p.scratch = 2 * codes
	if slices.Max(l.Node.Ints(ir.AttrPad)) > 0 {
		p.scratch = halves(codes) + codes
	}
	p.cycles = l.Outputs() * (float64(l.Taps())*perTap + kernel.PerOutput)
	switch {
	case strings.HasPrefix(l.Target.ISA(), "riscv"):
		p.cycles = l.Outputs() * (float64(l.Taps())*perScalarTap + perScalarOutput)
	case l.Target.Vectors():
		p.cycles = l.Outputs() * (float64(l.Taps())*perVectorTap + perVectorOutput)
	}
	return p, true
}

func read(l kernel.Layer) (kernel.Plan, error) {
	p, ok := plan(l)
	if !ok {
		return nil, errors.New("the layer is not a depthwise convolution padded with its zero point")
	}
	return p, nil
}

// halves is the bytes of decoded weights; what lies after them is aligned.
func halves(codes int) int { return (2*codes + 7) / 8 * 8 }
