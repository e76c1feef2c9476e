package llvm

import (
	"fmt"

	"github.com/llir/llvm/ir/constant"
	"github.com/llir/llvm/ir/types"
	"github.com/llir/llvm/ir/value"

	"github.com/dnnc/dnnc/ir/loop"
)

// RISC-V's vector instructions are intrinsics on vectors of unknown length. A vector of the loop
// language is the beginning of one whose registers hold it where they have 128 bits, the least that
// +v and +zvl128b promise; it is as long on every processor.

// scalableBits is the bits of a register that a unit of LLVM's vscale stands for.
const scalableBits = 64

// atLeast is the bits of the shortest register.
const atLeast = 128

// anyTail: lanes after the last one may change, as nothing reads them.
const anyTail = 3

// The rounding modes of vxrm.
const (
	roundUp   = 0 // to the nearest, ties up
	roundDown = 2
)

// unit is the lanes of a vector of unknown length in each unit that hold a vector of t.
func unit(t loop.Type) int { return max(1, t.Lanes*scalableBits/atLeast) }

// scalable is the type of vectors of unknown length that hold a vector of t.
func scalable(t loop.Type) *types.VectorType {
	v := types.NewVector(uint64(unit(t)), types.NewInt(uint64(t.Bits)))
	v.Scalable = true
	return v
}

// suffix is a type of unknown length in the name of an intrinsic.
func suffix(t loop.Type) string { return fmt.Sprintf("nxv%di%d", unit(t), t.Bits) }

// lengthen is a vector as the beginning of one of unknown length, shorten the beginning of one.
func (p *printer) lengthen(t loop.Type, x value.Value) value.Value {
	name := fmt.Sprintf("llvm.vector.insert.%s.v%di%d", suffix(t), t.Lanes, t.Bits)
	return p.own(name, scalable(t), []value.Value{constant.NewUndef(scalable(t)), x, constant.NewInt(types.I64, 0)})
}

func (p *printer) shorten(t loop.Type, x value.Value) value.Value {
	name := fmt.Sprintf("llvm.vector.extract.v%di%d.%s", t.Lanes, t.Bits, suffix(t))
	return p.own(name, typeOf(t), []value.Value{x, constant.NewInt(types.I64, 0)})
}

// word is the type of the processor's registers, of which lengths and modes are.
func (p *printer) word() *types.IntType {
	if p.target.Arch == "riscv32" {
		return types.I32
	}
	return types.I64
}

// scaled is an instruction that rounds: of two vectors of t.
func (p *printer) scaled(name string, t loop.Type, a, b value.Value, mode int64) value.Value {
	s := suffix(t)
	y := p.own(fmt.Sprintf("llvm.riscv.%s.%s.%[2]s.%s", name, s, p.word()), scalable(t), []value.Value{
		constant.NewUndef(scalable(t)), p.lengthen(t, a), p.lengthen(t, b), constant.NewInt(p.word(), mode), constant.NewInt(p.word(), int64(t.Lanes)),
	})
	return p.shorten(t, y)
}

// wmacc adds the products of bytes with a scalar of 16 bits to lanes of 32.
func (p *printer) wmacc(e *loop.Named, args []value.Value) value.Value {
	half := loop.I16.Vec(e.T.Lanes)
	codes := p.lengthen(half, p.block.NewSExt(args[0], typeOf(half)))

	name := fmt.Sprintf("llvm.riscv.vwmacc.%s.i16.%s.%s", suffix(e.T), suffix(half), p.word())
	y := p.own(name, scalable(e.T), []value.Value{
		p.lengthen(e.T, args[2]), args[1], codes, constant.NewInt(p.word(), int64(e.T.Lanes)), constant.NewInt(p.word(), anyTail),
	})
	return p.shorten(e.T, y)
}
