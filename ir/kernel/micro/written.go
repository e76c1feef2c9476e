package micro

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/loop"
)

// writing is the inner loop of a tile in the registers of a Cortex-M: LLVM loads registers
// one by one, and spills some of a tile that needs all.
type writing struct {
	inputsAt, codesAt string     // registers that point to the inputs and to the words
	sums              [][]string // of each pixel and channel
	spoiled           []string
	text              string
}

// written writes the products of some groups of words, so many in a round, in the registers
// of their tile. body writes the same in the loop language. It reports false where a tile of
// the layout has no writing.
func (k *micro) written(l Layout, w, x *loop.Cursor, groups int, acc [][]*loop.Var, body func()) bool {
	if k.m.Write == nil || k.m.Carried && !k.m.nestsIn(l) || k.m.Stacked && !k.m.stacksIn(l) || k.m.Twins && !l.Twins {
		return false
	}
	t, ok := k.m.Write(l, len(acc), len(acc[0]), groups*l.Steps, k.g.Unroll(k.m.Unroll8))
	if !ok {
		return false
	}
	s := loop.Written{Text: t.text, Spoiled: t.spoiled}
	s.Registers = []loop.Register{{Machine: t.inputsAt, Cursor: x}, {Machine: t.codesAt, Cursor: w}}
	for px, row := range acc {
		for c, v := range row {
			s.Registers = append(s.Registers, loop.Register{Machine: t.sums[px][c], Var: v})
		}
	}
	k.g.B.Written(s, body)
	return true
}

// regs are n registers from a number on.
func regs(from, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("r%d", from+i))
	}
	return list
}

// tileOf divides registers among the sums of a tile.
func tileOf(registers []string, pixels, channels int) [][]string {
	return slices.Collect(slices.Chunk(registers[:pixels*channels], channels))
}

// text is instructions.
type text struct{ strings.Builder }

func (b *text) line(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

// load writes loads of words, one after the other.
func (b *text) load(from string, to []string) {
	switch len(to) {
	case 1:
		b.line("ldr %s, [%s], #4", to[0], from)
	case 2:
		b.line("ldrd %s, %s, [%s], #8", to[0], to[1], from)
	default:
		b.line("ldm %s!, {%s}", from, strings.Join(to, ", "))
	}
}

// mostNear is the instructions of a round, of two bytes or of four, that a Cortex-M0 branches over under a condition.
const mostNear = 120

// loop writes some groups as rounds, then those left over. count sets a register to a number.
func (b *text) loop(groups, round int, counter string, count func(n int), some func(n int)) {
	rounds := groups / round
	if rounds > 1 {
		count(rounds)
		b.line(".Lround${:uid}:")
	}
	start := b.Len()
	if rounds > 0 {
		some(round)
	}
	if rounds > 1 {
		b.line("subs %[1]s, %[1]s, #1", counter)
		if strings.Count(b.String()[start:], "\n") > mostNear {
			b.line("beq .Lend${:uid}")
			b.line("b .Lround${:uid}")
			b.line(".Lend${:uid}:")
		} else {
			b.line("bne .Lround${:uid}")
		}
	}
	if left := groups % round; left > 0 {
		some(left)
	}
}

// smladCounter counts the rounds of products by smlad.
const smladCounter = "lr"

// smladWriting is the registers of a tile of products by smlad: those of the sums are numbered from sums on.
// spoiled are those of inputs and codes.
func smladWriting(pixels, channels, sums int, spoiled ...[]string) writing {
	return writing{inputsAt: "r0", codesAt: "r12", sums: tileOf(regs(sums, pixels*channels), pixels, channels),
		spoiled: append(slices.Concat(spoiled...), smladCounter)}
}

// mostStraight is the groups of words that are written without a loop.
const mostStraight = 12

// rounds is loop with smladCounter, or without a loop where the groups are few.
func (b *text) rounds(groups, round int, some func(n int)) {
	if groups <= mostStraight {
		round = groups
	}
	b.loop(groups, round, smladCounter, func(n int) { b.line("movw %s, #%d", smladCounter, n) }, some)
}

// nested is how a tile of nested products lies in registers: each input, each word of codes
// for two channels and each sum has one.
type nested struct {
	inputs, codes []string
	inputs2       int // groups of words whose inputs are loaded together
	codes2        int // groups of words that are loaded together
	sums          int // number of the first sum's register
}

// loads are the instructions of the load of a word of codes, and of a word of inputs of a pixel; a group has some words of codes.
func (t nested) loads(pixels, words int) (code, input float64) {
	return 1 / float64(t.codes2*words), 1 / float64(t.inputs2*pixels)
}

// nestedTiles are the tiles of pixels and channels.
var nestedTiles = map[[2]int]nested{
	{3, 2}: {regs(1, 3), regs(4, 2), 1, 2, 6},
	{2, 2}: {regs(1, 4), regs(5, 2), 2, 2, 7},
	{1, 4}: {regs(1, 2), regs(3, 4), 2, 2, 7},
	{1, 2}: {regs(1, 4), regs(5, 4), 4, 4, 9},
}

// writeNested writes the products of smlad_nested.
func writeNested(_ Layout, pixels, channels, groups, round int) (writing, bool) {
	return writeCarried(pixels, channels, groups, round, false)
}

// writeInPlace writes the products of smlad_in_place.
func writeInPlace(_ Layout, pixels, channels, groups, round int) (writing, bool) {
	return writeCarried(pixels, channels, groups, round, true)
}

// writeCarried writes products of halves with the codes of two channels. Inputs are halves, or
// bytes, which may lie at any address.
func writeCarried(pixels, channels, groups, round int, bytes bool) (w writing, ok bool) {
	t, ok := nestedTiles[[2]int{pixels, channels}]
	if !ok {
		return w, false
	}
	w = smladWriting(pixels, channels, t.sums, t.inputs, t.codes)
	var b text
	words := channels / 2
	some := func(n int) {
		for i := range n {
			at := i % t.codes2
			if at == 0 {
				b.load(w.codesAt, t.codes[:min(t.codes2, n-i)*words])
			}
			first := i % t.inputs2
			if first == 0 {
				inputs := t.inputs[:min(t.inputs2, n-i)*pixels]
				if !bytes {
					b.load(w.inputsAt, inputs)
					inputs = nil
				}
				for pair := range slices.Chunk(inputs, 2) {
					b.line("ldr %s, [%s], #4", pair[1], w.inputsAt)
					b.line("sxtb16 %s, %s", pair[0], pair[1])
					b.line("sxtb16 %[1]s, %[1]s, ror #8", pair[1])
				}
			}
			for u, q := range t.codes[at*words : (at+1)*words] {
				products := func(c int) {
					for px, x := range t.inputs[first*pixels : (first+1)*pixels] {
						b.line("smlad %[1]s, %[2]s, %[3]s, %[1]s", w.sums[px][c], q, x)
					}
				}
				products(2*u + 1)
				b.line("sxtb16 %[1]s, %[1]s", q)
				products(2 * u)
			}
		}
	}
	b.rounds(groups, max(round, t.codes2), some)
	w.text = b.String()
	return w, true
}

// stackedTiles are the tiles of stacked channels: each word has the codes of all of them.
var stackedTiles = map[[2]int]nested{
	{2, 4}: {regs(1, 2), regs(3, 1), 1, 1, 4},
	{1, 4}: {regs(1, 2), regs(3, 4), 2, 4, 7},
	{1, 8}: {regs(1, 1), regs(2, 2), 1, 2, 4},
}

// writeStacked writes the products of smlad_stacked: those of words as they lie, then without the codes of
// the last channel, and so on.
func writeStacked(_ Layout, pixels, channels, groups, round int) (w writing, ok bool) {
	t, ok := stackedTiles[[2]int{pixels, channels}]
	if !ok {
		return w, false
	}
	w = smladWriting(pixels, channels, t.sums, t.inputs, t.codes)
	var b text
	bits := 16 / channels
	some := func(n int) {
		for i := range n {
			if i%t.codes2 == 0 {
				b.load(w.codesAt, t.codes[:min(t.codes2, n-i)])
			}
			first := i % t.inputs2
			if first == 0 {
				b.load(w.inputsAt, t.inputs[:min(t.inputs2, n-i)*pixels])
			}
			q := t.codes[i%t.codes2]
			for c := channels - 1; c >= 0; c-- {
				if c < channels-1 {
					b.line("bic %[1]s, %[1]s, #%[2]d", q, (1<<bits-1)<<((c+1)*bits)*0x10001)
				}
				for px, x := range t.inputs[first*pixels : (first+1)*pixels] {
					b.line("smlad %[1]s, %[2]s, %[3]s, %[1]s", w.sums[px][c], q, x)
				}
			}
		}
	}
	b.rounds(groups, max(round, t.codes2), some)
	w.text = b.String()
	return w, true
}

// twinInputs are the registers of the inputs of tiles of twins: of so many steps.
var twinInputs = map[[2]int]int{{2, 2}: 2, {1, 4}: 4, {1, 2}: 4}

// writeTwins writes the products of smlad_twins, which serve two channels each. After each round the sums of the
// first ones are taken off.
func writeTwins(l Layout, pixels, channels, steps, round int) (w writing, ok bool) {
	together, ok := twinInputs[[2]int{pixels, channels}]
	if !ok {
		return w, false
	}
	const word, own, mask = "r5", "r6", "r7"
	inputs, bits := regs(1, together*pixels), 8/l.Fields
	w = smladWriting(pixels, channels, 8, inputs, []string{word, own, mask})
	var b text
	half := 1<<bits - 1
	half |= half << twinShift
	b.line("movw %s, #%d", mask, half)
	b.line("movt %s, #%d", mask, half)
	some := func(n int) {
		for f := range n * l.Words * l.Fields {
			unit, step := f%l.Units, f/l.Units
			if unit == 0 && step%together == 0 {
				b.load(w.inputsAt, inputs[:min(together, n*l.Steps-step)*pixels])
			}
			if f%l.Fields == 0 {
				b.load(w.codesAt, []string{word})
			}
			b.line("and %s, %s, %s, ror #%d", own, mask, word, twinTurn(bits, f%l.Fields))
			for px, x := range inputs[step%together*pixels:][:pixels] {
				b.line("smlad %[1]s, %[2]s, %[3]s, %[1]s", w.sums[px][2*unit+1], own, x)
			}
		}
		for _, sums := range w.sums {
			for c := 0; c < channels; c += 2 {
				b.line("sbfx %s, %s, #0, #%d", own, sums[c+1], twinShift)
				b.line("add %[1]s, %[1]s, %[2]s", sums[c], own)
				b.line("sub %[1]s, %[1]s, %[2]s", sums[c+1], own)
			}
		}
	}
	b.loop(steps/l.Steps, max(1, min(round/l.Steps, l.twinRound())), smladCounter, func(n int) { b.line("movw %s, #%d", smladCounter, n) }, some)
	w.text = b.String()
	return w, true
}

// halves is how a tile of products of halves lies in registers: each input, each word of codes for two
// channels and each sum has one, and the codes of one channel.
type halves struct {
	inputs, codes []string
	together      int // groups of words that are loaded together, with their inputs
	own           string
	sums          int // number of the first sum's register
}

// halvesTiles are the tiles of pixels and channels.
var halvesTiles = map[[2]int]halves{
	{3, 2}: {regs(1, 3), regs(4, 1), 1, "r5", 6},
	{2, 2}: {regs(1, 4), regs(5, 2), 2, "r7", 8},
	{1, 4}: {regs(1, 2), regs(3, 4), 2, "r7", 8},
	{1, 2}: {regs(1, 4), regs(5, 4), 4, "r9", 10},
}

// writeHalves writes the products of smlad_halves: the bytes of a word are the codes of two channels, each
// channel's in every second byte.
func writeHalves(_ Layout, pixels, channels, groups, round int) (w writing, ok bool) {
	t, ok := halvesTiles[[2]int{pixels, channels}]
	if !ok {
		return w, false
	}
	w = smladWriting(pixels, channels, t.sums, t.inputs, t.codes, []string{t.own})
	var b text
	words := channels / 2
	some := func(n int) {
		for i := range n {
			at := i % t.together
			if left := min(t.together, n-i); at == 0 {
				b.load(w.codesAt, t.codes[:left*words])
				b.load(w.inputsAt, t.inputs[:left*pixels])
			}
			for u, q := range t.codes[at*words : (at+1)*words] {
				products := func(c int, codes string) {
					for px, x := range t.inputs[at*pixels : (at+1)*pixels] {
						b.line("smlad %[1]s, %[2]s, %[3]s, %[1]s", w.sums[px][c], codes, x)
					}
				}
				b.line("sxtb16 %s, %s", t.own, q)
				products(2*u, t.own)
				b.line("sxtb16 %[1]s, %[1]s, ror #8", q)
				products(2*u+1, q)
			}
		}
	}
	b.rounds(groups, max(round, t.together), some)
	w.text = b.String()
	return w, true
}

// mostCounted is above the rounds that count sets a register to.
const mostCounted = 1 << 16

// count sets one of the lower registers to a number.
func (b *text) count(register string, n int) {
	if n < 1<<8 {
		b.line("movs %s, #%d", register, n)
		return
	}
	b.line("movs %s, #%d", register, n>>8)
	b.line("lsls %[1]s, %[1]s, #8", register)
	b.line("adds %s, #%d", register, n&0xff)
}

// writeBiased writes the products of mla_biased: a Cortex-M0 multiplies in the lower eight
// registers alone, and one factor is lost; it adds to the upper registers, too.
func writeBiased(_ Layout, pixels, channels, groups, round int) (w writing, ok bool) {
	const shared, own, counter = "r2", "r3", "r7"
	sums := append(regs(4, 3), "r8", "r9", "r10", "r11", "r12", "lr")
	if pixels > 1 && channels > 1 || pixels*channels > len(sums) {
		return w, false
	}
	w = writing{inputsAt: "r0", codesAt: "r1", sums: tileOf(sums, pixels, channels), spoiled: []string{shared, own, counter}}
	// The one is shared by the products with the others.
	one, others, n := w.codesAt, w.inputsAt, pixels
	if pixels == 1 {
		one, others, n = w.inputsAt, w.codesAt, channels
	}
	const reach = 32 // bytes from a register that a load reaches
	var b text
	some := func(groups int) {
		for groups > 0 {
			part := min(groups, reach/n)
			for i := range part {
				b.line("ldrb %s, [%s, #%d]", shared, one, i)
				for j := range n {
					b.line("ldrb %s, [%s, #%d]", own, others, i*n+j)
					b.line("muls %[1]s, %[2]s, %[1]s", own, shared)
					if sum := sums[j]; len(sum) == 2 && sum < "r8" && sum != "lr" {
						b.line("adds %[1]s, %[1]s, %[2]s", sum, own)
					} else {
						b.line("add %s, %s", sum, own)
					}
				}
			}
			b.line("adds %[1]s, #%[2]d", one, part)
			b.line("adds %[1]s, #%[2]d", others, part*n)
			groups -= part
		}
	}
	if groups >= mostCounted {
		return w, false
	}
	b.loop(groups, min(max(round, reach/n), 8), counter, func(n int) { b.count(counter, n) }, some)
	w.text = b.String()
	return w, true
}

// writePairs writes the products of pair_written: of words whose fields are the codes of two channels, on a
// Cortex-M0, which multiplies in the lower eight registers alone. units are the fields of an input.
func writePairs(l Layout, pixels, units, inputs, round int) (w writing, ok bool) {
	const word, own, input, mask, counter = "r2", "r3", "r4", "r5", "r6"
	sums := []string{"r7", "r8", "r9", "r10", "r11", "r12", "lr"}
	if pixels*units > len(sums) || inputs/l.Steps >= mostCounted {
		return w, false
	}
	w = writing{inputsAt: "r0", codesAt: "r1", sums: tileOf(sums, pixels, units), spoiled: []string{word, own, input, mask, counter}}
	const reach = 32 // bytes from a register that a load reaches
	var b text
	bits := 16 / l.Fields
	if bits < 16 { // of each half
		b.line("movs %s, #%d", mask, 1<<bits-1)
		b.line("lsls %s, %s, #16", own, mask)
		b.line("orrs %[1]s, %[2]s", mask, own)
	}
	some := func(groups int) {
		at := 0
		advance := func() {
			if at > 0 {
				b.line("adds %s, #%d", w.inputsAt, at)
			}
			at = 0
		}
		for f := range groups * l.Words * l.Fields {
			unit, place := f%units, f%l.Fields*bits
			if unit == 0 && at+pixels > reach {
				advance()
			}
			if place == 0 {
				b.line("ldm %s!, {%s}", w.codesAt, word)
			}
			code := word
			switch {
			case bits == 16:
			case place == 0:
				code = own
				b.line("mov %s, %s", own, word)
			default:
				code = own
				b.line("lsrs %s, %s, #%d", own, word, place)
			}
			if bits < 16 {
				b.line("ands %s, %s", own, mask)
			}
			add := func(product, sum string) {
				if sum == sums[0] {
					b.line("adds %[1]s, %[1]s, %[2]s", sum, product)
				} else {
					b.line("add %s, %s", sum, product)
				}
			}
			switch {
			case pixels == 1 && unit == 0:
				b.line("ldrb %s, [%s, #%d]", input, w.inputsAt, at)
				fallthrough
			case pixels == 1:
				b.line("muls %[1]s, %[2]s, %[1]s", code, input)
				add(code, w.sums[0][unit])
			default:
				for px := range pixels {
					b.line("ldrb %s, [%s, #%d]", input, w.inputsAt, at+px)
					b.line("muls %[1]s, %[2]s, %[1]s", input, code)
					add(input, w.sums[px][unit])
				}
			}
			if unit == units-1 {
				at += pixels
			}
		}
		advance()
	}
	b.loop(inputs/l.Steps, max(1, round/l.Steps), counter, func(n int) { b.count(counter, n) }, some)
	w.text = b.String()
	return w, true
}
