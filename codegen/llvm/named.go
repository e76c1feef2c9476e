package llvm

import (
	"fmt"
	"strings"

	"github.com/llir/llvm/ir"
	"github.com/llir/llvm/ir/constant"
	"github.com/llir/llvm/ir/enum"
	"github.com/llir/llvm/ir/types"
	"github.com/llir/llvm/ir/value"

	"github.com/dnnc/dnnc/ir/loop"
)

// intrinsics are LLVM's names of the loop language's instructions.
var intrinsics = map[string]string{
	"sxtb16":  "llvm.arm.sxtb16",
	"sxtab16": "llvm.arm.sxtab16",
	"smlad":   "llvm.arm.smlad",
	"smlabb":  "llvm.arm.smlabb",
	"smlatt":  "llvm.arm.smlatt",
	"ssub16":  "llvm.arm.ssub16",
	"usada8":  "llvm.arm.usada8",
}

// forms are the instructions that are more than an intrinsic.
var forms = map[string]func(p *printer, e *loop.Named, args []value.Value) value.Value{
	"opaque": func(p *printer, _ *loop.Named, args []value.Value) value.Value {
		call := p.opaque(args[0])
		call.Callee.(*ir.InlineAsm).SideEffect = true // so that it stays where it is used
		return call
	},
	"ror8": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		return p.intrinsic("llvm.fshr.i32", e.T, args[0], args[0], constant.NewInt(types.I32, 8))
	},
	"smax8": func(p *printer, _ *loop.Named, args []value.Value) value.Value { // by the flags of a difference
		t := types.NewPointer(types.NewFunc(types.I32, types.I32, types.I32))
		return p.block.NewCall(ir.NewInlineAsm(t, "ssub8 $0, $1, $2\nsel $0, $1, $2", "=&r,r,r,~{cc}"), args...)
	},
	// One instruction: of a constant in a loop, which LLVM keeps in a pair of registers, it would see no sign, and
	// multiply four halves.
	"smmul": func(p *printer, _ *loop.Named, args []value.Value) value.Value {
		if p.target.Arch == "riscv32" && p.target.Has("m") {
			return p.block.NewCall(ir.NewInlineAsm(types.NewPointer(types.NewFunc(types.I32, types.I32, types.I32)), "mulh $0, $1, $2", "=r,r,r"), args...)
		}
		product := p.block.NewMul(p.block.NewSExt(args[0], types.I64), p.block.NewSExt(args[1], types.I64))
		return p.block.NewTrunc(p.block.NewAShr(product, constant.NewInt(types.I64, 32)), types.I32)
	},
	"smmulr": func(p *printer, _ *loop.Named, args []value.Value) value.Value {
		product := p.block.NewMul(p.block.NewSExt(args[0], types.I64), p.block.NewSExt(args[1], types.I64))
		rounded := p.block.NewAdd(product, constant.NewInt(types.I64, 1<<31))
		return p.block.NewTrunc(p.block.NewAShr(rounded, constant.NewInt(types.I64, 32)), types.I32)
	},
	"ubfx": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		return p.ubfx(e.Args[0].(*loop.Const).Value, e.Args[1].(*loop.Const).Value, args[2])
	},
	"sum": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		return p.intrinsic("llvm.vector.reduce.add.v4i32", e.T, args[0])
	},
	"qdmulh": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		if p.target.Has("rvv") {
			return p.scaled("vsmul", e.T, args[0], args[1], roundDown)
		}
		return p.doubling("dmulh", e, args)
	},
	"qrdmulh": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		if p.target.Has("rvv") {
			return p.scaled("vsmul", e.T, args[0], args[1], roundUp)
		}
		return p.doubling("rdmulh", e, args)
	},
	"wmacc": func(p *printer, e *loop.Named, args []value.Value) value.Value { return p.wmacc(e, args) },
	"qshl": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		by := e.Args[0].(*loop.Const).Value
		if p.target.Has("rvv") { // what is too large comes near the limit: kernels bound it further
			x := p.binary(loop.SMax, args[1], number(e.T, func(int) int64 { return -1 << 31 >> by }))
			x = p.binary(loop.SMin, x, number(e.T, func(int) int64 { return (1<<31 - 1) >> by }))
			return p.block.NewShl(x, number(e.T, func(int) int64 { return by }))
		}
		if p.target.Arch == "thumb" {
			return p.intrinsic("llvm.arm.mve.vqshl.imm.v4i32", e.T, args[1], args[0], no)
		}
		name := map[string]string{"aarch64": "llvm.aarch64.neon.sqshl.v4i32", "arm": "llvm.arm.neon.vqshifts.v4i32"}[p.target.Arch]
		return p.intrinsic(name, e.T, args[1], number(e.T, func(int) int64 { return by }))
	},
	"qadd": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		return p.intrinsic(fmt.Sprintf("llvm.sadd.sat.v%di16", e.T.Lanes), e.T, args...)
	},
	"qxtn16": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		return p.narrowed(loop.I16.Vec(4), args)
	},
	"qxtn8": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		return p.narrowed(loop.I8.Vec(8), args)
	},
	"tbl64": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		return p.intrinsic("llvm.aarch64.neon.tbx4.v16i8", e.T, args[5], args[0], args[1], args[2], args[3], args[4])
	},
	"rshr": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		switch p.target.Arch {
		case "riscv32", "riscv64":
			by := p.block.NewSub(constant.NewZeroInitializer(typeOf(e.T)), args[1])
			return p.scaled("vssra", e.T, args[0], by, roundUp)
		case "aarch64":
			return p.intrinsic("llvm.aarch64.neon.srshl.v4i32", e.T, args...)
		case "thumb":
			// Not saturated, rounded, not unsigned.
			if _, same := e.Args[1].(*loop.Splat); same {
				by := p.block.NewExtractElement(args[1], no)
				return p.intrinsic("llvm.arm.mve.vshl.scalar.v4i32", e.T, args[0], by, no, yes, no)
			}
			return p.intrinsic("llvm.arm.mve.vshl.vector.v4i32.v4i32", e.T, args[0], args[1], no, yes, no)
		}
		return p.intrinsic("llvm.arm.neon.vrshifts.v4i32", e.T, args...)
	},
	"sums": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		pair := func(a, b value.Value) value.Value { // the sums of pairs of lanes
			if p.target.Arch == "aarch64" {
				return p.intrinsic("llvm.aarch64.neon.addp.v4i32", e.T, a, b)
			}
			half := func(x value.Value) value.Value {
				part := func(from int64) value.Value {
					return p.block.NewShuffleVector(x, constant.NewUndef(x.Type()), number(loop.I32.Vec(2), func(i int) int64 { return from + int64(i) }))
				}
				return p.intrinsic("llvm.arm.neon.vpadd.v2i32", loop.I32.Vec(2), part(0), part(2))
			}
			return p.block.NewShuffleVector(half(a), half(b), number(loop.I32.Vec(4), func(i int) int64 { return int64(i) }))
		}
		return pair(pair(args[0], args[1]), pair(args[2], args[3]))
	},
	"lanes": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		var v value.Value = constant.NewUndef(typeOf(e.T))
		for i, a := range args {
			v = p.block.NewInsertElement(v, a, constant.NewInt(types.I32, int64(i)))
		}
		return v
	},
	"zip": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		n := e.T.Lanes / 2
		mask := number(loop.I32.Vec(e.T.Lanes), func(i int) int64 { return int64(i/2 + i%2*n) })
		return p.block.NewShuffleVector(args[0], args[1], mask)
	},
	"zip2": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		n := e.T.Lanes / 2
		mask := number(loop.I32.Vec(e.T.Lanes), func(i int) int64 { return int64(i/4*2 + i%2 + i/2%2*n) })
		return p.block.NewShuffleVector(args[0], args[1], mask)
	},
	"sdotlane": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		x := p.spread(args[1], e.Args[1].Type(), e.Args[2].(*loop.Const).Value, 4)
		return p.intrinsic("llvm.aarch64.neon.sdot.v4i32.v16i8", e.T, args[3], args[0], p.block.NewBitCast(x, typeOf(loop.I8.Vec(16))))
	},
	"smmla": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		return p.intrinsic("llvm.aarch64.neon.smmla.v4i32.v16i8", e.T, args[2], args[0], args[1])
	},
	"lower": func(p *printer, e *loop.Named, args []value.Value) value.Value { return p.half(0, e, args) },
	"upper": func(p *printer, e *loop.Named, args []value.Value) value.Value { return p.half(1, e, args) },
	"mulllane": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		if p.target.Arch == "arm" {
			x := p.spread(args[1], e.Args[1].Type(), e.Args[2].(*loop.Const).Value, 4)
			return mull(p, e, []value.Value{args[0], p.block.NewBitCast(x, typeOf(loop.I8.Vec(8)))})
		}
		// Of codes that are the upper half of a register, the inputs are, too: LLVM then finds an
		// instruction for upper halves.
		x := p.spread(args[1], e.Args[1].Type(), e.Args[2].(*loop.Const).Value, 8)
		first := int64(0)
		if s, ok := e.Args[0].(*loop.Shuffle); ok && s.Mask[0] == 8 {
			first = 8
		}
		wide := p.block.NewBitCast(x, typeOf(loop.I8.Vec(16)))
		half := p.block.NewShuffleVector(wide, constant.NewUndef(wide.Type()), number(loop.I32.Vec(8), func(i int) int64 { return first + int64(i) }))
		return mull(p, e, []value.Value{args[0], half})
	},
	"tst": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		t := typeOf(e.T)
		bits := p.block.NewAnd(args[0], args[1])
		return p.block.NewSExt(p.block.NewICmp(enum.IPredNE, bits, constant.NewZeroInitializer(t)), t)
	},
	"tbl16": func(p *printer, _ *loop.Named, args []value.Value) value.Value {
		part := func(x value.Value, from int64) value.Value {
			mask := number(loop.I32.Vec(8), func(i int) int64 { return from + int64(i) })
			return p.block.NewShuffleVector(x, constant.NewUndef(x.Type()), mask)
		}
		bytes := func(table value.Value) value.Value {
			if p.target.Arch == "aarch64" {
				return p.intrinsic("llvm.aarch64.neon.tbl1.v8i8", loop.I8.Vec(8), table, args[2])
			}
			return p.intrinsic("llvm.arm.neon.vtbl2", loop.I8.Vec(8), part(table, 0), part(table, 8), args[2])
		}
		zip := number(loop.I32.Vec(16), func(i int) int64 { return int64(i/2 + i%2*8) })
		return p.block.NewBitCast(p.block.NewShuffleVector(bytes(args[0]), bytes(args[1]), zip), typeOf(loop.I16.Vec(8)))
	},
	"mull":    mull,
	"sdot":    dot,
	"udot":    dot,
	"mladav":  func(p *printer, e *loop.Named, args []value.Value) value.Value { return p.mladav(e, 0, args) },
	"mladavu": func(p *printer, e *loop.Named, args []value.Value) value.Value { return p.mladav(e, 1, args) },
	"addv":    func(p *printer, e *loop.Named, args []value.Value) value.Value { return p.addv(e, 0, args) },
	"addvu":   func(p *printer, e *loop.Named, args []value.Value) value.Value { return p.addv(e, 1, args) },
	"paddl": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		switch p.target.Arch {
		case "arm":
			return p.intrinsic("llvm.arm.neon.vpaddls.v8i16.v16i8", e.T, args[0])
		case "aarch64":
			return p.intrinsic("llvm.aarch64.neon.saddlp.v8i16.v16i8", e.T, args[0])
		}
		part := func(from int64) value.Value {
			mask := number(loop.I32.Vec(8), func(i int) int64 { return from + 2*int64(i) })
			return p.block.NewSExt(p.block.NewShuffleVector(args[0], constant.NewUndef(args[0].Type()), mask), typeOf(e.T))
		}
		return p.block.NewAdd(part(0), part(1))
	},
	"padal": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		switch p.target.Arch {
		case "arm":
			return p.intrinsic("llvm.arm.neon.vpadals.v4i32.v8i16", e.T, args[1], args[0])
		case "aarch64":
			return p.block.NewAdd(args[1], p.intrinsic("llvm.aarch64.neon.saddlp.v4i32.v8i16", e.T, args[0]))
		}
		ones := number(loop.I16.Vec(8), func(int) int64 { return 1 })
		return p.block.NewAdd(args[1], p.intrinsic("llvm.x86.sse2.pmadd.wd", e.T, args[0], ones))
	},
	"padalu": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		if p.target.Arch == "arm" {
			return p.intrinsic("llvm.arm.neon.vpadalu.v4i32.v8i16", e.T, args[1], args[0])
		}
		return p.block.NewAdd(args[1], p.intrinsic("llvm.aarch64.neon.uaddlp.v4i32.v8i16", e.T, args[0]))
	},
	"abal": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		name := "llvm.arm.neon.vabdu.v8i8"
		if p.target.Arch == "aarch64" {
			name = "llvm.aarch64.neon.uabd.v8i8"
		}
		distance := p.intrinsic(name, loop.I8.Vec(8), args[0], args[1])
		return p.block.NewAdd(args[2], p.block.NewZExt(distance, typeOf(e.T)))
	},
}

// Prints reports whether it knows a named instruction.
func Prints(name string) bool { return forms[name] != nil || intrinsics[name] != "" }

// named writes a named instruction.
func (p *printer) named(e *loop.Named, args []value.Value) value.Value {
	if form := forms[e.Name]; form != nil {
		return form(p, e, args)
	}
	return p.intrinsic(intrinsics[e.Name], e.T, args...)
}

// doubling is the upper half of twice a product, saturated.
func (p *printer) doubling(name string, e *loop.Named, args []value.Value) value.Value {
	prefix := map[string]string{"aarch64": "llvm.aarch64.neon.sq", "thumb": "llvm.arm.mve.vq", "arm": "llvm.arm.neon.vq"}[p.target.Arch]
	return p.intrinsic(prefix+name+".v4i32", e.T, args...)
}

// narrowed joins vectors, a power of two of them, whose lanes are saturated to those of part.
func (p *printer) narrowed(part loop.Type, args []value.Value) value.Value {
	one := func(x value.Value) value.Value {
		if p.target.Has("rvv") {
			t := loop.Type{Bits: 2 * part.Bits, Lanes: part.Lanes}
			x = p.binary(loop.SMax, x, number(t, func(int) int64 { return -1 << (part.Bits - 1) }))
			x = p.binary(loop.SMin, x, number(t, func(int) int64 { return 1<<(part.Bits-1) - 1 }))
			return p.block.NewTrunc(x, typeOf(part))
		}
		if p.target.Arch == "aarch64" {
			return p.intrinsic(fmt.Sprintf("llvm.aarch64.neon.sqxtn.v%di%d", part.Lanes, part.Bits), part, x)
		}
		return p.intrinsic(fmt.Sprintf("llvm.arm.neon.vqmovns.v%di%d", part.Lanes, part.Bits), part, x)
	}
	var join func(args []value.Value) value.Value
	join = func(args []value.Value) value.Value {
		if len(args) == 1 {
			return one(args[0])
		}
		n := len(args) / 2
		mask := number(loop.I32.Vec(len(args)*part.Lanes), func(i int) int64 { return int64(i) })
		return p.block.NewShuffleVector(join(args[:n]), join(args[n:]), mask)
	}
	return join(args)
}

// spread is one lane of a vector, or a scalar, in each of n lanes.
func (p *printer) spread(x value.Value, t loop.Type, lane int64, n int) value.Value {
	if t.Lanes == 1 {
		x, lane = p.block.NewInsertElement(constant.NewUndef(types.NewVector(uint64(n), typeOf(t))), x, constant.NewInt(types.I32, 0)), 0
	}
	return p.block.NewShuffleVector(x, constant.NewUndef(x.Type()), number(loop.I32.Vec(n), func(int) int64 { return lane }))
}

// half is the lower or upper half of two vectors, one after the other.
func (p *printer) half(upper int64, e *loop.Named, args []value.Value) value.Value {
	n := int64(e.T.Lanes / 2)
	mask := number(loop.I32.Vec(e.T.Lanes), func(i int) int64 { return int64(i)/n*2*n + int64(i)%n + upper*n })
	return p.block.NewShuffleVector(args[0], args[1], mask)
}

// mull multiplies signed bytes. Written as a product of extended bytes, LLVM extends codes, which
// it knows to be positive, the other way than inputs, and finds no instruction for both.
func mull(p *printer, e *loop.Named, args []value.Value) value.Value {
	switch p.target.Arch {
	case "arm":
		return p.intrinsic("llvm.arm.neon.vmulls.v8i16", e.T, args...)
	case "aarch64":
		return p.intrinsic("llvm.aarch64.neon.smull.v8i16", e.T, args...)
	}
	return p.block.NewMul(p.block.NewSExt(args[0], typeOf(e.T)), p.block.NewSExt(args[1], typeOf(e.T)))
}

// dot is AArch64's sdot and udot.
func dot(p *printer, e *loop.Named, args []value.Value) value.Value {
	return p.intrinsic("llvm.aarch64.neon."+e.Name+".v4i32.v16i8", e.T, args[2], args[0], args[1])
}

// mladav and addv are Helium's sums of lanes, of unsigned ones where it is 1.
func (p *printer) mladav(e *loop.Named, unsigned int64, args []value.Value) value.Value {
	no := constant.NewInt(types.I32, 0) // not subtracted, not exchanged
	return p.intrinsic("llvm.arm.mve.vmldava.v16i8", e.T, constant.NewInt(types.I32, unsigned), no, no, args[2], args[0], args[1])
}

func (p *printer) addv(e *loop.Named, unsigned int64, args []value.Value) value.Value {
	sum := p.intrinsic("llvm.arm.mve.addv.v16i8", e.T, args[0], constant.NewInt(types.I32, unsigned))
	return p.block.NewAdd(args[1], sum)
}

// ubfx is one instruction where there is one: left to itself, LLVM merges it with
// the shift of an address, which then takes two.
func (p *printer) ubfx(from, bits int64, x value.Value) value.Value {
	number := func(v int64) value.Value { return constant.NewInt(types.I32, v) }
	if p.target.Arch != "arm" && p.target.Arch != "thumb" || strings.HasPrefix(p.target.Triple, "thumbv6m") {
		return p.block.NewAnd(p.block.NewLShr(x, number(from)), number(1<<bits-1))
	}
	text := fmt.Sprintf("ubfx $0, $1, #%d, #%d", from, bits)
	return p.block.NewCall(ir.NewInlineAsm(types.NewPointer(types.NewFunc(types.I32, types.I32)), text, "=r,r"), x)
}

// opaque hides where a value comes from: no instruction that might give it.
func (p *printer) opaque(x value.Value) *ir.InstCall {
	return p.block.NewCall(ir.NewInlineAsm(types.NewPointer(types.NewFunc(x.Type(), x.Type())), "", "=r,0"), x)
}

// intrinsic calls one of LLVM's own functions.
func (p *printer) intrinsic(name string, result loop.Type, args ...value.Value) value.Value {
	return p.own(name, typeOf(result), args)
}

// procedure calls one that gives nothing.
func (p *printer) procedure(name string, args ...value.Value) { p.own(name, types.Void, args) }

func (p *printer) own(name string, result types.Type, args []value.Value) value.Value {
	f := p.outside[name]
	if f == nil {
		params := make([]*ir.Param, len(args))
		for i, a := range args {
			params[i] = ir.NewParam("", a.Type())
		}
		f = p.module.NewFunc(name, result, params...)
		p.outside[name] = f
	}
	return p.block.NewCall(f, args...)
}
