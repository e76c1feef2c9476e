package bilinear_test

import (
	"math/rand/v2"
	"testing"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/bilinear"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
)

var expressions = []string{
	"bilinear(a, down: [0,0.25,2.125], across: [1.5,0,5,3.75,2])",
	"bilinear(a, down: [0,1,2,3,4,5], across: [0,0,5,5])",
	"bilinear(slice(a, start: [1,2,0], size: [3,1,6], step: [1,1,1]), down: [0,0,0], across: [4.9990234375,0.0009765625])",
	"bilinear(slice(a, start: [1,2,3], size: [1,2,1], step: [1,1,1]), down: [0.5,1,0.333], across: [0])",
}

func TestFamily(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&bilinear.Pixels}, expressions, "armv7em", "armv6m", "x86_64", "riscv32")
}

func TestWide(t *testing.T) {
	kerneltest.WideExpressions(t, []*kernel.Family{&bilinear.Pixels}, expressions, "armv7em", "x86_64")
}

// TestRandom: any sizes and places, of integers of both widths.
func TestRandom(t *testing.T) {
	kerneltest.Family(t, &bilinear.Pixels, 60, draw, "armv7em", "armv6m", "x86_64")
}

func draw(rng *rand.Rand) *ir.Module {
	elem, q := ir.Of(ir.I8), ir.Quant{Scale: .1, Zero: rng.IntN(256) - 128}
	if rng.IntN(2) == 0 {
		elem, q.Zero = ir.Of(ir.I16), 0
	}
	in := ir.Shape{1 + rng.IntN(5), 1 + rng.IntN(6), 1 + rng.IntN(6)}
	places := func(size int) []float64 {
		list := make([]float64, 1+rng.IntN(9))
		for i := range list {
			list[i] = float64(rng.IntN((size-1)*ir.PlaceParts+1)) / ir.PlaceParts
			if rng.IntN(3) == 0 { // ties
				list[i] = float64(rng.IntN(2*size-1)) / 2
			}
		}
		return list
	}
	x := &ir.Value{Name: "x", Type: ir.Type{Elem: elem, Shape: in, Quant: q}}
	n := &ir.Node{Op: ir.Bilinear, Args: []*ir.Value{x}}
	if rng.IntN(2) == 0 {
		n.Put(ir.AttrRound.Is(ir.RoundTFLite))
	}
	n.Put(ir.AttrDown.Is(places(in[1])), ir.AttrAcross.Is(places(in[2])))
	n.Out = &ir.Value{Name: "y", Def: n, Type: ir.Type{Elem: elem, Shape: ir.Shape{in[0], len(n.Nums(ir.AttrDown)), len(n.Nums(ir.AttrAcross))}, Quant: q}}
	return &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Outputs: []*ir.Value{n.Out}, Ops: []*ir.Node{n}}
}
