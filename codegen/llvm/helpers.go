package llvm

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/processor"
)

// helpers are the functions that LLVM calls on processors without an instruction
// for it, and that a C library would bring: an object has its own, as local
// symbols, so that it asks for none. The bodies use only what every processor
// does in place: 32-bit arithmetic (without multiplication in mul32), and the
// addition of pairs of words.
var helpers = map[string]struct {
	result, params string
	body           string
}{
	// Bit by bit, as long for every pair of numbers.
	"mul32": {"i32", "i32 %a, i32 %b", `entry:
  br label %head
head:
  %i = phi i32 [ 32, %entry ], [ %i2, %head ]
  %x = phi i32 [ %a, %entry ], [ %x2, %head ]
  %y = phi i32 [ %b, %entry ], [ %y2, %head ]
  %s = phi i32 [ 0, %entry ], [ %s2, %head ]
  %bit = and i32 %y, 1
  %mask = sub i32 0, %bit
  %add = and i32 %x, %mask
  %s2 = add i32 %s, %add
  %x2 = shl i32 %x, 1
  %y2 = lshr i32 %y, 1
  %i2 = sub i32 %i, 1
  %more = icmp ne i32 %i2, 0
  br i1 %more, label %head, label %end
end:
  ret i32 %s2
`},
	"mul64": {"i64", "i64 %a, i64 %b", `  %al = trunc i64 %a to i32
  %bl = trunc i64 %b to i32
  %as = lshr i64 %a, 32
  %bs = lshr i64 %b, 32
  %ah = trunc i64 %as to i32
  %bh = trunc i64 %bs to i32
  %a0 = and i32 %al, 65535
  %a1 = lshr i32 %al, 16
  %b0 = and i32 %bl, 65535
  %b1 = lshr i32 %bl, 16
  %p00 = mul i32 %a0, %b0
  %p01 = mul i32 %a0, %b1
  %p10 = mul i32 %a1, %b0
  %p11 = mul i32 %a1, %b1
  %c = lshr i32 %p00, 16
  %m1 = add i32 %p01, %c
  %m1l = and i32 %m1, 65535
  %m1h = lshr i32 %m1, 16
  %m2 = add i32 %p10, %m1l
  %m2h = lshr i32 %m2, 16
  %low0 = and i32 %p00, 65535
  %low1 = shl i32 %m2, 16
  %low = or i32 %low0, %low1
  %h0 = add i32 %p11, %m1h
  %h1 = add i32 %h0, %m2h
  %x0 = mul i32 %al, %bh
  %x1 = mul i32 %ah, %bl
  %h2 = add i32 %h1, %x0
  %h3 = add i32 %h2, %x1
  %lz = zext i32 %low to i64
  %hz = zext i32 %h3 to i64
  %hs = shl i64 %hz, 32
  %r = or i64 %lz, %hs
  ret i64 %r
`},
	"shl64": {"i64", "i64 %a, i32 %n", shift64(`  %far = shl i32 %l, %m
  %near = shl i32 %h, %m
  %rest = lshr i32 %l, 1
  %cross = lshr i32 %rest, %inv
  %join = or i32 %near, %cross
  %lshift = shl i32 %l, %m
  %lo = and i32 %lshift, %near32
  %hix = xor i32 %far, %join
  %him = and i32 %hix, %big
  %hi = xor i32 %him, %join
`)},
	"lshr64": {"i64", "i64 %a, i32 %n", shift64(`  %far = lshr i32 %h, %m
  %near = lshr i32 %l, %m
  %rest = shl i32 %h, 1
  %cross = shl i32 %rest, %inv
  %join = or i32 %near, %cross
  %hshift = lshr i32 %h, %m
  %lox = xor i32 %far, %join
  %lom = and i32 %lox, %big
  %lo = xor i32 %lom, %join
  %hi = and i32 %hshift, %near32
`)},
	"ashr64": {"i64", "i64 %a, i32 %n", shift64(`  %far = ashr i32 %h, %m
  %near = lshr i32 %l, %m
  %rest = shl i32 %h, 1
  %cross = shl i32 %rest, %inv
  %join = or i32 %near, %cross
  %hshift = ashr i32 %h, %m
  %sign = ashr i32 %h, 31
  %lox = xor i32 %far, %join
  %lom = and i32 %lox, %big
  %lo = xor i32 %lom, %join
  %hix = xor i32 %sign, %hshift
  %him = and i32 %hix, %big
  %hi = xor i32 %him, %hshift
`)},
	"udiv32": {"i32", "i32 %a, i32 %b", divide + "  ret i32 %q2\n"},
	"sdiv32": {"i32", "i32 %sa, i32 %sb", `sign:
  %ma = ashr i32 %sa, 31
  %mb = ashr i32 %sb, 31
  %xa = xor i32 %sa, %ma
  %xb = xor i32 %sb, %mb
  %a = sub i32 %xa, %ma
  %b = sub i32 %xb, %mb
  br label %entry
` + divide + `  %mq = xor i32 %ma, %mb
  %xq = xor i32 %q2, %mq
  %sq = sub i32 %xq, %mq
  ret i32 %sq
`},
}

// shift64 takes a pair of words apart, shifts by n of 0..63 and joins it again; %big is a mask.
func shift64(steps string) string {
	return `  %l = trunc i64 %a to i32
  %as = lshr i64 %a, 32
  %h = trunc i64 %as to i32
  %far32 = lshr i32 %n, 5
  %big = sub i32 0, %far32
  %near32 = xor i32 %big, -1
  %m = and i32 %n, 31
  %inv = xor i32 %m, 31
` + steps + `  %lz = zext i32 %lo to i64
  %hz = zext i32 %hi to i64
  %hs = shl i64 %hz, 32
  %r = or i64 %lz, %hs
  ret i64 %r
`
}

// divide finds a bit a round: %n are the bits of the dividend that are left, then those of the quotient. What remains is
// below the divisor, so twice that less a divisor of 31 bits has the sign of a borrow. One of 32 bits borrows in every
// round, as what remains before the last one has 31; it divides once where the dividend is no less.
const divide = `entry:
  br label %head
head:
  %i = phi i32 [ 32, %entry ], [ %i2, %head ]
  %n = phi i32 [ %a, %entry ], [ %n2, %head ]
  %r = phi i32 [ 0, %entry ], [ %r2, %head ]
  %top = lshr i32 %n, 31
  %r1 = shl i32 %r, 1
  %rt = or i32 %r1, %top
  %less = sub i32 %rt, %b
  %borrows = or i32 %less, %b
  %over = ashr i32 %borrows, 31
  %back = and i32 %b, %over
  %r2 = add i32 %less, %back
  %bit = add i32 %over, 1
  %n1 = shl i32 %n, 1
  %n2 = or i32 %n1, %bit
  %i2 = sub i32 %i, 1
  %more = icmp ne i32 %i2, 0
  br i1 %more, label %head, label %end
end:
  %least = sub i32 %a, %b
  %not = xor i32 %a, -1
  %alike = or i32 %not, %b
  %lower = and i32 %alike, %least
  %below = and i32 %not, %b
  %either = or i32 %below, %lower
  %once = xor i32 %either, -1
  %whole = and i32 %once, %b
  %one = lshr i32 %whole, 31
  %q2 = or i32 %n2, %one
`

// libcalls are the names by which LLVM calls them, and which helper each is.
var libcalls = map[string]string{
	"__aeabi_lmul": "mul64", "__aeabi_llsl": "shl64", "__aeabi_llsr": "lshr64", "__aeabi_lasr": "ashr64", "__aeabi_idiv": "sdiv32", "__aeabi_uidiv": "udiv32",
	"__mulsi3": "mul32", "__muldi3": "mul64", "__ashldi3": "shl64", "__lshrdi3": "lshr64", "__ashrdi3": "ashr64", "__divsi3": "sdiv32", "__udivsi3": "udiv32",
}

// Undefined lists the symbols that an object asks others for.
func Undefined(object []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	symbols, err := f.Symbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return nil, nil
	}
	var names []string
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF && s.Name != "" {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names, err
}

// missing lists the helpers that an object calls and does not have.
func missing(object []byte) ([]string, error) {
	names, err := Undefined(object)
	return slices.DeleteFunc(names, func(n string) bool { return libcalls[n] == "" }), err
}

// define appends helpers to a module's text, with the attributes of its functions.
func define(text string, t *processor.Target, names []string) string {
	var b strings.Builder
	b.WriteString(text)
	for _, name := range names {
		h := helpers[libcalls[name]]
		fmt.Fprintf(&b, "\ndefine internal %s @%s(%s) nounwind noinline \"no-builtins\" \"target-cpu\"=%q \"target-features\"=%q {\n%s}\n",
			h.result, name, h.params, t.CPU, t.Attributes(), h.body)
	}
	return b.String()
}
