package llvm

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	comparison = regexp.MustCompile(`^  (%\S+) = icmp (?:samesign )?(\w+) i(\d+) ([^,]+), ([^,]+?)(?:, !.*)?$`)
	selection  = regexp.MustCompile(`^  (%\S+) = select i1 (%[^,]+), i(\d+) ([^,]+), i\d+ ([^,]+?)(?:, !.*)?$`)
	extension  = regexp.MustCompile(`^  (%\S+) = ([sz])ext i1 (%\S+) to i(\d+)(?:, !.*)?$`)
)

// choices replaces what makes a number of a comparison, which LLVM computes by branches on
// processors without conditional instructions, by calls of functions that compute it by
// arithmetic, and gives these functions. Comparisons that branches of the program depend on
// stay. Where the processor makes a number of a comparison in place (setcc), selections alone
// are replaced.
func choices(text string, noSetcc bool) (replaced, definitions string) {
	type compared struct {
		predicate string
		bits      int
		a, b      string
	}
	lines := strings.Split(text, "\n")
	known := map[string]compared{} // of one function
	made := map[string]string{}
	function := func(kind string, c compared, bits int) string {
		name := fmt.Sprintf("@dnnc.%s.%s.i%d.i%d", kind, c.predicate, c.bits, bits)
		if made[name] == "" {
			made[name] = choice(name, kind, c.predicate, c.bits, bits, noSetcc)
		}
		return name
	}
	isNumber := func(bits int) bool { return slices.Contains([]int{8, 16, 32, 64}, bits) }
	for i, line := range lines {
		if strings.HasPrefix(line, "define ") {
			clear(known)
			for _, l := range lines[i+1:] { // a loop may use what stands after it
				if l == "}" {
					break
				}
				if m := comparison.FindStringSubmatch(l); m != nil {
					if bits, err := strconv.Atoi(m[3]); err == nil && isNumber(bits) {
						known[m[1]] = compared{m[2], bits, m[4], m[5]}
					}
				}
			}
			continue
		}
		if m := selection.FindStringSubmatch(line); m != nil {
			c, is := known[m[2]]
			if bits, err := strconv.Atoi(m[3]); is && err == nil && isNumber(bits) {
				lines[i] = fmt.Sprintf("  %s = call i%d %s(i%d %s, i%d %s, i%d %s, i%d %s)", m[1], bits, function("select", c, bits), c.bits, c.a, c.bits, c.b, bits, m[4], bits, m[5])
			}
		} else if m := extension.FindStringSubmatch(line); m != nil && noSetcc {
			c, is := known[m[3]]
			if bits, err := strconv.Atoi(m[4]); is && err == nil && isNumber(bits) {
				lines[i] = fmt.Sprintf("  %s = call i%d %s(i%d %s, i%d %s)", m[1], bits, function(m[2]+"ext", c, bits), c.bits, c.a, c.bits, c.b)
			}
		}
	}
	names := make([]string, 0, len(made))
	for name := range made {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		definitions += made[name]
	}
	return strings.Join(lines, "\n"), definitions
}

// choice is the definition of a function that selects one of two numbers, or makes a number
// (sext, zext), by a comparison of two others.
func choice(name, kind, predicate string, compared, bits int, noSetcc bool) string {
	var b strings.Builder
	params := fmt.Sprintf("i%[1]d %%a, i%[1]d %%b", compared)
	if kind == "select" {
		params += fmt.Sprintf(", i%[1]d %%p, i%[1]d %%q", bits)
	}
	fmt.Fprintf(&b, "\ndefine internal i%d %s(%s) alwaysinline nounwind \"no-builtins\" {\n", bits, name, params)
	wide := compared
	if noSetcc {
		wide = mask(&b, predicate, compared)
	} else {
		fmt.Fprintf(&b, "  %%c = icmp %[1]s i%[2]d %%a, %%b\n  %%m = sext i1 %%c to i%[2]d\n", predicate, compared)
	}
	m := "%m"
	switch {
	case wide > bits:
		fmt.Fprintf(&b, "  %%mask = trunc i%d %%m to i%d\n", wide, bits)
		m = "%mask"
	case wide < bits:
		fmt.Fprintf(&b, "  %%mask = sext i%d %%m to i%d\n", wide, bits)
		m = "%mask"
	}
	switch kind {
	case "select":
		fmt.Fprintf(&b, "  %%u = xor i%[1]d %%p, %%q\n  %%v = and i%[1]d %%u, %[2]s\n  %%r = xor i%[1]d %%v, %%q\n  ret i%[1]d %%r\n}\n", bits, m)
	case "zext":
		fmt.Fprintf(&b, "  %%r = and i%[1]d %[2]s, 1\n  ret i%[1]d %%r\n}\n", bits, m)
	default:
		fmt.Fprintf(&b, "  ret i%d %s\n}\n", bits, m)
	}
	return b.String()
}

// mask writes what computes %m of a comparison of %a and %b: all ones where it holds, else 0.
// It returns the bits of %m.
func mask(b *strings.Builder, predicate string, bits int) (wide int) {
	sign, order := predicate[0], predicate[len(predicate)-2:]
	invert := order == "ge" || order == "le" || predicate == "ne"
	x, y := "%a", "%b"
	if order == "gt" || order == "le" { // a > b is b < a
		x, y = y, x
	}
	wide = max(bits, 32)
	isEquality := predicate == "eq" || predicate == "ne"
	if bits == 32 && !isEquality {
		wide = 64 // in which differences fit
	}
	line := func(format string, args ...any) {
		fmt.Fprintf(b, "  "+strings.ReplaceAll(format, "T", fmt.Sprintf("i%d", wide))+"\n", args...)
	}
	if wide > bits {
		extend := "zext"
		if sign == 's' {
			extend = "sext"
		}
		line("%%x = %s i%d %s to T", extend, bits, x)
		line("%%y = %s i%d %s to T", extend, bits, y)
		x, y = "%x", "%y"
	}
	switch {
	case isEquality: // x | -x is below 0 where x is not 0
		line("%%d = xor T %s, %s", x, y)
		line("%%n = sub T 0, %%d")
		line("%%s = or T %%d, %%n")
		invert = !invert
	case bits < 64:
		line("%%s = sub T %s, %s", x, y)
	default:
		line("%%d = sub T %s, %s", x, y)
		line("%%o = xor T %s, %s", x, y)
		if sign == 's' { // the sign of the difference, unless it overflows
			line("%%e = xor T %%d, %s", x)
			line("%%f = and T %%o, %%e")
			line("%%s = xor T %%d, %%f")
		} else { // the borrow
			line("%%i = xor T %s, -1", x)
			line("%%j = and T %%i, %s", y)
			line("%%k = xor T %%o, -1")
			line("%%l = and T %%k, %%d")
			line("%%s = or T %%j, %%l")
		}
	}
	result := "%m"
	if invert {
		result = "%h"
	}
	line("%s = ashr T %%s, %d", result, wide-1)
	if invert {
		line("%%m = xor T %%h, -1")
	}
	return wide
}
