package count

import (
	"slices"
	"strings"
)

// aarch64 is A64.
type aarch64 struct{}

const (
	a64SP   = 31
	a64Zero = 32
)

func (a *aarch64) registers() int { return 33 }

func (a *aarch64) calls() (result, link int) { return 0, 30 }

func (a *aarch64) low() uint64 { return 0 }

func (a *aarch64) start(m *machine, args []uint64) {
	for i, v := range args {
		if i < 8 {
			m.regs[i] = known(v)
		} else {
			m.store(known(uint64(stackTop+8*(i-8))), 8, known(v))
		}
	}
	m.regs[a64Zero], m.regs[a64SP], m.regs[30] = known(0), known(stackTop), known(returnTo)
}

// a64Register is a register's number; bits are those that an instruction reads and writes.
func a64Register(text string) (r, bits int, ok bool) {
	if len(text) < 2 {
		return 0, 0, false
	}
	switch text {
	case "sp":
		return a64SP, 64, true
	case "wsp":
		return a64SP, 32, true
	case "xzr":
		return a64Zero, 64, true
	case "wzr":
		return a64Zero, 32, true
	}
	n, isNumber := number(text[1:])
	switch {
	case !isNumber || n < 0 || n > 30:
		return 0, 0, false
	case text[0] == 'x':
		return int(n), 64, true
	case text[0] == 'w':
		return int(n), 32, true
	}
	return 0, 0, false
}

// numberOf is a64Register without the bits.
func (a *aarch64) numberOf(text string) (int, bool) {
	r, _, ok := a64Register(text)
	return r, ok
}

func (a *aarch64) set(m *machine, r, bits int, v value) {
	if r != a64Zero {
		v.n &= mask(bits)
		m.regs[r] = v
	}
}

// operand reads a register or a number with what may follow: lsl #2, or sxtw #1.
func (a *aarch64) operand(args []string, bits int) func(m *machine) value {
	if len(args) == 0 {
		return nil
	}
	f := func(x uint64) uint64 { return x }
	if len(args) > 1 {
		kind, by, _ := strings.Cut(args[1], " ")
		n, _ := number(by)
		switch kind {
		case "lsl":
			f = func(x uint64) uint64 { return x << n }
		case "lsr":
			f = func(x uint64) uint64 { return x & mask(bits) >> n }
		case "asr":
			f = func(x uint64) uint64 { return uint64(int64(extend(x, bits)) >> n) }
		case "sxtw", "sxth", "sxtb", "sxtx":
			width := map[byte]int{'w': 32, 'h': 16, 'b': 8, 'x': 64}[kind[3]]
			f = func(x uint64) uint64 { return extend(x, width) << n }
		case "uxtw", "uxth", "uxtb", "uxtx":
			width := map[byte]int{'w': 32, 'h': 16, 'b': 8, 'x': 64}[kind[3]]
			f = func(x uint64) uint64 { return x & mask(width) << n }
		default:
			return func(*machine) value { return unknown }
		}
	}
	if n, ok := number(args[0]); ok {
		v := known(f(uint64(n)))
		return func(*machine) value { return v }
	}
	r, own, ok := a64Register(args[0])
	if !ok {
		return nil
	}
	return func(m *machine) value { return one(m.regs[r], func(x uint64) uint64 { return f(x & mask(own)) }) }
}

// a64Sums are the operations of two operands but for additions.
var a64Sums = map[string]func(x, y uint64, bits int) uint64{
	"and": func(x, y uint64, _ int) uint64 { return x & y }, "orr": func(x, y uint64, _ int) uint64 { return x | y },
	"eor": func(x, y uint64, _ int) uint64 { return x ^ y }, "bic": func(x, y uint64, _ int) uint64 { return x &^ y },
	"orn": func(x, y uint64, _ int) uint64 { return x | ^y }, "mul": func(x, y uint64, _ int) uint64 { return x * y },
	"lsl": func(x, y uint64, bits int) uint64 { return x << (y & uint64(bits-1)) },
	"lsr": func(x, y uint64, bits int) uint64 { return x & mask(bits) >> (y & uint64(bits-1)) },
	"asr": func(x, y uint64, bits int) uint64 {
		return uint64(int64(extend(x, bits)) >> (y & uint64(bits-1)))
	},
	"udiv": func(x, y uint64, _ int) uint64 {
		if y == 0 {
			return 0
		}
		return x / y
	},
	"smull": func(x, y uint64, _ int) uint64 { return extend(x, 32) * extend(y, 32) },
	"umull": func(x, y uint64, _ int) uint64 { return x & mask(32) * (y & mask(32)) },
}

// a64Moves are those of one operand.
var a64Moves = map[string]func(x uint64) uint64{
	"mov": func(x uint64) uint64 { return x }, "mvn": func(x uint64) uint64 { return ^x }, "neg": func(x uint64) uint64 { return -x },
	"sxtw": func(x uint64) uint64 { return extend(x, 32) }, "sxth": func(x uint64) uint64 { return extend(x, 16) }, "sxtb": func(x uint64) uint64 { return extend(x, 8) },
	"uxtw": func(x uint64) uint64 { return x & mask(32) }, "uxth": func(x uint64) uint64 { return x & mask(16) }, "uxtb": func(x uint64) uint64 { return x & mask(8) },
	"adr": func(x uint64) uint64 { return x }, "adrp": func(x uint64) uint64 { return x },
}

func (a *aarch64) decode(i instruction, name string, args []string) func(m *machine) {
	run := a.scalar(i, name, args)
	if run != nil {
		return run
	}
	if len(args) == 0 {
		return nil
	}
	// All others change what they name first, the flags, or a base that moves.
	for k, text := range args {
		if !strings.HasPrefix(text, "[") || !strings.HasSuffix(text, "!") && k == len(args)-1 {
			continue
		}
		_, after, base, ok := a.place(args[k:])
		if !ok {
			return forget(named(args, a.numberOf), true)
		}
		return func(m *machine) { a.set(m, base, 64, after(m)) }
	}
	list := slices.DeleteFunc(named(args[:1], a.numberOf), func(r int) bool { return r == a64Zero })
	flags := strings.HasSuffix(name, "s") && len(list) > 0 || strings.HasPrefix(name, "fcmp") || strings.HasPrefix(name, "ccm")
	if strings.HasPrefix(name, "st") {
		return nil
	}
	return forget(list, flags)
}

// scalar is what is known of instructions that control flow may depend on; nil of all others.
func (a *aarch64) scalar(i instruction, name string, args []string) func(m *machine) {
	if run := a.branch(i, name, args); run != nil || len(args) == 0 {
		return run
	}
	r, bits, ok := a64Register(args[0])
	if !ok {
		return nil
	}
	if f := a64Moves[name]; f != nil && len(args) >= 2 {
		if x := a.operand(args[1:], bits); x != nil {
			return func(m *machine) { a.set(m, r, bits, one(x(m), f)) }
		}
		return nil
	}
	switch name {
	case "add", "adds", "sub", "subs":
		if len(args) < 3 {
			return nil
		}
		return a.add(r, bits, args[1:2], args[2:], strings.HasPrefix(name, "sub"), strings.HasSuffix(name, "s"))
	case "cmp", "cmn":
		return a.add(a64Zero, bits, args[:1], args[1:], name == "cmp", true)
	case "tst", "ands":
		x, y := a.operand(args[len(args)-2:len(args)-1], bits), a.operand(args[len(args)-1:], bits)
		if x == nil || y == nil || strings.Contains(args[len(args)-1], " ") {
			return nil
		}
		to := r
		if name == "tst" {
			to = a64Zero
		}
		return func(m *machine) {
			v := both(x(m), y(m), func(x, y uint64) uint64 { return x & y & mask(bits) })
			a.set(m, to, bits, v)
			m.flags.result(v, bits)
			m.flags.knowsC, m.flags.knowsV = v.known, v.known
		}
	case "movk":
		n, ok := number(args[1])
		shift := int64(0)
		if len(args) > 2 {
			shift, _ = number(strings.TrimPrefix(args[2], "lsl "))
		}
		if !ok {
			return nil
		}
		return func(m *machine) {
			a.set(m, r, bits, one(m.regs[r], func(x uint64) uint64 { return x&^(0xffff<<shift) | uint64(n)<<shift }))
		}
	case "madd", "msub":
		return a.accumulate(r, bits, name == "msub", args)
	case "ldr", "ldrb", "ldrh", "ldrsb", "ldrsh", "ldrsw", "ldur", "ldurb", "ldurh", "ldursb", "ldursh", "ldursw", "str", "strb", "strh", "stur", "sturb", "sturh":
		return a.memory(name, []int{r}, bits, args[1:])
	case "ldp", "stp":
		second, _, ok := a64Register(args[1])
		if !ok {
			return nil
		}
		return a.memory(name, []int{r, second}, bits, args[2:])
	case "csel", "csinc", "csinv", "csneg", "cset", "csetm", "cinc", "cinv", "cneg":
		return a.choose(name, r, bits, args)
	}
	if f := a64Sums[name]; f != nil && len(args) >= 3 {
		x, y := a.operand(args[1:2], bits), a.operand(args[2:], bits)
		if x == nil || y == nil {
			return nil
		}
		return func(m *machine) {
			a.set(m, r, bits, both(x(m), y(m), func(x, y uint64) uint64 { return f(x, y, bits) }))
		}
	}
	return nil
}

func (a *aarch64) add(r, bits int, first, others []string, invert, s bool) func(m *machine) {
	x, y := a.operand(first, bits), a.operand(others, bits)
	if x == nil || y == nil {
		return nil
	}
	carry, flip := uint64(0), uint64(0)
	if invert {
		carry, flip = 1, ^uint64(0)
	}
	return func(m *machine) {
		p, q := x(m), y(m)
		q.n ^= flip
		if s {
			a.set(m, r, bits, m.flags.sum(value{p.n & mask(bits), p.known}, value{q.n & mask(bits), q.known}, carry, bits))
			return
		}
		a.set(m, r, bits, value{p.n + q.n + carry, p.known && q.known})
	}
}

func (a *aarch64) accumulate(r, bits int, negative bool, args []string) func(m *machine) {
	if len(args) != 4 {
		return nil
	}
	x, y, z := a.operand(args[1:2], bits), a.operand(args[2:3], bits), a.operand(args[3:], bits)
	if x == nil || y == nil || z == nil {
		return nil
	}
	return func(m *machine) {
		product := both(x(m), y(m), func(x, y uint64) uint64 {
			if negative {
				return -(x * y)
			}
			return x * y
		})
		a.set(m, r, bits, both(z(m), product, func(x, y uint64) uint64 { return x + y }))
	}
}

// choose is a selection by a condition.
func (a *aarch64) choose(name string, r, bits int, args []string) func(m *machine) {
	condition := args[len(args)-1]
	operands := args[1 : len(args)-1]
	zero := func(*machine) value { return known(0) }
	x, y := zero, zero
	if len(operands) > 0 {
		x, y = a.operand(operands[:1], bits), a.operand(operands[len(operands)-1:], bits)
	}
	if x == nil || y == nil {
		return nil
	}
	change := func(v uint64) uint64 { return v }
	switch {
	case strings.HasSuffix(name, "inc") || name == "cset":
		change = func(v uint64) uint64 { return v + 1 }
	case strings.HasSuffix(name, "inv") || name == "csetm":
		change = func(v uint64) uint64 { return ^v }
	case strings.HasSuffix(name, "neg"):
		change = func(v uint64) uint64 { return -v }
	}
	isShort := len(operands) < 2 // these change what they have where the condition holds
	return func(m *machine) {
		holds, isKnown := m.flags.holds(condition)
		v := x(m)
		if holds == isShort {
			v = one(y(m), change)
		}
		v.known = v.known && isKnown
		a.set(m, r, bits, v)
	}
}

// place is an operand of memory: its address, and the base after the instruction.
func (a *aarch64) place(args []string) (at, after func(m *machine) value, base int, ok bool) {
	text, isBefore := strings.CutSuffix(args[0], "!")
	var parts []string
	for _, p := range strings.Split(strings.Trim(text, "[]"), ",") {
		parts = append(parts, strings.TrimSpace(p))
	}
	base, _, ok = a64Register(parts[0])
	if !ok {
		return nil, nil, 0, false
	}
	start := func(m *machine) value { return m.regs[base] }
	plus := func(args []string) func(m *machine) value {
		if len(args) == 0 {
			return start
		}
		y := a.operand(args, 64)
		if y == nil {
			return nil
		}
		return func(m *machine) value { return both(start(m), y(m), func(x, y uint64) uint64 { return x + y }) }
	}
	at = plus(parts[1:])
	after = start
	if isBefore {
		after = at
	}
	if len(args) > 1 {
		after = plus(args[1:])
	}
	return at, after, base, at != nil && after != nil
}

func (a *aarch64) memory(name string, list []int, bits int, args []string) func(m *machine) {
	if len(args) == 0 || !strings.HasPrefix(args[0], "[") {
		return nil
	}
	at, after, base, ok := a.place(args)
	if !ok {
		return nil
	}
	bytes := bits / 8
	switch {
	case strings.HasSuffix(name, "b"):
		bytes = 1
	case strings.HasSuffix(name, "h"):
		bytes = 2
	case strings.HasSuffix(name, "sw"):
		bytes = 4
	}
	isLoad, signed := name[0] == 'l', strings.Contains(name, "rs")
	moves := strings.HasSuffix(args[0], "!") || len(args) > 1
	return func(m *machine) {
		from, to := at(m), after(m)
		if moves {
			a.set(m, base, 64, to)
		}
		for k, r := range list {
			place := value{from.n + uint64(k*bytes), from.known}
			if isLoad {
				a.set(m, r, bits, m.load(place, bytes, signed))
			} else {
				m.store(place, bytes, m.regs[r])
			}
		}
	}
}

// branch is what changes the program counter.
func (a *aarch64) branch(i instruction, name string, args []string) func(m *machine) {
	to, ok := target(args)
	if condition, is := strings.CutPrefix(name, "b."); is && ok {
		return func(m *machine) {
			holds, isKnown := m.flags.holds(condition)
			m.branch(to, holds, isKnown)
		}
	}
	switch name {
	case "b":
		return func(m *machine) { m.jump(known(to)) }
	case "bl":
		return func(m *machine) {
			m.regs[30] = known(i.next)
			m.jump(known(to))
		}
	case "ret":
		return func(m *machine) { m.jump(m.regs[30]) }
	case "br":
		r, _, _ := a64Register(args[0])
		return func(m *machine) { m.jump(m.regs[r]) }
	case "blr":
		r, _, _ := a64Register(args[0])
		return func(m *machine) {
			to := m.regs[r]
			m.regs[30] = known(i.next)
			m.jump(to)
		}
	case "cbz", "cbnz":
		r, bits, _ := a64Register(args[0])
		return func(m *machine) {
			m.branch(to, m.regs[r].n&mask(bits) == 0 == (name == "cbz"), m.regs[r].known)
		}
	case "tbz", "tbnz":
		r, _, _ := a64Register(args[0])
		n, _ := number(args[1])
		return func(m *machine) {
			m.branch(to, m.regs[r].n>>n&1 == 0 == (name == "tbz"), m.regs[r].known)
		}
	case "ccmp", "ccmn":
		_, bits, _ := a64Register(args[0])
		compare := a.add(a64Zero, bits, args[:1], args[1:2], name == "ccmp", true)
		n, isNumber := number(args[2])
		if compare == nil || !isNumber {
			return nil
		}
		return func(m *machine) {
			holds, isKnown := m.flags.holds(args[3])
			switch {
			case !isKnown:
				m.flags = flags{}
			case holds:
				compare(m)
			default:
				m.flags = flags{n>>3&1 == 1, n>>2&1 == 1, n>>1&1 == 1, n&1 == 1, true, true, true}
			}
		}
	}
	return nil
}
