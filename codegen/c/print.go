// Package c prints loop programs as one portable C99 file, for compilers that
// LLVM does not serve. All arithmetic is on unsigned integers of a stated width,
// so that nothing overflows in the sense of C; vectors are written out lane by
// lane; memory is read byte by byte, whatever the machine's byte order and
// alignment. Signed operations rely on two's complement and on an arithmetic
// right shift, which every C compiler in use has.
package c

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/loop"
)

// Print returns the C text of a program.
func Print(p *loop.Program) string {
	pr := &printer{cursors: map[*loop.Cursor]bool{}}
	pr.b.WriteString(prelude)
	pr.b.WriteString(instructions)
	for _, name := range givers(p) {
		pr.b.WriteString(Giver(name))
	}
	for _, g := range p.Globals {
		pr.global(g)
	}
	for _, f := range p.Funcs {
		pr.function(f)
	}
	return pr.b.String()
}

// Giver is the declaration of a structure of the caller's function and its context. Headers have
// the same one, and either may be included first.
func Giver(name string) string {
	guard := strings.ToUpper(name) + "_DECLARED"
	return fmt.Sprintf("#ifndef %s\n#define %[1]s\nstruct %s {\n  int (*next)(void *context, int8_t *row);\n  void *context;\n};\n#endif\n", guard, name)
}

// givers are the names of such structures in a program's interface.
func givers(p *loop.Program) (names []string) {
	for _, f := range p.Funcs {
		for _, r := range f.Params {
			if r.Giver != "" && !slices.Contains(names, r.Giver) {
				names = append(names, r.Giver)
			}
		}
	}
	return names
}

// prelude is the memory access and the signed operations.
const prelude = `#include <stdint.h>

#if defined(__GNUC__)
#define DNNC_UNUSED __attribute__((unused))
#define DNNC_SECTION(name) __attribute__((section(name)))
#else
#define DNNC_UNUSED
#define DNNC_SECTION(name)
#endif
#define DNNC_FN DNNC_UNUSED static

DNNC_FN uint8_t ld8(const uint8_t *p) { return *p; }
DNNC_FN uint16_t ld16(const uint8_t *p) { return (uint16_t)(p[0] | (unsigned)p[1] << 8); }
DNNC_FN uint32_t ld32(const uint8_t *p) { return ld16(p) | (uint32_t)ld16(p + 2) << 16; }
DNNC_FN uint64_t ld64(const uint8_t *p) { return ld32(p) | (uint64_t)ld32(p + 4) << 32; }
DNNC_FN void st8(uint8_t *p, uint8_t v) { *p = v; }
DNNC_FN void st16(uint8_t *p, uint16_t v) { p[0] = (uint8_t)v; p[1] = (uint8_t)(v >> 8); }
DNNC_FN void st32(uint8_t *p, uint32_t v) { st16(p, (uint16_t)v); st16(p + 2, (uint16_t)(v >> 16)); }
DNNC_FN void st64(uint8_t *p, uint64_t v) { st32(p, (uint32_t)v); st32(p + 4, (uint32_t)(v >> 32)); }
DNNC_FN uint8_t ashr8(uint8_t a, uint8_t n) { return (uint8_t)((int8_t)a >> n); }
DNNC_FN uint16_t ashr16(uint16_t a, uint16_t n) { return (uint16_t)((int16_t)a >> n); }
DNNC_FN uint32_t ashr32(uint32_t a, uint32_t n) { return (uint32_t)((int32_t)a >> n); }
DNNC_FN uint64_t ashr64(uint64_t a, uint64_t n) { return (uint64_t)((int64_t)a >> n); }
#define DNNC_ORDER(bits) \
  DNNC_FN uint##bits##_t smin##bits(uint##bits##_t a, uint##bits##_t b) { return (int##bits##_t)a < (int##bits##_t)b ? a : b; } \
  DNNC_FN uint##bits##_t smax##bits(uint##bits##_t a, uint##bits##_t b) { return (int##bits##_t)a > (int##bits##_t)b ? a : b; } \
  DNNC_FN uint##bits##_t sdiv##bits(uint##bits##_t a, uint##bits##_t b) { return (uint##bits##_t)((int##bits##_t)a / (int##bits##_t)b); } \
  DNNC_FN uint32_t slt##bits(uint##bits##_t a, uint##bits##_t b) { return (int##bits##_t)a < (int##bits##_t)b; }
#define DNNC_EXTEND(from, to) \
  DNNC_FN uint##to##_t sext##from##_##to(uint##from##_t a) { int##to##_t x = (int##from##_t)a; return (uint##to##_t)x; }
DNNC_EXTEND(8, 16)
DNNC_EXTEND(8, 32)
DNNC_EXTEND(8, 64)
DNNC_EXTEND(16, 32)
DNNC_EXTEND(16, 64)
DNNC_EXTEND(32, 64)
DNNC_ORDER(8)
DNNC_ORDER(16)
DNNC_ORDER(32)
DNNC_ORDER(64)
`

type printer struct {
	b       strings.Builder
	indent  int
	cursors map[*loop.Cursor]bool // declared
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(&p.b, "%*s%s\n", 2*p.indent, "", fmt.Sprintf(format, args...))
}

// perLine is the bytes of constant data on one line.
const perLine = 24

func (p *printer) global(g *loop.Global) {
	static := "static "
	if g.Exported {
		static = ""
		p.line("extern const uint8_t %s[%d];", g.Name, len(g.Data))
	}
	section := ""
	if g.Section != "" {
		section = fmt.Sprintf(" DNNC_SECTION(%q)", g.Section)
	}
	p.line("%sconst uint8_t %s[%d]%s = {", static, g.Name, max(1, len(g.Data)), section)
	for from := 0; from < len(g.Data); from += perLine {
		var s strings.Builder
		for _, v := range g.Data[from:min(from+perLine, len(g.Data))] {
			fmt.Fprintf(&s, "%d,", v)
		}
		p.line("  %s", s.String())
	}
	if len(g.Data) == 0 {
		p.line("  0")
	}
	p.line("};")
}

func typeName(t loop.Type) string { return fmt.Sprintf("uint%d_t", t.Bits) }

func (p *printer) function(f *loop.Func) {
	var params []string
	for _, v := range f.Ints {
		params = append(params, "int32_t arg_"+v.Name)
	}
	for _, r := range f.Params {
		q := ""
		if r.Constant {
			q = "const "
		}
		// The interface is typed: int8_t or int16_t for tensors, void for what the caller lends.
		switch {
		case r.Giver != "" && f.Local:
			params = append(params, "const struct "+r.Giver+" *"+ident(r.Name))
		case r.Giver != "":
			params = append(params, "const struct "+r.Giver+" *arg_"+ident(r.Name))
		case f.Local:
			params = append(params, q+"uint8_t *"+ident(r.Name))
		case r.Untyped:
			params = append(params, q+"void *arg_"+ident(r.Name))
		case r.Wide:
			params = append(params, q+"int16_t *arg_"+ident(r.Name))
		default:
			params = append(params, q+"int8_t *arg_"+ident(r.Name))
		}
	}
	if f.Threads {
		params = append(params, "void (*arg_parallel)(void *, int32_t, void (*)(void *, int32_t), void *)", "void *arg_context")
		p.trampolines(f.Body)
	}
	head := fmt.Sprintf("int %s(%s)", f.Name, strings.Join(params, ", "))
	switch {
	case f.Extern:
		p.line("extern %s;", head)
		return
	case f.Local:
		head = "static " + head
	default:
		p.line("%s;", head) // its header need not be included
	}
	p.line("%s {", head)
	p.indent++
	for _, v := range f.Ints {
		p.line("DNNC_UNUSED uint32_t %s = (uint32_t)arg_%s;", v.Name, v.Name)
	}
	for _, r := range f.Params {
		if !f.Local && r.Giver != "" {
			p.line("const struct %s *%s = arg_%[2]s;", r.Giver, ident(r.Name))
		} else if !f.Local {
			q := ""
			if r.Constant {
				q = "const "
			}
			p.line("%suint8_t *%s = (%suint8_t *)arg_%s;", q, ident(r.Name), q, ident(r.Name))
		}
		p.line("(void)%s;", ident(r.Name))
	}
	declared := map[*loop.Var]bool{}
	for _, v := range f.Ints {
		declared[v] = true
	}
	p.declare(f.Body, declared)
	p.body(f.Body)
	p.indent--
	p.line("}")
}

func ident(name string) string { return strings.ReplaceAll(name, ".", "_") }

// declare declares the variables that statements assign, at the function's head.
func (p *printer) declare(body []loop.Stmt, declared map[*loop.Var]bool) {
	variable := func(v *loop.Var) {
		switch {
		case declared[v]:
		case v.Type.Lanes == 1:
			p.line("DNNC_UNUSED %s %s;", typeName(v.Type), v.Name)
		default:
			p.line("DNNC_UNUSED %s %s[%d];", typeName(v.Type), v.Name, v.Type.Lanes)
		}
		declared[v] = true
	}
	for _, s := range body {
		switch s := s.(type) {
		case *loop.Assign:
			variable(s.Var)
		case *loop.Point:
			if !p.cursors[s.Cursor] {
				q := ""
				if s.Cursor.Constant {
					q = "const "
				}
				p.line("DNNC_UNUSED %suint8_t *%s;", q, s.Cursor.Name)
			}
			p.cursors[s.Cursor] = true
		case *loop.Call:
			if s.Result != nil {
				variable(s.Result)
			}
		case *loop.Ask:
			variable(s.Result)
		case *loop.For:
			variable(s.Var)
			p.declare(s.Body, declared)
		case *loop.If:
			if !neverHolds(s.Cond) {
				p.declare(s.Then, declared)
			}
			p.declare(s.Else, declared)
		case *loop.Written:
			p.declare(s.Body, declared)
		}
	}
}

// neverHolds reports whether a condition is 0 in C: memory is read byte by byte, aligned or not.
func neverHolds(cond loop.Expr) bool {
	_, ok := cond.(*loop.Aligned)
	return ok
}

func (p *printer) block(body []loop.Stmt) {
	p.indent++
	p.body(body)
	p.indent--
}

func (p *printer) body(body []loop.Stmt) {
	for _, s := range body {
		switch s := s.(type) {
		case *loop.Assign:
			p.assign(s)
		case *loop.Store:
			t := s.Value.Type()
			for lane := range t.Lanes {
				if at := loop.Place(s.Places, lane, t.Bits); at >= 0 {
					p.line("st%d(%s, %s);", t.Bits, address(s.To, s.Offset, at), expr(s.Value, lane))
				}
			}
		case *loop.Point:
			p.line("%s = %s;", s.Cursor.Name, address(s.To, s.Offset, 0))
		case *loop.Fence:
		case *loop.For:
			p.line("for (%s = %s; slt32(%s, %s); %s += %du) {", s.Var.Name, expr(s.From, 0), s.Var.Name, expr(s.To, 0), s.Var.Name, s.Step)
			p.block(s.Body)
			p.line("}")
		case *loop.If:
			if neverHolds(s.Cond) {
				p.body(s.Else)
				continue
			}
			p.line("if (%s) {", expr(s.Cond, 0))
			p.block(s.Then)
			if len(s.Else) > 0 {
				p.line("} else {")
				p.block(s.Else)
			}
			p.line("}")
		case *loop.Call:
			var args []string
			for _, x := range s.Ints {
				args = append(args, "(int32_t)"+expr(x, 0))
			}
			for _, a := range s.Args {
				args = append(args, address(a.Region, loop.Int(a.Offset), 0))
			}
			if s.Result != nil {
				p.line("%s = (uint32_t)%s(%s);", s.Result.Name, s.Func.Name, strings.Join(args, ", "))
				continue
			}
			p.line("{ int status = %s(%s); if (status) return status; }", s.Func.Name, strings.Join(args, ", "))
		case *loop.Ask:
			giver := ident(s.Of.Name)
			p.line("%s = (uint32_t)%s->next(%[2]s->context, (int8_t *)(%s));", s.Result.Name, giver, address(s.To.Region, loop.Int(s.To.Offset), 0))
		case *loop.Parallel:
			p.parallel(s)
		case *loop.Return:
			p.line("return (int)%s;", expr(s.Value, 0))
		case *loop.Written:
			p.body(s.Body)
		default:
			panic(fmt.Sprintf("no statement: %T", s))
		}
	}
}

// trampolines prints what the caller's function calls for each Parallel of some statements: a
// function that takes the pointers of the call from a list of them.
func (p *printer) trampolines(body []loop.Stmt) {
	for _, s := range body {
		s, ok := s.(*loop.Parallel)
		if !ok {
			continue
		}
		p.line("static void %s(void *work, int32_t number) {", trampoline(s))
		args := []string{"number"}
		for i := range s.Call.Args {
			args = append(args, fmt.Sprintf("((uint8_t **)work)[%d]", i))
		}
		p.line("  (void)%s(%s);", s.Call.Func.Name, strings.Join(args, ", "))
		p.line("}")
	}
}

func trampoline(s *loop.Parallel) string { return s.Call.Func.Name + "_thread" }

func (p *printer) parallel(s *loop.Parallel) {
	var args []string
	for _, a := range s.Call.Args {
		args = append(args, "(uint8_t *)"+paren(address(a.Region, loop.Int(a.Offset), 0)))
	}
	p.line("{")
	p.line("  uint8_t *work[] = {%s};", strings.Join(args, ", "))
	p.line("  int32_t number;")
	p.line("  if (arg_parallel) arg_parallel(arg_context, %d, %s, work);", s.Count, trampoline(s))
	p.line("  else for (number = 0; number < %d; number++) %s(work, number);", s.Count, trampoline(s))
	p.line("}")
}

// assign writes all lanes; by way of a copy where the value reads other lanes
// of the variable itself.
func (p *printer) assign(s *loop.Assign) {
	if s.Var.Type.Lanes == 1 {
		p.line("%s = %s;", s.Var.Name, expr(s.Value, 0))
		return
	}
	if permutes(s.Value, s.Var, false) {
		p.line("{ %s next[%d];", typeName(s.Var.Type), s.Var.Type.Lanes)
		for lane := range s.Var.Type.Lanes {
			p.line("  next[%d] = %s;", lane, expr(s.Value, lane))
		}
		for lane := range s.Var.Type.Lanes {
			p.line("  %s[%d] = next[%d];", s.Var.Name, lane, lane)
		}
		p.line("}")
		return
	}
	for lane := range s.Var.Type.Lanes {
		p.line("%s[%d] = %s;", s.Var.Name, lane, expr(s.Value, lane))
	}
}

// permutes reports whether e reads v in other lanes than the one it computes.
func permutes(e loop.Expr, v *loop.Var, moved bool) bool {
	switch e := e.(type) {
	case *loop.Read:
		return moved && e.Var == v
	case *loop.Load:
		return permutes(e.Offset, v, true)
	case *loop.Cast:
		return permutes(e.A, v, moved)
	case *loop.Bin:
		return permutes(e.A, v, moved) || permutes(e.B, v, moved)
	case *loop.Splat:
		return permutes(e.A, v, true)
	case *loop.Extract:
		return permutes(e.A, v, true)
	case *loop.Shuffle:
		return permutes(e.A, v, true)
	case *loop.Named:
		for _, a := range e.Args {
			if permutes(a, v, true) {
				return true
			}
		}
	}
	return false
}

func address(r loop.Region, offset loop.Expr, more int) string {
	name := ""
	switch r := r.(type) {
	case *loop.Param:
		name = ident(r.Name)
	case *loop.Global:
		name = r.Name
	case *loop.Cursor:
		name = r.Name
	}
	if c, ok := offset.(*loop.Const); ok {
		if c.Value+int64(more) == 0 {
			return name
		}
		return fmt.Sprintf("%s + %d", name, c.Value+int64(more))
	}
	at := fmt.Sprintf("%s + (int32_t)%s", name, expr(offset, 0))
	if more != 0 {
		at += fmt.Sprintf(" + %d", more)
	}
	return at
}

func number(t loop.Type, v int64) string {
	u := uint64(v)
	if t.Bits < 64 {
		u &= 1<<t.Bits - 1
	}
	switch t.Bits {
	case 64:
		return fmt.Sprintf("UINT64_C(%d)", u)
	case 32:
		return fmt.Sprintf("UINT32_C(%d)", u)
	}
	return fmt.Sprintf("(%s)%d", typeName(t), u)
}

// expr is one lane of an expression: a value of exactly its unsigned type.
func expr(e loop.Expr, lane int) string {
	t := e.Type()
	switch e := e.(type) {
	case *loop.Const:
		return number(t, e.Value)
	case *loop.Lanes:
		return number(t, e.Values[lane])
	case *loop.Read:
		if t.Lanes == 1 {
			return e.Var.Name
		}
		return fmt.Sprintf("%s[%d]", e.Var.Name, lane)
	case *loop.Load:
		at := loop.Place(e.Places, lane, t.Bits)
		if at < 0 {
			return number(t, 0)
		}
		return fmt.Sprintf("ld%d(%s)", t.Bits, address(e.From, e.Offset, at))
	case *loop.Address:
		return fmt.Sprintf("(uint64_t)(uintptr_t)%s", paren(address(e.Of, loop.Int(0), 0)))
	case *loop.Aligned:
		return "0u" // as neverHolds says
	case *loop.Cast:
		if e.Op == loop.SExt {
			return fmt.Sprintf("sext%d_%d(%s)", e.A.Type().Bits, t.Bits, expr(e.A, lane))
		}
		return fmt.Sprintf("(%s)%s", typeName(t), paren(expr(e.A, lane)))
	case *loop.Splat:
		return expr(e.A, 0)
	case *loop.Extract:
		return expr(e.A, e.Lane)
	case *loop.Shuffle:
		return expr(e.A, e.Mask[lane])
	case *loop.Named:
		return named(e, lane)
	case *loop.Bin:
		return binary(e, lane)
	}
	panic(fmt.Sprintf("no expression: %T", e))
}

func paren(s string) string { return "(" + s + ")" }

var infix = map[loop.BinOp]string{
	loop.Add: "+", loop.Sub: "-", loop.Mul: "*", loop.And: "&", loop.Or: "|", loop.Xor: "^", loop.Shl: "<<", loop.LShr: ">>", loop.UDiv: "/", loop.Eq: "==", loop.ULt: "<",
}

var call = map[loop.BinOp]string{
	loop.AShr: "ashr", loop.SMin: "smin", loop.SMax: "smax", loop.SDiv: "sdiv", loop.SLt: "slt",
}

func binary(e *loop.Bin, lane int) string {
	a, b, t := expr(e.A, lane), expr(e.B, lane), e.A.Type()
	if name, ok := call[e.Op]; ok {
		return fmt.Sprintf("%s%d(%s, %s)", name, t.Bits, a, b)
	}
	op := infix[e.Op]
	switch {
	case e.Op == loop.Eq || e.Op == loop.ULt:
		return fmt.Sprintf("(uint32_t)(%s %s %s)", a, op, b)
	case t.Bits >= 32:
		return fmt.Sprintf("(%s %s %s)", a, op, b)
	case e.Op == loop.Shl || e.Op == loop.LShr:
		return fmt.Sprintf("(%s)((uint32_t)%s %s %s)", typeName(t), a, op, b)
	}
	// Narrow operands would be promoted to int, whose products overflow.
	return fmt.Sprintf("(%s)((uint32_t)%s %s (uint32_t)%s)", typeName(t), a, op, b)
}
