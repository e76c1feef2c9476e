package llvm

import (
	"fmt"
	"strings"

	"github.com/llir/llvm/ir"
	"github.com/llir/llvm/ir/constant"
	"github.com/llir/llvm/ir/enum"
	"github.com/llir/llvm/ir/types"
	"github.com/llir/llvm/ir/value"

	"github.com/dnnc/dnnc/codegen/loop"
)

// intrinsics are LLVM's names of the loop language's instructions.
var intrinsics = map[string]string{
	"sxtb16": "llvm.arm.sxtb16",
	"smlad":  "llvm.arm.smlad",
	"ssub16": "llvm.arm.ssub16",
	"usada8": "llvm.arm.usada8",
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
	"ubfx": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		return p.ubfx(e.Args[0].(*loop.Const).Value, e.Args[1].(*loop.Const).Value, args[2])
	},
	"sum": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		return p.intrinsic("llvm.vector.reduce.add.v4i32", e.T, args[0])
	},
	"tst": func(p *printer, e *loop.Named, args []value.Value) value.Value {
		t := typeOf(e.T)
		bits := p.block.NewAnd(args[0], args[1])
		return p.block.NewSExt(p.block.NewICmp(enum.IPredNE, bits, constant.NewZeroInitializer(t)), t)
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
	f := p.outside[name]
	if f == nil {
		params := make([]*ir.Param, len(args))
		for i, a := range args {
			params[i] = ir.NewParam("", a.Type())
		}
		f = p.module.NewFunc(name, typeOf(result), params...)
		p.outside[name] = f
	}
	return p.block.NewCall(f, args...)
}
