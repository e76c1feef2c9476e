package c

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/loop"
)

// instructions are the named instructions of the loop language in portable C.
const instructions = `
DNNC_FN uint32_t dnnc_opaque(uint32_t a) { return a; }
DNNC_FN uint32_t dnnc_sxtb16(uint32_t a) { return (sext8_32((uint8_t)a) & 0xffffu) | sext8_32((uint8_t)(a >> 16)) << 16; }
DNNC_FN uint32_t dnnc_sxtab16(uint32_t a, uint32_t b) {
  return ((a + sext8_32((uint8_t)b)) & 0xffffu) | ((a >> 16) + sext8_32((uint8_t)(b >> 16))) << 16;
}
DNNC_FN uint32_t dnnc_smax8(uint32_t a, uint32_t b) {
  uint32_t v = 0;
  int i;
  for (i = 0; i < 32; i += 8) v |= (uint32_t)smax8((uint8_t)(a >> i), (uint8_t)(b >> i)) << i;
  return v;
}
DNNC_FN uint32_t dnnc_ror8(uint32_t a) { return a >> 8 | a << 24; }
DNNC_FN uint32_t dnnc_smlad(uint32_t a, uint32_t b, uint32_t sum) {
  return sum + sext16_32((uint16_t)a) * sext16_32((uint16_t)b) + ashr32(a, 16) * ashr32(b, 16);
}
DNNC_FN uint32_t dnnc_smlabb(uint32_t a, uint32_t b, uint32_t sum) { return sum + sext16_32((uint16_t)a) * sext16_32((uint16_t)b); }
DNNC_FN uint32_t dnnc_smlatt(uint32_t a, uint32_t b, uint32_t sum) { return sum + ashr32(a, 16) * ashr32(b, 16); }
DNNC_FN uint32_t dnnc_smmul(uint32_t a, uint32_t b) { return (uint32_t)ashr64(sext32_64(a) * sext32_64(b), 32); }
DNNC_FN uint32_t dnnc_smmulr(uint32_t a, uint32_t b) { return (uint32_t)ashr64(sext32_64(a) * sext32_64(b) + (UINT64_C(1) << 31), 32); }
DNNC_FN uint32_t dnnc_ssub16(uint32_t a, uint32_t b) { return ((a - b) & 0xffffu) | ((a & 0xffff0000u) - (b & 0xffff0000u)); }
DNNC_FN uint32_t dnnc_ubfx(uint32_t from, uint32_t bits, uint32_t a) { return a >> from & ((UINT32_C(1) << bits) - 1u); }
DNNC_FN uint32_t dnnc_qdmulh(uint32_t a, uint32_t b) {
  if (a == UINT32_C(0x80000000) && b == a) return UINT32_C(0x7fffffff);
  return (uint32_t)ashr64(sext32_64(a) * sext32_64(b), 31);
}
DNNC_FN uint32_t dnnc_qrdmulh(uint32_t a, uint32_t b) {
  if (a == UINT32_C(0x80000000) && b == a) return UINT32_C(0x7fffffff);
  return (uint32_t)ashr64(sext32_64(a) * sext32_64(b) + (UINT64_C(1) << 30), 31);
}
DNNC_FN uint32_t dnnc_rshr(uint32_t a, uint32_t by) {
  by = 0u - by;
  if (by == 0) return a;
  return (uint32_t)ashr64(sext32_64(a) + (UINT64_C(1) << (by - 1u)), by);
}
DNNC_FN uint32_t dnnc_qshl(uint32_t by, uint32_t a) {
  uint32_t y = a << by;
  if (ashr32(y, by) == a) return y;
  return a >> 31 ? UINT32_C(0x80000000) : UINT32_C(0x7fffffff);
}
DNNC_FN uint16_t dnnc_qxtn16(uint32_t a) {
  if (ashr32(a, 15) == ashr32(a, 31)) return (uint16_t)a;
  return a >> 31 ? 0x8000u : 0x7fffu;
}
DNNC_FN uint8_t dnnc_qxtn8(uint16_t a) {
  uint32_t x = sext16_32(a);
  if (ashr32(x, 7) == ashr32(x, 31)) return (uint8_t)x;
  return x >> 31 ? 0x80u : 0x7fu;
}
DNNC_FN uint16_t dnnc_qadd(uint16_t a, uint16_t b) { return dnnc_qxtn16(sext16_32(a) + sext16_32(b)); }
DNNC_FN uint16_t dnnc_absdiff8(uint8_t a, uint8_t b) { return (uint16_t)(a > b ? a - b : b - a); }
DNNC_FN uint32_t dnnc_usada8(uint32_t a, uint32_t b, uint32_t sum) {
  int i;
  for (i = 0; i < 32; i += 8) {
    uint32_t x = a >> i & 0xffu, y = b >> i & 0xffu;
    sum += x > y ? x - y : y - x;
  }
  return sum;
}
`

// onLanes is one lane of an instruction on vectors, of the arguments' lanes; ok is
// false for others.
func onLanes(name string, a []loop.Expr, i int) (text string, ok bool) {
	switch name {
	case "mull":
		return fmt.Sprintf("(uint16_t)(sext8_32(%s) * sext8_32(%s))", expr(a[0], i), expr(a[1], i)), true
	case "paddl":
		return fmt.Sprintf("(uint16_t)(sext8_32(%s) + sext8_32(%s))", expr(a[0], 2*i), expr(a[0], 2*i+1)), true
	case "padal":
		return pairOf(a, i, "sext16_32"), true
	case "padalu":
		return pairOf(a, i, "(uint32_t)"), true
	case "abal":
		return fmt.Sprintf("(uint16_t)(%s + dnnc_absdiff8(%s, %s))", expr(a[2], i), expr(a[0], i), expr(a[1], i)), true
	case "tst":
		return fmt.Sprintf("(uint8_t)(%s & %s ? 255 : 0)", expr(a[0], i), expr(a[1], i)), true
	case "tbl16":
		n := expr(a[2], i)
		return fmt.Sprintf("(uint16_t)(%s[%s] | (uint32_t)%s[%s] << 8)", a[0].(*loop.Read).Var.Name, n, a[1].(*loop.Read).Var.Name, n), true
	case "sdot", "udot":
		return products(name, a, i, 4), true
	case "mladav", "mladavu":
		return products(name, a, 0, a[0].Type().Lanes), true
	case "addv", "addvu":
		text := expr(a[1], 0)
		for i := range a[0].Type().Lanes {
			text += fmt.Sprintf(" + %s(%s)", wider[name], expr(a[0], i))
		}
		return "(" + text + ")", true
	case "qdmulh":
		return fmt.Sprintf("dnnc_qdmulh(%s, %s)", expr(a[0], i), expr(a[1], i)), true
	case "qshl":
		return fmt.Sprintf("dnnc_qshl(%s, %s)", expr(a[0], 0), expr(a[1], i)), true
	case "rshr":
		return fmt.Sprintf("dnnc_rshr(%s, %s)", expr(a[0], i), expr(a[1], i)), true
	case "qrdmulh", "qadd":
		return fmt.Sprintf("dnnc_%s(%s, %s)", name, expr(a[0], i), expr(a[1], i)), true
	case "qxtn16", "qxtn8":
		n := a[0].Type().Lanes
		return fmt.Sprintf("dnnc_%s(%s)", name, expr(a[i/n], i%n)), true
	case "tbl64":
		n := expr(a[4], i)
		part := func(j int) string { return fmt.Sprintf("%s[%s & 15]", a[j].(*loop.Read).Var.Name, n) }
		return fmt.Sprintf("(%[1]s < 16 ? %[2]s : %[1]s < 32 ? %[3]s : %[1]s < 48 ? %[4]s : %[1]s < 64 ? %[5]s : %[6]s)",
			n, part(0), part(1), part(2), part(3), expr(a[5], i)), true
	case "sdotlane":
		x := expr(a[1], int(a[2].(*loop.Const).Value))
		text := expr(a[3], i)
		for j := range 4 {
			text += fmt.Sprintf(" + sext8_32(%s) * sext8_32((uint8_t)(%s >> %d))", expr(a[0], 4*i+j), x, 8*j)
		}
		return "(" + text + ")", true
	case "mulllane":
		x := expr(a[1], int(a[2].(*loop.Const).Value))
		return fmt.Sprintf("(uint16_t)(sext8_32(%s) * sext8_32((uint8_t)(%s >> %d)))", expr(a[0], i), x, i%2*8), true
	case "wmacc":
		return fmt.Sprintf("(%s + sext8_32(%s) * sext16_32(%s))", expr(a[2], i), expr(a[0], i), expr(a[1], 0)), true
	case "smmla":
		text := expr(a[2], i)
		for j := range 8 {
			text += fmt.Sprintf(" + sext8_32(%s) * sext8_32(%s)", expr(a[0], i/2*8+j), expr(a[1], i%2*8+j))
		}
		return "(" + text + ")", true
	case "lower", "upper":
		half := a[0].Type().Lanes / 2
		from := 0
		if name == "upper" {
			from = half
		}
		return expr(a[i/half], from+i%half), true
	case "zip2":
		return expr(a[i/2%2], i/4*2+i%2), true
	case "zip":
		return expr(a[i%2], i/2), true
	case "lanes":
		return expr(a[i], 0), true
	case "sum":
		return total(a[0]), true
	case "sums":
		return total(a[i]), true
	}
	return "", false
}

// wider is what makes lanes of bytes 32 bits wide.
var wider = map[string]string{"mladav": "sext8_32", "addv": "sext8_32", "mladavu": "(uint32_t)", "sdot": "sext8_32", "udot": "(uint32_t)", "addvu": "(uint32_t)"}

// products is lane i of the sums that an instruction adds products to, n to each.
func products(name string, a []loop.Expr, i, n int) string {
	text := expr(a[2], i)
	for j := n * i; j < n*i+n; j++ {
		text += fmt.Sprintf(" + %[1]s(%[2]s) * %[1]s(%[3]s)", wider[name], expr(a[0], j), expr(a[1], j))
	}
	return "(" + text + ")"
}

// total is the sum of a vector's lanes.
func total(e loop.Expr) string {
	var terms []string
	for i := range e.Type().Lanes {
		terms = append(terms, expr(e, i))
	}
	return "(" + strings.Join(terms, " + ") + ")"
}

// vectors are the names that onLanes knows.
var vectors = []string{"sdot", "udot", "mladav", "mladavu", "addv", "addvu", "mull", "paddl", "padal", "padalu", "abal", "tst", "tbl16", "sum", "sums", "lanes", "qdmulh", "qrdmulh", "qshl", "rshr", "qadd", "qxtn16", "qxtn8", "tbl64", "zip", "zip2", "sdotlane", "smmla", "lower", "upper", "mulllane", "wmacc"}

func pairOf(a []loop.Expr, i int, widen string) string {
	return fmt.Sprintf("(%s + %s(%s) + %s(%s))", expr(a[1], i), widen, expr(a[0], 2*i), widen, expr(a[0], 2*i+1))
}

// Prints reports whether it knows a named instruction.
func Prints(name string) bool {
	return slices.Contains(vectors, name) || strings.Contains(instructions, " dnnc_"+name+"(")
}

// named is one lane of a named instruction.
func named(e *loop.Named, lane int) string {
	if text, ok := onLanes(e.Name, e.Args, lane); ok {
		return text
	}
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = expr(a, lane)
	}
	return fmt.Sprintf("dnnc_%s(%s)", e.Name, strings.Join(args, ", "))
}
