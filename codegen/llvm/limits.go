package llvm

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/dnnc/dnnc/ir/processor"
)

var (
	limitCall    = regexp.MustCompile(`@llvm\.([su])(min|max)\.i(8|16|32|64)\(`)
	limitDeclare = regexp.MustCompile(`(?m)^declare .*@llvm\.[su](min|max)\.i(8|16|32|64)\(.*\n`)
)

// withoutBranches has minimum, maximum and every choice by a comparison computed without
// branches on processors that cannot select, so that a network takes as many instructions
// for every input. It must follow opt, which makes minima and choices of any such formula.
// Signed numbers of 32 and 64 bits whose minimum is taken must have differences that fit, as
// all that kernels clamp have; others are widened.
func withoutBranches(ctx context.Context, tools Tools, text []byte, t *processor.Target) ([]byte, error) {
	if !t.NoSelect {
		return text, nil
	}
	chosen, definitions := choices(string(text), t.Arch == "thumb")
	if t.Arch == "riscv32" { // Thumb calls helpers
		var shifts string
		chosen, shifts = wideShifts(chosen)
		definitions += shifts
	}
	if !limitCall.MatchString(chosen) && definitions == "" {
		return text, nil
	}
	chosen = limitDeclare.ReplaceAllString(chosen, "")
	var b strings.Builder
	b.WriteString(limitCall.ReplaceAllString(chosen, "@dnnc.$1$2.i$3("))
	b.WriteString(definitions)
	for _, sign := range []string{"s", "u"} {
		for _, bits := range []int{8, 16, 32, 64} {
			for _, which := range []string{"min", "max"} {
				if name := fmt.Sprintf("@llvm.%s%s.i%d(", sign, which, bits); strings.Contains(chosen, name) {
					b.WriteString(limit(sign, which, bits))
				}
			}
		}
	}
	return tools.inline(ctx, []byte(b.String()), t)
}

var wideShift = regexp.MustCompile(`(?m)^(  %\S+ = )(shl|lshr|ashr)(?: exact| nuw| nsw)* i64 (\S+), (%[^,\s]+)(?:, !.*)?$`)

// wideShifts replaces shifts of 64 bits by a variable number, which LLVM computes by a branch where
// registers have 32, by calls of functions that compute them by masks, and gives these functions.
func wideShifts(text string) (replaced, definitions string) {
	replaced = wideShift.ReplaceAllString(text, "${1}call i64 @dnnc.${2}64(i64 $3, i64 $4)")
	for _, kind := range []string{"shl", "lshr", "ashr"} {
		if name := fmt.Sprintf("@dnnc.%s64(", kind); strings.Contains(replaced, name) {
			definitions += fmt.Sprintf("\ndefine internal i64 %si64 %%a, i64 %%wide) alwaysinline nounwind \"no-builtins\" {\n  %%n = trunc i64 %%wide to i32\n%s}\n", name, helpers[kind+"64"].body)
		}
	}
	return replaced, definitions
}

// limit is the definition of a minimum or a maximum.
func limit(sign, which string, bits int) string {
	wide := max(bits, 32)
	if sign == "u" {
		wide = 2 * wide
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\ndefine internal i%[1]d @dnnc.%[2]s%[3]s.i%[1]d(i%[1]d %%a, i%[1]d %%b) alwaysinline nounwind \"no-builtins\" {\n", bits, sign, which)
	x, y := "%a", "%b"
	if wide > bits {
		extend := map[string]string{"s": "sext", "u": "zext"}[sign]
		fmt.Fprintf(&b, "  %%x = %[1]s i%[2]d %%a to i%[3]d\n  %%y = %[1]s i%[2]d %%b to i%[3]d\n", extend, bits, wide)
		x, y = "%x", "%y"
	}
	// b-a where it is below zero, for the minimum; a-b for the maximum.
	from, take, op := y, x, "add"
	if which == "max" {
		from, take, op = x, y, "sub"
	}
	fmt.Fprintf(&b, "  %%d = sub i%[1]d %[2]s, %[3]s\n  %%s = ashr i%[1]d %%d, %[4]d\n  %%m = and i%[1]d %%d, %%s\n  %%r = %[5]s i%[1]d %[6]s, %%m\n", wide, from, take, wide-1, op, x)
	result := "%r"
	if wide > bits {
		fmt.Fprintf(&b, "  %%t = trunc i%d %%r to i%d\n", wide, bits)
		result = "%t"
	}
	fmt.Fprintf(&b, "  ret i%d %s\n}\n", bits, result)
	return b.String()
}
